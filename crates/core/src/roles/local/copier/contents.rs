//! The contents of a file that is copied whole.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Copier, Job, SMALL};
use crate::error::Result;
use crate::report::Report;
use crate::roles::words::request::Request;
use crate::sums::strong::Hasher;
use crate::tree::data::{self, CopyError, Reflink};
use crate::tree::sparse::Output;
use crate::wire::throttle::Throttle;

/// Bytes that are searched for holes at a time.
pub(super) const PIECE: usize = 32 * 1024;

impl Copier {
    /// Read a small file that is copied whole into the buffer, before a temporary file is made. `false`: the caller
    /// must read the file's status first, because the file is not small and plain, or not as long as listed.
    pub(super) fn read_early(&mut self, request: &Request, source: &File, to_device: bool) -> bool {
        let plan = &self.plan;
        let len = request.at.entry().len;
        let whole = request.basis.is_none() || plan.write.whole_file;
        let plain = !(plan.write.sparse
            || plan.write.preallocate
            || plan.write.inplace
            || plan.attrs.copy_devices
            || to_device);
        self.early = false;
        // An empty file is not read, which would change its access time.
        if !whole || !plain || plan.write.append > 0 || len >= SMALL || len == 0 {
            return false;
        }
        self.buffer.resize(SMALL as usize, 0);
        // The read asks for one byte more than the file should have, so a result of that length proves the end of the file.
        self.early = source
            .read_at(&mut self.buffer[..=len as usize], 0)
            .is_ok_and(|n| n as u64 == len);
        self.early
    }

    /// Write the new content into the target, which is empty or has reserved zeros.
    pub(super) fn fill(&mut self, job: Job<'_>) -> Result<(), CopyError> {
        let Job {
            request,
            source,
            size,
            target,
            ..
        } = job;
        let plan = Arc::clone(&self.plan);
        if let Some(basis) = request.basis.as_ref().filter(|_| !plan.write.whole_file && size > 0) {
            if self.delta(job, basis, false)? {
                return Ok(());
            }
        }
        if plan.write.sparse || self.report.bwlimit() > 0 {
            // Piece by piece: to find holes, and to keep to the bandwidth limit.
            let mut output = Output::new(target, 0, job.existing, plan.write.sparse);
            self.copy_pieces(source, 0, size, &mut output, PIECE)?;
            output.finish().map_err(CopyError::Target)?;
            return Ok(());
        }
        if size <= SMALL {
            return self.small_copy(source, size, target);
        }
        let report = self.report.clone();
        let progress = report.progress_level() > 0;
        let (written, throttle) = (&mut self.written.0, &mut self.throttle);
        data::copy_whole_with(source, target, size, Reflink::Try, &mut |done| {
            let more = done.saturating_sub(*written);
            *written = done;
            report.live().advance(done);
            if progress {
                report.progress(done, size);
            }
            // A limit may be set while the file is copied.
            pace(throttle, &report, more as usize)?;
            report.check()
        })?;
        Ok(())
    }

    fn small_copy(&mut self, source: &File, size: u64, target: &File) -> Result<(), CopyError> {
        self.buffer.resize(SMALL as usize, 0);
        let content = &mut self.buffer[..size as usize];
        if !self.early {
            data::read_at(source, content, 0)?;
        }
        if size > 0 {
            use std::io::Write;
            let mut writer: &File = target;
            writer.write_all(content).map_err(CopyError::Target)?;
        }
        self.written.0 = size;
        Ok(())
    }

    /// Copy what is between `at` and `size`, `piece` bytes at a time, with progress and the bandwidth limit.
    pub(super) fn copy_pieces(
        &mut self,
        source: &File,
        mut at: u64,
        size: u64,
        output: &mut Output<'_>,
        piece: usize,
    ) -> Result<(), CopyError> {
        self.buffer.resize(piece, 0);
        while at < size {
            self.report.check().map_err(CopyError::Stopped)?;
            let want = self.buffer.len().min((size - at) as usize);
            match source.read_at(&mut self.buffer[..want], at) {
                Ok(0) => return Err(CopyError::ended_early()),
                Ok(n) => {
                    output.write(&self.buffer[..n]).map_err(CopyError::Target)?;
                    at += n as u64;
                    self.written.0 += n as u64;
                    self.report.live().advance(at);
                    pace(&mut self.throttle, &self.report, n).map_err(CopyError::Stopped)?;
                    if self.report.progress_level() > 0 {
                        self.report.progress(at, size);
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(CopyError::Source(e)),
            }
        }
        Ok(())
    }

    /// `%C` of a file whose data this process did not read.
    pub(super) fn late_sum(&mut self, source: &File, len: u64) -> Option<Vec<u8>> {
        if self.plan.select.checksum {
            return None;
        }
        let mut hasher = Hasher::new(self.plan.agreed.xfer_sum);
        self.buffer.resize(SMALL as usize, 0);
        let mut at = 0;
        while at < len {
            match source.read_at(&mut self.buffer, at) {
                // No sum is better than a wrong one.
                Ok(0) | Err(_) => return None,
                Ok(n) => {
                    hasher.update(&self.buffer[..n]);
                    at += n as u64;
                }
            }
        }
        Some(hasher.finish().as_slice().to_vec())
    }
}

/// Wait as long as the limit demands after `n` bytes (`--bwlimit`), less if the limit changes meanwhile.
pub(super) fn pace(throttle: &mut Throttle, report: &Report, n: usize) -> Result<()> {
    let limit = report.bwlimit();
    throttle.set(limit);
    let Some(time) = throttle.written(n, Instant::now()) else {
        return Ok(());
    };
    let end = Instant::now() + time;
    loop {
        report.check()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || report.bwlimit() != limit {
            break;
        }
        std::thread::sleep(left.min(Duration::from_millis(100)));
    }
    throttle.slept(time, Instant::now());
    Ok(())
}

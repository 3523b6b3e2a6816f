//! Local copies that use existing data: by differences, in place, and by appending.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::contents::pace;
use super::{target_failed, Copier, Job, SMALL};
use crate::delta::search::{search, SearchStats, TokenSink};
use crate::delta::signature::Signature;
use crate::error::{Error, Result};
use crate::report::Report;
use crate::roles::landing::{NewFile, Outcome};
use crate::roles::text::messages;
use crate::roles::words::request::{sum_head_of, Basis, BasisKind, Request};
use crate::sums::strong::{BlockHasher, Hasher};
use crate::tree::behind::Spans;
use crate::tree::data::{read_at, CopyError};
use crate::tree::sparse::Output;
use crate::wire::throttle::Throttle;

/// From this length on a file is worth a thread that writes it.
const LONG: u64 = 4 << 20;

fn several_processors() -> bool {
    std::thread::available_parallelism().is_ok_and(|processors| processors.get() > 1)
}

impl Copier {
    /// Build the file from its basis. `false`: the basis can't be read; copy whole.
    pub(super) fn delta(&mut self, job: Job<'_>, basis: &Basis, inplace: bool) -> Result<bool, CopyError> {
        let Job {
            request,
            source,
            size,
            target,
            existing,
            ..
        } = job;
        let plan = Arc::clone(&self.plan);
        let basis_file = match basis.open(&plan) {
            Ok(file) => file,
            Err(error) => {
                basis.report_unreadable(&self.report, &error);
                return Ok(false);
            }
        };
        // Nothing verifies the whole file here. Written data comes from the source, but in an update in place a matched block
        // stays, so its sum must be a strong one.
        let head = sum_head_of(&plan, basis.size, request.redo || inplace);
        let hasher = BlockHasher::new(plan.agreed.xfer_sum, plan.agreed.seed, plan.agreed.compat_seed_fix);
        let (signature, read) = Signature::of_file(&basis_file, head, &hasher).map_err(CopyError::Stopped)?;
        if read.is_err() {
            // Zeros stand for data that could not be read, also in sums.
            return Ok(false);
        }
        let output = Output::new(target, 0, existing, plan.write.sparse);
        // A hole, or a block that stays, depends on where it is found.
        let behind = size >= LONG && !inplace && !plan.write.sparse && several_processors();
        std::thread::scope(|scope| {
            let output = if behind {
                Spans::behind(scope, output)
            } else {
                Spans::Here(output)
            };
            let end = self.rebuild(source, size, &signature, hasher, inplace, output)?;
            if inplace && existing > end {
                target.set_len(end).map_err(CopyError::Target)?;
            }
            Ok(true)
        })
    }

    /// Write the file from the blocks that `signature` describes and from the source. Returns its length.
    fn rebuild(
        &mut self,
        source: &File,
        size: u64,
        signature: &Signature,
        hasher: BlockHasher,
        inplace: bool,
        output: Spans<'_, '_>,
    ) -> Result<u64, CopyError> {
        let mut whole = Hasher::new(crate::plan::SumKind::None);
        let mut stats = SearchStats::default();
        let broken = RefCell::new(None);
        let mut sink = Rebuild {
            output,
            signature,
            inplace,
            report: &self.report,
            throttle: &mut self.throttle,
            written: &mut self.written,
            broken: &broken,
            size,
            progress: self.report.progress_level() > 0,
            counted: 0,
        };
        let mut reader = Watched {
            file: source,
            broken: &broken,
        };
        let searched = search(
            &mut reader,
            size,
            signature,
            &hasher,
            inplace,
            &mut whole,
            &mut sink,
            &mut stats,
        );
        let output = sink.output;
        self.report.stats(|s| {
            s.matches += stats.matches;
            s.hash_hits += stats.hash_hits;
            s.false_alarms += stats.false_alarms;
        });
        if let Some(error) = broken.take() {
            return Err(error);
        }
        searched.map_err(CopyError::Stopped)?.map_err(CopyError::Source)?;
        output.finish().map_err(CopyError::Target)
    }

    /// `--inplace`, `--append`, `--write-devices`.
    pub(super) fn in_place(
        &mut self,
        request: &Request,
        file: NewFile<'_>,
        source: &File,
        size: u64,
        device: bool,
    ) -> Result<Outcome> {
        let plan = Arc::clone(&self.plan);
        let dest = file.dest;
        let existing = request.exists.map_or(0, |s| s.size);
        let appends = plan.write.append > 0 && !request.redo && existing > 0;
        if appends && existing > size {
            let shown = self.shown_source(request);
            self.report.warning(messages::diminished(&shown));
            return Ok(Outcome::Failed);
        }
        let mut copy = None;
        if plan.write.backup && request.exists.is_some() && !request.redo {
            copy = dest.backup_copy(&request.rel)?;
        }
        let Ok(update) = file.begin_in_place(device) else {
            self.written.0 = size;
            return Ok(Outcome::Failed);
        };
        let from_copy = copy.map(|(root, name)| Basis::new(BasisKind::Backup, root, name, existing));
        let start = if appends { existing } else { 0 };
        let result = if appends {
            self.append(source, size, existing, update.target())
        } else {
            let basis = from_copy.as_ref().or(request.basis.as_ref());
            let job = Job {
                request,
                source,
                size,
                target: update.target(),
                existing,
            };
            self.rewrite(job, basis, device).map(|()| true)
        };
        match result {
            Ok(true) => update.finish(),
            Ok(false) => update.unverified(),
            Err(CopyError::Source(error)) => {
                self.source_failed(request, size - start, &error);
                update.unverified()
            }
            Err(other) => Err(target_failed(dest, &request.rel, other)),
        }
    }

    /// Write the parts of the file that differ from the existing data.
    fn rewrite(&mut self, job: Job<'_>, basis: Option<&Basis>, device: bool) -> Result<(), CopyError> {
        let plan = Arc::clone(&self.plan);
        if let Some(basis) = basis.filter(|_| !plan.write.whole_file && job.size > 0 && !device) {
            let itself = basis.kind == BasisKind::Itself;
            if self.delta(job, basis, itself)? {
                return Ok(());
            }
        }
        let mut output = Output::new(job.target, 0, job.existing, plan.write.sparse && !device);
        self.copy_pieces(job.source, 0, job.size, &mut output, SMALL as usize)?;
        if !device {
            output.finish().map_err(CopyError::Target)?;
        }
        Ok(())
    }

    /// Append the rest of the source. `false`: the existing data is not the beginning of the source
    /// (spec: transfer 6 `--append-verify`).
    fn append(&mut self, source: &File, size: u64, existing: u64, target: &File) -> Result<bool, CopyError> {
        let verified = self.plan.write.append < 2 || self.same_start(source, target, existing)?;
        let mut output = Output::new(target, existing, existing, self.plan.write.sparse);
        self.copy_pieces(source, existing, size, &mut output, SMALL as usize)?;
        output.finish().map_err(CopyError::Target)?;
        Ok(verified)
    }

    fn same_start(&mut self, source: &File, target: &File, len: u64) -> Result<bool, CopyError> {
        let mut other = vec![0; SMALL as usize];
        self.buffer.resize(SMALL as usize, 0);
        let mut at = 0;
        while at < len {
            self.report.check().map_err(CopyError::Stopped)?;
            let want = other.len().min((len - at) as usize);
            read_at(source, &mut self.buffer[..want], at)?;
            // Data that can't be read counts as different.
            if target.read_exact_at(&mut other[..want], at).is_err() || self.buffer[..want] != other[..want] {
                return Ok(false);
            }
            at += want as u64;
        }
        Ok(true)
    }
}

/// Reads the source for a search. A search goes on with zeros after an error, so this reader notes the error, and the
/// search ends.
struct Watched<'a> {
    file: &'a File,
    broken: &'a RefCell<Option<CopyError>>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.file.read(buffer);
        match &result {
            // The search asks for no more than the file should have.
            Ok(0) if !buffer.is_empty() => *self.broken.borrow_mut() = Some(CopyError::ended_early()),
            Err(e) if e.kind() != io::ErrorKind::Interrupted => {
                let error = e.raw_os_error().map_or(e.kind().into(), io::Error::from_raw_os_error);
                *self.broken.borrow_mut() = Some(CopyError::Source(error));
            }
            _ => {}
        }
        result
    }
}

/// Takes the tokens of a search and writes the file.
struct Rebuild<'a, 'scope> {
    output: Spans<'scope, 'a>,
    signature: &'a Signature,
    inplace: bool,
    report: &'a Report,
    throttle: &'a mut Throttle,
    /// Literal and matched bytes.
    written: &'a mut (u64, u64),
    /// Why the copy can't go on.
    broken: &'a RefCell<Option<CopyError>>,
    size: u64,
    progress: bool,
    /// Where the live figures stand.
    counted: u64,
}

impl Rebuild<'_, '_> {
    fn is_whole(&self) -> Result<()> {
        if self.broken.borrow().is_some() {
            return Err(Error::Reported(11));
        }
        Ok(())
    }

    fn wrote(&self, result: io::Result<()>) -> Result<()> {
        result.map_err(|error| {
            *self.broken.borrow_mut() = Some(CopyError::Target(error));
            Error::Reported(11)
        })
    }

    fn shown(&mut self) -> Result<()> {
        let position = self.output.position();
        if position - self.counted >= SMALL {
            self.counted = position;
            self.report.live().advance(position);
        }
        if self.progress {
            self.report.progress(position, self.size);
        }
        self.report.check()
    }
}

impl TokenSink for Rebuild<'_, '_> {
    fn literal(&mut self, data: &[u8]) -> Result<()> {
        self.is_whole()?;
        let result = self.output.write(data);
        self.wrote(result)?;
        self.written.0 += data.len() as u64;
        pace(self.throttle, self.report, data.len())?;
        self.shown()
    }

    fn block(&mut self, index: u32, data: &[u8]) -> Result<()> {
        self.is_whole()?;
        let result = if self.inplace && self.signature.head.offset(index) == self.output.position() {
            self.output.stay(data)
        } else {
            self.output.write(data)
        };
        self.wrote(result)?;
        self.written.1 += data.len() as u64;
        self.shown()
    }
}

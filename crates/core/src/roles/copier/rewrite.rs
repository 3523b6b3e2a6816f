//! Local copies that use what is there: by differences, in place, and by appending.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::{pace, Copier, SMALL};
use crate::delta::search::{search, SearchStats, TokenSink};
use crate::delta::signature::Signature;
use crate::error::Result;
use crate::report::item::iflag;
use crate::report::Report;
use crate::roles::compare::Wanted;
use crate::roles::dest::Dest;
use crate::roles::generator::{Basis, Request};
use crate::sums::size::sum_head;
use crate::sums::strong::{BlockHasher, Hasher};
use crate::tree::sparse::Output;
use crate::wire::throttle::Throttle;

impl Copier {
    /// Build the file from its basis. `false`: the basis can't be read; copy whole.
    pub(super) fn delta(
        &mut self,
        request: &Request,
        dest: &Dest,
        source: &File,
        size: u64,
        basis: &Basis,
        target: &File,
        existing: u64,
        inplace: bool,
    ) -> Result<bool> {
        let plan = Arc::clone(&self.plan);
        let basis_file = match basis.root.open_read(&basis.name, self.plan.open_noatime) {
            Ok(file) => file,
            Err(error) => {
                let text = [
                    b"failed to open ".as_slice(),
                    &dest.report.quoted(&basis.root.display(&basis.name)),
                    b", continuing",
                ]
                .concat();
                self.report.error(crate::report::sys_line("generator", &text, &error));
                return Ok(false);
            }
        };
        let head = sum_head(basis.size, plan.block_size, plan.protocol, plan.xfer_sum, request.redo);
        let hasher = BlockHasher::new(plan.xfer_sum, plan.seed, plan.compat_seed_fix);
        let (signature, _) = {
            let mut reader: &File = &basis_file;
            Signature::of(&mut reader, head, &hasher)?
        };
        let mut whole = Hasher::new(crate::plan::SumKind::None);
        let mut stats = SearchStats::default();
        let mut sink = Rebuild {
            output: Output::new(target, 0, existing, plan.sparse),
            signature: &signature,
            inplace,
            sparse: plan.sparse,
            dest,
            rel: &request.rel,
            report: &self.report,
            throttle: &mut self.throttle,
            size,
            progress: self.report.progress_level() > 0,
        };
        let mut reader: &File = source;
        search(
            &mut reader,
            size,
            &signature,
            &hasher,
            inplace,
            &mut whole,
            &mut sink,
            &mut stats,
        )?;
        let end = sink.output.finish().map_err(|e| dest.write_error(&request.rel, &e))?;
        if inplace && existing > end {
            target.set_len(end).map_err(|e| dest.write_error(&request.rel, &e))?;
        }
        self.wrote(stats.literal, stats.matched);
        self.report.stats(|s| {
            s.matches += stats.matches;
            s.hash_hits += stats.hash_hits;
            s.false_alarms += stats.false_alarms;
        });
        Ok(true)
    }

    /// `--inplace`, `--append`, `--write-devices`.
    pub(super) fn in_place(
        &mut self,
        request: &Request,
        dest: &Dest,
        source: &File,
        size: u64,
        want: &Wanted,
    ) -> Result<bool> {
        let plan = Arc::clone(&self.plan);
        let failed = |e: io::Error| dest.write_error(&request.rel, &e);
        let mut copy = None;
        if plan.backup && request.exists.is_some() {
            copy = dest.backup_copy(&request.rel)?;
        }
        let Some(target) = dest.open_inplace(&request.rel) else {
            return Ok(false);
        };
        let existing = request.exists.map_or(0, |s| s.size);
        let device = request.exists.is_some_and(|s| s.is_device());
        if plan.append > 0 && existing > 0 && existing < size {
            self.append(request, dest, source, size, existing, &target)?;
        } else {
            let own = request
                .basis
                .as_ref()
                .filter(|b| b.kind == crate::roles::generator::basis::ITSELF);
            let from_copy = copy.map(|(root, name)| Basis {
                kind: crate::roles::generator::basis::BACKUP,
                root,
                name,
                size: existing,
                xname: None,
            });
            let basis = if from_copy.is_some() {
                from_copy.as_ref()
            } else {
                request.basis.as_ref()
            };
            let mut done = false;
            if let Some(basis) = basis.filter(|_| !plan.whole_file && size > 0 && !device) {
                let overwrites = own.is_some() && basis.kind == crate::roles::generator::basis::ITSELF;
                done = self.delta(request, dest, source, size, basis, &target, existing, overwrites)?;
            }
            if !done {
                let mut output = Output::new(&target, 0, existing, plan.sparse && !device);
                let at = self.copy_pieces(request, dest, source, size, &mut output, SMALL as usize)?;
                if !device {
                    output.finish().map_err(failed)?;
                }
                self.wrote(at, 0);
            }
        }
        dest.sync(&target, &request.rel)?;
        if !device {
            dest.set_attrs_open(&target, &request.rel, want, None);
        }
        Ok(true)
    }

    pub(super) fn append(
        &mut self,
        request: &Request,
        dest: &Dest,
        source: &File,
        size: u64,
        existing: u64,
        target: &File,
    ) -> Result<()> {
        let failed = |e: io::Error| dest.write_error(&request.rel, &e);
        let mut at = existing;
        if self.plan.append > 1 && !self.same_start(source, target, existing) {
            // What is there is not the beginning of the new file: write all of it (spec: transfer 6 `--append`).
            if self.plan.info.name > 0 || self.plan.itemize {
                let name = request.segment.name(request.i);
                let text = [
                    b"WARNING: ".as_slice(),
                    &name,
                    b" failed verification -- update retained (will try again).",
                ]
                .concat();
                self.report.warning(text);
            }
            at = 0;
            let len = request.segment.entry(request.i).len;
            self.wrote(size - existing, 0);
            self.report.stats(|s| {
                s.transferred += 1;
                s.transferred_size += len;
            });
            // The second try is an item of its own, and the first has changed the time.
            let flags = iflag::TRANSFER | iflag::TIME;
            self.again.push((Arc::clone(&request.segment), request.i, flags));
        }
        self.buffer.resize(SMALL as usize, 0);
        let start = at;
        while at < size {
            self.report.check()?;
            let want = self.buffer.len().min((size - at) as usize);
            match source.read_at(&mut self.buffer[..want], at) {
                Ok(0) => break,
                Ok(n) => {
                    target.write_all_at(&self.buffer[..n], at).map_err(failed)?;
                    pace(&mut self.throttle, &self.report, n)?;
                    at += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(failed(e)),
            }
        }
        target.set_len(at).map_err(failed)?;
        self.wrote(at - start, 0);
        Ok(())
    }

    pub(super) fn same_start(&mut self, source: &File, target: &File, len: u64) -> bool {
        let mut other = vec![0; SMALL as usize];
        self.buffer.resize(SMALL as usize, 0);
        let mut at = 0;
        while at < len {
            let want = other.len().min((len - at) as usize);
            if source.read_exact_at(&mut self.buffer[..want], at).is_err()
                || target.read_exact_at(&mut other[..want], at).is_err()
                || self.buffer[..want] != other[..want]
            {
                return false;
            }
            at += want as u64;
        }
        true
    }
}

/// Takes the tokens of a search and writes the file.
struct Rebuild<'a> {
    output: Output<'a>,
    signature: &'a Signature,
    inplace: bool,
    /// Zeros in matched blocks become holes too.
    sparse: bool,
    dest: &'a Dest,
    rel: &'a [u8],
    report: &'a Report,
    throttle: &'a mut Throttle,
    size: u64,
    progress: bool,
}

impl Rebuild<'_> {
    fn shown(&self) -> Result<()> {
        if self.progress {
            self.report.progress(self.output.position(), self.size);
        }
        self.report.check()
    }
}

impl TokenSink for Rebuild<'_> {
    fn literal(&mut self, data: &[u8]) -> Result<()> {
        self.output
            .write(data)
            .map_err(|e| self.dest.write_error(self.rel, &e))?;
        pace(self.throttle, self.report, data.len())?;
        self.shown()
    }

    fn block(&mut self, index: u32, data: &[u8]) -> Result<()> {
        if self.inplace && !self.sparse && self.signature.head.offset(index) == self.output.position() {
            self.output.skip(data.len() as u64)
        } else {
            self.output.write(data)
        }
        .map_err(|e| self.dest.write_error(self.rel, &e))?;
        self.shown()
    }
}

//! Requests on the wire: what is wanted, and the sums of what is here (spec: protocol 6.1, 6.6, 6.7).

use std::fs::File;

use super::generator::{basis, Basis, Generator, Output, Request, WireOutput};
use crate::delta::signature;
use crate::error::Result;
use crate::report::debug::debug;
use crate::sums::size::{sum_head, SumHead};
use crate::sums::strong::BlockHasher;
use crate::wire::item::{Item, ItemFlags};

/// Sums up to this size travel in the buffer of their item.
const SMALL: usize = 64 * 1024;

impl Generator {
    /// Ask the sender for a file's data (spec: protocol 6.1).
    pub(super) fn send_request(&mut self, request: &Request) -> Result<()> {
        let plan = self.plan.clone();
        if let Some(replay) = self.replay() {
            replay.ask(request.ndx);
            return Ok(());
        }
        let mut iflags = request.iflags;
        let mut head = SumHead::default();
        let mut file = None;
        let mut kind = basis::ITSELF;
        let mut xname = None;
        let idle = plan.dry_run;
        if !idle {
            let copy = self.copy_for_inplace(request)?;
            let basis = copy.as_ref().or(request.basis.as_ref());
            if let Some(basis) = basis.filter(|_| !plan.whole_file) {
                match open(basis, plan.open_noatime) {
                    Ok(opened) => {
                        kind = basis.kind;
                        xname.clone_from(&basis.xname);
                        let size = if opened.1 > 0 { opened.1 } else { basis.size };
                        head = sum_head(size, plan.block_size, plan.protocol, plan.xfer_sum, request.redo);
                        file = Some(opened.0);
                        self.show_basis(request.ndx, basis, &head);
                    }
                    Err(error) => {
                        self.tell_unreadable(basis, &error);
                        iflags = ItemFlags::TRANSFER | ItemFlags::NEW;
                    }
                }
            } else if let Some(basis) = basis.filter(|b| b.kind != basis::ITSELF && b.kind != basis::BACKUP) {
                // Nothing is taken from it, but the item tells what was compared.
                kind = basis.kind;
                xname.clone_from(&basis.xname);
            }
        }
        let kind = Some(kind).filter(|&kind| kind != basis::ITSELF);
        let item = Item::new(request.ndx, iflags, kind, xname.as_deref());
        let numbers = super::metadata::values_follow(&plan, item.iflags).then(|| {
            let there = request.exists.is_some().then_some(request.rel.as_slice());
            self.dest.xattr_requests(there, request.segment.xattrs(request.i))
        });
        let Output::Wire(wire) = &mut self.output else {
            return Ok(());
        };
        wire.buffer.clear();
        item.put(&mut wire.ndx, &mut wire.buffer, plan.protocol, numbers.as_deref())?;
        if idle {
            return wire.send();
        }
        head.put(&mut wire.buffer, plan.protocol);
        let append = plan.append > 0 && !request.redo;
        let mut block = 0;
        if let Some(file) = file.filter(|_| head.count > 0 && !append) {
            let hasher = BlockHasher::new(plan.xfer_sum, plan.seed, plan.compat_seed_fix);
            let mut reader: &File = &file;
            let report = &self.report;
            // A basis that can't be read costs matches: where its blocks matter, the receiver meets the error again.
            let _read = signature::write(&mut reader, head, &hasher, &mut |sums| {
                if plan.debug.deltasum > 2 {
                    for sum in sums.chunks_exact(4 + head.s2length as usize) {
                        let sum = format!("{:08x}", u32::from_le_bytes([sum[0], sum[1], sum[2], sum[3]]));
                        debug!(
                            report, deltasum >= 3;
                            "chunk[", block, "] offset=", head.offset(block), " len=", head.block_len(block), " sum1=", sum
                        );
                        block += 1;
                    }
                }
                wire.buffer.extend_from_slice(sums);
                if wire.buffer.len() < SMALL {
                    return Ok(());
                }
                report.check()?;
                wire.send()?;
                wire.buffer.clear();
                Ok(())
            })?;
        }
        wire.send()
    }

    /// What sums are made of, for `--debug=DELTASUM2`.
    fn show_basis(&self, ndx: i32, basis: &Basis, head: &SumHead) {
        let size = head.flength();
        debug!(self.report, deltasum >= 3; "gen mapped ", &basis.name, " of size ", size);
        debug!(self.report, deltasum >= 2; "generating and sending sums for ", ndx);
        debug!(
            self.report, deltasum >= 2;
            "count=", head.count, " rem=", head.remainder, " blength=", head.blength, " s2length=", head.s2length,
            " flength=", size
        );
    }

    /// A backup of a file that will be updated in place is a copy, and its blocks are what is offered
    /// (spec: transfer 11).
    fn copy_for_inplace(&mut self, request: &Request) -> Result<Option<Basis>> {
        if self.plan.only_write_batch
            || !self.plan.inplace
            || !self.plan.backup
            || request.exists.is_none()
            || request.redo
        {
            return Ok(None);
        }
        let size = request.exists.map_or(0, |s| s.size);
        let copy = self.dest.backup_copy(&request.rel)?;
        Ok(copy.map(|(root, name)| Basis {
            kind: basis::BACKUP,
            root,
            name,
            size,
            xname: None,
        }))
    }
}

impl WireOutput {
    fn send(&mut self) -> Result<()> {
        self.writer.put(&self.buffer)
    }
}

/// The basis, and the size it has now if it is a regular file.
fn open(basis: &Basis, noatime: bool) -> std::io::Result<(File, u64)> {
    let file = basis.root.open_read(&basis.name, noatime)?;
    let stat = crate::tree::stat::of_file(&file)?;
    Ok((file, if stat.is_file() { stat.size } else { 0 }))
}

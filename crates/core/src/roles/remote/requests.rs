//! Requests on the wire: what is wanted, and the sums of what is here (spec: protocol 6.1, 6.6, 6.7).

use std::fs::File;
use std::sync::Arc;

use crate::delta::signature;
use crate::error::Result;
use crate::event::Counts;
use crate::flist::At;
use crate::report::debug::debug;
use crate::roles::dest::Dest;
use crate::roles::exchange::put_deletions;
use crate::roles::metadata::values_follow;
use crate::roles::replay::Replay;
use crate::roles::text::items::{self, Change};
use crate::roles::words::request::{sum_head_of, Answer, Basis, BasisKind, Request, Requests};
use crate::sums::strong::BlockHasher;
use crate::sums::SumHead;
use crate::wire::frames::Tag;
use crate::wire::item::{Item, ItemFlags};
use crate::wire::link::Writer;
use crate::wire::ndx::{NdxWriter, NDX_DONE};
use crate::wire::trace::Way;

/// Sums up to this size travel in the buffer of their item.
const SMALL: usize = 64 * 1024;

/// Requests for a sender at the other end of a link.
pub(super) struct WireRequests {
    writer: Writer,
    ndx: NdxWriter,
    buffer: Vec<u8>,
    /// A batch stands in for a sender: requests go to the receiver that reads it.
    replay: Option<Arc<Replay>>,
}

/// The file that sums are made of, with what goes before them.
#[derive(Default)]
struct Source {
    file: Option<File>,
    head: SumHead,
}

impl WireRequests {
    /// Requests that `writer` sends, or that `replay` answers.
    pub(super) fn new(writer: Writer, protocol: u8, replay: Option<Arc<Replay>>) -> Self {
        Self {
            ndx: NdxWriter::new(protocol).traced(writer.tracer()),
            writer,
            buffer: Vec::new(),
            replay,
        }
    }

    fn send(&mut self) -> Result<()> {
        self.writer.put(&self.buffer)
    }

    /// Ask the sender for a file's data (spec: protocol 6.1).
    fn ask(&mut self, dest: &Dest, request: &Request) -> Result<()> {
        let plan = &dest.plan;
        if plan.select.dry_run {
            self.put_request(dest, request, request.iflags, None)?;
            return self.send();
        }
        let mut iflags = request.iflags;
        let mut source = Source::default();
        let copy = copy_for_inplace(dest, request)?;
        let mut basis = copy.as_ref().or(request.basis.as_ref());
        if plan.write.whole_file {
            // Nothing is taken from the basis, but the item says what was compared.
            basis = basis.filter(|b| !matches!(b.kind, BasisKind::Itself | BasisKind::Backup));
        } else if let Some(offered) = basis {
            match open(dest, request, offered) {
                Ok(opened) => source = opened,
                Err(error) => {
                    offered.report_unreadable(&dest.report, &error);
                    iflags = ItemFlags::TRANSFER | ItemFlags::NEW;
                    basis = None;
                }
            }
        }
        self.put_request(dest, request, iflags, basis)?;
        source.head.trace(self.ndx.tracer(), Way::Out);
        source.head.put(&mut self.buffer, plan.agreed.protocol);
        let append = plan.write.append > 0 && !request.redo;
        if let Some(file) = source.file.filter(|_| source.head.count > 0 && !append) {
            self.put_sums(dest, &file, source.head)?;
        }
        self.send()
    }

    /// Put an item into the buffer, with the numbers of the attribute values that are wanted. `exists`: something is at
    /// the name, whose values need not be sent.
    fn put_item(&mut self, dest: &Dest, at: &At, item: &Item<'_>, exists: bool) -> Result<()> {
        self.buffer.clear();
        let values = values_follow(&dest.plan, item.iflags).then(|| {
            let rel = dest.name(at);
            dest.xattr_requests(exists.then_some(&*rel), at.xattrs())
        });
        item.put(
            &mut self.ndx,
            &mut self.buffer,
            dest.plan.agreed.protocol,
            values.as_deref(),
        )
    }

    /// Put the item of a request into the buffer.
    fn put_request(&mut self, dest: &Dest, request: &Request, iflags: ItemFlags, basis: Option<&Basis>) -> Result<()> {
        let kind = basis.map(|basis| basis.kind.to_wire());
        let kind = kind.filter(|kind| *kind != BasisKind::Itself.to_wire());
        let xname = basis.and_then(|basis| basis.xname.as_deref());
        let item = Item::new(request.at.ndx(), iflags, kind, xname);
        self.put_item(dest, &request.at, &item, request.exists.is_some())
    }

    /// Send the sums of a basis.
    fn put_sums(&mut self, dest: &Dest, file: &File, head: SumHead) -> Result<()> {
        let (plan, report) = (&dest.plan, &dest.report);
        let hasher = BlockHasher::new(plan.agreed.xfer_sum, plan.agreed.seed, plan.agreed.compat_seed_fix);
        let mut block = 0;
        // A basis that cannot be read costs matches: where its blocks matter, the receiver meets the error again.
        let _read = signature::write_file(file, head, hasher, &mut |sums| {
            if plan.output.debug.deltasum > 2 {
                for sum in sums.chunks_exact(4 + head.s2length as usize) {
                    let sum = format!("{:08x}", u32::from_le_bytes([sum[0], sum[1], sum[2], sum[3]]));
                    debug!(
                        report, deltasum >= 3;
                        "chunk[", block, "] offset=", head.offset(block), " len=", head.block_len(block), " sum1=", sum
                    );
                    block += 1;
                }
            }
            self.buffer.extend_from_slice(sums);
            if self.buffer.len() < SMALL {
                return Ok(());
            }
            report.check()?;
            self.writer.put(&self.buffer)?;
            self.buffer.clear();
            Ok(())
        })?;
        Ok(())
    }
}

impl Requests for WireRequests {
    fn is_remote(&self) -> bool {
        true
    }

    fn item(&mut self, dest: &Dest, at: &At, ndx: i32, iflags: ItemFlags, xname: Option<&[u8]>) -> Result<()> {
        let plan = &dest.plan;
        if plan.agreed.protocol < 29 {
            // The protocol has no items, so this side reports its changes.
            items::count_item(&dest.report, at, iflags, xname);
            if self.replay.is_none() {
                Change::received(at, iflags, xname).report_unsent(&dest.report);
            }
            return Ok(());
        }
        let item = Item::new(ndx, iflags, None, xname);
        self.put_item(dest, at, &item, !iflags.contains(ItemFlags::NEW))?;
        self.send()
    }

    fn request(&mut self, dest: &Dest, request: Request) -> Result<Answer> {
        match &self.replay {
            Some(replay) => replay.ask(request.at.ndx()),
            None => self.ask(dest, &request)?,
        }
        Ok(Answer::Later)
    }

    fn remove_source(&mut self, _dest: &Dest, at: &At) -> Result<()> {
        self.writer.msg(Tag::Success, &at.ndx().to_le_bytes())?;
        Ok(())
    }

    fn end_phase(&mut self) -> Result<()> {
        self.buffer.clear();
        self.ndx.put(&mut self.buffer, NDX_DONE);
        self.send()
    }

    fn deletions(&mut self, counts: Counts) -> Result<()> {
        self.buffer.clear();
        put_deletions(&mut self.ndx, &mut self.buffer, counts);
        self.send()
    }

    fn flush(&self) {
        self.writer.flush();
    }

    fn replay(&self) -> Option<&Arc<Replay>> {
        self.replay.as_ref()
    }
}

/// A backup of a file that will be updated in place is a copy, and its blocks are what is offered (spec: transfer 11).
fn copy_for_inplace(dest: &Dest, request: &Request) -> Result<Option<Basis>> {
    let plan = &dest.plan;
    let Some(exists) = request.exists else { return Ok(None) };
    if plan.agreed.only_write_batch || !plan.write.inplace || !plan.write.backup || request.redo {
        return Ok(None);
    }
    let copy = dest.backup_copy(&request.rel)?;
    Ok(copy.map(|(root, name)| Basis::new(BasisKind::Backup, root, name, exists.size)))
}

/// Open a basis; if it is a regular file, it has the size that it has now.
fn open(dest: &Dest, request: &Request, basis: &Basis) -> std::io::Result<Source> {
    let (plan, report) = (&dest.plan, &dest.report);
    let file = basis.open(plan)?;
    let stat = crate::tree::stat::of_file(&file)?;
    let size = if stat.is_file() && stat.size > 0 {
        stat.size
    } else {
        basis.size
    };
    let head = sum_head_of(plan, size, request.redo);
    debug!(report, deltasum >= 3; "gen mapped ", &basis.name, " of size ", head.flength());
    debug!(report, deltasum >= 2; "generating and sending sums for ", request.at.ndx());
    debug!(
        report, deltasum >= 2;
        "count=", head.count, " rem=", head.remainder, " blength=", head.blength, " s2length=", head.s2length,
        " flength=", head.flength()
    );
    Ok(Source { file: Some(file), head })
}

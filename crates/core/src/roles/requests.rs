//! Requests on the wire: what is wanted, and the sums of what is here (spec: protocol 6.1, 6.6, 6.7).

use std::fs::File;
use std::sync::Arc;

use super::dest::Dest;
use super::exchange::{put_deletions, trace_item};
use super::items;
use super::metadata::values_follow;
use super::replay::Replay;
use super::words::request::{Answer, Basis, BasisKind, Request, Requests};
use super::words::At;
use crate::delta::signature;
use crate::error::Result;
use crate::event::Counts;
use crate::flist::xattr::put_request;
use crate::report::debug::debug;
use crate::report::item::iflag;
use crate::sums::size::{sum_head, SumHead};
use crate::sums::strong::BlockHasher;
use crate::wire::frames::Tag;
use crate::wire::ints::{self, NdxWriter, NDX_DONE};
use crate::wire::link::Writer;
use crate::wire::trace::Way;

/// Sums up to this size travel in the buffer of their item.
const SMALL: usize = 64 * 1024;

/// Requests for a sender at the other end of a link.
pub struct WireRequests {
    writer: Writer,
    ndx: NdxWriter,
    buffer: Vec<u8>,
    /// A batch stands in for a sender: the receiver is told what is wanted.
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
    pub fn new(writer: Writer, protocol: u8, replay: Option<Arc<Replay>>) -> Self {
        Self {
            writer,
            ndx: NdxWriter::new(protocol),
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
        if plan.dry_run {
            self.put_item(dest, request, request.iflags, None)?;
            return self.send();
        }
        let mut iflags = request.iflags;
        let mut source = Source::default();
        let copy = copy_for_inplace(dest, request)?;
        let mut basis = copy.as_ref().or(request.basis.as_ref());
        if plan.whole_file {
            // Nothing is taken from the basis, but the item says what was compared.
            basis = basis.filter(|b| !matches!(b.kind, BasisKind::Itself | BasisKind::Backup));
        } else if let Some(offered) = basis {
            match open(dest, request, offered) {
                Ok(opened) => source = opened,
                Err(error) => {
                    offered.report_unreadable(&dest.report, &error);
                    iflags = iflag::TRANSFER | iflag::NEW;
                    basis = None;
                }
            }
        }
        self.put_item(dest, request, iflags, basis)?;
        source.head.put(&mut self.buffer, plan.protocol);
        let append = plan.append > 0 && !request.redo;
        if let Some(file) = source.file.filter(|_| source.head.count > 0 && !append) {
            self.put_sums(dest, &file, source.head)?;
        }
        self.send()
    }

    /// Put the item of a request into the buffer.
    fn put_item(&mut self, dest: &Dest, request: &Request, mut iflags: u16, basis: Option<&Basis>) -> Result<()> {
        let plan = &dest.plan;
        let kind = basis.map_or(BasisKind::Itself, |basis| basis.kind);
        let xname = basis.and_then(|basis| basis.xname.as_deref());
        if kind != BasisKind::Itself {
            iflags |= iflag::BASIS_TYPE;
        }
        if kind.is_fuzzy() && xname.is_some() {
            iflags |= iflag::XNAME;
        }
        self.buffer.clear();
        trace_item(Way::Out, request.at.ndx(), iflags, kind.to_wire(), xname);
        self.ndx.put(&mut self.buffer, request.at.ndx());
        if plan.protocol < 29 {
            return Ok(());
        }
        ints::put_shortint(&mut self.buffer, iflags);
        if iflags & iflag::BASIS_TYPE != 0 {
            self.buffer.push(kind.to_wire());
        }
        if iflags & iflag::XNAME != 0 {
            ints::put_vstring(&mut self.buffer, xname.unwrap_or_default())?;
        }
        if values_follow(plan, iflags) {
            let there = request.exists.is_some().then_some(request.rel.as_slice());
            put_request(&mut self.buffer, &dest.xattr_requests(there, request.at.xattrs()));
        }
        Ok(())
    }

    /// Send the sums of a basis.
    fn put_sums(&mut self, dest: &Dest, mut file: &File, head: SumHead) -> Result<()> {
        let (plan, report) = (&dest.plan, &dest.report);
        let hasher = BlockHasher::new(plan.xfer_sum, plan.seed, plan.compat_seed_fix);
        let mut block = 0;
        // A basis that cannot be read costs matches: where its blocks matter, the receiver meets the error again.
        let _read = signature::write(&mut file, head, &hasher, &mut |sums| {
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

    fn item(&mut self, dest: &Dest, at: &At, ndx: i32, iflags: u16, xname: Option<&[u8]>) -> Result<()> {
        let plan = &dest.plan;
        if plan.protocol < 29 {
            // No items travel: what is made here is reported here.
            items::count(&dest.report, at.entry().mode, iflags);
            if self.replay.is_none() {
                items::tell_unsent(&dest.report, at.list(), at.i(), iflags, xname);
            }
            return Ok(());
        }
        self.buffer.clear();
        trace_item(Way::Out, ndx, iflags, BasisKind::Itself.to_wire(), xname);
        self.ndx.put(&mut self.buffer, ndx);
        ints::put_shortint(&mut self.buffer, iflags);
        if let Some(xname) = xname {
            ints::put_vstring(&mut self.buffer, xname)?;
        }
        if values_follow(plan, iflags) {
            let rel = dest.name(at.list(), at.i());
            let there = iflags & iflag::NEW == 0;
            let numbers = dest.xattr_requests(there.then_some(&*rel), at.xattrs());
            put_request(&mut self.buffer, &numbers);
        }
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
    if plan.only_write_batch || !plan.inplace || !plan.backup || request.redo {
        return Ok(None);
    }
    let copy = dest.backup_copy(&request.rel)?;
    Ok(copy.map(|(root, name)| Basis {
        kind: BasisKind::Backup,
        root,
        name,
        size: exists.size,
        xname: None,
    }))
}

/// Open a basis; if it is a regular file, it has the size that it has now.
fn open(dest: &Dest, request: &Request, basis: &Basis) -> std::io::Result<Source> {
    let (plan, report) = (&dest.plan, &dest.report);
    let file = basis.root.open_read(&basis.name, plan.open_noatime)?;
    let stat = crate::tree::stat::of_file(&file)?;
    let size = if stat.is_file() && stat.size > 0 {
        stat.size
    } else {
        basis.size
    };
    let head = sum_head(size, plan.block_size, plan.protocol, plan.xfer_sum, request.redo);
    debug!(report, deltasum >= 3; "gen mapped ", &basis.name, " of size ", head.flength());
    debug!(report, deltasum >= 2; "generating and sending sums for ", request.at.ndx());
    debug!(
        report, deltasum >= 2;
        "count=", head.count, " rem=", head.remainder, " blength=", head.blength, " s2length=", head.s2length,
        " flength=", head.flength()
    );
    Ok(Source { file: Some(file), head })
}

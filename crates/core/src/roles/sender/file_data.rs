//! Sends the data of one file: whole or as differences (spec: protocol 9).

use std::fs::File;
use std::sync::Arc;

use super::Sender;
use crate::delta::search::{search, skip_appended, SearchStats, TokenSink};
use crate::delta::signature::Signature;
use crate::delta::tokens::{self, TokenOut};
use crate::delta::whole::send_plain;
use crate::delta::Intact;
use crate::error::{bail, Result};
use crate::flist::{At, Entry};
use crate::plan::CompressKind;
use crate::report::debug::debug;
use crate::report::Report;
use crate::role::Role;
use crate::roles::paths::disk;
use crate::roles::text::items::{self, Figures, Moved, Part};
use crate::roles::text::messages;
use crate::roles::words::request::BasisKind;
use crate::sums::size::SumHead;
use crate::sums::strong::Hasher;
use crate::tree::mode::is_file;
use crate::tree::Root;
use crate::wire::frames::Tag;
use crate::wire::item::{IoErrors, Item};
use crate::wire::link::Reader;
use crate::wire::trace::Way;

impl Sender {
    pub(super) fn open(&mut self, number: u16, path: &[u8]) -> Option<File> {
        let report = &self.report;
        let shown = |root: &Root| report.quoted_from(root.path(), &root.display(path));
        let opened = self.sources.open_data(&self.plan, report, number, path, shown);
        opened.map_err(|bits| self.failed_file(bits)).ok()
    }

    /// Answer a request for data, in the order of the wire; whether the data was sent.
    pub(super) fn transfer(&mut self, item: &Item<'_>, at: &At, values: &[u8]) -> Result<bool> {
        let plan = Arc::clone(&self.plan);
        let entry = *at.entry();
        let name = at.name();
        if plan.select.dry_run {
            self.count(item, entry.mode, entry.len);
            self.report_item(item, at, &name, Figures::default(), Part::All);
            self.look_ahead()?;
            item.put(&mut self.ndx_out, &mut self.out, plan.agreed.protocol, None)?;
            return self.put().map(|()| true);
        }
        let redo = self.seen.redo(at, plan.agreed.protocol)?;
        if redo {
            items::count_again(&self.report, item.iflags);
        }
        let append = plan.write.append > 0 && !redo;
        let (head, signature, sum_bytes) = self.read_sums(append)?;
        // Counted, whether it can be opened or not (observed).
        self.count(item, entry.mode, entry.len);
        let kept = if append { head.flength() } else { 0 };
        let Some((file, size)) = self.open_sized(&entry, &name, kept)? else {
            return self.no_send(item.ndx);
        };
        self.look_ahead()?;
        debug!(self.report, deltasum >= 2; "send_files mapped ", &self.full_name(at), " of size ", size);
        debug!(self.report, deltasum >= 2; "calling match_sums ", &self.full_name(at));
        let written = self.writer.bytes_written();
        let late = self.report.after_data();
        if !late {
            self.report_item(item, at, &name, Figures::default(), Part::Screen);
        }
        self.begin_progress(at, kept, size, &signature);
        item.put(&mut self.ndx_out, &mut self.out, plan.agreed.protocol, None)?;
        self.out.extend_from_slice(values);
        if self.outlet.withholds_data() {
            self.put()?;
        }
        head.trace(self.ndx_out.tracer(), Way::Out);
        head.put(&mut self.out, plan.agreed.protocol);
        let mut whole = Hasher::new_whole_file(plan.agreed.xfer_sum, plan.agreed.seed);
        let mut stats = SearchStats::default();
        let mut reader: &File = &file;
        let mut start = Ok(());
        if append && kept > 0 {
            let verified = plan.write.append > 1 || plan.agreed.protocol < 30;
            start = skip_appended(&mut reader, kept, verified.then_some(&mut whole));
        }
        let inplace = self.updates_in_place(BasisKind::of(item));
        let left = size - kept;
        let rest = if signature.is_empty() && plan.agreed.compress == CompressKind::None {
            self.send_whole(reader, kept, left, &mut whole, &mut stats)?
        } else {
            self.send_delta(reader, kept, left, &signature, inplace, &mut whole, &mut stats)?
        };
        let mut digest = whole.finish();
        debug!(self.report, deltasum >= 2; "sending file_sum");
        debug!(
            self.report, deltasum >= 2;
            "false_alarms=", stats.false_alarms, " hash_hits=", stats.hash_hits, " matches=", stats.matches
        );
        if !late {
            // All data is sent; this end does not learn whether the other end puts the file in place.
            let figures = Figures {
                moved: Moved::now(&self.report, stats.literal, stats.matched),
                ..Figures::default()
            };
            self.report_item(item, at, &name, figures, Part::Kept);
        }
        let result = start.and(rest);
        let intact = result.is_ok();
        if let Err(error) = result {
            self.failed_file(IoErrors::GENERAL);
            let shown = self.display(entry.root, &name);
            self.report
                .sys_error(Role::Sender, messages::read_failed(&shown), &error);
            digest = digest.spoiled();
        }
        self.out.extend_from_slice(digest.as_slice());
        let out = std::mem::take(&mut self.out);
        self.outlet.put_data_owned(out)?;
        self.add_search(&stats);
        self.report.progress_end(size);
        if late {
            let figures = Figures {
                bytes: self.writer.bytes_written().saturating_sub(written),
                sum_bytes,
                checksum: Some(digest.as_slice()),
                moved: Moved::now(&self.report, stats.literal, stats.matched),
            };
            self.report_item(item, at, &name, figures, Part::All);
        }
        if !intact {
            self.report.forget_sent(item.ndx);
        }
        debug!(self.report, send >= 1; "sender finished ", &self.full_name(at));
        Ok(true)
    }

    /// The path of a source file in messages.
    fn display(&mut self, root: u16, name: &[u8]) -> Vec<u8> {
        let path = self
            .sources
            .root(root)
            .map_or_else(|| name.to_vec(), |r| r.display(disk(name)));
        self.report.quoted(&path)
    }

    /// Report to the other end that this file does not come.
    fn no_send(&mut self, ndx: i32) -> Result<bool> {
        if self.plan.agreed.protocol >= 30 {
            self.writer.msg(Tag::NoSend, &ndx.to_le_bytes())?;
        }
        Ok(false)
    }

    /// The sums that the generator sent for a file, and their bytes. An append has a head alone.
    fn read_sums(&mut self, append: bool) -> Result<(SumHead, Signature, u64)> {
        let plan = Arc::clone(&self.plan);
        let before = self.reader.bytes_read();
        let head = SumHead::read(
            &mut self.reader,
            plan.agreed.protocol,
            plan.agreed.xfer_sum,
            self.phase > 0,
            Role::Sender.name(),
        )?;
        let signature = if append {
            Signature::none()
        } else {
            Signature::read(&mut self.reader, head, plan.agreed.max_alloc)?
        };
        self.report_sums(&head, &signature);
        Ok((head, signature, self.reader.bytes_read().saturating_sub(before)))
    }

    fn begin_progress(&self, at: &At, kept: u64, size: u64, signature: &Signature) {
        if self.report.progress_level() == 0 {
            return;
        }
        self.report.set_processed(self.places.of(at));
        self.report.progress_begin(kept);
        if signature.is_empty() {
            self.report.progress(size.min(kept + FIRST_SHOWN), size);
        }
    }

    /// Count a file whose data is asked for.
    fn count(&self, item: &Item<'_>, mode: u32, len: u64) {
        items::count(&self.report, mode, item.iflags, item.xname.as_deref());
        items::count_transfer(&self.report, len);
    }

    fn add_search(&mut self, stats: &SearchStats) {
        self.totals.matches += stats.matches;
        self.totals.hash_hits += stats.hash_hits;
        self.totals.false_alarms += stats.false_alarms;
        self.totals.literal += stats.literal;
        items::count_data(&self.report, stats.literal, stats.matched);
    }

    /// The file and its size; `None`, with a report, when its data can't be sent. `kept`: bytes that the receiver has
    /// and keeps.
    fn open_sized(&mut self, entry: &Entry, name: &[u8], kept: u64) -> Result<Option<(File, u64)>> {
        let Some(file) = self.open(entry.root, disk(name)) else {
            return Ok(None);
        };
        let stat = match crate::tree::stat::of_file(&file) {
            Ok(stat) => stat,
            Err(error) => {
                self.failed_file(IoErrors::GENERAL);
                // rsync does not name the file, and ends with 11.
                let text = messages::fstat_failed(self.display(entry.root, name));
                self.report.sys_error(Role::Sender, text, &error);
                return Ok(None);
            }
        };
        let size = if is_file(stat.mode) {
            stat.size
        } else if self.plan.attrs.copy_devices {
            entry.len
        } else {
            bail!(Protocol; "attempt to copy device contents without --copy-devices");
        };
        if kept > size {
            let shown = self.display(entry.root, name);
            self.report.warning(messages::diminished(&shown));
            return Ok(None);
        }
        Ok(Some((file, size)))
    }

    /// Whether the receiver writes into the basis itself: then no block may be taken from where it is overwritten.
    fn updates_in_place(&self, kind: BasisKind) -> bool {
        let plan = &self.plan;
        kind == BasisKind::Partial && plan.agreed.compat_inplace_partial
            || plan.write.inplace
                && if plan.agreed.protocol >= 29 {
                    kind == BasisKind::Itself
                } else {
                    !plan.write.backup
                }
    }

    /// Report the sums that the generator sent, for `--debug=DELTASUM3`.
    pub(super) fn report_sums(&self, head: &SumHead, signature: &Signature) {
        if self.plan.output.debug.deltasum < 3 {
            return;
        }
        debug!(self.report, deltasum >= 3; "count=", head.count, " n=", head.blength, " rem=", head.remainder);
        for block in 0..signature.len() as u32 {
            let sum = format!("{:08x}", signature.rolling(block));
            debug!(
                self.report, deltasum >= 3;
                "chunk[", block, "] len=", head.block_len(block), " offset=", head.offset(block), " sum1=", sum
            );
        }
    }

    /// Send a file without a basis on a plain stream, as it was read. The end of the stream stays in `out`.
    pub(super) fn send_whole(
        &mut self,
        mut file: &File,
        offset: u64,
        left: u64,
        whole: &mut Hasher,
        stats: &mut SearchStats,
    ) -> Result<Intact> {
        let head = std::mem::take(&mut self.out);
        let (report, outlet, peer) = (&self.report, &self.outlet, &mut self.reader);
        let mut watch = Watch::default();
        let progress = report.progress_level() > 0;
        let size = offset + left;
        let mut done = offset;
        let (tail, intact) = send_plain(&mut file, left, head, whole, &mut |buffer| {
            report.check()?;
            watch.sent(buffer.len(), peer)?;
            done = size.min(done + buffer.len() as u64);
            report.live().advance(done);
            if progress {
                report.progress(done, size);
            }
            outlet.put_data_owned(buffer)
        })?;
        self.out = tail;
        stats.literal += left;
        Ok(intact)
    }

    #[allow(clippy::too_many_arguments)] // the file and its range, the search, and where its results go
    pub(super) fn send_delta(
        &mut self,
        mut file: &File,
        offset: u64,
        left: u64,
        signature: &Signature,
        inplace: bool,
        whole: &mut Hasher,
        stats: &mut SearchStats,
    ) -> Result<Intact> {
        self.put_data()?;
        let outlet = self.outlet.clone();
        let mut put = |bytes: &[u8]| outlet.put_data(bytes);
        let mut out = TokenOut::new(&mut put);
        let reported = self.plan.output.debug.deltasum > 1 && !signature.is_empty();
        if reported {
            debug!(self.report, deltasum >= 2; "built hash table");
            debug!(self.report, deltasum >= 2; "hash search b=", signature.head.blength, " len=", offset + left);
        }
        self.tokens.begin_file();
        let mut sink = Watched {
            encoder: &mut self.tokens,
            out: &mut out,
            report: &self.report,
            peer: &mut self.reader,
            watch: Watch::default(),
            progress: self.report.progress_level() > 0,
            done: offset,
            size: offset + left,
            reported: reported.then_some((signature, offset)),
        };
        let intact = search(
            &mut file,
            left,
            signature,
            &self.hasher,
            inplace,
            whole,
            &mut sink,
            stats,
        )?;
        self.tokens.end(&mut out)?;
        out.flush()?;
        if reported {
            debug!(self.report, deltasum >= 2; "done hash search");
        }
        Ok(intact)
    }
}

/// The first progress of a file without a basis shows this many bytes.
const FIRST_SHOWN: u64 = 32 * 1024;

/// Checks now and then whether the peer has ended: a file may be large, and its receiver's disk full.
#[derive(Default)]
struct Watch {
    sent: usize,
}

impl Watch {
    /// Bytes between two checks.
    const INTERVAL: usize = 256 * 1024;

    /// `n` more bytes were handled; whether it was time for a check.
    fn sent(&mut self, n: usize, peer: &mut Reader) -> Result<bool> {
        self.sent += n;
        if self.sent < Self::INTERVAL {
            return Ok(false);
        }
        self.sent = 0;
        peer.check_peer()?;
        Ok(true)
    }
}

/// An encoder that shows progress and can be interrupted.
struct Watched<'a, 'b> {
    encoder: &'a mut tokens::Encoder,
    out: &'a mut TokenOut<'b>,
    report: &'a Report,
    peer: &'a mut Reader,
    watch: Watch,
    progress: bool,
    done: u64,
    size: u64,
    /// Matches are reported (`--debug=DELTASUM2`): the sums, and where the last match ended.
    reported: Option<(&'a Signature, u64)>,
}

impl Watched<'_, '_> {
    fn moved(&mut self, n: usize, shown: bool) -> Result<()> {
        self.done += n as u64;
        if self.watch.sent(n, self.peer)? {
            self.report.live().advance(self.done);
        }
        if self.progress && (shown || self.done == self.size) {
            self.report.progress(self.done, self.size);
        }
        self.report.check()
    }
}

impl TokenSink for Watched<'_, '_> {
    fn literal(&mut self, data: &[u8]) -> Result<()> {
        self.encoder.literal(data, self.out)?;
        // Progress over literal data shows with the next matched block (observed), unless that takes long.
        self.moved(data.len(), data.len() as u64 >= FIRST_SHOWN)
    }

    fn block(&mut self, index: u32, data: &[u8]) -> Result<()> {
        if let Some((signature, last)) = &mut self.reported {
            let (at, from) = (self.done, *last);
            let sum = format!("{:08x}", signature.rolling(index));
            debug!(self.report, deltasum >= 3; "potential match at ", at, " i=", index, " sum=", sum);
            debug!(
                self.report, deltasum >= 2;
                "match at ", at, " last_match=", from, " j=", index, " len=", data.len(), " n=", at - from
            );
            *last = at + data.len() as u64;
        }
        self.encoder.block(index, data, self.out)?;
        self.moved(data.len(), true)
    }
}

//! The sender: sends the lists, answers requests with data (spec: protocol 6, 9; transfer 13).

mod decisions;
mod file_data;
mod files_from;
mod outlet;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::exchange::{entry_of, is_keep_alive, put_deletions, read_deletions, Places, Seen};
use super::paths::disk;
use super::scan::{Listings, Scanner};
use super::sources::{remove_source_file, Sources};
use super::text::items::{self, Change, Figures, Part};
use crate::delta::search::SearchStats;
use crate::delta::tokens;
use crate::error::{bail, Error, Result};
use crate::flist::{At, Encoder, Found, IdLookup, Lists, Segment};
use crate::plan::{FilesFrom, Plan};
use crate::report::debug::{self, debug, ListOf};
use crate::report::figures::Phase;
use crate::report::Report;
use crate::role::Role;
use crate::sums::strong::BlockHasher;
use crate::wire::frames::{Message, Tag};
use crate::wire::ints;
use crate::wire::item::{IoErrors, Item};
use crate::wire::link::{Reader, Writer};
use crate::wire::ndx::{NdxReader, NdxWriter, NDX_DEL_STATS, NDX_DONE, NDX_FLIST_EOF, NDX_FLIST_OFFSET};
use crate::wire::trace::Way;
use decisions::Undecided;
pub(crate) use files_from::forward_names;
pub(crate) use outlet::record_of;
use outlet::Outlet;

/// Entries that are listed beyond the current list before a request is answered (spec: protocol 5.10).
const AHEAD: i32 = 1000;
/// While the sender waits for a request, it lists more when fewer than this are listed, and then up to the second: a list
/// at a time would cost a write and a wake-up of the receiver for each directory.
const AHEAD_LOW: i32 = 5000;
const AHEAD_IDLE: i32 = 10_000;

/// The sender of one run.
pub(crate) struct Sender {
    plan: Arc<Plan>,
    report: Report,
    reader: Reader,
    writer: Writer,
    outlet: Outlet,
    scanner: Scanner,
    sources: Sources,
    encoder: Encoder,
    lists: Lists,
    ndx_in: NdxReader,
    ndx_out: NdxWriter,
    out: Vec<u8>,
    tokens: tokens::Encoder,
    hasher: BlockHasher,
    seen: Seen,
    places: Places,
    undecided: Undecided,
    /// Indices of files that arrived whole, in the order of the stream.
    arrived: Arc<Mutex<Vec<i32>>>,
    eof: bool,
    /// End of the current list.
    current_end: i32,
    /// Fewer than [`AHEAD_LOW`] entries were listed, and [`AHEAD_IDLE`] are not reached yet.
    filling: bool,
    /// Entries up to the end of the last item's list, for the progress of the whole transfer.
    working_end: u64,
    phase: u8,
    totals: SearchStats,
}

/// What a sender does with messages (spec: protocol 3.2, 3.7).
fn handle(message: &Message, report: &Report, writer: &Writer, arrived: &Mutex<Vec<i32>>, removes: bool) -> Result<()> {
    match message.tag {
        tag if tag.is_text() => report.from_peer(tag, &message.payload),
        Tag::IoError => report.set_io_error(IoErrors::from_peer(message.value().unwrap_or(0))),
        Tag::ErrorExit => {
            return Err(match message.value() {
                Some(code) => {
                    // A peer that does not wait for the answer has closed; its exit code counts all the same.
                    let _ = writer.last_msg(Tag::ErrorExit, b"");
                    writer.flush();
                    Error::PeerExit(code)
                }
                None => Error::Ended(12),
            });
        }
        Tag::Noop => writer.keep_alive()?,
        // No option asked for it, and a program below protocol 27 does not know such a message.
        Tag::Success if !removes && report.plan().agreed.protocol < 27 => {
            bail!(Stream; "unexpected tag 100 [{}]", report.role())
        }
        Tag::Success if removes => {
            if let Some(ndx) = message.value() {
                report.confirm_sent(ndx);
                arrived.lock().unwrap_or_else(PoisonError::into_inner).push(ndx);
            }
        }
        Tag::Deleted if !report.plan().place.is_server() => {
            let (name, mode) = match message.payload.strip_suffix(b"\0") {
                // No permissions travel, and none are shown (observed).
                Some(name) => (name, 0o040_000),
                None => (message.payload.as_slice(), 0o100_000),
            };
            // The name is converted in the direction local to wire, although it came from the wire (observed).
            // No size travels either.
            report.deletion(&report.to_wire(name), mode, 0);
        }
        _ => {}
    }
    Ok(())
}

impl Sender {
    pub(crate) fn new(
        plan: &Arc<Plan>,
        report: &Report,
        mut reader: Reader,
        writer: Writer,
        lookup: Arc<dyn IdLookup>,
        listings: Option<&Arc<Listings>>,
    ) -> Result<Self> {
        let sources = Sources::default();
        let scanner = Scanner::new(Arc::clone(plan), report.clone(), sources.clone(), listings)?;
        let options = crate::flist::FlistOptions::from_plan(plan)?;
        let arrived = Arc::new(Mutex::new(Vec::new()));
        {
            let (report, writer, arrived) = (report.clone(), writer.clone(), Arc::clone(&arrived));
            let removes = plan.removal.remove_source_files || plan.removal.remove_sent_files;
            reader.set_handler(Box::new(move |message| {
                handle(&message, &report, &writer, &arrived, removes)
            }));
        }
        Ok(Self {
            encoder: Encoder::new(options, scanner.tables.clone(), lookup),
            lists: Lists::new(plan.agreed.inc_recurse),
            ndx_in: NdxReader::new(plan.agreed.protocol),
            ndx_out: NdxWriter::new(plan.agreed.protocol).traced(writer.tracer()),
            out: Vec::new(),
            tokens: tokens::Encoder::new(
                plan.agreed.compress,
                plan.agreed.compress_level,
                plan.agreed.compress_threads,
                plan.agreed.protocol,
            )?,
            hasher: BlockHasher::new(plan.agreed.xfer_sum, plan.agreed.seed, plan.agreed.compat_seed_fix),
            seen: Seen::default(),
            places: Places::default(),
            undecided: Undecided::default(),
            outlet: Outlet::new(plan, writer.clone())?,
            plan: Arc::clone(plan),
            report: report.clone(),
            reader,
            writer,
            scanner,
            sources,
            arrived,
            eof: false,
            current_end: 0,
            filling: true,
            working_end: 0,
            phase: 0,
            totals: SearchStats::default(),
        })
    }

    /// The reader, for callers that wait until the peer closes.
    pub(crate) fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    /// The reader, when the sender has ended.
    pub(crate) fn into_reader(self) -> Reader {
        self.reader
    }

    /// Send everything from the first list to the goodbye.
    pub(crate) fn run(&mut self) -> Result<()> {
        let names = match self.plan.select.files_from {
            FilesFrom::None | FilesFrom::Forward => None,
            FilesFrom::Local => Some(super::paths::split_names(
                &self.plan.select.files_from_data,
                self.plan.select.from0,
                true,
            )),
            FilesFrom::Link => Some(files_from::read_names(&mut self.reader, &self.plan)?),
        };
        if self.plan.place.is_server() {
            debug!(self.report, send >= 1; "server_sender starting pid=", self.plan.place.pid);
        }
        let started = Instant::now();
        let Some(first) = self.scanner.next(names)? else {
            bail!(Ipc; "no file list");
        };
        let built = started.elapsed().as_millis() as u64;
        let count = first.len();
        self.send_list(first)?;
        if !self.plan.agreed.inc_recurse {
            debug!(self.report, flist >= 3; "[sender] flist_eof=1");
        }
        debug!(self.report, flist >= 2; "send_file_list done");
        self.list_end()?;
        if self.plan.agreed.inc_recurse && count == 1 && !self.eof {
            self.next_list()?;
        }
        self.current_end = self.lists.first().map_or(0, |list| list.next_start());
        let sent = started.elapsed().as_millis() as u64;
        self.report.stats(|s| {
            s.flist_build_ms = built.max(1);
            s.flist_xfer_ms = sent.saturating_sub(built);
        });
        if self.plan.output.info.flist > 0 && !self.plan.agreed.inc_recurse && self.plan.select.reports_lists() {
            self.report.list_done(count);
        }
        if count == 0 && self.plan.place.is_server() {
            // The list is empty, so a pulling client ends here (spec: protocol 6.11).
            self.writer.flush();
            return Ok(());
        }
        if !self.plan.agreed.inc_recurse {
            self.report.end_lists();
        }
        if !self.plan.place.is_server() {
            debug!(self.report, flist >= 3; "file list sent");
        }
        debug!(self.report, send >= 1; "send_files starting");
        self.requests()?;
        self.goodbye()
    }

    // ---- lists

    fn put(&mut self) -> Result<()> {
        let result = self.outlet.put(&self.out);
        self.out.clear();
        result
    }

    /// Send the pending bytes that belong to a file's data.
    fn put_data(&mut self) -> Result<()> {
        let result = self.outlet.put_data(&self.out);
        self.out.clear();
        result
    }

    fn send_list(&mut self, segment: Segment) -> Result<()> {
        if segment.dir_ndx >= 0 {
            self.ndx_out.put(&mut self.out, NDX_FLIST_OFFSET - segment.dir_ndx);
        }
        let before = self.out.len();
        self.encoder.encode_segment(&segment, &mut self.out)?;
        let io_error = segment.io_error.bits() as i32;
        let message = self.encoder.end_marker(io_error, &mut self.out);
        self.encoder.id_lists(
            if self.plan.removal.ignore_errors { 0 } else { io_error },
            &mut self.out,
        );
        let size = (self.out.len() - before) as u64;
        self.report.stats(|s| s.flist_size += size);
        super::exchange::trace_list(self.writer.tracer(), Way::Out, &segment);
        debug::list(&self.report, Role::Sender, &segment, ListOf::Sender);
        self.places.add(&segment);
        let segment = Arc::new(segment);
        self.undecided.add(&segment);
        self.lists.add(segment)?;
        let out = std::mem::take(&mut self.out);
        self.outlet.put_owned(out)?;
        if let Some(bits) = message {
            self.writer.msg(Tag::IoError, &bits.to_le_bytes())?;
        }
        Ok(())
    }

    /// Send the end of the lists, once the scanner has no more.
    fn list_end(&mut self) -> Result<()> {
        if self.plan.agreed.inc_recurse && !self.eof && self.scanner.is_finished() {
            self.eof = true;
            debug!(self.report, flist >= 3; "[sender] flist_eof=1");
            self.lists.complete();
            self.report.end_lists();
            self.ndx_out.put(&mut self.out, NDX_FLIST_EOF);
            self.put()?;
        }
        Ok(())
    }

    fn next_list(&mut self) -> Result<()> {
        if let Some(segment) = self.scanner.next(None)? {
            self.send_list(segment)?;
        }
        self.list_end()
    }

    fn ahead(&self) -> i32 {
        self.lists.next_start().saturating_sub(self.current_end)
    }

    /// The look-ahead that the plan asks for; 0 if it does not.
    fn most_ahead(&self) -> i32 {
        i32::try_from(self.plan.select.look_ahead).unwrap_or(i32::MAX)
    }

    /// Whether a sender that waits for a request goes on listing (spec: protocol 5.10).
    fn is_filling(&mut self) -> bool {
        let (ahead, asked) = (self.ahead(), self.most_ahead());
        self.filling = ahead < asked.max(AHEAD_LOW) || self.filling && ahead < AHEAD_IDLE;
        self.filling
    }

    /// spec: protocol 5.10
    fn look_ahead(&mut self) -> Result<()> {
        if self.plan.agreed.inc_recurse {
            while !self.eof && self.ahead() < AHEAD {
                self.next_list()?;
            }
            if !self.eof && self.ahead() < self.most_ahead() {
                // One more for each request, so that the lists do not keep the data waiting.
                self.next_list()?;
            }
        }
        Ok(())
    }

    fn read_ndx(&mut self) -> Result<i32> {
        self.report.check()?;
        if self.plan.agreed.inc_recurse {
            self.look_ahead()?;
            while !self.eof && self.is_filling() && !self.reader.ready() {
                self.next_list()?;
            }
        }
        let ndx = self.ndx_in.read(&mut self.reader)?;
        self.remove_arrived()?;
        Ok(ndx)
    }

    /// Source files whose copies are complete (spec: protocol 6.10).
    fn remove_arrived(&mut self) -> Result<()> {
        if !self.plan.removal.remove_source_files && !self.plan.removal.remove_sent_files {
            return Ok(());
        }
        let arrived = std::mem::take(&mut *self.arrived.lock().unwrap_or_else(PoisonError::into_inner));
        for ndx in arrived {
            let Some(Found { at, .. }) = self.lists.find(ndx).filter(Found::is_active) else {
                return Err(self.lists.out_of_range(ndx, "successful_send", Role::Sender.name()));
            };
            let entry = *at.entry();
            if entry.is_dir() {
                continue;
            }
            let Some(root) = self.sources.root(entry.root) else {
                continue;
            };
            remove_source_file(&self.report, root, &at.name(), &entry, None);
        }
        Ok(())
    }

    // ---- requests

    fn max_phase(&self) -> u8 {
        if self.plan.agreed.protocol >= 29 {
            2
        } else {
            1
        }
    }

    fn done(&mut self) -> Result<()> {
        self.ndx_out.put(&mut self.out, NDX_DONE);
        self.put()
    }

    /// Answer the end of a list. The receiver only forgets the list, so the answer need not be sent at once while the
    /// receiver has enough to do and other lists are unanswered (spec: protocol 5.10).
    fn list_done(&mut self) -> Result<()> {
        if self.ahead() < AHEAD {
            return self.done();
        }
        self.ndx_out.put(&mut self.out, NDX_DONE);
        let result = self.outlet.put_deferred(&self.out);
        self.out.clear();
        result
    }

    fn requests(&mut self) -> Result<()> {
        loop {
            match self.read_ndx()? {
                NDX_DONE => {
                    if self.plan.agreed.inc_recurse && !self.lists.is_empty() {
                        if let Some(list) = self.lists.finish_first() {
                            self.seen.forget(&list);
                            self.undecided.end_list(self.report.live(), &list);
                            self.progress_list_done(list.start);
                            self.places.forget_first();
                        }
                        while self.lists.is_empty() && !self.eof {
                            self.next_list()?;
                        }
                        // The current list moves on, also when no file of a list was asked for.
                        let working = self.lists.first().map_or(0, |list| list.next_start());
                        self.current_end = self.current_end.max(working);
                        if !self.lists.is_empty() {
                            self.list_done()?;
                            continue;
                        }
                    }
                    if !self.plan.agreed.inc_recurse {
                        self.report.progress_again(self.places.total());
                    }
                    self.undecided.end_phase(self.report.live());
                    self.phase += 1;
                    if self.phase > self.max_phase() {
                        break;
                    }
                    debug!(self.report, send >= 1; "send_files phase=", i32::from(self.phase));
                    self.done()?;
                }
                NDX_DEL_STATS if self.plan.agreed.protocol >= 31 => self.deletions()?,
                ndx => self.item(ndx)?,
            }
        }
        debug!(self.report, send >= 1; "send files finished");
        let totals = self.totals;
        self.report.stats(|s| {
            s.matches = totals.matches;
            s.hash_hits = totals.hash_hits;
            s.false_alarms = totals.false_alarms;
        });
        if self.plan.output.debug.deltasum > 0 {
            self.report.info(format!(
                "total: matches={}  hash_hits={}  false_alarms={} data={}",
                totals.matches, totals.hash_hits, totals.false_alarms, totals.literal
            ));
        }
        self.report.report_heap(Role::Sender);
        self.done()
    }

    /// Entries up to the end of a finished list, or of the list of the last item.
    fn progress_list_done(&self, start: i32) {
        let end = self.places.end_of(start);
        self.report.progress_again(end.max(self.working_end));
    }

    fn deletions(&mut self) -> Result<()> {
        let counts = read_deletions(&mut self.reader, Role::Sender)?;
        self.report.stats(|s| s.deleted = counts);
        if self.plan.place.is_server() {
            put_deletions(&mut self.ndx_out, &mut self.out, counts);
            self.put()?;
        }
        Ok(())
    }

    fn item(&mut self, ndx: i32) -> Result<()> {
        if ndx < 0 {
            return Err(self.lists.not_an_index(ndx, Role::Sender.name()));
        }
        let item = Item::read(&mut self.reader, ndx, self.plan.agreed.protocol)?;
        if is_keep_alive(&item, &self.plan, &self.lists) {
            return self.writer.keep_alive();
        }
        let Found { at, is_parent } = entry_of(&self.lists, &item, self.report.role())?;
        let at = &at;
        if !is_parent {
            self.current_end = self.current_end.max(at.list().next_start());
        }
        if self.report.progress_level() == 2 {
            self.working_end = self.places.end_of(ndx);
        }
        let entry = *at.entry();
        debug!(self.report, send >= 1; "send_files(", ndx, ", ", &self.full_name(at), ")");
        if item.wants_data() && self.phase > 1 {
            bail!(Protocol; "got transfer request in phase {} [sender]", self.phase);
        }
        let mut values = Vec::new();
        if super::metadata::values_follow(&self.plan, item.iflags) {
            self.xattr_reply(at, &mut values)?;
        }
        let live = self.report.live();
        let first = self.undecided.reach(live, ndx, item.wants_data());
        if item.wants_data() {
            live.begin_file(&at.name(), entry.len, first);
            self.report.forget_sent(ndx);
            let sent = self.transfer(&item, at, &values)?;
            self.report.live().end_file(sent && first);
            return Ok(());
        }
        let name = at.given_name();
        items::count_item(&self.report, at, item.iflags, item.xname.as_deref());
        self.report_item(&item, at, &name, Figures::default(), Part::All);
        self.look_ahead()?;
        item.put(&mut self.ndx_out, &mut self.out, self.plan.agreed.protocol, None)?;
        self.out.extend_from_slice(&values);
        self.put()
    }

    fn report_item(&self, item: &Item<'_>, at: &At, name: &[u8], figures: Figures<'_>, part: Part) {
        let change = Change::sent(at, item.iflags, item.xname.as_deref());
        change.report(&self.report, name, figures, part);
    }

    /// Send the values of attributes that the list has as digests (spec: protocol 6.5).
    fn xattr_reply(&mut self, at: &At, out: &mut Vec<u8>) -> Result<()> {
        use crate::flist::xattr;
        let name = at.name();
        let set = at
            .xattrs()
            .map(|index| self.scanner.tables.xattrs(index))
            .unwrap_or_default();
        let numbers = xattr::read_request(&mut self.reader, &set, (Role::Sender.name(), &name))?;
        let entry = *at.entry();
        let values = match self.sources.root(entry.root) {
            Some(root) => {
                let place = super::metadata::Place::Name(root, disk(&name));
                super::metadata::requested_values(place, &self.plan, &set, &numbers)
            }
            None => numbers.iter().map(|n| (*n, Vec::new())).collect(),
        };
        xattr::put_reply(out, values.iter().map(|(n, v)| (*n, v.as_slice())));
        Ok(())
    }

    /// Note that a file could not be read. The other side must know that before it deletes at the end (spec: protocol 5.9).
    fn failed_file(&self, bits: IoErrors) {
        self.report.set_io_error(bits);
        if self.plan.agreed.protocol >= 30 && !self.plan.removal.ignore_errors {
            // A lost connection shows with the next write.
            let _ = self
                .writer
                .msg(Tag::IoError, &self.report.io_error().bits().to_le_bytes());
        }
    }

    /// A name with the path of its source as the user gave it.
    fn full_name(&self, at: &At) -> Vec<u8> {
        let name = at.name();
        let source = self.report.source_name(at.entry().root);
        if source.is_empty() {
            return name;
        }
        let slash: &[u8] = if source.ends_with(b"/") { b"" } else { b"/" };
        [&source[..], slash, &name].concat()
    }

    // ---- the end

    /// Statistics and goodbye (spec: protocol 6.3, 6.8, 6.11).
    fn goodbye(&mut self) -> Result<()> {
        self.report.live().set_phase(Phase::End);
        let protocol = self.plan.agreed.protocol;
        if self.plan.place.is_server() || self.outlet.records() {
            let (read, written) = (self.reader.bytes_read(), self.writer.bytes_written());
            let summary = self.report.summary();
            let mut figures = vec![read as i64, written as i64, summary.total_size as i64];
            if protocol >= 29 {
                figures.extend([summary.flist_build_ms as i64, summary.flist_xfer_ms as i64]);
            }
            for figure in figures {
                ints::put_x30long(&mut self.out, protocol, figure, 3);
            }
            if self.plan.place.is_server() {
                if protocol < 27 {
                    // A frame of its own (spec: protocol-old 6.4).
                    self.writer.flush();
                }
                self.put()?;
            } else {
                // A batch reads like the stream of a server, which sends these figures to its client.
                self.outlet.record(&self.out)?;
                self.out.clear();
            }
        }
        let mut rounds = match protocol {
            31.. => 2,
            24.. => 1,
            _ => 0, // spec: protocol-old 6.4
        };
        while rounds > 0 {
            self.writer.flush();
            match self.ndx_in.read(&mut self.reader)? {
                NDX_DONE => {
                    self.remove_arrived()?;
                    rounds -= 1;
                    if rounds > 0 {
                        self.done()?;
                    }
                }
                NDX_DEL_STATS if protocol >= 31 => self.deletions()?,
                ndx => bail!(Protocol; "Invalid packet at end of run ({ndx}) [sender]"),
            }
        }
        self.outlet.finish()
    }
}

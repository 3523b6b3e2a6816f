//! The receiver: reads lists and data, and puts finished files in place (spec: protocol 6, transfer 6).

mod ending;
mod file_data;
mod lists;
mod placing;
mod rebuild;

use std::fs::File;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;

use crossbeam_channel::{Receiver as Inbox, Sender as Outbox};

use rustix::io::Errno;

use super::compare::Wanted;
use super::dest::Dest;
use super::exchange::{entry_of, is_keep_alive, read_deletions, Places, Seen};
use super::landing::Outcome;
use super::replay::Replay;
use super::text::items::{self, Change, Figures, Moved, Part};
use super::words::inbox::Feed;
use super::words::request::BasisKind;
use crate::delta::tokens;
use crate::error::{bail, Error, IoErrorExt as _, Result};
use crate::flist::{At, Decoder, Found, Lists};
use crate::plan::Plan;
use crate::report::debug::debug;
use crate::report::say::text;
use crate::report::Report;
use crate::role::Role;
use crate::sums::size::SumHead;
use crate::tree::{Atime, Root, Stat};
use crate::wire::frames::{Message, Tag};
use crate::wire::item::{IoErrors, Item, ItemFlags};
use crate::wire::link::{Reader, Writer};
use crate::wire::ndx::{NdxReader, NDX_DEL_STATS, NDX_DONE, NDX_FLIST_EOF, NDX_FLIST_OFFSET};
use placing::{Arrived, Placing};
use rebuild::Built;

/// The receiver of one run; it works in a thread of its own and feeds the generator.
pub(crate) struct Receiver {
    plan: Arc<Plan>,
    report: Report,
    reader: Reader,
    decoder: Decoder,
    lists: Lists,
    ndx: NdxReader,
    tokens: tokens::Decoder,
    feed: Outbox<Feed>,
    dest_inbox: Inbox<Dest>,
    dest: Option<Arc<Dest>>,
    alt_roots: Vec<Option<Root>>,
    seen: Seen,
    places: Places,
    /// What the last file was made of.
    built: Built,
    /// Number of DONEs received after the lists.
    phase: u8,
    /// Entries up to the end of the last item's list, for the progress of the whole transfer.
    working_end: u64,
    /// Files that wait in the partial-dir.
    delayed: Vec<Delayed>,
    stop: Arc<AtomicBool>,
    /// Writes small files.
    placing: Placing,
    /// The stream is a batch.
    replay: Option<Arc<Replay>>,
    /// Bytes read before the generator began, which is after the first list.
    pub(super) read_at_split: u64,
}

/// What a receiver works with.
pub(crate) struct Setup {
    pub reader: Reader,
    /// Sends the answers to messages.
    pub writer: Writer,
    pub decoder: Decoder,
    pub feed: Outbox<Feed>,
    /// Brings the destination, once the generator has resolved it.
    pub dest_inbox: Inbox<Dest>,
    /// Set when the receiver is to end.
    pub stop: Arc<AtomicBool>,
    /// The stream is a batch.
    pub replay: Option<Arc<Replay>>,
}

/// What a receiver does with messages (spec: protocol 3.2, 3.7).
fn handle(message: &Message, report: &Report, writer: &Writer, feed: &Outbox<Feed>) -> Result<()> {
    match message.tag {
        tag if tag.is_text() => report.from_peer(tag, &message.payload),
        Tag::IoError => report.set_io_error(IoErrors::from_peer(message.value().unwrap_or(0))),
        Tag::ErrorExit => {
            return Err(match message.value() {
                Some(code) => {
                    // The sender waits for this answer, and then knows that this side ends.
                    let _ = writer.last_msg(Tag::ErrorExit, &code.to_le_bytes());
                    writer.flush();
                    Error::PeerExit(code)
                }
                None => Error::Ended(12),
            });
        }
        Tag::Success if report.plan().agreed.protocol < 27 => bail!(Stream; "unexpected tag 100 [{}]", report.role()),
        Tag::NoSend => {
            if let Some(ndx) = message.value() {
                let _ = feed.send(Feed::NotSent(ndx));
            }
        }
        _ => {}
    }
    Ok(())
}

/// A finished file that waits in the partial-dir (`--delay-updates`), with the figures for the log.
struct Delayed {
    item: Item<'static>,
    at: At,
    rel: Vec<u8>,
    /// There is a file at its name that needs a backup.
    exists: bool,
    bytes: u64,
    /// The sum of the whole file, if it is shown.
    sum: Vec<u8>,
    moved: Moved,
}

/// A file that is being received.
struct Incoming {
    at: At,
    /// Name below the destination.
    rel: Vec<u8>,
    exists: Option<Stat>,
    /// There is, or may be, a file at the name.
    replaces: bool,
    want: Wanted,
    head: SumHead,
    kind: BasisKind,
    basis: Option<File>,
    /// The basis can no longer be opened.
    basis_lost: bool,
    /// For `--debug=DELTASUM2`: the file that the data builds on, and its size.
    mapped: Option<(Vec<u8>, u64)>,
    redo: bool,
}

/// What became of a file whose data has been read.
enum Written {
    Done(Outcome),
    /// The data, complete and verified: a worker is to write it.
    Held(Vec<u8>),
}

impl From<Outcome> for Written {
    fn from(outcome: Outcome) -> Self {
        Self::Done(outcome)
    }
}

impl Receiver {
    /// The receiver of a run over the link that `setup` names.
    ///
    /// Errors: of the token decoder.
    pub(crate) fn new(plan: &Arc<Plan>, report: &Report, setup: Setup) -> Result<Self> {
        let Setup {
            mut reader,
            writer,
            decoder,
            feed,
            dest_inbox,
            stop,
            replay,
        } = setup;
        {
            let (report, feed) = (report.clone(), feed.clone());
            reader.set_handler(Box::new(move |message| handle(&message, &report, &writer, &feed)));
        }
        Ok(Self {
            lists: Lists::new(plan.agreed.inc_recurse),
            ndx: NdxReader::new(plan.agreed.protocol),
            tokens: tokens::Decoder::new(plan.agreed.compress, plan.agreed.protocol)?,
            plan: Arc::clone(plan),
            report: report.clone(),
            reader,
            decoder,
            feed,
            dest_inbox,
            dest: None,
            alt_roots: Vec::new(),
            seen: Seen::default(),
            places: Places::default(),
            built: Built::default(),
            phase: 0,
            working_end: 0,
            delayed: Vec::new(),
            stop,
            placing: Placing::new(plan, report, replay.is_some()),
            replay,
            read_at_split: 0,
        })
    }

    pub(crate) fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    fn notify_generator(&self, feed: Feed) -> Result<()> {
        if let Some(replay) = &self.replay {
            replay.note_sent();
        }
        self.feed.send(feed).map_err(|_| Error::Ended(14))
    }

    /// Receive everything from the first list to the peer's last DONE. An empty list ends the conversation at once (spec:
    /// protocol 6.11).
    pub(crate) fn run(&mut self) -> Result<()> {
        let started = self.reader.bytes_read();
        let start = self.decoder.first_start();
        let first = self.decoder.read_list(&mut self.reader, start, None)?;
        let empty = first.segment.is_empty();
        let count = first.segment.len();
        self.take_list(first, Role::EarlyReceiver)?;
        self.read_at_split = self.reader.bytes_read();
        let size = self.read_at_split - started;
        self.report.stats(|s| s.flist_size += size);
        self.reader.control().set_keep_alive(true);
        self.reader.leave_data();
        if empty && !self.plan.place.is_server() {
            if self.plan.agreed.inc_recurse {
                let ndx = self.ndx.read(&mut self.reader)?;
                if ndx != NDX_FLIST_EOF {
                    bail!(Protocol; "Invalid file index: {ndx} [Receiver]");
                }
            }
            // The generator may have ended already: an empty list is all it needs.
            let _ = self.notify_generator(Feed::Eof);
            return Ok(());
        }
        if !self.plan.agreed.inc_recurse {
            self.report.end_lists();
            self.notify_generator(Feed::Eof)?;
        }
        if self.plan.output.debug.recv > 0 {
            if count > 1 || !self.plan.agreed.inc_recurse {
                // Reported after the generator has resolved the destination, unless that takes more lists.
                let _ = self.dest()?;
            }
            debug!(self.report, recv >= 1; "recv_files(", count, ") starting");
        }
        let received = self.items();
        self.placing.end(received)?;
        self.goodbye()?;
        self.notify_generator(Feed::Ended)
    }

    // ---- items

    fn items(&mut self) -> Result<()> {
        let max_phase = if self.plan.agreed.protocol >= 29 { 2 } else { 1 };
        // The meaning of a single entry depends on whether more lists follow, so the generator begins only when that is
        // known (spec: protocol 5.10).
        let mut alone = self.plan.agreed.inc_recurse && self.lists.first().is_some_and(|list| list.len() == 1);
        let mut begun = false;
        loop {
            self.report.check()?;
            if !alone && !std::mem::replace(&mut begun, true) {
                // Reading goes on once the destination is resolved. In rsync this end is two processes from here on, and
                // the receiver reports what is wrong.
                let _ = self.dest()?;
            }
            if self.placing.collects() && !self.reader.ready() {
                self.placing.hand_over()?;
            }
            let ndx = self.ndx.read(&mut self.reader)?;
            if std::mem::take(&mut alone) && ndx > NDX_FLIST_OFFSET && ndx != NDX_FLIST_EOF {
                bail!(Protocol; "Invalid file index: {ndx} [Receiver]");
            }
            match ndx {
                NDX_DONE => {
                    self.unbatched()?;
                    if self.plan.agreed.inc_recurse && !self.lists.is_empty() {
                        if let Some(list) = self.lists.finish_first() {
                            self.seen.forget(&list);
                            let end = self.places.end_of(list.start);
                            self.report.progress_again(end.max(self.working_end));
                            self.places.forget_first();
                        }
                        if !self.lists.is_empty() || !self.lists.is_complete() {
                            continue;
                        }
                    }
                    if !self.plan.agreed.inc_recurse {
                        self.report.progress_again(self.places.total());
                    }
                    // The generator must have all answers of a phase before its end.
                    self.placing.finish()?;
                    self.phase += 1;
                    if self.phase == 2 {
                        self.finish_delayed()?;
                    }
                    if self.phase > max_phase {
                        debug!(self.report, recv >= 1; "recv_files finished");
                        return Ok(());
                    }
                    debug!(self.report, recv >= 1; "recv_files phase=", i32::from(self.phase));
                    self.notify_generator(Feed::Phase(self.phase))?;
                }
                NDX_FLIST_EOF if self.plan.agreed.inc_recurse && !self.lists.is_complete() => {
                    debug!(self.report, flist >= 3; "[receiver] flist_eof=1");
                    self.lists.complete();
                    self.report.end_lists();
                    self.notify_generator(Feed::Eof)?;
                }
                NDX_DEL_STATS if self.plan.agreed.protocol >= 31 => {
                    read_deletions(&mut self.reader, Role::Receiver)?;
                }
                ndx if ndx <= NDX_FLIST_OFFSET && self.plan.agreed.inc_recurse => {
                    self.sub_list(NDX_FLIST_OFFSET - ndx)?;
                }
                ndx if ndx >= 0 => self.item(ndx)?,
                ndx if self.plan.agreed.inc_recurse && ndx != NDX_FLIST_EOF => {
                    self.lists.expect(NDX_FLIST_OFFSET - ndx)?;
                }
                ndx => return Err(self.lists.not_an_index(ndx, Role::Receiver.name())),
            }
        }
    }

    fn item(&mut self, ndx: i32) -> Result<()> {
        let item = Item::read(&mut self.reader, ndx, self.plan.agreed.protocol)?;
        if is_keep_alive(&item, &self.plan, &self.lists) {
            return Ok(());
        }
        if let Some(replay) = self.replay.as_ref().filter(|_| !item.wants_data()) {
            replay.wait_generator(&self.report)?;
        }
        let at = &entry_of(&self.lists, &item, Role::Receiver)?.at;
        if self.report.progress_level() == 2 {
            self.working_end = self.places.end_of(ndx);
        }
        let entry = *at.entry();
        debug!(self.report, recv >= 1; "recv_files(", &at.name(), ")");
        if item.wants_data() && self.phase > 1 {
            bail!(Protocol; "got transfer request in phase {} [receiver]", self.phase);
        }
        if super::metadata::values_follow(&self.plan, item.iflags) {
            let dest = self.dest()?;
            dest.metadata.read_values(&mut self.reader, at)?;
            if !item.wants_data() {
                // Now all values are known.
                let want = dest.wanted(at, None);
                dest.set_xattrs_at(&dest.name(at), &want);
            }
        }
        items::count_item(&self.report, at, item.iflags, item.xname.as_deref());
        if !item.wants_data() {
            self.report_item(&item, at, Figures::default(), Part::All);
            return Ok(());
        }
        if let Some(replay) = self.replay.clone() {
            if !replay.wants(&self.report, ndx)? {
                let name = self.report.quoted(&at.name());
                self.report.info(text!["(Skipping batched update for ", &name, ")"]);
                return self.skip_data(&item, at);
            }
        }
        let batched = self.plan.agreed.read_batch || self.plan.agreed.only_write_batch && !self.plan.place.is_server();
        if self.plan.idle() && batched {
            self.report_item(&item, at, Figures::default(), Part::All);
            self.skip_data(&item, at)?;
            return self.notify_generator(Feed::Finished { ndx, good: true });
        }
        if self.plan.idle() {
            self.report_item(&item, at, Figures::default(), Part::All);
            items::count_transfer(&self.report, entry.len);
            self.report.live().file_done(entry.len, true);
            return self.notify_generator(Feed::Finished { ndx, good: true });
        }
        self.receive(&item, at)
    }

    /// Report, before the end of a phase, the requested files that the batch does not have (spec: protocol 11).
    fn unbatched(&mut self) -> Result<()> {
        let Some(replay) = self.replay.clone() else {
            return Ok(());
        };
        let end = match self.lists.first() {
            Some(list) if self.plan.agreed.inc_recurse => list.next_start(),
            _ => i32::MAX,
        };
        for ndx in replay.unanswered(&self.report, end)? {
            if let Some(found) = self.lists.find(ndx).filter(Found::is_active) {
                let name = self.report.quoted(&found.at.name());
                self.report.error_xfer(text!["(No batched update for ", &name, ")"]);
            }
            if let Some(found) = self.lists.find(ndx) {
                self.report.live().file_done(found.at.entry().len, false);
            }
            self.notify_generator(Feed::Finished { ndx, good: false })?;
        }
        Ok(())
    }

    fn report_item(&self, item: &Item<'_>, at: &At, figures: Figures<'_>, part: Part) {
        let change = Change::received(at, item.iflags, item.xname.as_deref());
        change.report(&self.report, &at.name(), figures, part);
    }

    // ---- data

    fn dest(&mut self) -> Result<Arc<Dest>> {
        if self.dest.is_none() {
            // An item can only come after a request, so the destination is resolved.
            let dest = self
                .dest_inbox
                .recv()
                .map_err(|_| Error::Ended(14))?
                .for_role(Role::Receiver);
            self.alt_roots = super::dest::alt_dirs::open_quietly(&dest);
            self.dest = Some(Arc::new(dest));
        }
        self.dest.clone().ok_or(Error::Ended(14))
    }

    /// Read and drop a file's data.
    fn skip_data(&mut self, item: &Item<'_>, at: &At) -> Result<()> {
        let dest = self.dest()?;
        let head = self.read_head()?;
        let incoming = Incoming {
            rel: dest.name(at),
            exists: None,
            replaces: false,
            want: dest.wanted(at, None),
            head,
            kind: BasisKind::of(item),
            basis: None,
            basis_lost: false,
            mapped: None,
            redo: self.seen.redo(at, self.plan.agreed.protocol)?,
            at: at.clone(),
        };
        let len = at.entry().len;
        self.begin_progress(&incoming);
        self.begin_file(&incoming);
        let (mut built, mut sum) = (Built::default(), Vec::new());
        self.data(&dest, &incoming, None, 0, None, &mut built, &mut sum)?;
        self.report.live().end_file(true);
        items::count_transfer(&self.report, len);
        items::count_data(&self.report, built.literal, built.matched);
        self.report.progress_end(len);
        Ok(())
    }

    /// The basis of an item's data, and the attributes of the new file.
    fn incoming(&mut self, dest: &Dest, item: &Item<'_>, at: &At) -> Result<Incoming> {
        let redo = self.seen.redo(at, self.plan.agreed.protocol)?;
        if redo {
            items::count_again(&self.report, item.iflags);
        }
        let head = self.read_head()?;
        let rel = dest.name(at);
        let fresh = item.iflags.contains(ItemFlags::NEW) && self.plan.agreed.protocol >= 29;
        // A file whose status can't be read may exist all the same, and is not replaced without a backup.
        let looked = if fresh { None } else { Some(dest.lstat(&rel)) };
        let (exists, replaces) = match looked {
            None => (None, false),
            Some(Ok(stat)) => (Some(stat), true),
            Some(Err(error)) => (None, !error.is(Errno::NOENT)),
        };
        let (kind, place) = self.basis_place(item, dest, &rel, exists.as_ref())?;
        // Without --perms the mode is that of the file which the data builds on (observed).
        let model = match &place {
            Some((root, name)) if !self.plan.attrs.perms => dest.model(root, name),
            _ => exists,
        };
        let mut mapped = None;
        if self.plan.output.debug.deltasum > 1 {
            mapped = place.as_ref().and_then(|(root, name)| {
                let stat = root.lstat(name).ok().filter(|s| s.is_file() && s.size > 0)?;
                Some((name.clone(), stat.size))
            });
        }
        let (basis, basis_lost) = match place.filter(|_| head.count > 0) {
            Some((root, name)) => self.open_basis(&root, &name),
            None => (None, false),
        };
        Ok(Incoming {
            want: dest.wanted(at, model.as_ref().filter(|s| s.is_file())),
            at: at.clone(),
            rel,
            exists,
            replaces,
            head,
            kind,
            basis,
            basis_lost,
            mapped,
            redo,
        })
    }

    fn read_head(&mut self) -> Result<SumHead> {
        SumHead::read(
            &mut self.reader,
            self.plan.agreed.protocol,
            self.plan.agreed.xfer_sum,
            self.phase > 0,
            Role::Receiver.name(),
        )
    }

    /// The basis, and whether this try is in vain because the basis can't be opened.
    fn open_basis(&self, root: &Root, name: &[u8]) -> (Option<File>, bool) {
        match root.open_read(name, Atime::keep_if(self.plan.attrs.open_noatime)) {
            Ok(file) => (Some(file), false),
            // A similar file may have been replaced or removed since, and a batch may be read where its basis is missing. The
            // run ends only when a block of the basis is used (observed).
            Err(error) if error.is(Errno::NOENT) => (None, false),
            Err(error) => {
                // The generator had opened the basis, so its blocks may be used.
                let text = text!["open ", self.report.quoted(&root.display(name)), " failed"];
                let in_vain = !self.tokens.wants_blocks();
                self.report.sys_error(Role::Receiver, text, &error);
                (None, in_vain)
            }
        }
    }

    fn receive(&mut self, item: &Item<'static>, at: &At) -> Result<()> {
        let dest = self.dest()?;
        let ndx = item.ndx;
        let entry = *at.entry();
        let before = self.reader.bytes_read();
        let incoming = self.incoming(&dest, item, at)?;
        let late = self.report.after_data();
        let mut sum = Vec::new();
        // The item is reported once there is a file to write it to.
        let mut reported = late;
        let mut opened = |receiver: &Self| {
            if !std::mem::replace(&mut reported, true) {
                receiver.report_item(item, at, Figures::default(), Part::Screen);
            }
        };
        self.begin_file(&incoming);
        let outcome = match self.file(&dest, &incoming, &mut sum, &mut opened)? {
            Written::Done(outcome) => outcome,
            Written::Held(data) => {
                // The worker counts the file.
                self.report.live().end_file(false);
                items::count_transfer(&self.report, entry.len);
                self.report_item(item, at, Figures::default(), Part::KeptAfter(ndx));
                return self.placing.submit(Arrived::new(&incoming, data));
            }
        };
        let good = matches!(outcome, Outcome::Placed | Outcome::Held);
        self.report.live().end_file(good);
        items::count_transfer(&self.report, entry.len);
        self.report.progress_end(entry.len);
        let bytes = self.reader.bytes_read().saturating_sub(before);
        let moved = Moved::now(&self.report, self.built.literal, self.built.matched);
        let mut figures = Figures {
            moved,
            ..Figures::default()
        };
        if late {
            figures = Figures {
                bytes,
                sum_bytes: 0,
                checksum: Some(&sum),
                moved,
            };
            self.report_item(item, at, figures, Part::Screen);
        }
        match outcome {
            Outcome::Placed => self.report_item(item, at, figures, Part::Kept),
            Outcome::Held => {
                self.delayed.push(Delayed {
                    item: item.clone(),
                    at: incoming.at,
                    rel: incoming.rel,
                    exists: incoming.replaces,
                    bytes,
                    sum: if late { sum } else { Vec::new() },
                    moved,
                });
            }
            Outcome::Again | Outcome::Failed => {}
        }
        self.notify_generator(match outcome {
            Outcome::Placed => Feed::Finished { ndx, good: true },
            Outcome::Held => Feed::Held(ndx),
            Outcome::Failed => Feed::Finished { ndx, good: false },
            Outcome::Again => Feed::Redo(ndx),
        })
    }
}

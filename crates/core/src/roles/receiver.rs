//! The receiver: reads lists and data, and puts finished files in place (spec: protocol 6, transfer 6).

mod file_data;

use std::fs::File;
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;

use crossbeam_channel::{Receiver as Inbox, Sender as Outbox};

use rustix::io::Errno;

use super::compare::Wanted;
use super::dest::{Dest, Failed};
use super::exchange::{entry_of, is_keep_alive, read_deletions, Places, Seen};
use super::generator::{basis, Feed};
use super::items::{self, Figures, Part};
use super::landing::Outcome;
use super::rebuild::Built;
use super::replay::Replay;
use crate::delta::tokens;
use crate::error::{Error, IoErrorExt as _, Result};
use crate::flist::{Decoder, Found, Lists, Received, Segment, Unconverted, EILSEQ};
use crate::plan::{DeleteWhen, Plan};
use crate::report::debug::{self, debug, ListOf};
use crate::report::say::text;
use crate::report::Report;
use crate::role::Role;
use crate::sums::size::SumHead;
use crate::tree::{operator, Root, Stat};
use crate::wire::frames::{Message, Tag};
use crate::wire::ints::{NdxReader, Source, NDX_DEL_STATS, NDX_DONE, NDX_FLIST_EOF, NDX_FLIST_OFFSET};
use crate::wire::item::{IoErrors, Item, ItemFlags};
use crate::wire::link::{Reader, Writer};
use crate::wire::trace::Way;

/// The receiver of one run; it works in a thread of its own and feeds the generator.
pub struct Receiver {
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
    /// How many DONEs have come behind the lists.
    phase: u8,
    /// Entries up to the end of the list that the last item was of, for the progress of the whole transfer.
    working_end: u64,
    /// Files that wait in the partial-dir.
    delayed: Vec<Delayed>,
    stop: Arc<AtomicBool>,
    /// The stream is a batch.
    replay: Option<Arc<Replay>>,
    /// Bytes that had been read when the first list was there, and the generator began.
    pub(super) read_at_split: u64,
}

/// What a receiver does with messages (spec: protocol 3.2, 3.7).
fn handle(message: &Message, report: &Report, writer: &Writer, feed: &Outbox<Feed>) -> Result<()> {
    match message.tag {
        tag if tag.is_text() => report.from_peer(tag, &message.payload),
        Tag::IoError => report.set_io_error(IoErrors::from_peer(message.value().unwrap_or(0))),
        Tag::ErrorExit => {
            return Err(match message.value() {
                Some(code) => {
                    // The sender waits for it: this side's end is known then.
                    let _ = writer.last_msg(Tag::ErrorExit, &code.to_le_bytes());
                    writer.flush();
                    Error::PeerExit(code)
                }
                None => Error::Stream(String::new()),
            });
        }
        Tag::Success if report.plan().protocol < 27 => {
            return Err(Error::Stream(format!("unexpected tag 100 [{}]", report.role())));
        }
        Tag::NoSend => {
            if let Some(ndx) = message.value() {
                let _ = feed.send(Feed::NotSent(ndx));
            }
        }
        _ => {}
    }
    Ok(())
}

/// A finished file that waits in the partial-dir (`--delay-updates`), with what is logged when it has its name.
struct Delayed {
    item: Item<'static>,
    segment: Arc<Segment>,
    i: usize,
    rel: Vec<u8>,
    /// Something is at its name that a backup is made of.
    exists: bool,
    bytes: u64,
    /// The sum of the whole file, if it is shown.
    sum: Vec<u8>,
}

/// A file that is being received.
struct Incoming {
    segment: Arc<Segment>,
    i: usize,
    /// Name below the destination.
    rel: Vec<u8>,
    exists: Option<Stat>,
    /// Something is at the name, or may be.
    replaces: bool,
    want: Wanted,
    head: SumHead,
    kind: u8,
    basis: Option<File>,
    /// The basis could not be opened any more.
    basis_lost: bool,
    /// For `--debug=DELTASUM2`: the file that the data builds on, and its size.
    mapped: Option<(Vec<u8>, u64)>,
    redo: bool,
}

impl Receiver {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        plan: &Arc<Plan>,
        report: &Report,
        mut reader: Reader,
        writer: Writer,
        decoder: Decoder,
        feed: Outbox<Feed>,
        dest_inbox: Inbox<Dest>,
        stop: Arc<AtomicBool>,
        replay: Option<Arc<Replay>>,
    ) -> Result<Self> {
        {
            let (report, feed) = (report.clone(), feed.clone());
            reader.set_handler(Box::new(move |message| handle(&message, &report, &writer, &feed)));
        }
        Ok(Self {
            lists: Lists::new(plan.inc_recurse),
            ndx: NdxReader::new(plan.protocol),
            tokens: tokens::Decoder::new(plan.compress, plan.protocol)?,
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
            phase: 0,
            working_end: 0,
            delayed: Vec::new(),
            stop,
            replay,
            read_at_split: 0,
        })
    }

    pub fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    fn tell_generator(&self, feed: Feed) -> Result<()> {
        if let Some(replay) = &self.replay {
            replay.tell();
        }
        self.feed.send(feed).map_err(|_| Error::Ipc(String::new()))
    }

    /// Everything from the first list to the peer's last DONE. `Ok(false)`: the list was empty and there is nothing to
    /// talk about (spec: protocol 6.11).
    pub fn run(&mut self) -> Result<bool> {
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
        if empty && !self.plan.server {
            if self.plan.inc_recurse {
                let ndx = self.ndx.read(&mut self.reader)?;
                if ndx != NDX_FLIST_EOF {
                    return Err(Error::Protocol(format!("Invalid file index: {ndx} [Receiver]")));
                }
            }
            // The generator may have gone already: an empty list is all it needs.
            let _ = self.tell_generator(Feed::Eof);
            return Ok(false);
        }
        if !self.plan.inc_recurse {
            self.report.listed(0, true);
            self.tell_generator(Feed::Eof)?;
        }
        if self.plan.debug.recv > 0 {
            if count > 1 || !self.plan.inc_recurse {
                // Said after the generator has settled where things go, unless that takes more lists.
                let _ = self.dest()?;
            }
            debug!(self.report, recv >= 1; "recv_files(", count, ") starting");
        }
        self.items()?;
        self.goodbye()?;
        self.tell_generator(Feed::Ended)?;
        Ok(true)
    }

    // ---- lists

    /// Names that are left out (spec: protocol 5.16). While the first list is read, a receiver still stands where it was
    /// started.
    fn tell_unconverted(&self, notices: &[Unconverted], first: bool) {
        for notice in notices {
            let (what, shown) = match notice {
                Unconverted::Name(name) => ("filename", name.clone()),
                Unconverted::Target(name) => {
                    let plan = &self.plan;
                    let here = if first { &b"."[..] } else { &plan.destination };
                    let path = match operator::absolute(here, &plan.cwd) {
                        Ok(dir) => [super::paths::clean(&dir).as_slice(), b"/", name].concat(),
                        Err(_) => name.clone(),
                    };
                    ("symlink data for", self.report.quoted(&path))
                }
            };
            let text = format!("[{}] cannot convert {what}: ", self.report.role());
            self.report
                .error_xfer([text.as_bytes(), &shown, format!(" ({EILSEQ})").as_bytes()].concat());
        }
    }

    fn take_list(&mut self, received: Received, role: Role) -> Result<()> {
        self.tell_unconverted(&received.notices, role == Role::EarlyReceiver);
        let mut segment = received.segment;
        segment.io_error = IoErrors::from_bits(received.io_error as u32);
        self.report.set_listing_error(segment.io_error);
        if self.plan.prune_empty_dirs {
            super::metadata::prune(&self.plan, &mut segment, &self.plan.destination, &self.report)?;
        }
        super::exchange::trace_list(Way::In, &segment);
        super::local::tell_duplicates(&self.plan, &self.report, &segment);
        let segment = Arc::new(segment);
        if !self.plan.inc_recurse {
            debug!(self.report, flist >= 3; "[", role, "] flist_eof=1");
        }
        for line in received.ids {
            self.report.info(line);
        }
        show_list(&self.report, role, &segment);
        self.report.stats(|s| {
            for entry in segment.entries() {
                s.files.add(entry.mode);
                if entry.is_file() || entry.is_link() {
                    s.total_size = s.total_size.saturating_add(entry.len);
                }
            }
            s.had_entries |= !segment.is_empty();
        });
        self.report.listed(segment.len() as u64, false);
        self.places.add(&segment);
        self.lists.add(Arc::clone(&segment))?;
        self.tell_generator(Feed::List(segment))
    }

    fn sub_list(&mut self, dir_ndx: i32) -> Result<()> {
        let before = self.reader.bytes_read();
        let path = self.lists.expect_path(dir_ndx)?;
        if self.lists.is_empty() {
            // The sender has ended all of them: a phase can't begin again (spec: protocol 6.3).
            return Err(Error::Protocol(
                "rsync: refusing sub-flist after final flist was freed".into(),
            ));
        }
        // A list that is read before it is settled where things go: nobody is a receiver yet.
        let early = self.lists.added() == 1 && self.lists.first().is_some_and(|list| list.len() == 1);
        let role = if early { Role::EarlyReceiver } else { Role::Receiver };
        debug!(self.report, flist >= 2; "[", role, "] receiving flist for dir ", dir_ndx);
        let start = self.lists.next_start();
        self.decoder.set_role(role.name());
        let received = self
            .decoder
            .read_list(&mut self.reader, start, Some((dir_ndx, &path)))?;
        self.take_list(received, role)?;
        let size = self.reader.bytes_read() - before;
        self.report.stats(|s| s.flist_size += size);
        Ok(())
    }

    // ---- items

    fn items(&mut self) -> Result<()> {
        let max_phase = if self.plan.protocol >= 29 { 2 } else { 1 };
        // What a single entry means depends on whether more lists come, so nobody has begun before that is known
        // (spec: protocol 5.10).
        let mut alone = self.plan.inc_recurse && self.lists.first().is_some_and(|list| list.len() == 1);
        let mut begun = false;
        loop {
            self.report.check()?;
            if !alone && !std::mem::replace(&mut begun, true) {
                // Nothing is read on before it is known where things go, and this end is two processes in rsync: what
                // is wrong from here on is told by the receiver.
                let _ = self.dest()?;
            }
            let ndx = self.ndx.read(&mut self.reader)?;
            if std::mem::take(&mut alone) && ndx > NDX_FLIST_OFFSET && ndx != NDX_FLIST_EOF {
                return Err(Error::Protocol(format!("Invalid file index: {ndx} [Receiver]")));
            }
            match ndx {
                NDX_DONE => {
                    self.unbatched()?;
                    if self.plan.inc_recurse && !self.lists.is_empty() {
                        if let Some(list) = self.lists.finish_first() {
                            self.seen.forget(&list);
                            if self.report.progress_level() == 2 {
                                self.report
                                    .progress_again(self.places.end_of(list.start).max(self.working_end));
                            }
                            self.places.forget_first();
                        }
                        if !self.lists.is_empty() || !self.lists.is_complete() {
                            continue;
                        }
                    }
                    if !self.plan.inc_recurse {
                        self.report.progress_again(self.places.total());
                    }
                    self.phase += 1;
                    if self.phase == 2 {
                        self.finish_delayed()?;
                    }
                    if self.phase > max_phase {
                        debug!(self.report, recv >= 1; "recv_files finished");
                        return Ok(());
                    }
                    debug!(self.report, recv >= 1; "recv_files phase=", i32::from(self.phase));
                    self.tell_generator(Feed::Phase(self.phase))?;
                }
                NDX_FLIST_EOF if self.plan.inc_recurse && !self.lists.is_complete() => {
                    debug!(self.report, flist >= 3; "[receiver] flist_eof=1");
                    self.lists.complete();
                    self.report.listed(0, true);
                    self.tell_generator(Feed::Eof)?;
                }
                NDX_DEL_STATS if self.plan.protocol >= 31 => {
                    read_deletions(&mut self.reader, Role::Receiver)?;
                }
                ndx if ndx <= NDX_FLIST_OFFSET && self.plan.inc_recurse => {
                    self.sub_list(NDX_FLIST_OFFSET - ndx)?;
                }
                ndx if ndx >= 0 => self.item(ndx)?,
                ndx if self.plan.inc_recurse && ndx != NDX_FLIST_EOF => {
                    self.lists.expect(NDX_FLIST_OFFSET - ndx)?;
                }
                ndx => return Err(self.lists.not_an_index(ndx, Role::Receiver.name())),
            }
        }
    }

    fn item(&mut self, ndx: i32) -> Result<()> {
        let item = Item::read(&mut self.reader, ndx, self.plan.protocol)?;
        if is_keep_alive(&item, &self.plan, &self.lists) {
            return Ok(());
        }
        if let Some(replay) = self.replay.as_ref().filter(|_| !item.wants_data()) {
            replay.settle(&self.report)?;
        }
        let found = entry_of(&self.lists, &item, Role::Receiver)?;
        if self.report.progress_level() == 2 {
            self.working_end = self.places.end_of(ndx);
        }
        let entry = *found.segment.entry(found.pos);
        debug!(self.report, recv >= 1; "recv_files(", &found.segment.name(found.pos), ")");
        if item.wants_data() && self.phase > 1 {
            return Err(Error::Protocol(format!(
                "got transfer request in phase {} [receiver]",
                self.phase
            )));
        }
        if super::metadata::values_follow(&self.plan, item.iflags) {
            let dest = self.dest()?;
            dest.metadata.read_values(&mut self.reader, &found.segment, found.pos)?;
            if !item.wants_data() {
                // Now all values are here.
                let want = dest.wanted(&found.segment, found.pos, None);
                dest.set_xattrs_at(&dest.name(&found.segment, found.pos), &want);
            }
        }
        items::count(&self.report, entry.mode, item.iflags);
        if !item.wants_data() {
            self.tell(&item, &found, Figures::default(), Part::All);
            return Ok(());
        }
        if let Some(replay) = self.replay.clone() {
            if !replay.wants(&self.report, ndx)? {
                let name = self.report.quoted(&found.segment.name(found.pos));
                self.report.info(text!["(Skipping batched update for ", &name, ")"]);
                return self.pass_over(&item, &found);
            }
        }
        let batched = self.plan.read_batch || self.plan.only_write_batch && !self.plan.server;
        if self.plan.idle() && batched {
            self.tell(&item, &found, Figures::default(), Part::All);
            self.pass_over(&item, &found)?;
            return self.tell_generator(Feed::Finished { ndx, good: true });
        }
        if self.plan.idle() {
            self.tell(&item, &found, Figures::default(), Part::All);
            self.report.stats(|s| {
                s.transferred += 1;
                s.transferred_size = s.transferred_size.saturating_add(entry.len);
            });
            return self.tell_generator(Feed::Finished { ndx, good: true });
        }
        self.receive(&item, &found)
    }

    /// Before the end of a phase: what was asked for and is not in the batch won't come (spec: protocol 11).
    fn unbatched(&mut self) -> Result<()> {
        let Some(replay) = self.replay.clone() else {
            return Ok(());
        };
        let end = match self.lists.first() {
            Some(list) if self.plan.inc_recurse => list.next_start(),
            _ => i32::MAX,
        };
        for ndx in replay.unanswered(&self.report, end)? {
            if let Some(found) = self.lists.find(ndx).filter(|found| found.active) {
                let name = self.report.quoted(&found.segment.name(found.pos));
                self.report.error_xfer(text!["(No batched update for ", &name, ")"]);
            }
            self.tell_generator(Feed::Finished { ndx, good: false })?;
        }
        Ok(())
    }

    fn tell(&self, item: &Item<'_>, found: &Found, figures: Figures<'_>, part: Part) {
        let name = found.segment.name(found.pos);
        items::tell(
            &self.report,
            &found.segment,
            found.pos,
            &name,
            item.iflags,
            item.xname.as_deref(),
            false,
            figures,
            part,
        );
    }

    // ---- data

    fn dest(&mut self) -> Result<Arc<Dest>> {
        if self.dest.is_none() {
            // An item can only come after a request, so the destination is settled.
            let dest = self
                .dest_inbox
                .recv()
                .map_err(|_| Error::Ipc(String::new()))?
                .for_role(Role::Receiver);
            self.alt_roots = super::basis::open_alt_dirs_quietly(&dest);
            self.dest = Some(Arc::new(dest));
        }
        self.dest.clone().ok_or_else(|| Error::Ipc(String::new()))
    }

    /// Read a file's data to its end without keeping any.
    fn pass_over(&mut self, item: &Item<'_>, found: &Found) -> Result<()> {
        let dest = self.dest()?;
        let (segment, i) = (Arc::clone(&found.segment), found.pos);
        let head = SumHead::read(
            &mut self.reader,
            self.plan.protocol,
            self.plan.xfer_sum,
            self.phase > 0,
            Role::Receiver.name(),
        )?;
        let incoming = Incoming {
            rel: dest.name(&segment, i),
            exists: None,
            replaces: false,
            want: dest.wanted(&segment, i, None),
            head,
            kind: item.basis.unwrap_or(basis::ITSELF),
            basis: None,
            basis_lost: false,
            mapped: None,
            redo: self.seen.redo(&segment, i, self.plan.protocol)?,
            segment,
            i,
        };
        let len = incoming.segment.entry(i).len;
        self.begin_progress(&incoming);
        let (mut built, mut sum) = (Built::default(), Vec::new());
        self.data(&dest, &incoming, None, 0, None, &mut built, &mut sum)?;
        self.report.stats(|s| {
            s.transferred += 1;
            s.transferred_size = s.transferred_size.saturating_add(len);
            s.literal += built.literal;
            s.matched += built.matched;
        });
        if self.report.progress_level() > 0 {
            self.report.progress_end(len);
        }
        Ok(())
    }

    fn receive(&mut self, item: &Item<'static>, found: &Found) -> Result<()> {
        let dest = self.dest()?;
        let segment = Arc::clone(&found.segment);
        let (i, ndx) = (found.pos, item.ndx);
        let entry = *segment.entry(i);
        let redo = self.seen.redo(&segment, i, self.plan.protocol)?;
        let before = self.reader.bytes_read();
        let head = SumHead::read(
            &mut self.reader,
            self.plan.protocol,
            self.plan.xfer_sum,
            self.phase > 0,
            Role::Receiver.name(),
        )?;
        let rel = dest.name(&segment, i);
        let fresh = item.iflags.contains(ItemFlags::NEW) && self.plan.protocol >= 29;
        // What can't be looked at may be there all the same, and is not replaced without a backup.
        let looked = if fresh { None } else { Some(dest.lstat(&rel)) };
        let (exists, replaces) = match looked {
            None => (None, false),
            Some(Ok(stat)) => (Some(stat), true),
            Some(Err(error)) => (None, !error.is(Errno::NOENT)),
        };
        let (kind, place) = self.basis_place(item, &dest, &rel, exists.as_ref())?;
        // Without --perms the mode is that of the file which the data builds on (observed).
        let model = match &place {
            Some((root, name)) if !self.plan.perms => dest.model(root, name),
            _ => exists,
        };
        let mut mapped = None;
        if self.plan.debug.deltasum > 1 {
            mapped = place.as_ref().and_then(|(root, name)| {
                let stat = root.lstat(name).ok().filter(|s| s.is_file() && s.size > 0)?;
                Some((name.clone(), stat.size))
            });
        }
        let mut basis = None;
        let mut basis_lost = false;
        if let Some((root, name)) = place.filter(|_| head.count > 0) {
            match root.open_read(&name, self.plan.open_noatime) {
                Ok(file) => basis = Some(file),
                // A similar file may have had its own turn and be gone, and a batch is read where its basis may be missing.
                // Only where a block of it is meant does that matter: it ends the run (observed).
                Err(error) if error.is(Errno::NOENT) => {}
                Err(error) => {
                    // The generator had it, so blocks of it may be meant: this try is in vain.
                    basis_lost = !self.tokens.wants_blocks();
                    let text = [
                        b"open ".as_slice(),
                        &self.report.quoted(&root.display(&name)),
                        b" failed",
                    ];
                    self.report.sys_error(Role::Receiver, text.concat(), &error);
                }
            }
        }
        let want = dest.wanted(&segment, i, model.as_ref().filter(|s| s.is_file()));
        let late = self.report.after_data();
        let incoming = Incoming {
            segment,
            i,
            rel: rel.clone(),
            exists,
            replaces,
            want,
            head,
            kind,
            basis,
            basis_lost,
            mapped,
            redo,
        };
        let mut sum = Vec::new();
        // The item of a file is told when there is something to write it to.
        let mut told = late;
        let mut opened = |receiver: &Self| {
            if !std::mem::replace(&mut told, true) {
                receiver.tell(item, found, Figures::default(), Part::Screen);
            }
        };
        let outcome = self.file(&dest, &incoming, &mut sum, &mut opened)?;
        self.report.stats(|s| {
            s.transferred += 1;
            s.transferred_size = s.transferred_size.saturating_add(entry.len);
        });
        if self.report.progress_level() > 0 {
            self.report.progress_end(entry.len);
        }
        let bytes = self.reader.bytes_read().saturating_sub(before);
        let mut figures = Figures::default();
        if late {
            figures = Figures {
                bytes,
                sum_bytes: 0,
                checksum: Some(&sum),
            };
            self.tell(item, found, figures, Part::Screen);
        }
        match outcome {
            Outcome::Placed => self.tell(item, found, figures, Part::Kept),
            Outcome::Held => {
                self.delayed.push(Delayed {
                    item: item.clone(),
                    segment: Arc::clone(&found.segment),
                    i,
                    rel,
                    exists: replaces,
                    bytes,
                    sum: if late { sum } else { Vec::new() },
                });
            }
            Outcome::Again | Outcome::Failed => {}
        }
        self.tell_generator(match outcome {
            Outcome::Placed => Feed::Finished { ndx, good: true },
            Outcome::Held => Feed::Held(ndx),
            Outcome::Failed => Feed::Finished { ndx, good: false },
            Outcome::Again => Feed::Redo(ndx),
        })
    }

    /// Move the files that were held back (spec: transfer 6 `--delay-updates`).
    fn finish_delayed(&mut self) -> Result<()> {
        if self.delayed.is_empty() {
            return Ok(());
        }
        let dest = self.dest()?;
        for held in std::mem::take(&mut self.delayed) {
            let good = match dest.place_delayed(&held.rel, held.exists) {
                Ok(()) => true,
                Err(Failed::File(_)) => false,
                Err(Failed::Run(error)) => return Err(error),
            };
            if good {
                let late = !held.sum.is_empty();
                let figures = Figures {
                    bytes: if late { held.bytes } else { 0 },
                    sum_bytes: 0,
                    checksum: late.then_some(&held.sum),
                };
                let found = Found {
                    segment: held.segment,
                    pos: held.i,
                    is_parent: false,
                    active: true,
                };
                self.tell(&held.item, &found, figures, Part::Kept);
            }
            self.tell_generator(Feed::Placed {
                ndx: held.item.ndx,
                good,
            })?;
        }
        Ok(())
    }

    // ---- the end

    /// Statistics and the last DONE (spec: protocol 6.3, 6.8).
    fn goodbye(&mut self) -> Result<()> {
        let protocol = self.plan.protocol;
        if !self.plan.server {
            let mut figure = || self.reader.x30long(protocol, 3).map(|n| n.max(0) as u64);
            let (read, written, total) = (figure()?, figure()?, figure()?);
            let (build, xfer) = if protocol >= 29 { (figure()?, figure()?) } else { (0, 0) };
            self.report.stats(|s| {
                s.sent = read;
                s.received = written;
                s.total_size = total;
                s.flist_build_ms = build;
                s.flist_xfer_ms = xfer;
            });
        }
        if protocol >= 31 {
            loop {
                match self.ndx.read(&mut self.reader)? {
                    NDX_DONE => break,
                    NDX_DEL_STATS => {
                        let counts = read_deletions(&mut self.reader, Role::Receiver)?;
                        if self.plan.delete == DeleteWhen::Never && !self.plan.force {
                            self.report.stats(|s| s.deleted = counts);
                        }
                    }
                    ndx => {
                        return Err(Error::Protocol(format!(
                            "Invalid packet at end of run ({ndx}) [receiver]"
                        )))
                    }
                }
            }
        }
        Ok(())
    }
}

/// A list that has come, for `--debug=FLIST`: the receiver tells, and then the generator, which in rsync reads it again.
pub(super) fn show_list(report: &Report, role: Role, segment: &Segment) {
    if report.plan().debug.flist < 2 {
        return;
    }
    for i in 0..segment.len() {
        debug!(report, flist >= 2; "recv_file_name(", &segment.name(i), ")");
    }
    debug!(report, flist >= 2; "received ", segment.len(), " names");
    debug::list(report, role, segment, ListOf::Receiver);
    debug!(report, flist >= 2; "recv_file_list done");
}

/// A failure that came from the system.
pub fn io_failure(text: &str, error: &io::Error) -> Error {
    Error::FileIo(format!("rsync: [receiver] {text}: {}", crate::error::sys_text(error)))
}

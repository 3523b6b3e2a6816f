//! The generator: walks the lists, decides what each entry needs, and asks for data (spec: protocol 6, transfer 3).

mod ending;
mod feed;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use crossbeam_channel::Receiver;

use super::compare::Wanted;
use super::copier::{Copied, Copier};
use super::delete::Deleter;
use super::dest::Dest;
use super::filter::Filters;
use super::items::{self, Figures, Part};
use super::links::Groups;
use super::replay::Replay;
use crate::error::{Error, Result};
use crate::flist::Segment;
use crate::plan::{DeleteWhen, Plan};
use crate::report::debug::debug;
use crate::report::Report;
use crate::role::Role;
use crate::tree::{Root, Stat};
use crate::wire::ints::NdxWriter;
use crate::wire::item::{Item, ItemFlags};
use crate::wire::link::Writer;

/// What the generator hears from whoever delivers lists and writes data.
#[derive(Debug)]
pub enum Feed {
    /// A list, or a sub-list.
    List(Arc<Segment>),
    /// No more lists.
    Eof,
    /// A requested file is finished, well or not.
    Finished {
        ndx: i32,
        good: bool,
    },
    /// It is whole and waits in the partial directory (`--delay-updates`).
    Held(i32),
    /// What waited there got its name, or could not.
    Placed {
        ndx: i32,
        good: bool,
    },
    /// The sender says that it can't send this file (spec: protocol 6.10).
    NotSent(i32),
    /// Verification failed: ask again.
    Redo(i32),
    /// The sender answered the end of a phase: everything asked for in it has been reported.
    Phase(u8),
    /// Nothing more will come.
    Ended,
    Failed(Error),
}

/// Type of the file that block sums describe (spec: protocol 6.2).
pub mod basis {
    pub const ITSELF: u8 = 0x80;
    pub const PARTIAL: u8 = 0x81;
    pub const BACKUP: u8 = 0x82;
    pub const FUZZY: u8 = 0x83;
}

/// The file whose blocks may be used.
#[derive(Debug, Clone)]
pub struct Basis {
    pub kind: u8,
    pub root: Root,
    pub name: Vec<u8>,
    pub size: u64,
    /// Basename, for fuzzy matches.
    pub xname: Option<Vec<u8>>,
}

/// A file that is wanted.
pub struct Request {
    pub segment: Arc<Segment>,
    pub i: usize,
    pub ndx: i32,
    pub rel: Vec<u8>,
    pub iflags: ItemFlags,
    pub basis: Option<Basis>,
    pub redo: bool,
    /// Something is at the name already.
    pub exists: Option<Stat>,
}

/// Where requests go.
pub enum Output {
    Wire(WireOutput),
    Local(Box<Copier>),
}

/// Requests for a sender at the other end of a link.
pub struct WireOutput {
    pub writer: Writer,
    pub ndx: NdxWriter,
    pub buffer: Vec<u8>,
    /// No sender is there: the other role is asked instead.
    pub replay: Option<Arc<Replay>>,
}

/// One list on its way.
pub(super) struct ListState {
    pub segment: Arc<Segment>,
    pub pending: usize,
    pub redo: Vec<usize>,
    pub processed: bool,
    /// The directory it belongs to.
    pub touch: Option<Touch>,
    /// Data of some of its files was asked for.
    pub asked: bool,
    /// Entries up to its end.
    pub end: u64,
}

#[derive(Debug, Clone)]
pub(super) struct DirInfo {
    pub segment: Arc<Segment>,
    pub i: usize,
    /// Made before its own list came.
    pub created: bool,
    pub skip: bool,
}

/// A directory whose time and mode are settled when its contents are done.
#[derive(Debug, Clone)]
pub(super) struct Touch {
    /// The number that debug lines give it.
    pub number: i32,
    pub rel: Vec<u8>,
    pub want: Wanted,
    /// Its mtime before this run changed anything in it.
    pub before: Option<(i64, u32)>,
    /// Times are set.
    pub times: bool,
    /// The mode was widened for the time of the run.
    pub mode: bool,
}

/// The generator of one run.
pub struct Generator {
    pub(super) plan: Arc<Plan>,
    pub(super) report: Report,
    pub(super) dest: Dest,
    feed: Receiver<Feed>,
    pub(super) output: Output,
    pub(super) filters: Filters,
    pub(super) deleter: Deleter,
    pub(super) lists: VecDeque<ListState>,
    /// Lists that wait, each with the directory index of its first directory.
    arrived: VecDeque<(Arc<Segment>, i32)>,
    /// Entries of the lists in `arrived`, and of those in `lists`: there may be very many of them.
    arrived_entries: usize,
    open_entries: usize,
    current_dir: i32,
    lists_seen: usize,
    /// Entries of the lists that were taken since the generator was last idle (local copies).
    taken: usize,
    /// Lists that were there before the first was looked at.
    lists_at_start: usize,
    dirs: HashMap<i32, DirInfo>,
    next_dir: i32,
    eof: bool,
    ended: bool,
    phases: u8,
    pub(super) groups: Groups,
    /// Prefixes below which nothing is done (lists that are not incremental).
    skipped: HashSet<Vec<u8>>,
    late_touch: Vec<Touch>,
    /// A directory could not be made with its parent's list, so that a finished parent may still change.
    pub(super) made_late: bool,
    /// Whether the way to a directory of an alternate one leads over a link of another owner.
    pub(super) untrusted: std::cell::RefCell<HashMap<Vec<u8>, bool>>,
    settled: HashMap<Vec<u8>, Touch>,
    pub(super) alt_roots: Vec<Option<Root>>,
    /// Which alternate directories lie behind a link of another owner.
    pub(super) alt_refused: Vec<bool>,
    /// The directory that was last told to be in no list.
    pub(super) absent: Vec<u8>,
    processed: u64,
    /// Lists that are done with while data is still under way in a local copy (their ends), and the end of the list that
    /// the last item was of: for the progress of the whole transfer.
    untold_ends: Vec<u64>,
    working_end: u64,
    pub(super) in_flight: usize,
    /// The sender lists no further ahead than it must.
    foresight_over: bool,
    /// Something was asked for a second time.
    asked_again: bool,
    /// The last phase in which files may be asked for has been ended.
    requests_over: bool,
    /// The lists that were read to settle the destination have been told of.
    underway: bool,
    pub(super) buffer: Vec<u8>,
    pub(super) similar: super::basis::Similar,
    pub(super) dry_run: bool,
}

impl Generator {
    pub fn new(dest: Dest, feed: Receiver<Feed>, output: Output, filters: Filters) -> Self {
        let plan = Arc::clone(&dest.plan);
        let alt_roots = super::basis::open_alt_dirs(&dest);
        let alt_refused = super::basis::refused_alt_dirs(&dest, &alt_roots);
        Self {
            dry_run: plan.idle(),
            report: dest.report.clone(),
            deleter: Deleter::new(dest.clone()),
            plan,
            filters: filters.telling(&dest.report),
            dest,
            feed,
            output,
            lists: VecDeque::new(),
            arrived: VecDeque::new(),
            arrived_entries: 0,
            open_entries: 0,
            current_dir: 0,
            lists_seen: 0,
            taken: 0,
            lists_at_start: 1,
            dirs: HashMap::new(),
            next_dir: 0,
            eof: false,
            ended: false,
            phases: 0,
            groups: Groups::default(),
            skipped: HashSet::new(),
            late_touch: Vec::new(),
            made_late: false,
            untrusted: std::cell::RefCell::default(),
            settled: HashMap::new(),
            alt_roots,
            alt_refused,
            absent: Vec::new(),
            processed: 0,
            untold_ends: Vec::new(),
            working_end: 0,
            in_flight: 0,
            foresight_over: false,
            asked_again: false,
            requests_over: false,
            underway: false,
            buffer: Vec::new(),
            similar: super::basis::Similar::default(),
        }
    }

    /// Everything from the first list to the goodbye. `first` are lists that were read to settle the destination.
    pub fn run(&mut self, first: Vec<Feed>) -> Result<()> {
        debug!(self.report, genr >= 1; "generator starting pid=", self.plan.pid);
        // A receiver waits for a second list if the first has just one entry (spec: options 5.3).
        if matches!(first.first(), Some(Feed::List(list)) if list.len() == 1) {
            self.lists_at_start = 2;
        }
        for feed in first {
            self.heard(feed)?;
        }
        self.underway = true;
        if self.plan.delete == DeleteWhen::Before {
            self.delete_everywhere()?;
        }
        if self.plan.local || self.report.role() != Role::Sender {
            self.report.tell_method();
        }
        while let Some((segment, first_dir)) = self.next_list()? {
            self.process(segment, first_dir)?;
            self.settle()?;
        }
        self.finish()
    }

    // ---- feed

    // ---- lists

    fn process(&mut self, segment: Arc<Segment>, first_dir: i32) -> Result<()> {
        let state = ListState {
            segment: Arc::clone(&segment),
            pending: 0,
            redo: Vec::new(),
            processed: false,
            touch: None,
            asked: false,
            end: self.processed + segment.len() as u64,
        };
        let inc = self.plan.inc_recurse;
        let mut skip = false;
        let mut dir = None;
        if inc {
            if segment.dir_ndx >= 0 {
                dir = self.dirs.remove(&segment.dir_ndx);
                skip = dir.as_ref().is_some_and(|d| d.skip);
            } else if let Some(i) = segment.find(b".", true) {
                dir = Some(DirInfo {
                    segment: Arc::clone(&segment),
                    i,
                    created: false,
                    skip: false,
                });
            }
        }
        self.open_entries += state.segment.len();
        self.lists.push_back(state);
        if self.plan.list_only {
            let of = dir.filter(|_| segment.dir_ndx >= 0).map(|d| (d.segment, d.i));
            super::local::list_segment(&self.plan, &self.report, of, &segment);
        } else if skip {
            self.skip_children(&segment, first_dir);
        } else {
            if let Some(info) = &dir {
                // Its number is behind us, and the list's first may be that of a directory elsewhere: `skip_children`
                // skips what is below this one.
                self.current_dir = -1;
                let touch = self.directory(&info.segment, info.i, segment.start - 1, info.created, &segment)?;
                skip = touch.is_none();
                if self.plan.hard_links && segment.dir_ndx < 0 {
                    // The lists that follow are waited for, and meanwhile this goes (observed).
                    self.flush();
                }
                if skip {
                    self.skip_children(&segment, first_dir);
                } else if let Some(last) = self.lists.back_mut() {
                    last.touch = touch.map(|touch| Touch {
                        number: segment.dir_ndx.max(0),
                        ..touch
                    });
                }
            }
            self.current_dir = first_dir;
            if !skip {
                self.entries(&segment)?;
            }
        }
        if skip {
            self.processed += segment.len() as u64;
            self.links_passed_over(&segment)?;
        }
        if let Some(list) = self.lists.back_mut() {
            list.processed = true;
        }
        if matches!(self.output, Output::Local(_)) {
            self.report.set_processed(self.processed);
        }
        Ok(())
    }

    /// Directories below one that is skipped are skipped as well.
    fn skip_children(&mut self, segment: &Segment, first_dir: i32) {
        for number in first_dir..first_dir + segment.dir_count() as i32 {
            if let Some(info) = self.dirs.get_mut(&number) {
                info.skip = true;
            }
        }
    }

    /// Nothing below this directory is done.
    pub(super) fn skip_below(&mut self, rel: &[u8]) {
        if self.plan.inc_recurse {
            if let Some(info) = self.dirs.get_mut(&self.current_dir) {
                info.skip = true;
            }
        } else {
            self.skipped.insert(rel.to_vec());
        }
    }

    /// The directory exists now, though its own list is still to come.
    pub(super) fn created_early(&mut self) {
        if let Some(info) = self.dirs.get_mut(&self.current_dir) {
            info.created = true;
        }
    }

    fn entries(&mut self, segment: &Arc<Segment>) -> Result<()> {
        let inc = self.plan.inc_recurse;
        // Directories are numbered by position, which is another order than this one where names are converted.
        let mut next_dir = self.current_dir;
        let mut numbers = Vec::with_capacity(if inc { segment.len() } else { 0 });
        for i in 0..if inc { segment.len() } else { 0 } {
            numbers.push(next_dir);
            next_dir += i32::from(segment.entry(i).is_dir());
        }
        let mut parent: Vec<u8> = Vec::new();
        for k in 0..segment.len() {
            let i = segment.at(k);
            let entry = *segment.entry(i);
            self.processed += 1;
            if let Some(&number) = numbers.get(i) {
                self.current_dir = number;
            }
            if !entry.is_active() {
                continue;
            }
            let ndx = segment.start + i as i32;
            if self.plan.progress > 0 && matches!(self.output, Output::Local(_)) {
                self.report.set_processed(self.processed);
            }
            if entry.is_dir() {
                if inc {
                    self.early_directory(segment, i)?;
                } else {
                    if self.is_skipped(segment, i) {
                        continue;
                    }
                    self.listed_parent(segment, i, &mut parent)?;
                    let touch = self.directory(segment, i, ndx, false, segment)?;
                    self.late_touch.extend(touch);
                }
            } else {
                if self.is_skipped(segment, i) {
                    continue;
                }
                if !inc {
                    self.listed_parent(segment, i, &mut parent)?;
                }
                self.entry(segment, i, ndx)?;
            }
            if k == 0 && !inc {
                // What the first entry asks for goes at once (observed).
                self.flush();
            }
            if k % 64 == 63 {
                self.listen(false)?;
                self.settle()?;
            }
        }
        Ok(())
    }

    /// A whole list holds the directory of each of its entries; `known` is the last one that was looked up.
    fn listed_parent(&self, segment: &Segment, i: usize, known: &mut Vec<u8>) -> Result<()> {
        let dir = segment.dirname(i);
        if self.plan.local || dir == known.as_slice() {
            return Ok(());
        }
        if !dir.is_empty() && dir != b"/" && segment.find(dir, true).is_none() {
            let text = [
                b"ABORTING due to invalid path from sender: ".as_slice(),
                &segment.name(i),
            ]
            .concat();
            self.report.error(text);
            return Err(Error::Protocol(String::new()));
        }
        known.clear();
        known.extend_from_slice(dir);
        Ok(())
    }

    fn is_skipped(&self, segment: &Segment, i: usize) -> bool {
        if self.skipped.is_empty() {
            return false;
        }
        let name = segment.name(i);
        memchr::memchr_iter(b'/', &name).any(|slash| self.skipped.contains(&name[..slash]))
    }

    // ---- items

    /// Tell the log, and the other end (or, in a local copy, the user), of a change that is made here.
    pub(super) fn item(
        &mut self,
        segment: &Arc<Segment>,
        i: usize,
        ndx: i32,
        iflags: ItemFlags,
        xname: Option<&[u8]>,
    ) -> Result<()> {
        items::log_made(&self.report, segment, i, iflags, xname);
        self.pass_item(segment, i, ndx, iflags, xname)
    }

    /// Tell the other end, or the user, alone.
    pub(super) fn pass_item(
        &mut self,
        segment: &Arc<Segment>,
        i: usize,
        ndx: i32,
        iflags: ItemFlags,
        xname: Option<&[u8]>,
    ) -> Result<()> {
        self.say_checked(segment, i, iflags, xname);
        if !(iflags.is_significant(xname) || self.report.wants_unchanged()) {
            return Ok(());
        }
        let iflags = iflags | ItemFlags::XNAME.when(xname.is_some());
        match &mut self.output {
            Output::Wire(wire) => {
                if self.plan.protocol < 29 {
                    // No items travel: what is made here is told here.
                    items::count(&self.report, segment.entry(i).mode, iflags);
                    if wire.replay.is_some() {
                        return Ok(());
                    }
                    items::tell_unsent(&self.report, segment, i, iflags, xname);
                    return Ok(());
                }
                let item = Item::new(ndx, iflags, None, xname);
                let numbers = super::metadata::values_follow(&self.plan, iflags).then(|| {
                    let rel = self.dest.name(segment, i);
                    let there = !iflags.contains(ItemFlags::NEW);
                    self.dest.xattr_requests(there.then_some(&*rel), segment.xattrs(i))
                });
                wire.buffer.clear();
                item.put(&mut wire.ndx, &mut wire.buffer, self.plan.protocol, numbers.as_deref())?;
                wire.writer.put(&wire.buffer)?;
            }
            Output::Local(_) => {
                if self.plan.protocol < 29 {
                    items::tell_unsent(&self.report, segment, i, iflags, xname);
                    return Ok(());
                }
                self.working_end = self.lists.back().map_or(0, |list| list.end);
                self.report.held_cost(3 + xname.map_or(0, <[u8]>::len));
                // The sending side tells, which has absolute names as such.
                let name = segment.given_name(i);
                items::count(&self.report, segment.entry(i).mode, iflags);
                let (figures, all) = (Figures::default(), Part::All);
                items::tell(&self.report, segment, i, &name, iflags, xname, true, figures, all);
                let cost = 3 + xname.map_or(0, |x| x.len() as u64 + 1);
                self.report.stats(|s| {
                    s.sent += cost;
                    s.received += cost;
                });
            }
        }
        Ok(())
    }

    /// With `-vv`, files that need no data are named by the side that looked at them (spec: output 4).
    fn say_checked(&self, segment: &Segment, i: usize, iflags: ItemFlags, xname: Option<&[u8]>) {
        let plan = &self.plan;
        let made = iflags.intersects(ItemFlags::TRANSFER | ItemFlags::NEW)
            || iflags.contains(ItemFlags::LOCAL_CHANGE)
                && iflags.is_significant(xname)
                && xname.is_none_or(|x| !x.is_empty());
        let itemized = plan.itemize && !(plan.local && plan.protocol < 29);
        if plan.info.name < 2 || itemized || made || segment.entry(i).is_dir() {
            return;
        }
        let mut line = segment.name(i);
        if !iflags.is_significant(None) {
            line.extend_from_slice(b" is uptodate");
        }
        if plan.local {
            self.report.info(&line);
        } else {
            self.report.client_line(&line);
        }
    }

    /// A basis that cannot be opened counts as missing (spec: transfer 3.4).
    pub(super) fn tell_unreadable(&self, basis: &Basis, error: &std::io::Error) {
        let path = self.report.quoted(&basis.root.display(&basis.name));
        let text = [b"failed to open ".as_slice(), &path, b", continuing"].concat();
        self.report
            .error(crate::report::sys_line(Role::Generator, &text, error));
    }

    /// Ask for a file's data.
    pub(super) fn request(&mut self, mut request: Request) -> Result<()> {
        if let Some(list) = self.lists.back_mut() {
            list.asked = true;
        }
        if matches!(self.output, Output::Local(_)) && !self.plan.whole_file && !self.dry_run {
            let refused = request
                .basis
                .as_ref()
                .and_then(|basis| Some((basis, basis.root.open_read(&basis.name, self.plan.open_noatime).err()?)));
            if let Some((basis, error)) = refused {
                self.tell_unreadable(basis, &error);
                request.iflags = ItemFlags::TRANSFER | ItemFlags::NEW;
                request.basis = None;
            }
        }
        let replaces = request.exists.is_some() && !request.redo;
        if self.plan.backup_dir.is_some() && replaces && matches!(self.output, Output::Local(_)) {
            // The lists before are settled when a file's data arrives: a backup directory that is made in one of
            // their directories shows in its time (observed).
            self.settle()?;
        }
        if let Output::Local(copier) = &mut self.output {
            self.working_end = self.lists.back().map_or(0, |list| list.end);
            self.report.held_cost(19);
            let (segment, i, ndx) = (Arc::clone(&request.segment), request.i, request.ndx);
            let Copied::Now(outcome) = copier.copy(request, &self.dest)? else {
                self.note_pending(ndx);
                return self.written();
            };
            return self.copied(&segment, i, ndx, outcome);
        }
        self.note_pending(request.ndx);
        self.send_request(&request)?;
        if self.plan.hard_links && self.dry_run && request.segment.hlink(request.i).is_some() {
            // Nothing will come that is worth waiting for.
            self.link_finished(&request.segment, request.i, true)?;
        }
        if self.plan.remove_source_files {
            while self.in_flight > 50 {
                self.listen(true)?;
            }
        }
        Ok(())
    }

    // ---- directories at the end

    // ---- the end
}

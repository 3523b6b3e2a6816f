//! What the judge causes, and what comes of it: items and requests go out, finished files come back, lists end.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;

use super::judge::{Effects, Judge};
use super::room::Room;
use super::window::{OpenList, Window};
use crate::error::Result;
use crate::flist::At;
use crate::plan::{DeleteWhen, Plan};
use crate::report::debug::debug;
use crate::report::figures::Phase;
use crate::report::json::Skip;
use crate::report::Report;
use crate::role::Role;
use crate::roles::dest::Dest;
use crate::roles::landing::Outcome;
use crate::roles::paths::split_name;
use crate::roles::text::listing::{report_duplicates, report_received};
use crate::roles::words::inbox::{self, Feed};
use crate::roles::words::request::{Answer, Request, Requests};
use crate::wire::item::ItemFlags;

/// How many lists may be finished before a local copy shows it in its progress.
const SHOWN_TOGETHER: usize = 64;

/// How many requests a receiver has under way that removes source files.
const UNDER_WAY: usize = 50;

/// The window, the inbox and what answers requests.
pub(super) struct Flow {
    plan: Arc<Plan>,
    pub report: Report,
    feed: Receiver<Feed>,
    pub window: Window,
    pub out: Box<dyn Requests>,
    /// The lists that were read to resolve the destination have been taken in.
    pub underway: bool,
    /// The entry that is judged now, until its data is asked for.
    judged: Option<i32>,
    /// What the files under way replace, if the caller watches the free space.
    room: Option<Room>,
}

impl Flow {
    /// A flow with an empty window.
    pub(super) fn new(report: &Report, feed: Receiver<Feed>, out: Box<dyn Requests>) -> Self {
        let plan = report.plan();
        Self {
            plan: Arc::clone(plan),
            report: report.clone(),
            feed,
            window: Window::new(plan.agreed.inc_recurse),
            out,
            underway: false,
            judged: None,
            room: Room::of(plan),
        }
    }

    // ---- the inbox

    /// Take in one message.
    pub(super) fn receive(&mut self, judge: &mut Judge, message: Feed) -> Result<()> {
        if let Some(replay) = self.out.replay() {
            replay.note_taken();
        }
        match message {
            Feed::List(list) => {
                let again = self.underway && list.dir_ndx >= 0;
                if again && self.out.is_remote() {
                    debug!(self.report, flist >= 2; "[generator] receiving flist for dir ", list.dir_ndx);
                    report_received(&self.report, Role::Generator, &list);
                } else if !self.out.is_remote() && self.plan.agreed.inc_recurse {
                    // Both rsync's receiver and its generator read a list, but for the first, and for the second where
                    // the first has one entry: those are read before the two part.
                    report_duplicates(&self.plan, &self.report, &list);
                    if again || list.dir_ndx >= 0 && self.window.arrived_entries > 1 {
                        report_duplicates(&self.plan, &self.report, &list);
                    }
                }
                judge.links.announce(&list);
                if self.plan.attrs.hard_links || !self.plan.agreed.inc_recurse {
                    // Looked further ahead with --hard-links, as rsync does (observed).
                    judge.deleter.reached(list.io_error);
                }
                self.window.arrive(list);
            }
            Feed::Eof => {
                self.window.eof = true;
                if self.plan.agreed.inc_recurse && self.out.is_remote() {
                    debug!(self.report, flist >= 3; "[generator] flist_eof=1");
                }
            }
            Feed::Finished { ndx, good } => self.finished(judge, ndx, good)?,
            Feed::Held(ndx) => self.window.answered(ndx),
            Feed::Placed { ndx, good } => {
                if let Some(at) = self.window.find(ndx) {
                    judge.transferred(self, &at, good)?;
                }
            }
            Feed::NotSent(ndx) => {
                self.window.check_range(ndx)?;
                if let Some(at) = self.window.find(ndx) {
                    self.report.live().file_done(at.entry().len, false);
                }
                self.finished(judge, ndx, false)?;
            }
            Feed::Redo(ndx) => {
                self.window.answered(ndx);
                self.window.ask_again(ndx);
            }
            Feed::Phase(phase) => self.window.phases = self.window.phases.max(phase),
            Feed::Ended => self.window.ended = true,
            Feed::Failed(error) => return Err(error),
        }
        Ok(())
    }

    /// Take in what has come; wait for one message first when `wait`.
    pub(super) fn listen(&mut self, judge: &mut Judge, wait: bool) -> Result<()> {
        if wait {
            self.flush();
            if let Some(replay) = self.out.replay() {
                replay.set_waiting(true);
            }
            let message = inbox::wait(&self.feed, &self.report)?;
            self.receive(judge, message)?;
            if let Some(replay) = self.out.replay() {
                replay.set_waiting(false);
            }
        }
        while let Ok(message) = self.feed.try_recv() {
            self.receive(judge, message)?;
        }
        self.report.check()
    }

    /// Wait at most so long for a message, and take it in; whether one came.
    pub(super) fn listen_for(&mut self, judge: &mut Judge, limit: Duration) -> Result<bool> {
        match self.feed.recv_timeout(limit) {
            Ok(message) => self.receive(judge, message).map(|()| true),
            Err(_) => Ok(false),
        }
    }

    /// Write out what waits in buffers.
    pub(super) fn flush(&self) {
        self.report.release();
        self.out.flush();
    }

    // ---- finished files

    fn finished(&mut self, judge: &mut Judge, ndx: i32, good: bool) -> Result<()> {
        self.window.answered(ndx);
        self.give_back(ndx);
        match self.window.find(ndx) {
            Some(at) => judge.transferred(self, &at, good),
            None => Ok(()),
        }
    }

    /// The file with this index is finished: what it replaced gives no more room.
    fn give_back(&mut self, ndx: i32) {
        if let Some(room) = &mut self.room {
            room.finished(&self.report, ndx);
        }
    }

    /// What follows a local copy.
    pub(super) fn copied(&mut self, judge: &mut Judge, at: &At, outcome: Outcome) -> Result<()> {
        match outcome {
            Outcome::Placed => judge.transferred(self, at, true),
            Outcome::Failed => judge.transferred(self, at, false),
            // The name still holds the old file: other names are linked, and the source is removed, when it has been
            // moved.
            Outcome::Held => Ok(()),
            Outcome::Again => {
                self.window.ask_again(at.ndx());
                Ok(())
            }
        }
    }

    /// What follows when a worker has ended a local copy.
    fn worker_ended(&mut self, judge: &mut Judge, ndx: i32, outcome: Outcome) -> Result<()> {
        self.report.file_ended(ndx, outcome == Outcome::Placed);
        self.window.answered(ndx);
        self.give_back(ndx);
        match self.window.find(ndx) {
            Some(at) => self.copied(judge, &at, outcome),
            None => Ok(()),
        }
    }

    // ---- the end of lists

    /// Nothing is left to judge now: do the deferred links, and finish the lists that they kept open.
    pub(super) fn idle(&mut self, judge: &mut Judge) -> Result<()> {
        if self.plan.attrs.hard_links && !self.plan.write.delay_updates {
            judge.link_deferred(self)?;
        }
        self.finish_lists(judge)
    }

    /// End lists that are complete, in order; ask again for what failed.
    pub(super) fn finish_lists(&mut self, judge: &mut Judge) -> Result<()> {
        if !self.plan.agreed.inc_recurse {
            return Ok(());
        }
        if self.plan.attrs.hard_links {
            // Names that wait for a file keep their lists open, so the second request cannot wait for the end of the
            // list.
            let mut n = 0;
            while let Some(open) = self.window.open.get(n) {
                if open.processed {
                    self.redo(judge, n)?;
                }
                n += 1;
            }
        }
        while let Some(first) = self.window.first_done() {
            if !first.redo.is_empty() {
                self.redo(judge, 0)?;
                continue;
            }
            let Some(list) = self.window.take_first() else { break };
            if !self.out.is_remote() {
                self.progress_list(list.end);
            }
            self.finish_directory(&judge.dest, list);
            self.out.end_phase()?;
        }
        Ok(())
    }

    /// Ask again for what failed in an open list.
    pub(super) fn redo(&mut self, judge: &mut Judge, n: usize) -> Result<()> {
        for at in self.window.take_redo(n) {
            judge.regular_again(self, &at)?;
        }
        Ok(())
    }

    /// Set the time and mode of the directory that a finished list belongs to, or remember to.
    fn finish_directory(&mut self, dest: &Dest, list: OpenList) {
        let plan = &self.plan;
        let Some(touch) = list.touch else { return };
        // A list with requests is finished late, when its backup directory has been made (observed).
        let busy = plan.write.backup_dir.is_some() && list.asked;
        let late = matches!(plan.removal.delete, DeleteWhen::Delay | DeleteWhen::After) || plan.write.delay_updates;
        if late || busy || self.window.made_late {
            // Something may still be made in it.
            self.window.late.push(touch);
            return;
        }
        touch.apply(dest);
        if plan.attrs.hard_links || plan.select.existing {
            // A name may still be linked into it, or a directory be made.
            self.window.remember_touch(touch);
        }
    }

    /// Remove extraneous files in all directories of the lists (`--delete-before`, `--delete-after`).
    pub(super) fn delete_everywhere(&self, judge: &mut Judge) -> Result<()> {
        self.report.live().set_phase(Phase::Delete);
        for list in self.window.lists() {
            judge.delete_everywhere(&list)?;
        }
        judge.deleter.run_delayed(&mut judge.filters)?;
        self.report.live().set_phase(Phase::Copy);
        Ok(())
    }

    // ---- progress

    /// A local copy has finished a list. As a sender does, show it when the data that is under way has arrived.
    fn progress_list(&mut self, end: u64) {
        if self.report.progress_level() < 2 {
            return;
        }
        let ends = self.window.note_end(end);
        if self.plan.idle() || ends >= SHOWN_TOGETHER || self.report.stats(|s| s.transferred) == 0 {
            self.progress_ends();
        }
    }

    /// Show the lists that are finished.
    pub(super) fn progress_ends(&mut self) {
        for end in self.window.take_ends() {
            self.report.progress_again(end);
        }
    }

    /// Show the end of a phase of a local copy.
    pub(super) fn progress_phase(&self) {
        if !self.out.is_remote() && !self.plan.agreed.inc_recurse {
            self.report.progress_again(self.window.processed);
        }
    }

    // ---- live figures

    /// An entry is judged now.
    pub(super) fn begin_decision(&mut self, at: &At) {
        self.judged = Some(at.ndx());
    }

    /// The entry has been judged. Unless its data was asked for, none is needed.
    pub(super) fn end_decision(&mut self, at: &At) {
        if self.judged.take().is_some() {
            let entry = at.entry();
            self.report
                .live()
                .decide(1, if entry.is_file() { entry.len } else { 0 }, false);
        }
    }

    // ---- items

    /// With `-vv`, files that need no data are named by the side that looked at them (spec: output 4).
    fn report_checked(&self, at: &At, flags: ItemFlags, xname: Option<&[u8]>) {
        let plan = &self.plan;
        let made = flags.intersects(ItemFlags::TRANSFER | ItemFlags::NEW)
            || flags.contains(ItemFlags::LOCAL_CHANGE)
                && flags.is_significant(xname)
                && xname.is_none_or(|x| !x.is_empty());
        let itemized = plan.output.itemize && !(plan.place.is_local() && plan.agreed.protocol < 29);
        if plan.output.info.name < 2 || itemized || made || at.entry().is_dir() {
            return;
        }
        let mut line = at.name();
        if !flags.is_significant(None) {
            line.extend_from_slice(b" is uptodate");
        }
        if plan.place.is_local() {
            self.report.info(&line);
        } else {
            self.report.client_line(&line);
        }
    }

    /// A basis that cannot be opened counts as missing. (For a remote sender this is checked when the sums are made.)
    fn check_basis(&self, request: &mut Request) {
        if self.out.is_remote() || self.plan.write.whole_file || self.plan.idle() {
            return;
        }
        let Some(basis) = &request.basis else { return };
        if let Err(error) = basis.open(&self.plan) {
            basis.report_unreadable(&self.report, &error);
            request.iflags = ItemFlags::TRANSFER | ItemFlags::NEW;
            request.basis = None;
        }
    }
}

impl Effects for Flow {
    fn pass_item(&mut self, dest: &Dest, at: &At, ndx: i32, flags: ItemFlags, xname: Option<&[u8]>) -> Result<()> {
        self.report_checked(at, flags, xname);
        if self.report.wants_skips() && !flags.is_significant(xname) {
            self.report.skipped(&at.name(), at.entry().is_dir(), Skip::UpToDate);
        }
        if !(flags.is_significant(xname) || self.report.wants_unchanged()) {
            return Ok(());
        }
        let flags = flags | ItemFlags::XNAME.when(xname.is_some());
        if self.plan.agreed.protocol >= 29 {
            self.window.note_item();
        }
        self.out.item(dest, at, ndx, flags, xname)
    }

    fn request(&mut self, judge: &mut Judge, mut request: Request) -> Result<()> {
        if let Some(list) = self.window.current() {
            list.asked = true;
        }
        if self.judged == Some(request.at.ndx()) {
            self.judged = None;
            self.report.live().decide(1, request.at.entry().len, true);
        }
        self.check_basis(&mut request);
        let replaces = request.exists.is_some() && !request.redo;
        if self.plan.write.backup_dir.is_some() && replaces && !self.out.is_remote() {
            // The lists before are finished when a file's data arrives: a backup directory that is made in one of their
            // directories shows in its time (observed).
            self.finish_lists(judge)?;
        }
        if let (Some(room), Some(old)) = (&mut self.room, &request.exists) {
            room.requested(&self.report, request.at.ndx(), old, request.at.entry().len);
        }
        let at = request.at.clone();
        let remote = self.out.is_remote();
        if remote {
            self.window.requested(at.ndx());
        } else {
            self.window.note_item();
        }
        match self.out.request(&judge.dest, request)? {
            Answer::Here(outcome) => {
                self.give_back(at.ndx());
                return self.copied(judge, &at, outcome);
            }
            Answer::Later if remote => {}
            Answer::Later => {
                self.window.requested(at.ndx());
                return self.take_written(judge);
            }
        }
        if self.plan.attrs.hard_links && self.plan.idle() && at.hlink().is_some() {
            // In a dry run no data comes to wait for.
            judge.finish_member(self, &at, true)?;
        }
        if self.plan.removal.remove_source_files {
            while self.window.in_flight > UNDER_WAY {
                self.listen(judge, true)?;
            }
        }
        Ok(())
    }

    fn remove_source(&mut self, dest: &Dest, at: &At) -> Result<()> {
        self.out.remove_source(dest, at)
    }

    fn keep_open(&mut self, at: &At) {
        self.window.keep_open(at.ndx());
    }

    fn release(&mut self, at: &At) {
        self.window.release(at.ndx());
    }

    fn skip_below(&mut self, rel: &[u8]) {
        self.window.skip_below(rel);
    }

    fn made_early(&mut self, made: bool) {
        self.window.made_early(made);
    }

    fn touch_parent_again(&mut self, rel: &[u8]) {
        let dir = split_name(rel).0;
        self.window.touch_again(if dir.is_empty() { b"." } else { dir });
    }

    fn takes_requests(&self) -> bool {
        !(self.window.requests_over && self.out.is_remote())
    }

    fn wait_for_writes(&mut self, judge: &mut Judge) -> Result<()> {
        while let Some((ndx, outcome)) = self.out.wait_written()? {
            self.worker_ended(judge, ndx, outcome)?;
            self.report.check()?;
        }
        Ok(())
    }
}

impl Flow {
    /// Take in the files that workers have finished (local copies).
    fn take_written(&mut self, judge: &mut Judge) -> Result<()> {
        while let Some((ndx, outcome)) = self.out.take_written()? {
            self.worker_ended(judge, ndx, outcome)?;
        }
        Ok(())
    }
}

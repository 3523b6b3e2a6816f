//! What the generator hears: lists that arrive, files that are finished, and what follows from them.

use std::sync::Arc;

use super::{DirInfo, Feed, Generator, Output};
use crate::error::{Error, Result};
use crate::flist::Segment;
use crate::report::debug::debug;
use crate::role::Role;
use crate::roles::landing::Outcome;
use crate::roles::replay::Replay;
use crate::wire::frames::Tag;
use crate::wire::ints::NDX_DONE;

impl Generator {
    pub(super) fn heard(&mut self, feed: Feed) -> Result<()> {
        if let Some(replay) = self.replay() {
            replay.hear();
        }
        match feed {
            Feed::List(segment) => {
                if self.underway && segment.dir_ndx >= 0 && matches!(self.output, Output::Wire(_)) {
                    debug!(self.report, flist >= 2; "[generator] receiving flist for dir ", segment.dir_ndx);
                    crate::roles::receiver::show_list(&self.report, Role::Generator, &segment);
                }
                let first_dir = self.next_dir;
                for i in segment.directories() {
                    let entry = segment.entry(i);
                    if self.plan.inc_recurse {
                        let info = DirInfo {
                            segment: Arc::clone(&segment),
                            i,
                            created: false,
                            skip: !entry.is_active(),
                        };
                        self.dirs.insert(self.next_dir, info);
                    }
                    self.next_dir += 1;
                }
                self.groups.announce(&segment);
                if self.plan.hard_links || !self.plan.inc_recurse {
                    // Looked further ahead with --hard-links, as rsync does (observed).
                    self.deleter.reached(segment.io_error);
                }
                self.arrived_entries += segment.len();
                self.arrived.push_back((segment, first_dir));
            }
            Feed::Eof => {
                self.eof = true;
                if self.plan.inc_recurse && matches!(self.output, Output::Wire(_)) {
                    debug!(self.report, flist >= 3; "[generator] flist_eof=1");
                }
            }
            Feed::Finished { ndx, good } => self.finished(ndx, good)?,
            Feed::Held(ndx) => {
                self.in_flight = self.in_flight.saturating_sub(1);
                self.take_up(ndx);
            }
            Feed::Placed { ndx, good } => {
                if let Some((at, i)) = self.locate(ndx) {
                    let segment = Arc::clone(&self.lists[at].segment);
                    self.in_place(&segment, i, ndx, good)?;
                }
            }
            Feed::NotSent(ndx) => {
                self.check_range(ndx)?;
                self.finished(ndx, false)?;
            }
            Feed::Redo(ndx) => {
                self.in_flight = self.in_flight.saturating_sub(1);
                self.take_up(ndx);
                self.ask_again(ndx);
            }
            Feed::Phase(phase) => self.phases = self.phases.max(phase),
            Feed::Ended => self.ended = true,
            Feed::Failed(error) => return Err(error),
        }
        Ok(())
    }

    /// Handle what has come; wait for one thing first when `wait`.
    pub(super) fn listen(&mut self, wait: bool) -> Result<()> {
        if wait {
            self.flush();
            if let Some(replay) = self.replay() {
                replay.set_waiting(true);
            }
            loop {
                match self.feed.recv_timeout(std::time::Duration::from_millis(100)) {
                    Ok(feed) => {
                        self.heard(feed)?;
                        break;
                    }
                    Err(crossbeam_channel::RecvTimeoutError::Timeout) => self.report.check()?,
                    Err(crossbeam_channel::RecvTimeoutError::Disconnected) => {
                        self.report.check()?;
                        return Err(Error::Stream(String::new()));
                    }
                }
            }
            if let Some(replay) = self.replay() {
                replay.set_waiting(false);
            }
        }
        while let Ok(feed) = self.feed.try_recv() {
            self.heard(feed)?;
        }
        self.report.check()
    }

    /// What stands in for a sender, when there is none.
    pub(in crate::roles) fn replay(&self) -> Option<&Arc<Replay>> {
        match &self.output {
            Output::Wire(wire) => wire.replay.as_ref(),
            Output::Local(_) => None,
        }
    }

    pub(super) fn flush(&self) {
        self.report.release();
        if let Output::Wire(wire) = &self.output {
            wire.writer.flush();
        }
    }

    pub(super) fn next_list(&mut self) -> Result<Option<(Arc<Segment>, i32)>> {
        self.listen(false)?;
        // Requests for what is known at the start go while the generator waits for the next list. (Hard links want the
        // lists that follow first.)
        let waits = self.plan.inc_recurse && !self.plan.hard_links && self.lists_seen == self.lists_at_start;
        if self.plan.local && self.plan.inc_recurse && (self.arrived.is_empty() || waits) {
            self.report.release();
        } else if waits {
            self.flush();
        }
        self.lists_seen += 1;
        if self.plan.local && self.plan.inc_recurse {
            if self.taken >= LINK_AHEAD {
                // A sender would not have sent the next list yet.
                self.idle()?;
                self.taken = 0;
            }
            // As far ahead as a sender would be: hard-link groups know their members then.
            while !self.eof && self.arrived_entries < 1000 {
                self.listen(true)?;
            }
        }
        while self.arrived.is_empty() && !self.eof {
            self.idle()?;
            self.listen(true)?;
            self.settle()?;
        }
        self.foresee_links()?;
        let next = self.arrived.pop_front();
        if let Some((segment, _)) = &next {
            self.deleter.reached(segment.io_error);
            self.taken += segment.len();
            self.arrived_entries -= segment.len();
        }
        Ok(next)
    }

    /// There is nothing to generate: what was put off until then is done, and ends the lists that it kept open.
    pub(super) fn idle(&mut self) -> Result<()> {
        if self.plan.hard_links && !self.plan.delay_updates {
            self.link_unheard()?;
        }
        self.settle()
    }

    /// Before a list with hard links, let come what the sender lists ahead without being asked: the last member that is
    /// known leads its group. Nothing depends on it, so a sender that looks less far ahead costs a moment only.
    ///
    /// spec: protocol 5.10, transfer 8
    pub(super) fn foresee_links(&mut self) -> Result<()> {
        if !self.plan.hard_links || !self.plan.inc_recurse || self.plan.local || self.foresight_over {
            return Ok(());
        }
        let Some((next, _)) = self.arrived.front() else {
            return Ok(());
        };
        if !(0..next.len()).any(|i| next.hlink(i).is_some()) {
            return Ok(());
        }
        if let Some(replay) = self.replay().cloned() {
            // In a batch the lists stand where the run that wrote it had them.
            while !self.eof && !replay.is_blocked() {
                self.listen(false)?;
                replay.idle();
                self.settle()?;
            }
            return Ok(());
        }
        while !self.eof && self.listed_ahead() < LINK_AHEAD {
            self.flush();
            // The sender may still be at a list before the next one, and count that as well.
            let next = self.arrived.front().map_or(0, |(segment, _)| segment.len());
            let sure = self.listed_ahead() + next < LINK_AHEAD;
            match self.feed.recv_timeout(if sure { LINK_PATIENCE } else { LINK_GUESS }) {
                Ok(feed) => self.heard(feed)?,
                Err(_) => {
                    self.foresight_over = true;
                    break;
                }
            }
            self.settle()?;
        }
        self.report.check()
    }

    /// Entries of the lists that are not finished, without the one that comes next.
    pub(super) fn listed_ahead(&self) -> usize {
        let next = self.arrived.front().map_or(0, |(segment, _)| segment.len());
        self.open_entries + self.arrived_entries - next
    }

    /// A file that the peer says it does not send must be in a list that is not finished.
    fn check_range(&self, ndx: i32) -> Result<()> {
        let start = |segment: &Segment| segment.start - 1;
        let live = || {
            let lists = self.lists.iter().map(|list| &list.segment);
            lists.chain(self.arrived.iter().map(|(segment, _)| segment))
        };
        let first = live().next().map_or(0, |segment| start(segment));
        let last = self
            .arrived
            .back()
            .map(|(segment, _)| segment)
            .or_else(|| self.lists.back().map(|list| &list.segment))
            .map_or(-1, |segment| segment.next_start() - 2);
        if ndx >= first.max(0) && ndx <= last {
            return Ok(());
        }
        Err(Error::Protocol(format!(
            "File-list index {ndx} not in {first} - {last} (got_flist_entry_status) [generator]"
        )))
    }

    pub(in crate::roles) fn locate(&self, ndx: i32) -> Option<(usize, usize)> {
        let at = self
            .lists
            .partition_point(|list| list.segment.start <= ndx)
            .checked_sub(1)?;
        let segment = &self.lists[at].segment;
        let i = (ndx - segment.start) as usize;
        (i < segment.len()).then_some((at, i))
    }

    pub(super) fn finished(&mut self, ndx: i32, good: bool) -> Result<()> {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some((at, i)) = self.locate(ndx) else { return Ok(()) };
        self.lists[at].pending = self.lists[at].pending.saturating_sub(1);
        let segment = Arc::clone(&self.lists[at].segment);
        self.in_place(&segment, i, ndx, good)
    }

    /// The sender answers no more requests.
    pub(in crate::roles) fn is_too_late_to_ask(&self) -> bool {
        self.requests_over && matches!(self.output, Output::Wire(_))
    }

    /// A file is to be asked for once more when its list, or the phase, ends.
    fn ask_again(&mut self, ndx: i32) {
        if let Some((list, i)) = self.locate(ndx) {
            self.lists[list].redo.push(i);
        }
    }

    /// What follows a transfer when its file has its name, or will not get it.
    pub(super) fn in_place(&mut self, segment: &Arc<Segment>, i: usize, ndx: i32, good: bool) -> Result<()> {
        if good {
            self.succeeded(segment, i, ndx, true)?;
        }
        if self.plan.hard_links && segment.hlink(i).is_some() && (self.plan.local || !self.dry_run) {
            self.link_later(Arc::clone(segment), i, ndx, good)?;
        }
        Ok(())
    }

    /// What follows a local copy.
    pub(super) fn copied(&mut self, segment: &Arc<Segment>, i: usize, ndx: i32, outcome: Outcome) -> Result<()> {
        match outcome {
            Outcome::Placed => self.in_place(segment, i, ndx, true),
            Outcome::Failed => self.in_place(segment, i, ndx, false),
            // Its name is still the old file's: links to it, and the end of its source, come when it has been moved.
            Outcome::Held => Ok(()),
            Outcome::Again => {
                self.ask_again(ndx);
                Ok(())
            }
        }
    }

    /// What follows when a worker has ended a local copy.
    fn worker_ended(&mut self, ndx: i32, outcome: Outcome) -> Result<()> {
        self.report.file_ended(ndx, outcome == Outcome::Placed);
        self.in_flight = self.in_flight.saturating_sub(1);
        self.take_up(ndx);
        let Some((at, i)) = self.locate(ndx) else { return Ok(()) };
        let segment = Arc::clone(&self.lists[at].segment);
        self.copied(&segment, i, ndx, outcome)
    }

    /// A source file may be removed now (spec: protocol 6.10).
    pub(in crate::roles) fn succeeded(&mut self, segment: &Arc<Segment>, i: usize, ndx: i32, sent: bool) -> Result<()> {
        if self.dry_run
            || !sent && self.plan.remove_sent_files
            || !(self.plan.remove_source_files || self.plan.remove_sent_files)
        {
            return Ok(());
        }
        match &mut self.output {
            Output::Wire(wire) => {
                wire.writer.msg(Tag::Success, &ndx.to_le_bytes())?;
            }
            Output::Local(copier) => copier.remove_source(segment, i, &self.dest),
        }
        Ok(())
    }

    /// End lists that are complete, in order; ask again for what failed.
    pub(super) fn settle(&mut self) -> Result<()> {
        if !self.plan.inc_recurse {
            return Ok(());
        }
        if self.plan.hard_links {
            // Names that wait for a file which is asked for again keep their lists open, so that does not wait for them.
            for at in 0..self.lists.len() {
                if self.lists[at].processed && !self.lists[at].redo.is_empty() {
                    self.redo(at)?;
                }
            }
        }
        while let Some(list) = self.lists.front() {
            if !list.processed || list.pending > 0 {
                break;
            }
            if !list.redo.is_empty() {
                self.redo(0)?;
                continue;
            }
            // The newest list stays open until there is a later one, or none will come (spec: protocol 6.3).
            if self.lists.len() == 1 && !(self.eof && self.arrived.is_empty()) {
                break;
            }
            let Some(list) = self.lists.pop_front() else { break };
            self.open_entries -= list.segment.len();
            if matches!(self.output, Output::Local(_)) {
                self.progress_list_done(list.end);
            }
            self.touch_up_list(&list);
            self.done()?;
        }
        Ok(())
    }

    /// A local copy is done with a list: its progress is told as a sender would, which hears of it when the data that is
    /// under way has arrived.
    fn progress_list_done(&mut self, end: u64) {
        if self.report.progress_level() < 2 {
            return;
        }
        self.untold_ends.push(end);
        if self.dry_run || self.untold_ends.len() >= UNTOLD || self.report.stats(|s| s.transferred) == 0 {
            self.tell_list_ends();
        }
    }

    pub(super) fn tell_list_ends(&mut self) {
        for end in std::mem::take(&mut self.untold_ends) {
            self.report.progress_again(end.max(self.working_end));
        }
    }

    /// The same for a phase.
    pub(super) fn progress_phase(&self) {
        if matches!(self.output, Output::Local(_)) && !self.plan.inc_recurse {
            self.report.progress_again(self.processed);
        }
    }

    pub(super) fn redo(&mut self, at: usize) -> Result<()> {
        let redo = std::mem::take(&mut self.lists[at].redo);
        self.asked_again |= !redo.is_empty();
        let segment = Arc::clone(&self.lists[at].segment);
        for i in redo {
            let ndx = segment.start + i as i32;
            self.regular_again(&segment, i, ndx)?;
        }
        Ok(())
    }

    pub(super) fn done(&mut self) -> Result<()> {
        if let Output::Wire(wire) = &mut self.output {
            wire.buffer.clear();
            wire.ndx.put(&mut wire.buffer, NDX_DONE);
            wire.writer.put(&wire.buffer)?;
        }
        Ok(())
    }

    /// An entry waits for another one: its list stays open meanwhile.
    pub(in crate::roles) fn put_off(&mut self, ndx: i32) {
        if let Some((at, _)) = self.locate(ndx) {
            self.lists[at].pending += 1;
        }
    }

    /// The end of [`Generator::put_off`].
    pub(in crate::roles) fn take_up(&mut self, ndx: i32) {
        if let Some((at, _)) = self.locate(ndx) {
            self.lists[at].pending = self.lists[at].pending.saturating_sub(1);
        }
    }

    pub(in crate::roles) fn note_pending(&mut self, ndx: i32) {
        if let Some((at, _)) = self.locate(ndx) {
            self.lists[at].pending += 1;
        }
        self.in_flight += 1;
    }

    /// Hear of files that workers have finished (local copies).
    pub(super) fn written(&mut self) -> Result<()> {
        while let Output::Local(copier) = &mut self.output {
            match copier.finished()? {
                Some((ndx, outcome)) => self.worker_ended(ndx, outcome)?,
                None => break,
            }
        }
        Ok(())
    }

    /// Wait until the workers have finished every file (local copies).
    pub(in crate::roles) fn all_written(&mut self) -> Result<()> {
        while let Output::Local(copier) = &mut self.output {
            match copier.wait()? {
                Some((ndx, outcome)) => self.worker_ended(ndx, outcome)?,
                None => break,
            }
            self.report.check()?;
        }
        Ok(())
    }
}

/// How many lists may be done with before a local copy tells of it.
const UNTOLD: usize = 64;

/// How many entries a sender lists ahead (spec: protocol 5.10).
const LINK_AHEAD: usize = 1000;

/// How long a receiver with hard links waits for a list that is sure to come from a sender which keeps to that number,
/// however busy its machine; and for one that may not come before something is asked for.
const LINK_PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

const LINK_GUESS: std::time::Duration = std::time::Duration::from_millis(300);

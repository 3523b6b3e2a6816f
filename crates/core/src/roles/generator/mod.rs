//! The generator: walks the lists, decides what each entry needs, and asks for data (spec: protocol 6, transfer 3).
//!
//! It has three parts. The *window* ([`window`]) knows the lists that are on their way, and touches no files. The
//! *judge* ([`judge`]) compares one entry with the destination. What answers requests ([`Requests`]) is a sender at the
//! other end of a link, or the copier of a local copy. The *flow* ([`flow`]) joins window and answers, and carries out
//! what the judge causes.

pub(crate) mod destination;
mod ending;
mod flow;
pub(crate) mod held;
mod judge;
mod room;
mod touch;
mod window;

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;

use self::ending::Ending;
use self::flow::Flow;
use self::judge::{Directory, Judge};
use self::touch::Touch;
use crate::error::{Error, Result};
use crate::flist::{At, Segment};
use crate::plan::{DeleteWhen, Plan};
use crate::report::debug::debug;
use crate::report::say::text;
use crate::report::Report;
use crate::role::Role;
use crate::roles::dest::Dest;
use crate::roles::filter::Filters;
use crate::roles::text::listing::list_segment;
use crate::roles::words::inbox::Feed;
use crate::roles::words::request::Requests;

/// How many entries a sender lists ahead (spec: protocol 5.10).
const LISTED_AHEAD: usize = 1000;
/// How long a receiver with hard links waits for a list that is sure to come from a sender which keeps to that number,
/// however busy its machine; and for one that may not come before something is asked for.
const SURE_PATIENCE: Duration = Duration::from_secs(60);
const UNSURE_PATIENCE: Duration = Duration::from_millis(300);
/// After so many entries the generator takes in what has come meanwhile.
const LISTEN_EVERY: usize = 64;

/// The generator of one run.
pub(crate) struct Generator {
    plan: Arc<Plan>,
    report: Report,
    judge: Judge,
    flow: Flow,
    /// Lists that were begun, and lists that had come before the first was begun.
    lists_seen: usize,
    lists_at_start: usize,
    /// Entries of the lists that were begun since the generator was last idle (local copies).
    begun_entries: usize,
    /// The sender lists no further ahead than it must.
    ahead_over: bool,
}

impl Generator {
    /// A generator that takes lists and news of files from `feed`, and asks `out` for data.
    pub(crate) fn new(dest: Dest, feed: Receiver<Feed>, out: Box<dyn Requests>, filters: Filters) -> Self {
        let (plan, report) = (Arc::clone(&dest.plan), dest.report.clone());
        Self {
            judge: Judge::new(dest, filters, out.is_remote()),
            flow: Flow::new(&report, feed, out),
            plan,
            report,
            lists_seen: 0,
            lists_at_start: 1,
            begun_entries: 0,
            ahead_over: false,
        }
    }

    /// Run from the first list to the goodbye. `first` are the lists that were read to resolve the destination.
    pub(crate) fn run(&mut self, first: Vec<Feed>) -> Result<()> {
        debug!(self.report, genr >= 1; "generator starting pid=", self.plan.place.pid);
        // A receiver waits for a second list if the first has just one entry (spec: options 5.3).
        if matches!(first.first(), Some(Feed::List(list)) if list.len() == 1) {
            self.lists_at_start = 2;
        }
        for message in first {
            self.flow.receive(&mut self.judge, message)?;
        }
        self.flow.underway = true;
        if self.plan.removal.delete == DeleteWhen::Before {
            self.flow.delete_everywhere(&mut self.judge)?;
        }
        if self.plan.place.is_local() || self.report.role() != Role::Sender {
            self.report.report_method();
        }
        while let Some((list, first_dir)) = self.next_list()? {
            self.process(&list, first_dir)?;
            self.flow.finish_lists(&mut self.judge)?;
        }
        let ending = Ending {
            plan: &self.plan,
            report: &self.report,
            judge: &mut self.judge,
            flow: &mut self.flow,
        };
        ending.finish()
    }

    // ---- lists

    /// The next list, and the directory index of its first directory; waits for it.
    fn next_list(&mut self) -> Result<Option<(Arc<Segment>, i32)>> {
        let (plan, flow, judge) = (&self.plan, &mut self.flow, &mut self.judge);
        flow.listen(judge, false)?;
        // The first requests are sent while the generator waits for the next list. (With hard links the lists that
        // follow are needed first.)
        let waits = plan.agreed.inc_recurse && !plan.attrs.hard_links && self.lists_seen == self.lists_at_start;
        let local = plan.place.is_local() && plan.agreed.inc_recurse;
        if local && (flow.window.peek().is_none() || waits) {
            self.report.release();
        } else if waits {
            flow.flush();
        }
        self.lists_seen += 1;
        if local {
            if self.begun_entries >= LISTED_AHEAD {
                // A sender would not have sent the next list yet.
                flow.idle(judge)?;
                self.begun_entries = 0;
            }
            // Read as far ahead as a sender lists, so that hard-link groups know their members.
            while !flow.window.eof && flow.window.arrived_entries < LISTED_AHEAD {
                flow.listen(judge, true)?;
            }
        }
        while flow.window.peek().is_none() && !flow.window.eof {
            flow.idle(judge)?;
            flow.listen(judge, true)?;
            flow.finish_lists(judge)?;
        }
        self.look_ahead()?;
        let next = self.flow.window.next_list();
        if let Some((list, _)) = &next {
            self.judge.deleter.reached(list.io_error);
            self.begun_entries += list.len();
        }
        Ok(next)
    }

    /// Before a list with hard links, take in the lists that the sender sends ahead of requests, because the last known
    /// member leads its group. Nothing depends on it: a sender that lists less far ahead costs a moment only.
    ///
    /// spec: protocol 5.10, transfer 8
    fn look_ahead(&mut self) -> Result<()> {
        let (plan, flow, judge) = (&self.plan, &mut self.flow, &mut self.judge);
        if !plan.attrs.hard_links || !plan.agreed.inc_recurse || plan.place.is_local() || self.ahead_over {
            return Ok(());
        }
        let next = flow.window.peek();
        if !next.is_some_and(|next| (0..next.len()).any(|i| next.hlink(i).is_some())) {
            return Ok(());
        }
        if let Some(replay) = flow.out.replay().cloned() {
            // In a batch the lists stand where they came in the run that wrote it.
            while !flow.window.eof && !replay.is_blocked() {
                flow.listen(judge, false)?;
                replay.idle();
                flow.finish_lists(judge)?;
            }
            return Ok(());
        }
        while !flow.window.eof && flow.window.listed_ahead() < LISTED_AHEAD {
            flow.flush();
            // The sender may still be at a list before the next one, and count that as well.
            let next = flow.window.peek().map_or(0, |list| list.len());
            let sure = flow.window.listed_ahead() + next < LISTED_AHEAD;
            if !flow.listen_for(judge, if sure { SURE_PATIENCE } else { UNSURE_PATIENCE })? {
                self.ahead_over = true;
                break;
            }
            flow.finish_lists(judge)?;
        }
        self.report.check()
    }

    /// Judge the entries of a list, and the directory that it belongs to.
    fn process(&mut self, list: &Arc<Segment>, first_dir: i32) -> Result<()> {
        let dir = self.flow.window.directory_of(list);
        let mut skip = dir.as_ref().is_some_and(|dir| dir.skip);
        self.flow.window.begin(list);
        if self.plan.select.list_only {
            let of = dir.filter(|_| list.dir_ndx >= 0).map(|dir| dir.at);
            list_segment(&self.plan, &self.report, of, list);
        } else if !skip {
            if let Some(dir) = dir {
                // No directory of the window is judged now: this one has left it, and `skip_children` skips what is
                // below.
                self.flow.window.enter(-1);
                let dir = Directory {
                    at: &dir.at,
                    ndx: list.start - 1,
                    created: dir.created,
                    contents: list,
                };
                let touch = self.judge.directory(&mut self.flow, &dir)?;
                skip = touch.is_none();
                if self.plan.attrs.hard_links && list.dir_ndx < 0 {
                    // The generator waits for the lists that follow, and sends this meanwhile (observed).
                    self.flow.flush();
                }
                if let (Some(touch), Some(open)) = (touch, self.flow.window.current()) {
                    let number = list.dir_ndx.max(0);
                    open.touch = Some(Touch { number, ..touch });
                }
            }
            if !skip && self.plan.agreed.inc_recurse {
                self.walk_sub_list(list, first_dir)?;
            } else if !skip {
                self.walk_whole_list(list)?;
            }
        }
        if skip || self.plan.select.list_only {
            self.report.live().decide(list.len() as u64, list.file_bytes(), false);
        }
        if skip {
            if !self.plan.select.list_only {
                self.flow.window.skip_children(list, first_dir);
            }
            self.flow.window.processed += list.len() as u64;
            self.judge.pass_over_list(&mut self.flow, list)?;
        }
        if let Some(open) = self.flow.window.current() {
            open.processed = true;
        }
        if !self.flow.out.is_remote() {
            self.report.set_processed(self.flow.window.processed);
        }
        Ok(())
    }

    /// Judge the entries of the list of one directory. Directories in it are judged again with their own lists.
    fn walk_sub_list(&mut self, list: &Arc<Segment>, first_dir: i32) -> Result<()> {
        // Directories are numbered by position, which is another order than this one where names are converted.
        let mut next_dir = first_dir;
        let numbers: Vec<i32> = list
            .entries()
            .iter()
            .map(|entry| {
                let number = next_dir;
                next_dir += i32::from(entry.is_dir());
                number
            })
            .collect();
        let mut at = At::new(list, 0);
        let mut ahead = 0;
        for (k, i) in list.sorted().enumerate() {
            if k >= ahead {
                ahead = self.judge.sum_ahead(list, k)?;
            }
            at.set(i);
            self.flow.window.enter(numbers[i]);
            if self.begin_entry(&at) {
                if at.entry().is_dir() {
                    self.judge.early_directory(&mut self.flow, &at)?;
                } else {
                    self.judge.entry(&mut self.flow, &at)?;
                }
                self.end_entry(k)?;
            }
            self.flow.end_decision(&at);
        }
        Ok(())
    }

    /// Judge the entries of the one list that there is without incremental recursion.
    fn walk_whole_list(&mut self, list: &Arc<Segment>) -> Result<()> {
        let mut parent: Vec<u8> = Vec::new();
        let mut at = At::new(list, 0);
        let mut ahead = 0;
        for (k, i) in list.sorted().enumerate() {
            if k >= ahead {
                ahead = self.judge.sum_ahead(list, k)?;
            }
            at.set(i);
            if !self.begin_entry(&at) || self.flow.window.is_skipped(&at) {
                self.flow.end_decision(&at);
                continue;
            }
            self.check_parent(&at, &mut parent)?;
            if at.entry().is_dir() {
                let dir = Directory {
                    at: &at,
                    ndx: at.ndx(),
                    created: false,
                    contents: list,
                };
                if let Some(touch) = self.judge.directory(&mut self.flow, &dir)? {
                    self.flow.window.late.push(touch);
                }
            } else {
                self.judge.entry(&mut self.flow, &at)?;
            }
            self.flow.end_decision(&at);
            if k == 0 {
                // The request for the first entry is sent at once (observed).
                self.flow.flush();
            }
            self.end_entry(k)?;
        }
        Ok(())
    }

    /// Count an entry; whether it takes part in the transfer.
    fn begin_entry(&mut self, at: &At) -> bool {
        self.flow.window.processed += 1;
        self.flow.begin_decision(at);
        let active = at.entry().is_active();
        if active && self.plan.output.progress > 0 && !self.flow.out.is_remote() {
            self.report.set_processed(self.flow.window.processed);
        }
        active
    }

    /// Take in what has come, every [`LISTEN_EVERY`] entries: `k` is the place of the entry in its list.
    fn end_entry(&mut self, k: usize) -> Result<()> {
        if k % LISTEN_EVERY == LISTEN_EVERY - 1 {
            self.flow.listen(&mut self.judge, false)?;
            self.flow.finish_lists(&mut self.judge)?;
        }
        Ok(())
    }

    /// A whole list holds the directory of each of its entries; `known` is the last one that was looked up.
    fn check_parent(&self, at: &At, known: &mut Vec<u8>) -> Result<()> {
        let dir = at.dirname();
        if self.plan.place.is_local() || dir == known.as_slice() {
            return Ok(());
        }
        if !dir.is_empty() && dir != b"/" && at.list().find(dir, true).is_none() {
            self.report
                .error(text!["ABORTING due to invalid path from sender: ", &at.name()]);
            return Err(Error::Reported(2));
        }
        known.clear();
        known.extend_from_slice(dir);
        Ok(())
    }
}

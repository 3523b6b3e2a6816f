//! Progress on the screen (spec: output 9).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;

use super::progress::{Counters, Progress};
use super::{lock, Level, Report};
use crate::event::Event;
use crate::plan::Plan;

/// What stands on the screen.
pub(super) struct Screen {
    /// 0: no progress is shown; 1: of each file; 2: of the whole transfer.
    progress_level: u8,
    progress: Mutex<Option<Progress>>,
    /// The line about the building of a list is not ended yet.
    pub(super) open_line: AtomicBool,
}

impl Screen {
    pub(super) fn new(plan: &Plan) -> Self {
        let shown = plan.output.progress > 0 && !plan.place.is_server() && !plan.output.quiet;
        Self {
            progress_level: if shown { plan.output.progress } else { 0 },
            progress: Mutex::new(
                shown.then(|| Progress::new(plan.output.progress, plan.output.human_readable, plan.output.thousands)),
            ),
            open_line: AtomicBool::new(false),
        }
    }
}

impl Report {
    /// The level of `--info=PROGRESS`.
    pub fn progress_level(&self) -> u8 {
        self.shared.screen.progress_level
    }

    /// Count listed entries; `bytes`: the size of the regular files among them.
    pub fn add_listed(&self, count: u64, bytes: u64) {
        let before = self.shared.live.entries();
        self.shared.live.add_listed(count, bytes);
        let plan = &self.shared.plan;
        let shown = plan.output.info.flist > 1 && !plan.agreed.inc_recurse && plan.select.lists_dirs();
        if shown && count == 1 && before.is_multiple_of(100) && !plan.select.list_only {
            let open = before == 0 && self.shared.screen.open_line.load(Ordering::Relaxed);
            let lead = if open { "\n" } else { "" };
            self.partial(format!("{lead} {before} files...\r").as_bytes());
        }
    }

    /// No more lists will come.
    pub fn end_lists(&self) {
        self.shared.live.end_lists();
    }

    /// End the line about the building of a list (spec: output 4).
    pub fn list_done(&self, count: usize) {
        let text = match (self.shared.plan.output.info.flist, count) {
            (0 | 1, _) => "done".to_string(),
            (_, 1) => "1 file to consider".to_string(),
            _ => format!("{count} files to consider"),
        };
        if !self.shared.plan.place.is_server() {
            self.line(Level::Log, &text);
        }
        self.partial(format!("{text}\n").as_bytes());
    }

    /// Set the number of entries that the roles have finished, for `to-chk`.
    pub fn set_processed(&self, count: u64) {
        self.shared.tally.processed.store(count, Ordering::Relaxed);
    }

    /// A file begins, from `offset` on.
    pub fn progress_begin(&self, offset: u64) {
        if let Some(progress) = lock(&self.shared.screen.progress).as_mut() {
            progress.begin(offset);
        }
    }

    /// `offset` bytes of `size` of the present file are done.
    pub fn progress(&self, offset: u64, size: u64) {
        let mut out = Vec::new();
        {
            let mut guard = lock(&self.shared.screen.progress);
            let Some(progress) = guard.as_mut() else { return };
            if progress.level() == 2 {
                let total = self.shared.tally.done_bytes.load(Ordering::Relaxed) + offset;
                let all = self.stats(|s| s.total_size);
                progress.show(total, all.max(total), &mut out);
            } else {
                progress.show(offset, size, &mut out);
            }
        }
        if !out.is_empty() {
            self.push(Event::Stdout(out));
        }
    }

    /// The present file of `size` bytes is done.
    pub fn progress_end(&self, size: u64) {
        let mut out = Vec::new();
        {
            let mut guard = lock(&self.shared.screen.progress);
            let Some(progress) = guard.as_mut() else { return };
            let counters = self.shared.tally.counters(&self.shared.live);
            if progress.level() == 2 {
                let done = self.shared.tally.done_bytes.fetch_add(size, Ordering::Relaxed) + size;
                let all = self.stats(|s| s.total_size);
                progress.finish(done, all.max(done), counters, &mut out);
            } else {
                progress.finish(size, size, counters, &mut out);
            }
        }
        self.push(Event::Stdout(out));
    }

    /// A list or a phase has ended, after `processed` entries: the line of the whole transfer is printed again (observed).
    pub fn progress_again(&self, processed: u64) {
        let mut out = Vec::new();
        {
            let mut guard = lock(&self.shared.screen.progress);
            let Some(progress) = guard.as_mut().filter(|p| p.level() == 2) else {
                return;
            };
            let counters = self.shared.tally.counters(&self.shared.live);
            let left = counters.total.saturating_sub(processed);
            let (done, all) = self.stats(|s| (s.transferred_size, s.total_size));
            progress.show_total(done, all.max(done), Counters { left, ..counters }, &mut out);
        }
        self.push(Event::Stdout(out));
    }

    /// End a progress line that stands open.
    pub fn progress_close(&self) {
        if self.shared.screen.progress_level == 0 {
            return;
        }
        let mut guard = lock(&self.shared.screen.progress);
        if let Some(progress) = guard.as_mut().filter(|p| p.open) {
            progress.open = false;
            self.push(Event::Stdout(b"\n".to_vec()));
        }
    }
}

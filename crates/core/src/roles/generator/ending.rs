//! The end of the run: the phases after the lists, late deletions, and the times of directories (spec: protocol 6.3).

use super::flow::Flow;
use super::judge::{Effects, Judge};
use crate::error::Result;
use crate::plan::{DeleteWhen, Plan};
use crate::report::debug::debug;
use crate::report::figures::Phase;
use crate::report::Report;

/// The phases after the lists.
pub(super) struct Ending<'a> {
    pub plan: &'a Plan,
    pub report: &'a Report,
    pub judge: &'a mut Judge,
    pub flow: &'a mut Flow,
}

impl Ending<'_> {
    /// Run all phases up to the goodbye.
    pub(super) fn finish(mut self) -> Result<()> {
        let plan = self.plan;
        let remote = self.flow.out.is_remote();
        self.flow.wait_for_writes(self.judge)?;
        debug!(self.report, genr >= 1; "generate_files phase=1");
        // No list can come any more with a member that would lead a group.
        self.judge.link_stragglers(self.flow)?;
        self.link_deferred_now()?;
        if plan.agreed.inc_recurse {
            self.finish_sub_lists()?;
        } else {
            self.finish_whole_list()?;
        }
        self.flow.progress_ends();
        self.flow.progress_phase();
        self.flow.window.requests_over = true;
        self.flow.out.end_phase()?;
        debug!(self.report, genr >= 1; "generate_files phase=2");
        // Names wait for files that were asked for again, or that are delayed.
        if plan.write.delay_updates || plan.attrs.hard_links && self.flow.window.asked_again && !plan.agreed.inc_recurse
        {
            self.place_delayed()?;
        }
        if plan.agreed.protocol >= 29 {
            debug!(self.report, genr >= 1; "generate_files phase=3");
            self.flow.progress_phase();
            self.flow.out.end_phase()?;
        }
        if matches!(plan.removal.delete, DeleteWhen::Delay | DeleteWhen::After) {
            self.delete_late()?;
        }
        self.report.live().set_phase(Phase::End);
        if plan.agreed.protocol >= 31 {
            if plan.removal.delete != DeleteWhen::Never || plan.removal.force {
                // spec: protocol 6.9
                self.flow.out.deletions(self.report.stats(|s| s.deleted))?;
            }
            self.flow.out.end_phase()?;
        }
        while remote && !self.flow.window.ended {
            self.flow.listen(self.judge, true)?;
            self.flow.idle(self.judge)?;
        }
        for touch in std::mem::take(&mut self.flow.window.late) {
            touch.apply(&self.judge.dest);
        }
        debug!(self.report, genr >= 1; "generate_files finished");
        self.report.release();
        self.judge.deleter.finish();
        if remote {
            self.report.report_heap("receiver");
            self.report.report_heap("generator");
        }
        if plan.agreed.protocol >= 24 {
            // spec: protocol-old 6.4: older ones have no goodbye
            self.flow.out.end_phase()?;
        }
        self.flow.flush();
        Ok(())
    }

    /// Link what waits for files that are finished, unless they are all delayed.
    fn link_deferred_now(&mut self) -> Result<()> {
        if !self.plan.write.delay_updates {
            self.judge.link_deferred(self.flow)?;
        }
        Ok(())
    }

    /// Wait until all sub-lists are finished.
    fn finish_sub_lists(&mut self) -> Result<()> {
        loop {
            self.flow.idle(self.judge)?;
            if self.flow.window.open.is_empty() {
                return Ok(());
            }
            if self.flow.out.is_remote() {
                self.flow.listen(self.judge, true)?;
            } else if !self.judge.links.has_deferred() {
                return Ok(());
            }
        }
    }

    /// Wait for the end of the first phase, and ask again for what failed in it.
    fn finish_whole_list(&mut self) -> Result<()> {
        self.flow.progress_phase();
        self.flow.out.end_phase()?;
        if self.flow.out.is_remote() {
            self.wait_phase(1)?;
        }
        for n in 0..self.flow.window.open.len() {
            self.flow.redo(self.judge, n)?;
        }
        if !self.flow.out.is_remote() {
            self.link_deferred_now()?;
        }
        Ok(())
    }

    /// Place the files that were held back, and link other names to them.
    fn place_delayed(&mut self) -> Result<()> {
        if self.flow.out.is_remote() {
            self.wait_phase(2)?;
            return self.judge.link_deferred(self.flow);
        }
        // A file that could not be placed may leave another name of it to be copied.
        loop {
            let placed = self.flow.out.place_delayed(&self.judge.dest)?;
            let none = placed.is_empty();
            for (at, outcome) in placed {
                self.flow.copied(self.judge, &at, outcome)?;
            }
            self.judge.link_deferred(self.flow)?;
            self.flow.finish_lists(self.judge)?;
            if none {
                return Ok(());
            }
        }
    }

    /// The deletions of `--delete-delay` and `--delete-after`.
    fn delete_late(&mut self) -> Result<()> {
        self.report.release();
        if self.flow.out.is_remote() {
            self.wait_phase(if self.plan.agreed.protocol >= 29 { 2 } else { 1 })?;
        } else {
            // A sender has ended its part by now.
            self.report.report_matches();
        }
        if self.plan.removal.delete == DeleteWhen::After {
            self.flow.delete_everywhere(self.judge)
        } else {
            self.report.live().set_phase(Phase::Delete);
            self.judge.deleter.run_delayed(&mut self.judge.filters)
        }
    }

    /// Wait until the sender has ended this phase.
    fn wait_phase(&mut self, phase: u8) -> Result<()> {
        while self.flow.window.phases < phase && !self.flow.window.ended {
            self.flow.listen(self.judge, true)?;
            self.flow.idle(self.judge)?;
        }
        Ok(())
    }
}

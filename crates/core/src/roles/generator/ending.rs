//! The end of lists and of the run: times and modes of directories, late deletions, the phases.

use std::sync::Arc;

use super::{Generator, ListState, Output, Touch};
use crate::error::Result;
use crate::flist::Segment;
use crate::plan::DeleteWhen;
use crate::report::debug::debug;
use crate::role::Role;
use crate::roles::compare::{keeps_time, same_time};

impl Generator {
    pub(super) fn touch_up_list(&mut self, list: &ListState) {
        let Some(touch) = &list.touch else { return };
        // The end of a list with requests comes back late: a backup directory is made before (observed).
        let busy = self.plan.backup_dir.is_some() && list.asked;
        let late = matches!(self.plan.delete, DeleteWhen::Delay | DeleteWhen::After) || self.plan.delay_updates;
        if late || busy || self.made_late {
            // Something may still be made in it.
            self.late_touch.push(touch.clone());
        } else {
            self.touch_up(touch);
            if self.plan.hard_links || self.plan.existing {
                // A name may still be linked into it, or a directory be made.
                self.settled.insert(touch.rel.clone(), touch.clone());
            }
        }
    }

    /// Settle a directory's time and mode (spec: transfer 3.1).
    pub(super) fn touch_up(&self, touch: &Touch) {
        if self.dry_run || self.plan.list_only {
            return;
        }
        debug!(self.report, time >= 2; "touch_up_dirs: ", &touch.rel, " (", touch.number, ")");
        let now = match self.dest.root.lstat(&touch.rel) {
            Ok(now) => now,
            // Somebody has removed it meanwhile.
            Err(error) if super::super::entries::missing(&error) => return,
            Err(error) => {
                let text = [b"stat ".as_slice(), &self.dest.display(&touch.rel), b" failed"].concat();
                self.report.sys_error(Role::Generator, text, &error);
                return;
            }
        };
        // With -K it may be a link to a directory: its own time is set (observed).
        if !(now.is_dir() || now.is_symlink() && self.plan.keep_dirlinks) {
            return;
        }
        let want = &touch.want;
        let mtime = (want.mtime, want.mtime_nsec);
        if touch.times && keeps_time(&self.plan, want.mode) && mtime != now.mtime_pair() {
            // Untouched, and equal as far as the window looks: a difference in nanoseconds alone is left.
            let had_it = touch
                .before
                .is_some_and(|before| same_time(self.plan.modify_window, mtime, before));
            if !(had_it && touch.before == Some(now.mtime_pair())) {
                let result = self.dest.root.utimens(&touch.rel, Some(mtime), None);
                // That a time comes back which this run has changed is an extra: whoever can't have it is not told.
                if let Err(error) = result.or_else(|e| if had_it { Ok(()) } else { Err(e) }) {
                    let text = [b"failed to set times on ".as_slice(), &self.dest.display(&touch.rel)].concat();
                    self.report.sys_error(Role::Generator, text, &error);
                }
            }
        }
        let mode = self.dest.real_mode(want.mode);
        if touch.mode && now.is_dir() && (now.mode ^ mode) & 0o7777 != 0 {
            let result = self.dest.root.chmod(&touch.rel, mode);
            if let Err(error) = result.or_else(|e| if self.plan.fake_super { Ok(()) } else { Err(e) }) {
                let text = [
                    b"failed to set permissions on ".as_slice(),
                    &self.dest.display(&touch.rel),
                ]
                .concat();
                self.report.sys_error(Role::Generator, text, &error);
            }
        }
    }

    /// A name was made in a directory that may be settled already: settle it again at the end.
    pub(in crate::roles) fn retouch_parent(&mut self, rel: &[u8]) {
        let dir = crate::roles::paths::split_name(rel).0;
        let dir = if dir.is_empty() { b"." } else { dir };
        let open = self
            .lists
            .iter()
            .any(|l| l.touch.as_ref().is_some_and(|t| t.rel == dir));
        if open || !self.plan.inc_recurse {
            return;
        }
        if let Some(touch) = self.settled.get(dir) {
            self.late_touch.push(touch.clone());
        }
    }

    /// Remove extraneous files in all directories of the one list (`--delete-before`, `--delete-after`).
    pub(super) fn delete_everywhere(&mut self) -> Result<()> {
        let lists: Vec<Arc<Segment>> = self
            .arrived
            .iter()
            .map(|a| Arc::clone(&a.0))
            .chain(self.lists.iter().map(|l| Arc::clone(&l.segment)))
            .collect();
        let plan_debug = self.plan.debug.filter > 1;
        for segment in lists {
            for k in 0..segment.len() {
                let i = segment.at(k);
                let entry = segment.entry(i);
                if plan_debug && entry.is_active() && !entry.is_dir() {
                    // As rsync has it.
                    self.deleter.tell_pushing(&self.dest.name(&segment, i));
                }
                if entry.is_active() && entry.has_contents() {
                    let rel = self.dest.name(&segment, i);
                    let found = match self.look(&rel, true) {
                        Ok(found) => found,
                        Err(error) => {
                            self.deleter.unreadable(b"stat ", &rel, b" failed", &error);
                            None
                        }
                    };
                    if !found.is_some_and(|stat| stat.is_dir()) {
                        continue;
                    }
                    if entry.has(crate::flist::eflag::TOP_DIR) {
                        debug!(self.report, del >= 1; "deleting in ", &rel);
                    }
                    self.delete_in(&rel, &segment, false)?;
                }
            }
        }
        Ok(())
    }

    /// Make way for an entry of another type: as [`crate::roles::delete::Deleter::make_way`], with the rules of the place.
    pub(in crate::roles) fn make_way(&mut self, rel: &[u8], mode: u32, kind: &str) -> Result<bool> {
        if self.filters.has_merge() {
            let dir = crate::roles::paths::split_name(rel).0;
            let dir = if dir.is_empty() { b"." } else { dir };
            self.filters.go_to(&self.dest.root, dir, self.plan.insecure_links)?;
        }
        self.deleter.make_way(rel, mode, kind, &mut self.filters)
    }

    /// Remove extraneous files in one directory.
    pub(in crate::roles) fn delete_in(&mut self, rel: &[u8], segment: &Segment, delay: bool) -> Result<()> {
        debug!(self.report, del >= 2; "delete_in_dir(", rel, ")");
        self.deleter.tell_pushing(rel);
        self.filters.go_to(&self.dest.root, rel, self.plan.insecure_links)?;
        self.deleter.in_dir(rel, segment, &mut self.filters, delay)
    }

    /// Phases after the lists (spec: protocol 6.3).
    pub(super) fn finish(&mut self) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let wire = matches!(self.output, Output::Wire(_));
        self.all_written()?;
        debug!(self.report, genr >= 1; "generate_files phase=1");
        if plan.inc_recurse {
            // Nothing more can come that would lead a group of hard links.
            self.link_stragglers()?;
            if !plan.delay_updates {
                self.link_unheard()?;
            }
            loop {
                self.idle()?;
                if self.lists.is_empty() {
                    break;
                }
                if wire {
                    self.listen(true)?;
                } else if !self.groups.has_unheard() {
                    break;
                }
            }
        } else {
            self.link_stragglers()?;
            if !plan.delay_updates {
                self.link_unheard()?;
            }
            self.progress_phase();
            self.done()?;
            if wire {
                self.wait_phase(1)?;
            }
            for at in 0..self.lists.len() {
                self.redo(at)?;
            }
            if !wire && !plan.delay_updates {
                self.link_unheard()?;
            }
        }
        self.tell_list_ends();
        self.progress_phase();
        self.requests_over = true;
        self.done()?;
        debug!(self.report, genr >= 1; "generate_files phase=2");
        // Names wait for what was asked for again, as they do for what is delayed.
        if plan.delay_updates || plan.hard_links && self.asked_again && !plan.inc_recurse {
            if wire {
                self.wait_phase(2)?;
                self.link_unheard()?;
            } else {
                // A file that could not be placed may leave another name of it to be copied.
                loop {
                    let any = self.place_delayed()?;
                    self.link_unheard()?;
                    self.settle()?;
                    if !any {
                        break;
                    }
                }
            }
        }
        if plan.protocol >= 29 {
            debug!(self.report, genr >= 1; "generate_files phase=3");
            self.progress_phase();
            self.done()?;
        }
        if matches!(plan.delete, DeleteWhen::Delay | DeleteWhen::After) {
            self.report.release();
            if !wire {
                // A sender is through with its part by now.
                self.report.tell_matches();
            }
            if wire {
                self.wait_phase(if plan.protocol >= 29 { 2 } else { 1 })?;
            }
            if plan.delete == DeleteWhen::After {
                self.delete_everywhere()?;
            } else {
                self.deleter.run_delayed(&mut self.filters)?;
            }
        }
        if plan.protocol >= 31 {
            self.send_delete_counts()?;
            self.done()?;
        }
        while wire && !self.ended {
            self.listen(true)?;
            self.idle()?;
        }
        for touch in std::mem::take(&mut self.late_touch) {
            self.touch_up(&touch);
        }
        debug!(self.report, genr >= 1; "generate_files finished");
        self.report.release();
        self.deleter.finish();
        if wire {
            self.report.tell_heap("receiver");
            self.report.tell_heap("generator");
        }
        if plan.protocol >= 24 {
            // spec: protocol-old 6.4: older ones have no goodbye
            self.done()?;
        }
        self.flush();
        Ok(())
    }

    /// Move the files of a local copy that were held back; whether there were any.
    fn place_delayed(&mut self) -> Result<bool> {
        let Output::Local(copier) = &mut self.output else {
            return Ok(false);
        };
        let ended = copier.finish_delayed(&self.dest)?;
        let any = !ended.is_empty();
        for (segment, i, ndx, outcome) in ended {
            self.copied(&segment, i, ndx, outcome)?;
        }
        Ok(any)
    }

    pub(super) fn wait_phase(&mut self, phase: u8) -> Result<()> {
        while self.phases < phase && !self.ended {
            self.listen(true)?;
            self.idle()?;
        }
        Ok(())
    }

    /// spec: protocol 6.9
    pub(super) fn send_delete_counts(&mut self) -> Result<()> {
        if self.plan.delete == DeleteWhen::Never && !self.plan.force {
            return Ok(());
        }
        let counts = self.report.stats(|s| s.deleted);
        if let Output::Wire(wire) = &mut self.output {
            wire.buffer.clear();
            crate::roles::exchange::put_deletions(&mut wire.ndx, &mut wire.buffer, counts);
            wire.writer.put(&wire.buffer)?;
        }
        Ok(())
    }
}

//! Removing what the sender does not have (spec: transfer 12).

mod names;
mod planned;

use std::collections::HashSet;
use std::io;

use rustix::io::Errno;

use super::dest::Dest;
use super::filter::{Filters, Perishable};
use super::words::estimate::SharedEstimate;
use crate::error::{IoErrorExt as _, Result};
use crate::flist::Segment;
use crate::plan::DeleteWhen;
use crate::report::debug::debug;
use crate::report::json::Skip;
use crate::report::say::text;
use crate::report::{sys_line, Level};
use crate::roles::text::messages;
use crate::tree::{Atime, FileKind, Stat};
use crate::wire::item::IoErrors;
use names::{resolved_kind, sort_for_removal};

pub(crate) use names::{dump_names, remove_tree, Name};

/// How one removal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// `--max-delete` is used up.
    Limit,
    NotEmpty,
    Failed,
}

/// Removes files of the destination, and counts and reports them.
pub(crate) struct Deleter {
    dest: Dest,
    removed: u64,
    skipped: u64,
    reported_io_error: bool,
    /// Depth of the removal below the name that it began with, and the flags of that name in debug lines.
    depth: u32,
    flags: u32,
    /// `io_error` of the lists that the generator has reached.
    listing_error: IoErrors,
    /// Names found during the run and removed at its end (`--delete-delay`), or when the caller has judged them.
    delayed: Vec<Name>,
    /// Those among them that earlier runs left and that do not count.
    leftovers: HashSet<Vec<u8>>,
    /// Entries of the directories that were looked at.
    seen: u64,
    /// Counts what would be removed, when this is an estimate.
    estimate: Option<SharedEstimate>,
}

impl Deleter {
    pub(crate) fn new(dest: Dest) -> Self {
        Self {
            dest,
            removed: 0,
            skipped: 0,
            reported_io_error: false,
            depth: 0,
            flags: 2,
            listing_error: IoErrors::NONE,
            delayed: Vec::new(),
            leftovers: HashSet::new(),
            seen: 0,
            estimate: None,
        }
    }

    /// Count in `estimate` what would be removed.
    pub(crate) fn count_in(&mut self, estimate: SharedEstimate) {
        self.estimate = Some(estimate);
    }

    /// The generator has reached a list that ended with these bits.
    pub(crate) fn reached(&mut self, io_error: IoErrors) {
        self.listing_error |= io_error;
    }

    /// Whether deletions are off because the sender could not read everything. Errors of lists after the current one do not
    /// count (observed), so what a run deletes does not depend on how far ahead the sender is.
    fn blocked(&mut self) -> bool {
        let (plan, report) = (&self.dest.plan, &self.dest.report);
        let listed = plan.place.is_local()
            || plan.agreed.protocol < 30
            || plan.agreed.protocol >= 31
            || plan.agreed.compat_safe_flist;
        let bits = match (plan.removal.delete, listed) {
            (DeleteWhen::After, _) | (_, false) => report.io_error(),
            _ => self.listing_error,
        };
        if !bits.contains(IoErrors::GENERAL) || plan.removal.ignore_errors {
            return false;
        }
        if !self.reported_io_error {
            self.reported_io_error = true;
            self.dest.report.info("IO error encountered -- skipping file deletion");
        }
        true
    }

    /// Report that an entry which stays is not the directory that was to be read.
    pub(crate) fn not_a_directory(&mut self, rel: &[u8]) {
        if !self.dest.void && !self.blocked() {
            self.unreadable(b"opendir ", rel, b" failed", &io::Error::from(Errno::NOTDIR));
        }
    }

    /// Report that a directory of the destination cannot be read. From here on nothing is deleted (observed).
    pub(super) fn unreadable(&mut self, before: &[u8], dir: &[u8], after: &[u8], error: &io::Error) {
        let text = [before, &self.dest.display(dir), after].concat();
        self.dest.report.sys_error(self.dest.role, text, error);
        self.dest.report.set_io_error(IoErrors::GENERAL);
        self.listing_error |= IoErrors::GENERAL;
    }

    /// Remove what is in the directory `dir` (`.` for the root) and not in the list.
    pub(crate) fn in_dir(&mut self, dir: &[u8], segment: &Segment, filters: &mut Filters, delay: bool) -> Result<()> {
        let plan = self.dest.plan.clone();
        if self.dest.void || self.blocked() {
            return Ok(());
        }
        match self.dest.root.stat_follow(dir, false) {
            // It is no directory, or a mount point that `-x` does not cross.
            Ok(stat) if !stat.is_dir() => return Ok(()),
            Ok(stat) if plan.select.one_file_system > 0 && self.is_elsewhere(&stat) => return Ok(()),
            _ => {}
        }
        let names = match self
            .dest
            .root
            .read_names(dir, Atime::keep_if(self.dest.plan.attrs.open_noatime))
        {
            Ok(names) => names,
            Err(error) => {
                if !error.is(Errno::NOENT) {
                    self.unreadable(b"opendir ", dir, b" failed", &error);
                }
                return Ok(());
            }
        };
        let prefix = if dir == b"." || dir.is_empty() {
            Vec::new()
        } else {
            [dir, b"/"].concat()
        };
        self.seen += names.len() as u64;
        let rules_anywhere = !plan.removal.delete_during() && filters.has_merge();
        let mut found: Vec<Name> = Vec::new();
        let reported = plan.output.debug.flist > 1 || plan.output.debug.filter > 0;
        let mut shown: Vec<Name> = Vec::new();
        for entry in names.iter() {
            let path = [prefix.as_slice(), entry.name].concat();
            let listed = segment.find_any(&path).is_some();
            if listed && rules_anywhere && resolved_kind(&self.dest.root, &path, entry.kind) == FileKind::Symlink {
                // rsync looks for rules in it as well, and is stopped at a link of another owner (observed).
                let refused = io::Error::from(Errno::LOOP);
                self.dest.report.refusal(&self.dest.root.display(&path), &refused);
            }
            if listed && plan.select.one_file_system == 0 && !reported {
                continue;
            }
            let kind = resolved_kind(&self.dest.root, &path, entry.kind);
            let is_dir = kind == FileKind::Dir;
            // A listed one is reported too (observed).
            if is_dir && self.keeps_mount(&path) {
                continue;
            }
            if listed && !reported || filters.protects(&path, is_dir, Perishable::Obeyed, &self.dest.report) {
                continue;
            }
            debug!(self.dest.report, flist >= 2; "[generator] make_file(", &path, ",*,2)");
            if plan.output.debug.flist > 2 {
                shown.push((path.clone(), kind));
            }
            if !listed {
                found.push((path, kind));
            }
        }
        dump_names(&self.dest.report, &self.dest.root, shown);
        if let Some(error) = &names.error {
            self.unreadable(b"readdir(", dir, b")", error);
        }
        sort_for_removal(&mut found, plan.agreed.protocol);
        for (path, kind) in found {
            if self.is_judged() && self.is_leftover(&path, kind, segment) {
                self.leftovers.insert(path.clone());
            }
            if delay || self.is_judged() {
                self.delayed.push((path, kind));
            } else {
                self.remove(&path, kind, Some(&mut *filters))?;
            }
        }
        Ok(())
    }

    /// Report that the rules of a directory come into force, for `--debug=FILTER2`.
    pub(super) fn report_rules_of(&self, dir: &[u8]) {
        if self.dest.plan.output.debug.filter < 2 {
            return;
        }
        let place = super::paths::clean(&self.dest.root.display(dir));
        debug!(self.dest.report, filter >= 2; "[generator] pushing local filters for ", &place, "/");
    }

    /// Report that a name is to be removed, for `--debug=DEL2`.
    fn report_item(&self, rel: &[u8], flags: u32) {
        if self.dest.plan.output.debug.del < 2 {
            return;
        }
        let mode = self.dest.root.lstat(rel).map_or(0, |stat| stat.mode);
        self.dest
            .report
            .info(text!["delete_item(", rel, format!(") mode={mode:o} flags={flags}")]);
    }

    /// Whether a file is on another filesystem than the destination itself.
    fn is_elsewhere(&self, stat: &Stat) -> bool {
        self.dest.root.lstat(b".").is_ok_and(|top| top.dev != stat.dev)
    }

    /// Whether `-x` keeps a directory because another filesystem is mounted there.
    fn is_mount(&self, rel: &[u8]) -> bool {
        self.dest.plan.select.one_file_system > 0
            && self.dest.root.lstat(rel).is_ok_and(|stat| self.is_elsewhere(&stat))
    }

    /// Whether `-x` keeps a directory because another filesystem is mounted there; that is reported when asked for.
    fn keeps_mount(&self, rel: &[u8]) -> bool {
        let plan = &self.dest.plan;
        if !self.is_mount(rel) {
            return false;
        }
        if plan.output.info.mount > 0 {
            self.dest.report.info(text!["cannot delete mount point: ", rel]);
        }
        true
    }

    /// Remove what was found with `--delete-delay`, or collected to be judged.
    pub(crate) fn run_delayed(&mut self, filters: &mut Filters) -> Result<()> {
        if self.is_judged() {
            return self.run_judged(filters);
        }
        for (path, kind) in std::mem::take(&mut self.delayed) {
            self.remove(&path, kind, Some(&mut *filters))?;
        }
        Ok(())
    }

    /// Remove one name with its contents. With filters, protected contents stay and keep their directory.
    pub(crate) fn remove(&mut self, rel: &[u8], kind: FileKind, filters: Option<&mut Filters>) -> Result<Outcome> {
        self.dest.report.check()?;
        if self.depth == 0 {
            self.report_item(rel, self.flags);
        }
        // Contents that the limit or a rule keeps keep their directory.
        let stays = kind == FileKind::Dir && !self.empty(rel, filters)?;
        if stays {
            self.report_non_empty(rel);
            // An estimate counts what the run itself would remove, unlike a dry run.
            if self.depth == 0 || self.estimate.is_some() {
                return Ok(Outcome::NotEmpty);
            }
            // Below that, rsync tries to remove it all the same: that shows in messages, limits and dry runs (observed).
        }
        if self.depth > 0 {
            self.report_item(rel, 4);
        }
        if self.at_limit() {
            self.skipped += 1;
            self.dest.report.set_io_error(IoErrors::DEL_LIMIT);
            return Ok(Outcome::Limit);
        }
        let (mode, size) = self.shown(rel, kind);
        let outcome = self.remove_leaf(rel, kind);
        if outcome == Outcome::Done {
            self.removed += 1;
            self.report_removed(rel, mode, size);
        }
        Ok(if stays { Outcome::NotEmpty } else { outcome })
    }

    fn at_limit(&self) -> bool {
        self.dest
            .plan
            .removal
            .max_delete
            .is_some_and(|limit| self.removed >= limit)
    }

    /// Remove the contents of a directory. `true` when nothing was kept.
    fn empty(&mut self, rel: &[u8], mut filters: Option<&mut Filters>) -> Result<bool> {
        let mut names = self.dest.root.read_names_nofollow(rel);
        if matches!(&names, Err(e) if e.is(Errno::ACCESS)) && !self.dest.plan.place.am_root && !self.dest.plan.idle() {
            let _ = self.dest.root.chmod(rel, 0o700);
            names = self.dest.root.read_names_nofollow(rel);
        }
        let names = match names {
            Ok(names) => names,
            Err(error) => {
                self.unreadable(b"opendir ", rel, b" failed", &error);
                return Ok(true);
            }
        };
        if let Some(error) = &names.error {
            self.unreadable(b"readdir(", rel, b")", error);
        }
        let merge = filters.as_ref().is_some_and(|f| f.has_merge());
        if merge {
            if let Some(f) = filters.as_deref_mut() {
                f.enter_dir(&self.dest.root, rel, self.dest.plan.place.insecure_links)?;
            }
        }
        let debug = self.dest.plan.output.debug;
        let flags = if self.depth == 0 { self.flags } else { 6 };
        debug!(self.dest.report, del >= 3; "delete_dir_contents(", rel, ") flags=", flags);
        let mut shown: Vec<Name> = Vec::new();
        self.report_rules_of(rel);
        let mut all = true;
        let mut found: Vec<Name> = Vec::new();
        for entry in names.iter() {
            let path = [rel, b"/", entry.name].concat();
            let kind = resolved_kind(&self.dest.root, &path, entry.kind);
            let is_dir = kind == FileKind::Dir;
            if let Some(f) = filters.as_deref_mut() {
                if f.protects(&path, is_dir, Perishable::Ignored, &self.dest.report) {
                    all = false;
                    continue;
                }
            }
            if is_dir && self.keeps_mount(&path) {
                all = false;
                continue;
            }
            debug!(self.dest.report, flist >= 2; "[generator] make_file(", &path, ",*,2)");
            if debug.flist > 2 {
                shown.push((path.clone(), kind));
            }
            found.push((path, kind));
        }
        dump_names(&self.dest.report, &self.dest.root, shown);
        sort_for_removal(&mut found, self.dest.plan.agreed.protocol);
        for (path, kind) in found {
            self.depth += 1;
            let outcome = self.remove(&path, kind, filters.as_deref_mut());
            self.depth -= 1;
            let outcome = outcome?;
            // A failed removal is reported already, and lets the directory's own removal fail.
            all &= !matches!(outcome, Outcome::Limit | Outcome::NotEmpty);
        }
        debug!(self.dest.report, filter >= 2; "[generator] popping local filters");
        if merge {
            if let Some(f) = filters {
                f.leave_dir();
            }
        }
        Ok(all)
    }

    fn remove_leaf(&mut self, rel: &[u8], kind: FileKind) -> Outcome {
        let plan = self.dest.plan.clone();
        if plan.idle() {
            return Outcome::Done;
        }
        if plan.write.backup && kind != FileKind::Dir {
            match self.in_writable(rel, |dest| dest.backup_by_rename(rel, kind)) {
                Ok(true) => return Outcome::Done,
                Ok(false) => {}
                Err(error) => {
                    self.report_failed("make_backup", rel, &error);
                    return Outcome::Failed;
                }
            }
        }
        match self.in_writable(rel, |dest| dest.root.remove(rel, kind)) {
            Ok(()) => Outcome::Done,
            Err(error) if kind == FileKind::Dir && (error.is(Errno::NOTEMPTY) || error.is(Errno::EXIST)) => {
                self.report_non_empty(rel);
                Outcome::NotEmpty
            }
            Err(error) if error.is(Errno::NOENT) => Outcome::Failed,
            Err(error) => {
                self.report_failed(if kind == FileKind::Dir { "rmdir" } else { "unlink" }, rel, &error);
                Outcome::Failed
            }
        }
    }

    /// Change the name `rel`; once more after its directory was made writable, where that is what a user lacks.
    fn in_writable<T>(&self, rel: &[u8], change: impl Fn(&Dest) -> io::Result<T>) -> io::Result<T> {
        let result = change(&self.dest);
        if self.dest.plan.place.am_root || !matches!(&result, Err(e) if e.is(Errno::ACCESS)) {
            return result;
        }
        let parent = super::paths::split_name(rel).0;
        let parent = if parent.is_empty() { b"." } else { parent };
        match self.dest.root.lstat(parent) {
            Ok(stat) if stat.mode & 0o200 == 0 => {
                self.dest
                    .root
                    .chmod(parent, stat.mode & 0o7777 | 0o700)
                    .or(Err(io::Error::from(Errno::ACCESS)))?;
                change(&self.dest)
            }
            _ => result,
        }
    }

    fn report_non_empty(&self, rel: &[u8]) {
        self.dest.report.skipped(rel, true, Skip::NotEmpty);
        self.dest.report.info(messages::non_empty(rel));
    }

    fn report_failed(&self, call: &str, rel: &[u8], error: &io::Error) {
        let text = text!["delete_file: ", call, "(", rel, ") failed"];
        self.dest
            .report
            .line(Level::ErrorXfer, sys_line(self.dest.role, &text, error));
    }

    /// The mode of a file that is to be removed: its type, with permissions where a line shows them. And its size, where
    /// an event has it.
    fn shown(&self, rel: &[u8], kind: FileKind) -> (u32, u64) {
        let events = &self.dest.plan.output.events;
        let shows_mode = self.dest.report.shows_deleted_mode();
        let reports_size = kind == FileKind::File && (events.item || events.json_delete);
        if !shows_mode && !reports_size {
            return (kind.mode(), 0);
        }
        self.dest.root.lstat(rel).map_or((kind.mode(), 0), |stat| {
            let size = if kind == FileKind::File { stat.size } else { 0 };
            (if shows_mode { stat.mode } else { kind.mode() }, size)
        })
    }

    /// Count and report one deletion.
    fn report_removed(&mut self, rel: &[u8], mode: u32, size: u64) {
        if let Some(estimate) = &self.estimate {
            estimate.lock().removed(rel, self.dest.root.lstat(rel).ok().as_ref());
        }
        self.dest.report.stats(|s| s.deleted.add(mode));
        self.dest.report.deletion(rel, mode, size);
    }

    /// Make way for an entry of another type (spec: transfer 12). `kind_text` as in the message. `true` when the name
    /// is free.
    pub(crate) fn make_way(&mut self, rel: &[u8], mode: u32, kind_text: &str, filters: &mut Filters) -> Result<bool> {
        let plan = self.dest.plan.clone();
        let kind = FileKind::from_mode(mode);
        let recursive = plan.removal.force || plan.removal.delete != DeleteWhen::Never;
        let mut free = true;
        let room = match kind_text {
            "regular file" => 8,
            "directory" => 16,
            "symlink" => 32,
            "device file" => 64,
            _ => 128,
        };
        self.flags = room | if recursive { 2 } else { 0 };
        self.report_item(rel, self.flags);
        if kind == FileKind::Dir {
            // Protected contents stay, and keep the directory.
            let emptied = if recursive {
                // The limit holds for the contents, but not for the directory itself (observed).
                self.empty(rel, Some(filters))?
            } else {
                !plan.idle() || !self.holds_names(rel)
            };
            if !emptied {
                self.report_non_empty(rel);
                free = false;
            } else if !plan.idle() {
                match self.dest.root.rmdir(rel) {
                    Ok(()) => {}
                    Err(error) if error.is(Errno::NOTEMPTY) || error.is(Errno::EXIST) => {
                        self.report_non_empty(rel);
                        free = false;
                    }
                    Err(error) => {
                        self.report_failed("rmdir", rel, &error);
                        free = false;
                    }
                }
            }
        } else if !plan.idle() {
            let backed = plan.write.backup
                && match self.dest.backup_by_rename(rel, kind) {
                    Ok(moved) => moved,
                    Err(error) => {
                        self.report_failed("make_backup", rel, &error);
                        free = false;
                        false
                    }
                };
            if free && !backed {
                if let Err(error) = self.dest.root.unlink(rel) {
                    self.report_failed("unlink", rel, &error);
                    free = false;
                }
            }
        }
        self.flags = 2;
        if !free {
            let text = text!["could not make way for new ", kind_text, ": ", rel];
            self.dest.report.error_xfer(text);
        }
        Ok(free)
    }

    /// The warning at the end when `--max-delete` stopped something.
    pub(crate) fn finish(&mut self) {
        if self.skipped > 0 {
            let text = format!("Deletions stopped due to --max-delete limit ({} skipped)", self.skipped);
            self.dest.report.line(Level::Warning, text);
            let skipped = self.skipped;
            self.dest.report.stats(|s| s.deletions_skipped = skipped);
        }
    }

    /// Remove the name of a missing argument (`--delete-missing-args`), unless it is protected.
    pub(crate) fn remove_missing(&mut self, rel: &[u8], filters: &mut Filters) -> Result<()> {
        // In rsync the statistics do not count these deletions.
        let before = self.dest.report.stats(|s| s.deleted);
        let result = self.remove_named(rel, filters);
        self.dest.report.stats(|s| s.deleted = before);
        result
    }

    /// Whether a directory is not empty.
    fn holds_names(&self, rel: &[u8]) -> bool {
        let names = self.dest.root.read_names_nofollow(rel);
        names.is_ok_and(|names| names.iter().next().is_some())
    }

    fn remove_named(&mut self, rel: &[u8], filters: &mut Filters) -> Result<()> {
        let Ok(stat) = self.dest.root.lstat(rel) else {
            return Ok(());
        };
        let kind = FileKind::from_mode(stat.mode);
        if filters.protects(rel, kind == FileKind::Dir, Perishable::Obeyed, &self.dest.report) {
            return Ok(());
        }
        if kind == FileKind::Dir && !self.dest.plan.removal.force && self.dest.plan.removal.delete == DeleteWhen::Never
        {
            if self.dest.plan.idle() && self.holds_names(rel) {
                self.report_non_empty(rel);
            } else {
                let (mode, size) = self.shown(rel, kind);
                if self.remove_leaf(rel, kind) == Outcome::Done {
                    self.report_removed(rel, mode, size);
                }
            }
            return Ok(());
        }
        self.remove(rel, kind, Some(filters))?;
        Ok(())
    }
}

//! The judge: compares one entry of a list with what is in the destination, and does or causes what it needs
//! (spec: transfer 3).

mod alternates;
mod directories;
mod linking;
mod links;
mod nonfiles;
mod regular;
mod similar;
mod sums;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use rustix::io::Errno;

use self::alternates::Alternates;
pub(super) use self::directories::Directory;
pub(super) use self::links::LinkGroups;
use self::similar::Similar;
use crate::error::{IoErrorExt, Result};
use crate::flist::{eflag, At, Segment};
use crate::plan::Plan;
use crate::report::debug::debug;
use crate::report::json::Skip;
use crate::report::say::{text, Piece};
use crate::report::Report;
use crate::role::Role;
use crate::roles::compare::{item_flags, same_time, Wanted};
use crate::roles::delete::Deleter;
use crate::roles::dest::Dest;
use crate::roles::filter::Filters;
use crate::roles::metadata::read_own_link;
use crate::roles::paths::split_name;
use crate::roles::scan::sum_file;
use crate::roles::text::items::Change;
use crate::roles::words::request::Request;
use crate::tree::mode::{self, is_device, is_file, is_link, is_special};
use crate::tree::{Atime, FileKind, Root, Stat};
use crate::wire::item::ItemFlags;

/// What a judgement causes outside of the destination. Users see items, deletions and requests in the order in which
/// they are made, so a judgement makes them as it goes instead of returning them.
pub(super) trait Effects {
    /// Send an item to the other end, or show it where both ends are here. A directory in its own list has the number
    /// `ndx` there, which is not that of `at`.
    fn pass_item(&mut self, dest: &Dest, at: &At, ndx: i32, flags: ItemFlags, xname: Option<&[u8]>) -> Result<()>;

    /// Ask for the data of a file. Where it comes at once, `judge` links the names that wait for the file before this
    /// returns.
    fn request(&mut self, judge: &mut Judge, request: Request) -> Result<()>;

    /// The source of an entry may be removed.
    fn remove_source(&mut self, dest: &Dest, at: &At) -> Result<()>;

    /// An entry waits for another one: its list stays open until [`Effects::release`].
    fn keep_open(&mut self, at: &At);

    /// An entry waits no longer.
    fn release(&mut self, at: &At);

    /// Leave out everything below the directory that is judged now.
    fn skip_below(&mut self, rel: &[u8]);

    /// The directory that is judged now was made, or could not be made, before its own list.
    fn made_early(&mut self, made: bool);

    /// A name was made in a directory whose mtime may have been set already.
    fn touch_parent_again(&mut self, rel: &[u8]);

    /// Whether files can still be asked for.
    fn takes_requests(&self) -> bool;

    /// Wait until the files that were asked for and are written on this machine are finished.
    fn wait_for_writes(&mut self, judge: &mut Judge) -> Result<()>;
}

/// Judges the entries of one run.
pub(super) struct Judge {
    plan: Arc<Plan>,
    report: Report,
    pub dest: Dest,
    pub filters: Filters,
    pub deleter: Deleter,
    pub links: LinkGroups,
    alternates: Alternates,
    similar: Similar,
    /// The directory that was last reported as absent from the list.
    absent: Vec<u8>,
    /// Scratch space for checksums of files.
    buffer: Vec<u8>,
    /// Checksums of the files of the next entries.
    known_sums: sums::Known,
    /// Nothing is changed (`--dry-run`).
    idle: bool,
    /// A sender is at the other end of a link, where deletions travel as messages.
    remote: bool,
}

/// Size and content look the same as what is listed. `buffer` is scratch space.
fn same_content(plan: &Plan, at: &At, root: &Root, name: &[u8], stat: &Stat, buffer: &mut Vec<u8>) -> bool {
    let entry = at.entry();
    if stat.size != entry.len {
        return false;
    }
    if plan.select.checksum {
        let Some(listed) = at.checksum() else {
            return false;
        };
        // What cannot be read has a sum of zeros, here as at the sender (observed).
        let sum = root
            .open_read(name, Atime::Update)
            .and_then(|mut file| sum_file(&mut file, plan.agreed.file_sum, buffer));
        return sum.map_or_else(|_| listed.iter().all(|&b| b == 0), |sum| sum.starts_with(listed));
    }
    if plan.select.size_only {
        return true;
    }
    if plan.select.ignore_times {
        return false;
    }
    let mtime = (entry.mtime, entry.mtime_nsec);
    same_time(plan.select.modify_window, mtime, stat.mtime_pair())
}

impl Judge {
    /// `remote`: a sender is at the other end of a link.
    pub(super) fn new(dest: Dest, filters: Filters, remote: bool) -> Self {
        Self {
            idle: dest.plan.idle(),
            report: dest.report.clone(),
            plan: Arc::clone(&dest.plan),
            filters: filters.telling(&dest.report),
            deleter: Deleter::new(dest.clone()),
            links: LinkGroups::new(dest.plan.attrs.hard_links),
            alternates: Alternates::open(&dest),
            similar: Similar::default(),
            absent: Vec::new(),
            buffer: Vec::new(),
            known_sums: sums::Known::default(),
            dest,
            remote,
        }
    }

    // ---- what all judgements need

    /// Name of an entry below the destination.
    pub(super) fn name(&self, at: &At) -> Vec<u8> {
        self.dest.name(at)
    }

    /// What the entry should be like here, in the place of `now`.
    fn wanted(&self, at: &At, now: Option<&Stat>) -> Wanted {
        self.dest.wanted(at, now)
    }

    /// As [`same_content`].
    fn same_content(&mut self, at: &At, root: &Root, name: &[u8], stat: &Stat) -> bool {
        match self.known_sums.take(at, stat) {
            Some(sum) => at.checksum().is_some_and(|listed| sum.starts_with(listed)),
            None => same_content(&self.plan, at, root, name, stat, &mut self.buffer),
        }
    }

    /// Flags of an item: how the file at `rel` beneath `root`, with status `now`, differs from what is wanted. `base`
    /// and `linked` as in [`item_flags`].
    fn flags(
        &self,
        root: &Root,
        rel: &[u8],
        want: &Wanted,
        now: Option<&Stat>,
        base: ItemFlags,
        linked: bool,
    ) -> ItemFlags {
        item_flags(&self.plan, want, now, base, linked) | self.dest.metadata_flags(root, rel, want, now)
    }

    /// Status of what is at `rel`; `Ok(None)` if nothing is.
    pub(super) fn look(&self, rel: &[u8], dir_wanted: bool) -> io::Result<Option<Stat>> {
        let stat = match self.dest.lstat(rel) {
            Ok(stat) => stat,
            Err(e) if e.is(Errno::NOENT) => return Ok(None),
            // Below what a dry run would have replaced by a directory: a file, or a link that --keep-dirlinks does not keep.
            Err(e) if self.idle && !self.plan.select.ignore_existing && e.is(Errno::NOTDIR) => return Ok(None),
            Err(e)
                if self.idle
                    && !self.plan.select.ignore_existing
                    && !self.plan.attrs.keep_dirlinks
                    && e.is(Errno::LOOP) =>
            {
                return Ok(None);
            }
            Err(e) => return Err(e),
        };
        if stat.is_symlink() && dir_wanted && self.plan.attrs.keep_dirlinks {
            match self.dest.root.stat_follow(rel, false) {
                Ok(behind) if behind.is_dir() => return Ok(Some(behind)),
                _ => {}
            }
        }
        Ok(Some(stat))
    }

    /// Report that the status of `rel` cannot be read.
    fn report_stat_failed(&self, rel: &[u8], error: &io::Error) -> Result<()> {
        self.report.check()?;
        self.report_failed("recv_generator: failed to stat ", rel, "", error);
        Ok(())
    }

    /// Report that something failed with the name `rel`.
    fn report_failed(&self, before: &str, rel: &[u8], after: impl Piece, error: &io::Error) {
        let text = text![before, &self.dest.display(rel), after];
        self.report.sys_error(Role::Generator, text, error);
    }

    /// Whether something was made at `rel`; why it was not is reported as by [`report_failed`](Self::report_failed).
    fn made(&self, made: std::io::Result<bool>, before: &str, rel: &[u8], after: impl Piece) -> bool {
        made.unwrap_or_else(|error| {
            self.report_failed(before, rel, after, &error);
            false
        })
    }

    /// Report a change that is made here to the log, and to the other end or the user.
    fn item(&self, fx: &mut dyn Effects, at: &At, flags: ItemFlags, xname: Option<&[u8]>) -> Result<()> {
        Change::received(at, flags, xname).log_made(&self.report);
        fx.pass_item(&self.dest, at, at.ndx(), flags, xname)
    }

    /// A source file may be removed now; `sent`: its data was sent (spec: protocol 6.10).
    pub(super) fn succeeded(&self, fx: &mut dyn Effects, at: &At, sent: bool) -> Result<()> {
        if self.idle
            || !sent && self.plan.removal.remove_sent_files
            || !(self.plan.removal.remove_source_files || self.plan.removal.remove_sent_files)
        {
            return Ok(());
        }
        fx.remove_source(&self.dest, at)
    }

    /// As [`Judge::succeeded`], for an entry that was found up to date.
    fn succeeded_unsent(&self, fx: &mut dyn Effects, at: &At) -> Result<()> {
        if self.plan.removal.remove_source_files {
            self.succeeded(fx, at, false)?;
        }
        Ok(())
    }

    /// Report an entry that is up to date, and link the names that wait for it.
    fn keep(&mut self, fx: &mut dyn Effects, at: &At, flags: ItemFlags) -> Result<()> {
        self.item(fx, at, flags, None)?;
        self.links.note_item(at, flags);
        self.link_ready(fx, at)?;
        self.succeeded_unsent(fx, at)
    }

    // ---- deletions

    /// Make way for an entry of another type: as [`Deleter::make_way`], with the rules of the place.
    fn make_way(&mut self, rel: &[u8], mode: u32, kind: &str) -> Result<bool> {
        // Rules matter for the contents of a directory only, and what is removed may itself be named like a merge file.
        if self.filters.has_merge() && FileKind::from_mode(mode) == FileKind::Dir {
            let dir = split_name(rel).0;
            let dir = if dir.is_empty() { b"." } else { dir };
            self.filters
                .go_to(&self.dest.root, dir, self.plan.place.insecure_links)?;
        }
        self.deleter.make_way(rel, mode, kind, &mut self.filters)
    }

    /// Remove extraneous files in one directory.
    fn delete_in(&mut self, rel: &[u8], list: &Segment, delay: bool) -> Result<()> {
        debug!(self.report, del >= 2; "delete_in_dir(", rel, ")");
        self.deleter.report_rules_of(rel);
        self.filters
            .go_to(&self.dest.root, rel, self.plan.place.insecure_links)?;
        self.deleter.in_dir(rel, list, &mut self.filters, delay)
    }

    /// Remove extraneous files in all directories of a whole list (`--delete-before`, `--delete-after`).
    pub(super) fn delete_everywhere(&mut self, list: &Arc<Segment>) -> Result<()> {
        let dump = self.plan.output.debug.filter > 1;
        let mut at = At::new(list, 0);
        for i in list.sorted() {
            at.set(i);
            let entry = at.entry();
            if dump && entry.is_active() && !entry.is_dir() {
                // rsync shows this for files as well (observed).
                self.deleter.report_rules_of(&self.dest.name(&at));
            }
            if !entry.is_active() || !entry.has_contents() {
                continue;
            }
            let rel = self.dest.name(&at);
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
            if entry.has(eflag::TOP_DIR) {
                debug!(self.report, del >= 1; "deleting in ", &rel);
            }
            self.delete_in(&rel, list, false)?;
        }
        Ok(())
    }

    // ---- entries that are left out

    fn daemon_refuses(&mut self, rel: &[u8], dir: bool) -> bool {
        if !self.filters.daemon_hides(rel, dir) {
            return false;
        }
        let kind = if dir { "directory" } else { "file" };
        self.report
            .error_xfer(text!["ERROR: daemon refused to receive ", kind, " \"", rel, "\""]);
        true
    }

    /// Report why an entry is left out (`--info=SKIP`).
    fn report_skipped(&self, line: &[u8]) {
        if self.plan.output.info.skip > 0 {
            self.report.info(line);
        }
    }

    /// Report `line` (`--info=SKIP`) about a skipped entry, and emit its event.
    fn skip(&self, rel: &[u8], dir: bool, why: Skip, line: &[u8]) {
        self.report_skipped(line);
        self.report.skipped(rel, dir, why);
    }

    /// `N exists`, at the higher level with what would have been done (spec: transfer 3, step 8).
    fn report_existing(&mut self, at: &At, rel: &[u8], found: Option<&Stat>) {
        self.report.skipped(rel, at.entry().is_dir(), Skip::Exists);
        if self.plan.output.info.skip == 0 {
            return;
        }
        let change = match found.filter(|_| self.plan.output.info.skip > 1) {
            Some(stat) => self.change_of(at, rel, stat),
            None => "",
        };
        self.report_skipped(&text![rel, " exists", change]);
    }

    /// What would have been done to an entry, in words.
    fn change_of(&mut self, at: &At, rel: &[u8], stat: &Stat) -> &'static str {
        let mode = at.entry().mode;
        let want = self.wanted(at, Some(stat));
        let root = self.dest.root.clone();
        let fake_super = self.plan.place.fake_super;
        if (stat.mode ^ mode) & mode::TYPE != 0 {
            " (type change)"
        } else if is_file(mode) && !self.same_content(at, &root, rel, stat) {
            if self.plan.select.checksum {
                " (sum change)"
            } else {
                " (file change)"
            }
        } else if is_link(mode)
            && at
                .link_target()
                .is_some_and(|target| read_own_link(&root, rel, fake_super).map_or(true, |now| now != target))
        {
            " (file change)"
        } else if !item_flags(&self.plan, &want, Some(stat), ItemFlags::NONE, false).is_empty() {
            " (attr change)"
        } else {
            " (uptodate)"
        }
    }

    /// Report that the directory of a missing argument is not in the list: once for all names in it.
    fn report_absent_parent(&mut self, list: &Segment, rel: &[u8]) {
        let dir = split_name(rel).0;
        if self.plan.agreed.inc_recurse || dir.is_empty() || self.absent == dir || list.find(dir, true).is_some() {
            return;
        }
        self.absent = dir.to_vec();
        self.report
            .error(text!["WARNING: parent dir is absent in the file list: ", dir]);
    }

    fn report_not_creating(&self, rel: &[u8], kind: &str) {
        let line = text!["not creating new ", kind, " \"", rel, "\""];
        self.skip(rel, kind == "directory", Skip::Missing, &line);
    }

    // ---- entries

    /// Judge an entry that is no directory.
    pub(super) fn entry(&mut self, fx: &mut dyn Effects, at: &At) -> Result<()> {
        let rel = self.name(at);
        debug!(self.report, genr >= 1; "recv_generator(", &rel, ",", at.ndx(), ")");
        self.links.visit(at);
        if self.daemon_refuses(&rel, false) {
            return self.pass_over(fx, at);
        }
        let found = match self.look(&rel, false) {
            Ok(found) => found,
            Err(error) => {
                self.report_stat_failed(&rel, &error)?;
                return self.pass_over(fx, at);
            }
        };
        if at.entry().has(eflag::MISSING_ARG) {
            self.report_absent_parent(at.list(), &rel);
            if found.is_some() {
                self.deleter.remove_missing(&rel, &mut self.filters)?;
            }
            return Ok(());
        }
        if self.plan.select.existing && found.is_none() {
            self.report_not_creating(&rel, "file");
            return self.pass_over(fx, at);
        }
        if self.plan.select.ignore_existing && found.is_some() {
            self.report_existing(at, &rel, found.as_ref());
            return self.pass_over(fx, at);
        }
        if found.is_none() && self.plan.select.relative && !self.plan.select.implied_dirs && !self.idle {
            self.dest.make_missing_parents(&rel);
        }
        if self.plan.attrs.hard_links && at.hlink().is_some() && self.join_group(fx, at, &rel, found.as_ref())? {
            return Ok(());
        }
        self.object(fx, at, rel, found)
    }

    /// Judge a file, link, device, pipe or socket for itself.
    fn object(&mut self, fx: &mut dyn Effects, at: &At, rel: Vec<u8>, found: Option<Stat>) -> Result<()> {
        let mode = at.entry().mode;
        if is_link(mode) && self.plan.attrs.links {
            return self.symlink(fx, at, &rel, found);
        }
        let device = is_device(mode) && self.plan.attrs.devices && self.plan.place.root_like();
        if (device || is_special(mode) && self.plan.attrs.specials) && !self.plan.attrs.drop_devices {
            return self.node(fx, at, &rel, found);
        }
        if !is_file(mode) {
            self.report.skipped(&rel, false, Skip::NonRegular);
            if self.plan.output.info.nonreg > 0 {
                self.report.info(text!["skipping non-regular file \"", &rel, "\""]);
            }
            return Ok(());
        }
        self.regular(fx, at, rel, found, false)
    }

    /// The transfer of a file has ended: it has its name (`good`), or will not get it.
    pub(super) fn transferred(&mut self, fx: &mut dyn Effects, at: &At, good: bool) -> Result<()> {
        if good {
            self.succeeded(fx, at, true)?;
        }
        if self.plan.attrs.hard_links && at.hlink().is_some() && (self.plan.place.is_local() || !self.idle) {
            self.link_later(fx, at.clone(), good)?;
        }
        Ok(())
    }
}

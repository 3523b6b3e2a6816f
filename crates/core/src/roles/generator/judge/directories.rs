//! Directories (spec: transfer 3.1).

use rustix::io::Errno;

use super::super::touch::Touch;
use super::{Effects, Judge};
use crate::error::{IoErrorExt, Result};
use crate::flist::{eflag, At, Segment};
use crate::plan::{AltDest, DeleteWhen};
use crate::report::debug::debug;
use crate::report::say::text;
use crate::role::Role;
use crate::roles::compare::{keeps_time, Wanted};
use crate::roles::dest::SetTimes;
use crate::roles::text::items::Change;
use crate::roles::text::messages;
use crate::tree::Stat;
use crate::wire::item::ItemFlags;

/// A directory at its own place in the order of the lists.
pub(crate) struct Directory<'a> {
    pub at: &'a At,
    /// The index that its item has.
    pub ndx: i32,
    /// It was made with its parent's list.
    pub created: bool,
    /// The list that holds its contents.
    pub contents: &'a Segment,
}

impl Judge {
    /// Judge a directory in its parent's list: it is made now, so that the parent's mtime can be set when the parent's
    /// list is finished (spec: transfer 3.1, step 2).
    pub(crate) fn early_directory(&mut self, fx: &mut dyn Effects, at: &At) -> Result<()> {
        let rel = self.name(at);
        debug!(self.report, genr >= 1; "recv_generator(", &rel, ",", at.ndx(), ")");
        if rel == b"." && at.dirname().is_empty() {
            return Ok(());
        }
        if self.idle || self.plan.select.list_only || self.plan.select.existing || self.filters.daemon_hides(&rel, true)
        {
            return Ok(());
        }
        if at.entry().has(eflag::IMPLIED) && !self.plan.select.implied_dirs {
            return Ok(());
        }
        match self.look(&rel, true).unwrap_or(None) {
            Some(stat) if stat.is_dir() || self.plan.select.ignore_existing => return Ok(()),
            Some(stat) if !self.make_way(&rel, stat.mode, "directory")? => {
                self.skip_contents(fx, &rel);
                return Ok(());
            }
            _ => {}
        }
        // A failure is not reported: the directory is tried again with its own list, when its parent may be finished.
        fx.made_early(self.dest.root.mkdir(&rel, 0o700).is_ok());
        Ok(())
    }

    /// A directory failed, and so does everything below it.
    fn skip_contents(&self, fx: &mut dyn Effects, rel: &[u8]) {
        self.report
            .error_xfer("*** Skipping any contents from this failed directory ***");
        fx.skip_below(rel);
    }

    /// Judge a directory at the place of its own contents. `None`: it failed, and what is below it is skipped.
    pub(crate) fn directory(&mut self, fx: &mut dyn Effects, dir: &Directory<'_>) -> Result<Option<Touch>> {
        let at = dir.at;
        let rel = self.name(at);
        debug!(self.report, genr >= 1; "recv_generator(", &rel, ",", dir.ndx, ")");
        if self.daemon_refuses(&rel, true) {
            self.skip_contents(fx, &rel);
            return Ok(None);
        }
        let found = match self.look(&rel, true) {
            Ok(found) => found,
            // Below a link that stays (`--ignore-existing`), rsync fails at mkdir (observed).
            Err(error) if self.plan.select.ignore_existing && error.is(Errno::LOOP) => None,
            Err(error) => {
                self.report_stat_failed(&rel, &error)?;
                fx.skip_below(&rel);
                return Ok(None);
            }
        };
        if at.entry().has(eflag::IMPLIED) && !self.plan.select.implied_dirs {
            // An implied directory is made when something below needs it.
            return Ok(Some(self.untouched(dir, rel, found.as_ref())));
        }
        if self.plan.select.existing && found.is_none() {
            self.report_not_creating(&rel, "directory");
            fx.skip_below(&rel);
            return Ok(None);
        }
        if self.plan.select.ignore_existing && found.is_some_and(|s| !s.is_dir()) {
            // The entries below are tried all the same, and fail (observed).
            self.report_existing(at, &rel, found.as_ref());
            if self.plan.removal.delete_during()
                && self.plan.agreed.inc_recurse
                && found.is_some_and(|s| !s.is_symlink())
            {
                self.deleter.not_a_directory(&rel);
            }
            return Ok(Some(self.untouched(dir, rel, found.as_ref())));
        }
        let mut now = found;
        if let Some(stat) = now.filter(|s| !s.is_dir()) {
            if !self.make_way(&rel, stat.mode, "directory")? {
                self.skip_contents(fx, &rel);
                return Ok(None);
            }
            now = None;
        }
        self.make_directory(fx, dir, rel, now)
    }

    /// Report, make, set up and clean a directory; `now` is the directory that is at the name.
    fn make_directory(
        &mut self,
        fx: &mut dyn Effects,
        dir: &Directory<'_>,
        rel: Vec<u8>,
        mut now: Option<Stat>,
    ) -> Result<Option<Touch>> {
        let at = dir.at;
        let created = dir.created || self.dest.created && rel == b".";
        if now.is_none() && self.plan.select.relative && !self.plan.select.implied_dirs && !self.idle {
            // The mode of a new directory depends on its parent, which must exist.
            self.dest.make_missing_parents(&rel);
        }
        let real = if created { None } else { now };
        let mut want = self.wanted(at, real.as_ref());
        if created {
            self.inherit_setgid(&mut want, now.as_ref());
        }
        let (flags, compared) = self.directory_flags(at, &rel, &want, real);
        // Nothing is removed from a directory that --existing or a dry run does not make.
        let unmade = self.idle || self.plan.select.existing;
        let deletes = self.plan.removal.delete_during() && at.entry().has_contents() && !(unmade && real.is_none());
        // On the wire deletions are messages, which rsync 3.5.0 writes before the item that still waits in its buffer.
        let late = deletes && real.is_some() && self.remote;
        // Without --perms a module's incoming chmod still changes an existing directory, which no item shows.
        let chmod =
            !self.plan.attrs.daemon_chmod.is_empty() && compared.is_some_and(|s| (s.mode ^ want.mode) & 0o7777 != 0);
        let logged = if chmod { flags | ItemFlags::PERMS } else { flags };
        Change::received(at, logged, None).log_made(&self.report);
        if !late {
            fx.pass_item(&self.dest, at, dir.ndx, flags, None)?;
        }
        if now.is_none() && !self.idle {
            if let Err(error) = self.mkdir(&rel, &want) {
                self.report_failed("recv_generator: mkdir ", &rel, " failed", &error);
                self.skip_contents(fx, &rel);
                return Ok(None);
            }
            if self.plan.select.existing {
                // Not made with its parent's list, as others are.
                fx.touch_parent_again(&rel);
            }
            match self.dest.lstat(&rel) {
                Ok(stat) => now = Some(stat),
                Err(error) => {
                    self.report.check()?;
                    self.dest.sys_error("stat", &rel, &error);
                }
            }
            self.inherit_setgid(&mut want, now.as_ref());
        }
        let widened = match now.filter(|_| !self.idle) {
            Some(stat) => self.set_directory(&rel, &want, &stat, real.map(|_| flags)),
            None => false,
        };
        if deletes {
            let delay = self.plan.removal.delete == DeleteWhen::Delay;
            self.delete_in(&rel, dir.contents, delay)?;
        }
        if late {
            fx.pass_item(&self.dest, at, dir.ndx, flags, None)?;
        }
        Ok(Some(Touch {
            number: dir.ndx,
            rel,
            // A writable directory keeps the bits that its owner needs to read it back (observed).
            mode: widened && want.mode & 0o200 == 0,
            want,
            before: real.map(|s| s.mtime_pair()),
            times: true,
        }))
    }

    /// A set-gid parent hands its bit down to a new directory.
    fn inherit_setgid(&self, want: &mut Wanted, now: Option<&Stat>) {
        if !self.plan.attrs.perms {
            want.mode |= now.map_or(0, |stat| stat.mode & 0o2000);
        }
    }

    /// The flags of a directory's item, and what it was compared with: `real`, or an alternate directory.
    fn directory_flags(&mut self, at: &At, rel: &[u8], want: &Wanted, real: Option<Stat>) -> (ItemFlags, Option<Stat>) {
        let alternate = match real {
            None if self.plan.select.alt_dest != AltDest::None => self.alt_directory(at, rel),
            _ => None,
        };
        let Some((place, stat)) = alternate else {
            let flags = self.flags(&self.dest.root, rel, want, real.as_ref(), ItemFlags::NONE, false);
            return (flags, real);
        };
        let flags = self.flags(&place, rel, want, Some(&stat), ItemFlags::LOCAL_CHANGE, false);
        if flags == ItemFlags::LOCAL_CHANGE && self.plan.output.info.name > 1 && !self.plan.output.itemize {
            self.report.info(text![rel, "/ is uptodate"]);
        }
        (flags, Some(stat))
    }

    /// Make a directory, with `--relative` its parents as well. One that exists is no error.
    fn mkdir(&self, rel: &[u8], want: &Wanted) -> std::io::Result<()> {
        let make = || self.dest.root.mkdir(rel, self.dest.real_mode(want.mode) & 0o7777);
        let mut result = make();
        if matches!(&result, Err(e) if e.is(Errno::NOENT)) && self.plan.select.relative {
            self.dest.make_parents(rel);
            result = make();
        }
        match result {
            Err(error) if error.is(Errno::EXIST) => Ok(()),
            other => other,
        }
    }

    /// Set the attributes of a directory with status `stat`. `known`: the flags of the comparison, if the directory
    /// existed before. Returns whether the mode was widened for the time of the run.
    fn set_directory(&self, rel: &[u8], want: &Wanted, stat: &Stat, known: Option<ItemFlags>) -> bool {
        let set = known.map_or(*want, |flags| want.compared(flags));
        let times = SetTimes {
            exact: false,
            skip: true,
        };
        let ours = self.dest.set_attrs(rel, &set, stat, times).is_some();
        if !ours && known.is_none() && rel != b"." {
            // A directory that cannot be given away stays as it was made: for its owner alone where its time is kept.
            let kept = keeps_time(&self.plan, want.mode);
            let bits = if kept { 0o700 } else { 0o7777 };
            if let Err(error) = self.dest.root.chmod(rel, want.mode & bits) {
                let text = messages::set_permissions_failed(self.dest.display(rel));
                self.report.sys_error(Role::Generator, text, &error);
            }
        }
        if self.plan.place.root_like() || want.mode & 0o700 == 0o700 {
            return false;
        }
        let widened = self.dest.root.chmod(rel, want.mode | 0o700);
        if let Err(error) = &widened {
            self.report_failed("failed to modify permissions on ", rel, "", error);
        }
        widened.is_ok()
    }

    /// A directory that is left as it is found.
    fn untouched(&self, dir: &Directory<'_>, rel: Vec<u8>, now: Option<&Stat>) -> Touch {
        let mut want = self.wanted(dir.at, now);
        if let Some(stat) = now {
            want.mode = stat.mode;
            (want.mtime, want.mtime_nsec) = stat.mtime_pair();
        }
        Touch {
            number: dir.ndx,
            rel,
            want,
            before: None,
            times: false,
            mode: false,
        }
    }
}

//! Directories (spec: transfer 3.1).

use std::sync::Arc;

use super::compare::{item_flags, keeps_time};
use super::dest::SetTimes;
use super::entries::missing;
use super::generator::{Generator, Touch};
use super::items;
use crate::error::Result;
use crate::flist::{eflag, Segment};
use crate::plan::{AltDest, DeleteWhen};
use crate::report::debug::debug;
use crate::role::Role;
use crate::tree::Stat;
use crate::wire::item::ItemFlags;

impl Generator {
    /// A directory seen in its parent's list: made now so that the parent's mtime settles (spec: transfer 3.1.2).
    pub(super) fn early_directory(&mut self, segment: &Arc<Segment>, i: usize) -> Result<()> {
        let rel = self.dest.name(segment, i);
        debug!(self.report, genr >= 1; "recv_generator(", &rel, ",", segment.ndx(i), ")");
        if rel == b"." && segment.dirname(i).is_empty() {
            return Ok(());
        }
        if self.dry_run || self.plan.list_only || self.plan.existing || self.filters.daemon_hides(&rel, true) {
            return Ok(());
        }
        if segment.entry(i).has(eflag::IMPLIED) && !self.plan.implied_dirs {
            return Ok(());
        }
        let stat = self.look(&rel, true).unwrap_or(None);
        match stat {
            Some(stat) if stat.is_dir() => Ok(()),
            Some(_) if self.plan.ignore_existing => Ok(()),
            Some(stat) => {
                if self.make_way(&rel, stat.mode, "directory")? {
                    self.make_early(&rel);
                } else {
                    self.contents_skipped();
                    self.skip_below(&rel);
                }
                Ok(())
            }
            None => {
                self.make_early(&rel);
                Ok(())
            }
        }
    }

    fn make_early(&mut self, rel: &[u8]) {
        match self.dest.root.mkdir(rel, 0o700) {
            Ok(()) => self.created_early(),
            // It is tried again at its own place, and an error is reported there. Its parent may be finished by then.
            Err(_) => self.made_late = true,
        }
    }

    /// A directory at the place of its own contents. `contents` is the list that holds them. `None`: it failed, and
    /// what is below it is skipped.
    pub(super) fn directory(
        &mut self,
        segment: &Arc<Segment>,
        i: usize,
        ndx: i32,
        created: bool,
        contents: &Arc<Segment>,
    ) -> Result<Option<Touch>> {
        let rel = self.dest.name(segment, i);
        debug!(self.report, genr >= 1; "recv_generator(", &rel, ",", ndx, ")");
        let created = created || self.dest.created && rel == b".";
        let entry = *segment.entry(i);
        if self.daemon_refuses(&rel, true) {
            self.contents_skipped();
            self.skip_below(&rel);
            return Ok(None);
        }
        let found = match self.look(&rel, true) {
            Ok(found) => found,
            // Below a link that stays (`--ignore-existing`) it is making it that fails (observed).
            Err(error) if self.plan.ignore_existing && error.raw_os_error() == Some(40) => None,
            Err(error) => {
                self.report.check()?;
                let text = [b"recv_generator: failed to stat ".as_slice(), &self.dest.display(&rel)].concat();
                self.report.sys_error(Role::Generator, text, &error);
                self.skip_below(&rel);
                return Ok(None);
            }
        };
        if entry.has(eflag::IMPLIED) && !self.plan.implied_dirs {
            // Only a place on the way: made when something below needs it.
            return Ok(Some(self.untouched(segment, i, ndx, &rel, found.as_ref())));
        }
        if self.plan.existing && found.is_none() {
            self.not_creating(&rel, true);
            self.skip_below(&rel);
            return Ok(None);
        }
        if self.plan.ignore_existing && found.is_some_and(|s| !s.is_dir()) {
            // What is below it is tried all the same, and fails (observed).
            self.exists_note(segment, i, &rel, found.as_ref());
            if self.plan.delete_during() && self.plan.inc_recurse && found.is_some_and(|s| !s.is_symlink()) {
                self.deleter.not_a_directory(&rel);
            }
            return Ok(Some(self.untouched(segment, i, ndx, &rel, found.as_ref())));
        }
        let mut now = found;
        if let Some(stat) = now.filter(|s| !s.is_dir()) {
            if !self.make_way(&rel, stat.mode, "directory")? {
                self.contents_skipped();
                self.skip_below(&rel);
                return Ok(None);
            }
            now = None;
        }
        if now.is_none() && self.plan.relative && !self.plan.implied_dirs && !self.dry_run {
            // Before it is asked what the parent lets a new directory have.
            self.dest.make_missing_parents(&rel);
        }
        let fresh = created || now.is_none();
        let real = if created { None } else { now };
        let mut want = self.dest.wanted(segment, i, real.as_ref());
        if fresh && !self.plan.perms {
            // A set-gid parent hands its bit down.
            if let Some(stat) = now {
                want.mode |= stat.mode & 0o2000;
            }
        }
        let mut compared = real;
        let mut place = self.dest.root.clone();
        let mut base = ItemFlags::NONE;
        if real.is_none() && self.plan.alt_dest != AltDest::None {
            if let Some((root, stat)) = self.alt_directory(segment, i, &rel) {
                place = root;
                compared = Some(stat);
                base = ItemFlags::LOCAL_CHANGE;
            }
        }
        let flags = item_flags(&self.plan, &want, compared.as_ref(), base, false);
        let flags = self.metadata_flags(&place, &rel, &want, compared.as_ref(), flags);
        if !base.is_empty() && flags == base && self.plan.info.name > 1 && !self.plan.itemize {
            self.report.info([rel.as_slice(), b"/ is uptodate"].concat());
        }
        // Of what --existing would not have made nothing is removed either.
        let unmade = self.dry_run || self.plan.existing;
        let deletes = self.plan.delete_during() && entry.has_contents() && !(unmade && real.is_none());
        // On the wire deletions are messages, which 3.5.0 writes before the item that still waits in its buffer.
        let late = deletes && real.is_some() && matches!(self.output, super::generator::Output::Wire(_));
        // Without --perms a module's incoming chmod still changes what is there, which no item shows.
        let chmod = !self.plan.daemon_chmod.is_empty() && compared.is_some_and(|s| (s.mode ^ want.mode) & 0o7777 != 0);
        let logged = flags | ItemFlags::PERMS.when(chmod);
        items::log_made(&self.report, segment, i, logged, None);
        if !late {
            self.pass_item(segment, i, ndx, flags, None)?;
        }
        if now.is_none() && !self.dry_run {
            let mut result = self.dest.root.mkdir(&rel, self.dest.real_mode(want.mode) & 0o7777);
            if matches!(&result, Err(e) if missing(e)) && self.plan.relative {
                self.dest.make_parents(&rel);
                result = self.dest.root.mkdir(&rel, self.dest.real_mode(want.mode) & 0o7777);
            }
            if let Err(error) = result {
                if error.raw_os_error() != Some(17) {
                    let text = [
                        b"recv_generator: mkdir ".as_slice(),
                        &self.dest.display(&rel),
                        b" failed",
                    ]
                    .concat();
                    self.report.sys_error(Role::Generator, text, &error);
                    self.contents_skipped();
                    self.skip_below(&rel);
                    return Ok(None);
                }
            }
            if self.plan.existing {
                // Not made before its parent was settled, as others are.
                self.retouch_parent(&rel);
            }
            match self.dest.lstat(&rel) {
                Ok(stat) => now = Some(stat),
                Err(error) => {
                    self.report.check()?;
                    self.dest.sys_error("stat", &rel, &error);
                }
            }
            if !self.plan.perms {
                if let Some(stat) = now {
                    want.mode |= stat.mode & 0o2000;
                }
            }
        }
        let before = real.map(|s| s.mtime_pair());
        let mut widened = false;
        if let Some(stat) = now.filter(|_| !self.dry_run) {
            let settled = if real.is_some() { want.settled(flags) } else { want };
            let ours = self
                .dest
                .set_attrs(
                    &rel,
                    &settled,
                    &stat,
                    SetTimes {
                        exact: false,
                        skip: true,
                    },
                )
                .is_some();
            if !ours && real.is_none() && rel != b"." {
                // What can't be given away stays as it was made: for its owner alone where a time is kept.
                let bits = if keeps_time(&self.plan, want.mode) {
                    0o700
                } else {
                    0o7777
                };
                if let Err(error) = self.dest.root.chmod(&rel, want.mode & bits) {
                    let text = [b"failed to set permissions on ".as_slice(), &self.dest.display(&rel)].concat();
                    self.report.sys_error(Role::Generator, text, &error);
                }
            }
            if !self.plan.root_like() && want.mode & 0o700 != 0o700 {
                match self.dest.root.chmod(&rel, want.mode | 0o700) {
                    Ok(()) => widened = true,
                    Err(error) => {
                        let text = [b"failed to modify permissions on ".as_slice(), &self.dest.display(&rel)].concat();
                        self.report.sys_error(Role::Generator, text, &error);
                    }
                }
            }
        }
        if deletes {
            let delay = self.plan.delete == DeleteWhen::Delay;
            let contents = Arc::clone(contents);
            self.delete_in(&rel, &contents, delay)?;
        }
        if late {
            self.pass_item(segment, i, ndx, flags, None)?;
        }
        Ok(Some(Touch {
            number: ndx,
            rel,
            want,
            before,
            times: true,
            // What may be written stays open to its owner: that it could be read back is worth more (observed).
            mode: widened && want.mode & 0o200 == 0,
        }))
    }

    /// A directory that is left as it is found.
    fn untouched(&self, segment: &Segment, i: usize, ndx: i32, rel: &[u8], now: Option<&Stat>) -> Touch {
        let mut want = self.dest.wanted(segment, i, now);
        if let Some(stat) = now {
            want.mode = stat.mode;
            (want.mtime, want.mtime_nsec) = stat.mtime_pair();
        }
        Touch {
            number: ndx,
            rel: rel.to_vec(),
            want,
            before: None,
            times: false,
            mode: false,
        }
    }
}

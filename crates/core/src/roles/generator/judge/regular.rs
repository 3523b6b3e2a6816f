//! Regular files: whether they need data, and from what basis (spec: transfer 3.4).

use super::alternates::AltFile;
use super::{Effects, Judge};
use crate::error::{bail, Result};
use crate::flist::At;
use crate::plan::AltDest;
use crate::report::json::Skip;
use crate::report::say::text;
use crate::roles::compare::Wanted;
use crate::roles::dest::SetTimes;
use crate::roles::words::request::{Basis, BasisKind, Request};
use crate::tree::{Root, Stat};
use crate::wire::item::ItemFlags;

impl Judge {
    /// Judge a regular file whose data did not verify.
    pub(crate) fn regular_again(&mut self, fx: &mut dyn Effects, at: &At) -> Result<()> {
        let rel = self.name(at);
        match self.look(&rel, false) {
            Ok(found) => self.regular(fx, at, rel, found, true),
            Err(error) => {
                self.report_stat_failed(&rel, &error)?;
                self.pass_over(fx, at)
            }
        }
    }

    /// Judge a regular file; `found` is what is at the name, `redo` that this is the second request for its data.
    pub(super) fn regular(
        &mut self,
        fx: &mut dyn Effects,
        at: &At,
        rel: Vec<u8>,
        mut found: Option<Stat>,
        redo: bool,
    ) -> Result<()> {
        if !redo && self.is_excluded(at, &rel, found.as_ref()) {
            return self.pass_over(fx, at);
        }
        let replaced = found.filter(|s| !s.is_dir());
        let writes_device = self.plan.write.write_devices && found.is_some_and(|s| s.is_device());
        if let Some(stat) = found.filter(|s| !s.is_file() && !writes_device) {
            if !self.make_way(&rel, stat.mode, "regular file")? {
                return self.pass_over(fx, at);
            }
            found = None;
        }
        let mut alternate = None;
        let mut compared = found;
        if self.plan.select.alt_dest != AltDest::None && !redo {
            match self.alt_regular(fx, at, &rel, found, replaced)? {
                AltFile::Done { here } => return self.done_from_alternate(fx, at, here),
                AltFile::Basis(basis, stat) if found.is_none() => {
                    compared = Some(stat);
                    // --append continues the file at the name. With another basis the sender would take the size of
                    // the basis for the size of that file, and send nothing if it is too long.
                    alternate = Some(basis).filter(|_| self.plan.write.append == 0);
                }
                AltFile::Basis(..) | AltFile::Nothing => {}
            }
        }
        let partial = self.partial_copy(&rel);
        let want = self.wanted(at, found.as_ref());
        if let (Some(stat), false, false) = (found, writes_device, redo) {
            let root = self.dest.root.clone();
            if self.same_content(at, &root, &rel, &stat) {
                if partial.is_some() && !self.idle {
                    self.dest.drop_partial(&rel);
                }
                return self.keep_regular(fx, at, &rel, &stat, want);
            }
            if self.plan.write.append > 0 && stat.size >= at.entry().len {
                return self.link_ready(fx, at);
            }
        }
        let basis = self.basis_of(at, &rel, found.as_ref(), partial, alternate);
        if !self.idle && self.dest.partial_is_outside(&rel) {
            let name = String::from_utf8_lossy(&rel).into_owned();
            bail!(Protocol; "rsync: refusing unconfined partial basis for {name}");
        }
        let mut iflags = ItemFlags::TRANSFER;
        // At the second request nothing is compared (observed).
        if self.plan.select.checksum && compared.is_some() && !redo {
            iflags |= ItemFlags::CHANGE;
        }
        let place = basis
            .as_ref()
            .filter(|b| found.is_none() && matches!(b.kind, BasisKind::Alternate(_)))
            .map_or(&self.dest.root, |b| &b.root);
        let iflags = self.flags(place, &rel, &want, compared.as_ref(), iflags, false);
        self.links.start(at);
        let request = Request {
            at: at.clone(),
            rel,
            iflags,
            basis,
            redo,
            exists: found,
        };
        fx.request(self, request)
    }

    /// Whether the size or the age of a file excludes it from the transfer; reports it.
    fn is_excluded(&self, at: &At, rel: &[u8], found: Option<&Stat>) -> bool {
        let (entry, plan) = (at.entry(), &self.plan);
        let is_newer = |stat: &Stat| entry.mtime.saturating_sub(stat.mtime) < plan.select.modify_window;
        let (why, line) = if plan.select.max_size.is_some_and(|max| entry.len > max) {
            (Skip::Size, " is over max-size")
        } else if plan.select.min_size.is_some_and(|min| entry.len < min) {
            (Skip::Size, " is under min-size")
        } else if plan.select.update && found.is_some_and(|stat| stat.is_file() && is_newer(stat)) {
            (Skip::Newer, " is newer")
        } else {
            return false;
        };
        self.skip(rel, false, why, &text![rel, line]);
        true
    }

    /// The alternate directories had all that is needed. `here`: the file is in the destination now.
    fn done_from_alternate(&mut self, fx: &mut dyn Effects, at: &At, here: bool) -> Result<()> {
        if here {
            self.link_ready(fx, at)?;
        } else {
            // Nothing is here that other names could be linked to.
            self.pass_over(fx, at)?;
        }
        self.succeeded_unsent(fx, at)
    }

    /// The file in the partial directory.
    fn partial_copy(&self, rel: &[u8]) -> Option<(Root, Vec<u8>, Stat)> {
        let (root, name) = self.dest.partial_name(rel)?;
        let stat = root.lstat(&name).ok().filter(Stat::is_file)?;
        Some((root, name, stat))
    }

    /// The file that a delta may be made against.
    fn basis_of(
        &mut self,
        at: &At,
        rel: &[u8],
        found: Option<&Stat>,
        partial: Option<(Root, Vec<u8>, Stat)>,
        alternate: Option<Basis>,
    ) -> Option<Basis> {
        let (kind, root, name, stat) = match (partial, found) {
            (Some((root, name, stat)), _) => (BasisKind::Partial, root, name, stat),
            (None, Some(stat)) => (BasisKind::Itself, self.dest.root.clone(), rel.to_vec(), *stat),
            (None, None) if alternate.is_none() && self.plan.select.fuzzy > 0 && self.plan.write.append == 0 => {
                return self.fuzzy_basis(at, rel);
            }
            (None, None) => return alternate,
        };
        Some(Basis::new(kind, root, name, stat.size))
    }

    /// A file whose content is right: only its attributes are set.
    fn keep_regular(&mut self, fx: &mut dyn Effects, at: &At, rel: &[u8], stat: &Stat, want: Wanted) -> Result<()> {
        let flags = self.flags(&self.dest.root, rel, &want, Some(stat), ItemFlags::NONE, false);
        let times = SetTimes {
            exact: self.plan.select.checksum,
            skip: false,
        };
        self.dest.set_attrs(rel, &want.compared(flags), stat, times);
        let flags = self.without_mode_of_acl(rel, &want, stat, flags);
        let flags = self.after_chown(rel, &want, stat, flags);
        self.keep(fx, at, flags)
    }

    /// Giving away a file with set-id bits clears them, so rsync looks at it again: the owner is then right, and the
    /// mode is not if it is to have other bits than those that are left (observed).
    pub(super) fn after_chown(&self, rel: &[u8], want: &Wanted, before: &Stat, flags: ItemFlags) -> ItemFlags {
        let ids = ItemFlags::OWNER | ItemFlags::GROUP;
        if !flags.intersects(ids) || before.mode & 0o6000 == 0 || self.idle || self.plan.place.fake_super {
            return flags;
        }
        if !self.plan.output.itemize {
            // The line that only has the name counts the change of owner (observed).
            return flags;
        }
        let owners = |stat: &Stat| (stat.uid, stat.gid);
        if (self.dest.root.lstat(rel)).is_ok_and(|after| owners(&after) == owners(before)) {
            // It could not be given away.
            return flags;
        }
        let set_group = if before.mode & 0o010 == 0 { 0 } else { 0o2000 };
        let left = before.mode & !(0o4000 | set_group);
        let perms = self.plan.attrs.perms && (left ^ want.mode) & 0o7777 != 0;
        (flags - ids - ItemFlags::PERMS) | ItemFlags::PERMS.when(perms)
    }

    /// A new ACL brings its mode along, which is not reported as a change of its own (observed).
    fn without_mode_of_acl(&self, rel: &[u8], want: &Wanted, before: &Stat, flags: ItemFlags) -> ItemFlags {
        let both = ItemFlags::ACL | ItemFlags::PERMS;
        if !flags.contains(both) || self.idle || (before.mode ^ want.mode) & 0o7000 != 0 {
            return flags;
        }
        match self.dest.lstat(rel) {
            Ok(now) if now.mode & 0o777 == want.mode & 0o777 => flags - ItemFlags::PERMS,
            _ => flags,
        }
    }
}

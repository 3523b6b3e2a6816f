//! Regular files: whether they need data, and from what basis (spec: transfer 3.4).

use std::sync::Arc;

use super::compare::{item_flags, same_time, Wanted};
use super::dest::SetTimes;
use super::generator::{Generator, Request};
use crate::error::{Error, Result};
use crate::flist::Segment;
use crate::plan::AltDest;
use crate::role::Role;
use crate::tree::Stat;
use crate::wire::item::ItemFlags;

impl Generator {
    /// Size and content look the same as what is listed.
    pub(super) fn quick_check(
        &mut self,
        segment: &Segment,
        i: usize,
        root: &crate::tree::Root,
        name: &[u8],
        stat: &Stat,
    ) -> bool {
        let entry = segment.entry(i);
        if stat.size != entry.len {
            return false;
        }
        if self.plan.checksum {
            let Some(listed) = segment.checksum(i) else {
                return false;
            };
            // What can't be read has a sum of zeros, here as at the sender (observed).
            let sum = root
                .open_read(name, false)
                .and_then(|mut file| super::scan::sum_file(&mut file, self.plan.file_sum, &mut self.buffer));
            return sum.map_or_else(|_| listed.iter().all(|&b| b == 0), |sum| sum.starts_with(listed));
        }
        if self.plan.size_only {
            return true;
        }
        if self.plan.ignore_times {
            return false;
        }
        same_time(
            self.plan.modify_window,
            (entry.mtime, entry.mtime_nsec),
            stat.mtime_pair(),
        )
    }

    pub(super) fn regular_again(&mut self, segment: &Arc<Segment>, i: usize, ndx: i32) -> Result<()> {
        let rel = self.dest.name(segment, i);
        let found = match self.look(&rel, false) {
            Ok(found) => found,
            Err(error) => {
                self.report.check()?;
                let text = [b"recv_generator: failed to stat ".as_slice(), &self.dest.display(&rel)].concat();
                self.report.sys_error(Role::Generator, text, &error);
                return self.hlink_skipped(segment, i);
            }
        };
        self.regular(segment, i, ndx, rel, found, true)
    }

    pub(super) fn regular(
        &mut self,
        segment: &Arc<Segment>,
        i: usize,
        ndx: i32,
        rel: Vec<u8>,
        found: Option<Stat>,
        redo: bool,
    ) -> Result<()> {
        let entry = *segment.entry(i);
        let plan = Arc::clone(&self.plan);
        if !redo {
            if plan.max_size.is_some_and(|max| entry.len > max) {
                self.skip_note(&[rel.as_slice(), b" is over max-size"].concat());
                return self.hlink_skipped(segment, i);
            }
            if plan.min_size.is_some_and(|min| entry.len < min) {
                self.skip_note(&[rel.as_slice(), b" is under min-size"].concat());
                return self.hlink_skipped(segment, i);
            }
            if plan.update {
                if let Some(stat) = found.filter(Stat::is_file) {
                    if entry.mtime.saturating_sub(stat.mtime) < plan.modify_window {
                        self.skip_note(&[rel.as_slice(), b" is newer"].concat());
                        return self.hlink_skipped(segment, i);
                    }
                }
            }
        }
        let replaced = found.filter(|s| !s.is_dir());
        let mut found = found;
        let writes_device = plan.write_devices && found.is_some_and(|s| s.is_device());
        if let Some(stat) = found.filter(|s| !s.is_file() && !writes_device) {
            if !self.make_way(&rel, stat.mode, "regular file")? {
                return self.hlink_skipped(segment, i);
            }
            found = None;
        }
        // ---- alternate directories
        let mut alt_basis = None;
        let mut compared = found;
        if plan.alt_dest != AltDest::None && !redo {
            match self.alt_regular(segment, i, ndx, &rel, found, replaced)? {
                super::basis::AltFile::Settled { here } => {
                    if here {
                        self.link_ready(segment, i, ndx)?;
                    } else {
                        // Nothing is here that the others could be linked to.
                        self.hlink_skipped(segment, i)?;
                    }
                    if plan.remove_source_files {
                        self.succeeded(segment, i, ndx, false)?;
                    }
                    return Ok(());
                }
                super::basis::AltFile::Basis(basis, stat) => {
                    if found.is_none() {
                        compared = Some(stat);
                        // To append is to go on with what is at the name itself. With any other basis the sender takes
                        // the size of that for what is here, and sends nothing if it is too long.
                        alt_basis = Some(basis).filter(|_| plan.append == 0);
                    }
                }
                super::basis::AltFile::Nothing => {}
            }
        }
        // ---- the partial copy
        let mut partial = None;
        if let Some((root, name)) = self.dest.partial_name(&rel) {
            if let Ok(stat) = root.lstat(&name) {
                if stat.is_file() {
                    partial = Some((root, name, stat));
                }
            }
        }
        let want = self.dest.wanted(segment, i, found.as_ref());
        if let (Some(stat), false) = (found, writes_device) {
            let root = self.dest.root.clone();
            if !redo && self.quick_check(segment, i, &root, &rel, &stat) {
                if partial.is_some() && !self.dry_run {
                    self.dest.drop_partial(&rel);
                }
                let flags = item_flags(&plan, &want, Some(&stat), ItemFlags::NONE, false);
                let flags = self.metadata_flags(&root, &rel, &want, Some(&stat), flags);
                let exact = plan.checksum;
                self.dest
                    .set_attrs(&rel, &want.settled(flags), &stat, SetTimes { exact, skip: false });
                let flags = self.without_mode_of_acl(&rel, &want, &stat, flags);
                let flags = self.after_chown(&want, &stat, flags);
                self.item(segment, i, ndx, flags, None)?;
                self.link_told(segment, i, flags);
                self.link_ready(segment, i, ndx)?;
                if plan.remove_source_files {
                    self.succeeded(segment, i, ndx, false)?;
                }
                return Ok(());
            }
            if !redo && plan.append > 0 && stat.size >= entry.len {
                self.link_ready(segment, i, ndx)?;
                return Ok(());
            }
        }
        // ---- a request
        let mut basis = alt_basis;
        if let Some((root, name, stat)) = partial {
            basis = Some(super::generator::Basis {
                kind: super::generator::basis::PARTIAL,
                root,
                name,
                size: stat.size,
                xname: None,
            });
        } else if let Some(stat) = found {
            basis = Some(super::generator::Basis {
                kind: super::generator::basis::ITSELF,
                root: self.dest.root.clone(),
                name: rel.clone(),
                size: stat.size,
                xname: None,
            });
        } else if basis.is_none() && plan.fuzzy > 0 && plan.append == 0 {
            basis = self.fuzzy_basis(segment, i, &rel);
        }
        if !self.dry_run && self.dest.partial_is_outside(&rel) {
            let name = String::from_utf8_lossy(&rel).into_owned();
            return Err(Error::Protocol(format!(
                "rsync: refusing unconfined partial basis for {name}"
            )));
        }
        let mut flags = ItemFlags::TRANSFER;
        // Asked for again, nothing is compared (observed).
        if plan.checksum && compared.is_some() && !redo {
            flags |= ItemFlags::CHANGE;
        }
        let flags = item_flags(&plan, &want, compared.as_ref(), flags, false);
        let place = basis
            .as_ref()
            .filter(|b| found.is_none() && b.kind < 0x80)
            .map_or(&self.dest.root, |b| &b.root);
        let flags = self.metadata_flags(place, &rel, &want, compared.as_ref(), flags);
        self.link_requested(segment, i);
        let request = Request {
            segment: Arc::clone(segment),
            i,
            ndx,
            rel,
            iflags: flags,
            basis,
            redo,
            exists: found,
        };
        self.request(request)
    }

    /// Giving away a file with set-id bits clears them, so it is looked at again: the owner is then right and the mode is
    /// not (observed).
    pub(super) fn after_chown(&self, want: &Wanted, before: &Stat, flags: ItemFlags) -> ItemFlags {
        let ids = ItemFlags::OWNER | ItemFlags::GROUP;
        if !flags.intersects(ids) || before.mode & 0o6000 == 0 || self.dry_run || self.plan.fake_super {
            return flags;
        }
        let perms = self.plan.perms && want.mode & 0o6000 != 0;
        (flags - ids) | ItemFlags::PERMS.when(perms)
    }

    /// A new ACL has brought the mode along: that is not told as a change of its own (observed).
    fn without_mode_of_acl(&self, rel: &[u8], want: &Wanted, before: &Stat, flags: ItemFlags) -> ItemFlags {
        let both = ItemFlags::ACL | ItemFlags::PERMS;
        if !flags.contains(both) || self.dry_run || (before.mode ^ want.mode) & 0o7000 != 0 {
            return flags;
        }
        match self.dest.lstat(rel) {
            Ok(now) if now.mode & 0o777 == want.mode & 0o777 => flags - ItemFlags::PERMS,
            _ => flags,
        }
    }
}

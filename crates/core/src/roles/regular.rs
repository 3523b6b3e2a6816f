//! Regular files: whether they need data, and from what basis (spec: transfer 3.4).

use std::sync::Arc;

use super::compare::{item_flags, same_time, Wanted};
use super::dest::SetTimes;
use super::generator::Generator;
use super::words::request::{Basis, BasisKind, Request};
use super::words::At;
use crate::error::{Error, Result};
use crate::plan::AltDest;
use crate::report::item::iflag;
use crate::tree::Stat;

impl Generator {
    /// Size and content look the same as what is listed.
    pub(super) fn quick_check(&mut self, at: &At, root: &crate::tree::Root, name: &[u8], stat: &Stat) -> bool {
        let entry = at.entry();
        if stat.size != entry.len {
            return false;
        }
        if self.plan.checksum {
            let Some(listed) = at.checksum() else {
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

    pub(super) fn regular_again(&mut self, at: &At) -> Result<()> {
        let rel = self.name(at);
        let found = match self.look(&rel, false) {
            Ok(found) => found,
            Err(error) => {
                self.report.check()?;
                let text = [b"recv_generator: failed to stat ".as_slice(), &self.dest.display(&rel)].concat();
                self.report.sys_error("generator", text, &error);
                return self.hlink_skipped(at);
            }
        };
        self.regular(at, rel, found, true)
    }

    pub(super) fn regular(&mut self, at: &At, rel: Vec<u8>, found: Option<Stat>, redo: bool) -> Result<()> {
        let entry = *at.entry();
        let plan = Arc::clone(&self.plan);
        if !redo {
            if plan.max_size.is_some_and(|max| entry.len > max) {
                self.skip_note(&[rel.as_slice(), b" is over max-size"].concat());
                return self.hlink_skipped(at);
            }
            if plan.min_size.is_some_and(|min| entry.len < min) {
                self.skip_note(&[rel.as_slice(), b" is under min-size"].concat());
                return self.hlink_skipped(at);
            }
            if plan.update {
                if let Some(stat) = found.filter(Stat::is_file) {
                    if entry.mtime.saturating_sub(stat.mtime) < plan.modify_window {
                        self.skip_note(&[rel.as_slice(), b" is newer"].concat());
                        return self.hlink_skipped(at);
                    }
                }
            }
        }
        let replaced = found.filter(|s| !s.is_dir());
        let mut found = found;
        let writes_device = plan.write_devices && found.is_some_and(|s| s.is_device());
        if let Some(stat) = found.filter(|s| !s.is_file() && !writes_device) {
            if !self.make_way(&rel, stat.mode, "regular file")? {
                return self.hlink_skipped(at);
            }
            found = None;
        }
        // ---- alternate directories
        let mut alt_basis = None;
        let mut compared = found;
        if plan.alt_dest != AltDest::None && !redo {
            match self.alt_regular(at, &rel, found, replaced)? {
                super::basis::AltFile::Settled { here } => {
                    if here {
                        self.link_ready(at)?;
                    } else {
                        // Nothing is here that the others could be linked to.
                        self.hlink_skipped(at)?;
                    }
                    if plan.remove_source_files {
                        self.succeeded(at, false)?;
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
        let want = self.wanted(at, found.as_ref());
        if let (Some(stat), false) = (found, writes_device) {
            let root = self.dest.root.clone();
            if !redo && self.quick_check(at, &root, &rel, &stat) {
                if partial.is_some() && !self.dry_run {
                    self.dest.drop_partial(&rel);
                }
                let flags = item_flags(&plan, &want, Some(&stat), 0, false);
                let flags = self.metadata_flags(&root, &rel, &want, Some(&stat), flags);
                let exact = plan.checksum;
                self.dest
                    .set_attrs(&rel, &want.settled(flags), &stat, SetTimes { exact, skip: false });
                let flags = self.without_mode_of_acl(&rel, &want, &stat, flags);
                let flags = self.after_chown(&want, &stat, flags);
                self.item(at, flags, None)?;
                self.link_told(at, flags);
                self.link_ready(at)?;
                if plan.remove_source_files {
                    self.succeeded(at, false)?;
                }
                return Ok(());
            }
            if !redo && plan.append > 0 && stat.size >= entry.len {
                self.link_ready(at)?;
                return Ok(());
            }
        }
        // ---- a request
        let mut basis = alt_basis;
        if let Some((root, name, stat)) = partial {
            basis = Some(Basis {
                kind: BasisKind::Partial,
                root,
                name,
                size: stat.size,
                xname: None,
            });
        } else if let Some(stat) = found {
            basis = Some(Basis {
                kind: BasisKind::Itself,
                root: self.dest.root.clone(),
                name: rel.clone(),
                size: stat.size,
                xname: None,
            });
        } else if basis.is_none() && plan.fuzzy > 0 && plan.append == 0 {
            basis = self.fuzzy_basis(at, &rel);
        }
        if !self.dry_run && self.dest.partial_is_outside(&rel) {
            let name = String::from_utf8_lossy(&rel).into_owned();
            return Err(Error::Protocol(format!(
                "rsync: refusing unconfined partial basis for {name}"
            )));
        }
        let mut flags = iflag::TRANSFER;
        // Asked for again, nothing is compared (observed).
        if plan.checksum && compared.is_some() && !redo {
            flags |= iflag::CHANGE;
        }
        let flags = item_flags(&plan, &want, compared.as_ref(), flags, false);
        let place = basis
            .as_ref()
            .filter(|b| found.is_none() && matches!(b.kind, BasisKind::Alternate(_)))
            .map_or(&self.dest.root, |b| &b.root);
        let flags = self.metadata_flags(place, &rel, &want, compared.as_ref(), flags);
        self.link_requested(at);
        let request = Request {
            at: at.clone(),
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
    pub(super) fn after_chown(&self, want: &Wanted, before: &Stat, flags: u16) -> u16 {
        let ids = iflag::OWNER | iflag::GROUP;
        if flags & ids == 0 || before.mode & 0o6000 == 0 || self.dry_run || self.plan.fake_super {
            return flags;
        }
        let perms = self.plan.perms && want.mode & 0o6000 != 0;
        flags & !ids | if perms { iflag::PERMS } else { 0 }
    }

    /// A new ACL has brought the mode along: that is not told as a change of its own (observed).
    fn without_mode_of_acl(&self, rel: &[u8], want: &Wanted, before: &Stat, flags: u16) -> u16 {
        let both = iflag::ACL | iflag::PERMS;
        if flags & both != both || self.dry_run || (before.mode ^ want.mode) & 0o7000 != 0 {
            return flags;
        }
        match self.dest.lstat(rel) {
            Ok(now) if now.mode & 0o777 == want.mode & 0o777 => flags & !iflag::PERMS,
            _ => flags,
        }
    }
}

//! The attributes that an entry is to have here, and setting them (spec: transfer 5).

use std::fs::File;
use std::io;

use rustix::io::Errno;

use super::{Dest, SetTimes};
use crate::error::IoErrorExt as _;
use crate::flist::{eflag, At};
use crate::report::debug::debug;
use crate::roles::compare::{dest_mode, keeps_time, same_time, Wanted};
use crate::roles::metadata::Place;
use crate::roles::text::messages;

use crate::report::say::text;
use crate::tree::mode::{is_dir, is_link};
use crate::tree::{attrs, Atime, Pin, Root, Stat};

impl Dest {
    /// The permissions that the umask, or the parent's default ACL, allows a new file.
    fn default_perms(&self, at: &At) -> u32 {
        if self.void {
            return 0o777 & !self.plan.place.umask;
        }
        self.metadata.default_perms(&self.root, &self.name(at))
    }

    /// The attributes that an entry is to have here.
    pub(crate) fn wanted(&self, at: &At, exists: Option<&Stat>) -> Wanted {
        let (entry, list, i) = (at.entry(), at.list(), at.i());
        let plan = &self.plan;
        let mut listed = entry.mode;
        if !is_link(listed) && !self.chmod.is_empty() {
            listed = self.chmod.apply(listed, plan.place.umask);
        }
        let fresh = !plan.attrs.perms && exists.is_none();
        let allowed = if fresh { self.default_perms(at) } else { 0o777 };
        let mut mode = dest_mode(plan, listed, exists.map(|s| s.mode), allowed);
        if !is_link(mode) && !self.incoming.is_empty() {
            mode = self.incoming.apply(mode, plan.place.umask);
            if plan.attrs.perms {
                listed = mode;
            }
        }
        let (uid, gid) = self.metadata.local_ids(entry.uid, entry.gid);
        let gid = (!entry.has(eflag::SKIP_GROUP)
            && (plan.place.root_like() || plan.place.groups.contains(&gid) || gid == self.effective.1))
            .then_some(gid);
        let (acl, default_acl) = if plan.attrs.acls { list.acl(i) } else { (None, None) };
        Wanted {
            mode,
            listed_mode: listed,
            len: entry.len,
            mtime: entry.mtime,
            mtime_nsec: entry.mtime_nsec,
            atime: if plan.attrs.atimes > 0 { list.atime(i) } else { 0 },
            atime_nsec: 0,
            crtime: plan.attrs.crtimes.then(|| list.crtime(i)),
            uid,
            gid,
            rdev: at.rdev(),
            acl,
            default_acl,
            xattrs: if plan.attrs.xattrs > 0 { at.xattrs() } else { None },
            acl_equal: false,
            xattrs_equal: false,
        }
    }

    /// The file whose mode a new one takes without --perms: one that can't be read does not count (observed).
    pub fn model(&self, root: &Root, name: &[u8]) -> Option<Stat> {
        let readable = self.plan.place.am_root || root.open_read(name, Atime::Update).is_ok();
        // A directory may have replaced a similar file since.
        readable.then(|| root.lstat(name).ok()).flatten().filter(Stat::is_file)
    }

    /// The owner of a new file, if it is not the user of this process.
    pub fn foreign_owner(&self, want: &Wanted) -> Option<u32> {
        let changes = self.plan.place.changes_owners() && self.plan.attrs.owner;
        (changes && want.uid != self.effective.0).then_some(want.uid)
    }

    fn ids_to_set(&self, want: &Wanted, now: &Stat) -> (Option<u32>, Option<u32>) {
        let plan = &self.plan;
        if plan.place.fake_super {
            return (None, None);
        }
        let uid = (plan.place.am_root && plan.attrs.owner && want.uid != now.uid).then_some(want.uid);
        let gid = want.gid.filter(|&gid| plan.attrs.group && gid != now.gid);
        (uid, gid)
    }

    /// The root itself is shown with a dot when it is an entry.
    fn display_entry(&self, rel: &[u8]) -> Vec<u8> {
        if rel != b"." {
            return self.display(rel);
        }
        let mut path = self.root.display(rel);
        if path.last() != Some(&b'/') {
            path.push(b'/');
        }
        path.push(b'.');
        self.report.quoted(&path)
    }

    /// Report that a change of owner failed. `true` when the other attributes can be set all the same.
    fn chown_failed(&self, shown: &[u8], want: &Wanted, uid: Option<u32>, error: &io::Error) -> bool {
        let impossible: &[u8] = match (uid, want.gid) {
            (Some(u32::MAX), _) => b"uid 4294967295 (-1) is impossible to set on ",
            (_, Some(u32::MAX)) => b"gid 4294967295 (-1) is impossible to set on ",
            _ => {
                let verb: &[u8] = if uid.is_some() { b"chown " } else { b"chgrp " };
                self.report.sys_error(self.role, text![verb, shown, " failed"], error);
                return false;
            }
        };
        self.report.error_xfer([impossible, shown].concat());
        true
    }

    /// Report owners that change, for `--debug=OWN`.
    fn report_ids(&self, rel: &[u8], now: &Stat, uid: Option<u32>, gid: Option<u32>) {
        if let Some(uid) = uid.filter(|&uid| uid != now.uid) {
            debug!(self.report, own >= 1; "set uid of ", rel, " from ", now.uid, " to ", uid);
        }
        if let Some(gid) = gid.filter(|&gid| gid != now.gid) {
            debug!(self.report, own >= 1; "set gid of ", rel, " from ", now.gid, " to ", gid);
        }
    }

    /// Hold the entry `rel` while its attributes are set. A symlink that took its place meanwhile gives ELOOP: with the
    /// owner of the entry, paths of the operator would follow it (spec: transfer 16.2). `None`: the entry is a symlink, or
    /// one that stands for a directory with `--keep-dirlinks`, or it cannot be held, and the calls by name say why.
    pub(in crate::roles) fn hold(&self, rel: &[u8], want: &Wanted) -> io::Result<Option<Pin>> {
        if is_link(want.mode) && !self.plan.place.fake_super {
            return Ok(None);
        }
        match self.root.pin_entry(rel) {
            Ok(pin) => Ok(Some(pin)),
            Err(error) if error.is(Errno::LOOP) && !(self.plan.attrs.keep_dirlinks && is_dir(want.mode)) => {
                // Also of a parent: then there is nothing to set, by any name.
                Err(error)
            }
            Err(_) => Ok(None),
        }
    }

    /// Set the attributes of an existing file. `Some(true)` when one was changed; `None` when the file can't be given to
    /// its owner, or is a symlink by now, which is reported: then nothing else is set.
    pub fn set_attrs(&self, rel: &[u8], want: &Wanted, now: &Stat, times: SetTimes) -> Option<bool> {
        let plan = &self.plan;
        if plan.idle() {
            if plan.output.debug.own > 0 {
                let (uid, gid) = self.ids_to_set(want, now);
                self.report_ids(rel, now, uid, gid);
            }
            return Some(false);
        }
        let (mut changed, mut new_xattrs) = (false, false);
        let mut mode_now = now.mode;
        let (uid, gid) = self.ids_to_set(want, now);
        let new_owner = uid.is_some() || gid.is_some();
        let sets_xattrs = plan.attrs.xattrs > 0 && !want.xattrs_equal;
        // Only the owner and attributes of root's can be set on a symlink at all.
        let held = if new_owner || sets_xattrs {
            match self.hold(rel, want) {
                Ok(held) => held,
                Err(error) => {
                    if new_owner {
                        self.chown_failed(&self.display_entry(rel), want, uid, &error);
                    } else {
                        self.report_names_failed(rel, &error);
                    }
                    return None;
                }
            }
        } else {
            None
        };
        let place = held.as_ref().map_or(Place::Name(&self.root, rel), Place::Pinned);
        if plan.place.fake_super {
            changed |= self.keep_fake(place, rel, want);
            mode_now = self.root.lstat(rel).map_or(mode_now, |s| s.mode);
        }
        self.report_ids(rel, now, uid, gid);
        if new_owner {
            match place.chown(uid, gid) {
                Ok(()) => {
                    changed = true;
                    if now.mode & 0o6000 != 0 {
                        mode_now = place.stat().map_or(now.mode & !0o6000, |s| s.mode);
                    }
                }
                Err(error) => {
                    // A process that can't give the file away can't set the rest either.
                    if !self.chown_failed(&self.display_entry(rel), want, uid, &error) {
                        return None;
                    }
                }
            }
        }
        if sets_xattrs {
            new_xattrs = self.set_xattrs(place, rel, want, &mut mode_now);
            changed |= new_xattrs;
        }
        if !times.skip {
            let mtime = keeps_time(plan, want.mode)
                .then_some((want.mtime, want.mtime_nsec))
                .filter(|&t| {
                    if times.exact || new_xattrs {
                        t != now.mtime_pair()
                    } else {
                        !same_time(plan.select.modify_window, t, now.mtime_pair())
                    }
                });
            let atime = (plan.attrs.atimes > 0 && !is_dir(want.mode) && want.atime != now.atime)
                .then_some((want.atime, want.atime_nsec));
            if mtime.is_some() || atime.is_some() {
                match self.root.utimens(rel, mtime, atime) {
                    Ok(()) => changed = true,
                    Err(error) => {
                        let text = messages::set_times_failed(self.display_entry(rel));
                        self.report.sys_error(self.role, text, &error);
                    }
                }
            }
        }
        if plan.attrs.acls && !want.acl_equal {
            changed |= self.set_acls(place, rel, want, &mut mode_now);
        }
        // With new extended attributes the mode is set too, also without --perms (observed).
        let listed = new_xattrs && !plan.attrs.perms && !plan.place.fake_super;
        let mode = self.real_mode(if listed { want.listed_mode } else { want.mode });
        if !is_link(mode_now) && (mode_now ^ mode) & 0o7777 != 0 {
            match place.chmod(mode) {
                Ok(()) => changed = true,
                // Fake-super is for users without that right: rsync reports nothing.
                Err(_) if plan.place.fake_super => {}
                Err(error) => {
                    // A link that stands for a directory is never followed for this.
                    let link = error.is(Errno::OPNOTSUPP) && self.root.lstat(rel).is_ok_and(|s| s.is_symlink());
                    let error = if link { io::Error::from(Errno::LOOP) } else { error };
                    let text = messages::set_permissions_failed(self.display_entry(rel));
                    self.report.sys_error(self.role, text, &error);
                }
            }
        }
        Some(changed)
    }

    /// Status of an open file; `None`, with a report, when it cannot be read. Such a file keeps its first owner, mode and
    /// time, so that the next run updates it.
    fn stat_open(&self, file: &File, shown: &[u8]) -> Option<Stat> {
        match crate::tree::stat::of_file(file) {
            Ok(stat) => Some(stat),
            Err(error) => {
                let text = messages::fstat_failed(shown);
                self.report.sys_error(self.role, text, &error);
                None
            }
        }
    }

    /// Set the attributes of a file that is still open and not yet in place (or is updated in place).
    /// `temp` is its present name if it is a new temporary file. A file that can't be given its owner keeps the rest as
    /// well.
    pub fn set_attrs_open(&self, file: &File, rel: &[u8], want: &Wanted, temp: Option<&[u8]>) {
        let shown = match temp {
            Some(name) => self.report.quoted(&self.temp_root().display(name)),
            None => self.display(rel),
        };
        let plan = &self.plan;
        let mut mode_now = 0o600;
        let place = Place::Open(file);
        if plan.place.fake_super {
            let Some(now) = self.stat_open(file, &shown) else {
                return;
            };
            mode_now = now.mode & 0o7777;
            self.keep_fake(place, rel, want);
        } else if plan.attrs.owner && plan.place.am_root || plan.attrs.group || temp.is_none() {
            let Some(now) = self.stat_open(file, &shown) else {
                return;
            };
            mode_now = now.mode & 0o7777;
            let (uid, gid) = self.ids_to_set(want, &now);
            self.report_ids(rel, &now, uid, gid);
            if uid.is_some() || gid.is_some() {
                match attrs::fchown(file, uid, gid) {
                    Ok(()) => mode_now &= !0o6000,
                    Err(error) => {
                        if !self.chown_failed(&shown, want, uid, &error) {
                            if temp.is_some() {
                                // It stays as rsync makes such a file; the missing owner is reported already.
                                let _ = attrs::fchmod(file, (want.mode | 0o200) & 0o700);
                            }
                            return;
                        }
                    }
                }
            }
        }
        if plan.attrs.xattrs > 0 {
            self.set_xattrs(place, rel, want, &mut mode_now);
        }
        if plan.attrs.acls {
            self.set_acls(place, rel, want, &mut mode_now);
        }
        let mode = self.real_mode(want.mode);
        if (mode_now ^ mode) & 0o7777 != 0 {
            if let Err(error) =
                attrs::fchmod(file, mode).or_else(|e| if plan.place.fake_super { Ok(()) } else { Err(e) })
            {
                let text = messages::set_permissions_failed(&shown);
                self.report.sys_error(self.role, text, &error);
            }
        }
        let mtime = keeps_time(plan, want.mode).then_some((want.mtime, want.mtime_nsec));
        let atime = (plan.attrs.atimes > 0).then_some((want.atime, want.atime_nsec));
        if mtime.is_some() || atime.is_some() {
            if let Err(error) = attrs::futimens(file, mtime, atime) {
                let text = messages::set_times_failed(&shown);
                self.report.sys_error(self.role, text, &error);
            }
        }
    }
}

//! Sets ACLs, extended attributes and the attributes of fake-super (spec: transfer 5.5, 5.6).

use std::io;

use rustix::io::Errno;

use super::acls::same_access;
use super::{lstat, Lookup, Place};
use crate::flist::XattrValue;
use crate::roles::compare::Wanted;
use crate::roles::dest::Dest;
use crate::roles::text::messages;
use crate::tree::acl::{Acl, AclKind};
use crate::tree::fake::{self, FakeStat};

use crate::report::say::text;
use crate::role::Role;
use crate::tree::mode::{is_dir, is_link};
use crate::tree::{Root, Stat};
use crate::wire::item::ItemFlags;

impl Dest {
    /// Status of `rel`, as [`lstat`].
    ///
    /// Errors: of the system. A damaged attribute of fake-super is reported and cancels the run; the result is EIO.
    pub fn lstat(&self, rel: &[u8]) -> io::Result<Stat> {
        if self.void {
            return Err(io::Error::from(Errno::NOENT));
        }
        self.lstat_in(&self.root, rel)
    }

    /// As [`Dest::lstat`], beneath another root.
    pub fn lstat_in(&self, root: &Root, rel: &[u8]) -> io::Result<Stat> {
        match lstat(root, rel, &self.plan, &self.report) {
            Ok(stat) => Ok(stat),
            Err(Lookup::Failed(error)) => Err(error),
            Err(Lookup::Broken(error)) => {
                self.report.error(error.to_string());
                self.report.cancel(error.code());
                Err(io::Error::from(Errno::IO))
            }
        }
    }

    /// The mode that the file itself gets.
    pub fn real_mode(&self, mode: u32) -> u32 {
        if self.plan.place.fake_super {
            fake::real_mode(mode)
        } else {
            mode
        }
    }

    /// Make a link, or the file that stands for one.
    pub fn symlink(&self, root: &Root, target: &[u8], rel: &[u8]) -> io::Result<()> {
        use std::io::Write;
        if !self.plan.place.fake_super {
            return root.symlink(target, rel);
        }
        root.create_excl(rel, 0o600)?.write_all(target)
    }

    /// Make a device, pipe or socket, or the file that stands for one.
    pub fn mknod(&self, root: &Root, rel: &[u8], mode: u32, major: u32, minor: u32) -> io::Result<()> {
        if !self.plan.place.fake_super {
            return root.mknod(rel, mode, major, minor);
        }
        root.create_excl(rel, 0o600).map(drop)
    }

    /// Bits of ACLs and attributes that differ at `rel` beneath `root`; `now` is `None` for a new item.
    pub fn metadata_flags(&self, root: &Root, rel: &[u8], want: &Wanted, now: Option<&Stat>) -> ItemFlags {
        if !self.plan.attrs.acls && self.plan.attrs.xattrs == 0 {
            return ItemFlags::NONE;
        }
        self.metadata.flags(Place::Name(root, rel), want, now)
    }

    /// Numbers of the values of an entry that must be asked for; `rel` is where the file is now, if it is.
    pub fn xattr_requests(&self, rel: Option<&[u8]>, xattrs: Option<u32>) -> Vec<u32> {
        self.metadata
            .needed(rel.map(|rel| Place::Name(&self.root, rel)), xattrs)
    }

    /// Set the extended attributes of a file that is in place. The receiver does this for an item with that bit and
    /// without data.
    pub fn set_xattrs_at(&self, rel: &[u8], want: &Wanted) -> bool {
        if self.plan.attrs.xattrs == 0 || self.plan.idle() {
            return false;
        }
        let held = match self.hold(rel, want) {
            Ok(held) => held,
            Err(error) => {
                self.report_names_failed(rel, &error);
                return false;
            }
        };
        let place = held.as_ref().map_or(Place::Name(&self.root, rel), Place::Pinned);
        let stat = match place.stat() {
            Ok(stat) => stat,
            Err(error) => {
                self.sys_error("stat", rel, &error);
                return false;
            }
        };
        let mut mode = stat.mode;
        let changed = self.set_xattrs(place, rel, want, &mut mode);
        if mode != stat.mode {
            if let Err(error) = place.chmod(stat.mode) {
                let text = messages::set_permissions_failed(self.display(rel));
                self.report.sys_error(Role::Receiver, text, &error);
            }
        }
        changed
    }

    fn xattr_error(&self, call: &str, place: Place<'_>, rel: &[u8], name: &[u8], error: &io::Error) {
        // A link can't be opened.
        let by = match place {
            Place::Name(root, rel) if root.lstat(rel).is_ok_and(|s| s.is_symlink()) => "l",
            _ => "f",
        };
        let path = self.root.display(rel);
        let text = text![
            "rsync_xal_set: ",
            by.as_bytes(),
            call.as_bytes(),
            "xattr(\"",
            &path,
            "\",\"",
            name,
            "\") failed"
        ];
        self.report.sys_error(Role::Receiver, text, error);
    }

    /// Report that the names of a file's extended attributes cannot be read.
    pub(in crate::roles) fn report_names_failed(&self, rel: &[u8], error: &io::Error) {
        let path = self.root.display(rel);
        let text = messages::xattr_names_failed(&path);
        self.report.sys_error(Role::Receiver, text, error);
    }

    /// A value of which the list has only the digest, read from a file that the entry was compared with.
    fn value_at_hand(&self, rel: &[u8], local: &[u8], value: &XattrValue) -> Option<Vec<u8>> {
        let read = |root: &Root| root.get_xattr(rel, local).ok().flatten().filter(|now| value.is(now));
        read(&self.root).or_else(|| self.alternates().iter().find_map(read))
    }

    /// Set the extended attributes of `place`. `mode` is its mode, before and after. Errors are reported.
    pub(in crate::roles) fn set_xattrs(&self, place: Place<'_>, rel: &[u8], want: &Wanted, mode: &mut u32) -> bool {
        let meta = &self.metadata;
        let how = meta.how();
        let set = meta.set_of(want);
        let names = match place.list() {
            Ok(names) => names,
            Err(error) => {
                self.report_names_failed(rel, &error);
                return false;
            }
        };
        if set.is_empty() && names.is_empty() {
            return false;
        }
        let kept = meta.kept(&set, how);
        let mut opened = false;
        let mut open = |mode: &mut u32| {
            // An ordinary user must make an own file writable to change its attributes.
            if !how.am_root && !opened && *mode & 0o200 == 0 && !is_link(*mode) {
                opened = true;
                if place.chmod(*mode & 0o7777 | 0o200).is_ok() {
                    *mode |= 0o200;
                }
            }
        };
        let mut changed = false;
        for (local, at) in &kept {
            let value = &set[*at].1;
            if names.contains(local) && matches!(place.get(local), Ok(Some(now)) if value.is(&now)) {
                continue;
            }
            let taken;
            let bytes = match value {
                XattrValue::Full(bytes) => bytes,
                // The value was not requested, so the old file has it, or the file in an alternate directory.
                XattrValue::Abbrev { .. } => match self.value_at_hand(rel, local, value) {
                    Some(now) => {
                        taken = now;
                        &taken
                    }
                    None => continue,
                },
            };
            open(mode);
            match place.set(local, bytes) {
                Ok(()) => changed = true,
                Err(error) => self.xattr_error("set", place, rel, local, &error),
            }
        }
        for local in &names {
            if meta.removed(local, how) && !kept.iter().any(|(name, _)| name == local) {
                open(mode);
                match place.remove(local) {
                    Ok(_) => changed = true,
                    Err(error) => self.xattr_error("remove", place, rel, local, &error),
                }
            }
        }
        changed
    }

    fn set_one_acl(&self, place: Place<'_>, rel: &[u8], kind: AclKind, acl: Option<&Acl>) -> bool {
        let done = if self.plan.place.fake_super {
            match acl {
                Some(acl) => place.set(kind.fake_xattr(), &acl.to_fake()),
                None => place.remove(kind.fake_xattr()).map(drop),
            }
        } else {
            place.set_acl(kind, acl)
        };
        if let Err(error) = &done {
            let text = match kind {
                AclKind::Access => text!["set_acl: xacl_set(", rel, ", ACL_TYPE_ACCESS)"],
                AclKind::Default => text!["set_acl: xacl_set(", rel, ", ACL_TYPE_DEFAULT)"],
            };
            self.report.sys_error(self.role, text, error);
        }
        done.is_ok()
    }

    /// Set the ACLs of `place`. `mode` is its mode, before and after. Errors are reported.
    pub(in crate::roles) fn set_acls(&self, place: Place<'_>, rel: &[u8], want: &Wanted, mode: &mut u32) -> bool {
        if is_link(want.mode) {
            return false;
        }
        let fake = self.plan.place.fake_super;
        let meta = &self.metadata;
        let mut changed = false;
        let wanted = meta.local_acl(want.acl);
        if !same_access(&wanted, want.mode, &meta.acl_of(place, AclKind::Access), *mode) {
            let acl = if fake {
                let mut acl = Acl::clone(&wanted);
                acl.fill_access_mask(want.mode);
                Some(acl)
            } else {
                (!wanted.is_plain()).then(|| wanted.completed(want.mode))
            };
            changed |= self.set_one_acl(place, rel, AclKind::Access, acl.as_ref());
            if !fake {
                *mode = place.stat().map_or(*mode, |s| s.mode);
            }
        }
        if is_dir(want.mode) {
            let mut acl = meta.local_acl(want.default_acl).completed_default();
            if acl != meta.acl_of(place, AclKind::Default).completed_default() {
                if !fake {
                    acl.complete_default(want.mode);
                }
                changed |= self.set_one_acl(place, rel, AclKind::Default, (!acl.is_empty()).then_some(&acl));
                meta.forget_default_perms();
            }
        }
        changed
    }

    /// Store in an attribute what this process may not set (spec: transfer 5.6). An owner or group that this run does not preserve
    /// is recorded as 0, even if another one was recorded before (observed), and never as the id of the process.
    pub(in crate::roles) fn keep_fake(&self, place: Place<'_>, rel: &[u8], want: &Wanted) -> bool {
        let real = match place.stat() {
            Ok(real) => real,
            Err(error) => {
                self.sys_error("stat", rel, &error);
                return false;
            }
        };
        // A real pipe or device takes no such attribute, which is reported; a real link is replaced before.
        if real.is_symlink() {
            return false;
        }
        let plan = &self.plan;
        let fake = FakeStat {
            mode: want.mode & 0o177_777,
            major: want.rdev.0,
            minor: want.rdev.1,
            uid: if plan.attrs.owner { want.uid } else { 0 },
            gid: want.gid.filter(|_| plan.attrs.group).unwrap_or(0),
        };
        let have = place.get(fake::XATTR).ok().flatten();
        let text = fake.encode();
        let done = if fake.is_needed(&real) {
            if have.as_deref() == Some(&text) {
                return false;
            }
            if !plan.place.am_root && real.mode & 0o200 == 0 {
                // Its mode is set after this.
                let _ = place.chmod(real.mode & 0o7777 | 0o200);
            }
            place.set(fake::XATTR, &text)
        } else if have.is_some() {
            place.remove(fake::XATTR).map(drop)
        } else {
            return false;
        };
        match done {
            Ok(()) => true,
            Err(error) => {
                let text = text!["failed to write xattr user.rsync.%stat for ", &self.display(rel)];
                self.report.sys_error(self.role, text, &error);
                false
            }
        }
    }
}

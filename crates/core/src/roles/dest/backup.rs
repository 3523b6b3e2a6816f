//! Backups of what is replaced or deleted (spec: transfer 11).

use std::io;

use rustix::io::Errno;

use super::Dest;
use crate::error::{Error, IoErrorExt as _, Result};
use crate::report::debug::debug;
use crate::report::say::text;
use crate::roles::metadata::Place;
use crate::roles::text::messages;
use crate::tree::acl::AclKind;
use crate::tree::data::Reflink;
use crate::tree::mode::is_file;
use crate::tree::{attrs, Atime, FileKind, Root, Stat};

impl Dest {
    /// Root and name of the backup of `rel`. Missing directories of a backup-dir are made; a failure is reported.
    fn backup_name(&self, rel: &[u8], make: bool) -> io::Result<(Root, Vec<u8>)> {
        let mut name = rel.to_vec();
        name.extend_from_slice(&self.plan.write.backup_suffix);
        let Some(dir) = self.plan.write.backup_dir.as_deref() else {
            return Ok((self.root.clone(), name));
        };
        if make {
            self.make_backup_dir(dir)?;
        }
        let root = match self.operator_dir(dir) {
            Ok(root) => root,
            Err(_) if !make => return Ok((self.root.clone(), name)),
            Err(error) => {
                let text = messages::backup_mkdir_failed(self.report.quoted(dir));
                self.report.sys_error(self.role, text, &error);
                return Err(error);
            }
        };
        if make {
            self.make_backup_parents(&root, &name)?;
        }
        Ok((root, name))
    }

    /// Where the backup of `rel` is.
    pub fn backup_place(&self, rel: &[u8]) -> Option<(Root, Vec<u8>)> {
        self.backup_name(rel, false).ok()
    }

    fn make_backup_dir(&self, dir: &[u8]) -> io::Result<()> {
        if self.operator_dir(dir).is_ok() {
            return Ok(());
        }
        // Each missing component in turn, from the top.
        let full = crate::tree::operator::absolute(dir, self.root.path()).unwrap_or_else(|_| dir.to_vec());
        let full = crate::roles::paths::clean(&full);
        let mut at = 1;
        while at < full.len() {
            let end = memchr::memchr(b'/', &full[at..]).map_or(full.len(), |n| at + n);
            let (parent, leaf) = (&full[..at.max(1)], &full[at..end]);
            if leaf == b".." {
                at = end + 1;
                continue;
            }
            let parent = if parent == b"/" {
                parent
            } else {
                &parent[..parent.len() - 1]
            };
            if let Ok(root) = self.operator_dir(parent) {
                match root.mkdir(leaf, 0o777) {
                    Ok(()) => {}
                    Err(e) if e.is(Errno::EXIST) => {}
                    Err(error) => {
                        let text = messages::backup_mkdir_failed(self.report.quoted(&full[..end]));
                        self.report.sys_error(self.role, text, &error);
                        return Err(error);
                    }
                }
            }
            at = end + 1;
        }
        Ok(())
    }

    fn make_backup_parents(&self, root: &Root, name: &[u8]) -> io::Result<()> {
        let mut at = 0;
        while let Some(slash) = memchr::memchr(b'/', &name[at..]) {
            let dir = &name[..at + slash];
            let mut made = root.mkdir(dir, 0o777);
            if matches!(&made, Err(e) if e.is(Errno::EXIST)) && root.lstat(dir).is_ok_and(|stat| !stat.is_dir()) {
                // A file that is no directory is removed, also a link to one: nothing is stored elsewhere (observed).
                made = root.unlink(dir).and_then(|()| root.mkdir(dir, 0o777));
            }
            match made {
                Ok(()) => self.like_its_model(root, dir),
                Err(error) if error.is(Errno::EXIST) => {}
                Err(error) => {
                    let text = messages::backup_mkdir_failed(self.shown_backup(dir));
                    self.report.sys_error(self.role, text, &error);
                    return Err(error);
                }
            }
            at += slash + 1;
        }
        Ok(())
    }

    /// Give a directory of the backup-dir the attributes of the directory that it stands for.
    fn like_its_model(&self, root: &Root, dir: &[u8]) {
        let shown = self.report.quoted(&root.display(dir));
        let failed = |what: &[u8], after: &[u8], error: &io::Error| {
            self.report.sys_error(self.role, [what, &shown, after].concat(), error);
        };
        // Held: the owner of a directory must not get to a symlink in its place, which paths of the operator would follow.
        let made = root.pin_entry(dir).and_then(|pin| Ok((pin.stat()?, pin)));
        let (from, (now, made)) = match (self.root.lstat(dir), made) {
            (Ok(from), Ok(made)) => (from, made),
            // It was removed meanwhile.
            (Err(error), _) if error.is(Errno::NOENT) => return,
            (_, Err(error)) | (Err(error), _) => return failed(b"stat ", b" failed", &error),
        };
        if self.plan.place.changes_owners() && (from.uid, from.gid) != (now.uid, now.gid) {
            let uid = self.plan.attrs.owner.then_some(from.uid);
            let gid = self.plan.attrs.group.then_some(from.gid);
            if let Err(error) = made.chown(uid, gid) {
                failed(b"chown ", b" failed", &error);
            }
        }
        if self.plan.attrs.acls && !self.plan.place.fake_super {
            for kind in [AclKind::Default, AclKind::Access] {
                let model = Place::Name(&self.root, dir).acl(kind);
                let set = model.and_then(|acl| made.set_acl(kind, acl.as_ref()));
                // A file system without ACLs has none to copy.
                if let Some(error) = set.err().filter(|e| !e.is(Errno::OPNOTSUPP)) {
                    failed(b"set_acl of ", b" failed", &error);
                }
            }
        }
        // A directory inherits the set-gid bit of its parent.
        let inherited = if self.plan.attrs.perms { 0 } else { now.mode & 0o2000 };
        if let Err(error) = made.chmod(from.mode & 0o7777 | inherited) {
            failed(b"failed to set permissions on ", b"", &error);
        }
    }

    /// Remove an older backup. If that fails, making the new one fails as well, and that is reported.
    fn clear_backup_place(&self, root: &Root, name: &[u8]) {
        match root.lstat(name) {
            Ok(stat) if stat.is_dir() => {
                let shown = self.shown_backup(name);
                let removed =
                    |below: &[u8], mode: u32| self.report.deletion(&[shown.as_slice(), below].concat(), mode, 0);
                let _removed = crate::roles::delete::remove_tree(root, name, name.len(), &removed);
            }
            Ok(_) => {
                let _removed = root.unlink(name);
            }
            Err(_) => {}
        }
    }

    fn shown_backup(&self, name: &[u8]) -> Vec<u8> {
        match self.plan.write.backup_dir.as_deref() {
            Some(dir) => [dir, b"/", name].concat(),
            None => name.to_vec(),
        }
    }

    fn backed_up(&self, rel: &[u8], name: &[u8]) {
        if self.plan.output.info.backup > 0 {
            let shown = self.shown_backup(name);
            self.report.info(text!["backed up ", rel, " to ", &shown]);
        }
    }

    fn backup_failed(&self, rel: &[u8], root: &Root, name: &[u8], error: &io::Error) -> Error {
        let shown = self.report.quoted(&root.display(name));
        // An over-long name fails before anything is opened.
        let call: &[u8] = if error.is(Errno::NAMETOOLONG) {
            b"unlink "
        } else {
            b"open "
        };
        self.report
            .sys_error(self.role, [call, shown.as_slice()].concat(), error);
        Error::failed(
            self.role,
            format_args!(
                "keep_backup failed: {} -> {}",
                String::from_utf8_lossy(&self.display(rel)),
                String::from_utf8_lossy(&shown)
            ),
            error,
        )
    }

    /// Back up a file before it is replaced: by a hard link, so that the name is never missing; else by a rename; else (an
    /// immutable file, another filesystem) by a copy. Errors end the run (spec: transfer 11).
    pub fn backup_before_overwrite(&self, rel: &[u8]) -> Result<()> {
        let stat = match self.root.lstat(rel) {
            Ok(stat) => stat,
            Err(error) if error.is(Errno::NOENT) => return Ok(()),
            Err(error) => {
                return Err(Error::failed(
                    self.role,
                    format_args!("backup stat {} failed", String::from_utf8_lossy(&self.display(rel))),
                    &error,
                ));
            }
        };
        if stat.is_dir() {
            return Ok(());
        }
        let Ok((root, name)) = self.backup_name(rel, true) else {
            return Err(Error::Reported(11));
        };
        if stat.is_symlink() && self.is_unsafe_link(rel) {
            return Ok(());
        }
        self.clear_backup_place(&root, &name);
        let mut way = "HLINK";
        let result = root
            .link_from(&self.root, rel, &name)
            .or_else(|_| {
                way = "RENAME";
                root.rename_from(&self.root, rel, &name)
            })
            .or_else(|_| {
                way = "COPY";
                self.copy_to_backup(&root, rel, &name, &stat)
            });
        match result {
            Ok(()) => {
                debug!(self.report, backup >= 1; "make_backup: ", way, " ", rel, " successful.");
                self.backed_up(rel, &name);
                Ok(())
            }
            Err(error) => Err(self.backup_failed(rel, &root, &name, &error)),
        }
    }

    /// Whether `--safe-links` keeps a link from being backed up. Then that is reported.
    fn is_unsafe_link(&self, rel: &[u8]) -> bool {
        let target = self
            .plan
            .attrs
            .safe_links
            .then(|| self.root.read_link(rel).ok())
            .flatten();
        let Some(target) = target.filter(|target| crate::roles::compare::unsafe_link(target, rel)) else {
            return false;
        };
        if self.plan.output.info.symsafe > 0 {
            self.report
                .info(text!["not backing up unsafe symlink \"", rel, "\" -> \"", target, "\""]);
        }
        true
    }

    /// A copy of a file that will be updated in place.
    pub fn backup_copy(&self, rel: &[u8]) -> Result<Option<(Root, Vec<u8>)>> {
        let stat = match self.root.lstat(rel) {
            Ok(stat) if stat.is_file() => stat,
            _ => return Ok(None),
        };
        let Ok((root, name)) = self.backup_name(rel, true) else {
            return Err(Error::Reported(11));
        };
        self.clear_backup_place(&root, &name);
        match self.copy_to_backup(&root, rel, &name, &stat) {
            Ok(()) => {
                self.backed_up(rel, &name);
                Ok(Some((root, name)))
            }
            Err(error) => Err(self.backup_failed(rel, &root, &name, &error)),
        }
    }

    fn copy_to_backup(&self, root: &Root, rel: &[u8], name: &[u8], stat: &Stat) -> io::Result<()> {
        if stat.is_symlink() {
            return root.symlink(&self.root.read_link(rel)?, name);
        }
        if !is_file(stat.mode) {
            return root.mknod(name, stat.mode, stat.rdev_major, stat.rdev_minor);
        }
        let source = self.root.open_read(rel, Atime::Update)?;
        let copy = root.create_excl(name, 0o600)?;
        let finish = || -> io::Result<()> {
            crate::tree::data::copy_whole(&source, &copy, stat.size, Reflink::Try)?;
            if self.plan.place.changes_owners() {
                attrs::fchown(&copy, Some(stat.uid), Some(stat.gid))?;
            }
            attrs::fchmod(&copy, stat.mode)?;
            attrs::futimens(&copy, Some(stat.mtime_pair()), Some(stat.atime_pair()))
        };
        finish().inspect_err(|_| {
            // A backup is whole or missing; the caller reports why it is missing.
            let _ = root.unlink(name);
        })
    }

    /// Move a file that is to be deleted to its backup. `Ok(false)`: the file still exists (its backup is a copy, or there
    /// is no backup) and is to be removed.
    pub fn backup_by_rename(&self, rel: &[u8], kind: FileKind) -> io::Result<bool> {
        if kind == FileKind::Dir {
            return Ok(false);
        }
        let suffix = &self.plan.write.backup_suffix;
        if self.plan.write.backup_dir.is_none() && !suffix.is_empty() && rel.ends_with(suffix) {
            return Ok(false);
        }
        let (root, name) = self.backup_name(rel, true)?;
        if self.is_unsafe_link(rel) {
            return Ok(false);
        }
        self.clear_backup_place(&root, &name);
        match root.rename_from(&self.root, rel, &name) {
            Ok(()) => debug!(self.report, backup >= 1; "make_backup: RENAME ", rel, " successful."),
            Err(_) => {
                let stat = self.root.lstat(rel)?;
                self.copy_to_backup(&root, rel, &name, &stat)?;
                debug!(self.report, backup >= 1; "make_backup: COPY ", rel, " successful.");
                self.backed_up(rel, &name);
                return Ok(false);
            }
        }
        self.backed_up(rel, &name);
        Ok(true)
    }
}

//! New content: temporary files, and putting them in place (spec: transfer 6).

use std::fs::File;
use std::io;

use rustix::io::Errno;

use super::{Dest, Failed};
use crate::error::{Error, IoErrorExt as _, Result};
use crate::report::debug::debug;
use crate::report::Reported;
use crate::role::Role;
use crate::roles::paths::split_name;
use crate::roles::text::messages;
use crate::tree::acl::{self, AclKind};
use crate::tree::data::Reflink;
use crate::tree::{attrs, xattr, Atime, Root, Temp, WriteFlags};

impl Dest {
    /// A new temporary file for `rel`. Errors are reported; the file is then skipped.
    pub fn create_temp(&self, rel: &[u8]) -> Result<Temp, Reported> {
        if let Some(dir) = &self.temp_refused {
            let error = io::Error::from(Errno::LOOP);
            self.report.refusal(dir, &error);
            let path = [dir.as_slice(), b"/", split_name(rel).1, b".XXXXXX"].concat();
            let text = messages::mkstemp_failed(self.report.quoted(&path));
            return Err(self.report.sys_error(self.role, text, &error));
        }
        self.root.create_temp(rel, self.temp_dir.as_ref()).map_err(|error| {
            let name = crate::tree::temp::name_for(rel, crate::tree::temp::Place::of(self.temp_dir.is_some()));
            let path = self.report.quoted(&self.temp_root().display(&name));
            let text = messages::mkstemp_failed(&path);
            self.report.sys_error(self.role, text, &error)
        })
    }

    pub(super) fn temp_root(&self) -> &Root {
        self.temp_dir.as_ref().unwrap_or(&self.root)
    }

    /// Remove a temporary file that is of no use.
    pub fn remove_temp(&self, temp: &[u8]) {
        let root = self.temp_root();
        if let Err(error) = root.unlink(temp) {
            if !error.is(Errno::NOENT) {
                let text = messages::unlink_failed(self.report.quoted(&root.display(temp)));
                self.report.sys_error(self.role, text, &error);
            }
        }
    }

    /// Remove a file that was made under a temporary name and could not be put in place.
    pub fn remove_made(&self, temp: &[u8]) {
        if let Err(error) = self.root.unlink(temp) {
            self.sys_error("unlink", temp, &error);
        }
    }

    /// Make something under a temporary name and rename it over what is at `rel`, which stays if either fails.
    pub fn make_over(&self, rel: &[u8], make: impl Fn(&Root, &[u8]) -> io::Result<()>) -> io::Result<()> {
        let temp = self.root.make_temp(rel, |root, name| make(root, name))?;
        self.root.rename(&temp, rel).inspect_err(|_| self.remove_made(&temp))
    }

    /// Open a file for writing in place; made if missing. Errors are reported.
    pub fn open_inplace(&self, rel: &[u8]) -> Result<File, Reported> {
        let how = WriteFlags {
            read: true,
            create: Some(0o600),
            exclusive: false,
            truncate: false,
        };
        let mut result = self.root.open_write(rel, how);
        if matches!(&result, Err(e) if e.is(Errno::ACCESS)) {
            // An unwritable file of our own is made writable for the open alone: however the run ends, its mode is the
            // old one, and the descriptor stays good for writing.
            if let Some(stat) = self.root.lstat(rel).ok().filter(crate::tree::Stat::is_file) {
                let mode = stat.mode & 0o7777;
                if mode & 0o200 == 0 && self.root.chmod(rel, mode | 0o200).is_ok() {
                    result = self.root.open_write(rel, how);
                    let restored = match &result {
                        Ok(file) => attrs::fchmod(file, mode),
                        Err(_) => self.root.chmod(rel, mode),
                    };
                    if let Err(error) = restored {
                        let text = messages::set_permissions_failed(self.display(rel));
                        self.report.sys_error(self.role, text, &error);
                    }
                }
            }
        }
        result.map_err(|mut error| {
            // For a new file in a closed directory rsync reports the error of opening it without creating it.
            if error.is(Errno::ACCESS) && self.root.lstat(rel).is_err_and(|e| e.is(Errno::NOENT)) {
                error = io::Error::from(Errno::NOENT);
            }
            self.sys_error("open", rel, &error)
        })
    }

    /// Put a finished temporary file in place: backup, then rename, or copy across filesystems. After a failure the
    /// temporary file is removed.
    pub fn commit(&self, temp: &[u8], rel: &[u8], replaces: bool) -> Result<(), Failed> {
        if replaces && self.plan.write.backup && !self.is_own_partial(rel) {
            self.backup_before_overwrite(rel)
                .inspect_err(|_| self.remove_temp(temp))?;
        }
        if self.role == Role::Receiver {
            let dir = self.plan.write.temp_dir.as_deref().filter(|_| self.temp_dir.is_some());
            let (dir, slash) = dir.map_or((&b""[..], ""), |dir| (dir, "/"));
            debug!(self.report, recv >= 1; "renaming ", dir, slash, temp, " to ", rel);
        }
        self.move_temp(temp, &self.root, rel)
            .map_err(|(verb, error)| self.move_failed(verb, temp, rel, &error).into())
    }

    /// Give a temporary file the name `to` beneath `root`, also on another filesystem. An error comes with the name of the call.
    pub(super) fn move_temp(&self, temp: &[u8], root: &Root, to: &[u8]) -> Result<(), (&'static str, io::Error)> {
        let from = self.temp_root();
        match root.rename_from(from, temp, to) {
            Err(error) if error.is(Errno::XDEV) => {
                self.copy_across(from, temp, root, to).map_err(|error| ("copy", error))
            }
            other => other.map_err(|error| ("rename", error)),
        }
    }

    /// Report that a temporary file could not be given its name, and remove the file.
    pub(super) fn move_failed(&self, verb: &str, temp: &[u8], rel: &[u8], error: &io::Error) -> Reported {
        let shown = self.report.quoted(&self.temp_root().display(temp));
        let text = [verb.as_bytes(), b" ", &shown, b" -> \"", rel, b"\""];
        let reported = self.report.sys_error(self.role, text.concat(), error);
        self.remove_temp(temp);
        reported
    }

    /// Copy a finished file with its attributes to `rel` beneath `root` on another filesystem.
    pub(super) fn copy_across(&self, from: &Root, name: &[u8], root: &Root, rel: &[u8]) -> io::Result<()> {
        let source = from.open_read(name, Atime::Update)?;
        let stat = crate::tree::stat::of_file(&source)?;
        let near = root.create_temp(rel, None)?;
        let finish = || -> io::Result<()> {
            crate::tree::data::copy_whole(&source, &near.file, stat.size, Reflink::Never)?;
            if self.plan.write.fsync {
                near.file.sync_all()?;
            }
            attrs::fchown(&near.file, Some(stat.uid), Some(stat.gid))
                .or_else(|_| attrs::fchown(&near.file, None, Some(stat.gid)))
                .ok();
            self.copy_metadata(&source, &near.file);
            attrs::fchmod(&near.file, stat.mode)?;
            attrs::futimens(&near.file, Some(stat.mtime_pair()), Some(stat.atime_pair()))?;
            root.rename(&near.name, rel)
        };
        if let Err(error) = finish() {
            // The first failure is reported; a temporary file that stays shows by its name.
            let _ = root.unlink(&near.name);
            return Err(error);
        }
        from.unlink(name)
    }

    /// Copy extended attributes and the ACL from one open file to another, as far as this process may set them.
    pub(super) fn copy_metadata(&self, from: &File, to: &File) {
        if self.plan.attrs.xattrs > 0 || self.plan.place.fake_super {
            for name in xattr::flist(from).unwrap_or_default() {
                if let Ok(Some(value)) = xattr::fget(from, &name) {
                    let _ = xattr::fset(to, &name, &value);
                }
            }
        }
        if self.plan.attrs.acls {
            if let Ok(found) = acl::fget(from, AclKind::Access) {
                let _ = acl::fset(to, AclKind::Access, found.as_ref());
            }
        }
    }

    /// Sync a finished file when asked (`--fsync`), and on NFS. There a full disk shows only when the data is sent to
    /// the server, at the latest by a close, whose error is lost. After the sync the close has nothing left to send.
    pub fn sync(&self, file: &File, rel: &[u8]) -> Result<()> {
        if self.on_nfs && !self.plan.write.fsync {
            file.sync_all().map_err(|e| self.write_error(rel, &e))?;
        }
        if self.plan.write.fsync {
            file.sync_all().map_err(|e| {
                Error::failed(
                    self.role,
                    format_args!("fsync failed on {}", String::from_utf8_lossy(&self.display(rel))),
                    &e,
                )
            })?;
        }
        Ok(())
    }

    /// The error that ends a run when data can't be written (TRF-27).
    pub fn write_error(&self, rel: &[u8], error: &io::Error) -> Error {
        Error::failed(
            self.role,
            format_args!("write failed on {}", String::from_utf8_lossy(&self.display(rel))),
            error,
        )
    }
}

//! New content: temporary files, putting them in place, and what is kept of an interrupted one (spec: transfer 6).

use std::fs::File;
use std::io;

use super::{Dest, PartialDir};
use crate::error::{sys_text, Error, Result};
use crate::report::debug::debug;
use crate::report::Level;
use crate::roles::compare::Wanted;
use crate::roles::paths::split_name;
use crate::tree::acl::{self, AclKind};
use crate::tree::xattr;
use crate::tree::{attrs, Root, Temp, WriteFlags};

impl Dest {
    /// A new temporary file for `rel`. Errors are reported; the file is then skipped.
    pub fn create_temp(&self, rel: &[u8]) -> Option<Temp> {
        if let Some(dir) = &self.temp_refused {
            let error = io::Error::from_raw_os_error(40);
            self.report.refusal(dir, &error);
            let path = [dir.as_slice(), b"/", split_name(rel).1, b".XXXXXX"].concat();
            let text = [b"mkstemp ".as_slice(), &self.report.quoted(&path), b" failed"].concat();
            self.report.sys_error(self.role, text, &error);
            return None;
        }
        match self.root.create_temp(rel, self.temp_dir.as_ref()) {
            Ok(temp) => Some(temp),
            Err(error) => {
                let shown = self.temp_dir.as_ref().unwrap_or(&self.root);
                let name = crate::tree::temp::name_for(rel, self.temp_dir.is_some());
                let path = self.report.quoted(&shown.display(&name));
                let text = [b"mkstemp ".as_slice(), &path, b" failed"].concat();
                self.report.sys_error(self.role, text, &error);
                None
            }
        }
    }

    pub(super) fn temp_root(&self) -> &Root {
        self.temp_dir.as_ref().unwrap_or(&self.root)
    }

    pub fn remove_temp(&self, temp: &[u8]) {
        let _ = self.temp_root().unlink(temp);
    }

    /// Open a file for writing in place; made if missing.
    pub fn open_inplace(&self, rel: &[u8]) -> Option<File> {
        let how = WriteFlags {
            read: true,
            create: Some(0o600),
            exclusive: false,
            truncate: false,
        };
        let mut result = self.root.open_write(rel, how);
        if matches!(&result, Err(e) if e.raw_os_error() == Some(13)) {
            // An unwritable file of our own is made writable; its mode is set again at the end.
            if let Ok(stat) = self.root.lstat(rel) {
                if stat.is_file() && self.root.chmod(rel, stat.mode & 0o7777 | 0o200).is_ok() {
                    result = self.root.open_write(rel, how);
                }
            }
        }
        match result {
            Ok(file) => Some(file),
            Err(mut error) => {
                // Of a new file in a closed directory rsync says what opening it without making it said.
                if error.raw_os_error() == Some(13) && self.root.lstat(rel).is_err_and(|e| e.raw_os_error() == Some(2))
                {
                    error = io::Error::from_raw_os_error(2);
                }
                self.sys_error("open", rel, &error);
                None
            }
        }
    }

    /// Put a finished temporary file in place: backup, rename, or a copy across filesystems. `false` when it failed
    /// (reported).
    pub fn commit(&self, temp: &[u8], rel: &[u8], replaces: bool) -> Result<bool> {
        if replaces && self.plan.backup {
            let kept = self.backup_before_overwrite(rel);
            if !matches!(kept, Ok(true)) {
                self.remove_temp(temp);
            }
            if !kept? {
                return Ok(false);
            }
        }
        self.rename_into_place(temp, rel)
    }

    fn rename_into_place(&self, temp: &[u8], rel: &[u8]) -> Result<bool> {
        let from = self.temp_root();
        if self.role == "receiver" {
            let dir = self.plan.temp_dir.as_deref().filter(|_| self.temp_dir.is_some());
            let (dir, slash) = dir.map_or((&b""[..], ""), |dir| (dir, "/"));
            debug!(self.report, recv >= 1; "renaming ", dir, slash, temp, " to ", rel);
        }
        match self.root.rename_from(from, temp, rel) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(18) && self.temp_dir.is_some() => {
                // Another filesystem: copy beside the target, then rename.
                match self.copy_across(temp, &self.root, rel) {
                    Ok(()) => Ok(true),
                    Err(error) => {
                        let text = [
                            b"copy ".as_slice(),
                            &self.report.quoted(&from.display(temp)),
                            b" -> \"",
                            rel,
                            b"\"",
                        ]
                        .concat();
                        self.report.sys_error(self.role, text, &error);
                        self.remove_temp(temp);
                        Ok(false)
                    }
                }
            }
            Err(error) => {
                let text = [
                    b"rename ".as_slice(),
                    &self.report.quoted(&from.display(temp)),
                    b" -> \"",
                    rel,
                    b"\"",
                ]
                .concat();
                self.report.sys_error(self.role, text, &error);
                self.remove_temp(temp);
                Ok(false)
            }
        }
    }

    /// A finished temporary file, with all that was set on it, as `rel` beneath `root` on another filesystem.
    fn copy_across(&self, temp: &[u8], root: &Root, rel: &[u8]) -> io::Result<()> {
        let source = self.temp_root().open_read(temp, false)?;
        let stat = crate::tree::stat::of_file(&source)?;
        let near = root.create_temp(rel, None)?;
        let finish = || -> io::Result<()> {
            crate::tree::data::copy_whole(&source, &near.file, stat.size, false)?;
            attrs::fchown(&near.file, Some(stat.uid), Some(stat.gid))
                .or_else(|_| attrs::fchown(&near.file, None, Some(stat.gid)))
                .ok();
            self.copy_metadata(&source, &near.file);
            attrs::fchmod(&near.file, stat.mode)?;
            attrs::futimens(&near.file, Some(stat.mtime_pair()), Some(stat.atime_pair()))?;
            root.rename(&near.name, rel)
        };
        let result = finish();
        if result.is_err() {
            let _ = root.unlink(&near.name);
        }
        let _ = self.temp_root().unlink(temp);
        result
    }

    /// Extended attributes and the ACL of one open file for another, as far as this process may set them.
    pub(super) fn copy_metadata(&self, from: &File, to: &File) {
        if self.plan.xattrs > 0 || self.plan.fake_super {
            for name in xattr::flist(from).unwrap_or_default() {
                if let Ok(Some(value)) = xattr::fget(from, &name) {
                    let _ = xattr::fset(to, &name, &value);
                }
            }
        }
        if self.plan.acls {
            if let Ok(found) = acl::fget(from, AclKind::Access) {
                let _ = acl::fset(to, AclKind::Access, found.as_ref());
            }
        }
    }

    /// Sync a finished file when asked (`--fsync`).
    pub fn sync(&self, file: &File, rel: &[u8]) -> Result<()> {
        if self.plan.fsync {
            file.sync_all().map_err(|e| {
                Error::FileIo(format!(
                    "rsync: [{}] fsync failed on {}: {}",
                    self.role,
                    String::from_utf8_lossy(&self.display(rel)),
                    sys_text(&e)
                ))
            })?;
        }
        Ok(())
    }

    /// The error that ends a run when data can't be written (TRF-27).
    pub fn write_error(&self, rel: &[u8], error: &io::Error) -> Error {
        Error::FileIo(format!(
            "rsync: [{}] write failed on {}: {}",
            self.role,
            String::from_utf8_lossy(&self.display(rel)),
            sys_text(error)
        ))
    }

    /// Name of the partial-dir copy of `rel`, and the root it is in.
    pub fn partial_name(&self, rel: &[u8]) -> Option<(&Root, Vec<u8>)> {
        let (dir, base) = split_name(rel);
        match &self.partial {
            PartialDir::None => None,
            PartialDir::Relative(sub) => {
                let mut name = dir.to_vec();
                if !dir.is_empty() {
                    name.push(b'/');
                }
                name.extend_from_slice(sub);
                name.push(b'/');
                name.extend_from_slice(base);
                Some((&self.root, name))
            }
            PartialDir::Absolute(root) => Some((root, base.to_vec())),
        }
    }

    /// Move a temporary file into the partial-dir (made if missing).
    pub fn keep_in_partial_dir(&self, temp: &[u8], rel: &[u8]) -> bool {
        let Some((root, name)) = self.partial_name(rel) else {
            return false;
        };
        if let PartialDir::Relative(_) = &self.partial {
            let (dir, _) = split_name(&name);
            match root.mkdir(dir, 0o700) {
                Ok(()) => {}
                Err(e) if e.raw_os_error() == Some(17) => {}
                Err(_) => return false,
            }
        }
        debug!(self.report, recv >= 1; "renaming ", temp, " to ", &name);
        match root.rename_from(self.temp_root(), temp, &name) {
            Err(e) if e.raw_os_error() == Some(18) => self.copy_across(temp, root, &name).is_ok(),
            other => other.is_ok(),
        }
    }

    /// Remove the partial-dir copy and, if it is empty then, a relative partial-dir.
    pub fn drop_partial(&self, rel: &[u8]) {
        let Some((root, name)) = self.partial_name(rel) else {
            return;
        };
        let _ = root.unlink(&name);
        self.drop_partial_dir(rel);
    }

    pub fn drop_partial_dir(&self, rel: &[u8]) {
        if let (PartialDir::Relative(_), Some((root, name))) = (&self.partial, self.partial_name(rel)) {
            let _ = root.rmdir(split_name(&name).0);
        }
    }

    /// An interrupted transfer: keep the data if asked, else remove it (spec: transfer 6.1).
    pub fn keep_or_drop(&self, temp: Temp, rel: &[u8], want: &Wanted, received: bool) {
        let Temp { file, name } = temp;
        if !(self.plan.partial && received) {
            self.remove_temp(&name);
            return;
        }
        if matches!(self.partial, PartialDir::None) {
            self.set_attrs_open(&file, rel, want, Some(&name));
            if self.plan.times {
                let _ = attrs::futimens(&file, Some((0, want.mtime_nsec)), None);
            }
            drop(file);
            if self.root.rename_from(self.temp_root(), &name, rel).is_err() {
                self.remove_temp(&name);
            }
            return;
        }
        self.set_attrs_open(&file, rel, want, Some(&name));
        drop(file);
        if !self.keep_in_partial_dir(&name, rel) {
            let text = [
                b"Unable to create partial-dir for ".as_slice(),
                rel,
                b" -- discarding partial file.",
            ]
            .concat();
            self.report.line(Level::Warning, text);
            self.remove_temp(&name);
        }
    }

    /// Give a file that was held back its name (spec: transfer 6 `--delay-updates`). `exists`: something is there, and is
    /// backed up first. Errors: of that; a name that can't be given is told.
    pub fn place_delayed(&self, rel: &[u8], exists: bool) -> Result<()> {
        let Some((root, name)) = self.partial_name(rel) else {
            return Ok(());
        };
        if exists && self.plan.backup && !self.backup_before_overwrite(rel)? {
            return Ok(());
        }
        debug!(self.report, recv >= 1; "renaming ", &name, " to ", rel);
        if let Err(error) = self.root.rename_from(root, &name, rel) {
            let text = [
                b"rename failed for ".as_slice(),
                &self.display(rel),
                b" (from ",
                &name,
                b")",
            ]
            .concat();
            self.report.sys_error("receiver", text, &error);
            return Ok(());
        }
        if matches!(self.partial, PartialDir::Relative(_)) {
            self.drop_partial_dir(rel);
        }
        Ok(())
    }
}

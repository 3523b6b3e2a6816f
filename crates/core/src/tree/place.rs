//! Copies of whole files from one root to another place: backups of files that are updated in place, alternate
//! directories on other filesystems, a temp-dir on another filesystem (spec: transfer 6, 7, 11).

use std::io;
use std::os::fd::AsFd;

use rustix::io::Errno;

use super::root::Root;
use super::temp::Temp;
use super::{acl, attrs, data, stat, xattr};

/// What of a file's attributes goes with a copy. Times and permission bits always do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CopyOptions {
    /// Share blocks where the filesystem can.
    pub reflink: bool,
    /// Owner and group; a process that may not change them leaves them.
    pub owner: bool,
    pub acls: bool,
    pub xattrs: bool,
    /// Data and metadata reach the medium before the copy gets its name.
    pub fsync: bool,
}

impl Root {
    /// Copy the regular file `old` of `from` to `new` here: into a temporary file beside it, which then takes the name.
    /// So `new` is never half a file. EINVAL if `old` is no regular file.
    pub fn copy_from(&self, from: &Root, old: &[u8], new: &[u8], options: CopyOptions) -> io::Result<()> {
        let source = from.open_read(old, true)?;
        let status = stat::of_file(&source)?;
        if !status.is_file() {
            return Err(Errno::INVAL.into());
        }
        let temp = self.create_temp(new, None)?;
        let done = fill(&source, &status, &temp, options).and_then(|()| self.rename(&temp.name, new));
        if done.is_err() {
            let _ = self.unlink(&temp.name);
        }
        done
    }

    /// Rename `old` of `from` to `new` here; a regular file also across filesystems, by copy.
    pub fn move_from(&self, from: &Root, old: &[u8], new: &[u8], options: CopyOptions) -> io::Result<()> {
        match self.rename_from(from, old, new) {
            Err(e) if e.raw_os_error() == Some(Errno::XDEV.raw_os_error()) => {}
            other => return other,
        }
        self.copy_from(from, old, new, options)?;
        from.unlink(old)
    }
}

fn fill(source: &std::fs::File, status: &stat::Stat, temp: &Temp, options: CopyOptions) -> io::Result<()> {
    let file = &temp.file;
    data::copy_whole(source, file, status.size, options.reflink)?;
    if options.owner {
        match attrs::fchown(file, Some(status.uid), Some(status.gid)) {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {}
            other => other?,
        }
    }
    if options.xattrs {
        copy_xattrs(source, file)?;
    }
    attrs::futimens(file, Some(status.mtime_pair()), Some(status.atime_pair()))?;
    if options.acls {
        if let Some(acl) = acl::fget(source, acl::AclKind::Access)? {
            acl::fset(file, acl::AclKind::Access, Some(&acl))?;
        }
    }
    attrs::fchmod(file, status.permissions())?;
    if options.fsync {
        data::fsync(file)?;
    }
    Ok(())
}

/// All attributes but the ones of the system (ACLs have their own way). What may not be set is left out.
fn copy_xattrs(source: impl AsFd, target: impl AsFd) -> io::Result<()> {
    for name in xattr::flist(&source)? {
        if name.starts_with(b"system.") {
            continue;
        }
        if let Some(value) = xattr::fget(&source, &name)? {
            match xattr::fset(&target, &name, &value) {
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {}
                other => other?,
            }
        }
    }
    Ok(())
}

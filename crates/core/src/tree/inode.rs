//! What is done to one inode that is held without access to its content (O_PATH).

use std::os::fd::{BorrowedFd, OwnedFd};

use nix::fcntl::AtFlags as ChownFlags;
use nix::sys::stat::FchmodatFlags;
use nix::unistd::{Gid, Uid};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::{attrs, procfs, stat};

/// Open for reading what `pin` pins, where that has no side effects: a regular file or a directory. EOPNOTSUPP for
/// anything else, and when another inode has taken the name.
pub(super) fn reopen(dir: BorrowedFd<'_>, leaf: &[u8], pin: &OwnedFd) -> Result<OwnedFd, Errno> {
    let wanted = stat::query(pin, b"", AtFlags::EMPTY_PATH, false)?;
    if !wanted.is_file() && !wanted.is_dir() {
        return Err(Errno::OPNOTSUPP);
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let open = rustix::fs::openat(dir, leaf, flags, Mode::empty())?;
    if !stat::query(&open, b"", AtFlags::EMPTY_PATH, false)?.same_file(&wanted) {
        return Err(Errno::OPNOTSUPP);
    }
    Ok(open)
}

/// Change the mode of a pinned inode. The C library has no call for that (fchmod refuses O_PATH), so it goes through our
/// descriptor table; without that, by opening the file again.
pub(super) fn chmod(
    inode: &OwnedFd,
    mode: u32,
    reopened: impl FnOnce() -> Result<OwnedFd, Errno>,
) -> Result<(), Errno> {
    let mode = attrs::permissions(mode);
    if let Some((proc, name)) = procfs::name_of(inode) {
        match attrs::retry(|| nix::sys::stat::fchmodat(proc, name.as_str(), mode, FchmodatFlags::FollowSymlink)) {
            // hidden from us (a masked or foreign /proc)
            Err(Errno::NOENT | Errno::ACCESS) => {}
            other => return other,
        }
    }
    let file = reopened()?;
    attrs::retry(|| nix::sys::stat::fchmod(&file, mode))
}

/// Change owner and group of a pinned inode. A preloaded library may not know a call on a handle alone (fakeroot's
/// answers ENOENT), so after that it goes through our descriptor table, and without that by opening the file again.
pub(super) fn chown(
    inode: &OwnedFd,
    uid: Option<Uid>,
    gid: Option<Gid>,
    reopened: impl FnOnce() -> Result<OwnedFd, Errno>,
) -> Result<(), Errno> {
    let itself = ChownFlags::AT_EMPTY_PATH | ChownFlags::AT_SYMLINK_NOFOLLOW;
    match attrs::retry(|| nix::unistd::fchownat(inode, "", uid, gid, itself)) {
        Err(Errno::NOENT | Errno::INVAL) => {}
        other => return other,
    }
    if let Some((proc, name)) = procfs::name_of(inode) {
        match attrs::retry(|| nix::unistd::fchownat(proc, name.as_str(), uid, gid, ChownFlags::empty())) {
            // hidden from us (a masked or foreign /proc)
            Err(Errno::NOENT | Errno::ACCESS) => {}
            other => return other,
        }
    }
    let file = reopened()?;
    attrs::retry(|| nix::unistd::fchown(&file, uid, gid))
}

//! What is done to one inode that is held without access to its content (O_PATH).

use std::os::fd::{BorrowedFd, OwnedFd};

use nix::sys::stat::FchmodatFlags;
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

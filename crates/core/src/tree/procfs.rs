//! The process's own descriptor table in `/proc`: the way to act on a pinned inode where no call takes a handle.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags, CWD, PROC_SUPER_MAGIC};

static PROC: OnceLock<Option<OwnedFd>> = OnceLock::new();

/// Hold a handle on `/proc`, so that modes can be changed safely after a `chroot` to a place that has none.
/// Call it before the chroot; otherwise the first need opens it. False when there is no `/proc`.
pub fn hold_proc() -> bool {
    held().is_some()
}

fn held() -> Option<BorrowedFd<'static>> {
    PROC.get_or_init(|| {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, "/proc", flags, Mode::empty()).ok()?;
        let statfs = rustix::fs::fstatfs(&fd).ok()?;
        (statfs.f_type == PROC_SUPER_MAGIC).then_some(fd)
    })
    .as_ref()
    .map(AsFd::as_fd)
}

/// Whether the path `/proc` leads to a real procfs from where this process is rooted. Asked once, at first use: a
/// chroot has to come before. (A directory of that name inside a module is the peer's, not the kernel's.)
pub(super) fn path_usable() -> bool {
    static USABLE: OnceLock<bool> = OnceLock::new();
    *USABLE.get_or_init(|| rustix::fs::statfs("/proc").is_ok_and(|s| s.f_type == PROC_SUPER_MAGIC))
}

/// The table of mounts of this process, readable after a `chroot` if [`hold_proc`] was called before. A change of it wakes
/// those who poll it.
pub(super) fn mounts() -> Option<std::fs::File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(held()?, "self/mountinfo", flags, Mode::empty()).ok()?;
    Some(fd.into())
}

/// The held `/proc`, and the name of a descriptor in it. `self` is looked up at each use, so a fork does no harm.
pub(super) fn name_of(fd: impl AsFd) -> Option<(BorrowedFd<'static>, String)> {
    Some((held()?, format!("self/fd/{}", fd.as_fd().as_raw_fd())))
}

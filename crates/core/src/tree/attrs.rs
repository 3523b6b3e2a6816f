//! Mode, owner and times of open files. A temporary file gets all of them by handle, before it has its name.
//!
//! Modes and owners go through the C library's own functions (`nix`): a preloaded library such as fakeroot's replaces
//! those, and never sees the bare system calls that rustix makes for fchmod, fchmodat and fchown.

use std::io;
use std::os::fd::AsFd;

use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid};
use rustix::fs::{Timespec, Timestamps, UTIME_OMIT};
use rustix::io::{retry_on_intr, Errno};

/// A moment: seconds since 1970, nanoseconds.
pub(crate) type Time = (i64, u32);

fn timespec(time: Option<Time>) -> Timespec {
    match time {
        Some((sec, nsec)) => Timespec {
            tv_sec: sec,
            tv_nsec: nsec.into(),
        },
        None => Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
    }
}

pub(super) fn timestamps(mtime: Option<Time>, atime: Option<Time>) -> Timestamps {
    Timestamps {
        last_access: timespec(atime),
        last_modification: timespec(mtime),
    }
}

pub(super) fn ids(uid: Option<u32>, gid: Option<u32>) -> Result<(Option<Uid>, Option<Gid>), Errno> {
    // To the system -1 means "leave it", so it cannot be set (spec: transfer 5.3).
    if uid == Some(u32::MAX) || gid == Some(u32::MAX) {
        return Err(Errno::INVAL);
    }
    Ok((uid.map(Uid::from_raw), gid.map(Gid::from_raw)))
}

/// The twelve permission bits of `mode`.
pub(super) fn permissions(mode: u32) -> Mode {
    Mode::from_bits_truncate(mode & 0o7777)
}

/// A call of the C library, made again when a signal interrupts it; its error as the other calls of this module give it.
pub(super) fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(nix::errno::Errno::EINTR) => {}
            other => return other.map_err(|error| Errno::from_raw_os_error(error as i32)),
        }
    }
}

/// The twelve permission bits of an open file.
pub(crate) fn fchmod(file: impl AsFd, mode: u32) -> io::Result<()> {
    let file = file.as_fd();
    Ok(retry(|| nix::sys::stat::fchmod(file, permissions(mode)))?)
}

/// Owner and group of an open file; `None` leaves one as it is. This clears set-id bits: the mode comes after.
pub(crate) fn fchown(file: impl AsFd, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    let (uid, gid) = ids(uid, gid)?;
    let file = file.as_fd();
    Ok(retry(|| nix::unistd::fchown(file, uid, gid))?)
}

/// Times of an open file; `None` leaves one as it is.
pub(crate) fn futimens(file: impl AsFd, mtime: Option<Time>, atime: Option<Time>) -> io::Result<()> {
    let times = timestamps(mtime, atime);
    Ok(retry_on_intr(|| rustix::fs::futimens(&file, &times))?)
}

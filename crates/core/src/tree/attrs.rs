//! Mode, owner and times of open files. A temporary file gets all of them by handle, before it has its name.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{Gid, Mode, Timespec, Timestamps, Uid, UTIME_OMIT};
use rustix::io::{retry_on_intr, Errno};

/// A moment: seconds since 1970, nanoseconds.
pub type Time = (i64, u32);

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
    // -1 means "leave it" to the system, so it can't be set (spec: transfer 5.3)
    if uid == Some(u32::MAX) || gid == Some(u32::MAX) {
        return Err(Errno::INVAL);
    }
    Ok((uid.map(Uid::from_raw), gid.map(Gid::from_raw)))
}

/// The twelve permission bits of an open file.
pub fn fchmod(file: impl AsFd, mode: u32) -> io::Result<()> {
    let mode = Mode::from_raw_mode(mode & 0o7777);
    Ok(retry_on_intr(|| rustix::fs::fchmod(&file, mode))?)
}

/// Owner and group of an open file; `None` leaves one as it is. This clears set-id bits: the mode comes after.
pub fn fchown(file: impl AsFd, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    let (uid, gid) = ids(uid, gid)?;
    Ok(retry_on_intr(|| rustix::fs::fchown(&file, uid, gid))?)
}

/// Times of an open file; `None` leaves one as it is.
pub fn futimens(file: impl AsFd, mtime: Option<Time>, atime: Option<Time>) -> io::Result<()> {
    let times = timestamps(mtime, atime);
    Ok(retry_on_intr(|| rustix::fs::futimens(&file, &times))?)
}

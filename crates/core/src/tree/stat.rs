//! What is known about a file.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, FileType, StatxFlags};
use rustix::io::{retry_on_intr, Errno};

use super::mode;

/// The status of a file. Times are seconds since 1970 and nanoseconds; sizes are bytes, `blocks` units of 512 bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stat {
    /// Type and permission bits, as the system numbers them (on Linux the same as on the wire).
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub mtime: i64,
    pub mtime_nsec: u32,
    pub atime: i64,
    pub atime_nsec: u32,
    /// Time of creation, when asked for and known to the filesystem.
    pub btime: Option<(i64, u32)>,
    /// Device number of a device node.
    pub rdev_major: u32,
    pub rdev_minor: u32,
    /// The filesystem that holds the file.
    pub dev: u64,
    pub ino: u64,
    pub nlink: u64,
    pub blocks: u64,
}

impl Stat {
    pub fn is_dir(&self) -> bool {
        mode::is_dir(self.mode)
    }
    pub fn is_file(&self) -> bool {
        mode::is_file(self.mode)
    }
    pub fn is_symlink(&self) -> bool {
        mode::is_link(self.mode)
    }
    /// A block or character device.
    pub fn is_device(&self) -> bool {
        mode::is_device(self.mode)
    }
    /// Modification time, seconds and nanoseconds.
    pub fn mtime_pair(&self) -> (i64, u32) {
        (self.mtime, self.mtime_nsec)
    }
    /// Access time, seconds and nanoseconds.
    pub fn atime_pair(&self) -> (i64, u32) {
        (self.atime, self.atime_nsec)
    }
    /// The same file: device and inode are equal.
    pub fn same_file(&self, other: &Stat) -> bool {
        self.dev == other.dev && self.ino == other.ino
    }
}

/// Status of an open file.
pub(crate) fn of_file(file: impl AsFd) -> io::Result<Stat> {
    Ok(retry_on_intr(|| query(&file, b"", AtFlags::EMPTY_PATH, false))?)
}

/// As [`of_file`], with the time of creation if `btime`.
pub(super) fn of_open(file: impl AsFd, btime: bool) -> io::Result<Stat> {
    Ok(retry_on_intr(|| query(&file, b"", AtFlags::EMPTY_PATH, btime))?)
}

/// One `fstatat`, the C library's function: preloaded libraries (fakeroot) replace it, many of them not `statx`. So
/// `statx` is asked for the time of creation alone, and where it is hidden (old seccomp profiles answer EPERM), that
/// time is unknown.
pub(super) fn query(dir: impl AsFd, leaf: &[u8], flags: AtFlags, btime: bool) -> Result<Stat, Errno> {
    let flags = flags | AtFlags::NO_AUTOMOUNT;
    let s = rustix::fs::statat(&dir, leaf, flags)?;
    let mut stat = Stat {
        mode: s.st_mode,
        uid: s.st_uid,
        gid: s.st_gid,
        size: s.st_size as u64,
        mtime: s.st_mtime,
        mtime_nsec: s.st_mtime_nsec as u32,
        atime: s.st_atime,
        atime_nsec: s.st_atime_nsec as u32,
        btime: None,
        rdev_major: rustix::fs::major(s.st_rdev),
        rdev_minor: rustix::fs::minor(s.st_rdev),
        dev: s.st_dev,
        ino: s.st_ino,
        nlink: s.st_nlink as u64,
        blocks: s.st_blocks as u64,
    };
    if btime {
        match rustix::fs::statx(&dir, leaf, flags, StatxFlags::INO | StatxFlags::BTIME) {
            // another file may have taken the name
            Ok(x) if x.stx_mask & StatxFlags::BTIME.bits() != 0 && x.stx_ino == stat.ino => {
                stat.btime = Some((x.stx_btime.tv_sec, x.stx_btime.tv_nsec));
            }
            Ok(_) | Err(Errno::NOSYS | Errno::PERM | Errno::NOENT) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(stat)
}

/// The type that `mode` names, for `mknod`.
pub(super) fn file_type(mode: u32) -> FileType {
    FileType::from_raw_mode(mode)
}

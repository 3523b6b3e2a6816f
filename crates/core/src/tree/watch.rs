//! Watching directories for changes.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::{retry_on_intr, Errno};
use rustix::time::{clock_gettime, ClockId};

use super::procfs;

pub(crate) use rustix::fs::inotify::ReadFlags as Change;

/// What is reported of a directory. Opening and reading are not: our own reads would fill the queue.
const MASK: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::DONT_FOLLOW);

/// Bytes of events that are read at once.
const BUFFER: usize = 64 * 1024;

/// A suspended machine makes the two clocks differ by more than this many nanoseconds.
const SUSPENDED: i128 = 100_000_000;

/// Watches on directories beneath one path. The kernel queues an event before the call that causes it returns, so an
/// empty queue proves that nothing has changed.
#[derive(Debug)]
pub(crate) struct Watcher {
    fd: OwnedFd,
    base: Vec<u8>,
    /// Reports changes of mounts; `None` where there is no `/proc`.
    mounts: Option<File>,
    asleep: i128,
    buffer: Vec<u8>,
}

impl Watcher {
    /// `base`: the absolute path, as this process sees it, that watched names are relative to.
    pub(crate) fn new(base: &[u8]) -> io::Result<Self> {
        Ok(Self {
            fd: inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?,
            base: base.strip_suffix(b"/").unwrap_or(base).to_vec(),
            mounts: procfs::mounts(),
            asleep: asleep(),
            buffer: Vec::with_capacity(BUFFER),
        })
    }

    /// Watch a directory. The number is that of its events; a directory that is watched already keeps its number.
    pub(crate) fn add(&self, dir: &[u8]) -> io::Result<i32> {
        let path = [&self.base[..], b"/", dir].concat();
        Ok(inotify::add_watch(&self.fd, path, MASK)?)
    }

    /// End a watch. Its number is free once the event `IGNORED` was read.
    pub(crate) fn remove(&self, number: i32) {
        // A directory that is gone has taken its watch with it.
        let _ = inotify::remove_watch(&self.fd, number);
    }

    /// Read all events that are queued now: number of the watch, change, cookie of a rename, name in the directory (empty:
    /// itself).
    ///
    /// Errors: of the read; events may be lost.
    pub(crate) fn drain(&mut self, mut each: impl FnMut(i32, Change, u32, &[u8])) -> io::Result<()> {
        let spare: &mut [MaybeUninit<u8>] = self.buffer.spare_capacity_mut();
        let mut reader = inotify::Reader::new(&self.fd, spare);
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map_or(&b""[..], |name| name.to_bytes());
                    each(event.wd(), event.events(), event.cookie(), name);
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether something has happened since the last call that no event reports: a mount, or a sleep of the machine.
    pub(crate) fn disturbed(&mut self) -> bool {
        let now = asleep();
        let slept = now - self.asleep > SUSPENDED;
        self.asleep = now;
        let Some(mounts) = &self.mounts else { return slept };
        let mut fds = [PollFd::new(mounts, PollFlags::PRI)];
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mounted = retry_on_intr(|| poll(&mut fds, Some(&none))).is_ok()
            && fds[0].revents().intersects(PollFlags::PRI | PollFlags::ERR);
        slept || mounted
    }
}

/// Nanoseconds that this machine has slept.
fn asleep() -> i128 {
    let nanos = |clock| {
        let time = clock_gettime(clock);
        i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
    };
    nanos(ClockId::Boottime) - nanos(ClockId::Monotonic)
}

/// Whether the file system of an open directory is of a kind that reports all its changes to watches.
///
/// Errors: of `fstatfs`.
pub(crate) fn is_watchable(dir: impl std::os::fd::AsFd) -> io::Result<bool> {
    const KINDS: [i64; 11] = [
        0xef53,      // ext2, ext3, ext4
        0x5846_5342, // xfs
        0x9123_683e, // btrfs
        0xf2f5_2010, // f2fs
        0x0102_1994, // tmpfs
        0x8584_58f6, // ramfs
        0x2fc1_2fc1, // zfs
        0xca45_1a4e, // bcachefs
        0x0001_1954, // ufs
        0x3153_464a, // jfs
        0x5265_4973, // reiserfs
    ];
    Ok(KINDS.contains(&(rustix::fs::fstatfs(dir)?.f_type as i64)))
}

//! Beneath a [`Root`]: opening and making files, and the attributes of what a name names.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode, OFlags};

use super::attrs::{self, Time};
use super::inode;
use super::root::{check, Atime, Root, WriteFlags};
use super::temp::{self, Place, Temp};

impl Root {
    /// Open for reading; a link gives ELOOP. `Atime::Keep` is allowed to the owner only (EPERM), as in
    /// rsync. The open never blocks: what it yields may be a pipe that was put there meanwhile, so look at its status.
    pub fn open_read(&self, rel: &[u8], atime: Atime) -> io::Result<File> {
        self.open_read_flags(rel, OFlags::NOFOLLOW, atime)
    }

    /// Open for reading what `rel` leads to: beneath the root, or anywhere if the root follows links.
    pub fn open_read_follow(&self, rel: &[u8], atime: Atime) -> io::Result<File> {
        if self.follows_anywhere() {
            return self.open_read_flags(rel, OFlags::empty(), atime);
        }
        check(rel)?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | atime.flag();
        Ok(File::from(self.resolve(rel, flags)?))
    }

    /// A handle without access to content on what `rel` leads to, as [`open_read_follow`](Self::open_read_follow).
    pub(super) fn open_path_follow(&self, rel: &[u8]) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        if self.follows_anywhere() {
            return self.at(rel, |dir, leaf| rustix::fs::openat(dir, leaf, flags, Mode::empty()));
        }
        check(rel)?;
        Ok(self.resolve(rel, flags)?)
    }

    fn open_read_flags(&self, rel: &[u8], extra: OFlags, atime: Atime) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | extra | atime.flag();
        let fd = self.at(rel, |dir, leaf| rustix::fs::openat(dir, leaf, flags, Mode::empty()))?;
        Ok(File::from(fd))
    }

    /// Open for writing; a link gives ELOOP.
    pub fn open_write(&self, rel: &[u8], how: WriteFlags) -> io::Result<File> {
        let mut flags = OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        flags |= if how.read { OFlags::RDWR } else { OFlags::WRONLY };
        let mut mode = Mode::empty();
        if let Some(bits) = how.create {
            flags |= OFlags::CREATE;
            mode = Mode::from_raw_mode(bits & 0o7777);
        }
        if how.exclusive {
            flags |= OFlags::EXCL;
        }
        if how.truncate {
            flags |= OFlags::TRUNC;
        }
        Ok(File::from(
            self.at(rel, |dir, leaf| rustix::fs::openat(dir, leaf, flags, mode))?,
        ))
    }

    /// Make a new file, open for reading and writing; EEXIST if there is anything.
    pub fn create_excl(&self, rel: &[u8], mode: u32) -> io::Result<File> {
        self.open_write(
            rel,
            WriteFlags {
                read: true,
                create: Some(mode),
                exclusive: true,
                truncate: false,
            },
        )
    }

    /// Make a temporary file for the target `rel`, beside it or in `temp_dir` (spec: transfer 6, security SEC-8).
    pub fn create_temp(&self, rel: &[u8], temp_dir: Option<&Root>) -> io::Result<Temp> {
        let root = temp_dir.unwrap_or(self);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (file, name) = temp::with_fresh_name(rel, Place::of(temp_dir.is_some()), |name| {
            root.at(name, |dir, leaf| {
                rustix::fs::openat(dir, leaf, flags, Mode::from_raw_mode(0o600))
            })
        })?;
        Ok(Temp {
            file: File::from(file),
            name,
        })
    }

    /// Run `make` (a `symlink`, `mknod` or `link` call) with fresh temporary names beside `rel` until one is free;
    /// returns the name. For replacing an object by rename.
    pub fn make_temp(&self, rel: &[u8], mut make: impl FnMut(&Root, &[u8]) -> io::Result<()>) -> io::Result<Vec<u8>> {
        Ok(temp::with_fresh_name(rel, Place::Beside, |name| make(self, name))?.1)
    }

    /// Set the permission bits; a link gives EOPNOTSUPP. Three calls: the inode is pinned with O_PATH and then
    /// changed through the descriptor table. Use [`attrs::fchmod`] on open files.
    pub fn chmod(&self, rel: &[u8], mode: u32) -> io::Result<()> {
        self.at(rel, |dir, leaf| {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let pin = rustix::fs::openat(dir, leaf, flags, Mode::empty())?;
            inode::chmod(&pin, mode, || inode::reopen(dir, leaf, &pin))
        })
    }

    /// Set owner and group of the file itself, which may be a symlink; `None` leaves one as it is. Clears set-id bits.
    /// Where it must be no symlink, use [`Root::pin_entry`].
    pub fn chown(&self, rel: &[u8], uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
        let (uid, gid) = attrs::ids(uid, gid)?;
        self.at(rel, |dir, leaf| {
            let link = nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW;
            attrs::retry(|| nix::unistd::fchownat(dir, leaf, uid, gid, link))
        })
    }

    /// Set the times of the file itself; `None` leaves one as it is.
    pub fn utimens(&self, rel: &[u8], mtime: Option<Time>, atime: Option<Time>) -> io::Result<()> {
        let times = attrs::timestamps(mtime, atime);
        self.at(rel, |dir, leaf| {
            rustix::fs::utimensat(dir, leaf, &times, AtFlags::SYMLINK_NOFOLLOW)
        })
    }
}

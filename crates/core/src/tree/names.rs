//! Beneath a [`Root`]: making, moving and removing names.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;

use super::dir::FileKind;
use super::root::{split, Root};
use super::stat;

impl Root {
    pub fn symlink(&self, target: &[u8], rel: &[u8]) -> io::Result<()> {
        self.at(rel, |dir, leaf| rustix::fs::symlinkat(target, dir, leaf))
    }

    /// Make a device, pipe or socket node; `mode` includes the type.
    pub fn mknod(&self, rel: &[u8], mode: u32, major: u32, minor: u32) -> io::Result<()> {
        let device = rustix::fs::makedev(major, minor);
        let bits = Mode::from_raw_mode(mode & 0o7777);
        self.at(rel, |dir, leaf| {
            rustix::fs::mknodat(dir, leaf, stat::file_type(mode), bits, device)
        })
    }

    /// Give `old` the further name `new`; a link is linked itself.
    pub fn link(&self, old: &[u8], new: &[u8]) -> io::Result<()> {
        self.link_from(self, old, new)
    }

    /// Give `old` in another root the further name `new` in this one.
    pub fn link_from(&self, from: &Root, old: &[u8], new: &[u8]) -> io::Result<()> {
        from.two(old, self, new, |old_dir, old_leaf, new_dir, new_leaf| {
            rustix::fs::linkat(old_dir, old_leaf, new_dir, new_leaf, AtFlags::empty())
        })
    }

    pub fn rename(&self, old: &[u8], new: &[u8]) -> io::Result<()> {
        self.rename_from(self, old, new)
    }

    /// Rename `old` in another root to `new` in this one. Other clones keep the handles of a directory that is
    /// moved: the hot case is a file, and does not pay for it.
    pub fn rename_from(&self, from: &Root, old: &[u8], new: &[u8]) -> io::Result<()> {
        from.two(old, self, new, |old_dir, old_leaf, new_dir, new_leaf| {
            rustix::fs::renameat(old_dir, old_leaf, new_dir, new_leaf)
        })?;
        from.gone(old, false);
        self.gone(new, false);
        Ok(())
    }

    fn two<T>(
        &self,
        old: &[u8],
        other: &Root,
        new: &[u8],
        mut call: impl FnMut(BorrowedFd<'_>, &[u8], BorrowedFd<'_>, &[u8]) -> Result<T, Errno>,
    ) -> io::Result<T> {
        let (new_dir, new_leaf) = split(new)?;
        other.exists()?;
        if new_dir.is_empty() {
            return self.at(old, |dir, leaf| call(dir, leaf, other.handle(), new_leaf));
        }
        let parent = other.parent(new_dir)?;
        self.at(old, |dir, leaf| call(dir, leaf, parent.as_fd(), new_leaf))
    }

    /// Remove a name that is not a directory's.
    pub fn unlink(&self, rel: &[u8]) -> io::Result<()> {
        self.at(rel, |dir, leaf| rustix::fs::unlinkat(dir, leaf, AtFlags::empty()))?;
        self.gone(rel, false);
        Ok(())
    }

    /// `rmdir` or `unlink` by the type known from reading the directory; an unknown type is found out by trying.
    pub fn remove(&self, rel: &[u8], kind: FileKind) -> io::Result<()> {
        match kind {
            FileKind::Dir => self.rmdir(rel),
            FileKind::Unknown => match self.unlink(rel) {
                // POSIX says EPERM, Linux EISDIR
                Err(e) if e.raw_os_error() == Some(Errno::ISDIR.raw_os_error()) => self.rmdir(rel),
                other => other,
            },
            _ => self.unlink(rel),
        }
    }
}

//! [`Pin`]: one inode, held while several of its attributes are read or set, so that all land on the same file
//! (spec: security SEC-7).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::attrs;
use super::inode;
use super::procfs;
use super::root::Root;
use super::stat::{self, Stat};

/// A held inode of any type, opened without access to its content (O_PATH).
#[derive(Debug)]
pub struct Pin {
    pub(super) inode: OwnedFd,
    /// Where it was found, to open it again; kept only where `/proc` is missing.
    found: Option<(OwnedFd, Vec<u8>)>,
}

impl AsFd for Pin {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inode.as_fd()
    }
}

impl Root {
    /// Hold the inode that `rel` leads to: beneath the root, or anywhere if the root follows links.
    pub fn pin_follow(&self, rel: &[u8]) -> io::Result<Pin> {
        let inode = self.open_path_follow(rel)?;
        let found = self.place_of(rel)?;
        Ok(Pin { inode, found })
    }

    /// Hold the file `rel` itself, to change attributes that a symlink must not get in its place: its owner makes a link
    /// one that paths of the operator follow (spec: transfer 16.2). A symlink gives ELOOP.
    pub fn pin_entry(&self, rel: &[u8]) -> io::Result<Pin> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let inode = self.at(rel, |dir, leaf| rustix::fs::openat(dir, leaf, flags, Mode::empty()))?;
        if stat::of_file(&inode)?.is_symlink() {
            return Err(Errno::LOOP.into());
        }
        let found = self.place_of(rel)?;
        Ok(Pin { inode, found })
    }

    fn place_of(&self, rel: &[u8]) -> io::Result<Option<(OwnedFd, Vec<u8>)>> {
        if procfs::path_usable() {
            return Ok(None);
        }
        self.at(rel, |dir, leaf| {
            Ok(Some((rustix::io::fcntl_dupfd_cloexec(dir, 0)?, leaf.to_vec())))
        })
    }
}

impl Pin {
    pub fn stat(&self) -> io::Result<Stat> {
        stat::of_file(&self.inode)
    }

    /// As [`Root::chmod`].
    pub fn chmod(&self, mode: u32) -> io::Result<()> {
        Ok(inode::chmod(&self.inode, mode, || self.reopen())?)
    }

    /// Set owner and group; `None` leaves one as it is. Clears set-id bits.
    pub fn chown(&self, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
        let (uid, gid) = attrs::ids(uid, gid)?;
        Ok(inode::chown(&self.inode, uid, gid, || self.reopen())?)
    }

    pub(super) fn reopen(&self) -> Result<OwnedFd, Errno> {
        let (parent, leaf) = self.found.as_ref().ok_or(Errno::OPNOTSUPP)?;
        inode::reopen(parent.as_fd(), leaf, &self.inode)
    }
}

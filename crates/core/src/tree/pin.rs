//! [`Pin`]: one inode, held while several of its attributes are read or set, so that all land on the same file
//! (spec: security SEC-7).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::{retry_on_intr, Errno};

use super::attrs::{self, Time};
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
    /// Hold the inode that `rel` names now; a link is held itself.
    pub fn pin(&self, rel: &[u8]) -> io::Result<Pin> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.at(rel, |dir, leaf| {
            let inode = rustix::fs::openat(dir, leaf, flags, Mode::empty())?;
            let found = if procfs::path_usable() {
                None
            } else {
                Some((rustix::io::fcntl_dupfd_cloexec(dir, 0)?, leaf.to_vec()))
            };
            Ok(Pin { inode, found })
        })
    }

    /// Hold the inode that `rel` leads to: beneath the root, or anywhere if the root follows links.
    pub fn pin_follow(&self, rel: &[u8]) -> io::Result<Pin> {
        let inode = self.open_path_follow(rel)?;
        let found = if procfs::path_usable() {
            None
        } else {
            self.at(rel, |dir, leaf| {
                Ok(Some((rustix::io::fcntl_dupfd_cloexec(dir, 0)?, leaf.to_vec())))
            })?
        };
        Ok(Pin { inode, found })
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

    /// As [`Root::chown`].
    pub fn chown(&self, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
        let (uid, gid) = attrs::ids(uid, gid)?;
        let whole = nix::fcntl::AtFlags::AT_EMPTY_PATH;
        Ok(attrs::retry(|| {
            nix::unistd::fchownat(&self.inode, "", uid, gid, whole)
        })?)
    }

    /// As [`Root::utimens`].
    pub fn utimens(&self, mtime: Option<Time>, atime: Option<Time>) -> io::Result<()> {
        let times = attrs::timestamps(mtime, atime);
        match retry_on_intr(|| rustix::fs::utimensat(&self.inode, "", &times, AtFlags::EMPTY_PATH)) {
            // before Linux 5.8
            Err(Errno::INVAL | Errno::NOENT) => {}
            other => return Ok(other?),
        }
        match procfs::name_of(&self.inode) {
            Some((proc, name)) => Ok(retry_on_intr(|| {
                rustix::fs::utimensat(proc, name.as_str(), &times, AtFlags::empty())
            })?),
            None => attrs::futimens(self.reopen()?, mtime, atime),
        }
    }

    pub(super) fn reopen(&self) -> Result<OwnedFd, Errno> {
        let (parent, leaf) = self.found.as_ref().ok_or(Errno::OPNOTSUPP)?;
        inode::reopen(parent.as_fd(), leaf, &self.inode)
    }
}

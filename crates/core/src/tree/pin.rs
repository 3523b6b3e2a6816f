//! [`Pin`]: one inode, held while several of its attributes are read or set, so that all land on the same file
//! (spec: security SEC-7).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

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

    pub(super) fn reopen(&self) -> Result<OwnedFd, Errno> {
        let (parent, leaf) = self.found.as_ref().ok_or(Errno::OPNOTSUPP)?;
        inode::reopen(parent.as_fd(), leaf, &self.inode)
    }
}

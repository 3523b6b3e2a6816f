//! Extended attributes (spec: transfer 5.5, protocol 5.12, 6.5).
//!
//! The calls take a path or an open file, never a directory handle and a name. So a name beneath a root is reached
//! as `/proc/self/fd/PARENT/NAME` with the no-follow forms: the parent is held, and nothing is followed.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, XattrFlags};
use rustix::io::{retry_on_intr, Errno};

use super::inode::reopen;
use super::pin::Pin;
use super::procfs;
use super::root::Root;

/// First guess of the size of a list or a value: most are smaller.
const GUESS: usize = 1024;
/// What Linux allows for a list and for a value.
const LARGEST: usize = 65536;

/// What an attribute call acts on.
#[derive(Clone, Copy)]
pub(super) enum Subject<'a> {
    /// A path through our own descriptor table, for the no-follow calls.
    Name(&'a [u8]),
    /// The same, ending in the descriptor of the inode itself: the calls that follow.
    Inode(&'a [u8]),
    Open(BorrowedFd<'a>),
}

impl Subject<'_> {
    fn list_into(self, buffer: &mut [u8]) -> Result<usize, Errno> {
        retry_on_intr(|| match self {
            Self::Name(path) => rustix::fs::llistxattr(path, &mut *buffer),
            Self::Inode(path) => rustix::fs::listxattr(path, &mut *buffer),
            Self::Open(fd) => rustix::fs::flistxattr(fd, &mut *buffer),
        })
    }

    fn get_into(self, name: &[u8], buffer: &mut [u8]) -> Result<usize, Errno> {
        retry_on_intr(|| match self {
            Self::Name(path) => rustix::fs::lgetxattr(path, name, &mut *buffer),
            Self::Inode(path) => rustix::fs::getxattr(path, name, &mut *buffer),
            Self::Open(fd) => rustix::fs::fgetxattr(fd, name, &mut *buffer),
        })
    }

    pub(super) fn get(self, name: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
        match grow(|buffer| self.get_into(name, buffer)) {
            Err(Errno::NODATA) => Ok(None),
            other => other.map(Some),
        }
    }

    pub(super) fn set(self, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        let flags = XattrFlags::empty();
        retry_on_intr(|| match self {
            Self::Name(path) => rustix::fs::lsetxattr(path, name, value, flags),
            Self::Inode(path) => rustix::fs::setxattr(path, name, value, flags),
            Self::Open(fd) => rustix::fs::fsetxattr(fd, name, value, flags),
        })
    }

    /// Remove an attribute; returns whether it existed.
    pub(super) fn remove(self, name: &[u8]) -> Result<bool, Errno> {
        let done = retry_on_intr(|| match self {
            Self::Name(path) => rustix::fs::lremovexattr(path, name),
            Self::Inode(path) => rustix::fs::removexattr(path, name),
            Self::Open(fd) => rustix::fs::fremovexattr(fd, name),
        });
        match done {
            Err(Errno::NODATA) => Ok(false),
            other => other.map(|()| true),
        }
    }
}

/// Names in the order of the filesystem.
fn list(subject: Subject<'_>) -> Result<Vec<Vec<u8>>, Errno> {
    let all = grow(|buffer| subject.list_into(buffer))?;
    Ok(all
        .split(|b| *b == 0)
        .filter(|n| !n.is_empty())
        .map(<[u8]>::to_vec)
        .collect())
}

/// The list is empty on a filesystem without attributes, and for a link or device that cannot be reached safely (in a
/// chroot without `/proc`). Setting an attribute there is an error.
fn none_if_unsupported(listed: Result<Vec<Vec<u8>>, Errno>) -> Result<Vec<Vec<u8>>, Errno> {
    match listed {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(Vec::new()),
        other => other,
    }
}

/// Call with a small buffer, then with the largest.
fn grow(call: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut small = [0; GUESS];
    match call(&mut small) {
        Ok(len) => return Ok(small[..len].to_vec()),
        Err(Errno::RANGE) => {}
        Err(e) => return Err(e),
    }
    let mut buffer = vec![0; LARGEST];
    let len = call(&mut buffer)?;
    buffer.truncate(len);
    buffer.shrink_to_fit();
    Ok(buffer)
}

/// `/proc/self/fd/DIR/LEAF`.
fn through(dir: BorrowedFd<'_>, leaf: &[u8]) -> Vec<u8> {
    let mut path = format!("/proc/self/fd/{}/", dir.as_raw_fd()).into_bytes();
    path.extend_from_slice(leaf);
    path
}

/// Run `call` on a name in a held directory.
fn on_name<T>(dir: BorrowedFd<'_>, leaf: &[u8], call: impl Fn(Subject<'_>) -> Result<T, Errno>) -> Result<T, Errno> {
    if procfs::path_usable() {
        return call(Subject::Name(&through(dir, leaf)));
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let pin = rustix::fs::openat(dir, leaf, flags, Mode::empty())?;
    call(Subject::Open(reopen(dir, leaf, &pin)?.as_fd()))
}

/// Run `call` on a pinned inode.
fn on_inode<T>(
    pin: &OwnedFd,
    reopened: impl FnOnce() -> Result<OwnedFd, Errno>,
    call: impl Fn(Subject<'_>) -> Result<T, Errno>,
) -> Result<T, Errno> {
    if procfs::path_usable() {
        let path = format!("/proc/self/fd/{}", pin.as_raw_fd());
        return call(Subject::Inode(path.as_bytes()));
    }
    call(Subject::Open(reopened()?.as_fd()))
}

/// Names of the attributes of an open file.
pub(crate) fn flist(file: impl AsFd) -> io::Result<Vec<Vec<u8>>> {
    Ok(none_if_unsupported(list(Subject::Open(file.as_fd())))?)
}

/// An attribute of an open file.
pub(crate) fn fget(file: impl AsFd, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
    Ok(Subject::Open(file.as_fd()).get(name)?)
}

/// Set an attribute of an open file.
pub(crate) fn fset(file: impl AsFd, name: &[u8], value: &[u8]) -> io::Result<()> {
    Ok(Subject::Open(file.as_fd()).set(name, value)?)
}

/// Remove an attribute of an open file; returns whether it existed.
pub(crate) fn fremove(file: impl AsFd, name: &[u8]) -> io::Result<bool> {
    Ok(Subject::Open(file.as_fd()).remove(name)?)
}

impl Root {
    /// Names of the attributes of the file itself; empty where the filesystem has none.
    pub fn list_xattrs(&self, rel: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        self.at(rel, |dir, leaf| none_if_unsupported(on_name(dir, leaf, list)))
    }

    /// The value of an attribute of the file itself; `None` if it has no such.
    pub fn get_xattr(&self, rel: &[u8], name: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.at(rel, |dir, leaf| on_name(dir, leaf, |s| s.get(name)))
    }

    /// Set an attribute of the file itself.
    pub fn set_xattr(&self, rel: &[u8], name: &[u8], value: &[u8]) -> io::Result<()> {
        self.at(rel, |dir, leaf| on_name(dir, leaf, |s| s.set(name, value)))
    }

    /// Remove an attribute of the file itself; returns whether it existed.
    pub fn remove_xattr(&self, rel: &[u8], name: &[u8]) -> io::Result<bool> {
        self.at(rel, |dir, leaf| on_name(dir, leaf, |s| s.remove(name)))
    }
}

impl Pin {
    pub(super) fn xattr<T>(&self, call: impl Fn(Subject<'_>) -> Result<T, Errno>) -> Result<T, Errno> {
        on_inode(&self.inode, || self.reopen(), call)
    }

    /// As [`Root::list_xattrs`].
    pub fn list_xattrs(&self) -> io::Result<Vec<Vec<u8>>> {
        Ok(none_if_unsupported(self.xattr(list))?)
    }

    /// As [`Root::get_xattr`].
    pub fn get_xattr(&self, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
        Ok(self.xattr(|s| s.get(name))?)
    }

    /// As [`Root::set_xattr`].
    pub fn set_xattr(&self, name: &[u8], value: &[u8]) -> io::Result<()> {
        Ok(self.xattr(|s| s.set(name, value))?)
    }

    /// As [`Root::remove_xattr`].
    pub fn remove_xattr(&self, name: &[u8]) -> io::Result<bool> {
        Ok(self.xattr(|s| s.remove(name))?)
    }
}

/// The prefix of names that are rsync's own bookkeeping; they travel with `-XX` only.
pub(crate) const INTERNAL: &[u8] = b"user.rsync.%";
/// Where a fake-super receiver keeps names that it may not set.
pub(crate) const FAKE_PREFIX: &[u8] = b"user.rsync.";

/// How one side handles attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Handling {
    /// Super-user powers (uid 0 or `--super`).
    pub am_root: bool,
    pub fake_super: bool,
    /// There are `x` filter rules: they decide instead of the namespace.
    pub rules: bool,
    /// `-XX`.
    pub internal: bool,
}

/// Under which name a sender sends a local attribute, before any filter; `None`: not sent (spec: transfer 5.5).
/// A fake-super sender strips the prefix again.
pub(crate) fn sent_name(local: &[u8], how: Handling) -> Option<&[u8]> {
    if !how.rules && local.starts_with(b"system.") {
        return None;
    }
    if local.starts_with(INTERNAL) {
        return how.internal.then_some(local);
    }
    if how.fake_super {
        return Some(local.strip_prefix(FAKE_PREFIX).unwrap_or(local));
    }
    Some(local)
}

/// Under which name a receiver keeps an attribute that arrives; `None`: it is dropped (spec: transfer 5.5).
pub(crate) fn kept_name(wire: &[u8], how: Handling) -> Option<Vec<u8>> {
    if wire.starts_with(b"user.") {
        return Some(wire.to_vec());
    }
    if how.fake_super || (!how.am_root && how.rules) {
        return Some([FAKE_PREFIX, wire].concat());
    }
    how.am_root.then(|| wire.to_vec())
}

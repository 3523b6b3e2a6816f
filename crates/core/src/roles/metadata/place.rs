//! The file that a call is about: a name, an open file, or a pinned inode.

use std::fs::File;
use std::io;

use crate::tree::acl::{self, Acl, AclKind};

use crate::tree::{xattr, Pin, Root, Stat};

/// The file that a call is about.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// A name beneath a root; a link is not followed.
    Name(&'a Root, &'a [u8]),
    Open(&'a File),
    Pinned(&'a Pin),
}

impl Place<'_> {
    pub(super) fn list(self) -> io::Result<Vec<Vec<u8>>> {
        match self {
            Self::Name(root, rel) => root.list_xattrs(rel),
            Self::Open(file) => xattr::flist(file),
            Self::Pinned(pin) => pin.list_xattrs(),
        }
    }

    pub(super) fn get(self, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Name(root, rel) => root.get_xattr(rel, name),
            Self::Open(file) => xattr::fget(file, name),
            Self::Pinned(pin) => pin.get_xattr(name),
        }
    }

    pub(super) fn set(self, name: &[u8], value: &[u8]) -> io::Result<()> {
        match self {
            Self::Name(root, rel) => root.set_xattr(rel, name, value),
            Self::Open(file) => xattr::fset(file, name, value),
            Self::Pinned(pin) => pin.set_xattr(name, value),
        }
    }

    pub(super) fn remove(self, name: &[u8]) -> io::Result<bool> {
        match self {
            Self::Name(root, rel) => root.remove_xattr(rel, name),
            Self::Open(file) => xattr::fremove(file, name),
            Self::Pinned(pin) => pin.remove_xattr(name),
        }
    }

    pub(in crate::roles) fn acl(self, kind: AclKind) -> io::Result<Option<Acl>> {
        match self {
            Self::Name(root, rel) => root.get_acl(rel, kind),
            Self::Open(file) => acl::fget(file, kind),
            Self::Pinned(pin) => pin.get_acl(kind),
        }
    }

    pub(in crate::roles) fn set_acl(self, kind: AclKind, acl: Option<&Acl>) -> io::Result<()> {
        match self {
            Self::Name(root, rel) => root.set_acl(rel, kind, acl),
            Self::Open(file) => acl::fset(file, kind, acl),
            Self::Pinned(pin) => pin.set_acl(kind, acl),
        }
    }

    pub(in crate::roles) fn stat(self) -> io::Result<Stat> {
        match self {
            Self::Name(root, rel) => root.lstat(rel),
            Self::Open(file) => crate::tree::stat::of_file(file),
            Self::Pinned(pin) => pin.stat(),
        }
    }

    /// Set owner and group; `None` leaves one as it is. This clears set-id bits.
    pub(in crate::roles) fn chown(self, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
        match self {
            Self::Name(root, rel) => root.chown(rel, uid, gid),
            Self::Open(file) => crate::tree::attrs::fchown(file, uid, gid),
            Self::Pinned(pin) => pin.chown(uid, gid),
        }
    }

    pub(in crate::roles) fn chmod(self, mode: u32) -> io::Result<()> {
        match self {
            Self::Name(root, rel) => root.chmod(rel, mode),
            Self::Open(file) => crate::tree::attrs::fchmod(file, mode),
            Self::Pinned(pin) => pin.chmod(mode),
        }
    }
}

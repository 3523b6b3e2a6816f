//! POSIX ACLs: the kernel's xattr form, the form kept by fake-super, and what a mode says already
//! (spec: transfer 5.2, 5.5, 5.6; protocol 5.11).

use std::io;
use std::os::fd::AsFd;

use rustix::io::Errno;

use super::pin::Pin;
use super::root::Root;
use super::xattr;

/// Which ACL of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AclKind {
    Access,
    /// Of directories: what new entries get.
    Default,
}

impl AclKind {
    /// The attribute in which the kernel shows it.
    pub fn xattr(self) -> &'static [u8] {
        match self {
            Self::Access => b"system.posix_acl_access",
            Self::Default => b"system.posix_acl_default",
        }
    }

    /// The attribute in which fake-super keeps it.
    pub fn fake_xattr(self) -> &'static [u8] {
        match self {
            Self::Access => b"user.rsync.%aacl",
            Self::Default => b"user.rsync.%dacl",
        }
    }
}

/// An entry for a named user or group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Named {
    pub id: u32,
    /// 0 to 7.
    pub perms: u8,
    /// A user; otherwise a group.
    pub is_user: bool,
}

/// An access or default ACL. What is `None` is not part of it (on the wire, an access ACL leaves out what the mode
/// says). Perms are 0 to 7.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Acl {
    /// The owner.
    pub user_obj: Option<u8>,
    /// The owning group.
    pub group_obj: Option<u8>,
    /// The most that named entries and groups may do.
    pub mask: Option<u8>,
    /// Everybody else.
    pub other: Option<u8>,
    /// Users by id, then groups by id.
    pub named: Vec<Named>,
}

const VERSION: u32 = 2;
const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
/// The id field of entries that have none.
const NO_ID: u32 = u32::MAX;
/// An absent entry in the fake-super form.
const FAKE_ABSENT: u32 = 0x80;
/// A named user, not a group, in the fake-super form.
const FAKE_USER: u32 = 1 << 31;

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn bits(mode: u32, shift: u32) -> u8 {
    ((mode >> shift) & 7) as u8
}

impl Acl {
    /// Nothing at all: as a default ACL, none is set; as a received access ACL, the mode says everything.
    pub fn is_empty(&self) -> bool {
        *self == Acl::default()
    }

    /// The value of the kernel's attribute. `None` if it is malformed.
    pub fn from_xattr(value: &[u8]) -> Option<Acl> {
        let entries = value.get(4..)?;
        if word(value, 0)? != VERSION || entries.len() % 8 != 0 {
            return None;
        }
        let mut acl = Acl::default();
        for entry in entries.chunks_exact(8) {
            let tag = u16::from_le_bytes([entry[0], entry[1]]);
            let perms = u16::from_le_bytes([entry[2], entry[3]]);
            if perms > 7 {
                return None;
            }
            let perms = perms as u8;
            match tag {
                USER_OBJ => acl.user_obj = Some(perms),
                GROUP_OBJ => acl.group_obj = Some(perms),
                MASK => acl.mask = Some(perms),
                OTHER => acl.other = Some(perms),
                USER | GROUP => acl.named.push(Named {
                    id: word(entry, 4)?,
                    perms,
                    is_user: tag == USER,
                }),
                _ => return None,
            }
        }
        Some(acl)
    }

    /// The value for the kernel's attribute: users before groups, as it insists on.
    pub fn to_xattr(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + 8 * (4 + self.named.len()));
        out.extend_from_slice(&VERSION.to_le_bytes());
        let mut put = |tag: u16, perms: u8, id: u32| {
            out.extend_from_slice(&tag.to_le_bytes());
            out.extend_from_slice(&u16::from(perms & 7).to_le_bytes());
            out.extend_from_slice(&id.to_le_bytes());
        };
        if let Some(perms) = self.user_obj {
            put(USER_OBJ, perms, NO_ID);
        }
        for entry in self.named.iter().filter(|e| e.is_user) {
            put(USER, entry.perms, entry.id);
        }
        if let Some(perms) = self.group_obj {
            put(GROUP_OBJ, perms, NO_ID);
        }
        for entry in self.named.iter().filter(|e| !e.is_user) {
            put(GROUP, entry.perms, entry.id);
        }
        if let Some(perms) = self.mask {
            put(MASK, perms, NO_ID);
        }
        if let Some(perms) = self.other {
            put(OTHER, perms, NO_ID);
        }
        out
    }

    /// The value of `user.rsync.%aacl` or `%dacl` (spec: transfer 5.6). `None` if it is malformed.
    pub fn from_fake(value: &[u8]) -> Option<Acl> {
        let entry = |n: usize| -> Option<Option<u8>> {
            match word(value, n * 4)? {
                FAKE_ABSENT => Some(None),
                perms @ 0..=7 => Some(Some(perms as u8)),
                _ => None,
            }
        };
        let named = value.get(16..)?;
        if named.len() % 8 != 0 {
            return None;
        }
        let mut acl = Acl {
            user_obj: entry(0)?,
            group_obj: entry(1)?,
            mask: entry(2)?,
            other: entry(3)?,
            named: Vec::with_capacity(named.len() / 8),
        };
        for pair in named.chunks_exact(8) {
            let access = word(pair, 4)?;
            if access & !FAKE_USER > 7 {
                return None;
            }
            acl.named.push(Named {
                id: word(pair, 0)?,
                perms: (access & 7) as u8,
                is_user: access & FAKE_USER != 0,
            });
        }
        Some(acl)
    }

    /// The value for `user.rsync.%aacl` or `%dacl`.
    pub fn to_fake(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + 8 * self.named.len());
        for entry in [self.user_obj, self.group_obj, self.mask, self.other] {
            out.extend_from_slice(&entry.map_or(FAKE_ABSENT, u32::from).to_le_bytes());
        }
        for entry in &self.named {
            out.extend_from_slice(&entry.id.to_le_bytes());
            let user = if entry.is_user { FAKE_USER } else { 0 };
            out.extend_from_slice(&(u32::from(entry.perms) | user).to_le_bytes());
        }
        out
    }

    /// A received access ACL: named entries without a mask get the group bits of `mode` (spec: protocol 5.11).
    pub fn fill_access_mask(&mut self, mode: u32) {
        if !self.named.is_empty() && self.mask.is_none() {
            self.mask = Some(bits(mode, 3));
        }
    }

    /// An access ACL as it is sent: without what `mode` says. (Named entries never come without a mask, so doing it
    /// again changes nothing.)
    pub fn stripped(&self, mode: u32) -> Self {
        let group = bits(mode, 3);
        Self {
            user_obj: None,
            group_obj: self
                .group_obj
                .filter(|&g| (self.mask.is_some() || !self.named.is_empty()) && g != group),
            mask: self.mask.filter(|&m| self.named.is_empty() || m != group),
            other: None,
            named: self.named.clone(),
        }
    }

    /// A received access ACL with what `mode` says put back.
    pub fn completed(&self, mode: u32) -> Self {
        let group = bits(mode, 3);
        Self {
            user_obj: Some(bits(mode, 6)),
            group_obj: self.group_obj.or(Some(group)),
            mask: self.mask.or_else(|| (!self.named.is_empty()).then_some(group)),
            other: Some(bits(mode, 0)),
            named: self.named.clone(),
        }
    }

    /// A received default ACL: named entries need a mask, which is all that they and the group are given.
    pub fn completed_default(&self) -> Self {
        let mut out = self.clone();
        if out.mask.is_none() && !out.named.is_empty() {
            let group = out.group_obj.unwrap_or(0);
            out.mask = Some(out.named.iter().fold(group, |all, entry| all | entry.perms));
        }
        out
    }

    /// Whether it says no more than a mode.
    pub fn is_plain(&self) -> bool {
        self.named.is_empty() && self.mask.is_none()
    }

    /// A default ACL that names some but not all of the three base entries cannot be set: they are taken from `mode`
    /// of the directory.
    pub fn complete_default(&mut self, mode: u32) {
        if !self.is_empty() {
            *self = self.completed_default();
            self.user_obj.get_or_insert(bits(mode, 6));
            self.group_obj.get_or_insert(bits(mode, 3));
            self.other.get_or_insert(bits(mode, 0));
        }
    }

    /// `mode` with the group bits that an access ACL shows in their place: the mask, or else the group entry.
    pub fn mode(&self, mode: u32) -> u32 {
        let mut out = mode;
        let mut place = |perms: Option<u8>, shift: u32| {
            if let Some(perms) = perms {
                out = out & !(7 << shift) | u32::from(perms) << shift;
            }
        };
        place(self.user_obj, 6);
        place(self.mask.or(self.group_obj), 3);
        place(self.other, 0);
        out
    }

    /// The permissions that a default ACL leaves to a new file (spec: transfer 5.2): an AND mask for its mode.
    pub fn default_permissions(&self) -> u32 {
        self.mode(0)
    }
}

fn parse(value: Option<Vec<u8>>) -> Result<Option<Acl>, Errno> {
    match value {
        Some(value) => Acl::from_xattr(&value).map(Some).ok_or(Errno::INVAL),
        None => Ok(None),
    }
}

/// A filesystem without ACLs, and a link, have none.
fn none_if_unsupported(got: io::Result<Option<Vec<u8>>>) -> io::Result<Option<Acl>> {
    match got {
        Err(e) if e.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error()) => Ok(None),
        Err(e) if e.raw_os_error() == Some(Errno::NOSYS.raw_os_error()) => Ok(None),
        other => Ok(parse(other?)?),
    }
}

/// An ACL of an open file; `None` if it has only its mode (or no default ACL).
pub(crate) fn fget(file: impl AsFd, kind: AclKind) -> io::Result<Option<Acl>> {
    none_if_unsupported(xattr::fget(file, kind.xattr()))
}

/// Set an ACL of an open file, which changes its mode; `None` removes it.
pub(crate) fn fset(file: impl AsFd, kind: AclKind, acl: Option<&Acl>) -> io::Result<()> {
    match acl {
        Some(acl) => xattr::fset(file, kind.xattr(), &acl.to_xattr()),
        None => removed(xattr::fremove(file, kind.xattr())),
    }
}

/// Removing an ACL succeeds where there cannot be one.
fn removed(done: io::Result<bool>) -> io::Result<()> {
    match done {
        Err(e) if e.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error()) => Ok(()),
        other => other.map(|_| ()),
    }
}

impl Root {
    /// An ACL of the file itself; `None` if it has only its mode (or no default ACL).
    pub fn get_acl(&self, rel: &[u8], kind: AclKind) -> io::Result<Option<Acl>> {
        none_if_unsupported(self.get_xattr(rel, kind.xattr()))
    }

    /// Set an ACL, which changes the mode too; `None` removes it.
    pub fn set_acl(&self, rel: &[u8], kind: AclKind, acl: Option<&Acl>) -> io::Result<()> {
        match acl {
            Some(acl) => self.set_xattr(rel, kind.xattr(), &acl.to_xattr()),
            None => removed(self.remove_xattr(rel, kind.xattr())),
        }
    }

    /// The permissions that a new file in the directory `dir` may have at most: by its default ACL, or by `umask`
    /// (spec: transfer 5.2). Ask once per directory.
    pub fn default_permissions(&self, dir: &[u8], umask: u32) -> io::Result<u32> {
        Ok(match self.get_acl(dir, AclKind::Default)? {
            Some(acl) => acl.default_permissions(),
            None => 0o777 & !umask,
        })
    }
}

impl Pin {
    /// As [`Root::get_acl`].
    pub fn get_acl(&self, kind: AclKind) -> io::Result<Option<Acl>> {
        none_if_unsupported(self.get_xattr(kind.xattr()))
    }

    /// As [`Root::set_acl`].
    pub fn set_acl(&self, kind: AclKind, acl: Option<&Acl>) -> io::Result<()> {
        match acl {
            Some(acl) => self.set_xattr(kind.xattr(), &acl.to_xattr()),
            None => removed(self.remove_xattr(kind.xattr())),
        }
    }
}

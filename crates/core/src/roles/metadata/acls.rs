//! ACLs as the list, the filesystem and fake-super have them (spec: transfer 5.5; protocol 5.11).

use std::io;

use rustix::io::Errno;

use super::place::Place;
use crate::error::IoErrorExt as _;
use crate::flist::{self, NamedAce};
use crate::tree::acl::{Acl, AclKind, Named};

/// An ACL of the filesystem as the list has it.
pub(super) fn listed(acl: &Acl) -> flist::Acl {
    flist::Acl {
        user_obj: acl.user_obj,
        group_obj: acl.group_obj,
        mask: acl.mask,
        other: acl.other,
        named: acl
            .named
            .iter()
            .map(|n| NamedAce {
                id: n.id,
                is_user: n.user,
                perms: n.perms,
            })
            .collect(),
    }
}

/// An ACL of the list as the filesystem takes it.
pub(super) fn settable(acl: &flist::Acl) -> Acl {
    Acl {
        user_obj: acl.user_obj,
        group_obj: acl.group_obj,
        mask: acl.mask,
        other: acl.other,
        named: acl
            .named
            .iter()
            .map(|n| Named {
                id: n.id,
                perms: n.perms,
                user: n.is_user,
            })
            .collect(),
    }
}

/// The ACL of a file, or the one that fake-super keeps for it.
pub(super) fn read_acl(place: Place<'_>, kind: AclKind, fake: bool) -> io::Result<Option<Acl>> {
    if !fake {
        return place.acl(kind);
    }
    match place.get(kind.fake_xattr()) {
        Ok(value) => Ok(value.as_deref().and_then(Acl::from_fake)),
        Err(e) if e.is(Errno::OPNOTSUPP) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Whether access ACLs are equal, apart from the bits of the mode, which include the mask (observed; spec: transfer 5.5).
pub(super) fn same_access(want: &flist::Acl, want_mode: u32, have: &flist::Acl, have_mode: u32) -> bool {
    let (want, have) = (want.completed(want_mode), have.completed(have_mode));
    let named = |acl: &flist::Acl| {
        let mut named = acl.named.clone();
        named.sort_by_key(|n| (!n.is_user, n.id));
        named
    };
    want.mask.is_some() == have.mask.is_some()
        && (want.mask.is_none() || want.group_obj == have.group_obj)
        && named(&want) == named(&have)
}

/// Whether the ACL says no more than a mode.
pub(super) fn is_plain(acl: &flist::Acl) -> bool {
    acl.named.is_empty() && acl.mask.is_none()
}

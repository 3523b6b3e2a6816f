//! ACLs as the list, the filesystem and fake-super have them (spec: transfer 5.5; protocol 5.11).

use std::io;

use rustix::io::Errno;

use super::place::Place;
use crate::error::IoErrorExt as _;
use crate::tree::acl::{Acl, AclKind};

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
pub(super) fn same_access(want: &Acl, want_mode: u32, have: &Acl, have_mode: u32) -> bool {
    let (want, have) = (want.completed(want_mode), have.completed(have_mode));
    let named = |acl: &Acl| {
        let mut named = acl.named.clone();
        named.sort_by_key(|n| (!n.is_user, n.id));
        named
    };
    want.mask.is_some() == have.mask.is_some()
        && (want.mask.is_none() || want.group_obj == have.group_obj)
        && named(&want) == named(&have)
}

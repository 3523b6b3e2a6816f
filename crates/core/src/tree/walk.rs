//! What the two walks of a path share: see [`resolve`](super::resolve) and [`operator`](super::operator).

use std::collections::VecDeque;
use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags, ResolveFlags, CWD};
use rustix::io::Errno;

/// How many links one resolution may follow, as in the kernel.
pub(super) const MAX_HOPS: u32 = 40;

/// How a directory on the way is opened.
pub(super) const DIR_FLAGS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Whether openat2 works here; asked once.
pub(super) fn have_openat2() -> bool {
    static HAVE: OnceLock<bool> = OnceLock::new();
    *HAVE.get_or_init(|| {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        !matches!(
            rustix::fs::openat2(CWD, ".", DIR_FLAGS, Mode::empty(), resolve),
            Err(Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::TOOBIG)
        )
    })
}

/// The components of a path that say something: no empty ones, no `.`.
pub(super) fn components(path: &[u8]) -> VecDeque<Vec<u8>> {
    path.split(|b| *b == b'/')
        .filter(|c| !c.is_empty() && *c != b".")
        .map(<[u8]>::to_vec)
        .collect()
}

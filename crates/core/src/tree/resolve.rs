//! Resolution of directories beneath an anchor (spec: transfer 16.1, security SEC-1).
//!
//! One `openat2` with RESOLVE_BENEATH, or, where the kernel or a sandbox lacks it, a walk of our own with the same
//! guarantees: one component at a time with no-follow opens, `..` pops a stack of held handles.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, CWD};
use rustix::io::Errno;

use super::operator;
use super::walk::{components, DIR_FLAGS, MAX_HOPS};

/// The kernel takes no path of this many bytes or more in one call.
const PATH_MAX: usize = 4096;
/// openat2 gives EAGAIN when a rename ran beside a `..`; after this many tries the walk decides.
const AGAIN_TRIES: u32 = 8;

/// How the links in the parents of a name are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Confine {
    /// A link is followed if it is relative and stays beneath the root.
    #[default]
    Beneath,
    /// A link is followed anywhere if root or this process owns it: names beneath a directory that the operator named,
    /// where no border has to be kept (spec: transfer 16.2).
    Trusted,
    /// The root is that of the process (a chroot): an absolute link begins again there, and `..` does not leave it.
    InRoot,
    /// Plain following, anywhere: `--insecure-links`, and senders in a mode that follows links.
    Anywhere,
}

/// Open `path` (already checked: relative, no `..` typed) from `anchor` with `flags`; every link in it, the last
/// component's too unless `flags` has NOFOLLOW, is treated as `confine` says. `confine_root`: links of trusted owners
/// lead no further than this directory.
pub(super) fn open_beneath(
    anchor: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    confine: Confine,
    confine_root: Option<&[u8]>,
    openat2: bool,
) -> Result<OwnedFd, Errno> {
    if confine == Confine::Anywhere && path.len() < PATH_MAX {
        return rustix::fs::openat(anchor, path, flags, Mode::empty());
    }
    if confine == Confine::Trusted {
        return operator::open_from(anchor, path, flags, confine_root, openat2);
    }
    if openat2 && path.len() < PATH_MAX {
        let border = match confine {
            Confine::InRoot => ResolveFlags::IN_ROOT,
            _ => ResolveFlags::BENEATH,
        };
        let resolve = border | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..AGAIN_TRIES {
            match rustix::fs::openat2(anchor, path, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN) => {}
                // an escape; rsync reports it like a link loop
                Err(Errno::XDEV) => return Err(Errno::LOOP),
                other => return other,
            }
        }
    }
    // In a root a piece would take itself for the root, so such a path is left to the walk.
    if openat2 && path.len() >= PATH_MAX && confine != Confine::InRoot {
        // Piece by piece, so that no more than two handles are held at once. A link that climbs above its piece is
        // refused here and left to the walk.
        if let Some(at) = memchr::memrchr(b'/', &path[..PATH_MAX - 1]) {
            let head = open_beneath(anchor, &path[..at], DIR_FLAGS, confine, confine_root, openat2);
            let rest = &path[at + 1..];
            match head.and_then(|dir| open_beneath(dir.as_fd(), rest, flags, confine, confine_root, openat2)) {
                Err(Errno::LOOP) => {}
                other => return other,
            }
        }
    }
    walk(anchor, path, flags, confine)
}

/// The component walk. (Links of trusted owners are followed elsewhere: none is followed out of here for them.)
fn walk(anchor: BorrowedFd<'_>, path: &[u8], flags: OFlags, confine: Confine) -> Result<OwnedFd, Errno> {
    let mut todo: VecDeque<Vec<u8>> = components(path);
    // Handles of the directories below the anchor that lead to where we are.
    let mut held: Vec<OwnedFd> = Vec::new();
    let mut hops = 0;
    while let Some(name) = todo.pop_front() {
        let here = held.last().map_or(anchor, AsFd::as_fd);
        if name == b".." {
            if held.pop().is_none() {
                match confine {
                    Confine::Beneath | Confine::Trusted => return Err(Errno::LOOP),
                    Confine::InRoot => {}
                    Confine::Anywhere => held.push(rustix::fs::openat(anchor, "..", DIR_FLAGS, Mode::empty())?),
                }
            }
            continue;
        }
        if todo.is_empty() {
            // O_PATH|O_NOFOLLOW would open a link itself, everything else fails on one: both are what the caller wants
            // with NOFOLLOW. Without it the link is read and walked below.
            match rustix::fs::openat(here, &name[..], flags | OFlags::NOFOLLOW, Mode::empty()) {
                Ok(fd) => {
                    let pinned_link = flags.contains(OFlags::PATH)
                        && !flags.intersects(OFlags::NOFOLLOW | OFlags::DIRECTORY)
                        && super::stat::query(&fd, b"", rustix::fs::AtFlags::EMPTY_PATH, false)?.is_symlink();
                    if !pinned_link {
                        return Ok(fd);
                    }
                }
                Err(e @ (Errno::LOOP | Errno::NOTDIR)) => {
                    if flags.contains(OFlags::NOFOLLOW) {
                        return Err(e);
                    }
                }
                Err(e) => return Err(e),
            }
        } else {
            match rustix::fs::openat(here, &name[..], DIR_FLAGS | OFlags::NOFOLLOW, Mode::empty()) {
                Ok(fd) => {
                    held.push(fd);
                    continue;
                }
                Err(Errno::LOOP | Errno::NOTDIR) => {}
                Err(e) => return Err(e),
            }
        }
        let target = match rustix::fs::readlinkat(here, &name[..], Vec::new()) {
            Ok(target) => target.into_bytes(),
            Err(Errno::INVAL) => return Err(Errno::NOTDIR),
            Err(e) => return Err(e),
        };
        hops += 1;
        if hops > MAX_HOPS {
            return Err(Errno::LOOP);
        }
        if target.first() == Some(&b'/') {
            match confine {
                Confine::Beneath | Confine::Trusted => return Err(Errno::LOOP),
                Confine::InRoot => held.clear(),
                Confine::Anywhere => held.push(rustix::fs::openat(CWD, "/", DIR_FLAGS, Mode::empty())?),
            }
        }
        for part in components(&target).into_iter().rev() {
            todo.push_front(part);
        }
    }
    // The path ended in `..` or named the anchor: open the place again as asked.
    let here = held.last().map_or(anchor, AsFd::as_fd);
    rustix::fs::openat(here, ".", flags, Mode::empty())
}

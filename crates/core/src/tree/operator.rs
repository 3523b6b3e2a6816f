//! Paths that the operator named (spec: transfer 16.2, security SEC-3 to SEC-5): walked one component at a time, and
//! a link, wherever it stands, is followed only if root or the process itself owns it.
//!
//! Links in procfs belong to the kernel, whatever owner they show (in a user namespace an unknown one), and their text
//! is often no path (`pipe:[123]`): the kernel follows them.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, CWD, PROC_SUPER_MAGIC};
use rustix::io::{retry_on_intr, Errno};

use super::walk::{components, have_openat2, DIR_FLAGS, MAX_HOPS};
use super::{procfs, stat};

/// `path`, made absolute with `cwd` (or the directory of the process when that is empty). Not cleaned otherwise: `..`
/// and links keep their meaning.
pub fn absolute(path: &[u8], cwd: &[u8]) -> io::Result<Vec<u8>> {
    if path.first() == Some(&b'/') {
        return Ok(path.to_vec());
    }
    let mut full = if cwd.is_empty() {
        std::env::current_dir()?.as_os_str().as_bytes().to_vec()
    } else {
        cwd.to_vec()
    };
    let path = path.strip_prefix(b"./").unwrap_or(path);
    if !path.is_empty() && path != b"." {
        if full.last() != Some(&b'/') {
            full.push(b'/');
        }
        full.extend_from_slice(path);
    }
    Ok(full)
}

/// How the links of an operator's path are followed. A link that must not be followed gives ELOOP.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trust<'a> {
    /// Besides root's, the links of this user are followed; `None`: of the effective user of the process.
    pub uid: Option<u32>,
    /// Links of any owner are followed.
    pub insecure: bool,
    /// A result outside this directory is refused.
    pub confine_root: Option<&'a [u8]>,
}

/// Open a file for reading. Look at its status through the handle: it may be anything.
pub fn open_file(path: &[u8], trust: Trust<'_>) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(File::from(open_with(path, flags, 0, trust)?))
}

/// The message for a link of another owner that was not followed.
pub const REFUSAL: &str = "refusing to follow a symlink owned by an untrusted user; use --insecure-links locally or \
     \"insecure links = yes\" in a daemon module ONLY if every path component is trusted";

/// The open of `path` has failed with this error because of a link of another owner.
pub fn is_refusal(path: &[u8], error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) && is_untrusted(path, None)
}

/// Open with the flags and the mode of `open(2)`. An error comes as its number, with whether a link's owner is why.
pub fn open_raw(path: &[u8], flags: u32, mode: u32, trust: Trust<'_>) -> Result<OwnedFd, (i32, bool)> {
    let flags = OFlags::from_bits_retain(flags) | OFlags::CLOEXEC;
    // openat2 takes no mode where nothing is made.
    let mode = if flags.contains(OFlags::CREATE) { mode } else { 0 };
    let mut untrusted = false;
    open_noting(path, flags, mode, trust, &mut untrusted).map_err(|errno| (errno.raw_os_error(), untrusted))
}

/// Whether a plain open of `path` would follow a link of an untrusted owner: why an open has failed with ELOOP, to
/// choose the message.
pub fn is_untrusted(path: &[u8], uid: Option<u32>) -> bool {
    let mut untrusted = false;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let trust = Trust {
        uid,
        ..Trust::default()
    };
    let _ = walk_from(CWD, path, flags, Mode::empty(), trust, &mut untrusted);
    untrusted
}

/// Open `path` from the directory `anchor`, by the same rule as a path of the operator.
pub(super) fn open_from(
    anchor: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    confine_root: Option<&[u8]>,
    openat2: bool,
) -> Result<OwnedFd, Errno> {
    // Most paths have no link: one call instead of one per component.
    if openat2 {
        match rustix::fs::openat2(anchor, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
            Err(Errno::LOOP | Errno::NAMETOOLONG | Errno::AGAIN) => {}
            other => return other,
        }
    }
    let trust = Trust {
        confine_root,
        ..Trust::default()
    };
    walk_from(anchor, path, flags, Mode::empty(), trust, &mut false)
}

/// The open, with any flags for the last component.
pub(super) fn open_with(path: &[u8], flags: OFlags, mode: u32, trust: Trust<'_>) -> Result<OwnedFd, Errno> {
    open_noting(path, flags, mode, trust, &mut false)
}

/// `open_with`; `untrusted` as in `walk`.
fn open_noting(
    path: &[u8],
    flags: OFlags,
    mode: u32,
    trust: Trust<'_>,
    untrusted: &mut bool,
) -> Result<OwnedFd, Errno> {
    let mode = Mode::from_raw_mode(mode & 0o7777);
    if path.is_empty() {
        return Err(Errno::NOENT);
    }
    if trust.confine_root.is_none() {
        if trust.insecure {
            return retry_on_intr(|| rustix::fs::openat(CWD, path, flags, mode));
        }
        // Most paths have no link: one call instead of one per component.
        if have_openat2() {
            match retry_on_intr(|| rustix::fs::openat2(CWD, path, flags, mode, ResolveFlags::NO_SYMLINKS)) {
                Err(Errno::LOOP | Errno::NAMETOOLONG | Errno::AGAIN) => {}
                other => return other,
            }
        }
    }
    retry_on_intr(|| walk_from(CWD, path, flags, mode, trust, untrusted))
}

/// Component by component, from the directory `anchor` unless the path is absolute. `untrusted` becomes true if a link
/// was refused because of its owner.
fn walk_from(
    anchor: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    mode: Mode,
    trust: Trust<'_>,
    untrusted: &mut bool,
) -> Result<OwnedFd, Errno> {
    let uid = trust.uid.unwrap_or_else(|| rustix::process::geteuid().as_raw());
    let confine = match trust.confine_root {
        Some(root) => {
            let handle = open_with(
                root,
                DIR_FLAGS,
                0,
                Trust {
                    insecure: true,
                    ..Trust::default()
                },
            )?;
            Some(stat::query(&handle, b"", AtFlags::EMPTY_PATH, false)?)
        }
        None => None,
    };
    let top = || rustix::fs::openat(CWD, "/", DIR_FLAGS, Mode::empty());
    let mut here = match path.first() {
        Some(b'/') => top()?,
        _ => rustix::fs::openat(anchor, ".", DIR_FLAGS, Mode::empty())?,
    };
    let mut todo: VecDeque<Vec<u8>> = components(path);
    let mut hops = 0;
    loop {
        let name = todo.pop_front().unwrap_or_else(|| b".".to_vec());
        let last = todo.is_empty();
        // Outside the confinement nothing but a link is looked at: it may lead back in.
        let mut outside = false;
        let open = if last {
            // A directory is judged by itself, a file by where it stands: before it could be created or truncated there.
            outside = match &confine {
                Some(root) if !flags.contains(OFlags::DIRECTORY) => !is_beneath(&here, &name, root)?,
                _ => false,
            };
            if outside {
                Err(Errno::LOOP)
            } else {
                open_last(&here, &name, flags, mode, confine.as_ref())?
            }
        } else {
            rustix::fs::openat(&here, &name[..], DIR_FLAGS | OFlags::NOFOLLOW, Mode::empty())
        };
        match open {
            Ok(fd) if last => return Ok(fd),
            Ok(fd) => {
                here = fd;
                continue;
            }
            // a link, or a file in the place of a directory; O_CREAT beside a dangling link says EEXIST on some
            Err(e @ (Errno::LOOP | Errno::NOTDIR | Errno::MLINK)) => {
                if last && flags.contains(OFlags::NOFOLLOW) {
                    return Err(e);
                }
            }
            Err(e) => return Err(e),
        }
        // Pin the link, judge and read the very same inode.
        let link = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let pin = match rustix::fs::openat(&here, &name[..], link, Mode::empty()) {
            Err(Errno::NOENT) if outside => return Err(Errno::LOOP),
            other => other?,
        };
        let status = stat::query(&pin, b"", AtFlags::EMPTY_PATH, false)?;
        if !status.is_symlink() {
            return Err(if outside { Errno::LOOP } else { Errno::NOTDIR });
        }
        hops += 1;
        if hops > MAX_HOPS {
            return Err(Errno::LOOP);
        }
        if rustix::fs::fstatfs(&here)?.f_type == PROC_SUPER_MAGIC {
            if !last {
                here = rustix::fs::openat(&here, &name[..], DIR_FLAGS, Mode::empty())?;
                continue;
            }
            if let Some(root) = &confine {
                // Checked first: the open itself may truncate the file.
                let target = rustix::fs::openat(&here, &name[..], OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
                if !stands_beneath(&target, uid, root)? {
                    return Err(Errno::LOOP);
                }
            }
            return rustix::fs::openat(&here, &name[..], flags, mode);
        }
        let target = rustix::fs::readlinkat(&pin, "", Vec::with_capacity(256))?.into_bytes();
        if !trust.insecure && status.uid != 0 && status.uid != uid && !is_way_to_descriptors(&here, &target)? {
            *untrusted = true;
            return Err(Errno::LOOP);
        }
        if target.first() == Some(&b'/') {
            here = top()?;
        }
        for part in components(&target).into_iter().rev() {
            todo.push_front(part);
        }
    }
}

/// Open the last component of a path, unless it is a link (ELOOP). The outer error ends the walk: the directory is
/// outside `confine`.
fn open_last(
    here: &OwnedFd,
    name: &[u8],
    flags: OFlags,
    mode: Mode,
    confine: Option<&stat::Stat>,
) -> Result<Result<OwnedFd, Errno>, Errno> {
    let opened = match rustix::fs::openat(here, name, flags | OFlags::NOFOLLOW, mode) {
        Ok(fd) => fd,
        Err(error) => return Ok(Err(error)),
    };
    if flags.contains(OFlags::DIRECTORY) {
        if let Some(root) = confine {
            if !is_beneath(&opened, b".", root)? {
                return Err(Errno::LOOP);
            }
        }
    } else if flags.contains(OFlags::PATH)
        // O_PATH opens a link itself.
        && stat::query(&opened, b"", AtFlags::EMPTY_PATH, false)?.is_symlink()
    {
        return Ok(Err(Errno::LOOP));
    }
    Ok(Ok(opened))
}

/// Whether this is a link in `/dev` to the process's own descriptors. In a user namespace its owner looks unknown.
fn is_way_to_descriptors(here: &OwnedFd, target: &[u8]) -> Result<bool, Errno> {
    let Some(rest) = target.strip_prefix(b"/proc/self/fd") else {
        return Ok(false);
    };
    let number = rest.strip_prefix(b"/").unwrap_or(rest);
    if !number.iter().all(u8::is_ascii_digit) {
        return Ok(false);
    }
    let dev = rustix::fs::openat(CWD, "/dev", DIR_FLAGS | OFlags::NOFOLLOW, Mode::empty())?;
    let (here, dev) = (
        stat::query(here, b"", AtFlags::EMPTY_PATH, false)?,
        stat::query(&dev, b"", AtFlags::EMPTY_PATH, false)?,
    );
    Ok(here.same_file(&dev))
}

/// Whether what a descriptor stands for is the directory `root` or below it. ENOENT: it has no place, as a pipe.
fn stands_beneath(target: &OwnedFd, uid: u32, root: &stat::Stat) -> Result<bool, Errno> {
    let trust = Trust {
        uid: Some(uid),
        ..Trust::default()
    };
    let status = stat::query(target, b"", AtFlags::EMPTY_PATH, false)?;
    if status.is_dir() {
        return is_beneath(target, b".", root);
    }
    // A file does not know its directory: ask the kernel for the path, and check that the file still stands there.
    let (proc, name) = procfs::name_of(target).ok_or(Errno::NOENT)?;
    let place = rustix::fs::readlinkat(proc, name, Vec::with_capacity(256))?.into_bytes();
    let slash = memchr::memrchr(b'/', &place).ok_or(Errno::NOENT)?;
    let parent = open_with(&place[..=slash], DIR_FLAGS, 0, trust)?;
    if !stat::query(&parent, &place[slash + 1..], AtFlags::SYMLINK_NOFOLLOW, false)?.same_file(&status) {
        return Err(Errno::NOENT);
    }
    is_beneath(&parent, b".", root)
}

/// Whether `here` (or, when `name` climbs or stays, what it leads to) is the directory `root` or below it.
fn is_beneath(here: &OwnedFd, name: &[u8], root: &stat::Stat) -> Result<bool, Errno> {
    let mut at = if name == b".." {
        rustix::fs::openat(here, "..", DIR_FLAGS, Mode::empty())?
    } else {
        rustix::fs::openat(here, ".", DIR_FLAGS, Mode::empty())?
    };
    let mut status = stat::query(&at, b"", AtFlags::EMPTY_PATH, false)?;
    loop {
        if status.same_file(root) {
            return Ok(true);
        }
        let up = rustix::fs::openat(at.as_fd(), "..", DIR_FLAGS, Mode::empty())?;
        let above = stat::query(&up, b"", AtFlags::EMPTY_PATH, false)?;
        if above.same_file(&status) {
            return Ok(false);
        }
        at = up;
        status = above;
    }
}

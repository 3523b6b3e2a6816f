//! [`Root`]: a held directory, and every operation on what lies beneath it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::{retry_on_intr, Errno};

use super::cache::Cache;
use super::dir::{self, DirNames};
use super::operator::{self, Trust};
use super::resolve::{self, Confine};
use super::stat::{self, Stat};
use super::walk::{have_openat2, DIR_FLAGS};

/// How a root is opened, and how links in the parents of names beneath it are treated.
#[derive(Debug, Clone, Default)]
pub struct RootOptions {
    /// What a relative path is relative to (absolute); empty: the directory of the process.
    pub cwd: Vec<u8>,
    /// Open the path by the ownership walk (spec: transfer 16.2); otherwise links in it are followed plainly, as for
    /// source arguments.
    pub operator: bool,
    /// `--insecure-links`: no ownership walk, and parents are followed anywhere.
    pub insecure_links: bool,
    /// Parents are followed anywhere beneath this root (a sender with `-L`, `-k`, `--copy-unsafe-links`; a real
    /// chroot), whatever way the root itself is opened.
    pub follow_links: bool,
    /// Parents are followed anywhere through links of trusted owners, as the path of the root itself is with `operator`:
    /// alternate directories, and sources whose names come from a list of the operator.
    pub trusted_links: bool,
    /// The root is that of the process (a chroot): a directory is looked for beneath it as the kernel would, with
    /// absolute links that begin at the root. For what is beneath such a directory links must stay in it as elsewhere.
    pub in_root: bool,
    /// Refuse a root outside this directory (absolute); with `trusted_links` what lies beneath the root too.
    pub confine_root: Option<Vec<u8>>,
    /// Do not use openat2 even if the kernel has it: for tests of the component walk.
    pub no_openat2: bool,
}

/// What reading does to the access time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Atime {
    Update,
    /// The access time stays, if the process owns the file (`--open-noatime`).
    Keep,
}

impl Atime {
    /// `Keep` if `keep`.
    pub fn keep_if(keep: bool) -> Self {
        if keep {
            Self::Keep
        } else {
            Self::Update
        }
    }

    pub(super) fn flag(self) -> OFlags {
        match self {
            Self::Update => OFlags::empty(),
            Self::Keep => OFlags::NOATIME,
        }
    }
}

/// How a file is opened for writing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteFlags {
    /// For reading too.
    pub read: bool,
    /// Made with this mode (less the umask) if missing.
    pub create: Option<u32>,
    /// Must be new; with `create`.
    pub exclusive: bool,
    pub truncate: bool,
}

/// A directory beneath a root that the operator named, and what its name led to when the run began: links of any kind
/// were followed on the way. The names below it are resolved beneath that directory.
#[derive(Debug)]
struct Door {
    name: Vec<u8>,
    /// Or why it could not be opened.
    opened: Result<OwnedFd, Errno>,
}

#[derive(Debug)]
struct Shared {
    handle: OwnedFd,
    path: Vec<u8>,
    confine: Confine,
    /// The bound of [`Confine::Trusted`].
    confine_root: Option<Vec<u8>>,
    /// From the outermost to the innermost.
    doors: Vec<Door>,
    openat2: bool,
    /// Every name is missing, and none can be created.
    nowhere: bool,
    /// Moves when a directory was replaced, so that the caches of other clones are dropped.
    epoch: AtomicU64,
    /// Links may lead out of this root as long as they stay beneath that one, in which this one has this name.
    within: Option<(Arc<Shared>, Vec<u8>)>,
}

impl Shared {
    /// Open a path beneath this root.
    fn open(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let (mut anchor, mut rest) = (self.handle.as_fd(), path);
        for door in self.doors.iter().rev() {
            let Some(below) = path.strip_prefix(&door.name[..]) else {
                continue;
            };
            if below.is_empty() || below[0] == b'/' {
                anchor = door.opened.as_ref().map_err(|e| *e)?.as_fd();
                rest = below.strip_prefix(b"/").unwrap_or(below);
                break;
            }
        }
        if rest.is_empty() {
            rest = b".";
        }
        let bound = self.confine_root.as_deref();
        retry_on_intr(|| resolve::open_beneath(anchor, rest, flags, self.confine, bound, self.openat2))
    }
}

/// A held directory handle. Paths are bytes relative to it, components separated by `/`; `b"."` or `b""` is the root
/// itself. Absolute paths, `..` components and NUL bytes are refused (EINVAL). A link among the parents of a name
/// that leads out of the root, or is absolute, gives ELOOP. The last component is never followed unless the
/// operation says so.
///
/// A clone is cheap and shares the handle; it has a cache of parent handles of its own, so give each thread one.
/// The umask of the process applies to new objects.
#[derive(Debug)]
pub struct Root {
    shared: Arc<Shared>,
    cache: Mutex<Cache>,
}

impl Clone for Root {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            cache: Mutex::default(),
        }
    }
}

impl Root {
    /// Open a directory as a root.
    pub fn open(path: &[u8], options: &RootOptions) -> io::Result<Root> {
        let full = operator::absolute(path, &options.cwd)?;
        let trust = Trust {
            uid: None,
            // Links in a plain path are followed.
            insecure: !options.operator || options.insecure_links,
            confine_root: options.confine_root.as_deref(),
        };
        let handle = operator::open_with(&full, DIR_FLAGS, 0, trust)?;
        Ok(Self::from_handle(handle, &full, options))
    }

    /// A root from a directory handle that is held already; `path` is for display.
    pub fn from_handle(handle: OwnedFd, path: &[u8], options: &RootOptions) -> Root {
        let confine = if options.insecure_links || options.follow_links {
            Confine::Anywhere
        } else if options.trusted_links {
            Confine::Trusted
        } else if options.in_root {
            Confine::InRoot
        } else {
            Confine::Beneath
        };
        Self {
            shared: Arc::new(Shared {
                handle,
                path: path.to_vec(),
                confine,
                confine_root: options.confine_root.clone(),
                doors: Vec::new(),
                openat2: !options.no_openat2 && have_openat2(),
                nowhere: false,
                epoch: AtomicU64::new(0),
                within: None,
            }),
            cache: Mutex::default(),
        }
    }

    /// A root without entries, in which none can be created: every operation on a name ends with ENOENT. It is the
    /// destination of a run that has none, so that nothing that a peer sends, and no decision of ours, can reach a file.
    /// `path` is for display.
    pub fn nowhere(path: &[u8]) -> io::Result<Root> {
        let handle = rustix::fs::open("/", DIR_FLAGS, Mode::empty())?;
        let shared = Shared {
            handle,
            path: path.to_vec(),
            confine: Confine::Beneath,
            confine_root: None,
            doors: Vec::new(),
            openat2: false,
            nowhere: true,
            epoch: AtomicU64::new(0),
            within: None,
        };
        Ok(Self {
            shared: Arc::new(shared),
            cache: Mutex::default(),
        })
    }

    pub(super) fn exists(&self) -> Result<(), Errno> {
        if self.shared.nowhere {
            return Err(Errno::NOENT);
        }
        Ok(())
    }

    /// The absolute path by which the root was opened, for display.
    pub fn path(&self) -> &[u8] {
        &self.shared.path
    }

    /// The root's own handle (O_PATH: good for `*at` calls and stats).
    pub fn handle(&self) -> BorrowedFd<'_> {
        self.shared.handle.as_fd()
    }

    /// Whether `rel` leads to something when links are followed anywhere. Only used to explain why a path out of this
    /// root is refused: what it leads to is never opened.
    pub fn look_anywhere(&self, rel: &[u8]) -> io::Result<()> {
        self.exists()?;
        rustix::fs::statat(self.handle(), rel, rustix::fs::AtFlags::empty())?;
        Ok(())
    }

    /// The directory `rel` as a root of its own, pinned. Links in `rel` are followed beneath this root.
    pub fn subroot(&self, rel: &[u8]) -> io::Result<Root> {
        Ok(self.make_subroot(self.open_dir(rel, DIR_FLAGS)?, rel))
    }

    /// Like [`Root::subroot`], for a path that an option names: `..` in it is walked, but never above this root.
    pub fn subroot_climbing(&self, rel: &[u8]) -> io::Result<Root> {
        self.exists()?;
        let confine = match self.shared.confine {
            Confine::InRoot => Confine::InRoot,
            _ => Confine::Beneath,
        };
        let handle =
            retry_on_intr(|| resolve::open_beneath(self.handle(), rel, DIR_FLAGS, confine, None, self.shared.openat2))?;
        Ok(self.make_subroot(handle, rel))
    }

    /// Like [`Root::subroot`], but the last component must be a directory itself, not a link to one (for deletion).
    pub fn subroot_nofollow(&self, rel: &[u8]) -> io::Result<Root> {
        let flags = DIR_FLAGS | OFlags::NOFOLLOW;
        let handle = self.at(rel, |dir, leaf| rustix::fs::openat(dir, leaf, flags, Mode::empty()))?;
        Ok(self.make_subroot(handle, rel))
    }

    /// Like [`Root::subroot`], but links beneath it are followed as long as they stay beneath this root: for a sender
    /// that follows links in a part of a module (spec: security SEC-1, SEC-5).
    pub fn subroot_within(&self, rel: &[u8]) -> io::Result<Root> {
        let mut root = self.subroot(rel)?;
        if let Some(shared) = Arc::get_mut(&mut root.shared) {
            shared.within = Some((Arc::clone(&self.shared), rel.to_vec()));
        }
        Ok(root)
    }

    fn make_subroot(&self, handle: OwnedFd, rel: &[u8]) -> Root {
        Self {
            shared: Arc::new(Shared {
                handle,
                path: self.display(rel),
                // Only the root of the process can be taken for the root.
                confine: match self.shared.confine {
                    Confine::InRoot => Confine::Beneath,
                    other => other,
                },
                confine_root: self.shared.confine_root.clone(),
                doors: Vec::new(),
                openat2: self.shared.openat2,
                nowhere: self.shared.nowhere,
                epoch: AtomicU64::new(0),
                within: None,
            }),
            cache: Mutex::default(),
        }
    }

    /// `rel` as an absolute path for messages.
    pub fn display(&self, rel: &[u8]) -> Vec<u8> {
        let mut path = self.shared.path.clone();
        if !rel.is_empty() && rel != b"." {
            if path.last() != Some(&b'/') {
                path.push(b'/');
            }
            path.extend_from_slice(rel);
        }
        path
    }

    /// Forget the handles of a name that was removed or replaced. For a directory the caches of all clones are dropped;
    /// for anything else only our own cache is searched (the name could be a link that was used as a directory).
    pub(super) fn gone(&self, rel: &[u8], is_dir: bool) {
        let rel = rel.strip_suffix(b"/").unwrap_or(rel);
        let had = self.cache.lock().unwrap_or_else(PoisonError::into_inner).forget(rel);
        if had || is_dir {
            self.move_epoch();
        }
    }

    fn move_epoch(&self) {
        let old = self.shared.epoch.fetch_add(1, Ordering::AcqRel);
        self.cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .follow_epoch(old, old.wrapping_add(1));
    }

    // ---- resolution

    /// Run `call` with the handle of the parent of `rel` and its last component; again when a signal interrupts it.
    pub(super) fn at<T>(
        &self,
        rel: &[u8],
        mut call: impl FnMut(BorrowedFd<'_>, &[u8]) -> Result<T, Errno>,
    ) -> io::Result<T> {
        let (dir, leaf) = split(rel)?;
        self.exists()?;
        if dir.is_empty() {
            return Ok(retry_on_intr(|| call(self.handle(), leaf))?);
        }
        let parent = self.parent(dir)?;
        Ok(retry_on_intr(|| call(parent.as_fd(), leaf))?)
    }

    /// The handle of the directory `dir` (not empty), from the cache or resolved beneath the root.
    pub(super) fn parent(&self, dir: &[u8]) -> io::Result<Arc<OwnedFd>> {
        let epoch = self.shared.epoch.load(Ordering::Acquire);
        let cached = self
            .cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(dir, epoch);
        if let Some(handle) = cached {
            return Ok(handle);
        }
        check(dir)?;
        let handle = Arc::new(self.resolve(dir, DIR_FLAGS)?);
        self.cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .put(dir, Arc::clone(&handle), epoch);
        Ok(handle)
    }

    pub(super) fn resolve(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        self.exists()?;
        let shared = &*self.shared;
        let found = shared.open(path, flags);
        match (&found, &shared.within) {
            (Err(Errno::LOOP), Some((outer, rel))) if !flags.contains(OFlags::NOFOLLOW) => {
                let path = [rel.as_slice(), b"/", path].concat();
                outer.open(&path, flags)
            }
            _ => found,
        }
    }

    /// Whether the directory `dir`, a path of the operator, lies behind a link that names beneath this root may not pass.
    pub fn leads_out(&self, dir: &[u8]) -> bool {
        let (shared, dir) = (&self.shared, dir.strip_suffix(b"/").unwrap_or(dir));
        let root = dir.is_empty() || dir == b".";
        let refused = |error: io::Error| error.raw_os_error() == Some(Errno::LOOP.raw_os_error());
        shared.confine == Confine::Beneath && !root && self.parent(dir).is_err_and(refused)
    }

    /// A copy of this root in which the links on the way to `dir`, a path of the operator, are followed wherever they
    /// lead. They are followed now and not again: even if a link is replaced later, names below it are resolved beneath
    /// the directory that it leads to now.
    ///
    /// spec: options 5.3
    pub fn with_doors(&self, dir: &[u8]) -> io::Result<Root> {
        check(dir)?;
        let mut root = Self::from_handle(rustix::io::dup(self.handle())?, self.path(), &RootOptions::default());
        let shared = Arc::get_mut(&mut root.shared).ok_or(Errno::INVAL)?;
        shared.openat2 = self.shared.openat2;
        let ends = (1..=dir.len()).filter(|&at| dir.get(at).is_none_or(|b| *b == b'/') && dir[at - 1] != b'/');
        for end in ends {
            let name = &dir[..end];
            match shared.open(name, DIR_FLAGS) {
                Err(Errno::LOOP) => {}
                Err(_) => break,
                Ok(_) => continue,
            }
            let (parent, leaf) = split(name)?;
            let parent = if parent.is_empty() {
                rustix::io::dup(&shared.handle)?
            } else {
                shared.open(parent, DIR_FLAGS)?
            };
            let opened = retry_on_intr(|| rustix::fs::openat(&parent, leaf, DIR_FLAGS, Mode::empty()));
            let closed = opened.is_err();
            shared.doors.push(Door {
                name: name.to_vec(),
                opened,
            });
            if closed {
                break;
            }
        }
        Ok(root)
    }

    /// The names of the directories that were opened through links by [`Root::with_doors`].
    pub fn doors(&self) -> impl Iterator<Item = &[u8]> {
        self.shared.doors.iter().map(|door| &door.name[..])
    }

    /// Whether links in the parents of a name are followed wherever they lead.
    pub(super) fn follows_anywhere(&self) -> bool {
        self.shared.confine == Confine::Anywhere
    }

    /// Open the directory `rel` itself; links are followed as among parents.
    fn open_dir(&self, rel: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
        let (dir, leaf) = split(rel)?;
        self.exists()?;
        if dir.is_empty() && leaf == b"." {
            return Ok(retry_on_intr(|| {
                rustix::fs::openat(self.handle(), ".", flags, Mode::empty())
            })?);
        }
        check(rel)?;
        Ok(self.resolve(rel, flags)?)
    }

    // ---- status

    /// Status of the file itself.
    pub fn lstat(&self, rel: &[u8]) -> io::Result<Stat> {
        self.at(rel, |dir, leaf| {
            stat::query(dir, leaf, AtFlags::SYMLINK_NOFOLLOW, false)
        })
    }

    /// Whether this process may read the file; a link counts as what it leads to.
    pub fn readable(&self, rel: &[u8]) -> bool {
        self.at(rel, |dir, leaf| {
            rustix::fs::accessat(dir, leaf, rustix::fs::Access::READ_OK, AtFlags::empty())
        })
        .is_ok()
    }

    /// Status of the file itself, with its time of creation.
    pub fn lstat_btime(&self, rel: &[u8]) -> io::Result<Stat> {
        self.at(rel, |dir, leaf| stat::query(dir, leaf, AtFlags::SYMLINK_NOFOLLOW, true))
    }

    /// Status of what `rel` leads to, anywhere (`-L`, and the test for a link to a directory that leads outside); with its
    /// time of creation if `btime`. Where only links of trusted owners are followed, this is no exception.
    pub fn stat_follow(&self, rel: &[u8], btime: bool) -> io::Result<Stat> {
        if self.shared.confine == Confine::Trusted {
            return stat::of_open(self.open_path_follow(rel)?, btime);
        }
        self.at(rel, |dir, leaf| stat::query(dir, leaf, AtFlags::empty(), btime))
    }

    /// The target of a link.
    pub fn read_link(&self, rel: &[u8]) -> io::Result<Vec<u8>> {
        self.at(rel, |dir, leaf| {
            Ok(rustix::fs::readlinkat(dir, leaf, Vec::with_capacity(256))?.into_bytes())
        })
    }

    /// Whether the link `rel` leads to nothing beneath this root. What it leads to outside is not looked up.
    pub fn dangles(&self, rel: &[u8]) -> bool {
        matches!(self.resolve(rel, OFlags::PATH | OFlags::CLOEXEC), Err(Errno::NOENT))
    }

    // ---- directories

    /// The entries of a directory in one arena. Links in `rel` are followed as among parents. Errors on the way are in
    /// [`DirNames::error`]. The handle is kept as the parent of the entries.
    pub fn read_names(&self, rel: &[u8], atime: Atime) -> io::Result<DirNames> {
        let epoch = self.shared.epoch.load(Ordering::Acquire);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | atime.flag();
        let handle = Arc::new(self.open_dir(rel, flags)?);
        let names = dir::read(&*handle);
        let key = rel.strip_suffix(b"/").unwrap_or(rel);
        if !key.is_empty() && key != b"." {
            self.cache
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .put(key, handle, epoch);
        }
        Ok(names)
    }

    /// Like [`Root::read_names`], but the last component must be a directory itself (for deletion).
    pub fn read_names_nofollow(&self, rel: &[u8]) -> io::Result<DirNames> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let handle = self.at(rel, |dir, leaf| rustix::fs::openat(dir, leaf, flags, Mode::empty()))?;
        Ok(dir::read(handle))
    }

    pub fn mkdir(&self, rel: &[u8], mode: u32) -> io::Result<()> {
        self.at(rel, |dir, leaf| {
            rustix::fs::mkdirat(dir, leaf, Mode::from_raw_mode(mode & 0o7777))
        })
    }

    pub fn rmdir(&self, rel: &[u8]) -> io::Result<()> {
        self.at(rel, |dir, leaf| rustix::fs::unlinkat(dir, leaf, AtFlags::REMOVEDIR))?;
        self.gone(rel, true);
        Ok(())
    }
}

/// Parent and last component. The root itself is (`""`, `"."`).
pub(super) fn split(rel: &[u8]) -> Result<(&[u8], &[u8]), Errno> {
    if rel.first() == Some(&b'/') {
        return Err(Errno::INVAL);
    }
    let mut rel = rel;
    loop {
        while let [head @ .., b'/'] = rel {
            rel = head;
        }
        let (dir, leaf) = match memchr::memrchr(b'/', rel) {
            Some(at) => (&rel[..at], &rel[at + 1..]),
            None => (&b""[..], rel),
        };
        match leaf {
            b".." => return Err(Errno::INVAL),
            b"." | b"" if !dir.is_empty() => rel = dir,
            b"" => return Ok((b"", b".")),
            _ if dir == b"." => return Ok((b"", leaf)),
            _ => return Ok((dir, leaf)),
        }
    }
}

/// Refuse what is no relative path without `..`.
pub(super) fn check(path: &[u8]) -> Result<(), Errno> {
    if path.first() == Some(&b'/') || path.split(|b| *b == b'/').any(|c| c == b"..") {
        return Err(Errno::INVAL);
    }
    Ok(())
}

//! Directories from a cache instead of the disk.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::item::Made;
use super::shown::{shown, Shown};
use super::{Contents, Node, Scanner};
use crate::dircache::{Cache, Fresh, Listing, Record, Settings, Source, Swept, View};
use crate::error::{bail, Error, IoErrorExt as _, Result};
use crate::event::Counts;
use crate::plan::{FilesFrom, Plan};
use crate::plan_with;
use crate::roles::chmod::Chmod;
use crate::roles::filter::Filters;
use crate::roles::paths::clean;
use crate::roles::sources::open_module;
use crate::tree::mode::{self, is_dir, is_file};
use crate::tree::watch::is_watchable;
use crate::tree::{operator, Atime, FileKind, Root, RootOptions, Stat};
use rustix::io::Errno;

/// Entries, and time, after which a list takes the reported changes again: what it lists is no older than that.
const BARRIER_ENTRIES: usize = 1000;
const BARRIER_TIME: Duration = Duration::from_micros(200);

/// The listings of one view, for the senders of any number of sessions.
pub struct Listings {
    cache: Cache,
    plan: Arc<Plan>,
    root: Root,
    path: Vec<u8>,
}

impl Listings {
    /// `plan` describes the view: its fields of the module count. `path`: the root of the view, absolute. `any`: watch file
    /// systems of all kinds.
    ///
    /// Errors: `FileIo` if the root cannot be opened or watched, `Unsupported` if it is on a file system whose changes are
    /// not all reported, and those of the module's filter rules.
    pub fn new(plan: &Arc<Plan>, path: &[u8], settings: Settings, any: bool) -> Result<Self> {
        let failed = |error: std::io::Error| {
            let shown = String::from_utf8_lossy(path).into_owned();
            Error::FileIo(format!("directory cache: {shown}: {error}"))
        };
        let options = RootOptions {
            cwd: plan.place.cwd.clone(),
            insecure_links: plan.place.insecure_links,
            ..RootOptions::default()
        };
        let root = open_module(plan, path, &options).map_err(failed)?;
        let path = clean(&operator::absolute(path, &plan.place.cwd).map_err(failed)?);
        if settings.watch && !any && !is_watchable(root.handle()).map_err(failed)? {
            bail!(
                Unsupported;
                "directory cache: the file system of {} does not report all changes; listings can be trusted for a time (ttl)",
                String::from_utf8_lossy(&path)
            );
        }
        let dev = root.lstat(b".").map_err(failed)?.dev;
        let plan = plan_with!(
            Plan::clone(plan),
            select.rules = Vec::new(),
            select.sources = vec![path.clone()]
        );
        let out = Self {
            cache: Cache::new(&path, dev, settings).map_err(failed)?,
            plan: Arc::new(plan),
            root,
            path,
        };
        out.view()?;
        Ok(out)
    }

    /// The listings themselves.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// As [`Cache::sweep`]. Errors: of the module's filter rules.
    pub fn sweep(&self, most: usize) -> Result<Swept> {
        Ok(self.cache.sweep(most, &mut self.view()?))
    }

    /// As [`Cache::check`]. Errors: of the module's filter rules.
    pub fn check(&self, most: usize, random: u64) -> Result<Swept> {
        Ok(self.cache.check(most, random, &mut self.view()?))
    }

    fn view(&self) -> Result<DirView> {
        let mut filters = Filters::sender(&self.plan)?;
        filters.set_root(&self.path);
        Ok(DirView {
            chmod: Chmod::parse(&self.plan.attrs.daemon_chmod).unwrap_or_default(),
            plan: Arc::clone(&self.plan),
            root: self.root.clone(),
            filters,
        })
    }

    /// Whether a run with this plan sees of the tree what the listings show.
    fn is_view_of(&self, plan: &Plan) -> bool {
        let own = &*self.plan;
        own.place.module_root == plan.place.module_root
            && own.place.umask == plan.place.umask
            && own.place.am_root == plan.place.am_root
            && own.place.insecure_links == plan.place.insecure_links
            && own.select.daemon_rules == plan.select.daemon_rules
            && own.select.ignore_nonreadable == plan.select.ignore_nonreadable
            && own.attrs.daemon_chmod == plan.attrs.daemon_chmod
            && own.attrs.munge_links == plan.attrs.munge_links
    }

    /// The path of a source root beneath the root of the view. `None` if links lead there, or it is elsewhere.
    fn place_of(&self, root: &Root) -> Option<Vec<u8>> {
        let path = clean(root.path());
        let rest = match &self.path[..] {
            b"/" => path.strip_prefix(b"/")?,
            own => path.strip_prefix(own)?,
        };
        let rest = match rest {
            [b'/', rest @ ..] => rest,
            [] => rest,
            _ if self.path == b"/" => rest,
            _ => return None,
        };
        let ends = (0..rest.len()).filter(|&at| rest[at] == b'/');
        for end in ends.chain((!rest.is_empty()).then_some(rest.len())) {
            if !self.root.lstat(&rest[..end]).ok()?.is_dir() {
                return None;
            }
        }
        let (here, there) = (root.lstat(b".").ok()?, self.root.lstat(disk_or_dot(rest)).ok()?);
        ((here.dev, here.ino) == (there.dev, there.ino)).then(|| rest.to_vec())
    }
}

fn disk_or_dot(path: &[u8]) -> &[u8] {
    if path.is_empty() {
        b"."
    } else {
        path
    }
}

/// Why a run cannot use listings: what it asks for is not in them, or its output depends on the scan.
fn why_live(plan: &Plan, filters: &Filters) -> Option<&'static str> {
    let (select, attrs, debug) = (&plan.select, &plan.attrs, &plan.output.debug);
    let reasons = [
        (plan.place.is_local() || plan.output.events.select, "local"),
        (plan.agreed.protocol < 29, "protocol"),
        (plan.place.fake_super, "fake-super"),
        (plan.agreed.iconv.is_some(), "iconv"),
        (select.checksum, "checksum"),
        (attrs.xattrs > 0, "xattrs"),
        (attrs.acls, "acls"),
        (attrs.atimes > 0 || attrs.open_noatime, "atimes"),
        (attrs.crtimes, "crtimes"),
        (
            attrs.copy_links || attrs.copy_dirlinks || attrs.copy_unsafe_links,
            "links",
        ),
        (attrs.copy_devices, "copy-devices"),
        (select.files_from != FilesFrom::None, "files-from"),
        (select.relative, "relative"),
        (filters.has_merge(), "merge-files"),
        (
            debug.flist > 1 || debug.filter > 0 || plan.output.verbose > 1,
            "verbose",
        ),
        (may_meet(&select.sources), "duplicates"),
    ];
    reasons.iter().find(|(live, _)| *live).map(|(_, why)| *why)
}

/// Whether two arguments can give entries of the same name.
fn may_meet(sources: &[Vec<u8>]) -> bool {
    let last = |source: &Vec<u8>| {
        let trimmed = source.strip_suffix(b"/").unwrap_or(source);
        let base = memchr::memrchr(b'/', trimmed).map_or(trimmed, |at| &trimmed[at + 1..]);
        if source.ends_with(b"/") || base == b"." || base == b".." {
            Vec::new()
        } else {
            base.to_vec()
        }
    };
    let mut names: Vec<Vec<u8>> = sources.iter().map(last).collect();
    names.sort_unstable();
    names.len() > 1 && (names[0].is_empty() || names.windows(2).any(|pair| pair[0] == pair[1]))
}

/// Why there is no entry for a name.
enum Gone {
    /// The name was there a moment ago.
    Vanished,
    /// The directory cannot be kept.
    Failed,
}

/// Reads directories for the listings.
struct DirView {
    plan: Arc<Plan>,
    root: Root,
    filters: Filters,
    chmod: Chmod,
}

impl DirView {
    /// The entry `name` of the directory `here`, with its path in the view. `Ok(None)` if the view does not show it.
    ///
    /// Errors: the directory cannot be kept; [`Gone::Vanished`] if the name is no longer there.
    fn entry(&self, here: &Root, name: &[u8], path: &[u8], kind: FileKind) -> Result<Option<Record>, Gone> {
        let known = !matches!(kind, FileKind::Unknown | FileKind::Symlink);
        if known && self.filters.daemon_hides(path, kind == FileKind::Dir) {
            return Ok(None);
        }
        let stat = here.lstat(name).map_err(|error| {
            if error.is(Errno::NOENT) {
                Gone::Vanished
            } else {
                Gone::Failed
            }
        })?;
        self.listed(here, name, path, stat, known).map_err(|()| Gone::Failed)
    }

    /// The entry with the status `stat`; `tested`: the module's rules show it.
    fn listed(&self, here: &Root, name: &[u8], path: &[u8], stat: Stat, tested: bool) -> Result<Option<Record>, ()> {
        if !tested && self.filters.daemon_hides(path, is_dir(stat.mode)) {
            return Ok(None);
        }
        if stat.mode & mode::TYPE == 0 {
            return Err(());
        }
        match shown(here, name, &stat, &self.plan, &self.chmod, true) {
            Shown::Hidden => Ok(None),
            Shown::As(mode, link) => Ok(Some(Record {
                name: name.to_vec(),
                stat: Stat { mode, ..stat },
                link,
            })),
            Shown::NoTarget | Shown::Failed(_) => Err(()),
        }
    }
}

/// `name` in a directory beneath the root of the view.
fn join(dir: &[u8], name: &[u8], out: &mut Vec<u8>) {
    out.clear();
    if !dir.is_empty() {
        out.extend_from_slice(dir);
        out.push(b'/');
    }
    out.extend_from_slice(name);
}

impl View for DirView {
    fn read(&mut self, dir: &[u8]) -> Option<Fresh> {
        // Opened anew: a handle that is kept could be that of a directory that had this path before.
        let here = self.root.subroot(disk_or_dot(dir)).ok()?;
        let names = here.read_names(b".", Atime::Update).ok()?;
        let empty = names.is_empty() && !self.plan.place.am_root;
        if names.error.is_some() || empty && super::unsearchable(&here, b".") {
            return None;
        }
        let own = here.lstat(b".").ok()?;
        let mut records = Vec::with_capacity(names.len());
        let (mut path, mut vanished) = (Vec::new(), HashSet::new());
        for found in names.iter() {
            join(dir, found.name, &mut path);
            if path.len() > crate::flist::MAX_NAME {
                return None;
            }
            match self.entry(&here, found.name, &path, found.kind) {
                Ok(entry) => records.extend(entry),
                Err(Gone::Vanished) => {
                    vanished.insert(found.name.to_vec());
                }
                Err(Gone::Failed) => return None,
            }
        }
        if !vanished.is_empty() {
            // A name that is still listed and cannot be found is an error, which a scan reports.
            let again = here.read_names(b".", Atime::Update).ok()?;
            for found in again.iter().filter(|found| vanished.contains(found.name)) {
                join(dir, found.name, &mut path);
                records.extend(self.entry(&here, found.name, &path, found.kind).ok()?);
            }
            if again.error.is_some() {
                return None;
            }
        }
        Some(Fresh {
            dev: own.dev,
            ino: own.ino,
            records,
        })
    }

    fn look(&mut self, dir: &[u8], names: &[Vec<u8>]) -> Option<Vec<Option<Record>>> {
        let here = self.root.subroot(disk_or_dot(dir)).ok()?;
        let mut path = Vec::new();
        let found = names.iter().map(|name| {
            join(dir, name, &mut path);
            match here.lstat(name) {
                Ok(stat) => self.listed(&here, name, &path, stat, false).ok(),
                Err(error) if error.is(Errno::NOENT) => Some(None),
                Err(_) => None,
            }
        });
        found.collect()
    }
}

/// The view of a session, made when something must be read.
struct Reading {
    listings: Arc<Listings>,
    view: Option<DirView>,
}

impl Reading {
    fn view(&mut self) -> Option<&mut DirView> {
        if self.view.is_none() {
            self.view = self.listings.view().ok();
        }
        self.view.as_mut()
    }
}

impl View for Reading {
    fn read(&mut self, dir: &[u8]) -> Option<Fresh> {
        self.view()?.read(dir)
    }

    fn look(&mut self, dir: &[u8], names: &[Vec<u8>]) -> Option<Vec<Option<Record>>> {
        self.view()?.look(dir, names)
    }
}

/// What a sender has of the listings.
pub(super) struct Session {
    listings: Arc<Listings>,
    reading: Reading,
    /// Where the roots of the sources are in the view.
    places: HashMap<u16, Option<Vec<u8>>>,
    synced: Option<Instant>,
    entries: usize,
}

impl Session {
    /// `None` if the run cannot use the listings; that is counted.
    pub(super) fn start(listings: &Arc<Listings>, plan: &Plan, filters: &Filters) -> Option<Self> {
        let why = why_live(plan, filters).or_else(|| (!listings.is_view_of(plan)).then_some("view"));
        listings.cache.count_list(why);
        if why.is_some() {
            return None;
        }
        Some(Self {
            listings: Arc::clone(listings),
            reading: Reading {
                listings: Arc::clone(listings),
                view: None,
            },
            places: HashMap::new(),
            synced: None,
            entries: 0,
        })
    }

    /// A directory's listing, if it can be had. What it says was true when the list last took the reported changes, or
    /// later.
    fn listing(&mut self, number: u16, root: &Root, dir: &[u8]) -> Option<Arc<Listing>> {
        let listings = &self.listings;
        let place = self.places.entry(number).or_insert_with(|| listings.place_of(root));
        let place = place.as_ref()?;
        let mut path = Vec::with_capacity(place.len() + dir.len() + 1);
        match dir {
            b"." => path.extend_from_slice(place),
            _ => join(place, dir, &mut path),
        }
        let old = self.synced.is_none_or(|at| at.elapsed() > BARRIER_TIME);
        if old || self.entries > BARRIER_ENTRIES {
            listings.cache.sync();
            self.synced = Some(Instant::now());
            self.entries = 0;
        }
        match listings.cache.get(&path, &mut self.reading) {
            Source::Cached(listing) => {
                self.entries += listing.len() + 1;
                Some(listing)
            }
            Source::Live(_) => None,
        }
    }
}

impl Scanner {
    /// List the contents of a directory from the cache. `false`: they must be scanned.
    pub(super) fn list_cached(&mut self, place: Contents, dir: &[u8], children: &mut Vec<Node>) -> Result<bool> {
        let (Some(session), Some(root)) = (self.session.as_mut(), self.sources.root(place.root)) else {
            return Ok(false);
        };
        let Some(listing) = session.listing(place.root, root, dir) else {
            return Ok(false);
        };
        let mut name = Vec::with_capacity(dir.len() + 64);
        if dir != b"." {
            name.extend_from_slice(dir);
            name.push(b'/');
        }
        let mut sums = Sums::default();
        let result = self.list_entries(place, &listing, name, children, &mut sums);
        self.report.stats(|s| {
            s.files.add_all(&sums.files);
            s.total_size += sums.size;
            s.had_entries |= sums.entries > 0;
        });
        self.report.add_listed(sums.entries, sums.bytes);
        result.map(|()| true)
    }

    /// List the entries of a listing; their names begin with `name`.
    fn list_entries(
        &mut self,
        place: Contents,
        listing: &Listing,
        mut name: Vec<u8>,
        children: &mut Vec<Node>,
        sums: &mut Sums,
    ) -> Result<()> {
        let prefix = name.len();
        self.filters.absolute = false;
        let links = self.plan.attrs.links;
        let mut files = listing.files();
        while let Some(file) = files.next_record()? {
            name.truncate(prefix);
            name.extend_from_slice(file.name);
            if !self.filters.hides(&name, false, &self.report) {
                sums.add(self.enter_shown(place.root, &name, file.stat, file.link.filter(|_| links), 0)?);
            }
        }
        let mut dirs = listing.dirs();
        while let Some(inner) = dirs.next_record()? {
            name.truncate(prefix);
            name.extend_from_slice(inner.name);
            if self.filters.hides(&name, true, &self.report) {
                continue;
            }
            let stat = Stat {
                dev: listing.dev_of(inner.name),
                ..*inner.stat
            };
            let Some((flags, node)) = self.directory(place.root, &name, &stat, Some(place.dev)) else {
                continue;
            };
            let made = self.enter_shown(place.root, &name, &stat, None, flags)?;
            if made.is_some() {
                children.extend(node);
            }
            sums.add(made);
        }
        Ok(())
    }
}

/// What the entries of a directory add to the figures of the run.
#[derive(Default)]
struct Sums {
    entries: u64,
    files: Counts,
    /// Bytes of regular files and links.
    size: u64,
    /// Bytes of regular files.
    bytes: u64,
}

impl Sums {
    fn add(&mut self, made: Option<Made>) {
        let Some(made) = made else { return };
        self.entries += 1;
        if !made.shared {
            self.files.add(made.mode);
        }
        self.size += made.counted();
        self.bytes += if is_file(made.mode) { made.len } else { 0 };
    }
}

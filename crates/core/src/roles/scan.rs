//! Scanning the sources into file lists (spec: transfer 2; protocol 5.1, 5.5, 5.10).
//!
//! The scanner is an iterator over segments: one for a whole run, or, with incremental recursion, one for each
//! directory, depth first. A sender encodes them; a local copy passes them to its generator.

mod arguments;
mod bases;
mod cached;
mod item;
mod selection;
mod shown;
mod sums;

pub use cached::Listings;
pub(crate) use sums::sum_file;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use rustix::io::Errno;

use self::arguments::Known;
use self::cached::Session;
use super::chmod::Chmod;
use super::filter::Filters;
use super::metadata::{self, Lookup};
use super::paths::disk;
use super::sources::Sources;
use crate::error::{Error, IoErrorExt as _, Result};
use crate::flist::{HardLinks, Iconv, Segment, SegmentBuilder};
use crate::plan::Plan;
use crate::report::debug::debug;
use crate::report::say::text;
use crate::report::{Level, Report};
use crate::role::Role;
use crate::roles::text::messages;
use crate::tree::mode::{self, is_dir};
use crate::tree::{Atime, FileKind, Stat};
use crate::wire::item::IoErrors;

/// An argument whose parents are being listed: `name` under `root`; its first `done` bytes are listed already.
#[derive(Debug, Clone)]
struct Argument {
    root: u16,
    name: Vec<u8>,
    /// The contents were asked for (`dir/`, `.`, or a recursive run).
    contents: bool,
    /// Named with a trailing slash or as `.`: a symlink to a directory is followed.
    follow: bool,
    missing_ok: bool,
    /// Only a parent of another argument: its contents were not asked for.
    implied: bool,
    /// The rules have been asked about it, and let it pass.
    wanted: bool,
    /// Bytes of its name that it shares, as parents, with the argument before.
    known: usize,
    turn: u32,
}

/// A directory that is to be read.
#[derive(Debug, Clone, Copy)]
struct Contents {
    root: u16,
    /// The filesystem of the argument above it.
    dev: u64,
    /// Counts the changes of directory from argument to argument.
    turn: u32,
}

impl Argument {
    /// An argument that may be missing. `dotted`: its name ends so that the contents are meant.
    fn new(root: u16, name: Vec<u8>, dotted: bool, turn: u32) -> Self {
        Self {
            root,
            name,
            contents: dotted,
            follow: dotted,
            missing_ok: true,
            implied: false,
            wanted: false,
            known: 0,
            turn,
        }
    }
}

/// A directory whose contents are still to be listed.
#[derive(Debug, Clone, Default)]
struct Node {
    /// Name on the wire; empty for the virtual top.
    path: Vec<u8>,
    dir_ndx: i32,
    /// No directory to list: the rules of the last one end here (`--debug=FILTER2`).
    popping: bool,
    contents: Vec<Contents>,
    arguments: Vec<Argument>,
}

/// Scans source arguments. One per run.
pub(crate) struct Scanner {
    plan: Arc<Plan>,
    report: Report,
    sources: Sources,
    filters: Filters,
    chmod: Chmod,
    daemon_chmod: Chmod,
    pending: Vec<Node>,
    filter_root: Option<u16>,
    started: bool,
    finished: bool,
    next_start: i32,
    next_dir: i32,
    /// Directories whose rules came into force since the last list began, if that is reported.
    pushed: usize,
    links: HardLinks,
    /// The list that is being made.
    builder: SegmentBuilder,
    /// Its files whose sums are not known yet (`-c`).
    unsummed: sums::Waiting,
    /// Metadata tables (ACLs, xattrs) go here.
    pub tables: crate::flist::Tables,
    /// Names are converted for the wire; a name that can't be converted is left out.
    charset: Option<Iconv>,
    /// The lists are local: groups of hard links are found here.
    local: bool,
    /// The sources are named by a list.
    of_list: bool,
    /// The directory of the last argument as it is spelled, and how often that changed.
    named: (Vec<u8>, u32),
    /// [`Contents::turn`] of what is being listed.
    turn: u32,
    buffer: Vec<u8>,
    /// Directories are taken from a cache where possible.
    session: Option<Session>,
    /// `.` is listed for the first argument that begins with `./` (observed).
    dot_implied: bool,
}

impl Scanner {
    /// `listings`: a cache for directories of the plan's view.
    pub(crate) fn new(
        plan: Arc<Plan>,
        report: Report,
        sources: Sources,
        listings: Option<&Arc<Listings>>,
    ) -> Result<Self> {
        let filters = Filters::sender(&plan)?.telling(&report);
        let session = listings.and_then(|listings| Session::start(listings, &plan, &filters));
        let chmod = Chmod::parse(&plan.attrs.chmod).unwrap_or_default();
        let daemon_chmod = Chmod::parse(&plan.attrs.daemon_chmod).unwrap_or_default();
        Ok(Self {
            local: plan.place.is_local(),
            charset: plan
                .agreed
                .iconv
                .as_deref()
                .filter(|_| !plan.place.is_local())
                .and_then(Iconv::new),
            next_start: i32::from(plan.agreed.inc_recurse),
            plan,
            report,
            sources,
            filters,
            chmod,
            daemon_chmod,
            pending: Vec::new(),
            filter_root: None,
            started: false,
            finished: false,
            next_dir: 0,
            pushed: 0,
            of_list: false,
            named: (Vec::new(), 0),
            turn: 0,
            links: HardLinks::new(),
            builder: SegmentBuilder::default(),
            unsummed: sums::Waiting::default(),
            tables: crate::flist::Tables::default(),
            buffer: Vec::new(),
            session,
            dot_implied: false,
        })
    }

    /// Nothing is left to list.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished
    }

    /// The next list: all of it, or the next directory's. `names` are the entries of `--files-from`, when in use.
    pub(crate) fn next(&mut self, names: Option<Vec<Vec<u8>>>) -> Result<Option<Segment>> {
        self.report.check()?;
        if self.finished {
            return Ok(None);
        }
        let node = if self.started {
            match self.pending.pop() {
                Some(node) => node,
                None => {
                    self.finished = true;
                    return Ok(None);
                }
            }
        } else {
            self.started = true;
            Node {
                dir_ndx: -1,
                arguments: self.arguments(names)?,
                ..Node::default()
            }
        };
        self.builder = SegmentBuilder::new(self.plan.agreed.protocol);
        let dir_ndx = node.dir_ndx;
        let mut children = self.list(node)?;
        if !self.plan.agreed.inc_recurse {
            // One list for the whole run.
            loop {
                for _ in 0..std::mem::take(&mut self.pushed) {
                    self.pending.push(Node {
                        popping: true,
                        ..Node::default()
                    });
                }
                children.reverse();
                self.pending.append(&mut children);
                let Some(next) = self.pending.pop() else { break };
                if next.popping {
                    debug!(self.report, filter >= 2; "[sender] popping local filters");
                    continue;
                }
                children = self.list(next)?;
            }
        }
        self.sum_files()?;
        let mut builder = std::mem::take(&mut self.builder);
        builder.sort(self.plan.agreed.iconv.is_some());
        if self.plan.agreed.inc_recurse {
            self.number(&builder, children);
        } else {
            self.finished = true;
        }
        let mut dropped = Vec::new();
        if self.local {
            dropped = builder.drop_duplicates();
            builder.strip_leading_slashes();
            if self.plan.attrs.hard_links {
                builder.group_hard_links(&mut self.links, self.next_start);
            }
        }
        let count = builder.len() as i32;
        let mut segment = builder.finish(self.next_start, dir_ndx);
        segment.io_error = self.report.listing_error();
        segment.dropped = dropped;
        self.next_start = self
            .next_start
            .checked_add(count + 1)
            .ok_or_else(|| Error::Memory("file list too large".into()))?;
        if self.pending.is_empty() {
            self.finished = true;
        }
        Ok(Some(segment))
    }

    /// Give the directories of a finished list their numbers, and queue their contents (spec: protocol 5.8, 5.10).
    fn number(&mut self, builder: &SegmentBuilder, children: Vec<Node>) {
        let mut by_path: HashMap<Vec<u8>, Node> = HashMap::with_capacity(children.len());
        for child in children {
            match by_path.get_mut(&child.path) {
                Some(known) => {
                    known.contents.extend(child.contents);
                    known.arguments.extend(child.arguments);
                }
                None => {
                    by_path.insert(child.path.clone(), child);
                }
            }
        }
        for node in by_path.values_mut().filter(|node| node.contents.len() > 1) {
            // A directory that is named twice is listed once; of three that are the same rsync skips the second only
            // (observed).
            let first = node.contents[0].turn;
            let mut skips = true;
            node.contents.retain(|place| {
                skips = !skips && place.turn == first;
                !skips
            });
        }
        let mut numbers = Vec::with_capacity(builder.len());
        for i in 0..builder.len() {
            numbers.push(self.next_dir);
            self.next_dir += i32::from(builder.entry(i).is_dir());
        }
        // The walk follows the sorted order, also when the numbers follow the order of arrival.
        let mut queue = Vec::new();
        let mut name = Vec::new();
        for i in (0..builder.len()).map(|k| builder.at(k)) {
            if !builder.entry(i).is_dir() {
                continue;
            }
            name.clear();
            builder.view(i).name_into(&mut name);
            if let Some(mut node) = by_path.remove(&name) {
                node.dir_ndx = numbers[i];
                queue.push(node);
            }
        }
        queue.reverse();
        self.pending.append(&mut queue);
    }

    /// Match rules against names below this root from here on.
    fn at_root(&mut self, number: u16) {
        if self.filter_root == Some(number) || !self.filters.has_merge() && self.plan.select.daemon_rules.is_empty() {
            return;
        }
        if let Some(root) = self.sources.root(number) {
            self.filters.set_root(root.path());
            self.filter_root = Some(number);
        }
    }

    // ---- one directory

    /// List one directory (or the virtual top) into the list that is being made. Returns its subdirectories as nodes.
    fn list(&mut self, node: Node) -> Result<Vec<Node>> {
        let mut children: Vec<Node> = Vec::new();
        let at_top = node.path.is_empty() && node.contents.is_empty();
        if self.report.plan().output.debug.filter > 1 {
            let implied = node.arguments.first().filter(|_| !node.path.is_empty()).map(|a| a.root);
            let number = node.contents.first().map(|c| c.root).or(implied);
            if let Some(root) = number.and_then(|n| self.sources.root(n)) {
                let place = super::paths::clean(&root.display(disk(&node.path)));
                debug!(self.report, filter >= 2; "[sender] pushing local filters for ", &place, "/");
                self.pushed += 1;
            }
        }
        self.report.live().enter(&node.path);
        if !at_top && self.filters.has_merge() {
            self.enter(&node)?;
        }
        let (mut last, mut known) = (Vec::new(), Known::default());
        let mut contents = node.contents.into_iter().peekable();
        for argument in node.arguments {
            while let Some(earlier) = contents.next_if(|c| c.turn < argument.turn) {
                self.list_contents(earlier, &node.path, &mut children)?;
            }
            self.turn = argument.turn;
            self.list_argument(&node.path, argument, &mut last, &mut children, &mut known)?;
            let is_dot = |n: &mut Node| n.path == b"." || n.path == b"/";
            // The contents of `.` are in the same list as `.` itself (spec: protocol 5.10), and before later arguments:
            // of two files of one name the one that is listed first is sent.
            if let Some(dot) = children.pop_if(|n| at_top && is_dot(n)) {
                children.extend(self.list(dot)?);
            }
        }
        for place in contents {
            self.list_contents(place, &node.path, &mut children)?;
        }
        Ok(children)
    }

    fn enter(&mut self, node: &Node) -> Result<()> {
        let number = node
            .contents
            .first()
            .map(|c| c.root)
            .or_else(|| node.arguments.first().map(|a| a.root));
        let insecure = self.plan.place.insecure_links;
        let Some(root) = number.and_then(|n| self.sources.root(n)) else {
            return Ok(());
        };
        if self.filter_root != number {
            self.filter_root = number;
            self.filters.set_root(root.path());
        }
        self.filters.go_to(root, disk(&node.path), insecure)
    }

    /// List the contents of a directory.
    fn list_contents(&mut self, place: Contents, dir: &[u8], children: &mut Vec<Node>) -> Result<()> {
        let (root_number, top_dev) = (place.root, place.dev);
        self.turn = place.turn;
        self.at_root(root_number);
        if self.session.is_some() && self.list_cached(place, dir, children)? {
            return Ok(());
        }
        let plan_is_root = self.plan.place.am_root;
        // Not with --copy-links (observed).
        let noatime = self.plan.attrs.open_noatime && !self.plan.attrs.copy_links;
        let Some(root) = self.sources.root(root_number) else {
            return Ok(());
        };
        let names = match root.read_names(disk(dir), Atime::keep_if(noatime)) {
            Ok(names) => names,
            Err(error) => {
                self.report_unopened(root_number, dir, &error);
                return Ok(());
            }
        };
        if names.is_empty() && !plan_is_root && unsearchable(root, dir) {
            self.report_unsearchable(root_number, dir);
            return Ok(());
        }
        let mut name = Vec::with_capacity(dir.len() + 64);
        if dir != b"." {
            name.extend_from_slice(dir);
            if dir != b"/" {
                name.push(b'/');
            }
        }
        let prefix = name.len();
        let (selects, mut waiting) = (self.selects(), Vec::new());
        for found in names.iter() {
            name.truncate(prefix);
            name.extend_from_slice(found.name);
            if name.len() > crate::flist::MAX_NAME {
                let text = text!["skipping overly long name: ", &name];
                self.report.set_listing_error(IoErrors::GENERAL);
                self.report.line(Level::Error, text);
                continue;
            }
            if found.kind != FileKind::Unknown && found.kind != FileKind::Symlink {
                let dir = found.kind == FileKind::Dir;
                if self.hidden(&name, dir) {
                    continue;
                }
            }
            let Some(root) = self.sources.root(root_number) else {
                return Ok(());
            };
            match metadata::lstat(root, disk(&name), &self.plan, &self.report) {
                Ok(stat) => {
                    if (found.kind == FileKind::Unknown || found.kind == FileKind::Symlink)
                        && self.hidden_link(root_number, &name, &stat)
                    {
                        continue;
                    }
                    if selects {
                        self.propose(&mut waiting, &name, stat, place, children)?;
                    } else {
                        children.extend(self.list_file(root_number, &name, stat, Some(top_dev))?);
                    }
                }
                Err(Lookup::Failed(error)) if error.is(Errno::ACCESS) && unsearchable(root, dir) => {
                    self.report_unsearchable(root_number, dir);
                    return Ok(());
                }
                Err(Lookup::Broken(error)) => return Err(error),
                Err(Lookup::Failed(error)) => self.report_unseen(root_number, &name, &error),
            }
        }
        self.list_selected(&mut waiting, place, children)?;
        if let Some(error) = &names.error {
            let path = self.display(root_number, dir);
            self.cannot_list(text!["readdir(", &path, ")"], error);
        }
        Ok(())
    }

    /// Report a name whose status can't be read.
    fn report_unseen(&mut self, root: u16, name: &[u8], error: &io::Error) {
        let path = self.display(root, name);
        if error.is(Errno::NOENT) {
            self.report.set_listing_error(IoErrors::VANISHED);
            self.report.warning(messages::file_vanished(&path));
        } else {
            self.cannot_list(messages::readlink_stat_failed(&path), error);
        }
    }

    /// Report a directory that can't be opened.
    fn report_unopened(&mut self, root: u16, dir: &[u8], error: &io::Error) {
        let path = self.display(root, dir);
        if error.is(Errno::NOENT) {
            self.report.set_listing_error(IoErrors::VANISHED);
            self.report.warning(text!["directory has vanished: ", &path]);
        } else {
            self.cannot_list(messages::opendir_failed(&path), error);
        }
    }

    /// Report that something can't be listed. From here on nothing is deleted.
    fn cannot_list(&self, text: impl AsRef<[u8]>, error: &io::Error) {
        self.report.set_listing_error(IoErrors::GENERAL);
        self.report.sys_error(Role::Sender, text, error);
    }

    /// Report a directory that can be read but not searched, as one that can't be opened.
    fn report_unsearchable(&mut self, root: u16, dir: &[u8]) {
        self.report_unopened(root, dir, &io::Error::from(Errno::ACCESS));
    }

    fn hidden(&mut self, name: &[u8], dir: bool) -> bool {
        let path = disk(name);
        self.filters.absolute = name.starts_with(b"/");
        self.filters.daemon_hides(path, dir) || self.filters.hides(path, dir, &self.report)
    }

    /// Test a link against the rules, as the type with which it will be listed.
    fn hidden_link(&mut self, root: u16, name: &[u8], stat: &Stat) -> bool {
        let mut dir = is_dir(stat.mode);
        if stat.is_symlink() && (self.plan.attrs.copy_links || self.plan.attrs.copy_dirlinks) {
            dir = self
                .sources
                .root(root)
                .and_then(|r| r.stat_follow(disk(name), false).ok())
                .is_some_and(|behind| behind.is_dir());
        }
        self.hidden(name, dir)
    }

    /// List one name. `top_dev`: the filesystem of the argument above it; `None` for an argument itself. Returns the
    /// directory, if its contents are to be listed.
    fn list_file(
        &mut self,
        root_number: u16,
        name: &[u8],
        mut stat: Stat,
        top_dev: Option<u64>,
    ) -> Result<Option<Node>> {
        let plan = Arc::clone(&self.plan);
        let path = disk(name);
        debug!(self.report, flist >= 2; "[sender] make_file(", path, ",*,", i32::from(top_dev.is_some()) * 2, ")");
        if stat.is_symlink() && (plan.attrs.copy_links || plan.attrs.copy_unsafe_links || plan.attrs.copy_dirlinks) {
            match self.follow_link(root_number, name, stat) {
                Some(seen) => stat = seen,
                None => return Ok(None),
            }
        }
        if plan.attrs.copy_devices && stat.is_device() {
            if let Some(Ok(file)) = self
                .sources
                .root(root_number)
                .map(|r| r.open_read_follow(path, Atime::Update))
            {
                stat.size = device_size(&file);
            }
            stat.mode = stat.mode & !mode::TYPE | mode::FILE;
            stat.mtime = chrono::Utc::now().timestamp();
            stat.mtime_nsec = 0;
        }
        if stat.mode & mode::TYPE == 0 {
            let shown = self.display(root_number, name);
            let text = text!["skipping file with bogus (zero) st_mode: ", &shown];
            self.report.set_listing_error(IoErrors::GENERAL);
            self.report.info(text);
            return Ok(None);
        }
        if !is_dir(stat.mode) {
            if plan.select.linked > 0 && (plan.select.linked > 1) != (stat.nlink > 1) {
                // Another run lists it: one that has all names of files with several.
                return Ok(None);
            }
            self.push(root_number, name, &stat, 0)?;
            return Ok(None);
        }
        let Some((flags, node)) = self.directory(root_number, name, &stat, top_dev) else {
            return Ok(None);
        };
        let listed = self.push(root_number, name, &stat, flags)?;
        Ok(node.filter(|_| listed))
    }

    fn display(&mut self, root: u16, name: &[u8]) -> Vec<u8> {
        match self.sources.root(root) {
            Some(root) => self.report.quoted_from(root.path(), &root.display(disk(name))),
            None => self.report.quoted(name),
        }
    }
}

/// Whether the directory can't be searched: then a look-up of any name fails.
fn unsearchable(root: &crate::tree::Root, dir: &[u8]) -> bool {
    root.lstat(&[disk(dir), b"/-"].concat())
        .is_err_and(|e| e.is(Errno::ACCESS))
}

/// Bytes of a device: the offset of its end.
fn device_size(file: &std::fs::File) -> u64 {
    use std::io::{Seek, SeekFrom};
    let mut file = file;
    file.seek(SeekFrom::End(0)).unwrap_or(0)
}

//! Scanning the sources into file lists (spec: transfer 2; protocol 5.1, 5.5, 5.10).
//!
//! The scanner is an iterator over segments: one for a whole run, or, with incremental recursion, one for each
//! directory, depth first. A sender encodes them; a local copy passes them to its generator.

mod arguments;
mod item;
mod sums;

pub(crate) use sums::sum_file;

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use rustix::io::Errno;

use super::chmod::Chmod;
use super::compare::{is_dir, unsafe_link, S_IFMT, S_IFREG};
use super::filter::Filters;
use super::metadata::{self, Lookup};
use super::paths::disk;
use super::sources::Sources;
use crate::error::{Error, IoErrorExt as _, Result};
use crate::flist::{eflag, HardLinks, Iconv, Segment, SegmentBuilder};
use crate::plan::Plan;
use crate::report::debug::debug;
use crate::report::say::text;
use crate::report::{Level, Report};
use crate::role::Role;
use crate::roles::text::messages;
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
    /// Bytes of its name that it shares, as parents, with the argument before.
    known: usize,
}

/// A directory whose contents are still to be listed.
#[derive(Debug, Clone, Default)]
struct Node {
    /// Name on the wire; empty for the virtual top.
    path: Vec<u8>,
    dir_ndx: i32,
    /// No directory to list: the rules of the last one end here (`--debug=FILTER2`).
    popping: bool,
    /// Roots under which it is read.
    contents: Vec<(u16, u64)>,
    arguments: Vec<Argument>,
}

/// The nodes of a growing list by path.
#[derive(Default)]
struct Known {
    by_path: HashMap<Vec<u8>, usize>,
    /// Number of nodes that are indexed.
    seen: usize,
}

impl Known {
    /// The first node with this path.
    fn find(&mut self, nodes: &[Node], path: &[u8]) -> Option<usize> {
        for (at, node) in nodes.iter().enumerate().skip(self.seen) {
            self.by_path.entry(node.path.clone()).or_insert(at);
        }
        self.seen = nodes.len();
        self.by_path.get(path).copied()
    }
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
    /// Metadata tables (ACLs, xattrs) go here.
    pub tables: crate::flist::Tables,
    /// Names are converted for the wire; a name that can't be converted is left out.
    charset: Option<Iconv>,
    /// The lists are local: groups of hard links are found here.
    local: bool,
    /// The sources are named by a list.
    of_list: bool,
    buffer: Vec<u8>,
    /// `.` is listed for the first argument that begins with `./` (observed).
    dot_implied: bool,
}

impl Scanner {
    pub(crate) fn new(plan: Arc<Plan>, report: Report, sources: Sources) -> Result<Self> {
        let filters = Filters::sender(&plan)?.telling(&report);
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
            links: HardLinks::new(),
            tables: crate::flist::Tables::default(),
            buffer: Vec::new(),
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
        let mut builder = SegmentBuilder::new(self.plan.agreed.protocol);
        let dir_ndx = node.dir_ndx;
        let mut children = self.list(node, &mut builder)?;
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
                children = self.list(next, &mut builder)?;
            }
        }
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
            // A directory that is named twice is listed once.
            let mut seen = HashSet::new();
            node.contents.retain(|&place| seen.insert(place));
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

    /// List one directory (or the virtual top) into `builder`. Returns its subdirectories as nodes.
    fn list(&mut self, node: Node, builder: &mut SegmentBuilder) -> Result<Vec<Node>> {
        let mut children: Vec<Node> = Vec::new();
        let at_top = node.path.is_empty() && node.contents.is_empty();
        if self.report.plan().output.debug.filter > 1 {
            let implied = node.arguments.first().filter(|_| !node.path.is_empty()).map(|a| a.root);
            let number = node.contents.first().map(|c| c.0).or(implied);
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
        for argument in node.arguments {
            self.list_argument(&node.path, argument, &mut last, builder, &mut children, &mut known)?;
        }
        for (root, dev) in node.contents {
            self.list_contents(root, &node.path, dev, builder, &mut children)?;
        }
        if at_top {
            // The contents of `.` are in the same list as `.` itself (spec: protocol 5.10).
            let (dots, rest): (Vec<Node>, Vec<Node>) =
                children.into_iter().partition(|n| n.path == b"." || n.path == b"/");
            children = rest;
            for dot in dots {
                children.extend(self.list(dot, builder)?);
            }
        }
        Ok(children)
    }

    fn enter(&mut self, node: &Node) -> Result<()> {
        let number = node
            .contents
            .first()
            .map(|c| c.0)
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
    fn list_contents(
        &mut self,
        root_number: u16,
        dir: &[u8],
        top_dev: u64,
        builder: &mut SegmentBuilder,
        children: &mut Vec<Node>,
    ) -> Result<()> {
        self.at_root(root_number);
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
                    children.extend(self.list_file(root_number, &name, stat, Some(top_dev), builder)?);
                }
                Err(Lookup::Failed(error)) if error.is(Errno::ACCESS) && unsearchable(root, dir) => {
                    self.report_unsearchable(root_number, dir);
                    return Ok(());
                }
                Err(Lookup::Broken(error)) => return Err(error),
                Err(Lookup::Failed(error)) => self.report_unseen(root_number, &name, &error),
            }
        }
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

    fn report_no_referent(&mut self, root: u16, name: &[u8]) {
        let path = self.display(root, name);
        self.report.set_listing_error(IoErrors::GENERAL);
        self.report.error_xfer(text!["symlink has no referent: ", &path]);
    }

    /// The status that the list gives for a link where some links are followed; `None` when the link is left out.
    fn follow_link(&mut self, root_number: u16, name: &[u8], stat: Stat) -> Option<Stat> {
        let plan = Arc::clone(&self.plan);
        let path = disk(name);
        let mut follow = plan.attrs.copy_links;
        if !follow && plan.attrs.copy_unsafe_links {
            let target = self.sources.root(root_number)?.read_link(path);
            if let Some(target) = target.ok().filter(|target| unsafe_link(target, path)) {
                follow = true;
                if plan.output.info.symsafe > 0 {
                    let text = text!["copying unsafe symlink \"", path, "\" -> \"", target, "\""];
                    self.report.info(text);
                }
            }
        }
        let root = self.sources.root(root_number)?;
        if !follow {
            let behind = plan
                .attrs
                .copy_dirlinks
                .then(|| root.stat_follow(path, plan.attrs.crtimes).ok())
                .flatten();
            return Some(behind.filter(Stat::is_dir).unwrap_or(stat));
        }
        match root.stat_follow(path, plan.attrs.crtimes) {
            Ok(behind) => return Some(behind),
            Err(error) if error.is(Errno::NOENT) => self.report_no_referent(root_number, name),
            Err(error) => {
                let shown = self.display(root_number, name);
                self.cannot_list(messages::readlink_stat_failed(&shown), &error);
            }
        }
        None
    }

    /// List one name. `top_dev`: the filesystem of the argument above it; `None` for an argument itself. Returns the
    /// directory, if its contents are to be listed.
    fn list_file(
        &mut self,
        root_number: u16,
        name: &[u8],
        mut stat: Stat,
        top_dev: Option<u64>,
        builder: &mut SegmentBuilder,
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
            stat.mode = stat.mode & !S_IFMT | S_IFREG;
            stat.mtime = chrono::Utc::now().timestamp();
            stat.mtime_nsec = 0;
        }
        if stat.mode & S_IFMT == 0 {
            let shown = self.display(root_number, name);
            let text = text!["skipping file with bogus (zero) st_mode: ", &shown];
            self.report.set_listing_error(IoErrors::GENERAL);
            self.report.info(text);
            return Ok(None);
        }
        if !is_dir(stat.mode) {
            self.push(root_number, name, &stat, 0, builder)?;
            return Ok(None);
        }
        let mount = plan.select.one_file_system > 0 && top_dev.is_some_and(|dev| dev != stat.dev);
        if mount && plan.select.one_file_system > 1 {
            if plan.output.info.mount > 0 {
                self.report.info(text!["[sender] skipping mount-point dir ", path]);
            }
            return Ok(None);
        }
        // The list of a mount point is an empty one: by that a receiver with incremental recursion finishes the directory.
        let contents = plan.select.recurse && !mount;
        let flags = if contents { eflag::CONTENT_DIR } else { 0 };
        let listed = self.push(root_number, name, &stat, flags, builder)? && (contents || mount);
        let dev = top_dev.unwrap_or(stat.dev);
        Ok(listed.then(|| Node {
            path: name.to_vec(),
            contents: if contents { vec![(root_number, dev)] } else { Vec::new() },
            ..Node::default()
        }))
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

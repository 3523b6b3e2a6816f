//! Scanning the sources into file lists (spec: transfer 2; protocol 5.1, 5.5, 5.10).
//!
//! The scanner is an iterator over segments: one for a whole run, or, with incremental recursion, one for each
//! directory, depth first. Who sends them encodes them; a local copy hands them to its generator.

use std::collections::HashMap;
use std::io;

use super::chmod::Chmod;
use super::compare::{is_dir, is_link, is_reg, unsafe_link, S_IFDIR, S_IFMT, S_IFREG};
use super::filter::Filters;
use super::metadata::{self, Lookup, Place};
use super::sources::Sources;
use crate::error::{Error, Result};
use crate::flist::{eflag, HardLinks, NewEntry, Segment, SegmentBuilder};
use crate::plan::Plan;
use crate::report::{ioerr, sys_line, Level, Report};
use crate::sums::strong::{digest_len, Hasher};
use crate::tree::{FileKind, Stat};
use std::sync::Arc;

/// An argument on its way down: `name` under `root`, of which `done` bytes are already listed.
#[derive(Debug, Clone)]
struct Argument {
    root: u16,
    name: Vec<u8>,
    /// The contents were asked for (`dir/`, `.`, or a recursive run).
    contents: bool,
    /// Named with a trailing slash or as `.`: a symlink to a directory is followed.
    follow: bool,
    missing_ok: bool,
}

/// A directory whose contents are still to be listed.
#[derive(Debug, Clone, Default)]
struct Node {
    /// Name on the wire; empty for the virtual top.
    path: Vec<u8>,
    dir_ndx: i32,
    /// Roots under which it is read.
    contents: Vec<(u16, u64)>,
    arguments: Vec<Argument>,
}

/// Scans source arguments. One per run.
pub struct Scanner {
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
    links: HardLinks,
    /// Metadata tables (ACLs, xattrs) go here.
    pub tables: crate::flist::Tables,
    /// Lists do not travel: groups of hard links are found here.
    local: bool,
    buffer: Vec<u8>,
}

impl Scanner {
    pub fn new(plan: Arc<Plan>, report: Report, sources: Sources) -> Result<Self> {
        let filters = Filters::sender(&plan)?;
        let chmod = if plan.server {
            Chmod::default()
        } else {
            Chmod::parse(&plan.chmod).unwrap_or_default()
        };
        let daemon_chmod = Chmod::parse(&plan.daemon_chmod).unwrap_or_default();
        Ok(Self {
            local: plan.local,
            next_start: i32::from(plan.inc_recurse),
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
            links: HardLinks::new(),
            tables: crate::flist::Tables::default(),
            buffer: Vec::new(),
        })
    }

    /// Nothing is left to list.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// The next list: all of it, or the next directory's. `names` are the entries of `--files-from`, when in use.
    pub fn next(&mut self, names: Option<Vec<Vec<u8>>>) -> Result<Option<Segment>> {
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
        let mut builder = SegmentBuilder::new(self.plan.protocol);
        let dir_ndx = node.dir_ndx;
        let mut children = self.list(node, &mut builder)?;
        if !self.plan.inc_recurse {
            // One list: go on down until nothing is left.
            loop {
                children.reverse();
                self.pending.append(&mut children);
                let Some(next) = self.pending.pop() else { break };
                children = self.list(next, &mut builder)?;
            }
        }
        builder.sort(self.plan.iconv.is_some());
        if self.plan.inc_recurse {
            self.number(&builder, children);
        } else {
            self.finished = true;
        }
        if self.local {
            builder.drop_duplicates();
            builder.strip_leading_slashes();
            if self.plan.hard_links {
                builder.group_hard_links(&mut self.links, self.next_start);
            }
        }
        let count = builder.len() as i32;
        let segment = builder.finish(self.next_start, dir_ndx);
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
        let mut queue = Vec::new();
        let mut name = Vec::new();
        for i in 0..builder.len() {
            if !builder.entry(i).is_dir() {
                continue;
            }
            let ndx = self.next_dir;
            self.next_dir += 1;
            name.clear();
            builder.view(i).name_into(&mut name);
            if let Some(mut node) = by_path.remove(&name) {
                node.dir_ndx = ndx;
                queue.push(node);
            }
        }
        queue.reverse();
        self.pending.append(&mut queue);
    }

    // ---- arguments

    fn arguments(&mut self, names: Option<Vec<Vec<u8>>>) -> Result<Vec<Argument>> {
        let plan = Arc::clone(&self.plan);
        let mut out = Vec::new();
        if let Some(names) = names {
            let base = plan.sources.first().map_or(&b"."[..], Vec::as_slice);
            for name in names {
                self.listed_argument(base, &name, &mut out);
            }
            return Ok(out);
        }
        for source in &plan.sources {
            self.argument(source, &mut out)?;
        }
        Ok(out)
    }

    fn open_base(&mut self, base: &[u8], named: &[u8]) -> Option<u16> {
        let opened = match self.base_hidden(base) {
            true => Err(io::Error::from_raw_os_error(2)),
            false => self.sources.open(base, &self.plan),
        };
        match opened {
            Ok(root) => {
                let typed = clean(base);
                self.report
                    .set_source_name(root, if typed == b"." { b"" } else { &typed });
                Some(root)
            }
            Err(error) => {
                if error.kind() == io::ErrorKind::NotFound && self.plan.ignore_missing_args {
                    return None;
                }
                let full = crate::tree::operator::absolute(base, &self.plan.cwd).unwrap_or_else(|_| named.to_vec());
                let text = [
                    b"change_dir ".as_slice(),
                    &self.report.quoted(&clean(&full)),
                    b" failed",
                ]
                .concat();
                self.report.sys_error("sender", text, &error);
                self.report.set_io_error(ioerr::GENERAL);
                None
            }
        }
    }

    /// Rules are matched against names below this root from here on.
    fn at_root(&mut self, number: u16) {
        if self.filter_root == Some(number) || !self.filters.has_merge() && self.plan.daemon_rules.is_empty() {
            return;
        }
        if let Some(root) = self.sources.root(number) {
            self.filters.set_root(root.path());
            self.filter_root = Some(number);
        }
    }

    /// A daemon's rules hide the directory of an argument.
    fn base_hidden(&mut self, base: &[u8]) -> bool {
        if self.plan.daemon_rules.is_empty() {
            return false;
        }
        let Ok(full) = crate::tree::operator::absolute(base, &self.plan.cwd) else {
            return false;
        };
        self.filters.set_root(&full);
        self.filter_root = None;
        !self.filters.is_module_root() && self.filters.daemon_hides(b".", true)
    }

    /// A source argument of the command line (spec: options 5.3).
    fn argument(&mut self, source: &[u8], out: &mut Vec<Argument>) -> Result<()> {
        if self.plan.relative {
            return self.relative_argument(source, out);
        }
        let trimmed = trim_slashes(source);
        let dot_dir = source.ends_with(b"/")
            || source == b"."
            || source.ends_with(b"/.")
            || source == b".."
            || source.ends_with(b"/..");
        if dot_dir {
            if let Some(root) = self.open_base(source, source) {
                out.push(Argument {
                    root,
                    name: b".".to_vec(),
                    contents: true,
                    follow: true,
                    missing_ok: false,
                });
            }
            return Ok(());
        }
        let (base, name) = match memchr::memrchr(b'/', trimmed) {
            Some(0) => (&b"/"[..], &trimmed[1..]),
            Some(at) => (&trimmed[..at], &trimmed[at + 1..]),
            None => (&b"."[..], trimmed),
        };
        if let Some(root) = self.open_base(base, source) {
            out.push(Argument {
                root,
                name: name.to_vec(),
                contents: false,
                follow: false,
                missing_ok: true,
            });
        }
        Ok(())
    }

    fn relative_argument(&mut self, source: &[u8], out: &mut Vec<Argument>) -> Result<()> {
        let (base, kept) = split_relative(source);
        let dotted = kept == b"." || kept.ends_with(b"/") || kept.ends_with(b"/.") || kept.is_empty();
        let name = clean(kept);
        if name.split(|&b| b == b'/').any(|part| part == b"..") {
            return Err(Error::Usage(format!(
                "found \"..\" dir in relative path: {}",
                String::from_utf8_lossy(&name)
            )));
        }
        let lead_dot = kept.starts_with(b"./") && name != b".";
        let base = if kept.starts_with(b"/") { &b"/"[..] } else { base };
        if let Some(root) = self.open_base(base, source) {
            if lead_dot {
                out.push(implied_dot(root));
            }
            out.push(Argument {
                root,
                name,
                contents: dotted,
                follow: dotted,
                missing_ok: true,
            });
        }
        Ok(())
    }

    /// An entry of `--files-from` (spec: filters 8).
    fn listed_argument(&mut self, base: &[u8], entry: &[u8], out: &mut Vec<Argument>) {
        let entry = {
            let n = entry.iter().take_while(|&&b| b == b'/').count();
            &entry[n..]
        };
        let (inner, kept) = if self.plan.relative {
            split_relative(entry)
        } else {
            (&b"."[..], entry)
        };
        let dotted = kept.is_empty() || kept == b"." || kept.ends_with(b"/") || kept.ends_with(b"/.");
        let name = confine(kept);
        let mut dir = base.to_vec();
        let inner = confine(inner);
        if inner != b"." {
            dir.push(b'/');
            dir.extend_from_slice(&inner);
        }
        if self.plan.relative {
            if let Some(root) = self.open_base(&dir, entry) {
                if kept.starts_with(b"./") && name != b"." {
                    out.push(implied_dot(root));
                }
                out.push(Argument {
                    root,
                    name,
                    contents: dotted,
                    follow: dotted,
                    missing_ok: true,
                });
            }
            return;
        }
        let (sub, leaf) = match memchr::memrchr(b'/', &name) {
            Some(at) => (&name[..at], name[at + 1..].to_vec()),
            None => (&b""[..], name.clone()),
        };
        if !sub.is_empty() {
            dir.push(b'/');
            dir.extend_from_slice(sub);
        }
        if dotted {
            // Without the path it is a directory's contents, like any argument with a final slash.
            dir.push(b'/');
            dir.extend_from_slice(&leaf);
            if let Some(root) = self.open_base(&dir, entry) {
                out.push(Argument {
                    root,
                    name: b".".to_vec(),
                    contents: true,
                    follow: true,
                    missing_ok: true,
                });
            }
            return;
        }
        if let Some(root) = self.open_base(&dir, entry) {
            out.push(Argument {
                root,
                name: leaf,
                contents: dotted,
                follow: dotted,
                missing_ok: true,
            });
        }
    }

    // ---- one directory

    /// List one directory (or the virtual top) into `builder`; what is below comes back as nodes.
    fn list(&mut self, node: Node, builder: &mut SegmentBuilder) -> Result<Vec<Node>> {
        let mut children: Vec<Node> = Vec::new();
        let at_top = node.path.is_empty() && node.contents.is_empty();
        if !at_top && self.filters.has_merge() {
            self.enter(&node)?;
        }
        for argument in node.arguments {
            self.list_argument(&node.path, argument, builder, &mut children)?;
        }
        for (root, dev) in node.contents {
            self.list_contents(root, &node.path, dev, builder, &mut children)?;
        }
        if at_top {
            // The contents of `.` stand in the same list as `.` itself (spec: protocol 5.10).
            let (dots, rest): (Vec<Node>, Vec<Node>) = children.into_iter().partition(|n| n.path == b".");
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
        let insecure = self.plan.insecure_links;
        let Some(root) = number.and_then(|n| self.sources.root(n)) else {
            return Ok(());
        };
        if self.filter_root != number {
            self.filter_root = number;
            self.filters.set_root(root.path());
        }
        self.filters.go_to(root, disk(&node.path), insecure)
    }

    fn list_argument(
        &mut self,
        parent: &[u8],
        argument: Argument,
        builder: &mut SegmentBuilder,
        children: &mut Vec<Node>,
    ) -> Result<()> {
        // What of the name comes after the parent?
        let skip = if parent.is_empty() { 0 } else { parent.len() + 1 };
        let rest = argument.name.get(skip..).unwrap_or_default();
        let from = usize::from(skip == 0 && rest.starts_with(b"/"));
        if let Some(slash) = memchr::memchr(b'/', &rest[from..]) {
            if skip == 0 && !self.is_wanted(&argument, builder)? {
                return Ok(());
            }
            let name = argument.name[..skip + from + slash].to_vec();
            return self.list_implied(name, argument, builder, children);
        }
        if from == 1 && rest.len() == 1 {
            // `/` itself.
            return self.list_leaf(b"/.", argument.clone(), builder, children);
        }
        let name = argument.name.clone();
        self.list_leaf(&name, argument, builder, children)
    }

    /// The argument is there and no rule hides it: only then are its parents sent (spec: filters 8).
    fn is_wanted(&mut self, argument: &Argument, builder: &mut SegmentBuilder) -> Result<bool> {
        let Some(root) = self.sources.root(argument.root) else {
            return Ok(false);
        };
        let path = disk(&argument.name);
        let follow = self.plan.copy_links || argument.follow;
        match if follow {
            root.stat_follow(path)
        } else {
            root.lstat(path)
        } {
            Ok(stat) => {
                let dir = is_dir(stat.mode);
                if dir && !self.plan.recurse && !self.plan.dirs {
                    self.report
                        .info([b"skipping directory ".as_slice(), &argument.name].concat());
                    return Ok(false);
                }
                Ok(!self.hidden(&argument.name, dir))
            }
            // A link without its target is told where it is listed.
            Err(_) if follow && root.lstat(path).is_ok() => Ok(true),
            Err(error) => {
                self.stat_failed(argument.root, &argument.name.clone(), &error, argument, builder)?;
                Ok(false)
            }
        }
    }

    /// A parent directory of a relative argument (spec: transfer 2.7).
    fn list_implied(
        &mut self,
        name: Vec<u8>,
        argument: Argument,
        builder: &mut SegmentBuilder,
        children: &mut Vec<Node>,
    ) -> Result<()> {
        let known = children.iter().position(|n| n.path == name);
        if let Some(known) = known {
            children[known].arguments.push(argument);
            return Ok(());
        }
        let wanted = self.plan.implied_dirs || self.plan.protocol >= 30;
        if wanted {
            let Some(root) = self.sources.root(argument.root) else {
                return Ok(());
            };
            // A link among the parents: the rest of the name lies behind it, so it is sent as the directory it leads to.
            match root.stat_follow(disk(&name)) {
                Ok(stat) => {
                    if !is_dir(stat.mode) || !self.push(argument.root, &name, &stat, eflag::IMPLIED, builder)? {
                        return Ok(());
                    }
                }
                Err(error) => {
                    self.stat_failed(argument.root, &argument.name, &error, &argument, builder)?;
                    return Ok(());
                }
            }
        }
        children.push(Node {
            path: name,
            arguments: vec![argument],
            ..Node::default()
        });
        Ok(())
    }

    fn stat_failed(
        &mut self,
        root: u16,
        name: &[u8],
        error: &io::Error,
        argument: &Argument,
        builder: &mut SegmentBuilder,
    ) -> Result<()> {
        let missing = matches!(error.raw_os_error(), Some(2));
        if missing && argument.missing_ok {
            if self.plan.delete_missing_args {
                let entry = NewEntry {
                    flags: eflag::MISSING_ARG,
                    root,
                    ..NewEntry::named(name)
                };
                builder.push(&entry)?;
                return Ok(());
            }
            if self.plan.ignore_missing_args {
                return Ok(());
            }
        }
        let path = self.display(root, name);
        let text = [b"link_stat ".as_slice(), &self.report.quoted(&path), b" failed"].concat();
        self.report.sys_error("sender", text, error);
        if !missing {
            self.report.set_io_error(ioerr::GENERAL);
        }
        Ok(())
    }

    /// The last component of an argument.
    fn list_leaf(
        &mut self,
        name: &[u8],
        argument: Argument,
        builder: &mut SegmentBuilder,
        children: &mut Vec<Node>,
    ) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let root_number = argument.root;
        self.at_root(root_number);
        let Some(root) = self.sources.root(root_number) else {
            return Ok(());
        };
        let path = disk(name);
        let mut stat = match metadata::look(root, path, plan.copy_links || argument.follow, &plan, &self.report) {
            Err(Lookup::Broken(error)) => return Err(error),
            Err(Lookup::Failed(error)) => Err(error),
            Ok(stat) => Ok(stat),
        };
        if let Ok(found) = &stat {
            if found.is_symlink() && plan.copy_dirlinks {
                if let Ok(behind) = root.stat_follow(path) {
                    if behind.is_dir() {
                        stat = Ok(behind);
                    }
                }
            }
        }
        let stat = match stat {
            Ok(stat) => stat,
            Err(error) => {
                if plan.copy_links && root.lstat(path).is_ok() {
                    return self.no_referent(root_number, name);
                }
                return self.stat_failed(root_number, name, &error, &argument, builder);
            }
        };
        let dot = name == b"." || name == b"/.";
        if self.filters.daemon_hides(path, is_dir(stat.mode)) && !dot {
            let error = io::Error::from_raw_os_error(2);
            return self.stat_failed(root_number, name, &error, &argument, builder);
        }
        if is_dir(stat.mode) && !plan.recurse && !plan.dirs {
            let text = [b"skipping directory ".as_slice(), name].concat();
            self.report.info(text);
            return Ok(());
        }
        if !dot && self.filters.hides(path, is_dir(stat.mode), &self.report) {
            return Ok(());
        }
        if is_dir(stat.mode) {
            let contents = plan.recurse || argument.contents;
            let flags = eflag::TOP_DIR | if contents { eflag::CONTENT_DIR } else { 0 };
            let listed = if dot { b".".as_slice() } else { name };
            if self.push(root_number, listed, &stat, flags, builder)? && contents {
                let path = listed.to_vec();
                children.push(Node {
                    path,
                    contents: vec![(root_number, stat.dev)],
                    ..Node::default()
                });
            }
            return Ok(());
        }
        self.list_file(root_number, name, stat, 0, 0, builder, children)
    }

    /// Everything in a directory.
    fn list_contents(
        &mut self,
        root_number: u16,
        dir: &[u8],
        top_dev: u64,
        builder: &mut SegmentBuilder,
        children: &mut Vec<Node>,
    ) -> Result<()> {
        self.at_root(root_number);
        let Some(root) = self.sources.root(root_number) else {
            return Ok(());
        };
        let names = match root.read_names(disk(dir)) {
            Ok(names) => names,
            Err(error) => {
                let path = self.display(root_number, dir);
                if error.raw_os_error() == Some(2) {
                    let text = [b"directory has vanished: ".as_slice(), &self.report.quoted(&path)].concat();
                    self.report.set_io_error(ioerr::VANISHED);
                    self.report.warning(text);
                } else {
                    let text = [b"opendir ".as_slice(), &self.report.quoted(&path), b" failed"].concat();
                    self.report.set_io_error(ioerr::GENERAL);
                    self.report.sys_error("sender", text, &error);
                }
                return Ok(());
            }
        };
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
                let text = [b"skipping overly long name: ".as_slice(), &name].concat();
                self.report.set_io_error(ioerr::GENERAL);
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
                    self.list_file(root_number, &name, stat, top_dev, 1, builder, children)?;
                }
                Err(Lookup::Failed(error)) if error.raw_os_error() == Some(13) => {
                    // A directory that can be read but not searched counts as one that can't be opened.
                    let path = self.display(root_number, dir);
                    let text = [b"opendir ".as_slice(), &self.report.quoted(&path), b" failed"].concat();
                    self.report.set_io_error(ioerr::GENERAL);
                    self.report.sys_error("sender", text, &error);
                    return Ok(());
                }
                Err(Lookup::Broken(error)) => return Err(error),
                Err(Lookup::Failed(error)) => {
                    let path = self.display(root_number, &name);
                    if error.raw_os_error() == Some(2) {
                        let text = [b"file has vanished: ".as_slice(), &self.report.quoted(&path)].concat();
                        self.report.set_io_error(ioerr::VANISHED);
                        self.report.warning(text);
                    } else {
                        let text = [b"readlink_stat(".as_slice(), &self.report.quoted(&path), b") failed"].concat();
                        self.report.set_io_error(ioerr::GENERAL);
                        self.report.sys_error("sender", text, &error);
                    }
                }
            }
        }
        if let Some(error) = &names.error {
            let path = self.display(root_number, dir);
            let text = [b"readdir(".as_slice(), &self.report.quoted(&path), b")"].concat();
            self.report.set_io_error(ioerr::GENERAL);
            self.report.sys_error("sender", text, error);
        }
        Ok(())
    }

    fn hidden(&mut self, name: &[u8], dir: bool) -> bool {
        let path = disk(name);
        self.filters.daemon_hides(path, dir) || self.filters.hides(path, dir, &self.report)
    }

    /// A link is tested as what it will be listed as.
    fn hidden_link(&mut self, root: u16, name: &[u8], stat: &Stat) -> bool {
        let mut dir = is_dir(stat.mode);
        if stat.is_symlink() && (self.plan.copy_links || self.plan.copy_dirlinks) {
            dir = self
                .sources
                .root(root)
                .and_then(|r| r.stat_follow(disk(name)).ok())
                .is_some_and(|behind| behind.is_dir());
        }
        self.hidden(name, dir)
    }

    fn no_referent(&mut self, root: u16, name: &[u8]) -> Result<()> {
        let path = self.display(root, name);
        let text = [b"symlink has no referent: ".as_slice(), &self.report.quoted(&path)].concat();
        self.report.set_io_error(ioerr::GENERAL);
        self.report.error_xfer(text);
        Ok(())
    }

    /// An entry that is not (yet) known to be a directory of an argument. `depth` 0: an argument itself.
    fn list_file(
        &mut self,
        root_number: u16,
        name: &[u8],
        mut stat: Stat,
        top_dev: u64,
        depth: u8,
        builder: &mut SegmentBuilder,
        children: &mut Vec<Node>,
    ) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let path = disk(name);
        if stat.is_symlink() && (plan.copy_links || plan.copy_unsafe_links || plan.copy_dirlinks) {
            let Some(root) = self.sources.root(root_number) else {
                return Ok(());
            };
            let mut follow = plan.copy_links;
            if !follow && plan.copy_unsafe_links {
                if let Ok(target) = root.read_link(path) {
                    if unsafe_link(&target, path) {
                        follow = true;
                        if plan.info.symsafe > 0 {
                            let text = [
                                b"copying unsafe symlink \"",
                                path,
                                b"\" -> \"",
                                target.as_slice(),
                                b"\"",
                            ]
                            .concat();
                            self.report.info(text);
                        }
                    }
                }
            }
            let Some(root) = self.sources.root(root_number) else {
                return Ok(());
            };
            if follow {
                match root.stat_follow(path) {
                    Ok(behind) => stat = behind,
                    Err(error) if error.raw_os_error() == Some(2) => return self.no_referent(root_number, name),
                    Err(error) => {
                        let shown = self.display(root_number, name);
                        let text = [b"readlink_stat(".as_slice(), &self.report.quoted(&shown), b") failed"].concat();
                        self.report.set_io_error(ioerr::GENERAL);
                        self.report.sys_error("sender", text, &error);
                        return Ok(());
                    }
                }
            } else if plan.copy_dirlinks {
                if let Ok(behind) = root.stat_follow(path) {
                    if behind.is_dir() {
                        stat = behind;
                    }
                }
            }
        }
        if plan.copy_devices && stat.is_device() {
            if let Some(Ok(file)) = self.sources.root(root_number).map(|r| r.open_read_follow(path, false)) {
                stat.size = device_size(&file);
            }
            stat.mode = stat.mode & !S_IFMT | S_IFREG;
            stat.mtime = chrono::Utc::now().timestamp();
            stat.mtime_nsec = 0;
        }
        if stat.mode & S_IFMT == 0 {
            let shown = self.display(root_number, name);
            let text = [
                b"skipping file with bogus (zero) st_mode: ".as_slice(),
                &self.report.quoted(&shown),
            ]
            .concat();
            self.report.set_io_error(ioerr::GENERAL);
            self.report.info(text);
            return Ok(());
        }
        if is_dir(stat.mode) {
            let mount = plan.one_file_system > 0 && depth > 0 && stat.dev != top_dev;
            if mount {
                if plan.one_file_system > 1 {
                    if plan.info.mount > 0 {
                        self.report
                            .info([b"[sender] skipping mount-point dir ".as_slice(), path].concat());
                    }
                    return Ok(());
                }
                self.push(root_number, name, &stat, 0, builder)?;
                return Ok(());
            }
            let contents = plan.recurse;
            let flags = if contents { eflag::CONTENT_DIR } else { 0 };
            if self.push(root_number, name, &stat, flags, builder)? && contents {
                let dev = if depth == 0 { stat.dev } else { top_dev };
                children.push(Node {
                    path: name.to_vec(),
                    contents: vec![(root_number, dev)],
                    ..Node::default()
                });
            }
            return Ok(());
        }
        self.push(root_number, name, &stat, 0, builder)?;
        Ok(())
    }

    /// Put one entry into the list. `false` when it was left out.
    fn push(
        &mut self,
        root_number: u16,
        name: &[u8],
        stat: &Stat,
        flags: u16,
        builder: &mut SegmentBuilder,
    ) -> Result<bool> {
        let plan = Arc::clone(&self.plan);
        let path = disk(name);
        let mut mode = stat.mode & 0o177_777;
        let mut link = None;
        if is_link(mode) {
            if plan.links {
                let target = self
                    .sources
                    .root(root_number)
                    .map(|r| metadata::read_link(r, path, plan.fake_super));
                match target {
                    Some(Ok(target)) if target.is_empty() => {
                        let shown = self.display(root_number, name);
                        let text = [
                            b"skipping symlink with 0-length value: ".as_slice(),
                            &self.report.quoted(&shown),
                        ]
                        .concat();
                        self.report.set_io_error(ioerr::GENERAL);
                        self.report.warning(text);
                        return Ok(false);
                    }
                    Some(Ok(target)) => {
                        link = Some(match target.strip_prefix(b"/rsyncd-munged/") {
                            Some(plain) if plan.munge_links => plain.to_vec(),
                            _ => target,
                        });
                    }
                    Some(Err(error)) => {
                        let shown = self.display(root_number, name);
                        let text = [b"readlink_stat(".as_slice(), &self.report.quoted(&shown), b") failed"].concat();
                        self.report.set_io_error(ioerr::GENERAL);
                        self.report.sys_error("sender", text, &error);
                        return Ok(false);
                    }
                    None => return Ok(false),
                }
            }
        } else {
            mode = self.daemon_chmod.apply(mode, plan.umask);
            mode = self.chmod.apply(mode, plan.umask);
        }
        let mut sum = None;
        if plan.checksum && is_reg(mode) {
            sum = Some(self.file_sum(root_number, path));
        }
        let device = matches!(mode & S_IFMT, 0o020_000 | 0o060_000);
        let special = matches!(mode & S_IFMT, 0o010_000 | 0o140_000);
        let entry = NewEntry {
            len: if device || special { 0 } else { stat.size },
            mtime: stat.mtime,
            mtime_nsec: stat.mtime_nsec,
            mode,
            uid: stat.uid,
            gid: stat.gid,
            flags,
            root: root_number,
            link: link.as_deref(),
            checksum: sum.as_deref(),
            rdev: if device {
                (stat.rdev_major, stat.rdev_minor)
            } else {
                (0, 0)
            },
            atime: (plan.atimes > 0).then_some(stat.atime),
            crtime: if plan.crtimes {
                Some(stat.btime.map_or(0, |b| b.0))
            } else {
                None
            },
            inode: (plan.hard_links
                && mode & S_IFMT != S_IFDIR
                && (stat.nlink > 1 || plan.protocol < 28 && is_reg(mode)))
            .then_some((stat.dev, stat.ino)),
            ..NewEntry::named(name)
        };
        let Some(entry) = self.with_metadata(entry, root_number, path, stat) else {
            return Ok(false);
        };
        let (kind, length) = (entry.mode, entry.len);
        let entry_extra = entry.link.map_or(0, |l| l.len() as u64) + entry.checksum.map_or(0, |c| c.len() as u64);
        builder.push(&entry)?;
        self.report.stats(|s| {
            s.files.add(kind);
            if matches!(kind & S_IFMT, S_IFREG | super::compare::S_IFLNK) {
                s.total_size += length;
            }
            s.had_entries = true;
        });
        self.report.listed(1, false);
        if self.local {
            // Flags, name, size and time, as an entry that shares the rest with its neighbour has them.
            let bytes = name.len().min(24) as u64 + 12 + entry_extra;
            self.report.stats(|s| {
                s.sent += bytes;
            });
        }
        Ok(true)
    }

    /// Add ACLs and extended attributes; `None` when they can't be read, and the entry is left out.
    fn with_metadata<'a>(
        &mut self,
        mut entry: NewEntry<'a>,
        root_number: u16,
        path: &[u8],
        stat: &Stat,
    ) -> Option<NewEntry<'a>> {
        let plan = Arc::clone(&self.plan);
        let acls = plan.acls && !is_link(stat.mode);
        if !acls && plan.xattrs == 0 {
            return Some(entry);
        }
        let root = self.sources.root(root_number)?;
        let follows =
            plan.copy_links || plan.copy_unsafe_links || plan.copy_dirlinks || entry.flags & eflag::TOP_DIR != 0;
        let pin = if follows && !is_link(stat.mode) {
            root.pin_follow(path).ok()
        } else {
            None
        };
        let place = pin.as_ref().map_or(Place::Name(root, path), Place::Pinned);
        if acls {
            match metadata::acl_indices(place, stat.mode, plan.fake_super, &self.tables) {
                Ok((access, default)) => (entry.acl, entry.default_acl) = (access, default),
                Err(error) => {
                    let text = [b"get_acl: xacl_get(".as_slice(), path, b", ACL_TYPE_ACCESS)"].concat();
                    self.report.sys_error("sender", text, &error);
                    return None;
                }
            }
        }
        if plan.xattrs > 0 {
            // Also under `-L` those of the name itself are taken: a link's own (observed).
            match metadata::read_set(Place::Name(root, path), &plan, &self.filters) {
                Ok(set) if set.is_empty() => {}
                Ok(mut set) => {
                    if !self.local {
                        // Long values are read again when they are asked for.
                        set = set
                            .into_iter()
                            .map(|(name, value)| (name, value.abbreviated()))
                            .collect();
                    }
                    entry.xattrs = Some(self.tables.intern_xattrs(set));
                }
                Err((name, error)) => {
                    let shown = root.display(path);
                    let text = if name.is_empty() {
                        [b"get_xattr_names: llistxattr(\"".as_slice(), &shown, b"\",1024) failed"].concat()
                    } else {
                        [
                            b"get_xattr_data: lgetxattr(\"".as_slice(),
                            &shown,
                            b"\",\"",
                            &name,
                            b"\",0) failed",
                        ]
                        .concat()
                    };
                    self.report.sys_error("sender", text, &error);
                    return None;
                }
            }
        }
        Some(entry)
    }

    /// The checksum of `-c`; zeros for a file that can't be read (spec: protocol 8.5).
    fn file_sum(&mut self, root: u16, path: &[u8]) -> Vec<u8> {
        let kind = self.plan.file_sum;
        let noatime = self.plan.open_noatime;
        let Some(Ok(mut file)) = self.sources.root(root).map(|r| r.open_read(path, noatime)) else {
            return vec![0; digest_len(kind)];
        };
        sum_file(&mut file, kind, &mut self.buffer).unwrap_or_else(|_| vec![0; digest_len(kind)])
    }

    fn display(&mut self, root: u16, name: &[u8]) -> Vec<u8> {
        match self.sources.root(root) {
            Some(root) => root.display(disk(name)),
            None => name.to_vec(),
        }
    }
}

/// The unseeded checksum of a whole file (spec: protocol 8.5).
pub fn sum_file(file: &mut std::fs::File, kind: crate::plan::SumKind, buffer: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let mut hasher = Hasher::new(kind);
    buffer.resize(256 * 1024, 0);
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok(hasher.finish().as_slice().to_vec()),
            Ok(n) => hasher.update(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn implied_dot(root: u16) -> Argument {
    Argument {
        root,
        name: b".".to_vec(),
        contents: false,
        follow: true,
        missing_ok: false,
    }
}

/// A name of the list as a path below its root.
pub fn disk(name: &[u8]) -> &[u8] {
    let n = name.iter().take_while(|&&b| b == b'/').count();
    match &name[n..] {
        b"" => b".",
        rest => rest,
    }
}

fn trim_slashes(path: &[u8]) -> &[u8] {
    let mut end = path.len();
    while end > 1 && path[end - 1] == b'/' {
        end -= 1;
    }
    &path[..end]
}

/// Split at the last `/./` that is not the end of a name: what is before is the base, what is after is kept.
fn split_relative(path: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memmem::find(path, b"/./") {
        Some(0) => (b"/", &path[3..]),
        Some(at) => (&path[..at], &path[at + 3..]),
        None => (b".", path),
    }
}

/// Collapse `//` and `/./`, drop a final slash and a leading `./`; `..` stays.
pub fn clean(path: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    if path.starts_with(b"/") {
        out.push(b'/');
    }
    for part in path.split(|&b| b == b'/') {
        if part.is_empty() || part == b"." {
            continue;
        }
        if !out.is_empty() && out != b"/" {
            out.push(b'/');
        }
        out.extend_from_slice(part);
    }
    if out.is_empty() {
        out.push(b'.');
    }
    out
}

/// Like [`clean`], relative, with `..` taken back and never above the start (spec: filters 8).
fn confine(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    if parts.is_empty() {
        return b".".to_vec();
    }
    parts.join(&b'/')
}

/// A line of the sender about a system call.
pub fn sender_line(message: &[u8], error: &io::Error) -> Vec<u8> {
    sys_line("sender", message, error)
}

/// Bytes of a device: the offset of its end.
fn device_size(file: &std::fs::File) -> u64 {
    use std::io::{Seek, SeekFrom};
    let mut file = file;
    file.seek(SeekFrom::End(0)).unwrap_or(0)
}

/// Split the bytes of a `--files-from` list into names (spec: filters 8). `comments`: the list is read by the process
/// that scans, so `#` and `;` lines are skipped.
pub fn split_names(data: &[u8], nul: bool, comments: bool) -> Vec<Vec<u8>> {
    data.split(|&b| {
        if nul {
            b == 0
        } else {
            b == b'\n' || b == b'\r' || b == 0
        }
    })
    .filter(|n| {
        n.first()
            .is_some_and(|first| !comments || nul || !matches!(first, b'#' | b';'))
    })
    .map(<[u8]>::to_vec)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        assert_eq!(clean(b"a//b/./c/"), b"a/b/c");
        assert_eq!(clean(b"/"), b"/");
        assert_eq!(clean(b"./"), b".");
        assert_eq!(confine(b"../x"), b"x");
        assert_eq!(confine(b"d/e/../b"), b"d/b");
        assert_eq!(confine(b"../.."), b".");
        assert_eq!(split_relative(b"a/./b/c"), (&b"a"[..], &b"b/c"[..]));
        assert_eq!(split_relative(b"/a/b"), (&b"."[..], &b"/a/b"[..]));
        assert_eq!(disk(b"/a/b"), b"a/b");
        assert_eq!(
            split_names(b"a\r\n#x\n\nb", false, true),
            vec![b"a".to_vec(), b"b".to_vec()]
        );
    }
}

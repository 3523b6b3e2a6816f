//! The arguments: the root of each, the part of its path that is kept, and its entries in the list (spec: options 5.3;
//! transfer 2.1, 2.2; transfer 2, step 7; filters 8).

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use rustix::io::Errno;

use super::{Argument, Contents, Node, Scanner};
use crate::error::{bail, Error, IoErrorExt, Result};
use crate::flist::{eflag, NewEntry};
use crate::report::debug::debug;
use crate::role::Role;
use crate::roles::metadata::{self, Lookup};
use crate::roles::paths::{clean, confine, disk, split_name, split_relative, trim_leading_slashes, trim_slashes};
use crate::roles::text::messages;
use crate::tree::mode::{self, is_dir};
use crate::wire::item::IoErrors;

/// The nodes of a growing list by path.
#[derive(Default)]
pub(super) struct Known {
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

impl Scanner {
    pub(super) fn arguments(&mut self, names: Option<Vec<Vec<u8>>>) -> Result<Vec<Argument>> {
        let plan = Arc::clone(&self.plan);
        let mut out = Vec::new();
        if let Some(names) = names {
            let base = plan.select.sources.first().map_or(&b"."[..], Vec::as_slice);
            self.of_list = true;
            if self.open_base(base, base).is_none() {
                // Reported already. No listed name could be found.
                self.report.set_role(Role::Sender);
                return Err(Error::Reported(3));
            }
            for name in names {
                self.listed_argument(base, &name, &mut out);
            }
            return Ok(out);
        }
        for source in &plan.select.sources {
            self.argument(source, &mut out)?;
        }
        Ok(out)
    }

    /// A source argument of the command line (spec: options 5.3).
    pub(super) fn argument(&mut self, source: &[u8], out: &mut Vec<Argument>) -> Result<()> {
        if self.plan.select.relative {
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
                    missing_ok: false,
                    ..Argument::new(root, b".".to_vec(), true, self.named.1)
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
            out.push(Argument::new(root, name.to_vec(), false, self.named.1));
        }
        Ok(())
    }

    pub(super) fn relative_argument(&mut self, source: &[u8], out: &mut Vec<Argument>) -> Result<()> {
        let (base, kept) = split_relative(source);
        let dotted = kept == b"." || kept.ends_with(b"/") || kept.ends_with(b"/.") || kept.is_empty();
        let name = clean(kept);
        if name.split(|&b| b == b'/').any(|part| part == b"..") {
            bail!(Usage; "found \"..\" dir in relative path: {}", String::from_utf8_lossy(&name));
        }
        let lead_dot = kept.starts_with(b"./") && name != b".";
        let base = if kept.starts_with(b"/") { &b"/"[..] } else { base };
        if let Some(root) = self.open_base(base, source) {
            if lead_dot && !std::mem::replace(&mut self.dot_implied, true) {
                out.push(implied_dot(root, self.named.1));
            }
            let Some(root) = self.led_by(root, &name, dotted) else {
                return Ok(());
            };
            out.push(Argument::new(root, name, dotted, self.named.1));
        }
        Ok(())
    }

    /// An entry of `--files-from` (spec: filters 8).
    pub(super) fn listed_argument(&mut self, base: &[u8], entry: &[u8], out: &mut Vec<Argument>) {
        let entry = trim_leading_slashes(entry);
        let (inner, kept) = if self.plan.select.relative {
            split_relative(entry)
        } else {
            (&b"."[..], entry)
        };
        let dotted = kept.is_empty() || kept == b"." || kept.ends_with(b"/") || kept.ends_with(b"/.");
        let name = confine(kept);
        let mut dir = trim_slashes(base).to_vec();
        let inner = confine(inner);
        if inner != b"." {
            dir.push(b'/');
            dir.extend_from_slice(&inner);
        }
        if self.plan.select.relative {
            if let Some(root) = self.open_base(&dir, entry) {
                if kept.starts_with(b"./") && name != b"." && !std::mem::replace(&mut self.dot_implied, true) {
                    out.push(implied_dot(root, self.named.1));
                }
                out.push(Argument::new(root, name, dotted, self.named.1));
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
        let mut name = leaf;
        if dotted {
            // Without the path it means the directory's contents, like every argument with a final slash.
            dir.push(b'/');
            dir.extend_from_slice(&name);
            name = b".".to_vec();
        }
        if let Some(root) = self.open_base(&dir, entry) {
            out.push(Argument::new(root, name, dotted, self.named.1));
        }
    }

    pub(super) fn list_argument(
        &mut self,
        parent: &[u8],
        mut argument: Argument,
        last: &mut Vec<u8>,
        children: &mut Vec<Node>,
        known: &mut Known,
    ) -> Result<()> {
        // The part of the name after the parent.
        let skip = if parent.is_empty() { 0 } else { parent.len() + 1 };
        let rest = argument.name.get(skip..).unwrap_or_default();
        let from = usize::from(skip == 0 && rest.starts_with(b"/"));
        if let Some(slash) = memchr::memchr(b'/', &rest[from..]) {
            if skip == 0 && !self.is_wanted(&mut argument)? {
                return Ok(());
            }
            let name = argument.name[..skip + from + slash].to_vec();
            if self.plan.agreed.inc_recurse {
                argument.known = if name == *last { name.len() } else { 0 };
                last.clone_from(&name);
            } else if skip == 0 {
                let (way, _) = split_name(&argument.name);
                argument.known = common_way(way, last);
                if argument.known < way.len() {
                    // Only parents that are listed count for the arguments that follow (observed).
                    *last = way.to_vec();
                }
            }
            return self.list_implied(name, argument, children, known);
        }
        if from == 1 && rest.len() == 1 {
            // `/` itself.
            return self.list_leaf(b"/.", &argument, children);
        }
        let name = argument.name.clone();
        self.list_leaf(&name, &argument, children)
    }

    /// Whether the argument exists and no rule hides it: only then are its parents sent (spec: filters 8).
    pub(super) fn is_wanted(&mut self, argument: &mut Argument) -> Result<bool> {
        let Some(root) = self.sources.root(argument.root) else {
            return Ok(false);
        };
        let path = disk(&argument.name);
        let follow = self.plan.attrs.copy_links || argument.follow;
        let mut found = if follow {
            root.stat_follow(path, false)
        } else {
            root.lstat(path)
        };
        if self.plan.attrs.copy_dirlinks && found.as_ref().is_ok_and(crate::tree::Stat::is_symlink) {
            found = root
                .stat_follow(path, false)
                .ok()
                .filter(crate::tree::Stat::is_dir)
                .map_or(found, Ok);
        }
        match found {
            Ok(stat) => {
                let dir = is_dir(stat.mode);
                if self.filters.daemon_hides(path, dir) {
                    // For the client it does not exist.
                    let gone = io::Error::from(Errno::NOENT);
                    self.stat_failed(argument.root, &argument.name.clone(), &gone, argument)?;
                    return Ok(false);
                }
                if self.hidden(&argument.name, dir) {
                    return Ok(false);
                }
                // With incremental recursion they are asked again when its own list is made (observed).
                argument.wanted = !self.plan.agreed.inc_recurse;
                if dir && !self.plan.select.lists_dirs() {
                    self.report.info(messages::skipping_directory(&argument.name));
                    return Ok(false);
                }
                Ok(true)
            }
            Err(error)
                if argument.follow
                    && !self.plan.attrs.copy_links
                    && !(self.of_list && error.is(Errno::LOOP))
                    && root.lstat(path).is_ok() =>
            {
                Ok(true)
            }
            // A link without its target is reported, and its parents are not listed.
            Err(_)
                if self.plan.attrs.copy_links && !self.plan.removal.delete_missing_args && root.lstat(path).is_ok() =>
            {
                let (mut none, name) = (Vec::new(), argument.name.clone());
                self.list_leaf(&name, argument, &mut none)?;
                Ok(false)
            }
            // A name that is to be deleted is in the list of its directory, as an existing one would be.
            Err(error) if error.is(Errno::NOENT) && argument.missing_ok && self.plan.removal.delete_missing_args => {
                Ok(true)
            }
            Err(error) => {
                self.stat_failed(argument.root, &argument.name.clone(), &error, argument)?;
                Ok(false)
            }
        }
    }

    /// List a parent directory of a relative argument (spec: transfer 2, step 7). A parent that was listed for an earlier argument
    /// is listed again unless the argument just before shares it: then it is counted twice, and both sides drop the
    /// duplicate (observed).
    pub(super) fn list_implied(
        &mut self,
        name: Vec<u8>,
        argument: Argument,
        children: &mut Vec<Node>,
        known: &mut Known,
    ) -> Result<()> {
        let known = known.find(children, &name);
        let wanted = self.plan.select.implied_dirs || self.plan.agreed.protocol >= 30;
        if wanted && (known.is_none() || name.len() > argument.known) {
            let Some(root) = self.sources.root(argument.root) else {
                return Ok(());
            };
            // A link among the parents is sent as the directory that it leads to, which contains the rest of the name.
            match root.stat_follow(disk(&name), self.plan.attrs.crtimes) {
                Ok(stat) => {
                    debug!(self.report, flist >= 2; "[sender] make_file(", disk(&name), ",*,2)");
                    if !is_dir(stat.mode) || !self.push(argument.root, &name, &stat, eflag::IMPLIED)? {
                        return Ok(());
                    }
                }
                Err(error)
                    if error.is(Errno::NOENT) && argument.missing_ok && self.plan.removal.delete_missing_args =>
                {
                    // The directory was not asked to be deleted, so it counts as vanished.
                    let path = self.display(argument.root, &name);
                    self.report.set_listing_error(IoErrors::VANISHED);
                    self.report.warning(messages::file_vanished(&path));
                    if self.plan.agreed.inc_recurse {
                        return Ok(());
                    }
                }
                Err(error) => {
                    self.stat_failed(argument.root, &argument.name, &error, &argument)?;
                    return Ok(());
                }
            }
        }
        if let Some(known) = known {
            children[known].arguments.push(argument);
            return Ok(());
        }
        children.push(Node {
            path: name,
            arguments: vec![argument],
            ..Node::default()
        });
        Ok(())
    }

    pub(super) fn stat_failed(&mut self, root: u16, name: &[u8], error: &io::Error, argument: &Argument) -> Result<()> {
        let missing = error.is(Errno::NOENT);
        if missing && argument.missing_ok {
            if self.plan.removal.delete_missing_args {
                let entry = NewEntry {
                    flags: eflag::MISSING_ARG,
                    root,
                    ..NewEntry::named(name)
                };
                self.builder.push(&entry)?;
                // It has no type; a sender counts it as a file.
                self.report.stats(|s| s.files.add(mode::FILE));
                return Ok(());
            }
            if self.plan.select.ignore_missing_args {
                return Ok(());
            }
        }
        if self.of_list && self.plan.select.relative {
            let full = self.sources.root(root).map(|root| root.display(disk(name)));
            self.report.refusal(&full.unwrap_or_default(), error);
        }
        let path = self.display(root, name);
        let text = messages::link_stat_failed(&path);
        self.report.sys_error(Role::Sender, text, error);
        if !missing {
            self.report.set_listing_error(IoErrors::GENERAL);
        }
        Ok(())
    }

    /// List the last component of an argument.
    pub(super) fn list_leaf(&mut self, name: &[u8], argument: &Argument, children: &mut Vec<Node>) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let root_number = argument.root;
        self.at_root(root_number);
        let Some(root) = self.sources.root(root_number) else {
            return Ok(());
        };
        let path = disk(name);
        let mut found = metadata::look(
            root,
            path,
            plan.attrs.copy_links || argument.follow,
            &plan,
            &self.report,
        );
        // A listed link that should have been followed, but leads in a circle or has another owner, is not listed as a
        // link either (observed).
        let refused = matches!(&found, Err(Lookup::Failed(error)) if self.of_list && error.is(Errno::LOOP));
        if argument.follow && !plan.attrs.copy_links && !refused && !found.as_ref().is_ok_and(|stat| is_dir(stat.mode))
        {
            // A link is followed to a directory only (observed).
            found = metadata::look(root, path, false, &plan, &self.report);
        }
        let mut stat = match found {
            Err(Lookup::Broken(error)) => return Err(error),
            Err(Lookup::Failed(error)) => Err(error),
            Ok(stat) => Ok(stat),
        };
        if let Ok(found) = &stat {
            if found.is_symlink() && plan.attrs.copy_dirlinks {
                if let Ok(behind) = root.stat_follow(path, plan.attrs.crtimes) {
                    if behind.is_dir() {
                        stat = Ok(behind);
                    }
                }
            }
        }
        let stat = match stat {
            Ok(stat) => stat,
            Err(error) => {
                return self.stat_failed(root_number, name, &error, argument);
            }
        };
        let dot = name == b"." || name == b"/.";
        if self.filters.daemon_hides(path, is_dir(stat.mode)) && !dot {
            let error = io::Error::from(Errno::NOENT);
            return self.stat_failed(root_number, name, &error, argument);
        }
        self.filters.absolute = name.starts_with(b"/");
        let asked = (!dot || argument.implied) && !argument.wanted;
        if asked && self.filters.hides(path, is_dir(stat.mode), &self.report) {
            return Ok(());
        }
        if !dot && !self.takes_argument(root_number, name, stat)? {
            return Ok(());
        }
        if is_dir(stat.mode) && !plan.select.lists_dirs() {
            let text = messages::skipping_directory(name);
            self.report.info(text);
            return Ok(());
        }
        if is_dir(stat.mode) {
            debug!(self.report, flist >= 2; "[sender] make_file(", path, ",*,0)");
            let contents = (plan.select.recurse || argument.contents) && !argument.implied;
            let mut flags = if contents { eflag::CONTENT_DIR } else { 0 };
            flags |= if argument.implied {
                eflag::IMPLIED
            } else {
                eflag::TOP_DIR
            };
            // `/` is listed and sorted as `/.`; its contents keep the slash in front (`-R /`).
            let listed = if name == b"/." { b"/".as_slice() } else { name };
            if self.push(root_number, listed, &stat, flags)? && contents {
                let path = listed.to_vec();
                children.push(Node {
                    path,
                    contents: vec![Contents {
                        root: root_number,
                        dev: stat.dev,
                        turn: self.turn,
                    }],
                    ..Node::default()
                });
            }
            return Ok(());
        }
        children.extend(self.list_file(root_number, name, stat, None)?);
        Ok(())
    }
}

/// Bytes of the parents of an argument that are parents of the one before (`last`) as well.
fn common_way(way: &[u8], last: &[u8]) -> usize {
    let n = way.iter().zip(last).take_while(|(a, b)| a == b).count();
    if n == way.len() && last.get(n).is_none_or(|&b| b == b'/') {
        return n;
    }
    memchr::memrchr(b'/', &way[..n]).unwrap_or(0)
}

fn implied_dot(root: u16, turn: u32) -> Argument {
    Argument {
        follow: true,
        missing_ok: false,
        implied: true,
        ..Argument::new(root, b".".to_vec(), false, turn)
    }
}

//! The compiled list that names are checked against, and the per-directory files on top of it.
//! spec: filters 4, 5, 6, 10, 12.

use std::collections::HashSet;
use std::sync::Arc;

use super::compiled::{Compiled, Frame, Match, MergeList, Node, Query};
use super::pattern::{Pattern, Subject};
use super::rule::{base_name, Kind, Rule, Template, FROM_FILE};
use super::set::{BuildOptions, FileContext, Item, Reader, RuleSet, MAX_PATTERN};
use super::wire::elided;
use super::{Side, Verdict};
use crate::error::Result;

/// What rules are compiled for.
#[derive(Debug, Clone)]
pub struct RuleOptions {
    /// Rules for the other side are left out; `None` keeps all (a daemon's own list).
    pub side: Option<Side>,
    /// A rule that names no side is the sender's only (spec: filters 5).
    pub delete_excluded: bool,
    /// Absolute path of the transfer root, or inside a daemon module its path relative to the module root: what `/`
    /// rules and the parent scan of `: /.rsync-filter` see.
    pub root: Vec<u8>,
    /// For rule files that are read while walking.
    pub build: BuildOptions,
}

impl Default for RuleOptions {
    fn default() -> Self {
        Self {
            side: None,
            delete_excluded: false,
            root: b"/".to_vec(),
            build: BuildOptions::default(),
        }
    }
}

/// What went wrong in reading per-directory files; the run goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// A complete line.
    Text(String),
    /// The path of a per-directory file is too long, so its rules are missing here: an error of listing. `None` if it
    /// may not be shown.
    LongDirectory(Option<Vec<u8>>),
}

/// What leaving a directory restores.
#[derive(Debug)]
struct Level {
    lists: usize,
    saved: Vec<Option<Arc<Frame>>>,
}

/// A compiled list with its per-directory state. Names are relative to the transfer root, without a leading slash.
#[derive(Debug, Default)]
pub struct Rules {
    options: RuleOptions,
    /// `options.root` without leading and trailing slashes.
    root: Vec<u8>,
    top: Vec<Node>,
    lists: Vec<MergeList>,
    /// The names of their files.
    list_names: HashSet<Vec<u8>>,
    levels: Vec<Level>,
    /// Some rule is matched against absolute paths.
    absolute: bool,
    /// Some rule is about xattr names.
    xattrs: bool,
    /// Lines for `--debug=FILTER` since the last [`Rules::take_debug`], with their level.
    debug: Vec<(u8, String)>,
    /// Whether debug lines are not wanted.
    silent: bool,
    /// Warnings since the last [`Rules::take_warnings`].
    warnings: Vec<Warning>,
}

impl Rules {
    /// Compile new-style texts as [`RuleSet::plan_texts`] gives them. `.` merges among them are read through `read`.
    pub fn new(texts: &[Vec<u8>], options: RuleOptions, read: &mut Reader<'_>) -> Result<Self> {
        let set = RuleSet::from_plan_texts(texts, &options.build, read)?;
        Ok(Self::from_set(&set, options))
    }

    /// Compile a list.
    pub fn from_set(set: &RuleSet, options: RuleOptions) -> Self {
        let mut rules = Self {
            options,
            ..Self::default()
        };
        let root = rules.options.root.clone();
        rules.set_root(&root);
        rules.top = rules.compile(&set.items, None);
        rules
    }

    /// The transfer root changes (a sender's next source argument). Directories that were entered are left.
    pub fn set_root(&mut self, root: &[u8]) {
        while !self.levels.is_empty() {
            self.leave_dir();
        }
        self.options.root = root.to_vec();
        self.root = trim_slashes(root).to_vec();
    }

    /// Does a per-directory merge rule stand in the list?
    pub fn has_merge(&self) -> bool {
        !self.lists.is_empty()
    }

    /// Nothing to check: every verdict is [`Verdict::NoMatch`].
    pub fn is_empty(&self) -> bool {
        self.top.is_empty()
    }

    /// Some rule is about xattr names.
    pub fn has_xattr_rules(&self) -> bool {
        self.xattrs
    }

    /// Make no debug lines from now on.
    pub fn be_silent(&mut self) {
        self.silent = true;
        self.debug.clear();
    }

    fn log(&mut self, text: impl FnOnce(&Self) -> String) {
        if !self.silent {
            let line = format!("[{}] {}", self.options.build.role, text(self));
            self.debug.push((2, line));
        }
    }

    /// Debug lines of reading per-directory files.
    pub fn take_debug(&mut self) -> Vec<(u8, String)> {
        std::mem::take(&mut self.debug)
    }

    /// Warnings of reading per-directory files.
    pub fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }

    /// Enter a directory (`b""` or `b"."` is the root) and read its per-directory files, nearest rules first.
    /// `read` is asked for paths relative to the transfer root (`d/.rules`), and for absolute ones above it
    /// (`/.rsync-filter`) and for files that a rule names so. Files that are missing or cannot be read are skipped.
    /// Each call needs one [`Rules::leave_dir`], also after an error.
    pub fn enter_dir(&mut self, dir: &[u8], read: &mut Reader<'_>) -> Result<()> {
        let dir = if dir == b"." { b"" } else { dir };
        let saved = self.lists.iter().map(|list| list.current.clone()).collect();
        self.levels.push(Level {
            lists: self.lists.len(),
            saved,
        });
        // A rule read here may activate another list, which is then read in this directory too.
        let mut number = 0;
        while number < self.lists.len() {
            if !self.lists[number].elided {
                self.log(|this| format!("pushing mergelist #{number}{}", this.lists[number].suffix()));
                self.scan_parents(number, dir, read)?;
                let path = join(dir, &self.lists[number].name);
                let prefix = if dir.is_empty() { Vec::new() } else { join(dir, b"") };
                self.read_dir_file(number, &path, &prefix, Subject::Below(dir.len()), read)?;
            }
            number += 1;
        }
        Ok(())
    }

    /// Leave the directory that was entered last.
    pub fn leave_dir(&mut self) {
        let Some(level) = self.levels.pop() else {
            return;
        };
        for list in self.lists.drain(level.lists..) {
            self.list_names.remove(&list.name);
        }
        for (list, saved) in self.lists.iter_mut().zip(level.saved) {
            list.current = saved;
        }
    }

    /// `: /.rsync-filter`: at the first directory, read the file in every directory from the named ancestor down to the
    /// parent (spec: filters 4, step 5). What is found stays for all later directories.
    fn scan_parents(&mut self, number: usize, dir: &[u8], read: &mut Reader<'_>) -> Result<()> {
        let Some(scan) = self.lists[number].scan.take() else {
            return Ok(());
        };
        // All below is without the leading slash.
        let here = clean(&join(&self.root, dir));
        let list = &mut self.lists[number];
        let named = [&scan[..], &list.name].concat();
        let above = if scan.first() == Some(&b'/') { 0 } else { here.len() + 2 };
        if above + named.len() > MAX_PATTERN {
            let shown = if list.from_file {
                FROM_FILE.into()
            } else {
                String::from_utf8_lossy(&named).into_owned()
            };
            // It keeps its whole name, which is too long in every directory (observed).
            list.name = named;
            self.warnings
                .push(Warning::Text(format!("merge-file name overflows: {shown}")));
            return Ok(());
        }
        let from = if scan.first() == Some(&b'/') {
            clean(&scan)
        } else {
            clean(&join(&here, &scan))
        };
        let inside =
            from.len() < here.len() && here.starts_with(&from) && (from.is_empty() || here[from.len()] == b'/');
        if !inside {
            return Ok(());
        }
        self.log(|this| {
            format!(
                "performing parent_dirscan for mergelist #{number}{}",
                this.lists[number].suffix()
            )
        });
        let mut end = from.len();
        while end < here.len() {
            let dir = &here[..end];
            let prefix = if dir.is_empty() {
                b"/".to_vec()
            } else {
                [b"/", dir, b"/"].concat()
            };
            let path = [&prefix[..], &self.lists[number].name].concat();
            let skip = if end == 0 { 0 } else { end + 1 };
            self.read_dir_file(number, &path, &prefix, Subject::Absolute(skip), read)?;
            let next = if end == 0 { 0 } else { end + 1 };
            end = here[next..]
                .iter()
                .position(|&b| b == b'/')
                .map_or(here.len(), |at| next + at);
        }
        self.log(|this| {
            format!(
                "completed parent_dirscan for mergelist #{number}{}",
                this.lists[number].suffix()
            )
        });
        // Leaving this directory must not take away what was found, nor the lists that it activated.
        for level in &mut self.levels {
            level.lists = self.lists.len();
            if let Some(saved) = level.saved.get_mut(number) {
                saved.clone_from(&self.lists[number].current);
            }
            level
                .saved
                .extend(self.lists[level.saved.len()..].iter().map(|list| list.current.clone()));
        }
        Ok(())
    }

    fn read_dir_file(
        &mut self,
        number: usize,
        path: &[u8],
        prefix: &[u8],
        base: Subject,
        read: &mut Reader<'_>,
    ) -> Result<()> {
        let list = &mut self.lists[number];
        if list.no_inherit {
            list.current = None;
        }
        if list.name.is_empty() {
            return Ok(());
        }
        let role = self.options.build.role.clone();
        let shown_path = if path.first() == Some(&b'/') {
            path.to_vec()
        } else if self.root.is_empty() {
            [b"/", path].concat()
        } else {
            [b"/", &self.root[..], b"/", path].concat()
        };
        if shown_path.len() > MAX_PATTERN {
            self.warnings
                .push(Warning::LongDirectory((!list.from_file).then_some(shown_path)));
            return Ok(());
        }
        let content = read(path).ok().flatten();
        let (place, direct) = if list.from_file {
            ("a file read earlier".into(), false)
        } else {
            (String::from_utf8_lossy(&shown_path).into_owned(), true)
        };
        let missing = if content.is_some() { "" } else { " [not found]" };
        let shown = if direct { place.clone() } else { FROM_FILE.into() };
        if !self.silent {
            self.debug
                .push((2, format!("[{role}] parse_filter_file({shown}){missing}")));
        }
        let Some(content) = content else {
            return Ok(());
        };
        let context = FileContext {
            place,
            direct,
            depth: 1,
            dir: prefix.to_vec(),
            list: list.suffix(),
        };
        let mut set = RuleSet::default();
        set.add_content(&content, path, &list.template, &context, &self.options.build, read)?;
        if !self.silent {
            self.debug.append(&mut set.debug);
        }
        self.warnings.extend(set.warnings.drain(..).map(Warning::Text));
        // A `!` in the file empties what was inherited too.
        let parent = if set.cleared {
            None
        } else {
            self.lists[number].current.take()
        };
        let nodes = self.compile(&set.items, Some(base));
        self.lists[number].current = if nodes.is_empty() {
            parent
        } else {
            Some(Arc::new(Frame { nodes, parent }))
        };
        Ok(())
    }

    fn compile(&mut self, items: &[Item], base: Option<Subject>) -> Vec<Node> {
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            if item.rule.kind == Kind::PerDir {
                self.activate(item, &mut out);
                continue;
            }
            let own = (item.rule.kind != Kind::CvsList).then_some(&item.rule);
            for rule in own.into_iter().chain(&item.cvs) {
                if self.is_elided(rule) {
                    continue;
                }
                let pattern = Pattern::new(&rule.pattern, rule.absolute, base);
                self.absolute |= matches!(pattern.subject, Subject::Absolute(_));
                self.xattrs |= rule.xattr;
                out.push(Node::Rule(Arc::new(Compiled {
                    rule: rule.clone(),
                    pattern,
                    place: item.place.clone(),
                })));
            }
        }
        out
    }

    fn is_elided(&self, rule: &Rule) -> bool {
        self.options
            .side
            .is_some_and(|side| elided(rule, side, self.options.delete_excluded))
    }

    fn activate(&mut self, item: &Item, out: &mut Vec<Node>) {
        let rule = &item.rule;
        let name = base_name(&rule.pattern);
        if !self.list_names.insert(name.to_vec()) {
            return;
        }
        let path = &rule.pattern[..rule.pattern.len() - name.len()];
        let shown = item
            .shown
            .clone()
            .unwrap_or_else(|| String::from_utf8_lossy(name).into_owned());
        out.push(Node::PerDir(self.lists.len()));
        let role = &self.options.build.role;
        let number = self.lists.len();
        if !self.silent {
            self.debug
                .push((2, format!("[{role}] activating mergelist #{number} [per-dir {shown}]")));
        }
        self.lists.push(MergeList {
            template: Template::of_merge(rule),
            name: name.to_vec(),
            no_inherit: rule.no_inherit,
            scan: (!path.is_empty()).then(|| path.to_vec()),
            from_file: item.shown.is_some(),
            shown,
            elided: self.is_elided(rule),
            current: None,
        });
    }

    /// The verdict on a name (spec: filters 10). The transfer's dot-dir is never to be asked about.
    #[inline]
    pub fn check(&self, name: &[u8], is_dir: bool) -> Verdict {
        self.find(name, is_dir, false).map_or(Verdict::NoMatch, |m| m.verdict())
    }

    /// The verdict on a name together with those on its parent directories: excluded when any of them is. For names
    /// that are not met on a walk (a daemon's list, SEC-13).
    pub fn check_path(&self, name: &[u8], is_dir: bool) -> Verdict {
        for slash in memchr::memchr_iter(b'/', name) {
            if self.check(&name[..slash], true) == Verdict::Exclude {
                return Verdict::Exclude;
            }
        }
        self.check(name, is_dir)
    }

    /// The first rule that matches.
    pub fn find(&self, name: &[u8], is_dir: bool, ignore_perishable: bool) -> Option<Match<'_>> {
        if self.top.is_empty() {
            return None;
        }
        let absolute = if self.absolute {
            join(&self.root, name)
        } else {
            Vec::new()
        };
        let query = Query {
            name,
            base: base_name(name),
            absolute: &absolute,
            is_dir,
            ignore_perishable,
            xattr: false,
        };
        self.search(&self.top, None, &query)
    }

    /// Does a rule include (`Some(true)`) or exclude an xattr name?
    pub fn check_xattr(&self, name: &[u8]) -> Option<bool> {
        self.find_xattr(name).map(|m| m.verdict() == Verdict::Include)
    }

    /// The first xattr rule that matches.
    pub fn find_xattr(&self, name: &[u8]) -> Option<Match<'_>> {
        if !self.xattrs {
            return None;
        }
        let query = Query {
            name,
            base: base_name(name),
            absolute: name,
            is_dir: false,
            ignore_perishable: false,
            xattr: true,
        };
        self.search(&self.top, None, &query)
    }

    fn search<'a>(&'a self, nodes: &'a [Node], list: Option<&'a MergeList>, query: &Query<'_>) -> Option<Match<'a>> {
        for node in nodes {
            match node {
                Node::Rule(compiled) => {
                    if query.hits(compiled) {
                        return Some(Match { compiled, list });
                    }
                }
                Node::PerDir(number) => {
                    let Some(list) = self.lists.get(*number) else {
                        continue;
                    };
                    let mut frame = list.current.as_deref();
                    while let Some(found) = frame {
                        let hit = self.search(&found.nodes, Some(list), query);
                        if hit.is_some() {
                            return hit;
                        }
                        frame = found.parent.as_deref();
                    }
                }
            }
        }
        None
    }
}

fn trim_slashes(mut path: &[u8]) -> &[u8] {
    while let [b'/', rest @ ..] | [rest @ .., b'/'] = path {
        path = rest;
    }
    path
}

/// `a` and `b` with a slash between them, unless `a` is empty.
fn join(a: &[u8], b: &[u8]) -> Vec<u8> {
    if a.is_empty() {
        return b.to_vec();
    }
    [a, b"/", b].concat()
}

/// Without leading, trailing and double slashes, `.` and `..`.
fn clean(path: &[u8]) -> Vec<u8> {
    let mut out: Vec<&[u8]> = Vec::new();
    for part in path.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                out.pop();
            }
            _ => out.push(part),
        }
    }
    out.join(&b'/')
}

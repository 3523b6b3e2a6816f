//! Files that are not at the name itself but can help: alternate directories and similar names (spec: transfer 7, 9).

use std::io;
use std::sync::Arc;

use super::compare::{item_flags, same_family, unchanged, S_IFMT};
use super::dest::{Dest, Failed};
use super::generator::{basis, Basis, Generator};
use super::paths::{lexical_path, split_name};
use crate::error::Result;
use crate::flist::Segment;
use crate::plan::AltDest;
use crate::report::debug::debug;
use crate::report::sys_line;
use crate::role::Role;
use crate::tree::{data, Root, Stat};
use crate::wire::item::ItemFlags;

/// What the alternate directories gave for a regular file.
pub enum AltFile {
    /// Nothing is left to do. `here`: the file is in the destination now.
    Settled {
        here: bool,
    },
    Basis(Basis, Stat),
    Nothing,
}

/// What they gave for a link or node.
pub enum AltOther {
    Settled,
    /// The closest one, and whether it is the same in everything.
    Compared(Root, Stat, bool),
    Nothing,
}

/// The files of one directory, here and in the alternate directories, among which similar names are looked for.
#[derive(Default)]
pub struct Similar {
    dir: Option<Vec<u8>>,
    /// The kind of basis, its root, and names with what they are.
    places: Vec<(u8, Root, Vec<(Vec<u8>, Stat)>)>,
    /// What was found for a name that is come back to.
    found: Option<(Vec<u8>, Option<Basis>)>,
}

/// The alternate directories, in order; `None` for one that can't be used.
pub fn open_alt_dirs(dest: &Dest) -> Vec<Option<Root>> {
    let plan = &dest.plan;
    let name = match plan.alt_dest {
        AltDest::None => return Vec::new(),
        AltDest::Compare => "compare",
        AltDest::Copy => "copy",
        AltDest::Link => "link",
    };
    plan.alt_dirs
        .iter()
        .map(|dir| match dest.alternate_dir(dir) {
            // Nothing is ever found in a directory without a name.
            _ if dir.is_empty() => None,
            Ok(root) => Some(root),
            Err(error) => {
                let full = if dest.void {
                    lexical_path(dir, dest.root.path())
                } else {
                    crate::tree::operator::absolute(dir, dest.root.path()).unwrap_or_else(|_| dir.clone())
                };
                let what: &[u8] = match error.raw_os_error() {
                    Some(2) => b"-dest arg does not exist: ",
                    Some(20) => b"-dest arg is not a dir: ",
                    // Said wherever it would be looked into.
                    _ => return None,
                };
                // A daemon names it as it was given (observed).
                let shown = if dest.plan.daemon { dir } else { &full };
                dest.report
                    .warning([b"--".as_slice(), name.as_bytes(), what, shown].concat());
                None
            }
        })
        .collect()
}

/// Which of them lie behind a link of another owner.
pub fn refused_alt_dirs(dest: &Dest, roots: &[Option<Root>]) -> Vec<bool> {
    let refused = |(dir, root): (&Vec<u8>, &Option<Root>)| {
        let full = crate::tree::operator::absolute(dir, dest.root.path()).unwrap_or_else(|_| dir.clone());
        root.is_none() && crate::tree::operator::is_untrusted(&full, None)
    };
    dest.plan.alt_dirs.iter().zip(roots).map(refused).collect()
}

/// The same for the other role, which tells of none. Before protocol 29 it looks into the first by itself, and is the
/// second to meet a refused link there.
pub fn open_alt_dirs_quietly(dest: &Dest) -> Vec<Option<Root>> {
    let open = |dir: &Vec<u8>| {
        dest.alternate_dir(dir)
            .inspect_err(|error| {
                if dest.plan.protocol < 29 {
                    let full = crate::tree::operator::absolute(dir, dest.root.path()).unwrap_or_else(|_| dir.clone());
                    dest.report.refusal(&full, error);
                }
            })
            .ok()
    };
    dest.plan.alt_dirs.iter().map(open).collect()
}

impl Generator {
    /// The alternate directory of this number, to look into. One behind a link of another owner is refused anew each
    /// time (observed).
    fn alternate(&self, n: usize) -> Option<Root> {
        if self.alt_refused.get(n) == Some(&true) {
            self.report.error(crate::tree::operator::REFUSAL);
        }
        self.alt_roots.get(n).cloned().flatten()
    }

    /// Status of an alternate copy. A link of another owner on the way to it is not followed, and that is told.
    fn stat_there(&self, root: &Root, rel: &[u8]) -> Option<Stat> {
        let parent = split_name(rel).0;
        // Within a module anybody's links are followed, as none leads out (observed).
        if !parent.is_empty() && !self.plan.insecure_links && self.plan.module_root.is_none() {
            let dir = root.display(parent);
            let mut known = self.untrusted.borrow_mut();
            if known.len() > 64 {
                known.clear();
            }
            // One look for all that is in a directory.
            if *known
                .entry(dir)
                .or_insert_with_key(|dir| crate::tree::operator::is_untrusted(dir, None))
            {
                self.report.error(crate::tree::operator::REFUSAL);
                return None;
            }
        }
        let stat = self.dest.lstat_in(root, rel).ok()?;
        (!self.filters.daemon_hides_in(root, rel, stat.is_dir())).then_some(stat)
    }

    /// The best alternate copy of a regular file: level, directory number, status.
    fn alt_level(&mut self, segment: &Segment, i: usize, rel: &[u8]) -> Option<(u8, usize, Root, Stat)> {
        let mut best: Option<(u8, usize, Root, Stat)> = None;
        for n in 0..self.alt_roots.len() {
            let Some(root) = self.alternate(n) else { continue };
            let Some(stat) = self.stat_there(&root, rel) else {
                continue;
            };
            if !stat.is_file() {
                continue;
            }
            let mut level = 1;
            if self.quick_check(segment, i, &root, rel, &stat) {
                level = 2;
                let want = self.dest.wanted(segment, i, Some(&stat));
                if unchanged(&self.plan, &want, &stat)
                    && self
                        .metadata_flags(&root, rel, &want, Some(&stat), ItemFlags::NONE)
                        .is_empty()
                {
                    level = 3;
                }
            }
            if best.as_ref().is_none_or(|b| level > b.0) {
                best = Some((level, n, root, stat));
            }
            if level == 3 {
                break;
            }
        }
        best
    }

    /// spec: transfer 7.1, 7.2
    pub(super) fn alt_regular(
        &mut self,
        segment: &Arc<Segment>,
        i: usize,
        ndx: i32,
        rel: &[u8],
        found: Option<Stat>,
        replaced: Option<Stat>,
    ) -> Result<AltFile> {
        let kind = self.plan.alt_dest;
        if found.is_some() && kind == AltDest::Copy {
            return Ok(AltFile::Nothing);
        }
        let Some((level, number, root, stat)) = self.alt_level(segment, i, rel) else {
            return Ok(AltFile::Nothing);
        };
        if let Some(now) = found {
            if level < 3 || now.same_file(&stat) {
                return Ok(AltFile::Nothing);
            }
            // With --link-dest it stays until the link, or the copy, takes its place.
            if !self.dry_run && kind == AltDest::Compare {
                if let Err(error) = self.dest.root.unlink(rel) {
                    if error.raw_os_error() != Some(2) {
                        return Ok(AltFile::Nothing);
                    }
                }
            }
        }
        let want = self.dest.wanted(segment, i, Some(&stat));
        if level == 3 {
            match kind {
                AltDest::Compare => {
                    let flags = item_flags(&self.plan, &want, Some(&stat), ItemFlags::NONE, false);
                    self.item(segment, i, ndx, flags, None)?;
                    return Ok(AltFile::Settled { here: false });
                }
                AltDest::Link if self.dry_run || self.link_alt(&root, rel, found.is_some()) => {
                    self.link_alternate(segment, i, stat);
                    let flags = item_flags(&self.plan, &want, Some(&stat), ItemFlags::LOCAL_CHANGE, true);
                    // Names that wait for this one are told of first (observed).
                    self.link_ready(segment, i, ndx)?;
                    self.item(segment, i, ndx, flags, Some(b""))?;
                    return Ok(AltFile::Settled { here: true });
                }
                _ => {}
            }
        }
        if level >= 2 && found.is_none() || level == 3 && kind == AltDest::Link {
            let flags = item_flags(&self.plan, &want, Some(&stat), ItemFlags::LOCAL_CHANGE, false);
            let flags = self.metadata_flags(&root, rel, &want, Some(&stat), flags);
            if self.dry_run || self.copy_alt(segment, i, number, &root, rel, &stat, replaced)? {
                self.item(segment, i, ndx, flags, None)?;
                return Ok(AltFile::Settled { here: true });
            }
            return Ok(AltFile::Nothing);
        }
        let basis = Basis {
            kind: number as u8,
            root,
            name: rel.to_vec(),
            size: stat.size,
            xname: None,
        };
        Ok(AltFile::Basis(basis, stat))
    }

    /// Make `rel` a link to its copy in an alternate directory, also in the place of what is there. If it can't be, a copy
    /// will do, and only who wants to hear of names is told.
    fn link_alt(&mut self, root: &Root, rel: &[u8], over: bool) -> bool {
        let mut result = if over {
            self.make_over(rel, |dest, name| dest.link_from(root, rel, name))
        } else {
            self.dest.root.link_from(root, rel, rel)
        };
        if matches!(&result, Err(e) if e.raw_os_error() == Some(2)) && self.plan.relative {
            self.dest.make_parents(rel);
            result = self.dest.root.link_from(root, rel, rel);
        }
        if let Err(error) = result {
            if self.plan.info.name > 0 {
                let text = [
                    b"link ".as_slice(),
                    &self.dest.display(rel),
                    b" => ",
                    &root.display(rel),
                    b" failed",
                ]
                .concat();
                // For information: a copy does as well.
                self.report.info(sys_line(Role::Generator, &text, &error));
            }
            return false;
        }
        true
    }

    /// A copy on this machine, with the attributes of the entry.
    fn copy_alt(
        &mut self,
        segment: &Arc<Segment>,
        i: usize,
        number: usize,
        root: &Root,
        rel: &[u8],
        stat: &Stat,
        replaced: Option<Stat>,
    ) -> Result<bool> {
        let source = match root.open_read(rel, false) {
            Ok(source) => source,
            Err(error) => {
                let typed = self.plan.alt_dirs.get(number).map_or(&b""[..], Vec::as_slice);
                let full = if typed.starts_with(b"/") {
                    [typed, b"/", rel].concat()
                } else {
                    self.dest.root.display(&[typed, b"/", rel].concat())
                };
                let text = [b"open ".as_slice(), &self.report.quoted(&full)].concat();
                self.report.sys_error(Role::Generator, text, &error);
                return Ok(false);
            }
        };
        match self.copy_here(segment, i, &source, stat.size, rel, replaced)? {
            Ok(made) => Ok(made),
            Err(error) => {
                // Which is no loss: the file is asked for instead.
                let text = [
                    b"copy ".as_slice(),
                    &self.report.quoted(&root.display(rel)),
                    b" -> \"",
                    rel,
                    b"\"",
                ];
                self.report.error(sys_line(Role::Generator, &text.concat(), &error));
                Ok(false)
            }
        }
    }

    /// Make `rel` from the data of a file on this machine, with the attributes of the entry. `false`: told already; what
    /// is wrong with the copy itself comes back.
    pub(super) fn copy_here(
        &mut self,
        segment: &Arc<Segment>,
        i: usize,
        source: &std::fs::File,
        size: u64,
        rel: &[u8],
        replaced: Option<Stat>,
    ) -> Result<io::Result<bool>> {
        if self.plan.relative {
            self.dest.make_missing_parents(rel);
        }
        let want = self.dest.wanted(segment, i, replaced.as_ref());
        if self.plan.inplace || self.plan.append > 0 {
            // No other name is used then, and so no other directory.
            let Ok(target) = self.dest.open_inplace(rel) else {
                return Ok(Ok(false));
            };
            if let Err(error) = data::copy_whole(source, &target, size, true) {
                return Ok(Err(error.into()));
            }
            self.dest.set_attrs_open(&target, rel, &want, None);
            return Ok(Ok(true));
        }
        let Ok(temp) = self.dest.create_temp(rel) else {
            return Ok(Ok(false));
        };
        if let Err(error) = data::copy_whole(source, &temp.file, size, true) {
            drop(temp.file);
            self.dest.remove_temp(&temp.name);
            return Ok(Err(error.into()));
        }
        self.dest.set_attrs_open(&temp.file, rel, &want, Some(&temp.name));
        drop(temp.file);
        match self.dest.commit(&temp.name, rel, false) {
            Ok(()) => Ok(Ok(true)),
            Err(Failed::File(_)) => Ok(Ok(false)),
            Err(Failed::Run(error)) => Err(error),
        }
    }

    /// A directory in an alternate place, for the item only.
    pub(super) fn alt_directory(&mut self, segment: &Arc<Segment>, i: usize, rel: &[u8]) -> Option<(Root, Stat)> {
        let mut best = None;
        for root in (0..self.alt_roots.len()).filter_map(|n| self.alternate(n)) {
            let Some(stat) = self.stat_there(&root, rel) else {
                continue;
            };
            if !stat.is_dir() {
                continue;
            }
            let want = self.dest.wanted(segment, i, Some(&stat));
            if unchanged(&self.plan, &want, &stat)
                && self
                    .metadata_flags(&root, rel, &want, Some(&stat), ItemFlags::NONE)
                    .is_empty()
            {
                return Some((root, stat));
            }
            best = best.or(Some((root, stat)));
        }
        best
    }

    /// spec: transfer 7.3
    pub(super) fn alt_other(
        &mut self,
        segment: &Arc<Segment>,
        i: usize,
        ndx: i32,
        rel: &[u8],
        target: Option<&[u8]>,
    ) -> Result<AltOther> {
        let entry = *segment.entry(i);
        let mut best: Option<(u8, Root, Stat)> = None;
        for root in (0..self.alt_roots.len()).filter_map(|n| self.alternate(n)) {
            let Some(stat) = self.stat_there(&root, rel) else {
                continue;
            };
            if !same_family(stat.mode, entry.mode) {
                continue;
            }
            let same = (stat.mode ^ entry.mode) & S_IFMT == 0
                && match target {
                    Some(target) => {
                        super::metadata::read_own_link(&root, rel, self.plan.fake_super).is_ok_and(|t| t == target)
                    }
                    None => !entry.is_device() || (stat.rdev_major, stat.rdev_minor) == segment.rdev(i),
                };
            let mut level = 1;
            if same {
                let want = self.dest.wanted(segment, i, Some(&stat));
                let all = unchanged(&self.plan, &want, &stat)
                    && self
                        .metadata_flags(&root, rel, &want, Some(&stat), ItemFlags::NONE)
                        .is_empty();
                level = if all { 3 } else { 2 };
            }
            if best.as_ref().is_none_or(|b| level > b.0) {
                best = Some((level, root, stat));
            }
            if level == 3 {
                break;
            }
        }
        let Some((level, root, stat)) = best else {
            return Ok(AltOther::Nothing);
        };
        if level == 3 {
            let want = self.dest.wanted(segment, i, Some(&stat));
            match self.plan.alt_dest {
                AltDest::Link if self.dry_run || self.dest.root.link_from(&root, rel, rel).is_ok() => {
                    let flags = item_flags(&self.plan, &want, Some(&stat), ItemFlags::LOCAL_CHANGE, true);
                    self.item(segment, i, ndx, flags, Some(b""))?;
                    self.link_ready(segment, i, ndx)?;
                    return Ok(AltOther::Settled);
                }
                AltDest::Compare => {
                    let flags = item_flags(&self.plan, &want, Some(&stat), ItemFlags::NONE, false);
                    self.item(segment, i, ndx, flags, None)?;
                    return Ok(AltOther::Settled);
                }
                _ => {}
            }
        }
        Ok(AltOther::Compared(root, stat, level == 3))
    }

    // ---- similar names (spec: transfer 9)

    /// List the files of a directory when a name is first looked for in it. What comes into it later is not considered
    /// (observed).
    fn look_for_similar(&mut self, dir: &[u8]) {
        if self.similar.dir.as_deref() == Some(dir) {
            return;
        }
        let mut roots: Vec<(u8, Root)> = vec![(basis::FUZZY, self.dest.root.clone())];
        if self.plan.fuzzy > 1 {
            for n in 0..self.alt_roots.len() {
                if let Some(root) = self.alternate(n) {
                    roots.push((basis::FUZZY + 1 + n as u8, root));
                }
            }
        }
        let report = self.report.clone();
        let filters = &self.filters;
        let files = |root: &Root, kind: u8| -> Vec<(Vec<u8>, Stat)> {
            let names = match root.read_names(if dir.is_empty() { b"." } else { dir }, self.plan.open_noatime) {
                Ok(names) => names,
                Err(error) => {
                    // That there is no such directory is the usual case.
                    if error.raw_os_error() == Some(40) {
                        let full = root.display(dir);
                        report.refusal(&full, &error);
                        let text = [b"opendir ".as_slice(), &report.quoted(&full), b" failed"].concat();
                        report.sys_error(Role::Generator, text, &error);
                    }
                    return Vec::new();
                }
            };
            let mut files = Vec::new();
            let mut shown = Vec::new();
            for found in names.iter() {
                let path = if dir.is_empty() {
                    found.name.to_vec()
                } else {
                    [dir, b"/", found.name].concat()
                };
                debug!(report, flist >= 2; "[generator] make_file(", &path, ",*,1)");
                if report.plan().debug.flist > 2 {
                    shown.push((path.clone(), found.kind));
                }
                let hidden = match kind {
                    basis::FUZZY => filters.daemon_hides(&path, false),
                    _ => filters.daemon_hides_in(root, &path, false),
                };
                if hidden {
                    continue;
                }
                if let Some(stat) = root.lstat(&path).ok().filter(|s| s.is_file() && s.size > 0) {
                    files.push((found.name.to_vec(), stat));
                }
            }
            super::delete::tell_list(&report, root, shown);
            // The last of equals is taken.
            files.sort_by(|a, b| a.0.cmp(&b.0));
            files
        };
        let places = roots
            .into_iter()
            .map(|(kind, root)| {
                let found = files(&root, kind);
                (kind, root, found)
            })
            .collect();
        self.similar = Similar {
            dir: Some(dir.to_vec()),
            places,
            found: None,
        };
    }

    /// Whether there is a similar name; the answer is kept for [`Generator::fuzzy_basis`].
    pub(super) fn has_similar(&mut self, segment: &Arc<Segment>, i: usize, rel: &[u8]) -> bool {
        let found = self.fuzzy_basis(segment, i, rel);
        let any = found.is_some();
        self.similar.found = Some((rel.to_vec(), found));
        any
    }

    pub(super) fn fuzzy_basis(&mut self, segment: &Arc<Segment>, i: usize, rel: &[u8]) -> Option<Basis> {
        if let Some((name, found)) = self.similar.found.take() {
            if name == rel {
                return found;
            }
        }
        let (dir, base) = split_name(rel);
        let entry = *segment.entry(i);
        self.look_for_similar(dir);
        let mut best: Option<(u32, Basis)> = None;
        'search: for (kind, root, files) in &self.similar.places {
            for (base_name, stat) in files {
                let make = || Basis {
                    kind: *kind,
                    root: root.clone(),
                    name: if dir.is_empty() {
                        base_name.clone()
                    } else {
                        [dir, b"/", base_name].concat()
                    },
                    size: stat.size,
                    xname: Some(base_name.clone()),
                };
                if stat.size == entry.len
                    && super::compare::same_time(
                        self.plan.modify_window,
                        (entry.mtime, entry.mtime_nsec),
                        stat.mtime_pair(),
                    )
                {
                    debug!(self.report, fuzzy >= 2; "fuzzy size/modtime match for ", &make().name);
                    best = Some((0, make()));
                    break 'search;
                }
                let limit = best.as_ref().map_or(25 << 16, |b| b.0);
                let distance = name_distance(base, base_name, limit);
                if self.plan.debug.fuzzy > 1 {
                    let shown = format!("{}.{:05}", distance >> 16, distance & 0xffff);
                    debug!(self.report, fuzzy >= 2; "fuzzy distance for ", &make().name, " = ", shown);
                }
                if distance <= limit {
                    best = Some((distance, make()));
                }
            }
        }
        if let Some((_, basis)) = &best {
            if self.plan.debug.fuzzy > 0 {
                let text = [b"fuzzy basis selected for ".as_slice(), rel, b": ", &basis.name].concat();
                self.report.info(text);
            }
        }
        best.map(|b| b.1)
    }
}

/// Weighted distance of two names and, ten times over, of their suffixes.
fn name_distance(a: &[u8], b: &[u8], limit: u32) -> u32 {
    let unit = 1 << 16;
    if (a.len().abs_diff(b.len()) as u32).saturating_mul(unit) > limit {
        return u32::MAX;
    }
    let d = levenshtein(a, b);
    d.saturating_add(levenshtein(suffix(a), suffix(b)).saturating_mul(10))
}

fn levenshtein(a: &[u8], b: &[u8]) -> u32 {
    const UNIT: u32 = 1 << 16;
    if a.is_empty() || b.is_empty() {
        let added = a.iter().chain(b).map(|&c| UNIT + u32::from(c));
        return added.fold(0, u32::saturating_add);
    }
    // What one name has in front of the other costs no more than its length (observed).
    let mut row: Vec<u32> = (0..=b.len() as u32).map(|n| n.saturating_mul(UNIT)).collect();
    for x in a {
        let mut diagonal = row[0];
        row[0] = row[0].saturating_add(UNIT);
        for (j, y) in b.iter().enumerate() {
            let replace = diagonal.saturating_add(if x == y { 0 } else { UNIT + u32::from(x.abs_diff(*y)) });
            let remove = row[j + 1].saturating_add(UNIT + u32::from(*x));
            let insert = row[j].saturating_add(UNIT + u32::from(*y));
            diagonal = row[j + 1];
            row[j + 1] = replace.min(remove).min(insert);
        }
    }
    row[b.len()]
}

/// From the last dot, not counting leading dots, a final `~` and the endings of backups.
fn suffix(name: &[u8]) -> &[u8] {
    let lead = name.iter().take_while(|&&b| b == b'.').count();
    let mut end = name.len();
    let mut best: &[u8] = b"";
    if end > lead && name[end - 1] == b'~' {
        end -= 1;
        // `.~N~`
        if let Some(at) = name[lead..end].windows(2).rposition(|w| w == b".~") {
            if name[lead + at + 2..end].iter().all(u8::is_ascii_digit) && end > lead + at + 2 {
                end = lead + at;
            }
        }
    }
    while let Some(dot) = memchr::memrchr(b'.', &name[lead..end]).map(|n| n + lead) {
        let part = &name[dot..end];
        if matches!(part, b".bak" | b".old" | b".orig") {
            end = dot;
            continue;
        }
        if part[1..].iter().any(|b| !b.is_ascii_digit()) {
            return part;
        }
        if best.is_empty() {
            best = part;
        }
        end = dot;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes() {
        assert_eq!(suffix(b"a.tar.gz"), b".gz");
        assert_eq!(suffix(b".bashrc"), b"");
        assert_eq!(suffix(b"a.c.bak"), b".c");
        assert_eq!(suffix(b"a.c~"), b".c");
        assert_eq!(suffix(b"lib.so.6"), b".so");
        assert_eq!(suffix(b"x.12"), b".12");
    }

    #[test]
    fn distances() {
        assert_eq!(levenshtein(b"abc", b"abc"), 0);
        assert_eq!(levenshtein(b"abc", b"abd"), (1 << 16) + 1);
        assert_eq!(levenshtein(b"", b"a"), (1 << 16) + 97);
        assert_eq!(levenshtein(b"new", b"z"), (3 << 16) + 3);
        assert_eq!(levenshtein(b"new", b"up"), (3 << 16) + 23);
        assert_eq!(levenshtein(b"new", b"big"), (3 << 16) + 32);
        // rsync says 23.01665 of these.
        assert_eq!(name_distance(b"a.q", b"same", 25 << 16), (23 << 16) + 1665);
    }
}

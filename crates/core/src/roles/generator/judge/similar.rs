//! Files of similar names that may serve as a basis (`--fuzzy`; spec: transfer 9).

use rustix::io::Errno;

use super::Judge;
use crate::error::IoErrorExt;
use crate::flist::At;
use crate::report::debug::debug;
use crate::role::Role;
use crate::roles::compare::same_time;
use crate::roles::delete::dump_names;
use crate::roles::filter::Filters;
use crate::roles::paths::split_name;
use crate::roles::text::messages;
use crate::roles::words::request::{Basis, BasisKind};
use crate::tree::{Atime, Root, Stat};

/// The regular files of one directory, with what they are, in the order of their names.
struct Place {
    kind: BasisKind,
    root: Root,
    files: Vec<(Vec<u8>, Stat)>,
}

/// The files of one directory, here and in the alternate directories, among which similar names are looked for.
#[derive(Default)]
pub(super) struct Similar {
    /// The directory that was listed last.
    dir: Option<Vec<u8>>,
    places: Vec<Place>,
    /// What was found for a name that will be asked for again.
    found: Option<(Vec<u8>, Option<Basis>)>,
}

/// A name in a directory; the root has an empty name.
fn join(dir: &[u8], base: &[u8]) -> Vec<u8> {
    if dir.is_empty() {
        base.to_vec()
    } else {
        [dir, b"/", base].concat()
    }
}

impl Judge {
    /// List the files of a directory at the first search in it. Files that are made there later are not considered
    /// (observed).
    fn list_similar(&mut self, dir: &[u8]) {
        if self.similar.dir.as_deref() == Some(dir) {
            return;
        }
        let mut roots = vec![(BasisKind::Fuzzy(None), self.dest.root.clone())];
        if self.plan.select.fuzzy > 1 {
            for (n, root) in self.alternates.roots(&self.report) {
                roots.push((BasisKind::Fuzzy(Some(n as u8)), root.clone()));
            }
        }
        let places = roots.into_iter().map(|(kind, root)| Place {
            kind,
            files: self.files_in(dir, kind, &root),
            root,
        });
        self.similar = Similar {
            dir: Some(dir.to_vec()),
            places: places.collect(),
            found: None,
        };
    }

    /// The regular files with content in a directory beneath `root`, sorted by name.
    fn files_in(&self, dir: &[u8], kind: BasisKind, root: &Root) -> Vec<(Vec<u8>, Stat)> {
        let names = match root.read_names(
            if dir.is_empty() { b"." } else { dir },
            Atime::keep_if(self.plan.attrs.open_noatime),
        ) {
            Ok(names) => names,
            Err(error) => {
                // A missing directory is the usual case.
                if error.is(Errno::LOOP) {
                    let full = root.display(dir);
                    self.report.refusal(&full, &error);
                    let text = messages::opendir_failed(self.report.quoted(&full));
                    self.report.sys_error(Role::Generator, text, &error);
                }
                return Vec::new();
            }
        };
        let hidden = |filters: &Filters, path: &[u8]| match kind {
            BasisKind::Fuzzy(None) => filters.daemon_hides(path, false),
            _ => filters.daemon_hides_in(root, path, false),
        };
        let mut files = Vec::new();
        let mut shown = Vec::new();
        for found in names.iter() {
            let path = join(dir, found.name);
            debug!(self.report, flist >= 2; "[generator] make_file(", &path, ",*,1)");
            if self.plan.output.debug.flist > 2 {
                shown.push((path.clone(), found.kind));
            }
            if hidden(&self.filters, &path) {
                continue;
            }
            if let Some(stat) = root.lstat(&path).ok().filter(|s| s.is_file() && s.size > 0) {
                files.push((found.name.to_vec(), stat));
            }
        }
        dump_names(&self.report, root, shown);
        // The last of equals is taken.
        files.sort_by(|a, b| a.0.cmp(&b.0));
        files
    }

    /// Whether there is a similar name; the answer is kept for [`Judge::fuzzy_basis`].
    pub(super) fn has_similar(&mut self, at: &At, rel: &[u8]) -> bool {
        let found = self.fuzzy_basis(at, rel);
        let any = found.is_some();
        self.similar.found = Some((rel.to_vec(), found));
        any
    }

    /// The file whose name is most like that of the entry.
    pub(super) fn fuzzy_basis(&mut self, at: &At, rel: &[u8]) -> Option<Basis> {
        if let Some((name, found)) = self.similar.found.take() {
            if name == rel {
                return found;
            }
        }
        let (dir, base) = split_name(rel);
        let (len, mtime) = (at.entry().len, (at.entry().mtime, at.entry().mtime_nsec));
        self.list_similar(dir);
        let mut best: Option<(u32, Basis)> = None;
        'search: for place in &self.similar.places {
            for (base_name, stat) in &place.files {
                let make = || Basis {
                    kind: place.kind,
                    root: place.root.clone(),
                    name: join(dir, base_name),
                    size: stat.size,
                    xname: Some(base_name.clone()),
                };
                if stat.size == len && same_time(self.plan.select.modify_window, mtime, stat.mtime_pair()) {
                    debug!(self.report, fuzzy >= 2; "fuzzy size/modtime match for ", &make().name);
                    best = Some((0, make()));
                    break 'search;
                }
                let limit = best.as_ref().map_or(25 << 16, |b| b.0);
                let distance = name_distance(base, base_name, limit);
                if self.plan.output.debug.fuzzy > 1 {
                    let shown = format!("{}.{:05}", distance >> 16, distance & 0xffff);
                    debug!(self.report, fuzzy >= 2; "fuzzy distance for ", &make().name, " = ", shown);
                }
                if distance <= limit {
                    best = Some((distance, make()));
                }
            }
        }
        let basis = best?.1;
        debug!(self.report, fuzzy >= 1; "fuzzy basis selected for ", rel, ": ", &basis.name);
        Some(basis)
    }
}

/// The distance of names whose lengths alone differ by too much; rsync shows it as 65535.00001 (observed).
const TOO_FAR: u32 = 0xffff_0001;

/// Weighted distance of two names and, ten times over, of their suffixes.
fn name_distance(a: &[u8], b: &[u8], limit: u32) -> u32 {
    let unit = 1 << 16;
    if (a.len().abs_diff(b.len()) as u32).saturating_mul(unit) > limit {
        return TOO_FAR;
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

//! Names in a directory of the destination: their kinds, the order of removal, and the dump of them.

use std::io;

use crate::report::{debug, Report};
use crate::role::Role;
use crate::tree::{FileKind, Root};

/// A path below the destination, and what it is.
pub(crate) type Name = (Vec<u8>, FileKind);

/// Remove a directory with its contents, in a place that a backup needs. `removed` is called for each entry with its
/// name from byte `from` on, and a mode of its type.
pub(crate) fn remove_tree(root: &Root, rel: &[u8], from: usize, removed: &dyn Fn(&[u8], u32)) -> io::Result<()> {
    let names = root.read_names_nofollow(rel)?;
    for entry in names.iter() {
        let path = [rel, b"/", entry.name].concat();
        let kind = resolved_kind(root, &path, entry.kind);
        if kind == FileKind::Dir {
            remove_tree(root, &path, from, removed)?;
        } else {
            root.unlink(&path)?;
        }
        removed(&path[from..], kind.mode());
    }
    if let Some(error) = names.error {
        return Err(error);
    }
    root.rmdir(rel)
}

/// The kind of an entry, looked up if the directory did not give it.
pub(super) fn resolved_kind(root: &Root, rel: &[u8], kind: FileKind) -> FileKind {
    if kind != FileKind::Unknown {
        return kind;
    }
    root.lstat(rel)
        .map_or(FileKind::Unknown, |stat| FileKind::from_mode(stat.mode))
}

/// Sort as the list does, backwards. There directories stand last, as if their names ended in a slash, so they go first.
/// Before protocol 29 the order is that of the bytes.
pub(super) fn sort_for_removal(found: &mut [Name], protocol: u8) {
    if protocol < 29 {
        found.sort_by(|(a, _), (b, _)| b.cmp(a));
        return;
    }
    found.sort_by(|(a, a_kind), (b, b_kind)| {
        let (a_dir, b_dir) = (*a_kind == FileKind::Dir, *b_kind == FileKind::Dir);
        let slash = |dir: bool| dir.then_some(&b'/');
        b_dir
            .cmp(&a_dir)
            .then_with(|| b.iter().chain(slash(b_dir)).cmp(a.iter().chain(slash(a_dir))))
    });
}

/// Dump the list of a directory's names, for `--debug=FLIST3`.
pub(crate) fn dump_names(report: &Report, root: &Root, mut names: Vec<Name>) {
    if report.plan().output.debug.flist < 3 {
        return;
    }
    sort_for_removal(&mut names, report.plan().agreed.protocol);
    debug::head(report, Role::Generator, 0, names.len());
    for (number, (name, kind)) in names.iter().rev().enumerate() {
        let Ok(stat) = root.lstat(name) else { continue };
        let marks = if *kind == FileKind::Dir { 5 } else { 1 };
        let len = if stat.is_file() || stat.is_dir() || stat.is_symlink() {
            stat.size
        } else {
            0
        };
        debug::Dumped {
            number: number as i32,
            place: b"0",
            name,
            mode: stat.mode,
            len,
            ids: (stat.uid, stat.gid),
            marks,
        }
        .print(report, Role::Generator);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removal_goes_backwards_through_the_list() {
        let (dir, file) = (FileKind::Dir, FileKind::File);
        let found = [("a", file), ("a.b", dir), ("a", dir), ("ab", dir), ("b", file)];
        for (protocol, expected) in [(28, "b ab a.b a a"), (29, "ab/ a/ a.b/ b a")] {
            let mut names: Vec<Name> = found.map(|(name, kind)| (name.into(), kind)).into();
            sort_for_removal(&mut names, protocol);
            let shown: Vec<_> = names
                .iter()
                .map(|(name, kind)| {
                    String::from_utf8_lossy(name) + if protocol >= 29 && *kind == dir { "/" } else { "" }
                })
                .collect();
            assert_eq!(shown.join(" "), expected);
        }
    }
}

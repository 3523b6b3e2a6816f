//! Deletions that are judged before the first one: they are collected, counted, and then carried out all or not at all.

use std::fs::File;
use std::io::{BufWriter, Write};

use super::{resolved_kind, Deleter, Name};
use crate::error::{Error, Result};
use crate::event::{Deletions, Event};
use crate::flist::Segment;
use crate::role::Role;
use crate::roles::filter::{Filters, Perishable};
use crate::roles::paths::split_name;
use crate::tree::{temp, FileKind, Root};
use crate::wire::item::IoErrors;

/// Counts what a removal would remove.
struct Count<'a> {
    root: &'a Root,
    deleter: &'a Deleter,
    found: Deletions,
    /// Takes the names, each with a NUL.
    names: Option<BufWriter<File>>,
}

impl Deleter {
    /// Whether the caller judges the deletions of this run.
    pub(super) fn is_judged(&self) -> bool {
        self.dest.plan.output.events.deletions
    }

    /// Remove the names that were collected, unless the caller decides against it after it got their number.
    pub(crate) fn run_judged(&mut self, filters: &mut Filters) -> Result<()> {
        let names = std::mem::take(&mut self.delayed);
        if names.is_empty() {
            return Ok(());
        }
        let planned = self.count(&names, filters)?;
        let asks = planned.number > 0 || self.leftovers.is_empty();
        if asks && !self.dest.report.ask(Event::Deletions(planned))? {
            self.dest.report.set_io_error(IoErrors::DEL_LIMIT);
            self.dest.report.stats(|s| s.deletions_skipped = planned.number);
            return Ok(());
        }
        for (path, kind) in names {
            if self.leftovers.contains(&path) && self.dest.root.lstat(&path).is_err() {
                // A partial-dir goes when its last file is used.
                continue;
            }
            self.go_to_parent(&path, filters)?;
            self.remove(&path, kind, Some(&mut *filters))?;
        }
        Ok(())
    }

    /// Whether an earlier run left this name, which stands beside listed names: a temporary file for one of them, or the
    /// directory for partial files.
    pub(super) fn is_leftover(&self, path: &[u8], kind: FileKind, listed: &Segment) -> bool {
        if !self.dest.plan.removal.exclude_leftovers {
            return false;
        }
        if kind == FileKind::Dir {
            return self.is_partial_dir(path);
        }
        let (dir, base) = split_name(path);
        let Some(target) = temp::target_of(base).filter(|_| kind == FileKind::File) else {
            return false;
        };
        let beside = |name: &[u8]| {
            let slash: &[u8] = if dir.is_empty() { b"" } else { b"/" };
            listed.find_any(&[dir, slash, name].concat()).is_some()
        };
        // A dot at the beginning of a name, and one at its end, are not doubled.
        beside(target) || beside(&[b".", target].concat()) || beside(&[target, b"."].concat())
    }

    /// Whether this is a directory for partial files, one in each directory.
    fn is_partial_dir(&self, path: &[u8]) -> bool {
        let partial = self.dest.plan.write.partial_dir.as_deref();
        partial.is_some_and(|partial| !partial.starts_with(b"/") && partial == split_name(path).1)
    }

    /// The rules of the directory that holds `path` come into force, as when it was read.
    fn go_to_parent(&self, path: &[u8], filters: &mut Filters) -> Result<()> {
        let dir = split_name(path).0;
        let dir = if dir.is_empty() { b"." } else { dir };
        filters.go_to(&self.dest.root, dir, self.dest.plan.place.insecure_links)
    }

    fn count(&self, names: &[Name], filters: &mut Filters) -> Result<Deletions> {
        let failed = |error| Error::failed(Role::Generator, "writing the names of planned deletions", &error);
        let file = match &self.dest.plan.removal.deletion_names_handle {
            Some(handle) => Some(File::from(handle.0.try_clone().map_err(failed)?)),
            None => None,
        };
        let mut count = Count {
            root: &self.dest.root,
            deleter: self,
            found: Deletions {
                entries: self.seen,
                ..Deletions::default()
            },
            names: file.map(BufWriter::new),
        };
        for (path, kind) in names {
            if self.leftovers.contains(path) {
                continue;
            }
            self.go_to_parent(path, filters)?;
            count.name(path, *kind, filters)?;
        }
        if let Some(mut names) = count.names {
            names.flush().map_err(failed)?;
        }
        Ok(count.found)
    }
}

impl Count<'_> {
    /// Count one name with its contents; whether nothing of it stays.
    fn name(&mut self, rel: &[u8], kind: FileKind, filters: &mut Filters) -> Result<bool> {
        self.deleter.dest.report.check()?;
        if kind == FileKind::Dir && !self.contents(rel, filters)? {
            return Ok(false);
        }
        self.found.number += 1;
        if kind == FileKind::File {
            self.found.bytes += self.root.lstat(rel).map_or(0, |stat| stat.size);
        }
        if let Some(names) = &mut self.names {
            let slash: &[u8] = if kind == FileKind::Dir { b"/\0" } else { b"\0" };
            names
                .write_all(&[rel, slash].concat())
                .map_err(|error| Error::failed(Role::Generator, "writing the names of planned deletions", &error))?;
        }
        Ok(true)
    }

    fn contents(&mut self, rel: &[u8], filters: &mut Filters) -> Result<bool> {
        let plan = &self.deleter.dest.plan;
        // A directory that cannot be read is reported when it is to be removed.
        let Ok(names) = self.root.read_names_nofollow(rel) else {
            return Ok(true);
        };
        self.found.entries += names.len() as u64;
        let merge = filters.has_merge();
        if merge {
            filters.enter_dir(self.root, rel, plan.place.insecure_links)?;
        }
        let mut all = true;
        for entry in names.iter() {
            let path = [rel, b"/", entry.name].concat();
            let kind = resolved_kind(self.root, &path, entry.kind);
            let is_dir = kind == FileKind::Dir;
            let stays = filters.protects(&path, is_dir, Perishable::Ignored, &self.deleter.dest.report)
                || is_dir && self.deleter.is_mount(&path);
            if !stays && is_dir && plan.removal.exclude_leftovers && self.deleter.is_partial_dir(&path) {
                continue;
            }
            all &= !stays && self.name(&path, kind, filters)?;
        }
        if merge {
            filters.leave_dir();
        }
        Ok(all)
    }
}

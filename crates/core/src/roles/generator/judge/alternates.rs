//! The alternate directories of `--compare-dest`, `--copy-dest` and `--link-dest`, which may have a file that the
//! destination lacks (spec: transfer 7).

use std::collections::HashMap;
use std::fs::File;
use std::io;

use rustix::io::Errno;

use super::{same_content, Effects, Judge};
use crate::error::{IoErrorExt, Result};
use crate::flist::At;
use crate::plan::AltDest;
use crate::report::say::text;
use crate::report::{sys_line, Report};
use crate::role::Role;
use crate::roles::compare::{item_flags, same_family, unchanged};
use crate::roles::dest::{alt_dirs, Dest, Failed};
use crate::roles::filter::Filters;
use crate::roles::metadata::read_own_link;
use crate::roles::paths::split_name;
use crate::roles::words::request::{Basis, BasisKind};
use crate::tree::data::Reflink;
use crate::tree::mode::{self, is_dir};
use crate::tree::{data, operator, Atime, Root, Stat};
use crate::wire::item::ItemFlags;

/// How many directories are remembered as trusted or not.
const REMEMBERED: usize = 64;

/// How much a file in an alternate directory resembles the wanted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Likeness {
    /// Of the same type.
    Type,
    /// The same content as well.
    Content,
    /// The same attributes as well.
    All,
}

/// The best candidate among the alternate directories.
pub(super) struct Candidate {
    pub likeness: Likeness,
    /// Number of the directory, in the order of the options.
    number: usize,
    root: Root,
    stat: Stat,
}

/// What the alternate directories gave for a regular file.
pub(super) enum AltFile {
    /// Nothing is left to do. `here`: the file is in the destination now.
    Done {
        here: bool,
    },
    /// A delta may be made against this file.
    Basis(Basis, Stat),
    Nothing,
}

/// What they gave for a link or node.
pub(super) enum AltOther {
    /// Nothing is left to do.
    Done,
    /// The closest one, and whether it is the same in everything.
    Compared(Root, Stat, bool),
    Nothing,
}

/// The alternate directories of a run.
pub(super) struct Alternates {
    roots: Vec<Option<Root>>,
    /// Which of them lie behind a link of another owner.
    refused: Vec<bool>,
    /// Directories in them: whether a link of another owner is on the path.
    untrusted: HashMap<Vec<u8>, bool>,
}

impl Alternates {
    /// Open the directories that the plan names.
    pub(super) fn open(dest: &Dest) -> Self {
        let roots = alt_dirs::open(dest);
        Self {
            refused: alt_dirs::refused(dest, &roots),
            roots,
            untrusted: HashMap::new(),
        }
    }

    /// The directories to search, with their numbers. A directory behind a link of another owner is refused and
    /// reported each time (observed).
    pub(super) fn roots<'a>(&'a self, report: &'a Report) -> impl Iterator<Item = (usize, &'a Root)> {
        let roots = self.roots.iter().zip(&self.refused).enumerate();
        roots.filter_map(|(n, (root, refused))| {
            if *refused {
                report.error(operator::REFUSAL);
            }
            Some((n, root.as_ref()?))
        })
    }

    /// The directories that could be opened.
    pub(super) fn opened(&self) -> impl Iterator<Item = &Root> {
        self.roots.iter().flatten()
    }

    /// Status of the file `rel` in an alternate directory. A link of another owner on the way to it is not followed,
    /// and is reported.
    fn stat(&mut self, dest: &Dest, filters: &Filters, root: &Root, rel: &[u8]) -> Option<Stat> {
        let parent = split_name(rel).0;
        let plan = &dest.plan;
        // In a module the links of all owners are followed, as none leads out (observed).
        if !parent.is_empty() && !plan.place.insecure_links && plan.place.module_root.is_none() {
            if self.untrusted.len() > REMEMBERED {
                self.untrusted.clear();
            }
            // One check for all files of a directory.
            let untrusted = self
                .untrusted
                .entry(root.display(parent))
                .or_insert_with_key(|dir| operator::is_untrusted(dir, None));
            if *untrusted {
                dest.report.error(operator::REFUSAL);
                return None;
            }
        }
        let stat = dest.lstat_in(root, rel).ok()?;
        (!filters.daemon_hides_in(root, rel, stat.is_dir())).then_some(stat)
    }

    /// The first of the best candidates for `rel`; `judge` rates one, or rejects it with `None`.
    fn best(
        &mut self,
        dest: &Dest,
        filters: &Filters,
        rel: &[u8],
        mut judge: impl FnMut(&Root, &Stat) -> Option<Likeness>,
    ) -> Option<Candidate> {
        let mut best: Option<Candidate> = None;
        for number in 0..self.roots.len() {
            if self.refused[number] {
                dest.report.error(operator::REFUSAL);
            }
            let Some(root) = self.roots[number].clone() else {
                continue;
            };
            let Some(stat) = self.stat(dest, filters, &root, rel) else {
                continue;
            };
            let Some(likeness) = judge(&root, &stat) else { continue };
            if best.as_ref().is_none_or(|b| likeness > b.likeness) {
                best = Some(Candidate {
                    likeness,
                    number,
                    root,
                    stat,
                });
            }
            if likeness == Likeness::All {
                break;
            }
        }
        best
    }
}

/// All attributes of `rel` beneath `root` are as wanted.
fn same_attributes(dest: &Dest, at: &At, root: &Root, rel: &[u8], stat: &Stat) -> bool {
    let want = dest.wanted(at, Some(stat));
    unchanged(&dest.plan, &want, stat) && dest.metadata_flags(root, rel, &want, Some(stat)).is_empty()
}

impl Judge {
    /// The best alternate copy of a regular file.
    fn alt_file(&mut self, at: &At, rel: &[u8]) -> Option<Candidate> {
        let (dest, buffer) = (&self.dest, &mut self.buffer);
        self.alternates.best(dest, &self.filters, rel, |root, stat| {
            if !stat.is_file() {
                return None;
            }
            Some(if !same_content(&dest.plan, at, root, rel, stat, buffer) {
                Likeness::Type
            } else if same_attributes(dest, at, root, rel, stat) {
                Likeness::All
            } else {
                Likeness::Content
            })
        })
    }

    /// Search the alternate directories for a regular file. `found` is the file at the name, `replaced` the object
    /// there of any type but a directory.
    ///
    /// spec: transfer 7.1, 7.2
    pub(super) fn alt_regular(
        &mut self,
        fx: &mut dyn Effects,
        at: &At,
        rel: &[u8],
        found: Option<Stat>,
        replaced: Option<Stat>,
    ) -> Result<AltFile> {
        let kind = self.plan.select.alt_dest;
        if found.is_some() && kind == AltDest::Copy {
            return Ok(AltFile::Nothing);
        }
        let Some(candidate) = self.alt_file(at, rel) else {
            return Ok(AltFile::Nothing);
        };
        let Candidate {
            likeness, root, stat, ..
        } = &candidate;
        let all = *likeness == Likeness::All;
        if let Some(now) = found {
            if !all || now.same_file(stat) {
                return Ok(AltFile::Nothing);
            }
            // With --link-dest the old file stays until the link, or the copy, replaces it.
            if !self.idle && kind == AltDest::Compare && !self.removed(rel) {
                return Ok(AltFile::Nothing);
            }
        }
        let want = self.wanted(at, Some(stat));
        if all {
            match kind {
                AltDest::Compare => {
                    let flags = item_flags(&self.plan, &want, Some(stat), ItemFlags::NONE, false);
                    self.item(fx, at, flags, None)?;
                    return Ok(AltFile::Done { here: false });
                }
                AltDest::Link if self.idle || self.link_alternate(root, rel, found.is_some()) => {
                    if self.idle {
                        self.links.note_alternate(at, *stat);
                    }
                    let flags = item_flags(&self.plan, &want, Some(stat), ItemFlags::LOCAL_CHANGE, true);
                    // rsync reports the names that wait for this one first (observed).
                    self.link_ready(fx, at)?;
                    self.item(fx, at, flags, Some(b""))?;
                    return Ok(AltFile::Done { here: true });
                }
                _ => {}
            }
        }
        if *likeness >= Likeness::Content && found.is_none() || all && kind == AltDest::Link {
            let flags = self.flags(root, rel, &want, Some(stat), ItemFlags::LOCAL_CHANGE, false);
            if self.idle || self.copy_alternate(at, &candidate, rel, replaced)? {
                self.item(fx, at, flags, None)?;
                return Ok(AltFile::Done { here: true });
            }
            return Ok(AltFile::Nothing);
        }
        let Candidate { number, root, stat, .. } = candidate;
        let basis = Basis::new(BasisKind::Alternate(number as u8), root, rel.to_vec(), stat.size);
        Ok(AltFile::Basis(basis, stat))
    }

    /// Remove a file that an alternate directory has as well (`--compare-dest`); whether the name is free.
    fn removed(&self, rel: &[u8]) -> bool {
        match self.dest.root.unlink(rel) {
            Ok(()) => true,
            Err(error) => error.is(Errno::NOENT),
        }
    }

    /// Make `rel` a link to its copy in an alternate directory; `over` replaces an old file. A failure is reported only
    /// where names are, because a copy replaces the link.
    fn link_alternate(&mut self, root: &Root, rel: &[u8], over: bool) -> bool {
        let mut result = if over {
            self.dest.make_over(rel, |dest, name| dest.link_from(root, rel, name))
        } else {
            self.dest.root.link_from(root, rel, rel)
        };
        if matches!(&result, Err(e) if e.is(Errno::NOENT)) && self.plan.select.relative {
            self.dest.make_parents(rel);
            result = self.dest.root.link_from(root, rel, rel);
        }
        let Err(error) = result else { return true };
        if self.plan.output.info.name > 0 {
            let text = text!["link ", &self.dest.display(rel), " => ", &root.display(rel), " failed"];
            self.report.info(sys_line(Role::Generator, &text, &error));
        }
        false
    }

    /// Copy a file from an alternate directory, with the attributes of the entry. `false`: reported, and the file is
    /// asked for instead.
    fn copy_alternate(&mut self, at: &At, from: &Candidate, rel: &[u8], replaced: Option<Stat>) -> Result<bool> {
        let source = match from.root.open_read(rel, Atime::Update) {
            Ok(source) => source,
            Err(error) => {
                let typed = self
                    .plan
                    .select
                    .alt_dirs
                    .get(from.number)
                    .map_or(&b""[..], Vec::as_slice);
                let full = if typed.starts_with(b"/") {
                    [typed, b"/", rel].concat()
                } else {
                    self.dest.root.display(&[typed, b"/", rel].concat())
                };
                let text = text!["open ", &self.report.quoted(&full)];
                self.report.sys_error(Role::Generator, text, &error);
                return Ok(false);
            }
        };
        match self.copy_here(at, &source, from.stat.size, rel, replaced)? {
            Ok(made) => Ok(made),
            Err(error) => {
                let shown = self.report.quoted(&from.root.display(rel));
                let text = text!["copy ", &shown, " -> \"", rel, "\""];
                self.report.error(sys_line(Role::Generator, &text, &error));
                Ok(false)
            }
        }
    }

    /// Make `rel` from the data of a file on this machine, with the attributes of the entry. `Ok(false)`: it failed and
    /// has been reported. The inner error is a failure of the copy itself, which the caller reports.
    pub(super) fn copy_here(
        &mut self,
        at: &At,
        source: &File,
        size: u64,
        rel: &[u8],
        replaced: Option<Stat>,
    ) -> Result<io::Result<bool>> {
        if self.plan.select.relative {
            self.dest.make_missing_parents(rel);
        }
        let want = self.wanted(at, replaced.as_ref());
        if self.plan.write.inplace || self.plan.write.append > 0 {
            // No temporary file is used then, and so no other directory.
            let Ok(target) = self.dest.open_inplace(rel) else {
                return Ok(Ok(false));
            };
            if let Err(error) = data::copy_whole(source, &target, size, Reflink::Try) {
                return Ok(Err(error.into()));
            }
            self.dest.set_attrs_open(&target, rel, &want, None);
            return Ok(Ok(true));
        }
        let Ok(temp) = self.dest.create_temp(rel) else {
            return Ok(Ok(false));
        };
        if let Err(error) = data::copy_whole(source, &temp.file, size, Reflink::Try) {
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

    /// The best alternate copy of a directory, to compare with in the item.
    pub(super) fn alt_directory(&mut self, at: &At, rel: &[u8]) -> Option<(Root, Stat)> {
        let dest = &self.dest;
        let best = self.alternates.best(dest, &self.filters, rel, |root, stat| {
            is_dir(stat.mode).then(|| match same_attributes(dest, at, root, rel, stat) {
                true => Likeness::All,
                false => Likeness::Type,
            })
        })?;
        Some((best.root, best.stat))
    }

    /// Look for a symlink (`target` is where it should point), device, pipe or socket in the alternate directories.
    ///
    /// spec: transfer 7.3
    pub(super) fn alt_other(
        &mut self,
        fx: &mut dyn Effects,
        at: &At,
        rel: &[u8],
        target: Option<&[u8]>,
    ) -> Result<AltOther> {
        let entry = at.entry();
        let dest = &self.dest;
        let same = |root: &Root, stat: &Stat| {
            (stat.mode ^ entry.mode) & mode::TYPE == 0
                && match target {
                    Some(target) => read_own_link(root, rel, dest.plan.place.fake_super).is_ok_and(|t| t == target),
                    None => !entry.is_device() || (stat.rdev_major, stat.rdev_minor) == at.rdev(),
                }
        };
        let best = self.alternates.best(dest, &self.filters, rel, |root, stat| {
            if !same_family(stat.mode, entry.mode) {
                return None;
            }
            Some(if !same(root, stat) {
                Likeness::Type
            } else if same_attributes(dest, at, root, rel, stat) {
                Likeness::All
            } else {
                Likeness::Content
            })
        });
        let Some(Candidate {
            likeness, root, stat, ..
        }) = best
        else {
            return Ok(AltOther::Nothing);
        };
        if likeness < Likeness::All {
            return Ok(AltOther::Compared(root, stat, false));
        }
        let want = self.wanted(at, Some(&stat));
        match self.plan.select.alt_dest {
            AltDest::Link if self.idle || self.dest.root.link_from(&root, rel, rel).is_ok() => {
                let flags = item_flags(&self.plan, &want, Some(&stat), ItemFlags::LOCAL_CHANGE, true);
                self.item(fx, at, flags, Some(b""))?;
                self.link_ready(fx, at)?;
                Ok(AltOther::Done)
            }
            AltDest::Compare => {
                let flags = item_flags(&self.plan, &want, Some(&stat), ItemFlags::NONE, false);
                self.item(fx, at, flags, None)?;
                Ok(AltOther::Done)
            }
            _ => Ok(AltOther::Compared(root, stat, true)),
        }
    }

    /// The copy of a member of a hard-link group in an alternate directory, if its content is right.
    pub(super) fn alt_member(&mut self, at: &At, rel: &[u8]) -> Option<(Root, Stat)> {
        let entry = at.entry();
        if self.plan.select.alt_dest == AltDest::Copy && !entry.is_file() {
            return None;
        }
        for root in self.alternates.opened() {
            if let Ok(stat) = self.dest.lstat_in(root, rel) {
                let same_kind = (stat.mode ^ entry.mode) & mode::TYPE == 0;
                let buffer = &mut self.buffer;
                if same_kind && (!entry.is_file() || same_content(&self.plan, at, root, rel, &stat, buffer)) {
                    return Some((root.clone(), stat));
                }
            }
        }
        None
    }

    /// Whether an alternate directory has anything of this name.
    pub(super) fn is_in_alternates(&self, rel: &[u8]) -> bool {
        self.alternates.opened().any(|root| root.lstat(rel).is_ok())
    }
}

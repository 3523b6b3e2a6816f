//! What each type of entry needs (spec: transfer 3).

use std::io;
use std::sync::Arc;

use super::compare::{is_device, is_link, is_reg, is_special, item_flags, Wanted, S_IFMT};
use super::generator::Generator;
use super::paths::split_name;
use crate::error::Result;
use crate::flist::{eflag, Segment};
use crate::report::debug::debug;
use crate::role::Role;
use crate::tree::Stat;
use crate::wire::item::ItemFlags;

pub(super) fn missing(error: &io::Error) -> bool {
    error.raw_os_error() == Some(2)
}

impl Generator {
    /// Status of what is at `rel`; `Ok(None)` if nothing is.
    pub(super) fn look(&self, rel: &[u8], dir_wanted: bool) -> io::Result<Option<Stat>> {
        if self.dest.void {
            return Ok(None);
        }
        let stat = match self.dest.lstat(rel) {
            Ok(stat) => stat,
            Err(e) if missing(&e) => return Ok(None),
            Err(e) if self.dry_run && !self.plan.ignore_existing && e.raw_os_error() == Some(20) => return Ok(None),
            Err(e) => return Err(e),
        };
        if stat.is_symlink() && dir_wanted && self.plan.keep_dirlinks {
            match self.dest.root.stat_follow(rel, false) {
                Ok(behind) if behind.is_dir() => return Ok(Some(behind)),
                _ => {}
            }
        }
        Ok(Some(stat))
    }

    pub(super) fn daemon_refuses(&mut self, rel: &[u8], dir: bool) -> bool {
        if !self.filters.daemon_hides(rel, dir) {
            return false;
        }
        let kind: &[u8] = if dir { b"directory" } else { b"file" };
        let text = [
            b"ERROR: daemon refused to receive ".as_slice(),
            kind,
            b" \"",
            rel,
            b"\"",
        ]
        .concat();
        self.report.error_xfer(text);
        true
    }

    pub(super) fn skip_note(&self, text: &[u8]) {
        if self.plan.info.skip > 0 {
            self.report.info(text);
        }
    }

    /// `N exists`, with what would have been done at the higher level (spec: transfer 3.8).
    pub(super) fn exists_note(&mut self, segment: &Segment, i: usize, rel: &[u8], found: Option<&Stat>) {
        if self.plan.info.skip == 0 {
            return;
        }
        let mut text = [rel, b" exists"].concat();
        if let Some(stat) = found.filter(|_| self.plan.info.skip > 1) {
            let entry = *segment.entry(i);
            let want = self.dest.wanted(segment, i, Some(stat));
            let root = self.dest.root.clone();
            let suffix: &[u8] = if (stat.mode ^ entry.mode) & S_IFMT != 0 {
                b" (type change)"
            } else if is_reg(entry.mode) && !self.quick_check(segment, i, &root, rel, stat) {
                if self.plan.checksum {
                    b" (sum change)"
                } else {
                    b" (file change)"
                }
            } else if is_link(entry.mode)
                && segment.link_target(i).is_some_and(|t| {
                    super::metadata::read_own_link(&root, rel, self.plan.fake_super).map_or(true, |now| now != t)
                })
            {
                b" (file change)"
            } else if item_flags(&self.plan, &want, Some(stat), ItemFlags::NONE, false) != ItemFlags::NONE {
                b" (attr change)"
            } else {
                b" (uptodate)"
            };
            text.extend_from_slice(suffix);
        }
        self.report.info(text);
    }

    /// The directory of a missing argument should be listed, but is missing as well: told once for all in it.
    fn parent_absent(&mut self, segment: &Segment, rel: &[u8]) {
        let dir = split_name(rel).0;
        if self.plan.inc_recurse || dir.is_empty() || self.absent == dir || segment.find(dir, true).is_some() {
            return;
        }
        self.absent = dir.to_vec();
        self.report
            .error([b"WARNING: parent dir is absent in the file list: ".as_slice(), dir].concat());
    }

    pub(super) fn not_creating(&self, rel: &[u8], dir: bool) {
        let kind: &[u8] = if dir { b"directory" } else { b"file" };
        self.skip_note(&[b"not creating new ".as_slice(), kind, b" \"", rel, b"\""].concat());
    }

    pub(super) fn contents_skipped(&self) {
        self.report
            .error_xfer("*** Skipping any contents from this failed directory ***");
    }

    /// One entry that is no directory.
    pub(super) fn entry(&mut self, segment: &Arc<Segment>, i: usize, ndx: i32) -> Result<()> {
        let rel = self.dest.name(segment, i);
        let entry = *segment.entry(i);
        let mode = entry.mode;
        debug!(self.report, genr >= 1; "recv_generator(", &rel, ",", ndx, ")");
        self.link_visit(segment, i);
        if self.daemon_refuses(&rel, false) {
            return self.hlink_skipped(segment, i);
        }
        let found = match self.look(&rel, false) {
            Ok(found) => found,
            Err(error) => {
                self.report.check()?;
                let text = [b"recv_generator: failed to stat ".as_slice(), &self.dest.display(&rel)].concat();
                self.report.sys_error(Role::Generator, text, &error);
                return self.hlink_skipped(segment, i);
            }
        };
        if entry.has(eflag::MISSING_ARG) {
            self.parent_absent(segment, &rel);
            if found.is_some() {
                self.deleter.remove_missing(&rel, &mut self.filters)?;
            }
            return Ok(());
        }
        if self.plan.existing && found.is_none() {
            self.not_creating(&rel, false);
            return self.hlink_skipped(segment, i);
        }
        if self.plan.ignore_existing && found.is_some() {
            self.exists_note(segment, i, &rel, found.as_ref());
            return self.hlink_skipped(segment, i);
        }
        if found.is_none() && self.plan.relative && !self.plan.implied_dirs && !self.dry_run {
            self.dest.make_missing_parents(&rel);
        }
        if self.plan.hard_links
            && segment.hlink(i).is_some()
            && self.link_check(segment, i, ndx, &rel, found.as_ref())?
        {
            return Ok(());
        }
        if is_link(mode) && self.plan.links {
            return self.symlink(segment, i, ndx, &rel, found);
        }
        let device = is_device(mode) && self.plan.devices && self.plan.root_like();
        if (device || is_special(mode) && self.plan.specials) && !self.plan.drop_devices {
            return self.node(segment, i, ndx, &rel, found);
        }
        if !is_reg(mode) {
            if self.plan.info.nonreg > 0 {
                self.report
                    .info([b"skipping non-regular file \"".as_slice(), &rel, b"\""].concat());
            }
            return Ok(());
        }
        self.regular(segment, i, ndx, rel, found, false)
    }

    /// Add the bits for ACLs and extended attributes: how the file at `rel` beneath `root` differs.
    pub(super) fn metadata_flags(
        &self,
        root: &crate::tree::Root,
        rel: &[u8],
        want: &Wanted,
        now: Option<&Stat>,
        flags: ItemFlags,
    ) -> ItemFlags {
        flags | self.dest.metadata_flags(root, rel, want, now)
    }
}

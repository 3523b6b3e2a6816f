//! What each type of entry needs (spec: transfer 3).

use std::io;
use std::sync::Arc;

use super::compare::{is_device, is_link, is_reg, is_special, item_flags, same_time, unsafe_link, Wanted, S_IFMT};
use super::dest::{split_name, SetTimes};
use super::generator::{Generator, Request, Touch};
use super::metadata::read_link;
use crate::error::Result;
use crate::flist::{eflag, Segment};
use crate::plan::{AltDest, DeleteWhen};
use crate::report::item::iflag;
use crate::tree::Stat;

/// The prefix of a munged link (spec: options 2.3).
pub const MUNGE: &[u8] = b"/rsyncd-munged/";

fn missing(error: &io::Error) -> bool {
    error.raw_os_error() == Some(2)
}

impl Generator {
    /// Status of what is at `rel`; `Ok(None)` if nothing is.
    fn look(&self, rel: &[u8], dir_wanted: bool) -> io::Result<Option<Stat>> {
        if self.dest.void {
            return Ok(None);
        }
        let stat = match self.dest.lstat(rel) {
            Ok(stat) => stat,
            Err(e) if missing(&e) => return Ok(None),
            Err(e) if self.dry_run && e.raw_os_error() == Some(20) => return Ok(None),
            Err(e) => return Err(e),
        };
        if stat.is_symlink() && dir_wanted && self.plan.keep_dirlinks {
            match self.dest.root.stat_follow(rel) {
                Ok(behind) if behind.is_dir() => return Ok(Some(behind)),
                _ => {}
            }
        }
        Ok(Some(stat))
    }

    fn daemon_refuses(&mut self, rel: &[u8], dir: bool) -> bool {
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

    fn skip_note(&self, text: &[u8]) {
        if self.plan.info.skip > 0 {
            self.report.info(text);
        }
    }

    /// `N exists`, with what would have been done at the higher level (spec: transfer 3.8).
    fn exists_note(&mut self, segment: &Segment, i: usize, rel: &[u8], found: Option<&Stat>) {
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
                && segment
                    .link_target(i)
                    .is_some_and(|t| self.dest.root.read_link(rel).map_or(true, |now| now != t))
            {
                b" (file change)"
            } else if item_flags(&self.plan, &want, Some(stat), 0, false) != 0 {
                b" (attr change)"
            } else {
                b" (uptodate)"
            };
            text.extend_from_slice(suffix);
        }
        self.report.info(text);
    }

    fn not_creating(&self, rel: &[u8], dir: bool) {
        let kind: &[u8] = if dir { b"directory" } else { b"file" };
        self.skip_note(&[b"not creating new ".as_slice(), kind, b" \"", rel, b"\""].concat());
    }

    fn contents_skipped(&self) {
        self.report
            .error_xfer("*** Skipping any contents from this failed directory ***");
    }

    // ---- directories

    /// A directory seen in its parent's list: made now so that the parent's mtime settles (spec: transfer 3.1.2).
    pub(super) fn early_directory(&mut self, segment: &Arc<Segment>, i: usize) -> Result<()> {
        let rel = self.dest.name(segment, i);
        if self.dry_run || self.plan.list_only || self.plan.existing || self.filters.daemon_hides(&rel, true) {
            return Ok(());
        }
        if segment.entry(i).has(eflag::IMPLIED) && !self.plan.implied_dirs {
            return Ok(());
        }
        let stat = self.look(&rel, true).unwrap_or(None);
        match stat {
            Some(stat) if stat.is_dir() => Ok(()),
            Some(_) if self.plan.ignore_existing => Ok(()),
            Some(stat) => {
                if self.deleter.make_way(&rel, stat.mode, "directory")? {
                    self.make_early(&rel);
                } else {
                    self.contents_skipped();
                    self.skip_below(&rel);
                }
                Ok(())
            }
            None => {
                self.make_early(&rel);
                Ok(())
            }
        }
    }

    fn make_early(&mut self, rel: &[u8]) {
        if self.dest.root.mkdir(rel, 0o700).is_ok() {
            self.created_early();
        }
    }

    /// A directory at the place of its own contents. `contents` is the list that holds them. `None`: it failed, and
    /// what is below it is skipped.
    pub(super) fn directory(
        &mut self,
        segment: &Arc<Segment>,
        i: usize,
        ndx: i32,
        created: bool,
        contents: &Arc<Segment>,
    ) -> Result<Option<Touch>> {
        let rel = self.dest.name(segment, i);
        let created = created || self.dest.created && rel == b".";
        let entry = *segment.entry(i);
        if self.daemon_refuses(&rel, true) {
            self.contents_skipped();
            self.skip_below(&rel);
            return Ok(None);
        }
        let found = match self.look(&rel, true) {
            Ok(found) => found,
            Err(error) => {
                self.report.check()?;
                let text = [b"recv_generator: failed to stat ".as_slice(), &self.dest.display(&rel)].concat();
                self.report.sys_error("generator", text, &error);
                self.skip_below(&rel);
                return Ok(None);
            }
        };
        if entry.has(eflag::IMPLIED) && !self.plan.implied_dirs {
            // Only a place on the way: made when something below needs it.
            return Ok(Some(self.untouched(segment, i, &rel, found.as_ref())));
        }
        if self.plan.existing && found.is_none() {
            self.not_creating(&rel, true);
            self.skip_below(&rel);
            return Ok(None);
        }
        if self.plan.ignore_existing && found.is_some_and(|s| !s.is_dir()) {
            self.exists_note(segment, i, &rel, found.as_ref());
            self.skip_below(&rel);
            return Ok(None);
        }
        let mut now = found;
        if let Some(stat) = now.filter(|s| !s.is_dir()) {
            if !self.deleter.make_way(&rel, stat.mode, "directory")? {
                self.contents_skipped();
                self.skip_below(&rel);
                return Ok(None);
            }
            now = None;
        }
        let fresh = created || now.is_none();
        let real = if created { None } else { now };
        let mut want = self.dest.wanted(segment, i, real.as_ref());
        if fresh && !self.plan.perms {
            // A set-gid parent hands its bit down.
            if let Some(stat) = now {
                want.mode |= stat.mode & 0o2000;
            }
        }
        let mut compared = real;
        let mut place = self.dest.root.clone();
        let mut base = 0;
        if real.is_none() && self.plan.alt_dest != AltDest::None {
            if let Some((root, stat)) = self.alt_directory(segment, i, &rel) {
                place = root;
                compared = Some(stat);
                base = iflag::LOCAL_CHANGE;
                if self.plan.info.name > 1 && !self.plan.itemize {
                    self.report.info([rel.as_slice(), b"/ is uptodate"].concat());
                }
            }
        }
        let flags = item_flags(&self.plan, &want, compared.as_ref(), base, false);
        let flags = self.metadata_flags(&place, &rel, &want, compared.as_ref(), flags);
        let deletes = self.plan.delete_during() && entry.has_contents() && !(self.dry_run && real.is_none());
        // On the wire deletions are messages, which 3.5.0 writes before the item that still waits in its buffer.
        let late = deletes && real.is_some() && matches!(self.output, super::generator::Output::Wire(_));
        if !late {
            self.item(segment, i, ndx, flags, None)?;
        }
        if now.is_none() && !self.dry_run {
            let mut result = self.dest.root.mkdir(&rel, self.dest.real_mode(want.mode) & 0o7777);
            if matches!(&result, Err(e) if missing(e)) && self.plan.relative {
                self.dest.make_parents(&rel);
                result = self.dest.root.mkdir(&rel, self.dest.real_mode(want.mode) & 0o7777);
            }
            if let Err(error) = result {
                if error.raw_os_error() != Some(17) {
                    let text = [
                        b"recv_generator: mkdir ".as_slice(),
                        &self.dest.display(&rel),
                        b" failed",
                    ]
                    .concat();
                    self.report.sys_error("generator", text, &error);
                    self.contents_skipped();
                    self.skip_below(&rel);
                    return Ok(None);
                }
            }
            now = self.dest.lstat(&rel).ok();
            if !self.plan.perms {
                if let Some(stat) = now {
                    want.mode |= stat.mode & 0o2000;
                }
            }
        }
        let before = real.map(|s| s.mtime_pair());
        let (mut ours, mut widened) = (true, false);
        if let Some(stat) = now.filter(|_| !self.dry_run) {
            let settled = if real.is_some() { want.settled(flags) } else { want };
            ours = self
                .dest
                .set_attrs(
                    &rel,
                    &settled,
                    &stat,
                    SetTimes {
                        exact: false,
                        skip: true,
                    },
                )
                .is_some();
            if ours && !self.plan.root_like() && want.mode & 0o700 != 0o700 {
                widened = self.dest.root.chmod(&rel, want.mode | 0o700).is_ok();
            }
        }
        if deletes {
            let delay = self.plan.delete == DeleteWhen::Delay;
            let contents = Arc::clone(contents);
            self.delete_in(&rel, &contents, delay)?;
        }
        if late {
            self.item(segment, i, ndx, flags, None)?;
        }
        Ok(Some(Touch {
            rel,
            want,
            before,
            times: ours,
            mode: widened,
        }))
    }

    /// A directory that is left as it is found.
    fn untouched(&self, segment: &Segment, i: usize, rel: &[u8], now: Option<&Stat>) -> Touch {
        let mut want = self.dest.wanted(segment, i, now);
        if let Some(stat) = now {
            want.mode = stat.mode;
            (want.mtime, want.mtime_nsec) = stat.mtime_pair();
        }
        Touch {
            rel: rel.to_vec(),
            want,
            before: None,
            times: false,
            mode: false,
        }
    }

    // ---- everything else

    /// One entry that is no directory.
    pub(super) fn entry(&mut self, segment: &Arc<Segment>, i: usize, ndx: i32) -> Result<()> {
        let rel = self.dest.name(segment, i);
        let entry = *segment.entry(i);
        let mode = entry.mode;
        self.link_visit(segment, i);
        if self.daemon_refuses(&rel, false) {
            return self.hlink_skipped(segment, i);
        }
        let found = match self.look(&rel, false) {
            Ok(found) => found,
            Err(error) => {
                self.report.check()?;
                let text = [b"recv_generator: failed to stat ".as_slice(), &self.dest.display(&rel)].concat();
                self.report.sys_error("generator", text, &error);
                return self.hlink_skipped(segment, i);
            }
        };
        if entry.has(eflag::MISSING_ARG) {
            if found.is_some() {
                self.deleter.remove_missing(&rel, &mut self.filters)?;
            }
            return Ok(());
        }
        if found.is_none() && self.plan.relative && !self.plan.implied_dirs && !self.dry_run {
            let (dir, _) = split_name(&rel);
            if !dir.is_empty() && self.dest.root.lstat(dir).is_err() {
                self.dest.make_parents(&rel);
            }
        }
        if self.plan.existing && found.is_none() {
            self.not_creating(&rel, false);
            return self.hlink_skipped(segment, i);
        }
        if self.plan.ignore_existing && found.is_some() {
            self.exists_note(segment, i, &rel, found.as_ref());
            return self.hlink_skipped(segment, i);
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

    fn symlink(&mut self, segment: &Arc<Segment>, i: usize, ndx: i32, rel: &[u8], found: Option<Stat>) -> Result<()> {
        let Some(listed) = segment.link_target(i) else {
            return Ok(());
        };
        let mut target = listed.to_vec();
        if self.plan.safe_links && unsafe_link(&target, &segment.name(i)) {
            if self.plan.info.name > 0 || self.plan.info.symsafe > 0 {
                let text = [
                    b"ignoring unsafe symlink \"".as_slice(),
                    rel,
                    b"\" -> \"",
                    &target,
                    b"\"",
                ]
                .concat();
                self.report.info(text);
            }
            return Ok(());
        }
        if self.plan.sanitize_paths && !self.plan.munge_links {
            target = sanitize_target(&target, rel);
        }
        if self.plan.munge_links && !self.plan.local {
            target = [MUNGE, &target].concat();
        }
        let want = self.dest.wanted(segment, i, found.as_ref());
        if let Some(stat) = found.filter(Stat::is_symlink) {
            if read_link(&self.dest.root, rel, self.plan.fake_super).is_ok_and(|now| now == target) {
                let flags = item_flags(&self.plan, &want, Some(&stat), 0, false);
                let flags = self.metadata_flags(&self.dest.root, rel, &want, Some(&stat), flags);
                self.dest
                    .set_attrs(rel, &want.settled(flags), &stat, SetTimes::default());
                self.item(segment, i, ndx, flags, None)?;
                self.link_ready(segment, i, ndx)?;
                if self.plan.remove_source_files {
                    self.succeeded(segment, i, ndx, false)?;
                }
                return Ok(());
            }
        }
        let mut compared = found.filter(Stat::is_symlink);
        let mut place = self.dest.root.clone();
        if found.is_none() && self.plan.alt_dest != AltDest::None {
            match self.alt_other(segment, i, ndx, rel, Some(&target))? {
                super::basis::AltOther::Settled => return Ok(()),
                super::basis::AltOther::Compared(root, stat) => {
                    place = root;
                    compared = Some(stat);
                }
                super::basis::AltOther::Nothing => {}
            }
        }
        let same_kind = found.is_some_and(|s| s.is_symlink());
        let same = found.is_none() && compared.is_some();
        let flags = iflag::LOCAL_CHANGE | if same { 0 } else { iflag::CHANGE };
        let shown = if same_kind || compared.is_some() {
            compared.or(found)
        } else {
            None
        };
        let flags = item_flags(&self.plan, &want, shown.as_ref(), flags, same);
        let flags = self.metadata_flags(&place, rel, &want, shown.as_ref(), flags);
        let target_ref = target.as_slice();
        let dest = self.dest.clone();
        let made = self.replace(
            rel,
            found,
            "symlink",
            |root, name| dest.symlink(root, target_ref, name),
            |rel, this| {
                [
                    b"symlink ".as_slice(),
                    &this.dest.display(rel),
                    b" -> \"",
                    target_ref,
                    b"\" failed",
                ]
                .concat()
            },
        )?;
        if !made {
            return Ok(());
        }
        self.finish_made(rel, &want);
        self.item(segment, i, ndx, flags, None)?;
        self.link_ready(segment, i, ndx)?;
        self.succeeded(segment, i, ndx, true)
    }

    fn node(&mut self, segment: &Arc<Segment>, i: usize, ndx: i32, rel: &[u8], found: Option<Stat>) -> Result<()> {
        let entry = *segment.entry(i);
        let device = is_device(entry.mode);
        let (major, minor) = if device { segment.rdev(i) } else { (0, 0) };
        let want = self.dest.wanted(
            segment,
            i,
            found.as_ref().filter(|s| (s.mode ^ entry.mode) & S_IFMT == 0),
        );
        let same_kind = found.filter(|s| (s.mode ^ entry.mode) & S_IFMT == 0);
        if let Some(stat) = same_kind {
            if !device || (stat.rdev_major, stat.rdev_minor) == (major, minor) {
                let flags = item_flags(&self.plan, &want, Some(&stat), 0, false);
                let flags = self.metadata_flags(&self.dest.root, rel, &want, Some(&stat), flags);
                self.dest
                    .set_attrs(rel, &want.settled(flags), &stat, SetTimes::default());
                self.item(segment, i, ndx, flags, None)?;
                self.link_ready(segment, i, ndx)?;
                if self.plan.remove_source_files {
                    self.succeeded(segment, i, ndx, false)?;
                }
                return Ok(());
            }
        }
        let mut compared = same_kind;
        let mut place = self.dest.root.clone();
        if found.is_none() && self.plan.alt_dest != AltDest::None {
            match self.alt_other(segment, i, ndx, rel, None)? {
                super::basis::AltOther::Settled => return Ok(()),
                super::basis::AltOther::Compared(root, stat) => {
                    place = root;
                    compared = Some(stat);
                }
                super::basis::AltOther::Nothing => {}
            }
        }
        let same = found.is_none() && compared.is_some();
        let flags = iflag::LOCAL_CHANGE | if same { 0 } else { iflag::CHANGE };
        let flags = item_flags(&self.plan, &want, compared.as_ref(), flags, same);
        let flags = self.metadata_flags(&place, rel, &want, compared.as_ref(), flags);
        let kind = if device { "device file" } else { "special file" };
        let mode = want.mode;
        let dest = self.dest.clone();
        let made = self.replace(
            rel,
            found,
            kind,
            |root, name| dest.mknod(root, name, mode & S_IFMT | mode & 0o700, major, minor),
            |rel, this| [b"mknod ".as_slice(), &this.dest.display(rel), b" failed"].concat(),
        )?;
        if !made {
            return Ok(());
        }
        self.finish_made(rel, &want);
        self.item(segment, i, ndx, flags, None)?;
        self.link_ready(segment, i, ndx)?;
        self.succeeded(segment, i, ndx, true)
    }

    /// Make an object that is not a file: under a temporary name and renamed if something is there, else directly.
    /// `false` when it failed (reported).
    pub(super) fn replace(
        &mut self,
        rel: &[u8],
        found: Option<Stat>,
        kind: &str,
        make: impl Fn(&crate::tree::Root, &[u8]) -> io::Result<()>,
        failed: impl Fn(&[u8], &Self) -> Vec<u8>,
    ) -> Result<bool> {
        if self.dry_run {
            if let Some(stat) = found.filter(Stat::is_dir) {
                return self.deleter.make_way(rel, stat.mode, kind);
            }
            return Ok(true);
        }
        let result = match found {
            Some(stat) if stat.is_dir() => {
                if !self.deleter.make_way(rel, stat.mode, kind)? {
                    return Ok(false);
                }
                make(&self.dest.root, rel)
            }
            Some(_) => {
                if self.plan.backup && !self.dest.backup_before_overwrite(rel)? {
                    return Ok(false);
                }
                match self.dest.root.make_temp(rel, |root, name| make(root, name)) {
                    Ok(temp) => {
                        let renamed = self.dest.root.rename(&temp, rel);
                        if renamed.is_err() {
                            let _ = self.dest.root.unlink(&temp);
                        }
                        renamed
                    }
                    Err(e) => Err(e),
                }
            }
            None => {
                let result = make(&self.dest.root, rel);
                if matches!(&result, Err(e) if missing(e)) && self.plan.relative {
                    self.dest.make_parents(rel);
                    make(&self.dest.root, rel)
                } else {
                    result
                }
            }
        };
        match result {
            Ok(()) => Ok(true),
            Err(error) => {
                let text = failed(rel, self);
                self.report.sys_error("generator", text, &error);
                Ok(false)
            }
        }
    }

    /// Attributes of something that was just made.
    fn finish_made(&mut self, rel: &[u8], want: &Wanted) {
        if self.dry_run {
            return;
        }
        if let Ok(stat) = self.dest.lstat(rel) {
            self.dest.set_attrs(
                rel,
                want,
                &stat,
                SetTimes {
                    exact: true,
                    skip: false,
                },
            );
        }
    }

    // ---- regular files (spec: transfer 3.4)

    /// Size and content look the same as what is listed.
    pub(super) fn quick_check(
        &mut self,
        segment: &Segment,
        i: usize,
        root: &crate::tree::Root,
        name: &[u8],
        stat: &Stat,
    ) -> bool {
        let entry = segment.entry(i);
        if stat.size != entry.len {
            return false;
        }
        if self.plan.checksum {
            let Some(listed) = segment.checksum(i) else {
                return false;
            };
            let Ok(mut file) = root.open_read(name, false) else {
                return false;
            };
            return super::scan::sum_file(&mut file, self.plan.file_sum, &mut self.buffer)
                .is_ok_and(|sum| sum == listed);
        }
        if self.plan.size_only {
            return true;
        }
        if self.plan.ignore_times {
            return false;
        }
        same_time(
            self.plan.modify_window,
            (entry.mtime, entry.mtime_nsec),
            stat.mtime_pair(),
        )
    }

    pub(super) fn regular_again(&mut self, segment: &Arc<Segment>, i: usize, ndx: i32) -> Result<()> {
        let rel = self.dest.name(segment, i);
        let found = self.look(&rel, false).unwrap_or(None);
        self.regular(segment, i, ndx, rel, found, true)
    }

    pub(super) fn regular(
        &mut self,
        segment: &Arc<Segment>,
        i: usize,
        ndx: i32,
        rel: Vec<u8>,
        found: Option<Stat>,
        redo: bool,
    ) -> Result<()> {
        let entry = *segment.entry(i);
        let plan = Arc::clone(&self.plan);
        if !redo {
            if plan.max_size.is_some_and(|max| entry.len > max) {
                self.skip_note(&[rel.as_slice(), b" is over max-size"].concat());
                return self.hlink_skipped(segment, i);
            }
            if plan.min_size.is_some_and(|min| entry.len < min) {
                self.skip_note(&[rel.as_slice(), b" is under min-size"].concat());
                return self.hlink_skipped(segment, i);
            }
            if plan.update {
                if let Some(stat) = found.filter(Stat::is_file) {
                    if entry.mtime.saturating_sub(stat.mtime) < plan.modify_window {
                        self.skip_note(&[rel.as_slice(), b" is newer"].concat());
                        return self.hlink_skipped(segment, i);
                    }
                }
            }
        }
        let mut found = found;
        let writes_device = plan.write_devices && found.is_some_and(|s| s.is_device());
        if let Some(stat) = found.filter(|s| !s.is_file() && !writes_device) {
            if !self.deleter.make_way(&rel, stat.mode, "regular file")? {
                return self.hlink_skipped(segment, i);
            }
            found = None;
        }
        // ---- alternate directories
        let mut alt_basis = None;
        let mut compared = found;
        if plan.alt_dest != AltDest::None && !redo {
            match self.alt_regular(segment, i, ndx, &rel, found)? {
                super::basis::AltFile::Settled => {
                    self.link_ready(segment, i, ndx)?;
                    return Ok(());
                }
                super::basis::AltFile::Basis(basis, stat) => {
                    if found.is_none() {
                        compared = Some(stat);
                        alt_basis = Some(basis);
                    }
                }
                super::basis::AltFile::Nothing => {}
            }
        }
        // ---- the partial copy
        let mut partial = None;
        if let Some((root, name)) = self.dest.partial_name(&rel) {
            if let Ok(stat) = root.lstat(&name) {
                if stat.is_file() {
                    partial = Some((root.clone(), name, stat));
                }
            }
        }
        let want = self.dest.wanted(segment, i, found.as_ref());
        if let (Some(stat), false) = (found, writes_device) {
            let root = self.dest.root.clone();
            if !redo && self.quick_check(segment, i, &root, &rel, &stat) {
                if partial.is_some() && !self.dry_run {
                    self.dest.drop_partial(&rel);
                }
                let flags = item_flags(&plan, &want, Some(&stat), 0, false);
                let flags = self.metadata_flags(&root, &rel, &want, Some(&stat), flags);
                let exact = plan.checksum;
                self.dest
                    .set_attrs(&rel, &want.settled(flags), &stat, SetTimes { exact, skip: false });
                let flags = self.without_mode_of_acl(&rel, &want, &stat, flags);
                self.item(segment, i, ndx, flags, None)?;
                self.link_ready(segment, i, ndx)?;
                if plan.remove_source_files {
                    self.succeeded(segment, i, ndx, false)?;
                }
                return Ok(());
            }
            if !redo && plan.append > 0 && stat.size >= entry.len {
                self.link_ready(segment, i, ndx)?;
                return Ok(());
            }
        }
        // ---- a request
        let mut basis = alt_basis;
        if let Some((root, name, stat)) = partial {
            basis = Some(super::generator::Basis {
                kind: super::generator::basis::PARTIAL,
                root,
                name,
                size: stat.size,
                xname: None,
            });
        } else if let Some(stat) = found {
            basis = Some(super::generator::Basis {
                kind: super::generator::basis::ITSELF,
                root: self.dest.root.clone(),
                name: rel.clone(),
                size: stat.size,
                xname: None,
            });
        } else if basis.is_none() && plan.fuzzy > 0 {
            basis = self.fuzzy_basis(segment, i, &rel);
        }
        let mut flags = iflag::TRANSFER;
        if plan.checksum && compared.is_some() {
            flags |= iflag::CHANGE;
        }
        let flags = item_flags(&plan, &want, compared.as_ref(), flags, false);
        let place = basis
            .as_ref()
            .filter(|b| found.is_none() && b.kind < 0x80)
            .map_or(&self.dest.root, |b| &b.root);
        let flags = self.metadata_flags(place, &rel, &want, compared.as_ref(), flags);
        self.link_requested(segment, i);
        let request = Request {
            segment: Arc::clone(segment),
            i,
            ndx,
            rel,
            iflags: flags,
            basis,
            redo,
            exists: found,
        };
        self.request(request)
    }

    // ---- ACLs and extended attributes

    /// A new ACL has brought the mode along: that is not told as a change of its own (observed).
    fn without_mode_of_acl(&self, rel: &[u8], want: &Wanted, before: &Stat, flags: u16) -> u16 {
        let both = iflag::ACL | iflag::PERMS;
        if flags & both != both || self.dry_run || (before.mode ^ want.mode) & 0o7000 != 0 {
            return flags;
        }
        match self.dest.lstat(rel) {
            Ok(now) if now.mode & 0o777 == want.mode & 0o777 => flags & !iflag::PERMS,
            _ => flags,
        }
    }

    /// Add the bits for ACLs and extended attributes: how the file at `rel` beneath `root` differs.
    pub(super) fn metadata_flags(
        &self,
        root: &crate::tree::Root,
        rel: &[u8],
        want: &Wanted,
        now: Option<&Stat>,
        flags: u16,
    ) -> u16 {
        flags | self.dest.metadata_flags(root, rel, want, now)
    }
}

/// Take what climbs out of a link's target (spec: daemon 7.4).
fn sanitize_target(target: &[u8], _rel: &[u8]) -> Vec<u8> {
    let mut rest = target;
    while let Some(tail) = rest.strip_prefix(b"/") {
        rest = tail;
    }
    while rest == b".." || rest.starts_with(b"../") {
        rest = rest.strip_prefix(b"../").unwrap_or(b"");
        while let Some(tail) = rest.strip_prefix(b"/") {
            rest = tail;
        }
    }
    if rest.is_empty() {
        b".".to_vec()
    } else {
        rest.to_vec()
    }
}

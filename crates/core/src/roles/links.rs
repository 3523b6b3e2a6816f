//! Hard links on the receiving side (spec: transfer 8).

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::compare::{is_link, is_reg, item_flags, S_IFMT};
use super::generator::Generator;
use crate::error::{sys_text, Result};
use crate::flist::Segment;
use crate::plan::AltDest;
use crate::role::Role;
use crate::tree::{Root, Stat};
use crate::wire::item::ItemFlags;

/// One group of names for one file.
#[derive(Default)]
struct Group {
    /// Members that are listed so far and not yet visited.
    unseen: usize,
    /// Name of the member that is in place.
    leader: Option<Vec<u8>>,
    /// The leader was told of as one whose attributes differ, and nothing else of it comes: they are set by the receiver,
    /// which has not done so when the others are linked (observed).
    attributes_to_come: bool,
    /// In a dry run: the file in an alternate directory that the leader would be a link to.
    alternate: Option<Stat>,
    /// A member is being transferred.
    busy: bool,
    /// One of those that wait is being made the leader.
    choosing: bool,
    /// Missing members that came before the one which is transferred.
    waiting: Vec<(Arc<Segment>, usize, i32)>,
    /// Members that came while it was.
    following: Vec<(Arc<Segment>, usize, i32)>,
}

/// All groups of a run.
#[derive(Default)]
pub struct Groups {
    by_number: HashMap<u32, Group>,
    /// Members whose data is there, but of which rsync's generator would not have heard yet.
    unheard: Vec<(Arc<Segment>, usize, i32, bool)>,
}

/// How many finished members wait before the others are linked to them.
const UNHEARD: usize = 256;

impl Groups {
    /// A list has come: count its members.
    pub fn announce(&mut self, segment: &Segment) {
        for i in 0..segment.len() {
            if !segment.entry(i).is_active() {
                continue;
            }
            if let Some(number) = segment.hlink(i) {
                self.by_number.entry(number).or_default().unseen += 1;
            }
        }
    }

    /// Other names are still to be linked to a file that is finished.
    pub fn has_unheard(&self) -> bool {
        !self.unheard.is_empty()
    }

    fn group(&mut self, segment: &Segment, i: usize) -> Option<&mut Group> {
        let number = segment.hlink(i)?;
        Some(self.by_number.entry(number).or_default())
    }
}

impl Generator {
    /// A member comes up, whatever becomes of it.
    pub(super) fn link_visit(&mut self, segment: &Segment, i: usize) {
        if !self.plan.hard_links {
            return;
        }
        if let Some(group) = self.groups.group(segment, i) {
            group.unseen = group.unseen.saturating_sub(1);
        }
    }

    /// Nothing of a list is done: its members lead no group, and none waits for them.
    pub(super) fn links_passed_over(&mut self, segment: &Arc<Segment>) -> Result<()> {
        if !self.plan.hard_links {
            return Ok(());
        }
        for i in 0..segment.len() {
            if segment.entry(i).is_active() {
                self.link_visit(segment, i);
                self.hlink_skipped(segment, i)?;
            }
        }
        Ok(())
    }

    /// A member comes up. `true`: it is dealt with (linked, or put off).
    pub(super) fn link_check(
        &mut self,
        segment: &Arc<Segment>,
        i: usize,
        ndx: i32,
        rel: &[u8],
        found: Option<&Stat>,
    ) -> Result<bool> {
        // What is no file there does not lead, whether it can be replaced or not (observed).
        let none = found.is_none_or(|stat| segment.entry(i).is_file() && !stat.is_file());
        let elsewhere = found.is_none() && self.alt_has(rel);
        let Some(group) = self.groups.group(segment, i) else {
            return Ok(false);
        };
        if let Some(leader) = group.leader.clone() {
            self.link_to(segment, i, ndx, rel, &leader)?;
            return Ok(true);
        }
        if group.busy {
            group.following.push((Arc::clone(segment), i, ndx));
            self.put_off(ndx);
            return Ok(true);
        }
        // Only data is worth waiting for: a link or a node is made at once, and so is what looks like a name that is
        // there (observed).
        let waits = none && group.unseen > 0 && !elsewhere && segment.entry(i).is_file();
        let looks = self.plan.fuzzy > 0 && self.plan.append == 0;
        let similar = waits && looks && found.is_none() && self.has_similar(segment, i, rel);
        let Some(group) = self.groups.group(segment, i).filter(|_| !similar) else {
            return Ok(false);
        };
        if none && group.unseen > 0 && !elsewhere && segment.entry(i).is_file() {
            group.waiting.push((Arc::clone(segment), i, ndx));
            self.put_off(ndx);
            if let Some(stat) = found {
                // What is in the way goes now; if it can't, that is said when the name is linked (observed).
                self.make_way(rel, stat.mode, "regular file")?;
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// The copy of a member in an alternate directory, if it would do for it.
    fn alt_stat(&mut self, segment: &Segment, i: usize, rel: &[u8]) -> Option<(Root, Stat)> {
        let entry = *segment.entry(i);
        if self.plan.alt_dest == AltDest::Copy && !entry.is_file() {
            return None;
        }
        for root in self.alt_roots.clone().iter().flatten() {
            if let Ok(stat) = self.dest.lstat_in(root, rel) {
                let same_kind = (stat.mode ^ entry.mode) & S_IFMT == 0;
                if same_kind && (!entry.is_file() || self.quick_check(segment, i, root, rel, &stat)) {
                    return Some((root.clone(), stat));
                }
            }
        }
        None
    }

    fn alt_has(&self, rel: &[u8]) -> bool {
        self.alt_roots.iter().flatten().any(|root| root.lstat(rel).is_ok())
    }

    /// The data of a member was asked for.
    pub(super) fn link_requested(&mut self, segment: &Segment, i: usize) {
        if !self.plan.hard_links {
            return;
        }
        if let Some(group) = self.groups.group(segment, i) {
            group.busy = true;
        }
    }

    /// A member would be a link to this file in an alternate directory.
    pub(super) fn link_alternate(&mut self, segment: &Segment, i: usize, stat: Stat) {
        if self.plan.hard_links && self.dry_run {
            if let Some(group) = self.groups.group(segment, i) {
                group.alternate = Some(stat);
            }
        }
    }

    /// What was told of a member that is in place.
    pub(super) fn link_told(&mut self, segment: &Segment, i: usize, flags: ItemFlags) {
        if self.plan.hard_links && flags.contains(ItemFlags::XATTR) {
            if let Some(group) = self.groups.group(segment, i) {
                group.attributes_to_come = true;
            }
        }
    }

    /// A member is in place without a transfer: the others can be linked to it.
    pub(super) fn link_ready(&mut self, segment: &Arc<Segment>, i: usize, _ndx: i32) -> Result<()> {
        if !self.plan.hard_links {
            return Ok(());
        }
        self.link_finished(segment, i, true)
    }

    /// A member's transfer has ended. rsync's generator is far ahead of the process that writes, and hears of a finished
    /// file when it has nothing else to do; the names that are linked come in that order here too.
    pub(super) fn link_later(&mut self, segment: Arc<Segment>, i: usize, ndx: i32, good: bool) -> Result<()> {
        if self.dry_run {
            return self.link_finished(&segment, i, good);
        }
        self.put_off(ndx);
        self.groups.unheard.push((segment, i, ndx, good));
        if self.groups.unheard.len() >= UNHEARD && !self.plan.delay_updates {
            self.link_unheard()?;
        }
        Ok(())
    }

    /// Link what waits for members that are finished.
    pub(super) fn link_unheard(&mut self) -> Result<()> {
        loop {
            self.all_written()?;
            if self.groups.unheard.is_empty() {
                return Ok(());
            }
            for (segment, i, ndx, good) in std::mem::take(&mut self.groups.unheard) {
                self.link_finished(&segment, i, good)?;
                self.take_up(ndx);
            }
        }
    }

    /// A member's transfer has ended.
    pub(super) fn link_finished(&mut self, segment: &Arc<Segment>, i: usize, good: bool) -> Result<()> {
        let name = self.dest.name(segment, i);
        let Some(group) = self.groups.group(segment, i) else {
            return Ok(());
        };
        group.busy = false;
        if good {
            group.leader = Some(name.clone());
            let waiting = std::mem::take(&mut group.waiting);
            let following = std::mem::take(&mut group.following);
            for (segment, i, ndx) in following.into_iter().chain(waiting.into_iter().rev()) {
                let rel = self.dest.name(&segment, i);
                // Another one may lead by now, where a link to the first could not be made.
                let leader = self.groups.group(&segment, i).and_then(|group| group.leader.clone());
                self.link_to(&segment, i, ndx, &rel, leader.as_ref().unwrap_or(&name))?;
                self.take_up(ndx);
            }
            return Ok(());
        }
        self.choose_leader(segment, i)
    }

    /// The next one that waits leads; members that are passed over give way to the one before them.
    fn choose_leader(&mut self, segment: &Arc<Segment>, i: usize) -> Result<()> {
        let too_late = self.is_too_late_to_ask();
        loop {
            let Some(group) = self.groups.group(segment, i) else {
                return Ok(());
            };
            if group.choosing || group.busy || group.leader.is_some() {
                return Ok(());
            }
            let following = std::mem::take(&mut group.following);
            group.waiting.extend(following);
            let Some((next, k, ndx)) = group.waiting.pop() else {
                return Ok(());
            };
            if too_late {
                // The file could not be moved to its name (`--delay-updates`), and so its other names are not made.
                let shown = self.dest.display(&self.dest.name(&next, k));
                let leader = self.dest.name(segment, i);
                let text = [
                    b"rsync: [generator] link ".as_slice(),
                    &shown,
                    b" => ",
                    &leader,
                    b" failed: the file is not in place",
                ];
                self.report.error_xfer(text.concat());
                self.take_up(ndx);
                continue;
            }
            group.choosing = true;
            let rel = self.dest.name(&next, k);
            let found = self.dest.lstat(&rel).ok();
            let result = self.regular(&next, k, ndx, rel, found, false);
            // Asked for, its list is kept open by what is under way.
            self.take_up(ndx);
            if let Some(group) = self.groups.group(segment, i) {
                group.choosing = false;
            }
            result?;
        }
    }

    /// A member was passed over: another one leads.
    pub(super) fn hlink_skipped(&mut self, segment: &Arc<Segment>, i: usize) -> Result<()> {
        if self.plan.hard_links && self.groups.group(segment, i).is_some_and(|group| group.unseen == 0) {
            return self.choose_leader(segment, i);
        }
        Ok(())
    }

    /// Members that wait for one that never came.
    pub(super) fn link_stragglers(&mut self) -> Result<()> {
        let waiting: Vec<(Arc<Segment>, usize)> = self
            .groups
            .by_number
            .values()
            .filter(|group| !group.busy)
            .filter_map(|group| group.waiting.last().map(|(segment, i, _)| (Arc::clone(segment), *i)))
            .collect();
        for (segment, i) in waiting {
            self.choose_leader(&segment, i)?;
        }
        Ok(())
    }

    /// A member that can't become a name of the leader's file becomes a copy of it, and leads those to come.
    fn make_separate(
        &mut self,
        segment: &Arc<Segment>,
        i: usize,
        ndx: i32,
        rel: &[u8],
        leader: &[u8],
        flags: ItemFlags,
    ) -> Result<()> {
        let mode = segment.entry(i).mode;
        let found = self.dest.lstat(rel).ok();
        if is_link(mode) {
            return self.symlink(segment, i, ndx, rel, found);
        }
        if !is_reg(mode) {
            return self.node(segment, i, ndx, rel, found);
        }
        let source = self.dest.root.open_read(leader, false);
        let source = source.and_then(|file| Ok((crate::tree::stat::of_file(&file)?.size, file)));
        let copied = match source {
            Ok((size, file)) => self.copy_here(segment, i, &file, size, rel, found)?,
            Err(error) => Err(error),
        };
        match copied {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => {
                let text = [
                    b"copy ".as_slice(),
                    &self.dest.display(rel),
                    b" => ",
                    leader,
                    b" failed",
                ]
                .concat();
                self.report.sys_error(Role::Generator, text, &error);
                return Ok(());
            }
        }
        if let Some(group) = self.groups.group(segment, i) {
            group.leader = Some(rel.to_vec());
        }
        self.item(segment, i, ndx, flags, None)?;
        self.retouch_parent(rel);
        if self.plan.remove_source_files || self.plan.remove_sent_files {
            self.succeeded(segment, i, ndx, true)?;
        }
        Ok(())
    }

    /// What a name that is to become a further one of `leader` is shown beside: what is there, or its copy in an
    /// alternate directory. With --link-dest that counts only where it is the leader's very file, which a dry run knows
    /// of files alone (observed).
    fn compared_link(
        &mut self,
        segment: &Segment,
        i: usize,
        rel: &[u8],
        found: Option<Stat>,
        target: Option<Stat>,
    ) -> Option<(Root, Stat)> {
        let entry = *segment.entry(i);
        if let Some(stat) = found {
            // But for a file, whatever can be replaced as it is counts; a dry run has removed nothing (observed).
            let replaced = !entry.is_file() && !stat.is_dir();
            let same_kind = self.dry_run || replaced || (stat.mode ^ entry.mode) & S_IFMT == 0;
            return same_kind.then(|| (self.dest.root.clone(), stat));
        }
        let shown = self.alt_stat(segment, i, rel)?;
        if self.plan.alt_dest == AltDest::Link {
            let leader = match self.groups.group(segment, i)?.alternate {
                Some(stat) => Some(stat),
                None => target,
            };
            return leader.is_some_and(|leader| leader.same_file(&shown.1)).then_some(shown);
        }
        entry.is_file().then_some(shown)
    }

    /// Make `rel` a further name of `leader`.
    fn link_to(&mut self, segment: &Arc<Segment>, i: usize, ndx: i32, rel: &[u8], leader: &[u8]) -> Result<()> {
        let found = self.dest.lstat(rel).ok();
        let target = self.dest.lstat(leader).ok();
        if let (Some(a), Some(b)) = (&found, &target) {
            if a.same_file(b) {
                let want = self.dest.wanted(segment, i, found.as_ref());
                let flags = item_flags(&self.plan, &want, found.as_ref(), ItemFlags::LOCAL_CHANGE, true);
                self.item(segment, i, ndx, flags, Some(b""))?;
                if self.plan.remove_source_files {
                    self.succeeded(segment, i, ndx, false)?;
                }
                return Ok(());
            }
        }
        let shown = self.compared_link(segment, i, rel, found, target);
        let stat = shown.as_ref().map(|(_, stat)| *stat);
        let want = self.dest.wanted(segment, i, stat.as_ref());
        let flags = item_flags(&self.plan, &want, stat.as_ref(), ItemFlags::LOCAL_CHANGE, false);
        let linked = !self.dry_run && found.is_some();
        let flags = if linked {
            flags
        } else {
            let place = shown.map_or_else(|| self.dest.root.clone(), |(root, _)| root);
            self.metadata_flags(&place, rel, &want, stat.as_ref(), flags)
        };
        // Its copy in the alternate directory is the leader's file: nothing is new (observed).
        let known = found.is_none() && stat.is_some() && self.plan.alt_dest == AltDest::Link;
        let made = self.try_replace(rel, found, "regular file", |root, name| root.link(leader, name))?;
        match made {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => {
                let text = [
                    b"link ".as_slice(),
                    &self.dest.display(rel),
                    b" => ",
                    leader,
                    b" failed",
                ]
                .concat();
                if !needs_own_file(&error) {
                    self.report.sys_error(Role::Generator, text, &error);
                    return Ok(());
                }
                if self.plan.info.name > 0 {
                    let why = format!(": {}; it becomes a copy", sys_text(&error));
                    self.report.info([text.as_slice(), why.as_bytes()].concat());
                }
                return self.make_separate(segment, i, ndx, rel, leader, flags);
            }
        }
        // What replaces another file is looked at when it is there: the attributes are then the leader's (observed).
        let flags = match self.dest.lstat(rel) {
            Ok(now) if linked && stat.is_some() => {
                let to_come = self
                    .groups
                    .group(segment, i)
                    .is_some_and(|group| group.attributes_to_come);
                let flags = if to_come { flags | ItemFlags::XATTR } else { flags };
                self.metadata_flags(&self.dest.root, rel, &want, Some(&now), flags)
            }
            _ => flags,
        };
        if !known || self.report.wants_unchanged() {
            if known && !self.plan.itemize {
                // Where lines are no items it is a file like its leader, which is up to date (observed).
                self.item(segment, i, ndx, ItemFlags::LOCAL_CHANGE, Some(b""))?;
            } else {
                self.item(segment, i, ndx, flags, Some(leader))?;
            }
        }
        self.retouch_parent(rel);
        if self.plan.remove_source_files || self.plan.remove_sent_files {
            self.succeeded(segment, i, ndx, true)?;
        }
        Ok(())
    }
}

/// A link could not be made for a reason that lies in the two places or in the file to be linked: too many names,
/// another file system, one without links, or a file that may not be linked.
fn needs_own_file(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errors = [Errno::MLINK, Errno::XDEV, Errno::PERM, Errno::NOSYS, Errno::OPNOTSUPP];
    errors.iter().any(|e| error.raw_os_error() == Some(e.raw_os_error()))
}

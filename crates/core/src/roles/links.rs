//! Hard links on the receiving side (spec: transfer 8).

use std::collections::HashMap;
use std::sync::Arc;

use super::compare::{item_flags, S_IFMT};
use super::generator::Generator;
use crate::error::Result;
use crate::flist::Segment;
use crate::plan::AltDest;
use crate::report::item::iflag;
use crate::tree::{Root, Stat};

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
        let similar = waits && self.plan.fuzzy > 0 && found.is_none() && self.has_similar(segment, i, rel);
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

    /// What was told of a member that is in place.
    pub(super) fn link_told(&mut self, segment: &Segment, i: usize, flags: u16) {
        if self.plan.hard_links && flags & iflag::XATTR != 0 {
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
                self.link_to(&segment, i, ndx, &rel, &name)?;
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

    /// Make `rel` a further name of `leader`.
    fn link_to(&mut self, segment: &Arc<Segment>, i: usize, ndx: i32, rel: &[u8], leader: &[u8]) -> Result<()> {
        let found = self.dest.lstat(rel).ok();
        let target = self.dest.lstat(leader).ok();
        if let (Some(a), Some(b)) = (&found, &target) {
            if a.same_file(b) {
                let want = self.dest.wanted(segment, i, found.as_ref());
                let flags = item_flags(&self.plan, &want, found.as_ref(), iflag::LOCAL_CHANGE, true);
                self.item(segment, i, ndx, flags, Some(b""))?;
                if self.plan.remove_source_files {
                    self.succeeded(segment, i, ndx, false)?;
                }
                return Ok(());
            }
        }
        let entry_kind = segment.entry(i).mode & S_IFMT;
        // A dry run compares with what it has not removed (observed).
        let same_kind = found.filter(|s| self.dry_run || s.mode & S_IFMT == entry_kind);
        // A name that is not here yet is shown beside its copy in an alternate directory.
        let mut place = self.dest.root.clone();
        let same_kind = match (same_kind, &found) {
            (None, None) => self.alt_stat(segment, i, rel).map(|(root, stat)| {
                place = root;
                stat
            }),
            (same_kind, _) => same_kind,
        };
        let want = self.dest.wanted(segment, i, same_kind.as_ref());
        let flags = item_flags(&self.plan, &want, same_kind.as_ref(), iflag::LOCAL_CHANGE, true);
        let linked = !self.dry_run && found.is_some();
        let flags = if linked {
            flags
        } else {
            self.metadata_flags(&place, rel, &want, same_kind.as_ref(), flags)
        };
        // Its copy in the alternate directory is the leader's file: nothing is new (observed).
        let known = found.is_none() && matches!((&same_kind, &target), (Some(a), Some(b)) if a.same_file(b));
        let made = self.replace(
            rel,
            found,
            "regular file",
            |root, name| root.link(leader, name),
            |rel, this| {
                [
                    b"link ".as_slice(),
                    &this.dest.display(rel),
                    b" => ",
                    leader,
                    b" failed",
                ]
                .concat()
            },
        )?;
        if !made {
            return Ok(());
        }
        // What replaces another file is looked at when it is there: the attributes are then the leader's (observed).
        let flags = match self.dest.lstat(rel) {
            Ok(now) if linked && same_kind.is_some() => {
                let to_come = self
                    .groups
                    .group(segment, i)
                    .is_some_and(|group| group.attributes_to_come);
                let flags = if to_come { flags | iflag::XATTR } else { flags };
                self.metadata_flags(&self.dest.root, rel, &want, Some(&now), flags)
            }
            _ => flags,
        };
        if !known || self.report.wants_unchanged() {
            self.item(segment, i, ndx, flags, Some(leader))?;
        }
        self.retouch_parent(rel);
        if self.plan.remove_source_files || self.plan.remove_sent_files {
            self.succeeded(segment, i, ndx, true)?;
        }
        Ok(())
    }
}

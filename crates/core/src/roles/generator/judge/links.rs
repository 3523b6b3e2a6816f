//! Hard-link groups: which member leads, and what the others wait for (spec: transfer 8). No files are touched here.

use std::collections::HashMap;

use crate::flist::{At, Segment};
use crate::tree::Stat;
use crate::wire::item::ItemFlags;

/// One group of names for one file.
#[derive(Default)]
struct Group {
    /// Members that are listed so far and not yet visited.
    unseen: usize,
    /// Name of the member that is in place.
    leader: Option<Vec<u8>>,
    /// The leader was reported as one whose attributes differ, and no data of it comes: the receiver sets them, and has
    /// not done so when the others are linked (observed).
    attributes_to_come: bool,
    /// In a dry run: the file in an alternate directory that the leader would be a link to.
    alternate: Option<Stat>,
    /// A member is being transferred.
    busy: bool,
    /// One of those that wait is being made the leader.
    choosing: bool,
    /// Missing members that were visited before the one that is transferred.
    waiting: Vec<At>,
    /// Members that were visited during the transfer.
    following: Vec<At>,
}

/// What a member of a group is when it is visited.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Member {
    /// Another name of the leader, which is in place.
    Link(Vec<u8>),
    /// It waits for the member that is being transferred.
    Follows,
    /// A later member leads, and it waits for that.
    Waits,
    /// It is judged for itself, and leads once it is in place.
    Leads,
}

/// All groups of a run.
#[derive(Default)]
pub(crate) struct LinkGroups {
    /// `--hard-links`; without it there are no groups.
    on: bool,
    by_number: HashMap<u32, Group>,
    /// Members whose transfer has ended, with success or not. The others are linked to them later.
    finished: Vec<(At, bool)>,
}

impl LinkGroups {
    /// The groups of a run with or without `--hard-links`.
    pub(crate) fn new(on: bool) -> Self {
        Self { on, ..Self::default() }
    }

    fn group(&mut self, at: &At) -> Option<&mut Group> {
        let number = at.hlink().filter(|_| self.on)?;
        Some(self.by_number.entry(number).or_default())
    }

    /// Change the group of an entry, if it belongs to one.
    fn update(&mut self, at: &At, change: impl FnOnce(&mut Group)) {
        if let Some(group) = self.group(at) {
            change(group);
        }
    }

    /// Count the members of a list that has come.
    pub(crate) fn announce(&mut self, list: &Segment) {
        if !self.on {
            return;
        }
        for i in 0..list.len() {
            if !list.entry(i).is_active() {
                continue;
            }
            if let Some(number) = list.hlink(i) {
                self.by_number.entry(number).or_default().unseen += 1;
            }
        }
    }

    /// Called once for each member, before anything is decided about it.
    pub(crate) fn visit(&mut self, at: &At) {
        self.update(at, |group| group.unseen = group.unseen.saturating_sub(1));
    }

    /// What a visited member is. `missing`: nothing at its name could serve as its data, so it may wait for a later
    /// one.
    pub(crate) fn member(&mut self, at: &At, missing: bool) -> Member {
        let Some(group) = self.group(at) else {
            return Member::Leads;
        };
        match &group.leader {
            Some(leader) => Member::Link(leader.clone()),
            None if group.busy => Member::Follows,
            // Only data is worth waiting for: a link or a node is made at once (observed).
            None if missing && group.unseen > 0 && at.entry().is_file() => Member::Waits,
            None => Member::Leads,
        }
    }

    /// The member waits for the one that is being transferred.
    pub(crate) fn follow(&mut self, at: &At) {
        self.update(at, |group| group.following.push(at.clone()));
    }

    /// The member waits for a later one.
    pub(crate) fn wait(&mut self, at: &At) {
        self.update(at, |group| group.waiting.push(at.clone()));
    }

    /// The data of a member was asked for.
    pub(crate) fn start(&mut self, at: &At) {
        self.update(at, |group| group.busy = true);
    }

    /// The transfer of a member named `name` has ended. Returns the members to link to it, in rsync's order: those that
    /// were visited meanwhile, then those that waited, the last first.
    pub(crate) fn finish(&mut self, at: &At, name: &[u8], good: bool) -> Vec<At> {
        let Some(group) = self.group(at) else {
            return Vec::new();
        };
        group.busy = false;
        if !good {
            return Vec::new();
        }
        group.leader = Some(name.to_vec());
        let waiting = std::mem::take(&mut group.waiting);
        let following = std::mem::take(&mut group.following);
        following.into_iter().chain(waiting.into_iter().rev()).collect()
    }

    /// The member that leads in the place of one that failed, if the group needs one and has one.
    pub(crate) fn next_leader(&mut self, at: &At) -> Option<At> {
        let group = self.group(at)?;
        if group.choosing || group.busy || group.leader.is_some() {
            return None;
        }
        let following = std::mem::take(&mut group.following);
        group.waiting.extend(following);
        group.waiting.pop()
    }

    /// Whether a leader of the group is being chosen, which must not begin again meanwhile.
    pub(crate) fn set_choosing(&mut self, at: &At, choosing: bool) {
        self.update(at, |group| group.choosing = choosing);
    }

    /// All members have been visited.
    pub(crate) fn is_complete(&mut self, at: &At) -> bool {
        self.group(at).is_some_and(|group| group.unseen == 0)
    }

    /// Name of the member that is in place.
    pub(crate) fn leader(&mut self, at: &At) -> Option<Vec<u8>> {
        self.group(at)?.leader.clone()
    }

    /// A member that could not be linked is a file of its own, to which later ones are linked.
    pub(crate) fn set_leader(&mut self, at: &At, name: &[u8]) {
        self.update(at, |group| group.leader = Some(name.to_vec()));
    }

    /// In a dry run: a member would be a link to this file in an alternate directory.
    pub(crate) fn note_alternate(&mut self, at: &At, stat: Stat) {
        self.update(at, |group| group.alternate = Some(stat));
    }

    /// The file in an alternate directory that the leader would be a link to.
    pub(crate) fn alternate(&mut self, at: &At) -> Option<Stat> {
        self.group(at)?.alternate
    }

    /// A member that is in place was reported with these flags.
    pub(crate) fn note_item(&mut self, at: &At, flags: ItemFlags) {
        if flags.contains(ItemFlags::XATTR) {
            if let Some(group) = self.group(at) {
                group.attributes_to_come = true;
            }
        }
    }

    /// The attributes of the leader are still to be set.
    pub(crate) fn attributes_to_come(&mut self, at: &At) -> bool {
        self.group(at).is_some_and(|group| group.attributes_to_come)
    }

    /// One waiting member of each group that has no transfer under way.
    pub(crate) fn stragglers(&self) -> Vec<At> {
        let idle = self.by_number.values().filter(|group| !group.busy);
        idle.filter_map(|group| group.waiting.last().cloned()).collect()
    }

    /// Link the others to this member later. Returns how many members wait for that.
    pub(crate) fn defer(&mut self, at: At, good: bool) -> usize {
        self.finished.push((at, good));
        self.finished.len()
    }

    /// Take the members of [`LinkGroups::defer`].
    pub(crate) fn take_deferred(&mut self) -> Vec<(At, bool)> {
        std::mem::take(&mut self.finished)
    }

    /// Names are still to be linked to a file that is finished.
    pub(crate) fn has_deferred(&self) -> bool {
        !self.finished.is_empty()
    }
}

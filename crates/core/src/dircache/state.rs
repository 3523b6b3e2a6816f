//! What the lock of a cache protects.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::listing::Listing;
use super::slots::{Dirty, Path, Slots, Unseen};
use super::{Settings, Status, Why};
use crate::error::Result;
use crate::tree::watch::Watcher;
use crate::tree::Stat;

/// Bytes of memory that an inode with changed links takes.
const RELINKED: usize = 17;
/// After this many of them everything is verified instead.
const MOST_RELINKED: usize = 1 << 20;
/// From this many on, those that every listing was compared with are forgotten.
const PRUNED: usize = 1 << 16;

/// What is known about a directory that a list asks for.
pub(super) enum Known {
    Ready(Arc<Listing>),
    Live(Why),
    /// Another thread reads it.
    Busy,
    /// It must be read first.
    Stale,
}

pub(super) struct State {
    pub settings: Settings,
    pub slots: Slots,
    pub watcher: Option<Watcher>,
    /// The directory of each watch.
    pub by_wd: HashMap<i32, Path>,
    /// Moves when it is unknown what has changed: whatever was read before must be verified.
    pub epoch: u32,
    /// Directories that may have given a file in another directory a further link: they are read first.
    pub pending: BTreeSet<Path>,
    /// Threads that read one of those.
    pub being_read: usize,
    /// Inodes of files with several links, of which one name was seen to change, and when.
    relinked: HashMap<u64, u32>,
    relinked_at: u32,
    /// Number of the last event.
    pub serial: u64,
    /// Cookies of files that were renamed away and have not arrived yet, and what was known of the old name.
    pub moving: Vec<(u32, Option<Unseen>)>,
    /// Names in [`super::slots::Slot::unseen`], at most.
    pub unseen: usize,
    /// Roots of the jobs that have begun.
    pub jobs: BTreeSet<Vec<u8>>,
    /// Watches to end, found while events were read.
    pub unwanted: Vec<i32>,
    /// The root is gone: whatever has its path now is another tree.
    pub lost: bool,
    /// Where the sweep goes on.
    pub swept: Option<Path>,
    pub missed_in_sweep: u64,
    pub figures: Status,
    pub lists_live: BTreeMap<&'static str, u64>,
    pub directories_live: BTreeMap<Why, u64>,
}

impl State {
    pub(super) fn new(settings: Settings, watcher: Option<Watcher>) -> Self {
        Self {
            settings,
            slots: Slots::default(),
            watcher,
            by_wd: HashMap::new(),
            epoch: 0,
            pending: BTreeSet::new(),
            being_read: 0,
            relinked: HashMap::new(),
            relinked_at: 0,
            serial: 0,
            moving: Vec::new(),
            unseen: 0,
            jobs: BTreeSet::new(),
            unwanted: Vec::new(),
            lost: false,
            swept: None,
            missed_in_sweep: 0,
            figures: Status::default(),
            lists_live: BTreeMap::new(),
            directories_live: BTreeMap::new(),
        }
    }

    /// What is known about a directory for a list that asked for it at the time `asked`.
    pub(super) fn known(&mut self, dir: &[u8], asked: Instant) -> Known {
        if self.lost {
            return Known::Live(Why::Unreadable);
        }
        let active = self.is_announced(dir);
        self.compare_links(dir);
        let (epoch, timed, age) = (self.epoch, self.settings.is_timed(), self.settings.max_age);
        let Some(slot) = self.slots.get_mut(dir) else {
            return Known::Stale;
        };
        slot.used = true;
        if slot.busy {
            return Known::Busy;
        }
        let before = asked.saturating_duration_since(slot.verified);
        let old = slot.epoch != epoch || active && asked > slot.verified || timed && before > age;
        match (&slot.listing, slot.live) {
            _ if old || slot.dirty != Dirty::No => Known::Stale,
            // An event ends all reasons but this one.
            (_, Some(Why::Watches)) if before > Duration::from_secs(60) => Known::Stale,
            (_, Some(why)) => Known::Live(why),
            (Some(listing), None) => Known::Ready(Arc::clone(listing)),
            (None, None) => Known::Stale,
        }
    }

    /// Mark the names of files that have got or lost a link elsewhere.
    fn compare_links(&mut self, dir: &[u8]) {
        let at = self.relinked_at;
        let Some(slot) = self.slots.get_mut(dir) else { return };
        // A thread that reads it is about to put another listing here, with other names.
        let Some(listing) = slot.listing.as_ref().filter(|_| slot.compared != at && !slot.busy) else {
            return;
        };
        let since = std::mem::replace(&mut slot.compared, at);
        let relinked = &self.relinked;
        let mut inos: Vec<u64> = listing
            .inos()
            .filter(|ino| relinked.get(ino).is_some_and(|&when| when > since))
            .collect();
        inos.sort_unstable();
        match listing.names_of(&inos) {
            Ok(names) => names.iter().for_each(|name| slot.dirty.add(name)),
            Err(_) => slot.dirty = Dirty::All,
        }
    }

    /// Note the files with several links that a reading found changed: their other names have changed with them, and the
    /// directories of those have no event.
    pub(super) fn note_links(&mut self, old: Option<&Listing>, new: &Listing) -> Result<()> {
        let linked = new.is_linked() || old.is_some_and(Listing::is_linked) || !self.relinked.is_empty();
        if !self.settings.watch || !linked {
            return Ok(());
        }
        let mut before = HashMap::new();
        if let Some(old) = old {
            old.for_each(|r| {
                before.insert(r.name.to_vec(), *r.stat);
            })?;
        }
        let mut changed = Vec::new();
        new.for_each(|r| match before.remove(r.name) {
            Some(stat) if stat == *r.stat => {}
            found => changed.extend([Some(*r.stat), found].into_iter().flatten()),
        })?;
        changed.extend(before.into_values());
        // A listing that was not compared yet may say one link where there are two.
        let linked = |s: &&Stat| s.nlink > 1 || self.relinked.contains_key(&s.ino);
        self.relink(changed.iter().filter(linked).map(|s| s.ino).collect());
        Ok(())
    }

    /// The other names of these files have changed.
    fn relink(&mut self, inos: Vec<u64>) {
        if inos.is_empty() {
            return;
        }
        self.relinked_at += 1;
        let (at, before) = (self.relinked_at, self.relinked.len());
        self.relinked.extend(inos.into_iter().map(|ino| (ino, at)));
        // From time to time only: it takes a look at every directory.
        if self.relinked.len() / PRUNED > before / PRUNED || self.relinked.len() > self.most_relinked() {
            self.prune_links();
        }
    }

    fn prune_links(&mut self) {
        let listed = self.slots.iter().filter(|(_, slot)| slot.listing.is_some());
        let least = listed.map(|(_, slot)| slot.compared).min().unwrap_or(self.relinked_at);
        self.relinked.retain(|_, when| *when > least);
        if self.relinked.len() > self.most_relinked() {
            self.relinked = HashMap::new();
            self.epoch += 1;
        }
    }

    /// As many as may be remembered: a quarter of the memory at most.
    fn most_relinked(&self) -> usize {
        MOST_RELINKED.min(self.settings.memory / 4 / RELINKED)
    }

    /// Files with several links have changed.
    pub(super) fn has_links(&self) -> bool {
        !self.relinked.is_empty()
    }

    /// The view has shown files with several links, as far as is known.
    pub(super) fn may_have_links(&self) -> bool {
        self.slots.linked > 0 || self.has_links()
    }

    /// A file was changed through a name that is gone, and no reading has shown which file that was: any other name of it
    /// may be listed as it was before.
    pub(super) fn changed_unknown(&mut self) {
        if self.may_have_links() {
            self.epoch += 1;
        }
    }

    /// Up to where listings made now are compared with changed links. Their own directory has just been read.
    pub(super) fn links_now(&self) -> u32 {
        self.relinked_at
    }

    /// Forget a directory and all below it. Its files may have lost a link with it.
    pub(super) fn drop_tree(&mut self, dir: &[u8]) {
        if self.settings.watch {
            if self.slots.has_unknown_changes(dir) {
                self.changed_unknown();
            }
            let slots = self.slots.below(dir);
            let listings = slots.iter().filter_map(|path| self.slots.get(path)?.listing.as_deref());
            let mut inos = Vec::new();
            for listing in listings {
                if listing.is_linked() {
                    inos.extend(listing.linked_inos());
                }
                if !self.relinked.is_empty() {
                    inos.extend(listing.inos().filter(|ino| self.relinked.contains_key(ino)));
                }
            }
            self.relink(inos);
        }
        for wd in self.slots.drop_tree(dir) {
            self.unwatch(wd);
        }
    }

    pub(super) fn unwatch(&mut self, wd: i32) {
        match &self.watcher {
            Some(watcher) => watcher.remove(wd),
            None => self.unwanted.push(wd),
        }
    }

    /// Verify a directory and all below it before they are used again.
    pub(super) fn distrust(&mut self, dir: &[u8]) {
        for path in self.slots.below(dir) {
            if let Some(slot) = self.slots.get_mut(&path) {
                slot.dirty = Dirty::All;
            }
        }
    }

    /// The entry of a directory in the listing of its parent has changed.
    pub(super) fn own_entry_changed(&mut self, dir: &[u8]) {
        if dir.is_empty() {
            return;
        }
        let at = memchr::memrchr(b'/', dir);
        let (parent, name) = at.map_or((&b""[..], dir), |at| (&dir[..at], &dir[at + 1..]));
        if let Some(slot) = self.slots.get_mut(parent) {
            slot.dirty.add(name);
        }
    }

    /// Keep a listing that was just read, and forget the directories that it no longer has.
    pub(super) fn publish(&mut self, dir: &[u8], listing: &Arc<Listing>) -> Result<()> {
        if let Some(old) = self.slots.get(dir).and_then(|slot| slot.listing.clone()) {
            for name in gone(&old, listing)? {
                let path = if dir.is_empty() {
                    name
                } else {
                    [dir, b"/", &name].concat()
                };
                self.drop_tree(&path);
            }
        }
        self.slots.set_listing(dir, Some(Arc::clone(listing)));
        while self.memory() > self.settings.memory {
            let (found, wd) = self.slots.evict(dir);
            if let Some(wd) = wd {
                self.unwatch(wd);
            }
            if !found {
                self.slots.set_listing(dir, None);
                if let Some(slot) = self.slots.get_mut(dir) {
                    slot.live = Some(Why::Memory);
                }
                break;
            }
            self.figures.evictions += 1;
        }
        Ok(())
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.slots.bytes + self.relinked.capacity() * RELINKED
    }

    /// Listings that must be verified before their next use.
    fn stale(&self) -> usize {
        let (timed, age) = (self.settings.is_timed(), self.settings.max_age);
        let stale = self.slots.iter().filter(|(path, slot)| {
            let old = timed && slot.verified.elapsed() > age || slot.epoch != self.epoch || self.is_announced(path);
            slot.listing.is_some() && (old || slot.dirty != Dirty::No)
        });
        stale.count()
    }

    pub(super) fn status(&self) -> Status {
        let oldest = self.slots.iter().filter(|(_, slot)| slot.listing.is_some());
        let oldest = oldest.map(|(_, slot)| slot.verified.elapsed()).max();
        let words = |(why, n): (&Why, &u64)| (why.word().to_owned(), *n);
        Status {
            entries: self.slots.entries,
            directories: self.slots.listings,
            stale: self.stale(),
            bytes: self.memory(),
            watches: self.by_wd.len(),
            lists_live: self.lists_live.iter().map(|(why, n)| ((*why).to_owned(), *n)).collect(),
            directories_live: self.directories_live.iter().map(words).collect(),
            jobs: self.jobs.len(),
            oldest_seconds: oldest.unwrap_or_default().as_secs_f64(),
            ..self.figures.clone()
        }
    }
}

/// The directories of `old` that are not in `new`, or are others.
fn gone(old: &Listing, new: &Listing) -> Result<Vec<Vec<u8>>> {
    let mut kept = HashMap::new();
    let mut part = new.dirs();
    while let Some(record) = part.next_record()? {
        kept.insert(record.name.to_vec(), record.stat.ino);
    }
    let mut out = Vec::new();
    let mut part = old.dirs();
    while let Some(record) = part.next_record()? {
        if kept.get(record.name) != Some(&record.stat.ino) {
            out.push(record.name.to_vec());
        }
    }
    Ok(out)
}

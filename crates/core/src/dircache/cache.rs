//! The cache as sessions see it: one lock, held for look-ups and events only, and one reader for each directory at a
//! time.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::listing::{Fresh, Listing};
use super::slots::{Dirty, Path};
use super::state::{Known, State};
use super::{Settings, Status, View, Why};
use crate::tree::mode::is_dir;
use crate::tree::watch::Watcher;

/// How long a list waits for another thread that reads a directory, before it scans it itself.
const PATIENCE: Duration = Duration::from_secs(2);
/// A directory that changes while it is read is read this many times.
const TRIES: usize = 3;
/// Longest path from the root of the view, in bytes.
const LONGEST: usize = 4095;

/// Where a list has a directory's entries from.
#[derive(Debug)]
pub enum Source {
    /// Here they are.
    Cached(Arc<Listing>),
    /// They must be scanned.
    Live(Why),
}

/// Listings of one view, for any number of threads.
pub struct Cache {
    state: Mutex<State>,
    finished: Condvar,
    /// The device of the root.
    dev: u64,
}

/// What is to be read of a directory.
enum Task {
    All,
    Names(Vec<Vec<u8>>, Arc<Listing>),
}

/// What came of a reading.
enum Outcome {
    Fresh(Arc<Listing>),
    Live(Why),
    /// The directory has been forgotten meanwhile, or there is nothing to do: look again.
    Again,
}

/// A directory that this thread reads. Others wait for it until this is dropped.
pub(super) struct Ticket<'a> {
    cache: &'a Cache,
    pub dir: Path,
    pub id: u64,
    /// Files of other directories may depend on it.
    was_pending: bool,
    /// Of the state, from before the reading.
    epoch: u32,
    compared: u32,
    serial: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut state = self.cache.lock();
        if self.was_pending {
            state.being_read -= 1;
        }
        if let Some(slot) = state.slots.same(&self.dir, self.id) {
            slot.busy = false;
        }
        drop(state);
        self.cache.finished.notify_all();
    }
}

impl Cache {
    /// `base`: the absolute path of the view's root as this process sees it; `dev`: its device.
    ///
    /// Errors: no watches can be had.
    pub fn new(base: &[u8], dev: u64, settings: Settings) -> std::io::Result<Self> {
        let watcher = settings.watch.then(|| Watcher::new(base)).transpose()?;
        Ok(Self {
            state: Mutex::new(State::new(settings, watcher)),
            finished: Condvar::new(),
            dev,
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The barrier: take every change that the kernel has reported until now.
    pub fn sync(&self) {
        self.lock().sync();
    }

    /// The entries of a directory. One that is not known, or not known to be fresh, is read by `view` first, once for all
    /// that ask.
    pub fn get(&self, dir: &[u8], view: &mut dyn View) -> Source {
        let source = self.find(dir, view);
        let mut state = self.lock();
        match source {
            Source::Cached(_) => state.figures.directories_cached += 1,
            Source::Live(why) => *state.directories_live.entry(why).or_default() += 1,
        }
        source
    }

    fn find(&self, dir: &[u8], view: &mut dyn View) -> Source {
        if dir.len() >= LONGEST {
            return Source::Live(Why::Path);
        }
        let asked = Instant::now();
        let mut readings = 0;
        let mut checked = BTreeSet::new();
        let mut fresh = None;
        let mut state = self.lock();
        loop {
            // A file of this directory may have got its other link in one of those. Each is read once: what has changed
            // since is later than the last barrier.
            let (other, waits) = state.next_pending(&checked);
            if let Some(other) = other {
                drop(state);
                self.read(&other, view);
                checked.insert(other);
                state = self.lock();
                continue;
            }
            if waits {
                let Some(left) = PATIENCE.checked_sub(asked.elapsed()) else {
                    return Source::Live(Why::Busy);
                };
                state = self.wait(state, left);
                continue;
            }
            match (state.known(dir, asked), fresh.take()) {
                (Known::Ready(listing), _) | (Known::Live(Why::Memory), Some(listing)) => {
                    return Source::Cached(listing);
                }
                (Known::Live(why), _) => return Source::Live(why),
                // It changes all the time. What was read last is as good as a scan, unless other names of its files count.
                (Known::Stale, Some(listing)) if readings == TRIES && !state.has_links() => {
                    return Source::Cached(listing);
                }
                (Known::Stale, _) if readings == TRIES => return Source::Live(Why::Changing),
                (Known::Stale, _) => {
                    drop(state);
                    readings += 1;
                    match self.read(dir, view) {
                        // Once more from the top: what this reading has shown of links may count here too.
                        Outcome::Fresh(listing) => fresh = Some(listing),
                        Outcome::Live(why) => return Source::Live(why),
                        Outcome::Again => {}
                    }
                    state = self.lock();
                }
                (Known::Busy, _) => {
                    let Some(left) = PATIENCE.checked_sub(asked.elapsed()) else {
                        return Source::Live(Why::Busy);
                    };
                    state = self.wait(state, left);
                }
            }
        }
    }

    /// Wait until some thread has finished a reading.
    fn wait<'a>(&self, state: MutexGuard<'a, State>, most: Duration) -> MutexGuard<'a, State> {
        match self.finished.wait_timeout(state, most) {
            Ok((state, _)) => state,
            Err(poisoned) => poisoned.into_inner().0,
        }
    }

    /// Read what is stale of a directory, and keep it.
    fn read(&self, dir: &[u8], view: &mut dyn View) -> Outcome {
        let (mut ticket, mut task) = match self.begin(dir) {
            Ok(begun) => begun,
            Err(outcome) => return outcome,
        };
        for left in (0..TRIES).rev() {
            let started = Instant::now();
            let fresh = self.perform(&task, dir, view);
            let mut state = self.lock();
            state.sync();
            let listing = match fresh {
                Ok(listing) => listing,
                Err(why) => return state.give_up(&ticket, why, started),
            };
            let whole = matches!(task, Task::All).then_some(started);
            match state.finish(&ticket, listing, whole, left == 0) {
                Ok(outcome) => return outcome,
                Err(again) => task = again,
            }
            ticket.serial = state.serial;
        }
        Outcome::Again
    }

    /// Make this thread the one that reads a directory.
    fn begin(&self, dir: &[u8]) -> Result<(Ticket<'_>, Task), Outcome> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if !matches!(state.known(dir, Instant::now()), Known::Stale) {
            return Err(Outcome::Again);
        }
        let watched = state.watch(dir);
        let (epoch, compared) = (state.epoch, state.links_now());
        let names = state.watcher.is_some();
        let slot = state.slots.ensure(dir, epoch, compared);
        slot.live = watched.err();
        if let Some(why) = slot.live {
            (slot.verified, slot.epoch, slot.dirty) = (Instant::now(), epoch, Dirty::No);
            state.slots.set_listing(dir, None);
            return Err(Outcome::Live(why));
        }
        let task = match (std::mem::take(&mut slot.dirty), &slot.listing) {
            (Dirty::Names(dirty), Some(listing)) if names && slot.epoch == epoch => {
                Task::Names(dirty.into_iter().collect(), Arc::clone(listing))
            }
            _ => Task::All,
        };
        let ticket = self.take(state, dir);
        ticket.map(|ticket| (ticket, task)).ok_or(Outcome::Again)
    }

    /// Mark a directory as being read by this thread.
    pub(super) fn take(&self, state: &mut State, dir: &[u8]) -> Option<Ticket<'_>> {
        let path = state.slots.path_of(dir)?;
        let (epoch, compared) = (state.epoch, state.links_now());
        let slot = state.slots.get_mut(dir)?;
        slot.busy = true;
        let was_pending = state.pending.remove(&path);
        state.being_read += usize::from(was_pending);
        Some(Ticket {
            cache: self,
            id: slot.id,
            dir: path,
            was_pending,
            epoch,
            compared,
            serial: state.serial,
        })
    }

    fn perform(&self, task: &Task, dir: &[u8], view: &mut dyn View) -> Result<Arc<Listing>, Why> {
        let (fresh, reads, looked) = match task {
            Task::All => (view.read(dir).ok_or(Why::Unreadable)?, 1, 0),
            Task::Names(names, known) => {
                let found = view.look(dir, names).ok_or(Why::Unreadable)?;
                let mut records = known.records().map_err(|_| Why::Unreadable)?;
                records.retain(|record| names.binary_search(&record.name).is_err());
                records.extend(found.into_iter().flatten());
                let fresh = Fresh {
                    dev: known.dev(),
                    ino: known.ino(),
                    records,
                };
                (fresh, 0, names.len() as u64)
            }
        };
        let mut state = self.lock();
        state.figures.reads += reads;
        state.figures.refreshed_names += looked;
        if state.watcher.is_some() && fresh.dev != self.dev {
            return Err(Why::Mount);
        }
        drop(state);
        let foreign = |r: &super::Record| r.stat.dev != fresh.dev && !is_dir(r.stat.mode);
        if fresh.records.iter().any(foreign) {
            return Err(Why::Mount);
        }
        Listing::new(fresh).map(Arc::new).map_err(|_| Why::Unreadable)
    }

    /// Count a list, and whether it could be made from the cache; `live` is the reason if not.
    pub fn count_list(&self, live: Option<&'static str>) {
        let mut state = self.lock();
        match live {
            None => state.figures.lists_cached += 1,
            Some(why) => *state.lists_live.entry(why).or_default() += 1,
        }
    }

    /// Figures of now, after the changes that the kernel has reported until now.
    pub fn status(&self) -> Status {
        let mut state = self.lock();
        state.sync();
        state.status()
    }

    /// Verify a directory and all below it before they are used again. The empty path is everything.
    pub fn refresh(&self, dir: &[u8]) {
        self.lock().distrust(dir);
    }

    /// Forget everything.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.drop_tree(b"");
        self.finished.notify_all();
    }
}

impl State {
    /// A directory that must be read before any listing is used, and is not among `checked`; or whether another thread
    /// reads such a directory.
    fn next_pending(&mut self, checked: &BTreeSet<Path>) -> (Option<Path>, bool) {
        let mut waits = self.being_read > 0;
        let (mut done, mut next) = (Vec::new(), None);
        for path in self.pending.difference(checked) {
            match self.slots.get(path) {
                Some(slot) if slot.dirty != Dirty::No => {
                    waits |= slot.busy;
                    if !slot.busy {
                        next = Some(Arc::clone(path));
                        break;
                    }
                }
                _ => done.push(Arc::clone(path)),
            }
        }
        for path in done {
            self.pending.remove(&path);
        }
        (next, waits)
    }

    /// Note that a directory cannot be kept.
    fn give_up(&mut self, ticket: &Ticket<'_>, why: Why, started: Instant) -> Outcome {
        if ticket.was_pending {
            // Which links have changed there is unknown.
            self.epoch += 1;
        }
        let Some(slot) = self.slots.same(&ticket.dir, ticket.id) else {
            return Outcome::Again;
        };
        slot.live = Some(why);
        (slot.verified, slot.epoch) = (started, ticket.epoch);
        self.slots.set_listing(&ticket.dir, None);
        Outcome::Live(why)
    }

    /// Keep what was read; or what has changed meanwhile and is to be read next. `whole`: when the reading of the whole
    /// directory began. After the `last` try the listing is used once, and stays stale.
    fn finish(
        &mut self,
        ticket: &Ticket<'_>,
        listing: Arc<Listing>,
        whole: Option<Instant>,
        last: bool,
    ) -> Result<Outcome, Task> {
        let dir = &ticket.dir;
        let Some(slot) = self.slots.same(dir, ticket.id) else {
            return Ok(Outcome::Again);
        };
        let dirty = std::mem::take(&mut slot.dirty);
        if let Some(started) = whole {
            (slot.verified, slot.epoch) = (started, ticket.epoch);
        }
        let old = slot.listing.clone();
        let alone = self.links_now() == ticket.compared;
        if self.note_links(old.as_deref(), &listing).is_err() {
            self.epoch += 1;
        }
        let now = self.links_now();
        if let Some(slot) = self.slots.same(dir, ticket.id) {
            if whole.is_some() {
                slot.compared = if alone { now } else { ticket.compared };
            }
            slot.dirty = match dirty {
                Dirty::Names(names) if !last => return Err(Task::Names(names.into_iter().collect(), listing)),
                Dirty::All if !last => return Err(Task::All),
                other => other,
            };
            if slot.dirty != Dirty::No {
                // What the listing says of links may be old already.
                self.pending.insert(Arc::clone(dir));
            }
            if listing.size() > self.settings.memory / 4 {
                slot.live = Some(Why::Memory);
                self.slots.set_listing(dir, None);
                return Ok(Outcome::Fresh(listing));
            }
        }
        if let Some(slot) = self.slots.same(dir, ticket.id) {
            // These have been looked at.
            slot.unseen.retain(|_, name| name.serial > ticket.serial);
        }
        if self.publish(dir, &listing).is_err() {
            self.epoch += 1;
        }
        Ok(Outcome::Fresh(listing))
    }
}

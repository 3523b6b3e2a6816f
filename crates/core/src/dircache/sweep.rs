//! Looking for changes that nothing has reported.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::cache::Cache;
use super::listing::Listing;
use super::slots::{Dirty, Path};
use super::state::State;
use super::View;

/// With more changes missed than this in one sweep, the file system is not what it was taken for.
const TOO_MANY: u64 = 100;

/// What a part of a sweep has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Directories that were compared.
    pub checked: usize,
    /// Directories that had changed without a report, by path. They are right now.
    pub missed: Vec<Vec<u8>>,
}

impl Cache {
    /// Read up to `most` directories again, from where the last call ended, and compare them with their listings. What
    /// differs is corrected and counted. The caller decides about the pace.
    pub fn sweep(&self, most: usize, view: &mut dyn View) -> Swept {
        let mut out = Swept::default();
        let (known, mut at) = {
            let mut state = self.lock();
            state.sync();
            (state.slots.listings, state.swept.take())
        };
        for _ in 0..most.min(known) {
            let mut state = self.lock();
            let Some(next) = state.next_listed(at.as_deref()) else {
                break;
            };
            if at.as_ref().is_none_or(|at| next <= *at) {
                state.missed_in_sweep = 0;
            }
            at = Some(Arc::clone(&next));
            drop(state);
            self.compare(&next, view, &mut out);
        }
        self.lock().swept = at;
        out
    }

    /// Read up to `most` directories again, a random part of all, and compare them with their listings; `random` chooses.
    /// What differs is corrected, and counted unless listings are trusted for a time only.
    pub fn check(&self, most: usize, random: u64, view: &mut dyn View) -> Swept {
        let mut out = Swept::default();
        let mut state = self.lock();
        state.sync();
        let listed = state.slots.iter().filter(|(_, slot)| slot.listing.is_some());
        let mut listed: Vec<Path> = listed.map(|(path, _)| Arc::clone(path)).collect();
        drop(state);
        let mut random = random;
        for at in 0..most.min(listed.len()) {
            // Knuth's generator: any choice will do.
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let left = listed.len() - at;
            listed.swap(at, at + (random >> 33) as usize % left);
            self.compare(&listed[at], view, &mut out);
        }
        out
    }

    fn compare(&self, dir: &Path, view: &mut dyn View, out: &mut Swept) {
        let mut state = self.lock();
        let epoch = state.epoch;
        let clean = |state: &State| {
            let slot = state.slots.get(dir)?;
            let clean = slot.dirty == Dirty::No && slot.epoch == epoch && state.epoch == epoch;
            slot.listing.clone().filter(|_| clean)
        };
        let free = state.slots.get(dir).is_some_and(|slot| !slot.busy);
        let Some(known) = clean(&state).filter(|_| free) else {
            return;
        };
        let Some(ticket) = self.take(&mut state, dir) else {
            return;
        };
        drop(state);
        let started = Instant::now();
        let fresh = view.read(dir).and_then(|fresh| Listing::new(fresh).ok());
        let mut state = self.lock();
        state.sync();
        let unchanged = clean(&state).is_some_and(|now| Arc::ptr_eq(&now, &known));
        if state.slots.same(dir, ticket.id).is_some() && unchanged {
            out.checked += 1;
            let same = fresh.as_ref().is_some_and(|fresh| *fresh == *known);
            if let Some(slot) = state.slots.get_mut(dir).filter(|_| same) {
                slot.verified = started;
            }
            if !same {
                state.missed(dir);
                out.missed.push(dir.to_vec());
            }
        }
        drop(state);
        drop(ticket);
    }
}

impl State {
    /// The next directory that has a listing, in the order of the tree.
    fn next_listed(&self, from: Option<&[u8]>) -> Option<Path> {
        let mut at = self.slots.after(from)?;
        for _ in 0..self.slots.len() {
            if self.slots.get(&at).is_some_and(|slot| slot.listing.is_some()) {
                return Some(at);
            }
            at = self.slots.after(Some(&at))?;
        }
        None
    }

    /// A directory has changed without a report: read it before its next use. After too many of them nothing that is
    /// reported is relied on any more.
    fn missed(&mut self, dir: &[u8]) {
        if !self.settings.is_timed() {
            self.figures.missed += 1;
            self.missed_in_sweep += 1;
        }
        if let Some(slot) = self.slots.get_mut(dir) {
            slot.dirty = Dirty::All;
        }
        self.own_entry_changed(dir);
        if self.missed_in_sweep > TOO_MANY && !self.settings.is_timed() {
            self.figures.fallen = true;
            (self.settings.watch, self.settings.told) = (false, false);
            self.watcher = None;
            self.by_wd = HashMap::new();
            for slot in self.slots.values_mut() {
                slot.wd = None;
            }
        }
    }
}

//! Two roles that work from a batch (spec: protocol 11).
//!
//! No sender waits for requests there: its data comes in the order of the run that wrote it. What a sender would do for
//! the two roles is done here. The receiver learns whether the generator wants the data that comes next, and passes the
//! end of a phase only when the generator has come as far as it can.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::Result;
use crate::report::Report;

/// How long a wait may keep a cancel from being seen.
const PATIENCE: Duration = Duration::from_millis(50);

#[derive(Default)]
struct State {
    /// Files that the generator has asked for and that have not come.
    wanted: BTreeSet<i32>,
    /// What the receiver has told the generator, and what of it the generator has taken in.
    told: u64,
    heard: u64,
    /// The generator has nothing to do until it is told something.
    waits: bool,
    /// The receiver has nothing to do until the generator has.
    blocked: bool,
    /// The generator has ended.
    over: bool,
}

impl State {
    /// The generator can get no further by itself.
    fn is_settled(&self) -> bool {
        self.over || self.waits && self.told == self.heard
    }
}

/// What the two know of each other.
#[derive(Default)]
pub struct Replay {
    state: Mutex<State>,
    changed: Condvar,
}

impl Replay {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait_timeout(state, PATIENCE)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    // ---- the generator's side

    /// Asks for a file.
    pub fn ask(&self, ndx: i32) {
        self.update(|state| {
            state.wanted.insert(ndx);
        });
    }

    /// Something that was told has been taken in.
    pub fn hear(&self) {
        self.update(|state| state.heard += 1);
    }

    /// Begins or ends to wait for the receiver.
    pub fn set_waiting(&self, waits: bool) {
        self.update(|state| state.waits = waits);
    }

    /// The generator has gone, and wants nothing any more.
    pub fn set_over(&self) {
        self.update(|state| state.over = true);
    }

    /// The receiver can read no further without knowing what is wanted.
    pub fn is_blocked(&self) -> bool {
        let state = self.lock();
        state.blocked && state.told == state.heard
    }

    /// Waits a moment for the receiver to do anything.
    pub fn idle(&self) {
        drop(self.wait(self.lock()));
    }

    // ---- the receiver's side

    /// Must come before the telling itself, so that the generator is never taken for settled with a word underway.
    pub fn tell(&self) {
        self.update(|state| state.told += 1);
    }

    fn blocked<T>(&self, report: &Report, mut found: impl FnMut(&mut State) -> Option<T>) -> Result<T> {
        let mut state = self.lock();
        state.blocked = true;
        self.changed.notify_all();
        loop {
            if let Some(answer) = found(&mut state) {
                state.blocked = false;
                return Ok(answer);
            }
            if let Err(error) = report.check() {
                state.blocked = false;
                return Err(error);
            }
            state = self.wait(state);
        }
    }

    /// Waits until the generator can get no further: what an item is about has been dealt with then.
    pub fn settle(&self, report: &Report) -> Result<()> {
        self.blocked(report, |state| state.is_settled().then_some(()))
    }

    /// Whether the data of this file, which comes next, is wanted; its request counts as answered.
    pub fn wants(&self, report: &Report, ndx: i32) -> Result<bool> {
        self.blocked(report, |state| {
            if state.wanted.remove(&ndx) {
                return Some(true);
            }
            state.is_settled().then_some(false)
        })
    }

    /// Waits until the generator can get no further, and takes the requests below `end` that have no answer.
    pub fn unanswered(&self, report: &Report, end: i32) -> Result<Vec<i32>> {
        self.blocked(report, |state| {
            if !state.is_settled() {
                return None;
            }
            let later = state.wanted.split_off(&end);
            Some(std::mem::replace(&mut state.wanted, later).into_iter().collect())
        })
    }
}

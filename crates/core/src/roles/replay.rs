//! Two roles that work from a batch (spec: protocol 11).
//!
//! No sender answers requests: the data comes in the order of the run that wrote the batch. This file does for the two
//! roles what a sender would do. The receiver learns whether the generator wants the next data, and passes the end of a
//! phase only when the generator has done all it can.

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
    /// Messages that the receiver has sent to the generator, and how many of them the generator has handled.
    sent: u64,
    taken: u64,
    /// The generator has nothing to do until the next message.
    waits: bool,
    /// The receiver has nothing to do until the generator has.
    blocked: bool,
    /// The generator has ended.
    over: bool,
}

impl State {
    /// The generator has done all it can without another message.
    fn has_stopped(&self) -> bool {
        self.over || self.waits && self.sent == self.taken
    }
}

/// What the two roles know of each other.
#[derive(Default)]
pub(crate) struct Replay {
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

    /// The generator asks for a file.
    pub(crate) fn ask(&self, ndx: i32) {
        self.update(|state| {
            state.wanted.insert(ndx);
        });
    }

    /// The generator has handled a message.
    pub(crate) fn note_taken(&self) {
        self.update(|state| state.taken += 1);
    }

    /// The generator begins or ends a wait for the receiver.
    pub(crate) fn set_waiting(&self, waits: bool) {
        self.update(|state| state.waits = waits);
    }

    /// The generator has ended.
    pub(crate) fn set_over(&self) {
        self.update(|state| state.over = true);
    }

    /// The receiver can read no further without knowing what is wanted.
    pub(crate) fn is_blocked(&self) -> bool {
        let state = self.lock();
        state.blocked && state.sent == state.taken
    }

    /// Wait a moment for the receiver to do anything.
    pub(crate) fn idle(&self) {
        drop(self.wait(self.lock()));
    }

    // ---- the receiver's side

    /// A message is about to be sent. This call comes before the message itself, so that the generator never counts as
    /// stopped while a message is on its way.
    pub(crate) fn note_sent(&self) {
        self.update(|state| state.sent += 1);
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

    /// Wait until the generator has done all it can. What an item is about is finished then.
    pub(crate) fn wait_generator(&self, report: &Report) -> Result<()> {
        self.blocked(report, |state| state.has_stopped().then_some(()))
    }

    /// Whether the data of this file, which comes next, is wanted; its request counts as answered.
    pub(crate) fn wants(&self, report: &Report, ndx: i32) -> Result<bool> {
        self.blocked(report, |state| {
            if state.wanted.remove(&ndx) {
                return Some(true);
            }
            state.has_stopped().then_some(false)
        })
    }

    /// Wait until the generator has done all it can, and take the requests below `end` that have no answer.
    pub(crate) fn unanswered(&self, report: &Report, end: i32) -> Result<Vec<i32>> {
        self.blocked(report, |state| {
            if !state.has_stopped() {
                return None;
            }
            let later = state.wanted.split_off(&end);
            Some(std::mem::replace(&mut state.wanted, later).into_iter().collect())
        })
    }
}

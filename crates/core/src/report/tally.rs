//! The counters of a transfer: the figures of `--stats`, and what progress lines show (spec: output 5.2, 9).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

use super::figures::Live;
use super::lock;
use super::progress::Counters;
use crate::event::Summary;

#[derive(Default)]
pub(super) struct Tally {
    summary: Mutex<Summary>,
    /// Bytes of the files that are done, for the progress of the whole transfer.
    pub(super) done_bytes: AtomicU64,
    /// Entries that the roles have finished.
    pub(super) processed: AtomicU64,
}

impl Tally {
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Summary) -> R) -> R {
        change(&mut lock(&self.summary))
    }

    pub(super) fn counters(&self, live: &Live) -> Counters {
        let total = live.entries();
        Counters {
            transferred: self.change(|s| s.transferred),
            left: total.saturating_sub(self.processed.load(Ordering::Relaxed)),
            total,
            incomplete: !live.is_complete(),
        }
    }
}

//! The counters of a transfer: the figures of `--stats`, and what progress lines show (spec: output 5.2, 9).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Mutex;

use super::lock;
use super::progress::Counters;
use crate::event::Summary;

#[derive(Default)]
pub(super) struct Tally {
    summary: Mutex<Summary>,
    /// Bytes of the files that are done, for the progress of the whole transfer.
    pub(super) done_bytes: AtomicU64,
    /// Entries that the roles are done with.
    pub(super) processed: AtomicU64,
    pub(super) listed: AtomicU64,
    pub(super) list_complete: AtomicBool,
}

impl Tally {
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Summary) -> R) -> R {
        change(&mut lock(&self.summary))
    }

    pub(super) fn counters(&self) -> Counters {
        let total = self.listed.load(Ordering::Relaxed);
        Counters {
            transferred: self.change(|s| s.transferred),
            left: total.saturating_sub(self.processed.load(Ordering::Relaxed)),
            total,
            incomplete: !self.list_complete.load(Ordering::Relaxed),
        }
    }
}

//! How much of the work that a sender has done is on the link: what it has handed over may wait here for seconds when the
//! link is slow or limited, and a display that counted it would show too little time left.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// Some 40 buffers of the usual size wait here and in a pipe.
const MOST_MARKS: usize = 128;

/// Pairs a place of the outgoing stream with the work that was done when the stream had come to it.
#[derive(Default)]
pub(super) struct Delivery {
    /// The work that is done, in any unit; it never falls.
    done: Option<Arc<AtomicU64>>,
    /// Raw bytes put, and the work done then: one pair for each sealed buffer.
    marks: VecDeque<(u64, u64)>,
    /// The work whose data has been written.
    reached: u64,
}

impl Delivery {
    /// Follow this counter from now on.
    pub(super) fn follow(&mut self, done: Arc<AtomicU64>) {
        self.done = Some(done);
    }

    /// A buffer is sealed after `total` raw bytes.
    pub(super) fn mark(&mut self, total: u64) {
        if let Some(done) = &self.done {
            if self.marks.len() == MOST_MARKS {
                // Nobody has asked for a while. The newest places stay close together.
                let mut keep = true;
                self.marks.retain(|_| {
                    keep = !keep;
                    keep
                });
            }
            self.marks.push_back((total, done.load(Ordering::Relaxed)));
        }
    }

    fn pass(&mut self, written: u64) {
        while let Some(&(total, done)) = self.marks.front() {
            if total > written {
                break;
            }
            self.reached = self.reached.max(done);
            self.marks.pop_front();
        }
    }

    /// The part of `done` whose data is among the first `written` of `total` raw bytes. It never falls.
    pub(super) fn reached(&mut self, done: u64, total: u64, written: u64) -> u64 {
        if self.done.is_none() {
            return done;
        }
        self.pass(written);
        if written >= total {
            self.reached = self.reached.max(done);
        }
        self.reached.min(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_counts_when_its_data_is_written() {
        let mut delivery = Delivery::default();
        assert_eq!(delivery.reached(7, 100, 0), 7, "nothing is followed");
        let done = Arc::new(AtomicU64::new(10));
        delivery.follow(done.clone());
        delivery.mark(100);
        done.store(30, Ordering::Relaxed);
        delivery.mark(200);
        assert_eq!(delivery.reached(40, 250, 99), 0);
        assert_eq!(delivery.reached(40, 250, 199), 10);
        assert_eq!(delivery.reached(40, 250, 200), 30);
        assert_eq!(delivery.reached(40, 250, 250), 40);
        // It does not fall when more is put.
        delivery.mark(300);
        assert_eq!(delivery.reached(45, 310, 250), 40);
        assert_eq!(delivery.marks.len(), 1);
        for total in 301..10_000 {
            delivery.mark(total);
        }
        assert!(delivery.marks.len() <= MOST_MARKS);
        assert_eq!(delivery.marks.back(), Some(&(9_999, 30)));
    }
}

//! What a sender knows of the generator's decisions: all entries before the last one that was asked for are decided.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::flist::Segment;
use crate::report::figures::Live;

/// Entries of the lists that were sent and are not decided, in the order of the wire.
#[derive(Default)]
pub(super) struct Undecided {
    lists: VecDeque<Arc<Segment>>,
    /// Position in the first list.
    next: usize,
}

impl Undecided {
    /// A list was sent.
    pub(super) fn add(&mut self, list: &Arc<Segment>) {
        self.lists.push_back(Arc::clone(list));
    }

    /// An item has come for this index; `asked`: for its data. Returns whether the entry was decided by that; it was not
    /// if its data is asked for once more.
    pub(super) fn reach(&mut self, live: &Live, ndx: i32, asked: bool) -> bool {
        self.pass(live, ndx);
        let Some(list) = self.lists.front() else { return false };
        if self.next >= list.len() || list.ndx(self.next) != ndx {
            return false;
        }
        let entry = list.entry(self.next);
        live.decide(1, if entry.is_file() { entry.len } else { 0 }, asked);
        self.next += 1;
        true
    }

    /// No entry of this list, or of an earlier one, will be asked for any more.
    pub(super) fn end_list(&mut self, live: &Live, list: &Segment) {
        self.pass(live, list.next_start());
    }

    /// No entry of the lists so far will be asked for any more.
    pub(super) fn end_phase(&mut self, live: &Live) {
        self.pass(live, i32::MAX);
    }

    /// The entries before this index are decided, and need no data.
    fn pass(&mut self, live: &Live, ndx: i32) {
        while let Some(list) = self.lists.front() {
            while self.next < list.len() && list.ndx(self.next) < ndx {
                let entry = list.entry(self.next);
                live.decide(1, if entry.is_file() { entry.len } else { 0 }, false);
                self.next += 1;
            }
            if self.next < list.len() || list.next_start() > ndx {
                return;
            }
            self.lists.pop_front();
            self.next = 0;
        }
    }
}

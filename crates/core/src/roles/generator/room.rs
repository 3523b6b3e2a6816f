//! The room that the files under way give back when they are finished, for a caller that watches the free space.

use std::collections::{BTreeMap, HashMap};

use crate::plan::Plan;
use crate::report::Report;
use crate::roles::words::estimate::{reused, writes_into};
use crate::tree::Stat;

/// The files under way that replace others. It is kept only where the plan asks for it.
pub(super) struct Room {
    /// By index of the entry: the bytes of its old file that count.
    files: HashMap<i32, u64>,
    /// How many files have that many.
    sizes: BTreeMap<u64, usize>,
    sum: u64,
}

impl Room {
    pub(super) fn of(plan: &Plan) -> Option<Self> {
        plan.write.watch_room.then(|| Self {
            files: HashMap::new(),
            sizes: BTreeMap::new(),
            sum: 0,
        })
    }

    /// A file of `len` bytes is asked for in place of `old`.
    pub(super) fn requested(&mut self, report: &Report, ndx: i32, old: &Stat, len: u64) {
        let bytes = reused(report.plan(), old, len);
        if bytes > 0 && !self.files.contains_key(&ndx) {
            self.files.insert(ndx, bytes);
            *self.sizes.entry(bytes).or_default() += 1;
            self.sum = self.sum.saturating_add(bytes);
            self.publish(report);
        }
    }

    /// A file is finished.
    pub(super) fn finished(&mut self, report: &Report, ndx: i32) {
        let Some(bytes) = self.files.remove(&ndx) else { return };
        if let Some(count) = self.sizes.get_mut(&bytes) {
            *count -= 1;
            if *count == 0 {
                self.sizes.remove(&bytes);
            }
        }
        self.sum = self.sum.saturating_sub(bytes);
        self.publish(report);
    }

    /// All old files make room for the new ones, but one new file at a time is written beside its old one.
    fn publish(&self, report: &Report) {
        let beside = match self.sizes.last_key_value() {
            Some((&largest, _)) if !writes_into(report.plan()) => largest,
            _ => 0,
        };
        report.live().set_reused(self.sum.saturating_sub(beside));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::plan_with;

    #[test]
    fn one_old_file_counts_until_its_new_one_is_finished() {
        for (inplace, expected) in [(false, [0, 30, 30, 0]), (true, [50, 80, 50, 0])] {
            let plan = plan_with!(Plan::default(), write.watch_room = true, write.inplace = inplace);
            let report = Report::new(Arc::new(plan.clone()), false);
            let mut room = Room::of(&plan).expect("watched");
            let old = |size| Stat {
                mode: 0o100_644,
                size,
                nlink: 1,
                ..Stat::default()
            };
            report.live().decide(2, 1000, true);
            let needed = || 1000 - report.figures().room_bytes;
            room.requested(&report, 1, &old(50), 60);
            let mut seen = vec![needed()];
            room.requested(&report, 2, &old(99), 30);
            // A second request for a file counts once.
            room.requested(&report, 2, &old(99), 30);
            seen.push(needed());
            room.finished(&report, if inplace { 2 } else { 7 });
            seen.push(needed());
            room.finished(&report, 1);
            room.finished(&report, 2);
            seen.push(needed());
            assert_eq!(seen, expected);
        }
    }
}

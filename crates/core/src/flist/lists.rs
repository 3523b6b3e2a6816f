//! The live lists of a connection and their numbering (spec: protocol 5.8, 5.10).

use super::at::At;
use super::entry::eflag;
use super::segment::Segment;
use crate::error::{bail, Error, Result};
use crate::wire::ndx::NDX_FLIST_OFFSET;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Where an index leads.
#[derive(Debug, Clone)]
pub struct Found {
    /// The entry, which may have been dropped.
    pub at: At,
    /// The index was the gap before a list: the entry is the directory that the list belongs to.
    pub is_parent: bool,
}

impl Found {
    /// The entry was not dropped as a duplicate or pruned.
    pub fn is_active(&self) -> bool {
        self.at.entry().is_active()
    }
}

#[derive(Debug, Clone)]
struct List {
    segment: Arc<Segment>,
    /// The directory that it belongs to.
    parent: Option<At>,
}

/// Lists in order of arrival. Each role has its own and drops what it is done with; the segments are shared. A segment
/// stays alive as long as one of its directories still waits for its sub-list.
#[derive(Debug, Clone)]
pub struct Lists {
    inc_recurse: bool,
    live: VecDeque<List>,
    next_start: i32,
    /// Directories whose sub-list has not come, by directory index.
    waiting: HashMap<i32, At>,
    /// Directories that were dropped as duplicates or pruned.
    cleared: HashSet<i32>,
    next_dir: i32,
    /// Lists added so far.
    added: usize,
    complete: bool,
}

impl Lists {
    /// No lists yet. Without incremental recursion there will be one.
    pub fn new(inc_recurse: bool) -> Self {
        Self {
            inc_recurse,
            live: VecDeque::new(),
            next_start: i32::from(inc_recurse),
            waiting: HashMap::new(),
            cleared: HashSet::new(),
            next_dir: 0,
            added: 0,
            complete: false,
        }
    }

    /// Start index of the list that comes next.
    pub fn next_start(&self) -> i32 {
        self.next_start
    }

    /// The directory that an announced sub-list belongs to.
    ///
    /// Errors: `Protocol` for an index that is unknown or deactivated, a second sub-list, or one after the end.
    pub fn expect(&self, dir_ndx: i32) -> Result<&At> {
        // The text is rsync's, so it speaks of indices as they travel; only a receiver reads lists.
        let refuse = |why: &str| {
            Err(Error::Protocol(format!(
                "Invalid dir index: {} ({NDX_FLIST_OFFSET} - {}) [receiver]{why}",
                NDX_FLIST_OFFSET.wrapping_sub(dir_ndx),
                NDX_FLIST_OFFSET.wrapping_sub(self.next_dir - 1)
            )))
        };
        let known = (0..self.next_dir).contains(&dir_ndx);
        if known && self.complete || !self.inc_recurse {
            return refuse(": no more lists");
        }
        match self.waiting.get(&dir_ndx) {
            Some(at) => Ok(at),
            None if self.cleared.contains(&dir_ndx) => Err(Error::Protocol(format!(
                "rsync: refusing flist for cleared dir_ndx {dir_ndx}"
            ))),
            None if known => Err(Error::Protocol(format!(
                "rsync: refusing malicious duplicate flist for dir {dir_ndx}"
            ))),
            None => refuse(""),
        }
    }

    /// Add the next list. Its `start` must be [`next_start`](Self::next_start).
    ///
    /// Errors: `Protocol`, as [`expect`](Self::expect), and for a second first list.
    pub fn add(&mut self, segment: Arc<Segment>) -> Result<()> {
        let parent = if segment.dir_ndx < 0 {
            if self.added > 0 {
                bail!(Protocol; "a second first list");
            }
            None
        } else {
            self.expect(segment.dir_ndx)?;
            self.waiting.remove(&segment.dir_ndx)
        };
        debug_assert_eq!(segment.start, self.next_start);
        let dirs = i32::try_from(segment.dir_count())
            .ok()
            .and_then(|n| self.next_dir.checked_add(n));
        let next = segment.next_start();
        let (Some(dirs), true) = (dirs, next < i32::MAX) else {
            bail!(Memory; "file list too long");
        };
        if self.inc_recurse {
            for (k, pos) in segment.directories().enumerate() {
                if segment.entry(pos).flags & (eflag::DUPLICATE | eflag::PRUNED) == 0 {
                    self.waiting.insert(self.next_dir + k as i32, At::new(&segment, pos));
                } else {
                    self.cleared.insert(self.next_dir + k as i32);
                }
            }
        }
        self.next_dir = dirs;
        self.next_start = next;
        self.added += 1;
        self.live.push_back(List { segment, parent });
        Ok(())
    }

    /// No more lists will come (ndx -2).
    pub fn complete(&mut self) {
        self.complete = true;
        self.waiting.clear();
        self.waiting.shrink_to_fit();
    }

    /// All lists have come.
    pub fn is_complete(&self) -> bool {
        self.complete || !self.inc_recurse && self.added > 0
    }

    /// Lists added so far, finished ones included.
    pub fn added(&self) -> usize {
        self.added
    }

    /// Whether all lists are finished.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// The oldest list that is not finished.
    pub fn first(&self) -> Option<&Arc<Segment>> {
        self.live.front().map(|l| &l.segment)
    }

    /// The directory entry that a live list belongs to: for a sub-list its directory, for the first list its `.`.
    fn parent(list: &List) -> Option<At> {
        let root = || root_of(&list.segment).map(|pos| At::new(&list.segment, pos));
        list.parent.clone().or_else(root)
    }

    /// The oldest list is done with: forget it.
    pub fn finish_first(&mut self) -> Option<Arc<Segment>> {
        self.live.pop_front().map(|l| l.segment)
    }

    /// Index of the last entry of the live lists.
    fn last(&self) -> i32 {
        self.live.back().map_or(-1, |l| l.segment.next_start() - 2)
    }

    /// An index that has no meaning where it came. In the text are the numbers that rsync's has; `step` and `role` are
    /// those of the reader.
    pub fn out_of_range(&self, ndx: i32, step: &str, role: &str) -> Error {
        let first = self.live.front().map_or(0, |l| l.segment.start - 1);
        Error::Protocol(format!(
            "File-list index {ndx} not in {first} - {} ({step}) [{role}]",
            self.last()
        ))
    }

    /// A special index that may not come here.
    pub fn not_an_index(&self, ndx: i32, role: &str) -> Error {
        Error::Protocol(format!("Invalid file index: {ndx} (-1 - {}) [{role}]", self.last()))
    }

    /// The entry that an index addresses, which may have been dropped; none in no live list.
    pub fn find(&self, ndx: i32) -> Option<Found> {
        // The last list whose gap is not above the index.
        let gap = i32::from(self.inc_recurse);
        let after = self.live.partition_point(|l| l.segment.start - gap <= ndx);
        let i = after.checked_sub(1)?;
        let list = &self.live[i];
        let is_parent = ndx < list.segment.start;
        let at = if is_parent {
            Self::parent(list)?
        } else {
            let pos = (ndx - list.segment.start) as usize;
            (pos < list.segment.len()).then(|| At::new(&list.segment, pos))?
        };
        Some(Found { at, is_parent })
    }
}

/// Position of the `.` entry.
fn root_of(segment: &Segment) -> Option<usize> {
    segment.find(b".", true).or_else(|| segment.find(b"/", true))
}

#[cfg(test)]
mod tests {
    use super::super::{NewEntry, SegmentBuilder};
    use super::*;

    fn list(start: i32, dir_ndx: i32, names: &[&str]) -> Arc<Segment> {
        let mut b = SegmentBuilder::new(32);
        for name in names {
            let (name, mode) = match name.strip_suffix('/') {
                Some(dir) => (dir, 0o040_755),
                None => (*name, 0o100_644),
            };
            b.push(&NewEntry {
                mode,
                ..NewEntry::named(name.as_bytes())
            })
            .unwrap();
        }
        b.sort(false);
        b.drop_duplicates();
        Arc::new(b.finish(start, dir_ndx))
    }

    fn name(lists: &Lists, ndx: i32) -> std::result::Result<(String, bool), i32> {
        lists
            .find(ndx)
            .filter(Found::is_active)
            .map(|f| (String::from_utf8(f.at.name()).unwrap(), f.is_parent))
            .ok_or_else(|| lists.out_of_range(ndx, "test", "receiver").code())
    }

    // PRO-42 and PRO-44, with the numbers of 13.1.
    #[test]
    fn numbering() {
        let mut lists = Lists::new(true);
        lists
            .add(list(lists.next_start(), -1, &["./", "lnk", "sub/", "a"]))
            .unwrap();
        assert_eq!((lists.next_start(), lists.next_dir), (6, 2));
        assert_eq!(name(&lists, 0), Ok((".".into(), true)));
        assert_eq!(name(&lists, 1), Ok((".".into(), false)));
        assert_eq!(name(&lists, 2), Ok(("a".into(), false)));
        assert_eq!(name(&lists, 5), Err(2));
        assert_eq!(lists.expect(1).unwrap().name(), b"sub");
        assert_eq!(lists.expect(2).unwrap_err().code(), 2);
        assert_eq!(lists.expect(-1).unwrap_err().code(), 2);

        let sub = list(6, 1, &["sub/b", "sub/d/"]);
        lists.add(sub.clone()).unwrap();
        assert_eq!(lists.add(sub).unwrap_err().code(), 2);
        assert_eq!(name(&lists, 5), Ok(("sub".into(), true)));
        assert_eq!(name(&lists, 6), Ok(("sub/b".into(), false)));

        // The first list is finished; its directory is still what index 5 means.
        lists.finish_first().unwrap();
        assert_eq!(name(&lists, 2), Err(2));
        assert_eq!(name(&lists, 5), Ok(("sub".into(), true)));
        assert_eq!(lists.expect(2).unwrap().name(), b"sub/d");
        lists.complete();
        assert!(lists.is_complete());
        assert_eq!(lists.expect(2).unwrap_err().code(), 2);
    }

    #[test]
    fn a_list_lives_as_long_as_a_directory_waits() {
        let mut lists = Lists::new(true);
        let first = list(1, -1, &["d/", "e/", "f"]);
        let weak = Arc::downgrade(&first);
        lists.add(first).unwrap();
        lists.finish_first();
        lists.add(list(5, 0, &[])).unwrap();
        lists.finish_first();
        assert!(weak.upgrade().is_some());
        lists.add(list(6, 1, &[])).unwrap();
        lists.finish_first();
        assert!(weak.upgrade().is_none());
    }

    #[test]
    fn dropped_entries_keep_their_index() {
        let mut lists = Lists::new(true);
        lists.add(list(1, -1, &["a", "a", "d/", "d/", "e/"])).unwrap();
        assert!(lists.find(1).unwrap().is_active());
        assert!(!lists.find(2).unwrap().is_active());
        assert_eq!(lists.expect(0).unwrap().name(), b"d");
        assert_eq!(lists.expect(1).unwrap_err().code(), 2);
        assert_eq!(lists.expect(2).unwrap().name(), b"e");
    }

    #[test]
    fn one_list_has_no_gap() {
        let mut lists = Lists::new(false);
        lists.add(list(0, -1, &["./", "a"])).unwrap();
        assert_eq!(name(&lists, 0), Ok((".".into(), false)));
        assert_eq!(name(&lists, 1), Ok(("a".into(), false)));
        assert_eq!(name(&lists, 2), Err(2));
        assert_eq!(name(&lists, -1), Err(2));
        assert_eq!(lists.expect(0).unwrap_err().code(), 2);
        assert!(lists.is_complete());
    }
}

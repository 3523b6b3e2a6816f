//! The window of lists that are on their way: which are open, what they wait for, and what is still to be done when
//! they end (spec: protocol 5.10, 6.3). No files are touched here.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::touch::Touch;
use crate::error::{Error, Result};
use crate::flist::{At, Segment};

/// A list whose entries are not all finished.
pub(super) struct OpenList {
    pub list: Arc<Segment>,
    /// Entries that were asked for, or wait for others.
    pub pending: usize,
    /// Entries that are asked for once more when the list ends.
    pub redo: Vec<At>,
    /// All entries have been judged.
    pub processed: bool,
    /// The directory it belongs to.
    pub touch: Option<Touch>,
    /// Data of some of its files was asked for.
    pub asked: bool,
    /// Entries of all lists up to its end.
    pub end: u64,
}

/// A directory whose own list is still to come.
#[derive(Debug, Clone)]
pub(super) struct DirInfo {
    pub at: At,
    /// It was made with its parent's list.
    pub created: bool,
    /// It, and what is below it, is left out.
    pub skip: bool,
}

/// The lists of a run, from their arrival to their end.
#[derive(Default)]
pub(super) struct Window {
    inc_recurse: bool,
    /// The lists that have been begun and are not finished.
    pub open: VecDeque<OpenList>,
    /// Lists that wait, each with the directory index of its first directory.
    arrived: VecDeque<(Arc<Segment>, i32)>,
    /// Entries of the lists in `arrived`, and of those in `open`: counted, because there may be very many of them.
    pub arrived_entries: usize,
    open_entries: usize,
    dirs: HashMap<i32, DirInfo>,
    /// Index of the directory that is judged now.
    current_dir: i32,
    next_dir: i32,
    /// Prefixes below which nothing is done (lists that are not incremental).
    skipped: HashSet<Vec<u8>>,
    /// No more lists will come.
    pub eof: bool,
    /// Nothing more will come.
    pub ended: bool,
    /// Phases that the sender has ended.
    pub phases: u8,
    /// Entries that have been judged.
    pub processed: u64,
    /// Files that were asked for and are not finished.
    pub in_flight: usize,
    /// Something was asked for a second time.
    pub asked_again: bool,
    /// The last phase in which files may be asked for has been ended.
    pub requests_over: bool,
    /// Directories that are touched at the end of the run.
    pub late: Vec<Touch>,
    /// Directories that are touched already, where that may have to be done again.
    touched: HashMap<Vec<u8>, Touch>,
    /// A directory could not be made with its parent's list, so that a finished parent may still change.
    pub made_late: bool,
    /// Ends of the lists that are finished while data is under way in a local copy, and the end of the list that the
    /// last item was of: for the progress of the whole transfer.
    ends: Vec<u64>,
    working_end: u64,
}

impl Window {
    /// An empty window; `inc_recurse`: each directory has a list of its own.
    pub(super) fn new(inc_recurse: bool) -> Self {
        Self {
            inc_recurse,
            ..Self::default()
        }
    }

    // ---- lists

    /// A list has come. Its directories are numbered (spec: protocol 5.8).
    pub(super) fn arrive(&mut self, list: Arc<Segment>) {
        let first_dir = self.next_dir;
        for i in list.directories() {
            if self.inc_recurse {
                let info = DirInfo {
                    at: At::new(&list, i),
                    created: false,
                    skip: !list.entry(i).is_active(),
                };
                self.dirs.insert(self.next_dir, info);
            }
            self.next_dir += 1;
        }
        self.arrived_entries += list.len();
        self.arrived.push_back((list, first_dir));
    }

    /// The next list that waits, and the directory index of its first directory.
    pub(super) fn next_list(&mut self) -> Option<(Arc<Segment>, i32)> {
        let next = self.arrived.pop_front()?;
        self.arrived_entries -= next.0.len();
        Some(next)
    }

    /// The list that [`Window::next_list`] will give.
    pub(super) fn peek(&self) -> Option<&Arc<Segment>> {
        self.arrived.front().map(|(list, _)| list)
    }

    /// Entries of the lists that are not finished, without the one that comes next.
    pub(super) fn listed_ahead(&self) -> usize {
        self.open_entries + self.arrived_entries - self.peek().map_or(0, |list| list.len())
    }

    /// Lists that are not finished, first those that wait.
    pub(super) fn lists(&self) -> Vec<Arc<Segment>> {
        let arrived = self.arrived.iter().map(|(list, _)| list);
        arrived.chain(self.open.iter().map(|o| &o.list)).cloned().collect()
    }

    /// A list is begun.
    pub(super) fn begin(&mut self, list: &Arc<Segment>) {
        self.open_entries += list.len();
        self.open.push_back(OpenList {
            list: Arc::clone(list),
            pending: 0,
            redo: Vec::new(),
            processed: false,
            touch: None,
            asked: false,
            end: self.processed + list.len() as u64,
        });
    }

    /// The list that was begun last.
    pub(super) fn current(&mut self) -> Option<&mut OpenList> {
        self.open.back_mut()
    }

    /// The oldest list, when nothing is pending in it.
    pub(super) fn first_done(&self) -> Option<&OpenList> {
        self.open.front().filter(|first| first.processed && first.pending == 0)
    }

    /// Take out the oldest list, unless it is the newest as well and a later one may come (spec: protocol 6.3).
    pub(super) fn take_first(&mut self) -> Option<OpenList> {
        if self.open.len() == 1 && !(self.eof && self.arrived.is_empty()) {
            return None;
        }
        let first = self.open.pop_front()?;
        self.open_entries -= first.list.len();
        Some(first)
    }

    /// Take the entries of an open list that are to be asked for again.
    pub(super) fn take_redo(&mut self, n: usize) -> Vec<At> {
        let redo = std::mem::take(&mut self.open[n].redo);
        self.asked_again |= !redo.is_empty();
        redo
    }

    // ---- entries

    /// The open list that an index belongs to, and its entry.
    fn locate(&self, ndx: i32) -> Option<(usize, At)> {
        let n = self
            .open
            .partition_point(|open| open.list.start <= ndx)
            .checked_sub(1)?;
        let list = &self.open[n].list;
        let i = (ndx - list.start) as usize;
        (i < list.len()).then(|| (n, At::new(list, i)))
    }

    /// The entry of an index in an open list.
    pub(super) fn find(&self, ndx: i32) -> Option<At> {
        Some(self.locate(ndx)?.1)
    }

    /// A file that the peer says it does not send must be in a list that is not finished.
    pub(super) fn check_range(&self, ndx: i32) -> Result<()> {
        let first = self.open.front().map(|open| &open.list).or_else(|| self.peek());
        let first = first.map_or(0, |list| list.start - 1);
        let last = self.arrived.back().map(|(list, _)| list);
        let last = last.or_else(|| self.open.back().map(|open| &open.list));
        let last = last.map_or(-1, |list| list.next_start() - 2);
        if ndx >= first.max(0) && ndx <= last {
            return Ok(());
        }
        Err(Error::Protocol(format!(
            "File-list index {ndx} not in {first} - {last} (got_flist_entry_status) [generator]"
        )))
    }

    /// An entry waits: its list stays open until [`Window::release`].
    pub(super) fn keep_open(&mut self, ndx: i32) {
        if let Some((n, _)) = self.locate(ndx) {
            self.open[n].pending += 1;
        }
    }

    /// An entry waits no longer.
    pub(super) fn release(&mut self, ndx: i32) {
        if let Some((n, _)) = self.locate(ndx) {
            self.open[n].pending = self.open[n].pending.saturating_sub(1);
        }
    }

    /// A file was asked for.
    pub(super) fn requested(&mut self, ndx: i32) {
        self.keep_open(ndx);
        self.in_flight += 1;
    }

    /// A file that was asked for is finished, or will come again.
    pub(super) fn answered(&mut self, ndx: i32) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.release(ndx);
    }

    /// A file is to be asked for once more when its list, or the phase, ends.
    pub(super) fn ask_again(&mut self, ndx: i32) {
        if let Some((n, at)) = self.locate(ndx) {
            self.open[n].redo.push(at);
        }
    }

    // ---- directories

    /// The directory that a list belongs to.
    pub(super) fn directory_of(&mut self, list: &Arc<Segment>) -> Option<DirInfo> {
        if !self.inc_recurse {
            return None;
        }
        if list.dir_ndx >= 0 {
            return self.dirs.remove(&list.dir_ndx);
        }
        list.find(b".", true).map(|i| DirInfo {
            at: At::new(list, i),
            created: false,
            skip: false,
        })
    }

    /// The directory of this index is judged now.
    pub(super) fn enter(&mut self, dir: i32) {
        self.current_dir = dir;
    }

    /// Directories of a list that is skipped are skipped as well.
    pub(super) fn skip_children(&mut self, list: &Segment, first_dir: i32) {
        for number in first_dir..first_dir + list.dir_count() as i32 {
            if let Some(info) = self.dirs.get_mut(&number) {
                info.skip = true;
            }
        }
    }

    /// Nothing below the directory that is judged now is done.
    pub(super) fn skip_below(&mut self, rel: &[u8]) {
        if !self.inc_recurse {
            self.skipped.insert(rel.to_vec());
        } else if let Some(info) = self.dirs.get_mut(&self.current_dir) {
            info.skip = true;
        }
    }

    /// Whether an entry is below a directory that is skipped (lists that are not incremental).
    pub(super) fn is_skipped(&self, at: &At) -> bool {
        if self.skipped.is_empty() {
            return false;
        }
        let name = at.name();
        memchr::memchr_iter(b'/', &name).any(|slash| self.skipped.contains(&name[..slash]))
    }

    /// The directory that is judged now was made before its own list, or could not be.
    pub(super) fn made_early(&mut self, made: bool) {
        if !made {
            self.made_late = true;
        } else if let Some(info) = self.dirs.get_mut(&self.current_dir) {
            info.created = true;
        }
    }

    // ---- touches

    /// The directory is touched, and may have to be touched again.
    pub(super) fn remember_touch(&mut self, touch: Touch) {
        self.touched.insert(touch.rel.clone(), touch);
    }

    /// A name was made in `dir`, whose mtime may be set already: it is set again at the end.
    pub(super) fn touch_again(&mut self, dir: &[u8]) {
        let open = self
            .open
            .iter()
            .any(|open| open.touch.as_ref().is_some_and(|touch| touch.rel == dir));
        if open || !self.inc_recurse {
            return;
        }
        if let Some(touch) = self.touched.get(dir) {
            self.late.push(touch.clone());
        }
    }

    // ---- progress of a local copy

    /// An item is of the list that was begun last.
    pub(super) fn note_item(&mut self) {
        self.working_end = self.open.back().map_or(0, |open| open.end);
    }

    /// A list has ended here; how many ends are to be shown.
    pub(super) fn note_end(&mut self, end: u64) -> usize {
        self.ends.push(end);
        self.ends.len()
    }

    /// Take the ends of lists that are to be shown.
    pub(super) fn take_ends(&mut self) -> impl Iterator<Item = u64> {
        let working = self.working_end;
        std::mem::take(&mut self.ends)
            .into_iter()
            .map(move |end| end.max(working))
    }
}

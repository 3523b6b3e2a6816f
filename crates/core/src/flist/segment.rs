//! A list of entries that was sent or received in one piece (spec: protocol 5.1).

use super::entry::{eflag, Entry, Extra, NewEntry, NONE};
use super::hardlinks::{HardLinks, LinkRole};
use super::order::{compare, Key};
use super::MAX_NAME;
use crate::error::{Error, Result};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

/// The arrays that a builder fills and a segment keeps.
#[derive(Debug, Clone, Default)]
struct Store {
    entries: Vec<Entry>,
    extras: Vec<Extra>,
    arena: Vec<u8>,
    inodes: Vec<(u64, u64)>,
}

impl Store {
    fn bytes(&self, at: u32, len: usize) -> &[u8] {
        &self.arena[at as usize..][..len]
    }

    /// Directory part with its final slash; what the order looks at.
    fn sort_key(&self, e: &Entry) -> Key<'_> {
        // The leading slash that was taken from an absolute name is still there, just before its directory part.
        let (at, len) = if e.has(eflag::ABSOLUTE) {
            (e.dir_at - 1, e.dir_len as usize + 1)
        } else {
            (e.dir_at, e.dir_len as usize)
        };
        // `/` was sorted before its last component became `.`.
        let top = e.has(eflag::ABSOLUTE) && e.dir_len == 0 && self.basename(e) == b".";
        Key {
            dir: self.bytes(at, len),
            base: if top { b"" } else { self.basename(e) },
            is_dir: e.is_dir(),
        }
    }

    fn dirname(&self, e: &Entry) -> &[u8] {
        let dir = self.bytes(e.dir_at, e.dir_len as usize);
        match dir {
            [] | b"/" => dir,
            _ => &dir[..dir.len() - 1],
        }
    }

    fn basename(&self, e: &Entry) -> &[u8] {
        self.bytes(e.base_at, e.base_len as usize)
    }

    fn extra(&self, e: &Entry) -> Option<&Extra> {
        self.extras.get(e.extra as usize)
    }

    fn view(&self, e: &Entry) -> NewEntry<'_> {
        let mut out = NewEntry {
            dir: self.dirname(e),
            base: self.basename(e),
            len: e.len,
            mtime: e.mtime,
            mtime_nsec: e.mtime_nsec,
            mode: e.mode,
            uid: e.uid,
            gid: e.gid,
            flags: e.flags,
            root: e.root,
            ..NewEntry::default()
        };
        if let Some(x) = self.extra(e) {
            let present = |v: u32| (v != NONE).then_some(v);
            if x.a != NONE {
                if e.is_device() {
                    out.rdev = (x.a, x.b);
                } else if e.is_link() {
                    out.link = Some(self.bytes(x.a, x.b as usize));
                } else {
                    out.checksum = Some(self.bytes(x.a, x.b as usize));
                }
            }
            out.atime = Some(x.atime);
            out.crtime = Some(x.crtime);
            out.group = present(x.group);
            out.inode = self.inodes.get(x.inode as usize).copied();
            out.acl = present(x.acl);
            out.default_acl = present(x.default_acl);
            out.xattrs = present(x.xattrs);
        }
        out
    }

    fn put(&mut self, bytes: &[u8]) -> Result<u32> {
        let at = self.arena.len();
        // Offsets are 32 bits wide; NONE is not one of them.
        if at + bytes.len() >= NONE as usize {
            return Err(Error::Memory("file list too large".into()));
        }
        self.arena.extend_from_slice(bytes);
        Ok(at as u32)
    }
}

/// Collects entries in the order of their arrival, then puts them in index order.
#[derive(Debug, Clone, Default)]
pub struct SegmentBuilder {
    store: Store,
    order: Option<Vec<u32>>,
    dir_at: u32,
    dir_len: u16,
    protocol: u8,
    absolute: bool,
}

impl SegmentBuilder {
    /// An empty list for a connection that speaks `protocol` (it decides the order).
    pub fn new(protocol: u8) -> Self {
        Self {
            protocol,
            ..Self::default()
        }
    }

    pub fn len(&self) -> usize {
        self.store.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.store.entries.is_empty()
    }

    /// The entry at a position: of arrival before [`sort`](Self::sort), of the index afterwards.
    pub fn entry(&self, i: usize) -> &Entry {
        &self.store.entries[i]
    }

    pub fn entry_mut(&mut self, i: usize) -> &mut Entry {
        &mut self.store.entries[i]
    }

    /// Everything that is known about an entry.
    pub fn view(&self, i: usize) -> NewEntry<'_> {
        self.store.view(&self.store.entries[i])
    }

    /// Append an entry; returns its position in order of arrival.
    ///
    /// Errors: `Memory` when a name or link target is over [`MAX_NAME`] bytes, or the list over 4 GiB of names.
    pub fn push(&mut self, new: &NewEntry) -> Result<usize> {
        let pos = self.store.entries.len();
        let dir_len = match new.dir {
            [] => 0,
            b"/" => 1,
            dir => dir.len() + 1,
        };
        if dir_len + new.base.len() > MAX_NAME
            || new.link.is_some_and(|l| l.len() > MAX_NAME)
            || pos >= i32::MAX as usize
        {
            return Err(Error::Memory("file name or list too long".into()));
        }
        let dir_len = dir_len as u16;
        if dir_len != self.dir_len || self.store.bytes(self.dir_at, new.dir.len()) != new.dir {
            self.dir_at = self.store.put(new.dir)?;
            if dir_len > 1 {
                self.store.put(b"/")?;
            }
            self.dir_len = dir_len;
        }
        let base_at = self.store.put(new.base)?;
        let extra = self.put_extra(new)?;
        self.store.entries.push(Entry {
            len: new.len,
            mtime: new.mtime,
            mtime_nsec: new.mtime_nsec,
            mode: new.mode,
            uid: new.uid,
            gid: new.gid,
            dir_at: self.dir_at,
            base_at,
            extra,
            dir_len,
            base_len: new.base.len() as u16,
            flags: new.flags,
            root: new.root,
        });
        Ok(pos)
    }

    fn put_extra(&mut self, new: &NewEntry) -> Result<u32> {
        use super::entry::mode;
        let mut x = Extra::EMPTY;
        let mut used = false;
        if mode::is_device(new.mode) {
            (x.a, x.b) = new.rdev;
            // A major number of all ones would read as absent; no kernel has one.
            used = true;
        } else if let Some(bytes) = if mode::is_link(new.mode) {
            new.link
        } else {
            new.checksum
        } {
            x.a = self.store.put(bytes)?;
            x.b = bytes.len() as u32;
            used = true;
        }
        for (slot, value) in [
            (&mut x.group, new.group),
            (&mut x.acl, new.acl),
            (&mut x.default_acl, new.default_acl),
            (&mut x.xattrs, new.xattrs),
        ] {
            if let Some(value) = value {
                *slot = value;
                used = true;
            }
        }
        for (slot, value) in [(&mut x.atime, new.atime), (&mut x.crtime, new.crtime)] {
            if let Some(value) = value {
                *slot = value;
                used = true;
            }
        }
        if let Some(inode) = new.inode {
            x.inode = self.store.inodes.len() as u32;
            self.store.inodes.push(inode);
            used = true;
        }
        if !used {
            return Ok(NONE);
        }
        self.store.extras.push(x);
        Ok(self.store.extras.len() as u32 - 1)
    }

    /// Put the entries in index order (spec: protocol 5.8, 5.9). With `unsorted` numbering (names are converted
    /// between character sets) they stay where they are, and only the order of processing is worked out.
    pub fn sort(&mut self, unsorted: bool) {
        let protocol = self.protocol;
        let mut entries = std::mem::take(&mut self.store.entries);
        let store = &self.store;
        let by_name = |a: &Entry, b: &Entry| compare(&store.sort_key(a), &store.sort_key(b), protocol);
        if unsorted {
            let mut order: Vec<u32> = (0..entries.len() as u32).collect();
            order.sort_by(|&a, &b| by_name(&entries[a as usize], &entries[b as usize]));
            self.order = Some(order);
        } else {
            entries.sort_by(by_name);
        }
        self.store.entries = entries;
    }

    /// The position of the entry that comes `i`-th in sorted order, after [`sort`](Self::sort).
    pub fn at(&self, i: usize) -> usize {
        self.order.as_ref().map_or(i, |o| o[i] as usize)
    }

    /// Deactivate all but one of the entries with the same name (spec: protocol 5.9). Only a receiver does this,
    /// after [`sort`](Self::sort).
    pub fn drop_duplicates(&mut self) -> Vec<usize> {
        let n = self.len();
        let mut dropped = Vec::new();
        let mut kept: Option<usize> = None;
        let (mut dirs, mut others) = (0, 0);
        let mut kept_at = 0;
        for i in 0..n {
            let this = self.at(i);
            if !self.entry(this).is_active() {
                continue;
            }
            if let Some(before) = kept {
                let (a, b) = (*self.entry(before), *self.entry(this));
                if compare(&self.store.sort_key(&a), &self.store.sort_key(&b), self.protocol) == Ordering::Equal {
                    if b.is_dir() && !a.is_dir() {
                        self.entry_mut(before).flags |= eflag::DUPLICATE;
                        dropped.push(kept_at);
                        (kept, kept_at) = (Some(this), i);
                    } else {
                        if a.is_dir() && b.is_dir() {
                            let merged = &mut self.entry_mut(before).flags;
                            *merged |= b.flags & (eflag::TOP_DIR | eflag::CONTENT_DIR);
                            *merged &= b.flags | !eflag::IMPLIED;
                        }
                        self.entry_mut(this).flags |= eflag::DUPLICATE;
                        dropped.push(i);
                    }
                    continue;
                }
            }
            if self.entry(this).is_dir() {
                dirs += 1;
            } else {
                others += 1;
            }
            (kept, kept_at) = (Some(this), i);
        }
        if self.protocol < 29 || dirs == 0 || others == 0 {
            return dropped;
        }
        // Files and directories of one name are not neighbours in this order.
        for i in 0..n {
            let this = self.at(i);
            let e = self.entry(this);
            if !e.is_dir() || !e.is_active() {
                continue;
            }
            let key = Key {
                is_dir: false,
                ..self.store.sort_key(e)
            };
            let from = partition(n, |k| {
                compare(&self.store.sort_key(self.entry(self.at(k))), &key, self.protocol) == Ordering::Less
            });
            let same: Vec<usize> = (from..n)
                .take_while(|&k| {
                    let other = self.entry(self.at(k));
                    !other.is_dir() && compare(&self.store.sort_key(other), &key, self.protocol) == Ordering::Equal
                })
                .collect();
            for k in same {
                let other = self.at(k);
                if self.entry(other).is_active() {
                    dropped.push(k);
                }
                self.entry_mut(other).flags |= eflag::DUPLICATE;
            }
        }
        dropped
    }

    /// Take the leading `/` from absolute names; they keep the place that they were sorted to with it
    /// (spec: protocol 5.3). After [`sort`](Self::sort).
    pub fn strip_leading_slashes(&mut self) {
        for e in &mut self.store.entries {
            if e.dir_len == 0 || self.store.arena[e.dir_at as usize] != b'/' || e.has(eflag::ABSOLUTE) {
                continue;
            }
            e.dir_at += 1;
            e.dir_len -= 1;
            e.flags |= eflag::ABSOLUTE;
            self.absolute = true;
            if e.base_len == 0 {
                // `/` itself. Few lists have it, none twice.
                e.base_at = self.store.arena.len() as u32;
                e.base_len = 1;
                self.store.arena.push(b'.');
            }
        }
    }

    /// Find the hard-link groups by device and inode, in index order, and flag their members. For lists that do not
    /// travel; an encoder finds the groups itself. `start` as in [`finish`](Self::finish).
    pub fn group_hard_links(&mut self, links: &mut HardLinks, start: i32) {
        for i in 0..self.len() {
            let e = &mut self.store.entries[i];
            let Some(x) = self.store.extras.get_mut(e.extra as usize) else {
                continue;
            };
            let Some(&inode) = self.store.inodes.get(x.inode as usize) else {
                continue;
            };
            let ndx = start as u32 + i as u32;
            e.flags |= eflag::HLINKED;
            match links.note(inode, ndx) {
                LinkRole::First => {
                    e.flags |= eflag::HLINK_FIRST;
                    x.group = ndx;
                }
                LinkRole::Follower(first) => x.group = first,
            }
        }
    }

    /// Take the files out of their groups that are the only ones in them: below protocol 30 the sender does not know
    /// who else is in the list.
    pub(super) fn ungroup_singles(&mut self) {
        let mut members: HashMap<u32, u32> = HashMap::new();
        let extras = &mut self.store.extras;
        for e in &self.store.entries {
            if let Some(x) = extras.get(e.extra as usize).filter(|x| x.group != NONE) {
                *members.entry(x.group).or_default() += 1;
            }
        }
        for e in &mut self.store.entries {
            if let Some(x) = extras.get_mut(e.extra as usize) {
                if members.get(&x.group) == Some(&1) {
                    x.group = NONE;
                    e.flags &= !(eflag::HLINKED | eflag::HLINK_FIRST);
                }
            }
        }
    }

    /// Close the list. `start` is the index of its first entry, `dir_ndx` the directory index that it belongs to,
    /// -1 for the first list.
    pub fn finish(mut self, start: i32, dir_ndx: i32) -> Segment {
        self.store.entries.shrink_to_fit();
        self.store.extras.shrink_to_fit();
        self.store.arena.shrink_to_fit();
        Segment {
            start,
            dir_ndx,
            io_error: 0,
            dropped: Vec::new(),
            protocol: self.protocol,
            dirs: self.store.entries.iter().filter(|e| e.is_dir()).count(),
            absolute: self.absolute,
            order: self.order,
            store: self.store,
        }
    }
}

fn partition(n: usize, mut before: impl FnMut(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, n);
    while low < high {
        let mid = low + (high - low) / 2;
        if before(mid) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    low
}

/// A finished list. Entries are addressed by position: index minus [`start`](Self::start).
#[derive(Debug, Clone)]
pub struct Segment {
    /// Index of the first entry.
    pub start: i32,
    /// Directory index that the list belongs to; -1 for the first list.
    pub dir_ndx: i32,
    /// `io_error` bits that the sender had when the list ended.
    pub io_error: u32,
    /// Duplicates that are still to be told of, as places in sorted order.
    pub dropped: Vec<usize>,
    protocol: u8,
    dirs: usize,
    absolute: bool,
    order: Option<Vec<u32>>,
    store: Store,
}

impl Segment {
    /// Number of entries, deactivated ones included.
    pub fn len(&self) -> usize {
        self.store.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.store.entries.is_empty()
    }

    /// Index of the first entry of the next list: there is a gap of one (spec: protocol 5.8).
    pub fn next_start(&self) -> i32 {
        self.start.saturating_add(self.len() as i32).saturating_add(1)
    }

    pub fn entry(&self, i: usize) -> &Entry {
        &self.store.entries[i]
    }

    /// All entries, by position.
    pub fn entries(&self) -> &[Entry] {
        &self.store.entries
    }

    /// The index of a position.
    pub fn ndx(&self, i: usize) -> i32 {
        self.start + i as i32
    }

    /// The full name. `.` is the root of the transfer.
    pub fn name(&self, i: usize) -> Vec<u8> {
        let mut out = Vec::new();
        self.name_into(i, &mut out);
        out
    }

    /// Full name as it was given: with the leading `/` that [`strip_leading_slashes`](SegmentBuilder::strip_leading_slashes)
    /// took away.
    pub fn given_name(&self, i: usize) -> Vec<u8> {
        let mut out = Vec::new();
        if self.entry(i).has(eflag::ABSOLUTE) {
            out.push(b'/');
        }
        self.name_into(i, &mut out);
        if self.basename(i).is_empty() {
            out.push(b'.');
        }
        out
    }

    /// Append the full name to `out`.
    pub fn name_into(&self, i: usize, out: &mut Vec<u8>) {
        let e = self.entry(i);
        out.extend_from_slice(self.store.bytes(e.dir_at, e.dir_len as usize));
        out.extend_from_slice(self.store.basename(e));
    }

    /// Directory part of the name, without a final slash; empty when there is none.
    pub fn dirname(&self, i: usize) -> &[u8] {
        self.store.dirname(self.entry(i))
    }

    /// Last component of the name.
    pub fn basename(&self, i: usize) -> &[u8] {
        self.store.basename(self.entry(i))
    }

    /// Both entries are in the same directory (cheap: mostly one comparison of numbers).
    pub fn same_dir(&self, i: usize, j: usize) -> bool {
        let (a, b) = (self.entry(i), self.entry(j));
        (a.dir_at, a.dir_len) == (b.dir_at, b.dir_len) || self.dirname(i) == self.dirname(j)
    }

    /// Everything that is known about an entry.
    pub fn view(&self, i: usize) -> NewEntry<'_> {
        self.store.view(self.entry(i))
    }

    fn extra(&self, i: usize) -> Option<&Extra> {
        self.store.extra(self.entry(i))
    }

    /// Target of a symlink, when links are preserved.
    pub fn link_target(&self, i: usize) -> Option<&[u8]> {
        let x = self.extra(i).filter(|x| x.a != NONE && self.entry(i).is_link())?;
        Some(self.store.bytes(x.a, x.b as usize))
    }

    /// Checksum of a regular file, with `--checksum`.
    pub fn checksum(&self, i: usize) -> Option<&[u8]> {
        let x = self.extra(i).filter(|x| x.a != NONE && self.entry(i).is_file())?;
        Some(self.store.bytes(x.a, x.b as usize))
    }

    /// Major and minor number of a device; zeros for everything else.
    pub fn rdev(&self, i: usize) -> (u32, u32) {
        self.extra(i)
            .filter(|x| x.a != NONE && self.entry(i).is_device())
            .map_or((0, 0), |x| (x.a, x.b))
    }

    /// Access time in seconds, when preserved (0 otherwise, and for directories).
    pub fn atime(&self, i: usize) -> i64 {
        self.extra(i).map_or(0, |x| x.atime)
    }

    /// Create time in seconds, when preserved.
    pub fn crtime(&self, i: usize) -> i64 {
        self.extra(i).map_or(0, |x| x.crtime)
    }

    /// The hard-link group: index of its first member in sending order, a number that only serves to tell groups
    /// apart. `None` for a file that is in none.
    pub fn hlink(&self, i: usize) -> Option<u32> {
        let group = self.extra(i)?.group;
        (group != NONE && self.entry(i).has(eflag::HLINKED)).then_some(group)
    }

    /// Device and inode, on the side that scanned.
    pub fn inode(&self, i: usize) -> Option<(u64, u64)> {
        self.store.inodes.get(self.extra(i)?.inode as usize).copied()
    }

    /// Access and default ACL, indices into [`super::Tables`].
    pub fn acl(&self, i: usize) -> (Option<u32>, Option<u32>) {
        let present = |v: u32| (v != NONE).then_some(v);
        self.extra(i)
            .map_or((None, None), |x| (present(x.acl), present(x.default_acl)))
    }

    /// Extended attributes, an index into [`super::Tables`].
    pub fn xattrs(&self, i: usize) -> Option<u32> {
        self.extra(i).map(|x| x.xattrs).filter(|&v| v != NONE)
    }

    /// Position of the `k`-th entry in the order of processing.
    pub fn at(&self, k: usize) -> usize {
        self.order.as_ref().map_or(k, |o| o[k] as usize)
    }

    /// All positions in the order of processing (spec: protocol 5.9). The same as index order, except when names are
    /// converted between character sets.
    pub fn sorted(&self) -> impl DoubleEndedIterator<Item = usize> + ExactSizeIterator + '_ {
        (0..self.len()).map(|k| self.at(k))
    }

    /// Number of directories, all of which count for directory indices.
    pub fn dir_count(&self) -> usize {
        self.dirs
    }

    /// Positions of the directories in the order of their directory indices (spec: protocol 5.8).
    pub fn directories(&self) -> impl Iterator<Item = usize> + '_ {
        self.store
            .entries
            .iter()
            .enumerate()
            .filter(|(_, e)| e.is_dir())
            .map(|(i, _)| i)
    }

    /// Position of the active entry with this name and kind.
    pub fn find(&self, name: &[u8], is_dir: bool) -> Option<usize> {
        self.find_key(&Key::of(name, is_dir)).or_else(|| {
            if !self.absolute {
                return None;
            }
            let absolute = [b"/".as_slice(), if name == b"." { b"" } else { name }].concat();
            self.find_key(&Key::of(&absolute, is_dir))
        })
    }

    /// Position of the active entry with this name, of either kind.
    pub fn find_any(&self, name: &[u8]) -> Option<usize> {
        self.find(name, false).or_else(|| self.find(name, true))
    }

    fn find_key(&self, key: &Key) -> Option<usize> {
        let at = |k: usize| self.entry(self.at(k));
        let from = partition(self.len(), |k| {
            compare(&self.store.sort_key(at(k)), key, self.protocol) == Ordering::Less
        });
        (from..self.len())
            .take_while(|&k| compare(&self.store.sort_key(at(k)), key, self.protocol) == Ordering::Equal)
            .find(|&k| at(k).is_active() && at(k).is_dir() == key.is_dir)
            .map(|k| self.at(k))
    }

    /// Take out the directories that hold nothing but directories, at any depth (`--prune-empty-dirs`); `keep` tells of
    /// a directory that stays whatever is in it, and so do its parents. Indices stay occupied.
    pub fn prune_empty_dirs(&mut self, mut keep: impl FnMut(&[u8]) -> bool) {
        let mut needed: HashSet<Vec<u8>> = HashSet::new();
        let parent = |needed: &mut HashSet<Vec<u8>>, dir: &[u8]| {
            let dir = dir.strip_suffix(b"/").unwrap_or(dir);
            if !needed.contains(dir) {
                needed.insert(dir.to_vec());
            }
        };
        for i in (0..self.len()).filter(|&i| self.entry(i).is_active() && !self.entry(i).is_dir()) {
            parent(&mut needed, self.dirname(i));
        }
        // Contents come before what holds them.
        for k in (0..self.len()).rev() {
            let i = self.at(k);
            let entry = self.entry(i);
            if !entry.is_dir() || !entry.is_active() {
                continue;
            }
            let name = self.name(i);
            if name == b"." {
                continue;
            }
            if needed.contains(&name) || keep(&name) {
                parent(&mut needed, self.dirname(i));
            } else {
                self.store.entries[i].flags |= eflag::PRUNED;
            }
        }
    }

    /// The range of `k` (see [`at`](Self::at)) that holds what is below a directory, at any depth, in the order of
    /// protocol 29 and later; `.` and the empty name mean the whole list.
    pub fn below(&self, dir: &[u8]) -> std::ops::Range<usize> {
        let n = self.len();
        if dir.is_empty() || dir == b"." {
            return 0..n;
        }
        let range = self.below_prefix(&[dir, b"/"].concat());
        if range.is_empty() && self.absolute {
            return self.below_prefix(&[b"/", dir, b"/"].concat());
        }
        range
    }

    fn below_prefix(&self, prefix: &[u8]) -> std::ops::Range<usize> {
        let n = self.len();
        // "dir/" with an empty item after it sorts before everything below, and its last byte + 1 after it.
        let at = |k: usize| self.store.sort_key(self.entry(self.at(k)));
        let from = partition(n, |k| {
            let key = Key {
                dir: prefix,
                base: b"",
                is_dir: false,
            };
            compare(&at(k), &key, self.protocol) == Ordering::Less
        });
        let to = from
            + partition(n - from, |k| {
                let key = at(from + k);
                key.dir.starts_with(prefix)
            });
        from..to
    }

    /// Bytes of memory held, for budgets.
    pub fn footprint(&self) -> usize {
        self.store.entries.capacity() * std::mem::size_of::<Entry>()
            + self.store.extras.capacity() * std::mem::size_of::<Extra>()
            + self.store.arena.capacity()
            + self.store.inodes.capacity() * 16
            + self.order.as_ref().map_or(0, |o| o.capacity() * 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: u32 = 0o100_644;
    const DIR: u32 = 0o040_755;

    fn build(names: &[(&str, u32, u16)], protocol: u8, unsorted: bool) -> Segment {
        let mut b = SegmentBuilder::new(protocol);
        for (name, mode, flags) in names {
            b.push(&NewEntry {
                mode: *mode,
                flags: *flags,
                ..NewEntry::named(name.as_bytes())
            })
            .unwrap();
        }
        b.sort(unsorted);
        b.drop_duplicates();
        b.finish(0, -1)
    }

    fn names(s: &Segment) -> Vec<String> {
        s.sorted()
            .filter(|&i| s.entry(i).is_active())
            .map(|i| String::from_utf8(s.name(i)).unwrap())
            .collect()
    }

    #[test]
    fn plain_files_have_no_extra() {
        let mut b = SegmentBuilder::new(32);
        for i in 0..1000 {
            let base = format!("f{i}");
            b.push(&NewEntry {
                dir: b"some/dir",
                base: base.as_bytes(),
                mode: FILE,
                ..NewEntry::default()
            })
            .unwrap();
        }
        assert!(b.store.extras.is_empty());
        assert_eq!(b.store.arena.len(), 9 + 10 * 2 + 90 * 3 + 900 * 4);
    }

    #[test]
    fn sorts_and_finds() {
        for unsorted in [false, true] {
            let s = build(
                &[
                    ("b/c", FILE, 0),
                    ("a/y", FILE, 0),
                    ("z", FILE, 0),
                    (".", DIR, 0),
                    ("a", DIR, 0),
                    ("a!", DIR, 0),
                    ("b", DIR, 0),
                    ("a!/x", FILE, 0),
                ],
                30,
                unsorted,
            );
            assert_eq!(names(&s), [".", "z", "a!", "a!/x", "a", "a/y", "b", "b/c"]);
            for i in 0..s.len() {
                assert_eq!(s.find(&s.name(i), s.entry(i).is_dir()), Some(i));
                assert_eq!(s.find(&s.name(i), !s.entry(i).is_dir()), None);
            }
            assert_eq!(s.find(b"nope", false), None);
            if unsorted {
                assert_eq!(s.basename(0), b"c");
            }
            let below: Vec<_> = s.below(b"a").map(|k| s.name(s.at(k))).collect();
            assert_eq!(below, [b"a/y"]);
            assert_eq!(s.below(b"zz").len(), 0);
        }
    }

    #[test]
    fn sort_is_stable_and_drops_duplicates() {
        let s = build(&[("a", FILE, 0), ("a", FILE | 0o111, 0), ("b", FILE, 0)], 30, false);
        assert_eq!(s.len(), 3);
        assert!(s.entry(0).is_active() && !s.entry(1).is_active());
        assert_eq!(s.entry(0).mode, FILE);
        assert_eq!(s.find(b"a", false), Some(0));
    }

    #[test]
    fn a_directory_beats_a_file() {
        for protocol in [28, 30] {
            for list in [
                [("a", FILE, 0), ("a", DIR, 0), ("b", FILE, 0)],
                [("b", FILE, 0), ("a", DIR, 0), ("a", FILE, 0)],
            ] {
                let s = build(&list, protocol, false);
                let i = s.find_any(b"a").unwrap();
                assert!(s.entry(i).is_dir());
                assert_eq!(s.entries().iter().filter(|e| e.is_active()).count(), 2);
            }
        }
    }

    #[test]
    fn directories_merge_their_flags() {
        use eflag::{CONTENT_DIR, IMPLIED, TOP_DIR};
        let merge = |a, b| {
            let s = build(&[("d", DIR, a), ("d", DIR, b)], 30, false);
            assert!(s.entry(0).is_active() && !s.entry(1).is_active());
            s.entry(0).flags
        };
        assert_eq!(merge(IMPLIED, IMPLIED), IMPLIED);
        assert_eq!(merge(IMPLIED, CONTENT_DIR), CONTENT_DIR);
        assert_eq!(merge(CONTENT_DIR, IMPLIED), CONTENT_DIR);
        assert_eq!(merge(0, TOP_DIR | CONTENT_DIR), TOP_DIR | CONTENT_DIR);
    }

    #[test]
    fn absolute_names_are_sorted_with_and_used_without_their_slash() {
        let mut b = SegmentBuilder::new(30);
        for (name, mode) in [("a", FILE), ("/tmp/x", FILE), ("/tmp", DIR), ("/q", FILE)] {
            b.push(&NewEntry {
                mode,
                ..NewEntry::named(name.as_bytes())
            })
            .unwrap();
        }
        b.sort(false);
        b.drop_duplicates();
        b.strip_leading_slashes();
        let s = b.finish(1, -1);
        assert_eq!(names(&s), ["a", "q", "tmp", "tmp/x"]);
        assert_eq!(s.dirname(1), b"");
        for (i, name) in [&b"a"[..], b"q", b"tmp", b"tmp/x"].iter().enumerate() {
            assert_eq!(s.find_any(name), Some(i));
        }
    }

    #[test]
    fn the_root_directory_keeps_its_place_among_absolute_names() {
        // Found by fuzzing: `/` becomes `.`, which plain byte order has after some names of the list.
        for protocol in [27, 28, 29, 30, 32] {
            let mut b = SegmentBuilder::new(protocol);
            for (name, mode) in [("/", DIR), ("/\u{2}d/x", DIR), ("/-", FILE), ("/a", FILE), ("b", FILE)] {
                b.push(&NewEntry {
                    mode,
                    ..NewEntry::named(name.as_bytes())
                })
                .unwrap();
            }
            b.sort(false);
            b.drop_duplicates();
            b.strip_leading_slashes();
            let s = b.finish(0, -1);
            for i in 0..s.len() {
                let found = s.find(&s.name(i), s.entry(i).is_dir());
                assert_eq!(found, Some(i), "{:?} at {protocol}", s.name(i));
            }
        }
    }

    #[test]
    fn extras_come_back() {
        let mut b = SegmentBuilder::new(32);
        b.push(&NewEntry {
            mode: 0o120_777,
            link: Some(b"to"),
            ..NewEntry::named(b"l")
        })
        .unwrap();
        b.push(&NewEntry {
            mode: 0o020_644,
            rdev: (5, 300),
            ..NewEntry::named(b"dev")
        })
        .unwrap();
        let file = NewEntry {
            mode: FILE,
            checksum: Some(b"0123456789abcdef"),
            atime: Some(-5),
            crtime: Some(7),
            inode: Some((3, 4)),
            acl: Some(1),
            xattrs: Some(2),
            ..NewEntry::named(b"x/f")
        };
        b.push(&file).unwrap();
        b.sort(false);
        b.group_hard_links(&mut HardLinks::new(), 1);
        let s = b.finish(1, -1);
        assert_eq!(s.rdev(0), (5, 300));
        assert_eq!(s.link_target(1), Some(&b"to"[..]));
        assert_eq!(s.checksum(2), Some(&b"0123456789abcdef"[..]));
        assert_eq!((s.atime(2), s.crtime(2)), (-5, 7));
        assert_eq!((s.inode(2), s.hlink(2)), (Some((3, 4)), Some(3)));
        assert_eq!((s.acl(2), s.xattrs(2)), ((Some(1), None), Some(2)));
        assert_eq!(s.hlink(1), None);
    }

    #[test]
    fn an_over_long_name_is_refused() {
        let long = vec![b'a'; MAX_NAME];
        let mut b = SegmentBuilder::new(32);
        assert!(b.push(&NewEntry::named(&long)).is_ok());
        let longer = vec![b'a'; MAX_NAME + 1];
        assert_eq!(b.push(&NewEntry::named(&longer)).unwrap_err().code(), 22);
    }
}

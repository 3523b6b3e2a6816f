//! A list of entries that was sent or received in one piece (spec: protocol 5.1).

pub(crate) mod builder;

use super::entry::{eflag, Entry, Extra, NewEntry, NONE};
use super::order::{compare, partition, Key};
use crate::error::{Error, Result};
use crate::wire::item::IoErrors;
use std::cmp::Ordering;
use std::collections::HashSet;

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

/// A finished list. Entries are addressed by position: index minus [`start`](Self::start).
#[derive(Debug, Clone)]
pub struct Segment {
    /// Index of the first entry.
    pub start: i32,
    /// Directory index that the list belongs to; -1 for the first list.
    pub dir_ndx: i32,
    /// `io_error` bits that the sender had when the list ended.
    pub io_error: IoErrors,
    /// Duplicates that are not reported yet, as places in sorted order.
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

    /// Whether the list has no entries.
    pub fn is_empty(&self) -> bool {
        self.store.entries.is_empty()
    }

    /// Index of the first entry of the next list: there is a gap of one (spec: protocol 5.8).
    pub fn next_start(&self) -> i32 {
        self.start.saturating_add(self.len() as i32).saturating_add(1)
    }

    /// The entry at a position.
    pub fn entry(&self, i: usize) -> &Entry {
        &self.store.entries[i]
    }

    /// All entries, by position.
    pub fn entries(&self) -> &[Entry] {
        &self.store.entries
    }

    /// Size of all regular files, in bytes.
    pub fn file_bytes(&self) -> u64 {
        let sizes = self.entries().iter().filter(|entry| entry.is_file());
        sizes.fold(0, |sum, entry| sum.saturating_add(entry.len))
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

    /// Full name as it was given: with the leading `/` that
    /// [`strip_leading_slashes`](builder::SegmentBuilder::strip_leading_slashes) took away.
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

    /// The hard-link group: index of its first member in sending order, a number that only distinguishes
    /// groups. `None` for a file without a group.
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

    /// Take out the directories that hold nothing but directories, at any depth (`--prune-empty-dirs`); `keep` says
    /// which directories stay whatever is in them, and their parents with them. Indices stay occupied.
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
mod tests;

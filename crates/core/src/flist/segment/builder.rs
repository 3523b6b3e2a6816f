//! A list while entries are added to it (spec: protocol 5.1).

use std::cmp::Ordering;
use std::collections::HashMap;

use super::{Segment, Store};
use crate::error::{bail, Result};
use crate::flist::entry::{eflag, Entry, Extra, NewEntry, NONE};
use crate::flist::hardlinks::{HardLinks, LinkRole};
use crate::flist::order::{compare, partition, Key};
use crate::flist::MAX_NAME;
use crate::wire::item::IoErrors;

/// Collects entries in the order of their arrival, then puts them in index order.
#[derive(Debug, Clone, Default)]
pub(crate) struct SegmentBuilder {
    pub(super) store: Store,
    order: Option<Vec<u32>>,
    dir_at: u32,
    dir_len: u16,
    protocol: u8,
    absolute: bool,
}

impl SegmentBuilder {
    /// An empty list for a connection that speaks `protocol` (it decides the order).
    pub(crate) fn new(protocol: u8) -> Self {
        Self {
            protocol,
            ..Self::default()
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.store.entries.len()
    }

    /// The entry at a position: of arrival before [`sort`](Self::sort), of the index afterwards.
    pub(crate) fn entry(&self, i: usize) -> &Entry {
        &self.store.entries[i]
    }

    pub(crate) fn entry_mut(&mut self, i: usize) -> &mut Entry {
        &mut self.store.entries[i]
    }

    /// Everything that is known about an entry.
    pub(crate) fn view(&self, i: usize) -> NewEntry<'_> {
        self.store.view(&self.store.entries[i])
    }

    /// Append an entry; returns its position in order of arrival.
    ///
    /// Errors: `Memory` when a name or link target is over [`MAX_NAME`] bytes, or the list over 4 GiB of names.
    pub(crate) fn push(&mut self, new: &NewEntry) -> Result<usize> {
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
            bail!(Memory; "file name or list too long");
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

    /// Replace the checksum of an entry, which has one of the same length.
    pub(crate) fn set_checksum(&mut self, i: usize, sum: &[u8]) {
        let entry = &self.store.entries[i];
        let Some(extra) = self.store.extra(entry).filter(|x| x.a != NONE && entry.is_file()) else {
            return;
        };
        let (at, len) = (extra.a as usize, (extra.b as usize).min(sum.len()));
        self.store.arena[at..at + len].copy_from_slice(&sum[..len]);
    }

    fn put_extra(&mut self, new: &NewEntry) -> Result<u32> {
        use crate::tree::mode;
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
    pub(crate) fn sort(&mut self, unsorted: bool) {
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
    pub(crate) fn at(&self, i: usize) -> usize {
        self.order.as_ref().map_or(i, |o| o[i] as usize)
    }

    /// Deactivate all but one of the entries with the same name (spec: protocol 5.9). Only a receiver does this,
    /// after [`sort`](Self::sort).
    pub(crate) fn drop_duplicates(&mut self) -> Vec<usize> {
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
    pub(crate) fn strip_leading_slashes(&mut self) {
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
    pub(crate) fn group_hard_links(&mut self, links: &mut HardLinks, start: i32) {
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

    /// Dissolve groups with one member: below protocol 30 the sender does not know which other members are in the list.
    pub(in crate::flist) fn ungroup_singles(&mut self) {
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
    pub(crate) fn finish(mut self, start: i32, dir_ndx: i32) -> Segment {
        self.store.entries.shrink_to_fit();
        self.store.extras.shrink_to_fit();
        self.store.arena.shrink_to_fit();
        Segment {
            start,
            dir_ndx,
            io_error: IoErrors::NONE,
            dropped: Vec::new(),
            protocol: self.protocol,
            dirs: self.store.entries.iter().filter(|e| e.is_dir()).count(),
            absolute: self.absolute,
            order: self.order,
            store: self.store,
        }
    }
}

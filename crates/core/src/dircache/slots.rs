//! What the cache knows of each directory, by path.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Instant;

use super::listing::Listing;
use super::Why;

/// More names than this, and the whole directory is read again.
const NAMES: usize = 64;

/// A directory's path beneath the root of the view, without slashes at the ends; the root is empty.
pub(super) type Path = Arc<[u8]>;

/// What must be read again before a listing is used.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Dirty {
    #[default]
    No,
    Names(BTreeSet<Vec<u8>>),
    All,
}

impl Dirty {
    pub(super) fn add(&mut self, name: &[u8]) {
        match self {
            Self::No => *self = Self::Names(BTreeSet::from([name.to_vec()])),
            Self::Names(names) if names.len() < NAMES => {
                names.insert(name.to_vec());
            }
            Self::Names(_) => *self = Self::All,
            Self::All => {}
        }
    }
}

/// A name whose inode no reading has shown yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unseen {
    /// [`super::state::State::serial`] of its first event.
    pub serial: u64,
    /// The file was changed through this name.
    pub changed: bool,
}

/// One directory.
#[derive(Debug)]
pub(super) struct Slot {
    /// Distinguishes this slot from one that had the path before.
    pub id: u64,
    pub listing: Option<Arc<Listing>>,
    pub dirty: Dirty,
    /// Names that have appeared since the last reading. Each may be a further link of a file in another directory.
    pub unseen: BTreeMap<Vec<u8>, Unseen>,
    /// When its last complete reading began.
    pub verified: Instant,
    /// [`super::state::State::epoch`] when its last complete reading began.
    pub epoch: u32,
    /// Up to where the list of inodes with changed links has been compared.
    pub compared: u32,
    pub wd: Option<i32>,
    /// A thread reads the directory.
    pub busy: bool,
    /// Used since the hand of the clock last passed.
    pub used: bool,
    /// It cannot be kept; scanned for every list.
    pub live: Option<Why>,
}

/// Bytes that a slot takes beside its path and its listing: its place in the tree, the path's header, and its watch.
const SLOT: usize = (std::mem::size_of::<Slot>() + std::mem::size_of::<Path>()) * 4 / 3 + 16 + 40;

/// All slots, and the memory that they take.
#[derive(Debug, Default)]
pub(super) struct Slots {
    map: BTreeMap<Path, Slot>,
    next_id: u64,
    /// Bytes of slots and listings.
    pub bytes: usize,
    /// Entries of all listings.
    pub entries: usize,
    /// Listings.
    pub listings: usize,
    /// Listings with a file that has several links.
    pub linked: usize,
    hand: Option<Path>,
}

impl Slots {
    /// Number of slots.
    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    pub(super) fn get(&self, path: &[u8]) -> Option<&Slot> {
        self.map.get(path)
    }

    pub(super) fn get_mut(&mut self, path: &[u8]) -> Option<&mut Slot> {
        self.map.get_mut(path)
    }

    /// The slot if it is still the one with this id.
    pub(super) fn same(&mut self, path: &[u8], id: u64) -> Option<&mut Slot> {
        self.map.get_mut(path).filter(|slot| slot.id == id)
    }

    pub(super) fn path_of(&self, path: &[u8]) -> Option<Path> {
        self.map.get_key_value(path).map(|(path, _)| Arc::clone(path))
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.map.values_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Path, &Slot)> {
        self.map.iter()
    }

    /// The slot of a path, made if there is none.
    pub(super) fn ensure(&mut self, path: &[u8], epoch: u32, compared: u32) -> &mut Slot {
        let key: Path = match self.map.get_key_value(path) {
            Some((key, _)) => Arc::clone(key),
            None => {
                self.bytes += SLOT + path.len();
                self.next_id += 1;
                Arc::from(path)
            }
        };
        let id = self.next_id;
        self.map.entry(key).or_insert_with(|| Slot {
            id,
            listing: None,
            dirty: Dirty::No,
            unseen: BTreeMap::new(),
            verified: Instant::now(),
            epoch,
            compared,
            wd: None,
            busy: false,
            used: true,
            live: None,
        })
    }

    /// Put a listing in a slot, or take the one that is there away.
    pub(super) fn set_listing(&mut self, path: &[u8], listing: Option<Arc<Listing>>) {
        let Some(slot) = self.map.get_mut(path) else { return };
        if let Some(new) = &listing {
            self.bytes += new.size();
            self.entries += new.len();
            self.listings += 1;
            self.linked += usize::from(new.is_linked());
        }
        if let Some(old) = std::mem::replace(&mut slot.listing, listing) {
            self.bytes -= old.size();
            self.entries -= old.len();
            self.listings -= 1;
            self.linked -= usize::from(old.is_linked());
        }
    }

    fn remove(&mut self, path: &[u8]) -> Option<i32> {
        self.set_listing(path, None);
        let slot = self.map.remove(path)?;
        self.bytes -= SLOT + path.len();
        slot.wd
    }

    /// The paths of a directory and all below it.
    pub(super) fn below(&self, path: &[u8]) -> Vec<Path> {
        let prefix = if path.is_empty() {
            Vec::new()
        } else {
            [path, b"/"].concat()
        };
        let from = Bound::Included(&prefix[..]);
        let inner = self.map.range::<[u8], _>((from, Bound::Unbounded));
        let inner = inner.map(|(path, _)| path).take_while(|path| path.starts_with(&prefix));
        let own = self.map.get_key_value(path).map(|(path, _)| path);
        let own = own.filter(|_| !path.is_empty());
        own.into_iter().chain(inner).map(Arc::clone).collect()
    }

    fn has_children(&self, path: &[u8]) -> bool {
        if path.is_empty() {
            return self.map.len() > 1;
        }
        let prefix = [path, b"/"].concat();
        let mut inner = self
            .map
            .range::<[u8], _>((Bound::Included(&prefix[..]), Bound::Unbounded));
        inner.next().is_some_and(|(path, _)| path.starts_with(&prefix))
    }

    /// Whether a file was changed, at or below a directory, through a name whose inode no reading has shown.
    pub(super) fn has_unknown_changes(&self, path: &[u8]) -> bool {
        let slots = self.below(path);
        let mut slots = slots.iter().filter_map(|path| self.map.get(path));
        slots.any(|slot| slot.unseen.values().any(|name| name.changed))
    }

    /// Remove a directory and all below it; returns the watches that they had.
    pub(super) fn drop_tree(&mut self, path: &[u8]) -> Vec<i32> {
        let paths = self.below(path);
        paths.iter().filter_map(|path| self.remove(path)).collect()
    }

    /// The first path after another, in the order of the tree, and from the first one again at the end.
    pub(super) fn after(&self, path: Option<&[u8]>) -> Option<Path> {
        let from = path.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.map.range::<[u8], _>((from, Bound::Unbounded));
        let next = rest.next().or_else(|| self.map.first_key_value());
        next.map(|(path, _)| Arc::clone(path))
    }

    /// Make room: forget a directory that was not used since the hand last passed. Directories below it go first, because
    /// a watch is trusted only below watched ones. Returns whether anything was forgotten, and the watch that it had.
    pub(super) fn evict(&mut self, keep: &[u8]) -> (bool, Option<i32>) {
        for _ in 0..2 * self.map.len() {
            let Some(path) = self.after(self.hand.as_deref()) else {
                break;
            };
            self.hand = Some(Arc::clone(&path));
            let children = self.has_children(&path);
            let Some(slot) = self.map.get_mut(&path) else { continue };
            if std::mem::take(&mut slot.used) || slot.busy || *path == *keep {
                continue;
            }
            if !children {
                return (true, self.remove(&path));
            }
            if slot.listing.is_some() {
                self.set_listing(&path, None);
                return (true, None);
            }
        }
        (false, None)
    }
}

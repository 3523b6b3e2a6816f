//! The directory cache: listings of the directories of one view, kept in memory and known to be fresh (decision 18).
//!
//! A view is all that decides what a connection can see of a tree; one [`Cache`] serves one view. The cache does not read
//! directories itself: a [`View`] does, so that a listing contains what the scanner of an uncached list would have listed.

mod cache;
mod codec;
mod events;
mod jobs;
mod listing;
mod slots;
mod state;
mod sweep;

use std::time::Duration;

pub use cache::{Cache, Source};
pub use codec::{Decoder, Record, RecordRef};
pub use listing::{Fresh, Listing};
pub use sweep::Swept;

/// Reads directories of one view. Paths are relative to its root, without slashes at the ends; the root is empty.
pub trait View {
    /// All entries of a directory. `None` after any error, and for a directory that cannot be kept: such a directory is
    /// scanned for every list, so that messages and codes are those of an uncached one.
    fn read(&mut self, dir: &[u8]) -> Option<Fresh>;
    /// The entries that some names of a directory have now, in the order of the names; `None` for a name that the view
    /// does not show. `None` altogether as for [`View::read`].
    fn look(&mut self, dir: &[u8], names: &[Vec<u8>]) -> Option<Vec<Option<Record>>>;
}

/// How a cache keeps its listings fresh.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Watch the directories.
    pub watch: bool,
    /// Jobs announce their changes.
    pub told: bool,
    /// Without either: how old a listing may be.
    pub max_age: Duration,
    /// Bytes of memory for listings and what belongs to them.
    pub memory: usize,
}

impl Settings {
    /// Listings are trusted for a time, and nothing else.
    pub(super) fn is_timed(&self) -> bool {
        !self.watch && !self.told
    }
}

/// Why a directory is scanned for every list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// An error, or something that a listing cannot hold.
    Unreadable,
    /// No watch is to be had.
    Watches,
    /// It is too large, or there is no room.
    Memory,
    /// It is on another file system than the root, whose changes may not be reported.
    Mount,
    /// Another thread has been reading it for too long.
    Busy,
    /// It changes faster than it can be read.
    Changing,
    /// Its path is too long.
    Path,
}

impl Why {
    /// A word for counters.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Watches => "watches",
            Self::Memory => "memory",
            Self::Mount => "mount",
            Self::Busy => "busy",
            Self::Changing => "changing",
            Self::Path => "path",
        }
    }
}

/// Figures of a cache.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Entries in listings.
    pub entries: usize,
    /// Number of listings.
    pub directories: usize,
    /// Listings that must be verified before their next use.
    pub stale: usize,
    /// Bytes of memory, without the kernel's.
    pub bytes: usize,
    /// Directories that are watched.
    pub watches: usize,
    /// Directories that could not be watched, counted once for each try.
    pub watches_missing: u64,
    /// Lists that could be made from the cache.
    pub lists_cached: u64,
    /// Lists that could not, by the reason.
    pub lists_live: Vec<(String, u64)>,
    /// Directories that lists took from the cache.
    pub directories_cached: u64,
    /// Directories that such lists scanned all the same, by the reason.
    pub directories_live: Vec<(String, u64)>,
    /// Complete readings of directories.
    pub reads: u64,
    /// Names that were looked at again.
    pub refreshed_names: u64,
    /// Times that the kernel has lost events.
    pub overflows: u64,
    /// Directories with changes that nothing has reported, found by sweeps.
    pub missed: u64,
    /// Listings that were forgotten for want of room.
    pub evictions: u64,
    /// Too many changes were missed: listings are only trusted for a time now.
    pub fallen: bool,
    /// Jobs that have begun.
    pub jobs: usize,
    /// Seconds since the oldest complete reading.
    pub oldest_seconds: f64,
}

#[cfg(test)]
mod tests;

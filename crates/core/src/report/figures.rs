//! The live figures of a transfer: what a progress display reads while the roles work.
//!
//! Roles add to atomics, once per entry, per file and per buffer. [`Live::snapshot`] copies them. The amount to come is
//! kept as the listed bytes without those that turned out to need no data. So once the list is complete it never grows,
//! and the share that is done never falls.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{lock, Report};
use crate::wire::link::Control;

/// What the run does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// The list still grows. Files may be copied at the same time.
    #[default]
    Scan,
    /// The list is complete; entries are compared and files are copied.
    Copy,
    /// Extraneous files are removed, before the first or after the last copy.
    Delete,
    /// All data has been handled; the ends say goodbye.
    End,
}

impl Phase {
    /// The word that programs read.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Copy => "copy",
            Self::Delete => "delete",
            Self::End => "end",
        }
    }

    const fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Scan,
            1 => Self::Copy,
            2 => Self::Delete,
            _ => Self::End,
        }
    }
}

/// A copy of all figures at one moment. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Figures {
    /// Entries in the list so far.
    pub entries: u64,
    /// Size of its regular files.
    pub listed_bytes: u64,
    /// No more entries will come.
    pub complete: bool,
    /// Entries of which it is known whether their data is needed. A sender knows it of all entries before the last one
    /// that was asked for.
    pub decided: u64,
    /// Size of the regular files that are not decided.
    pub undecided_bytes: u64,
    /// Size of the files whose data was asked for.
    pub asked_bytes: u64,
    /// The part of them that has been dealt with: sent or found at the other end. A finished file counts with its size.
    /// A dry run counts a file when it is asked for.
    pub done_bytes: u64,
    /// Room that the destination needs for the rest of what was asked for, at least: without what finished files give back.
    /// Files that replace others count whole unless the plan watches the room.
    pub room_bytes: u64,
    /// Bytes on the wire in both directions, since the connection was made.
    pub wire_bytes: u64,
    /// Files whose data is complete.
    pub files: u64,
    /// Entries that the destination did not have.
    pub created: u64,
    /// Entries that existed before and got other contents.
    pub updated: u64,
    /// Entries of which only attributes changed.
    pub attributes: u64,
    /// Deletions at the destination.
    pub deleted: u64,
    /// Errors that make the exit code 23.
    pub errors: u64,
    /// The file whose data was handled last.
    pub name: Vec<u8>,
    /// Its size; 0 when it is finished.
    pub size: u64,
    /// How far it is.
    pub offset: u64,
    /// The directory that was listed last.
    pub directory: Vec<u8>,
    /// What the run does.
    pub phase: Phase,
}

/// A counter with one writer at a time: an addition needs no lock of the bus.
#[derive(Default)]
struct Counter(AtomicU64);

impl Counter {
    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn add(&self, count: u64) {
        self.set(self.get().saturating_add(count));
    }
}

/// Figures of the role that lists or receives lists. Each group has a cache line of its own, because another thread
/// writes the next group.
#[derive(Default)]
#[repr(align(64))]
struct Listed {
    entries: Counter,
    bytes: Counter,
    complete: AtomicBool,
}

/// Figures of the role that decides.
#[derive(Default)]
#[repr(align(64))]
struct Decided {
    entries: Counter,
    bytes: Counter,
    /// The part of these bytes that is not asked for.
    unneeded: Counter,
    /// Bytes of files under way that old files give back.
    reused: Counter,
}

/// Figures of the roles that move data. Workers add to the first two as well.
#[derive(Default)]
#[repr(align(64))]
struct Moved {
    bytes: Arc<AtomicU64>,
    files: AtomicU64,
    size: Counter,
    offset: Counter,
    /// The part of the present file that `bytes` contains.
    counted: Counter,
}

/// The figures of a run while it goes on.
#[derive(Default)]
pub struct Live {
    listed: Listed,
    decided: Decided,
    moved: Moved,
    deleted: AtomicU64,
    phase: AtomicU8,
    name: Mutex<Vec<u8>>,
    directory: Mutex<Vec<u8>>,
    times_files: AtomicBool,
    /// When the present file was begun, in runs that report the time of each file.
    begun: Mutex<Option<Instant>>,
    /// The connection, which counts its bytes.
    link: Mutex<Option<Control>>,
}

impl Live {
    /// Entries were listed; `bytes`: the size of the regular files among them.
    pub(crate) fn add_listed(&self, entries: u64, bytes: u64) {
        self.listed.entries.add(entries);
        self.listed.bytes.add(bytes);
    }

    /// No more entries will come.
    pub(crate) fn end_lists(&self) {
        self.listed.complete.store(true, Ordering::Relaxed);
    }

    /// Entries listed so far.
    pub(crate) fn entries(&self) -> u64 {
        self.listed.entries.get()
    }

    /// No more entries will come.
    pub(crate) fn is_complete(&self) -> bool {
        self.listed.complete.load(Ordering::Relaxed)
    }

    /// This directory is listed now.
    pub(crate) fn enter(&self, directory: &[u8]) {
        copy_into(&self.directory, directory);
    }

    /// It is known whether the data of these entries is needed. `bytes`: the size of the regular files among them.
    pub(crate) fn decide(&self, entries: u64, bytes: u64, asked: bool) {
        if !asked {
            self.decided.unneeded.add(bytes);
        }
        self.decided.bytes.add(bytes);
        self.decided.entries.add(entries);
    }

    /// So many bytes of the files under way are room that their old files give back.
    pub(crate) fn set_reused(&self, bytes: u64) {
        self.decided.reused.set(bytes);
    }

    /// The data of a file is handled now. `counted`: it belongs to the bytes asked for; a second request does not.
    pub(crate) fn begin_file(&self, name: &[u8], size: u64, counted: bool) {
        copy_into(&self.name, name);
        if self.times_files.load(Ordering::Relaxed) {
            *lock(&self.begun) = Some(Instant::now());
        }
        self.moved.counted.set(if counted { 0 } else { size });
        self.moved.offset.set(0);
        self.moved.size.set(size);
    }

    /// Note from now on when a file is begun.
    pub(super) fn time_files(&self) {
        self.times_files.store(true, Ordering::Relaxed);
    }

    /// How long the present file has taken.
    pub(crate) fn file_time(&self) -> Duration {
        lock(&self.begun).map_or(Duration::ZERO, |begun| begun.elapsed())
    }

    /// The present file has been handled up to this offset.
    pub(crate) fn advance(&self, offset: u64) {
        self.moved.offset.set(offset);
        self.count_to(offset);
    }

    fn count_to(&self, offset: u64) {
        let (to, counted) = (offset.min(self.moved.size.get()), self.moved.counted.get());
        if to > counted {
            self.moved.counted.set(to);
            self.moved.bytes.fetch_add(to - counted, Ordering::Relaxed);
        }
    }

    /// The present file is finished; `good`: its data is complete.
    pub(crate) fn end_file(&self, good: bool) {
        self.count_to(u64::MAX);
        self.moved.size.set(0);
        self.moved.offset.set(0);
        self.moved.files.fetch_add(u64::from(good), Ordering::Relaxed);
    }

    /// A file is finished that was never the present one, because a worker wrote it or because no data was needed.
    pub(crate) fn file_done(&self, size: u64, good: bool) {
        self.moved.bytes.fetch_add(size, Ordering::Relaxed);
        self.moved.files.fetch_add(u64::from(good), Ordering::Relaxed);
    }

    /// Something was deleted at the destination.
    pub(crate) fn add_deleted(&self) {
        self.deleted.fetch_add(1, Ordering::Relaxed);
    }

    /// The run enters this phase.
    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Count the bytes of this connection. `sends`: files go out on it, and are done when they are written.
    pub(super) fn set_link(&self, link: Control, sends: bool) {
        if sends {
            link.follow(self.moved.bytes.clone());
        }
        *lock(&self.link) = Some(link);
    }

    /// The connection, if there is one.
    pub(super) fn link(&self) -> Option<Control> {
        lock(&self.link).clone()
    }

    /// A copy of all figures.
    pub fn snapshot(&self, errors: u64) -> Figures {
        // What is done is read first and what is listed last, so that no part exceeds its whole.
        let done = self.moved.bytes.load(Ordering::Relaxed);
        let link = self.link();
        let done = link.as_ref().map_or(done, |link| link.delivered(done));
        let unneeded = self.decided.unneeded.get();
        let decided = self.decided.bytes.get();
        let asked = decided.saturating_sub(unneeded);
        let complete = self.is_complete();
        let phase = match Phase::from_byte(self.phase.load(Ordering::Relaxed)) {
            Phase::Scan if complete => Phase::Copy,
            phase => phase,
        };
        Figures {
            decided: self.decided.entries.get(),
            asked_bytes: asked,
            // A file that is longer than listed, or a second member of a group of hard links, is not more than was
            // asked for.
            done_bytes: done.min(asked),
            room_bytes: asked.saturating_sub(done).saturating_sub(self.decided.reused.get()),
            entries: self.entries(),
            listed_bytes: self.listed.bytes.get(),
            undecided_bytes: self.listed.bytes.get().saturating_sub(decided),
            complete,
            wire_bytes: link.as_ref().map_or(0, Control::traffic),
            files: self.moved.files.load(Ordering::Relaxed),
            deleted: self.deleted.load(Ordering::Relaxed),
            errors,
            name: lock(&self.name).clone(),
            size: self.moved.size.get(),
            offset: self.moved.offset.get(),
            directory: lock(&self.directory).clone(),
            phase,
            ..Figures::default()
        }
    }
}

/// Replace a name without a new allocation.
fn copy_into(place: &Mutex<Vec<u8>>, name: &[u8]) {
    let mut place = lock(place);
    place.clear();
    place.extend_from_slice(name);
}

impl Report {
    /// The live figures, for the roles that add to them.
    pub(crate) fn live(&self) -> &Live {
        &self.shared.live
    }

    /// A copy of the live figures.
    pub fn figures(&self) -> Figures {
        let (created, updated, attributes) = self.stats(|s| (s.created.total(), s.updated, s.attributes));
        Figures {
            created,
            updated,
            attributes,
            ..self.shared.live.snapshot(self.shared.outcome.xfer_errors())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(figures: &Figures) -> u64 {
        figures.asked_bytes + figures.undecided_bytes
    }

    #[test]
    fn the_total_never_grows_once_the_list_is_complete() {
        let live = Live::default();
        live.add_listed(3, 600);
        live.end_lists();
        assert_eq!(total(&live.snapshot(0)), 600);
        live.decide(1, 100, true);
        live.begin_file(b"a", 100, true);
        live.advance(40);
        let half = live.snapshot(0);
        assert_eq!(
            (total(&half), half.done_bytes, half.offset, half.size),
            (600, 40, 40, 100)
        );
        live.end_file(true);
        live.decide(1, 200, false);
        let next = live.snapshot(2);
        assert_eq!(
            (total(&next), next.done_bytes, next.files, next.errors),
            (400, 100, 1, 2)
        );
        live.decide(1, 300, true);
        live.file_done(300, true);
        let last = live.snapshot(2);
        assert_eq!(
            (last.asked_bytes, last.undecided_bytes, last.done_bytes, last.files),
            (400, 0, 400, 2)
        );
    }

    #[test]
    fn a_longer_file_and_a_second_request_count_once() {
        let live = Live::default();
        live.add_listed(1, 10);
        live.decide(1, 10, true);
        live.begin_file(b"grows", 10, true);
        live.advance(15);
        live.end_file(false);
        assert_eq!((live.snapshot(0).done_bytes, live.snapshot(0).files), (10, 0));
        live.begin_file(b"grows", 10, false);
        live.advance(15);
        assert_eq!((live.snapshot(0).done_bytes, live.snapshot(0).offset), (10, 15));
        live.end_file(true);
        assert_eq!((live.snapshot(0).done_bytes, live.snapshot(0).files), (10, 1));
    }

    #[test]
    fn the_end_of_the_list_ends_the_scan() {
        let live = Live::default();
        assert_eq!(live.snapshot(0).phase.name(), "scan");
        live.end_lists();
        assert_eq!(live.snapshot(0).phase.name(), "copy");
        for phase in [Phase::Delete, Phase::Copy, Phase::End] {
            live.set_phase(phase);
            assert_eq!(live.snapshot(0).phase, phase);
        }
    }
}

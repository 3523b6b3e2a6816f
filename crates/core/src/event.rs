//! The events of a running transfer, in one ordered stream, and its [`Summary`].
//!
//! To add a kind of structured event: a variant of [`Event`], a field and a name in [`Subscription`], the place in
//! `report` that emits it, its conversion in `crates/python/src/run.rs`, and its type in `_core.pyi`.

use crate::role::Role;

/// One event. Texts are ready-formatted bytes: the caller writes them where they belong and interprets nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Bytes for stdout (whole lines, or a progress line that begins with CR).
    Stdout(Vec<u8>),
    /// Bytes for stderr (whole lines).
    Stderr(Vec<u8>),
    /// One line for the log file or syslog, without its time stamp and newline.
    Log(Vec<u8>),
    /// One item; only for a caller that subscribed to items.
    Item(Item),
}

/// The kinds of structured events that the caller asked for. Texts and log lines need no subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Subscription {
    pub item: bool,
}

impl Subscription {
    /// The subscription to the named kinds; `None` when a name is unknown.
    pub fn from_names(names: &[String]) -> Option<Self> {
        let mut wanted = Self::default();
        for name in names {
            match name.as_str() {
                "item" => wanted.item = true,
                _ => return None,
            }
        }
        Some(wanted)
    }
}

/// One item of a transfer (spec: output 7, one field per escape that matters to programs).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Item {
    /// `send`, `recv`, `del` or `list`.
    pub operation: &'static str,
    /// The 11 characters of `%i`.
    pub itemized: String,
    pub name: Vec<u8>,
    /// Size in bytes.
    pub length: u64,
    /// Seconds since 1970.
    pub mtime: i64,
    pub mode: u32,
    /// ` -> target` or ` => leader`, without the arrow.
    pub target: Option<Vec<u8>>,
}

/// Counts by type, in the order in which `--stats` prints them (spec: output 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub reg: u64,
    pub dir: u64,
    pub link: u64,
    pub dev: u64,
    pub special: u64,
}

impl Counts {
    pub fn total(&self) -> u64 {
        self.reg + self.dir + self.link + self.dev + self.special
    }

    /// Count one entry by its mode.
    pub fn add(&mut self, mode: u32) {
        match mode & 0o170_000 {
            0o100_000 => self.reg += 1,
            0o040_000 => self.dir += 1,
            0o120_000 => self.link += 1,
            0o020_000 | 0o060_000 => self.dev += 1,
            _ => self.special += 1,
        }
    }
}

/// How a transfer ended, with the figures of `--stats` (spec: output 5.2).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary {
    /// Exit code of rsync (spec: output 2).
    pub code: i32,
    /// The error that ended the run early, if it has a text of its own.
    pub error: String,
    /// Whoever reads the errors of this run knows how it ended: the peer has said it, or this side has told its client.
    pub told: bool,
    /// The role that the closing line names.
    pub role: Role,
    pub files: Counts,
    pub created: Counts,
    pub deleted: Counts,
    /// Regular files transferred.
    pub transferred: u64,
    /// All sizes in bytes.
    pub total_size: u64,
    pub transferred_size: u64,
    pub literal: u64,
    pub matched: u64,
    pub flist_size: u64,
    /// Milliseconds.
    pub flist_build_ms: u64,
    pub flist_xfer_ms: u64,
    /// Bytes, from this side's point of view.
    pub sent: u64,
    pub received: u64,
    /// Deltas: totals of the sender's search.
    pub matches: u64,
    pub hash_hits: u64,
    pub false_alarms: u64,
    /// Whole seconds are what the rate is made from; this is exact.
    pub seconds: f64,
    /// Deletions skipped by `--max-delete`.
    pub deletions_skipped: u64,
    /// True when there was something in the file list (an empty pull prints no statistics of the peer).
    pub had_entries: bool,
}

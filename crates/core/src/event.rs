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
    /// Bytes for stdout (whole lines) about items, deletions and listed entries; only for a caller that subscribed to
    /// them, because it gets other events for these. For all others they are [`Event::Stdout`].
    Entry(Vec<u8>),
    /// Bytes for stderr (whole lines).
    Stderr(Vec<u8>),
    /// One line for the log file or syslog, without its time stamp and newline.
    Log(Vec<u8>),
    /// Whole lines of JSON about entries, each with its newline; only for a caller that subscribed to them.
    Json(Vec<u8>),
    /// One item; only for a caller that subscribed to items.
    Item(Item),
    /// Names of the sources, for [`crate::report::Report::answer_selection`]. The run waits for the caller's choice. Only
    /// for a caller that subscribed to selections.
    Select(Vec<Candidate>),
    /// A file whose data is complete under its name; only for a caller that subscribed to them.
    Done(Done),
    /// An entry that is left as it is; only for a caller that subscribed to them.
    Skipped(Skipped),
    /// The deletions that the run is about to make. The run waits for the caller's decision. Only for a caller that
    /// subscribed to deletions.
    Deletions(Deletions),
    /// Everything that the run would do, before it does anything. The run waits for the caller's decision. Only for a
    /// caller that subscribed to the plan.
    Planned(Box<Planned>),
}

/// The kinds of structured events that the caller asked for. Texts and log lines need no subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Subscription {
    /// [`Event::Item`].
    pub item: bool,
    /// [`Event::Done`].
    pub done: bool,
    /// [`Event::Skipped`].
    pub skip: bool,
    /// [`Event::Json`] for what is decided about entries, and for entries that are only listed.
    pub json_item: bool,
    /// [`Event::Json`] for files whose data is complete.
    pub json_done: bool,
    /// [`Event::Json`] for deletions.
    pub json_delete: bool,
    /// [`Event::Json`] for entries that are skipped.
    pub json_skip: bool,
    /// [`Event::Select`].
    pub select: bool,
    /// [`Event::Entry`] instead of [`Event::Stdout`].
    pub entry: bool,
    /// [`Event::Entry`] as records with the place of the entry ([`crate::report::keyed`]).
    pub keyed: bool,
    /// [`Event::Deletions`].
    pub deletions: bool,
    /// [`Event::Planned`].
    pub planned: bool,
}

impl Subscription {
    /// The subscription to the named kinds; `None` when a name is unknown.
    pub fn from_names(names: &[String]) -> Option<Self> {
        let mut wanted = Self::default();
        for name in names {
            match name.as_str() {
                "item" => wanted.item = true,
                "done" => wanted.done = true,
                "skip" => wanted.skip = true,
                "json-item" => wanted.json_item = true,
                "json-done" => wanted.json_done = true,
                "json-delete" => wanted.json_delete = true,
                "entry" => wanted.entry = true,
                "keyed" => wanted.keyed = true,
                "json-skip" => wanted.json_skip = true,
                "select" => wanted.select = true,
                "deletions" => wanted.deletions = true,
                "planned" => wanted.planned = true,
                _ => return None,
            }
        }
        Some(wanted)
    }

    /// Whether finished files are reported, in whatever form.
    pub fn wants_done(&self) -> bool {
        self.done || self.json_done
    }
}

/// One item of a transfer (spec: output 7, one field per escape that matters to programs).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Item {
    /// `send`, `recv`, `del` or `list`.
    pub operation: &'static str,
    /// The 11 characters of `%i`.
    pub itemized: String,
    /// The path in the transfer.
    pub name: Vec<u8>,
    /// Size in bytes.
    pub length: u64,
    /// Seconds since 1970.
    pub mtime: i64,
    /// Nanoseconds of that second; 0 if the list has none, as below protocol 31.
    pub mtime_nsec: u32,
    /// The owner, by the users of this machine, if owners are part of the transfer.
    pub uid: Option<u32>,
    /// The group, likewise.
    pub gid: Option<u32>,
    /// Type and permissions, as in `stat`.
    pub mode: u32,
    /// The target of a symbolic link, or the name that a hard link shares its data with.
    pub target: Option<Vec<u8>>,
}

/// A name of the sources, with the status that its entry would have. A refused directory hides what is below.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Candidate {
    /// The path in the transfer.
    pub path: Vec<u8>,
    /// Size in bytes.
    pub size: u64,
    /// Seconds since 1970.
    pub mtime: i64,
    /// Nanoseconds of that second.
    pub mtime_nsec: u32,
    /// Type and permissions, as in `stat`.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The target of a symbolic link.
    pub target: Option<Vec<u8>>,
}

/// A file whose data is complete under its name. Sizes are bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Done {
    /// The path in the transfer.
    pub name: Vec<u8>,
    /// Size of the file.
    pub size: u64,
    /// Data that was sent or copied.
    pub literal: u64,
    /// Data that the receiver had.
    pub matched: u64,
    /// Time between the request and the end.
    pub time: std::time::Duration,
    /// This side has compared the sum of the whole file.
    pub verified: bool,
}

/// An entry that is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Skipped {
    /// The path in the transfer.
    pub name: Vec<u8>,
    /// The reason: the word of the lines of JSON.
    pub why: &'static str,
    /// The rule that excludes it.
    pub rule: Option<Vec<u8>>,
}

/// Deletions that were collected and not made. Those that make room for an entry of another type are not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deletions {
    /// Every file and directory that would be removed counts.
    pub number: u64,
    /// Size of the regular files among them.
    pub bytes: u64,
    /// Entries in the directories of the destination that were looked at, those that would be removed included.
    pub entries: u64,
}

/// Entries with one kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// Entries of all types.
    pub number: u64,
    /// Size of the regular files among them. A further name of a file that is counted adds nothing.
    pub bytes: u64,
}

/// What a run would do, and the room that it needs at the destination. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Planned {
    /// Entries that do not exist.
    pub new: Amount,
    /// Entries whose data, target or type changes.
    pub update: Amount,
    /// Entries of which only attributes change.
    pub attributes: Amount,
    /// Entries that are removed, also inside of removed directories.
    pub delete: Amount,
    /// Entries that stay as they are.
    pub keep: Amount,
    /// Room for new data at the moment when most of it is needed, in whole blocks of the file system. Deletions make it
    /// smaller only if they come first.
    pub need_bytes: u64,
    /// Inodes at that moment.
    pub need_inodes: u64,
    /// Room that the deletions give back.
    pub freed_bytes: u64,
    /// Inodes that the deletions give back.
    pub freed_inodes: u64,
    /// The deletions by the directory that holds the names. If there are very many directories, those below a directory
    /// are counted with it.
    pub directories: Vec<(Vec<u8>, Amount)>,
}

/// Counts by type, in the order in which `--stats` prints them (spec: output 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Regular files.
    pub reg: u64,
    /// Directories.
    pub dir: u64,
    /// Symbolic links.
    pub link: u64,
    /// Devices.
    pub dev: u64,
    /// Sockets and FIFOs.
    pub special: u64,
}

impl Counts {
    /// All types together.
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

    /// Count all that another count has.
    pub fn add_all(&mut self, other: &Self) {
        self.reg += other.reg;
        self.dir += other.dir;
        self.link += other.link;
        self.dev += other.dev;
        self.special += other.special;
    }
}

/// How a transfer ended, with the figures of `--stats` (spec: output 5.2).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary {
    /// Exit code of rsync (spec: output 2).
    pub code: i32,
    /// The error that ended the run early, if it has a text of its own.
    pub error: String,
    /// The user has already seen the error: the peer has reported it, or this server has sent it to its client.
    pub reported: bool,
    /// The role that the closing line names.
    pub role: Role,
    /// Entries of the file list.
    pub files: Counts,
    /// Created entries.
    pub created: Counts,
    /// Deleted entries.
    pub deleted: Counts,
    /// Entries that existed before and got other contents: data, a link's target, another device.
    pub updated: u64,
    /// Entries of which only attributes changed.
    pub attributes: u64,
    /// Entries of the list that no item was about: they were up to date, were skipped, or failed. Complete at the end of
    /// the run.
    pub unchanged: u64,
    /// Regular files transferred.
    pub transferred: u64,
    /// Bytes of all files in the list.
    pub total_size: u64,
    /// Bytes of the transferred files.
    pub transferred_size: u64,
    /// Bytes of file data that were sent.
    pub literal: u64,
    /// Bytes of file data that the receiver had.
    pub matched: u64,
    /// Bytes of the file list.
    pub flist_size: u64,
    /// Milliseconds to build the file list.
    pub flist_build_ms: u64,
    /// Milliseconds to transfer the file list.
    pub flist_xfer_ms: u64,
    /// Bytes that this side sent.
    pub sent: u64,
    /// Bytes that this side received.
    pub received: u64,
    /// Blocks that the sender found in the basis.
    pub matches: u64,
    /// Positions whose rolling sum was in the sender's hash table.
    pub hash_hits: u64,
    /// Hits whose strong sum differed.
    pub false_alarms: u64,
    /// The exact duration. (The printed rate is made from whole seconds.)
    pub seconds: f64,
    /// Something could not be read or listed: a receiver that deletes at the end deletes nothing.
    pub io_error: bool,
    /// Deletions skipped by `--max-delete`.
    pub deletions_skipped: u64,
    /// The file list had entries. (After an empty pull the peer sends no statistics.)
    pub had_entries: bool,
}

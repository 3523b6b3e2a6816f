//! Everything a transfer must do, resolved: one frozen value. The caller has settled options, module restrictions,
//! handshake and negotiation; nothing here is looked up anywhere else, and nothing of it changes during the run.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::event::Subscription;

/// A dynamically typed value, as it comes through the door.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value.
    None,
    /// A truth value.
    Bool(bool),
    /// A number.
    Int(i128),
    /// Bytes or a text.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A mapping.
    Map(Vec<(String, Value)>),
    /// A held descriptor.
    Handle(Handle),
}

/// A descriptor that a plan holds open.
#[derive(Debug, Clone)]
pub struct Handle(pub Arc<OwnedFd>);

impl PartialEq for Handle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl FromValue for Handle {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Handle(handle) => Some(handle),
            _ => None,
        }
    }
}

/// Types that a field of [`Plan`] may have.
pub trait FromValue: Sized {
    /// `None` when the value is of another kind or out of range.
    fn from_value(value: Value) -> Option<Self>;
}

impl FromValue for bool {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Bool(b) => Some(b),
            Value::Int(i) => Some(i != 0),
            _ => None,
        }
    }
}

macro_rules! from_int {
    ($($t:ty),*) => {$(
        impl FromValue for $t {
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::Int(i) => i.try_into().ok(),
                    Value::Bool(b) => Some(<$t>::from(b)),
                    _ => None,
                }
            }
        }
    )*};
}
from_int!(u8, i32, u32, i64, u64);

impl FromValue for Vec<u8> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Bytes(b) => Some(b),
            _ => None,
        }
    }
}

impl FromValue for String {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Bytes(b) => String::from_utf8(b).ok(),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::None => Some(None),
            other => T::from_value(other).map(Some),
        }
    }
}

impl FromValue for Vec<Vec<u8>> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::List(items) => items.into_iter().map(Vec::<u8>::from_value).collect(),
            _ => None,
        }
    }
}

impl FromValue for Vec<String> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::List(items) => items.into_iter().map(String::from_value).collect(),
            _ => None,
        }
    }
}

impl FromValue for Subscription {
    fn from_value(value: Value) -> Option<Self> {
        Self::from_names(&Vec::from_value(value)?)
    }
}

impl FromValue for Vec<u32> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::List(items) => items.into_iter().map(u32::from_value).collect(),
            _ => None,
        }
    }
}

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? } default $default:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs)] // a variant is named like the word of the option
        pub enum $name { $($(#[$vdoc])* $variant),* }
        impl $name {
            /// The name that Python and the wire use.
            pub fn name(self) -> &'static str { match self { $(Self::$variant => $text),* } }
            /// The variant with this name.
            pub fn from_name(name: &str) -> Option<Self> { match name { $($text => Some(Self::$variant),)* _ => None } }
        }
        impl Default for $name { fn default() -> Self { Self::$default } }
        impl FromValue for $name {
            fn from_value(value: Value) -> Option<Self> { String::from_value(value).and_then(|n| Self::from_name(&n)) }
        }
    };
}

names! {
    /// Checksum algorithms (spec: protocol 8.2). `Md4Old` is the seeded, unnamed MD4 of protocols 27 to 29,
    /// `Md4Unpadded` that of older ones, which has defects (spec: protocol-old 8.1).
    SumKind { Xxh128 = "xxh128", Xxh3 = "xxh3", Xxh64 = "xxh64", Md5 = "md5", Md4 = "md4", Md4Old = "md4-old",
              Md4Unpadded = "md4-unpadded", Sha1 = "sha1", None = "none" } default Md5
}
names! {
    /// Token stream codecs (spec: protocol 7).
    CompressKind { None = "none", Zlib = "zlib", Zlibx = "zlibx", Zstd = "zstd", Lz4 = "lz4" } default None
}
names! {
    /// When extraneous files are removed (spec: transfer 12).
    DeleteWhen { Never = "never", Before = "before", During = "during", Delay = "delay", After = "after" } default Never
}
names! {
    /// What an alternate directory is used for (spec: transfer 7).
    AltDest { None = "none", Compare = "compare", Copy = "copy", Link = "link" } default None
}
names! {
    /// Where messages of a server go (spec: protocol 3.3, options 2.1 `--stderr`).
    StderrMode { Errors = "errors", All = "all", Client = "client" } default Errors
}
names! {
    /// Where the list of `--files-from` comes from.
    FilesFrom { None = "none",
        /// `Plan::files_from_data` holds the whole list, as read by this process (comments are skipped).
        Local = "local",
        /// The names arrive over the link (this side sends, the peer has the list).
        Link = "link",
        /// This side receives and has the list in `files_from_data`; it is streamed to the sender.
        Forward = "forward" } default None
}
names! {
    /// How bytes of names are shown (spec: output 11).
    Charset { Utf8 = "utf-8", Ascii = "ascii",
        /// A single-byte or other locale: high bytes are shown as they are.
        Other = "other" } default Utf8
}

/// Info words in the order of spec options 4.2.
pub const INFO_WORDS: [&str; 13] = [
    "BACKUP", "COPY", "DEL", "FLIST", "MISC", "MOUNT", "NAME", "NONREG", "PROGRESS", "REMOVE", "SKIP", "STATS",
    "SYMSAFE",
];
/// Debug words in the order of spec options 4.3.
pub const DEBUG_WORDS: [&str; 24] = [
    "ACL", "BACKUP", "BIND", "CHDIR", "CONNECT", "CMD", "DEL", "DELTASUM", "DUP", "EXIT", "FILTER", "FLIST", "FUZZY",
    "GENR", "HASH", "HLINK", "ICONV", "IO", "NSTR", "OWN", "PROTO", "RECV", "SEND", "TIME",
];

macro_rules! levels {
    ($(#[$doc:meta])* $name:ident { $($field:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[allow(missing_docs)] // a field is named like the word of the option
        pub struct $name { $(pub $field: u8),* }
        impl FromValue for $name {
            fn from_value(value: Value) -> Option<Self> {
                let Value::Map(items) = value else { return None };
                let mut out = Self::default();
                for (word, level) in items {
                    let level = u8::from_value(level)?;
                    match word.as_str() { $($word => out.$field = level,)* _ => return None }
                }
                Some(out)
            }
        }
    };
}
levels! {
    /// `--info` levels, words in upper case on the Python side.
    Info { backup = "BACKUP", copy = "COPY", del = "DEL", flist = "FLIST", misc = "MISC", mount = "MOUNT",
        name = "NAME", nonreg = "NONREG", progress = "PROGRESS", remove = "REMOVE", skip = "SKIP", stats = "STATS",
        symsafe = "SYMSAFE" }
}
levels! {
    /// `--debug` levels.
    Debug { acl = "ACL", backup = "BACKUP", bind = "BIND", chdir = "CHDIR", connect = "CONNECT", cmd = "CMD",
        del = "DEL", deltasum = "DELTASUM", dup = "DUP", exit = "EXIT", filter = "FILTER", flist = "FLIST",
        fuzzy = "FUZZY", genr = "GENR", hash = "HASH", hlink = "HLINK", iconv = "ICONV", io = "IO", nstr = "NSTR",
        own = "OWN", proto = "PROTO", recv = "RECV", send = "SEND", time = "TIME" }
}

macro_rules! plan {
    ($($(#[$doc:meta])* $field:ident : $ty:ty = $default:expr),* $(,)?) => {
        /// A transfer as a value. Field names are the keyword names on the Python side.
        #[derive(Debug, Clone)]
        #[allow(missing_docs)] // a field without a comment is named like its option
        pub struct Plan { $($(#[$doc])* pub $field: $ty),* }
        impl Default for Plan { fn default() -> Self { Self { $($field: $default),* } } }
        impl Plan {
            /// Nothing is changed at the destination.
            pub fn idle(&self) -> bool {
                self.dry_run || self.only_write_batch
            }

            /// Directories are entries of the lists, not only steps of paths.
            pub fn lists_dirs(&self) -> bool {
                self.recurse || self.dirs
            }

            /// The building of a list is worth a line (spec: output 4).
            pub fn reports_lists(&self) -> bool {
                self.lists_dirs() || self.list_only
            }

            /// Extraneous files are looked for when a directory is entered.
            pub fn delete_during(&self) -> bool {
                matches!(self.delete, DeleteWhen::During | DeleteWhen::Delay)
            }

            /// Owners and nodes are kept: by the system, or by fake-super in attributes.
            pub fn root_like(&self) -> bool {
                self.am_root || self.fake_super
            }

            /// Owners are changed on the files themselves.
            pub fn changes_owners(&self) -> bool {
                self.am_root && !self.fake_super
            }

            /// The plan of a receiver that only lists: whatever else was asked for, nothing is written or removed.
            #[must_use]
            pub fn for_listing(&self) -> Self {
                Self {
                    dry_run: true,
                    delete: DeleteWhen::Never,
                    delete_missing_args: false,
                    force: false,
                    backup: false,
                    backup_dir: None,
                    temp_dir: None,
                    partial: false,
                    partial_dir: None,
                    alt_dest: AltDest::None,
                    alt_dirs: Vec::new(),
                    inplace: false,
                    append: 0,
                    write_devices: false,
                    mkpath: false,
                    remove_source_files: false,
                    remove_sent_files: false,
                    ..self.clone()
                }
            }

            /// All field names, for the binding and its stub test.
            pub const FIELDS: &'static [&'static str] = &[$(stringify!($field)),*];
            /// Set one field by name. Errors: `Usage` naming the field when it is unknown or the value does not fit.
            pub fn set(&mut self, name: &str, value: Value) -> Result<()> {
                match name {
                    $(stringify!($field) => {
                        self.$field = <$ty as FromValue>::from_value(value)
                            .ok_or_else(|| Error::Usage(format!("plan: bad value for {name}")))?;
                    })*
                    _ => return Err(Error::Usage(format!("plan: unknown field {name}"))),
                }
                Ok(())
            }
        }
    };
}

plan! {
    // ---- who we are
    /// This process was started by the peer.
    server: bool = false,
    /// This server is a daemon's child.
    daemon: bool = false,
    /// Both ends are this process; no link exists.
    local: bool = false,
    /// Both ends are on this machine, started by one command, though they talk over a link.
    twin: bool = false,
    /// This process runs with super-user powers for files (uid 0, `--super`); `--fake-super` is its own field.
    am_root: bool = false,
    /// Group ids of this process (a non-root receiver changes groups only to these).
    groups: Vec<u32> = Vec::new(),
    /// umask of the process (the core never asks).
    umask: u32 = 0o022,

    // ---- handshake (spec: protocol 2)
    protocol: u8 = 32,
    inc_recurse: bool = false,
    /// compat bit 1: the server can set symlink times.
    compat_symlink_times: bool = false,
    compat_symlink_iconv: bool = false,
    compat_safe_flist: bool = false,
    compat_avoid_xattr_optim: bool = false,
    compat_seed_fix: bool = false,
    compat_inplace_partial: bool = false,
    compat_varint_flist: bool = false,
    compat_id0_names: bool = false,
    /// Checksum seed (signed 32 bit).
    seed: i32 = 0,
    /// Checksum for block sums and whole-file sums.
    xfer_sum: SumKind = SumKind::Md5,
    /// Checksum for `--checksum`.
    file_sum: SumKind = SumKind::Md5,
    compress: CompressKind = CompressKind::None,
    compress_level: i32 = 0,
    compress_threads: u32 = 0,
    /// Suffix patterns of `--skip-compress`; no present codec acts on them.
    skip_compress: Vec<Vec<u8>> = Vec::new(),
    /// Seconds; 0 is none. The Link has its own copy.
    timeout: u32 = 0,
    /// Unix time in seconds at which to stop (`--stop-at`), 0 is never.
    stop_at: i64 = 0,
    /// Cap on any allocation that a peer drives, in bytes.
    max_alloc: u64 = 1 << 30,
    /// Local charset name as encoding_rs knows it, when `--iconv` is in use.
    iconv: Option<String> = None,

    // ---- paths
    /// Source arguments (a sender), as the user or client gave them, remote part cut off.
    sources: Vec<Vec<u8>> = Vec::new(),
    /// Directory that relative sources are relative to (absolute). Empty: the process's own.
    cwd: Vec<u8> = Vec::new(),
    /// Destination argument (a receiver).
    destination: Vec<u8> = Vec::new(),
    /// What the client asked for, to vet names from a remote sender (spec: filters 9); empty = not vetted.
    requested: Vec<Vec<u8>> = Vec::new(),
    trust_sender: bool = false,
    files_from: FilesFrom = FilesFrom::None,
    /// The bytes of the list.
    files_from_data: Vec<u8> = Vec::new(),
    /// Secluded args: with `iconv`, the list's names travel in UTF-8 as those do.
    secluded_args: bool = false,
    /// Names in it end with NUL (`-0`).
    from0: bool = false,
    /// Module name for ` (in MODULE)` in messages; empty outside a daemon.
    module: Vec<u8> = Vec::new(),
    /// Module root: the directory (absolute, as this process sees it) that all peer-named paths stay beneath.
    module_root: Option<Vec<u8>> = None,
    /// The module root, opened before the process gave up the identity that could reach it.
    module_root_handle: Option<Handle> = None,
    /// Paths inside the module are the process's own (chroot done and no inner root).
    module_chroot: bool = false,
    /// `/a/./b` module or no chroot: leading `/` and climbing `..` of symlink targets are removed (spec: daemon 7.4).
    sanitize_paths: bool = false,
    mkpath: bool = false,
    insecure_links: bool = false,
    confine_root: Option<Vec<u8>> = None,

    // ---- selection
    recurse: bool = false,
    dirs: bool = false,
    relative: bool = false,
    implied_dirs: bool = true,
    /// 0, 1 or 2.
    one_file_system: u8 = 0,
    prune_empty_dirs: bool = false,
    ignore_missing_args: bool = false,
    delete_missing_args: bool = false,
    /// Filter rules of the user, new-style text each, in order, already complete (`-C`, partial-dir and backup rules
    /// included). Elided by side when used.
    rules: Vec<Vec<u8>> = Vec::new(),
    /// Rules of the daemon module, consulted first.
    daemon_rules: Vec<Vec<u8>> = Vec::new(),
    /// A receiving daemon hides what stands below a hidden directory too, as a sending one always does.
    daemon_parents: bool = false,
    /// `--cvs-exclude` of this process (a server sender adds the rules itself).
    cvs_exclude: bool = false,
    delete_excluded: bool = false,
    max_size: Option<u64> = None,
    min_size: Option<u64> = None,
    existing: bool = false,
    ignore_existing: bool = false,
    update: bool = false,
    checksum: bool = false,
    ignore_times: bool = false,
    size_only: bool = false,
    modify_window: i64 = 0,
    /// 0, 1 or 2.
    fuzzy: u8 = 0,
    remove_source_files: bool = false,
    /// `--remove-sent-files`: only what was transferred.
    remove_sent_files: bool = false,
    copy_devices: bool = false,

    // ---- attributes
    links: bool = false,
    copy_links: bool = false,
    copy_unsafe_links: bool = false,
    safe_links: bool = false,
    copy_dirlinks: bool = false,
    keep_dirlinks: bool = false,
    munge_links: bool = false,
    hard_links: bool = false,
    perms: bool = false,
    executability: bool = false,
    /// `--chmod` clauses, comma separated, in order; applied to modes sent (sender) or received (receiver).
    chmod: Vec<u8> = Vec::new(),
    /// Daemon `incoming chmod` / `outgoing chmod`.
    daemon_chmod: Vec<u8> = Vec::new(),
    acls: bool = false,
    /// 0, 1 or 2.
    xattrs: u8 = 0,
    owner: bool = false,
    group: bool = false,
    devices: bool = false,
    specials: bool = false,
    drop_devices: bool = false,
    write_devices: bool = false,
    times: bool = false,
    /// 0, 1 or 2.
    atimes: u8 = 0,
    open_noatime: bool = false,
    crtimes: bool = false,
    omit_dir_times: bool = false,
    omit_link_times: bool = false,
    fake_super: bool = false,
    numeric_ids: bool = false,
    /// This end alone takes ids as numbers: nothing of it is on the wire (spec: daemon 3.2).
    own_numeric_ids: bool = false,
    /// Names and ids come from a program: what it answers, and where it is asked (spec: daemon 11).
    converter_answers_handle: Option<Handle> = None,
    converter_questions_handle: Option<Handle> = None,
    /// `FROM:TO,...` as given; empty = none.
    usermap: Vec<u8> = Vec::new(),
    groupmap: Vec<u8> = Vec::new(),

    // ---- writing
    backup: bool = false,
    backup_dir: Option<Vec<u8>> = None,
    backup_suffix: Vec<u8> = b"~".to_vec(),
    inplace: bool = false,
    /// 0, 1 (append) or 2 (append-verify).
    append: u8 = 0,
    sparse: bool = false,
    preallocate: bool = false,
    fsync: bool = false,
    /// Already resolved: -1 never happens here.
    whole_file: bool = false,
    block_size: u32 = 0,
    partial: bool = false,
    partial_dir: Option<Vec<u8>> = None,
    delay_updates: bool = false,
    temp_dir: Option<Vec<u8>> = None,
    alt_dest: AltDest = AltDest::None,
    alt_dirs: Vec<Vec<u8>> = Vec::new(),
    delete: DeleteWhen = DeleteWhen::Never,
    force: bool = false,
    ignore_errors: bool = false,
    /// `None` = no limit.
    max_delete: Option<u64> = None,
    /// Bytes per second that a local copy may write; 0 = no limit. (A link has a limit of its own.)
    bwlimit: u64 = 0,
    dry_run: bool = false,
    list_only: bool = false,

    // ---- batch (spec: protocol 11)
    /// The file to which the stream is copied (spec: protocol 11).
    write_batch_handle: Option<Handle> = None,
    /// The data goes only to the batch.
    only_write_batch: bool = false,
    read_batch: bool = false,

    // ---- output
    info: Info = Info { nonreg: 1, ..Info::default() },
    debug: Debug = Debug::default(),
    /// Raw `-v` count (servers use it for forwarded verbosity).
    verbose: u8 = 0,
    quiet: bool = false,
    stderr_mode: StderrMode = StderrMode::Errors,
    /// The effective stdout format; `None` = no per-item lines.
    out_format: Option<Vec<u8>> = None,
    /// A format is in force because of `-i` or one with `%i` (unchanged items follow other rules then).
    itemize: bool = false,
    /// 2 when unchanged items are wanted (`-ii`).
    itemize_level: u8 = 0,
    /// Log every item by this format; `None` = no item logging.
    log_format: Option<Vec<u8>> = None,
    /// A log file or syslog exists: `Event::Log` lines are wanted.
    logging: bool = false,
    stats: u8 = 0,
    /// 0 plain, 1 separators, 2 base 1000, 3 base 1024.
    human_readable: u8 = 1,
    /// Digit separator of the locale (`,` or `.`).
    thousands: u8 = b',',
    /// 0, 1 per file, 2 whole transfer (same as `info.progress`; 0 when output is not wanted).
    progress: u8 = 0,
    eight_bit_output: bool = false,
    charset: Charset = Charset::Utf8,
    /// The structured events that the caller asked for.
    events: Subscription = Subscription::default(),
    /// `%h`, `%a`, `%m`, `%u`, `%P` of log formats on a daemon.
    peer_host: Vec<u8> = Vec::new(),
    peer_addr: Vec<u8> = Vec::new(),
    auth_user: Vec<u8> = Vec::new(),
    module_path: Vec<u8> = Vec::new(),
    /// Process id for `%p`.
    pid: u32 = 0,
    /// Host name and such are known (a daemon): `%a %h %u %P` expand.
    ignore_nonreadable: bool = false,
}

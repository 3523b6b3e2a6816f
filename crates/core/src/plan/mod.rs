//! Everything a transfer must do, resolved: one frozen value in parts. The caller has resolved options, module
//! restrictions, handshake and negotiation; the core looks up nothing else, and a plan does not change during the run.
//!
//! A consumer takes the part that it needs. Names of fields are unique over all parts: they are the keyword names of
//! `tain._core.Plan`.

mod levels;
mod names;
mod value;

pub use levels::{Debug, Info};
pub use names::{AltDest, Charset, CompressKind, DeleteWhen, FilesFrom, Process, StderrMode, SumKind};
pub use value::{AccountSource, Accounts, FromValue, Handle, Value};

use crate::error::{bail, Error, Result};
use crate::event::Subscription;

macro_rules! plan {
    ($($(#[$part_doc:meta])* $part:ident : $name:ident {
        $($(#[$doc:meta])* $field:ident : $ty:ty = $default:expr),* $(,)?
    }),* $(,)?) => {
        $(
            $(#[$part_doc])*
            #[derive(Debug, Clone)]
            #[allow(missing_docs)] // a field without a comment is named like its option
            pub struct $name { $($(#[$doc])* pub $field: $ty),* }
            impl Default for $name { fn default() -> Self { Self { $($field: $default),* } } }
        )*
        /// A transfer as a value.
        #[derive(Debug, Clone, Default)]
        pub struct Plan { $($(#[$part_doc])* pub $part: $name),* }
        impl Plan {
            /// Name and Rust type of every field: what the binding accepts, for the test of its stub.
            pub const FIELDS: &'static [(&'static str, &'static str)] =
                &[$($((stringify!($field), stringify!($ty))),*),*];
            /// Sets one field by name. Errors: `Usage` naming the field when it is unknown or the value does not fit.
            pub fn set(&mut self, name: &str, value: Value) -> Result<()> {
                match name {
                    $($(stringify!($field) => {
                        self.$part.$field = <$ty as FromValue>::from_value(value)
                            .ok_or_else(|| Error::Usage(format!("plan: bad value for {name}")))?;
                    })*)*
                    _ => bail!(Usage; "plan: unknown field {name}"),
                }
                Ok(())
            }
        }
    };
}

/// A plan that differs from another in some fields: `plan_with!(base, attrs.links = true, write.inplace = false)`.
#[macro_export]
macro_rules! plan_with {
    ($base:expr, $($part:ident . $field:ident = $value:expr),* $(,)?) => {{
        let mut plan = $base;
        $(plan.$part.$field = $value;)*
        plan
    }};
}

plan! {
    /// Who and where this process is, and what it may do.
    place: Place {
        process: Process = Process::Client,
        /// Both ends are on this machine, started by one command, though they talk over a link.
        twin: bool = false,
        /// This process runs with super-user powers for files (uid 0, `--super`); `--fake-super` is its own field.
        am_root: bool = false,
        fake_super: bool = false,
        /// Group ids of this process (a non-root receiver changes groups only to these).
        groups: Vec<u32> = Vec::new(),
        /// umask of the process (the core never asks).
        umask: u32 = 0o022,
        /// Process id for `%p`.
        pid: u32 = 0,
        /// Directory that relative sources are relative to (absolute). Empty: the process's own.
        cwd: Vec<u8> = Vec::new(),
        /// Module name for ` (in MODULE)` in messages; empty outside a daemon.
        module: Vec<u8> = Vec::new(),
        module_path: Vec<u8> = Vec::new(),
        /// Module root: the directory (absolute, as this process sees it) that all peer-named paths stay beneath.
        module_root: Option<Vec<u8>> = None,
        /// The module root, opened before the process gave up the identity that could reach it.
        module_root_handle: Option<Handle> = None,
        /// Paths inside the module are the process's own (chroot done and no inner root).
        module_chroot: bool = false,
        /// `/a/./b` module or no chroot: leading `/` and climbing `..` of symlink targets are removed (spec: daemon 7.4).
        sanitize_paths: bool = false,
        insecure_links: bool = false,
        confine_root: Option<Vec<u8>> = None,
        /// `%h`, `%a`, `%u`, `%P` of log formats on a daemon.
        peer_host: Vec<u8> = Vec::new(),
        peer_addr: Vec<u8> = Vec::new(),
        auth_user: Vec<u8> = Vec::new(),
    },
    /// What both ends agreed on in the handshake (spec: protocol 2), and the limits of the stream.
    agreed: Agreed {
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
        /// Local charset name as encoding_rs knows it, when `--iconv` is in use.
        iconv: Option<String> = None,
        /// Secluded args: with `iconv`, the list's names travel in UTF-8 as those do.
        secluded_args: bool = false,
        /// Cap on any allocation that a peer drives, in bytes.
        max_alloc: u64 = 1 << 30,
        /// Unix time in seconds at which to stop (`--stop-at`), 0 is never.
        stop_at: i64 = 0,
        /// Bytes per second that a local copy may write; 0 = no limit. (A link has a limit of its own.)
        bwlimit: u64 = 0,
        /// The file to which the stream is copied (spec: protocol 11).
        write_batch_handle: Option<Handle> = None,
        /// The data goes only to the batch.
        only_write_batch: bool = false,
        read_batch: bool = false,
    },
    /// Which files take part, and which of them are up to date.
    select: Select {
        /// Source arguments (a sender), as the user or client gave them, remote part cut off.
        sources: Vec<Vec<u8>> = Vec::new(),
        /// Destination argument (a receiver).
        destination: Vec<u8> = Vec::new(),
        /// What the client asked for, to vet names from a remote sender (spec: filters 9); empty = not vetted.
        requested: Vec<Vec<u8>> = Vec::new(),
        trust_sender: bool = false,
        files_from: FilesFrom = FilesFrom::None,
        /// The bytes of the list.
        files_from_data: Vec<u8> = Vec::new(),
        /// Names in it end with NUL (`-0`).
        from0: bool = false,
        recurse: bool = false,
        dirs: bool = false,
        relative: bool = false,
        implied_dirs: bool = true,
        /// 0, 1 or 2.
        one_file_system: u8 = 0,
        prune_empty_dirs: bool = false,
        ignore_missing_args: bool = false,
        /// A daemon leaves out what it cannot read, without an error.
        ignore_nonreadable: bool = false,
        /// Filter rules of the user, new-style text each, in order, already complete (`-C`, partial-dir and backup rules
        /// included). Elided by side when used.
        rules: Vec<Vec<u8>> = Vec::new(),
        /// Rules of the daemon module, consulted first.
        daemon_rules: Vec<Vec<u8>> = Vec::new(),
        /// A receiving daemon hides what stands below a hidden directory too, as a sending one always does.
        daemon_parents: bool = false,
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
        alt_dest: AltDest = AltDest::None,
        alt_dirs: Vec<Vec<u8>> = Vec::new(),
        /// Entries that the sending side may list before they are needed, for a caller that shows the total early; 0: as
        /// few as rsync.
        look_ahead: u32 = 0,
        /// 0: all entries; 1: no file that has several names; 2: of non-directories, only those.
        linked: u8 = 0,
        list_only: bool = false,
        dry_run: bool = false,
    },
    /// What is kept of a file besides its data.
    attrs: Attrs {
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
        copy_devices: bool = false,
        times: bool = false,
        /// 0, 1 or 2.
        atimes: u8 = 0,
        open_noatime: bool = false,
        crtimes: bool = false,
        omit_dir_times: bool = false,
        omit_link_times: bool = false,
        numeric_ids: bool = false,
        /// This end alone takes ids as numbers: nothing of it is on the wire (spec: daemon 3.2).
        own_numeric_ids: bool = false,
        /// Users and groups that are not in `/etc/passwd` and `/etc/group`. `None`: there are no others.
        accounts: Option<Accounts> = None,
        /// Names and ids come from a program: what it answers, and where it is asked (spec: daemon 11).
        converter_answers_handle: Option<Handle> = None,
        converter_questions_handle: Option<Handle> = None,
        /// `FROM:TO,...` as given; empty = none.
        usermap: Vec<u8> = Vec::new(),
        groupmap: Vec<u8> = Vec::new(),
    },
    /// How data gets to its place.
    write: Write {
        mkpath: bool = false,
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
        write_devices: bool = false,
        /// The caller watches the free space: the figures say what room is needed for what was asked for.
        watch_room: bool = false,
    },
    /// What is removed, at either end (spec: transfer 12, 13).
    removal: Removal {
        delete: DeleteWhen = DeleteWhen::Never,
        delete_excluded: bool = false,
        delete_missing_args: bool = false,
        force: bool = false,
        ignore_errors: bool = false,
        /// `None` = no limit.
        max_delete: Option<u64> = None,
        /// Takes the names of planned deletions, for a caller that judges them: each with a NUL, of directories with a
        /// slash before it.
        deletion_names_handle: Option<Handle> = None,
        /// Judged deletions do not count what earlier runs left: temporary files of listed names, and partial-dirs.
        exclude_leftovers: bool = false,
        remove_source_files: bool = false,
        /// `--remove-sent-files`: only what was transferred.
        remove_sent_files: bool = false,
    },
    /// What is printed and logged.
    output: Output {
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
        /// 0 plain, 1 separators, 2 base 1000, 3 base 1024.
        human_readable: u8 = 1,
        /// Digit separator of the locale (`,` or `.`).
        thousands: u8 = b',',
        /// 0, 1 per file, 2 whole transfer (same as `info.progress`; 0 when output is not wanted).
        progress: u8 = 0,
        eight_bit_output: bool = false,
        charset: Charset = Charset::Utf8,
        /// Milliseconds from the start of the program to the start of this run, for the times in lines of JSON.
        elapsed_ms: u64 = 0,
        /// Takes the names of the directories in which the run changes something, each with a NUL.
        changes_handle: Option<Handle> = None,
        /// Directories that another run reports and counts, sorted; `.` is the root of the transfer.
        shared_dirs: Vec<Vec<u8>> = Vec::new(),
        /// Other runs report and count all directories.
        all_dirs_shared: bool = false,
        /// Other runs report the entries: of this one, only deletions are shown.
        only_deletions: bool = false,
        /// The structured events that the caller asked for.
        events: Subscription = Subscription::default(),
    },
}

impl Place {
    /// Both ends are this process.
    pub fn is_local(&self) -> bool {
        self.process == Process::Local
    }

    /// The peer, or a daemon for it, started this process.
    pub fn is_server(&self) -> bool {
        matches!(self.process, Process::Server | Process::Daemon)
    }

    /// This server is a daemon's child.
    pub fn is_daemon(&self) -> bool {
        self.process == Process::Daemon
    }

    /// The process can keep owners and nodes: by the system, or by fake-super in attributes.
    pub fn root_like(&self) -> bool {
        self.am_root || self.fake_super
    }

    /// The process changes owners on the files themselves.
    pub fn changes_owners(&self) -> bool {
        self.am_root && !self.fake_super
    }
}

impl Select {
    /// Directories are entries of the lists, not only steps of paths.
    pub fn lists_dirs(&self) -> bool {
        self.recurse || self.dirs
    }

    /// The building of a list is worth a line (spec: output 4).
    pub fn reports_lists(&self) -> bool {
        self.lists_dirs() || self.list_only
    }
}

impl Output {
    /// Another run reports the directory with this name.
    pub fn shares(&self, name: &[u8]) -> bool {
        if self.shared_dirs.is_empty() {
            return self.all_dirs_shared;
        }
        let name = name.strip_prefix(b"/").unwrap_or(name);
        self.shared_dirs
            .binary_search_by(|dir| dir.as_slice().cmp(name))
            .is_ok()
    }
}

impl Removal {
    /// Extraneous files are looked for when a directory is entered.
    pub fn delete_during(&self) -> bool {
        matches!(self.delete, DeleteWhen::During | DeleteWhen::Delay)
    }
}

impl Plan {
    /// Whether the fields fit together. Errors: `Usage`.
    pub fn check(&self) -> Result<()> {
        if self.output.events.deletions && self.removal.delete == DeleteWhen::During {
            return Err(Error::Usage(
                "plan: deletions that are judged cannot be made during the transfer".into(),
            ));
        }
        if self.output.events.planned && (self.agreed.inc_recurse || self.agreed.read_batch) {
            return Err(Error::Usage(
                "plan: a run that waits for a decision needs its whole list, and a sender".into(),
            ));
        }
        Ok(())
    }

    /// The plan of an estimate: nothing is changed or printed, and every entry is an item.
    #[must_use]
    pub fn for_estimate(&self) -> Self {
        let mut plan = plan_with!(
            self.clone(),
            select.dry_run = true,
            removal.deletion_names_handle = None,
            removal.remove_source_files = false,
            removal.remove_sent_files = false,
        );
        plan.output = Output {
            info: Info::default(),
            quiet: true,
            itemize_level: 2,
            ..Output::default()
        };
        plan
    }

    /// Nothing is changed at the destination.
    pub fn idle(&self) -> bool {
        self.select.dry_run || self.agreed.only_write_batch
    }

    /// The plan of a receiver that only lists: whatever else was asked for, nothing is written or removed.
    #[must_use]
    pub fn for_listing(&self) -> Self {
        plan_with!(
            self.clone(),
            select.dry_run = true,
            select.alt_dest = AltDest::None,
            select.alt_dirs = Vec::new(),
            write.backup = false,
            write.backup_dir = None,
            write.temp_dir = None,
            write.partial = false,
            write.partial_dir = None,
            write.inplace = false,
            write.append = 0,
            write.write_devices = false,
            write.mkpath = false,
            removal.delete = DeleteWhen::Never,
            removal.delete_missing_args = false,
            removal.force = false,
            removal.remove_source_files = false,
            removal.remove_sent_files = false,
        )
    }
}

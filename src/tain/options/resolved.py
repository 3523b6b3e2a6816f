"""The resolved options of a run: what ``resolve`` makes of a command line.

Field names are those of the plan (crates/core/src/plan.rs) where they mean the same. Strings that came from the
command line are bytes. Fields marked *tri* hold -1 while nobody has decided.
"""

from __future__ import annotations

from tain.release import PROTOCOL


class Options:
    """Every option of a client, server or daemon, with defaults. Plain attributes; see the comments for units."""

    __slots__ = (
        "acls", "address", "address_family", "alt_dest", "alt_dirs", "append", "args", "atimes", "backup",
        "backup_dir", "backup_suffix", "block_size", "blocking_io", "bwlimit", "capabilities", "check_config",
        "checksum", "checksum_choice", "checksum_names", "checksum_seed", "chmod", "compress", "compress_asked",
        "compress_choice", "compress_choice_arg", "compress_level", "compress_threads", "config", "confine_root",
        "contimeout", "copy_as", "copy_devices", "copy_dirlinks", "copy_links", "copy_unsafe_links", "crtimes",
        "cvs_exclude", "daemon", "debug", "debug_priority", "delay_updates", "delete", "delete_excluded",
        "delete_missing_args", "detach", "devices", "dirs", "dparams", "drop_devices", "dry_run", "early_input",
        "eight_bit_output", "executability", "existing", "files_from", "files_from_host",
        "filter_events", "force", "from0", "fsync", "fuzzy", "group", "groupmap", "hard_links", "hints",
        "human_readable", "iconv", "ignore_errors", "ignore_existing", "ignore_missing_args", "ignore_times",
        "implied_dirs", "inc_recurse", "info", "info_priority", "inplace", "insecure_links", "itemize_level",
        "keep_dirlinks", "links", "list_only", "log_file", "log_file_format", "max_alloc", "max_alloc_arg",
        "max_delete", "max_size", "min_size", "mkpath", "modify_window", "modify_window_given", "motd", "munge_links",
        "numeric_ids", "old_args", "omit_dir_times", "omit_dir_times_implied", "omit_link_times", "one_file_system",
        "only_write_batch", "open_noatime", "out_format", "outbuf", "owner", "partial", "partial_dir",
        "partial_dir_implied", "password_file", "perms", "port", "preallocate", "progress", "protocol",
        "prune_empty_dirs", "qsort", "quiet", "read_batch", "recurse", "relative", "remote_options",
        "remove_sent_files", "remove_source_files", "rsh", "rsh_given", "rsync_path", "safe_links", "secluded_args",
        "sender", "server", "size_only", "skip_compress", "sockopts", "sparse", "specials", "stats", "stderr_mode",
        "stop_at", "super_user", "temp_dir", "timeout", "times", "tls", "tls_pin", "trust_sender", "update",
        "usermap", "verbose", "whole_file", "write_batch", "write_devices", "xattrs",
    )  # fmt: skip

    def __init__(self) -> None:
        # ---- who we are
        #: ``--server``: started by a peer.
        self.server: bool = False
        #: ``--sender``: this server sends.
        self.sender: bool = False
        #: ``--daemon``: the daemon's own option table was used.
        self.daemon: bool = False
        #: Words that are not options, in order.
        self.args: list[bytes] = []
        #: The server's ``-e`` value (``.iLsfxCIvu``); None on a client or when the peer sent none.
        self.capabilities: bytes | None = None

        # ---- output
        #: Count of ``-v``.
        self.verbose: int = 0
        #: Count of ``-q``.
        self.quiet: int = 0
        #: Final level of every info word (upper case), zero levels included.
        self.info: dict[str, int] = {}
        #: Who set the level of a word: 0 default, 1 help level (implied), 2 the user.
        self.info_priority: dict[str, int] = {}
        #: The same for debug words.
        self.debug: dict[str, int] = {}
        self.debug_priority: dict[str, int] = {}
        #: "errors", "all" or "client".
        self.stderr_mode: str = "errors"
        self.motd: bool = True
        self.stats: bool = False
        #: 0 plain, 1 separators, 2 base 1000, 3 base 1024.
        self.human_readable: int = 1
        self.progress: bool = False
        #: Items are shown by ``%i``: 1, or 2 with unchanged ones. 0 when the format in force has no ``%i``.
        self.itemize_level: int = 0
        #: The stdout format in force; None = no per-item lines. On a server the marker of the client.
        self.out_format: bytes | None = None
        self.log_file: bytes | None = None
        #: None = the default of whoever logs.
        self.log_file_format: bytes | None = None
        self.eight_bit_output: bool = False
        #: "n", "l" or "b"; None = the stream's default.
        self.outbuf: str | None = None
        #: 0 no, 1 because there is no destination, 2 asked for with ``--list-only``.
        self.list_only: int = 0
        #: Diagnosis lines: None = when stderr is a terminal.
        self.hints: bool | None = None

        # ---- selection
        #: 0 no, 1 weak (``-a``), 2 strong (``-r``).
        self.recurse: int = 0
        #: Incremental recursion is allowed (``--inc-recursive``); the handshake decides.
        self.inc_recurse: bool = True
        #: *tri*; 1 implied, 2 or 3 ``--dirs``, 4 ``--old-dirs``.
        self.dirs: int = -1
        #: *tri*.
        self.relative: int = -1
        self.implied_dirs: bool = True
        self.mkpath: bool = False
        #: The file with the list (``-`` stdin); None = no list.
        self.files_from: bytes | None = None
        #: None: the list is local; b"": on the host of the transfer; else that host.
        self.files_from_host: bytes | None = None
        self.from0: bool = False
        #: Filter options in order: ("filter", rule), ("exclude", pattern), ("include", pattern),
        #: ("exclude-from", file), ("include-from", file), ("cvs",), ("delete-excluded",).
        #: What other options add behind them is in `session.plan.rule_events`.
        self.filter_events: list[tuple[str, bytes] | tuple[str, int] | tuple[str]] = []
        self.cvs_exclude: bool = False
        self.existing: bool = False
        self.ignore_existing: bool = False
        self.update: bool = False
        #: Bytes; None = no limit.
        self.max_size: int | None = None
        self.min_size: int | None = None
        self.one_file_system: int = 0
        self.prune_empty_dirs: bool = False
        self.ignore_missing_args: bool = False
        self.delete_missing_args: bool = False
        self.remove_source_files: bool = False
        #: ``--remove-sent-files``; `remove_source_files` is then on too.
        self.remove_sent_files: bool = False
        self.checksum: bool = False
        self.ignore_times: bool = False
        self.size_only: bool = False
        #: Seconds; negative = compare nanoseconds too.
        self.modify_window: int = 0
        self.modify_window_given: bool = False
        self.fuzzy: int = 0

        # ---- attributes
        self.links: bool = False
        self.copy_links: bool = False
        self.copy_unsafe_links: bool = False
        self.safe_links: bool = False
        self.insecure_links: bool = False
        self.confine_root: bytes | None = None
        #: ``--munge-links`` of this process.
        self.munge_links: bool = False
        self.copy_dirlinks: bool = False
        self.keep_dirlinks: bool = False
        #: 0, 1 or 2.
        self.hard_links: int = 0
        self.perms: bool = False
        self.executability: bool = False
        #: ``--chmod`` clauses of all occurrences, comma separated.
        self.chmod: bytes = b""
        self.acls: bool = False
        #: 0, 1 or 2.
        self.xattrs: int = 0
        self.owner: bool = False
        self.group: bool = False
        self.devices: bool = False
        self.specials: bool = False
        self.drop_devices: bool = False
        self.copy_devices: bool = False
        self.write_devices: bool = False
        self.times: bool = False
        #: 0, 1 or 2.
        self.atimes: int = 0
        self.open_noatime: bool = False
        self.crtimes: bool = False
        self.omit_dir_times: bool = False
        #: On because of ``--backup`` without ``--backup-dir``: then it is not forwarded, even if asked for.
        self.omit_dir_times_implied: bool = False
        self.omit_link_times: bool = False
        #: *tri*: ``--super`` 1, ``--no-super`` 0, else by user id; 2 ``--fake-super``. The last of these words counts.
        self.super_user: int = -1
        self.numeric_ids: bool = False
        #: ``--usermap`` or the user part of ``--chown``; None = none.
        self.usermap: bytes | None = None
        self.groupmap: bytes | None = None
        self.copy_as: bytes | None = None

        # ---- writing
        self.backup: bool = False
        self.backup_dir: bytes | None = None
        #: After resolution never None: ``~``, or empty with a backup dir.
        self.backup_suffix: bytes | None = None
        #: On for ``--append`` and ``--write-devices`` too.
        self.inplace: bool = False
        #: 0, 1 append, 2 append-verify.
        self.append: int = 0
        self.sparse: bool = False
        self.preallocate: bool = False
        self.fsync: bool = False
        #: *tri*.
        self.whole_file: int = -1
        #: Bytes; 0 = chosen per file.
        self.block_size: int = 0
        self.partial: bool = False
        #: Normalised; ``.~tmp~`` for ``--delay-updates`` alone (then `partial_dir_implied`).
        self.partial_dir: bytes | None = None
        self.partial_dir_implied: bool = False
        self.delay_updates: bool = False
        self.temp_dir: bytes | None = None
        #: "none", "compare", "copy" or "link".
        self.alt_dest: str = "none"
        self.alt_dirs: list[bytes] = []
        #: "never", "default" (``--delete`` alone: the protocol decides when), "before", "during", "delay" or "after".
        self.delete: str = "never"
        self.delete_excluded: bool = False
        self.force: bool = False
        self.ignore_errors: bool = False
        #: None = no limit; never negative after resolution.
        self.max_delete: int | None = None
        self.dry_run: bool = False

        # ---- connection and protocol
        #: The remote shell command, from ``-e``, ``$RSYNC_RSH`` or ``ssh``.
        self.rsh: bytes = b"ssh"
        #: ``-e`` was given (then ``host::`` means a daemon over that shell).
        self.rsh_given: bool = False
        self.rsync_path: bytes = b"rsync"
        self.remote_options: list[bytes] = []
        self.secluded_args: bool = False
        #: 0, 1 or 2.
        self.old_args: int = 0
        self.trust_sender: bool = False
        #: Seconds; 0 = none.
        self.timeout: int = 0
        #: Seconds; 0 = none. Kept as given: negative values are the connector's to judge.
        self.contimeout: int = 0
        self.address: bytes | None = None
        #: 0 = not given.
        self.port: int = 0
        self.sockopts: bytes | None = None
        #: *tri*.
        self.blocking_io: int = -1
        self.password_file: bytes | None = None
        self.early_input: bytes | None = None
        #: 0 any, 4 or 6.
        self.address_family: int = 0
        #: Compression was asked for.
        self.compress: bool = False
        #: Canonical name when one was named ("zlib", "zlibx", "zstd", "lz4", "none"); None = negotiate.
        self.compress_choice: str | None = None
        #: The choice as typed, for forwarding.
        self.compress_choice_arg: bytes | None = None
        #: Count of ``-z``.
        self.compress_asked: int = 0
        #: As typed (see `options.choices.clamp_level`); None = the codec's default.
        self.compress_level: int | None = None
        self.compress_threads: int = 0
        self.skip_compress: bytes | None = None
        #: As given when the user forced one (not "auto"): ``NAME`` or ``NAME,NAME``.
        self.checksum_choice: bytes | None = None
        #: The names in it: (for transfer, for ``--checksum``), "auto" possible; None = negotiate both.
        self.checksum_names: tuple[str, str] | None = None
        #: Signed 32 bit; 0 = the server picks.
        self.checksum_seed: int = 0
        #: ``LOCAL[,REMOTE]``; None = no conversion.
        self.iconv: bytes | None = None
        self.protocol: int = PROTOCOL
        self.qsort: bool = False
        #: Bytes.
        self.max_alloc: int = 1 << 30
        #: The argument as typed (forwarded as it is).
        self.max_alloc_arg: bytes | None = None
        #: KiB/s; 0 = no limit.
        self.bwlimit: int = 0
        #: Unix time; 0 = never.
        self.stop_at: int = 0
        #: Batch file name; for ``--only-write-batch`` too, then `only_write_batch` is on.
        self.write_batch: bytes | None = None
        self.only_write_batch: bool = False
        self.read_batch: bytes | None = None

        # ---- ours alone (spec: options 10)
        self.tls: bool = False
        self.tls_pin: bytes | None = None

        # ---- daemon
        self.config: bytes | None = None
        #: ``NAME=VALUE`` in order.
        self.dparams: list[bytes] = []
        self.detach: bool = True
        self.check_config: bool = False

    @property
    def fake_super(self) -> bool:
        """Privileged attributes are kept in, and taken from, an extended attribute."""
        return self.super_user == 2

    def copy(self) -> Options:
        """An independent copy; lists and dicts are copied one level deep."""
        other = Options.__new__(Options)
        for name in Options.__slots__:
            value = getattr(self, name)
            if isinstance(value, (list, dict)):
                value = value.copy()
            setattr(other, name, value)
        return other

"""The resolved options of a run: what ``resolve`` makes of a command line.

Each option is declared once, with its type and default. Strings that came from the command line are bytes. Fields
marked *tri* hold -1 while nothing has decided them.
"""

from __future__ import annotations

from tain.release import PROTOCOL


class PlanOptions:
    """The options that a plan takes as they are: each is a field of it with the same name and meaning."""

    # ---- output
    #: Final level of every info word (upper case), zero levels included.
    info: dict[str, int]
    #: The same for debug words.
    debug: dict[str, int]
    #: "errors", "all" or "client".
    stderr_mode: str = "errors"
    #: 0 plain, 1 separators, 2 base 1000, 3 base 1024.
    human_readable: int = 1
    #: Items are shown by ``%i``: 1, or 2 with unchanged ones. 0 when the format in force has no ``%i``.
    itemize_level: int = 0
    #: The stdout format in force; None = no per-item lines. On a server the marker of the client.
    out_format: bytes | None = None
    eight_bit_output: bool = False

    # ---- selection
    implied_dirs: bool = True
    mkpath: bool = False
    from0: bool = False
    existing: bool = False
    ignore_existing: bool = False
    update: bool = False
    #: Bytes; None = no limit.
    max_size: int | None = None
    min_size: int | None = None
    one_file_system: int = 0
    prune_empty_dirs: bool = False
    ignore_missing_args: bool = False
    delete_missing_args: bool = False
    remove_source_files: bool = False
    #: ``--remove-sent-files``; `remove_source_files` is then on too.
    remove_sent_files: bool = False
    checksum: bool = False
    ignore_times: bool = False
    size_only: bool = False
    #: Seconds; negative = compare nanoseconds too.
    modify_window: int = 0

    # ---- attributes
    links: bool = False
    copy_links: bool = False
    copy_unsafe_links: bool = False
    safe_links: bool = False
    insecure_links: bool = False
    confine_root: bytes | None = None
    #: ``--munge-links`` of this process.
    munge_links: bool = False
    copy_dirlinks: bool = False
    keep_dirlinks: bool = False
    perms: bool = False
    executability: bool = False
    #: ``--chmod`` clauses of all occurrences, comma separated.
    chmod: bytes = b""
    acls: bool = False
    #: 0, 1 or 2.
    xattrs: int = 0
    owner: bool = False
    group: bool = False
    devices: bool = False
    specials: bool = False
    drop_devices: bool = False
    copy_devices: bool = False
    write_devices: bool = False
    times: bool = False
    #: 0, 1 or 2.
    atimes: int = 0
    open_noatime: bool = False
    crtimes: bool = False
    omit_dir_times: bool = False
    omit_link_times: bool = False
    numeric_ids: bool = False

    # ---- writing
    backup: bool = False
    backup_dir: bytes | None = None
    #: On for ``--append`` and ``--write-devices`` too.
    inplace: bool = False
    sparse: bool = False
    preallocate: bool = False
    fsync: bool = False
    #: Bytes; 0 = chosen per file.
    block_size: int = 0
    partial: bool = False
    #: Normalised; ``.~tmp~`` for ``--delay-updates`` alone (then `partial_dir_implied`).
    partial_dir: bytes | None = None
    delay_updates: bool = False
    temp_dir: bytes | None = None
    alt_dirs: list[bytes]
    delete_excluded: bool = False
    force: bool = False
    ignore_errors: bool = False
    #: None = no limit; never negative after resolution.
    max_delete: int | None = None
    dry_run: bool = False

    # ---- connection and protocol
    compress_threads: int = 0
    #: Bytes.
    max_alloc: int = 1 << 30
    #: Unix time; 0 = never.
    stop_at: int = 0
    only_write_batch: bool = False

    def __init__(self) -> None:
        self.info = {}
        self.debug = {}
        self.alt_dirs = []


class ResolvedOptions(PlanOptions):
    """Every option of a client, server or daemon."""

    # ---- who we are
    #: ``--server``: started by a peer.
    server: bool = False
    #: ``--sender``: this server sends.
    sender: bool = False
    #: ``--daemon``: the daemon's own option table was used.
    daemon: bool = False
    #: Words that are not options, in order.
    args: list[bytes]
    #: The server's ``-e`` value (``.iLsfxCIvu``); None on a client or when the peer sent none.
    capabilities: bytes | None = None
    #: ``--cvs-exclude``; its rules are among those of the plan.
    cvs_exclude: bool = False
    #: Seconds; 0 = none.
    timeout: int = 0

    # ---- output
    #: Count of ``-v``.
    verbose: int = 0
    #: Count of ``-q``.
    quiet: int = 0
    #: Who set the level of a word: 0 default, 1 help level (implied), 2 the user.
    info_priority: dict[str, int]
    debug_priority: dict[str, int]
    motd: bool = True
    stats: bool = False
    progress: bool = False
    log_file: bytes | None = None
    #: None = the default of whoever logs.
    log_file_format: bytes | None = None
    #: "n", "l" or "b"; None = the stream's default.
    outbuf: str | None = None
    #: 0 no, 1 because there is no destination, 2 asked for with ``--list-only``.
    list_only: int = 0
    #: Diagnosis lines: None = when stderr is a terminal.
    hints: bool | None = None
    #: The progress of the whole run on stderr: None = the variable TAIN_BAR decides.
    bar: bool | None = None
    #: Print the plan of a dry run in place of names.
    explain: bool = False
    guard: bool = False
    #: Rules with commas between them; None = the usual ones, if `guard`.
    guard_rules: bytes | None = None
    #: Rules that are left out.
    allow: bytes | None = None
    #: Events as lines of JSON take the place of standard output.
    json: bool = False
    #: Where else these lines go; ``fd:N`` is an open descriptor.
    json_file: bytes | None = None
    #: The types of events, with commas between them; None = the usual ones.
    json_events: bytes | None = None
    #: Seconds between two events about progress; None = one.
    json_seconds: float | None = None
    #: The run waits until it is known that the destination has room (``--preflight``).
    preflight: bool = False
    #: The block at the end; a bar implies it.
    summary: bool = False
    #: Streams of one transfer; 0 or 1: one.
    jobs: int = 0
    #: The directory for the plan of such a run, which can be resumed; None = none is kept.
    jobs_dir: bytes | None = None
    #: ``connections=N,start-gap=SECONDS``; None = the usual limits.
    jobs_limit: bytes | None = None
    #: "list" or "live"; None = live on a terminal.
    jobs_order: str | None = None
    #: A run that cannot have several streams is an error.
    jobs_strict: bool = False

    # ---- selection
    #: 0 no, 1 weak (``-a``), 2 strong (``-r``).
    recurse: int = 0
    #: Incremental recursion is allowed (``--inc-recursive``); the handshake decides.
    inc_recurse: bool = True
    #: *tri*; 1 implied, 2 or 3 ``--dirs``, 4 ``--old-dirs``.
    dirs: int = -1
    #: *tri*.
    relative: int = -1
    #: The file with the list (``-`` stdin); None = no list.
    files_from: bytes | None = None
    #: None: the list is local; b"": on the host of the transfer; else that host.
    files_from_host: bytes | None = None
    #: Filter options in order: ("filter", rule), ("exclude", pattern), ("include", pattern),
    #: ("exclude-from", file), ("include-from", file), ("cvs",), ("delete-excluded",).
    #: `session.rules.rule_events` adds the rules that other options imply.
    filter_events: list[tuple[str, bytes] | tuple[str, int] | tuple[str]]
    modify_window_given: bool = False
    fuzzy: int = 0

    # ---- attributes
    #: 0, 1 or 2.
    hard_links: int = 0
    #: On because of ``--backup`` without ``--backup-dir``: then it is not forwarded, even if asked for.
    omit_dir_times_implied: bool = False
    #: *tri*: ``--super`` 1, ``--no-super`` 0, else by user id; 2 ``--fake-super``. The last of these words counts.
    super_user: int = -1
    #: ``--usermap`` or the user part of ``--chown``; None = none.
    usermap: bytes | None = None
    groupmap: bytes | None = None
    copy_as: bytes | None = None

    # ---- writing
    #: After resolution never None: ``~``, or empty with a backup dir.
    backup_suffix: bytes | None = None
    #: 0, 1 append, 2 append-verify.
    append: int = 0
    #: *tri*.
    whole_file: int = -1
    partial_dir_implied: bool = False
    #: "none", "compare", "copy" or "link".
    alt_dest: str = "none"
    #: "never", "default" (``--delete`` alone: the protocol decides when), "before", "during", "delay" or "after".
    delete: str = "never"

    # ---- connection and protocol
    #: The remote shell command, from ``-e``, ``$RSYNC_RSH`` or ``ssh``.
    rsh: bytes = b"ssh"
    #: ``-e`` was given (then ``host::`` means a daemon over that shell).
    rsh_given: bool = False
    rsync_path: bytes = b"rsync"
    remote_options: list[bytes]
    secluded_args: bool = False
    #: 0, 1 or 2.
    old_args: int = 0
    trust_sender: bool = False
    #: Seconds; 0 = none. Kept as given: negative values are the connector's to judge.
    contimeout: int = 0
    address: bytes | None = None
    #: 0 = not given.
    port: int = 0
    sockopts: bytes | None = None
    #: *tri*.
    blocking_io: int = -1
    password_file: bytes | None = None
    early_input: bytes | None = None
    #: 0 any, 4 or 6.
    address_family: int = 0
    #: Compression was asked for.
    compress: bool = False
    #: Canonical name when one was named ("zlib", "zlibx", "zstd", "lz4", "none"); None = negotiate.
    compress_choice: str | None = None
    #: The choice as typed, for forwarding.
    compress_choice_arg: bytes | None = None
    #: Count of ``-z``.
    compress_asked: int = 0
    #: As typed (`options.choices.Codec` has the ranges); None = the codec's default.
    compress_level: int | None = None
    skip_compress: bytes | None = None
    #: As given when the user forced one (not "auto"): ``NAME`` or ``NAME,NAME``.
    checksum_choice: bytes | None = None
    #: The names in it: (for transfer, for ``--checksum``), "auto" possible; None = negotiate both.
    checksum_names: tuple[str, str] | None = None
    #: Signed 32 bit; 0 = the server picks.
    checksum_seed: int = 0
    #: ``LOCAL[,REMOTE]``; None = no conversion.
    iconv: bytes | None = None
    protocol: int = PROTOCOL
    qsort: bool = False
    #: The argument as typed (forwarded as it is).
    max_alloc_arg: bytes | None = None
    #: KiB/s; 0 = no limit.
    bwlimit: int = 0
    #: Batch file name; for ``--only-write-batch`` too, then `only_write_batch` is on.
    write_batch: bytes | None = None
    read_batch: bytes | None = None

    # ---- ours alone (spec: options 10)
    tls: bool = False
    tls_pin: bytes | None = None

    # ---- daemon
    config: bytes | None = None
    #: ``NAME=VALUE`` in order.
    dparams: list[bytes]
    detach: bool = True
    check_config: bool = False

    def __init__(self) -> None:
        super().__init__()
        self.args = []
        self.info_priority = {}
        self.debug_priority = {}
        self.filter_events = []
        self.remote_options = []
        self.dparams = []

    @property
    def fake_super(self) -> bool:
        """Privileged attributes are kept in, and taken from, an extended attribute."""
        return self.super_user == 2

    def copy(self) -> ResolvedOptions:
        """An independent copy; lists and dicts are copied one level deep."""
        other = ResolvedOptions()
        for name, value in vars(self).items():
            setattr(other, name, value.copy() if isinstance(value, (list, dict)) else value)
        return other


#: The fields of `PlanOptions`.
PLAN_FIELDS = tuple(PlanOptions.__annotations__)

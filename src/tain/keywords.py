"""The options of the Python API: typed names for rsync's option words.

One field per option; `Options.extra` takes any other word in its form on the command line. The words go through the
parser of the command line, so the two cannot differ. ``tools/options_stub.py`` writes the sentence below each field.
"""

from __future__ import annotations

import os

from tain.errors import UsageError
from tain.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal, Self, Unpack

    from tain.keyword_fields import DeleteWhen, OptionFields, Paths, Size, StrOrBytesPath, Texts

#: Long options that are no keyword, each with the reason.
NOT_KEYWORDS = {
    "allow": "guard=tain.Guard(...) chooses the rules",
    "append-verify": "append='verify'",
    "bar": "it draws on a screen: on_progress",
    "check-config": "a program of its own, not a transfer",
    "config": "for daemons: tain.Daemon",
    "daemon": "a daemon is no transfer: tain.Daemon",
    "del": "delete='during'",
    "delete-after": "delete='after'",
    "delete-before": "delete='before'",
    "delete-delay": "delete='delay'",
    "delete-during": "delete='during'",
    "detach": "for daemons",
    "dparam": "for daemons",
    "8-bit-output": "eight_bit_output, because a name cannot begin with a digit",
    "explain": "dry_run=True with events='items' says what would be done",
    "guard": "guard=tain.Guard(...)",
    "guard-rules": "guard=tain.Guard(...)",
    "help": "prints a text and runs no transfer",
    "hints": "Result.hints has them",
    "jobs-dir": "tain.cluster.sync(plan_dir=...)",
    "jobs-order": "Result.output has the order of the list",
    "jobs-strict": "a note in Result.errors says why there is one stream",
    "json": "on_event, and iterating",
    "json-events": "events",
    "json-file": "on_event, and iterating",
    "json-seconds": "on_progress, and iterating",
    "msgs2stderr": "stderr='all'",
    "new-compress": "compress='zlibx'",
    "no-D": "devices=False, specials=False",
    "old-compress": "compress='zlib'",
    "preflight": "preflight=True is a keyword of Transfer and sync",
    "progress": "it draws on a screen; on_event reports what happens",
    "remove-sent-files": "the old name of remove_source_files",
    "sender": "between two programs only",
    "server": "between two programs only",
    "summary": "Result has it",
    "tls": "not supported by this version",
    "tls-pin": "not supported by this version",
    "version": "tain.__version__",
}


class _Help:
    """The docstring of `Options`: its own text, and the sentence of each field from the source, when somebody asks."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __get__(self, instance: object, owner: type[Options]) -> str:
        import ast
        import inspect

        try:
            body = ast.parse(inspect.getsource(owner)).body[0]
        except (OSError, SyntaxError):
            # An installation without sources.
            return self.text
        assert isinstance(body, ast.ClassDef)
        lines = [
            f"    {field.target.id}: {sentence.value.value}"
            for field, sentence in zip(body.body, body.body[1:], strict=False)
            if isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(sentence, ast.Expr)
            and isinstance(sentence.value, ast.Constant)
            and isinstance(sentence.value.value, str)
        ]
        return f"{self.text}\n\nFields:\n" + "\n".join(lines)


class Options(Record):
    __doc__ = _Help(
        "The options of a transfer; a field is the rsync option of its name unless its sentence says otherwise.\n\n"
        "None leaves the option out, so that rsync's default holds, or what `archive` implies; for a field with that\n"
        "default, False is --no-OPTION. A count (bool | int) repeats the option. `Transfer` checks the values."
    )

    # ---- attributes. `archive` is -rlptgoD; the next fields switch parts of it on or off.
    archive: bool = True
    """The same as recursive, links, perms, times, group, owner, devices and specials; on by default."""
    recursive: bool | None = None
    """Recurse into directories."""
    links: bool | None = None
    """Copy symlinks as symlinks."""
    perms: bool | None = None
    """Preserve permissions."""
    times: bool | None = None
    """Preserve modification times."""
    group: bool | None = None
    """Preserve group."""
    owner: bool | None = None
    """Preserve owner (super-user only)."""
    devices: bool | None = None
    """Preserve device files (super-user only)."""
    specials: bool | None = None
    """Preserve special files."""
    copy_devices: bool = False
    """Copy device contents as a regular file."""
    write_devices: bool | None = None
    """Write to devices as files (implies --inplace)."""
    drop_D: bool | None = None
    """Receiver refuses to create devices/specials."""
    dirs: bool | None = None
    """Transfer directories without recursing."""
    old_dirs: bool = False
    """Works like --dirs when talking to old rsync."""
    relative: bool | None = None
    """Use relative path names."""
    implied_dirs: bool | None = None
    """Send implied directories with `relative`."""
    inc_recursive: bool | None = None
    """Enable incremental recursion."""
    hard_links: bool | int = False
    """Preserve hard links."""
    acls: bool = False
    """Preserve ACLs (implies --perms)."""
    xattrs: bool | int = False
    """Preserve extended attributes."""
    atimes: bool | int = False
    """Preserve access (use) times."""
    crtimes: bool = False
    """Preserve create times; refused on this platform, which cannot set them."""
    open_noatime: bool = False
    """Avoid changing the atime on opened files."""
    executability: bool = False
    """Preserve executability."""
    numeric_ids: bool = False
    """Don't map uid/gid values by user/group name."""
    fake_super: bool = False
    """Store/recover privileged attrs using xattrs."""
    super: bool | None = None
    """Receiver attempts super-user activities."""
    omit_dir_times: bool = False
    """Omit directories from --times."""
    omit_link_times: bool = False
    """Omit symlinks from --times."""
    chmod: Texts = ()
    """Affect file and/or directory permissions."""
    chown: str | bytes | None = None
    """Simple username/groupname mapping."""
    usermap: str | bytes | None = None
    """Custom username mapping."""
    groupmap: str | bytes | None = None
    """Custom groupname mapping."""
    # ---- symbolic links
    copy_links: bool = False
    """Transform symlink into referent file/directory."""
    copy_unsafe_links: bool = False
    """Only "unsafe" symlinks are transformed."""
    safe_links: bool = False
    """Ignore symlinks that point outside the tree."""
    copy_dirlinks: bool = False
    """Transform symlink to directory into referent directory."""
    keep_dirlinks: bool = False
    """Treat symlinked directory on receiver as directory."""
    munge_links: bool = False
    """Munge symlinks to make them safe & unusable."""
    insecure_links: bool | None = None
    """Follow attacker-owned symlinks in operator paths."""
    confine_root: StrOrBytesPath | None = None
    """Refuse operator paths resolving outside DIR."""
    # ---- selection. The first rule that matches decides, in this order: `filters` (whole rules, as for --filter),
    # `include`, `exclude`, then the files of patterns.
    filters: Texts = ()
    """Whole filter rules in their order, as for --filter; before `include` and `exclude`."""
    filter: Texts = ()
    """The same as `filters`, whose rules come first."""
    include: Texts = ()
    """Don't exclude files matching these patterns; after `filters`, before `exclude`."""
    exclude: Texts = ()
    """Exclude files matching these patterns; after `filters` and `include`."""
    include_from: Paths = ()
    """Read include patterns from FILE."""
    exclude_from: Paths = ()
    """Read exclude patterns from FILE."""
    cvs_exclude: bool = False
    """Auto-ignore files in the same way CVS does."""
    files_from: StrOrBytesPath | None = None
    """Read list of source-file names from FILE."""
    from0: bool = False
    """All *-from/filter files are delimited by 0s."""
    qsort: bool = False
    """Sort the file list with another algorithm; for compatibility."""
    update: bool = False
    """Skip files that are newer on the receiver."""
    existing: bool = False
    """Skip creating new files on receiver."""
    ignore_existing: bool = False
    """Skip updating files that exist on receiver."""
    ignore_times: bool = False
    """Don't skip files that match size and time."""
    size_only: bool = False
    """Skip files that match in size."""
    checksum: bool = False
    """Skip based on checksum, not mod-time & size."""
    checksum_choice: str | None = None
    """Choose the checksum algorithm (aka --cc)."""
    checksum_seed: int | None = None
    """Set block/file checksum seed (advanced)."""
    modify_window: int | None = None
    """Set the accuracy for mod-time comparisons in seconds; -1 compares nanoseconds."""
    max_size: Size | None = None
    """Don't transfer any file larger than this: bytes, or text with a unit."""
    min_size: Size | None = None
    """Don't transfer any file smaller than this: bytes, or text with a unit."""
    one_file_system: bool | int = False
    """Don't cross filesystem boundaries."""
    prune_empty_dirs: bool = False
    """Prune empty directory chains from file-list."""
    remove_source_files: bool = False
    """Sender removes synchronized files (non-directory)."""
    ignore_missing_args: bool = False
    """Ignore missing source arguments without error."""
    delete_missing_args: bool = False
    """Delete missing source arguments from destination."""
    # ---- deletion. True leaves the time to the protocol, a word names it.
    delete: bool | DeleteWhen = False
    """Delete extraneous files from destination directories; a word says when, True leaves it to the protocol."""
    delete_excluded: bool = False
    """Also delete excluded files from dest directories."""
    max_delete: int | None = None
    """Don't delete more than this many files."""
    force: bool = False
    """Force deletion of directories even if not empty."""
    ignore_errors: bool = False
    """Delete even if there are I/O errors."""
    # ---- writing
    sparse: bool = False
    """Turn sequences of nulls into sparse blocks."""
    inplace: bool = False
    """Update destination files in-place."""
    append: bool | Literal["verify"] = False
    """Append data to shorter files; 'verify' compares the old data too."""
    preallocate: bool = False
    """Allocate dest files before writing them."""
    fsync: bool = False
    """Fsync every written file."""
    whole_file: bool | None = None
    """Copy files whole (w/o delta-xfer algorithm)."""
    block_size: Size | None = None
    """Force a fixed checksum block-size: bytes, or text with a unit."""
    fuzzy: bool | int = False
    """Find similar file for basis if no dest file."""
    partial: bool = False
    """Keep partially transferred files."""
    partial_dir: StrOrBytesPath | None = None
    """Put a partially transferred file into DIR."""
    delay_updates: bool = False
    """Put all updated files into place at end."""
    temp_dir: StrOrBytesPath | None = None
    """Create temporary files in directory DIR."""
    mkpath: bool = False
    """Create destination's missing path components."""
    backup: bool = False
    """Make backups (see --suffix & --backup-dir)."""
    backup_dir: StrOrBytesPath | None = None
    """Make backups into hierarchy based in DIR."""
    suffix: str | bytes | None = None
    """Backup suffix (default ~ w/o --backup-dir)."""
    compare_dest: Paths = ()
    """Also compare destination files relative to DIR."""
    copy_dest: Paths = ()
    """... and include copies of unchanged files."""
    link_dest: Paths = ()
    """Hardlink to files in DIR when unchanged."""
    dry_run: bool = False
    """Perform a trial run with no changes made."""
    write_batch: StrOrBytesPath | None = None
    """Write a batched update to FILE."""
    only_write_batch: StrOrBytesPath | None = None
    """Like --write-batch but w/o updating dest."""
    read_batch: StrOrBytesPath | None = None
    """Read a batched update from FILE."""
    stop_after: int | None = None
    """Stop after this many minutes have elapsed."""
    stop_at: str | None = None
    """Stop at this point in time: year-month-dayThour:minute."""
    copy_as: str | bytes | None = None
    """User and optional group for the copy (USER[:GROUP]); refused here: a program keeps its identity."""
    list_only: bool = False
    """List the files instead of copying them."""
    # ---- output, for `Result.output` and `Result.errors`
    verbose: int = 0
    """Increase verbosity of `Result.output` by this many levels."""
    quiet: bool = False
    """Suppress non-error messages."""
    stats: bool = False
    """Add file-transfer statistics to `Result.output`; `Result.statistics` has them always."""
    stderr: Literal["errors", "all", "client"] | None = None
    """Which messages go to standard error: 'errors', 'all', or 'client'."""
    eight_bit_output: bool = False
    """Leave high-bit chars unescaped in output."""
    outbuf: Literal["N", "L", "B"] | None = None
    """Set output buffering to None ('N'), Line ('L') or Block ('B')."""
    itemize_changes: bool | int = False
    """Output a change-summary for all updates."""
    out_format: str | bytes | None = None
    """Output updates using the specified FORMAT."""
    human_readable: int | None = None
    """How numbers are written: 0 plain digits, 1 separators, 2 units of 1000, 3 units of 1024."""
    info: str | None = None
    """Fine-grained informational verbosity."""
    debug: str | None = None
    """Fine-grained debug verbosity."""
    log_file: StrOrBytesPath | None = None
    """Log what happens to this file."""
    log_file_format: str | bytes | None = None
    """Log updates using the specified FMT."""
    motd: bool | None = None
    """Show the daemon's message of the day in `Result.output`."""
    # ---- connection. `compress` may name the codec. Times are in seconds, `bwlimit` is in KiB per second.
    compress: bool | str = False
    """Compress file data during the transfer; a word is the codec: 'zstd', 'lz4', 'zlib', 'zlibx'."""
    compress_level: int | None = None
    """Explicitly set compression level (aka --zl)."""
    compress_choice: str | None = None
    """Choose the compression algorithm (aka --zc)."""
    compress_threads: int | None = None
    """Explicitly set compression threads (aka --zt)."""
    skip_compress: str | bytes | None = None
    """Skip compressing files with suffix in LIST."""
    bwlimit: Size | None = None
    """Limit socket I/O bandwidth: KiB per second, or text with a unit ('1.5m')."""
    jobs: int | None = None
    """Transfer in this number of streams at once, 1 to 64."""
    jobs_limit: str | None = None
    """Limit the streams: 'connections=N,start-gap=SECONDS'."""
    timeout: int | None = None
    """Set I/O timeout in seconds."""
    contimeout: int | None = None
    """Set daemon connection timeout in seconds."""
    protocol: int | None = None
    """Force an older protocol version."""
    max_alloc: Size | None = None
    """Change a limit relating to memory alloc."""
    rsh: str | bytes | None = None
    """The remote shell to use, with its arguments."""
    rsync_path: str | bytes | None = None
    """The rsync to run on the remote machine."""
    remote_option: Texts = ()
    """Send OPTION to the remote side only."""
    secluded_args: bool | None = None
    """Use the protocol to safely send the arguments."""
    old_args: bool | None = None
    """Disable the modern argument-protection idiom."""
    trust_sender: bool = False
    """Trust the remote sender's file list."""
    blocking_io: bool | None = None
    """Use blocking I/O for the remote shell."""
    sockopts: str | None = None
    """Specify custom TCP options."""
    early_input: StrOrBytesPath | None = None
    """Use FILE for daemon's early exec input."""
    password_file: StrOrBytesPath | None = None
    """Read daemon-access password from FILE."""
    port: int | None = None
    """The port of the daemon."""
    address: str | None = None
    """Bind address for outgoing socket to daemon."""
    address_family: Literal[4, 6] | None = None
    """Prefer IPv4 (4) or IPv6 (6)."""
    ipv4: bool = False
    """Prefer IPv4."""
    ipv6: bool = False
    """Prefer IPv6."""
    iconv: str | None = None
    """Request charset conversion of filenames."""
    # ---- further words, unchanged and behind all others: ("--fuzzy", "--skip-compress=gz/zip", ...)
    extra: Sequence[str | bytes] = ()
    """Further words of a command line, unchanged and behind all others."""

    if not TYPE_CHECKING:

        def __init__(self, **values):
            unknown = [name for name in values if name not in self._types]
            if unknown:
                raise TypeError(_advice(unknown[0]))
            vars(self).update(self._defaults)
            vars(self).update(values)

    def words(self) -> list[bytes]:
        """The option words of a command line with the same meaning."""
        out: list[bytes] = []
        for name, value in vars(self).items():
            if name == "extra":
                out += _several(name, value)
            elif value is not None and (value is not False or self._defaults[name] is None):
                out += _words(name, value)
        return out

    def replace(self, **changes: Unpack[OptionFields]) -> Self:  # type: ignore[override]
        """A copy with other values for the fields in *changes*. Errors: `TypeError` for a name that is no field."""
        return type(self)(**{**vars(self), **changes})

    @classmethod
    def from_argv(cls, words: Sequence[str | bytes]) -> Self:
        """The options of a command line: ``Options.from_argv("-az --delete".split())``. `archive` is then off unless a
        word turns it on.

        Errors: `UsageError` for a word that is no option, and for one that starts no transfer (``--daemon``).
        """
        from tain.options.parse import parse

        raw = parse([os.fsencode(word) for word in words])
        if raw.error is not None:
            raise raw.error
        if raw.args:
            raise UsageError(f"{os.fsdecode(raw.args[0])}: options are expected, not a source or a destination")
        if raw.server or raw.daemon is not None:
            raise UsageError("servers and daemons are started by the command")
        # The order of the words may matter, so they stay as they are.
        return cls(archive=False, extra=tuple(os.fsencode(word) for word in words))


#: Fields whose option has another name.
_NAMES = {"filters": "filter", "eight_bit_output": "8-bit-output"}
#: Options that count: each repetition has a further effect.
_COUNTED = frozenset(("verbose", "hard_links", "xattrs", "atimes", "one_file_system", "fuzzy", "itemize_changes"))


def _advice(name: str) -> str:
    """The text for an unknown keyword, with the nearest known one."""
    import difflib

    option = name.replace("_", "-")
    if option in NOT_KEYWORDS:
        return f"no option {name!r}: {NOT_KEYWORDS[option]}"
    near = difflib.get_close_matches(name, Options._names, 1)
    return f"no option {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _several(name: str, value: object) -> list[bytes]:
    """One text or path, or a sequence of them, as bytes. Errors: `UsageError` for anything else."""
    items: Iterable[object] = [value]
    # `collections.abc` would cost more than this whole module.
    if not isinstance(value, (str, bytes, os.PathLike)) and hasattr(value, "__iter__"):
        items = value
    words: list[bytes] = []
    for item in items:
        if not isinstance(item, (str, bytes, os.PathLike)):
            kind = type(item).__name__
            raise UsageError(f"{name}: str, bytes, a path, or a sequence of these is expected, not {kind}")
        words.append(os.fsencode(item))
    return words


def _count(name: str, value: object) -> int:
    if not isinstance(value, int):
        raise UsageError(f"{name}: int is expected, not {type(value).__name__}")
    # Higher counts have no further effect.
    return min(value, 99)


def _words(name: str, value: object) -> list[bytes]:
    option = b"--" + _NAMES.get(name, name).replace("_", "-").encode()
    if name == "verbose":
        return [b"-v"] * _count(name, value)
    if name in _COUNTED and not isinstance(value, bool):
        return [option] * _count(name, value)
    if name == "human_readable":
        return [b"--no-human-readable", *([b"-h"] * _count(name, value))]
    if name == "address_family":
        return [b"--ipv6" if value == 6 else b"--ipv4"]
    if name == "delete" and isinstance(value, str):
        return [b"--delete-" + value.encode()]
    if name == "append" and value == "verify":
        return [b"--append-verify"]
    if name == "compress" and isinstance(value, str):
        return [b"--compress", b"--compress-choice=" + value.encode()]
    if value is True:
        return [option]
    if value is False:
        return [b"--no-" + option[2:]]
    if isinstance(value, int):
        if value.bit_length() > 1000:
            raise UsageError(f"{name}: the number is too large")
        return [b"%s=%d" % (option, value)]
    return [option + b"=" + text for text in _several(name, value)]

"""The door to the Rust core: loops over files and bytes live behind it.

Every long call releases the interpreter lock and looks for signals at least every 100 ms. Errors are the exceptions
of `tain.errors`; each carries the exit code that rsync gives for it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Literal, Self, TypeAlias, TypedDict, Unpack, final, type_check_only

__all__ = [
    "Deletions",
    "DirectoryCache",
    "Done",
    "Figures",
    "Item",
    "Link",
    "Plan",
    "Planned",
    "Run",
    "Skipped",
    "Summary",
    "build_rules",
    "checksum",
    "convert",
    "copy_local",
    "debug_build",
    "delta",
    "excluded",
    "expand_path",
    "is_chmod",
    "list_sources",
    "merge_lines",
    "open_named",
    "patch",
    "prepare_chroot",
    "raise_error",
    "receive",
    "rules_from_wire",
    "rules_to_wire",
    "seeded_md4",
    "send",
    "signature",
    "varint",
    "wildmatch",
]  # fmt: skip

debug_build: bool
"""Compiled without optimisation. Importing such a build gives a `RuntimeWarning`."""

@final
class Link:
    """A connection before its transfer starts (spec: protocol 2 and 3).

    Integers are little-endian and signed where rsync's are. Writes are buffered until `flush`, a read, or the
    transfer. After `start_mux_in` or `start_mux_out` the same calls work on the data stream inside the frames. Texts
    that arrive from the peer in between are kept for the events of the run; an error exit raises at once.
    """

    bytes_read: int
    """Raw bytes so far, frame headers included."""
    bytes_written: int

    def __new__(cls, read_fd: int, write_fd: int, *, timeout: int = 0, bwlimit: int = 0, role: str = "client") -> Self:
        """Duplicates both descriptors; the caller keeps (and closes) its own.

        *timeout* is in seconds, *bwlimit* in bytes per second; 0 means no limit. *role* is the name in error texts:
        ``sender``, ``Receiver``, ...
        """
    def read(self, n: int) -> bytes:
        """Exactly *n* bytes. Errors: `StreamError` when the stream ends first."""
    def read_some(self, limit: int) -> bytes:
        """1 to *limit* bytes, as soon as any have arrived; empty at the end of the stream."""
    def read_line(self, limit: int) -> bytes:
        """A line without its LF and without CRs. Errors: `StreamError` at the end of the stream (without a text if it
        ended between two lines), for a NUL, and for a line longer than *limit*."""
    def wait(self, seconds: float) -> bool:
        """Write the buffered data, then wait until a read would not block; false after *seconds*."""
    def write(self, data: bytes) -> None: ...
    def flush(self) -> None:
        """Hand all buffered data to the kernel."""
    def read_byte(self) -> int: ...
    def read_int(self) -> int:
        """4 bytes, signed."""
    def read_varint(self) -> int:
        """1 to 5 bytes (spec: protocol 4.3), signed."""
    def read_vstring(self, limit: int) -> bytes:
        """Errors: `UnsupportedError` for a length over *limit* (spec: protocol 12)."""
    def write_byte(self, value: int) -> None: ...
    def write_int(self, value: int) -> None: ...
    def write_varint(self, value: int) -> None: ...
    def write_vstring(self, data: bytes) -> None: ...
    def start_counting(self) -> None:
        """Count bytes from here on: the handshake is over. The first `start_mux_*` does the same."""
    def start_mux_in(self) -> None:
        """All further input is framed."""
    def start_mux_out(self) -> None:
        """All further output is framed."""
    def message(self, tag: int, payload: bytes) -> None:
        """Send one message frame (spec: protocol 3.2). Does nothing while the output is not framed."""
    def set_timeout(self, seconds: int) -> None: ...
    def set_bwlimit(self, bytes_per_second: int) -> None: ...
    def set_protocol(self, protocol: int) -> None: ...
    def set_role(self, role: str) -> None: ...
    def drain(self, seconds: float, limit: int) -> None:
        """Shut down our direction, then read and discard until the peer closes, *seconds* have passed or *limit*
        bytes have arrived. Without this a reset could destroy our last message."""

_AccountLookup: TypeAlias = Callable[[bool, int | bytes], int | bytes | None]
"""Looks up a user, or if the first argument is true a group: the name of an id, or the id of a name."""

@type_check_only
class PlanFields(TypedDict, total=False):
    """The fields of a `Plan`, with the names of crates/core/src/plan/mod.rs, where each is explained.

    Descriptors (``*_handle``) are duplicated. A field that is not given has its default.
    """

    # who we are
    process: str
    twin: bool
    am_root: bool
    groups: Sequence[int]
    umask: int
    # handshake (spec: protocol 2)
    protocol: int
    inc_recurse: bool
    compat_symlink_times: bool
    compat_symlink_iconv: bool
    compat_safe_flist: bool
    compat_avoid_xattr_optim: bool
    compat_seed_fix: bool
    compat_inplace_partial: bool
    compat_varint_flist: bool
    compat_id0_names: bool
    seed: int
    xfer_sum: str
    file_sum: str
    compress: str
    compress_level: int
    compress_threads: int
    stop_at: int
    max_alloc: int
    iconv: str | None
    # paths
    sources: Sequence[bytes]
    cwd: bytes
    destination: bytes
    requested: Sequence[bytes]
    trust_sender: bool
    files_from: str
    files_from_data: bytes
    secluded_args: bool
    from0: bool
    module: bytes
    module_root: bytes | None
    module_root_handle: int | None
    module_chroot: bool
    sanitize_paths: bool
    mkpath: bool
    insecure_links: bool
    confine_root: bytes | None
    # selection
    recurse: bool
    dirs: bool
    relative: bool
    implied_dirs: bool
    one_file_system: int
    prune_empty_dirs: bool
    ignore_missing_args: bool
    delete_missing_args: bool
    rules: Sequence[bytes]
    daemon_rules: Sequence[bytes]
    daemon_parents: bool
    delete_excluded: bool
    max_size: int | None
    min_size: int | None
    existing: bool
    ignore_existing: bool
    update: bool
    checksum: bool
    ignore_times: bool
    size_only: bool
    modify_window: int
    fuzzy: int
    remove_source_files: bool
    remove_sent_files: bool
    copy_devices: bool
    # attributes
    links: bool
    copy_links: bool
    copy_unsafe_links: bool
    safe_links: bool
    copy_dirlinks: bool
    keep_dirlinks: bool
    munge_links: bool
    hard_links: bool
    perms: bool
    executability: bool
    chmod: bytes
    daemon_chmod: bytes
    acls: bool
    xattrs: int
    owner: bool
    group: bool
    devices: bool
    specials: bool
    drop_devices: bool
    write_devices: bool
    watch_room: bool
    times: bool
    atimes: int
    open_noatime: bool
    crtimes: bool
    omit_dir_times: bool
    omit_link_times: bool
    fake_super: bool
    numeric_ids: bool
    own_numeric_ids: bool
    accounts: _AccountLookup | None
    converter_answers_handle: int | None
    converter_questions_handle: int | None
    usermap: bytes
    groupmap: bytes
    # writing
    backup: bool
    backup_dir: bytes | None
    backup_suffix: bytes
    inplace: bool
    append: int
    sparse: bool
    preallocate: bool
    fsync: bool
    whole_file: bool
    block_size: int
    partial: bool
    partial_dir: bytes | None
    delay_updates: bool
    temp_dir: bytes | None
    alt_dest: str
    alt_dirs: Sequence[bytes]
    delete: str
    force: bool
    ignore_errors: bool
    max_delete: int | None
    deletion_names_handle: int | None
    exclude_leftovers: bool
    bwlimit: int
    dry_run: bool
    look_ahead: int
    linked: int
    list_only: bool
    # batch (spec: protocol 11)
    write_batch_handle: int | None
    only_write_batch: bool
    read_batch: bool
    # output
    info: Mapping[str, int]
    debug: Mapping[str, int]
    verbose: int
    quiet: bool
    stderr_mode: str
    out_format: bytes | None
    itemize: bool
    itemize_level: int
    log_format: bytes | None
    logging: bool
    human_readable: int
    thousands: int
    progress: int
    eight_bit_output: bool
    charset: str
    changes_handle: int | None
    shared_dirs: Sequence[bytes]
    all_dirs_shared: bool
    only_deletions: bool
    events: Collection[str]
    elapsed_ms: int
    peer_host: bytes
    peer_addr: bytes
    auth_user: bytes
    module_path: bytes
    pid: int
    ignore_nonreadable: bool

@final
class Plan:
    """Everything that a transfer must do, resolved and frozen."""

    def __new__(cls, **fields: Unpack[PlanFields]) -> Self:
        """Errors: `UsageError` naming a field that does not exist or a value that does not fit."""

@final
class Summary:
    """How a transfer ended, with the figures of ``--stats`` (spec: output 5.2). Sizes are bytes."""

    code: int
    """Exit code of rsync."""
    error: str
    """The error that ended the run early, if it has a text of its own."""
    reported: bool
    """The user has already seen the error: the peer has reported it, or this server has sent it to its client."""
    role: str
    """Role for the closing line: ``sender``, ``Receiver``, ``receiver`` or ``generator``."""
    files: Mapping[str, int]
    """Counts by ``reg``, ``dir``, ``link``, ``dev`` and ``special``."""
    created: Mapping[str, int]
    deleted: Mapping[str, int]
    updated: int
    """Entries that existed before and got other contents: data, a link's target, another device."""
    attributes: int
    """Entries of which only attributes changed."""
    unchanged: int
    """Entries of the list that were up to date, were skipped, or failed. Complete at the end of the run."""
    transferred: int
    """Regular files transferred."""
    total_size: int
    transferred_size: int
    literal: int
    matched: int
    flist_size: int
    flist_build_ms: int
    flist_xfer_ms: int
    sent: int
    """From this side's point of view."""
    received: int
    matches: int
    hash_hits: int
    false_alarms: int
    seconds: float
    io_error: bool
    """Something could not be read or listed: a receiver that deletes at the end deletes nothing."""
    deletions_skipped: int
    had_entries: bool

@final
class Item:
    """One item of a transfer (spec: output 7)."""

    operation: str
    """``send``, ``recv``, ``del`` or ``list``."""
    itemized: str
    """The 11 characters of ``%i``."""
    name: bytes
    length: int
    """Bytes; of a deletion only where this side deletes a regular file."""
    mtime: int
    mtime_ns: int
    """Whole seconds if the list has no nanoseconds (below protocol 31)."""
    uid: int | None
    """By the users of this machine; None without owners, and of a deletion."""
    gid: int | None
    mode: int
    target: bytes | None
    """The target of a symbolic link, or the name that a hard link shares its data with."""

@final
class Figures:
    """A copy of the live figures of a transfer. Sizes are bytes.

    Once `complete` is true, ``asked_bytes + undecided_bytes`` never grows and `done_bytes` never falls, so the share
    that is done never falls.
    """

    entries: int
    """Entries in the list so far."""
    listed_bytes: int
    """Size of its regular files."""
    complete: bool
    """No more entries will come."""
    decided: int
    """Entries of which it is known whether their data is needed. A sender knows it of all entries before the last one
    that was asked for."""
    undecided_bytes: int
    """Size of the regular files that are not decided."""
    asked_bytes: int
    """Size of the files whose data was asked for."""
    done_bytes: int
    """The part of `asked_bytes` that has been dealt with: sent, or found at the other end. A finished file counts with
    its size. A dry run counts a file when it is asked for."""
    room_bytes: int
    """Room that the destination needs for the rest of what was asked for, at least. If the plan's *watch_room* is true,
    what files under way give back is subtracted."""
    wire_bytes: int
    """Bytes on the wire in both directions, those of the handshake included; 0 in a local copy."""
    files: int
    """Files whose data is complete."""
    created: int
    """Entries that the destination did not have."""
    updated: int
    """Entries that existed before and got other contents."""
    attributes: int
    """Entries of which only attributes changed."""
    deleted: int
    """Deletions at the destination."""
    errors: int
    """Errors that make the exit code 23."""
    name: bytes
    """The file whose data was handled last."""
    size: int
    """Its size; 0 when it is finished."""
    offset: int
    directory: bytes
    """The directory that was listed last."""
    phase: Literal["scan", "copy", "delete", "end"]

@final
class Done:
    """A file whose data is complete under its name. Sizes are bytes."""

    name: bytes
    size: int
    literal: int
    """Data that was sent or copied."""
    matched: int
    """Data that the destination had."""
    seconds: float
    """Time between the request and the end."""
    verified: bool
    """This side has compared the sum of the whole file."""

@final
class Skipped:
    """An entry that is left as it is."""

    name: bytes
    why: str
    """The word of the lines of JSON: ``uptodate``, ``excluded``, ..."""
    rule: bytes | None
    """The rule that excludes it."""

@final
class Deletions:
    """The deletions that a run is about to make; it waits for `Run.answer`.

    Deletions that make room for an entry of another type, and those of missing arguments, are not among them. The
    names are written to the plan's *deletion_names_handle* before this event, each with a NUL, those of directories
    with a slash before it.
    """

    number: int
    """Every file and directory that would be removed counts, also inside of removed directories."""
    bytes: int
    """Size of the regular files among them."""
    entries: int
    """Entries in the directories of the destination that were looked at, those that would be removed included."""

@final
class Planned:
    """What a run would do, before it does anything; it waits for `Run.answer` or `Run.refuse`.

    Pairs are a number of entries and the size of the regular files among them. A further name of a file adds no bytes.
    """

    new: tuple[int, int]
    update: tuple[int, int]
    """Data, target or type changes."""
    attributes: tuple[int, int]
    """Nothing but attributes changes."""
    delete: tuple[int, int]
    """Also inside of removed directories."""
    keep: tuple[int, int]
    need_bytes: int
    """Room for new data at the moment when most of it is needed, in whole blocks of the file system. A changed file is
    first written beside the old one, unless it is updated in place; deletions count if they come first."""
    need_inodes: int
    freed_bytes: int
    """What the deletions give back."""
    freed_inodes: int
    directories: dict[bytes, tuple[int, int]]
    """The deletions by the directory that holds the names, ``.`` for the top; at most 256."""

_Candidate: TypeAlias = tuple[bytes, int, int, int, int, int, bytes | None]
"""A name of the sources: path in the transfer, size in bytes, mtime in nanoseconds since 1970, mode, owner, group, and
the target of a symbolic link."""

_Event: TypeAlias = (
    tuple[Literal["stdout", "entry", "stderr", "log", "json"], bytes]
    | tuple[Literal["item"], Item]
    | tuple[Literal["select"], list[_Candidate]]
    | tuple[Literal["done"], Done]
    | tuple[Literal["skip"], Skipped]
    | tuple[Literal["deletions"], Deletions]
    | tuple[Literal["planned"], Planned]
)
"""One event: its kind and its value."""

@final
class Run(Iterator[list[_Event]]):
    """A running transfer: an iterator over batches of events, in one order.

    ``stdout`` and ``stderr`` carry whole lines (or a progress line that begins with CR), ``log`` one line without its
    end. Any other kind comes only when its name is in the plan's `events`. ``json`` carries whole lines of JSON, of
    the types that are in the plan's `events` as ``json-item``, ``json-done``, ``json-delete`` and ``json-skip``.
    ``entry`` carries what ``stdout`` carries otherwise about items, deletions and listed entries; with ``keyed`` as
    records for `merge_lines`: a key, empty for a line about no item, and the line, each behind its length in 4 bytes,
    little-endian. The others are
    structured. A ``done`` follows the rename of its file. On a push the protocol confirms only files whose sources are
    removed; `next_confirmed` gives the events of the others.
    """

    summary: Summary
    """Complete when the iteration has ended."""

    def __iter__(self) -> Run: ...
    def __next__(self) -> list[_Event]: ...
    def next_batch(self, timeout: float) -> list[_Event] | None:
        """As iterating, but an empty list after *timeout* seconds without events, and None at the end. Errors:
        `ValueError` for a negative *timeout*."""
    def run_here(self, on_events: Callable[[list[_Event]], object]) -> None:
        """Run to the end in this thread, for a run that has not begun. *on_events* gets each event at once, from the
        thread that emits it. Its first error cancels the run and is raised at the end. Signals are handled only by
        other threads, and the time of ``--stop-at`` is not looked at."""
    def figures(self) -> Figures:
        """The live figures; may be called from any thread, as often as a display is drawn."""
    def answer_selection(self, chosen: Sequence[bool]) -> None:
        """Choose among the names of the event ``select``: a value for each, in their order. Without this the run waits.
        A refused directory hides what is below."""
    def answer(self, go_on: bool) -> None:
        """Decide about the event ``deletions``: make all of them, or none. Without them the run goes on to its end, and
        the summary has code 25 unless something else went wrong. A plan that subscribes to this event and deletes
        during the transfer is a `UsageError`.

        Decide about the event ``planned``: begin the run, or end it with code 25 before anything is changed. A plan
        that subscribes to it and has lists for single directories is a `UsageError`."""
    def refuse(self, code: int, text: str) -> None:
        """End the run in place of an answer. The summary has *code* and *text*, and the peer receives both."""
    def stop(self, code: int) -> None:
        """End with *code* when a role comes to its next step, and report that to the peer, which `cancel` does not."""
    def set_bwlimit(self, bytes_per_second: int) -> None:
        """Limit the run to so many bytes per second from now on; 0: no limit. May be called from any thread.

        A receiver reads more slowly, so a limit that the sending peer has stays in force.
        """
    def next_confirmed(self, succeeded: bool, words: bytes | None = None) -> list[_Event]:
        """After a push that went to its end: the next events ``done``, and lines of JSON of that type, of files that
        are in place at the other end; empty after the last one.

        *succeeded*: the peer ended with status 0. If not, *words* is what it wrote to its standard error, as far as it
        was read, which names the files that failed; with None no file is known to be in place.
        """
    def cancel(self, code: int = 20) -> None:
        """Stop within 100 ms; the summary has *code*. May be called from a signal handler or another thread."""

@type_check_only
class CacheStatus(TypedDict):
    """Figures of a `DirectoryCache`."""

    entries: int
    """Entries in all listings."""
    directories: int
    """Listings."""
    stale: int
    """Listings that must be verified before their next use."""
    bytes: int
    """Memory, without the kernel's for the watches."""
    watches: int
    watches_missing: int
    """Times that the kernel refused a watch: such a directory is scanned for each list."""
    lists_cached: int
    """Sessions whose request could be served from listings."""
    lists_live: dict[str, int]
    """Sessions whose request could not, by the reason."""
    directories_cached: int
    """Directories that lists took from memory."""
    directories_live: dict[str, int]
    """Directories that lists of the class "cached" scanned all the same, by the reason."""
    reads: int
    """Directories that were read as a whole."""
    refreshed_names: int
    """Names that were looked at again, one by one."""
    overflows: int
    """Times that the kernel lost events."""
    missed: int
    """Directories that had changed without a report, found by `DirectoryCache.sweep`."""
    evictions: int
    """Listings that were forgotten for want of room."""
    jobs: int
    """Jobs that have begun."""
    fallen: bool
    """Too many changes were missed, and listings are only trusted for *max_age* now."""
    oldest_seconds: float
    """Age of the oldest complete reading."""

@final
class DirectoryCache:
    """Listings of the directories that one view shows, kept in memory for the senders of any number of sessions of this
    process. A view is all that decides what a session can see of a tree: a session with another one, or that asks for
    what is not in listings, scans the disk as without a cache. Safe for threads."""

    def __new__(
        cls,
        plan: Plan,
        root: bytes,
        *,
        watch: bool = False,
        told: bool = False,
        max_age: float = 5.0,
        memory: int = 268435456,
        any_file_system: bool = False,
    ) -> Self:
        """*plan* describes the view: the fields that a daemon's module decides count. *root* is the absolute path of
        its root as this process sees it. *watch*: trust a listing until the kernel reports a change. *told*: trust it
        until a job announces changes. Without either, trust it for *max_age* seconds. *memory* is the most bytes for
        listings. *any_file_system*: watch also where not all changes may be reported.

        Errors: `FileError` when the root can't be opened or watched, `UnsupportedError` when it is on a file system
        whose changes are not all reported, `UsageError` for *max_age*.
        """
    def status(self) -> CacheStatus: ...
    def refresh(self, path: bytes) -> None:
        """Verify the directory *path*, and all below it, before their next use. Paths are relative to the root, without
        slashes at the ends; the root is empty."""
    def clear(self) -> None:
        """Forget everything."""
    def sweep(self, most: int) -> tuple[int, list[bytes]]:
        """Compare up to *most* listings with the disk, from where the last call ended. Returns how many were compared,
        and the paths of those that differed without a report; they are right from now on."""
    def check(self, most: int, random: int) -> tuple[int, list[bytes]]:
        """Compare up to *most* listings with the disk, chosen by *random* (of 64 bits). Returns as `sweep`. Without
        watches or jobs a listing may differ from the disk for *max_age* seconds."""
    def begin(self, root: bytes) -> None:
        """A job begins to change the tree at the path *root*: until it ends, listings there are verified at each use,
        unless they are watched. Errors: `UsageError` for a path that is not beneath the root."""
    def commit(self, root: bytes, directories: list[bytes]) -> None:
        """The job has ended, and has changed the entries of exactly these directories (paths as in `refresh`). Errors:
        `UsageError` when one is not at or below *root*; then everything there is verified."""
    def abort(self, root: bytes) -> None:
        """The job has ended or is gone, and what it has changed is unknown. Errors: as `begin`."""

def send(link: Link, plan: Plan, listings: DirectoryCache | None = None, *, here: bool = False) -> Run:
    """Start as the sender. Consumes the link: its descriptors are closed when the transfer is over, even while Python
    still holds the object, because a child at the other end waits for that. *listings*: directories that are taken from
    memory, where the plan allows it. *here*: the run begins with `Run.run_here`, without a thread of its own."""

def receive(link: Link, plan: Plan) -> Run:
    """Start as generator and receiver. Consumes the link as `send` does."""

def copy_local(plan: Plan) -> Run:
    """Start a local copy: both ends are this process, and there is no stream."""

def list_sources(plan: Plan) -> Run:
    """List the sources of *plan*."""

def merge_lines(inputs: Sequence[int], output: int) -> None:
    """Write the lines of several runs to the descriptor *output*, in the order of their list. *inputs* are descriptors
    of files that hold the ``entry`` events of runs with the event ``keyed``. Errors: `OSError`."""

def prepare_chroot() -> None:
    """Open ``/proc`` and load the local time zone, which a chroot will hide."""

def build_rules(
    events: Sequence[tuple[str, bytes] | tuple[str, int] | tuple[str]],
    *,
    from0: bool = False,
    protocol: int = 32,
    role: str = "client",
    cwd: bytes | None = None,
    cvs_file: bytes | None = None,
    cvs_words: bytes | None = None,
    notes: list[tuple[int, str]] | None = None,
    read_stdin: Callable[[], bytes] | None = None,
    module: bytes | None = None,
    insecure: bool = False,
) -> list[bytes]:
    """New-style rule texts of filter options, in order; the files that they name are read.

    *events*: ("filter", rule), ("exclude", pattern), ("include", pattern), ("exclude-from", file),
    ("include-from", file), ("from0", 0 or 1), ("cvs",) and ("delete-excluded",).
    *from0*: NUL ends a line of a file, until an event changes it.
    *cwd*: the directory of relative file names.
    *cvs_file*, *cvs_words*: the user's ignore file and $CVSIGNORE.
    *notes*: receives (0, warning) and (level, line of ``--debug=FILTER``).
    *read_stdin*: returns the contents of the file ``-``.
    *module*: the root of a daemon's module, which contains all files (spec: daemon 7.3), unless *insecure* lets links
    lead out of it.

    Errors: `UsageError` and `FileError` with rsync's texts.
    """

def rules_to_wire(
    rules: Sequence[bytes], *, protocol: int, server_sends: bool, delete_excluded: bool = False
) -> list[bytes]:
    """The rule texts that a client sends (spec: protocol 2.8, filters 11). Errors: `ProtocolError` for a rule that
    *protocol* cannot carry."""

def rules_from_wire(texts: Sequence[bytes], *, protocol: int) -> list[bytes]:
    """New-style rules from the texts that a server has read. Errors: `UsageError` for one that does not parse."""

def excluded(rules: Sequence[bytes], name: bytes, is_dir: bool, *, sends: bool = True, parents: bool = True) -> bool:
    """Whether a daemon's new-style *rules* exclude *name*, a path below their root, or (with *parents*) a directory
    above it. *sends*: rules for the sending side count."""

def wildmatch(pattern: bytes, text: bytes) -> bool:
    """Whether the wildcards of *pattern* match the whole *text* (spec: filters 10.4)."""

def expand_path(
    path: bytes,
    root: int | None = None,
    *,
    is_chroot: bool = False,
    rules: Sequence[bytes] | None = None,
    sends: bool = True,
) -> list[bytes]:
    """The names that the wildcards of *path* match, sorted; *path* itself without a match (spec: protocol 10.6).

    *root*: the descriptor of a daemon's module. A link below it must stay below it, unless the process cannot leave it
    (*is_chroot*), and names that the module's *rules* exclude are not found; *sends* as in `excluded`. Without a root,
    a relative path begins at the directory of the process, and all links are followed. Errors: those of `excluded`.
    """

def is_chmod(text: bytes) -> bool:
    """Whether *text* is a list of ``--chmod`` clauses (spec: options 6.1)."""

def varint(value: int) -> bytes:
    """The 1 to 5 bytes of a signed 32-bit number (spec: protocol 4.3)."""

def convert(text: bytes, charset: str, *, to_wire: bool) -> bytes:
    """*text* from *charset* to UTF-8, or back; bytes that cannot be converted stay as they are. Errors:
    `UnsupportedError` for an unknown character set."""

def raise_error(kind: str, code: int, text: str) -> None:
    """Raise the exception for an error of the core, by the name of its kind. Only for the test of that table."""

def open_named(
    path: bytes, flags: int, mode: int, *, insecure: bool = False, confine_root: bytes | None = None
) -> tuple[int, bool]:
    """Open a file that the operator named: a descriptor or a negative errno, and whether the owner of a link is the
    reason. *insecure* follows links of any owner; *confine_root* refuses files outside of it. A signal ends the call
    with ``-EINTR``: repeat it. Use `session.operator_file` instead."""

def checksum(source: bytes | bytearray | int, kind: str = "xxh128") -> bytes:
    """The digest of bytes, or of the file with a descriptor (read from its start; its offset stays). Errors:
    `UsageError` for an unknown kind, `FileError`."""

def seeded_md4(data: bytes, kind: str) -> bytes:
    """MD4 in a form of daemon logins (spec: protocol 10.7): ``md4``, or ``md4-old`` and ``md4-unpadded``, which hash a
    seed of zero before *data*. Errors: `UsageError` for another kind."""

def signature(source: bytes | bytearray | int, *, block_size: int = 0, checksum: str = "xxh128") -> bytes:
    """Block sums of *source*. *block_size* 0: the size that rsync chooses. Errors: `UsageError`, `FileError`."""

def delta(source: bytes | bytearray | int, signature: bytes | bytearray, output: int | None = None) -> bytes | None:
    """The difference from the file of *signature* to *source*: written to the descriptor *output*, or returned.
    Errors: `ProtocolError` when *signature* is not a signature, `FileError`."""

def patch(basis: bytes | bytearray | int, delta: bytes | bytearray | int, output: int | None = None) -> bytes | None:
    """The new file from the old one and a delta: written to the descriptor *output*, or returned. The written data is
    complete and correct only after this returns. Errors: `StreamError` for the wrong basis or a damaged delta,
    `ProtocolError`, `FileError`."""

"""The door to the Rust core: loops over files and bytes live behind it.

Every long call releases the interpreter lock and looks for signals at least every 100 ms. Errors are the exceptions
of `tain.errors`; each carries the exit code that rsync gives for it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Self, final

__all__ = [
    "Link",
    "Plan",
    "Record",
    "Summary",
    "Transfer",
    "build_rules",
    "checksum",
    "convert",
    "copy",
    "debug_build",
    "delta",
    "enumerate",
    "excluded",
    "patch",
    "prepare_chroot",
    "receive",
    "rules_from_wire",
    "rules_to_wire",
    "send",
    "signature",
]  # fmt: skip

debug_build: bool
"""Compiled without optimisation. Importing such a build gives a `RuntimeWarning`."""

@final
class Link:
    """A connection before its transfer starts (spec: protocol 2 and 3).

    Integers are little-endian and signed where rsync's are. Writes are buffered until `flush`, a read, or the
    transfer. After `start_mux_in` or `start_mux_out` the same calls work on the data stream inside the frames; texts
    that arrive from the peer in between are kept for the transfer's events, except that an error exit is raised.
    """

    bytes_read: int
    """Raw bytes so far, frame headers included."""
    bytes_written: int

    def __new__(cls, read_fd: int, write_fd: int, *, timeout: int = 0, bwlimit: int = 0, role: str = "client") -> Self:
        """Duplicates both descriptors; the caller keeps (and closes) its own.

        *timeout* is in seconds, *bwlimit* in bytes per second, 0 is none. *role* is the name in error texts:
        ``sender``, ``Receiver``, ...
        """
    def read(self, n: int) -> bytes:
        """Exactly *n* bytes. Errors: `StreamError` when the stream ends first."""
    def read_some(self, limit: int) -> bytes:
        """1 to *limit* bytes, as soon as there are any; empty at the end of the stream."""
    def read_line(self, limit: int) -> bytes:
        """Up to a LF, which is dropped, as are CRs. Errors: `StreamError` at the end of the stream (without a text
        if it ended cleanly between lines), for a NUL, and for a line longer than *limit*."""
    def wait(self, seconds: float) -> bool:
        """Write what is buffered, then wait until a read would not block; false when that takes longer."""
    def write(self, data: bytes) -> None: ...
    def flush(self) -> None:
        """Returns when everything has been handed to the kernel."""
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
        """The handshake ends here, as with the first `start_mux_*`: bytes are counted from here on."""
    def start_mux_in(self) -> None:
        """What is read from here on is framed."""
    def start_mux_out(self) -> None:
        """What is written from here on is framed."""
    def message(self, tag: int, payload: bytes) -> None:
        """Send one message frame (spec: protocol 3.2); nothing is sent while the direction is not framed."""
    def set_timeout(self, seconds: int) -> None: ...
    def set_bwlimit(self, bytes_per_second: int) -> None: ...
    def set_protocol(self, protocol: int) -> None: ...
    def set_role(self, role: str) -> None: ...
    def drain(self, seconds: float, limit: int) -> None:
        """Shut down our direction, then read and discard until the peer closes, *seconds* have passed or *limit*
        bytes have come. So a last message is not lost to a reset."""

@final
class Plan:
    """Everything a transfer must do, resolved. Keywords are the fields of crates/core/src/plan.rs."""

    def __new__(cls, **fields: object) -> Self:
        """Values are bytes, str, int, bool, None, or lists and dicts of them. Errors: `UsageError` naming a field
        that does not exist or a value that does not fit."""

@final
class Summary:
    """How a transfer ended, with the figures of ``--stats`` (spec: output 5.2). Sizes are bytes."""

    code: int
    """Exit code of rsync."""
    error: str
    """What ended the run early, if it has a text of its own."""
    told: bool
    """Whoever reads the errors of this run knows how it ended: the peer has said it, or a server its client."""
    role: str
    """Role for the closing line: ``sender``, ``Receiver``, ``receiver`` or ``generator``."""
    files: Mapping[str, int]
    """Counts by ``reg``, ``dir``, ``link``, ``dev`` and ``special``."""
    created: Mapping[str, int]
    deleted: Mapping[str, int]
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
    deletions_skipped: int
    had_entries: bool

@final
class Record:
    """One item of a transfer (spec: output 7)."""

    operation: str
    """``send``, ``recv`` or ``del``."""
    itemized: str
    """The 11 characters of ``%i``."""
    name: bytes
    length: int
    mtime: int
    mode: int
    target: bytes | None
    """Where a symbolic link points, or the name that a hard link shares its data with."""

@final
class Transfer(Iterator[list[tuple[int, bytes]]]):
    """A running transfer. Each item is a batch of (stream, bytes): 1 standard output, 2 standard error (whole lines),
    3 one line for the log without its end."""

    summary: Summary
    """Complete when iteration is over."""

    def __iter__(self) -> Transfer: ...
    def __next__(self) -> list[tuple[int, bytes]]: ...
    def take_records(self) -> list[Record]:
        """The items since the last call; none unless the plan has `records`."""
    def cancel(self, code: int = 20) -> None:
        """Stop within 100 ms; the summary has *code*. May be called from a signal handler or another thread."""

def send(link: Link, plan: Plan) -> Transfer:
    """Start as the sender. Uses the link up: its descriptors are closed when the transfer is over, whoever still holds
    the objects, for a child at the other end waits for that."""

def receive(link: Link, plan: Plan) -> Transfer:
    """Start as generator and receiver. Uses the link up as `send` does."""

def copy(plan: Plan) -> Transfer:
    """Start a local copy: both ends here, no stream."""

def enumerate(plan: Plan) -> Transfer:
    """List the sources of *plan*."""

def prepare_chroot() -> None:
    """Find now what a chroot will hide: ``/proc``, and the local time zone."""

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
) -> list[bytes]:
    """New-style rule texts of filter options, in order, with the files they name read.

    Events are ("filter", rule), ("exclude", pattern), ("include", pattern), ("exclude-from", file),
    ("include-from", file), ("from0", 0 or 1), ("F", 1 or 2) and ("cvs",). *from0*: NUL ends a line of a file, until an
    event says otherwise. *cwd* is what relative files are relative to. *cvs_file* and *cvs_words* are the user's ignore
    file and $CVSIGNORE. *notes* is given what the user may like to know: (0, warning) and (level, line of
    ``--debug=FILTER``). Errors: `UsageError` and `FileError` with rsync's texts.
    """

def rules_to_wire(
    rules: Sequence[bytes],
    *,
    protocol: int,
    server_sends: bool,
    delete_excluded: bool = False,
    cvs_exclude: bool = False,
) -> list[bytes]:
    """The rule texts a client sends (spec: protocol 2.8, filters 11). *cvs_exclude*: the last two are those of ``-C``,
    which a sending server adds itself. Errors: `ProtocolError` for a rule that *protocol* cannot carry."""

def rules_from_wire(texts: Sequence[bytes], *, protocol: int) -> list[bytes]:
    """New-style rules of texts that a server has read. Errors: `UsageError` for one that does not parse."""

def excluded(rules: Sequence[bytes], name: bytes, is_dir: bool, *, sends: bool = True, parents: bool = True) -> bool:
    """Whether a daemon's new-style *rules* exclude *name*, a path below their root, or (with *parents*) a directory
    above it. *sends*: rules for the sending side count."""

def convert(text: bytes, charset: str, *, to_wire: bool) -> bytes:
    """*text* from *charset* to UTF-8, or back; what cannot be converted stays as it is. Errors: `UnsupportedError` for
    an unknown character set."""

def raise_error(kind: str, code: int, text: str) -> None:
    """Raise the exception that stands for an error of the core, by the name of its kind: for the test of that table."""

def open_named(
    path: bytes, flags: int, mode: int, *, insecure: bool = False, confine_root: bytes | None = None
) -> tuple[int, bool]:
    """Open a file that the operator named: a descriptor, or the negative number of an error, and whether the owner of a
    link is the reason. *insecure* follows links of anybody; *confine_root* refuses what is outside of it. A signal ends
    the call with ``-EINTR``: repeat it. Use `session.operator_file`."""

def checksum(source: bytes | bytearray | int, kind: str = "xxh128") -> bytes:
    """The digest of bytes, or of the file with a descriptor (read from its start; its offset stays). Errors:
    `UsageError` for an unknown kind, `FileError`."""

def signature(source: bytes | bytearray | int, *, block_size: int = 0, checksum: str = "xxh128") -> bytes:
    """Block sums of *source*. *block_size* 0: as rsync chooses it. Errors: `UsageError`, `FileError`."""

def delta(source: bytes | bytearray | int, signature: bytes | bytearray, output: int | None = None) -> bytes | None:
    """What makes *source* of the file of *signature*; written to the descriptor *output*, or returned. Errors:
    `ProtocolError` when *signature* is none, `FileError`."""

def patch(basis: bytes | bytearray | int, delta: bytes | bytearray | int, output: int | None = None) -> bytes | None:
    """The new file of the old one and a delta; written to the descriptor *output*, or returned. What has been written
    is right only when this returns. Errors: `StreamError` for the wrong basis or a damaged delta, `ProtocolError`,
    `FileError`."""

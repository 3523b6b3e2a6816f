"""What a running transfer reports: the values that ``for event in Transfer(...)`` and *on_event* receive.

New kinds of events may be added: a program passes over those that it does not know.
"""

from __future__ import annotations

from tain.plans import Plan
from tain.problems import Cause, Hint, Problem
from tain.records import Record
from tain.results import Item, Statistics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

__all__ = [
    "KINDS", "Connected", "Deleted", "Done", "End", "Event", "Held", "HintEvent", "Item", "Message", "Planned",
    "Problem", "Progress", "Scan", "Skipped", "Start", "Summary",
]  # fmt: skip


class Start(Record):
    """The transfer begins: the first event."""

    sources: Sequence[bytes]
    """As given."""
    destination: bytes | None = None
    """None for a listing."""
    dry_run: bool = False
    """Nothing will be changed."""
    direction: str = "local"
    """``local``, ``push``, ``pull``, or ``list``."""
    host: str | None = None
    """The host at the other end; None for a local run."""


class Connected(Record):
    """The handshake with the other end is through. Local copies have none."""

    host: str | None = None
    """The host at the other end; None if it is this one."""
    address: str | None = None
    """Its numeric address, where this program has connected to it."""
    port: int | None = None
    """Its port, where this program has connected to it."""
    transport: str
    """``shell``, ``tcp``, or ``pipe`` for a connection that the caller has made."""
    protocol: int
    """The protocol that both ends speak."""
    checksum: str
    """The checksum of transferred files: ``xxh128``, ``md5``, ..."""
    compress: str | None = None
    """The compression of file data: ``zstd``, ...; None without."""


class Scan(Record):
    """The file list so far: once per second while it grows, and at its end."""

    entries: int
    """Entries in the list."""
    bytes: int
    """Size of its regular files."""
    complete: bool
    """No more entries will come."""


class Done(Record):
    """A file is whole under its name."""

    name: bytes
    """Relative to the transfer."""
    size: int
    """Bytes."""
    literal: int
    """Bytes that were sent or copied."""
    matched: int
    """Bytes that the destination had."""
    seconds: float
    """Time between the request and the end; 0.0 where it is not measured."""
    verified: bool
    """This side has compared the checksum of the whole file."""


class Planned(Record):
    """The whole plan of a transfer that is held for *confirm* or *preflight*, before anything is changed."""

    plan: Plan
    """What the transfer would do."""


class Deleted(Record):
    """An entry of the destination was deleted (in a dry run: would be)."""

    name: bytes
    """Relative to the destination."""
    mode: int
    """Type and permissions, as in `os.stat_result.st_mode`; 0 where the other end does not say it."""


class Skipped(Record):
    """An entry is left as it is."""

    name: bytes
    """Relative to the transfer."""
    why: str
    """``uptodate``, ``newer``, ``exists``, ``missing``, ``size``, ``excluded``, ``unsafe-link``, ``nonregular`` or
    ``not-empty``. Words may be added."""
    rule: bytes | None = None
    """The rule that excludes it."""


class Message(Record):
    """A line that the command would print and that is no `Problem`."""

    level: str
    """``info`` for standard output; ``warning`` or ``error`` for standard error."""
    text: str
    """The line without its end; bytes that are no text are surrogates."""
    role: str | None = None
    """Who speaks, if the line says it: ``sender``, ``receiver``, ``generator``, ..."""
    side: str | None = None
    """Where that role works: ``here`` or ``peer``."""


class HintEvent(Record):
    """A likely cause of what failed, and what to do about it."""

    hint: Hint
    """As in `Result.hints`."""


class Progress(Record):
    """How far the transfer is, four times a second."""

    phase: str
    """``connect``, ``scan``, ``check`` (reading for checksums), ``copy``, ``tidy`` (late deletions), ``wait`` (the
    other end is silent), or ``end``."""
    fraction: float | None
    """From 0 to 1; it never falls, and is 1 only at the end. None while the list grows: nobody knows it then."""
    bytes_done: int
    """Bytes of files that have been dealt with: sent, or found at the destination."""
    bytes_total: int
    """Bytes of files whose data is needed, or may be: see `total_is`."""
    total_is: str
    """``unknown`` while the list grows, ``at-most`` while some files are not decided, then ``exact``."""
    rate: float | None
    """Bytes per second; None at the beginning."""
    left: float | None
    """Seconds that are left; None while nobody can know it."""
    entries: int
    """Entries of the list so far."""
    decided: int
    """Entries of which it is known whether their data is needed."""
    files: int
    """Files whose data is complete."""
    deleted: int
    """Deletions so far."""
    wire: int
    """Bytes sent and received; 0 for a local copy."""
    path: bytes
    """The file or directory at hand."""


class Held(Record):
    """A guard has refused the run, or its deletions."""

    guard: str
    """The rule: ``half``, ``empty-source``, ..."""
    count: int | None = None
    """The deletions that the run would make; None if nobody has counted them."""
    of: int | None = None
    """The entries of the destination; None if nobody has counted them."""
    text: str
    """The reason in words."""


class Summary(Record):
    """The figures of the transfer."""

    statistics: Statistics
    """As in `Result.statistics`."""
    problems: int = 0
    """How many `Problem` events there were."""
    causes: tuple[tuple[Cause, int, tuple[bytes, ...]], ...] = ()
    """Why files failed, the most frequent cause first: the cause, how many failed for it, and the first 5 paths."""


class End(Record):
    """The transfer is over: the last event."""

    code: int
    """rsync's exit code."""
    text: str
    """What the code means; empty for a complete transfer."""
    complete: bool
    """The transfer went to its end, even if some files failed."""
    stopped_by: str | None = None
    """``signal`` (a signal or a cancel), ``limit`` (of time or of deletions), ``guard``, ``peer`` or ``error``; None if
    nothing has stopped it."""
    deletions_skipped: int = 0
    """Deletions that were left out."""
    seconds: float
    """Duration of the run."""


#: The names of the events in lines of JSON.
KINDS: dict[type, str] = {
    Start: "start", Connected: "connected", Scan: "scan", Planned: "plan", Item: "item", Done: "done",
    Deleted: "delete",
    Skipped: "skip", Message: "message", Problem: "error", HintEvent: "hint", Progress: "progress", Held: "held",
    Summary: "summary", End: "end",
}  # fmt: skip
#: Any of them.
Event: TypeAlias = (
    Start | Connected | Scan | Item | Done | Deleted | Skipped | Message | Problem | HintEvent | Progress | Held
    | Planned    | Summary | End
)  # fmt: skip

"""What a running transfer reports: the values that ``for event in Transfer(...)`` and *on_event* receive.

New kinds of events may be added: a program passes over those that it does not know.
"""

from __future__ import annotations

from tain.plans import Plan
from tain.problems import Problem
from tain.records import Record
from tain.results import Item, Statistics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

__all__ = ["Deleted", "End", "Event", "Item", "Message", "Planned", "Problem", "Progress", "Start", "Summary"]


class Start(Record):
    """The transfer begins: the first event."""

    sources: Sequence[bytes]
    """As given."""
    destination: bytes | None = None
    """None for a listing."""
    dry_run: bool = False
    """Nothing will be changed."""


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


class Message(Record):
    """A line that the command would print and that is no `Problem`."""

    level: str
    """``info`` for standard output, ``warning`` for standard error."""
    text: str
    """The line without its end; bytes that are no text are surrogates."""


class Progress(Record):
    """How far the transfer is, four times a second."""

    phase: str
    """``scan``, ``check`` (reading for checksums), ``copy``, ``tidy`` (late deletions), ``wait`` (the other end is
    silent), or ``end``."""
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


class Summary(Record):
    """The figures of the transfer."""

    statistics: Statistics
    """As in `Result.statistics`."""


class End(Record):
    """The transfer is over: the last event."""

    code: int
    """rsync's exit code."""
    text: str
    """What the code means; empty for a complete transfer."""
    complete: bool
    """The transfer went to its end, even if some files failed."""
    seconds: float
    """Duration of the run."""


#: Any of them.
Event: TypeAlias = Start | Planned | Item | Deleted | Message | Problem | Progress | Summary | End

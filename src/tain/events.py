"""What a running transfer reports: the values that ``for event in Transfer(...)`` and *on_event* receive.

New kinds of events may be added: a program passes over those that it does not know.
"""

from __future__ import annotations

from tain.problems import Problem
from tain.records import Record
from tain.results import Item, Statistics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

__all__ = ["Deleted", "End", "Event", "Item", "Message", "Problem", "Start", "Summary"]


class Start(Record):
    """The transfer begins: the first event."""

    sources: Sequence[bytes]
    """As given."""
    destination: bytes | None = None
    """None for a listing."""
    dry_run: bool = False
    """Nothing will be changed."""


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
Event: TypeAlias = Start | Item | Deleted | Message | Problem | Summary | End

"""From the figures of the core to the values that a person sees: fraction, rate, time left, state.

Everything is a pure function of the figures and of the clock that the caller gives, so that a test can run hours in a
moment. Nothing is drawn here: `report.bar` draws on a terminal, `report.plain` writes lines elsewhere.
"""

from __future__ import annotations

from itertools import pairwise

from tain.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    # The module `typing` costs a run with events more than all of this.
    Protocol = object

#: Entries that a sender lists ahead where a total is wanted: some 60 bytes each, so up to 30 MB.
LOOK_AHEAD = 500_000
#: The rate is that of this many seconds; a sample counts half after `_HALF_LIFE` seconds.
_WINDOW = 15.0
_HALF_LIFE = 5.0
#: No time left is shown before this many seconds of data, or below this part of the whole: it would be a guess.
_LEAST_SECONDS = 3.0
_LEAST_PART = 0.01
#: More than this is shown at the end only: a file may still be longer than its entry, or be sent again.
_ALMOST = 0.999
#: A file gets its own line from this size on, or when it takes longer than this many seconds.
_LARGE = 64_000_000
_LONG = 3.0
#: A peer that moves no byte for this many seconds is named.
_SILENCE = 10.0
#: Samples closer than this many seconds are one: the rate needs no more, and the list stays short.
_SAMPLE = 0.1


class Figures(Protocol):
    """What the core counts while a transfer runs. Sizes are bytes; a figure never falls, except `undecided_bytes`."""

    @property
    def entries(self) -> int: ...
    @property
    def listed_bytes(self) -> int: ...
    @property
    def complete(self) -> bool: ...
    @property
    def decided(self) -> int: ...
    @property
    def undecided_bytes(self) -> int: ...
    @property
    def asked_bytes(self) -> int: ...
    @property
    def done_bytes(self) -> int: ...
    @property
    def wire_bytes(self) -> int: ...
    @property
    def files(self) -> int: ...
    @property
    def deleted(self) -> int: ...
    @property
    def errors(self) -> int: ...
    @property
    def name(self) -> bytes: ...
    @property
    def size(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def directory(self) -> bytes: ...
    @property
    def phase(self) -> str: ...


class Current(Record):
    """The file that gets a line of its own."""

    name: bytes
    size: int
    fraction: float
    #: Seconds; None: not known.
    left: float | None


class Shown(Record):
    """The values of one moment."""

    #: ``scan``, ``check``, ``copy``, ``tidy`` (late deletions), ``wait`` (silent peer) or ``end``.
    state: str
    #: None while the list still grows: nobody knows it then. It never falls, and is 1 at the end only.
    fraction: float | None
    #: The total counts entries that are not decided yet: it can only become smaller.
    at_most: bool
    done: int
    total: int
    #: Bytes per second; None before two samples.
    rate: float | None
    #: Seconds; None: not known yet.
    left: float | None
    #: Seconds since a byte moved.
    silence: float
    entries: int
    listed_bytes: int
    files: int
    #: Entries of which it is known whether their data is needed.
    checked: int
    deleted: int
    errors: int
    name: bytes
    current: Current | None


class Meter:
    """The memory between two moments: samples for the rate, the highest fraction, the age of the current file."""

    def __init__(self, *, checksum: bool = False, remote: bool = False) -> None:
        """*checksum*: deciding means reading (``-c``). *remote*: there is a peer that can be silent."""
        self._checksum = checksum
        self._remote = remote
        self._fraction = 0.0
        self._samples: list[tuple[float, int]] = []
        self._moved_at: float | None = None
        self._moved: tuple[int, ...] = ()
        self._name: tuple[bytes, int] = (b"", 0)
        self._name_since = 0.0

    def at(self, figures: Figures, now: float, *, ended: bool = False) -> Shown:
        """The values at *now* (seconds of any clock that never goes back). *ended*: the run went to its end."""
        done = figures.done_bytes
        total = max(figures.asked_bytes + figures.undecided_bytes, done)
        self._sample(now, done)
        silence = self._silence(figures, now)
        rate = self._rate(now)
        fraction: float | None = None
        if figures.complete or ended:
            self._advance(figures, done, total, ended=ended)
            fraction = self._fraction
        return Shown(
            state=self._state(figures, silence, ended=ended),
            fraction=fraction,
            at_most=figures.undecided_bytes > 0 and not ended,
            done=done,
            total=total,
            rate=rate,
            left=self._left(done, total, rate, now) if fraction is not None else None,
            silence=silence,
            entries=figures.entries,
            listed_bytes=figures.listed_bytes,
            files=figures.files,
            checked=figures.decided,
            deleted=figures.deleted,
            errors=figures.errors,
            name=figures.name if figures.complete else figures.directory,
            current=self._current(figures, rate, now),
        )

    def _advance(self, figures: Figures, done: int, total: int, *, ended: bool) -> None:
        if ended:
            self._fraction = 1.0
            return
        # A run that has no bytes to copy is as far as its decisions.
        part = done / total if total else figures.decided / figures.entries if figures.entries else 0.0
        self._fraction = max(self._fraction, min(part, _ALMOST))

    def _state(self, figures: Figures, silence: float, *, ended: bool) -> str:
        if ended:
            return "end"
        if self._remote and silence >= _SILENCE:
            return "wait"
        if figures.phase == "delete":
            return "tidy"
        if figures.phase == "end":
            return "end"
        if not figures.complete:
            return "scan"
        return "check" if self._checksum and figures.undecided_bytes else "copy"

    def _silence(self, figures: Figures, now: float) -> float:
        moved = (figures.wire_bytes, figures.done_bytes, figures.decided, figures.entries)
        if self._moved_at is None or moved != self._moved:
            self._moved, self._moved_at = moved, now
        return now - self._moved_at

    def _sample(self, now: float, done: int) -> None:
        samples = self._samples
        if samples and now - samples[-1][0] < _SAMPLE:
            return
        samples.append((now, done))
        while len(samples) > 2 and samples[1][0] <= now - _WINDOW:
            del samples[0]

    def _rate(self, now: float) -> float | None:
        """The mean speed of the window; a step counts by its age."""
        moved = passed = 0.0
        samples = self._samples
        for (before, low), (at, high) in pairwise(samples):
            weight = 0.5 ** ((now - at) / _HALF_LIFE)
            moved += weight * max(high - low, 0)
            passed += weight * (at - before)
        return moved / passed if passed > 0 else None

    def _left(self, done: int, total: int, rate: float | None, now: float) -> float | None:
        if not rate or not total or done / total < _LEAST_PART or now - self._samples[0][0] < _LEAST_SECONDS:
            return None
        return (total - done) / rate

    def _current(self, figures: Figures, rate: float | None, now: float) -> Current | None:
        name, size, offset = figures.name, figures.size, figures.offset
        if (name, size) != self._name:
            self._name, self._name_since = (name, size), now
        if not name or size <= 0 or offset >= size:
            return None
        if size < _LARGE and now - self._name_since <= _LONG:
            return None
        return Current(
            name=name,
            size=size,
            fraction=min(offset / size, _ALMOST),
            left=(size - offset) / rate if rate else None,
        )

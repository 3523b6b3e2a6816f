"""The block of ``--summary``: what a run did, and what failed, grouped by cause."""

from __future__ import annotations

import os

from tain.errors import exit_text
from tain.report.quantities import count, counted, duration, shown_name, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    from tain._core import Summary

    class Problem(Protocol):
        """One failure, read from the line that reports it. Paths are bytes; *side* is ``here`` or ``peer``."""

        @property
        def path(self) -> bytes | None: ...
        @property
        def errno(self) -> int | None: ...
        @property
        def action(self) -> str: ...
        @property
        def side(self) -> str: ...


#: Codes of runs that went to their end.
_WHOLE = frozenset((0, 23, 24, 25))
#: Codes of runs that somebody stopped: a signal, a limit of time.
_STOPPED = frozenset((19, 20, 30, 35))
#: Causes that are listed, and names of each.
_CAUSES, _NAMES = 8, 2
#: Letters at the end of a temporary name.
_RANDOM = 6
#: Actions of messages that are no actions.
_LOST = "connection lost"
_EVENTS = frozenset(("vanished", "refused", "timeout", _LOST))
_INDENT = " " * 6
#: Below this factor, what travelled is not worth a word.
_SAVED_LEAST = 1.05


class Causes:
    """Failures grouped by error number, action and side: a count and the first names of each group."""

    def __init__(self) -> None:
        self.total = 0
        self._groups: dict[tuple[int, str, str], list[bytes]] = {}
        self._counts: dict[tuple[int, str, str], int] = {}

    def add(self, problem: Problem) -> None:
        """Count one failure."""
        key = (problem.errno or 0, problem.action, problem.side)
        self.total += 1
        self._counts[key] = self._counts.get(key, 0) + 1
        names = self._groups.setdefault(key, [])
        name = problem.path
        if name is not None and len(names) < _NAMES and (name := _final(name)) not in names:
            names.append(name)

    def add_all(self, others: Causes) -> None:
        """Count what *others* has counted."""
        self.total += others.total
        for key, number in others._counts.items():
            self._counts[key] = self._counts.get(key, 0) + number
            names = self._groups.setdefault(key, [])
            names += [name for name in others._groups[key] if name not in names]
            del names[_NAMES:]

    def has(self, action: str) -> bool:
        """Whether a failure has this action."""
        return any(other == action for _, other, _ in self._counts)

    def first(self) -> tuple[int, bytes | None] | None:
        """The error number and the first name of the largest group."""
        for (errno, _, _), _, names in self._sorted():
            if errno:
                return errno, names[0] if names else None
        return None

    def _sorted(self) -> Iterable[tuple[tuple[int, str, str], int, list[bytes]]]:
        """The groups, largest first."""
        groups = [(key, number, self._groups[key]) for key, number in self._counts.items()]
        return sorted(groups, key=lambda group: -group[1])

    def lines(self, host: str, encoding: str) -> list[str]:
        """One line for each of the largest groups; *host* names the peer."""
        rows = []
        groups = list(self._sorted())
        for (errno, action, side), number, names in groups[:_CAUSES]:
            where = (host or "the other end") if side == "peer" else "here"
            # Some messages without the system's error have a word for what happened.
            other = action if action in _EVENTS else f"failed while {action}"
            cause = f"{_error_name(errno)} ({errno})" if errno else other
            place = f"{action}, {where}" if errno else where
            rows.append((cause, count(number), place, "  ".join(shown_name(name, encoding) for name in names)))
        widths = [max(len(row[column]) for row in rows) for column in range(3)] if rows else [0, 0, 0]
        lines = [
            f"{_INDENT}{cause:<{widths[0]}}  {number:>{widths[1]}}  {place:<{widths[2]}}  {names}".rstrip()
            for cause, number, place, names in rows
        ]
        more = len(groups) - _CAUSES
        return [*lines, f"{_INDENT}and {counted(more, 'more cause', 'more causes')}"] if more > 0 else lines


def _final(name: bytes) -> bytes:
    """The name of the file that was to be, for the name of a temporary file."""
    place, slash, last = name.rpartition(b"/")
    body, dot, random = last[1:].rpartition(b".")
    is_temporary = last.startswith(b".") and body and len(random) == _RANDOM and random.isalnum()
    return place + slash + body if dot and is_temporary else name


def _error_name(errno: int) -> str:
    text = os.strerror(errno)
    # An abbreviation (ENOSYS texts and the like) keeps its letters.
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def end_block(
    summary: Summary | None,
    code: int,
    seconds: float,
    causes: Causes,
    *,
    host: str = "",
    dry_run: bool = False,
    finished: int = 0,
    push: bool = False,
    deletions_left_out: bool = False,
    encoding: str = "utf-8",
    binary: bool = False,
) -> str:
    """The lines of the block, each with its end.

    *summary* is None for a run that ended before its transfer; *code* is the exit code. *host* is the name of the peer,
    empty for a local copy. *finished*: files whose data is complete; a run that failed names them. *push*: they were
    sent, and nobody knows how many the peer has.
    *deletions_left_out*: nothing was deleted, because the source could not be read completely.
    """
    block = _Block(summary, code, seconds, causes, host, finished, encoding, binary, push=push)
    return "".join(line + "\n" for line in block.lines(dry_run=dry_run, deletions_left_out=deletions_left_out))


class _Block:
    def __init__(
        self,
        summary: Summary | None,
        code: int,
        seconds: float,
        causes: Causes,
        host: str,
        finished: int,
        encoding: str,
        binary: bool,
        *,
        push: bool,
    ) -> None:
        self.push = push
        self.summary, self.code, self.seconds, self.causes = summary, code, seconds, causes
        self.host, self.finished, self.encoding, self.binary = host, finished, encoding, binary

    def lines(self, *, dry_run: bool, deletions_left_out: bool) -> list[str]:
        summary, code = self.summary, self.code
        if summary is None or code not in _WHOLE:
            word = "STOPPED" if code in _STOPPED else "FAILED"
            head = f"{word} (code {code}) after {duration(self.seconds)}: {self._reason()}{self._safe()}"
            return [head, *self.causes.lines(self.host, self.encoding)]
        if not code:
            first, *rest = self._done(summary)
            return [f"{'would' if dry_run else 'done'}  {first}", *(_INDENT + line for line in rest)]
        entries = sum(summary.files.values())
        what = self._failed(entries)
        lines = [f"INCOMPLETE (code {code}): {what}, all else is right", *self.causes.lines(self.host, self.encoding)]
        if deletions_left_out:
            lines.append(f"{_INDENT}deletions were left out: the source could not be read completely")
        elif summary.deletions_skipped:
            lines.append(f"{_INDENT}{counted(summary.deletions_skipped, 'deletion was', 'deletions were')} left out")
        return lines + [_INDENT + line for line in self._done(summary)]

    def _failed(self, entries: int) -> str:
        failed = self.causes.total
        return f"{count(failed)} of {counted(entries, 'entry', 'entries')} failed" if failed else exit_text(self.code)

    def _size(self, value: int) -> str:
        return size(value, binary=self.binary)

    def _done(self, summary: Summary) -> list[str]:
        """What the run did, in one or two lines."""
        new, deleted = sum(summary.created.values()), sum(summary.deleted.values())
        if not (new or summary.updated or summary.attributes or deleted or self.code):
            entries_text = counted(sum(summary.files.values()), "entry", "entries")
            total = self._size(summary.total_size)
            return [f"nothing to do: {entries_text}, {total}, all as they should be ({duration(self.seconds)})"]
        files = counted(summary.transferred, "file", "files")
        first = f"{files}, {self._size(summary.transferred_size)} in {duration(self.seconds)}{self._travelled(summary)}"
        numbers = (
            (new, "new"),
            (summary.updated, "updated"),
            (summary.attributes, "attributes only"),
            (deleted, "deleted"),
            (summary.unchanged, "unchanged"),
        )
        second = "  ".join(f"{count(number)} {word}" for number, word in numbers if number)
        return [first, second] if second else [first]

    def _travelled(self, summary: Summary) -> str:
        """What went over the connection, if there was one and it carried less than the files hold."""
        moved = summary.sent + summary.received
        if not self.host or not moved or not summary.transferred_size:
            return ""
        factor = summary.transferred_size / moved
        less = f", {factor:.1f} times less" if factor >= _SAVED_LEAST else ""
        return f" ({self._size(moved)} travelled{less})"

    def _reason(self) -> str:
        """What ended the run, in words."""
        cause = self.causes.first()
        if cause is not None and self.code not in _STOPPED:
            errno, name = cause
            return _error_name(errno) + (f" on {shown_name(name, self.encoding)}" if name is not None else "")
        if self.code == 12 or (self.code not in _STOPPED and self.causes.has(_LOST)):
            return f"{self.host or 'the other end'} ended the connection"
        return exit_text(self.code)

    def _safe(self) -> str:
        """What a run that failed has copied all the same."""
        if not self.finished:
            return ""
        if self.push:
            return f"; {counted(self.finished, 'file was', 'files were')} sent"
        return f"; {counted(self.finished, 'file is', 'files are')} safely there"

"""How a transfer ended: `Result`, with `Item`, `Statistics` and the problems."""

from __future__ import annotations

import os

from tain.errors import UsageError, exit_text, for_code
from tain.problems import Cause, Hint, Problem
from tain.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import PurePath

    from tain import _core

#: The letters of ``--itemize-changes`` from position 3 on, and what they say changed (spec: output 6).
_REASONS = {
    "c": "content", "s": "size", "t": "time", "T": "time", "p": "permissions", "o": "owner", "g": "group",
    "u": "access-time", "n": "create-time", "b": "access-time", "a": "acl", "x": "xattr",
}  # fmt: skip
_KINDS = {0o100000: "file", 0o040000: "dir", 0o120000: "link", 0o020000: "device", 0o060000: "device"}
#: Codes of transfers that went to their end without some of their files.
_PARTIAL = frozenset((23, 24))
_REPR = 200


class Item(Record):
    """One change to one file, or one entry of a listing."""

    operation: str
    """``send``, ``recv``, ``del``, or ``list`` for an entry that is only listed."""
    itemized: str
    """The 11 characters of ``--itemize-changes``: what changed. Empty for an entry that is only listed."""
    name: bytes
    """Relative to the transfer, without the slash that rsync's own output adds to directories."""
    length: int
    """Bytes."""
    mtime: int
    """Seconds since 1970."""
    mode: int
    """Type and permissions, as in `os.stat_result.st_mode`."""
    target: bytes | None = None
    """Where a symbolic link points, or the name that a hard link shares its data with."""
    mtime_ns: int = 0
    """Nanoseconds since 1970; whole seconds if the list has no more (protocols below 31)."""
    uid: int | None = None
    """The owner that the entry gets on this machine; None without ``owner=True``, and of a deletion."""
    gid: int | None = None
    """The group, likewise (``group=True``)."""

    @property
    def where(self) -> PurePath:
        """The name as `pathlib.PurePath`; `os.fsencode` restores bytes that are no text."""
        from pathlib import PurePath

        return PurePath(os.fsdecode(self.name))

    @property
    def kind(self) -> str:
        """``file``, ``dir``, ``link``, ``device`` or ``special``."""
        return _KINDS.get(self.mode & 0o170000, "special")

    @property
    def change(self) -> str:
        """``new``, ``update`` (data or a target changed), ``attributes``, ``delete``, or ``none``."""
        if self.operation.startswith("del"):
            return "delete"
        if "+" in self.itemized:
            return "new"
        if self.itemized[:1] in ("<", ">", "c", "h"):
            return "update"
        return "attributes" if self.reasons else "none"

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why: ``new``, or some of ``content size time permissions owner group access-time create-time acl xattr``."""
        if "+" in self.itemized:
            return ("new",)
        if self.operation.startswith("del"):
            return ()
        return tuple(dict.fromkeys(_REASONS[letter] for letter in self.itemized[2:] if letter in _REASONS))


class Statistics(Record):
    """The figures of ``--stats``. Sizes are bytes; counts of files are by ``reg dir link dev special``."""

    files: Mapping[str, int]
    """Entries of the file list."""
    created: Mapping[str, int]
    """Entries that the destination did not have."""
    deleted: Mapping[str, int]
    """Entries that were deleted there."""
    updated: int
    """Entries that existed there and got other contents: data, a link's target, another device."""
    attributes: int
    """Entries of which only attributes changed."""
    unchanged: int
    """Entries of the list that were up to date, were skipped, or failed."""
    transferred: int
    """Regular files whose data was transferred."""
    total_size: int
    """Size of all files of the list."""
    transferred_size: int
    """Size of the transferred files."""
    literal: int
    """Bytes of file data that were sent."""
    matched: int
    """Bytes of file data that the destination had already."""
    flist_size: int
    """Bytes of the file list on the wire."""
    flist_build_seconds: float = 0.0
    """Time to make the file list."""
    flist_transfer_seconds: float = 0.0
    """Time to transfer it."""
    sent: int
    """Bytes sent by this side."""
    received: int
    """Bytes received by this side."""
    seconds: float
    """Duration of the transfer."""

    @property
    def speedup(self) -> float:
        """The size of the files divided by the traffic; 0.0 without traffic."""
        moved = self.sent + self.received
        return self.total_size / moved if moved else 0.0


class Result(Record):
    """How a transfer ended."""

    code: int
    """rsync's exit code; 0 is a complete transfer."""
    statistics: Statistics | None = None
    """None when the run ended before any transfer began."""
    output: bytes = b""
    """Standard output of the same command line; its last bytes, if it is longer than `capture`."""
    errors: bytes = b""
    """Standard error of the same command line, that of a remote shell included; limited as `output` is."""
    output_truncated: bool = False
    """`output` or `errors` lack their beginning."""
    items: Sequence[Item] | None = None
    """Every change, when `items` was asked for, else None."""
    problems: tuple[Problem, ...] = ()
    """The failures, in their order."""
    seconds: float = 0.0
    """Duration of the run."""
    direction: str = "local"
    """``local``, ``push``, ``pull``, or ``list``."""
    peer: str | None = None
    """The host at the other end; None for a local run."""
    hints: tuple[Hint, ...] = ()
    """Likely causes of a failure, with what to do about them; none after a complete transfer."""

    @property
    def ok(self) -> bool:
        """The transfer was complete."""
        return self.code == 0

    @property
    def complete(self) -> bool:
        """The transfer went to its end, even if some files failed (codes 0, 23, 24 and 25)."""
        return self.code in (0, 23, 24, 25)

    @property
    def messages(self) -> list[str]:
        """The lines of `errors`; ``os.fsencode`` restores bytes that are no text."""
        return self.errors.decode("utf-8", "surrogateescape").splitlines()

    @property
    def changed(self) -> Iterator[bytes]:
        """The names of everything that was changed or deleted. Errors: `UsageError` without ``items=True``."""
        if self.items is None:
            raise UsageError("the changes were not collected: give items=True")
        return (item.name for item in self.items if item.change != "none")

    @property
    def causes(self) -> dict[Cause, int]:
        """How many problems each cause has, the most frequent one first."""
        counts: dict[Cause, int] = {}
        for problem in self.problems:
            counts[problem.cause] = counts.get(problem.cause, 0) + 1
        return dict(sorted(counts.items(), key=lambda pair: -pair[1]))

    def check(self, allow: int | Collection[int] = ()) -> Result:
        """This result if the transfer was complete, or fails only as *allow* says.

        *allow* is a collection of exit codes (``{24}``), or one error number: ``errno.EACCES`` accepts a partial
        transfer (code 23 or 24) all of whose problems have that number.
        Errors: the `TainError` for the exit code; it has this result as `result`.
        """
        if not self.code:
            return self
        if isinstance(allow, int):
            if self.code in _PARTIAL and self.problems and all(p.errno == allow for p in self.problems):
                return self
        elif self.code in allow:
            return self
        closing = f"{exit_text(self.code)} (code {self.code})"
        first = self.problems[0].text if self.problems else next(iter(self.messages), "")
        error = for_code(self.code, closing if not first or closing in first else f"{first}\n{closing}")
        error.result = self
        raise error

    def __repr__(self) -> str:
        figures = self.statistics
        moved = "" if figures is None else f", transferred={figures.transferred}, sent={figures.sent}"
        failed = f", problems={len(self.problems)}, first={self.problems[0].text!r}" if self.problems else ""
        text = f"Result(code={self.code}, direction={self.direction!r}{moved}, seconds={self.seconds:.3f}{failed}"
        return (text if len(text) < _REPR else text[: _REPR - 4] + "...") + ")"


def item_of(item: _core.Item) -> Item:
    """The item of an event of the core."""
    return Item(
        operation=item.operation,
        itemized=item.itemized,
        name=item.name,
        length=item.length,
        mtime=item.mtime,
        mode=item.mode,
        target=item.target,
        mtime_ns=item.mtime_ns,
        uid=item.uid,
        gid=item.gid,
    )


def statistics_of(summary: _core.Summary) -> Statistics:
    """The figures of a summary of the core."""
    milliseconds = {"flist_build_seconds": summary.flist_build_ms, "flist_transfer_seconds": summary.flist_xfer_ms}
    values = {name: getattr(summary, name) for name in Statistics._names if name not in milliseconds}
    values |= {name: value / 1000 for name, value in milliseconds.items()}
    return Statistics(**values)

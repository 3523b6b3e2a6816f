"""`Entry`: what a listing shows of a source, and what `select` chooses from."""

from __future__ import annotations

import os

from tain.records import Record
from tain.results import Item

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tain import _core


class Entry(Record):
    """A file, directory or other entry of a source."""

    path: bytes
    """Relative to the source, without a slash at its end; ``.`` for the source itself."""
    size: int
    """Bytes."""
    mtime: int
    """Seconds since 1970."""
    mode: int
    """Type and permissions, as in `os.stat_result.st_mode`."""
    target: bytes | None = None
    """Where a symbolic link points."""
    mtime_ns: int = 0
    """Nanoseconds since 1970; whole seconds in a listing whose protocol has no more (below 31)."""
    uid: int | None = None
    """The owner. A listing has it with ``owner=True``: the user of that name on this machine if both sides have the
    name, else the number of the other side."""
    gid: int | None = None
    """The group; a listing has it with ``group=True``, likewise."""

    @property
    def name(self) -> str:
        """The last part of the path; `os.fsencode` restores bytes that are no text."""
        return os.fsdecode(self.path.rpartition(b"/")[2])

    @property
    def kind(self) -> str:
        """``file``, ``dir``, ``link``, ``device`` or ``special``."""
        return Item(operation="list", itemized="", name=b"", length=0, mtime=0, mode=self.mode).kind

    def is_dir(self) -> bool:
        """The entry is a directory, and no link to one."""
        return self.kind == "dir"


def chooser(select: Callable[[Entry], bool]) -> Callable[[list[_core._Candidate]], list[bool]]:
    """*select* for many names at once."""

    def choose(names: list[_core._Candidate]) -> list[bool]:
        return [
            bool(
                select(
                    Entry(
                        path=path,
                        size=size,
                        mtime=mtime_ns // 1_000_000_000,
                        mode=mode,
                        target=target,
                        mtime_ns=mtime_ns,
                        uid=uid,
                        gid=gid,
                    )
                )
            )
            for path, size, mtime_ns, mode, uid, gid, target in names
        ]

    return choose

"""What failed in a transfer, and why, as values: `Problem`, `Cause`, `Hint`."""

from __future__ import annotations

from tain.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import PurePath


class Problem(Record):
    """One failure of a transfer, read from the line that reports it."""

    path: bytes | None = None
    """The file or directory as the line names it: absolute where rsync prints it so. None if the line names none."""
    errno: int | None = None
    """The system's error number on the side that failed, if the line has one."""
    action: str
    """What failed, in words: ``reading``, ``listing``, ``writing``, ``creating``, ``renaming``, ``deleting``,
    ``setting times``, ``connecting``, ``vanished``, ... Words may be added."""
    role: str
    """Who failed: ``sender``, ``receiver``, ``Receiver`` (before it splits), ``generator``, ``client``, ``server`` or
    ``daemon``."""
    side: str
    """``here`` or ``peer``."""
    text: str
    """The line, without its end."""
    fatal: bool = False
    """The run ends because of it. False where only the other end knows it."""

    @property
    def where(self) -> PurePath | None:
        """The path as `pathlib.PurePath`; `os.fsencode` restores bytes that are no text."""
        import os
        from pathlib import PurePath

        return None if self.path is None else PurePath(os.fsdecode(self.path))

    @property
    def cause(self) -> Cause:
        """What this failure has in common with others."""
        return Cause(errno=self.errno, action=self.action, side=self.side)


class Cause(Record):
    """The kind of a failure: failures with the same error number, action and side have one cause."""

    errno: int | None = None
    """The system's error number, if the lines have one."""
    action: str
    """As in `Problem`."""
    side: str
    """``here`` or ``peer``."""


class Hint(Record):
    """A likely cause of a failed transfer (spec: daemon 16.3)."""

    id: str
    """The fixed name of the hint: ``D2``."""
    cause: str
    """What is probably wrong."""
    check: str
    """A command or a place to look at."""
    fix: str
    """What to do about it."""

    @property
    def title(self) -> str:
        """The cause in a few words."""
        for mark in (": ", "; "):
            head = self.cause.partition(mark)[0]
            if head != self.cause:
                return head.partition("; ")[0]
        return self.cause

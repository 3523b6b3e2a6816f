"""The progress lines of ``--bar`` where there is no terminal to draw on."""

from __future__ import annotations

from tain.report.quantities import counted, duration, percent, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tain.report.meter import Shown

#: Seconds until the first line; short runs get none.
FIRST = 10.0
#: Seconds between two lines, unless the user chose others.
SECONDS = 60.0


def plain_line(shown: Shown, *, binary: bool = False) -> str:
    """The state of a run in one line without its end."""
    files = counted(shown.files, "file", "files")
    if shown.fraction is None:
        return (
            f"tain: scanning, {counted(shown.entries, 'entry', 'entries')}, {size(shown.listed_bytes, binary=binary)}"
            f" so far; {files}, {size(shown.done, binary=binary)} copied"
        )
    mark = "<=" if shown.at_most else ""
    parts = [f"{percent(shown.fraction)} of {mark}{size(shown.total, binary=binary)}", files]
    if shown.rate is not None:
        parts.append(f"{size(shown.rate, binary=binary)}/s")
    if shown.left is not None:
        parts.append(f"{mark}{duration(shown.left)} left")
    if shown.errors:
        parts.append(counted(shown.errors, "error", "errors"))
    return "tain: " + ", ".join(parts)


class PlainLines:
    """Writes a line each *seconds*: the screen of a run that has no terminal."""

    def __init__(self, write: Callable[[bytes], None], *, seconds: float = SECONDS, binary: bool = False) -> None:
        self._write = write
        self._seconds = seconds
        self._binary = binary
        self._next = 0.0

    def due(self, now: float) -> bool:
        """Whether a line is to be written at *now*."""
        return now >= self._next

    def draw(self, shown: Shown, now: float) -> None:
        """Write the line of this moment."""
        self._next = now + self._seconds
        self._write(plain_line(shown, binary=self._binary).encode() + b"\n")

    def erase(self) -> None:
        """Do nothing: lines stay."""

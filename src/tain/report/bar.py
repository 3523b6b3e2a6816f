"""The live block of ``--bar``: which fields stand in which line, and how they are fitted to a terminal.

Rich draws, measures and erases; the content is here. This module is imported by a run that draws, after its transfer
has started, and by nothing else: rich costs some 50 ms to import.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleDimensions
from rich.live import Live
from rich.text import Text

from tain.report.quantities import count, counted, duration, part_of, percent, scaled, shown_name, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from tain.report.meter import Current, Shown

#: Redraws per second, and on a serial line.
_RATE, _SLOW_RATE = 5, 2
#: Below these widths there is one short line, and nothing.
_NARROW, _NOTHING = 40, 20
#: The bar is a quarter of the width. Fields are dropped to leave it `_BAR_WISH` cells; it has `_BAR_LEAST` in any case.
_BAR_WISH, _BAR_LEAST = 10, 6
#: A name is not cut below this many cells: less says nothing.
_NAME_LEAST = 10
#: Variables that terminals set which wrap the lines on the screen again when they become narrower.
_REWRAPPING = (
    b"TMUX", b"VTE_VERSION", b"KONSOLE_VERSION", b"KITTY_WINDOW_ID", b"ALACRITTY_WINDOW_ID", b"WEZTERM_PANE",
    b"WT_SESSION", b"ITERM_SESSION_ID",
)  # fmt: skip
#: Where fields begin, after the word of the line.
_INDENT = 6


class Glyphs(NamedTuple):
    """The characters of the block."""

    wheel: str
    at_most: str
    left: str
    right: str
    #: From nothing to a full cell.
    steps: str
    cut: str


UNICODE = Glyphs("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "≤", "▕", "▏", " ▏▎▍▌▋▊▉█", "…")
ASCII = Glyphs("|/-\\", "<=", "[", "]", "-#", "~")


class Field(NamedTuple):
    """A text of a line. Of those that do not fit, the one with the highest `drop` goes first; 0 stays."""

    text: str
    drop: int = 0
    style: str = ""


#: The order in which fields go: name, rate, checked, deleted, time left.
_LEFT, _DELETED, _CHECKED, _RATE_DROP = 1, 2, 3, 4


class Frame:
    """One frame: the values of a moment in the lines of a terminal."""

    def __init__(
        self,
        shown: Shown,
        width: int,
        *,
        glyphs: Glyphs = UNICODE,
        step: int = 0,
        host: str = "",
        timeout: int = 0,
        binary: bool = False,
        encoding: str = "utf-8",
    ) -> None:
        """*step* turns the wheel; *host* names the peer; *timeout* is that of the run in seconds, 0 for none;
        *encoding* is that of names."""
        self._shown = shown
        # The last column stays empty: a terminal may wrap after it.
        self._room = width - 1
        # The cursor waits at the end of the last line, where a terminal shows ^C.
        self._last_room = width - 3
        self._width = width
        self._glyphs = glyphs
        self._step = step
        self._host = host
        self._timeout = timeout
        self._binary = binary
        self._encoding = encoding

    def lines(self) -> list[Text]:
        """The lines of the block, each less wide than the terminal."""
        if self._width < _NOTHING:
            return []
        if self._width < _NARROW:
            return [Text(set_cell_size(self._short(), min(self._room, cell_len(self._short()))))]
        shown = self._shown
        if shown.state == "wait":
            first = [self._line("wait", self._waiting(), name=b"")]
        elif shown.state == "tidy":
            first = [self._line("tidy", [Field(f"deleting {count(shown.deleted)}")], name=b"")]
        elif shown.state == "end":
            other = self._host or "all data"
            first = [self._line("end", [Field(f"waiting for {other} to finish")], name=b"")]
        elif shown.fraction is None:
            return self._scanning()
        else:
            first = [self._bar_line(shown.state, shown.fraction)]
        lines = [*first, self._line("", self._counts(), name=b"" if shown.current else shown.name)]
        if shown.current is not None:
            lines.append(self._file_line(shown.current))
        return lines

    def _size(self, value: float) -> str:
        return size(value, binary=self._binary)

    def _waiting(self) -> list[Field]:
        text = f"{duration(self._shown.silence)} nothing from {self._host or 'the other end'}"
        limit = f" (timeout {duration(self._timeout)})" if self._timeout else ""
        return [Field(text + limit if cell_len(text + limit) <= self._room - _INDENT else text)]

    def _short(self) -> str:
        shown = self._shown
        if shown.fraction is None:
            return f"{count(shown.entries)} entries"
        done, unit = scaled(shown.done, binary=self._binary)
        total, total_unit = scaled(shown.total, binary=self._binary)
        first = done if unit == total_unit else done + unit
        return f"{int(shown.fraction * 100)}% {first}/{total} {total_unit}"

    def _scanning(self) -> list[Text]:
        shown = self._shown
        wheel = self._glyphs.wheel[self._step % len(self._glyphs.wheel)]
        entries = counted(shown.entries, "entry", "entries")
        scan = [Field(f"{wheel} {entries}"), Field(f"{self._size(shown.listed_bytes)} so far", _LEFT)]
        copied = [Field(f"  {counted(shown.files, 'file', 'files')}"), Field(self._size(shown.done), _LEFT)]
        copied += self._rate_field()
        copied += self._error_field()
        return [self._line("scan", scan, name=shown.name), self._line("copy", copied, name=b"")]

    def _rate_field(self) -> list[Field]:
        rate = self._shown.rate
        return [] if rate is None else [Field(f"{self._size(rate)}/s", _RATE_DROP)]

    def _error_field(self) -> list[Field]:
        errors = self._shown.errors
        return [Field(counted(errors, "error", "errors"), 0, "bold red")] if errors else []

    def _counts(self) -> list[Field]:
        shown = self._shown
        fields = [Field(counted(shown.files, "file", "files"))]
        if shown.checked:
            fields.append(Field(f"{count(shown.checked)} checked", _CHECKED))
        if shown.deleted:
            fields.append(Field(f"{count(shown.deleted)} deleted", _DELETED))
        return fields + self._error_field()

    def _bar_line(self, word: str, fraction: float) -> Text:
        shown, glyphs = self._shown, self._glyphs
        mark = glyphs.at_most if shown.at_most else ""
        head = f"{word:<{_INDENT}}{percent(fraction):>5} "
        fields = [Field(" " + part_of(shown.done, shown.total, mark, binary=self._binary))]
        rate = self._rate_field()
        fields += rate
        if shown.left is not None:
            fields.append(Field(f"{mark}{duration(shown.left)} left", _LEFT))
        room = self._room - cell_len(head) - 2
        fields = _fit(fields, room - _BAR_WISH)
        cells = max(min(room - _width(fields), self._width // 4 + 2), _BAR_LEAST)
        text = Text(head + glyphs.left)
        text.append(filled(fraction, cells, glyphs.steps), style="green")
        text.append(glyphs.right)
        _append(text, fields)
        text.truncate(self._room)
        return text

    def _file_line(self, current: Current) -> Text:
        fields = [Field(f"{int(current.fraction * 100)}% of {self._size(current.size)}"), *self._rate_field()]
        if current.left is not None:
            fields.append(Field(f"{duration(current.left)} left", _LEFT))
        fields = _fit(fields, self._last_room - _INDENT - 2 - _NAME_LEAST)
        room = max(self._last_room - _INDENT - 2 - _width(fields), _NAME_LEAST)
        text = Text(" " * _INDENT + cut(shown_name(current.name, self._encoding), room, self._glyphs.cut) + "  ")
        _append(text, fields)
        text.truncate(self._last_room)
        return text

    def _line(self, word: str, fields: list[Field], *, name: bytes) -> Text:
        text = Text(f"{word:<{_INDENT}}")
        fitting = _fit(fields, self._last_room - _INDENT)
        _append(text, fitting)
        room = self._last_room - text.cell_len - 2
        # A name goes before any other field.
        if name and room >= _NAME_LEAST and len(fitting) == len(fields):
            shown = cut(shown_name(name, self._encoding), room, self._glyphs.cut)
            text.append(" " * (room + 2 - cell_len(shown)) + shown)
        text.truncate(self._last_room)
        return text


def filled(fraction: float, cells: int, steps: str) -> str:
    """A bar of *cells* cells, filled from the left in the *steps* that one cell has."""
    parts = len(steps) - 1
    units = int(min(max(fraction, 0.0), 1.0) * cells * parts)
    whole, rest = divmod(units, parts)
    bar = steps[-1] * whole
    if whole < cells:
        bar += steps[rest]
    return bar + steps[0] * (cells - len(bar))


def cut(text: str, room: int, mark: str = "…") -> str:
    """*text* in at most *room* cells: the middle is left out, because both ends of a path say most."""
    if cell_len(text) <= room:
        return text
    if room <= cell_len(mark):
        return mark[:room]
    keep = room - cell_len(mark)
    tail_room = keep - keep // 2
    head = set_cell_size(text, keep // 2)
    tail = ""
    for letter in reversed(text):
        if cell_len(letter + tail) > tail_room:
            break
        tail = letter + tail
    return head + mark + tail


def _width(fields: list[Field]) -> int:
    return sum(cell_len(field.text) for field in fields) + 2 * (len(fields) - 1)


def _fit(fields: list[Field], room: int) -> list[Field]:
    """The fields that fit into *room* cells, two spaces apart."""
    fields = list(fields)
    while len(fields) > 1 and _width(fields) > room:
        worst = max(fields, key=lambda field: field.drop)
        if not worst.drop:
            break
        fields.remove(worst)
    return fields


def _append(text: Text, fields: list[Field]) -> None:
    for index, field in enumerate(fields):
        if index:
            text.append("  ")
        text.append(field.text, style=field.style or None)


class Bar:
    """The block on a terminal: drawn some times per second, erased before anything else is written."""

    def __init__(
        self,
        fd: int,
        *,
        ascii_only: bool = False,
        host: str = "",
        timeout: int = 0,
        binary: bool = False,
        encoding: str = "utf-8",
        rewraps: bool = False,
    ) -> None:
        """*fd* is a terminal, which stays the caller's. *rewraps*: it wraps its lines again when it is narrowed."""
        self._fd = fd
        self._file = open(fd, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - lives as long as the block
        self._console = Console(file=self._file, force_terminal=True, highlight=False)
        self._live = self._new_live()
        self._glyphs = ASCII if ascii_only else UNICODE
        self._host, self._timeout, self._binary = host, timeout, binary
        self._encoding = encoding
        self._rewraps = rewraps
        #: The cells of the lines on the screen.
        self._drawn: list[int] = []
        self._period = 1.0 / (_SLOW_RATE if _is_slow(fd) else _RATE)
        self._next = 0.0
        self._step = 0

    def _new_live(self) -> Live:
        """A block that is not drawn yet."""
        return Live(console=self._console, auto_refresh=False, transient=True,
                    redirect_stdout=False, redirect_stderr=False)  # fmt: skip

    def due(self, now: float) -> bool:
        """Whether a frame is to be drawn at *now*."""
        return now >= self._next and self._in_foreground()

    def draw(self, shown: Shown, now: float) -> None:
        """Draw the frame of this moment over the last one."""
        self._next = now + self._period
        self._step += 1
        self._measure()
        frame = Frame(
            shown,
            self._console.width,
            glyphs=self._glyphs,
            step=self._step,
            host=self._host,
            timeout=self._timeout,
            binary=self._binary,
            encoding=self._encoding,
        )
        lines = frame.lines()
        if not lines:
            self.erase()
            return
        self._erase_wrapped()
        self._drawn = [line.cell_len for line in lines]
        self._live.update(Text("\n").join(lines))
        if not self._live.is_started:
            self._live.start()
        self._live.refresh()

    def erase(self) -> None:
        """Remove the block from the screen; the cursor is where the block began."""
        if self._live.is_started:
            self._measure()
            self._erase_wrapped()
            self._drawn = []
            self._live.stop()
            # One that is started again takes the lines above for its last frame, and erases them.
            self._live = self._new_live()
            self._file.flush()

    def _measure(self) -> None:
        """Let rich know the size of this terminal: it would ask those of the standard streams."""
        with suppress(OSError):
            columns, lines = os.get_terminal_size(self._fd)
            # A serial line may not know its size.
            if columns and lines:
                self._console.size = ConsoleDimensions(columns, lines)

    def _erase_wrapped(self) -> None:
        """Erase the rows that the block has gained because the terminal became narrower: rich erases one for each line
        of the block."""
        if not self._rewraps:
            return
        width = max(self._console.width, 1)
        more = sum(-(-cells // width) - 1 for cells in self._drawn if cells)
        self._file.write("\r\x1b[2K\x1b[1A" * more)

    def _in_foreground(self) -> bool:
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:
            return False


def rewraps(environ: Mapping[bytes, bytes]) -> bool:
    """Whether the terminal of this environment is known to wrap its lines again when it becomes narrower.

    Others cut them: erasing more rows would erase the lines above the block."""
    return any(environ.get(name) for name in _REWRAPPING) or environ.get(b"TERM", b"").startswith(b"tmux")


def _is_slow(fd: int) -> bool:
    """Whether *fd* is a serial line below 38400 baud."""
    import termios

    try:
        speed: int = termios.tcgetattr(fd)[5]
    except termios.error:
        return False
    return 0 < speed < termios.B38400

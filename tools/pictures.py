"""Make the pictures of the terminal in docs/pictures: an SVG for light and dark pages, and the text beside each.

    .venv/bin/python tools/pictures.py            # write them all
    .venv/bin/python tools/pictures.py explain    # write this one

Each picture is a session on a terminal of 88 columns: a real run of the program, or, where real figures would be others
each time, the real bar with figures of its own. `pyte` is the terminal, rich draws what is on it. A test compares the
texts with what the sessions show now.
"""

from __future__ import annotations

import io
import os
import pty
import re
import shutil
import struct
import sys
import termios
from collections.abc import Callable
from fcntl import ioctl
from itertools import groupby
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.ui.figures import FakeFigures

COLUMNS, ROWS = 88, 24
PICTURES = Path(__file__).resolve().parent.parent / "docs/pictures"
PROGRAM = Path(sys.executable).parent / "tain"
#: Its name is in some pictures. It must not exist: it is removed at the end.
HOME = Path("/tmp/demo")
_NORMAL = [(40, 42, 46), (204, 36, 29), (38, 139, 60), (181, 137, 0), (38, 113, 189), (147, 60, 150), (23, 128, 128)]
_BRIGHT = [
    (110, 118, 129),
    (255, 108, 96),
    (86, 211, 100),
    (227, 179, 65),
    (108, 182, 255),
    (219, 142, 255),
    (86, 212, 221),
]
THEMES = {
    "light": TerminalTheme((255, 255, 255), (36, 41, 47), [*_NORMAL, (110, 118, 129)], [*_NORMAL, (36, 41, 47)]),
    "dark": TerminalTheme((22, 27, 34), (230, 237, 243), [*_BRIGHT, (200, 205, 212)], [*_BRIGHT, (255, 255, 255)]),
}
#: The page of rich, without its fonts from the network.
PAGE = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<style>
.{unique_id}-matrix {{ font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: {char_height}px;
  line-height: {line_height}px; }}
.{unique_id}-title {{ font: bold 18px sans-serif }}
{styles}
EXTRA
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">{matrix}</g>
MORE
</g>
</svg>
"""


def scanning(seconds: float) -> FakeFigures:
    """A sender that still lists: nobody knows the total."""
    return FakeFigures(
        entries=int(1820.4 * seconds), listed_bytes=int(4.13e9 * seconds), files=int(31.2 * seconds),
        done_bytes=int(96.4e6 * seconds), asked_bytes=int(41.3e9), wire_bytes=int(seconds), directory=b"www/img/2019",
        phase="scan",
    )  # fmt: skip


def copying(seconds: float) -> FakeFigures:
    """The list is complete, and entries are compared until the last third."""
    entries, total, done = 21632, 12_400_000_000, int(108e6 * seconds)
    decided = min(int(entries * (0.4 + done / total)), entries)
    undecided = int(8e9 * (1 - decided / entries))
    figures = FakeFigures(
        entries=entries, listed_bytes=41_300_000_000, complete=True, decided=decided, undecided_bytes=undecided,
        asked_bytes=total - undecided, done_bytes=done, wire_bytes=done, files=int(27.6 * seconds),
        deleted=int(1.8 * seconds), errors=2 if seconds > 30 else 0, name=b"www/img/a.jpg",
    )  # fmt: skip
    if 40 < seconds < 60:
        figures.name, figures.size, figures.offset = b"www/img/tour.mp4", 1_900_000_000, int((seconds - 40) * 95e6)
    return figures


#: Pictures of the bar: figures, and the seconds at which a frame is drawn; more than one make an animation.
BARS: dict[str, tuple[Callable[[float], FakeFigures], tuple[float, ...]]] = {
    "scanning": (scanning, (10.0,)),
    "copying": (copying, (43.6,)),
    "bar": (copying, (5.0, 24.0, 43.6, 56.0, 84.0, 113.0)),
}
BAR_COMMAND = "tain -a --delete --bar src/ backup1:/srv/mirror/"
#: Pictures of real runs: the words of the program.
RUNS: dict[str, str] = {
    "summary": "-a --delete --summary --no-hints src/ etc/a etc/b etc/hosts/x mirror/",
    "explain": "-a --delete --explain src/ mirror/",
    "refused": "-a --delete --guard src/ mirror/",
}
TITLES = {
    "scanning": "The list still grows", "copying": "The list is complete", "bar": "A run with --bar",
    "summary": "The end of a run with errors", "explain": "What a run would do", "refused": "A refused run",
}  # fmt: skip


def draw_bar(name: str, at: float) -> None:
    """Draw the frame of a picture at this second on standard error, and leave it there."""
    from tain.report.bar import Bar
    from tain.report.meter import Meter

    make, _ = BARS[name]
    bar, meter = Bar(2, host="backup1"), Meter(remote=True)
    shown = meter.at(make(0.0), 0.0)
    for tick in range(1, round(at * 5) + 1):
        shown = meter.at(make(tick / 5), tick / 5)
    bar.draw(shown, at)
    os._exit(0)


def make_trees() -> None:
    """What the real runs copy."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()

    def write(path: str, size: int, mtime: int = 1_700_000_000) -> None:
        file = HOME / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as out:
            out.truncate(size)
        os.utime(file, (mtime, mtime))

    for number in range(100):
        for root in ("src", "mirror"):
            write(f"{root}/www/page{number}.html", 4000 + number)
    for number in range(1180):
        write(f"src/www/img/{number}.jpg", 2_600_000)
    for number in range(24):
        write(f"src/www/new{number}.html", 12_000)
    for number in range(30):
        write(f"src/logs/{number}.log", 7_000_000)
        write(f"mirror/logs/{number}.log", 6_000_000, 1_600_000_000)
    for number in range(201):
        write(f"mirror/old/{number % 8}/{number}.bak", 156_000)
    write("etc/hosts", 200)
    for directory in (HOME, *(path for path in HOME.rglob("*") if path.is_dir())):
        os.utime(directory, (1_700_000_000, 1_700_000_000))


def on_terminal(command: str, argv: list[str]) -> pyte.Screen:
    """The screen after *argv* ran on a terminal, below a prompt with *command*."""
    pid, fd = pty.fork()
    if not pid:
        try:
            ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
            os.chdir(HOME)
            variables = {
                "PATH": os.environ["PATH"],
                "HOME": "/",
                "TERM": "xterm-256color",
                "LC_ALL": "C.UTF-8",
                "TZ": "UTC",
            }
            os.execve(argv[0], argv, variables)
        finally:
            os._exit(127)
    data = b""
    while True:
        try:
            piece = os.read(fd, 1 << 16)
        except OSError:
            piece = b""
        if not piece:
            break
        data += piece
    os.close(fd)
    os.waitpid(pid, 0)
    screen = pyte.Screen(COLUMNS, 2 * ROWS)
    pyte.ByteStream(screen).feed(f"$ {command}\r\n".encode() + steady(data))
    return screen


def steady(data: bytes) -> bytes:
    """*data* without what differs from machine to machine."""
    room = rb"free [\d.]+ \w?B on [^;\s]+(; inodes ([\d,]+) of [\d,]+)?"
    data = re.sub(room, b"free 118 GB on /; inodes 1,205 of 7,601,024", data)
    data = re.sub(rb" in \d:\d\d", b" in 0:00", data)
    return data.replace(os.fsencode(PROGRAM), b"tain")


def screens(name: str) -> list[pyte.Screen]:
    """The frames of a picture."""
    if name in BARS:
        own = [sys.executable, str(Path(__file__).resolve()), "--bar", name]
        return [on_terminal(BAR_COMMAND, [*own, str(at)]) for at in BARS[name][1]]
    make_trees()
    words = RUNS[name]
    return [on_terminal(f"tain {words}", [str(PROGRAM), *words.split()])]


def lines_of(screen: pyte.Screen) -> list[str]:
    """The text of a screen, without empty lines at its end."""
    lines = [line.rstrip() for line in screen.display]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def text_of(drawn: list[pyte.Screen]) -> str:
    """What a picture shows, as text; frames with a line between them."""
    frames = ["".join(line + "\n" for line in lines_of(screen)) for screen in drawn]
    return ("-" * COLUMNS + "\n").join(frames)


def rich_lines(screen: pyte.Screen) -> list[Text]:
    """The lines of a screen with their colours."""
    lines = []
    for row in range(len(lines_of(screen))):
        text = Text(no_wrap=True)
        cells = [screen.buffer[row][column] for column in range(len(screen.display[row].rstrip()))]
        for (colour, bold), run in groupby(cells, lambda cell: (cell.fg, cell.bold)):
            shown = None if colour == "default" else {"brown": "yellow"}.get(colour, colour)
            text.append("".join(cell.data for cell in run), Style(color=shown, bold=bold))
        lines.append(text)
    return lines


def svg(name: str, frames: list[list[Text]], theme: str) -> str:
    """The picture of one or more frames, which follow each other."""
    height = max(map(len, frames))

    def page(number: int, code: str) -> str:
        console = Console(
            record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor", legacy_windows=False
        )
        lines = [*frames[number], *[Text()] * (height - len(frames[number]))]
        console.print(Text("\n").join(lines))
        return console.export_svg(
            title=TITLES[name], theme=THEMES[theme], code_format=code, unique_id=f"{name}-{theme}-{number}"
        )

    if len(frames) == 1:
        return page(0, PAGE.replace("EXTRA\n", "").replace("MORE\n", ""))
    # Each frame is visible during its share of the time; a program that knows no animation shows the first.
    seconds, share = 1.5 * len(frames), 100 / len(frames)
    steps = f"0%, {share:.3f}% {{{{ opacity: 1 }}}} {share + 0.001:.3f}%, 100% {{{{ opacity: 0 }}}}"
    extra = [f"@keyframes show {{{{ {steps} }}}}"]
    more = []
    for number in range(len(frames)):
        start = number * seconds / len(frames)
        extra.append(
            f".f{number} {{{{ animation: show {seconds}s step-end {start - seconds:.2f}s infinite;"
            f" opacity: {int(number == 0)} }}}}"
        )
        if number:
            styles, matrix = page(number, "{styles}\0{matrix}").split("\0")
            extra.append(styles.replace("{", "{{").replace("}", "}}"))
            group = f'<g class="{{unique_id}}-matrix f{number}" xml:space="preserve">{matrix}</g>'
            more.append(re.sub(r' clip-path="url\([^"]*\)"', "", group))
    code = PAGE.replace("EXTRA", "\n".join(extra)).replace("MORE", "\n".join(more))
    return page(0, code.replace('-matrix" xml', '-matrix f0" xml', 1))


def main(words: list[str]) -> int:
    if words[:1] == ["--bar"]:
        draw_bar(words[1], float(words[2]))
    HOME.mkdir()
    try:
        for name in words or [*BARS, *RUNS]:
            drawn = screens(name)
            for theme in THEMES:
                picture = svg(name, [rich_lines(screen) for screen in drawn], theme)
                # Rich's border is for dark pages.
                picture = picture.replace("rgba(255,255,255,0.35)", "rgba(128,128,128,0.5)")
                (PICTURES / f"{name}-{theme}.svg").write_text(re.sub(r"[ \t]+$", "", picture, flags=re.MULTILINE))
            (PICTURES / f"{name}.txt").write_text(text_of(drawn))
    finally:
        shutil.rmtree(HOME, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""UI-2, UI-5, UI-6, UI-7: the bar of real runs on a pseudo-terminal, and the plain lines elsewhere."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
from contextlib import suppress
from pathlib import Path

import pyte
import pytest

from tain.report.bar import Bar, rewraps
from tain.report.meter import Meter
from tests.programs import PROGRAM, environment, need
from tests.ui.figures import FakeFigures
from tests.ui.terminal import Terminal

SHELL = """#!/bin/sh
shift
exec sh -c "$*"
"""
#: Bytes per second in units of 1024, so that a run lasts a few seconds.
SPEED = "--bwlimit=2500"
PERCENT = re.compile(r"^(?:copy|check) +([\d.]+)% [▕\[]")


def env(home: Path, **more: str) -> dict[str, str]:
    return environment(str(home), **{"TERM": "xterm", **more})


def tree(home: Path, *, files: int = 60, size: int = 100_000) -> None:
    (home / "s/a").mkdir(parents=True)
    (home / "d").mkdir()
    os.utime(home / "d", (1, 1))
    for number in range(files):
        (home / f"s/a/{number:03}").write_bytes(os.urandom(size))
    (home / "rsh").write_text(SHELL)
    (home / "rsh").chmod(0o755)


def on_terminal(home: Path, *words: str, columns: int = 80, stdout: int | None = None, **more: str) -> Terminal:
    assert PROGRAM
    return Terminal([PROGRAM, *words], cwd=home, env=env(home, **more), columns=columns, stdout=stdout)


def fractions(terminal: Terminal) -> list[float]:
    """The percentages of all screens, in their order."""
    found = [PERCENT.match(line) for screen in terminal.screens for line in screen]
    return [float(match[1]) for match in found if match]


WAYS = {
    "local": ([], "s/", "d/"),
    "push": (["-e", "{w}/rsh", "--rsync-path={tain}"], "s/", "h:{w}/d/"),
    "pull": (["-e", "{w}/rsh", "--rsync-path={tain}"], "h:{w}/s/", "d/"),
    "push-rsync": (["-e", "{w}/rsh", "--rsync-path=rsync"], "s/", "h:{w}/d/"),
    "pull-rsync": (["-e", "{w}/rsh", "--rsync-path=rsync", "--no-inc-recursive"], "h:{w}/s/", "d/"),
}


def words_of(way: str, home: Path) -> list[str]:
    options, *ends = WAYS[way]
    if way.endswith("rsync"):
        need("rsync")
    return [word.format(w=home, tain=PROGRAM) for word in (*options, *ends)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["new", "delta", "partial", "growing"])
def test_the_fraction_of_a_real_run_never_falls(way: str, kind: str, tmp_path: Path) -> None:
    tree(tmp_path)
    options = ["-a", "--bar", SPEED]
    if kind == "delta":
        options.append("--no-whole-file")
        for number in range(60):
            data = (tmp_path / f"s/a/{number:03}").read_bytes()
            (tmp_path / "d/a").mkdir(exist_ok=True)
            (tmp_path / f"d/a/{number:03}").write_bytes(data[:40_000] + os.urandom(10))
    elif kind == "partial":
        options.append("--partial")
        (tmp_path / "d/a").mkdir()
        (tmp_path / "d/a/000").write_bytes((tmp_path / "s/a/000").read_bytes()[:50_000])
    terminal = on_terminal(tmp_path, *options, *words_of(way, tmp_path))
    if kind == "growing":
        terminal.read(1.2)
        for number in range(60):
            with (tmp_path / f"s/a/{number:03}").open("ab") as file:
                file.write(b"more" * 1000)
    code = terminal.finish()
    assert code in ((0, 23) if kind == "growing" else (0,))
    seen = fractions(terminal)
    assert seen and seen == sorted(seen), seen
    assert all(percent <= 100 for percent in seen)
    # The last screen has the end block and nothing of the bar.
    assert not PERCENT.match("\n".join(terminal.lines()))
    assert terminal.lines()[-2].startswith(("done  ", "      ")) or code == 23


@pytest.mark.parametrize("verbose", [[], ["-v"], ["-i"]])
def test_standard_output_is_the_same(verbose: list[str], tmp_path: Path) -> None:
    tree(tmp_path, files=30)
    plain = subprocess.run(
        [str(PROGRAM), "-a", *verbose, "s/", "d1/"], cwd=tmp_path, env=env(tmp_path), capture_output=True, check=True
    ).stdout
    with (tmp_path / "out").open("wb") as out:
        terminal = on_terminal(tmp_path, "-a", "--bar", SPEED, *verbose, "s/", "d2/", stdout=out.fileno())
        assert terminal.finish() == 0
    assert fractions(terminal)

    def same(text: bytes) -> bytes:
        return re.sub(rb"[\d,.]+ bytes/sec|created directory d\d", b"", text)

    assert same((tmp_path / "out").read_bytes()) == same(plain)


def test_lines_of_standard_output_stay_whole_on_one_terminal(tmp_path: Path) -> None:
    tree(tmp_path, files=30)
    terminal = on_terminal(tmp_path, "-av", "--bar", SPEED, "s/", "d/")
    terminal.resize(80, 60)
    assert terminal.finish() == 0
    names = [line for line in terminal.lines() if line.startswith("a/")]
    assert names == ["a/", *(f"a/{number:03}" for number in range(30))]
    assert not any(PERCENT.match(line) for line in terminal.lines())


def test_a_block_that_begins_again_leaves_the_lines_above_it(tmp_path: Path) -> None:
    screen = pyte.Screen(80, 24)
    stream = pyte.ByteStream(screen)
    master, slave = pty.openpty()
    bar, meter = Bar(slave), Meter()
    for number, name in enumerate(("one", "two", "three")):
        # Another process group has the terminal here, so `due` is not asked.
        bar.draw(meter.at(FakeFigures(entries=9, complete=True), number), number)
        bar.erase()
        os.write(slave, name.encode() + b"\n")
    bar.draw(meter.at(FakeFigures(entries=9, complete=True), 4.0), 4.0)
    bar.erase()
    os.close(slave)
    # Without a writer, reading ends with an error after the last byte.
    with os.fdopen(master, "rb", buffering=0) as terminal, suppress(OSError):
        while data := terminal.read(1 << 16):
            stream.feed(data)
    assert [line.rstrip() for line in screen.display[:4]] == ["one", "two", "three", ""]


def rewrapped(screen: pyte.Screen, columns: int) -> pyte.Screen:
    """What terminals like tmux show after they became narrower: long lines continue in the next row."""
    rows = [line.rstrip() for line in screen.display[: screen.cursor.y + 1]]
    narrow = pyte.Screen(columns, screen.lines)
    pyte.Stream(narrow).feed("\r\n".join(rows))
    return narrow


def test_a_narrower_terminal_that_wraps_its_lines_again() -> None:
    master, slave = pty.openpty()
    bar, meter = Bar(slave, rewraps=True), Meter()
    figures = FakeFigures(entries=9, complete=True, name=b"a" * 60, asked_bytes=1000, done_bytes=10)

    def resize(columns: int) -> None:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def show(screen: pyte.Screen, columns: int, seconds: float) -> list[str]:
        resize(columns)
        bar.draw(meter.at(figures, seconds), seconds)
        return read(screen)

    def read(screen: pyte.Screen) -> list[str]:
        while select.select([master], [], [], 0.2)[0]:
            pyte.ByteStream(screen).feed(os.read(master, 1 << 16))
        return [line.rstrip() for line in screen.display if line.strip()]

    try:
        screen = pyte.Screen(100, 24)
        pyte.Stream(screen).feed("one\r\n")
        lines = show(screen, 100, 1.0)
        assert len(lines) == 3 and all(len(line) > 45 for line in lines[1:])
        screen = rewrapped(screen, 45)
        assert sum(bool(line.strip()) for line in screen.display) == 6
        lines = show(screen, 45, 2.0)
        assert lines[0] == "one" and PERCENT.match(lines[1]) and len(lines) == 3
        screen = rewrapped(screen, 30)
        resize(30)
        bar.erase()
        assert read(screen) == ["one"]
    finally:
        os.close(slave)
        os.close(master)


def test_which_terminals_wrap_their_lines_again() -> None:
    assert rewraps({b"TERM": b"tmux-256color"})
    assert rewraps({b"TERM": b"xterm", b"VTE_VERSION": b"7200"})
    assert not rewraps({b"TERM": b"xterm"})


def test_no_escape_sequence_without_a_terminal(tmp_path: Path) -> None:
    tree(tmp_path)
    run = subprocess.run(
        [str(PROGRAM), "-a", "--bar", SPEED, "s/", "d/"], cwd=tmp_path,
        env=env(tmp_path, TAIN_BAR_SECONDS="0.5"), capture_output=True, text=True,
    )  # fmt: skip
    assert (run.returncode, run.stdout) == (0, "")
    *lines, done, numbers = run.stderr.splitlines()
    assert "\x1b" not in run.stderr and "\r" not in run.stderr
    assert len(lines) >= 2
    for line in lines:
        assert re.fullmatch(
            r"tain: [\d.]+% of (<=)?[\d.]+ [kM]B, \d+ files?(, [\d.]+ [kM]B/s)?(, (<=)?\d+:\d\d left)?", line
        ), line
    assert done.startswith("done  60 files, 6.00 MB in ") and numbers.strip() == "61 new  1 attributes only"


def test_a_dumb_terminal_gets_plain_lines(tmp_path: Path) -> None:
    tree(tmp_path, files=40)
    terminal = on_terminal(tmp_path, "-a", "--bar", SPEED, "s/", "d/", TERM="dumb", TAIN_BAR_SECONDS="0.5")
    assert terminal.finish() == 0
    assert b"\x1b" not in terminal.written
    assert terminal.lines()[0].startswith("tain: ")


def test_nothing_is_drawn_before_the_handshake(tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "rsh").write_text(
        '#!/bin/sh\nprintf "password: " >/dev/tty\nread -r word </dev/tty\nshift\nexec sh -c "$*"\n'
    )
    terminal = on_terminal(tmp_path, "-a", "--bar", SPEED, *words_of("push", tmp_path))
    terminal.read(2)
    assert terminal.written == b"password: "
    terminal.send(b"secret\n")
    assert terminal.finish() == 0
    assert fractions(terminal)


def test_what_a_remote_shell_writes_stands_above_the_bar(tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "rsh").write_text('#!/bin/sh\nshift\n(sleep 1.5; echo a word of the shell >&2) &\nexec sh -c "$*"\n')
    terminal = on_terminal(tmp_path, "-a", "--bar", SPEED, *words_of("push", tmp_path))
    assert terminal.finish() == 0
    both = [screen for screen in terminal.screens if any(map(PERCENT.match, screen)) and screen[0].startswith("a word")]
    assert both and terminal.lines()[0] == "a word of the shell"
    assert not any(map(PERCENT.match, terminal.lines()))


def test_an_interrupt_leaves_a_clean_screen(tmp_path: Path) -> None:
    tree(tmp_path)
    terminal = on_terminal(tmp_path, "-a", "--bar", SPEED, "s/", "d/")
    terminal.read(20, lambda now: bool(fractions(now)))
    terminal.send(b"\x03")
    assert terminal.finish() == 20
    lines = terminal.lines()
    assert not any(PERCENT.match(line) for line in lines)
    assert any(line.startswith("STOPPED (code 20)") for line in lines)
    # The cursor is visible again.
    assert terminal.written.rfind(b"\x1b[?25h") > terminal.written.rfind(b"\x1b[?25l")


def test_a_window_that_changes_its_size(tmp_path: Path) -> None:
    tree(tmp_path)
    terminal = on_terminal(tmp_path, "-a", "--bar", SPEED, "s/", "d/", columns=100)
    terminal.read(20, lambda now: bool(fractions(now)))
    terminal.resize(50)
    terminal.kill(signal.SIGWINCH)
    terminal.read(0.6)
    assert all(len(line) < 50 for line in terminal.screens[-1])
    assert terminal.finish() == 0


def test_a_background_job_draws_nothing(tmp_path: Path) -> None:
    """The shell of the terminal keeps the foreground, and the run has a process group of its own."""
    tree(tmp_path)
    words = [PROGRAM, "-a", "--bar", SPEED, "s/", "d/"]
    script = f"import subprocess, sys; sys.exit(subprocess.run({words!r}, process_group=0).returncode)"
    terminal = Terminal([str(Path(str(PROGRAM)).with_name("python")), "-c", script], cwd=tmp_path, env=env(tmp_path))
    assert terminal.finish() == 0
    assert not fractions(terminal)


@pytest.mark.parametrize(
    ("value", "options", "drawn"),
    [
        ("auto", [], True),
        ("auto", ["--no-bar"], False),
        ("auto", ["-v"], False),
        ("auto", ["--progress"], False),
        ("auto", ["--info=progress2"], False),
        ("auto", ["-i"], False),
        ("auto", ["-q"], False),
        ("never", [], False),
        ("never", ["--bar"], True),
    ],
)
def test_the_variable(value: str, options: list[str], drawn: bool, tmp_path: Path) -> None:
    tree(tmp_path, files=40)
    terminal = on_terminal(tmp_path, "-a", SPEED, *options, "s/", "d/", TAIN_BAR=value)
    assert terminal.finish() == 0
    assert bool(fractions(terminal)) == drawn


def test_ascii(tmp_path: Path) -> None:
    tree(tmp_path)
    terminal = on_terminal(tmp_path, "-a", "--bar", SPEED, "s/", "d/", TAIN_BAR="ascii")
    assert terminal.finish() == 0
    assert fractions(terminal)
    assert all(byte < 128 for byte in terminal.written)


def test_the_bar_replaces_rsyncs_progress(tmp_path: Path) -> None:
    tree(tmp_path)
    terminal = on_terminal(tmp_path, "-a", "--bar", "-P", SPEED, "s/", "d/")
    assert terminal.finish() == 0
    assert fractions(terminal)
    assert b"xfr#" not in terminal.written


def test_errors_stand_above_the_bar(tmp_path: Path) -> None:
    tree(tmp_path)
    terminal = on_terminal(tmp_path, "-a", "--bar", SPEED, "nosuch", "s/", "d/")
    terminal.read(20, lambda now: bool(fractions(now)))
    lines = terminal.lines()
    assert any("link_stat" in line for line in lines)
    assert terminal.finish() == 23
    assert any(line.startswith("INCOMPLETE (code 23): 1 of ") for line in terminal.lines())

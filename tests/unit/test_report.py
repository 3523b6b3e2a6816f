"""Numbers, statistics, closing lines, the log."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tain.errors import EXIT_TEXTS, FileError, PeerExit, VanishedFiles
from tain.report import output, stats
from tain.report.logfile import LogFile


@pytest.mark.parametrize(
    ("level", "value", "size", "rate"),
    [
        (0, 3979135, "3979135", "3979135.00"),
        (1, 3979135, "3,979,135", "3,979,135.00"),
        (2, 3979135, "3.98M", "3.98M"),
        (2, 999, "999", "999.00"),
        (3, 1010, "1,010", "1,010.00"),
        (3, 3000000, "2.86M", "2.86M"),
        (2, 5 * 10**18, "5000.00P", "5000.00P"),
    ],
)
def test_numbers(level: int, value: int, size: str, rate: str) -> None:
    numbers = stats.Numbers(level)
    assert numbers.size(value) == size
    assert numbers.rate(value) == rate


def test_other_separator() -> None:
    numbers = stats.Numbers(1, ord("."))
    assert numbers.count(1234567) == "1.234.567"
    assert numbers.decimal(1234.5) == "1.234,50"


def summary(**values: object) -> Any:
    base: dict[str, object] = {
        "files": {"reg": 4, "dir": 2, "link": 1, "dev": 0, "special": 1},
        "created": {"reg": 0, "dir": 0, "link": 0, "dev": 0, "special": 0},
        "deleted": {},
        "transferred": 4,
        "total_size": 3977797,
        "transferred_size": 3977794,
        "literal": 3977794,
        "matched": 0,
        "role": "sender",
        "flist_size": 65000,
        "flist_build_ms": 1,
        "flist_xfer_ms": 0,
        "sent": 3979123,
        "received": 109,
        "seconds": 0.03,
    }
    return SimpleNamespace(**{**base, **values})


@pytest.mark.parametrize(("role", "size", "shown"), [("sender", 300_000, "262,140"), ("receiver", 65_000, "65,000")])
def test_size_of_the_list(role: str, size: int, shown: str) -> None:
    text = stats.statistics(summary(role=role, flist_size=size), stats.Numbers(), protocol=32).decode()
    assert f"\nFile list size: {shown}\n" in text


def test_statistics() -> None:
    assert (
        stats.statistics(summary(), stats.Numbers(), protocol=32).decode()
        == """
Number of files: 8 (reg: 4, dir: 2, link: 1, special: 1)
Number of created files: 0
Number of deleted files: 0
Number of regular files transferred: 4
Total file size: 3,977,797 bytes
Total transferred file size: 3,977,794 bytes
Literal data: 3,977,794 bytes
Matched data: 0 bytes
File list size: 0
File list generation time: 0.001 seconds
File list transfer time: 0.000 seconds
Total bytes sent: 3,979,123
Total bytes received: 109
"""
    )
    old = stats.statistics(summary(flist_build_ms=0), stats.Numbers(), protocol=28)
    assert b"created" not in old and b"deleted" not in old and b"time" not in old


def test_summary() -> None:
    whole = summary(sent=3979135, received=136)
    assert (
        stats.summary_lines(whole, stats.Numbers(), suffix=" (DRY RUN)").decode()
        == """
sent 3,979,135 bytes  received 136 bytes  7,958,542.00 bytes/sec
total size is 3,977,797  speedup is 1.00 (DRY RUN)
"""
    )
    assert stats.log_line(whole) == b"sent 3979135 bytes  received 136 bytes  total size 3977797"


def test_closing_lines() -> None:
    line = output.closing_line(23, "generator", "client.py(1)")
    assert line == (
        b"rsync error: some files/attrs were not transferred (see previous errors) (code 23) at client.py(1) "
        b"[generator=3.5.0]\n"
    )
    assert output.failure_text(VanishedFiles(""), "sender").startswith(b"rsync warning: some files vanished")
    assert output.failure_text(FileError("x"), "Receiver").startswith(b"x\nrsync error: error in file IO (code 11) at ")
    assert output.failure_text(PeerExit("", 11), "sender") == b""
    assert b"unexplained error (code 255)" in output.closing_line(255, "sender")


def test_streams_keep_their_order(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT)
    log = LogFile.open(os.fsencode(tmp_path / "log"), 7)
    for mode in (None, "b"):
        out = output.Output(fd, fd, log=log, outbuf=mode)
        out.events([("stdout", b"a\n"), ("stdout", b"b\n"), ("log", b"logged"), ("stderr", b"c\n"), ("stdout", b"d\n")])
        out.flush()
    os.close(fd)
    assert (tmp_path / "x").read_bytes() == b"a\nb\nc\nd\n" * 2
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(lines) == 2 and lines[0].endswith(" [7] logged")
    assert lines[0][4] == "/" and lines[0][13] == ":"


def test_structured_events_stand_between_texts(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT)
    seen: list[tuple[object, bytes]] = []
    one, two, three = ("item", object()), ("item", object()), ("item", object())
    batch = [("stdout", b"a\n"), one, ("log", b"logged"), two, ("stderr", b"b\n"), three]
    out = output.Output(fd, fd)
    out.events(batch, lambda events: seen.append((events, (tmp_path / "x").read_bytes())))  # type: ignore[arg-type]
    os.close(fd)
    assert seen == [([one, two], b"a\n"), ([three], b"a\nb\n")]


def test_a_closed_pipe_is_ignored() -> None:
    read, write = os.pipe()
    os.close(read)
    out = output.Output(write, write)
    out.info(b"x\n")
    out.info(b"y\n")
    os.close(write)


def test_quiet(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT)
    out = output.Output(fd, fd, quiet=True)
    out.info(b"x\n")
    out.error(b"y\n")
    os.close(fd)
    assert (tmp_path / "x").read_bytes() == b"y\n"


def test_exit_texts_are_those_of_the_core() -> None:
    """The core has only the codes with which it ends a run itself."""
    source = (Path(__file__).parents[2] / "crates/core/src/error.rs").read_text()
    body = source[source.index("pub fn exit_text") :].partition("\n}")[0]
    found = {int(code): text for code, text in re.findall(r'(\d+) => "([^"]*)"', body)}
    assert found
    assert found.items() <= EXIT_TEXTS.items()

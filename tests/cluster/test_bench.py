"""The link of bench/relay.py does what figures rest on. No test looks at a figure of time."""

from __future__ import annotations

import array
import fcntl
import json
import os
import random
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.programs import LIMIT, ROOT

RELAY = [sys.executable, "-I", "-S", str(ROOT / "bench/relay.py")]


def relay(*words: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*RELAY, *words], input=data, capture_output=True, timeout=LIMIT)


@pytest.mark.parametrize("link", [["--window=64KiB", "--rtt=2ms"], ["--window=10000", "--rtt=0", "--rate=20MB/s"]])
def test_a_relay_carries_every_byte_within_its_window(tmp_path: Path, link: list[str]) -> None:
    data = random.Random(1).randbytes(1_500_000)
    done = relay(*link, f"--report={tmp_path}/report", "far", "cat;", "echo", "end", ">&2;", "exit", "7", data=data)
    assert (done.returncode, done.stderr) == (7, b"end\n")
    assert done.stdout == data
    window = 10_000 if "--rtt=0" in link else 65_536
    counts = json.loads((tmp_path / "report").read_text())
    assert {direction: total for direction, (total, _) in counts.items()} == {"to": len(data), "back": len(data)}
    assert 0 < counts["to"][1] <= window
    assert 0 < counts["back"][1] <= window


def waiting(pipe: int) -> int:
    """Bytes in a pipe that nobody has read."""
    found = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, found)
    return found[0]


@contextmanager
def stopped(child: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        child.kill()
        child.wait()


def test_a_relay_takes_no_more_than_the_window_before_an_acknowledgement() -> None:
    # A round trip that is longer than the test: whatever is taken is under way.
    reader, writer = os.pipe()
    try:
        os.write(writer, bytes(60_000))
        words = [*RELAY, "--rtt=1000s", "--window=10000", "far", "cat"]
        with stopped(subprocess.Popen(words, stdin=reader, stdout=subprocess.DEVNULL)):
            end = time.monotonic() + LIMIT
            while waiting(reader) == 60_000 and time.monotonic() < end:
                time.sleep(0.01)
            while waiting(reader) > 50_000 and time.monotonic() < end:
                time.sleep(0.01)
            assert waiting(reader) == 50_000
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["-l", "user", "far", "exit 4"], 4, ""),
        (["far", "-l", "user", "exit 5"], 5, ""),
        (["far", "kill -9 $$"], 137, ""),
        (["far", "exec >&-; exec <&-; exit 6"], 6, ""),
        (["far"], 255, "relay: a command is needed\n"),
        (["--rtt=40q", "far", "true"], 255, "relay: argument --rtt: '40q' is not a time such as 40ms\n"),
        (["--window=-1", "far", "true"], 255, "relay: argument --window: '-1' is not a size such as 2MiB\n"),
        (["--rate=fast", "far", "true"], 255, "relay: argument --rate: 'fast' is not a rate such as 4.5MB/s\n"),
    ],
)
def test_a_relay_ends_as_its_command(words: list[str], code: int, error: str) -> None:
    done = relay(*words)
    assert (done.returncode, done.stdout, done.stderr.decode()) == (code, b"", error)

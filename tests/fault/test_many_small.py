"""Many small files, written by several threads: what a failure or a signal leaves behind (spec: transfer 6, 14)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import programs

SIZE = 20_000


@pytest.fixture
def source(space: Path) -> Path:
    source = space / "src"
    for number in range(3000):
        directory = source / str(number % 20)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / str(number)).write_bytes(number.to_bytes(4, "big") * (SIZE // 4))
    return source


@pytest.fixture
def small(space: Path) -> Iterator[Path]:
    with programs.small_disk(space / "small", 8) as mount:
        yield mount


def whole_files(destination: Path) -> int:
    """How many files there are; each must be whole, and none a temporary one."""
    count = 0
    for where, _, names in os.walk(destination):
        for name in names:
            assert not name.startswith("."), f"left behind: {name}"
            content = (Path(where) / name).read_bytes()
            assert content == int(name).to_bytes(4, "big") * (SIZE // 4), name
            count += 1
    return count


def test_full_disk(source: Path, small: Path, space: Path, tain: str) -> None:
    env = programs.environment(str(space))
    outcome = programs.run([tain, "-a", f"{source}/", f"{small}/"], cwd=space, env=env)
    said = outcome.err.decode()
    assert outcome.code == 11, outcome
    assert "write failed on" in said and "No space left on device (28)" in said, outcome
    assert said.count("No space left on device") == 1, outcome
    assert 100 < whole_files(small) < 3000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal(number: signal.Signals, source: Path, space: Path, tain: str) -> None:
    target = space / "dst"
    shutil.rmtree(target, ignore_errors=True)
    env = programs.environment(str(space))
    process = subprocess.Popen([tain, "-a", f"{source}/", f"{target}/"], cwd=space, env=env, stderr=subprocess.PIPE)
    # Once the first directory is there, writing has begun.
    end = time.monotonic() + 60
    while not (target / "0").exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.001)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (20, 0), said
    count = whole_files(target)
    if process.returncode == 0:
        # It was too fast for the signal.
        assert count == 3000
    again = programs.run([tain, "-a", f"{source}/", f"{target}/"], cwd=space, env=env)
    assert again.code == 0, again
    assert whole_files(target) == 3000


def test_counts(space: Path, tain: str) -> None:
    """What one file is said to have cost holds nothing of the files that are written beside it."""
    source, target = space / "mixed", space / "copy"
    shutil.rmtree(target, ignore_errors=True)
    for number in range(60):
        directory = source / str(number % 6)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"small{number}").write_bytes(b"x" * 9000)
    for number in range(6):
        (source / str(number) / "big").write_bytes(b"y" * 600_000)
    total = 60 * 9000 + 6 * 600_000
    outcome = programs.run(
        [tain, "-a", "--stats", "--no-h", f"{source}/", f"{target}/"],
        cwd=space,
        env=programs.environment(str(space)),
    )
    figures = dict(line.split(": ", 1) for line in outcome.out.decode().splitlines() if ": " in line)
    assert figures["Literal data"] == f"{total} bytes", outcome
    assert total < int(figures["Total bytes sent"]) < total + 30_000, outcome

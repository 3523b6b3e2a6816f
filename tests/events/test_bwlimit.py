"""A bandwidth limit that changes while a transfer runs."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

import tain
from tests import programs
from tests.events import core_runs

#: A size that takes minutes at the slow rate, and a moment without a limit.
SIZE = 20 << 20
SLOW = 100


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    with (tmp_path / "src/file").open("wb") as file:
        # No holes: the kernel could copy those at once.
        file.write(b"0123456789abcdef" * (SIZE // 16))
    return tmp_path


def transfer(tree: Path, way: str, **options: object) -> tain.Transfer:
    source, destination = (f"{tree}/src/", f"{tree}/dst")
    if way != "local":
        options |= {"rsh": str(core_runs.shell(tree)), "rsync_path": str(programs.ROOT / ".venv/bin/tain")}
        source = source if way == "push" else f"host:{source}"
        destination = destination if way == "pull" else f"host:{destination}"
    # The options are checked by the constructor.
    return tain.Transfer(source, destination, archive=True, whole_file=True, **options)  # type: ignore[arg-type]


def done(running: tain.Transfer) -> int:
    progress = running.progress
    return 0 if progress is None else max(progress.bytes_done, progress.wire)


@pytest.mark.parametrize("way", ["local", "push", "pull"])
def test_a_slow_transfer_speeds_up(tree: Path, way: str) -> None:
    running = transfer(tree, way)
    running.set_bwlimit(SLOW)
    thread = threading.Thread(target=running.run)
    thread.start()
    time.sleep(1)
    moved = done(running)
    # What the pipes hold counts as moved; without the limit all would be there.
    assert moved < SIZE // 2
    assert thread.is_alive()
    running.set_bwlimit(None)
    thread.join(60)
    assert running.result is not None and running.result.ok
    assert (tree / "dst/file").read_bytes() == (tree / "src/file").read_bytes()


@pytest.mark.parametrize("way", ["local", "push", "pull"])
def test_a_fast_transfer_slows_down(tree: Path, way: str) -> None:
    running = transfer(tree, way)
    running.set_bwlimit("4m")
    thread = threading.Thread(target=running.run)
    thread.start()
    while done(running) < SIZE // 20:
        time.sleep(0.01)
    running.set_bwlimit(SLOW)
    time.sleep(0.5)
    before = done(running)
    time.sleep(1)
    after = done(running)
    assert thread.is_alive()
    # Half of a second at the fast rate would be ten times as much.
    assert after - before < (1 << 20)
    running.cancel()
    thread.join(60)
    assert running.result is not None and running.result.code == 20


def test_values(tree: Path) -> None:
    running = transfer(tree, "local")
    for value in ("nonsense", -1, "1b"):
        with pytest.raises(tain.UsageError, match="bwlimit"):
            running.set_bwlimit(value)
    running.set_bwlimit(0)
    running.set_bwlimit("1.5g")
    running.set_bwlimit(None)
    assert running.run().ok
    # Nothing is left to limit.
    running.set_bwlimit(1)

"""Live figures: once the list is complete, the total never grows and the share that is done never falls."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import programs
from tests.events import core_runs

if TYPE_CHECKING:
    from tain import _core
    from tain._core import Figures


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source with 300 files in 12 directories, and a destination that has every third of them."""
    chance = random.Random(12)
    for number in range(300):
        path = tmp_path / "src" / f"d{number % 12}" / f"f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(chance.choice((0, 10, 3000, 70_000))))
        os.utime(path, (1_700_000_000, 1_700_000_000))
        if number % 3 == 0:
            copy = tmp_path / "dst" / path.relative_to(tmp_path / "src")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
            os.utime(copy, (1_700_000_000, 1_700_000_000))
    (tmp_path / "src/large").write_bytes(chance.randbytes(6_000_000))
    (tmp_path / "dst/large").write_bytes((tmp_path / "src/large").read_bytes()[:4_000_000] + b"other")
    os.utime(tmp_path / "dst/large", (0, 0))
    (tmp_path / "dst/extra").write_text("not in the source")
    return tmp_path


class Recorder:
    """Takes the batches of a run, and all figures that it can read meanwhile."""

    def __init__(self) -> None:
        self.seen: list[Figures] = []

    def __call__(self, transfer: _core.Run) -> None:
        while transfer.next_batch(0.0005) is not None:
            self.seen.append(transfer.figures())
        self.seen.append(transfer.figures())

    def shares(self) -> Iterator[tuple[int, int]]:
        for figures in self.seen:
            if figures.complete:
                yield figures.done_bytes, figures.asked_bytes + figures.undecided_bytes

    def check(self) -> Figures:
        done, total = 0, None
        for now, left in self.shares():
            assert now >= done
            assert total is None or left <= total
            assert now <= left
            done, total = now, left
        for before, after in zip(self.seen, self.seen[1:], strict=False):
            assert before.entries <= after.entries
            assert before.decided <= after.decided <= after.entries
            assert before.files <= after.files
        last = self.seen[-1]
        assert last.complete
        assert last.phase == "end"
        return last


def ways(tmp_path: Path, peer: str) -> dict[str, list[str]]:
    remote = [f"--rsh={core_runs.shell(tmp_path)}", f"--rsync-path={peer}"]
    return {
        "local": ["src/", "dst/"],
        "push": [*remote, "src/", f"host:{tmp_path}/dst/"],
        "pull": [*remote, f"host:{tmp_path}/src/", "dst/"],
    }


@pytest.mark.parametrize("peer", ["tain", "rsync"])
@pytest.mark.parametrize("way", ["local", "push", "pull"])
@pytest.mark.parametrize(
    "options",
    [
        "-a --delete",
        "-a --no-inc-recursive --delete-before",
        "-ac --delay-updates",
        "-an",
        "-aH --inplace --no-W",
        "-az",
    ],
)
def test_real_runs(monkeypatch: pytest.MonkeyPatch, tree: Path, way: str, peer: str, options: str) -> None:
    if way == "local" and peer == "rsync":
        # A local copy has no peer.
        peer = "tain"
    program = programs.PEER if peer == "rsync" else str(programs.ROOT / ".venv/bin/tain")
    recorder = Recorder()
    code, summary = core_runs.run(monkeypatch, tree, [*options.split(), *ways(tree, program)[way]], recorder)
    assert code == 0
    last = recorder.check()
    assert last.decided == last.entries == sum(summary.files.values())
    assert last.undecided_bytes == 0
    assert last.asked_bytes == last.done_bytes == summary.transferred_size
    assert last.files == summary.transferred
    assert last.listed_bytes == summary.total_size
    assert last.deleted == ("--delete" in options)
    assert last.errors == 0
    assert (last.wire_bytes > 0) == (way != "local")


def test_a_listing_fills_them(monkeypatch: pytest.MonkeyPatch, tree: Path) -> None:
    recorder = Recorder()
    code, _ = core_runs.run(monkeypatch, tree, ["-r", "--list-only", "src/"], recorder)
    assert code == 0
    last = recorder.seen[-1]
    assert last.complete
    assert last.entries == last.decided == 314
    assert last.asked_bytes == last.undecided_bytes == last.done_bytes == 0


def test_an_empty_batch_after_the_timeout(monkeypatch: pytest.MonkeyPatch, tree: Path) -> None:
    lengths: list[int] = []

    def pump(transfer: _core.Run) -> None:
        with pytest.raises(ValueError, match="negative"):
            transfer.next_batch(-1)
        while (batch := transfer.next_batch(0.01)) is not None:
            lengths.append(len(batch))

    code, _ = core_runs.run(monkeypatch, tree, ["-a", "--bwlimit=20M", "src/", "dst/"], pump)
    assert code == 0
    assert 0 in lengths

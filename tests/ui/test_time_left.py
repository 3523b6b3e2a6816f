"""UI-3: on a slow link, the time left is near the truth, though most bytes do not travel.

The run is real, its clock is not: a machine that is busy with something else would make the truth itself wrong. The
clock of these tests is the number of bytes that have travelled, as on a link of constant speed.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tain.report.meter import Meter, Shown
from tests.events import core_runs
from tests.programs import PROGRAM

if TYPE_CHECKING:
    from tain import _core
    from tain._core import Figures

#: Seconds that the run takes by its own clock.
LENGTH = 50.0
SIZE = 400_000


class Recorder:
    """Takes the batches of a run, and the figures at every change."""

    def __init__(self) -> None:
        self.seen: list[Figures] = []

    def __call__(self, transfer: _core.Run) -> None:
        while transfer.next_batch(0.002) is not None:
            self.seen.append(transfer.figures())
        self.seen.append(transfer.figures())

    def shown(self) -> list[tuple[float, Shown]]:
        """What a bar would show, and when by the clock of the link."""
        meter = Meter(remote=True)
        speed = self.seen[-1].wire_bytes / LENGTH
        # The last figures of a moment: what has arrived is dealt with then, however busy the machine is.
        moments = {figures.wire_bytes / speed: figures for figures in self.seen}
        return [(now, meter.at(figures, now)) for now, figures in moments.items()]


def make(home: Path, *, files: int, unchanged: int) -> None:
    """Files of which nine tenths are the same at both ends, and as many as *unchanged* that are all the same."""
    chance = random.Random(3)
    for number in range(files + unchanged):
        name = f"{chance.randrange(10**6):06}-{number}"
        data = chance.randbytes(SIZE)
        for root in ("s", "d"):
            (home / root).mkdir(exist_ok=True)
            path = home / root / name
            path.write_bytes(
                data if root == "d" or number >= files else data[: SIZE * 9 // 10] + chance.randbytes(SIZE // 10)
            )
            os.utime(path, (1_700_000_000 + (root == "d" and number < files),) * 2)


@pytest.mark.parametrize("way", ["pull", "push"])
@pytest.mark.parametrize("unchanged", [0, 120])
def test_the_time_left_on_a_slow_link(
    way: str, unchanged: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data that a sender has put and the link has not taken does not count: that would be most of the test's."""
    # The queue passes on some 64 KB at once, a small part of what travels.
    make(tmp_path, files=120, unchanged=unchanged)
    record = Recorder()
    words = ["-a", "--bwlimit=1600", "--block-size=40000", "--no-inc-recursive", "-e", str(core_runs.shell(tmp_path))]
    words += [f"--rsync-path={PROGRAM}"]
    words += [f"h:{tmp_path}/s/", f"{tmp_path}/d/"] if way == "pull" else [f"{tmp_path}/s/", f"h:{tmp_path}/d/"]
    code, summary = core_runs.run(monkeypatch, tmp_path, words, record)
    assert code == 0 and summary.matched > 8 * summary.literal
    shown = record.shown()
    for part in (0.3, 0.5, 0.7):
        now, at = next((now, one) for now, one in shown if one.fraction is not None and one.fraction >= part)
        truth = LENGTH - now
        assert at.left is not None and at.rate is not None
        # A sender learns late which files are not wanted. Until then they count as to come, and the bar shows "≤".
        undecided = (at.total - 120 * SIZE) / at.rate
        assert at.at_most or not undecided
        assert at.at_most <= (way == "push")
        assert abs(at.left - undecided - truth) <= 0.15 * truth, (part, at.left, undecided, truth)

"""UI-1: whatever a run does, the fraction never falls and is whole at the end only; rate and time left."""

from __future__ import annotations

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from tain.report.meter import Meter, Shown
from tests.ui.figures import FakeFigures

#: One step of a run: what happens, how much of it, and seconds until the next look.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["list", "complete", "need", "skip", "data", "more", "again", "delete"]),
        st.integers(0, 1 << 40),
        st.floats(0, 30, allow_nan=False),
    ),
    max_size=60,
)


def step(figures: FakeFigures, what: str, size: int) -> None:
    """One thing that a core reports. *more*: a file is longer than its entry. *again*: a file is sent once more."""
    undecided = figures.undecided_bytes
    if what == "list" and not figures.complete:
        figures.entries += 1
        figures.listed_bytes += size
        figures.undecided_bytes += size
    elif what == "complete":
        figures.complete = True
        figures.phase = "copy"
    elif what == "need":
        figures.decided = min(figures.decided + 1, figures.entries)
        figures.undecided_bytes -= min(size, undecided)
        figures.asked_bytes += min(size, undecided)
    elif what == "skip":
        figures.decided = min(figures.decided + 1, figures.entries)
        figures.undecided_bytes -= min(size, undecided)
    elif what == "data":
        figures.done_bytes += min(size, figures.asked_bytes - figures.done_bytes) if size else 0
        figures.wire_bytes += size // 2
    elif what == "more":
        figures.done_bytes += size % 5000
    elif what == "again":
        figures.asked_bytes += size % 5000
    elif what == "delete":
        figures.deleted += 1
        figures.phase = "delete" if figures.complete else figures.phase


@given(STEPS, st.booleans(), st.booleans())
@settings(max_examples=200, deadline=None)
def test_the_fraction_never_falls(steps: list[tuple[str, int, float]], checksum: bool, remote: bool) -> None:
    figures, meter = FakeFigures(), Meter(checksum=checksum, remote=remote)
    now, shown, before = 0.0, [], 0
    for what, size, seconds in steps:
        step(figures, what, size)
        # A core never reports that less is done.
        figures.done_bytes = before = max(before, figures.done_bytes)
        now += seconds
        shown.append(meter.at(dataclasses.replace(figures), now))
    last = meter.at(figures, now + 1, ended=True)
    known = [one.fraction for one in shown if one.fraction is not None]
    assert known == sorted(known)
    assert all(0 <= fraction < 1 for fraction in known)
    assert last.fraction == 1 and last.state == "end"
    for one in shown:
        assert one.done <= one.total
        assert one.left is None or one.left >= 0
        assert one.rate is None or one.rate >= 0
        assert one.left is None or one.fraction is not None


def test_a_growing_list_has_no_fraction() -> None:
    shown = Meter().at(FakeFigures(entries=5, listed_bytes=100, undecided_bytes=100, directory=b"a/b"), 1.0)
    assert (shown.state, shown.fraction, shown.left, shown.name) == ("scan", None, None, b"a/b")


def test_undecided_bytes_make_the_total_an_upper_bound() -> None:
    figures = FakeFigures(complete=True, phase="copy", asked_bytes=60, undecided_bytes=40, done_bytes=30)
    shown = Meter().at(figures, 0.0)
    assert (shown.fraction, shown.total, shown.at_most) == (0.3, 100, True)
    figures.undecided_bytes = 0
    assert not Meter().at(figures, 0.0).at_most


def test_without_bytes_the_decisions_count() -> None:
    shown = Meter().at(FakeFigures(complete=True, phase="copy", entries=8, decided=2), 0.0)
    assert shown.fraction == 0.25


def run_at(speed: float, seconds: float, total: int = 10**9) -> Shown:
    """The values after *seconds* at a steady *speed*."""
    meter, now = Meter(), 0.0
    figures = FakeFigures(complete=True, phase="copy", asked_bytes=total)
    while True:
        figures.done_bytes = int(now * speed)
        shown = meter.at(figures, now)
        if now >= seconds:
            return shown
        now += 0.2


def test_rate_and_time_left_of_a_steady_run() -> None:
    shown = run_at(10e6, 20)
    assert shown.rate is not None and abs(shown.rate - 10e6) < 1e5
    assert shown.left is not None and abs(shown.left - 80) < 1


def test_no_time_left_is_guessed_from_little() -> None:
    assert run_at(10e6, 2).left is None  # less than three seconds
    assert run_at(1e6, 8).left is None  # less than one percent


def test_the_rate_follows_a_change_within_the_window() -> None:
    meter, done = Meter(), 0.0
    figures = FakeFigures(complete=True, phase="copy", asked_bytes=10**9)
    shown = meter.at(figures, 0.0)
    for tick in range(1, 200):
        done += 0.2 * (20e6 if tick < 100 else 2e6)
        figures.done_bytes = int(done)
        shown = meter.at(figures, tick * 0.2)
    assert shown.rate is not None and abs(shown.rate - 2e6) < 1e5


def test_a_silent_peer_is_named_after_ten_seconds() -> None:
    figures = FakeFigures(complete=True, phase="copy", asked_bytes=100)
    meter = Meter(remote=True)
    assert meter.at(figures, 0.0).state == "copy"
    assert meter.at(figures, 9.9).state == "copy"
    silent = meter.at(figures, 12.0)
    assert (silent.state, silent.silence) == ("wait", 12.0)
    figures.wire_bytes = 1
    assert meter.at(figures, 13.0).state == "copy"
    assert Meter().at(figures, 99.0).state == "copy"


def test_states() -> None:
    figures = FakeFigures(complete=True, phase="copy", undecided_bytes=5)
    assert Meter(checksum=True).at(figures, 0.0).state == "check"
    figures.phase = "delete"
    assert Meter().at(figures, 0.0).state == "tidy"
    figures.phase = "end"
    assert Meter().at(figures, 0.0).state == "end"


def test_a_large_or_slow_file_has_values_of_its_own() -> None:
    figures = FakeFigures(complete=True, phase="copy", asked_bytes=10**9, name=b"f", size=10**8, offset=10**7)
    current = Meter().at(figures, 0.0).current
    assert current is not None and current.fraction == 0.1
    figures.size = 10**6 * 20
    meter = Meter()
    assert meter.at(figures, 0.0).current is None
    assert meter.at(figures, 3.5).current is not None
    figures.name = b"g"
    assert meter.at(figures, 3.6).current is None

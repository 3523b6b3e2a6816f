"""MIR-11 to MIR-16: who starts when. Pure: simulated days, no clock, no sleep."""

from __future__ import annotations

import dataclasses
import random
import time
from collections import defaultdict
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from tain.mirror.model import Retry
from tain.mirror.plan import Bounds, Schedule, View, after_absence, due_after, first_due, plan, start_of
from tain.mirror.retry import wait_before
from tain.mirror.words import DAY, HOUR, MINUTE, Share, times

BEGIN = 1_793_000_000.0
JITTER = Share(percent=10.0, amount=900)


def jobs(number: int, seed: int) -> list[View]:
    chance = random.Random(seed)
    made = []
    for index in range(number):
        every = chance.choice([2, 4, 6, 12, 24]) * HOUR
        schedule = Schedule(float(every), jitter=JITTER)
        if index % 10 == 0:
            schedule = Schedule(
                cron=(f"{chance.randrange(60)} {chance.randrange(24)} * * *",), timezone="Europe/Berlin"
            )
        made.append(
            View(
                f"job{index}", schedule, None, priority=chance.randrange(3), host=f"host{index % 40}",
                device=f"disk{index % 8}",
            )
        )  # fmt: skip
    return made


def simulate(
    seed: int, *, restarts: int = 0, sleep: tuple[float, float] = (0, 0), length: float = 30 * DAY
) -> tuple[list[tuple[float, str]], dict[str, list[float]]]:
    """30 days of 200 jobs; returns the starts in their order, and those of each job."""
    chance = random.Random(seed)
    bounds = Bounds(jobs=20, per_upstream=1, per_filesystem=6, upstream={"host1": 2})
    views = {view.name: view for view in jobs(200, seed)}
    for name, view in views.items():
        views[name] = dataclasses.replace(view, due=first_due(view.schedule, name, BEGIN))
    took: dict[str, float] = {}
    ends: list[tuple[float, str]] = []
    running: dict[str, View] = {}
    trace: list[tuple[float, str]] = []
    per_job: dict[str, list[float]] = defaultdict(list)
    moments = sorted(BEGIN + chance.random() * length for _ in range(restarts))
    now, last_start = BEGIN, 0.0
    while now < BEGIN + length:
        for end, name in [pair for pair in ends if pair[0] <= now]:
            ends.remove((end, name))
            running.pop(name)
            view = views[name]
            views[name] = dataclasses.replace(view, due=due_after(view.schedule, view.due, now, took[name], "success"))
        if moments and moments[0] <= now:
            moments.pop(0)
            for name, view in views.items():
                views[name] = dataclasses.replace(view, due=after_absence(view.schedule, view.due, now))
        if sleep[0] <= now < sleep[1]:
            now = sleep[1]
            continue
        found = plan(list(views.values()), list(running.values()), bounds, now, last_start=last_start)
        for name in found.names:
            assert now - last_start >= bounds.start_gap
            last_start = now
            running[name] = views[name]
            took[name] = chance.choice([10.0, 60.0, 300.0, 1200.0])
            ends.append((now + took[name], name))
            trace.append((now, name))
            per_job[name].append(now)
        assert sum(view.weight for view in running.values()) <= bounds.jobs
        for key, most in (("host", bounds.per_upstream), ("device", bounds.per_filesystem)):
            used: dict[str, int] = defaultdict(int)
            for view in running.values():
                used[getattr(view, key)] += 1
            assert all(count <= (bounds.upstream.get(place, most)) for place, count in used.items())
        assert found.next_wake > now
        following = min([found.next_wake, *(end for end, _ in ends)])
        # Nobody has to look every 30 seconds in a simulation: skip to where something happens.
        if not found.waiting and not found.names and not moments:
            starts = [view.start for name, view in views.items() if view.start is not None and name not in running]
            following = max(following, min([*starts, *(end for end, _ in ends)], default=following))
        now = max(following, now + 0.5)
    return trace, per_job


def test_mir_11_no_job_starves_and_no_limit_is_broken() -> None:
    began = time.process_time()
    trace, per_job = simulate(1)
    views = {view.name: view for view in jobs(200, 1)}
    assert set(per_job) == set(views)
    for name, starts in per_job.items():
        every = views[name].schedule.every
        if every is not None:
            longest = max(b - a for a, b in pairwise(starts))
            # Interval, jitter, and a wait for the slots of one host with runs of up to 20 minutes.
            assert longest <= every + 15 * MINUTE + 2 * HOUR, (name, longest / HOUR)
            assert len(starts) >= 0.85 * 30 * DAY / every
        else:
            assert len(starts) in (29, 30, 31)
    assert len(trace) > 10_000 and time.process_time() - began < 20


def test_mir_12_equal_seeds_give_equal_traces() -> None:
    assert simulate(2, length=3 * DAY)[0] == simulate(2, length=3 * DAY)[0]
    assert simulate(2, length=3 * DAY)[0] != simulate(3, length=3 * DAY)[0]


def test_mir_13_restarts_start_nothing_twice() -> None:
    _, per_job = simulate(4, restarts=50, length=6 * DAY)
    views = {view.name: view for view in jobs(200, 4)}
    for name, starts in per_job.items():
        every = views[name].schedule.every or DAY
        assert len(starts) <= 6 * DAY / every + 3, name


def test_mir_14_a_sleep_is_made_up_once() -> None:
    start = BEGIN + DAY
    trace, _ = simulate(5, sleep=(start, start + 9 * HOUR), length=2 * DAY)
    after = [name for at, name in trace if start + 9 * HOUR <= at < start + 10 * HOUR]
    assert len(after) == len(set(after)), "missed starts collapse into one"
    assert not [at for at, _ in trace if start < at < start + 9 * HOUR]
    gaps = [b - a for (a, _), (b, _) in pairwise(trace)]
    assert min(gaps) >= 2.0, "and are spread"


def test_mir_14_what_was_missed_can_be_left_out() -> None:
    skip = Schedule(6.0 * HOUR, on_missed="skip")
    due = after_absence(skip, BEGIN, BEGIN + 9 * HOUR)
    assert due == BEGIN + 12 * HOUR
    assert after_absence(Schedule(6.0 * HOUR), BEGIN, BEGIN + 9 * HOUR) == BEGIN


def test_mir_15_a_clock_that_was_wrong() -> None:
    schedule = Schedule(6.0 * HOUR)
    # Three days ahead: the due time would never come.
    assert after_absence(schedule, BEGIN + 3 * DAY, BEGIN) == BEGIN + 6 * HOUR
    # Two hours back: it stays.
    assert after_absence(schedule, BEGIN + 5 * HOUR, BEGIN - 2 * HOUR) == BEGIN + 4 * HOUR
    assert after_absence(schedule, BEGIN + HOUR, BEGIN) == BEGIN + HOUR


@pytest.mark.parametrize(
    ("zone", "line", "day", "expected"),
    [
        # In spring 2:30 does not exist, in autumn it comes twice; Debian's cron runs the job once.
        ("Europe/Berlin", "30 2 * * *", datetime(2026, 3, 28, 12), ["03-29 03:00", "03-30 02:30"]),
        ("Europe/Berlin", "30 2 * * *", datetime(2026, 10, 24, 12), ["10-25 02:30", "10-26 02:30"]),
        ("Asia/Seoul", "30 2 * * *", datetime(2026, 3, 28, 12), ["03-29 02:30", "03-30 02:30"]),
    ],
)
def test_mir_16_both_nights_of_the_clock_change(zone: str, line: str, day: datetime, expected: list[str]) -> None:
    schedule = Schedule(cron=(line,), timezone=zone)
    at = day.replace(tzinfo=ZoneInfo(zone)).timestamp()
    seen = []
    due: float | None = first_due(schedule, "x", at)
    for _ in expected:
        assert due is not None
        seen.append(datetime.fromtimestamp(due, ZoneInfo(zone)).strftime("%m-%d %H:%M"))
        due = due_after(schedule, due, due + 60, 60, "success")
    assert seen == expected


def test_mir_11_a_window_moves_the_start() -> None:
    schedule = Schedule(6.0 * HOUR, window=times("22:00-06:00"), timezone="UTC")
    noon = datetime(2026, 11, 30, 12, tzinfo=ZoneInfo("UTC")).timestamp()
    assert start_of(schedule, "x", noon) == noon + 10 * HOUR
    assert start_of(schedule, "x", noon - 11 * HOUR) == noon - 11 * HOUR


def test_mir_11_failures_do_not_count_as_done() -> None:
    daily = Schedule(cron=("0 2 * * *",), timezone="UTC")
    due = first_due(daily, "x", BEGIN)
    assert due is not None
    assert due_after(daily, due, due + 60, 60, "failed") == due + 60 + 30 * MINUTE
    assert due_after(daily, due, due + 60, 60, "success") == due + DAY
    assert due_after(daily, due, due + 60, 60, "lost") == due + 60
    # A run by hand does not move the schedule; a run longer than its interval does.
    assert due_after(daily, due, due - HOUR, 60, "success") == due
    hourly = Schedule(float(HOUR))
    assert due_after(hourly, BEGIN, BEGIN + 3 * HOUR, 3 * HOUR, "success") == BEGIN + 3 * HOUR + 6 * MINUTE


def test_mir_11_what_waits_says_why() -> None:
    ready = [View(f"j{n}", Schedule(float(HOUR)), BEGIN - HOUR, host="h", device="d", priority=n) for n in range(3)]
    found = plan(ready, [View("r", Schedule(), None, host="h", device="e")], Bounds(), BEGIN)
    assert found.names == () and found.waiting["j0"] == "1 of 1 slots on h used"
    found = plan(ready, [], Bounds(), BEGIN)
    assert found.names == ("j2",) and found.waiting["j0"] == "1 of 1 slots on h used"
    asked = dataclasses.replace(ready[0], asked=True, now=True)
    full = [View(f"r{n}", Schedule(), None, host=f"x{n}") for n in range(4)]
    assert plan([*ready[1:], asked], full, Bounds(), BEGIN).names == ("j0",)


def test_mir_23_waits_between_attempts() -> None:
    retry = Retry.model_validate({"wait": "1m", "max_wait": "5m"})
    assert [wait_before(retry, n, busy=False, luck=0) for n in (1, 2, 3, 4)] == [60, 120, 240, 300]
    assert wait_before(retry, 1, busy=True, luck=0) == 300, "max connections: at least five minutes"
    assert wait_before(retry, 1, busy=False, luck=1) == 72

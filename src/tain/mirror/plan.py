"""Who starts now, and when the next one does. Pure: no clock, no file, no database."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim

from tain.mirror.words import MINUTE, Share, Times

#: The longest sleep of the loop; a clock that was set is noticed after it.
LONGEST_SLEEP = 30.0
#: New jobs start spread over this time.
_SPREAD = 30 * MINUTE
#: A run that was put off or failed is tried again at the latest after this time.
_AGAIN = 30 * MINUTE
_JITTER_LIMIT = 15 * MINUTE
#: Steps of the search for a start inside of a window.
_WINDOW_STEP = MINUTE


@dataclass(frozen=True)
class Schedule:
    """When a job is due."""

    every: float | None = None
    #: Lines of five fields, in the time of `timezone`.
    cron: tuple[str, ...] = ()
    timezone: str | None = None
    jitter: float | Share = 0.0
    window: Times | None = None
    on_missed: str = "once"

    @property
    def manual(self) -> bool:
        """Whether only a person starts it."""
        return self.every is None and not self.cron


@dataclass(frozen=True)
class View:
    """What `plan` knows of a job. Times are seconds since 1970."""

    name: str
    schedule: Schedule
    #: The nominal due time; None: none.
    due: float | None
    priority: int = 0
    weight: int = 1
    host: str = ""
    device: str = ""
    enabled: bool = True
    paused: bool = False
    #: Started by hand or by a push.
    asked: bool = False
    #: By hand and at once: the limit of the site does not count.
    now: bool = False
    #: What makes the jitter of one site different from that of others.
    salt: str = ""

    # A loop asks about all jobs again at each wake; the answers stay the same.
    @functools.cached_property
    def start(self) -> float | None:
        """When the run of the due time starts."""
        return None if self.due is None else start_of(self.schedule, self.name, self.due, self.salt)

    @functools.cached_property
    def interval(self) -> float:
        """Seconds until the next due time."""
        return float("inf") if self.due is None else interval_of(self.schedule, self.due)


@dataclass(frozen=True)
class Bounds:
    """How much runs at once."""

    jobs: int = 4
    per_upstream: int = 1
    upstream: Mapping[str, int] = field(default_factory=dict)
    per_filesystem: int = 2
    start_gap: float = 2.0


@dataclass(frozen=True)
class Starts:
    """The jobs to start now, when to look again, and why others wait."""

    names: tuple[str, ...]
    next_wake: float
    waiting: Mapping[str, str]


def _zone(name: str | None) -> ZoneInfo | None:
    return None if name is None else ZoneInfo(name)


def local(moment: float, name: str | None) -> datetime:
    """*moment* in a time zone; None: that of the machine."""
    zone = _zone(name)
    return datetime.fromtimestamp(moment, UTC).astimezone(zone)


def _next_cron(schedule: Schedule, after: float) -> float:
    begin = local(after, schedule.timezone)
    return min(next(CronSim(line, begin)).timestamp() for line in schedule.cron)


def _hash(*parts: object) -> float:
    """A number from 0 to 1 that is always the same for the same parts."""
    data = "\0".join(map(str, parts)).encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big") / 2**64


def interval_of(schedule: Schedule, due: float) -> float:
    """Seconds from one due time to the next."""
    if schedule.every is not None:
        return schedule.every
    return _next_cron(schedule, due) - due if schedule.cron else float("inf")


def start_of(schedule: Schedule, name: str, due: float, salt: str = "") -> float:
    """When the run of a due time starts: with jitter, and inside of the window."""
    jitter = schedule.jitter
    if isinstance(jitter, Share):
        jitter = min(jitter.of(interval_of(schedule, due)), _JITTER_LIMIT) if not schedule.manual else 0.0
    start = due + _hash(salt, name, int(due)) * jitter
    window = schedule.window
    if window is not None:
        for _ in range(7 * 24 * 60):
            if window.contain(local(start, schedule.timezone)):
                break
            start = (start // _WINDOW_STEP + 1) * _WINDOW_STEP
    return start


def first_due(schedule: Schedule, name: str, now: float, salt: str = "") -> float | None:
    """The first due time of a new job: soon, and not all at once."""
    if schedule.manual:
        return None
    if schedule.cron:
        return _next_cron(schedule, now)
    assert schedule.every is not None
    return now + _hash("new", salt, name) * min(schedule.every, _SPREAD)


def due_after(schedule: Schedule, due: float | None, ended: float, seconds: float, result: str) -> float | None:
    """The due time after a run that ended at *ended* and took *seconds*; *due* is the one before."""
    if schedule.manual:
        return None
    if result == "lost":
        return ended
    if due is None:
        due = ended
    if due > ended:
        # Started by hand, or by a push: the schedule stays.
        return due
    following = _following(schedule, due, ended)
    if result in ("failed", "deferred") or (result == "held" and schedule.every is None):
        # The period is not done.
        return min(following, ended + min(_AGAIN, max(interval_of(schedule, due) / 4, MINUTE)))
    if schedule.every is not None and seconds > schedule.every:
        return ended + max(schedule.every / 10, MINUTE)
    return following


def _following(schedule: Schedule, due: float, now: float) -> float:
    """The first due time behind *due* that lies in the future."""
    if schedule.cron:
        return _next_cron(schedule, max(due, now))
    assert schedule.every is not None
    return due + ((now - due) // schedule.every + 1) * schedule.every


def after_absence(schedule: Schedule, due: float | None, now: float) -> float | None:
    """The due time after nothing ran for a while: what was missed is one start, or none.

    A due time that lies more than an interval ahead comes from a clock that was wrong.
    """
    if due is None or schedule.manual:
        return None if schedule.manual else now
    if due > now:
        return due if schedule.cron or schedule.every is None or due - now <= schedule.every else now + schedule.every
    return due if schedule.on_missed == "once" else _following(schedule, due, now)


def plan(
    jobs: Sequence[View],
    running: Sequence[View],
    bounds: Bounds,
    now: float,
    *,
    last_start: float = 0.0,
) -> Starts:
    """Which jobs start at *now*. At most one starts within `Bounds.start_gap`."""
    busy = {view.name for view in running}
    slots = sum(view.weight for view in running)
    hosts: dict[str, int] = {}
    devices: dict[str, int] = {}
    for view in running:
        hosts[view.host] = hosts.get(view.host, 0) + 1
        devices[view.device] = devices.get(view.device, 0) + 1
    wake = now + LONGEST_SLEEP
    ready: list[tuple[tuple[int, int, float, str], View]] = []
    for view in jobs:
        if view.name in busy or not view.enabled or view.paused:
            continue
        if view.asked:
            ready.append(((0, -view.priority, 0.0, view.name), view))
            continue
        start = view.start
        if start is None:
            continue
        if start > now:
            wake = min(wake, start)
            continue
        overdue = (now - start) / max(view.interval, 1.0)
        ready.append(((1, -view.priority, -overdue, view.name), view))
    names: list[str] = []
    waiting: dict[str, str] = {}
    gap = last_start + bounds.start_gap
    for _, view in sorted(ready, key=lambda pair: pair[0]):
        most = bounds.upstream.get(view.host, bounds.per_upstream)
        if slots and slots + view.weight > bounds.jobs and not view.now:
            waiting[view.name] = f"{slots} of {bounds.jobs} slots of the site used"
        elif view.host and view.host != "local" and hosts.get(view.host, 0) >= most:
            waiting[view.name] = f"{most} of {most} slots on {view.host} used"
        elif view.device and devices.get(view.device, 0) >= bounds.per_filesystem:
            waiting[view.name] = f"{bounds.per_filesystem} of {bounds.per_filesystem} slots on {view.device} used"
        elif now < gap or names:
            waiting[view.name] = "another job has just started"
            wake = min(wake, max(gap, now + bounds.start_gap))
        else:
            names.append(view.name)
            slots += view.weight
            hosts[view.host] = hosts.get(view.host, 0) + 1
            devices[view.device] = devices.get(view.device, 0) + 1
            wake = min(wake, now + max(bounds.start_gap, 1.0))
    return Starts(tuple(names), wake, waiting)

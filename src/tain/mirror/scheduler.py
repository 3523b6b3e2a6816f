"""Which runs start now: the loop of the server without its waiting. It keeps no more than it can read again, so
that the next server goes on where this one was killed."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Mapping
from subprocess import Popen
from typing import Any, Protocol

from tain.mirror import launch, plan, queries
from tain.mirror.clock import Clock
from tain.mirror.launch import Request
from tain.mirror.loading import Config
from tain.mirror.locks import Holder, is_alive
from tain.mirror.plan import View
from tain.mirror.pushes import request_of
from tain.mirror.reconcile import reconcile
from tain.mirror.runs import Layout, read_json, update_control
from tain.mirror.schedules import bounds_of, is_paused, salt, schedule_of, view_of
from tain.mirror.store import Row, Store

#: Seconds by which the wall clock and the monotonic one may drift apart between two turns before somebody has set it.
_CLOCK_LIMIT = 60.0
#: A job whose runner cannot be started, or vanishes again and again, is tried again after this time, doubled each time.
_FIRST_PAUSE, _LONGEST_PAUSE = 30.0, 1800.0
#: A view of a job is used for so long if its row stays the same: a file system may be mounted meanwhile.
_VIEW_SECONDS = 600.0
#: From so many bad results in a row on, a vanished runner is waited for.
_LOST_LIMIT = 3


class _Process(Protocol):
    def poll(self) -> int | None: ...


Start = Callable[[Config, str, Request], "Popen[bytes] | _Process"]


class Scheduler:
    """Starts runs. `turn` is called at each wake of the server."""

    def __init__(self, config: Config, layout: Layout, store: Store, clock: Clock, start: Start | None = None) -> None:
        """*start*: what starts a run, for tests. Errors: `sqlite3.Error`."""
        self.config, self.layout, self.store, self.clock = config, layout, store, clock
        self._start = start or self._launch
        #: Nothing starts any more.
        self.draining = False
        #: Why jobs that are due do not run yet.
        self.waiting: Mapping[str, str] = {}
        #: Runs that go on, whoever started them, by their jobs.
        self.running: dict[str, Row] = {}
        self._children: list[_Process | Popen[bytes]] = []
        self._paused: dict[str, tuple[float, float]] = {}
        self._shares: dict[str, int] = {}
        self._views: dict[str, tuple[object, View]] = {}
        self._last_start = 0.0
        self._offset = clock.now() - clock.monotonic()
        self.reload(config)
        self._recompute(clock.now())

    def reload(self, config: Config) -> None:
        """Take another configuration. Runs end with the one that they began with."""
        self.config = config
        self._schedules = {name: schedule_of(item.job, config.site.timezone) for name, item in config.jobs.items()}

    def turn(self) -> float:
        """Start what is due; returns the seconds until the next look. Errors: `sqlite3.Error`."""
        now = self.clock.now()
        self._check_clock(now)
        self.reap()
        self.reconcile()
        rows = self.store.jobs()
        self.running = {row["job"]: row for row in self.store.unfinished() if is_alive(holder_in(row))}
        self._first_dues(rows, now)
        requests = self.store.requests()
        lost = queries.lost_jobs(self.store)
        views = [self._view(name, rows, requests, now, name in lost) for name in self.config.jobs]
        busy = [view for view in views if view.name in self.running]
        ready = [] if self.draining else [view for view in views if self._paused.get(view.name, (0.0,))[0] <= now]
        found = plan.plan(ready, busy, bounds_of(self.config.limits), now, last_start=self._last_start)
        self.waiting = found.waiting
        for name in found.names:
            self._last_start = now
            self._start_one(name, rows.get(name), requests.get(name), now)
        self._divide_bandwidth()
        pauses = [until for until, _ in self._paused.values() if until > now]
        return max(min([found.next_wake, *pauses]) - now, 0.0)

    def reap(self) -> None:
        """Collect the processes of runs that have ended."""
        self._children = [child for child in self._children if child.poll() is None]

    def reconcile(self) -> None:
        """Write down the ends of runs whose runners could not. Errors: `sqlite3.Error`."""
        reconcile(self.layout, self.store, self.clock.now(), self._schedules)

    # ---- starting

    def _first_dues(self, rows: dict[str, Row], now: float) -> None:
        """The first due times of new jobs: at once, or spread if there are more of them than may run at once."""
        new = [
            name
            for name, schedule in self._schedules.items()
            if not schedule.manual and (name not in rows or rows[name]["next_due"] is None)
        ]
        for name in new:
            schedule = self._schedules[name]
            at_once = schedule.every is not None and len(new) <= self.config.limits.jobs
            due = now if at_once else plan.first_due(schedule, name, now, salt())
            self.store.update_job(name, next_due=due)
            if at_once:
                # Jitter would let the person who has just written it wait.
                self.store.ask(name, "schedule", "", now)
            rows[name] = self.store.job(name)

    def _view(self, name: str, rows: Mapping[str, Row], requests: Mapping[str, Row], now: float, lost: bool) -> View:
        job, zone = self.config.jobs[name].job, self.config.site.timezone
        row = rows.get(name) or self.store.job(name)
        key = (id(job), row["next_due"], is_paused(row, now), now // _VIEW_SECONDS)
        known = self._views.get(name)
        if known is None or known[0] != key:
            known = (key, view_of(name, job, row, zone, now))
            self._views[name] = known
        view = known[1]
        request = requests.get(name)
        if lost and view.due is not None:
            # A new run at once; one whose runner always vanishes is waited for, longer each time.
            pause = 0.0
            if row["failures"] >= _LOST_LIMIT:
                pause = min(_FIRST_PAUSE * 2.0 ** min(row["failures"] - _LOST_LIMIT, 10), _LONGEST_PAUSE)
            schedule = dataclasses.replace(view.schedule, jitter=0.0)
            view = dataclasses.replace(view, schedule=schedule, due=view.due + pause)
        if request is None:
            return view
        # A person who starts a paused job means it.
        paused = view.paused and request["trigger"] != "hand"
        return dataclasses.replace(view, asked=True, now=bool(request["at_once"]), paused=paused)

    def _start_one(self, name: str, row: Row | None, request: Row | None, now: float) -> None:
        if request is not None:
            wanted = request_of(self.config.jobs[name], request, Request(by_server=True))
        else:
            last = None if row is None or row["last_run"] is None else self.store.run(row["last_run"])
            recovers = last is not None and last["result"] == "lost"
            wanted = Request("recover" if recovers else "schedule", "", by_server=True)
        try:
            self._children.append(self._start(self.config, name, wanted))
        except OSError as error:
            self._pause(name, now)
            text = f"the run cannot be started: {error.filename or ''}: {error.strerror}"
            self.store.event("start", text, job=name, severity="error")
            return
        if request is not None:
            self.store.answer(name, request["id"])

    def _launch(self, config: Config, name: str, request: Request) -> Popen[bytes]:
        return launch.start(config, config.jobs[name], self.layout, self.store, request, self.clock).process

    def _divide_bandwidth(self) -> None:
        """Give each run an equal share of the site's bandwidth, anew when one has begun or ended."""
        whole = self.config.limits.bandwidth
        runs = {row["id"]: row["job"] for row in self.store.unfinished() if is_alive(holder_in(row))} if whole else {}
        self._shares = {run: share for run, share in self._shares.items() if run in runs}
        for run, name in runs.items():
            share = max((whole or 0) // len(runs), 1)
            if self._shares.get(run) != share:
                with contextlib.suppress(OSError):
                    update_control(self.layout.run(name, run), bandwidth=share)
                    self._shares[run] = share

    def _pause(self, name: str, now: float) -> None:
        length = min(self._paused.get(name, (0.0, _FIRST_PAUSE / 2))[1] * 2, _LONGEST_PAUSE)
        self._paused[name] = (now + length, length)

    # ---- the clock

    def _check_clock(self, now: float) -> None:
        offset = now - self.clock.monotonic()
        jump = offset - self._offset
        self._offset = offset
        if abs(jump) > _CLOCK_LIMIT:
            self.store.event("clock", f"the clock was set by {jump:+.0f} s", severity="warning")
            self._paused.clear()
            self._last_start = min(self._last_start, now)
            self._recompute(now)

    def _recompute(self, now: float) -> None:
        """Due times after an absence, or after the clock was set."""
        rows = self.store.jobs()
        for name, schedule in self._schedules.items():
            row = rows.get(name)
            if row is None or row["next_due"] is None:
                continue
            due = plan.after_absence(schedule, row["next_due"], now)
            if due != row["next_due"]:
                self.store.update_job(name, next_due=due)

    def runs(self, name: str) -> bool:
        """Whether a job runs now, not only at the last turn. Errors: `sqlite3.Error`."""
        return any(row["job"] == name and is_alive(holder_in(row)) for row in self.store.unfinished())

    # ---- the end

    def own(self) -> dict[str, Holder]:
        """The runs that a server has started, this one or one before it, by their jobs. Errors: `sqlite3.Error`."""
        found = {}
        # Asked anew: the last turn may have started one.
        for row in self.store.unfinished():
            config = read_json(os.path.join(self.layout.run(row["job"], row["id"]), "config.json"))
            if config is not None and config.get("by_server") and is_alive(holder_in(row)):
                found[row["job"]] = holder_in(row)
        return found


def holder_in(row: Mapping[str, Any]) -> Holder:
    """The process of a run, from its row."""
    return Holder(row["pid"] or 0, row["pid_ticks"] or 0, row["boot_id"] or "", row["id"])

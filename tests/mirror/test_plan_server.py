"""MIR-11 to MIR-16: the loop of the server over simulated time, with runs that only pretend."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tain.mirror import verbs
from tain.mirror.launch import Request
from tain.mirror.loading import Config, load_config
from tain.mirror.locks import myself
from tain.mirror.plan import due_after
from tain.mirror.runs import Layout, read_json, update_control
from tain.mirror.scheduler import Scheduler
from tain.mirror.schedules import schedule_of
from tain.mirror.store import Store
from tain.mirror.words import DAY, HOUR

BEGIN = 1_793_000_000.0


class SimClock:
    """Time that moves when a test says so."""

    def __init__(self) -> None:
        self.wall, self.mono = BEGIN, 1000.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.mono

    def sleep(self, seconds: float) -> None:
        self.wall += seconds
        self.mono += seconds


class Site:
    """A server whose runs are rows: they end when their time has come."""

    def __init__(self, root: Path, jobs: int, *, server: str = "") -> None:
        text = server + "".join(
            f'[job.j{number}]\nsource = "rsync://host{number % 20}/m/"\ndestination = "{root}/d{number}"\n'
            f'every = "{(2, 6, 12, 24)[number % 4]}h"\n'
            for number in range(jobs)
        )
        (root / "mirror.toml").write_text(text)
        self.clock = SimClock()
        self.config: Config = load_config(str(root / "mirror.toml"))
        self.store = Store.open(str(root / "state/state.db"))
        self.layout = Layout(str(root / "state"))
        self.ends: dict[str, tuple[float, str]] = {}
        self.starts: list[tuple[float, str, str]] = []
        self.chance = random.Random(3)
        self.number = 0
        self.refuses = False
        self.scheduler = self.server()

    def server(self) -> Scheduler:
        """A new server on the same state."""
        return Scheduler(self.config, self.layout, self.store, self.clock, start=self.start)

    def start(self, _config: Config, name: str, request: Request) -> Any:
        if self.refuses:
            raise OSError(28, "No space left on device", "/x")
        self.number += 1
        run = f"20261129T000000Z-{self.number:04x}"
        holder = myself()
        now = self.clock.now()
        self.store.put_run(
            {"id": run, "job": name, "trigger": request.trigger, "queued": now, "started": now, "pid": holder.pid,
             "pid_ticks": holder.ticks, "boot_id": holder.boot, "phase": "staging"}
        )  # fmt: skip
        Path(self.layout.run(name, run)).mkdir(parents=True)
        self.ends[name] = (now + self.chance.choice([10.0, 300.0, 1200.0]), run)
        self.starts.append((now, name, request.trigger))
        return self

    def poll(self) -> int | None:
        return 0

    def turn(self) -> None:
        now = self.clock.now()
        for name, (end, run) in list(self.ends.items()):
            if end <= now:
                del self.ends[name]
                self.store.put_run({"id": run, "job": name, "result": "success", "ended": now})
                due = due_after(
                    schedule_of(self.config.jobs[name].job), self.store.job(name)["next_due"], now, 10.0, "success"
                )
                self.store.update_job(name, next_due=due, last_run=run, failures=0)
        wait = self.scheduler.turn()
        assert 0 <= wait <= 30.0
        self.clock.sleep(max(min([wait, *(end - now for end, _ in self.ends.values())]), 0.5))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, 12)
    yield made
    made.store.close()


def test_mir_11_and_13_a_day_with_restarts(site: Site) -> None:
    """Each job starts as often as it should, never twice at once, also with a new server at random moments."""
    moments = sorted(site.chance.random() * DAY for _ in range(50))
    while site.clock.now() < BEGIN + DAY:
        if moments and site.clock.now() - BEGIN > moments[0]:
            moments.pop(0)
            site.scheduler = site.server()
        site.turn()
        assert len(site.ends) <= 4
    for name, loaded in site.config.jobs.items():
        own = [at for at, job, _ in site.starts if job == name]
        every = loaded.job.every
        assert every is not None
        assert abs(len(own) - DAY / every) <= 2, (name, len(own))
    gaps = [b[0] - a[0] for a, b in zip(site.starts, site.starts[1:], strict=False)]
    assert min(gaps) >= 2.0


def test_mir_14_a_sleep_is_made_up_once(site: Site) -> None:
    while site.clock.now() < BEGIN + 2 * HOUR:
        site.turn()
    site.clock.sleep(9 * HOUR)
    before = len(site.starts)
    woken = site.clock.now()
    while site.clock.now() < woken + HOUR:
        site.turn()
    names = [name for _, name, _ in site.starts[before:]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("jump", [-2 * HOUR, 3 * DAY])
def test_mir_15_the_clock_is_set(site: Site, jump: float) -> None:
    while site.clock.now() < BEGIN + HOUR:
        site.turn()
    site.clock.wall += jump
    site.turn()
    (event,) = [row for row in site.store.events() if row["kind"] == "clock"]
    assert event["text"] == f"the clock was set by {jump:+.0f} s"
    for name, row in site.store.jobs().items():
        every = site.config.jobs[name].job.every
        assert every is not None and row["next_due"] <= site.clock.now() + every
    before = len(site.starts)
    end = site.clock.now() + 25 * HOUR
    while site.clock.now() < end:
        site.turn()
    assert {name for _, name, _ in site.starts[before:]} == set(site.config.jobs)


def test_requests_are_never_lost(site: Site) -> None:
    """A push while the job runs makes one more run, however many there are; a new server finds it."""
    while not site.ends:
        site.turn()
    name = next(iter(site.ends))
    for _ in range(5):
        verbs.start(site.store, name, "upstream", site.clock.now(), trigger="push")
    site.scheduler = site.server()
    end = site.clock.now() + 1.5 * HOUR
    while site.clock.now() < end:
        site.turn()
    assert [trigger for _, job, trigger in site.starts if job == name].count("push") == 1
    assert site.store.requests() == {}


def test_a_paused_job_starts_by_hand_only(site: Site) -> None:
    site.turn()
    verbs.hold(site.layout, site.store, "j3", "su", "moving disks", site.clock.now(), None)
    verbs.start(site.store, "j3", "upstream", site.clock.now(), trigger="push")
    for _ in range(200):
        site.turn()
    assert "j3" not in {name for _, name, _ in site.starts}
    verbs.start(site.store, "j3", "su", site.clock.now())
    for _ in range(50):
        site.turn()
    assert [trigger for _, name, trigger in site.starts if name == "j3"] == ["hand"]


def test_a_runner_that_cannot_be_started_is_tried_again_later(site: Site) -> None:
    site.refuses = True
    for _ in range(400):
        site.turn()
    events = [row for row in site.store.events(limit=10000) if row["kind"] == "start"]
    assert events[0]["text"] == "the run cannot be started: /x: No space left on device"
    assert len(events) < 12 * 12
    site.refuses = False
    end = site.clock.now() + HOUR
    while site.clock.now() < end:
        site.turn()
    assert site.starts


def test_the_bandwidth_of_the_site_is_divided_anew(tmp_path: Path) -> None:
    """Each run has an equal share while runs begin and end, and a stop is never undone by it."""
    site = Site(tmp_path, 3, server="[limits]\nbandwidth = 900\n")
    shares = []
    for _ in range(400):
        site.turn()
        controls = [
            read_json(str(Path(site.layout.run(name, run), "control.json"))) for name, (_, run) in site.ends.items()
        ]
        shares.append([control and control["bandwidth"] for control in controls])
        if len(controls) == 2 and controls[0] and "stop" not in controls[0]:
            name, (_, run) = next(iter(site.ends.items()))
            update_control(site.layout.run(name, run), stop=True)
    # Two run at once on one file system; the second one that ends leaves all of it to the other.
    assert shares[0] == [900] and [450, 450] in shares and [900] in shares[shares.index([450, 450]) :]
    stopped = [
        path for path in (tmp_path / "state/jobs").rglob("control.json") if (read_json(str(path)) or {}).get("stop")
    ]
    assert stopped and all("bandwidth" in (read_json(str(path)) or {}) for path in stopped)
    site.store.close()

"""``run``: jobs in the foreground, one after another or several at once."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import click

from tain.mirror import launch, plan, states, words
from tain.mirror.commands.common import (
    App,
    Ended,
    Fail,
    complete_names,
    global_options,
    is_terminal,
    listed,
    pass_app,
    select,
    who,
)
from tain.mirror.launch import Request, Started
from tain.mirror.loading import Config
from tain.mirror.locks import send
from tain.mirror.pushes import request_of
from tain.mirror.reconcile import reconcile
from tain.mirror.runs import Layout, read_json
from tain.mirror.schedules import bounds_of, is_paused, schedule_of, view_of
from tain.mirror.store import Store
from tain.mirror.texts import end_lines, event_line, first_names, progress_text

#: Seconds between two looks at the events of a run.
_STEP = 0.05
#: Results that nobody has to read about.
_QUIET = frozenset(("success", "unchanged", "deferred"))


@dataclass
class _Running:
    """A run, and how far its events have been shown."""

    name: str
    started: Started
    stage: str = ""
    partial: bytes = b""
    offset: int = 0
    live: str = ""
    #: It waits long enough for its slot to be free.
    waits: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)


class _Duration(click.ParamType[float]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return words.duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.argument("names", nargs=-1, shell_complete=complete_names)
@click.option("--all", "everything", is_flag=True, help="Run all jobs.")
@click.option("--due", is_flag=True, help="Run the jobs that are due.")
@click.option("-n", "--dry-run", is_flag=True, help="Change nothing; say what would be done.")
@click.option("--no-delete", is_flag=True, help="Delete nothing.")
@click.option("--force", is_flag=True, help="Run also if the upstream has nothing new.")
@click.option("--upstream", metavar="URL", help="Take the tree from there.")
@click.option("--stage", metavar="S", help="Run this stage only.")
@click.option("--wait", type=_Duration(), default=0.0, metavar="DURATION", help="Wait so long for another run to end.")
@click.option("-j", "jobs", type=click.IntRange(1, 100), default=1, metavar="N", help="Run so many jobs at once.")
@global_options
@pass_app
def run(
    app: App,
    names: tuple[str, ...],
    everything: bool,
    due: bool,
    dry_run: bool,
    no_delete: bool,
    force: bool,
    upstream: str | None,
    stage: str | None,
    wait: float,
    jobs: int,
) -> None:
    """Run jobs now. The exit code is that of the worst run."""
    if bool(names) + everything + due != 1:
        raise click.UsageError("give names of jobs, or --all, or --due")
    config = app.config()
    chosen = select(config, names) if names else [name for name in listed(config) if config.jobs[name].job.enabled]
    flags = {
        "dry_run": dry_run, "no_delete": no_delete, "force": force, "upstream": upstream, "stage": stage, "wait": wait,
    }  # fmt: skip
    if stage is not None:
        for name in chosen:
            known = [item.name for item in config.jobs[name].job.stages]
            if stage not in known:
                raise click.UsageError(f"{name} has no stage {stage}; there are: {', '.join(known)}")
    layout, store = app.open(config)
    try:
        foreground = _Foreground(app, config, layout, store, flags, scheduled=due)
        codes = foreground.run_due(chosen) if due else foreground.run(chosen, jobs)
    finally:
        store.close()
    raise Ended(states.worst(codes))


class _Foreground:
    """Runs that this command follows; they end with it only if somebody stops them."""

    def __init__(
        self, app: App, config: Config, layout: Layout, store: Store, flags: dict[str, Any], *, scheduled: bool
    ) -> None:
        self.app, self.config, self.layout, self.store, self.flags = app, config, layout, store, flags
        self.scheduled = scheduled
        self.running: list[_Running] = []
        self.stops = 0
        self.draws = is_terminal(app) and not app.quiet

    # ---- which

    def run(self, names: list[str], most: int) -> list[int]:
        """Run *names*, up to *most* at once."""
        codes: list[int] = []
        left = list(names)
        with self._signals(), self._display() as show:
            while left or self.running:
                while left and len(self.running) < most and not self.stops:
                    self._start(left.pop(0), codes)
                if self.stops:
                    left.clear()
                codes += self._turn(show)
        return codes

    def run_due(self, names: list[str]) -> list[int]:
        """Run what is due, within the limits of the site, until nothing is due any more."""
        codes: list[int] = []
        tried: set[str] = set()
        last_start = 0.0
        with self._signals(), self._display() as show:
            while True:
                now = self.app.clock.now()
                asked = self.store.requests()
                views = [self._view(name, now) for name in names if name not in tried]
                views = [dataclasses.replace(view, asked=view.name in asked) for view in views]
                busy = [self._view(running.name, now) for running in self.running if not running.waits]
                bounds = bounds_of(self.config.limits)
                chosen = plan.plan(views, busy, bounds, now, last_start=last_start)
                for name in () if self.stops else chosen.names:
                    tried.add(name)
                    last_start = now
                    self._start(name, codes)
                if not self.running and (self.stops or not chosen.waiting):
                    return codes
                codes += self._turn(show)

    def _view(self, name: str, now: float) -> plan.View:
        loaded, row = self.config.jobs[name], self.store.job(name)
        view = view_of(name, loaded.job, row, self.config.site.timezone, now)
        if row["next_due"] is None and not view.schedule.manual:
            # A new job.
            due = plan.first_due(view.schedule, name, now, view.salt)
            self.store.update_job(name, next_due=due)
            return view_of(name, loaded.job, {**row, "next_due": due}, self.config.site.timezone, now)
        return view

    # ---- starting and following

    def _start(self, name: str, codes: list[int]) -> None:
        row = self.store.job(name)
        if is_paused(row, self.app.clock.now()) and self.scheduled:
            return
        request = Request("schedule" if self.scheduled else "hand", who(), self.flags)
        if self.scheduled:
            request = request_of(self.config.jobs[name], self.store.requests().get(name), request)
        try:
            started = launch.start(
                self.config, self.config.jobs[name], self.layout, self.store, request, self.app.clock
            )
        except OSError as error:
            raise Fail(f"{error.filename or self.layout.state}: {error.strerror}", states.EXIT_STATE) from error
        self.running.append(_Running(name, started))

    def _turn(self, show: Any) -> list[int]:
        """Show what is new, and collect the runs that have ended."""
        codes = []
        for running in list(self.running):
            ended = running.started.process.poll() is not None
            self._show_events(running)
            if ended:
                self.running.remove(running)
                codes.append(self._end(running))
        if show is not None:
            show.update("\n".join(running.live for running in self.running if running.live) or "...")
        self.app.clock.sleep(_STEP)
        return codes

    def _show_events(self, running: _Running) -> None:
        import json

        with contextlib.suppress(OSError), open(os.path.join(running.started.directory, "events.jsonl"), "rb") as file:
            file.seek(running.offset)
            data = running.partial + file.read()
            running.offset = file.tell()
            *lines, running.partial = data.split(b"\n")
            for line in lines:
                event = json.loads(line)
                if self.app.json:
                    self.app.print_json({"job": running.name, "run": running.started.run, **event})
                    continue
                if event["ev"] == "phase":
                    running.stage = event.get("stage", running.stage)
                    running.live = f"{running.name}: {event['phase']}"
                    running.waits = event["phase"] == "queued"
                elif event["ev"] == "progress":
                    running.live = f"{running.name}: {progress_text(event, running.stage)}"
                text = event_line(event, running.name)
                if text is not None:
                    self.app.say(text)

    def _end(self, running: _Running) -> int:
        directory = running.started.directory
        document = read_json(os.path.join(directory, "run.json"))
        if document is None or document.get("exit") is None:
            reconcile(
                self.layout,
                self.store,
                self.app.clock.now(),
                {running.name: schedule_of(self.config.jobs[running.name].job)},
            )
            click.echo(f"{running.name}: lost: the runner vanished; see {directory}/runner.log", err=True)
            return states.EXIT_INTERNAL
        dry_run = bool(self.flags.get("dry_run"))
        if self.app.json:
            self.app.print_json(document)
        elif not self.app.quiet or document["result"] not in _QUIET:
            first = first_names(os.path.join(directory, "deletes.nul"))
            for line in end_lines(document, first=first, dry_run=dry_run):
                click.echo(line, err=document["result"] == "failed")
        if dry_run:
            import shutil

            if self.app.verbose:
                with contextlib.suppress(OSError), open(os.path.join(directory, "output.log"), "rb") as log:
                    click.echo(words.visible_lines(log.read()))
            shutil.rmtree(directory, ignore_errors=True)
        return int(document["exit"])

    # ---- the terminal, and signals

    @contextlib.contextmanager
    def _display(self) -> Iterator[Any]:
        if not self.draws:
            yield None
            return
        # A run from cron draws nothing.
        from rich.console import Console

        with Console().status("...") as show:
            yield show

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """The first signal cancels the runs, the second one kills them."""

        def stop(_number: int, _frame: FrameType | None) -> None:
            self.stops += 1
            for running in self.running:
                send(running.started.holder, signal.SIGTERM if self.stops == 1 else signal.SIGKILL)

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

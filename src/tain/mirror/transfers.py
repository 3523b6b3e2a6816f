"""One stage of a run: a transfer with its judge, its watch and its output."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tain import api
from tain.mirror.bandwidth import Rate
from tain.mirror.clock import Clock
from tain.mirror.facts import environ_of, password_of
from tain.mirror.guards import NEEDS_RELEASE, Before, Refusal, judge_deletions
from tain.mirror.model import Job, Upstream
from tain.mirror.outcome import End, Outcome
from tain.mirror.record import Record
from tain.mirror.retry import is_good
from tain.mirror.runs import Log
from tain.mirror.stages import stage_options
from tain.mirror.trees import reason
from tain.mirror.watch import Watch
from tain.mirror.words import visible

if TYPE_CHECKING:
    from tain.events import Progress
    from tain.options.guard import DeletePlan

#: Seconds between two progress events.
_EVERY = 0.5
#: Bytes for the names of the directories of a large tree.
_ROOM = 64 << 20
#: The exit code of a transfer whose deletions were refused.
_REFUSED = 25


@dataclass(frozen=True)
class Stage:
    """Everything that a stage needs."""

    job: Job
    number: int
    upstream: Upstream
    #: The directory that is written.
    target: str
    #: Older trees whose unchanged files are linked or cloned instead of transferred.
    basis: tuple[str, ...]
    #: Filter rules of the files that the job writes into its tree.
    own: tuple[str, ...]
    #: Where partial files are kept; None: beside each file.
    partial: str | None
    #: Deletions are judged. False: the directory is not published yet.
    judged: bool
    deletes: bool
    dry_run: bool
    #: Bytes per second that the site gives this run.
    limit: int | None
    #: Time zone of the bandwidth's timetable; None: the machine's.
    timezone: str | None
    before: Before
    #: A person allows so many deletions.
    ticket: int | None
    #: Deletions are held until a person releases them, even within the limits.
    needs_release: bool
    #: Look at the source again before deletions.
    look_again: Callable[[], Refusal | None]
    #: The hooks before deletions. Errors: `End`.
    before_delete: Callable[[], None]
    record: Record
    log: Log
    #: The file by which others ask for a stop.
    control: str
    #: The file that receives the names of the deletions.
    names: str
    #: The file that receives the directories that have changed, those of all stages.
    changes: str
    clock: Clock
    #: Monotonic time at which the run must end.
    ends: float
    stopped: Callable[[], bool]


class _Judge:
    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.refusal: Refusal | None = None
        #: A hook has ended the run.
        self.end: End | None = None

    def __call__(self, plan: DeletePlan) -> str | None:
        stage = self.stage
        if not stage.judged:
            # What an earlier run has left of an unpublished tree.
            return "some files could not be transferred" if plan.errors else None
        stage.record.phase("judging")
        self.refusal = judge_deletions(stage.job.guard, plan, stage.before, stage.ticket)
        if self.refusal is None and plan.deletions and not stage.dry_run:
            self.refusal = stage.look_again()
        if self.refusal is None and stage.needs_release:
            self.refusal = NEEDS_RELEASE
        stage.record.planned(plan, self.refusal)
        if self.refusal is None and plan.deletions:
            try:
                stage.before_delete()
            except End as end:
                self.end = end
                return end.why
        if self.refusal is None:
            stage.record.phase("deleting")
            return None
        return self.refusal.text


def run_stage(stage: Stage) -> Outcome:
    """Run one stage to its end, or until something stops it."""
    rate = Rate(stage.job, stage.upstream, stage.limit, stage.timezone)
    options = stage_options(
        stage.job, stage.number, stage.upstream, limit=rate.now(stage.clock.now()), basis=stage.basis,
        partial=stage.partial, own=stage.own,
    )  # fmt: skip
    if not stage.deletes:
        options = options.replace(delete=False)
    if stage.dry_run:
        options = options.replace(dry_run=True)
    judge = _Judge(stage)
    sent = 0.0

    def progress(now: Progress) -> None:
        nonlocal sent
        if stage.clock.monotonic() - sent >= _EVERY:
            sent = stage.clock.monotonic()
            stage.record.progress(now)

    transfer = api.Transfer(
        stage.upstream.url,
        stage.target,
        options=options,
        guard=api.Guard(percent=None, empty_source=stage.judged, judge=judge, names=stage.names),
        on_output=stage.log.write,
        on_progress=progress,
        password=password_of(stage.upstream),
        environ=environ_of(stage.upstream),
        cwd="/",
        capture=1 << 16,
        changes_to=stage.changes + ".part" if not stage.dry_run and _has_room(stage.changes) else None,
    )
    with Watch(stage.job, transfer, stage.control, stage.clock, stage.ends, rate) as watch:
        if stage.stopped():
            watch.stop("stop", "stopped by a signal")
        result = transfer.run()
    _append(stage.changes + ".part", stage.changes)
    if judge.end is not None:
        raise judge.end
    code, refusal = result.code, judge.refusal
    if refusal is None and code == _REFUSED and not stage.judged:
        # Nothing was judged but the transfer: some of its files failed.
        code = 23
    if refusal is None and code == _REFUSED:
        # One of the rules of every transfer: an empty source, one directory as both ends.
        text = next(iter(result.messages), "the deletions were refused")
        refusal = Refusal("guard", visible(text.removeprefix("tain: ")), _REFUSED)
    good = is_good(stage.job.retry, code) or (refusal is not None and code == _REFUSED)
    error = "" if good else reason(result)
    return Outcome(code, good, result.complete, error, result, refusal if good else None, watch.reason)


def _has_room(path: str) -> bool:
    """Whether the list of changed directories fits: a full state directory must not end a transfer."""
    try:
        system = os.statvfs(os.path.dirname(path))
    except OSError:
        return False
    return system.f_bavail * system.f_frsize >= _ROOM


def _append(part: str, whole: str) -> None:
    """Add a file to the end of another one."""
    with contextlib.suppress(OSError):
        with open(part, "rb") as source, open(whole, "ab") as target:
            shutil.copyfileobj(source, target)
        os.unlink(part)

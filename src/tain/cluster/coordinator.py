"""The coordinator of a plan: it gives the runs to an engine, phase by phase, and writes what is done to the journal."""

from __future__ import annotations

import os
import queue
import time

from tain.cluster import exact, sums
from tain.cluster.ceilings import Counter, Limits
from tain.cluster.claims import done_fields, join_claims
from tain.cluster.control import CANCELLED
from tain.cluster.files import PlanFiles
from tain.cluster.journal import Journal, Lock
from tain.cluster.plan import PHASES, Plan
from tain.cluster.roots import identify
from tain.errors import FileError, TainError
from tain.records import Record
from tain.report.output import WHOLE_RUN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from typing import Any

    from tain.cluster.engines import Engine
    from tain.cluster.journal import State
    from tain.cluster.messages import Report, Work
    from tain.cluster.plan import Shard
    from tain.cluster.roots import Root

#: Exit codes after which a run is begun again: the connection failed, not the files.
RETRIED = frozenset((5, 10, 12, 30, 35, 255))
#: No space: what runs may end, and nothing more begins.
NO_SPACE = 11
#: The code of a run whose workers were lost again and again, and of a coordinator without workers.
LOST = 12
#: Failures of a worker in so many seconds, after which it gets no more work.
_FAILURES, _WITHIN = 3, 600.0
#: Seconds: the longest wait for an event, between two signs of life, between two renewals, without any worker.
_TICK, _SIGN, _RENEWAL, _WITHOUT_WORKERS = 0.5, 10.0, 15.0, 120.0
#: Seconds behind the end of a lease after which its holder has ended.
_GRACE = 5.0
#: The file that asks a coordinator to stop.
CANCEL = "cancel"


class Figures(Record):
    """How far a plan is."""

    phase: str = ""
    shards: int = 0
    """Runs of the plan."""
    done: int = 0
    running: int = 0
    failed: int = 0
    retried: int = 0
    files: int = 0
    """Entries that finished runs have looked at."""
    transferred: int = 0
    """Files that finished runs have transferred."""
    bytes: int = 0
    """Size of these files."""


class Outcome(Record):
    """How a plan ended, or why it stopped."""

    code: int
    done: int
    """Runs that are done; all of them if `is_finished`."""
    shards: int
    retried: int
    lost_workers: int
    refused_workers: tuple[str, ...]
    is_finished: bool
    """Nothing is left; otherwise ``resume`` goes on."""
    stopped: str = ""
    """Why it stopped before its end."""


class Coordinator:
    """Runs a plan to its end, or to a failure after which ``resume`` goes on."""

    def __init__(
        self,
        plan: Plan,
        engine: Engine,
        limits: Limits | None = None,
        *,
        directory: str | bytes | os.PathLike[str],
        retries: int = 3,
        bwlimit: int = 0,
        on_progress: Callable[[Figures], object] | None = None,
        on_error: Callable[[str, bool], object] | None = None,
    ) -> None:
        """*plan* stands in *directory*. *retries*: the most attempts of a run; *bwlimit*: KiB per second of all runs
        together, 0 for no limit. *on_progress* gets the figures twice a second, *on_error*
        lines of standard error, and whether a shard has printed them."""
        self.plan, self._engine, self._retries, self._bwlimit = plan, engine, retries, bwlimit
        self._directory = os.path.abspath(os.fsencode(directory))
        self._counter = Counter(limits or Limits(), roots=[root.path for root in plan.roots], remote=plan.remote)
        self._on_progress, self._on_error = on_progress, on_error
        self._ended: queue.Queue[tuple[Future[Report] | None, Work]] = queue.Queue()
        self._running: dict[Future[Report], tuple[Work, str]] = {}
        self._roots: list[Root] = list(plan.roots)
        self._cancelled = 0
        self._stopped = ""
        self._phase = ""
        self._lost_workers: set[str] = set()
        self._refused: set[str] = set()
        self._failures: dict[str, list[float]] = {}
        #: Workers on which a run has failed.
        self._tried: dict[int, set[str]] = {}
        #: The last attempt of each run that has left a file.
        self._seen: dict[int, int] = {}
        #: How often a run has failed.
        self._counts: dict[int, int] = {}
        #: When a run may begin again.
        self._not_before: dict[int, float] = {}
        self._known_ended: set[str] = set()
        self._signs = self._renewals = self._workers_seen = 0.0
        engine.lost = self._lose

    def cancel(self, code: int = CANCELLED) -> None:
        """Stop: what runs ends at once, and ``resume`` goes on. Any thread and a signal handler may call this."""
        self._cancelled = self._cancelled or code

    @property
    def is_cancelled(self) -> bool:
        """Somebody has asked it to stop."""
        return bool(self._cancelled)

    def figures(self) -> Figures:
        """How far the plan is."""
        state = self._journal.state
        stats = first_looks(self.plan, state)
        return Figures(
            phase=self._phase,
            shards=len(self.plan.shards),
            done=len(state.done),
            running=len(self._running),
            failed=len(state.failed),
            retried=state.retried,
            files=sum(sum(found["files"].values()) for found in stats),
            transferred=sum(found["transferred"] for found in stats),
            bytes=sum(found["transferred_size"] for found in stats),
        )

    @property
    def reports(self) -> list[dict[str, Any]]:
        """The lines of the journal about all runs that are done, in the order of the plan."""
        return [row for _, row in sorted(self._journal.state.done.items())]

    @property
    def notes(self) -> list[str]:
        """Why phases were left out."""
        return [reason for reason in self._journal.state.phases.values() if reason]

    def run(self) -> Outcome:
        """Run to the end. Errors: `UsageError` if another coordinator lives; `FileError` for the directory of the plan,
        after which nothing more was begun."""
        try:
            with PlanFiles(self._directory) as files, Lock(files) as lock, Journal(files, write=True) as journal:
                self._files, self._lock, self._journal = files, lock, journal
                if not journal.state.is_finished:
                    self._work()
                return self._outcome()
        except OSError as error:
            raise FileError(f"tain: {os.fsdecode(self._directory)}: {error.strerror or error}") from error

    def _work(self) -> None:
        journal, state = self._journal, self._journal.state
        self._files.remove(CANCEL)
        join_claims(self._files, journal)
        for name in self._files.names("out"):
            # The journal of a machine that lost its power may lack the lease of an attempt that began.
            number, _, attempt = name.partition(".")
            if number.isdecimal() and attempt.isdecimal():
                self._seen[int(number)] = max(self._seen.get(int(number), 0), int(attempt))
        resumed = bool(state.attempts)
        journal.append("start", worker=str(os.getpid()))
        self._refused |= state.refused
        self._roots = list(state.roots or self._roots)
        if resumed and self.plan.exclusive:
            for shard, (_, end) in state.leases.items():
                # Its worker may live, and cannot be asked.
                self._not_before[shard] = time.monotonic() + (max(end + _GRACE - time.time(), 0.0) if end else 0.0)
        try:
            for phase in ("whole", *PHASES):
                self._run_phase(phase)
                if self._stopped or self._cancelled or self._is_broken():
                    break
        finally:
            self._end_all()
        if self._is_broken() and not state.failed:
            self._stopped = self._stopped or "a run of the plan has no report"
        if not self._stopped and not self._cancelled:
            journal.append("end", code=self._code())

    # ---- phases

    def _run_phase(self, phase: str) -> None:
        state, self._phase = self._journal.state, phase
        shards = [shard for shard in self.plan.shards if shard.kind == phase]
        if not shards or phase in state.phases:
            return
        if phase == "deletions" and self._has_io_error() and not self.plan.ignores_errors:
            self._journal.append("phase", phase=phase, reason=exact.NO_DELETIONS, code=0)
            return
        waiting = [shard for shard in shards if shard.number not in state.done]
        while (waiting or self._running) and not self._stopped:
            self._hand_out(waiting)
            self._take(waiting)
            self._look_after()
            if self._cancelled:
                self._stopped = self._stopped or "it was cancelled"
        if not self._stopped and all(shard.number in state.done for shard in shards):
            self._find_destination()
            self._journal.append("phase", phase=phase, roots=[root.to_json() for root in self._roots])

    def _find_destination(self) -> None:
        """The destination is there once the first phase has made it: from then on it must stay the same directory."""
        place = self.plan.destination
        if place and all(root.path != place for root in self._roots):
            try:
                self._roots.append(identify(place))
            except OSError:
                # A dry run makes none, nor does a run that failed.
                return

    def _hand_out(self, waiting: list[Shard]) -> None:
        now = time.monotonic()
        for shard in list(waiting):
            if self._not_before.get(shard.number, 0.0) > now or self._stopped:
                continue
            slots = {name: free for name, free in self._engine.slots().items() if name not in self._refused}
            if slots:
                self._workers_seen = now
            tried = self._tried.get(shard.number, set())
            worker = self._counter.worker(slots, (name for _, name in self._running.values()), tried)
            if worker is None:
                return
            # The limits were applied to this worker, so the engine shall take no other one.
            self._begin(shard, worker, {*tried, *self._refused, *self._engine.slots()} - {worker})
            waiting.remove(shard)

    def _begin(self, shard: Shard, worker: str, avoid: set[str]) -> None:
        state = self._journal.state
        attempt = max(state.attempts.get(shard.number, 0), self._seen.get(shard.number, 0)) + 1
        said = [] if shard.kind in ("spine", "whole") else self._said()
        work = self.plan.work(shard, attempt, self._directory, said=said, roots=self._roots)
        work = work.replace(lease=self._engine.lease, bwlimit=self._share(len(self._running) + 1))
        end = round(time.time() + work.lease, 3) if work.lease else 0.0
        # No attempt has a number twice, wherever this process dies.
        self._journal.append("lease", shard=shard.number, attempt=attempt, worker=worker, lease=end)
        try:
            future = self._engine.submit(work, avoid)
        except Exception as error:
            self._stopped = f"no more work can be given out: {error}"
            return
        self._running[future] = work, worker
        future.add_done_callback(lambda found: self._ended.put((found, work)))
        self._divide_bandwidth()

    def _said(self) -> list[str]:
        """The file with the lines of the first run, which others do not repeat."""
        first = self._journal.state.done.get(0, {"files": ()})
        return [file.name for file in first["files"]]

    def _take(self, waiting: list[Shard]) -> None:
        """Take in an attempt that has ended, if one does within the tick."""
        try:
            future, work = self._ended.get(timeout=_TICK)
        except queue.Empty:
            return
        if future is None:
            self._known_ended.add(work.key)
            if self._journal.state.attempts.get(work.shard) == work.attempt:
                # The next attempt need not wait for the end of the lease.
                self._not_before.pop(work.shard, None)
            return
        _, worker = self._running.pop(future, (work, ""))
        self._divide_bandwidth()
        shard = self.plan.shards[work.shard]
        try:
            report = future.result()
        except Exception as error:
            worker = getattr(error, "worker", "") or worker
            self._take_loss(shard, work, worker, f"{type(error).__name__}: {error}", waiting)
            return
        if report.worker in self._engine.slots():
            worker = report.worker
        if not report.answers(work):
            self._take_loss(shard, work, worker, "its report is one of another run", waiting)
            return
        if not self._journal.state.holds(work.shard, work.attempt):
            return
        self._take_report(shard, work, worker, report, waiting)

    def _take_report(self, shard: Shard, work: Work, worker: str, report: Report, waiting: list[Shard]) -> None:
        if report.void:
            # What the attempt found does not count. Another worker may have the right directories.
            self._say(f"tain: {worker}: {report.void}\n")
            if report.code == NO_SPACE:
                self._stop(NO_SPACE, report.void)
            elif report.code in (0, 3, 4, 23, 24, 25):
                # Another root, before or behind the run, or another version.
                self._refuse(worker, report.void)
                self._again(shard, work, worker, LOST, waiting)
            else:
                self._again(shard, work, worker, report.code, waiting)
            return
        if report.code in RETRIED and not self._cancelled:
            if self._counter.is_refused(report, others=len(self._running)):
                waiting.append(shard)
                return
            self._say(report.errors)
            self._again(shard, work, worker, report.code, waiting)
            return
        self._say(report.errors, of_shard=shard.kind == "shard")
        if report.code in WHOLE_RUN:
            self._journal.append("done", **done_fields(report))
        elif report.code == CANCELLED:
            self._stop(CANCELLED, "it was cancelled")
        else:
            self._fail(shard, report.code)
            if report.code == NO_SPACE:
                self._stop(NO_SPACE, "there is no space")

    def _take_loss(self, shard: Shard, work: Work, worker: str, text: str, waiting: list[Shard]) -> None:
        """The attempt is lost; its worker may be dead, or only out of reach."""
        self._lost_workers.add(worker)
        self._say(f"tain: run {work.shard}, attempt {work.attempt} on {worker} is lost: {text}\n")
        if work.exclusive and work.lease and work.key not in self._known_ended:
            self._not_before[shard.number] = time.monotonic() + work.lease + _GRACE
        self._again(shard, work, worker, LOST, waiting)

    def _again(self, shard: Shard, work: Work, worker: str, code: int, waiting: list[Shard]) -> None:
        """Begin a run again, unless it had its attempts."""
        tried = self._tried.setdefault(shard.number, set())
        tried.add(worker)
        now = time.monotonic()
        recent = [at for at in self._failures.get(worker, ()) if now - at < _WITHIN] + [now]
        self._failures[worker] = recent
        if len(recent) >= _FAILURES and len(self._engine.slots()) > 1:
            self._refuse(worker, f"{len(recent)} failures")
        failures = self._counts[shard.number] = self._counts.get(shard.number, 0) + 1
        if failures >= self._retries:
            self._fail(shard, code)
            return
        pause = 0.0 if code == LOST else min(2.0 ** (failures - 1), 60.0)
        self._not_before[shard.number] = max(self._not_before.get(shard.number, 0.0), now + pause)
        waiting.append(shard)

    def _fail(self, shard: Shard, code: int) -> None:
        self._journal.append("failed", shard=shard.number, code=code)

    def _refuse(self, worker: str, reason: str) -> None:
        """Give a worker no more work."""
        if worker not in self._refused:
            self._refused.add(worker)
            self._journal.append("refuse", worker=worker, reason=reason)
            self._say(f"tain: {worker} gets no more work: {reason}\n")

    def _lose(self, work: Work) -> None:
        """The engine knows that the worker with this work is dead."""
        self._ended.put((None, work))

    # ---- while runs are at work

    def _look_after(self) -> None:
        now = time.monotonic()
        if now - self._signs >= _SIGN:
            self._lock.touch()
            self._signs = now
        if self._files.exists(CANCEL):
            self.cancel()
        if self._engine.lease and now - self._renewals >= _RENEWAL:
            self._renewals = now
            for work, _ in list(self._running.values()):
                self._engine.send(work, f"lease={self._engine.lease}")
        self._workers_seen = self._workers_seen or now
        if broken := getattr(self._engine, "broken", ""):
            self._stop(LOST, broken)
        if not self._running and now - self._workers_seen >= _WITHOUT_WORKERS:
            self._stop(LOST, "no worker is left")
        elif not self._running and self._may_have_none() and not set(self._engine.slots()) - self._refused:
            self._stop(LOST, "no worker is left that may have work")
        if self._on_progress is not None:
            self._on_progress(self.figures())

    def _may_have_none(self) -> bool:
        """There were workers that may have no work."""
        return bool(self._refused or getattr(self._engine, "refused", None))

    def _share(self, runs: int) -> int:
        return self._bwlimit and max(self._bwlimit // max(runs, 1), 1)

    def _divide_bandwidth(self) -> None:
        if self._bwlimit:
            share = self._share(len(self._running)) * 1024
            for work, _ in self._running.values():
                self._engine.send(work, f"bwlimit={share}")

    def _stop(self, code: int, reason: str) -> None:
        self._cancelled = self._cancelled or code
        self._stopped = self._stopped or reason

    def _end_all(self) -> None:
        """End what still runs, and take in what ends well."""
        if self._cancelled != NO_SPACE:
            for work, _ in self._running.values():
                self._engine.send(work, "cancel")
        end = time.monotonic() + (3600.0 if self._cancelled == NO_SPACE else 10.0)
        while self._running and time.monotonic() < end:
            try:
                self._take([])
            except TainError:
                # The journal cannot be written: what ends now is not done.
                return

    def _say(self, text: str, *, of_shard: bool = False) -> None:
        if text and self._on_error is not None:
            self._on_error(text, of_shard)

    # ---- the whole

    def _has_io_error(self) -> bool:
        state = self._journal.state
        return bool(state.failed) or any(row["io_error"] for row in state.done.values())

    def _is_broken(self) -> bool:
        """A run has failed for good, or is not done for another reason: no more phases begin."""
        state = self._journal.state
        kinds = {shard.kind for shard in self.plan.shards}
        return bool(state.failed) or (self._phase in kinds and self._phase not in state.phases)

    def _code(self) -> int:
        state = self._journal.state
        codes = {**{number: row["code"] for number, row in state.done.items()}, **state.failed}
        return sums.exit_code(code for _, code in sorted(codes.items()))

    def _outcome(self) -> Outcome:
        state = self._journal.state
        code = self._cancelled or (self._code() if state.ended is None else state.ended)
        if self._stopped and not self._cancelled:
            code = LOST
        return Outcome(
            code=code,
            done=len(state.done),
            shards=len(self.plan.shards),
            retried=state.retried,
            lost_workers=len(self._lost_workers),
            refused_workers=tuple(sorted(self._refused)),
            is_finished=state.is_finished,
            stopped=self._stopped,
        )


def first_looks(plan: Plan, state: State) -> list[dict[str, Any]]:
    """The figures of the runs that are done, but for those that look at the same entries again."""
    again = ("deletions", "attributes")
    return [
        row["stats"] for number, row in state.done.items() if row.get("stats") and plan.shards[number].kind not in again
    ]

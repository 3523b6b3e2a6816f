"""The life of a run, as a process of its own: ``python -m tain.mirror.runner DIRECTORY``.

It reads nothing but the configuration in the directory of the run, and writes its state there and into the database.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import sys
import traceback
from types import FrameType
from typing import Any

import psutil

from tain.mirror import facts, guards, notify, place, plan, pushes, runs, states
from tain.mirror.attempts import Attempts
from tain.mirror.clock import SYSTEM, Clock
from tain.mirror.context import Context
from tain.mirror.guards import Refusal
from tain.mirror.locks import Holder, Lock, holder_of, myself
from tain.mirror.model import Job
from tain.mirror.outcome import End
from tain.mirror.programs import Program
from tain.mirror.publish import Publication
from tain.mirror.record import Record
from tain.mirror.results import apply_result
from tain.mirror.schedules import schedule_of, stale_after
from tain.mirror.store import StateError, Store
from tain.mirror.versions import publication_of

#: Seconds between two looks at a lock that another run holds.
_LOCK_STEP = 0.2
#: Passes of one run. An upstream that changes all the time is left to the next due time.
_MOST_PASSES = 3
#: What belongs to one pass, not to the whole run.
_OF_A_PASS = ("content_time", "content_stamp", "files", "bytes", "upstream", "version")


class Runner:
    """One run of one job."""

    def __init__(self, directory: str, config: dict[str, Any], clock: Clock = SYSTEM) -> None:
        job, files = Job.model_validate(config["values"]), runs.RunFiles(directory)
        holder = myself(config["run"])
        self.context = Context(
            directory, config, job, runs.Layout(config["state"]), files, runs.Log(files.path("output.log")), holder,
            Record(config, files, holder, clock), clock, clock.monotonic(),
        )  # fmt: skip
        self.lock = Lock(self.context.layout.lock(self.context.name))
        self.place = place.Place(job, self.context.name, os.path.abspath(config["state"]))
        self.publication: Publication | None = None
        #: The job is ours, so the hooks of its end run too.
        self.ran_hooks = False

    # ---- from beginning to end

    def run(self) -> int:
        """Run to the end; returns the exit code."""
        self.context.files.create_ballast()
        signal.signal(signal.SIGTERM, self._signal)
        signal.signal(signal.SIGINT, self._signal)
        try:
            self.context.store = Store.open(self.context.layout.database)
        except StateError as error:
            # The transfer goes on; the result is imported from `run.json` later.
            self.context.log.note(str(error))
        self.context.record.attach(self.context.store)
        try:
            self._phase("starting")
            self._take_locks()
            self._limit_resources()
            self._load()
            notify.start(self.context.directory, "begin")
            self.ran_hooks = True
            if not self.context.dry_run:
                self.context.hooks.run("before-run")
            self._work()
        except End as end:
            self._finish(end)
        except Exception as error:
            self.context.log.note(traceback.format_exc())
            self._finish(End("failed", f"internal error: {error}", states.EXIT_INTERNAL))
        finally:
            self.place.release()
            self.lock.release()
            self.context.files.remove_ballast()
            self.context.files.close()
            self.context.log.close()
            notify.start(self.context.directory)
        return int(self.context.record.document["exit"])

    def _signal(self, _number: int, _frame: FrameType | None) -> None:
        self.context.stopped = True
        with contextlib.suppress(OSError):
            runs.write_json(self.context.control, {"stop": True, "by": "a signal"})

    def _phase(self, phase: str, **fields: object) -> None:
        self.context.record.phase(phase, **fields)

    def _take_locks(self) -> None:
        end = self.context.clock.monotonic() + float(self.context.flags.get("wait") or 0)
        while not self.lock.take(self.context.holder):
            other = holder_of(self.lock.path)
            if self.context.clock.monotonic() >= end or self.context.stopped:
                raise End("deferred", f"the job runs already ({_words(other)})", refusal=None)
            self.context.clock.sleep(_LOCK_STEP)
        if self.context.flags.get("dry_run"):
            # Nothing is created, neither the destination nor what is beside it.
            return
        try:
            place.prepare(self.context.job)
            taken = self.place.take(self.context.holder)
        except place.PlaceError as error:
            raise End("failed", str(error), states.EXIT_STATE) from error
        except OSError as error:
            raise End("failed", f"{error.filename or ''}: {error.strerror}", states.EXIT_STATE) from error
        if isinstance(taken, Refusal):
            raise End("held", taken.text, taken.code, taken)
        if taken is not None:
            raise End("deferred", f"another run works on the destination ({_words(taken)})")

    def _limit_resources(self) -> None:
        wanted = self.context.job.resources
        os.umask(wanted.umask)
        process = psutil.Process()
        try:
            process.nice(wanted.nice)
            kind, _, level = wanted.ionice.partition(":")
            if kind == "idle":
                process.ionice(psutil.IOPRIO_CLASS_IDLE)
            elif kind == "best-effort":
                process.ionice(psutil.IOPRIO_CLASS_BE, int(level or 4))
        except (psutil.Error, OSError) as error:
            # Only root may go above what a process has.
            self.context.log.note(f"resources: {error}")

    def _load(self) -> None:
        """What earlier runs have left."""
        if self.context.store is not None:
            with contextlib.suppress(sqlite3.Error):
                self.context.before = self.context.store.job(self.context.name)
                self._take_request()
                self.context.ticket = self.context.store.ticket(self.context.name, self.context.clock.now())
                self.context.upstream_rows = self.context.store.upstreams(self.context.name)
                last = self.context.store.run(self.context.before["last_run"] or "")
                self.context.last_hash = None if last is None else last["config_hash"]

    def _take_request(self) -> None:
        """What was asked for before the run is answered by it, unless it does less."""
        run = self.context
        if run.store is None or run.dry_run:
            return
        request = run.store.requests().get(run.name)
        if request is not None and (not run.flags.get("stage") or request["stage"] == pushes.PAYLOAD):
            run.store.answer(run.name, request["id"])

    # ---- passes

    def _work(self) -> None:
        """Make passes until nothing has changed meanwhile. Errors: `End`, always: it has the result."""
        run = self.context
        self.publication = publication_of(run)
        self.publication.begin()
        whole: dict[str, Any] | None = None
        for number in range(_MOST_PASSES):
            attempts = self._attempts(further=number > 0)
            try:
                self._pass(attempts)
            except End as end:
                if whole is None or end.result not in ("failed", "deferred", "partial"):
                    raise
                # The first pass was complete, and what it published is still what people read.
                run.record.document.update(whole)
                raise End("success", f"a further pass was {end.result}: {end.why}") from end
            whole = {key: run.record.document[key] for key in _OF_A_PASS if key in run.record.document}
            why = None if run.dry_run or run.flags.get("stage") else self._why_again(attempts)
            if why is None:
                break
            run.record.event("message", text=f"once more: {why}")
        raise End("success")

    def _attempts(self, *, further: bool) -> Attempts | Program:
        assert self.publication is not None
        if self.context.job.kind == "command":
            return Program(self.context, further=further)
        return Attempts(self.context, self.publication, further=further)

    def _pass(self, attempts: Attempts | Program) -> None:
        """All stages once, and what follows them. Errors: `End`, if the pass is no success."""
        run, publication = self.context, self.publication
        assert publication is not None
        try:
            refusal = attempts.work()
        except End as end:
            if end.result == "partial" and attempts.judge() is None:
                publication.publish(good=False)
            raise
        if refusal is not None and refusal.kind == "errors":
            raise End("partial", refusal.text, states.EXIT_PARTIAL)
        if refusal is None and run.job.kind == "rsync" and not run.dry_run and not run.flags.get("stage"):
            small = guards.judge_end(run.job.guard, int(run.record.document["files"] or 0) + 1)
            if small is not None:
                raise End("held", small.text, small.code, small)
        if refusal is None:
            if publication.target != run.job.destination:
                # A tree that is published as a whole is judged with all of its files.
                self._write_traces(publication.target)
                self._verify(attempts)
            refusal = attempts.judge()
        if refusal is None or publication.publishes_held:
            if not run.dry_run:
                run.hooks.run("before-publish")
            publication.publish(good=True)
        held = refusal is not None and refusal.code != states.EXIT_HELD_DELETIONS
        if publication.target == run.job.destination and not held:
            self._verify(attempts)
            self._write_traces(run.job.destination)
        if refusal is not None:
            raise End("held", refusal.text, refusal.code, refusal)

    def _write_traces(self, place: str) -> None:
        run = self.context
        if not run.dry_run and not run.flags.get("stage"):
            run.trace(lambda: run.traces.write(place, run.clock.now()))

    def _verify(self, attempts: Attempts | Program) -> None:
        if not self.context.dry_run and not self.context.flags.get("stage"):
            attempts.verify()

    def _why_again(self, attempts: Attempts | Program) -> str | None:
        """Why the tree may be older than its source already; None: it is not."""
        store = self.context.store
        if store is not None:
            # A push that came during the pass is never lost, and many make one further pass.
            with contextlib.suppress(sqlite3.Error):
                request = store.requests().get(self.context.name)
                if request is not None and request["trigger"] == "push":
                    store.answer(self.context.name, request["id"])
                    return f"asked for by {request['by']}"
        if attempts.has_moved():
            return "the upstream has changed during the run"
        if attempts.vanished and not attempts.further:
            return "files vanished during the run"
        return None

    # ---- the end

    def _finish(self, end: End) -> None:
        if self.context.record.document["phase"] != "queued" and not self.context.flags.get("dry_run"):
            self._phase("finishing")
        code = states.exit_of(end.result, end.code)
        seconds = self.context.clock.monotonic() - self.context.began
        self.context.record.document.update(
            source_dev=self.context.facts.source_dev, dest_dev=facts.device_of(self.context.job.destination)
        )
        self.context.record.finish(end.result, end.why, code, seconds, end.refusal)
        if self.context.dry_run:
            return
        self._end_traces(end.result)
        if self.ran_hooks:
            self._run_hooks(end.result)
        if self.context.store is None:
            return
        try:
            self._update_job(end, seconds)
            self._clean_up()
            if end.result == "success" and self.publication is not None:
                self.publication.clean_up()
        except End:
            # Somebody asked for a stop. The next good run removes the rest.
            pass
        except (sqlite3.Error, OSError) as error:
            self.context.log.note(f"the state could not be written: {error}")

    def _end_traces(self, result: str) -> None:
        run, place = self.context, self.context.job.destination
        if not self.ran_hooks:
            # The tree is another run's.
            return
        if result == "unchanged":
            run.trace(lambda: run.traces.write_unchanged(place, run.clock.now()))
        run.traces.end(place)

    def _run_hooks(self, result: str) -> None:
        """The hooks of the end of a run; none of them changes its result."""
        run = self.context
        before, points = run.before, []
        good = states.RESULTS[result]
        fresh = before.get("content_time") or before.get("last_good")
        if good and (int(before.get("failures") or 0) >= states.FAILING_AFTER or before.get("hold")):
            points.append("recovered")
        if not good and fresh is not None and run.clock.now() - fresh > stale_after(run.job):
            points.append("stale")
        for point in [result, *points, "finally"]:
            with contextlib.suppress(End):
                run.hooks.run(point)

    def _update_job(self, end: End, seconds: float) -> None:
        assert self.context.store is not None
        document = self.context.record.document
        now = self.context.clock.now()
        deleted = int(document["deleted"] or 0)
        with self.context.store.transaction():
            before = self.context.store.job(self.context.name)
            values = apply_result(before, document)
            values["next_due"] = plan.due_after(
                schedule_of(self.context.job, self.context.config.get("timezone")),
                before["next_due"],
                now,
                seconds,
                end.result,
            )
            self.context.store.update_job(self.context.name, **values)
            if self.context.ticket is not None and deleted and end.result == "success":
                self.context.store.use_ticket(int(self.context.ticket["id"]), self.context.record.document["id"], now)
        hold = os.path.join(self.context.layout.job(self.context.name), "hold.json")
        if values.get("hold"):
            runs.write_json(hold, {key: values[key] for key in values if key.startswith("hold")})
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(hold)

    def _clean_up(self) -> None:
        assert self.context.store is not None
        job = self.context.job
        bad = frozenset(
            row["id"]
            for row in self.context.store.runs(self.context.name, limit=job.keep_runs)
            if row["result"] != "success"
        )
        kept = runs.Kept(job.keep_runs, job.keep_logs, job.keep_failed_logs)
        runs.clean_up(self.context.layout, self.context.name, kept, self.context.clock.now(), failed=bad)
        self.context.store.trim_runs(self.context.name, job.keep_runs)


def _words(holder: Holder | None) -> str:
    return "its lock is taken" if holder is None or not holder.pid else f"run {holder.run}, process {holder.pid}"


def main() -> None:
    """Run what the directory in the first argument describes."""
    directory = sys.argv[1]
    config = runs.read_json(os.path.join(directory, "config.json"))
    if config is None:
        sys.exit(states.EXIT_INTERNAL)
    sys.exit(Runner(directory, config).run())


if __name__ == "__main__":
    main()

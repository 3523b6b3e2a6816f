"""The life of a run, as a process of its own: ``python -m tain.mirror.runner DIRECTORY``.

It reads nothing but the configuration in the directory of the run, and writes its state there and into the database.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Any

import psutil

from tain.diagnosis import hints
from tain.mirror import facts, guards, place, plan, retry, runs, states
from tain.mirror.clock import SYSTEM, Clock
from tain.mirror.guards import Before, Refusal
from tain.mirror.locks import Holder, Lock, holder_of, myself
from tain.mirror.model import Job, Upstream
from tain.mirror.outcome import Outcome
from tain.mirror.record import Record
from tain.mirror.results import apply_result
from tain.mirror.schedules import schedule_of
from tain.mirror.selection import Picked, Selection
from tain.mirror.stages import deletes, host_of, needs_quiet
from tain.mirror.store import StateError, Store
from tain.mirror.transfers import Stage, run_stage
from tain.mirror.watch import pause
from tain.mirror.words import took
from tain.options.hostspec import parse_host
from tain.problems import Hint

#: Seconds between two looks at a lock that another run holds.
_LOCK_STEP = 0.2


class End(Exception):
    """The run ends with this result. *code*: what `run` exits with, where the result does not decide it."""

    def __init__(self, result: str, why: str = "", code: int = 0, refusal: Refusal | None = None) -> None:
        super().__init__(why)
        self.result, self.why, self.code, self.refusal = result, why, code, refusal


class Runner:
    """One run of one job."""

    def __init__(self, directory: str, config: dict[str, Any], clock: Clock = SYSTEM) -> None:
        self.directory, self.config, self.clock = directory, config, clock
        self.job = Job.model_validate(config["values"])
        self.name: str = config["name"]
        self.flags: dict[str, Any] = config["flags"]
        self.layout = runs.Layout(config["state"])
        self.files = runs.RunFiles(directory)
        self.log = runs.Log(self.files.path("output.log"))
        self.control = self.files.path("control.json")
        self.store: Store | None = None
        self.stopped = False
        self.lock = Lock(self.layout.lock(self.name))
        self.place = place.Place(self.job, self.name, os.path.abspath(config["state"]))
        self.holder = myself(config["run"])
        self.record = Record(config, self.files, self.holder, clock)
        self.began = clock.monotonic()
        self.before: dict[str, Any] = {}
        self.ticket: dict[str, Any] | None = None
        self.upstream_rows: dict[str, dict[str, Any]] = {}
        #: The configuration of the run before.
        self.last_hash: str | None = None
        self.facts = guards.Start()

    # ---- from beginning to end

    def run(self) -> int:
        """Run to the end; returns the exit code."""
        self.files.create_ballast()
        signal.signal(signal.SIGTERM, self._signal)
        signal.signal(signal.SIGINT, self._signal)
        try:
            self.store = Store.open(self.layout.database)
        except StateError as error:
            # The transfer goes on; the result is imported from `run.json` later.
            self.log.note(str(error))
        self.record.attach(self.store)
        try:
            self._phase("starting")
            self._take_locks()
            self._limit_resources()
            self._load()
            self._work()
        except End as end:
            self._finish(end)
        except Exception as error:
            self.log.note(traceback.format_exc())
            self._finish(End("failed", f"internal error: {error}", states.EXIT_INTERNAL))
        finally:
            self.place.release()
            self.lock.release()
            self.files.remove_ballast()
            self.files.close()
            self.log.close()
        return int(self.record.document["exit"])

    def _signal(self, _number: int, _frame: FrameType | None) -> None:
        self.stopped = True
        with contextlib.suppress(OSError):
            runs.write_json(self.control, {"stop": True, "by": "a signal"})

    def _phase(self, phase: str, **fields: object) -> None:
        self.record.phase(phase, **fields)

    def _take_locks(self) -> None:
        end = self.clock.monotonic() + float(self.flags.get("wait") or 0)
        while not self.lock.take(self.holder):
            other = holder_of(self.lock.path)
            if self.clock.monotonic() >= end or self.stopped:
                raise End("deferred", f"the job runs already ({_words(other)})", refusal=None)
            self.clock.sleep(_LOCK_STEP)
        if self.flags.get("dry_run"):
            # Nothing is created, neither the destination nor what is beside it.
            return
        try:
            place.prepare(self.job.destination)
            taken = self.place.take(self.holder)
        except place.PlaceError as error:
            raise End("failed", str(error), states.EXIT_STATE) from error
        except OSError as error:
            raise End("failed", f"{error.filename or ''}: {error.strerror}", states.EXIT_STATE) from error
        if isinstance(taken, Refusal):
            raise End("held", taken.text, taken.code, taken)
        if taken is not None:
            raise End("deferred", f"another run works on the destination ({_words(taken)})")

    def _limit_resources(self) -> None:
        wanted = self.job.resources
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
            self.log.note(f"resources: {error}")

    def _load(self) -> None:
        """What earlier runs have left."""
        if self.store is not None:
            with contextlib.suppress(sqlite3.Error):
                self.before = self.store.job(self.name)
                self.ticket = self.store.ticket(self.name, self.clock.now())
                self.upstream_rows = self.store.upstreams(self.name)
                last = self.store.run(self.before["last_run"] or "")
                self.last_hash = None if last is None else last["config_hash"]

    # ---- attempts

    def _work(self) -> None:
        job, last, reached = self.job, End("failed", "no upstream", states.EXIT_UNAVAILABLE), False
        selection = Selection(job, self._upstreams(), self.before, self.upstream_rows)
        stage, memory_failures = 0, 0
        previous: Upstream | None = None
        for number in range(1, job.retry.attempts + 1):
            self._phase("probing")
            picked = selection.pick(self.directory, self.clock.now())
            for upstream, probe in selection.probes:
                self.record.probed(upstream, probe)
            upstream, found = picked.upstream, picked.probe
            if upstream is not previous:
                stage, previous = 0, upstream
            if picked.choice.older:
                raise End("deferred", "all upstreams are older than our content")
            self.record.begin_attempt(number, upstream)
            outcome: Outcome | None = None
            try:
                if found.reachable:
                    reached = True
                    self._judge_start(picked)
                    stage, outcome = self._stages(upstream, stage)
            finally:
                code = found.code if outcome is None else outcome.code
                error = found.error if outcome is None else outcome.error
                self.record.end_attempt(code, error)
            if outcome is not None and outcome.good:
                self.record.served(upstream, self.upstream_rows)
                return self._succeed(outcome)
            self.record.hint(_hints(error, upstream))
            if outcome is not None and outcome.stop is not None:
                code = self._stopped(outcome, memory_failures)
                memory_failures += outcome.stop.kind == "memory"
                error = outcome.stop.text
            selection.fail(upstream)
            if len(job.upstreams) > 1:
                self.record.cooling(upstream, self.clock.now() + job.failover.cooldown)
            result = "partial" if code == 23 and outcome is not None and outcome.ended else "failed"
            last = End(result, f"{error} ({code})" if f"({code})" not in error else error, code)
            again = retry.is_repeated(job.retry, code) or (code == 22 and memory_failures == 1)
            if not again or number == job.retry.attempts:
                break
            wait = retry.wait_before(job.retry, number, busy="max connections" in error, luck=random.random())
            self.record.event("message", text=f"attempt {number} failed: {error}; the next one in {took(wait)}")
            if not pause(self.clock, wait, self.control, lambda: self.stopped):
                raise End("cancelled", "stopped between two attempts")
        if not reached and last.result == "failed" and last.code:
            raise End("failed", f"no usable upstream: {last.why}", states.EXIT_UNAVAILABLE)
        raise last

    def _upstreams(self) -> list[Upstream]:
        named = self.flags.get("upstream")
        if named:
            known = [upstream for upstream in self.job.upstreams if upstream.url == named]
            return known or [Upstream(url=named)]
        return self.job.upstreams

    def _judge_start(self, picked: Picked) -> None:
        """Judge what is known before the first transfer. Errors: `End`, also if there is nothing new."""
        upstream, found = picked.upstream, picked.probe
        self.facts = facts.start_facts(self.job, upstream, found)
        before = Before(source_dev=self.before.get("source_dev"), dest_dev=self.before.get("dest_dev"))
        refusal = guards.judge_start(self.job.guard, self.facts, before)
        if refusal is not None:
            self.record.event("guard", rule=refusal.kind, text=refusal.text)
            raise End("held", refusal.text, refusal.code, refusal)
        self.record.chosen(picked, of=len(self.job.upstreams))
        if found.stamp is not None and self._is_known(found.stamp.identity):
            raise End("unchanged", f"the stamp of {host_of(upstream.url)} is that of the last run")

    def _is_known(self, identity: str) -> bool:
        """Whether the last complete run had this stamp, so that there is nothing to transfer."""
        rules, before = self.job.probe, self.before
        if not rules.skip_unchanged or self.flags.get("force") or self.flags.get("dry_run") or before.get("hold"):
            return False
        if before.get("content_stamp") != identity or self.last_hash != self.config["config_hash"]:
            return False
        age = self.clock.now() - (before.get("last_good") or 0.0)
        return not before.get("failures") and (rules.force_after is None or age < rules.force_after)

    def _stages(self, upstream: Upstream, first: int) -> tuple[int, Outcome]:
        """The stages from *first* on; returns the stage to go on with, and how the last one ended."""
        only = self.flags.get("stage")
        last_outcome: Outcome | None = None
        for number, stage in enumerate(self.job.stages):
            if number < first or (only and stage.name != only):
                continue
            if number and needs_quiet(self.job, number):
                self._wait_until_quiet(upstream)
            self._phase("staging", stage=stage.name)
            outcome = run_stage(self._stage(number, upstream))
            if not outcome.good:
                return number, outcome
            self.record.add(outcome, whole=number == len(self.job.stages) - 1)
            last_outcome = outcome
        if last_outcome is None:
            raise End("failed", f"there is no stage {only}", states.EXIT_USAGE)
        return len(self.job.stages), last_outcome

    def _wait_until_quiet(self, upstream: Upstream) -> None:
        """Wait until nobody updates the upstream. Errors: `End`, if that takes too long: payload is here, indices are
        not. An upstream that does not answer is found out by the transfer."""
        rules = self.job.probe
        for number in range(rules.busy_attempts + 1):
            found = facts.probe(self.job, upstream) if rules.busy else None
            if found is None or not found.busy:
                return
            if number == rules.busy_attempts:
                raise End("deferred", f"{host_of(upstream.url)} is being updated ({found.busy})")
            text = f"{host_of(upstream.url)} is being updated ({found.busy}); next look in {took(rules.busy_wait)}"
            self.record.event("message", text=text)
            if not pause(self.clock, rules.busy_wait, self.control, lambda: self.stopped):
                raise End("cancelled", "stopped while the upstream was being updated")

    def _stage(self, number: int, upstream: Upstream) -> Stage:
        before = self.before
        hold = before.get("hold") == "deletions" and not self.job.guard.auto_release
        return Stage(
            job=self.job,
            number=number,
            upstream=upstream,
            deletes=deletes(self.job, number) and not self.flags.get("no_delete"),
            dry_run=bool(self.flags.get("dry_run")),
            limit=self.config.get("bandwidth"),
            before=Before(files=before.get("files"), bytes=before.get("bytes")),
            ticket=None if self.ticket is None else int(self.ticket["max_deletes"]),
            needs_release=hold and self.ticket is None,
            record=self.record,
            log=self.log,
            control=self.control,
            names=self.files.path("deletes.nul"),
            clock=self.clock,
            ends=self.began + self.job.max_runtime,
            stopped=lambda: self.stopped,
        )

    def _stopped(self, outcome: Outcome, memory_failures: int) -> int:
        """The code of an attempt that the watch has stopped. Errors: `End`, where no other attempt follows."""
        assert outcome.stop is not None
        kind, text = outcome.stop.kind, outcome.stop.text
        if kind == "stop":
            raise End("cancelled", text)
        if kind == "runtime":
            raise End("failed", text, 30)
        if kind == "disk":
            raise End("held", text, states.EXIT_HELD, Refusal("disk", text))
        if kind == "memory":
            if memory_failures:
                raise End("failed", text, 22)
            return 22
        return 30

    def _succeed(self, outcome: Outcome) -> None:
        if outcome.refusal is not None:
            refusal = outcome.refusal
            if refusal.kind == "errors":
                raise End("partial", refusal.text, states.EXIT_PARTIAL)
            raise End("held", refusal.text, refusal.code, refusal)
        if not self.flags.get("dry_run") and not self.flags.get("stage"):
            small = guards.judge_end(self.job.guard, int(self.record.document["files"] or 0) + 1)
            if small is not None:
                raise End("held", small.text, small.code, small)
        raise End("success")

    # ---- the end

    def _finish(self, end: End) -> None:
        if self.record.document["phase"] != "queued" and not self.flags.get("dry_run"):
            self._phase("finishing")
        code = states.exit_of(end.result, end.code)
        seconds = self.clock.monotonic() - self.began
        self.record.document.update(source_dev=self.facts.source_dev, dest_dev=facts.device_of(self.job.destination))
        self.record.finish(end.result, end.why, code, seconds, end.refusal)
        if self.store is None or self.flags.get("dry_run"):
            return
        try:
            self._update_job(end, seconds)
            self._clean_up()
        except (sqlite3.Error, OSError) as error:
            self.log.note(f"the state could not be written: {error}")

    def _update_job(self, end: End, seconds: float) -> None:
        assert self.store is not None
        document = self.record.document
        now = self.clock.now()
        deleted = int(document["deleted"] or 0)
        with self.store.transaction():
            before = self.store.job(self.name)
            values = apply_result(before, document)
            values["next_due"] = plan.due_after(
                schedule_of(self.job, self.config.get("timezone")), before["next_due"], now, seconds, end.result
            )
            self.store.update_job(self.name, **values)
            if self.ticket is not None and deleted and end.result == "success":
                self.store.use_ticket(int(self.ticket["id"]), self.record.document["id"], now)
        hold = os.path.join(self.layout.job(self.name), "hold.json")
        if values.get("hold"):
            runs.write_json(hold, {key: values[key] for key in values if key.startswith("hold")})
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(hold)

    def _clean_up(self) -> None:
        assert self.store is not None
        job = self.job
        bad = frozenset(
            row["id"] for row in self.store.runs(self.name, limit=job.keep_runs) if row["result"] != "success"
        )
        kept = runs.Kept(job.keep_runs, job.keep_logs, job.keep_failed_logs)
        runs.clean_up(self.layout, self.name, kept, self.clock.now(), failed=bad)
        self.store.trim_runs(self.name, job.keep_runs)


def _hints(error: str, upstream: Upstream) -> Sequence[Hint]:
    """What is known about an error, for a person."""
    spec = parse_host(upstream.url.encode("utf-8", "surrogateescape"))
    host = None if spec is None else spec.host.decode("utf-8", "replace")
    return hints.find([error], host=host, port=0 if spec is None else spec.port or 873)


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

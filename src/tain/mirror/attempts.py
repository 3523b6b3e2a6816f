"""One pass over the stages of a run: probes, the choice of an upstream, attempts, retries."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Sequence

from tain.diagnosis import hints
from tain.mirror import facts, guards, notify, retry, states
from tain.mirror.context import Context
from tain.mirror.facts import Probe
from tain.mirror.guards import Before, Refusal
from tain.mirror.model import Upstream
from tain.mirror.outcome import End, Outcome
from tain.mirror.publish import Publication
from tain.mirror.selection import Picked, Selection
from tain.mirror.stages import deletes, host_of, needs_quiet
from tain.mirror.transfers import Stage, run_stage
from tain.mirror.verify import Verification
from tain.mirror.words import took
from tain.options.hostspec import parse_host
from tain.problems import Hint

#: Files vanished while they were transferred.
_VANISHED = 24


class Attempts:
    """The attempts of one pass. *further*: the run has made a pass already."""

    def __init__(self, run: Context, publication: Publication, *, further: bool = False) -> None:
        self.run, self.publication, self.further = run, publication, further
        self.job, self.record = run.job, run.record
        self.upstream: Upstream | None = None
        self.probe: Probe | None = None
        #: A stage ended well although files vanished at the source.
        self.vanished = False

    def work(self) -> Refusal | None:
        """Make attempts until one ends well; returns why its deletions were refused. Errors: `End`."""
        run, job, last, reached = self.run, self.job, End("failed", "no upstream", states.EXIT_UNAVAILABLE), False
        selection = Selection(job, self._upstreams(), run.before, run.upstream_rows)
        stage, memory_failures = 0, 0
        previous: Upstream | None = None
        for number in range(1, job.retry.attempts + 1):
            self.record.phase("probing")
            picked = selection.pick(run.directory, run.clock.now())
            for upstream, probe in selection.probes:
                self.record.probed(upstream, probe)
            upstream, found = picked.upstream, picked.probe
            if upstream is not previous:
                stage, previous = 0, upstream
            if picked.choice.older:
                raise End("deferred", "all upstreams are older than our content")
            self.upstream, self.probe = upstream, found
            self.publication.begin_attempt()
            self.record.begin_attempt(number, upstream.url)
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
                self.record.served(upstream, run.upstream_rows)
                return outcome.refusal
            self.record.hint(_hints(error, upstream))
            if outcome is not None and outcome.stop is not None:
                code = self._stopped(outcome, memory_failures)
                memory_failures += outcome.stop.kind == "memory"
                error = outcome.stop.text
            if _is_full(outcome):
                text = f"the destination is full: {error}"
                raise End("held", text, states.EXIT_HELD, Refusal("disk", text))
            selection.fail(upstream)
            if len(job.upstreams) > 1:
                self.record.cooling(upstream, run.clock.now() + job.failover.cooldown)
            result = "partial" if code == 23 and outcome is not None and outcome.ended else "failed"
            last = End(result, f"{error} ({code})" if f"({code})" not in error else error, code)
            again = retry.is_repeated(job.retry, code) or (code == 22 and memory_failures == 1)
            if not again or number == job.retry.attempts:
                break
            wait = retry.wait_before(job.retry, number, busy="max connections" in error, luck=random.random())
            self.record.event("message", text=f"attempt {number} failed: {error}; the next one in {took(wait)}")
            run.pause(wait, "stopped between two attempts")
        if not reached and last.result == "failed" and last.code:
            raise End("failed", f"no usable upstream: {last.why}", states.EXIT_UNAVAILABLE)
        raise last

    def judge(self) -> Refusal | None:
        """Judge the deletions of a tree that is published as a whole; returns why they are refused."""
        upstream, before = self.upstream, self.run.before
        assert upstream is not None
        known = Before(files=before.get("files"), bytes=before.get("bytes"))
        return self.publication.judge(known, further=self.further, look_again=lambda: self._look_again(upstream))

    def verify(self) -> None:
        """Check the tree of the pass. Errors: `End`, if it is not what its source says."""
        assert self.upstream is not None
        Verification(self.run, self.upstream, self.publication.target, self.run.traces.names.rules()).work()

    def has_moved(self) -> bool:
        """Whether the upstream has a newer stamp than the one that was read before the stages."""
        if self.upstream is None or self.probe is None or self.probe.stamp is None:
            return False
        found = facts.probe(self.job, self.upstream, self.run.directory)
        return found.stamp is not None and found.stamp.identity != self.probe.stamp.identity

    def _upstreams(self) -> list[Upstream]:
        named = self.run.flags.get("upstream")
        if named:
            known = [upstream for upstream in self.job.upstreams if upstream.url == named]
            return known or [Upstream(url=named)]
        return self.job.upstreams

    def _judge_start(self, picked: Picked) -> None:
        """Judge what is known before the first transfer. Errors: `End`, also if there is nothing new."""
        upstream, found, run = picked.upstream, picked.probe, self.run
        run.facts = facts.start_facts(self.job, upstream, found)
        before = Before(source_dev=run.before.get("source_dev"), dest_dev=run.before.get("dest_dev"))
        refusal = guards.judge_start(self.job.guard, run.facts, before)
        if refusal is not None:
            self.record.event("guard", rule=refusal.kind, text=refusal.text)
            raise End("held", refusal.text, refusal.code, refusal)
        trace = run.traces.names.trace
        first = run.before.get("last_good") is None
        if trace is not None and first and facts.has(self.job, upstream, trace, found.names):
            # Our file would hide that one from all who mirror from here.
            raise End("failed", f"the upstream has {trace} too: set trace.host or trace.path", states.EXIT_CONFIG)
        self.record.chosen(picked, of=len(self.job.upstreams))
        if found.stamp is not None and not self.further and self._is_known(found.stamp.identity):
            raise End("unchanged", f"the stamp of {host_of(upstream.url)} is that of the last run")

    def _is_known(self, identity: str) -> bool:
        """Whether the last complete run had this stamp, so that there is nothing to transfer."""
        rules, run, before = self.job.probe, self.run, self.run.before
        if not rules.skip_unchanged or run.flags.get("force") or run.dry_run or before.get("hold"):
            return False
        if before.get("content_stamp") != identity or run.last_hash != run.config["config_hash"]:
            return False
        age = run.clock.now() - (before.get("last_good") or 0.0)
        return not before.get("failures") and (rules.force_after is None or age < rules.force_after)

    # ---- stages

    def _stages(self, upstream: Upstream, first: int) -> tuple[int, Outcome]:
        """The stages from *first* on; returns the stage to go on with, and how the last one ended."""
        chosen = self.run.flags.get("stage")
        only = [chosen] if isinstance(chosen, str) else chosen
        last_outcome: Outcome | None = None
        place, now, traces = self.job.destination, self.run.clock.now, self.run.traces
        if not self.run.dry_run:
            self.run.trace(lambda: traces.begin(place, now()))
        for number, stage in enumerate(self.job.stages):
            if number < first or (only and stage.name not in only):
                continue
            if number and needs_quiet(self.job, number):
                self._wait_until_quiet(upstream)
            self.record.phase("staging", stage=stage.name)
            self._hooks("before-stage", stage.name)
            outcome = run_stage(self._stage(number, upstream))
            if not outcome.good:
                return number, outcome
            self._hooks("after-stage", stage.name)
            payload = number == len(self.job.stages) - 2 and self.job.publish.mode == "in-place"
            if payload and not self.run.dry_run:
                self.run.trace(lambda: traces.write_payload(place, now()))
                notify.start(self.run.directory, "payload")
            self.vanished = self.vanished or outcome.code == _VANISHED
            self.record.add(outcome, whole=number == len(self.job.stages) - 1)
            last_outcome = outcome
        if last_outcome is None:
            raise End("failed", f"there is no stage {chosen}", states.EXIT_USAGE)
        return len(self.job.stages), last_outcome

    def _hooks(self, point: str, stage: str = "") -> None:
        """The hooks of a moment. Errors: `End`."""
        if not self.run.dry_run:
            self.run.hooks.run(point, stage=stage)

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
            self.run.pause(rules.busy_wait, "stopped while the upstream was being updated")

    def _stage(self, number: int, upstream: Upstream) -> Stage:
        run, before = self.run, self.run.before
        return Stage(
            job=self.job,
            number=number,
            upstream=upstream,
            target=self.publication.target,
            basis=self.publication.basis,
            partial=self.publication.partial,
            own=tuple(run.traces.names.rules()),
            judged=self.publication.judges_stages,
            deletes=deletes(self.job, number) and not run.flags.get("no_delete"),
            dry_run=run.dry_run,
            limit=run.config.get("bandwidth"),
            timezone=run.config.get("timezone"),
            before=Before(files=before.get("files"), bytes=before.get("bytes")),
            # A ticket is good for one completed deletion.
            ticket=None if run.ticket is None or self.further else int(run.ticket["max_deletes"]),
            needs_release=guards.needs_release(self.job.guard, before.get("hold")) and run.ticket is None,
            look_again=lambda: self._look_again(upstream),
            before_delete=lambda: self._hooks("before-delete"),
            record=self.record,
            log=run.log,
            control=run.control,
            names=run.files.path("deletes.nul"),
            changes=run.files.path("dirs.nul"),
            clock=run.clock,
            ends=run.ends,
            stopped=lambda: run.stopped,
        )

    def _look_again(self, upstream: Upstream) -> Refusal | None:
        """Whether the upstream has lost its marker, or is being updated, since the run began. An upstream that does not
        answer a second connection is judged by the first look."""
        if self.job.guard.marker is None and not self.job.probe.busy:
            return None
        found = facts.probe(self.job, upstream)
        return guards.judge_again(self.job.guard, found.busy, found.marker_found, found.reachable)

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


def _is_full(outcome: Outcome | None) -> bool:
    """Whether a transfer has failed because the destination has no room; no other upstream would help."""
    if outcome is None or outcome.good or outcome.code not in (11, 23):
        return False
    full = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
    texts = [outcome.error, *outcome.result.messages]
    return any(words in text for text in texts for words in full)


def _hints(error: str, upstream: Upstream) -> Sequence[Hint]:
    """What is known about an error, for a person."""
    spec = parse_host(upstream.url.encode("utf-8", "surrogateescape"))
    host = None if spec is None else spec.host.decode("utf-8", "replace")
    return hints.find([error], host=host, port=0 if spec is None else spec.port or 873)

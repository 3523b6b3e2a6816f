"""Probing the upstreams of a run and choosing one, before each attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tain.mirror import facts
from tain.mirror.choose import Candidate, Choice, choose
from tain.mirror.facts import Probe
from tain.mirror.model import Job, Upstream
from tain.mirror.stages import host_of, without_secrets


@dataclass(frozen=True)
class Picked:
    """The upstream of an attempt; the first one, if none is usable."""

    upstream: Upstream
    probe: Probe
    choice: Choice


class Selection:
    """The upstreams of one run. *before* is the row of the job, *rows* those of its upstreams."""

    def __init__(
        self, job: Job, upstreams: Sequence[Upstream], before: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self._job, self._upstreams, self._before, self._rows = job, upstreams, before, rows
        #: Upstreams whose attempt has failed in this run.
        self._failed: set[str] = set()
        self.probes: list[tuple[Upstream, Probe]] = []

    def fail(self, upstream: Upstream) -> None:
        """An attempt with this upstream has failed."""
        self._failed.add(upstream.url)

    def pick(self, scratch: str, now: float) -> Picked:
        """Probe all upstreams and choose one. *scratch*: a directory for their stamp files."""
        found = facts.probe_all(self._job, self._upstreams, scratch)
        self.probes = list(zip(self._upstreams, found, strict=True))
        marked = any(probe.marker_found for probe in found)
        candidates = [self._candidate(upstream, probe, marked, now) for upstream, probe in self.probes]
        before = self._before
        # Only times of stamps can be compared.
        ours = before.get("content_time") if before.get("content_stamp") else None
        present = next(
            (upstream.url for upstream in self._upstreams if without_secrets(upstream.url) == before.get("upstream")),
            None,
        )
        choice = choose(candidates, self._job.failover, ours=ours, present=present)
        wanted = choice.urls[0] if choice.urls else self._upstreams[0].url
        upstream, probe = next(pair for pair in self.probes if pair[0].url == wanted)
        return Picked(upstream, probe, choice)

    def _candidate(self, upstream: Upstream, probe: Probe, marked: bool, now: float) -> Candidate:
        row = self._rows.get(without_secrets(upstream.url), {})
        # If no upstream has the marker, a guard holds the run.
        unmarked = marked and probe.marker_found is False
        return Candidate(
            url=upstream.url,
            host=host_of(upstream.url),
            reachable=probe.reachable and not unmarked,
            error=f"has no {self._job.guard.marker}" if unmarked else probe.error,
            weight=upstream.weight,
            rate=row.get("rate"),
            content=None if probe.stamp is None else probe.stamp.time,
            cooling=upstream.url in self._failed or (row.get("cooldown_until") or 0.0) > now,
        )

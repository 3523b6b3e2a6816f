"""What all pages know: one snapshot of the state, made again only when the state has changed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tain.mirror import queries
from tain.mirror.documents import run_document, status_document
from tain.mirror.schedules import stale_after
from tain.mirror.stages import host_of, is_local
from tain.mirror.web import charts
from tain.mirror.web.auth import Visitor
from tain.mirror.web.text import seconds_of, shown, without_login

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tain.mirror.service import Service

#: A snapshot is used for so long, also if nothing has changed in the database: progress is in files.
_FRESH_SECONDS = 0.4
#: States that a person should look at, the most urgent first.
ATTENTION = ("failing", "held", "stale", "partial")
#: What each state means, in one sentence.
SENTENCES = {
    "fresh": "The content is as new as it should be.",
    "running": "A run is bringing new content right now.",
    "queued": "A run waits for its turn.",
    "paused": "An administrator has paused it.",
    "held": "An administrator must decide; nothing was deleted.",
    "failing": "The last runs have failed.",
    "stale": "The content is older than it should be.",
    "partial": "The last run has left out some files.",
    "new": "It has not run yet.",
    "disabled": "It is switched off.",
}


@dataclass
class Snapshot:
    """The status document, and what only pages need."""

    document: dict[str, Any]
    strips: dict[str, charts.Strip]
    stale: dict[str, float]
    #: Rows of jobs that are gone from the configuration are not in it.
    by_name: dict[str, dict[str, Any]] = field(default_factory=dict)


class View:
    """The state as pages show it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._snapshot: Snapshot | None = None
        self._made: tuple[object, ...] = ()
        self._at = -math.inf
        self._strips: dict[str, tuple[str | None, charts.Strip]] = {}

    def now(self) -> float:
        return self.service.clock.now()

    def snapshot(self) -> Snapshot:
        """The state now. Errors: `sqlite3.Error`."""
        service = self.service
        moment = service.clock.monotonic()
        key = (service.store.generation(), service.config, service.scheduler.waiting)
        fresh = self._snapshot is not None and self._made == key
        if fresh and self._snapshot is not None:
            if moment - self._at > _FRESH_SECONDS:
                self._at = moment
                self._refresh_progress(self._snapshot)
            return self._snapshot
        config = service.config
        names = sorted(config.jobs, key=lambda name: (config.jobs[name].job.order, name))
        document = status_document(config, service.store, service.layout, self.now(), names, service.document())
        for job in document["jobs"]:
            job["seen"] = not self.hidden(job["name"])
        strips = {job["name"]: self._strip(job) for job in document["jobs"]}
        stale = {name: stale_after(config.jobs[name].job) for name in names}
        self._snapshot = Snapshot(document, strips, stale, {job["name"]: job for job in document["jobs"]})
        self._made, self._at = key, moment
        return self._snapshot

    def _refresh_progress(self, snapshot: Snapshot) -> None:
        running = self.service.scheduler.running
        for job in snapshot.document["jobs"]:
            if job["run"] is not None and job["name"] in running:
                job["run"] = run_document(running[job["name"]], self.service.layout)

    def _strip(self, job: Mapping[str, Any]) -> charts.Strip:
        last = None if job["last"] is None else job["last"]["id"]
        known = self._strips.get(job["name"])
        if known is None or known[0] != last:
            known = (last, charts.strip(queries.last_results(self.service.store, job["name"], charts.BARS)))
            self._strips[job["name"]] = known
        return known[1]

    # ---- who sees what

    def hidden(self, name: str) -> bool:
        """Whether visitors do not see a job."""
        loaded = self.service.config.jobs.get(name)
        return loaded is None or not loaded.job.public

    def sees_pages(self, visitor: Visitor) -> bool:
        return visitor.views or self.service.config.server.public in ("status", "logs")

    def sees_summary(self, visitor: Visitor) -> bool:
        return visitor.views or self.service.config.server.public != "none"

    def sees_runs(self, visitor: Visitor) -> bool:
        return visitor.views or self.service.config.server.public == "logs"

    def sees_job(self, visitor: Visitor, name: str) -> bool:
        """Whether there is such a job for a visitor: one that is not public does not exist for others."""
        return name in self.service.config.jobs and (visitor.views or not self.hidden(name))

    def upstream(self, url: str | None, visitor: Visitor) -> str | None:
        """How an upstream is shown: never with a user or a password."""
        wanted = self.service.config.server.public_upstream
        if url is None or (wanted == "none" and not visitor.views):
            return None
        if wanted == "host" and not visitor.views:
            return "local" if is_local(url) else shown(host_of(url))
        return shown(without_login(url))

    def counts(self, visitor: Visitor) -> dict[str, int]:
        """How many jobs are in which state."""
        found: dict[str, int] = {}
        for job in self.snapshot().document["jobs"]:
            if job["seen"] or visitor.views:
                found[job["state"]] = found.get(job["state"], 0) + 1
        return found

    def current(self, visitor: Visitor) -> tuple[int, int]:
        """How many jobs have content that is as new as it should be, and how many there are."""
        snapshot, now = self.snapshot(), self.now()
        good = count = 0
        for job in snapshot.document["jobs"]:
            if job["state"] == "disabled" or not (job["seen"] or visitor.views):
                continue
            count += 1
            content = seconds_of(job["content_time"])
            young = content is not None and now - content <= snapshot.stale[job["name"]]
            # Held deletions hold nothing else: the content is new.
            waits = job["hold"] is not None and job["hold"]["kind"] != "deletions"
            good += young and not waits and job["state"] not in ("failing", "partial")
        return good, count

    def document(self, visitor: Visitor) -> dict[str, Any]:
        """The status document for a visitor."""
        found = self.snapshot().document
        jobs = []
        for job in found["jobs"]:
            if not job["seen"] and not visitor.views:
                continue
            job = {key: value for key, value in job.items() if key != "seen"}
            self._correct(job, visitor)
            jobs.append(job)
        server = found["server"]
        if not visitor.views:
            server = {key: server[key] for key in ("version", "running", "queued", "config_ok")}
            if not self.sees_pages(visitor):
                jobs = []
        return {**found, "server": server, "counts": self.counts(visitor), "jobs": jobs}

    def _correct(self, job: dict[str, Any], visitor: Visitor) -> None:
        """What depends on the time, and on who asks."""
        moment = seconds_of(job["content_time"])
        job["content_age"] = None if moment is None else int(self.now() - moment)
        job["upstream"] = self.upstream(job["upstream"], visitor)
        if job["run"] is not None:
            job["run"] = {**job["run"], "upstream": self.upstream(job["run"]["upstream"], visitor)}
        if not visitor.views:
            if job["run"] is not None:
                job["run"].pop("pid", None)
            if job["paused"] is not None:
                job["paused"] = {**job["paused"], "by": None}


def share_done(job: Mapping[str, Any]) -> float | None:
    """The share of a running stage that is done."""
    run = job["run"]
    progress = None if run is None else run["progress"]
    return None if progress is None else progress["fraction"]

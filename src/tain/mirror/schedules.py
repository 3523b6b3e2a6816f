"""From a job and its state to what the planner sees."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tain.mirror.facts import device_of, existing
from tain.mirror.fields import expand
from tain.mirror.model import Job, Limits
from tain.mirror.plan import Bounds, Schedule, View
from tain.mirror.stages import host_of
from tain.mirror.words import DAY


def schedule_of(job: Job, site_zone: str | None = None) -> Schedule:
    """When a job is due."""
    lines = tuple(expand(line) for line in job.cron or ())
    return Schedule(job.every, lines, job.timezone or site_zone, job.jitter, job.window, job.on_missed)


def view_of(name: str, job: Job, row: Mapping[str, Any], site_zone: str | None, now: float) -> View:
    """A job as the planner sees it."""
    upstreams = job.upstreams
    return View(
        name=name,
        schedule=schedule_of(job, site_zone),
        due=row["next_due"],
        priority=job.priority,
        weight=job.weight,
        host=host_of(upstreams[0].url) if upstreams else "",
        device=device_of(existing(job.destination)) or "",
        enabled=job.enabled,
        paused=is_paused(row, now),
        salt=salt(),
    )


def salt() -> str:
    """What makes the jitter of this machine different from that of other ones with the same jobs."""
    return os.uname().nodename


def bounds_of(limits: Limits) -> Bounds:
    return Bounds(limits.jobs, limits.per_upstream, dict(limits.upstream), limits.per_filesystem, limits.start_gap)


def is_paused(row: Mapping[str, Any], now: float) -> bool:
    """Whether an administrator has paused a job."""
    return row["paused_at"] is not None and (row["paused_until"] is None or row["paused_until"] > now)


def stale_after(job: Job) -> float:
    """The age of content from which on a job is stale: three intervals, and at least a day."""
    if job.stale_after is not None:
        return job.stale_after
    return max(3 * job.every if job.every is not None else 3 * DAY, DAY)

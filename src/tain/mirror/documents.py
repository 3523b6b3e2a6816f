"""The status of all jobs as one document, for the table, for ``--json`` and for a page."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tain.mirror.loading import Config, LoadedJob
from tain.mirror.locks import Holder, is_alive
from tain.mirror.plan import start_of
from tain.mirror.runs import Layout, read_json
from tain.mirror.schedules import is_paused, salt, schedule_of, stale_after
from tain.mirror.states import STATES, Facts, state_of
from tain.mirror.store import Store
from tain.release import VERSION

#: Bytes at the end of the events that have the last progress.
_TAIL = 16 << 10
_LAST = ("id", "result", "seconds", "new", "changed", "deleted", "received", "attempts", "why", "exit_code", "hint")


def stamp(moment: float | None) -> str | None:
    """A time in UTC as documents have it."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def status_document(
    config: Config, store: Store, layout: Layout, now: float, names: list[str], server: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The document ``tain.mirror.status/1``. *server*: what a running server says. Errors: `sqlite3.Error`."""
    rows, running = store.jobs(), {row["job"]: row for row in store.unfinished()}
    jobs = []
    for name in names:
        row = rows.get(name) or store.job(name)
        last = None if row["last_run"] is None else store.run(row["last_run"])
        waiting = None if server is None else server["waiting"].get(name)
        jobs.append(job_document(config, config.jobs[name], row, last, running.get(name), layout, now, waiting))
    counts = {state: sum(job["state"] == state for job in jobs) for state in STATES}
    return {
        "schema": "tain.mirror.status/1",
        "generated": stamp(now),
        "site": {"name": config.site.name or os.uname().nodename, "url": config.site.url},
        "server": {
            "version": VERSION,
            "running": counts["running"],
            "queued": counts["queued"],
            "config_ok": True if server is None else server["config_ok"],
            "pid": None if server is None else server["pid"],
            "addresses": [] if server is None else server["addresses"],
            "draining": False if server is None else server["draining"],
        },
        "counts": {state: number for state, number in counts.items() if number},
        "jobs": jobs,
    }


def job_document(
    config: Config,
    loaded: LoadedJob,
    row: Mapping[str, Any],
    last: Mapping[str, Any] | None,
    running: Mapping[str, Any] | None,
    layout: Layout,
    now: float,
    waiting: str | None = None,
) -> dict[str, Any]:
    """One job of the status. *waiting*: why it is due and does not run."""
    job, name = loaded.job, loaded.name
    if running is not None:
        holder = Holder(running["pid"] or 0, running["pid_ticks"] or 0, running["boot_id"] or "")
        running = running if is_alive(holder) else None
    paused = is_paused(row, now)
    state = state_of(
        Facts(
            enabled=job.enabled,
            running=running is not None and running["phase"] != "queued",
            queued=waiting is not None or (running is not None and running["phase"] == "queued"),
            paused=paused,
            held=row["hold"] is not None,
            failures=row["failures"],
            last_result=None if last is None else last["result"],
            last_good=row["last_good"],
            fresh_at=row["content_time"],
            stale_after=stale_after(job),
            now=now,
        )
    )
    due = row["next_due"]
    schedule = schedule_of(job, config.site.timezone)
    return {
        "name": name,
        "state": state,
        "description": job.description,
        "url": job.url,
        "help": job.help,
        "tags": job.tags,
        "content_time": stamp(row["content_time"]),
        "content_age": None if row["content_time"] is None else int(now - row["content_time"]),
        "last_good": stamp(row["last_good"]),
        "last_check": stamp(row["last_check"]),
        "next": None if due is None or schedule.manual else stamp(start_of(schedule, name, due, salt())),
        "size": {"files": row["files"], "bytes": row["bytes"]},
        "upstream": row["upstream"],
        "failures": row["failures"],
        "hold": None
        if row["hold"] is None
        else {
            "kind": row["hold"],
            "why": row["hold_why"],
            "run": row["hold_run"],
            "since": stamp(row["hold_at"]),
            "deletions": row["hold_deletes"],
        },
        "paused": None
        if not paused
        else {
            "by": row["paused_by"],
            "why": row["paused_why"],
            "since": stamp(row["paused_at"]),
            "until": stamp(row["paused_until"]),
        },
        "waiting": waiting,
        "run": None if running is None else run_document(running, layout),
        "last": None
        if last is None
        else {
            **{key: last[key] for key in _LAST},
            "started": stamp(last["started"] or last["queued"]),
            "ended": stamp(last["ended"]),
        },
    }


def last_progress(directory: str) -> dict[str, Any] | None:
    """The last progress of the stage that goes on. Only the end of the events is read: a run of hours has many."""
    try:
        with open(os.path.join(directory, "events.jsonl"), "rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - _TAIL, 0))
            lines = file.read().split(b"\n")[:-1]
    except OSError:
        return None
    for line in reversed(lines):
        try:
            event = json.loads(line)
        except ValueError:
            # The first line may be cut.
            return None
        if event["ev"] == "progress":
            return dict(event)
        if event["ev"] in ("attempt", "stage"):
            return None
    return None


def run_document(row: Mapping[str, Any], layout: Layout) -> dict[str, Any]:
    """A run that goes on, with its progress."""
    directory = layout.run(row["job"], row["id"])
    document = read_json(os.path.join(directory, "run.json")) or row
    progress = last_progress(directory)
    return {
        "id": row["id"],
        "phase": document["phase"],
        "stage": document["stage"],
        "started": stamp(document["started"]),
        "attempt": document["attempts"],
        "upstream": document["upstream"],
        "pid": document["pid"],
        "progress": None
        if progress is None
        else {
            "scanned": progress["entries"],
            "scan_done": progress["fraction"] is not None,
            "files": progress["files"],
            "bytes": progress["bytes"],
            "rate": progress["rate"],
            "eta": progress["left"],
            "fraction": progress["fraction"],
            "deleted": progress["deleted"],
        },
    }

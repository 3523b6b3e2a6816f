"""``tain cluster status``, ``log`` and ``cancel``: from the files of a plan alone, also after a crash."""

from __future__ import annotations

import fcntl
import json
import os
import sys

from tain.cluster.claims import Claims
from tain.cluster.coordinator import CANCEL, first_looks
from tain.cluster.files import PlanFiles
from tain.cluster.journal import LOCK, Journal
from tain.cluster.plan import Plan
from tain.cluster.planned import merged
from tain.cluster.words import Given, reported
from tain.errors import FileError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

SCHEMA = "tain.status/1"


def status(words: list[str]) -> int:
    """How far a plan is; exit code 0, or 1 if there is none."""

    def command() -> int:
        given = Given(words, valued=(), flags=("--json",), strict=True)
        place = given.one_directory()
        rows = [(label, of_plan(directory)) for label, directory in _plans(place)]
        if "--json" in given.flags:
            found = dict(rows) if rows[0][0] else rows[0][1]
            print(json.dumps(found))
            return 0
        for label, row in rows:
            print((f"{label}: " if label else "") + _line(row))
        return 0

    return reported(command)


def log(words: list[str]) -> int:
    """The lines about files of the runs that are done: run by run, or with ``--order`` as in one list."""

    def command() -> int:
        given = Given(words, valued=(), flags=("--order",), strict=True)
        out = sys.stdout.buffer
        with _opened(given.one_directory()) as files, Journal(files) as journal:
            plan, rows = Plan.read(files), list(journal.state.done.values())
            if "--order" in given.flags:
                rows.sort(key=lambda row: row["shard"])
            for group in [rows] if "--order" in given.flags else [[row] for row in rows]:
                for piece in merged(files, plan, group):
                    out.write(piece)
        out.flush()
        return 0

    return reported(command)


def cancel(words: list[str]) -> int:
    """Ask the coordinator, or the workers of ``work``, to stop; exit code 1 if none is at work."""

    def command() -> int:
        place = Given(words, valued=(), flags=(), strict=True).one_directory()
        asked = 0
        for _, directory in _plans(place):
            with _opened(directory) as files:
                if is_at_work(files):
                    os.close(files.open(CANCEL, os.O_WRONLY | os.O_CREAT))
                    asked += 1
        if not asked:
            raise UsageError(f"tain: nobody works on {place}")
        return 0

    return reported(command)


def of_plan(directory: str) -> dict[str, Any]:
    """The document of ``status --json``. Errors: `UsageError`, `FileError`."""
    with _opened(directory) as files, Journal(files) as journal:
        plan, state = Plan.read(files), journal.state
        stats = first_looks(plan, state)
        at_work = is_at_work(files)
        # What `work` has done, and the coordinator has not seen yet.
        claimed = {run for run, _ in Claims(files).reported} - set(state.done)
        word = (
            "running"
            if at_work
            else "finished"
            if state.is_finished
            else "stopped"
            if state.number or claimed
            else "new"
        )
        return {
            "schema": SCHEMA,
            "plan": plan.id,
            "state": "failed" if word == "finished" and state.ended not in (0, 24) else word,
            "code": state.ended,
            "one_stream": plan.reason,
            "shards": len(plan.shards),
            "done": len(state.done),
            "claimed": len(claimed),
            "leased": len(state.leases) if at_work else 0,
            "failed": len(state.failed),
            "retried": state.retried,
            "phases": list(state.phases),
            "refused_workers": sorted(state.refused),
            "io_error": any(row["io_error"] for row in state.done.values()),
            "entries": sum(sum(found["files"].values()) for found in stats),
            "transferred": sum(found["transferred"] for found in stats),
            "transferred_bytes": sum(found["transferred_size"] for found in stats),
            "deleted": sum(sum(row["stats"]["deleted"].values()) for row in state.done.values() if row.get("stats")),
        }


def is_at_work(files: PlanFiles) -> bool:
    """Whether somebody on this machine, or on one that shares locks, works on the plan."""
    try:
        fd = files.open(LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def _plans(place: str) -> Iterator[tuple[str, str]]:
    """The plan in *place*, or the plans of its pairs with their labels."""
    pairs = os.path.join(place, "pairs")
    if not os.path.isdir(pairs):
        yield "", place
        return
    for label in sorted(os.listdir(pairs)):
        yield label, os.path.join(pairs, label)


def _line(row: dict[str, Any]) -> str:
    text = f"{row['plan']} {row['state']}: {row['done']} of {row['shards']} runs"
    if row["leased"]:
        text += f", {row['leased']} at work"
    for name in ("claimed", "failed", "retried"):
        if row[name]:
            text += f", {row[name]} {name}"
    text += f"; {row['entries']} entries, {row['transferred']} files of {row['transferred_bytes']} bytes transferred"
    return text + ("" if row["code"] is None else f"; code {row['code']}")


def _opened(place: str) -> PlanFiles:
    try:
        return PlanFiles(os.fsencode(os.path.abspath(place)))
    except FileNotFoundError as error:
        raise UsageError(f"tain: {place} has no plan") from error
    except OSError as error:
        raise FileError(f"tain: {place}: {error.strerror or error}") from error

"""What runners that vanished have left: results that are not in the database yet, and runs that have none."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

from tain.mirror.hooks import start_finally
from tain.mirror.locks import Holder, is_alive
from tain.mirror.plan import Schedule, due_after
from tain.mirror.record import row_of
from tain.mirror.results import apply_result
from tain.mirror.runs import Layout, read_json
from tain.mirror.store import Store

#: Seconds in which a runner that has been started has written its own row.
_START_SECONDS = 20.0


def reconcile(layout: Layout, store: Store, now: float, schedules: Mapping[str, Schedule]) -> list[str]:
    """Bring the database up to date; returns the runs that were lost. Each is found lost once, by whoever looks first.
    Errors: `sqlite3.Error`."""
    _rebuild(layout, store)
    lost = []
    for row in store.unfinished():
        if is_alive(Holder(row["pid"] or 0, row["pid_ticks"] or 0, row["boot_id"] or "")):
            continue
        if row["phase"] == "queued" and now - row["queued"] < _START_SECONDS:
            # It has the number of the process that started it, and that was killed: its own comes in a moment.
            continue
        document = read_json(os.path.join(layout.run(row["job"], row["id"]), "run.json"))
        with store.transaction():
            current = store.run(row["id"])
            if current is None or current["result"] is not None:
                # Somebody else was faster.
                continue
            if document is None or not document.get("result"):
                document = _lost(document, row, now)
                lost.append(row["id"])
                store.event("lost", "the runner vanished", job=row["job"], run=row["id"], severity="error")
            _import(store, document, schedules.get(row["job"]))
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(layout.run(row["job"], row["id"]), "ballast"))
        if row["id"] in lost:
            start_finally(layout.run(row["job"], row["id"]))
    return lost


def _lost(document: dict[str, Any] | None, row: Mapping[str, Any], now: float) -> dict[str, Any]:
    base = {**row, **(document or {})}
    started = base.get("started") or base["queued"]
    return {
        **base,
        "phase": "ended",
        "result": "lost",
        "why": f"the runner vanished while {base['phase']}",
        "ended": now,
        "seconds": max(now - started, 0.0),
    }


def _import(store: Store, document: Mapping[str, Any], schedule: Schedule | None) -> None:
    name = document["job"]
    store.put_run(row_of(dict(document)))
    before = store.job(name)
    values = apply_result(before, document)
    if schedule is not None:
        result, seconds = document["result"], document["seconds"] or 0.0
        values["next_due"] = due_after(schedule, before["next_due"], document["ended"], seconds, result)
    store.update_job(name, **values)


def _rebuild(layout: Layout, store: Store) -> None:
    """After the database was lost: the runs, holds and figures from the files of the runs."""
    known = store.jobs()
    for name in layout.jobs():
        if name in known:
            continue
        documents = (read_json(os.path.join(layout.run(name, run), "run.json")) for run in layout.runs(name))
        whole = [document for document in documents if document is not None and document.get("result")]
        hold = read_json(os.path.join(layout.job(name), "hold.json")) or {}
        if not whole and not hold:
            continue
        with store.transaction():
            for document in whole:
                _import(store, document, None)
            wanted = {
                key: hold[key] for key in ("hold", "hold_why", "hold_run", "hold_at", "hold_deletes") if key in hold
            }
            paused = {key: hold[key] for key in hold if key.startswith("paused_")}
            if wanted or paused:
                store.update_job(name, **wanted, **paused)
        store.event("config", f"rebuilt from the files of {len(whole)} runs", job=name, severity="warning")

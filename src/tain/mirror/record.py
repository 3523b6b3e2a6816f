"""What a run writes about itself: `run.json`, its events, its row in the database."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

from tain.mirror.choose import mean_rate
from tain.mirror.clock import Clock
from tain.mirror.guards import Refusal
from tain.mirror.locks import Holder
from tain.mirror.model import Upstream
from tain.mirror.runs import RunFiles
from tain.mirror.stages import host_of, without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tain.events import Progress
    from tain.mirror.facts import Probe
    from tain.mirror.outcome import Outcome
    from tain.mirror.selection import Picked
    from tain.mirror.store import Store
    from tain.options.guard import DeletePlan
    from tain.problems import Hint

#: Received bytes from which on a rate is measured.
_MEASURABLE = 1 << 20
#: Figures that the stages of a run add up.
_SUMS = ("new", "changed", "deleted", "received", "sent", "literal", "matched")
#: Columns of the table `run` that `run.json` has too.
COLUMNS = (
    "id", "job", "trigger", "requested_by", "queued", "started", "ended", "seconds", "boot_id", "pid", "pid_ticks",
    "phase", "result", "exit_code", "why", "hint", "stage", "upstream", "attempts", "config_hash", "files", "bytes",
    *_SUMS, "planned_deletes", "planned_of", "speedup",
)  # fmt: skip


def new_document(config: dict[str, Any], holder: Holder, now: float) -> dict[str, Any]:
    """The document of a run that has not begun."""
    return {
        "schema": "tain.mirror.run/1",
        **dict.fromkeys(COLUMNS),
        "id": config["run"],
        "job": config["name"],
        "trigger": config["trigger"],
        "requested_by": config["requested_by"],
        "queued": now,
        "boot_id": holder.boot,
        "pid": holder.pid,
        "pid_ticks": holder.ticks,
        "phase": "queued",
        "attempts": 0,
        "config_hash": config["config_hash"],
        "exit": None,
        "attempt_list": [],
    }


def row_of(document: dict[str, Any]) -> dict[str, Any]:
    """The columns of the table `run`."""
    return {name: document.get(name) for name in COLUMNS}


class Record:
    """The record of one run. A failed write never stops the run."""

    def __init__(self, config: dict[str, Any], files: RunFiles, holder: Holder, clock: Clock) -> None:
        self.files, self.clock = files, clock
        self.store: Store | None = None
        now = clock.now()
        self.document = new_document(config, holder, now)
        self.document["queued"] = config.get("queued", now)
        self.document["started"] = now
        self._keeps = not config["flags"].get("dry_run")
        self._attempt: dict[str, Any] = {}

    def attach(self, store: Store | None) -> None:
        self.store = store

    def event(self, kind: str, **fields: object) -> None:
        self.files.event(kind, **fields)

    def phase(self, phase: str, **fields: object) -> None:
        """The run is in another phase: write everything down."""
        self.document.update(phase=phase, **fields)
        self.event("phase", phase=phase, **fields)
        self._save()

    def _save(self) -> None:
        self.files.save(self.document)
        if self.store is not None and self._keeps:
            with contextlib.suppress(sqlite3.Error):
                self.store.put_run(row_of(self.document))

    # ---- attempts

    def begin_attempt(self, number: int, upstream: str) -> None:
        """An attempt begins; figures of the one before that belong to the same files stay. *upstream*: the address that
        it takes the tree from; a command may have none."""
        url = without_secrets(upstream) or None
        self.document.update(attempts=number, upstream=url)
        self._attempt = {
            "run": self.document["id"], "n": number, "upstream": url, "stage": None,
            "started": self.clock.now(), "ended": None, "exit_code": 0, "error": None, "received": 0, "rate": None,
        }  # fmt: skip
        self.event("attempt", attempt=number, upstream=url)

    def end_attempt(self, code: int, error: str) -> None:
        attempt = self._attempt
        attempt.update(ended=self.clock.now(), stage=self.document["stage"], exit_code=code, error=error or None)
        seconds = attempt["ended"] - attempt["started"]
        attempt["rate"] = attempt["received"] / seconds if seconds > 0 else None
        self.document["attempt_list"].append(attempt)
        if self.store is not None and self._keeps:
            with contextlib.suppress(sqlite3.Error):
                self.store.put_attempt(attempt)

    def probed(self, upstream: Upstream, found: Probe) -> None:
        """The answer of an upstream, which may be none."""
        url = without_secrets(upstream.url)
        self.event("probe", upstream=url, reachable=found.reachable, seconds=round(found.seconds, 3), error=found.error)
        self._put_upstream(
            url, probed=self.clock.now(), reachable=int(found.reachable), latency_ms=round(found.seconds * 1000),
            error=found.error or None, stamp=None if found.stamp is None else found.stamp.identity,
            content_time=None if found.stamp is None else found.stamp.time,
        )  # fmt: skip

    def _put_upstream(self, url: str, **values: object) -> None:
        if self.store is not None and self._keeps:
            with contextlib.suppress(sqlite3.Error):
                self.store.put_upstream(self.document["job"], url, **values)

    def chosen(self, picked: Picked, *, of: int) -> None:
        """The upstream of an attempt, and why."""
        stamp = picked.probe.stamp
        self.document.update(
            content_time=None if stamp is None else stamp.time, content_stamp=None if stamp is None else stamp.identity
        )
        self.event(
            "choice", upstream=host_of(picked.upstream.url), seconds=round(picked.probe.seconds, 3), of=of,
            usable=len(picked.choice.urls),
            reasons={without_secrets(url): reason for url, reason in picked.choice.reasons.items()},
        )  # fmt: skip

    def cooling(self, upstream: Upstream, until: float) -> None:
        """An upstream has failed: others are taken first for a while."""
        self._put_upstream(without_secrets(upstream.url), cooldown_until=until)

    def served(self, upstream: Upstream, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """An upstream has served an attempt: its rate counts for later choices."""
        # What an earlier attempt failed of is over.
        self.document.update(hint=None, hint_text=None)
        url, now = without_secrets(upstream.url), self._attempt["rate"]
        values: dict[str, object] = {"cooldown_until": None}
        # Some kilobytes say nothing about a rate.
        if now and self._attempt["received"] > _MEASURABLE:
            values["rate"] = mean_rate(rows.get(url, {}).get("rate"), now)
        self._put_upstream(url, **values)

    # ---- stages

    def hint(self, found: Sequence[Hint]) -> None:
        """The likely cause of a failure, if one is known."""
        if found:
            self.document.update(hint=found[0].id, hint_text=f"{found[0].cause}; {found[0].fix}")
            self.event("hint", id=found[0].id, cause=found[0].cause)

    def planned(self, plan: DeletePlan, refusal: Refusal | None) -> None:
        """The deletions that the run is about to make, and what was decided."""
        self.document.update(planned_deletes=plan.deletions, planned_of=plan.entries)
        self.event(
            "plan", deletions=plan.deletions, entries=plan.entries, refused=None if refusal is None else refusal.kind,
            why="" if refusal is None else refusal.text,
        )  # fmt: skip

    def progress(self, now: Progress) -> None:
        self.event(
            "progress", phase=now.phase, fraction=now.fraction, bytes=[now.bytes_done, now.bytes_total], rate=now.rate,
            left=now.left, entries=now.entries, files=now.files, deleted=now.deleted,
        )  # fmt: skip

    def add(self, outcome: Outcome, *, whole: bool) -> None:
        """A stage has ended well. *whole*: its list was the whole tree."""
        document, figures = self.document, outcome.result.statistics
        if figures is None:
            return
        created = sum(figures.created.values())
        now = {
            "new": created,
            "changed": max(figures.transferred - figures.created.get("reg", 0), 0),
            "deleted": sum(figures.deleted.values()),
            "received": figures.received,
            "sent": figures.sent,
            "literal": figures.literal,
            "matched": figures.matched,
        }
        for name, value in now.items():
            document[name] = (document[name] or 0) + value
        spent = document.setdefault("stage_seconds", {})
        spent[document["stage"]] = spent.get(document["stage"], 0.0) + round(outcome.result.seconds, 3)
        self._attempt["received"] += figures.received or figures.literal
        if whole:
            # The directory itself is no entry of the tree.
            document.update(files=max(sum(figures.files.values()) - 1, 0), bytes=figures.total_size)
            moved = document["sent"] + document["received"]
            document["speedup"] = figures.total_size / moved if moved else None
        self.event(
            "stage", stage=document["stage"], seconds=round(outcome.result.seconds, 3), files=figures.transferred,
            size=figures.transferred_size, **now,
        )  # fmt: skip

    # ---- the end

    def finish(self, result: str, why: str, code: int, seconds: float, refusal: Refusal | None) -> None:
        """The run has ended."""
        document = self.document
        document.update(
            phase="ended", result=result, why=why, exit_code=code, exit=code, ended=self.clock.now(),
            seconds=round(seconds, 3), hold=None if refusal is None else refusal.kind, dropped=self.files.dropped,
        )  # fmt: skip
        self.files.remove_ballast()
        self._save()
        self.event("end", result=result, why=why, exit=code, seconds=round(seconds, 3))

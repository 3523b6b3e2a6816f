"""Pushes: somebody says that an upstream has something new. A push that comes while the job runs makes one further
pass of that run; any other one is a request that the server, or ``run --due``, answers."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tain.mirror.launch import Request
from tain.mirror.loading import LoadedJob
from tain.mirror.locks import holder_of
from tain.mirror.runs import Layout
from tain.mirror.store import Store
from tain.mirror.words import shown

#: Words of a push that ask for everything; ``mhop`` and ``callback`` are about the one that pushes.
_WHOLE = frozenset(("all", "stage2", "mhop", "callback"))
PAYLOAD = "stage1"


@dataclass(frozen=True)
class Pushed:
    """What a push has led to. `again`: the job runs, and makes another pass; `ignored`: why nothing follows."""

    queued: bool
    again: bool = False
    ignored: str = ""

    def document(self) -> dict[str, Any]:
        """As the answer of a web server."""
        return {"queued": self.queued, "again": self.again}


@dataclass(frozen=True)
class Command:
    """What the words of a push ask for: the job (None: the usual one), and whether only its payload."""

    job: str | None = None
    payload: bool = False


def read_command(text: str) -> Command:
    """Read ``sync:stage1 sync:archive:NAME``, as mirrors send it by ssh. Errors: `ValueError` with a sentence."""
    job, payload, whole = None, False, False
    for word in text.split():
        kind, _, rest = word.partition(":")
        if kind != "sync" or not rest:
            raise ValueError(f"{shown(word)} is no word of a push")
        if rest.startswith("archive:") and rest != "archive:":
            job = rest.removeprefix("archive:")
        elif rest == PAYLOAD:
            payload = True
        elif rest in _WHOLE:
            whole = True
        else:
            raise ValueError(f"{shown(word)} is no word of a push")
    return Command(job, payload and not whole)


def is_for_payload(data: bytes) -> bool:
    """Whether the body of a push by HTTP asks for the payload only: ``{"what": "stage1"}``, as our downstreams get it.
    Any other body asks for everything."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("what") == PAYLOAD


def push(layout: Layout, store: Store, loaded: LoadedJob, by: str, now: float, *, payload: bool = False) -> Pushed:
    """Ask for a run of a job. *by*: who pushed, for the history; *payload*: all stages but the last are enough for now.
    Errors: `sqlite3.Error`."""
    job = loaded.job
    if not job.enabled:
        return Pushed(queued=False, ignored="the job is disabled")
    if payload and (len(job.stages) < 2 or job.publish.mode != "in-place"):
        return Pushed(queued=False, ignored="the job has no stage that can be mirrored before the others")
    store.ask(loaded.name, "push", by, now, stage=PAYLOAD if payload else None)
    store.event("push", "payload" if payload else "everything", job=loaded.name, who=by)
    return Pushed(queued=True, again=holder_of(layout.lock(loaded.name)) is not None)


def request_of(loaded: LoadedJob, row: Mapping[str, Any] | None, otherwise: Request) -> Request:
    """The run that answers the open request *row* of a job; *otherwise* if there is none."""
    if row is None:
        return otherwise
    flags = dict(otherwise.flags)
    if row["stage"] == PAYLOAD:
        flags["stage"] = payload_stages(loaded)
    return replace(otherwise, trigger=row["trigger"], by=row["by"] or "", flags=flags)


def payload_stages(loaded: LoadedJob) -> list[str]:
    """All stages but the last one."""
    return [stage.name for stage in loaded.job.stages[:-1]]


def is_served(layout: Layout) -> bool:
    """Whether a server answers requests."""
    return holder_of(os.path.join(layout.state, "server.lock")) is not None

"""Starting a runner: its directory, its configuration, its process."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from tain.mirror import runs
from tain.mirror.clock import Clock
from tain.mirror.loading import Config, LoadedJob
from tain.mirror.locks import Holder, boot_id, myself, ticks_of
from tain.mirror.record import new_document, row_of
from tain.mirror.store import Store


@dataclass(frozen=True)
class Request:
    """What somebody asks of a run."""

    trigger: str = "hand"
    by: str = ""
    flags: dict[str, Any] = field(default_factory=dict)
    #: The run ends with the server that started it, unless that is killed.
    by_server: bool = False


@dataclass(frozen=True)
class Started:
    """A run whose process has been started."""

    run: str
    directory: str
    process: subprocess.Popen[bytes]
    holder: Holder


def config_hash(loaded: LoadedJob) -> str:
    """A short name of the effective configuration of a job."""
    text = json.dumps(loaded.merged.values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def start(
    config: Config, loaded: LoadedJob, layout: runs.Layout, store: Store, request: Request, clock: Clock
) -> Started:
    """Start a run in a process and a session of its own: it goes on if this process ends. Errors: `OSError`,
    `sqlite3.Error`."""
    now = clock.now()
    run = runs.new_id(now, layout.newest(loaded.name))
    directory = layout.run(loaded.name, run)
    os.makedirs(directory, mode=0o750)
    document = {
        "schema": "tain.mirror.run-config/1",
        "name": loaded.name,
        "run": run,
        "state": layout.state,
        "values": loaded.merged.values,
        "config_hash": config_hash(loaded),
        "trigger": request.trigger,
        "requested_by": request.by,
        "queued": now,
        "flags": request.flags,
        "by_server": request.by_server,
        "bandwidth": config.limits.bandwidth,
        "timezone": config.site.timezone,
        # The addresses of messages are secrets, so they are read from the configuration when they are needed.
        "notify": os.path.abspath(config.file) if config.notify.sends else None,
    }
    runs.write_json(os.path.join(directory, "config.json"), document)
    keeps = not request.flags.get("dry_run")
    if keeps:
        store.put_run(row_of(new_document(document, myself(run), now)))
        _point(layout, loaded.name, run)
    with open(os.path.join(directory, "runner.log"), "ab") as errors:
        process = subprocess.Popen(
            # -P: nothing of the directory that this is started in is imported.
            [sys.executable, "-P", "-m", "tain.mirror.runner", directory],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            cwd="/",
            start_new_session=True,
        )
    holder = Holder(process.pid, ticks_of(process.pid) or 0, boot_id(), run)
    if keeps:
        # A runner that ends before its first line is found lost, also while this process goes on.
        row = {"id": run, "job": loaded.name, "pid": holder.pid, "pid_ticks": holder.ticks, "phase": "starting"}
        store.put_run(row)
    return Started(run, directory, process, holder)


def _point(layout: runs.Layout, name: str, run: str) -> None:
    """Let ``latest`` lead to the newest run."""
    link = os.path.join(layout.job(name), "latest")
    temporary = f"{link}.{run}"
    with contextlib.suppress(OSError):
        os.symlink(os.path.join("runs", run), temporary)
        os.replace(temporary, link)

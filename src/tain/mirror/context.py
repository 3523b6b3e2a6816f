"""What the steps of one run share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tain.mirror.clock import Clock
from tain.mirror.guards import Start
from tain.mirror.hooks import Hooks
from tain.mirror.locks import Holder
from tain.mirror.model import Job
from tain.mirror.outcome import End
from tain.mirror.record import Record
from tain.mirror.runs import Layout, Log, RunFiles
from tain.mirror.store import Store
from tain.mirror.traces import Traces
from tain.mirror.watch import pause, stop_asked

#: A wait longer than this many seconds gives the slot of the run to another one.
_LONG_WAIT = 120.0


@dataclass
class Context:
    """One run: its job, its files, its record, and what earlier runs have left."""

    directory: str
    config: dict[str, Any]
    job: Job
    layout: Layout
    files: RunFiles
    log: Log
    holder: Holder
    record: Record
    clock: Clock
    #: Monotonic time of the beginning.
    began: float
    store: Store | None = None
    stopped: bool = False
    #: The row of the job before the run.
    before: dict[str, Any] = field(default_factory=dict)
    ticket: dict[str, Any] | None = None
    upstream_rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: The configuration of the run before.
    last_hash: str | None = None
    facts: Start = field(default_factory=Start)

    @functools.cached_property
    def hooks(self) -> Hooks:
        """The programs of the job."""
        return Hooks(self.job, self.directory, self.layout.state, self.record.document, self.log, self.clock)

    @functools.cached_property
    def traces(self) -> Traces:
        """The trace files of the job."""
        return Traces(self.job, self.record.document)

    @property
    def name(self) -> str:
        name: str = self.config["name"]
        return name

    @property
    def flags(self) -> dict[str, Any]:
        flags: dict[str, Any] = self.config["flags"]
        return flags

    @property
    def dry_run(self) -> bool:
        return bool(self.flags.get("dry_run"))

    @property
    def control(self) -> str:
        """The file by which others ask for a stop, or set the bandwidth."""
        return self.files.path("control.json")

    @property
    def ends(self) -> float:
        """Monotonic time at which the run must end."""
        return self.began + self.job.max_runtime

    def trace(self, write: Callable[[], None]) -> None:
        """Write trace files. A full disk, or a link in the way, never fails the run."""
        try:
            write()
        except OSError as error:
            self.log.note(f"no trace was written: {error}")

    def check_stop(self) -> None:
        """Errors: `End`, if somebody has asked for a stop."""
        asked = "a signal" if self.stopped else stop_asked(self.control)
        if asked is not None:
            raise End("cancelled", asked if asked.startswith("stopped") else f"stopped by {asked}")

    def pause(self, seconds: float, why: str) -> None:
        """Wait; during a long wait the run is `queued`, and its slot is free for another one. Errors: `End`, if
        somebody asked for a stop meanwhile."""
        phase = self.record.document["phase"]
        if seconds > _LONG_WAIT:
            self.record.phase("queued")
        if not pause(self.clock, seconds, self.control, lambda: self.stopped):
            raise End("cancelled", why)
        if seconds > _LONG_WAIT:
            self.record.phase(phase)

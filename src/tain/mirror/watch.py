"""What stops a running transfer: a person, a stall, the time, the room, the memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

import psutil

from tain.api import Transfer
from tain.mirror.bandwidth import Pace, Rate
from tain.mirror.clock import Clock
from tain.mirror.facts import space
from tain.mirror.guards import Start, judge_space
from tain.mirror.model import Job
from tain.mirror.outcome import Stop
from tain.mirror.runs import read_json
from tain.mirror.words import bytes_text, duration_text

#: Seconds between two looks, and between two looks at the file system.
_STEP, _SPACE_STEP = 0.25, 10.0


class Watch:
    """A thread beside a transfer. `reason` is set when it has stopped the transfer."""

    def __init__(self, job: Job, transfer: Transfer, control: str, clock: Clock, ends: float, rate: Rate) -> None:
        """*control*: the file by which others ask for a stop, or set the bandwidth. *ends*: monotonic time at which the
        run is over."""
        self._job, self._transfer, self._control, self._clock, self._ends = job, transfer, control, clock, ends
        self._rate = rate
        self._limit = rate.now(clock.now())
        self._pace = Pace(job.failover.min_rate if len(job.upstreams) > 1 else None)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)
        self.reason: Stop | None = None

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self._thread.join()

    def stop(self, kind: str, text: str) -> None:
        """Stop the transfer; the first reason counts."""
        if self.reason is None:
            self.reason = Stop(kind, text)
        self._transfer.cancel()

    def _watch(self) -> None:
        clock = self._clock
        moved_at = clock.monotonic()
        space_at = moved_at
        last: object = None
        while not self._done.wait(_STEP) and self.reason is None:
            now = clock.monotonic()
            document = read_json(self._control)
            asked = stop_text(document)
            if asked is not None:
                self.stop("stop", asked)
                return
            self._set_rate(document)
            progress = self._transfer.progress
            figures = progress and (
                progress.entries, progress.decided, progress.files, progress.bytes_done, progress.deleted,
            )  # fmt: skip
            if figures != last:
                last, moved_at = figures, now
            if progress is not None and self._pace.is_slow(now, progress.bytes_done, progress.phase):
                assert self._pace.least is not None
                self.stop("slow", f"the upstream sends less than {bytes_text(self._pace.least)}/s")
            elif now - moved_at > self._job.stall_timeout:
                self.stop("stall", f"nothing has moved for {duration_text(self._job.stall_timeout)}")
            elif now > self._ends:
                self.stop("runtime", f"the run has taken {duration_text(self._job.max_runtime)}")
            elif now - space_at > _SPACE_STEP:
                space_at = now
                self._check_room()

    def _set_rate(self, document: Mapping[str, Any] | None) -> None:
        """Apply the timetable, and what the server has given this run, to the transfer that goes on."""
        share = None if document is None else document.get("bandwidth")
        limit = self._rate.now(self._clock.now(), share if isinstance(share, int) and share > 0 else None)
        if limit != self._limit:
            self._limit = limit
            self._transfer.set_bwlimit(None if limit is None else max(1, limit // 1024))

    def _check_room(self) -> None:
        refusal = judge_space(self._job.guard, space(Start(), self._job.destination))
        if refusal is not None:
            self.stop("disk", refusal.text)
        limit = self._job.resources.max_memory
        if limit is not None:
            used = psutil.Process(os.getpid()).memory_info().rss
            if used > limit:
                self.stop("memory", f"the run uses {bytes_text(used)}; the limit is {bytes_text(limit)}")


def stop_asked(control: str) -> str | None:
    """Who asked for a stop, if somebody has."""
    return stop_text(read_json(control))


def stop_text(document: Mapping[str, Any] | None) -> str | None:
    """Who asked for a stop in the document of a control file, if somebody has."""
    if document is None or not document.get("stop"):
        return None
    return f"stopped by {document.get('by', 'somebody')}"


def pause(clock: Clock, seconds: float, control: str, stopped: Callable[[], bool]) -> bool:
    """Wait between two attempts; False: a stop was asked for meanwhile."""
    end = clock.monotonic() + seconds
    while not stopped() and stop_asked(control) is None:
        left = end - clock.monotonic()
        if left <= 0:
            return True
        clock.sleep(min(left, _STEP))
    return False

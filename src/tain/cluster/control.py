"""The runs of this process, for whoever cancels one, limits it or asks how far it is. Any thread may call this."""

from __future__ import annotations

import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tain import _core
    from tain.cluster.messages import Work

#: The exit code of a run that was cancelled.
CANCELLED = 20
#: The part of a lease after which a run that could not renew it ends by itself.
_OWN_PART = 0.75
#: Figures of a run that are reported while it runs.
_FIGURES = (
    "entries", "listed_bytes", "decided", "undecided_bytes", "asked_bytes", "done_bytes", "room_bytes", "wire_bytes",
    "files", "created", "updated", "attributes", "deleted", "errors",
)  # fmt: skip

_lock = threading.Lock()
_running: dict[str, Control] = {}


class Control:
    """One run. As a context manager it is known to `send` and `figures` by the key of its work, and ends itself when
    its lease cannot be renewed."""

    def __init__(self, work: Work) -> None:
        self.key = work.key
        #: The exit code of a cancel; 0 without one.
        self.cancelled = 0
        self._lease = work.lease
        self._due = time.monotonic() + work.lease * _OWN_PART
        self._transfer: _core.Run | None = None
        self._limit: int | None = None
        self._ended = threading.Event()

    def __enter__(self) -> Control:
        with _lock:
            _running[self.key] = self
        if self._lease:
            threading.Thread(target=self._watch, name=f"lease {self.key}", daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        with _lock:
            _running.pop(self.key, None)

    def began(self, transfer: _core.Run) -> None:
        """The transfer of the run has begun."""
        self._transfer = transfer
        if self._limit is not None:
            transfer.set_bwlimit(self._limit)
        if self.cancelled:
            transfer.cancel(self.cancelled)

    def cancel(self, code: int = CANCELLED) -> None:
        """End the run within 100 ms; it has the exit code *code*."""
        self.cancelled = self.cancelled or code
        if self._transfer is not None:
            self._transfer.cancel(self.cancelled)

    def set_bwlimit(self, bytes_per_second: int) -> None:
        """Limit the run from now on; 0: no limit."""
        self._limit = bytes_per_second
        if self._transfer is not None:
            self._transfer.set_bwlimit(bytes_per_second)

    def renew(self, seconds: float) -> None:
        """The lease lasts *seconds* from now."""
        self._due = time.monotonic() + seconds * _OWN_PART

    def figures(self) -> dict[str, int | bool]:
        """How far the run is; empty before its transfer begins."""
        if self._transfer is None:
            return {}
        live = self._transfer.figures()
        return {"complete": live.complete, **{name: int(getattr(live, name)) for name in _FIGURES}}

    def _watch(self) -> None:
        while not self._ended.wait(max(min(self._due - time.monotonic(), 1.0), 0.01)):
            if time.monotonic() >= self._due:
                self.cancel()
                return


def send(key: str, verb: str) -> bool:
    """Send a verb to the run with this key; whether it runs here and knows the verb.

    Verbs: ``cancel``; ``bwlimit=BYTES`` per second; ``lease=SECONDS`` renews its lease.
    """
    with _lock:
        run = _running.get(key)
    name, _, value = verb.partition("=")
    if run is None:
        return False
    if verb == "cancel":
        run.cancel()
    elif name == "bwlimit" and value.isdecimal():
        run.set_bwlimit(int(value))
    elif name == "lease" and value.replace(".", "", 1).isdecimal():
        run.renew(float(value))
    else:
        return False
    return True


def figures() -> dict[str, dict[str, int | bool]]:
    """The figures of all runs of this process, by key."""
    with _lock:
        running = dict(_running)
    return {key: run.figures() for key, run in running.items()}


def keys() -> Iterator[str]:
    """The keys of all runs of this process."""
    with _lock:
        return iter(tuple(_running))

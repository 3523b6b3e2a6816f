"""How many streams may be connected at once, and how fast they may begin."""

from __future__ import annotations

import contextlib
import threading
import time

from tain.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: Connections to one host, and to a daemon, whose modules often allow few.
CONNECTIONS, DAEMON_CONNECTIONS = 8, 4
#: Seconds between two connections: an ssh server drops some of many that are not yet authenticated.
GAP = 0.2
#: Seconds that a stream waits after a lost connection, doubled with each further one.
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0


class Limits:
    """Counts the connections of a run. All methods may be called from any thread."""

    def __init__(self, jobs: int, *, remote: bool, daemon: bool, words: bytes | None = None) -> None:
        """*words*: ``connections=N,start-gap=SECONDS``, those of the option. Errors: `UsageError`."""
        given = _read(words)
        connections = given.get("connections", DAEMON_CONNECTIONS if daemon else CONNECTIONS)
        #: Streams at once.
        self.streams = min(jobs, int(connections)) if remote else jobs
        self._gap = given.get("start-gap", GAP) if remote else 0.0
        self._lock = threading.Condition()
        self._free = self.streams
        self._due = 0.0
        self._wait = _FIRST_WAIT

    @contextlib.contextmanager
    def connection(self) -> Iterator[None]:
        """A connection, once one is free."""
        with self._lock:
            self._lock.wait_for(lambda: self._free > 0)
            self._free -= 1
            now = time.monotonic()
            self._due = max(self._due, now) + self._gap
            pause = self._due - self._gap - now
        if pause > 0:
            time.sleep(pause)
        try:
            yield
        finally:
            with self._lock:
                self._free += 1
                self._lock.notify()

    def refused(self) -> None:
        """A connection failed or was refused: one less at a time, if others remain, after a pause."""
        with self._lock:
            if self.streams > 1:
                self.streams -= 1
                self._free -= 1
            pause, self._wait = self._wait, min(self._wait * 2, _LONGEST_WAIT)
        time.sleep(pause)


def _read(words: bytes | None) -> dict[str, float]:
    """The limits of the option. Errors: `UsageError`."""
    found: dict[str, float] = {}
    for word in (words or b"").split(b","):
        if not word:
            continue
        name, _, value = word.decode("utf-8", "replace").partition("=")
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        least = 1.0 if name == "connections" else 0.0
        if name not in ("connections", "start-gap") or not least <= number <= 3600:
            raise UsageError(f"rsync: --jobs-limit={word.decode('utf-8', 'replace')} is not understood")
        found[name] = number
    return found

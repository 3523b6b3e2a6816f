"""How many runs of a plan may be at work at once."""

from __future__ import annotations

import time

from tain.errors import UsageError
from tain.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tain.cluster.messages import Report

#: Connections to one host, if one end is elsewhere.
CONNECTIONS = 8
#: What a server that has enough connections answers; no failure of the run.
_REFUSALS = ("max connections", "kex_exchange_identification")
_FIRST_WAIT, _LONGEST_WAIT, _QUIET = 1.0, 60.0, 60.0


class Limits(Record):
    """The most runs at once; None: no limit."""

    total: int | None = None
    connections: int | None = None
    """To the host of a remote end; None: 8."""
    streams_per_node: int | None = None
    """On each worker machine."""
    hosts: Mapping[str, int] = {}
    """On these worker machines."""
    mounts: Mapping[str, int] = {}
    """Of plans with a root at or below these directories."""

    @classmethod
    def parse(cls, words: Iterable[str]) -> Limits:
        """The limits of ``total=N``, ``connections=N``, ``host:NAME=N`` and ``mount:PATH=N``. Errors: `UsageError`."""
        fields: dict[str, int] = {}
        hosts: dict[str, int] = {}
        mounts: dict[str, int] = {}
        for word in words:
            name, _, value = word.rpartition("=")
            kind, _, what = name.partition(":")
            if not value.isdecimal() or not 1 <= int(value) <= 100_000:
                raise UsageError(f"tain: --limit: {word!r} has no number from 1 on")
            if name in ("total", "connections"):
                fields[name] = int(value)
            elif kind == "host" and what:
                hosts[what] = int(value)
            elif kind == "mount" and what.startswith("/"):
                mounts[what.rstrip("/") or "/"] = int(value)
            else:
                raise UsageError(
                    f"tain: --limit: {word!r} is not understood: total=N, connections=N, host:NAME=N or mount:/PATH=N"
                )
        return cls(total=fields.get("total"), connections=fields.get("connections"), hosts=hosts, mounts=mounts)


class Counter:
    """Applies limits to the runs of one plan."""

    def __init__(self, limits: Limits, *, roots: Iterable[bytes], remote: bool) -> None:
        self._limits = limits
        places = [root.decode("utf-8", "surrogateescape").rstrip("/") + "/" for root in roots]
        found = [
            number
            for mount, number in limits.mounts.items()
            if any(place.startswith(mount.rstrip("/") + "/") for place in places)
        ]
        if limits.total is not None:
            found.append(limits.total)
        if remote:
            found.append(CONNECTIONS if limits.connections is None else limits.connections)
        self._most = min(found, default=None)
        #: What a server has left of that.
        self._now = self._most
        self._wait, self._due, self._refused_at = _FIRST_WAIT, 0.0, 0.0

    def worker(self, slots: Mapping[str, int], running: Iterable[str], avoid: Iterable[str]) -> str | None:
        """A worker that may have one more run; None: none. *running*: the worker of each run that is at work. Workers
        to *avoid* are taken only if no other one has a place."""
        counts: dict[str, int] = {}
        total = 0
        for name in running:
            total += 1
            counts[machine(name)] = counts.get(machine(name), 0) + 1
        now = time.monotonic()
        if self._now is not None and self._most is not None:
            if self._now < self._most and now - self._refused_at >= _QUIET:
                self._now, self._refused_at = self._now + 1, now
            if total >= self._now:
                return None
        if now < self._due:
            return None
        usual = self._limits.streams_per_node
        shunned = frozenset(avoid)
        for name in sorted(slots, key=lambda name: (name in shunned, -slots[name])):
            most = self._limits.hosts.get(machine(name), usual)
            if slots[name] > 0 and (most is None or counts.get(machine(name), 0) < most):
                return name
        return None

    def is_refused(self, report: Report, *, others: int) -> bool:
        """Whether the run was only refused a connection while *others* have theirs: it waits for one then."""
        if not others or report.stats or report.code not in (5, 10, 12, 255):
            return False
        busy = any(text in report.errors for text in _REFUSALS) or (report.code == 255 and report.seconds < 1)
        if busy:
            now = time.monotonic()
            self._now = max(others, 1)
            self._most = self._most or self._now + 1
            self._refused_at, self._due = now, now + self._wait
            self._wait = min(self._wait * 2, _LONGEST_WAIT)
        return busy


def machine(worker: str) -> str:
    """The machine of a worker."""
    return worker.partition("/")[0]

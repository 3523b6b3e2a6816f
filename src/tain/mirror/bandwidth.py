"""How fast a run may be, and how fast it must be. Pure."""

from __future__ import annotations

from tain.mirror.model import Job, Upstream
from tain.mirror.plan import local
from tain.mirror.words import MINUTE

#: An upstream that has been slow for so many seconds is left.
_PATIENCE = 10.0 * MINUTE


class Rate:
    """The limit of one transfer. *limit*: what the site gives each run, in bytes per second."""

    def __init__(self, job: Job, upstream: Upstream, limit: int | None, timezone: str | None) -> None:
        self._job, self._upstream, self._limit = job, upstream, limit
        self._zone = job.timezone or timezone

    def now(self, moment: float, share: int | None = None) -> int | None:
        """Bytes per second at *moment*, in seconds since 1970; None: no limit. *share*: what the server gives now."""
        table = self._job.resources.bandwidth
        own = None if table is None else table.at(local(moment, self._zone))
        # A server divides the bandwidth of the site anew while runs come and go.
        rates = [rate for rate in (share or self._limit, own, self._upstream.bandwidth) if rate]
        return min(rates, default=None)


class Pace:
    """Whether an upstream has been too slow for too long. *least*: bytes per second; None: it cannot be."""

    def __init__(self, least: int | None) -> None:
        self.least = least
        self._since: tuple[float, int] | None = None

    def is_slow(self, now: float, done: int, phase: str) -> bool:
        """*done*: bytes of files so far, at monotonic time *now*. Only a transfer of files has a rate."""
        if self.least is None or phase != "copy":
            self._since = None
            return False
        if self._since is None:
            self._since = (now, done)
            return False
        began, before = self._since
        if done - before >= self.least * max(now - began, 1.0):
            # It is fast enough: the patience begins from here.
            self._since = (now, done)
            return False
        return now - began >= _PATIENCE

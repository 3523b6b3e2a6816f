"""Limits on simultaneous and new connections (spec: security SEC-32)."""

from __future__ import annotations

import socket
import time

from tain.digits import INT_MAX, bounded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.daemon.sections import Config

_RATE_SPAN = 60.0


class Limits:
    """Limits on simultaneous and new connections (spec: security SEC-32). Zero means no limit."""

    def __init__(self, config: Config) -> None:
        strict = config.strict

        def of(name: str) -> int:
            # rsync has no such limits, so the defaults count only with `tain strict`.
            return config.globals.number(name) if strict or name in config.globals.lines else 0

        self.workers = of("tain max workers")
        self.per_address = of("tain max per address")
        rate = config.globals.text("tain rate limit") if strict or "tain rate limit" in config.globals.lines else b""
        digits = rate.partition(b"/")[0].strip()
        self.rate = bounded(digits, INT_MAX) if digits.isdigit() else 0
        self._recent: dict[str, list[float]] = {}
        self._reported: dict[str, float] = {}

    @staticmethod
    def key(address: str) -> str:
        """An IPv4 address, or the /64 of an IPv6 one."""
        if ":" not in address or "." in address:
            return address
        return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])[:8].hex()

    def exceeded(self, key: str, running: int) -> int:
        """The limit that one more connection would exceed, or 0."""
        if self.per_address and running >= self.per_address:
            return self.per_address
        if self.rate:
            now = time.monotonic()
            recent = [at for at in self._recent.get(key, ()) if now - at < _RATE_SPAN]
            if len(recent) >= self.rate:
                self._recent[key] = recent
                return self.rate
            self._recent[key] = [*recent, now]
            if len(self._recent) > 4096:
                self._recent = {k: v for k, v in self._recent.items() if now - v[-1] < _RATE_SPAN}
        return 0

    def may_report(self, key: str) -> bool:
        """Whether a refused connection is logged: once per minute and address."""
        now = time.monotonic()
        if now - self._reported.get(key, -_RATE_SPAN) < _RATE_SPAN:
            return False
        if len(self._reported) > 4096:
            self._reported.clear()
        self._reported[key] = now
        return True

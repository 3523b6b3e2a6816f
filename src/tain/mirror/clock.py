"""The clock as a value, so that tests can simulate it: wall-clock time for due times, monotonic time for lengths."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What reads time and waits."""

    def now(self) -> float:
        """Seconds since 1970."""

    def monotonic(self) -> float:
        """Seconds since some moment; it never jumps."""

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


SYSTEM = SystemClock()

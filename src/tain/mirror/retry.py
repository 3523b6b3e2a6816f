"""Which attempt follows a failed one, and when. Pure."""

from __future__ import annotations

from tain.mirror.model import Retry

#: A daemon without a free connection has other users, so it gets more time.
_BUSY_WAIT = 300.0
#: The largest random part of a wait.
_SPREAD = 0.2


def is_good(retry: Retry, code: int) -> bool:
    """Whether a transfer with this exit code is complete."""
    return code in retry.accept


def is_repeated(retry: Retry, code: int) -> bool:
    """Whether another attempt may help."""
    return code in retry.codes


def wait_before(retry: Retry, failed: int, *, busy: bool, luck: float) -> float:
    """Seconds before the next attempt. *failed*: attempts so far. *busy*: the daemon had no free connection. *luck*: a
    random number from 0 to 1."""
    wait: float = min(retry.wait * 2.0 ** (failed - 1), retry.max_wait) * (1 + _SPREAD * luck)
    return max(wait, _BUSY_WAIT) if busy else wait

"""Locks with a known holder, and signals that cannot reach another process."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
from dataclasses import asdict, dataclass

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


@dataclass(frozen=True)
class Holder:
    """A process that cannot be confused with a later one of the same number."""

    pid: int
    #: When it started, in clock ticks since the machine did.
    ticks: int
    boot: str
    run: str = ""


def boot_id() -> str:
    """The name of this start of the machine."""
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def ticks_of(pid: int) -> int | None:
    """When a process started; None if there is none, or if it has ended and nobody has waited for it."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def myself(run: str = "") -> Holder:
    """The calling process."""
    pid = os.getpid()
    return Holder(pid, ticks_of(pid) or 0, boot_id(), run)


def is_alive(holder: Holder) -> bool:
    """Whether the process still runs."""
    return holder.boot == boot_id() and ticks_of(holder.pid) == holder.ticks


def send(holder: Holder, number: signal.Signals) -> bool:
    """Send a signal to exactly this process. False: it has ended."""
    try:
        fd = os.pidfd_open(holder.pid)
    except OSError:
        return False
    try:
        # Checked behind the descriptor: from here on the number cannot go to another process.
        if not is_alive(holder):
            return False
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


class Lock:
    """An flock on a file that names its holder. The lock ends with the process that holds it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = -1

    def take(self, holder: Holder) -> bool:
        """Whether the lock is ours now. Errors: `OSError`."""
        # No symbolic link: the directory of a lock may be one that others can write.
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        except BaseException:
            os.close(fd)
            raise
        text = json.dumps(asdict(holder)).encode()
        os.ftruncate(fd, 0)
        # On a full disk the lock is held without a name: the transfer goes on.
        with contextlib.suppress(OSError):
            os.pwrite(fd, text, 0)
        self._fd = fd
        return True

    def release(self) -> None:
        """Give the lock back; nothing happens without it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def holder_of(path: str) -> Holder | None:
    """Who holds the lock at *path*; None: nobody. Errors: none, a lock that cannot be read has no holder."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        try:
            fields = json.loads(os.pread(fd, 4096, 0))
            return Holder(int(fields["pid"]), int(fields["ticks"]), str(fields["boot"]), str(fields["run"]))
        except (ValueError, KeyError, TypeError):
            # Its holder has not written its name yet.
            return Holder(0, 0, "")
    finally:
        os.close(fd)

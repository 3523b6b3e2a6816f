"""The slots of ``max connections``: record locks in a file, which the kernel releases (spec: daemon 4.5)."""

from __future__ import annotations

import fcntl
import os

from tain.session import operator_file

_WIDTH = 4
#: struct flock: type, whence, start, length, pid; the kernel wants no pid with locks of open files.
_FLOCK = "hhqqi4x"


def claim(path: bytes, limit: int, *, shared: bool = False) -> int | None:
    """A descriptor that holds one of *limit* slots, or None when all are taken. Errors: `OSError` when the file cannot
    be opened.

    The slot is held until this process ends. Children do not inherit a record lock, and it ends when this process
    closes any descriptor of the file: keep it open. *shared*: connections share this process, so the lock is one of the
    open file. It excludes the other kind, travels with the descriptor, and ends when the last copy of that is closed.
    """
    fd = operator_file.open_walk(path, os.O_RDWR | os.O_CREAT, 0o600)
    for place in range(limit):
        try:
            if shared:
                import struct

                lock = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, place * _WIDTH, _WIDTH, 0)
                fcntl.fcntl(fd, fcntl.F_OFD_SETLK, lock)
            else:
                fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, _WIDTH, place * _WIDTH)
        except (BlockingIOError, PermissionError):
            continue
        return fd
    os.close(fd)
    return None

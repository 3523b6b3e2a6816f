"""Places of ``max connections``: record locks in a file, given back by the kernel (spec: daemon 4.5)."""

from __future__ import annotations

import fcntl
import os

from tain.session import operator_file

_WIDTH = 4


def claim(path: bytes, limit: int) -> int | None:
    """A descriptor that holds one of ``limit`` places until this process ends, or None when all are taken.

    Record locks are not inherited by forks, and go when the process closes any descriptor of the file: keep it open.
    Raises :class:`OSError` when the file cannot be opened.
    """
    fd = operator_file.open_walk(path, os.O_RDWR | os.O_CREAT, 0o600)
    for place in range(limit):
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, _WIDTH, place * _WIDTH)
        except (BlockingIOError, PermissionError):
            continue
        return fd
    os.close(fd)
    return None

"""The slots of ``max connections``: record locks in a file, which the kernel releases (spec: daemon 4.5)."""

from __future__ import annotations

import fcntl
import os

from tain.session import operator_file

_WIDTH = 4


def claim(path: bytes, limit: int) -> int | None:
    """A descriptor that holds one of *limit* slots until this process ends, or None when all are taken.

    Children do not inherit a record lock, and it ends when this process closes any descriptor of the file: keep it
    open. Errors: `OSError` when the file cannot be opened.
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

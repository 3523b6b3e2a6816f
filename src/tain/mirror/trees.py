"""Whole trees on this machine: removed, linked to, exchanged. The loops over files are those of the core."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import tempfile

from tain import api
from tain.mirror.words import visible
from tain.results import Result

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
#: The request that clones a file (linux/fs.h).
_FICLONE = 0x40049409


def reason(result: Result) -> str:
    """Why a transfer failed, in one line."""
    if result.problems:
        return visible(result.problems[0].text)
    lines = [line for line in result.messages if line.strip()]
    return visible(lines[0]) if lines else f"code {result.code}"


def remove(path: str) -> bool:
    """Remove a directory with everything in it; whether it is gone. A link is not followed."""
    if os.path.islink(path) or not os.path.isdir(path):
        return False
    with tempfile.TemporaryDirectory(prefix="tain-empty-") as empty:
        options = api.Options(archive=False, recursive=True, delete="before", force=True)
        api.Transfer(empty + "/", path, options=options, guard=None, preflight=False, cwd="/").run()
    with contextlib.suppress(OSError):
        os.rmdir(path)
    return not os.path.lexists(path)


def sync(directory: str) -> None:
    """Write the names in a directory to the disk. Errors: `OSError`."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def point(link: str, target: str) -> None:
    """Let *link* lead to *target*; a reader sees the old or the new one. Errors: `OSError`."""
    temporary = f"{link}.{os.getpid()}.tain"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    os.symlink(target, temporary)
    try:
        os.rename(temporary, link)
    except OSError:
        os.unlink(temporary)
        raise
    sync(os.path.dirname(link))


def exchange(one: str, other: str) -> None:
    """Exchange two names in one step. Errors: `OSError`, also where the file system cannot do that."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), one)


def can_clone(directory: str) -> bool | None:
    """Whether files of a directory's file system can be cloned; None: the directory cannot be written."""
    try:
        with tempfile.TemporaryFile(dir=directory) as one, tempfile.TemporaryFile(dir=directory) as other:
            one.write(b"x" * 4096)
            one.flush()
            try:
                fcntl.ioctl(other.fileno(), _FICLONE, one.fileno())
            except OSError:
                return False
            return True
    except OSError:
        return None

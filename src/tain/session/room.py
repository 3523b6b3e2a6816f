"""The free space of a destination, and what a run needs of it (``--preflight``)."""

from __future__ import annotations

import os
import time

from tain.report.quantities import count, counted, shown_name, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain import _core

#: The exit code of a run for which there is not enough room: that of a full disk.
CODE = 11
#: Seconds between two looks at the free space.
_SECOND = 1.0
#: File systems that may store data in less room than it has, so that nobody knows what a file needs.
_COMPRESSING = frozenset((b"btrfs", b"zfs", b"bcachefs", b"f2fs"))


def existing(path: bytes) -> bytes:
    """The deepest directory of *path* that exists."""
    while path not in (b"", b"/") and not os.path.isdir(path):
        path = os.path.dirname(path.rstrip(b"/"))
    return path or b"/"


def mount_of(path: bytes) -> bytes:
    """Where the file system of *path* is mounted."""
    path = os.path.realpath(path)
    while path != b"/" and not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


def free_room(path: bytes, *, reserve: bool = False) -> tuple[int | None, int | None]:
    """Bytes and inodes that are free where *path* is, or would be. None: the file system does not say.

    *reserve*: with the part that the file system keeps for root.
    """
    try:
        found = os.statvfs(existing(path))
    except OSError:
        return None, None
    # Some file systems have no size, or no fixed number of inodes, and report none.
    blocks, inodes = (found.f_bfree, found.f_ffree) if reserve else (found.f_bavail, found.f_favail)
    return blocks * found.f_frsize if found.f_blocks else None, inodes if found.f_files else None


def shortage(path: bytes, planned: _core.Planned) -> str:
    """Why *planned* does not fit where *path* is, or would be; empty if it does."""
    free, inodes = free_room(path)
    deleted = planned.delete[0]
    if free is not None and planned.need_bytes > free:
        freed = size(planned.freed_bytes) if planned.freed_bytes else ""
        return _text(path, planned.need_bytes, free, deleted, freed)
    if inodes is not None and planned.need_inodes > inodes:
        freed = count(planned.freed_inodes) if planned.freed_inodes else ""
        return _text(path, planned.need_inodes, inodes, deleted, freed, inodes=True)
    return ""


def _text(path: bytes, need: int, free: int, deletions: int, freed: str, *, inodes: bool = False) -> str:
    def shown(number: int) -> str:
        return count(number) if inodes else size(number)

    what = " inodes" if inodes else ""
    would = f"; {counted(deletions, 'deletion', 'deletions')} would free {freed}" if freed else ""
    return (
        f"tain: not enough room on {shown_name(mount_of(existing(path)))}: "
        f"{shown(need)}{what} needed, {shown(free)} free ({shown(need - free)} short{would})"
    )


def answer(transfer: _core.Run, planned: _core.Planned, path: bytes) -> None:
    """Let a held run begin if its destination *path* has room for it, and end it otherwise."""
    if short := shortage(path, planned):
        transfer.refuse(CODE, short)
    else:
        transfer.answer(True)


class Watch:
    """Looks from time to time whether what a run has asked for still fits."""

    def __init__(self, path: bytes) -> None:
        self._path = path
        self._due = time.monotonic() + _SECOND
        self._stopped = False

    def check(self, transfer: _core.Run) -> str:
        """Why the run cannot be completed, once; else empty. The run is then stopped with code 11."""
        now = time.monotonic()
        if self._stopped or now < self._due:
            return ""
        self._due = now + _SECOND
        # In this order: what is written in between is missing in both, so a run that fits is never ended.
        free = free_room(self._path, reserve=os.geteuid() == 0)[0]
        need = transfer.figures().room_bytes
        if free is None or need <= free:
            return ""
        self._stopped = True
        if _type_of(mount_of(existing(self._path))) in _COMPRESSING:
            return ""
        transfer.stop(CODE)
        return _text(self._path, need, free, 0, "")


def _type_of(mount: bytes) -> bytes:
    """The type of the file system that is mounted at *mount*; empty if the system does not say it."""
    found = b""
    try:
        with open("/proc/self/mountinfo", "rb") as lines:
            for line in lines:
                fields, _, rest = line.partition(b" - ")
                # The last one covers those before it. Blanks in names are written as \\040.
                if fields.split()[4].decode("unicode_escape").encode("latin-1") == mount:
                    found = rest.split()[0]
    except (OSError, IndexError, UnicodeError):
        return b""
    return found

"""The free space of a destination, and what a run needs of it (``--preflight``)."""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from tain.report.quantities import count, counted, shown_name, size
from tain.session import quota
from tain.session.mounts import existing, mount_of, mounted_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain import _core

#: The exit code of a run for which there is not enough room: that of a full disk.
CODE = 11
#: Seconds between two looks at the free space.
_SECOND = 1.0
_QUOTA = "left of the quota"
#: File systems that may store data in less room than it has, so that nobody knows what a file needs.
_COMPRESSING = frozenset((b"btrfs", b"zfs", b"bcachefs", b"f2fs"))


class Room(NamedTuple):
    """Bytes and inodes that a run may still use. None: the file system does not say."""

    bytes: int | None
    inodes: int | None
    #: What limits them, as messages name it.
    bytes_of: str = "free"
    inodes_of: str = "free"


def free_room(path: bytes, *, reserve: bool = False) -> Room:
    """What is free where *path* is, or would be, for this user.

    *reserve*: with the part that the file system keeps for root.
    """
    place = existing(path)
    try:
        found = os.statvfs(place)
    except OSError:
        return Room(None, None)
    # Some file systems have no size, or no fixed number of inodes, and report none.
    blocks, inodes = (found.f_bfree, found.f_ffree) if reserve else (found.f_bavail, found.f_favail)
    room = Room(blocks * found.f_frsize if found.f_blocks else None, inodes if found.f_files else None)
    limit = quota.left(mounted_at(mount_of(place)))
    if limit.bytes is not None and (room.bytes is None or limit.bytes < room.bytes):
        room = room._replace(bytes=limit.bytes, bytes_of=_QUOTA)
    if limit.inodes is not None and (room.inodes is None or limit.inodes < room.inodes):
        room = room._replace(inodes=limit.inodes, inodes_of=_QUOTA)
    return room


def shortage(path: bytes, planned: _core.Planned) -> str:
    """Why *planned* does not fit where *path* is, or would be; empty if it does."""
    room = free_room(path)
    deleted = planned.delete[0]
    if room.bytes is not None and planned.need_bytes > room.bytes:
        freed = size(planned.freed_bytes) if planned.freed_bytes else ""
        return _text(path, planned.need_bytes, room.bytes, room.bytes_of, deleted, freed)
    if room.inodes is not None and planned.need_inodes > room.inodes:
        freed = count(planned.freed_inodes) if planned.freed_inodes else ""
        return _text(path, planned.need_inodes, room.inodes, room.inodes_of, deleted, freed, inodes=True)
    return ""


def _text(path: bytes, need: int, free: int, what_of: str, deletions: int, freed: str, *, inodes: bool = False) -> str:
    def shown(number: int) -> str:
        return count(number) if inodes else size(number)

    what = " inodes" if inodes else ""
    would = f"; {counted(deletions, 'deletion', 'deletions')} would free {freed}" if freed else ""
    return (
        f"tain: not enough room on {shown_name(mount_of(existing(path)))}: "
        f"{shown(need)}{what} needed, {shown(free)} {what_of} ({shown(need - free)} short{would})"
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
        room = free_room(self._path, reserve=os.geteuid() == 0)
        need = transfer.figures().room_bytes
        if room.bytes is None or need <= room.bytes:
            return ""
        self._stopped = True
        if mounted_at(mount_of(existing(self._path))).kind in _COMPRESSING:
            return ""
        transfer.stop(CODE)
        return _text(self._path, need, room.bytes, room.bytes_of, 0, "")

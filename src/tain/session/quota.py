"""What the quotas of this process's user and group leave on a file system (``quotactl(2)``)."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import NamedTuple

from tain.session.mounts import Mount

#: ``QCMD(Q_GETQUOTA, type)`` is this number shifted by 8, and the type.
_GET_QUOTA = 0x800007
_USER, _GROUP = 0, 1
#: ``struct dqblk``: limits and use of bytes, limits and use of inodes, two times, and which of them are known.
_DQBLK = struct.Struct("=8QI4x")
_KNOWN = 0x1 | 0x2, 0x4 | 0x8
#: Limits of bytes are counted in blocks of this size, whatever the file system's own blocks are.
_BLOCK = 1024
#: The mount options that switch a quota on: of ext4, f2fs and others, and of XFS.
_SWITCHES = (b"quota", b"usrquota", b"grpquota", b"uquota", b"gquota", b"usrjquota=", b"grpjquota=")

#: The answer of the system to (command, device, id): a ``struct dqblk``, or None.
Ask = Callable[[int, bytes, int], bytes | None]


class Left(NamedTuple):
    """Bytes and inodes that may still be used. None: without a limit, or not known."""

    bytes: int | None
    inodes: int | None


def left(mount: Mount, ask: Ask | None = None) -> Left:
    """What this process's user and group may still use of the file system *mount*.

    Root is not held by quotas. A soft limit is not counted: it may be passed for some days.
    """
    uid = os.geteuid()
    if uid == 0 or not any(option.startswith(_SWITCHES) for option in mount.options):
        return Left(None, None)
    found = [_answer((ask or _system)(_GET_QUOTA << 8 | kind, mount.source, number))
             for kind, number in ((_USER, uid), (_GROUP, os.getegid()))]  # fmt: skip
    return Left(
        *(
            min((known for known in known_ones if known is not None), default=None)
            for known_ones in zip(*found, strict=True)
        )
    )


def _answer(block: bytes | None) -> Left:
    if block is None:
        return Left(None, None)
    hard, _, used, inodes_hard, _, inodes_used, _, _, known = _DQBLK.unpack(block)

    def rest(limit: int, use: int, bits: int) -> int | None:
        return max(0, limit - use) if limit and known & bits == bits else None

    return Left(rest(hard * _BLOCK, used, _KNOWN[0]), rest(inodes_hard, inodes_used, _KNOWN[1]))


def _system(command: int, device: bytes, number: int) -> bytes | None:
    # Only a file system that was mounted with quotas comes here, so nobody else waits for this import.
    import ctypes

    block = ctypes.create_string_buffer(_DQBLK.size)
    library = ctypes.CDLL(None)
    library.quotactl.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
    # An error means that no quota is set for this id, or that the system does not say it.
    return block.raw if library.quotactl(command, device, number, block) == 0 else None

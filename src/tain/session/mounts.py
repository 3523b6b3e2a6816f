"""What the system says of the mounted file systems."""

from __future__ import annotations

import os
from typing import NamedTuple


class Mount(NamedTuple):
    """A line of ``/proc/self/mountinfo``: type of file system, device, and options. All empty: not known."""

    kind: bytes = b""
    source: bytes = b""
    options: tuple[bytes, ...] = ()


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


def mounted_at(mount: bytes) -> Mount:
    """The file system that is mounted at *mount*."""
    found = Mount()
    try:
        with open("/proc/self/mountinfo", "rb") as lines:
            for line in lines:
                fields, _, rest = line.partition(b" - ")
                # The last one covers those before it.
                if _plain(fields.split()[4]) == mount:
                    kind, source, options = rest.split()[:3]
                    found = Mount(kind, _plain(source), tuple(options.split(b",")))
    except (OSError, ValueError, IndexError):
        return Mount()
    return found


def _plain(field: bytes) -> bytes:
    """A name of mountinfo, in which blanks are written as ``\\040``."""
    return field.decode("unicode_escape").encode("latin-1")

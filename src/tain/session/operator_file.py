"""Opening files that the operator named: a link is followed only when root or this user owns it (spec: SEC-3)."""

from __future__ import annotations

import errno
import os
import stat

_MAX_LINKS = 40


#: What is said when a link of another owner was not followed.
REFUSAL = (
    "refusing to follow a symlink owned by an untrusted user; use --insecure-links locally or "
    '"insecure links = yes" in a daemon module ONLY if every path component is trusted'
)


class RefusedLink(OSError):
    """A link that belongs to somebody else."""


def is_refusal(error: OSError) -> bool:
    """An open has failed because of a link of another owner."""
    return isinstance(error, RefusedLink)


def open_walk(path: bytes, flags: int = os.O_RDONLY, mode: int = 0o666) -> int:
    """Open ``path`` component by component; ``ELOOP`` for a link that belongs to somebody else.

    Created files get ``mode`` under the umask. Raises :class:`OSError`.
    """
    trusted = (0, os.geteuid())
    rest = [part for part in path.split(b"/") if part not in (b"", b".")]
    base = os.open(b"/" if path.startswith(b"/") else b".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    links = 0
    try:
        if not rest:
            return os.open(b".", flags | os.O_CLOEXEC, dir_fd=base)
        while True:
            name = rest.pop(0)
            try:
                status = os.stat(name, dir_fd=base, follow_symlinks=False)
            except FileNotFoundError:
                if rest:
                    raise
                status = None
            if status is not None and stat.S_ISLNK(status.st_mode):
                links += 1
                if status.st_uid not in trusted or links > _MAX_LINKS:
                    reason = os.strerror(errno.ELOOP)
                    raise (RefusedLink if links <= _MAX_LINKS else OSError)(errno.ELOOP, reason, path)
                target = os.readlink(name, dir_fd=base)
                rest = [part for part in target.split(b"/") if part not in (b"", b".")] + rest
                if target.startswith(b"/"):
                    os.close(base)
                    base = os.open(b"/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                if not rest:
                    return os.open(b".", flags | os.O_CLOEXEC, dir_fd=base)
                continue
            if not rest:
                # O_NOFOLLOW: what was no link a moment ago must not be one now.
                return os.open(name, flags | os.O_CLOEXEC | os.O_NOFOLLOW, mode, dir_fd=base)
            below = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=base)
            os.close(base)
            base = below
    finally:
        os.close(base)


def read_walk(path: bytes, limit: int = 16 << 20) -> bytes:
    """The whole file, at most ``limit`` bytes (``EFBIG`` beyond). Raises :class:`OSError`."""
    fd = open_walk(path)
    try:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return read_all(fd, limit)
    finally:
        os.close(fd)


def read_all(fd: int, limit: int) -> bytes:
    """Everything from a descriptor, at most ``limit`` bytes. Raises :class:`OSError`."""
    out = bytearray()
    while chunk := os.read(fd, 65536):
        out += chunk
        if len(out) > limit:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return bytes(out)


def reason(error: OSError) -> str:
    """`No such file or directory (2)`: how rsync ends a line about a system call."""
    return f"{os.strerror(error.errno or 0)} ({error.errno or 0})"

"""Files that the operator names: a symlink is followed only when root or this user owns it (spec: security SEC-3)."""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.options.resolved import ResolvedOptions
    from tain.session.environment import Environment

#: The line for a link of another owner that was not followed.
UNTRUSTED_LINK = (
    "refusing to follow a symlink owned by an untrusted user; use --insecure-links locally or "
    '"insecure links = yes" in a daemon module ONLY if every path component is trusted'
)


class UntrustedLink(OSError):
    """A symlink of another owner was not followed."""


def open_walk(
    path: bytes,
    flags: int = os.O_RDONLY,
    mode: int = 0o666,
    *,
    insecure: bool = False,
    confine_root: bytes | None = None,
) -> int:
    """Open *path* component by component; ``ELOOP`` for a symlink of another owner.

    *insecure* (``--insecure-links``): follow all symlinks. *confine_root*: ``ELOOP`` for a path outside of it. A
    created file gets *mode* under the umask. Errors: `OSError`.
    """
    from tain import _core

    while True:
        fd, refused = _core.open_named(path, flags, mode, insecure=insecure, confine_root=confine_root)
        if fd >= 0:
            return fd
        if fd != -errno.EINTR:
            raise (UntrustedLink if refused else OSError)(-fd, os.strerror(-fd), path)


def open_named(
    name: bytes,
    env: Environment,
    options: ResolvedOptions,
    flags: int = os.O_RDONLY,
    mode: int = 0o666,
    *,
    confine_root: bytes | None = None,
) -> int:
    """Open the file that an option names, under the options for symlinks. Errors: `OSError`."""
    if not name:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    path = os.path.join(env.cwd, name)
    return open_walk(path, flags, mode, insecure=options.insecure_links, confine_root=confine_root)


def with_link_note(error: OSError, text: str) -> str:
    """*text*, preceded by the line about a symlink of another owner if that is the reason of *error*."""
    return f"{UNTRUSTED_LINK}\n{text}" if isinstance(error, UntrustedLink) else text


def read_walk(path: bytes, limit: int = 16 << 20) -> bytes:
    """The whole file, at most *limit* bytes (``EFBIG`` beyond). Errors: `OSError`."""
    fd = open_walk(path)
    try:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return read_all(fd, limit)
    finally:
        os.close(fd)


def read_all(fd: int, limit: int) -> bytes:
    """All bytes from a descriptor, at most *limit* (``EFBIG`` beyond). Errors: `OSError`."""
    out = bytearray()
    while chunk := os.read(fd, 65536):
        out += chunk
        if len(out) > limit:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return bytes(out)

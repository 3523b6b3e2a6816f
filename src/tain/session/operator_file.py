"""Opening files that the operator named: only links of root or of this user are followed (spec: security SEC-3)."""

from __future__ import annotations

import errno
import os
import stat

from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.options.resolved import Options
    from tain.session.environment import Environment

#: What is said when a link of another owner was not followed.
REFUSAL = (
    "refusing to follow a symlink owned by an untrusted user; use --insecure-links locally or "
    '"insecure links = yes" in a daemon module ONLY if every path component is trusted'
)


class RefusedLink(OSError):
    """A link that belongs to somebody else."""


def open_walk(
    path: bytes,
    flags: int = os.O_RDONLY,
    mode: int = 0o666,
    *,
    insecure: bool = False,
    confine_root: bytes | None = None,
) -> int:
    """Open ``path`` component by component; ``ELOOP`` for a link that belongs to somebody else.

    *insecure* (``--insecure-links``): links are followed plainly. *confine_root*: ``ELOOP`` for what is outside of it.
    Created files get ``mode`` under the umask. Raises :class:`OSError`.
    """
    from tain import _core

    while True:
        fd, refused = _core.open_named(path, flags, mode, insecure=insecure, confine_root=confine_root)
        if fd >= 0:
            return fd
        if fd != -errno.EINTR:
            raise (RefusedLink if refused else OSError)(-fd, os.strerror(-fd), path)


def open_named(
    name: bytes,
    env: Environment,
    options: Options,
    flags: int = os.O_RDONLY,
    mode: int = 0o666,
    *,
    confine_root: bytes | None = None,
) -> int:
    """Open what an option names, as the options about links want it. Raises :class:`OSError`."""
    if not name:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    path = os.path.join(env.cwd, name)
    return open_walk(path, flags, mode, insecure=options.insecure_links, confine_root=confine_root)


def with_refusal(error: OSError, text: str) -> str:
    """*text* about *error*, behind the line about a link of another owner if that was the reason."""
    return f"{REFUSAL}\n{text}" if isinstance(error, RefusedLink) else text


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


#: The name by which the daemon's rooms call it.
reason = system_text

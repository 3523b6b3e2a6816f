"""A twin of this process as the server of a local run (spec: options 5.7).

Most local copies need no second process. This is for the ones whose stream somebody wants to see: a batch is being
written, options go to the receiving side alone, or names change their character set (--iconv).
"""

from __future__ import annotations

import os
import socket

from tain.transport.shell import Child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def fork_server(serve: Callable[[int, int], int]) -> Child:
    """Run ``serve(read_fd, write_fd)`` in a forked process, whose exit status is what it returns.

    Must be called before any thread of this process exists: only the caller's thread lives on in the twin.
    """
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        code = 14
        try:
            ours.close()
            fd = theirs.detach()
            code = serve(fd, fd)
        finally:
            # Nothing of the parent's (buffers, exit handlers) may run twice.
            os._exit(code)
    theirs.close()
    fd = ours.detach()
    return Child(pid, fd, fd)

"""A twin of this process as the server of a local run (spec: options 5.7).

Most local copies need no second process. This is for the ones whose stream somebody wants to see: a batch is being
written, options go to the receiving side alone, or names change their character set (--iconv).
"""

from __future__ import annotations

import os

from tain.transport.shell import Child, enlarge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def fork_server(serve: Callable[[int, int], int]) -> Child:
    """Run ``serve(read_fd, write_fd)`` in a forked process, whose exit status is what it returns.

    Must be called before any thread of this process exists: only the caller's thread lives on in the twin.
    """
    # Pipes, as to a remote shell: an end that is closed early is then the end of a stream, not a reset.
    to_child = os.pipe2(os.O_CLOEXEC)
    from_child = os.pipe2(os.O_CLOEXEC)
    for fd in (to_child[1], from_child[0]):
        enlarge(fd)
    pid = os.fork()
    if pid == 0:
        code = 14
        try:
            os.close(to_child[1])
            os.close(from_child[0])
            code = serve(to_child[0], from_child[1])
        finally:
            # Nothing of the parent's (buffers, exit handlers) may run twice.
            os._exit(code)
    os.close(to_child[0])
    os.close(from_child[1])
    return Child(pid, from_child[0], to_child[1])

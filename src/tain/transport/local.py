"""A fork of this process as the server of a local run (spec: options 5.7).

Most local copies need no second process. This one is for copies that need a stream: for a batch, for options of the
receiving side alone, and for names that change their character set (--iconv).
"""

from __future__ import annotations

import os

from tain.transport.shell import Child, enlarge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def fork_server(serve: Callable[[int, int], int]) -> Child:
    """Run ``serve(read_fd, write_fd)`` in a forked process, whose exit status is what it returns.

    Call it before this process has threads: only the calling thread exists in the fork.
    """
    # Pipes, as to a remote shell: closing one end early ends the stream; a socket would be reset.
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
            # Buffers and exit handlers of the parent must not run twice.
            os._exit(code)
    os.close(to_child[0])
    os.close(from_child[1])
    return Child(pid, from_child[0], to_child[1])

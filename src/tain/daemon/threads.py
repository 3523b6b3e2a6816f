"""Processes whose connections are threads: what the door and the workers have in common."""

from __future__ import annotations

import _thread
import os
import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: Bytes reserved for the stack of a thread, which also runs the engine; a connection touches 8 to 30 KiB of them.
_STACK = 1 << 20


def prepare(name: bytes) -> None:
    """Prepare this process for many threads, under the name of *name* in a list of processes."""
    try:
        with open("/proc/self/comm", "wb") as file:
            file.write(name)
    except OSError:
        pass
    _thread.stack_size(_STACK)
    # Each connection has several descriptors, and the usual limit is 1024.
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    # A core file would hold the data of many clients.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def lock() -> _thread.LockType:
    return _thread.allocate_lock()


def start(function: Callable[[Any], None], argument: Any) -> None:
    """Start a thread. Errors: `RuntimeError` when the system has no room for it."""
    _thread.start_new_thread(function, (argument,))


def place_of(error: BaseException) -> str:
    """The file and line that raised an error."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "?"

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


class _Idle:
    """A thread that waits for work."""

    __slots__ = ("ready", "work")

    def __init__(self) -> None:
        self.ready = _thread.allocate_lock()
        self.ready.acquire()
        self.work: tuple[Callable[[Any], None], Any] | None = None

    def do(self) -> None:
        """Do the work and forget it: the thread may wait for long, and nothing of it may live on."""
        work, self.work = self.work, None
        if work is not None:
            work[0](work[1])


class Pool:
    """Threads for short work, as many as there is work. A few stay for the next one: to start and end a thread costs
    more than the system calls of a greeting."""

    #: Most threads that wait.
    MOST_IDLE = 4

    def __init__(self) -> None:
        self._idle: list[_Idle] = []

    def start(self, function: Callable[[Any], None], argument: Any) -> None:
        """Call *function* in a thread. Errors: `RuntimeError` when the system has no room for one."""
        try:
            idle = self._idle.pop()
        except IndexError:
            _thread.start_new_thread(self._run, (function, argument))
            return
        idle.work = function, argument
        idle.ready.release()

    def _run(self, function: Callable[[Any], None], argument: Any) -> None:
        function(argument)
        del function, argument
        idle = _Idle()
        while len(self._idle) < self.MOST_IDLE:
            self._idle.append(idle)
            idle.ready.acquire()
            idle.do()


def place_of(error: BaseException) -> str:
    """The file and line that raised an error."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "?"

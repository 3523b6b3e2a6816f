"""A remote shell, or any other program, at the other end of two pipes (spec: options 5.4, output 2)."""

from __future__ import annotations

import errno
import os

from tain.errors import IpcError
from tain.escape import printable
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: Seconds to wait for the end of a child whose stream ended early (spec: output 2).
GRACE = 1.0
#: Seconds to wait for the end of the standard error of a child that has ended.
_STDERR_GRACE = 0.2
#: Requested pipe size: with the kernel's default, each 64 KiB cost a switch of processes.
_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031


class Child:
    """A started program and our ends of its pipes. The owner calls `close`, then `wait`."""

    def __init__(self, pid: int, read_fd: int, write_fd: int) -> None:
        self.pid = pid
        self.read_fd = read_fd
        self.write_fd = write_fd
        self._status: int | None = None
        #: Waits until the standard error of the child has been read.
        self.read_stderr: Callable[[float], None] | None = None
        #: A signal ended it.
        self.killed = False
        #: `wait` gives a status that means something.
        self.has_status = True

    def close(self) -> None:
        """Close our ends, once."""
        for fd in {self.read_fd, self.write_fd}:
            if fd >= 0:
                os.close(fd)
        self.read_fd = self.write_fd = -1

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit status of the child, or None when it still runs after *seconds* (None: no limit).

        For a child that a signal ended, the status is 0 and `killed` is set.
        """
        if self._status is None:
            if seconds is not None and not self._over(seconds):
                return None
            try:
                _, raw = os.waitpid(self.pid, 0)
            except ChildProcessError:
                # Another part of the program has waited for it.
                raw = 0
            self.killed = os.WIFSIGNALED(raw)
            if self.read_stderr is not None:
                # Its last words are the reason; a process that it left behind may hold the pipe open for ever.
                self.read_stderr(_STDERR_GRACE)
            self._status = 0 if self.killed else os.WEXITSTATUS(raw)
        return self._status

    def _over(self, seconds: float) -> bool:
        """Whether the child ends within *seconds*. It is not reaped."""
        import select

        try:
            fd = os.pidfd_open(self.pid)
        except OSError as error:
            # ESRCH: already reaped. ENOSYS: an old kernel, where a wait without limit is better than none.
            return error.errno in (errno.ESRCH, errno.ENOSYS)
        try:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        finally:
            os.close(fd)


def child_environment(environ: Mapping[bytes, bytes], *, port: int | None = None) -> dict[bytes, bytes]:
    """The environment of a remote shell (spec: options 7): no DISPLAY without a helper, RSYNC_PORT for a daemon."""
    copy = dict(environ)
    if b"SSH_ASKPASS" not in copy:
        # Otherwise ssh would ask for a password in a window.
        copy.pop(b"DISPLAY", None)
    if port is not None:
        copy[b"RSYNC_PORT"] = b"%d" % port
    return copy


def spawn(
    argv: Sequence[bytes],
    environ: Mapping[bytes, bytes],
    *,
    role: str,
    on_stderr: Callable[[bytes], None] | None = None,
) -> Child:
    """Start *argv* with its standard streams on two pipes. *on_stderr* receives what it writes to standard error, in
    another thread; without it the child has our standard error. Errors: `IpcError` when it cannot be run."""
    if not argv:
        raise IpcError(f"rsync: [{role}] Failed to exec : {system_text(errno.ENOENT)}")
    to_child = os.pipe2(os.O_CLOEXEC)
    from_child = os.pipe2(os.O_CLOEXEC)
    for fd in (to_child[1], from_child[0]):
        enlarge(fd)
    import signal

    actions = [(os.POSIX_SPAWN_DUP2, to_child[0], 0), (os.POSIX_SPAWN_DUP2, from_child[1], 1)]
    errors = os.pipe2(os.O_CLOEXEC) if on_stderr is not None else (-1, -1)
    if on_stderr is not None:
        actions.append((os.POSIX_SPAWN_DUP2, errors[1], 2))
    try:
        pid = os.posix_spawnp(
            argv[0], list(argv), dict(environ), file_actions=actions, setsigdef=[signal.SIGPIPE], setsigmask=[]
        )
    except OSError as error:
        for fd in (*to_child, *from_child, *errors):
            if fd >= 0:
                os.close(fd)
        raise IpcError(f"rsync: [{role}] Failed to exec {printable(argv[0])}: {system_text(error)}") from error
    os.close(to_child[0])
    os.close(from_child[1])
    child = Child(pid, from_child[0], to_child[1])
    if on_stderr is not None:
        os.close(errors[1])
        child.read_stderr = forward(errors[0], on_stderr)
    return child


def pass_on(data: bytes, fd: int) -> None:
    """Write what a remote shell has said to *fd*, unchanged."""
    try:
        while data:
            data = data[os.write(fd, data) :]
    except OSError:
        # Nobody reads it any more; the shell continues.
        return


def forward(fd: int, take: Callable[[bytes], None]) -> Callable[[float], None]:
    """Give everything that comes from *fd* to *take*, at once and in a thread, and close *fd* at its end. The function
    that is returned waits for that end, this many seconds at most."""
    # The module `threading` costs a start more than the thread itself.
    import _thread

    finished = _thread.allocate_lock()
    finished.acquire()

    def read() -> None:
        try:
            while data := os.read(fd, 1 << 16):
                take(data)
        except OSError:
            # A terminal or a socket that is gone ends the stream too.
            pass
        finally:
            os.close(fd)
            finished.release()

    _thread.start_new_thread(read, ())

    def wait(seconds: float) -> None:
        if finished.acquire(timeout=seconds):
            finished.release()

    return wait


def enlarge(fd: int) -> None:
    """Enlarge a pipe to more than one frame, where the user may."""
    import fcntl

    try:
        fcntl.fcntl(fd, _F_SETPIPE_SZ, _PIPE_BYTES)
    except OSError:
        # Over the user's quota of pipe memory; the default size works too.
        pass

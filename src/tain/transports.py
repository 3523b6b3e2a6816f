"""Connections to a server by other means than a remote shell: for ``tain.sync(..., transport=...)``.

A transport receives the words of the server's command line (``rsync --server ...``), which are not quoted for a shell:
wildcards in them are names. It returns a `Connection`: two
descriptors (`Fds`), or two functions (`Pump`).
"""

from __future__ import annotations

import os

from tain.errors import IpcError
from tain.records import Record
from tain.transport.shell import Child, forward

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    import socket
    import subprocess
    import threading
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Protocol, TypeAlias

    class HasFileno(Protocol):
        """A file, a socket, or another object with a descriptor."""

        def fileno(self) -> int: ...

else:
    # `typing` would cost more than all of this module. Only a type checker needs to know that this is a protocol.
    Protocol = object

__all__ = ["Connection", "Fds", "Pump", "Transport", "asyncssh", "command", "paramiko", "process", "socket_pair"]

#: Bytes that a pump moves at once.
_TURN = 1 << 16


class Fds(Record):
    """A connection by descriptors, or objects that have one: pipes, sockets, a terminal.

    The transfer works with duplicates, and closes none of them.
    """

    read: int | HasFileno
    """What the server writes."""
    write: int | HasFileno
    """What the server reads; it may be the same."""
    wait: Callable[[], int] | None = None
    """Waits for the end of the server and gives its exit status, negative for a signal. It is called once, after the
    transfer, in a thread of its own; a transfer that has failed waits no longer than a second."""
    stderr: int | HasFileno | None = None
    """What the server writes to its standard error, for `Result.errors`."""


class Pump(Record):
    """A connection by functions, for objects whose data goes through no descriptor.

    Two threads move the data, 64 KiB at a time: about 0.15 seconds of CPU time for a gigabyte. An `OSError` of a
    function means that the connection broke (code 12); another exception ends the transfer, and its `run` raises it.
    """

    read: Callable[[int], bytes]
    """Gives 1 to so many bytes; none at the end."""
    write: Callable[[bytes], object]
    """Sends all of the bytes."""
    close: Callable[[], object]
    """Ends what `write` has begun: the server reads the end of its input."""
    wait: Callable[[], int] | None = None
    """As in `Fds`."""


#: What a transport returns.
Connection: TypeAlias = Fds | Pump


class Transport(Protocol):
    """Starts a server, or connects to one. Any object with this method is a transport."""

    def connect(self, command: Sequence[bytes], environ: Mapping[bytes, bytes]) -> Connection:
        """Connect to a server that runs *command*, the words of a command line that begins with the server's program;
        *environ* is the environment of the transfer. An exception ends the transfer, and its `run` raises it."""
        raise NotImplementedError


class Starter:
    """A transport in the form that a session uses."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def start(
        self, command: Sequence[bytes], environ: Mapping[bytes, bytes], on_stderr: Callable[[bytes], None] | None
    ) -> Child:
        """Connect. The child that is returned owns duplicates of the descriptors. *on_stderr* receives what the other
        end writes to its standard error."""
        found = self._transport.connect(command, environ)
        say = on_stderr or (lambda _data: None)
        if isinstance(found, Pump):
            return _pumped(found, say)
        own = _taken if isinstance(found, _Owned) else _duplicate
        child = Connected(own(found.read), own(found.write), found.wait)
        if found.stderr is not None:
            child.read_stderr = forward(own(found.stderr), say)
        return child


def _taken(source: int | HasFileno) -> int:
    return source if isinstance(source, int) else source.fileno()


def _duplicate(source: int | HasFileno) -> int:
    return os.dup(_taken(source))


class Connected(Child):
    """The other end of a transport, in the place of a child process."""

    def __init__(self, read_fd: int, write_fd: int, wait: Callable[[], int] | None) -> None:
        super().__init__(0, read_fd, write_fd)
        self._waiting = None if wait is None else _Call(wait)
        self.has_status = wait is not None
        self._ended: int | None = None if wait is not None else 0

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit status of the server, or None when it still runs after *seconds* (None: no limit); 0 where the
        transport does not know it. Errors: what the functions of the transport raise."""
        if self._ended is None and self._waiting is not None:
            status = self._waiting.result(seconds)
            if status is None:
                return None
            self.killed = status < 0
            self._ended = max(status, 0)
        if self.read_stderr is not None:
            self.read_stderr(0.2)
        return self._ended


class _Call:
    """One call in a thread, begun when somebody wants its result: a server that hangs must not hold up a failed run."""

    def __init__(self, function: Callable[[], int]) -> None:
        self._function = function
        self._thread: threading.Thread | None = None
        self._result: int | None = None
        self._error: BaseException | None = None

    def _run(self) -> None:
        try:
            self._result = self._function()
        except BaseException as error:
            self._error = error

    def result(self, seconds: float | None) -> int | None:
        """The result, or None after *seconds* without one. Errors: what the function raises."""
        import threading

        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="tain wait", daemon=True)
            self._thread.start()
        self._thread.join(seconds)
        if self._error is not None:
            raise self._error
        return self._result


def _pumped(pump: Pump, say: Callable[[bytes], None]) -> Child:
    """The end of a pump for the transfer. *say* receives the reason when it breaks."""
    import socket
    import threading

    ours, theirs = socket.socketpair()
    failures: list[BaseException] = []

    def fail(error: BaseException) -> None:
        # Both directions end, so that the transfer waits for nothing.
        failures.append(error)
        if isinstance(error, OSError):
            say(f"the connection broke: {error}\n".encode("utf-8", "surrogateescape"))
        try:
            theirs.shutdown(socket.SHUT_RDWR)
        except OSError:
            # The transfer has ended already.
            return

    def send_on(data: bytes) -> bool:
        """Give *data* to the transfer; False when it has ended."""
        try:
            theirs.sendall(data)
        except OSError:
            return False
        return True

    def receive() -> None:
        try:
            while data := pump.read(_TURN):
                if not send_on(data):
                    return
        except BaseException as error:
            fail(error)
            return
        try:
            theirs.shutdown(socket.SHUT_WR)
        except OSError:
            # The transfer has ended already.
            return

    def send() -> None:
        try:
            while data := theirs.recv(_TURN):
                pump.write(data)
        except BaseException as error:
            fail(error)
        try:
            pump.close()
        except OSError:
            # It has gone already.
            return

    threads = [threading.Thread(target=work, name="tain pump", daemon=True) for work in (receive, send)]
    for thread in threads:
        thread.start()

    def wait() -> int:
        status = 0 if pump.wait is None else pump.wait()
        for thread in threads:
            thread.join(1.0)
        theirs.close()
        for error in failures:
            if not isinstance(error, OSError):
                raise error
        return status

    child = Connected(ours.fileno(), os.dup(ours.fileno()), wait)
    ours.detach()
    return child


class _Function:
    """A transport made of one function."""

    def __init__(self, connect: Callable[[Sequence[bytes], Mapping[bytes, bytes]], Connection]) -> None:
        self.connect = connect


def socket_pair(sock: socket.socket) -> Transport:
    """A connected socket at whose other end a server runs already. The socket stays open."""
    return _Function(lambda _command, _environ: Fds(read=sock, write=sock))


def command(argv: Sequence[str | bytes]) -> Transport:
    """A program that runs the words behind its own: ``["docker", "exec", "-i", "box"]``, ``["sudo", "-u", "backup"]``.

    Errors: `IpcError` when it cannot be run.
    """
    words = [os.fsencode(word) for word in argv]

    def connect(server: Sequence[bytes], environ: Mapping[bytes, bytes]) -> Connection:
        import subprocess

        try:
            started = subprocess.Popen(
                [*words, *server],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environ),
                bufsize=0,
            )
        except OSError as error:
            raise IpcError(f"{os.fsdecode(words[0])}: {error.strerror}") from error
        return process(started).connect(server, environ)

    return _Function(connect)


def process(started: subprocess.Popen[bytes]) -> Transport:
    """A process with pipes as its standard input and output (``bufsize=0``), which is a server or leads to one.

    The transfer closes the pipes and waits for the process.
    """

    def connect(_command: Sequence[bytes], _environ: Mapping[bytes, bytes]) -> Connection:
        if started.stdin is None or started.stdout is None:
            raise IpcError("the process has no pipes as its standard input and output")
        # The duplicates of the transfer must be the last ones, or no end would ever see the end of the other.
        pipes = [os.dup(pipe.fileno()) for pipe in (started.stdout, started.stdin)]
        errors = None if started.stderr is None else os.dup(started.stderr.fileno())
        for pipe in (started.stdin, started.stdout, started.stderr):
            if pipe is not None:
                pipe.close()
        return _Owned(read=pipes[0], write=pipes[1], wait=started.wait, stderr=errors)

    return _Function(connect)


class _Owned(Fds):
    """Descriptors that the transfer closes."""


def paramiko(client: Any) -> Transport:
    """A channel of a connected ``paramiko.SSHClient``. The client stays open."""

    def connect(words: Sequence[bytes], _environ: Mapping[bytes, bytes]) -> Connection:
        channel = client.get_transport().open_session()
        channel.exec_command(_shell_line(words))
        return Pump(
            read=channel.recv, write=channel.sendall, close=channel.shutdown_write, wait=channel.recv_exit_status
        )

    return _Function(connect)


def asyncssh(connection: Any, loop: asyncio.AbstractEventLoop | None = None) -> Transport:
    """A process of an ``asyncssh.SSHClientConnection``. *loop* is the event loop of the connection: by default the
    running one, so call this in the coroutine that has connected, and then ``await sync_async(...)``.

    Errors: `RuntimeError` without *loop* where no loop runs.
    """
    import asyncio

    home = asyncio.get_running_loop() if loop is None else loop

    def connect(words: Sequence[bytes], _environ: Mapping[bytes, bytes]) -> Connection:
        import socket

        # One for each direction: asyncio takes what can be read from a socket that it writes to for its end.
        write, stdin = socket.socketpair()
        read, stdout = socket.socketpair()
        line = _shell_line(words).decode("utf-8", "surrogateescape")

        async def start() -> Any:
            # The loop itself copies between the connection and these sockets.
            return await connection.create_process(line, stdin=stdin, stdout=stdout, encoding=None)

        started = asyncio.run_coroutine_threadsafe(start(), home).result()

        def wait() -> int:
            done = asyncio.run_coroutine_threadsafe(started.wait(), home).result()
            return done.exit_status or 0

        return _Owned(read=read.detach(), write=write.detach(), wait=wait)

    return _Function(connect)


def _shell_line(words: Sequence[bytes]) -> bytes:
    """The words as a command line for the shell of another machine."""
    return b" ".join(b"'" + word.replace(b"'", b"'\\''") + b"'" for word in words)

"""`Daemon`: a daemon as a child process, for programs and their tests."""

from __future__ import annotations

import collections
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

from tain.errors import StartupError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType
    from typing import Self, TypeAlias

    from tain.keyword_fields import StrOrBytesPath

    Value: TypeAlias = str | int | bool | list[str] | os.PathLike[str]

# A library says nothing unless the program wants to hear it.
logging.getLogger("tain").addHandler(logging.NullHandler())

#: The child takes the socket as a supervisor would give it (``LISTEN_FDS``), and the code of this same package.
_PROGRAM = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
sys.path.insert(0, sys.argv[2])
sys.argv = ["tain", *sys.argv[3:]]
from tain.cli.main import entry, main
errors, findings = os.dup(2), os.memfd_create("findings")
os.dup2(findings, 2)
code = main([b"tain", b"--daemon", b"--check-config", os.fsencode(sys.argv[-1])])
os.dup2(errors, 2)
os.close(errors)
text = os.pread(findings, 1 << 20, 0)
if code or b"warning: " in text:
    os.write(2, text)
if code:
    sys.exit(code)
os.close(findings)
entry()
"""
#: Log lines that are kept for `Daemon.log`.
_LINES = 10_000
#: Seconds until a daemon must be ready, and until it must have ended.
_START, _STOP = 30.0, 5.0


class Daemon:
    """A daemon that runs as a child process, from the beginning of a ``with`` block to its end.

    A daemon that ends on its own (somebody has killed it) is reported: the last line of `log` says how, and the logger
    ``tain.daemon`` gets it as an error.

    *modules* maps the names of modules to their parameters, by the names of rsyncd.conf, with ``_`` for blanks if you
    like: ``{"pub": {"path": "/srv/pub", "read only": False}}``; the name ``global`` has the global ones. Or it is the
    path of a configuration file. *port* 0 takes a free one.

    It is no thread and no fork of the program, which may have threads. Errors: `UsageError` for a value that no file
    can hold; from `start`, `StartupError` with the lines of the daemon when it does not start.
    """

    address: str
    """The address that it listens on."""
    port: int
    """The port; once it has started, the one that it has got."""

    def __init__(
        self,
        modules: Mapping[str, Mapping[str, Value]] | StrOrBytesPath,
        *,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.address = address
        self.port = port
        if isinstance(modules, (str, bytes, os.PathLike)):
            self._file: bytes | None = os.path.abspath(os.fsencode(modules))
            self._text = b""
        else:
            self._file = None
            self._text = configuration(modules)
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: collections.deque[str] = collections.deque(maxlen=_LINES)
        self._more = threading.Condition()
        self._ended = False
        #: `stop` has been called, so that an end is no surprise.
        self._stopping = False
        #: It has accepted connections.
        self._ready = False
        self._reader: threading.Thread | None = None

    # ---- life

    def start(self) -> Self:
        """Start, and wait until connections are accepted; a ``with`` block does it.

        Errors: `StartupError` with what the daemon has written; `OSError` for an address that cannot be used.
        """
        if self._process is not None:
            raise UsageError("a daemon starts once")
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        with (
            socket.create_server((self.address, self.port), family=family, backlog=64) as listening,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready,
        ):
            self.port = listening.getsockname()[1]
            # The kernel chooses an abstract name, which no file system has to hold.
            ready.bind("")
            name = os.fsdecode(ready.getsockname()).replace("\0", "@")
            self._spawn(listening, name)
            self._wait_ready(ready)
        return self

    def _spawn(self, listening: socket.socket, notify: str) -> None:
        read, write = os.pipe()
        memory = -1
        try:
            if self._file is None:
                memory = os.memfd_create("rsyncd.conf", os.MFD_CLOEXEC)
                os.write(memory, self._text)
            file = self._file if self._file is not None else b"/proc/self/fd/%d" % memory
            fds = [fd for fd in (listening.fileno(), memory) if fd >= 0]
            place = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
            words = ["--daemon", "--no-detach", f"--address={self.address}", f"--port={self.port}"]
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(listening.fileno()), place, *words,
                 "--log-file=/proc/self/fd/2", "--dparam=log file=/proc/self/fd/2", b"--config=" + file],
                stdin=subprocess.DEVNULL,
                stdout=write,
                stderr=write,
                pass_fds=fds,
                env={**os.environ, "NOTIFY_SOCKET": notify},
                # Its connections are its children; together they are one group, which `stop` can end.
                start_new_session=True,
            )  # fmt: skip
        except BaseException:
            os.close(read)
            raise
        finally:
            os.close(write)
            if memory >= 0:
                os.close(memory)
        self._reader = threading.Thread(target=self._read, args=(read,), name="tain daemon log", daemon=True)
        self._reader.start()

    def _wait_ready(self, ready: socket.socket) -> None:
        assert self._process is not None
        ready.settimeout(0.02)
        deadline = time.monotonic() + _START
        while True:
            try:
                if b"READY=1" in ready.recv(4096):
                    self._ready = True
                    return
            except TimeoutError:
                pass
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise StartupError("\n".join(self._lines) or f"the daemon ended with code {self.returncode}")

    def reload(self) -> None:
        """Let the daemon read its configuration file again; it must have the global ``tain reload on hup = yes``.

        Errors: `UsageError` for a daemon whose configuration is a mapping, or that does not run.
        """
        if self._file is None:
            raise UsageError("the configuration is no file: start another daemon")
        if self._process is None or self._process.poll() is not None:
            raise UsageError("the daemon does not run")
        self._process.send_signal(signal.SIGHUP)

    def stop(self, timeout: float = _STOP) -> None:
        """End the daemon and its connections, and wait for them; after *timeout* seconds they are killed.

        A connection with a transfer ends as on SIGTERM: it removes its temporary file, or keeps it with ``--partial``.
        """
        process = self._process
        if process is None:
            return
        # What ended before this ended on its own.
        self._stopping = process.poll() is None
        deadline = time.monotonic() + timeout
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        with suppress(ProcessLookupError):
            # The listener has ended; its connections would wait for their peers.
            os.killpg(process.pid, signal.SIGTERM)
        while _group_lives(process.pid):
            if time.monotonic() > deadline:
                os.killpg(process.pid, signal.SIGKILL)
                break
            time.sleep(0.01)
        if self._reader is not None:
            self._reader.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        import asyncio

        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import asyncio

        await asyncio.to_thread(self.stop)

    # ---- facts

    @property
    def returncode(self) -> int | None:
        """The exit status, negative for a signal; None while the daemon runs."""
        return None if self._process is None else self._process.poll()

    @property
    def pid(self) -> int | None:
        """The process id; None before `start`."""
        return None if self._process is None else self._process.pid

    def url(self, module: str = "", path: str = "") -> str:
        """``rsync://127.0.0.1:45613/MODULE/PATH``."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"rsync://{host}:{self.port}/{module}{'/' if module else ''}{path}"

    @property
    def log(self) -> Iterator[str]:
        """The lines of the log (the last 10,000), then further ones as they come; it ends when the daemon does."""
        number = 0
        while True:
            with self._more:
                while number >= len(self._lines) and not self._ended:
                    self._more.wait()
                if number >= len(self._lines):
                    return
                line = self._lines[number]
            number += 1
            yield line

    def _read(self, fd: int) -> None:
        logger = logging.getLogger("tain.daemon")
        with open(fd, errors="surrogateescape") as lines:
            for line in lines:
                text = line.rstrip("\n")
                logger.info("%s", text)
                self._add(text)
        # Its connections are gone too, or they would hold the pipe open.
        self._report_end(logger)
        with self._more:
            self._ended = True
            self._more.notify_all()

    def _add(self, text: str) -> None:
        with self._more:
            self._lines.append(text)
            self._more.notify_all()

    def _report_end(self, logger: logging.Logger) -> None:
        """Report the end of a daemon that nobody has stopped."""
        assert self._process is not None
        code = self._process.wait()
        if code and not self._stopping and self._ready:
            how = f"ended with code {code}" if code > 0 else f"was ended by signal {-code} ({signal.strsignal(-code)})"
            text = f"the daemon {how}"
            logger.error("%s", text)
            self._add(text)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def configuration(modules: Mapping[str, Mapping[str, Value]]) -> bytes:
    """The text of an rsyncd.conf. Errors: `UsageError` for a value that it cannot hold."""
    sections: list[tuple[str | None, dict[str, Value]]] = [(None, dict(modules.get("global", {})))]
    sections += [(name, dict(values)) for name, values in modules.items() if name != "global"]
    lines = []
    for section, values in sections:
        if section is not None:
            if not section or any(letter in section for letter in "]\n\0/"):
                raise UsageError(f"{section!r} is no name of a module")
            lines.append(f"[{section}]")
        lines += [f"{key.replace('_', ' ')} = {_value(key, value)}" for key, value in values.items()]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def _value(key: str, value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = (
        ", ".join(value)
        if isinstance(value, list)
        else os.fsdecode(value)
        if not isinstance(value, int)
        else str(value)
    )
    if any(letter in text for letter in "\n\r\0") or text.endswith("\\"):
        raise UsageError(f"{key}: {text!r} cannot be written in a configuration")
    return text

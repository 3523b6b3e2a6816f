"""A program on a terminal: a pty, its screen at every moment, and what was written when."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte


class Terminal:
    """Runs one program with a pty as its standard streams, or as standard error alone."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        columns: int = 80,
        rows: int = 24,
        stdout: int | None = None,
    ) -> None:
        """*stdout* replaces the terminal as standard output."""
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.written = b""
        #: Each different screen, as its lines without trailing spaces, top to bottom.
        self.screens: list[list[str]] = []
        self.code: int | None = None
        self.pid, self.fd = pty.fork()
        if not self.pid:
            try:
                if stdout is not None:
                    os.dup2(stdout, 1)
                os.chdir(cwd)
                os.execve(argv[0], list(argv), dict(env))
            finally:
                os._exit(127)
        self.resize(columns, rows)

    def resize(self, columns: int, rows: int = 24) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(rows, columns)

    def send(self, data: bytes) -> None:
        os.write(self.fd, data)

    def kill(self, number: int) -> None:
        os.kill(self.pid, number)

    def read(self, seconds: float, until: Callable[[Terminal], bool] = lambda terminal: False) -> None:
        """Read for *seconds*, until the program ends, or until *until* is true."""
        end = time.monotonic() + seconds
        while self.code is None and not until(self) and (left := end - time.monotonic()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                continue
            try:
                data = os.read(self.fd, 1 << 16)
            except OSError:
                data = b""
            if not data:
                self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
                return
            self.written += data
            self.stream.feed(data)
            lines = self.lines()
            if not self.screens or self.screens[-1] != lines:
                self.screens.append(lines)

    def lines(self) -> list[str]:
        """The screen now, without empty lines at its end."""
        lines = [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def finish(self, seconds: float = 60) -> int:
        """Read to the end of the program; returns its exit code."""
        self.read(seconds)
        if self.code is None:
            self.kill(signal.SIGKILL)
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return self.code

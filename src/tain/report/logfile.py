"""The log file of ``--log-file`` (spec: output 13)."""

from __future__ import annotations

import os
import time


class LogFile:
    """Appends lines with date, time and process id, one write for each batch, so that several runs can share a file."""

    def __init__(self, fd: int, pid: int) -> None:
        self._fd = fd
        self._pid = pid
        self._second = -1
        self._stamp = b""

    @classmethod
    def open(cls, path: bytes, pid: int) -> LogFile:
        """Errors: `OSError`; the caller reports it and continues without a log."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
        return cls(os.open(path, flags, 0o666), pid)

    def write(self, *lines: bytes) -> None:
        """Append lines without their ends. A failure to write the log does not affect the run."""
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(now)).encode()
        head = b"%s [%d] " % (self._stamp, self._pid)
        data = b"".join(head + line + b"\n" for line in lines)
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError:
            pass

    def text(self, text: bytes) -> None:
        """Append every line of *text* that is not empty."""
        lines = [line for line in text.split(b"\n") if line]
        if lines:
            self.write(*lines)

    def close(self) -> None:
        os.close(self._fd)

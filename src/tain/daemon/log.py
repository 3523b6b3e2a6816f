"""The daemon's log: a file, or syslog (spec: daemon 12.1)."""

from __future__ import annotations

import os
import time

from tain.daemon.text import escape
from tain.errors import exit_text
from tain.release import RSYNC_VERSION
from tain.session import operator_file
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket as socket

    from tain.daemon.sections import Config, Section

# syslog.h priorities.
_INFO, _WARNING = 6, 4


class Log:
    """One log file or syslog. If the file cannot be opened, syslog gets two lines about it and the rest."""

    def __init__(self) -> None:
        self.path = b""
        self.fd = -1
        self.tag = ""
        self.facility = 3 << 3
        self._syslog_open = False
        #: Stands for the connection in each line; 0: the id of the process.
        self.number = 0
        #: A connected datagram socket of syslog for a log with a number: the C library would write the process's id.
        self.syslog: socket.socket | None = None
        # Write each line to stderr too.
        self.echo = False

    def open(self, section: Section, override: bytes | None = None) -> None:
        """Open the log of *section*; *override* is ``--log-file``."""
        path = section.text("log file") if override is None else override
        tag = os.fsdecode(section.text("syslog tag"))
        facility = section.number("syslog facility")
        if path and path == self.path:
            if self.fd < 0:
                self.reopen()
            return
        if not path and not self.path and (tag, facility) == (self.tag, self.facility) and self._syslog_open:
            return
        self.close()
        self.path, self.tag, self.facility = path, tag, facility
        self.reopen()

    def reopen(self) -> None:
        if self.path:
            try:
                self.fd = _open_file(self.path)
                return
            except OSError as error:
                path, self.path = os.fsdecode(self.path), b""
                self._open_syslog()
                self.write(f"failed to open log-file {path}: {system_text(error)}", warning=True)
                self.write('Ignoring "log file" setting.', warning=True)
                return
        self._open_syslog()

    def adopt(self, section: Section, fd: int, syslog: socket.socket | None) -> None:
        """Write to a file that another process has opened for *section*, or to *syslog* if *fd* is -1."""
        self.fd, self.syslog = fd, syslog
        self.tag = os.fsdecode(section.text("syslog tag"))
        self.facility = section.number("syslog facility")
        self._syslog_open = fd < 0

    def _open_syslog(self) -> None:
        if self.number:
            self.syslog, self._syslog_open = connect_syslog(), True
            return
        import syslog

        # LOG_NDELAY opens the socket now, before a chroot hides /dev/log.
        syslog.openlog(self.tag or "rsyncd", syslog.LOG_PID | syslog.LOG_NDELAY, self.facility)
        self._syslog_open = True

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        if self._syslog_open and not self.number:
            import syslog

            syslog.closelog()
        self.syslog, self._syslog_open = None, False

    def idle(self) -> None:
        """Close the file until the next line, so that rotation by rename needs no signal."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def write(self, line: str | bytes, *, warning: bool = False, escaped: bool = False) -> None:
        """Write one line. Never raises: a full disk must not end a transfer.

        *escaped*: escapes in the line stay as they are.
        """
        data = escape((os.fsencode(line) if isinstance(line, str) else line).rstrip(b"\n"), again=escaped)
        if self.path and self.fd < 0:
            self.reopen()
        if self.fd >= 0:
            stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.localtime())
            try:
                os.write(self.fd, b"%s [%d] %s\n" % (stamp.encode(), self.number or os.getpid(), data))
            except OSError:
                pass
        elif self.number:
            self._send_to_syslog(data, _WARNING if warning else _INFO)
        elif self._syslog_open:
            import syslog

            syslog.syslog(_WARNING if warning else _INFO, data.decode("utf-8", "replace"))
        if self.echo:
            try:
                os.write(2, data + b"\n")
            except OSError:
                pass

    def _send_to_syslog(self, data: bytes, priority: int) -> None:
        if self.syslog is not None:
            # As the C library writes it.
            stamp = time.strftime("%b %e %H:%M:%S", time.localtime())
            head = f"<{self.facility | priority}>{stamp} {self.tag or 'rsyncd'}[{self.number}]: "
            try:
                self.syslog.send(head.encode() + data.decode("utf-8", "replace").encode())
            except OSError:
                pass

    def write_escaped(self, line: bytes) -> None:
        """Write a line of a session, in which names have their escapes already."""
        self.write(line, escaped=True)

    def error(self, line: str) -> None:
        self.write(line, warning=True)

    def diagnostics(self, config: Config) -> None:
        """Write what was wrong in the configuration; notes are for ``--check-config`` only."""
        for diagnostic in config.diagnostics:
            if diagnostic.level != "note":
                self.error(str(diagnostic))

    def closing(self, code: int, where: str) -> None:
        """Write the last line of a failed connection."""
        self.error(closing(code, where))


def connect_syslog() -> socket.socket | None:
    """A connection to syslog, or None without one. It is closed with its last user."""
    import _socket as sockets

    sock = sockets.socket(sockets.AF_UNIX, sockets.SOCK_DGRAM | sockets.SOCK_CLOEXEC)
    try:
        sock.connect("/dev/log")
    except OSError:
        sock.close()
        return None
    return sock


def _open_file(path: bytes) -> int:
    """Open a log file; a new one gets mode 0644 whatever the umask is, which belongs to the whole process."""
    flags = os.O_WRONLY | os.O_APPEND
    try:
        return operator_file.open_walk(path, flags)
    except FileNotFoundError:
        fd = operator_file.open_walk(path, flags | os.O_CREAT, 0o644)
        os.fchmod(fd, 0o644)
        return fd


def closing(code: int, where: str, role: str = "Receiver") -> str:
    """The last line of a process that fails (spec: daemon 12.2)."""
    kind = "warning" if code == 24 else "error"
    return f"rsync {kind}: {exit_text(code)} (code {code}) at {where} [{role}={RSYNC_VERSION}]"

"""The daemon's log with the interface of a session's log file."""

from __future__ import annotations

from tain.report.logfile import LogFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.daemon.log import Log


class ModuleLog(LogFile):
    """Writes to the daemon's log, with its time stamp. The lines of a session have their escapes already."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def write(self, *lines: bytes) -> None:
        for line in lines:
            self._log.write_escaped(line)

    def close(self) -> None:
        self._log.close()

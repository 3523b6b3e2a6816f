"""The daemon's log as the session's reports see it."""

from __future__ import annotations

from tain.report.logfile import LogFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.daemon.log import Log


class ModuleLog(LogFile):
    """Lines go to the daemon's own log, with its stamp. What a report makes has its escapes."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def write(self, *lines: bytes) -> None:
        for line in lines:
            self._log.write_escaped(line)

    def close(self) -> None:
        self._log.close()

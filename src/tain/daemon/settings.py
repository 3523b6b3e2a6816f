"""The options of the daemon's own command line, for listener and connections (spec: daemon 1.2 to 1.4)."""

from __future__ import annotations

import os

from tain.daemon import config
from tain.release import PROTOCOL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.daemon.sections import Config
    from tain.options.resolved import ResolvedOptions

SYSTEM_FILE = b"/etc/rsyncd.conf"


class Settings:
    """Fixed for the life of the process, but for the configuration that a listener keeps for its connections."""

    __slots__ = ("_kept", "bwlimit", "file", "log_file", "log_format", "overrides", "parsed", "protocol", "temp_dir")

    def __init__(self, file: bytes) -> None:
        self.file = file
        self.overrides: list[bytes] = []
        #: ``--log-file``: the listener's log, whatever the parameters say; empty means syslog.
        self.log_file: bytes | None = None
        #: ``--log-file-format``: empty turns transfer logging off; None: the modules decide.
        self.log_format: bytes | None = None
        #: KiB per second; 0 means no limit.
        self.bwlimit = 0
        self.protocol = PROTOCOL
        self.temp_dir: bytes | None = None
        self._kept: Config | None = None
        #: `load` has read the files: none was kept, or they have changed.
        self.parsed = False

    @classmethod
    def of(cls, options: ResolvedOptions) -> Settings:
        settings = cls(config_file(options))
        settings.overrides = list(options.dparams)
        settings.log_file = options.log_file
        settings.log_format = options.log_file_format
        settings.bwlimit = options.bwlimit
        settings.protocol = options.protocol
        settings.temp_dir = options.temp_dir
        return settings

    def load(self, *, globals_only: bool = False) -> Config:
        """The configuration as its files are now. Errors: those of `config.load`.

        The one that was kept is given out once, because the variables of a connection become a part of it.
        """
        kept, self._kept = self._kept, None
        if kept is not None and not globals_only and config.is_current(kept):
            return kept
        self.parsed = True
        return config.load(self.file, globals_only=globals_only, overrides=self.overrides)

    def keep(self) -> Config:
        """Read the configuration for the `load` of processes that are forked from this one. Returns it."""
        found = config.load(self.file, overrides=self.overrides)
        self._kept = found if config.shows_changes(found) else None
        self.parsed = False
        return found

    def load_shared(self) -> Config:
        """As `load`, for connections that share this process: each gets variables of its own."""
        kept = self._kept
        if kept is None or not config.is_current(kept):
            found = config.load(self.file, overrides=self.overrides)
            # Two threads may read a change at the same time: both read the same.
            self._kept = kept = found if config.shows_changes(found) else None
            if kept is None:
                return found
        return kept.for_connection()


def config_file(options: ResolvedOptions) -> bytes:
    """The path of the configuration file (spec: daemon 1.3)."""
    if options.config is not None:
        return options.config
    if options.server and os.geteuid() != 0:
        return b"rsyncd.conf"
    return SYSTEM_FILE

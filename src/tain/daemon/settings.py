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
    """Fixed for the life of the process."""

    __slots__ = ("bwlimit", "file", "log_file", "log_format", "overrides", "protocol", "temp_dir")

    def __init__(self, file: bytes) -> None:
        self.file = file
        self.overrides: list[bytes] = []
        #: ``--log-file``: overrides every parameter; empty means syslog.
        self.log_file: bytes | None = None
        #: ``--log-file-format``: empty turns transfer logging off; None: the modules decide.
        self.log_format: bytes | None = None
        #: KiB per second; 0 means no limit.
        self.bwlimit = 0
        self.protocol = PROTOCOL
        self.temp_dir: bytes | None = None

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
        return config.load(self.file, globals_only=globals_only, overrides=self.overrides)


def config_file(options: ResolvedOptions) -> bytes:
    """The path of the configuration file (spec: daemon 1.3)."""
    if options.config is not None:
        return options.config
    if options.server and os.geteuid() != 0:
        return b"rsyncd.conf"
    return SYSTEM_FILE

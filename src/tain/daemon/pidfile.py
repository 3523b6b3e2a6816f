"""The pid file of a listener (spec: daemon 1.6)."""

from __future__ import annotations

import fcntl
import os
import stat

from tain.errors import FileError
from tain.system import system_text

_SMALL = 32


class PidFileError(FileError):
    """The pid file cannot be created or locked."""


class PidFile:
    """A created and locked pid file. This process holds the lock until it ends; its children do not."""

    def __init__(self, path: bytes) -> None:
        self.path = path
        self.fd = -1

    def create(self) -> None:
        """Create and lock the file. Errors: `PidFileError` (11) with rsync's text."""
        shown = os.fsdecode(self.path)
        if len(self.path) >= 4096:
            raise PidFileError(f"pid file path is too long: {shown}")
        directory, _, leaf = self.path.rpartition(b"/")
        directory = directory or (b"/" if self.path.startswith(b"/") else b".")

        verb = "open"
        try:
            parent = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise PidFileError(
                f'rsync: [Receiver] failed to open pid-file directory "{os.fsdecode(directory)}": {system_text(error)}'
            ) from None
        try:
            verb = "unlink"
            try:
                if not stat.S_ISREG(os.stat(leaf, dir_fd=parent, follow_symlinks=False).st_mode):
                    os.unlink(leaf, dir_fd=parent)
            except FileNotFoundError:
                pass
            verb = "open"
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self.fd = os.open(leaf, flags, 0o664, dir_fd=parent)
            verb = "lock"
            fcntl.lockf(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 4, 0)
            verb = "fstat opened"
            status = os.fstat(self.fd)
            verb = "find small"
            if status.st_size > _SMALL:
                raise PidFileError(f"failed to {verb} pid file {shown}: File too large")
            verb = "lstat"
            there = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
            if (there.st_dev, there.st_ino) != (status.st_dev, status.st_ino):
                raise PidFileError(f"failed to avoid file overwrite race for pid file {shown}: Stale file handle")
            verb = "truncate"
            os.ftruncate(self.fd, 0)
            verb = "write"
            os.write(self.fd, b"%d\n" % os.getpid())
        except OSError as error:
            raise PidFileError(f"failed to {verb} pid file {shown}: {os.strerror(error.errno or 0)}") from None
        finally:
            os.close(parent)

    def remove(self) -> None:
        if self.fd >= 0:
            try:
                os.unlink(self.path)
            except OSError:
                pass

    def forget(self) -> None:
        """Close the descriptor in a child: the lock belongs to the parent."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

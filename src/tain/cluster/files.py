"""The files in the directory of a plan. They are opened beneath it, and no symbolic link is followed."""

from __future__ import annotations

import fcntl
import os
import stat
import time

from tain.errors import UsageError
from tain.escape import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

#: Sub-directories, with one file for each attempt.
PLACES = ("out", "claims")
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW
#: Bytes that are read at once.
_PIECE = 1 << 20


class PlanFiles:
    """An open plan directory. Errors of all methods: `OSError`."""

    def __init__(self, directory: bytes, *, create: bool = False) -> None:
        """*create*: make the directory and its sub-directories, for this user only. Errors: `OSError`; `UsageError` for
        a directory in which other users could put files while root works with it."""
        self.directory = directory
        if create:
            os.makedirs(directory, mode=0o700, exist_ok=True)
        self._fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        status = os.fstat(self._fd)
        if os.geteuid() == 0 and (status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or status.st_uid != 0):
            self.close()
            raise UsageError(f"tain: {printable(directory)} can be written by others than root")
        for place in PLACES if create else ():
            try:
                os.mkdir(place, 0o700, dir_fd=self._fd)
            except FileExistsError:
                continue

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the directory."""
        os.close(self._fd)

    def open(self, name: str, flags: int, mode: int = 0o600) -> int:
        """A descriptor of the file *name*, which may be in a sub-directory. No link is followed."""
        place, _, last = name.rpartition("/")
        if not place:
            return os.open(last, flags | _OPEN, mode, dir_fd=self._fd)
        inner = os.open(place, os.O_RDONLY | os.O_DIRECTORY | _OPEN, dir_fd=self._fd)
        try:
            return os.open(last, flags | _OPEN, mode, dir_fd=inner)
        finally:
            os.close(inner)

    def read(self, name: str, most: int) -> bytes:
        """The contents of a file of at most *most* bytes."""
        fd = self.open(name, os.O_RDONLY)
        try:
            parts = []
            while len(piece := os.read(fd, _PIECE)) and most >= 0:
                parts.append(piece)
                most -= len(piece)
        finally:
            os.close(fd)
        if most < 0:
            raise OSError(f"{name} is too long")
        return b"".join(parts)

    def replace(self, name: str, data: bytes) -> None:
        """Write a file as a whole: after a crash there is the old one or the new one."""
        place, _, last = name.rpartition("/")
        directory = os.open(place or ".", os.O_RDONLY | os.O_DIRECTORY | _OPEN, dir_fd=self._fd)
        try:
            fd = os.open(last + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _OPEN, 0o600, dir_fd=directory)
            try:
                write_all(fd, data)
                os.fsync(fd)
            finally:
                os.close(fd)
            os.rename(last + ".new", last, src_dir_fd=directory, dst_dir_fd=directory)
            os.fsync(directory)
        finally:
            os.close(directory)

    def names(self, place: str) -> list[str]:
        """The names in a sub-directory, sorted."""
        directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY | _OPEN, dir_fd=self._fd)
        try:
            return sorted(os.listdir(directory))
        finally:
            os.close(directory)

    def exists(self, name: str) -> bool:
        """Whether there is a file with this name."""
        try:
            os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def remove(self, name: str) -> None:
        """Remove a file, if there is one."""
        place, _, last = name.rpartition("/")
        directory = os.open(place or ".", os.O_RDONLY | os.O_DIRECTORY | _OPEN, dir_fd=self._fd)
        try:
            os.unlink(last, dir_fd=directory)
        except FileNotFoundError:
            return
        finally:
            os.close(directory)

    def create_lines(self, name: str) -> LineFile:
        """A new file for the lines of one attempt."""
        return LineFile(self.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL))

    def wait_for_lines(self, name: str, seconds: float) -> bool:
        """Wait until no process writes the file of `create_lines` any more; False if one still does after *seconds*."""
        try:
            fd = self.open(name, os.O_RDONLY)
        except FileNotFoundError:
            return True
        end = time.monotonic() + seconds
        try:
            while not _lock(fd, fcntl.LOCK_SH):
                if time.monotonic() >= end:
                    return False
                time.sleep(0.05)
        finally:
            os.close(fd)
        return True

    def read_lines(self, name: str) -> Iterator[bytes]:
        """The lines about no entry in a file of `create_lines`."""
        fd = self.open(name, os.O_RDONLY)
        with os.fdopen(fd, "rb") as records:
            while len(head := records.read(4)) == 4:
                key = records.read(int.from_bytes(head, "little"))
                text = records.read(int.from_bytes(records.read(4), "little"))
                if not key:
                    yield text

    def checksum(self, name: str) -> tuple[int, str]:
        """Size and checksum of a file."""
        fd = self.open(name, os.O_RDONLY)
        try:
            return _sum_of(fd)
        finally:
            os.close(fd)


class LineFile:
    """A file with the lines of one attempt, as records for `tain._core.merge_lines`. Errors: `OSError`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        # Shows a later attempt that this one is at work, and ends with this process.
        _lock(fd, fcntl.LOCK_EX)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def add(self, records: bytes) -> None:
        """Add events ``entry`` of a run with the event ``keyed``."""
        write_all(self._fd, records)

    def add_plain(self, text: bytes) -> None:
        """Add lines that are about no entry: they stand before the next line about one."""
        self.add((0).to_bytes(4, "little") + len(text).to_bytes(4, "little") + text)

    def finish(self) -> tuple[int, str]:
        """All lines are on disk; returns size and checksum of the file."""
        os.fsync(self._fd)
        os.lseek(self._fd, 0, os.SEEK_SET)
        return _sum_of(self._fd)


def _lock(fd: int, kind: int) -> bool:
    """Lock an open file, if no other process has it."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def write_all(fd: int, data: bytes) -> None:
    """Write *data*, in as many calls as it needs. Errors: `OSError`."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _sum_of(fd: int) -> tuple[int, str]:
    from tain import _core

    return os.fstat(fd).st_size, _core.checksum(fd).hex()

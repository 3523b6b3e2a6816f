"""What is done of a plan: one append-only file, one line for each fact, and one writer.

A line is on disk before anything depends on it. A run may be killed between any two bytes: a last line that is torn is
dropped. Any other line that is wrong is an error, because nothing may be deleted by what cannot be trusted.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import socket
import time
import zlib

from tain.cluster import documents, messages
from tain.cluster import roots as identities
from tain.cluster.documents import DocumentError
from tain.cluster.files import write_all
from tain.cluster.roots import boot_id
from tain.errors import FileError, UsageError
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

    from tain.cluster.files import PlanFiles
    from tain.cluster.roots import Root

NAME, LOCK = "journal.jsonl", "lock"
#: Seconds after which a coordinator on another machine that has not touched its lock is dead.
SILENCE = 90.0
#: The fields of a line that not every operation has.
_FIELDS = {
    "shard": documents.integer, "attempt": documents.integer, "worker": documents.text, "lease": documents.seconds,
    "code": documents.integer, "io_error": documents.boolean, "had_entries": documents.boolean,
    "stats": messages.stats, "role": documents.text, "protocol": documents.integer, "seconds": documents.seconds,
    "errors": documents.text, "files": documents.tuple_of(messages.file_sum), "phase": documents.text,
    "reason": documents.text, "roots": documents.tuple_of(identities.root),
}  # fmt: skip
_OPERATIONS = ("start", "lease", "done", "failed", "phase", "refuse", "end")
_CRC = re.compile(rb',"crc":"([0-9a-f]{8})"\}\Z')


class State:
    """What the lines of a journal say together."""

    def __init__(self) -> None:
        self.number = 0
        #: The report of each run that is done, as the fields of its line.
        self.done: dict[int, dict[str, Any]] = {}
        #: The last attempt of each run.
        self.attempts: dict[int, int] = {}
        #: Attempts that may still run, with the time at which their lease ends.
        self.leases: dict[int, tuple[int, float]] = {}
        #: Runs that have failed for good, with their exit codes.
        self.failed: dict[int, int] = {}
        #: The phases that are over, with the reason of one that was left out.
        self.phases: dict[str, str] = {}
        #: The exit code of a plan that is finished.
        self.ended: int | None = None
        self.retried = 0
        self.starts = 0
        self.refused: set[str] = set()
        #: The directories of this machine that must stay the same, once the destination exists.
        self.roots: tuple[Root, ...] = ()

    def apply(self, row: dict[str, Any]) -> None:
        """Take in one line."""
        self.number = row["n"]
        operation, shard = row["op"], row.get("shard", -1)
        if operation == "start":
            # A new coordinator: attempts of the one before have no lease any more, and what has failed is tried again.
            self.starts += 1
            self.failed.clear()
            self.ended = None
        elif operation == "lease":
            self.retried += shard in self.attempts
            self.attempts[shard] = row["attempt"]
            self.leases[shard] = row["attempt"], row["lease"]
        elif operation == "done":
            if self.holds(shard, row["attempt"]):
                self.leases.pop(shard)
                self.done[shard] = row
        elif operation == "failed":
            self.leases.pop(shard, None)
            self.failed[shard] = row["code"]
        elif operation == "phase":
            self.phases[row["phase"]] = row.get("reason", "")
            self.roots = row.get("roots", self.roots)
        elif operation == "refuse":
            self.refused.add(row["worker"])
        elif operation == "end":
            self.ended = row["code"]

    def holds(self, shard: int, attempt: int) -> bool:
        """Whether this attempt has the lease of the run: only then its report counts."""
        return shard not in self.done and self.leases.get(shard, (0, 0.0))[0] == attempt

    @property
    def is_finished(self) -> bool:
        """Nothing is left to do."""
        return self.ended is not None and not self.failed


class Journal:
    """The journal of an open plan. Only the holder of `Lock` appends."""

    def __init__(self, files: PlanFiles, *, write: bool = False) -> None:
        """Errors: `FileError` for a line that is wrong, and for what cannot be read. *write*: a torn last line is
        removed."""
        self.state = State()
        try:
            self._fd = files.open(NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND if write else os.O_RDONLY)
        except FileNotFoundError:
            self._fd = -1
            return
        try:
            self._size = self._read(write=write)
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def append(self, operation: str, **fields: object) -> None:
        """Write a line, which is on disk when this returns. Errors: `FileError`."""
        row: dict[str, Any] = {"n": self.state.number + 1, "at": round(time.time(), 3), "op": operation, **fields}
        line = line_of(row)
        try:
            try:
                write_all(self._fd, line)
                os.fsync(self._fd)
            except OSError:
                # No later line may follow half a line.
                os.ftruncate(self._fd, self._size)
                raise
        except OSError as error:
            raise _failed(error) from error
        self._size += len(line)
        self.state.apply(read_line(line[:-1]))

    def _read(self, *, write: bool) -> int:
        good, number, rest = 0, 0, b""
        try:
            while piece := os.read(self._fd, 1 << 20):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    number += 1
                    try:
                        row = read_line(line)
                        if row["n"] != number:
                            raise DocumentError(f"line {number} has the number {row['n']}")
                    except DocumentError as error:
                        # A torn line has no newline, so this one was changed after it was written.
                        raise FileError(f"tain: {NAME}, line {number}: {error}; nothing is done by it") from error
                    self.state.apply(row)
                    good += len(line) + 1
            if rest and write:
                os.ftruncate(self._fd, good)
                os.fsync(self._fd)
        except OSError as error:
            raise _failed(error) from error
        return good


def line_of(row: dict[str, Any]) -> bytes:
    """A line of the journal, with its check sum and a newline."""
    body = documents.dump(row)[:-1]
    return body + b',"crc":"%08x"}\n' % zlib.crc32(body)


def read_line(line: bytes) -> dict[str, Any]:
    """The fields of a line without its newline. Errors: `DocumentError`."""
    found = _CRC.search(line)
    if found is None or zlib.crc32(line[: found.start()]) != int(found[1], 16):
        raise DocumentError("the check sum is wrong")
    row = documents.read(
        documents.parse(line[: found.start()] + b"}"),
        {"n": documents.integer, "at": documents.seconds, "op": _operation, **_FIELDS},
        frozenset(_FIELDS),
    )
    needed = {
        "lease": ("shard", "attempt", "worker", "lease"), "done": ("shard", "attempt", "code", "io_error", "files"),
        "failed": ("shard", "code"), "phase": ("phase",), "refuse": ("worker",), "end": ("code",),
    }  # fmt: skip
    for name in needed.get(row["op"], ()):
        if name not in row:
            raise DocumentError(f"field {name!r} is missing")
    return row


def _operation(value: object) -> str:
    if value not in _OPERATIONS:
        raise DocumentError("no operation")
    return str(value)


def _failed(error: OSError) -> FileError:
    return FileError(f"tain: {NAME}: {system_text(error)}")


class Lock:
    """The right to be the coordinator of a plan."""

    def __init__(self, files: PlanFiles) -> None:
        """Errors: `UsageError` if another coordinator lives; `FileError`."""
        try:
            self._fd = files.open(LOCK, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise _failed(error) from error
        try:
            self._take()
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            os.ftruncate(self._fd, 0)
        except OSError:
            # The next coordinator waits for the silence of this one.
            pass
        os.close(self._fd)

    def touch(self) -> None:
        """Show other machines that this coordinator lives; called every few seconds."""
        try:
            os.utime(self._fd)
        except OSError:
            return

    def _take(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = True
        except OSError:
            free = False
        text = os.pread(self._fd, 4096, 0).decode("utf-8", "replace")
        if not free:
            raise UsageError(f"tain: another coordinator works on this plan: {text.strip() or 'unknown'}")
        silent = time.time() - os.fstat(self._fd).st_mtime
        try:
            owner = json.loads(text) if text else {}
        except ValueError:
            owner = {}
        # Some file systems have locks for one machine only.
        if isinstance(owner, dict) and owner.get("boot", boot_id()) != boot_id() and silent < SILENCE:
            raise UsageError(f"tain: a coordinator on another machine may still live: {text.strip()}")
        line = documents.dump(
            {"host": socket.gethostname(), "pid": os.getpid(), "boot": boot_id(), "start": int(time.time())}
        )
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, line + b"\n", 0)
        except OSError as error:
            raise _failed(error) from error

"""The directory of a run: configuration, result, events, output; and what is kept of old runs."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
#: The output of a run is kept up to here; behind it only messages are.
LOG_LIMIT = 50 << 20
#: Removed when the state directory is full, so that the last `run.json` fits.
_BALLAST = 64 << 10
_COMPRESS_AFTER = 86400


def new_id(now: float, after: str | None = None) -> str:
    """``20261129T061703Z-7f3a``: the time in UTC, and something random; but a run that begins in the same second as the
    run *after* of its job has a name behind it in order."""
    second = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ-")
    if after is None or not after.startswith(second):
        return second + secrets.token_hex(2)
    last = int(after[len(second) :], 16)
    if last == 0xFFFF:
        return new_id(int(now) + 1)
    return second + f"{last + 1 + secrets.randbelow(0xFFFF - last):04x}"


def write_json(path: str, value: object, *, durable: bool = False) -> None:
    """Write a document so that a reader sees the old one or the new one. Errors: `OSError`."""
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as file:
            json.dump(value, file, ensure_ascii=True, indent=1)
            file.write("\n")
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def read_json(path: str) -> dict[str, Any] | None:
    """A document; None if there is none, or only a part of one."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            value = json.load(file)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def update_control(directory: str, **fields: object) -> None:
    """Set fields of a run's `control.json`; what others have asked for stays. Errors: `OSError`."""
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Without it, a bandwidth that is written at the same moment would undo a stop.
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = os.path.join(directory, "control.json")
        write_json(path, {**(read_json(path) or {}), **fields})
    finally:
        os.close(lock)


@dataclass(frozen=True)
class Layout:
    """Where things lie in a state directory."""

    state: str

    @property
    def database(self) -> str:
        return os.path.join(self.state, "state.db")

    def job(self, name: str) -> str:
        return os.path.join(self.state, "jobs", name)

    def lock(self, name: str) -> str:
        return os.path.join(self.job(name), "lock")

    def run(self, name: str, run: str) -> str:
        return os.path.join(self.job(name), "runs", run)

    def runs(self, name: str) -> list[str]:
        """The runs of a job that have a directory, oldest first."""
        with contextlib.suppress(OSError):
            return sorted(
                entry for entry in os.listdir(os.path.join(self.job(name), "runs")) if RUN_ID.fullmatch(entry)
            )
        return []

    def newest(self, name: str) -> str | None:
        """The run of a job that began last."""
        known = self.runs(name)
        return known[-1] if known else None

    def jobs(self) -> list[str]:
        """The jobs that have a directory."""
        with contextlib.suppress(OSError):
            return sorted(os.listdir(os.path.join(self.state, "jobs")))
        return []


class RunFiles:
    """The files of one run, as its runner writes them."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._events: IO[str] | None = None
        self._number = 0
        self.dropped = 0

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def create_ballast(self) -> None:
        with contextlib.suppress(OSError), open(self.path("ballast"), "wb") as file:
            file.write(bytes(_BALLAST))

    def remove_ballast(self) -> None:
        """Make room for the last `run.json`: nothing may be written between the two."""
        with contextlib.suppress(OSError):
            os.unlink(self.path("ballast"))

    def save(self, document: dict[str, Any]) -> None:
        """Write `run.json`; on a full disk the one before stays."""
        with contextlib.suppress(OSError):
            write_json(self.path("run.json"), document, durable=True)

    def event(self, kind: str, **fields: object) -> None:
        """Append an event. What a full disk does not take is counted in `dropped`."""
        self._number += 1
        line = json.dumps({"at": round(time.time(), 3), "n": self._number, "ev": kind, **fields}, ensure_ascii=True)
        try:
            if self._events is None:
                self._events = open(self.path("events.jsonl"), "a", encoding="utf-8")  # noqa: SIM115
            self._events.write(line + "\n")
            self._events.flush()
        except OSError:
            self.dropped += 1

    def close(self) -> None:
        if self._events is not None:
            with contextlib.suppress(OSError):
                self._events.close()
            self._events = None


class Log:
    """The output of a run: rsync's lines, up to a limit."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        self._size = os.fstat(self._fd).st_size

    def write(self, stream: int, data: bytes) -> None:
        """Take lines of stream 1 or 2; behind the limit those of stream 2 only."""
        if stream == 1 and self._size > LOG_LIMIT:
            return
        with contextlib.suppress(OSError):
            self._size += os.write(self._fd, data)

    def note(self, text: str) -> None:
        """A line of the tool itself."""
        self.write(2, f"tain mirror: {text}\n".encode("utf-8", "surrogateescape"))

    def close(self) -> None:
        os.close(self._fd)


def read_log(directory: str) -> Iterator[bytes]:
    """The lines of a run's output, compressed or not. Errors: `OSError`."""
    plain = os.path.join(directory, "output.log")
    if os.path.exists(plain):
        with open(plain, "rb") as file:
            yield from file
    elif os.path.exists(plain + ".gz"):
        with gzip.open(plain + ".gz", "rb") as packed:
            yield from packed


def events_of(directory: str) -> Iterator[dict[str, Any]]:
    """The events of a run; a line that is not complete yet ends them."""
    with contextlib.suppress(OSError), open(os.path.join(directory, "events.jsonl"), encoding="utf-8") as file:
        for line in file:
            if not line.endswith("\n"):
                return
            with contextlib.suppress(ValueError):
                yield json.loads(line)


@dataclass(frozen=True)
class Kept:
    """How long a job keeps what; lengths in seconds."""

    runs: int
    logs: float
    failed_logs: float


def clean_up(layout: Layout, name: str, kept: Kept, now: float, *, failed: frozenset[str]) -> list[str]:
    """Compress and remove old logs, and the directories of old runs; returns the removed runs. *failed*: runs whose
    logs are kept longer."""
    runs = layout.runs(name)
    removed = runs[: -kept.runs] if len(runs) > kept.runs else []
    for run in removed:
        shutil.rmtree(layout.run(name, run), ignore_errors=True)
    for run in runs[len(removed) : -1]:
        directory = layout.run(name, run)
        plain, packed = os.path.join(directory, "output.log"), os.path.join(directory, "output.log.gz")
        limit = kept.failed_logs if run in failed else kept.logs
        for path in (
            plain,
            packed,
            os.path.join(directory, "events.jsonl"),
            os.path.join(directory, "deletes.nul"),
            os.path.join(directory, "dirs.nul"),
        ):
            with contextlib.suppress(OSError):
                age = now - os.stat(path).st_mtime
                if age > limit:
                    os.unlink(path)
                elif path == plain and age > _COMPRESS_AFTER:
                    _compress(plain, packed)
    return removed


def _compress(plain: str, packed: str) -> None:
    info = os.stat(plain)
    with open(plain, "rb") as source, gzip.open(packed + ".tmp", "wb") as target:
        shutil.copyfileobj(source, target)
    os.utime(packed + ".tmp", (info.st_atime, info.st_mtime))
    os.replace(packed + ".tmp", packed)
    os.unlink(plain)

"""Trace files: what a mirror says about itself inside of its tree, for its users and for the mirrors behind it."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from tain.mirror.stages import host_of
from tain.mirror.stamps import read_stamp
from tain.release import VERSION

if TYPE_CHECKING:
    from tain.mirror.model import Job

_DEBIAN = "project/trace"
#: The files of the directory of Debian's traces that are no trace of one mirror.
_HIERARCHY, _TRACES = f"{_DEBIAN}/_hierarchy", f"{_DEBIAN}/_traces"
_BUSY = "Archive-Update-in-Progress-"
_PATHS = {"epoch": "mirror-timestamp", "json": "mirror-trace.json"}
#: Bytes of a trace of another mirror that are read.
_LARGEST = 1 << 16


@dataclass(frozen=True)
class Names:
    """The files that a job writes into its tree; paths below the destination."""

    trace: str | None = None
    busy: str | None = None
    #: Files that the upstream may have as well: they are transferred, and then added to.
    shared: tuple[str, ...] = ()
    #: The trace of the payload, while the indices are not yet there.
    payload: str | None = None

    def rules(self) -> list[str]:
        """The filter rules that keep these files and their directories from the upstream and from deletions."""
        found = []
        for path in (self.trace, self.payload, self.busy):
            if path is not None:
                found += [f"H /{_quoted(path)}", f"P /{_quoted(path)}"]
        found += [f"P /{path}" for path in self.shared]
        for path in (self.trace, *self.shared):
            parent = os.path.dirname(path or "")
            while parent:
                rule = f"P /{_quoted(parent)}/"
                if rule not in found:
                    found.append(rule)
                parent = os.path.dirname(parent)
        return found

    def clash(self, root_names: frozenset[bytes] | None) -> str | None:
        """The trace, if it would stand at the root under one of these names."""
        if self.trace is None or "/" in self.trace or root_names is None:
            return None
        return self.trace if os.fsencode(self.trace) in root_names else None


def host_name(job: Job) -> str:
    """The name that a mirror has in its traces."""
    if job.trace.host is not None:
        return job.trace.host
    name = socket.getfqdn()
    # A machine that does not know its full name gives that of its loopback address.
    return name if not name.startswith("localhost") else socket.gethostname()


def names_of(job: Job) -> Names:
    """The files that a job writes into its tree. May ask for the name of this machine."""
    rules = job.trace
    if rules.write == "none" and not rules.busy_marker:
        return Names()
    host = host_name(job)
    # A tree that is published as a whole is never unfinished for its readers.
    busy = _BUSY + host if rules.busy_marker and job.publish.mode == "in-place" else None
    if rules.write == "none":
        return Names(busy=busy)
    if rules.write != "debian":
        return Names(rules.path or _PATHS[rules.write], busy)
    trace = rules.path or f"{_DEBIAN}/{host}"
    staged = len(job.stages) > 1 and job.publish.mode == "in-place"
    shared = (_HIERARCHY, _TRACES) if os.path.dirname(trace) == _DEBIAN else ()
    return Names(trace, busy, shared, f"{trace}-stage1" if staged else None)


@dataclass
class Traces:
    """The traces of one run. *document* is its `run.json` as it is now."""

    job: Job
    document: Mapping[str, Any]
    names: Names = field(init=False)

    def __post_init__(self) -> None:
        self.names = names_of(self.job)

    def write(self, place: str, now: float) -> None:
        """Write the trace of a complete tree at *place*. Errors: `OSError`."""
        path, kind = self.names.trace, self.job.trace.write
        if path is None:
            return
        if kind == "debian":
            self._put(place, path, "".join(f"{line}\n" for line in self._debian(place, now)))
            self._share(place)
        elif kind == "epoch":
            self._put(place, path, f"{int(now)}\n")
        else:
            self._put(place, path, json.dumps(self._json(now), indent=1) + "\n")

    def write_unchanged(self, place: str, now: float) -> None:
        """The tree is that of the upstream, although nothing was transferred: a trace that is a time says so."""
        if self.job.trace.write == "epoch" and self.names.trace is not None and os.path.isdir(place):
            self._put(place, self.names.trace, f"{int(now)}\n")

    def write_payload(self, place: str, now: float) -> None:
        """All stages but the last one are complete. Errors: `OSError`."""
        if self.names.payload is not None:
            lines = list(self._head(place, now))
            self._put(place, self.names.payload, "".join(f"{line}\n" for line in lines))

    def begin(self, place: str, now: float) -> None:
        """The tree is being updated from here on: mirrors behind this one wait. Errors: `OSError`."""
        if self.names.busy is not None:
            self._put(place, self.names.busy, f"{formatdate(now)}\n")

    def end(self, place: str) -> None:
        """The tree is not being updated any more."""
        if self.names.busy is not None:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(place, self.names.busy))

    @staticmethod
    def _put(place: str, path: str, text: str) -> None:
        """Write a file by renaming it. A link in the tree is not followed out of it. Errors: `OSError`."""
        directory = place
        for part in os.path.dirname(path).split("/") if "/" in path else ():
            directory = os.path.join(directory, part)
            if os.path.islink(directory):
                raise OSError(f"{directory} is a link, so no trace is written behind it")
            with contextlib.suppress(FileExistsError):
                os.mkdir(directory, 0o755)
        final = os.path.join(place, path)
        # The name that every mirror leaves out.
        temporary = os.path.join(directory, f".{os.path.basename(path)}.tain~")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with open(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        os.rename(temporary, final)

    # ---- Debian's form

    def _head(self, place: str, now: float) -> Iterator[str]:
        """The lines that both traces of a run have."""
        # The first line is that of `date -u`.
        moment = datetime.fromtimestamp(now, UTC)
        yield f"{moment:%a %b} {moment.day:2} {moment:%H:%M:%S} UTC {moment.year}"
        yield f"Date: {formatdate(now).replace('-0000', '+0000')}"
        yield f"Date-Started: {formatdate(self.document['started']).replace('-0000', '+0000')}"
        serial = _serial(os.path.join(place, _DEBIAN, "master"))
        if serial is not None:
            yield f"Archive serial: {serial}"
        yield f"Creator: tain mirror {VERSION}"
        yield f"Running on host: {socket.gethostname()}"
        for key, value in self.job.trace.fields.items():
            yield f"{key}: {value}"

    def _debian(self, place: str, now: float) -> Iterator[str]:
        yield from self._head(place, now)
        kinds = _architectures(place)
        if kinds:
            yield f"Architectures: {' '.join(kinds)}"
        if any("i18n/" in stage.exclude for stage in self.job.stages):
            # Translations are indices: they came with those that name them.
            yield "Revision: i18n"
        if self.document.get("upstream"):
            yield f"Upstream-mirror: {host_of(self.document['upstream'])}"
        received, seconds = self.document.get("received") or 0, self.document.get("stage_seconds") or {}
        yield f"Total bytes received in rsync: {received}"
        for number, spent in enumerate(seconds.values(), 1):
            yield f"Total time spent in stage{number} rsync: {round(spent)}"
        whole = sum(seconds.values())
        yield f"Total time spent in rsync: {round(whole)}"
        yield f"Average rate: {round(received / max(whole, 1))} B/s"

    def _share(self, place: str) -> None:
        """Add this mirror to the lists of all mirrors on the way from the master."""
        if not self.names.shared:
            return
        host = host_name(self.job)
        above = [line for line in _lines(os.path.join(place, _HIERARCHY)) if line.split(" ")[0] != host]
        source = host_of(self.document["upstream"]) if self.document.get("upstream") else "unknown"
        self._put(place, _HIERARCHY, "".join(f"{line}\n" for line in [*above, f"{host} {host} {source}"]))
        with os.scandir(os.path.join(place, _DEBIAN)) as entries:
            known = [
                (entry.stat(follow_symlinks=False).st_mtime, entry.name)
                for entry in entries
                if not entry.name.startswith(("_", ".")) and entry.is_file(follow_symlinks=False)
            ]
        self._put(place, _TRACES, "".join(f"{name}\n" for _, name in sorted(known)))

    # ---- our own form

    def _json(self, now: float) -> dict[str, Any]:
        upstream = self.document.get("upstream")
        return {
            "schema": "tain.mirror.trace/1",
            "job": self.document["job"],
            "host": host_name(self.job),
            "date": now,
            "started": self.document["started"],
            "content_time": self.document.get("content_time"),
            "upstream": None if upstream is None else host_of(upstream),
            "files": self.document.get("files"),
            "bytes": self.document.get("bytes"),
            "received": self.document.get("received"),
            "creator": f"tain mirror {VERSION}",
            **({"fields": self.job.trace.fields} if self.job.trace.fields else {}),
        }


def _quoted(path: str) -> str:
    """*path* as a pattern that matches nothing else."""
    if not any(sign in path for sign in "*?["):
        return path
    return "".join(f"\\{sign}" if sign in "*?[\\" else sign for sign in path)


def _lines(path: str) -> Sequence[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read(_LARGEST).splitlines()
    except OSError:
        return []


def _serial(path: str) -> str | None:
    """The serial number of an archive, from its master's trace."""
    text = "\n".join(_lines(path)).encode("utf-8", "surrogateescape")
    kind, _, value = read_stamp(text, 0.0, "serial").identity.partition(":")
    return value if kind == "serial" else None


def _architectures(place: str) -> list[str]:
    """The architectures of a tree in Debian's form; the names of directories only."""
    found = glob.glob("dists/*/main/binary-*", root_dir=place)
    kinds = sorted({path.rpartition("/binary-")[2] for path in found})
    return [*kinds, *(["source"] if glob.glob("dists/*/main/source", root_dir=place) else [])]

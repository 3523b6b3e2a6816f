"""What a runner finds out before its first transfer: the root of the source, file systems, free space."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import tempfile
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tain import api
from tain.errors import TainError
from tain.mirror import http
from tain.mirror.guards import Start
from tain.mirror.stages import is_local, stage_options
from tain.mirror.stamps import LARGEST, Stamp, read_stamp
from tain.mirror.words import visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from tain.mirror import model
    from tain.mirror.model import Job, Upstream

#: Names at the root that are kept; the rest is only counted by the transfer.
_MOST_NAMES = 100_000
#: Upstreams that are asked at once.
_PROBES = 8
#: Options of the transfer that a listing takes too.
_CONNECTION = ("timeout", "contimeout", "password_file", "address_family", "address", "rsh")


@dataclass(frozen=True)
class Probe:
    """One upstream as it is now."""

    reachable: bool
    seconds: float
    names: frozenset[bytes] = frozenset()
    marker_found: bool | None = None
    stamp: Stamp | None = None
    #: The entry at the root that says that the upstream is being updated.
    busy: str = ""
    code: int = 0
    error: str = ""


def connection_fields(job: Job, upstream: Upstream) -> dict[str, Any]:
    """The keywords that reach an upstream."""
    options = stage_options(job, 0, upstream)
    found = {name: getattr(options, name) for name in _CONNECTION}
    return {name: value for name, value in found.items() if value is not None}


def password_of(upstream: Upstream) -> Callable[[str], str] | None:
    """The function that reads the secret of a systemd credential, if the upstream has one."""
    if upstream.credential is None:
        return None
    path = os.path.join(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent"), upstream.credential)

    def read(_user: str) -> str:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.readline().rstrip("\n")

    return read


def environ_of(upstream: Upstream) -> dict[str, str]:
    """The environment of a transfer: this process's, with the proxy of the upstream."""
    variables = dict(os.environ)
    if upstream.proxy is not None:
        variables["RSYNC_PROXY"] = upstream.proxy
    return variables


def probe(job: Job, upstream: Upstream, scratch: str | None = None) -> Probe:
    """List the root of an upstream; not recursive. With *scratch*, a directory, its stamp file is read too."""
    began = time.monotonic()
    source = upstream.url if upstream.url.endswith("/") else upstream.url + "/"
    fields = connection_fields(job, upstream)
    names: set[bytes] = set()
    marker = job.guard.marker
    busy = ""
    found: bool | None = None
    try:
        entries = api.list(source, password=password_of(upstream), environ=environ_of(upstream), **fields)
        for entry in entries:
            if entry.path != b"." and len(names) < _MOST_NAMES:
                names.add(entry.path)
                if not busy and is_busy(job.probe, entry.path, time.time() - entry.mtime):
                    busy = visible(os.fsdecode(entry.path))
        if marker is not None:
            found = _exists(source, marker, names, upstream, fields)
    except TainError as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Probe(False, time.monotonic() - began, code=error.code, error=visible(text))
    except OSError as error:
        return Probe(False, time.monotonic() - began, code=11, error=visible(str(error)))
    stamp = None
    if scratch is not None and job.probe.file is not None:
        try:
            stamp = _stamp(job, source, upstream, fields, scratch)
        except http.FetchError as error:
            return Probe(False, time.monotonic() - began, code=10, error=visible(str(error)))
    return Probe(True, time.monotonic() - began, frozenset(names), found, stamp, busy)


def is_busy(rules: model.Probe, name: bytes, age: float) -> bool:
    """Whether an entry at the root of an upstream says that it is being updated. An old one was forgotten there."""
    text = os.fsdecode(name)
    return age < rules.busy_stale and any(fnmatch.fnmatchcase(text, pattern) for pattern in rules.busy)


def _stamp(job: Job, source: str, upstream: Upstream, fields: dict[str, Any], scratch: str) -> Stamp | None:
    """The stamp of an upstream; None if it has no such file. It is fetched by the job's own transport."""
    assert job.probe.file is not None
    if job.probe.via == "http" and upstream.http is not None:
        answer = http.fetch(upstream.http.rstrip("/") + "/" + quote(job.probe.file), LARGEST)
        return None if answer is None else read_stamp(answer.data, answer.mtime, job.probe.format)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="probe-") as place:
        path = os.path.join(place, "stamp")
        options = api.Options(archive=False, times=True, copy_links=True, max_size=LARGEST, **fields)
        api.Transfer(
            source + job.probe.file, path, options=options, password=password_of(upstream),
            environ=environ_of(upstream), cwd="/",
        ).run()  # fmt: skip
        try:
            with open(path, "rb") as file:
                return read_stamp(file.read(LARGEST), os.fstat(file.fileno()).st_mtime, job.probe.format)
        except FileNotFoundError:
            return None


def probe_all(job: Job, upstreams: Sequence[Upstream], scratch: str) -> list[Probe]:
    """Probe all upstreams at once; in their order."""
    if len(upstreams) == 1:
        return [probe(job, upstreams[0], scratch)]
    with ThreadPoolExecutor(max_workers=min(len(upstreams), _PROBES)) as pool:
        return list(pool.map(lambda upstream: probe(job, upstream, scratch), upstreams))


def has(job: Job, upstream: Upstream, path: str, names: frozenset[bytes]) -> bool:
    """Whether an upstream has an entry. *names*: those at its root. An upstream that does not answer has none."""
    source = upstream.url if upstream.url.endswith("/") else upstream.url + "/"
    try:
        return _exists(source, path, names, upstream, connection_fields(job, upstream))
    except (TainError, OSError):
        return False


def names_in(job: Job, upstream: Upstream, directory: str) -> frozenset[bytes]:
    """The names in a directory of an upstream; empty if it does not answer or has no such directory."""
    source = upstream.url if upstream.url.endswith("/") else upstream.url + "/"
    fields = connection_fields(job, upstream)
    with contextlib.suppress(TainError, OSError):
        entries = api.list(
            f"{source}{directory}/", password=password_of(upstream), environ=environ_of(upstream), **fields
        )
        return frozenset(entry.path for entry in entries)
    return frozenset()


def _exists(source: str, marker: str, names: AbstractSet[bytes], upstream: Upstream, fields: dict[str, Any]) -> bool:
    if "/" not in marker.rstrip("/"):
        return os.fsencode(marker.rstrip("/")) in names
    if is_local(source):
        return os.path.lexists(os.path.join(source, marker))
    try:
        for _ in api.list(source + marker, password=password_of(upstream), environ=environ_of(upstream), **fields):
            return True
    except TainError as error:
        if error.code != 23:
            raise
    return False


def device_of(path: str) -> str | None:
    """The file system of a path, by a number that stays when the machine starts again, if the system has one."""
    try:
        info = os.stat(path)
        system = os.statvfs(path)
    except OSError:
        return None
    # Some file systems have no number of their own.
    return f"fsid:{system.f_fsid:x}" if system.f_fsid else f"dev:{info.st_dev}"


def existing(path: str) -> str:
    """*path*, or the nearest directory above it that exists."""
    while not os.path.isdir(path) and path != "/":
        path = os.path.dirname(path)
    return path


def space(start: Start, destination: str) -> Start:
    """*start* with the room at the destination."""
    with contextlib.suppress(OSError):
        system = os.statvfs(existing(destination))
        return replace(
            start,
            free=system.f_bavail * system.f_frsize,
            total=system.f_blocks * system.f_frsize,
            free_inodes=system.f_favail,
            total_inodes=system.f_files,
        )
    return start


def start_facts(job: Job, upstream: Upstream, found: Probe) -> Start:
    """What `guards.judge_start` needs."""
    return space(
        Start(
            root_entries=found.names,
            marker_found=found.marker_found,
            source_dev=device_of(upstream.url) if is_local(upstream.url) else None,
            # Before the first run there is no destination, and nothing to compare with.
            dest_dev=device_of(job.destination) if os.path.isdir(job.destination) else None,
        ),
        job.destination,
    )

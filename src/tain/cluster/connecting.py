"""The Dask engine that the options of ``tain cluster`` ask for: a scheduler that runs, or workers of a batch system."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import sys
import warnings

from tain.cluster import certs, secure
from tain.errors import FileError, UsageError, for_code
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tain.cluster.engines.dask import Dask
    from tain.cluster.words import Given
    from tain.session.client.request import Request

#: A worker ends this many seconds before its job would be killed, and up to so many earlier, not all at once.
_EARLIER, _STAGGER = 300, 60
#: The shortest time of a job, in seconds: a minute of work.
_SHORTEST = _EARLIER + 2 * _STAGGER
#: The memory that a job script names; its line is left out, so the default of the batch system counts.
_MEMORY = "1GB"


def from_scheduler(given: Given) -> Callable[[Request], Dask]:
    """What connects to the scheduler of ``--scheduler`` or ``--scheduler-file``. Errors: `UsageError`, `FileError`."""
    address, security = target(given)

    def make(request: Request) -> Dask:
        from tain.cluster.engines.dask import Dask

        silence()
        return Dask(address, security=security, on_worker=_reporter(verbose=bool(request.options.verbose)))

    return make


def target(given: Given) -> tuple[str, Any]:
    """The address of the scheduler that the options name, and the `distributed.Security` for it.

    Errors: `UsageError` for a scheduler that others could use, `FileError`, `TainError` (code 4) without Dask.
    """
    certs.need_dask()
    certificates = certificates_of(given)
    file = given.values.get("--scheduler-file")
    address = given.values.get("--scheduler") or (secure.read_scheduler_file(file) if file else "")
    secure.check_address(address, certificates=bool(certificates), insecure="--insecure-cluster" in given.flags)
    return address, certificates.security()


def certificates_of(given: Given) -> secure.Certificates:
    """The certificates that the options name. Errors: `UsageError`, `FileError`."""
    certificates = secure.Certificates()
    for name, value in given.values.items():
        certificates.take(name, value)
    certificates.complete()
    return certificates


def from_batch_system(given: Given) -> Callable[[Request], Dask]:
    """What starts a scheduler here, and workers as jobs of ``--slurm`` or ``--pbs``. Errors: `TainError`."""
    certs.need_dask()
    try:
        import dask_jobqueue
    except ImportError as error:
        raise for_code(
            4, "tain cluster: the package dask-jobqueue is not installed: pip install 'tain[cluster-hpc]'"
        ) from error
    kind = "slurm" if "--slurm" in given.values else "pbs"
    job = read_slurm(given.values["--slurm"]) if kind == "slurm" else read_pbs(given.values["--pbs"])
    certificates = certificates_of(given)
    streams = given.number("--streams-per-node", 1)
    cluster_class = dask_jobqueue.SLURMCluster if kind == "slurm" else dask_jobqueue.PBSCluster

    def make(request: Request) -> Dask:
        import dask.config

        from tain.cluster.engines.dask import Dask
        from tain.cluster.starters import SETTINGS

        silence()
        place = os.path.abspath(given.values.get("--plan-dir") or given.rest[0])
        if not certificates:
            _make_certificates(certificates, os.path.join(place, "tls"))
        with dask.config.set(SETTINGS):
            try:
                cluster = cluster_class(
                    cores=streams,
                    memory=_MEMORY,
                    processes=1,
                    protocol="tls://",
                    security=certificates.security(),
                    scheduler_options={"host": _own_address(), "dashboard_address": "127.0.0.1:0"},
                    worker_command="tain.cluster.starters worker",
                    worker_extra_args=job.lifetime,
                    job_directives_skip=["--mem="] if kind == "slurm" else ["mem="],
                    job_extra_directives=[job.words] if job.words else [],
                    walltime=job.walltime or None,
                    log_directory=os.path.join(place, "jobs"),
                    job_name="tain",
                    # It would write its notes to standard error.
                    silence_logs=logging.CRITICAL + 1,
                )
                cluster.scale(jobs=job.count)
            except (OSError, RuntimeError, ValueError) as error:
                raise for_code(10, f"tain cluster: {kind}: {str(error).strip()}") from error
        from distributed import Client

        client = Client(cluster, set_as_default=False, name="tain")
        return Dask(client, on_worker=_reporter(verbose=bool(request.options.verbose)), owned=[client, cluster])

    return make


class Job:
    """What the words for a batch system ask for."""

    def __init__(self, count: int, seconds: int, walltime: str, words: str) -> None:
        #: Jobs, each with one worker.
        self.count = count
        #: The limit of time as it was given, and what is passed on as it is.
        self.walltime, self.words = walltime, words
        #: Options of a worker.
        self.lifetime: list[str] = []
        if seconds:
            if seconds < _SHORTEST:
                raise UsageError(f"tain cluster: jobs of {seconds} s are too short: at least {_SHORTEST} s are needed")
            self.lifetime = [f"--lifetime={seconds - _EARLIER}", f"--lifetime-stagger={_STAGGER}"]


def read_slurm(text: str) -> Job:
    """The jobs of ``--slurm='-p io -t 12:00:00 -N 64'``: 64 jobs of one node. Errors: `UsageError`."""
    words, count, walltime = _split(text), "1", ""
    kept: list[str] = []
    while words:
        word = words.pop(0)
        for short, long in (("-N", "--nodes"), ("-t", "--time")):
            if word in (short, long) and words:
                value = words.pop(0)
            elif word.startswith(f"{long}="):
                value = word.partition("=")[2]
            elif word.startswith(short) and not word.startswith("--") and len(word) > len(short):
                value = word[len(short) :]
            else:
                continue
            count, walltime = (value, walltime) if short == "-N" else (count, value)
            break
        else:
            kept.append(word)
    return Job(_count(count), _seconds(walltime) if walltime else 0, walltime, shlex.join(kept))


def read_pbs(text: str) -> Job:
    """The jobs of ``--pbs='-q io -l select=64 -l walltime=12:00:00'``: 64 jobs of one node. Errors: `UsageError`."""
    words, count, walltime = _split(text), "1", ""
    kept: list[str] = []
    while words:
        word = words.pop(0)
        if word != "-l" or not words:
            kept.append(word)
            continue
        resources = []
        for resource in words.pop(0).split(","):
            name, _, value = resource.partition("=")
            if name == "walltime":
                walltime = value
            elif name in ("select", "nodes") and value.isdecimal():
                count = value
            else:
                resources.append(resource)
        if resources:
            kept += ["-l", ",".join(resources)]
    return Job(_count(count), _seconds(walltime) if walltime else 0, walltime, shlex.join(kept))


def _split(text: str) -> list[str]:
    if "\n" in text:
        raise UsageError("tain cluster: the words for a batch system are one line")
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"tain cluster: {text}: {error}") from error


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise UsageError(f"tain cluster: {text} is not a number of nodes")
    return int(text)


def _seconds(text: str) -> int:
    """The seconds of a limit of time: ``MINUTES``, ``[HOURS:]MINUTES:SECONDS`` or ``DAYS-HOURS[:MINUTES[:SECONDS]]``.
    Errors: `UsageError`."""
    days, mark, rest = text.rpartition("-")
    parts = rest.split(":")
    if len(parts) > 3 or not all(part.isascii() and part.isdecimal() for part in [*parts, days or "0"]):
        raise UsageError(f"tain cluster: {text} is not a limit of time, such as 12:00:00")
    numbers = [int(part) for part in parts]
    if mark:
        hours, minutes, seconds = [*numbers, 0, 0][:3]
    elif len(numbers) == 1:
        hours, minutes, seconds = 0, numbers[0], 0
    else:
        hours, minutes, seconds = [0, *numbers][-3:]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


def _make_certificates(certificates: secure.Certificates, directory: str) -> None:
    """Certificates for this run only, in the directory of the plan, which workers can read."""
    certs.make(directory, ["node"])
    certificates.take("--tls-dir", directory)
    certificates.take("--tls-name", "node")
    certificates.complete()


def _own_address() -> str:
    """The address of this host that others reach."""
    from distributed.utils import get_ip

    try:
        return str(get_ip())
    except OSError as error:
        raise FileError(f"tain cluster: this host has no address: {system_text(error)}") from error


def silence() -> None:
    """Dask's own notes are not for users: the engine reports lost connections, and workers with other versions."""
    warnings.filterwarnings("ignore", message="Mismatched versions found")
    for name in ("distributed", "tornado", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _reporter(*, verbose: bool) -> Callable[[str, str, str], None]:
    """What reports workers on standard error."""

    def report(op: str, name: str, reason: str) -> None:
        if op == "refused":
            text = f"tain: worker {name} is refused: {reason}\n"
        elif verbose:
            text = f"tain: worker {name} {op}{': ' if reason else ''}{reason}\n"
        else:
            return
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)
            sys.stderr.flush()

    return report

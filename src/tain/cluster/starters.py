"""``tain cluster scheduler`` and ``tain cluster worker``: Dask's own servers with the settings that transfers need.

Both use mutual TLS, listen on one address, and show Dask's pages on loopback only. A worker is a supervised process
(Dask's nanny) that runs streams in its threads.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import shutil
import signal
import sys
import tempfile

from tain.cluster import certs, secure
from tain.errors import TainError, UsageError, for_code
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

PORT, DASHBOARD = 8786, "127.0.0.1:8787"
#: Seconds that a worker waits for its scheduler.
PATIENCE = 60
#: Settings of scheduler and workers. Those of a scheduler that somebody else started may differ.
SETTINGS: dict[str, object] = {
    # Lost attempts are counted by the coordinator. Dask's 3 would be used up by one bad host.
    "distributed.scheduler.allowed-failures": 1000,
    "distributed.scheduler.worker-ttl": "60s",
    # A stream runs where its slot is; there is no queue from which another worker could take it.
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.active-memory-manager.start": False,
    # It would stop all threads 100 times a second.
    "distributed.worker.profile.enabled": False,
    "distributed.scheduler.http.routes": [
        # Without Dask's proxy, which connects to any address that a request names.
        "distributed.http.scheduler.prometheus",
        "distributed.http.scheduler.info",
        "distributed.http.scheduler.json",
        "distributed.http.health",
        "distributed.http.statics",
    ],
    "distributed.admin.tick.limit": "30s",
}

SCHEDULER_HELP = f"""\
tain cluster scheduler [options]   start a scheduler; SIGTERM ends it

  --host=ADDRESS            the one address on which it listens (127.0.0.1)
  --port=N                  ({PORT}; 0: any free one)
  --scheduler-file=FILE     write the address here, for --scheduler-file of others
  --dashboard=ADDRESS:PORT  Dask's pages, on loopback ({DASHBOARD}); `no`: none
{secure.HELP}"""

WORKER_HELP = f"""\
tain cluster worker SCHEDULER [options]   start a worker; SIGTERM ends it

SCHEDULER is an address such as tls://n01:{PORT}.

  --scheduler-file=FILE     where a scheduler has written its address, instead of SCHEDULER
  --streams=N               streams at once (1)
  --host=ADDRESS            the one address on which it listens (the one that faces the scheduler)
  --name=NAME               its name in reports
  --label=LABEL             takes pairs with this label as well; may be repeated
  --lifetime=SECONDS        ends after this time, between two streams if possible
  --lifetime-stagger=SECONDS   a random part of it earlier or later, so that not all workers end at once
  --local-directory=DIR     for Dask's own files (a temporary directory)
  --death-timeout=SECONDS   waits this long for the scheduler ({PATIENCE})
{secure.HELP}"""


def scheduler(words: Sequence[str]) -> int:
    """Run a scheduler until a signal ends it; *words* follow ``tain cluster scheduler``. Returns the exit code.

    Errors: `TainError`.
    """
    if "-h" in words or "--help" in words:
        print(SCHEDULER_HELP, end="")
        return 0
    options = _Words(words, ("--host", "--port", "--scheduler-file", "--dashboard"))
    if options.names:
        raise UsageError(f"tain cluster scheduler: {options.names[0]} is one word too many")
    certs.need_dask()
    certificates = options.certificates
    host = options.text("--host", "127.0.0.1")
    _check_one_address(host)
    protocol = "tls" if certificates else "tcp"
    port = options.number("--port", PORT, largest=65535)
    if not certificates and not options.insecure:
        raise UsageError("tain cluster scheduler: certificates are needed: --tls-dir (`tain cluster certs` makes them)")
    dashboard: str | None = options.text("--dashboard", DASHBOARD)
    if dashboard == "no":
        dashboard = None
    elif not secure.is_loopback((dashboard or "").rpartition(":")[0].strip("[]")) and not options.insecure:
        raise UsageError("tain cluster scheduler: --dashboard must be on loopback: its pages ask for no password")

    async def make() -> Any:
        from distributed import Scheduler

        return Scheduler(
            host=host,
            port=port,
            protocol=f"{protocol}://",
            security=certificates.security(),
            dashboard=dashboard is not None,
            # Without pages its metrics are served, on loopback too.
            dashboard_address=dashboard or "127.0.0.1:0",
            scheduler_file=options.text("--scheduler-file") or None,
        )

    def describe(server: Any) -> str:
        pages = server.services.get("dashboard") or server.http_server
        line = f"tain cluster scheduler: listening on {server.address}"
        if dashboard is not None and pages is not None:
            line += f", pages at http://{dashboard.rpartition(':')[0]}:{pages.port}/status"
        return line

    return _serve(make, describe, f"{protocol}://{host}:{port}")


def worker(words: Sequence[str]) -> int:
    """Run a worker until its scheduler or a signal ends it; *words* follow ``tain cluster worker``.

    Returns the exit code. Errors: `TainError`.
    """
    if "-h" in words or "--help" in words:
        print(WORKER_HELP, end="")
        return 0
    options = _Words(words, _WORKER_OPTIONS)
    certs.need_dask()
    file = options.text("--scheduler-file")
    if len(options.names) + bool(file) != 1:
        raise UsageError("tain cluster worker: the address of a scheduler, or --scheduler-file, is needed")
    address = secure.read_scheduler_file(file) if file else options.names[0]
    certificates = options.certificates
    secure.check_address(address, certificates=bool(certificates), insecure=options.insecure)
    streams = options.number("--streams", options.number("--nthreads", 1, least=1), least=1, largest=1024)
    host = options.text("--host") or _facing(address)
    _check_one_address(host)
    directory = options.text("--local-directory")
    own = "" if directory else tempfile.mkdtemp(prefix="tain-worker-")
    labels = options.all("--label")

    async def make() -> Any:
        from distributed import Nanny

        return Nanny(
            address,
            nthreads=streams,
            name=options.text("--name") or None,
            host=host,
            protocol=address.partition("://")[0] + "://",
            security=certificates.security(),
            local_directory=directory or own,
            # Pages that the kernel keeps of files are not memory of the worker.
            memory_limit=0,
            resources={"tain": streams, **{f"tain-{label}": streams for label in labels}},
            death_timeout=options.number("--death-timeout", PATIENCE, least=1),
            lifetime=options.number("--lifetime", 0) or None,
            lifetime_stagger=options.number("--lifetime-stagger", 0),
            dashboard_address="127.0.0.1:0",
        )

    def describe(server: Any) -> str:
        return f"tain cluster worker: {server.worker_address}, {streams} streams, for {address}"

    try:
        return _serve(make, describe, address)
    finally:
        if own:
            shutil.rmtree(own, ignore_errors=True)


#: Those of Dask's own worker stand in job scripts (dask-jobqueue); a limit of memory is not used.
_WORKER_OPTIONS = (
    "--scheduler-file", "--streams", "--nthreads", "--host", "--name", "--label", "--lifetime", "--lifetime-stagger",
    "--local-directory", "--death-timeout", "--memory-limit",
)  # fmt: skip
#: Options whose value may be the next word.
_OWN_WORD = frozenset((*_WORKER_OPTIONS, *secure.OPTIONS, "--port", "--dashboard", "--protocol"))


class _Words:
    """Options and other words of a command. Errors of all methods: `UsageError`."""

    def __init__(self, words: Sequence[str], known: Sequence[str]) -> None:
        self.names: list[str] = []
        self.insecure = False
        self.certificates = secure.Certificates()
        self._values: dict[str, list[str]] = {}
        rest = list(words)
        while rest:
            word = rest.pop(0)
            name, separator, value = word.partition("=")
            if word == "--insecure-cluster":
                self.insecure = True
                continue
            if not word.startswith("-"):
                self.names.append(word)
                continue
            if not separator and name in _OWN_WORD and rest:
                value, separator = rest.pop(0), "="
            if not separator or not value:
                raise UsageError(f"tain cluster: {word} is not understood or has no value")
            if self.certificates.take(name, value):
                continue
            if name not in known and name != "--protocol":
                raise UsageError(f"tain cluster: {word} is not understood")
            self._values.setdefault(name, []).append(value)
        self.certificates.complete()

    def text(self, name: str, default: str = "") -> str:
        """The last value of the option *name*."""
        return self._values.get(name, [default])[-1]

    def all(self, name: str) -> list[str]:
        """All values of the option *name*."""
        return self._values.get(name, [])

    def number(self, name: str, default: int, *, least: int = 0, largest: int = 10**9) -> int:
        """The last value of the option *name* as a whole number."""
        value = self.text(name, str(default)).removesuffix("s" if name.startswith("--lifetime") else "")
        if not value.isascii() or not value.isdecimal() or not least <= int(value) <= largest:
            raise UsageError(f"tain cluster: {name}={value} is not a number from {least} to {largest}")
        return int(value)


def _check_one_address(host: str) -> None:
    """Errors: `UsageError` for what stands for all addresses of this host."""
    try:
        unspecified = ipaddress.ip_address(host).is_unspecified
    except ValueError:
        unspecified = not host
    if unspecified:
        raise UsageError(f"tain cluster: --host={host} stands for all addresses: name the one to listen on")


def _facing(address: str) -> str:
    """The address of this host that faces the scheduler at *address*."""
    from distributed.utils import get_ip

    host = address.partition("://")[2].rpartition(":")[0].strip("[]")
    try:
        return str(get_ip(host))
    except OSError as error:
        raise for_code(10, f"tain cluster worker: {host}: {system_text(error)}") from error


def _serve(make: Any, describe: Any, address: str) -> int:
    """Run the server that *make* returns until it ends, or SIGINT or SIGTERM comes; returns the exit code.

    One line of *describe* on standard output says that it is ready. Errors: `TainError`.
    """
    import dask.config

    async def run() -> int:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
        starting = asyncio.ensure_future(_start(make))
        stop = asyncio.ensure_future(ended.wait())
        await asyncio.wait({starting, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            return 20
        server = await starting
        print(describe(server), flush=True)
        finished = asyncio.ensure_future(server.finished())
        await asyncio.wait({finished, stop}, return_when=asyncio.FIRST_COMPLETED)
        if finished.done():
            return 0
        await server.close()
        return 0

    with dask.config.set(SETTINGS):
        try:
            return asyncio.run(run())
        except TainError:
            raise
        except OSError as error:
            raise for_code(10, f"tain cluster: {address}: {error.strerror or error}") from error
        except (RuntimeError, TypeError, ValueError) as error:
            # What Dask raises if an address is no address, or if no scheduler answers.
            cause = error.__cause__ or error
            raise for_code(10, f"tain cluster: {address}: {cause}") from error


async def _start(make: Any) -> Any:
    server = await make()
    await server
    return server


def main(words: Sequence[str]) -> int:
    """``python -m tain.cluster.starters worker ...``: what job scripts run. Returns the exit code."""
    commands = {"scheduler": scheduler, "worker": worker}
    try:
        if not words or words[0] not in commands:
            raise UsageError("tain.cluster.starters: `scheduler` or `worker` is needed")
        return commands[words[0]](words[1:])
    except TainError as error:
        print(error, file=sys.stderr)
        return error.code


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(sys.argv[1:]))

"""Schedulers and workers as processes of their own, on ports of 127.0.0.1."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tain.cluster import certs
from tests.ports import free_port

#: Seconds after which a condition is given up; a busy machine needs some of them.
LIMIT = 60.0


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait until *condition* is true."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {LIMIT} s"
        time.sleep(0.05)


class Server:
    """A process that prints one line when it is ready."""

    def __init__(self, words: list[str], log: Path, env: dict[str, str] | None = None) -> None:
        self.log = log
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tain.cluster.starters", *words],
                stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **(env or {})},
            )  # fmt: skip
        self.line = self._first_line()

    @property
    def pid(self) -> int:
        return self.process.pid

    def _first_line(self) -> str:
        """The line of a server that is ready; empty if it has ended instead."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], LIMIT)
        if not ready:
            self.stop()
            raise AssertionError(f"the server is not ready: {self.log.read_text()[-2000:]}")
        return self.process.stdout.readline().strip()

    def stop(self) -> int:
        """End the process, and wait for it; returns its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(LIMIT)
            except subprocess.TimeoutExpired:
                self.process.kill()
        code = self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


class Site:
    """A cluster with certificates of its own: a scheduler, and workers as they are started."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.tls = str(place / "tls")
        certs.make(self.tls, ["scheduler", "worker", "client"])
        self.file = str(place / "scheduler.json")
        self.servers: list[Server] = []
        self.scheduler = self.start_scheduler()

    @property
    def address(self) -> str:
        """``tls://127.0.0.1:PORT``."""
        return self.scheduler.line.partition("listening on ")[2].split(",")[0]

    def start(self, words: list[str], name: str, **env: str) -> Server:
        server = Server(words, self.place / f"{name}.{len(self.servers)}.log", env)
        self.servers.append(server)
        return server

    def start_scheduler(self) -> Server:
        words = [f"--port={free_port()}", "--dashboard=no", f"--scheduler-file={self.file}"]
        return self.start(["scheduler", *words, *self.words("scheduler")], "scheduler")

    def start_worker(self, *words: str, **env: str) -> Server:
        return self.start(["worker", f"--scheduler-file={self.file}", *self.words("worker"), *words], "worker", **env)

    def words(self, name: str) -> list[str]:
        """The options that name the certificate *name*."""
        return [f"--tls-dir={self.tls}", f"--tls-name={name}"]


@contextlib.contextmanager
def site(place: Path) -> Iterator[Site]:
    """A scheduler that ends, with its workers, at the end of the block."""
    place.mkdir(exist_ok=True)
    found = Site(place)
    try:
        yield found
    finally:
        # Workers first: they end at once, instead of waiting for their scheduler.
        for server in reversed(found.servers):
            server.stop()

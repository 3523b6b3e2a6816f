"""``tain mirror serve``: the process that starts the runs, answers the control socket and shows the page.

It never talks to an upstream. A run is a process and a session of its own, so that it goes on if this process is
killed; the next server finds it by its row, its process and the start of the machine, and follows it like its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from tain.mirror import control, states, verbs
from tain.mirror.clock import SYSTEM, Clock
from tain.mirror.control import Answer
from tain.mirror.control_server import ControlServer, refusal
from tain.mirror.findings import ConfigError, Finding
from tain.mirror.loading import Config, load_config
from tain.mirror.locks import Lock, holder_of, is_alive, myself, send
from tain.mirror.runs import Layout, write_json
from tain.mirror.scheduler import Scheduler
from tain.mirror.store import Store
from tain.supervisor import notify, watchdog_interval

#: Seconds that a stop waits for runs, which keep their partial data.
STOP_PATIENCE = 60.0
#: Seconds between two looks while something runs: a run of another command is noticed after this time.
_BUSY_STEP = 5.0


class ServerRuns(Exception):
    """Another server has this state: exit code 73."""


class Front(Protocol):
    """What shows the state to others: the page, files for other programs."""

    async def start(self) -> list[str]:
        """Begin; returns the addresses."""

    async def changed(self) -> None:
        """The state may have changed."""

    async def stop(self) -> None: ...


class Service:
    """The server. One for each state directory."""

    def __init__(self, config: Config, layout: Layout, clock: Clock = SYSTEM, *, drain: bool = False) -> None:
        """Errors: `ServerRuns`, `StateError`, `OSError`."""
        self.config, self.layout, self.clock = config, layout, clock
        os.makedirs(layout.state, mode=0o750, exist_ok=True)
        self._lock = Lock(os.path.join(layout.state, "server.lock"))
        if not self._lock.take(myself()):
            other = holder_of(self._lock.path)
            raise ServerRuns(f"a server works on {layout.state} already (process {other.pid if other else '?'})")
        self.store = Store.open(layout.database)
        self.scheduler = Scheduler(config, layout, self.store, clock)
        self.scheduler.draining = drain
        self.started = clock.now()
        #: When the loop last turned, by the monotonic clock.
        self.turned = clock.monotonic()
        #: What was wrong with the configuration at the last reload.
        self.findings: list[Finding] = []
        self.addresses: list[str] = []
        self.fronts: list[Front] = []
        self._stopping = False
        self._wake = asyncio.Event()
        self._watched: dict[str, int] = {}
        self._generation: tuple[int, int] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # ---- from beginning to end

    async def run(self, ready: Callable[[list[str]], None] = lambda _addresses: None) -> int:
        """Serve until a signal; returns the exit code. *ready* gets the addresses. Errors: `OSError`."""
        loop = asyncio.get_running_loop()
        server = self.config.server
        path = control.socket_path(self.layout, server.control_socket)
        listener = ControlServer(path, server.control_group, self.answer)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._spawn, self._reload_quietly)
        loop.add_signal_handler(signal.SIGUSR1, self.drain)
        try:
            await listener.start()
            for front in self.fronts:
                self.addresses += await front.start()
            self._announce(ready)
            watchdog = watchdog_interval()
            while not self._stopping:
                wait = await self._turn()
                if self.scheduler.draining and not self.scheduler.running:
                    break
                if watchdog is not None:
                    notify("WATCHDOG=1")
                    wait = min(wait, watchdog / 2)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), wait)
                self._wake.clear()
            notify("STOPPING=1")
            await self._cancel_runs()
        finally:
            listener.close()
            for front in self.fronts:
                await front.stop()
            self._unwatch(set())
            self.store.close()
            self._lock.release()
        return states.EXIT_OK

    def _announce(self, ready: Callable[[list[str]], None]) -> None:
        write_json(os.path.join(self.layout.state, "server.json"), {"pid": os.getpid(), "addresses": self.addresses})
        notify("READY=1\nSTATUS=" + (", ".join(self.addresses) or "no page"))
        ready(self.addresses)

    async def _turn(self) -> float:
        try:
            wait = self.scheduler.turn()
        except sqlite3.Error as error:
            # A full disk, or a database that another program holds: the runs go on without us.
            sys.stderr.write(f"tain mirror: the state cannot be read or written: {error}\n")
            wait = _BUSY_STEP
        self.turned = self.clock.monotonic()
        self._watch_runs()
        with contextlib.suppress(sqlite3.Error):
            generation = self.store.generation()
            if generation != self._generation:
                self._generation = generation
                for front in self.fronts:
                    await front.changed()
        return min(wait, _BUSY_STEP) if self.scheduler.running else wait

    def wake(self) -> None:
        """Look again now."""
        self._wake.set()

    def _spawn(self, action: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.ensure_future(action())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- the ends of runs

    def _watch_runs(self) -> None:
        """Wake at the end of each run, also of one that this process has not started."""
        loop = asyncio.get_running_loop()
        for row in self.scheduler.running.values():
            if row["id"] in self._watched:
                continue
            with contextlib.suppress(OSError):
                fd = os.pidfd_open(row["pid"])
                self._watched[row["id"]] = fd
                loop.add_reader(fd, self._run_ended, row["id"])
        self._unwatch({row["id"] for row in self.scheduler.running.values()})

    def _run_ended(self, run: str) -> None:
        self._close_watch(run)
        self.wake()

    def _close_watch(self, run: str) -> None:
        fd = self._watched.pop(run)
        asyncio.get_running_loop().remove_reader(fd)
        os.close(fd)

    def _unwatch(self, keep: set[str]) -> None:
        for run in self._watched.keys() - keep:
            self._close_watch(run)

    # ---- what others ask for

    def stop(self) -> None:
        """Cancel the runs and end."""
        self._stopping = True
        self.wake()

    def drain(self) -> None:
        """Start nothing more, and end with the last run."""
        self.scheduler.draining = True
        self.store.event("drain", "nothing starts any more")
        self.wake()

    def reload(self) -> None:
        """Read the configuration again. Errors: `ConfigError`; then nothing has changed."""
        notify("RELOADING=1")
        try:
            config = load_config(self.config.file)
        except ConfigError as error:
            self.findings = error.findings
            self.store.event("config", "the configuration has errors; the one before stays", severity="error")
            raise
        finally:
            notify("READY=1")
        self.findings = []
        self.config = config
        self.scheduler.reload(config)
        self.store.event("reload", f"{len(config.jobs)} jobs")
        self.wake()

    async def _reload_quietly(self) -> None:
        try:
            self.reload()
        except ConfigError as error:
            sys.stderr.write(f"tain mirror: not reloaded:\n{error}\n")

    async def answer(self, question: Answer, who: str) -> Answer:
        """The answer to a question on the control socket."""
        operation, name = question.get("op"), str(question.get("job", ""))
        if operation == "status":
            return self.document()
        if operation == "reload":
            try:
                self.reload()
            except ConfigError as error:
                return refusal(error)
            return {"jobs": len(self.config.jobs)}
        if operation == "drain":
            self.drain()
            return {"running": sorted(self.scheduler.running)}
        if operation == "start":
            loaded = self.config.jobs.get(name)
            if loaded is None or not loaded.job.enabled:
                text = "is disabled" if loaded else "is not a job of the server's configuration (tain mirror reload)"
                return {"error": f"{name}: {text}", "code": states.EXIT_USAGE}
            again = self.scheduler.runs(name)
            verbs.start(self.store, name, who, self.clock.now(), at_once=bool(question.get("now")))
            self.wake()
            return {"queued": True, "again": again}
        return {"error": "unknown operation", "code": states.EXIT_USAGE}

    def document(self) -> dict[str, Any]:
        """What is known of the server itself."""
        return {
            "pid": os.getpid(),
            "addresses": self.addresses,
            "running": len(self.scheduler.running),
            "waiting": dict(self.scheduler.waiting),
            "draining": self.scheduler.draining,
            "config_ok": not self.findings,
            "errors": [finding.document() for finding in self.findings],
        }

    async def _cancel_runs(self) -> None:
        """Cancel the runs that a server has started; a `run` of somebody else goes on."""
        try:
            holders = list(self.scheduler.own().values())
        except sqlite3.Error as error:
            sys.stderr.write(f"tain mirror: the state cannot be read, so the runs go on: {error}\n")
            return
        for holder in holders:
            send(holder, signal.SIGTERM)
        end = self.clock.monotonic() + STOP_PATIENCE
        while any(is_alive(holder) for holder in holders) and self.clock.monotonic() < end:
            await asyncio.sleep(0.05)
            self.scheduler.reap()
        with contextlib.suppress(sqlite3.Error):
            self.scheduler.reconcile()

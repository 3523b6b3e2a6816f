"""CCH-9: an error anywhere in one session of a worker, or at the door, ends that connection alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tain.daemon import door, worker

from .harness import HELLO, PROGRAMS, Daemon, wait_until
from .test_workers import ONE, enter, names, processes, worker_of

FAULTY = """
import importlib, sys
sys.argv[0] = 'rsync'
module, name, call = {place!r}
module = importlib.import_module(module)
owner, _, attribute = name.rpartition('.')
owner = getattr(module, owner) if owner else module
real, calls = getattr(owner, attribute), []

def wrapped(*args, **keywords):
    calls.append(1)
    if len(calls) == call:
        raise {error}('injected')
    return real(*args, **keywords)

setattr(owner, attribute, wrapped)
from tain.cli.main import entry
entry()
"""

#: Where, and at which call: the first connection waits for its arguments, and the second one meets the error.
PLACES = {
    "decode": ("tain.daemon.admitted", "Admitted.decode", 3),
    "adopt": ("tain.daemon.log", "Log.adopt", 2),
    "check": ("tain.daemon.module_view", "ModuleView.check", 2),
    "munge": ("tain.daemon.worker", "check_munge", 2),
    "arguments": ("tain.daemon.arguments", "read", 2),
    "options": ("tain.daemon.request", "understand", 9),
    "paths": ("tain.daemon.child", "expand_paths", 1),
    "plan": ("tain.daemon.transfer", "plan_fields", 1),
    "serve": ("tain.session.server", "serve", 1),
    "handshake": ("tain.session.handshake", "server_handshake", 1),
    "filters": ("tain.session.server", "receive_filters", 1),
    "run": ("tain.report.output", "run_here", 1),
}


@pytest.mark.parametrize("error", ["RuntimeError", "MemoryError", "KeyboardInterrupt"])
@pytest.mark.parametrize("place", PLACES)
def test_an_error_in_a_session(tree: Path, monkeypatch: pytest.MonkeyPatch, place: str, error: str) -> None:
    program = FAULTY.format(place=PLACES[place], error=error)
    monkeypatch.setitem(PROGRAMS, "faulty", [sys.executable, "-c", program])
    with Daemon("faulty", tree, b"tain workers = yes\ntain control socket =\nmunge symlinks = yes\n" + ONE) as daemon:
        with enter(daemon) as waiting:
            pid = worker_of(daemon)
            code, _, _ = daemon.client("-r", "HOST/m/")
            assert code
            assert worker_of(daemon) == pid
            waiting.sendall(b"--server\0--sender\0-r\0.\0m/\0\0")
            assert waiting.recv(1)
        assert names(daemon) == [".", "one", "three", "two"]
        assert worker_of(daemon) == pid
        failed = [line for line in daemon.log_lines() if line.startswith("connection failed")]
        assert len(failed) <= 1
        # Before the log is there, nothing can be written into it.
        if place not in ("decode", "adopt"):
            assert failed
            assert failed[0].startswith(f"connection failed: {error}: injected (")


@pytest.mark.parametrize(
    ("place", "call"),
    [
        (("tain.daemon.greeting", "parse"), 9),
        (("tain.daemon.connection", "Connection._check_access"), 1),
        (("tain.daemon.views", "obstacle_of"), 1),
        (("tain.daemon.admitted", "Admitted.encode"), 1),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_an_error_at_the_door(tree: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[str, str], call: int) -> None:
    program = FAULTY.format(place=(*place, call), error="RuntimeError")
    monkeypatch.setitem(PROGRAMS, "faulty", [sys.executable, "-c", program])
    with Daemon("faulty", tree, b"tain workers = yes\ntain control socket =\n" + ONE) as daemon:
        with daemon.connect() as waiting:
            wait_until(lambda: processes(daemon, door.NAME), "the door")
            (pid,) = processes(daemon, door.NAME)
            assert not daemon.talk(HELLO + b"m\n").endswith(b"OK\n<open>")
            waiting.sendall(HELLO + b"m\n")
            seen = b""
            while not seen.endswith(b"@RSYNCD: OK\n"):
                seen += waiting.recv(4096)
            assert processes(daemon, door.NAME) == [pid]
            assert len(processes(daemon, worker.NAME)) == 1
        lines = daemon.log_lines()
        assert any(line.startswith("connection failed: RuntimeError: injected (") for line in lines)

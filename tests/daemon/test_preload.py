"""Everything is imported before the fork: that must have no effect, and must leave no thread or socket behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .harness import HELLO, Daemon, environment

PROGRAM = """
import os, signal, sys, threading
import tain.daemon.preload as preload

def state():
    fds = {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if fd != str(own)
           and os.path.lexists(f"/proc/self/fd/{fd}")}
    mask = os.umask(0o022)
    os.umask(mask)
    return {
        "threads": os.listdir("/proc/self/task"),
        "children": open(f"/proc/self/task/{os.getpid()}/children").read(),
        # `prepare_chroot` opens this one.
        "descriptors": sorted(fds - {"/proc"}),
        "directory": os.getcwd(),
        "umask": mask,
        "environment": dict(os.environ),
        "handlers": [signal.getsignal(number) for number in range(1, signal.NSIG)],
        "path": sys.path,
    }

own = -1
before = state()
preload.load()
after = state()
for what, value in before.items():
    if after[what] != value:
        print(what, value, after[what])
modules = [name for name in sys.modules if name.startswith("tain.")]
assert len(modules) > 80, modules
"""


def test_importing_everything_has_no_effect() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment())
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def _threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def _sockets(pid: int) -> int:
    base = Path(f"/proc/{pid}/fd")
    return sum(os.readlink(entry).startswith("socket:") for entry in base.iterdir())


def test_a_listener_has_no_thread_and_one_socket(tmp_path: Path) -> None:
    """A thread would not survive a fork, and a child would inherit a socket."""
    conf = b"use chroot = no\nreverse lookup = no\nlog file = DIR/log\n[m]\npath = DIR\n"
    with Daemon("tain", tmp_path, conf, workers=False) as daemon:
        assert (_threads(daemon.process.pid), _sockets(daemon.process.pid)) == (1, 1)
        with daemon.connect() as sock:
            sock.sendall(HELLO + b"m\n")
            seen = b""
            while not seen.endswith(b"@RSYNCD: OK\n"):
                seen += sock.recv(4096)
            (child,) = daemon.children()
            assert (_threads(child), _sockets(child)) == (1, 1)
        assert (_threads(daemon.process.pid), _sockets(daemon.process.pid)) == (1, 1)

"""EV-9: whatever is killed, and when: a file with an event ``done``, or with a line in the receiver's log, is whole."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import programs

#: Runs of each kind; the long form has ``TAIN_KILLS=1000``.
KILLS = int(os.environ.get("TAIN_KILLS", "12"))
#: Seconds after the destination exists; an undisturbed run takes about as long.
LATEST = 0.3

#: Writes each event as it comes, like a program that may be killed at any moment.
PROGRAM = """
import os, sys
from tain.options.parse import parse
from tain.options.resolve import resolve
from tain.session.client import Client
from tain.session.environment import Environment
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
words = [os.fsencode(word) for word in sys.argv[2:]]
def take(events):
    for event in events:
        if event[0] == "json":
            os.write(fd, event[1])
client = Client(resolve(parse(words)), Environment(argv=[b"tain", *words]), events=("json-done",), on_events=take)
print("ready", flush=True)
sys.exit(client.run())
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole") / "src"
    chance = random.Random(9)
    for number in range(400):
        path = root / f"d{number % 7}" / f"f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(chance.choice((10, 4_000, 200_000))))
    return root


def is_whole(source: Path, destination: Path, name: str) -> bool:
    path = destination / name
    return path.is_file() and path.read_bytes() == (source / name).read_bytes()


#: A local copy has no peer.
PROCESSES = [("local", "self")] + [
    (way, victim) for way in ("push-tain", "push-rsync", "pull-tain", "pull-rsync") for victim in ("self", "peer")
]


@pytest.mark.parametrize(("way", "victim"), PROCESSES)
def test_killed_at_any_moment(source: Path, tmp_path: Path, way: str, victim: str) -> None:
    kind, _, peer = way.partition("-")
    shell, pid, events, log = (tmp_path / name for name in ("shell", "pid", "events", "log"))
    # The peer's own errors say nothing here.
    shell.write_text(f'#!/bin/sh\necho $$ > {pid}.new\nmv {pid}.new {pid}\nshift\nexec "$@" 2>/dev/null\n')
    shell.chmod(0o755)
    program = programs.PEER if peer == "rsync" else str(programs.ROOT / ".venv/bin/tain")
    remote = [f"--rsh={shell}", f"--rsync-path={program}"] if kind != "local" else []
    chance, promised = random.Random(way + victim), 0
    for turn in range(KILLS):
        destination = tmp_path / f"dst{turn}"
        host = ("host:" if kind == "pull" else "", "host:" if kind == "push" else "")
        words = ["-a", f"--log-file={log}", *remote, f"{host[0]}{source}/", f"{host[1]}{destination}"]
        for old in (pid, events, log):
            old.unlink(missing_ok=True)
        run = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(events), *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert run.stdout is not None and run.stdout.readline() == b"ready\n"
        while not destination.exists() and run.poll() is None:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, LATEST))
        if victim == "self":
            run.kill()
        elif pid.exists():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid.read_text()), signal.SIGKILL)
        run.stdout.close()
        run.wait(60)
        lines = events.read_bytes().splitlines() if events.exists() else []
        promised += len(lines)
        for line in lines:
            if line.endswith(b"}"):
                assert is_whole(source, destination, json.loads(line)["path"]), line
        if kind != "push" and log.exists():
            for entry in log.read_text().splitlines():
                item, _, name = entry.partition("] ")[2].partition(" ")
                if item.startswith(">f"):
                    assert is_whole(source, destination, name), entry
        # A thousand copies would fill the disk.
        shutil.rmtree(destination, ignore_errors=True)
    # A push promises nothing before its end, which it may never reach.
    assert promised or kind == "push"

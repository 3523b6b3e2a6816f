"""An end in the middle of a file, brought about at either end: what the client reports, and what is left.

rsync itself was compared by hand: which of its processes notices first is a race. What holds for every pair of
programs is here (spec: protocol 3.7, output 2, transfer 6.1).
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import programs
from tests.interop.ends import Daemon, shell

PAIRS = [("tain", "tain"), ("tain", "rsync"), ("rsync", "tain")]
STOPPED = b"received SIGINT, SIGTERM, or SIGHUP (code 20)"
SIZE = 12_000_000
LIMIT = 60.0


def below(pid: int) -> Iterator[int]:
    """The processes that *pid* has started, and theirs."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            yield child
            yield from below(child)


def comm(pid: int) -> bytes:
    return Path(f"/proc/{pid}/comm").read_bytes()


def is_program(pid: int, word: bytes) -> bool:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return word in words and not words[0].endswith(b"sh")


def eventually(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return holds()


@dataclass
class Run:
    """A transfer in the middle of its file."""

    client: subprocess.Popen[bytes]
    alone: bool
    """Both ends are tain."""
    server: int
    target: Path

    def end(self) -> tuple[int, bytes]:
        out, err = self.client.communicate(timeout=LIMIT)
        said = out + err
        assert b"panicked" not in said and b"Traceback" not in said, said
        return self.client.returncode, said

    def temporary(self) -> list[str]:
        return [name for name in os.listdir(self.target) if name.startswith(".")]


Begin = Callable[..., Run]


@pytest.fixture(params=PAIRS, ids=[f"{c}-to-{s}" for c, s in PAIRS])
def begin(request: pytest.FixtureRequest, place: Path, space: Path, tain: str, rsync: str) -> Iterator[Begin]:
    programs.need_root()
    run = {"tain": tain, "rsync": rsync}
    client, server = (run[name] for name in request.param)
    env = programs.environment(str(space))
    with ExitStack() as stack:

        def start(via: str, way: str, *more: str) -> Run:
            (place / "src").mkdir()
            (place / "dst").mkdir()
            (place / "src/big").write_bytes(os.urandom(SIZE))
            words = ["-a", "--bwlimit=2m", *more]
            if via == "shell":
                words += ["-e", str(shell(space)), f"--rsync-path={server}"]
                there = f"h:{place}"
            else:
                config = f"use chroot = no\nuid = 0\ngid = 0\n[m]\npath = {place}\nread only = no\n"
                daemon = stack.enter_context(Daemon(server, space, env, config, "endings"))
                there = f"rsync://127.0.0.1:{daemon.port}/m"
            words += ["src/", f"{there}/dst/"] if way == "push" else [f"{there}/src/", "dst/"]
            # A run that was started to outlive its terminal (nohup) would hand that on: tain heeds it, rsync does not.
            process = subprocess.Popen(
                ["env", "--default-signal=HUP", client, *words],
                cwd=place,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            stack.callback(finish, process)
            target = place / "dst"

            def under_way() -> bool:
                return any(entry.stat().st_size for entry in os.scandir(target) if entry.name.startswith(".big."))

            assert eventually(under_way), process.poll()
            if via == "shell":
                servers = [pid for pid in below(process.pid) if is_program(pid, b"--server")]
            else:
                # Not the process that looks up names for all connections.
                servers = [pid for pid in below(daemon.process.pid) if comm(pid) != b"tain-names\n"]
            return Run(process, request.param == ("tain", "tain"), servers[0], target)

        yield start


def finish(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.communicate()


VIA = pytest.mark.parametrize("via", ["shell", "daemon"])
WAY = pytest.mark.parametrize("way", ["push", "pull"])


SIGNS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


@pytest.mark.parametrize(
    ("via", "way", "sign"),
    [
        ("shell", "push", SIGNS[0]),
        ("shell", "pull", SIGNS[1]),
        ("daemon", "push", SIGNS[2]),
        ("daemon", "pull", SIGNS[0]),
    ],
)
def test_client_is_stopped(begin: Begin, via: str, way: str, sign: signal.Signals) -> None:
    run = begin(via, way)
    run.client.send_signal(sign)
    code, said = run.end()
    assert (code, STOPPED in said) == (20, True), said
    assert eventually(lambda: not run.temporary())


@VIA
@WAY
def test_server_is_stopped(begin: Begin, via: str, way: str) -> None:
    run = begin(via, way)
    os.kill(run.server, signal.SIGTERM)
    code, said = run.end()
    # Which of rsync's processes ends first, and whether the other still reports to its peer, is a race.
    assert (code, STOPPED in said) == (20, True) or (not run.alone and code in (10, 12)), said
    assert eventually(lambda: not run.temporary())


@VIA
@WAY
def test_server_is_killed(begin: Begin, via: str, way: str) -> None:
    run = begin(via, way)
    os.kill(run.server, signal.SIGKILL)
    code, said = run.end()
    # 137 is what the shell makes of it.
    assert code in (10, 12, 137), said
    if way == "pull":
        assert eventually(lambda: not run.temporary())


@VIA
def test_pulling_client_keeps_what_came(begin: Begin, via: str) -> None:
    """--partial: the file that was under way stays, marked as old by its time."""
    run = begin(via, "pull", "--partial")
    run.client.send_signal(signal.SIGINT)
    code, said = run.end()
    assert code == 20, said
    assert eventually(lambda: not run.temporary() and (run.target / "big").exists())
    info = (run.target / "big").stat()
    assert 0 < info.st_size < SIZE and int(info.st_mtime) == 0

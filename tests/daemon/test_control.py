"""``tain cache``: what it shows, what it ends, and its exit codes."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tain.cli.main import is_cache
from tain.daemon import control, worker
from tain.daemon.exchange import FIRST_NUMBER

from .harness import LIMIT, Daemon, environment, wait_until
from .test_workers import enter, processes

CONF = b"""log file = DIR/log
reverse lookup = no
tain control socket = DIR/control
[m]
path = DIR/mod
[hooked]
path = DIR/mod
pre-xfer exec = true
"""
_LAUNCH = "import sys; sys.argv[0] = 'tain'; from tain.cli.main import entry; entry()"


def cache(*words: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", _LAUNCH, "cache", *words],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=LIMIT,
    )
    return done.returncode, done.stdout, done.stderr


@contextmanager
def controlled(tree: Path, conf: bytes = CONF) -> Iterator[Daemon]:
    """A daemon whose control socket is there."""
    with Daemon("tain", tree, conf, workers=True) as daemon:
        wait_until(lambda: cache("status", f"--socket={tree}/control")[0] == 0, "the control socket")
        yield daemon


def test_what_it_shows(tree: Path) -> None:
    with controlled(tree) as daemon:
        config = f"--config={daemon.conf}"
        with enter(daemon), enter(daemon), enter(daemon, b"hooked"), daemon.connect():
            (pid,) = processes(daemon, worker.NAME)
            (own,) = daemon.children()
            wait_until(lambda: cache("connections", config)[1].count("door") == 1, "the door to have the fourth")
            code, out, err = cache("status", config, "--json")
            assert (code, err) == (0, "")
            found = json.loads(out)
            assert found["v"] == 1
            (one,) = found["workers"]
            assert (one["module"], one["pid"], one["state"], one["conns"], one["served"]) == ("m", pid, "serving", 2, 2)
            assert one["memory"] > 1 << 20
            assert found["modules"] == [
                {"module": "m", "obstacle": "", "cache": "off", "public": False},
                {"module": "hooked", "obstacle": "pre-xfer exec", "cache": "off", "public": False},
            ]
            assert (found["door"]["conns"], found["processes"]) == (1, 1)
            _, out, _ = cache("status", config)
            lines = [re.sub(r"\s+", " ", line).strip() for line in out.splitlines()]
            assert re.fullmatch(rf"m - serving - - [1-9]\d* MB - - - - - - {pid} 2", lines[1])
            assert lines[2] == "hooked - processes: pre-xfer exec"
            code, out, _ = cache("status", "hooked", f"--socket={tree}/control")
            assert code == 0
            assert "serving" not in out
            _, out, _ = cache("connections", config)
            words = [line.split() for line in out.splitlines()[1:]]
            assert [row[0] for row in words] == [
                *map(str, (FIRST_NUMBER, FIRST_NUMBER + 1, FIRST_NUMBER + 3)),
                str(own),
            ]
            assert [row[2:] for row in words[:2]] == [["worker", "m", "127.0.0.1"]] * 2
            _, out, _ = cache("metrics", config)
            assert 'tain_daemon_connections_total{how="worker"} 2\n' in out
            assert 'tain_daemon_connections_total{how="fork"} 1\n' in out
            assert 'tain_daemon_connections{module="m"} 2\n' in out
    assert not (tree / "control").exists()


def test_it_ends_one_connection(tree: Path) -> None:
    with controlled(tree) as daemon:
        config = f"--config={daemon.conf}"
        with enter(daemon) as first, enter(daemon) as second, enter(daemon, b"hooked") as third:
            (own,) = daemon.children()
            assert cache("stop", str(FIRST_NUMBER + 1), config) == (0, "", "")
            assert second.recv(1) == b""
            assert cache("stop", str(own), config)[0] == 0
            assert third.recv(1) == b""
            first.sendall(b"--server\0--sender\0-r\0.\0m/\0\0")
            assert first.recv(1)
            for number in (FIRST_NUMBER + 1, 1, os.getpid()):
                code, _, err = cache("stop", str(number), config)
                assert (code, err) == (1, "tain cache: no worker has a connection of that number\n")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["status", "--socket=/nowhere/x"], 69),
        (["stop", "--socket=/nowhere/x"], 2),
        (["stop", "x"], 2),
        (["connections", "m"], 2),
        (["status", "m", "n"], 2),
        (["status", "--other"], 2),
        (["--help"], 0),
    ],
)
def test_exit_codes(words: list[str], code: int) -> None:
    assert cache(*words)[0] == code


def test_an_unknown_module(tree: Path) -> None:
    with controlled(tree) as daemon:
        assert cache("status", "none", f"--config={daemon.conf}")[0] == 1


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        ("tain cache status", True),
        ("/usr/bin/tain cache metrics", True),
        ("rsync cache status", False),
        ("tain cache", False),
        ("tain cache dst", False),
        ("tain -a cache status", False),
        ("tain ./cache status", False),
    ],
)
def test_when_cache_is_no_path(words: str, ours: bool) -> None:
    assert is_cache(words.encode().split()) == ours


@pytest.mark.parametrize("request_", [b"", b"{", b"[]", b"1", b'{"command":"x"}', b'{"command":"stop"}', b"[" * 4000])
def test_a_request_that_is_not_understood(tree: Path, request_: bytes) -> None:
    with controlled(tree):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.connect(str(tree / "control"))
            sock.send(request_ or b" ")
            assert b"not understood" in sock.recv(4096)
        assert control.ask(os.fsencode(tree / "control"), {"command": "status"})["v"] == 1


def test_the_socket_is_for_the_daemon_alone_and_replaces_a_dead_one(tree: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as dead:
        dead.bind(str(tree / "control"))
    with controlled(tree):
        assert (tree / "control").stat().st_mode & 0o777 == 0o600
        (tree / "second").mkdir()
        with Daemon("tain", tree / "second", CONF.replace(b"DIR/control", b"DIR/../control"), workers=True) as second:
            text = "cannot listen on the control socket"
            wait_until(lambda: any(text in line for line in second.log_lines()), "a line about the socket")
        assert cache("status", f"--socket={tree}/control")[0] == 0

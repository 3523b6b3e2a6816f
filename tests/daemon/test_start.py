"""Command lines of a daemon that do not lead to a listener, in both programs (spec: daemon 1, options 8)."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.ports import free_port

from .harness import LIMIT, PROGRAMS, environment

CONF = "log file = DIR/log\nuse chroot = no\nreverse lookup=no\n[m]\npath = DIR\n"
START = "--daemon --no-detach --config=DIR/rsyncd.conf --address=127.0.0.1 --port=PORT "

CASES: dict[str, list[str]] = {
    "dmn-05": [
        "--dparam=foo=1", "--dparam=list=no", "--dparam=list", "--dparam=foo=1 --daemon", START + "-M motd=x",
        START + "-M =x", START + "-M list", START + "-M '[x]=y'", "--daemon -M", "--daemon --dparam",
    ],
    "dmn-58": ["-M x=y --daemon", "-Mx=y --daemon"],
    "unknown": [
        "--daemon --version", "--version --daemon", "--daemon --foo", "--daemon -Z", "--daemon -x", "--daemon --no-foo",
        "--daemon -avz", "--daemon --detach=no", "--daemon --ipv4=3", "--daemon -4 --foo",
    ],
    "no daemon": ["--config=x", "--port=1 --no-detach", "--no-detach", "--detach", "--server --config=x ."],
    "values": [
        "--daemon --config", "--daemon --port=abc", "--daemon --port", "--daemon --bwlimit=1m", "--daemon --address",
        "--daemon --protocol=abc", START + "--port=http",
    ],
    "config": [
        "--daemon --config=/nonexistent", "--daemon --no-detach --config=/", "--daemon --no-detach --config=",
        "--daemon --no-detach --config=DIR/none", "--server --daemon --config=DIR/none .",
    ],
    "listening": [
        START + "-6", START + "--address=nosuchhost.invalid", START + "--address=192.0.2.1", START + "--port=-3",
    ],
    "pid file": [START + "-M 'pid file=DIR/no/pid'", START + "-M 'pid file=DIR'"],
    "dmn-07": ["--server --daemon --config=DIR/rsyncd.conf .", "--daemon --server --config=DIR/rsyncd.conf . x"],
}  # fmt: skip


def _run(kind: str, directory: Path, words: str) -> list[str]:
    directory.mkdir()
    directory.chmod(0o755)
    (directory / "rsyncd.conf").write_text(CONF.replace("DIR", str(directory)))
    port = str(free_port())
    done = subprocess.run(
        [*PROGRAMS[kind], *shlex.split(words.replace("DIR", str(directory)).replace("PORT", port))],
        input=b"", capture_output=True, env=environment(), timeout=LIMIT, cwd=directory,
    )  # fmt: skip

    def plain(data: bytes) -> list[str]:
        text = data.decode().replace(str(directory), "DIR").replace(port, "PORT")
        text = re.sub(r"(?m)^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[\d+\] ", "", text)
        return re.sub(r" at \S+\(\d+\) ", " at FILE ", text).splitlines()

    log = directory / "log"
    return [
        f"code: {done.returncode}", "out:", *plain(done.stdout), "err:", *plain(done.stderr),
        "log:", *(plain(log.read_bytes()) if log.exists() else []),
        "files:", *sorted(entry.name for entry in directory.iterdir()),
    ]  # fmt: skip


@pytest.mark.parametrize("words", [pytest.param(w, id=f"{name}-{w}") for name, rows in CASES.items() for w in rows])
def test_start(words: str, tmp_path: Path) -> None:
    theirs, ours = (_run(kind, tmp_path / kind.ljust(5, "_"), words) for kind in ("rsync", "tain"))
    assert ours == theirs

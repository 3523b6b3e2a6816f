"""Trees and servers that the protocol tests share. Each test runs against tain and against rsync: what rsync does
proves the client that judges."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import programs
from tests.interop.ends import Daemon
from tests.parity.tree import EPOCH, File, build, wipe
from tests.protocol.entries import Entry

BIG = random.Random(1).randbytes(20_000)
OLD_BIG = BIG[:7000] + b"something else" + BIG[8000:]
VERSIONS = [(p, inc) for p in range(27, 33) for inc in ((False, True) if p >= 30 else (False,))]
VERSION_IDS = [f"{p}{'-inc' if inc else ''}" for p, inc in VERSIONS]


@pytest.fixture(params=["tain", "rsync"])
def program(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    path: str = request.getfixturevalue(name)
    return path


@pytest.fixture
def env(space: Path) -> dict[str, str]:
    return programs.environment(str(space))


def plant(place: Path) -> None:
    """src/ as `sent` describes it, and an empty dst/."""
    build(
        str(place),
        [
            "src/ src/a=hello;n=5 src/l->a src/sub/ src/sub/b=w src/sub/deep/;m=0700;t=1 src/sub/deep/f=deep src/x/",
            File("src/big", content=BIG),
            "dst/",
        ],
    )


def sent(p: int) -> list[Entry]:
    """The same tree as a sender's list, in no special order."""
    t = EPOCH
    return [
        Entry(b".", 0o40755, 4096, t, flags=1),
        Entry(b"sub/b", length=1, mtime=t, content=b"w"),
        Entry(b"a", length=5, mtime=t, nsec=5 if p >= 31 else 0, content=b"hello"),
        Entry(b"sub", 0o40755, 4096, t, flags=0),
        Entry(b"big", length=len(BIG), mtime=t, content=BIG),
        Entry(b"l", 0o120777, 1, t, link=b"a"),
        Entry(b"x", 0o40755, 4096, t, flags=0),
        Entry(b"sub/deep/f", length=4, mtime=t, content=b"deep"),
        Entry(b"sub/deep", 0o40700, 4096, t + 1, flags=0),
    ]


NAMES = [b".", b"a", b"big", b"l", b"sub", b"sub/b", b"sub/deep", b"sub/deep/f", b"x"]
CONTENT = {b"a": b"hello", b"big": BIG, b"sub/b": b"w", b"sub/deep/f": b"deep"}


@pytest.fixture
def tree(place: Path) -> Path:
    plant(place)
    return place


@pytest.fixture(scope="session")
def daemons(space: Path, tain: str, rsync: str) -> Iterator[dict[str, int]]:
    """Ports of a daemon of each program; module m is the place of the test, module s asks for a password."""
    wipe(space / "w")
    where = space / "w"
    (space / "secrets").write_text("joe:secret\n")
    (space / "secrets").chmod(0o600)
    config = (
        f"use chroot = no\nread only = no\nmunge symlinks = no\n[m]\npath = {where}\ncomment = the place\n"
        f"[hidden]\npath = {where}\nlist = no\n"
        f"[s]\npath = {where}\nauth users = joe\nsecrets file = {space}/secrets\ncomment = locked\n"
    )
    if os.geteuid() == 0:
        config = "uid = 0\ngid = 0\n" + config
    env = programs.environment(str(space))
    with Daemon(rsync, space, env, config, "p-rsync") as theirs, Daemon(tain, space, env, config, "p-tain") as ours:
        yield {tain: ours.port, rsync: theirs.port}

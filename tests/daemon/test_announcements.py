"""`tain cache = told`: jobs announce their changes over a socket (CCH-20: lost, late, forged, double messages)."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tain import _core
from tain.daemon import announcements
from tests import programs

from .harness import LIMIT, Daemon, wait_until
from .test_cache import fill, listing
from .test_cache_commands import figures

CONF = b"""log file = DIR/log
reverse lookup = no
tain control socket = DIR/control
tain cache socket = DIR/jobs
[m]
path = DIR/mod
tain cache = told
[other]
path = DIR/mod
tain cache = watch
"""


@contextmanager
def told(tmp_path: Path, conf: bytes = CONF) -> Iterator[Daemon]:
    """A daemon with lists of the module in memory."""
    fill(tmp_path)
    with Daemon("tain", tmp_path, conf) as daemon:
        listing(daemon)
        daemon.client("-r", "HOST/other/")
        yield daemon


def send(tmp_path: Path, op: str, root: object, *fds: int, **more: object) -> dict[str, Any]:
    return announcements.send(os.fsencode(tmp_path / "jobs"), {"op": op, "root": str(root), **more}, fds)


def commit(tmp_path: Path, root: object, *directories: str, digest: str = "") -> dict[str, Any]:
    data = b"".join(os.fsencode(name) + b"\0" for name in directories)
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        digest = digest or "xxh128:" + _core.checksum(data).hex()
        return send(tmp_path, "commit", root, file.fileno(), digest=digest)


def change(tmp_path: Path, name: str = "new") -> None:
    (tmp_path / "mod/pool/d1" / name).write_text("new")


def is_right(daemon: Daemon, tmp_path: Path) -> bool:
    there = [str(path.relative_to(tmp_path / "mod")) for path in (tmp_path / "mod").rglob("*")]
    return listing(daemon) == sorted([".", *there])


def begin(tmp_path: Path, root: object) -> int:
    """Announce a job; returns its lock."""
    name = tmp_path / "lock"
    lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with name.open("rb") as anew:
        assert send(tmp_path, "begin", root, anew.fileno()) == {"v": 1, "workers": 1, "refused": 0}
    return lock


def test_a_job(tmp_path: Path) -> None:
    with told(tmp_path) as daemon:
        top = tmp_path / "mod/pool"
        change(tmp_path, "unannounced")
        assert not is_right(daemon, tmp_path)
        lock = begin(tmp_path, top)
        assert figures(daemon)["jobs"] == 1
        # Nothing below the root is trusted now.
        assert is_right(daemon, tmp_path)
        change(tmp_path)
        assert is_right(daemon, tmp_path)
        change(tmp_path, "last")
        assert commit(tmp_path, top, "d1")["workers"] == 1
        assert is_right(daemon, tmp_path)
        found = figures(daemon)
        assert (found["jobs"], found["mode"], found["state"]) == (0, "told", "valid")
        reads = found["reads"]
        assert is_right(daemon, tmp_path)
        assert figures(daemon)["reads"] == reads
        os.close(lock)


@pytest.mark.parametrize("root", ["", "mod", "mod/pool", "mod/pool/d1"])
def test_where_the_root_is(root: str, tmp_path: Path) -> None:
    """A job may write more than the module, and less. Messages may come twice, and without a begin."""
    with told(tmp_path) as daemon:
        change(tmp_path)
        path = os.path.relpath(tmp_path / "mod/pool/d1", tmp_path / root)
        for _ in range(2):
            assert commit(tmp_path, tmp_path / root, path)["workers"] == 1
            assert is_right(daemon, tmp_path)
        for op in ("abort", "full"):
            change(tmp_path, op)
            assert send(tmp_path, op, tmp_path / root)["workers"] == 1
            assert is_right(daemon, tmp_path)


def test_a_lost_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that is gone without a word is found by its lock: everything is verified once then."""
    launch = (
        "import sys; sys.argv[0] = 'rsync'\nimport tain.daemon.questions as q; q._LOOK_AT_JOB = 0.05\n"
        "from tain.cli.main import entry; entry()"
    )
    monkeypatch.setitem(sys.modules["tests.daemon.harness"].PROGRAMS, "quick", [sys.executable, "-c", launch])
    fill(tmp_path)
    with Daemon("quick", tmp_path, CONF) as daemon:
        listing(daemon)
        lock = begin(tmp_path, tmp_path / "mod")
        change(tmp_path)
        assert is_right(daemon, tmp_path)
        assert figures(daemon)["jobs"] == 1
        change(tmp_path, "at the end")
        os.close(lock)
        wait_until(lambda: figures(daemon)["jobs"] == 0, "the end of the job to be noticed")
        assert is_right(daemon, tmp_path)


def test_forged(tmp_path: Path) -> None:
    """A list that is wrong makes everything unknown; a message that is wrong counts for nothing."""
    with told(tmp_path) as daemon:
        mod = tmp_path / "mod"
        for number, (directories, digest) in enumerate(
            [(["../other"], ""), (["/etc"], ""), (["pool//d1"], ""), (["pool"], "xxh128:00"), (["pool"], "md5:00")]
        ):
            change(tmp_path, str(number))
            found = commit(tmp_path, mod, *directories, digest=digest)
            assert found.get("refused") == 1 or "not the one" in found["error"]
            assert is_right(daemon, tmp_path)
        change(tmp_path)
        with open(os.devnull, "rb") as null:
            fd = null.fileno()
            assert "descriptors" in send(tmp_path, "begin", mod)["error"]
            assert "descriptors" in send(tmp_path, "abort", mod, fd)["error"]
            assert "absolute" in send(tmp_path, "abort", "mod")["error"]
            assert "understood" in send(tmp_path, "other", mod)["error"]
            assert "understood" in send(tmp_path, "commit", mod, fd)["error"]
            assert "understood" in send(tmp_path, "abort", mod, v=2)["error"]
            assert "too long" in send(tmp_path, "abort", mod, more="x" * 5000)["error"]
            assert send(tmp_path, "abort", tmp_path / "elsewhere")["workers"] == 0
        assert not is_right(daemon, tmp_path)


def test_noise(tmp_path: Path) -> None:
    """Who connects and says nothing, or nothing sensible, delays nobody else."""
    with told(tmp_path) as daemon:
        silent = []
        for data in (b"", b"{", b"[]", b"\0" * 100, b"[" * 4000):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            sock.settimeout(LIMIT)
            sock.connect(str(tmp_path / "jobs"))
            silent.append(sock)
            if data:
                sock.send(data)
                assert b"not understood" in sock.recv(4096)
        change(tmp_path)
        assert commit(tmp_path, tmp_path / "mod", "pool/d1")["workers"] == 1
        assert is_right(daemon, tmp_path)
        for sock in silent:
            sock.close()


def test_who_may_announce(tmp_path: Path) -> None:
    """Root, the daemon's user and the owner of the module may; others are not listened to."""
    programs.need_root()
    with told(tmp_path):
        for part in (tmp_path, *tmp_path.parents):
            if part.stat().st_mode & 0o005 != 0o005:
                part.chmod(part.stat().st_mode | 0o055)
        os.chown(tmp_path / "mod", 12345, -1)
        for uid, expected in ((0, 1), (12345, 1), (12346, 0)):
            assert abort_as(uid, tmp_path) == expected


def abort_as(uid: int, tmp_path: Path) -> int:
    """The number of workers that listen to another user."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.setresuid(uid, uid, uid)
            os.write(write, b"%d" % send(tmp_path, "abort", tmp_path / "mod")["workers"])
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as out:
        found = int(out.read())
    os.waitpid(pid, 0)
    return found


def test_watched_and_announced(tmp_path: Path) -> None:
    """With watches a commit is no more than is known already."""
    with told(tmp_path, CONF.replace(b"= told", b"= watch told")) as daemon:
        change(tmp_path)
        assert is_right(daemon, tmp_path)
        reads = figures(daemon)["reads"]
        assert commit(tmp_path, tmp_path / "mod", "pool/d1")["workers"] == 1
        assert is_right(daemon, tmp_path)
        assert figures(daemon)["reads"] == reads

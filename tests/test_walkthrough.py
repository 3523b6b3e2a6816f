"""The page that this product started from: mirroring over ssh, and a daemon with its refusals, as one reads it.

Each pair of programs (tain with tain, and tain at either end with rsync at the other) does what the page says.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import programs
from tests.interop.ends import Daemon, Sshd, Xinetd
from tests.parity.tree import Dir, File, Tree, build, picture, wipe
from tests.ports import free_port

PAIRS = [("tain", "tain"), ("tain", "rsync"), ("rsync", "tain")]
TREE: Tree = [
    "src/a src/d/b;m=0600 src/d/e/ src/l->a src/x;m=0755",
    File(b"src/\xed\x95\x9c\xea\xb8\x80 (60-151p).hwp"),
]


@dataclass
class Bench:
    """One pair of programs in an empty directory with a source tree."""

    client: str
    server: str
    work: Path
    space: Path

    def run(self, *words: str, env: dict[str, str] | None = None, limit: float = 30) -> programs.Outcome:
        full = programs.environment(str(self.space), **(env or {}))
        return programs.run([self.client, *words], cwd=self.work, env=full, limit=limit)

    def good(self, *words: str, env: dict[str, str] | None = None) -> str:
        outcome = self.run(*words, env=env)
        assert outcome.code == 0, f"{words}: {outcome}"
        return outcome.out.decode("utf-8", "surrogateescape")

    def bad(self, code: int, text: str, *words: str, env: dict[str, str] | None = None) -> str:
        outcome = self.run(*words, env=env)
        said = (outcome.out + outcome.err).decode("utf-8", "surrogateescape")
        assert outcome.code == code, f"{words}: {outcome}"
        assert text in said, f"{words}: {outcome}"
        assert "Traceback" not in said and "panicked" not in said
        return said

    def same(self, one: str = "src", other: str = "dst") -> None:
        left, right = (picture(str(self.work / name), since=1e12) for name in (one, other))
        assert left == right

    def equal_for_rsync(self, source: str, target: str) -> None:
        """rsync itself finds nothing left to do."""
        if programs.PEER:
            env = programs.environment(str(self.space))
            left = programs.run([programs.PEER, "-anic", "--delete", source, target], cwd=self.work, env=env)
            assert (left.code, left.out) == (0, b"")


@pytest.fixture(params=PAIRS, ids=[f"{c}-to-{s}" for c, s in PAIRS])
def bench(request: pytest.FixtureRequest, place: Path, space: Path, tain: str, rsync: str) -> Bench:
    programs.need_root()
    run = {"tain": tain, "rsync": rsync}
    client, server = request.param
    build(str(place), TREE)
    return Bench(run[client], run[server], place, space)


# ---- a remote shell


@pytest.fixture(scope="session")
def sshd(space: Path) -> Iterator[Sshd]:
    programs.need("sshd", "ssh", "ssh-keygen")
    programs.need_root()
    with Sshd(space) as server:
        yield server


def test_arvu_ssh(bench: Bench, sshd: Sshd) -> None:
    """rsync -arvu -e ssh /from/dir/ host:/to/dir"""
    there = f"127.0.0.1:{bench.work}/dst"
    path = f"--rsync-path={bench.server}"
    out = bench.good("-arvu", "-e", sshd.rsh, path, f"{bench.work}/src/", there)
    assert "sending incremental file list" in out and "d/b" in out
    bench.same()
    assert "d/b" not in bench.good("-arvu", "-e", sshd.rsh, path, f"{bench.work}/src/", there)
    build(str(bench.work), [File("src/a", content=b"edited", time=50), File("dst/x", content=b"newer", time=90)])
    out = bench.good("-arvu", "-e", sshd.rsh, path, f"{bench.work}/src/", there)
    assert "\na\n" in out and "\nx\n" not in out
    assert (bench.work / "dst/x").read_bytes() == b"newer"


def test_trailing_slash(bench: Bench, sshd: Sshd) -> None:
    path = f"--rsync-path={bench.server}"
    bench.good("-a", "-e", sshd.rsh, path, "src", f"127.0.0.1:{bench.work}/dst/")
    bench.same("src", "dst/src")
    bench.good("-a", "-e", sshd.rsh, path, "src/", f"127.0.0.1:{bench.work}/dst2/")
    bench.same("src", "dst2")
    bench.good("-a", "-e", sshd.rsh, path, f"127.0.0.1:{bench.work}/src", "dst3/")
    bench.same("src", "dst3/src")
    bench.good("-a", "-e", sshd.rsh, path, f"127.0.0.1:{bench.work}/src/", "dst4/")
    bench.same("src", "dst4")


def test_avzr_delete_ssh(bench: Bench, sshd: Sshd) -> None:
    build(str(bench.work), ["dst/gone/x dst/a=other"])
    out = bench.good(
        "-avzr", "--delete", "-e", sshd.rsh, f"--rsync-path={bench.server}", "src/", f"127.0.0.1:{bench.work}/dst/"
    )
    assert "deleting gone/x" in out and "deleting gone/" in out
    bench.same()
    bench.equal_for_rsync("src/", "dst/")


def test_local_delete(bench: Bench) -> None:
    build(str(bench.work), ["dst/gone/x dst/a=other"])
    out = bench.good("-avzr", "--delete", "src/", "dst/")
    assert "deleting gone/x" in out
    bench.same()
    bench.equal_for_rsync("src/", "dst/")


# ---- a daemon

CONFIG = """
motd file = {w}/motd
use chroot = no
munge symlinks = no
uid = 0
gid = 0
[docs]
path = {w}/src
comment = what there is to read
[put]
path = {w}/put
comment = what you bring
read only = no
auth users = joe
secrets file = {w}/secrets
[open]
path = {w}/put
read only = no
[private]
path = {w}/src
hosts deny = *
[gone]
path = {w}/nosuch
use chroot = yes
[loose]
path = {w}/src
auth users = joe
secrets file = {w}/loose
[one]
path = {w}/src
max connections = 1
lock file = {w}/lock
[hidden]
path = {w}/src
list = no
"""


@pytest.fixture
def daemon(bench: Bench) -> Iterator[Daemon]:
    build(
        str(bench.work),
        [
            Dir("put"),
            File("motd", content=b"Welcome, friend\n"),
            File("secrets", content=b"joe:open sesame\n", mode=0o600),
            File("loose", content=b"joe:open sesame\n", mode=0o644),
            File("pass", content=b"open sesame\n", mode=0o600),
            File("wrong", content=b"open barley\n", mode=0o600),
        ],
    )
    config = CONFIG.replace("{w}", str(bench.work))
    with Daemon(bench.server, bench.space, programs.environment(str(bench.space)), config, "walk") as running:
        yield running


def test_modules(bench: Bench, daemon: Daemon) -> None:
    """host:: shows the message of the day and the modules."""
    for words in ([f"rsync://127.0.0.1:{daemon.port}/"], [f"--port={daemon.port}", "127.0.0.1::"]):
        out = bench.good(*words)
        assert out.startswith("Welcome, friend\n")
        assert "docs           \twhat there is to read\n" in out
        assert "hidden" not in out


def test_pull_module(bench: Bench, daemon: Daemon) -> None:
    bench.good("-avz", f"--port={daemon.port}", "127.0.0.1::docs", "dir/")
    bench.same("src", "dir")


@pytest.mark.parametrize("how", ["file", "environment"])
def test_push_with_password(bench: Bench, daemon: Daemon, how: str) -> None:
    given = ["--password-file=pass"] if how == "file" else []
    env = {"RSYNC_PASSWORD": "open sesame"} if how == "environment" else {}
    bench.good("-avz", f"--port={daemon.port}", *given, "src/", "joe@127.0.0.1::put", env=env)
    bench.same("src", "put")
    wipe(bench.work / "back")
    bench.good("-avz", f"--port={daemon.port}", *given, "joe@127.0.0.1::put/", "back/", env=env)
    bench.same("src", "back")


def test_wrong_password(bench: Bench, daemon: Daemon) -> None:
    url = f"rsync://joe@127.0.0.1:{daemon.port}/put/"
    bench.bad(5, "@ERROR: auth failed on module put", "-a", "--password-file=wrong", "src/", url)
    bench.bad(5, "@ERROR: auth failed on module put", "-a", "--password-file=wrong", url, "dst/")
    assert not list((bench.work / "put").iterdir())


def test_read_only(bench: Bench, daemon: Daemon) -> None:
    before = picture(str(bench.work / "src"), since=1e12)
    build(str(bench.work), ["other/new"])
    bench.bad(1, "ERROR: module is read only", "-a", "other/", f"rsync://127.0.0.1:{daemon.port}/docs/")
    assert picture(str(bench.work / "src"), since=1e12) == before


def test_host_denied(bench: Bench, daemon: Daemon) -> None:
    bench.bad(5, "@ERROR: access denied to private from ", "-a", f"rsync://127.0.0.1:{daemon.port}/private/", "dst/")


def test_unknown_module(bench: Bench, daemon: Daemon) -> None:
    bench.bad(5, "@ERROR: Unknown module 'nosuch'", "-a", f"rsync://127.0.0.1:{daemon.port}/nosuch/", "dst/")


def test_missing_path(bench: Bench, daemon: Daemon) -> None:
    bench.bad(5, "@ERROR: chroot failed", "-a", f"rsync://127.0.0.1:{daemon.port}/gone/", "dst/")


def test_secrets_mode(bench: Bench, daemon: Daemon) -> None:
    url = f"rsync://joe@127.0.0.1:{daemon.port}/loose/"
    bench.bad(5, "@ERROR: auth failed on module loose", "-a", "--password-file=pass", url, "dst/")
    # The client does not get the cause; the log has it.
    assert "secrets file must not be other-accessible" in daemon.log.read_text()


def test_max_connections(bench: Bench, daemon: Daemon) -> None:
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=10) as first:
        # A client that has chosen a module and says no more holds the only place.
        stream = first.makefile("rwb")
        greeting = stream.readline()
        stream.write(greeting.split(b" ", 2)[0] + b" 31.0 md5\n" + b"one\n")
        stream.flush()
        while stream.readline() not in (b"@RSYNCD: OK\n", b""):
            pass
        bench.bad(
            5,
            "@ERROR: max connections (1) reached -- try again later",
            "-a",
            f"rsync://127.0.0.1:{daemon.port}/one/",
            "dst/",
        )
        stream.close()


def test_refused(bench: Bench) -> None:
    said = bench.bad(10, "Connection refused (111)", "-a", f"rsync://127.0.0.1:{free_port()}/m/", "dst/")
    assert "failed to connect to 127.0.0.1 (127.0.0.1)" in said


def test_greeting(bench: Bench, daemon: Daemon) -> None:
    """What one sees with a plain socket."""
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=10) as sock:
        stream = sock.makefile("rwb")
        assert stream.readline() == b"@RSYNCD: 32.0 sha512 sha256 sha1 md5 md4\n"
        stream.write(b"@RSYNCD: 32.0 sha512 sha256 sha1 md5 md4\n\n")
        stream.flush()
        listing = stream.read()
    assert listing.startswith(b"Welcome, friend\n")
    assert listing.endswith(b"@RSYNCD: EXIT\n")


def test_xinetd(bench: Bench, daemon: Daemon) -> None:
    programs.need("xinetd")
    with Xinetd(bench.server, bench.space, daemon.config) as service:
        url = f"rsync://127.0.0.1:{service.port}"
        assert "docs" in bench.good(f"{url}/")
        bench.good("-avz", f"{url}/docs/", "dst/")
        bench.same()
        bench.good("-avz", "src/", f"{url}/open/")
        bench.same("src", "put")


# ---- a full disk


@pytest.fixture
def small(place: Path) -> Iterator[Path]:
    programs.need_root()
    mount = place / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", mount], capture_output=True).returncode:
        programs.missing("the right to mount")
    yield mount
    subprocess.run(["umount", "-l", mount], check=True)


@pytest.mark.parametrize("how", ["local", "push", "pull", "daemon"])
def test_disk_full(bench: Bench, small: Path, how: str, sshd: Sshd) -> None:
    """Exit code 11, the old file as it was, and a message that names the file and the reason."""
    old = b"the old content"
    build(str(bench.work), [File("big/file", content=os.urandom(3_000_000))])
    (small / "file").write_bytes(old)
    if how == "daemon":
        config = f"use chroot = no\nuid = 0\ngid = 0\n[m]\npath = {small}\nread only = no\n"
        with Daemon(bench.server, bench.space, programs.environment(str(bench.space)), config, "full") as running:
            outcome = bench.run("-a", "big/", f"rsync://127.0.0.1:{running.port}/m/")
    else:
        remote = ["-e", sshd.rsh, f"--rsync-path={bench.server}"]
        words = {
            "local": ["big/", "small/"],
            "push": [*remote, "big/", f"127.0.0.1:{small}/"],
            "pull": [*remote, f"127.0.0.1:{bench.work}/big/", "small/"],
        }[how]
        outcome = bench.run("-a", *words)
    said = (outcome.out + outcome.err).decode(errors="replace")
    assert outcome.code == 11, outcome
    path = '"file" (in m)' if how == "daemon" else f'"{small}/file"'
    assert f"rsync: [receiver] write failed on {path}: No space left on device (28)\n" in said, outcome
    assert re.search(r"^(rsync|tain) error: error in file IO \(code 11\) at \S+ \[receiver=3\.5\.0\]$", said, re.M), (
        outcome
    )
    assert (small / "file").read_bytes() == old
    assert [entry.name for entry in small.iterdir()] == ["file"]


@pytest.mark.parametrize("how", ["push", "daemon"])
def test_mkdir_fails(bench: Bench, how: str, sshd: Sshd) -> None:
    """A destination that cannot be made: the reason reaches the client before the code does."""
    if how == "daemon":
        config = f"use chroot = no\nuid = 0\ngid = 0\n[m]\npath = {bench.work}\nread only = no\n"
        with Daemon(bench.server, bench.space, programs.environment(str(bench.space)), config, "mkdir") as running:
            said = bench.bad(11, "(code 11)", "-a", "src/", f"rsync://127.0.0.1:{running.port}/m/no/such/")
        path = '"no/such" (in m)'
    else:
        remote = ["-e", sshd.rsh, f"--rsync-path={bench.server}"]
        said = bench.bad(11, "(code 11)", "-a", *remote, "src/", f"127.0.0.1:{bench.work}/no/such/")
        path = f'"{bench.work}/no/such"'
    assert f"rsync: [Receiver] mkdir {path} failed: No such file or directory (2)\n" in said

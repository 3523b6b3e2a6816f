"""`tain.Daemon` and `tain.modules`."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

import tain
from tests.programs import PEER


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "pub").mkdir()
    (tmp_path / "pub/file").write_text("hello")
    return tmp_path / "pub"


def module(path: Path, **more: str | int | bool) -> dict[str, str | int | bool | list[str] | os.PathLike[str]]:
    # Otherwise a daemon of root works as nobody.
    user: dict[str, str | int | bool] = {"uid": "root", "gid": "root"} if os.geteuid() == 0 else {}
    return {"path": path, "use chroot": False, **user, **more}


def test_a_daemon_in_a_block(tree: Path, tmp_path: Path) -> None:
    """API-8."""
    before = len(os.listdir("/proc/self/fd"))
    with tain.Daemon({"pub": module(tree, read_only=False, comment="the tree")}) as daemon:
        assert daemon.url("pub") == f"rsync://127.0.0.1:{daemon.port}/pub/"
        tain.sync(daemon.url("pub"), f"{tmp_path}/copy/").check()
        tain.sync(f"{tmp_path}/copy/file", daemon.url("pub", "second")).check()
        # The other program finds the same.
        run = subprocess.run([PEER, daemon.url("pub")], capture_output=True, text=True, timeout=30)
        assert "second" in run.stdout, run.stderr
        pid = daemon.pid
    assert (tree / "second").read_text() == "hello"
    assert daemon.returncode == 0
    lines = [*daemon.log]
    assert any("second" in line for line in lines)
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)
    with pytest.raises(OSError):
        socket.create_connection((daemon.address, daemon.port))
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_list_of_modules(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "motd").write_text("welcome\n\tto all\n")
    configuration: dict[str, dict[str, str | int | bool | list[str] | os.PathLike[str]]] = {
        "global": {"motd file": tmp_path / "motd"},
        "pub": module(tree, comment="the tree"),
        "a name of more than fifteen": module(tree),
        "hidden": module(tree, list=False),
    }
    with tain.Daemon(configuration) as daemon:
        found = tain.modules(daemon.url())
        assert found == tain.modules("127.0.0.1::", port=daemon.port)
    assert [(one.name, one.comment) for one in found] == [("pub", "the tree"), ("a name of more than fifteen", "")]
    assert {one.motd for one in found} == {"welcome\n\tto all"}
    with pytest.raises(tain.SocketError):
        tain.modules(daemon.url())


def test_a_password(tree: Path, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_text("joe:one word\n")
    secrets.chmod(0o600)
    with tain.Daemon({"pub": module(tree, auth_users="joe", secrets_file=str(secrets))}) as daemon:
        url = daemon.url("pub").replace("//", "//joe@")
        asked: list[str] = []

        def ask(user: str) -> str:
            asked.append(user)
            return "one word"

        for password in ("one word", b"one word", ask):
            tain.sync(url, f"{tmp_path}/copy/", password=password).check()
        assert asked == ["joe"]
        result = tain.sync(url, f"{tmp_path}/copy/", password="wrong")
    assert result.code == 5 and [hint.id for hint in result.hints] == ["D12"]
    (problem,) = result.problems
    assert (problem.action, problem.side) == ("logging in", "peer")


def children() -> set[str]:
    """The processes of this one, those that have ended and were not waited for among them."""
    found = set()
    for task in os.listdir("/proc/self/task"):
        try:
            found.update(Path(f"/proc/self/task/{task}/children").read_text().split())
        except FileNotFoundError:
            # The thread has ended meanwhile.
            continue
    return found


def test_fifty_starts_leave_nothing(tree: Path) -> None:
    """API-8: no port, no process, no descriptor, no thread."""
    # What tests before this one have left to the collector does not count.
    gc.collect()
    descriptors, threads, processes = len(os.listdir("/proc/self/fd")), threading.active_count(), children()
    ports: list[int] = []

    def life(number: int) -> None:
        with tain.Daemon({"pub": module(tree)}) as daemon:
            ports.append(daemon.port)
            if number % 3 == 0:
                socket.create_connection((daemon.address, daemon.port)).close()
        assert daemon.returncode == 0

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        # All of the exceptions count.
        [*pool.map(life, range(50))]
    assert len(ports) == 50
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert threading.active_count() == threads
    assert children() == processes
    for port in set(ports):
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=10)


def test_a_file(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "conf").write_text(f"tain reload on hup = yes\n[pub]\npath = {tree}\nuse chroot = no\n")
    with tain.Daemon(tmp_path / "conf") as daemon:
        assert [one.name for one in tain.modules(daemon.url())] == ["pub"]
        with (tmp_path / "conf").open("a") as file:
            file.write(f"[more]\npath = {tree}\nuse chroot = no\n")
        daemon.reload()
        for line in daemon.log:
            if "configuration re-read" in line:
                break
        assert [one.name for one in tain.modules(daemon.url())] == ["pub", "more"]


def test_a_broken_configuration(tmp_path: Path) -> None:
    (tmp_path / "conf").write_text("[pub\npath = /x\n")
    with pytest.raises(tain.StartupError) as caught:
        tain.Daemon(tmp_path / "conf").start()
    assert "conf:1" in str(caught.value) or "line 1" in str(caught.value), caught.value
    with pytest.raises(tain.StartupError, match="unable to open"):
        tain.Daemon(tmp_path / "nothing").start()
    for wrong in ({"a]": {"path": "x"}}, {"a": {"path": "x\n[b]"}}):
        with pytest.raises(tain.UsageError):
            tain.Daemon(wrong)


def test_a_port_in_use(tree: Path) -> None:
    with tain.Daemon({"pub": module(tree)}) as daemon, pytest.raises(OSError, match="in use"):
        tain.Daemon({"pub": module(tree)}, port=daemon.port).start()


def test_a_killed_daemon_is_reported(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    """API-8."""
    with tain.Daemon({"pub": module(tree)}) as daemon:
        assert daemon.pid is not None and daemon.returncode is None
        os.kill(daemon.pid, signal.SIGKILL)
        # The log ends, and says why.
        assert [*daemon.log][-1] == "the daemon was ended by signal 9 (Killed)"
        with pytest.raises(tain.SocketError):
            tain.sync(daemon.url("pub"), tree / "copy").check()
    assert daemon.returncode == -signal.SIGKILL
    assert [(record.name, record.levelname) for record in caplog.records] == [("tain.daemon", "ERROR")]
    with pytest.raises(tain.UsageError, match="starts once"):
        daemon.start()


def test_a_stopped_daemon_is_not_reported(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    with tain.Daemon({"pub": module(tree)}) as daemon:
        daemon.stop()
        daemon.stop()
    assert daemon.returncode == 0
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[pub\npath = /x\n", 1),
        ("[pub]\npath = /x\n\nmax connections = many\n", 4),
        ("port = 1\nno such parameter at all\n[pub]\npath = /x\n", 2),
    ],
)
def test_a_broken_configuration_names_the_line(text: str, line: int, tmp_path: Path) -> None:
    """API-8."""
    (tmp_path / "conf").write_text(text)
    before = len(os.listdir("/proc/self/fd")), children()
    with pytest.raises(tain.StartupError) as caught:
        tain.Daemon(tmp_path / "conf").start()
    assert re.search(rf"conf:{line}\b|line {line}\b", str(caught.value)), caught.value
    assert (len(os.listdir("/proc/self/fd")), children()) == before


def test_stopping_ends_connections(tree: Path) -> None:
    with tain.Daemon({"pub": module(tree)}) as daemon:
        sock = socket.create_connection((daemon.address, daemon.port))
        assert sock.recv(100).startswith(b"@RSYNCD: ")
        # A connection that waits for its peer is told to end: nobody has to wait until it is killed.
        start = time.monotonic()
        daemon.stop(timeout=30)
        assert time.monotonic() - start < 15
        assert sock.recv(100) == b""
        sock.close()


def test_a_daemon_in_a_loop(tree: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with tain.Daemon({"pub": module(tree)}) as daemon:
            (await tain.sync_async(daemon.url("pub"), f"{tmp_path}/copy/")).check()

    asyncio.run(main())
    assert (tmp_path / "copy/file").exists()

"""API-7, `tain.transports`: connections that are no remote shell of ours, with rsync and with tain as servers."""

from __future__ import annotations

import asyncio
import filecmp
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import tain
from tain import transports
from tests.interop.ends import Sshd
from tests.programs import PEER, PROGRAM, need, need_root

SERVERS = {"rsync": PEER, "tain": PROGRAM or ""}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "src"
    (root / "d i r").mkdir(parents=True)
    (root / 'd i r/it\'s "$HOME"').write_text("hello")
    (root / "large").write_bytes(os.urandom(3_000_000))
    (root / "link").symlink_to("large")
    return root


def tree(root: Path) -> dict[str, object]:
    return {
        str(path.relative_to(root)): path.is_symlink() or path.is_dir() or path.read_bytes()
        for path in sorted(root.rglob("*"))
    }


def both_ways(transport: transports.Transport, server: str, source: Path, tmp_path: Path) -> None:
    there, back = tmp_path / "th ere", tmp_path / "back"
    pushed = tain.sync(f"{source}/", f"far:{there}/", transport=transport, rsync_path=server)
    assert pushed.ok and (pushed.direction, pushed.peer) == ("push", "far"), pushed.errors
    pulled = tain.sync(f"far:{there}/", back, transport=transport, rsync_path=server)
    assert pulled.ok and pulled.direction == "pull", pulled.errors
    assert tree(source) == tree(there) == tree(back)
    failed = tain.sync(f"far:{there}/nothing", back, transport=transport, rsync_path=server)
    assert failed.code == 23
    (problem,) = [problem for problem in failed.problems if problem.path is not None]
    assert (problem.errno, problem.side, problem.role) == (2, "peer", "sender")


@pytest.mark.parametrize("server", SERVERS)
def test_a_command(server: str, source: Path, tmp_path: Path) -> None:
    # Like docker exec, kubectl exec, sudo: a program that runs the words behind its own.
    both_ways(transports.command(["env", "LC_ALL=C"]), SERVERS[server], source, tmp_path)


@pytest.mark.parametrize("server", SERVERS)
def test_a_shell_like_that_of_a_container(server: str, source: Path, tmp_path: Path) -> None:
    both_ways(transports.command(["sh", "-c", 'exec "$@"', "sh"]), SERVERS[server], source, tmp_path)


class OverSocket:
    """A server at the other end of a socket."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[bytes]] = []

    def connect(self, command: Sequence[bytes], environ: Mapping[bytes, bytes]) -> transports.Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            self.started.append(
                subprocess.Popen([*command], stdin=theirs.fileno(), stdout=theirs.fileno(), env={**environ})
            )
        return transports.socket_pair(ours).connect(command, environ)


class OverFunctions(OverSocket):
    def connect(self, command: Sequence[bytes], environ: Mapping[bytes, bytes]) -> transports.Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            self.started.append(
                subprocess.Popen([*command], stdin=theirs.fileno(), stdout=theirs.fileno(), env={**environ})
            )
        return transports.Pump(
            read=ours.recv,
            write=ours.sendall,
            close=lambda: ours.shutdown(socket.SHUT_WR),
            wait=self.started[-1].wait,
        )


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("kind", [OverSocket, OverFunctions])
def test_a_class_of_a_program(kind: type[OverSocket], server: str, source: Path, tmp_path: Path) -> None:
    transport = kind()
    there = tmp_path / "there"
    tain.sync(f"{source}/", f"far:{there}/", transport=transport, rsync_path=SERVERS[server]).check()
    tain.sync(f"far:{there}/", tmp_path / "back", transport=transport, rsync_path=SERVERS[server]).check()
    assert tree(source) == tree(there) == tree(tmp_path / "back")
    for process in transport.started:
        process.wait(10)


def test_a_large_file_over_functions(tmp_path: Path) -> None:
    """API-7: 64 MiB over a pump, and 1 GiB with INTEROP=all; back and forth, with data at the borders of its turns."""
    size = (1 << 30) if os.environ.get("INTEROP") == "all" else (1 << 26)
    (tmp_path / "src").mkdir()
    with (tmp_path / "src/large").open("wb") as file:
        for offset in (0, (1 << 16) - 3, size // 2 - 7, size - 11):
            file.seek(offset)
            file.write(b"here it is!")
    there, back = tmp_path / "there", tmp_path / "back"
    transport = OverFunctions()
    pushed = tain.sync(f"{tmp_path}/src/", f"far:{there}/", transport=transport, rsync_path=PEER, sparse=True).check()
    assert pushed.statistics is not None and pushed.statistics.sent > size
    pulled = tain.sync(f"far:{there}/", back, transport=transport, rsync_path=PEER, sparse=True).check()
    assert pulled.statistics is not None and pulled.statistics.received > size
    for place in (there, back):
        assert filecmp.cmp(tmp_path / "src/large", place / "large", shallow=False)
    for server in transport.started:
        assert server.wait(10) == 0


@pytest.mark.parametrize("kind", [OSError, RuntimeError])
@pytest.mark.parametrize("broken", ["read", "write", "wait"])
def test_a_function_that_fails(kind: type[Exception], broken: str, source: Path, tmp_path: Path) -> None:
    """API-7: an OSError of read or write is a connection that breaks; another exception is the program's."""
    before = threading.active_count()

    class Broken(OverFunctions):
        def connect(self, command: Sequence[bytes], environ: Mapping[bytes, bytes]) -> transports.Connection:
            whole = super().connect(command, environ)
            assert isinstance(whole, transports.Pump)
            self.moved = 0

            def fail(*arguments: object) -> Any:
                # The handshake goes through.
                self.moved += 1
                if broken == "wait" or self.moved > 3:
                    raise kind("no more")
                return getattr(whole, broken)(*arguments)

            return whole.replace(**{broken: fail})

    transport = Broken()
    if broken == "wait" or kind is RuntimeError:
        with pytest.raises(kind, match="no more"):
            tain.sync(f"{source}/", f"far:{tmp_path}/there/", transport=transport, rsync_path=PEER)
    else:
        result = tain.sync(f"{source}/", f"far:{tmp_path}/there/", transport=transport, rsync_path=PEER)
        assert result.code in (10, 12), result.errors
        assert "the connection broke: no more" in result.messages
        assert "connection lost" in [problem.action for problem in result.problems]
    for process in transport.started:
        process.wait(10)
    end = time.monotonic() + 60
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() <= before


@pytest.mark.parametrize("server", SERVERS)
def test_a_process(server: str, source: Path, tmp_path: Path) -> None:
    class Exec:
        def connect(self, command: Sequence[bytes], environ: Mapping[bytes, bytes]) -> transports.Connection:
            pipe = subprocess.PIPE
            started = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)
            return transports.process(started).connect(command, environ)

    both_ways(Exec(), SERVERS[server], source, tmp_path)


def test_a_process_without_pipes(source: Path) -> None:
    with subprocess.Popen(["true"]) as started:
        result = tain.sync(source, "far:x", transport=transports.process(started))
    assert result.code == 14 and "no pipes" in result.messages[0]


def test_a_command_that_does_not_exist(source: Path) -> None:
    result = tain.sync(source, "far:x", transport=transports.command(["/no/such/program"]))
    assert result.code == 14 and "No such file" in result.messages[0]


def test_a_server_that_ends_at_once(source: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    result = tain.sync(source, "far:x", transport=transports.command(["sh", "-c", "echo no such box >&2; exit 3"]))
    assert result.code == 12
    assert "no such box" in result.messages
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_daemon_by_a_transport(source: Path, tmp_path: Path) -> None:
    configuration: dict[str, dict[str, str | bool]] = {"pub": {"path": str(source), "use chroot": False}}
    with tain.Daemon(configuration) as daemon, socket.create_connection((daemon.address, daemon.port)) as sock:
        transport = transports.socket_pair(sock)
        tain.sync("far::pub/", tmp_path / "dst", transport=transport).check()
    assert tree(source) == tree(tmp_path / "dst")


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    need("sshd")
    need_root()
    with Sshd(tmp_path) as server:
        yield server


@pytest.mark.parametrize("server", SERVERS)
def test_ssh_with_its_standard_error(
    server: str, sshd: Sshd, source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    result = tain.sync(f"127.0.0.1:{source}/nothing", tmp_path / "dst", rsh=sshd.rsh, rsync_path=SERVERS[server])
    assert result.code == 23
    assert [(p.errno, p.side) for p in result.problems if p.path is not None] == [(2, "peer")]
    wrong = tain.sync(f"127.0.0.1:{source}/", tmp_path / "dst", rsh=sshd.rsh.replace("/client", "/host"))
    assert wrong.code == 255 and any("Permission denied (publickey" in line for line in wrong.messages)
    assert "D9" in [hint.id for hint in wrong.hints]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("server", SERVERS)
def test_paramiko(server: str, sshd: Sshd, source: Path, tmp_path: Path) -> None:
    import paramiko

    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect(
        "127.0.0.1", sshd.port, "root", key_filename=f"{sshd.space}/client", allow_agent=False, look_for_keys=False
    )
    with client:
        transport = transports.paramiko(client)
        there = tmp_path / "th ere"
        tain.sync(f"{source}/", f"far:{there}/", transport=transport, rsync_path=SERVERS[server]).check()
        tain.sync(f"far:{there}/", tmp_path / "back", transport=transport, rsync_path=SERVERS[server]).check()
    assert tree(source) == tree(there) == tree(tmp_path / "back")


@pytest.mark.parametrize("server", SERVERS)
def test_asyncssh(server: str, sshd: Sshd, source: Path, tmp_path: Path) -> None:
    import asyncssh

    there = tmp_path / "th ere"

    async def main() -> None:
        async with asyncssh.connect(
            "127.0.0.1", sshd.port, username="root", known_hosts=None, client_keys=[f"{sshd.space}/client"], config=None
        ) as connection:
            transport = transports.asyncssh(connection)
            path = SERVERS[server]
            (await tain.sync_async(f"{source}/", f"far:{there}/", transport=transport, rsync_path=path)).check()
            (await tain.sync_async(f"far:{there}/", tmp_path / "back", transport=transport, rsync_path=path)).check()

    asyncio.run(main())
    assert tree(source) == tree(there) == tree(tmp_path / "back")


def test_the_command_passes_on_what_a_shell_says(tmp_path: Path, tain: str) -> None:
    """Unchanged, in either way; with hints it counts for them."""
    shell = tmp_path / "shell"
    shell.write_text("#!/bin/sh\nprintf 'ssh: connect to host h port 22: \\377\\n' >&2\nexit 255\n")
    shell.chmod(0o755)
    texts = {}
    for word in ("--hints", "--no-hints"):
        run = subprocess.run([tain, "-a", word, "-e", shell, "h:x", tmp_path / "y"], capture_output=True, timeout=30)
        assert run.returncode == 255
        texts[word] = run.stderr
    lines = texts["--no-hints"].splitlines()
    assert lines[0] == b"ssh: connect to host h port 22: \xff"
    assert b"hint[D9b]" in texts["--hints"]
    assert [line for line in texts["--hints"].splitlines() if not line.startswith(b"hint[")] == lines

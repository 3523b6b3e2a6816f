"""How a daemon starts, ends, and minds its connections (spec: daemon 1, 4.2, 4.5)."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.ports import free_port

from .harness import HELLO, LIMIT, PROGRAMS, Daemon, environment, wait_until

BASE = b"log file = DIR/log\nuse chroot = no\nreverse lookup = no\n"
ONE = BASE + b"[m]\npath = DIR\ncomment = c\n"
LIST = b"m              \tc\n@RSYNCD: EXIT\n"
GREETING = b"@RSYNCD: 32.0 sha512 sha256 sha1 md5 md4\n"

both = pytest.mark.parametrize("kind", ["rsync", "tain"])


def start(kind: str, directory: Path, conf: bytes, *words: str) -> subprocess.CompletedProcess[bytes]:
    directory.chmod(0o755)
    file = directory / "rsyncd.conf"
    file.write_bytes(conf.replace(b"DIR", bytes(directory)))
    return subprocess.run(
        [*PROGRAMS[kind], "--daemon", f"--config={file}", "--address=127.0.0.1", *words],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT, env=environment(),
    )  # fmt: skip


@both
def test_sigterm_ends_well(kind: str, tmp_path: Path) -> None:
    daemon = Daemon(kind, tmp_path, b"pid file = DIR/pid\n" + ONE)
    assert int((tmp_path / "pid").read_text()) == daemon.process.pid
    assert daemon.stop() == 0
    assert not (tmp_path / "pid").exists()
    assert daemon.log_lines() == [
        "rsyncd version 3.5.0 starting, listening on port PORT", "sent 0 bytes  received 0 bytes  total size 0"
    ]  # fmt: skip


@both
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_other_signals_end_with_20(kind: str, number: signal.Signals, tmp_path: Path) -> None:
    daemon = Daemon(kind, tmp_path, b"pid file = DIR/pid\n" + ONE)
    daemon.process.send_signal(number)
    assert daemon.process.wait(LIMIT) == 20
    assert not (tmp_path / "pid").exists()
    assert daemon.log_lines()[-1].startswith(
        "rsync error: received SIGINT, SIGTERM, or SIGHUP (code 20) at FILE [Receiver=3.5.0]"
    )


def test_reload_on_hup(tmp_path: Path) -> None:
    with Daemon("tain", tmp_path, b"tain reload on hup = yes\n" + ONE) as daemon:
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "configuration re-read" in daemon.log_lines(), "the reload")
        assert daemon.talk(HELLO + b"\n") == GREETING + LIST
        assert "configuration re-read" in daemon.log_lines()


@both
def test_second_start_fails_on_the_pid_file(kind: str, tmp_path: Path) -> None:
    with Daemon(kind, tmp_path, b"pid file = DIR/pid\n" + ONE):
        done = start(kind, tmp_path, b"pid file = DIR/pid\n" + ONE, "--no-detach", f"--port={free_port()}")
        assert done.returncode == 11
        assert f"failed to lock pid file {tmp_path}/pid: Resource temporarily unavailable\n".encode() in done.stderr


@both
def test_stale_pid_file_is_reused(kind: str, tmp_path: Path) -> None:
    daemon = Daemon(kind, tmp_path, b"pid file = DIR/pid\n" + ONE)
    daemon.process.kill()
    daemon.process.wait()
    assert (tmp_path / "pid").exists()
    with Daemon(kind, tmp_path, b"pid file = DIR/pid\n" + ONE) as daemon:
        assert daemon.talk(HELLO + b"\n") == GREETING + LIST


@both
def test_port_in_use(kind: str, tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        done = start(kind, tmp_path, ONE, "--no-detach", f"--port={port}")
    assert done.returncode == 10
    text = (tmp_path / "log").read_text()
    assert "bind() failed: Address already in use (address-family 2)" in text
    assert f"unable to bind any inbound sockets on port {port}" in text
    assert "rsync error: error in socket IO (code 10) at " in text


@both
@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("-M", "foo=1"), 1, b'Unknown parameter "foo"'),
        (("-M", "foo"), 1, b"--dparam value is missing an '=': foo"),
    ],
)
def test_bad_dparam(kind: str, words: tuple[str, ...], code: int, text: bytes, tmp_path: Path) -> None:
    done = start(kind, tmp_path, ONE, "--no-detach", *words)
    assert done.returncode == code
    assert text in done.stderr


@both
def test_missing_config(kind: str, tmp_path: Path) -> None:
    done = start(kind, tmp_path, b"", "--config=/nonexistent/conf", "--no-detach")
    assert done.returncode == 1
    assert b"Failed to parse config file: /nonexistent/conf" in done.stderr


@both
def test_broken_globals_stop_the_start(kind: str, tmp_path: Path) -> None:
    done = start(kind, tmp_path, b" = x\n" + ONE, "--no-detach")
    assert done.returncode == 1
    assert f"Failed to parse config file: {tmp_path}/rsyncd.conf".encode() in done.stderr


@both
def test_detached(kind: str, tmp_path: Path) -> None:
    port = free_port()
    done = start(kind, tmp_path, b"pid file = DIR/pid\n" + ONE, f"--port={port}")
    assert done.returncode == 0
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "the pid file")
    pid = int((tmp_path / "pid").read_text())
    assert os.getsid(pid) == pid
    assert os.readlink(f"/proc/{pid}/fd/1") == "/dev/null"
    os.kill(pid, signal.SIGTERM)


def test_detached_launcher_reports_failure(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        done = start("tain", tmp_path, ONE, f"--port={sock.getsockname()[1]}")
    assert done.returncode == 10
    assert b"bind() failed: Address already in use" in done.stderr


@both
def test_dparam_and_reload(kind: str, tmp_path: Path) -> None:
    with Daemon(kind, tmp_path, ONE, "-M", "pidfile=" + str(tmp_path / "p"), "-M", "Comment = later") as daemon:
        assert (tmp_path / "p").exists()
        daemon.write(ONE + b"[n]\npath=/\n")
        assert daemon.talk(HELLO + b"\n") == GREETING + LIST.replace(b"@", b"n              \tlater\n@")


@both
def test_breaking_the_config_drops_connections(kind: str, tmp_path: Path) -> None:
    with Daemon(kind, tmp_path, ONE) as daemon:
        daemon.write(ONE + b"[broken\n")
        assert daemon.talk(HELLO + b"\n") == b""
        assert "params.c:Section() - Badly formed line in config file: broken" in daemon.log_lines()
        daemon.write(ONE)
        assert daemon.talk(HELLO + b"\n") == GREETING + LIST


@both
def test_inetd(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "rsyncd.conf"
    file.write_bytes((b"pid file = DIR/pid\nport = 1\n" + ONE).replace(b"DIR", bytes(tmp_path)))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with socket.create_connection(listener.getsockname()) as client:
            server, _ = listener.accept()
            with server:
                process = subprocess.Popen(
                    [*PROGRAMS[kind], "--daemon", f"--config={file}"], stdin=server.fileno(), stdout=server.fileno(),
                    stderr=server.fileno(),
                    env=environment(),
                )  # fmt: skip
            client.settimeout(LIMIT)
            client.sendall(HELLO + b"\n")
            answer = b""
            with contextlib.suppress(ConnectionError):
                while chunk := client.recv(4096):
                    answer += chunk
    assert process.wait(LIMIT) == 255
    assert answer == GREETING + LIST
    assert not (tmp_path / "pid").exists()
    assert "connect from UNDETERMINED (127.0.0.1)" in (tmp_path / "log").read_text()


@both
@pytest.mark.parametrize(
    ("env", "who"),
    [
        ({"SSH_CONNECTION": "192.0.2.7 1 192.0.2.8 22"}, "UNDETERMINED (192.0.2.7)"),
        ({"REMOTE_HOST": "::1%lo", "SSH_CLIENT": "192.0.2.7 1 2"}, "UNDETERMINED (::1%lo)"),
        ({"REMOTE_HOST": "a.name", "SSH_CLIENT": "192.0.2.7 1 2"}, ""),
        ({}, "UNDETERMINED (0.0.0.0)"),
    ],
)
def test_over_a_remote_shell(kind: str, env: dict[str, str], who: str, tmp_path: Path) -> None:
    file = tmp_path / "rsyncd.conf"
    file.write_bytes(ONE.replace(b"DIR", bytes(tmp_path)))
    clean = {k: v for k, v in environment().items() if not k.startswith(("SSH", "REMOTE"))}
    done = subprocess.run(
        [*PROGRAMS[kind], "--server", "--daemon", f"--config={file}", "."],
        input=HELLO + b"\n", capture_output=True, timeout=LIMIT, env={**clean, **env},
    )  # fmt: skip
    text = (tmp_path / "log").read_text()
    if who:
        assert done.stdout == GREETING + LIST
        assert f"connect from {who}" in text
    else:
        assert done.returncode == 10
        assert "getpeername on fd0 failed: Socket operation on non-socket (88)" in text


@both
def test_handshake_deadline(kind: str, tmp_path: Path) -> None:
    with Daemon(kind, tmp_path, BASE + b"timeout = 1\n[m]\npath = DIR\n") as daemon:
        # The daemon closes the connection of a silent client. Without a deadline both would wait.
        assert daemon.talk(HELLO) == GREETING
        with daemon.connect() as sock, sock.makefile("rb") as stream:
            sock.sendall(HELLO + b"m\n")
            assert stream.read() == GREETING + b"@RSYNCD: OK\n"
        assert daemon.log_lines()[-2:] == [
            "[Receiver] daemon handshake timeout -- exiting",
            "rsync error: timeout in data send/receive (code 30) at FILE [Receiver=3.5.0]",
        ]


def test_trickling_does_not_help(tmp_path: Path) -> None:
    with Daemon("tain", tmp_path, BASE + b"timeout = 1\n[m]\npath = DIR\n") as daemon, daemon.connect() as sock:
        began = time.monotonic()
        # Single bytes do not extend the deadline.
        with pytest.raises(OSError):
            while time.monotonic() - began < LIMIT:
                sock.sendall(b"@")
                time.sleep(0.1)


@both
def test_connection_slots(kind: str, tmp_path: Path) -> None:
    full = b"@ERROR: max connections (1) reached -- try again later\n"
    with Daemon(kind, tmp_path, ONE + b"max connections = 1\nlock file = DIR/lock\n", workers=False) as daemon:
        with daemon.connect() as first:
            first.sendall(HELLO + b"m\n")
            first.settimeout(LIMIT)
            answer = b""
            while not answer.endswith(b"OK\n"):
                answer += first.recv(4096)
            assert daemon.talk(HELLO + b"m\n") == GREETING + full
            os.kill(daemon.children()[0], signal.SIGKILL)
            daemon.wait_for_connections()
        assert daemon.talk(HELLO + b"m\n").startswith(GREETING + b"@RSYNCD: OK\n")


@both
def test_too_many_arguments(kind: str, tmp_path: Path) -> None:
    with Daemon(kind, tmp_path, ONE) as daemon:
        daemon.talk(HELLO + b"m\n" + b"x\0" * 15999)
        assert "too many daemon arguments" in daemon.log_lines()


@both
@pytest.mark.parametrize(
    ("hosts", "header", "who"),
    [
        (b"127.0.0.1", b"PROXY TCP4 192.0.2.9 192.0.2.1 1 2\r\n", "192.0.2.9"),
        (b"127.0.0.0/8", b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (b"127.0.0.1", b"PROXY TCP4 192.0.2.9 192.0.2.1 1 2\n", ""),
        (b"127.0.0.1", b"", ""),
        (b"10.0.0.1", b"PROXY TCP4 192.0.2.9 192.0.2.1 1 2\r\n", ""),
    ],
)
def test_proxy_protocol(kind: str, hosts: bytes, header: bytes, who: str, tmp_path: Path) -> None:
    conf = b"proxy protocol = yes\nproxy protocol hosts = " + hosts + b"\n" + ONE
    with Daemon(kind, tmp_path, conf) as daemon:
        answer = daemon.talk(header + HELLO + b"\n")
        if who:
            assert answer == GREETING + LIST
            assert f"connect from UNDETERMINED ({who})" in daemon.log_lines()
        else:
            assert answer == b""
            assert not any("connect from" in line for line in daemon.log_lines())


def test_misspelt_access_control_refuses_the_module(tmp_path: Path) -> None:
    with Daemon("tain", tmp_path, ONE + b"host allow = 10.0.0.1\n") as daemon:
        assert daemon.talk(HELLO + b"m\n") == GREETING + b"@ERROR: daemon security issue -- contact admin\n"
        assert any('did you mean "hosts allow"?' in line for line in daemon.log_lines())


def test_check_config(tmp_path: Path) -> None:
    done = start("tain", tmp_path, ONE, "--check-config")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, b"rsyncd.conf: 1 module, no errors, no warnings")
    done = start("tain", tmp_path, ONE + b"host allow = x\n", "--check-config")
    assert done.returncode == 1
    assert b'did you mean "hosts allow"?' in done.stderr
    assert f"({tmp_path}/rsyncd.conf:7)".encode() in done.stderr


def test_limits_by_address(tmp_path: Path) -> None:
    with Daemon("tain", tmp_path, b"tain max per address = 1\n" + ONE) as daemon, daemon.connect() as first:
        first.recv(4096)
        answer = daemon.talk(b"")
        assert answer == GREETING + b"@ERROR: max connections (1) reached -- try again later\n"


def test_ids_of_the_transfer(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("needs root")
    conf = ONE + b"uid = daemon\ngid = daemon, 7\n"
    with Daemon("tain", tmp_path, conf, workers=False) as daemon, daemon.connect() as sock:
        sock.sendall(HELLO + b"m\n")
        sock.settimeout(LIMIT)
        answer = b""
        while not answer.endswith(b"OK\n"):
            answer += sock.recv(4096)
        status = Path(f"/proc/{daemon.children()[0]}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert fields["Uid"].split() == ["1"] * 4
        assert fields["Gid"].split() == ["1"] * 4
        assert sorted(fields["Groups"].split()) == ["1", "7"]

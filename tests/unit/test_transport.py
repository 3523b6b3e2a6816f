"""Shell words, children, proxies and programs."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import Any, ClassVar

import pytest

from tain.errors import IpcError, SocketError
from tain.transport import proxy, shell, tcp
from tests.ports import free_port


def connector(environ: dict[bytes, bytes], **values: Any) -> tcp.Connector:
    return tcp.Connector(environ=environ, role="sender", warn=lambda text: None, **values)


def test_environment_of_a_shell() -> None:
    assert shell.child_environment({b"DISPLAY": b":0", b"A": b"b"}) == {b"A": b"b"}
    kept = {b"DISPLAY": b":0", b"SSH_ASKPASS": b"x"}
    assert shell.child_environment(kept, port=0) == {**kept, b"RSYNC_PORT": b"0"}


def test_a_program_that_does_not_exist() -> None:
    with pytest.raises(IpcError) as caught:
        shell.spawn([b"./nosuch", b"x"], os.environb, role="sender")
    assert str(caught.value) == "rsync: [sender] Failed to exec ./nosuch: No such file or directory (2)"


def test_the_status_of_a_child() -> None:
    child = shell.spawn([b"sh", b"-c", b"read x; exit 127"], os.environb, role="sender")
    started = time.monotonic()
    assert child.wait(0.05) is None
    assert time.monotonic() - started < 1
    child.close()
    assert child.wait(5) == 127
    assert child.wait() == 127
    killed = shell.spawn([b"sh", b"-c", b"kill -9 $$"], os.environb, role="sender")
    killed.close()
    assert killed.wait() == 0
    assert killed.killed and not child.killed


def test_connect_program() -> None:
    assert proxy.program_command(b"nc %H 1%%", b"a.b") == b"nc 'a.b' 1%"
    assert proxy.program_command(b"nc fixed", b"a;b") == b"nc fixed"
    fd = connector({b"RSYNC_CONNECT_PROG": b"echo %H", b"PATH": os.environb[b"PATH"]}).connect(b"host", 873)
    with os.fdopen(fd, "rb") as file:
        assert file.readline() == b"host\n"


@pytest.mark.parametrize(
    "host", [b"", b"-n", b"+x", b"~x", b"%x", b"a'b", b"a;b", b"a\nb", b"ab\n", "é".encode(), b"\xff"]
)
def test_a_host_that_a_shell_could_obey(host: bytes) -> None:
    started: list[object] = []
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SocketError) as caught:
        patch.setattr(os, "posix_spawnp", lambda *words, **more: started.append(words))
        connector({b"RSYNC_CONNECT_PROG": b"nc %H"}).connect(host, 873)
    assert str(caught.value) == "unsafe host characters for RSYNC_CONNECT_PROG"
    assert not started


def test_the_program_has_a_peer_with_an_address() -> None:
    ours, theirs = proxy.connected_pair()
    with ours, theirs:
        assert theirs.getpeername() == ours.getsockname()
        assert ours.getpeername() == theirs.getsockname()
        assert theirs.getpeername()[0] == "127.0.0.1"
        ours.sendall(b"ping")
        assert theirs.recv(4) == b"ping"


class RacedSocket(socket.socket):
    """A listener to which others connect before anybody else can."""

    strangers: ClassVar[list[socket.socket]] = []
    count = 1

    def listen(self, backlog: int = 0, /) -> None:
        super().listen(backlog)
        for _ in range(self.count):
            stranger = type(self).__mro__[1](socket.AF_INET, socket.SOCK_STREAM)
            stranger.setblocking(False)
            stranger.connect_ex(self.getsockname())
            self.strangers.append(stranger)


@pytest.mark.parametrize("count", [1, 5, 200])
def test_the_first_connection_is_not_the_program(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """200 are more than the listener's queue holds."""
    monkeypatch.setattr(RacedSocket, "count", count)
    RacedSocket.strangers.clear()
    monkeypatch.setattr(socket, "socket", RacedSocket)
    try:
        ours, theirs = proxy.connected_pair()
    finally:
        monkeypatch.undo()
    assert len(RacedSocket.strangers) == count
    with ours, theirs:
        assert theirs.getpeername() == ours.getsockname()
        ours.sendall(b"ping")
        assert theirs.recv(4) == b"ping"
        assert {peer.getsockname() for peer in RacedSocket.strangers}.isdisjoint({theirs.getpeername()})
    for stranger in RacedSocket.strangers:
        stranger.close()


def test_connection_refused() -> None:
    port = free_port()
    with pytest.raises(SocketError) as caught:
        connector({}).connect(b"127.0.0.1", port)
    assert str(caught.value) == "rsync: [sender] failed to connect to 127.0.0.1 (127.0.0.1): Connection refused (111)"
    with pytest.raises(SocketError, match="invalid proxy specification: should be HOST:PORT"):
        connector({b"RSYNC_PROXY": b"localhost"}).connect(b"127.0.0.1", port)


def answer(server: socket.socket, text: bytes, seen: list[bytes]) -> None:
    conn, _ = server.accept()
    with conn:
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            data += conn.recv(1000)
        seen.append(data)
        conn.sendall(text)


STATUS = b"HTTP/1.1 200 OK\r\n"
REST = b"\n\r\n@RSYNCD:"
LONG_STATUS, LONG_HEADER = "proxy response line too long", "proxy response header line too long"
EARLY = "rsync: [sender] failed to read from proxy: Operation now in progress (115)"


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        (b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n@RSYNCD:", None),
        (b"HTTP/1.0  2\n\n@RSYNCD:", None),
        (b"HTTP/ 200\r\n\r\n@RSYNCD:", None),
        (b"HTTP/1.0 403 no\r\n\r\n", "bad response from proxy -- HTTP/1.0 403 no"),
        (b"HTTP/1.0 403 \x01\r\r\n\r\n", "bad response from proxy -- HTTP/1.0 403 \\#001\\#015"),
        (b"HTTP/1a 200\r\n\r\n", "bad response from proxy -- HTTP/1a 200"),
        (b"HTTP/1.0\t200\r\n\r\n", "bad response from proxy -- HTTP/1.0\t200"),
        (b"hello\r\n", "bad response from proxy -- hello"),
        (b"HTTP/1.0 200 ".ljust(1022, b"x") + REST, None),
        (b"HTTP/1.0 200 ".ljust(1023, b"x") + REST, LONG_STATUS),
        (b"HTTP/1.0 200 ".ljust(1023, b"x"), LONG_STATUS),
        (b"x" * 5000, LONG_STATUS),
        (STATUS + b"A" * 1022 + REST, None),
        (STATUS + b"A" * 1021 + b"\r" + REST, None),
        (STATUS + b"A" * 1023 + REST, LONG_HEADER),
        (STATUS + b"A: b\r\n" + b"A" * 1023, LONG_HEADER),
        (b"HTTP/1.0 200 ".ljust(1022, b"x"), EARLY),
        (STATUS + b"A: b\r\n", EARLY),
        (b"", EARLY),
    ],
)
def test_web_proxy(text: bytes, failure: str | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        seen: list[bytes] = []
        thread = threading.Thread(target=answer, args=(server, text, seen))
        thread.start()
        via = b"u:p@127.0.0.1:%d" % server.getsockname()[1]
        if failure is None:
            fd = connector({b"RSYNC_PROXY": via}).connect(b"far", 99)
            assert os.read(fd, 100) == b"@RSYNCD:"
            os.close(fd)
        else:
            with pytest.raises(SocketError) as caught:
                connector({b"RSYNC_PROXY": via}).connect(b"far", 99)
            assert str(caught.value) == failure
        thread.join()
        assert seen == [b"CONNECT far:99 HTTP/1.0\r\nProxy-Authorization: Basic dTpw\r\n\r\n"]


def test_limits_of_a_request_to_a_proxy() -> None:
    base = len(b"CONNECT :873 HTTP/1.0\r\n\r\n")
    assert len(proxy.request(b"a" * (1023 - base), 873, None)) == 1023
    with pytest.raises(SocketError, match=r"^proxy CONNECT request too long$"):
        proxy.request(b"a" * (1024 - base), 873, None)
    with pytest.raises(SocketError, match=r"^proxy CONNECT request too long$"):
        proxy.request(b"h", 873, b"p" * 765)
    for length in (766, 5_000_000):
        with pytest.raises(SocketError, match=r"^authentication information is too long$"):
            proxy.request(b"h", 873, b"p" * length)
    for host in (b"a\tb", b"a\x7fb", b"a\r\nX: y"):
        with pytest.raises(SocketError, match=r"^invalid control character in proxy CONNECT host$"):
            proxy.request(host, 873, None)

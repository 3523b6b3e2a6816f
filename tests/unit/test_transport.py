"""Shell words, children, proxies and programs."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from tain.errors import IpcError, SocketError
from tain.transport import proxy, shell, tcp


def connector(environ: dict[bytes, bytes], **values: object) -> tcp.Connector:
    return tcp.Connector(environ=environ, role="sender", warn=lambda text: None, **values)  # type: ignore[arg-type]


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
    assert proxy.program_command(b"nc %H 1%%", b"a'b") == b"nc 'a'\\''b' 1%"
    fd = connector({b"RSYNC_CONNECT_PROG": b"echo %H", b"PATH": os.environb[b"PATH"]}).connect(b"host", 873)
    with os.fdopen(fd, "rb") as file:
        assert file.readline() == b"host\n"


def test_connection_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
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


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        (b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n@RSYNCD:", None),
        (b"HTTP/1.0 403 no\r\n\r\n", "bad response from proxy -- HTTP/1.0 403 no"),
        (b"hello\r\n", "bad response from proxy -- hello"),
        (b"x" * 2000, "proxy response line too long"),
        (b"HTTP/1.1 200 OK\r\n" + b"A" * 1022 + b"\r\n\r\n@RSYNCD:", None),
        (b"HTTP/1.1 200 OK\r\n" + b"A" * 1024 + b"\r\n\r\n@RSYNCD:", "proxy response line too long"),
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

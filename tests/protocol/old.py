"""What the tests of protocols 20 to 26 share (spec: protocol-old)."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import programs
from tests.parity.tree import picture
from tests.protocol.ints import int32
from tests.protocol.link import LIMIT, Session
from tests.protocol.server import Report, serve_one, start, take_word
from tests.protocol.test_sessions import NEVER

#: The versions at which something changes; all of them with INTEROP=all.
OLD = list(range(20, 27)) if os.environ.get("INTEROP") == "all" else [20, 22, 23, 24, 26]
old = pytest.mark.parametrize("p", OLD)


def run(program: str, tree: Path, env: dict[str, str], *words: str) -> programs.Outcome:
    return programs.run([program, "--timeout=50", *words], cwd=tree, env=env)


def address(port: int) -> str:
    return f"rsync://127.0.0.1:{port}/m/"


@contextmanager
def old_daemon(
    talk: Callable[[Session], object], n: int, hello: Callable[[Session], None] | None = None
) -> Iterator[tuple[int, Report]]:
    """A daemon as programs of that time are: it greets with its number alone and gives up on one above 30."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(LIMIT)
    report = Report()

    def welcome(s: Session) -> None:
        w = s.wire
        s.daemon = True
        w.send(b"@RSYNCD: %d\n" % n)
        s.announced = int(w.line().split()[1].split(b".")[0])
        assert s.announced <= 30, f"protocol version mismatch ({s.announced})"
        s.p = min(n, s.announced)
        if hello is not None:
            hello(s)
            return
        w.line()
        w.send(b"@RSYNCD: OK\n")
        report.words = []
        while word := take_word(w):
            report.words.append(word)
        start(s, report.words)

    thread = threading.Thread(target=serve_one, args=(listener, report, n, welcome, talk), daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], report
    finally:
        listener.close()
        thread.join(LIMIT)


def same(tree: Path) -> bool:
    return picture(str(tree / "dst"), since=NEVER) == picture(str(tree / "src"), since=NEVER)


def greet(port: int, said: bytes) -> tuple[bytes, socket.socket]:
    sock = socket.create_connection(("127.0.0.1", port), LIMIT)
    sock.sendall(said)
    line = b""
    while not line.endswith(b"\n"):
        line += sock.recv(1)
    return line, sock


def texts(s: Session) -> list[bytes]:
    found = []
    while n := int32(s.wire):
        found.append(s.wire.read(n))
    return found


def unframed(s: Session) -> bytes:
    """All data that came behind the seed."""
    raw, out, at = bytes(s.wire.received), b"", 8
    if s.p < 23:
        return raw[at:]
    while at < len(raw):
        head = int.from_bytes(raw[at : at + 4], "little")
        size = head & 0xFFFFFF
        out += raw[at + 4 : at + 4 + size] if head >> 24 == 7 else b""
        at += 4 + size
    return out

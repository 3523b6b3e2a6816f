"""A server of the protocol in plain Python: a daemon on a loopback port; the test writes its side of the talk."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.protocol.ints import Broken, Ndx, default_sum, int32, put_int32, put_varint, put_vstring, vstring
from tests.protocol.link import GREETING, LIMIT, Job, Session, Wire, frames_from, terms

CHECKSUMS = ["xxh64", "md5", "md4", "sha1"]
"""The names that this server can compute, in the order of every client."""
ALL = 0x1FE
"""Every compat bit but incremental recursion."""


def receive_words(s: Session) -> list[str]:
    """The daemon's part up to the client's words; they are answered by `start`."""
    w = s.wire
    s.daemon = True
    w.send(GREETING % s.job.p)
    s.announced = int(w.line().split()[1].split(b".")[0])
    s.p = min(s.job.p, s.announced)
    w.line()
    w.send(b"@RSYNCD: OK\n")
    words: list[str] = []
    while word := take_word(w):
        words.append(word)
    return words


def start(
    s: Session,
    words: list[str],
    compat: int = ALL,
    seed: int = 1,
    filters: bool | None = None,
    sums: str = "md5",
) -> None:
    """The handshake of a server, up to and including the filter list."""
    w = s.wire
    s.server = True
    compact = next((word for word in words if word.startswith("-") and not word.startswith("--")), "-")
    s.job = Job(p=s.p, sender="--sender" in words, compact=compact[1:].split("e.")[0], long=words)
    s.job.dry = "n" in s.job.compact
    s.ndx_in, s.ndx_out = Ndx(s.p), Ndx(s.p)
    s.seed, s.sum = seed, default_sum(s.p)
    forced = [word.partition("=")[2] for word in words if word.startswith("--checksum-choice=")]
    s.sum = forced[0] if forced else s.sum
    s.compress = "zlib" if "z" in s.job.compact else "none"
    if s.p >= 30:
        s.compat = compat
        w.send(put_varint(compat))
        if compat & 0x80:
            offers = [] if forced else [sums]
            offers += ["zlib"] if "z" in s.job.compact else []
            w.send(b"".join(put_vstring(x.encode()) for x in offers))
            s.lists_offered = [vstring(w) for _ in offers]
            if not forced:
                s.sum = next((x for x in CHECKSUMS if x in sums.split()), "none")
    w.framed_out = frames_from(s) == "before seed"
    w.write(put_int32(seed))
    w.flush()
    w.framed_out = frames_from(s) != "never"
    w.framed_in = s.p >= 30 or (s.job.sender and any(x.startswith("--remove-s") for x in words))
    s.terms = terms(s)
    if filters is None:
        deletes = any(x.startswith("--delete") and "missing" not in x for x in words)
        filters = s.job.sender or deletes or "m" in s.job.compact
    while filters and (n := int32(w)):
        w.read(n)


RELAY = """
import os, select, socket, sys
to, command = socket.socket(socket.AF_UNIX), sys.argv[2:]
to.connect(sys.argv[1])
to.sendall(b"".join(os.fsencode(word) + bytes(1) for word in command) + bytes(1))
ends = [0, to.fileno()]
while to.fileno() in ends:
    for fd in select.select(ends, [], [])[0]:
        data = os.read(fd, 65536)
        if fd == 0 and data:
            to.sendall(data)
        elif fd == 0:
            to.shutdown(socket.SHUT_WR)
        elif data:
            os.write(1, data)
        if not data:
            ends.remove(fd)
"""


@contextmanager
def shell(
    space: Path, talk: Callable[[Session], object], p: int = 32, compat: int = ALL, numbers: bool = True
) -> Iterator[tuple[str, Report]]:
    """As `daemon`, behind a remote shell: gives the word for -e. The protocol numbers are exchanged if `numbers`."""
    path = space / "relay.socket"
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    listener.settimeout(LIMIT)
    (space / "relay.py").write_text(RELAY)

    def hello(s: Session) -> None:
        words: list[str] = []
        while word := take_word(s.wire):
            words.append(word)
        report.words = words[words.index("--server") :]
        del s.wire.received[: len(s.wire.received) - len(s.wire.raw)]
        if numbers:
            s.wire.send(put_int32(p))
            s.announced = int32(s.wire)
            s.p = min(p, s.announced)
            start(s, report.words, compat)

    report = Report()
    thread = threading.Thread(target=serve_one, args=(listener, report, p, hello, talk), daemon=True)
    thread.start()
    try:
        yield f"{sys.executable} -S {space}/relay.py {path}", report
    finally:
        thread.join(LIMIT)
        listener.close()


def take_word(w: Wire) -> str:
    word = bytearray()
    while (c := w.take(1)) not in (b"\0", b"\n"):
        word += c
    return word.decode()


def serve_one(
    listener: socket.socket,
    report: Report,
    p: int,
    hello: Callable[[Session], None],
    talk: Callable[[Session], object],
) -> None:
    try:
        connection, _ = listener.accept()
    except OSError as error:
        report.error = error
        return
    with connection:
        try:
            report.session = s = Session(Wire(connection), Job(p=p))
            hello(s)
            talk(s)
            s.wire.flush()
        except (OSError, EOFError, Broken, AssertionError) as error:
            report.error = error


class Report:
    """What the talk left; `error` is the exception that ended it."""

    session: Session
    words: list[str]
    error: BaseException | None = None


@contextmanager
def daemon(
    talk: Callable[[Session], object],
    p: int = 32,
    compat: int = ALL,
    filters: bool | None = None,
    offers: dict[str, Any] | None = None,
) -> Iterator[tuple[int, Report]]:
    """A listener that takes one client through the handshake and then talks to it; gives its port and its report."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(LIMIT)
    report = Report()

    def hello(s: Session) -> None:
        report.words = receive_words(s)
        start(s, report.words, compat, filters=filters, **(offers or {}))

    thread = threading.Thread(target=serve_one, args=(listener, report, p, hello, talk), daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], report
    finally:
        listener.close()
        thread.join(LIMIT)


def end_soon(s: Session, patience: float = 1.5) -> None:
    """Send the pending data, and end our stream once the client has sent a message or has been silent for a while.

    A client that has found a fault waits some seconds for our farewell, but must not see the end before the fault.
    """
    s.wire.flush()
    s.wire.sock.settimeout(patience)
    with suppress(OSError, EOFError, Broken):
        while not s.wire.messages:
            s.wire.next_frame() if s.wire.framed_in else s.wire.more()
    s.wire.sock.settimeout(LIMIT)
    with suppress(OSError):
        s.wire.sock.shutdown(socket.SHUT_WR)
    linger(s)


def linger(s: Session) -> None:
    """Send the pending data, then read until the client has closed."""
    s.wire.gone()

"""A server of the protocol in plain Python: a daemon on a loopback port whose talk is the test's to write."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.protocol.client import GREETING, LIMIT, Job, Session, Wire, pick, terms
from tests.protocol.ints import Broken, Ndx, int32, put_int32, put_varint, put_vstring, vstring

ALL = 0x1FE
"""Every compat bit but incremental recursion."""


def receive_words(s: Session) -> list[str]:
    """The daemon's part up to the client's words; they are answered by `start`."""
    w = s.wire
    w.send(GREETING % s.job.p)
    s.announced = int(w.line().split()[1].split(b".")[0])
    s.p = min(s.job.p, s.announced)
    w.line()
    w.send(b"@RSYNCD: OK\n")
    words: list[str] = []
    while True:
        word = bytearray()
        while (c := w.take(1)) not in (b"\0", b"\n"):
            word += c
        if not word:
            return words
        words.append(word.decode())


def start(s: Session, words: list[str], compat: int = ALL, seed: int = 1, filters: bool | None = None) -> None:
    """The handshake of a server, up to and including the filter list."""
    w = s.wire
    s.server = True
    compact = next((word for word in words if word.startswith("-") and not word.startswith("--")), "-")
    s.job = Job(p=s.p, sender="--sender" in words, compact=compact[1:].split("e.")[0], long=words)
    s.job.dry = "n" in s.job.compact
    s.ndx_in, s.ndx_out = Ndx(s.p), Ndx(s.p)
    s.seed, s.sum = seed, "md5" if s.p >= 30 else "md4-old"
    s.compress = "zlib" if "z" in s.job.compact else "none"
    if s.p >= 30:
        s.compat = compat
        w.send(put_varint(compat))
        if compat & 0x80:
            forced = any(word.startswith(("--checksum-choice", "--cc")) for word in words)
            offers = [] if forced else ["md5"]
            offers += ["zlib"] if "z" in s.job.compact else []
            w.send(b"".join(put_vstring(x.encode()) for x in offers))
            s.lists_offered = [vstring(w) for _ in offers]
            for mine, theirs in zip(offers, s.lists_offered, strict=True):
                pick(mine, theirs)
    w.send(put_int32(seed))
    w.framed_out = True
    w.framed_in = s.p >= 30 or (s.job.sender and any(x.startswith("--remove-s") for x in words))
    s.terms = terms(s)
    if filters is None:
        deletes = any(x.startswith("--delete") and "missing" not in x for x in words)
        filters = s.job.sender or deletes or "m" in s.job.compact
    while filters and (n := int32(w)):
        w.read(n)


class Report:
    """What the talk left; `error` is the exception that ended it."""

    session: Session
    words: list[str]
    error: BaseException | None = None


@contextmanager
def daemon(talk: Callable[[Session], object], p: int = 32, compat: int = ALL) -> Iterator[tuple[int, Report]]:
    """A listener that takes one client through the handshake and then talks to it; gives its port and its report."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(LIMIT)
    report = Report()

    def work() -> None:
        try:
            connection, _ = listener.accept()
        except OSError as error:
            report.error = error
            return
        with connection:
            try:
                report.session = s = Session(Wire(connection), Job(p=p))
                report.words = receive_words(s)
                start(s, report.words, compat)
                talk(s)
                s.wire.flush()
            except (OSError, EOFError, Broken, AssertionError) as error:
                report.error = error

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], report
    finally:
        listener.close()
        thread.join(LIMIT)


def linger(s: Session) -> None:
    """Sends what is there and then reads until the client has gone."""
    s.wire.flush()
    s.wire.rest()

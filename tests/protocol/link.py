"""The link to a peer: frames, the job of a run, its session, and the start (spec: protocol 2, 3, 10)."""

from __future__ import annotations

import base64
import hashlib
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.protocol.entries import Codec, Entry, Terms
from tests.protocol.ints import (
    DIGEST_LENGTH,
    Broken,
    Ndx,
    default_sum,
    int32,
    md4,
    put_int32,
    put_vstring,
    varint,
    vstring,
)
from tests.protocol.tokens import Step

DONE, FLIST_EOF, DEL_STATS, OFFSET = -1, -2, -3, -101
ERROR_XFER, INFO, ERROR, WARNING, IO_ERROR, IO_TIMEOUT, NOOP = 1, 2, 3, 4, 22, 33, 42
ERROR_EXIT, SUCCESS, DELETED, NO_SEND = 86, 100, 101, 102
TYPE, XNAME, NEW, LOCAL, TRANSFER = 0x0800, 0x1000, 0x2000, 0x4000, 0x8000
XATTR = 0x0100
CAPS = "LsfxCIvu"
LIMIT = 60.0
GREETING = b"@RSYNCD: %d.0 sha512 sha256 sha1 md5 md4\n"


def frame(payload: bytes, tag: int = 0) -> bytes:
    return (len(payload) | (7 + tag) << 24).to_bytes(4, "little") + payload


class Wire:
    """Both directions of a stream, framed or not; what comes is kept as it came."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(LIMIT)
        self.received = bytearray()
        self.said = bytearray()
        self.raw = bytearray()
        self.data = bytearray()
        self.out = bytearray()
        self.framed_in = self.framed_out = False
        self.messages: list[tuple[int, bytes]] = []
        self.piece = 60000
        """Longest frame that goes out; with 1 an empty frame stands before each."""
        self.frames: list[tuple[int, int]] = []
        """Tag and length of each frame that came."""

    def more(self) -> None:
        with suppress(ConnectionResetError):
            if piece := self.sock.recv(1 << 18):
                self.received += piece
                self.raw += piece
                return
        raise EOFError(f"the peer closed; messages: {self.messages}")

    def take(self, n: int) -> bytes:
        """Unframed bytes."""
        while len(self.raw) < n:
            self.more()
        part = bytes(self.raw[:n])
        del self.raw[:n]
        return part

    def next_frame(self) -> None:
        head = int.from_bytes(self.take(4), "little")
        tag, payload = (head >> 24) - 7, self.take(head & 0xFFFFFF)
        self.frames.append((tag, len(payload)))
        if tag == 0:
            self.data += payload
        else:
            self.messages.append((tag, payload))

    def read(self, n: int) -> bytes:
        if n:
            self.flush()
        if not self.framed_in:
            return self.take(n)
        while len(self.data) < n:
            self.next_frame()
        part = bytes(self.data[:n])
        del self.data[:n]
        return part

    def line(self) -> bytes:
        self.flush()
        text = bytearray()
        while (c := self.take(1)) != b"\n":
            text += c
        return bytes(text)

    def write(self, data: bytes) -> None:
        self.out += data

    def send(self, data: bytes) -> None:
        """At once and as it is."""
        self.said += data
        self.sock.sendall(data)

    def message(self, tag: int, payload: bytes = b"") -> None:
        self.flush()
        self.send(frame(payload, tag))

    def flush(self) -> None:
        data, self.out = bytes(self.out), bytearray()
        if not data:
            return
        if not self.framed_out:
            self.send(data)
            return
        lead = frame(b"") if self.piece == 1 else b""
        self.send(b"".join(lead + frame(data[at : at + self.piece]) for at in range(0, len(data), self.piece)))

    def gone(self) -> None:
        """Send the pending data, then read until the peer has closed, and keep what it sends."""
        with suppress(OSError):
            self.flush()
        with suppress(EOFError, OSError, Broken):
            while True:
                self.next_frame() if self.framed_in else self.more()

    def rest(self) -> bytes:
        """Everything up to the end of the stream, unframed data only."""
        self.flush()
        with suppress(EOFError):
            while True:
                if self.framed_in:
                    self.next_frame()
                else:
                    self.more()
        found, self.data = bytes(self.data), bytearray()
        return found

    def texts(self, *tags: int) -> str:
        return b"".join(text for tag, text in self.messages if tag in (tags or (1, 2, 3, 4))).decode(errors="replace")


@dataclass
class Job:
    """What one run is to do and how."""

    p: int = 32
    sender: bool = True
    """The server sends (a pull)."""
    compact: str = "logDtpr"
    long: Sequence[str] = ()
    paths: Sequence[str] = (".",)
    caps: str | None = None
    """None: all of them; inc-recurse where `inc`."""
    inc: bool = False
    sums: str = "md5"
    """The list of names that this client offers."""
    compress: str = ""
    """The list of names for -z; the one name with `force_compress`."""
    force_sum: str = ""
    force_compress: str = ""
    filters: Sequence[bytes] | None = None
    """None: an empty list on a pull, nothing on a push."""
    dry: bool = False
    read_only_list: bool = False

    @property
    def word(self) -> str:
        letters = self.compact + ("n" if self.dry else "") + ("z" if self.compress else "")
        caps = ("i" if self.inc else "") + CAPS if self.caps is None else self.caps
        return f"-{letters}" + (f"e.{caps}" if self.p >= 30 else "")

    @property
    def words(self) -> list[str]:
        out = ["--server", *(["--sender"] if self.sender else []), self.word]
        out += [f"--checksum-choice={self.force_sum}"] if self.force_sum else []
        out += [f"--compress-choice={self.force_compress}"] if self.force_compress else []
        return [*out, *self.long, ".", *self.paths]


@dataclass
class Session:
    """What a run has shown."""

    wire: Wire
    job: Job
    p: int = 0
    announced: int = 0
    compat: int = 0
    seed: int = 0
    lists_offered: list[bytes] = field(default_factory=list)
    sum: str = "md5"
    compress: str = "none"
    terms: Terms = field(default_factory=Terms)
    lists: list[tuple[int, int, list[Entry]]] = field(default_factory=list)
    """Start, directory index (-1: the first list), entries as numbered."""
    io_error: int = 0
    server: bool = False
    """This end is the server (tests.protocol.server)."""
    daemon: bool = False
    """The connection began with greetings."""
    users: dict[int, bytes] = field(default_factory=dict)
    groups: dict[int, bytes] = field(default_factory=dict)
    items: list[tuple[int, int, int, bytes]] = field(default_factory=list)
    heads: dict[int, list[tuple[int, int, int, int]]] = field(default_factory=dict)
    steps: dict[int, list[Step]] = field(default_factory=dict)
    files: dict[bytes, bytes] = field(default_factory=dict)
    done_in: int = 0
    done_out: int = 0
    stats: list[int] = field(default_factory=list)
    deleted: list[int] = field(default_factory=list)
    code: int | None = None
    err: bytes = b""

    def __post_init__(self) -> None:
        self.p = self.job.p
        self.codec = Codec(self.terms)
        self.ndx_in, self.ndx_out = Ndx(self.p), Ndx(self.p)

    @property
    def inc(self) -> bool:
        return bool(self.compat & 1)

    def entry(self, ndx: int) -> Entry:
        for start, _, entries in self.lists:
            if start <= ndx < start + len(entries):
                return entries[ndx - start]
        raise Broken(f"index {ndx}")

    def names(self) -> list[bytes]:
        return [e.name for _, _, entries in self.lists for e in entries]


# ---- the start (spec: protocol 2 and 10; protocol-old 3)


def frames_from(s: Session) -> str:
    """Where frames from the server begin."""
    if s.p >= 23:
        return "after seed"
    return "before seed" if s.daemon and (s.job.sender or s.p == 22) else "never"


def handshake(s: Session, numbers: bool = True) -> None:
    w, job = s.wire, s.job
    if numbers:
        w.write(put_int32(job.p))
        s.announced = int32(w)
        s.p = min(job.p, s.announced)
    s.ndx_in, s.ndx_out = Ndx(s.p), Ndx(s.p)
    s.sum = job.force_sum or default_sum(s.p)
    s.compress = job.force_compress or ("zlib" if job.compress else "none")
    if s.p >= 30:
        s.compat = varint(w)
        wanted = [] if job.force_sum else [job.sums]
        wanted += [job.compress] if job.compress and not job.force_compress else []
        if s.compat & 0x80:
            for text in wanted:
                w.write(put_vstring(text.encode()))
            s.lists_offered = [vstring(w) for _ in wanted]
            chosen = [pick(text, theirs) for text, theirs in zip(wanted, s.lists_offered, strict=True)]
            if not job.force_sum:
                s.sum = chosen[0]
            if job.compress and not job.force_compress:
                s.compress = chosen[-1]
    w.framed_in = frames_from(s) == "before seed"
    s.seed = int32(w)
    w.framed_in = frames_from(s) != "never"
    w.flush()
    w.framed_out = s.p >= 30 or (job.sender and any(x.startswith("--remove-s") for x in job.long))
    s.terms = terms(s)
    if job.filters is not None or job.sender:
        for rule in job.filters or ():
            w.write(put_int32(len(rule)) + rule)
        w.write(put_int32(0))


def pick(mine: str, theirs: bytes) -> str:
    names = theirs.decode().split()
    return next(name for name in mine.split() if name in names)


def terms(s: Session) -> Terms:
    has = s.job.compact
    return Terms(
        p=s.p,
        varint_flags=bool(s.compat & 0x80),
        inc=s.inc,
        id0=bool(s.compat & 0x100),
        uid="o" in has,
        gid="g" in has,
        links="l" in has,
        devices="D" in has,
        specials="D" in has,
        hard="H" in has,
        atimes="U" in has,
        sum_len=(DIGEST_LENGTH[s.sum] if s.p > 20 else 2) if "c" in has else 0,
        acls="A" in has,
        xattrs="X" in has,
        numeric="--numeric-ids" in s.job.long,
    )


def password(line: bytes, secret: str, p: int, digests: str | None = "sha512") -> bytes:
    """The answer to a challenge (spec: protocol 10.7); None: the greeting had no list."""
    challenge = line.split()[2]
    text = secret.encode() + challenge
    if digests is None:
        digest = hashlib.md5(text).digest() if p >= 30 else md4(bytes(4) + text)
    else:
        digest = md4(text) if digests == "md4" else hashlib.new(digests, text).digest()
    return base64.b64encode(digest).rstrip(b"=")


def enter(s: Session, module: str, login: tuple[str, str] | None = None) -> None:
    """The daemon's part up to its OK, and the words (spec: protocol 10.3 to 10.6)."""
    w, p = s.wire, s.job.p
    s.daemon = True
    w.write(GREETING % p)
    greeting = w.line()
    s.announced = int(greeting.split()[1].split(b".")[0])
    s.p = min(p, s.announced)
    w.write(module.encode() + b"\n")
    while (line := w.line()) != b"@RSYNCD: OK":
        if line.startswith(b"@ERROR"):
            raise Broken(line.decode())
        if line.startswith(b"@RSYNCD: AUTHREQD ") and login:
            w.write(login[0].encode() + b" " + password(line, login[1], s.p) + b"\n")
    end = b"\0" if s.p >= 30 else b"\n"
    w.write(b"".join(word.encode() + end for word in s.job.words) + end)

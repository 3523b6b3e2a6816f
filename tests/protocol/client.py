"""A client of the protocol in plain Python (spec: protocol 2, 3, 6, 10): lists, pulls and pushes over any socket."""

from __future__ import annotations

import base64
import hashlib
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.protocol.entries import Codec, Entry, Terms, ordered
from tests.protocol.ints import (
    DIGEST_LENGTH,
    Broken,
    Ndx,
    block_length,
    block_sum,
    default_sum,
    file_sum,
    int32,
    md4,
    put_int32,
    put_shortint,
    put_vstring,
    put_x30long,
    rolling,
    shortint,
    strong_length,
    varint,
    vstring,
    x30long,
)
from tests.protocol.tokens import Step, put_tokens, read_tokens

DONE, FLIST_EOF, DEL_STATS, OFFSET = -1, -2, -3, -101
ERROR_XFER, INFO, ERROR, WARNING, IO_ERROR, IO_TIMEOUT, NOOP = 1, 2, 3, 4, 22, 33, 42
ERROR_EXIT, SUCCESS, DELETED, NO_SEND = 86, 100, 101, 102
TYPE, XNAME, NEW, LOCAL, TRANSFER = 0x0800, 0x1000, 0x2000, 0x4000, 0x8000
XATTR = 0x0100
CAPS = "LsfxCIvu"
LIMIT = 60.0
#: What this end says as a sending server: read, written, size, build, transfer.
STATISTICS = (11, 22, 33, 44, 55)
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


# ---- lists


def read_lists(s: Session) -> None:
    """All lists that come before the first request is needed."""
    w = s.wire
    s.codec = Codec(s.terms)
    read_list(s, -1)
    if not s.inc:
        if not s.terms.numeric:
            s.users = s.codec.read_ids(w) if s.terms.uid or s.terms.acls else {}
            s.groups = s.codec.read_ids(w) if s.terms.gid or s.terms.acls else {}
        if s.p < 30:
            s.io_error |= int32(w)


def next_start(s: Session) -> int:
    if not s.lists:
        return int(s.inc)
    start, _, entries = s.lists[-1]
    return start + len(entries) + 1


def read_list(s: Session, directory: int) -> None:
    start = next_start(s)
    entries, error = s.codec.read_list(s.wire, start)
    s.io_error |= error
    s.lists.append((start, directory, ordered(entries, s.p)))


# ---- the receiving side


@dataclass
class Basis:
    data: bytes = b""
    count: int = 0
    length: int = 0
    strong: int = 0
    rest: int = 0

    def block(self, n: int) -> bytes:
        if not 0 <= n < self.count:
            raise Broken(f"block {n} of {self.count}")
        return self.data[n * self.length : (n + 1) * self.length]

    @property
    def head(self) -> bytes:
        return self.put(32)

    def put(self, p: int) -> bytes:
        strong = put_int32(self.strong) if p >= 27 else b""
        return put_int32(self.count) + put_int32(self.length) + strong + put_int32(self.rest)


def read_head(s: Session, redo: bool) -> tuple[int, int, int, int]:
    """Count, block length, strong length, remainder (spec: protocol 6.6; protocol-old 6.2)."""
    w = s.wire
    count, length = int32(w), int32(w)
    strong = int32(w) if s.p >= 27 else 16 if redo else 2
    return count, length, strong, int32(w)


def basis_of(s: Session, data: bytes, redo: bool = False) -> Basis:
    if not data:
        return Basis(strong=0 if s.p >= 27 else 16 if redo else 2)
    length = block_length(len(data), s.p)
    strong = strong_length(len(data), length, DIGEST_LENGTH[s.sum], redo)
    strong = strong if s.p >= 27 else 16 if redo else 2
    return Basis(data, -(-len(data) // length), length, strong, len(data) % length)


def request(s: Session, ndx: int, basis: Basis, iflags: int = TRANSFER) -> None:
    w = s.wire
    w.write(s.ndx_out.put(ndx))
    if s.p >= 29:
        w.write(put_shortint(iflags))
    if s.job.dry:
        return
    w.write(basis.put(s.p))
    for n in range(basis.count):
        block = basis.block(n)
        w.write(put_int32(rolling(block)))
        w.write(block_sum(s.sum, block, s.seed, bool(s.compat & 0x20))[: basis.strong])


def done(s: Session) -> None:
    s.wire.write(s.ndx_out.put(DONE))
    s.done_out += 1


def pull(s: Session, bases: Mapping[bytes, bytes] | None = None, spoil: set[bytes] | None = None) -> Session:
    """Lists, asks for every regular file, reads it all, says goodbye. `spoil`: first answers treated as damaged."""
    w, bases, spoil = s.wire, bases or {}, set(spoil or ())
    read_lists(s)
    asked: dict[int, Basis] = {}
    open_items: dict[int, int] = {}

    def ask(position: int) -> None:
        start, _, entries = s.lists[position]
        for n, e in enumerate(entries):
            if e.is_file:
                asked[start + n] = basis_of(s, bases.get(e.name, b""))
                request(s, start + n, asked[start + n])
                open_items[start + n] = position

    ask(0)
    ended = not s.inc
    finished = answered = phase = 0
    # What follows the per-list marks: the ends of phases 1 and 2, of deletions, and the goodbye.
    while True:
        while (
            finished < len(s.lists) and finished not in open_items.values() and (ended or finished < len(s.lists) - 1)
        ):
            done(s)
            finished += 1
        if phase == 0 and ended and answered == len(s.lists):
            phase = 1
            for _ in range(3 if s.p >= 31 else 2 if s.p >= 29 else 1):
                done(s)
            break
        n = s.ndx_in.read(w)
        if n == DONE:
            s.done_in += 1
            answered += 1
        elif n == FLIST_EOF and s.inc:
            ended = True
        elif n <= OFFSET and s.inc:
            read_list(s, OFFSET - n)
            ask(len(s.lists) - 1)
        else:
            name, good = read_item(s, n, asked)
            if name in spoil:
                spoil.discard(name)
                asked[n] = basis_of(s, bases.get(name, b""), redo=True)
                request(s, n, asked[n])
            elif good is not None:
                open_items.pop(n, None)
        for tag, payload in w.messages:
            if tag == NO_SEND:
                open_items.pop(int.from_bytes(payload, "little"), None)
    # 27, 28: one more answer; from 29 two; then the statistics, and from 31 the deletion mark.
    for _ in range(1 if s.p < 29 else 2):
        if s.ndx_in.read(w) != DONE:
            raise Broken("end of a phase")
        s.done_in += 1
    if not s.server:
        s.stats = [x30long(w, s.p) for _ in range(5 if s.p >= 29 else 3)]
    if s.p >= 31:
        while (n := s.ndx_in.read(w)) == DEL_STATS:
            s.deleted = [varint(w) for _ in range(5)]
        if n != DONE:
            raise Broken("goodbye")
        s.done_in += 1
    if s.p >= 24:
        done(s)
    w.flush()
    if extra := w.rest():
        raise Broken(f"more data after the end: {extra!r}")
    return s


def read_item(s: Session, n: int, asked: Mapping[int, Basis]) -> tuple[bytes, bytes | None]:
    w = s.wire
    iflags = shortint(w) if s.p >= 29 else TRANSFER
    kind = w.read(1)[0] if iflags & TYPE else 0x80
    xname = vstring(w) if iflags & XNAME else b""
    s.items.append((n, iflags, kind, xname))
    e = s.entry(n)
    if not iflags & TRANSFER or s.job.dry:
        return e.name, b""
    basis = asked[n]
    # Requests were written before the first DONE was, unless they are a redo.
    count, length, strong, rest = read_head(s, basis.strong == 16)
    if (count, length, strong, rest) != (basis.count, basis.length, basis.strong, basis.rest):
        raise Broken("the head is not the one that was sent")
    s.heads.setdefault(n, []).append((count, length, strong, rest))
    steps = read_tokens(w, s.compress, basis.block, s.p)
    s.steps[n] = steps
    data = b""
    for step in steps:
        data += step if isinstance(step, bytes) else b"".join(basis.block(step[0] + k) for k in range(step[1]))
    if w.read(DIGEST_LENGTH[s.sum]) != file_sum(s.sum, data, s.seed):
        raise Broken(f"sum of {e.name!r}")
    s.files[e.name] = data
    return e.name, data


# ---- the sending side


def send_lists(s: Session, entries: Sequence[Entry]) -> None:
    """The whole tree: one list, or the first list and one for each directory (spec: protocol 5.10)."""
    w = s.wire
    codec = Codec(s.terms)
    if not s.inc:
        w.write(codec.put_list(list(entries), 0))
        s.lists.append((0, -1, ordered(list(entries), s.p)))
        if not s.terms.numeric:
            w.write(codec.put_ids(s.users) if s.terms.uid else b"")
            w.write(codec.put_ids(s.groups) if s.terms.gid else b"")
        w.write(put_int32(s.io_error) if s.p < 30 else b"")
        return
    first = [e for e in entries if b"/" not in e.name]
    w.write(codec.put_list(first, 1))
    s.lists.append((1, -1, ordered(first, s.p)))
    directories = [e for e in s.lists[0][2] if e.is_dir]
    at = 0
    while at < len(directories):
        top = directories[at]
        if top.name != b".":
            inside = [e for e in entries if e.name.rpartition(b"/")[0] == top.name]
            w.write(s.ndx_out.put(OFFSET - at))
            start = next_start(s)
            w.write(codec.put_list(inside, start))
            s.lists.append((start, at, ordered(inside, s.p)))
            directories += [e for e in s.lists[-1][2] if e.is_dir]
        at += 1
    w.write(s.ndx_out.put(FLIST_EOF))


def push(s: Session, entries: Sequence[Entry], damage: set[bytes] | None = None) -> Session:
    """Sends the lists and answers requests to the end. `damage`: files whose first sum is wrong."""
    w, damage = s.wire, set(damage or ())
    send_lists(s, entries)
    answers = len(s.lists)
    # Every list has its mark; then phase 1, and from 29 phase 2, which ends the loop.
    last = answers + (1 if s.p >= 29 else 0)
    while True:
        n = s.ndx_in.read(w)
        if n == DONE:
            s.done_in += 1
            if s.done_in > last:
                break
            done(s)
        else:
            answer(s, n, damage)
    done(s)
    if s.server:
        w.write(b"".join(put_x30long(n, s.p) for n in (STATISTICS if s.p >= 29 else STATISTICS[:3])))
    if s.p >= 31:
        while (n := s.ndx_in.read(w)) == DEL_STATS:
            s.deleted = [varint(w) for _ in range(5)]
        if n != DONE:
            raise Broken("end of the deletions")
        s.done_in += 1
        done(s)
    if s.p >= 24:
        if s.ndx_in.read(w) != DONE:
            raise Broken("goodbye")
        s.done_in += 1
    w.flush()
    with suppress(OSError):
        w.sock.shutdown(socket.SHUT_WR)
    if extra := w.rest():
        raise Broken(f"more data after the end: {extra!r}")
    return s


def answer(s: Session, n: int, damage: set[bytes]) -> None:
    w = s.wire
    iflags = shortint(w) if s.p >= 29 else TRANSFER
    kind = w.read(1) if iflags & TYPE else b""
    xname = vstring(w) if iflags & XNAME else b""
    s.items.append((n, iflags, kind[0] if kind else 0x80, xname))
    echo = s.ndx_out.put(n) + (put_shortint(iflags) if s.p >= 29 else b"")
    echo += kind + (put_vstring(xname) if iflags & XNAME else b"")
    if not iflags & TRANSFER or s.job.dry:
        w.write(echo)
        return
    e = s.entry(n)
    basis = Basis(b"", *read_head(s, s.done_in > 0))
    sums = [(int32(w) & 0xFFFFFFFF, w.read(basis.strong)) for _ in range(basis.count)]
    s.heads.setdefault(n, []).append((basis.count, basis.length, basis.strong, basis.rest))
    steps = match(s, e.content, basis, sums)
    s.steps[n] = steps
    offsets = [x for step in steps if isinstance(step, tuple) for x in range(step[0], step[0] + step[1])]
    known: dict[int, bytes] = {}
    at = 0
    for step in steps:
        size = len(step) if isinstance(step, bytes) else 0
        if isinstance(step, tuple):
            for block in range(step[0], step[0] + step[1]):
                length = basis.rest if basis.rest and block == basis.count - 1 else basis.length
                known[block] = e.content[at + size : at + size + length]
                size += length
        at += size
    assert set(offsets) == set(known)
    total = file_sum(s.sum, e.content, s.seed)
    if e.name in damage:
        damage.discard(e.name)
        total = bytes(len(total))
    w.write(echo + basis.put(s.p) + put_tokens(steps, s.compress, lambda k: known[k], s.p) + total)


def match(s: Session, data: bytes, basis: Basis, sums: Sequence[tuple[int, bytes]]) -> list[Step]:
    """A plain search: at each position the block of that length whose sums agree, else one literal byte."""
    steps: list[Step] = []
    table: dict[int, list[int]] = {}
    for number, (sum_of_block, _) in enumerate(sums):
        table.setdefault(sum_of_block, []).append(number)
    at = literal = 0

    def find(window: bytes, weak: int) -> int | None:
        strong = None
        for n in table.get(weak, ()):
            if len(window) != (basis.rest if basis.rest and n == basis.count - 1 else basis.length):
                continue
            strong = strong or block_sum(s.sum, window, s.seed, bool(s.compat & 0x20))[: basis.strong]
            if strong == sums[n][1]:
                return n
        return None

    known: int | None = None
    while basis.count and at < len(data):
        window = data[at : at + basis.length]
        weak = rolling(window) if known is None else known
        n = find(window, weak)
        if n is None:
            x = data[at] - 256 if data[at] > 127 else data[at]
            s1, s2 = (weak & 0xFFFF) - x, (weak >> 16) - len(window) * x
            if at + basis.length < len(data):
                y = data[at + basis.length]
                s1 += y - 256 if y > 127 else y
                s2 += s1
            known = s1 & 0xFFFF | (s2 & 0xFFFF) << 16
            at += 1
            continue
        if literal < at:
            steps.append(data[literal:at])
        if steps and isinstance(steps[-1], tuple) and sum(steps[-1]) == n:
            steps[-1] = (steps[-1][0], steps[-1][1] + 1)
        else:
            steps.append((n, 1))
        at = literal = at + len(window)
        known = None
    if literal < len(data):
        steps.append(data[literal:])
    return steps


# ---- connections


class Piped:
    """A server of one of the programs behind a socket pair, as a remote shell would start it."""

    def __init__(
        self, program: str, job: Job, cwd: Path, env: Mapping[str, str], user: tuple[int, int] | None = None
    ) -> None:
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [program, *job.words],
            cwd=cwd,
            env=env,
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.PIPE,
            user=user[0] if user else None,
            group=user[1] if user else None,
            extra_groups=[user[1]] if user else None,
        )
        theirs.close()
        self.session = Session(Wire(ours), job)

    def __enter__(self) -> Session:
        return self.session

    @property
    def code(self) -> int | None:
        return self.session.code

    def __exit__(self, *_: object) -> None:
        # Read to the end: closing with unread bytes would end the peer with another error.
        with suppress(OSError):
            self.session.wire.sock.shutdown(socket.SHUT_WR)
        self.session.wire.gone()
        self.session.wire.sock.close()
        try:
            self.session.err = self.process.communicate(timeout=LIMIT)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.session.err = self.process.communicate()[1]
            self.session.err += b" (killed: did not end)"
        self.session.code = self.process.returncode


def connect(port: int, job: Job) -> Session:
    return Session(Wire(socket.create_connection(("127.0.0.1", port), LIMIT)), job)

"""A client of the protocol in plain Python (spec: protocol 6): lists, pulls and pushes over any socket."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.protocol.entries import Codec, Entry, ordered
from tests.protocol.ints import (
    DIGEST_LENGTH,
    Broken,
    block_length,
    block_sum,
    file_sum,
    int32,
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
from tests.protocol.link import (
    DEL_STATS,
    DONE,
    FLIST_EOF,
    LIMIT,
    NO_SEND,
    OFFSET,
    TRANSFER,
    TYPE,
    XNAME,
    Job,
    Session,
    Wire,
)
from tests.protocol.tokens import Step, put_tokens, read_tokens

#: What this end reports as a sending server: read, written, size, build, transfer.
STATISTICS = (11, 22, 33, 44, 55)


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

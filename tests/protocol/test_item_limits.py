"""Limits of indices, items, sums, rules and lines, as in test_limits.py (spec: protocol 12)."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import pytest

from tests import programs
from tests.protocol import entries as f
from tests.protocol.client import Piped, read_lists, send_lists
from tests.protocol.conftest import sent
from tests.protocol.entries import Codec, Entry
from tests.protocol.ints import (
    Ndx,
    put_int32,
    put_shortint,
    put_varint,
    put_vstring,
    shortint,
)
from tests.protocol.link import DEL_STATS, DONE, FLIST_EOF, OFFSET, TRANSFER, Job, Session
from tests.protocol.meets import BIG31, OLD, client_meets, server_meets
from tests.protocol.server import ALL, daemon

# ---- indices and items


def items(s: Session, item: bytes, p: int = 32) -> None:
    """A whole list, and then that item as if it were an echo."""
    send_lists(s, sent(p))
    s.wire.write(item)


@pytest.mark.parametrize("p", [29, 30, 32])
@pytest.mark.parametrize("n", [9, 10, 5000, BIG31, -4, -100, -(1 << 31)])
def test_indices_out_of_range(n: int, p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """Beyond the list, or a special value without a meaning here."""
    if n == -(1 << 31) and p >= 30:
        return

    def talk(s: Session) -> None:
        items(s, s.ndx_out.put(n) + put_shortint(TRANSFER) + bytes(40), p)

    client_meets(program, tree, env, talk, {2, 12}, p=p)

    def ask(s: Session) -> None:
        read_lists(s)
        s.wire.write(s.ndx_out.put(n) + put_shortint(TRANSFER) + bytes(16))

    server_meets(program, tree, env, ask, {2, 12}, p=p, sender=True, paths=["src/"])


@pytest.mark.parametrize("p", [29, 32])
def test_data_of_a_directory(p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """Only regular files have data: status 2 at either reader."""
    client_meets(program, tree, env, lambda s: items(s, s.ndx_out.put(0) + put_shortint(TRANSFER), p), {2}, p=p)

    def ask(s: Session) -> None:
        read_lists(s)
        s.wire.write(s.ndx_out.put(0) + put_shortint(TRANSFER) + bytes(16))

    server_meets(program, tree, env, ask, {2}, p=p, sender=True, paths=["src/"])


@pytest.mark.parametrize("p", [29, 32])
def test_pro_41_duplicates(p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-41: a name that comes twice keeps both numbers, and the dropped one may not be spoken of."""
    twice = [Entry(b".", 0o40755, 4096, 1, flags=1), *(Entry(b"a", length=n, mtime=2) for n in (1, 2)), Entry(b"b")]

    def talk(s: Session) -> None:
        send_lists(s, twice)
        numbers = []
        while (n := s.ndx_in.read(s.wire)) != DONE:
            iflags = shortint(s.wire)
            numbers.append((n, iflags & TRANSFER))
            s.wire.read(16 if iflags & TRANSFER else 0)
            if iflags & TRANSFER and s.entry(n).name == b"a":
                break
        assert (2, TRANSFER) not in numbers
        s.wire.write(s.ndx_out.put(2) + put_shortint(TRANSFER) + bytes(16))

    (tree / "dst/a").write_bytes(OLD)
    client_meets(program, tree, env, talk, {2}, p=p)


@pytest.mark.parametrize("directory", [0, 1, 3, 4, 100, BIG31 - 101])
def test_pro_44_sub_lists(directory: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-44: a second one for a directory, one for `.`, and one for a directory that nobody knows: status 2."""
    top = [e for e in sent(32) if b"/" not in e.name]

    def talk(s: Session) -> None:
        codec = Codec(s.terms)
        w = s.wire
        w.write(codec.put_list(top, 1))
        for at in [directory] if directory > 1 else [directory, directory]:
            inside = [Entry(b"sub/b", length=1)] if at == 1 else []
            w.write(s.ndx_out.put(OFFSET - at) + codec.put_list(inside, 8))

    client_meets(program, tree, env, talk, {2}, compat=ALL | 1)


@pytest.mark.parametrize("what", ["item", "done", "counts"])
def test_pro_43_a_single_entry(what: str, program: str, tree: Path, env: dict[str, str], tain: str) -> None:
    """PRO-43: after a first list with one entry comes a sub-list, or the word that none comes, and nothing else."""

    def talk(s: Session) -> None:
        w, codec = s.wire, Codec(s.terms)
        w.write(codec.put_list([Entry(b".", 0o40755, 4096, 1, flags=1)], 1))
        w.write(s.ndx_out.put({"item": 1, "done": DONE, "counts": DEL_STATS}[what]) + bytes(20))

    client_meets(program, tree, env, talk, {2}, compat=ALL | 1)
    if program == tain:
        # A batch is read by the same rule: nobody there could answer otherwise.
        words = put_int32(1) + put_int32(32) + put_varint(ALL | 1) + put_int32(77)
        codec = Codec(f.Terms(p=32, varint_flags=True, inc=True))
        words += codec.put_list([Entry(b".", 0o40755, 4096, 1, flags=1)], 1)
        words += Ndx(32).put({"item": 1, "done": DONE, "counts": DEL_STATS}[what]) + bytes(20)
        (tree / "batch").write_bytes(words)
        outcome = programs.run([tain, "-r", "--read-batch=batch", "dst/"], cwd=tree, env=env)
        assert outcome.code == 2, outcome


def test_sub_lists_after_the_end(program: str, tree: Path, env: dict[str, str]) -> None:
    def talk(s: Session) -> None:
        send_lists(s, sent(32))
        s.wire.write(s.ndx_out.put(OFFSET - 1) + b"\0\0")

    client_meets(program, tree, env, talk, {2}, compat=ALL | 1)


@pytest.mark.parametrize("name", [b"other/x", b"sub", b"sub/deep/x", b"x", b"/sub/x"])
def test_a_sub_list_elsewhere(name: bytes, program: str, tree: Path, env: dict[str, str]) -> None:
    """Entries of a sub-list lie directly in its directory: status 4."""

    def talk(s: Session) -> None:
        codec = Codec(s.terms)
        s.wire.write(codec.put_list([e for e in sent(32) if b"/" not in e.name], 1))
        s.wire.write(s.ndx_out.put(OFFSET - 1) + codec.put_list([Entry(name)], 8) + s.ndx_out.put(FLIST_EOF))

    client_meets(program, tree, env, talk, {4}, compat=ALL | 1)


HEADS: dict[str, tuple[tuple[int, int, int, int], set[int]]] = {
    "count-negative": ((-1, 700, 2, 0), {2}),
    "count-max": ((BIG31, 131072, 16, 0), {2, 12, 22}),
    "block-131073": ((1, 131073, 2, 0), {2}),
    "block-max": ((1, BIG31, 2, 0), {2}),
    "block-negative": ((1, -1, 2, 0), {2}),
    "block-0": ((1, 0, 2, 0), {2}),
    "strong-17": ((1, 700, 17, 0), {2}),
    "strong-max": ((1, 700, BIG31, 0), {2}),
    "strong-negative": ((1, 700, -1, 0), {2}),
    "rest-701": ((1, 700, 2, 701), {2}),
    "rest-negative": ((1, 700, 2, -1), {2}),
}


@pytest.mark.parametrize("p", [29, 32])
@pytest.mark.parametrize("what", HEADS)
def test_pro_51_heads(what: str, p: int, program: str, tree: Path, env: dict[str, str], tain: str) -> None:
    """PRO-51: sum heads that a sender refuses, and a receiver."""
    head, codes = HEADS[what]
    if p < 30 and what == "block-131073":
        return
    if what == "block-0" and program != tain:
        return
    data = b"".join(put_int32(n & 0xFFFFFFFF) for n in head)

    def ask(s: Session) -> None:
        read_lists(s)
        n = next(n for n, e in enumerate(s.lists[0][2]) if e.name == b"a")
        s.wire.write(s.ndx_out.put(n) + put_shortint(TRANSFER) + data)

    server_meets(program, tree, env, ask, codes, p=p, sender=True, paths=["src/"])

    def talk(s: Session) -> None:
        items(s, s.ndx_out.put(1) + put_shortint(TRANSFER) + data, p)

    client_meets(program, tree, env, talk, codes, p=p)


TOKENS: dict[str, tuple[bytes, set[int]]] = {
    "block": (put_int32(-2), {2}),
    "block-far": (put_int32(-BIG31), {2}),
    "block-least": (struct.pack("<I", 0x80000000), {2}),
}


@pytest.mark.parametrize("what", TOKENS)
def test_pro_51_references(what: str, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-51: a reference to a block that the basis does not have."""
    token, codes = TOKENS[what]

    def talk(s: Session) -> None:
        send_lists(s, sent(32))
        while True:
            n = s.ndx_in.read(s.wire)
            if shortint(s.wire) & TRANSFER:
                break
        head = s.wire.read(16)
        count, length, strong, rest = struct.unpack("<4i", head)
        s.wire.read(count * (4 + strong))
        assert s.entry(n).name == b"a" and (count, rest) == (1, len(OLD)) and length == 700
        s.wire.write(s.ndx_out.put(n) + put_shortint(TRANSFER) + head + token)

    client_meets(program, tree, env, talk, codes)


@pytest.mark.parametrize("size", [4096, 32767])
def test_long_xnames(size: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """An xname of 4096 bytes and more: status 2."""

    def talk(s: Session) -> None:
        items(s, s.ndx_out.put(1) + put_shortint(0x1000 | TRANSFER) + put_vstring(b"x" * size))

    client_meets(program, tree, env, talk, {2})


@pytest.mark.parametrize("size", [256, 32767])
def test_long_negotiation(size: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """Lists of names are at most 255 bytes."""
    with Piped(program, Job(paths=["src/"]), tree, env) as s:
        s.wire.send(put_int32(32) + put_vstring(b"m" * size))
    assert s.code in (2, 4), s.err


@pytest.mark.parametrize("size", [5120, BIG31, -1, -(1 << 31)])
def test_long_rules(size: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """A filter rule of 5120 bytes and more, read as unsigned: status 22."""
    with Piped(program, Job(paths=["src/"], filters=[]), tree, env) as s:
        w = s.wire
        w.write(put_int32(32) + put_vstring(b"md5"))
        w.flush()
        w.framed_out = True
        w.write(put_int32(size) + b"- " + b"r" * 6000)
        w.flush()
    assert s.code == 22, s.err


@pytest.mark.parametrize("counts", [[1 << 29, 0, 0, 0, 0], [0, -1, 0, 0, 0], [0, 0, 0, 0, BIG31]])
def test_deletion_counts(counts: list[int], program: str, tree: Path, env: dict[str, str]) -> None:
    """At most 2^28 of each kind."""

    def talk(s: Session) -> None:
        items(s, s.ndx_out.put(DEL_STATS) + b"".join(map(put_varint, counts)))

    client_meets(program, tree, env, talk, {2}, options="-rlt --delete")


def test_protocol_of_these_limits(tain: str, tree: Path, env: dict[str, str]) -> None:
    """The stand-in itself is right: without a lie the same talk is a good run."""
    from tests.protocol.client import push

    (tree / "dst/a").write_bytes(OLD)
    with daemon(lambda s: push(s, sent(32))) as (port, report):
        outcome = programs.run([tain, "-rlt", f"rsync://127.0.0.1:{port}/m/", "dst/"], cwd=tree, env=env)
    assert outcome.code == 0 and report.error is None, (outcome, report.error)


STREAMS: dict[str, tuple[str, bytes, set[int]]] = {
    "zlib-run-0": ("zlib", b"\xc0\0\0", {2}),
    "zlib-long-run-0": ("zlib", b"\x21\0\0\0\0\0\0", {2}),
    "zlib-index": ("zlib", b"\x20" + put_int32(1), {2}),
    "zlib-index-max": ("zlib", b"\x20" + put_int32(BIG31), {2}),
    "zlib-index-negative": ("zlib", b"\x20" + put_int32(-1), {2}),
    "zlib-run-over": ("zlib", b"\xc0\1\0", {2}),
    "zlib-garbage": ("zlib", b"\x40\x04\xff\xff\xff\xff", {12}),
    "zlibx-garbage": ("zlibx", b"\x40\x04\xff\xff\xff\xff", {12}),
    "zstd-garbage": ("zstd", b"\x40\x04\xff\xff\xff\xff", {12}),
    "zstd-index": ("zstd", b"\x20" + put_int32(1), {2}),
    "lz4-garbage": ("lz4", b"\x40\x04\x10\xff\xff\xff", {12}),
    "lz4-large": ("lz4", b"\x40\xc8\x1fx\1\0" + b"\xff" * 195 + b"\0", {12}),
    "lz4-index-max": ("lz4", b"\x20" + put_int32(BIG31), {2}),
}


@pytest.mark.parametrize("what", STREAMS)
def test_hostile_streams(what: str, program: str, tree: Path, env: dict[str, str]) -> None:
    """References beyond the basis, empty runs, and data that cannot be decoded (spec: protocol 7.2, 12)."""
    kind, data, codes = STREAMS[what]

    def talk(s: Session) -> None:
        send_lists(s, sent(32))
        while True:
            n = s.ndx_in.read(s.wire)
            if shortint(s.wire) & TRANSFER:
                break
        head = s.wire.read(16)
        count, _, strong, _ = struct.unpack("<4i", head)
        s.wire.read(count * (4 + strong))
        s.wire.write(s.ndx_out.put(n) + put_shortint(TRANSFER) + head + data + bytes(20))

    server_meets(program, tree, env, talk, codes, compress=kind)


@pytest.mark.parametrize("size", [4094, 4095])
def test_longest_xname(size: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """At the limit: an item of a link that is made has that target as its xname."""

    def talk(s: Session) -> None:
        items(s, s.ndx_out.put(1) + put_shortint(0x5000) + put_vstring(b"x" * size))

    client_meets(program, tree, env, talk, {12})


@pytest.mark.parametrize("words", [15_990, 16_100])
def test_many_argument_words(
    words: int, program: str, tree: Path, env: dict[str, str], daemons: dict[str, int]
) -> None:
    """At most 15998 words: with more no session begins."""
    with socket.create_connection(("127.0.0.1", daemons[program]), 60) as sock:
        sock.sendall(b"@RSYNCD: 32.0 sha512 md5\nm\n")
        said = b""
        while b"@RSYNCD: OK\n" not in said:
            said += sock.recv(4096)
        said = b""
        try:
            sock.sendall(b"--server\0--sender\0-re.LsfxCIvu\0.\0" + b"m/no\0" * words + b"\0")
            sock.shutdown(socket.SHUT_WR)
            while piece := sock.recv(4096):
                said += piece
        except ConnectionError:
            pass
    # The first word of the server's handshake: its compat flags.
    assert said.startswith(b"\x81\xfe") == (words <= 15_998), said[:300]


@pytest.mark.parametrize("size", [1000, 1100, 100_000])
def test_long_request_lines(size: int, program: str, tree: Path, env: dict[str, str], daemons: dict[str, int]) -> None:
    """A line of more than 1023 bytes is refused: the connection is closed without a message about its module."""
    with socket.create_connection(("127.0.0.1", daemons[program]), 60) as sock:
        sock.sendall(b"@RSYNCD: 32.0 sha512 md5\n")
        said = b""
        try:
            sock.sendall(b"n" * size + b"\n")
            while piece := sock.recv(4096):
                said += piece
        except ConnectionError:
            pass
    assert (b"Unknown module" in said) == (size < 1023), said

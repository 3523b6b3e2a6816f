"""Values and bytes, run both ways: PRO-23 to PRO-27 and PRO-60 to PRO-70 (spec: protocol 4, 6.6, 7, 8 and 9.2).

The first tables are those of the description; they hold for the encoder and decoder of these tests, which every session
here runs against both programs, and for the core's own (the same tables stand in its unit tests). Behind them each
program writes, what it wrote is read, and written again it must be the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import programs
from tests.parity.tree import File, build
from tests.protocol import client, link
from tests.protocol.client import Basis, Piped, pull, push, read_lists, request
from tests.protocol.conftest import CONTENT, sent
from tests.protocol.entries import Entry
from tests.protocol.ints import (
    Broken,
    Bytes,
    Ndx,
    block_length,
    file_sum,
    int32,
    longint,
    md4,
    put_int32,
    put_longint,
    put_shortint,
    put_varint,
    put_varlong,
    put_vstring,
    rolling,
    shortint,
    strong_length,
    varint,
    varlong,
    vstring,
    xxh64,
)
from tests.protocol.link import DEL_STATS, DONE, FLIST_EOF, TRANSFER, Job, Session, frame, handshake
from tests.protocol.server import daemon
from tests.protocol.tokens import Inflater, Step, put_plain, read_plain, read_tokens

VARINTS = {
    0: "00",
    1: "01",
    0x7F: "7f",
    0x80: "80 80",
    0xFF: "80 ff",
    0x100: "81 00",
    0x1FF: "81 ff",
    0x2C01: "ac 01",
    0x3FFF: "bf ff",
    0x4000: "c0 00 40",
    0x1FFFFF: "df ff ff",
    0x200000: "e0 00 00 20",
    0xFFFFFFF: "ef ff ff ff",
    0x10000000: "f0 00 00 00 10",
    0x7FFFFFFF: "f0 ff ff ff 7f",
    -1: "f0 ff ff ff ff",
    -129: "f0 7f ff ff ff",
}
VARLONGS = {
    (3, 0): "00 00 00",
    (3, 1): "00 01 00",
    (3, 76): "00 4c 00",
    (3, 65535): "00 ff ff",
    (3, 65536): "01 00 00",
    (3, 0x7FFFFF): "7f ff ff",
    (3, 0x800000): "80 00 00 80",
    (3, 0xFFFFFF): "80 ff ff ff",
    (3, 0x1000000): "81 00 00 00",
    (3, 0x3FFFFFFF): "bf ff ff ff",
    (3, 0x40000000): "c0 00 00 00 40",
    (3, 1 << 40): "e1 00 00 00 00 00",
    (3, -1): "fc ff ff ff ff ff ff ff ff",
    (4, 0): "00 00 00 00",
    (4, 0x67E345F0): "67 f0 45 e3",
    (4, 0x7FFFFFFF): "7f ff ff ff",
    (4, 0x80000000): "80 00 00 00 80",
    (4, 1 << 32): "81 00 00 00 00",
    (4, -1): "f8 ff ff ff ff ff ff ff ff",
    (4, -86400): "f8 80 ae fe ff ff ff ff ff",
}
LONGINTS = {
    0: "00 00 00 00",
    0x7FFFFFFF: "ff ff ff 7f",
    0x80000000: "ff ff ff ff 00 00 00 80 00 00 00 00",
    -1: "ff " * 12,
}
INDICES = [
    (0, "01"),
    (1, "01"),
    (5, "04"),
    (5, "fe 00 00"),
    (258, "fd"),
    (259, "01"),
    (512, "fd"),
    (DONE, "00"),
    (40000, "fe 80 40 9c 00"),
    (3, "fe 80 03 00 00"),
    (-102, "ff 65"),
    (-103, "ff 01"),
    (FLIST_EOF, "ff fe 80 02 00 00"),
    (-101, "ff 63"),
    (DEL_STATS, "ff fe 80 03 00 00"),
    (0x01020304, "fe 81 04 03 02"),
]
STRINGS = {b"": "00", b"d/c": "03 64 2f 63", b"x" * 300: "81 2c" + " 78" * 300}
FRAMES = {
    (0, b"\0\0\xff\1"): "04 00 00 07 00 00 ff 01",
    (0, b""): "00 00 00 07",
    (100, b"\2\0\0\0"): "04 00 00 6b 02 00 00 00",
}
ROLLING = {
    b"a": "61 00 61 00",
    b"hello\n": "1e 02 45 08",
    b"\xff" * 3: "fd ff fa ff",
    bytes(range(256)): "80 ff 80 6a",
    b"\x80" * 700: "00 a2 00 cd",
}
HEADS = {
    (1, 32): (700, 2),
    (490_000, 32): (700, 2),
    (490_001, 32): (700, 2),
    (1_000_000, 32): (1000, 2),
    (10**7, 32): (3160, 2),
    (10**8, 32): (10_000, 3),
    (10**9, 32): (31_616, 3),
    (10**10, 32): (100_000, 4),
    (1 << 34, 32): (131_072, 4),
    (10**11, 32): (131_072, 5),
    (10**11, 29): (316_224, 5),
    (10**12, 32): (131_072, 5),
    (10**12, 29): (1_000_000, 5),
}


def test_pro_23_varints() -> None:
    """PRO-23: the table both ways; f8 and more are refused (and end a program: test_limits.py)."""
    for value, text in VARINTS.items():
        assert put_varint(value) == bytes.fromhex(text) and varint(Bytes(bytes.fromhex(text))) == value
    for first in range(0xF8, 0x100):
        with pytest.raises(Broken):
            varint(Bytes(bytes([first]) * 9))


def test_pro_24_varlongs() -> None:
    """PRO-24"""
    for (least, value), text in VARLONGS.items():
        data = bytes.fromhex(text)
        assert put_varlong(value, least) == data and varlong(Bytes(data), least) == value, text


def test_pro_25_longints() -> None:
    """PRO-25"""
    for value, text in LONGINTS.items():
        assert put_longint(value) == bytes.fromhex(text) and longint(Bytes(bytes.fromhex(text))) == value
    assert len(put_longint(1 << 31)) == 12


def test_pro_26_indices() -> None:
    """PRO-26: one sequence; both ends keep their own state for each direction."""
    writer, reader, other = Ndx(32), Ndx(32), Ndx(32)
    for value, text in INDICES:
        data = bytes.fromhex(text)
        assert writer.put(value) == data and reader.read(Bytes(data)) == value, text
    assert other.put(0) == b"\1"


def test_pro_27_strings() -> None:
    """PRO-27"""
    for value, text in STRINGS.items():
        assert put_vstring(value) == bytes.fromhex(text) and vstring(Bytes(bytes.fromhex(text))) == value


def test_tables_of_frames_sums_and_heads() -> None:
    for (tag, payload), text in FRAMES.items():
        assert frame(payload, tag) == bytes.fromhex(text)
    for data, text in ROLLING.items():
        assert put_int32(rolling(data)) == bytes.fromhex(text)
    for (size, p), (length, strong) in HEADS.items():
        assert (block_length(size, p), strong_length(size, length, 16)) == (length, strong), (size, p)
    assert md4(b"").hex() == "31d6cfe0d16ae931b73c59d7e0c089c0"
    assert file_sum("md4-old", b"hello\n", 1).hex() == "a80ae97540596a493610f81807b4144c"
    assert xxh64(b"").hex() == "99e9d85137db46ef"


def test_tables_of_tokens() -> None:
    """The examples of spec: protocol 7.1 and 7.3."""
    steps: list[Step] = [(0, 1), (1, 1), b"XYZ", (3, 1)]
    text = "ff ff ff ff  fe ff ff ff  03 00 00 00 58 59 5a  fc ff ff ff  00 00 00 00"
    assert put_plain(steps) == bytes.fromhex(text) and read_plain(Bytes(bytes.fromhex(text))) == steps
    literal = bytes(range(256)) * 3
    data = bytes.fromhex("c0 01 00 42 c5 00 bf 02 40 fd") + literal[:703] + b"\0" + bytes.fromhex("c2 01 00 00")
    found = read_tokens(Bytes(data), "zlibx", lambda n: b"")
    assert found == [(0, 2), literal[:703], (3, 2)]


# ---- what the programs write


@pytest.mark.parametrize("p", [27, 29, 30, 32])
def test_captured_indices_and_heads(p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-26: every request of a program, read and written again."""
    (tree / "dst/big").write_bytes(CONTENT[b"big"][:9000])
    (tree / "dst/a").write_bytes(b"old")
    again = bytearray()
    with Piped(program, Job(p=p, sender=False, compact="lDtpr", paths=["dst/"]), tree, env) as s:
        handshake(s)
        client.send_lists(s, sent(p))
        s.wire.flush()
        s.wire.data.clear()
        ours = Ndx(p)
        for _ in range(4):
            n = s.ndx_in.read(s.wire)
            again += ours.put(n)
            iflags = TRANSFER
            if p >= 29:
                iflags = shortint(s.wire)
                again += put_shortint(iflags)
            if iflags & TRANSFER:
                head = [int32(s.wire) for _ in range(4)]
                sums = [s.wire.read(4 + head[2]) for _ in range(head[0])]
                again += b"".join(map(put_int32, head)) + b"".join(sums)
                basis = Basis(b"", *head)
                assert basis.head == b"".join(map(put_int32, head))
                size = (basis.count - 1) * basis.length + (basis.rest or basis.length) if basis.count else 0
                if size:
                    assert basis.length == block_length(size, p)
                    assert basis.strong == strong_length(size, basis.length, 16)
    assert bytes(again) in unframed(s)


def unframed(s: Session) -> bytes:
    """All data that came after the handshake; everything before the first frame is kept as it is."""
    received, data = bytes(s.wire.received), bytearray()
    start = sum(len(x) + 1 for x in s.lists_offered)
    at = 4 + (len(put_varint(s.compat)) if s.p >= 30 else 0) + start + 4
    while at + 4 <= len(received):
        head = int.from_bytes(received[at : at + 4], "little")
        size = head & 0xFFFFFF
        if head >> 24 == 7:
            data += received[at + 4 : at + 4 + size]
        at += 4 + size
    return bytes(data)


def single(
    program: str, place: Path, env: dict[str, str], content: bytes, basis: bytes, length: int = 0, **job: Any
) -> tuple[Session, list[Step]]:
    """One file pulled against a basis of blocks of that length; the steps that it took."""
    build(str(place), [File("src/f", content=content), "dst/"])
    words: dict[str, Any] = {"paths": ["src/f"], **job}
    with Piped(program, Job(**words), place, env) as s:
        handshake(s)
        if length:
            monkey = pytest.MonkeyPatch()
            monkey.setattr(client, "block_length", lambda n, p: length)
        try:
            pull(s, {b"f": basis})
        finally:
            if length:
                monkey.undo()
    assert s.code == 0, s.err
    assert s.files == {b"f": content}
    return s, s.steps[0]


def noise(n: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(n)


@pytest.mark.parametrize("p", [27, 29, 32])
def test_pro_60_long_tokens(
    p: int, program: str, tree: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PRO-60: one token of 100,000 bytes."""

    def whole(steps: list[Step], kind: str, block: Callable[[int], bytes], p: int = 32) -> bytes:
        data = b"".join(x for x in steps if isinstance(x, bytes))
        return put_int32(len(data)) + data + put_int32(0)

    monkeypatch.setattr(client, "put_tokens", whole)
    content = noise(100_000)
    with Piped(program, Job(p=p, sender=False, compact="ltr", paths=["dst/"]), tree, env) as s:
        handshake(s)
        push(s, [Entry(b"f", length=len(content), mtime=5, content=content)])
    assert s.code == 0, s.err
    assert (tree / "dst/f").read_bytes() == content


def pieces(s: Session, src: link.Wire) -> list[bytes]:
    """The data pieces of one file without references, up to its end."""
    found: list[bytes] = []
    while flag := src.read(1)[0]:
        assert flag & 0xC0 == 0x40
        found.append(src.read((flag & 0x3F) << 8 | src.read(1)[0]))
    return found


def raw_pieces(program: str, place: Path, env: dict[str, str], kind: str, files: list[bytes]) -> list[list[bytes]]:
    """What the program compresses files to, one after the other in one run."""
    build(str(place), [File(f"src/{n}", content=x) for n, x in enumerate(files)])
    found = []
    with Piped(program, Job(compress=kind, paths=["src/"]), place, env) as s:
        handshake(s)
        read_lists(s)
        for n, e in enumerate(s.lists[0][2]):
            if e.is_file:
                request(s, n, Basis())
                assert s.ndx_in.read(s.wire) == n and shortint(s.wire) == TRANSFER
                s.wire.read(16)
                found.append(pieces(s, s.wire))
                s.wire.read(16)
    return found


@pytest.mark.parametrize("kind", ["zlib", "zlibx"])
def test_pro_61_trimmed_pieces(kind: str, program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-61: the flush is left out, each file is a stream of its own, and pieces hold at most 16383 bytes."""
    files = [noise(40_000), b"words " * 1000, b"words " * 1000]
    found = raw_pieces(program, place, env, kind, files)
    for data, parts in zip(files, found, strict=True):
        assert max(map(len, parts)) <= 16383 and not b"".join(parts).endswith(b"\0\0\xff\xff")
        inflater = Inflater()
        assert b"".join([*map(inflater.feed, parts), inflater.finish()]) == data
    assert found[1] == found[2]


def test_pro_62_history(program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-62: what was matched is known to later literals with zlib, and unknown with zlibx."""
    basis = noise(7000)
    content = basis + b"!" + basis[100:6900]
    cost = {}
    for kind in ("zlib", "zlibx"):
        s, steps = single(program, place, env, content, basis, 7000, compress=kind)
        assert steps[0] == (0, 1)
        cost[kind] = len(s.wire.received)
    assert cost["zlib"] < 2000 < 6000 < cost["zlibx"]


@pytest.mark.parametrize("p", [29, 30, 31, 32])
def test_pro_63_long_blocks(p: int, program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-63: below 31 the second part of a long block is taken from its start again."""
    basis = noise(70_000)
    # The last part of the history, as it is and as it should be; not where a block could match.
    content = basis + b"?" + basis[66_000:] + basis[:4000]
    s, steps = single(program, place, env, content, basis, 70_000, p=p, compress="zlib")
    assert steps[0] == (0, 1)
    assert len(s.wire.received) < 6500


def test_pro_64_zstd(program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-64: one frame for all files; what an earlier file had needs no sending again."""
    data = noise(5000)
    found = raw_pieces(program, place, env, "zstd", [data, data, noise(3000, 2)])
    whole = b"".join(b"".join(parts) for parts in found)
    assert whole.startswith(b"\x28\xb5\x2f\xfd") and whole.count(b"\x28\xb5\x2f\xfd") == 1
    assert sum(map(len, found[0])) > 5000 > 200 > sum(map(len, found[1]))


def test_pro_65_lz4(program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-65: each piece stands alone (the decoder here knows no others), so equal files give equal pieces."""
    found = raw_pieces(program, place, env, "lz4", [noise(40_000), noise(40_000)])
    assert len(found[0]) >= 3 and found[0] == found[1]


@pytest.mark.parametrize("seed", [0, 1])
def test_pro_68_old_sums(seed: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-68: the seed goes in front of the file, also when it is 0."""
    with daemon(lambda s: push(s, sent(29)), p=29, offers={"seed": seed}) as (port, report):
        outcome = programs.run([program, "-rlt", f"rsync://127.0.0.1:{port}/m/", "dst/"], cwd=tree, env=env)
    assert (outcome.code, report.error) == (0, None), outcome
    assert report.session.seed == seed and (tree / "dst/big").read_bytes() == CONTENT[b"big"]


def test_pro_69_xxh128(program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-69: the low half first, each half little-endian."""
    build(str(place), [File("src/f", content=b"hello\n")])
    with Piped(program, Job(sums="xxh128", paths=["src/f"]), place, env) as s:
        s.job.sums = "xxh128"
        handshake(s)
        read_lists(s)
        request(s, 0, Basis())
        assert s.ndx_in.read(s.wire) == 0 and shortint(s.wire) == TRANSFER
        s.wire.read(16)
        assert read_plain(s.wire) == [b"hello\n"]
        assert s.wire.read(16).hex() == "9ce4c8f135b4105a6df569e0c786ba6b"


@pytest.mark.parametrize("long", [[], ["--inplace"]])
def test_pro_70_in_place(long: list[str], program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-70: in place nothing is taken from where something was written before."""
    first, second = noise(7000, 3), noise(7000, 4)
    content = second + first
    _, steps = single(program, place, env, content, first + second, long=long)
    at, matched = 0, 0
    for step in steps:
        if isinstance(step, bytes):
            at += len(step)
            continue
        for block in range(step[0], step[0] + step[1]):
            assert not long or block * 700 >= at
            at += 700
            matched += 1
    assert matched == (10 if long else 20)

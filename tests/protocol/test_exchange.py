"""Requests, data and the end of a run: PRO-50, 53 to 59, 71 (spec: protocol 6 and 10.3). Marks
(PRO-49) and redos (PRO-52) are in test_sessions.py, refused sum heads (PRO-51) in test_limits.py."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import programs
from tests.parity.tree import EPOCH, File, build
from tests.protocol import client, link
from tests.protocol.client import Piped, done, pull, push, read_list, read_lists, send_lists
from tests.protocol.conftest import CONTENT, sent
from tests.protocol.entries import Entry
from tests.protocol.ints import block_sum, int32, put_shortint, put_varint, rolling, shortint, varint, x30long
from tests.protocol.link import DEL_STATS, DONE, FLIST_EOF, NO_SEND, SUCCESS, TRANSFER, XATTR, Job, Session, handshake
from tests.protocol.server import ALL, daemon

PUSH: dict[str, Any] = {"sender": False, "compact": "lDtpr", "paths": ["dst/"]}


def first_request(s: Session, entries: list[Entry]) -> tuple[Entry, tuple[int, int, int, int]]:
    """Sends the lists and reads up to the first sum head."""
    send_lists(s, entries)
    while True:
        n = s.ndx_in.read(s.wire)
        iflags = shortint(s.wire) if s.p >= 29 else TRANSFER
        if iflags & TRANSFER:
            head = (int32(s.wire), int32(s.wire), int32(s.wire), int32(s.wire))
            return s.entry(n), head


HEADS = [
    (1, 27, (1, 700, 2, 1)),
    (700, 32, (1, 700, 2, 0)),
    (1000, 32, (2, 700, 2, 300)),
    (490_000, 32, (700, 700, 2, 0)),
    (490_001, 29, (701, 700, 2, 1)),
    (1_000_000, 27, (1000, 1000, 2, 0)),
    (1_000_000, 32, (1000, 1000, 2, 0)),
    (10_000_000, 32, (3165, 3160, 2, 1760)),
    (100_000_000, 29, (10_000, 10_000, 3, 0)),
    (100_000_000, 32, (10_000, 10_000, 3, 0)),
]


@pytest.mark.parametrize(("size", "p", "head"), HEADS)
def test_pro_50_heads(size: int, p: int, head: tuple[int, ...], program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-50: block length, sum length, count and remainder follow from the size."""
    build(str(tree), [File("dst/a", size=size, pieces=(), time=1)])
    with Piped(program, Job(p=p, **PUSH), tree, env) as s:
        handshake(s)
        e, found = first_request(s, [Entry(b"a", length=size + 1, mtime=2)])
    assert (e.name, found) == (b"a", head)


def values_of(s: Session, n: int) -> list[tuple[int, bytes]]:
    """The values behind an echo (spec: protocol 6.5)."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while step := varint(s.wire):
        at += step
        found.append((at, s.wire.read(varint(s.wire))))
    return found


@pytest.mark.parametrize("p", [30, 32])
def test_pro_53_xattr_requests(p: int, program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-53: the number of the long value, counted from 1; the sum head follows; the value comes before the data."""
    values = {"user.a": b"short", "user.b": b"v" * 40, "user.c": b"w" * 50}
    build(str(place), [File("src/x", content=b"hello", xattrs=values), "dst/"])
    with Piped(program, Job(p=p, compact="ltprX", paths=["src/x"]), place, env) as s:
        handshake(s)
        read_lists(s)
        (e,) = s.lists[0][2]
        assert isinstance(e.xattrs, list) and [name for name, _, _ in e.xattrs] == [
            b"user.a\0",
            b"user.b\0",
            b"user.c\0",
        ]
        w = s.wire
        w.write(s.ndx_out.put(0) + put_shortint(TRANSFER | XATTR) + b"\2\1\0" + bytes(16))
        assert s.ndx_in.read(w) == 0 and shortint(w) == TRANSFER | XATTR
        assert values_of(s, 0) == [(2, b"v" * 40), (3, b"w" * 50)]
        assert w.read(16) == bytes(16)
        assert int32(w) == 5 and w.read(5) == b"hello" and int32(w) == 0


@pytest.mark.parametrize("p", [27, 29, 30, 32])
def test_pro_54_dry_runs(p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-54: items, and neither sum heads nor data, whichever side the program is on."""
    with Piped(program, Job(p=p, dry=True, paths=["src/"]), tree, env) as s:
        handshake(s)
        pull(s)
    assert s.code == 0, s.err
    assert sorted(s.entry(n).name for n, *_ in s.items) == sorted(CONTENT) and not s.files
    with Piped(program, Job(p=p, dry=True, **PUSH), tree, env) as s:
        handshake(s)
        push(s, sent(p))
    assert s.code == 0, s.err
    assert {s.entry(n).name for n, iflags, *_ in s.items if iflags & TRANSFER} == set(CONTENT) and not s.heads
    assert os.listdir(tree / "dst") == []


@pytest.mark.parametrize("p", [31, 32])
def test_pro_55_56_counts(p: int, program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-55, PRO-56: a server sender writes statistics, the deletion counts that it received, its mark."""
    build(str(place), ["src/"])
    counts = b"".join(map(put_varint, (2, 1, 0, 300, 70_000)))
    with Piped(program, Job(p=p, paths=["src/"]), place, env) as s:
        handshake(s)
        read_lists(s)
        for _ in range(3):
            done(s)
        s.wire.write(s.ndx_out.put(DEL_STATS) + counts)
        done(s)
        assert [s.ndx_in.read(s.wire) for _ in range(3)] == [DONE] * 3
        stats = [x30long(s.wire, p) for _ in range(5)]
        assert s.ndx_in.read(s.wire) == DEL_STATS
        assert [varint(s.wire) for _ in range(5)] == [2, 1, 0, 300, 70_000]
        assert s.ndx_in.read(s.wire) == DONE
        done(s)
        assert s.wire.rest() == b""
    assert s.code == 0, s.err
    # Read, written, size of the files.
    assert 0 < stats[0] <= len(s.wire.said) and 0 < stats[1] <= len(s.wire.received) and stats[2] == 0


@pytest.mark.parametrize("p", [29, 30, 32])
def test_pro_57_success(p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-57: once for each file that may be removed, symlinks too."""
    job = Job(p=p, long=["--remove-source-files"], **PUSH)
    with Piped(program, job, tree, env) as s:
        handshake(s)
        push(s, sent(p))
    assert s.code == 0, s.err
    told = [int.from_bytes(payload, "little") for tag, payload in s.wire.messages if tag == SUCCESS]
    assert sorted(s.entry(n).name for n in told) == sorted([*CONTENT, b"l"])


@pytest.mark.parametrize("p", [29, 30, 32])
def test_pro_57_changed_sources_stay(
    p: int, program: str, tree: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PRO-57: the sender removes the files that are reported to it, except those that are not as listed."""
    listed = client.read_lists

    def change(s: Session) -> None:
        listed(s)
        os.utime(tree / "src/sub/b", (5, 5))
        with open(tree / "src/big", "ab") as file:
            file.write(b"more")
        os.utime(tree / "src/big", (EPOCH, EPOCH))

    def told(s: Session, n: int, asked: dict[int, client.Basis]) -> tuple[bytes, bytes | None]:
        found = item(s, n, asked)
        s.wire.message(SUCCESS, n.to_bytes(4, "little"))
        return found

    item = client.read_item
    monkeypatch.setattr(client, "read_lists", change)
    monkeypatch.setattr(client, "read_item", told)
    with Piped(program, Job(p=p, long=["--remove-source-files"], paths=["src/"]), tree, env) as s:
        handshake(s)
        pull(s)
    assert sorted(s.files) == sorted(CONTENT)
    left = {str(x.relative_to(tree / "src")) for x in (tree / "src").rglob("*") if x.is_file() and not x.is_symlink()}
    assert left == {"sub/b", "big"}, s.err


@pytest.mark.parametrize("p", [30, 32])
def test_pro_58_no_send(p: int, program: str, tree: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """PRO-58: a file that cannot be read is reported by its index, and everything else arrives."""
    listed = client.read_lists

    def vanish(s: Session) -> None:
        listed(s)
        (tree / "src/a").unlink()

    monkeypatch.setattr(client, "read_lists", vanish)
    with Piped(program, Job(p=p, paths=["src/"]), tree, env) as s:
        handshake(s)
        pull(s)
    assert s.code == 24, s.err
    told = [s.entry(int.from_bytes(payload, "little")).name for tag, payload in s.wire.messages if tag == NO_SEND]
    assert told == [b"a"]
    assert sorted(s.files) == sorted(set(CONTENT) - {b"a"})


@pytest.mark.parametrize("p", [30, 32])
def test_pro_58_a_receiver_goes_on(
    p: int, program: str, tree: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PRO-58: a receiver completes the phase without the file."""
    right = client.answer

    def refuse(s: Session, n: int, damage: set[bytes]) -> None:
        if s.entry(n).name != b"a":
            right(s, n, damage)
            return
        assert shortint(s.wire) & TRANSFER
        s.wire.read(16)
        s.wire.message(NO_SEND, n.to_bytes(4, "little"))

    monkeypatch.setattr(client, "answer", refuse)
    with Piped(program, Job(p=p, **PUSH), tree, env) as s:
        handshake(s)
        push(s, sent(p))
    assert s.code == 0, s.err
    assert not (tree / "dst/a").exists() and (tree / "dst/sub/b").read_bytes() == b"w"


@pytest.mark.parametrize(("p", "inc"), [(27, False), (29, False), (30, False), (32, False), (30, True), (32, True)])
def test_pro_59_empty_lists(p: int, inc: bool, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-59: the list is the last word, of the server as of the client."""
    with Piped(program, Job(p=p, inc=inc, paths=["src/a"], filters=[b"- a"]), tree, env) as s:
        handshake(s)
        if inc:
            read_list(s, -1)
            assert s.ndx_in.read(s.wire) == FLIST_EOF
        else:
            read_lists(s)
        assert s.names() == [] and s.wire.rest() == b""
    assert s.code == 0, s.err

    received: list[bytes] = []

    def talk(s: Session) -> None:
        s.compat |= inc
        s.terms = link.terms(s)
        send_lists(s, [])
        received.append(s.wire.rest())

    with daemon(talk, p=p, compat=ALL | inc) as (port, report):
        outcome = programs.run(
            [program, "-rlt", f"--protocol={p}", f"rsync://127.0.0.1:{port}/m/", "dst/"], cwd=tree, env=env
        )
    assert (outcome.code, report.error, received) == (0, None, [b""]), outcome


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"@RSYNCD: 32.0\n", b"@ERROR: your client omitted the digest name list: @RSYNCD: 32.0"),
        (b"@RSYNCD: 30\n", b"@ERROR: your client omitted the subprotocol value: @RSYNCD: 30"),
        (b"hello\n", b"@ERROR: protocol startup error"),
    ],
)
def test_pro_71_greetings(
    line: bytes, text: bytes, program: str, tree: Path, env: dict[str, str], daemons: dict[str, int]
) -> None:
    """PRO-71: three texts for three faults."""
    with socket.create_connection(("127.0.0.1", daemons[program]), 60) as sock:
        sock.sendall(line)
        said = b""
        while piece := sock.recv(4096):
            said += piece
    assert said.split(b"\n")[1:] == [text, b""]


def sums_of(s: Session, head: tuple[int, int, int, int]) -> list[tuple[int, bytes]]:
    return [(int32(s.wire) & 0xFFFFFFFF, s.wire.read(head[2])) for _ in range(head[0])]


SEEDED: list[tuple[int, str | None, str, Callable[[bytes, int], bytes]]] = [
    (32, None, "md5", lambda data, seed: block_sum("md5", data, seed, True)),
    (32, "LsfxIvu", "md5", lambda data, seed: block_sum("md5", data, seed, True)),
    (32, "LsfxIu", "md5", lambda data, seed: block_sum("md5", data, seed, False)),
    (30, "LsfxIu", "md5-forced", lambda data, seed: block_sum("md5", data, seed, True)),
    (29, None, "md5-forced", lambda data, seed: block_sum("md5", data, seed, True)),
    (30, None, "md5", lambda data, seed: block_sum("md5", data, seed, True)),
    (32, None, "md4", lambda data, seed: block_sum("md4", data, seed, True)),
    (29, None, "md4-old", lambda data, seed: block_sum("md4-old", data, seed, False)),
    (32, None, "xxh64", lambda data, seed: block_sum("xxh64", data, seed, True)),
    (32, None, "sha1", lambda data, seed: block_sum("sha1", data, seed, True)),
]


@pytest.mark.parametrize(("p", "caps", "name", "right"), SEEDED, ids=[f"{p}-{n}-{c}" for p, c, n, _ in SEEDED])
@pytest.mark.parametrize("seed", [1, -5])
def test_pro_66_67_block_sums(
    seed: int,
    p: int,
    caps: str | None,
    name: str,
    right: Callable[[bytes, int], bytes],
    program: str,
    tree: Path,
    env: dict[str, str],
) -> None:
    """PRO-66, PRO-67: rolling sums of signed bytes; MD5 seed in front with bit 5, or where it was chosen by its
    name, and behind without either; MD4 with the seed behind."""
    data = bytes(range(256)) * 3
    build(str(tree), [File("dst/a", content=data, time=1)])
    name, _, forced = name.partition("-")
    job = Job(p=p, caps=caps, sums=name, long=[f"--checksum-seed={seed}"], **PUSH)
    job.force_sum = name if forced == "forced" else ""
    with Piped(program, job, tree, env) as s:
        handshake(s)
        assert s.seed == seed
        _, head = first_request(s, [Entry(b"a", length=1000, mtime=2)])
        found = sums_of(s, head)
    blocks = [data[:700], data[700:]]
    assert found == [(rolling(x), right(x, seed)[: head[2]]) for x in blocks]

"""Protocols 20 to 26, requests, data and batches: PRO-98 to PRO-102, PRO-105, PRO-106 (spec: protocol-old 6 to 8)."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.parity.tree import EPOCH, picture
from tests.protocol import client
from tests.protocol.client import Piped, pull, push, read_lists, request
from tests.protocol.conftest import BIG, CONTENT, OLD_BIG, sent
from tests.protocol.entries import Entry
from tests.protocol.ints import plain_sum, put_int32
from tests.protocol.link import Job, handshake
from tests.protocol.old import old, run, unframed
from tests.protocol.test_sessions import NEVER

# ---- data


@old
def test_pro_98_a_block_length_for_nothing(p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-98: old generators announce a block length for a missing file; the head comes back unchanged."""
    with Piped(program, Job(p=p, compact="ltr", paths=["src/"]), tree, env) as s:
        handshake(s)
        read_lists(s)
        n = s.names().index(b"a")
        request(s, n, client.Basis(length=700, strong=2))
        assert s.ndx_in.read(s.wire) == n
        assert s.wire.read(12) == bytes(4) + b"\xbc\2\0\0" + bytes(4)
        assert s.wire.read(9) == put_int32(5) + b"hello"
        assert s.wire.read(20) == bytes(4) + plain_sum("md4-unpadded", put_int32(s.seed) + b"hello")
        for _ in range(2):
            client.done(s)
            s.wire.flush()
            assert s.ndx_in.read(s.wire) == -1
        if p >= 24:
            client.done(s)
        s.wire.flush()
    assert s.code == 0, s.err


@old
def test_pro_98_the_head_of_a_file_that_is_new(p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-98: three ints, all zero."""
    with Piped(program, Job(p=p, sender=False, compact="ltr", paths=["dst/"]), tree, env) as s:
        handshake(s)
        push(s, sent(p))
    assert s.code == 0 and {head[:2] + head[3:] for heads in s.heads.values() for head in heads} == {(0, 0, 0)}


REDO_BASIS = random.Random(1).randbytes(1500)


@old
def test_pro_99_redo(p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-99: the sample of 6.2: two bytes of each strong sum in the first round, sixteen in the second."""
    (tree / "dst/f").write_bytes(REDO_BASIS)
    new = REDO_BASIS[:700] + b"XYZ" + REDO_BASIS[700:]
    entries = [Entry(b"f", length=len(new), mtime=EPOCH, content=new)]
    job = Job(p=p, sender=False, compact="lt", long=["--checksum-seed=1"], paths=["dst/"])
    with Piped(program, job, tree, env) as s:
        handshake(s)
        push(s, entries, {b"f"})
    assert s.code == 0, s.err
    assert (tree / "dst/f").read_bytes() == new
    assert [head[2] for head in s.heads[0]] == [2, 16]
    received = unframed(s)
    first = put_int32(0) + bytes.fromhex("03000000 bc020000 64000000 f6f2e28c 700a")
    again = put_int32(0) + bytes.fromhex("03000000 bc020000 64000000 f6f2e28c 700a92512913a9a51ff917bef1f7b2f4")
    assert first in received and again in received and received.index(first) < received.index(again)


@old
def test_pro_99_redo_of_a_sender(p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-99: a sender answers heads and sums of both lengths."""
    (tree / "src/a").write_bytes(b"more" + REDO_BASIS)
    with Piped(program, Job(p=p, compact="ltr", paths=["src/"]), tree, env) as s:
        handshake(s)
        read_lists(s)
        n = s.names().index(b"a")
        for redo in (False, True):
            basis = client.basis_of(s, REDO_BASIS, redo)
            request(s, n, basis)
            s.wire.flush()
            assert s.ndx_in.read(s.wire) == n
            client.read_item(s, n, {n: basis})
            assert s.steps[n] == [b"more", (0, 1), (1, 1), (2, 1)]
            client.done(s)
            s.wire.flush()
            assert s.ndx_in.read(s.wire) == -1
        if p >= 24:
            client.done(s)
        s.wire.flush()
    assert s.code == 0, s.err


@pytest.mark.parametrize("size", [0, 1, 59, 60, 61, 64, 123, 124, 128, 700, 1400])
def test_pro_100_sums_of_files(size: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-100: sizes at which there is no padding, as data, as a basis and in both directions."""
    data = bytes(n & 0xFF for n in range(size))
    (tree / "src/a").write_bytes(data)
    with Piped(program, Job(p=26, compact="ltr", paths=["src/"]), tree, env) as s:
        handshake(s)
        pull(s, {b"a": data})
    assert s.code == 0 and s.files[b"a"] == data, s.err
    # Whatever matched did so by block sums.
    assert all(isinstance(step, tuple) for step in s.steps[s.names().index(b"a")])
    (tree / "dst/a").write_bytes(data)
    with Piped(program, Job(p=26, sender=False, compact="Ilt", paths=["dst/"]), tree, env) as s:
        handshake(s)
        push(s, [Entry(b"a", length=size, mtime=EPOCH, content=data)])
    assert s.code == 0 and (tree / "dst/a").read_bytes() == data, s.err
    assert all(isinstance(step, tuple) for step in s.steps[0])


@old
@pytest.mark.parametrize("sender", [True, False])
def test_pro_101_the_goodbye(p: int, sender: bool, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-101: the generator says DONE three times from 24 on, twice below; nobody waits for more."""
    with Piped(program, Job(p=p, sender=sender, compact="lDtpr", paths=["src/" if sender else "dst/"]), tree, env) as s:
        handshake(s)
        # Both hold the other end to it: an extra byte or a missing one is an error.
        pull(s) if sender else push(s, sent(p))
    assert s.code == 0, s.err
    generated = s.done_out if sender else s.done_in
    assert generated == (3 if p >= 24 else 2)


@old
def test_pro_102_statistics(p: int, program: str, tain: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-102: three longints from 20 on, in one frame from 23 on."""
    with Piped(program, Job(p=p, compact="lDtpr", paths=["src/"]), tree, env) as s:
        handshake(s)
        at = len(s.wire.said)
        pull(s)
    assert s.code == 0 and len(s.stats) == 3
    read, written, size = s.stats
    assert size == sum(map(len, CONTENT.values())) + 1  # the link's target counts
    # All that was sent before the last DONE, and received after the seed, without statistics.
    said = len(s.wire.said) - at - (4 if p >= 24 else 0)
    assert read == said, (s.stats, said)
    if program == tain:  # rsync forgets what it still has in its buffer
        assert written == len(s.wire.received) - 8 - (12 if p < 23 else 16)
    if p >= 23:
        assert s.wire.frames[-1] == (0, 12)


@old
@pytest.mark.parametrize("sender", [True, False])
def test_pro_105_compression(p: int, sender: bool, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-105: zlib with blocks in its history, both ways."""
    job = Job(p=p, sender=sender, compact="lDtpr", compress="zlib", paths=["src/" if sender else "dst/"])
    (tree / "dst/big").write_bytes(OLD_BIG)
    with Piped(program, job, tree, env) as s:
        handshake(s)
        pull(s, {b"big": OLD_BIG}) if sender else push(s, sent(p))
    assert s.code == 0, s.err
    assert s.files == CONTENT if sender else (tree / "dst/big").read_bytes() == BIG
    assert any(isinstance(step, tuple) for steps in s.steps.values() for step in steps)


@pytest.mark.parametrize("p", [20, 25, 26])
@pytest.mark.parametrize(("writer", "reader"), [("tain", "rsync"), ("rsync", "tain"), ("tain", "tain")])
def test_pro_106_batches(
    p: int, writer: str, reader: str, tain: str, rsync: str, tree: Path, env: dict[str, str]
) -> None:
    """PRO-106: header and data are those of the protocol."""
    programs_of = {"tain": tain, "rsync": rsync}
    os.utime(tree / "src/a", (EPOCH, EPOCH))
    (tree / "dst/big").write_bytes(OLD_BIG)
    (tree / "other").mkdir()
    (tree / "other/big").write_bytes(OLD_BIG)
    words = ["-a", "--no-W", f"--protocol={p}", "--checksum-seed=1"]
    made = run(programs_of[writer], tree, env, *words, "--write-batch=b", "src/", "dst/")
    assert made.code == 0, made
    assert (tree / "b").read_bytes()[4:14] == put_int32(p) + put_int32(1) + b"\x01\x01"
    done = run(programs_of[reader], tree, env, "-a", "--read-batch=b", "other/")
    assert done.code == 0, done
    assert picture(str(tree / "other"), since=NEVER) == picture(str(tree / "src"), since=NEVER)

"""PRO-109: every limit of spec: protocol-old 12, for hostile peers of protocols 20 to 26."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.protocol import client
from tests.protocol.client import Piped, read_lists, send_lists
from tests.protocol.conftest import sent
from tests.protocol.entries import Entry
from tests.protocol.ints import put_int32
from tests.protocol.link import Job, Session, frame, handshake
from tests.protocol.meets import client_meets, server_meets
from tests.protocol.old import greet, old_daemon, run
from tests.protocol.server import linger, shell

BIG31 = 0x7FFFFFFF
#: Count, block length, remainder; what it ends with.
HEADS: dict[str, tuple[tuple[int, int, int], set[int]]] = {
    "count-negative": ((-1, 700, 0), {2}),
    "count-least": ((-BIG31 - 1, 700, 0), {2}),
    # The sums of so many blocks are over the limit of --max-alloc.
    "count-max": ((BIG31, 700, 0), {22}),
    "block-0": ((1, 0, 0), {2}),
    "block-negative": ((1, -1, 0), {2}),
    "block-2^29+1": ((1, (1 << 29) + 1, 0), {2}),
    "block-max": ((1, BIG31, 0), {2}),
    "rest-701": ((1, 700, 701), {2}),
    "rest-negative": ((1, 700, -1), {2}),
}

protocols = pytest.mark.parametrize("p", [20, 24, 26])


def number_of(s: Session, name: bytes) -> int:
    return next(n for n, e in enumerate(s.lists[0][2]) if e.name == name)


def words(*numbers: int) -> bytes:
    return b"".join(put_int32(n) for n in numbers)


@protocols
@pytest.mark.parametrize("what", HEADS)
def test_pro_109_heads(what: str, p: int, tain: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-109: sum heads, which a sender and a receiver get."""
    head, codes = HEADS[what]

    def ask(s: Session) -> None:
        read_lists(s)
        s.wire.write(words(number_of(s, b"a"), *head))

    server_meets(tain, tree, env, ask, codes, p=p, sender=True, paths=["src/"])

    def talk(s: Session) -> None:
        send_lists(s, sent(p))
        s.wire.write(words(number_of(s, b"a"), *head))

    # A receiver has no sums to read: there a count has no limit of its own.
    client_meets(tain, tree, env, talk, {2, 12} if what == "count-max" else codes, p=p)


@protocols
@pytest.mark.parametrize("index", [-2, -3, -101, BIG31, -BIG31, 9, 0])
def test_pro_109_indices(index: int, p: int, tain: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-109: nothing but -1 and the number of a regular file; 0 is a directory."""

    def ask(s: Session) -> None:
        read_lists(s)
        s.wire.write(words(index) + bytes(12))

    server_meets(tain, tree, env, ask, {2}, p=p, sender=True, paths=["src/"])

    def talk(s: Session) -> None:
        send_lists(s, sent(p))
        s.wire.write(words(index) + bytes(12))

    client_meets(tain, tree, env, talk, {2}, p=p)


@protocols
def test_pro_109_a_second_redo(p: int, tain: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-109: an entry is asked for twice at most."""

    def ask(s: Session) -> None:
        read_lists(s)
        n = number_of(s, b"a")
        s.wire.write(words(n) + bytes(12) + words(-1) + (words(n) + bytes(12)) * 2)

    server_meets(tain, tree, env, ask, {2}, p=p, sender=True, paths=["src/"])

    def talk(s: Session) -> None:
        send_lists(s, sent(p))
        n = number_of(s, b"a")
        # Data without a correct sum.
        answer = words(n) + bytes(12) + words(5) + b"wrong" + words(0) + bytes(16)
        s.wire.write(answer + words(-1) + answer * 2)

    client_meets(tain, tree, env, talk, {2}, p=p)


@protocols
def test_pro_109_after_the_second_done(p: int, tain: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-109: then there is nothing to ask for any more."""

    def ask(s: Session) -> None:
        read_lists(s)
        s.wire.write(words(-1, -1, number_of(s, b"a")) + bytes(12))

    # Below 24 nobody reads on.
    server_meets(tain, tree, env, ask, {2} if p >= 24 else {0}, p=p, sender=True, paths=["src/"])


@pytest.mark.parametrize("tag", [3, 4, 10, 22, 33, 42, 86, 100, 101, 102, 50, -3])
def test_pro_109_tags(tag: int, tain: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-109: 0, 1 and 2."""

    def talk(s: Session) -> None:
        s.wire.send(frame(bytes(4), tag))

    client_meets(tain, tree, env, talk, {12}, p=26)


@pytest.mark.parametrize(("size", "codes"), [(5119, {23}), (5120, {12}), (0xFFFFFF, {12})])
def test_pro_109_texts(size: int, codes: set[int], tain: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-109: a text from a peer may be as long as before."""

    def talk(s: Session) -> None:
        s.wire.send(frame(b"t" * (size - 1) + b"\n", 1))
        if size < 5120:
            client.push(s, sent(26))

    client_meets(tain, tree, env, talk, codes, p=26)


@protocols
def test_pro_109_statistics(
    p: int, tain: str, tree: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PRO-109: any number; negative ones are shown as 0 and used for nothing."""
    for figures in ((-1, -(1 << 63), -5), ((1 << 63) - 1,) * 3):
        monkeypatch.setattr(client, "STATISTICS", figures)
        client_meets(tain, tree, env, lambda s: client.push(s, sent(p)), {0}, p=p, options="-rltv --stats")


@pytest.mark.parametrize("number", [0, 1, 19, 41, 999999999])
def test_pro_109_greetings(number: int, tain: str, tree: Path, env: dict[str, str], daemons: dict[str, int]) -> None:
    """PRO-109: refused before anything is done, by either end."""
    _, sock = greet(daemons[tain], b"@RSYNCD: %d.0 sha512\n" % number)
    with sock:
        sock.sendall(b"m\n")
        assert sock.makefile("rb").read() == b"@ERROR: protocol %d is not spoken here\n" % number

    def talk(s: Session) -> None:
        pass

    with old_daemon(talk, number, lambda s: linger(s)) as (port, _):
        outcome = run(tain, tree, env, "-r", f"rsync://127.0.0.1:{port}/m/", "dst/")
    assert outcome.code in ({2} if number < 30 else {2, 5}), outcome


@pytest.mark.parametrize("p", [20, 22, 26])
@pytest.mark.parametrize("sender", [True, False])
def test_pro_109_cut_short(p: int, sender: bool, tain: str, tree: Path, env: dict[str, str]) -> None:
    """A peer that goes anywhere in the list: no hang, and an error."""

    def talk(s: Session) -> None:
        send_lists(s, sent(p))
        del s.wire.out[-10:]

    if sender:
        client_meets(tain, tree, env, talk, {12}, p=p)
    else:
        server_meets(tain, tree, env, talk, {12}, p=p)


def test_pro_109_rules_for_old_peers(tain: str, tree: Path, env: dict[str, str], space: Path) -> None:
    """PRO-109: a rule that an old reader refuses is not sent."""
    # An include gets two bytes in front.
    for size, code in ((4093, 0), (4094, 2)):
        with shell(space, lambda s: client.push(s, sent(26)), p=26) as (rsh, _):
            outcome = run(tain, tree, env, "-rlt", "--include=" + "x" * size, "-e", rsh, "h:src/", "dst/")
        assert outcome.code == code, outcome


@pytest.mark.parametrize("p", [20, 25])
@pytest.mark.parametrize("number", [-1, 0, BIG31, -BIG31 - 1])
def test_pro_109_inodes(number: int, p: int, tain: str, tree: Path, env: dict[str, str]) -> None:
    """Device and inode are only a key."""
    entries = [
        Entry(b"a", length=5, mtime=1, inode=(number & 0xFFFFFFFF, number & 0xFFFFFFFF), content=b"hello"),
        Entry(b"b", length=5, mtime=1, inode=(number & 0xFFFFFFFF, number & 0xFFFFFFFF), content=b"hello"),
    ]
    with Piped(tain, Job(p=p, sender=False, compact="Hlt", paths=["dst/"]), tree, env) as s:
        handshake(s)
        client.push(s, entries)
    assert s.code == 0 and (tree / "dst/a").stat().st_ino == (tree / "dst/b").stat().st_ino, s.err


def test_pro_109_a_silent_client(tain: str, daemons: dict[str, int]) -> None:
    """Half a line, and then nothing, is greeted too; the rest may come later."""
    for said in (b"@", b"@RSYNCD: 2", b"\0", b"x" * 3000):
        line, sock = greet(daemons[tain], said)
        with sock:
            assert line.startswith(b"@RSYNCD: 32.0 ")
    with socket.create_connection(("127.0.0.1", daemons[tain])) as sock:
        sock.sendall(b"@RSYNCD: ")
        text = sock.makefile("rb")
        assert text.readline().startswith(b"@RSYNCD: 32.0 ")
        sock.sendall(b"26\n\n")
        assert text.readline() == b"m              \tthe place\n"

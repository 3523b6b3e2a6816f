"""At the limits of spec: protocol 12, and one over, where test_limits.py has only what is far beyond."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tests import programs
from tests.interop.ends import Daemon
from tests.protocol import entries as f
from tests.protocol.client import Piped, read_lists, send_lists
from tests.protocol.conftest import sent
from tests.protocol.ints import int32, put_int32, put_shortint, put_varint, put_vstring
from tests.protocol.link import DEL_STATS, TRANSFER, Job, Session, handshake
from tests.protocol.meets import OLD, client_meets
from tests.protocol.server import daemon, end_soon, linger
from tests.protocol.test_limits import entry

MIB = 1 << 20
BIG31 = 0x7FFFFFFF


def listed(program: str, tree: Path, env: dict[str, str], options: str, data: bytes) -> programs.Outcome:
    """A dry run of a client that is sent a list with one file and what belongs to it."""

    def talk(s: Session) -> None:
        s.wire.write(entry(32) + data + b"\0\0" + put_varint(0) * 4)
        s.wire.flush()
        s.wire.sock.shutdown(socket.SHUT_WR)
        linger(s)

    with daemon(talk) as (port, _):
        words = [program, *options.split(), "-n", "--timeout=50", f"rsync://127.0.0.1:{port}/m/", "dst/"]
        return programs.run(words, cwd=tree, env=env)


REACHED = 12
"""The list was taken: the run fails only where the stream ends after it."""


@pytest.mark.parametrize(("count", "code"), [(65_536, REACHED), (65_537, 2)])
def test_named_acl_entries(count: int, code: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """65536 named entries."""
    names = b"".join(put_varint(n + 1) + put_varint(4 << 2 | 2) for n in range(count))
    outcome = listed(program, tree, env, "-rltA", b"\0\x10" + put_varint(count) + names)
    assert outcome.code == code, outcome


@pytest.mark.parametrize(("count", "code"), [(65_536, REACHED), (65_537, 2)])
def test_attributes_of_a_set(count: int, code: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """65536 attributes in a set."""
    one = b"".join(put_varint(12) + b"\1" + b"user.%06d\0v" % n for n in range(count))
    outcome = listed(program, tree, env, "-rltX", b"\0" + put_varint(count) + one)
    assert outcome.code == code, outcome


def long_values(*sizes: int) -> bytes:
    """A set of values that are announced with these sizes; only their digests follow."""
    items = (put_varint(7) + put_varint(size) + b"user.%c\0" % (97 + n) + bytes(16) for n, size in enumerate(sizes))
    return b"\0" + put_varint(len(sizes)) + b"".join(items)


@pytest.mark.parametrize(("size", "code"), [(128 * MIB, REACHED), (128 * MIB + 1, 2)])
def test_largest_attribute(size: int, code: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """128 MiB of a value; none of it is allocated before it comes."""
    outcome = listed(program, tree, env, "-rltX", long_values(size))
    assert outcome.code == code, outcome


@pytest.mark.parametrize(("more", "code"), [(0, REACHED), (1, 2)])
def test_largest_set(more: int, code: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """512 MiB of names and values of one file."""
    outcome = listed(program, tree, env, "-rltX", long_values(*[128 * MIB] * 3, 128 * MIB - 4 * 7 + more))
    assert outcome.code == code, outcome


@pytest.mark.parametrize("size", [1, 31, 4095, 4096])
def test_longest_attribute_name(size: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """4096 bytes with the NUL."""
    name = (b"user." + b"n" * size)[: size - 1] + b"\0"
    outcome = listed(program, tree, env, "-rltX", b"\0\1" + put_varint(size) + b"\1" + name + b"v")
    assert outcome.code == REACHED, outcome


@pytest.mark.parametrize(("count", "code"), [(52_428, 12), (52_429, 22), (BIG31 // 20, 22)])
def test_max_alloc(count: int, code: int, program: str, tree: Path, env: dict[str, str], tain: str) -> None:
    """`--max-alloc`: block sums of more than that are not waited for (a sum takes 20 bytes here)."""
    job = Job(paths=["src/"], long=["--max-alloc=1m"])
    with Piped(program, job, tree, env) as s:
        handshake(s)
        read_lists(s)
        n = next(n for n, e in enumerate(s.lists[0][2]) if e.name == b"a")
        head = b"".join(map(put_int32, (count, 700, 16, 0)))
        s.wire.write(s.ndx_out.put(n) + put_shortint(TRANSFER) + head + bytes(100))
        s.wire.flush()
    if program == tain:
        assert s.code == code, s.err
    else:
        # rsync counts what it keeps of each sum, which is more than travels.
        assert s.code in (12, 22), s.err


@pytest.mark.parametrize(
    ("p", "head"),
    [
        (29, (1, 1 << 29, 2, 5)),
        (32, (1, 131_072, 2, 5)),
        (32, (1, 131_072, 2, 131_072)),
        (32, (1, 700, 16, 700)),
    ],
)
def test_largest_heads(p: int, head: tuple[int, int, int, int], program: str, tree: Path, env: dict[str, str]) -> None:
    """Block length, sum length and remainder at their limits: the file comes."""
    with Piped(program, Job(p=p, paths=["src/"]), tree, env) as s:
        handshake(s)
        read_lists(s)
        n = next(n for n, e in enumerate(s.lists[0][2]) if e.name == b"a")
        data = b"".join(map(put_int32, head))
        w = s.wire
        w.write(s.ndx_out.put(n) + put_shortint(TRANSFER) + data + (bytes(3) + b"\1" + bytes(head[2])) * head[0])
        assert s.ndx_in.read(w) == n and w.read(2) == put_shortint(TRANSFER) and w.read(16) == data
        assert int32(w) == 5 and w.read(5) == b"hello" and int32(w) == 0


@pytest.mark.parametrize(("count", "code"), [(1 << 28, 12), ((1 << 28) + 1, 2)])
def test_largest_deletion_counts(count: int, code: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """2^28 of a kind."""

    def talk(s: Session) -> None:
        send_lists(s, sent(32))
        s.wire.write(s.ndx_out.put(DEL_STATS) + put_varint(count) + bytes(4))

    client_meets(program, tree, env, talk, {code}, options="-rlt --delete")


@pytest.mark.parametrize(("size", "code"), [(5119, 0), (5120, 22)])
def test_longest_rule(size: int, code: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """5119 bytes of a rule. The list that follows is not asked for anything."""
    with Piped(program, Job(paths=["src/no"], filters=[]), tree, env) as s:
        w = s.wire
        w.write(put_int32(32) + put_vstring(b"md5"))
        w.flush()
        w.framed_out = True
        w.write(put_int32(size) + b"- " + b"r" * (size - 2) + put_int32(0))
        w.flush()
    # The source does not exist, which is 23.
    assert s.code == (code or 23), s.err


@pytest.mark.parametrize(("size", "right"), [(255, True), (256, False)])
def test_longest_negotiation(size: int, right: bool, program: str, tree: Path, env: dict[str, str]) -> None:
    """255 bytes of names."""
    with Piped(program, Job(paths=["src/no"], filters=[]), tree, env) as s:
        w = s.wire
        w.write(put_int32(32) + put_vstring(b"md5 ".ljust(size, b"m")))
        w.flush()
        w.framed_out = True
        w.write(put_int32(0))
        w.flush()
    assert s.code == (23 if right else 4), s.err


EARLY = [(1, True), (5120, True), (5121, False), (0, False), (-1, False), (BIG31, False), (1 << 32, False)]


@pytest.mark.parametrize(("size", "right"), EARLY)
def test_early_input(
    size: int, right: bool, program: str, tree: Path, env: dict[str, str], daemons: dict[str, int]
) -> None:
    """1 to 5120 bytes; anything else is refused before a byte of it is read."""
    with socket.create_connection(("127.0.0.1", daemons[program]), 60) as sock:
        sock.sendall(b"@RSYNCD: 32.0 sha512 md5\n#early_input=%d\n" % size)
        if right:
            sock.sendall(b"x" * size + b"nowhere\n")
        said = b""
        while piece := sock.recv(4096):
            said += piece
    last = said.splitlines()[-1]
    assert last == (b"@ERROR: Unknown module 'nowhere'" if right else b"@ERROR: invalid early_input length"), said


def test_time_of_a_handshake(program: str, space: Path, env: dict[str, str]) -> None:
    """A client that does not say what it wants is let go, after the module's timeout where that is less than 60 s."""
    config = f"timeout = 1\nuse chroot = no\n[m]\npath = {space}\n"
    with (
        Daemon(program, space, env, config, "p-slow") as server,
        socket.create_connection(("127.0.0.1", server.port), 30) as sock,
    ):
        begin = time.monotonic()
        while sock.recv(4096):
            pass
        assert 0.5 < time.monotonic() - begin < 10


def test_time_of_a_handshake_is_limited() -> None:
    """60 s, or the module's timeout where it is less."""
    from tain.daemon.connection import handshake_limit

    class Section:
        def __init__(self, timeout: int) -> None:
            self.timeout = timeout

        def number(self, name: str) -> int:
            assert name == "timeout"
            return self.timeout

    limits = {n: handshake_limit(Section(n)) for n in (-(1 << 31), -1, 0, 1, 59, 60, 61, BIG31)}  # type: ignore[arg-type]
    assert limits == {-(1 << 31): 60, -1: 60, 0: 60, 1: 1, 59: 59, 60: 60, 61: 60, BIG31: 60}


PARENTS = {
    "file": [f.Entry(b"x/y", length=1, mtime=2)],
    "link": [f.Entry(b"x/l", 0o120777, 1, 2, link=b"a")],
    "directory": [f.Entry(b"x/y", 0o40755, 4096, 1, flags=0), f.Entry(b"x/y/z", length=1, mtime=2)],
    "deep": [f.Entry(b"x", 0o40755, 4096, 1, flags=0), f.Entry(b"x/y/z", length=1, mtime=2)],
    "prefix": [f.Entry(b"x", 0o40755, 4096, 1, flags=0), f.Entry(b"xx/y", length=1, mtime=2)],
    "under a file": [f.Entry(b"x", length=1, mtime=2), f.Entry(b"x/y", length=1, mtime=2)],
}
PLACES = {"deep": b"x/y/z", "prefix": b"xx/y", "link": b"x/l"}


@pytest.mark.parametrize("p", [28, 29, 30, 32])
@pytest.mark.parametrize("what", PARENTS)
def test_entries_without_a_parent(what: str, p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """A whole list holds the directory of each entry: status 2, even where that directory is there already."""
    (tree / "dst/x").mkdir()
    (tree / "dst/a").write_bytes(OLD)

    def talk(s: Session) -> None:
        send_lists(s, [f.Entry(b".", 0o40755, 4096, 1, flags=1), *PARENTS[what]])
        end_soon(s)

    with daemon(talk, p=p) as (port, _):
        words = [program, "-rlt", "--trust-sender", "--timeout=50", f"rsync://127.0.0.1:{port}/m/", "dst/"]
        outcome = programs.run(words, cwd=tree, env=env)
    assert outcome.code == 2, outcome
    place = PLACES.get(what, b"x/y")
    assert b"ABORTING due to invalid path from sender: %s\n" % place in outcome.err, outcome
    assert (tree / "dst/a").read_bytes() == OLD and not (tree / "dst" / place.decode()).exists()

"""What a sender writes: PRO-28 to PRO-46, PRO-48 (spec: protocol 5). A server of each program sends; its lists are read
and the flags of each entry looked at."""

from __future__ import annotations

import hashlib
import itertools
import os
from pathlib import Path
from typing import Any

import pytest

from tests import programs
from tests.parity.tree import Dir, File, Tree, build
from tests.protocol import entries as f
from tests.protocol.client import Piped, pull, read_list, read_lists
from tests.protocol.entries import Codec, Entry, Terms, honest
from tests.protocol.ints import Bytes, plain_sum
from tests.protocol.link import FLIST_EOF, OFFSET, Job, Session, handshake

VERSIONS = [27, 28, 29, 30, 31, 32]


def lists(program: str, place: Path, env: dict[str, str], tree: Tree, **job: Any) -> Session:
    """What the server sends for src/ (or the given paths) in a whole run."""
    build(str(place), tree)
    build(str(place), ["src/"])
    words: dict[str, Any] = {"paths": ["src/"], **job}
    with Piped(program, Job(**words), place, env) as s:
        handshake(s)
        pull(s)
    assert s.code == 0, s.err
    return s


def by_name(s: Session) -> dict[bytes, Entry]:
    return {e.name: e for _, _, found in s.lists for e in found}


@pytest.mark.parametrize(
    ("p", "caps"), [(27, ""), (28, ""), (29, ""), (30, "LsfxCIu"), (31, ""), (32, None), (30, None)]
)
def test_pro_28_no_flags(p: int, caps: str | None, program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-28: an entry that shares nothing with the one before: 04 in the varint form, 01 in the byte form."""
    programs.need_root()
    tree: Tree = ["src/a;t=5;m=0600;o=1.2 src/b;t=6;m=0640;o=3.4"]
    s = lists(program, place, env, tree, p=p, caps=caps)
    plain = [e for e in by_name(s).values() if e.name in (b"a", b"b")]
    bare = [e for e in plain if e.flags is not None and not e.flags & ~(f.EXTENDED | f.TOP_DIR)]
    assert len(bare) >= 1
    assert all(e.flags == (4 if s.terms.varint_flags else 1) for e in bare)


@pytest.mark.parametrize("p", [28, 29])
def test_pro_29_two_bytes(p: int, program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-29: hard-linked entries need the second byte, and it is announced by 04."""
    s = lists(program, place, env, ["src/h src/h2=>src/h"], p=p, compact="rH")
    flags = by_name(s)[b"h"].flags
    assert flags is not None and flags & f.EXTENDED and flags & f.HLINKED and flags & 0x18 == 0x18
    codec = Codec(Terms(p=p, varint_flags=False, hard=True))
    entry = Entry(b"h", flags=0x021D, prefix=0, inode=(1, 2))
    out = codec.put_entry(entry, 0, 0, [entry])
    assert out[:2] == b"\x1d\x02"
    assert Codec(Terms(p=p, varint_flags=False, hard=True)).read_list(Bytes(out + b"\0"), 0)[0][0].inode == (1, 2)


@pytest.mark.parametrize("p", VERSIONS)
def test_pro_30_prefixes(p: int, program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-30: shared with the entry sent before, at most 255 bytes."""
    deep = "src/" + "d" * 150 + "/" + "e" * 150
    tree: Tree = [File(f"{deep}/{'n' * 20}{n}") for n in range(3)]
    s = lists(program, place, env, tree, p=p)
    prefixes = [e.prefix for e in by_name(s).values() if len(e.name) > 310]
    assert max(x for x in prefixes if x is not None) == 255
    assert len(prefixes) == 3


@pytest.mark.parametrize("p", VERSIONS)
@pytest.mark.parametrize("inc", [False, True])
def test_pro_31_32_the_first_entry(p: int, inc: bool, program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-31, PRO-32: uid and gid are carried though they are 0; an mtime of 0 is "the same"."""
    if inc and p < 30:
        return
    build(str(place), ["src/x"])
    os.utime(place / "src/x", (0, 0))
    with Piped(program, Job(p=p, inc=inc, paths=["src/x"]), place, env) as s:
        handshake(s)
        pull(s)
    flags = s.lists[0][2][0].flags
    assert flags is not None and flags & f.SAME_TIME and not flags & (f.SAME_UID | f.SAME_GID)


@pytest.mark.parametrize("p", [29, 30, 31, 32])
def test_pro_33_nanoseconds(p: int, program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-33: only from 31 on, only when not zero."""
    s = lists(program, place, env, ["src/a;n=999999999 src/b src/c;n=1"], p=p)
    found = by_name(s)
    assert [found[n].nsec for n in (b"a", b"b", b"c")] == ([999999999, 0, 1] if p >= 31 else [0, 0, 0])
    assert [bool((found[n].flags or 0) & f.MOD_NSEC) for n in (b"a", b"b", b"c")] == [p >= 31, False, p >= 31]


@pytest.mark.parametrize("p", VERSIONS)
def test_pro_34_devices(p: int, program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-34: one byte of minor at 28 and 29 where it fits; varints from 30 on; fifos carry nothing from 31 on."""
    programs.need_root()
    tree: Tree = ["src/a#c1.3 src/b#c1.300 src/c#b259.70000 src/p| src/s!"]
    found = by_name(lists(program, place, env, tree, p=p))
    assert [found[n].rdev for n in (b"a", b"b", b"c")] == [(1, 3), (1, 300), (259, 70000)]
    if p in (28, 29):
        assert [bool((found[n].flags or 0) & f.MINOR_8) for n in (b"a", b"b", b"c", b"p", b"s")] == [1, 0, 0, 1, 1]
    if p in (28, 29, 30):
        assert all((found[n].flags or 0) & f.SAME_MAJOR for n in (b"p", b"s"))


@pytest.mark.parametrize("p", [30, 31, 32])
def test_pro_35_36_hard_links(p: int, program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-35, PRO-36: short in the same list, complete in a later one; ACLs and xattrs follow either."""
    tree: Tree = [File("src/h", xattrs={"user.k": b"v"}), "src/h2=>src/h src/d/h3=>src/h"]
    build(str(place), tree)
    for inc in (False, True):
        job = Job(p=p, inc=inc, compact="lDtprHAX", paths=["src/"])
        with Piped(program, job, place, env) as s:
            handshake(s)
            pull_items(s)
        found = by_name(s)
        first = [e for e in found.values() if (e.flags or 0) & f.HLINK_FIRST]
        assert len(first) == 1
        rest = [found[n] for n in (b"h", b"h2", b"d/h3") if found[n] is not first[0]]
        assert all(e.first == first[0].first and (e.flags or 0) & f.HLINKED for e in rest)
        # The lists could be read, so what is left out and what follows is as it should be.
        assert all(e.length == first[0].length and e.xattrs is not None and e.acl is not None for e in rest)
        assert s.code == 0 or s.code == 12


def pull_items(s: Session) -> None:
    """Reads all lists and leaves."""
    read_lists(s)
    while s.inc and (n := s.ndx_in.read(s.wire)) != FLIST_EOF:
        read_list(s, OFFSET - n)


@pytest.mark.parametrize("p", [27, 28, 29])
def test_pro_37_old_hard_links(p: int, program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-37: device + 1 and inode; at 27 for every regular file."""
    build(str(place), ["src/h src/h2=>src/h src/one src/d/"])
    with Piped(program, Job(p=p, compact="lDtprH", paths=["src/"]), place, env) as s:
        handshake(s)
        read_lists(s)
    found = by_name(s)
    info = os.stat(place / "src/h")
    assert found[b"h"].inode == found[b"h2"].inode == (info.st_dev + 1, info.st_ino)
    assert (found[b"one"].inode is not None) == (p == 27)
    assert found[b"d"].inode is None


@pytest.mark.parametrize("p", VERSIONS)
def test_pro_38_sums(p: int, program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-38: for regular files; at 27 for all."""
    s = lists(program, place, env, ["src/a=hello src/l->a src/d/b=w"], p=p, compact="lDtprc")
    found = by_name(s)
    assert found[b"a"].sum == plain_sum(s.sum, b"hello") and found[b"d/b"].sum == plain_sum(s.sum, b"w")
    empty = bytes(16) if p == 27 else b""
    assert found[b"l"].sum == found[b"d"].sum == empty


ORDER = [b".", b"b", b"z", b"a!", b"a!/x", b"a", b"a/y", b"a/b", b"a/b/c"]


@pytest.mark.parametrize("p", VERSIONS)
def test_pro_39_40_order(p: int, program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-39, PRO-40: indices are those of the sorted list, so asking for each file by its index gives its content."""
    tree: Tree = ["src/b=1 src/z=2 src/a!/x=3 src/a/y=4 src/a/b/c=5"]
    s = lists(program, place, env, tree, p=p)
    assert s.files == {b"b": b"1", b"z": b"2", b"a!/x": b"3", b"a/y": b"4", b"a/b/c": b"5"}
    want = sorted(ORDER) if p < 29 else ORDER
    assert s.names() == want


@pytest.mark.parametrize("p", [30, 32])
def test_pro_42_numbers(p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-42: the first list begins at 1, and each list one further than the last ended."""
    with Piped(program, Job(p=p, inc=True, paths=["src/"]), tree, env) as s:
        handshake(s)
        pull(s)
    starts = [(start, len(found)) for start, _, found in s.lists]
    assert starts[0][0] == 1
    assert all(b[0] == a[0] + a[1] + 1 for a, b in itertools.pairwise(starts))
    # The echoes came for the indices that were asked for: files were read by them.
    assert len(s.files) == 4


@pytest.mark.parametrize(("path", "sub"), [("src", True), ("src/a", False), ("src/x", True)])
def test_pro_43_one_entry(path: str, sub: bool, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-43: what follows a first list of one entry comes without being asked for."""
    with Piped(program, Job(inc=True, paths=[path]), tree, env) as s:
        handshake(s)
        read_lists(s)
        assert len(s.lists[0][2]) == 1
        n = s.ndx_in.read(s.wire)
        assert n == (-101 if sub else FLIST_EOF)


@pytest.mark.parametrize("p", [29, 30, 32])
@pytest.mark.parametrize("numeric", [False, True])
@pytest.mark.parametrize("inc", [False, True])
def test_pro_45_ids(p: int, numeric: bool, inc: bool, program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-45: lists of ids without incremental recursion, names in the entries with it, neither with numeric ids."""
    programs.need_root()
    if inc and p < 30:
        return
    long = ["--numeric-ids"] if numeric else []
    s = lists(program, place, env, ["src/a;o=1.2 src/b;o=1.2 src/c;o=54321.54321"], p=p, inc=inc, long=long)
    found = by_name(s)
    assert (found[b"a"].uid, found[b"a"].gid) == (1, 2)
    named = not numeric and not inc
    roots = {0: b"root"} if p >= 30 else {}
    assert s.users == ({1: b"daemon"} | roots if named else {}) and s.groups == ({2: b"bin"} | roots if named else {})
    inline = [e.user for _, _, found in s.lists for e in found if e.user]
    assert inline == ([b"root", b"daemon"] if inc and not numeric else [])


@pytest.mark.parametrize(
    ("p", "caps"), [(30, None), (31, None), (32, None), (31, "Lsf"), (30, "Lsf"), (30, "Ls"), (29, "")]
)
def test_pro_46_errors(p: int, caps: str | None, program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-46: the end marker carries the error; where it cannot, message IO_ERROR or the int at the end does."""
    programs.need_root()
    build(str(place), [Dir("src/closed", mode=0o700, owner=(0, 0)), "src/a"])
    nobody = (programs.NOBODY.pw_uid, programs.NOBODY.pw_gid)
    with Piped(program, Job(p=p, caps=caps, compact="lDtpr", paths=["src/"]), place, env, user=nobody) as s:
        handshake(s)
        pull(s)
    said = [payload for tag, payload in s.wire.messages if tag == 22]
    assert said == ([b"\1\0\0\0"] if caps == "Ls" else [])
    assert s.io_error == (0 if caps == "Ls" else 1)
    end = {None: b"\0\1", "Lsf": b"\4\x10\1"}.get(caps)
    assert end is None or end in bytes(s.wire.received)
    assert s.code == 23, s.err


@pytest.mark.parametrize("p", [30, 32])
def test_pro_48_sets(p: int, program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-48: equal ACLs and attributes are sent once; a value of 32 bytes as it is, of 33 as its MD5."""
    attributes = {"user.edge": b"x" * 32, "user.over": b"y" * 33}
    tree: Tree = [File("src/" + n, xattrs=attributes, acl="u:daemon:rw") for n in ("a", "b")]
    build(str(place), [*tree, "src/c"])
    with Piped(program, Job(p=p, compact="lDtprAX", paths=["src/"]), place, env) as s:
        handshake(s)
        read_lists(s)
    found = by_name(s)
    sets = [found[b"a"].xattrs, found[b"b"].xattrs]
    literal = next(x for x in sets if isinstance(x, list))
    assert [x for x in sets if isinstance(x, int)]
    assert literal == [
        (b"user.edge\0", 32, b"x" * 32),
        (b"user.over\0", 33, hashlib.md5(b"y" * 33).digest()),
    ]
    acls = [found[b"a"].acl, found[b"b"].acl]
    assert sum(isinstance(x, int) for x in acls) == 1 and sum(isinstance(x, bytes) for x in acls) == 1


@pytest.mark.parametrize("p", VERSIONS)
@pytest.mark.parametrize("inc", [False, True])
def test_lists_equal_those_of_an_honest_sender(
    p: int, inc: bool, program: str, place: Path, env: dict[str, str]
) -> None:
    """Written again by the encoder of these tests, each list is the same, flag by flag and byte by byte."""
    if inc and p < 30:
        return
    tree: Tree = [
        "src/a;n=5 src/b;m=0600;t=4 src/d/e src/d/f/g;t=-5 src/l->a src/p| src/h src/d/h=>src/h",
        File("src/" + "n" * 255),
        File("src/d/" + "m" * 255),
    ]
    if os.geteuid() == 0:
        tree = [*tree, "src/n#c1.3 src/n2#c1.4 src/o;o=1.2"]
    build(str(place), tree)
    compact = "logDtprH" if p >= 28 else "logDtpr"
    with Piped(program, Job(p=p, inc=inc, compact=compact, paths=["src/"]), place, env) as s:
        handshake(s)
        reader = Codec(s.terms)
        writer = Codec(s.terms)
        start = int(s.inc)
        found, error = reader.read_list(s.wire, start)
        assert error == 0
    again = writer.put_list([honest(e) for e in found], start)
    assert again in unframed(bytes(s.wire.received))
    assert {e.name for e in found} >= {b".", b"a", b"l"}


def unframed(data: bytes) -> bytes:
    """Everything that looks like a data frame, put together; the handshake in front does not matter here."""
    out = b""
    for at in range(len(data) - 4):
        size = int.from_bytes(data[at : at + 3], "little")
        if data[at + 3] == 7 and at + 4 + size <= len(data):
            out += data[at + 4 : at + 4 + size]
    return out

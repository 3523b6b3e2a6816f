"""Protocols 20 to 26, rules, options and lists: PRO-90 to PRO-97, PRO-107, PRO-108 (spec: protocol-old 1, 2.6, 5)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import programs
from tests.parity.tree import EPOCH, File, build
from tests.protocol.client import Piped, pull, push, read_lists
from tests.protocol.conftest import CONTENT, NAMES, sent
from tests.protocol.entries import Codec, Entry
from tests.protocol.ints import int32, md4, put_int32, put_longint
from tests.protocol.link import Job, Session, handshake
from tests.protocol.old import address, old, old_daemon, run, texts
from tests.protocol.server import daemon, linger, shell, start, take_word

# ---- rules and options

SAMPLE = [b"+ +x", b"+ a?", b"*.o", b"dir/", b"/top"]
RULES = ["--include=+x", "--include=a?", "--exclude=*.o", "--exclude=dir/", "--exclude=/top"]


@pytest.mark.parametrize("p", [20, 24, 26])
def test_pro_90_rules_are_written(p: int, tain: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-90: the sample of 2.6 on a pull, and on a push that deletes; none on any other push."""
    found: list[bytes] = []

    def sends(s: Session) -> None:
        found.extend(texts(s))
        push(s, sent(p))

    def receives(s: Session) -> None:
        deletes = [word for word in s.job.long if word.startswith("--delete")]
        found.extend(texts(s) if deletes and "--delete-excluded" not in deletes else [])
        pull(s)

    for options, way, want in (
        ([], "pull", SAMPLE),
        (["--delete"], "push", SAMPLE),
        ([], "push", []),
        (["--delete-excluded"], "push", []),
    ):
        found.clear()
        with daemon(sends if way == "pull" else receives, p=p, filters=False) as (port, report):
            ends = [address(port), "dst/"] if way == "pull" else ["src/", address(port)]
            outcome = run(tain, tree, env, "-rltp", *RULES, *options, *ends)
        assert outcome.code == 0 and report.error is None, (outcome, report.error)
        assert found == want, (options, way)


@pytest.mark.parametrize("p", [20, 26])
def test_pro_90_rules_are_read(p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-90: an include, a directory's pattern, an anchored one, and a `- ` that belongs to the name."""
    build(str(tree), ["src/keep.o src/drop.o src/- src/top src/sub/top src/dir/ src/dir/x"])
    job = Job(p=p, compact="ltr", paths=["src/"], filters=[b"+ keep.o", b"*.o", b"dir/", b"/top", b"- big"])
    with Piped(program, job, tree, env) as s:
        handshake(s)
        read_lists(s)
    names = s.names()
    assert {b"keep.o", b"sub/top", b"-", b"a"} <= set(names)
    assert not {b"drop.o", b"top", b"dir", b"dir/x", b"big"} & set(names)


@pytest.mark.parametrize("p", [24, 26, 30])
def test_pro_91_delete_after(p: int, tain: str, tree: Path, env: dict[str, str], space: Path) -> None:
    """PRO-91 (tain): --delete goes with it where the peer may be old, and the list of rules is where it expects it."""
    with shell(space, lambda s: pull(s), p=min(p, 26)) as (rsh, report):
        outcome = run(tain, tree, env, "-rltp", "--delete-after", f"--protocol={p}", "-e", rsh, "src/", "h:dst/")
    assert outcome.code == 0 and report.error is None, (outcome, report.error)
    assert "--delete" in report.words and "--delete-after" in report.words
    with old_daemon(lambda s: pull(s), 24) as (port, report):
        outcome = run(tain, tree, env, "-rltp", "--delete-after", "src/", address(port))
    assert outcome.code == 0 and report.error is None, (outcome, report.error)
    assert "--delete" in report.words and "--delete-after" in report.words


def test_pro_91_servers_take_both(program: str, tree: Path, env: dict[str, str]) -> None:
    (tree / "dst/extra").write_bytes(b"")
    job = Job(p=26, sender=False, compact="lDtpr", long=["--delete", "--delete-after"], paths=["dst/"], filters=[])
    with Piped(program, job, tree, env) as s:
        handshake(s)
        push(s, sent(26))
    assert s.code == 0 and not (tree / "dst/extra").exists(), s.err


@pytest.mark.parametrize("how", ["forced", "greeted"])
def test_pro_92_a_listing_is_asked_for(how: str, tain: str, tree: Path, env: dict[str, str], space: Path) -> None:
    """PRO-92 (tain): -r and a rule, where the protocol is known."""
    found: list[bytes] = []

    def talk(s: Session) -> None:
        found.extend(texts(s))
        s.wire.write(Codec(s.terms).put_list([e for e in sent(24) if b"/" not in e.name], 0) + put_int32(0))
        for _ in range(2):
            assert s.ndx_in.read(s.wire) == -1
            s.wire.write(put_int32(-1))
        s.wire.write(b"".join(put_longint(n) for n in (1, 2, 3)))
        s.wire.flush()
        assert s.ndx_in.read(s.wire) == -1

    if how == "forced":

        def numbers(s: Session) -> None:
            s.wire.send(put_int32(24))
            s.p = min(24, int32(s.wire))
            start(s, report.words, filters=False)
            talk(s)

        with shell(space, numbers, numbers=False) as (rsh, report):
            outcome = run(tain, tree, env, "--protocol=24", "-e", rsh, "h:dir/")
    else:

        def hello(s: Session) -> None:
            s.wire.line()
            s.wire.send(b"@RSYNCD: OK\n")
            report.words = []
            while word := take_word(s.wire):
                report.words.append(word)
            start(s, report.words, filters=False)

        with old_daemon(talk, 24, hello) as (port, report):
            outcome = run(tain, tree, env, address(port))
    assert report.error is None and outcome.code == 0, (outcome, report.error)
    assert found == [b"/*/*"]
    letters = next(word for word in report.words if word.startswith("-") and not word.startswith("--"))
    assert "r" in letters and "d" not in letters and "--list-only" not in report.words
    assert b" sub\n" in outcome.out and b" a\n" in outcome.out


@pytest.mark.parametrize("p", [20, 24, 26])
def test_pro_92_a_listing_is_answered(p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    with Piped(program, Job(p=p, compact="r", paths=["src/"], filters=[b"/*/*"]), tree, env) as s:
        handshake(s)
        read_lists(s)
    assert sorted(s.names()) == sorted(name for name in NAMES if b"/" not in name)


REFUSED = ["-A", "-X", "-y", "-m", "--copy-dest=a --copy-dest=b", "--inplace --compare-dest=a", "-U"]


@pytest.mark.parametrize("p", [20, 26])
@pytest.mark.parametrize("option", REFUSED)
def test_pro_93_options_are_refused(
    option: str, p: int, tain: str, tree: Path, env: dict[str, str], space: Path
) -> None:
    """PRO-93: status 2 and no list, at either end. (rsync hangs with -U.)"""
    for ends in (["src/", "h:dst/"], ["h:src/", "dst/"]):
        with shell(space, linger, p=p) as (rsh, report):
            outcome = run(tain, tree, env, "-rlt", *option.split(), "-e", rsh, *ends)
        assert outcome.code == 2 and b"(negotiated %d)" % p in outcome.err, outcome
        assert not report.session.files and not list((tree / "dst").iterdir())
    letters = option[1] if option[1] in "AXyUm" else ""
    job = Job(p=p, sender=False, compact=letters + "lDtpr", long=[] if letters else option.split(), paths=["dst/"])
    with Piped(tain, job, tree, env) as s:
        s.wire.send(put_int32(p))
    assert s.code == 2 and not list((tree / "dst").iterdir()), s.err


@pytest.mark.parametrize("rule", [": .rules", "-! x", "-x user.a"])
def test_pro_93_rules_are_refused(rule: str, tain: str, tree: Path, env: dict[str, str], space: Path) -> None:
    """PRO-93: rules that have no old syntax."""
    with shell(space, linger, p=26) as (rsh, _):
        outcome = run(tain, tree, env, "-rlt", "-f", rule, "-e", rsh, "h:src/", "dst/")
    assert outcome.code == 2 and b"too modern" in outcome.err, outcome


# ---- lists


@old
def test_pro_94_flags_of_old_senders(p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-94: 04 on what is no device, and 40 on a directory that shares nothing with the entry before."""
    listed = (
        b"\x1d\x01." + put_int32(4096) + put_int32(EPOCH) + put_int32(0o40755)
        + b"\x1c\x03lnk" + put_int32(1) + put_int32(EPOCH + 1) + put_int32(0o120777) + put_int32(1) + b"a"
        + b"\x40" + put_int32(3) + b"sub" + put_int32(4096) + put_int32(EPOCH + 2) + put_int32(0o40755)
        + put_int32(0) + put_int32(0)
        + b"\x01\x02zz" + put_int32(3) + put_int32(EPOCH + 3) + put_int32(0o100600) + put_int32(0) + put_int32(7)
        + b"\0" + put_int32(0) * 3
    )  # fmt: skip
    job = Job(p=p, sender=False, compact="nlogDtpr", paths=["dst/"], long=["-v"])
    with Piped(program, job, tree, env) as s:
        handshake(s)
        s.wire.write(listed)
        s.wire.flush()
        # lnk and sub are made here; zz, the last one of four, is asked for.
        assert s.ndx_in.read(s.wire) == 3
        s.wire.write(put_int32(3))
        for _ in range(2):
            assert s.ndx_in.read(s.wire) == -1
            s.wire.write(put_int32(-1))
        s.wire.flush()
        if p >= 24:
            assert s.ndx_in.read(s.wire) == -1
    assert s.code == 0, s.err


@pytest.mark.parametrize("p", [20, 25, 26])
def test_pro_95_inodes_are_written(p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-95: device + 1 and inode on every regular file: two ints below 26, two longints at 26."""
    os.link(tree / "src/a", tree / "src/z")
    with Piped(program, Job(p=p, compact="Htr", paths=["src/"]), tree, env) as s:
        handshake(s)
        read_lists(s)
    mask = 0xFFFFFFFF if p < 26 else (1 << 64) - 1
    for e in s.lists[0][2]:
        if e.is_file:
            status = (tree / "src" / e.name.decode()).stat()
            assert e.inode == ((status.st_dev + 1) & mask, status.st_ino & mask), e
        else:
            assert e.inode is None
    assert sum(e.is_file for e in s.lists[0][2]) == 5


@pytest.mark.parametrize(("inode", "device"), [(10200978, 0xFE00), (0x80000000, 0xFE01), (5, 1)])
@pytest.mark.parametrize("p", [20, 25, 26])
def test_pro_95_links_are_made(p: int, inode: int, device: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-95: the device is only a key."""
    files = [
        Entry(name, length=1, mtime=EPOCH, inode=(device, number), content=text)
        for name, number, text in (
            (b"a", inode, b"1"),
            (b"b", inode, b"1"),
            (b"c", inode + 1, b"2"),
            (b"d", inode + 2, b"3"),
        )
    ]
    entries = [Entry(b".", 0o40755, 4096, EPOCH, flags=1), *files]
    with Piped(program, Job(p=p, sender=False, compact="Htr", paths=["dst/"]), tree, env) as s:
        handshake(s)
        push(s, entries)
    assert s.code == 0, s.err
    numbers = {name: (tree / "dst" / name).stat().st_ino for name in "abcd"}
    assert numbers["a"] == numbers["b"] and len(set(numbers.values())) == 3


@pytest.mark.parametrize("p", [20, 21, 26])
def test_pro_96_sums_are_written(p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-96, PRO-100: on every entry, 2 bytes at 20; those of 8.3 among them."""
    sizes = (0, 1, 60, 64, 128)
    build(str(tree), [File(f"src/n{size}", content=bytes(range(size))) for size in sizes])
    with Piped(program, Job(p=p, compact="ctr", paths=["src/"]), tree, env) as s:
        handshake(s)
        read_lists(s)
    wanted = {b"n%d" % n: md4(bytes(range(n)), unpadded=True) for n in sizes} | {
        name: md4(data, unpadded=True) for name, data in CONTENT.items()
    }
    for e in s.lists[0][2]:
        assert e.sum == wanted.get(e.name, bytes(16))[: 2 if p == 20 else 16], e
    assert wanted[b"n64"].hex() == "d4bfca4ea6f36ea263150cc9469a59db"


@pytest.mark.parametrize("p", [20, 21, 26])
def test_pro_96_unchanged_files(p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-96: equal sums, nothing is asked for; at 20 equal beginnings are enough."""
    build(str(tree), [File("dst/same", content=bytes(64), time=-9), File("dst/other", content=bytes(64), time=-9)])
    right = md4(bytes(64), unpadded=True)
    if p == 20:
        right = right[:2]
    entries = [
        Entry(b".", 0o40755, 4096, EPOCH, flags=1),
        Entry(b"same", length=64, mtime=EPOCH, sum=right, content=bytes(64)),
        Entry(b"other", length=64, mtime=EPOCH, sum=bytes([right[0] ^ 1]) + right[1:], content=b"x" * 64),
    ]
    with Piped(program, Job(p=p, sender=False, compact="ctr", paths=["dst/"]), tree, env) as s:
        handshake(s)
        push(s, entries)
    assert s.code == 0, s.err
    assert [s.entry(n).name for n, *_ in s.items] == [b"other"]
    assert (tree / "dst/other").read_bytes() == b"x" * 64


@pytest.mark.parametrize("p", [20, 26])
def test_pro_97_devices_are_written(p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-97: the captures of 5.4: a fifo takes nothing, and keeps the device before it."""
    programs.need_root()
    build(str(tree), ["d/ d/c1#c5.1 d/c2#c5.1 d/p| d/z1#b259.70000 d/z2#c1.3"])
    with Piped(program, Job(p=p, compact="Dtpr", paths=["d/"]), tree, env) as s:
        handshake(s)
        read_lists(s)
    found = {e.name: e for e in s.lists[0][2]}
    assert {name: found[name].rdev for name in (b"c1", b"c2", b"z1", b"z2")} == {
        b"c1": (5, 1), b"c2": (5, 1), b"z1": (259, 70000), b"z2": (1, 3),
    }  # fmt: skip
    assert (found[b"p"].flags or 0) & 4
    raw = bytes(s.wire.received)
    assert raw.count(b"\x01\x05\0\0") >= 1 and b"\x70\x03\x11\x11" in raw and b"\x03\x01\0\0" in raw


@pytest.mark.parametrize("variant", ["of 3.5.0", "of old senders"])
@pytest.mark.parametrize("p", [20, 26])
def test_pro_97_devices_are_read(p: int, variant: str, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-97: both variants make the same nodes."""
    programs.need_root()
    head = b"\x19\x01." + put_int32(4096) + put_int32(EPOCH) + put_int32(0o40755)
    char = put_int32(0o20644)
    if variant == "of 3.5.0":
        body = (
            b"\x98\x02c1" + put_int32(0) + char + b"\x01\x05\0\0"
            + b"\x9c\x01p" + put_int32(0) + put_int32(0o10644)
            + b"\x9c\x02c2" + put_int32(0) + char
        )  # fmt: skip
    else:
        body = (
            b"\x98\x02c1" + put_int32(0) + char + b"\x01\x05\0\0"
            + b"\x98\x01p" + put_int32(0) + put_int32(0o10644) + bytes(4)
            + b"\x98\x02c2" + put_int32(0) + char + b"\x01\x05\0\0"
        )  # fmt: skip
    with Piped(program, Job(p=p, sender=False, compact="Dtpr", paths=["dst/"]), tree, env) as s:
        handshake(s)
        s.wire.write(head + body + b"\0" + put_int32(0))
        for _ in range(2):
            assert s.ndx_in.read(s.wire) == -1
            s.wire.write(put_int32(-1))
        s.wire.flush()
        if p >= 24:
            assert s.ndx_in.read(s.wire) == -1
    assert s.code == 0, s.err
    found = {e.name: (e.stat(follow_symlinks=False).st_mode, e.stat().st_rdev) for e in os.scandir(tree / "dst")}
    assert found == {"c1": (0o20644, os.makedev(5, 1)), "p": (0o10644, 0), "c2": (0o20644, os.makedev(5, 1))}


@old
def test_pro_107_large_numbers(p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-107: mtime 4000000000 as one int, a length of 2200000000 in twelve bytes; both ways."""
    with open(tree / "src/a", "wb") as file:
        file.truncate(2_200_000_000)
    os.utime(tree / "src/a", (4_000_000_000, 4_000_000_000))
    with Piped(program, Job(p=p, compact="tr", paths=["src/a"]), tree, env) as s:
        handshake(s)
        read_lists(s)
    (e,) = s.lists[0][2]
    assert (e.length, e.mtime) == (2_200_000_000, 4_000_000_000)
    assert b"\x01a" + b"\xff" * 4 + bytes.fromhex("0056218300000000 00286bee") in bytes(s.wire.received)
    job = Job(p=p, sender=False, compact="tr", paths=["dst/"])
    with Piped(program, job, tree, env) as s:
        handshake(s)
        push(s, [Entry(b"t", length=1, mtime=4_000_000_000, content=b"t")])
    assert s.code == 0 and (tree / "dst/t").stat().st_mtime == 4_000_000_000, s.err


@pytest.mark.parametrize("error", [0, 1])
@old
def test_pro_108_errors_stop_deletion(p: int, error: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-108: what a sender says at the end of its list."""
    (tree / "dst/extra").write_bytes(b"")
    job = Job(p=p, sender=False, compact="lDtpr", long=["--delete"], paths=["dst/"], filters=[])
    with Piped(program, job, tree, env) as s:
        handshake(s)
        s.io_error = error
        push(s, sent(p))
    assert (tree / "dst/extra").exists() == bool(error)
    assert s.code == (23 if error else 0), s.err


@pytest.mark.parametrize("p", [20, 26])
def test_pro_108_errors_are_reported(p: int, program: str, place: Path, env: dict[str, str]) -> None:
    """PRO-108: a source that can't be read in whole."""
    build(str(place), ["src/ src/a src/closed/;m=0000"])
    user = (programs.NOBODY.pw_uid, programs.NOBODY.pw_gid) if os.geteuid() == 0 else None
    with Piped(program, Job(p=p, compact="r", paths=["src/"]), place, env, user) as s:
        handshake(s)
        read_lists(s)
    assert s.io_error & 1, s.err

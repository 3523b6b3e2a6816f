"""Whole runs: the client in this directory against both programs' servers, and its server against their clients."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests import programs
from tests.parity.tree import EPOCH, picture
from tests.protocol import client
from tests.protocol.client import STATISTICS, Piped, connect, pull, push
from tests.protocol.conftest import BIG, CONTENT, NAMES, OLD_BIG, VERSION_IDS, VERSIONS, sent
from tests.protocol.link import INFO, Job, Session, enter, handshake
from tests.protocol.server import ALL, daemon

versions = pytest.mark.parametrize(("p", "inc"), VERSIONS, ids=VERSION_IDS)
NEVER = 1e18
MARKS = {27: (3, 2), 28: (3, 2), 29: (4, 3), 30: (3, 2), 31: (4, 3), 32: (4, 3)}
"""Marks of the generator and of the sender; from 30 on beside those of the lists."""


def marks(p: int, lists: int) -> tuple[int, int]:
    """PRO-49: the table of spec: protocol 6.3."""
    more = lists if p >= 30 else 0
    return MARKS[p][0] + more, MARKS[p][1] + more


def check_pull(s: Session, p: int, inc: bool) -> None:
    assert s.code in (0, None), s.err
    assert s.announced == 32
    assert sorted(s.names()) == sorted(NAMES)
    assert s.names() == NAMES or inc or p == 28 or p == 27
    assert s.files == CONTENT
    by_name = {e.name: e for _, _, entries in s.lists for e in entries}
    assert by_name[b"a"].nsec == (5 if p >= 31 else 0)
    assert by_name[b"sub/deep"].mode == 0o40700 and by_name[b"sub/deep"].mtime == EPOCH + 1
    assert by_name[b"l"].link == b"a"
    assert len(s.lists) == (4 if inc else 1)
    assert marks(p, len(s.lists)) == (s.done_out, s.done_in)
    assert len(s.stats) == (5 if p >= 29 else 3)
    # Read, written (without what came before the frames or is still on its way), and the sizes of files and links.
    assert 0 <= len(s.wire.said) - s.stats[0] < 120 and 0 <= len(s.wire.received) - s.stats[1] < 120
    assert s.stats[2] == sum(map(len, CONTENT.values())) + 1
    big = next(steps for n, steps in s.steps.items() if s.entry(n).name == b"big")
    assert sum(step[1] for step in big if isinstance(step, tuple)) == 27


@versions
@pytest.mark.parametrize("compress", ["", "zlib", "zlibx", "lz4"])
def test_pull_through_a_pipe(p: int, inc: bool, compress: str, program: str, tree: Path, env: dict[str, str]) -> None:
    if p < 30 and compress not in ("", "zlib"):
        return
    with Piped(program, Job(p=p, inc=inc, compress=compress, paths=["src/"]), tree, env) as s:
        handshake(s)
        assert s.inc == inc
        # One answer is thrown away: it is asked for once more.
        pull(s, {b"big": OLD_BIG}, {b"a"})
    check_pull(s, p, inc)
    assert s.err == b""


@versions
def test_pull_from_a_daemon(
    p: int, inc: bool, program: str, tree: Path, env: Mapping[str, str], daemons: dict[str, int]
) -> None:
    s = connect(daemons[program], Job(p=p, inc=inc, paths=["m/src/"]))
    enter(s, "m")
    handshake(s, numbers=False)
    pull(s, {b"big": OLD_BIG})
    check_pull(s, p, inc)


def check_push(s: Session, p: int, tree: Path) -> None:
    """PRO-56 too: deletion counts at 31 and above."""
    assert s.code in (0, None), s.err
    assert picture(str(tree / "dst"), since=NEVER) == picture(str(tree / "src"), since=NEVER)
    assert marks(p, len(s.lists)) == (s.done_in, s.done_out)
    assert s.deleted == ([1, 0, 0, 0, 0] if p >= 31 else [])
    assert [payload for tag, payload in s.wire.messages if tag == 101] == ([b"extra"] if p >= 29 else [])
    assert not s.wire.texts(INFO)


def push_tree(tree: Path) -> None:
    (tree / "dst/big").write_bytes(OLD_BIG)
    (tree / "dst/extra").write_bytes(b"")


@versions
@pytest.mark.parametrize("compress", ["", "zlib", "zlibx", "lz4"])
def test_push_through_a_pipe(p: int, inc: bool, compress: str, program: str, tree: Path, env: dict[str, str]) -> None:
    if p < 30 and compress not in ("", "zlib"):
        return
    push_tree(tree)
    if p < 31:
        os.utime(tree / "src/a", (EPOCH, EPOCH))
    job = Job(p=p, inc=inc, sender=False, compress=compress, paths=["dst/"], long=["--delete"], filters=[])
    job.compact = "lDtpr"
    with Piped(program, job, tree, env) as s:
        handshake(s)
        # The whole-file sum of `big` is wrong the first time.
        push(s, sent(p), {b"big"})
    check_push(s, p, tree)
    heads = next(heads for n, heads in s.heads.items() if s.entry(n).name == b"big")
    # PRO-52: asked for once more, with sums of full length.
    assert heads == [(29, 700, 2, 414), (29, 700, 16, 414)] or (heads[0][2] == 2 and heads[1][2] == 16)
    assert len(heads) == 2


@versions
def test_push_to_a_daemon(
    p: int, inc: bool, program: str, tree: Path, env: Mapping[str, str], daemons: dict[str, int]
) -> None:
    push_tree(tree)
    if p < 31:
        os.utime(tree / "src/a", (EPOCH, EPOCH))
    job = Job(p=p, inc=inc, sender=False, compact="lDtpr", paths=["m/dst/"], long=["--delete"], filters=[])
    s = connect(daemons[program], job)
    enter(s, "m")
    handshake(s, numbers=False)
    push(s, sent(p))
    check_push(s, p, tree)


# ---- the statements that every session above counts, by their names


@versions
def test_pro_49_marks(p: int, inc: bool, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-49: the marks of both directions, by the table of spec: protocol 6.3, whichever side the program is on."""
    with Piped(program, Job(p=p, inc=inc, paths=["src/"]), tree, env) as s:
        handshake(s)
        pull(s)
    lists = 4 if inc else 1
    assert (s.code, len(s.lists)) == (0, lists), s.err
    table = {27: (3, 2), 28: (3, 2), 29: (4, 3), 30: (lists + 3, lists + 2)}
    assert (s.done_out, s.done_in) == table.get(p, (lists + 4, lists + 3))
    with Piped(program, Job(p=p, inc=inc, sender=False, compact="lDtpr", paths=["dst/"]), tree, env) as s:
        handshake(s)
        push(s, sent(p))
    assert (s.code, len(s.lists)) == (0, lists), s.err
    assert (s.done_in, s.done_out) == table.get(p, (lists + 4, lists + 3))


@versions
@pytest.mark.parametrize("often", [1, 2])
def test_pro_52_one_redo(
    often: int,
    p: int,
    inc: bool,
    program: str,
    tree: Path,
    env: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PRO-52: a wrong sum leads to one more request, with sums of full length; when that fails too the file is given
    up, and what was there is left."""
    right = client.answer

    def answer(s: Session, n: int, damage: set[bytes]) -> None:
        right(s, n, damage if often < 2 else {b"big"})

    monkeypatch.setattr(client, "answer", answer)
    (tree / "dst/big").write_bytes(OLD_BIG)
    with Piped(program, Job(p=p, inc=inc, sender=False, compact="lDtpr", paths=["dst/"]), tree, env) as s:
        handshake(s)
        push(s, sent(p), {b"big"})
    heads = next(heads for n, heads in s.heads.items() if s.entry(n).name == b"big")
    assert [head[2] for head in heads] == [2, 16]
    assert [len(x) for n, x in s.heads.items() if s.entry(n).name != b"big"] == [1, 1, 1]
    told = s.err + b"".join(text for tag, text in s.wire.messages if tag < 5)
    assert s.code == (23 if often > 1 else 0), told
    assert told.count(b"failed verification -- update discarded") == often - 1, told
    assert (tree / "dst/big").read_bytes() == (OLD_BIG if often > 1 else BIG)
    assert (tree / "dst/sub/b").read_bytes() == b"w"


@versions
@pytest.mark.parametrize("option", ["", "--delete", "--force", "--delete-after"])
def test_pro_56_deletion_counts(option: str, p: int, inc: bool, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-56: only at 31 and above, and only where something may be removed."""
    if inc and option == "--delete-after":
        return
    (tree / "dst/extra").write_bytes(b"")
    job = Job(p=p, inc=inc, sender=False, compact="lDtpr", paths=["dst/"], long=[option] if option else [])
    if "delete" in option:
        job.filters = []
    with Piped(program, job, tree, env) as s:
        handshake(s)
        push(s, sent(p))
    assert s.code == 0, s.err
    counts = [int("delete" in option), 0, 0, 0, 0]
    assert s.deleted == (counts if p >= 31 and option else [])
    assert (tree / "dst/extra").exists() == ("delete" not in option)


# ---- our server, their clients


def run_client(program: str, port: int, tree: Path, env: Mapping[str, str], *words: str) -> programs.Outcome:
    words = tuple(word.format(url=f"rsync://127.0.0.1:{port}/m") for word in words)
    return programs.run([program, "--timeout=50", *words], cwd=tree, env=env)


@versions
def test_clients_pull(p: int, inc: bool, program: str, tree: Path, env: dict[str, str]) -> None:
    push_tree(tree)
    if p < 31:
        os.utime(tree / "src/a", (EPOCH, EPOCH))
    options = ["-rlt", "-p", "--delete", "--stats", f"--protocol={p}"]
    with daemon(lambda s: push(s, sent(p), {b"big"}), compat=ALL | inc) as (port, report):
        outcome = run_client(program, port, tree, env, *options, "{url}/", "dst/")
    assert report.error is None, f"{report.error!r} {outcome}"
    assert outcome.code == 0, outcome
    assert picture(str(tree / "dst"), since=NEVER) == picture(str(tree / "src"), since=NEVER)
    s = report.session
    assert (s.done_in, s.done_out) == marks(p, len(s.lists))
    assert s.deleted == ([1, 0, 0, 0, 0] if p >= 31 else [])
    # The client swaps what the server read and wrote.
    assert b"Total bytes sent: %d\nTotal bytes received: %d\n" % STATISTICS[:2] in outcome.out, outcome
    assert b"Total file size: %d bytes" % STATISTICS[2] in outcome.out
    if p >= 29:
        assert b"File list generation time: 0.044 seconds" in outcome.out, outcome


@versions
def test_clients_push(p: int, inc: bool, program: str, tree: Path, env: dict[str, str]) -> None:
    options = ["-rlt", "-p", "--no-o", "--no-g", f"--protocol={p}"]
    with daemon(lambda s: pull(s, {b"big": OLD_BIG}, {b"a"}), compat=ALL | inc) as (port, report):
        outcome = run_client(program, port, tree, env, *options, "src/", "{url}/")
    assert report.error is None, f"{report.error!r} {outcome}"
    assert outcome.code == 0, outcome
    s = report.session
    assert s.files == CONTENT and s.files[b"big"] == BIG
    assert (s.done_out, s.done_in) == marks(p, len(s.lists))
    assert sorted(s.names()) == sorted(NAMES)


def test_trace(tain: str, tree: Path, env: dict[str, str]) -> None:
    """`--debug=IO`: both ends of a session in words, on stderr."""
    push_tree(tree)
    with daemon(lambda s: push(s, sent(32))) as (port, report):
        outcome = run_client(tain, port, tree, env, "-rlt", "--delete", "--debug=IO", "{url}/", "dst/")
    assert (outcome.code, report.error, outcome.out) == (0, None, b""), outcome
    lines = outcome.err.decode().splitlines()
    wanted = [
        "[client] <- PROTOCOL 32 announced=32",
        "[client] <- COMPAT SYMLINK_TIMES|SYMLINK_ICONV|SAFE_FLIST|AVOID_XATTR_OPTIM|SEED_FIX|INPLACE_PARTIAL"
        "|VARINT_FLIST|ID0_NAMES",
        "[client] <- SEED 1 sum=md5 compress=none",
        "[client] <- LIST directory=-1 start=0 entries=9",
        "[client] -> ITEM 1 TRANSFER|NEW",
        "[client] -> SUMS count=0 length=0 strong=0 rest=0",
        "[client] <- ITEM 2 TRANSFER|TIME|SIZE",
        "[client] <- SUMS count=28 length=700 strong=2 rest=114",
        "[client] -> DEL_STATS files=1 directories=0 links=0 devices=0 specials=0",
        "[client] -> DONE",
        "[client] <- DONE",
    ]
    assert [x for x in wanted if x not in lines] == [], lines
    assert all(x.startswith("[client] ") for x in lines)

    job = Job(sender=False, compact="lDtpr", paths=["dst/"], long=["--debug=IO"])
    with Piped(tain, job, tree, env) as s:
        handshake(s)
        push(s, sent(32))
    assert s.code == 0
    said = s.err.decode().splitlines()
    assert "[server] -> PROTOCOL 32 announced=32" in said and "[server] <- DONE" in said, said
    assert all(x.startswith("[server] ") for x in said)

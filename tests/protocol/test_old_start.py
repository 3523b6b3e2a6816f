"""Protocols 20 to 26, how they begin: PRO-81 to PRO-89 (spec: protocol-old 2, 3).

What is marked "tain" is beyond rsync: it makes old programs work without an option. The limits for hostile input
(PRO-109) are in test_old_limits.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.ends import shell as real_shell
from tests.parity.tree import EPOCH
from tests.protocol import client
from tests.protocol.client import Piped, connect, pull, push
from tests.protocol.conftest import BIG, CONTENT, OLD_BIG, sent
from tests.protocol.ints import int32, plain_sum, put_int32
from tests.protocol.link import GREETING, Job, Session, enter, frame, handshake
from tests.protocol.old import address, greet, old, old_daemon, run
from tests.protocol.server import linger, shell

# ---- numbers and greetings


@pytest.mark.parametrize("p", range(20, 27))
@pytest.mark.parametrize("sender", [True, False])
def test_pro_81_servers(p: int, sender: bool, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-81: 20 to 26 are spoken by servers, in both directions."""
    with Piped(program, Job(p=p, sender=sender, compact="lDtpr", paths=["src/" if sender else "dst/"]), tree, env) as s:
        handshake(s)
        pull(s) if sender else push(s, sent(p))
    assert s.code == 0, s.err
    assert s.files == CONTENT if sender else (tree / "dst/big").read_bytes() == BIG


@pytest.mark.parametrize("p", range(20, 27))
@pytest.mark.parametrize("way", ["push", "pull"])
def test_pro_81_clients(p: int, way: str, tain: str, tree: Path, env: dict[str, str], space: Path) -> None:
    """PRO-81: and by clients, forced or by the peer's number. (rsync hangs in some of these.)"""
    talk = (lambda s: pull(s, {b"big": OLD_BIG})) if way == "push" else (lambda s: push(s, sent(p)))
    ends = ["src/", "h:dst/"] if way == "push" else ["h:src/", "dst/"]
    with shell(space, talk, p=32) as (rsh, report):
        outcome = run(tain, tree, env, "-rltp", f"--protocol={p}", "-e", rsh, *ends)
    assert outcome.code == 0 and report.error is None, (outcome, report.error)
    assert report.session.p == p and report.session.announced == p
    assert report.session.files == CONTENT if way == "push" else (tree / "dst/big").read_bytes() == BIG
    assert b"very old" not in outcome.out + outcome.err


def test_pro_81_19_is_refused_locally(program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-81: status 2, before a file is touched."""
    outcome = run(program, tree, env, "-r", "--protocol=19", "src/", "dst/")
    assert outcome.code == 2 and list((tree / "dst").iterdir()) == [], outcome


@pytest.mark.parametrize("words", [["src/", "h:dst/"], ["h:src/"]])
def test_pro_81_19_is_refused(words: list[str], program: str, tree: Path, env: dict[str, str], space: Path) -> None:
    """PRO-81: status 2, before a file is touched."""

    def talk(s: Session) -> None:
        s.wire.take(4)
        s.wire.send(put_int32(32))
        linger(s)

    with shell(space, talk, numbers=False) as (rsh, _):
        outcome = run(program, tree, env, "-r", "--protocol=19", "-e", rsh, *words)
    assert outcome.code == 2 and list((tree / "dst").iterdir()) == [], outcome


@pytest.mark.parametrize("number", [*range(20, 28), 30, 31, 32, 33, 40])
def test_pro_82_a_server_answers(number: int, tain: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-82 (tain): an old number is answered with itself, any other with our maximum."""
    with Piped(tain, Job(p=number, paths=["src/"]), tree, env) as s:
        s.wire.send(put_int32(number))
        assert int32(s.wire) == (number if number < 27 else 32)


def test_pro_82_a_cap_holds(tain: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-82: --protocol still says what is the most."""
    with Piped(tain, Job(p=26, long=["--protocol=24"], paths=["src/"]), tree, env) as s:
        handshake(s)
        assert (s.announced, s.p) == (24, 24)
        pull(s)
    assert s.code == 0 and s.files == CONTENT


def test_pro_82_the_program_of_2003(tain: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-82, 13.3: a client that gives up on a number above 30, and then sends the list of 2.5.5."""
    listed = (
        b"\x1d\x01." + put_int32(4096) + put_int32(EPOCH) + put_int32(0o40755)
        + b"\x9c\x01b" + put_int32(2) + put_int32(0o100644) + put_int32(0xFE00) + put_int32(10200978)
        + b"\xbe\x00\x01c" + put_int32(2) + put_int32(0xFE00) + put_int32(10200978)
        + b"\0" + put_int32(0)
    )  # fmt: skip
    with Piped(tain, Job(p=26, sender=False, compact="Htr", paths=["dst/"]), tree, env) as s:
        handshake(s)
        assert s.announced == 26
        s.wire.write(listed)
        # One of the two is asked for.
        n = s.ndx_in.read(s.wire)
        assert client.read_head(s, False) == (0, 0, 2, 0)
        s.wire.write(put_int32(n) + bytes(12) + put_int32(2) + b"b\n" + put_int32(0))
        s.wire.write(plain_sum("md4-unpadded", put_int32(s.seed) + b"b\n"))
        for _ in range(2):
            assert s.ndx_in.read(s.wire) == -1
            s.wire.write(put_int32(-1))
        s.wire.flush()
        assert s.ndx_in.read(s.wire) == -1
    assert s.code == 0, s.err
    assert (tree / "dst/b").read_bytes() == b"b\n"
    assert (tree / "dst/b").stat().st_ino == (tree / "dst/c").stat().st_ino


@pytest.mark.parametrize("way", ["push", "pull"])
@old
def test_pro_83_a_daemon_of_old(p: int, way: str, tain: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-83 (tain): its greeting is read first, and answered with its number."""
    talk = (lambda s: pull(s)) if way == "push" else (lambda s: push(s, sent(p)))
    with old_daemon(talk, p) as (port, report):
        ends = ["src/", address(port)] if way == "push" else [address(port), "dst/"]
        outcome = run(tain, tree, env, "-rltp", *ends)
    assert outcome.code == 0 and report.error is None, (outcome, report.error)
    assert report.session.announced == p
    assert bytes(report.session.wire.received).startswith(b"@RSYNCD: %d\nm\n" % p)
    assert report.session.files == CONTENT if way == "push" else (tree / "dst/big").read_bytes() == BIG
    assert (b"Server is very old version of rsync" in outcome.out) == (p < 25)
    # Below 30 nothing is said about abilities.
    assert [word for word in report.words if word.startswith("-") and "e." in word] == []


@pytest.mark.parametrize("number", [*range(20, 27)])
def test_pro_84_a_client_of_old(number: int, tain: str, tree: Path, daemons: dict[str, int]) -> None:
    """PRO-84 (tain): who greets first and is old is greeted with its own number, without a list."""
    line, sock = greet(daemons[tain], b"@RSYNCD: %d\n" % number)
    with sock:
        assert line == b"@RSYNCD: %d\n" % number
        sock.sendall(b"\n")
        text = sock.makefile("rb").read()
        assert text.startswith(b"m              \tthe place\n") and (b"EXIT" in text) == (number >= 25)


@pytest.mark.parametrize(
    ("said", "want"),
    [
        (b"", GREETING % 32),
        (b"@RSYNCD: ", GREETING % 32),
        (b"@RSYNCD: 31.0 sha512 md5\n", GREETING % 32),
        (b"@RSYNCD: 27\n", GREETING % 32),
        (b"nonsense\n", GREETING % 32),
        # A later program that speaks it on request has a list, and must get one.
        (b"@RSYNCD: 26.0 sha512 md5\n", GREETING % 26),
    ],
)
def test_pro_84_other_clients(said: bytes, want: bytes, tain: str, tree: Path, daemons: dict[str, int]) -> None:
    """PRO-84: a silent client is greeted as well, and one that waits with half a line."""
    line, sock = greet(daemons[tain], said)
    sock.close()
    assert line == want


def test_pro_85_too_old_for_the_number(tain: str, tree: Path, env: dict[str, str], space: Path) -> None:
    """PRO-85 (tain): the peer has announced 26 and closed: the error says what helps."""

    def talk(s: Session) -> None:
        assert int32(s.wire) > 30
        s.wire.send(put_int32(26))

    for ends in (["src/", "h:dst/"], ["h:src/", "dst/"]):
        with shell(space, talk, numbers=False) as (rsh, report):
            outcome = run(tain, tree, env, "-r", "-e", rsh, *ends)
        assert report.error is None and outcome.code == 12, outcome
        assert b"--protocol=26" in outcome.err and b"(code 12)" in outcome.err


# ---- the seed and the frames


@pytest.mark.parametrize("sender", [True, False])
@pytest.mark.parametrize("p", [20, 21, 22, 23, 24])
def test_pro_86_87_the_seed_over_a_pipe(p: int, sender: bool, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-86, PRO-87: raw at every protocol; frames from 23 on."""
    job = Job(p=p, sender=sender, compact="lDtpr", long=["--checksum-seed=7"], paths=["src/" if sender else "dst/"])
    with Piped(program, job, tree, env) as s:
        handshake(s)
        assert s.wire.received[4:8] == put_int32(7)
        pull(s) if sender else push(s, sent(p))
    assert s.code == 0, s.err
    assert bool(s.wire.frames) == (p >= 23)
    assert (b"very old version" in s.err) == (p < 25)


NOTE = b"Client is very old version of rsync, upgrade recommended.\n"


@pytest.mark.parametrize("sender", [True, False])
@pytest.mark.parametrize("p", [20, 21, 22, 23, 24, 26])
def test_pro_86_87_the_seed_of_a_daemon(
    p: int, sender: bool, program: str, tree: Path, daemons: dict[str, int]
) -> None:
    """PRO-86, PRO-87: framed on a pull below 23, at 22 on a push too."""
    job = Job(p=p, sender=sender, compact="lDtpr", paths=["m/" + ("src/" if sender else "dst/")])
    job.long = ["--checksum-seed=7"]
    s = connect(daemons[program], job)
    enter(s, "m")
    s.wire.flush()
    at = len(s.wire.received)
    handshake(s, numbers=False)
    early = sender or p == 22
    want = frame(NOTE, 2) + frame(put_int32(7)) if p < 23 and early else put_int32(7)
    assert bytes(s.wire.received[at:]).startswith(want), s.wire.received[at:]
    pull(s) if sender else push(s, sent(p))
    assert bool(s.wire.frames) == (p >= 23 or early)
    assert s.files == CONTENT if sender else (tree / "dst/big").read_bytes() == BIG


@pytest.mark.parametrize(
    ("p", "sender", "said"), [(20, True, True), (21, False, False), (22, False, True), (23, True, True)]
)
def test_pro_87_a_refusal_of_a_daemon(
    p: int, sender: bool, said: bool, tain: str, tree: Path, daemons: dict[str, int]
) -> None:
    """PRO-87: an option error is framed at once; where there are no frames the connection just ends."""
    s = connect(daemons[tain], Job(p=p, sender=sender, compact="lDtpr", long=["--no-such-option"], paths=["m/"]))
    enter(s, "m")
    s.wire.flush()
    at = len(s.wire.received)
    if p >= 23:
        assert int32(s.wire)
        at += 4
    s.wire.framed_in = said
    s.wire.gone()
    text = bytes(s.wire.received[at:])
    if not said:
        assert text == b""
        return
    assert all(tag in (1, 2) and size <= 1023 for tag, size in s.wire.frames) and s.wire.frames
    assert "no-such-option" in s.wire.texts()


@pytest.mark.parametrize("p", [20, 21, 22])
def test_pro_88_a_pull_from_rsync(p: int, tain: str, rsync: str, tree: Path, env: dict[str, str], space: Path) -> None:
    """PRO-88: the list of rules does not stay behind. (rsync itself hangs here.)"""
    rsh = str(real_shell(space))
    words = ["-rltp", f"--protocol={p}", "-e", rsh, f"--rsync-path={rsync}", f"h:{tree}/src/", "dst/"]
    outcome = run(tain, tree, env, *words)
    assert outcome.code == 0, outcome
    assert (tree / "dst/big").read_bytes() == BIG and (tree / "dst/sub/deep/f").exists()


@old
def test_pro_89_texts(p: int, tain: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-89: no tag above 2, and no text of more than 1023 bytes."""
    deep = tree / "dst"
    for _ in range(8):
        deep = deep / ("n" * 200)
    deep.mkdir(parents=True)
    (deep / "gone").write_bytes(b"")
    job = Job(p=p, sender=False, compact="vvlDtpr", long=["--delete", "--timeout=40"], paths=["dst/"], filters=[])
    with Piped(tain, job, tree, env) as s:
        handshake(s)
        push(s, sent(p))
    assert s.code == 0 and not (tree / "dst" / ("n" * 200)).exists(), s.err
    assert all(tag in (0, 1, 2) and (tag == 0 or size <= 1023) for tag, size in s.wire.frames), s.wire.frames
    said = s.wire.texts() + s.err.decode()
    assert "deleting " + "/".join(["n" * 200] * 8) + "/gone\n" in said

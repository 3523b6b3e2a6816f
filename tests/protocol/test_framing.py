"""Frames and messages: PRO-15 to PRO-22 (spec: protocol 3), and hostile ones (spec: protocol 12)."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import programs
from tests.parity.tree import picture
from tests.protocol.client import Piped, pull, push, read_lists
from tests.protocol.conftest import CONTENT, sent
from tests.protocol.link import (
    ERROR,
    ERROR_EXIT,
    ERROR_XFER,
    INFO,
    IO_ERROR,
    IO_TIMEOUT,
    NO_SEND,
    NOOP,
    SUCCESS,
    WARNING,
    Job,
    Session,
    frame,
    handshake,
)
from tests.protocol.server import daemon, end_soon, linger
from tests.protocol.test_sessions import NEVER, push_tree

PULL = ["-rltp", "--timeout=50", "{url}", "dst/"]


def run(program: str, port: int, tree: Path, env: dict[str, str], words: list[str]) -> programs.Outcome:
    url = f"rsync://127.0.0.1:{port}/m/"
    return programs.run([program, *(word.format(url=url) for word in words)], cwd=tree, env=env)


def client_meets(
    program: str,
    tree: Path,
    env: dict[str, str],
    talk: Callable[[Session], object],
    words: list[str] = PULL,
    p: int = 32,
) -> programs.Outcome:
    """A client of the program meets a server that talks like that after its handshake."""
    with daemon(talk, p=p) as (port, _):
        return run(program, port, tree, env, words)


def server_meets(
    program: str, tree: Path, env: dict[str, str], talk: Callable[[Session], object], sender: bool, p: int = 32
) -> Session:
    """The same with a server of the program."""
    path = "src/" if sender else "dst/"
    with Piped(program, Job(p=p, sender=sender, compact="lDtpr", paths=[path]), tree, env) as s:
        handshake(s)
        s.wire.flush()
        talk(s)
        s.wire.flush()
    return s


@pytest.mark.parametrize("p", [30, 32])
def test_pro_15_values_over_frames(p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-15: one byte in each frame, and an empty frame in front of each."""
    push_tree(tree)
    (tree / "dst/extra").unlink()

    def talk(s: Session) -> None:
        s.wire.piece = 1
        push(s, sent(p))

    outcome = client_meets(program, tree, env, talk, p=p)
    assert outcome.code == 0, outcome
    pictures = [picture(str(tree / d), since=NEVER, nsec=p > 30) for d in ("src", "dst")]
    assert pictures[0] == pictures[1]
    with Piped(program, Job(p=p, paths=["src/"]), tree, env) as s:
        s.wire.piece = 1
        handshake(s)
        pull(s, {b"big": b"x" * 5000})
    assert s.code == 0 and s.files == CONTENT


BAD_TAGS = [50, 5, 6, 7, 8, 9, 10, 11, 21, 103, 200, -1, -7]


@pytest.mark.parametrize("tag", BAD_TAGS)
def test_pro_16_bad_tags(tag: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-16: unknown and private tags end with status 12, at a client and at servers of both roles."""
    bad = struct.pack("<I", ((7 + tag) & 0xFF) << 24 | 4) + b"\1\0\0\0"

    def talk(s: Session) -> None:
        s.wire.send(bad)
        linger(s)

    outcome = client_meets(program, tree, env, talk)
    assert outcome.code == 12, outcome
    for sender in (True, False):
        s = server_meets(program, tree, env, lambda s: s.wire.send(bad), sender)
        assert s.code == 12, (sender, s.err)


@pytest.mark.parametrize("tag", [ERROR_XFER, INFO, ERROR, WARNING])
@pytest.mark.parametrize("size", [5119, 5120, 0xFFFFFF])
def test_pro_17_long_texts(tag: int, size: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-17: 5119 bytes are a text, 5120 end with status 12, and not one byte of them is waited for."""

    def talk(s: Session) -> None:
        s.wire.send(frame(bytes(size), tag)[:4])
        if size == 5119:
            s.wire.send(b"t" * 5118 + b"\n")
            push(s, sent(32))
        else:
            linger(s)

    outcome = client_meets(program, tree, env, talk)
    if size == 5119:
        assert outcome.code == (23 if tag == ERROR_XFER else 0), outcome
        assert b"t" * 5118 in (outcome.out if tag == INFO else outcome.err)
    else:
        assert outcome.code == 12, outcome


@pytest.mark.parametrize("tag", [IO_ERROR, IO_TIMEOUT, SUCCESS, NO_SEND, NOOP, ERROR_EXIT])
@pytest.mark.parametrize("size", [0, 1, 3, 5, 8, 5000])
def test_pro_18_sizes(tag: int, size: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-18: IO_ERROR with one byte, and every other fixed-size message of another size, end with status 12."""
    if size == 0 and tag in (NOOP, ERROR_EXIT):
        return
    if size == 4 and tag != NOOP:
        return

    def talk(s: Session) -> None:
        s.wire.send(frame(bytes(size), tag))
        linger(s)

    assert client_meets(program, tree, env, talk).code == 12


@pytest.mark.parametrize("code", [7, 1, 255])
def test_pro_19_error_exit(code: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-19: the reader ends with the status that is carried."""

    def talk(s: Session) -> None:
        s.wire.message(ERROR_EXIT, struct.pack("<i", code))
        # rsync waits for the end of our stream, up to its timeout.
        end_soon(s)

    assert client_meets(program, tree, env, talk).code == code
    s = server_meets(program, tree, env, lambda s: s.wire.message(ERROR_EXIT, struct.pack("<i", code)), True)
    assert s.code == code


@pytest.mark.parametrize("p", [27, 29, 30, 32])
def test_pro_20_error_xfer(p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-20: an otherwise clean run ends with status 23."""

    def talk(s: Session) -> None:
        s.wire.message(ERROR_XFER, b"a small matter\n")
        push(s, sent(p))

    outcome = client_meets(program, tree, env, talk, p=p)
    assert outcome.code == 23 and b"a small matter\n" in outcome.err, outcome
    assert (tree / "dst/a").read_bytes() == b"hello"


@pytest.mark.parametrize("value", [0, -1, 86401, -0x80000000, 0x7FFFFFFF])
def test_pro_21_odd_timeouts(value: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-21: ignored."""

    def talk(s: Session) -> None:
        s.wire.message(IO_TIMEOUT, struct.pack("<i", value))
        time.sleep(0.3)
        push(s, sent(32))

    outcome = client_meets(program, tree, env, talk, ["-rltp", "{url}", "dst/"])
    assert outcome.code == 0, outcome


@pytest.mark.parametrize("own", [[], ["--timeout=50"]])
def test_pro_21_a_timeout_is_adopted(own: list[str], program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-21: where there was none or a larger one."""

    def talk(s: Session) -> None:
        s.wire.message(IO_TIMEOUT, struct.pack("<i", 1))
        linger(s)

    outcome = client_meets(program, tree, env, talk, ["-rltp", *own, "{url}", "dst/"])
    assert outcome.code == 30, outcome


def test_pro_21_a_larger_timeout_is_not(program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-21: the client's own smaller one stays."""

    def talk(s: Session) -> None:
        s.wire.message(IO_TIMEOUT, struct.pack("<i", 3600))
        linger(s)

    outcome = client_meets(program, tree, env, talk, ["-rltp", "--timeout=1", "{url}", "dst/"])
    assert outcome.code == 30, outcome


def test_pro_22_keep_alives(program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-22: with --timeout=2 an idle sender writes an empty data frame each second."""
    job = Job(paths=["src/"], long=["--timeout=2"])
    with Piped(program, job, tree, env) as s:
        handshake(s)
        read_lists(s)
        before = s.wire.frames.count((0, 0))
        start = time.monotonic()
        while s.wire.frames.count((0, 0)) == before:
            s.wire.next_frame()
        assert time.monotonic() - start < 1.9


# ---- truncated and oversized


@pytest.mark.parametrize("cut", range(1, 4))
def test_an_end_within_a_header(cut: int, program: str, tree: Path, env: dict[str, str]) -> None:
    outcome = client_meets(program, tree, env, lambda s: s.wire.send(frame(b"abcd")[:cut]))
    assert outcome.code == 12, outcome


def test_the_longest_frame(program: str, tree: Path, env: dict[str, str]) -> None:
    """A frame of 2^24-1 bytes is data like any other: here a list that begins with nonsense."""

    def talk(s: Session) -> None:
        s.wire.send(struct.pack("<I", 7 << 24 | 0xFFFFFF) + b"\xff" * 100)
        linger(s)

    outcome = client_meets(program, tree, env, talk)
    assert outcome.code in (2, 12, 22), outcome

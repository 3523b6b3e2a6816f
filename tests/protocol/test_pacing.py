"""CCH-1: a sender lists ahead in bursts, and does not send each answer to the end of a list alone.

spec: protocol 5.10
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests import programs
from tests.interop.ends import Daemon, shell
from tests.protocol.client import Piped, done, read_list, read_lists
from tests.protocol.ints import varint, x30long
from tests.protocol.link import DEL_STATS, DONE, FLIST_EOF, OFFSET, Job, Session, handshake

DIRECTORIES, FILES = 5000, 2
"""15,001 entries with the directories: more than the sender lists ahead before it waits."""
#: Seconds that an answer may wait for other output.
PACE = 0.02


@pytest.fixture(scope="module")
def wide() -> Iterator[Path]:
    """s/ has many small directories. In memory where that is possible: many files are made."""
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None
    base = Path(tempfile.mkdtemp(prefix="tain-pacing-", dir=where))
    base.chmod(0o755)
    for n in range(DIRECTORIES):
        folder = base / f"s/d{n:04}"
        folder.mkdir(parents=True)
        for k in range(FILES):
            (folder / f"f{k}").write_bytes(b"")
    yield base
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def copy(wide: Path) -> Iterator[Path]:
    """A place for a copy beside it."""
    where = wide / "d"
    where.mkdir()
    yield where
    shutil.rmtree(where)


class Receiver:
    """A receiver that asks for no file."""

    def __init__(self, s: Session) -> None:
        self.s, self.ended, self.finished, self.answered = s, False, 0, 0
        read_lists(s)

    def take(self) -> None:
        """One thing from the sender."""
        n = self.s.ndx_in.read(self.s.wire)
        if n == FLIST_EOF:
            self.ended = True
        elif n <= OFFSET:
            read_list(self.s, OFFSET - n)
        else:
            assert n == DONE
            self.answered += 1

    def finish(self) -> bool:
        """Send the end of the next list at once; false if there is none."""
        while not self.ended and self.finished >= len(self.s.lists) - 1:
            self.take()
        if self.finished == len(self.s.lists):
            return False
        done(self.s)
        self.s.wire.flush()
        self.finished += 1
        return True

    def rest(self) -> None:
        """The ends of all other lists, and what follows them."""
        s, w = self.s, self.s.wire
        while self.finish():
            pass
        while self.answered < len(s.lists):
            self.take()
        for _ in range(3 if s.p >= 31 else 2):
            done(s)
        for _ in range(2):
            assert s.ndx_in.read(w) == DONE
        s.stats = [x30long(w, s.p) for _ in range(5)]
        if s.p >= 31:
            while (n := s.ndx_in.read(w)) != DONE:
                assert n == DEL_STATS
                s.deleted = [varint(w) for _ in range(5)]
        done(s)
        w.flush()
        assert w.rest() == b""


@pytest.mark.parametrize("p", [30, 31, 32])
def test_a_client_that_waits_for_each_answer(p: int, wide: Path, tain: str, env: dict[str, str]) -> None:
    waits = []
    with Piped(tain, Job(p=p, inc=True, paths=["s/"]), wide, env) as s:
        handshake(s)
        receiver = Receiver(s)
        for n in range(1, 41):
            assert receiver.finish()
            start = time.monotonic()
            while receiver.answered < n:
                receiver.take()
            waits.append(time.monotonic() - start)
        receiver.rest()
    assert (s.code, s.err) == (0, b"")
    assert len(s.lists) == receiver.answered == DIRECTORIES + 1
    assert sorted(s.names()) == sorted(
        [b".", *(b"d%04d" % n for n in range(DIRECTORIES))]
        + [b"d%04d/f%d" % (n, k) for n in range(DIRECTORIES) for k in range(FILES)]
    )
    # Half of the answers come in time, however busy the machine is; other output may wait for half a second.
    assert statistics.median(waits) < 5 * PACE


def test_answers_share_frames(wide: Path, tain: str, env: dict[str, str]) -> None:
    """Ends of lists that come one by one are not answered one by one."""
    with Piped(tain, Job(inc=True, paths=["s/"]), wide, env) as s:
        handshake(s)
        receiver = Receiver(s)
        start = time.monotonic()
        for _ in range(1000):
            assert receiver.finish()
            time.sleep(0.0005)
        while receiver.answered < 1000:
            receiver.take()
        took = time.monotonic() - start
        size, frames = len(s.wire.received), len(s.wire.frames)
        receiver.rest()
    assert (s.code, s.err) == (0, b"")
    assert frames < took / PACE + size / 16384 + 50


def traced(program: str, place: Path, words: Sequence[str], env: dict[str, str]) -> tuple[programs.Outcome, int]:
    """A pull over a remote shell whose server is traced: its outcome, and how often the server wrote."""
    trace = place / "trace"
    server = place / "server"
    server.write_text(f'#!/bin/sh\nexec strace -f -o {trace} -e trace=write,writev,sendmsg,sendto {program} "$@"\n')
    server.chmod(0o755)
    run = programs.run(
        [words[0], "-e", str(shell(place)), f"--rsync-path={server}", *words[1:]], cwd=place, env=env, limit=120
    )
    return run, len(re.findall(r"^\d+ +(?:writev|send\w+)\(", trace.read_text(), re.M))


@pytest.mark.parametrize("receiver", ["rsync", "tain"])
def test_writes_of_an_unchanged_tree(
    receiver: str, request: pytest.FixtureRequest, wide: Path, copy: Path, tain: str, place: Path, env: dict[str, str]
) -> None:
    programs.need("strace")
    peer: str = request.getfixturevalue(receiver)
    assert programs.run(["cp", "-a", f"{wide}/s/.", str(copy)], cwd=place, env=env).code == 0
    run, writes = traced(tain, place, [peer, "-ai", f"h:{wide}/s/", f"{copy}/"], env)
    assert (run.code, run.out, run.err) == (0, b"", b"")
    assert 0 < writes <= DIRECTORIES / 50


@pytest.mark.parametrize(
    ("p", "more"),
    [
        (29, "--delete"),
        (30, "--delay-updates -H"),
        (31, "--delete --bwlimit=100000"),
        (32, "--timeout=2 -vvv"),
        (32, "--no-inc-recursive"),
        (32, ""),
    ],
)
def test_small_buffers_and_stock_clients(
    p: int, more: str, wide: Path, copy: Path, tain: str, rsync: str, space: Path, place: Path, env: dict[str, str]
) -> None:
    """Neither end waits for the other for ever. (With buffers below 4096 bytes rsync's daemon needs 14 s as well.)"""
    small = "SO_SNDBUF=4096,SO_RCVBUF=4096"
    config = f"use chroot = no\nsocket options = {small}\n[m]\npath = {wide}\n"
    (copy / "extra").write_bytes(b"x")
    with Daemon(tain, space, env, config, "pacing") as daemon:
        words = [rsync, "-a", f"--protocol={p}", f"--sockopts={small}", *more.split()]
        run = programs.run([*words, f"rsync://127.0.0.1:{daemon.port}/m/s/", f"{copy}/"], cwd=place, env=env, limit=120)
    assert (run.code, run.err) == (0, b"")
    names = {x.name for x in (wide / "s").iterdir()} | (set() if "--delete" in more else {"extra"})
    assert {x.name for x in copy.iterdir()} == names
    assert sum(1 for _ in copy.glob("*/*")) == DIRECTORIES * FILES

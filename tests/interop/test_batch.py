"""Batches written by each program, over each kind of connection, and read by each (spec: protocol 11)."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import programs
from tests.interop.ends import Daemon, shell
from tests.parity.tree import Dir, File, Tree, build, filler, picture, wipe
from tests.sampling import sample

BIG = filler(b"batches", 200_000)
EDITED = BIG[:50_000] + b"inserted" + BIG[50_000:120_000] + b"CHANGED" + BIG[120_007:]
SOURCE: Tree = [
    "src/a=new src/same;n=5 src/empty= src/d/e/f src/d/g;m=0600 src/h/ src/l->a src/own;o=5.6 src/one",
    "src/d/two=>src/one",
    File("src/big", content=EDITED),
    File("src/hole", size=200_000, pieces=((100_000, b"middle"),)),
    *(f"src/many/f{n}" for n in range(30)),
    File("L", content=b"a\nd/e/f\nbig\n"),
]
OLD: Tree = [
    "dst/a=older;t=-5 dst/same;n=5 dst/gone dst/d/old dst/d/g;m=0644",
    File("dst/big", content=BIG, time=-9),
]

SETS: dict[str, tuple[str, str]] = {
    # What the batch is written with, and what it is read with besides.
    "a": ("-a", "-a"),
    "rlt": ("-rlt", "-rlt"),
    "z": ("-az", "-a"),
    "c": ("-ac", "-a"),
    "delete": ("-a --delete", "-a --delete"),
    "delete-after": ("-a --delete-after", "-a --delete-after"),
    "H": ("-aH", "-aH"),
    "AX": ("-aAX", "-aAX"),
    "W": ("-aW", "-a"),
    "no-W": ("-a --no-whole-file -B900", "-a"),
    "no-inc": ("-a --no-inc-recursive", "-a --no-inc-recursive"),
    "inplace": ("-a --inplace", "-a"),
    "S": ("-aS", "-aS"),
    "rules": ("-a --exclude=f1* --include=g", "-a"),
    "numeric": ("-a --numeric-ids", "-a --numeric-ids"),
    "only": ("-a --delete", "-a --delete"),
}
CASES = [(32, name) for name in SETS] + [(p, n) for p in (31, 30, 29, 28, 27) for n in ("a", "z", "delete", "inplace")]
# A reader cannot know these choices unless it is given them. A local server refuses them, so they run over a link only.
VIAS = ["local", "push shell", "pull shell", "push daemon", "pull daemon"]
CHOICES = ["--zc=zstd", "--zc=lz4", "-zz", "--cc=xxh128", "--cc=sha1"]


@dataclass
class Made:
    """What a run that wrote a batch left."""

    code: int
    err: str
    batch: bytes
    script: str
    tree: dict[str, str]


class Place:
    """A tree to copy from, one to copy to, and what writes and reads batches of it."""

    def __init__(self, space: Path, run: dict[str, str], daemon: Daemon | None) -> None:
        self.space, self.run, self.daemon = space, run, daemon
        self.work = space / "b"
        self.env = programs.environment(str(space))

    def fresh(self) -> None:
        wipe(self.work)
        build(str(self.work), [*SOURCE, *OLD])

    def write(self, who: str, via: str, options: str, kind: str = "--write-batch") -> Made:
        self.fresh()
        ends = ["./src/", "dst/"]
        link: list[str] = []
        if via != "local":
            way, via = via.split()
            at = 1 if way == "push" else 0
            peer = "rsync"
            if via == "shell":
                ends[at] = f"h:{self.work}/{ends[at].removeprefix('./')}"
                link = ["-e", str(shell(self.space)), f"--rsync-path={self.run[peer]}"]
            else:
                assert self.daemon
                ends[at] = f"rsync://127.0.0.1:{self.daemon.port}/m/{ends[at].removeprefix('./')}"
        since = time.time()
        outcome = programs.run(
            [self.run[who], *options.split(), *link, f"{kind}=b", *ends], cwd=self.work, env=self.env
        )
        batch, script = self.work / "b", self.work / "b.sh"
        return Made(
            outcome.code,
            outcome.err.decode("utf-8", "backslashreplace"),
            batch.read_bytes() if batch.exists() else b"",
            script.read_text() if script.exists() else "",
            picture(str(self.work / "dst"), since=since),
        )

    def read(self, who: str, made: Made, options: str) -> tuple[int, str, dict[str, str]]:
        self.fresh()
        (self.work / "b").write_bytes(made.batch)
        since = time.time()
        outcome = programs.run(
            [self.run[who], *options.split(), "--read-batch=b", "dst/"], cwd=self.work, env=self.env, limit=20
        )
        err = outcome.err.decode("utf-8", "backslashreplace")
        return outcome.code, err, picture(str(self.work / "dst"), since=since)


@pytest.fixture
def batches(space: Path, tain: str, rsync: str) -> Iterator[Place]:
    programs.need_root()
    config = f"use chroot = no\nuid = 0\ngid = 0\nread only = no\nmunge symlinks = no\n[m]\npath = {space}/b\n"
    env = programs.environment(str(space))
    (space / "b").mkdir(exist_ok=True)
    with Daemon(rsync, space, env, config, "batch") as daemon:
        yield Place(space, {"rsync": rsync, "tain": tain}, daemon)


def swap(place: Place, via: str, writing: str, reading: str, kind: str = "--write-batch") -> None:
    found: list[str] = []
    right = place.write("rsync", via, writing)
    for writer in ("rsync", "tain"):
        made = place.write(writer, via, writing, kind)
        if made.code or made.err:
            found.append(f"{writer} writes: exit {made.code}: {made.err}")
            continue
        if kind == "--write-batch" and made.tree != right.tree:
            found.append(f"{writer} writes: another tree than rsync makes")
        for reader in ("rsync", "tain"):
            code, err, tree = place.read(reader, made, reading)
            if code or err or tree != right.tree:
                gone = [f"{k} {v}" for k, v in right.tree.items() if tree.get(k) != v][:4]
                found.append(f"written by {writer}, read by {reader}: exit {code} {err} not so: {gone}")
    if found:
        pytest.fail("\n".join([f"{kind} {writing} ({via})", *found]), pytrace=False)


@pytest.mark.parametrize(
    ("case", "via"), sample("INTEROP", {f"{p}-{name}": (p, name) for p, name in CASES}, VIAS, times=1)
)
def test_a_batch_of_one_program_is_read_by_the_other(case: tuple[int, str], via: str, batches: Place) -> None:
    """PRO-79"""
    protocol, name = case
    writing, reading = SETS[name]
    kind = "--only-write-batch" if name == "only" else "--write-batch"
    if protocol < 29:
        # Such a header has no room for it, so the reader needs the option for compressed data.
        reading = writing
    swap(batches, via, writing + (f" --protocol={protocol}" if protocol != 32 else ""), reading, kind)


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("way", ["push", "pull"])
def test_a_reader_needs_the_same_choice(way: str, choice: str, batches: Place) -> None:
    swap(batches, f"{way} shell", f"-a {choice}", f"-a {choice}")


@pytest.mark.parametrize("protocol", [27, 28, 29, 30, 31, 32])
@pytest.mark.parametrize("via", ["local", "push shell", "pull shell"])
def test_the_stream_is_the_same_up_to_the_figures(via: str, protocol: int, batches: Place) -> None:
    """One entry per directory, so that no order is left free; only counts of bytes and times at the end may differ.

    PRO-80: the statistics and the last DONE follow whoever sends.
    """
    made = {}
    for who in ("rsync", "tain"):
        batches.fresh()
        shutil.rmtree(batches.work / "src")
        build(str(batches.work), ["src/d/e/f", Dir("src", time=3), Dir("src/d", time=4), Dir("src/d/e", time=5)])
        batches.fresh = lambda: None  # type: ignore[method-assign]
        try:
            options = f"-a --protocol={protocol} --checksum-seed=7 --delete"
            made[who] = batches.write(who, via, options)
        finally:
            del batches.fresh
        assert (made[who].code, made[who].err) == (0, "")
    mine, theirs = made["tain"].batch, made["rsync"].batch
    assert len(mine) == len(theirs)
    # Five numbers of three bytes or more, the DONE, and on a pull the deletions.
    free = 30 if protocol >= 30 else 24
    assert mine[:-free] == theirs[:-free]
    if protocol >= 31:
        assert mine[-1:] == theirs[-1:] == b"\0"
    assert made["tain"].script.split(" ", 1)[1] == made["rsync"].script.split(" ", 1)[1]


def test_a_batch_is_read_from_a_pipe_and_from_standard_input(batches: Place) -> None:
    """OPT-38"""
    made = batches.write("tain", "local", "-a")
    tain = batches.run["tain"]
    batches.fresh()
    outcome = programs.run([tain, "-a", "--read-batch=-", "dst/"], cwd=batches.work, env=batches.env, stdin=made.batch)
    assert (outcome.code, outcome.err) == (0, b"")
    assert (batches.work / "dst/big").read_bytes() == EDITED
    batches.fresh()
    (batches.work / "b").write_bytes(made.batch)
    os.mkfifo(batches.work / "pipe")
    outcome = programs.run(
        ["sh", "-c", f"cat b > pipe & {tain} -a --read-batch=pipe dst/; wait"], cwd=batches.work, env=batches.env
    )
    assert (outcome.code, outcome.err) == (0, b"")
    assert (batches.work / "dst/big").read_bytes() == EDITED


def test_the_script_replays(batches: Place) -> None:
    made = batches.write("tain", "local", "-a --delete --exclude=gone")
    batches.fresh()
    (batches.work / "b").write_bytes(made.batch)
    (batches.work / "b.sh").write_text(made.script)
    (batches.work / "b.sh").chmod(0o700)
    for arguments in ([], ["./other"]):
        shutil.copytree(batches.work / "dst", batches.work / "other", symlinks=True, dirs_exist_ok=True)
        outcome = programs.run(["sh", "./b.sh", *arguments], cwd=batches.work, env=batches.env)
        assert (outcome.code, outcome.err) == (0, b"")
        place = batches.work / (arguments[0] if arguments else "dst")
        assert (place / "big").read_bytes() == EDITED
        assert (place / "gone").exists() and not (place / "d/old").exists()
        batches.fresh()
        (batches.work / "b").write_bytes(made.batch)
        (batches.work / "b.sh").write_text(made.script)
        (batches.work / "b.sh").chmod(0o700)


def test_another_basis_is_an_error(batches: Place) -> None:
    """Where rsync waits for a second try that no batch can bring, or ends as if all was well."""
    made = batches.write("rsync", "local", "-a")
    batches.fresh()
    (batches.work / "b").write_bytes(made.batch)
    with (batches.work / "dst/big").open("r+b") as file:
        file.write(b"not what the batch was made for")
    outcome = programs.run([batches.run["tain"], "-av", "--read-batch=b", "dst/"], cwd=batches.work, env=batches.env)
    assert outcome.code == 23
    assert b"WARNING: big failed verification -- update discarded (may try again).\n" in outcome.err
    assert b'(No batched update for "big")\n' in outcome.err
    assert (batches.work / "dst/big").read_bytes() != EDITED
    assert (batches.work / "dst/a").read_bytes() == b"new"


def test_a_batch_that_ends_early(batches: Place) -> None:
    made = batches.write("rsync", "local", "-a")
    for share in (3, 10, 20, len(made.batch) // 2, len(made.batch) - 1):
        batches.fresh()
        (batches.work / "b").write_bytes(made.batch[:share])
        outcome = programs.run([batches.run["tain"], "-a", "--read-batch=b", "dst/"], cwd=batches.work, env=batches.env)
        assert outcome.code == 12, (share, outcome)


def test_a_batch_that_cannot_be_written(batches: Place) -> None:
    batches.fresh()
    os.symlink("/dev/full", batches.work / "b")
    outcome = programs.run(
        [batches.run["tain"], "-a", "--write-batch=b", "src/", "dst/"], cwd=batches.work, env=batches.env
    )
    assert outcome.code == 12
    assert b"bytes to batch file: No space left on device (28)\n" in outcome.err

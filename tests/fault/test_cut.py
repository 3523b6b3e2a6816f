"""A connection that ends after so many bytes: both programs report the same, and keep the same part of the file."""

from __future__ import annotations

import os
import random
import re
import sys
from pathlib import Path

import pytest

from tests import programs
from tests.parity.tree import wipe
from tests.sampling import sample

CUT = """
import os, subprocess, sys, threading, time
way, left, said, command = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[5:]
for number in (0, 1):
    # The client may have left its end so that writing does not wait.
    os.set_blocking(number, True)
child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(said, "wb"))
def copy(source, target, left):
    while left and (data := os.read(source, min(65536, left))):
        left -= len(data)
        while data:
            data = data[os.write(target, data):]
def outward():
    copy(child.stdout.fileno(), 1, left if way == "pull" else 1 << 60)
    if way == "pull":
        # Whoever is cut off has done by then what it can do without more.
        time.sleep(0.5)
        child.kill()
        os._exit(0)
def inward():
    copy(0, child.stdin.fileno(), left if way == "push" else 1 << 60)
    time.sleep(0.5)
    child.stdin.close()
threading.Thread(target=outward, daemon=True).start()
if way == "push":
    inward()
    child.wait()
    os._exit(0)
threading.Thread(target=inward, daemon=True).start()
time.sleep(60)
"""
DATA = random.Random(1).randbytes(200_000)
OLD = 1_000_000_000
NEW = 1_500_000_000


def ended(
    work: Path, program: str, rsync: str, way: str, left: int, words: list[str]
) -> tuple[str, dict[str, tuple[int, bool]]]:
    """What the receiving side says when *left* bytes have come, and which files it has: size, and dated as old."""
    wipe(work)
    for name in ("src", "dst"):
        (work / name).mkdir(parents=True)
    (work / "src/a").write_bytes(b"first")
    (work / "src/big").write_bytes(DATA)
    # A list is shorter by the times that entries have in common, and the cut would fall somewhere else.
    for path in (work / "src/a", work / "src/big", work / "src"):
        os.utime(path, (NEW, NEW))
    (work / "cut.py").write_text(CUT)
    client, server = (program, rsync) if way == "pull" else (rsync, program)
    shell = f"{sys.executable} {work}/cut.py {way} {left} {work}/said"
    ends = [f"h:{work}/src/", "dst/"] if way == "pull" else ["src/", f"h:{work}/dst/"]
    command = [client, "-a", "--checksum-seed=1", *words, "-e", shell, f"--rsync-path={server}", *ends]
    outcome = programs.run(command, cwd=work, env=programs.environment(str(work)))
    said = outcome.err if way == "pull" else (work / "said").read_bytes()
    if way == "pull":
        assert outcome.code == 12, outcome
    text = re.sub(r"\(\d+ bytes received", "(N bytes received", said.decode())
    text = re.sub(r" at \S+\(\d+\)", " at PLACE", text)
    found = {path.name: path.stat() for path in (work / "dst").rglob("*") if path.is_file()}
    return text, {name: (info.st_size, info.st_mtime < OLD) for name, info in found.items()}


LEFT = {str(count): count for count in (60, 400, 50_000, 150_000)}
PROTOCOLS = {str(p): p for p in (29, 31, 32)}


@pytest.mark.parametrize(("way", "left", "p"), sample("FAULT", ["push", "pull"], LEFT, PROTOCOLS, times=3))
def test_both_halves_of_a_receiving_side_report(
    way: str, left: int, p: int, space: Path, tain: str, rsync: str
) -> None:
    """OUT-14.6: the generator of a client says that it was left alone, after its receiver; that of a server instead."""
    work = space / "work"
    words = [f"--protocol={p}"]
    assert ended(work, tain, rsync, way, left, words) == ended(work, rsync, rsync, way, left, words)


def test_the_line_of_a_list_is_ended(space: Path, tain: str, rsync: str) -> None:
    """What is said while a list arrives begins a line of its own."""
    work = space / "work"
    words = ["--protocol=31", "-v", "--no-inc-recursive"]
    said = ended(work, tain, rsync, "pull", 60, words)[0]
    assert said == ended(work, rsync, rsync, "pull", 60, words)[0]
    assert said.startswith("\nrsync: connection unexpectedly closed"), said


@pytest.mark.parametrize("options", ["--partial", "--partial --inplace", "--partial-dir=.p", "--partial -z --zc=zlib"])
@pytest.mark.parametrize("way", ["push", "pull"])
def test_what_came_is_kept(way: str, options: str, space: Path, tain: str, rsync: str) -> None:
    """TRF-6.1: all data that came is in what --partial keeps, however little it is."""
    work = space / "work"
    words = ["--protocol=29", *options.split()]
    files = ended(work, tain, rsync, way, 100_000, words)[1]
    assert files == ended(work, rsync, rsync, way, 100_000, words)[1]
    assert 50_000 < files["big"][0] < len(DATA), files

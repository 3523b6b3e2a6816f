"""A run that is killed at any moment leaves the old file or the new one at the live name; the next does the rest."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests import programs
from tests.interop.ends import shell
from tests.parity.tree import filler, picture
from tests.sampling import sample

SIZE = 20_000_000


def prepare(place: Path) -> tuple[bytes, bytes]:
    old, new = filler(b"old", SIZE), filler(b"new", SIZE)
    for name, content in (("src", new), ("dst", old)):
        (place / name).mkdir()
        (place / name / "big").write_bytes(content)
        for number in range(50):
            (place / name / f"f{number}").write_bytes(content[: 1000 + number])
    os.utime(place / "dst/big", (1, 1))
    # A copy that was changed within the second of its source would count as having its time already.
    os.utime(place / "src", (10**9, 10**9))
    return old, new


SIGNALS = {str(int(sign)): sign for sign in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)}
SEEDS = {str(seed): seed for seed in range(4)}


@pytest.mark.parametrize(("seed", "sign", "how"), sample("FAULT", SEEDS, SIGNALS, ["local", "push", "pull"], times=3))
def test_killed(how: str, sign: signal.Signals, seed: int, place: Path, space: Path, tain: str, rsync: str) -> None:
    old, new = prepare(place)
    remote = ["-e", str(shell(space)), f"--rsync-path={rsync}"]
    words = {
        "local": ["src/", "dst/"],
        "push": [*remote, "src/", f"h:{place}/dst/"],
        "pull": [*remote, f"h:{place}/src/", "dst/"],
    }[how]
    env = programs.environment(str(space))
    # Without --whole-file the run reads and hashes both files, which leaves time to be killed at different points.
    command = [tain, "-a", "--no-whole-file", "--checksum", *words]
    process = subprocess.Popen(
        command, cwd=place, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    # Before its own handlers are there, an interrupt belongs to the interpreter.
    earliest = 0.25 if sign == signal.SIGINT else 0.03
    time.sleep(earliest + random.Random(f"{how}{seed}").random() * 0.5)
    process.send_signal(sign)
    out, err = process.communicate(timeout=30)
    if process.returncode not in (0, -sign):
        assert process.returncode == 20, (process.returncode, out, err)
    assert b"panicked" not in err and b"Traceback" not in err, err
    end = time.monotonic() + 60
    # The other end notices a moment later.
    while time.monotonic() < end and any(name.startswith(".") for name in os.listdir(place / "dst")):
        if sign == signal.SIGKILL and how != "push":
            break
        time.sleep(0.05)
    leftover = [name for name in os.listdir(place / "dst") if name.startswith(".")]
    if sign != signal.SIGKILL:
        assert not leftover, f"temporary files are left: {leftover}"
    for name in os.listdir(place / "src"):
        content = (place / "dst" / name).read_bytes()
        length = len((place / "src" / name).read_bytes())
        assert content in (old[:length], new[:length]), f"{name} is neither old nor new"
    for _ in range(3):
        outcome = programs.run([tain, "-a", "--checksum", "--delete", *words], cwd=place, env=env)
        assert outcome.code == 0, outcome
        left, right = (picture(str(place / side), since=1e12) for side in ("src", "dst"))
        if left == right:
            return
        # The other end of the killed run was still tidying up.
        time.sleep(0.5)
    assert left == right


def test_partial_is_kept(place: Path, space: Path, tain: str, rsync: str) -> None:
    """With --partial an interrupted pull leaves what came, marked as old by its time."""
    prepare(place)
    (place / "dst/big").unlink()
    words = ["-e", str(shell(space)), f"--rsync-path={rsync}", "--bwlimit=4m", f"h:{place}/src/big", "dst/"]
    env = programs.environment(str(space))
    process = subprocess.Popen([tain, "-a", "--partial", *words], cwd=place, env=env, stderr=subprocess.PIPE)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 20, err
    info = (place / "dst/big").stat()
    assert 0 < info.st_size < SIZE
    assert int(info.st_mtime) == 0
    assert not [name for name in os.listdir(place / "dst") if name.startswith(".")]


@pytest.mark.parametrize("how", ["local", "pull"])
def test_out_19_vanished_and_growing(how: str, place: Path, space: Path, tain: str, rsync: str) -> None:
    """A source that changes while it is read gives a whole copy of some state, or an error, never silence."""
    programs.need_root()
    (place / "src").mkdir()
    for number in range(400):
        (place / f"src/f{number}").write_bytes(b"x" * number)
    remote = ["-e", str(shell(space)), f"--rsync-path={rsync}"]
    words = ["src/", "dst/"] if how == "local" else [*remote, f"h:{place}/src/", "dst/"]
    process = subprocess.Popen(
        [tain, "-a", *words], cwd=place, env=programs.environment(str(space)), stderr=subprocess.PIPE
    )
    for number in range(0, 400, 3):
        (place / f"src/f{number}").unlink()
        with open(place / f"src/f{number + 1}", "ab") as file:
            file.write(b"more")
    _, err = process.communicate(timeout=60)
    assert process.returncode in (0, 23, 24), err
    if process.returncode == 24:
        assert b"file has vanished" in err and b"rsync warning: some files vanished" in err.replace(b"tain", b"rsync")
    for name in os.listdir(place / "dst"):
        assert not name.startswith("."), name

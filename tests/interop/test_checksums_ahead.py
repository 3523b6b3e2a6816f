"""``-c`` with files large enough to be read ahead by several threads: the same files, lines and order as rsync."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from tests import programs
from tests.interop.ends import shell
from tests.programs import PEER, PROGRAM, need

SIZE = 150_000


def make(home: Path) -> None:
    """Sixty files in two directories; of every fifth the contents differ, though size and time do not."""
    chance = random.Random(11)
    for number in range(60):
        path = home / f"src/{'ab'[number % 2]}/{number:02}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(SIZE))
        os.utime(path, (1_700_000_000,) * 2)
    for directory in (home / "src/a", home / "src/b", home / "src"):
        os.utime(directory, (1_700_000_000,) * 2)
    shutil.copytree(home / "src", home / "old")
    for number in range(0, 60, 5):
        path = home / f"old/{'ab'[number % 2]}/{number:02}"
        with path.open("r+b") as file:
            file.seek(number * 1000)
            file.write(b"other")
        os.utime(path, (1_700_000_000,) * 2)
    (home / "old/a/02").unlink()
    (home / "old/a/04").write_bytes(b"short")
    (home / "old/b/01").unlink()
    (home / "old/b/01").mkdir()
    (home / "old/b/03").unlink()
    (home / "old/b/03").symlink_to("05")


WAYS = {
    "local": ("src/", "dst/"),
    "push": ("src/", "h:{home}/dst/"),
    "pull": ("h:{home}/src/", "dst/"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "options", [[], ["--no-inc-recursive"], ["--update"], ["--inplace"], ["-n"], ["--max-size=100k"]]
)
def test_the_same_as_rsync(way: str, options: list[str], tmp_path: Path) -> None:
    need("rsync")
    make(tmp_path)
    found = []
    for program in (PEER, PROGRAM):
        assert program
        shutil.rmtree(tmp_path / "dst", ignore_errors=True)
        shutil.copytree(tmp_path / "old", tmp_path / "dst", symlinks=True)
        ends = [end.format(home=tmp_path) for end in WAYS[way]]
        remote = [] if way == "local" else ["-e", str(shell(tmp_path)), f"--rsync-path={program}"]
        end = programs.run(
            [program, "-aci", *options, *remote, *ends], cwd=tmp_path, env=programs.environment(str(tmp_path))
        )
        tree = {
            str(path.relative_to(tmp_path / "dst")): path.is_symlink() or path.is_dir() or path.read_bytes()
            for path in sorted((tmp_path / "dst").rglob("*"))
        }
        found.append((end.code, end.out, end.err, tree))
    assert found[0] == found[1]
    assert found[0][0] == 0
    if not options:
        lines = found[1][1].decode().splitlines()
        changed = [line.split()[1] for line in lines if line.startswith((">f", "<f"))]
        expected = {f"{'ab'[n % 2]}/{n:02}" for n in [*range(0, 60, 5), 1, 2, 3, 4]}
        assert set(changed) == expected

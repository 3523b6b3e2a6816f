"""When a file counts as transferred: after its last step. Its source is removed, and the log and a program's records
name it, only if it stands whole under its name (spec: transfer 6, 13).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import tain as api
from tests import programs
from tests.fault.changing import WAYS, Caught, content, normal, words


@contextmanager
def immovable(path: Path) -> Iterator[None]:
    """A file that can't be replaced, removed or linked to: it is a mount point."""
    programs.need_root()
    if subprocess.run(["mount", "--bind", path, path], capture_output=True).returncode:
        programs.missing("the right to mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def three(place: Path) -> tuple[Path, Path]:
    source, target = place / "src", place / "dst"
    source.mkdir()
    target.mkdir()
    for name in ("a", "f", "z"):
        (source / name).write_bytes(b"new " + name.encode())
        (target / name).write_bytes(b"old")
        os.utime(target / name, (5 * 10**8, 5 * 10**8))
    return source, target


SETS: dict[str, list[str]] = {
    "plain": [],
    "delta": ["--no-whole-file"],
    "delay": ["--delay-updates"],
    "partial-dir": ["--partial-dir=.pp"],
    "backup": ["--backup"],
    "backup-dir": ["--backup", "--backup-dir=../bak"],
    "delay-backup": ["--delay-updates", "--backup"],
    "hard-links": ["-H"],
    "fsync": ["--fsync"],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SETS)
def test_a_file_that_cannot_be_placed(name: str, way: str, place: Path, space: Path, tain: str) -> None:
    source, target = three(place)
    log = place / "log"
    options = ["-rt", "--remove-source-files", f"--log-file={log}", *SETS[name]]
    argv = words(tain, way, options, source, target, space)
    with immovable(target / "f"):
        outcome = programs.run(argv, cwd=place, env=programs.environment(str(space)))
        there = content(target)
    assert outcome.code == 23, outcome
    said = [line for line in normal(outcome.err, place) if "rename" in line]
    assert len(said) == 1 and "Device or resource busy (16)" in said[0] and "[receiver]" in said[0], outcome
    assert (there["a"], there["f"], there["z"]) == (b"new a", b"old", b"new z")
    assert [path.name for path in source.iterdir()] == ["f"]
    assert not any(".f." in path for path in there), there.keys()
    logged = [line.split()[-1] for line in log.read_text().splitlines() if line.split()[-2][1:3] == "f."]
    if way != "push":
        assert logged == ["a", "z"]


@pytest.mark.parametrize("way", WAYS)
def test_hard_links_to_what_could_not_be_placed(way: str, place: Path, space: Path, tain: str) -> None:
    """Names of a group wait for the one that is transferred; with --delay-updates for its last step."""
    source, target = three(place)
    os.link(source / "f", source / "g")
    os.link(source / "f", source / "h")
    for name in "gh":
        (target / name).write_bytes(b"old")
        os.utime(target / name, (5 * 10**8, 5 * 10**8))
    argv = words(tain, way, ["-rtH", "--delay-updates", "--remove-source-files"], source, target, space)
    with immovable(target / "f"):
        outcome = programs.run(argv, cwd=place, env=programs.environment(str(space)))
        there = content(target)
    assert outcome.code == 23, outcome
    for name in "fgh":
        arrived = there[name] == b"new f"
        assert arrived or there[name] == b"old"
        assert arrived or (source / name).exists(), name


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("options", [[], ["--delay-updates"]], ids=["plain", "delay"])
def test_log_of_a_killed_run(options: list[str], way: str, place: Path, space: Path, tain: str) -> None:
    """The log names whole files only."""
    log = place / "log"
    run = Caught(tain, way, ["-rt", f"--log-file={log}", *options], place, space, size=6_000_000, limit=3000)
    run.prepare()
    (run.source / "A").write_bytes(b"first")
    with run.under_way() as process:
        process.send_signal(signal.SIGTERM)
        run.end(process)
    logged = [line.split()[-1] for line in log.read_text().splitlines() if "f+++++++++" in line]
    assert "a" not in logged and "b" not in logged
    for name in logged:
        if way != "push":
            assert (run.target / name).read_bytes() == (run.source / name).read_bytes()
    assert logged == ([] if options and way != "push" else ["A"])


def test_records(place: Path, space: Path) -> None:
    source, target = three(place)
    with immovable(target / "f"):
        result = api.sync(str(source) + "/", str(target) + "/", items=True)
    assert result.code == 23
    assert [item.name for item in result.items or () if item.name != b"."] == [b"a", b"z"]


def test_records_of_many_small_files(place: Path, space: Path) -> None:
    """Several threads write them; the order is the list's all the same."""
    source, target = place / "src", place / "dst"
    for number in range(300):
        (source / f"d{number % 3}").mkdir(parents=True, exist_ok=True)
        (source / f"d{number % 3}" / f"{number:03}").write_bytes(b"x" * number)
    (target / "d1").mkdir(parents=True)
    (target / "d1" / "100").write_bytes(b"old")
    with immovable(target / "d1" / "100"):
        result = api.sync(str(source) + "/", str(target) + "/", items=True)
    assert result.code == 23
    names = [item.name.decode() for item in result.items or () if b"/" in item.name.rstrip(b"/")]
    assert names == [f"d{d}/{n:03}" for d in range(3) for n in range(d, 300, 3) if n != 100]


@pytest.mark.parametrize("option", ["--compare-dest", "--copy-dest", "--link-dest"])
@pytest.mark.parametrize("existing", [False, True], ids=["new", "old"])
def test_the_only_copy_is_not_removed(option: str, existing: bool, place: Path, space: Path, tain: str) -> None:
    """The alternate directory is the source itself."""
    source, target = place / "s", place / "d"
    source.mkdir()
    target.mkdir()
    (source / "f").write_bytes(b"precious")
    if existing:
        (target / "f").write_bytes(b"old")
    argv = [tain, "-a", f"{option}={source}", "--remove-source-files", "s/", "d/"]
    outcome = programs.run(argv, cwd=place, env=programs.environment(str(space)))
    assert b"precious" in (content(source) | content(target)).values(), outcome
    assert outcome.code in (0, 23), outcome
    if (source / "f").exists() and option == "--compare-dest":
        assert b"ERROR: Skipping sender remove of destination file: f" in outcome.err


@pytest.mark.skipif(sys.platform != "linux", reason="needs chattr")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "options",
    [["-b"], ["-b", "--inplace"], ["-b", "--backup-dir=../bak"], ["-b", "--delay-updates"], ["-b", "--delete"]],
    ids=" ".join,
)
def test_backup_of_an_immutable_file(options: list[str], way: str, place: Path, space: Path, tain: str) -> None:
    """It can't be linked or renamed: its backup is a copy, and the rest of the run goes on."""
    programs.need_root()
    programs.need("chattr")
    source, target = three(place)
    (target / "extra").write_bytes(b"old")
    for name in ("f", "extra"):
        if subprocess.run(["chattr", "+i", target / name], capture_output=True).returncode:
            programs.missing("a file system with immutable files")
    try:
        argv = words(tain, way, ["-rt", *options], source, target, space)
        outcome = programs.run(argv, cwd=place, env=programs.environment(str(space)))
    finally:
        subprocess.run(["chattr", "-i", target / "f", target / "extra"], check=True)
    assert outcome.code == 23, outcome
    there = content(target)
    assert (there["a"], there["f"], there["z"]) == (b"new a", b"old", b"new z")
    assert b"Operation not permitted (1)" in outcome.err and b"keep_backup" not in outcome.err, outcome

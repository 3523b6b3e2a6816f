"""UI-10: ``--explain`` says what the run then does, and changes nothing."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from tain.report.explain import Row
from tain.report.quantities import size
from tests import programs
from tests.programs import PROGRAM, environment, need, need_root

SHELL = """#!/bin/sh
shift
exec sh -c "$*"
"""


def tain(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    assert PROGRAM
    return subprocess.run([PROGRAM, *words], cwd=home, env=environment(str(home)), capture_output=True, text=True)


def write(path: Path, text: str, mtime: int = 1_700_000_000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (mtime, mtime))


def source(home: Path, *, files: int, below: str) -> None:
    for number in range(files):
        write(home / "s" / below / f"f{number}", "x" * number)


def same(home: Path) -> None:
    """The destination is as the source."""
    subprocess.run(["cp", "-a", "s/.", "d"], cwd=home, check=True)


#: Options, and what makes the trees: number of new files, of longer ones, of changed modes, of deleted ones.
CASES = {
    "all-new": ("-a", 20, 0, 0, 0),
    "nothing": ("-a", 0, 0, 0, 0),
    "longer": ("-a", 0, 7, 0, 0),
    "modes": ("-a", 0, 0, 5, 0),
    "modes-not-asked": ("-rt", 0, 0, 5, 0),
    "extra-stays": ("-a", 1, 0, 0, 9),
    "extra-goes": ("-a --delete", 1, 0, 0, 9),
    "deep": ("-a --delete", 30, 3, 2, 30),
    "checksums": ("-ac", 2, 4, 0, 0),
    "existing": ("-a --existing", 6, 2, 0, 0),
    "size-only": ("-a --size-only", 1, 3, 1, 0),
    "excluded": ("-a --delete --exclude=*9", 12, 2, 0, 12),
}


def make(home: Path, new: int, longer: int, modes: int, extra: int) -> None:
    (home / "d").mkdir()
    source(home, files=40, below="keep/a")
    (home / "s/link").symlink_to("keep")
    same(home)
    for number in range(new):
        write(home / f"s/new/{number % 3}/n{number}", "new" * number)
    for number in range(longer):
        write(home / f"s/keep/a/f{number}", "longer" * (number + 20))
    for number in range(modes):
        (home / f"s/keep/a/f{number + 20}").chmod(0o600)
    for number in range(extra):
        write(home / f"d/old/{number % 4}/o{number}", "old")


def plan(text: str) -> dict[str, int]:
    rows = re.findall(r"^(new|update|delete|keep) +([\d,]+) files?", text, re.MULTILINE)
    return {name: int(number.replace(",", "")) for name, number in rows}


def state(root: Path) -> list[tuple[str, int, int, float]]:
    """Names, modes, sizes and times."""
    found = []
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        found.append((str(path), status.st_mode, status.st_size, status.st_mtime))
    return found


@pytest.mark.parametrize("way", ["local", "push", "pull"])
@pytest.mark.parametrize("case", CASES)
def test_the_run_does_what_the_plan_says(case: str, way: str, tmp_path: Path) -> None:
    options, *numbers = CASES[case]
    make(tmp_path, *numbers)
    words = options.split()
    ends = ["s/", "d/"]
    if way != "local":
        need("rsync")
        (tmp_path / "rsh").write_text(SHELL)
        (tmp_path / "rsh").chmod(0o755)
        words += ["-e", str(tmp_path / "rsh"), "--rsync-path=rsync"]
        ends[way == "push"] = f"h:{tmp_path}/{ends[way == 'push']}"
    before = state(tmp_path)
    told = tain(tmp_path, *words, "--explain", *ends)
    assert (told.returncode, told.stderr) == (0, "")
    assert state(tmp_path) == before
    done = tain(tmp_path, *words, "-i", *ends)
    assert done.returncode == 0
    lines = [line for line in done.stdout.splitlines() if line and not line.endswith("/")]
    expected = {
        "new": sum(line[1:3] != "de" and line[2:4] == "++" for line in lines),
        "delete": sum(line.startswith("*deleting") for line in lines),
        "update": sum(re.match(r"[<>.c][fLDS](?!\+)", line) is not None for line in lines),
    }
    said = plan(told.stdout)
    said.pop("keep", None)
    assert said == {name: number for name, number in expected.items() if number}
    # What is new or updated is what the run then copies, as large as its files.
    copied = sum((tmp_path / "s" / line[12:]).stat().st_size for line in lines if re.match(r"[<>]f", line))
    room = re.search(r"needs ([\d.]+ [kM]?B)", told.stdout)
    assert room is None if way == "push" else room is not None and room[1] == size(copied)


def test_what_the_plan_looks_like(tmp_path: Path) -> None:
    make(tmp_path, 20, 2, 1, 9)
    text = tain(tmp_path, "-a", "--delete", "--explain", "s/", "d/").stdout
    text = re.sub(r"free .*", "free FREE", text)
    assert (
        text
        == """\
plan      make d/ like the contents of s/   (nothing is changed by this)

new       20 files     570 B   new/0/ 7   new/1/ 7   new/2/ 6   4 directories
update     3 files     246 B   keep/a/ 3: size, permissions
delete     9 files      27 B   old/ 9, all of it   5 directories
keep      38 files     783 B

space     needs 816 B, free FREE
note      old/: everything in it would be deleted.
note      s/ has a slash, so its contents are copied. Without it, d/s/ is made.
do it     tain -a --delete s/ d/
"""
    )


def test_explain_needs_a_destination(tmp_path: Path) -> None:
    run = tain(tmp_path, "--explain", "s/")
    assert run.returncode == 1
    assert "--explain needs a destination" in run.stderr


def test_a_server_does_not_know_explain(tmp_path: Path) -> None:
    run = tain(tmp_path, "--server", "--explain", ".", "d")
    assert run.returncode == 1 and "--explain: unknown option" in run.stderr


#: Id of a note, options, and the note. The sources of each run are below its own directory.
NOTES = [
    ("E1", "-a --delete s/ d/", "old/: everything in it would be deleted."),
    ("E2", "-a --delete s/ d/", "60 of 101 files at the destination would be deleted."),
    ("E3", "-a s/ d/", "s/ has a slash, so its contents are copied. Without it, d/s/ is made."),
    ("E3", "-a s d/", "s has no slash, so d/s/ is made. With it, its contents are copied."),
    ("E4", "-az s/ d/", "-z does nothing in a local copy."),
    ("E5", "-d --delete s/ d/", "--delete without -r deletes only in the directories that are named."),
    ("E7", "-a s/*.c s/ d/", "No file is named s/*.c: a shell expands * only without quotes."),
    ("E8", "-a s/ s/copy/", "The destination is below s/, so a later run copies the copy."),
    ("E9", "-a --delete --exclude=* s/ d/", "The source is empty."),
]


@pytest.mark.parametrize(("name", "words", "note"), NOTES)
def test_notes(name: str, words: str, note: str, tmp_path: Path) -> None:
    make(tmp_path, 1, 0, 0, 60)
    assert f"note      {note}\n" in tain(tmp_path, *words.split(), "--explain").stdout
    assert f"note {name}   {note}\n" in tain(tmp_path, *words.split(), "-v", "--explain").stdout


def test_a_note_about_owners() -> None:
    """E6 is about an ordinary user."""
    need_root()
    with tempfile.TemporaryDirectory(prefix="tain-explain-") as name:
        # Another user can reach it, unlike tmp_path.
        os.chmod(name, 0o755)
        (Path(name) / "s").mkdir()
        words = [str(PROGRAM), "-a", "-v", "--explain", "s/", "d/"]
        end = programs.run(words, cwd=Path(name), env=environment(name), user=True)
    assert b"note E6   Owners are not kept, because this is not root.\n" in end.out


def test_an_ordinary_run_has_no_note(tmp_path: Path) -> None:
    make(tmp_path, 1, 1, 1, 3)
    assert "note" not in tain(tmp_path, "-a", "--explain", "-v", "s/.", "d/").stdout


def test_small_directories_count_in_the_one_above() -> None:
    row = Row()
    for number in range(100):
        row.add(b"big/x", 1, directory=False)
        if number < 8:
            row.add(b"many/%d/x" % number, 1, directory=False)
    row.add(b"alone", 1, directory=False)
    groups, more = row.groups()
    assert [(name, group.count) for name, group in groups] == [(b"big/", 100), (b"many/", 8)]
    assert more == 1

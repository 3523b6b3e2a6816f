"""A source that can't be read: reported on the sender's side, tried once more, and nothing else suffers.

strace stands in for the bad medium. What holds: the message names the path and the error, the code is 23, everything
else is copied, the old file and the source stay, and a later run puts it right (spec: transfer 13).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import programs
from tests.fault.changing import WAYS, content, normal, words
from tests.sampling import sample

READS = "read,pread64,readv,preadv,preadv2,copy_file_range,sendfile,splice"
ERRORS = {"EIO": "Input/output error (5)", "ESTALE": "Stale file handle (116)"}

OLD = {"new": False, "old": True}
SETS: dict[str, list[str]] = {
    "plain": [],
    "delta": ["--no-whole-file"],
    "inplace": ["--inplace", "--no-whole-file"],
    "inplace-whole": ["--inplace", "-W"],
    "sparse": ["--sparse"],
    "preallocate": ["--preallocate"],
    "bwlimit": ["--bwlimit=100m"],
    "partial-dir": ["--partial-dir=.pp", "--no-whole-file"],
    "delay": ["--delay-updates", "--no-whole-file"],
    "backup": ["--backup", "--no-whole-file"],
    "append-verify": ["--append-verify"],
    "checksum-seed": ["--checksum-seed=5", "--no-whole-file"],
    "remove-source": ["--remove-source-files", "--no-whole-file"],
    "fuzzy": ["--fuzzy", "--no-whole-file"],
    "temp-dir": ["--temp-dir=."],
}


def unreadable(
    paths: Path | list[Path], argv: Sequence[str], *, error: str, when: str, work: Path, space: Path
) -> programs.Outcome:
    programs.need("strace")
    # Shared blocks are no way round a bad medium.
    inject = [f"inject={READS}:error={error}:when={when}", "inject=ioctl:error=EOPNOTSUPP"]
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={READS},ioctl"]
    for path in paths if isinstance(paths, list) else [paths]:
        strace += ["-P", str(path)]
    strace += [word for rule in inject for word in ("-e", rule)]
    return programs.run([*strace, *argv], cwd=work, env=programs.environment(str(space)))


def tree(work: Path, old: bool) -> tuple[Path, Path, bytes]:
    """`bad` is in the middle; the rest is before it, after it, and in a directory."""
    source, target = work / "src", work / "dst"
    (source / "d").mkdir(parents=True)
    target.mkdir()
    data = os.urandom(2_000_000)
    for name in ("a", "zz", "d/q"):
        (source / name).write_bytes(name.encode())
    (source / "bad").write_bytes(data)
    os.utime(source / "bad", (10**9, 10**9))
    before = data[:700_000] + b"x" * 1000 + data[701_000:1_900_000] if old else b""
    if old:
        (target / "bad").write_bytes(before)
        os.utime(target / "bad", (5 * 10**8, 5 * 10**8))
    return source, target, before


@pytest.mark.parametrize(("name", "old", "way"), sample("FAULT", SETS.keys(), OLD, WAYS))
def test_always(name: str, old: bool, way: str, place: Path, space: Path, tain: str) -> None:
    options = ["-rt", *SETS[name]]
    source, target, before = tree(place, old)
    was = (source / "bad").read_bytes()
    argv = words(tain, way, options, source, target, space)
    outcome = unreadable(source / "bad", argv, error="EIO", when="1+", work=place, space=space)
    said = normal(outcome.err, place)
    assert outcome.code == 23, outcome
    message = f'rsync: [sender] read errors mapping "W/src/bad": {ERRORS["EIO"]}'
    assert said.count(message) == 2, outcome
    # What is kept of it besides is a matter of how much the second try had to send.
    kept = "retained" if name.startswith(("inplace", "append")) else "(discarded|put into partial-dir)"
    assert any(re.fullmatch(f"ERROR: bad failed verification -- update {kept}\\.", line) for line in said), outcome
    there = content(target)
    assert {there[path] for path in ("a", "zz", "d/q")} == {b"a", b"zz", b"d/q"}
    assert (source / "bad").read_bytes() == was
    if not name.startswith(("inplace", "append")):
        assert there.get("bad", b"") == before
    # With the medium mended the next run puts all of it right.
    again = ["-rtI", *(option for option in SETS[name] if not option.startswith("--append"))]
    argv = words(tain, way, again, source, target, space)
    outcome = programs.run(argv, cwd=place, env=programs.environment(str(space)))
    assert outcome.code == 0, outcome
    assert (target / "bad").read_bytes() == was
    assert (source / "bad").exists() == (name != "remove-source")


@pytest.mark.parametrize(("name", "old", "error"), sample("FAULT", SETS.keys(), OLD, ERRORS.keys()))
def test_once(name: str, old: bool, error: str, place: Path, space: Path, tain: str) -> None:
    """The second try finds it readable: the file arrives, and the run still says that something went wrong."""
    source, target, _ = tree(place, old)
    was = (source / "bad").read_bytes()
    argv = words(tain, "local", ["-rt", *SETS[name]], source, target, space)
    outcome = unreadable(source / "bad", argv, error=error, when="1", work=place, space=space)
    if outcome.code == 0:
        # Copied inside the kernel, which had an error where reading has none.
        assert not SETS[name] or "whole" in name or name in ("preallocate", "temp-dir"), outcome
        assert outcome.err == b""
    else:
        assert outcome.code == 23, outcome
        said = normal(outcome.err, place)
        failed = said.count(f'rsync: [sender] read errors mapping "W/src/bad": {ERRORS[error]}')
        # Each kind of call fails once, and the second try may read by another kind than the first.
        assert failed in (1, 2), outcome
        assert any("ERROR" in line for line in said) == (failed == 2), outcome
        if failed == 2:
            assert (source / "bad").read_bytes() == was
            return
    assert (target / "bad").read_bytes() == was
    assert (source / "bad").exists() == (name != "remove-source")


def test_small_files(place: Path, space: Path, tain: str) -> None:
    """Files that several threads write: one of them can't be read."""
    source, target = place / "src", place / "dst"
    source.mkdir()
    for number in range(200):
        (source / f"{number:03}").write_bytes(str(number).encode() * 100)
    for number in (3, 120):
        argv = [tain, "-a", "--ignore-times", f"{source}/", f"{target}/"]
        bad = source / f"{number:03}"
        outcome = unreadable(bad, argv, error="EIO", when="1+", work=place, space=space)
        assert outcome.code == 23, outcome
        assert outcome.err.count(b"read errors mapping") == 2, outcome
        there = {path.name for path in target.iterdir()}
        assert {f"{n:03}" for n in range(200)} - there <= {bad.name}
        assert not any(name.startswith(".") for name in there)


def test_mtime_of_a_failed_file(place: Path, space: Path, tain: str) -> None:
    """No file that is not the source's has the source's size and time: the next run would take it for the source."""
    for options in ([], ["--no-whole-file"], ["--inplace", "--no-whole-file"], ["--partial"], ["--append-verify"]):
        work = place / "-".join(["w", *options])
        source, target, _ = tree(work, old=True)
        argv = words(tain, "local", ["-rt", *options], source, target, space)
        unreadable(source / "bad", argv, error="EIO", when="2+", work=work, space=space)
        there = target / "bad"
        same = there.read_bytes() == (source / "bad").read_bytes()
        assert same or there.stat().st_mtime != 10**9, options


LISTS = {"inc": [], "one-list": ["--no-inc-recursive"], "delay": ["--delay-updates"]}


@pytest.mark.parametrize(("options", "when", "way"), sample("FAULT", LISTS, {"once": "1", "always": "1+"}, WAYS))
def test_hard_links(options: list[str], when: str, way: str, place: Path, space: Path, tain: str) -> None:
    """Other names of a file wait for its second try, in its own directory and in others."""
    source, target, _ = tree(place, old=False)
    was = (source / "bad").read_bytes()
    (source / "0").mkdir()
    for name in ("0/first", "bad2", "d/bad3", "d/zz"):
        os.link(source / "bad", source / name)
    argv = words(tain, way, ["-rtH", "--no-whole-file", *options], source, target, space)
    names = ("0/first", "bad", "bad2", "d/bad3", "d/zz")
    outcome = unreadable([source / name for name in names], argv, error="EIO", when=when, work=place, space=space)
    there = content(target)
    assert {there[path] for path in ("a", "zz", "d/q")} == {b"a", b"zz", b"d/q"}
    if outcome.code == 0:
        # Copied inside the kernel, which had an error where reading has none.
        assert all(there[name] == was for name in names)
    else:
        assert outcome.code == 23, outcome
        assert b"read errors mapping" in outcome.err
    if outcome.err.count(b"read errors mapping") < 2:
        # Each kind of call fails once, and the second try may read by another kind than the first.
        assert all(there[name] == was for name in names), outcome
        assert len({(target / name).stat().st_ino for name in names}) == 1
    else:
        assert all(there.get(name, was) == was for name in names)

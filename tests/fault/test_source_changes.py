"""The source changes while it is copied: what is reported, and what is at the destination (spec: transfer 13).

rsync is run beside tain: exit code, messages and trees are the same. A source that has become shorter is reported, and
the destination ends as the source is after the second try; what has grown, or was replaced or removed, is no error.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import programs
from tests.fault.changing import Caught, content
from tests.sampling import sample

SHORTER: dict[str, Callable[[Path], None]] = {
    "emptied": lambda path: os.truncate(path, 0),
    "cut": lambda path: os.truncate(path, 300_000),
}


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more" * 1000)


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"another file")
    os.rename(other, path)


HARMLESS: dict[str, Callable[[Path], None]] = {"grown": grow, "replaced": replace, "removed": os.unlink}

# What is at the destination before, and options. A basis is shorter than the source and differs from the start, so that
# there is something to write from the beginning on.
NEW: dict[str, list[str]] = {
    "plain": [],
    "delta": ["--no-whole-file"],
    "sparse": ["--sparse"],
    "preallocate": ["--preallocate"],
    "sparse-preallocate": ["--sparse", "--preallocate"],
    "partial": ["--partial"],
    "partial-dir": ["--partial-dir=.pp"],
    "delay": ["--delay-updates"],
    "remove-source": ["--remove-source-files"],
    "temp-dir": ["--temp-dir=."],
    "inplace": ["--inplace"],
    "checksum": ["--checksum"],
    "hard-links": ["-H"],
}
OLD: dict[str, list[str]] = {
    "whole": ["-W"],
    "delta": ["--no-whole-file"],
    "inplace": ["--inplace", "--no-whole-file"],
    "inplace-whole": ["--inplace", "-W"],
    "inplace-sparse": ["--inplace", "--sparse", "--no-whole-file"],
    "append": ["--append"],
    "append-verify": ["--append-verify"],
    "backup": ["--backup", "--no-whole-file"],
    "inplace-backup": ["--inplace", "--backup", "--no-whole-file"],
    "partial-dir": ["--partial-dir=.pp", "--no-whole-file"],
    "delay": ["--delay-updates", "--no-whole-file"],
    "copy-dest": ["--copy-dest=../alt", "--no-whole-file"],
}
CASES = [("new", name, options) for name, options in NEW.items()] + [("old", name, o) for name, o in OLD.items()]


def prepare(run: Caught, before: str, name: str) -> int:
    """The length of what is at the destination before."""
    run.prepare()
    if before == "new":
        return 0
    start = (run.source / "a").read_bytes()[:200_000]
    old = start if name.startswith("append") else bytes(byte ^ 1 for byte in start[:100_000]) + start[100_000:]
    place = run.target if name != "copy-dest" else run.work / "alt"
    place.mkdir(exist_ok=True)
    (place / "a").write_bytes(old)
    os.utime(place / "a", (5 * 10**8, 5 * 10**8))
    return len(old) if place == run.target and name.startswith(("inplace", "append")) else 0


def changed(run: Caught, before: str, name: str, change: Callable[[Path], None]) -> tuple[int, list[str]]:
    there = prepare(run, before, name)
    more = there
    if name.startswith("inplace") and there:
        # The file is written from its start: its time says when that has begun.
        more = -1
    with run.under_way(more) as process:
        if more < 0:
            began = (run.target / "a").stat().st_mtime_ns
            while process.poll() is None and (run.target / "a").stat().st_mtime_ns == began:
                pass
        assert process.poll() is None, "it was over before the source could change"
        change(run.source / "a")
        return run.end(process)


def both(place: Path, space: Path, tain: str, rsync: str, way: str, options: list[str]) -> tuple[Caught, Caught]:
    # A sender reads ahead of what the other end has written, by some megabytes.
    size, limit = (1_500_000, 800) if way == "local" else (20_000_000, 8000)

    def run(program: str, name: str) -> Caught:
        return Caught(program, way, ["-rt", *options], place / name, space, size=size, limit=limit)

    return run(tain, "tain"), run(rsync, "rsync")


NAMED = {f"{case[0]}-{case[1]}": case for case in CASES}


@pytest.mark.parametrize(("case", "how"), sample("FAULT", NAMED, SHORTER.keys(), times=1))
def test_shorter_local(
    case: tuple[str, str, list[str]], how: str, place: Path, space: Path, tain: str, rsync: str
) -> None:
    check_shorter(*case, how, "local", place, space, tain, rsync)


REMOTE: list[tuple[str, str, list[str]]] = [
    ("new", "plain", []),
    ("old", "delta", []),
    ("old", "inplace", ["--inplace"]),
    ("new", "partial", ["--partial"]),
]


@pytest.mark.parametrize("way", ["push", "pull"])
@pytest.mark.parametrize(("before", "name", "options"), REMOTE, ids=[f"{b}-{n}" for b, n, _ in REMOTE])
def test_shorter_remote(
    before: str, name: str, options: list[str], way: str, place: Path, space: Path, tain: str, rsync: str
) -> None:
    check_shorter(before, name, options, "cut", way, place, space, tain, rsync)


def check_shorter(
    before: str,
    name: str,
    options: list[str],
    how: str,
    way: str,
    place: Path,
    space: Path,
    tain: str,
    rsync: str,
) -> None:
    runs = both(place, space, tain, rsync, way, options)
    with ThreadPoolExecutor() as pool:
        ours, theirs = pool.map(lambda run: changed(run, before, name, SHORTER[how]), runs)
    assert ours == theirs
    code, said = ours
    assert code == 23
    assert [line for line in said if "read errors mapping" in line] == [
        'rsync: [sender] read errors mapping "W/src/a": No data available (61)'
    ]
    for run in runs:
        there = content(run.target)
        assert there["a"] == (run.source / "a").read_bytes(), run.program
        assert there["b"] == b"later\n"
        assert (run.source / "b").exists() == (name != "remove-source")
    assert content(runs[0].target).keys() == content(runs[1].target).keys()


@pytest.mark.parametrize("way", ["local", "push"])
@pytest.mark.parametrize("how", HARMLESS)
def test_harmless(how: str, way: str, place: Path, space: Path, tain: str, rsync: str) -> None:
    def copied(run: Caught) -> None:
        run.prepare()
        was = (run.source / "a").read_bytes()
        with run.under_way() as process:
            HARMLESS[how](run.source / "a")
            code, said = run.end(process)
        assert (code, said) == (0, []), run.program
        assert (run.target / "a").read_bytes() == was

    with ThreadPoolExecutor() as pool:
        list(pool.map(copied, both(place, space, tain, rsync, way, [])))


def test_an_empty_source_is_not_read(place: Path, space: Path, tain: str) -> None:
    """Reading it would change its access time, which is what -U copies."""
    (place / "src").mkdir()
    (place / "src" / "empty").write_bytes(b"")
    os.utime(place / "src" / "empty", (10**8, 10**9))
    env = programs.environment(str(space))
    programs.need("strace")
    trace = ["strace", "-f", "-qq", "-o", f"{place}/trace", "-P", f"{place}/src/empty", "-e", "trace=read,pread64"]
    outcome = programs.run([*trace, tain, "-aU", "src/", "dst/"], cwd=place, env=env)
    assert outcome.code == 0, outcome
    assert (place / "trace").read_text() == ""
    assert (place / "dst" / "empty").stat().st_atime == 10**8

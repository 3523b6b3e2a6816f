"""Every pair of programs, transport, direction, protocol and set of options: fresh, again, and after edits.

rsync with itself shows what is right: the same exit codes, the same trees, the same item lines, and the same statistics
where they do not depend on timing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import programs
from tests.interop.ends import Daemon, shell
from tests.parity.tree import Dir, File, Tree, build, filler, picture, wipe
from tests.sampling import sample

BIG = filler(b"interop", 400_000)
EDITED = BIG[:150_000] + b"inserted" + BIG[150_000:300_000] + b"CHANGED" + BIG[300_007:]
SOURCE: Tree = [
    Dir("src", time=11),
    "src/a src/b;m=0600 src/c=older;t=3 src/same;n=5 src/empty= src/d/e/f src/d/g src/d/h/;m=0711;t=4 src/k/",
    "src/l->a src/dl->d src/up->../x src/p| src/n#c1.3 src/own;o=5.6 src/x;m=4755 src/hard src/d/hard2=>src/hard",
    File("src/big", content=BIG),
    File("src/zeros", content=b"start" + bytes(300_000) + b"end"),
    File("src/text", content=b"the same words again and again\n" * 4000),
    File("src/hole", size=200_000, pieces=((100_000, b"middle"),)),
    File(b"src/\xec\xa0\x9c1\xeb\xb6\x80 (60-151p).hwp"),
    File(b"src/\xc1\xa61\xba\xce (60-151p).hwp"),
    *(f"src/many/f{n}" for n in range(40)),
    *(f"src/deep/{'x/' * n}f" for n in range(6)),
    File("L", content=b"a\nd/e/f\nmany/\ndeep/./x/f\n"),
]
AFTER: Tree = [
    "src/c=newer;t=30 src/added src/d/added;t=5",
    File("src/big", content=EDITED, time=40),
    File("src/zeros", content=b"start" + bytes(100_000) + b"q" * 5000 + bytes(195_000) + b"end", time=41),
]
REMOVED = ["src/b", "src/d/e/f", "src/many/f7", "src/p"]

SETS: dict[str, str] = {
    "a": "-a",
    **{f"az-{name}": f"-a -z --no-W --zc={name}" for name in ("zstd", "lz4", "zlibx", "zlib", "none")},
    "az": "-az",
    "az-level": "-az --zl=9 --zc=zlib",
    **{f"ac-{name}": f"-ac --cc={name}" for name in ("xxh128", "xxh3", "xxh64", "md5", "md4", "sha1")},
    "cc-none": "-a --cc=none",
    "delete": "-a --delete",
    "delete-before": "-a --delete-before",
    "delete-delay": "-a --delete-delay",
    "delete-after": "-a --delete-after",
    "delete-excluded": "-a --delete-excluded --exclude=f1*",
    "filter": "-a --delete --include=*/ --include=f* --exclude=*",
    "files-from": "-aR --files-from=L",
    "S": "-aS",
    "inplace": "-a --inplace",
    "inplace-S": "-aS --inplace",
    "no-inc": "-a --no-inc-recursive",
    "bwlimit": "-a --bwlimit=3m",
    "W": "-aW",
    "I": "-aI",
    "u": "-au",
    "H": "-aH",
    "R": "-aR",
    "n": "-an",
    "numeric": "-a --numeric-ids",
    "partial": "-aP --info=progress0",
    "s": "-as",
    "timeout": "-a --timeout=30",
    "B": "-a -B1000",
    "size-only": "-a --size-only",
    "vv": "-a --info=name0,flist0,misc0,stats2,skip0",
}
OLDER = ["a", "az", "ac-md5", "delete", "inplace", "no-inc", "files-from", "S", "filter", "H"]
CASES = [(32, name) for name in SETS] + [(p, name) for p in (31, 30) for name in OLDER]
# The transport changes nothing in what the roles do, so the daemon runs the sets that the shell's list begins with.
MAIN = [
    name
    for name in SETS
    if name.split("-")[0] in ("a", "az", "ac", "cc", "delete", "S", "inplace", "no", "bwlimit", "files")
]
WAYS = ["push", "pull"]
DAEMON_CASES = [(32, name) for name in MAIN] + [(p, name) for p in (31, 30) for name in OLDER[:6]]
# A peer of protocol 29 or less has md5 and zlib only in its own way; the names are not negotiated there.
OLD_CASES = [(p, name) for p in (29, 28, 27) for name in ("a", "az", "I", "delete", "inplace", "files-from")]
OLD_DAEMON_CASES = [(p, name) for p in (29, 28, 27) for name in ("a", "az", "delete")]

STATISTICS = re.compile(
    r"(?m)^(Number of (?:files|created files|deleted files|regular files transferred)|Total file size"
    r"|Total transferred file size|Literal data|Matched data): .*$"
)
ITEM = re.compile(r"(?m)^(?:[<>ch.][fdLDS].{9}|\*deleting  ) .*$")


def arranged(items: list[str]) -> list[str]:
    """The item lines, with the deletions apart: they come by another way, so where they stand is a race."""
    return [i for i in items if not i.startswith("*")] + sorted(i for i in items if i.startswith("*"))


@dataclass
class Seen:
    """What one run of a phase left."""

    code: int
    items: list[str]
    statistics: list[str]
    tree: dict[str, str]
    err: str


@pytest.fixture(scope="session")
def daemons(space: Path, tain: str, rsync: str) -> Iterator[dict[str, Daemon]]:
    programs.need_root()
    env = programs.environment(str(space))
    config = (
        "use chroot = no\nuid = 0\ngid = 0\nread only = no\n"
        f"[src]\npath = {space}/i/src\n[dst]\npath = {space}/i/dst\n[top]\npath = {space}/i\n"
    )
    with (
        Daemon(rsync, space, env, config, "rsync") as theirs,
        Daemon(tain, space, env, config, "tain") as ours,
    ):
        yield {"rsync": theirs, "tain": ours}


def phases(
    client: str, server: str, via: str, way: str, options: str, space: Path, daemon: Daemon | None
) -> list[Seen]:
    work = space / "i"
    wipe(work)
    build(str(work), SOURCE)
    (work / "dst").mkdir()
    env = programs.environment(str(space))
    relative = "-R" in options.split() or "-aR" in options.split()
    near, far = ("./src/", "./dst/") if "files-from" in options or not relative else ("src/./", "dst/")
    there = far if way == "push" else near
    if via == "shell":
        address = f"host:{work}/{there.removeprefix('./')}"
        link = ["-e", str(shell(space)), f"--rsync-path={server}"]
    else:
        assert daemon
        address = f"rsync://127.0.0.1:{daemon.port}/{'dst/' if way == 'push' else 'src/'}"
        link = []
    ends = [near, address] if way == "push" else [address, far]
    command = [client, "-ii", "--stats", *link, *options.split(), *ends]
    seen = []
    for phase in ("fresh", "again", "after edits"):
        if phase == "after edits":
            build(str(work), AFTER)
            for name in REMOVED:
                (work / name).unlink()
            # A directory that changes now could look unchanged if the copy's changes within the same second.
            changed = ["src/d/e", "src/d", "src/many", "src"]
            build(str(work), [Dir(path, time=50 + n) for n, path in enumerate(changed)])
        since = time.time()
        outcome = programs.run(command, cwd=work, env=env)
        out = outcome.out.decode("utf-8", "backslashreplace")
        items = ITEM.findall(out)
        items = arranged(items)
        if re.search(r"--protocol=2\d", options):
            # Below protocol 30 rsync's own lines come in any order.
            items = sorted(items)
        seen.append(
            Seen(
                outcome.code,
                items,
                [match.group(0) for match in STATISTICS.finditer(out)],
                picture(str(work / "dst"), since=since),
                outcome.err.decode("utf-8", "backslashreplace"),
            )
        )
    return seen


def compare(pair: str, seen: list[Seen], right: list[Seen]) -> list[str]:
    found: list[str] = []
    for phase, mine, theirs in zip(("fresh", "again", "after edits"), seen, right, strict=True):
        where = f"{pair}, {phase}"
        if mine.code != theirs.code:
            found.append(f"{where}: exit {mine.code}, not {theirs.code}: {mine.err.strip()[:600]}")
            break
        for what, a, b in (
            ("tree", [f"{k} {v}" for k, v in mine.tree.items()], [f"{k} {v}" for k, v in theirs.tree.items()]),
            ("items", mine.items, theirs.items),
            ("statistics", mine.statistics, theirs.statistics),
        ):
            if a != b:
                gone, new = [x for x in b if x not in a], [x for x in a if x not in b]
                found.append(
                    f"{where}: {what}: rsync {gone[:5]}, here {new[:5]}" if gone or new else f"{where}: order of {what}"
                )
    return found


def crossed(cases: list[tuple[int, str]]) -> list[Any]:
    """Each case in one direction, all in both with INTEROP=all."""
    return sample("INTEROP", {f"{protocol}-{name}": (protocol, name) for protocol, name in cases}, WAYS, times=1)


def matrix(
    via: str, way: str, protocol: int, name: str, space: Path, tain: str, rsync: str, ends: dict[str, Daemon]
) -> None:
    programs.need_root()
    options = SETS[name] + (f" --protocol={protocol}" if protocol != 32 else "")
    run = {"tain": tain, "rsync": rsync}

    def both(client: str, server: str) -> list[Seen]:
        return phases(run[client], run[server], via, way, options, space, ends.get(server))

    right = both("rsync", "rsync")
    found: list[str] = []
    for client, server in (("tain", "rsync"), ("rsync", "tain"), ("tain", "tain")):
        found += compare(f"client {client}, server {server}", both(client, server), right)
    if found:
        pytest.fail("\n".join([f"rsync -ii --stats {options} ({via}, {way})", *found]), pytrace=False)


@pytest.mark.parametrize(("case", "way"), crossed(CASES))
def test_shell(case: tuple[int, str], way: str, space: Path, tain: str, rsync: str) -> None:
    matrix("shell", way, *case, space, tain, rsync, {})


@pytest.mark.parametrize(("case", "way"), crossed(DAEMON_CASES))
def test_daemon(
    case: tuple[int, str], way: str, space: Path, tain: str, rsync: str, daemons: dict[str, Daemon]
) -> None:
    matrix("daemon", way, *case, space, tain, rsync, daemons)


@pytest.mark.parametrize(("case", "way"), crossed(OLD_CASES))
def test_old_shell(case: tuple[int, str], way: str, space: Path, tain: str, rsync: str) -> None:
    matrix("shell", way, *case, space, tain, rsync, {})


@pytest.mark.parametrize(("case", "way"), crossed(OLD_DAEMON_CASES))
def test_old_daemon(
    case: tuple[int, str], way: str, space: Path, tain: str, rsync: str, daemons: dict[str, Daemon]
) -> None:
    matrix("daemon", way, *case, space, tain, rsync, daemons)

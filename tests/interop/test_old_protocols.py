"""Protocols 20 to 26 with rsync at the other end (spec: protocol-old 15): both roles, pipes and daemons, both ways.

One option set is tried in each place; INTEROP=all tries them all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import programs
from tests.interop.ends import Daemon, shell
from tests.parity.tree import Dir, File, Tree, build, filler, picture, wipe
from tests.sampling import runs_all

FULL = runs_all("INTEROP")
PROTOCOLS = range(20, 27)
BIG = filler(b"old protocols", 3_000_000)
EDITED = BIG[:700_000] + b"inserted" + BIG[700_000:2_000_000] + b"CHANGED" + BIG[2_000_007:]
#: Sizes at which the MD4 of that time has no padding, alone or behind the seed.
SIZES = (0, 1, 60, 64, 124, 128, 700, 1400)
SOURCE: Tree = [
    "src/ src/a=new src/same src/d/e/f src/d/g;m=0600 src/h/ src/l->a src/own;o=5.6 src/one src/p|",
    "src/d/two=>src/one src/drop.o src/keep.o src/sub/top src/top",
    *(File(f"src/n{size}", content=bytes(range(256)) * 6 if size > 256 else bytes(range(size))) for size in SIZES),
    *(f"src/many/f{n}" for n in range(30)),
]
COPY: Tree = ["dst/ dst/a=older;t=-5 dst/same dst/gone dst/d/old dst/d/g;m=0644 dst/many/f3=other"]
#: Name, options, whether the destination is a copy that was made before.
SETS: dict[str, str] = {
    "a": "-a",
    "H": "-aH",
    "z": "-az",
    "c": "-ac",
    "delete": "-a --delete",
    "delta": "-a --no-whole-file -I",
    "rules": "-a --delete --include=keep.o --exclude=*.o --exclude=/top --exclude=h/",
    "dry": "-an",
    "z-delta": "-az -I",
}
PLACES = [
    (via, way, pair)
    for via in ("pipe", "daemon")
    for way in ("push", "pull")
    for pair in ("ours-client", "ours-server")
]


def cases() -> list[tuple[int, str, str, str, str]]:
    found = []
    names = list(SETS)
    for at, (p, (via, way, pair)) in enumerate((p, place) for p in PROTOCOLS for place in PLACES):
        if (via, way, pair) == ("pipe", "pull", "ours-server") and p < 23:
            continue  # rsync as a client never ends
        # One set in each place: seven versions and eight places bring each set to most places.
        chosen = names if FULL else [names[at % len(names)]]
        found += [(p, via, way, pair, name) for name in chosen]
    return found


@pytest.fixture(scope="module")
def daemons(space: Path, tain: str, rsync: str) -> Iterator[dict[str, Daemon]]:
    programs.need_root()
    env = programs.environment(str(space))
    config = (
        "use chroot = no\nuid = 0\ngid = 0\nread only = no\nmunge symlinks = no\n"
        f"[src]\npath = {space}/o/src\n[dst]\npath = {space}/o/dst\n"
    )
    with (
        Daemon(rsync, space, env, config, "old-rsync") as theirs,
        Daemon(tain, space, env, config, "old-tain") as ours,
    ):
        yield {"rsync": theirs, "tain": ours}


def plant(work: Path, name: str) -> None:
    wipe(work)
    build(str(work), [*SOURCE, *COPY])
    (work / "src/big").write_bytes(EDITED if "delta" in name else b"not so big")
    (work / "dst/big").write_bytes(BIG if "delta" in name else b"small")
    # Whole seconds, and directories as they were before anything was put into them.
    for top in ("src", "dst"):
        build(str(work), [Dir(top)])
        os.utime(work / top / "big", (1_700_000_000, 1_700_000_000))


def alone(rsync: str, options: str, space: Path, name: str) -> dict[str, str]:
    """What rsync makes of it in one process."""
    work = space / "o"
    plant(work, name)
    since = time.time()
    right = programs.run([rsync, *options.split(), "src/", "dst/"], cwd=work, env=programs.environment(str(space)))
    assert right.code == 0, right
    want = picture(str(work / "dst"), since=since)
    plant(work, name)
    return want


def arrived(work: Path, since: float, want: dict[str, str], *, late: bool) -> dict[str, str]:
    """What is there. *late*: without a goodbye a client does not wait for its daemon, so that is waited for."""
    end = time.monotonic() + 60
    found = picture(str(work / "dst"), since=since)
    while late and found != want and time.monotonic() < end:
        time.sleep(0.02)
        found = picture(str(work / "dst"), since=since)
    return found


def copy(client: str, server: str, via: str, way: str, options: str, work: Path, port: int) -> programs.Outcome:
    if via == "pipe":
        far = f"h:{work}/{'dst' if way == 'push' else 'src'}/"
        link = ["-e", str(shell(work.parent)), f"--rsync-path={server}"]
    else:
        far = f"rsync://127.0.0.1:{port}/{'dst' if way == 'push' else 'src'}/"
        link = []
    ends = ["src/", far] if way == "push" else [far, "dst/"]
    env = programs.environment(str(work.parent))
    return programs.run([client, "-i", "--stats", *link, *options.split(), *ends], cwd=work, env=env)


@pytest.mark.parametrize(("p", "via", "way", "pair", "name"), cases())
def test_with_rsync(
    p: int, via: str, way: str, pair: str, name: str, space: Path, tain: str, rsync: str, daemons: dict[str, Daemon]
) -> None:
    """What comes out is what rsync makes of it alone, in one process, at that protocol."""
    programs.need_root()
    work = space / "o"
    client, server = (tain, rsync) if pair == "ours-client" else (rsync, tain)
    options = f"{SETS[name]} --protocol={p}"
    want = alone(rsync, options, space, name)
    port = daemons["tain" if server == tain else "rsync"].port
    since = time.time()
    outcome = copy(client, server, via, way, options, work, port)
    assert outcome.code == 0, outcome
    assert arrived(work, since, want, late=p < 24 and (via, way) == ("daemon", "push")) == want
    if "delta" in name:
        # No more than what is new, and the blocks around it.
        literal = next(line for line in outcome.out.splitlines() if line.startswith(b"Literal data: "))
        assert int(literal.split()[2].replace(b",", b"")) < 60_000, outcome


@pytest.mark.parametrize("p", PROTOCOLS)
@pytest.mark.parametrize("way", ["push", "pull"])
@pytest.mark.parametrize("via", ["pipe", "daemon"])
def test_ours_alone(p: int, way: str, via: str, space: Path, tain: str, rsync: str, daemons: dict[str, Daemon]) -> None:
    """Both ends are ours, which rsync can't do on a pull over a pipe below 23."""
    programs.need_root()
    work = space / "o"
    options = f"-aH --delete --protocol={p}"
    want = alone(rsync, options, space, "a")
    since = time.time()
    outcome = copy(tain, tain, via, way, options, work, daemons["tain"].port)
    assert outcome.code == 0, outcome
    assert arrived(work, since, want, late=p < 24 and (via, way) == ("daemon", "push")) == want

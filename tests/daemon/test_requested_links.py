"""Requests for links of a module that lead inside and outside, with and without chroot (H3)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import programs
from tests.sampling import sample

from .pairs import Outcome, Pair

BASE = b"log file = DIR/log\nreverse lookup = no\nuid = 0\ngid = 0\nread only = no\n"
MODULES = ["locked", "free"]
LINKS = {
    "absolute": "/rel/1",
    "relative": "rel/1",
    "climbing": "../../../rel/1",
    "back": "../tree/rel/1",
    "nowhere": "/no/such",
    "loop": "loop",
    "twice": "/absolute/sub",
}
PULLS = {
    "contents": "-r HOST/L/ DIR/got/",
    "file": "HOST/L/f DIR/got/",
    "wildcard": "-r HOST/L/* DIR/got/",
    "wildcard-name": "-r HOST/L/?/ DIR/got/",
    "list": "--files-from=:/L/list HOST/ DIR/got/",
}
PUSHES = {
    "into": "-r DIR/send/ HOST/L/",
    "as": "-r DIR/send/ HOST/L",
    "file": "DIR/send/f HOST/L/q",
    "file-below": "DIR/send/f HOST/L/sub/",
    "mkpath": "--mkpath DIR/send/f HOST/L/a/b/",
    "delete": "-r --delete DIR/send/ HOST/L/",
    "backup": "-rb --backup-dir=/L/bk DIR/send/f HOST/rel/1/",
}


def _tree(root: Path) -> None:
    (root / "rel/1/sub").mkdir(parents=True)
    (root / "rel/1/f").write_text("old f")
    (root / "rel/1/sub/g").write_text("old g")
    (root / "rel/1/list").write_text("rel/1/f\n")
    for name, target in LINKS.items():
        (root / name).symlink_to(target)


def _fill(place: Path) -> None:
    for name in ("tree", "got", "send"):
        (place / name).mkdir()
    (place / "send/f").write_text("new f")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    programs.need_root()
    modules = b"[locked]\npath = DIR/tree\nuse chroot = yes\n[free]\npath = DIR/tree\nuse chroot = no\n"
    with Pair(tmp_path_factory.mktemp("requested"), BASE + modules, make=_fill) as running:
        yield running


@pytest.mark.parametrize(("module", "link", "asked"), sample("DAEMON", MODULES, LINKS.keys(), PULLS.keys(), times=4))
def test_pulls(pair: Pair, module: str, link: str, asked: str) -> None:
    for daemon in pair.daemons.values():
        if not (daemon.dir / "tree/rel").exists():
            _tree(daemon.dir / "tree")
    words = PULLS[asked].replace("HOST/", f"HOST/{module}/").replace("L/", f"{link}/")
    found = pair.both(words, reset="got")
    theirs, ours = found["rsync"], found["tain"]
    assert ours.tree == theirs.tree
    assert ours.code == (4 if theirs.code == 10 else theirs.code)
    if "wildcard" not in asked:
        assert _reported(ours) == _reported(theirs)


@pytest.mark.parametrize(("module", "link", "asked"), sample("DAEMON", MODULES, LINKS.keys(), PUSHES.keys(), times=4))
def test_pushes(pair: Pair, module: str, link: str, asked: str) -> None:
    if (link, asked) == ("loop", "mkpath"):
        pytest.skip("both refuse; rsync tries to make the directory first, and has another code for that")
    if (module, link, asked) == ("free", "back", "backup"):
        pytest.skip("rsync takes a link that leads out of the module and in again; ours stays inside")
    words = PUSHES[asked].replace("HOST/", f"HOST/{module}/").replace("/L", f"/{link}")
    found = pair.both(words, reset="tree", prepare=_tree)
    theirs, ours = found["rsync"], found["tain"]
    assert ours.tree == theirs.tree
    if asked != "backup":
        assert _reported(ours) == _reported(theirs)


def _reported(outcome: Outcome) -> tuple[int, list[str]]:
    """Code and texts. A refused list ends rsync's client with a reset connection (DMN-54)."""
    lines = [line for line in outcome.err.splitlines() if not line.startswith("rsync error: ")]
    return (4 if outcome.code == 10 else outcome.code), lines


#: A place beside the module, the target of a link in the module.
OUTSIDE = {
    "into": ("-r DIR/send/ HOST/m/out/", 3),
    "into-there": ("DIR/send/f HOST/m/out/there/", 3),
    "into-new": ("DIR/send/f HOST/m/out/new/", 3),
    "tree-as-new": ("-r DIR/send/ HOST/m/out/new", 3),
    "file": ("DIR/send/f HOST/m/out/q", 3),
    "mkpath": ("--mkpath DIR/send/f HOST/m/out/a/b/", 11),
    "relative-link": ("-r DIR/send/ HOST/m/up/", 3),
}


@pytest.mark.parametrize("asked", OUTSIDE)
def test_nothing_is_created_outside(tmp_path: Path, asked: str) -> None:
    """rsync has the same texts, but creates a directory outside before it refuses to enter it."""
    words, code = OUTSIDE[asked]

    def make(place: Path) -> None:
        (place / "send").mkdir()
        (place / "send/f").write_text("new")
        (place / "tree").mkdir()
        (place / "outside/there").mkdir(parents=True)
        (place / "tree/out").symlink_to(place / "outside")
        (place / "tree/up").symlink_to("../outside")

    with Pair(tmp_path, BASE + b"[m]\npath = DIR/tree\nuse chroot = no\n", make=make) as pair:
        found = pair.both(words)
        assert found["tain"].code == found["rsync"].code == code
        assert _reported(found["tain"]) == _reported(found["rsync"])
        ours = pair.daemons["tain"].dir / "outside"
        assert [path.name for path in ours.iterdir()] == ["there"]
        assert not list((ours / "there").iterdir())

"""``select=``: a function that chooses among the names of the sources."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import tain
from tests import programs
from tests.events import core_runs

NAMES = ("a.o", "b.c", "sub/c.o", "sub/d.c", "sub/deep/e.o", "out/f.c", "out/deep/g.c", "big")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in NAMES:
        path = tmp_path / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name * (1000 if name == "big" else 1))
    (tmp_path / "src/link.o").symlink_to("a.o")
    return tmp_path


def names_of(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def destination(tree: Path, way: str, name: str) -> tuple[str, dict[str, str]]:
    if way == "local":
        return f"{tree}/{name}", {}
    shell = {"rsh": str(core_runs.shell(tree)), "rsync_path": programs.PEER if way == "rsync" else PROGRAM}
    return f"host:{tree}/{name}", shell


PROGRAM = str(programs.ROOT / ".venv/bin/tain")

#: A function, and the rules that it stands for.
CHOICES: list[tuple[Callable[[tain.Entry], bool], dict[str, object]]] = [
    (lambda entry: not entry.name.endswith(".o"), {"exclude": "*.o"}),
    (lambda entry: entry.path != b"out", {"exclude": "/out"}),
    (lambda entry: entry.is_dir() or entry.name.endswith(".c"), {"filter": ["+ */", "+ *.c", "- *"]}),
    (lambda entry: entry.kind != "dir", {"exclude": "*/"}),
    (lambda _entry: True, {}),
    (lambda _entry: False, {"exclude": "*"}),
]


@pytest.mark.parametrize("way", ["local", "tain", "rsync"])
@pytest.mark.parametrize("number", range(len(CHOICES)))
@pytest.mark.parametrize("options", [{}, {"inc_recursive": False}, {"delete": True, "guard": None}])
def test_it_equals_the_rules_that_it_stands_for(tree: Path, way: str, number: int, options: dict[str, object]) -> None:
    """API-11."""
    select, rules = CHOICES[number]
    for name in ("one", "two"):
        (tree / name / "out").mkdir(parents=True)
        (tree / name / "out/old.o").write_text("")
    if "delete" in options and rules:
        # A rule protects what it excludes, and a function does not: the rules of the sender alone are its equal.
        texts = rules["filter"] if "filter" in rules else [f"- {rules['exclude']}"]
        assert isinstance(texts, list)
        rules = {"filter": [f"{text[0]}s {text[2:]}" for text in texts]}
    place, shell = destination(tree, way, "one")
    first = tain.sync(f"{tree}/src/", place, select=select, **options, **shell)  # type: ignore[arg-type]
    place, shell = destination(tree, way, "two")
    second = tain.sync(f"{tree}/src/", place, **rules, **options, **shell)  # type: ignore[arg-type]
    assert (first.code, first.errors) == (second.code, second.errors) == (0, b"")
    assert names_of(tree / "one") == names_of(tree / "two")


def test_what_it_receives(tree: Path) -> None:
    seen: dict[bytes, tain.Entry] = {}

    def select(entry: tain.Entry) -> bool:
        assert entry.path not in seen
        seen[entry.path] = entry
        return entry.path != b"sub"

    os.utime(tree / "src/big", ns=(0, 1_700_000_000_123_456_789))
    (tree / "src/big").chmod(0o640)
    tain.sync(f"{tree}/src/", tree / "dst", select=select, exclude="out").check()
    # Names that a rule excludes, and what is below a refused directory, are not asked about; nor is the source itself.
    assert set(seen) == {b"a.o", b"b.c", b"big", b"link.o", b"sub"}
    big, status = seen[b"big"], (tree / "src/big").stat()
    assert (big.size, big.mtime_ns, big.mtime) == (3000, 1_700_000_000_123_456_789, 1_700_000_000)
    assert (big.mode, big.uid, big.gid) == (status.st_mode, status.st_uid, status.st_gid)
    assert (seen[b"link.o"].kind, seen[b"link.o"].target, big.target) == ("link", b"a.o", None)
    assert seen[b"sub"].is_dir()


def test_links_that_are_followed(tree: Path) -> None:
    kinds: dict[str, str] = {}

    def select(entry: tain.Entry) -> bool:
        kinds[entry.name] = entry.kind
        return True

    (tree / "src/way").symlink_to("sub")
    tain.sync(f"{tree}/src/", tree / "dst", select=select, copy_links=True).check()
    assert (kinds["link.o"], kinds["way"]) == ("file", "dir")


def test_arguments_are_chosen_too(tree: Path) -> None:
    sources = [tree / "src/a.o", tree / "src/sub"]
    tain.sync(sources, tree / "dst", select=lambda entry: not entry.name.endswith(".o")).check()
    assert names_of(tree / "dst") == ["sub", "sub/d.c", "sub/deep"]


def test_many_names_in_one_directory(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    for number in range(2500):
        (tmp_path / f"src/{number}").touch()
    tain.sync(f"{tmp_path}/src/", tmp_path / "dst", select=lambda entry: int(entry.name) % 3 == 0).check()
    assert len(names_of(tmp_path / "dst")) == 834


def test_a_listing(tree: Path) -> None:
    found = [*tain.list(f"{tree}/src/", recursive=True, select=lambda entry: entry.path != b"sub")]
    assert {entry.path for entry in found} == {
        b".", b"a.o", b"b.c", b"big", b"link.o", b"out", b"out/deep", b"out/deep/g.c", b"out/f.c"
    }  # fmt: skip


def test_an_exception_stops_the_transfer(tree: Path) -> None:
    def select(entry: tain.Entry) -> bool:
        raise LookupError(entry.name)

    with pytest.raises(LookupError):
        tain.sync(f"{tree}/src/", tree / "dst", select=select)
    assert names_of(tree / "dst") == [] if (tree / "dst").exists() else True


def test_not_for_sources_elsewhere(tree: Path) -> None:
    for source in ("host:src/", "host::module/src/", "rsync://host/module/"):
        with pytest.raises(tain.UsageError, match="exclude="):
            tain.Transfer(source, tree / "dst", select=lambda _entry: True)
        with pytest.raises(tain.UsageError, match="exclude="):
            [*tain.list(source, select=lambda _entry: True)]

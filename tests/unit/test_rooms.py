"""The Rust rooms: which may import which, and no circle between files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[2] / "crates/core/src"

#: From the top floor down; below them all lies the ground, the files beside lib.rs. A room imports what is below it,
#: and of its own floor only what BESIDE names.
FLOORS = (
    ("roles",),
    ("report",),
    ("delta", "dircache", "flist", "rules"),
    ("sums", "wire"),
    ("tree",),
)
GROUND = ("error", "event", "plan", "role")
#: Imports on one floor: (from, to) and the reason.
BESIDE = {
    ("sums", "wire"): "a sum head is sent in the wire's integers",
}
#: Imports that lead upwards: (from, to) and the reason.
UPWARDS: dict[tuple[str, str], str] = {}


def expand(tree: str) -> Iterator[str]:
    """The paths of a use tree: `a::{b, c::{d, self}}` gives `a::b`, `a::c::d` and `a::c`."""
    tree = tree.strip()
    brace = tree.find("{")
    if brace < 0:
        yield re.sub(r"\s+as\s+\w+$", "", tree).removesuffix("::self")
        return
    head, depth, part = tree[:brace], 0, ""
    for letter in tree[brace + 1 : tree.rindex("}")] + ",":
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            if part.strip():
                yield from (f"{head}{path}".removesuffix("::self") for path in expand(part))
            part = ""
        else:
            part += letter


def module_of(file: Path) -> tuple[str, ...]:
    parts = file.relative_to(SOURCES).with_suffix("").parts
    return parts[:-1] if parts[-1] in ("mod", "lib") else parts


def product_files() -> list[Path]:
    return [
        file
        for file in sorted(SOURCES.rglob("*.rs"))
        if not re.search(r"(^|_)tests?$", file.stem) and "tests" not in file.parts
    ]


def code_of(file: Path) -> str:
    """The text of a file without comments and without its tests."""
    text = re.sub(r"//.*", "", file.read_text())
    return re.split(r"#\[cfg\(test\)\]\s*(?:pub(?:\([a-z]+\))? )?mod \w+ \{", text)[0]


FILES = {module_of(file): file for file in product_files()}


def resolve(path: list[str], here: tuple[str, ...]) -> tuple[str, ...] | None:
    """The path of a use from the crate's root; `None` for another crate."""
    if path[0] == "crate":
        return tuple(path[1:])
    if path[0] not in ("super", "self"):
        return (*here, *path) if (*here, path[0]) in FILES else None
    at = list(here)
    for word in path:
        if word == "super":
            at.pop()
        elif word != "self":
            break
    rest = [word for word in path if word not in ("super", "self")]
    return (*at, *rest)


def file_of(path: tuple[str, ...]) -> tuple[str, ...] | None:
    """The module that a path leads to, through what a module hands on with `pub use`."""
    for end in range(len(path), 0, -1):
        module = path[:end]
        if module not in FILES:
            continue
        if end < len(path):
            for handed in uses(module, public=True):
                if handed[-1] == path[end] and handed[:-1] != module:
                    return file_of(handed)
        return module
    return None


def uses(module: tuple[str, ...], *, public: bool = False) -> Iterator[tuple[str, ...]]:
    """What a module imports: `use` lines, and paths in the code that begin with `crate::` or `super::`."""
    code = code_of(FILES[module])
    visible = r"pub(?:\((?:crate|super)\))?\s+" if public else r"(?:pub(?:\((?:crate|super)\))?\s+)?"
    lines = re.findall(rf"^\s*{visible}use\s+([^;]+);", code, re.M)
    paths = [path for line in lines for path in expand(line)]
    if not public:
        rest = re.sub(r"^\s*(?:pub(?:\([a-z]+\))?\s+)?use\s+[^;]+;", "", code, flags=re.M)
        paths += re.findall(r"\b(?:crate|super)(?:::\w+)+", rest)
    for path in paths:
        found = resolve(path.split("::"), module)
        if found:
            yield found


def imports(module: tuple[str, ...]) -> set[tuple[str, ...]]:
    found = {file_of(path) for path in uses(module)}
    return {target for target in found if target and target != module}


def test_rooms_import_downwards() -> None:
    floor = {room: number for number, rooms in enumerate((*FLOORS, GROUND)) for room in rooms}
    wrong: dict[tuple[str, str], list[str]] = {}
    for module in FILES:
        if not module:
            continue
        for target in imports(module):
            pair = (module[0], target[0])
            beside = pair[0] == pair[1] or (pair[0] in GROUND and pair[1] in GROUND) or pair in BESIDE
            if beside or floor[pair[0]] < floor[pair[1]] or pair in UPWARDS:
                continue
            wrong.setdefault(pair, []).append(f"{'/'.join(module)} -> {'/'.join(target)}")
    assert not wrong


def related(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether one of two files is a part of the other: it uses what its file defines, and the file uses its parts."""
    return one == other[: len(one)] or other == one[: len(other)]


@pytest.mark.parametrize("room", ["ground", *(room for floor in FLOORS for room in floor)])
def test_no_circle_of_files(room: str) -> None:
    modules = {module for module in FILES if module[:1] == (room,) and len(module) > 1}
    if room == "ground":
        modules = {module for module in FILES if module and module[0] in GROUND}
    left = {
        module: {target for target in imports(module) & modules if not related(module, target)} for module in modules
    }
    while free := [module for module, targets in left.items() if not targets & left.keys()]:
        for module in free:
            del left[module]
    # What is left imports a circle; what no other of them imports is not in the circle itself.
    while loose := left.keys() - {target for targets in left.values() for target in targets}:
        for module in loose:
            del left[module]
    assert not {
        "/".join(module): sorted("/".join(t) for t in targets & left.keys()) for module, targets in left.items()
    }


def test_use_trees() -> None:
    assert list(expand("a::{b, c::{d, self}, e as f}")) == ["a::b", "a::c::d", "a::c", "a::e"]

"""Which package may import which, and that no two files import each other.

Imports inside functions and below TYPE_CHECKING count: they say what a file knows of.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"

#: From the ground up; a room imports from rooms that stand before it, and from itself.
ORDER = [
    "_core", "release", "records", "problems", "plans", "errors", "digits", "escape", "system", "supervisor", "options",
    "report", "transport", "diagnosis", "results", "events", "session", "daemon", "keyword_fields", "keywords",
    "transports", "cluster", "api", "mirror", "cli", "__main__",
]  # fmt: skip
#: Rooms beside each other: neither knows the other.
APART = {
    "report": {"options"},
    "transport": {"options", "report"},
    "events": {"options", "report", "transport", "diagnosis", "session", "daemon"},
    "transports": {"options", "report", "diagnosis", "daemon"},
    "keywords": {"report", "transport", "diagnosis", "session", "daemon"},
    "cluster": {"daemon", "transports", "diagnosis"},
    "api": {"daemon"},
    "mirror": {"daemon", "session", "transport"},
    "cli": {"keyword_fields", "keywords", "results", "events", "transports", "api"},
}


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted((SOURCE / "tain").rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(name: str) -> Iterator[str]:
    """The modules of this package that a module names in an import, wherever it stands."""
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("tain."))
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.module.split(".")[0] == "tain":
            assert node.level == 0, f"{name}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES or inner == "tain._core" else node.module


GRAPH = {name: set(imports(name)) - {name} for name in MODULES}


def room(name: str) -> str:
    return name.split(".")[1]


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected parts of more than one member."""
    reach: dict[str, set[str]] = {}
    for start in graph:
        seen: set[str] = set()
        todo = [start]
        while todo:
            for target in graph.get(todo.pop(), ()):
                if target not in seen:
                    seen.add(target)
                    todo.append(target)
        reach[start] = seen
    groups = {
        frozenset({name, *(other for other in reach[name] if name in reach.get(other, ()))})
        for name in graph
        if name in reach[name]
    }
    return sorted(sorted(group) for group in groups)


def test_every_room_has_a_place() -> None:
    assert {room(name) for name in MODULES if name != "tain"} <= set(ORDER)


@pytest.mark.parametrize("name", [name for name in MODULES if name != "tain"])
def test_imports_point_down(name: str) -> None:
    own = room(name)
    for target in GRAPH[name]:
        # The package itself only names what its rooms offer.
        assert target != "tain", f"{name} imports the package as a whole"
        other = room(target)
        assert ORDER.index(other) <= ORDER.index(own), f"{name} imports {target}, which stands above it"
        assert other not in APART.get(own, set()), f"{name} imports {target}, which stands beside it"


def test_no_circle_of_files() -> None:
    assert circles(GRAPH) == []


def test_no_circle_of_packages() -> None:
    rooms: dict[str, set[str]] = {}
    for name, targets in GRAPH.items():
        if name != "tain":
            rooms.setdefault(room(name), set()).update(room(target) for target in targets if target != "tain")
    assert circles({name: targets - {name} for name, targets in rooms.items()}) == []

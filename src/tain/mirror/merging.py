"""Layers of a configuration on top of each other, and where each value came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tain.mirror.positions import Path, line_of

#: Keys of which a job has one: setting one of them drops the others of the layers below.
_EXCLUSIVE = (
    ("source", "source_b64", "upstream"), ("destination", "destination_b64"), ("every", "cron", "manual"),
)  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """A line of a file; line 0 for what is built in."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True)
class Layer:
    """A table of one file. *lines* are those of the whole file, *prefix* the path of the table in it."""

    values: Mapping[str, Any]
    file: str
    lines: Mapping[Path, int] = field(default_factory=dict)
    prefix: Path = ()

    def origin(self, path: Path) -> Origin:
        return Origin(self.file, line_of(self.lines, (*self.prefix, *path)) if self.lines else 0)


@dataclass
class Merged:
    """The values of all layers, later ones winning, with the origin of each."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, Origin] = field(default_factory=dict)
    #: The values of the layer on top: what the table itself says.
    top: Mapping[str, Any] = field(default_factory=dict)

    def add(self, layer: Layer) -> None:
        """Put a layer on top: tables merge by key, hooks add up, everything else replaces."""
        self.top = layer.values
        for group in _EXCLUSIVE:
            if any(key in layer.values for key in group):
                for key in group:
                    self.values.pop(key, None)
        if layer.values.get("inherit_hooks") is False:
            self.values.pop("hook", None)
        self._add(self.values, layer.values, (), layer)

    def _add(self, into: dict[str, Any], values: Mapping[str, Any], path: Path, layer: Layer) -> None:
        for key, value in values.items():
            inner = (*path, key)
            below = into.get(key)
            if isinstance(value, dict) and isinstance(below, dict):
                self.origins[inner] = layer.origin(inner)
                self._add(below, value, inner, layer)
                continue
            if inner == ("hook",) and isinstance(below, list) and isinstance(value, list):
                # Hooks of all layers run.
                into[key] = [*below, *_copy(value)]
                for part in _paths(value, inner):
                    if len(part) > 1 and isinstance(part[1], int):
                        self.origins[("hook", len(below) + part[1], *part[2:])] = layer.origin(part)
                continue
            for old in [known for known in self.origins if known[: len(inner)] == inner]:
                del self.origins[old]
            into[key] = _copy(value)
            for part in _paths(value, inner):
                self.origins[part] = layer.origin(part)

    def origin(self, path: Path) -> Origin | None:
        """Where the value at *path* comes from, or the nearest table around it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.origins:
                return self.origins[path[:end]]
        return None


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


def _paths(value: object, path: Path) -> Iterator[Path]:
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _paths(inner, (*path, number))

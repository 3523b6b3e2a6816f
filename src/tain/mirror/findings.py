"""What is wrong with a configuration, all of it at once: where, what was found, what is wanted."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

from pydantic import ValidationError

from tain.mirror.fields import Table
from tain.mirror.merging import Origin
from tain.mirror.model import LATER, TABLES, Job
from tain.mirror.positions import Path
from tain.mirror.words import shown

_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Finding:
    """An error or a warning."""

    origin: Origin
    key: str
    text: str
    suggestion: str = ""
    warning: bool = False

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{'warning: ' if self.warning else ''}{self.origin}: {key}{self.text}"

    def at(self, file: str, instead_of: str) -> Finding:
        """The same in another file, if it is in *instead_of*."""
        return replace(self, origin=Origin(file, self.origin.line)) if self.origin.file == instead_of else self

    def document(self) -> dict[str, object]:
        """As an object of a JSON document."""
        return {
            "file": self.origin.file,
            "line": self.origin.line,
            "key": self.key,
            "text": self.text,
            "suggestion": self.suggestion,
            "severity": "warning" if self.warning else "error",
        }


class ConfigError(Exception):
    """A configuration that cannot be used. `findings` has every error and warning."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = findings


def dotted(path: Path) -> str:
    """The key as it is written in TOML; elements of arrays in brackets."""
    out = ""
    for part in path:
        if isinstance(part, int):
            out += f"[{part}]"
        else:
            out += ("." if out else "") + (part if _BARE.fullmatch(part) else shown(part))
    return out


def explain(
    error: ValidationError, model: type[Table], prefix: Path, where: Callable[[Path], Origin]
) -> Iterator[Finding]:
    """The findings of a table that does not fit *model*; *prefix* is the path of the table, *where* finds lines."""
    for detail in error.errors(include_url=False):
        path = cast(Path, tuple(detail["loc"]))
        kind, value = detail["type"], detail["input"]
        if kind == "extra_forbidden":
            yield unknown_key(path, model, prefix, where)
        elif kind == "missing":
            yield Finding(where(path[:-1]), dotted((*prefix, *path[:-1])), f'needs "{path[-1]}"')
        else:
            text = _sentence(kind, value, dict(detail.get("ctx") or {}), detail["msg"])
            yield Finding(where(path), dotted((*prefix, *path)), text)


def _sentence(kind: str, value: object, context: dict[str, Any], message: str) -> str:
    if kind == "value_error":
        return str(context.get("error", message))
    if kind == "literal_error":
        return f"{shown(value)} is not {str(context.get('expected', '')).replace(chr(39), '')}"
    wanted = {
        "string_type": "a text",
        "bool_type": "true or false",
        "int_type": "a whole number",
        "float_type": "a number",
        "list_type": "a list",
        "dict_type": "a table",
        "model_type": "a table",
        "model_attributes_type": "a table",
    }.get(kind)
    if wanted is not None:
        return f"{shown(value)} is not {wanted}"
    if kind == "greater_than_equal":
        return f"{shown(value)} is less than {context.get('ge')}"
    return message


def unknown_key(path: Path, model: type[Table], prefix: Path, where: Callable[[Path], Origin]) -> Finding:
    """An unknown key, with the one that was probably meant."""
    full, name, origin = dotted((*prefix, *path)), str(path[-1]), where(path)
    if name in LATER:
        return Finding(origin, full, f"this version does not have {LATER[name]} yet")
    table = _model_at(model, path[:-1])
    # A key of another table is nearer than a key of this one that is only spelled alike.
    for cutoff in (1.0, 0.6):
        near = difflib.get_close_matches(name, table.model_fields, 1, cutoff)
        if near:
            return Finding(origin, full, f'unknown key; did you mean "{near[0]}"?', near[0])
        for inner, other in _homes() if model is Job else ():
            near = difflib.get_close_matches(name, other.model_fields, 1, cutoff)
            if near:
                home = dotted((*prefix, *inner))
                return Finding(origin, full, f'unknown key; "{near[0]}" belongs in [{home}]', f"{home}.{near[0]}")
    return Finding(origin, full, "unknown key")


def _model_at(model: type[Table], path: Path) -> type[Table]:
    for part in path:
        if isinstance(part, str) and part in TABLES:
            model = TABLES[part]
    return model


def _homes() -> list[tuple[Path, type[Table]]]:
    """The tables of a job, each with its path below the job."""
    return [((), Job), *(((key,), table) for key, table in TABLES.items())]

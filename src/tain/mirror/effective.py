"""What is in force for a job, with the origin of each key; and the schema of the configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tain.mirror.findings import dotted
from tain.mirror.loading import LoadedJob
from tain.mirror.model import TOP, Job
from tain.mirror.positions import Path

#: User names, and passwords, in the addresses of upstreams.
_LOGIN = re.compile(r"(://)[^/@]*@")


@dataclass(frozen=True)
class Line:
    """One key: its value as TOML, and where it was set."""

    key: str
    value: str
    origin: str

    def __str__(self) -> str:
        return f"{self.key} = {self.value}  # {self.origin}"

    def document(self) -> dict[str, str]:
        """As an object of a JSON document."""
        return {"key": self.key, "value": self.value, "origin": self.origin}


def effective_lines(loaded: LoadedJob) -> list[Line]:
    """The keys of a job: first those that somebody has set, then the defaults."""
    found = [
        Line(dotted(path), _toml(value), str(loaded.merged.origin(path) or "built in"))
        for path, value in _leaves(loaded.merged.values, ())
    ]
    known = {line.key for line in found}
    for key, value in _defaults(loaded.job):
        if key not in known and not any(name.startswith((f"{key}.", f"{key}[")) for name in known):
            found.append(Line(key, value, "default"))
    return [replace(line, value='"***"') if line.key == "healthchecks" else line for line in found]


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and (value or not path):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for number, inner in enumerate(value):
            yield from _leaves(inner, (*path, number))
    else:
        yield path, value


def _defaults(job: Job) -> Iterator[tuple[str, str]]:
    for key in Job.model_fields:
        value = getattr(job, key)
        inner = getattr(type(value), "model_fields", None)
        if inner is not None:
            for name in inner:
                yield f"{key}.{name}", _toml(getattr(value, name))
        elif value not in (None, [], {}):
            yield key, _toml(value)


def _toml(value: Any) -> str:
    if value is None:
        return '"none"'
    if hasattr(value, "percent"):
        parts = [] if value.percent is None else [f"{value.percent:g}%"]
        return " or ".join([*parts, *([] if value.amount is None else [f"{value.amount}"])])
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }" if value else "{}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return _LOGIN.sub(r"\1***@", json.dumps(value, ensure_ascii=False, default=str))


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a configuration, made from the models."""
    job = Job.model_json_schema(ref_template="#/$defs/{model}")
    definitions: dict[str, Any] = job.pop("$defs", {})
    # A profile, and the defaults, may have any of the keys of a job, and need none.
    part = {**job, "required": []}
    properties: dict[str, Any] = {"include": {"type": "array", "items": {"type": "string"}}}
    for name, model in TOP.items():
        schema = model.model_json_schema(ref_template="#/$defs/{model}")
        definitions.update(schema.pop("$defs", {}))
        properties[name] = schema
    extends = {**part, "properties": {**part["properties"], "extends": {"type": "string"}}}
    definitions.update(Job=job, Defaults=part, Profile=extends)
    properties["defaults"] = {"$ref": "#/$defs/Defaults"}
    properties["profile"] = {"type": "object", "additionalProperties": {"$ref": "#/$defs/Profile"}}
    properties["job"] = {"type": "object", "additionalProperties": {"$ref": "#/$defs/Job"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tain mirror",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "$defs": definitions,
    }


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=1))

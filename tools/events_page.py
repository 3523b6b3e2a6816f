#!/usr/bin/env python3
"""Write the page and the JSON Schema of the events from the table in src/tain/report/jsonl.py.

``tools/events_page.py`` writes docs/reference/events.md, docs/reference/events.schema.json and the schema in
the package; ``tools/events_page.py --check`` only compares them, and exits with 1 if one differs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from tain.report.jsonl import COMMON, ON_REQUEST, SCHEMA, TYPES, Field  # noqa: E402

PAGE = ROOT / "docs/reference/events.md"
SCHEMAS = (ROOT / "docs/reference/events.schema.json", ROOT / "src/tain/report/events.schema.json")
#: The parts of the page that are written by hand.
TEXT = ROOT / "tools/events_page.md"
#: The JSON types of the kinds of fields.
_TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "word": {"type": "string"},
    "name": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
    "integer": {"type": "integer", "minimum": 0},
    "signed": {"type": "integer"},
    "number": {"type": "number", "minimum": 0},
    "boolean": {"type": "boolean"},
    "names": {"type": "array", "items": {"type": "string"}},
    "words": {"type": "array", "items": {"type": "string"}},
}
_BASE64 = {"type": "string", "contentEncoding": "base64"}


def field_schema(field: Field, *, strict: bool) -> dict[str, Any]:
    """The schema of one field. *strict*: only the words of today, for tests; a reader must accept others."""
    kind = field.kind.removesuffix("?")
    if kind in ("object", "objects"):
        inner = object_schema(field.fields, strict=strict)
        found = inner if kind == "object" else {"type": "array", "items": inner}
    else:
        found = dict(_TYPES[kind])
    if field.words and strict:
        if kind == "words":
            found["items"] = {"enum": list(field.words)}
        else:
            found["enum"] = list(field.words)
    if field.kind.endswith("?"):
        found = {"anyOf": [found, {"type": "null"}]}
    return {**found, "description": field.text}


def object_schema(fields: tuple[Field, ...], *, strict: bool) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for field in fields:
        properties[field.name] = field_schema(field, strict=strict)
        kind = field.kind.removesuffix("?")
        if kind == "name":
            properties[f"{field.name}_b64"] = {**_BASE64, "description": f"The bytes of {field.name}."}
        elif kind == "names":
            properties[f"{field.name}_b64"] = {
                "type": "array", "items": _BASE64, "description": f"The bytes of {field.name}.",
            }  # fmt: skip
    found: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "required": [field.name for field in fields if not field.optional],
    }
    if strict:
        found["additionalProperties"] = False
    return found


def schema(*, strict: bool = False) -> dict[str, Any]:
    """The schema of one line. *strict*: nothing that the table does not name is allowed."""
    types: dict[str, Any] = {}
    for name, of in TYPES.items():
        found = object_schema((*COMMON, *of.fields), strict=strict)
        found["properties"]["type"] = {"const": name}
        types[name] = {"description": of.text, **found}
    cases = [{"if": {"properties": {"type": {"const": name}}}, "then": {"$ref": f"#/$defs/{name}"}} for name in types]
    kind: dict[str, Any] = {"type": "string"}
    if strict:
        kind["enum"] = list(TYPES)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{SCHEMA.replace('/', ':').replace('.', ':')}",
        "title": SCHEMA,
        "description": "One line of tain --json. Readers skip types, fields and words that they do not know.",
        "type": "object",
        "properties": {"type": kind},
        "required": [field.name for field in COMMON],
        "allOf": cases,
        "$defs": types,
    }


#: How the page names kinds of fields; the others by themselves.
_KINDS = {
    "name": "text", "string": "text", "names": "list of texts", "words": "list of words", "signed": "integer",
    "objects": "list of objects",
}  # fmt: skip


def kind_text(field: Field) -> str:
    kind = field.kind.removesuffix("?")
    null = " or null" if field.kind.endswith("?") else ""
    return _KINDS.get(kind, kind) + null + (", may be missing" if field.optional else "")


def rows(fields: tuple[Field, ...], prefix: str = "") -> list[str]:
    found = []
    for field in fields:
        words = ""
        if field.words:
            words = " One of " + ", ".join(f"`{word}`" for word in field.words) + "."
            if field.kind == "words":
                words = " Some of " + words[8:]
        found.append(f"| `{prefix}{field.name}` | {kind_text(field)} | {field.text}{words} |")
        mark = "[]." if field.kind.startswith("objects") else "."
        found += rows(field.fields, f"{prefix}{field.name}{mark}")
    return found


def types_text() -> str:
    parts = []
    for name, of in TYPES.items():
        asked = " Only if it is asked for: `--json-events=+" + name + "`." if name in ON_REQUEST else ""
        parts.append(
            f"### {name}\n\n{of.text}{asked}\n\n| field | type | meaning |\n|---|---|---|\n"
            + "\n".join(rows(of.fields))
        )
    return "\n\n".join(parts)


def page() -> str:
    """The page: the text by hand, with the types where it says ``<!-- types -->``."""
    return TEXT.read_text().replace("<!-- types -->", types_text())


def files() -> dict[Path, str]:
    """What each file must contain."""
    text = json.dumps(schema(), indent=1) + "\n"
    return {PAGE: page(), **dict.fromkeys(SCHEMAS, text)}


def main() -> int:
    if sys.argv[1:] == ["--check"]:
        old = [path for path, text in files().items() if not path.exists() or path.read_text() != text]
        for path in old:
            print(f"{path.relative_to(ROOT)} is not what tools/events_page.py writes: run it", file=sys.stderr)
        return 1 if old else 0
    for path, text in files().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Documents of a cluster run: JSON that is checked field by field, because other machines and older runs write it."""

from __future__ import annotations

import base64
import json

from tain.cluster.region import Piece, Region

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

#: The longest document in bytes that is read as one line or message.
LONGEST = 64 << 20
#: Numbers are below this: they are counts, sizes and times.
_LARGEST = 1 << 63


class DocumentError(ValueError):
    """A document is not what its schema says."""


def name_to_json(name: bytes) -> str | dict[str, str]:
    """A name as JSON: text, or ``{"b64": ...}`` for bytes that are not UTF-8."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(name).decode()}


def name(value: object) -> bytes:
    """The name of `name_to_json`. Errors: `DocumentError`, also for a name with a NUL."""
    found: bytes
    if isinstance(value, str):
        try:
            found = value.encode()
        except UnicodeEncodeError as error:
            raise DocumentError("a name is not text") from error
    elif isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str):
        try:
            found = base64.b64decode(value["b64"], validate=True)
        except ValueError as error:
            raise DocumentError("a name is not base64") from error
    else:
        raise DocumentError("a name is neither a text nor {'b64': ...}")
    if b"\0" in found:
        raise DocumentError("a name has a NUL")
    return found


def text(value: object) -> str:
    """Errors: `DocumentError`."""
    if not isinstance(value, str):
        raise DocumentError("a text is expected")
    return value


def integer(value: object) -> int:
    """A number from 0 on. Errors: `DocumentError`."""
    if type(value) is not int or not 0 <= value < _LARGEST:
        raise DocumentError("a number from 0 on is expected")
    return value


def seconds(value: object) -> float:
    """Errors: `DocumentError`."""
    if type(value) not in (int, float) or not 0 <= float(value) < 1e12:  # type: ignore[arg-type]
        raise DocumentError("a time in seconds is expected")
    return float(value)  # type: ignore[arg-type]


def boolean(value: object) -> bool:
    """Errors: `DocumentError`."""
    if type(value) is not bool:
        raise DocumentError("true or false is expected")
    return value


def tuple_of(inner: Callable[[object], Any]) -> Callable[[object], tuple[Any, ...]]:
    """A reader of arrays whose members *inner* reads."""

    def read(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise DocumentError("an array is expected")
        return tuple(inner(member) for member in value)

    return read


def optional(inner: Callable[[object], Any]) -> Callable[[object], Any]:
    """A reader of null, or of what *inner* reads."""
    return lambda value: None if value is None else inner(value)


def read(
    value: object, fields: Mapping[str, Callable[[object], Any]], optionals: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The *fields* of an object; those in *optionals* may be missing. Errors: `DocumentError`, which names the field,
    for a field that is unknown, missing or of another type."""
    if not isinstance(value, dict):
        raise DocumentError("an object is expected")
    if unknown := sorted(set(value) - set(fields)):
        raise DocumentError(f"unknown field {unknown[0]!r}")
    found = {}
    for key, inner in fields.items():
        if key not in value:
            if key in optionals:
                continue
            raise DocumentError(f"field {key!r} is missing")
        try:
            found[key] = inner(value[key])
        except DocumentError as error:
            raise DocumentError(f"{key}: {error}") from error
    return found


def parse(data: bytes) -> Any:
    """The JSON value of *data*. Errors: `DocumentError`."""
    if len(data) > LONGEST:
        raise DocumentError("the document is too long")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"no JSON: {error}") from error


def dump(value: object) -> bytes:
    """*value* as one line of JSON, without the newline."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


# ---- regions


def region_to_json(region: Region) -> list[dict[str, object]]:
    """The pieces of a region; an end of null is no end."""
    return [
        {
            "dir": name_to_json(piece.directory),
            "from": _boundary_to_json(piece.start),
            "to": None if piece.end is None else _boundary_to_json(piece.end),
            "without": [name_to_json(inner) for inner in piece.without],
        }
        for piece in region.pieces
    ]


def region(value: object) -> Region:
    """The region of `region_to_json`. Errors: `DocumentError`, also for names that are no names below a directory."""
    return Region(pieces=tuple_of(_piece)(value))


def _piece(value: object) -> Piece:
    found = read(value, {"dir": path, "from": _boundary, "to": optional(_boundary), "without": tuple_of(_own_name)})
    return Piece(directory=found["dir"], start=found["from"], end=found["to"], without=found["without"])


def path(value: object) -> bytes:
    """A path below the root of the transfer; empty for the root. Errors: `DocumentError`."""
    found = name(value)
    if found and not all(part not in (b"", b".", b"..") for part in found.split(b"/")):
        raise DocumentError("a path leads out of the transfer")
    return found


def _own_name(value: object) -> bytes:
    found = path(value)
    if not found or b"/" in found:
        raise DocumentError("a name of one directory is expected")
    return found


def _boundary_to_json(boundary: bytes) -> str | dict[str, str]:
    """A boundary may end with NUL, which stands for "after this name"."""
    return {"after": base64.b64encode(boundary[:-1]).decode()} if boundary[-1:] == b"\0" else name_to_json(boundary)


def _boundary(value: object) -> bytes:
    after = isinstance(value, dict) and set(value) == {"after"}
    found = name({"b64": value["after"]} if after and isinstance(value, dict) else value)
    if b"/" in found:
        raise DocumentError("a boundary has a slash")
    return found + b"\0" if after else found

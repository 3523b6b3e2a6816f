"""The file of ``--pairs``: many sources and destinations, each a plan of its own."""

from __future__ import annotations

from tain.errors import FileError, UsageError
from tain.system import system_text


def read_pairs(path: str) -> list[tuple[str, str, str]]:
    """Label, source and destination of each line; the fields have a TAB between them: source, destination, label. Lines
    that are empty or begin with ``#`` are left out. Errors: `UsageError`, `FileError`."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as lines:
            text = lines.read()
    except OSError as error:
        raise FileError(f"tain: {path}: {system_text(error)}") from error
    found: list[tuple[str, str, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != 3 or not all(fields):
            raise UsageError(f"tain: {path}, line {number}: source, destination and label are expected, with TABs")
        source, target, label = fields
        if not label.replace("-", "").replace("_", "").replace(".", "").isalnum() or label.startswith("."):
            raise UsageError(f"tain: {path}, line {number}: {label!r} is no label: letters, digits, - _ and . are")
        if any(label == other for other, _, _ in found):
            raise UsageError(f"tain: {path}, line {number}: the label {label} stands there twice")
        found.append((label, source, target))
    if not found:
        raise UsageError(f"tain: {path} has no pairs")
    return found

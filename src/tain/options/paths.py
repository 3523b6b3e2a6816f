"""Path arithmetic on option values; nothing is looked up on disk."""

from __future__ import annotations

from tain.digits import INT_MAX, bounded


def clean(path: bytes) -> bytes:
    """Drop ``.`` parts, double and trailing slashes, and each ``..`` together with the part before it.

    A leading ``..`` stays; at the root it is dropped. An empty result is ``.``.
    """
    absolute = path[:1] == b"/"
    parts: list[bytes] = []
    for part in path.split(b"/"):
        if part in (b"", b"."):
            continue
        if part == b"..":
            if parts and parts[-1] != b"..":
                parts.pop()
                continue
            if absolute:
                continue
        parts.append(part)
    joined = b"/".join(parts)
    return b"/" + joined if absolute else joined or b"."


def number(text: bytes) -> int:
    """C's ``atoi``: the number at the start, 0 without one."""
    body = text.lstrip(b" \t\n\v\f\r")
    sign = -1 if body[:1] == b"-" else 1
    if body[:1] in (b"+", b"-"):
        body = body[1:]
    end = 0
    while end < len(body) and body[end] in b"0123456789":
        end += 1
    return sign * bounded(body[:end], INT_MAX)


def has_escape(pattern: bytes, letter: str) -> bool:
    """Whether a log format uses ``%letter``, with or without a width and number marks (spec: output 7)."""
    index = 0
    wanted = ord(letter)
    while True:
        index = pattern.find(b"%", index)
        if index < 0:
            return False
        index += 1
        while pattern[index : index + 1] == b"'":
            index += 1
        if pattern[index : index + 1] == b"-":
            index += 1
        while pattern[index : index + 1].isdigit():
            index += 1
        while pattern[index : index + 1] == b"'":
            index += 1
        if index >= len(pattern):
            return False
        if pattern[index] == wanted:
            return True
        index += 1

"""Which options the command lines of a row use, and on which way its two ends talk."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence

from tain.options.parse import parse
from tain.options.table import ROWS, spellings
from tests.parity.harness import Row

_NAMES = spellings(ROWS)


def commands(row: Row) -> Iterator[Sequence[str | bytes]]:
    """The words of each step that runs the program."""
    for step in (row.cmd, *row.then):
        if isinstance(step, str):
            if not step.startswith("!"):
                yield shlex.split(step)
        elif not callable(step):
            yield step


def options(words: Iterable[str | bytes]) -> set[str]:
    """Keys of the option table that the words use, also behind ``-M`` and, as words, in a command that is refused."""
    given = [word.encode("utf-8", "surrogateescape") if isinstance(word, str) else word for word in words]
    raw = parse(given)
    used = {row.key for row, _, _, _ in raw.items}
    for row, _, _, value in raw.items:
        if row.key == "remote-option" and isinstance(value, bytes):
            used |= options([value])
    for word in given:
        if word[:2] == b"--" and (found := _NAMES.get(word[2:].partition(b"=")[0].decode("latin-1"))):
            used.add(found.key)
    return used


def used(row: Row) -> set[str]:
    """Keys of all options that a row uses."""
    return set().union(*(options(words) for words in commands(row)))


def key(spelling: str) -> str:
    """The key of the option that is written so: ``--chmod``, ``-a``. Errors: `LookupError`."""
    if spelling.startswith("--"):
        return _NAMES[spelling[2:]].key
    for row in ROWS:
        if spelling == f"-{row.short}":
            return row.key
    raise LookupError(spelling)


def ways(row: Row) -> list[str]:
    """``local``, ``shell`` or ``daemon``, and ``user`` for a row of an ordinary user."""
    via = row.via
    if via == "local" and any("rsh" in options(words) for words in commands(row)):
        via = "shell"
    return [via, "user"] if row.user else [via]

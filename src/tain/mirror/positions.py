"""On which line of a TOML file each key stands. The parsers keep no positions that are public.

The text must have passed `tomllib`, so this reader looks only for the ends of values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

Path = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\", "e": "\x1b"}


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        #: A position, and the number of its line.
        self._known = (0, 1)
        self.lines: dict[Path, int] = {}
        self.arrays: dict[Path, int] = {}

    def line(self) -> int:
        # Counted from the last position on: a file of a large site has thousands of keys.
        before, number = self._known
        self._known = (self.at, number + self.text.count("\n", before, self.at))
        return self._known[1]

    def blank(self, letters: str) -> None:
        """Pass over *letters* and comments."""
        while self.at < len(self.text):
            letter = self.text[self.at]
            if letter in letters:
                self.at += 1
            elif letter == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                return

    def quoted(self) -> str:
        """A string in one of the four forms; the content of a basic one with its escapes resolved."""
        quote = self.text[self.at]
        if self.text.startswith(quote * 3, self.at):
            at = self.at + 3
            while not self.text.startswith(quote * 3, at):
                at += 2 if quote == '"' and self.text[at] == "\\" else 1
            # Up to two quotes may stand before the closing ones.
            while self.text.startswith(quote, at + 3):
                at += 1
            self.at = at + 3
            return ""
        at = self.at + 1
        out = []
        while self.text[at] != quote:
            if quote == '"' and self.text[at] == "\\":
                letter = self.text[at + 1]
                digits = {"u": 4, "U": 8, "x": 2}.get(letter, 0)
                out.append(chr(int(self.text[at + 2 : at + 2 + digits], 16)) if digits else _ESCAPES[letter])
                at += 2 + digits
            else:
                out.append(self.text[at])
                at += 1
        self.at = at + 1
        return "".join(out)

    def key(self) -> Path:
        """A dotted key."""
        parts: list[str | int] = []
        while True:
            self.blank(" \t")
            if self.text[self.at] in "\"'":
                parts.append(self.quoted())
            else:
                found = _BARE.match(self.text, self.at)
                assert found is not None
                parts.append(found[0])
                self.at = found.end()
            self.blank(" \t")
            if not self.text.startswith(".", self.at):
                return tuple(parts)
            self.at += 1

    def value(self, path: Path) -> None:
        """Pass over a value, and note the keys of inline tables."""
        self.blank(" \t")
        letter = self.text[self.at]
        if letter in "\"'":
            self.quoted()
        elif letter in "[{":
            self.at += 1
            number = 0
            while True:
                self.blank(" \t\r\n,")
                if self.text[self.at] in "]}":
                    self.at += 1
                    return
                line = self.line()
                if letter == "[":
                    inner: Path = (*path, number)
                    number += 1
                else:
                    inner = (*path, *self.key())
                    self.at += 1  # the equals sign
                self.lines[inner] = line
                self.value(inner)
        else:
            while self.at < len(self.text) and self.text[self.at] not in ",]}\n#":
                self.at += 1

    def absolute(self, names: Path) -> Path:
        """The path of a header: behind the name of an array of tables comes the number of its last table."""
        path: Path = ()
        for name in names:
            path = (*path, name)
            if path in self.arrays:
                path = (*path, self.arrays[path])
        return path

    def read(self) -> dict[Path, int]:
        table: Path = ()
        while True:
            self.blank(" \t\r\n")
            if self.at >= len(self.text):
                return self.lines
            line = self.line()
            if self.text.startswith("[[", self.at):
                self.at += 2
                names = self.key()
                self.at += 2
                parent = self.absolute(names[:-1])
                array = (*parent, names[-1])
                self.arrays[array] = self.arrays.get(array, -1) + 1
                table = (*array, self.arrays[array])
            elif self.text.startswith("[", self.at):
                self.at += 1
                table = self.absolute(self.key())
                self.at += 1
            else:
                path = (*table, *self.key())
                self.at += 1
                self.lines.setdefault(path, line)
                self.value(path)
                continue
            for end in range(1, len(table) + 1):
                self.lines.setdefault(table[:end], line)


def lines_of(text: str) -> dict[Path, int]:
    """The line, from 1 on, of each table and key of a TOML document; elements of arrays have numbers from 0 on."""
    return _Reader(text.removeprefix("\ufeff")).read()


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """The line of *path*, or of the nearest table around it; 1 if there is none."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return 1

"""Names with odd bytes in what is shown, and -8 (spec: output 11)."""

from __future__ import annotations

from tests.parity.common import shown, three_ways
from tests.parity.harness import Row
from tests.parity.tree import Dir, File, Link, Tree

NAMES: Tree = [
    Dir("src"),
    *(
        File(b"src/" + name)
        for name in (
            b"n\nl",
            b"a\\#123",
            b"a\\#12x",
            b"t\tb",
            b"esc\033[0m",
            b"\xed\x95\x9c\xea\xb8\x80 (1)",
            b"\xb0\xa1\xb3\xaa",
            b"caf\xc3\xa9",
            b"del\x7f",
            b"\xc3",
            b"back\\slash",
            b"cr\rx",
        )
    ),
]

ESCAPING = [
    *three_ways("OUT-17", "-ai", NAMES),
    *three_ways("OUT-17-v", "-av", NAMES),
    shown("OUT-17-list", "src/", NAMES),
    shown("OUT-17-C", "-ai src/ dst/", NAMES, env={"LC_ALL": "C"}),
    shown("OUT-18", "-ai8 src/ dst/", NAMES),
    shown("OUT-18-C", "-ai8 src/ dst/", NAMES, env={"LC_ALL": "C"}),
    shown("OUT-17-error", ["-ai", b"src/no\nsuch\xb0", "dst/"], NAMES),
    shown(
        "OUT-17-delete",
        "-ai --delete src/ dst/",
        ["src/", *(File(b"dst/" + n) for n in (b"a\nb", b"\xb0\xa1", b"\xed\x95\x9c"))],
    ),
    shown(
        "OUT-17-link", "-ai src/ dst/", [Dir("src"), Link("src/l", target=b"a\nb\xff"), Link("src/m", target="한글")]
    ),
]


def _escapes() -> list[Row]:
    kinds = (("", "n"), ("-", "n"), ("'", "l"))
    formats = [f"%{sign}{'0' * n}{letter}|" for n in (1, 21, 22, 23, 24, 31) for sign, letter in kinds]
    formats += ["%5%C", "%%C", "%10n|", "%-10n|", "%-", "%''''l|"]
    formats += [f"%{sign * times}{tail}" for sign, times, tail in (("0", 26, "%C"), ("1", 24, ""), ("0", 30, "'n"))]
    formats += [f"%{sign * times}{tail}" for sign, times, tail in (("'", 30, "l|"), ("0", 23, "'l|"))]
    formats += [f"%-{'0' * 22}'l|", f"%-{'0' * 23}'l|"]
    return [
        Row(f"OUT-escape-{n}", "src/ src/f=data", ["-ac", f"--out-format={text}", "src/f", "dst/"])
        for n, text in enumerate(formats)
    ]


#: A width has at most 23 digits.
ESCAPES = _escapes()

ROWS: list[Row] = [*ESCAPING, *ESCAPES]

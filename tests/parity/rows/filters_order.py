"""The order of rules, and rules read from files (spec: filters 1 to 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.parity.common import FLAT, copies
from tests.parity.harness import Row
from tests.parity.tree import File


def errors(ident: str, rules: Sequence[str]) -> Row:
    return Row(
        ident,
        "src/a",
        ["-ai", f"-f{rules[0]}", "src/", "dst/"],
        then=[f"-ai '-f{rule}' src/ dst/" for rule in rules[1:]],
    )


FILES = {
    "F": b"- a\n# no\n; no\n\n - b\n#b\n",
    "G": b"- a\r\n\r\n- b\r\n",
    "H": b"a\rb\r",
    "W": b"-_a  -_b\n\t+_c\n",
    "N": b"a\0b\0#y\0",
    "O": b"+ b\n- *\n",
    "P": b"a\n!\nb",
    "Q": b"- b\n! b\n",
    "M": b"merge G\n- c.o\n",
    "S": b"H a\nP b\n",
}


def with_files(ident: str, cmds: Sequence[str], **more: Any) -> Row:
    return copies(ident, cmds, [*FLAT, *(File(name, content=data) for name, data in FILES.items())], **more)


ORDER = [
    with_files(
        "FLT-1",
        [
            "-f'- a' --include=a",
            "--include=a -f'- a'",
            "--exclude-from=F --include=a",
            "--include=b --exclude-from=F --exclude='*'",
            "-f'. O' --include=a",
            "--exclude=a -f'!' --exclude=b",
            "-F --exclude=a --include=b --exclude='*.o'",
        ],
    ),
    errors(
        "FLT-2",
        [
            "-foo",
            "Z foo",
            "--foo",
            "-",
            "+",
            "+ ",
            "- ",
            " - a",
            "H",
            "P ",
            "hide",
            "merge ",
            ": ",
            ".",
            ":",
            "!x",
            "clear x",
            "exclude",
            "exclude,",
            "-/",
            "-!",
            "-C a",
            "-+ a",
            "+- a",
            "-sr",
            "-w a",
            "-e a",
        ],
    ),
    errors(
        "FLT-2-modifiers",
        [
            "H/! a",
            "Hs a",
            "P,p a",
            "S,x a",
            "Rr a",
            "Rc a",
            "hide,r a",
            "protect,! a",
            "risk,/ a",
            "show,p a",
            ":Ce",
            ":C-",
            ":-C x",
            ".! F",
            ":! x",
            ":h x",
            "!,",
            "!_",
            "clear,",
            "-,, a",
            "-_",
            "+/!Csrpx a",
            "merge,x nosuch",
            "dir-merge,e",
            "include,s",
        ],
    ),
    errors(
        "FLT-2-words",
        [
            "excl a",
            "Exclude a",
            "exclude:a",
            "includea",
            "include\ta",
            "merge\tnosuch",
            "dir-mergex",
            "dir-merge_x",
            "protect_a",
            "hide a b ",
            "show,a",
            "risk.a",
            "- a\nb",
            "é",
        ],
    ),
    copies(
        "FLT-3",
        [
            "-f'- d/'",
            "-f'- a/'",
            "-f'- d/**'",
            "-f'- d/***'",
            "-f'- d/*'",
            "-f'- /d/e/'",
            "-f'- e/***'",
            "-f'- d/**/'",
            "-f'- ***'",
        ],
    ),
    copies(
        "FLT-4",
        [
            "-f'- **/a'",
            "-f'- /**/a'",
            "-f'- **a'",
            "-f'- **/e/**'",
            "-f'- /**'",
            "-f'- d**'",
            "-f'- **/'",
            "-f'- ?/**'",
        ],
    ),
    Row(
        "FLT-5",
        [File("src/fo\\o"), File("src/foo"), File("src/fo\\"), File("src/f*")],
        ["-ai", "-f- fo\\o", "src/", "dst/"],
        then=[
            "-ai '-f- fo\\o*' src/ dst2/",
            "-ai '-f- f\\*' src/ dst3/",
            "-ai '-f- fo\\' src/ dst4/",
            "-ai '-f- fo\\\\' src/ dst5/",
            "-ai '-f- fo\\\\*' src/ dst6/",
            "-ai '-f- f[\\]*' src/ dst7/",
            "-ai '-f- f*\\' src/ dst8/",
        ],
    ),
    Row(
        "FLT-6",
        [
            *(
                File(f"src/{name}")
                for name in ["xay", "x-y", "x]y", "x^y", "xAy", "x1y", "x y", "x.y", "x_y", "x\ty", "xéy", "x/y"]
            )
        ],
        ["-ai", "-f- x[/]y", "src/", "dst/"],
        then=[
            f"-ai '-f- x{pattern}y' src/ dst{number}/"
            for number, pattern in enumerate(
                [
                    "[!/]",
                    "[[:bogus:]]",
                    "[[:alpha:]]",
                    "[^[:alpha:]]",
                    "[[:digit:][:upper:]]",
                    "[[:punct:]]",
                    "[[:space:]]",
                    "[[:blank:]]",
                    "[[:alnum:]_]",
                    "[[:graph:]]",
                    "[[:print:]]",
                    "[[:cntrl:]]",
                    "[[:xdigit:]]",
                    "[[:lower:]]",
                    "[a-z]",
                    "[A-z]",
                    "[z-a]",
                    "[]]",
                    "[]a]",
                    "[^]]",
                    "[a",
                    "[",
                    "[-]",
                    "[a-]",
                    "[-a]",
                    "[\\]]",
                    "[\\-]",
                    "[a\\-z]",
                    "[[.a.]]",
                    "[[=a=]]",
                    "[[:alpha:]",
                    "[:alpha:]",
                    "[!-.]",
                    "??",
                ]
            )
        ],
    ),
    copies(
        "FLT-7",
        [
            "-f'-! */'",
            "-f'-! a'",
            "-f'-! /d/***'",
            "-f'+! *.o' -f'- *'",
            "-f'-!p b'",
            "-f'-!s *.o'",
            "-f'H! */'",
            "-f'-! d/'",
        ],
    ),
    Row(
        "FLT-8-each",
        "src/ src/x src/y dst/x dst/y dst/z",
        "-ani --delete -f'hide,s x' src/ dst/",
        then=[
            f"-ani --delete {rule} src/ dst/"
            for rule in [
                "-f'-rs x'",
                "-f'-s x'",
                "-f'-r x'",
                "-f'H x' -f'P z'",
                "-f'R x' -f'- x'",
                "-f'S x' -f'- x'",
                "-f'+s x' -f'- x'",
                "-f'+r z' -f'- ?'",
                "-f'+rs x' -f'- ?'",
                "-f'-s *' -f'-r z'",
            ]
        ],
    ),
    with_files(
        "FLT-9-each",
        [
            "-f'- a' -f'!' -f'- b'",
            "-f'- a' -f clear",
            "-f'! x'",
            "--exclude='! x'",
            "--exclude=a --exclude='!' --exclude=b",
            "--include=a --include='!' --exclude=a",
            "--exclude='!a'",
            "--exclude-from=P",
            "-f'. P'",
            "-f'. Q'",
            "--exclude-from=Q",
            "-f'.- Q'",
        ],
    ),
    with_files(
        "FLT-10",
        [
            "-f'. F'",
            "--exclude-from=F",
            "-f'.- F'",
            "-f'.w W'",
            "-f'.w- F'",
            "-0 --exclude-from=N --no-from0",
            "-0 --exclude-from=N --no-from0",
            "-0 --no-from0 --exclude-from=F",
            "--include-from=F --exclude='*'",
            "-f'- #y'",
            "--exclude=';x'",
            "--exclude='# z'",
        ],
    ),
    with_files(
        "FLT-11",
        [
            "-f'. G'",
            "--exclude-from=G",
            "--exclude-from=H",
            "-f'. H'",
            "-f'.- H'",
            "-f'.w- H'",
            "-0 --exclude-from=G",
            "-f'. M'",
            "-0f'. G'",
        ],
    ),
    Row(
        "FLT-10-stdin",
        "src/a src/b",
        "-ai --exclude-from=- src/ dst/",
        then=["-ai -f'. -' src/ dst2/", "-ai --include-from=- --exclude='*' src/ dst3/"],
        stdin=b"# c\n- a\n",
    ),
]

ROWS: list[Row] = [*ORDER]

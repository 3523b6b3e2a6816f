"""Paths of a client that the filter or the border of a module judges (spec: daemon 8, security SEC-9, SEC-13)."""

from __future__ import annotations

from typing import Any

from tests.parity.common import PEER, RESET
from tests.parity.harness import Command, Row
from tests.parity.tree import Tree

RULES = {
    "bare": "exclude = /ex\n",
    "slash": "exclude = /ex/\n",
    "stars": "exclude = /ex/***\n",
}

WRITE = "read only = no\n"

FILTERED_TREE: Tree = "mod/ mod/f=old mod/ex/ mod/ex/x=k mod/ex/sub/ mod/ex/sub/old=o src/f=new src/d/g=gg"


def filtered(ident: str, cmd: Command, tree: Tree = FILTERED_TREE, **more: Any) -> Row:
    settings = {"via": "daemon", "norm": PEER, "codes": RESET} | more
    return Row(f"DMN-35-{ident}", tree, cmd, **settings)


FILTERED = [
    filtered(f"{option}-{rule}", f"-r {words} src/ {{url}}/", conf=WRITE + text)
    for rule, text in RULES.items()
    for option, words in {
        "partial": "--partial-dir=/ex",
        "partial-below": "--partial-dir=/ex/sub",
        "backup-below": "-b --backup-dir=/ex/sub",
        "temp-below": "-T /ex/sub",
        "alternate-below": "--compare-dest=/ex/sub",
    }.items()
]

FILTERED += [
    filtered(f"into-{rule}", "-r --delete src/ {url}/ex/sub/", conf=WRITE + text) for rule, text in RULES.items()
]

FILTERED += [
    filtered(f"root-{number}", "-rt --delete src/ {url}/", conf=f"{WRITE}filter = + f - {pattern}\n")
    for number, pattern in enumerate((".*", "?", "*", "**", ".", "./", "[.x]"))
]

FILTERED += [
    filtered("relative-hidden", "-rR {url}/./ex/sub/old got/", conf="exclude = /ex\n"),
    filtered("relative-hidden-name", "-rR {url}/ex got/", conf="exclude = ex\n"),
    filtered("wildcard-through-a-link", "-r {url}/to/* got/", "mod/rel/a mod/rel/b/c mod/to->rel"),
    filtered("wildcard-through-an-absolute-link", "-r {url}/to/* got/", "mod/rel/a mod/to->/no/such"),
    filtered("wildcard-class", "-r {url}/[[:lower:]]* got/", "mod/a mod/B mod/1 mod/b/c"),
    filtered("wildcard-class-negated", "-r {url}/[^[:digit:]]* got/", "mod/a mod/B mod/1 mod/2/c"),
    filtered("wildcard-backslash", ["-r", "{url}/a\\[/*", "got/"], "mod/a[/x mod/ab/y"),
    filtered("wildcard-two-levels", "-r {url}/*/./b*/c got/", "mod/a/b1/c mod/a/b2/c mod/d/b/e mod/b"),
    filtered("push-to-a-link-to-nothing", "-r src/ {url}/to/", "mod/to->/no/such/place src/f", conf=WRITE),
    filtered("push-file-to-a-link-to-nothing", "src/f {url}/to/q", "mod/to->/no/such/place src/f", conf=WRITE),
]

ABOVE = [
    *(
        Row(
            f"OPT-daemon-above-{number}",
            "src/a mod/dst/x/a=old mod/dst/a=old mod/tt/ mod/dst/tt/",
            f"-ai {option} src/ {{url}}/m/{place}/",
            via="daemon",
            conf="read only = no",
        )
        for number, (option, place) in enumerate(
            (option, place)
            for option in ("--backup-dir=../bk", "--backup-dir=../../bk", "--temp-dir=../tt", "--partial-dir=../pd")
            for place in ("dst", "dst/x")
        )
    ),
]  # fmt: skip

ROWS: list[Row] = [*FILTERED, *ABOVE]

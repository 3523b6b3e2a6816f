"""spec: daemon 8, security SEC-9, SEC-13: paths of a client that a module's filter or its border judges."""

from __future__ import annotations

from tests.parity.harness import Row
from tests.parity.rows.daemon import PEER, RESET
from tests.parity.tree import Tree

TREE: Tree = "mod/ mod/f=old mod/ex/ mod/ex/x=k mod/ex/sub/ mod/ex/sub/old=o src/f=new src/d/g=gg"
WRITE = "read only = no\n"


def row(ident: str, cmd: str, tree: Tree = TREE, **more: object) -> Row:
    settings = {"via": "daemon", "norm": PEER, "codes": RESET} | more
    return Row(f"DMN-35-{ident}", tree, cmd, **settings)  # type: ignore[arg-type]


RULES = {
    "bare": "exclude = /ex\n",
    "slash": "exclude = /ex/\n",
    "stars": "exclude = /ex/***\n",
}

ROWS = [
    row(f"{option}-{rule}", f"-r {words} src/ {{url}}/", conf=WRITE + text)
    for rule, text in RULES.items()
    for option, words in {
        "partial": "--partial-dir=/ex",
        "partial-below": "--partial-dir=/ex/sub",
        "backup-below": "-b --backup-dir=/ex/sub",
        "temp-below": "-T /ex/sub",
        "alternate-below": "--compare-dest=/ex/sub",
    }.items()
]
ROWS += [row(f"into-{rule}", "-r --delete src/ {url}/ex/sub/", conf=WRITE + text) for rule, text in RULES.items()]
ROWS += [
    row(f"root-{number}", "-rt --delete src/ {url}/", conf=f"{WRITE}filter = + f - {pattern}\n")
    for number, pattern in enumerate((".*", "?", "*", "**", ".", "./", "[.x]"))
]
ROWS += [
    row("relative-hidden", "-rR {url}/./ex/sub/old got/", conf="exclude = /ex\n"),
    row("relative-hidden-name", "-rR {url}/ex got/", conf="exclude = ex\n"),
    row("wildcard-through-a-link", "-r {url}/to/* got/", "mod/rel/a mod/rel/b/c mod/to->rel"),
    row("wildcard-through-an-absolute-link", "-r {url}/to/* got/", "mod/rel/a mod/to->/no/such"),
    row("push-to-a-link-to-nothing", "-r src/ {url}/to/", "mod/to->/no/such/place src/f", conf=WRITE),
    row("push-file-to-a-link-to-nothing", "src/f {url}/to/q", "mod/to->/no/such/place src/f", conf=WRITE),
]

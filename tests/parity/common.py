"""What several files of rows share: functions that make rows, and trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.parity.harness import Command, Row
from tests.parity.tree import File, Tree, filler

BIG = filler(b"big", 300_000)

EDITED = BIG[:100_000] + b"some new words" + BIG[100_000:200_000] + b"X" + BIG[200_001:]

KINDS = "src/a src/d/b src/l->a src/dl->d src/p| src/n#c1.3 src/k#b7.1 src/dangling->nosuch src/empty/"

NO_TOTALS = [(r"(?m)^total: .*$", "T")]


def both(ident: str, options: str, tree: Tree, **more: Any) -> list[Row]:
    """The same copy locally, as a push and as a pull over a shell."""
    # On a push the deletions reach the client by another way than the item lines, so their order is a race.
    push = {"sorted": "--delete" in options} | more
    return [
        Row(ident, tree, f"{options} src/ dst/", **more),
        Row(f"{ident}-push", tree, f"{options} src/ h:{{w}}/dst/", via="shell", **push),
        Row(f"{ident}-pull", tree, f"{options} h:{{w}}/src/ dst/", via="shell", **more),
    ]


def row(ident: str, cmd: Command, tree: Tree, **more: Any) -> Row:
    return Row(ident, tree, cmd, **more)


#: A remote shell that notes the words it is given and ends.
SHOW = b"""#!/bin/sh
{ printf '[%s]' "$@"; echo; env | grep '^RSYNC_PORT'; } >>"${NOTE:-$PWD/args}"
exit 3
"""


def command(ident: str, cmds: Sequence[str], **more: Any) -> Row:
    """Every client ends with an error; the words for its shell are in the tree."""
    first, *rest = [cmd if "-e " in cmd else f"-e {{w}}/show {cmd}" for cmd in cmds]
    return Row(
        ident,
        [
            "src/a",
            File("L", content=b"a\n", mode=0o600),
            File("show", content=SHOW, mode=0o755),
            File("ssh", content=SHOW, mode=0o755),
        ],
        first,
        then=[*rest, "!cat args 2>/dev/null; rm -f args l"],
        codes=frozenset({3, 5, 10, 12, 14}),
        norm=[
            # How the end of the shell shows is a race (see output 2).
            (
                r"(?m)^rsync: (connection unexpectedly closed|\[\w+\] (write|safe_write|read)"
                r"|did not see|didn't get).*\n",
                "",
            ),
            (r"(?m)^rsync error: .* \(code (3|5|10|12|14)\).*\n", ""),
            (r"(?m)^\[\w+\] _exit_cleanup.*\n", ""),
            (r"(?s)Usage: .*(?=rsync error)", "usage "),
            (r"(?s)\A.*?protocol version \d+\n.*?usage", "usage"),
        ],
        **more,
    )


def groups(ident: str, cmds: Sequence[str], size: int = 10) -> list[Row]:
    return [command(f"{ident}-{at // size}", cmds[at : at + size]) for at in range(0, len(cmds), size)]


LONG_VALUE = b"v" * 60

# The peer's host name is not the same on every machine.
PEER = [(r"from \S+ \(127\.0\.0\.1\)", "from HOST (127.0.0.1)")]

# 3.5.0 closes with unread input, which the client may notice before or after it has read the error text.
RESET = frozenset({1, 4, 5, 10, 12})

DEEP = "src/ src/6 src/a/4 src/a/e/5 src/b/1 src/b/c/2 src/b/c/d/3 src/z/7 src/l->a src/p| src/n#b7.3"

SHELL = "-e {space}/sh --rsync-path={prog}"


def in_new_places(options: Sequence[str]) -> list[str]:
    """Each set of options copies into a place of its own."""
    return [f"{one} src/ d{number}/" for number, one in enumerate(options)]


def runs(ident: str, cmds: Sequence[str], tree: Tree = DEEP, **more: Any) -> Row:
    return Row(ident, tree, cmds[0], then=cmds[1:], **more)


LONG_XATTR = b"a value of more than thirty-two bytes"

ONE = "src/a"


def plain(ident: str, cmd: Command, tree: Tree = ONE, **more: Any) -> Row:
    return Row(ident, tree, cmd, **more)


def server(ident: str, cmd: Command, tree: Tree = ONE, **more: Any) -> Row:
    """The remote shell writes the words it is given to a file and ends: the server's command line is the result."""
    show: Tree = [tree] if isinstance(tree, str) else tree
    return Row(
        ident,
        [*show, File("show", content=b'#!/bin/sh\nprintf "%s\\n" "$@" >"$PWD/args"\nexit 3\n', mode=0o755)],
        f"-e {{w}}/show {cmd}",
        codes=frozenset({3, 5, 10, 12}),
        stderr=False,
        norm=[(r"(?m)^\[\w+\] _exit_cleanup.*\n", "")],
        **more,
    )


OUTPUT_KINDS = "src/ src/a src/d/b src/l->a src/p| src/n#c1.3 src/big*123456"


def shown(ident: str, cmd: Command, tree: Tree = OUTPUT_KINDS, **more: Any) -> Row:
    return Row(ident, tree, cmd, **more)


def three_ways(ident: str, options: str, tree: Tree = OUTPUT_KINDS, **more: Any) -> list[Row]:
    return [
        Row(ident, tree, f"{options} src/ dst/", **more),
        Row(f"{ident}-push", tree, f"{options} src/ h:{{w}}/dst/", via="shell", **more),
        Row(f"{ident}-pull", tree, f"{options} h:{{w}}/src/ dst/", via="shell", **more),
    ]


FLAT: Tree = [
    "src/ src/a src/b src/c.o src/d/a src/d/b src/d/c.o src/d/e/f",
    File("src/;x"),
    File("src/#y"),
    File("src/ z"),
]


def copies(ident: str, cmds: Sequence[str], tree: Tree = FLAT, **more: Any) -> Row:
    """Each command line copies into a place of its own."""
    made = [cmd if "dst" in cmd or "mod" in cmd else f"-ai {cmd} src/ dst{number}/" for number, cmd in enumerate(cmds)]
    return Row(ident, tree, made[0], then=made[1:], **more)


PLAIN_COPY = "src/ src/a src/d/b src/d/e/c src/l->a src/dl->d dst/ dst/a=o;t=-9 dst/d/b dst/x dst/d/y"

PLAIN_TREE = "src/ src/a src/d/b src/d/e/c src/l->a src/dl->d"

LOG_ALIKE = (
    "sed -E 's/^[0-9/]+ [0-9:]+ \\[[0-9]+\\] //; s/[0-9.,]+ bytes/N bytes/g; s/speedup is .*/speedup/; "
    "s/at [a-z.]+\\([0-9]+\\)/at FILE/; s/=[0-9.]+\\]/=V]/' log; rm log"
)

#: Something new, changed, of other attributes alone, in the way of a link, and a directory.
CHANGES = (
    "src/ src/new src/changed=ab src/mode;m=0600 src/l->new src/d/ src/d/owner;o=5.6 "
    "dst/ dst/changed=old dst/mode;m=0644 dst/l/ dst/l/kept dst/d/ dst/d/owner;o=7.8"
)


def over(ident: str, options: str, tree: Tree, **more: Any) -> list[Row]:
    """Both ways over a shell."""
    return both(ident, options, tree, **more)[1:]


def versions(ident: str, options: str, tree: Tree, protocols: tuple[int, ...], **more: Any) -> list[Row]:
    return [row for p in protocols for row in over(f"{ident}-{p}", f"{options} --protocol={p}", tree, **more)]


class Turns:
    """Makes a copy locally and, by turns, also as a push or pull over a shell or with a daemon.

    Every second row has a twin: a row put between others moves the twins of those behind it. Add rows at the end.
    """

    ORDER = ("push", "", "pull", "", "up", "", "down", "")

    def __init__(self, first: int) -> None:
        self.next = first

    def __call__(self, ident: str, options: str, tree: Tree, **more: Any) -> list[Row]:
        parts = list(tree) if not isinstance(tree, str) else [tree]
        rows = [Row(ident, parts, f"{options} src/ dst/", **more)]
        turn = self.ORDER[self.next % len(self.ORDER)]
        self.next += 1
        if more.get("user") and turn in ("up", "down"):
            turn = "push"
        # Deletions reach a pushing client by another way than the item lines, so their order is a race.
        push = {"sorted": "--del" in options} | more
        conf = "path = {w}\nread only = no\nmunge symlinks = no"
        if turn == "push":
            rows.append(Row(f"{ident}-push", parts, f"{options} src/ h:{{w}}/dst/", via="shell", **push))
        elif turn == "pull":
            rows.append(Row(f"{ident}-pull", parts, f"{options} h:{{w}}/src/ dst/", via="shell", **more))
        elif turn == "up":
            rows.append(Row(f"{ident}-up", parts, f"{options} src/ {{url}}/m/dst/", via="daemon", conf=conf, **push))
        elif turn == "down":
            rows.append(Row(f"{ident}-down", parts, f"{options} {{url}}/m/src/ dst/", via="daemon", conf=conf, **more))
        return rows

"""Hide, show, protect and risk; rules as a server reads them; deletion and rules (spec: filters 5, 6, 11)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.parity.harness import Row
from tests.parity.tree import File, Tree

TEXTS = [
    "-f'- foo/'",
    "-f'+ /bar'",
    "-f'P x*'",
    "-f'H y'",
    "-f'S y'",
    "-f'R y'",
    "-f': .rf'",
    "-f':n- .ex'",
    "-f':C'",
    "-f'-! */'",
    "-f'-/ /abs'",
    "-f'-pxs f/'",
    "-f'-rs b'",
    "-f'-sr b'",
    "-f'- a' --delete-excluded",
    "--delete-excluded -f'- a'",
    "--delete-excluded -f': .x'",
    "--delete-excluded -f':- .y'",
    "--delete-excluded -f'-r b'",
    "--delete-excluded -f'P b' -f'H c'",
    "--partial-dir=.pp",
    "--partial-dir=/abs",
    "--delay-updates",
    "-b",
    "-b --backup-dir=bk",
    "-b --suffix=.x",
    "-b --delete-excluded",
    "-C",
    "-C -f'- x'",
    "-F",
    "-FF",
    "-f'hide,! */'",
    "-f'protect,p q'",
    "-f':enw .r'",
    "-f':sp .r'",
    "-f':w+ .r'",
    "-f':/ .r'",
    "-f':x .r'",
    "-f'.- L'",
    "-f'. M'",
    "-f'.s L2'",
    "-f'.r L2'",
    "-f'.p L2'",
    "-f'./ L2'",
    "-f'.x L2'",
    "-f'-  lead'",
    "-f'- trail '",
    "--exclude='+ b' --include='- c' --exclude='H d'",
    "--exclude=a --include=b --exclude='!' --exclude=c",
    "-f'- [a-z]*\\?'",
    "-f'- é'",
    "--old-dirs -r",
    "-f'-x user.*'",
    "-m -f'+ q'",
    "-f'- /'",
    "-f'- a//'",
    "-f'+ a/***'",
]

# The rules as an rsync server reads them: it lists each one.
WIRE = "-e {space}/sh --rsync-path={peer} -M--debug=filter2 -a"


def wire(ident: str, rules: Sequence[str], tree: Tree = "src/a dst/", **more: Any) -> Row:
    cmds = [
        cmd
        for rule in rules
        for cmd in (f"{WIRE} {rule} --delete src/ h:{{w}}/dst/", f"{WIRE} {rule} h:{{w}}/src/ dst/")
    ]
    return Row(ident, tree, cmds[0], then=cmds[1:], **more)


SIDES = [
    *(
        wire(
            f"FLT-16-{at // 8}",
            TEXTS[at : at + 8],
            [
                "src/a dst/",
                File("L", content=b"l1\n l2 \n"),
                File("L2", content=b"- q\n+ r/\n"),
                File("M", content=b"- q\n. L2\nH h\n"),
            ],
        )
        for at in range(0, len(TEXTS), 8)
    ),
    *(
        wire(
            f"FLT-16-protocol-{n}",
            [
                f"{rule} --protocol={n}"
                for rule in [
                    "-f'- foo/' -f'+ bar'",
                    "-f'- - x' -f'- + y'",
                    "-f'P z'",
                    "-C",
                    "--partial-dir=.p",
                    "-f'-p q'",
                ]
            ],
            codes=frozenset({2, 12}),
            norm=[(r"(?m)^rsync: connection unex.*\n", ""), (r"(?m)^rsync error: .*code (2|12).*\n", "")],
        )
        for n in (28, 29, 30)
    ),
    Row(
        "FLT-15",
        "src/a src/x.o dst/",
        f"{WIRE} -f'- *.o' src/ h:{{w}}/dst/",
        then=[
            f"{WIRE} -m -f'- *.o' src/ h:{{w}}/dst/",
            f"{WIRE} -C src/ h:{{w}}/dst2/",
            f"{WIRE} --delete-excluded -f'- *.o' src/ h:{{w}}/dst/",
        ],
    ),
    Row(
        "FLT-17-each",
        "src/a dst/",
        "-a --protocol=28 --delete -f'-! x' src/ h:{w}/dst/",
        then=[
            f"-a --protocol=28 --delete -f'{rule}' src/ h:{{w}}/dst/"
            for rule in [": x", "-p x", "-/ x", "-x x", ":C", "P x", "H x", "-s x", "+ x", "- x"]
        ],
        via="shell",
        codes=frozenset({2, 12}),
        norm=[
            (r"(?m)^rsync: connection unex.*\n", ""),
            (r"(?m)^rsync error: error in rsync protocol data stream.*\n", ""),
        ],
    ),
    Row(
        "FLT-22-each",
        "foo bar d/x dst/",
        "-ain --exclude=foo foo bar dst/",
        then=[
            "-ain -f'- foo' foo dst/",
            "-ain --exclude=d d/ foo dst/",
            "-ain --exclude=d d dst/",
            "-ain --exclude='*' d/ dst/",
            "-ainR --exclude=d d/x dst/",
            "-ain --exclude=/d/x d dst/",
            "-ain --exclude=. ./ dst/",
        ],
    ),
]

DELETE_TREE = "src/ src/a src/d/b dst/ dst/a dst/x dst/y.o dst/d/b dst/d/z dst/d/z.o dst/gone/k dst/gone/k.o"


def deletes(number: int, cmd: str, extra: Tree = (), **more: Any) -> Row:
    return Row(f"filters-6-{number}", [DELETE_TREE, *extra], f"-ai {cmd} src/ dst/", **more)


DELETES = [
    deletes(1, "--delete"),
    deletes(2, "--delete --exclude='*.o'"),
    deletes(3, "--delete --exclude='*.o' --delete-excluded"),
    deletes(4, "--delete-excluded --exclude='*.o'"),
    deletes(5, "--delete -f'P *.o'"),
    deletes(6, "--delete -f'H a'"),
    deletes(7, "--delete -f'R y.o' -f'- *.o'"),
    deletes(8, "--delete -f'-p *.o'"),
    deletes(9, "--delete --delete-excluded -f'P *.o'"),
    deletes(10, "--delete --delete-excluded -f'-r *.o'"),
    deletes(11, "--delete -f': .rules'", [File("dst/.rules", content=b"- x\n"), File("src/.rules", content=b"- x\n")]),
    deletes(12, "--delete -f': .rules'", [File("dst/d/.rules", content=b"- z\n")]),
    deletes(13, "--delete -C"),
    deletes(14, "--delete --exclude=/gone/k"),
    deletes(15, "--delete -f'+s *.o' -f'-r *.o'"),
    deletes(16, "--delete --exclude='gone/'"),
    deletes(17, "--delete -vv --exclude='*.o'", norm=[(r"(?m)^total: .*$", "total: N")]),
    deletes(18, "--delete-after -f': .rules'", [File("src/.rules", content=b"- x\n")]),
    deletes(19, "--delete -f'-! */'"),
    deletes(20, "--delete -f'hide,! */' -f'P x'"),
]

# Absolute rules: the sender matches them with its own paths, the client checks the names as if they stood in its
# working directory.
ABSOLUTE = [
    Row(f"FLT-9-absolute-{name}-{kind}{end}", tree, f"-ai --filter='-/ {pattern}' {url}/{what} dst/", via=via)
    for name, pattern in [
        ("star", "/*"), ("here", "{w}/*"), ("dst", "{w}/dst/*"), ("name", "/bar.c"), ("src", "{w}/src/*.c"), ("deep", "/**/bar.c"),
        ("module", "/src/*.c"), ("any", "bar.c"),
    ]
    for kind, url, tree, via in [("pull", "src/ src/a src/bar.c src/d/bar.c dst/", "h:{w}/src", "shell"), ("down", "mod/ mod/src/ mod/src/a mod/src/bar.c mod/src/d/bar.c dst/", "{url}/m/src", "daemon")]
    for end, what in [("", ""), ("-file", "bar.c")]
]  # fmt: skip

# The rules that include a name are shown again by a pull's generator, but not those of a list that came before it began.
SHOWN_TREE = "src/ src/x.o src/.dir/x.o src/a/y src/s/t/x.o one/two/x.o dst/"
SHOWN = [
    Row(f"FLT-9-shown-{name}-{kind}", SHOWN_TREE, f"--debug=filter {options} {url}/{what} dst/", via=via, sorted=True)
    for name, options, what in [
        ("contents", "-a --include=x.o --include=s/", "src/"),
        ("directory", "-a --include=x.o --include=s/ --exclude=y", "src"),
        ("deeper", "-a --include=s/t/", "src"),
        ("delete", "-r --delete --include=x.o", "src/"),
        ("delete-after", "-r --delete-after --include=x.o", "src/"),
        ("whole", "-a --no-i-r --include=x.o", "src/"),
        ("trusted", "-a --trust-sender --include=x.o", "src/"),
        ("show", "-a -f'S x.o'", "src/"),
        ("risk", "-a -f'R x.o'", "src/"),
        ("one", "-a --include=x.o --include=two/", "one"),
        ("one-contents", "-a --include=x.o --include=two/", "one/"),
        ("dry", "-an --include=x.o", "src/"),
        ("old", "-a --protocol=29 --include=x.o", "src/"),
    ]
    for kind, url, via in [("local", "{w}", "local"), ("pull", "h:{w}", "shell")]
] + [
    Row(f"FLT-9-shown-list-{number}-{kind}", SHOWN_TREE, f"--debug=filter {options} --include=x.o --files-from=- {source} {target}", stdin=b"s/t/x.o\nx.o\n", via=via, sorted=True)
    for number, options in enumerate(["-a", "-r", "-ar", "-dt", "-aR --no-i-r"])
    for kind, source, target, via in [
        ("local", "src", "dst/", "local"), ("push", "src", "h:{w}/dst/", "shell"), ("pull", "h:{w}/src", "dst/", "shell"),
    ]
]  # fmt: skip

ROWS: list[Row] = [*ABSOLUTE, *SIDES, *DELETES, *SHOWN]

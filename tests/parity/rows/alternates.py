"""--compare-dest, --copy-dest, --link-dest, --fuzzy (spec: transfer 7, 9)."""

from __future__ import annotations

from tests.parity.common import BIG, EDITED, NO_TOTALS, Turns, both, row
from tests.parity.harness import Row
from tests.parity.tree import Dir, File, Tree, filler

ALT_BASE = "alt/ alt/same alt/mode alt/cont=other;t=-3 alt/d/x alt/l->t"

ALT_SRC = "src/ src/same src/mode;m=0600 src/cont=fresh src/d/x src/l->t src/new"

BASE = "alt/ alt/a alt/b=o;t=-3 alt/d/;t=5 alt/d/c alt/l->x alt/p| alt/n#c1.3"

FRESH = "src/ src/a src/b=n src/d/;t=5 src/d/c src/l->x src/p| src/n#c1.3"

ways = Turns(5)
ALT_BY_TURNS = [
    item
    for kind in ["compare", "copy", "link"]
    for item in [
        *ways(f"TRF-11-{kind}", f"-aii --{kind}-dest=../alt", [FRESH, BASE]),
        *ways(
            f"TRF-11-{kind}-attrs",
            f"-aii --{kind}-dest=../alt",
            [FRESH, "alt/ alt/a;o=5.6 alt/d/;m=0700 alt/l->x;t=9 alt/p|;m=0600 alt/n#c1.3;o=1.1"],
        ),
        *ways(f"TRF-11-{kind}-nop", f"-rltDii --{kind}-dest=../alt", [FRESH, "alt/ alt/a;m=0600;o=5.6 alt/d/c;m=0600"]),
        *ways(
            f"TRF-11-{kind}-E",
            f"-rltEii --{kind}-dest=../alt",
            ["src/ src/a;m=0755 src/b;m=0644", "alt/ alt/a;m=0600 alt/b;m=0755"],
        ),
        *ways(f"TRF-11-{kind}-not", f"-rlii --{kind}-dest=../alt", [FRESH, BASE]),
        *ways(f"TRF-11-{kind}-c", f"-aiic --{kind}-dest=../alt", ["src/ src/a=1;t=5 src/b=2", "alt/ alt/a=1 alt/b=3"]),
        *ways(
            f"TRF-11-{kind}-size",
            f"-aii --size-only --{kind}-dest=../alt",
            ["src/ src/a=1;t=5 src/b=2", "alt/ alt/a=1 alt/b=3"],
        ),
        *ways(f"TRF-11-{kind}-I", f"-aiiI --{kind}-dest=../alt", ["src/ src/a=1 src/b=2", "alt/ alt/a=1 alt/b=3"]),
        *ways(f"TRF-11-{kind}-existing", f"-aii --existing --{kind}-dest=../alt", [FRESH, BASE, "dst/a=q"]),
        *ways(f"TRF-11-{kind}-ignore", f"-aii --ignore-existing --{kind}-dest=../alt", [FRESH, BASE, "dst/a=q"]),
        *ways(f"TRF-11-{kind}-u", f"-aiiu --{kind}-dest=../alt", [FRESH, BASE, "dst/a=q;t=9 dst/b=q;t=-5"]),
        *ways(
            f"TRF-11-{kind}-three",
            f"-aii --{kind}-dest=../x1 --{kind}-dest=../x2 --{kind}-dest=../x3",
            ["src/ src/a src/b=n src/c", "x1/a;m=0600 x1/b=o x2/b=n;t=3 x2/a x3/a x3/b=n x3/c=q"],
        ),
        *ways(
            f"TRF-11-{kind}-H",
            f"-aiiH --{kind}-dest=../alt",
            ["src/ src/a src/b=>src/a src/c=>src/a", "alt/ alt/a alt/b=>alt/a alt/c=>alt/a"],
        ),
        *ways(
            f"TRF-11-{kind}-H-one",
            f"-aiiH --{kind}-dest=../alt",
            ["src/ src/a src/b=>src/a src/c=>src/a", "alt/ alt/b"],
        )[: 0 if kind == "compare" else 2],
        *ways(
            f"TRF-11-{kind}-H-differ",
            f"-aiiH --{kind}-dest=../alt",
            ["src/ src/a=n src/b=>src/a src/c=>src/a", "alt/ alt/a=o;t=-4 alt/c=o;t=-4"],
            sorted=True,
        ),
        *ways(
            f"TRF-11-{kind}-H-exists",
            f"-aiiH --{kind}-dest=../alt",
            ["src/ src/a src/b=>src/a src/c=>src/a", "alt/ alt/a dst/b=o;t=-9"],
        )[: 0 if kind == "compare" else 2],
        *ways(
            f"TRF-11-{kind}-H-n", f"-aiiHn --{kind}-dest=../alt", ["src/ src/a src/b=>src/a src/c=>src/a", "alt/ alt/a"]
        )[: 0 if kind == "compare" else 2],
        *ways(
            f"TRF-11-{kind}-H-links",
            f"-aiiH --{kind}-dest=../alt",
            ["src/ src/l->x src/m=>src/l src/p| src/q=>src/p", "alt/ alt/l->x alt/m=>alt/l alt/p| alt/q=>alt/p"],
        ),
        *ways(
            f"TRF-11-{kind}-dirs",
            f"-aii --{kind}-dest=../alt",
            ["src/d/;m=0711 src/d/e/ src/f/", "alt/d/;m=0711 alt/d/e/;m=0700 alt/f=x"],
        ),
        *ways(
            f"TRF-11-{kind}-types",
            f"-aii --{kind}-dest=../alt",
            ["src/ src/a=x src/l->x src/p|", "alt/ alt/a->x alt/l=x alt/p=x"],
        ),
        *ways(f"TRF-11-{kind}-backup", f"-aiib --{kind}-dest=../alt", [FRESH, BASE, "dst/a=q dst/b=q dst/l->z"]),
        *ways(f"TRF-11-{kind}-inplace", f"-aii --inplace --{kind}-dest=../alt", [FRESH, BASE, "dst/b=q"]),
        *ways(f"TRF-11-{kind}-delay", f"-aii --delay-updates --{kind}-dest=../alt", [FRESH, BASE, "dst/b=q"]),
        *ways(
            f"TRF-11-{kind}-delete", f"-aii --delete --{kind}-dest=../alt", [FRESH, BASE, "dst/x dst/d/y"], sorted=True
        ),
        *ways(f"TRF-11-{kind}-remove", f"-aii --remove-source-files --{kind}-dest=../alt", [FRESH, BASE]),
        *ways(
            f"TRF-11-{kind}-max",
            f"-aii --max-size=3 --{kind}-dest=../alt",
            ["src/ src/a*9 src/b*2", "alt/ alt/a*9 alt/b*2"],
        ),
        *ways(
            f"TRF-11-{kind}-delta",
            f"-aii --no-W --stats --{kind}-dest=../alt",
            [Dir("src"), File("src/f", content=EDITED), Dir("alt"), File("alt/f", content=BIG, time=-4)],
        ),
        *ways(
            f"TRF-11-{kind}-partial",
            f"-aii --no-W --stats --partial-dir=.p --{kind}-dest=../alt",
            [
                Dir("src"),
                File("src/f", content=EDITED),
                Dir("alt"),
                File("alt/f", content=b"no", time=-4),
                File("dst/.p/f", content=BIG),
            ],
        ),
        row(
            f"TRF-11-{kind}-many",
            " ".join(["-ai", *(f"--{kind}-dest=../x{n}" for n in range(21)), "src/ dst/"]),
            "src/a",
        ),
        row(f"TRF-11-{kind}-one", f"-aii --{kind}-dest=../alt src/a dst/", [FRESH, BASE]),
        row(f"TRF-11-{kind}-one-name", f"-aii --{kind}-dest={{w}}/alt src/a dst/z", [FRESH, BASE, "alt/z dst/"]),
        row(f"TRF-11-{kind}-R", f"-aiiR --{kind}-dest=../alt src/d/c src/a dst/", [FRESH, "alt/src/a alt/src/d/c"]),
        row(
            f"TRF-11-{kind}-user",
            f"-aii --{kind}-dest=../alt src/ dst/",
            ["src/ src/a src/b;m=0600", "alt/ alt/a;o=0.0 alt/b;m=0000;o=0.0"],
            user=True,
        ),
    ]
] + [
    row("TRF-11-mixed", "-ai --link-dest=../alt --copy-dest=../alt src/ dst/", [FRESH, BASE]),
    row("TRF-11-vv", "-avv --link-dest=../alt src/ dst/", [ALT_SRC, ALT_BASE], norm=NO_TOTALS, sorted=True),
]

FAR = filler(b"far", 60_000)

NOISE = filler(b"noise", 60_000)

NEAR = NOISE[:30_000] + b"change" + NOISE[30_000:]

ways = Turns(1)
FUZZY = [
    item
    for number, (want, have, alt) in enumerate(
        [
            ("file-2.tar", {"file-1.tar": NOISE, "other": FAR}, {}),
            ("a.txt", {"b.txt": FAR, "a.txt.bak": NOISE}, {}),
            ("a-1.2.tar.gz", {"a-1.1.tar.gz": NOISE, "a-1.2.zip": FAR}, {}),
            ("report", {"report~": NOISE, "xreport": FAR}, {}),
            ("data.old", {"data": FAR, "date.old": NOISE}, {}),
            ("foo", {"bar": NOISE}, {}),
            ("longname-of-a-thing", {"longname-of-a-thinh": FAR, "longname-of-a-thing2": NOISE}, {}),
            (".hidden.c", {".hidden.h": NOISE, "hidden.c": FAR}, {}),
            ("a1", {"a2": NOISE, "a3": FAR}, {}),
            ("a2", {"a1": NOISE, "a3": FAR}, {}),
            ("f.c", {"g.c": FAR}, {"f-old.c": NOISE}),
            ("new", {}, {"mew": NOISE}),
        ]
    )
    for item in ways(
        f"TRF-fuzzy-{number}",
        f"-ai {'-yy' if alt else '-y'} --no-W --stats" + (" --compare-dest=../alt" if alt else ""),
        [
            Dir("src"),
            File(f"src/{want}", content=NEAR),
            Dir("dst"),
            *(File(f"dst/{name}", content=content, time=-9) for name, content in have.items()),
            Dir("alt"),
            *(File(f"alt/{name}", content=content, time=-9) for name, content in alt.items()),
        ],
    )
] + [
    *ways(
        "TRF-fuzzy-same",
        "-aiy --no-W --stats",
        [
            Dir("src"),
            File("src/new-name", content=NOISE),
            Dir("dst"),
            File("dst/zzz", content=NOISE),
            File("dst/new-nam", content=FAR, time=-3),
        ],
    ),
    *ways(
        "TRF-fuzzy-sent",
        "-aiy --no-W --stats",
        [
            Dir("src"),
            File("src/a1", content=NEAR),
            File("src/a2", content=NOISE),
            Dir("dst"),
            File("dst/a2", content=NOISE, time=-9),
        ],
    ),
    *ways(
        "TRF-fuzzy-delete",
        "-aiy --delete --no-W --stats",
        [Dir("src"), File("src/a1", content=NEAR), Dir("dst"), File("dst/a2", content=NOISE, time=-9)],
    ),
    *ways(
        "TRF-fuzzy-delete-after",
        "-aiy --delete-after --no-W --stats",
        [Dir("src"), File("src/a1", content=NEAR), Dir("dst"), File("dst/a2", content=NOISE, time=-9)],
    ),
    *ways(
        "TRF-fuzzy-excluded",
        "-aiy --exclude=a2 --no-W --stats",
        [Dir("src"), File("src/a1", content=NEAR), Dir("dst"), File("dst/a2", content=NOISE, time=-9)],
    ),
    row("TRF-fuzzy-debug", "-aiy --debug=fuzzy src/ dst/", "src/ src/ab1 dst/ dst/ab2 dst/ab3 dst/q/x"),
    row(
        "TRF-fuzzy-one",
        "-aiy --no-W --stats src/a1 dst/",
        [File("src/a1", content=NEAR), Dir("dst"), File("dst/a2", content=NOISE)],
    ),
]

ALTERNATES = [
    *(
        item
        for kind in ["compare", "copy", "link"]
        for item in [
            row(f"transfer-7.1-{kind}", f"-ai --{kind}-dest=../alt src/ dst/", [ALT_SRC, ALT_BASE]),
            row(f"transfer-7.1-{kind}-ii", f"-aii --{kind}-dest=../alt src/ dst/", [ALT_SRC, ALT_BASE]),
            row(
                f"transfer-7.1-{kind}-vv",
                f"-avv --{kind}-dest=../alt src/ dst/",
                [ALT_SRC, ALT_BASE],
                norm=NO_TOTALS,
                sorted=True,
            ),
            row(f"transfer-7.1-{kind}-n", f"-ain --{kind}-dest=../alt src/ dst/", [ALT_SRC, ALT_BASE]),
            row(
                f"transfer-7.2-{kind}",
                f"-ai --{kind}-dest=../alt src/ dst/",
                [ALT_SRC, ALT_BASE, "dst/same=different;t=-8 dst/mode dst/cont=x"],
            ),
            row(
                f"transfer-7.3-{kind}",
                f"-aii --{kind}-dest=../alt src/ dst/",
                "src/ src/l->t src/p| src/d/ alt/l->t alt/p| alt/d/",
            ),
            row(f"transfer-7.1-{kind}-missing", f"-ai --{kind}-dest=../nosuch src/ dst/", ALT_SRC),
            row(f"transfer-7.1-{kind}-file", f"-ai --{kind}-dest=../f src/ dst/", [ALT_SRC, "f"]),
            row(
                f"transfer-7.1-{kind}-two",
                f"-ai --{kind}-dest=../alt2 --{kind}-dest=../alt src/ dst/",
                [ALT_SRC, ALT_BASE, "alt2/new alt2/same=o"],
            ),
            Row(
                f"transfer-7.1-{kind}-push",
                [ALT_SRC, ALT_BASE],
                f"-ai --{kind}-dest=../alt src/ h:{{w}}/dst/",
                via="shell",
            ),
            Row(
                f"transfer-7.1-{kind}-pull",
                [ALT_SRC, ALT_BASE],
                f"-ai --{kind}-dest=../alt h:{{w}}/src/ dst/",
                via="shell",
            ),
        ]
    ),
    row("TRF-11-abs", "-ai --link-dest={w}/alt src/ dst/", [ALT_SRC, ALT_BASE]),
    row("TRF-11-delete", "-ai --delete --link-dest=../alt src/ dst/", [ALT_SRC, ALT_BASE, "dst/gone"]),
    row(
        "TRF-fuzzy",
        "-aiy --no-W --stats src/ dst/",
        [Dir("src"), File("src/file-2.tar", content=EDITED), Dir("dst"), File("dst/file-1.tar", content=BIG, time=-9)],
    ),
    row(
        "TRF-fuzzy-none",
        "-ai --no-W --stats src/ dst/",
        [Dir("src"), File("src/file-2.tar", content=EDITED), Dir("dst"), File("dst/file-1.tar", content=BIG, time=-9)],
    ),
]

#: Devices, pipes and sockets in the place of each other and of other things; each name says what is sent and what is
#: in its place.
NODES: Tree = [
    "src/ src/char-block#c1.6 src/block-char#b1.4 src/char-other#c1.3 src/char-same#c1.3 src/fifo-socket| src/socket-fifo!"
    " src/fifo-char| src/char-fifo#c1.3 src/char-file#c1.3 src/fifo-file| src/char-dir#c1.3 src/file-char src/char-link#c1.5"
    " src/d/ src/d/char-block#c1.3;m=0640;o=3.4 src/d/fifo-socket|;m=0622;t=5"
]


def _in_place(top: str) -> Tree:
    return [
        f"{top}/ {top}/char-block#b1.3 {top}/block-char#c1.3 {top}/char-other#c1.5 {top}/char-same#c1.3 {top}/fifo-socket!"
        f" {top}/socket-fifo| {top}/fifo-char#c1.3 {top}/char-fifo| {top}/char-file {top}/fifo-file {top}/char-dir/"
        f" {top}/file-char#c1.3 {top}/char-link->x {top}/d/ {top}/d/char-block#b1.7;m=0600;t=7 {top}/d/fifo-socket!;m=0600;o=5.6"
    ]


REPLACED = [
    item
    for ident, options in (
        ("a", "-ai"),
        ("D", "-rDi"),
        ("Dn", "-rDin"),
        ("Dp", "-rDpii"),
        ("backup", "-aib"),
        ("existing", "-ai --existing"),
        ("delete", "-ai --delete --force"),
        ("update", "-aiu"),
    )
    for item in both(f"TRF-3.3-replaced-{ident}", options, [*NODES, *_in_place("dst")])
]

REPLACED += [
    item
    for kind in ("link", "copy", "compare")
    for ident, options in (("a", "-aii"), ("D", "-rDii"), ("H", "-aiiH"))
    for item in both(
        f"TRF-3.3-{kind}-replaced-{ident}", f"{options} --{kind}-dest=../old", [*NODES, *_in_place("old"), "dst/"]
    )
]

ALT_LINKS = {
    "abs": "ln -s $PWD/ext prev/d; ln -s $PWD/keep/l prev/l",
    "outward": "ln -s ../ext prev/d; ln -s ../keep/l prev/l",
    "climbing": "ln -s ../prev/real/../../ext prev/d; ln -s ../prev/../keep/l prev/l",
    "inside": "ln -s real prev/d",
    "theirs": "ln -s $PWD/ext prev/d; chown -h 1:1 prev/d; ln -s real prev/l; chown -h 1:1 prev/l",
    "theirs-inside": "ln -s real prev/d; chown -h 1:1 prev/d",
    "dead": "ln -s /nowhere/at/all prev/d",
    "loop": "ln -s d prev/d",
    "chain": "ln -s $PWD/two prev/d; ln -s ext two",
}

SNAPSHOTS = [
    "src/d/f src/d/e/g src/p/h src/l/sym->T src/l/fifo| prev/p/h prev/real/f prev/real/e/g",
    "ext/f ext/e/g keep/l/sym->T keep/l/fifo|",
]

ALT_ROWS = [
    Row(
        f"F9-{kind}-{name}-{way}",
        [*SNAPSHOTS, *more],
        f"! {script}",
        then=[f"{options.format(kind=kind)} {source}src/ {target}dst/"],
        via="shell" if source + target else "local",
        inode=True,
        sorted=True,
    )
    for kind in ("link", "copy", "compare")
    for name, script in ALT_LINKS.items()
    for way, options, source, target, more in [
        ("absolute", "-ai --{kind}-dest={{w}}/prev", "", "", []),
        ("relative", "-ai --{kind}-dest=../prev", "", "", []),
        ("dry", "-ain --{kind}-dest={{w}}/prev", "", "", []),
        ("H", "-aiHXA --{kind}-dest=../prev", "", "", []),
        ("second", "-ai --{kind}-dest=../empty --{kind}-dest=../prev", "", "", ["empty/"]),
        ("insecure", "-ai --insecure-links --{kind}-dest=../prev", "", "", []),
        ("K-inside", "-aiK --{kind}-dest=../prev", "", "", ["dst/in/ dst/d->in"]),
        ("basis", "-ai --no-W --{kind}-dest=../prev", "", "", ["dst/d/f=old;t=-9"]),
        ("push", "-ai --{kind}-dest=../prev", "", "h:{w}/", []),
        ("pull", "-ai --{kind}-dest=../prev", "h:{w}/", "", []),
        ("fuzzy", "-aiyy --{kind}-dest=../prev", "", "", []),
    ]
    if kind == "link" or way in ("relative", "dry", "basis", "push")
    # (With --link-dest rsync forgets that it was refused, or ends with a block match that has no basis file.)
    if not (way == "fuzzy" and name.startswith("theirs"))
]

OTHER_VALUES = [
    # Links and nodes of another value in an alternate directory.
    *(
        Row(f"TRF-11-other-value-{kind}-{number}", tree, f"{options} --{kind}-dest=../alt --{kind}-dest=../alt2 src/ dst/")
        for kind in ("compare", "copy", "link")
        for number, (options, tree) in enumerate(
            (options, tree)
            for options in ("-aii", "-rli")
            for tree in (
                "src/l->y src/n#c1.3 alt/l->x alt/n#c1.5 alt2/ dst/",
                "src/l->y src/n#c1.3 alt/l->x;t=9 alt/n#c1.5;t=9 alt2/l->y alt2/n#c1.3 dst/",
            )
        )
    ),
]  # fmt: skip

NEAREST = [
    # The nearest name: candidates that are dropped before the first one is kept count by number only.
    *(
        Row(f"OPT-37-fuzzy-{name}", f"src/ src/{name}*3000 dst/ dst/b*2000 dst/z*1900", "-ry --debug=fuzzy src/ dst/")
        for name in ["n", "nl", "nml", "lnn", "xxn"]
    ),
]  # fmt: skip

ROWS: list[Row] = [*ALT_BY_TURNS, *FUZZY, *ALTERNATES, *REPLACED, *ALT_ROWS, *OTHER_VALUES, *NEAREST]

"""spec: transfer 7, 8, 9: alternate destinations, similar names, hard links"""

from __future__ import annotations

from tests.parity.harness import Row
from tests.parity.rows.decisions import ways
from tests.parity.rows.transfer import ALT_BASE, ALT_SRC, BIG, EDITED, TOTAL, row
from tests.parity.tree import Dir, File, Hard, filler

BASE = "alt/ alt/a alt/b=o;t=-3 alt/d/;t=5 alt/d/c alt/l->x alt/p| alt/n#c1.3"
FRESH = "src/ src/a src/b=n src/d/;t=5 src/d/c src/l->x src/p| src/n#c1.3"
ALT = [
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
    row("TRF-11-vv", "-avv --link-dest=../alt src/ dst/", [ALT_SRC, ALT_BASE], norm=TOTAL, sorted=True),
]
NOISE = filler(b"noise", 60_000)
NEAR = NOISE[:30_000] + b"change" + NOISE[30_000:]
FAR = filler(b"far", 60_000)
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
GROUP = "src/ src/a src/b=>src/a src/d/c=>src/a src/e/f=>src/a"
HARD = [
    *ways("TRF-24-again", "-aiiH", [GROUP, "dst/ dst/a dst/b=>dst/a"]),
    *ways("TRF-24-all", "-aiiH", [GROUP, "dst/ dst/a dst/b=>dst/a dst/d/c=>dst/a dst/e/f=>dst/a"]),
    *ways("TRF-24-attrs", "-aiiH", ["src/ src/a;m=0600 src/b=>src/a src/c=>src/a dst/ dst/a dst/b=>dst/a dst/c"]),
    *ways(
        "TRF-24-other-group",
        "-aiH",
        ["src/ src/a src/b=>src/a src/c src/d=>src/c dst/ dst/a dst/c=>dst/a dst/b dst/d=>dst/b"],
    ),
    *ways("TRF-24-over-dir", "-aiH --force", ["src/ src/a src/b=>src/a src/c=>src/a dst/ dst/b/x"]),
    *ways("TRF-24-over-link", "-aiH", ["src/ src/a src/b=>src/a src/c=>src/a dst/ dst/b->a dst/a|"]),
    *ways("TRF-24-u", "-aiHu", ["src/ src/a=n src/b=>src/a src/c=>src/a dst/ dst/a=o;t=9 dst/b=o;t=-9"]),
    *ways("TRF-24-max", "-aiH --min-size=9", ["src/ src/a=n src/b=>src/a src/c*20 src/d=>src/c"]),
    *ways("TRF-24-backup", "-aiHb", ["src/ src/a=n src/b=>src/a src/c=>src/a dst/ dst/a=o dst/b=>dst/a dst/c=q"]),
    *ways("TRF-24-delay", "-aiH --delay-updates", ["src/ src/a=n src/b=>src/a src/c=>src/a dst/ dst/a=o dst/b=>dst/a"]),
    *ways("TRF-24-delete-before", "-aiH --delete-before", [GROUP, "dst/ dst/x dst/y=>dst/x"]),
    *ways("TRF-24-c", "-aiHc", ["src/ src/a=n;t=4 src/b=>src/a src/c=>src/a dst/ dst/a=n dst/b=o dst/c=n"]),
    *ways("TRF-24-remove", "-aiH --remove-source-files", [GROUP]),
    *ways("TRF-24-existing-link", "-aiiH", ["src/ src/a src/b=>src/a dst/ dst/x dst/a=>dst/x dst/b=>dst/x"]),
    *ways(
        "TRF-24-delta",
        "-aiH --no-W --stats",
        [
            Dir("src"),
            File("src/a", content=EDITED),
            Hard("src/b", target="src/a"),
            Dir("dst"),
            File("dst/a", content=BIG, time=-3),
            Hard("dst/b", target="dst/a"),
        ],
    ),
    *ways(
        "TRF-24-delta-b",
        "-aiH --no-W --stats",
        [
            Dir("src"),
            File("src/a", content=EDITED),
            Hard("src/b", target="src/a"),
            Dir("dst"),
            File("dst/b", content=BIG, time=-3),
        ],
    ),
    *ways("TRF-29-dirs", "-aiH", ["src/ src/z/a src/m/b=>src/z/a src/a/c=>src/z/a src/q=>src/z/a"]),
    *ways("TRF-29-v", "-avH", [GROUP], sorted=False),
    *ways("TRF-29-vv", "-avvH", [GROUP, "dst/ dst/a dst/b=>dst/a"], norm=TOTAL, sorted=True),
    *ways("TRF-29-n", "-aiHn", [GROUP, "dst/ dst/b"]),
    row("TRF-24-two-sources", "-aiH s1 s2 dst/", "s1/a s2/b=>s1/a s2/c=>s1/a"),
    row("TRF-24-files", "-aiH src/a src/b dst/", "src/a src/b=>src/a src/c=>src/a"),
    row("TRF-24-user", "-aiH src/ dst/", GROUP, user=True),
    row(
        "TRF-24-xattr",
        "-aiHX src/ dst/",
        [Dir("src"), File("src/a", xattrs={"user.k": b"1"}), Hard("src/b", target="src/a"), "dst/ dst/a dst/b"],
    ),
]

ROWS: list[Row] = [*ALT, *FUZZY, *HARD]

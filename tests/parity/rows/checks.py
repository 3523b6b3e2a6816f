"""Which files are transferred: -c, --size-only, -u, -I, --existing, sizes; what stands in the way; dry runs (spec: transfer 3, 4, 14)."""

from __future__ import annotations

from tests.parity.common import BIG, EDITED, KINDS, PLAIN_COPY, PLAIN_TREE, Turns, both, row
from tests.parity.harness import Row
from tests.parity.tree import Dir, File

OLD = "src/ src/a=new src/d/b dst/ dst/a=older;t=-5 dst/d/b"

SAME = "src/ src/a src/d/b dst/ dst/a dst/d/b"

CHECK = [
    *both("TRF-1", "-ai", SAME),
    *both("TRF-1-attrs", "-ai", "src/ src/a;m=0600 src/d/b;t=3 dst/ dst/a;m=0644 dst/d/b"),
    *both("TRF-1-owner", "-ai", "src/ src/a;o=5.6 dst/ dst/a"),
    *both("TRF-2-I", "-aiI", SAME),
    *both("TRF-2-c", "-aic", "src/ src/a=one src/b=same dst/ dst/a=two dst/b=same"),
    *both("TRF-2-c-times", "-aic", "src/ src/a=one;t=5 src/b=same;t=5 dst/ dst/a=two dst/b=same"),
    *both("TRF-2-size-only", "-ai --size-only", "src/ src/a=one;t=5 dst/ dst/a=two"),
    *both("TRF-2-window", "-ai -@2", "src/ src/a=one;t=2 src/b=one;t=3 dst/ dst/a=two dst/b=two"),
    *both("TRF-3", "-ai", "src/ src/a=one;n=5 dst/ dst/a=two;n=6"),
    *both("TRF-3-ns", "-ai -@-1", "src/ src/a=one;n=5 src/b=one;n=5 dst/ dst/a=two;n=6 dst/b=two;n=5"),
    *both("TRF-4", "-aiu", "src/ src/a=s src/b=s src/c=s;t=9 dst/ dst/a=dst;t=5 dst/b=dst;t=0 dst/c=dst;t=5"),
    row("TRF-4-vv", "-auvv --info=skip src/ dst/", "src/ src/a=s dst/ dst/a=dst;t=5", norm=[(r"(?m)^total: .*$", "T")]),
    row("TRF-4-window", "-aiu -@3 src/ dst/", "src/ src/a=s src/b=s dst/ dst/a=dst;t=-2 dst/b=dst;t=-4"),
    row("TRF-4-type", "-aiu src/ dst/", "src/ src/a=s dst/ dst/a->x;t=50"),
    *both("TRF-new", "-ai", KINDS),
    *both("TRF-second", "-ai", KINDS, then=["-aii src/ dst/"]),
    *both("TRF-edit", "-ai", OLD),
    *both(
        "TRF-delta",
        "-ai --no-W",
        [Dir("src"), File("src/big", content=EDITED), Dir("dst"), File("dst/big", content=BIG, time=-9)],
    ),
    *both(
        "TRF-delta-stats",
        "-a --no-W --stats",
        [Dir("src"), File("src/big", content=EDITED), Dir("dst"), File("dst/big", content=BIG, time=-9)],
    ),
    *both(
        "TRF-delta-B",
        "-ai --no-W -B1000 --stats",
        [Dir("src"), File("src/big", content=EDITED), Dir("dst"), File("dst/big", content=BIG, time=-9)],
    ),
    *both(
        "TRF-whole",
        "-aiW --stats",
        [Dir("src"), File("src/big", content=EDITED), Dir("dst"), File("dst/big", content=BIG, time=-9)],
    ),
    *both("TRF-no-times", "-rli", OLD),
    *both("TRF-no-times-same", "-rli", SAME),
    *both("TRF-no-times-newer", "-rli", "src/ src/a=x;t=5 dst/ dst/a=x"),
    *both("TRF-stats-kinds", "-a --stats", KINDS),
    *both("TRF-empty-files", "-ai", "src/ src/a= src/b= dst/b=x"),
    *both(
        "TRF-odd-names",
        "-ai",
        [
            Dir("src"),
            *(
                File(b"src/" + n)
                for n in (
                    b"a b",
                    b"\xed\x95\x9c (1).hwp",
                    b"\xb0\xa1",
                    b"-x",
                    b"x\ny",
                    b"t\tx",
                    b"back\\slash",
                    b"q'q\"q",
                    b"*?[a]",
                )
            ),
        ],
    ),
    *both("TRF-deep", "-ai", ["src/" + "/".join("d" * (n + 1) for n in range(20)) + "/f"]),
    *both("TRF-many", "-a --stats", ["src/", *(f"src/d{d}/f{f}" for d in range(12) for f in range(12))]),
    *both(
        "TRF-many-noinc", "-ai --no-inc-recursive", ["src/", *(f"src/d{d}/f{f}" for d in range(4) for f in range(4))]
    ),
    *both("TRF-order", "-ai", "src/b/x src/a src/c src/a.d/y src/a-/z src/ab src/B/q src/.h src/.hd/r"),
]

EXISTING = [
    *both("TRF-7-existing", "-ai --existing", "src/ src/a=new src/b src/d/c src/e/f=new dst/ dst/a=o dst/e/f=o"),
    *both("TRF-7-ignore", "-ai --ignore-existing", "src/ src/a=new src/b src/e/f=new src/e/g dst/ dst/a=o dst/e/f=o"),
    row("TRF-7-existing-vv", "-avv --existing src/ dst/", "src/ src/a src/d/c dst/", norm=[(r"(?m)^total: .*$", "T")]),
    row(
        "TRF-7-ignore-vv",
        "-avv --ignore-existing src/ dst/",
        "src/ src/a src/b dst/a=xx",
        norm=[(r"(?m)^total: .*$", "T")],
    ),
    row(
        "TRF-7-ignore-skip2",
        "-a --info=skip2 --ignore-existing src/ dst/",
        "src/ src/a=1 src/b src/c;m=0600 src/d/ src/e->x dst/a=xx dst/b dst/c dst/d dst/e",
    ),
    row("TRF-31-max", "-ai --delete --max-size=5 src/ dst/", "src/ src/a*10 src/b*3 dst/a*3 dst/c"),
    row("TRF-31-existing", "-ai --delete --existing src/ dst/", "src/ src/a=x src/b dst/a=y dst/c"),
    row("TRF-32", "-ai --existing --ignore-existing --delete src/ dst/", "src/ src/a=new src/n dst/a=o dst/x dst/d/y"),
    *both("TRF-min-size", "-ai --min-size=5", "src/ src/a*10 src/b*3 src/c*5"),
    row(
        "TRF-sizes-vv",
        "-avv --min-size=5 --max-size=7 src/ dst/",
        "src/ src/a*10 src/b*3 src/c*5",
        norm=[(r"(?m)^total: .*$", "T")],
    ),
]

ways = Turns(3)
EXISTING_BY_TURNS = [
    *ways("TRF-7-existing-kinds", "-ai --existing", [KINDS, "dst/ dst/p| dst/l->z dst/d/"]),
    *ways("TRF-7-ignore-kinds", "-ai --ignore-existing", [KINDS, "dst/ dst/p=x dst/l->z dst/d/b=q dst/empty=f"]),
    *ways("TRF-7-existing-type", "-ai --existing", "src/ src/a src/b/x src/c->y dst/ dst/a/ dst/b=f dst/c=f"),
    *ways("TRF-7-existing-delete", "-ai --existing --delete", "src/ src/a src/d/x dst/ dst/b dst/e/f"),
    *ways("TRF-7-ignore-delete", "-ai --ignore-existing --delete", "src/ src/a=x src/d/x dst/ dst/a=o dst/e/f"),
    *ways("TRF-7-ignore-hard", "-aiH --ignore-existing", "src/ src/a=n src/b=>src/a src/c=>src/a dst/ dst/b=o"),
    *ways("TRF-7-existing-hard", "-aiH --existing", "src/ src/a=n src/b=>src/a src/c=>src/a dst/ dst/b=o"),
    # For the sender an absolute name is absolute, for the receiver it is below the destination.
    *(
        Row(f"OPT-R-absolute-{number}", "src/d/a src/d/b/c dst/", f"{options} {{w}}/src/d dst/")
        for number, options in enumerate(["-aRii", "-aRvv", "-aR --out-format=%n|%f|%i"])
    ),
    Row("OPT-R-absolute-push", "src/d/a src/d/b/c dst/", "-aR --out-format=%n|%f {w}/src/d h:{w}/dst/", via="shell"),
    Row("OPT-R-absolute-pull", "src/d/a src/d/b/c dst/", "-aR --out-format=%n|%f h:{w}/src/d dst/", via="shell"),
    Row("OPT-R-root", "dst/", "-aR --exclude=/* --out-format=%n|%f|%i / dst/"),
    Row("OPT-R-root-push", "dst/", "-aR --exclude=/* --out-format=%n|%f|%i / h:{w}/dst/", via="shell"),
    Row("OPT-R-root-pull", "dst/", "-aR --exclude=/* --out-format=%n|%f|%i h:/ dst/", via="shell"),
    Row("OPT-root-f", "dst/", "-a --exclude=/* --out-format=%n|%f|%i / dst/"),
    # An empty directory has no list of its own, so no entry below it can be marked as left out.
    *ways("TRF-7-existing-empty", "-aii --existing", "src/ src/empty/ src/sub/deep/x src/sub/c dst/sub/"),
    *ways("TRF-7-empty-in-the-way", "-aii", "src/ src/empty/ src/sub/deep/x src/sub/c dst/empty dst/sub/", user=True),
    *ways("TRF-7-ignore-empty", "-aii --ignore-existing", "src/ src/empty/ src/sub/deep/x dst/empty=f dst/sub/deep/"),
    *ways("TRF-7-existing-dry", "-ain --existing", "src/ src/a=n src/d/x src/e/y dst/e/"),
    *ways("TRF-31-min", "-ai --delete --min-size=5", "src/ src/a*10 src/b*3 dst/b*2 dst/c"),
    *ways("TRF-31-update", "-aiu --delete", "src/ src/a=x src/b dst/a=y;t=4 dst/c"),
    *ways("TRF-31-max-prune", "-aim --max-size=5", "src/ src/d/a*10 src/e/"),
    *ways("TRF-31-max-hard", "-aiH --max-size=5", "src/ src/a*10 src/b=>src/a src/c*3 src/d=>src/c dst/"),
    *ways("TRF-31-max-backup", "-aib --delete --max-size=5", "src/ src/a*10 src/b*3 dst/a*3 dst/b*2 dst/c"),
    *ways(
        "TRF-32-dirs", "-ai --existing --ignore-existing --delete", "src/ src/d/a=new src/n/q dst/d/a=o dst/d/x dst/y/z"
    ),
    *ways(
        "TRF-32-n", "-ain --existing --ignore-existing --delete", "src/ src/d/a=new src/n/q dst/d/a=o dst/d/x dst/y/z"
    ),
]

ways = Turns(1)
DECISIONS = [
    *ways("transfer-3-type-changes", "-ai", "src/a src/b->x src/c| src/d/x src/e dst/a->q dst/b dst/c dst/d dst/e|"),
    *ways("transfer-3-type-force", "-ai --force", "src/a src/b->x src/c| dst/a/x dst/b/y/z dst/c/w", sorted=True),
    *ways("transfer-3-type-blocked", "-ai", "src/a src/b->x src/c| src/n#c1.3 dst/a/x dst/b/y/z dst/c/w dst/n/v"),
    *ways("transfer-3.4-limits", "-ai --max-size=20 --min-size=6", "src/a*5 src/b*6 src/c*20 src/d*21 dst/a=o dst/d=o"),
    *ways("transfer-3.4-limits-vv", "-avv --max-size=20 --min-size=6", "src/a*5 src/b*6 src/c*21 dst/"),
    *ways("transfer-3.4-update-window", "-aiu -@2", "src/a=11;t=1 src/b=1;t=3 src/c=1;t=9 dst/a=2;t=2 dst/b=2 dst/c=2"),
    *ways("transfer-3.4-update-type", "-aiu", "src/a=1 src/b->x dst/a->q;t=9 dst/b=1;t=9"),
    *ways(
        "transfer-3.4-append", "-ai --append", "src/a=12345678 src/b=12 src/c=12 dst/a=1234;t=3 dst/b=1234;t=3 dst/c=ab"
    ),
    *ways(
        "transfer-3.4-append-verify", "-ai --append-verify", "src/a=12345678 src/b=12345 dst/a=1234;t=3 dst/b=xx;t=3"
    ),
    *ways("transfer-3-existing-notes", "-avv --existing", "src/a src/d/b src/n/ dst/d/"),
    *ways("transfer-3-ignore-notes", "-avv --ignore-existing", "src/a=1 src/d/b src/l->x dst/a=2 dst/d/ dst/l->y"),
    *ways(
        "transfer-3-skip2",
        "-a --info=skip2 --ignore-existing",
        "src/a=1 src/b src/c src/l->x dst/a=22 dst/b dst/c| dst/l->y",
    ),
    *ways("transfer-2.2-none", "-rti", PLAIN_TREE),
    *ways("transfer-2.2-L", "-aiL", PLAIN_TREE),
    *ways("transfer-2.2-L-dangling", "-aiL", "src/l->nosuch src/a dst/"),
    *ways("transfer-2.2-k", "-aik", PLAIN_TREE),
    *ways("transfer-2.2-unsafe", "-ai --copy-unsafe-links", "src/in->a src/a src/out->../o src/abs->/etc/hostname o=x"),
    *ways("transfer-2.2-safe", "-ai --safe-links", "src/in->a src/a src/out->../o src/abs->/etc/hostname o=x"),
    *ways("transfer-2.2-safe-v", "-av --safe-links", "src/in->a src/a src/out->../o o=x"),
    *ways("transfer-2-dir-arg", "-ti", "src/a src/d/b"),
    *ways("transfer-2-dirs", "-dti", "src/a src/d/b"),
    *ways("transfer-2-dirs-delete", "-dti --delete", "src/a src/d/b dst/x dst/d/y"),
    *ways("transfer-8-links", "-aiH", "src/ src/a src/b=>src/a src/c=>src/a dst/ dst/b=o;t=-4"),
    *ways("transfer-8-existing", "-aiiH", "src/ src/a src/b=>src/a dst/ dst/a dst/b=>dst/a"),
    *ways("transfer-8-split", "-aiH", "src/ src/a src/b dst/ dst/a dst/b=>dst/a"),
    *ways("transfer-8-n", "-aiHn", "src/ src/a src/b=>src/a dst/"),
    *ways("transfer-8-v", "-avvH", "src/ src/a src/b=>src/a dst/ dst/a dst/b=>dst/a"),
    *ways("transfer-12-order", "-ai --delete", "src/ dst/a dst/d/e/f dst/d/g dst/z/y dst/l->a"),
    *ways("transfer-12-max", "-ai --delete --max-delete=2", "src/ dst/a dst/d/e/f dst/d/g dst/z/y"),
    *ways("transfer-12-max-0", "-ai --delete --max-delete=0", "src/ dst/a dst/d/e"),
    *ways("transfer-12-protect", "-ai --delete -f'P *.k'", "src/ dst/d/a.k dst/d/b dst/e/f"),
    *ways("transfer-12-excluded", "-ai --delete-excluded --exclude=*.k", "src/a.k dst/d/a.k dst/d/b dst/a.k"),
    *ways("transfer-12-stats", "-a --delete --stats", "src/ src/a dst/x dst/d/y dst/l->z dst/p|"),
    *ways("transfer-14-n", "-aivn --delete --stats", PLAIN_COPY, sorted=True),
    *ways("transfer-14-n-new", "-aivn", PLAIN_TREE),
]

REPLACE = [
    row(f"TRF-14-{name}", f"-ai {options} src/ dst/", tree)
    for options in ["", "--force", "--delete"]
    for name, tree in [
        (f"file-over-empty-dir{options}", "src/ src/x=f dst/ dst/x/"),
        (f"file-over-dir{options}", "src/ src/x=f dst/ dst/x/y"),
        (f"link-over-dir{options}", "src/ src/x->f dst/ dst/x/y"),
        (f"fifo-over-dir{options}", "src/ src/x| dst/ dst/x/y"),
        (f"dir-over-file{options}", "src/ src/x/y dst/ dst/x=f"),
        (f"dir-over-link{options}", "src/ src/x/y dst/ dst/d/ dst/x->d"),
        (f"fifo-over-file{options}", "src/ src/x| dst/ dst/x=f"),
        (f"file-over-fifo{options}", "src/ src/x=f dst/ dst/x|"),
        (f"dev-over-dev{options}", "src/ src/x#c1.3 dst/ dst/x#c1.5"),
    ]
]

# With --ignore-existing a file stays in the place of a directory: the contents of the directory are tried, and fail.
IN_THE_WAY = [
    Row(f"TRF-7-in-the-way-{number}", tree, f"{options} --ignore-existing src/ dst/", sorted=True)
    for number, (options, tree) in enumerate(
        (options, tree)
        for tree in [
            "src/ src/m/ src/m/f src/z/ src/z/q dst/ dst/m=file dst/b dst/z/ dst/z/old",
            "src/ src/m/ src/m/f src/m/sub/ src/m/sub/g dst/ dst/m->../out out/ out/kept",
        ]
        for options in [
            "-av",
            "-avv --no-i-r",
            *(
                ["-av --delete", "-avn --delete", "-av --delete-before", "-av --delete --ignore-errors"]
                if "out" not in tree
                else []
            ),
        ]
    )
]

REPEATED = [
    row("TRF-28", "-ain --delete src/ dst/", OLD, then=["-ai --delete src/ dst/", "-ai --delete src/ dst/"]),
    row("TRF-28-v", "-avn src/ dst/", KINDS),
    row("TRF-28-stats", "-an --stats src/ dst/", KINDS),
    row("TRF-28-missing-dst", "-ain src/d dst/x/y", "src/d/a"),
    *both(
        "TRF-three-runs",
        "-ai --delete",
        "src/a src/d/b src/l->a",
        then=[
            "!echo more >>src/a; rm src/d/b; mkdir src/e; touch -d @1700000100 src src/d src/e src/a",
            "-ai --delete src/ dst/",
            "-aii --delete src/ dst/",
        ],
    ),
    row(
        "TRF-touch-only", "-ai src/ dst/", SAME, then=["!touch -d @1700000100 src/a", "-ai src/ dst/", "-ai src/ dst/"]
    ),
    row("TRF-same-file", "-ai src/ src/", "src/a"),
    row("TRF-into-itself", "-ai src src/", "src/a src/d/b"),
    row("TRF-c-second", "-aic src/ dst/", SAME, then=["-aiic src/ dst/"]),
]

DRY = [
    Row("TRF-28-delete-after-new", "src/ src/a other", "-avn --delete-after src/ dst/"),
    Row("TRF-28-delete-before-new", "src/ src/a other", "-avn --delete-before src/ dst/"),
    Row("TRF-25-known-later", "src/ src/b/x src/d/l->no dst/ dst/z dst/b/z", "-Lrtv --del --existing src/ dst/", sorted=True),
    Row("TRF-25-dry-new", "src/ src/d/l->no", "-Lrtvn --delete-after src/ dst/", sorted=True),
]  # fmt: skip

IN_PLACE_OF_LINK = [
    # A pipe named like a merge file, in the place of a file, is not opened.
    Row("TRF-14-merge-file-pipe", "src/ src/.ex=#x dst/ dst/.ex|", ["-a", "--delete-after", "--filter=:n .ex", "src/", "dst/"]),
    # A dry run takes nothing for an entry below a link that the run would replace by a directory.
    *(
        Row(f"TRF-28-below-link-{name}{way}", f"src/ src/x/f dst/ out/d/f=other dst/x->{target}", f"-ain {cmd} src/ {to}", via=via)
        for name, target, cmd in [
            ("out", "../out/d", ""),
            ("delete", "../out/d", "--delete"),
            ("beyond", "../../../nosuch", ""),
            ("circle", "x", "-c"),
            ("inside", ".", "--existing"),
            ("kept", "../out/d", "-K"),
            ("ignored", "../out/d", "--ignore-existing"),
            ("hard", "../out/d", "-H"),
        ]
        for way, to, via in [("", "dst/", "local"), ("-push", "h:{w}/dst/", "shell")]
    ),
]  # fmt: skip

ROWS: list[Row] = [
    *CHECK,
    *EXISTING,
    *EXISTING_BY_TURNS,
    *DECISIONS,
    *REPLACE,
    *IN_THE_WAY,
    *REPEATED,
    *DRY,
    *IN_PLACE_OF_LINK,
]

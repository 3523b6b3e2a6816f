"""spec: transfer 2 to 17, options 2.2 to 2.4"""

from __future__ import annotations

from tests.parity.harness import Row
from tests.parity.tree import Device, Dir, Fifo, File, Hard, Link, Tree, filler

BIG = filler(b"big", 300_000)
EDITED = BIG[:100_000] + b"some new words" + BIG[100_000:200_000] + b"X" + BIG[200_001:]


def row(ident: str, cmd: str, tree: Tree, **more: object) -> Row:
    return Row(ident, tree, cmd, **more)  # type: ignore[arg-type]


def both(ident: str, options: str, tree: Tree, **more: object) -> list[Row]:
    """The same copy locally, as a push and as a pull over a shell."""
    # On a push the deletions reach the client by another way than the item lines, so their order is a race.
    push = {"sorted": "--delete" in options} | more
    return [
        Row(ident, tree, f"{options} src/ dst/", **more),  # type: ignore[arg-type]
        Row(f"{ident}-push", tree, f"{options} src/ h:{{w}}/dst/", via="shell", **push),  # type: ignore[arg-type]
        Row(f"{ident}-pull", tree, f"{options} h:{{w}}/src/ dst/", via="shell", **more),  # type: ignore[arg-type]
    ]


KINDS = "src/a src/d/b src/l->a src/dl->d src/p| src/n#c1.3 src/k#b7.1 src/dangling->nosuch src/empty/"
SAME = "src/ src/a src/d/b dst/ dst/a dst/d/b"
OLD = "src/ src/a=new src/d/b dst/ dst/a=older;t=-5 dst/d/b"

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

MODES = [
    row("TRF-5", "-rti src/ dst/", "src/ src/a;m=4777 src/b;m=0600 src/c;m=2775 src/d/;m=1777 src/e/;m=2755"),
    row("TRF-5-umask", "-rti src/ dst/", "src/ src/a;m=0777 src/d/;m=0777", umask=0o077),
    row("TRF-5-existing", "-rti src/ dst/", "src/ src/a=new;m=0777 dst/ dst/a=o;m=0600"),
    row("TRF-5-special", "-ai src/ dst/", "src/ src/a;m=4755 src/b;m=2755 src/c;m=1644 src/d/;m=3777 src/z;m=0000"),
    row("TRF-5-user", "-ai src/ dst/", "src/ src/a;m=0400 src/b;m=4755 src/d/c;m=0555", user=True),
    row("TRF-5-user-rdir", "-ai src/ dst/", "src/ src/d/c src/d/;m=0555", user=True),
    row(
        "TRF-5-user-again", "-ai src/ dst/", "src/ src/d/;m=0555;t=9 src/d/c=new dst/d/;m=0555 dst/d/c=older", user=True
    ),
    row("TRF-5-setgid-parent", "-ri src/ dst/", [Dir("src"), "src/d/a", Dir("dst", mode=0o2755, owner=(0, 5))]),
    row(
        "TRF-6",
        "-rtiE src/ dst/",
        "src/ src/a;m=0755 src/b;m=0644 src/c;m=0711 dst/ dst/a;m=0640 dst/b;m=0755 dst/c;m=0604",
    ),
    row("TRF-6-new", "-rtiE src/ dst/", "src/ src/a;m=0755 src/b;m=0644"),
    row("TRF-6-p", "-rtipE src/ dst/", "src/ src/a;m=0755 dst/ dst/a;m=0640"),
    row("TRF-p-only", "-rpi src/ dst/", "src/ src/a;m=0755 src/d/;m=0700 dst/ dst/a;m=0640 dst/d/"),
    row("TRF-O", "-aiO src/ dst/", "src/;t=5 src/d/;t=7 src/d/x dst/ dst/d/"),
    row(
        "TRF-J",
        "-aiJ src/ dst/",
        [Dir("src"), Link("src/l", target="x", time=5), Dir("dst"), Link("dst/l", target="x", time=9)],
    ),
    row("TRF-U", "-aiU src/ dst/", "src/ src/a dst/ dst/a=x", atimes=True),
    row("TRF-owner-user", "-ai src/ dst/", "src/ src/a src/d/b", user=True),
    row("TRF-group-user", "-ai src/ dst/", "src/ src/a;o=65534.5 src/b", user=True),
    row("TRF-device-user", "-ai src/ dst/", [Dir("src"), Device("src/n"), Fifo("src/p"), "src/a"], user=True),
    row("TRF-unreadable", "-ai src/ dst/", "src/ src/a src/secret;m=0000 src/d/;m=0000 src/e/x", user=True),
    row("TRF-unreadable-delete", "-ai --delete src/ dst/", "src/ src/a src/d/;m=0000 dst/ dst/x dst/d/y", user=True),
    *(
        row(
            f"TRF-closed-{number}",
            f"-ai {source} dst/",
            "src/ src/c/f src/r/d/ src/c/;m=0000 src/r/;m=0444 dst/",
            user=True,
        )
        for number, source in enumerate(
            ["src/c/", "src/c", "src/c/f", "src/r/", "src/r", "src/r/d/", "src/c/.", "src/r/d"]
        )
    ),
    *(
        row(
            f"TRF-mkpath-closed-{number}",
            f"-ai --mkpath {names}",
            "src/ src/a src/b dst/f dst/ro/ dst/ro/;o=0.0",
            user=True,
        )
        for number, names in enumerate(
            [
                "src/a dst/ro/p/q/a",
                "src/a dst/ro/p/q/a/",
                "src/a src/b dst/ro/p/q",
                "src/ dst/ro/p/q",
                "src/a dst/f/p/q",
                "src/a dst/f/q/",
                "src/ dst/f/q",
                "src/a dst/p/q/",
            ]
        )
    ),
    *(
        row(
            f"TRF-unwritable-stats-{number}",
            f"-a --stats {names}",
            "src/ src/a*5000 src/ro/b*90000 src/ro/c*3000 dst/ro/b*80000 dst/ro/;o=0.0",
            user=True,
            via=via,
        )
        for number, (names, via) in enumerate(
            [
                ("src/ dst/", "local"),
                ("h:{w}/src/ dst/", "shell"),
                ("src/ h:{w}/dst/", "shell"),
                ("src/a dst/ro/", "local"),
            ]
        )
    ),
    row(
        "TRF-unreadable-ignore",
        "-ai --delete --ignore-errors src/ dst/",
        "src/ src/a src/d/;m=0000 dst/ dst/x dst/d/y",
        user=True,
    ),
    row("TRF-unwritable-dst", "-ai src/ dst/", "src/ src/a dst/;m=0555;o=0.0", user=True),
    row("TRF-unwritable-sub", "-ati -r src/ dst/", "src/ src/d/a src/b dst/ dst/d/;o=0.0", user=True),
    row("TRF-delete-unwritable", "-ai --delete src/ dst/", "src/ src/a dst/ dst/d/;m=0555 dst/d/x;m=0400", user=True),
    row("TRF-delete-foreign", "-ai --delete src/ dst/", "src/ src/a dst/ dst/d/;m=0755;o=0.0 dst/d/x;o=0.0", user=True),
    *both("TRF-dir-mtime", "-ai", "src/;t=1 src/d/;t=2 src/d/e/;t=3 src/d/e/f dst/"),
    *both("TRF-20", "-ai --delete", "src/;t=1 src/d/;t=2 src/d/a dst/ dst/d/x dst/y"),
]

EXIST = [
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

RELATIVE_TREE = "src/a src/d/b src/d/e/c other/x"
RELATIVE = [
    row("TRF-R", "-aiR src/d/b dst/", RELATIVE_TREE),
    row("TRF-R-dir", "-aiR src/d dst/", RELATIVE_TREE),
    row("TRF-R-slash", "-aiR src/d/ dst/", RELATIVE_TREE),
    row("TRF-R-dot", "-aiR src/./d/b dst/", RELATIVE_TREE),
    row("TRF-R-dot-dir", "-aiR src/./d/ dst/", RELATIVE_TREE),
    row("TRF-R-many", "-aiR src/a src/d/e other dst/", RELATIVE_TREE),
    row("TRF-R-abs", "-aiR {w}/src/./d dst/", RELATIVE_TREE),
    row("TRF-R-noimplied", "-aiR --no-implied-dirs src/d/e dst/", RELATIVE_TREE),
    row("TRF-R-implied-attrs", "-aiR src/d/e/c dst/", ["src/;m=0700;t=3 src/d/;m=0711;t=4 src/d/e/c dst/"]),
    row(
        "TRF-R-implied-exists",
        "-aiR --no-implied-dirs src/d/e/c dst/",
        ["src/;m=0700;t=3 src/d/;m=0711;t=4 src/d/e/c dst/src/d/"],
    ),
    row("TRF-R-dotdot", "-aiR src/../src/d dst/", RELATIVE_TREE),
    row("TRF-R-dotdot-head", "-aiR ../w/src/a dst/", RELATIVE_TREE),
    row("TRF-R-delete", "-aiR --delete src/d dst/", [RELATIVE_TREE, "dst/src/x dst/src/d/y dst/z"]),
    row("TRF-R-link-parent", "-aiR src/l/b dst/", "src/d/b src/l->d"),
    row("TRF-R-d", "-diR src/d dst/", RELATIVE_TREE),
    row("TRF-R-noR", "-ai --relative --no-relative src/d dst/", RELATIVE_TREE),
    Row("TRF-R-push", RELATIVE_TREE, "-aiR src/./d/b src/a h:{w}/dst/", via="shell"),
    Row("TRF-R-pull", RELATIVE_TREE, "-aiR h:{w}/src/./d/b :{w}/./src/a dst/", via="shell"),
    Row("TRF-R-pull-noimplied", RELATIVE_TREE, "-aiR --no-implied-dirs h:{w}/src/./d/b dst/", via="shell"),
    row("TRF-R-missing", "-aiR src/nosuch/x src/a dst/", RELATIVE_TREE),
    row("TRF-R-exclude", "-aiR --exclude=d src/d/b src/a dst/", RELATIVE_TREE),
    row("TRF-R-anchor", "-aiR --exclude=/src/d src/ dst/", RELATIVE_TREE),
]

LINK_TREE = "src/a src/in->a src/out->../other/x src/abs->/etc/hostname src/d/b src/d/up->../a src/dl->d src/odl->../other src/dead->nosuch other/x"
SYMLINKS = [
    *(
        row(f"transfer-2.2-{number}", f"-rti {options} src/ dst/", LINK_TREE)
        for number, options in enumerate(
            [
                "-L",
                "-k",
                "-lk",
                "-l --copy-unsafe-links",
                "--copy-unsafe-links",
                "-l --safe-links",
                "--safe-links",
                "-l",
                "",
                "-Lk",
                "-l --copy-unsafe-links --safe-links",
                "-lL",
                "-L --safe-links",
                "-lk --safe-links",
                "-lv --safe-links",
                "-lv --copy-unsafe-links",
                "-l --munge-links",
                "-lK",
            ]
        )
    ),
    *(
        row(
            f"transfer-2.1-{number}",
            "-rltiv --safe-links src/ dst/",
            [Dir("src"), File("src/d/e/f"), Link(f"src/{place}l", target=target)],
        )
        for number, (place, target) in enumerate(
            [
                ("", "a"),
                ("", "../a"),
                ("d/", "../a"),
                ("d/", "../../a"),
                ("d/e/", "../../a"),
                ("", "/a"),
                ("", "a/../b"),
                ("", "a/.."),
                ("d/", ".."),
                ("", ".."),
                ("", "."),
                ("", "./a/b"),
                ("d/", "../x/../../y"),
                ("d/", "./../a"),
                ("d/", "../d/./x"),
                ("d/e/", "../.."),
                ("d/e/", "../../.."),
                ("", "a//b"),
            ]
        )
    ),
    *both("TRF-link-change", "-ai", "src/ src/l->b dst/ dst/l->a"),
    *both(
        "TRF-link-time", "-ai", [Dir("src"), Link("src/l", target="a", time=5), Dir("dst"), Link("dst/l", target="a")]
    ),
    row(
        "TRF-link-notime",
        "-rli src/ dst/",
        [Dir("src"), Link("src/l", target="a"), Dir("dst"), Link("dst/l", target="b")],
    ),
    row("TRF-link-over-file", "-ai src/ dst/", "src/ src/l->a dst/ dst/l=x"),
    row("TRF-file-over-link", "-ai src/ dst/", "src/ src/l=x dst/ dst/l->a"),
    row("TRF-26", "-aiK src/ dst/", "src/d/a dst/real/ dst/d->real"),
    row("TRF-26-not", "-ai src/ dst/", "src/d/a dst/real/ dst/d->real"),
    row("TRF-26-outside", "-aiK src/ dst/", "src/d/a dst/ real/ dst/d->../real"),
    row("TRF-26-abs", "-aiK src/ dst/", ["src/d/a dst/ real/", Link("dst/d", target="/tmp")]),
    row("TRF-26-delete", "-aiK --delete src/ dst/", "src/d/a dst/real/x dst/d->real"),
    *(
        row(f"TRF-relative-dot-{number}", f"-aiiR {words} dst/", "a b/c d/e dst/b/x dst/y")
        for number, words in enumerate(
            [
                "./a",
                "./b/c",
                "././a",
                ".//b",
                "./a ./b/c",
                "./b d",
                "b/./c",
                "./b/./c",
                ". ./a",
                "--delete ./b",
                "-I ./b/c d/e",
            ]
        )
    ),
    row("TRF-source-link", "-ai l dst/", "d/a l->d"),
    row("TRF-source-link-slash", "-ai l/ dst/", "d/a l->d"),
    row("TRF-source-link-L", "-aiL l dst/", "d/a l->d"),
    row("TRF-source-link-k", "-aik l dst/", "d/a l->d"),
    row("TRF-source-link-file", "-i l dst/", "a l->a dst/"),
    row("TRF-dead-L", "-aiL src/ dst/", "src/a src/l->nosuch"),
    row("TRF-dead-L-delete", "-aiL --delete src/ dst/", "src/a src/l->nosuch dst/x"),
    row("TRF-loop-L", "-aiL src/ dst/", "src/a src/l->l"),
    row("TRF-23", "-ai src/ dst/", ["src/d/a out/ dst/", Link("dst/d", target="../out")]),
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

DELETE_TREE = "src/ src/a src/d/b dst/ dst/a dst/x dst/y/z dst/d/b dst/d/c dst/d/e/f"
TOTAL = [(r"(?m)^total: .*$", "T")]
DELETE = [
    *(
        item
        for when in ["", "-before", "-during", "-delay", "-after"]
        for item in both(f"TRF-12-delete{when}", f"-ai --delete{when}", DELETE_TREE)
    ),
    row("TRF-12-v", "-av --delete src/ dst/", DELETE_TREE, sorted=True),
    row("TRF-12-n", "-ain --delete src/ dst/", DELETE_TREE),
    row("TRF-12-excluded", "-ai --delete-excluded --exclude=x --exclude=c src/ dst/", DELETE_TREE),
    row("TRF-12-deep", "-ai --delete src/ dst/", "src/ src/a dst/q/r/s/t dst/q/b dst/q/r/c"),
    row("TRF-12-order", "-ai --delete src/ dst/", "src/ dst/a dst/b/ dst/c dst/.h dst/ab dst/b-x"),
    row("TRF-12-stats", "-a --delete --stats src/ dst/", DELETE_TREE),
    row("TRF-12-stats-kinds", "-a --delete --stats src/ dst/", "src/ dst/a dst/l->x dst/d/ dst/p| dst/n#c1.3"),
    row("TRF-13", "-ai --delete --max-delete=1 src/ dst/", "src/ src/a dst/x dst/y dst/z"),
    row("TRF-13-0", "-ai --delete --max-delete=0 src/ dst/", "src/ src/a dst/x dst/y dst/z"),
    row("TRF-13-dir", "-ai --delete --max-delete=2 src/ dst/", "src/ src/a dst/x/a dst/x/b dst/x/c dst/y"),
    row("TRF-13-enough", "-ai --delete --max-delete=3 src/ dst/", "src/ src/a dst/x dst/y dst/z"),
    row("TRF-25", "-ai --delete src/ nosuch/ dst/", "src/ src/a dst/x"),
    row("TRF-25-ignore", "-ai --delete --ignore-errors src/ nosuch/ dst/", "src/ src/a dst/x"),
    row("TRF-30-glob", "-ai --delete src/a src/b dst/", "src/a src/b dst/x"),
    row("TRF-30-union", "-ai --delete s1/ s2/ dst/", "s1/a s2/b dst/a dst/b dst/c"),
    row("TRF-30-noslash", "-ai --delete src dst/", "src/a dst/src/b dst/c"),
    row("TRF-d-delete", "-dti --delete src/ dst/", "src/a src/d/x dst/b dst/e/f dst/d/y"),
    row("TRF-delete-missing-src", "-ai --delete nosuch/ dst/", "dst/x"),
    row("TRF-delete-n-i", "-n -a -i --delete-after src/ dst/", DELETE_TREE),
    row("TRF-delete-nodir", "-ai --delete src/ dst/", "src/ src/a"),
    row(
        "TRF-delete-special",
        "-ai --delete src/ dst/",
        "src/ src/a dst/p| dst/n#c1.3 dst/l->nosuch dst/dl->d dst/d/ dst/d/k",
    ),
    row(
        "TRF-delete-protected-dir",
        "-aiv --delete --exclude=keep src/ dst/",
        "src/ src/a dst/d/keep dst/d/x",
        sorted=True,
    ),
    row("TRF-delete-type-change", "-ai --delete src/ dst/", "src/ src/x/y dst/ dst/x=f dst/z"),
    row("TRF-prune", "-aim src/ dst/", "src/ src/e/ src/d/f/ src/d/g/h src/k/l->x"),
    row("TRF-prune-filter", "-aim -f'- *.o' src/ dst/", "src/ src/e/a.o src/d/b"),
    row("TRF-prune-delete", "-aim --delete src/ dst/", "src/ src/e/ src/d/x dst/e/y dst/d/x"),
    row("TRF-missing", "-ai src/nosuch src/a dst/", "src/a"),
    row("TRF-missing-ignore", "-ai --ignore-missing-args src/nosuch src/a dst/", "src/a"),
    row("TRF-missing-delete", "-ai --delete-missing-args src/gone src/a dst/", "src/a dst/gone dst/other"),
    row("TRF-missing-delete-dir", "-ai --delete-missing-args src/gone src/a dst/", "src/a dst/gone/x dst/other"),
    row(
        "TRF-remove-source",
        "-ai --remove-source-files src/ dst/",
        "src/ src/a src/b=new src/d/c src/l->a dst/ dst/a dst/b=o",
    ),
    row("TRF-remove-source-v", "-av --info=remove --remove-source-files src/ dst/", "src/a src/d/c", sorted=True),
    row("TRF-remove-source-n", "-ain --remove-source-files src/ dst/", "src/a src/d/c"),
    row("TRF-remove-sent", "-ai --remove-sent-files src/ dst/", "src/ src/a src/b=new dst/ dst/a dst/b=o"),
    Row("TRF-remove-source-push", "src/a src/d/c", "-ai --remove-source-files src/ h:{w}/dst/", via="shell"),
    Row("TRF-remove-source-pull", "src/a src/d/c", "-ai --remove-source-files h:{w}/src/ dst/", via="shell"),
]

HOLES = [File("src/s", size=1_000_000, pieces=((0, b"head"), (500_000, b"middle"), (999_990, b"tail")))]
ZEROS = [
    Dir("src"),
    File("src/z", content=bytes(200_000) + b"x" + bytes(5000) + b"y" + bytes(500) + b"z" + bytes(70_000)),
]
WRITING = [
    *both("TRF-sparse", "-aiS", [Dir("src"), *HOLES], holes=True),
    *both("TRF-sparse-zeros", "-aiS", ZEROS, holes=True),
    *both(
        "TRF-sparse-update",
        "-aiS --no-W",
        [*ZEROS, Dir("dst"), File("dst/z", content=b"q" * 270_000, time=-4)],
        holes=True,
    ),
    *both(
        "TRF-sparse-inplace",
        "-aiS --inplace --no-W",
        [*ZEROS, Dir("dst"), File("dst/z", content=b"q" * 270_000, time=-4)],
        holes=True,
    ),
    row("TRF-sparse-all-zero", "-aiS src/ dst/", [Dir("src"), File("src/z", content=bytes(100_000))], holes=True),
    *both(
        "TRF-10",
        "-ai --inplace",
        [
            Dir("src"),
            File("src/a", content=EDITED),
            Dir("dst"),
            File("dst/a", content=BIG, time=-9),
            Hard("dst/b", target="dst/a"),
        ],
        inode=True,
    ),
    *both(
        "TRF-10-not",
        "-ai",
        [
            Dir("src"),
            File("src/a", content=EDITED),
            Dir("dst"),
            File("dst/a", content=BIG, time=-9),
            Hard("dst/b", target="dst/a"),
        ],
    ),
    *both(
        "TRF-10-shrink",
        "-ai --inplace --no-W",
        [Dir("src"), File("src/a", content=BIG[:100_000]), Dir("dst"), File("dst/a", content=BIG, time=-9)],
        inode=True,
    ),
    *both(
        "TRF-10-shift",
        "-ai --inplace --no-W --stats",
        [Dir("src"), File("src/a", content=b"new" + BIG), Dir("dst"), File("dst/a", content=BIG, time=-9)],
        inode=True,
    ),
    *both(
        "TRF-10-front-cut",
        "-ai --inplace --no-W --stats",
        [Dir("src"), File("src/a", content=BIG[5000:]), Dir("dst"), File("dst/a", content=BIG, time=-9)],
        inode=True,
    ),
    row("TRF-10-readonly", "-ai --inplace src/ dst/", "src/ src/a=new dst/ dst/a=older;m=0444", user=True, inode=True),
    row("TRF-10-new", "-ai --inplace src/ dst/", "src/ src/a=new dst/"),
    *both(
        "TRF-append",
        "-ai --append",
        [
            Dir("src"),
            File("src/a", content=BIG),
            File("src/b", content=b"short"),
            Dir("dst"),
            File("dst/a", content=BIG[:1000]),
            File("dst/b", content=b"longer than"),
        ],
    ),
    *both(
        "TRF-append-other",
        "-ai --append",
        [Dir("src"), File("src/a", content=BIG), Dir("dst"), File("dst/a", content=b"other" * 100)],
    ),
    *both(
        "TRF-append-verify",
        "-ai --append-verify",
        [Dir("src"), File("src/a", content=BIG), Dir("dst"), File("dst/a", content=b"other" * 100)],
    ),
    row("TRF-preallocate", "-ai --preallocate src/ dst/", "src/a*10000"),
    row("TRF-fsync", "-ai --fsync src/ dst/", "src/a*10000"),
    row("TRF-temp-dir", "-ai --temp-dir=tmp src/ dst/", "src/a dst/tmp/"),
    row("TRF-temp-dir-abs", "-ai -T{w}/tmp src/ dst/", "src/a src/d/b tmp/"),
    row("TRF-temp-dir-missing", "-ai --temp-dir=nosuch src/ dst/", "src/a"),
    row("TRF-temp-dir-file", "-ai --temp-dir={w}/f src/ dst/", "src/a f"),
    row("TRF-partial-dir", "-ai --partial-dir=.p src/ dst/", "src/ src/a=new dst/ dst/.p/a=ne"),
    row(
        "TRF-partial-dir-basis",
        "-ai --no-W --partial-dir=.p src/ dst/",
        [Dir("src"), File("src/a", content=EDITED), File("dst/.p/a", content=BIG)],
    ),
    row("TRF-partial-dir-delete", "-ai --delete --partial-dir=.p src/ dst/", "src/ src/a dst/ dst/.p/old dst/x/.p/y"),
    row("TRF-delay", "-ai --delay-updates src/ dst/", "src/ src/a src/d/b dst/ dst/a=x"),
    row("TRF-delay-delete", "-ai --delay-updates --delete src/ dst/", "src/ src/a src/d/b dst/ dst/a=x dst/y"),
    row("TRF-long-name", "-ai src/ dst/", [Dir("src"), File("src/" + "n" * 255), File("src/." + "m" * 254)]),
    row(
        "TRF-write-devices",
        "-ai --write-devices src/n dst/",
        [Dir("dst"), File("src/n", content=b"x"), Device("dst/n", minor=3)],
    ),
    row("TRF-copy-devices", "-ai --copy-devices src/ dst/", [Dir("src"), Device("src/n", minor=3)]),
    row("TRF-drop-D", "-ai --drop-D src/ dst/", "src/a src/p| src/n#c1.3"),
    row("TRF-socket", "-ai src/ dst/", "src/a src/s!"),
    row("TRF-specials-only", "-rti --specials src/ dst/", "src/a src/p| src/n#c1.3"),
    row("TRF-devices-only", "-rti --devices src/ dst/", "src/a src/p| src/n#c1.3"),
    row("TRF-nonregular", "-rt src/ dst/", "src/a src/p| src/n#c1.3 src/l->a"),
    row("TRF-nonregular-quiet", "-rt --info=nonreg0 src/ dst/", "src/a src/p| src/n#c1.3 src/l->a"),
    row("TRF-nonregular-q", "-rtq src/ dst/", "src/a src/p| src/n#c1.3 src/l->a"),
    row("TRF-x", "-aix src/ dst/", "src/a src/d/b"),
    row("TRF-super-user", "-ai --super src/ dst/", "src/ src/a", user=True),
    row("TRF-no-super", "-ai --no-super src/ dst/", "src/ src/a;o=5.6 src/n#c1.3"),
    *both(
        "TRF-fake-super",
        "-ai -M--fake-super",
        "src/ src/a;o=5.6 src/n#c1.3 src/l->a src/p| src/x;m=4755 src/d/;m=1777;o=5.6",
    ),
    row("TRF-15", "-ai --fake-super src/ dst/", "src/ src/a;o=1234.2345;m=0755 src/l->a src/n#c1.3", user=True),
]

HARD = [
    *both("TRF-24", "-aiH", "src/ src/a src/b=>src/a src/d/c=>src/a"),
    *both("TRF-29", "-aiH", "src/ src/a src/b=>src/a src/c=>src/a src/e=>src/a"),
    *both("TRF-29-second", "-aiiH", "src/ src/a src/b=>src/a src/c dst/ dst/a dst/b=>dst/a dst/c"),
    row("TRF-H-not", "-ai src/ dst/", "src/ src/a src/b=>src/a"),
    row("TRF-H-relink", "-aiH src/ dst/", "src/ src/a src/b=>src/a dst/ dst/a dst/b"),
    row("TRF-H-one-exists", "-aiH src/ dst/", "src/ src/a src/b=>src/a dst/ dst/a"),
    row("TRF-H-last-exists", "-aiH src/ dst/", "src/ src/a src/b=>src/a dst/ dst/b"),
    row("TRF-H-update", "-aiH src/ dst/", "src/ src/a=new src/b=>src/a dst/ dst/a=older;t=-3 dst/b=>dst/a"),
    row("TRF-H-links", "-aiH src/ dst/", "src/ src/l->x src/m=>src/l src/p| src/q=>src/p src/n#c1.3 src/o=>src/n"),
    row("TRF-H-v", "-avH src/ dst/", "src/ src/a src/b=>src/a src/c=>src/a"),
    row("TRF-H-exclude", "-aiH --exclude=a src/ dst/", "src/ src/a src/b=>src/a src/c=>src/a"),
    row("TRF-H-unlink", "-aiH src/ dst/", "src/ src/a src/b dst/ dst/a dst/b=>dst/a"),
    row("TRF-H-stats", "-aH --stats src/ dst/", "src/ src/a*5000 src/b=>src/a src/c=>src/a"),
    row("TRF-H-n", "-ainH src/ dst/", "src/ src/a src/b=>src/a src/c=>src/a"),
    row("TRF-H-inplace", "-aiH --inplace src/ dst/", "src/ src/a=new src/b=>src/a dst/ dst/a=o dst/b=>dst/a"),
    row("TRF-H-delete", "-aiH --delete src/ dst/", "src/ src/a src/b=>src/a dst/ dst/c dst/d=>dst/c"),
    row("TRF-H-noinc", "-aiH --no-inc-recursive src/ dst/", "src/ src/a src/d/b=>src/a src/e/c=>src/a"),
]

ALT_BASE = "alt/ alt/same alt/mode alt/cont=other;t=-3 alt/d/x alt/l->t"
ALT_SRC = "src/ src/same src/mode;m=0600 src/cont=fresh src/d/x src/l->t src/new"
ALT = [
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
                norm=TOTAL,
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

BACKUP_TREE = "src/ src/a=new src/d/b=new src/l->n dst/ dst/a=o;t=-3 dst/d/b=o;t=-3 dst/l->o dst/x dst/e/y"
BACKUP = [
    *both("TRF-21", "-aib", BACKUP_TREE),
    *both("TRF-21-dir", "-ai --backup-dir=../bk", BACKUP_TREE),
    row("TRF-21-delete", "-aib --delete src/ dst/", BACKUP_TREE),
    row("TRF-21-dir-delete", "-ai --backup-dir=../bk --delete src/ dst/", BACKUP_TREE),
    row("TRF-21-suffix", "-aib --suffix=.old --delete src/ dst/", BACKUP_TREE),
    row("TRF-21-dir-suffix", "-ai --backup-dir=bk --suffix=.old src/ dst/", BACKUP_TREE),
    row("TRF-21-v", "-avb --info=backup src/ dst/", BACKUP_TREE, sorted=True),
    row("TRF-21-dir-v", "-av --backup-dir=bk --info=backup src/ dst/", BACKUP_TREE, sorted=True),
    row("TRF-21-inplace", "-aib --inplace src/ dst/", BACKUP_TREE),
    row("TRF-21-twice", "-aib src/ dst/", [BACKUP_TREE, "dst/a~=older"]),
    row("TRF-21-dir-file", "-ai --backup-dir={w}/f src/ dst/", [BACKUP_TREE, "f"]),
    row("TRF-21-delete-suffix", "-aib --delete src/ dst/", "src/ src/a dst/x~ dst/y"),
]

XATTR = [
    *both(
        "TRF-X",
        "-aiX",
        [Dir("src", xattrs={"user.d": b"1"}), File("src/a", xattrs={"user.k": b"v" * 100, "trusted.t": b"x"})],
    ),
    row(
        "TRF-X-change",
        "-aiX src/ dst/",
        [
            Dir("src"),
            File("src/a", xattrs={"user.k": b"v"}),
            Dir("dst"),
            File("dst/a", xattrs={"user.k": b"w", "user.l": b"m"}),
        ],
    ),
    row("TRF-X-not", "-ai src/ dst/", [Dir("src"), File("src/a", xattrs={"user.k": b"v"})]),
    *both("TRF-A", "-aiA", [Dir("src", default_acl="u:5:rwx"), File("src/a", acl="u:5:r,g:6:rw"), "src/b"]),
    row(
        "TRF-A-change",
        "-aiA src/ dst/",
        [
            Dir("src"),
            File("src/a", acl="u:5:r"),
            Dir("dst"),
            File("dst/a", acl="u:6:r"),
            File("dst/b", acl="u:6:r"),
            "src/b",
        ],
    ),
    row(
        "TRF-A-default-umask",
        "-rti src/ dst/",
        [Dir("src"), "src/a;m=0777 src/d/;m=0777", Dir("dst", default_acl="u::rwx,g::r-x,o::---")],
    ),
]


STEPS = [
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
    row("TRF-22", "-ai src/ l/", ["src/a real/", Link("l", target="real", owner=(5, 5))]),
    row("TRF-22-root", "-ai src/ l/", "src/a real/ l->real"),
    row("TRF-22-source", "-ai l/ dst/", ["real/a", Link("l", target="real", owner=(5, 5))]),
    row("TRF-22-insecure", "-ai --insecure-links src/ l/", ["src/a real/", Link("l", target="real", owner=(5, 5))]),
    row(
        "TRF-22-files-from",
        "-ai --files-from=L src/ dst/",
        ["src/a", File("M", content=b"a\n"), Link("L", target="M", owner=(5, 5))],
    ),
    row(
        "TRF-22-exclude-from",
        "-ai --exclude-from=L src/ dst/",
        ["src/a", File("M", content=b"a\n"), Link("L", target="M", owner=(5, 5))],
    ),
    row(
        "TRF-22-log-file",
        "-ai --log-file=L src/ dst/",
        ["src/a", File("M", content=b""), Link("L", target="M", owner=(5, 5))],
    ),
    *(
        new
        for number, options in enumerate(
            [
                "--link-dest=../l",
                "--compare-dest=../l",
                "--copy-dest=../l --no-W",
                "--link-dest=../l --link-dest=../alt",
                "--link-dest=../alt --link-dest=../l",
            ]
        )
        for new in both(
            f"TRF-22-alts-{number}",
            f"-ai {options}",
            [
                "src/a src/b src/d/c src/k->x dst/ dst/b=o;t=-3 alt/a=c alt/b alt/d/ alt/k->x",
                Link("l", target="alt", owner=(5, 5)),
            ],
        )
    ),
    *both(
        "TRF-22-alts-fuzzy",
        "-ai --link-dest=../l -yy",
        ["src/a src/b dst/ dst/b=o;t=-3 alt/a=c alt/b", Link("l", target="alt", owner=(5, 5))],
    ),
    row("TRF-22-alt", "-ai --link-dest=../l src/ dst/", ["src/a alt/a", Link("l", target="alt", owner=(5, 5))]),
    row(
        "TRF-22-backup",
        "-ai --backup-dir=../l src/ dst/",
        ["src/ src/a=n bk/ dst/ dst/a=o", Link("l", target="bk", owner=(5, 5))],
    ),
    row("TRF-22-temp", "-ai --temp-dir={w}/l src/ dst/", ["src/a tmp/", Link("l", target="tmp", owner=(5, 5))]),
]

COMPRESS = [
    item
    for name in ["zstd", "lz4", "zlibx", "zlib"]
    for item in both(
        f"TRF-zc-{name}",
        f"-ai --no-W --zc={name} --stats",
        [
            Dir("src"),
            File("src/big", content=EDITED),
            File("src/text", content=b"words and words\n" * 20_000),
            Dir("dst"),
            File("dst/big", content=BIG, time=-9),
        ],
    )[1:]
] + [
    item
    for name in ["xxh128", "xxh3", "xxh64", "md5", "md4", "sha1", "none"]
    for item in both(
        f"TRF-cc-{name}",
        f"-ai --no-W --cc={name} --stats",
        [Dir("src"), File("src/big", content=EDITED), Dir("dst"), File("dst/big", content=BIG, time=-9)],
    )[1:]
]

ROWS: list[Row] = [
    *CHECK,
    *MODES,
    *EXIST,
    *RELATIVE,
    *SYMLINKS,
    *REPLACE,
    *DELETE,
    *WRITING,
    *HARD,
    *ALT,
    *BACKUP,
    *XATTR,
    *STEPS,
    *COMPRESS,
]

"""-l, -L, -k, -K, --safe-links, --copy-unsafe-links, --munge-links, and links in the paths of an operator (spec: transfer 2, 16)."""

from __future__ import annotations

from tests.parity.common import Turns, both, row
from tests.parity.harness import Row
from tests.parity.tree import Dir, File, Link

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

UNSAFE = "src/in->d/b src/up->../x src/abs->/etc/hostname src/d/b src/d/ok->../in src/deep->d/../../q src/dir->d src/odir->../o src/dead->none o/x x"

ways = Turns(5)
UNSAFE_LINKS = [
    *(
        item
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
                "-k --copy-unsafe-links",
                "-lk --copy-unsafe-links",
                "-k --safe-links",
                "-L --copy-unsafe-links",
                "-lLk --safe-links --copy-unsafe-links",
                "--copy-unsafe-links --safe-links",
                "-K",
                "-kK",
            ]
        )
        for item in ways(f"TRF-33-{number}", f"-rti {options}", LINK_TREE, sorted=True)
    ),
    *(
        item
        for number, options in enumerate(["-L", "-lk", "-l --copy-unsafe-links", "-l --safe-links", "-l", ""])
        for item in ways(
            f"TRF-33-again-{number}",
            f"-rtii {options}",
            [UNSAFE, "dst/ dst/in->d/b dst/up->../x dst/dir->d dst/odir->../o dst/dead=file dst/deep/"],
            sorted=True,
        )
    ),
    *ways("TRF-33-v", "-rtlv --safe-links", UNSAFE, sorted=True),
    *ways("TRF-33-symsafe", "-rtl --copy-unsafe-links --info=symsafe", UNSAFE, sorted=True),
    *ways("TRF-33-symsafe-safe", "-rtl --safe-links --info=symsafe", UNSAFE),
    *ways("TRF-33-delete", "-rtli --safe-links --delete", [UNSAFE, "dst/ dst/up->../x dst/odir=f dst/gone"]),
    *ways("TRF-33-n", "-rtlin --copy-unsafe-links", UNSAFE, sorted=True),
    row("TRF-33-arg", "-ti --copy-unsafe-links src/up src/in src/dead dst/", UNSAFE),
    row("TRF-33-arg-L", "-Lti src/up src/in src/dead src/odir dst/", UNSAFE),
    row("TRF-33-arg-k", "-rkti src/up src/dir src/dead src/odir dst/", UNSAFE),
    row("TRF-33-arg-l", "-lti --safe-links src/up src/in src/dead dst/", UNSAFE),
    *ways("TRF-26-K-deep", "-aiK", "src/d/e/f dst/x/ dst/d->x dst/x/e->../y dst/y/"),
    *ways("TRF-26-K-file", "-aiK", "src/d/a dst/f dst/d->f"),
    *ways("TRF-26-K-dead", "-aiK", "src/d/a dst/ dst/d->nowhere"),
    *ways("TRF-26-K-insecure", "-aiK --insecure-links", "src/d/a dst/ real/ dst/d->../real"),
    *ways("TRF-26-K-delete-outside", "-aiK --delete", "src/d/a dst/ real/keep dst/d->../real"),
    *ways("TRF-26-K-n", "-ainK", "src/d/a dst/ real/ dst/d->../real"),
    *ways("TRF-26-no-K-delete", "-ai --delete", "src/d/a dst/real/x dst/d->real"),
    *ways("TRF-26-backup", "-aib", "src/d/a dst/real/x dst/d->real"),
    *ways("TRF-23-deep", "-ai", "src/d/e/a out/e/ dst/d/ dst/d/e->../../out/e"),
    *ways("TRF-23-delete", "-ai --delete", "src/d/a out/keep dst/ dst/d->../out dst/e->../out"),
    *ways("TRF-23-R", "-aiR", "src/a dst/ out/ dst/src->../out"),
    row("TRF-23-R-name", "-aiR src/d/a dst/", "src/d/a out/ dst/src/ dst/src/d->../../out"),
    row("TRF-23-R-noimplied", "-aiR --no-implied-dirs src/d/a dst/", "src/d/a out/ dst/src/ dst/src/d->../../out"),
    row("TRF-23-R-noimplied-in", "-aiR --no-implied-dirs src/d/a dst/", "src/d/a dst/src/x/ dst/src/d->x"),
    row("TRF-23-relative-partial", "-ai --partial-dir=.p src/ dst/", "src/ src/a=new out/ dst/a=o dst/.p->../out"),
    row("TRF-23-backup-in", "-ai --backup-dir=bk src/ dst/", "src/ src/a=new out/ dst/a=o dst/bk->../out"),
    row("TRF-23-munge", "-ai --munge-links src/ dst/", UNSAFE, then=["-ai --munge-links dst/ back/"]),
]

OPERATOR_PATHS = [
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

FOREIGN_LINKS = [
    Row("TRF-22-alternate", "src/ src/d/f src/d/g alt/ alt/d->x;o=1.1 dst/", "-rti --compare-dest=../alt src/ dst/"),
    Row("TRF-22-alternate-inside", "src/ src/d/f alt/ alt/x/f alt/d->x;o=1.1 dst/", "-rti --link-dest=../alt src/ dst/"),
    Row("TRF-22-rules", "src/ src/d/l->x;o=1.1 dst/ dst/d/l->x;o=1.1", "-a --delete-before -F src/ dst/"),
    Row("TRF-22-rules-after", "src/ src/d/l->x;o=1.1 dst/", "-a --delete-after -F src/ dst/"),
]  # fmt: skip

# Links that --copy-unsafe-links cannot follow.
UNSAFE_ROWS = [
    Row(
        f"C3-{name}",
        "src/abs->/nowhere/at/all src/ok->../out/o src/d/gone->../../out/none src/in->f src/f src/loop->loop out/o",
        command,
        via="shell" if "h:" in command else "local",
    )
    for name, command in {
        "v": "-av --copy-unsafe-links src/ dst/",
        "argument": "-av --copy-unsafe-links src/abs src/ok dst/",
        "R": "-avR --copy-unsafe-links src/abs src/d/gone dst/",
        "push": "-av --copy-unsafe-links src/ h:{w}/dst/",
        "pull": "-av --copy-unsafe-links h:{w}/src/ dst/",
        "silent": "-av --info=symsafe0 --copy-unsafe-links src/ dst/",
        "dry": "-avn --copy-unsafe-links src/ dst/",
    }.items()
]

ROWS: list[Row] = [*SYMLINKS, *UNSAFE_LINKS, *OPERATOR_PATHS, *FOREIGN_LINKS, *UNSAFE_ROWS]

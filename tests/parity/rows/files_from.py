"""--files-from, -0, and what a list of names stands for (spec: filters 8, 9, 13.2)."""

from __future__ import annotations

from typing import Any

from tests.parity.harness import Row
from tests.parity.tree import File, Tree

FROM_TREE: Tree = ["src/ src/a src/d/b src/d/e/c src/x/y", File("src/#h"), File("src/sp ace")]


def listed(number: int, listing: bytes, cmd: str, **more: Any) -> Row:
    tree: Tree = [*FROM_TREE, File("L", content=listing)]
    return Row(f"filters-13.2-{number}", tree, f"-i {cmd} --files-from=L src/ dst/", **more)


LISTED = [
    listed(1, b"a\nd/b\n", ""),
    listed(2, b"d\n", ""),
    listed(3, b"d/\n", ""),
    listed(4, b"d/\n", "-r"),
    listed(5, b"d\n", "-a"),
    listed(6, b"d\n", "-r"),
    listed(7, b"d/\n", "-a"),
    listed(8, b"/a\n", ""),
    listed(9, b"# c\n;x\n\na\n", ""),
    listed(10, b"#h\n", ""),
    listed(11, b"./#h\n", ""),
    listed(12, b"d/./b\n", ""),
    listed(13, b"d/b\n", "--no-R"),
    listed(14, b"d/b\nd/e/c\n", "--no-implied-dirs"),
    listed(15, b"a\na\n", ""),
    listed(16, b"d/e/../b\n", ""),
    listed(17, b".\n", ""),
    listed(18, b"./\n", ""),
    listed(19, b"d/b\n", "--exclude=d"),
    listed(20, b"d/b\n", "--exclude=b"),
    listed(21, b"a\n", "--exclude=a"),
    listed(22, b"nosuch\na\n", ""),
    listed(23, b"a\r\nd/b\r\n", ""),
    listed(24, b"sp ace\n", ""),
    listed(25, b"a\0d/b\0", "-0"),
    listed(26, b"a\nx/y", "-a"),
    listed(27, b"../a\n", ""),
    listed(28, b"d/*\n", ""),
    listed(29, b"d//b\n", ""),
    listed(30, b"./d/b\n", "-a"),
    listed(31, b"d/b/\n", ""),
    listed(32, b"", ""),
    listed(33, b"d/e/\n", "-a --no-R"),
    listed(34, b"d/e/c\nx\n", "-avv"),
    listed(35, b"d/b\n", "-a -n"),
    listed(36, b" a\n", ""),
    listed(37, b"x/./y\nd/./e/c\n", "-a"),
    listed(38, b"d\nd/b\n", "-a"),
    listed(39, b"d/b\nd\n", "-rt"),
    Row("filters-13.2-stdin", FROM_TREE, "-ai --files-from=- src/ dst/", stdin=b"a\nd/b\n"),
    *(
        Row(f"filters-13.2-nodir-{number}", [*FROM_TREE, File("L", content=b"a\nd/b\n")], command, via=via)
        for number, (via, command) in enumerate(
            [
                ("local", "-ai --files-from=L nosuch/ dst/"),
                ("local", "-ai --ignore-missing-args --files-from=L nosuch dst/"),
                ("local", "-aiv --no-R --files-from=L nosuch dst/"),
                ("local", "-ai --files-from=/dev/null nosuch dst/"),
                ("local", "-ai --files-from=L L dst/"),
                ("shell", "-ai --files-from=L nosuch h:{w}/dst/"),
                ("shell", "-ai --files-from=L h:{w}/nosuch dst/"),
                ("daemon", "-ai --files-from=L {url}/m/nosuch dst/"),
            ]
        )
    ),
    Row("filters-13.2-nolist", FROM_TREE, "-ai --files-from=nosuch src/ dst/"),
    Row(
        "filters-13.2-shell-pull",
        [*FROM_TREE, File("L", content=b"a\nd/b\n# c\n\nnosuch\n")],
        "-ai --files-from=L h:{w}/src/ dst/",
        via="shell",
    ),
    Row(
        "filters-13.2-shell-push",
        [*FROM_TREE, File("L", content=b"a\nd/b\n# c\n\nnosuch\n")],
        "-ai --files-from=L src/ h:{w}/dst/",
        via="shell",
    ),
    Row(
        "filters-13.2-remote-pull",
        [*FROM_TREE, File("L", content=b"a\nd/b\n# c\n\n")],
        "-ai --files-from=:{w}/L h:{w}/src/ dst/",
        via="shell",
    ),
    Row(
        "filters-13.2-remote-push",
        [*FROM_TREE, File("L", content=b"a\nd/b\n")],
        "-ai --files-from=h:{w}/L src/ h:{w}/dst/",
        via="shell",
    ),
    Row("filters-13.2-remote-local", [*FROM_TREE, File("L", content=b"a\n")], "-ai --files-from=:L src/ dst/"),
    Row(
        "filters-13.2-otherhost",
        [*FROM_TREE, File("L", content=b"a\n")],
        "-ai --files-from=g:{w}/L src/ h:{w}/dst/",
        via="shell",
    ),
]

# A sender may send only what was requested.
VETTED = [
    Row(f"FLT-21-{number}", "src/ src/a src/b src/d/c src/d/e/f src/l->a", cmd, via="shell")
    for number, cmd in enumerate(
        [
            "-ai 'h:{w}/src/[ab]' dst/",
            "-ai 'h:{w}/s*/a' dst/",
            "-aiR 'h:{w}/src/./d/e' dst/",
            "-aiR 'h:{w}/src/./d/*/f' dst/",
            "-aiR --no-implied-dirs 'h:{w}/src/./d/e/f' dst/",
            "-ai 'h:{w}/src/{a,b}' dst/",
            "-ai --old-args 'h:{w}/src/a {w}/src/b' dst/",
            "-ai --trust-sender 'h:{w}/src/{a,b}' dst/",
            "-ai 'h:$PWD/src/a' dst/",
            "-ai 'h:{w}/src/d/' ':{w}/src/a' dst/",
            "-ai 'h:{w}/src/d/../a' dst/",
            "-ai 'h:{w}/src/d//./' dst/",
            "-ai 'h:{w}//src/d' dst/",
            "-ais 'h:{w}/src/*' dst/",
            "-aiL h:{w}/src/l dst/",
            "-ri 'h:{w}/src/?' dst/",
            "-ai 'h:{w}/src/[a' dst/",
        ]
    )
]

# Which entries a list of names stands for.
NAMES = [
    Row(
        f"FLT-19-{number}",
        [
            File("L", content=data),
            "src/ src/a src/d/b src/d/e/c src/x/y src/l->d",
            File("src/#h"),
            File("src/;s"),
            File("src/*"),
            File("src/ b "),
        ],
        f"-ani {options} --files-from=L src/ dst/",
        then=[
            f"-ani {options} --files-from={{w}}/L -e {{space}}/sh h:{{w}}/src/ dst/",
            f"-ani {options} --files-from=:{{w}}/L -e {{space}}/sh h:{{w}}/src/ dst/",
        ],
    )
    for number, (data, options) in enumerate(
        [
            (b"d\nd/\n", ""),
            (b"d/\nx\n", "-r"),
            (b"#h\n;s\n./#h\n./;s\n", ""),
            (b"*\nd/*\n", ""),
            (b" b \n b\n", ""),
            (b"d/./b\nd/./e/./c\n", ""),
            (b"l\nl/\nl/b\n", "-l"),
            (b"l/\n", "-rL"),
            (b"\n\n\na\n\n", ""),
            (b"a\r\n\r\nx/y\r", ""),
            (b"d/e/c\nd/e\nd\n", "--no-R"),
            (b"d/e/c\nx/y\n", "--no-implied-dirs"),
            (b"/a\n//d/b\n///\n", ""),
            (b"./\n", "--exclude=d"),
            (b"d/b\nnosuch\nd/nosuch\n", "--ignore-missing-args"),
            (b"d/b\nnosuch\n", "--delete-missing-args"),
            (b"a\0d/b\0\0x\0", "-0"),
            (b"a", "--no-d"),
            (b"d/.\nx/./\n", ""),
            (b"a/\nd/b/\n", ""),
        ]
    )
]

NAMED_DIRECTORIES = [
    Row("filters-13.2-directory", "src/ src/a dst/", "-ai --files-from=src src/ dst/", stderr=False),
    Row("filters-13.2-directory-root", "src/ src/a dst/", "-ai --files-from=/ src/ dst/"),
    Row(
        "filters-13.2-directory-pull",
        "src/ src/a dst/",
        "-ai --files-from=src h:{w}/src/ dst/",
        via="shell",
    ),
    Row(
        "filters-13.2-directory-remote",
        "src/ src/a dst/",
        "-ai --files-from=:{w}/src h:{w}/src/ dst/",
        via="shell",
        stderr=False,
    ),
    Row(
        "filters-13.2-directory-remote-push",
        "src/ src/a dst/",
        "-ai --files-from=:{w}/src src/ h:{w}/dst/",
        via="shell",
    ),
]

COMMENT_ROWS = [
    Row(
        f"B17-{name}",
        ["s/a s/b"],
        "! touch -d @1700000000 's/#c' 's/;s' s; printf '\\0;s\\0#c\\0a\\0./#c\\0' > l0; printf ';s\\n#c\\na\\n./;s\\n' > l",
        then=[command],
        via="shell" if "h:" in command or ":{w}" in command else "local",
    )
    for name, command in {
        "nul": "-ai -0 --files-from=l0 s/ d/",
        "lines": "-ai --files-from=l s/ d/",
        "push-nul": "-ai -0 --files-from=l0 s/ h:{w}/d/",
        "push-nul-theirs": "-ai -0 --files-from=h:{w}/l0 s/ h:{w}/d/",
        "push-lines-theirs": "-ai --files-from=h:{w}/l s/ h:{w}/d/",
        "pull-nul": "-ai -0 --files-from=l0 h:{w}/s/ d/",
        "pull-lines": "-ai --files-from=l h:{w}/s/ d/",
        "pull-nul-theirs": "-ai -0 --files-from=:{w}/l0 h:{w}/s/ d/",
        "pull-lines-theirs": "-ai --files-from=:{w}/l h:{w}/s/ d/",
    }.items()
] + [
    Row(
        "B17-stdin",
        ["s/a", "s/b"],
        "! touch -d @1700000000 's/#c' s",
        then=["-ai -0 --files-from=- s/ d/"],
        stdin=b"#c\0a\0;\0",
    )
]

COUNTED_TREE = "src/ src/a/b/c/f src/a/g src/a/b/h src/a/d/ src/x/y/z src/x/w src/g"


def counted(ident: str, names: bytes, options: str = "") -> Row:
    """`--files-from`, with all that is counted; the names stand on stdin."""
    return Row(
        ident,
        f"{COUNTED_TREE} dst/",
        f"-lt --files-from=- {options} --stats src/ dst/",
        stdin=names,
        norm=[("speedup.*", "")],
    )


PARENTS = [
    # A parent that was listed for an argument before the last one is listed again, counted, and dropped.
    counted("FLT-21-parents-again", b"a/b/c/f\nx/y/z\na/g\n"),
    counted("FLT-21-parents-kept", b"a/b/c/f\na/b/h\na/g\n"),
    counted("FLT-21-parents-deeper", b"a/d\na/b/c\n"),
    counted("FLT-21-parents-of-skipped", b"a/b/c/f\nx/w\na/g\n", "--exclude=w"),
    counted("FLT-21-parents-recursive", b"a/b/c/f\nx/y/z\na/g\n", "-r"),
    counted("FLT-21-parents-whole-list", b"a/b\na/b/c/f\na\n", "-r --no-inc-recursive"),
    counted("FLT-21-dot-once", b"./g\n./x/w\n.\n"),
    counted("FLT-21-line-with-nul", b"g\0x/w\na/g\0\n\0x/y\n"),
    Row("FLT-21-duplicates-told", f"{COUNTED_TREE} dst/", "-ltvv --files-from=- src/ dst/", stdin=b"a/d\na/b/c\na/g\na/g\n"),
    Row("FLT-21-no-relative", "src/ src/d/d/ dst/", "-r --no-R --files-from=- src/ dst/", stdin=b"/d/x\nd//d/x\nx\n"),
]  # fmt: skip

ROUNDS = [
    # A link that leads in a circle is an error where it should have been followed.
    *(
        Row(f"FLT-21-circle-{number}", "src/ src/l/e/x->x src/l/no->nosuch dst/", f"{cmd} --files-from=- src/ dst/", stdin=names)
        for number, (names, cmd) in enumerate(
            [
                (b"l/e/x\n", "-l"),
                (b"l/e/x/\n", ""),
                (b"l/e/x/.\n", "-lr"),
                (b"l/e/x\n", "-L"),
                (b"l/no\n", "-L"),
                (b"l/no/\n", "-l"),
                (b"l/no\n", "-arL --delete-missing-args"),
            ]
        )
    ),
    Row("FLT-21-circle-argument", "src/ src/l/e/x->x dst/", "-lR src/./l/e/x/ dst/"),
    Row("TRF-2-relative-dead", "src/ src/l/no->nosuch dst/", "-RLvv src/./l/no dst/"),
    Row("TRF-2-relative-dirlink", "src/ src/l/to->../l dst/", "-Rkvv src/./l/to dst/"),
    # The directory of `./z` is hidden by a rule for everything.
    Row("FLT-21-dot-hidden", "src/ src/z dst/", ["--filter=H /*", "--files-from=-", "src/", "dst/x"], stdin=b"./z\n"),
    Row("FLT-21-dot-hidden-far", "src/ src/z dst/", ["--filter=- *", "--files-from=-", "src/", "h:{w}/dst/x/y"], stdin=b"./z\n", via="shell"),
    # What a list names is sent from the directory of the argument.
    *(
        Row(f"OUT-11-from-list-{number}", "src/ src/f src/sub/g src/sub/dd/h dst/", ["-r", "--out-format=%o %f %n", "--files-from=-", *words.split()], stdin=b"f\nsub/./g\n./sub/dd/h\nsub/dd\n", via=via)
        for number, (words, via) in enumerate(
            [("src/ dst/", "local"), ("./src dst/", "local"), ("--no-R {w}/src dst/", "local"), ("src/ h:{w}/dst/", "shell")]
        )
    ),
    # A parent that the name before last has in common is not listed again.
    *(
        Row(f"FLT-21-shared-{number}", "src/ src/s/s/e/l src/s/f src/s/s/b src/l/f src/top dst/", f"-vv {cmd} --files-from=- src/ dst/", stdin=names)
        for number, (names, cmd) in enumerate(
            [
                (b"s/s/e/l\ns/f\ns/s/b\n", ""),
                (b"s/s/e/l\nl/f\ns/s/b\n", ""),
                (b"s/s/e/l\ntop\ns/s/b\n", ""),
                (b"s/s/e/l\ns/f\ns/s/b\n", "-r --no-i-r"),
                (b"s\nl/f\ns/s/b\ns/s\n", ""),
            ]
        )
    ),
]  # fmt: skip

ROWS: list[Row] = [*LISTED, *VETTED, *NAMES, *NAMED_DIRECTORIES, *COMMENT_ROWS, *PARENTS, *ROUNDS]

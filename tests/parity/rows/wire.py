"""spec: protocol: what shows only between two ends, or depends on what the other end has done already"""

from __future__ import annotations

from tests.parity.harness import Row
from tests.parity.rows.transfer import both
from tests.parity.tree import Dir, File, Hard, Link, Tree, filler

LATIN, KOREAN = "\u00e9t\u00e9", "\uc81c\ubd80"


def over(ident: str, options: str, tree: Tree, **more: object) -> list[Row]:
    """Both ways over a shell."""
    return both(ident, options, tree, **more)[1:]


def versions(ident: str, options: str, tree: Tree, protocols: tuple[int, ...], **more: object) -> list[Row]:
    return [row for p in protocols for row in over(f"{ident}-{p}", f"{options} --protocol={p}", tree, **more)]


# ---- hard links

GROUP: Tree = ["src/a=new src/d/b=>src/a src/c=>src/a dst/ dst/a=older;t=-5"]
VALUES = {"user.long": b"v" * 50, "user.short": b"s"}
LED: Tree = [
    File("src/f", content=b"a", xattrs=VALUES, acl="u:daemon:rw"),
    Hard("src/d/g", target="src/f"),
    Hard("src/h", target="src/f"),
]
# More lists than a sender sends at a time: names are linked whenever nothing is left to generate.
ROUNDS: Tree = [
    *(File(f"src/d{d}/f{i:03}", content=b"x") for d in range(5) for i in range(300)),
    *(Hard(f"src/d{d}/{name}", target=f"src/d{d}/f000") for d in (0, 2, 4) for name in ("a", "z")),
    Dir("dst"),
]
LINKS = [
    both("TRF-24-rounds", "-aiiH", ROUNDS)[0],
    *both("TRF-24-rounds-dry", "-naiiH", ROUNDS),
    *both("TRF-24-rounds-whole", "-aiiH --no-inc-recursive", ROUNDS),
    *both("TRF-24-idle", "-aiiH", [*ROUNDS[:600], *ROUNDS[1500:1502], "dst/"]),
    # A name is linked to the new file, not to the one that is still there under its name.
    *versions("TRF-24-delayed", "-aiiH --delay-updates", GROUP, (28, 29, 30, 32)),
    *over("TRF-24-delayed-delete", "-aiiH --delay-updates --delete-delay", GROUP),
    *over("TRF-24-delayed-remove", "-aiiH --delay-updates --remove-source-files", GROUP),
    *both("TRF-24-delayed-three", "-aiiH --delay-updates", [*GROUP, "dst/c=another;t=-3 dst/d/b=third;t=-4"]),
    # ACL and attributes of a name that replaces another file are looked at when it is linked.
    *both("TRF-24-metadata", "-aiHXA", [*LED, "dst/f=o;t=-3 dst/d/g=old dst/h=old;m=0600"]),
    *both("TRF-24-metadata-A", "-aiHA", [*LED, "dst/d/g=old"]),
    *both("TRF-24-metadata-leader", "-aiHXA",
          [*LED, File("dst/f", content=b"a", xattrs=VALUES, acl="u:daemon:rw"), "dst/d/g=old dst/h=old"]),
    *both("TRF-24-metadata-dry", "-ainHXA", [*LED, "dst/f=o;t=-3 dst/d/g=old"]),
]  # fmt: skip

# ---- character sets


def named(ours: str, theirs: str, text: str, way: str) -> Tree:
    """The source in the charset of its side; the list is here in either case."""
    name = text.encode(ours if way == "push" else theirs)
    return [
        File(b"src/" + name, content=b"x"),
        File(b"src/d" + name + b"/" + name, content=b"y"),
        File(b"src/d" + name + b"/k", content=b"z"),
        Link(b"src/l", target=name),
        Dir(b"dst"),
        File(b"L", content=text.encode(ours) + b"\nd" + text.encode(ours) + b"\n"),
    ]


def converted(ident: str, options: str, **more: object) -> list[Row]:
    rows: list[Row] = []
    for ours, theirs, text in (
        ("utf-8", "euc-kr", KOREAN),
        ("iso-8859-1", "utf-8", LATIN),
        ("utf-8", "iso-8859-1", LATIN),
        ("cp949", "euc-kr", KOREAN),
    ):
        for way in ("push", "pull"):
            start = "src" if "files-from" in options else "src/"
            ends = f"{start} h:{{w}}/dst/" if way == "push" else f"h:{{w}}/{start} dst/"
            words = f"{options} --iconv={ours},{theirs} {ends}"
            rows.append(
                Row(f"{ident}-{ours}-{theirs}-{way}", named(ours, theirs, text, way), words, via="shell", **more)
            )  # type: ignore[arg-type]
    return rows


CHARSETS = [
    *converted("PRO-13-iconv", "-asii"),
    *converted("PRO-14-iconv", "-asii --files-from=L"),
    *converted("PRO-14-iconv-30", "-asii --protocol=30 --files-from=L"),
    *converted("PRO-14-iconv-plain", "-aii --files-from=L", sorted=True),
    *[
        Row(f"PRO-13-iconv-path-{way}-{options}", named("iso-8859-1", "utf-8", LATIN, way), words, via="shell")
        for options in ("-as", "-a")
        for way, words in (
            ("push", [options, "-ii", "--iconv=ISO-8859-1,UTF-8", b"src/" + LATIN.encode("latin-1"),
                      b"h:{w}/dst/" + LATIN.encode("latin-1") + b"2"]),
            ("pull", [options, "-ii", "--iconv=ISO-8859-1,UTF-8", b"h:{w}/src/d" + LATIN.encode("latin-1"), "dst/"]),
        )
    ],
    # Names of deleted files are shown as if they were this side's own; they came in UTF-8.
    *[
        Row(f"OUT-14-iconv-{ours}-{theirs}",
            [File("src/a"), *(File(b"dst/" + x) for x in (b"g\xc3\xa9", b"plain", b"k\xc3\xa0"))],
            f"-ri --delete --iconv={ours},{theirs} src/ h:{{w}}/dst/", via="shell", sorted=True)
        for ours in ("ISO-8859-1", "KOI8-R", "UTF-8", "ASCII", "CP1252")
        for theirs in ("UTF-8", "ISO-8859-1")
    ],
]  # fmt: skip

# ---- checksums

OLDER: Tree = [
    File("src/big", content=filler(b"wire", 90_000)),
    File("dst/big", content=filler(b"wire", 90_000)[:40_000] + b"#" + filler(b"wire", 90_000)[40_000:], time=-9),
    "src/same=x;t=3 dst/same=x;t=1",
]
SUMS = [
    row
    for choice in ("auto,md5", "auto,xxh3", "md5,auto", "none,auto", "MD5,xxhash", "auto,auto", "xxh64,sha1")
    for row in versions(
        f"PRO-5-{choice}", f"-aic --stats --checksum-seed=7 --debug=NSTR --cc={choice}", OLDER, (29, 30, 32)
    )
] + [
    *versions("PRO-5-none", "-aic --cc=md5,none", OLDER, (29, 32), stderr=False),
    *over("PRO-8-names", "-a --cc=a,b,c", OLDER),
    *over("PRO-8-names-2", "-a --cc=md5,md5,md5", OLDER),
    # What is asked for again is not compared.
    *versions("PRO-52-c", "-aic --append-verify",
              [File("src/a", content=b"whole text"), File("dst/a", content=b"#hole", time=-1)], (29, 30, 32)),
]  # fmt: skip

ROWS = [*LINKS, *CHARSETS, *SUMS]

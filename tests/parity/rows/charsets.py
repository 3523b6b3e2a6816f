"""--iconv (spec: protocol 5.16)."""

from __future__ import annotations

from typing import Any

from tests.parity.harness import Row
from tests.parity.tree import Dir, File, Link, Tree

LATIN, KOREAN = "\u00e9t\u00e9", "\uc81c\ubd80"


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


def converted(ident: str, options: str, **more: Any) -> list[Row]:
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
            )
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


def _hangul(top: str, charset: str, *more: str) -> Tree:
    names = ["한글", "파일.txt", "가나다/라마바", "문서/보고서 최종본.hwp", *more]
    files: Tree = [File(f"{top}/{name}".encode(charset), content=name.encode()) for name in names]
    links: Tree = [Link(f"{top}/링크".encode(charset), target="문서/보고서 최종본.hwp".encode(charset))]
    dirs: Tree = [Dir(top), Dir(f"{top}/가나다".encode(charset)), Dir(f"{top}/문서".encode(charset))]
    return [*dirs, *files, *links]


#: Names and targets in another character set, locally and over a shell; those without a letter in it are left out.
HANGUL = [
    row
    for ident, charset, option, more in (
        ("utf8-euckr", "utf-8", "utf-8,euc-kr", ()),
        ("dot-euckr", "utf-8", ".,euc-kr", ()),
        ("utf8-cp949", "utf-8", "utf-8,cp949", ("똠방각하",)),
        ("euckr-utf8", "euc-kr", "euc-kr,utf-8", ()),
        ("cp949-utf8", "cp949", "cp949,utf-8", ("똠방각하",)),
        ("alone", "utf-8", "utf-8", ()),
        ("lacks", "utf-8", "utf-8,euc-kr", ("똠방각하", "日本 é ☃")),
        ("lacks-euckr", "euc-kr", "utf-8,euc-kr", ()),
        ("minus", "utf-8", "-", ("☃",)),
    )
    for row in (
        Row(f"OPT-hangul-{ident}", _hangul("src", charset, *more), f"-ai --iconv={option} src/ dst/",
            then=[f"-aiH --delete --iconv={option} src/ dst/"], sorted=True),
        Row(f"OPT-hangul-{ident}-push", _hangul("src", charset, *more), f"-ai --iconv={option} src/ h:{{w}}/dst/",
            via="shell", sorted=True),
        Row(f"OPT-hangul-{ident}-pull", _hangul("src", charset, *more), f"-ai --iconv={option} h:{{w}}/src/ dst/",
            via="shell", sorted=True),
        Row(f"OPT-hangul-{ident}-daemon", _hangul("src", charset, *more), f"-ai --iconv={option} src/ {{url}}/m/",
            via="daemon", sorted=True, conf="read only = no\ncharset = cp949"),
    )
    # There rsync ends the run, or takes bytes of UTF-8 for control characters.
    if row.id not in ("OPT-hangul-lacks-pull", "OPT-hangul-lacks-daemon")
]  # fmt: skip

ROWS: list[Row] = [*CHARSETS, *HANGUL]

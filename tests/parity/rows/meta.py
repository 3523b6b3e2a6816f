"""Owners and modes that are recorded, replaced nodes, converted names, and texts about them"""

from __future__ import annotations

from tests.parity.harness import Row
from tests.parity.rows.transfer import both
from tests.parity.tree import Dir, File, Link, Tree

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

STAT = "user.rsync.%stat"


def _kept(top: str, records: dict[str, bytes], time: int = 0) -> Tree:
    """Files that stand for what their records say."""
    return [
        Dir(top),
        *(File(f"{top}/{name}", content=b"", xattrs={STAT: value}, time=time) for name, value in records.items()),
    ]


KEPT: Tree = [
    *_kept(
        "src",
        {
            "block": b"60640 42,73 55:66",
            "char": b"20600 1,2 5:6",
            "fifo": b"10622 0,0 9:9",
            "socket": b"140755 0,0 9:9",
            "file": b"104755 0,0 5:6",
            "other-owner": b"100644 0,0 77:88",
        },
    ),
    File("src/plain", content=b"plain", mode=0o640),
    Dir("src/dir", xattrs={STAT: b"43775 0,0 7:8"}),
    File("src/link", content=b"plain", xattrs={STAT: b"120777 0,0 13:14"}),
    Link("src/real", target="plain"),
]
#: The same names, of other kinds and with other owners.
OTHER: Tree = [
    *_kept(
        "dst",
        {
            "block": b"60640 42,74 77:88",
            "char": b"60600 1,3 77:88",
            "fifo": b"140622 0,0 77:88",
            "socket": b"100755 0,0 77:88",
            "file": b"20600 1,3 77:88",
            "other-owner": b"100644 0,0 1:2",
        },
        time=-5,
    ),
    File("dst/plain", content=b"other", mode=0o600, xattrs={STAT: b"100600 0,0 77:88"}, time=-5),
    Dir("dst/dir", xattrs={STAT: b"40700 0,0 77:88"}),
    File("dst/link", content=b"other", xattrs={STAT: b"120777 0,0 13:14"}, time=-5),
    Link("dst/real", target="plain"),
    "dst/unsent;m=0600",
]
#: An owner that is not preserved is recorded as 0, never as that of the process.
FAKE = [
    Row(f"TRF-15-owner-{ident}-{before}{'' if user else '-root'}", tree, f"{options} --fake-super src/ dst/", user=user)
    for before, tree in (("new", KEPT), ("other", [*KEPT, *OTHER]))
    for ident, options in (
        ("r", "-ri"),
        ("D", "-rlDi"),
        ("Dp", "-rlDpi"),
        ("Do", "-rlDoi"),
        ("Dg", "-rlDgi"),
        ("t", "-rlti"),
        ("a", "-ai"),
        ("aI", "-aiI"),
        ("chown", "-ai --chown=3:4"),
        ("chmod", "-rlDpi --chmod=u+s"),
        ("X", "-rlDXi"),
    )
    for user in (True, False)
]
FAKE += [
    row
    for ident, options in (("D", "-rlDi"), ("a", "-ai"))
    for row in (
        Row(f"TRF-15-owner-{ident}-push", [*KEPT, *OTHER], f"{options} --fake-super -M--fake-super src/ h:{{w}}/dst/",
            via="shell", user=True),
        Row(f"TRF-15-owner-{ident}-pull", [*KEPT, *OTHER], f"{options} --fake-super -M--fake-super h:{{w}}/src/ dst/",
            via="shell", user=True),
        Row(f"TRF-15-owner-{ident}-daemon", KEPT, f"{options} --fake-super src/ {{url}}/m/", via="daemon",
            conf="read only = no\nfake super = yes"),
    )
]  # fmt: skip
#: A real pipe takes no record, and that is an error; a real link gives way to one that is kept.
FAKE += [
    Row(
        f"TRF-15-real-{ident}",
        "src/ src/p| src/l->x dst/ dst/p| dst/l->x",
        f"{options} --fake-super src/ dst/",
        user=True,
    )
    for ident, options in (("D", "-rlDi"), ("a", "-ai"))
]

BAD = "Zbad"
#: Where a bad rule stands. Of a file that was named in a file, nothing is shown.
PLACES = [
    Row(f"FLT-place-{ident}", [Dir("src"), "src/f", *(File(name, content=text.encode()) for name, text in files.items())],
        f"-r {rule} src/ dst/")
    for ident, rule, files in (
        ("option", "-f '. top'", {"top": BAD}),
        ("nested", "-f '. top'", {"top": ". inner", "inner": f"- x\n{BAD}"}),
        ("nested-twice", "-f '. top'", {"top": ". in", "in": "# c\n. in2", "in2": BAD}),
        ("per-dir", "-F", {"src/.rsync-filter": f"- a\n{BAD}"}),
        ("per-dir-merge", "-f ': a'", {"src/a": ". b", "src/b": BAD}),
        ("named-in-option-file", "-f '. top'", {"top": ": a", "src/a": f"- x\n{BAD}"}),
        ("named-in-nested-file", "-f '. top'", {"top": ". in", "in": ": a", "src/a": BAD}),
        ("named-in-per-dir", "-F", {"src/.rsync-filter": ": ../secret", "secret": "SECRET"}),
        ("named-twice", "-f ': a'", {"src/a": ": b", "src/b": ": c", "src/c": BAD}),
        ("named-then-merge", "-f '. top'", {"top": ": a", "src/a": ". b", "src/b": BAD}),
        ("named-then-merge-twice", "-f '. top'", {"top": ": a", "src/a": ". b", "src/b": ". c", "src/c": BAD}),
        ("named-words", "-f '. top'", {"top": ":w a", "src/a": BAD}),
        ("named-missing", "-f ': a'", {"src/a": ": b", "src/b": ". nosuch"}),
        ("named-depth", "-f '. top'", {"top": ": a", "src/a": ". a"}),
    )
]  # fmt: skip
LONG = "Q" * 4080
#: Names of per-directory files that are too long once the directory stands in front: the run goes on without them.
PLACES += [
    Row(f"FLT-long-{ident}", [*tree, "src/f src/d/g dst/ dst/d/gone"], f"{options} src/ dst/", sorted=True)
    for ident, options, tree in (
        ("file", "-r -f '. top'", [File("top", content=f": {LONG}".encode())]),
        ("per-dir", "-rF", [Dir("src"), File("src/.rsync-filter", content=f": {LONG}".encode())]),
        ("per-dir-path", "-rF", [Dir("src"), File("src/.rsync-filter", content=f": sub/{LONG}".encode())]),
        ("rule", "-rF", [Dir("src"), File("src/.rsync-filter", content=f"- {LONG}{'Q' * 20}".encode())]),
    )
]


def _escapes() -> list[Row]:
    kinds = (("", "n"), ("-", "n"), ("'", "l"))
    formats = [f"%{sign}{'0' * n}{letter}|" for n in (1, 21, 22, 23, 24, 31) for sign, letter in kinds]
    formats += ["%5%C", "%%C", "%10n|", "%-10n|", "%-", "%''''l|"]
    formats += [f"%{sign * times}{tail}" for sign, times, tail in (("0", 26, "%C"), ("1", 24, ""), ("0", 30, "'n"))]
    formats += [f"%{sign * times}{tail}" for sign, times, tail in (("'", 30, "l|"), ("0", 23, "'l|"))]
    formats += [f"%-{'0' * 22}'l|", f"%-{'0' * 23}'l|"]
    return [
        Row(f"OUT-escape-{n}", "src/ src/f=data", ["-ac", f"--out-format={text}", "src/f", "dst/"])
        for n, text in enumerate(formats)
    ]


#: A width has at most 23 digits.
ESCAPES = _escapes()

FIGURE = [(r"(?m)^(  \w+): +\d+ ", r"\1: N ")]
HEAP = [
    Row(f"OUT-heap{where}-{ident}", "src/ src/a", f"-a {options} {source} {target}", via=via, norm=FIGURE, sorted=True)
    for ident, options in (("stats3", "--info=stats3"), ("stats2", "--info=stats2"), ("n", "-n --info=stats3"))
    for where, source, target, via in (
        ("", "src/", "dst/", "local"),
        ("-push", "src/", "h:{w}/dst/", "shell"),
        ("-pull", "h:{w}/src/", "dst/", "shell"),
    )
]

#: What a batch says of options that it decides otherwise.
BATCH = [
    Row(f"OPT-batch-told-{n}", "src/ src/a src/d/b src/l->a dst/", f"{written} --write-batch=b src/ dst/",
        then=["!rm -rf dst; mkdir dst", f"{read} --read-batch=b dst/", "!rm -f b b.sh"], sorted=True)
    for n, (written, read) in enumerate(
        (
            ("-a", "-v"), ("-a", "-rv"), ("-a", "-r"), ("-a", "-av"), ("-a", "-r --info=misc"), ("-a", "-rv --info=misc0"),
            ("-a", "-aHAXcv --inplace"), ("-aHAXc --inplace", "-av"), ("-aHHXX", "-avHX"), ("-aHX", "-avHHXX"),
            ("-a --append", "-av"), ("-a --append", "-av --append-verify"), ("-a --append-verify", "-av --append"),
            ("-rlt", "-av"), ("-d", "-av"), ("-d", "-v"), ("-d", "-dv"), ("-r --no-i-r", "-v"),
            ("-a --protocol=29", "-rvz --append"), ("-az", "-av"), ("-a", "-avn"),
        )
    )
]  # fmt: skip


def _hangul(top: str, charset: str, *more: str) -> Tree:
    names = ["한글", "파일.txt", "가나다/라마바", "문서/보고서 최종본.hwp", *more]
    files: Tree = [File(f"{top}/{name}".encode(charset), content=name.encode()) for name in names]
    links: Tree = [Link(f"{top}/링크".encode(charset), target="문서/보고서 최종본.hwp".encode(charset))]
    dirs: Tree = [Dir(top), Dir(f"{top}/가나다".encode(charset)), Dir(f"{top}/문서".encode(charset))]
    return [*dirs, *files, *links]


#: Names and targets in another character set, locally and over a shell; those it has no letters for are left out.
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

ROWS: list[Row] = [*REPLACED, *FAKE, *PLACES, *ESCAPES, *HEAP, *BATCH, *HANGUL]

"""Merge files, per-directory and single, and -C (spec: filters 3, 4, 7, 13.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.parity.common import copies, row
from tests.parity.harness import Row
from tests.parity.tree import Dir, File, Tree

MERGE_TREE = "src/ src/a.o src/b src/top src/d/a.o src/d/b src/d/q src/d/top src/d/e/a.o src/d/e/b src/d/e/q src/f/a.o"


def merge(number: int, cmd: str, files: dict[str, bytes], **more: Any) -> Row:
    tree: Tree = [MERGE_TREE, *(File(path, content=content) for path, content in files.items())]
    return Row(f"filters-13.1-{number}", tree, f"-ai {cmd} src/ dst/", **more)


MERGE_RULES = [
    merge(1, "-f': .rules'", {"src/d/.rules": b"- *.o\n"}),
    merge(2, "-f':n .rules'", {"src/d/.rules": b"- *.o\n"}),
    merge(3, "-f':e .rules'", {"src/d/.rules": b"- *.o\n"}),
    merge(4, "-f': .rules'", {"src/d/.rules": b"- /b\n"}),
    merge(5, "-f': .rules'", {"src/d/.rules": b"- e/q\n"}),
    merge(6, "-f': .rules'", {"src/d/.rules": b"- /e/q\n"}),
    merge(7, "-f': .rules'", {"src/d/.rules": b"- d/q\n"}),
    merge(8, "-f': .rules' -f'- *.o'", {"src/d/.rules": b"+ *.o\n"}),
    merge(9, "-f'- *.o' -f': .rules'", {"src/d/.rules": b"+ *.o\n"}),
    merge(10, "-f':- .rules'", {"src/d/.rules": b"a.o b\n"}),
    merge(11, "-f':w- .rules'", {"src/d/.rules": b"a.o b\n"}),
    # rsync's receiving side is killed by a signal here, sooner or later.
    merge(12, "-nf':w .rules'", {"src/d/.rules": b"- a.o - b\n"}, norm=[(r"rsync error: received SIGUSR1.*\n", "")]),
    merge(13, "-f': .rules'", {"src/.rules": b"- *.o\n", "src/d/.rules": b"!\n- q\n"}),
    merge(14, "-f':C'", {"src/d/.cvsignore": b"*.o q\n"}),
    merge(15, "-f': ../.up'", {".up": b"- *.o\n"}),
    merge(16, "-f'. nofile'", {}),
    merge(17, "-f': nofile'", {}),
    merge(18, "--exclude='+ b' --exclude='*'", {}),
    merge(19, "--include='- b'", {}),
    merge(20, "--exclude=b --exclude='!'", {}),
    merge(21, "--exclude='H b'", {}),
    merge(22, "-f'merge,r F'", {"F": b"- b\n"}),
    merge(23, "-f'.s F'", {"F": b"H q\n"}),
    merge(24, "--exclude-from=F", {"F": b"q\r\nb\r\n"}),
    merge(25, "-0 --exclude-from=F", {"F": b"- q\0- b\0#x\0"}),
    merge(26, "-F", {"src/.rsync-filter": b"- top\n"}),
    merge(27, "-FF", {"src/.rsync-filter": b"- top\n"}),
    merge(28, "-f'-/ src/d/q'", {}),
    merge(29, "-f'-/ /m/src/d/q'", {}),
    merge(30, "-f'-/ {w}/src/d/q'", {}),
    merge(31, "-f'. F'", {"F": b"# a comment\n; another\n\n- b\n # c\n- q"}),
    merge(32, "--include-from=F --exclude='*'", {"F": b"b\n*/\n"}),
    merge(33, "--exclude-from=-", {}, stdin=b"q\nb\n"),
    merge(34, "-f'. F'", {"F": b"- b\n. G\n", "G": b"- q\n"}),
    merge(35, "-f'. F'", {"F": b"- b\n\n-q foo\n"}),
    merge(36, "-f'. F'", {"F": b"merge nosuch\n"}),
    merge(37, "--exclude-from=nosuch", {}),
    merge(38, "--include-from=nosuch", {}),
    merge(39, "-f'.- F'", {"F": b"- b\nq\n"}),
    merge(40, "-f'.+ F' -f'- *.o'", {"F": b"a.o\n"}),
    merge(41, "-f'.w F'", {"F": b"-_b -_q\n"}),
    merge(42, "-f'.e F'", {"F": b"- q\n"}),
    merge(43, "-f':e- .ex' --exclude=top", {"src/.ex": b"q\n", "src/d/.ex": b"b\n"}),
    merge(44, "-f': .rules'", {"src/.rules": b": .more\n", "src/d/.more": b"- q\n"}),
    merge(45, "-f': .rules' -f': x/.rules'", {"src/d/.rules": b"- q\n"}),
    merge(46, "-f'. F'", {"F": b". F\n"}),
    merge(47, "-C", {"src/x.bak": b"", "src/CVS/x": b"", "src/d/.cvsignore": b"q\n", "src/.git/x": b""}),
    merge(48, "-C", {"src/d/.cvsignore": b"! q\n"}, env={"CVSIGNORE": "top"}),
    merge(49, "-C -f'+ *.o'", {}),
    merge(50, "-f'-C' -f'- top'", {}),
    merge(51, "-F -f'- q'", {".rsync-filter": b"- top\n", "src/d/.rsync-filter": b"+ q\n"}),
    merge(52, "--exclude-from=F", {"F": b"- q\n+ b\n!\ntop\n"}),
    merge(53, "--include=b --exclude-from=F", {"F": b"b\nq\n"}),
    merge(54, "-f'dir-merge,- .ex'", {"src/d/.ex": b"/b\ne/\n"}),
    merge(55, "-f': /.rules'", {".rules": b"- *.o\n", "src/f/.rules": b"+ *.o\n"}),
    merge(56, "-f'.C F'", {"F": b"b q\n"}),
    merge(57, "-f'. F'", {"F": b"Z foo\n"}),
    merge(58, "-f'. F'", {"F": b"-\n"}),
    merge(59, "-f'. F'", {"F": b"! x\n"}),
    merge(60, "-f':s .rules'", {"src/.rules": b"P q\n"}),
    merge(61, "-f' - b'", {}),
    merge(62, "-f'merge'", {}),
    merge(63, "--exclude=", {}),
    merge(64, "--filter=", {}),
    merge(65, "--exclude='- b' --exclude='+ q' --exclude='q'", {}),
]


def per_dir(ident: str, files: dict[str, bytes], cmds: Sequence[str], **more: Any) -> Row:
    return copies(ident, cmds, [MERGE_TREE, *(File(path, content=data) for path, data in files.items())], **more)


MERGES_EACH = [
    per_dir(
        "FLT-12",
        {"src/.r": b"- q\n- top\n", "src/d/.r": b"+ q\n- /b\n", "src/d/e/.r": b"!\n- a.o\n"},
        [
            "-f': .r'",
            "-f':n .r'",
            "-f':e .r'",
            "-f':s .r'",
            "-f':r .r'",
            "-f':p .r'",
            "-f': .r' -f'- *.o'",
            "-f'+ top' -f': .r'",
            "-f':ne .r'",
            "-f': .r' -f': .r'",
            "-f': x/.r'",
            "-f': /.r'",
            "-f'dir-merge,n .r'",
            "-f': .nosuch'",
        ],
    ),
    per_dir(
        "FLT-12-plain",
        {"src/.x": b"q\n/b\n", "src/d/.x": b"*.o\n!\n"},
        [
            "-f':- .x'",
            "-f':+ .x' -f'- *'",
            "-f':n- .x'",
            "-f':w- .x'",
            "-f':e- .x'",
            "-f':C .x'",
            "-f':C'",
            "-f':/ .x'",
            "-f':s- .x'",
        ],
    ),
    per_dir(
        "FLT-12-inner",
        {"src/.r": b": .s\n- .s\n", "src/d/.s": b"- a.o\n", "src/d/.t": b"- b\n", "src/d/e/.s": b"H q\n"},
        ["-f': .r'", "-f':e .r'", "-f':n .r'"],
    ),
    per_dir(
        "FLT-12-errors",
        {"src/d/.r": b"- a\nZ q\n", "src/d/.t": b"P x\n", "src/f/.u": b". nosuch\n"},
        ["-nf': .r'", "-nf':s .t'", "-nf': .u'", "-nf':w .r'"],
        norm=[(r"rsync error: received SIGUSR1.*\n", "")],
    ),
    per_dir(
        "FLT-12-delete",
        {
            "src/.r": b"- q\n",
            "dst/.r": b"- x\n",
            "dst/d/.r": b"P y\n",
            "dst/x": b"",
            "dst/z": b"",
            "dst/d/y": b"",
            "dst/d/z": b"",
            "dst/q": b"",
        },
        [
            f"-ani {o} -f': .r' src/ dst/"
            for o in ["--delete", "--delete-before", "--delete-after", "--delete-excluded", "--delete --exclude=.r"]
        ],
    ),
    per_dir(
        "FLT-13",
        {".rsync-filter": b"- top\n", "src/.rsync-filter": b"- q\n", "src/d/.rsync-filter": b"- /b\n"},
        [
            "-F",
            "-FF",
            "-FFF",
            "-F -F",
            "-F --exclude=.rsync-filter",
            "-aiF src dst/",
            "-aiF src/d dst/",
            "-aiFR src/d dst/",
            "-aiF src/d/e/ dst/",
        ],
    ),
    per_dir(
        "FLT-14",
        {
            "src/x.bak": b"",
            "src/.cvsignore": b"top\n",
            "src/d/.cvsignore": b"!\nq\n",
            "src/core": b"",
            "src/.git/x": b"",
            "src/.svn": b"",
            "src/tags": b"",
            "src/a~": b"",
            "src/,v": b"",
            "src/x_$1": b"",
            ".cvsignore": b"e\n",
        },
        [
            "-C",
            "-C -f'+ *.bak'",
            "-C -f'+ *.o'",
            "-f':C' -f'- top'",
            "-f'-C'",
            "-f'-C' -f':C'",
            "-f':C' -f'-C'",
            "-f'+ core' -f'-C'",
            "-Cf'!'",
            "-CC",
        ],
        env={"CVSIGNORE": "b nosuch"},
    ),
    per_dir("FLT-14-home", {".cvsignore": b"e f\n# b\n"}, ["-C", "-C -f'+ f'"], env={"HOME": "{w}"}),
    per_dir("FLT-14-clear", {".cvsignore": b"! q\n"}, ["-C"], env={"HOME": "{w}", "CVSIGNORE": "! top"}),
    Row(
        "FLT-14-perishable",
        "src/ src/a dst/old/x.o dst/old/.git/y dst/o2/keep.q dst/y.o",
        "-ani --delete -C src/ dst/",
        then=[
            "-ani --delete -f'- *.o' src/ dst/",
            "-ani --delete -f'-p *.o' src/ dst/",
            "-ani --delete -C --delete-excluded src/ dst/",
            "-ai --delete -C src/ dst/",
        ],
        env={"CVSIGNORE": "*.q"},
    ),
    Row(
        "FLT-24",
        [
            "src/a",
            *(File(f"F{n}", content=f". F{n + 1}\n".encode()) for n in range(1, 40)),
            File("F40", content=b"- a\n"),
        ],
        "-ai -f'. F1' src/ dst/",
        then=[
            "-ai -f'. F8' src/ dst2/",
            "-ai -f'. F9' src/ dst3/",
            "-ai -f'. F10' src/ dst4/",
            "-ai --exclude-from=F1 src/ dst5/",
            "-ai -f'. F40' src/ dst6/",
        ],
    ),
    Row(
        "FLT-20-each",
        [
            "src/a",
            File("F", content=b"- b\n\n\nsecret\n"),
            File("G", content=b". F\n"),
            File("W", content=b"-_b secret"),
            File("S", content=b"H secret\n"),
            File("T", content=b"-q secret\n"),
            File("L", content=b"- " + b"x" * 5000 + b"\n- a\n"),
        ],
        "-ai -f'. F' src/ dst/",
        then=[
            f"-ai {cmd} src/ dst{n}/"
            for n, cmd in enumerate(
                [
                    "-f'. G'",
                    "-f'.w W'",
                    "-f'.s S'",
                    "-f'. T'",
                    "-f': T'",
                    "--exclude-from=T",
                    "-f'. L'",
                    "--exclude-from=nosuch",
                    "-f'. nosuch'",
                    "-f'.+ nosuch'",
                    "--include-from=nosuch",
                    "-f'. src'",
                ]
            )
        ],
    ),
]

MERGED = [
    row(
        f"filters-4-merge-{number}",
        ["-ai", *options.split("|"), "src/", "dst/"],
        [
            "src/ src/foo src/q src/d/foo src/d/q src/d/e/foo src/d/e/q src/other dst/d/q dst/zap",
            File("src/.r", content=b"- foo\n# c\n; d\n\n"),
            File("src/d/.r", content=content),
        ],
        sorted=True,
    )
    for number, (options, content) in enumerate(
        (options, content)
        for options in ("-f|: .r", "-f|:e .r", "-f|:n .r", "-f|:s .r|--delete", "-f|:- .r", "-f|:w- .r", "-FF|--delete")
        for content in (b"+ foo\n", b"!\n- q\r\n", b"- /q\n- e/foo", b"- d/q\n: .r2\n")
    )
]

BAD = "Zbad"

LONG_RULE = "Q" * 4080

#: The place of a bad rule. A file that was named in another file is not shown.
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

#: Names of per-directory files that are too long once the directory stands in front: the run goes on without them.
PLACES += [
    Row(f"FLT-long-{ident}", [*tree, "src/f src/d/g dst/ dst/d/gone"], f"{options} src/ dst/", sorted=True)
    for ident, options, tree in (
        ("file", "-r -f '. top'", [File("top", content=f": {LONG_RULE}".encode())]),
        ("per-dir", "-rF", [Dir("src"), File("src/.rsync-filter", content=f": {LONG_RULE}".encode())]),
        ("per-dir-path", "-rF", [Dir("src"), File("src/.rsync-filter", content=f": sub/{LONG_RULE}".encode())]),
        ("rule", "-rF", [Dir("src"), File("src/.rsync-filter", content=f"- {LONG_RULE}{'Q' * 20}".encode())]),
    )
]

ROWS: list[Row] = [*MERGE_RULES, *MERGES_EACH, *MERGED, *PLACES]

"""Filter rules statement by statement: their order, sides, files, errors, and their text on the wire. spec: filters"""

from __future__ import annotations

from collections.abc import Sequence

from tests.parity.harness import Row
from tests.parity.rows.filters import MERGE_TREE
from tests.parity.tree import File, Tree

FLAT: Tree = [
    "src/ src/a src/b src/c.o src/d/a src/d/b src/d/c.o src/d/e/f",
    File("src/;x"),
    File("src/#y"),
    File("src/ z"),
]


def runs(ident: str, cmds: Sequence[str], tree: Tree = FLAT, **more: object) -> Row:
    """Each command line copies into a place of its own."""
    made = [cmd if "dst" in cmd or "mod" in cmd else f"-ai {cmd} src/ dst{number}/" for number, cmd in enumerate(cmds)]
    return Row(ident, tree, made[0], then=made[1:], **more)  # type: ignore[arg-type]


def errors(ident: str, rules: Sequence[str]) -> Row:
    return Row(
        ident,
        "src/a",
        ["-ai", f"-f{rules[0]}", "src/", "dst/"],
        then=[f"-ai '-f{rule}' src/ dst/" for rule in rules[1:]],
    )


FILES = {
    "F": b"- a\n# no\n; no\n\n - b\n#b\n",
    "G": b"- a\r\n\r\n- b\r\n",
    "H": b"a\rb\r",
    "W": b"-_a  -_b\n\t+_c\n",
    "N": b"a\0b\0#y\0",
    "O": b"+ b\n- *\n",
    "P": b"a\n!\nb",
    "Q": b"- b\n! b\n",
    "M": b"merge G\n- c.o\n",
    "S": b"H a\nP b\n",
}


def with_files(ident: str, cmds: Sequence[str], **more: object) -> Row:
    base: list[object] = list(FLAT)
    return runs(ident, cmds, [*base, *(File(name, content=data) for name, data in FILES.items())], **more)  # type: ignore[list-item]


ORDER = [
    with_files(
        "FLT-1",
        [
            "-f'- a' --include=a",
            "--include=a -f'- a'",
            "--exclude-from=F --include=a",
            "--include=b --exclude-from=F --exclude='*'",
            "-f'. O' --include=a",
            "--exclude=a -f'!' --exclude=b",
            "-F --exclude=a --include=b --exclude='*.o'",
        ],
    ),
    errors(
        "FLT-2",
        [
            "-foo",
            "Z foo",
            "--foo",
            "-",
            "+",
            "+ ",
            "- ",
            " - a",
            "H",
            "P ",
            "hide",
            "merge ",
            ": ",
            ".",
            ":",
            "!x",
            "clear x",
            "exclude",
            "exclude,",
            "-/",
            "-!",
            "-C a",
            "-+ a",
            "+- a",
            "-sr",
            "-w a",
            "-e a",
        ],
    ),
    errors(
        "FLT-2-modifiers",
        [
            "H/! a",
            "Hs a",
            "P,p a",
            "S,x a",
            "Rr a",
            "Rc a",
            "hide,r a",
            "protect,! a",
            "risk,/ a",
            "show,p a",
            ":Ce",
            ":C-",
            ":-C x",
            ".! F",
            ":! x",
            ":h x",
            "!,",
            "!_",
            "clear,",
            "-,, a",
            "-_",
            "+/!Csrpx a",
            "merge,x nosuch",
            "dir-merge,e",
            "include,s",
        ],
    ),
    errors(
        "FLT-2-words",
        [
            "excl a",
            "Exclude a",
            "exclude:a",
            "includea",
            "include\ta",
            "merge\tnosuch",
            "dir-mergex",
            "dir-merge_x",
            "protect_a",
            "hide a b ",
            "show,a",
            "risk.a",
            "- a\nb",
            "é",
        ],
    ),
    runs(
        "FLT-3",
        [
            "-f'- d/'",
            "-f'- a/'",
            "-f'- d/**'",
            "-f'- d/***'",
            "-f'- d/*'",
            "-f'- /d/e/'",
            "-f'- e/***'",
            "-f'- d/**/'",
            "-f'- ***'",
        ],
    ),
    runs(
        "FLT-4",
        [
            "-f'- **/a'",
            "-f'- /**/a'",
            "-f'- **a'",
            "-f'- **/e/**'",
            "-f'- /**'",
            "-f'- d**'",
            "-f'- **/'",
            "-f'- ?/**'",
        ],
    ),
    Row(
        "FLT-5",
        [File("src/fo\\o"), File("src/foo"), File("src/fo\\"), File("src/f*")],
        ["-ai", "-f- fo\\o", "src/", "dst/"],
        then=[
            "-ai '-f- fo\\o*' src/ dst2/",
            "-ai '-f- f\\*' src/ dst3/",
            "-ai '-f- fo\\' src/ dst4/",
            "-ai '-f- fo\\\\' src/ dst5/",
            "-ai '-f- fo\\\\*' src/ dst6/",
            "-ai '-f- f[\\]*' src/ dst7/",
            "-ai '-f- f*\\' src/ dst8/",
        ],
    ),
    Row(
        "FLT-6",
        [
            *(
                File(f"src/{name}")
                for name in ["xay", "x-y", "x]y", "x^y", "xAy", "x1y", "x y", "x.y", "x_y", "x\ty", "xéy", "x/y"]
            )
        ],
        ["-ai", "-f- x[/]y", "src/", "dst/"],
        then=[
            f"-ai '-f- x{pattern}y' src/ dst{number}/"
            for number, pattern in enumerate(
                [
                    "[!/]",
                    "[[:bogus:]]",
                    "[[:alpha:]]",
                    "[^[:alpha:]]",
                    "[[:digit:][:upper:]]",
                    "[[:punct:]]",
                    "[[:space:]]",
                    "[[:blank:]]",
                    "[[:alnum:]_]",
                    "[[:graph:]]",
                    "[[:print:]]",
                    "[[:cntrl:]]",
                    "[[:xdigit:]]",
                    "[[:lower:]]",
                    "[a-z]",
                    "[A-z]",
                    "[z-a]",
                    "[]]",
                    "[]a]",
                    "[^]]",
                    "[a",
                    "[",
                    "[-]",
                    "[a-]",
                    "[-a]",
                    "[\\]]",
                    "[\\-]",
                    "[a\\-z]",
                    "[[.a.]]",
                    "[[=a=]]",
                    "[[:alpha:]",
                    "[:alpha:]",
                    "[!-.]",
                    "??",
                ]
            )
        ],
    ),
    runs(
        "FLT-7",
        [
            "-f'-! */'",
            "-f'-! a'",
            "-f'-! /d/***'",
            "-f'+! *.o' -f'- *'",
            "-f'-!p b'",
            "-f'-!s *.o'",
            "-f'H! */'",
            "-f'-! d/'",
        ],
    ),
    Row(
        "FLT-8-each",
        "src/ src/x src/y dst/x dst/y dst/z",
        "-ani --delete -f'hide,s x' src/ dst/",
        then=[
            f"-ani --delete {rule} src/ dst/"
            for rule in [
                "-f'-rs x'",
                "-f'-s x'",
                "-f'-r x'",
                "-f'H x' -f'P z'",
                "-f'R x' -f'- x'",
                "-f'S x' -f'- x'",
                "-f'+s x' -f'- x'",
                "-f'+r z' -f'- ?'",
                "-f'+rs x' -f'- ?'",
                "-f'-s *' -f'-r z'",
            ]
        ],
    ),
    with_files(
        "FLT-9-each",
        [
            "-f'- a' -f'!' -f'- b'",
            "-f'- a' -f clear",
            "-f'! x'",
            "--exclude='! x'",
            "--exclude=a --exclude='!' --exclude=b",
            "--include=a --include='!' --exclude=a",
            "--exclude='!a'",
            "--exclude-from=P",
            "-f'. P'",
            "-f'. Q'",
            "--exclude-from=Q",
            "-f'.- Q'",
        ],
    ),
    with_files(
        "FLT-10",
        [
            "-f'. F'",
            "--exclude-from=F",
            "-f'.- F'",
            "-f'.w W'",
            "-f'.w- F'",
            "-0 --exclude-from=N --no-from0",
            "-0 --exclude-from=N --no-from0",
            "-0 --no-from0 --exclude-from=F",
            "--include-from=F --exclude='*'",
            "-f'- #y'",
            "--exclude=';x'",
            "--exclude='# z'",
        ],
    ),
    with_files(
        "FLT-11",
        [
            "-f'. G'",
            "--exclude-from=G",
            "--exclude-from=H",
            "-f'. H'",
            "-f'.- H'",
            "-f'.w- H'",
            "-0 --exclude-from=G",
            "-f'. M'",
            "-0f'. G'",
        ],
    ),
    Row(
        "FLT-10-stdin",
        "src/a src/b",
        "-ai --exclude-from=- src/ dst/",
        then=["-ai -f'. -' src/ dst2/", "-ai --include-from=- --exclude='*' src/ dst3/"],
        stdin=b"# c\n- a\n",
    ),
]


def per_dir(ident: str, files: dict[str, bytes], cmds: Sequence[str], **more: object) -> Row:
    return runs(ident, cmds, [MERGE_TREE, *(File(path, content=data) for path, data in files.items())], **more)


MERGES = [
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
# The rules as an rsync server reads them: it lists each one.
WIRE = "-e {space}/sh --rsync-path={peer} -M--debug=filter2 -a"


def wire(ident: str, rules: Sequence[str], tree: Tree = "src/a dst/", **more: object) -> Row:
    cmds = [
        cmd
        for rule in rules
        for cmd in (f"{WIRE} {rule} --delete src/ h:{{w}}/dst/", f"{WIRE} {rule} h:{{w}}/src/ dst/")
    ]
    return Row(ident, tree, cmds[0], then=cmds[1:], **more)  # type: ignore[arg-type]


TEXTS = [
    "-f'- foo/'",
    "-f'+ /bar'",
    "-f'P x*'",
    "-f'H y'",
    "-f'S y'",
    "-f'R y'",
    "-f': .rf'",
    "-f':n- .ex'",
    "-f':C'",
    "-f'-! */'",
    "-f'-/ /abs'",
    "-f'-pxs f/'",
    "-f'-rs b'",
    "-f'-sr b'",
    "-f'- a' --delete-excluded",
    "--delete-excluded -f'- a'",
    "--delete-excluded -f': .x'",
    "--delete-excluded -f':- .y'",
    "--delete-excluded -f'-r b'",
    "--delete-excluded -f'P b' -f'H c'",
    "--partial-dir=.pp",
    "--partial-dir=/abs",
    "--delay-updates",
    "-b",
    "-b --backup-dir=bk",
    "-b --suffix=.x",
    "-b --delete-excluded",
    "-C",
    "-C -f'- x'",
    "-F",
    "-FF",
    "-f'hide,! */'",
    "-f'protect,p q'",
    "-f':enw .r'",
    "-f':sp .r'",
    "-f':w+ .r'",
    "-f':/ .r'",
    "-f':x .r'",
    "-f'.- L'",
    "-f'. M'",
    "-f'.s L2'",
    "-f'.r L2'",
    "-f'.p L2'",
    "-f'./ L2'",
    "-f'.x L2'",
    "-f'-  lead'",
    "-f'- trail '",
    "--exclude='+ b' --include='- c' --exclude='H d'",
    "--exclude=a --include=b --exclude='!' --exclude=c",
    "-f'- [a-z]*\\?'",
    "-f'- é'",
    "--old-dirs -r",
    "-f'-x user.*'",
    "-m -f'+ q'",
    "-f'- /'",
    "-f'- a//'",
    "-f'+ a/***'",
]
SIDES = [
    *(
        wire(
            f"FLT-16-{at // 8}",
            TEXTS[at : at + 8],
            [
                "src/a dst/",
                File("L", content=b"l1\n l2 \n"),
                File("L2", content=b"- q\n+ r/\n"),
                File("M", content=b"- q\n. L2\nH h\n"),
            ],
        )
        for at in range(0, len(TEXTS), 8)
    ),
    *(
        wire(
            f"FLT-16-protocol-{n}",
            [
                f"{rule} --protocol={n}"
                for rule in [
                    "-f'- foo/' -f'+ bar'",
                    "-f'- - x' -f'- + y'",
                    "-f'P z'",
                    "-C",
                    "--partial-dir=.p",
                    "-f'-p q'",
                ]
            ],
            codes=frozenset({2, 12}),
            norm=[(r"(?m)^rsync: connection unex.*\n", ""), (r"(?m)^rsync error: .*code (2|12).*\n", "")],
        )
        for n in (28, 29, 30)
    ),
    Row(
        "FLT-15",
        "src/a src/x.o dst/",
        f"{WIRE} -f'- *.o' src/ h:{{w}}/dst/",
        then=[
            f"{WIRE} -m -f'- *.o' src/ h:{{w}}/dst/",
            f"{WIRE} -C src/ h:{{w}}/dst2/",
            f"{WIRE} --delete-excluded -f'- *.o' src/ h:{{w}}/dst/",
        ],
    ),
    Row(
        "FLT-17-each",
        "src/a dst/",
        "-a --protocol=28 --delete -f'-! x' src/ h:{w}/dst/",
        then=[
            f"-a --protocol=28 --delete -f'{rule}' src/ h:{{w}}/dst/"
            for rule in [": x", "-p x", "-/ x", "-x x", ":C", "P x", "H x", "-s x", "+ x", "- x"]
        ],
        via="shell",
        codes=frozenset({2, 12}),
        norm=[
            (r"(?m)^rsync: connection unex.*\n", ""),
            (r"(?m)^rsync error: error in rsync protocol data stream.*\n", ""),
        ],
    ),
    Row(
        "FLT-22-each",
        "foo bar d/x dst/",
        "-ain --exclude=foo foo bar dst/",
        then=[
            "-ain -f'- foo' foo dst/",
            "-ain --exclude=d d/ foo dst/",
            "-ain --exclude=d d dst/",
            "-ain --exclude='*' d/ dst/",
            "-ainR --exclude=d d/x dst/",
            "-ain --exclude=/d/x d dst/",
            "-ain --exclude=. ./ dst/",
        ],
    ),
]
# What a sender may send is what was asked for.
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
# Patterns that no shell expands: the server does.
PATTERNS = "a* */f [x] l*/ nos* \\[x] * */ ?1/* .* **/f l*/f a[0-9] {a1,x}".split()
TREE: Tree = ["w/a1/f w/x/y w/.h/hid w/ln->a1", File("w/a b/g"), File("w/[x]/lit"), File("w/q\\*")]
EXPANDED = [
    Row(
        "OPT-secluded-patterns",
        TREE,
        "-s -r h:{w}/w/a* dst/",
        then=[f"-s -r 'h:{{w}}/w/{pattern}'" for pattern in PATTERNS]
        + ["-s -r 'h:~/x'", "-s -r 'h:w/a*' 'h:w/?'", "-srv w/a1 'h:{w}/w/x*'"],
        via="shell",
        env={"HOME": "{w}/w"},
    ),
    Row(
        "DMN-patterns",
        [File(f"mod/{name}") for name in ["a1/f", "x/y", ".h/hid", "a b/g", "[x]/lit", "q\\*"]],
        "-r '{url}/m/a*'",
        then=[f"-r '{{url}}/m/{pattern}'" for pattern in PATTERNS] + ["-rs '{url}/m/a*'"],
        via="daemon",
    ),
]
# Patterns that no shell expands: the server does.
PATTERNS = "a* */f [x] l*/ nos* \\[x] * */ ?1/* .* **/f l*/f a[0-9] {a1,x}".split()
TREE: Tree = ["w/a1/f w/x/y w/.h/hid w/ln->a1", File("w/a b/g"), File("w/[x]/lit"), File("w/q\\*")]
EXPANDED = [
    Row(
        "OPT-secluded-patterns",
        TREE,
        "-s -r h:{w}/w/a* dst/",
        then=[f"-s -r 'h:{{w}}/w/{pattern}'" for pattern in PATTERNS]
        + ["-s -r 'h:~/x'", "-s -r 'h:w/a*' 'h:w/?'", "-srv w/a1 'h:{w}/w/x*'"],
        via="shell",
        env={"HOME": "{w}/w"},
    ),
    Row(
        "DMN-patterns",
        [File(f"mod/{name}") for name in ["a1/f", "x/y", ".h/hid", "a b/g", "[x]/lit", "q\\*"]],
        "-r '{url}/m/a*'",
        then=[f"-r '{{url}}/m/{pattern}'" for pattern in PATTERNS] + ["-rs '{url}/m/a*'"],
        via="daemon",
        # rsync shows names that it has found itself with a slash in front.
        norm=[(r'link_stat "/', 'link_stat "')],
    ),
]
# Which entries a list of names stands for.
LISTS = [
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
ROWS: list[Row] = [*ORDER, *MERGES, *SIDES, *VETTED, *EXPANDED, *LISTS]

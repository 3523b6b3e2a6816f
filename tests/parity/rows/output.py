"""spec: output 4 to 13 and 15"""

from __future__ import annotations

from tests.parity.harness import Row
from tests.parity.tree import Dir, File, Link, Tree, filler

BIG = filler(b"big", 300_000)
KINDS = "src/ src/a src/d/b src/l->a src/p| src/n#c1.3 src/big*123456"
TOTAL = [(r"(?m)^total: .*$", "T")]


def row(ident: str, cmd: str, tree: Tree = KINDS, **more: object) -> Row:
    return Row(ident, tree, cmd, **more)  # type: ignore[arg-type]


def ways(ident: str, options: str, tree: Tree = KINDS, **more: object) -> list[Row]:
    return [
        Row(ident, tree, f"{options} src/ dst/", **more),  # type: ignore[arg-type]
        Row(f"{ident}-push", tree, f"{options} src/ h:{{w}}/dst/", via="shell", **more),  # type: ignore[arg-type]
        Row(f"{ident}-pull", tree, f"{options} h:{{w}}/src/ dst/", via="shell", **more),  # type: ignore[arg-type]
    ]


SEQUENCE = [
    *ways("OUT-1", "-av"),
    *ways("OUT-1-noinc", "-av --no-inc-recursive"),
    *ways("OUT-1-vv", "-avv", norm=[*TOTAL, (r"(?m)^opening connection using: .*$", "opening")], sorted=True),
    *ways("OUT-1-rv", "-rv"),
    *ways("OUT-1-second", "-av", "src/ src/a src/d/b dst/ dst/a dst/d/b"),
    *ways(
        "OUT-1-vv-second",
        "-avv",
        "src/ src/a src/d/b src/l->a dst/ dst/a dst/d/b dst/l->a",
        norm=[*TOTAL, (r"(?m)^opening connection using: .*$", "opening")],
        sorted=True,
    ),
    row("OUT-1-dest", "-av src dst"),
    row("OUT-1-many", "-av src/a src/d dst"),
    *ways("OUT-2", "-a", "src/a src/d/b"),
    row("OUT-2-skip", "-t src/ dst/", "src/a"),
    row("OUT-2-skip-many", "-t src d2 src/a dst/", "src/a d2/b"),
    *ways("OUT-3", "-av", [Dir("src"), File("src/a", size=12_345_678), File("src/b", content=b"")]),
    *ways("OUT-4", "-a --stats"),
    *ways("OUT-4-v", "-av --stats"),
    row("OUT-4-second", "-a --stats src/ dst/", "src/ src/a src/d/b src/l->a dst/ dst/a dst/d/b dst/l->a"),
    row("OUT-4-empty", "-a --stats src/ dst/", "src/"),
    row("OUT-4-delete", "-a --stats --delete src/ dst/", "src/a dst/x dst/y/z"),
    row("OUT-4-q", "-aq --stats src/ dst/", KINDS),
    row("OUT-4-info", "-a --info=stats src/ dst/", KINDS),
    row("OUT-4-info2", "-a --info=stats2 src/ dst/", KINDS),
    row("OUT-4-28", "-a --stats --protocol=28 src/ h:{w}/dst/", KINDS, via="shell"),
    row("OUT-4-30", "-a --stats --protocol=30 src/ h:{w}/dst/", KINDS, via="shell"),
    *(
        row(f"OUT-5{flag}", f"-a --stats {flag} src/ dst/", [Dir("src"), File("src/a", size=1_234_567)])
        for flag in ["-h", "-hh", "-hhh", "--no-h"]
    ),
    *(
        row(
            f"OUT-5-small{flag}",
            f"-a --stats {flag} src/ dst/",
            [Dir("src"), File("src/a", size=1000), File("src/b", size=1)],
        )
        for flag in ["-h", "-hh", "--no-h"]
    ),
    row("OUT-5-large", "-an --stats -h src/ dst/", [Dir("src"), File("src/a", size=5_000_000_000_000)]),
    row("OUT-5-exact", "-an --stats -h src/ dst/", [Dir("src"), File("src/a", size=1_000_000_000)]),
    row("OUT-6-v", "-av --delete src/ dst/", "src/a dst/f dst/d/g", sorted=True),
    row("OUT-6-i", "-ai --delete src/ dst/", "src/a dst/f dst/d/g"),
    row("OUT-6-vi", "-avi --delete src/ dst/", "src/a dst/f dst/d/g"),
    *ways("OUT-7", "-ai", "src/;t=5 src/a;t=3 src/d/;t=9 dst/ dst/a dst/d/"),
    *ways("OUT-8", "-ai", "src/ src/a src/new dst/ dst/a=x"),
    *ways("OUT-9", "-ai"),
    *ways("OUT-9-ii", "-aii", "src/ src/a src/d/b src/l->a src/p| dst/ dst/a dst/d/b dst/l->a dst/p|"),
    *ways(
        "OUT-9-vvi",
        "-avvi",
        "src/ src/a src/d/b src/l->a dst/ dst/a dst/d/b dst/l->a",
        norm=[*TOTAL, (r"(?m)^opening connection using: .*$", "opening")],
        sorted=True,
    ),
    row("OUT-20", "-avn src/ dst/"),
    *ways("OUT-20-n", "-avn"),
    row("OUT-26", "-v src/a dst", "src/a"),
    row("OUT-26-push", "-v src/a h:{w}/dst", "src/a", via="shell"),
    row("OUT-26-pull", "-v h:{w}/src/a dst", "src/a", via="shell"),
    *ways("OUT-27", "-ai --protocol=28", "src/ src/a src/b=new src/d/c dst/ dst/b=o"),
    *(
        item
        for p in (27, 28, 29, 30, 31)
        for item in ways(f"OUT-protocol-{p}", f"-av --stats --protocol={p}", "src/a src/d/b src/l->a", sorted=p < 30)[
            1:
        ]
    ),
    row("OUT-q", "-avq src/ dst/"),
    row("OUT-qq-nonregular", "-rqq src/ dst/"),
    row("OUT-vvv", "-avvv src/ dst/", "src/a", norm=[(r"(?s)\A.*\Z", "any")]),
]

SAMPLES: list[tuple[str, str, Tree]] = [
    ("perm-time", "-ai", "src/ src/d/f;m=0600;t=9 dst/ dst/d/f"),
    ("perm", "-ai", "src/ src/a;m=0600 dst/ dst/a"),
    ("size-T", "-rpi", "src/ src/a=abc dst/ dst/a=ab"),
    ("size-T-same-size", "-rpi", "src/ src/a=abc;t=4 dst/ dst/a=abd"),
    ("link-target", "-ai", "src/ src/l->t2 dst/ dst/l->t1"),
    ("link-target-T", "-rli", "src/ src/l->t3 dst/ dst/l->t1"),
    ("link-time", "-ai", [Dir("src"), Link("src/l", target="t", time=7), Dir("dst"), Link("dst/l", target="t")]),
    ("device-number", "-ai", "src/ src/n#c1.3 dst/ dst/n#c1.5"),
    ("link-over-dir", "-ai --force", "src/ src/l->t3 dst/ dst/l/x"),
    ("owner", "-ai", "src/ src/f;o=5.6 dst/ dst/f"),
    ("group", "-ai", "src/ src/f;o=0.6 dst/ dst/f"),
    ("dir-owner", "-ai", "src/;o=5.6 dst/"),
    ("checksum", "-aic", "src/ src/a=one dst/ dst/a=two"),
    ("checksum-time", "-aic", "src/ src/a=one;t=5 dst/ dst/a=two"),
    ("all", "-aic", "src/ src/a=onex;t=5;m=0600;o=5.6 dst/ dst/a=two"),
    ("special-perm", "-ai", "src/ src/p|;m=0600 dst/ dst/p|;m=0644"),
    ("dir-perm", "-ai", "src/ src/d/;m=0700 dst/ dst/d/"),
    ("no-p", "-rti", "src/ src/a=x;m=0600 dst/ dst/a=y;m=0644;t=3"),
    ("no-o", "-rltpgi", "src/ src/f;o=5.6 dst/ dst/f"),
    ("omit-dir-times", "-aiO", "src/;t=9 src/a dst/"),
    ("size-only", "-rlpi --size-only", "src/ src/a=one;t=4;m=0600 dst/ dst/a=two"),
    ("type-file-dir", "-ai", "src/ src/x/ dst/ dst/x=f"),
    ("type-dir-file", "-ai", "src/ src/x=f dst/ dst/x/"),
    ("xattr", "-aiX", [Dir("src"), File("src/f", xattrs={"user.a": b"1"}), Dir("dst"), File("dst/f")]),
    ("acl", "-aiA", [Dir("src"), File("src/f", acl="u:5:r"), Dir("dst"), File("dst/f")]),
    ("atime", "-aiU", [Dir("src"), File("src/f"), Dir("dst"), File("dst/f", content=b"q")]),
]

ESCAPES = [
    *(
        row(
            f"OUT-format-{number}",
            ["-a", f"--out-format={text}", "src/", "dst/"],
            "src/ src/a src/d/b src/l->a src/big*123456 src/p|;m=0640",
        )  # type: ignore[arg-type]
        for number, text in enumerate(
            [
                "%n",
                "%f",
                "%i %n%L",
                "%l",
                "%10l|%-10l|",
                "%'l %''l %'''l",
                "%o %n",
                "%B %n",
                "%M %n",
                "%U %G",
                "%b %n",
                "%c %n",
                "%C %n",
                "%%",
                "%x %a %h %P %u [%m]",
                "%",
                "",
                "plain",
                "%5",
                "%20n|",
                "%-20n|",
                "%n%n%n",
                "%i",
                "%L|",
                "%'b",
                "%010l",
                "%'10l",
                "%i %b %c",
            ]
        )
    ),
    row("OUT-format-p", "-a --out-format=%p src/ dst/", "src/a", norm=[(r"(?m)^\d+$", "PID")]),
    row(
        "OUT-format-t", "-a '--out-format=%t %n' src/ dst/", "src/a", norm=[(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d", "NOW")]
    ),
    row("OUT-format-long", "-a --out-format=" + "x" * 5000 + " src/ dst/", "src/a"),
    row("OUT-10", "-ac '--out-format=%C %n' src/ dst/", "src/ src/a src/d/b dst/a dst/d/b"),
    row("OUT-10-md5", "-ac --cc=md5 '--out-format=%C %n' src/ dst/", "src/ src/a src/d/b"),
    row("OUT-31", "-a --delete '--out-format=%B %o %i %l %M %n' src/ dst/", "src/a dst/x dst/y/z"),
    row("OUT-31-n", "-a --delete '--out-format=%n' src/ dst/", "src/a dst/x dst/y/z", sorted=True),
    *ways("OUT-format-o", "-a '--out-format=%o %n %l'", "src/ src/a src/d/b src/l->a"),
    *ways(
        "OUT-format-b",
        "-a --no-W '--out-format=%b %c %n'",
        [Dir("src"), File("src/a", content=BIG), "src/d/b"],
        norm=[(r"(?m)^\d+ \d+ ", "N N ")],
    ),
    *ways("OUT-12", "-a '--out-format=%l %C %n'", "src/ src/a src/d/b"),
    *ways("OUT-format-M", "-a '--out-format=%M %U %G %B %f'", "src/ src/a;o=5.6 src/d/b"),
    *ways("OUT-format-v", "-av '--out-format=%n %l'", "src/ src/a src/d/b src/l->a"),
    row("OUT-format-n", "-an '--out-format=%i %n %b %C' src/ dst/", "src/ src/a src/d/b"),
    row("OUT-format-old", "-a --log-format=%n src/ dst/", "src/ src/a"),
]

LISTING = [
    row("OUT-13", "src/"),
    row("OUT-13-a", "-a src/"),
    row("OUT-13-r", "-r src/"),
    row("OUT-13-no-h", "-a --no-h src/"),
    row("OUT-13-h", "-ah src/"),
    row("OUT-13-v", "-av src/"),
    row("OUT-13-noslash", "src"),
    row("OUT-13-file", "src/a"),
    row("OUT-13-files", "--list-only src/a src/d dst"),
    row(
        "OUT-13-modes",
        "-a src/",
        "src/ src/a;m=4755 src/b;m=2644 src/c;m=1777 src/d;m=4644 src/e/;m=1777 src/f/;m=1770 src/g;m=2755 src/s!",
    ),
    row("OUT-13-exclude", "-a --exclude=a src/"),
    row("OUT-13-stats", "-a --stats src/"),
    row("OUT-13-missing", "nosuch"),
    row("OUT-13-U", "-aU src/", "src/ src/a"),
    row("OUT-13-pull", "h:{w}/src/", via="shell"),
    row("OUT-13-pull-a", "-a h:{w}/src/", via="shell"),
    row("OUT-13-pull-v", "-av h:{w}/src/", via="shell"),
    row("OUT-13-list-push", "-a --list-only src/ h:{w}/dst/", via="shell"),
    row("OUT-13-list-pull", "-a --list-only h:{w}/src/ dst/", via="shell"),
    row("OUT-13-out-format", "-a --out-format=%n src/"),
    row("OUT-13-i", "-ai src/"),
    row("OUT-13-large", "-a src/", [Dir("src"), File("src/a", size=5_000_000_000_000)]),
    row("OUT-13-large-h", "-ah src/", [Dir("src"), File("src/a", size=5_000_000_000_000)]),
    row("OUT-13-c", "-ac src/", "src/ src/a"),
    row("OUT-13-n", "-an src/", "src/ src/a"),
    row("OUT-13-times", "-a src/", "src/;t=0 src/a;t=-1699999999 src/b;t=1000000000"),
    row("OUT-13-noinc", "-a --no-inc-recursive src/", "src/a src/d/b"),
]

# The first line of a file's progress depends on how much was read before a second had passed.
PROGRESS = [
    *ways("OUT-14", "-a --progress", "src/ src/a src/d/b src/big*123456", norm=[(r"\r[^\r\n]*  (?=\r)", "")]),
    *ways("OUT-14-P", "-aP", "src/ src/a src/l->a", norm=[(r"\r[^\r\n]*  (?=\r)", "")]),
    row(
        "OUT-14-noinc",
        "-a --no-inc-recursive --progress src/ dst/",
        "src/ src/a src/d/b",
        norm=[(r"\r[^\r\n]*  (?=\r)", "")],
    ),
    row("OUT-14-v", "-av --progress src/ dst/", "src/ src/a src/d/b", norm=[(r"\r[^\r\n]*  (?=\r)", "")]),
    row("OUT-14-i", "-ai --progress src/ dst/", "src/ src/a src/d/b", norm=[(r"\r[^\r\n]*  (?=\r)", "")]),
    row("OUT-14-h", "-ah --progress src/ dst/", "src/ src/a*123456", norm=[(r"\r[^\r\n]*  (?=\r)", "")]),
    row("OUT-14-second", "-a --progress src/ dst/", "src/ src/a src/d/b dst/ dst/a dst/d/b"),
    row("OUT-14-n", "-an --progress src/ dst/", "src/ src/a src/d/b"),
    row("OUT-14-empty", "-a --progress src/ dst/", "src/ src/a=", norm=[(r"\r[^\r\n]*  (?=\r)", "")]),
    row("OUT-15", "-a --info=progress2 src/ dst/", "src/ src/a src/d/b", norm=[(r"(?s)\A.*\r(?=[^\r]*\Z)", "")]),
    row("OUT-15-name", "-a --info=progress2,name src/ dst/", "src/ src/a", norm=[(r"\r[^\r\n]*(?=\r|\n|\Z)", "")]),
    row("OUT-14-noprogress", "-a --progress --no-progress src/ dst/", "src/ src/a"),
]

NAMES: Tree = [
    Dir("src"),
    *(
        File(b"src/" + name)
        for name in (
            b"n\nl",
            b"a\\#123",
            b"a\\#12x",
            b"t\tb",
            b"esc\033[0m",
            b"\xed\x95\x9c\xea\xb8\x80 (1)",
            b"\xb0\xa1\xb3\xaa",
            b"caf\xc3\xa9",
            b"del\x7f",
            b"\xc3",
            b"back\\slash",
            b"cr\rx",
        )
    ),
]
ESCAPING = [
    *ways("OUT-17", "-ai", NAMES),
    *ways("OUT-17-v", "-av", NAMES),
    row("OUT-17-list", "src/", NAMES),
    row("OUT-17-C", "-ai src/ dst/", NAMES, env={"LC_ALL": "C"}),
    row("OUT-18", "-ai8 src/ dst/", NAMES),
    row("OUT-18-C", "-ai8 src/ dst/", NAMES, env={"LC_ALL": "C"}),
    row("OUT-17-error", ["-ai", b"src/no\nsuch\xb0", "dst/"], NAMES),  # type: ignore[arg-type]
    row(
        "OUT-17-delete",
        "-ai --delete src/ dst/",
        ["src/", *(File(b"dst/" + n) for n in (b"a\nb", b"\xb0\xa1", b"\xed\x95\x9c"))],
    ),
    row("OUT-17-link", "-ai src/ dst/", [Dir("src"), Link("src/l", target=b"a\nb\xff"), Link("src/m", target="한글")]),
]

LOG = [
    row(
        ident,
        f"{options} --log-file=log src/ dst/",
        tree,
        then=[
            "!sed -E 's/^[0-9/]+ [0-9:]+ \\[[0-9]+\\] /STAMP /; s/[0-9.,]+ bytes/N bytes/g; s/(Total bytes [a-z]+|File list [a-z ]+): .*/\\1: N/; s#[0-9.,]+ bytes/sec#RATE#; s/speedup is .*/speedup/; s/at [a-z.]+\\([0-9]+\\)/at FILE/; s/=[0-9.]+\\]/=V]/' log >log2; rm log"
        ],
    )
    for ident, options, tree in [
        ("OUT-21", "-a", "src/ src/a src/d/b src/l->a"),
        ("OUT-21-v", "-av", "src/ src/a src/d/b"),
        ("OUT-21-format", "-a --log-file-format='%o %n %l'", "src/ src/a src/d/b"),
        ("OUT-21-empty", "-a --log-file-format=", "src/ src/a src/d/b"),
        ("OUT-21-delete", "-a --delete", "src/a dst/x"),
        ("OUT-21-n", "-an", "src/a"),
        ("OUT-21-error", "-a nosuch", "src/a"),
        ("OUT-21-stats", "-a --stats", "src/a"),
    ]
] + [row("OUT-21-unopenable", "-a --log-file=no/such/log src/ dst/", "src/a")]

VERSION = [
    row("OUT-version", "--version", "src/", norm=[(r"(?s)\A.*?protocol version (\d+)\n.*\Z", r"protocol \1")]),
    row("OUT-V", "-V", "src/", norm=[(r"(?s)\A.*?protocol version (\d+)\n.*\Z", r"protocol \1")]),
    row("OUT-16", "-VV", "src/", norm=[(r"(?s)\A\{\n  \"program\": .*?\n\}\n\Z", "JSON")]),
    row("OUT-help", "--help", "src/", norm=[(r"(?s)\A.*Usage: .*\Z", "help")]),
]

ROWS: list[Row] = [
    *SEQUENCE,
    *(row(f"output-6-{name}", f"{options} src/ dst/", tree) for name, options, tree in SAMPLES),
    *(
        Row(f"output-6-{name}-push", tree, f"{options} src/ h:{{w}}/dst/", via="shell")
        for name, options, tree in SAMPLES
    ),
    *ESCAPES,
    *LISTING,
    *PROGRESS,
    *ESCAPING,
    *LOG,
    *VERSION,
]

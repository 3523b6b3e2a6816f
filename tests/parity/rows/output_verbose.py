"""-v, --stats, --info, and the order of lines (spec: output 4, 5, 10, options 4)."""

from __future__ import annotations

from tests.parity.common import (
    CHANGES,
    DEEP,
    LOG_ALIKE,
    OUTPUT_KINDS,
    PLAIN_COPY,
    Turns,
    in_new_places,
    row,
    runs,
    shown,
    three_ways,
)
from tests.parity.harness import Row
from tests.parity.tree import Dir, File

TOTAL_LINE = [(r"(?m)^total: .*$", "T")]

SEQUENCE = [
    *three_ways("OUT-1", "-av"),
    *three_ways("OUT-1-noinc", "-av --no-inc-recursive"),
    *three_ways(
        "OUT-1-vv", "-avv", norm=[*TOTAL_LINE, (r"(?m)^opening connection using: .*$", "opening")], sorted=True
    ),
    *three_ways("OUT-1-rv", "-rv"),
    *three_ways("OUT-1-second", "-av", "src/ src/a src/d/b dst/ dst/a dst/d/b"),
    *three_ways(
        "OUT-1-vv-second",
        "-avv",
        "src/ src/a src/d/b src/l->a dst/ dst/a dst/d/b dst/l->a",
        norm=[*TOTAL_LINE, (r"(?m)^opening connection using: .*$", "opening")],
        sorted=True,
    ),
    shown("OUT-1-dest", "-av src dst"),
    shown("OUT-1-many", "-av src/a src/d dst"),
    *three_ways("OUT-2", "-a", "src/a src/d/b"),
    shown("OUT-2-skip", "-t src/ dst/", "src/a"),
    shown("OUT-2-skip-many", "-t src d2 src/a dst/", "src/a d2/b"),
    *three_ways("OUT-3", "-av", [Dir("src"), File("src/a", size=12_345_678), File("src/b", content=b"")]),
    *three_ways("OUT-4", "-a --stats"),
    *three_ways("OUT-4-v", "-av --stats"),
    shown("OUT-4-second", "-a --stats src/ dst/", "src/ src/a src/d/b src/l->a dst/ dst/a dst/d/b dst/l->a"),
    shown("OUT-4-empty", "-a --stats src/ dst/", "src/"),
    shown("OUT-4-delete", "-a --stats --delete src/ dst/", "src/a dst/x dst/y/z"),
    shown("OUT-4-q", "-aq --stats src/ dst/", OUTPUT_KINDS),
    shown("OUT-4-info", "-a --info=stats src/ dst/", OUTPUT_KINDS),
    shown("OUT-4-info2", "-a --info=stats2 src/ dst/", OUTPUT_KINDS),
    shown("OUT-4-28", "-a --stats --protocol=28 src/ h:{w}/dst/", OUTPUT_KINDS, via="shell"),
    shown("OUT-4-30", "-a --stats --protocol=30 src/ h:{w}/dst/", OUTPUT_KINDS, via="shell"),
    *(
        shown(f"OUT-5{flag}", f"-a --stats {flag} src/ dst/", [Dir("src"), File("src/a", size=1_234_567)])
        for flag in ["-h", "-hh", "-hhh", "--no-h"]
    ),
    *(
        shown(
            f"OUT-5-small{flag}",
            f"-a --stats {flag} src/ dst/",
            [Dir("src"), File("src/a", size=1000), File("src/b", size=1)],
        )
        for flag in ["-h", "-hh", "--no-h"]
    ),
    shown("OUT-5-large", "-an --stats -h src/ dst/", [Dir("src"), File("src/a", size=5_000_000_000_000)]),
    shown("OUT-5-exact", "-an --stats -h src/ dst/", [Dir("src"), File("src/a", size=1_000_000_000)]),
    shown("OUT-6-v", "-av --delete src/ dst/", "src/a dst/f dst/d/g", sorted=True),
    shown("OUT-6-i", "-ai --delete src/ dst/", "src/a dst/f dst/d/g"),
    shown("OUT-6-vi", "-avi --delete src/ dst/", "src/a dst/f dst/d/g"),
    *three_ways("OUT-7", "-ai", "src/;t=5 src/a;t=3 src/d/;t=9 dst/ dst/a dst/d/"),
    *three_ways("OUT-8", "-ai", "src/ src/a src/new dst/ dst/a=x"),
    *three_ways("OUT-9", "-ai"),
    *three_ways("OUT-9-ii", "-aii", "src/ src/a src/d/b src/l->a src/p| dst/ dst/a dst/d/b dst/l->a dst/p|"),
    *three_ways(
        "OUT-9-vvi",
        "-avvi",
        "src/ src/a src/d/b src/l->a dst/ dst/a dst/d/b dst/l->a",
        norm=[*TOTAL_LINE, (r"(?m)^opening connection using: .*$", "opening")],
        sorted=True,
    ),
    shown("OUT-20", "-avn src/ dst/"),
    *three_ways("OUT-20-n", "-avn"),
    shown("OUT-26", "-v src/a dst", "src/a"),
    shown("OUT-26-push", "-v src/a h:{w}/dst", "src/a", via="shell"),
    shown("OUT-26-pull", "-v h:{w}/src/a dst", "src/a", via="shell"),
    *three_ways("OUT-27", "-ai --protocol=28", "src/ src/a src/b=new src/d/c dst/ dst/b=o"),
    *(
        item
        for p in (27, 28, 29, 30, 31)
        for item in three_ways(
            f"OUT-protocol-{p}", f"-av --stats --protocol={p}", "src/a src/d/b src/l->a", sorted=p < 30
        )[1:]
    ),
    shown("OUT-q", "-avq src/ dst/"),
    shown("OUT-qq-nonregular", "-rqq src/ dst/"),
    shown("OUT-vvv", "-avvv src/ dst/", "src/a", norm=[(r"(?s)\A.*\Z", "any")]),
]

VERSION = [
    shown("OUT-version", "--version", "src/", norm=[(r"(?s)\A.*?protocol version (\d+)\n.*\Z", r"protocol \1")]),
    shown("OUT-V", "-V", "src/", norm=[(r"(?s)\A.*?protocol version (\d+)\n.*\Z", r"protocol \1")]),
    shown("OUT-16", "-VV", "src/", norm=[(r"(?s)\A\{\n  \"program\": .*?\n\}\n\Z", "JSON")]),
    shown("OUT-help", "--help", "src/", norm=[(r"(?s)\A.*Usage: .*\Z", "help")]),
]

FIGURES = [
    runs(
        "OUT-4-numbers",
        [f"-an --stats {one} src/ dst/" for one in ["", "-h", "-hh", "-hhh", "--no-h", "-hhhh", "-h --no-h"]],
        [
            Dir("src"),
            File("src/a", size=999),
            File("src/b", size=1024),
            File("src/c", size=1_048_575),
            File("src/d", size=10**10),
        ],
    ),
    runs(
        "OUT-4-kinds",
        in_new_places(
            [
                "-a --stats",
                "-r --stats",
                "-aH --stats",
                "-a --stats --exclude=b",
                "-avn --stats",
                "-aq --stats",
                "-a --info=stats2",
                "-a --info=stats1",
                "-av --info=stats0",
                "-av --info=stats2",
                "-a --stats --info=stats1",
                "-a --stats --max-size=3",
                "-a --stats -i",
            ]
        ),
        DEEP + " src/h=>src/6",
    ),
    runs(
        "OUT-4-again",
        [
            "-a src/ dst/",
            "-a --stats src/ dst/",
            "-ac --stats src/ dst/",
            "-aI --stats src/ dst/",
            "-a --stats --delete src/a/ dst/",
            "-a --stats --link-dest=../dst src/ d2/",
            "-a --stats --copy-dest=../dst src/ d3/",
        ],
    ),
]

LEVELS = [
    runs(
        "OUT-1-info",
        in_new_places(
            [
                f"-a --info={words}"
                for words in [
                    "name",
                    "name2",
                    "name0",
                    "flist",
                    "flist2",
                    "flist0",
                    "stats",
                    "del",
                    "misc",
                    "misc2",
                    "skip",
                    "skip2",
                    "copy",
                    "backup",
                    "mount",
                    "remove",
                    "symsafe",
                    "nonreg0",
                    "none",
                    "progress0",
                    "name1,stats1",
                ]
            ]
        ),
        norm=[(r"\r[^\r\n]*  (?=\r)", "")],
    ),
    runs(
        "OUT-1-info-delete",
        [
            f"-an {one} src/a/ src/b/"
            for one in [
                "--delete",
                "--delete -v",
                "--delete --info=del",
                "--delete -v --info=del0",
                "--delete -i --info=del0",
                "--delete -q",
                "--delete --info=name",
                "--delete -vi",
                "--delete --out-format=%n",
                "--delete --out-format=%o",
            ]
        ],
        sorted=True,
    ),
    runs(
        "OUT-1-skips",
        [
            f"-avv {one} src/ dst/"
            for one in [
                "--existing -n",
                "--ignore-existing",
                "--max-size=3 -n",
                "--min-size=9 -n",
                "-u -n",
                "--ignore-non-existing -n",
                "-I -n",
                "--size-only -n",
            ]
        ],
        "src/ src/a=1 src/b=22222 src/d/c=333 src/l->a dst/ dst/a;t=9 dst/d/",
        norm=[(r"(?m)^total: .*$", "T")],
        sorted=True,
    ),
    runs(
        "OUT-q-each",
        in_new_places(
            [
                "-aq",
                "-avq",
                "-aqi",
                "-aq --stats",
                "-aq --progress",
                "-rq",
                "-aqq",
                "-aq --info=name",
                "-avn -q",
                "-aq --list-only",
            ]
        ),
    ),
    runs(
        "OUT-20-each",
        [
            f"{one} src/ dst/"
            for one in [
                "-n",
                "-rn",
                "-avn",
                "-ain",
                "-an --stats",
                "-an --delete",
                "-avn --delete",
                "-an --progress",
                "-an --mkpath --info=name",
                "-anP",
                "-an --backup -v",
            ]
        ],
        norm=[(r"\r[^\r\n]*  (?=\r)", "")],
    ),
]

ways = Turns(4)
SHOWN_BY_TURNS = [
    *ways("output-4-v", "-av", PLAIN_COPY),
    *ways("output-4-v-delete", "-av --delete", PLAIN_COPY, sorted=True),
    *ways("output-5-h", "-ah --stats", "src/a*5000 src/b*70000 dst/"),
    *ways("output-5-hh", "-ahh --stats", "src/a*5000 src/b*70000 dst/"),
    *ways("output-5-no-h", "-a --no-h --stats", "src/a*5000 src/b*70000 dst/"),
    *ways("output-6-ii", "-aii", PLAIN_COPY),
    *ways("output-6-vvi", "-avvi", "src/a src/d/b dst/a", sorted=True),
    *ways("output-7-formats", "-a --out-format='%n|%f|%l|%o|%i|%B|%L|%M|%%|%x'", PLAIN_COPY),
    *ways("output-7-widths", "-a --out-format='[%10l][%-10l][%'\"'\"'l][%3i]'", "src/a*12345 dst/"),
    *ways("output-7-owner", "-a --out-format='%U:%G %n'", "src/a;o=5.6 dst/"),
    *ways("output-7-C", "-a --out-format='%C %n'", PLAIN_COPY),
    *ways("output-7-after", "-a --out-format='%n %''l %c'", "src/a*9 dst/"),
    *ways("output-7-empty", "-a --out-format=", PLAIN_COPY),
    *ways("output-7-deleting", "-a --delete --out-format='%n'", PLAIN_COPY, sorted=True),
    *ways("output-7-del", "-a --delete --out-format='%o %l %B %M %n'", PLAIN_COPY, sorted=True),
    row(
        "output-7-del-modes",
        "-a --delete --out-format='%o %B %n' h:{w}/src/ dst/",
        "src/a dst/b;m=0600 dst/c;m=4755 dst/d/;m=0711 dst/l->x dst/p|;m=0602",
        via="shell",
        sorted=True,
    ),
    *ways("output-9-info", "-a --info=progress2,name0", "src/a*1000 dst/", norm=[(r"\r[^\r\n]*", "")]),
    *ways(
        "output-11-names", "-av", ["src/", File(b"src/a\nb\\#123\x01\t", content=b"x"), File(b"src/\xff", content=b"y")]
    ),
]

TWICE = "src/ src/a src/d/ src/d/b src2/ src2/a=x src2/d/ src2/d/c"

DUPLICATES = [
    Row(f"output-4-twice-{name}-{number}", TWICE, f"-a {options} {paths}", via=via, sorted=True)
    for name, paths, via in [
        ("local", "src/ src2/ dst/", "local"),
        ("pull", "h:{w}/src/ :{w}/src2/ dst/", "shell"),
        ("push", "src/ src2/ h:{w}/dst/", "shell"),
    ]
    for number, options in enumerate(["--debug=dup", "--debug=dup --no-i-r"])
] + [
    Row(
        "output-4-twice-below",
        TWICE,
        "-a --debug=dup src/ src2/ src/d src2/d dst/",
        sorted=True,
    ),
]

# Before protocol 29 the receiving end names what it makes, and knows of no format.
OLD = [
    Row(
        f"OUT-27-names-{number}",
        CHANGES,
        f"-a {options} --protocol=28 --log-file=log src/ dst/",
        then=[f"!{LOG_ALIKE}"],
        sorted=True,
    )
    for number, options in enumerate(["", "-v", "-i", "-iv", "-ivv", "-vv", "-nv", "-v --out-format=%n"])
]

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

CREATED_UNREADABLE = [
    Row("OUT-16-created-unreadable", "src/ src/d/x;m=0 dst/", "-a --stats src/ h:{w}/dst/", via="shell", user=True),
]  # fmt: skip

DUPLICATES_FAR = [
    *(
        Row(f"OUT-10-duplicates-{number}", "src/ src/l/f src/s/g src/top dst/", cmd, via="shell" if "h:" in cmd else "local", sorted="--no-i-r" not in cmd)
        for number, cmd in enumerate(
            [
                "-rR --debug=dup src/l/f src/s/g src/l dst/",
                "-rR --debug=dup src/l/f src/s/g src/l h:{w}/dst/",
                "-rR --debug=dup h:{w}/./src/l/f :{w}/./src/s/g :{w}/./src/l dst/",
                "-r --no-i-r --debug=dup --info=flist h:{w}/src/top :{w}/src/ dst/",
                "-r --no-i-r --debug=dup,flist --info=flist2 h:{w}/src/top :{w}/src/l/ :{w}/src/ :{w}/src/l dst/",
            ]
        )
    ),
]  # fmt: skip

ROWS: list[Row] = [
    *SEQUENCE,
    *VERSION,
    *FIGURES,
    *LEVELS,
    *SHOWN_BY_TURNS,
    *DUPLICATES,
    *OLD,
    *HEAP,
    *CREATED_UNREADABLE,
    *DUPLICATES_FAR,
]

"""What is told of lists, phases, logs and dry runs: progress of the whole transfer, log files, old protocols, duplicates.

spec: output 4, 7, 9.2, 13
"""

from __future__ import annotations

from tests.parity.harness import Row

ALIKE = (
    "sed -E 's/^[0-9/]+ [0-9:]+ \\[[0-9]+\\] //; s/[0-9.,]+ bytes/N bytes/g; s/speedup is .*/speedup/; "
    "s/at [a-z.]+\\([0-9]+\\)/at FILE/; s/=[0-9.]+\\]/=V]/' log; rm log"
)
#: Something new, changed, of other attributes alone, in the way of a link, and a directory.
CHANGES = (
    "src/ src/new src/changed=ab src/mode;m=0600 src/l->new src/d/ src/d/owner;o=5.6 "
    "dst/ dst/changed=old dst/mode;m=0644 dst/l/ dst/l/kept dst/d/ dst/d/owner;o=7.8"
)
#: Progress at the end of a list or phase comes when data is through, so a push or pull may have it between files.
RATES = [(r" +[\d.]+[kMG]B/s +\d+:\d\d:\d\d", " R")]

PROGRESS = (
    [
        Row(
            "OUT-15-lists",
            "src/ src/a*900 src/b*5 src/d/ src/d/c src/d/e/ src/d/e/f src/g/ src/g/h",
            cmd,
            then=then,
            norm=RATES,
        )
        for cmd, then in [("-a --info=progress2 src/ dst/", ["-a --info=progress2 src/ dst/"])]
    ]
    + [
        Row(f"OUT-15-lists-{name}", "src/ src/a*900 src/b*5 src/d/ src/d/c src/g/ src/g/h", cmd, norm=RATES)
        for name, cmd in [
            ("v", "-av --info=progress2 src/ dst/"),
            ("i", "-ai --info=progress2 src/ dst/"),
            ("one", "-a --info=progress2 src/a src/b dst/"),
            ("whole", "-a --info=progress2 --no-i-r src/ dst/"),
            ("delayed", "-a --info=progress2 --delay-updates src/ dst/"),
            ("28", "-a --info=progress2 --protocol=28 src/ dst/"),
            ("n-whole", "-an --info=progress2 --no-i-r src/ dst/"),
        ]
    ]
    + [
        Row(
            f"OUT-15-lists-again-{name}",
            "src/ src/a*900 src/b*5 src/d/ src/d/c src/g/ src/g/h",
            cmd,
            then=[cmd],
            via="shell",
            norm=[*RATES, (r"(?s)\r.*\r(?= [^\r]*\n)", "\r")],
        )
        for name, cmd in [
            ("push", "-a --info=progress2 src/ h:{w}/dst/"),
            ("pull", "-a --info=progress2 h:{w}/src/ dst/"),
            ("push-whole", "-a --info=progress2 --no-i-r src/ h:{w}/dst/"),
            ("pull-whole", "-a --info=progress2 --no-i-r h:{w}/src/ dst/"),
        ]
    ]
)

# A dry run has zeros for the sum of what would be sent.
SUMS = [
    Row(f"OUT-10-dry-{name}{number}", CHANGES, f"-an {options} --out-format='%i %n|%C|' {paths}", via=via)
    for name, paths, via in [
        ("", "src/ dst/", "local"),
        ("push-", "src/ h:{w}/dst/", "shell"),
        ("pull-", "h:{w}/src/ dst/", "shell"),
    ]
    for number, options in enumerate(["", "-c", "-ii", "--cc=md5"])
]

# Before protocol 29 the receiving end names what it makes, and knows of no format.
OLD = [
    Row(
        f"OUT-27-names-{number}",
        CHANGES,
        f"-a {options} --protocol=28 --log-file=log src/ dst/",
        then=[f"!{ALIKE}"],
        sorted=True,
    )
    for number, options in enumerate(["", "-v", "-i", "-iv", "-ivv", "-vv", "-nv", "-v --out-format=%n"])
]

LOGS = [
    Row(f"OUT-21-{name}-{number}", CHANGES, f"{options} --log-file=log {paths}", via=via, then=[f"!{ALIKE}"])
    for name, paths, via in [
        ("local", "src/ dst/", "local"),
        ("pushed", "src/ h:{w}/dst/", "shell"),
        ("pulled", "h:{w}/src/ dst/", "shell"),
    ]
    for number, options in enumerate(
        [
            "-a",
            "-av",
            "-ai",
            "-aq",
            "-a --exclude=l",
            "-av --no-i-r --exclude=l",
            "-av --no-i-r --info=flist2 --exclude=l",
            "-a --log-file-format=%n --exclude=l",
            "-a --out-format=%n --exclude=l",
            "-aii --exclude=l",
            "-a --delete --max-delete=0 --exclude=l/",
        ]
    )
] + [
    Row("OUT-21-local-vv", CHANGES, "-avv --exclude=l --log-file=log src/ dst/", then=[f"!{ALIKE}"], sorted=True),
    Row("OUT-21-local-client", CHANGES, "-a --stderr=client --log-file=log src/ dst/", then=[f"!{ALIKE}"]),
    Row("OUT-21-local-nothing", CHANGES, "-av --log-file=log src/nothing dst/", then=[f"!{ALIKE}"]),
]

# What is below a directory whose place a file has (--ignore-existing) is tried, and fails.
IN_THE_WAY = [
    Row(f"TRF-7-in-the-way-{number}", tree, f"{options} --ignore-existing src/ dst/", sorted=True)
    for number, (options, tree) in enumerate(
        (options, tree)
        for tree in [
            "src/ src/m/ src/m/f src/z/ src/z/q dst/ dst/m=file dst/b dst/z/ dst/z/old",
            "src/ src/m/ src/m/f src/m/sub/ src/m/sub/g dst/ dst/m->../out out/ out/kept",
        ]
        for options in [
            "-av",
            "-avv --no-i-r",
            *(
                ["-av --delete", "-avn --delete", "-av --delete-before", "-av --delete --ignore-errors"]
                if "out" not in tree
                else []
            ),
        ]
    )
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

ROWS: list[Row] = [*PROGRESS, *SUMS, *OLD, *LOGS, *IN_THE_WAY, *DUPLICATES]

"""--progress and --info=progress2 (spec: output 9)."""

from __future__ import annotations

from tests.parity.common import shown, three_ways
from tests.parity.harness import Row

# The first line of a file's progress depends on how much was read before a second had passed.
FILE_PROGRESS = [
    *three_ways("OUT-14", "-a --progress", "src/ src/a src/d/b src/big*123456", norm=[(r"\r[^\r\n]*  (?=\r)", "")]),
    *three_ways("OUT-14-P", "-aP", "src/ src/a src/l->a", norm=[(r"\r[^\r\n]*  (?=\r)", "")]),
    shown(
        "OUT-14-noinc",
        "-a --no-inc-recursive --progress src/ dst/",
        "src/ src/a src/d/b",
        norm=[(r"\r[^\r\n]*  (?=\r)", "")],
    ),
    shown("OUT-14-v", "-av --progress src/ dst/", "src/ src/a src/d/b", norm=[(r"\r[^\r\n]*  (?=\r)", "")]),
    shown("OUT-14-i", "-ai --progress src/ dst/", "src/ src/a src/d/b", norm=[(r"\r[^\r\n]*  (?=\r)", "")]),
    shown("OUT-14-h", "-ah --progress src/ dst/", "src/ src/a*123456", norm=[(r"\r[^\r\n]*  (?=\r)", "")]),
    shown("OUT-14-second", "-a --progress src/ dst/", "src/ src/a src/d/b dst/ dst/a dst/d/b"),
    shown("OUT-14-n", "-an --progress src/ dst/", "src/ src/a src/d/b"),
    shown("OUT-14-empty", "-a --progress src/ dst/", "src/ src/a=", norm=[(r"\r[^\r\n]*  (?=\r)", "")]),
    shown("OUT-15", "-a --info=progress2 src/ dst/", "src/ src/a src/d/b", norm=[(r"(?s)\A.*\r(?=[^\r]*\Z)", "")]),
    shown("OUT-15-name", "-a --info=progress2,name src/ dst/", "src/ src/a", norm=[(r"\r[^\r\n]*(?=\r|\n|\Z)", "")]),
    shown("OUT-14-noprogress", "-a --progress --no-progress src/ dst/", "src/ src/a"),
]

#: Progress at the end of a list or phase comes when data is through, so a push or pull may have it between files.
RATES = [(r" +[\d.]+[kMG]B/s +\d+:\d\d:\d\d", " R")]

LIST_PROGRESS = (
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

ROWS: list[Row] = [*FILE_PROGRESS, *LIST_PROGRESS]

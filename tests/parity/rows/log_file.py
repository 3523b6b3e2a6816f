"""--log-file and --log-file-format (spec: output 13)."""

from __future__ import annotations

from tests.parity.common import CHANGES, LOG_ALIKE, shown
from tests.parity.harness import Row

LOG = [
    shown(
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
] + [shown("OUT-21-unopenable", "-a --log-file=no/such/log src/ dst/", "src/a")]

LOGS = [
    Row(f"OUT-21-{name}-{number}", CHANGES, f"{options} --log-file=log {paths}", via=via, then=[f"!{LOG_ALIKE}"])
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
    Row("OUT-21-local-vv", CHANGES, "-avv --exclude=l --log-file=log src/ dst/", then=[f"!{LOG_ALIKE}"], sorted=True),
    Row("OUT-21-local-client", CHANGES, "-a --stderr=client --log-file=log src/ dst/", then=[f"!{LOG_ALIKE}"]),
    Row("OUT-21-local-nothing", CHANGES, "-av --log-file=log src/nothing dst/", then=[f"!{LOG_ALIKE}"]),
]

LOGGED = [
    Row(
        f"OUT-21-each-{number}",
        "src/ src/a src/d/b src/l->a dst/ dst/x",
        f"-a {options} --log-file=log src/ dst/",
        then=[
            "!sed -E 's/^[0-9/]+ [0-9:]+ \\[[0-9]+\\] /STAMP /; s/[0-9.,]+ bytes/N bytes/g; s/speedup is .*/speedup/; s/at [a-z.]+\\([0-9]+\\)/at FILE/; s/=[0-9.]+\\]/=V]/' log; rm log"
        ],
    )
    for number, options in enumerate(
        [
            "-i",
            "-v --delete",
            "--log-file-format='%i %n %l %b'",
            "--log-file-format='[%p] %t %n'".replace("[%p] %t ", ""),
            "--log-file-format='%f %U:%G %M %B'",
            "-q --delete",
            "--out-format=%n --log-file-format=%o",
            "--log-file-format='%a %h %m %u %P %n'",
            "-ii",
            "-n --delete -i",
            "-b --delete -v",
        ]
    )
]

ROWS: list[Row] = [*LOG, *LOGS, *LOGGED]

"""Errors and exit codes: missing and unreadable files, closed destinations, peers that vanish, timeouts (spec: output 2, 3, 12, 14)."""

from __future__ import annotations

from typing import Any

from tests.parity.common import DEEP, SHELL, runs
from tests.parity.harness import Command, Row
from tests.parity.tree import Device, Dir, File, Link, Tree

SHELLS = [
    File("sh127", content=b"#!/bin/sh\nexit 127\n", mode=0o755),
    File("sh255", content=b"#!/bin/sh\necho no route >&2; exit 255\n", mode=0o755),
    File("shout", content=b"#!/bin/sh\necho Welcome to this machine; sleep 0.2\n", mode=0o755),
    File("shkill", content=b"#!/bin/sh\nkill -9 $$\n", mode=0o755),
    File("shend", content=b'#!/bin/sh\nshift\nsh -c "$*"\nkill -9 $$\n', mode=0o755),
    File("sh0", content=b"#!/bin/sh\nexit 0\n", mode=0o755),
]


def erring(ident: str, cmd: Command, tree: Tree = "src/a", **more: Any) -> Row:
    return Row(ident, tree, cmd, **more)


PEER_ENDS = [
    erring("OUT-22", "-a -e ./sh127 src/ h:dst/", ["src/a", *SHELLS], codes=frozenset({12, 127}), stderr=False),
    erring("OUT-22-pull", "-a -e ./sh127 h:src/ dst/", ["src/a", *SHELLS], codes=frozenset({12, 127}), stderr=False),
    erring("ERR-shell-255", "-a -e ./sh255 src/ h:dst/", ["src/a", *SHELLS], codes=frozenset({12, 255}), stderr=False),
    erring("ERR-shell-0", "-a -e ./sh0 src/ h:dst/", ["src/a", *SHELLS], stderr=False),
    erring("ERR-shell-0-pull", "-a -e ./sh0 h:src/ dst/", ["src/a", *SHELLS]),
    erring("ERR-shell-killed", "-a -e ./shend --rsync-path={prog} src/ h:{w}/dst/", ["src/a", *SHELLS]),
    erring("ERR-shell-killed-pull", "-a -e ./shend --rsync-path={prog} h:{w}/src/ dst/", ["src/a", *SHELLS]),
    erring(
        "ERR-shell-talks",
        "-a -e ./shout src/ h:dst/",
        ["src/a", *SHELLS],
        norm=[(r"(?m)^rsync: connection unexpectedly.*\n", "")],
    ),
    erring(
        "ERR-shell-talks-pull",
        "-a -e ./shout h:src/ dst/",
        ["src/a", *SHELLS],
        norm=[(r"(?m)^rsync: connection unexpectedly.*\n", "")],
    ),
    erring(
        "ERR-rsync-path-missing",
        "-a --rsync-path=/no/such/rsync -e {space}/sh src/ h:dst/",
        codes=frozenset({12, 127}),
        stderr=False,
    ),
    erring("ERR-refused-port", "-a rsync://127.0.0.1:1/m dst/", norm=[(r"\(\d+\.\d+\.\d+\.\d+\)", "(IP)")]),
    erring("ERR-refused-port-push", "-a src/ rsync://127.0.0.1:1/m"),
    erring("ERR-no-host", "-a rsync://no-such-host.invalid/m dst/"),
]

SOURCES = [
    erring("ERR-missing", "-a nosuch dst/"),
    erring("ERR-missing-abs", "-a {w}/nosuch dst/"),
    erring("ERR-missing-dir", "-a nosuch/ dst/"),
    erring("ERR-missing-among", "-ai nosuch src/a dst/"),
    erring("ERR-missing-push", "-a nosuch h:{w}/dst/", via="shell"),
    erring("ERR-missing-pull", "-a h:{w}/nosuch dst/", via="shell"),
    erring("ERR-missing-pull-rel", "-a h:nosuch-relative dst/", via="shell"),
    erring("ERR-file-slash", "-a src/a/ dst/"),
    erring("ERR-not-dir-part", "-a src/a/b dst/"),
    erring("ERR-all-missing-glob", ["-a", "src/*.c", "dst/"]),
    erring("ERR-missing-v", "-av nosuch dst/"),
    erring("ERR-missing-stats", "-a --stats nosuch src/ dst/"),
    erring("ERR-link-missing", "-a l/ dst/", "l->nosuch"),
    erring("ERR-unreadable-file", "-ai src/ dst/", "src/a;m=0000 src/b", user=True),
    erring("ERR-unreadable-file-push", "-ai src/ h:{w}/dst/", "src/a;m=0000 src/b", user=True, via="shell"),
    erring("ERR-unreadable-file-pull", "-ai h:{w}/src/ dst/", "src/a;m=0000 src/b", user=True, via="shell"),
    erring("ERR-unreadable-dir", "-ai src/ dst/", "src/d/;m=0000 src/b", user=True),
    erring("ERR-unsearchable-dir", "-ai src/ dst/", "src/d/x src/d/;m=0444 src/b", user=True),
    erring("ERR-unreadable-checksum", "-aic src/ dst/", "src/a;m=0000 src/b dst/a", user=True),
]

DESTINATIONS = [
    erring("ERR-mkdir-deep", "-a src/ no/such/dir/"),
    erring("ERR-mkdir-file", "-a src/ f/dir/", "src/a f"),
    erring("ERR-mkdir-denied", "-a src/ ro/dst/", "src/a ro/;m=0555;o=0.0", user=True),
    erring("ERR-mkdir-push", "-a src/ h:{w}/no/such/", via="shell"),
    erring("ERR-mkdir-pull", "-a h:{w}/src/ no/such/", via="shell"),
    erring("ERR-not-dir", "-a src/a src/b f", "src/a src/b f"),
    erring("ERR-not-dir-push", "-a src/ h:{w}/f", "src/a src/b f", via="shell"),
    erring("ERR-dir-over-file", "-a src f", "src/ f"),
    erring("ERR-create-denied", "-ai src/ dst/", "src/a src/d/b dst/;m=0555;o=0.0", user=True),
    erring("ERR-create-denied-push", "-ai src/ h:{w}/dst/", "src/a src/d/b dst/;m=0555;o=0.0", user=True, via="shell"),
    erring("ERR-create-denied-pull", "-ai h:{w}/src/ dst/", "src/a src/d/b dst/;m=0555;o=0.0", user=True, via="shell"),
    # A directory time that is only restored is an extra; a time that is due is not.
    erring("ERR-root-times-back", "-rltD -i src/ dst/", "src/a src/;m=0777 dst/;m=0777;o=0.0", user=True),
    erring("ERR-root-times", "-rltD -i src/ dst/", "src/a src/;m=0777;t=5 dst/;m=0777;o=0.0", user=True),
    erring("ERR-unreadable-dst", "-ai src/ dst/", "src/a=new dst/a=o;m=0000", user=True),
    erring("ERR-unreadable-dst-noW", "-ai --no-W src/ dst/", "src/a=new dst/a=o;m=0000", user=True),
    erring("ERR-chown-denied", "-ai src/ dst/", "src/a=new dst/a=o;o=0.0", user=True),
    erring("ERR-times-denied", "-ati src/a dst/a", "src/a;t=3 dst/ dst/a;o=0.0", user=True),
    erring("ERR-perms-denied", "-pi src/a dst/a", "src/a;m=0600 dst/ dst/a;o=0.0", user=True),
    erring("ERR-rmdir-denied", "-ai --delete src/ dst/", "src/ src/d/ dst/ dst/d/;o=0.0 dst/d/x;o=0.0", user=True),
    erring("ERR-mknod-denied", "-ai --super src/ dst/", [Dir("src"), Device("src/n")], user=True),
    erring("ERR-symlink-denied", "-ai src/ dst/", "src/l->a dst/;m=0555;o=0.0", user=True),
    erring("ERR-exclude-file", "-a --exclude-from=no/such src/ dst/"),
    erring("ERR-files-from", "-a --files-from=no/such src/ dst/"),
    erring(
        "ERR-temp-denied",
        "-ai -T{w}/ro src/ dst/",
        "src/a ro/;m=0555;o=0.0",
        user=True,
        norm=[(r"/a\.\w{6}\"", '/a.XXXXXX"')],
    ),
    erring("ERR-dangling-parent", "-ai src/ dst/", ["src/d/a dst/", Link("dst/d", target="/nonexistent/x")]),
]

ENDS = [
    runs(
        "OUT-23",
        [f"-ai --delete --max-delete={n} src/ dst/" for n in ("1", "0", "-1")]
        + ["-ain --delete --max-delete=1 src/ dst/", "-ai --delete --max-delete=99 src/ dst/"],
        "src/a dst/x dst/y dst/z",
        sorted=True,
    ),
    runs(
        "OUT-24-lines",
        [
            "-a nosuch dst/",
            "-a nosuch src/ dst/",
            "-a src/ f/",
            "-a src/ f",
            "-a src/ no/such/dst/",
            "-r src/nosuch/x dst/",
            "-a --files-from=nosuch src/ dst/",
            "-aR no/such dst/",
            "-a src/6/ dst/",
            "src dst/",
            "-av --delete nosuch/ dst/",
            "-a --temp-dir=nosuch src/ dst/",
            "-a --temp-dir=f src/ dst/",
            "-ab --backup-dir=../f src/ dst/",
        ],
        [DEEP, "f"],
    ),
    Row(
        "OUT-24-user",
        [DEEP.replace(" src/n#b7.3", ""), "src/no;m=0000 src/nodir/;m=0000 dst/ro/;m=0555 src/ro/x"],
        "-a src/ dst/",
        then=["-ai --delete src/ dst/", "-ai src/no dst/", "-ai src/ dst/ro/x/", "-aio src/ /proc/nosuch/"],
        user=True,
    ),
    Row(
        "OUT-24-user-push",
        [DEEP.replace(" src/n#b7.3", ""), "src/no;m=0000 dst/ro/;m=0555 src/ro/x"],
        f"{SHELL} -ai src/ h:{{w}}/dst/",
        then=[f"{SHELL} -ai h:{{w}}/src/ d2/"],
        user=True,
    ),
    *(
        Row(
            f"OUT-25-{number}",
            "src/a mod/b",
            cmd,
            via="daemon",
            conf=f"read only = no\nrefuse options = {refuse}",
            codes=frozenset({4, 10, 12}),
            norm=[(r"(?m)^rsync: \[\w+\] read error.*\n", ""), (r"(?m)^rsync error: .*code (4|10|12)\).*\n", "")],
        )
        for number, (refuse, cmd) in enumerate(
            [
                ("delete", "-a --delete src/ {url}/m/"),
                ("compress", "-az src/ {url}/m/"),
                ("checksum", "-ac src/ {url}/m/"),
                ("c*", "-ac {url}/m/ dst/"),
                ("* !a !v !delete*", "-av --delete src/ {url}/m/"),
                ("archive", "-a src/ {url}/m/"),
                ("perms", "-rp src/ {url}/m/"),
                ("delete-during", "-a --del src/ {url}/m/"),
                ("partial", "-aP src/ {url}/m/"),
                ("inplace", "-a --append src/ {url}/m/"),
                ("backup", "-ab src/ {url}/m/"),
                ("times", "-rt {url}/m/ dst/"),
                ("verbose", "-rv src/ {url}/m/"),
                ("dry-run", "-rn src/ {url}/m/"),
                ("* !r !n", "-rn src/ {url}/m/"),
            ]
        )
    ),
    Row(
        "OUT-29",
        [File("sh127", content=b"#!/bin/sh\nexit 127\n", mode=0o755), "src/a"],
        "-a -e ./sh127 src/ h:dst/",
        then=["-a -e ./sh127 h:src/ dst/"] * 3,
        codes=frozenset({12, 14, 127}),
        stderr=False,
    ),
    Row(
        "OUT-30",
        "src/a mod/b",
        "-vv {url}/m/",
        then=[
            "-avv src/ {url}/m/",
            "-avv --out-format='%i x' -M--fake-super {url}/m/ dst/",
            "-vvs {url}/m/ 'd 2/'",
            "-avv --timeout=5 --suffix='a b' -b src/ {url}/m/x",
        ],
        via="daemon",
        conf="read only = no",
        norm=[(r"(?m)^total: .*$", "T")],
        sorted=True,
    ),
    Row(
        "OUT-28-each",
        "mod/a",
        "-a {url}/m/x dst/",
        then=["-a {url}/m/d/ dst/", "-a {url}/m/x {url}/m/a dst/"],
        via="daemon",
        norm=[(r"(?m)^rsync: \[\w+\] read error.*\n", "")],
    ),
]

CLOSED_PLACES: list[tuple[str, Tree, str]] = [
    ("inplace-closed", ["src/a", Dir("dst", mode=0o555)], "-ri --inplace src/a dst/"),
    ("inplace-closed-old", ["src/a=new", "dst/a=o", Dir("dst", mode=0o555)], "-ri --inplace src/a dst/"),
    ("inplace-closed-below", ["src/ src/d/;m=0555 src/d/a dst/ dst/d/;m=0555"], "-ai --inplace src/ dst/"),
    ("destination-closed", ["src/a", Dir("dst", mode=0)], "-ai src/a dst/"),
    ("destination-closed-r", ["src/a", Dir("dst", mode=0o600)], "-ri src/ dst"),
    ("destination-closed-n", ["src/a", Dir("dst", mode=0o400)], "-rin src/ dst"),
    ("foreign-closed", ["src/ src/d/;m=0500 src/d/a", Dir("dst/d", owner=(0, 0))], "-ai src/ dst/"),
]
CLOSED = [Row(f"ERR-{ident}", tree, cmd, user=True) for ident, tree, cmd in CLOSED_PLACES]

MISSING_SHELLS = [
    Row(f"ERR-no-shell-{number}", "src/ src/a dst/", f"-e /nonexistent {words}", codes=frozenset({5, 12}))
    for number, words in enumerate(["h::m", "h::m/ dst/", "src/a h::m/"])
]

STALL = "!printf '#!/bin/sh\\nexec sleep 5\\n' >stall; chmod +x stall"

#: Silent peers: exit code 30 after the timeout.
STALLED = [
    Row(
        f"options-2.5-stalled-{number}",
        "src/a",
        STALL,
        then=[f"-e {{w}}/stall --timeout=1 {words}"],
        norm=[(r"\[(Receiver|sender|receiver)\] io timeout", r"[\1] io timeout")],
    )
    for number, words in enumerate(["-a src/ h:dst/", "-a h:src/ dst/", "h:src/", "h::m/ dst/"])
]

STALLED += [
    Row(
        f"options-2.5-silent-daemon-{number}",
        "src/a",
        f"-a --timeout=1 {words}",
        env={"RSYNC_CONNECT_PROG": "sleep 5"},
    )
    for number, words in enumerate(["src/ h::m/", "h::m/ dst/", "h::"])
]

# A sender that a remote shell has started ends with its own lines and without a farewell, a daemon with both.
BAD_RULES = [
    Row(f"PRO-3.7-{name}-{kind}", tree, f"{options} {url} dst/", via=via, norm=[(r"\(\d+ bytes received so far\)", "(N bytes)")])
    for name, tree, options in [
        ("rules", "src/ src/a src/d/.rsync-filter=Q dst/", "-aF"),
        ("rules-whole", "src/ src/a src/d/.rsync-filter=Q dst/", "-aF --no-i-r"),
        ("rules-first", "src/ src/a src/.rsync-filter=Q dst/", "-aF"),
        ("rules-30", "src/ src/a src/d/.rsync-filter=Q dst/", "-aF --protocol=30"),
    ]
    for kind, url, via in [("pull", "h:{w}/src/", "shell")]
] + [
    Row("PRO-3.7-list-pull", "src/a list=a dst/", "-a --files-from=list h:{w}/nosuch/ dst/", via="shell", norm=[(r"\(\d+ bytes received so far\)", "(N bytes)")]),
]  # fmt: skip

ROWS: list[Row] = [*BAD_RULES, *PEER_ENDS, *SOURCES, *DESTINATIONS, *ENDS, *CLOSED, *MISSING_SHELLS, *STALLED]

"""spec: output 2, 3 and 14"""

from __future__ import annotations

from tests.parity.harness import Row
from tests.parity.tree import Device, Dir, File, Link, Tree


def row(ident: str, cmd: str, tree: Tree = "src/a", **more: object) -> Row:
    return Row(ident, tree, cmd, **more)  # type: ignore[arg-type]


SHELLS = [
    File("sh127", content=b"#!/bin/sh\nexit 127\n", mode=0o755),
    File("sh255", content=b"#!/bin/sh\necho no route >&2; exit 255\n", mode=0o755),
    File("shout", content=b"#!/bin/sh\necho Welcome to this machine; sleep 0.2\n", mode=0o755),
    File("shkill", content=b"#!/bin/sh\nkill -9 $$\n", mode=0o755),
    File("shend", content=b'#!/bin/sh\nshift\nsh -c "$*"\nkill -9 $$\n', mode=0o755),
    File("sh0", content=b"#!/bin/sh\nexit 0\n", mode=0o755),
]
PEER_ENDS = [
    row("OUT-22", "-a -e ./sh127 src/ h:dst/", ["src/a", *SHELLS], codes=frozenset({12, 127}), stderr=False),
    row("OUT-22-pull", "-a -e ./sh127 h:src/ dst/", ["src/a", *SHELLS], codes=frozenset({12, 127}), stderr=False),
    row("ERR-shell-255", "-a -e ./sh255 src/ h:dst/", ["src/a", *SHELLS], codes=frozenset({12, 255}), stderr=False),
    row("ERR-shell-0", "-a -e ./sh0 src/ h:dst/", ["src/a", *SHELLS], stderr=False),
    row("ERR-shell-0-pull", "-a -e ./sh0 h:src/ dst/", ["src/a", *SHELLS]),
    row("ERR-shell-killed", "-a -e ./shend --rsync-path={prog} src/ h:{w}/dst/", ["src/a", *SHELLS]),
    row("ERR-shell-killed-pull", "-a -e ./shend --rsync-path={prog} h:{w}/src/ dst/", ["src/a", *SHELLS]),
    row(
        "ERR-shell-talks",
        "-a -e ./shout src/ h:dst/",
        ["src/a", *SHELLS],
        norm=[(r"(?m)^rsync: connection unexpectedly.*\n", "")],
    ),
    row(
        "ERR-shell-talks-pull",
        "-a -e ./shout h:src/ dst/",
        ["src/a", *SHELLS],
        norm=[(r"(?m)^rsync: connection unexpectedly.*\n", "")],
    ),
    row(
        "ERR-rsync-path-missing",
        "-a --rsync-path=/no/such/rsync -e {space}/sh src/ h:dst/",
        codes=frozenset({12, 127}),
        stderr=False,
    ),
    row("ERR-refused-port", "-a rsync://127.0.0.1:1/m dst/", norm=[(r"\(\d+\.\d+\.\d+\.\d+\)", "(IP)")]),
    row("ERR-refused-port-push", "-a src/ rsync://127.0.0.1:1/m"),
    row("ERR-no-host", "-a rsync://no-such-host.invalid/m dst/"),
]

SOURCES = [
    row("ERR-missing", "-a nosuch dst/"),
    row("ERR-missing-abs", "-a {w}/nosuch dst/"),
    row("ERR-missing-dir", "-a nosuch/ dst/"),
    row("ERR-missing-among", "-ai nosuch src/a dst/"),
    row("ERR-missing-push", "-a nosuch h:{w}/dst/", via="shell"),
    row("ERR-missing-pull", "-a h:{w}/nosuch dst/", via="shell"),
    row("ERR-missing-pull-rel", "-a h:nosuch-relative dst/", via="shell"),
    row("ERR-file-slash", "-a src/a/ dst/"),
    row("ERR-not-dir-part", "-a src/a/b dst/"),
    row("ERR-all-missing-glob", ["-a", "src/*.c", "dst/"]),  # type: ignore[arg-type]
    row("ERR-missing-v", "-av nosuch dst/"),
    row("ERR-missing-stats", "-a --stats nosuch src/ dst/"),
    row("ERR-link-missing", "-a l/ dst/", "l->nosuch"),
    row("ERR-unreadable-file", "-ai src/ dst/", "src/a;m=0000 src/b", user=True),
    row("ERR-unreadable-file-push", "-ai src/ h:{w}/dst/", "src/a;m=0000 src/b", user=True, via="shell"),
    row("ERR-unreadable-file-pull", "-ai h:{w}/src/ dst/", "src/a;m=0000 src/b", user=True, via="shell"),
    row("ERR-unreadable-dir", "-ai src/ dst/", "src/d/;m=0000 src/b", user=True),
    row("ERR-unsearchable-dir", "-ai src/ dst/", "src/d/x src/d/;m=0444 src/b", user=True),
    row("ERR-unreadable-checksum", "-aic src/ dst/", "src/a;m=0000 src/b dst/a", user=True),
]

DESTINATIONS = [
    row("ERR-mkdir-deep", "-a src/ no/such/dir/"),
    row("ERR-mkdir-file", "-a src/ f/dir/", "src/a f"),
    row("ERR-mkdir-denied", "-a src/ ro/dst/", "src/a ro/;m=0555;o=0.0", user=True),
    row("ERR-mkdir-push", "-a src/ h:{w}/no/such/", via="shell"),
    row("ERR-mkdir-pull", "-a h:{w}/src/ no/such/", via="shell"),
    row("ERR-not-dir", "-a src/a src/b f", "src/a src/b f"),
    row("ERR-not-dir-push", "-a src/ h:{w}/f", "src/a src/b f", via="shell"),
    row("ERR-dir-over-file", "-a src f", "src/ f"),
    row("ERR-create-denied", "-ai src/ dst/", "src/a src/d/b dst/;m=0555;o=0.0", user=True),
    row("ERR-create-denied-push", "-ai src/ h:{w}/dst/", "src/a src/d/b dst/;m=0555;o=0.0", user=True, via="shell"),
    row("ERR-create-denied-pull", "-ai h:{w}/src/ dst/", "src/a src/d/b dst/;m=0555;o=0.0", user=True, via="shell"),
    # A time that only comes back is an extra; one that is due is not.
    row("ERR-root-times-back", "-rltD -i src/ dst/", "src/a src/;m=0777 dst/;m=0777;o=0.0", user=True),
    row("ERR-root-times", "-rltD -i src/ dst/", "src/a src/;m=0777;t=5 dst/;m=0777;o=0.0", user=True),
    row("ERR-unreadable-dst", "-ai src/ dst/", "src/a=new dst/a=o;m=0000", user=True),
    row("ERR-unreadable-dst-noW", "-ai --no-W src/ dst/", "src/a=new dst/a=o;m=0000", user=True),
    row("ERR-chown-denied", "-ai src/ dst/", "src/a=new dst/a=o;o=0.0", user=True),
    row("ERR-times-denied", "-ati src/a dst/a", "src/a;t=3 dst/ dst/a;o=0.0", user=True),
    row("ERR-perms-denied", "-pi src/a dst/a", "src/a;m=0600 dst/ dst/a;o=0.0", user=True),
    row("ERR-rmdir-denied", "-ai --delete src/ dst/", "src/ src/d/ dst/ dst/d/;o=0.0 dst/d/x;o=0.0", user=True),
    row("ERR-mknod-denied", "-ai --super src/ dst/", [Dir("src"), Device("src/n")], user=True),
    row("ERR-symlink-denied", "-ai src/ dst/", "src/l->a dst/;m=0555;o=0.0", user=True),
    row("ERR-exclude-file", "-a --exclude-from=no/such src/ dst/"),
    row("ERR-files-from", "-a --files-from=no/such src/ dst/"),
    row(
        "ERR-temp-denied",
        "-ai -T{w}/ro src/ dst/",
        "src/a ro/;m=0555;o=0.0",
        user=True,
        norm=[(r"/a\.\w{6}\"", '/a.XXXXXX"')],
    ),
    row("ERR-dangling-parent", "-ai src/ dst/", ["src/d/a dst/", Link("dst/d", target="/nonexistent/x")]),
]

ROWS: list[Row] = [*PEER_ENDS, *SOURCES, *DESTINATIONS]

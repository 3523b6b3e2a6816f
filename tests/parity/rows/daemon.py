"""spec: daemon, output 14.6: what a client of a daemon sees. The module `m` is `mod/`."""

from __future__ import annotations

from tests.parity.harness import Row
from tests.parity.tree import File, Link, Tree

SECRETS = File("secrets", content=b"joe:pw\nann:other\n", mode=0o600)
PASSWORD = File("pass", content=b"pw\n", mode=0o600)
WRONG = File("wrong", content=b"nope\n", mode=0o600)
# The peer's host name is not the same on every machine.
PEER = [(r"from \S+ \(127\.0\.0\.1\)", "from HOST (127.0.0.1)")]
# 3.5.0 closes with unread input, which the client may notice before or after it has read the error text.
RESET = frozenset({1, 4, 5, 10, 12})
AUTH = "auth users = joe, ann:ro\nsecrets file = {w}/secrets\nread only = no\n"


def row(ident: str, cmd: str, tree: Tree = "mod/a mod/d/b src/c", **more: object) -> Row:
    settings = {"via": "daemon", "norm": PEER} | more
    return Row(f"DMN-{ident}", tree, cmd, **settings)  # type: ignore[arg-type]


LISTS = [
    row("modules", "{url}/", conf="comment = the first\n"),
    row(
        "modules-motd",
        "{url}/",
        conf="comment = the first\n",
        globals="motd file = {w}/motd",
        tree=["mod/a", File("motd", content=b"Hello\nfriend\n")],
    ),
    row(
        "modules-no-motd",
        "--no-motd {url}/",
        globals="motd file = {w}/motd",
        tree=["mod/a", File("motd", content=b"Hello\n")],
    ),
    row("modules-motd-missing", "{url}/", globals="motd file = {w}/nosuch"),
    row("modules-hidden", "{url}/", conf="list = no\n"),
    row(
        "modules-many",
        "{url}/",
        conf="comment = one\n[a-very-long-module-name]\npath=/x\ncomment = two\n[plain]\npath=/y\n",
    ),
    row("modules-colons", "127.0.0.1:: --port={port}"),
    row("list", "{url}/m/"),
    row("list-noslash", "{url}/m"),
    row("list-sub", "{url}/m/d/"),
    row("list-file", "{url}/m/a"),
    row("list-r", "-r {url}/m"),
    row("list-missing", "{url}/m/nosuch"),
    row("list-motd", "{url}/m/", globals="motd file = {w}/motd", tree=["mod/a", File("motd", content=b"Hello\n")]),
]

COPIES = [
    row("pull", "-ai {url}/m/ dst/"),
    row("pull-colons", "-ai --port={port} 127.0.0.1::m/ dst/"),
    row("pull-v", "-av {url}/m/ dst/"),
    row("pull-vv", "-avv {url}/m/ dst/", norm=[*PEER, (r"(?m)^total: .*$", "T")], sorted=True),
    row("pull-stats", "-a --stats {url}/m/ dst/"),
    row("pull-z", "-aiz {url}/m/ dst/"),
    row("pull-sub", "-ai {url}/m/d dst/"),
    row("pull-two", "-ai {url}/m/a {url}/m/d dst/"),
    row("pull-two-colons", "-ai --port={port} 127.0.0.1::m/a ::m/d dst/"),
    row("pull-glob", ["-ai", "{url}/m/*", "dst/"]),  # type: ignore[arg-type]
    row("pull-missing", "-ai {url}/m/nosuch {url}/m/a dst/"),
    row("pull-R", "-aiR {url}/m/d/b dst/"),
    row("pull-delete", "-ai --delete {url}/m/ dst/", "mod/a dst/x"),
    row("pull-n", "-ain {url}/m/ dst/"),
    row("pull-c", "-aic {url}/m/ dst/"),
    row("pull-filter", "-ai --exclude=d {url}/m/ dst/"),
    row("pull-link", "-ai {url}/m/ dst/", ["mod/a mod/l->a", Link("mod/out", target="/etc/hostname")]),
    row("pull-twice", "-ai {url}/m/ dst/", then=["-ai {url}/m/ dst/"]),
    row("pull-dotdot", "-ai {url}/m/../src/ dst/"),
    row("pull-protocol-30", "-ai --protocol=30 {url}/m/ dst/"),
    row("pull-protocol-29", "-ai --protocol=29 {url}/m/ dst/"),
    row("pull-dest-missing", "-ai {url}/m/ no/such/"),
    row("pull-progress", "-a --progress {url}/m/ dst/", norm=[*PEER, (r"\r[^\r\n]*  (?=\r)", "")]),
    row("push", "-ai src/ {url}/m/", conf="read only = no\n"),
    row("push-v", "-av src/ {url}/m/", conf="read only = no\n"),
    row("push-sub", "-ai src/ {url}/m/new/", conf="read only = no\n"),
    row("push-sub-missing", "-ai src/ {url}/m/no/such/", conf="read only = no\n"),
    row("push-delete", "-ai --delete src/ {url}/m/", conf="read only = no\n", sorted=True),
    row("push-R", "-aiR src/c {url}/m/", conf="read only = no\n"),
    row("push-z", "-aiz --no-W src/ {url}/m/", "mod/c=old src/c*20000", conf="read only = no\n"),
    row("push-twice", "-ai src/ {url}/m/", conf="read only = no\n", then=["-aii src/ {url}/m/"]),
    row("push-stats", "-a --stats src/ {url}/m/", conf="read only = no\n"),
    row("push-link", "-ai src/ {url}/m/", "mod/ src/l->x src/a", conf="read only = no\n"),
    row("push-munge", "-ai src/ {url}/m/", "mod/ src/l->x src/a", conf="read only = no\nmunge symlinks = yes\n"),
    row("push-file", "-ai src/c {url}/m/renamed", conf="read only = no\n"),
    row("push-dotdot", "-ai src/ {url}/m/../escaped/", conf="read only = no\n"),
    row(
        "push-numeric", "-ai --numeric-ids src/ {url}/m/", "mod/ src/a;o=5.6", conf="read only = no\nuid = 0\ngid = 0\n"
    ),
    row("push-uid", "-ai src/ {url}/m/", "mod/;m=0777 src/a", conf="read only = no\nuid = nobody\ngid = nogroup\n"),
    row("push-uid-denied", "-ai src/ {url}/m/", "mod/ src/a", conf="read only = no\nuid = nobody\ngid = nogroup\n"),
    row("push-incoming-chmod", "-ai src/ {url}/m/", "mod/ src/a", conf="read only = no\nincoming chmod = a+x\n"),
    row("pull-outgoing-chmod", "-ai {url}/m/ dst/", conf="outgoing chmod = go-r\n"),
    row("pull-exclude-module", "-ai {url}/m/ dst/", conf="exclude = d\n"),
    row("pull-exclude-named", "-ai {url}/m/d/ dst/", conf="exclude = d\n"),
    row("push-exclude-module", "-ai src/ {url}/m/", conf="read only = no\nexclude = c\n"),
    row(
        "pull-max-verbosity",
        "-avv {url}/m/ dst/",
        conf="max verbosity = 0\n",
        norm=[*PEER, (r"(?m)^total: .*$", "T")],
        sorted=True,
    ),
    row(
        "pull-fake-super",
        "-ai {url}/m/ dst/",
        [File("mod/a", xattrs={"user.rsync.%stat": b"104755 0,0 5:6"})],
        conf="fake super = yes\n",
    ),
]

REFUSALS = [
    row("unknown-module", "-a {url}/nosuch/ dst/"),
    row("unknown-module-push", "-a src/ {url}/nosuch/"),
    row("no-module", "-a src/ {url}/"),
    row("no-module-pull", "-a {url}/ dst/"),
    row("slash-module", "-a {url}//x dst/"),
    row("read-only", "-a src/ {url}/m/", codes=RESET, stderr=False),
    row("write-only", "-a {url}/m/ dst/", conf="write only = yes\n", codes=RESET, stderr=False),
    row("remove-source-ro", "-a --remove-source-files {url}/m/ dst/", codes=RESET, stderr=False),
    row("denied", "-a {url}/m/ dst/", conf="hosts deny = *\n"),
    row("allowed", "-ai {url}/m/ dst/", conf="hosts allow = 127.0.0.0/8\n"),
    row("not-allowed", "-ai {url}/m/ dst/", conf="hosts allow = 10.0.0.0/8\n"),
    row("allow-before-deny", "-ai {url}/m/ dst/", conf="hosts allow = 127.0.0.1\nhosts deny = *\n"),
    row("denied-list", "{url}/", conf="hosts deny = *\n"),
    row("path-missing", "-a {url}/m/ dst/", conf="path = {w}/nosuch\n"),
    row("path-missing-chroot", "-a {url}/m/ dst/", conf="path = {w}/nosuch\nuse chroot = yes\n"),
    row("path-file", "-a {url}/m/ dst/", conf="path = {w}/mod/a\n"),
    row("chroot", "-ai {url}/m/ dst/", conf="use chroot = yes\n"),
    row("chroot-missing", "-ai {url}/m/nosuch dst/", conf="use chroot = yes\n"),
    row("chroot-inner", "-ai {url}/m/ dst/", "out/mod/a", conf="use chroot = yes\npath = {w}/out/./mod\n"),
    row(
        "auth",
        "-ai --password-file={w}/pass rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", SECRETS, PASSWORD],
        conf=AUTH,
    ),
    row(
        "auth-push",
        "-ai --password-file={w}/pass src/ rsync://joe@127.0.0.1:{port}/m/",
        ["mod/a src/c", SECRETS, PASSWORD],
        conf=AUTH,
    ),
    row(
        "auth-env",
        "-ai rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", SECRETS],
        conf=AUTH,
        env={"RSYNC_PASSWORD": "pw"},
    ),
    row(
        "auth-stdin",
        "-ai --password-file=- rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", SECRETS],
        conf=AUTH,
        stdin=b"pw\n",
    ),
    row(
        "auth-user-env",
        "-ai --password-file={w}/pass {url}/m/ dst/",
        ["mod/a", SECRETS, PASSWORD],
        conf=AUTH,
        env={"USER": "joe"},
    ),
    row(
        "auth-wrong",
        "-ai --password-file={w}/wrong rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", SECRETS, WRONG],
        conf=AUTH,
    ),
    row(
        "auth-unknown-user",
        "-ai --password-file={w}/pass rsync://bob@127.0.0.1:{port}/m/ dst/",
        ["mod/a", SECRETS, PASSWORD],
        conf=AUTH,
    ),
    row(
        "auth-ro-user",
        "-ai src/ rsync://ann@127.0.0.1:{port}/m/",
        ["mod/a src/c", SECRETS],
        conf=AUTH,
        env={"RSYNC_PASSWORD": "other"},
        codes=RESET,
        stderr=False,
    ),
    row(
        "auth-empty",
        "-ai rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", SECRETS],
        conf=AUTH,
        env={"RSYNC_PASSWORD": ""},
        stderr=False,
    ),
    row(
        "auth-no-secrets",
        "-ai --password-file={w}/pass rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", PASSWORD],
        conf=AUTH,
    ),
    row(
        "auth-open-secrets",
        "-ai --password-file={w}/pass rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", File("secrets", content=b"joe:pw\n", mode=0o644), PASSWORD],
        conf=AUTH,
    ),
    row(
        "auth-open-secrets-loose",
        "-ai --password-file={w}/pass rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", File("secrets", content=b"joe:pw\n", mode=0o644), PASSWORD],
        conf=AUTH + "strict modes = no\n",
    ),
    row(
        "password-file-open",
        "-ai --password-file={w}/pass rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", SECRETS, File("pass", content=b"pw\n", mode=0o644)],
        conf=AUTH,
    ),
    row(
        "password-file-owner",
        "-ai --password-file={w}/pass rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", SECRETS, File("pass", content=b"pw\n", mode=0o600, owner=(5, 5))],
        conf=AUTH,
    ),
    row(
        "password-file-missing",
        "-ai --password-file={w}/nosuch rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", SECRETS],
        conf=AUTH,
    ),
    row(
        "password-file-empty",
        "-ai --password-file={w}/pass rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", SECRETS, File("pass", content=b"", mode=0o600)],
        conf=AUTH,
    ),
    row("password-file-unneeded", "-ai --password-file={w}/pass {url}/m/ dst/", ["mod/a", PASSWORD]),
    row(
        "refuse-delete",
        "-a --delete src/ {url}/m/",
        conf="read only = no\nrefuse options = delete\n",
        codes=RESET,
        stderr=False,
    ),
    row("refuse-compress", "-az {url}/m/ dst/", conf="refuse options = compress\n", codes=RESET, stderr=False),
    row("refuse-checksum", "-ac src/ {url}/m/", conf="read only = no\nrefuse options = c\n", codes=RESET, stderr=False),
    row("refuse-archive", "-a src/ {url}/m/", conf="read only = no\nrefuse options = a\n", codes=RESET, stderr=False),
    row(
        "refuse-star-allow",
        "-rti src/ {url}/m/",
        conf="read only = no\nrefuse options = * !a !v\n",
        codes=RESET,
        stderr=False,
    ),
    row("max-connections-0", "-ai {url}/m/ dst/", conf="max connections = 0\n"),
    row("max-connections-neg", "-ai {url}/m/ dst/", conf="max connections = -1\n"),
    row("timeout", "-ai --timeout=20 {url}/m/ dst/", conf="timeout = 10\n"),
    row("uid-unknown", "-ai {url}/m/ dst/", conf="uid = no-such-user\n"),
    row("iconv-refused", "-ai --iconv=utf8 {url}/m/ dst/", codes=RESET, stderr=False),
    row("files-from", "-ai --files-from=L {url}/m/ dst/", ["mod/a mod/d/b", File("L", content=b"d/b\nnosuch\n")]),
    row("files-from-remote", "-ai --files-from=:L {url}/m/ dst/", ["mod/a mod/d/b", File("mod/L", content=b"d/b\n")]),
    row("protocol-too-old", "-ai --protocol=19 {url}/m/ dst/"),
    row("write-batch", "-ai --write-batch=b {url}/m/ dst/", then=["!rm -f b b.sh"]),
    row(
        "pre-xfer",
        "-ai {url}/m/ dst/",
        conf="pre-xfer exec = exit 3\n",
        codes=RESET,
        norm=[(r"(?m)^rsync error: .*\n", "")],
    ),
    row(
        "pre-xfer-out",
        "-ai {url}/m/ dst/",
        conf="pre-xfer exec = echo no; exit 3\n",
        codes=RESET,
        norm=[(r"(?m)^rsync error: .*\n", "")],
    ),
]

ESCAPED = [
    Row(
        f"OUT-17-daemon-{place}",
        ["mod/a", File("motd", content="h\u00e9 \\#123\n\x1b[31mred\x01\n".encode())],
        "{url}/" + path,
        via="daemon",
        globals="motd file = {w}/motd\n[other]\npath = /nosuch\ncomment = c\u00f6mment \x1b[0m",
        env={"LC_ALL": "C" if place.endswith("-C") else "C.UTF-8"},
    )
    for place, path in [
        ("list", ""),
        ("list-C", ""),
        ("module", "nosuch\u00e9/"),
        ("module-C", "nosuch\u00e9/"),
        ("read", "m/"),
    ]
]

ROWS: list[Row] = [*ESCAPED, *LISTS, *COPIES, *REFUSALS]

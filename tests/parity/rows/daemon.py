"""What a client of a daemon sees; the module `m` is `mod/` (spec: daemon, output 14.6)."""

from __future__ import annotations

from typing import Any

from tests.parity.common import PEER, RESET
from tests.parity.harness import Command, Row
from tests.parity.tree import File, Link, Tree


def module(ident: str, cmd: Command, tree: Tree = "mod/a mod/d/b src/c", **more: Any) -> Row:
    settings = {"via": "daemon", "norm": PEER} | more
    return Row(f"DMN-{ident}", tree, cmd, **settings)


LISTS = [
    module("modules", "{url}/", conf="comment = the first\n"),
    module(
        "modules-motd",
        "{url}/",
        conf="comment = the first\n",
        globals="motd file = {w}/motd",
        tree=["mod/a", File("motd", content=b"Hello\nfriend\n")],
    ),
    module(
        "modules-no-motd",
        "--no-motd {url}/",
        globals="motd file = {w}/motd",
        tree=["mod/a", File("motd", content=b"Hello\n")],
    ),
    module("modules-motd-missing", "{url}/", globals="motd file = {w}/nosuch"),
    module("modules-hidden", "{url}/", conf="list = no\n"),
    module(
        "modules-many",
        "{url}/",
        conf="comment = one\n[a-very-long-module-name]\npath=/x\ncomment = two\n[plain]\npath=/y\n",
    ),
    module("modules-colons", "127.0.0.1:: --port={port}"),
    module("list", "{url}/m/"),
    module("list-noslash", "{url}/m"),
    module("list-sub", "{url}/m/d/"),
    module("list-file", "{url}/m/a"),
    module("list-r", "-r {url}/m"),
    module("list-missing", "{url}/m/nosuch"),
    module("list-motd", "{url}/m/", globals="motd file = {w}/motd", tree=["mod/a", File("motd", content=b"Hello\n")]),
]

COPIES = [
    module("pull", "-ai {url}/m/ dst/"),
    module("pull-colons", "-ai --port={port} 127.0.0.1::m/ dst/"),
    module("pull-v", "-av {url}/m/ dst/"),
    module("pull-vv", "-avv {url}/m/ dst/", norm=[*PEER, (r"(?m)^total: .*$", "T")], sorted=True),
    module("pull-stats", "-a --stats {url}/m/ dst/"),
    module("pull-z", "-aiz {url}/m/ dst/"),
    module("pull-sub", "-ai {url}/m/d dst/"),
    module("pull-two", "-ai {url}/m/a {url}/m/d dst/"),
    module("pull-two-colons", "-ai --port={port} 127.0.0.1::m/a ::m/d dst/"),
    module("pull-glob", ["-ai", "{url}/m/*", "dst/"]),
    module("pull-missing", "-ai {url}/m/nosuch {url}/m/a dst/"),
    module("pull-R", "-aiR {url}/m/d/b dst/"),
    module("pull-delete", "-ai --delete {url}/m/ dst/", "mod/a dst/x"),
    module("pull-n", "-ain {url}/m/ dst/"),
    module("pull-c", "-aic {url}/m/ dst/"),
    module("pull-filter", "-ai --exclude=d {url}/m/ dst/"),
    module("pull-link", "-ai {url}/m/ dst/", ["mod/a mod/l->a", Link("mod/out", target="/etc/hostname")]),
    module("pull-twice", "-ai {url}/m/ dst/", then=["-ai {url}/m/ dst/"]),
    module("pull-dotdot", "-ai {url}/m/../src/ dst/"),
    module("pull-protocol-30", "-ai --protocol=30 {url}/m/ dst/"),
    module("pull-protocol-29", "-ai --protocol=29 {url}/m/ dst/"),
    module("pull-dest-missing", "-ai {url}/m/ no/such/"),
    module("pull-progress", "-a --progress {url}/m/ dst/", norm=[*PEER, (r"\r[^\r\n]*  (?=\r)", "")]),
    module("push", "-ai src/ {url}/m/", conf="read only = no\n"),
    module("push-v", "-av src/ {url}/m/", conf="read only = no\n"),
    module("push-sub", "-ai src/ {url}/m/new/", conf="read only = no\n"),
    module("push-sub-missing", "-ai src/ {url}/m/no/such/", conf="read only = no\n"),
    module("push-delete", "-ai --delete src/ {url}/m/", conf="read only = no\n", sorted=True),
    module("push-R", "-aiR src/c {url}/m/", conf="read only = no\n"),
    module("push-z", "-aiz --no-W src/ {url}/m/", "mod/c=old src/c*20000", conf="read only = no\n"),
    module("push-twice", "-ai src/ {url}/m/", conf="read only = no\n", then=["-aii src/ {url}/m/"]),
    module("push-stats", "-a --stats src/ {url}/m/", conf="read only = no\n"),
    module("push-link", "-ai src/ {url}/m/", "mod/ src/l->x src/a", conf="read only = no\n"),
    module("push-munge", "-ai src/ {url}/m/", "mod/ src/l->x src/a", conf="read only = no\nmunge symlinks = yes\n"),
    module("push-file", "-ai src/c {url}/m/renamed", conf="read only = no\n"),
    module("push-dotdot", "-ai src/ {url}/m/../escaped/", conf="read only = no\n"),
    module(
        "push-numeric", "-ai --numeric-ids src/ {url}/m/", "mod/ src/a;o=5.6", conf="read only = no\nuid = 0\ngid = 0\n"
    ),
    module("push-uid", "-ai src/ {url}/m/", "mod/;m=0777 src/a", conf="read only = no\nuid = nobody\ngid = nogroup\n"),
    module("push-uid-denied", "-ai src/ {url}/m/", "mod/ src/a", conf="read only = no\nuid = nobody\ngid = nogroup\n"),
    module("push-incoming-chmod", "-ai src/ {url}/m/", "mod/ src/a", conf="read only = no\nincoming chmod = a+x\n"),
    module("pull-outgoing-chmod", "-ai {url}/m/ dst/", conf="outgoing chmod = go-r\n"),
    module("pull-exclude-module", "-ai {url}/m/ dst/", conf="exclude = d\n"),
    module("pull-exclude-named", "-ai {url}/m/d/ dst/", conf="exclude = d\n"),
    module("push-exclude-module", "-ai src/ {url}/m/", conf="read only = no\nexclude = c\n"),
    module(
        "pull-max-verbosity",
        "-avv {url}/m/ dst/",
        conf="max verbosity = 0\n",
        norm=[*PEER, (r"(?m)^total: .*$", "T")],
        sorted=True,
    ),
    module(
        "pull-fake-super",
        "-ai {url}/m/ dst/",
        [File("mod/a", xattrs={"user.rsync.%stat": b"104755 0,0 5:6"})],
        conf="fake super = yes\n",
    ),
]

AUTH = "auth users = joe, ann:ro\nsecrets file = {w}/secrets\nread only = no\n"

PASSWORD = File("pass", content=b"pw\n", mode=0o600)

SECRETS = File("secrets", content=b"joe:pw\nann:other\n", mode=0o600)

WRONG = File("wrong", content=b"nope\n", mode=0o600)

REFUSALS = [
    module("unknown-module", "-a {url}/nosuch/ dst/"),
    module("unknown-module-push", "-a src/ {url}/nosuch/"),
    module("no-module", "-a src/ {url}/"),
    module("no-module-pull", "-a {url}/ dst/"),
    module("slash-module", "-a {url}//x dst/"),
    module("read-only", "-a src/ {url}/m/", codes=RESET, stderr=False),
    module("write-only", "-a {url}/m/ dst/", conf="write only = yes\n", codes=RESET, stderr=False),
    module("remove-source-ro", "-a --remove-source-files {url}/m/ dst/", codes=RESET, stderr=False),
    module("denied", "-a {url}/m/ dst/", conf="hosts deny = *\n"),
    module("allowed", "-ai {url}/m/ dst/", conf="hosts allow = 127.0.0.0/8\n"),
    module("not-allowed", "-ai {url}/m/ dst/", conf="hosts allow = 10.0.0.0/8\n"),
    module("allow-before-deny", "-ai {url}/m/ dst/", conf="hosts allow = 127.0.0.1\nhosts deny = *\n"),
    module("denied-list", "{url}/", conf="hosts deny = *\n"),
    module("path-missing", "-a {url}/m/ dst/", conf="path = {w}/nosuch\n"),
    module("path-missing-chroot", "-a {url}/m/ dst/", conf="path = {w}/nosuch\nuse chroot = yes\n"),
    module("path-file", "-a {url}/m/ dst/", conf="path = {w}/mod/a\n"),
    module("chroot", "-ai {url}/m/ dst/", conf="use chroot = yes\n"),
    module("chroot-missing", "-ai {url}/m/nosuch dst/", conf="use chroot = yes\n"),
    module("chroot-inner", "-ai {url}/m/ dst/", "out/mod/a", conf="use chroot = yes\npath = {w}/out/./mod\n"),
    module(
        "auth",
        "-ai --password-file={w}/pass rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", SECRETS, PASSWORD],
        conf=AUTH,
    ),
    module(
        "auth-push",
        "-ai --password-file={w}/pass src/ rsync://joe@127.0.0.1:{port}/m/",
        ["mod/a src/c", SECRETS, PASSWORD],
        conf=AUTH,
    ),
    module(
        "auth-env",
        "-ai rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", SECRETS],
        conf=AUTH,
        env={"RSYNC_PASSWORD": "pw"},
    ),
    module(
        "auth-stdin",
        "-ai --password-file=- rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", SECRETS],
        conf=AUTH,
        stdin=b"pw\n",
    ),
    module(
        "auth-user-env",
        "-ai --password-file={w}/pass {url}/m/ dst/",
        ["mod/a", SECRETS, PASSWORD],
        conf=AUTH,
        env={"USER": "joe"},
    ),
    module(
        "auth-wrong",
        "-ai --password-file={w}/wrong rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", SECRETS, WRONG],
        conf=AUTH,
    ),
    module(
        "auth-unknown-user",
        "-ai --password-file={w}/pass rsync://bob@127.0.0.1:{port}/m/ dst/",
        ["mod/a", SECRETS, PASSWORD],
        conf=AUTH,
    ),
    module(
        "auth-ro-user",
        "-ai src/ rsync://ann@127.0.0.1:{port}/m/",
        ["mod/a src/c", SECRETS],
        conf=AUTH,
        env={"RSYNC_PASSWORD": "other"},
        codes=RESET,
        stderr=False,
    ),
    module(
        "auth-empty",
        "-ai rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", SECRETS],
        conf=AUTH,
        env={"RSYNC_PASSWORD": ""},
        stderr=False,
    ),
    module(
        "auth-no-secrets",
        "-ai --password-file={w}/pass rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", PASSWORD],
        conf=AUTH,
    ),
    module(
        "auth-open-secrets",
        "-ai --password-file={w}/pass rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", File("secrets", content=b"joe:pw\n", mode=0o644), PASSWORD],
        conf=AUTH,
    ),
    module(
        "auth-open-secrets-loose",
        "-ai --password-file={w}/pass rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", File("secrets", content=b"joe:pw\n", mode=0o644), PASSWORD],
        conf=AUTH + "strict modes = no\n",
    ),
    module(
        "password-file-open",
        "-ai --password-file={w}/pass rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", SECRETS, File("pass", content=b"pw\n", mode=0o644)],
        conf=AUTH,
    ),
    module(
        "password-file-owner",
        "-ai --password-file={w}/pass rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", SECRETS, File("pass", content=b"pw\n", mode=0o600, owner=(5, 5))],
        conf=AUTH,
    ),
    module(
        "password-file-missing",
        "-ai --password-file={w}/nosuch rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", SECRETS],
        conf=AUTH,
    ),
    module(
        "password-file-empty",
        "-ai --password-file={w}/pass rsync://joe@127.0.0.1:{port}/m/ dst/",
        ["mod/a", SECRETS, File("pass", content=b"", mode=0o600)],
        conf=AUTH,
    ),
    module("password-file-unneeded", "-ai --password-file={w}/pass {url}/m/ dst/", ["mod/a", PASSWORD]),
    module(
        "refuse-delete",
        "-a --delete src/ {url}/m/",
        conf="read only = no\nrefuse options = delete\n",
        codes=RESET,
        stderr=False,
    ),
    module("refuse-compress", "-az {url}/m/ dst/", conf="refuse options = compress\n", codes=RESET, stderr=False),
    module(
        "refuse-checksum", "-ac src/ {url}/m/", conf="read only = no\nrefuse options = c\n", codes=RESET, stderr=False
    ),
    module(
        "refuse-archive", "-a src/ {url}/m/", conf="read only = no\nrefuse options = a\n", codes=RESET, stderr=False
    ),
    module(
        "refuse-star-allow",
        "-rti src/ {url}/m/",
        conf="read only = no\nrefuse options = * !a !v\n",
        codes=RESET,
        stderr=False,
    ),
    module("max-connections-0", "-ai {url}/m/ dst/", conf="max connections = 0\n"),
    module("max-connections-neg", "-ai {url}/m/ dst/", conf="max connections = -1\n"),
    module("timeout", "-ai --timeout=20 {url}/m/ dst/", conf="timeout = 10\n"),
    module("uid-unknown", "-ai {url}/m/ dst/", conf="uid = no-such-user\n"),
    module("iconv-refused", "-ai --iconv=utf8 {url}/m/ dst/", codes=RESET, stderr=False),
    module("files-from", "-ai --files-from=L {url}/m/ dst/", ["mod/a mod/d/b", File("L", content=b"d/b\nnosuch\n")]),
    module(
        "files-from-remote", "-ai --files-from=:L {url}/m/ dst/", ["mod/a mod/d/b", File("mod/L", content=b"d/b\n")]
    ),
    module("protocol-too-old", "-ai --protocol=19 {url}/m/ dst/"),
    module("write-batch", "-ai --write-batch=b {url}/m/ dst/", then=["!rm -f b b.sh"]),
    module(
        "pre-xfer",
        "-ai {url}/m/ dst/",
        conf="pre-xfer exec = exit 3\n",
        codes=RESET,
        norm=[(r"(?m)^rsync error: .*\n", "")],
    ),
    module(
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

ROWS: list[Row] = [*LISTS, *COPIES, *REFUSALS, *ESCAPED]

"""More parameters of modules in both daemons: hooks, users, identities, charsets, arguments (spec: daemon 3, 6, 10)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import programs

from .pairs import Pair

SHOW = "env | grep ^RSYNC_ | grep -v 'PID\\|MODULE_PATH' | sort"

CONF = f"""log file = DIR/log
use chroot = no
reverse lookup = no
uid = 0
gid = 0
path = DIR/tree
[early]
 early exec = exit 3
[early-ok]
 early exec = {SHOW} > DIR/up/env; echo to-client; cat > DIR/up/stdin
[pre]
 pre-xfer exec = echo out; echo err >&2; exit 3
[pre-quiet]
 pre-xfer exec = exit 1
[pre-signal]
 pre-xfer exec = kill -9 $$
[pre-many]
 pre-xfer exec = i=0; while [ $i -lt 700 ]; do echo line $i; i=$((i+1)); done; exit 1
[pre-crlf]
 pre-xfer exec = printf 'a\\r\\nb\\rc\\n\\nd'; exit 2
[pre-none]
 pre-xfer exec = /nonexistent/prog
[pre-ok]
 pre-xfer exec = echo hi; {SHOW} > DIR/up/env
[pre-root]
 use chroot = yes
 pre-xfer exec = echo hi; {SHOW} > DIR/up/env
[pre-inner]
 path = DIR/./tree
 use chroot = yes
 pre-xfer exec = echo hi; {SHOW} > DIR/up/env
[post]
 post-xfer exec = {SHOW} > DIR/up/post
[pre-post]
 pre-xfer exec = exit 5
 post-xfer exec = {SHOW} > DIR/up/post
[early-post]
 early exec = exit 7
 pre-xfer exec = touch DIR/up/pre
 post-xfer exec = {SHOW} > DIR/up/post
[post-up]
 path = DIR/up
 read only = no
 post-xfer exec = {SHOW} > DIR/post; mv DIR/post DIR/up/post
[variables]
 pre-xfer exec = echo %RSYNC_MODULE_NAME% "%RSYNC_HOST_ADDR%" '%RSYNC_MODULE_NAME%' %RSYNC_REQUEST% > DIR/up/var
[no-list]
 list = no
[read-only-user]
 auth users = bob:ro
 secrets file = DIR/secrets
 read only = no
[read-write-user]
 path = DIR/up
 auth users = bob:rw, alf
 secrets file = DIR/secrets
[denied-user]
 auth users = bob:deny, alf:DENY
 secrets file = DIR/secrets
[odd-user]
 auth users = bob:xyz
 secrets file = DIR/secrets
[wild-user]
 auth users = b?b al*
 secrets file = DIR/secrets
[log-file]
 log file = DIR/up/modlog
[bad-log]
 log file = DIR/none/modlog
[bad-charset]
 charset = nosuchcharset
[no-iconv]
 refuse options = no-iconv
 charset = utf-8
[bad-out-chmod]
 outgoing chmod = xyz
[sp ace]
 comment = a b
[refuse]
 refuse options = c delete v
[negative]
 max verbosity = -1
[groups]
 uid = nobody
 gid = nogroup, daemon bin
[all-groups]
 uid = daemon
 gid = *
[bad-gid]
 gid = , no such group
[numbers]
 uid = 12345
 gid = 54321
[negative-uid]
 uid = -2
[fake]
 fake super = yes
 path = DIR/up
 read only = no
 uid = nobody
 gid = nogroup
"""

LOGIN = "rsync://{}@127.0.0.1:PORT/{}/"

SAME = {
    "dmn-36": [
        "-r HOST/early-ok/ DIR/d/", "-r --early-input=DIR/secrets HOST/early-ok/ DIR/d/", "-r HOST/pre-ok/ DIR/up/",
        "-r HOST/pre-ok/a HOST/pre-ok/sub DIR/up/", "-r HOST/pre-ok/sub/* DIR/up/", "-r HOST/pre-ok/../x//a DIR/up/",
        "-rs HOST/pre-ok/./a DIR/up/", "-r HOST/pre-root/ DIR/up/", "-r HOST/pre-root/s* DIR/up/",
        "-r HOST/pre-root/. DIR/up/", "-r HOST/pre-root/../a HOST/pre-root/none DIR/up/",
        "-r HOST/pre-inner/su?/b DIR/up/", "-r --protocol=29 HOST/pre-ok/a HOST/pre-ok/sub DIR/up/",
    ],
    "dmn-37": ["HOST/early/ DIR/d/", "-r HOST/early-post/ DIR/up/"],
    "post": ["-r HOST/post/ DIR/up/", "-r HOST/post/none DIR/up/", "-r DIR/send/ HOST/post-up/"],
    "variables": ["-r HOST/variables/ DIR/up/"],
    "users": [
        "-r DIR/send/ " + LOGIN.format("bob", "read-only-user"),
        "-r DIR/send/ " + LOGIN.format("bob", "read-write-user"),
        "-r DIR/send/ " + LOGIN.format("alf", "read-write-user"), LOGIN.format("bob", "denied-user"),
        LOGIN.format("alf", "denied-user"), LOGIN.format("bob", "odd-user"), LOGIN.format("bob", "wild-user"),
        LOGIN.format("zoe", "wild-user"),
    ],
    "logs": ["HOST/bad-log/a", "-r HOST/log-file/a DIR/d/"],
    "charset": ["HOST/bad-charset/", "--iconv=utf8 HOST/bad-charset/", "-a --iconv=. HOST/no-iconv/ DIR/d/"],
    "small": [
        "HOST/", "HOST/no-list/", "-r HOST/bad-out-chmod/ DIR/d/", "-rvv HOST/negative/a DIR/d/",
        # A pattern does not match a dangling link.
        "-r HOST/pre-root/* DIR/d/",
    ],
    "ids": [
        f"-a HOST/{name}/ DIR/d/" for name in ("groups", "all-groups", "bad-gid", "numbers", "negative-uid")
    ],
    "fake": ["-r --perms DIR/send/ HOST/fake/", "-a DIR/send/ HOST/fake/", "-a DIR/send/ HOST/fake/x/"],
    "relative": [
        f"-aR HOST/{module}/{path} DIR/d/"
        for module in ("log-file", "pre-root")
        for path in ("sub/./b", "./sub/b", "./././a", "s*/./b", "./s*/b", "sub/./../a", "./a")
    ],
}  # fmt: skip

REFUSED = {
    "dmn-37": ["pre", "pre-quiet", "pre-signal", "pre-many", "pre-crlf", "pre-none"],
    "dmn-56": ["pre-post"],
    "no-iconv": ["no-iconv"],
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with Pair(tmp_path_factory.mktemp("modules"), CONF.encode()) as pair:
        yield pair


@pytest.mark.parametrize("words", [pytest.param(w, id=f"{name}-{w}") for name, rows in SAME.items() for w in rows])
def test_module(pair: Pair, words: str) -> None:
    if "HOST/pre-root" in words:
        programs.need_root()
    password = "a:b" if "//alf@" in words else "secret"
    pair.same(words, reset="d" if "DIR/d" in words else "up", RSYNC_PASSWORD=password)


def test_module_with_a_blank(pair: Pair) -> None:
    pair.same(["-r", "HOST/sp ace/a", "HOST/sp ace/sub", "DIR/d/"], reset="d")


@pytest.mark.parametrize("words", [pytest.param(w, id=f"{name}-{w}") for name, rows in REFUSED.items() for w in rows])
def test_refused_pull(pair: Pair, words: str) -> None:
    pair.refused(f"-r HOST/{words}/ DIR/up/", reset="up")


@pytest.mark.parametrize("words", ["-ac", "-av"])
def test_words_before_a_refused_option_are_read(pair: Pair, words: str) -> None:
    pair.refused(f"{words} HOST/refuse/ DIR/d/", reset="d")

"""The text phase, compared with the real daemon: the same bytes sent, the same answer and log lines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .harness import HELLO, Daemon

CONF = b"""log file = DIR/log
use chroot = no
reverse lookup = no
motd file = DIR/motd
uid = 0
gid = 0
[m]
 path = DIR/tree
 comment = a comment
[a module with a long name]
 path = DIR/tree
 comment = b
[hidden]
 path = DIR/tree
 list = no
[denied]
 path = DIR/tree
 hosts deny = 127.0.0.1
[hidden-denied]
 path = DIR/tree
 list = no
 hosts deny = 127.0.0.0/8
[allowonly]
 path = DIR/tree
 hosts allow = 10.0.0.0/8
[allowdeny]
 path = DIR/tree
 hosts allow = 10.0.0.0/8
 hosts deny = 11.0.0.0/8
[full]
 path = DIR/tree
 max connections = -1
 lock file = DIR/lock
[badlock]
 path = DIR/tree
 max connections = 1
 lock file = DIR/missing/lock
[nopath]
[baduid]
 path = DIR/tree
 uid = nosuchuser
[minus]
 path = DIR/tree
 uid = -1
[badgid]
 path = DIR/tree
 gid = 0 nosuchgroup
[stargid]
 path = DIR/tree
 gid = 0 *
[nodir]
 path = DIR/missing
[chrootnodir]
 path = DIR/missing
 use chroot = yes
[early]
 path = DIR/tree
 early exec = exit 3
[nosecrets]
 path = DIR/tree
 auth users = bob
[weak]
 path = DIR/tree
 auth users = bob
 auth digest = sha256
 secrets file = DIR/secrets
[nodigest]
 path = DIR/tree
 auth users = bob
 auth digest = md6
 secrets file = DIR/secrets
[nofilter]
 path = DIR/tree
 exclude from = DIR/missing
"""

CASES: dict[str, bytes] = {
    "list": HELLO + b"#list\n",
    "empty line lists": HELLO + b"\n",
    "cr is dropped": HELLO + b"#list\r\n",
    "negative protocol": b"@RSYNCD: -3\n#list\n",
    "no greeting": b"hello\n",
    "no number": b"@RSYNCD: x\n",
    "no sub": b"@RSYNCD: 30\n",
    "bad sub": b"@RSYNCD: 32.x md5\n",
    "empty sub": b"@RSYNCD: 30.\n",
    "no digests": b"@RSYNCD: 32.0\n",
    "empty digests": b"@RSYNCD: 32.0 \n#list\n",
    "31 needs no digests": b"@RSYNCD: 31.0\n#list\n",
    "29 needs no sub": b"@RSYNCD: 29\n#list\n",
    "higher protocol": b"@RSYNCD: 99.0 md5\n#list\n",
    "no blank before the number": b"@RSYNCD:32.0 md5\n#list\n",
    "junk after sub": b"@RSYNCD: 32.0x md5\n#list\n",
    "leading blank": b" @RSYNCD: 32.0 md5\n",
    "leading zero": b"@RSYNCD: 031.0\n#list\n",
    "unknown command": HELLO + b"#foo bar\n",
    "unknown module": HELLO + b"nope\n",
    "case counts": HELLO + b"M\n",
    "blank counts": HELLO + b" m\n",
    "latin-1 name": HELLO + b"n\xe4me\n",
    "longest line": HELLO + b"a" * 1022 + b"\n",
    "too long a line": HELLO + b"a" * 1023 + b"\n",
    "far too long a line": HELLO + b"a" * 3000 + b"\n",
    "nul in a line": HELLO + b"m\0m\n",
    "early input 0": HELLO + b"#early_input=0\n",
    "early input too long": HELLO + b"#early_input=5121\n",
    "early input junk": HELLO + b"#early_input=x\n",
    "early input": HELLO + b"#early_input=4\nab\n\x01nope\n",
    "early input then list": HELLO + b"#early_input=4\nabcd#list\n",
    "module": HELLO + b"m\n",
    "hidden module": HELLO + b"hidden\n",
    "module with blanks": HELLO + b"a module with a long name\n",
    "denied": HELLO + b"denied\n",
    "hidden and denied": HELLO + b"hidden-denied\n",
    "not allowed": HELLO + b"allowonly\n",
    "neither allowed nor denied": HELLO + b"allowdeny\n",
    "disabled": HELLO + b"full\n",
    "lock file": HELLO + b"badlock\n",
    "no path": HELLO + b"nopath\n",
    "bad uid": HELLO + b"baduid\n",
    "uid -1": HELLO + b"minus\n",
    "bad gid": HELLO + b"badgid\n",
    "star gid not first": HELLO + b"stargid\n",
    "missing directory": HELLO + b"nodir\n",
    "missing chroot": HELLO + b"chrootnodir\n",
    "early exec": HELLO + b"early\n",
    "no digest in common": b"@RSYNCD: 32.0 foo\nnosecrets\n",
    "weak digest": b"@RSYNCD: 31.0\nweak\n",
    "unknown floor": HELLO + b"nodigest\n",
    "filter file missing": HELLO + b"nofilter\n",
}

# Lines about a reply to a client that had hung up, and lines with a wording of our own.
_SKIP = ("safe_write failed", "early exec", "error in rsync protocol data stream")
_NEEDS_ROOT = {"bad gid", "star gid not first", "missing chroot"}


def _prepare(directory: Path) -> None:
    (directory / "tree").mkdir(parents=True)
    (directory / "motd").write_bytes(b"message\nof the day\n")
    (directory / "secrets").write_bytes(b"bob:secret\n")
    (directory / "secrets").chmod(0o600)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    daemons = []
    for kind in ("rsync", "tain"):
        directory = tmp_path_factory.mktemp(kind)
        directory.chmod(0o755)
        _prepare(directory)
        daemons.append(Daemon(kind, directory, CONF))
    yield daemons
    for daemon in daemons:
        daemon.stop()


def _ask(daemon: Daemon, data: bytes) -> tuple[bytes, list[str]]:
    seen = len(daemon.log_lines())
    # A daemon that closes with unread input takes back what the client has not read of the answer either, so the end of
    # the greeting is awaited before more than it reads is sent.
    long = len(data) > len(HELLO) + 1024 and data.startswith(HELLO)
    parts = (HELLO, data.removeprefix(HELLO)) if long else (data,)
    answer = daemon.talk(*parts, until=b"day\n\n").replace(os.fsencode(daemon.dir), b"DIR")
    lines = [line for line in daemon.log_lines()[seen:] if not any(text in line for text in _SKIP)]
    return answer, lines


@pytest.mark.parametrize("number", [20, 24, 25, 26])
def test_old_clients_get_an_old_greeting(pair: list[Daemon], number: int) -> None:
    """An old program refuses a number above 30, so only the greeting differs from rsync's."""
    (theirs, log), (ours, own_log) = (_ask(daemon, b"@RSYNCD: %d\n#list\n" % number) for daemon in pair)
    greeting = b"@RSYNCD: %d\n" % number
    assert ours.startswith(greeting) and own_log == log
    assert ours.removeprefix(greeting) == theirs.partition(b"\n")[2]


@pytest.mark.parametrize("name", CASES)
def test_same_answer_and_log(pair: list[Daemon], name: str) -> None:
    if name in _NEEDS_ROOT and os.geteuid():
        pytest.skip("needs root")
    theirs, ours = (_ask(daemon, CASES[name]) for daemon in pair)
    assert ours == theirs


def test_control_bytes_are_sent_back_unchanged(pair: list[Daemon]) -> None:
    # The client escapes the text; a daemon that did so too would have it escaped twice.
    for daemon in pair:
        assert b"@ERROR: Unknown module 'x\x1by'" in daemon.talk(HELLO + b"x\x1by\n")


@pytest.mark.parametrize("words", [("HOST",), ("HOST/",), ("HOST/nope/",), ("--no-motd", "HOST/")])
def test_real_client_sees_the_same(pair: list[Daemon], words: tuple[str, ...]) -> None:
    theirs, ours = (daemon.client(*words) for daemon in pair)
    assert ours == theirs


LOGIN = b"""log file = DIR/log
use chroot = no
reverse lookup = no
uid = 0
gid = 0
path = DIR/tree
secrets file = DIR/secrets
[m]
 auth users = bob:deny, al*:ro, x y:rw, #c, nobodyhas
[comma]
 auth users = , al f, root:ro, @Some Group:deny, bob
[group]
 auth users = @root
[open]
 auth users = bob
 secrets file = DIR/open
 strict modes = no
[mode644]
 auth users = bob
 secrets file = DIR/open
[owner]
 auth users = bob
 secrets file = DIR/owned
"""
LOGINS = [
    (b"m", b"bob", b"secret"), (b"m", b"alf", b"a:b"), (b"m", b"alf", b"a"), (b"m", b"x", b"xx"), (b"m", b"y", b"yy"),
    (b"m", b"#c", b"cc"), (b"m", b"", b""), (b"m", b"z", b""), (b"m", b"nobodyhas", b""), (b"comma", b"bob", b"secret"),
    (b"comma", b"x", b"xx"), (b"group", b"root", b"groups"), (b"group", b"root", b"wrong"),
    (b"group", b"bob", b"secret"), (b"open", b"bob", b"secret"), (b"mode644", b"bob", b"secret"),
    (b"owner", b"bob", b"secret"), (b"m", b"alf", b"second"),
]  # fmt: skip


@pytest.fixture(scope="module")
def login_pair(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    daemons = []
    for kind in ("rsync", "tain"):
        directory = tmp_path_factory.mktemp(kind + "-login")
        directory.chmod(0o755)
        (directory / "tree").mkdir()
        text = b"# comment\nbob:secret\nalf:a:b\nalf:second\nx:xx\ny:yy\n#c:cc\nroot:own\n@root:groups\n"
        for name, mode in (("secrets", 0o640), ("open", 0o644), ("owned", 0o600)):
            (directory / name).write_bytes(text)
            (directory / name).chmod(mode)
        if not os.geteuid():
            os.chown(directory / "owned", 1, 1)
        daemons.append(Daemon(kind, directory, LOGIN))
    yield daemons
    for daemon in daemons:
        daemon.stop()


@pytest.mark.parametrize(("module", "user", "password"), LOGINS)
def test_same_login(login_pair: list[Daemon], module: bytes, user: bytes, password: bytes) -> None:
    results = []
    for daemon in login_pair:
        seen = len(daemon.log_lines())
        line = daemon.login(module, user, password)
        lines = daemon.log_lines()[seen:]
        results.append((line, [x for x in lines if not any(text in x for text in (*_SKIP, "unexpectedly closed"))]))
    assert results[1] == results[0]


@pytest.mark.parametrize("digest", ["sha512", "sha256", "sha1", "md5"])
def test_every_digest(login_pair: list[Daemon], digest: str) -> None:
    hello = b"@RSYNCD: 32.0 %s\n" % digest.encode()
    for daemon in login_pair:
        assert daemon.login(b"m", b"alf", b"a:b", digest, hello) == b"@RSYNCD: OK\n"


def test_without_a_list_md5_is_used(login_pair: list[Daemon]) -> None:
    for daemon in login_pair:
        assert daemon.login(b"m", b"alf", b"a:b", "md5", b"@RSYNCD: 31.0\n") == b"@RSYNCD: OK\n"


@pytest.mark.parametrize(("hello", "kind"), [(b"@RSYNCD: 29\n", "md4-old"), (b"@RSYNCD: 29.0 md4\n", "md4")])
def test_both_forms_of_md4(login_pair: list[Daemon], hello: bytes, kind: str) -> None:
    from tain.session import digests

    for daemon in login_pair:
        with daemon.connect() as sock, sock.makefile("rb") as lines:
            sock.sendall(hello + b"m\n")
            lines.readline()
            text = lines.readline().split()[2]
            sock.sendall(b"alf " + digests.response(kind, b"a:b", text) + b"\n")
            assert lines.readline() == b"@RSYNCD: OK\n"


@pytest.mark.parametrize("password", ["a:b", "wrong"])
def test_real_client_logs_in(login_pair: list[Daemon], password: str) -> None:
    if password == "wrong":
        theirs, ours = (d.client(f"rsync://alf@127.0.0.1:{d.port}/m/", RSYNC_PASSWORD=password) for d in login_pair)
        assert ours == theirs
        assert "@ERROR: auth failed on module m" in ours[2]

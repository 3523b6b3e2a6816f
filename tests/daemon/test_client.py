"""Both clients before one daemon, rsync's: ways to it, passwords, early input, lists (spec: daemon 1.7, 4, 6.4)."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator

import pytest

from .harness import Daemon
from .pairs import Outcome, counted, difference, fill, listing, ordered, plain

CONF = b"""log file = DIR/log
use chroot = no
reverse lookup = no
motd file = DIR/motd
uid = 0
gid = 0
path = DIR/tree
[m]
 comment = hi
[a]
 auth users = bob
 secrets file = DIR/secrets
[early]
 early exec = cat > DIR/early
"""

SHELL = """#!/bin/sh
while [ "$1" != rsync ]; do shift; done
shift
exec rsync "$@" --config=DIR/rsyncd.conf
"""

BOB = "rsync://bob@127.0.0.1:PORT/a/"

CASES = {
    "lists": [
        "HOST", "HOST/", "127.0.0.1:: --port=PORT", "--no-motd HOST/", "--no-motd HOST/m/", "-q HOST/",
        "--list-only HOST/",
        "--protocol=30 HOST/", "--protocol=25 HOST/", "127.0.0.1::#list --port=PORT", "rsync://bob@127.0.0.1:PORT/",
    ],
    "ways": [
        "-r HOST/m/ DIR/d/", "HOST/m HOST/early DIR/d/", "RSYNC://127.0.0.1:PORT/m/",
        "rsync://127.0.0.1:1/m/", "rsync://nosuchhost.invalid/m/", "-6 rsync://127.0.0.1:PORT/m/",
        "--address=127.0.0.2 HOST/m/", "--address=nosuch.invalid HOST/m/", "--address=192.0.2.1 HOST/m/",
        "--sockopts=FOO HOST/m/", "HOST/nope/", "HOST//m", "-r DIR/send/ HOST/nope/",
    ],
    "passwords": [
        # Without a password the client would ask the terminal for one.
        f"RSYNC_PASSWORD=secret {BOB}", f"RSYNC_PASSWORD=wrong {BOB}",
        "USER=bob RSYNC_PASSWORD=secret HOST/a/",
        *(f"--password-file=DIR/pw.{name} {BOB}" for name in ("600", "644", "blank", "crlf", "empty", "long", "none")),
        f"--password-file=DIR {BOB}", f"--password-file=- {BOB}", "--password-file=DIR/pw.none HOST/m/",
        "--password-file=DIR/pw.600 DIR/tree/ DIR/d/",
    ],
    "early": [
        *(f"--early-input=DIR/{name} HOST/early/" for name in ("pw.600", "e5120", "pw.empty")),
        "--early-input=DIR/pw.600 DIR/tree/ DIR/d/",
    ],
    "shell": [
        "-e DIR/shell 127.0.0.1::m/", "-e DIR/shell 127.0.0.1::", f"RSYNC_PASSWORD=secret -e DIR/shell {BOB}",
        "-e 'sh -c \"sleep 1; exit 7\"' 127.0.0.1::m/", "-e DIR/shell -r 127.0.0.1::m/ DIR/d/",
    ],
    "programs": [
        "RSYNC_CONNECT_PROG='rsync --server --daemon --config=DIR/rsyncd.conf .' rsync://foo.bar:77/m/",
        "RSYNC_PROXY=joe@127.0.0.1:1 HOST/m/", "RSYNC_PROXY=127.0.0.1 HOST/m/", "RSYNC_PROXY=127.0.0.1:1 HOST/m/",
        "RSYNC_PROXY= HOST/m/",
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    place = tmp_path_factory.mktemp("client")
    fill(place)
    (place / "motd").write_text("hello\n")
    (place / "e5120").write_bytes(b"z" * 5120)
    (place / "shell").write_text(SHELL.replace("DIR", str(place)))
    (place / "shell").chmod(0o755)
    texts = {"600": "secret\n", "644": "secret\n", "blank": "\nsecret\n", "crlf": "secret\r\n", "empty": ""}
    texts["long"] = "x" * 5000
    for name, text in texts.items():
        (place / f"pw.{name}").write_text(text)
        (place / f"pw.{name}").chmod(0o644 if name == "644" else 0o600)
    with Daemon("rsync", place, CONF) as running:
        yield running


def _ask(daemon: Daemon, program: str, line: str) -> Outcome:
    words = [word.replace("DIR", str(daemon.dir)).replace("PORT", str(daemon.port)) for word in shlex.split(line)]
    env = {}
    while "=" in words[0] and words[0][0].isupper():
        name, _, value = words.pop(0).partition("=")
        env[name] = value
    shutil.rmtree(daemon.dir / "d", ignore_errors=True)
    (daemon.dir / "d").mkdir()
    seen = len(daemon.log_lines())
    code, out, err = daemon.client(*words, program=program, **env)
    log = ordered([counted(text) for text in daemon.log_lines()[seen:]])
    return Outcome(code, plain(out, daemon), plain(err, daemon), log, list(listing(daemon.dir / "d")))


@pytest.mark.parametrize("line", [pytest.param(w, id=f"{name}-{w}") for name, rows in CASES.items() for w in rows])
def test_client(daemon: Daemon, line: str) -> None:
    theirs, ours = (_ask(daemon, program, line) for program in ("rsync", "tain"))
    if ours != theirs:
        pytest.fail(difference(theirs, ours), pytrace=False)


@pytest.mark.parametrize("line", ["-e false", "-e 'sh -c \"exit 127\"'", "RSYNC_CONNECT_PROG='exit 3'"])
def test_no_greeting(daemon: Daemon, line: str) -> None:
    """rsync's client ends with 5 or with 12, depending on which process is faster."""
    target = "127.0.0.1::m/" if line.startswith("-e") else "rsync://foo.bar/m/"
    found = _ask(daemon, "tain", f"{line} {target}")
    assert found.code in (5, 12)
    assert found.code == 12 or "rsync: did not see server greeting\n" in found.err

"""The daemon's part of a connection by its bytes: PRO-72 to PRO-78 (spec: protocol 10)."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import programs
from tests.interop.ends import Daemon
from tests.protocol.client import connect, pull
from tests.protocol.link import ERROR, ERROR_EXIT, GREETING, Job, Session, Wire, enter, handshake, password


@contextmanager
def line_talk(port: int, greeting: bytes) -> Iterator[Wire]:
    """A connection after both greetings."""
    with socket.create_connection(("127.0.0.1", port), 60) as sock:
        w = Wire(sock)
        w.send(greeting)
        assert w.line() == b"@RSYNCD: 32.0 sha512 sha256 sha1 md5 md4"
        yield w


def to_end(w: Wire) -> bytes:
    try:
        while True:
            w.more()
    except EOFError:
        return bytes(w.raw)


AUTH = [
    (b"@RSYNCD: 29\n", 29, None, 22),
    (b"@RSYNCD: 29.0 md4\n", 29, "md4", 22),
    (b"@RSYNCD: 31.0\n", 31, None, 22),
    (b"@RSYNCD: 30.0\n", 30, None, 22),
    (b"@RSYNCD: 31.0 md5 md4\n", 31, "md5", 22),
    (b"@RSYNCD: 32.0 md4\n", 32, "md4", 22),
    (b"@RSYNCD: 32.0 sha1\n", 32, "sha1", 27),
    (b"@RSYNCD: 32.0 sha256 md5\n", 32, "sha256", 43),
    (b"@RSYNCD: 32.0 sha512 sha256 sha1 md5 md4\n", 32, "sha512", 86),
    (b"@RSYNCD: 29.0 sha512 md4\n", 29, "sha512", 86),
]


@pytest.mark.parametrize(("greeting", "p", "digest", "size"), AUTH, ids=[x[0][9:-1].decode() for x in AUTH])
@pytest.mark.parametrize("right", [True, False])
def test_pro_72_73_answers(
    right: bool,
    greeting: bytes,
    p: int,
    digest: str | None,
    size: int,
    program: str,
    tree: Path,
    daemons: dict[str, int],
) -> None:
    """PRO-72, PRO-73: the digest follows from the greeting; base64 without padding."""
    with line_talk(daemons[program], greeting) as w:
        w.send(b"s\n")
        challenge = w.line()
        assert challenge.startswith(b"@RSYNCD: AUTHREQD ") and b"=" not in challenge
        answer = password(challenge, "secret" if right else "wrong", p, digest)
        assert len(answer) == size and b"=" not in answer
        w.send(b"joe " + answer + b"\n")
        assert w.line() == (b"@RSYNCD: OK" if right else b"@ERROR: auth failed on module s")


@pytest.mark.parametrize("ask", [b"#list\n", b"\n"])
def test_pro_74_lists(ask: bytes, program: str, tree: Path, env: dict[str, str], daemons: dict[str, int]) -> None:
    """PRO-74: names, a TAB, comments; modules that are not to be listed are not."""
    with line_talk(daemons[program], GREETING % 32) as w:
        w.send(ask)
        assert to_end(w) == b"m              \tthe place\ns              \tlocked\n@RSYNCD: EXIT\n"
    with line_talk(daemons[program], GREETING % 32) as w:
        w.send(b"#other\n")
        assert to_end(w) == b"@ERROR: Unknown command '#other'\n"


@pytest.mark.parametrize("p", [27, 29, 30, 32])
def test_pro_75_ends_of_words(p: int, program: str, tree: Path, daemons: dict[str, int]) -> None:
    """PRO-75: NUL from 30 on and LF below; the other one is part of a word."""
    (tree / "src/odd\nname" if p >= 30 else tree / "src/odd name").write_bytes(b"odd")
    name = "m/src/odd\nname" if p >= 30 else "m/src/odd name"
    s = connect(daemons[program], Job(p=p, paths=[name]))
    enter(s, "m")
    handshake(s, numbers=False)
    pull(s)
    assert list(s.files.values()) == [b"odd"]


def test_pro_76_backslashes(program: str, tree: Path, daemons: dict[str, int]) -> None:
    """PRO-76: `\\-r` is an option word like any other; in a path a backslash is one, here of a pattern."""
    (tree / "src/w*").write_bytes(b"star")
    (tree / "src/wx").write_bytes(b"x")
    s = connect(daemons[program], Job(paths=[r"m/src/w\*"], long=[r"--exclu\de=\b\i\g", r"\--numeric-ids"]))
    enter(s, "m")
    handshake(s, numbers=False)
    s.job.long = ["--numeric-ids"]
    s.terms.numeric = True
    pull(s)
    assert s.files == {b"w*": b"star"}


V2 = b"\r\n\r\n\0\r\nQUIT\n"
ADDRESS = bytes([10, 1, 2, 3, 127, 0, 0, 1]) + struct.pack(">HH", 999, 873)
HEADERS: dict[str, tuple[bytes, bool]] = {
    "v1": (b"PROXY TCP4 10.1.2.3 127.0.0.1 999 873\r\n", True),
    "v1-unknown": (b"PROXY UNKNOWN\r\n", False),
    "v2": (V2 + b"\x21\x11\0\x0c" + ADDRESS, True),
    "v2-local": (V2 + b"\x20\x11\0\x0c" + ADDRESS, False),
}
BAD = {
    "none": b"",
    "v1-port": b"PROXY TCP4 10.1.2.3 127.0.0.1 0 873\r\n",
    "v1-address": b"PROXY TCP4 10.1.2.300 127.0.0.1 999 873\r\n",
    "v1-blanks": b"PROXY  TCP4 10.1.2.3 127.0.0.1 999 873\r\n",
    "v1-long": b"PROXY UNKNOWN " + b"x" * 200 + b"\r\n",
    "v2-version": V2 + b"\x11\x11\0\x0c" + ADDRESS,
    "v2-command": V2 + b"\x22\x11\0\x0c" + ADDRESS,
    "v2-length": V2 + b"\x21\x11\0\x0b" + ADDRESS,
    "v2-long": V2 + b"\x21\x11\0\xd9" + bytes(217),
}


@pytest.fixture(scope="module")
def proxied(space: Path, tain: str, rsync: str) -> Iterator[dict[str, int]]:
    """Daemons behind a proxy; module m is for 10.1.2.3, module l for this machine."""
    where = space / "w"
    config = (
        "use chroot = no\nproxy protocol = yes\nproxy protocol hosts = 127.0.0.1\n"
        f"[m]\npath = {where}\nhosts allow = 10.1.2.3\n[l]\npath = {where}\nhosts allow = 127.0.0.1\n"
    )
    if os.geteuid() == 0:
        config = "uid = 0\ngid = 0\n" + config
    env = programs.environment(str(space))
    with Daemon(rsync, space, env, config, "x-rsync") as theirs, Daemon(tain, space, env, config, "x-tain") as ours:
        yield {tain: ours.port, rsync: theirs.port}


def said_behind(port: int, header: bytes, module: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 60) as sock:
        w = Wire(sock)
        try:
            w.send(header + GREETING % 32 + module + b"\n")
            while not w.raw.endswith(b"OK\n"):
                w.more()
        except (EOFError, OSError):
            pass
        return bytes(w.raw)


@pytest.mark.parametrize("what", HEADERS)
def test_pro_77_proxies(what: str, program: str, tree: Path, proxied: dict[str, int]) -> None:
    """PRO-77: the source address counts where there is one, else the socket's."""
    header, moved = HEADERS[what]
    for module, allowed in ((b"m", moved), (b"l", not moved)):
        said = said_behind(proxied[program], header, module)
        assert said.endswith(b"@RSYNCD: OK\n") == allowed and (b"@ERROR: access denied" in said) != allowed, said


@pytest.mark.parametrize("what", BAD)
def test_pro_77_bad_proxies(what: str, program: str, tree: Path, proxied: dict[str, int]) -> None:
    """PRO-77: malformed headers, and none, end the connection without a word."""
    assert said_behind(proxied[program], BAD[what], b"l") == b""


def test_pro_77_no_proxy_is_expected(program: str, tree: Path, daemons: dict[str, int]) -> None:
    """PRO-77: where the parameter is off, a header is no greeting."""
    said = said_behind(daemons[program], HEADERS["v1"][0], b"m")
    assert b"@ERROR: protocol startup error" in said, said


@pytest.mark.parametrize("p", [29, 30, 31, 32])
def test_pro_78_option_errors(p: int, program: str, tree: Path, daemons: dict[str, int]) -> None:
    """PRO-78: the text comes as a message behind a whole handshake; from 31 on the code follows.

    A push, so that nothing is left unread, which would reset the connection.
    """
    s: Session = connect(daemons[program], Job(p=p, sender=False, paths=["m/dst/"], long=["--no-such-option"]))
    enter(s, "m")
    handshake(s, numbers=False)
    s.wire.flush()
    s.wire.gone()
    told = [tag for tag, _ in s.wire.messages]
    assert any(tag in told for tag in (ERROR, 1)) and "no-such-option" in s.wire.texts(), s.wire.messages
    codes = [payload for tag, payload in s.wire.messages if tag == ERROR_EXIT]
    assert codes == ([b"\4\0\0\0"] if p >= 31 else []), s.wire.messages

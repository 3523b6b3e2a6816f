"""The daemon protocol as a client speaks it."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

import pytest

from tain import _core
from tain.errors import StartupError, UnsupportedError, UsageError
from tain.options.resolved import ResolvedOptions
from tain.report.output import Output
from tain.session import digests, greeting
from tain.session.environment import Environment
from tests.unit.fake_core import FakeLink


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        (b"abc", "a448017aaf21d8525fc10ae87aa6729d"),
        (b"1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
    ],
)
def test_md4(data: bytes, digest: str) -> None:
    assert _core.seeded_md4(data, "md4").hex() == digest


@pytest.mark.parametrize(
    ("name", "length"), [("md4", 22), ("md4-old", 22), ("md5", 22), ("sha1", 27), ("sha256", 43), ("sha512", 86)]
)
def test_lengths_of_answers(name: str, length: int) -> None:
    assert len(digests.response(name, b"secret", b"challenge")) == length


def test_choice_of_a_digest() -> None:
    assert digests.choose(["md4", "sha1", "md5"], 32) == "sha1"
    assert digests.choose(None, 31) == "md5"
    assert digests.choose(None, 29) == "md4-old"
    assert digests.choose(["foo"], 32) is None


@pytest.mark.parametrize(
    ("line", "own", "agreed"),
    [
        (b"@RSYNCD: 32.0 md5", 32, 32),
        (b"@RSYNCD: 32.1 md5", 32, 31),
        (b"@RSYNCD: 31.0", 32, 31),
        (b"@RSYNCD: 31.14", 32, 30),
        (b"@RSYNCD: 40.2 md5", 32, 32),
        (b"@RSYNCD: 29", 32, 29),
        (b"@RSYNCD: 32.0 md5", 29, 29),
    ],
)
def test_agreement(line: bytes, own: int, agreed: int) -> None:
    peer = greeting.parse_greeting(line)
    assert peer is not None
    assert peer.agreed(own) == agreed


@pytest.mark.parametrize("line", [b"hello", b"@RSYNCD:", b"@RSYNCD: x", b"@RSYNCD 31.0"])
def test_lines_that_are_not_a_greeting(line: bytes) -> None:
    assert greeting.parse_greeting(line) is None


@pytest.mark.parametrize(
    ("line", "protocol", "sub", "names"),
    [
        (b"@RSYNCD:32.0 md5", 32, 0, ["md5"]),
        (b"@RSYNCD: \t+32. 0x md5", 32, 0, ["0x", "md5"]),
        (b"@RSYNCD:  32.0  md5", 32, 0, ["md5"]),
        (b"@RSYNCD: 32 .0 md5", 32, None, [".0", "md5"]),
        (b"@RSYNCD: 32.-1 md5", 32, None, ["md5"]),
        (b"@RSYNCD: 31.x", 31, None, None),
        (b"@RSYNCD: -1.0", -1, 0, None),
        (b"@RSYNCD: 1" + b"0" * 30, 0x7FFFFFFF, None, None),
    ],
)
def test_numbers_are_read_as_by_scanf(line: bytes, protocol: int, sub: int | None, names: list[str] | None) -> None:
    peer = greeting.parse_greeting(line)
    assert peer is not None
    assert (peer.protocol, peer.sub, peer.digests) == (protocol, sub, names)


def converse(
    script: bytes, tmp_path: Path, name: bytes = b"mod", **values: object
) -> tuple[bool, bytes, bytes, bytes, tuple[int, int]]:
    """Talk to a daemon that says *script* whatever it hears: (result, what it heard, stdout, stderr, protocols)."""
    options = ResolvedOptions()
    for key, value in values.items():
        setattr(options, key, value)
    ours, theirs = socket.socketpair()
    theirs.sendall(script)
    theirs.shutdown(socket.SHUT_WR)
    out_fd = os.open(tmp_path / "out", os.O_RDWR | os.O_CREAT)
    err_fd = os.open(tmp_path / "err", os.O_RDWR | os.O_CREAT)
    link = FakeLink(ours.fileno(), ours.fileno())
    ours.close()
    env = Environment(argv=[b"rsync"], environ={b"USER": b"joe", b"RSYNC_PASSWORD": b"secret"})
    received = b""
    try:
        talk = greeting.Conversation(link, options, env, Output(out_fd, err_fd), role="sender")
        talk.greet()
        result = talk.open_module(name, b"")
        if result:
            talk.send_arguments([b"--server", b".", b"mod/"])
    finally:
        link.close()
        # A client that gives up leaves answers unread, which resets the connection.
        with contextlib.suppress(ConnectionResetError):
            while piece := theirs.recv(1000):
                received += piece
        theirs.close()
        os.close(out_fd)
        os.close(err_fd)
    return result, received, (tmp_path / "out").read_bytes(), (tmp_path / "err").read_bytes(), talk.protocols


OWN = b"@RSYNCD: 32.0 sha512 sha256 sha1 md5 md4\n"


def test_module(tmp_path: Path) -> None:
    result, received, out, err, protocols = converse(b"@RSYNCD: 31.0 md5\nwelcome\n\n@RSYNCD: OK\n", tmp_path)
    assert result
    assert received == OWN + b"mod\n" + b"--server\0.\0mod/\0\0"
    assert (out, err) == (b"welcome\n\n", b"")
    assert protocols == (31, 31)


def test_old_daemon_wants_lines(tmp_path: Path) -> None:
    _, received, *_ = converse(b"@RSYNCD: 29\n@RSYNCD: OK\n", tmp_path, motd=False)
    assert received.endswith(b"mod\n--server\n.\nmod/\n\n")


def test_list(tmp_path: Path) -> None:
    result, received, out, _, _ = converse(b"@RSYNCD: 32.0 md5\nm\tx\n@RSYNCD: EXIT\n", tmp_path, name=b"")
    assert not result
    assert received == OWN + b"\n"
    assert out == b"m\tx\n"


def test_authentication(tmp_path: Path) -> None:
    _, received, *_ = converse(b"@RSYNCD: 32.0 md5 sha1\n@RSYNCD: AUTHREQD abc\n@RSYNCD: OK\n", tmp_path)
    assert b"\njoe " + digests.response("sha1", b"secret", b"abc") + b"\n" in received


def test_no_digest_in_common(tmp_path: Path) -> None:
    with pytest.raises(
        UnsupportedError, match=r"^Failed to negotiate a daemon auth checksum choice\.\nServer list: foo\n"
    ):
        converse(b"@RSYNCD: 32.0 foo\n@RSYNCD: AUTHREQD abc\n", tmp_path)


def test_early_input(tmp_path: Path) -> None:
    file = tmp_path / "early"
    file.write_bytes(b"abc\n")
    _, received, *_ = converse(b"@RSYNCD: 32.0 md5\n@RSYNCD: OK\n", tmp_path, early_input=os.fsencode(file))
    assert b"\n#early_input=4\nabc\nmod\n" in received
    file.write_bytes(b"x" * 5121)
    with pytest.raises(StartupError, match="is > 5120 bytes"):
        converse(b"@RSYNCD: 32.0 md5\n@RSYNCD: OK\n", tmp_path, early_input=os.fsencode(file))


@pytest.mark.parametrize(
    ("script", "text"),
    [
        (b"", "rsync: did not see server greeting"),
        (b"hello\n", 'rsync: server sent "hello" rather than greeting'),
        (b"@RSYNCD: 31\n", "rsync: the server omitted the subprotocol value: @RSYNCD: 31"),
        (b"@RSYNCD: 32.0\n", "rsync: the server omitted the digest name list: @RSYNCD: 32.0"),
        (b"@RSYNCD: 32.0 md5\n", "rsync: didn't get server startup line"),
        (b"@RSYNCD: 32.0 md5\n@ERROR: no\n", ""),
    ],
)
def test_failures(script: bytes, text: str, tmp_path: Path) -> None:
    with pytest.raises(StartupError) as caught:
        converse(script, tmp_path)
    assert str(caught.value) == text
    assert (tmp_path / "err").read_bytes() == (b"@ERROR: no\n" if b"@ERROR" in script else b"")


def test_module_names() -> None:
    assert greeting.module_name(b"a/b") == b"a"
    with pytest.raises(StartupError, match="must start with a module name"):
        greeting.module_name(b"/a")


def test_password_files(tmp_path: Path) -> None:
    file = tmp_path / "pw"
    file.write_bytes(b"one\r\ntwo\n")
    file.chmod(0o600)
    options = ResolvedOptions()
    options.password_file = os.fsencode(file)
    env = Environment(argv=[b"rsync"], environ={})
    assert greeting.read_password(options, env, role="sender") == b"one"
    file.chmod(0o644)
    with pytest.raises(UsageError, match="must not be other-accessible"):
        greeting.read_password(options, env, role="sender")
    file.chmod(0o600)
    file.write_bytes(b"")
    with pytest.raises(UsageError, match="failed to read a password from"):
        greeting.read_password(options, env, role="sender")
    file.unlink()
    with pytest.raises(UsageError, match=r"^rsync: \[sender\] could not open password file .*: No such file"):
        greeting.read_password(options, env, role="sender")

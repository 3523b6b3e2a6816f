"""What a server reports to its client when nothing can be transferred."""

from __future__ import annotations

import os
import socket
import sys
import types
from pathlib import Path

import pytest

import tain
from tain.errors import MemoryLimitError, UnsupportedError
from tain.options.resolved import ResolvedOptions
from tain.session import server
from tain.session.environment import Environment
from tests.unit.fake_core import FakeLink


def meet(
    options: ResolvedOptions,
    tmp_path: Path,
    *,
    protocol: int = 32,
    daemon: server.DaemonSide | None = None,
    after: bytes = b"",
) -> tuple[int, bytes, bytes]:
    """Exit code, what a client reads, and standard error, of a server whose client says a number and *after*."""
    ours, theirs = socket.socketpair()
    if daemon is None:
        theirs.sendall(protocol.to_bytes(4, "little"))
    theirs.sendall(after)
    theirs.shutdown(socket.SHUT_WR)
    link = FakeLink(ours.fileno(), ours.fileno())
    ours.close()
    err = os.open(tmp_path / "err", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    env = Environment(argv=[b"rsync"], environ={}, stderr=err)
    code = server.serve(options, link, env, daemon=daemon)  # type: ignore[arg-type]
    link.close()
    os.close(err)
    received = b""
    while piece := theirs.recv(1000):
        received += piece
    theirs.close()
    return code, received, (tmp_path / "err").read_bytes()


def options_of(**values: object) -> ResolvedOptions:
    options = ResolvedOptions()
    options.server = True
    options.checksum_seed = 7
    for name, value in values.items():
        setattr(options, name, value)
    return options


def test_a_daemon_reports_in_messages(tmp_path: Path) -> None:
    logged: list[bytes] = []
    text = "rsync: The server is configured to refuse --delete"
    daemon = server.DaemonSide(greeted=(32, 32), refusal=UnsupportedError(text), timeout=60, log=logged.append)
    code, received, err = meet(options_of(sender=True, capabilities=b".LsfxCI"), tmp_path, daemon=daemon)
    assert (code, err) == (4, b"")
    handshake = bytes.fromhex("7e 07000000")
    timeout = bytes.fromhex("04000028 3c000000")
    line = text.encode() + b"\n"
    assert received.startswith(handshake + timeout + bytes((len(line), 0, 0, 10)) + line)
    # A client that pulls gets the cause; the closing line is for the log.
    assert b"(code 4) at " not in received
    assert logged[1].startswith(b"rsync error: requested action not supported (code 4) at ")
    assert received.endswith(bytes.fromhex("0400005d 04000000"))
    assert logged[0] == text.encode()


@pytest.mark.parametrize(("protocol", "tag", "last"), [(30, 10, False), (29, 8, False), (31, 10, True)])
def test_old_protocols(tmp_path: Path, protocol: int, tag: int, last: bool) -> None:
    daemon = server.DaemonSide(greeted=(protocol, protocol), refusal=UnsupportedError("no"))
    _, received, _ = meet(options_of(sender=True), tmp_path, daemon=daemon)
    assert bytes((3, 0, 0, tag)) + b"no\n" in received
    assert received.endswith(bytes.fromhex("0400005d 04000000")) is last


def test_a_refused_receiver_ends_the_list_of_names(tmp_path: Path) -> None:
    daemon = server.DaemonSide(greeted=(29, 29), refusal=UnsupportedError("no"))
    _, received, _ = meet(options_of(files_from=b"x"), tmp_path, daemon=daemon)
    assert received.startswith(bytes.fromhex("07000000 00 03000008"))


def test_other_servers_report_on_standard_error(tmp_path: Path) -> None:
    code, _, err = meet(options_of(acls=True), tmp_path, protocol=29)
    assert code == 2
    assert err.startswith(b"--acls requires protocol 30 or higher (negotiated 29).\nrsync error: protocol incompat")
    assert err.rstrip().endswith(b"[Receiver=3.5.0]")


def test_a_bad_filter_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is past the handshake here, so its client gets the exit code too."""
    core = types.ModuleType("tain._core")
    core.rules_from_wire = lambda texts, protocol: texts  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tain._core", core)
    monkeypatch.setattr(tain, "_core", core, raising=False)
    rule = (6000).to_bytes(4, "little")
    code, received, err = meet(options_of(sender=True), tmp_path, after=(4 | 7 << 24).to_bytes(4, "little") + rule)
    assert code == MemoryLimitError.code
    assert received.endswith(bytes.fromhex("0400005d 16000000"))
    # The reason goes by the same way, in front of the code: what stands on standard error could come too late.
    assert b"(code 22)" in received and not err


def test_hidden_words() -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(b"rsync\0.\0d x\0\0next")
    link = FakeLink(ours.fileno(), ours.fileno())
    assert server.read_secluded(link) == [b".", b"d x"]  # type: ignore[arg-type]
    assert link.read(4) == b"next"
    for one in (link, ours, theirs):
        one.close()

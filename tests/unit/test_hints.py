"""Hints: which text follows which symptom, and that nothing else changes. spec: daemon 16.3, DMN-46"""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from tain.diagnosis import hints
from tests import programs
from tests.ports import free_port

SYMPTOMS = [
    ("D1x", "rsync: something nobody has ever seen", None),
    ("full", 'rsync: [receiver] write failed on "/d/a": No space left on device (28)', "D11"),
    ("quota", 'rsync: [receiver] write failed on "/d/a": Disk quota exceeded (122)', "D11"),
    ("refused", "rsync: [sender] failed to connect to h (10.0.0.1): Connection refused (111)", "D2"),
    ("timed out", "rsync: [sender] failed to connect to h (10.0.0.1): Connection timed out (110)", "D3"),
    ("35", "rsync error: timeout waiting for daemon connection (code 35) at x.c(1) [sender=3.5.0]", "D3"),
    ("name", "rsync: getaddrinfo: nohost 873: Name or service not known", "D32"),
    ("host key", "Host key verification failed.", "D33"),
    ("ssh", "root@h: Permission denied (publickey,password).", "D9"),
    ("255", "rsync error: unexplained error (code 255) at x.c(1) [sender=3.5.0]", "D9"),
    ("127", "rsync error: remote command not found (code 127) at x.c(1) [sender=3.5.0]", "D10"),
    ("shell", "protocol version mismatch -- is your shell clean?", "D27"),
    ("protocol", "rsync error: protocol incompatibility (code 2) at x.c(1) [sender=3.5.0]", "D28"),
    ("wrapper", 'rsync: server sent "" rather than greeting', "D4"),
    ("ssh port", 'rsync: server sent "SSH-2.0-OpenSSH_9.2" rather than greeting', "D4"),
    ("no config", "rsync: did not see server greeting", "D5"),
    ("reset", "rsync: [Receiver] read error: Connection reset by peer (104)", "D5"),
    ("chroot", "@ERROR: chroot failed", "D6"),
    ("no name", "@ERROR: access denied to m from UNKNOWN (10.0.0.9)", "D8"),
    ("denied", "@ERROR: access denied to m from h.example (10.0.0.9)", "D8b"),
    ("password", "@ERROR: auth failed on module m", "D12"),
    ("password file", "ERROR: password file must not be other-accessible", "D29"),
    ("read only", "ERROR: module is read only", "D13"),
    ("many", "@ERROR: max connections (4) reached -- try again later", "D14"),
    ("uid", "@ERROR: invalid uid apache", "D15"),
    ("setgroups", "@ERROR: setgroups failed", "D16"),
    ("module", "@ERROR: Unknown module 'x'", "D17"),
    ("refuse", "The server is configured to refuse --delete", "D18"),
    ("cut", "rsync: connection unexpectedly closed (37 bytes received so far) [sender]", "D19"),
    ("timeout", "[sender] io timeout after 60 seconds -- exiting", "D20"),
    ("charset", "[sender] cannot convert filename: a (Invalid or incomplete multibyte or wide character)", "D23"),
    ("rights", 'rsync: [generator] recv_generator: mkdir "/d/a" failed: Permission denied (13)', "D30"),
    ("missing", 'rsync: [sender] link_stat "/a/b" failed: No such file or directory (2)', "D31"),
]


@pytest.mark.parametrize(("line", "ident"), [row[1:] for row in SYMPTOMS], ids=[row[0] for row in SYMPTOMS])
def test_symptom(line: str, ident: str | None) -> None:
    found = hints.find([line], host="h", port=873)
    assert [hint.id for hint in found] == ([ident] if ident else [])
    for hint in found:
        assert hint.cause and hint.check and hint.fix and "{" not in hint.cause + hint.check + hint.fix


def test_three_at_most() -> None:
    assert len(hints.find([row[1] for row in SYMPTOMS])) == hints.MOST


def test_the_cause_hides_its_effect() -> None:
    lines = ["connection unexpectedly closed (0 bytes received so far)", "remote command not found (code 127)"]
    assert [hint.id for hint in hints.find(lines)] == ["D10"]


@pytest.mark.parametrize(
    "words",
    [
        ["rsync error: unexplained error (code 255) at io.c(285) [sender=3.5.0]"],
        ["Connection reset by 10.0.0.1 port 22", "rsync error: unexplained error (code 255) at io.c(285) [sender]"],
        ["client_loop: send disconnect: Broken pipe"],
    ],
)
def test_a_connection_that_breaks_is_no_refused_login(words: list[str]) -> None:
    closed = "rsync: connection unexpectedly closed ({} bytes received so far) [sender]"
    assert [hint.id for hint in hints.find([closed.format(64), *words])] == ["D19"]
    # Nothing had arrived.
    first = hints.find([closed.format(0), *words])[0]
    assert first.id in ("D9", "D9b", "D5")


def test_a_peer_cannot_write_to_the_terminal() -> None:
    said: list[bytes] = []
    found = hints.in_errors(b"@ERROR: access denied to \x1b[31mm from h (1)\n", host=None, port=873)
    hints.write(found, said.append)
    assert len(said) == 1 and b"\x1b" not in said[0]


def _run(tmp_path: Path, *words: str) -> programs.Outcome:
    (tmp_path / "a").touch()
    env = programs.environment(str(tmp_path))
    return programs.run(
        [str(programs.PROGRAM), "-a", f"--port={free_port()}", *words, "a", "127.0.0.1::m"], cwd=tmp_path, env=env
    )


def test_hints_only_on_request(tmp_path: Path) -> None:
    plain, asked = _run(tmp_path), _run(tmp_path, "--hints")
    assert plain.code == asked.code == 10
    assert plain.out == asked.out == b""
    assert b"hint[" not in plain.err
    assert asked.err.startswith(b"rsync: [sender] failed to connect to 127.0.0.1 ")
    assert asked.err.splitlines()[-1].startswith(b"hint[D2]: ")
    for words in (("--no-hints",), ("--hints", "-q"), ("--hints", "--no-hints")):
        assert b"hint[" not in _run(tmp_path, *words).err


def test_on_a_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    (tmp_path / "a").touch()
    command = [str(programs.PROGRAM), "-a", f"--port={free_port()}", "a", "127.0.0.1::m"]
    env = programs.environment(str(tmp_path))
    child = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=theirs, stdout=subprocess.PIPE)
    os.close(theirs)
    said = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break  # nobody holds the other end any more
        if not piece:
            break
        said += piece
    os.close(ours)
    assert child.communicate()[0] == b"" and child.returncode == 10
    assert said.splitlines()[-1].startswith(b"hint[D2]: ")

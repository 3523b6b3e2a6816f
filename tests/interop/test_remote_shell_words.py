"""D2: what a remote shell says is passed on unchanged, and hints and problems come from it: over a shell that prints
the real texts of ssh, and over ssh."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import tain as tain_module
from tests.interop.ends import Sshd
from tests.programs import need, need_root

CHANGED = (
    "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n"
    "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n"
    "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n"
    "IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\n"
    "Offending ED25519 key in /root/.ssh/known_hosts:3\n"
    "Host key for backup1 has changed and you have requested strict checking.\n"
)
#: (what ssh 9 prints, its exit code, hint, action, errno). Taken from real runs.
TEXTS = [
    ("ssh: Could not resolve hostname backup1: Name or service not known\r\n", 255, "D32", "connecting", None),
    ("ssh: connect to host backup1 port 22: Connection refused\r\n", 255, "D9b", "connecting", 111),
    ("ssh: connect to host backup1 port 22: Connection timed out\r\n", 255, "D9b", "connecting", 110),
    ("ssh: connect to host backup1 port 22: No route to host\r\n", 255, "D9b", "connecting", 113),
    ("kex_exchange_identification: Connection closed by remote host\r\n", 255, "D9b", "connecting", None),
    ("Connection closed by 10.0.0.7 port 22\r\n", 255, "D9b", "connecting", None),
    ("Host key verification failed.\r\n", 255, "D33", "connecting", None),
    (CHANGED + "Host key verification failed.\r\n", 255, "D33", "connecting", None),
    ("me@backup1: Permission denied (publickey).\r\n", 255, "D9", "logging in", None),
    ("me@backup1: Permission denied (publickey,password).\r\n", 255, "D9", "logging in", None),
    (
        "Received disconnect from 10.0.0.7 port 22:2: Too many authentication failures\r\n",
        255,
        "D9",
        "logging in",
        None,
    ),
    ("bash: line 1: rsync: command not found\n", 127, "D10", "starting", None),
    ('rsync: [Receiver] mkdir "/no/such/place" failed: No such file or directory (2)\n', 3, "D31", "creating", 2),
    ('rsync: [receiver] write failed on "/srv/a": No space left on device (28)\n', 11, "D11", "writing", 28),
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/file").write_text("hello")
    return tmp_path / "src"


def shell(place: Path, text: bytes, code: int) -> Path:
    (place / "text").write_bytes(text)
    path = place / "shell"
    path.write_text(f"#!/bin/sh\ncat {place}/text >&2\nexit {code}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(("text", "code", "hint", "action", "number"), TEXTS)
def test_texts_of_ssh(
    text: str, code: int, hint: str, action: str, number: int | None, tain: str, source: Path, tmp_path: Path
) -> None:
    """D2, API-6: the hint on the command line; hint, problem and text in the API."""
    rsh = shell(tmp_path, text.encode(), code)
    outputs = {}
    for word in ("--hints", "--no-hints"):
        words: list[str | Path] = [tain, "-a", word, "-e", str(rsh), source, "backup1:dst"]
        run = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
        outputs[word] = run.stderr
        assert run.stderr.startswith(text.encode())
        assert run.returncode
    lines = outputs["--hints"].splitlines()
    found = [line.split(b"]")[0].removeprefix(b"hint[").decode() for line in lines if line.startswith(b"hint[")]
    assert found[0] == hint and "D5" not in found
    texts = [[line for line in output.splitlines() if not line.startswith(b"hint[")] for output in outputs.values()]
    # The end of the shell is noticed by the write or by the read.
    texts = [[re.sub(rb" at \w+\.py\(\d+\)", b"", line) for line in lines] for lines in texts]
    assert texts[0] == texts[1]
    result = tain_module.sync(source, "backup1:dst", rsh=str(rsh))
    assert [one.id for one in result.hints] == found
    assert result.errors.startswith(text.encode())
    assert (result.problems[0].action, result.problems[0].errno) == (action, number), result.problems
    with pytest.raises(tain_module.TainError) as caught:
        result.check()
    assert caught.value.hints == result.hints and caught.value.code == result.code


def test_long_text_is_passed_on_whole(tain: str, source: Path, tmp_path: Path) -> None:
    """D2: 300,000 bytes that are no text; for hints the beginning and the end count, 16 KiB each."""
    noise = b"\xff\x00 noise\n" * 30_000
    head, middle = b"Host key verification failed.\n", b"bash: line 1: rsync: command not found\n"
    tail = b"me@backup1: Permission denied (publickey).\n"
    text = head + noise + middle + noise + tail
    rsh = shell(tmp_path, text, 255)
    for word in ("--hints", "--no-hints"):
        words: list[str | Path] = [tain, "-a", word, "-e", str(rsh), source, "backup1:dst"]
        run = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
        assert run.stderr.startswith(text)
        if word == "--hints":
            hints = [line[:9] for line in run.stderr.splitlines() if line.startswith(b"hint[")]
            assert hints == [b"hint[D33]", b"hint[D9]:"]
    result = tain_module.sync(source, "backup1:dst", rsh=str(rsh), capture=1000)
    assert [hint.id for hint in result.hints] == ["D33", "D9"]
    assert len(result.errors) == 1000 and result.output_truncated
    quiet = tain_module.sync(source, "backup1:dst", rsh=str(rsh), capture=0)
    assert (quiet.errors, quiet.hints) == (b"", result.hints) and quiet.problems == result.problems


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    need("sshd")
    need_root()
    with Sshd(tmp_path) as server:
        yield server


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        # The key of the server is not known.
        ("-o StrictHostKeyChecking=no", "-o StrictHostKeyChecking=yes", "D33"),
        # The key of the client is another one.
        ("/client -o", "/host -o", "D9"),
        ("-p ", "-p 1 -p ", "D9b"),
    ],
)
def test_ssh_itself(old: str, new: str, hint: str, sshd: Sshd, tain: str, source: Path, tmp_path: Path) -> None:
    """D2 with a real ssh."""
    rsh = sshd.rsh.replace(old, new).replace("-o LogLevel=ERROR ", "")
    assert rsh != sshd.rsh
    run = subprocess.run(
        [tain, "-a", "--hints", "-e", rsh, source, f"127.0.0.1:{tmp_path}/dst"],
        capture_output=True, stdin=subprocess.DEVNULL, text=True, timeout=60, env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    assert run.returncode == 255
    assert [line.split("]")[0] for line in run.stderr.splitlines() if line.startswith("hint[")] == [f"hint[{hint}"]
    result = tain_module.sync(source, f"127.0.0.1:{tmp_path}/dst", rsh=rsh)
    assert result.code == 255 and [one.id for one in result.hints] == [hint]
    assert result.problems and all(problem.side == "here" for problem in result.problems)

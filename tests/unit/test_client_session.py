"""How a client ends: figures, closing lines, and the exit codes of children."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

import tain
from tain._core import open_named
from tain.cli.main import main
from tain.report.trace import show_words
from tain.session.environment import Environment
from tests.unit.fake_core import FakeLink

ONLY = "may only be used when"


class Transfer:
    """A transfer that ends at once, as `end` says."""

    end: ClassVar[dict[str, object]] = {}

    def __init__(self, *_: object) -> None:
        figures = "transferred total_size transferred_size literal matched flist_size flist_build_ms flist_xfer_ms"
        values: dict[str, object] = dict.fromkeys([*figures.split(), "sent", "received"], 0)
        values |= {"code": 0, "error": "", "reported": False, "role": "generator", "seconds": 0.0}
        values |= {"files": {}, "created": {}, "deleted": {}} | self.end
        self.summary = types.SimpleNamespace(**values)

    def __iter__(self) -> Iterator[list[tuple[str, bytes]]]:
        yield [("stdout", b"an item\n"), ("log", b"an item")]


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("tain._core")
    fakes = {
        "Link": FakeLink,
        "open_named": open_named,
        "Plan": lambda **fields: fields,
        "copy_local": Transfer,
        "send": Transfer,
        "receive": Transfer,
        "build_rules": lambda events, **facts: [],
        "rules_to_wire": lambda rules, **facts: [],
    }
    for name, value in fakes.items():
        setattr(module, name, value)
    monkeypatch.setitem(sys.modules, "tain._core", module)
    monkeypatch.setattr(tain, "_core", module, raising=False)
    monkeypatch.setattr(Transfer, "end", {})
    return module


def run(tmp_path: Path, *words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command line."""
    fds = [os.open(tmp_path / name, os.O_RDWR | os.O_CREAT | os.O_TRUNC) for name in ("out", "err")]
    env = Environment(
        argv=[b"rsync", *map(os.fsencode, words)],
        environ={b"PATH": os.environb[b"PATH"]},
        cwd=os.fsencode(tmp_path),
        stdout=fds[0],
        stderr=fds[1],
    )
    code = main(env.argv, env)
    for fd in fds:
        os.close(fd)
    return code, (tmp_path / "out").read_text(), (tmp_path / "err").read_text()


@pytest.mark.parametrize(
    ("end", "code", "summary", "error"),
    [
        ({}, 0, True, ""),
        ({"code": 23}, 23, True, "rsync error: some files/attrs were not transferred (see previous errors) (code 23)"),
        ({"code": 24}, 24, True, "rsync warning: some files vanished before they could be transferred (code 24)"),
        ({"code": 11, "error": "rsync: oops"}, 11, False, "rsync: oops\nrsync error: error in file IO (code 11)"),
        # The peer has said it.
        ({"code": 11, "reported": True}, 11, False, ""),
        # A signal has no text but its code's.
        ({"code": 20}, 20, False, "rsync error: received SIGINT, SIGTERM, or SIGHUP (code 20)"),
    ],
)
def test_ends(
    core: types.ModuleType, tmp_path: Path, end: dict[str, object], code: int, summary: bool, error: str
) -> None:
    Transfer.end = end
    result = run(tmp_path, "-v", "--log-file=log", "a", "b")
    assert result[0] == code
    assert result[1].startswith("an item\n")
    assert (
        "\nsent 0 bytes  received 0 bytes  0.00 bytes/sec\ntotal size is 0  speedup is 0.00\n" in result[1]
    ) is summary
    assert result[2].startswith(error) and bool(result[2]) is bool(error)
    assert error == "" or result[2].endswith("[generator=3.5.0]\n")
    log = (tmp_path / "log").read_text()
    assert "] an item\n" in log
    assert ("total size is 0  speedup" in log) is summary
    # Who sends closes the log with it unless all went well and was summed up (observed).
    assert ("sent 0 bytes  received 0 bytes  total size 0" in log) is (code != 0)


def shell(tmp_path: Path, text: str) -> str:
    script = tmp_path / "rsh"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o700)
    return str(script)


@pytest.mark.parametrize("status", [126, 127, 255])
def test_a_shell_that_ends_at_once(core: types.ModuleType, tmp_path: Path, status: int) -> None:
    for _ in range(10):
        code, _, err = run(tmp_path, "-e", shell(tmp_path, f"exit {status}"), "h:x")
        assert code == status
        assert f"(code {status}) at " in err and "[Receiver=3.5.0]" in err


def test_a_shell_that_breaks_during_the_transfer(core: types.ModuleType, tmp_path: Path) -> None:
    """Number, no flags, seed; then the shell ends, and its own code is reported instead of the stream's."""
    Transfer.end = {"code": 12, "error": "rsync: connection unexpectedly closed"}
    text = "printf '\\035\\0\\0\\0\\007\\0\\0\\0'; exit 255"
    code, _, err = run(tmp_path, "-e", shell(tmp_path, text), "h:x")
    assert code == 255
    assert err.count("rsync error:") == 1
    assert "rsync error: unexplained error (code 255)" in err


def test_a_shell_that_cannot_be_started(core: types.ModuleType, tmp_path: Path) -> None:
    code, _, err = run(tmp_path, "-e", "./nosuch", "a", "h:x")
    assert code == 14
    assert err.startswith(
        "rsync: [sender] Failed to exec ./nosuch: No such file or directory (2)\nrsync error: error in IPC"
    )


@pytest.mark.parametrize(
    ("words", "role", "text"),
    [
        (["h1:a", "h2:b"], "Receiver", "The source and destination cannot both be remote."),
        (["a", "b:c", "d:e"], "sender", "Unexpected remote arg: b:c"),
        (["--contimeout=3", "a", "h:b"], "sender", f"The --contimeout option {ONLY} connecting to an rsync daemon."),
        (["--password-file=x", "a", "b"], "sender", f"The --password-file option {ONLY} accessing an rsync daemon."),
        (["--foo"], "client", "rsync: --foo: unknown option"),
    ],
)  # fmt: skip
def test_usage(core: types.ModuleType, tmp_path: Path, words: list[str], role: str, text: str) -> None:
    code, out, err = run(tmp_path, *words)
    assert (code, out) == (1, "")
    assert err.startswith(text + "\nrsync error: syntax or usage error (code 1) at ")
    assert err.endswith(f"[{role}=3.5.0]\n")


def test_a_log_that_cannot_be_opened(core: types.ModuleType, tmp_path: Path) -> None:
    code, out, err = run(tmp_path, "--log-file=no/log", "a", "b")
    assert code == 0
    assert err == "rsync: [client] failed to open log-file no/log: No such file or directory (2)\n"
    assert out.startswith('Ignoring "log file" setting.\n')


def test_words_as_they_are_shown() -> None:
    assert show_words([b"./rsh", b"--log-format=%i", b"", b"d s"]) == b'./rsh "--log-format=%i" "" "d s"  (4 args)\n'

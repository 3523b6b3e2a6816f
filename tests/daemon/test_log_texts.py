"""What a peer chose, in logs and messages: escaped once, on one line (spec: daemon 12.1; H4, H5)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from .harness import HELLO, LIMIT, Daemon, wait_until
from .pairs import Pair, difference

BASE = b"log file = DIR/log\nuse chroot = no\nreverse lookup = no\nuid = 0\ngid = 0\nread only = no\n"
MODULES = {
    "name": b"transfer logging = yes\nlog format = %f",
    "full": b"transfer logging = yes\nlog format = %o %f %B %i",
    "short": b"transfer logging = yes\nlog format = %o %f %B",
    "plain": b"transfer logging = no",
    "chmod": b"transfer logging = yes\nlog format = %o %f %B\nincoming chmod = D2770,F660",
    "filter": b"exclude = e*",
}
NAMES = ["a\nb", "c\\#012d", "e\x1bf", "tab\there", "back\\slash"]


def _fill(place: Path) -> None:
    for name in ("tree", "send", "got"):
        (place / name).mkdir()
    for name in NAMES:
        (place / "send" / name).write_text("x")
    (place / "send/dir").mkdir()
    (place / "send/dir").chmod(0o755)


def _old(root: Path) -> None:
    root.chmod(0o700)
    for name, mode in (("gone", 0o644), ("gone\ntoo", 0o640), ("private", 0o600)):
        (root / name).write_text("x")
        (root / name).chmod(mode)
    (root / "old").mkdir()
    (root / "old").chmod(0o750)
    (root / "link").symlink_to("x")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    text = b"".join(b"[%s]\npath = DIR/tree\n%s\n" % (name.encode(), more) for name, more in MODULES.items())
    with Pair(tmp_path_factory.mktemp("texts"), BASE + text, make=_fill) as running:
        yield running


@pytest.mark.parametrize("options", ["-a", "-rt", "-r", "-a --delete", "-rt --delete", "-an"])
@pytest.mark.parametrize("module", ["name", "full", "short", "filter"])
def test_uploads(pair: Pair, module: str, options: str) -> None:
    pair.same(f"{options} DIR/send/ HOST/{module}/", reset="tree", prepare=_old)


@pytest.mark.parametrize("options", ["-a", "-rt", "-r", "-rv", "-av", "-rlpt"])
def test_uploads_with_incoming_chmod(pair: Pair, options: str) -> None:
    """The log shows the changed modes, and a directory that it changes is an item."""
    pair.same(f"{options} DIR/send/ HOST/chmod/", reset="tree", prepare=_old)


@pytest.mark.parametrize("name", NAMES)
def test_downloads(pair: Pair, name: str) -> None:
    for daemon in pair.daemons.values():
        (daemon.dir / "tree" / name).write_text("x")
    pair.same(["-a", f"HOST/name/{name}", "DIR/got/"], reset="got")


#: Requests that fail, with names that could forge a line or could be shown wrongly.
FAILURES = {
    "destination": ["-a", "DIR/send/", "HOST/plain/no\nsuch/x\\#012y/"],
    "excluded": ["-a", "DIR/send/", "HOST/filter/e\nx\\#012/"],
    "temp": ["-a", "-T", "/no\nsuch\\#012", "DIR/send/", "HOST/plain/"],
    "option": ["-a", "-M--foo\nbar", "DIR/send/", "HOST/plain/"],
    "chmod": ["-a", "-M--chmod=z\x1bz", "DIR/send/", "HOST/plain/"],
}


@pytest.mark.parametrize("asked", FAILURES)
def test_failures(pair: Pair, asked: str) -> None:
    found = pair.both(FAILURES[asked], reset="tree")
    for outcome in found.values():
        outcome.err = "\n".join(line for line in outcome.err.splitlines() if "reset by peer" not in line)
    assert found["tain"].log == found["rsync"].log
    if asked in ("destination", "temp"):
        # The core escapes its last error and the client escapes it again, so it cannot forge a line.
        assert len(found["tain"].err.splitlines()) == len(found["rsync"].err.splitlines())
        assert found["tain"].code == found["rsync"].code
    elif found["tain"] != found["rsync"]:
        pytest.fail(difference(found["rsync"], found["tain"]), pytrace=False)


def test_hangul_stays_readable(tmp_path: Path) -> None:
    """rsync's log cuts letters in two. DEL is a control byte."""
    with Daemon("tain", tmp_path, BASE + b"[m]\npath = DIR/tree\ntransfer logging = yes\nlog format = %f\n") as daemon:
        (tmp_path / "tree").mkdir()
        for name in ("\uac00\ub098", "del\x7f"):
            (tmp_path / "tree" / name).touch()
        assert daemon.client("-r", "HOST/m/", str(tmp_path / "got"))[0] == 0
        assert {"\uac00\ub098", "del\\#177"} <= set(daemon.log_lines())


LINES = [b"a\x1bb", b"a\\#033b", b"#cmd\x1b", b"\xea\xb0\x80\x85", b"x\x7f"]


@pytest.mark.parametrize("line", LINES)
def test_the_requested_name_is_sent_back_unchanged(tmp_path: Path, line: bytes) -> None:
    """The client escapes it; a daemon that did so too would have it escaped twice."""
    with Pair(tmp_path, BASE, make=lambda _: None) as pair:
        answers = [daemon.talk(HELLO + line + b"\n") for daemon in pair.daemons.values()]
        assert answers[0] == answers[1]
        log = pair.daemons["tain"].log.read_bytes()
        assert b"\x1b" not in log
        assert b"\x7f" not in log


def test_a_client_shows_an_unknown_module_once_escaped(pair: Pair) -> None:
    assert "\\#033" in pair.same(["HOST/no\x1bsuch/"]).err


def started(log: Path) -> bool:
    return log.exists() and b"starting" in log.read_bytes()


def test_the_proxy_warning_is_logged(tmp_path: Path) -> None:
    conf = b"proxy protocol = yes\n" + BASE + b"[m]\npath = DIR\n"
    with Pair(tmp_path, conf, make=lambda _: None) as pair:
        for daemon in pair.daemons.values():
            wait_until(partial(started, daemon.log), "the start")
        lines = {kind: daemon.log_lines() for kind, daemon in pair.daemons.items()}
        assert lines["tain"] == lines["rsync"]
        assert "is unset: all connections will be rejected" in lines["tain"][0]
        assert "starting, listening" in lines["tain"][1]
        assert all((daemon.dir / "err").read_bytes() == b"" for daemon in pair.daemons.values())


def test_a_start_in_the_background_logs_the_warning_too(tmp_path: Path) -> None:
    import subprocess

    from tests.ports import free_port

    from .harness import PROGRAMS, environment

    (tmp_path / "conf").write_text(f"proxy protocol = yes\nlog file = {tmp_path}/log\npid file = {tmp_path}/pid\n")
    done = subprocess.run(
        [*PROGRAMS["tain"], "--daemon", f"--config={tmp_path}/conf", f"--port={free_port()}", "--address=127.0.0.1"],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT, env=environment(),
    )  # fmt: skip
    pid = int((tmp_path / "pid").read_text())
    try:
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        assert b"is unset" in (tmp_path / "log").read_bytes()
    finally:
        os.kill(pid, 15)


def test_daemon_and_rsync_escape_alike(tmp_path: Path) -> None:
    with Daemon("tain", tmp_path, BASE) as daemon:
        daemon.talk(HELLO + b"a\nb\n")
        daemon.talk(HELLO + b"m\x1b]0;x\x07\n")
        assert all(line.isprintable() for line in daemon.log_lines())

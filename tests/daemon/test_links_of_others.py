"""Links of other users in what a daemon enters and opens (spec: security SEC-3 to SEC-5)."""

from __future__ import annotations

import contextlib
import os
import pwd
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import programs

from .harness import HELLO, Daemon
from .pairs import DATE, Pair

BASE = b"log file = DIR/log\nreverse lookup = no\nuid = 0\ngid = 0\n"


def _link(path: Path, target: Path | str, owner: str = "nobody") -> None:
    path.symlink_to(target)
    account = pwd.getpwnam(owner)
    os.lchown(path, account.pw_uid, account.pw_gid)


def _fill(place: Path) -> None:
    (place / "real/sub").mkdir(parents=True)
    (place / "real/canary").write_text("1")
    (place / "real/sub/deep").write_text("2")
    (place / "outer/inner").mkdir(parents=True)
    (place / "real/patterns").write_text("zzz\n")
    (place / "real/secrets").write_text("bob:pw\n")
    (place / "real/secrets").chmod(0o600)
    _link(place / "leaf", place / "real")
    _link(place / "parent", place / "real")
    _link(place / "dangling", place / "nothing")
    _link(place / "outer/inside", "inner")
    _link(place / "file", place / "real/patterns")
    _link(place / "mine", place / "real", "root")
    _link(place / "chain", place / "leaf", "root")
    _link(place / "relative", "real", "root")
    _link(place / "loop", "loop", "root")
    for directory, dirs, files in os.walk(place):
        for name in [".", *dirs, *files]:
            os.utime(os.path.join(directory, name), (DATE, DATE), follow_symlinks=False)


#: Module: its path, ``use chroot``, further lines.
MODULES = {
    "leaf": ("leaf", "no", ""),
    "parent": ("parent/sub", "no", ""),
    "chain": ("chain", "no", ""),
    "dangling": ("dangling", "no", ""),
    "dotted": ("real/../leaf/sub", "no", ""),
    "marked": ("outer/./inside", "no", ""),
    "mine": ("mine", "no", ""),
    "relative": ("relative/sub", "no", ""),
    "loop": ("loop", "no", ""),
    "plain": ("real", "no", ""),
    "no-directory": ("real/canary", "no", ""),
    "missing": ("real/nothing", "no", ""),
    "chroot": ("leaf", "yes", ""),
    "chroot-parent": ("parent/sub", "yes", ""),
    "chroot-unset": ("leaf", "unset", ""),
    "chroot-inner": ("outer/./inside", "yes", ""),
    "insecure": ("leaf", "no", "insecure links = yes"),
    "exclude-from-parent": ("real", "no", "exclude from = DIR/parent/patterns"),
    "exclude-from-leaf": ("real", "no", "exclude from = DIR/file"),
    "include-from": ("real", "no", "include from = DIR/parent/patterns"),
    "filter-merge": ("real", "no", "filter = merge DIR/parent/patterns"),
    "lock-parent": ("real", "no", "lock file = DIR/parent/lock\nmax connections = 2"),
    "lock-leaf": ("real", "no", "lock file = DIR/file\nmax connections = 2"),
    "secrets": ("real", "no", "auth users = bob\nsecrets file = DIR/parent/secrets"),
    "variable": ("%RSYNC_MODULE_NAME%", "no", ""),
    "temp": ("real", "no", "temp dir = /leaf"),
    "early": ("leaf", "no", "early exec = true"),
    "post": ("leaf", "no", "post-xfer exec = true"),
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    programs.need_root()
    text = "".join(
        f"[{name}]\npath = DIR/{path}\nuse chroot = {chroot}\n{more}\n"
        for name, (path, chroot, more) in MODULES.items()
    )  # fmt: skip
    with Pair(tmp_path_factory.mktemp("links"), BASE + text.encode(), make=_fill) as running:
        yield running


@pytest.mark.parametrize("module", MODULES)
def test_files_of_a_module(pair: Pair, module: str) -> None:
    url = "rsync://bob@127.0.0.1:PORT/secrets/" if module == "secrets" else f"HOST/{module}/"
    pair.same(["-r", "--list-only", url], RSYNC_PASSWORD="pw")


#: Files of the whole daemon.
GLOBALS = {
    "motd-parent": b"motd file = DIR/parent/patterns\n",
    "motd-leaf": b"motd file = DIR/file\n",
    "motd-mine": b"motd file = DIR/mine/patterns\n",
    "include-parent": b"[a]\npath = /\n&include DIR/parent/patterns\n",
    "merge-leaf": b"[a]\npath = /\n&merge DIR/file\n",
    "pid-parent": b"pid file = DIR/parent/pid\n",
    "pid-leaf": b"pid file = DIR/file\n",
}


@pytest.mark.parametrize("name", GLOBALS)
def test_files_of_the_daemon(tmp_path: Path, name: str) -> None:
    programs.need_root()
    with Pair(tmp_path, BASE + GLOBALS[name], make=_fill) as pair:
        answers = {kind: daemon.talk(HELLO + b"\n") for kind, daemon in pair.daemons.items()}
        assert answers["tain"] == answers["rsync"]
        logs = {kind: daemon.log_lines() for kind, daemon in pair.daemons.items()}
        assert logs["tain"] == logs["rsync"]


@contextlib.contextmanager
def _swapping(states: list[Path], place: Path) -> Iterator[None]:
    """Replace *place* by each of *states* in turn, as fast as possible."""
    ended = threading.Event()

    def swap() -> None:
        turn = 0
        while not ended.is_set():
            spare = place.with_name("spare")
            os.rename(place, spare)
            os.rename(states[turn % len(states)], place)
            os.rename(spare, states[turn % len(states)])
            turn += 1

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("parent", [False, True], ids=["leaf", "parent"])
def test_a_component_that_is_replaced_by_a_foreign_link(tmp_path: Path, parent: bool) -> None:
    """A directory is replaced by a foreign link between check and entry: its target is never served."""
    programs.need_root()
    for name in ("inside", "outside"):
        (tmp_path / name / "sub").mkdir(parents=True)
    for below in ("", "sub/"):
        (tmp_path / "inside" / below / "good").touch()
        (tmp_path / "outside" / below / "evil").touch()
    place, other = tmp_path / "inside", tmp_path / "other"
    _link(other, tmp_path / "outside")
    conf = BASE + f"[m]\nuse chroot = no\npath = DIR/inside{'/sub' if parent else ''}\n".encode()
    served = refused = 0
    with Daemon("tain", tmp_path, conf) as daemon, _swapping([other], place):
        for _ in range(60):
            code, out, err = daemon.client("HOST/m/")
            assert "evil" not in out
            served += "good" in out
            refused += code == 5
            assert "good" in out or "chdir failed" in err or code in (0, 23)
    assert served + refused > 0

"""Whole logs of both daemons, line by line, and what their clients say (spec: daemon 12)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .pairs import Pair

ALL = "%o|%f|%n|%i|%L|%l|%m|%P|%u|%h|%a|%B|%c|%C|%G|%U|%M|%%|%15l|%-15n|%'l|%''9l|%q"

CONF = f"""log file = DIR/log
use chroot = no
reverse lookup = no
uid = 0
gid = 0
[quiet]
 path = DIR/tree
[quiet-up]
 path = DIR/up
 read only = no
[down]
 path = DIR/tree
 transfer logging = yes
[down-all]
 path = DIR/tree
 transfer logging = yes
 log format = {ALL}
[up]
 path = DIR/up
 read only = no
 transfer logging = yes
[up-all]
 path = DIR/up
 read only = no
 transfer logging = yes
 log format = {ALL.replace("%B|", "")}
[up-raw]
 path = DIR/up
 read only = no
 transfer logging = yes
 munge symlinks = no
 log format = %i %n%L
[up-plain]
 path = DIR/up
 read only = no
 transfer logging = yes
 log format = got %n
[whole]
 path = DIR
 read only = no
 transfer logging = yes
 log format = %i %f|%n
[logged-in]
 path = DIR/tree
 auth users = bob
 secrets file = DIR/secrets
 transfer logging = yes
"""

PULLS = [
    "HOST/", "HOST/quiet/", "HOST/quiet/none", "-r HOST/quiet/sub/", "-av HOST/quiet/ DIR/d/", "-avv HOST/down/ DIR/d/",
    "-a HOST/down/sub DIR/d/", "-a HOST/down/sub/b DIR/d/", "-aR HOST/down/sub/b DIR/d/", "-avn HOST/down/ DIR/d/",
    "-aH HOST/down-all/sub HOST/down-all/a DIR/d/", "-ac HOST/down-all/sub/ DIR/d/", "-aii HOST/whole/tree/ DIR/tree/",
    "-a HOST/down/a HOST/down/none DIR/d/", "-a --remove-source-files HOST/down/ DIR/d/", "-a HOST/nope/ DIR/d/",
    "-a HOST/down/../../etc/passwd DIR/d/", "-a HOST/whole/tree HOST/whole/send DIR/d/",
]  # fmt: skip

PUSHES = [
    "-a DIR/send/ HOST/quiet-up/", "-av DIR/send/ HOST/quiet-up/", "-av DIR/send/ HOST/up/", "-av DIR/send HOST/up/",
    "-av DIR/send/ HOST/up/x", "-avn DIR/send/ HOST/up/", "-avH DIR/send/ HOST/up-all/", "-avH DIR/send/ HOST/up-raw/",
    "-av DIR/send/n1 HOST/up/y", "-a DIR/send/n1 HOST/up/x/", "-a DIR/send/n1 HOST/up/x/y",
    "-a --mkpath DIR/send/n1 HOST/up/x/y/z/", "-avH DIR/send/ HOST/up/in/deep/", "-av DIR/send/ HOST/quiet/",
    "-a DIR/send/ HOST/whole/up", "-an DIR/send/ HOST/whole/up", "-aii DIR/send/ HOST/whole/up",
    "-a --protocol=28 DIR/send/ HOST/up/p", "-avv --protocol=29 DIR/send/ HOST/up/p",
    "-a DIR/send/ HOST/whole/up/../up", "-av --out-format=%n DIR/send/ HOST/up-plain/",
]  # fmt: skip


def _older(up: Path) -> None:
    (up / "extra").write_text("e")
    (up / "n2").write_text("zz")
    (up / "sd").mkdir()
    shutil.copy2(up.parent / "send" / "n1", up / "n1")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with Pair(tmp_path_factory.mktemp("logs"), CONF.encode()) as pair:
        yield pair


@pytest.mark.parametrize("words", PULLS)
def test_dmn_40_pull(pair: Pair, words: str) -> None:
    pair.same(words, reset="d" if "DIR/d" in words else "")


@pytest.mark.parametrize("words", PUSHES)
def test_dmn_40_push(pair: Pair, words: str) -> None:
    pair.same(words, reset="up")


@pytest.mark.parametrize("words", ["-aH HOST/down-all/ DIR/d/", "-av DIR/send/ HOST/up/", "-av HOST/quiet/ DIR/d/"])
def test_dmn_40_our_client(pair: Pair, words: str) -> None:
    pair.same(words, reset="up" if "HOST/up" in words else "d", client="tain")


# Old protocols leave %C blank, so their log is compared without it.
CHANGES = [
    *((o, m) for o in ("-a", "-av", "-ai", "-aii") for m in ("quiet-up", "up", "up-all", "up-raw", "up-plain")),
    *(("-avv --protocol=28", m) for m in ("quiet-up", "up", "up-raw", "up-plain")),
]


@pytest.mark.parametrize(("options", "module"), CHANGES)
def test_dmn_40_changes_and_deletions(pair: Pair, options: str, module: str) -> None:
    """A destination with a file to delete, one to change and one to keep."""
    pair.same(f"{options} --delete -H DIR/send/ HOST/{module}/", reset="up", prepare=_older)


@pytest.mark.parametrize("password", ["secret", "wrong"])
def test_dmn_40_user(pair: Pair, password: str) -> None:
    words = "-a rsync://bob@127.0.0.1:PORT/logged-in/sub/ DIR/d/"
    found = pair.same(words, reset="d", RSYNC_PASSWORD=password)
    assert any("bob" in line for line in found.log)

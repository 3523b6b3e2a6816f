"""A module's name converter, in both daemons (spec: daemon 11)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import programs

from .pairs import DATE, Pair, fill

CONVERTER = """#!/bin/sh
env | grep ^RSYNC_ | grep -v 'PID\\|MODULE_PATH' | sort > DIR/env
while read line; do
    echo "$line" >> DIR/asked
    case "$line" in
        "uid 1") echo games;; "uid 12345") echo nosuchname;; "gid 2") echo;;
        "usr games") echo 777;; "usr nobody") echo 0x5;; "usr daemon") echo 12x;; "usr big") echo 4294967296;;
        "usr minus") echo -1;; "grp bin") echo 888;; *) echo;;
    esac
done
"""

CONF = b"""log file = DIR/log
use chroot = no
reverse lookup = no
uid = 0
gid = 0
read only = no
path = DIR/tree
name converter = DIR/converter
[down]
[up]
path = DIR/up
[numeric]
numeric ids = yes
[numeric-up]
path = DIR/up
numeric ids = yes
[root]
use chroot = yes
[root-up]
path = DIR/up
use chroot = yes
[plain]
name converter =
numeric ids = yes
[plain-up]
name converter =
path = DIR/up
numeric ids = yes
[dead]
name converter = exit 0
[dead-up]
path = DIR/up
name converter = exit 0
[hook]
pre-xfer exec = exit 3
"""

CASES = [
    *(f"-a HOST/{name}/ DIR/d/" for name in ("down", "numeric", "root", "plain")),
    *(f"-a DIR/tree/ HOST/{name}/" for name in ("up", "numeric-up", "root-up", "plain-up")),
    "-a HOST/down/ DIR/up/x/", "-a --numeric-ids HOST/down/ DIR/up/x/", "-r HOST/down/ DIR/up/x/",
    "-a --protocol=29 DIR/tree/ HOST/up/",
    "-a --usermap=daemon:games --chown=:bin DIR/tree/ HOST/up/", "-a --usermap=*:big DIR/tree/ HOST/up/",
    "-a --usermap=*:minus DIR/tree/ HOST/up/",
    f"-a --usermap=*:{'x' * 1019} DIR/tree/ HOST/up/", f"-a --usermap=*:{'x' * 1018} DIR/tree/ HOST/up/",
]  # fmt: skip


def _make(place: Path) -> None:
    fill(place)
    (place / "converter").write_text(CONVERTER.replace("DIR", str(place)))
    (place / "converter").chmod(0o755)
    for name, uid, gid in (("a", 1, 2), ("z.gz", 12345, 23456), ("sub/b", 65534, 1)):
        os.chown(place / "tree" / name, uid, gid)
        os.utime(place / "tree" / name, (DATE, DATE))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    programs.need_root()
    with Pair(tmp_path_factory.mktemp("converter"), CONF, make=_make) as pair:
        yield pair


def _noted(pair: Pair, name: str) -> dict[str, list[str]]:
    """The recorded questions without repeats: rsync asks some of them twice."""
    found = {}
    for kind, daemon in pair.daemons.items():
        file = daemon.dir / name
        found[kind] = sorted(set(file.read_text().splitlines())) if file.exists() else []
        file.unlink(missing_ok=True)
    return found


@pytest.mark.parametrize("words", CASES)
def test_dmn_39_converter(pair: Pair, words: str) -> None:
    found = pair.same(words, reset="d" if "DIR/d" in words else "up")
    for name in ("asked", "env"):
        noted = _noted(pair, name)
        assert noted["tain"] == noted["rsync"]
    # An unknown name keeps its number and never becomes 0.
    if " HOST/up/" in words and "--" not in words:
        assert any(line.startswith("z.gz ") and " 12345:23456 " in line for line in found.tree)
        assert any(line.startswith("sub/b ") and " 65534:" in line for line in found.tree)


@pytest.mark.parametrize("words", ["-a HOST/dead/ DIR/d/", "-a DIR/tree/ HOST/dead-up/"])
def test_dmn_39_a_converter_that_has_ended(pair: Pair, words: str) -> None:
    """tain reports it to the client too."""
    # rsync succeeds if it has asked before the program ended.
    outcome = pair.both(words, reset="d")["tain"]
    assert outcome.code in (10, 12)
    assert "Connection to name-converter failed." in outcome.log
    assert any(line.startswith("rsync error: error in socket IO (code 10) at FILE [") for line in outcome.log)


def test_dmn_39_beside_a_hook_that_fails(pair: Pair) -> None:
    pair.refused("-a HOST/hook/ DIR/d/", reset="d")


def test_dmn_39_names_with_control_bytes(pair: Pair) -> None:
    """The program never gets a control byte: it would turn one question into two."""
    for outcome in pair.both(["-a", "--usermap=*:a\x01b", "DIR/tree/", "HOST/up/"], reset="up").values():
        assert outcome.log
    assert not any("a\x01b" in line for noted in _noted(pair, "asked").values() for line in noted)

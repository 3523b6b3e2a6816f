"""Help, version and level lists, beside those of the real rsync."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess

import pytest

from tain.options import handlers, levels, table, version
from tain.options import help as help_texts
from tain.options.parse import parse
from tain.options.resolve import Finished, resolve
from tain.release import VERSION

RSYNC = shutil.which("rsync")
needs_rsync = pytest.mark.skipif(RSYNC is None and not os.environ.get("CI"), reason="no rsync to compare with")


def rsync(*words: str) -> str:
    assert RSYNC is not None
    return subprocess.run([RSYNC, *words], capture_output=True, text=True, check=True, timeout=60).stdout


def options_part(text: str) -> list[str]:
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("--"))
    stop = next(i for i in range(start, len(lines)) if not lines[i])
    return lines[start:stop]


def ours_only(line: str) -> bool:
    return "tain only" in line


@needs_rsync
@pytest.mark.parametrize("words", [("--help",), ("--daemon", "--help")])
def test_help_lists_the_same_lines(words: tuple[str, ...]) -> None:
    text = help_texts.daemon_usage("rsync") if "--daemon" in words else help_texts.usage("rsync")
    assert [line for line in options_part(text) if not ours_only(line)] == options_part(rsync(*words))


@needs_rsync
@pytest.mark.parametrize("kind", ["info", "debug"])
def test_level_lists(kind: str) -> None:
    assert levels.help_text(kind) == rsync(f"--{kind}=help")


@needs_rsync
def test_version_has_the_same_parts() -> None:
    theirs, ours = rsync("--version"), version.version_text("rsync")
    assert ours.splitlines()[0] == theirs.splitlines()[0]
    assert ours.splitlines()[1].startswith("tain ")

    def section(text: str, title: str) -> list[str]:
        body = text.split(title + ":\n", 1)[1]
        return re.split(r"\n(?! )", body, maxsplit=1)[0].split()

    for title in ("Capabilities", "Checksum list", "Compress list", "Daemon auth list"):
        assert section(ours, title) == section(theirs, title)


@needs_rsync
def test_version_json_has_the_same_keys() -> None:
    theirs, ours = json.loads(rsync("-VV")), json.loads(version.version_json("rsync"))
    assert [key for key in ours if key != "tain_version"] == list(theirs)
    for key in ("version", "protocol", "capabilities", "checksum_list", "compress_list", "daemon_auth_list"):
        assert ours[key] == theirs[key]


def test_own_name() -> None:
    assert version.version_text("tain").startswith(f"tain  version {VERSION}  protocol version 32\n")
    assert "Usage: tain [OPTION]" in help_texts.usage("tain")


def finished(*words: str) -> Finished:
    with pytest.raises(Finished) as caught:
        resolve(parse([os.fsencode(word) for word in words]))
    return caught.value


@pytest.mark.parametrize("words", [("-h",), ("-hv",), ("-vh",), ("--help",), ("--help", "--bogus")])
def test_help_wanted(words: tuple[str, ...]) -> None:
    assert "Usage: rsync" in finished(*words).text


def test_human_readable_is_not_help() -> None:
    options = resolve(parse([b"-hv", b"a", b"b"]))
    assert (options.human_readable, options.verbose) == (2, 1)


def test_version_on_a_server_goes_to_stderr() -> None:
    assert finished("--server", "-V").stream == 2
    assert finished("-V").stream == 1


def test_every_listed_option_parses() -> None:
    for rows in (table.ROWS, table.DAEMON_ROWS):
        names = table.spellings(rows)
        assert len(names) == sum(len(row.longs) + bool(row.short) for row in rows)


def test_handlers_exist() -> None:
    for row in table.ROWS:
        if row.action == "call":
            assert hasattr(handlers.Pass, f"on_{row.dest}"), row.key
        else:
            assert hasattr(resolve(parse([b"a", b"b"])), row.dest), row.key


#: spec: options 1.6.
NEGATED = """--no-verbose --no-v --no-msgs2stderr --no-motd --no-human-readable --no-h --no-recursive --no-r
--no-inc-recursive --no-i-r --no-dirs --no-d --no-perms --no-p --no-acls --no-A --no-xattrs --no-X --no-times --no-t
--no-atimes --no-U --no-open-noatime --no-crtimes --no-N --no-omit-dir-times --no-O --no-omit-link-times --no-J
--no-super --no-owner --no-o --no-group --no-g --no-D --no-devices --no-write-devices --no-specials --no-drop-D
--no-links --no-l --no-insecure-links --no-munge-links --no-hard-links --no-H --no-relative --no-R --no-implied-dirs
--no-i-d --no-one-file-system --no-x --no-sparse --no-S --no-inplace --no-append --no-force --no-ignore-errors
--no-whole-file --no-W --no-checksum --no-c --no-fuzzy --no-y --no-compress --no-z --no-progress --no-partial
--no-delay-updates --no-prune-empty-dirs --no-m --no-itemize-changes --no-i --no-bwlimit --no-backup --no-from0
--no-old-args --no-secluded-args --no-protect-args --no-s --no-numeric-ids --no-timeout --no-contimeout --no-iconv
--no-8-bit-output --no-8 --no-mkpath --no-blocking-io --no-detach"""


def test_negated_forms_are_exactly_these() -> None:
    listed = {word[2:] for word in NEGATED.split()}
    known = {name for name in table.spellings(table.ROWS) if name.startswith("no-")}
    assert known - table.OURS == listed

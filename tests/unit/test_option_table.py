"""The option table is true: each column has a reader, and what it says is what happens."""

from __future__ import annotations

import dataclasses

import pytest

from tain import keywords
from tain.options.parse import parse
from tain.options.resolve import resolve
from tain.options.table import ROWS, Row, spellings
from tain.session.arguments import server_command

#: Arguments for options whose argument has a form of its own; for all others a number or a name does.
ARGUMENTS = {
    "stderr": "all", "info": "misc2", "debug": "none", "chmod": "F777", "usermap": "0:7", "groupmap": "0:7",
    "chown": "7:8", "checksum-choice": "md5", "compress-choice": "lz4", "outbuf": "L", "remote-option": "--x",
    "stop-at": "2099-01-01T00:00", "out-format": "%i", "iconv": "utf-8", "max-alloc": "64M", "read-batch": "b",
    "filter": "- x", "tls-pin": "x", "protocol": "30", "confine-root": "/", "jobs-order": "list",
}  # fmt: skip
#: What an option needs beside it to be of any consequence.
WITH = {
    "no-implied-dirs": ["-R"], "no-specials": ["-a"], "no-whole-file": ["-S", "--inplace"], "old-dirs": [],
    "delete": ["-r"], "delete-before": ["-r"], "delete-during": ["-r"], "delete-delay": ["-r"],
    "delete-after": ["-r"], "delete-excluded": ["-r"], "del": ["-r"], "from0": ["--files-from=:x"],
}  # fmt: skip
#: What an option implies goes to the server in these directions too.
IMPLIED = {
    "explain": {"push", "pull"},  # --dry-run, and items
    "old-dirs": {"push", "pull"},  # one level of recursion
    "write-devices": {"pull"},  # --inplace
    "delete-before": {"pull"},  # no incremental recursion, which the capabilities say
    "delete-after": {"pull"},
    "usermap": {"pull"},  # --owner
    "groupmap": {"pull"},  # --group
    "chown": {"pull"},
    "progress": {"push"},  # --info
}


def words(row: Row, direction: str, *, given: bool) -> list[bytes]:
    option = f"--{row.longs[0]}" if row.longs else f"-{row.short}"
    if row.kind:
        option += f"={ARGUMENTS.get(row.key, '7')}" if row.longs else ARGUMENTS.get(row.key, "7")
    line = [*WITH.get(row.key, []), *([option] if given else []), "a", "b"]
    options = resolve(parse([word.encode() for word in line]))
    return server_command(options, [], am_sender=direction == "push").visible


SWITCHES = [row for row in ROWS if row.dest not in ("daemon_table", "help", "version", "server", "sender", "crtimes")]


@pytest.mark.parametrize("row", SWITCHES, ids=lambda row: row.key)
def test_forwarded_as_the_row_says(row: Row) -> None:
    travels = {
        direction
        for direction in ("push", "pull")
        if words(row, direction, given=True) != words(row, direction, given=False)
    }
    expected = {direction for direction in ("push", "pull") if row.travels(pushes=direction == "push")}
    assert travels == expected | IMPLIED.get(row.key, set())


# ---------------------------------------------------------------------------------------------- the API's keywords


def test_keywords_are_options() -> None:
    known = spellings(ROWS)
    samples: dict[str, object] = {"delete": "during", "append": "verify", "compress": "zstd", "verbose": 1}
    for field in dataclasses.fields(keywords.Options):
        for value in (True, False, samples.get(field.name, True)) if field.name != "extra" else ():
            if value is False and not str(field.type).startswith("bool"):
                continue
            options = keywords.Options(**{field.name: value})  # type: ignore[arg-type]
            for word in options.words():
                name = word.decode().lstrip("-").partition("=")[0]
                assert name in known, (field.name, word)

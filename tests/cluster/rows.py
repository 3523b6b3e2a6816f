"""Rows of the parity tables as transfers in several streams: their trees, options and errors are what one meets."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.parity.harness import Command, Result, Row, differences, perform, words
from tests.parity.rows import ROWS

#: What only runs with several streams print.
NOTES = re.compile(r"(?m)^(tain|rsync): (\d+ streams, \d+ parts|figures of ).*\n")
SINGLE = re.compile(r"(?m)^(tain|rsync): one stream: .*\n")
_UNUSED = re.compile(r"\{w\}/show|--daemon|--dparam|--help|(^| )-\w*h\w*( |$)")
REFUSED = "--jobs cannot be used with"


def with_jobs(row: Row, jobs: int) -> Row:
    """The row with *jobs* streams in each of its runs, and in the order of the list."""

    def more(command: Command) -> list[str | bytes]:
        return [f"--jobs={jobs}", "--jobs-limit=start-gap=0", *words(command, {})]

    steps: list[Any] = [
        more(step) if not callable(step) and not (isinstance(step, str) and step.startswith("!")) else step
        for step in (row.cmd, *row.then)
    ]
    return replace(row, cmd=steps[0], then=steps[1:])


def compared(row: Row, program: str, space: Path, jobs: int = 3) -> tuple[str, list[str]]:
    """How the row ran with several streams (``divided``, ``single`` or ``refused``), and what differs from one run."""
    many = perform(with_jobs(row, jobs), program, space)
    errors = "".join(err for _, _, err in many.steps)
    if REFUSED in errors:
        return "refused", []
    how = "single" if SINGLE.search(errors) else "divided" if NOTES.search(errors) else "any"
    one = perform(row, program, space)
    if re.search("--del", _text(row)) and any(code == 23 for code, _, _ in one.steps):
        # One stream deletes until it meets the error; several delete nothing (test_streams.py).
        return "error", []
    for result in (one, many):
        result.volumes = []
        result.tree.pop("'log'", None)
    many.steps = [(code, out, NOTES.sub("", SINGLE.sub("", err))) for code, out, err in many.steps]
    # Deletions come late, a log has the lines of streams as they come, and notes about names do not wait for items. In
    # a pull, two threads print the lines of files and of directories.
    late = row.via != "local" or re.search(
        r"--del|--force|--log-file|unsafe|--safe-links|--munge|--info=|-size|(^| )-\w*k", _text(row)
    )
    return how, differences(replace(row, sorted=row.sorted or bool(late)), many, one)


def usable() -> list[Row]:
    """Rows of runs that could have several streams. Those with the shell ``show`` compare the words for a server, of
    which a pull has some more for its survey."""
    return [row for row in ROWS if not row.pty and not row.stdin and not _UNUSED.search(_text(row))]


def _text(row: Row) -> str:
    return " ".join(step if isinstance(step, str) else repr(step) for step in (row.cmd, *row.then))


__all__ = ["Result", "Row", "compared", "usable"]

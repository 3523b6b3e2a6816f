"""Rows of the tables in rows/, run by both programs; all of them with PARITY=all.

Design 8: the real rsync is the oracle. A row that asks for something the product does not have yet counts as `later`
(an expected failure); nothing else is let through.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import programs
from tests.parity.harness import Result, Row, differences, perform
from tests.parity.known import KNOWN
from tests.parity.rows import ROWS, few
from tests.sampling import runs_all

NOT_YET = "not supported by this version of tain"

#: How often rsync is asked again where the two differ. Its processes race for stdout and for who ends first, so some
#: rows have several right answers. tain runs once: what it did must be something that rsync does.
SAMPLES = 10

CHOSEN = ROWS if runs_all("PARITY") else few()


@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in CHOSEN])
def test_row(row: Row, space: Path, tain: str, rsync: str, record_property: Callable[[str, object], None]) -> None:
    programs.need_root()
    record_property("row", row.id)
    shown = row.cmd if isinstance(row.cmd, str) else " ".join(map(repr, row.cmd))
    record_property("command", {"shell": "(shell) ", "daemon": "(daemon) "}.get(row.via, "") + shown)
    theirs = perform(row, rsync, space)
    ours = perform(row, tain, space)
    found = differences(row, ours, theirs)
    expected = not_yet(ours) or (row.id in KNOWN and not programs.SELF_CHECK)
    for _ in range(SAMPLES if found and not expected else 0):
        if not differences(row, ours, perform(row, rsync, space)):
            return
    if found and not_yet(ours):
        pytest.xfail("asks for something that is not there yet")
    if found and row.id in KNOWN and not programs.SELF_CHECK:
        pytest.xfail(KNOWN[row.id])
    if found:
        pytest.fail("\n".join([f"rsync {shown}", *found]), pytrace=False)


def not_yet(ours: Result) -> bool:
    return not programs.SELF_CHECK and any(code == 4 and NOT_YET in err for code, _, err in ours.steps)

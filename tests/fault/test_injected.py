"""One system call fails, in every kind of run: the rules that must hold then are in injected/judge.py.

A sample of 130,000 cases runs; INJECTED=all runs 3600, INJECTED=n so many. `python -m tests.fault.injected` does the
same outside of pytest, and with ids as arguments runs these alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests import programs
from tests.fault.injected import changes, confined
from tests.fault.injected.cases import FULL, Case, chosen, few
from tests.fault.injected.changes import Change

WANTED = os.environ.get("INJECTED", "")
CASES = sorted(
    chosen(FULL if WANTED == "all" else int(WANTED)) if WANTED else few(),
    # Those that compare with the same clean run stand together.
    key=lambda case: (case.set, case.via, case.user, case.id),
)
CHANGES = sorted(
    changes.every() if WANTED == "all" else changes.few(),
    key=lambda change: (change.set, change.via, change.user, change.id),
)


@pytest.fixture(scope="session")
def process(_view: None) -> Iterator[ProcessPoolExecutor]:
    """A process of its own: it makes the file system read-only for itself, outside of its own directory."""
    programs.need_root()
    programs.need("cc")
    with ProcessPoolExecutor(1, initializer=confined.begin) as pool:
        yield pool


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_injected(case: Case, process: ProcessPoolExecutor, tain: str, rsync: str) -> None:
    found = process.submit(confined.judge, case).result(timeout=200)
    if found:
        pytest.fail(found, pytrace=False)


@pytest.mark.parametrize("change", [pytest.param(change, id=change.id) for change in CHANGES])
def test_changing_source(change: Change, process: ProcessPoolExecutor, tain: str, rsync: str) -> None:
    found = process.submit(confined.judge_change, change).result(timeout=200)
    if found:
        pytest.fail(found, pytrace=False)


@pytest.mark.parametrize("name", ["attributes", "delete-during", "sparse", "preallocate", "links", "backup-dir"])
def test_all_calls_are_seen(name: str, process: ProcessPoolExecutor, tain: str) -> None:
    """What the preloaded library counts is what strace sees: no call goes past it."""
    programs.need("strace")
    assert process.submit(confined.compare_with_strace, name).result(timeout=200) == ""

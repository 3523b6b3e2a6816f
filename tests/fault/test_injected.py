"""One system call fails, in every kind of run: the rules that must hold then are in injected/judge.py.

300 cases of many thousands run here; INJECTED=all runs 3600, INJECTED=n so many. `python -m tests.fault.injected` does
the same outside of pytest, and with ids as arguments runs these alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests import programs
from tests.fault.injected import confined
from tests.fault.injected.cases import FULL, SAMPLE, Case, chosen

WANTED = os.environ.get("INJECTED", "")
CASES = sorted(
    chosen(FULL if WANTED == "all" else int(WANTED or SAMPLE)),
    # Those that compare with the same clean run stand together.
    key=lambda case: (case.set, case.via, case.user, case.id),
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

"""SCL-10..27: rows of the parity tables with three streams against one: tree, lines, figures, errors and exit code.

``JOBS_ROWS`` is the number of rows, ``all`` for every one (default: a sample).
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests import programs
from tests.cluster.rows import Row, compared, usable

ROWS = usable()
COUNT = os.environ.get("JOBS_ROWS", "120")
#: The same rows each time: a sample of a random order.
CHOSEN = ROWS if COUNT == "all" else random.Random(15).sample(ROWS, int(COUNT))


@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in CHOSEN])
def test_scl_10_to_27_three_streams_do_what_one_does(row: Row, space: Path, tain: str) -> None:
    programs.need_root()
    how, found = compared(row, tain, space)
    if found:
        # What one stream does can be a race, too.
        how, found = compared(row, tain, space)
    assert not found, "\n".join([how, str(row.cmd), *found])

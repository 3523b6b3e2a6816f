"""Random cases with fixed seeds. `make property` runs many more."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests import programs

#: Seeds of the short run, in portions that the workers share.
PORTIONS, SIZE = 8, 25


@pytest.mark.parametrize("portion", range(PORTIONS))
def test_cases(portion: int, tain: str, rsync: str) -> None:
    # A process of its own: it makes the file system read-only for itself, outside of its temporary directory.
    programs.need_root()
    environment = os.environ | {"START": str(portion * SIZE), "CASES": str(SIZE), "JOBS": "1", "REDUCE": "0"}
    environment.pop("SEED", None)
    run = subprocess.run(
        [sys.executable, "-m", "tests.property"],
        cwd=programs.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=600,
    )
    if run.returncode != 0:
        pytest.fail(run.stdout[-20_000:] + run.stderr[-2000:], pytrace=False)

"""`--bwlimit` holds on a local copy as well, where no link exists (spec: options 6.9)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests import programs

SIZE = 400_000


@pytest.mark.parametrize("how", [[], ["--inplace"], ["-S"], ["--no-W"], ["--append"]])
def test_local(how: list[str], tmp_path: Path, tain: str) -> None:
    source, target = tmp_path / "src", tmp_path / "dst"
    source.mkdir()
    target.mkdir()
    content = bytes(i * i % 251 for i in range(SIZE))
    (source / "file").write_bytes(content)
    if "--no-W" in how:
        (target / "file").write_bytes(b"nothing of it" * 1000)
    start = time.monotonic()
    outcome = programs.run(
        [tain, "-a", "--bwlimit=400K", *how, "src/", "dst/"], cwd=tmp_path, env=programs.environment(str(tmp_path))
    )
    taken = time.monotonic() - start
    assert outcome.code == 0, outcome
    assert (target / "file").read_bytes() == content
    # A limit is a lower bound of the time: 400,000 bytes at 409,600 a second, less what may be owed at the end.
    assert taken > 0.8, f"{taken} s"

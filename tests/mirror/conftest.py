"""A site for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mirror.site import Site, fill


@pytest.fixture
def site(tmp_path: Path, tain: str) -> Site:
    """A site with 30 files in ``src``; no job yet."""
    fill(tmp_path / "src", 30)
    return Site(tmp_path)

"""Fixtures of the tests of the daemon."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory for a daemon, with three files in its ``mod``."""
    root = tmp_path / "mod"
    root.mkdir()
    for name in ("one", "two", "three"):
        (root / name).write_text(name)
    return tmp_path

"""`make parity OPTION=--chmod`: only the rows that use one option."""

from __future__ import annotations

import os

import pytest

from tests.parity import usage
from tests.parity.harness import Row
from tests.parity.rows import ROWS


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    option = os.environ.get("OPTION")
    if not option:
        return
    try:
        wanted = usage.key(option)
    except LookupError:
        raise pytest.UsageError(f"OPTION={option}: no option is written so") from None
    chosen = {row.id for row in ROWS if wanted in usage.used(row)}
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        row = (
            item.callspec.params.get("row") if isinstance(item, pytest.Function) and hasattr(item, "callspec") else None
        )
        (kept if isinstance(row, Row) and row.id in chosen else left).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept

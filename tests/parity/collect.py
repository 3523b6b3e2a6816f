"""Collects what each row showed, for the page docs/parity.md (`make parity`)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


class Collector:
    """Gathers one record for each row; the first process of pytest sees those of all workers."""

    def __init__(self, target: str) -> None:
        self.target = Path(target)
        self.records: dict[str, dict[str, str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        facts = dict(report.user_properties)
        if report.when != "call" or "row" not in facts:
            return
        outcome = "later" if hasattr(report, "wasxfail") else str(report.outcome)
        self.records[str(facts["row"])] = {"outcome": outcome, "command": str(facts["command"])}

    def pytest_sessionfinish(self) -> None:
        if self.records:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            self.target.write_text(json.dumps(self.records, indent=1, sort_keys=True) + "\n")

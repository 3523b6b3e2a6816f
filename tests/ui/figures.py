"""Figures without a core, for tests and pictures of what is shown (`tain.report.meter.Figures`)."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass
class FakeFigures:
    entries: int = 0
    listed_bytes: int = 0
    complete: bool = False
    decided: int = 0
    undecided_bytes: int = 0
    asked_bytes: int = 0
    done_bytes: int = 0
    wire_bytes: int = 0
    files: int = 0
    deleted: int = 0
    errors: int = 0
    name: bytes = b""
    size: int = 0
    offset: int = 0
    directory: bytes = b""
    phase: str = "scan"

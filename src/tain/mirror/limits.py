"""Which limits of deletions fit what a job has deleted so far. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tain.mirror.guards import share
from tain.mirror.model import Guard

#: Seconds of history that are looked at.
SPAN = 90 * 86400.0
#: Fewer runs say nothing.
_FEWEST = 5
#: So much more than the largest deletion is still usual.
_FACTOR = 2
#: Limits below these would hold every second run of a small tree.
_LEAST_DELETES, _LEAST_PERCENT = 100, 1.0


@dataclass(frozen=True)
class Suggestion:
    """Limits for one job, and what they come from."""

    name: str
    runs: int
    #: Deletions of the largest run, and entries that the destination had.
    largest: tuple[int, int]
    max_delete: int | None = None
    max_delete_percent: float | None = None

    def line(self, now: Guard) -> str:
        """The suggestion for a person. *now*: the limits in force."""
        if self.max_delete is None:
            return f"{self.name}: {self.runs} runs in 90 days; limits are suggested from {_FEWEST} on"
        number, entries = self.largest
        most = "none" if now.max_delete is None else f"{now.max_delete}"
        return (
            f"{self.name}: at most {number:,} of {entries:,} entries ({share(number, entries)}) were deleted in "
            f"{self.runs} runs; guard = {{ max_delete = {self.max_delete}, max_delete_percent = "
            f"{self.max_delete_percent:g} }} (now {most} and {now.max_delete_percent:g})"
        )

    def document(self) -> dict[str, Any]:
        """As an object of a JSON document."""
        return {
            "name": self.name, "runs": self.runs, "largest": self.largest[0], "of": self.largest[1],
            "max_delete": self.max_delete, "max_delete_percent": self.max_delete_percent,
        }  # fmt: skip


def suggest(name: str, runs: Iterable[Mapping[str, Any]]) -> Suggestion:
    """Limits from the *runs* of a job. Only deletions that were made are usual: what was held was not."""
    made = [run for run in runs if run["result"] == "success"]
    plans = [(int(run["planned_deletes"] or 0), int(run["planned_of"] or 0)) for run in made]
    largest = max(plans, default=(0, 0))
    if len(made) < _FEWEST:
        return Suggestion(name, len(made), largest)
    percent = max((100.0 * number / entries for number, entries in plans if entries), default=0.0)
    return Suggestion(
        name, len(made), largest, max(_round_up(_FACTOR * largest[0]), _LEAST_DELETES),
        min(max(float(_round_up(math.ceil(_FACTOR * percent))), _LEAST_PERCENT), 100.0),
    )  # fmt: skip


def _round_up(number: int) -> int:
    """The next number with one digit that is not zero."""
    if number <= 0:
        return 0
    step: int = 10 ** (len(str(number)) - 1)
    return -(-number // step) * step

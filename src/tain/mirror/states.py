"""The words of state, each in one table: phases, results, states of a job, exit codes."""

from __future__ import annotations

from dataclasses import dataclass

#: Result -> whether it counts as good (True), bad (False) or neither (None).
RESULTS: dict[str, bool | None] = {
    "success": True,
    "unchanged": True,
    "partial": None,
    "held": None,
    "deferred": None,
    "failed": False,
    "cancelled": None,
    "lost": False,
}

#: States of a job in the order in which they are tried; the first that applies is shown.
STATES = (
    "disabled", "running", "queued", "paused", "held", "failing", "stale", "partial", "fresh", "new",
)  # fmt: skip
#: States that a person must look at are written in capitals.
LOUD = frozenset(("held", "failing"))
#: A job fails after so many bad results in a row.
FAILING_AFTER = 2
#: So many partial results in a row count as a bad one.
PARTIAL_LIMIT = 3

EXIT_OK = 0
EXIT_CANCELLED = 20
EXIT_PARTIAL = 23
EXIT_HELD_DELETIONS = 25
EXIT_USAGE = 64
EXIT_DATA = 65
EXIT_UNAVAILABLE = 69
EXIT_INTERNAL = 70
EXIT_STATE = 73
EXIT_DEFERRED = 75
EXIT_HELD = 77
EXIT_CONFIG = 78

_EXITS = {
    "success": EXIT_OK,
    "unchanged": EXIT_OK,
    "partial": EXIT_PARTIAL,
    "deferred": EXIT_DEFERRED,
    "cancelled": EXIT_CANCELLED,
    "lost": EXIT_INTERNAL,
}


def exit_of(result: str, code: int) -> int:
    """The exit code of `run`. *code* is that of the last attempt, or of what held the run."""
    return _EXITS.get(result, code)


def worst(codes: list[int]) -> int:
    """The exit code of several runs: that of the worst; a run that is tried again later is better than a failed one."""
    ranks = {EXIT_OK: 0, EXIT_DEFERRED: 1, EXIT_PARTIAL: 2, EXIT_CANCELLED: 3, EXIT_HELD_DELETIONS: 4, EXIT_HELD: 5}
    return max(codes, key=lambda code: ranks.get(code, 6), default=EXIT_OK)


@dataclass(frozen=True)
class Facts:
    """What decides the state of a job. Times are seconds since 1970; None: never."""

    enabled: bool
    running: bool
    queued: bool
    paused: bool
    held: bool
    failures: int
    last_result: str | None
    last_good: float | None
    #: Time of the content, or of the last good check if the content has no time.
    fresh_at: float | None
    stale_after: float
    now: float


def state_of(facts: Facts) -> str:
    """The state that is shown."""
    if not facts.enabled:
        return "disabled"
    if facts.running:
        return "running"
    if facts.queued:
        return "queued"
    if facts.paused:
        return "paused"
    if facts.held:
        return "held"
    if facts.failures >= FAILING_AFTER:
        return "failing"
    if facts.last_good is None and facts.last_result is None:
        return "new"
    if facts.fresh_at is None or facts.now - facts.fresh_at > facts.stale_after:
        return "stale" if facts.last_good is not None else "failing" if facts.last_result == "failed" else "new"
    return "partial" if facts.last_result == "partial" else "fresh"

"""Which snapshots and which old versions are kept. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tain.mirror.model import Publish
from tain.mirror.plan import local

#: The rules in the order in which they choose, each with what is equal within one period.
_PERIODS = (
    ("keep_hourly", "%Y-%m-%d %H"), ("keep_daily", "%Y-%m-%d"), ("keep_weekly", "%G-%V"), ("keep_monthly", "%Y-%m"),
    ("keep_yearly", "%Y"),
)  # fmt: skip


@dataclass(frozen=True)
class Snapshot:
    """A finished tree. `at`: seconds since 1970; `good`: its run was a success."""

    name: str
    at: float
    good: bool = True


def last_good(snapshots: Iterable[Snapshot]) -> Snapshot | None:
    """The newest snapshot of a successful run."""
    return max((found for found in snapshots if found.good), key=lambda found: (found.at, found.name), default=None)


def kept(snapshots: Sequence[Snapshot], rules: Publish, timezone: str | None = None) -> dict[str, str]:
    """The snapshots that stay, each with the rule that keeps it.

    Each rule keeps the newest one of each of its last periods, in local time. A snapshot that an earlier rule keeps
    does not count for a later one. The last good one always stays.
    """
    newest = sorted(snapshots, key=lambda found: (found.at, found.name), reverse=True)
    why = {found.name: "keep_last" for found in newest[: rules.keep_last]}
    for key, pattern in _PERIODS:
        left, period = getattr(rules, key), None
        for found in newest:
            if left <= 0:
                break
            now = local(found.at, timezone).strftime(pattern)
            if now == period:
                continue
            period = now
            if found.name not in why:
                why[found.name] = key
                left -= 1
    last = last_good(snapshots)
    if last is not None:
        why.setdefault(last.name, "last good")
    return why


def removed(snapshots: Sequence[Snapshot], rules: Publish, timezone: str | None = None) -> list[str]:
    """The snapshots that no rule keeps, oldest first."""
    why = kept(snapshots, rules, timezone)
    return [found.name for found in sorted(snapshots, key=lambda found: found.at) if found.name not in why]


def old_versions(replaced: Mapping[str, float], keep: int, grace: float, now: float) -> list[str]:
    """The versions that go, oldest first. *replaced*: when each was replaced by a newer one. Readers that began before
    have *grace* seconds to finish."""
    newest = sorted(replaced, key=lambda name: (replaced[name], name), reverse=True)
    return [name for name in reversed(newest[max(keep, 0) :]) if now - replaced[name] >= grace]

"""Which upstream serves a run, and why, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from tain.mirror.model import Failover
from tain.mirror.words import age, bytes_text


@dataclass(frozen=True)
class Candidate:
    """An upstream as a probe has found it, in the order of the configuration."""

    url: str
    #: How it is called in the reasons.
    host: str
    reachable: bool = True
    error: str = ""
    weight: int = 50
    #: Bytes per second of earlier runs; None: unknown.
    rate: float | None = None
    #: Time of its content; None: unknown.
    content: float | None = None
    #: It failed a short while ago.
    cooling: bool = False


@dataclass(frozen=True)
class Choice:
    """The usable upstreams, best first, and a reason for each. `older`: all that answered are older than ours."""

    urls: tuple[str, ...]
    reasons: dict[str, str]
    older: bool = False


def choose(
    candidates: Sequence[Candidate], rules: Failover, *, ours: float | None = None, present: str | None = None
) -> Choice:
    """Choose among upstreams. *ours*: time of our content; *present*: the upstream of the last good run."""
    reasons: dict[str, str] = {}
    left = []
    older = 0
    for candidate in candidates:
        if not candidate.reachable:
            reasons[candidate.url] = candidate.error or "not reachable"
        elif ours is not None and candidate.content is not None and candidate.content < ours and not rules.allow_older:
            reasons[candidate.url] = f"{age(ours - candidate.content)} older than our content"
            older += 1
        else:
            left.append(candidate)
    freshest = max((candidate.content for candidate in left if candidate.content is not None), default=None)
    fresh = []
    for candidate in left:
        behind = 0.0 if freshest is None or candidate.content is None else freshest - candidate.content
        if behind > rules.max_lag:
            reasons[candidate.url] = f"{age(behind)} behind"
        else:
            fresh.append(candidate)
    # One that has failed a short while ago is better than none.
    cool = [candidate for candidate in fresh if not candidate.cooling]
    for candidate in fresh:
        if candidate.cooling and cool:
            reasons[candidate.url] = "failed a short while ago"
    usable = cool or fresh
    ordered = _order(usable, rules, freshest, present)
    for number, candidate in enumerate(ordered):
        rate = f", {bytes_text(candidate.rate)}/s" if candidate.rate else ""
        behind = 0.0 if freshest is None or candidate.content is None else freshest - candidate.content
        state = (
            f"{age(behind)} behind" if behind > rules.slack else "fresh" if candidate.content is not None else "usable"
        )
        reasons[candidate.url] = f"{'chosen ' if number == 0 else ''}({state}{rate})"
    return Choice(tuple(candidate.url for candidate in ordered), reasons, older=older > 0 and not left)


def _order(
    usable: Sequence[Candidate], rules: Failover, freshest: float | None, present: str | None
) -> list[Candidate]:
    if rules.mode == "ordered":
        return list(usable)
    known = [candidate.rate for candidate in usable if candidate.rate]
    usual = median(known) if known else 1.0

    def value(candidate: Candidate) -> float:
        # The present one stays unless another is clearly better.
        return candidate.weight * (candidate.rate or usual) * (rules.sticky if candidate.url == present else 1.0)

    def is_late(candidate: Candidate) -> bool:
        return freshest is not None and candidate.content is not None and freshest - candidate.content > rules.slack

    return sorted(usable, key=lambda candidate: (is_late(candidate), -value(candidate)))


def mean_rate(before: float | None, now: float) -> float:
    """The exponential mean of the rates of runs."""
    return now if before is None else 0.7 * before + 0.3 * now

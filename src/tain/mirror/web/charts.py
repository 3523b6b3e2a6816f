"""Small drawings of runs as paths of SVG: readable by their shape alone, so colour only helps. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Result -> the height of its bar in a strip: above the line it went well, below it did not.
_HEIGHTS = {
    "success": 12, "unchanged": 5, "partial": -4, "deferred": -2, "cancelled": -2, "held": -6, "failed": -8, "lost": -8,
}  # fmt: skip
#: Result -> the class that colours it.
KINDS = {
    "success": "good", "unchanged": "same", "partial": "warn", "deferred": "same", "cancelled": "same", "held": "warn",
    "failed": "bad", "lost": "bad",
}  # fmt: skip
#: A strip has so many bars of this width; the line lies below the height of the tallest bar.
BARS, _STEP, _WIDTH, _LINE = 30, 6, 4, 13
STRIP_WIDTH, STRIP_HEIGHT = BARS * _STEP, 22

CHART_WIDTH, CHART_HEIGHT = 720, 120
_CHART_LINE = 96


@dataclass(frozen=True)
class Shape:
    """A path and the class of its colour."""

    kind: str
    path: str


@dataclass(frozen=True)
class Strip:
    """The last runs of a job in one line, the newest at the right end."""

    shapes: tuple[Shape, ...]
    #: Result and how often, for the text of the drawing.
    counts: tuple[tuple[str, int], ...]
    total: int


@dataclass(frozen=True)
class Bar:
    """One bar of a chart: a run that one can follow."""

    run: str
    kind: str
    result: str
    x: float
    y: float
    width: float
    height: float
    value: float
    #: When the run began.
    at: float
    #: Centre of a mark for a run that did not go well, which has a shape of its own.
    mark: float | None


@dataclass(frozen=True)
class Chart:
    """A value of each run, the newest at the right end."""

    bars: tuple[Bar, ...]
    most: float
    line: int = _CHART_LINE
    width: int = CHART_WIDTH
    height: int = CHART_HEIGHT


@dataclass(frozen=True)
class Span:
    """A part of a run on its timeline; positions are percent of the length."""

    name: str
    start: float
    width: float
    seconds: float


@dataclass(frozen=True)
class Part:
    """A part of a bar that is 100 long."""

    kind: str
    x: float
    width: float

    @property
    def has_sign(self) -> bool:
        """Whether the sign of the state fits in, also on a telephone."""
        return self.width >= 8


def parts(counts: Mapping[str, int], order: Sequence[str]) -> tuple[Part, ...]:
    """How many jobs are in which state, as one bar with a gap between two states."""
    wanted = [(name, counts[name]) for name in order if counts.get(name)]
    gap = 0.6
    room = 100 - gap * (len(wanted) - 1)
    whole = max(sum(number for _, number in wanted), 1)
    found, x = [], 0.0
    for name, number in wanted:
        width = room * number / whole
        found.append(Part(name, round(x, 2), round(width, 2)))
        x += width + gap
    return tuple(found)


def strip(results: Sequence[str]) -> Strip:
    """*results*: the newest first."""
    paths: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    for number, result in enumerate(results[:BARS]):
        x = STRIP_WIDTH - (number + 1) * _STEP + (_STEP - _WIDTH) // 2
        height = _HEIGHTS.get(result, 2)
        top = _LINE - height if height > 0 else _LINE + 1
        paths.setdefault(KINDS.get(result, "same"), []).append(f"M{x} {top}h{_WIDTH}v{abs(height)}h-{_WIDTH}z")
        counts[result] = counts.get(result, 0) + 1
    shapes = tuple(Shape(kind, "".join(parts)) for kind, parts in paths.items())
    return Strip(shapes, tuple(counts.items()), min(len(results), BARS))


def chart(runs: Sequence[Mapping[str, Any]], key: str) -> Chart:
    """The value *key* of each run; *runs*: the newest first."""
    values = [float(run[key] or 0) for run in runs]
    most = max(values, default=0.0)
    step = min(CHART_WIDTH / max(len(runs), 1), 24.0)
    bars = []
    for number, (run, value) in enumerate(zip(runs, values, strict=True)):
        height = max(_CHART_LINE * value / most, 1.5) if most and value else 1.5
        x = CHART_WIDTH - (number + 1) * step
        kind = KINDS.get(run["result"] or "", "same")
        mark = x + step * 0.4 if kind in ("bad", "warn") else None
        bars.append(
            Bar(
                run["id"], kind, run["result"] or "running", round(x, 1), round(_CHART_LINE - height, 1),
                round(step * 0.8, 1), round(height, 1), value, float(run["started"] or run["queued"]),
                None if mark is None else round(mark, 1),
            )
        )  # fmt: skip
    return Chart(tuple(reversed(bars)), most)


def timeline(events: Sequence[Mapping[str, Any]], ended: float | None) -> tuple[Span, ...]:
    """The phases of a run, from its events."""
    marks: list[tuple[str, float]] = []
    for event in events:
        if event["ev"] == "phase":
            name = str(event.get("stage") or event["phase"])
            if not marks or marks[-1][0] != name:
                marks.append((name, float(event["at"])))
    if not marks:
        return ()
    end = ended if ended is not None else float(events[-1]["at"])
    whole = max(end - marks[0][1], 0.001)
    spans = []
    for number, (name, start) in enumerate(marks):
        finish = marks[number + 1][1] if number + 1 < len(marks) else end
        if name == "ended":
            continue
        length = max(finish - start, 0.0)
        spans.append(
            Span(name, round(100 * (start - marks[0][1]) / whole, 2), round(max(100 * length / whole, 0.6), 2), length)
        )
    return tuple(spans)

"""Runs a transfer to its end like `report.output.pump`, and shows its figures meanwhile."""

from __future__ import annotations

import time

from tain.report.output import TICK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from tain._core import Summary
    from tain._core import _Event as Event
    from tain.report.meter import Figures, Meter, Shown
    from tain.report.output import Output

    class Watched(Protocol):
        """A running transfer whose figures can be read at any time."""

        @property
        def summary(self) -> Summary: ...
        def next_batch(self, timeout: float) -> list[Event] | None: ...
        def figures(self) -> Figures: ...
        def cancel(self, code: int = 20) -> None: ...

    class Screen(Protocol):
        """Where the figures are shown."""

        def due(self, now: float) -> bool: ...
        def draw(self, shown: Shown, now: float) -> None: ...
        def erase(self) -> None: ...


#: Seconds that a wait for events lasts at most: the screen can be drawn ten times per second.
_TICK = 0.1


def watch(
    transfer: Watched,
    out: Output,
    meter: Meter,
    make_screen: Callable[[], Screen],
    *,
    first: float,
    on_events: Callable[[list[Event]], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Summary:
    """Write the output of *transfer* and draw its figures until it ends; returns its summary.

    *make_screen* is called after *first* seconds, so a short run pays for no screen. The screen is erased before
    anything else is written, and at the end, whatever ends the run. *on_events* is as in `Output.events`.
    """
    screen: Screen | None = None
    start = clock()
    due = start + TICK

    def erase() -> None:
        if screen is not None:
            screen.erase()

    try:
        while (batch := transfer.next_batch(_TICK)) is not None:
            if batch:
                erase()
                out.events(batch, on_events)
            if out.holds_shell:
                erase()
                out.write_shell()
            now = clock()
            if out.tick is not None and now >= due:
                due = now + TICK
                out.tick()
            if screen is None:
                if now - start < first:
                    continue
                screen = make_screen()
            if screen.due(now):
                screen.draw(meter.at(transfer.figures(), now), now)
    except BaseException:
        # After an interrupt, no thread may continue to write files.
        transfer.cancel()
        while transfer.next_batch(_TICK) is not None:
            pass
        raise
    finally:
        erase()
    return transfer.summary

"""One stream of a transfer: an ordinary client run whose output and figures go to the whole."""

from __future__ import annotations

import copy

from tain.report.output import STDERR, WHOLE_RUN, Output, error_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from tain import _core
    from tain.options.resolved import ResolvedOptions
    from tain.session.agreement import Agreed
    from tain.session.client.request import Request
    from tain.session.client.run import Run

    class Whole(Protocol):
        """What the streams report to."""

        def began(self, part: Part) -> None: ...
        def take(self, part: Part, batch: list[_core._Event]) -> None: ...
        def say(self, part: Part, stream: int, text: bytes) -> None: ...


class _PartOutput(Output):
    """Lines that the Python side of a stream prints."""

    def __init__(self, whole: Whole, part: Part) -> None:
        super().__init__(-1, -1)
        self._whole, self._part = whole, part

    def _put(self, stream: int, data: bytes) -> None:
        self._whole.say(self._part, stream, data)


class Part:
    """One stream. `run` blocks until it has ended; other methods may be called from any thread."""

    def __init__(
        self,
        whole: Whole,
        request: Request,
        options: ResolvedOptions,
        rules: Sequence[bytes],
        *,
        events: Sequence[str],
        fields: _core.PlanFields,
    ) -> None:
        """*rules* stand before those of *request*; *events* and *fields* are those of the core's plan."""
        self._whole = whole
        self._events, self._fields = events, fields
        #: What runs; set once the connection stands.
        self.transfer: _core.Run | None = None
        self.agreed: Agreed | None = None
        self.summary: _core.Summary | None = None
        #: The exit code, once it has ended.
        self.code = 0
        #: The run ended without a fatal error.
        self.whole = False
        self.request = request.unobserved(options, _PartOutput(whole, self))
        self.request.first_rules = list(rules)
        self.request.rules = [*rules, *request.rules]
        self.request.part = self
        self.request.env = copy.copy(request.env)
        self.request.env.shell_stderr = lambda data: whole.say(self, STDERR, data)
        destination = self.request.job.destination
        if destination and not destination.endswith(b"/"):
            # The whole has several entries, so this names a directory. A stream may have one, and would take its name.
            self.request.job.destination = destination + b"/"
        self.request.events = events
        self.request.on_events = lambda found: whole.take(self, found)

    def fields(self) -> _core.PlanFields:
        """Fields of the plan that do not follow from the options."""
        return {**self._fields, "events": set(self._events)}

    def finish(self, run: Run, agreed: Agreed, transfer: _core.Run) -> int:
        """Take in a transfer to its end; returns its exit code."""
        self.agreed, self.transfer = agreed, transfer
        self._whole.began(self)
        try:
            for batch in transfer:
                self._whole.take(self, batch)
        except BaseException:
            transfer.cancel()
            for _ in transfer:
                pass
            raise
        summary = self.summary = transfer.summary
        self.whole = summary.code in WHOLE_RUN and not summary.error and not summary.reported
        code = max(summary.code, run.child_status(whole=self.whole))
        if summary.error:
            self._whole.say(self, STDERR, summary.error.encode("utf-8", "surrogateescape") + b"\n")
        if self.whole and run.job.am_sender and not run.local and run.wants_done:
            run.confirm(transfer)
        return code

    def fail(self, error: BaseException, code: int) -> None:
        """The stream could not begin."""
        self.code, self.whole = code, False
        self._whole.say(self, STDERR, error_text(error))

"""Makes the events of a run, in their order, for everybody who wants them: a program's callback, lines of JSON.

There is no second place: the API delivers these values (`tain.events`), and ``--json`` writes them. Only what comes
once per file can come from the core as ready lines.
"""

from __future__ import annotations

import os
import time

from tain.errors import TainError
from tain.events import (
    KINDS,
    Connected,
    Deleted,
    Done,
    End,
    Held,
    HintEvent,
    Message,
    Planned,
    Progress,
    Scan,
    Skipped,
    Start,
    Summary,
)
from tain.options.hostspec import Locations, locate
from tain.report.meter import LOOK_AHEAD
from tain.report.output import STDOUT, WHOLE_RUN
from tain.results import item_of, statistics_of
from tain.session.client.gauge import Gauge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from tain import _core
    from tain.events import Event
    from tain.options.resolved import ResolvedOptions
    from tain.plans import Plan
    from tain.problems import Cause, Hint, Problem
    from tain.report.output import Output
    from tain.session.agreement import Agreed
    from tain.session.client.lines import Lines
    from tain.session.environment import Cancellable, Environment

    class Listener(Protocol):
        """Receives events."""

        @property
        def kinds(self) -> frozenset[str]:
            """The names of the events that it wants, as in `tain.events.KINDS`."""

        @property
        def core_kinds(self) -> frozenset[str]:
            """The kinds of events that it wants from the core."""

        @property
        def wants_repeats(self) -> bool:
            """It wants messages about what other events say, too."""

        @property
        def looks_ahead(self) -> bool:
            """It wants an early total, for which the sender lists further ahead."""

        def attach(self, out: Output) -> None: ...
        def take(self, event: Event) -> None: ...
        def take_lines(self, lines: bytes) -> None: ...


#: Seconds between two `Scan` events.
_SCAN_SECONDS = 1.0
#: Paths that a summary names for each cause.
_PATHS = 5
#: Exit codes of signals.
_SIGNALS = frozenset((19, 20))


class Reporter:
    """The events of one run."""

    def __init__(self, options: ResolvedOptions, env: Environment, listeners: list[Listener]) -> None:
        self._options, self._env = options, env
        self._listeners = listeners
        self._began = time.monotonic()
        kinds: set[str] = set()
        core: set[str] = set()
        for listener in listeners:
            kinds |= listener.kinds
            core |= listener.core_kinds
        #: The names of the events that somebody wants, and the kinds that the core must emit for them.
        self.kinds, self.core_kinds = frozenset(kinds), frozenset(core)
        #: Where the files are; a guess until the arguments are sorted.
        self.job = Locations()
        self._lists = len(options.args) == 1 and options.read_batch is None
        #: The numeric address and the port of a TCP connection.
        self.address: tuple[str, int] | None = None
        #: The failures so far.
        self.problems: list[Problem] = []
        self._causes: dict[Cause, tuple[list[bytes], int]] = {}
        self._stopped_by: str | None = None
        self._out: Output | None = None
        #: How far the run is; any thread may read it.
        self.gauge = Gauge(checksum=bool(options.checksum), remote=True)
        self._scanned = -_SCAN_SECONDS
        self._scan_complete = False
        self._ended = False

    # ---- the run calls these

    def start(self, out: Output, lines: Lines) -> None:
        """The run begins. Its lines are those that *lines* reads, and its figures are looked at when *out* ticks."""
        self._out = out
        for listener in self._listeners:
            listener.attach(out)
        lines.listeners.append(self._line)
        lines.wants_stdout |= "message" in self.kinds
        if self.kinds & {"scan", "progress", "message", "error"}:
            out.tick = self.tick
        options = self._options
        try:
            self.job = locate(options)
        except TainError:
            # The run reports the mistake in the arguments.
            self.job = Locations()
        places = options.args
        sources, destination = (places, None) if self._lists else (places[:-1], places[-1] if places else None)
        self._emit(
            Start(
                sources=tuple(sources),
                destination=destination,
                dry_run=bool(options.dry_run),
                direction="list" if self._lists else self.direction,
                host=self._host(),
            )
        )

    @property
    def direction(self) -> str:
        """``local``, ``push`` or ``pull``."""
        if self.job.host is None:
            return "local"
        return "push" if self.job.am_sender else "pull"

    @property
    def look_ahead(self) -> int:
        """Entries that a sender lists ahead; 0: the usual number. Only a complete list has a total."""
        return LOOK_AHEAD if any(listener.looks_ahead for listener in self._listeners) else 0

    def elapsed_ms(self) -> int:
        """Milliseconds since the start."""
        return int((time.monotonic() - self._began) * 1000)

    def connecting(self) -> None:
        """The run begins to connect."""
        if "progress" in self.kinds:
            self._emit(
                Progress(
                    phase="connect", fraction=None, bytes_done=0, bytes_total=0, total_is="unknown", rate=None,
                    left=None, entries=0, decided=0, files=0, deleted=0, wire=0, path=b"",
                )
            )  # fmt: skip

    def connected(self, agreed: Agreed, transport: str) -> None:
        """The handshake is through; *transport* is ``shell``, ``tcp`` or ``pipe``."""
        address, port = self.address or (None, None)
        self._emit(
            Connected(
                host=self._host(),
                address=address,
                port=port,
                transport=transport,
                protocol=agreed.protocol,
                checksum=agreed.xfer_sum,
                compress=None if agreed.compress == "none" else agreed.compress,
            )
        )

    def take_core(self, events: list[_core._Event]) -> None:
        """Events of the core."""
        for event in events:
            if event[0] == "json":
                for listener in self._listeners:
                    listener.take_lines(event[1])
            elif event[0] == "item":
                item = item_of(event[1])
                if item.change == "delete":
                    self._emit(Deleted(name=item.name, mode=item.mode))
                else:
                    self._emit(item)
            elif event[0] == "skip":
                self._emit(Skipped(name=event[1].name, why=event[1].why, rule=event[1].rule))
            elif event[0] == "done":
                done = event[1]
                self._emit(Done(**{name: getattr(done, name) for name in Done._names}))

    def tick(self) -> None:
        """Some time has passed."""
        if self._out is not None:
            self._out.take_shell()
        transfer = self._env.transfer
        if transfer is None:
            return
        if "scan" in self.kinds:
            self._scan(transfer.figures(), last=False)
        if "progress" in self.kinds:
            self._progress(transfer, ended=False)

    def transferred(self, transfer: _core.Run, summary: _core.Summary) -> None:
        """The transfer is over."""
        if "scan" in self.kinds:
            self._scan(transfer.figures(), last=True)
        if "progress" in self.kinds:
            self._progress(transfer, ended=summary.code in WHOLE_RUN)

    def planned(self, plan: Plan) -> None:
        """The run is held until somebody has decided about its plan."""
        self._emit(Planned(plan=plan))

    def held(self, guard: str, text: str, *, count: int | None = None, of: int | None = None) -> None:
        """A guard has refused the run, or its deletions."""
        self._stopped_by = "guard"
        self._emit(Held(guard=guard, count=count, of=of, text=text))

    def end(self, code: int, text: str, summary: _core.Summary | None, hints: tuple[Hint, ...]) -> None:
        """The run is over: *code* is its exit code, *text* the meaning of that."""
        if self._ended:
            return
        self._ended = True
        if summary is not None and "summary" in self.kinds:
            self._emit(self._summary(summary))
        for hint in hints:
            self._emit(HintEvent(hint=hint))
        self._emit(
            End(
                code=code,
                text=text,
                complete=code in WHOLE_RUN,
                stopped_by=self._reason(code, summary),
                deletions_skipped=0 if summary is None else summary.deletions_skipped,
                seconds=time.monotonic() - self._began,
            )
        )

    # ---- internals

    def _emit(self, event: Event) -> None:
        kind = KINDS[type(event)]
        for listener in self._listeners:
            if kind in listener.kinds:
                listener.take(event)

    def _host(self) -> str | None:
        return None if self.job.host is None else os.fsdecode(self.job.host)

    def _line(self, stream: int, text: str, problem: Problem | None) -> None:
        """A line of the run; see `Lines`."""
        if problem is not None:
            self._add(problem)
            self._emit(problem)
            return
        if "message" not in self.kinds:
            return
        from tain.diagnosis.messages import speaker

        role, side = speaker(text, direction=self.direction)
        level = "info" if stream == STDOUT else "error" if text.startswith("rsync error: ") else "warning"
        message = Message(level=level, text=text, role=role, side=side)
        repeats = self._out is not None and self._out.repeating
        for listener in self._listeners:
            if "message" in listener.kinds and (not repeats or listener.wants_repeats):
                listener.take(message)

    def _add(self, problem: Problem) -> None:
        self.problems.append(problem)
        paths, count = self._causes.get(problem.cause, ([], 0))
        if problem.path is not None and len(paths) < _PATHS and problem.path not in paths:
            paths.append(problem.path)
        self._causes[problem.cause] = paths, count + 1
        if problem.text.startswith("stopping at requested limit"):
            self._stopped_by = "limit"

    def _sorted(self) -> tuple[tuple[Cause, int, tuple[bytes, ...]], ...]:
        rows = [(cause, count, tuple(paths)) for cause, (paths, count) in self._causes.items()]
        return tuple(sorted(rows, key=lambda row: -row[1]))

    def _scan(self, figures: _core.Figures, *, last: bool) -> None:
        now = time.monotonic()
        if self._scan_complete or not (last or figures.complete or now - self._scanned >= _SCAN_SECONDS):
            return
        self._scanned = now
        self._scan_complete = figures.complete or last
        self._emit(Scan(entries=figures.entries, bytes=figures.listed_bytes, complete=figures.complete))

    def _progress(self, transfer: Cancellable, *, ended: bool) -> None:
        progress = self.gauge.read(transfer, ended=ended)
        if progress is not None:
            self._emit(progress)

    def _summary(self, summary: _core.Summary) -> Summary:
        return Summary(
            statistics=statistics_of(summary),
            problems=len(self.problems),
            causes=self._sorted(),
        )

    def _reason(self, code: int, summary: _core.Summary | None) -> str | None:
        """What has stopped a run with this exit code."""
        if self._stopped_by is not None or code in (0, 23, 24):
            return self._stopped_by
        if code in _SIGNALS:
            return "signal"
        if code == 25:
            return "limit"
        return "peer" if code == 12 or (summary is not None and summary.reported) else "error"

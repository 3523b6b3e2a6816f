"""The phases of a transfer in several streams: shared directories, streams, deletions, their attributes."""

from __future__ import annotations

import threading
import time

from tain.cluster import phases
from tain.cluster import region as regions
from tain.cluster.exact import LEAST_PROTOCOL, NO_DELETIONS
from tain.cluster.part import Part
from tain.cluster.sums import exit_code
from tain.errors import FileError, TainError
from tain.report.output import WHOLE_RUN
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tain import _core
    from tain.cluster.joined import Joined
    from tain.cluster.limits import Limits
    from tain.cluster.phases import Step
    from tain.cluster.region import Region
    from tain.session.client.request import Request

#: Exit codes after which a stream is begun again: the connection failed, not the files.
RETRIED = frozenset((5, 10, 12, 30, 35, 255))
ATTEMPTS = 3
#: Exit codes after which no more streams begin: no space, a signal, a limit of time.
STOPPING = frozenset((11, 19, 20, 30))
#: The code of a connection that is silent, and of a run that reaches the time of ``--stop-at``.
_TIME_LIMIT = 30


class Streams:
    """Runs the phases of one transfer, in a thread of its own."""

    def __init__(
        self,
        request: Request,
        joined: Joined,
        parts: Sequence[Region],
        start: Callable[[Request], int],
        limits: Limits,
        *,
        keyed: bool,
    ) -> None:
        """*start* runs the request of a stream. *keyed*: lines about entries are kept until the end."""
        self._request, self._joined, self._regions, self._start = request, joined, list(parts), start
        self._limits, self._keyed = limits, keyed
        self._spine = regions.spine(parts)
        #: The exit codes in the order of the list, and of the phases around it.
        self._codes: list[int] = []
        #: Something could not be read: nothing is deleted.
        self._failed = False
        self.lost = 0
        #: The protocol of the first stream.
        self.protocol = request.options.protocol
        self._lock = threading.Lock()
        self._connected = self._failed_role = False

    @property
    def deletes(self) -> bool:
        """The transfer deletes what the source does not have."""
        return self._request.options.delete != "never"

    def run(self) -> None:
        """Run all phases. Errors: `TainError`: of the first stream, or `FileError` if lines cannot be kept."""
        try:
            self._run()
        except OSError as error:
            raise FileError(f"tain: lines of several streams cannot be kept: {system_text(error)}") from error

    def _run(self) -> None:
        began = time.monotonic()
        joined, options = self._joined, self._request.options
        try:
            self._run_spine()
            if not self._broken:
                self._run_streams()
            if not self._broken and options.hard_links:
                self._run_linked()
            joined.show_lines()
            if not self._broken and self.deletes:
                self._delete()
            if not options.dry_run and not self._broken:
                self._finish_spine()
            joined.show_lines()
        finally:
            joined.total.seconds = time.monotonic() - began
            joined.total.code = joined.cancelled or exit_code(self._codes)

    @property
    def _broken(self) -> bool:
        """No more phases begin."""
        return bool(self._joined.cancelled) or any(code and code not in WHOLE_RUN for code in self._codes)

    # ---- phases

    def _run_spine(self) -> None:
        """Make and compare the shared directories, and report them."""
        self._run_first(self._part(phases.spine_step(self._request.options, self._spine), 0))

    def _run_first(self, part: Part) -> None:
        """Run the first stream of a phase. Errors: those of the run."""
        part.code = self._start(part.request)
        self._codes.append(part.code)
        self._count(part)

    def _run_streams(self) -> None:
        """Run one stream for each region."""
        if self.protocol < LEAST_PROTOCOL:
            # The rules of a region are for both sides, which an older peer does not know.
            self._regions = [regions.Region()]
        self._joined.begin_regions()
        codes = [0] * len(self._regions)
        waiting = list(range(len(self._regions)))
        lock = threading.Lock()
        failures: list[BaseException] = []

        def work() -> None:
            try:
                run_next()
            except BaseException as error:
                failures.append(error)
                self._joined.cancel()

        def run_next() -> None:
            while True:
                with lock:
                    if not waiting or self._joined.cancelled or STOPPING.intersection(codes):
                        return
                    number = waiting.pop(0)
                    self._joined.all_begun = not waiting
                codes[number] = self._run_region(number)

        threads = [
            threading.Thread(target=work, name=f"stream {n}", daemon=True)
            for n in range(min(self._limits.streams, len(waiting)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._codes += codes
        if failures:
            raise failures[0]
        # What no stream has looked at must not be deleted.
        self._failed |= bool(waiting)

    def _run_linked(self) -> None:
        """Transfer the files that have several names: all names of a group are in one stream."""
        self._run_first(self._part(phases.links_step(self._request.options), len(self._regions) + 1))

    def _run_region(self, number: int) -> int:
        """Run the stream of a region, again after a lost connection; returns its exit code."""
        code = 0
        step = phases.region_step(self._request.options, self._regions[number], self._spine)
        step.options.bwlimit = self._share(step.options.bwlimit)
        for attempt in range(1, ATTEMPTS + 1):
            part = self._part(step, number + 1)
            with self._limits.connection():
                if self._joined.cancelled:
                    return self._joined.cancelled
                code = self._attempt(part)
            self._count(part)
            if code not in RETRIED or self._joined.cancelled or (code == _TIME_LIMIT and step.options.stop_at):
                break
            if attempt < ATTEMPTS:
                self.lost += 1
                self._limits.refused()
        return code

    def _attempt(self, part: Part) -> int:
        try:
            part.code = self._start(part.request)
        except TainError as error:
            part.fail(error, error.code)
        return part.code

    def _share(self, limit: int) -> int:
        """The part of a bandwidth *limit* in KiB/s that one stream has."""
        return limit and max(limit // min(self._limits.streams, len(self._regions)), 1)

    def _delete(self) -> None:
        """Delete what the source does not have."""
        request = self._request
        if self._failed and not request.options.ignore_errors:
            self._joined.note(NO_DELETIONS.encode() + b"\n")
            return
        step = phases.deletions_step(request.options)
        events = []
        if request.judge is not None and request.judge.counts:
            events.append("deletions")
            fields: _core.PlanFields = {
                **step.fields,
                "exclude_leftovers": True,
                "deletion_names_handle": request.judge.names_handle(),
            }
            step = step.replace(fields=fields)
        part = self._part(step, 0, events=events)
        self._joined.deleting = part
        self._run_first(part)
        self._joined.deleting = None

    def _finish_spine(self) -> None:
        """Give the shared directories the attributes that the streams have changed."""
        self._run_first(self._part(phases.attributes_step(self._request.options, self._spine), 0))

    # ---- streams

    def _part(self, step: Step, number: int, *, events: Sequence[str] = ()) -> Part:
        request = self._request
        wanted = {*request.events, *events}
        if request.reporter is not None:
            wanted |= request.reporter.core_kinds
        all_fields: _core.PlanFields = {**step.fields}
        if request.reporter is not None:
            all_fields["elapsed_ms"] = request.reporter.elapsed_ms()
        if request.watches_room(twin=False):
            all_fields["watch_room"] = True
        if step.options.json:
            # It draws on standard output.
            all_fields["progress"] = 0
        keyed = self._keyed and not step.only_deletions
        part = Part(
            self._joined, request, step.options, step.rules,
            events=[*wanted, "keyed" if keyed else "entry"], fields=all_fields,
        )  # fmt: skip
        self._joined.enlist(part, number, only_deletions=step.only_deletions)
        return part

    def _count(self, part: Part) -> None:
        """Take in the figures of a stream that has ended."""
        with self._lock:
            if part.agreed is not None and not self._connected:
                self.protocol, self._connected = part.agreed.protocol, True
            self._failed |= part.code not in WHOLE_RUN and part.code != 0
            summary = part.summary
            if summary is None:
                return
            self._failed |= summary.io_error
            total = self._joined.total
            if not self._failed_role:
                # The closing line names the role that failed first.
                total.role, self._failed_role = summary.role, bool(part.code)
            total.add(summary, only_deletions=bool(part.fields().get("only_deletions")))

"""An ordinary run of a client that goes by a plan: its runs may be anywhere, its output is that of one run."""

from __future__ import annotations

import os
import re
from types import SimpleNamespace

from tain.cluster import exact
from tain.cluster.coordinator import Coordinator
from tain.cluster.divide import cut
from tain.cluster.files import PLACES, PlanFiles
from tain.cluster.joined import Joined
from tain.cluster.journal import NAME as JOURNAL
from tain.cluster.journal import Journal, Lock
from tain.cluster.plan import NAME, SHARDS, Plan, new_id, shards_of
from tain.cluster.roots import identify
from tain.errors import FileError, UsageError
from tain.session.client.run import Run
from tain.session.environment import charset
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from tain.cluster.ceilings import Limits
    from tain.cluster.coordinator import Figures, Outcome
    from tain.cluster.engines import Engine
    from tain.options.resolved import ResolvedOptions
    from tain.session.client.request import Request

#: A URL with a password, which rsync would take for a host and a path.
_PASSWORD = re.compile(rb"(?i)rsyncs?://[^/@]*:[^/@]*@")
#: Options whose effect is on this process, which sees no entry of a plan.
_REFUSED: tuple[tuple[str, Callable[[ResolvedOptions], object]], ...] = (
    ("--json", lambda o: o.json or o.json_file is not None),
    ("--bar", lambda o: o.bar),
    ("--log-file", lambda o: o.log_file is not None),
    ("--explain", lambda o: o.explain),
    ("--preflight", lambda o: o.preflight),
    ("--files-from=-", lambda o: o.files_from == b"-" or o.files_from_host is not None),
    ("--stop-at", lambda o: o.stop_at),
)


class Planned:
    """Makes or reads the plan of a run, and runs it. `divide` is for `tain.session.client.Client`."""

    def __init__(
        self,
        directory: bytes,
        engine: Callable[[Request], Engine],
        *,
        words: Sequence[bytes],
        streams: int,
        limits: Limits | None = None,
        retries: int = 3,
        shows_lines: bool = True,
        only_plan: bool = False,
        resumes: bool = False,
        on_progress: Callable[[Figures], object] | None = None,
    ) -> None:
        """*words*: those of the plan; *streams*: regions of a new plan; *shows_lines*: the lines about entries are
        printed at the end; *resumes*: there must be a plan."""
        self.directory, self._engine, self._words = os.path.abspath(directory), engine, tuple(words)
        self._streams, self._limits, self._retries = streams, limits, retries
        self._shows_lines, self._only_plan, self._resumes = shows_lines, only_plan, resumes
        self.on_progress = on_progress
        self.plan: Plan | None = None
        self.outcome: Outcome | None = None
        self.coordinator: Coordinator | None = None

    def divide(self, request: Request, run: Run, start: Callable[[Request], int]) -> Run:
        """The run of *request* by its plan. Errors: `UsageError`, `FileError`."""
        options, job = request.options, request.job
        for name, applies in _REFUSED:
            if applies(options):
                raise UsageError(f"tain: a plan cannot be used with {name}: leave one of them out")
        exact.refuse(options)
        if job.destination is None:
            raise UsageError("tain: a plan needs a source and a destination")
        self._check_place(request)
        with _opened(self.directory) as files:
            # Guards and confirmations are asked by the run that deletes.
            request.judge = None
            with Lock(files):
                if not self._resumes:
                    _clear_finished(files)
                if files.exists(NAME):
                    self.plan = Plan.read(files)
                    if text := self.plan.difference(self._facts(request)):
                        place = os.fsdecode(self.directory)
                        raise UsageError(f"tain: {place} has the plan of another run: {text}")
                elif self._resumes:
                    raise UsageError(f"tain: {os.fsdecode(self.directory)} has no plan")
                else:
                    self.plan = self._make(request, start)
                    self.plan.write(files)
        return _PlannedRun(request, self)

    def _facts(self, request: Request) -> Plan:
        return Plan(
            id="", argv=self._words, cwd=request.env.cwd, rules=_sum_of_rules(request), roots=(),
            shards=(), destination=b"",
        )  # fmt: skip

    def _make(self, request: Request, start: Callable[[Request], int]) -> Plan:
        options, job = request.options, request.job
        parts, reason = cut(request, start, self._streams)
        if reason and options.jobs_strict:
            raise UsageError(f"rsync: --jobs: one stream: {reason}")
        here = [os.path.join(request.env.cwd, path) for path in job.sources if job.host is None or job.am_sender]
        local = job.host is None or not job.am_sender
        destination = os.path.normpath(os.path.join(request.env.cwd, job.destination or b".")) if local else b""
        roots = []
        for path in (*here, destination):
            try:
                if path:
                    roots.append(identify(os.path.normpath(path)))
            except OSError:
                # A source that is missing is reported by the run; a destination may be made by it.
                continue
        deletes = options.delete != "never"
        return self._facts(request).replace(
            id=new_id(),
            roots=tuple(roots),
            shards=shards_of(parts, links=bool(options.hard_links), deletes=deletes, attributes=not options.dry_run),
            reason=reason or "",
            exclusive=exact.is_exclusive(options),
            deletes=deletes,
            ignores_errors=options.ignore_errors,
            destination=destination,
            remote=job.host is not None,
        )

    def _check_place(self, request: Request) -> None:
        """Errors: `UsageError` for a directory inside of the source or the destination, and for secrets that would
        stand in it."""
        job, cwd = request.job, request.env.cwd
        place = os.path.realpath(self.directory)
        ends = [*(job.sources if job.host is None or job.am_sender else ())]
        if job.host is None or not job.am_sender:
            ends.append(job.destination or b".")
        for end in ends:
            top = os.path.realpath(os.path.join(cwd, end))
            if os.path.commonpath((place, top)) == top:
                raise UsageError("tain: the directory of the plan is inside of the source or the destination")
        if request.env.get(b"RSYNC_PASSWORD"):
            raise UsageError("tain: RSYNC_PASSWORD does not reach a run of a plan: use --password-file")
        for word in self._words:
            if _PASSWORD.match(word):
                raise UsageError("tain: a password in a URL would stand in the plan: use --password-file")


class _PlannedRun(Run):
    """The run of a client by its plan."""

    def __init__(self, request: Request, planned: Planned) -> None:
        super().__init__(request)
        self._planned = planned

    def run(self) -> int:
        planned, plan, options = self._planned, self._planned.plan, self.options
        assert plan is not None
        if plan.reason and not options.quiet:
            self.out.note(f"tain: one stream: {plan.reason}\n".encode())
        if planned._only_plan:
            self.out.plain(f"{plan.id}: {len(plan.shards)} runs in {os.fsdecode(planned.directory)}\n".encode())
            return 0
        self.out.charset = charset(self.env.environ)
        engine = planned._engine(self.request)
        if expect := getattr(engine, "expect", None):
            expect(plan.roots, planned.directory)
        joined = Joined("sender" if self.job.am_sender else "Receiver", None)
        work = _Conducted(planned, joined, engine, options.bwlimit)
        try:
            joined.work(work.run)
            agreed: Any = work
            transfer: Any = joined
            code = self.finish(agreed, transfer)
        finally:
            engine.close()
        outcome = planned.outcome
        if outcome is not None and outcome.stopped and not options.quiet:
            place = os.fsdecode(planned.directory)
            self.out.note(
                f"tain: stopped after {outcome.done} of {outcome.shards} runs: {outcome.stopped}\n"
                f"tain: to go on: tain cluster resume {place}\n".encode()
            )
        elif outcome is not None and options.verbose and not options.quiet:
            again = f", {outcome.retried} retried" if outcome.retried else ""
            self.out.note(f"tain: plan {plan.id}: {outcome.shards} runs{again}\n".encode())
        return code


class _Conducted:
    """A coordinator whose output goes to a joined transfer."""

    def __init__(self, planned: Planned, joined: Joined, engine: Engine, bwlimit: int) -> None:
        assert planned.plan is not None
        self._planned, self._joined, self.protocol = planned, joined, 0
        self._coordinator = planned.coordinator = Coordinator(
            planned.plan,
            engine,
            planned._limits,
            directory=planned.directory,
            retries=planned._retries,
            bwlimit=bwlimit,
            on_error=lambda text, of_shard: joined.error(text.encode("utf-8", "surrogateescape"), of_region=of_shard),
            on_progress=self._progress,
        )

    def run(self) -> None:
        """Run the plan, and report it."""
        joined, planned = self._joined, self._planned
        began = _monotonic()
        outcome = planned.outcome = self._coordinator.run()
        total = joined.total
        for row in self._coordinator.reports:
            if not row.get("stats"):
                continue
            kind = self._coordinator.plan.shards[row["shard"]].kind
            self.protocol = self.protocol or row.get("protocol", 0)
            summary: Any = SimpleNamespace(
                **row["stats"], io_error=row["io_error"], had_entries=row.get("had_entries", False)
            )
            total.role = row.get("role") or total.role
            total.add(summary, only_deletions=kind in ("deletions", "attributes"))
        with PlanFiles(planned.directory) as files:
            if planned._shows_lines:
                for piece in merged(files, self._coordinator.plan, self._coordinator.reports):
                    joined.show(piece)
        for note in self._coordinator.notes:
            joined.note(note.encode() + b"\n")
        total.seconds = _monotonic() - began
        total.code = outcome.code

    def _progress(self, figures: Figures) -> None:
        if self._joined.cancelled:
            self._coordinator.cancel(self._joined.cancelled)
        if self._planned.on_progress is not None:
            self._planned.on_progress(figures)


def merged(files: PlanFiles, plan: Plan, reports: Sequence[dict[str, Any]]) -> Iterator[bytes]:
    """The lines of the runs that are done, in the order of the list; deletions stand behind all others. Errors:
    `FileError` for a file that is not as it was reported."""
    from tain.cluster.lines import merge

    late = ("deletions", "attributes")
    for is_late in (False, True):
        fds: list[int] = []
        try:
            for row in reports:
                for file in row["files"] if (plan.shards[row["shard"]].kind in late) is is_late else ():
                    if files.checksum(file.name) != (file.size, file.checksum):
                        raise FileError(f"tain: {file.name} in the directory of the plan was changed")
                    fds.append(files.open(file.name, os.O_RDONLY))
            yield from merge(fds)
        except OSError as error:
            raise FileError(f"tain: lines of the plan: {system_text(error)}") from error
        finally:
            for fd in fds:
                os.close(fd)


def _clear_finished(files: PlanFiles) -> None:
    """Remove a plan of which nothing is left to do: the next run makes a new one. Errors: `FileError`."""
    with Journal(files) as journal:
        if not journal.state.is_finished:
            return
    try:
        # Without this file, there is no plan.
        files.remove(NAME)
        for name in (JOURNAL, SHARDS, *(f"{place}/{name}" for place in PLACES for name in files.names(place))):
            files.remove(name)
    except OSError as error:
        raise FileError(f"tain: {os.fsdecode(files.directory)}: {system_text(error)}") from error


def _sum_of_rules(request: Request) -> str:
    from tain import _core

    texts = [*request.rules, request.files_from or b""]
    return _core.checksum(b"".join(len(text).to_bytes(8, "little") + text for text in texts)).hex()


def _opened(directory: bytes) -> PlanFiles:
    try:
        return PlanFiles(directory, create=True)
    except OSError as error:
        raise FileError(f"tain: {os.fsdecode(directory)}: {system_text(error)}") from error


def _monotonic() -> float:
    import time

    return time.monotonic()


__all__ = ["Planned", "merged"]

"""The only code that runs on workers: one run of a plan, in the worker's own process."""

from __future__ import annotations

import os
import socket
import time

from tain.cluster import phases
from tain.cluster.control import Control
from tain.cluster.files import PlanFiles
from tain.cluster.lines import Said
from tain.cluster.messages import FileSum, Report, Work, stats_of
from tain.cluster.part import Part
from tain.cluster.roots import first_difference
from tain.errors import TainError
from tain.options.parse import parse
from tain.options.resolve import resolve
from tain.release import VERSION
from tain.report.output import STDERR, STDOUT, WHOLE_RUN, Output
from tain.session.client import Client
from tain.session.client.run import Run
from tain.session.environment import Environment, charset, decimal_point

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tain import _core
    from tain.cluster.files import LineFile
    from tain.cluster.phases import Step
    from tain.options.resolved import ResolvedOptions
    from tain.session.client.guards import Judge
    from tain.session.client.request import Request

__all__ = ["Report", "Work", "perform", "run_work", "worker_name"]

#: Bytes of standard error that a report carries.
_ERRORS = 1 << 20
#: Seconds that a run waits for an earlier attempt that must not be at work beside it.
_PATIENCE = 60.0
#: Variables that a run on another machine must not take from the environment of that machine.
_LEFT_OUT = (b"RSYNC_PASSWORD", b"TAIN_JOBS", b"TAIN_BAR")


def run_work(data: bytes) -> bytes:
    """Run the work of *data* in this process, to its end; returns the report. Both are JSON.

    Errors: `DocumentError` if *data* is no work. All other failures are in the report.
    """
    return perform(Work.parse(data)).to_bytes()


def worker_name() -> str:
    """Host and process."""
    return f"{socket.gethostname()}/{os.getpid()}"


def perform(work: Work) -> Report:
    """Run *work* in this process, to its end."""
    began = time.monotonic()
    report = Report(plan=work.plan, shard=work.shard, attempt=work.attempt, worker=worker_name(), code=0)
    if work.version != VERSION:
        return report.replace(code=4, void=f"this is tain {VERSION}, and the plan is one of tain {work.version}")
    if text := first_difference(work.roots):
        return report.replace(code=3, void=text)
    with Control(work) as control:
        try:
            report = _run(work, control, report)
        except OSError as error:
            # The directory of the plan, or the lines in it.
            return report.replace(code=11, void=f"{os.fsdecode(work.directory)}: {error.strerror or error}")
        except TainError as error:
            return report.replace(code=error.code, void=str(error))
    # What was read and written before the change is not known.
    return report.replace(void=report.void or first_difference(work.roots), seconds=round(time.monotonic() - began, 3))


def _run(work: Work, control: Control, report: Report) -> Report:
    words = list(work.argv)
    environ = {name: value for name, value in os.environb.items() if name not in _LEFT_OUT}
    env = Environment(argv=[b"tain", *words], environ=environ, cwd=work.cwd, stdin=-1, stdout=-1, stderr=-1)
    options = options_of(words, env)
    options.bwlimit = work.bwlimit
    if work.kind != "deletions" and work.kind != "whole":
        options.guard, options.guard_rules = False, None
    with PlanFiles(work.directory) as files:
        said = Said()
        for name in work.said:
            for text in files.read_lines(name):
                said.new(None, text)
        said.begin_regions()
        for earlier in range(1, work.attempt if work.exclusive else 1):
            if not files.wait_for_lines(f"out/{work.shard}.{earlier}", _PATIENCE):
                return report.replace(code=12, void=f"attempt {earlier} of run {work.shard} has not ended")
        name = f"out/{work.shard}.{work.attempt}"
        with files.create_lines(name) as lines:
            found = _Found(said, lines, control, of_region=work.kind in ("shard", "links"))
            client = Client(options, env, out=_Output(found))
            client.divide = lambda request, _run, start: _WorkRun(request, work, found, start)
            code = client.run()
            size, checksum = lines.finish()
        if control.cancelled:
            code = control.cancelled
        report = report.replace(
            code=code,
            errors=found.error_text(),
            files=(FileSum(name=name, size=size, checksum=checksum),),
            io_error=code not in WHOLE_RUN,
        )
    part = found.part
    if part is None or part.summary is None:
        return report
    return report.replace(
        io_error=report.io_error or part.summary.io_error,
        had_entries=part.summary.had_entries,
        stats=stats_of(part.summary),
        role=part.summary.role,
        protocol=0 if part.agreed is None else part.agreed.protocol,
    )


def options_of(words: Sequence[bytes], env: Environment) -> ResolvedOptions:
    """The options of a run of the plan whose command has these *words*; what is shown and judged is not its matter.
    Errors: `UsageError`."""
    raw = parse(list(words), None, posix=False)
    options = resolve(
        raw,
        environ=env.environ,
        program="tain",
        point=decimal_point(env.environ),
        knows_parameter=lambda _name: False,
    )
    options.jobs, options.bar, options.summary, options.hints = 0, False, False, False
    options.json, options.json_file, options.log_file = False, None, None
    return options


class _WorkRun(Run):
    """The run of a work: a stream of the whole, whose lines go to a file."""

    def __init__(self, request: Request, work: Work, found: _Found, start: Callable[[Request], int]) -> None:
        super().__init__(request)
        self._work, self._found, self._start = work, found, start

    def run(self) -> int:
        request = self.request
        self.out.charset = charset(self.env.environ)
        step = _step(self._work, self.options)
        fields: _core.PlanFields = {**step.fields}
        events = ["keyed"]
        judge = request.judge
        if judge is not None and judge.counts:
            events.append("deletions")
            fields["exclude_leftovers"] = True
            fields["deletion_names_handle"] = judge.names_handle()
            self._found.judge = judge
        part = self._found.part = Part(self._found, request, step.options, step.rules, events=events, fields=fields)
        if self._work.kind == "whole":
            # It is a single file if the command says so.
            part.request.job.destination = self.job.destination
        try:
            part.code = self._start(part.request)
        except TainError as error:
            part.fail(error, error.code)
        return part.code


def _step(work: Work, options: ResolvedOptions) -> Step:
    """The options and the restriction of *work*."""
    if work.kind == "spine":
        return phases.spine_step(options, work.spine)
    if work.kind == "shard" and work.region is not None:
        return phases.region_step(options, work.region, work.spine)
    if work.kind == "links":
        return phases.links_step(options)
    if work.kind == "deletions":
        return phases.deletions_step(options)
    if work.kind == "attributes":
        return phases.attributes_step(options, work.spine)
    return phases.Step(options=options)


class _Found:
    """Takes what a run reports."""

    def __init__(self, said: Said, lines: LineFile, control: Control, *, of_region: bool) -> None:
        self._said, self._lines, self._control, self._of_region = said, lines, control, of_region
        self.part: Part | None = None
        #: Decides about the deletions of the run.
        self.judge: Judge | None = None
        self._errors = bytearray()

    def error_text(self) -> str:
        """The lines of standard error."""
        return self._errors.decode("utf-8", "backslashreplace")

    def began(self, part: Part) -> None:
        """The transfer of *part* has begun."""
        if part.transfer is not None:
            self._control.began(part.transfer)

    def take(self, part: Part, batch: list[_core._Event]) -> None:
        """Events of the run."""
        for event in batch:
            if event[0] == "entry":
                self._lines.add(event[1])
            elif event[0] == "stdout":
                self.write(STDOUT, event[1])
            elif event[0] == "stderr":
                self.write(STDERR, event[1])
        if self.judge is not None and part.transfer is not None:
            self.judge.answer(part.transfer, batch)

    def say(self, _part: Part, stream: int, text: bytes) -> None:
        """Lines of the Python side of the run."""
        self.write(stream, text)

    def write(self, stream: int, text: bytes) -> None:
        """Lines for a stream: those that an earlier run has printed are left out."""
        text = self._said.new(self, text, of_region=self._of_region)
        if stream == STDOUT and text:
            self._lines.add_plain(text)
        elif len(self._errors) < _ERRORS:
            self._errors += text


class _Output(Output):
    """Lines of the client around the run."""

    def __init__(self, found: _Found) -> None:
        super().__init__(-1, -1)
        self._found = found

    def _put(self, stream: int, data: bytes) -> None:
        self._found.write(stream, data)

    def note(self, text: bytes) -> None:
        """Lines of our own for standard error."""
        self._found.write(STDERR, text)

    def shell(self, data: bytes) -> None:
        """What a remote shell has written to its standard error."""
        self._found.write(STDERR, data)

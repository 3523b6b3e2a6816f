"""From the options of a client to its kind of run, and to its exit code."""

from __future__ import annotations

import os

from tain.errors import DeleteLimit, Interrupted, TainError, UnsupportedError, UsageError, exit_text
from tain.report import output
from tain.session import oldpeer
from tain.session.client.local import LocalRun, TwinRun, needs_twin
from tain.session.client.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from tain import _core
    from tain.options.guard import Guard
    from tain.options.hostspec import Locations
    from tain.options.resolved import ResolvedOptions
    from tain.plans import Plan
    from tain.problems import Hint, Problem
    from tain.report.output import Output
    from tain.session.client.explaining import Explain
    from tain.session.client.gauge import Gauge
    from tain.session.client.remote import DaemonRun, ShellRun
    from tain.session.client.replay import ReplayRun
    from tain.session.client.reporter import Listener, Reporter
    from tain.session.client.run import Run
    from tain.session.environment import Environment

    OnEvents = Callable[[list[_core._Event]], None]
    #: Turns a run into one of several streams: the request, its run, and what runs a request as the arguments mean.
    Divide = Callable[[Request, Run, Callable[[Request], int]], Run]


class Client:
    """One run of a client: that of the command line and that of the API, which differ in their surroundings only.

    Everything that belongs to a run is decided here: which errors end it and how they are reported, its guard, what is
    shown of it beyond rsync's own lines, its plan in words, its hints.
    """

    def __init__(
        self,
        options: ResolvedOptions,
        env: Environment,
        *,
        out: Output | None = None,
        events: Collection[str] = (),
        on_events: Callable[[list[_core._Event]], None] | None = None,
        guard: Guard | None = None,
        listeners: Sequence[Listener] = (),
    ) -> None:
        """*out* replaces the streams of the environment; *on_events* receives the events of the core of the kinds in
        *events*, and *listeners* those of `tain.events`; *guard* is in force unless the options choose another one.
        Nothing is drawn, and no hint is printed unasked, if the environment has no standard error (-1)."""
        self._explain: Explain | None = None
        if options.explain:
            from tain.session.client.explaining import Explain

            self._explain = Explain(options, env)
            on_events = both(self._explain.on_events, on_events)
            events = {"item", *events}
        #: What the options ask for and what cannot be done: the run fails at once.
        self._early: TainError | None = None
        self._reporter = self._make_reporter(options, env, listeners)
        #: What divides the run into streams, if it may be.
        self.divide: Divide | None = None
        self._request = Request(
            options, env, out=out, events=events, on_events=on_events, guard=guard, reporter=self._reporter
        )
        if self._reporter is not None:
            self._request.on_plan = self._reporter.planned
        #: Likely causes of a failure, once the run has ended.
        self.hints: tuple[Hint, ...] = ()
        wanted = os.isatty(env.stderr) if options.hints is None else options.hints
        self._prints_hints = bool(wanted and not options.quiet)
        if self._prints_hints or self.out.errors_seen is not None or self._reporter is not None:
            self.out.errors_seen = bytearray()
            env.shell_stderr = self.out.shell
        if options.bar or options.summary or (options.bar is None and env.get(b"TAIN_BAR")):
            from tain.session.client.display import display

            self._request.display = display(options, env, self.out, self._request.lines)
            if self._request.display is not None:
                env.shell_stderr = self.out.shell

    def hold(self, confirm: Callable[[Plan], bool] | None = None, *, watch_room: bool = False) -> None:
        """Let *confirm* decide about the whole plan before anything is changed. *watch_room*: end the run as soon as
        its files cannot fit."""
        request = self._request
        request.confirm, request.watch_room = confirm, watch_room

    @property
    def out(self) -> Output:
        return self._request.out

    @property
    def role(self) -> str:
        """The name in brackets of the closing line."""
        return self._request.role

    @property
    def job(self) -> Locations:
        """Sources and destination."""
        return self._request.job

    def select(self, choose: Callable[[list[_core._Candidate]], list[bool]]) -> None:
        """Let *choose* choose among the names of sources on this side."""
        self._request.select = choose

    def write_changes(self, path: bytes) -> None:
        """Write the directories in which the run changes something to this file, each with a NUL."""
        self._request.changes_to = path

    @property
    def direction(self) -> str:
        """``push``, ``pull`` or ``local``."""
        return self._request.direction

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The failures so far, if there are listeners."""
        return () if self._reporter is None else tuple(self._reporter.problems)

    @property
    def gauge(self) -> Gauge | None:
        """How far the run is, if there are listeners; any thread may read it."""
        return None if self._reporter is None else self._reporter.gauge

    def _make_reporter(
        self, options: ResolvedOptions, env: Environment, listeners: Sequence[Listener]
    ) -> Reporter | None:
        """The reporter for *listeners*, and for lines of JSON if the options ask for them."""
        found = list(listeners)
        if options.json or options.json_file is not None:
            from tain.session.client.jsonevents import JsonEvents

            lines = JsonEvents(options, env)
            self._early = lines.error
            found.append(lines)
        if not found:
            return None
        from tain.session.client.reporter import Reporter

        return Reporter(options, env, found)

    @property
    def summary(self) -> _core.Summary | None:
        """The figures of the transfer, when there was one."""
        return self._request.summary

    def run(self) -> int:
        """Run to the end and report all of it; returns the exit code. No `TainError` leaves it; an exception of
        *on_events* or of a listener does."""
        request, out = self._request, self.out
        code = Interrupted.code
        try:
            try:
                if self._early is not None:
                    raise self._early
                request.env.begin()
                request.read()
                code = self._choose_and_run()
            except TainError as error:
                request.fail(output.failure_text(error, request.role))
                code = error.code
            finally:
                out.flush()
            self._finish(code)
        finally:
            if self._reporter is not None:
                self._reporter.end(code, exit_text(code) if code else "", request.summary, self.hints)
            if out.log is not None:
                out.log.close()
        return code

    def _choose_and_run(self) -> int:
        request = self._request
        run: Run = choose(request)
        if self.divide is not None:
            run = self.divide(request, run, lambda part: choose(part, judged=True).run())
        code = decide(request, twin=run.twin)
        return run.run() if code is None else code

    def _finish(self, code: int) -> None:
        """Print what follows a run with exit code *code*: its plan, the end block, hints."""
        request, out = self._request, self.out
        request.finish_lines()
        if self._explain is not None and request.summary is not None and code in output.WHOLE_RUN:
            out.repeating = True
            self._explain.show(request.summary, request.job, out)
            out.repeating = False
        if request.display is not None:
            request.display.end(request.summary, code)
        if code and out.errors_seen:
            self._find_hints()

    def _find_hints(self) -> None:
        """Find likely causes of the errors that were printed, and print them if they are wanted (spec: daemon 16.3)."""
        from tain.diagnosis import hints
        from tain.transport import tcp

        job, out = self._request.job, self.out
        # Hints are not errors.
        errors, out.errors_seen, out.on_lines = bytes(out.errors_seen or b""), None, None
        log, out.log = out.log, None
        port = job.port or self._request.options.port or tcp.PORT
        self.hints = tuple(hints.in_errors(errors, host=job.host, port=port))
        if self._prints_hints:
            hints.write(self.hints, out.error)
        out.log = log


def decide(request: Request, *, twin: bool) -> int | None:
    """Let the guard, ``--preflight`` and `confirm` decide about the run of *request*. Where this process decides about
    entries, they are asked during the run. Elsewhere (the other end of a push, the *twin* of a local copy) they judge a
    dry run that comes first; returned is the exit code of a dry run that failed.

    Errors: `DeleteLimit` for a run that is refused; `UnsupportedError`; those of the dry run.
    """
    options, job, judge, confirm = request.options, request.job, request.judge, request.confirm
    elsewhere = twin or (job.host is not None and job.am_sender)
    wanted = job.destination is not None and (options.preflight or confirm is not None)
    if wanted and not elsewhere:
        from tain.session.client.held import Held

        path = os.path.join(request.env.cwd, job.destination or b".")
        request.held = Held(path, preflight=options.preflight, confirm=confirm, on_plan=request.on_plan)
        # The whole list has to be known before the first decision.
        options.inc_recurse = False
    elif wanted and options.preflight and not twin and b"--preflight" not in options.remote_options:
        request.out.error(b"tain: the other end does not tell its free space\n")
    judges = judge is not None and judge.rehearses
    confirms = wanted and elsewhere and confirm is not None
    if not (judges or confirms):
        return None
    from tain.session.client.rehearsal import rehearse

    if judge is not None and judges:
        judge.announce()
    forecast = rehearse(request, lambda dry: choose(dry, judged=True).run(), items=confirms)
    if not forecast.whole:
        request.out.error(forecast.errors)
        return forecast.code
    if judge is not None and judges:
        judge.check_forecast(forecast)
    if confirms:
        confirm_plan(request, forecast.plan)
    return None


def confirm_plan(request: Request, plan: Plan | None) -> None:
    """Let `confirm` decide about *plan*. Errors: `DeleteLimit`."""
    if plan is None or request.confirm is None:
        return
    if request.on_plan is not None:
        request.on_plan(plan)
    if not request.confirm(plan):
        from tain.session.client.held import REFUSED

        raise DeleteLimit(REFUSED)


def run(options: ResolvedOptions, env: Environment, divide: Divide | None = None) -> int:
    """Do what a client's command line asks for and print all of it; returns the exit code. *divide* may divide the run
    into streams."""
    client = Client(options, env)
    client.divide = divide
    return client.run()


def both(first: OnEvents, second: OnEvents | None) -> OnEvents:
    """One function that gives events to *first*, and then to *second* if there is one."""
    if second is None:
        return first
    then = second

    def give(events: list[_core._Event]) -> None:
        first(events)
        then(events)

    return give


def judge(request: Request) -> None:
    """Refuse what the guard of the run refuses by its arguments, and let it judge the rest. Errors: `DeleteLimit`,
    `UsageError`, `UnsupportedError`."""
    asked = None
    if is_guard_asked(request.options):
        from tain.options.guard import guard_of

        asked = guard_of(request.options)
    guard = asked or request.guard
    if guard is not None and request.job.destination is not None:
        from tain.session.client.guards import Judge

        twin = request.job.host is None and needs_twin(request)
        request.judge = Judge(
            guard, request.options, request.env, request.out, request.job, asked=asked is not None, twin=twin,
            reporter=request.reporter,
        )  # fmt: skip
        request.judge.check()


def is_guard_asked(options: ResolvedOptions) -> bool:
    """Whether the options choose a guard."""
    return options.guard or options.guard_rules is not None


def choose(request: Request, *, judged: bool = False) -> LocalRun | TwinRun | ShellRun | DaemonRun | ReplayRun:
    """The kind of run that the arguments mean. *judged*: its arguments are known to be right. Errors: `UsageError`."""
    if request.options.read_batch is not None:
        if request.options.preflight or request.confirm is not None:
            raise UnsupportedError("rsync: a run that reads a batch cannot be held for a decision")
        if is_guard_asked(request.options):
            raise UnsupportedError("rsync: --guard cannot judge the deletions of a batch")
        from tain.session.client.replay import ReplayRun

        return ReplayRun(request)
    if not judged:
        request.locate()
        judge(request)
    job = request.job
    if job.host is not None and oldpeer.is_old(request.options.protocol):
        request.speak_old(request.options.protocol)
    options = request.options
    if job.host is None or not job.daemon:
        if options.password_file is not None:
            raise UsageError("The --password-file option may only be used when accessing an rsync daemon.")
        if options.contimeout:
            raise UsageError("The --contimeout option may only be used when connecting to an rsync daemon.")
    if job.host is None:
        return TwinRun(request) if needs_twin(request) else LocalRun(request)
    from tain.session.client.remote import DaemonRun, ShellDaemonRun, ShellRun

    if not job.daemon:
        return ShellRun(request)
    shell = options.rsh_given or request.env.transport is not None
    return ShellDaemonRun(request) if shell else DaemonRun(request)

"""From the options of a client to its kind of run, and to its exit code."""

from __future__ import annotations

import os

from tain.errors import TainError, UnsupportedError, UsageError
from tain.report import output
from tain.session import oldpeer
from tain.session.client.local import LocalRun, TwinRun, needs_twin
from tain.session.client.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tain import _core
    from tain.options.guard import Guard
    from tain.options.hostspec import Locations
    from tain.options.resolved import ResolvedOptions
    from tain.problems import Hint
    from tain.report.output import Output
    from tain.session.client.explaining import Explain
    from tain.session.client.lines import Listener
    from tain.session.client.remote import DaemonRun, ShellRun
    from tain.session.client.replay import ReplayRun
    from tain.session.environment import Environment

    OnEvents = Callable[[list[_core._Event]], None]


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
    ) -> None:
        """*out* replaces the streams of the environment; *on_events* receives the events of the kinds in *events*;
        *guard* is in force unless the options choose another one. Nothing is drawn, and no hint is printed unasked, if
        the environment has no standard error (-1)."""
        self._explain: Explain | None = None
        if options.explain:
            from tain.session.client.explaining import Explain

            self._explain = Explain(options, env)
            on_events = both(self._explain.on_events, on_events)
            events = {"item", *events}
        self._request = Request(options, env, out=out, events=events, on_events=on_events, guard=guard)
        #: Likely causes of a failure, once the run has ended.
        self.hints: tuple[Hint, ...] = ()
        wanted = os.isatty(env.stderr) if options.hints is None else options.hints
        self._prints_hints = bool(wanted and not options.quiet)
        if self._prints_hints or self.out.errors_seen is not None:
            self.out.errors_seen = bytearray()
            env.shell_stderr = self.out.shell
        if options.bar or options.summary or (options.bar is None and env.get(b"TAIN_BAR")):
            from tain.session.client.display import display

            self._request.display = display(options, env, self.out, self._request.lines)

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

    @property
    def direction(self) -> str:
        """``push``, ``pull`` or ``local``."""
        return self._request.direction

    def listen(self, listener: Listener, *, stdout: bool) -> None:
        """Let *listener* receive each line of the run and what it reports; lines of standard output with *stdout*."""
        lines = self._request.lines()
        lines.listeners.append(listener)
        lines.wants_stdout |= stdout

    @property
    def summary(self) -> _core.Summary | None:
        """The figures of the transfer, when there was one."""
        return self._request.summary

    def run(self) -> int:
        """Run to the end and report all of it; returns the exit code. No `TainError` leaves it; an exception of
        *on_events* or of a listener does."""
        request, out = self._request, self.out
        try:
            try:
                request.env.begin()
                request.read()
                code = choose(request).run()
            except TainError as error:
                out.error(output.failure_text(error, request.role))
                code = error.code
            finally:
                out.flush()
            self._finish(code)
        finally:
            if out.log is not None:
                out.log.close()
        return code

    def _finish(self, code: int) -> None:
        """Print what follows a run with exit code *code*: its plan, the end block, hints."""
        request, out = self._request, self.out
        request.finish_lines()
        if self._explain is not None and request.summary is not None and code in output.WHOLE_RUN:
            self._explain.show(request.summary, request.job, out)
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


def run(options: ResolvedOptions, env: Environment) -> int:
    """Do what a client's command line asks for and print all of it; returns the exit code."""
    return Client(options, env).run()


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
            guard, request.options, request.env, request.out, request.job, asked=asked is not None, twin=twin
        )
        request.judge.check()


def is_guard_asked(options: ResolvedOptions) -> bool:
    """Whether the options choose a guard."""
    return options.guard or options.guard_rules is not None


def choose(request: Request) -> LocalRun | TwinRun | ShellRun | DaemonRun | ReplayRun:
    """The kind of run that the arguments mean. Errors: `UsageError`."""
    if request.options.read_batch is not None:
        if is_guard_asked(request.options):
            raise UnsupportedError("rsync: --guard cannot judge the deletions of a batch")
        from tain.session.client.replay import ReplayRun

        return ReplayRun(request)
    request.locate()
    job = request.job
    judge(request)
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

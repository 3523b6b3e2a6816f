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
    from tain.report.output import Output
    from tain.session.client.remote import DaemonRun, ShellRun
    from tain.session.client.replay import ReplayRun
    from tain.session.environment import Environment


def run(options: ResolvedOptions, env: Environment) -> int:
    """Do what a client's command line asks for and print all of it; returns the exit code."""
    explain = None
    if options.explain:
        from tain.session.client.explaining import Explain

        explain = Explain(options, env)
    client = Client(options, env, events=("item",), on_events=explain.on_events) if explain else Client(options, env)
    hints = os.isatty(env.stderr) if options.hints is None else options.hints
    if hints and not options.quiet:
        seen = client.out.errors_seen = bytearray()
        env.shell_stderr = lambda data: pass_on(data, env.stderr, seen)
    if options.bar or options.summary or (options.bar is None and env.get(b"TAIN_BAR")):
        client.display()
    try:
        code = client.run()
    except TainError as error:
        client.out.error(output.failure_text(error, client.role))
        code = error.code
    finally:
        client.out.flush()
    if explain is not None and client.summary is not None and code in output.WHOLE_RUN:
        explain.show(client.summary, client.job, client.out)
    client.end(code)
    if code and client.out.errors_seen:
        client.explain()
    return code


def pass_on(data: bytes, fd: int, seen: bytearray) -> None:
    """Write what a remote shell says to *fd*, unchanged, and keep its beginning and its end for hints."""
    from tain.transport import shell

    seen += data
    del seen[output.SEEN : -output.SEEN]
    shell.pass_on(data, fd)


class Client:
    """One run of a client."""

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
        *guard* is in force unless the options choose another one."""
        self._request = Request(options, env, out=out, events=events, on_events=on_events, guard=guard)

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

    @property
    def fields(self) -> _core.PlanFields:
        """Fields of the plan that no option sets; they may be changed until `run`."""
        return self._request.fields

    @property
    def summary(self) -> _core.Summary | None:
        """The figures of the transfer, when there was one."""
        return self._request.summary

    def run(self) -> int:
        """The exit code. Errors: a `TainError` that ended the run before its transfer could report for itself."""
        self._request.read()
        return choose(self._request).run()

    def display(self) -> None:
        """Show progress and an end block, if the options or the environment ask for them."""
        from tain.session.client.display import display

        self._request.display = display(self._request.options, self._request.env, self.out)

    def end(self, code: int) -> None:
        """Print the end block of a run whose exit code is *code*, if one is wanted."""
        if self._request.display is not None:
            self._request.display.end(self.summary, code)

    def explain(self) -> None:
        """Print likely causes of the errors that were printed (spec: daemon 16.3)."""
        from tain.diagnosis import hints
        from tain.transport import tcp

        job, out = self._request.job, self.out
        errors, out.errors_seen = bytes(out.errors_seen or b""), None
        log, out.log = out.log, None
        port = job.port or self._request.options.port or tcp.PORT
        hints.write_hints(errors, out.error, host=job.host, port=port)
        out.log = log


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

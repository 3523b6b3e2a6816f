"""What a client was asked for, and what it reads and opens before it starts anything."""

from __future__ import annotations

import copy
import os

from tain.errors import UnsupportedError
from tain.options import hostspec
from tain.options.levels import USER
from tain.report.output import Output
from tain.report.trace import Trace
from tain.session import oldpeer, unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any, Protocol

    from tain import _core
    from tain.options.guard import Guard
    from tain.options.hostspec import Locations
    from tain.options.resolved import ResolvedOptions
    from tain.plans import Plan
    from tain.session.agreement import Agreed
    from tain.session.batch import BatchFile
    from tain.session.client.display import Display
    from tain.session.client.guards import Judge
    from tain.session.client.held import Held
    from tain.session.client.lines import Lines
    from tain.session.client.reporter import Reporter
    from tain.session.environment import Environment

    class Part(Protocol):
        """Takes the transfer of a run that is one of several streams."""

        def fields(self) -> _core.PlanFields: ...
        def finish(self, run: Any, agreed: Agreed, transfer: _core.Run) -> int: ...


def open_output(options: ResolvedOptions, env: Environment, out: Output | None = None) -> Output:
    """*out*, or else output to the streams of the environment, as the options want it."""
    if out is None:
        out = Output(env.stdout, env.stderr)
    out.configure(
        quiet=options.quiet > 0,
        all_to_stderr=options.stderr_mode == "all",
        outbuf=options.outbuf,
        eight_bit=options.eight_bit_output,
    )
    return out


class Request:
    """One client run before its connection exists. Mistakes of the user are found here, before anything is started."""

    def __init__(
        self,
        options: ResolvedOptions,
        env: Environment,
        *,
        out: Output | None = None,
        events: Collection[str] = (),
        on_events: Callable[[list[_core._Event]], None] | None = None,
        guard: Guard | None = None,
        reporter: Reporter | None = None,
    ) -> None:
        """*out* replaces the streams of the environment; *on_events* receives the events of the kinds in *events*;
        *guard* is in force unless the options choose another one; *reporter* makes events, and begins here. A log file
        that cannot be opened is reported and left out."""
        self.options = options
        self.env = env
        self.out = open_output(options, env, out)
        self.events = events
        #: Chooses among names of the sources of this side.
        self.select: Callable[[list[_core._Candidate]], list[bool]] | None = None
        #: The file that receives the directories in which the run changes something.
        self.changes_to: bytes | None = None
        self.on_events = on_events
        self.trace = Trace(self.out, options.debug)
        #: Sources and destination; until `locate`, only a guess of the direction.
        self.job: Locations = hostspec.Locations()
        self.job.am_sender = False
        #: The name in brackets of the closing line.
        self.role = "client"
        #: Rule texts that stand before those of the filter options, for one of several streams.
        self.first_rules: list[bytes] = []
        #: Rule texts of the filter options, and those before them.
        self.rules: list[bytes] = []
        #: The list of ``--files-from``; None: the list comes from standard input or from the peer, or there is none.
        self.files_from: bytes | None = None
        self.batch: BatchFile | None = None
        self.guard = guard
        #: What may refuse the deletions of the run.
        self.judge: Judge | None = None
        #: Receives the whole plan before anything is changed, and says whether the run begins.
        self.confirm: Callable[[Plan], bool] | None = None
        #: Receives the plan of a run that waits for a decision.
        self.on_plan: Callable[[Plan], object] | None = None
        #: What decides about the whole plan of the run.
        self.held: Held | None = None
        #: End the run when what it has asked for does not fit the free space of a destination on this machine.
        self.watch_room = False
        #: The run is one of several streams, and this takes its transfer.
        self.part: Part | None = None
        #: What is shown beyond rsync's own lines.
        self.display: Display | None = None
        #: The protocol of the run, once both ends have agreed.
        self.protocol = 0
        #: What reads the lines of the run, if somebody wants to know what they report.
        self._lines: Lines | None = None
        #: The figures of the transfer, once there are any.
        self.summary: _core.Summary | None = None
        #: What makes events of all this, if somebody wants them.
        self.reporter = reporter
        if reporter is not None:
            reporter.start(self.out, self.lines())
        if options.log_file:
            from tain.session.runlog import open_log

            open_log(options, env, self.out, role="client")

    def unobserved(self, options: ResolvedOptions, out: Output) -> Request:
        """A request for the same run with *options*. Nobody learns of it but *out*, and nobody decides about it."""
        other = copy.copy(self)
        other.options, other.out, other.trace, other.job = options, out, Trace(out, options.debug), copy.copy(self.job)
        other.events, other.on_events, other.on_plan, other.reporter, other._lines = (), None, None, None, None
        other.batch = other.judge = other.confirm = other.held = other.display = other.changes_to = None
        other.watch_room = False
        return other

    @property
    def direction(self) -> str:
        """``push``, ``pull`` or ``local``; ``local`` until `locate`."""
        if self.job.host is None:
            return "local"
        return "push" if self.job.am_sender else "pull"

    def lines(self) -> Lines:
        """What reads the lines of the run, made when it is asked for; it reads what comes later."""
        if self._lines is None:
            from tain.session.client.lines import Lines

            self._lines = Lines(lambda: self.direction)
            self.out.on_lines = self._lines.read
        return self._lines

    def fail(self, text: bytes) -> None:
        """Print why the run ends."""
        if self._lines is not None:
            self._lines.failing = True
        self.out.error(text)
        if self._lines is not None:
            self._lines.failing = False

    def finish_lines(self) -> None:
        """The run is over: read what is no whole line."""
        if self._lines is not None:
            self._lines.finish()

    def read(self) -> None:
        """Read the files that the options name, and create the batch. Errors: `TainError` in the name of `role`."""
        options = self.options
        unavailable.refuse(options)
        if options.args:
            self.job.am_sender = options.read_batch is None and hostspec.parse_host(options.args[0]) is None
        self.rules = self.read_rules(options.protocol)
        if options.files_from is not None and options.files_from_host is None and options.files_from != b"-":
            from tain.session.plan import read_files_from

            self.files_from = read_files_from(
                options.files_from, self.env, options, forward=bool(options.args) and not self.job.am_sender
            )
        if not options.args:
            from tain.options.help import missing_arguments

            # With options, rsync has begun a transfer at this point.
            if len(self.env.argv) >= 2:
                self.take_role()
            raise missing_arguments(os.fsdecode(self.env.program))
        if options.write_batch is not None and options.read_batch is None:
            from tain.session.batch import BatchFile

            # rsync has no direction yet, and reports as the receiver.
            self.role = "Receiver"
            self.batch = BatchFile(options, self.env, role=self.role)
        self.take_role()

    def locate(self) -> None:
        """Sort the arguments. Errors are reported in the name of the direction that the first argument suggests."""
        self.job = hostspec.locate(self.options)
        if self.reporter is not None:
            self.reporter.job = self.job
        self.take_role()
        if self.job.tls:
            raise UnsupportedError("rsync: rsyncs:// is not supported by this version of tain")

    def watches_room(self, *, twin: bool) -> bool:
        """Whether this process receives, and can say what room a run needs. A sparse file needs less than its size, and
        one that is preallocated has its room before its data."""
        options, job = self.options, self.job
        receives = job.destination is not None and not twin and not (job.host is not None and job.am_sender)
        return self.watch_room and receives and not (options.dry_run or options.sparse or options.preallocate)

    def take_role(self) -> None:
        """Report in the name of the transfer's direction from here on."""
        self.role = "sender" if self.job.am_sender else "Receiver"

    def speak_old(self, protocol: int) -> None:
        """The peer speaks no more than an old *protocol*: use the forms of that time."""
        before = self.options
        self.options = oldpeer.adapt(before, protocol, server_sends=not self.job.am_sender)
        if self.options.protocol != before.protocol or self.options.filter_events != before.filter_events:
            self.rules = self.read_rules(self.options.protocol, again=True)

    def read_rules(self, protocol: int, *, again: bool = False) -> list[bytes]:
        """The user's rules in the form for a peer of *protocol*. *again*: without the notes about them."""
        from tain.session.rules import user_rules

        notes: list[tuple[int, str]] = []
        found = user_rules(
            self.options, self.env, protocol=protocol, am_sender=self.job.am_sender, role="client", notes=notes
        )
        rules = [*self.first_rules, *found]
        for level, line in () if again else notes:
            if not level:
                self.out.error(line.encode() + b"\n")
            elif self.options.debug_priority.get("FILTER") == USER or line.endswith(self._implied_rules()):
                # rsync reads rules together with the options, before -v sets levels; rules that other options imply
                # come later.
                self.trace.at("FILTER", level, line)
        return rules

    def _implied_rules(self) -> tuple[str, ...]:
        """The ends of the lines about rules that other options imply."""
        options = self.options
        suffix, partial = options.backup_suffix or b"~", options.partial_dir or b""
        return f"add_rule(-r *{os.fsdecode(suffix)})", f"add_rule(-p {os.fsdecode(partial)})", "[global CVS]"

"""What all kinds of runs have in common: the plan, the figures, the end (spec: output 2 and 5)."""

from __future__ import annotations

import os

from tain.errors import FileError, RemoteShellError, SocketError, StartupError, StreamError, TainError
from tain.report import output, stats
from tain.session import agreement, handshake, rules
from tain.session.environment import charset, thousands

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tain import _core
    from tain.options.hostspec import Locations
    from tain.options.resolved import ResolvedOptions
    from tain.report.output import Output
    from tain.session.agreement import Agreed
    from tain.session.arguments import ServerCommand
    from tain.session.client.request import Request
    from tain.session.environment import Environment
    from tain.transport.shell import Child

#: Exit code of a run whose child a signal ended after the transfer was complete.
KILLED = 16
#: Exit codes that mean that the stream is broken, whatever error carries them.
_BROKEN = (2, 12)
#: Kinds of events about files that are in place.
_DONE = frozenset(("done", "json-done"))
#: Most bytes of a remote shell's standard error that are kept to find the files that failed.
_WORDS = 1 << 18


class Run:
    """One kind of run."""

    #: Both ends are this process.
    local = False
    #: The other end is a fork of this process.
    twin = False

    def __init__(self, request: Request) -> None:
        self.request = request
        self.trace = request.trace
        #: The run was ended by a decision about its plan or its room.
        self.ended_here = False

    def run(self) -> int:
        """Run to the end; returns the exit code. Errors: `TainError`."""
        raise NotImplementedError

    @property
    def options(self) -> ResolvedOptions:
        return self.request.options

    @property
    def env(self) -> Environment:
        return self.request.env

    @property
    def out(self) -> Output:
        return self.request.out

    @property
    def job(self) -> Locations:
        return self.request.job

    def become(self) -> None:
        """Apply ``--copy-as``, once everything that needs the user's own rights is open and started."""
        if self.options.copy_as is not None:
            from tain.session.copy_as import become

            become(self.options, self.env, self.request.role)

    def show_command(self, argv: Sequence[bytes]) -> None:
        job, options = self.job, self.options
        # The shell of the command line, not that of the environment (observed).
        shell = options.rsh if options.rsh_given else None
        path = job.destination if job.am_sender else job.sources[0] if job.sources else None
        self.trace.command(argv, shell=shell, host=job.host, user=job.user, path=path)

    def plan(self, agreed: Agreed) -> _core.Plan:
        from tain import _core
        from tain.session.plan import plan_fields

        request = self.request
        fields = plan_fields(
            self.options,
            agreed,
            local=self.local,
            job=self.job,
            env=self.env,
            rules=request.rules,
            write_batch_fd=request.batch.fd if request.batch is not None else None,
            twin=self.twin,
            files_from_data=request.files_from,
            extra=self.extra_fields(),
        )
        if request.changes_to is None:
            return _core.Plan(**fields)
        fd = self.create(request.changes_to)
        try:
            fields["changes_handle"] = fd
            return _core.Plan(**fields)
        finally:
            # The plan has a duplicate.
            os.close(fd)

    def create(self, path: bytes) -> int:
        """A descriptor of a new or emptied file. Errors: `FileError`."""
        try:
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        except OSError as error:
            from tain.escape import printable
            from tain.system import system_text

            text = f"failed to open {printable(path)}: {system_text(error)}"
            raise FileError(f"rsync: [{self.request.role}] {text}") from error

    def extra_fields(self) -> _core.PlanFields | None:
        """Fields that do not follow from the options of rsync."""
        request, reporter = self.request, self.request.reporter
        if request.part is not None:
            return request.part.fields()
        fields: _core.PlanFields = {}
        events = set(request.events)
        if request.judge is not None and request.judge.counts:
            events.add("deletions")
            # A guard judges what the user has, not what interrupted runs have left.
            fields["exclude_leftovers"] = True
            fields["deletion_names_handle"] = request.judge.names_handle()
        if reporter is not None:
            events |= reporter.core_kinds
            fields["elapsed_ms"] = reporter.elapsed_ms()
            if reporter.look_ahead:
                fields["look_ahead"] = reporter.look_ahead
        if request.select is not None:
            events.add("select")
        if request.held is not None:
            events.add("planned")
        if events:
            fields["events"] = events
        if request.watches_room(twin=self.twin):
            fields["watch_room"] = True
        if self.options.json:
            # It draws on standard output.
            fields["progress"] = 0
        if request.display is not None and request.display.look_ahead:
            fields["look_ahead"] = request.display.look_ahead
        return fields or None

    # ---- the end

    def finish(self, agreed: Agreed, transfer: _core.Run) -> int:
        """Run a transfer to its end and report it; returns the exit code."""
        options, out = self.options, self.out
        if self.request.part is not None:
            return self.request.part.finish(self, agreed, transfer)
        self.request.protocol = agreed.protocol
        self.env.transfer = transfer
        try:
            summary = self.request.summary = self.pump(transfer)
            if self.request.reporter is not None:
                self.request.reporter.transferred(transfer, summary)
        finally:
            self.env.transfer = None
        whole = summary.code in output.WHOLE_RUN and not summary.error and not summary.reported
        level = options.info.get("STATS", 0)
        if self.job.am_sender:
            self.trace_wait("EXIT", 2, "client_run")
        if whole and level:
            self.print_figures(summary, agreed, level)
        code = max(summary.code, self.child_status(whole=True)) if whole else summary.code
        # The sender's log gets this line after a failed run too, the receiver's only after a good one (observed).
        plain = code != 0 or not level if self.job.am_sender else not (code or level)
        if plain and out.log is not None:
            out.log.write(stats.log_line(summary))
        if summary.error:
            if summary.role == "Receiver" and self.job.host is None:
                out.charset = "ascii"  # see Report::receiving_end
            self.request.fail(summary.error.encode("utf-8", "surrogateescape") + b"\n")
        if not whole and not self.ended_here:
            # Before protocol 31 the other end does not learn why this one has ended, and has an error of its own.
            code = max(code, self.child_status(whole=False))
        elif self.job.am_sender and not self.local and self.wants_done:
            self.confirm(transfer)
        if not self.job.am_sender:
            self.trace_wait("RECV", 1, "client_run2")
        # The peer has reported its own end, but nobody has reported the status of the child.
        if code and (not summary.reported or code > summary.code):
            out.error(output.closing_line(code, output.role_of(summary.error or "", summary.role), "client.py(1)"))
        role, own = ("sender", code) if self.job.am_sender else ("generator", 0)
        self.trace.exit(role, own, code, dry_run=options.dry_run)
        return code

    @property
    def wants_done(self) -> bool:
        """Somebody wants to know which files are in place."""
        reporter = self.request.reporter
        wanted = reporter is not None and not _DONE.isdisjoint(reporter.core_kinds)
        return wanted or not _DONE.isdisjoint(self.request.events)

    def deliver(self, events: list[_core._Event]) -> None:
        """Give events of the core to those who want them."""
        if self.request.on_events is not None:
            self.request.on_events(events)
        if self.request.reporter is not None:
            self.request.reporter.take_core(events)

    def pump(self, transfer: _core.Run) -> _core.Summary:
        """Write the output of *transfer* until its end."""
        request = self.request
        judge, reporter, on_events = request.judge, request.reporter, request.on_events
        held, select = request.held, request.select

        def take(events: list[_core._Event]) -> None:
            for event in events if select is not None else ():
                if event[0] == "select" and select is not None:
                    transfer.answer_selection(select(event[1]))
            if held is not None:
                held.answer(transfer, events)
                self.ended_here |= held.refused
            if judge is not None:
                judge.answer(transfer, events)
            self.deliver(events)

        if held is not None or select is not None or (judge is not None and judge.counts) or reporter is not None:
            on_events = take
        if request.watches_room(twin=self.twin):
            self.watch_room(transfer)
        if request.display is None:
            return output.pump(transfer, request.out, on_events)
        return request.display.pump(transfer, request.job, on_events)

    def watch_room(self, transfer: _core.Run) -> None:
        """Look at the free space from time to time while *transfer* runs."""
        from tain.session.room import Watch

        out = self.out
        watch = Watch(os.path.join(self.env.cwd, self.job.destination or b"."))
        before = out.tick

        def tick() -> None:
            if before is not None:
                before()
            if text := watch.check(transfer):
                self.ended_here = True
                out.error(text.encode("utf-8", "replace") + b"\n")

        out.tick = tick

    def print_figures(self, summary: _core.Summary, agreed: Agreed, level: int) -> None:
        """The figures of ``--stats`` from *level* 2, and the summary."""
        options, out = self.options, self.out
        numbers = stats.Numbers(options.human_readable, thousands(self.env.environ))
        text = b""
        if level > 1:
            text += stats.statistics(
                summary, numbers, protocol=agreed.protocol, from_batch=options.read_batch is not None
            )
        suffix = " (BATCH ONLY)" if options.only_write_batch else " (DRY RUN)" if options.dry_run else ""
        text += stats.summary_lines(summary, numbers, suffix=suffix)
        out.figures(text)
        if out.log is not None:
            out.log.text(text)

    def child_status(self, *, whole: bool) -> int:
        """The exit status of a child that counts, after a complete (*whole*) or a failed transfer."""
        return 0

    def confirm(self, transfer: _core.Run) -> None:
        """Deliver the events ``done`` of a push that has gone to its end: now it is known which files are in place."""

    def trace_wait(self, word: str, level: int, name: str) -> None:
        """The line before the wait for a child."""


class StreamRun(Run):
    """A run over a connection, with a child at its other end or without one."""

    #: How the other end is reached: ``shell``, ``tcp``, or ``pipe`` to a fork.
    transport = "shell"

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.child: Child | None = None
        #: The exit status of the child may become that of the run.
        self.child_counts = True
        #: The peer answered an old number of ours with the same number, which says nothing about its age.
        self.echo = False
        #: What a remote shell has written to its standard error; None if that was not read, or was too much to keep.
        self.words: bytearray | None = None

    def over(self, connect: Callable[[], int]) -> int:
        """Run *connect*, which connects and transfers; the exit status of a child may win (spec: output 2)."""
        from tain.transport.shell import GRACE

        if self.request.reporter is not None:
            self.request.reporter.connecting()
        try:
            code = connect()
        except TainError as error:
            status = self.reap(error)
            if status > error.code:
                self.out.error(output.error_text(error))
                raise RemoteShellError("", status) from error
            raise
        finally:
            if self.request.batch is not None:
                self.request.batch.close()
        if self.child is not None:
            # Needed after a listing of modules, which ends before any transfer.
            self.child.close()
            self.child.wait(GRACE)
        return code

    def child_status(self, *, whole: bool) -> int:
        from tain.transport.shell import GRACE

        if self.child is None or not self.child_counts:
            return 0
        # After a whole run the child still has its connection to close; after a failed one it may never end.
        status = self.child.wait(None if whole else GRACE) or 0
        # If the run failed anyway, the death of the peer is the cause, and has a code of its own.
        return KILLED if whole and self.child.killed else status

    def on_stderr(self) -> Callable[[bytes], None] | None:
        """Receives what a remote shell writes to its standard error; None: it keeps our standard error."""
        take, fd = self.env.shell_stderr, self.env.stderr
        if not self.job.am_sender or not self.wants_done:
            return take
        from tain.transport import shell

        self.words = bytearray()

        def heard(data: bytes) -> None:
            if self.words is not None:
                self.words += data
                if len(self.words) > _WORDS:
                    self.words = None
            if take is not None:
                take(data)
            else:
                shell.pass_on(data, fd)

        return heard

    def confirm(self, transfer: _core.Run) -> None:
        child = self.child
        succeeded = child is None or (child.has_status and self.child_status(whole=True) == 0)
        # Without a pipe for its standard error nothing was read.
        heard = child is not None and child.read_stderr is not None and self.words is not None
        words = bytes(self.words or b"") if heard else None
        while events := transfer.next_confirmed(succeeded, words):
            self.deliver(events)

    def trace_wait(self, word: str, level: int, name: str) -> None:
        if self.child is not None:
            self.trace.at(word, level, f"{name} waiting on {self.child.pid}")

    def reap(self, error: TainError) -> int:
        """The exit status of a child that may have caused *error*. The wait is bounded: it may never end."""
        from tain.transport.shell import GRACE

        child = self.child
        if child is None:
            return 0
        child.close()
        if not self.child_counts:
            return 0
        # Only a broken stream means that the child is ending; after other errors, only a status that is ready counts.
        broken = isinstance(error, (StreamError, SocketError, StartupError)) or error.code in _BROKEN
        return child.wait(GRACE if broken else 0.0) or 0

    def new_link(self, read_fd: int, write_fd: int) -> _core.Link:
        from tain import _core

        options = self.options
        return _core.Link(
            read_fd, write_fd, timeout=options.timeout, bwlimit=options.bwlimit * 1024, role=self.request.role
        )

    def child_link(self) -> _core.Link:
        """A link over the pipes of the child, which it owns from here on."""
        assert self.child is not None
        link = self.new_link(self.child.read_fd, self.child.write_fd)
        self.child.close()
        return link

    def command(self, *, local: bool = False) -> ServerCommand:
        """The server's command line."""
        from tain.session.arguments import server_command

        job = self.job
        paths = [job.destination or b"."] if job.am_sender else job.sources
        shell = self.env.transport is None
        return server_command(self.options, list(paths), am_sender=job.am_sender, shell=shell, local=local)

    def secluded(self, words: list[bytes]) -> list[bytes]:
        """Secluded words in the form in which they travel; the trace shows them before that."""
        self.trace.words(b"protected args: ", words)
        if self.options.iconv is None:
            return words
        from tain.session.plan import convert_words

        return convert_words(words, self.options, to_wire=True)

    def transfer(self, link: _core.Link, *, greeted: tuple[int, int] | None) -> int:
        """Handshake, filter list, batch header, transfer. *greeted*: the protocols of a daemon's greeting."""
        from tain import _core

        request, options, job = self.request, self.options, self.job
        self.out.charset = charset(self.env.environ)
        agreed = handshake.client_handshake(
            link,
            options,
            am_sender=job.am_sender,
            environ=self.env.environ,
            greeted=greeted,
            offered_inc_recurse=agreement.inc_recurse_allowed(options, am_receiver=not job.am_sender),
            local=self.twin,
            trace=self.trace.write,
            note=None if self.echo else self.trace.write,
        )
        if request.reporter is not None:
            request.reporter.connected(agreed, "pipe" if self.env.transport is not None else self.transport)
        if agreed.protocol < 30 <= options.protocol and job.am_sender:
            # An old peer knows no perishable rules, which some options imply.
            request.rules = request.read_rules(agreed.protocol, again=True)
        if rules.filters_travel(options, agreed.protocol, server_sends=not job.am_sender):
            sends = not job.am_sender
            texts = _core.rules_to_wire(
                rules.rules_for_peer(request.rules, options, protocol=agreed.protocol, server_sends=sends),
                protocol=agreed.protocol,
                server_sends=sends,
                delete_excluded=options.delete_excluded,
            )
            rules.send_filters(link, texts)
        if request.batch is not None:
            request.batch.begin(options, agreed, self.env.argv, self.script_rules(agreed.protocol))
        start = _core.send if job.am_sender else _core.receive
        return self.finish(agreed, start(link, self.plan(agreed)))

    def script_rules(self, protocol: int) -> list[bytes]:
        """The rules for a batch script: without those of ``-C``, which the script repeats as an option."""
        if not self.options.cvs_exclude:
            return self.request.rules
        options = self.options.copy()
        options.cvs_exclude = False
        return rules.user_rules(options, self.env, protocol=protocol, am_sender=self.job.am_sender, role="client")

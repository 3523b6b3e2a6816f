"""The side that a person started: connect, agree, run, report (spec: options 5, output 2 and 5)."""

from __future__ import annotations

import os

from tain.errors import (
    IpcError,
    RemoteShellError,
    SocketError,
    StartupError,
    StreamError,
    TainError,
    UnsupportedError,
    UsageError,
)
from tain.options import hostspec
from tain.options.levels import USER
from tain.report import output, stats
from tain.report.output import Output
from tain.session import handshake, oldpeer, unavailable
from tain.session.environment import charset, thousands

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tain import _core
    from tain.options.hostspec import Locations
    from tain.options.resolved import Options
    from tain.session.arguments import ServerCommand
    from tain.session.batch import BatchFile
    from tain.session.environment import Environment
    from tain.session.handshake import Agreed
    from tain.transport.shell import Child

#: Exit code of a whole run whose child was ended by a signal.
KILLED = 16
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,.-_=+@/")


def run(options: Options, env: Environment) -> int:
    """Do what a client's command line asks for; returns the exit code. Everything has been printed then."""
    client = Client(options, env)
    asked = os.isatty(env.stderr) if options.hints is None else options.hints
    if asked and not options.quiet:
        client.out.heard = bytearray()
    try:
        code = client.run()
    except TainError as error:
        client.out.error(output.failure_text(error, client.role))
        code = error.code
    finally:
        client.out.flush()
    if code and client.out.heard:
        client.explain()
    return code


def make_output(options: Options, env: Environment, out: Output | None = None) -> Output:
    """*out*, or else output as the options want it; a log file that cannot be opened is reported and done without."""
    if out is None:
        out = Output(
            env.stdout,
            env.stderr,
            quiet=options.quiet > 0,
            all_to_stderr=options.stderr_mode == "all",
            outbuf=options.outbuf,
            eight_bit=options.eight_bit_output,
        )
    if options.log_file:
        from tain.session.runlog import open_log

        open_log(options, env, out, role="client")
    return out


def show_words(words: Sequence[bytes]) -> bytes:
    """A command line as the lines of ``--debug=CMD`` show it (spec: output 4)."""
    shown = [word if word and _PLAIN.issuperset(word) else b'"' + word + b'"' for word in words]
    return b"%s  (%d args)\n" % (b" ".join(shown), len(words))


class Client:
    """One run of a client."""

    def __init__(
        self,
        options: Options,
        env: Environment,
        *,
        out: Output | None = None,
        on_items: Callable[[list[_core.Record]], None] | None = None,
    ) -> None:
        """*out* stands in for the environment's streams; *on_items* is given the items as structures."""
        self.options = options
        self.env = env
        self.out = make_output(options, env, out)
        self._on_items = on_items
        #: The figures of the transfer, when there was one.
        self.summary: _core.Summary | None = None
        #: Where everything is; a stand-in until the arguments have been sorted.
        self.job: Locations = hostspec.Locations()
        self.job.am_sender = False
        self._child: Child | None = None
        #: Its exit status may become ours.
        self._child_counts = True
        #: Rule texts of the filter options, read before anything is started: a mistake in them is the user's.
        self._rules: list[bytes] = []
        #: The list of ``--files-from``, for the same reason; None: standard input, or none here.
        self._files_from: bytes | None = None
        self._early = True
        #: The peer is a twin of this process.
        self._twin = False
        self._batch: BatchFile | None = None
        self._echo = False

    @property
    def role(self) -> str:
        """The name in brackets of the closing line."""
        if self._early:
            return "client"
        return "sender" if self.job.am_sender else "Receiver"

    def explain(self) -> None:
        """Say what may be behind what was said (spec: daemon 16.3)."""
        from tain.diagnosis import hints
        from tain.transport import tcp

        said, self.out.heard = bytes(self.out.heard or b""), None
        log, self.out.log = self.out.log, None
        hints.tell(said, self.out.error, host=self.job.host, port=self.job.port or self.options.port or tcp.PORT)
        self.out.log = log

    def _debug(self, word: str) -> int:
        return self.options.debug.get(word, 0)

    def _told_by_roles(self) -> bool:
        """Is this a copy in which each role tells what it does? Then there are roles, which talk over a stream as in
        rsync. Not where another program is the caller: it cannot be forked."""
        debug = self._debug
        words = [
            ("DELTASUM", 2),
            ("EXIT", 2),
            ("FLIST", 2),
            ("NSTR", 1),
            ("OWN", 2),
            ("PROTO", 1),
            ("RECV", 1),
            ("SEND", 1),
        ]
        return self.env.own_process and any(debug(word) >= level for word, level in words)

    def _trace(self, text: str) -> None:
        self.out.info(text.encode("utf-8", "surrogateescape") + b"\n")

    # ------------------------------------------------------------------------------------------ kinds of runs

    def run(self) -> int:
        """The exit code. Errors: whatever ended the run before its transfer could report for itself."""
        options = self.options
        unavailable.refuse(options)
        if options.args:
            self.job.am_sender = options.read_batch is None and hostspec.parse_host(options.args[0]) is None
        self._rules = self._read_rules(options.protocol)
        if options.files_from is not None and options.files_from_host is None and options.files_from != b"-":
            from tain.session.plan import read_files_from

            self._files_from = read_files_from(
                options.files_from, self.env, options, forward=bool(options.args) and not self.job.am_sender
            )
        if options.read_batch is not None and options.args:
            self._early = False
            return self._replay()
        if options.write_batch is not None and options.args:
            self._create_batch()
        job = self._locate()
        if job.host is not None and oldpeer.is_old(options.protocol):
            self._speak_old(options.protocol)
            options = self.options
        if job.host is None or not job.daemon:
            if options.password_file is not None:
                raise UsageError("The --password-file option may only be used when accessing an rsync daemon.")
            if options.contimeout:
                raise UsageError("The --contimeout option may only be used when connecting to an rsync daemon.")
        if job.host is None:
            # A listing stays in the character set of its names.
            converts = options.iconv is not None and self.job.destination is not None
            by_stream = options.write_batch is not None or options.remote_options or converts
            if by_stream or self._told_by_roles():
                return self._twin_run()
            return self._local()
        if job.daemon and not options.rsh_given:
            return self._over(self._daemon)
        return self._over(self._shell)

    def _locate(self) -> Locations:
        """Sort the arguments. What is wrong with them is told in the name of the side that the first one makes us."""
        if not self.options.args:
            from tain.options.help import missing_arguments

            # rsync has taken its options for a transfer's by then.
            self._early = len(self.env.argv) < 2
            raise missing_arguments(os.fsdecode(self.env.program))
        self._early = False
        self.job = hostspec.locate(self.options)
        if self.job.tls:
            raise UnsupportedError("rsync: rsyncs:// is not supported by this version of tain")
        return self.job

    def _over(self, connected: Callable[[], int]) -> int:
        """Run over a connection, and let the exit status of a child count (spec: output 2)."""
        from tain.transport.shell import GRACE

        try:
            code = connected()
        except TainError as error:
            status = self._reap(error)
            if status > error.code:
                self.out.error(output.error_text(error))
                raise RemoteShellError("", status) from error
            raise
        finally:
            if self._batch is not None:
                self._batch.close()
        if self._child is not None:
            # A listing has ended the talk before any transfer; for all else this is over already.
            self._child.close()
            self._child.wait(GRACE)
        return code

    def _become(self) -> None:
        """``--copy-as``, once whatever needs the user's own rights is open and started."""
        if self.options.copy_as is not None:
            from tain.session.copy_as import become

            become(self.options, self.env, self.role)

    def _child_status(self, *, whole: bool) -> int:
        """What the child of a transfer ended with, as far as it counts; 0 without one."""
        from tain.transport.shell import GRACE

        if self._child is None or not self._child_counts:
            return 0
        # After a whole run the child has work to end, as a shell with its connection; after a failed one it may be
        # what failed, and never end.
        status = self._child.wait(None if whole else GRACE) or 0
        # Of a run that failed anyway the peer's death is the cause, and has its own code.
        return KILLED if whole and self._child.killed else status

    def _reap(self, error: TainError) -> int:
        """What a child that may have caused *error* ended with; bounded, for it may as well go on for ever."""
        from tain.transport.shell import GRACE

        child = self._child
        if child is None:
            return 0
        child.close()
        if not self._child_counts:
            return 0
        # Only a broken stream says that the child is ending; for other errors its status is taken if it is there.
        broken = isinstance(error, (StreamError, SocketError, StartupError)) or error.code in (2, 12)
        return child.wait(GRACE if broken else 0.0) or 0

    def _local(self) -> int:
        from tain import _core

        self.out.charset = charset(self.env.environ)
        self._become()
        self._show_command([b".", self.job.destination or b"."])
        self._show_charset()
        agreed = handshake.agree_alone(self.options, self.env.environ)
        self._show_protocol(agreed)
        self._show_age(agreed)
        start = _core.enumerate if self.options.list_only else _core.copy
        return self._finish(agreed, start(self._plan(agreed, local=True)))

    def _replay(self) -> int:
        """``--read-batch``: a receiver whose stream is a file (spec: protocol 11)."""
        from tain import _core
        from tain.session import batch

        options = self.options
        assert options.read_batch is not None
        fd = batch.open_batch(options.read_batch, self.env, options, role=self.role)
        self._locate()
        sink = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            link = _core.Link(fd, sink, role=self.role)
        finally:
            os.close(fd)
            os.close(sink)
        flags, agreed = batch.read_header(link, options)
        if options.info["MISC"]:
            for text in batch.flag_messages(options, flags, agreed.protocol):
                self._trace(text)
        if agreed.inc_recurse and not handshake.inc_recurse_allowed(options, am_receiver=True):
            raise UsageError("Incompatible options specified for inc-recursive batch file.")
        self.options = batch.apply_flags(options, flags, agreed.protocol)
        handshake.settle_unnegotiated(agreed, self.options)
        return self._finish(agreed, _core.receive(link, self._plan(agreed, local=False)))

    def _twin_run(self) -> int:
        """A local copy by way of a stream: for batches, for options of one side alone, and for names that change their
        character set on the way."""
        from tain.session import server
        from tain.transport.local import fork_server

        # A listing is read from the twin; else it writes.
        self.job.am_sender = self.job.destination is not None
        words = self._command(local=True).visible

        def serve(read_fd: int, write_fd: int) -> int:
            if self._batch is not None:
                self._batch.close()
            return server.run_twin(words, self.options, self.env, read_fd=read_fd, write_fd=write_fd)

        def connected() -> int:
            self._become()
            self._show_command([b".", self.job.destination or b"."])
            self._show_charset()
            self._child = fork_server(serve)
            self._twin = True
            return self._transfer(self._link(), greeted=None)

        return self._over(connected)

    def _shell(self) -> int:
        """Over a remote shell, to a server or to a daemon started by it."""
        from tain.session import arguments
        from tain.session.greeting import module_name
        from tain.transport import shell

        options, job = self.options, self.job
        assert job.host is not None
        hidden: list[bytes] | None = None
        if job.daemon:
            module_name(self._daemon_path(), shell=True)
            words = arguments.daemon_shell_command()
        else:
            command = self._command()
            words, hidden = command.visible, command.secluded
        argv = arguments.shell_command(options, job.host, job.user, words, daemon=job.daemon)
        self._show_command(argv)
        if self._debug("CMD"):
            self.out.info(b"opening connection using: " + show_words(argv))
        self._show_charset()
        port = (job.port or options.port) if job.daemon else None
        try:
            self._child = shell.spawn(argv, shell.child_environment(self.env.environ, port=port), role=self.role)
        except IpcError as error:
            if not job.daemon:
                raise
            # Who waits for a greeting has the last word (observed).
            self.out.error(output.failure_text(error, self.role))
            raise StartupError("rsync: did not see server greeting") from error
        link = self._link()
        if job.daemon:
            return self._converse(link)
        self._become()
        if hidden is not None:
            self._show_hidden(hidden)
            link.write(arguments.encode_secluded(self._converted(hidden)))
        return self._transfer(link, greeted=None)

    def _daemon(self) -> int:
        from tain.session.greeting import module_name
        from tain.transport import tcp

        options, job = self.options, self.job
        assert job.host is not None
        module_name(self._daemon_path())
        port = tcp.parse_port(job.port or options.port)
        if self._debug("CONNECT"):
            self.out.info(b"opening tcp connection to %s port %d\n" % (job.host, port))
        connector = tcp.Connector(
            environ=self.env.environ,
            role=self.role,
            warn=self.out.error,
            trace=self._trace if self._debug("CONNECT") > 1 else None,
            contimeout=options.contimeout,
            address=options.address,
            family=options.address_family,
            sockopts=options.sockopts,
        )
        fd = connector.connect(job.host, port)
        try:
            link = self._new_link(fd, fd)
        finally:
            os.close(fd)
        return self._converse(link)

    def _daemon_path(self) -> bytes:
        """The path that begins with the module's name."""
        return (self.job.destination or b"") if self.job.am_sender else self.job.sources[0]

    def _converse(self, link: _core.Link) -> int:
        """The daemon protocol, then the transfer (spec: protocol 10)."""
        from tain.session.greeting import Conversation, module_name

        name = module_name(self._daemon_path())
        self.out.charset = charset(self.env.environ)
        talk = Conversation(link, self.options, self.env, self.out, role=self.role, wait=link.wait)
        # Without a greeting the run ends with 5 whatever became of the shell; after it the daemon says itself what is
        # wrong, and how it ends (255 for a mere list) tells nothing.
        self._child_counts = False
        talk.greet()
        # Asked for by us, an old number says nothing about the daemon's age.
        self._echo = talk.protocols[1] == self.options.protocol
        if oldpeer.is_old(talk.protocols[0]):
            self._speak_old(talk.protocols[0])
        command = self._daemon_command(name)
        if self._debug("CMD"):
            self.out.info(b"sending daemon args: " + show_words(command.visible))
        if not talk.open_module(name, self.job.user):
            return 0
        self._child_counts = True
        hidden: list[bytes] = []
        if command.secluded is not None:
            self._show_hidden(command.secluded)
            hidden = self._converted(command.secluded)
        talk.send_arguments(command.visible, hidden)
        self._become()
        return self._transfer(link, greeted=talk.protocols)

    # ------------------------------------------------------------------------------------------ common parts

    def _speak_old(self, protocol: int) -> None:
        """The peer is known to speak no more than an old *protocol*: ask for things in its way."""
        before = self.options
        self.options = oldpeer.adapt(before, protocol, server_sends=not self.job.am_sender)
        if self.options.protocol != before.protocol or self.options.filter_events != before.filter_events:
            self._rules = self._read_rules(self.options.protocol, again=True)

    def _new_link(self, read_fd: int, write_fd: int) -> _core.Link:
        from tain import _core

        options = self.options
        return _core.Link(read_fd, write_fd, timeout=options.timeout, bwlimit=options.bwlimit * 1024, role=self.role)

    def _link(self) -> _core.Link:
        """A link over the pipes of the child, which then belong to it alone."""
        assert self._child is not None
        link = self._new_link(self._child.read_fd, self._child.write_fd)
        self._child.close()
        return link

    def _transfer(self, link: _core.Link, *, greeted: tuple[int, int] | None) -> int:
        """Handshake, filter list, batch header, transfer."""
        from tain import _core

        options, job = self.options, self.job
        self.out.charset = charset(self.env.environ)
        agreed = handshake.client_handshake(
            link,
            options,
            am_sender=job.am_sender,
            environ=self.env.environ,
            greeted=greeted,
            offered_inc_recurse=handshake.inc_recurse_allowed(options, am_receiver=not job.am_sender),
            local=self._twin,
            trace=self._trace,
            note=None if self._echo else self._trace,
        )
        if agreed.protocol < 30 <= options.protocol and job.am_sender:
            # An old peer knows no perishable rules, which some options stand for.
            self._rules = self._read_rules(agreed.protocol, again=True)
        if handshake.filters_travel(options, agreed.protocol, server_sends=not job.am_sender):
            texts = _core.rules_to_wire(
                self._rules,
                protocol=agreed.protocol,
                server_sends=not job.am_sender,
                delete_excluded=options.delete_excluded,
                cvs_exclude=options.cvs_exclude,
            )
            handshake.send_filters(link, texts)
        if self._batch is not None:
            self._batch.begin(options, agreed, self.env.argv, self._script_rules(agreed.protocol))
        plan = self._plan(agreed, local=False)
        start = _core.send if job.am_sender else _core.receive
        return self._finish(agreed, start(link, plan))

    def _show_command(self, argv: Sequence[bytes]) -> None:
        """The lines of ``--debug=CMD2``."""
        if self._debug("CMD") < 2:
            return
        job = self.job
        # What was asked for on the command line, whatever the environment says (observed).
        shell = self.options.rsh if self.options.rsh_given else None
        path = job.destination if job.am_sender else job.sources[0] if job.sources else None
        parts = [(b"cmd", shell), (b"machine", job.host), (b"user", job.user), (b"path", path)]
        self.out.info(b" ".join(name + b"=" + (value or b"<NULL>") for name, value in parts) + b"\n")
        self.out.info(b"".join(b"cmd[%d]=%s " % (n, word) for n, word in enumerate(argv)) + b"\n")

    def _show_charset(self) -> None:
        if self._debug("ICONV") > 1:
            known = {"utf-8": "UTF-8", "ascii": "ANSI_X3.4-1968"}
            name = charset(self.env.environ)
            self._trace(f"msg checking charset: {known.get(name, name)}")

    def _show_hidden(self, words: Sequence[bytes]) -> None:
        if self._debug("CMD"):
            self.out.info(b"protected args: " + show_words(words))

    def _converted(self, words: list[bytes]) -> list[bytes]:
        """Secluded words as they travel."""
        if self.options.iconv is None:
            return words
        from tain.session.plan import convert_words

        return convert_words(words, self.options, to_wire=True)

    def _script_rules(self, protocol: int) -> list[bytes]:
        """The rules of the user; those of ``-C`` come again with the option."""
        if not self.options.cvs_exclude:
            return self._rules
        from tain.session.plan import user_rules

        options = self.options.copy()
        options.cvs_exclude = False
        return user_rules(options, self.env, protocol=protocol, am_sender=self.job.am_sender, role="client")

    def _create_batch(self) -> None:
        """Nobody has a role yet; the one to blame is always the same."""
        from tain.session.batch import BatchFile

        am_sender, self.job.am_sender = self.job.am_sender, False
        self._early = False
        self._batch = BatchFile(self.options, self.env, role=self.role)
        self.job.am_sender = am_sender

    def _show_age(self, agreed: Agreed) -> None:
        """Both ends of a local copy find the other one very old (observed)."""
        said = oldpeer.very_old(agreed.protocol, server=True)
        if said and not self.options.quiet:
            self.out.error(said.encode() + b"\n")
            self._trace(oldpeer.very_old(agreed.protocol, server=False))

    def _show_protocol(self, agreed: Agreed) -> None:
        if self._debug("PROTO"):
            for side in ("Server", "Client"):
                self._trace(f"({side}) Protocol versions: remote={agreed.protocol}, negotiated={agreed.protocol}")

    def _command(self, *, local: bool = False) -> ServerCommand:
        """The server's command line."""
        from tain.session.arguments import server_command

        job = self.job
        paths = [job.destination or b"."] if job.am_sender else job.sources
        return server_command(self.options, list(paths), am_sender=job.am_sender, local=local)

    def _daemon_command(self, module: bytes) -> ServerCommand:
        """The argument words for a daemon: paths begin with the module and are not quoted (spec: protocol 10.6)."""
        from tain.session.arguments import server_command

        job = self.job
        command = server_command(self.options, [], am_sender=job.am_sender)
        paths = [job.destination or b""] if job.am_sender else job.sources
        words = command.visible if command.secluded is None else command.secluded
        for path in paths:
            word = path + b"/" if path == module else path
            if not self.options.old_args:
                # An old daemon splits a word where another path of the module seems to begin.
                word = word.replace(b" " + module + b"/", b"[ ]" + module + b"/")
            words.append(b"./" + word if word.startswith(b"-") else word)
        return command

    def _read_rules(self, protocol: int, *, again: bool = False) -> list[bytes]:
        """The rules of the user as a peer of *protocol* gets them. *again*: nothing is said of them."""
        from tain.session.plan import user_rules

        job = self.job
        notes: list[tuple[int, str]] = []
        rules = user_rules(
            self.options, self.env, protocol=protocol, am_sender=job.am_sender, role="client", notes=notes
        )
        if not again:
            for level, line in notes:
                if not level:
                    self.out.error(line.encode() + b"\n")
                elif level <= self._debug("FILTER") and (
                    self.options.debug_priority.get("FILTER") == USER or line.endswith(self._implied_rules())
                ):
                    # Rules are read with the options, before -v has its say; but not those that options stand for.
                    self._trace(line)
        return rules

    def _implied_rules(self) -> tuple[str, ...]:
        """How the lines about rules end that other options stand for."""
        options = self.options
        suffix, partial = options.backup_suffix or b"~", options.partial_dir or b""
        return f"add_rule(-r *{os.fsdecode(suffix)})", f"add_rule(-p {os.fsdecode(partial)})", "[global CVS]"

    def _plan(self, agreed: Agreed, *, local: bool) -> _core.Plan:
        from tain.session.plan import make_plan

        plan: _core.Plan = make_plan(
            self.options,
            agreed,
            local=local,
            job=self.job,
            env=self.env,
            rules=self._rules,
            write_batch_fd=self._batch.fd if self._batch is not None else None,
            twin=self._twin,
            files_from_data=self._files_from,
            extra={"records": True} if self._on_items is not None else None,
        )
        return plan

    def _finish(self, agreed: Agreed, transfer: _core.Transfer) -> int:
        """Pump a transfer to its end, print its figures; returns its exit code."""
        options, out = self.options, self.out
        self.env.transfer = transfer
        try:
            summary = self.summary = output.pump(transfer, out, self._on_items)
        finally:
            self.env.transfer = None
        whole = summary.code in output.WHOLE_RUN and not summary.error and not summary.told
        level = options.info.get("STATS", 0)
        if self._child is not None and self.job.am_sender and self._debug("EXIT") > 1:
            self._trace(f"client_run waiting on {self._child.pid}")
        if whole and level:
            numbers = stats.Numbers(options.human_readable, thousands(self.env.environ))
            text = b""
            if level > 1:
                text += stats.statistics(
                    summary, numbers, protocol=agreed.protocol, from_batch=options.read_batch is not None
                )
            suffix = " (BATCH ONLY)" if options.only_write_batch else " (DRY RUN)" if options.dry_run else ""
            text += stats.summary_lines(summary, numbers, suffix=suffix)
            out.info(text)
            if out.log is not None:
                out.log.text(text)
        code = max(summary.code, self._child_status(whole=True)) if whole else summary.code
        # A sender's closing line comes also when the run did not go well, a receiver's only when it did (observed).
        plain = code != 0 or not level if self.job.am_sender else not (code or level)
        if plain and out.log is not None:
            out.log.write(stats.log_line(summary))
        if summary.error:
            if summary.role == "Receiver" and self.job.host is None:
                out.charset = "ascii"  # see Report::receiving_end
            out.error(summary.error.encode("utf-8", "surrogateescape") + b"\n")
        if not whole:
            code = max(code, self._child_status(whole=False))
        # What the peer has said is not said again; but nobody has said what the child ended with.
        if self._child is not None and not self.job.am_sender and self._debug("RECV"):
            self._trace(f"client_run2 waiting on {self._child.pid}")
        if code and (not summary.told or code > summary.code):
            out.error(output.closing_line(code, output.role_of(summary.error or "", summary.role), "client.py(1)"))
        role = "sender" if self.job.am_sender else "generator"
        for level, what in ((2, "entered"), (1, f"about to call exit({code}){' (DRY RUN)' * self.options.dry_run}")):
            if self._debug("EXIT") >= level:
                own = code if self.job.am_sender else 0
                self._trace(f"[{role}] _exit_cleanup(code={own}, file=client.py, line=1): {what}")
        return code

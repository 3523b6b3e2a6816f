"""The side that a peer started, directly or through a daemon (spec: protocol 2, 1.8 to 1.10)."""

from __future__ import annotations

import os

from tain.errors import PeerExit, StreamError, TainError
from tain.escape import restore
from tain.report import output
from tain.report.output import Output
from tain.session import handshake, unavailable
from tain.session.rules import filters_travel, receive_filters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tain import _core
    from tain._core import PlanFields
    from tain.options.parse import RawOptions
    from tain.options.resolved import ResolvedOptions
    from tain.session.agreement import Agreed
    from tain.session.environment import Environment

# Message tags (spec: protocol 3.2).
TAG_ERROR_XFER = 1
TAG_INFO = 2
TAG_ERROR = 3
TAG_IO_TIMEOUT = 33
TAG_ERROR_EXIT = 86

#: Longest text of a message (spec: protocol 3.2).
_TEXT_LIMIT = 5119
#: Limits for discarding the peer's data at the end. Unread data would reset the connection, and a pulling client would
#: end with 10 without our last message (spec: protocol 10.6).
_DRAIN_SECONDS = 2.0
_DRAIN_BYTES = 64 << 20
#: Codes that are not sent to the peer, because the connection itself failed (spec: protocol 3.7).
_LOST_PEER = frozenset((10, 12, 19, 30))
#: The most words of a secluded argument list, and the most bytes of a word; the same as for a daemon.
_SECLUDED_WORDS = 15_998
_SECLUDED_WORD = 5119


class DaemonSide:
    """The differences of a daemon's child from other servers. All are optional."""

    __slots__ = ("before_mux", "fields", "greeted", "log", "refusal", "timeout")

    def __init__(
        self,
        *,
        greeted: tuple[int, int] | None = None,
        fields: PlanFields | None = None,
        refusal: TainError | None = None,
        timeout: int = 0,
        before_mux: Callable[[Agreed], None] | None = None,
        log: Callable[[bytes], None] | None = None,
    ) -> None:
        #: Agreed and announced protocol of the greetings.
        self.greeted = greeted
        #: Fields of the plan that the module decides; they win over the client's options.
        self.fields: PlanFields = fields or {}
        #: Sent to the client at the earliest possible point, instead of a transfer.
        self.refusal = refusal
        #: The timeout in seconds that the client should use too; 0 is none.
        self.timeout = timeout
        self.before_mux = before_mux
        #: Receives every line that is sent to the client, for the daemon's log.
        self.log = log


def serve(
    options: ResolvedOptions,
    link: _core.Link,
    env: Environment,
    *,
    out: Output | None = None,
    daemon: DaemonSide | None = None,
    local: bool = False,
    rules: Sequence[bytes] = (),
    ready: Callable[[float], bool] | None = None,
    listings: _core.DirectoryCache | None = None,
) -> int:
    """Run one session as its server; returns the exit code. Errors of peers and files are reported, not raised.

    Next on *link* is the client's protocol number or, after a daemon's greeting, our compat flags. *rules* are those of
    the server's own command line. *ready* waits a number of seconds for the client's number; without it, the number is
    read without a time limit. A sender takes directories from *listings* where the request allows it.
    """
    server = _Server(options, link, env, out or server_output(options, env), daemon, local=local, rules=rules)
    server.ready = ready
    server.listings = listings
    try:
        return server.run()
    except TainError as error:
        return server.fail(error)
    finally:
        server.out.flush()


def server_output(options: ResolvedOptions, env: Environment) -> Output:
    """A server's own streams: standard output is the connection, so everything goes to standard error."""
    return Output(env.stderr, env.stderr, quiet=False, outbuf=options.outbuf)


class _Server:
    def __init__(
        self,
        options: ResolvedOptions,
        link: _core.Link,
        env: Environment,
        out: Output,
        daemon: DaemonSide | None,
        *,
        local: bool,
        rules: Sequence[bytes],
    ) -> None:
        self.options = options
        self.link = link
        self.env = env
        self.out = out
        self.daemon = daemon
        self.local = local
        self.rules = list(rules)
        self.agreed: Agreed | None = None
        self.ready: Callable[[float], bool] | None = None
        self.listings: _core.DirectoryCache | None = None

    @property
    def role(self) -> str:
        return "sender" if self.options.sender else "Receiver"

    def run(self) -> int:
        options, link, daemon = self.options, self.link, self.daemon
        link.set_role(self.role)
        if daemon is None:
            self._become()
        self.agreed = agreed = handshake.server_handshake(
            link,
            options,
            am_sender=options.sender,
            environ=self.env.environ,
            greeted=daemon.greeted if daemon is not None else None,
            ready=self.ready,
            before_seed=self._before_seed,
            before_mux=self._before_mux,
            local=self.local,
            trace=self._trace if daemon is None else None,
            note=self._note,
        )
        if daemon is not None:
            if daemon.timeout and agreed.protocol >= 31:
                link.message(TAG_IO_TIMEOUT, daemon.timeout.to_bytes(4, "little"))
            if daemon.refusal is not None:
                raise daemon.refusal
            self._become()
        unavailable.refuse(options)
        return self._transfer(agreed)

    def _trace(self, text: str) -> None:
        self.out.error(text.encode() + b"\n")

    def _note(self, agreed: Agreed, text: str) -> None:
        """A notice for the client; without frames it goes to the log or to standard error (spec: protocol-old 2.4)."""
        line = text.encode()
        if self.options.quiet:
            return
        if agreed.multiplexed_out:
            self.link.message(TAG_INFO, line + b"\n")
        elif self.daemon is not None:
            self._log(line)
        else:
            self.out.error(line + b"\n")

    def _before_seed(self, agreed: Agreed) -> None:
        """Send a daemon's refusal before the seed, which is the only place for it here (spec: protocol-old 3)."""
        if self.daemon is not None and self.daemon.refusal is not None:
            self.agreed = agreed
            raise self.daemon.refusal

    def _become(self) -> None:
        if self.options.copy_as is not None:
            from tain.session.copy_as import become

            become(self.options, self.env, self.role)

    def _before_mux(self, agreed: Agreed) -> None:
        daemon = self.daemon
        if daemon is None:
            return
        if daemon.before_mux is not None:
            daemon.before_mux(agreed)
        if daemon.refusal is not None and not self.options.sender and self.options.files_from is not None:
            # The client reads names until an empty one before it looks at frames (spec: protocol 10.6).
            self.link.write_byte(0)
            self.link.flush()

    def _transfer(self, agreed: Agreed) -> int:
        from tain import _core
        from tain.session.plan import plan_fields

        options, link = self.options, self.link
        # The first match counts, so the client cannot override the rules of this side.
        rules = self.rules
        if filters_travel(options, agreed.protocol, server_sends=options.sender):
            try:
                texts = receive_filters(link, role=self.role)
            except StreamError:
                # A client that closes before it sends its rules has reported the reason itself.
                raise StreamError("") from None
            rules += _core.rules_from_wire(texts, protocol=agreed.protocol)
        if options.cvs_exclude and (options.sender or self.local):
            # A pulling client leaves the rules of -C to us (spec: filters 11.2), and a twin has its own (observed).
            home = self.env.environ.get(b"HOME")
            rules += _core.build_rules(
                [("cvs",)],
                protocol=agreed.protocol,
                role=self.role,
                cvs_file=home + b"/.cvsignore" if home else None,
                cvs_words=self.env.environ.get(b"CVSIGNORE"),
            )
        extra = self.daemon.fields if self.daemon is not None else None
        asked = options.preflight and not options.sender
        if asked:
            # Only another program of ours asks for this (``-M--preflight``), and a daemon refuses it.
            extra = {**(extra or {}), "events": ("planned",)}
        fields = plan_fields(options, agreed, twin=self.local, env=self.env, rules=rules, extra=extra)
        plan = _core.Plan(**fields)
        # A process of many connections has other threads that handle signals, so each can do with one.
        here = self.daemon is not None and not self.env.own_process and not fields.get("stop_at")
        transfer = _core.send(link, plan, self.listings, here=here) if options.sender else _core.receive(link, plan)
        self.env.transfer = transfer
        try:
            if here and options.sender:
                summary = output.run_here(transfer, self.out)
            else:
                summary = output.pump(transfer, self.out, self._decide(transfer) if asked else None)
        finally:
            self.env.transfer = None
        text = summary.error.encode("utf-8", "surrogateescape") + b"\n" if summary.error else b""
        closing = b""
        if summary.code not in output.WHOLE_RUN or text:
            closing = output.closing_line(summary.code, summary.role, "server.py(1)")
        report = self._log if summary.reported else self._print_locally
        report(text)
        self._log_figures(summary.code, summary.sent, summary.received, summary.total_size)
        report(closing)
        return summary.code

    def _decide(self, transfer: _core.Run) -> Callable[[list[_core._Event]], None]:
        """What lets the run begin if there is room for it."""
        from tain.session import room

        path = os.path.join(self.env.cwd, self.options.args[-1] if self.options.args else b".")

        def decide(events: list[_core._Event]) -> None:
            for event in events:
                if event[0] == "planned":
                    room.answer(transfer, event[1], path)

        return decide

    def _log_figures(self, code: int, sent: int, received: int, total: int) -> None:
        """The last line of a log; of a failed run only the sender's side gives figures (spec: daemon 12.2)."""
        if self.out.log is not None and (not code or self.options.sender):
            self.out.log.write(b"sent %d bytes  received %d bytes  total size %d" % (sent, received, total))

    # ------------------------------------------------------------------------------------------ errors

    def fail(self, error: TainError) -> int:
        """Report the error that ends the session to the peer, or else on standard error or in the log."""
        if isinstance(error, PeerExit) or (isinstance(error, StreamError) and not str(error)):
            return error.code
        text = output.error_text(error)
        closing = output.closing_line(error.code, self.role, output.place_of(error)) if error.code else b""
        if self._by_message(error.code):
            self._log(text)
            self._log_figures(error.code, self.link.bytes_written, self.link.bytes_read, 0)
            self._log(closing)
            # A daemon that refuses to send does not send the closing line; its log has it.
            self._send_text(
                text if self.daemon is not None and self.options.sender and error.code == 4 else text + closing
            )
        else:
            self._print_locally(text + closing)
        agreed = self.agreed
        try:
            if agreed is not None and agreed.protocol >= 31 and error.code not in _LOST_PEER:
                self.link.message(TAG_ERROR_EXIT, error.code.to_bytes(4, "little"))
                self.link.flush()
            if self.daemon is not None:
                self.link.drain(_DRAIN_SECONDS, _DRAIN_BYTES)
        except TainError:
            # The peer has closed the connection.
            pass
        return error.code

    def _by_message(self, code: int) -> bool:
        """Whether the reason for an exit with *code* is sent over the connection (spec: protocol 3.3).

        A client ends as soon as it reads our exit code, and would miss a reason on the standard error of a remote
        shell. So the reason is sent over the connection, before the code.
        """
        if self.agreed is None or not self.agreed.multiplexed_out:
            return False
        if self.daemon is not None:
            return True
        if self.options.stderr_mode == "all":
            return False
        return self.options.stderr_mode == "client" or self.agreed.protocol <= 28 or code not in _LOST_PEER

    def _send_text(self, text: bytes) -> None:
        assert self.agreed is not None
        tag = TAG_ERROR if self.agreed.protocol >= 30 else TAG_ERROR_XFER
        try:
            for line in _lines(text):
                self.link.message(tag, restore(line)[: _TEXT_LIMIT - 1] + b"\n")
            self.link.flush()
        except TainError:
            if self.daemon is None:
                self.out.error(text)

    def _print_locally(self, text: bytes) -> None:
        if self.daemon is not None and self.daemon.log is not None:
            self._log(text)
        else:
            self.out.error(text)

    def _log(self, text: bytes) -> None:
        if self.daemon is not None and self.daemon.log is not None:
            for line in _lines(text):
                self.daemon.log(line)
        elif self.out.log is not None:
            self.out.log.text(text)


# ---------------------------------------------------------------------------------------------- from a command line


def _lines(text: bytes) -> list[bytes]:
    """The lines of a text without their ends. A CR does not end a line."""
    return text.removesuffix(b"\n").split(b"\n") if text else []


def read_secluded(link: _core.Link) -> list[bytes]:
    """The words of a secluded argument list, without the dummy program name (spec: protocol 1.8)."""
    words: list[bytes] = []
    word = bytearray()
    while True:
        byte = link.read_byte()
        if byte:
            if len(word) < _SECLUDED_WORD:
                word.append(byte)
            continue
        if not word:
            return words[1:]
        if len(words) > _SECLUDED_WORDS:
            from tain.errors import ProtocolError

            raise ProtocolError("too many arguments")
        words.append(bytes(word))
        word.clear()


def run(options: ResolvedOptions, words: Sequence[bytes], env: Environment, *, local: bool = False) -> int:
    """Serve on standard input and output. *words* is the command line that gave *options*, program name excluded."""
    from tain import _core

    if not options.args and not options.secluded_args:
        from tain.options.help import missing_arguments

        role = "sender" if options.sender else "Receiver"
        error = missing_arguments(os.fsdecode(env.program))
        server_output(options, env).error(output.failure_text(error, role))
        return error.code
    link = _core.Link(
        env.stdin,
        env.stdout,
        timeout=options.timeout,
        bwlimit=options.bwlimit * 1024,
        role="sender" if options.sender else "Receiver",
    )
    if options.secluded_args and not local:
        from tain.options.parse import parse
        from tain.options.resolve import resolve
        from tain.session.plan import convert_words

        raw = None
        try:
            # The secluded words follow the visible ones.
            hidden = convert_words(read_secluded(link), options, to_wire=False)
            raw = parse([*words, *hidden])
            options = resolve(raw, environ=env.environ)
        except TainError as error:
            return fail_early(error, env, raw)
        link.set_timeout(options.timeout)
        link.set_bwlimit(options.bwlimit * 1024)
        _expand_paths(options)
    # A twin starts in the middle of a run, and has a role already.
    role = "server" if not local else "sender" if options.sender else "Receiver"
    out = server_output(options, env)
    if options.log_file:
        from tain.session.runlog import open_log

        open_log(options, env, out, role=role)
    rules: list[bytes] = []
    if options.filter_events:
        from tain.session.rules import user_rules

        try:
            rules = user_rules(options, env, am_sender=options.sender, role=role)
        except TainError as error:
            return _report_early(error, out, role, sender=options.sender)
    return serve(options, link, env, local=local, out=out, rules=rules, ready=link.wait)


def fail_early(error: TainError, env: Environment, raw: RawOptions | None, *, role: str = "server") -> int:
    """Report an error in a server's command line, also in the log that it names. Returns the exit code."""
    from tain.options.resolved import ResolvedOptions

    options = ResolvedOptions()
    items = raw.items if raw is not None else []
    for row, _, _, value in items:
        if row.dest == "log_file" and isinstance(value, bytes):
            options.log_file = value
    out = server_output(options, env)
    if options.log_file:
        from tain.session.runlog import open_log

        open_log(options, env, out, role=role)
    return _report_early(error, out, role, sender=any(row.dest == "sender" for row, _, _, _ in items))


def _report_early(error: TainError, out: Output, role: str, *, sender: bool) -> int:
    """As `_Server.fail`, before a session exists."""
    out.error(output.error_text(error))
    if sender and out.log is not None:
        out.log.write(b"sent 0 bytes  received 0 bytes  total size 0")
    out.error(output.closing_line(error.code, role, output.place_of(error)))
    return error.code


def _expand_paths(options: ResolvedOptions) -> None:
    """Expand the patterns among the secluded words, which no shell has expanded."""
    from tain import _core

    point, paths = options.args[:1], options.args[1:]
    found = [_core.expand_path(path) for path in paths]
    if options.sender:
        options.args = point + [name for names in found for name in names]
    elif found and len(found[0]) == 1:
        # A destination is one place.
        options.args = point + found[0]


#: Options that no server receives, but that a twin has from its parent, of which it is a fork (spec: options 0, 5.7).
_INHERITED = (
    "confine_root", "drop_devices", "insecure_links", "preflight", "super_user", "whole_file", "write_batch",
)  # fmt: skip


def run_twin(words: Sequence[bytes], parent: ResolvedOptions, env: Environment, *, read_fd: int, write_fd: int) -> int:
    """Serve the command line *words* on two descriptors, as a fork of a client with the options *parent*."""
    from tain.options.parse import parse
    from tain.options.resolve import resolve
    from tain.options.resolved import ResolvedOptions
    from tain.session.environment import Environment as Surroundings

    own = Surroundings(
        argv=env.argv, environ=env.environ, cwd=env.cwd, stdin=read_fd, stdout=write_fd, stderr=env.stderr
    )
    own.own_process = True
    raw = parse(words)
    try:
        options = resolve(raw, environ=env.environ)
    except TainError as error:
        return fail_early(error, own, raw, role="sender" if b"--sender" in words else "Receiver")
    defaults = ResolvedOptions()
    for name in _INHERITED:
        if getattr(options, name) == getattr(defaults, name):
            setattr(options, name, getattr(parent, name))
    for word, level in parent.debug.items():
        if parent.debug_priority.get(word, 0) > options.debug_priority.get(word, 0):
            options.debug[word] = level
    code = run(options, words, own, local=True)
    for fd in {read_fd, write_fd}:
        os.close(fd)
    return code

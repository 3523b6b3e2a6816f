"""The side that a peer started, directly or by way of a daemon (spec: protocol 2, 1.8 to 1.10)."""

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
    from collections.abc import Callable, Mapping, Sequence

    from tain import _core
    from tain.options.parse import RawOptions
    from tain.options.resolved import Options
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
#: How much of a peer's unread data is discarded, and for how long, so that our last words arrive
#: (spec: protocol 10.6: a reset would make a pulling client end with 10 instead).
_DRAIN_SECONDS = 2.0
_DRAIN_BYTES = 64 << 20
#: Codes of an end of which the peer is not told: the connection is what failed (spec: protocol 3.7).
_LOST_PEER = frozenset((10, 12, 19, 30))
#: Most bytes of a secluded argument list: as many words of the longest kind as a daemon takes.
_HIDDEN_WORDS = 15_998
_HIDDEN_WORD = 5119


class DaemonSide:
    """What makes a daemon's child differ from any other server. All of it is optional."""

    __slots__ = ("before_mux", "fields", "greeted", "log", "refusal", "timeout")

    def __init__(
        self,
        *,
        greeted: tuple[int, int] | None = None,
        fields: Mapping[str, object] | None = None,
        refusal: TainError | None = None,
        timeout: int = 0,
        before_mux: Callable[[Agreed], None] | None = None,
        log: Callable[[bytes], None] | None = None,
    ) -> None:
        #: Agreed and announced protocol of the greetings.
        self.greeted = greeted
        #: Fields of the plan that the module decides; they win over the client's options.
        self.fields: Mapping[str, object] = fields or {}
        #: Told to the client as soon as it can be, instead of a transfer.
        self.refusal = refusal
        #: Seconds that the client should time out after as well; 0 is none.
        self.timeout = timeout
        self.before_mux = before_mux
        #: Gets every line that is told to the client, for the daemon's log.
        self.log = log


def serve(
    options: Options,
    link: _core.Link,
    env: Environment,
    *,
    out: Output | None = None,
    daemon: DaemonSide | None = None,
    local: bool = False,
    rules: Sequence[bytes] = (),
    ready: Callable[[float], bool] | None = None,
) -> int:
    """Run one session as its server; returns the exit code. Never raises for what peers or files do.

    *link* is where the client's protocol number comes next, or, after a daemon's greeting, where the compat flags go.
    *rules* are those of the server's own command line. *ready* waits so many seconds for that number; without it the
    number is read, whenever it comes.
    """
    server = _Server(options, link, env, out or server_output(options, env), daemon, local=local, rules=rules)
    server.ready = ready
    try:
        return server.run()
    except TainError as error:
        return server.fail(error)
    finally:
        server.out.flush()


def server_output(options: Options, env: Environment) -> Output:
    """A server's own streams: standard output is the connection, so everything goes to standard error."""
    return Output(env.stderr, env.stderr, quiet=False, outbuf=options.outbuf)


class _Server:
    def __init__(
        self,
        options: Options,
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
        """A notice for the client, or where there are no frames yet, for whoever looks (spec: protocol-old 2.4)."""
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
        """What a daemon refuses is said here or not at all: no seed goes before it (spec: protocol-old 3)."""
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
        # The first match counts: the client cannot undo what this side's owner has said.
        rules = self.rules
        if filters_travel(options, agreed.protocol, server_sends=options.sender):
            try:
                texts = receive_filters(link, role=self.role)
            except StreamError:
                # A client that leaves before its rules has told its user why.
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
        fields = plan_fields(
            options,
            agreed,
            twin=self.local,
            env=self.env,
            rules=rules,
            extra=self.daemon.fields if self.daemon is not None else None,
        )
        start = _core.send if options.sender else _core.receive
        transfer = start(link, _core.Plan(**fields))
        self.env.transfer = transfer
        try:
            summary = output.pump(transfer, self.out)
        finally:
            self.env.transfer = None
        text = summary.error.encode("utf-8", "surrogateescape") + b"\n" if summary.error else b""
        closing = b""
        if summary.code not in output.WHOLE_RUN or text:
            closing = output.closing_line(summary.code, summary.role, "server.py(1)")
        say = self._log if summary.told else self._tell_locally
        say(text)
        self._log_figures(summary.code, summary.sent, summary.received, summary.total_size)
        say(closing)
        return summary.code

    def _log_figures(self, code: int, sent: int, received: int, total: int) -> None:
        """The last line of a log; of a failed run only the sender's side gives figures (spec: daemon 12.2)."""
        if self.out.log is not None and (not code or self.options.sender):
            self.out.log.write(b"sent %d bytes  received %d bytes  total size %d" % (sent, received, total))

    # ------------------------------------------------------------------------------------------ errors

    def fail(self, error: TainError) -> int:
        """Tell the peer, and whoever reads our standard error, why this ends."""
        if isinstance(error, PeerExit) or (isinstance(error, StreamError) and not str(error)):
            return error.code
        text = output.error_text(error)
        closing = output.closing_line(error.code, self.role, output.place_of(error)) if error.code else b""
        if self._by_message(error.code):
            self._log(text)
            self._log_figures(error.code, self.link.bytes_written, self.link.bytes_read, 0)
            self._log(closing)
            # A daemon that refuses to send says why, and leaves the rest to its log.
            self._send_text(
                text if self.daemon is not None and self.options.sender and error.code == 4 else text + closing
            )
        else:
            self._tell_locally(text + closing)
        agreed = self.agreed
        try:
            if agreed is not None and agreed.protocol >= 31 and error.code not in _LOST_PEER:
                self.link.message(TAG_ERROR_EXIT, error.code.to_bytes(4, "little"))
                self.link.flush()
            if self.daemon is not None:
                self.link.drain(_DRAIN_SECONDS, _DRAIN_BYTES)
        except TainError:
            # The peer has gone; there is nobody left to tell.
            pass
        return error.code

    def _by_message(self, code: int) -> bool:
        """Does the reason of an end with *code* travel over the connection? (spec: protocol 3.3)

        A client ends as soon as it reads our exit code; what stands on the standard error of a remote shell's server
        would then come too late. So the reason goes by the same way, in front of the code.
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

    def _tell_locally(self, text: bytes) -> None:
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
    """The lines of a text without their ends. A CR is a byte like others: it is shown as one."""
    return text.removesuffix(b"\n").split(b"\n") if text else []


def read_hidden(link: _core.Link) -> list[bytes]:
    """The words of a secluded argument list, without the dummy program name (spec: protocol 1.8)."""
    words: list[bytes] = []
    word = bytearray()
    while True:
        byte = link.read_byte()
        if byte:
            if len(word) < _HIDDEN_WORD:
                word.append(byte)
            continue
        if not word:
            return words[1:]
        if len(words) > _HIDDEN_WORDS:
            from tain.errors import ProtocolError

            raise ProtocolError("too many arguments")
        words.append(bytes(word))
        word.clear()


def run(options: Options, words: Sequence[bytes], env: Environment, *, local: bool = False) -> int:
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
            # The hidden words come on top of the visible ones.
            hidden = convert_words(read_hidden(link), options, to_wire=False)
            raw = parse([*words, *hidden])
            options = resolve(raw, environ=env.environ)
        except TainError as error:
            return fail_early(error, env, raw)
        link.set_timeout(options.timeout)
        link.set_bwlimit(options.bwlimit * 1024)
        _expand_paths(options)
    # A twin is part of a run that has begun.
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
    """Report what is wrong with a server's command line, in the log that it names too. Returns the exit code."""
    from tain.options.resolved import Options as Defaults

    options = Defaults()
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
    """As `_Server.fail`, before there is a session."""
    out.error(output.error_text(error))
    if sender and out.log is not None:
        out.log.write(b"sent 0 bytes  received 0 bytes  total size 0")
    out.error(output.closing_line(error.code, role, output.place_of(error)))
    return error.code


def _expand_paths(options: Options) -> None:
    """No shell has seen the hidden words, so the patterns among them are ours to expand."""
    from tain.session.wildcards import expand

    root = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        point, paths = options.args[:1], options.args[1:]
        found = [expand(path, root, follow=True) for path in paths]
        if options.sender:
            options.args = point + [name for names in found for name in names]
        elif found and len(found[0]) == 1:
            # A destination is one place.
            options.args = point + found[0]
    finally:
        os.close(root)


#: What a twin has from its parent though no server is told: it is the same process, gone on (spec: options 0, 5.7).
_INHERITED = (
    "confine_root", "drop_devices", "insecure_links", "super_user", "whole_file", "write_batch",
)  # fmt: skip


def run_twin(words: Sequence[bytes], parent: Options, env: Environment, *, read_fd: int, write_fd: int) -> int:
    """Serve on two descriptors what a server's command line says, as the twin of a client with the options *parent*."""
    from tain.options.parse import parse
    from tain.options.resolve import resolve
    from tain.options.resolved import Options as Defaults
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
    defaults = Defaults()
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

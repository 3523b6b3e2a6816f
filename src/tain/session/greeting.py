"""The client's half of the daemon protocol, up to the arguments (spec: protocol 10.3 to 10.7)."""

from __future__ import annotations

import os

from tain.digits import INT_MAX, bounded
from tain.errors import SocketError, StartupError, StreamError, UnsupportedError, UsageError
from tain.escape import printable
from tain.options.choices import DIGESTS
from tain.release import PROTOCOL
from tain.session import digests, oldpeer
from tain.session.agreement import agree_protocol
from tain.session.operator_file import open_named, with_link_note
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from tain.options.resolved import ResolvedOptions
    from tain.report.output import Output
    from tain.session.environment import Environment

    class LineLink(Protocol):
        """The part of `tain._core.Link` that the conversation uses."""

        def read_line(self, limit: int) -> bytes: ...
        def write(self, data: bytes) -> None: ...
        def flush(self) -> None: ...


_BLANKS = b" \t\n\v\f\r"
_PREFIX = b"@RSYNCD:"
#: Longest line of a daemon that is read (spec: protocol 10).
LINE_LIMIT = 5119
#: Most bytes of ``--early-input``.
EARLY_INPUT_LIMIT = 5120


class Greeting:
    """A parsed ``@RSYNCD:`` line."""

    __slots__ = ("digests", "protocol", "sub")

    def __init__(self, protocol: int, sub: int | None, names: list[str] | None) -> None:
        self.protocol = protocol
        #: None when the line had no ``.sub``.
        self.sub = sub
        #: None when the line had no list.
        self.digests = names

    def agreed(self, ours: int) -> int:
        """The protocol of this connection; our sub-protocol is 0 (spec: protocol 10.3)."""
        if self.protocol > ours:
            return ours
        # An equal number with another sub is a pre-release of it, and so is a lower one with a sub.
        return self.protocol - bool(self.sub)


def parse_greeting(line: bytes) -> Greeting | None:
    """Number, optional sub, optional list, as scanf would read them; None when the line is no greeting."""
    if not line.startswith(_PREFIX):
        return None
    body = line[len(_PREFIX) :]
    number, rest = _integer(body.lstrip(_BLANKS))
    if number is None:
        return None
    sub = _integer(rest[1:].lstrip(_BLANKS))[0] if rest[:1] == b"." else None
    _, blank, names = body.lstrip(b" ").partition(b" ")
    listed = [name.decode("ascii", "replace") for name in names.split()] if blank else None
    # -1 is rsync's value for a missing number.
    return Greeting(number, None if sub is not None and sub < 0 else sub, listed)


def _integer(text: bytes) -> tuple[int | None, bytes]:
    """The decimal number at the front and the rest of the text; None without a number."""
    sign = text[:1] in (b"-", b"+")
    rest = text[sign:].lstrip(b"0123456789")
    digits = text[sign : len(text) - len(rest)]
    if not digits:
        return None, text
    # No protocol is that large.
    number = bounded(digits, INT_MAX)
    return (-number if text[:1] == b"-" else number), rest


def tail(own: int, peer: Greeting | None) -> bytes:
    """The part of our greeting behind `oldpeer.LEAD`, after the greeting *peer* or before it (None)."""
    number = None if peer is None else peer.protocol
    return oldpeer.greeting_tail(own, number, peer is not None and bool(peer.digests), " ".join(DIGESTS))


def module_name(path: bytes, *, shell: bool = False) -> bytes:
    """The module of a daemon path. Errors: `StartupError` for a leading slash (over a *shell*, with a shorter text)."""
    if path.startswith(b"/"):
        raise StartupError("ERROR: The remote path must start with a module name" + ("" if shell else " not a /"))
    return path.partition(b"/")[0]


class Conversation:
    """The messages between a client and a daemon: call `greet`, then `open_module`, then `send_arguments`."""

    def __init__(
        self,
        link: LineLink,
        options: ResolvedOptions,
        env: Environment,
        out: Output,
        *,
        role: str,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        """*wait* waits a number of seconds for input; without it, there is no special case for an old daemon."""
        self._link = link
        self._options = options
        self._env = env
        self._out = out
        self._role = role
        self._wait = wait
        self._digests: list[str] | None = None
        #: Agreed and announced protocol.
        self.protocols: tuple[int, int] = (PROTOCOL, PROTOCOL)

    def greet(self) -> None:
        """Exchange greetings. Errors: `StartupError` with the texts of spec: output 14.6."""
        own = self._options.protocol
        line = peer = None
        try:
            self._link.write(oldpeer.LEAD)
            first = self._greeted_first()
            if first:
                line = self._line()
                peer = None if line is None else parse_greeting(line)
            if peer is not None or not first:
                self._link.write(tail(own, peer))
                self._link.flush()
            if not first:
                line = self._line()
        except StreamError as error:
            # A shell that ended at once does not even read our line.
            if "connection unexpectedly closed" not in str(error):
                raise
            line = None
        if line is None:
            raise StartupError("rsync: did not see server greeting")
        text = printable(line)
        peer = peer or parse_greeting(line)
        if peer is None:
            raise StartupError(f'rsync: server sent "{text}" rather than greeting')
        if peer.sub is None and peer.protocol >= 30:
            raise StartupError(f"rsync: the server omitted the subprotocol value: {text}")
        if peer.digests is None and peer.protocol >= 32:
            raise StartupError(f"rsync: the server omitted the digest name list: {text}")
        # Without a common protocol, send no request (spec: protocol-old 12).
        agree_protocol(own, peer.protocol, server=False)
        self._digests = peer.digests
        self.protocols = (peer.agreed(own), peer.protocol)

    def _greeted_first(self) -> bool:
        """Whether to read the daemon's greeting before sending the number of ours: an old daemon accepts none above 30.

        All daemons greet at once, and wait for the rest of our line (spec: protocol-old 2.3)."""
        if self._wait is None or oldpeer.may_be_old(self._options):
            return False
        return self._wait(oldpeer.DAEMON_GREETING_WAIT)

    def open_module(self, name: bytes, user: bytes | None) -> bool:
        """Ask for a module, or with an empty *name* for the list. False when the daemon has ended the conversation."""
        self._early_input()
        self._link.write(name + b"\n")
        self._link.flush()
        while True:
            line = self._line()
            if line is None:
                if oldpeer.is_very_old(self.protocols[0]) and name in (b"", b"#list"):
                    # Such a daemon closes the connection after a list (spec: protocol-old 10.3).
                    return False
                raise StartupError("rsync: didn't get server startup line")
            if line.startswith(b"@RSYNCD: AUTHREQD "):
                self._authenticate(line[18:], user)
            elif line == b"@RSYNCD: OK":
                return True
            elif line == b"@RSYNCD: EXIT":
                return False
            elif line.startswith(b"@ERROR"):
                # The daemon's own text is the whole message.
                self._out.error(_printable_line(line))
                raise StartupError("")
            elif self._options.motd:
                self._out.info(_printable_line(line))

    def send_arguments(self, words: Sequence[bytes], hidden: Sequence[bytes] = ()) -> None:
        """Send the server's argument words, and the secluded ones after them (spec: protocol 10.6)."""
        end = b"\0" if self.protocols[0] >= 30 else b"\n"
        self._link.write(b"".join(word + end for word in words) + end)
        if hidden:
            from tain.session.arguments import encode_secluded

            self._link.write(encode_secluded(list(hidden)))
        self._link.flush()

    def _line(self) -> bytes | None:
        """One line without its end; None where the stream ends between lines."""
        try:
            return self._link.read_line(LINE_LIMIT)
        except StreamError as error:
            if str(error) and "connection unexpectedly closed" not in str(error):
                raise
            return None
        except SocketError as error:
            # Before the transfer, rsync reads byte by byte and treats this as a broken stream.
            text = str(error).replace(" read error: ", " safe_read failed to read 1 bytes: ")
            raise StreamError(text) from None

    def _early_input(self) -> None:
        name = self._options.early_input
        if name is None:
            return
        place = printable(name)
        try:
            fd = open_named(name, self._env, self._options)
            with open(fd, "rb") as file:
                data = file.read(EARLY_INPUT_LIMIT + 1)
        except OSError as error:
            text = f"rsync: [{self._role}] failed to open {place}: {system_text(error)}"
            raise StartupError(with_link_note(error, text)) from error
        if len(data) > EARLY_INPUT_LIMIT:
            raise StartupError(f"{place} is > {EARLY_INPUT_LIMIT} bytes.")
        if data:
            self._link.write(b"#early_input=%d\n" % len(data) + data)

    def _authenticate(self, challenge: bytes, user: bytes | None) -> None:
        digest = digests.choose(self._digests, *self.protocols)
        if digest is None:
            raise UnsupportedError(
                "Failed to negotiate a daemon auth checksum choice.\n"
                f"Server list: {' '.join(self._digests or [])}\nClient list: {' '.join(DIGESTS)}"
            )
        if self._options.debug.get("NSTR", 0):
            self._out.info(f"Client negotiated daemon auth checksum: {digest.partition('-')[0]}\n".encode())
        name = user or self._env.get(b"USER") or self._env.get(b"LOGNAME") or b"nobody"
        ask = self._env.password
        password = read_password(self._options, self._env, role=self._role) if ask is None else ask(name)
        self._link.write(name + b" " + digests.response(digest, password, challenge) + b"\n")
        self._link.flush()


def _printable_line(line: bytes) -> bytes:
    return printable(line).encode("utf-8", "surrogateescape") + b"\n"


def read_password(options: ResolvedOptions, env: Environment, *, role: str) -> bytes:
    """The daemon password: file, variable, or prompt (spec: daemon 6.4)."""
    if options.password_file is not None:
        return _password_from(options.password_file, options, env, role=role)
    password = env.get(b"RSYNC_PASSWORD")
    if password or b"RSYNC_PASSWORD" in env.environ:
        return password.rstrip(b"\r\n")
    if env.stderr < 0:
        # There is nobody to ask.
        return b""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        # Without a terminal, the password may come from standard input.
        os.write(env.stderr, b"Password: ")
        return _first_line(env.stdin)
    import getpass

    try:
        return os.fsencode(getpass.getpass("Password: "))
    except EOFError:
        return b""


def _first_line(fd: int) -> bytes:
    """The first line that is not empty, cut after the longest password that a daemon accepts."""
    data = b""
    while len(data) < 2048 and b"\n" not in data:
        piece = os.read(fd, 2048)
        if not piece:
            break
        data = (data + piece).lstrip(b"\r\n")
    return next(iter(data.splitlines()), b"")


def _password_from(name: bytes, options: ResolvedOptions, env: Environment, *, role: str) -> bytes:
    place = printable(name)
    try:
        fd = os.dup(env.stdin) if name == b"-" else open_named(name, env, options)
    except OSError as error:
        text = f"rsync: [{role}] could not open password file {place}: {system_text(error)}"
        raise UsageError(with_link_note(error, text)) from error
    try:
        if name != b"-":
            status = os.fstat(fd)
            if status.st_mode & 0o006:
                raise UsageError("ERROR: password file must not be other-accessible")
            if os.geteuid() == 0 and status.st_uid != 0:
                raise UsageError("ERROR: password file must be owned by root when running as root")
        try:
            line = _first_line(fd)
        except IsADirectoryError:
            line = b""
    finally:
        os.close(fd)
    if not line:
        raise UsageError(f"ERROR: failed to read a password from {place}")
    return line.rstrip(b"\r\n")

"""Ways to start a daemon (spec: daemon 1)."""

from __future__ import annotations

import errno
import os
import stat

from tain.daemon.conversation import Conversation
from tain.daemon.log import Log, closing
from tain.daemon.settings import Settings
from tain.errors import SocketError, TainError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from tain.daemon.sections import Config, Diagnostic
    from tain.options.resolved import ResolvedOptions

DEFAULT_PORT = 873
_PROXY_WARNING = (
    '"proxy protocol = true" but "proxy protocol hosts" is unset: all connections will be rejected as untrusted proxy '
    'peers.  Set "proxy protocol hosts" to your trusted proxy\'s address.'
)


def run(options: ResolvedOptions) -> int:
    """Run a daemon. Returns the exit code of the process; errors are printed here."""
    settings = Settings.of(options)
    try:
        if options.check_config:
            return check(settings)
        if options.server:
            return _over_shell(settings)
        sock = _stdin_socket()
        if sock is not None:
            return _one_connection(settings, sock)
        return _stand_alone(settings, options)
    except TainError as error:
        _print_error(str(error))
        return error.code


def _print_error(text: str) -> None:
    if text:
        try:
            os.write(2, os.fsencode(text) + b"\n")
        except OSError:
            pass


def _print_on_terminal(text: str) -> None:
    """Print a text that rsync does not have: a script that reads stderr must not get it."""
    if os.isatty(2):
        _print_error(text)


def check(settings: Settings) -> int:
    """``--check-config``: print all findings with their places. Returns 1 if something would fail or be refused."""
    from tain.daemon import findings, lint
    from tain.daemon.sections import ERROR, WARNING

    config = _load(settings)
    found = config.diagnostics + ([] if config.failed else lint.check(config) + findings.check(config))
    # Each line once, in the order of the file. Our texts replace those of rsync.
    lines = {str(one): one.level for one in sorted(found, key=_place_of(settings.file)) if one.level}
    for line in lint.without_repeats(list(lines)):
        _print_error(f"{lines[line]}: {line}")
    levels = [lines[line] for line in lint.without_repeats(list(lines))]
    errors, warnings = levels.count(ERROR), levels.count(WARNING)
    modules = _count(len(config.modules), "module")
    name = os.fsdecode(os.path.basename(settings.file))
    _print_error(f"{name}: {modules}, {_count(errors, 'error')}, {_count(warnings, 'warning')}")
    return 1 if config.failed or errors else 0


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _place_of(first: bytes) -> Callable[[Diagnostic], tuple[bool, bytes, int]]:
    """A sort key: the main file, then the files that it includes, then findings without a place."""
    return lambda one: (one.file != first, one.file or b"\xff", one.line)


def _load(settings: Settings, *, globals_only: bool = False) -> Config:
    from tain.daemon.config import BadParameterError

    try:
        return settings.load(globals_only=globals_only)
    except BadParameterError as error:
        raise UsageError(str(error)) from None


def _unusable(config: Config) -> UsageError:
    """The error of a process for one connection whose configuration failed."""
    for diagnostic in config.diagnostics:
        _print_on_terminal(str(diagnostic))
    return UsageError(closing(1, "main.py(0)"))


# ---- one connection per process (spec: daemon 1.7, 1.9)


def _stdin_socket() -> socket.socket | None:
    """The socket on stdin, if a super-server has put one there."""
    if not _is_socket(0):
        return None
    import socket

    return socket.socket(fileno=os.dup(0))


def _is_socket(fd: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return False


def _to_null(*fds: int) -> None:
    null = os.open(b"/dev/null", os.O_RDWR)
    for fd in fds:
        os.dup2(null, fd)
    if null > 2:
        os.close(null)


def _one_connection(settings: Settings, sock: socket.socket) -> int:
    from tain.daemon import child
    from tain.daemon.process import Process
    from tain.daemon.sockets import prepare

    config = _load(settings)
    if config.failed:
        raise _unusable(config)
    # Only the protocol may reach the socket.
    _to_null(0, 1, 2)
    log = Log()
    log.open(config.globals, settings.log_file)
    prepare(sock, config.globals.text("socket options"), log)
    talk = Conversation(sock.fileno(), sock.fileno(), sock)
    return child.run(settings, talk, log, _peer_of(sock), over_shell=False, process=Process()) & 255


def _peer_of(sock: socket.socket) -> str:
    from tain.daemon.names import LOCAL_ADDRESS

    try:
        where = sock.getpeername()
    except OSError:
        return "0.0.0.0"
    # A unix socket has no address. rsync uses this word, which matches no rule about addresses.
    return str(where[0]) if isinstance(where, tuple) else LOCAL_ADDRESS


def _over_shell(settings: Settings) -> int:
    from tain.daemon import child
    from tain.daemon.process import Process

    config = _load(settings)
    if config.failed:
        raise _unusable(config)
    log = Log()
    log.open(config.globals, settings.log_file)
    sock: socket.socket | None = None
    if _is_socket(0):
        import socket as sockets

        sock = sockets.socket(fileno=os.dup(0))
    address = address_from_environment()
    if address is None and sock is None:
        text = f"rsync: [Receiver] getpeername on fd0 failed: {os.strerror(errno.ENOTSOCK)} ({errno.ENOTSOCK})"
        log.error(text)
        log.closing(10, "main.py(0)")
        raise SocketError(text)
    address = address or (_peer_of(sock) if sock is not None else "0.0.0.0")
    # Peeking needs a socket; pipes are read byte by byte until the transfer.
    talk = Conversation(0, 1, None) if sock is None else Conversation(sock.fileno(), 1, sock)
    return child.run(settings, talk, log, address, over_shell=True, process=Process()) & 255


def address_from_environment() -> str | None:
    """The client's address from the variables of a remote shell (spec: daemon 1.7).

    Empty without such a variable; None if its value is not an address, so that only a socket can give it.
    """
    for name in ("REMOTE_HOST", "SSH_CONNECTION", "SSH_CLIENT", "SSH2_CLIENT"):
        value = os.environ.get(name)
        if value is not None:
            word = value.partition(" ")[0]
            return word if _is_literal(word) else None
    return ""


def _is_literal(word: str) -> bool:
    import socket

    text = word.partition("%")[0]
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except OSError:
        return False
    return True


# ---- stand-alone (spec: daemon 1.5)


def _stand_alone(settings: Settings, options: ResolvedOptions) -> int:
    config = _load(settings, globals_only=True)
    for diagnostic in config.diagnostics:
        _print_on_terminal(str(diagnostic))
    if config.failed:
        if config.globals.text("log file") or settings.log_file:
            log = Log()
            log.open(config.globals, settings.log_file)
            log.diagnostics(config)
            log.closing(1, "main.py(0)")
        raise UsageError(f"Failed to parse config file: {os.fsdecode(settings.file)}")
    values = config.globals
    if options.sockopts is not None:
        values.values["socket options"] = options.sockopts
    if not options.detach:
        return _listen(settings, options, config, -1)
    ready_read, ready_write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(ready_write)
        if not values.flag("tain detach wait"):
            return 0
        # One byte means that the listener is up; the end of the pipe means that it has failed.
        if os.read(ready_read, 1):
            return 0
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 255
    os.close(ready_read)
    os.setsid()
    code = 255
    try:
        code = _listen(settings, options, config, ready_write)
    except TainError as error:
        _print_error(str(error))
        code = error.code
    finally:
        os._exit(code & 255)


def _listen(settings: Settings, options: ResolvedOptions, config: Config, ready: int) -> int:
    from tain import supervisor
    from tain.daemon import listener, preload, sockets
    from tain.daemon.pidfile import PidFile, PidFileError

    values = config.globals
    log = Log()
    server = listener.Listener(settings, config, log)
    # Do this before anything exists that a signal would have to clean up.
    server.take_signals()
    pid_file = None
    port = options.port or values.number("port") or DEFAULT_PORT
    address = options.address or values.text("address")
    try:
        log.open(values, settings.log_file)
        log.diagnostics(config)
        if values.flag("proxy protocol") and not values.text("proxy protocol hosts"):
            log.error(_PROXY_WARNING)
        if values.text("pid file"):
            pid_file = PidFile(values.text("pid file"))
            pid_file.create()
        log.write(sockets.started(port))
        server.sockets = supervisor.inherited() or sockets.bind(
            address,
            port,
            options.address_family,
            values.text("socket options"),
            values.number("listen backlog"),
            log.error,
        )
    except TainError as error:
        for line in str(error).split("\n"):
            log.error(line)
        log.closing(error.code, "listener.py(0)")
        if pid_file is not None:
            pid_file.remove()
        # In the background the user sees only this.
        plain = isinstance(error, PidFileError) and not str(error).startswith("rsync: ")
        (_print_error if plain or ready >= 0 else _print_on_terminal)(str(error))
        error.args = ()
        raise
    preload.load()
    preload.rehearse(settings)
    server.pid_file = pid_file
    if ready >= 0:
        _to_null(0, 1, 2)
        os.write(ready, b"+")
        os.close(ready)
    return server.serve()

"""The listening process: sockets, children, signals. It never reads from a peer (spec: daemon 1.5, 1.8, SEC-38)."""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
import time

from tain.daemon import child, greeting, names
from tain.daemon.conversation import Conversation
from tain.daemon.log import Log
from tain.daemon.process import Process
from tain.digits import INT_MAX, bounded
from tain.errors import SocketError
from tain.release import RSYNC_VERSION
from tain.supervisor import notify
from tain.system import system_text
from tain.transport import sockopts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tain.daemon.pidfile import PidFile
    from tain.daemon.sections import Config
    from tain.daemon.settings import Settings

# Seconds to wait after a failed fork, because the machine has no room for a process.
_FORK_PAUSE = 2.0
_TERM_PAUSE = 0.4
# Seconds between two readings of the configuration for the connections to come.
_KEEP_PAUSE = 2.0
# A connection writes this into the pipe of the signals, which note their numbers there: it has read the configuration.
_PARSED = b"\0"
_RATE_SPAN = 60.0


def bind(
    address: bytes, port: int, family: int, options: bytes, backlog: int, warn: Callable[[str], object]
) -> list[socket.socket]:
    """Open listening sockets on every address of the name. Errors: `SocketError` when not one could be opened."""
    host = os.fsdecode(address) if address else None
    family_number = {4: socket.AF_INET, 6: socket.AF_INET6}.get(family, socket.AF_UNSPEC)
    try:
        found = socket.getaddrinfo(host, port, family_number, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)
    except OSError as error:
        text = error.strerror or str(error)
        raise SocketError(f"rsync: getaddrinfo: bind address {host or '<any>'}: {text}") from None
    sockets: list[socket.socket] = []
    problems: list[str] = []
    for af, kind, proto, _, where in found:
        try:
            sock = socket.socket(af, kind, proto)
        except OSError as error:
            problems.append(f"socket({af:d},{kind:d},{proto:d}) failed: {os.strerror(error.errno or 0)}")
            continue
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sockopts.apply(sock, options, warn, who="[Receiver] ")
        if af == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            sock.bind(where)
        except OSError as error:
            problems.append(f"bind() failed: {os.strerror(error.errno or 0)} (address-family {af:d})")
            sock.close()
            continue
        sockets.append(sock)
    if not sockets:
        raise SocketError("\n".join([*problems, f"unable to bind any inbound sockets on port {port}"]))
    for number, sock in enumerate(sockets):
        try:
            sock.listen(backlog)
        except OSError as error:
            text = f"rsync: [Receiver] listen() on socket failed: {system_text(error)}"
            if number:
                text += "\nTry using --ipv4 or --ipv6 to avoid this listen() error."
            raise SocketError(text) from None
    return sockets


class Limits:
    """Limits on simultaneous and new connections (spec: security SEC-32). Zero means no limit."""

    def __init__(self, config: Config) -> None:
        strict = config.strict

        def of(name: str) -> int:
            # rsync has no such limits, so the defaults count only with `tain strict`.
            return config.globals.number(name) if strict or name in config.globals.lines else 0

        self.workers = of("tain max workers")
        self.per_address = of("tain max per address")
        rate = config.globals.text("tain rate limit") if strict or "tain rate limit" in config.globals.lines else b""
        digits = rate.partition(b"/")[0].strip()
        self.rate = bounded(digits, INT_MAX) if digits.isdigit() else 0
        self._recent: dict[str, list[float]] = {}
        self._reported: dict[str, float] = {}

    @staticmethod
    def key(address: str) -> str:
        """An IPv4 address, or the /64 of an IPv6 one."""
        if ":" not in address or "." in address:
            return address
        return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])[:8].hex()

    def exceeded(self, key: str, running: int) -> int:
        """The limit that one more connection would exceed, or 0."""
        if self.per_address and running >= self.per_address:
            return self.per_address
        if self.rate:
            now = time.monotonic()
            recent = [at for at in self._recent.get(key, ()) if now - at < _RATE_SPAN]
            if len(recent) >= self.rate:
                self._recent[key] = recent
                return self.rate
            self._recent[key] = [*recent, now]
            if len(self._recent) > 4096:
                self._recent = {k: v for k, v in self._recent.items() if now - v[-1] < _RATE_SPAN}
        return 0

    def may_report(self, key: str) -> bool:
        """Whether a refused connection is logged: once per minute and address."""
        now = time.monotonic()
        if now - self._reported.get(key, -_RATE_SPAN) < _RATE_SPAN:
            return False
        if len(self._reported) > 4096:
            self._reported.clear()
        self._reported[key] = now
        return True


class Listener:
    """Accepts, forks and reaps."""

    def __init__(self, settings: Settings, config: Config, log: Log) -> None:
        self.settings = settings
        self.config = config
        self.log = log
        self.sockets: list[socket.socket] = []
        self.pid_file: PidFile | None = None
        self.limits = Limits(config)
        self.children: dict[int, str] = {}
        self.options = config.globals.text("socket options")
        self._ended_by = 0
        self._hup = False
        self._wake = self._wake_write = -1
        self._kept_at = 0.0
        self.names = names.Helper()
        #: Of the connections, which are forked from this one.
        self.process: Process

    def take_signals(self) -> None:
        """Install the signal handlers; `serve` acts on the signals that they note."""
        self._wake, self._wake_write = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._wake_write, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        reload = self.config.globals.flag("tain reload on hup")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_end)
        signal.signal(signal.SIGHUP, self._on_hup if reload else self._on_end)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def serve(self) -> int:
        """Accept connections until a signal ends the listener. Returns its exit code."""
        wake_read = self._wake
        poll = select.poll()
        poll.register(wake_read, select.POLLIN)
        for sock in self.sockets:
            sock.setblocking(False)
            poll.register(sock.fileno(), select.POLLIN)
        by_fd = {sock.fileno(): sock for sock in self.sockets}
        self.process = Process(loaded=True)
        self._keep_config()
        # Present objects live until the end. Without `freeze` a collection in a child would copy their pages.
        gc.collect()
        gc.freeze()
        self.log.idle()
        self._help_with_names()
        notify("READY=1")
        while True:
            for fd, _ in poll.poll():
                if fd == wake_read:
                    try:
                        if _PARSED in os.read(wake_read, 4096):
                            self._keep_config()
                    except BlockingIOError:
                        pass
                elif not self._ended_by:
                    self._accept(by_fd[fd])
            self._reap()
            if self._hup:
                self._hup = False
                self._reload()
            if self._ended_by:
                return self._end()
            while self.limits.workers and len(self.children) >= self.limits.workers and not self._ended_by:
                # All workers are busy: clients wait in the backlog of the sockets.
                poll_children = select.poll()
                poll_children.register(wake_read, select.POLLIN)
                poll_children.poll(1000)
                self._reap()

    def _keep_config(self) -> None:
        """Read the configuration again for the connections to come: the last one has found it changed."""
        now = time.monotonic()
        if not self._kept_at or now - self._kept_at > _KEEP_PAUSE:
            self._kept_at = now
            self.settings.keep()

    def _help_with_names(self) -> None:
        """Start the helper, or start it again, if every connection looks up its peer's name."""
        if not self.names.pid and self.config.globals.flag("reverse lookup"):
            self.names.start(self._close_listener)

    def _close_listener(self) -> None:
        """Close the listener's descriptors in a child."""
        for sock in self.sockets:
            sock.close()
        if self.pid_file is not None:
            self.pid_file.forget()

    def _on_end(self, number: int, _frame: object) -> None:
        self._ended_by = number

    def _on_hup(self, _number: int, _frame: object) -> None:
        self._hup = True

    def _reload(self) -> None:
        config = self.settings.load()
        self.log.diagnostics(config)
        if config.failed:
            self.log.error(f"Failed to parse config file: {os.fsdecode(self.settings.file)}")
        else:
            self.log.open(config.globals, self.settings.log_file)
            self.limits = Limits(config)
            self.log.write("configuration re-read")
        self.log.idle()

    def _end(self) -> int:
        notify("STOPPING=1")
        if self._ended_by == signal.SIGTERM:
            # New connections have time to send their greeting; rsync waits as long.
            time.sleep(_TERM_PAUSE)
        for sock in self.sockets:
            sock.close()
        if self.pid_file is not None:
            self.pid_file.remove()
        if self._ended_by == signal.SIGTERM:
            self.log.write("sent 0 bytes  received 0 bytes  total size 0")
            return 0
        self.log.closing(20, "listener.py(0)")
        return 20

    def _reap(self) -> None:
        while self.children or self.names.pid:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self.children.clear()
                return
            if not pid:
                return
            if pid == self.names.pid:
                self.names.ended()
                continue
            self.children.pop(pid, None)
            if os.WIFSIGNALED(status):
                self.log.error(f"connection process {pid} was ended by signal {os.WTERMSIG(status)}")
                self.log.idle()

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, where = listener.accept()
        except OSError:
            return
        address = str(where[0])
        key = Limits.key(address)
        running = sum(1 for other in self.children.values() if other == key)
        limit = self.limits.exceeded(key, running)
        if limit:
            self._turn_away(sock, address, key, limit)
            return
        self._help_with_names()
        try:
            pid = os.fork()
        except OSError as error:
            self.log.error(f"rsync: [Receiver] could not create child server process: {system_text(error)}")
            self.log.idle()
            sock.close()
            time.sleep(_FORK_PAUSE)
            return
        if pid:
            self.children[pid] = key
            sock.close()
            return
        code = 255
        try:
            code = self._child(sock, address)
        except BaseException as error:
            # A fault of one connection must not reach the listener (SEC-38).
            trace = error.__traceback__
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            place = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "?"
            self.log.error(f"connection process failed: {type(error).__name__}: {error} ({place})")
            code = 13
        finally:
            sys.stderr.flush()
            os._exit(code & 255)

    def _turn_away(self, sock: socket.socket, address: str, key: str, limit: int) -> None:
        with sock:
            sock.setblocking(False)
            text = b"@ERROR: max connections (%d) reached -- try again later\n" % limit
            try:
                sock.send(greeting.own(self.settings.protocol) + text)
            except OSError:
                pass
        if self.limits.may_report(key):
            self.log.error(f"max connections ({limit}) reached by {address}")
            self.log.idle()

    def _child(self, sock: socket.socket, address: str) -> int:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        self._close_listener()
        prepare(sock, self.options, self.log)
        talk = Conversation(sock.fileno(), sock.fileno(), sock)
        helper = self.names if self.names.pid else None
        code = child.run(self.settings, talk, self.log, address, over_shell=False, process=self.process, helper=helper)
        if self.settings.parsed:
            try:
                os.write(self._wake_write, _PARSED)
            except OSError:
                # The pipe is full of other reasons to wake up.
                pass
        return code


def prepare(sock: socket.socket, options: bytes, log: Log) -> None:
    """Set the options of an accepted socket. Without TCP_NODELAY each small line of the handshake could take 40 ms."""
    sock.setblocking(True)
    for level, option in ((socket.SOL_SOCKET, socket.SO_KEEPALIVE), (socket.IPPROTO_TCP, socket.TCP_NODELAY)):
        try:
            sock.setsockopt(level, option, 1)
        except OSError:
            pass
    sockopts.apply(sock, options, log.error, who="[Receiver] ")


def started(port: int) -> str:
    return f"rsyncd version {RSYNC_VERSION} starting, listening on port {port}"

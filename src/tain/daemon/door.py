"""The door: one process that greets all clients, in threads, until they are admitted (spec: daemon 4, steps 1 to 12).

It has the daemon's identity and never reads a byte after a client's login. It forks nothing.
"""

from __future__ import annotations

import _socket
import os
import select
import signal

from tain.daemon import child, handover, threads, views
from tain.daemon.connection import Connection
from tain.daemon.conversation import Conversation
from tain.daemon.handover import ADMIT, DRAIN, END, HAS_LOG, HAS_SLOT, NEW, RETURN, Message
from tain.daemon.log import Log
from tain.daemon.names import Threads
from tain.daemon.process import Process, chroot_problem
from tain.daemon.refusal import RefusalError
from tain.daemon.sections import ExpansionOverflowError, UnsafeExpansionError
from tain.daemon.sockets import prepare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.daemon.admitted import Admitted
    from tain.daemon.handover import Pair
    from tain.daemon.settings import Settings

NAME = b"tain-door"
#: Seconds for the listener to take a message.
_SEND_LIMIT = 10.0


class _Shared(Process):
    """The door's own process, which no connection may change."""

    @property
    def own(self) -> bool:
        return False

    def confine(self, root: bytes, gid: int | None, uid: int | None) -> None:
        """Nothing: the door returns a connection of such a configuration before its first byte."""


class Door:
    """Admits clients for the listener at the other end of *pair*."""

    def __init__(self, pair: Pair, settings: Settings, log: Log, options: bytes) -> None:
        """*log* is the listener's, *options* are its socket options."""
        self.pair = pair
        self.settings = settings
        self.log = log
        self.options = options
        self.process = _Shared(loaded=True)
        self._threads = threads.Pool()
        self.lookups = Threads(self._threads)
        self.is_root = os.geteuid() == 0
        self._chroot: str | None = None
        self._active = 0
        self._lock = threads.lock()
        self._draining = False
        self._idle_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def run(self) -> int:
        """Serve until the listener closes the pair, or drains the door. Returns the exit code."""
        threads.prepare(NAME)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        poll = select.poll()
        poll.register(self.pair.fileno(), select.POLLIN)
        poll.register(self._idle_fd, select.POLLIN)
        while not (self._draining and not self._active):
            poll.poll()
            try:
                while (message := self.pair.receive()) is not None:
                    self._take(message)
            except (handover.ClosedPairError, handover.BadMessageError):
                # Nobody is left to take an admitted client.
                break
        return 0

    def _take(self, message: Message) -> None:
        if message.kind == DRAIN:
            self._draining = True
        elif message.kind == NEW:
            with self._lock:
                self._active += 1
            try:
                self._threads.start(self._greet, message)
            except RuntimeError:
                # No room for a thread.
                self._end(message, -1)

    def _greet(self, message: Message) -> None:
        """Greet one client; the thread of a connection."""
        code = 13
        log = Log()
        log.number = message.number
        log.path, log.tag, log.facility = self.log.path, self.log.tag, self.log.facility
        if not log.path:
            log.reopen()
        try:
            code = self._greet_with(message, log)
        except BaseException as error:
            log.error(f"connection failed: {type(error).__name__}: {error} ({threads.place_of(error)})")
        finally:
            log.close()
            if message.fds:
                self._end(message, code)
            else:
                self._ended()

    def _greet_with(self, message: Message, log: Log) -> int:
        """Greet one client. Its socket is gone from *message* if another process goes on with it."""
        config = self.settings.load_shared()
        if any(config.globals.raw(name) for name in ("daemon chroot", "daemon uid", "daemon gid")):
            if self._send(Message(RETURN, message.number, body=message.body, fds=message.fds)):
                message.close()
            return 0
        sock = _socket.socket(fileno=message.fds[0])
        try:
            prepare(sock, self.options, log)
            talk = Conversation(sock.fileno(), sock.fileno(), sock)
            connection = Connection(
                self.settings,
                talk,
                log,
                message.body.decode(),
                over_shell=False,
                process=self.process,
                helper=self.lookups,
                config=config,
            )
            found: list[Admitted] = []

            def steps() -> int:
                admitted = connection.admit()
                found.extend([admitted] if admitted is not None else [])
                return -1

            try:
                code = child.attempt(steps, talk, log)
                if found and self._hand_over(found[0], connection, log, message):
                    return 0
                return code
            finally:
                if connection.slot >= 0:
                    os.close(connection.slot)
        finally:
            sock.detach()

    def _hand_over(self, admitted: Admitted, connection: Connection, log: Log, message: Message) -> bool:
        """Send an admitted client to the listener. False when the listener does not take it."""
        slot, sock_fd = connection.slot, message.fds[0]
        key = self._key(admitted)
        found = Message(ADMIT, message.number, key=key, fds=[sock_fd])
        own: list[int] = []
        if slot >= 0:
            found.flags |= HAS_SLOT
            found.fds.append(slot)
        try:
            if key != handover.NO_KEY:
                # Only now: a process of its own opens the log itself, and may report that it can't.
                log.open(admitted.section)
                if log.path and log.fd < 0:
                    log.reopen()
                if log.fd >= 0:
                    found.flags |= HAS_LOG
                    found.fds.append(log.fd)
            count = len(found.fds)
            handover.attach(found, admitted.encode())
            own = found.fds[count:]
            if not self._send(found):
                return False
        finally:
            for fd in own:
                os.close(fd)
        message.close()
        return True

    def _key(self, admitted: Admitted) -> bytes:
        """The key of the view that a worker may serve, or `NO_KEY`."""
        if views.obstacle_of(admitted):
            return handover.NO_KEY
        try:
            view = views.find(admitted.section, root=self.is_root, can_chroot=self._can_chroot)
        except (RefusalError, UnsafeExpansionError, ExpansionOverflowError, OSError):
            # The process of its own will report it.
            return handover.NO_KEY
        return handover.NO_KEY if views.runs_as_root(view) else view.key

    def _can_chroot(self) -> str:
        if self._chroot is None:
            self._chroot = chroot_problem()
        return self._chroot

    def _send(self, message: Message) -> bool:
        """Send a message, and wait for room if need be. False when the listener does not take it."""
        return self.pair.send_patiently(message, _SEND_LIMIT)

    def _end(self, message: Message, code: int) -> None:
        """Close a connection and report its end."""
        number = message.number
        message.close()
        self._send(Message(END, number, code=code))
        self._ended()

    def _ended(self) -> None:
        with self._lock:
            self._active -= 1
        if self._draining:
            os.eventfd_write(self._idle_fd, 1)

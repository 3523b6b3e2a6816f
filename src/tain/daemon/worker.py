"""A worker: one process inside the root of one view, which serves its admitted clients in threads (spec: daemon 4, 7).

It starts as a fork of the listener, reads the view from the first connection, changes root and user as the process of a
connection does, and can do nothing that its module's user can't.
"""

from __future__ import annotations

import _socket
import os
import select
import signal
import time

from tain.daemon import child, handover, listings, threads, transfer, views
from tain.daemon.admitted import Admitted
from tain.daemon.conversation import Conversation
from tain.daemon.handover import ASK, DRAIN, END, FAILED, FULL, READY, SERVE, STOP, Message, Parcel
from tain.daemon.log import Log, connect_syslog
from tain.daemon.module_hooks import ModuleHooks
from tain.daemon.module_view import ModuleView
from tain.daemon.process import Process, check_munge, chroot_problem
from tain.daemon.questions import Answers
from tain.daemon.request import module_chmod
from tain.errors import UsageError
from tain.options.sizes import parse_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain._core import DirectoryCache
    from tain.daemon.handover import Pair
    from tain.daemon.sections import Section
    from tain.daemon.settings import Settings
    from tain.session.environment import Environment

NAME = b"tain-worker"
#: Seconds for the listener to take a message.
_SEND_LIMIT = 10.0
#: Connections between two looks at the memory of the process.
_LOOK_AT_MEMORY = 64
_PAGE = os.sysconf("SC_PAGE_SIZE")


class _Shared(Process):
    """The worker's own process, which no connection may change."""

    @property
    def own(self) -> bool:
        return False

    def load(self) -> None:
        """Nothing: all is loaded."""

    def end_by_signals(self, env: Environment) -> None:
        """Nothing: the worker ends its sessions when it gets a signal."""


class _Session:
    """One connection."""

    __slots__ = ("env", "sock", "stopped")

    def __init__(self, sock: _socket.socket) -> None:
        self.sock = sock
        #: Of the transfer, once it runs.
        self.env: Environment | None = None
        self.stopped = False

    def stop(self) -> None:
        """End the connection with code 20."""
        self.stopped = True
        transfer = None if self.env is None else self.env.transfer
        if transfer is not None:
            transfer.cancel(20)
            return
        try:
            self.sock.shutdown(_socket.SHUT_RDWR)
        except OSError:
            pass


class Worker:
    """Serves the connections of one view for the listener at the other end of *pair*."""

    def __init__(self, pair: Pair, settings: Settings, key: bytes, body: bytes) -> None:
        """*body* has the facts of the first connection, which decide the view; *key* is the one that they must have."""
        self.pair = pair
        self.settings = settings
        self.key = key
        self.first = Admitted.decode(body)
        self.process = _Shared(loaded=True)
        self.view: views.View
        self.syslog: _socket.socket | None = None
        self.sessions: dict[int, _Session] = {}
        self._lock = threads.lock()
        self._threads = threads.Pool()
        self.listings: DirectoryCache | None = None
        self._answers = Answers(self.first.section, None)
        self._draining = self._gone = self._asked = False
        self._served = 0
        self._idle_since = time.monotonic()
        self._statm = -1
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        section = self.first.section
        self._most = section.number("tain worker connections")
        self._idle = section.number("tain worker idle")
        self._memory = memory_limit(section)

    def run(self) -> int:
        """Serve until the listener closes the pair, or drains the worker. Returns the exit code."""
        try:
            self._enter()
        except BaseException as error:
            # The listener serves these connections by processes of their own, which report what is wrong.
            self.pair.send_patiently(Message(FAILED), _SEND_LIMIT)
            return 0 if isinstance(error, Exception) else 1
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_end)
        self.pair.send_patiently(Message(READY), _SEND_LIMIT)
        poll = select.poll()
        poll.register(self.pair.fileno(), select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while not (self._draining and not self.sessions):
            poll.poll(self._patience())
            try:
                os.eventfd_read(self._wake)
            except BlockingIOError:
                pass
            if not self._gone:
                self._receive(poll)
            if not self._draining:
                self._retire()
        return 0

    # ---- set-up (steps 13 to 19 of a connection)

    def _enter(self) -> None:
        """Find the view, enter its root and take its identity."""
        threads.prepare(NAME)
        section = self.first.section
        view = self.view = views.find(section, root=os.geteuid() == 0, can_chroot=chroot_problem)
        if view.key != self.key:
            raise ValueError("the view has changed")
        self.syslog = connect_syslog()
        # A chroot hides it.
        self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        probe = ModuleView(section, view.where, self.settings, access="", rules=view.rules)
        child.enter(probe, view.who, self.process)
        view.root_fd = probe.root_fd
        self._keep_listings(section, probe)

    def _keep_listings(self, section: Section, probe: ModuleView) -> None:
        """Make the directory cache, if the module has one."""
        if listings.mode(section) == b"off":
            return
        chmod = module_chmod(probe, Log(), sender=True)
        fields = transfer.plan_fields(self.first, probe, chmod=chmod, converter=None)
        self.listings = listings.make(probe, fields, umask=self.process.umask, warn=self.view.warnings.append)
        period = section.number("tain cache verify")
        if self.listings is None:
            return
        self._answers.cache = self.listings
        self._idle *= listings.PATIENCE
        if period > 0 and listings.mode(section) != b"ttl":
            threads.start(self._sweep, (self.listings, period))

    def _sweep(self, work: tuple[DirectoryCache, int]) -> None:
        listings.sweep(*work, lambda: self._draining)

    # ---- the main thread

    def _patience(self) -> float | None:
        """Milliseconds until the worker may have been idle for too long; None for no limit."""
        if self._idle <= 0:
            return None
        busy = bool(self.sessions) or self._asked
        return self._idle * 1000 if busy else max(0.0, (self._idle_since + self._idle - time.monotonic()) * 1000)

    def _receive(self, poll: select.poll) -> None:
        """Take the messages that have arrived."""
        try:
            while (message := self.pair.receive()) is not None:
                self._take(message)
        except (handover.ClosedPairError, handover.BadMessageError):
            # The listener is gone: nothing more will come.
            self._draining = self._gone = True
            poll.unregister(self.pair.fileno())

    def _take(self, message: Message) -> None:
        if message.kind == DRAIN:
            self._draining = True
        elif message.kind == STOP:
            session = self.sessions.get(message.number)
            if session is not None:
                session.stop()
        elif message.kind == ASK:
            try:
                threads.start(self._answers.take, message)
            except RuntimeError:
                message.close()
        elif message.kind == SERVE:
            number, parcel = message.number, Parcel(message)
            self.sessions[number] = _Session(_socket.socket(fileno=parcel.sock))
            self._served += 1
            try:
                self._threads.start(self._serve, (number, parcel))
            except RuntimeError:
                # No room for a thread.
                self._finish(number, parcel, -1)

    def _retire(self) -> None:
        """Ask the listener for no more connections when the worker is old, large or idle; it drains the worker then."""
        if self._asked:
            return
        idle = not self.sessions and 0 < self._idle <= time.monotonic() - self._idle_since
        old = 0 < self._most <= self._served
        large = self._memory and self._served % _LOOK_AT_MEMORY == 0 and self._resident() > self._memory
        if idle or old or large:
            self._asked = self.pair.send_patiently(Message(FULL), _SEND_LIMIT)

    def _resident(self) -> int:
        """Bytes of memory that this process holds."""
        return int(os.pread(self._statm, 256, 0).split()[1]) * _PAGE

    def _on_end(self, _number: int, _frame: object) -> None:
        """A signal ends all connections with code 20, and then the worker."""
        self._draining = True
        for session in list(self.sessions.values()):
            session.stop()
        os.eventfd_write(self._wake, 1)

    # ---- a connection

    def _serve(self, work: tuple[int, Parcel]) -> None:
        """Serve one connection; its thread."""
        number, parcel = work
        session = self.sessions[number]
        code = 13
        log = Log()
        log.number = number
        try:
            admitted = Admitted.decode(parcel.body)
            log.adopt(admitted.section, parcel.log, self.syslog)
            parcel.log = -1
            fd = session.sock.fileno()
            talk = Conversation(fd, fd, session.sock)
            code = child.attempt(lambda: self._answer(admitted, session, talk, log), talk, log)
            if session.stopped:
                code = 20
        except BaseException as error:
            log.error(f"connection failed: {type(error).__name__}: {error} ({threads.place_of(error)})")
        finally:
            log.close()
            self._finish(number, parcel, code)

    def _answer(self, admitted: Admitted, session: _Session, talk: Conversation, log: Log) -> int:
        """Steps 20 to 24 of a connection."""
        section, shared = admitted.section, self.view
        for warning in shared.warnings:
            log.error(warning)
        admitted.publish(b"RSYNC_MODULE_PATH", shared.where.full_path)
        admitted.publish(b"RSYNC_PID", b"%d" % os.getpid())
        view = ModuleView(section, shared.where, self.settings, access=admitted.access, rules=shared.rules)
        view.check()
        view.root_fd = shared.root_fd
        if shared.where.munge:
            check_munge()
        process = _OfSession(self.process, session)
        return child.answer(admitted, view, talk, log, process, ModuleHooks(), self.listings)

    def _finish(self, number: int, parcel: Parcel, code: int) -> None:
        """Close a connection and report its end."""
        session = self.sessions[number]
        try:
            # A thread of the transfer may still read from a client that does not close.
            session.sock.shutdown(_socket.SHUT_RDWR)
        except OSError:
            pass
        session.sock.detach()
        parcel.close()
        self.pair.send_patiently(Message(END, number, code=code), _SEND_LIMIT)
        with self._lock:
            del self.sessions[number]
            self._idle_since = time.monotonic()
        if self._draining:
            os.eventfd_write(self._wake, 1)


class _OfSession(_Shared):
    """The worker's process as one of its sessions sees it."""

    __slots__ = ("session",)

    def __init__(self, shared: Process, session: _Session) -> None:
        self.loaded, self.umask = True, shared.umask
        self.session = session

    def end_by_signals(self, env: Environment) -> None:
        self.session.env = env


def memory_limit(section: Section) -> int:
    """Bytes that a worker may hold, 0 for any. A value that cannot be read counts as the default."""
    for text in (section.text("tain worker memory"), b"1G"):
        try:
            return parse_size(text, "tain worker memory", zero=True)
        except UsageError:
            continue
    return 0

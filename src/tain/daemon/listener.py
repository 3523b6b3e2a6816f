"""The listening process: sockets, children, signals. It never reads from a peer (spec: daemon 1.5, 1.8, SEC-38)."""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
import time

from tain.daemon import child, control, greeting, listings, names, threads, views
from tain.daemon.admitted import Admitted
from tain.daemon.conversation import Conversation
from tain.daemon.exchange import Exchange
from tain.daemon.handover import Parcel
from tain.daemon.limits import Limits
from tain.daemon.process import Process
from tain.daemon.sockets import prepare
from tain.supervisor import notify
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tain.daemon.handover import Message, Pair
    from tain.daemon.log import Log
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
# Processes at once that answer `tain cache` or take messages of jobs.
_MOST_HELPERS = 16
# Seconds until the door is asked again whether it takes a connection.
_DOOR_PAUSE = 0.05


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
        #: The door and the workers, if a module wants them.
        self.exchange: Exchange | None = None
        self._poll: select.poll
        self._control: socket.socket | None = None
        #: Where jobs announce what they change.
        self._jobs: socket.socket | None = None
        #: Processes that answer requests of `tain cache` and of jobs.
        self._helpers: set[int] = set()
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
        poll = self._poll = select.poll()
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
        if self.exchange is not None:
            self.exchange.open_door()
        notify("READY=1")
        while True:
            self._take_turn(poll.poll(), by_fd)
            if self._ended_by:
                return self._end(by_fd)
            if self.exchange is not None:
                self._wait_for_room(by_fd)
                continue
            while self.limits.workers and len(self.children) >= self.limits.workers and not self._ended_by:
                # All workers are busy: clients wait in the backlog of the sockets.
                poll_children = select.poll()
                poll_children.register(wake_read, select.POLLIN)
                poll_children.poll(1000)
                self._reap()

    def _take_turn(self, events: list[tuple[int, int]], by_fd: dict[int, socket.socket]) -> None:
        """Act on what the kernel has reported."""
        for fd, _ in events:
            if fd == self._wake:
                try:
                    if _PARSED in os.read(self._wake, 4096):
                        self._keep_config()
                except BlockingIOError:
                    pass
            elif self._control is not None and fd == self._control.fileno():
                self._answer_control(self._control)
            elif self._jobs is not None and fd == self._jobs.fileno():
                self._take_announcement(self._jobs)
            elif fd not in by_fd:
                assert self.exchange is not None
                self.exchange.handle(fd)
            elif not self._ended_by:
                self._accept(by_fd[fd])
        self._reap()
        if self._hup:
            self._hup = False
            self._reload()

    def _wait_for_room(self, by_fd: dict[int, socket.socket]) -> None:
        """Let clients wait in the backlog of the sockets while there are too many connections, or the door is busy."""
        assert self.exchange is not None
        paused = False
        while not self._ended_by and not self._has_room(self.exchange):
            if not paused:
                for fd in by_fd:
                    self._poll.unregister(fd)
                paused = True
            self._take_turn(self._poll.poll(_DOOR_PAUSE * 1000), by_fd)
        if paused:
            for fd in by_fd:
                self._poll.register(fd, select.POLLIN)

    def _has_room(self, exchange: Exchange) -> bool:
        most = self.limits.workers
        return exchange.accepts() and not (most and len(self.children) + len(exchange.entries) >= most)

    def _keep_exchange(self, config: Config) -> None:
        """Have a door once a module wants workers."""
        if self.exchange is None and any(map(views.wants_workers, config.modules)):
            # What the door and the workers load should be loaded before they are forked.
            __import__("json")
            self.exchange = Exchange(
                self.log,
                self._poll,
                spawn=self._spawn,
                run_door=self._run_door,
                run_worker=self._run_worker,
                fork_admitted=self._fork_admitted,
                fork_new=self._fork_new,
            )
            self._control = self._listen("control socket", self.config.globals.text("tain control socket"))
        if self._jobs is None and any(map(listings.are_announced, config.modules)):
            # Who may announce something is decided for each message.
            path = self.config.globals.text("tain cache socket")
            self._jobs = self._listen("cache socket", path, 0o666)

    def _listen(self, name: str, path: bytes, mode: int = 0o600) -> socket.socket | None:
        """Listen on *path* unless it is empty. *name* is for the log."""
        if not path:
            return None
        try:
            sock = control.listen(path, mode)
        except OSError as error:
            self.log.error(f"cannot listen on the {name} {os.fsdecode(path)}: {system_text(error)}")
            self.log.idle()
            return None
        self._poll.register(sock.fileno(), select.POLLIN)
        return sock

    def _take_announcement(self, listening: socket.socket) -> None:
        """Fork a process that passes a job's message to the workers."""
        try:
            sock = listening.accept()[0]
        except OSError:
            return
        exchange = self.exchange
        assert exchange is not None
        with sock:
            # Anybody may connect.
            if len(self._helpers) < _MOST_HELPERS:
                self._help(lambda: self._pass_on(sock, exchange))

    def _answer_control(self, listening: socket.socket) -> None:
        """Fork a process that answers a request of `tain cache`."""
        try:
            sock = listening.accept()[0]
        except OSError:
            return
        exchange = self.exchange
        assert exchange is not None
        with sock:
            self._help(lambda: control.answer(sock, exchange, self.settings.load(), self.children))

    def _help(self, run: Callable[[], int]) -> None:
        """Fork a process that asks the workers."""
        pid = self._spawn(run, keep_exchange=True)
        if pid:
            self._helpers.add(pid)

    def _pass_on(self, sock: socket.socket, exchange: Exchange) -> int:
        from tain.daemon import announcements

        return announcements.receive(sock, exchange)

    def _keep_config(self) -> None:
        """Read the configuration again for the connections to come: the last one has found it changed."""
        now = time.monotonic()
        if not self._kept_at or now - self._kept_at > _KEEP_PAUSE:
            self._kept_at = now
            self._keep_exchange(self.settings.keep())

    def _help_with_names(self) -> None:
        """Start the helper, or start it again, if every connection looks up its peer's name."""
        if not self.names.pid and self.config.globals.flag("reverse lookup"):
            self.names.start(self._close_listener)

    def _close_listener(self, *, keep_exchange: bool = False) -> None:
        """Close the listener's descriptors in a child."""
        for sock in self.sockets:
            sock.close()
        if self.pid_file is not None:
            self.pid_file.forget()
        for listening in (self._control, self._jobs):
            if listening is not None:
                listening.close()
        if self.exchange is not None and not keep_exchange:
            self.exchange.forget()

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
            self._keep_exchange(config)
            if self.exchange is not None:
                self.exchange.replace_door()
                self.exchange.open_door()
        self.log.idle()

    def _end(self, by_fd: dict[int, socket.socket]) -> int:
        notify("STOPPING=1")
        if self._ended_by == signal.SIGTERM:
            # New connections have time to send their greeting; rsync waits as long.
            self._finish_greetings(by_fd)
        for sock in self.sockets:
            sock.close()
        if self.pid_file is not None:
            self.pid_file.remove()
        for listening in (self._control, self._jobs):
            if listening is not None:
                control.remove(listening)
        if self._ended_by == signal.SIGTERM:
            self.log.write("sent 0 bytes  received 0 bytes  total size 0")
            return 0
        self.log.closing(20, "listener.py(0)")
        return 20

    def _finish_greetings(self, by_fd: dict[int, socket.socket]) -> None:
        if self.exchange is None:
            time.sleep(_TERM_PAUSE)
            return
        end = time.monotonic() + _TERM_PAUSE
        for fd in by_fd:
            self._poll.unregister(fd)
        while (left := end - time.monotonic()) > 0:
            self._take_turn(self._poll.poll(left * 1000), by_fd)
        self.exchange.drain()

    def _reap(self) -> None:
        while self.children or self.names.pid or self.exchange is not None:
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
            if self.exchange is not None and self.exchange.ended(pid, status):
                continue
            if pid in self._helpers:
                self._helpers.discard(pid)
                continue
            self.children.pop(pid, None)
            if os.WIFSIGNALED(status):
                self.log.error(f"connection process {pid} was ended by signal {os.WTERMSIG(status)}")
                self.log.idle()

    def _accept(self, listener: socket.socket) -> None:
        # Both before there is a connection, whose descriptor they would keep.
        if self.exchange is None or not self.exchange.open_door():
            self._help_with_names()
        try:
            sock, where = listener.accept()
        except OSError:
            return
        address = str(where[0])
        key = Limits.key(address)
        running = sum(1 for other in self.children.values() if other == key)
        if self.exchange is not None:
            running += sum(1 for other in self.exchange.running() if other == key)
        limit = self.limits.exceeded(key, running)
        if limit:
            self._turn_away(sock, address, key, limit)
            return
        if self.exchange is not None and self.exchange.door is not None:
            self.exchange.greet(sock.detach(), address, key)
            return
        pid = self._spawn(lambda: self._serve(sock, address))
        if pid:
            self.children[pid] = key
        sock.close()
        if not pid:
            time.sleep(_FORK_PAUSE)

    def _spawn(self, run: Callable[[], int], *, keep_exchange: bool = False) -> int:
        """Fork a process that ends with the code that *run* returns. Returns its id, 0 if it could not be forked.

        *keep_exchange*: it may send to the workers.
        """
        try:
            pid = os.fork()
        except OSError as error:
            self.log.error(f"rsync: [Receiver] could not create child server process: {system_text(error)}")
            self.log.idle()
            return 0
        if pid:
            return pid
        code = 255
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            self._close_listener(keep_exchange=keep_exchange)
            code = run()
        except BaseException as error:
            # A fault of one connection must not reach the listener (SEC-38).
            place = threads.place_of(error)
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

    # ---- what children do

    def _serve(self, sock: socket.socket, address: str) -> int:
        """Serve one connection from its first byte."""
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

    def _resume(self, parcel: Parcel, number: int) -> int:
        """Serve a connection that the door has admitted."""
        self.names.close()
        sock = socket.socket(fileno=parcel.sock)
        self.log.number = number
        talk = Conversation(sock.fileno(), sock.fileno(), sock)
        return child.resume(self.settings, talk, self.log, Admitted.decode(parcel.body), process=self.process)

    def _leave(self) -> None:
        """Close what only a process of one connection may use."""
        self.names.close()
        os.close(self._wake)
        os.close(self._wake_write)

    def _run_door(self, pair: Pair) -> int:
        from tain.daemon.door import Door

        self._leave()
        return Door(pair, self.settings, self.log, self.options).run()

    def _run_worker(self, pair: Pair, key: bytes, body: bytes) -> int:
        from tain.daemon.worker import Worker

        self._leave()
        return Worker(pair, self.settings, key, body).run()

    # ---- connections that no worker serves

    def _fork_admitted(self, message: Message, key: str) -> None:
        """Fork a process for an admitted connection."""
        number = message.number
        pid = self._spawn(lambda: self._resume(Parcel(message), number))
        if pid:
            self.children[pid] = key

    def _fork_new(self, message: Message, key: str) -> None:
        """Fork a process for a connection that has not sent a byte."""
        address = message.body.decode()
        pid = self._spawn(lambda: self._serve(socket.socket(fileno=message.fds[0]), address))
        if pid:
            self.children[pid] = key

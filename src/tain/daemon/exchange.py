"""The listener's side of the door and the workers: who has which connection, and who gets the next (spec: daemon 1.5).

The listener reads the headers of messages and never their bodies. Whatever no worker takes gets a process of its own.
"""

from __future__ import annotations

import os
import select
import signal
import time

from tain.daemon import handover
from tain.daemon.handover import (
    ADMIT,
    DRAIN,
    END,
    FAILED,
    FROM_DOOR,
    FROM_LISTENER,
    FROM_WORKER,
    FULL,
    NEW,
    NO_KEY,
    READY,
    RETURN,
    SERVE,
    STOP,
    BadMessageError,
    ClosedPairError,
    Message,
    pair,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tain.daemon.handover import Pair
    from tain.daemon.log import Log

#: The kernel's process ids end at 2^22, so no number of a connection is one.
FIRST_NUMBER = (1 << 22) + 1
_LAST_NUMBER = (1 << 31) - 1
#: Connections that the door greets at a time; others wait in the backlog of the sockets.
_MOST_GREETED = 1000
#: Connections that wait for a worker that starts.
_MOST_PARKED = 512
#: Messages of one process before another one has its turn.
_TURN = 64
#: Deaths of the workers of a key within so many seconds, after which it is served by processes for so many seconds.
_DEATHS, _DEATH_SPAN, _DEATH_PAUSE = 3, 60.0, 600.0
#: Seconds until a view is tried again whose worker could not be set up.
_FAILURE_PAUSE = 10.0
#: The same for the door.
_DOOR_DEATHS, _DOOR_SPAN, _DOOR_PAUSE = 2, 10.0, 60.0

STARTING, SERVING, DRAINING = "starting", "serving", "draining"


class Place:
    """The door or a worker."""

    __slots__ = ("body", "key", "numbers", "pair", "parked", "pid", "served", "since", "state")

    def __init__(self, pid: int, pair: Pair, key: bytes, state: str) -> None:
        self.pid = pid
        self.pair: Pair | None = pair
        #: Of the worker's view; `NO_KEY` is the door.
        self.key = key
        self.state = state
        #: Connections that wait until the worker is ready.
        self.parked: list[Message] = []
        self.numbers: set[int] = set()
        self.served = 0
        #: The facts of a worker's first connection.
        self.body = b""
        self.since = time.time()

    @property
    def is_door(self) -> bool:
        return self.key == NO_KEY


class Entry:
    """A connection that is at the door or in a worker."""

    __slots__ = ("address", "key", "place", "since")

    def __init__(self, address: str, key: str, place: Place) -> None:
        self.address = address
        #: Stands for the address in the limits.
        self.key = key
        self.place = place
        self.since = time.time()


class Exchange:
    """The connections of a listener that has a door.

    *spawn* forks a process that runs a function, and returns its id, or 0 if there is no room. *fork_admitted* and
    *fork_new* start a process of its own for a connection: an admitted one, or one that has not sent a byte.
    """

    def __init__(
        self,
        log: Log,
        poll: select.poll,
        *,
        spawn: Callable[[Callable[[], int]], int],
        run_door: Callable[[Pair], int],
        run_worker: Callable[[Pair, bytes, bytes], int],
        fork_admitted: Callable[[Message, str], None],
        fork_new: Callable[[Message, str], None],
    ) -> None:
        self.log = log
        self.entries: dict[int, Entry] = {}
        #: By descriptor of the pair, and by process.
        self.places: dict[int, Place] = {}
        self.by_pid: dict[int, Place] = {}
        self.workers: dict[bytes, Place] = {}
        self.door: Place | None = None
        #: Counters for the status.
        self.totals = {"worker": 0, "fork": 0, "door": 0}
        self.restarts: dict[str, int] = {}
        self._poll = poll
        self._spawn = spawn
        self._run_door = run_door
        self._run_worker = run_worker
        self._fork_admitted = fork_admitted
        self._fork_new = fork_new
        self._next = FIRST_NUMBER
        #: A connection that has no room in the door's queue.
        self._held: Message | None = None
        #: Those that were parked, while a child is forked that must not keep their descriptors.
        self._waiting: list[Message] = []
        self._deaths: dict[bytes, list[float]] = {}
        self._blocked: dict[bytes, float] = {}

    # ---- the door

    def open_door(self) -> bool:
        """Start the door unless there is one. False if it keeps dying, or there is no room for a process."""
        if self.door is not None:
            return True
        if self._is_blocked(NO_KEY):
            return False
        self.door = self._start(NO_KEY, SERVING, self._run_door, FROM_DOOR)
        return self.door is not None

    def replace_door(self) -> None:
        """Start another door with the present settings; the old one finishes its greetings."""
        if self.door is not None:
            self._drain(self.door)
            self.door = None

    def accepts(self) -> bool:
        """Whether the door takes one more connection."""
        if self._held is not None:
            self._retry()
        return self._held is None and (self.door is None or len(self.door.numbers) < _MOST_GREETED)

    def greet(self, sock: int, address: str, key: str) -> None:
        """Give an accepted connection to the door, which is open; takes the descriptor."""
        assert self.door is not None
        number = self._number()
        self._enter(number, Entry(address, key, self.door))
        self._held = Message(NEW, number, body=address.encode(), fds=[sock])
        self._retry()

    def _retry(self) -> None:
        """Send the connection that waits for room in the door's queue."""
        message = self._held
        if message is None:
            return
        try:
            if self.door is None or self.door.pair is None or message.number not in self.door.numbers:
                # Another door knows nothing of it.
                raise ClosedPairError
            if self.door.pair.send(message):
                self._held = None
                message.close()
        except ClosedPairError:
            self._held = None
            entry = self._leave(message.number)
            if entry is not None:
                self._fork_new(message, entry.key)
            message.close()

    def _number(self) -> int:
        while self._next in self.entries:
            self._advance()
        number = self._next
        self._advance()
        return number

    def _advance(self) -> None:
        self._next = self._next + 1 if self._next < _LAST_NUMBER else FIRST_NUMBER

    # ---- connections

    def running(self) -> Iterator[str]:
        """The addresses of the connections that are at the door or in a worker, as the limits compare them."""
        for entry in self.entries.values():
            yield entry.key

    def _enter(self, number: int, entry: Entry) -> None:
        self.entries[number] = entry
        entry.place.numbers.add(number)

    def _leave(self, number: int) -> Entry | None:
        entry = self.entries.pop(number, None)
        if entry is not None:
            entry.place.numbers.discard(number)
        return entry

    def stop(self, number: int) -> bool:
        """End a connection that a worker has. False if none has it."""
        entry = self.entries.get(number)
        if entry is None or entry.place.is_door or entry.place.pair is None:
            return False
        try:
            return entry.place.pair.send(Message(STOP, number))
        except ClosedPairError:
            return False

    # ---- messages

    def handle(self, fd: int) -> None:
        """Take the messages that a process has sent."""
        place = self.places.get(fd)
        if place is None:
            return
        self._take_all(place, _TURN)

    def _take_all(self, place: Place, most: int) -> None:
        for _ in range(most):
            if place.pair is None:
                return
            try:
                message = place.pair.receive()
                if message is None:
                    return
                try:
                    (self._from_door if place.is_door else self._from_worker)(place, message)
                finally:
                    message.close()
            except ClosedPairError:
                self._close(place)
            except BadMessageError as error:
                # Whoever sends this may be in the hands of an attacker.
                self.log.error(f"ending process {place.pid}, which sent a wrong message: {error}")
                self.log.idle()
                self._close(place)
                _kill(place.pid)

    def _from_door(self, place: Place, message: Message) -> None:
        if message.number not in place.numbers:
            raise BadMessageError(f"connection {message.number} is not there")
        entry = self._leave(message.number)
        assert entry is not None
        if message.kind == END:
            self.totals["door"] += 1
        elif message.kind == RETURN:
            self.totals["fork"] += 1
            self._fork_new(message, entry.key)
        elif message.kind == ADMIT:
            self._route(message, entry)

    def _from_worker(self, place: Place, message: Message) -> None:
        if message.kind == END:
            if message.number not in place.numbers:
                raise BadMessageError(f"connection {message.number} is not there")
            self._leave(message.number)
        elif message.kind == FULL:
            if place.state == STARTING:
                raise BadMessageError("not ready")
            self._drain(place)
        elif place.state != STARTING:
            raise BadMessageError("ready twice")
        elif message.kind == READY:
            place.state = SERVING
            self._unpark(place)
        elif message.kind == FAILED:
            self._blocked[place.key] = time.monotonic() + _FAILURE_PAUSE
            self._drain(place)
            self._unpark(place)

    # ---- workers

    def _route(self, message: Message, entry: Entry) -> None:
        """Give an admitted connection to its worker, or to a process of its own."""
        if not self._to_worker(message, entry):
            self.totals["fork"] += 1
            self._fork_admitted(message, entry.key)

    def _to_worker(self, message: Message, entry: Entry) -> bool:
        if message.key == NO_KEY or self._is_blocked(message.key):
            return False
        place = self.workers.get(message.key)
        if place is None:
            try:
                body = handover.body_of(message)
            except OSError:
                return False
            key = message.key

            def run(end: Pair) -> int:
                # The worker gets the connection when it is ready.
                message.close()
                return self._run_worker(end, key, body)

            place = self._start(key, STARTING, run, FROM_WORKER)
            if place is None:
                return False
            place.body = body
            self.workers[key] = place
        if place.state == STARTING:
            if len(place.parked) >= _MOST_PARKED:
                return False
            parked = Message(SERVE, message.number, flags=message.flags, body=message.body, fds=message.fds)
            message.fds = []
            place.parked.append(parked)
        elif not self._send(place, message):
            return False
        entry.place = place
        self._enter(message.number, entry)
        return True

    def _send(self, place: Place, message: Message) -> bool:
        """Send an admitted connection to a worker."""
        if place.pair is None or place.state != SERVING:
            return False
        message.kind = SERVE
        try:
            sent = place.pair.send(message)
        except ClosedPairError:
            return False
        if sent:
            place.served += 1
            self.totals["worker"] += 1
        return sent

    def _unpark(self, place: Place) -> None:
        """Serve the connections that have waited for the worker: by it, or by processes of their own."""
        self._waiting += place.parked
        place.parked = []
        while self._waiting:
            message = self._waiting.pop(0)
            if not self._send(place, message):
                entry = self._leave(message.number)
                self.totals["fork"] += 1
                self._fork_admitted(message, "" if entry is None else entry.key)
            message.close()

    def _drain(self, place: Place) -> None:
        """Send no more connections to a process; it ends when it has none."""
        if self.workers.get(place.key) is place:
            del self.workers[place.key]
        place.state = DRAINING
        if place.pair is not None:
            try:
                place.pair.send(Message(DRAIN))
            except ClosedPairError:
                pass

    # ---- processes

    def _start(self, key: bytes, state: str, run: Callable[[Pair], int], kinds: frozenset[int]) -> Place | None:
        try:
            ours, theirs = pair(kinds, FROM_LISTENER)
        except OSError:
            return None

        def work() -> int:
            ours.close()
            return run(theirs)

        pid = self._spawn(work)
        theirs.close()
        if not pid:
            ours.close()
            return None
        place = Place(pid, ours, key, state)
        self.places[ours.fileno()] = self.by_pid[pid] = place
        self._poll.register(ours.fileno(), select.POLLIN)
        return place

    def ended(self, pid: int, status: int) -> bool:
        """Note that a process was reaped. False if it was neither the door nor a worker."""
        place = self.by_pid.pop(pid, None)
        if place is None:
            return False
        # What it has sent before its end is still in the queue.
        self._take_all(place, 1 << 20)
        self._close(place)
        if place.state == DRAINING and not status:
            return True
        what = "door" if place.is_door else "worker"
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"code {os.WEXITSTATUS(status)}"
        self.log.error(f"{what} {pid} ended with {how}, and with it {len(place.numbers)} connections")
        self.log.idle()
        for number in list(place.numbers):
            self._leave(number)
        self.restarts[how] = self.restarts.get(how, 0) + 1
        self._count_death(place)
        return True

    def _count_death(self, place: Place) -> None:
        deaths, span, pause = (
            (_DOOR_DEATHS, _DOOR_SPAN, _DOOR_PAUSE) if place.is_door else (_DEATHS, _DEATH_SPAN, _DEATH_PAUSE)
        )
        now = time.monotonic()
        recent = [at for at in self._deaths.get(place.key, ()) if now - at < span]
        self._deaths[place.key] = [*recent, now]
        if len(recent) + 1 >= deaths:
            self._blocked[place.key] = now + pause
            del self._deaths[place.key]

    def _is_blocked(self, key: bytes) -> bool:
        until = self._blocked.get(key)
        if until is None:
            return False
        if time.monotonic() < until:
            return True
        del self._blocked[key]
        return False

    def _close(self, place: Place) -> None:
        """Close the pair of a process that will send nothing more."""
        if place.pair is None:
            return
        fd = place.pair.fileno()
        self._poll.unregister(fd)
        del self.places[fd]
        place.pair.close()
        place.pair = None
        if self.door is place:
            self.door = None
        if self.workers.get(place.key) is place:
            del self.workers[place.key]
        if place.parked:
            # It has ended before it was ready.
            self._unpark(place)

    def forget(self) -> None:
        """Close all descriptors in a child."""
        for place in self.places.values():
            if place.pair is not None:
                place.pair.close()
            for message in place.parked:
                message.close()
        for message in self._waiting:
            message.close()
        if self._held is not None:
            self._held.close()

    def drain(self) -> None:
        """Let the door and the workers end when they have no connection. The listener ends."""
        for place in list(self.places.values()):
            self._drain(place)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass

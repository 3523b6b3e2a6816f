"""Messages between the listener, the door and the workers (spec: daemon 1.5): a fixed header, a body, descriptors.

Each pair of processes has a `SOCK_SEQPACKET` pair, whose messages arrive whole. Nothing here blocks, and the listener
looks at headers only.
"""

from __future__ import annotations

import _socket as socket
import array
import os
import select
import struct
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: Kind, flags, length of the body, code, number of the connection, key of the view, two counters.
HEADER = struct.Struct("<BBHiQ16sQQ")
#: Bytes. A longer body travels in a descriptor of its own.
BODY_LIMIT = 60 << 10
#: Bytes of a body in a descriptor.
_LONG_LIMIT = 16 << 20
#: Socket, slot, log and a long body.
MOST_DESCRIPTORS = 4
NO_KEY = bytes(16)
_SEND_PAUSE = 0.01

# From the listener to the door; NEW has the socket, and the address as its body. DRAIN, also to a worker: no more
# connections will come.
NEW, DRAIN = 1, 2
# From the door to the listener: ADMIT has the socket, the slot and the log, as `flags` say; RETURN has the socket of a
# connection that only a process of its own can serve, and the address as its body.
ADMIT, END, RETURN = 16, 17, 18
# From the listener to a worker: SERVE is ADMIT; STOP ends one connection; ASK, from a child of the listener, has the
# socket for the answer, and a file if its flags say so.
SERVE, STOP, ASK = 32, 33, 34
# From a worker to the listener: FULL asks for no more connections.
READY, FAILED, FULL = 48, 49, 50

FROM_LISTENER = frozenset((NEW, DRAIN, SERVE, STOP, ASK))
FROM_DOOR = frozenset((ADMIT, END, RETURN))
FROM_WORKER = frozenset((READY, FAILED, END, FULL))

#: Flags: which descriptors follow the socket.
HAS_SLOT, HAS_LOG, LONG_BODY = 1, 2, 4
HAS_FILE = 8


class BadMessageError(Exception):
    """A message of the wrong length, kind or number of descriptors: its sender cannot be trusted."""


class ClosedPairError(Exception):
    """The process at the other end is gone."""


class Message:
    """One message. Who receives it owns its descriptors."""

    __slots__ = ("body", "code", "fds", "flags", "key", "kind", "number", "one", "two")

    def __init__(
        self,
        kind: int,
        number: int = 0,
        *,
        flags: int = 0,
        code: int = 0,
        key: bytes = NO_KEY,
        one: int = 0,
        two: int = 0,
        body: bytes = b"",
        fds: Sequence[int] = (),
    ) -> None:
        self.kind = kind
        self.number = number
        self.flags = flags
        self.code = code
        self.key = key
        self.one = one
        self.two = two
        self.body = body
        self.fds = list(fds)

    def close(self) -> None:
        """Close the descriptors."""
        for fd in self.fds:
            os.close(fd)
        self.fds = []


def wanted(message: Message) -> int:
    """The number of descriptors that a message of its kind and flags has."""
    if message.kind in (NEW, RETURN):
        return 1
    if message.kind == ASK:
        return 1 + bool(message.flags & HAS_FILE)
    if message.kind in (ADMIT, SERVE):
        return 1 + (message.flags & 7).bit_count()
    return 0


class Pair:
    """One end of a pair."""

    def __init__(self, fd: int, kinds: frozenset[int]) -> None:
        """*kinds* are those that the other end may send."""
        self._sock = socket.socket(fileno=fd)
        self._sock.setblocking(False)
        self._kinds = kinds

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()

    def send(self, message: Message) -> bool:
        """Send a message; its descriptors stay open here. False when the queue is full.

        Errors: `ClosedPairError`.
        """
        length = len(message.body)
        header = HEADER.pack(
            message.kind, message.flags, length, message.code, message.number, message.key, message.one, message.two
        )
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", message.fds))] if message.fds else []
        try:
            self._sock.sendmsg([header, message.body], rights, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except (BlockingIOError, InterruptedError):
            return False
        except (BrokenPipeError, ConnectionError):
            raise ClosedPairError from None
        except OSError:
            # Too many descriptors in flight, no memory: as if the queue were full.
            return False
        return True

    def send_patiently(self, message: Message, seconds: float) -> bool:
        """Send a message within a time limit. False if the other end is gone or takes nothing."""
        end = time.monotonic() + seconds
        try:
            while not self.send(message):
                if time.monotonic() > end:
                    return False
                # The limit on descriptors in flight frees no room here, so the wait is short.
                poll = select.poll()
                poll.register(self.fileno(), select.POLLOUT)
                poll.poll(_SEND_PAUSE * 1000)
                time.sleep(_SEND_PAUSE)
        except ClosedPairError:
            return False
        return True

    def receive(self) -> Message | None:
        """The next message, or None if there is none yet. Errors: `ClosedPairError`, `BadMessageError`."""
        space = socket.CMSG_SPACE(4 * (MOST_DESCRIPTORS + 1))
        try:
            data, rights, flags, _ = self._sock.recvmsg(
                HEADER.size + BODY_LIMIT + 1, space, socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT
            )
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            raise ClosedPairError from None
        fds = array.array("i")
        for level, kind, content in rights:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
        if not data and not fds:
            raise ClosedPairError
        try:
            if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
                raise BadMessageError("cut")
            message = self._read(data)
            message.fds = list(fds)
            if wanted(message) != len(fds):
                raise BadMessageError(f"{len(fds)} descriptors with kind {message.kind}")
        except BadMessageError:
            for fd in fds:
                os.close(fd)
            raise
        return message

    def _read(self, data: bytes) -> Message:
        if len(data) < HEADER.size:
            raise BadMessageError("short")
        kind, flags, length, code, number, key, one, two = HEADER.unpack_from(data)
        body = data[HEADER.size :]
        if length != len(body) or length > BODY_LIMIT:
            raise BadMessageError(f"{len(body)} bytes where {length} were announced")
        if kind not in self._kinds:
            raise BadMessageError(f"kind {kind}")
        return Message(kind, number, flags=flags, code=code, key=key, one=one, two=two, body=body)


def pair(first: frozenset[int], second: frozenset[int]) -> tuple[Pair, Pair]:
    """Two ends; *first* and *second* are the kinds that each of them receives. Errors: `OSError`."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Pair(ours.detach(), first), Pair(theirs.detach(), second)


def attach(message: Message, body: bytes) -> None:
    """Give a message its body, in a descriptor of its own if it is long; the message owns it. Errors: `OSError`."""
    if len(body) <= BODY_LIMIT:
        message.body = body
        return
    fd = os.memfd_create("tain-facts", os.MFD_CLOEXEC)
    message.fds.append(fd)
    message.flags |= LONG_BODY
    view = memoryview(body)
    while view:
        view = view[os.write(fd, view) :]


def body_of(message: Message) -> bytes:
    """The body of a message, wherever it is. Errors: `OSError`."""
    if not message.flags & LONG_BODY:
        return message.body
    fd = message.fds[-1]
    return os.pread(fd, min(os.fstat(fd).st_size, _LONG_LIMIT), 0)


class Parcel:
    """The descriptors and the body of an admitted connection, taken from its message."""

    __slots__ = ("body", "log", "slot", "sock")

    def __init__(self, message: Message) -> None:
        """Errors: `OSError` for a body that cannot be read."""
        self.body = body_of(message)
        fds, message.fds = message.fds, []
        self.sock = fds.pop(0)
        self.slot = fds.pop(0) if message.flags & HAS_SLOT else -1
        self.log = fds.pop(0) if message.flags & HAS_LOG else -1
        for fd in fds:
            os.close(fd)

    def close(self) -> None:
        for fd in (self.sock, self.slot, self.log):
            if fd >= 0:
                os.close(fd)
        self.sock = self.slot = self.log = -1

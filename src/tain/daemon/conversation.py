"""The text phase of a connection: lines and lists under one deadline (spec: daemon 4, security SEC-31).

The framed connection later reads from the same descriptors, so a byte that is read here too early would be lost.
"""

from __future__ import annotations

import os
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket as socket


class ClosedError(Exception):
    """The peer has closed the connection or sent something that is not a line. It gets no answer."""


class DeadlineError(Exception):
    """The handshake took too long."""


class TooManyError(Exception):
    """The client sent more arguments than a connection may send."""


class Conversation:
    """Reads and writes of one connection until the transfer begins."""

    def __init__(self, read_fd: int, write_fd: int, sock: socket.socket | None = None) -> None:
        self.read_fd = read_fd
        self.write_fd = write_fd
        self.sock = sock
        self._deadline: float | None = None
        #: The beginning of a line that `early_line` did not get to the end.
        self._partial = bytearray()

    # ---- time

    def arm(self, seconds: float | None) -> None:
        """Set the deadline of all further reads and writes, *seconds* from now; None removes it."""
        self._deadline = None if seconds is None else time.monotonic() + seconds

    def _left(self) -> float:
        """Seconds until the deadline; there must be one. Errors: `DeadlineError` when it is over."""
        assert self._deadline is not None
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise DeadlineError
        return left

    def _wait(self, fd: int, event: int) -> None:
        if self._deadline is None:
            return
        poll = select.poll()
        left = self._left()
        poll.register(fd, event)
        if not poll.poll(left * 1000):
            raise DeadlineError

    def _peek(self, sock: socket.socket, limit: int) -> bytes:
        """1 to *limit* bytes that have arrived, and stay there. Empty at the end of the stream."""
        if self._deadline is None:
            return sock.recv(limit, _PEEK)
        while True:
            self._left()
            try:
                # Most often they are there, and need no wait.
                return sock.recv(limit, _PEEK | _DONTWAIT)
            except BlockingIOError:
                self._wait(self.read_fd, select.POLLIN)

    # ---- reading

    def _some(self, limit: int, stop: bytes) -> bytes:
        """1 to *limit* bytes, none after the first *stop*. Empty at the end of the stream."""
        try:
            if self.sock is None:
                self._wait(self.read_fd, select.POLLIN)
                return os.read(self.read_fd, 1)
            seen = self._peek(self.sock, limit)
            at = seen.find(stop)
            return self.sock.recv(at + 1 if at >= 0 else len(seen)) if seen else b""
        except ConnectionError:
            return b""

    def read_exact(self, count: int) -> bytes:
        out = bytearray()
        while len(out) < count:
            self._wait(self.read_fd, select.POLLIN)
            try:
                chunk = os.read(self.read_fd, count - len(out))
            except ConnectionError:
                chunk = b""
            if not chunk:
                raise ClosedError
            out += chunk
        return bytes(out)

    def read_line(self, size: int) -> bytes:
        """A line without its LF and without CRs. *size* includes the LF and a NUL, like a buffer in C."""
        out, self._partial = self._partial, bytearray()
        while True:
            if b"\0" in out or len(out) > size - 1:
                raise ClosedError
            if out.endswith(b"\n"):
                return bytes(out[:-1])
            chunk = self._some(size, b"\n")
            if not chunk:
                raise ClosedError
            out += chunk.replace(b"\r", b"")

    def early_line(self, size: int, lead: bytes, seconds: float) -> bytes | None:
        """The next line if it is complete within *seconds*; else None, and `read_line` returns it later.

        A peer that sends *lead* and then nothing waits for us.
        """
        end = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self.read_fd, select.POLLIN)
        while len(self._partial) < size and b"\0" not in self._partial:
            left = 0.0 if self._partial == lead else end - time.monotonic()
            if left < 0 or not poll.poll(left * 1000):
                return None
            chunk = self._some(size, b"\n")
            if not chunk:
                return None
            self._partial += chunk.replace(b"\r", b"")
            if self._partial.endswith(b"\n"):
                return self.read_line(size)
        return None

    def read_list(self, stop: bytes, *, word_limit: int, count_limit: int) -> list[bytes]:
        """Words that each end with *stop*; an empty word ends the list (spec: protocol 10.6).

        Longer words are cut to *word_limit* bytes. Errors: `TooManyError` for more than *count_limit* words.
        """
        words: list[bytes] = []
        word = bytearray()
        while True:
            chunk = self._list_part(stop, bool(word))
            if not chunk:
                raise ClosedError
            pieces = chunk.split(stop)
            for number, piece in enumerate(pieces):
                text = piece.replace(b"\r", b"") if stop == b"\n" else piece
                word += text[: max(0, word_limit - len(word))]
                if number == len(pieces) - 1:
                    break
                if not word:
                    return words
                if len(words) >= count_limit:
                    raise TooManyError
                words.append(bytes(word))
                word.clear()

    def _list_part(self, stop: bytes, inside: bool) -> bytes:
        """The arrived bytes of a list, none after its end. *inside*: a word has begun, which a stop ends."""
        try:
            if self.sock is None:
                self._wait(self.read_fd, select.POLLIN)
                return os.read(self.read_fd, 1)
            seen = self._peek(self.sock, 65536)
            length = len(seen)
            if seen.startswith(stop) and not inside:
                length = 1
            else:
                # A line may consist of a CR alone and still be empty, so lines are read one by one.
                end = stop if stop == b"\n" else stop * 2
                at = seen.find(end)
                if at >= 0:
                    length = at + len(end)
            return self.sock.recv(length) if seen else b""
        except ConnectionError:
            return b""

    # ---- writing

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._wait(self.write_fd, select.POLLOUT)
            try:
                view = view[os.write(self.write_fd, view) :]
            except OSError:
                raise ClosedError from None

    def line(self, text: str | bytes) -> None:
        self.write((os.fsencode(text) if isinstance(text, str) else text) + b"\n")

    def drain(self, seconds: float = 1.0, limit: int = 65536) -> None:
        """Close our direction and read until the peer closes: unread input would cause a reset."""
        deadline = time.monotonic() + seconds
        try:
            if self.sock is not None:
                self.sock.shutdown(_SHUT_WR)
            else:
                if self.write_fd != self.read_fd:
                    os.close(self.write_fd)
                return
            while limit > 0:
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([self.read_fd], [], [], left)[0]:
                    return
                chunk = os.read(self.read_fd, min(limit, 65536))
                if not chunk:
                    return
                limit -= len(chunk)
        except OSError:
            return


# Numbers of <sys/socket.h>, the same on every Linux. Importing `socket` would slow the start over a remote shell.
_PEEK = 2
_DONTWAIT = 0x40
_SHUT_WR = 1

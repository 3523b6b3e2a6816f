"""Look up the host names of peers within a time limit (spec: daemon 5, security SEC-30).

A resolver cannot be interrupted, so no look-up runs in the process of a connection. A thread there would survive chroot
and the change of user. A listener starts one :class:`Helper` for all its connections, which send it questions and which
it answers in threads. Without a helper, or without its answer, each look-up is a child that is killed at the limit.
"""

from __future__ import annotations

import _socket as socket
import marshal
import os
import select
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tain.daemon.threads import Pool

UNKNOWN = b"UNKNOWN"
#: The address of a peer at the other end of a unix socket.
LOCAL_ADDRESS = "localhost"
UNDETERMINED = b"UNDETERMINED"
#: The helper's name in a list of processes.
HELPER_NAME = b"tain-names"


def plain_address(address: str) -> str:
    """The IPv4 address of an IPv4-mapped IPv6 address; any other address as it is."""
    if address.lower().startswith("::ffff:") and "." in address:
        return address[7:]
    return address


class Resolver:
    """Look-ups with a time limit in seconds. Results are not cached."""

    def __init__(self, limit: float = 5.0, helper: Helper | Threads | None = None) -> None:
        self.limit = limit
        self.helper = helper

    def close(self) -> None:
        """Close the way to the helper, before a client can influence this process."""
        if self.helper is not None:
            self.helper.close()
            self.helper = None

    def _ask(self, function: Callable[[str], Any], argument: str) -> Any:
        """``function(argument)``, or None after the time limit."""
        if self.helper is not None:
            try:
                return self.helper.ask(function, argument, self.limit)
            except OSError:
                pass
        return _bounded(function, argument, self.limit)

    def reverse(self, address: str) -> tuple[bytes, str]:
        """The name of a peer, verified by a forward look-up, and nothing; or ``UNKNOWN`` and a line for the log."""
        if address == "0.0.0.0":
            return UNKNOWN, ""
        if address == LOCAL_ADDRESS:
            return UNKNOWN, f"malformed address {address}: Name or service not known"
        answer = self._ask(_reverse, address)
        if answer is None:
            return UNKNOWN, f"name lookup failed for {address}: timed out"
        name, problem = answer
        return os.fsencode(name), problem

    def addresses(self, name: bytes) -> list[str] | None:
        """All addresses of a name, or None when the look-up failed."""
        answer = self._ask(_forward, _ascii_name(name))
        return list(answer) if answer else None


def _ascii_name(name: bytes) -> str:
    if name.isascii():
        return name.decode()
    try:
        return name.decode().encode("idna").decode()
    except UnicodeError:
        return name.decode("latin-1")


def _reverse(address: str) -> tuple[str, str]:
    try:
        name = socket.getnameinfo((address, 0), socket.NI_NAMEREQD | socket.NI_NUMERICSERV)[0]
    except OSError as error:
        return "UNKNOWN", f"name lookup failed for {address}: {error.strerror or error}"
    try:
        found = socket.getaddrinfo(name, None, 0, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return "UNKNOWN", f"forward name lookup for {name} failed: {getattr(error, 'strerror', None) or error}"
    if not found:
        return "UNKNOWN", f'no known address for "{name}": spoofed address?'
    wanted = _packed(address)
    if all(_packed(str(entry[4][0])) != wanted for entry in found):
        return "UNKNOWN", f'{address} is not a known address for "{name}": spoofed address?'
    return name, ""


def _packed(address: str) -> bytes:
    address = plain_address(address.partition("%")[0])
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    except OSError:
        return b""


def _forward(name: str) -> list[str]:
    try:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(name, None, 0, socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []


def _answer(fd: int, limit: float) -> bytes | None:
    """All bytes of a pipe, or None if nothing arrives within *limit* seconds."""
    if not select.select([fd], [], [], limit)[0]:
        return None
    data = b""
    while chunk := os.read(fd, 65536):
        data += chunk
    return data


def _bounded(function: Callable[[str], Any], argument: str, limit: float) -> Any:
    """``function(argument)`` in a child process, or None after *limit* seconds."""
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.close(read_fd)
            os.write(write_fd, marshal.dumps(function(argument)))
        finally:
            os._exit(0)
    os.close(write_fd)
    try:
        data = _answer(read_fd, limit)
        if data is None:
            os.kill(pid, signal.SIGKILL)
        return marshal.loads(data) if data else None
    finally:
        os.close(read_fd)
        os.waitpid(pid, 0)


class Helper:
    """A process that answers look-ups for all the connections of a listener.

    A question is one message with the end of a pipe for the answer. Each question has a thread, so that a slow one
    delays no other; when all threads are busy, the connection looks up the name without the helper. The process ends
    when all connections and the listener have closed their ends.
    """

    #: Most look-ups at a time. A waiting thread costs some pages of its stack.
    THREADS = 16
    _MESSAGE = 4096
    #: Seconds between two starts of a helper that keeps ending.
    _PAUSE = 5.0
    _FUNCTIONS = (_reverse, _forward)

    def __init__(self) -> None:
        self.pid = 0
        self._fd = -1
        self._started = 0.0

    def start(self, close: Callable[[], object] = lambda: None) -> None:
        """Fork the helper, unless it was started a moment ago. *close* closes the listener's descriptors in it."""
        now = time.monotonic()
        if self._started and now - self._started < self._PAUSE:
            return
        self._started = now
        self.close()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            pid = os.fork()
        except OSError:
            return
        if pid == 0:
            try:
                ours.close()
                close()
                self._serve(theirs)
            finally:
                os._exit(0)
        theirs.close()
        self.pid, self._fd = pid, ours.detach()

    def ended(self) -> None:
        """Note that the listener has reaped the helper."""
        self.pid = 0
        self.close()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def ask(self, function: Callable[[str], Any], argument: str, limit: float) -> Any:
        """The answer, or None after *limit* seconds. Errors: `OSError` when the helper cannot answer."""
        read_fd, write_fd = os.pipe()
        try:
            try:
                sock = socket.socket(fileno=os.dup(self._fd))
                try:
                    question = marshal.dumps((self._FUNCTIONS.index(function), argument))
                    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, write_fd.to_bytes(4, sys.byteorder))
                    sock.sendmsg([question], [rights], socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
                finally:
                    sock.close()
            finally:
                os.close(write_fd)
            data = _answer(read_fd, limit)
        finally:
            os.close(read_fd)
        if data is None:
            return None
        if not data:
            # The helper has died, or has no free thread.
            raise BrokenPipeError
        return marshal.loads(data)

    # ---- in the process itself

    def _serve(self, sock: socket.socket) -> None:
        try:
            with open("/proc/self/comm", "wb") as name:
                name.write(HELPER_NAME)
        except OSError:
            pass
        import threading

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        # This loads the C library's sources of names now, and not for the first question.
        _reverse("127.0.0.1")
        busy = threading.Semaphore(self.THREADS)

        def answer(function: int, argument: str, fd: int) -> None:
            try:
                os.write(fd, marshal.dumps(self._FUNCTIONS[function](argument)))
            except OSError:
                pass
            finally:
                os.close(fd)
                busy.release()

        while True:
            question, rights, _, _ = sock.recvmsg(self._MESSAGE, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
            if not question:
                return
            fds = [int.from_bytes(data[:4], sys.byteorder) for _, _, data in rights]
            if not fds:
                continue
            if not busy.acquire(blocking=False):
                os.close(fds[0])
                continue
            function, argument = marshal.loads(question)
            threading.Thread(target=answer, args=(function, argument, fds[0]), daemon=True).start()


class Threads:
    """Answers look-ups in threads, for a process that never changes its root or its user."""

    #: Most look-ups at a time; others wait, within their time limit.
    LIMIT = 32

    def __init__(self, pool: Pool) -> None:
        """*pool* has the threads."""
        import threading

        self._free = threading.Semaphore(self.LIMIT)
        self._pool = pool

    def close(self) -> None:
        """Nothing: the threads are there for all connections."""

    def ask(self, function: Callable[[str], Any], argument: str, limit: float) -> Any:
        """The answer, or None after *limit* seconds."""
        import _thread

        end = time.monotonic() + limit
        if not self._free.acquire(timeout=limit):
            return None
        answers = []
        answered = _thread.allocate_lock()
        answered.acquire()

        def look(name: str) -> None:
            try:
                answers.append(function(name))
            finally:
                self._free.release()
                answered.release()

        self._pool.start(look, argument)
        return answers[0] if answered.acquire(timeout=max(0.0, end - time.monotonic())) and answers else None

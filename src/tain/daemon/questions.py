"""Questions of `tain cache` and of mirror jobs to the workers: a request, and an answer over a socket of its own.

The process that asks has a copy of the listener's end of each pair. The listener itself sees neither.
"""

from __future__ import annotations

import os
import select
import socket
import time

from tain.daemon import listings, threads
from tain.daemon.handover import ASK, HAS_FILE, ClosedPairError, Message
from tain.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from tain._core import DirectoryCache
    from tain.daemon.exchange import Place
    from tain.daemon.sections import Section

#: Bytes of an answer.
_MOST = 1 << 20
#: Directories that an answer names.
_MOST_NAMED = 1000
#: Bytes of a job's list of directories.
LIST_LIMIT = 64 << 20
#: Seconds between two looks at the lock of a job that has begun.
_LOOK_AT_JOB = 10.0


def ask(
    places: Iterable[Place], request: dict[str, Any], limit: float, fds: Sequence[int] = ()
) -> list[tuple[Place, dict[str, Any]]]:
    """Ask workers, and return the answers that come within *limit* seconds. *fds*: a file that the request names."""
    import json

    asked: list[tuple[Place, socket.socket]] = []
    for place in places:
        if place.pair is None or place.state == "starting":
            continue
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        flags = HAS_FILE if fds else 0
        message = Message(ASK, flags=flags, body=json.dumps(request).encode(), fds=[theirs.fileno(), *fds])
        try:
            sent = place.pair.send(message)
        except ClosedPairError:
            sent = False
        theirs.close()
        if sent:
            asked.append((place, ours))
        else:
            ours.close()
    end = time.monotonic() + limit
    found = []
    for place, sock in asked:
        with sock:
            data = _read(sock, end)
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError):
            continue
        # A worker may be in the hands of an attacker.
        if isinstance(answer, dict):
            found.append((place, answer))
    return found


def _read(sock: socket.socket, end: float) -> bytes:
    """What a worker sends until it closes its end, up to a limit of time and size."""
    data = bytearray()
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    while len(data) <= _MOST and poll.poll(max(0.0, end - time.monotonic()) * 1000):
        chunk = sock.recv(1 << 16)
        if not chunk:
            return bytes(data)
        data += chunk
    return b""


class Answers:
    """Answers the questions to one worker."""

    def __init__(self, section: Section, cache: DirectoryCache | None) -> None:
        self.section = section
        self.cache = cache
        #: The lock of each job that has begun, by its root. A job without one is looked at no more.
        self._jobs: dict[bytes, int] = {}
        self._lock = threads.lock()

    def take(self, message: Message) -> None:
        """Answer a message; takes its descriptors. A thread."""
        import json

        sock, *rest = message.fds
        message.fds = []
        with _Closing(sock, *rest):
            try:
                answer = self._answer(json.loads(message.body), rest)
            except UsageError as error:
                answer = {"error": str(error)}
            except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            data = memoryview(json.dumps(answer).encode())
            while data:
                try:
                    data = data[os.write(sock, data) :]
                except OSError:
                    # Nobody waits for the answer any more.
                    return

    def _answer(self, request: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        cache, what = self.cache, request["ask"]
        if cache is None:
            return {}
        path = os.fsencode(request.get("path", ""))
        if what == "status":
            return status(self.section, cache)
        if what == "refresh":
            cache.refresh(path)
        elif what == "drop":
            cache.clear()
        elif what == "check":
            checked, differ = cache.check(int(request["sample"]), int(request["random"]))
            names = [os.fsdecode(name) for name in differ[:_MOST_NAMED]]
            return {"checked": checked, "count": len(differ), "differ": names}
        elif what == "begin":
            self._begin(cache, path, fds)
        elif what == "commit":
            self._commit(cache, path, fds[0], os.fsencode(request["below"]))
        elif what == "abort":
            self._forget(path)
            cache.abort(path)
        else:
            raise ValueError(what)
        return {"done": True}

    # ---- jobs

    def _begin(self, cache: DirectoryCache, root: bytes, fds: list[int]) -> None:
        cache.begin(root)
        self._forget(root)
        if not fds:
            return
        lock = os.dup(fds[0])
        with self._lock:
            self._jobs[root] = lock
        try:
            threads.start(self._guard, (root, lock))
        except RuntimeError:
            # Nobody would notice its end.
            self._forget(root)
            cache.abort(root)

    def _commit(self, cache: DirectoryCache, root: bytes, fd: int, below: bytes) -> None:
        """*below*: where this worker's root is in the job's, whose list has paths relative to its own root."""
        self._forget(root)
        try:
            data = os.pread(fd, LIST_LIMIT + 1, 0)
            if len(data) > LIST_LIMIT:
                raise UsageError("the list of directories is too long")
            cache.commit(root, _within(data.split(b"\0"), root, below))
        except (OSError, UsageError):
            # What has changed is unknown.
            cache.abort(root)
            raise

    def _guard(self, work: tuple[bytes, int]) -> None:
        """Wait for the end of a job that sends no commit: its lock is free then. A thread."""
        import fcntl

        root, lock = work
        while True:
            time.sleep(_LOOK_AT_JOB)
            with self._lock:
                if self._jobs.get(root) != lock:
                    return
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError:
                    continue
                fcntl.flock(lock, fcntl.LOCK_UN)
            self._forget(root)
            if self.cache is not None:
                self.cache.abort(root)
            return

    def _forget(self, root: bytes) -> None:
        with self._lock:
            lock = self._jobs.pop(root, -1)
            if lock >= 0:
                os.close(lock)


def _within(names: list[bytes], root: bytes, below: bytes) -> list[bytes]:
    """The directories of a job's list as paths beneath this worker's root. Those that are not below it are left out."""
    found = []
    for name in names:
        path = b"" if name == b"." else name.rstrip(b"/")
        if not below:
            found.append(b"/".join(part for part in (root, path) if part))
        elif path == below:
            found.append(b"")
        elif path.startswith(below + b"/"):
            found.append(path[len(below) + 1 :])
    return found


def status(section: Section, cache: DirectoryCache) -> dict[str, Any]:
    """The figures of a cache, its mode, and for how long a list may differ from the disk."""
    found: dict[str, Any] = dict(cache.status())
    timed = found["fallen"] or listings.mode(section) == b"ttl"
    found["mode"] = listings.mode(section).decode()
    found["bound"] = listings.max_age(section) if timed else 0
    if found["fallen"]:
        found["state"] = "fallen"
    elif not found["directories"]:
        found["state"] = "empty"
    else:
        found["state"] = "filling" if found["stale"] else "valid"
    return found


class _Closing:
    """Closes descriptors at the end of a block."""

    def __init__(self, *fds: int) -> None:
        self.fds = fds

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        for fd in self.fds:
            os.close(fd)

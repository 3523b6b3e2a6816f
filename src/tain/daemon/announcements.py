"""What jobs that write a module announce to a daemon: `begin`, `commit`, `abort`, `full` (`tain cache = told`).

A message is a packet of at most 4 KiB of JSON: `v` (1), `op`, and `root`, the absolute path of the tree. With it goes
one descriptor: for `begin` the file that the job holds locked (`flock`) until it ends, opened anew for reading; for
`commit` the list of the directories with changed entries, relative to the root, each with a NUL behind it, whose xxh128
is `digest`. The daemon opens nothing that a message names. `full` says that another tree is at the root now.
"""

from __future__ import annotations

import os
import socket
import stat
import struct

from tain.daemon import listings, questions
from tain.daemon.admitted import Admitted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from tain.daemon.exchange import Exchange, Place

VERSION = 1
#: Seconds for a message, and for the workers to take it.
_LIMIT = 5.0
_MESSAGE = 4096
_CREDENTIALS = struct.Struct("3i")
#: Descriptors of each kind of message.
_WANTED = {"begin": 1, "commit": 1, "abort": 0, "full": 0}


class RefusedError(Exception):
    """A message that counts for nothing."""


def send(path: bytes, message: dict[str, Any], fds: Sequence[int] = ()) -> dict[str, Any]:
    """Send a message to the daemon that listens on *path*, and return its answer: `workers`, how many have taken it, or
    `error`. Errors: `OSError`."""
    import json

    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with sock:
        sock.settimeout(2 * _LIMIT)
        sock.connect(path)
        socket.send_fds(sock, [json.dumps({"v": VERSION, **message}).encode()], list(fds))
        try:
            found: dict[str, Any] = json.loads(sock.recv(_MESSAGE))
        except ValueError:
            raise OSError("the daemon did not answer") from None
    return found


def receive(sock: socket.socket, exchange: Exchange) -> int:
    """Read a message and pass it to the workers; in a child of the listener. Returns the exit code."""
    import json

    sock.settimeout(_LIMIT)
    _, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    fds: list[int] = []
    try:
        # One more than is allowed: what is cut would be mistaken for something else.
        data, fds, flags, _ = socket.recv_fds(sock, _MESSAGE + 1, 2)
        if len(data) > _MESSAGE or flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise RefusedError("the message is too long")
        answer = _take(json.loads(data), fds, uid, exchange)
    except RefusedError as refused:
        answer = {"error": str(refused)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        answer = {"error": "the message is not understood"}
    finally:
        for fd in fds:
            os.close(fd)
    sock.send(json.dumps({"v": VERSION, **answer}).encode())
    return 0


def _take(message: dict[str, Any], fds: list[int], uid: int, exchange: Exchange) -> dict[str, Any]:
    op, root = message["op"], os.fsencode(message["root"])
    if message["v"] != VERSION or op not in _WANTED:
        raise RefusedError("the message is not understood")
    if len(fds) != _WANTED[op]:
        raise RefusedError(f"{op} needs {_WANTED[op]} descriptors")
    if not root.startswith(b"/"):
        raise RefusedError("the root is not absolute")
    found = list(_concerned(exchange, os.path.realpath(root), uid))
    problem = _problem_of_list(fds[0], message["digest"]) if op == "commit" else ""
    if problem or op == "full":
        # What has changed is unknown.
        op, sent = "abort", []
    else:
        sent = fds
    taken = refused = 0
    for place, path, below in found:
        question = {"ask": op, "path": os.fsdecode(path), "below": os.fsdecode(below)}
        answers = [answer for _, answer in questions.ask([place], question, _LIMIT, sent)]
        taken += answers == [{"done": True}]
        refused += any("error" in answer for answer in answers)
    if problem:
        raise RefusedError(problem)
    return {"workers": taken, "refused": refused}


def _concerned(exchange: Exchange, root: bytes, uid: int) -> Iterator[tuple[Place, bytes, bytes]]:
    """The workers with `tain cache = told` whose module overlaps the job's root and may be announced by the sender: the
    path of the job's root in the module, and that of the module in the job's root."""
    for place in exchange.by_pid.values():
        if place.is_door or place.pair is None:
            continue
        section = Admitted.decode(place.body).section
        if not listings.are_announced(section):
            continue
        own = os.path.realpath(section.text("path"))
        try:
            owner = os.stat(own).st_uid
        except OSError:
            continue
        if uid not in (0, os.geteuid(), owner):
            continue
        inner, outer = _beneath(root, own), _beneath(own, root)
        if inner is not None:
            yield place, inner, b""
        elif outer is not None:
            yield place, b"", outer


def _beneath(path: bytes, root: bytes) -> bytes | None:
    """*path* relative to *root*; None if it is elsewhere. Both are absolute and real."""
    if path == root:
        return b""
    prefix = root.rstrip(b"/") + b"/"
    return path[len(prefix) :] if path.startswith(prefix) else None


def _problem_of_list(fd: int, digest: str) -> str:
    """What is wrong with a list of directories; empty for nothing."""
    from tain import _core

    kind, _, expected = digest.partition(":")
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        return "the list is no regular file"
    if status.st_size > questions.LIST_LIMIT:
        return "the list is too long"
    if kind != "xxh128" or _core.checksum(fd, kind).hex() != expected:
        return "the list is not the one that was announced"
    return ""

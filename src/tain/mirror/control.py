"""The control socket of a server, seen by a command: one line of JSON for the question, and one for the answer."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from typing import Any

from tain.mirror.runs import Layout

_PATIENCE = 30.0

Answer = dict[str, Any]


class NoServer(Exception):
    """No server listens on this state."""


def socket_path(layout: Layout, chosen: str | None) -> str:
    """Where the socket is: the configured place, else the state directory."""
    return chosen or os.path.join(layout.state, "control.sock")


@contextlib.contextmanager
def short_name(path: str) -> Iterator[str]:
    """*path* as a name that fits into the address of a socket, which has room for 107 bytes."""
    fd = os.open(os.path.dirname(path) or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{os.path.basename(path)}"
    finally:
        os.close(fd)


def ask(path: str, question: Answer, timeout: float = _PATIENCE) -> Answer:
    """Ask the server. *timeout*: seconds. Errors: `NoServer`, `OSError`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        try:
            with short_name(path) as name:
                sock.connect(name)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            raise NoServer from None
        sock.sendall(json.dumps(question).encode() + b"\n")
        with sock.makefile("rb") as file:
            line = file.readline()
    try:
        answer = json.loads(line)
    except ValueError:
        raise NoServer from None
    return answer if isinstance(answer, dict) else {}

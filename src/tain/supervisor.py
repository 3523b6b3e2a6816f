"""The supervisor of this process, such as systemd: sockets that it has opened, and messages to it."""

from __future__ import annotations

import os
import socket

from tain.digits import INT_MAX, bounded

_LISTEN_FDS_START = 3


def inherited() -> list[socket.socket]:
    """The listening sockets that a supervisor has opened (``LISTEN_FDS``)."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = os.environ.pop("LISTEN_FDS", "0")
    os.environ.pop("LISTEN_PID", None)
    found = []
    number = bounded(count.encode(), INT_MAX) if count.isascii() and count.isdigit() else 0
    for fd in range(_LISTEN_FDS_START, _LISTEN_FDS_START + number):
        os.set_inheritable(fd, False)
        found.append(socket.socket(fileno=fd))
    return found


def notify(state: str) -> None:
    """Send *state* to the supervisor, if any (``NOTIFY_SOCKET``)."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.sendto(state.encode(), "\0" + path[1:] if path.startswith("@") else path)
        except OSError:
            pass


def watchdog_interval() -> float | None:
    """Seconds after which the supervisor wants to hear from this process (``WATCHDOG_USEC``); None: it does not."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    text = os.environ.get("WATCHDOG_USEC", "")
    number = bounded(text.encode()) if text.isascii() and text.isdigit() else 0
    return number / 1e6 if number else None

"""The ``socket options`` parameter and ``--sockopts`` (spec: daemon 3.1)."""

from __future__ import annotations

import os
import socket

from tain.digits import INT_MAX, bounded
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable

_IPTOS_LOWDELAY, _IPTOS_THROUGHPUT = 0x10, 0x08
# Name: level, option, fixed value (None: the word gives it, and the default is 1).
_OPTIONS: dict[bytes, tuple[int, int, int | None]] = {
    b"SO_KEEPALIVE": (socket.SOL_SOCKET, socket.SO_KEEPALIVE, None),
    b"SO_REUSEADDR": (socket.SOL_SOCKET, socket.SO_REUSEADDR, None),
    b"SO_BROADCAST": (socket.SOL_SOCKET, socket.SO_BROADCAST, None),
    b"TCP_NODELAY": (socket.IPPROTO_TCP, socket.TCP_NODELAY, None),
    b"IPTOS_LOWDELAY": (socket.IPPROTO_IP, socket.IP_TOS, _IPTOS_LOWDELAY),
    b"IPTOS_THROUGHPUT": (socket.IPPROTO_IP, socket.IP_TOS, _IPTOS_THROUGHPUT),
    b"SO_SNDBUF": (socket.SOL_SOCKET, socket.SO_SNDBUF, None),
    b"SO_RCVBUF": (socket.SOL_SOCKET, socket.SO_RCVBUF, None),
    b"SO_SNDLOWAT": (socket.SOL_SOCKET, socket.SO_SNDLOWAT, None),
    b"SO_RCVLOWAT": (socket.SOL_SOCKET, socket.SO_RCVLOWAT, None),
    b"SO_SNDTIMEO": (socket.SOL_SOCKET, socket.SO_SNDTIMEO, None),
    b"SO_RCVTIMEO": (socket.SOL_SOCKET, socket.SO_RCVTIMEO, None),
}


def apply(sock: _socket.socket, text: bytes, warn: Callable[[str], object], *, who: str = "") -> None:
    """Set every option of the list ``NAME[=VALUE]``; *warn* reports those that cannot be set, as from *who*."""
    for word in text.replace(b",", b" ").split():
        name, equals, value = word.partition(b"=")
        shown = os.fsdecode(name)
        row = _OPTIONS.get(name)
        if row is None:
            warn(f"Unknown socket option {shown}")
            continue
        level, option, fixed = row
        if fixed is not None and equals:
            warn(f"syntax error -- {shown} does not take a value")
        number = fixed if fixed is not None else bounded(value, INT_MAX) if value.isdigit() else 0 if equals else 1
        try:
            sock.setsockopt(level, option, number)
        except OSError as error:
            warn(f"rsync: {who}failed to set socket option {shown}: {system_text(error)}")

"""Listening sockets and accepted sockets (spec: daemon 1.5, 1.8)."""

from __future__ import annotations

import os
import socket

from tain.errors import SocketError
from tain.release import RSYNC_VERSION
from tain.system import system_text
from tain.transport import sockopts

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable

    from tain.daemon.log import Log


def bind(
    address: bytes, port: int, family: int, options: bytes, backlog: int, warn: Callable[[str], object]
) -> list[socket.socket]:
    """Open listening sockets on every address of the name. Errors: `SocketError` when not one could be opened."""
    host = os.fsdecode(address) if address else None
    family_number = {4: socket.AF_INET, 6: socket.AF_INET6}.get(family, socket.AF_UNSPEC)
    try:
        found = socket.getaddrinfo(host, port, family_number, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)
    except OSError as error:
        text = error.strerror or str(error)
        raise SocketError(f"rsync: getaddrinfo: bind address {host or '<any>'}: {text}") from None
    sockets: list[socket.socket] = []
    problems: list[str] = []
    for af, kind, proto, _, where in found:
        try:
            sock = socket.socket(af, kind, proto)
        except OSError as error:
            problems.append(f"socket({af:d},{kind:d},{proto:d}) failed: {os.strerror(error.errno or 0)}")
            continue
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sockopts.apply(sock, options, warn, who="[Receiver] ")
        if af == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            sock.bind(where)
        except OSError as error:
            problems.append(f"bind() failed: {os.strerror(error.errno or 0)} (address-family {af:d})")
            sock.close()
            continue
        sockets.append(sock)
    if not sockets:
        raise SocketError("\n".join([*problems, f"unable to bind any inbound sockets on port {port}"]))
    for number, sock in enumerate(sockets):
        try:
            sock.listen(backlog)
        except OSError as error:
            text = f"rsync: [Receiver] listen() on socket failed: {system_text(error)}"
            if number:
                text += "\nTry using --ipv4 or --ipv6 to avoid this listen() error."
            raise SocketError(text) from None
    return sockets


def prepare(sock: _socket.socket, options: bytes, log: Log) -> None:
    """Set the options of an accepted socket. Without TCP_NODELAY each small line of the handshake could take 40 ms."""
    sock.setblocking(True)
    for level, option in ((socket.SOL_SOCKET, socket.SO_KEEPALIVE), (socket.IPPROTO_TCP, socket.TCP_NODELAY)):
        try:
            sock.setsockopt(level, option, 1)
        except OSError:
            pass
    sockopts.apply(sock, options, log.error, who="[Receiver] ")


def started(port: int) -> str:
    return f"rsyncd version {RSYNC_VERSION} starting, listening on port {port}"

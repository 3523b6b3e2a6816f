"""Connections to a daemon through a web proxy or a program (spec: protocol 10.2, options 7)."""

from __future__ import annotations

import errno
import os

from tain.digits import bounded
from tain.errors import SocketError
from tain.escape import printable
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

#: The bytes with which a host may begin, and those it may hold, in a command of RSYNC_CONNECT_PROG (spec: security
#: SEC-36).
_HOST_FIRST = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:")
_HOST = _HOST_FIRST | frozenset(b"-+~%")
#: Longest request that is sent, and one byte more than a line of the proxy may have before its line feed (observed).
_LIMIT = 1023
#: Foreign connections that may be queued before our own, and how many of them are closed before giving up.
_PAIR_BACKLOG = 64
_PAIR_STRANGERS = 1024
#: Encoded credentials from this length on are refused before a request is made of them (observed).
_CREDENTIALS_LIMIT = 1024


class Proxy:
    """``[USER:PASS@]HOST:PORT`` of RSYNC_PROXY. Only the resolver judges the port."""

    __slots__ = ("credentials", "host", "port")

    def __init__(self, text: bytes) -> None:
        login, at, place = text.rpartition(b"@")
        if at and b":" not in login:
            raise SocketError("invalid proxy specification: should be USER:PASS@HOST:PORT")
        host, colon, port = place.partition(b":")
        if not colon:
            raise SocketError("invalid proxy specification: should be HOST:PORT")
        self.host = host
        if port.isdigit() and len(port) > 9:
            # The C library's resolver takes the low 16 bits of a 64-bit number; Python's refuses it.
            port = b"%d" % (bounded(port, (1 << 64) - 1) & 0xFFFF)
        self.port = port
        self.credentials: bytes | None = login if at else None


def request(host: bytes, port: int, credentials: bytes | None) -> bytes:
    """The CONNECT request. Errors: `SocketError` when it would be too long, or the host holds control characters."""
    encoded = b""
    if credentials is not None:
        import base64

        encoded = base64.b64encode(credentials)
        if len(encoded) >= _CREDENTIALS_LIMIT:
            raise SocketError("authentication information is too long")
    if any(char < 0x20 or char == 0x7F for char in host):
        raise SocketError("invalid control character in proxy CONNECT host")
    text = b"CONNECT %s:%d HTTP/1.0\r\n" % (b"[" + host + b"]" if b":" in host else host, port)
    if credentials is not None:
        text += b"Proxy-Authorization: Basic " + encoded + b"\r\n"
    text += b"\r\n"
    if len(text) > _LIMIT:
        raise SocketError("proxy CONNECT request too long")
    return text


def establish(sock: socket.socket, host: bytes, port: int, credentials: bytes | None, *, role: str) -> None:
    """Ask the proxy at the other end of *sock* for a connection to *host*. Errors: `SocketError`."""
    try:
        sock.sendall(request(host, port, credentials))
    except OSError as error:
        raise SocketError(f"rsync: [{role}] failed to write to proxy: {system_text(error)}") from error
    line = _line(sock, "proxy response line too long", role)
    # spec: protocol 10.2
    status = line[5:].lstrip(b"0123456789.")
    if line[:5] != b"HTTP/" or status[:1] != b" " or status.lstrip(b" ")[:1] != b"2":
        raise SocketError(f"bad response from proxy -- {printable(line)}")
    while _line(sock, "proxy response header line too long", role):
        pass


def _line(sock: socket.socket, too_long: str, role: str) -> bytes:
    """One header line. Read byte by byte: what follows the last one belongs to the daemon."""
    line = bytearray()
    while True:
        try:
            char = sock.recv(1)
        except OSError as error:
            raise SocketError(f"rsync: [{role}] failed to read from proxy: {system_text(error)}") from error
        if not char:
            # No call has failed. rsync adds the error number that its connect() left behind; users know that line.
            raise SocketError(f"rsync: [{role}] failed to read from proxy: {system_text(errno.EINPROGRESS)}")
        if char == b"\n":
            return bytes(line.removesuffix(b"\r"))
        line += char
        if len(line) >= _LIMIT:
            raise SocketError(too_long)


def program_command(template: bytes, host: bytes) -> bytes:
    """RSYNC_CONNECT_PROG with ``%H`` replaced by the host in single quotes, and ``%%`` by a percent sign.

    Errors: `SocketError` for a host with characters that a shell may interpret. Quotes alone do not help: the template
    may pass the word to another shell. Any percent sign in the template triggers the check, as in rsync (observed).
    """
    if b"%" in template and not (host and host[0] in _HOST_FIRST and _HOST.issuperset(host)):
        raise SocketError("unsafe host characters for RSYNC_CONNECT_PROG")
    quoted = b"'" + host + b"'"
    out = bytearray()
    at = 0
    while at < len(template):
        pair = template[at : at + 2]
        if pair == b"%H":
            out += quoted
            at += 2
        elif pair == b"%%":
            out += b"%"
            at += 2
        else:
            out += template[at : at + 1]
            at += 1
    return bytes(out)


def connected_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a TCP connection over the loopback interface. Errors: `OSError`.

    A daemon at one of them sees a peer with an address, as with any connection. For a moment any process of this
    machine can connect to the listener, so only a connection from our own port is accepted.
    """
    import socket

    ours = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(_PAIR_BACKLOG)
            # Without blocking: foreign connections may fill the queue, and only accept() empties it.
            ours.setblocking(False)
            number = ours.connect_ex(listener.getsockname())
            if number not in (0, errno.EINPROGRESS):
                raise OSError(number, os.strerror(number))
            own = ours.getsockname()
            for _ in range(_PAIR_STRANGERS):
                theirs, peer = listener.accept()
                if peer == own:
                    break
                theirs.close()
            else:
                raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        ours.setblocking(True)
        for end in (ours, theirs):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        ours.close()
        raise
    return ours, theirs


def run_program(template: bytes, host: bytes, environ: Mapping[bytes, bytes], *, role: str) -> int:
    """Start the program of RSYNC_CONNECT_PROG on one end of a connection; returns the descriptor of the other end.

    The program is not waited for: it ends with its connection.
    """
    import signal

    command = program_command(template, host)
    try:
        ours, theirs = connected_pair()
    except OSError as error:
        raise SocketError(f"rsync: [{role}] socketpair_tcp failed: {system_text(error)}") from error
    shell = environ.get(b"RSYNC_SHELL") or b"sh"
    argv = [shell, b"-c", command]
    actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0), (os.POSIX_SPAWN_DUP2, theirs.fileno(), 1)]
    try:
        os.posix_spawnp(shell, argv, dict(environ), file_actions=actions, setsigdef=[signal.SIGPIPE])
    except OSError as error:
        ours.close()
        raise SocketError(f"rsync: Failed to exec {printable(shell)}: {system_text(error)}") from error
    finally:
        theirs.close()
    return ours.detach()

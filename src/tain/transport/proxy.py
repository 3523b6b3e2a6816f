"""Ways to a daemon that are not a plain connection: a web proxy, a program (spec: protocol 10.2, options 7)."""

from __future__ import annotations

import os

from tain.errors import SocketError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

#: Longest request or line of a proxy (spec: protocol 12).
_LIMIT = 1023


class Proxy:
    """``[USER:PASS@]HOST:PORT`` of RSYNC_PROXY."""

    __slots__ = ("credentials", "host", "port")

    def __init__(self, text: bytes) -> None:
        login, at, place = text.rpartition(b"@")
        host, colon, port = place.rpartition(b":")
        if not colon or not host or not port.isdigit():
            raise SocketError("invalid proxy specification: should be HOST:PORT")
        if at and b":" not in login:
            raise SocketError("invalid proxy specification: should be USER:PASS@HOST:PORT")
        self.host = host
        self.port = int(port)
        self.credentials: bytes | None = login if at else None


def request(host: bytes, port: int, credentials: bytes | None) -> bytes:
    """The CONNECT request. Errors: `SocketError` when it would be too long, or the host holds control characters."""
    if any(char < 0x21 or char == 0x7F for char in host):
        raise SocketError("invalid hostname for the proxy")
    text = b"CONNECT %s:%d HTTP/1.0\r\n" % (b"[" + host + b"]" if b":" in host else host, port)
    if credentials is not None:
        import base64

        text += b"Proxy-Authorization: Basic " + base64.b64encode(credentials) + b"\r\n"
    text += b"\r\n"
    if len(text) > _LIMIT:
        raise SocketError("the proxy request is too long")
    return text


def establish(sock: socket.socket, host: bytes, port: int, credentials: bytes | None) -> None:
    """Have the proxy at the other end of *sock* connect us to *host*."""
    try:
        sock.sendall(request(host, port, credentials))
    except OSError as error:
        raise SocketError(f"failed to write to proxy: {os.strerror(error.errno or 0)} ({error.errno})") from error
    line = _line(sock)
    version, _, status = line.partition(b" ")
    digits = version.removeprefix(b"HTTP/")
    if digits == version or not digits.replace(b".", b"").isdigit() or not status.lstrip(b" ").startswith(b"2"):
        raise SocketError(f"bad response from proxy -- {line.decode('utf-8', 'backslashreplace')}")
    while _line(sock):
        pass


def _line(sock: socket.socket) -> bytes:
    """One header line. Read byte by byte: what follows the last one belongs to the daemon."""
    line = bytearray()
    while True:
        try:
            char = sock.recv(1)
        except OSError as error:
            raise SocketError(f"failed to read from proxy: {os.strerror(error.errno or 0)} ({error.errno})") from error
        if not char:
            raise SocketError("failed to read from proxy")
        if char == b"\n":
            return bytes(line.removesuffix(b"\r"))
        line += char
        if len(line) > _LIMIT:
            raise SocketError("proxy response line too long")


def program_command(template: bytes, host: bytes) -> bytes:
    """RSYNC_CONNECT_PROG with ``%H`` replaced by the host in single quotes, and ``%%`` by a percent sign."""
    quoted = b"'" + host.replace(b"'", b"'\\''") + b"'"
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


def run_program(template: bytes, host: bytes, environ: Mapping[bytes, bytes]) -> int:
    """Start the program of RSYNC_CONNECT_PROG on one end of a socket pair; returns the descriptor of the other.

    Nobody waits for it: it ends with its connection.
    """
    import signal
    import socket

    ours, theirs = socket.socketpair()
    shell = environ.get(b"RSYNC_SHELL") or b"sh"
    argv = [shell, b"-c", program_command(template, host)]
    actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0), (os.POSIX_SPAWN_DUP2, theirs.fileno(), 1)]
    try:
        os.posix_spawnp(shell, argv, dict(environ), file_actions=actions, setsigdef=[signal.SIGPIPE])
    except OSError as error:
        ours.close()
        number = error.errno or 0
        raise SocketError(f"rsync: Failed to exec {os.fsdecode(shell)}: {os.strerror(number)} ({number})") from error
    finally:
        theirs.close()
    return ours.detach()

"""Host names of peers, found out within a bound (spec: daemon 5, security SEC-30).

A resolver cannot be interrupted, so every look-up runs in a helper process that is killed when it takes too long. The
helper is a fork, not a thread: a thread stuck in the resolver would live on through chroot and the change of user.
"""

from __future__ import annotations

import _socket as socket
import marshal
import os
import select
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

UNKNOWN = b"UNKNOWN"
UNDETERMINED = b"UNDETERMINED"


def plain_address(address: str) -> str:
    """IPv4-mapped IPv6 addresses are IPv4 addresses here."""
    if address.lower().startswith("::ffff:") and "." in address:
        return address[7:]
    return address


class Resolver:
    """Look-ups with a time limit in seconds. Results are plain text; nothing is remembered."""

    def __init__(self, limit: float = 5.0) -> None:
        self.limit = limit

    def reverse(self, address: str) -> tuple[bytes, str]:
        """The name of a peer, verified forward, or ``UNKNOWN``; and the line to log when there is none."""
        if address == "0.0.0.0":
            return UNKNOWN, ""
        answer = _bounded(_reverse, address, self.limit)
        if answer is None:
            return UNKNOWN, f"name lookup failed for {address}: timed out"
        name, problem = answer
        return os.fsencode(name), problem

    def addresses(self, name: bytes) -> list[str] | None:
        """All addresses of a name, or None when that could not be found out."""
        answer = _bounded(_forward, _ascii_name(name), self.limit)
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


def _bounded(function: Callable[[str], Any], argument: str, limit: float) -> Any:
    """``function(argument)`` from a child process, or None when it is not there after ``limit`` seconds."""
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
        if not select.select([read_fd], [], [], limit)[0]:
            os.kill(pid, signal.SIGKILL)
            return None
        data = b""
        while chunk := os.read(read_fd, 65536):
            data += chunk
        return marshal.loads(data) if data else None
    finally:
        os.close(read_fd)
        os.waitpid(pid, 0)

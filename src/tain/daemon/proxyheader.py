"""The PROXY header of a connection, versions 1 and 2 (spec: daemon 4.2, protocol 10.1, security SEC-33)."""

from __future__ import annotations

import _socket as socket

from tain.digits import bounded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Source(Protocol):
        def read_exact(self, count: int) -> bytes: ...


_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_V1_LIMIT = 107
_V2_LIMIT = 4096


class BadHeaderError(Exception):
    """The header is malformed: close the connection without an answer."""


def read(source: Source) -> str | None:
    """The address of the real peer, or None to keep the socket's. Errors: `BadHeaderError`."""
    # Both versions have longer headers, and these bytes tell them apart.
    start = source.read_exact(6)
    if start == b"PROXY ":
        return _version1(source, start)
    if start == _SIGNATURE[:6]:
        return _version2(source, start)
    raise BadHeaderError


def _version1(source: Source, line: bytes) -> str | None:
    while not line.endswith(b"\n"):
        if len(line) >= _V1_LIMIT:
            raise BadHeaderError
        line += source.read_exact(1)
    if not line.endswith(b"\r\n") or b"\0" in line:
        raise BadHeaderError
    words = line[:-2].split(b" ")
    if words[1] == b"UNKNOWN":
        return None
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise BadHeaderError
    family = socket.AF_INET if words[1] == b"TCP4" else socket.AF_INET6
    try:
        packed = [socket.inet_pton(family, word.decode("ascii")) for word in words[2:4]]
    except (OSError, UnicodeError):
        raise BadHeaderError from None
    for port in words[4:]:
        if not port.isdigit() or not 0 < bounded(port) < 65536:
            raise BadHeaderError
    return socket.inet_ntop(family, packed[0])


def _version2(source: Source, start: bytes) -> str | None:
    head = start + source.read_exact(10)
    length = int.from_bytes(head[14:16], "big")
    if head[:12] != _SIGNATURE or head[12] >> 4 != 2 or length > _V2_LIMIT - len(head):
        raise BadHeaderError
    body = source.read_exact(length)
    command, family = head[12] & 15, head[13]
    if command == 0:
        return None
    if command != 1:
        raise BadHeaderError
    if family == 0x11:
        _check_extra(body, 12)
        return socket.inet_ntop(socket.AF_INET, body[:4])
    if family == 0x21:
        _check_extra(body, 36)
        return socket.inet_ntop(socket.AF_INET6, body[:16])
    return None


def _check_extra(body: bytes, fixed: int) -> None:
    """Check the type-length-value triples behind the addresses. Errors: `BadHeaderError`."""
    if len(body) < fixed:
        raise BadHeaderError
    at = fixed
    while at < len(body):
        if at + 3 > len(body):
            raise BadHeaderError
        at += 3 + int.from_bytes(body[at + 1 : at + 3], "big")
    if at != len(body):
        raise BadHeaderError

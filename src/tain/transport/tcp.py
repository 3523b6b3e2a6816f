"""TCP to a daemon (spec: options 2.5 and 7, output 14.6)."""

from __future__ import annotations

import os
import socket
import time

from tain.errors import ConnectTimeout, SocketError, UsageError
from tain.escape import printable
from tain.system import system_text
from tain.transport import proxy, sockopts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: The daemon's port.
PORT = 873


class Connector:
    """How to reach a daemon; `connect` returns a descriptor that the caller owns."""

    def __init__(
        self,
        *,
        environ: Mapping[bytes, bytes],
        role: str,
        warn: Callable[[bytes], None],
        trace: Callable[[str], None] | None = None,
        contimeout: int = 0,
        address: bytes | None = None,
        family: int = 0,
        sockopts: bytes | None = None,
    ) -> None:
        """*trace* receives the line of ``--debug=CONNECT2``. *family* is 0, 4 or 6; *contimeout* is in seconds."""
        self._environ = environ
        self._role = role
        self._warn = warn
        self._trace = trace
        self._contimeout = contimeout
        self._address = address
        self._family = {4: socket.AF_INET, 6: socket.AF_INET6}.get(family, socket.AF_UNSPEC)
        self._sockopts = sockopts

    def connect(self, host: bytes, port: int) -> int:
        """Errors: `SocketError` and `ConnectTimeout`, complete with rsync's texts."""
        program = self._environ.get(b"RSYNC_CONNECT_PROG")
        if program:
            return proxy.run_program(program, host, self._environ, role=self._role)
        through = self._environ.get(b"RSYNC_PROXY")
        if through:
            via = proxy.Proxy(through)
            sock = self._open(via.host, via.port)
            try:
                proxy.establish(sock, host, port, via.credentials, role=self._role)
            except SocketError:
                sock.close()
                raise
        else:
            sock = self._open(host, port)
        return sock.detach()

    def _open(self, host: bytes, port: int | bytes) -> socket.socket:
        """*port* is a number, or text that only the resolver judges (RSYNC_PROXY)."""
        try:
            found = socket.getaddrinfo(host, port, self._family, socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "Name or service not known"
            service = port if isinstance(port, int) else printable(port)
            raise SocketError(f"rsync: getaddrinfo: {printable(host)} {service}: {reason}") from error
        deadline = time.monotonic() + self._contimeout if self._contimeout > 0 else None
        failures: list[str] = []
        for family, kind, number, _, place in found:
            sock = socket.socket(family, kind, number)
            try:
                if self._connect_one(sock, family, place, deadline):
                    if self._trace is not None:
                        self._trace(f"Connected to {printable(host)} ({place[0]})")
                    return sock
                sock.close()
            except TimeoutError as error:
                sock.close()
                raise ConnectTimeout("") from error
            except OSError as error:
                sock.close()
                where = f"{printable(host)} ({place[0]})"
                failures.append(f"rsync: [{self._role}] failed to connect to {where}: {system_text(error)}")
        raise SocketError("\n".join(failures))

    def _connect_one(self, sock: socket.socket, family: int, place: tuple[object, ...], deadline: float | None) -> bool:
        """False when the address of ``--address`` does not fit the family of the peer's."""
        if self._address is not None and not self._bind(sock, family):
            return False
        if self._sockopts is not None:
            sockopts.apply(sock, self._sockopts, lambda line: self._warn(os.fsencode(line) + b"\n"))
        if deadline is not None:
            # settimeout(0) would make the socket non-blocking.
            sock.settimeout(max(deadline - time.monotonic(), 0.001))
        sock.connect(place)
        sock.settimeout(None)
        # Requests are small and each waits for its answer (rsync loses up to 40 ms here).
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            pass
        return True

    def _bind(self, sock: socket.socket, family: int) -> bool:
        assert self._address is not None
        try:
            found = socket.getaddrinfo(self._address, None, family, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)
        except socket.gaierror as error:
            if error.errno == getattr(socket, "EAI_ADDRFAMILY", None):
                return False
            raise SocketError(f"rsync: getaddrinfo {printable(self._address)}: {error.strerror}") from error
        for _, _, _, _, place in found:
            try:
                sock.bind(place)
            except OSError:
                continue
            return True
        return False


def address_of(fd: int) -> tuple[str, int] | None:
    """The numeric address and the port at the other end of a connection; None if it is no TCP connection."""
    sock = socket.socket(fileno=fd)
    try:
        name = sock.getpeername()
    except OSError:
        return None
    finally:
        sock.detach()
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else None


def parse_port(port: int) -> int:
    """The port in force: 0 means the default. Errors: `UsageError` for a negative number."""
    if port < 0:
        raise UsageError(f"invalid port number: {port}")
    # The resolver takes the low 16 bits, and so does rsync.
    return port & 0xFFFF if port else PORT

"""A `tain._core.Link` in pure Python, for handshakes over any two descriptors."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tain._core import varint
from tain.errors import StreamError

if TYPE_CHECKING:
    from tain.session.handshake import HandshakeLink


class FakeLink:
    """Reads and writes block. It parses frames once multiplexing has started."""

    def __init__(
        self, read_fd: int, write_fd: int, *, timeout: int = 0, bwlimit: int = 0, role: str = "client"
    ) -> None:
        self._read_fd = os.dup(read_fd)
        self._write_fd = os.dup(write_fd)
        self.role = role
        self.protocol = 0
        self.bytes_read = self.bytes_written = 0
        self.mux_in = self.mux_out = False
        self._out = bytearray()
        self._data = bytearray()
        self.messages: list[tuple[int, bytes]] = []

    def close(self) -> None:
        os.close(self._read_fd)
        os.close(self._write_fd)

    def _raw(self, n: int) -> bytes:
        self.flush()
        out = b""
        while len(out) < n:
            piece = os.read(self._read_fd, n - len(out))
            if not piece:
                raise StreamError("connection unexpectedly closed")
            out += piece
        return out

    def read(self, n: int) -> bytes:
        if not self.mux_in:
            return self._raw(n)
        while len(self._data) < n:
            header = int.from_bytes(self._raw(4), "little")
            payload = self._raw(header & 0xFFFFFF)
            tag = (header >> 24) - 7
            if tag == 0:
                self._data += payload
            else:
                self.messages.append((tag, payload))
        out = bytes(self._data[:n])
        del self._data[:n]
        return out

    def read_line(self, limit: int) -> bytes:
        line = bytearray()
        while True:
            try:
                char = self.read(1)
            except (StreamError, OSError):
                raise StreamError("") from None
            if char == b"\n":
                return bytes(line)
            if char != b"\r":
                line += char

    def write(self, data: bytes) -> None:
        if self.mux_out:
            self._out += (len(data) | 7 << 24).to_bytes(4, "little")
        self._out += data

    def flush(self) -> None:
        data = bytes(self._out)
        self._out.clear()
        while data:
            try:
                data = data[os.write(self._write_fd, data) :]
            except OSError as error:
                raise StreamError(f"safe_write failed: {error.strerror}") from error

    def read_byte(self) -> int:
        return self.read(1)[0]

    def read_int(self) -> int:
        return int.from_bytes(self.read(4), "little", signed=True)

    def read_varint(self) -> int:
        first = self.read_byte()
        extra = 0
        while first & (0x80 >> extra):
            extra += 1
        rest = self.read(extra)
        top = first & ((1 << (8 - extra)) - 1) if extra else first
        value = int.from_bytes(rest, "little") | (top << (8 * extra) if extra < 4 else 0)
        return value & 0xFFFFFFFF

    def read_vstring(self, limit: int) -> bytes:
        length = self.read_byte()
        if length & 0x80:
            length = (length & 0x7F) * 256 + self.read_byte()
        assert length <= limit
        return self.read(length)

    def write_byte(self, value: int) -> None:
        self.write(bytes((value,)))

    def write_int(self, value: int) -> None:
        self.write((value & 0xFFFFFFFF).to_bytes(4, "little"))

    def write_varint(self, value: int) -> None:
        self.write(varint(value))

    def write_vstring(self, data: bytes) -> None:
        size = len(data)
        self.write((bytes((size,)) if size < 128 else bytes((size >> 8 | 0x80, size & 0xFF))) + data)

    def start_counting(self) -> None: ...

    def start_mux_in(self) -> None:
        self.mux_in = True

    def start_mux_out(self) -> None:
        self.mux_out = True

    def message(self, tag: int, payload: bytes) -> None:
        if self.mux_out:
            self._out += (len(payload) | (7 + tag) << 24).to_bytes(4, "little") + payload

    def set_timeout(self, seconds: int) -> None: ...
    def set_bwlimit(self, bytes_per_second: int) -> None: ...

    def set_protocol(self, protocol: int) -> None:
        self.protocol = protocol

    def set_role(self, role: str) -> None:
        self.role = role

    def drain(self, seconds: float, limit: int) -> None:
        self.flush()


if TYPE_CHECKING:

    def _as_handshake_link(link: FakeLink) -> HandshakeLink:
        """The type checker holds the fake to the interface of the handshake."""
        return link

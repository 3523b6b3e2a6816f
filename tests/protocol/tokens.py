"""Streams of file data (spec: protocol 7), in plain Python: plain, zlib, zlibx and lz4. (zstd is not in the library of
Python 3.11; tests/protocol/test_tables.py checks its frames by their magic.)"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from tests.protocol.ints import Broken, Source, byte, int32, put_int32

Step = bytes | tuple[int, int]
"""Literal bytes, or (first block, how many)."""


def lz4_block(data: bytes) -> bytes:
    out, at = bytearray(), 0

    def length(n: int) -> int:
        nonlocal at
        while n >= 15 and (more := data[at]) is not None:
            at += 1
            n += more
            if more != 255:
                break
        return n

    while at < len(data):
        token = data[at]
        at += 1
        n = length(token >> 4)
        out += data[at : at + n]
        at += n
        if at >= len(data):
            break
        offset = int.from_bytes(data[at : at + 2], "little")
        at += 2
        n = length(token & 15) + 4
        if not 0 < offset <= len(out):
            raise Broken("lz4 offset")
        for _ in range(n):
            out.append(out[-offset])
    return bytes(out)


def lz4_literal(data: bytes) -> bytes:
    """An LZ4 block without matches."""
    n = len(data)
    head = bytes([min(n, 15) << 4])
    if n >= 15:
        head += b"\xff" * ((n - 15) // 255) + bytes([(n - 15) % 255])
    return head + data


class Inflater:
    """The literal data of one file: raw deflate; each flush lost its last four bytes."""

    def __init__(self) -> None:
        self.stream = zlib.decompressobj(-15)
        self.open = False

    def feed(self, piece: bytes) -> bytes:
        self.open = True
        return self.stream.decompress(piece)

    def finish(self) -> bytes:
        was, self.open = self.open, False
        return self.stream.decompress(b"\0\0\xff\xff") if was else b""

    def enter(self, block: bytes, repeat: bool) -> None:
        """A matched block becomes part of the history (zlib only)."""
        for at in range(0, len(block), 65535):
            part = block[at : at + 65535]
            part = block[: len(part)] if repeat else part
            head = b"\0" + len(part).to_bytes(2, "little") + (len(part) ^ 0xFFFF).to_bytes(2, "little")
            self.stream.decompress(head + part)


def read_tokens(src: Source, kind: str, block: Callable[[int], bytes], p: int = 32) -> list[Step]:
    """The steps of one file up to its end mark; `block` gives the data of a basis block."""
    if kind == "none":
        return read_plain(src)
    found: list[Step] = []
    inflater, last = Inflater(), 0

    def literal(data: bytes) -> None:
        if data:
            found.append(data)

    while True:
        flag = byte(src)
        if flag & 0xC0 == 0x40:
            piece = src.read((flag & 0x3F) << 8 | byte(src))
            literal(lz4_block(piece) if kind == "lz4" else inflater.feed(piece))
            continue
        if kind != "lz4":
            literal(inflater.finish())
        if flag == 0:
            return found
        if flag & 0x80:
            last += flag & 0x3F
        else:
            last = int32(src)
        first, more = last, 0
        if flag & 0xC0 == 0xC0 or flag == 0x21:
            more = int.from_bytes(src.read(2), "little")
            last += more
        found.append((first, more + 1))
        if kind == "zlib":
            for n in range(first, first + more + 1):
                inflater.enter(block(n), p < 31)


def read_plain(src: Source) -> list[Step]:
    found: list[Step] = []
    while n := int32(src):
        if n > 0:
            found.append(src.read(n))
        else:
            found.append((-(n + 1), 1))
    return found


def put_tokens(steps: list[Step], kind: str, block: Callable[[int], bytes], p: int = 32, level: int = 6) -> bytes:
    """The bytes of one file, end mark included."""
    if kind == "none":
        return put_plain(steps)
    out = b""
    deflate, last = zlib.compressobj(level, zlib.DEFLATED, -15), 0

    def data(piece: bytes) -> bytes:
        parts = [piece[n : n + 16383] for n in range(0, len(piece), 16383)]
        return b"".join(bytes([0x40 | len(x) >> 8, len(x) & 0xFF]) + x for x in parts)

    merged: list[Step] = []
    for step in steps:
        if isinstance(step, bytes) and merged and isinstance(merged[-1], bytes):
            merged[-1] += step
        else:
            merged.append(step)
    for step in merged:
        if isinstance(step, bytes):
            if kind == "lz4":
                out += b"".join(data(lz4_literal(step[n : n + 16000])) for n in range(0, len(step), 16000))
            else:
                flushed = deflate.compress(step) + deflate.flush(zlib.Z_SYNC_FLUSH)
                assert flushed.endswith(b"\0\0\xff\xff")
                out += data(flushed[:-4])
            continue
        first, count = step
        near = 0 <= first - last <= 63
        run = count > 1
        out += bytes([(0xC0 if run else 0x80) | (first - last)]) if near else bytes([0x21 if run else 0x20])
        out += b"" if near else put_int32(first)
        out += (count - 1).to_bytes(2, "little") if run else b""
        last = first + count - 1
        if kind == "zlib":
            for n in range(first, first + count):
                whole = block(n)
                for at in range(0, len(whole), 65535):
                    part = whole[at : at + 65535]
                    deflate.compress(whole[: len(part)] if p < 31 else part)
                    deflate.flush(zlib.Z_SYNC_FLUSH)
    return out + b"\0"


def put_plain(steps: list[Step]) -> bytes:
    out = b""
    for step in steps:
        if isinstance(step, bytes):
            parts = [step[n : n + 32768] for n in range(0, len(step), 32768)]
            out += b"".join(put_int32(len(x)) + x for x in parts)
        else:
            out += b"".join(put_int32(-(n + 1)) for n in range(step[0], step[0] + step[1]))
    return out + put_int32(0)

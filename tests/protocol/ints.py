"""The primitive encodings (spec: protocol 4) and the digests (spec: protocol 8), in plain Python.

A source is anything with `read(n)`; `Bytes` is one over a byte string.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Protocol

M64 = (1 << 64) - 1


class Broken(Exception):
    """The peer sent what this client cannot read."""


class Source(Protocol):
    def read(self, n: int) -> bytes: ...


class Bytes:
    """A source over a byte string."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def read(self, n: int) -> bytes:
        part = self.data[self.at : self.at + n]
        if len(part) < n:
            raise Broken(f"{n} bytes wanted, {len(part)} left")
        self.at += n
        return part

    @property
    def rest(self) -> bytes:
        return self.data[self.at :]


def byte(src: Source) -> int:
    return src.read(1)[0]


def put_byte(v: int) -> bytes:
    return bytes([v])


def shortint(src: Source) -> int:
    return int.from_bytes(src.read(2), "little")


def put_shortint(v: int) -> bytes:
    return v.to_bytes(2, "little")


def int32(src: Source) -> int:
    return int.from_bytes(src.read(4), "little", signed=True)


def put_int32(v: int) -> bytes:
    return (v & 0xFFFFFFFF).to_bytes(4, "little")


def _extra(first: int) -> int:
    for n, top in enumerate((0x80, 0xC0, 0xE0, 0xF0, 0xF8, 0xFC)):
        if first < top:
            return n
    return 6


def varint(src: Source) -> int:
    first = byte(src)
    n = _extra(first)
    if n > 4:
        raise Broken("varint")
    value = int.from_bytes(src.read(n), "little") | (first & (0xFF >> (n + 1)) if n else first) << 8 * n
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value & 0x80000000 else value


def put_varint(v: int) -> bytes:
    v &= 0xFFFFFFFF
    b = v.to_bytes(max(1, (v.bit_length() + 7) // 8), "little")
    k = len(b)
    prefix = (0, 0x80, 0xC0, 0xE0, 0xF0)
    if b[-1] < 1 << (8 - k):
        return bytes([b[-1] | prefix[k - 1]]) + b[:-1]
    return bytes([prefix[k]]) + b


def varlong(src: Source, m: int) -> int:
    first = byte(src)
    low = src.read(m - 1)
    n = _extra(first)
    if m + n > 9:
        raise Broken("varlong")
    low += src.read(n)
    top = first & (0xFF >> (n + 1)) if n else first
    value = (int.from_bytes(low, "little") | top << 8 * len(low)) & M64
    return value - (1 << 64) if value >> 63 else value


def put_varlong(v: int, m: int) -> bytes:
    b = (v & M64).to_bytes(8, "little")
    k = 8
    while k > m and b[k - 1] == 0:
        k -= 1
    prefix = (0, 0x80, 0xC0, 0xE0, 0xF0, 0xF8, 0xFC)
    if b[k - 1] < 1 << (7 - (k - m)):
        return bytes([b[k - 1] | prefix[k - m]]) + b[: k - 1]
    return bytes([prefix[k - m + 1]]) + b[:k]


def longint(src: Source) -> int:
    v = int32(src)
    return v if v != -1 else int.from_bytes(src.read(8), "little", signed=True)


def put_longint(v: int) -> bytes:
    return put_int32(v) if 0 <= v <= 0x7FFFFFFF else b"\xff" * 4 + (v & M64).to_bytes(8, "little")


def x30int(src: Source, p: int) -> int:
    return varint(src) if p >= 30 else int32(src)


def put_x30int(v: int, p: int) -> bytes:
    return put_varint(v) if p >= 30 else put_int32(v)


def x30long(src: Source, p: int, m: int = 3) -> int:
    return varlong(src, m) if p >= 30 else longint(src)


def put_x30long(v: int, p: int, m: int = 3) -> bytes:
    return put_varlong(v, m) if p >= 30 else put_longint(v)


def vstring(src: Source) -> bytes:
    n = byte(src)
    if n & 0x80:
        n = (n & 0x7F) << 8 | byte(src)
    return src.read(n)


def put_vstring(v: bytes) -> bytes:
    n = len(v)
    return (bytes([n]) if n < 0x80 else bytes([0x80 | n >> 8, n & 0xFF])) + v


class Ndx:
    """One direction's file indices (spec: protocol 4.8)."""

    def __init__(self, p: int) -> None:
        self.p, self.pos, self.neg = p, -1, 1

    def put(self, n: int) -> bytes:
        if self.p < 30:
            return put_int32(n)
        if n == -1:
            return b"\0"
        lead = b""
        if n >= 0:
            d, self.pos = n - self.pos, n
        else:
            lead, n = b"\xff", -n
            d, self.neg = n - self.neg, n
        if 1 <= d <= 253:
            return lead + bytes([d])
        if d == 0 or 254 <= d <= 32767:
            return lead + bytes([0xFE, d >> 8, d & 0xFF])
        return lead + bytes([0xFE, 0x80 | n >> 24, n & 0xFF, n >> 8 & 0xFF, n >> 16 & 0xFF])

    def read(self, src: Source) -> int:
        if self.p < 30:
            return int32(src)
        c = byte(src)
        if c == 0:
            return -1
        negative = c == 0xFF
        if negative:
            c = byte(src)
        prev = self.neg if negative else self.pos
        if c == 0xFE:
            a, b = src.read(2)
            n = (a & 0x7F) << 24 | b | byte(src) << 8 | byte(src) << 16 if a & 0x80 else prev + (a << 8 | b)
        else:
            n = prev + c
        if negative:
            self.neg = n
            return -n
        self.pos = n
        return n


# ---- sums


def rolling(data: bytes) -> int:
    """spec: protocol 8.1"""
    s1 = s2 = 0
    for x in data:
        s1 += x - 256 if x > 127 else x
        s2 += s1
    return (s1 & 0xFFFF) | (s2 & 0xFFFF) << 16


def md4(data: bytes, unpadded: bool = False) -> bytes:
    """Plain MD4 (RFC 1320); hashlib has it only where OpenSSL's old provider is loaded. `unpadded`: as below protocol
    27 (spec: protocol-old 8.1)."""
    a0, b0, c0, d0 = 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476
    size = len(data)
    if not unpadded or size % 64:
        bits = size * 8 & (0xFFFFFFFF if unpadded else M64)
        data += b"\x80" + bytes((55 - size) % 64) + struct.pack("<Q", bits)

    def rol(v: int, s: int) -> int:
        v &= 0xFFFFFFFF
        return (v << s | v >> (32 - s)) & 0xFFFFFFFF

    for at in range(0, len(data), 64):
        x = struct.unpack("<16I", data[at : at + 64])
        a, b, c, d = a0, b0, c0, d0
        for i in range(16):
            a, b, c, d = d, rol(a + (b & c | ~b & d) + x[i], (3, 7, 11, 19)[i % 4]), b, c
        for i in range(16):
            k = i % 4 * 4 + i // 4
            a, b, c, d = d, rol(a + (b & c | b & d | c & d) + x[k] + 0x5A827999, (3, 5, 9, 13)[i % 4]), b, c
        for i in range(16):
            k = (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15)[i]
            a, b, c, d = d, rol(a + (b ^ c ^ d) + x[k] + 0x6ED9EBA1, (3, 9, 11, 15)[i % 4]), b, c
        a0, b0, c0, d0 = (a0 + a) & 0xFFFFFFFF, (b0 + b) & 0xFFFFFFFF, (c0 + c) & 0xFFFFFFFF, (d0 + d) & 0xFFFFFFFF
    return struct.pack("<4I", a0, b0, c0, d0)


def xxh64(data: bytes, seed: int = 0) -> bytes:
    """XXH64 in wire order: the value, little-endian."""
    p1, p2, p3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
    p4, p5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
    seed &= M64

    def rol(v: int, s: int) -> int:
        v &= M64
        return (v << s | v >> (64 - s)) & M64

    def turn(acc: int, lane: int) -> int:
        return rol(acc + lane * p2, 31) * p1 & M64

    at, n = 0, len(data)
    if n >= 32:
        v = [seed + p1 + p2, seed + p2, seed, seed - p1]
        while at + 32 <= n:
            v = [turn(a, lane) for a, lane in zip(v, struct.unpack_from("<4Q", data, at), strict=True)]
            at += 32
        h = rol(v[0], 1) + rol(v[1], 7) + rol(v[2], 12) + rol(v[3], 18)
        for a in v:
            h = ((h ^ turn(0, a)) * p1 + p4) & M64
    else:
        h = (seed + p5) & M64
    h = (h + n) & M64
    while at + 8 <= n:
        h = (rol(h ^ turn(0, struct.unpack_from("<Q", data, at)[0]), 27) * p1 + p4) & M64
        at += 8
    if at + 4 <= n:
        h = (rol(h ^ struct.unpack_from("<I", data, at)[0] * p1, 23) * p2 + p3) & M64
        at += 4
    for x in data[at:]:
        h = rol(h ^ x * p5, 11) * p1 & M64
    h = (h ^ h >> 33) * p2 & M64
    h = (h ^ h >> 29) * p3 & M64
    return struct.pack("<Q", h ^ h >> 32)


DIGEST_LENGTH = {"md4": 16, "md4-old": 16, "md4-unpadded": 16, "md5": 16, "sha1": 20, "xxh64": 8, "none": 1}


def plain_sum(name: str, data: bytes) -> bytes:
    """The sum of `--checksum`: never seeded (spec: protocol 8.5)."""
    if name.startswith("md4"):
        return md4(data, name == "md4-unpadded")
    if name == "xxh64":
        return xxh64(data)
    return b"\0" if name == "none" else hashlib.new(name, data).digest()


def file_sum(name: str, data: bytes, seed: int) -> bytes:
    """spec: protocol 8.4"""
    return plain_sum(name, put_int32(seed) + data if name.startswith("md4-") else data)


def block_sum(name: str, data: bytes, seed: int, seed_first: bool) -> bytes:
    """spec: protocol 8.3"""
    le = put_int32(seed) if seed else b""
    if name.startswith("md4"):
        return md4(data + le, name == "md4-unpadded")
    if name == "xxh64":
        return xxh64(data, seed)
    if name == "md5" and not seed_first:
        return hashlib.md5(data + le).digest()
    return b"\0" if name == "none" else hashlib.new(name, le + data).digest()


def default_sum(p: int) -> str:
    """What is not negotiated."""
    return "md5" if p >= 30 else "md4-old" if p >= 27 else "md4-unpadded"


def block_length(n: int, p: int) -> int:
    """spec: protocol 6.6"""
    if n <= 490000:
        return 700
    c = 1
    while (2 * c) ** 2 <= n:
        c *= 2
    top = 131072 if p >= 30 else 1 << 29
    if c >= top:
        return top
    length, bit = 0, c
    while bit >= 8:
        if (length | bit) ** 2 <= n:
            length |= bit
        bit >>= 1
    return max(length, 700)


def strong_length(n: int, length: int, digest: int, redo: bool = False) -> int:
    if redo:
        return min(16, digest)
    b = max(0, 10 + 2 * (n.bit_length() - 1) - (length.bit_length() - 1))
    return min(max(int((b - 24) / 8), 2), 16, digest)

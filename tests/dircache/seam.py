"""A sender in this process, and what it writes to a client that asks for nothing but the lists."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tain import _core
from tain.options.parse import parse
from tain.options.resolve import resolve
from tain.session import server
from tain.session.environment import Environment

#: Base of the tags in frames (spec: protocol 3.1).
BASE = 7
DATA = 0

#: Lists of more entries than this are not sent before the client says something.
AHEAD = 1000


@dataclass
class Sent:
    """What a sender has sent."""

    code: int
    data: bytes
    """The lists, without the frames."""
    messages: list[tuple[int, bytes]]
    errors: bytes


def sender_words(options: Sequence[bytes], paths: Sequence[bytes], capabilities: bytes = b"LsfxCIvu") -> list[bytes]:
    return [b"--server", b"--sender", *options, b"-e." + capabilities, b"--checksum-seed=7", b".", *paths]


def _frame(data: bytes) -> bytes:
    return (BASE << 24 | len(data)).to_bytes(4, "little") + data


def _hello(words: Sequence[bytes], protocol: int, rules: Sequence[bytes]) -> bytes:
    """All that a client says before it waits for the first list."""
    out = protocol.to_bytes(4, "little")
    capable = any(word.startswith(b"-e") and b"v" in word for word in words)
    if protocol >= 30 and capable:
        out += b"\x03md5"
    asked = b"".join(len(rule).to_bytes(4, "little") + rule for rule in rules) + bytes(4)
    return out + (_frame(asked) if protocol >= 30 else asked)


def _done(protocol: int) -> bytes:
    """The end of each list and phase, as often as any tree here needs (spec: protocol 6.3)."""
    return _frame(bytes(2 * AHEAD)) if protocol >= 30 else b"\xff\xff\xff\xff" * 8


def _without_figures(data: bytes, protocol: int) -> bytes:
    """A stream without the statistics at its end, which have times in them: figures of less than 8 MB."""
    if protocol >= 30:
        end = 1 if protocol >= 31 else 0
        return data[: -5 * 3 - end]
    return data[: -5 * 4] if protocol == 29 else data[: -3 * 4]


def _frames(stream: bytes) -> tuple[bytes, list[tuple[int, bytes]]]:
    data, messages, at = bytearray(), [], 0
    while at + 4 <= len(stream):
        head = int.from_bytes(stream[at : at + 4], "little")
        length, tag = head & 0xFFFFFF, (head >> 24) - BASE
        payload = stream[at + 4 : at + 4 + length]
        at += 4 + length
        if tag == DATA:
            data += payload
        else:
            messages.append((tag, payload))
    return bytes(data), messages


def _handshake_length(words: Sequence[bytes], protocol: int, stream: bytes) -> int:
    """Bytes that a server sends before its first frame."""
    at = 4
    if protocol >= 30:
        at += 1 + (stream[at] >= 0x80)
        if any(word.startswith(b"-e") and b"v" in word for word in words):
            length = stream[at]
            at += 1
            if length & 0x80:
                length = (length & 0x7F) << 8 | stream[at]
                at += 1
            at += length
    return at + 4


def start(
    words: Sequence[bytes], ours: socket.socket, cwd: Path, listings: _core.DirectoryCache | None, errors: int
) -> tuple[threading.Thread, list[int]]:
    """Run a server in a thread; its exit code appears in the list. The descriptor stays the caller's."""
    environ: Mapping[bytes, bytes] = {}
    options = resolve(parse(list(words)), environ=environ)
    link = _core.Link(ours.fileno(), ours.fileno(), role="sender")
    env = Environment(argv=[b"rsync"], environ=environ, cwd=os.fsencode(cwd), stderr=errors, umask=0o022)
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(server.serve(options, link, env, listings=listings)))
    thread.start()
    return thread, codes


def lists(
    words: Sequence[bytes],
    cwd: Path,
    *,
    protocol: int = 32,
    rules: Sequence[bytes] = (),
    listings: _core.DirectoryCache | None = None,
) -> Sent:
    """The lists of a sender for a client that asks for no file. For trees of fewer than AHEAD entries, all lists come
    before the first answer, so the stream does not depend on the time."""
    ours, theirs = socket.socketpair()
    hello = _hello(words, protocol, rules) + _done(protocol)
    read_end, write_end = os.pipe()
    try:
        theirs.sendall(hello)
        theirs.shutdown(socket.SHUT_WR)
        thread, codes = start(words, ours, cwd, listings, write_end)
        ours.close()
        stream = bytearray()
        try:
            while piece := theirs.recv(1 << 18):
                stream += piece
        except ConnectionResetError:
            # The server has not read all of our answers.
            pass
        thread.join()
        os.close(write_end)
        errors = os.read(read_end, 1 << 16)
    finally:
        theirs.close()
        os.close(read_end)
    begin = _handshake_length(words, protocol, bytes(stream))
    data, messages = _frames(bytes(stream[begin:]))
    return Sent(codes[0], _without_figures(data, protocol), messages, errors)


def cache_of(root: Path, **settings: object) -> _core.DirectoryCache:
    """A cache for servers without a module below *root*."""
    plan = _core.Plan(am_root=os.geteuid() == 0, umask=0o022)
    return _core.DirectoryCache(plan, os.fsencode(root), **settings)  # type: ignore[arg-type]

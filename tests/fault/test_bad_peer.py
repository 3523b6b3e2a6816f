"""A peer that sends something other than the protocol.

What every case must show: the run ends soon, with an error text and an exit code of the table, without a panic or a
Python traceback, and no new file stands at a live name.
"""

from __future__ import annotations

import os
import random
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import programs
from tests.interop.ends import shell
from tests.parity.tree import build, wipe

CODES = {1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 22, 23, 30, 127}
OLD = b"the old content"


def check(outcome: programs.Outcome, work: Path, what: str) -> None:
    said = (outcome.out + outcome.err).decode(errors="replace")
    assert outcome.code in CODES, f"{what}: {outcome}"
    assert outcome.err.strip(), f"{what}: no error text: {outcome}"
    for word in ("panicked", "Traceback", "RuntimeError", "PanicException"):
        assert word not in said, f"{what}: {outcome}"
    whole(work, what)


def whole(work: Path, what: str) -> None:
    """Every file is the old one or one that arrived whole; no temporary file is left."""
    allowed = {b"dst/a": (OLD, b"new"), b"dst/d/b": (b"content of b\n",)}
    for where, _, files in os.walk(os.fsencode(work / "dst")):
        for name in files:
            path = os.path.join(where, name)
            shown = os.path.relpath(path, os.fsencode(work))
            content = Path(os.fsdecode(path)).read_bytes()
            assert content in allowed.get(shown, ()), f"{what}: {shown!r} holds {content!r}"


def prepare(place: Path) -> None:
    build(str(place), ["src/a=new src/d/b"])
    (place / "dst").mkdir()
    (place / "dst/a").write_bytes(OLD)


RELAY = """
import os, subprocess, sys, threading
words, command = sys.argv[1], sys.argv[3:]
child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def copy(source, target, kept):
    with open(kept, "wb", buffering=0) as file:
        while data := os.read(source, 65536):
            file.write(data)
            os.write(target, data)
def heard():
    copy(0, child.stdin.fileno(), words + ".client")
    child.stdin.close()
threading.Thread(target=heard, daemon=True).start()
copy(child.stdout.fileno(), 1, words + ".server")
os._exit(child.wait())
"""


def record(space: Path, place: Path, rsync: str, way: str) -> tuple[bytes, bytes]:
    """What a real client says in a good run of protocol 31, and what a real server says."""
    words = space / f"said-{way}"
    said = Path(f"{words}.client"), Path(f"{words}.server")
    if not said[1].exists():
        relay = space / "relay.py"
        relay.write_text(RELAY)
        target = space / "recorded"
        ends = ["src/", f"h:{target}/"] if way == "push" else [f"h:{place}/src/", f"{target}/"]
        env = programs.environment(str(space))
        command = [rsync, "-a", "--protocol=31", "-e", f"{sys.executable} {relay} {words}", f"--rsync-path={rsync}"]
        outcome = programs.run([*command, *ends], cwd=place, env=env)
        assert outcome.code == 0, outcome
        wipe(target)
    return said[0].read_bytes(), said[1].read_bytes()


def cut(space: Path, data: bytes) -> str:
    """A remote shell that says this and closes."""
    script = space / "cut"
    (space / "cut.data").write_bytes(data)
    script.write_text(f'#!/bin/sh\nexec cat "{space}/cut.data"\n')
    script.chmod(0o755)
    return str(script)


def client(tain: str, place: Path, space: Path, way: str, peer: str, *more: str) -> programs.Outcome:
    ends = ["src/", "h:dst/"] if way == "push" else ["h:src/", "dst/"]
    env = programs.environment(str(space))
    return programs.run([tain, "-a", "--timeout=20", "-e", peer, *more, *ends], cwd=place, env=env, limit=40)


@pytest.mark.parametrize("way", ["push", "pull"])
@pytest.mark.parametrize("seed", range(12))
def test_random_server(way: str, seed: int, place: Path, space: Path, tain: str) -> None:
    prepare(place)
    data = random.Random(seed).randbytes(2000)
    check(client(tain, place, space, way, cut(space, data)), place, "random bytes")


@pytest.mark.parametrize("way", ["push", "pull"])
@pytest.mark.parametrize("seed", range(12))
def test_random_after_handshake(way: str, seed: int, place: Path, space: Path, tain: str, rsync: str) -> None:
    """The first bytes are those of a real server, the rest is noise."""
    prepare(place)
    _, server = record(space, place, rsync, way)
    noise = random.Random(seed)
    data = server[: noise.randrange(4, max(6, len(server)))] + noise.randbytes(500)
    check(client(tain, place, space, way, cut(space, data), "--protocol=31"), place, "noise")


@pytest.mark.parametrize("way", ["push", "pull"])
@pytest.mark.parametrize("seed", range(12))
def test_one_bit(way: str, seed: int, place: Path, space: Path, tain: str, rsync: str) -> None:
    """One flipped byte in the stream of a real server: right or an error, never a crash."""
    prepare(place)
    _, server = record(space, place, rsync, way)
    at = random.Random(seed).randrange(len(server))
    data = bytearray(server)
    data[at] ^= 1 << (seed % 8)
    outcome = client(tain, place, space, way, cut(space, bytes(data)), "--protocol=31")
    said = (outcome.out + outcome.err).decode(errors="replace")
    assert outcome.code in CODES | {0}, outcome
    assert "panicked" not in said and "Traceback" not in said and "PanicException" not in said, outcome


@pytest.mark.parametrize("way", ["push", "pull"])
def test_server_closes_at_every_point(way: str, place: Path, space: Path, tain: str, rsync: str) -> None:
    prepare(place)
    _, server = record(space, place, rsync, way)
    # The last bytes are the goodbye, after which a good run may have ended.
    points = list(range(min(len(server) - 30, 60))) + list(range(60, len(server) - 30, 17))
    for point in points:
        check(client(tain, place, space, way, cut(space, server[:point])), place, f"closed after {point} bytes")


@pytest.mark.parametrize("way", ["push", "pull"])
def test_client_closes_at_every_point(way: str, place: Path, space: Path, tain: str, rsync: str) -> None:
    """tain as the server of a client that goes away."""
    prepare(place)
    said, _ = record(space, place, rsync, way)
    flags = "-logDtpre.iLsfxCIvu"
    words = [tain, "--server", *(["--sender"] if way == "pull" else []), "--timeout=20", flags, "."]
    env = programs.environment(str(space))
    for point in list(range(min(len(said), 40))) + list(range(40, len(said), 29)):
        if point >= len(said) - 10:
            continue
        where = "src/" if way == "pull" else "dst/"
        outcome = programs.run([*words, where], cwd=place, env=env, stdin=said[:point] or b"\x1f", limit=40)
        text = outcome.err.decode(errors="replace")
        assert "panicked" not in text and "Traceback" not in text, f"{point}: {outcome}"
        assert outcome.code in CODES, f"closed after {point} bytes: {outcome}"
        whole(place, f"closed after {point} bytes")


@pytest.mark.parametrize("way", ["push", "pull"])
@pytest.mark.parametrize("seed", range(8))
def test_random_client(way: str, seed: int, place: Path, space: Path, tain: str) -> None:
    prepare(place)
    noise = random.Random(seed)
    data = b"\x1f\0\0\0" + noise.randbytes(3000) if seed % 2 else noise.randbytes(3000)
    words = [tain, "--server", *(["--sender"] if way == "pull" else []), "--timeout=20", "-logDtpre.iLsfxCIvu", "."]
    outcome = programs.run(
        [*words, "src/" if way == "pull" else "dst/"], cwd=place, env=programs.environment(str(space)), stdin=data
    )
    check(outcome, place, "random client")


def handshake(protocol: int = 30) -> bytes:
    """What a server says up to its file list: version, compatibility flags, seed."""
    return struct.pack("<i", protocol) + b"\x00" + struct.pack("<i", 1)


def frame(payload: bytes, tag: int = 7) -> bytes:
    return struct.pack("<I", (tag << 24) | len(payload)) + payload


OVERSIZED: dict[str, bytes] = {
    # A first entry: flags, then the length of the name, far beyond any limit.
    "name length": frame(b"\x40" + struct.pack("<I", 0x7FFFFFFF)),
    "name length max": frame(b"\x40" + b"\xff\xff\xff\xff"),
    "varint": frame(b"\x40" + b"\xf0" * 20),
    "frame cut short": struct.pack("<I", (7 << 24) | 0xFFFFFF) + b"x",
    "unknown tag": struct.pack("<I", (250 << 24) | 4) + b"xxxx",
    "tag below base": struct.pack("<I", 4) + b"xxxx",
    "list cut short": frame(b"\x18\x01a\x00"),
    "absolute name": frame(b"\x18\x04/etc\x03\x05\x00\x00" + b"\x00" * 12 + b"\x00"),
    "climbing name": frame(b"\x18\x05../up\x03\x05\x00\x00" + b"\x00" * 12 + b"\x00"),
    "error frame huge": struct.pack("<I", (8 << 24) | 0xFFFFFF) + b"e" * 1000,
    "endless ones": frame(b"\xff" * 4000) * 50,
}


@pytest.mark.parametrize("what", OVERSIZED)
def test_oversized(what: str, place: Path, space: Path, tain: str) -> None:
    prepare(place)
    data = handshake() + OVERSIZED[what]
    check(client(tain, place, space, "pull", cut(space, data), "--protocol=30", "--cc=md5"), place, what)


def test_endless_zeros(place: Path, space: Path, tain: str) -> None:
    """Zeros are an empty list and the ends of all phases: a whole session, after which a client reads no more."""
    prepare(place)
    data = handshake() + frame(b"\0" * 4000) * 50
    outcome = client(tain, place, space, "pull", cut(space, data), "--protocol=30", "--cc=md5")
    assert outcome.code in CODES | {0}, outcome
    whole(place, "endless zeros")


# ---- a daemon


@contextmanager
def serving(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A listener that talks to each client in the given way."""
    listener = socket.create_server(("127.0.0.1", 0))

    def work() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.settimeout(10)
                    talk(connection)
                except OSError:
                    pass

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(15)


GREETINGS: dict[str, bytes] = {
    "nothing": b"",
    "half a greeting": b"@RSYNCD: 3",
    "no number": b"@RSYNCD: x\n",
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "long line": b"A" * 100_000,
    "zero bytes": b"\0" * 5000,
    "ancient": b"@RSYNCD: 3\n",
    "future": b"@RSYNCD: 99.0 sha512\n@RSYNCD: OK\n",
    "greeting and close": b"@RSYNCD: 32.0 sha512 md5\n",
    "ok and close": b"@RSYNCD: 31.0 md5\n@RSYNCD: OK\n",
    "error": b"@RSYNCD: 31.0 md5\n@ERROR: go away\n",
    "auth without choice": b"@RSYNCD: 31.0 md5\n@RSYNCD: AUTHREQD \n",
    "endless motd": b"@RSYNCD: 31.0 md5\n" + b"come in\n" * 20_000,
    "noise after ok": b"@RSYNCD: 31.0 md5\n@RSYNCD: OK\n" + random.Random(1).randbytes(3000),
}


@pytest.mark.parametrize("what", GREETINGS)
def test_daemon_that_lies(what: str, place: Path, space: Path, tain: str) -> None:
    prepare(place)

    def talk(connection: socket.socket) -> None:
        connection.sendall(GREETINGS[what])
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    with serving(talk) as port:
        outcome = programs.run(
            [tain, "-a", "--timeout=20", f"rsync://127.0.0.1:{port}/m/", "dst/"],
            cwd=place,
            env=programs.environment(str(space), RSYNC_PASSWORD="x"),
            limit=40,
        )
    check(outcome, place, what)


def test_silent_server(place: Path, space: Path, tain: str) -> None:
    prepare(place)
    silent = space / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 4\n")
    silent.chmod(0o755)
    env = programs.environment(str(space))
    outcome = programs.run([tain, "-a", "--timeout=1", "-e", str(silent), "h:src/", "dst/"], cwd=place, env=env)
    assert outcome.code == 30, outcome
    assert b"io timeout after 1 seconds -- exiting" in outcome.err
    check(outcome, place, "silence")


@pytest.mark.parametrize("way", ["push", "pull"])
def test_good_stand_in(way: str, place: Path, space: Path, tain: str, rsync: str) -> None:
    """The stand-in shell of these tests works, so that a failure above is not its own."""
    prepare(place)
    ends = ["src/", f"h:{place}/dst/"] if way == "push" else [f"h:{place}/src/", "dst/"]
    outcome = programs.run(
        [tain, "-a", "-e", str(shell(space)), f"--rsync-path={rsync}", *ends],
        cwd=place,
        env=programs.environment(str(space)),
    )
    assert outcome.code == 0, outcome
    assert (place / "dst/a").read_bytes() == b"new"

#!/usr/bin/env python3
# kind: a server that breaks the limits of sums and attributes
# user: root
# A minimal protocol-30 daemon that answers one connection of the client under test.
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from io import BufferedReader

from hostile_sender import END, F, entry, varint

Send = Callable[[bytes], None]
Talk = Callable[[BufferedReader, Send], None]


def serve(listener: socket.socket, fn: Talk, compat: bytes = b"\0") -> None:
    c, _ = listener.accept()
    c.settimeout(6)
    f = c.makefile("rb")
    c.sendall(b"@RSYNCD: 30.0\n")
    f.readline()
    f.readline()
    c.sendall(b"@RSYNCD: OK\n")
    b = b""
    while not b.endswith(b"\0\0"):
        b += f.read(1)
    c.sendall(compat + b"\1\2\3\4")

    def send(d: bytes) -> None:
        c.sendall(struct.pack("<I", 7 << 24 | len(d)) + d)

    try:
        fn(f, send)
    except OSError:
        pass
    c.settimeout(3)
    try:
        while c.recv(4096):
            pass
    except OSError:
        pass
    c.close()


def rx(head: tuple[int, int, int, int]) -> Talk:
    def fn(f: BufferedReader, send: Send) -> None:
        import time

        time.sleep(0.5)
        send(b"\2" + struct.pack("<H", 0x8000) + struct.pack("<iiii", *head))

    return fn


def tx(xa: bytes) -> Talk:
    def fn(f: BufferedReader, send: Send) -> None:
        send(entry("f", F, 4) + xa + END)

    return fn


def run(B: str, mode: str, fn: Talk) -> tuple[int, list[str]] | str:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    t = threading.Thread(target=serve, args=(listener, fn), daemon=True)
    t.start()
    W = tempfile.mkdtemp()
    os.mkdir(W + "/s")
    pathlib.Path(W + "/s/f").write_text("x" * 5000)
    u = f"rsync://127.0.0.1:{listener.getsockname()[1]}/m/"
    a = [B, "-r", "--no-i-r", W + "/s/", u] if mode == "push" else [B, "-rX", "--no-i-r", u, W + "/o/"]
    try:
        p = subprocess.run(a, capture_output=True, text=True, timeout=20)
        r: tuple[int, list[str]] | str = (p.returncode, p.stderr.strip().split("\n")[:2])
    except subprocess.TimeoutExpired:
        r = "HANG"
    subprocess.run(["rm", "-rf", W])
    return r


B = sys.argv[1]
for h in (
    (1, 0, 2, 0),
    (0, 0, 0, 0),
    (1, -1, 2, 0),
    (-1, 700, 2, 0),
    (1, 700, 2, 800),
    (1, 1 << 30, 2, 0),
    (1, 700, 99, 0),
    (1, 700, -1, 0),
    (0x7FFFFFFF, 700, 16, 0),
    (1, 700, 2, -5),
):
    print("sum head count,block,strong,rest =", h, run(B, "push", rx(h)))


def X(*kv: tuple[int | bytes, int | bytes]) -> bytes:
    value: bytes = (
        varint(0)
        + varint(len(kv))
        + b"".join(
            varint(n if isinstance(n, int) else len(n))
            + varint(v if isinstance(v, int) else len(v))
            + (b"" if isinstance(n, int) else n)
            + (b"" if isinstance(v, int) else v)
            for n, v in kv
        )
    )
    return value


for lab, x in (
    ("value 128MiB+1", X((b"user.a\0", (128 << 20) + 1))),
    ("value 128MiB", X((b"user.a\0", 128 << 20))),
    ("value 200MB", X((b"user.a\0", 200000000))),
    ("name 70000", X((70000, 4))),
    ("no NUL", X((b"user.abc", b"1234"))),
    ("empty name", X((b"\0", b"1234"))),
    ("count 1<<26", varint(0) + varint(1 << 26)),
    ("bad ref", varint(7)),
):
    print("xattr", lab, run(B, "pull", tx(x)))

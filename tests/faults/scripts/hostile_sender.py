#!/usr/bin/env python3
# kind: a client that breaks the rules of the file list
# user: root
# A minimal protocol-30 client that plays the sender towards a daemon.
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import time


def varint(x: int) -> bytes:
    assert x < 1 << 28
    if x < 0x80:
        return bytes([x])
    if x < 0x4000:
        return bytes([0x80 | x >> 8, x & 255])
    if x < 0x200000:
        return bytes([0xC0 | x >> 16, x & 255, x >> 8 & 255])
    return bytes([0xE0 | x >> 24, x & 255, x >> 8 & 255, x >> 16 & 255])


def varlong(x: int, mn: int) -> bytes:
    b = x.to_bytes(8, "little")
    n = 8
    while n > mn and b[n - 1] == 0:
        n -= 1
    m = 1 << (7 - n + mn)
    if b[n - 1] >= m:
        n += 1
        lead = ~(m - 1) & 255
    elif n > mn:
        lead = b[n - 1] | (~(m * 2 - 1) & 255)
    else:
        lead = b[n - 1]
    return bytes([lead]) + b[: n - 1]


class Sender:
    def __init__(s, port: int, args: list[str]) -> None:
        s.k = socket.create_connection(("127.0.0.1", port))
        s.k.settimeout(5)
        s.f = s.k.makefile("rb")
        s.f.readline()
        s.k.sendall(b"@RSYNCD: 30.0\nm\n")
        while True:
            line = s.f.readline()
            if line.startswith((b"@RSYNCD: OK", b"@ERROR")) or not line:
                break
        s.k.sendall(b"".join(a.encode() + b"\0" for a in args) + b"\0")
        s.compat = s.f.read(1)
        s.seed = s.f.read(4)
        s.pos = -1
        s.neg = 1

    def data(s, b: bytes) -> None:
        s.k.sendall(struct.pack("<I", 7 << 24 | len(b)) + b)

    def ndx(s, n: int) -> bytes:
        if n == -1:
            return b"\0"
        if n >= 0:
            d = n - s.pos
            s.pos = n
            pre = b""
        else:
            d = -n - s.neg
            s.neg = -n
            pre = b"\xff"
        return pre + (bytes([d]) if 0 < d < 0xFE else b"\xfe" + struct.pack(">H", d))

    def drain(s, t: float = 2) -> tuple[bytes, str]:
        s.k.settimeout(t)
        out = b""
        try:
            while True:
                x = s.k.recv(4096)
                if not x:
                    return out, "EOF"
                out += x
        except ConnectionResetError:
            return out, "RESET"
        except OSError:
            return out, "open"


def entry(name: str, mode: int, size: int = 0, top: int = 0, hl: int | None = None) -> bytes:
    fl = top
    if hl is not None:
        fl |= 0x200
    if fl > 255 or fl == 0:
        b = struct.pack("<H", fl | 4)
    else:
        b = bytes([fl])
    b += bytes([len(name)]) + name.encode()
    if hl is not None:
        b += varint(hl)
    return b + varlong(size, 3) + varlong(1700000000, 4) + struct.pack("<i", mode)


D = 0o40755
F = 0o100644
END = b"\0"


def msgs(raw: bytes) -> list[str]:
    out: list[str] = []
    while len(raw) >= 4:
        (w,) = struct.unpack("<I", raw[:4])
        n = w & 0xFFFFFF
        t = (w >> 24) - 7
        p = raw[4 : 4 + n]
        raw = raw[4 + n :]
        if t in (1, 2, 3):
            out.append(p.decode(errors="replace").strip())
        elif t == 86:
            out.append(f"EXIT {int.from_bytes(p, 'little')}")
    return out


def scen(name: str, port: int) -> tuple[list[str], str]:
    if name == "dup-dir-sublist":
        s = Sender(port, ["--server", "-re.iLsfxCIu", ".", "m/"])
        s.data(entry("d", D, top=1) + entry("d", D, top=1) + entry("f", F, 100) + END)
        s.data(s.ndx(-101 - 1) + entry("x", F) + END)
    elif name == "dup-file-index":
        s = Sender(port, ["--server", "-e.LsfxCIu", ".", "m/"])
        s.data(entry("a", F) + entry("a", F) + END)
        s.data(s.ndx(1) + struct.pack("<H", 0))
    elif name == "hardlink-before-list":
        s = Sender(port, ["--server", "-rHe.iLsfxCIu", ".", "m/"])
        s.data(entry("d", D, top=1) + entry("f", F, 100) + END)
        s.data(s.ndx(-101) + entry("d/h", F, hl=1) + END)
    elif name.startswith("sublist-after-end"):
        s = Sender(port, ["--server", "-re.iLsfxCIu", ".", "m/"])
        s.data(entry("d", D, top=1) + entry("e", D, top=1) + END)
        s.data(s.ndx(-1) + s.ndx(-101))
        if name.endswith("entries"):
            s.data(entry("d/x", F, 0) + END + s.ndx(-101 - 1) + entry("e/y", F) + END)
        if name.endswith("then-done"):
            s.data(entry("d/x", F, 0) + END + s.ndx(-102) + END + b"\0\0\0\0")
    elif name == "sublist-bad-dir":
        s = Sender(port, ["--server", "-re.iLsfxCIu", ".", "m/"])
        s.data(entry("d", D, top=1) + entry("f", F, 100) + END)
        s.data(s.ndx(-101 - 7) + entry("d/x", F) + END)
    elif name == "sublist-twice":
        s = Sender(port, ["--server", "-re.iLsfxCIu", ".", "m/"])
        s.data(entry("d", D, top=1) + entry("f", F, 100) + END)
        s.data(s.ndx(-101) + END + s.ndx(-101) + entry("d/x", F) + END)
    elif name == "index-out-of-range":
        s = Sender(port, ["--server", "-e.LsfxCIu", ".", "m/"])
        s.data(entry("a", F) + entry("b", F) + END)
        s.data(s.ndx(9) + struct.pack("<H", 0x8000))
    out, st = s.drain()
    s.k.close()
    return msgs(out), st


if __name__ == "__main__":
    B = sys.argv[1]
    port = int(sys.argv[2])
    names = [
        "dup-dir-sublist",
        "dup-file-index",
        "hardlink-before-list",
        "sublist-after-end",
        "sublist-after-end-entries",
        "sublist-after-end-then-done",
        "sublist-bad-dir",
        "sublist-twice",
        "index-out-of-range",
    ]
    for n in names:
        W = tempfile.mkdtemp()
        os.mkdir(W + "/m")
        pathlib.Path(W + "/c").write_text(
            f"use chroot = no\nuid = 0\ngid = 0\nread only = no\nlog file = {W}/log\n[m]\npath = {W}/m\n"
        )
        p = subprocess.Popen(
            [B, "--daemon", "--no-detach", f"--config={W}/c", f"--port={port}", "--address=127.0.0.1"],
            stdin=subprocess.DEVNULL,
        )
        for _ in range(50):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        r = scen(n, port)
        time.sleep(0.4)
        p.terminate()
        p.wait()
        # Only the first line: how many of its processes report their end to the client is a race in rsync.
        print(f"{n}: client reads {r[0][:1]}; files {sorted(f for _, _, found in os.walk(W + '/m') for f in found)}")
        subprocess.run(["rm", "-rf", W])

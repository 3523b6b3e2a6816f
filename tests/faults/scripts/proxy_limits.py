#!/usr/bin/env python3
# kind: limits of what a web proxy may say
# user: root
import os
import socket
import subprocess
import sys
import threading

B = sys.argv[1]


def run(reply: bytes, host: str = "example.invalid", cred: str = "") -> tuple[int, int | None, str]:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    listener.settimeout(8)
    got: list[bytes] = []

    def srv() -> None:
        try:
            c, _ = listener.accept()
            c.settimeout(4)
            d = b""
            while b"\r\n\r\n" not in d and len(d) < 70000:
                x = c.recv(8192)
                if not x:
                    break
                d += x
            got.append(d)
            c.sendall(reply)
            c.shutdown(1)
            try:
                while c.recv(4096):
                    pass
            except OSError:
                pass
            c.close()
        except OSError:
            pass

    t = threading.Thread(target=srv, daemon=True)
    t.start()
    e = dict(os.environ, RSYNC_PROXY=f"{cred}127.0.0.1:{listener.getsockname()[1]}")
    p = subprocess.run([B, f"rsync://{host}:873/whatever/"], capture_output=True, text=True, env=e, timeout=20)
    t.join(6)
    listener.close()
    return p.returncode, len(got[0]) if got else None, p.stderr.split("\n")[0][:110]


OK = b"HTTP/1.0 200 OK\r\n"
for n in (1021, 1022, 1023, 1024, 1025):
    print(
        "status line",
        n,
        "bytes + LF",
        run(b"HTTP/1.0 200 " + b"X" * (n - 13) + b"\n\r\n@RSYNCD: 31.0 md5\n@ERROR: hi\n"),
    )
    print("status line", n, "bytes, EOF", run(b"HTTP/1.0 200 " + b"X" * (n - 13)))
    print("header line", n, "bytes + LF", run(OK + b"X" * n + b"\n\r\n@RSYNCD: 31.0 md5\n@ERROR: hi\n"))
    print("header line", n, "bytes, EOF", run(OK + b"X" * n))
base = len("CONNECT :873 HTTP/1.0\r\n\r\n")
for n in (1021, 1022, 1023, 1024, 1025, 1500):
    print("request", n, run(b"HTTP/1.0 500 no\r\n\r\n", host="a" * (n - base)))
    # credentials
for n in (600, 700, 740, 760, 800):
    print("cred", n, run(b"HTTP/1.0 500 no\r\n\r\n", cred="u:" + "p" * n + "@"))
for r in (
    b"",
    b"HTTP/1.0 200",
    b"HTTP/1.1 407 Auth\r\n\r\n",
    b"XTTP/1.0 200\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nA: b\r\n",
    b"HTTP/2 200\r\n\r\n@RSYNCD: 31.0\n@ERROR: hi\n",
    b"HTTP/1.0  200\r\n\r\n@RSYNCD: 31.0 md5\n@ERROR: hi\n",
    b"HTTP/1.0\t200\r\n\r\n@RSYNCD: 31.0 md5\n@ERROR: hi\n",
    b"HTTP/1.0 200\n\n@RSYNCD: 31.0 md5\n@ERROR: hi\n",
):
    print(r[:30], run(r))

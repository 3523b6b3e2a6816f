"""Starts the real rsync daemon, or ours, on a free local port with the same configuration."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tain.daemon import door, worker
from tain.daemon.names import HELPER_NAME
from tests.ports import free_port

RSYNC = shutil.which("rsync") or "rsync"

_LAUNCH = "import sys; sys.argv[0] = 'rsync'; from tain.cli.main import entry; entry()"

PROGRAMS = {"rsync": [RSYNC], "tain": [sys.executable, "-c", _LAUNCH]}

# Seconds. An idle machine needs milliseconds.
LIMIT = 60.0

# After these lines it is the client's turn.
_WAITS = re.compile(rb"^@RSYNCD: (OK|AUTHREQD [^\n]*)\n\Z", re.MULTILINE)

# `DAEMON_WORKERS=1`: our daemons run with workers for all modules that qualify.
WORKERS = bool(os.environ.get("DAEMON_WORKERS"))
# `DAEMON_CACHE=watch`, with the former: and with lists from memory.
CACHE = os.environ.get("DAEMON_CACHE", "off").encode()

HELLO = b"@RSYNCD: 32.0 sha512 sha256 sha1 md5 md4\n"


def environment() -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("RSYNC_")}
    env["PYTHONPATH"] = str(Path(__file__).resolve().parents[2] / "src")
    return env


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition is true. The limit allows for a busy machine."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {LIMIT:.0f} s for {what}")
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    """The processes of connections: all children except the helper that looks up names, the door and the workers."""
    try:
        found = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [child for child in found if named(child) not in _LONG_LIVED]


_LONG_LIVED = {HELPER_NAME, door.NAME, worker.NAME}


def named(pid: int) -> bytes:
    """The name of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_bytes().rstrip()
    except OSError:
        return b""


def held(port: int) -> int:
    """The number of connections that a process of a daemon holds."""
    count = 0
    with Path("/proc/net/tcp").open() as table:
        for row in list(table)[1:]:
            words = row.split()
            # Not a listening one; a closed one has no inode.
            count += words[1] == f"0100007F:{port:04X}" and words[3] != "0A" and words[9] != "0"
    return count


class Daemon:
    """One running daemon. ``DIR`` in the configuration becomes its directory. *workers*: for all modules."""

    def __init__(self, kind: str, directory: Path, conf: bytes, *extra: str, workers: bool = WORKERS) -> None:
        self.kind = kind
        self.workers = workers and kind == "tain"
        self.dir = directory
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)
        self.port = free_port()
        self.conf = directory / "rsyncd.conf"
        self.write(conf)
        self.log = directory / "log"
        words = ["--daemon", "--no-detach", "--address=127.0.0.1", f"--config={self.conf}", f"--port={self.port}"]
        with (directory / "err").open("wb") as err:
            self.process = subprocess.Popen(
                [*PROGRAMS[kind], *words, *extra], stdin=subprocess.DEVNULL, stdout=err, stderr=err, env=environment()
            )
        # A probing connection would be logged, so the kernel is asked. The test handles a daemon that has ended.
        wait_until(lambda: is_listening(self.port) or self.process.poll() is not None, "the daemon to listen")

    def write(self, conf: bytes) -> None:
        if self.workers:
            cache = b"tain cache = %s\n" % CACHE if WORKERS else b""
            conf = b"tain workers = yes\ntain control socket = DIR/control\n" + cache + conf
        self.conf.write_bytes(conf.replace(b"DIR", os.fsencode(self.dir)))

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(LIMIT)

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ---- talking

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT)

    def talk(self, *parts: bytes, until: bytes = b"") -> bytes:
        """Send all parts and collect the answer until its end, or until the daemon waits for the client.

        *until*: what ends the answer to the first of several parts; the next one is sent then.
        """
        with self.connect() as sock:
            out = b""
            with contextlib.suppress(ConnectionError):
                for number, part in enumerate(parts):
                    if number == 1 and until:
                        while not out.endswith(until) and (chunk := sock.recv(65536)):
                            out += chunk
                    sock.sendall(part)
                # rsync closes with unread input. Only its answer before that counts.
                while chunk := sock.recv(65536):
                    out += chunk
                    if _WAITS.search(out):
                        return out + b"<open>"
            return out

    def children(self) -> list[int]:
        """The processes of the present connections."""
        return children(self.process.pid)

    def wait_for_connections(self) -> None:
        """Wait until every connection has ended, and with it its log lines and its hooks."""
        wait_until(lambda: not self.children() and not held(self.port), "connections to end")

    def login(self, module: bytes, user: bytes, password: bytes, digest: str = "sha512", hello: bytes = HELLO) -> bytes:
        """Log in; returns the line behind the answer."""
        with self.connect() as sock, sock.makefile("rb") as lines:
            sock.sendall(hello + module + b"\n")
            lines.readline()
            line = lines.readline()
            if not line.startswith(b"@RSYNCD: AUTHREQD "):
                return line
            text = line.split()[2]
            answer = base64.b64encode(hashlib.new(digest, password + text).digest()).rstrip(b"=")
            sock.sendall(user + b" " + answer + b"\n")
            with contextlib.suppress(OSError):
                return lines.readline()
            return b""

    def client(self, *words: str, program: str = "rsync", **env: str) -> tuple[int, str, str]:
        """The real client, or ours; ``HOST`` in its words is this daemon's URL."""
        words = tuple(word.replace("HOST", f"rsync://127.0.0.1:{self.port}") for word in words)
        done = subprocess.run(
            [*PROGRAMS[program], *words], capture_output=True, text=True, errors="surrogateescape", timeout=LIMIT,
            env={**environment(), **env}, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    def log_lines(self) -> list[str]:
        """Lines of the log without stamps, places, process numbers and ports."""
        if self.process.poll() is None:
            self.wait_for_connections()
        if not self.log.exists():
            return []
        lines = []
        for line in self.log.read_text(errors="surrogateescape").splitlines():
            line = re.sub(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[\d+\] ", "", line)
            line = line.replace(str(self.dir), "DIR").replace(str(self.port), "PORT")
            line = re.sub(r" at \S+\(\d+\) ", " at FILE ", line)
            lines.append(re.sub(r" \(DIR/\S+:\d+\)$", "", line))
        return lines


def is_listening(port: int) -> bool:
    wanted = f"0100007F:{port:04X}"
    with Path("/proc/net/tcp").open() as table:
        return any(row.split()[1] == wanted and row.split()[3] == "0A" for row in list(table)[1:])

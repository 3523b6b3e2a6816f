"""Mirror real trees and prove the copies equal: locally, through ssh, and to and from a daemon with a password.

`make demo` runs this with the program of .venv. Everything happens in a temporary directory and on loopback ports, and
nothing is left behind.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

TAIN = str(Path(sys.executable).parent / "tain")
PEER = shutil.which("rsync")
PASSWORD = "open sesame"
KOREAN = ["제1부설치편 (60-151p).hwp", "제2부 운영편 (152-300p).hwp", "부록 가나다/그림 목록 (최종).txt"]

STAND_IN = """#!/bin/sh
# Does what ssh would do, on this machine.
while :; do case "$1" in -l) shift 2 ;; -*) shift ;; *) break ;; esac; done
shift
exec sh -c "$*"
"""


def say(text: str = "") -> None:
    print(text, flush=True)


def make_source(base: Path) -> Path:
    """The standard library, and a folder of Korean names in two encodings."""
    source = base / "from"
    library = Path(sysconfig.get_paths()["stdlib"])
    skip = shutil.ignore_patterns("site-packages", "__pycache__")
    shutil.copytree(library, source / "lib", symlinks=True, ignore=skip, dirs_exist_ok=True)
    for number, name in enumerate(KOREAN):
        for folder, encoding in ((b"utf-8", "utf-8"), (b"euc-kr", "euc-kr")):
            path = os.path.join(os.fsencode(source), b"docs " + folder, name.encode(encoding))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(name.encode(encoding) * 1000 * (number + 1))
    (source / "link to lib").symlink_to("lib")
    return source


def edit(source: Path) -> None:
    """Change some files, add some, delete some."""
    texts = sorted(source.glob("lib/*.py"))
    for path in texts[:20]:
        path.write_bytes(path.read_bytes() + b"# one more line\n")
    for path in texts[20:30]:
        path.unlink()
    shutil.rmtree(source / "lib/json")
    (source / "added (새 파일)").write_bytes(b"new\n" * 5000)
    path = os.path.join(os.fsencode(source), b"docs euc-kr", KOREAN[0].encode("euc-kr"))
    with open(path, "r+b") as file:
        file.seek(500)
        file.write(b"edited in the middle")


def picture(top: Path) -> dict[bytes, tuple[object, ...]]:
    """Type, mode, owner, time and content of everything, without any help of the programs that copied it."""
    found: dict[bytes, tuple[object, ...]] = {}
    base = os.fsencode(top)
    for where, dirs, files in os.walk(base):
        for name in [*dirs, *files, b"."]:
            path = os.path.join(where, name)
            info = os.lstat(path)
            what: object = None
            if stat.S_ISREG(info.st_mode):
                with open(path, "rb") as file:
                    what = hashlib.file_digest(file, "sha256").hexdigest()
            elif stat.S_ISLNK(info.st_mode):
                what = os.readlink(path)
            facts = (info.st_mode, info.st_uid, info.st_gid, info.st_mtime_ns, what)
            found[os.path.relpath(path, base)] = facts
    return found


def environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RSYNC_")}
    return kept | {"LC_ALL": "C.UTF-8"} | more


class Table:
    """One line for each run."""

    def __init__(self) -> None:
        self.failed = 0
        say(f"{'':34} {'files':>7} {'changed':>8} {'sent+received':>14} {'speed-up':>9} {'seconds':>8}")

    def run(self, title: str, source: Path, copy: Path, words: list[str], **more: str) -> None:
        start = time.monotonic()
        done = subprocess.run(
            [TAIN, "-a", "--delete", "--stats", "--no-h", *words],
            capture_output=True,
            env=environment(**more),
            check=False,
        )
        seconds = time.monotonic() - start
        out = done.stdout.decode(errors="replace")
        if done.returncode:
            self.failed += 1
            say(f"{title:34} FAILED with exit code {done.returncode}\n{out}{done.stderr.decode(errors='replace')}")
            return

        def number(pattern: str) -> str:
            match = re.search(pattern, out)
            return match[1] if match else "?"

        files = number(r"Number of files: (\d+)")
        changed = number(r"regular files transferred: (\d+)")
        match = re.search(r"sent (\d+) bytes  received (\d+) bytes", out)
        carried = f"{int(match[1]) + int(match[2]):,}" if match else "?"
        speedup = number(r"speedup is ([\d.,]+)")
        verdict = self.verdict(source, copy)
        say(f"{title:34} {files:>7} {changed:>8} {carried:>14} {speedup:>9} {seconds:>8.2f}  {verdict}")

    def verdict(self, source: Path, copy: Path) -> str:
        left, right = picture(source), picture(copy)
        if left != right:
            self.failed += 1
            wrong = [path for path in left.keys() | right.keys() if left.get(path) != right.get(path)]
            return f"NOT EQUAL: {wrong[:3]}"
        if not PEER:
            return "equal"
        check = subprocess.run(
            [PEER, "-anic", "--delete", f"{source}/", f"{copy}/"], capture_output=True, env=environment(), check=False
        )
        if check.returncode or check.stdout:
            self.failed += 1
            return f"equal, but rsync says {check.stdout[:200]!r}"
        return "equal; rsync -anic --delete finds nothing"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes]) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            time.sleep(0.02)
    return False


@contextmanager
def remote_shell(base: Path) -> Iterator[tuple[str, str]]:
    """A private sshd on a loopback port, or a stand-in where sshd cannot run: (title, -e command)."""
    sshd = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    home = base / "ssh"
    home.mkdir(mode=0o700)
    if sshd and shutil.which("ssh") and shutil.which("ssh-keygen"):
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        for name in ("host", "client"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / name], check=True)
        port = free_port()
        (home / "config").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {home}/host\nPidFile none\nUsePAM no\nLogLevel ERROR\n"
            f"AuthorizedKeysFile {home}/client.pub\nStrictModes no\nPermitRootLogin yes\n"
        )
        server = subprocess.Popen([sshd, "-D", "-e", "-f", home / "config"], stderr=subprocess.DEVNULL)
        command = (
            f"ssh -F /dev/null -p {port} -i {home}/client -o StrictHostKeyChecking=no "
            "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes"
        )
        try:
            if (
                wait_for(port, server)
                and not subprocess.run([*command.split(), "127.0.0.1", "true"], check=False).returncode
            ):
                yield "ssh", command
                return
        finally:
            server.terminate()
            server.wait()
    say("(sshd cannot run here: a stand-in shell takes its place)")
    stand_in = home / "shell"
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)
    yield "shell", str(stand_in)


@contextmanager
def daemon(base: Path, source: Path, target: Path) -> Iterator[str]:
    """tain's own daemon with a password: its address."""
    secrets, config, port = base / "secrets", base / "tain.conf", free_port()
    secrets.write_text(f"demo:{PASSWORD}\n")
    secrets.chmod(0o600)
    ids = "uid = 0\ngid = 0\n" if os.geteuid() == 0 else ""
    config.write_text(
        f"use chroot = no\nmunge symlinks = no\nauth users = demo\nsecrets file = {secrets}\n{ids}"
        f"[from]\npath = {source}\n[to]\npath = {target}\nread only = no\n"
    )
    server = subprocess.Popen(
        [TAIN, "--daemon", "--no-detach", f"--port={port}", "--address=127.0.0.1", f"--config={config}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    try:
        if not wait_for(port, server):
            raise SystemExit("the daemon does not answer")
        yield f"rsync://demo@127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="tain-demo-") as name, ExitStack() as stack:
        base = Path(name)
        say(subprocess.run([TAIN, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0])
        say("collecting the Python standard library and a folder of Korean names ...")
        source = make_source(base)
        copies = {key: base / key for key in ("local", "pushed", "pulled", "uploaded", "downloaded")}
        copies["uploaded"].mkdir()
        title, rsh = stack.enter_context(remote_shell(base))
        address = stack.enter_context(daemon(base, source, copies["uploaded"]))
        shell = ["-e", rsh, f"--rsync-path={TAIN}"]
        host = "127.0.0.1"
        ways: list[tuple[str, Path, list[str], dict[str, str]]] = [
            ("local", copies["local"], [f"{source}/", f"{copies['local']}/"], {}),
            (f"push through {title}", copies["pushed"], [*shell, f"{source}/", f"{host}:{copies['pushed']}/"], {}),
            (f"pull through {title}", copies["pulled"], [*shell, f"{host}:{source}/", f"{copies['pulled']}/"], {}),
            ("to the daemon", copies["uploaded"], [f"{source}/", f"{address}/to/"], {"RSYNC_PASSWORD": PASSWORD}),
            (
                "from the daemon",
                copies["downloaded"],
                [f"{address}/from/", f"{copies['downloaded']}/"],
                {"RSYNC_PASSWORD": PASSWORD},
            ),
        ]
        table = Table()
        for phase in ("new", "edited"):
            if phase == "edited":
                edit(source)
            for way, copy, words, env in ways:
                table.run(f"{way}, {phase}", source, copy, words, **env)
        say()
        say("every copy is equal" if not table.failed else f"{table.failed} runs went wrong")
        return 1 if table.failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Measure what connections cost a daemon: CPU time of the daemon, tain beside rsync, with rsync as the client.

`python bench/daemon.py [PROGRAM]`; without a word .venv/bin/tain. ROWS=a,b chooses rows, ENTRIES the size of the tree.
Figures are shown and never judged: only a run that fails ends with status 1.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
TAIN = Path(sys.argv[1]).resolve() if sys.argv[1:] else ROOT / ".venv/bin/tain"
ENTRIES = int(os.environ.get("ENTRIES", "100000"))
#: As in a pool of packages: about 15 files in a directory.
IN_DIRECTORY = 15
RUNS = 5
CONNECTIONS = 100
TICKS = os.sysconf("SC_CLK_TCK")


def make_tree(root: Path) -> None:
    for n in range(ENTRIES // (IN_DIRECTORY + 1)):
        folder = root / f"pool/{n % 26:02}/package-{n}"
        folder.mkdir(parents=True)
        for k in range(IN_DIRECTORY):
            os.close(os.open(folder / f"package-{n}_{k}.0-{k}_all.deb", os.O_CREAT | os.O_WRONLY, 0o644))


class Daemon:
    """A daemon on a free port, and what its ended connections have cost."""

    def __init__(self, program: str, port: int, pid: int) -> None:
        self.program, self.port, self.pid = program, port, pid

    def cpu(self) -> float:
        """Milliseconds of the daemon and of its processes that have ended."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) * 1000 / TICKS

    def url(self, path: str) -> str:
        return f"rsync://127.0.0.1:{self.port}/m/{path}"


@contextmanager
def daemon(program: str, where: Path) -> Iterator[Daemon]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    config = where.parent / f"{Path(program).name}.conf"
    config.write_text(f"use chroot = no\nuid = {os.getuid()}\ngid = {os.getgid()}\n[m]\npath = {where}\n")
    words = [program, "--daemon", "--no-detach", "--address=127.0.0.1", f"--port={port}", f"--config={config}"]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.02)
        yield Daemon(program, port, process.pid)
    finally:
        process.terminate()
        process.wait()


def client(*words: str) -> None:
    subprocess.run(["rsync", *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


def rows(scratch: Path) -> dict[str, tuple[int, Callable[[Daemon], None]]]:
    """Name, number of runs, and what the clients do."""
    copy, one = str(scratch / "copy"), str(scratch / "one")

    def connect(d: Daemon) -> None:
        for _ in range(CONNECTIONS):
            client("-a", d.url("one"), one)

    return {
        "daemon-list-uncached": (RUNS, lambda d: client("-r", d.url(""))),
        "daemon-list-uncached-onelist": (RUNS, lambda d: client("-an", "--delay-updates", d.url("pool"), copy)),
        "daemon-pull-nochange": (RUNS, lambda d: client("-a", d.url("pool"), copy)),
        "daemon-connect": (1, connect),
    }


def main() -> int:
    if not shutil.which("rsync"):
        print("rsync is not installed", file=sys.stderr)
        return 1
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="tain-bench-", dir=base) as folder:
        scratch = Path(folder)
        tree = scratch / "tree"
        make_tree(tree)
        (tree / "one").write_text("one file")
        shutil.copytree(tree / "pool", scratch / "copy/pool", copy_function=shutil.copy2)
        client("-a", f"{tree}/pool", str(scratch / "copy"))
        chosen = [name for name in os.environ.get("ROWS", "").split(",") if name]
        print(f"{'CPU ms of the daemon':32}{'tain':>9}{'rsync':>9}{'ratio':>8}")
        with daemon(str(TAIN), tree) as ours, daemon("rsync", tree) as theirs:
            for name, (runs, do) in rows(scratch).items():
                if chosen and name not in chosen:
                    continue
                spent: dict[str, list[float]] = {ours.program: [], theirs.program: []}
                for _ in range(runs):
                    for one in (ours, theirs):
                        before = one.cpu()
                        do(one)
                        # The daemon counts a connection when it has ended.
                        time.sleep(0.3)
                        spent[one.program].append(one.cpu() - before)
                mine, other = (median(times) for times in spent.values())
                print(f"{name:32}{mine:9.0f}{other:9.0f}{mine / max(other, 1):8.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

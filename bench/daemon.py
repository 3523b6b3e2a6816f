"""Measure what connections cost a daemon: its CPU time and memory, tain without and with workers beside rsync.

The client is rsync. `python bench/daemon.py [PROGRAM]`; without a word .venv/bin/tain. ROWS=a,b chooses rows, ENTRIES
is the size of the tree, MANY the number of clients at once.
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
from collections.abc import Callable, Iterator, Sequence
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
MANY = int(os.environ.get("MANY", "100"))
#: Files of `daemon-connect-2k` and `daemon-many`, in 40 directories.
FILES = 2000
TICKS = os.sysconf("SC_CLK_TCK")


def make_tree(root: Path) -> None:
    for n in range(ENTRIES // (IN_DIRECTORY + 1)):
        folder = root / f"pool/{n % 26:02}/package-{n}"
        folder.mkdir(parents=True)
        for k in range(IN_DIRECTORY):
            os.close(os.open(folder / f"package-{n}_{k}.0-{k}_all.deb", os.O_CREAT | os.O_WRONLY, 0o644))


class Daemon:
    """A daemon on a free port, and what its ended connections have cost."""

    def __init__(self, name: str, port: int, pid: int) -> None:
        self.name, self.port, self.pid = name, port, pid
        #: KiB a connection at the worst moment of a row that measures it.
        self.peak = 0.0

    def processes(self) -> list[int]:
        """The daemon and all its children."""
        found = [self.pid]
        for pid in found:
            try:
                found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
            except OSError:
                continue
        return found

    def cpu(self) -> float:
        """Milliseconds of the daemon, of its processes, and of those that have ended."""
        ticks = 0
        for pid in self.processes():
            try:
                ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
            except OSError:
                continue
        return ticks * 1000 / TICKS

    def memory(self) -> int:
        """KiB that the daemon and its processes would free (PSS)."""
        total = 0
        for pid in self.processes():
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total

    def url(self, path: str) -> str:
        return f"rsync://127.0.0.1:{self.port}/m/{path}"


@contextmanager
def daemon(name: str, program: str, where: Path, parameters: str = "") -> Iterator[Daemon]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    config = where.parent / f"{name}.conf"
    # A worker is never root, so that nobody is.
    user = "" if os.getuid() == 0 else f"use chroot = no\nuid = {os.getuid()}\ngid = {os.getgid()}\n"
    config.write_text(f"{user}{parameters}[m]\npath = {where}\n")
    words = [program, "--daemon", "--no-detach", "--address=127.0.0.1", f"--port={port}", f"--config={config}"]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.02)
        # A configuration that has just been written is read again for each connection.
        time.sleep(2.5)
        client("-r", f"rsync://127.0.0.1:{port}/m/one")
        time.sleep(0.3)
        client("-r", f"rsync://127.0.0.1:{port}/m/one")
        yield Daemon(name, port, process.pid)
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

    def pull_2k(d: Daemon) -> None:
        for _ in range(CONNECTIONS):
            client("-a", d.url("two-thousand"), str(scratch / "copy"))

    def many(d: Daemon) -> None:
        words = [["rsync", "-a", d.url("two-thousand/"), str(scratch / f"many/{n}")] for n in range(MANY)]
        (scratch / "many").mkdir()
        idle = d.memory()
        clients = [subprocess.Popen(one, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) for one in words]
        most, codes = 0, []
        while clients:
            most = max(most, d.memory() - idle)
            time.sleep(0.1)
            codes += [one.returncode for one in clients if one.poll() is not None]
            clients = [one for one in clients if one.returncode is None]
        shutil.rmtree(scratch / "many")
        if any(codes):
            raise subprocess.CalledProcessError(max(codes), "rsync")
        d.peak = most / MANY

    return {
        "daemon-list-uncached": (RUNS, lambda d: client("-r", d.url(""))),
        "daemon-list-uncached-onelist": (RUNS, lambda d: client("-an", "--delay-updates", d.url("pool"), copy)),
        "daemon-pull-nochange": (RUNS, lambda d: client("-a", d.url("pool"), copy)),
        "daemon-connect": (1, connect),
        "daemon-connect-2k": (1, pull_2k),
        "daemon-many": (1, many),
    }


#: What a mirror of packages leaves out of a first stage.
EXCLUDES = [
    "--exclude=Packages*",
    "--exclude=Sources*",
    "--exclude=Release*",
    "--exclude=InRelease",
    "--exclude=i18n/*",
]


def cached_rows(copy: str) -> dict[str, tuple[int, Callable[[Daemon], None]]]:
    """Lists from memory. The first one fills it."""
    return {
        "daemon-list-cold": (1, lambda d: client("-r", d.url(""))),
        "daemon-list-cached": (RUNS, lambda d: client("-r", d.url(""))),
        "daemon-list-cached-onelist": (RUNS, lambda d: client("-an", "--delay-updates", d.url("pool"), copy)),
        "daemon-list-cached-filtered": (RUNS, lambda d: client("-r", *EXCLUDES, d.url(""))),
        "daemon-list-subdir-cached": (RUNS, lambda d: client("-r", d.url("pool/03/"))),
        "daemon-pull-nochange-cached": (RUNS, lambda d: client("-a", d.url("pool"), copy)),
    }


def measure(do: Callable[[Daemon], None], runs: int, daemons: Sequence[Daemon]) -> list[float]:
    """CPU time of each daemon, the median of the runs."""
    spent: dict[str, list[float]] = {one.name: [] for one in daemons}
    for _ in range(runs):
        for one in daemons:
            before = one.cpu()
            do(one)
            # The daemon counts a connection when it has ended.
            time.sleep(0.3)
            spent[one.name].append(one.cpu() - before)
    return [median(times) for times in spent.values()]


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
        for n in range(FILES):
            file = tree / f"two-thousand/{n % 40}/{n}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(os.urandom(1000))
        client("-a", f"{tree}/pool", f"{tree}/two-thousand", str(scratch / "copy"))
        scratch.chmod(0o755)
        chosen = [name for name in os.environ.get("ROWS", "").split(",") if name]
        print(f"{'CPU ms of the daemon':32}{'tain':>9}{'workers':>9}{'rsync':>9}{'ratio':>8}{'workers':>9}")
        with (
            daemon("tain", str(TAIN), tree) as ours,
            daemon("workers", str(TAIN), tree, "tain workers = yes\ntain control socket =\n") as shared,
            daemon("rsync", "rsync", tree) as theirs,
        ):
            all_three = (ours, shared, theirs)
            for name, (runs, do) in rows(scratch).items():
                if chosen and name not in chosen:
                    continue
                show(name, measure(do, runs, all_three))
                if all(one.peak for one in all_three):
                    show("  KiB of memory a connection", [one.peak for one in all_three])
                for one in all_three:
                    one.peak = 0.0
        print(f"{'':32}{'':9}{'cached':>9}{'rsync':>9}{'':8}{'cached':>9}")
        cache = "tain workers = yes\ntain control socket =\ntain cache = watch\n"
        with daemon("cached", str(TAIN), tree, cache) as ours, daemon("rsync", "rsync", tree) as theirs:
            for name, (runs, do) in cached_rows(str(scratch / "copy")).items():
                if not chosen or name in chosen:
                    mine, other = measure(do, runs, (ours, theirs))
                    print(f"{name:32}{'':9}{mine:9.0f}{other:9.0f}{'':8}{mine / max(other, 1):9.2f}", flush=True)
    return 0


def show(name: str, figures: list[float]) -> None:
    mine, shared, other = figures
    least = max(other, 1)
    print(f"{name:32}{mine:9.0f}{shared:9.0f}{other:9.0f}{mine / least:8.2f}{shared / least:9.2f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

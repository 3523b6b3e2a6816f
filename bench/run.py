"""Measure this build against rsync; `make bench` runs it. See README.md beside this file.

Figures are shown and never judged: only a run that fails, or a copy that is not right, ends with status 1.
"""

from __future__ import annotations

import filecmp
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
#: `make bench` names the program of the wheel; without a word it is the build that developers use.
TAIN = Path(sys.argv[1]).resolve() if sys.argv[1:] else ROOT / ".venv/bin/tain"
FILES = 2000
RUNS = 5
#: Calls that have to do with the files of a tree, as opposed to memory, threads and the start of a program.
FILE_CALLS = {
    "openat", "openat2", "read", "pread64", "write", "pwrite64", "close", "statx", "newfstatat", "fstat", "lstat",
    "stat", "fchmod", "fchmodat", "chmod", "fchown", "fchownat", "lchown", "utimensat", "rename", "renameat",
    "renameat2", "linkat", "unlinkat", "getdents64", "mmap", "munmap", "lseek", "select", "pselect6", "poll",
}  # fmt: skip


def compare_with(bench: str) -> int:
    """Hand over to a side-by-side comparison program."""
    words = [sys.executable, bench, "--ours", str(TAIN), "--peer", "rsync"]
    words += ["--scale", os.environ.get("SCALE") or "quick"]
    if only := os.environ.get("ONLY"):
        words += ["--only", only]
    return subprocess.run(words).returncode


def run(words: list[str]) -> tuple[float, float]:
    """Wall and CPU milliseconds of a command that has to succeed."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall * 1000, cpu * 1000


def make_tree(root: Path) -> None:
    rng = random.Random(1)
    for n in range(FILES):
        folder = root / f"d{n // 100:02}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file{n}").write_bytes(rng.randbytes(rng.randrange(4000)))


def same(one: Path, other: Path) -> bool:
    found = filecmp.dircmp(one, other)
    if found.left_only or found.right_only or found.funny_files:
        return False
    _, differs, errors = filecmp.cmpfiles(one, other, found.common_files, shallow=False)
    return not differs and not errors and all(same(one / d, other / d) for d in found.common_dirs)


def calls_per_file(words: list[str], scratch: Path) -> str:
    """How often each file call was made for each file of the tree, where it is at least every second time."""
    table = scratch / "calls"
    subprocess.run(["strace", "-f", "-c", "-o", str(table), *words], check=True, stdout=subprocess.DEVNULL)
    found: dict[str, float] = {}
    for line in table.read_text().splitlines():
        parts = line.split()
        if parts and parts[-1] in FILE_CALLS:
            found[parts[-1]] = int(parts[3]) / FILES
    often = {name: n for name, n in sorted(found.items()) if n >= 0.5}
    return f"{sum(often.values()):5.1f}  " + " ".join(f"{name} {n:.1f}" for name, n in often.items())


def main() -> int:
    if bench := os.environ.get("BENCH"):
        return compare_with(bench)
    programs = {"tain": str(TAIN)}
    if peer := shutil.which("rsync"):
        programs["rsync"] = peer
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="tain-bench-", dir=base) as folder:
        scratch = Path(folder)
        source = scratch / "source"
        make_tree(source)
        bare = [run([sys.executable, "-c", "pass"])[1] for _ in range(RUNS)]
        print(f"{'':34}{'wall ms':>9}{'cpu ms':>9}")
        print(f"{'bare Python':34}{'':9}{median(bare):9.1f}")
        for name, program in programs.items():
            start = [run([program, "--version"]) for _ in range(RUNS)]
            copies, again = [], []
            for n in range(RUNS):
                copy = scratch / f"{name}{n}"
                copies.append(run([program, "-a", f"{source}/", f"{copy}/"]))
                again.append(run([program, "-a", f"{source}/", f"{copy}/"]))
                if not same(source, copy):
                    print(f"{name}: the copy is not right", file=sys.stderr)
                    return 1
            for what, rows in (("--version", start), (f"{FILES} small files, new", copies), ("the same again", again)):
                print(f"{name + ': ' + what:34}{median(r[0] for r in rows):9.1f}{median(r[1] for r in rows):9.1f}")
        if shutil.which("strace"):
            print("\nsystem calls per file")
            for name, program in programs.items():
                for what in ("new", "the same again"):
                    words = [program, "-a", f"{source}/", f"{scratch}/{name}-calls/"]
                    print(f"{name + ': ' + what:24}{calls_per_file(words, scratch)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

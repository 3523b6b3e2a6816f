"""What the bar costs: CPU and memory of a local copy of many small files, on a terminal, with it and without.

    .venv/bin/python bench/bar.py                    # 200,000 files, five rounds
    .venv/bin/python bench/bar.py --files 20000 --rounds 3 --directory /dev/shm

Rounds of all variants follow each other, so that a busy machine slows all of them. CPU is user and system time of the
process; the ratio is that of the least values to the run without a bar, because load only adds. What loading rich costs
is measured beside it and left out of the ratio, because it is paid once, whatever the number of files.
"""

from __future__ import annotations

import argparse
import os
import pty
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

BIN = Path(sys.executable).parent
PER_DIRECTORY = 200
#: Options and variables of each variant.
VARIANTS: dict[str, tuple[list[str], dict[str, str]]] = {
    "without": ([], {}),
    "without, again": ([], {}),
    "TAIN_BAR=never": ([], {"TAIN_BAR": "never"}),
    "--summary": (["--summary"], {}),
    "--bar": (["--bar"], {}),
}


def make(root: Path, files: int) -> None:
    """A tree of *files* small files."""
    for number in range(0, files, PER_DIRECTORY):
        directory = root / f"{number // PER_DIRECTORY:05}"
        directory.mkdir(parents=True)
        for inner in range(min(PER_DIRECTORY, files - number)):
            (directory / f"{inner:03}").write_bytes(b"x" * (inner % 64))


def measure(argv: list[str], variables: dict[str, str], cwd: Path) -> tuple[float, float]:
    """CPU seconds and peak memory (MB) of *argv* on a terminal."""
    pid, fd = pty.fork()
    if not pid:
        try:
            os.chdir(cwd)
            environ = {key: value for key, value in os.environ.items() if key != "TAIN_BAR"}
            os.execve(argv[0], argv, {**environ, "TERM": "xterm-256color", **variables})
        finally:
            os._exit(127)
    try:
        while os.read(fd, 1 << 16):
            pass
    except OSError:
        pass
    _, status, usage = os.wait4(pid, 0)
    os.close(fd)
    if status:
        sys.exit(f"{' '.join(argv)}: status {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def loading(cwd: Path) -> float:
    """CPU seconds of loading what draws."""
    python = str(BIN / "python")
    with_rich = [measure([python, "-c", "import tain.report.bar"], {}, cwd)[0] for _ in range(9)]
    bare = [measure([python, "-c", "import tain"], {}, cwd)[0] for _ in range(9)]
    return statistics.median(with_rich) - statistics.median(bare)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", help="where to copy; a temporary directory without it")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tain-bar-", dir=wanted.directory) as name:
        home = Path(name)
        make(home / "s", wanted.files)
        found: dict[str, list[tuple[float, float]]] = {variant: [] for variant in VARIANTS}
        # The first run warms the caches.
        for number in range(wanted.rounds + 1):
            for variant, (options, variables) in VARIANTS.items():
                run = measure([str(BIN / "tain"), "-a", *options, "s/", "d/"], variables, home)
                if number:
                    found[variant].append(run)
                # Deleted by another process, whose time does not count.
                subprocess.run(["rm", "-rf", "d"], cwd=home, check=True)
        shutil.rmtree(home / "s")
        load = loading(home)
    base = min(cpu for variant in ("without", "without, again") for cpu, _ in found[variant])
    print(f"{wanted.files:,} files, {wanted.rounds} rounds; loading rich: {load * 1000:.0f} ms of CPU\n")
    print("| | CPU s, median | least | ratio | MB |\n|---|---|---|---|---|")
    for variant, runs in found.items():
        cpu = statistics.median(cpu for cpu, _ in runs)
        least, memory = min(cpu for cpu, _ in runs), max(memory for _, memory in runs)
        extra = load if variant == "--bar" else 0.0
        print(f"| {variant} | {cpu:.2f} | {least:.2f} | {(least - extra) / base:.2f} | {memory:.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())

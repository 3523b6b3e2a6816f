#!/usr/bin/env python3
"""What ``--json`` costs: CPU time and memory of local copies of many small files, with and without it.

Usage: bench/json_cost.py [TAIN] [--files N] [--rounds N] [--place DIRECTORY]

The two runs of a round follow each other, so that what slows the machine slows both. The table has the median of the
ratios of CPU time (user and system), and the most memory that a run took.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: Files of one directory.
_DIRECTORY = 1000


def fill(source: Path, files: int) -> None:
    for number in range(files):
        if number % _DIRECTORY == 0:
            directory = source / f"d{number // _DIRECTORY:04}"
            directory.mkdir(parents=True)
        (directory / f"file{number:07}").write_bytes(b"some text\n")


def measure(argv: list[str], place: Path) -> tuple[float, int]:
    """CPU seconds of a run, and the kilobytes of memory that it took at most. Errors: `SystemExit` if it fails."""
    process = subprocess.Popen(argv, cwd=place, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{argv} failed: {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tain", nargs="?", default=str(ROOT / ".venv/bin/tain"))
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--place", type=Path, help="where to make the trees; the default is a temporary directory")
    args = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="json_cost.", dir=args.place))
    try:
        fill(place / "src", args.files)
        print("| copy | CPU s without | CPU s with `--json` | ratio | memory without, MB | with |")
        print("|---|---|---|---|---|---|")
        for name in ("new", "no change"):
            rows = []
            for number in range(args.rounds):
                pair = []
                # The first of two runs finds colder caches, so they take turns.
                for json in (False, True) if number % 2 else (True, False):
                    if name == "new":
                        shutil.rmtree(place / "dst", ignore_errors=True)
                    argv = [args.tain, "-a", *(["--json"] if json else []), "src/", "dst/"]
                    pair.append((json, *measure(argv, place)))
                (_, *without), (_, *with_) = sorted(pair)
                rows.append((*without, *with_))
            ratio = statistics.median(row[2] / row[0] for row in rows)
            cpu = [statistics.median(row[at] for row in rows) for at in (0, 2)]
            memory = [max(row[at] for row in rows) / 1024 for at in (1, 3)]
            print(
                f"| {args.files:,} files, {name} | {cpu[0]:.2f} | {cpu[1]:.2f} | {ratio:.3f} "
                f"| {memory[0]:.1f} | {memory[1]:.1f} |"
            )
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()

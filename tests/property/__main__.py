"""`python -m tests.property`: many cases, or one by `SEED=n`, with every difference made small.

Environment: SEED (one case), CASES and START (a range), JOBS (processes), REDUCE=0 (show the cases as they are).
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests import programs
from tests.property.cases import Case, make
from tests.property.compare import judge, kinds, reduce, show
from tests.property.known import KNOWN

_space: Path | None = None


def begin() -> None:
    """Once in every worker process."""
    global _space
    programs.open_way_to_interpreter()
    assert tempfile.tempdir
    programs.close_all_but(tempfile.tempdir)
    _space = Path(tempfile.mkdtemp(prefix="space-"))
    _space.chmod(0o755)


def report(seed: int) -> str:
    """Nothing, or what is wrong with this case."""
    assert _space and programs.PROGRAM and programs.PEER
    ours, theirs, space = programs.PROGRAM, programs.PEER, _space
    case = make(seed)
    found = judge(case, ours, theirs, space)
    if not found:
        return ""
    if os.environ.get("REDUCE", "1") != "0":
        wanted = kinds(found)

        def failing(candidate: Case) -> bool:
            return bool(kinds(judge(candidate, ours, theirs, space)) & wanted)

        case = reduce(case, failing)
        found = judge(case, ours, theirs, space) or found
    return "\n".join([f"SEED={seed}", show(case), *(f"  | {line}" for line in found)])


def main() -> int:
    if os.geteuid() != 0:
        print("devices and owners need root", file=sys.stderr)
        return 2
    if "SEED" in os.environ:
        seeds = [int(word) for word in os.environ["SEED"].split(",")]
    else:
        start = int(os.environ.get("START", "0"))
        seeds = list(range(start, start + int(os.environ.get("CASES", "2000"))))
        seeds = [seed for seed in seeds if seed not in KNOWN]
    jobs = int(os.environ.get("JOBS", str(os.cpu_count() or 1)))
    since, failed = time.monotonic(), 0
    base = tempfile.mkdtemp(prefix="tain-property-")
    tempfile.tempdir = base
    Path(base).chmod(0o755)
    try:
        with ProcessPoolExecutor(jobs, initializer=begin) as pool:
            for number, text in enumerate(pool.map(report, seeds), 1):
                if text:
                    failed += 1
                    print(text, "", sep="\n", flush=True)
                if number % 100 == 0:
                    print(
                        f"... {number} cases, {failed} differ, {time.monotonic() - since:.0f} s",
                        file=sys.stderr,
                        flush=True,
                    )
    finally:
        shutil.rmtree(base, ignore_errors=True)
    print(f"{len(seeds)} cases, {failed} differ, {time.monotonic() - since:.0f} s")
    return 1 if failed else 0


sys.exit(main())

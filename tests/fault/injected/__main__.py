"""`python -m tests.fault.injected [NUMBER | changes | ID...]`: run cases outside of pytest, and count what they find.

A number: so many injected calls, 3600 without one. `changes`: all changing sources. `table`: write the table of calls
again. JOBS in the environment: how many processes run.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import product

from tests.fault.injected import changes, confined
from tests.fault.injected.cases import FULL, TABLE, TRANSPORTS, Case, chosen, parse
from tests.fault.injected.changes import Change
from tests.fault.injected.sets import SETS


def table(jobs: int) -> None:
    rows = [(name, via, user) for name, via, user in product(SETS, TRANSPORTS, (False, True))]
    with ProcessPoolExecutor(jobs, initializer=confined.begin) as pool:
        lines = list(pool.map(confined.calls, rows))
    TABLE.write_text("".join(f"{line}\n" for line in lines))


def run_one(case: Case | Change) -> str:
    return confined.judge(case) if isinstance(case, Case) else confined.judge_change(case)


def main() -> int:
    if os.geteuid() != 0:
        print("devices, owners and the confinement need root", file=sys.stderr)
        return 2
    jobs = int(os.environ.get("JOBS", str(os.cpu_count() or 1)))
    words = sys.argv[1:]
    if words == ["table"]:
        table(jobs)
        return 0
    named = {change.id: change for change in changes.every()}
    work: list[Case | Change]
    if words == ["changes"]:
        work = list(named.values())
    elif words and not words[0].isdigit():
        work = [named[word] if word in named else parse(word) for word in words]
    else:
        work = list(chosen(int(words[0]) if words else FULL))
    since, failed = time.monotonic(), 0
    with ProcessPoolExecutor(jobs, initializer=confined.begin) as pool:
        # Cases of one kind of run one after the other: each process keeps the clean run to compare with.
        work.sort(key=lambda case: (case.set, case.via, case.user))
        for number, text in enumerate(pool.map(run_one, work, chunksize=8), 1):
            if text:
                failed += 1
                print(text, flush=True)
            if number % 200 == 0:
                seconds = time.monotonic() - since
                print(f"... {number} cases, {failed} fail, {seconds:.0f} s", file=sys.stderr, flush=True)
    print(f"{len(work)} cases, {failed} fail, {time.monotonic() - since:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

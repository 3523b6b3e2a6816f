"""The process in which cases run: all file systems but one of its own are read-only."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from tests import programs
from tests.fault.injected import changes
from tests.fault.injected.cases import ERRORS, Case
from tests.fault.injected.changes import Change
from tests.fault.injected.judge import known
from tests.fault.injected.runner import Runner
from tests.fault.injected.sets import SETS
from tests.fault.injected.world import Run, World

_runner: Runner | None = None


def begin() -> None:
    """Once in every worker process."""
    global _runner
    programs.open_way_to_interpreter()
    base = tempfile.mkdtemp(prefix="tain-injected-")
    owner = os.getpid()
    programs.close_all_but(base)

    # What is mounted there is seen by this process alone, and ends with it.
    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(base, ignore_errors=True)

    atexit.register(remove)
    space = Path(base) / "space"
    space.mkdir()
    space.chmod(0o755)
    assert programs.PROGRAM and programs.PEER
    _runner = Runner(World(space), programs.PROGRAM, programs.PEER)


def runner() -> Runner:
    assert _runner
    return _runner


def judge(case: Case) -> str:
    """Nothing, or what is wrong with this case and how to run it again."""
    found, run = runner().judge(case)
    return report(case.id, found, run) if found and not known(case) else ""


def report(name: str, found: list[str], run: Run) -> str:
    """What is wrong, and how to run it again."""
    work = str(runner().world.work)
    lines = [f"== {name}: exit code {run.outcome.code}", *(f"   * {line}" for line in found[:12])]
    if len(found) > 12:
        lines.append(f"   * and {len(found) - 12} more")
    lines.append(f"   hit: {len(run.hits)}, {[path.removeprefix(work + '/') for _, path in run.hits[:4]]}")
    text = (run.outcome.err + run.outcome.out).decode(errors="replace").replace(work, "W")
    lines += [f"   | {line}" for line in text.splitlines()[:12]]
    lines.append(f"   again: .venv/bin/python -m tests.fault.injected {name}")
    return "\n".join(lines)


def judge_change(change: Change) -> str:
    """Nothing, or what is wrong when the source changes like this."""
    found, run = changes.judge(change, runner())
    return report(change.id, found, run) if found else ""


def calls(row: tuple[str, str, bool]) -> str:
    """The calls of a clean run on each tree, for the table."""
    name, via, user = row
    case = Case(name, via, "", "", "", "", user)
    words = sorted(word for word in runner().made(case) if word.split(":")[1] in ERRORS)
    return f"{name} {via} {'user' if user else 'root'}: {' '.join(words)}"


#: The kind in the library of each system call. What it has no name for is of no interest.
KINDS = {
    **dict.fromkeys(("rename", "renameat", "renameat2"), "rename"),
    **dict.fromkeys(("link", "linkat"), "link"),
    **dict.fromkeys(("symlink", "symlinkat"), "symlink"),
    **dict.fromkeys(("mkdir", "mkdirat"), "mkdir"),
    **dict.fromkeys(("mknod", "mknodat"), "mknod"),
    **dict.fromkeys(("unlink", "rmdir", "unlinkat"), "unlink"),
    **dict.fromkeys(("chmod", "fchmod", "fchmodat", "fchmodat2"), "chmod"),
    **dict.fromkeys(("chown", "fchown", "lchown", "fchownat"), "chown"),
    **dict.fromkeys(("utimensat", "utime", "utimes", "futimesat"), "utimens"),
    **dict.fromkeys(("setxattr", "lsetxattr", "fsetxattr"), "setxattr"),
    **dict.fromkeys(("removexattr", "lremovexattr", "fremovexattr"), "removexattr"),
    **dict.fromkeys(("fsync", "fdatasync"), "fsync"),
    "ftruncate": "ftruncate",
    "fallocate": "fallocate",
    "copy_file_range": "copy",
}


def compare_with_strace(name: str) -> str:
    """Count the calls that change something, in a local run of a set, both ways."""
    world, set_ = runner().world, SETS[name]
    world.begin(False)
    world.control.arm(world.work, every=True)
    trace = world.base / "trace"
    program = [str(world.program(runner().programs["tain"])), *set_.words("local"), *set_.sources, "dst/"]
    # From the moment that the trees are touched; the start of the interpreter does not count.
    command = ["strace", "-f", "-o", str(trace), "-e", "trace=" + ",".join(f"?{call}" for call in KINDS), "-E"]
    command += [f"LD_PRELOAD={world.control.library}", *program]
    env = programs.environment(str(world.home), INJECT_CONTROL=str(world.control.path))
    outcome = programs.run(command, cwd=world.work, env=env)
    if outcome.code:
        return str(outcome)
    kinds = set(KINDS.values())
    ours: Counter[str] = Counter()
    for _, kind, path in world.control.log():
        kind = {"rmdir": "unlink"}.get(kind, kind)
        # A call on two files is logged for each.
        if kind in kinds and not (kind == "copy" and "/src/" in path):
            ours[kind] += 1
    world.control.disarm()
    theirs: Counter[str] = Counter()
    for line in trace.read_text(errors="replace").splitlines():
        call = re.match(r"\d+ +(\w+)\(", line)
        if call and call[1] in KINDS:
            theirs[KINDS[call[1]]] += 1
    return "" if ours == theirs else f"seen {dict(ours)}, made {dict(theirs)}"

"""Run a case by both programs, say what differs, and make a failing case smaller."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.parity.harness import Result, differences, perform
from tests.parity.tree import Dir, Entry
from tests.property.cases import Case

TRIES = 4


def judge(case: Case, ours: str, theirs: str, space: Path) -> list[str]:
    """What differs between the programs, or nothing.

    Where rsync has more than one result (its processes write to one terminal), any of them will do.
    """
    row = case.row()
    # Where several processes of rsync write to one terminal, or where it depends on the arrival of lists which hard
    # link comes first, only the lines themselves count.
    row.sorted = case.via != "local" or len(case.sources) > 1 or b"-H" in case.words()
    near, far = ours, ours
    if case.far is not None:
        near, far = (ours, theirs) if case.far else (theirs, ours)
    mine = perform(row, near, space, far)
    found: list[str] = []
    seen: list[Result] = []
    for _ in range(TRIES):
        right = perform(row, theirs, space, theirs)
        found = differences(row, mine, right)
        if not found:
            return []
        if right in seen and len(seen) < 2 and len(seen) + 1 == TRIES:
            break
        seen.append(right)
    if any(one != seen[0] for one in seen[1:]):
        # rsync itself is not of one mind: the order of lines does not count.
        row.sorted = True
        if any(not differences(row, mine, right) for right in seen):
            return []
        found = differences(row, mine, seen[0])
    return found


def kinds(found: list[str]) -> set[str]:
    """Where the differences are: exit code, stdout, stderr, tree."""
    return {re.sub(r"^step \d+:? |:.*| code.*", "", line) for line in found if not line.startswith("  ")}


def reduce(case: Case, failing: Callable[[Case], bool], limit: int = 250) -> Case:
    """The smallest case found that still differs in the same places."""
    left = [limit]

    tops = {
        os.fsencode(e.path)
        for e in case.entries
        if isinstance(e, Dir) and os.fsencode(e.path).rsplit(b"/")[-1] == b"src"
    }

    # A list that is ended by NUL stays one.
    zero = {b"-0", b"--from0"} & set(case.words())

    def still(candidate: Case) -> bool:
        if left[0] <= 0 or not tops <= {os.fsencode(e.path) for e in candidate.entries}:
            return False
        if zero and not zero & set(candidate.words()):
            return False
        left[0] -= 1
        try:
            return failing(candidate)
        except (OSError, subprocess.CalledProcessError, AssertionError):
            # Without this entry the tree can't be built.
            return False

    best = case
    for simpler in simplifications(best):
        if still(simpler):
            best = simpler
    while True:
        before = (len(best.entries), len(best.options), len(best.sources))
        for name in ("options", "sources", "entries"):
            best = shorten(best, name, still)
        if before == (len(best.entries), len(best.options), len(best.sources)) or left[0] <= 0:
            break
    for number in range(len(best.entries)):
        candidate = vary(best, "entries", [plain(e) if n == number else e for n, e in enumerate(best.entries)])
        if repr(candidate.entries[number]) != repr(best.entries[number]) and still(candidate):
            best = candidate
    return best


def simplifications(case: Case) -> Iterator[Case]:
    if case.again:
        yield copied(case, again=False)
    if case.user:
        yield copied(case, user=False)
    if case.via == "shell":
        near = [s.removeprefix(b"h:{w}/") for s in case.sources]
        yield copied(
            case, again=False, via="local", far=None, sources=near, dest=[d.removeprefix(b"h:{w}/") for d in case.dest]
        )


def copied(case: Case, **changes: object) -> Case:
    values = {name: getattr(case, name) for name in case.__dataclass_fields__}
    return Case(**(values | changes))


def vary(case: Case, name: str, value: object) -> Case:
    return copied(case, **{name: value})


def shorten(case: Case, name: str, still: Callable[[Case], bool]) -> Case:
    items = list(getattr(case, name))
    size = max(1, len(items) // 2)
    while size:
        at = 0
        while at < len(items):
            candidate = items[:at] + items[at + size :]
            if (candidate or name != "sources") and still(vary(case, name, candidate)):
                items = candidate
            else:
                at += size
        size //= 2
    return vary(case, name, items)


def plain(entry: Entry) -> Entry:
    """The same entry without what is odd about it."""
    values = {name: getattr(entry, name) for name in entry.__dataclass_fields__}
    values |= {"mode": None, "nsec": 0, "owner": None, "xattrs": {}, "acl": "", "default_acl": ""}
    return type(entry)(**values)


def show(case: Case) -> str:
    """The case as text that a row can be made from."""
    lines = []
    for entry in case.entries:
        values = {k: v for k, v in vars(entry).items() if v not in (None, 0, "", {}, ()) or (k == "mode" and v == 0)}
        if "mode" in values:
            values["mode"] = oct(entry.mode or 0)
        if isinstance(getattr(entry, "content", None), bytes) and len(values.get("content", b"")) > 60:
            values["content"] = f"{len(values['content'])} bytes {values['content'][:20]!r}"
        if isinstance(entry, Dir) and set(values) == {"path"}:
            lines.append(f"{entry.path!r}/")
        else:
            path = values.pop("path")
            lines.append(f"{type(entry).__name__}({path!r} " + " ".join(f"{k}={v}" for k, v in values.items()) + ")")
    where = case.via + ("" if case.far is None else ", rsync at the far end" if case.far else ", tain at the far end")
    words = " ".join(
        w.decode("utf-8", "backslashreplace") if w.isascii() and b" " not in w else repr(w) for w in case.words()
    )
    return "\n".join(
        [f"  ({where}{', as user' if case.user else ''}{', twice' if case.again else ''}) rsync {words}"]
        + [f"    {line}" for line in lines]
    )

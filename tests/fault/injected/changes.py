"""A source that somebody changes while it is read: what, when, in which run; and the rules that hold then."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from itertools import product

from tests.fault.injected.cases import TRANSPORTS, Case
from tests.fault.injected.control import ACTION, CHANGES
from tests.fault.injected.judge import HOLDING, TEMPORARY, content, kind, plain, unquoted, words
from tests.fault.injected.runner import Runner
from tests.fault.injected.world import Run
from tests.sampling import covering

#: Just before this call on the file, for the nth time. (`data`: read, or copied by the kernel.)
MOMENTS = {"open": ("open", 1), "first": ("data", 1), "later": ("data", 2)}
SETS = (
    "plain",
    "delta",
    "inplace",
    "append",
    "sparse",
    "partial-dir",
    "delay",
    "remove-source",
    "compress",
    "checksum",
)
#: A new file of 70,000 bytes, and one of more than a megabyte with an old version at the destination.
NAMES = ("newdir/x", "big")


@dataclass(frozen=True)
class Change:
    what: str
    moment: str
    name: str
    via: str
    set: str

    @property
    def user(self) -> bool:
        """Who may read everything is not stopped by a mode."""
        return self.what == "chmod"

    @property
    def id(self) -> str:
        return "-".join([self.what, self.moment, os.path.basename(self.name), self.via, self.set])


def every() -> list[Change]:
    found = []
    for set_, via, what, moment, name in product(SETS, TRANSPORTS, CHANGES, MOMENTS, NAMES):
        if set_ == "append" and name == "big":
            # What has its length already is not looked at.
            name = "grow"
        # The directory of those is that of everything.
        if what == "rename-dir" and "/" not in name:
            continue
        # --append takes what it has for the beginning of the file that is there now.
        if (set_, what, moment) != ("append", "replace", "open"):
            found.append(Change(what, moment, name, via, set_))
    return found


def few() -> list[Change]:
    """The sample: every change at every moment and by every way, in every set, of either file."""
    return covering(
        every(), lambda case: [(case.what, case.moment), (case.what, case.via), (case.set, case.name), case.set]
    )


def summed(data: bytes) -> str:
    """As `content` shows it."""
    return f"{len(data)}/{hashlib.blake2b(data).hexdigest()[:12]}"


def altered(what: str, data: bytes, length: int) -> bytes:
    """What is in the file afterwards: as in preload.c."""
    if what == "truncate":
        return data[:length]
    if what == "append":
        return data + b"appended meanwhile\n" * 500
    if what == "replace":
        return b"replaced meanwhile\n" * 300
    return data


def judge(change: Change, runner: Runner) -> tuple[list[str], Run]:
    case = Case(change.set, change.via, "src", "open", "", "", change.user)
    before, clean, _ = runner.clean(case)
    world = runner.world
    world.begin(change.user)
    data = (world.work / "src" / change.name).read_bytes()
    length = len(data) // 3
    call, number = MOMENTS[change.moment]
    error = ACTION + CHANGES.index(change.what)
    path = world.work / "src" / change.name
    while True:
        world.control.arm(world.work, kind=call, below=path, error=error, first=number, last=number, argument=length)
        run = runner.go(case)
        if run.hits or number == 1:
            break
        # It was read at once.
        number = 1
        world.begin(change.user)
    found: list[str] = []
    code, text = run.outcome.code, (run.outcome.err + run.outcome.out).decode(errors="replace")
    if not run.hits:
        found.append("nothing was hit")
    if code not in (0, 23, 24):
        found.append(f"exit code {code}")
    if "panicked" in text or "Traceback" in text:
        found.append(f"it breaks: {text[-1500:]}")
    wanted, now = unquoted(clean.trees["dst"]), unquoted(run.trees["dst"])
    was, left = unquoted(before["dst"]), unquoted(run.trees["src"])
    gone = change.what == "rename-dir"
    above = os.path.dirname(change.name)
    for name in sorted(wanted.keys() | now.keys()):
        if name == change.name or any(TEMPORARY.match(part) or part in HOLDING for part in name.split("/")):
            if name != change.name and not (name.split("/")[-2:-1] == [".part"] or name.endswith(".part")):
                found.append(f"left over: {name}")
            continue
        here, there = now.get(name), wanted.get(name)
        if gone and (name.startswith(above + "/") or name in (above, "")):
            if here != there and code == 0:
                found.append(f"{name} is not as in a clean run, but exit code 0: {here}")
            continue
        if name in (above, "") and code:
            continue
        if plain(here) != plain(there):
            found.append(f"{name} suffers: {here} for {there}")
    original, later = summed(data), summed(altered(change.what, data, length))
    copy = now.get(change.name)
    at_end = content(left.get(change.name))
    whole = {original, later, content(was.get(change.name))}
    if kind(copy) == "-" and content(copy) not in whole:
        assert copy
        seen = words(copy)["mtime"] != words(wanted[change.name])["mtime"]
        if not (change.set in ("inplace", "append") and code and seen):
            found.append(f"neither old nor new: {copy}")
    if content(copy) not in (original, later):
        # So says rsync too, and calls it no error.
        if code == 0 and "skipped diminished file" not in text:
            found.append(f"it is not copied, but exit code 0: {copy}")
        if os.path.basename(change.name) not in text and not (gone and above in text):
            found.append("it is not copied, and no message says so")
    removed = change.set == "remove-source" and not at_end and change.what not in ("unlink", "rename-dir")
    if removed and content(copy) != later:
        found.append(f"the source is removed, and what it became is nowhere: {copy}")
    if change.what not in ("chmod", "rename-dir") and change.set != "remove-source":
        then = runner.go(case, again=True)
        after = unquoted(then.trees["dst"])
        if change.what != "unlink" and content(after.get(change.name)) != at_end and change.set != "append":
            found.append(f"the next run does not see it: {after.get(change.name)} for {at_end}")
        if then.outcome.code:
            found.append(f"the next run: {then.outcome}")
    return found, run

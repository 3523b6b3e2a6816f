"""`python -m tests.dircache.writer TREE SEED [links]`: changes a tree at full speed until standard input ends.

Then it prints what it did: a line for each state of a name, with the times between which it began and ended. With
`links` files have several names, and are changed through each of them.

Sizes tell states apart: no two of one name are equal in a run.
"""

from __future__ import annotations

import json
import os
import random
import select
import sys
import time
from collections.abc import Callable

#: Directories in which files are changed and linked, and a pair that is swapped as a whole.
STEADY, SWAPPED = ("d", "d/e", "o", "."), ("s/one", "s/two")
NEVER = 1e18


class Journal:
    """States of names: name, size, earliest begin, latest begin, earliest end, latest end."""

    def __init__(self) -> None:
        self.now: dict[str, tuple[int, float, float]] = {}
        self.done: list[tuple[str, int, float, float, float, float]] = []

    def record(self, act: Callable[[], object], states: dict[str, int | None]) -> None:
        """Do something that gives these names these sizes (None: no name)."""
        before = time.monotonic()
        act()
        after = time.monotonic()
        for name, size in states.items():
            if name in self.now:
                self.done.append((name, *self.now.pop(name), before, after))
            if size is not None:
                self.now[name] = (size, before, after)

    def lines(self) -> list[tuple[str, int, float, float, float, float]]:
        return self.done + [(name, *state, NEVER, NEVER) for name, state in self.now.items()]


class Writer:
    def __init__(self, seed: int, *, has_links: bool) -> None:
        self.has_links = has_links
        self.rng, self.journal = random.Random(seed), Journal()
        self.mark = f"w{seed}"
        self.size = 0
        self.links: dict[str, set[str]] = {}

    def next_size(self) -> int:
        self.size += 1
        return self.size

    def names(self) -> list[str]:
        return [name for name in self.journal.now if name.startswith(STEADY[:3]) or "/" not in name]

    def fresh(self) -> str:
        directory, name = self.rng.choice(STEADY), f"{self.mark}-{self.rng.randrange(60)}"
        return name if directory == "." else f"{directory}/{name}"

    def group(self, name: str) -> set[str]:
        return self.links.get(name, {name})

    def leave(self, name: str) -> None:
        """The name is no longer one of its file's."""
        self.links.pop(name, set()).discard(name)

    def step(self) -> None:
        rng, journal, size = self.rng, self.journal, self.next_size()
        known = self.names()
        kind = rng.randrange(8)
        if kind <= 1 or not known:
            # A new file, or another one in the place of an old one.
            name = self.fresh()
            aside = f"aside/{self.mark}"
            with open(aside, "wb") as file:
                file.truncate(size)
            journal.record(lambda: os.rename(aside, name), {name: size})
            self.leave(name)
            return
        name = rng.choice(known)
        if kind == 2:
            journal.record(lambda: os.truncate(name, size), dict.fromkeys(self.group(name), size))
        elif kind == 3:
            with open(name, "ab", buffering=0) as file:
                old = os.fstat(file.fileno()).st_size
                self.size = max(self.size, old + 1)
                journal.record(lambda: file.write(b"x"), dict.fromkeys(self.group(name), old + 1))
        elif kind == 4:
            journal.record(lambda: os.unlink(name), {name: None})
            self.leave(name)
        elif kind == 5:
            other = self.fresh()
            if other not in journal.now:
                journal.record(lambda: os.rename(name, other), {name: None, other: journal.now[name][0]})
                if name in self.links:
                    group = self.links.pop(name)
                    group.discard(name)
                    group.add(other)
                    self.links[other] = group
        elif kind == 6:
            other = self.fresh()
            if self.has_links and other not in journal.now:
                journal.record(lambda: os.link(name, other), {other: journal.now[name][0]})
                group = self.links.setdefault(name, {name})
                group.add(other)
                self.links[other] = group
        else:
            self.swap()

    def swap(self) -> None:
        if self.mark != "w1":
            # One of the writers owns the pair.
            return
        one, two = SWAPPED
        below = {name: state[0] for name, state in self.journal.now.items() if name.startswith("s/")}
        first = {name: size for name, size in below.items() if name.startswith(one + "/")}
        second = {name: size for name, size in below.items() if name.startswith(two + "/")}
        self.journal.record(lambda: os.rename(one, "s/aside"), {**dict.fromkeys(first), **moved(first, one, "s/aside")})
        self.journal.record(lambda: os.rename(two, one), {**dict.fromkeys(second), **moved(second, two, one)})
        aside = moved(first, one, "s/aside")
        self.journal.record(lambda: os.rename("s/aside", two), {**dict.fromkeys(aside), **moved(first, one, two)})

    def fill(self) -> None:
        for directory in SWAPPED:
            for number in range(5):
                name, size = f"{directory}/{number}", self.next_size()

                def make(name: str = name, size: int = size) -> None:
                    with open(name, "wb") as file:
                        file.truncate(size)

                # Not there, empty, and then of that size.
                self.journal.record(make, {name: size})


def moved(names: dict[str, int], old: str, new: str) -> dict[str, int | None]:
    return {new + name[len(old) :]: size for name, size in names.items()}


def main() -> None:
    os.chdir(sys.argv[1])
    writer = Writer(int(sys.argv[2]), has_links="links" in sys.argv[3:])
    if sys.argv[2] == "1":
        writer.fill()
    print("begun", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        writer.step()
    json.dump(writer.journal.lines(), sys.stdout)


if __name__ == "__main__":
    main()

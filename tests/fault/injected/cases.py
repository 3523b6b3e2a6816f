"""Which call fails, how, when, and in which run: every case is made from tables, in an order that never changes."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from tests.sampling import covering

TRANSPORTS = ("local", "push", "pull", "daemon-push", "daemon-pull")
#: Once, or every time it is made.
WHEN = ("first", "middle", "last", "every")

#: The errors that each call can give, on some file system or other. "short" is no error: half is read or written.
ERRORS = {
    "open": "EIO EACCES EPERM ELOOP EINTR",
    "create": "EIO ENOSPC EDQUOT EACCES EPERM EROFS EINTR",
    "opendir": "EIO EACCES EPERM ELOOP EINTR",
    "read": "EIO EACCES EINTR short",
    "write": "EIO ENOSPC EDQUOT EROFS EINTR short",
    "copy": "EIO ENOSPC EDQUOT EPERM EXDEV EINTR short",
    "fsync": "EIO ENOSPC EDQUOT EROFS EINTR",
    "ftruncate": "EIO ENOSPC EPERM EROFS EINTR",
    "fallocate": "EIO ENOSPC EDQUOT EPERM EINTR",
    "rename": "EIO ENOSPC EDQUOT EACCES EPERM EROFS EXDEV ELOOP EINTR",
    "link": "EIO ENOSPC EDQUOT EACCES EPERM EROFS EMLINK EXDEV EINTR",
    "symlink": "EIO ENOSPC EDQUOT EACCES EPERM EROFS EINTR",
    "unlink": "EIO EACCES EPERM EROFS EINTR",
    "rmdir": "EIO EACCES EPERM EROFS EINTR",
    "mkdir": "EIO ENOSPC EDQUOT EACCES EPERM EROFS EMLINK ELOOP EINTR",
    "mknod": "EIO ENOSPC EDQUOT EACCES EPERM EROFS EINTR",
    "chmod": "EIO EACCES EPERM EROFS EINTR",
    "chown": "EIO EDQUOT EACCES EPERM EROFS EINTR",
    "utimens": "EIO EACCES EPERM EROFS EINTR",
    "setxattr": "EIO ENOSPC EDQUOT EACCES EPERM EROFS EINTR",
    "removexattr": "EIO EACCES EPERM EROFS EINTR",
    "getxattr": "EIO EACCES EPERM EINTR",
    "listxattr": "EIO EACCES EPERM EINTR",
    "getdents": "EIO EACCES EINTR",
    "readlink": "EIO EACCES ELOOP EINTR",
    "stat": "EIO EACCES ELOOP EINTR",
    "fstat": "EIO EACCES EINTR",
}

#: Which calls a clean run makes, by set and transport; written by `python -m tests.fault.injected table`. A case whose
#: call is not made any more is a fault of this table, and fails.
TABLE = Path(__file__).with_name("calls.txt")

#: Cases of the full run.
FULL = 3600


@dataclass(frozen=True)
class Case:
    set: str
    via: str
    side: str
    """The top of the tree that the call is on."""
    call: str
    error: str
    """An errno by name, `short`, or for a changing source what happens to it."""
    when: str
    user: bool = False
    far: str = "tain"
    """The program at the other end of a link."""

    @property
    def id(self) -> str:
        words = [self.call, self.error, self.when, self.side, self.via, self.set]
        if self.user:
            words.append("user")
        if self.far != "tain":
            words.append(self.far)
        return "-".join(words)


def parse(name: str) -> Case:
    """The case of an id."""
    for candidate in every():
        if candidate.id == name:
            return candidate
    raise ValueError(f"no case is called {name}")


def every() -> list[Case]:
    """All that the tables allow: some 30,000."""
    found = []
    for line in TABLE.read_text().splitlines():
        place, _, calls = line.partition(": ")
        name, via, user = place.split(" ")
        for word in calls.split(" "):
            side, call = word.split(":")
            for error in ERRORS.get(call, "").split():
                # A call that is interrupted every time never ends.
                moments = WHEN[:-1] if error == "EINTR" else WHEN
                found += [Case(name, via, side, call, error, when, user == "user") for when in moments]
    return found


def chosen(number: int) -> list[Case]:
    """So many cases, well spread: each set, transport, call, error and moment as often as the others of its kind.

    The first of a longer choice are the shorter one.
    """
    rest = every()
    random.Random("tain").shuffle(rest)
    # How often each value was taken; the next case is one whose values are rare so far.
    taken: dict[tuple[str, object], int] = {}
    groups: dict[str, list[Case]] = {}
    for case in rest:
        groups.setdefault(case.call, []).append(case)
    found: list[Case] = []
    calls = sorted(groups)
    while len(found) < number and calls:
        for call in list(calls):
            group = groups[call]
            window = range(max(0, len(group) - 40), len(group))
            best = min(window, key=lambda at: cost(group[at], taken))
            case = group.pop(best)
            if not group:
                calls.remove(call)
            for key in keys(case):
                taken[key] = taken.get(key, 0) + 1
            found.append(case)
            if len(found) == number:
                break
    return found


def few() -> list[Case]:
    """The sample: every set by every way, and of every call each error, moment, kind of user and tree."""
    return covering(
        every(),
        lambda case: [
            (case.set, case.via),
            *((case.call, value) for value in (case.error, case.when, case.user, case.side)),
        ],
    )


def keys(case: Case) -> list[tuple[str, object]]:
    return [
        ("set", case.set),
        ("via", case.via),
        ("error", (case.call, case.error)),
        ("when", (case.call, case.when)),
        ("user", (case.call, case.user)),
    ]


def cost(case: Case, taken: dict[tuple[str, object], int]) -> float:
    return sum(taken.get(key, 0) for key in keys(case))

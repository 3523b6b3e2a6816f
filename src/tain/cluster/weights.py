"""Where a survey is cut, so that the parts are about as large as each other."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tain.cluster.survey import Survey


def cuts(survey: Survey, parts: int) -> list[bytes]:
    """At most *parts* - 1 paths at which parts of about the same weight begin, in order."""
    leaves = list(_leaves(survey, b"", b"", _guess(survey)))
    total = sum(weight for _, weight in leaves)
    found: list[bytes] = []
    before = 0
    for begin, weight in leaves:
        # The boundary that is nearest to the next share.
        due = len(found) + 1 < parts and (before + weight / 2) * parts >= total * (len(found) + 1)
        if due and begin and begin not in found[-1:]:
            found.append(begin)
        before += weight
    return found


def _guess(survey: Survey) -> int:
    """The weight of a directory that was not looked at: that of an average one."""
    sizes = [sum(names.values()) for names in survey.names.values()]
    return max(sum(sizes) // len(sizes), 1) if sizes else 1


def _leaves(survey: Survey, directory: bytes, begin: bytes, guess: int) -> Iterator[tuple[bytes, int]]:
    """The names below *directory* that are only taken as a whole, in order, with weights. Each has a path at which
    it begins. *begin* is that path for the directory; empty: nothing is before."""
    names = survey.names.get(directory, {})
    before: bytes | None = None
    for name in sorted(names):
        path = directory + b"/" + name if directory else name
        at = begin if before is None else (directory + b"/" if directory else b"") + _between(before, name)
        before = name
        if path in survey.names and path not in survey.closed:
            yield at, 1
            yield from _leaves(survey, path, at, guess)
        else:
            yield at, names[name] or guess


def _between(before: bytes, name: bytes) -> bytes:
    """The shortest boundary behind *before* and not behind *name*: short boundaries need few rules."""
    same = 0
    while same < min(len(before), len(name)) and before[same] == name[same]:
        same += 1
    return name[: same + 1]

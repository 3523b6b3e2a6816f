"""The rules of a guard, and the words that choose them (``--guard``, ``--guard-rules``, ``--allow``)."""

from __future__ import annotations

from tain.errors import UsageError
from tain.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tain.options.resolved import ResolvedOptions


class DeletePlan(Record):
    """The deletions that a run is about to make, as `Guard.judge` receives them. Sizes are bytes."""

    deletions: int
    """Entries that would be deleted, those in deleted directories included."""
    bytes: int
    """Size of the regular files among them. 0 if the other end deletes, which does not report it."""
    entries: int
    """Entries of the destination, those that would be deleted included."""
    source_entries: int
    """Entries of the source, the directory itself included."""
    source_bytes: int
    """Size of the regular files of the source. If the other end deletes, the symbolic links count too."""
    errors: int
    """Failures of the transfer so far that make its code 23. If the other end deletes, 1 stands for any number."""


class Guard(Record):
    """What a transfer refuses. A refusal has code 25 (`DeleteLimit`), and nothing is deleted.

    `root`, `same`, `marker` and, for a source on this machine, `empty_source` are judged before the transfer begins,
    and nothing is changed. `percent`, `max` and the list of a remote source are judged when all deletions are known,
    before the first one: what was copied stays. That makes ``delete=True`` delete at the end. For a push, whose
    deletions the other end makes, `max`, `judge` and a `percent` that was chosen cost a dry run before the run, and
    nothing is changed after a refusal; the default guard leaves `percent` out there.
    """

    root: bool = True
    """Deletions whose destination is ``/`` or the home directory of the user."""
    same: bool = True
    """One directory as source and destination, with deletions or `remove_source_files`."""
    empty_source: bool = True
    """Deletions while a source directory has no entry, as when its disk is not mounted."""
    marker: str | bytes | None = None
    """A source on this machine that lacks an entry of this name, which a mounted disk has."""
    percent: int | None = 50
    """More than 100 deletions that are more than this part of what the destination has. 50 is the rule ``half``."""
    max: int | None = None
    """More deletions than this; unlike `max_delete` it then makes none."""
    judge: Callable[[DeletePlan], str | None] | None = None
    """A rule of the program. It receives the deletions, and returns the reason to refuse all of them, or None."""
    names: str | bytes | None = None
    """A file that receives the names of the deletions before they are judged, each with a NUL at its end."""


#: The guard of a transfer that names no rule.
DEFAULT_GUARD = Guard()

#: The words of the rules, each with its field and the value that turns it off.
_WORDS: dict[str, tuple[str, bool | None]] = {
    "empty-source": ("empty_source", False),
    "root": ("root", False),
    "same": ("same", False),
    "percent": ("percent", None),
    "max": ("max", None),
    "marker": ("marker", None),
}


def guard_of(options: ResolvedOptions) -> Guard | None:
    """The guard that the options choose, if they choose one. Errors: `UsageError`."""
    if not options.guard and options.guard_rules is None:
        return None
    fields: dict[str, Any] = {}
    if options.guard_rules is not None:
        fields = dict(_WORDS.values())
        for word in options.guard_rules.split(b","):
            name, _, value = (b"percent=50" if word == b"half" else word).partition(b"=")
            field, off = _known(name)
            valued, number = off is None, field in ("percent", "max")
            if valued != bool(value) or (number and not _is_number(value)):
                raise UsageError(f"rsync: the guard {_text(name)!r} has a wrong value or none")
            fields[field] = int(value) if number else value if valued else True
    for word in (options.allow or b"").split(b","):
        if word:
            field, off = _known(b"percent" if word == b"half" else word)
            fields[field] = off
    return Guard(**fields)


def _known(name: bytes) -> tuple[str, bool | None]:
    """The field of a rule, and the value that turns it off."""
    text = _text(name)
    if text not in _WORDS:
        raise UsageError(f"rsync: there is no guard {text!r}")
    return _WORDS[text]


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")


def _is_number(value: bytes) -> bool:
    return value.isdigit() and len(value) < 10

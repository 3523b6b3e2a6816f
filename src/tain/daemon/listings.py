"""The directory cache of a worker: lists of its module from memory (spec: daemon 3; decision 18)."""

from __future__ import annotations

import os
import time

from tain.errors import TainError, UsageError
from tain.options.sizes import parse_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tain._core import DirectoryCache, PlanFields
    from tain.daemon.module_view import ModuleView
    from tain.daemon.sections import Section

#: Values of `tain cache`.
MODES = (b"off", b"ttl", b"watch", b"watch!", b"told", b"watch told")
#: A worker with listings is worth keeping: it waits so many times as long for the next client.
PATIENCE = 10

#: What decides what a session of the module can see. The rest of a plan is the client's.
_OF_THE_VIEW = (
    "module_root", "module_root_handle", "module_chroot", "munge_links", "insecure_links", "daemon_rules",
    "daemon_chmod", "ignore_nonreadable",
)  # fmt: skip


def mode(section: Section) -> bytes:
    """The module's `tain cache`; an unknown value counts as `off`."""
    text = b" ".join(section.raw("tain cache").lower().split())
    return text if text in MODES else b"off"


def are_watched(section: Section) -> bool:
    """Whether the module's directories are watched (`tain cache = watch`)."""
    return mode(section).startswith(b"watch")


def are_announced(section: Section) -> bool:
    """Whether jobs announce their changes of the module's tree (`tain cache = told`)."""
    return mode(section).endswith(b"told")


def max_age(section: Section) -> int:
    """Seconds for which a listing is trusted without watches or jobs."""
    return max(1, section.number("tain cache max age"))


def make(view: ModuleView, fields: PlanFields, *, umask: int, warn: Callable[[str], None]) -> DirectoryCache | None:
    """The listings for the sessions of *view*, in a process that is inside of its root; None without `tain cache`.

    *fields* are the plan's of any of them. What prevents listings goes to *warn*; lists are then made as without them.
    """
    section = view.section
    if mode(section) == b"off":
        return None
    from tain import _core

    known: PlanFields = {name: fields[name] for name in _OF_THE_VIEW}  # type: ignore[literal-required,assignment]
    known |= {"am_root": os.geteuid() == 0, "umask": umask, "cwd": view.root}
    try:
        return _core.DirectoryCache(
            _core.Plan(**known),
            view.root,
            watch=are_watched(section),
            told=are_announced(section),
            max_age=float(max_age(section)),
            memory=memory_limit(section),
            any_file_system=mode(section) == b"watch!",
        )
    except TainError as error:
        warn(f"tain cache: {error}")
        return None


def memory_limit(section: Section) -> int:
    """Bytes for listings. A value that cannot be read counts as the default."""
    for text in (section.text("tain cache memory"), b"256M"):
        try:
            return parse_size(text, "tain cache memory")
        except UsageError:
            continue
    return 0


def sweep(listings: DirectoryCache, period: int, is_over: Callable[[], bool]) -> None:
    """Compare each listing with the disk once in *period* seconds, a few each second, until *is_over*; a thread."""
    while not is_over():
        time.sleep(1)
        directories = listings.status()["directories"]
        if directories:
            listings.sweep(directories // period + 1)

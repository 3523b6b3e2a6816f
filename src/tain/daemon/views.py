"""What decides what a connection of a module can see, and whether a worker may serve it (spec: daemon 4, 7)."""

from __future__ import annotations

import os

from tain.daemon import filters, listings, module
from tain.daemon.parameters import PARAMETERS, PATH, STRING, key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tain.daemon.admitted import Admitted
    from tain.daemon.module import Identity, Roots
    from tain.daemon.sections import Section

#: A worker has one root and one user from its start on, and forks nothing.
_OF_A_PROCESS = ("daemon chroot", "daemon uid", "daemon gid")
_HOOKS = ("early exec", "pre-xfer exec", "post-xfer exec", "name converter")
#: A variable of the client in one of these makes another view for each client.
_OF_A_VIEW = (
    "path", "uid", "gid", "filter", "include from", "include", "exclude from", "exclude", "charset", "temp dir",
    "log file", "syslog tag",
)  # fmt: skip
#: The values in the key besides those that `View` resolves.
_IN_THE_KEY = (
    "insecure links", "ignore nonreadable", "outgoing chmod", "charset", "temp dir", "fake super", "tain cache",
    "tain cache max age", "tain cache verify", "tain cache memory",
)  # fmt: skip


def wants_workers(section: Section) -> bool:
    """Whether the module's connections should share workers: lists from memory are in one."""
    return section.flag("tain workers") or listings.mode(section) != b"off"


def obstacle(section: Section) -> str:
    """Why no worker serves the module's connections, as its parameters are; empty if one can."""
    if not wants_workers(section):
        return "tain workers = no"
    for name in (*_OF_A_PROCESS, *_HOOKS):
        if section.raw(name):
            return name
    if section.flag("write only"):
        return "write only"
    if not section.flag("read only") and b":ro" not in section.raw("auth users"):
        return "read only = no"
    for name in _OF_A_VIEW:
        if b"%RSYNC_" in section.raw(name):
            return f"a variable of the client in {name}"
    return ""


def obstacle_of(admitted: Admitted) -> str:
    """Why no worker serves this connection; empty if one can."""
    section = admitted.section
    reason = obstacle(section)
    if reason:
        return reason
    if not (admitted.access == "ro" or (section.flag("read only") and admitted.access != "rw")):
        return "access is not read-only"
    if admitted.early_input:
        return "early input"
    return ""


class View:
    """The part of a module that all connections of a worker share."""

    __slots__ = ("key", "root_fd", "rules", "warnings", "where", "who")

    def __init__(self, where: Roots, who: Identity, rules: list[bytes], warnings: list[str], key: bytes) -> None:
        self.where = where
        self.who = who
        #: The module's filter, as new-style rules.
        self.rules = rules
        #: Each connection writes them into its log.
        self.warnings = warnings
        #: 16 bytes: another key is another view.
        self.key = key
        #: The module's root, in the worker.
        self.root_fd = -1


def find(section: Section, *, root: bool, can_chroot: Callable[[], str]) -> View:
    """The view of a module that has no `obstacle`, for a process that is outside of it.

    *root*: this process may change its user. Errors: `RefusalError`, `UnsafeExpansionError`, `ExpansionOverflowError`;
    `OSError` when there is no root.
    """
    import hashlib

    warnings: list[str] = []
    who = module.identity(section, root=root)
    where = module.roots(section, can_chroot=can_chroot, warn=warnings.append)
    rules = filters.rules(section)
    status = os.stat(where.full_path)
    texts = (STRING, PATH)
    values = [section.text(name) if PARAMETERS[key(name.encode())].kind in texts else section.values[name]
              for name in _IN_THE_KEY]  # fmt: skip
    facts = (
        section.name, where.full_path, where.chroot, where.root, where.sanitize, where.munge, status.st_dev,
        status.st_ino, who.uid, who.gids, rules, values, section.tri("numeric ids"), section.variables.strict,
    )  # fmt: skip
    return View(where, who, rules, warnings, hashlib.sha256(repr(facts).encode()).digest()[:16])


def runs_as_root(view: View) -> bool:
    """Whether the view's worker would have the powers of root."""
    return (os.geteuid() if view.who.uid is None else view.who.uid) == 0

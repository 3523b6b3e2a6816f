"""``--copy-as``: continue as another user (spec: options 6.4). This changes the whole process."""

from __future__ import annotations

import os

from tain.digits import bounded
from tain.errors import UnsupportedError, UsageError
from tain.escape import printable
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.options.resolved import ResolvedOptions
    from tain.session.environment import Environment

#: One more than the largest number of 32 bits, which means "no id".
ID_END = (1 << 32) - 1


def become(options: ResolvedOptions, env: Environment, role: str) -> None:
    """Switch to the user of ``--copy-as``, if there is one. Errors: `UsageError` in the name of *role*;
    `UnsupportedError` when the process does not belong to this session alone."""
    spec = options.copy_as
    if spec is None:
        return
    if not env.own_process:
        raise UnsupportedError("rsync: --copy-as changes the ids of a whole process, which is not this session's own")
    name, colon, group = spec.partition(b":")
    uid, gids = _user(name, role, need_groups=not colon)
    if colon:
        gids = [_group(group)]
    try:
        what = "setgid"
        os.setgid(gids[0])
        what = "setgroups"
        os.setgroups(gids)
        what = "setuid"
        os.setuid(uid)
    except OSError as error:
        raise UsageError(f"rsync: [{role}] {what} failed: {system_text(error)}") from None
    # --super and --fake-super were meant for the former user; for the new one the user id decides.
    options.super_user = -1


def _number(text: bytes) -> int | None:
    if not text.isdigit():
        return None
    value = bounded(text)
    if value >= ID_END:
        raise UsageError(f"Invalid ID number: {printable(text)}")
    return value


def _user(name: bytes, role: str, *, need_groups: bool) -> tuple[int, list[int]]:
    """The uid, and all groups of the user, its own first."""
    import pwd

    uid = _number(name)
    try:
        if uid is None:
            uid = pwd.getpwnam(os.fsdecode(name)).pw_uid
        if not need_groups:
            return uid, []
    except (KeyError, ValueError):
        raise UsageError(f"Invalid copy-as user: {printable(name)}") from None
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise UsageError(f"rsync: [{role}] getpwuid failed: Success (0)") from None
    gids = os.getgrouplist(entry.pw_name, entry.pw_gid)
    return uid, [entry.pw_gid, *(gid for gid in gids if gid != entry.pw_gid)]


def _group(name: bytes) -> int:
    import grp

    gid = _number(name)
    if gid is not None:
        return gid
    try:
        return grp.getgrnam(os.fsdecode(name)).gr_gid
    except (KeyError, ValueError):
        raise UsageError(f"Invalid copy-as group: {printable(name)}") from None

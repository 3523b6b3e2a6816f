"""``--copy-as``: continue as another user (spec: options 6.4). This changes the whole process."""

from __future__ import annotations

import os

from tain.errors import UnsupportedError, UsageError
from tain.escape import printable
from tain.session import accounts
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.options.resolved import ResolvedOptions
    from tain.session.environment import Environment


def become(options: ResolvedOptions, env: Environment, role: str) -> None:
    """Switch to the user of ``--copy-as``, if there is one. Errors: `UsageError` in the name of *role*;
    `UnsupportedError` when the process does not belong to this session alone."""
    spec = options.copy_as
    if spec is None:
        return
    if not env.own_process:
        raise UnsupportedError("rsync: --copy-as changes the ids of a whole process, which is not this session's own")
    name, colon, group = spec.partition(b":")
    uid = _known(accounts.user_number(name), "user", name)
    try:
        gids = [_known(accounts.group_number(group), "group", group)] if colon else accounts.groups_of(uid)
    except KeyError:
        raise UsageError(f"rsync: [{role}] getpwuid failed: Success (0)") from None
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


def _known(number: int | None, what: str, name: bytes) -> int:
    if number is None:
        text = "Invalid ID number" if name.isdigit() else f"Invalid copy-as {what}"
        raise UsageError(f"{text}: {printable(name)}")
    return number

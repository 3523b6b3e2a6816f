"""Users and groups of this system, by the names that an operator writes (spec: options 6.4, daemon 7.5)."""

from __future__ import annotations

import os

from tain.digits import bounded

#: One more than the largest id: 32 bits, of which the largest number means "no id".
ID_END = (1 << 32) - 1


def _number(text: bytes) -> int | None:
    value = bounded(text)
    return value if value < ID_END else None


def user_number(text: bytes) -> int | None:
    """The id of a user by name or digits; None for an unknown user."""
    import pwd

    if text.isdigit():
        return _number(text)
    try:
        return pwd.getpwnam(os.fsdecode(text)).pw_uid
    except (KeyError, ValueError):
        return None


def group_number(text: bytes) -> int | None:
    """The id of a group by name or digits; None for an unknown group."""
    import grp

    if text.isdigit():
        return _number(text)
    try:
        return grp.getgrnam(os.fsdecode(text)).gr_gid
    except (KeyError, ValueError):
        return None


def groups_of(uid: int) -> list[int]:
    """All groups of a user, its own first. Errors: `KeyError` for an id without a user."""
    import pwd

    entry = pwd.getpwuid(uid)
    groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    return [entry.pw_gid, *(gid for gid in groups if gid != entry.pw_gid)]

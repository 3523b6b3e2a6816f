"""Users and groups of this system, by the names that an operator writes (spec: options 6.4, daemon 7.5)."""

from __future__ import annotations

import os

from tain.digits import bounded

#: One more than the largest id: 32 bits, of which the largest number means "no id".
ID_END = (1 << 32) - 1


def find(group: bool, key: bytes | int) -> bytes | int | None:
    """The id of a user or a *group* by its name, or the name by its id, from all sources of this system."""
    try:
        if group:
            import grp

            if isinstance(key, int):
                return os.fsencode(grp.getgrgid(key).gr_name)
            return grp.getgrnam(os.fsdecode(key)).gr_gid
        import pwd

        if isinstance(key, int):
            return os.fsencode(pwd.getpwuid(key).pw_name)
        return pwd.getpwnam(os.fsdecode(key)).pw_uid
    except (KeyError, ValueError):
        return None


def _number(group: bool, text: bytes) -> int | None:
    found = bounded(text) if text.isdigit() else find(group, text)
    return found if isinstance(found, int) and found < ID_END else None


def user_number(text: bytes) -> int | None:
    """The id of a user by name or digits; None for an unknown user."""
    return _number(False, text)


def group_number(text: bytes) -> int | None:
    """The id of a group by name or digits; None for an unknown group."""
    return _number(True, text)


def groups_of(uid: int) -> list[int]:
    """All groups of a user, its own first. Errors: `KeyError` for an id without a user."""
    import pwd

    entry = pwd.getpwuid(uid)
    groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    return [entry.pw_gid, *(gid for gid in groups if gid != entry.pw_gid)]

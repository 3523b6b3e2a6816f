"""The identity and the root that a module gives to its connections (spec: daemon 7)."""

from __future__ import annotations

import os

from tain.daemon.refusal import RefusalError
from tain.daemon.text import comma_list
from tain.options.paths import clean
from tain.session.accounts import group_number, groups_of, user_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tain.daemon.sections import Section


class Identity:
    """The user and groups of the transfer; None keeps those of the daemon."""

    __slots__ = ("gids", "uid")

    def __init__(self, uid: int | None, gids: list[int] | None) -> None:
        self.uid = uid
        self.gids = gids


def identity(section: Section, *, root: bool) -> Identity:
    """Resolve ``uid`` and ``gid``; call this before any chroot (spec: daemon 7.5). Errors: `RefusalError`."""
    uid_text, gid_text = section.text("uid"), section.text("gid")
    uid: int | None = None
    if uid_text or root:
        uid = user_number(uid_text or b"nobody")
        from_variable = b"%" in section.raw("uid") and uid == 0
        if from_variable and not section.flag("tain allow root uid"):
            uid = None
        if uid is None:
            shown = os.fsdecode(uid_text or b"nobody")
            raise RefusalError(f"@ERROR: invalid uid {shown}", f"Invalid uid {shown}")
    gids: list[int] = []
    if gid_text:
        for position, item in enumerate(comma_list(gid_text)):
            if item == b"*" and position == 0:
                owner = os.geteuid() if uid is None else uid
                try:
                    gids += groups_of(owner)
                except KeyError:
                    raise RefusalError("@ERROR: getpwuid failed", f"getpwuid({owner}) failed") from None
                continue
            gid = group_number(item)
            if gid is None:
                shown = os.fsdecode(item)
                raise RefusalError(f"@ERROR: invalid gid {shown}", f"Invalid gid {shown}")
            gids.append(gid)
    if not gids and root:
        for name in (b"nogroup", b"nobody"):
            gid = group_number(name)
            if gid is not None:
                gids = [gid]
                break
        else:
            raise RefusalError("@ERROR: invalid gid nobody", "Invalid gid nobody")
    return Identity(uid, gids or None)


class Roots:
    """The rows of the table of spec daemon 7.1."""

    __slots__ = ("chroot", "full_path", "munge", "root", "sanitize")

    def __init__(self, full_path: bytes, chroot: bytes | None, root: bytes, *, sanitize: bool, munge: bool) -> None:
        #: The configured path, absolute and cleaned.
        self.full_path = full_path
        #: The directory of the chroot; None means no chroot.
        self.chroot = chroot
        #: The module's root as this process will see it after the chroot.
        self.root = root
        self.sanitize = sanitize
        self.munge = munge


def roots(section: Section, *, can_chroot: Callable[[], str], warn: Callable[[str], object]) -> Roots:
    """Decide on chroot and roots. *can_chroot* tries a chroot and returns the reason for a failure, or nothing."""
    path = section.text("path")
    if not path:
        raise RefusalError("@ERROR: no path setting.", f"No path specified for module {os.fsdecode(section.name)}")
    if not path.startswith(b"/"):
        path = os.path.join(os.getcwdb(), path)
    outer, marker, inner = path.partition(b"/./")
    wanted = section.tri("use chroot")
    if wanted is None:
        if marker:
            wanted = True
        else:
            reason = can_chroot()
            wanted = not reason
            if reason:
                warn(f"chroot test failed: {reason}. Switching 'use chroot' from unset to false.")
    full = clean(path)
    munge = section.tri("munge symlinks")
    if wanted:
        chroot = clean(outer or b"/") if marker else full
        root = clean(b"/" + inner) if marker else b"/"
    else:
        chroot, root = None, full
    sanitize = root != b"/"
    if munge is None:
        munge = sanitize or (chroot is None)
    return Roots(full, chroot, root, sanitize=sanitize, munge=munge)

"""The identity and the root that a module gives to this process (spec: daemon 7)."""

from __future__ import annotations

import os

from tain.daemon.refusal import RefusalError, or_refuse
from tain.daemon.text import comma_list
from tain.options.paths import clean
from tain.session import operator_file
from tain.session.accounts import group_number, groups_of, user_number
from tain.session.operator_file import with_link_note
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tain.daemon.sections import Section

MUNGE_DIRECTORY = b"/rsyncd-munged"


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


def chroot_problem() -> str:
    """The reason why this process cannot chroot, or nothing."""
    try:
        os.chroot("/")
    except OSError as error:
        return os.strerror(error.errno or 0)
    return ""


def enter(where: Roots, *, insecure_links: bool) -> None:
    """Enter the chroot, then the module's root. Errors: `RefusalError`.

    Without a chroot the path is walked component by component: a link in it must belong to root or to our user
    (spec: security SEC-5), unless the module follows any link.
    """
    if where.chroot is not None:
        shown = os.fsdecode(where.chroot)
        try:
            os.chdir(where.chroot)
            os.chroot(where.chroot)
        except OSError as error:
            raise RefusalError(
                "@ERROR: chroot failed",
                f'rsync: [Receiver] chroot("{shown}") failed: {system_text(error)}{_blame(where.chroot)}',
            ) from None
    try:
        if where.chroot is not None or insecure_links:
            os.chdir(where.root)
        else:
            fd = operator_file.open_walk(where.root, os.O_PATH | os.O_DIRECTORY)
            try:
                os.chdir(fd)
            finally:
                os.close(fd)
    except OSError as error:
        text = f"rsync: [Receiver] chdir {os.fsdecode(where.root)} failed: {system_text(error)}{_blame(where.root)}"
        raise RefusalError("@ERROR: chdir failed", with_link_note(error, text)) from None


def _blame(path: bytes) -> str:
    """The component of a path that fails, when it is not the last one (for the log only)."""
    at = b"/"
    for part in path.strip(b"/").split(b"/"):
        at = at.rstrip(b"/") + b"/" + part
        try:
            if not os.path.isdir(at):
                problem = "is no directory" if os.path.lexists(at) else "is missing"
                return "" if at == path else f" ({os.fsdecode(at)} {problem})"
            if not os.access(at, os.X_OK):
                return f" ({os.fsdecode(at)} may not be searched)"
        except OSError:
            break
    return ""


def check_munge() -> None:
    """Refuse a module in which munged links would lead somewhere: the prefix must not exist (spec: daemon 7.4)."""
    if os.path.isdir(MUNGE_DIRECTORY):
        raise RefusalError(
            "@ERROR: daemon security issue -- contact admin",
            f"Symlink munging is unsafe when a {os.fsdecode(MUNGE_DIRECTORY)} directory exists.",
            4,
        )


def become(who: Identity) -> None:
    """Change groups and user, and read them back: all or nothing (spec: daemon 7.5, security SEC-39)."""
    if who.gids is not None:
        primary = who.gids[0]
        with or_refuse(f"setgid {primary} failed", "@ERROR: setgid failed"):
            os.setgid(primary)
        if os.geteuid() == 0 or sorted(set(os.getgroups())) != sorted(set(who.gids)):
            with or_refuse("setgroups failed", "@ERROR: setgroups failed"):
                os.setgroups(who.gids)
        if os.getresgid() != (primary,) * 3 or set(os.getgroups()) != set(who.gids):
            raise RefusalError("@ERROR: setgroups failed", "the groups of this process are not those of the module")
    if who.uid is not None:
        with or_refuse(f"setuid {who.uid} failed", "@ERROR: setuid failed"):
            os.setuid(who.uid)
        if os.getresuid() != (who.uid,) * 3:
            raise RefusalError("@ERROR: setuid failed", "this process is not who it should be")
        if who.uid != 0 and _regains_root():
            raise RefusalError("@ERROR: setuid failed", "this process could become root again")


def _regains_root() -> bool:
    """Whether this process can become root again.

    A preloaded library (fakeroot) only pretends: the kernel's ids decide, and the pretended ones are restored.
    """
    who = os.getuid()
    try:
        os.setuid(0)
    except OSError:
        return False
    if 0 in _kernel_uids():
        return True
    os.setuid(who)
    return False


def _kernel_uids() -> tuple[int, ...]:
    """Real, effective, saved and file-system uid in the kernel; root if they cannot be read."""
    try:
        with open("/proc/self/status", "rb") as status:
            for line in status:
                if line.startswith(b"Uid:"):
                    return tuple(map(int, line.split()[1:]))
    except OSError:
        pass
    return (0,)

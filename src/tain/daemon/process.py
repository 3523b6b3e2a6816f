"""What a connection does to its process: modules, signals, root, directory, identity (spec: daemon 4, 7).

Nothing else here or in `tain.session` changes what the threads of a process share (a test holds it), so that
connections can share a process.
"""

from __future__ import annotations

import os
import signal

from tain.daemon import preload
from tain.daemon.refusal import RefusalError, or_refuse
from tain.session import operator_file
from tain.session.operator_file import with_link_note
from tain.system import system_text, umask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.daemon.module import Identity, Roots
    from tain.session.environment import Environment

MUNGE_DIRECTORY = b"/rsyncd-munged"


class Process:
    """A process that serves one connection and may therefore change its root, its user and its signals."""

    __slots__ = ("loaded", "umask")

    @property
    def own(self) -> bool:
        """No other connection shares the process."""
        return True

    def __init__(self, *, loaded: bool = False) -> None:
        """*loaded*: the listener has loaded the modules before the fork."""
        self.loaded = loaded
        #: Read before a chroot hides ``/proc``.
        self.umask = umask()

    def load(self) -> None:
        """Load everything that a chroot would hide."""
        if not self.loaded:
            preload.load()
            self.loaded = True

    def fork(self) -> int:
        """As `os.fork`: the parent stays outside for the command after the transfer."""
        return os.fork()

    def end_by_signals(self, env: Environment) -> None:
        """SIGTERM, SIGINT and SIGHUP end the transfer of *env* with code 20."""

        def stop(_number: int, _frame: object) -> None:
            if env.transfer is not None:
                env.transfer.cancel(20)

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, stop)

    def confine(self, root: bytes, gid: int | None, uid: int | None) -> None:
        """Apply ``daemon chroot``, ``daemon gid`` and ``daemon uid``. Errors: `RefusalError`."""
        if root:
            self.load()
            with or_refuse(f'daemon chroot("{os.fsdecode(root)}") failed'):
                os.chroot(root)
                os.chdir("/")
        if gid is not None:
            with or_refuse(f"Unable to set group to daemon gid {gid}"):
                os.setgid(gid)
                os.setgroups([gid])
        if uid is not None:
            with or_refuse(f"Unable to set user to daemon uid {uid}"):
                os.setuid(uid)

    def enter(self, where: Roots, *, insecure_links: bool) -> None:
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

    def become(self, who: Identity) -> None:
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


def chroot_problem() -> str:
    """The reason why this process cannot chroot, or nothing."""
    try:
        os.chroot("/")
    except OSError as error:
        return os.strerror(error.errno or 0)
    return ""


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

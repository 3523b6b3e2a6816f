"""The two programs under comparison, the environment they run in, and what a test needs to run them.

PROGRAM in the environment replaces tain, so that `PROGRAM=rsync` runs the tests with rsync against itself: what
fails then is a fault of the test (something that rsync itself does not do the same way twice).
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CI = os.environ.get("CI", "") not in ("", "0", "false")
PEER = shutil.which(os.environ.get("PEER", "rsync")) or ""
PROGRAM = shutil.which(os.environ["PROGRAM"]) if "PROGRAM" in os.environ else str(ROOT / ".venv/bin/tain")
SELF_CHECK = os.path.realpath(PROGRAM or "") == os.path.realpath(PEER)
# An id without a name in most systems would hide differences in how names are shown, so the ordinary user has one.
NOBODY = pwd.getpwnam("nobody")
LIMIT = 60.0


def missing(what: str) -> None:
    """Under CI a missing peer is a failure; elsewhere the test is left out and says so."""
    if CI:
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is missing")


def need(*programs: str) -> None:
    for program in programs:
        if not shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            missing(program)


def need_root() -> None:
    if os.geteuid() != 0:
        missing("being root")


def environment(home: str, **more: str) -> dict[str, str]:
    """A small fixed environment: no option of the caller's leaks into a comparison."""
    fixed = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": home,
        "USER": "root",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return fixed | more


@dataclass
class Outcome:
    """What one run left behind."""

    code: int
    out: bytes
    err: bytes

    def __str__(self) -> str:
        return f"exit {self.code}\nstdout: {self.out!r}\nstderr: {self.err!r}"


def run(
    argv: Sequence[str | bytes],
    *,
    cwd: str | Path,
    env: Mapping[str, str],
    stdin: bytes = b"",
    user: bool = False,
    umask: int = 0o022,
    limit: float = LIMIT,
    together: bool = False,
) -> Outcome:
    """Run to the end in a session of its own, so that a run that hangs is ended with its children.

    `together`: stderr goes where stdout goes, in the order of the writes.
    """
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env=env,
        umask=umask,
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if together else subprocess.PIPE,
        start_new_session=True,
        user=NOBODY.pw_uid if user else None,
        group=NOBODY.pw_gid if user else None,
        extra_groups=[NOBODY.pw_gid] if user else None,
    )
    try:
        out, err = process.communicate(stdin or None, timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        return Outcome(-999, out, (err or b"") + b"\n(did not end within %d s)" % int(limit))
    return Outcome(process.returncode, out, err or b"")


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    """A file system of so many megabytes at *place*, for as long as the block lasts."""
    need_root()
    place.mkdir(exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(place)]
    if subprocess.run(words, capture_output=True).returncode:
        missing("the right to mount")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000
MNT_DETACH = 2


def open_way_to_interpreter() -> None:
    """Let an ordinary user start the interpreter of .venv.

    Where Python is installed below a closed home directory, only root can run tain. The test process then gives itself
    and its children a view of the file system in which the closed directory is replaced by an open one that shows
    nothing but the way to the interpreter. Nothing changes outside this process.
    """
    if os.geteuid() != 0:
        return
    paths = [os.path.realpath(sys.base_prefix), str(ROOT)]
    libc = ctypes.CDLL(None, use_errno=True)
    separate = False
    for path in paths:
        closed = [p for p in reversed([path, *map(str, Path(path).parents)]) if not os.stat(p).st_mode & 0o001]
        if not closed:
            continue
        if not separate:
            if libc.unshare(CLONE_NEWNS) != 0 or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) != 0:
                return
            separate = True
        handle = os.open(path, os.O_PATH)
        if libc.mount(b"tmpfs", os.fsencode(closed[0]), b"tmpfs", 0, b"mode=755") != 0:
            os.close(handle)
            continue
        os.makedirs(path, exist_ok=True)
        libc.mount(b"/proc/self/fd/%d" % handle, os.fsencode(path), None, MS_BIND | MS_REC, None)
        os.close(handle)


SYS_MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 1
#: Name, major and minor of the few devices that a program may want.
DEVICES = [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)]


def close_all_but(place: str) -> None:
    """Make every file system read-only for this process and its children, but for a new empty one at `place`.

    Random options, given to a program that runs as root and may have faults, must not reach further than that. OSError:
    the kernel does not allow it; nothing may be run then.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    path = os.fsencode(place)

    def check(result: int, what: str) -> None:
        if result != 0:
            raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")

    def read_only(path: bytes, on: int, off: int, flags: int) -> None:
        attributes = (ctypes.c_uint64 * 4)(on, off, 0, 0)
        call = libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, path, flags, attributes, ctypes.sizeof(attributes))
        check(call, "mount_setattr")

    check(libc.unshare(CLONE_NEWNS), "unshare")
    check(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount")
    check(libc.mount(b"tmpfs", path, b"tmpfs", 0, b"mode=755,size=1g"), "mount")
    # No disk is to be had by way of its device either.
    few = os.path.join(place, "dev")
    os.mkdir(few)
    check(libc.mount(b"tmpfs", os.fsencode(few), b"tmpfs", 0, b"mode=755,size=1m"), "mount")
    umask = os.umask(0)
    for name, major, minor in DEVICES:
        os.mknod(os.path.join(few, name), stat.S_IFCHR | 0o666, os.makedev(major, minor))
    os.umask(umask)
    check(libc.mount(os.fsencode(few), b"/dev", None, MS_BIND, None), "mount")
    check(libc.umount2(os.fsencode(few), MNT_DETACH), "umount")
    os.rmdir(few)
    read_only(b"/", MOUNT_ATTR_RDONLY, 0, AT_RECURSIVE)
    read_only(path, 0, MOUNT_ATTR_RDONLY, 0)

"""API-6: what fails is a value with its file, the system's error number, the action and the side: for twelve causes,
in local copies, over a remote shell, and with a daemon, in both directions."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import tain
from tests.interop.ends import shell
from tests.ports import free_port
from tests.programs import NOBODY, PEER, need_root


class Failure(NamedTuple):
    """What a cause is expected to be."""

    prepare: Callable[[Path], object]
    """Makes it, below a directory with `src` and `dst`."""
    code: int
    path: str
    """The end of the path."""
    number: int | None
    action: str
    sender: bool
    """The end that fails: the sender, or the receiver."""
    keywords: dict[str, object] | None = None
    source: str = "src/"
    target: str = "dst/"


def closed(name: str, mode: int) -> Callable[[Path], object]:
    return lambda place: (place / name).chmod(mode)


def others(place: Path) -> None:
    """A file of somebody else where everybody may write, with the same data. A time of 1 keeps its owner."""
    target = place / "dst/file"
    target.write_text("hello")
    target.chmod(0o644)
    os.chown(target, 0, 0)
    os.utime(target, (1, 1))


def mount(options: str) -> Callable[[Path], object]:
    def make(place: Path) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place / "dst"], check=True)
        (place / "src/large").write_bytes(os.urandom(200_000))
        os.chown(place / "src/large", NOBODY.pw_uid, -1)

    return make


def old(place: Path) -> None:
    (place / "dst/kept").mkdir()
    (place / "dst/kept/old").touch()
    (place / "src/kept").mkdir()
    for name in ("dst/kept", "src/kept"):
        os.utime(place / name, (1, 1))


OPEN = f"mode=777,uid={NOBODY.pw_uid}"
FAILURES = {
    "no source": Failure(lambda _: None, 23, "src/nothing", errno.ENOENT, "reading", True, source="src/nothing"),
    "unreadable file": Failure(closed("src/file", 0), 23, "file", errno.EACCES, "reading", True),
    "unreadable directory": Failure(closed("src/dir", 0o300), 23, "dir", errno.EACCES, "listing", True),
    "no referent": Failure(
        lambda place: (place / "src/link").symlink_to("nowhere"), 23, "link", None, "reading", True,
        {"copy_links": True},
    ),
    "a loop of links": Failure(
        lambda place: (place / "src/link").symlink_to("link"), 23, "link", errno.ELOOP, "listing", True,
        {"copy_links": True},
    ),
    "no destination": Failure(
        lambda _: None, 11, "deep", errno.ENOENT, "creating", False, target="nothing/deep/"
    ),
    "a directory of somebody else": Failure(
        lambda place: os.utime(place / "dst", (1, 1)), 23, "dst/dir", errno.EACCES, "creating", False
    ),
    "a full disk": Failure(mount(f"size=64k,{OPEN}"), 11, "large", errno.ENOSPC, "writing", False),
    "a read-only disk": Failure(mount(f"ro,{OPEN}"), 23, "dst/dir", errno.EROFS, "creating", False),
    "a file of somebody else": Failure(
        others, 23, "file", errno.EPERM, "setting the owner", False, {"size_only": True}
    ),
    "a name that is too long": Failure(
        lambda _: None, 3, "n" * 300, errno.ENAMETOOLONG, "reading", False, target=f"dst/{'n' * 300}/"
    ),
    "what cannot be deleted": Failure(old, 23, "old", errno.EACCES, "deleting", False, {"delete": True}),
}  # fmt: skip


@pytest.fixture
def work(place: Path) -> Iterator[Path]:
    """A tree of an ordinary user, for whom permissions count; the user runs the test."""
    need_root()
    for name in ("src/dir", "dst"):
        (place / name).mkdir(parents=True)
    for name in ("src/file", "src/dir/inner"):
        (place / name).write_text("hello")
    yield place
    if os.path.ismount(place / "dst"):
        subprocess.run(["umount", place / "dst"], check=True)


class AsNobody:
    """The process has the rights of an ordinary user."""

    def __enter__(self) -> None:
        # A shell takes the real ids back, so all but the saved ones change.
        os.setresgid(NOBODY.pw_gid, NOBODY.pw_gid, 0)
        os.setresuid(NOBODY.pw_uid, NOBODY.pw_uid, 0)

    def __exit__(self, *_: object) -> None:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)


def give_away(work: Path) -> None:
    for path in [work, *work.rglob("*")]:
        if not os.path.ismount(path) and path.stat(follow_symlinks=False).st_mtime > 2:
            os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid, follow_symlinks=False)


@pytest.mark.parametrize("way", ["local", "shell push", "shell pull", "daemon push", "daemon pull"])
@pytest.mark.parametrize("name", FAILURES)
def test_what_failed_where_and_why(name: str, way: str, work: Path, tmp_path: Path) -> None:
    """API-6."""
    failure = FAILURES[name]
    failure.prepare(work)
    give_away(work)
    kind, _, direction = way.partition(" ")
    source, target = f"{work}/{failure.source}", f"{work}/{failure.target}"
    keywords = dict(failure.keywords or {})
    daemon = None
    if kind == "shell":
        keywords |= {"rsh": str(shell(work)), "rsync_path": PEER}
        source, target = (source, f"far:{target}") if direction == "push" else (f"far:{source}", target)
    elif kind == "daemon":
        user = {"uid": "nobody", "gid": str(NOBODY.pw_gid)}
        daemon = tain.Daemon({"m": {"path": work, "use chroot": False, "read only": False, **user}}).start()
        if direction == "push":
            target = daemon.url("m", failure.target)
        else:
            source = daemon.url("m", failure.source)
    try:
        with AsNobody():
            result = tain.sync(source, target, guard=None, **keywords)  # type: ignore[arg-type]
    finally:
        if daemon is not None:
            daemon.stop()
    assert result.code in (failure.code, 3, 12), result.errors
    # A loop of links is found by the sender of either direction, and so on.
    here = not direction or failure.sender == (direction == "push")
    found = [
        problem
        for problem in result.problems
        if problem.errno == failure.number
        and problem.path is not None
        and os.fsdecode(problem.path).rstrip("/").endswith(failure.path)
    ]
    assert found, result.errors.decode()
    problem = found[0]
    assert (problem.action, problem.side) == (failure.action, "here" if here else "peer"), problem
    assert result.direction == (direction or "local")
    with pytest.raises(tain.TainError) as caught:
        result.check()
    assert caught.value.problems == result.problems and caught.value.code == result.code
    assert str(caught.value).splitlines()[0] == result.problems[0].text
    if failure.number is not None and result.code == 23:
        tolerable = all(problem.errno == failure.number for problem in result.problems)
        if tolerable:
            assert result.check(allow=failure.number) is result
        else:
            with pytest.raises(tain.PartialTransfer):
                result.check(allow=failure.number)


def test_failures_of_connections(work: Path) -> None:
    """API-6: no daemon, no shell, no module, no password."""
    port = free_port()
    result = tain.sync(f"rsync://127.0.0.1:{port}/m/", work / "dst")
    assert (result.code, result.problems[0].errno, result.problems[0].action) == (10, errno.ECONNREFUSED, "connecting")
    assert result.problems[0].side == "here" and [hint.id for hint in result.hints] == ["D2"]
    result = tain.sync("far:x", work / "dst", rsh="/no/such/shell")
    assert (result.code, result.problems[0].errno, result.problems[0].action) == (14, errno.ENOENT, "starting")
    (work / "secrets").write_text("joe:right\n")
    (work / "secrets").chmod(0o600)
    secrets = work / "secrets"
    with tain.Daemon(
        {"m": {"path": work, "use chroot": False, "auth users": "joe", "secrets file": secrets}}
    ) as daemon:
        for url, action, hint in (
            (daemon.url("other"), "opening the module", "D17"),
            # Nobody is asked for the password.
            (daemon.url("m"), "logging in", "D12"),
        ):
            result = tain.sync(url, work / "dst", environ={"USER": "joe"})
            assert result.code == 5 and (result.problems[0].action, result.problems[0].side) == (action, "peer")
            assert [one.id for one in result.hints] == [hint]
            with pytest.raises(tain.StartupError) as caught:
                result.check()
            assert caught.value.hints == result.hints


def test_enough_causes() -> None:
    assert len(FAILURES) >= 12

"""UI-12: a run begins only if the destination has room for all of it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import tain as api
from tests import programs
from tests.programs import PEER, PROGRAM, environment

SHELL = '#!/bin/sh\nshift\nexec sh -c "$*"\n'
MB = 1_000_000


def tain(home: Path, *words: str, user: int = 0) -> tuple[int, str]:
    assert PROGRAM
    run = subprocess.run(
        [PROGRAM, *words], cwd=home, env=environment(str(home)), capture_output=True, text=True,
        user=user or None, group=user or None, extra_groups=[] if user else None,
    )  # fmt: skip
    return run.returncode, run.stderr


def state(root: Path) -> dict[str, tuple[int, int, int, int]]:
    """Everything that a change would show."""
    found = {}
    for path in (root, *root.rglob("*")):
        status = path.lstat()
        found[str(path.relative_to(root))] = (status.st_ino, status.st_mtime_ns, status.st_mode, status.st_size)
    return found


def mounted(place: Path, options: str) -> Iterator[Path]:
    programs.need_root()
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], capture_output=True).returncode:
        programs.missing("the right to mount")
    (place / "d").mkdir(mode=0o777)
    (place / "d").chmod(0o777)
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def home() -> Iterator[Path]:
    # Other users cannot reach the directories of pytest.
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        home.chmod(0o755)
        (home / "s/sub").mkdir(parents=True)
        (home / "rsh").write_text(SHELL)
        (home / "rsh").chmod(0o755)
        yield home


@pytest.fixture
def disk(home: Path) -> Iterator[Path]:
    yield from mounted(home / "disk", "size=10m")


@pytest.fixture
def inodes(home: Path) -> Iterator[Path]:
    yield from mounted(home / "disk", "size=10m,nr_inodes=100")


@pytest.fixture(params=["local", "pull-tain", "pull-rsync", "twin"])
def source(request: pytest.FixtureRequest, home: Path) -> list[str]:
    """The words of a source that this end, or a twin of it, copies from."""
    if request.param == "local":
        return ["s/"]
    if request.param == "twin":
        return ["--iconv=utf-8,utf-8", "s/"]
    program = PEER if request.param == "pull-rsync" else PROGRAM
    return ["-e", f"{home}/rsh", f"--rsync-path={program}", f"h:{home}/s/"]


def write(path: Path, size: int) -> None:
    path.write_bytes(os.urandom(1000) * (size // 1000))


def test_too_little_room(home: Path, disk: Path, source: list[str]) -> None:
    for number in range(6):
        write(home / f"s/sub/{number}", 2 * MB)
    before = state(disk)
    code, text = tain(home, "-a", "--preflight", *source, "disk/d/")
    assert code == 11, text
    assert f"tain: not enough room on {disk}: 12.0 MB needed, 10.5 MB free (1.53 MB short)\n" in text
    assert "rsync error: error in file IO (code 11)" in text
    assert state(disk) == before


@pytest.mark.parametrize("protocol", [30, 29, 27])
def test_an_old_protocol_has_the_same_code(protocol: int, home: Path, disk: Path) -> None:
    write(home / "s/big", 12 * MB)
    words = ["-a", "--preflight", f"--protocol={protocol}", "-e", f"{home}/rsh", f"h:{home}/s/", "disk/d/"]
    code, text = tain(home, *words)
    assert code == 11 and "not enough room" in text, text
    assert not list((disk / "d").iterdir())


def test_the_destination_is_not_made(home: Path, disk: Path, source: list[str]) -> None:
    write(home / "s/big", 12 * MB)
    before = state(disk)
    for words in (["disk/new/"], ["--mkpath", "disk/a/b/c/"]):
        code, text = tain(home, "-a", "--preflight", *source, *words)
        assert code == 11 and f"not enough room on {disk}: 12.0 MB needed" in text, text
        assert state(disk) == before


def test_with_room_it_passes(home: Path, disk: Path, source: list[str]) -> None:
    for number in range(4):
        write(home / f"s/sub/{number}", 2 * MB)
    assert tain(home, "-a", "--preflight", *source, "disk/d/") == (0, "")
    assert tain(home, "-a", "--preflight", "--delete", *source, "disk/d/") == (0, "")
    assert len(list((disk / "d").rglob("*"))) == 5


def test_inodes_count(home: Path, inodes: Path, source: list[str]) -> None:
    for number in range(120):
        (home / f"s/sub/{number}").touch()
    before = state(inodes)
    code, text = tain(home, "-a", "--preflight", *source, "disk/d/")
    free = os.statvfs(inodes).f_favail
    assert code == 11 and f"on {inodes}: 121 inodes needed, {free} free ({121 - free} short)\n" in text, text
    assert state(inodes) == before
    for number in range(50, 120):
        (home / f"s/sub/{number}").unlink()
    assert tain(home, "-a", "--preflight", *source, "disk/d/") == (0, "")


def test_small_files_take_whole_blocks(home: Path, disk: Path) -> None:
    for number in range(2700):
        (home / f"s/{number}").write_text("x")
    before = state(disk)
    assert tain(home, "-a", "--preflight", "s/", "disk/d/")[0] == 11
    assert state(disk) == before


@pytest.mark.parametrize("change", ["", "--inplace", "--backup", "--delay-updates"])
def test_changed_files(change: str, home: Path, disk: Path, source: list[str]) -> None:
    """Two files of 4 MB change: in place that needs nothing, else one or both copies."""
    for number in range(2):
        write(disk / f"d/{number}", 4 * MB)
        write(home / f"s/{number}", 4 * MB)
        os.utime(home / f"s/{number}", (number, number))
    before = state(disk)
    words = ["-a", "--preflight", "--no-whole-file", *change.split(), *source, "disk/d/"]
    code, text = tain(home, *words)
    if change == "--inplace":
        assert (code, text) == (0, "")
        return
    needed = "4.00 MB" if not change else "8.00 MB"
    assert code == 11 and f"{needed} needed, 2.48 MB free" in text, text
    assert state(disk) == before


@pytest.mark.parametrize("when", ["--delete", "--delete-before", "--delete-during", "--delete-after", "--delete-delay"])
def test_deletions_count_if_they_come_first(when: str, home: Path, disk: Path, source: list[str]) -> None:
    (disk / "d/old").mkdir()
    for number in range(3):
        write(disk / f"d/old/{number}", 2 * MB)
    write(home / "s/new", 6 * MB)
    before = state(disk)
    code, text = tain(home, "-a", "--preflight", when, *source, "disk/d/")
    if when == "--delete-before":
        assert (code, text) == (0, "")
        assert not (disk / "d/old").exists() and (disk / "d/new").stat().st_size == 6 * MB
    else:
        assert code == 11, text
        assert "6.00 MB needed, 4.48 MB free (1.52 MB short; 4 deletions would free 6.01 MB)\n" in text
        assert state(disk) == before


def test_hard_links_need_room_once(home: Path, disk: Path, source: list[str]) -> None:
    write(home / "s/a", 4 * MB)
    for number in range(3):
        os.link(home / "s/a", home / f"s/sub/{number}")
    before = state(disk)
    code, text = tain(home, "-a", "--preflight", *source, "disk/d/")
    assert code == 11 and "16.0 MB needed" in text, text
    assert state(disk) == before
    assert tain(home, "-aH", "--preflight", *source, "disk/d/") == (0, "")
    assert (disk / "d/a").stat().st_nlink == 4


def test_an_ordinary_user(home: Path, disk: Path) -> None:
    write(home / "s/big", 12 * MB)
    before = state(disk)
    code, text = tain(home, "-r", "--preflight", "s/", "disk/d/", user=65534)
    assert code == 11 and "not enough room" in text
    assert state(disk) == before
    write(home / "s/big", 2 * MB)
    assert tain(home, "-r", "--preflight", "s/", "disk/d/", user=65534) == (0, "")


def test_a_dry_run_says_it_too(home: Path, disk: Path, source: list[str]) -> None:
    write(home / "s/big", 12 * MB)
    assert tain(home, "-an", "--preflight", *source, "disk/d/")[0] == 11
    write(home / "s/big", 2 * MB)
    assert tain(home, "-an", "--preflight", *source, "disk/d/") == (0, "")
    assert not list((disk / "d").iterdir())


def test_copies_from_another_directory_need_room(home: Path, disk: Path, source: list[str]) -> None:
    write(home / "s/big", 6 * MB)
    assert tain(home, "-a", "s/", "disk/before/") == (0, "")
    before = state(disk)
    code, text = tain(home, "-a", "--preflight", "--copy-dest=../before", *source, "disk/d/")
    assert code == 11 and "6.00 MB needed" in text, text
    assert state(disk) == before
    assert tain(home, "-a", "--preflight", "--link-dest=../before", *source, "disk/d/") == (0, "")
    assert (disk / "d/big").stat().st_nlink == 2


def test_pruned_directories_are_not_counted(home: Path, inodes: Path) -> None:
    for number in range(120):
        (home / f"s/sub/{number}").mkdir()
    (home / "s/file").touch()
    assert tain(home, "-a", "--preflight", "s/", "disk/d/")[0] == 11
    assert tain(home, "-am", "--preflight", "s/", "disk/d/") == (0, "")
    assert [path.name for path in (inodes / "d").iterdir()] == ["file"]


# ---------------------------------------------------------------------------------------------- pushes


def test_a_push_warns(home: Path) -> None:
    (home / "s/file").write_text("x")
    words = ["-a", "-e", f"{home}/rsh", f"--rsync-path={PEER}", "--preflight", "s/", f"h:{home}/d/"]
    assert tain(home, *words) == (0, "tain: the other end does not tell its free space\n")
    assert (home / "d/file").exists()


def test_a_push_is_judged_at_the_other_end_if_it_is_asked(home: Path, disk: Path) -> None:
    write(home / "s/big", 12 * MB)
    before = state(disk)
    words = ["-a", "-e", f"{home}/rsh", f"--rsync-path={PROGRAM}", "-M--preflight", "s/", f"h:{disk}/d/"]
    for more in ([], ["--preflight"]):
        code, text = tain(home, *more, *words)
        assert code == 11, text
        assert text.startswith(f"tain: not enough room on {disk}: 12.0 MB needed, 10.5 MB free (1.52 MB short)\n"), text
        assert state(disk) == before
    write(home / "s/big", 2 * MB)
    assert tain(home, *words) == (0, "")
    assert (disk / "d/big").stat().st_size == 2 * MB


def test_rsync_and_a_daemon_refuse_the_word(home: Path) -> None:
    (home / "s/file").write_text("x")
    words = ["-a", "-e", f"{home}/rsh", f"--rsync-path={PEER}", "-M--preflight", "s/", f"h:{home}/d/"]
    code, text = tain(home, *words)
    assert code and "--preflight: unknown option" in text
    assert not (home / "d").exists()
    (home / "d").mkdir()
    with api.Daemon({"pub": {"path": str(home / "d"), "read only": False}}) as daemon:
        code, text = tain(home, "-a", "-M--preflight", "s/", daemon.url("pub"))
    assert code and "--preflight" in text
    assert not list((home / "d").iterdir())


def test_a_batch_is_not_held(home: Path) -> None:
    (home / "s/file").write_text("x")
    assert tain(home, "-a", "--only-write-batch=B", "s/", "d/") == (0, "")
    code, text = tain(home, "-a", "--preflight", "--read-batch=B", "d/")
    assert code == 4 and "cannot be held for a decision" in text

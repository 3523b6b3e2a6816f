"""API-9: a program decides about the plan of a transfer, and free space is watched, through the API."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import tain
from tain import events
from tests import programs
from tests.programs import PEER, ROOT

SHELL = '#!/bin/sh\nshift\nexec sh -c "$*"\n'
MB = 1_000_000
TAIN = str(ROOT / ".venv/bin/tain")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("s/sub", "d/gone"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "s/sub/new").write_bytes(b"n" * 5000)
    (tmp_path / "s/changed").write_bytes(b"c" * 3000)
    (tmp_path / "d/changed").write_bytes(b"o" * 200)
    for place in ("s/mode", "d/mode", "s/same", "d/same"):
        (tmp_path / place).write_text("m")
        os.utime(tmp_path / place, (1, 1))
    (tmp_path / "d/mode").chmod(0o600)
    os.utime(tmp_path / "d", (1, 1))
    (tmp_path / "d/gone/file").write_bytes(b"g" * 10)
    (tmp_path / "rsh").write_text(SHELL)
    (tmp_path / "rsh").chmod(0o755)
    return tmp_path


class Decider:
    """Keeps the plans that it is asked about."""

    def __init__(self, answer: bool) -> None:
        self.answer = answer
        self.plans: list[tain.Plan] = []

    def __call__(self, plan: tain.Plan) -> bool:
        self.plans.append(plan)
        return self.answer


WAYS = ["local", "pull-tain", "pull-rsync", "push-tain", "push-rsync"]


def places(way: str, home: Path) -> tuple[str, str, dict[str, str]]:
    """Source, destination and options."""
    source, destination = f"{home}/s/", f"{home}/d/"
    if way == "local":
        return source, destination, {}
    shell = {"rsh": f"{home}/rsh", "rsync_path": PEER if way.endswith("rsync") else TAIN}
    if way.startswith("pull"):
        return f"h:{source}", destination, shell
    return source, f"h:{destination}", shell


def state(root: Path) -> dict[str, tuple[int, int, int, int]]:
    found = {}
    for path in (root, *root.rglob("*")):
        status = path.lstat()
        found[str(path.relative_to(root))] = (status.st_ino, status.st_mtime_ns, status.st_mode, status.st_size)
    return found


@pytest.mark.parametrize("way", WAYS)
def test_a_no_changes_nothing(way: str, home: Path) -> None:
    before, decide = state(home), Decider(False)
    source, destination, options = places(way, home)
    result = tain.sync(source, destination, delete=True, confirm=decide, **options)  # type: ignore[arg-type]
    assert result.code == 25
    assert b"tain: the plan was refused, and nothing was changed\n" in result.errors
    with pytest.raises(tain.DeleteLimit):
        result.check()
    assert state(home) == before
    (plan,) = decide.plans
    assert isinstance(plan, tain.Plan)
    assert plan.new == tain.Amount(count=2, bytes=5000)
    assert plan.update == tain.Amount(count=1, bytes=3000)
    assert plan.delete.count == 2
    # The directory's time, and a mode.
    assert plan.attributes == tain.Amount(count=2, bytes=1)
    assert plan.keep == tain.Amount(count=1, bytes=1)
    assert {name: amount.count for name, amount in plan.directories.items()} == {b".": 1, b"gone": 1}
    if way.startswith("push"):
        assert (plan.free_bytes, plan.fits) == (None, None)
    else:
        assert plan.delete.bytes == 10 and plan.fits is True
        assert plan.free_bytes is not None and abs(plan.free_bytes - free(home)) < 200 * MB


def free(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


@pytest.mark.parametrize("way", WAYS)
def test_a_yes_transfers(way: str, home: Path) -> None:
    source, destination, options = places(way, home)
    seen: list[events.Event] = []
    result = tain.sync(
        source, destination, delete=True, confirm=lambda plan: plan.delete.count < 3, on_event=seen.append,
        **options,  # type: ignore[arg-type]
    )  # fmt: skip
    assert result.ok, result.errors
    planned = [event for event in seen if isinstance(event, events.Planned)]
    assert len(planned) == 1 and planned[0].plan.new.count == 2
    assert sorted(path.name for path in (home / "d").rglob("*")) == ["changed", "mode", "new", "same", "sub"]
    # The plan comes before every item, and a dry run adds none.
    items = [event for event in seen if isinstance(event, (tain.Item, events.Deleted))]
    assert seen.index(planned[0]) < seen.index(items[0])
    assert sum(event.change == "new" for event in items if isinstance(event, tain.Item)) == 2


def test_a_plan_of_a_twin(home: Path) -> None:
    before = state(home / "d")
    result = tain.sync(f"{home}/s/", f"{home}/d/", confirm=lambda plan: plan.new.count != 2, iconv="utf-8,utf-8")
    assert result.code == 25
    assert state(home / "d") == before
    result = tain.sync(f"{home}/s/", f"{home}/d/", confirm=lambda _: True, write_batch=home / "B")
    assert result.code == 0 and (home / "d/sub").is_dir() and (home / "B").stat().st_size > 0


def test_an_exception_of_confirm_stops_the_transfer(home: Path) -> None:
    before = state(home / "d")

    def confirm(plan: tain.Plan) -> bool:
        raise LookupError("no")

    for way in WAYS:
        source, destination, options = places(way, home)
        with pytest.raises(LookupError):
            tain.sync(source, destination, confirm=confirm, **options)  # type: ignore[arg-type]
        assert state(home / "d") == before


def test_cancel_while_the_plan_waits(home: Path) -> None:
    before = state(home / "d")

    def confirm(plan: tain.Plan) -> bool:
        transfer.cancel()
        return True

    transfer = tain.Transfer(f"{home}/s/", f"{home}/d/", confirm=confirm)
    assert transfer.run().code == 20
    assert state(home / "d") == before


def test_confirm_with_a_guard_and_an_event_loop(home: Path) -> None:
    for number in range(200):
        (home / f"d/gone/{number}").write_text("old")
    decide = Decider(True)
    result = asyncio.run(tain.sync_async(f"{home}/s/", f"{home}/d/", delete=True, confirm=decide))
    # The guard still judges what the plan has passed.
    assert result.code == 25 and b'refused by guard "half"' in result.errors
    assert decide.plans[0].delete.count == 202 and len(list((home / "d/gone").iterdir())) == 201


def test_failed_dry_run_of_a_push(home: Path) -> None:
    result = tain.sync(f"{home}/s/", "h:d/", confirm=lambda _: True, rsh="false")
    assert result.code == 12 or result.code == 1
    assert result.errors.count(b"rsync error: ") == 1


def test_wrong_values(home: Path) -> None:
    with pytest.raises(tain.UsageError):
        tain.sync(f"{home}/s/", f"{home}/d/", preflight="always")  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------- free space


@pytest.fixture
def disk(home: Path) -> Iterator[Path]:
    programs.need_root()
    place = home / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=10m", "none", place], capture_output=True).returncode:
        programs.missing("the right to mount")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_preflight(home: Path, disk: Path) -> None:
    (home / "s/big").write_bytes(b"x" * 12 * MB)
    before = state(disk)
    result = tain.sync(f"{home}/s/", disk, preflight=True)
    assert result.code == 11 and b"tain: not enough room on " in result.errors
    with pytest.raises(tain.FileError):
        result.check()
    assert state(disk) == before
    assert tain.sync(f"{home}/s/sub", disk, preflight=True).ok


def many(home: Path, number: int, size: int) -> None:
    for one in range(number):
        (home / f"s/sub/{one}").write_bytes(os.urandom(1000) * (size // 1000))


@pytest.mark.parametrize("program", [TAIN, PEER])
def test_watch_ends_a_run_that_cannot_fit(program: str, home: Path, disk: Path) -> None:
    """The pull is slow, so the disk would be full after some 20 seconds; what was asked for is known at once."""
    many(home, 20, MB)
    began = time.monotonic()
    result = tain.sync(f"h:{home}/s/", disk, rsh=f"{home}/rsh", rsync_path=program, bwlimit=500)
    assert result.code == 11, result.errors
    assert b"tain: not enough room on " in result.errors and b"No space left" not in result.errors
    assert time.monotonic() - began < 12
    assert sum(path.stat().st_size for path in disk.rglob("*") if path.is_file()) < 6 * MB
    # No temporary file stays.
    assert not list(disk.rglob(".*"))


def test_watch_lets_a_run_that_fits_be(home: Path, disk: Path) -> None:
    """Nine of ten megabytes are replaced, file by file, while the free space is watched."""
    many(home, 9, MB)
    for _ in range(2):
        many(home, 9, MB)
        result = tain.sync(
            f"h:{home}/s/", disk, rsh=f"{home}/rsh", rsync_path=TAIN, bwlimit=3000, ignore_times=True, whole_file=True
        )
        assert result.ok, result.errors


@pytest.mark.parametrize("words", ["preflight=False", "sparse=True", "preallocate=True"])
def test_watch_can_be_off(words: str, home: Path, disk: Path) -> None:
    many(home, 20, MB)
    name, value = words.split("=")
    options = {name: value == "True"}
    result = tain.sync(f"h:{home}/s/", disk, rsh=f"{home}/rsh", rsync_path=TAIN, **options)  # type: ignore[arg-type]
    assert result.code == 11 and b"No space left" in result.errors


def test_watch_of_a_local_copy(home: Path, disk: Path) -> None:
    with (home / "s/big").open("wb") as file:
        file.truncate(30 * MB)
    result = tain.sync(f"{home}/s/big", disk, bwlimit=1000)
    assert result.code == 11 and b"tain: not enough room on " in result.errors
    assert not list(disk.iterdir())


def test_a_watched_run_imports_little() -> None:
    code = "import tain, sys; tain.sync('/etc/hostname', '/dev/null/x'); print('rich' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout == "False\n", run.stderr

"""The free space of a destination: what is read, what is compared, and what is said."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from tain.session import mounts, room

if TYPE_CHECKING:
    from tain import _core


def planned(**fields: object) -> _core.Planned:
    values = {"need_bytes": 0, "need_inodes": 0, "freed_bytes": 0, "freed_inodes": 0, "delete": (0, 0), **fields}
    return cast("_core.Planned", SimpleNamespace(**values))


@pytest.mark.parametrize(
    ("fields", "free", "text"),
    [
        ({"need_bytes": 10, "need_inodes": 10}, (10, 10), ""),
        ({"need_bytes": 10, "need_inodes": 10}, (None, None), ""),
        ({"need_bytes": 12_400_000_000}, (9_800_000_000, None), "12.4 GB needed, 9.80 GB free (2.60 GB short)"),
        (
            {"need_bytes": 12_400_000_000, "freed_bytes": 31_500_000, "delete": (201, 31_400_000)},
            (9_800_000_000, 1),
            "12.4 GB needed, 9.80 GB free (2.60 GB short; 201 deletions would free 31.5 MB)",
        ),
        (
            {"need_inodes": 1241, "freed_inodes": 1, "delete": (1, 0)},
            (1, 800),
            "1,241 inodes needed, 800 free (441 short; 1 deletion would free 1)",
        ),
    ],
)
def test_shortage(
    fields: dict[str, object], free: tuple[int | None, int | None], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "free_room", lambda _: room.Room(*free))
    monkeypatch.setattr(room, "mount_of", lambda _: b"/srv")
    assert room.shortage(b"/srv/d", planned(**fields)) == (f"tain: not enough room on /srv: {text}" if text else "")


def test_free_room_of_a_place_that_does_not_exist(tmp_path: Path) -> None:
    found = os.statvfs(tmp_path)
    free, inodes = room.free_room(bytes(tmp_path / "a/b/c"))[:2]
    assert free is not None and abs(free - found.f_bavail * found.f_frsize) < 1 << 30
    assert (inodes is None) == (found.f_files == 0)
    # A file system without a size says nothing.
    assert room.free_room(b"/proc/self") == room.Room(None, None)


@pytest.mark.parametrize(("reserve", "expected"), [(False, (4000, 7)), (True, (6000, 9))])
def test_the_reserve_of_root(reserve: bool, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    found = SimpleNamespace(f_blocks=10, f_bavail=4, f_bfree=6, f_frsize=1000, f_files=20, f_favail=7, f_ffree=9)
    monkeypatch.setattr(room, "os", SimpleNamespace(statvfs=lambda _: found))
    assert room.free_room(b"/", reserve=reserve) == room.Room(*expected)


def test_types_of_file_systems() -> None:
    assert mounts.mounted_at(b"/proc").kind == b"proc"
    assert mounts.mounted_at(b"/no such place") == mounts.Mount()


class Running:
    """A run that needs this room."""

    def __init__(self, need: int) -> None:
        self.need, self.codes = need, list[int]()

    def figures(self) -> SimpleNamespace:
        return SimpleNamespace(room_bytes=self.need)

    def stop(self, code: int) -> None:
        self.codes.append(code)


def watched(monkeypatch: pytest.MonkeyPatch, free: int | None, need: int, kind: bytes = b"ext4") -> tuple[Running, str]:
    now = [0.0]
    monkeypatch.setattr(room, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(room, "free_room", lambda _, reserve: room.Room(free, None))
    monkeypatch.setattr(room, "mounted_at", lambda _: mounts.Mount(kind))
    run, watch = Running(need), room.Watch(b"/")
    text = ""
    for now[0] in (0.5, 1.5, 1.6, 9.0):
        text += watch.check(cast("_core.Run", run))
    return run, text


def test_watch_stops_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run, text = watched(monkeypatch, 9_000_000, 10_000_000)
    assert run.codes == [11]
    assert text == "tain: not enough room on /: 10.0 MB needed, 9.00 MB free (1.00 MB short)"


@pytest.mark.parametrize(("free", "need", "kind"), [(10, 10, b"ext4"), (None, 10, b"ext4"), (9, 10, b"btrfs")])
def test_watch_goes_on(free: int | None, need: int, kind: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    run, text = watched(monkeypatch, free, need, kind)
    assert (run.codes, text) == ([], "")

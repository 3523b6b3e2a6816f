"""Room that a quota leaves. The answers of ``quotactl`` are written here: few kernels are built with quotas."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from tain.session import quota, room
from tain.session.mounts import Mount

MOUNT = Mount(b"ext4", b"/dev/sdb1", (b"rw", b"usrquota", b"grpquota"))
USER, GROUP = 0x80000700, 0x80000701


def block(hard: int = 0, used: int = 0, inodes: int = 0, inodes_used: int = 0, known: int = 0xF) -> bytes:
    """A ``struct dqblk`` with a hard limit of *hard* KiB; the soft one is lower and must not count."""
    return struct.pack("=8QI4x", hard, hard // 2, used, inodes, inodes // 2, inodes_used, 0, 0, known)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({USER: block(100, 40 * 1024)}, (60 * 1024, None)),
        ({USER: block(100, 40 * 1024, 10, 4)}, (60 * 1024, 6)),
        ({USER: block(100, 40 * 1024), GROUP: block(50, 0, 7, 0)}, (50 * 1024, 7)),
        ({USER: block(100, 200 * 1024)}, (0, None)),
        ({USER: block()}, (None, None)),
        ({USER: block(100, 0, 10, 0, known=0x3)}, (100 * 1024, None)),
        ({}, (None, None)),
    ],
    ids=["bytes", "inodes", "smaller-of-both", "passed", "no-limit", "inodes-not-known", "no-quota"],
)
def test_left(answers: dict[int, bytes], expected: tuple[object, object], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[tuple[int, bytes, int]]()

    def ask(command: int, device: bytes, number: int) -> bytes | None:
        asked.append((command, device, number))
        return answers.get(command)

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getegid", lambda: 2000)
    assert quota.left(MOUNT, ask) == expected
    assert asked == [(USER, b"/dev/sdb1", 1000), (GROUP, b"/dev/sdb1", 2000)]


@pytest.mark.parametrize("options", [(b"rw",), (b"rw", b"noquota"), ()])
def test_a_file_system_without_quotas_is_not_asked(options: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert quota.left(MOUNT._replace(options=options), lambda *_: pytest.fail("asked")) == (None, None)


def test_root_is_not_held_by_quotas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert quota.left(MOUNT, lambda *_: pytest.fail("asked")) == (None, None)


def test_the_system_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that does not exist has no quota, and that is no error."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert quota.left(MOUNT._replace(source=b"/no such device")) == (None, None)


def test_a_message_names_the_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "left", lambda _: quota.Left(5, None))
    found = room.free_room(bytes(tmp_path))
    assert (found.bytes, found.bytes_of, found.inodes_of) == (5, "left of the quota", "free")

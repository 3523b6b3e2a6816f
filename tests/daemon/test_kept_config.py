"""A configuration that has not changed is parsed once for all connections, and a change counts for the next one."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tain.daemon.settings import Settings
from tests import programs
from tests.interop.ends import Daemon


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A file that is read as if it had been written a while ago."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more/one.inc").write_text("[two]\npath = /\n")
    (tmp_path / "conf").write_text(f"[one]\npath = /\n&merge {tmp_path}/more\n")
    later = time.time() + 10
    monkeypatch.setattr("tain.daemon.config.time.time", lambda: later)
    found = Settings(os.fsencode(tmp_path / "conf"))
    found.keep()
    return found


def names(settings: Settings) -> list[bytes]:
    return [section.name for section in settings.load().modules]


def test_kept_once(settings: Settings) -> None:
    first = settings.load()
    assert not settings.parsed and len(first.sources) == 3
    # The variables of a connection are a part of it.
    first.variables.connection[b"RSYNC_USER_NAME"] = b"joe"
    second = settings.load()
    assert settings.parsed and second is not first and not second.variables.connection


def replace(path: Path, text: str) -> None:
    path.with_name("new").write_text(text)
    path.with_name("new").rename(path)


def same_size_and_time(path: Path, text: str) -> None:
    before = path.stat()
    path.write_text(text)
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [replace, same_size_and_time])
def test_changes(change: object, settings: Settings, tmp_path: Path) -> None:
    assert callable(change)
    change(tmp_path / "more/one.inc", "[new]\npath = /\n")
    assert names(settings) == [b"one", b"new"]
    assert settings.parsed


def test_a_file_more_and_a_file_less(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "more/two.inc").write_text("[three]\npath = /\n")
    assert names(settings) == [b"one", b"two", b"three"]
    settings.keep()
    (tmp_path / "more/one.inc").unlink()
    assert names(settings) == [b"one", b"three"]
    settings.keep()
    (tmp_path / "conf").unlink()
    assert settings.load().failed


def test_a_link_on_the_way_changes_its_owner(settings: Settings, tmp_path: Path) -> None:
    """SEC-3: what could be read before is not served when it could not be read now."""
    programs.need_root()
    (tmp_path / "link").symlink_to("conf")
    settings.file = os.fsencode(tmp_path / "link")
    settings.keep()
    os.lchown(tmp_path / "link", 65534, 65534)
    assert settings.load().failed and settings.parsed


def test_what_was_just_written_is_not_kept(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    settings.keep()
    settings.load()
    assert settings.parsed


def test_the_next_connection_sees_a_change(space: Path, place: Path, tain: str, rsync: str) -> None:
    env = programs.environment(str(space))

    def text(comment: str) -> str:
        return f"use chroot = no\n[m]\npath = {place}\ncomment = {comment}\n"

    with Daemon(tain, space, env, text("first"), "kept") as daemon:

        def listed() -> str:
            run = programs.run([rsync, f"rsync://127.0.0.1:{daemon.port}/"], cwd=place, env=env)
            assert (run.code, run.err) == (0, b"")
            return run.out.decode().split()[1]

        # The second connection makes the listener keep what the third one is served from.
        assert listed() == "first"
        time.sleep(2.2)
        assert [listed() for _ in range(3)] == ["first"] * 3
        for comment in ("other", "again", "third"):
            daemon.config.write_text(text(comment))
            assert listed() == comment

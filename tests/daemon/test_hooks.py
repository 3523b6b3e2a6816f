"""Hooks on both daemons (spec: daemon 10). Those that end a connection before its transfer need no engine."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from .harness import HELLO, Daemon, wait_until

BASE = b"log file = DIR/log\nuse chroot = no\nreverse lookup = no\nuid = 0\ngid = 0\n[m]\npath = DIR\n"
POST = b"post-xfer exec = env | grep ^RSYNC_ | grep -v PID | sort > DIR/post.tmp; mv DIR/post.tmp DIR/post\n"

both = pytest.mark.parametrize("kind", ["rsync", "tain"])


def wait_for(file: Path) -> str:
    wait_until(file.exists, str(file))
    return file.read_text()


@both
def test_early_failure_runs_post_and_not_pre(kind: str, tmp_path: Path) -> None:
    conf = BASE + b"early exec = exit 2\npre-xfer exec = touch DIR/pre\n" + POST
    with Daemon(kind, tmp_path, conf) as daemon:
        assert daemon.talk(HELLO + b"m\n").endswith(b"@ERROR: early exec failed\n")
        post = wait_for(tmp_path / "post")
    assert "RSYNC_EXIT_STATUS=255\n" in post
    assert "RSYNC_RAW_STATUS=65280\n" in post
    assert "RSYNC_USER_NAME=\n" in post
    assert f"RSYNC_MODULE_PATH={tmp_path}\n" in post
    assert not (tmp_path / "pre").exists()


@both
def test_early_input_and_environment(kind: str, tmp_path: Path) -> None:
    conf = BASE + b"early exec = cat > DIR/in; env | grep ^RSYNC_ | grep -v PID | sort > DIR/env; exit 1\n"
    with Daemon(kind, tmp_path, conf) as daemon:
        daemon.talk(HELLO + b"#early_input=5\na\0b\nc" + b"m\n")
        assert (tmp_path / "in").read_bytes() == b"a\0b\nc"
        assert (tmp_path / "env").read_text().splitlines() == [
            "RSYNC_HOST_ADDR=127.0.0.1", "RSYNC_HOST_NAME=UNDETERMINED", "RSYNC_MODULE_NAME=m",
            f"RSYNC_MODULE_PATH={tmp_path}", "RSYNC_REQUEST=(NONE)", "RSYNC_USER_NAME=",
        ]  # fmt: skip


@both
def test_shell_bytes_abort_silently(kind: str, tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    conf = BASE.replace(b"path = DIR", b"path = DIR/a b") + b"early exec = echo %RSYNC_MODULE_PATH%\n"
    with Daemon(kind, tmp_path, conf) as daemon:
        assert daemon.talk(HELLO + b"m\n").endswith(b" md4\n")
        text = "refusing to run shell hook: %RSYNC_MODULE_PATH% holds a shell metacharacter"
        assert any(text in line for line in daemon.log_lines())


def test_hook_without_a_shell(tmp_path: Path) -> None:
    conf = BASE + b"tain hook argv = yes\nearly exec = /bin/touch DIR/$HOME DIR/b;c\n"
    with Daemon("tain", tmp_path, conf) as daemon:
        daemon.talk(HELLO + b"m\n")
    assert (tmp_path / "$HOME").exists()
    assert (tmp_path / "b;c").exists()


def test_hook_time_limit(tmp_path: Path) -> None:
    conf = BASE + b"tain hook timeout = 1\nearly exec = sleep 600 & sleep 600\n"
    with Daemon("tain", tmp_path, conf) as daemon:
        began = time.monotonic()
        assert daemon.talk(HELLO + b"m\n").endswith(b"@ERROR: early exec failed\n")
        assert time.monotonic() - began < 300

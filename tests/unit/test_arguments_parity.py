"""Server words and option errors, command line by command line, against the real rsync.

Each line of server_words.txt is a command line (with NAME=VALUE words in front for the environment). The real rsync
runs with a remote shell that writes down its arguments; ours must make the same words, or the same complaint with the
same exit code.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tain.errors import TainError
from tain.options.hostspec import locate
from tain.options.parse import parse
from tain.options.resolve import Finished, resolve
from tain.session.arguments import daemon_shell_command, server_command, shell_command

LINES = Path(__file__).with_name("server_words.txt").read_text().splitlines()
RSYNC = shutil.which("rsync")

if RSYNC is None and not os.environ.get("CI"):
    pytest.skip("no rsync to compare with", allow_module_level=True)

SCRIPT = """#!/bin/sh
printf '%s\\0' "$@" >"$TAIN_TEST_WORDS"
exit 1
"""

#: Lines that only say how a run ended.
NOISE = ("rsync error:", "rsync: connection unexpectedly closed", "rsync: [sender] safe_write", "opening connection")


def split(line: str) -> tuple[dict[str, str], list[str]]:
    words = shlex.split(line)
    env = {}
    while words and words[0].startswith("RSYNC_") and "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        env[name] = value
    return env, words


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("words")
    script = place / "shell"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    (place / "f").write_text("x")
    (place / "d").mkdir()
    return script


def theirs(shell: Path, env: dict[str, str], words: list[str]) -> tuple[list[str], list[str], int]:
    record = shell.with_name("record")
    record.unlink(missing_ok=True)
    place = shell.parent
    assert RSYNC is not None
    done = subprocess.run(
        [RSYNC, "-e", str(shell), *words],
        cwd=place,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(place),
            "LC_ALL": "C.UTF-8",
            "TAIN_TEST_WORDS": str(record),
            **env,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    for batch in place.glob("wb*"):
        batch.unlink()
    found = record.read_bytes().decode("utf-8", "surrogateescape").split("\0")[:-1] if record.exists() else []
    said = done.stderr.decode("utf-8", "surrogateescape").splitlines()
    return found, [line for line in said if line and not line.startswith(NOISE)], done.returncode


def ours(shell: Path, env: dict[str, str], words: list[str]) -> tuple[list[str], list[str], int]:
    argv = [b"-e", os.fsencode(shell), *map(os.fsencode, words)]
    try:
        options = resolve(parse(argv), environ={os.fsencode(k): os.fsencode(v) for k, v in env.items()})
        where = locate(options)
        if where.host is None:
            return [], [], 0
        if where.daemon:
            made = shell_command(options, where.host, where.user, daemon_shell_command(), daemon=True)
            return [os.fsdecode(word) for word in made[1:]], [], 0
        paths = where.sources if not where.am_sender else [where.destination or b"."]
        command = server_command(options, paths, am_sender=where.am_sender)
        made = shell_command(options, where.host, where.user, command.visible)
        return [os.fsdecode(word) for word in made[1:]], [], 0
    except Finished as done:
        return [], done.text.splitlines() if done.stream == 2 else [], 0
    except TainError as error:
        return [], str(error).splitlines(), error.code


@pytest.mark.parametrize("line", LINES)
def test_same_words(line: str, shell: Path) -> None:
    env, words = split(line)
    their_words, their_text, their_code = theirs(shell, env, words)
    our_words, our_text, our_code = ours(shell, env, words)
    if their_words or our_words:
        assert our_words == their_words
    else:
        # A usage text names the program and its version; that it is one is what matters.
        if their_text and "  version " in their_text[0]:
            assert our_text and "  version " in our_text[0]
        else:
            assert our_text == their_text
        assert our_code == their_code


@pytest.mark.parametrize("line", LINES)
def test_a_server_accepts_our_words(line: str) -> None:
    _, words = split(line)
    try:
        options = resolve(parse(list(map(os.fsencode, words))))
        where = locate(options)
    except (Finished, TainError):
        return
    if where.host is None or where.daemon:
        return
    options.remote_options = []
    options.secluded_args = False
    if options.block_size > 1 << 17:
        # Sizes of protocol 29 are for peers of that age; a new server knows the protocol too late to take them.
        return
    made = server_command(options, [], am_sender=where.am_sender, shell=False).visible
    there = resolve(parse(made))
    assert there.args == [b"."]
    assert there.sender is not where.am_sender
    for name in ("links", "owner", "times", "checksum", "block_size", "timeout", "bwlimit", "backup_dir"):
        assert getattr(there, name) == getattr(options, name)
    # The server would forward the words that it got.
    assert (there.append, there.inplace, there.relative) == (options.append, options.inplace, options.relative)
    assert (there.compress, there.compress_choice) == (options.compress, options.compress_choice)

"""MIR-1: which command lines are for mirror jobs, and that the others pay nothing for them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tain as package
from tain.cli.main import is_mirror
from tain.mirror.cli import group
from tests import programs


def run(words: list[str], work: Path) -> tuple[int, str]:
    environment = programs.environment(str(work))
    done = subprocess.run(words, cwd=work, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("tain mirror", True),
        ("tain mirror -h", True),
        ("tain mirror --help", True),
        ("tain mirror run x", True),
        ("tain mirror status", True),
        ("/usr/bin/tain mirror status", True),
        ("tain mirror x", False),
        ("tain mirror -a", False),
        ("tain mirror runs", False),
        ("tain mirror ./status", False),
        ("rsync mirror status", False),
        ("rsync mirror", False),
        ("/usr/bin/rsync mirror run", False),
    ],
)
def test_mir_1_the_word_rule(words: str, expected: bool) -> None:
    assert is_mirror([word.encode() for word in words.split()]) is expected


def test_mir_1_every_command_is_a_second_word() -> None:
    for name in group().commands:
        assert is_mirror([b"tain", b"mirror", name.encode()]), name


def test_mir_1_a_directory_called_mirror(tain: str, tmp_path: Path) -> None:
    """``mirror`` before another word, ``./mirror``, and ``rsync mirror status`` are paths, as in rsync."""
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/a").write_text("x")
    rsync = tmp_path / "rsync"
    rsync.symlink_to(tain)
    for number, words in enumerate(
        (
            [tain, "mirror", "-a", "one"],
            [tain, "-a", "mirror", "status"],
            [tain, "./mirror", "status", "-a"],
            [str(rsync), "mirror", "status", "-a"],
        )
    ):
        code, text = run(words, tmp_path)
        target = tmp_path / ("one" if number == 0 else "status")
        assert code == 0 and (target / "mirror/a").read_text() == "x", text
        shutil.rmtree(target)


def test_mir_1_help_of_the_tool(tain: str, tmp_path: Path) -> None:
    code, text = run([tain, "mirror", "--help"], tmp_path)
    assert code == 0 and "Mirror jobs" in text
    code, text = run([tain, "mirror"], tmp_path)
    assert code == 64 and "Commands:" in text


def test_mir_1_without_the_extra(tmp_path: Path) -> None:
    root = os.path.dirname(os.path.dirname(package.__file__))
    program = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); sys.argv[0] = 'tain'; "
        "from tain.cli.main import entry; entry()"
    )
    code, text = run([sys.executable, "-I", "-S", "-c", program, root, "mirror", "status"], tmp_path)
    assert (code, text) == (69, "tain mirror needs: pip install 'tain[mirror]'\n")


def test_mir_1_other_commands_import_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    program = (
        "import sys; import tain, tain.api; from tain.cli.main import main; main([b'tain', b'-a', b's/', b'mirror']);"
        "print([name for name in sys.modules if name.startswith(('tain.mirror', 'pydantic', 'click', 'tomlkit'))])"
    )
    code, text = run([sys.executable, "-c", program], tmp_path)
    assert (code, text) == (0, "[]\n")


def test_a_run_imports_nothing_of_a_page(tmp_path: Path) -> None:
    """Neither the command from cron nor its runner loads what serves or draws."""
    program = (
        "import sys; import tain.mirror.runner; from tain.mirror.cli import group; group();"
        "print(sorted({name.split('.')[0] for name in sys.modules}))"
    )
    code, text = run([sys.executable, "-c", program], tmp_path)
    assert code == 0
    assert not [
        name
        for name in ("starlette", "uvicorn", "rich", "prometheus_client", "jinja2", "asyncio")
        if f"'{name}'" in text
    ]

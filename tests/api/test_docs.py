"""The examples of the documents run."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import ROOT

EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "docs/api.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples_of_the_api(number: int, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    for name in ("one", "two", "three.tmp"):
        (tmp_path / "src" / name).write_text(name)
    env = dict(os.environ, PYTHONPATH=str(ROOT / "src"))
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLES[number]], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_the_example_of_the_readme(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "src").mkdir()
    (tmp_path / "src/file").write_text("hello")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "1 files, 5 bytes\n"), done.stderr


def test_exit_codes() -> None:
    page = runpy.run_path(str(ROOT / "tools/exit_codes.py"))["page"]()
    assert (ROOT / "docs/exit-codes.md").read_text() == page, "run tools/exit_codes.py docs/exit-codes.md"


def test_the_sample_configuration(tain: str, tmp_path: Path) -> None:
    # The first one is a whole configuration.
    text = re.findall(r"```ini\n(.*?)```", (ROOT / "docs/daemon.md").read_text(), re.DOTALL)[0]
    for path in ("/srv/rsync/pub", "/srv/rsync/backup"):
        (tmp_path / path[1:]).mkdir(parents=True)
        text = text.replace(path, f"{tmp_path}{path}")
    (tmp_path / "secrets").write_text("nightly:word\n")
    (tmp_path / "secrets").chmod(0o600)
    (tmp_path / "conf").write_text(text.replace("/etc/rsyncd.secrets", f"{tmp_path}/secrets"))
    done = subprocess.run(
        [tain, "--daemon", "--check-config", f"--config={tmp_path}/conf"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_names_of_the_command(tain: str, tmp_path: Path) -> None:
    (tmp_path / "rsync").symlink_to(tain)

    def first_lines(*argv: str) -> list[str]:
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()[:2]

    assert first_lines(tain, "--version")[0].startswith("tain  version ")
    assert first_lines(sys.executable, "-m", "tain", "--version")[0].startswith("tain  version ")
    called = first_lines(str(tmp_path / "rsync"), "--version")
    assert called[0].startswith("rsync  version 3.5.0  protocol version 32")
    assert called[1].startswith("tain ")

"""The examples of the documents run."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import tain as tain_module
from tests.programs import ROOT

EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "docs/reference/api.md").read_text(), re.DOTALL)


#: Pairs of programs: one that starts rsync, and one that imports tain.
PAIRS = re.findall(
    r"```python before\n(.*?)```.*?```python after\n(.*?)```",
    (ROOT / "docs/how-to/from-subprocess.md").read_text(),
    re.DOTALL,
)


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("number", range(len(PAIRS)))
def test_pairs_of_from_subprocess(number: int, tmp_path: Path) -> None:
    """API-12: each pair finds the same and makes the same tree."""
    secrets = tmp_path / "secrets"
    secrets.write_text("joe:one word\n")
    secrets.chmod(0o600)
    (tmp_path / "served").mkdir()
    (tmp_path / "served/file").write_text("served")
    module: dict[str, str | int | bool | list[str] | os.PathLike[str]] = {
        "path": tmp_path / "served",
        "use chroot": False,
        "auth users": "joe",
        "secrets file": secrets,
    }
    if os.geteuid() == 0:
        module |= {"uid": "root", "gid": "root"}
    found: list[tuple[str, dict[str, bytes]]] = []
    # The daemon is part of what the programs find.
    with tain_module.Daemon({"pub": module}) as daemon:
        for program in PAIRS[number]:
            place = tmp_path / f"place{len(found)}"
            (place / "src/a b").mkdir(parents=True)
            (place / "dst").mkdir()
            for name in ("one", "a b/two"):
                (place / "src" / name).write_text(name)
            (place / "dst/old").write_text("old")
            env = dict(os.environ, PYTHONPATH=str(ROOT / "src"), TEST_URL=daemon.url("pub").replace("//", "//joe@"))
            code = f"found = None\n{program}\nprint('found', repr(found))"
            done = subprocess.run(
                [sys.executable, "-c", code], cwd=place, env=env, capture_output=True, text=True, timeout=60
            )
            assert done.returncode == 0, done.stderr
            found.append((done.stdout.splitlines()[-1], {} if "terminate" in PAIRS[number][0] else tree(place / "dst")))
    assert found[0] == found[1]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples_of_the_api(number: int, tmp_path: Path) -> None:
    """API-12."""
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


def test_every_name_has_its_place() -> None:
    """API-12: the page of names is made from the docstrings, and has each public name."""
    page = (ROOT / "docs/reference/names.md").read_text()
    for module in (tain_module, tain_module.events, tain_module.transports):
        for name in module.__all__:
            assert f"{module.__name__}.{name}" in page or f"tain.{name}" in page or name in ("events", "transports"), (
                name
            )
    assert page == runpy.run_path(str(ROOT / "tools/api_page.py"))["page"](), "run tools/api_page.py"


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

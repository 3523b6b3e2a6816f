"""API-3: a program of a user is clean for mypy and pyright, and everything public has a type."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tain
from tain import events, transports
from tests.programs import ROOT

PROGRAM = ROOT / "tests/api/user_program.py"
BIN = Path(sys.executable).parent
#: pyright finds the interpreter, and with it the package, in the path.
ENV = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
VERSIONS = ["3.11", "3.14"]


def check(words: list[str | Path], place: Path) -> None:
    shutil.copy(PROGRAM, place / "program.py")
    done = subprocess.run(
        [*words, "program.py"],
        cwd=place,
        env=ENV,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_mypy(version: str, tmp_path: Path) -> None:
    """API-3."""
    check([BIN / "mypy", "--strict", "--python-version", version, "--cache-dir", "cache"], tmp_path)


@pytest.mark.parametrize("version", VERSIONS)
def test_pyright(version: str, tmp_path: Path) -> None:
    """API-3."""
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict", "pythonVersion": version}))
    check([BIN / "pyright"], tmp_path)


def public() -> set[str]:
    """The places where what ``__all__`` names is defined."""
    found = set()
    for module in (tain, events, transports):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                found.add(f"{value.__module__}.{value.__qualname__}")
            elif not inspect.ismodule(value):
                found.add(f"{module.__name__}.{name}")
    return found


def test_everything_public_has_a_type(tmp_path: Path) -> None:
    """API-3: ``pyright --verifytypes`` is complete for all that ``__all__`` reaches."""
    done = subprocess.run(
        [BIN / "pyright", "--outputjson", "--verifytypes", "tain", "--ignoreexternal"],
        cwd=tmp_path, env=ENV, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    symbols = json.loads(done.stdout)["typeCompleteness"]["symbols"]
    places = public()
    assert places <= {symbol["name"] for symbol in symbols}
    unknown = [
        (symbol["name"], [finding["message"] for finding in symbol["diagnostics"]])
        for symbol in symbols
        if not symbol["isTypeKnown"]
        and any(symbol["name"] == place or symbol["name"].startswith(f"{place}.") for place in places)
    ]
    assert unknown == []


def test_the_program_runs(tmp_path: Path) -> None:
    """API-3: what is checked works."""
    assert 50 <= len(PROGRAM.read_text().splitlines()) <= 100
    (tmp_path / "src").mkdir()
    for name in ("one", "two.tmp", "three"):
        (tmp_path / "src" / name).write_text(name)
    done = subprocess.run(
        [sys.executable, PROGRAM, tmp_path / "src", tmp_path / "dst"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("2 files 3 new"), done.stdout
    assert "['pub']" in done.stdout

"""What every test shares: the two programs and a place to work in."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import programs
from tests.parity.collect import Collector


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--parity-json", metavar="FILE", help="write the outcome of every parity row to FILE")


def pytest_configure(config: pytest.Config) -> None:
    # Below nohup programs would be started with this signal ignored, and some tests send it.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    target = config.getoption("--parity-json")
    if target and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Collector(target), "tain-parity")


def pytest_report_header(config: pytest.Config) -> list[str]:
    return [f"program: {programs.PROGRAM}", f"peer: {programs.PEER or 'none'}"]


@pytest.fixture(scope="session", autouse=True)
def _view() -> None:
    programs.open_way_to_interpreter()


@pytest.fixture(scope="session")
def space(worker_id: str, _view: None) -> Iterator[Path]:
    """A directory that any user may enter, one for each worker. (pytest's own tmp_path is closed to other users.)"""
    base = Path(tempfile.mkdtemp(prefix=f"tain-{worker_id}-", dir=os.environ.get("TMPDIR", "/tmp")))
    base.chmod(0o755)
    yield base
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def place(space: Path) -> Iterator[Path]:
    """An empty directory with always the same path within one worker, so that both programs see the same names."""
    work = space / "w"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    yield work
    shutil.rmtree(work, ignore_errors=True)


@pytest.fixture(scope="session")
def tain() -> str:
    if not programs.PROGRAM or not os.path.exists(programs.PROGRAM):
        pytest.fail("no program to test: run make build")
    return programs.PROGRAM


@pytest.fixture(scope="session")
def rsync() -> str:
    if not programs.PEER:
        programs.missing("rsync")
    return programs.PEER

"""The table of parameters says only what is so: each row has a reader (faults: comparison 11)."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

import tain.daemon
from tain.daemon.config import load
from tain.daemon.parameters import PARAMETERS, PLANNED, key

from .harness import HELLO, Daemon

BASE = b"log file = DIR/log\nuse chroot = no\nreverse lookup = no\n"


@cache
def _read_names() -> set[str]:
    """Names of parameters that code of the daemon asks a section for."""
    found: set[str] = set()
    readers = {"text", "raw", "flag", "tri", "number", "of", "Hook", "run_now", "command", "_plain", "__init__"}
    for file in Path(tain.daemon.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in readers:
                found |= {a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    return found


#: Read by the one that sets it: the name of the module.
ELSEWHERE = {"name"}


@pytest.mark.parametrize("name", [row.name for row in PARAMETERS.values()])
def test_each_row_has_a_reader(name: str) -> None:
    assert name in _read_names() | ELSEWHERE


def test_what_is_planned_is_no_parameter() -> None:
    assert not {key(name.encode()) for name in PLANNED} & set(PARAMETERS)


@pytest.mark.parametrize("where", ["module", "global"])
@pytest.mark.parametrize("name", PLANNED)
def test_a_parameter_that_there_is_not_yet(tmp_path: Path, name: str, where: str) -> None:
    """It is named in the log, and what would have been protected by it is not served."""
    line = f"{name} = yes\n".encode()
    module = b"[m]\npath = DIR\n"
    conf = BASE + (line + module if where == "global" else module + line) + b"[n]\npath = DIR\n"
    with Daemon("tain", tmp_path, conf) as daemon:
        answer = daemon.talk(HELLO + b"m\n")
        if PLANNED[name]:
            assert answer.endswith(b"@ERROR: daemon security issue -- contact admin\n")
            assert any(
                line.startswith("refusing to serve module m: ") and f'"{name}"' in line for line in daemon.log_lines()
            )
        else:
            assert answer.endswith(b"@RSYNCD: OK\n<open>")
        other = daemon.talk(HELLO + b"n\n")
        assert other.endswith(b"@RSYNCD: OK\n<open>") == (where == "module" or not PLANNED[name])
        assert any(f'IGNORING unknown parameter "{name}"' in line for line in daemon.log_lines())


@pytest.mark.parametrize("value", [b"no", b"off", b"none", b"0", b"", b"False"])
def test_one_that_is_switched_off_protects_nothing(tmp_path: Path, value: bytes) -> None:
    file = tmp_path / "conf"
    file.write_bytes(b"[m]\npath = /\ntain tls required = %s\ntain sandbox = %s\n" % (value, value))
    config = load(bytes(file))
    assert config.refusal(config.modules[0]) is None
    file.write_bytes(b"tain allow unknown = tain tls required\n[m]\npath = /\ntain tls required = yes\n")
    config = load(bytes(file))
    assert config.refusal(config.modules[0]) is None

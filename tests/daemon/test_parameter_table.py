"""The table of parameters is true: a live row has a reader, a reserved one refuses, and the document lists them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

import tain.daemon
from tain.daemon.config import load
from tain.daemon.parameters import INTEGER, LIVE, PARAMETERS, PROTECTIVE, RESERVED_NAMES, Parameter
from tests.programs import ROOT

from .harness import HELLO, Daemon

BASE = b"log file = DIR/log\nuse chroot = no\nreverse lookup = no\n"


@cache
def _read_names() -> set[str]:
    """The names of parameters that the daemon's code reads from a section."""
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


#: Takes effect while the file is read: the name of the module.
ELSEWHERE = {"name"}
#: Readers that get the name in a variable: `ModuleView.chmod_name`, and the lists of `findings` and `lint`.
BY_VARIABLE = {"incoming chmod", "outgoing chmod"}
RESERVED = {row.name: row.state == PROTECTIVE for row in RESERVED_NAMES.values()}


def test_each_live_row_has_a_reader() -> None:
    found = _read_names() | ELSEWHERE | BY_VARIABLE
    assert {row.name for row in PARAMETERS.values()} - found == set()


def test_each_row_says_what_it_is() -> None:
    for row in PARAMETERS.values():
        assert row.state == LIVE
        assert bool(row.unit) == (row.kind == INTEGER or row.name == "tain rate limit"), row.name
        assert bool(row.doc) == row.name.startswith("tain "), row.name


def test_a_reserved_name_is_no_parameter() -> None:
    assert not set(RESERVED_NAMES) & set(PARAMETERS)
    assert all(row.state != LIVE for row in RESERVED_NAMES.values())


def _value(row: Parameter) -> str:
    if isinstance(row.default, bool):
        return "yes" if row.default else "no"
    if isinstance(row.default, bytes):
        return row.default.decode()
    return "" if row.default is None else str(row.default)


def test_the_document_lists_the_parameters_of_tain() -> None:
    """Copy the printed table into docs/daemon.md when this fails."""
    table = ["| parameter | section | default | unit | meaning |", "|---|---|---|---|---|"]
    for row in PARAMETERS.values():
        if row.name.startswith("tain "):
            where = "global" if row.of_daemon else "module"
            table.append(f"| `{row.name}` | {where} | {_value(row)} | {row.unit} | {row.doc} |")
    names = [
        "`" + "`, `".join(row.name for row in RESERVED_NAMES.values() if row.state == state) + "`"
        for state in (PROTECTIVE, "reserved")
    ]
    print("\n".join(table), *names, sep="\n\n")
    text = (ROOT / "docs/daemon.md").read_text()
    assert "\n".join(table) in text
    flat = " ".join(text.split())
    assert all(name in flat for name in names)


@pytest.mark.parametrize("where", ["module", "global"])
@pytest.mark.parametrize("name", RESERVED)
def test_a_reserved_parameter(tmp_path: Path, name: str, where: str) -> None:
    """The log names it, and a module that relies on its protection is not served."""
    line = f"{name} = yes\n".encode()
    module = b"[m]\npath = DIR\n"
    conf = BASE + (line + module if where == "global" else module + line) + b"[n]\npath = DIR\n"
    with Daemon("tain", tmp_path, conf) as daemon:
        answer = daemon.talk(HELLO + b"m\n")
        if RESERVED[name]:
            assert answer.endswith(b"@ERROR: daemon security issue -- contact admin\n")
            assert any(
                line.startswith("refusing to serve module m: ") and f'"{name}"' in line for line in daemon.log_lines()
            )
        else:
            assert answer.endswith(b"@RSYNCD: OK\n<open>")
        other = daemon.talk(HELLO + b"n\n")
        assert other.endswith(b"@RSYNCD: OK\n<open>") == (where == "module" or not RESERVED[name])
        assert any(f'IGNORING unknown parameter "{name}"' in line for line in daemon.log_lines())


@pytest.mark.parametrize("value", [b"no", b"off", b"none", b"0", b"", b"False"])
def test_a_protection_that_is_switched_off_refuses_nothing(tmp_path: Path, value: bytes) -> None:
    file = tmp_path / "conf"
    file.write_bytes(b"[m]\npath = /\ntain tls required = %s\ntain sandbox = %s\n" % (value, value))
    config = load(bytes(file))
    assert config.refusal(config.modules[0]) is None
    file.write_bytes(b"tain allow unknown = tain tls required\n[m]\npath = /\ntain tls required = yes\n")
    config = load(bytes(file))
    assert config.refusal(config.modules[0]) is None

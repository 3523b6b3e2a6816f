"""The `PlanFields` of the stub are the fields of the core's plan, by name and by type."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import pytest

from tain import _core
from tain.errors import UsageError

ROOT = Path(__file__).parents[2]

#: A value of each type.
SAMPLES: dict[str, object] = {
    "bool": True,
    "int": 1,
    "bytes": b"x",
    "str": "utf-8",
    "None": None,
    "Sequence[bytes]": [b"x"],
    "Sequence[int]": [1],
    "Mapping[str, int]": {},
    "Collection[str]": {"item"},
    "_AccountLookup": lambda group, key: None,
}
#: Python types whose values the core takes as well.
WIDENED = {"int": {"bool"}, "bool": {"int"}, "bytes": {"str"}, "str": {"bytes"}, "Sequence[bytes]": {"Collection[str]"}}
#: Names of a fixed list, one of which is the value.
NAMES = {
    "xfer_sum": "md5", "file_sum": "md5", "compress": "none", "files_from": "none", "alt_dest": "none",
    "delete": "never", "process": "client", "stderr_mode": "errors", "charset": "utf-8",
}  # fmt: skip


def stub_fields() -> dict[str, set[str]]:
    tree = ast.parse((ROOT / "src/tain/_core.pyi").read_text())
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "PlanFields")
    rows = [node for node in body if isinstance(node, ast.AnnAssign)]
    return {ast.unparse(row.target): set(ast.unparse(row.annotation).split(" | ")) for row in rows}


FIELDS = stub_fields()


def accepted(name: str, value: object) -> bool:
    try:
        _core.Plan(**{name: value})  # type: ignore[arg-type]
    except (UsageError, OverflowError):
        return False
    return True


def test_names() -> None:
    text = (ROOT / "crates/core/src/plan/mod.rs").read_text()
    rust = set(re.findall(r"^        (\w+): \S.* = .*,$", text[text.index("\nplan! {") :], re.MULTILINE))
    assert rust == set(FIELDS)


@pytest.mark.parametrize("name", FIELDS)
def test_type(name: str) -> None:
    types = FIELDS[name]
    for kind, value in SAMPLES.items():
        sample = NAMES.get(name, value) if kind == "str" else value
        if kind == "int" and name.endswith("_handle"):
            sample = os.open("/dev/null", os.O_RDONLY)
        wanted = kind in types or any(kind in WIDENED.get(one, ()) for one in types)
        if wanted and kind not in types:
            continue
        assert accepted(name, sample) == wanted, (kind, sample)


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(UsageError, match="no_such_field"):
        _core.Plan(no_such_field=True)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="events"):
        _core.Plan(events={"no such kind"})

"""Each file and function that docs/architecture.md and CONTRIBUTING.md name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.programs import ROOT

#: Where a path of these pages may begin.
PLACES = (ROOT, ROOT / "src/tain", ROOT / "crates/core/src", ROOT / "crates/python/src")
PAGES = ("docs/architecture.md", "CONTRIBUTING.md")
#: `session/plan.py:plan_fields`, `roles/dest.rs`, `tests/unit/`.
_NAMED = re.compile(r"`((?:\w[\w.-]*/)*[\w.-]+(?:\.(?:py|pyi|rs|toml|md|json|svg)|/))(?::(\w+))?`")


def named() -> list[tuple[str, str, str]]:
    found = {(page, *names) for page in PAGES for names in _NAMED.findall((ROOT / page).read_text())}
    return sorted(found)


def defines(text: str, name: str) -> bool:
    """Whether a source of Python or Rust defines *name*."""
    words = r"def|class|fn|struct|enum|trait|const|static|type|mod|macro_rules!"
    return re.search(rf"(?m)\b(?:{words}) {name}\b|^{name}\b(?:: [^\n]+)? = ", text) is not None


@pytest.mark.parametrize(("page", "path", "name"), named())
def test_it_exists(page: str, path: str, name: str) -> None:
    files = [place / path for place in PLACES if (place / path).exists()]
    assert files, f"{page} names {path}"
    if name:
        assert any(file.is_file() and defines(file.read_text(), name) for file in files), f"{page} names {path}:{name}"


def test_what_is_missing_is_found() -> None:
    source = Path(__file__).read_text()
    assert defines(source, "defines") and defines(source, "PLACES")
    assert not defines(source, "absent" + "_name")

"""MAN-6: the pictures of docs/pictures show what the program prints now. ``tools/pictures.py`` makes them again."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.programs import PROGRAM

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs/pictures"


@pytest.fixture(scope="module")
def pictures() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "tools/pictures.py")
    assert spec and spec.loader and PROGRAM
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # Two tests at the same time need two directories; names of other lengths would break lines elsewhere.
    for number in range(1000, 10000):
        home = Path(f"/tmp/{number}")
        try:
            home.mkdir()
            break
        except FileExistsError:
            continue
    module.HOME = home  # type: ignore[attr-defined]
    yield module
    shutil.rmtree(home)


@pytest.mark.parametrize("name", ["scanning", "copying", "bar", "summary", "explain", "refused"])
def test_a_picture_is_what_the_program_shows(name: str, pictures: ModuleType) -> None:
    shown = pictures.text_of(pictures.screens(name)).replace(str(pictures.HOME), "/tmp/demo")
    assert shown == (PICTURES / f"{name}.txt").read_text()


def test_every_picture_has_a_text() -> None:
    """The texts of a picture are those of the file beside it."""
    for text in PICTURES.glob("*.txt"):
        for theme in ("light", "dark"):
            picture = (PICTURES / f"{text.stem}-{theme}.svg").read_text().replace("&#160;", " ")
            words = set(re.findall(r"[\w.,/%]{3,}", " ".join(re.findall(r">([^<>]+)</text>", picture))))
            assert set(re.findall(r"[\w.,/%]{3,}", text.read_text())) <= words, text.name

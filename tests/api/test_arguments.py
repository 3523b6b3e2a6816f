"""Arguments of the API: a wrong value is refused at once, by name; no destination means a listing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tain


@pytest.mark.parametrize(
    "name", ["filters", "exclude", "include", "exclude_from", "files_from", "chmod", "compare_dest", "rsh"]
)
@pytest.mark.parametrize("value", [lambda entry: True, 5.5, object(), [lambda entry: True], ["a", 3]])
def test_a_value_that_is_no_text(name: str, value: object, tmp_path: Path) -> None:
    keywords: dict[str, Any] = {name: value}
    with pytest.raises(tain.UsageError) as caught:
        tain.Transfer(tmp_path, tmp_path / "out", **keywords)
    said = str(caught.value)
    assert said.startswith(f"{name}: str, bytes, a path, or a sequence of these is expected, not ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["verbose", "human_readable"])
def test_a_count_of_the_wrong_type(name: str, tmp_path: Path) -> None:
    keywords: dict[str, Any] = {name: "much"}
    with pytest.raises(tain.UsageError, match=f"^{name}: int is expected, not str$"):
        tain.Transfer(tmp_path, tmp_path / "out", **keywords)


@pytest.mark.parametrize("run", [tain.sync, tain.Transfer])
@pytest.mark.parametrize(
    ("source", "destination"), [("src", ""), ("src", b""), ("", "dst"), (["src", ""], "dst"), ("", None)]
)
def test_an_empty_path(run: Callable[..., object], source: object, destination: object) -> None:
    with pytest.raises(tain.UsageError, match="empty path"):
        run(source, destination)


def test_a_listing_has_its_entries(tmp_path: Path) -> None:
    (tmp_path / "src/d").mkdir(parents=True)
    (tmp_path / "src/f").write_text("12345")
    (tmp_path / "src/d/g").write_text("1")
    (tmp_path / "src/l").symlink_to("f")
    os.utime(tmp_path / "src/f", (10**9, 10**9))
    seen: list[tain.Item] = []
    for listing in (
        tain.sync(f"{tmp_path}/src/", items=True, on_items=seen.extend),
        tain.sync(f"{tmp_path}/src/", f"{tmp_path}/out", list_only=True, items=True),
    ):
        assert listing.ok
        assert listing.items is not None
        by_name = {item.name: item for item in listing.items}
        assert set(by_name) == {b".", b"f", b"d", b"d/g", b"l"}
        assert {item.operation for item in listing.items} == {"list"}
        assert {item.itemized for item in listing.items} == {""}
        file = by_name[b"f"]
        assert (file.length, file.mtime, file.mode & 0o170000) == (5, 10**9, 0o100000)
        assert by_name[b"l"].target == b"f"
        assert len(listing.output.splitlines()) == len(listing.items)
    assert {item.name for item in seen} == set(by_name)
    assert not (tmp_path / "out").exists()

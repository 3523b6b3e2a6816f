"""What a run counts, skips and changes: counters by the kind of change, lines ``skip``, and the changed directories."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tain
from tain.session import plan
from tests.events import core_runs
from tests.events.test_json import JSON, WAYS, Lines, fill, words

if TYPE_CHECKING:
    from tain._core import PlanFields

# ------------------------------------------------------------------------------------------- counters


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("options", ["-aH --delete", "-anH --delete", "-aHii", "-aH --no-inc-recursive"])
def test_counters_agree_with_the_items(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str, options: str) -> None:
    """EV-2: each item counts once by its change, and the rest of the list is unchanged."""
    fill(tmp_path)
    lines = Lines()
    argv = [*options.split(), *words(tmp_path, way)]
    code, summary = core_runs.run(monkeypatch, tmp_path, argv, lines, events=JSON)
    assert code == 0
    changes = [item["change"] for item in lines.of("item")]
    new = sum(summary.created.values())
    assert new == sum("new" in item["reasons"] for item in lines.of("item"))
    assert new + summary.updated + summary.attributes == len(changes)
    assert summary.updated == changes.count("update")
    assert summary.attributes == changes.count("attributes") == 1
    assert summary.unchanged == sum(summary.files.values()) - len(changes)
    assert sum(summary.deleted.values()) == len(lines.of("delete"))


def test_live_counters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fill(tmp_path)
    seen = []

    def pump(transfer: tain._core.Run) -> None:
        for _ in transfer:
            pass
        seen.append(transfer.figures())

    _, summary = core_runs.run(monkeypatch, tmp_path, ["-aH", "src/", "dst/"], pump)
    assert (seen[0].created, seen[0].updated, seen[0].attributes) == (
        sum(summary.created.values()),
        summary.updated,
        summary.attributes,
    )


def test_statistics_of_a_result(tmp_path: Path) -> None:
    fill(tmp_path)
    statistics = tain.sync(f"{tmp_path}/src/", tmp_path / "dst").check().statistics
    assert statistics is not None
    assert (statistics.updated, statistics.attributes) == (3, 1)
    again = tain.sync(f"{tmp_path}/src/", tmp_path / "dst").check().statistics
    assert again is not None
    assert (again.updated, again.attributes, again.unchanged) == (0, 0, sum(again.files.values()))


# ------------------------------------------------------------------------------------------- skipped entries


def skips(
    monkeypatch: pytest.MonkeyPatch, tree: Path, argv: list[str], kinds: tuple[str, ...] = ("json-skip",)
) -> tuple[dict[str, str], Lines]:
    lines = Lines()
    code, _ = core_runs.run(monkeypatch, tree, argv, lines, events=kinds)
    assert code == 0
    return {line["path"]: line["why"] for line in lines.of("skip")}, lines


@pytest.mark.parametrize("way", ["local", "pull-tain", "pull-rsync"])
def test_why_entries_are_skipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str) -> None:
    fill(tmp_path)
    (tmp_path / "src/unsafe").symlink_to("/etc/passwd")
    (tmp_path / "src/large").write_bytes(b"x" * 200_000)
    os.utime(tmp_path / "dst/sub/changed", (1_800_000_000, 1_800_000_000))
    os.utime(tmp_path / "src", (1_600_000_000, 1_600_000_000))
    options = ["-rlpt", "--update", "--max-size=100000", "--safe-links"]
    found, lines = skips(monkeypatch, tmp_path, [*options, *words(tmp_path, way)])
    assert lines.of("item") == lines.of("done") == []
    assert found == {
        "./": "uptodate", "sub/": "uptodate", "sub/same": "uptodate", "sub/changed": "newer", "large": "size",
        "unsafe": "unsafe-link", "pipe": "nonregular",
    }  # fmt: skip


@pytest.mark.parametrize("way", ["local", "pull-tain"])
def test_skipped_by_existence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str) -> None:
    fill(tmp_path)
    found, _ = skips(monkeypatch, tmp_path, ["-rlptD", "--existing", *words(tmp_path, way)])
    assert {path for path, why in found.items() if why == "missing"} == {"new", "new2", "pipe"}
    fill_again = tmp_path / "again"
    fill_again.mkdir()
    fill(fill_again)
    found, _ = skips(monkeypatch, fill_again, ["-rlptD", "--ignore-existing", *words(fill_again, way)])
    assert {path for path, why in found.items() if why == "exists"} == {
        "grows", "link", "mode", "sub/changed", "sub/same"
    }  # fmt: skip


def test_a_directory_that_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fill(tmp_path)
    found, _ = skips(monkeypatch, tmp_path, ["-a", "--delete", "--filter=P x", *words(tmp_path, "local")])
    assert found["olddir/"] == "not-empty"


@pytest.mark.parametrize("way", ["local", "push-rsync"])
def test_excluded_names_have_their_rule(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str) -> None:
    fill(tmp_path)
    (tmp_path / "src/sub/.rules").write_text("# a comment\n- same\n\n- /chan*\n")
    (tmp_path / "src/tmp").mkdir()
    (tmp_path / "patterns").write_text("grows\n")
    options = ["-a", "--exclude=tmp/", "--filter=: .rules", "--exclude-from=patterns"]
    found, lines = skips(monkeypatch, tmp_path, [*options, *words(tmp_path, way)], ("json-skip", *JSON))
    rules = {line["path"]: line["rule"] for line in lines.of("skip") if line["why"] == "excluded"}
    assert rules == {
        "tmp/": {"text": "- tmp/", "file": None, "line": None},
        "grows": {"text": "- grows", "file": "patterns", "line": 1},
        "sub/same": {"text": "- same", "file": "sub/.rules", "line": 2},
        "sub/changed": {"text": "- /chan*", "file": "sub/.rules", "line": 4},
    }
    assert all(line["rule"] is None for line in lines.of("skip") if line["why"] != "excluded")
    assert "new" in {line["path"] for line in lines.of("item")}
    assert "new" not in found


def test_skips_are_off_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fill(tmp_path)
    found, lines = skips(monkeypatch, tmp_path, ["-a", "--exclude=sub", *words(tmp_path, "local")], JSON)
    assert not found and lines.of("item")


# ------------------------------------------------------------------------------------------- changed directories


def changed(monkeypatch: pytest.MonkeyPatch, tree: Path, argv: list[str], handle: str = "changes_handle") -> list[str]:
    original = plan.plan_fields
    with (tree / "changes").open("wb") as file:

        def with_file(*args: object, **more: object) -> PlanFields:
            fields = original(*args, **more)  # type: ignore[arg-type]
            fields["changes_handle"] = file.fileno()
            return fields

        with monkeypatch.context() as patched:
            patched.setattr(plan, "plan_fields", with_file)
            code, _ = core_runs.run(patched, tree, argv, Lines())
    assert code == 0
    names = (tree / "changes").read_bytes().split(b"\0")
    assert names.pop() == b""
    assert len(names) == len(set(names))
    return sorted(name.decode() for name in names)


@pytest.mark.parametrize("way", WAYS)
def test_changed_directories(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str) -> None:
    fill(tmp_path)
    for name in ("quiet/file", "deep/a/b/file", "made/sub/file"):
        (tmp_path / "src" / name).parent.mkdir(parents=True)
        (tmp_path / "src" / name).write_text("x")
    os.utime(tmp_path / "src", (1_600_000_000, 1_600_000_000))
    argv = ["-rlptD", "--delete-delay", *words(tmp_path, way)]
    first = changed(monkeypatch, tmp_path, argv)
    assert first == [".", "deep", "deep/a", "deep/a/b", "made", "made/sub", "olddir", "quiet", "sub"]
    assert changed(monkeypatch, tmp_path, argv) == []
    (tmp_path / "src/deep/a/b/file").write_text("other")
    (tmp_path / "src/made/sub").chmod(0o700)
    (tmp_path / "dst/quiet/extra").write_text("")
    # Its time is an attribute, which its parent's listing has.
    os.utime(tmp_path / "dst/quiet", (1, 1))
    assert changed(monkeypatch, tmp_path, ["-n", *argv]) == []
    assert changed(monkeypatch, tmp_path, argv) == [".", "deep/a/b", "made", "made/sub", "quiet"]


def test_changes_to(tmp_path: Path) -> None:
    fill(tmp_path)
    out = tmp_path / "out"
    tain.sync("src/", "dst", cwd=tmp_path, changes_to="out").check()
    assert set(out.read_bytes().split(b"\0")[:-1]) == {b".", b"sub"}
    tain.sync("src/", "dst", cwd=tmp_path, changes_to=out).check()
    assert out.read_bytes() == b""
    result = tain.sync("src/", "dst", cwd=tmp_path, changes_to="no/such/file")
    assert result.code == 11 and b"no/such/file" in result.errors
    result = tain.sync("src/", tmp_path / "new", cwd=tmp_path, changes_to="/dev/full")
    assert result.code == 23 and b"changed directories" in result.errors

"""Deletions that are judged: counted and named before the first one, and then all made or none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tain import _core
from tain.errors import UsageError
from tain.session import plan
from tests import programs
from tests.events import core_runs

if TYPE_CHECKING:
    from tain._core import Deletions, PlanFields

#: What is in the destination only; a directory counts, and each entry in it.
EXTRA = ("a", "gone/", "gone/b", "gone/sub/", "gone/sub/c", "kept/d")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("src/same", "dst/same", "src/kept/new", *(f"dst/{name}" for name in EXTRA if name[-1] != "/")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("12345")
        os.utime(path, (1_700_000_000, 1_700_000_000))
    return tmp_path


def names_of(root: Path) -> set[str]:
    return {str(path.relative_to(root)) + "/" * path.is_dir() for path in root.rglob("*")}


class Judge:
    """Answers the question, and notes what was there when it came."""

    def __init__(self, tree: Path, answer: bool) -> None:
        self.tree, self.answer = tree, answer
        self.asked: list[tuple[int, int, int]] = []
        self.before: set[str] = set()
        self.stdout = b""

    def __call__(self, transfer: _core.Run) -> None:
        while (batch := transfer.next_batch(1)) is not None:
            for event in batch:
                if event[0] == "stdout":
                    self.stdout += event[1]
                if event[0] == "deletions":
                    self.judge(event[1])
                    transfer.answer(self.answer)

    def judge(self, planned: Deletions) -> None:
        self.asked.append((planned.number, planned.bytes, planned.entries))
        self.before = names_of(self.tree / "dst")


@pytest.fixture(params=["-r --delete", "-r --delete-before", "-r --delete-after", "-r --delete --no-inc-recursive"])
def when(request: pytest.FixtureRequest) -> list[str]:
    return str(request.param).split()


@pytest.fixture(params=["local", "pull-tain", "pull-rsync"])
def way(request: pytest.FixtureRequest, tree: Path) -> list[str]:
    if request.param == "local":
        return ["src/", "dst/"]
    program = programs.PEER if request.param == "pull-rsync" else str(programs.ROOT / ".venv/bin/tain")
    return [f"--rsh={core_runs.shell(tree)}", f"--rsync-path={program}", f"host:{tree}/src/", "dst/"]


def judged(
    monkeypatch: pytest.MonkeyPatch, tree: Path, words: list[str], judge: Judge, names: Path | None = None
) -> tuple[int, _core.Summary]:
    original = plan.plan_fields
    if names is not None:
        file = names.open("wb")

        def with_names(*args: object, **more: object) -> PlanFields:
            fields = original(*args, **more)  # type: ignore[arg-type]
            fields["deletion_names_handle"] = file.fileno()
            return fields

        monkeypatch.setattr(plan, "plan_fields", with_names)
    return core_runs.run(monkeypatch, tree, words, judge, events=("deletions",))


def test_a_yes_deletes_what_was_counted(
    monkeypatch: pytest.MonkeyPatch, tree: Path, when: list[str], way: list[str]
) -> None:
    judge, names = Judge(tree, True), tree / "names"
    code, summary = judged(monkeypatch, tree, [*when, *way], judge, names)
    assert code == 0
    assert len(judge.asked) == 1
    deletions, size, entries = judge.asked[0]
    assert (deletions, size) == (len(EXTRA), 4 * 5)
    assert sum(summary.deleted.values()) == deletions
    # Those of the destination when the question came; with late deletions the new file is among them.
    assert entries in (8, 9)
    assert set(EXTRA) <= judge.before
    assert {name.decode() for name in names.read_bytes().split(b"\0")[:-1]} == set(EXTRA)
    assert names_of(tree / "dst") == names_of(tree / "src")


def test_a_no_deletes_nothing(monkeypatch: pytest.MonkeyPatch, tree: Path, when: list[str], way: list[str]) -> None:
    judge = Judge(tree, False)
    code, summary = judged(monkeypatch, tree, [*when, *way], judge)
    assert code == summary.code == 25
    assert summary.deletions_skipped == len(EXTRA)
    assert sum(summary.deleted.values()) == 0
    # The rest of the run is done.
    assert names_of(tree / "dst") == names_of(tree / "src") | set(EXTRA)


def test_rules_protect_and_are_not_counted(monkeypatch: pytest.MonkeyPatch, tree: Path, way: list[str]) -> None:
    judge = Judge(tree, True)
    code, _ = judged(monkeypatch, tree, ["-r", "--delete", "--filter=P c", *way], judge)
    assert code == 0
    # The two directories above it stay as well.
    assert judge.asked[0][0] == len(EXTRA) - 3
    assert names_of(tree / "dst") - names_of(tree / "src") == {"gone/", "gone/sub/", "gone/sub/c"}


def test_leftovers_are_deleted_and_not_counted(monkeypatch: pytest.MonkeyPatch, tree: Path, way: list[str]) -> None:
    """Temporary files of listed names, and directories for partial files; but no other name that looks like one."""
    left = (".same.Ab3xYz", "kept/.new.123456", "part/same", "gone/part/b", "kept/part/new")
    for name in (*left, ".other.Ab3xYz"):
        (tree / "dst" / name).parent.mkdir(exist_ok=True)
        (tree / "dst" / name).write_text("123")
    original = plan.plan_fields

    def with_leftovers(*args: object, **more: object) -> PlanFields:
        fields = original(*args, **more)  # type: ignore[arg-type]
        fields["exclude_leftovers"] = True
        return fields

    with monkeypatch.context() as patched:
        patched.setattr(plan, "plan_fields", with_leftovers)
        words = ["-r", "--delete", "--partial-dir=part", "--filter=R part", *way]
        judge = Judge(tree, True)
        assert judged(patched, tree, words, judge)[0] == 0
        assert judge.asked[0][0] == len(EXTRA) + 1
        assert names_of(tree / "dst") == names_of(tree / "src")
        # Nothing but leftovers is no question.
        (tree / "dst/.same.Ab3xYz").write_text("123")
        judge = Judge(tree, False)
        assert judged(patched, tree, words, judge)[0] == 0
        assert (judge.asked, names_of(tree / "dst")) == ([], names_of(tree / "src"))


def test_a_dry_run_asks_as_well(monkeypatch: pytest.MonkeyPatch, tree: Path, way: list[str]) -> None:
    judge = Judge(tree, True)
    before = names_of(tree / "dst")
    code, _ = judged(monkeypatch, tree, ["-rn", "--delete", "--info=del", *way], judge)
    assert (code, judge.asked[0][0]) == (0, len(EXTRA))
    assert judge.stdout.count(b"deleting ") == len(EXTRA)
    assert names_of(tree / "dst") == before


def test_without_deletions_nothing_is_asked(monkeypatch: pytest.MonkeyPatch, tree: Path, way: list[str]) -> None:
    judge = Judge(tree, False)
    code, _ = judged(monkeypatch, tree, ["-r", *way], judge)
    assert (code, judge.asked) == (0, [])


def test_a_cancel_ends_the_wait(monkeypatch: pytest.MonkeyPatch, tree: Path, way: list[str]) -> None:
    def cancel(transfer: _core.Run) -> None:
        while (batch := transfer.next_batch(1)) is not None:
            if any(kind == "deletions" for kind, _ in batch):
                transfer.cancel()

    before = names_of(tree / "dst")
    code, _ = core_runs.run(monkeypatch, tree, ["-r", "--delete", *way], cancel, events=("deletions",))
    assert code == 20
    assert before <= names_of(tree / "dst")


def test_a_plan_that_cannot_be_judged() -> None:
    with pytest.raises(UsageError, match="judged"):
        _core.Plan(events=["deletions"], delete="during")

"""A plan that is held: everything is decided and counted, and nothing is changed before the answer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import programs
from tests.events import core_runs

if TYPE_CHECKING:
    from tain import _core
    from tain._core import Planned


def write(path: Path, size: int, mtime: int = 1_700_000_000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (mtime, mtime))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two new files in a new directory, a grown file, a changed mode, a link with another target, and deletions."""
    for name, size in {
        "src/new/a": 5000, "src/new/b": 1, "src/grown": 9000, "dst/grown": 10, "src/same": 7, "dst/same": 7,
        "src/mode": 3, "dst/mode": 3, "dst/old/sub/x": 4096, "dst/old/y": 1, "dst/z": 1,
    }.items():  # fmt: skip
        write(tmp_path / name, size)
    os.utime(tmp_path / "dst/grown", (1, 1))
    (tmp_path / "src/mode").chmod(0o600)
    (tmp_path / "src/link").symlink_to("grown")
    (tmp_path / "dst/link").symlink_to("same")
    for directory in ("src/new", "dst/old/sub", "dst/old", "src", "dst"):
        os.utime(tmp_path / directory, (1_700_000_000, 1_700_000_000))
    return tmp_path


@pytest.fixture(params=["local", "pull-tain", "pull-rsync"])
def way(request: pytest.FixtureRequest, tree: Path) -> list[str]:
    if request.param == "local":
        return ["src/", "dst/"]
    program = programs.PEER if request.param == "pull-rsync" else str(programs.ROOT / ".venv/bin/tain")
    return [f"--rsh={core_runs.shell(tree)}", f"--rsync-path={program}", f"host:{tree}/src/", "dst/"]


def state(root: Path) -> dict[str, tuple[int, int, int, int]]:
    found = {}
    for path in (root, *root.rglob("*")):
        status = path.lstat()
        found[str(path.relative_to(root))] = (status.st_ino, status.st_mtime_ns, status.st_mode, status.st_size)
    return found


class Judge:
    def __init__(self, tree: Path, answer: bool | tuple[int, str]) -> None:
        self.tree, self.answer = tree, answer
        self.plans: list[Planned] = []
        self.before: dict[str, tuple[int, int, int, int]] = {}
        self.printed = b""

    def __call__(self, transfer: _core.Run) -> None:
        while (batch := transfer.next_batch(1)) is not None:
            for event in batch:
                if event[0] in ("stdout", "stderr"):
                    assert self.plans, "printed before the answer"
                    self.printed += event[1]
                if event[0] == "planned":
                    self.plans.append(event[1])
                    self.before = state(self.tree / "dst")
                    if isinstance(self.answer, bool):
                        transfer.answer(self.answer)
                    else:
                        transfer.refuse(*self.answer)


def held(
    monkeypatch: pytest.MonkeyPatch, tree: Path, words: list[str], judge: Judge
) -> tuple[int, _core.Summary, Planned]:
    before = state(tree / "dst")
    code, summary = core_runs.run(monkeypatch, tree, ["--no-inc-recursive", *words], judge, events=("planned",))
    assert len(judge.plans) == 1
    assert judge.before == before
    return code, summary, judge.plans[0]


@pytest.mark.parametrize("when", ["--delete", "--delete-before", "--delete-after", "--delete-delay"])
def test_a_yes_does_what_was_planned(when: str, monkeypatch: pytest.MonkeyPatch, tree: Path, way: list[str]) -> None:
    judge = Judge(tree, True)
    code, summary, plan = held(monkeypatch, tree, ["-a", when, *way], judge)
    assert code == 0
    assert plan.new == (3, 5001)
    assert plan.update == (2, 9000)
    assert plan.attributes == (1, 3)
    assert plan.delete == (5, 4098)
    assert plan.keep == (2, 7)
    assert plan.directories == {b".": (2, 1), b"old": (2, 1), b"old/sub": (1, 4096)}
    block = os.statvfs(tree).f_frsize

    def blocks(size: int) -> int:
        return -(-size // block) * block

    needed = blocks(5000) + blocks(1) + blocks(9000)
    freed = blocks(4096) + 2 * blocks(1)
    assert (plan.freed_bytes, plan.freed_inodes) == (freed, 5)
    first = when == "--delete-before"
    assert plan.need_bytes == needed - (freed if first else 0)
    assert plan.need_inodes == 4 - (4 if first else 0)
    assert summary.transferred == 3
    assert sum(summary.deleted.values()) == plan.delete[0]
    assert sum(summary.created.values()) == plan.new[0]
    assert state(tree / "dst").keys() == state(tree / "src").keys()


@pytest.mark.parametrize("words", ["-a", "-a --delete", "-a --delete-before --inplace", "-aH --backup --delete", "-ac"])
def test_a_no_changes_nothing(words: str, monkeypatch: pytest.MonkeyPatch, tree: Path, way: list[str]) -> None:
    judge, before = Judge(tree, False), state(tree)
    code, summary, _ = held(monkeypatch, tree, [*words.split(), *way], judge)
    assert code == summary.code == 25
    assert summary.error == "tain: the plan was refused, and nothing was changed"
    assert state(tree) == before


def test_a_refusal_has_a_code_and_a_text(monkeypatch: pytest.MonkeyPatch, tree: Path, way: list[str]) -> None:
    judge, before = Judge(tree, (11, "not enough")), state(tree)
    code, summary, _ = held(monkeypatch, tree, ["-a", *way], judge)
    assert (code, summary.code, summary.error) == (11, 11, "not enough")
    assert state(tree) == before


def test_errors_and_items_are_reported_once(monkeypatch: pytest.MonkeyPatch, tree: Path, way: list[str]) -> None:
    (tree / "dst/new").symlink_to("nowhere")
    outputs = []
    for answer in (None, True):
        judge = Judge(tree, bool(answer))
        judge.plans = [] if answer else [None]  # type: ignore[list-item]
        words = ["-aiin", "--no-inc-recursive", "--delete", *way]
        core_runs.run(monkeypatch, tree, words, judge, events=("planned",) if answer else ())
        outputs.append(judge.printed)
    assert outputs[0] and outputs[0] == outputs[1]


def test_a_cancel_ends_the_wait(monkeypatch: pytest.MonkeyPatch, tree: Path, way: list[str]) -> None:
    before = state(tree)

    def pump(transfer: _core.Run) -> None:
        while (batch := transfer.next_batch(1)) is not None:
            if any(event[0] == "planned" for event in batch):
                transfer.cancel()

    code, _ = core_runs.run(monkeypatch, tree, ["-a", "--no-inc-recursive", *way], pump, events=("planned",))
    assert code == 20
    assert state(tree) == before


def test_a_new_destination_is_not_made(monkeypatch: pytest.MonkeyPatch, tree: Path, way: list[str]) -> None:
    for place in ("made/", "more/than/one/"):
        judge = Judge(tree, False)
        words = ["-a", "--mkpath", *way[:-1], place]
        code, _, plan = held(monkeypatch, tree, words, judge)
        assert code == 25
        # The destination itself counts.
        assert plan.new == (8, 5000 + 1 + 9000 + 7 + 3)
        assert not (tree / place.split("/")[0]).exists()


def test_hard_links_count_once(monkeypatch: pytest.MonkeyPatch, tree: Path, way: list[str]) -> None:
    os.link(tree / "src/new/a", tree / "src/new/c")
    os.link(tree / "src/same", tree / "src/again")
    judge = Judge(tree, True)
    code, summary, plan = held(monkeypatch, tree, ["-aH", *way], judge)
    assert code == 0
    assert plan.new == (5, 5001)
    assert sum(summary.created.values()) == plan.new[0]
    assert (tree / "dst/new/c").samefile(tree / "dst/new/a")


def test_rules_protect_in_the_plan(monkeypatch: pytest.MonkeyPatch, tree: Path, way: list[str]) -> None:
    judge = Judge(tree, True)
    code, summary, plan = held(monkeypatch, tree, ["-a", "--delete", "--filter=P x", *way], judge)
    assert code == 0
    assert plan.delete[0] == sum(summary.deleted.values()) == 2


def test_alternate_directories(monkeypatch: pytest.MonkeyPatch, tree: Path, way: list[str]) -> None:
    write(tree / "alt/new/a", 5000)
    for kind, need in (("--link-dest", False), ("--compare-dest", False), ("--copy-dest", True)):
        judge = Judge(tree, False)
        _, _, plan = held(monkeypatch, tree, ["-a", f"{kind}=../alt", *way], judge)
        _, _, whole = held(monkeypatch, tree, ["-a", *way], Judge(tree, False))
        assert (plan.need_bytes == whole.need_bytes) is need, kind


def test_the_peer_is_kept_alive(monkeypatch: pytest.MonkeyPatch, tree: Path, way: list[str]) -> None:
    import time

    class Slow(Judge):
        def __call__(self, transfer: _core.Run) -> None:
            while (batch := transfer.next_batch(1)) is not None:
                if any(event[0] == "planned" for event in batch):
                    time.sleep(9)
                    transfer.answer(True)

    code, _ = core_runs.run(
        monkeypatch, tree, ["-a", "--timeout=4", "--no-inc-recursive", *way], Slow(tree, True), events=("planned",)
    )
    assert code == 0


@pytest.mark.parametrize("seed", range(12))
def test_plans_of_random_trees_come_true(seed: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a run reports is what its plan has announced."""
    import random

    choose = random.Random(seed)
    for side in ("src", "dst"):
        for number in range(60):
            if choose.random() < 0.6:
                directory = tmp_path / side / str(number % 7) / str(number % 3)
                directory.mkdir(parents=True, exist_ok=True)
                path = directory / str(number)
                if choose.random() < 0.15:
                    path.symlink_to(str(choose.randrange(3)))
                elif choose.random() < 0.1:
                    path.mkdir()
                else:
                    write(path, choose.choice((0, 10, 5000)), choose.choice((10**9, 10**9 + 9)))
    before = {path.relative_to(tmp_path / "dst") for path in (tmp_path / "dst").rglob("*")}
    judge = Judge(tmp_path, True)
    words = choose.choice(["-a", "-a --delete", "-a --delete-before", "-a --delete-after --force"])
    code, summary, plan = held(monkeypatch, tmp_path, [*words.split(), "src/", "dst/"], judge)
    assert code == 0, judge.printed
    assert (plan.new[0], plan.delete[0]) == (sum(summary.created.values()), sum(summary.deleted.values()))
    assert before

"""UI-11: a guard refuses, and nothing is deleted; an allowed run passes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.programs import PROGRAM, environment

SHELL = '#!/bin/sh\nshift\nexec sh -c "$*"\n'


def tain(home: Path, *words: str) -> tuple[int, str]:
    assert PROGRAM
    run = subprocess.run([PROGRAM, *words], cwd=home, env=environment(str(home)), capture_output=True, text=True)
    return run.returncode, run.stderr


def names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("s", "d", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "s/new").write_text("new")
    for number in range(150):
        (tmp_path / f"d/{number}").write_text("old")
    (tmp_path / "rsh").write_text(SHELL)
    (tmp_path / "rsh").chmod(0o755)
    return tmp_path


#: Rule, words, and the reason that is given.
CASES = [
    ("empty-source", "--guard empty/ d/", "empty/ is empty"),
    ("empty-source", "--guard s/ empty/ d/", "empty/ is empty"),
    ("empty-source", "--guard --exclude=new s/ d/", "the source is empty, and 150 entries would be deleted"),
    ("half", "--guard s/ d/", "150 of 15"),
    ("percent", "--guard-rules=percent=20 s/ d/", "150 of 15"),
    ("max", "--guard-rules=max=149 s/ d/", "150 entries of d/ would be deleted"),
    ("root", "--guard s/ .", "'.' is a whole machine or home directory"),
    ("same", "--guard d/ d/", "d/ is the destination itself"),
    ("same", "--guard d .", "d is the destination itself"),
    ("marker", "--guard-rules=marker=.here s/ d/", "s/ has no .here"),
]


@pytest.mark.parametrize("when", ["--delete", "--delete-before", "--delete-after", "--delete-during"])
@pytest.mark.parametrize(("rule", "words", "why"), CASES)
def test_a_guard_refuses(rule: str, words: str, why: str, when: str, home: Path) -> None:
    if words.endswith(" d ."):
        words += " --allow=root"
    before = [name for name in names(home) if name != "d/new"]
    code, text = tain(home, "-a", when, *words.split())
    assert code == 25, text
    assert f'tain: refused by guard "{rule}": ' in text and why in text and f"allow it: --allow={rule}\n" in text
    assert [name for name in names(home) if name != "d/new"] == before


def test_an_allowed_run_passes(home: Path) -> None:
    assert tain(home, "-a", "--delete", "--guard", "--allow=half", "s/", "d/") == (0, "")
    assert names(home / "d") == ["new"]
    assert tain(home, "-a", "--delete", "--guard", "--allow=empty-source", "empty/", "d/") == (0, "")
    assert names(home / "d") == []


def test_few_deletions_pass(home: Path) -> None:
    for number in range(100):
        (home / f"s/{number}").write_text("old")
    assert tain(home, "-a", "--delete", "--guard", "s/", "d/") == (0, "")
    assert len(names(home / "d")) == 101


def test_a_pull_is_guarded(home: Path) -> None:
    code, text = tain(
        home, "-a", "--delete", "--guard", "-e", f"{home}/rsh", f"--rsync-path={PROGRAM}", f"h:{home}/s/", "d/"
    )
    assert code == 25 and 'refused by guard "half"' in text
    assert len(names(home / "d")) == 151


def test_an_empty_source_is_refused_in_every_direction(home: Path) -> None:
    shell = ["-a", "--delete", "--guard", "-e", f"{home}/rsh", f"--rsync-path={PROGRAM}"]
    for words, why in (
        ((f"h:{home}/empty/", "d/"), "the source is empty, and 150 entries would be deleted"),
        (("empty/", f"h:{home}/d/"), "empty/ is empty"),
    ):
        code, text = tain(home, *shell, *words)
        assert code == 25 and f'refused by guard "empty-source": {why}\n' in text, text
        assert len(names(home / "d")) == 150


def test_an_empty_source_makes_a_new_directory(home: Path) -> None:
    assert tain(home, "-a", "--delete", "--guard", "empty/", "made/") == (0, "")
    assert names(home / "made") == []


def test_a_pull_is_judged_by_its_destination(home: Path) -> None:
    words = ["-a", "--delete", "--guard", "-e", f"{home}/rsh", f"--rsync-path={PROGRAM}", f"h:{home}/s/", "."]
    before = names(home)
    code, text = tain(home, *words)
    assert code == 25 and 'refused by guard "root"' in text
    assert names(home) == before


def test_a_push_has_no_counting_guard(home: Path) -> None:
    words = ["-a", "--delete", "-e", f"{home}/rsh", f"--rsync-path={PROGRAM}", "s/", f"h:{home}/d/"]
    code, text = tain(home, "--guard-rules=half", *words)
    assert code == 4 and "where the other end deletes" in text
    assert len(names(home / "d")) == 150


@pytest.mark.parametrize("words", ["--write-batch=B s/ d/", "--read-batch=B d/", "--iconv=utf-8,latin1 s/ d/"])
def test_runs_that_cannot_be_judged_are_refused(words: str, home: Path) -> None:
    code, text = tain(home, "-a", "--delete", "--guard", *words.split())
    assert code == 4 and "--guard cannot judge" in text
    assert len(names(home / "d")) == 150


@pytest.mark.parametrize("value", ["nosuch", "max", "max=x", "root=1", "percent="])
def test_wrong_rules(value: str, home: Path) -> None:
    assert tain(home, "-a", f"--guard-rules={value}", "s/", "d/")[0] == 1

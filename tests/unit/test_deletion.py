"""What is deleted when: moments of deletion by filters, limits and errors (spec: transfer 12, filters 5, 6).

The runs are local and in this process. rsync must agree: tests/parity/rows/deletion.py has these cases and more.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import tain

MOMENTS = ["before", "during", "delay", "after"]
SOURCE = ["keep", "d/in", "big"]
#: At the destination alone.
EXTRA = {"gone", "x.o", "d/old", "e", "e/f", "e/x.o"}
SKIPPED = "IO error encountered -- skipping file deletion"
NOT_EMPTY = "cannot delete non-empty directory: e"


@dataclass(frozen=True)
class Case:
    """`options` beside --archive and --delete-MOMENT, and what must follow."""

    options: str
    left: set[str]
    """Which of the extra names stay."""
    code: int = 0
    says: str = ""
    """A line of output, or of errors, without the name of the program."""
    sources: list[str] = field(default_factory=lambda: ["src/"])
    lost: set[str] = field(default_factory=set)
    """Names of the source that the destination has no longer."""


CASES = {
    "no-rule": Case("", set()),
    # Rules: an exclude protects at the receiver what it hides at the sender.
    "exclude": Case("--exclude=*.o -v", {"x.o", "e", "e/x.o"}, says=NOT_EMPTY),
    "exclude-deleted": Case("--exclude=*.o --delete-excluded", set()),
    "include-first": Case("--include=e/x.o --exclude=*.o", {"x.o"}),
    "protect": Case("--filter=P_gone", {"gone"}),
    "protect-with-delete-excluded": Case("--filter=P_gone --delete-excluded", {"gone"}),
    "risk": Case("--filter=R_x.o --exclude=*.o", set()),
    "hide": Case("--filter=H_keep", set(), lost={"keep"}),
    "exclude-at-the-sender": Case("--filter=-s_keep", set(), lost={"keep"}),
    "exclude-at-the-receiver": Case("--filter=-r_gone", {"gone"}),
    "perishable": Case("--filter=-p_*.o", {"x.o"}),
    "protected-directory": Case("--exclude=/e/", {"e", "e/f", "e/x.o"}),
    # Limits.
    "no-more-than-none": Case("--max-delete=0", EXTRA, 25, "Deletions stopped due to --max-delete limit (5 skipped)"),
    "no-more-than-all": Case("--max-delete=6", set()),
    # Errors of the sender.
    "missing-directory": Case("", EXTRA, 23, SKIPPED, sources=["src/", "nothing/"]),
    "missing-directory-ignored": Case("--ignore-errors", set(), 23, sources=["src/", "nothing/"]),
    "missing-file": Case("", set(), 23, sources=["src/", "nothing"]),
    "link-to-nothing": Case("--copy-links", EXTRA, 23, SKIPPED, sources=["src/", "dangling/"]),
    "missing-argument-ignored": Case("--ignore-missing-args", set(), sources=["src/", "nothing"]),
    # Names that a rule of the transfer leaves out stay in the list.
    "existing": Case("--existing", set()),
    "existing-and-ignore-existing": Case("--existing --ignore-existing", set()),
    "max-size": Case("--max-size=10", set()),
    "update": Case("--update", set()),
    # What is a directory of the transfer.
    "whole-list": Case("--no-inc-recursive", set()),
    "files-alone": Case("", EXTRA, sources=["src/keep", "src/big"]),
    "two-sources": Case("", {"gone"}, sources=["src/", "more/"]),
    "not-below": Case("--no-recursive --dirs", {"d/old"}),
    "dry-run": Case("--dry-run", EXTRA),
}


def plant(root: Path, names: list[str]) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x" * 100 if name == "big" else name)
        os.utime(path, (1_000_000_000, 1_000_000_000))


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("name", CASES)
def test_deletion(name: str, moment: str, tmp_path: Path) -> None:
    case = CASES[name]
    plant(tmp_path / "src", SOURCE)
    plant(tmp_path / "more", ["gone"])
    (tmp_path / "dangling").mkdir()
    (tmp_path / "dangling/link").symlink_to("nothing")
    plant(tmp_path / "dst", [*SOURCE, "gone", "x.o", "d/old", "e/f", "e/x.o"])
    words = [word.replace("_", " ") for word in case.options.split()]
    result = tain.sync(case.sources, "dst/", cwd=tmp_path, extra=[f"--delete-{moment}", *words])
    assert result.code == case.code, result.messages
    found = {str(path.relative_to(tmp_path / "dst")) for path in (tmp_path / "dst").rglob("*")}
    assert found & EXTRA == case.left
    assert {*SOURCE} - found == case.lost
    assert case.says in (result.output + result.errors).decode()


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("limit", range(7))
def test_limit(limit: int, moment: str, tmp_path: Path) -> None:
    """So many names are deleted, the rest is counted; the limit is an exit code only if it was reached."""
    plant(tmp_path / "src", SOURCE)
    plant(tmp_path / "dst", [*SOURCE, "gone", "x.o", "d/old", "e/f", "e/x.o"])
    result = tain.sync("src/", "dst/", cwd=tmp_path, extra=[f"--delete-{moment}", f"--max-delete={limit}"])
    found = {str(path.relative_to(tmp_path / "dst")) for path in (tmp_path / "dst").rglob("*")}
    assert len(EXTRA & found) == 6 - limit
    assert result.code == (25 if limit < 6 else 0)
    assert result.statistics is not None
    assert sum(result.statistics.deleted.values()) == limit

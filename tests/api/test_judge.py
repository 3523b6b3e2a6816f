"""`tain.Guard.judge`: a program decides about the deletions of a run, before the first one."""

from __future__ import annotations

from pathlib import Path

import pytest

import tain
from tain.options.guard import DeletePlan
from tests.mirror.site import daemon, fill, names
from tests.programs import PROGRAM


@pytest.mark.parametrize("kind", ["local", "daemon"])
def test_a_program_judges_deletions(kind: str, tmp_path: Path) -> None:
    """Asked once, with whole figures; a no deletes nothing, and what was copied stays."""
    source, target = tmp_path / "src", tmp_path / "dst"
    fill(source, 20)
    fill(target, 25)
    (target / "d0/own").write_text("x")
    plans: list[DeletePlan] = []

    def run(answer: str | None) -> tain.Result:
        def judge(plan: DeletePlan) -> str | None:
            plans.append(plan)
            return answer

        guard = tain.Guard(judge=judge, names=str(tmp_path / "names"))
        if kind == "local":
            return tain.sync(f"{source}/", target, delete=True, guard=guard)
        with daemon(source) as server:
            return tain.sync(server.url("pub"), target, delete=True, guard=guard)

    (source / "d0/new").write_text("new")
    result = run("too many")
    assert result.code == 25
    assert result.messages[0] == 'tain: refused by guard "judge": too many'
    assert (target / "d0/new").read_text() == "new" and (target / "d0/own").exists()
    (plan,) = plans
    # Five files, their directory, and one more file.
    assert (plan.deletions, plan.source_entries, plan.errors) == (7, 24, 0)
    assert plan.entries >= 29 and plan.source_bytes == sum(p.stat().st_size for p in source.rglob("f*")) + 3
    planned = {name.rstrip("/") for name in (tmp_path / "names").read_text().split("\0") if name}
    assert planned == names(target) - names(source)
    assert run(None).code == 0 and len(plans) == 2
    assert names(target) == names(source)


def test_names_that_cannot_be_written(tmp_path: Path) -> None:
    fill(tmp_path / "src", 3)
    fill(tmp_path / "dst", 9)
    result = tain.sync(
        f"{tmp_path}/src/", tmp_path / "dst", delete=True, guard=tain.Guard(names=str(tmp_path / "no/names"))
    )
    assert result.code == 11 and "names of deletions" in result.messages[0]
    assert len(list((tmp_path / "dst/d0").iterdir())) == 9


@pytest.mark.parametrize("answer", ["too many", None])
def test_a_program_judges_the_dry_run_of_a_push(answer: str | None, tmp_path: Path) -> None:
    """Asked once, before anything is changed."""
    source, target = tmp_path / "src", tmp_path / "dst"
    fill(source, 20)
    fill(target, 25)
    (source / "new").write_text("new")
    before, extra = names(target), names(target) - names(source)
    plans: list[DeletePlan] = []

    def judge(plan: DeletePlan) -> str | None:
        plans.append(plan)
        return answer

    rsh = tmp_path / "rsh"
    rsh.write_text('#!/bin/sh\nshift\nexec sh -c "$*"\n')
    rsh.chmod(0o755)
    guard = tain.Guard(percent=None, judge=judge, names="names")
    options = tain.Options(delete=True, rsh=str(rsh), rsync_path=PROGRAM)
    result = tain.sync(f"{source}/", f"h:{target}/", options=options, guard=guard, cwd=tmp_path)
    (plan,) = plans
    assert (plan.deletions, plan.bytes, plan.errors) == (len(extra), 0, 0)
    assert plan.entries == len(before) and plan.source_entries == len(names(source)) + 1
    assert plan.source_bytes == sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
    assert {name.rstrip("/") for name in (tmp_path / "names").read_text().split("\0") if name} == extra
    if answer is None:
        assert result.code == 0 and names(target) == names(source)
    else:
        assert result.code == 25 and result.messages[0] == 'tain: refused by guard "judge": too many'
        assert names(target) == before

"""SCL-29..34: plans and journals: torn and changed lines, locks, what is done stays done."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tain import cluster
from tain.cluster import coordinator, files, journal
from tain.cluster.documents import DocumentError
from tain.cluster.files import PlanFiles
from tain.cluster.journal import Journal, Lock, line_of, read_line
from tain.errors import FileError, UsageError
from tests import sampling
from tests.cluster.test_streams import age, look, tree


class Killed(BaseException):
    """The coordinator is gone."""


def sync(space: Path, **changes: Any) -> cluster.ClusterResult:
    """Run the plan in ``plan``, with deletions."""
    given: dict[str, Any] = {
        "delete": True,
        "guard": False,
        "hard_links": True,
        "verbose": True,
        "shards": 3,
        **changes,
    }
    return cluster.sync("src/", "dst/", plan_dir=space / "plan", engine=cluster.Local(2), cwd=space, **given)


def prepare(space: Path) -> dict[str, str]:
    """Source and destination; returns what the destination must become."""
    tree(space)
    os.link(space / "src/wide/f0", space / "src/deep/z")
    age(space / "src")
    (space / "dst/wide").mkdir(parents=True)
    (space / "dst/wide/extraneous").write_text("x")
    return look(space / "src")


def rows(space: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (space / "plan/journal.jsonl").read_text().splitlines()]


def kill_after(monkeypatch: pytest.MonkeyPatch, lines: int, torn: int = 0) -> None:
    """The coordinator dies when it has written so many lines, and *torn* bytes of the next one."""
    append = Journal.append
    written = 0

    def counted(self: Journal, operation: str, **fields: object) -> None:
        nonlocal written
        if written >= lines:
            if torn:
                os.write(self._fd, line_of({"n": 1, "at": 1.0, "op": "start"})[:torn])
                raise Killed
            raise Killed
        written += 1
        append(self, operation, **fields)

    monkeypatch.setattr(Journal, "append", counted)


def test_every_prefix_of_a_journal_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SCL-29, SCL-34: the coordinator dies at each line; nothing is done twice that was done."""
    whole = tmp_path / "whole"
    whole.mkdir()
    expected = prepare(whole)
    result = sync(whole)
    assert (result.code, result.finished, look(whole / "dst")) == (0, True, expected)
    for lines in range(len(rows(whole))):
        space = tmp_path / str(lines)
        space.mkdir()
        assert prepare(space) == expected
        with monkeypatch.context() as patch:
            kill_after(patch, lines, torn=lines % 9)
            with pytest.raises(Killed):
                sync(space)
        done = {row["shard"] for row in rows_before_tear(space) if row["op"] == "done"}
        result = sync(space)
        assert (result.code, result.finished, look(space / "dst")) == (0, True, expected), lines
        found = rows(space)
        again = max(number for number, row in enumerate(found) if row["op"] == "start")
        assert not done & {row["shard"] for row in found[again:] if row["op"] == "lease"}, lines
        shutil.rmtree(space)


def rows_before_tear(space: Path) -> list[dict[str, Any]]:
    text = (space / "plan/journal.jsonl").read_bytes()
    return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]


def test_a_directory_that_is_cut_anywhere_near_its_end_resumes(tmp_path: Path) -> None:
    """SCL-62: power is lost, and the last lines are not on disk."""
    expected = prepare(tmp_path)
    assert sync(tmp_path).code == 0
    data = (tmp_path / "plan/journal.jsonl").read_bytes()
    lines = data.splitlines(keepends=True)
    shutil.copytree(tmp_path / "plan", tmp_path / "kept")
    step = 1 if sampling.runs_all("FAULT") else 61
    for size in range(len(data) - len(b"".join(lines[-3:])), len(data), step):
        shutil.rmtree(tmp_path / "plan")
        shutil.copytree(tmp_path / "kept", tmp_path / "plan")
        os.truncate(tmp_path / "plan/journal.jsonl", size)
        result = sync(tmp_path)
        assert (result.code, result.finished, look(tmp_path / "dst")) == (0, True, expected), size


@pytest.mark.parametrize("kind", ["byte", "line", "order"])
def test_a_changed_line_stops_everything(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SCL-30: exit code 11, and nothing is deleted."""
    prepare(tmp_path)
    with monkeypatch.context() as patch:
        kill_after(patch, 7)
        with pytest.raises(Killed):
            sync(tmp_path)
    path = tmp_path / "plan/journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    if kind == "byte":
        lines[2] = lines[2].replace(b'"shard":0', b'"shard":1')
    elif kind == "line":
        del lines[2]
    else:
        lines[2], lines[3] = lines[3], lines[2]
    path.write_bytes(b"".join(lines))
    result = sync(tmp_path)
    assert result.code == 11 and b"journal.jsonl, line 3" in result.errors
    assert (tmp_path / "dst/wide/extraneous").exists()


@given(st.binary(max_size=60), st.integers(0, 200), st.integers(1, 255))
def test_no_change_of_a_line_is_accepted(junk: bytes, place: int, change: int) -> None:
    """SCL-30: lines of chance, and any changed byte."""
    with pytest.raises(DocumentError):
        read_line(junk)
    line = line_of({"n": 3, "at": 5.5, "op": "lease", "shard": 1, "attempt": 1, "worker": "w/1", "lease": 0.0})[:-1]
    assert read_line(line)["shard"] == 1
    place %= len(line)
    with pytest.raises(DocumentError):
        read_line(line[:place] + bytes((line[place] ^ change,)) + line[place + 1 :])


def test_another_run_is_refused_and_the_difference_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SCL-31."""
    prepare(tmp_path)
    with monkeypatch.context() as patch:
        kill_after(patch, 5)
        with pytest.raises(Killed):
            sync(tmp_path)
    result = sync(tmp_path, checksum=True)
    assert result.code == 1 and b"the plan of another run: the arguments: " in result.errors
    path = tmp_path / "plan/plan.json"
    path.write_text(path.read_text().replace('"version":"0.', '"version":"9.'))
    result = sync(tmp_path)
    assert result.code == 1 and b"the version of tain" in result.errors
    assert (tmp_path / "dst/wide/extraneous").exists()


def test_rules_in_files_belong_to_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SCL-31: a file of rules that changes between two runs."""
    prepare(tmp_path)
    rules = tmp_path / "rules"
    rules.write_text("wide\n")
    with monkeypatch.context() as patch:
        kill_after(patch, 5)
        with pytest.raises(Killed):
            sync(tmp_path, exclude_from=[str(rules)])
    rules.write_text("deep\n")
    result = sync(tmp_path, exclude_from=[str(rules)])
    assert result.code == 1 and b"the filter rules" in result.errors


def test_a_changed_plan_is_refused(tmp_path: Path) -> None:
    """SCL-31, SCL-73: regions of somebody else."""
    prepare(tmp_path)
    cluster.make_plan("src/", "dst/", plan_dir=tmp_path / "plan", cwd=tmp_path, shards=3, guard=False)
    path = tmp_path / "plan/shards.jsonl"
    path.write_text(path.read_text().replace('"to":null', '"to":"zz"', 1))
    with PlanFiles(os.fsencode(tmp_path / "plan")) as found, pytest.raises(FileError, match="fingerprint"):
        cluster.Plan.read(found)


def test_one_coordinator_at_a_time(tmp_path: Path) -> None:
    """SCL-32: on this machine by its lock, on another one by its silence."""
    prepare(tmp_path)
    with PlanFiles(os.fsencode(tmp_path / "plan"), create=True) as found:
        with Lock(found):
            result = sync(tmp_path)
            assert result.code == 1 and b"another coordinator" in result.errors
        path = tmp_path / "plan/lock"
        path.write_text('{"host":"other","pid":1,"boot":"elsewhere","start":1}\n')
        result = sync(tmp_path)
        assert result.code == 1 and b"another machine" in result.errors
        os.utime(path, (1, 1))
        assert sync(tmp_path).code == 0


def test_a_finished_plan_is_left_alone_by_resume_and_replaced_by_sync(tmp_path: Path) -> None:
    """SCL-33."""
    prepare(tmp_path)
    assert sync(tmp_path).code == 0
    before = (tmp_path / "plan/journal.jsonl").read_bytes()
    with PlanFiles(os.fsencode(tmp_path / "plan")) as found:
        plan = cluster.Plan.read(found)
    outcome = cluster.Coordinator(plan, cluster.Local(1), directory=tmp_path / "plan").run()
    assert (outcome.code, outcome.is_finished) == (0, True)
    assert (tmp_path / "plan/journal.jsonl").read_bytes() == before
    assert sync(tmp_path, checksum=True).code == 0
    assert (tmp_path / "plan/journal.jsonl").read_bytes() != before


def test_a_full_directory_of_the_plan_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SCL-59: exit code 11 before anything depends on what could not be written."""
    write = files.write_all
    for lines in (1, 4, 7):
        space = tmp_path / str(lines)
        space.mkdir()
        expected, written = prepare(space), 0

        def full(fd: int, data: bytes, most: int = lines) -> None:
            nonlocal written
            written += 1
            if written > most:
                os.write(fd, data[:9])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            write(fd, data)

        with monkeypatch.context() as patch:
            patch.setattr(journal, "write_all", full)
            result = sync(space)
        assert (result.code, result.finished) == (11, False)
        assert (space / "dst/wide/extraneous").exists()
        result = sync(space)
        assert (result.code, look(space / "dst")) == (0, expected)


def test_a_late_report_of_another_attempt_does_not_count(tmp_path: Path) -> None:
    """SCL-29: ``done`` counts for the holder of the lease only."""
    state = journal.State()
    base = {"n": 1, "at": 1.0, "worker": "w", "lease": 0.0}
    done = {"n": 1, "op": "done", "shard": 1, "code": 0, "io_error": False, "files": ()}
    state.apply({**base, "op": "lease", "shard": 1, "attempt": 1})
    state.apply({**base, "op": "lease", "shard": 1, "attempt": 2})
    state.apply({**done, "attempt": 1})
    assert not state.done
    state.apply({**done, "attempt": 2})
    assert set(state.done) == {1} and state.retried == 1 and not state.holds(1, 2)
    with PlanFiles(os.fsencode(tmp_path), create=True) as found, pytest.raises(UsageError):
        cluster.Plan.read(found)
    assert coordinator.RETRIED

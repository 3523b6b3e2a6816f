"""SCL-35..66: a plan through each engine, with faults: killed coordinators, lost runs, roots that change."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Collection
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from tain import cluster
from tain.cluster import batch, status
from tain.cluster.engines.futures import Futures
from tain.cluster.engines.local import Local
from tain.cluster.messages import Report, Work
from tain.errors import TainError, UsageError
from tests import programs, sampling
from tests.cluster.test_journal import prepare, rows
from tests.cluster.test_streams import age, ends, look, stable, tree

__all__ = ["ends"]

PROGRAM = programs.PROGRAM or ""


def command(space: Path, *words: str, code: int | None = 0) -> tuple[str, str]:
    """Run ``tain cluster`` with *words*."""
    done = subprocess.run(
        [PROGRAM, "cluster", *words],
        cwd=space, capture_output=True, timeout=120, env=programs.environment(str(space)),
    )  # fmt: skip
    out, err = done.stdout.decode("utf-8", "backslashreplace"), done.stderr.decode("utf-8", "backslashreplace")
    assert code is None or done.returncode == code, (words, out, err)
    return out, err


def sync(space: Path, engine: Any = None, **changes: Any) -> cluster.ClusterResult:
    given: dict[str, Any] = {
        "delete": True, "hard_links": True, "guard": False, "verbose": True, "itemize_changes": True, "stats": True,
        "shards": 4, "plan_dir": space / "plan", **changes,
    }  # fmt: skip
    return cluster.sync("src/", "dst/", engine=engine or Local(2), cwd=space, **given)


# ---- engines


def one_stream(space: Path) -> tuple[list[str], dict[str, str]]:
    prepare(space)
    words = [PROGRAM, "-avi", "-H", "--delete-delay", "--stats", "src/", "dst/"]
    done = subprocess.run(words, cwd=space, capture_output=True, env=programs.environment(str(space)), timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode("utf-8", "backslashreplace").splitlines(), look(space / "dst")


def same_lines(output: bytes, expected: list[str]) -> None:
    """The same lines, in the same order but for names of hard links: these come with their group."""
    found = stable(output.decode("utf-8", "backslashreplace").splitlines())
    expected = stable(expected)
    assert sorted(found) == sorted(expected)
    assert [line for line in found if line[:1] != "h"] == [line for line in expected if line[:1] != "h"]


@pytest.mark.parametrize("how", ["local", "processes", "batch"])
def test_scl_47_each_engine_gives_what_one_stream_gives(how: str, tmp_path: Path) -> None:
    """The tree, the lines in their order, and the figures."""
    (tmp_path / "one").mkdir()
    space = tmp_path / "many"
    space.mkdir()
    lines, expected = one_stream(tmp_path / "one")
    prepare(space)
    if how == "processes":
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            result = sync(space, pool)
    else:
        if how == "batch":
            cluster.make_plan(
                "src/", "dst/", plan_dir=space / "plan", cwd=space, shards=4, guard=False, delete=True,
                hard_links=True, verbose=True, itemize_changes=True, stats=True,
            )  # fmt: skip
            workers = [
                subprocess.Popen([PROGRAM, "cluster", "work", "plan"], cwd=space, stderr=subprocess.DEVNULL)
                for _ in range(2)
            ]
            assert [worker.wait(60) for worker in workers] == [0, 0]
            found = status.of_plan(str(space / "plan"))
            assert (found["claimed"], found["state"]) == (5, "stopped")
        result = sync(space)
    assert (result.code, result.finished, result.errors.count(b"\n")) == (0, True, 1)
    assert look(space / "dst") == expected
    same_lines(result.output, lines)
    if how == "batch":
        done = [row for row in rows(space) if row["op"] == "lease" and 0 < row["shard"] < 5]
        assert len(done) == 4, "no shard was begun again"


def test_scl_48_an_executor_that_breaks_ends_the_run_and_resume_goes_on(tmp_path: Path) -> None:
    expected = prepare(tmp_path)

    class Broken(Futures):
        """Loses all after three runs."""

        count = 0

        def submit(self, work: Work, avoid: Collection[str] = ()) -> Future[Report]:
            self.count += 1
            if self.count > 3:
                raise RuntimeError("the scheduler is gone")
            return super().submit(work, avoid)

    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        result = sync(tmp_path, Broken(pool, 2))
    assert (result.code, result.finished) == (12, False) and b"the scheduler is gone" in result.errors
    assert (tmp_path / "dst/wide/extraneous").exists()
    result = sync(tmp_path)
    assert (result.code, look(tmp_path / "dst")) == (0, expected)


class Losing(Local):
    """Loses the first attempts of chosen runs."""

    def __init__(self, lose: dict[int, int]) -> None:
        super().__init__(2)
        self.lose, self.running, self.most = lose, 0, 0
        self.lock = threading.Lock()

    def submit(self, work: Work, avoid: Collection[str] = ()) -> Future[Report]:
        if self.lose.get(work.shard, 0) > 0:
            self.lose[work.shard] -= 1
            lost: Future[Report] = Future()
            lost.set_exception(ConnectionError("worker died"))
            return lost
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        future = super().submit(work, avoid)
        future.add_done_callback(self.ended)
        return future

    def ended(self, _future: Future[Report]) -> None:
        with self.lock:
            self.running -= 1


def test_scl_53_a_lost_run_is_begun_again(tmp_path: Path) -> None:
    expected = prepare(tmp_path)
    result = sync(tmp_path, Losing({1: 2, 3: 1}))
    assert (result.code, result.retried, look(tmp_path / "dst")) == (0, 3, expected)
    assert b"run 1, attempt 1 on local is lost: ConnectionError: worker died" in result.errors


def test_scl_72_a_report_of_another_run_counts_as_a_loss(tmp_path: Path) -> None:
    """A broken worker cannot make a run look done."""
    expected = prepare(tmp_path)

    class Lying(Local):
        """Answers for another run."""

        def submit(self, work: Work, avoid: Collection[str] = ()) -> Future[Report]:
            return super().submit(work if work.shard != 2 else work.replace(shard=1, attempt=work.attempt + 7), avoid)

    result = sync(tmp_path, Lying(2))
    assert (result.code, result.finished) == (12, False) and b"its report is one of another run" in result.errors
    assert (tmp_path / "dst/wide/extraneous").exists()
    assert status.of_plan(str(tmp_path / "plan"))["failed"] == 1
    result = sync(tmp_path)
    assert (result.code, look(tmp_path / "dst")) == (0, expected)


def test_scl_53_three_losses_of_one_run_delete_nothing(tmp_path: Path) -> None:
    """The others go on; `resume` tries it again."""
    expected = prepare(tmp_path)
    result = sync(tmp_path, Losing({2: 3}))
    assert (result.code, result.finished) == (12, False)
    assert (tmp_path / "dst/wide/extraneous").exists()
    found = status.of_plan(str(tmp_path / "plan"))
    assert (found["done"], found["failed"]) == (4, 1)
    result = sync(tmp_path)
    assert (result.code, look(tmp_path / "dst")) == (0, expected)


def test_scl_35_limits_are_not_exceeded(tmp_path: Path) -> None:
    prepare(tmp_path)
    engine = Losing({})
    limits = cluster.Limits.parse([f"mount:{tmp_path}=1", "total=2", "host:other=1"])
    assert sync(tmp_path, engine, limits=limits).code == 0
    assert engine.most == 1
    for wrong in ("total=0", "mount:x=1", "what=3", "total"):
        with pytest.raises(UsageError):
            cluster.Limits.parse([wrong])


# ---- failures


def test_scl_61_a_root_that_changes_voids_the_run_and_deletes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mount is lost in the middle: an empty directory stands in its place."""
    expected = prepare(tmp_path)
    from tain.cluster import work as works

    run = works._run
    count = 0

    def swapped(*arguments: Any) -> Report:
        nonlocal count
        count += 1
        if count == 3:
            (tmp_path / "src").rename(tmp_path / "away")
            (tmp_path / "src").mkdir()
        return run(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(works, "_run", swapped)
        result = sync(tmp_path, Local(1))
    assert (result.code, result.finished) == (12, False)
    assert b"is another directory" in result.errors and (tmp_path / "dst/wide/extraneous").exists()
    (tmp_path / "src").rmdir()
    (tmp_path / "away").rename(tmp_path / "src")
    age(tmp_path / "src")
    shutil.rmtree(tmp_path / "plan")
    assert (sync(tmp_path).code, look(tmp_path / "dst")) == (0, expected)


def test_scl_60_an_error_in_one_shard_deletes_nothing(tmp_path: Path) -> None:
    programs.need_root()
    prepare(tmp_path)
    (tmp_path / "src/deep/a/b/dead").symlink_to("nowhere")
    result = sync(tmp_path, copy_links=True)
    assert (result.code, result.finished) == (23, True)
    assert (tmp_path / "dst/wide/extraneous").exists()
    assert result.output.count(b"IO error encountered -- skipping file deletion") == 1
    assert status.of_plan(str(tmp_path / "plan"))["io_error"]
    result = sync(tmp_path, copy_links=True, ignore_errors=True)
    assert result.code == 23 and not (tmp_path / "dst/wide/extraneous").exists()


def test_a_guard_judges_the_deletions_of_a_plan_once(tmp_path: Path) -> None:
    prepare(tmp_path)
    for number in range(300):
        (tmp_path / f"dst/wide/gone{number}").write_text("")
    result = sync(tmp_path, guard=True)
    assert result.code == 25, result
    assert len(list((tmp_path / "dst/wide").glob("gone*"))) == 300
    assert sync(tmp_path, guard=False, plan_dir=tmp_path / "other").code == 0
    assert not list((tmp_path / "dst/wide").glob("gone*"))


KINDS: dict[str, list[str]] = {
    "plain": [],
    "backup": ["--backup", "--backup-dir=../old"],
    "inplace": ["--inplace"],
    "partial": ["--partial"],
    "links": ["-H"],
}


def killed_runs(space: Path, kind: str, chance: random.Random) -> int:
    """Kill the coordinator at lines of its journal until a run ends; returns the number of kills."""
    words = ["-a", "--delete", *KINDS[kind], "--jobs=2", "--jobs-dir=plan", "src/", "dst/"]
    kills = 0
    while True:
        run = subprocess.Popen([PROGRAM, *words], cwd=space, env=programs.environment(str(space)), stderr=-3)
        if kills < 6:
            path = space / "plan/journal.jsonl"
            size = path.stat().st_size if path.exists() else 0
            due = size + chance.randrange(1, 6000)
            while run.poll() is None and not (path.exists() and path.stat().st_size >= due):
                time.sleep(0.001)
            if run.poll() is None:
                run.send_signal(signal.SIGKILL)
                kills += 1
        code = run.wait(60)
        if code != -signal.SIGKILL:
            assert code == 0, (kind, code)
            return kills
        for path in (space / "dst").rglob("f*"):
            if path.is_file() and kind not in ("inplace",):
                old, new = f"old {path.name}", space / "src" / path.relative_to(space / "dst")
                assert path.read_text() in (old, new.read_text()), "a torn file has a live name"


@pytest.mark.parametrize("kind", KINDS)
def test_scl_55_killed_coordinators(kind: str, tmp_path: Path) -> None:
    """SCL-55..58: no torn name, nothing deleted that the source has, each old version in its backup once."""
    rounds = 40 if sampling.runs_all("FAULT") else 1
    for number in range(rounds):
        space = tmp_path / str(number)
        space.mkdir()
        expected = prepare(space)
        old = []
        for path in sorted((space / "src/deep").rglob("f*")):
            target = space / "dst" / path.relative_to(space / "src")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(f"old {path.name}")
            os.utime(target, (0, 5))
            old.append(path.relative_to(space / "src"))
        killed_runs(space, kind, random.Random(f"{kind} {number}"))
        if kind != "links":
            (space / "src/deep/z").unlink()
            (space / "dst/deep/z").unlink()
            for top in ("src", "dst"):
                os.utime(space / top / "deep", (0, 2_000_000))
            expected = look(space / "src")
        assert look(space / "dst") == expected
        if kind == "backup":
            assert [(space / "old" / name).read_text() for name in old] == [f"old {name.name}" for name in old]
            assert (space / "old/wide/extraneous").read_text() == "x"
        shutil.rmtree(space)


def test_scl_57_an_exclusive_run_waits_for_the_attempt_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Class B: two attempts of one run never overlap, whoever believes that the first is dead."""
    from tain.cluster import work as works
    from tain.cluster.files import PlanFiles
    from tests.cluster.test_work import work

    prepare(tmp_path)
    monkeypatch.setattr(works, "_PATIENCE", 0.1)
    second = work(tmp_path, "-a", attempt=2, exclusive=True)
    with PlanFiles(second.directory) as files, files.create_lines("out/1.1"):
        report = works.perform(second)
    assert report.code == 12 and "attempt 1 of run 1 has not ended" in report.void
    assert works.perform(second.replace(attempt=3)).code == 0


# ---- batch mode


def test_a_claim_belongs_to_one_worker_until_it_is_silent(tmp_path: Path) -> None:
    from tain.cluster.claims import Claims
    from tain.cluster.files import PlanFiles

    with PlanFiles(os.fsencode(tmp_path / "plan"), create=True) as files:
        claims = Claims(files)
        assert claims.take(1, 1) and not claims.take(1, 1)
        assert Claims(files).is_held(1)
        os.utime(tmp_path / "plan/claims/1.1", (1, 1))
        assert not Claims(files).is_held(1)
        (tmp_path / "plan/claims/1.1.done").write_text("junk")
        assert Claims(files).report(1, 1, "p") is None


def test_a_worker_that_died_in_batch_mode_is_replaced(tmp_path: Path) -> None:
    """Its claim is free after its silence; what it had not reported is done again."""
    expected = prepare(tmp_path)
    cluster.make_plan("src/", "dst/", plan_dir=tmp_path / "plan", cwd=tmp_path, shards=3, guard=False, hard_links=True)
    (tmp_path / "plan/claims/0.1").write_text("{}")
    os.utime(tmp_path / "plan/claims/0.1", (1, 1))
    assert batch.work([str(tmp_path / "plan")]) == 0
    assert (tmp_path / "plan/claims/0.2.done").exists()
    command(tmp_path, "resume", "plan")
    (tmp_path / "dst/wide/extraneous").unlink()
    os.utime(tmp_path / "dst/wide", (0, 2_000_000))
    assert look(tmp_path / "dst") == expected


# ---- commands


def test_the_commands_of_a_plan(tmp_path: Path) -> None:
    """SCL-1..5: plan, status, sync, log, verify, resume, cancel."""
    prepare(tmp_path)
    words = ["-aivH", "--delete", "--plan-dir=plan", "--shards=3", "src/", "dst/"]
    out, _ = command(tmp_path, "plan", *words)
    assert "7 runs" in out and not (tmp_path / "dst/deep").exists()
    assert "new: 0 of 7 runs" in command(tmp_path, "status", "plan")[0]
    assert "nobody works" in command(tmp_path, "cancel", "plan", code=1)[1]
    out, err = command(tmp_path, "sync", "--local=2", "--limit", "total=2", *words)
    assert "total size is" in out and "cd+++" not in out and "7 runs" in err
    found = json.loads(command(tmp_path, "status", "--json", "plan")[0])
    assert (found["state"], found["done"], found["deleted"]) == ("finished", 7, 1)
    ordered, _ = command(tmp_path, "log", "--order", "plan")
    assert ordered.startswith("sending incremental file list\n.d..t...... ./\n>f+++++++++ f14~\n")
    assert ordered.endswith("*deleting   wide/extraneous\n")
    assert sorted(command(tmp_path, "log", "plan")[0].splitlines()) == sorted(ordered.splitlines())
    before = (tmp_path / "plan/journal.jsonl").read_bytes()
    command(tmp_path, "resume", "plan")
    assert (tmp_path / "plan/journal.jsonl").read_bytes() == before
    assert command(tmp_path, "verify", "plan") == ("", "")
    file = next((tmp_path / "dst/wide").glob("f5*"))
    status_before = file.stat()
    file.write_bytes(file.read_bytes()[::-1])
    os.utime(file, ns=(status_before.st_atime_ns, status_before.st_mtime_ns))
    assert ">fc" in command(tmp_path, "verify", "plan", code=23)[0]
    assert command(tmp_path, "verify", "--sample=100%", "plan", code=23)[0]


def test_the_command_can_be_cancelled_and_resumed(tmp_path: Path) -> None:
    """SCL-33: exit code 20; `resume` ends it."""
    prepare(tmp_path)
    (tmp_path / "src/wide/big").write_bytes(os.urandom(4 << 20))
    age(tmp_path / "src")
    words = ["sync", "-aH", "--delete", "--plan-dir=plan", "--local=2", "--bwlimit=64", "src/", "dst/"]
    run = subprocess.Popen([PROGRAM, "cluster", *words], cwd=tmp_path, stderr=subprocess.PIPE)
    wait_for_line(tmp_path, b'"op":"lease","shard":1')
    command(tmp_path, "cancel", "plan")
    _, err = run.communicate(timeout=60)
    assert run.returncode == 20 and b"tain cluster resume" in err, err
    assert (tmp_path / "dst/wide/extraneous").exists()
    plan = tmp_path / "plan/plan.json"
    assert "bwlimit" in plan.read_text()
    assert status.of_plan(str(tmp_path / "plan"))["state"] == "stopped"


def test_pairs_are_plans_of_their_own(tmp_path: Path) -> None:
    """SCL-42: each its own result; the exit code is the worst."""
    prepare(tmp_path)
    (tmp_path / "pairs").write_text("# source, destination, label\nsrc/wide/\tone/\twide\nsrc/none/\ttwo/\tmissing\n")
    command(tmp_path, "sync", "-a", "--plan-dir=plans", "--pairs=pairs", code=23)
    assert sorted(look(tmp_path / "one")) == sorted(look(tmp_path / "src/wide"))
    out, _ = command(tmp_path, "status", "plans")
    assert [line.partition(":")[0] for line in out.splitlines()] == ["missing", "wide"]
    (tmp_path / "pairs").write_text("a\tb\n")
    assert "line 1" in command(tmp_path, "sync", "--plan-dir=x", "--pairs=pairs", code=1)[1]
    (tmp_path / "pairs").write_text("a\tb\tc\na\tb\tc\n")
    assert "twice" in command(tmp_path, "sync", "--plan-dir=x", "--pairs=pairs", code=1)[1]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["sync", "-a", "src/", "dst/"], "--plan-dir=DIR is needed"),
        (["sync", "-a", "--plan-dir=src/plan", "src/", "dst/"], "inside of the source or the destination"),
        (["sync", "-a", "--plan-dir=dst/plan", "src/", "dst/"], "inside of the source or the destination"),
        (["sync", "-a", "--plan-dir=plan", "src/"], "--list-only"),
        (["sync", "-a", "--json", "--plan-dir=plan", "src/", "dst/"], "cannot be used with --json"),
        (["sync", "-a", "--log-file=l", "--plan-dir=plan", "src/", "dst/"], "cannot be used with --log-file"),
        (["sync", "-a", "--jobs=3", "--plan-dir=plan", "src/", "dst/"], "for other commands"),
        (["sync", "-a", "--limit=x", "--plan-dir=plan", "src/", "dst/"], "--limit"),
        (["sync", "-a", "--local=0", "--plan-dir=plan", "src/", "dst/"], "--local=0"),
        (["sync", "-a", "--plan-dir=plan", "rsync://me:secret@localhost/m/", "dst/"], "password in a URL"),
        (["resume", "plan"], "plan"),
        (["status", "plan"], "has no plan"),
        (["resume", "--what", "plan"], "--what is not understood"),
        (["verify", "--sample=0", "plan"], "--sample=0"),
    ],
)
def test_scl_28_refusals(words: list[str], text: str, tmp_path: Path) -> None:
    prepare(tmp_path)
    assert text in command(tmp_path, *words, code=1)[1]
    assert not (tmp_path / "dst/deep").exists() and not (tmp_path / "plan/plan.json").exists()


def test_scl_75_no_secret_in_a_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(tmp_path)
    monkeypatch.setenv("RSYNC_PASSWORD", "hidden-word")
    result = sync(tmp_path)
    assert result.code == 1 and b"RSYNC_PASSWORD" in result.errors
    assert not any(b"hidden-word" in path.read_bytes() for path in (tmp_path / "plan").rglob("*") if path.is_file())


def test_scl_76_a_directory_of_others_is_refused(tmp_path: Path) -> None:
    programs.need_root()
    prepare(tmp_path)
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan").chmod(0o777)
    result = sync(tmp_path)
    assert result.code == 1 and b"can be written by others" in result.errors


def test_a_word_cluster_is_a_path_before_other_words(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    done = subprocess.run([PROGRAM, "cluster", "there/"], cwd=tmp_path, capture_output=True)
    assert b"skipping directory cluster" in done.stdout and done.returncode == 0
    done = subprocess.run([PROGRAM, "./cluster", "sync"], cwd=tmp_path, capture_output=True)
    assert b"skipping directory cluster" in done.stdout and b"plan" not in done.stderr
    assert "resume" in command(tmp_path, "--help")[0]


def test_jobs_dir_prints_what_one_stream_prints(tmp_path: Path) -> None:
    """--jobs-dir: the ordinary run by a plan, with its lines in the order of the list."""
    (tmp_path / "one").mkdir()
    (tmp_path / "many").mkdir()
    lines, expected = one_stream(tmp_path / "one")
    prepare(tmp_path / "many")
    words = ["-avi", "-H", "--delete-delay", "--stats", "--jobs", "3", "--jobs-dir", "plan", "src/", "dst/"]
    done = subprocess.run([PROGRAM, *words], cwd=tmp_path / "many", capture_output=True)
    same_lines(done.stdout, lines)
    assert look(tmp_path / "many/dst") == expected


def test_a_plan_that_cannot_be_divided_is_one_run(tmp_path: Path) -> None:
    expected = prepare(tmp_path)
    result = sync(tmp_path, max_delete=5)
    assert (result.code, result.shards, look(tmp_path / "dst")) == (0, 1, expected)
    assert b"one stream: --max-delete" in result.errors
    with pytest.raises(TainError):
        cluster.make_plan("src/", "src/x", plan_dir=tmp_path / "src/plan", cwd=tmp_path)


def test_scl_47_plans_of_remote_transfers(tmp_path: Path, ends: tuple[list[str], str, str]) -> None:
    """Push and pull, by a shell and to a daemon, with rsync at the other end."""
    more, source, target = ends
    # A daemon changes links.
    (tree(tmp_path) / "deep/link").unlink()
    age(tmp_path / "src")
    (tmp_path / "dst/wide").mkdir(parents=True)
    (tmp_path / "dst/wide/extraneous").write_text("x")
    words = ["-ai", "--delete", "--plan-dir=plan", "--local=2", "--shards=3", *more, source, target]
    command(tmp_path, "sync", *words)
    assert look(tmp_path / "dst") == look(tmp_path / "src")
    found = status.of_plan(str(tmp_path / "plan"))
    assert (found["state"], found["one_stream"], found["deleted"]) == ("finished", "", 1)
    assert command(tmp_path, "log", "--order", "plan")[0].endswith("*deleting   wide/extraneous\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_command_and_resume_goes_on(number: int, tmp_path: Path) -> None:
    prepare(tmp_path)
    (tmp_path / "src/wide/big").write_bytes(os.urandom(4 << 20))
    words = ["sync", "-aH", "--delete", "--plan-dir=plan", "--local=2", "--bwlimit=64", "src/", "dst/"]
    run = subprocess.Popen([PROGRAM, "cluster", *words], cwd=tmp_path, stderr=subprocess.PIPE)
    wait_for_line(tmp_path, b'"op":"lease","shard":1')
    run.send_signal(number)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 20 and b"tain cluster resume" in err, err
    found = status.of_plan(str(tmp_path / "plan"))
    assert (found["state"], found["code"]) == ("stopped", None)
    assert (tmp_path / "dst/wide/extraneous").exists()


def wait_for_line(space: Path, text: bytes) -> None:
    """Wait until the journal has a line with this text."""
    path = space / "plan/journal.jsonl"
    end = time.monotonic() + 60
    while not (path.exists() and text in path.read_bytes()):
        assert time.monotonic() < end
        time.sleep(0.02)

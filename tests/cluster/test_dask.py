"""SCL-47..52: the engine on a Dask cluster of processes, with TLS."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

import tain.cluster
from tain.cluster.engines import Engine, dask_worker
from tain.cluster.engines.dask import Dask, LostWorkerError
from tain.cluster.messages import Report, Work
from tain.cluster.roots import identify
from tain.cluster.work import perform
from tests.cluster.servers import LIMIT, Site, site, wait_for
from tests.cluster.test_starters import security
from tests.cluster.test_work import tree
from tests.cluster.test_work import work as plain_work

#: A worker begins no attempt twice, so each work is one of another plan.
_PLANS = itertools.count()


def work(space: Path, *words: str, **changes: Any) -> Work:
    return plain_work(space, *words, **{"plan": f"p-{os.getpid()}-{next(_PLANS)}", **changes})


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("cluster")) as found:
        found.start_worker("--name=one")
        found.start_worker("--name=two")
        yield found


class Watched:
    """An engine, with what it has reported."""

    def __init__(self, cluster: Site, **more: Any) -> None:
        self.workers: list[tuple[str, str, str]] = []
        self.lost: list[Work] = []
        self.engine = Dask(
            cluster.address, security=security(cluster.tls, "client"),
            on_worker=lambda *words: self.workers.append(words), **more,
        )  # fmt: skip
        self.engine.lost = self.lost.append

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_error: object) -> None:
        self.engine.close()

    def wait_for_slots(self, number: int) -> dict[str, int]:
        wait_for(lambda: sum(self.engine.slots().values()) == number, f"{number} free slots")
        return dict(self.engine.slots())

    def wait_for_start(self, task: Work) -> None:
        wait_for(lambda: list(Path(os.fsdecode(task.cwd)).glob("dst/.[a-z]*.*")), "a temporary file")

    def tasks_of_dask(self) -> list[str]:
        """The tasks that the scheduler knows."""
        found: list[str] = self.engine._client.run_on_scheduler(_tasks)
        return found


def _tasks(dask_scheduler: Any = None) -> list[str]:
    return sorted(map(str, dask_scheduler.tasks))


def slow(space: Path, **changes: Any) -> Work:
    """A work that takes minutes."""
    (space / "src").mkdir(parents=True)
    (space / "src/large").write_bytes(os.urandom(1 << 20) * 8)
    return work(space, "-a", **{"bwlimit": 64, **changes})


def pids(slots: dict[str, int]) -> list[int]:
    return [int(name.rpartition("/")[2]) for name in slots]


def error_of(future: Future[Report]) -> BaseException | None:
    return future.exception(LIMIT)


def test_a_work_has_the_report_that_it_has_here(cluster: Site, tmp_path: Path) -> None:
    """SCL-47: the same results as in this process; SCL-52: a result is released at once."""
    for name in ("here", "there"):
        tree(tmp_path / name)
    here = perform(work(tmp_path / "here", "-ai"))
    with Watched(cluster) as watched:
        slots = watched.wait_for_slots(2)
        sent = work(tmp_path / "there", "-ai", roots=(identify(os.fsencode(tmp_path / "there/src")),))
        there = watched.engine.submit(sent).result(LIMIT)
        assert there.worker in slots
        same = {"plan": "p", "worker": "", "seconds": 0.0, "stats": {}}
        assert there.replace(**same) == here.replace(**same)
        assert there.stats["created"] == here.stats["created"]
        assert (tmp_path / "there/dst/a/z").read_text() == "a/z"
        wait_for(lambda: not watched.tasks_of_dask(), "the task is forgotten")
        # Another worker, if one is to be avoided; the only one, if there is none.
        for number, name in enumerate(slots, 2):
            tree(tmp_path / name)
            again = work(tmp_path / name, "-a", attempt=number)
            assert watched.engine.submit(again, avoid=[name]).result(LIMIT).worker != name
        assert {op for op, _, _ in watched.workers} == {"joined"}


def test_verbs_and_figures(cluster: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, other = slow(tmp_path / "1"), slow(tmp_path / "2", lease=LIMIT)
    with Watched(cluster) as watched:
        watched.wait_for_slots(2)
        futures = [watched.engine.submit(each) for each in (task, other)]
        watched.wait_for_start(task)
        watched.wait_for_start(other)
        assert set(watched.engine.slots().values()) == {0}
        wait_for(lambda: {task.key, other.key} <= set(watched.engine.figures()), "figures")
        assert watched.engine.figures()[task.key]["listed_bytes"] >= 8 << 20
        assert watched.engine.send(task, "cancel")
        assert futures[0].result(LIMIT).code == 20
        assert watched.engine.send(other, "bwlimit=0")
        assert futures[1].result(LIMIT).code == 0
        assert (tmp_path / "2/dst/large").stat().st_size == 8 << 20
        assert not watched.engine.send(other, "cancel")


def test_a_worker_that_dies_is_reported_and_its_work_is_not_begun_by_dask(cluster: Site, tmp_path: Path) -> None:
    """SCL-51: what was lost begins again when the coordinator says so, and nowhere before."""
    task = slow(tmp_path, exclusive=True)
    with Watched(cluster) as watched:
        slots = watched.wait_for_slots(2)
        future = watched.engine.submit(task)
        watched.wait_for_start(task)
        (busy,) = (name for name, free in watched.engine.slots().items() if not free)
        os.kill(int(busy.rpartition("/")[2]), signal.SIGKILL)
        error = error_of(future)
        assert isinstance(error, LostWorkerError)
        assert error.worker == busy
        wait_for(lambda: watched.lost == [task], "the attempt is known to have ended")
        assert watched.engine.lost_workers == 1
        wait_for(lambda: not watched.tasks_of_dask(), "the task is forgotten")
        # Dask's supervisor starts a process in its place.
        now = watched.wait_for_slots(2)
        assert busy not in now
        assert len(set(now) & set(slots)) == 1
        report = watched.engine.submit(task.replace(attempt=2, bwlimit=0), avoid=[busy]).result(LIMIT)
        assert (report.code, report.attempt) == (0, 2)
        assert [op for op, _, _ in watched.workers if op != "joined"] == ["lost"]
    assert (tmp_path / "dst/large").stat().st_size == 8 << 20


def test_an_attempt_begins_once(cluster: Site, tmp_path: Path) -> None:
    """Dask itself begins a task again for many reasons."""
    tree(tmp_path)
    task = work(tmp_path, "-a")
    with Watched(cluster) as watched:
        watched.wait_for_slots(2)
        worker = next(iter(watched.engine._workers.values()))
        submit = watched.engine._client.submit
        for token, fine in (("another", False), (worker.token, True), (worker.token, False)):
            run = submit(dask_worker.run_task, token, task.to_bytes(), workers=[worker.address], pure=False)
            if fine:
                assert Report.parse(run.result(timeout=LIMIT)).code == 0
            else:
                with pytest.raises(RuntimeError, match="is not begun again by Dask"):
                    run.result(timeout=LIMIT)


def test_workers_that_join_late_and_those_that_may_not(cluster: Site, tmp_path: Path) -> None:
    """SCL-48, SCL-49, SCL-50: another version, another root, a worker that comes while a work waits."""
    tree(tmp_path)
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text("import tain.release\ntain.release.VERSION = '0.0.1'\n")
    with site(tmp_path / "other") as late:
        old = late.start_worker("--name=old", PYTHONPATH=str(tmp_path / "site"))
        assert old.line
        root = identify(os.fsencode(tmp_path / "src"))
        task = work(tmp_path, "-a")
        with Watched(late, roots=[root], directory=task.directory) as watched:
            wait_for(lambda: watched.workers, "the old one is refused")
            ((op, _, reason),) = watched.workers
            assert op == "refused"
            assert "tain 0.0.1 is installed, and the plan is one of" in reason
            future = watched.engine.submit(task)
            assert set(watched.engine.slots().values()) <= {0}
            late.start_worker("--name=late", "--streams=3")
            assert future.result(LIMIT).code == 0
            assert sum(watched.wait_for_slots(3).values()) == 3
            # The same workers, for a plan with another root.
            watched.engine.expect([root.replace(inode=root.inode + 1)], task.directory)
            wait_for(lambda: len(watched.engine.refused) == 2, "both are refused")
            assert watched.engine.slots() == {}
            assert any("is another directory: inode" in text for text in watched.engine.refused.values())
            watched.engine.expect([root], os.fsencode(tmp_path / "none"))
            wait_for(lambda: any("cannot be written" in text for text in watched.engine.refused.values()), "no DIR")
            watched.engine.expect([root], task.directory)
            watched.wait_for_slots(3)
            # One that ends in an orderly way.
            late.servers[-1].stop()
            watched.wait_for_slots(0)
            assert watched.engine.slots() == {}
            assert watched.engine.lost_workers == 0


def test_a_scheduler_that_dies(tmp_path: Path) -> None:
    """The coordinator gets an error for each running work; the workers end by themselves."""
    task = slow(tmp_path)
    with site(tmp_path / "site") as cluster:
        worker = cluster.start_worker()
        with Watched(cluster) as watched:
            watched.wait_for_slots(1)
            future = watched.engine.submit(task)
            watched.wait_for_start(task)
            cluster.scheduler.process.kill()
            assert isinstance(error_of(future), LostWorkerError)
            wait_for(lambda: watched.engine.broken, "the scheduler is given up")
            assert isinstance(error_of(watched.engine.submit(task.replace(attempt=2))), LostWorkerError)
            wait_for(lambda: worker.process.poll() is not None, "the worker ends")


def test_the_end_of_an_engine_cancels_what_runs(cluster: Site, tmp_path: Path) -> None:
    task = slow(tmp_path)
    with Watched(cluster) as watched:
        watched.wait_for_slots(2)
        future = watched.engine.submit(task)
        watched.wait_for_start(task)
    assert future.result(LIMIT).code == 20
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("dask _", "hello "))]


def test_the_api_on_a_cluster(cluster: Site, tmp_path: Path) -> None:
    tree(tmp_path)
    engine: Engine = tain.cluster.Dask(cluster.address, security=security(cluster.tls, "client"))
    source, target = tmp_path / "src", tmp_path / "dst"
    result = tain.cluster.sync(f"{source}/", target, engine=engine, plan_dir=tmp_path / "plan", archive=True)
    assert (result.code, result.finished, result.lost_workers) == (0, True, 0)
    assert (target / "a/z").read_text() == "a/z"


def test_whether_a_process_has_ended() -> None:
    here = dask_worker.process_here()
    assert not dask_worker.has_ended(here)
    assert dask_worker.has_ended({**here, "start": here["start"] + 1})
    assert dask_worker.has_ended({**here, "pid": 1 << 30})
    for name in ("boot", "space"):
        # On another machine nothing is known.
        assert not dask_worker.has_ended({**here, "pid": 1 << 30, name: "another"})
        assert not dask_worker.has_ended({**here, "pid": 1 << 30, name: ""})

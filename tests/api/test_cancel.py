"""API-4: a transfer that is cancelled at any moment ends with code 20 (or had ended), leaves no temporary file and no
thread, and does not hold up the event loop. Callbacks that are coroutines. C4: a fork, many at once (API-5)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import tain
from tain import events
from tests.interop.ends import shell
from tests.programs import PEER, ROOT

#: Moments of each way: 200 in all.
MOMENTS = 50
#: Seconds within which the moments lie; a transfer of `source` takes about as long.
SPAN = 0.06


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cancel") / "src"
    for number in range(40):
        (root / f"d{number}").mkdir(parents=True)
        for name in range(10):
            (root / f"d{number}/{name}").write_bytes(b"x" * 5000)
    # A copy that is made in the same second as its source would have its time by chance.
    for path in (root, *root.iterdir()):
        os.utime(path, (10**9, 10**9))
    return root


@pytest.fixture
def no_thread_stays() -> Iterator[None]:
    """The threads of the process, those of the core among them, are the same afterwards."""
    before = set(os.listdir("/proc/self/task"))
    python = threading.active_count()
    yield
    end = time.monotonic() + 30
    # A thread that has ended may be listed for a moment. The pool of asyncio is the program's.
    while set(os.listdir("/proc/self/task")) - before and time.monotonic() < end:
        time.sleep(0.01)
    assert set(os.listdir("/proc/self/task")) - before == set()
    assert threading.active_count() <= python


def temporary(root: Path) -> list[str]:
    return [name for _, _, names in os.walk(root) for name in names if name.startswith(".")]


def ways(tmp_path: Path) -> list[dict[str, str]]:
    """Keywords of a local copy and of copies to a server, which is either program."""
    return [{}, {"rsh": str(shell(tmp_path)), "rsync_path": PEER}]


def places(source: Path, target: Path, way: dict[str, str]) -> tuple[str, str]:
    return f"{source}/", f"far:{target}/" if way else f"{target}/"


def test_from_another_thread(source: Path, tmp_path: Path, no_thread_stays: None) -> None:
    """API-4: threads."""
    moments = random.Random(1)
    codes = []
    for number in range(MOMENTS):
        way = ways(tmp_path)[number % 2]
        target = tmp_path / f"dst{number}"
        transfer = tain.Transfer(*places(source, target, way), **way)  # type: ignore[arg-type]
        timer = threading.Timer(moments.uniform(0, SPAN * (1 + 2 * bool(way))), transfer.cancel)
        timer.start()
        result = transfer.run()
        timer.join()
        codes.append(result.code)
        assert result.code in (0, 20), result.errors
        assert transfer.result is result
        if result.code:
            with pytest.raises(tain.Interrupted):
                result.check()
        assert temporary(target) == []
    assert 20 in codes


def test_by_an_event(source: Path, tmp_path: Path, no_thread_stays: None) -> None:
    """API-4: the moments are events, so that each part of a transfer is met on a machine of any speed."""
    moments = random.Random(2)
    for number in range(MOMENTS):
        way = ways(tmp_path)[number % 2]
        target = tmp_path / f"dst{number}"
        last = moments.randrange(60 if way else 300)
        seen = 0
        with tain.Transfer(*places(source, target, way), events="items", **way) as transfer:  # type: ignore[arg-type]
            for event in transfer:
                assert not isinstance(event, (events.Message, events.Skipped))
                seen += 1
                if seen > last:
                    break
        assert transfer.result is not None and transfer.result.code in (0, 20)
        assert temporary(target) == []


def test_in_a_loop(source: Path, tmp_path: Path, no_thread_stays: None) -> None:
    """API-4: tasks are cancelled, and the loop turns while their transfers end."""
    moments = random.Random(3)
    turns = cancelled = 0

    async def one(number: int) -> None:
        nonlocal turns, cancelled
        way = ways(tmp_path)[number % 2]
        target = tmp_path / f"dst{number}"
        transfer = tain.Transfer(*places(source, target, way), bwlimit=2000, **way)  # type: ignore[arg-type]
        task = asyncio.create_task(transfer.run_async())
        await asyncio.sleep(moments.uniform(0, SPAN))
        task.cancel()
        while not task.done():
            # Counted, not measured: a machine with much to do turns slowly, but it turns.
            turns += 1
            await asyncio.sleep(0.001)
        with contextlib.suppress(asyncio.CancelledError):
            await task
        cancelled += task.cancelled()
        assert transfer.result is not None and transfer.result.code in (0, 20)
        assert temporary(target) == []

    async def main() -> None:
        for number in range(MOMENTS):
            await one(number)

    asyncio.run(main())
    assert cancelled > MOMENTS / 2
    assert turns > 2 * cancelled


BREAKS = """
import json, os, random, signal, sys, threading, time
import tain
source, place, peer, shell, number = *sys.argv[1:5], int(sys.argv[5])
# A shell's job in the background ignores the signal.
signal.signal(signal.SIGINT, signal.default_int_handler)
moments = random.Random(4)
codes = []
tain.sync(source, place + "/first").check()
before = len(os.listdir("/proc/self/task"))
for index in range(number):
    keywords = {"rsh": shell, "rsync_path": peer} if index % 2 else {}
    if index % 5 == 0:
        # On the fastest machine some last longer than the wait.
        keywords["bwlimit"] = 200
    target = f"{place}/dst{index}/"
    transfer = tain.Transfer(source, "far:" + target if index % 2 else target, **keywords)
    timer = threading.Timer(moments.uniform(0, 0.1), os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        transfer.run()
        timer.join()
        # The signal comes to this thread at its next instruction.
        time.sleep(0.01)
    except KeyboardInterrupt:
        pass
    timer.join()
    codes.append(None if transfer.result is None else transfer.result.code)
deadline = time.monotonic() + 30
while len(os.listdir("/proc/self/task")) > before and time.monotonic() < deadline:
    time.sleep(0.01)
print(json.dumps({"codes": codes, "threads": len(os.listdir("/proc/self/task")) - before}))
"""


def test_by_ctrl_c(source: Path, tmp_path: Path) -> None:
    """API-4: Ctrl-C raises KeyboardInterrupt in `run`, after the transfer has stopped."""
    done = subprocess.run(
        [sys.executable, "-c", BREAKS, f"{source}/", tmp_path, PEER, shell(tmp_path), str(MOMENTS)],
        env=dict(os.environ, PYTHONPATH=str(ROOT / "src")), capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    # None: the signal came before the transfer began.
    assert set(found["codes"]) <= {0, 20, None} and 20 in found["codes"]
    assert found["threads"] <= 0
    for number in range(MOMENTS):
        assert temporary(tmp_path / f"dst{number}") == []


def test_a_result_after_an_exception(source: Path, tmp_path: Path) -> None:
    def fail(_progress: object) -> None:
        raise RuntimeError("enough")

    transfer = tain.Transfer(f"{source}/", tmp_path / "dst", verbose=1, on_output=lambda *_: fail(None))
    with pytest.raises(RuntimeError, match="enough"):
        transfer.run()
    assert transfer.result is not None and transfer.result.code == 20


# ---------------------------------------------------------------------------------------------- coroutines


def test_coroutine_functions_as_callbacks(source: Path, tmp_path: Path) -> None:
    """C4: they are awaited in the loop, and the transfer waits for them."""
    seen: list[str] = []

    async def main() -> None:
        home = threading.get_ident()

        async def take(event: tain.events.Event) -> None:
            assert threading.get_ident() == home
            await asyncio.sleep(0)
            seen.append(type(event).__name__)

        async def items(items: object) -> None:
            assert threading.get_ident() == home

        (await tain.sync_async(source, tmp_path / "a", events="items", on_event=take, on_items=items)).check()
        first = seen.copy()
        seen.clear()
        async for _ in tain.Transfer(source, tmp_path / "b", events="items", on_event=take):
            pass
        assert [name for name in seen if name != "Progress"] == [name for name in first if name != "Progress"]

    asyncio.run(main())
    assert seen[0] == "Start" and seen[-1] == "End" and "Item" in seen


def test_a_coroutine_function_without_a_loop(source: Path, tmp_path: Path) -> None:
    async def take(_event: object) -> None: ...

    with pytest.raises(tain.UsageError, match="needs sync_async"):
        tain.sync(source, tmp_path / "dst", on_event=take)


def test_a_coroutine_that_fails_stops_the_transfer(source: Path, tmp_path: Path) -> None:
    async def take(_event: object) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        asyncio.run(tain.sync_async(source, tmp_path / "dst", on_event=take))


# ---------------------------------------------------------------------------------------------- many, forks


def test_eight_at_once(source: Path, tmp_path: Path) -> None:
    """API-5: eight transfers at once equal eight in turn: trees, items, statistics, problems."""

    def one(place: Path, number: int) -> tuple[object, ...]:
        target = place / f"{number}/dst"
        way = ways(tmp_path)[number % 2]
        start, end = places(source, target, way)
        result = tain.sync(
            [start, f"/nothing{number}"], end, items=True, mkpath=True, exclude=f"{number}", **way  # type: ignore[arg-type]
        )  # fmt: skip
        tree = {
            str(path.relative_to(target)): (path.stat().st_mode, path.stat().st_mtime_ns)
            for path in sorted(target.rglob("*"))
        }
        assert result.statistics is not None and result.items is not None
        times = dict.fromkeys(("seconds", "flist_build_seconds", "flist_transfer_seconds"), 0.0)
        figures = result.statistics.replace(sent=0, received=0, flist_size=0, **times)
        return result.code, tree, [(item.itemized, item.name) for item in result.items], figures, result.problems

    shell(tmp_path)
    (tmp_path / "turn").mkdir()
    (tmp_path / "once").mkdir()
    in_turn = [one(tmp_path / "turn", number) for number in range(8)]
    at_once: dict[int, tuple[object, ...]] = {}
    threads = [
        threading.Thread(target=lambda n=number: at_once.__setitem__(n, one(tmp_path / "once", n)))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(8):
        assert at_once[number] == in_turn[number]


def test_a_fork_has_no_transfer(source: Path, tmp_path: Path) -> None:
    """C4: in the child of a fork everything of a running transfer is inert; the parent's goes on."""
    codes: list[int] = []
    transfer: tain.Transfer

    def fork(_progress: object) -> None:
        if codes:
            return
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                transfer.cancel()
                transfer.__exit__(None, None, None)
                code = 0 if transfer.progress is None or transfer.progress.phase else 2
            finally:
                os._exit(code)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    transfer = tain.Transfer(f"{source}/", f"{tmp_path}/dst/", verbose=1, on_output=lambda *_: fork(None))
    assert transfer.run().ok and codes == [0]
    assert len([*(tmp_path / "dst").rglob("*")]) == len([*source.rglob("*")])

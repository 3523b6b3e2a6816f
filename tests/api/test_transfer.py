"""Watching and stopping a transfer: events, iteration, cancelling, results, errors."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import inspect
import logging
import os
import pickle
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
from tests.programs import PEER, ROOT, missing, need


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "src"
    (root / "dir").mkdir(parents=True)
    (root / "dir/file").write_text("hello")
    (root / "link").symlink_to("dir/file")
    return root


@pytest.fixture
def many(tmp_path: Path) -> Path:
    (tmp_path / "many").mkdir()
    for number in range(3000):
        (tmp_path / f"many/{number}").write_bytes(b"x" * 1_000)
    return tmp_path / "many"


@pytest.fixture
def plain_user() -> Iterator[None]:
    """Permissions count in the test: root reads everything."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


# ---------------------------------------------------------------------------------------------- events


def test_events_in_their_order(source: Path, tmp_path: Path) -> None:
    transfer = tain.Transfer(f"{source}/", tmp_path / "dst", verbose=1)
    seen = [*transfer]
    assert isinstance(seen[0], events.Start) and isinstance(seen[-1], events.End)
    assert isinstance(seen[-2], events.Summary)
    assert transfer.result is not None and transfer.result.ok
    assert seen[-2].statistics == transfer.result.statistics
    assert {event.name for event in seen if isinstance(event, events.Item)} == {b".", b"dir", b"dir/file", b"link"}
    assert "dir/file" in [event.text for event in seen if isinstance(event, events.Message)]


def test_deletions_and_problems_are_events(source: Path, tmp_path: Path) -> None:
    (tmp_path / "dst/old").mkdir(parents=True)
    seen = [*tain.Transfer([f"{source}/", tmp_path / "nothing"], tmp_path / "dst", delete=True, ignore_errors=True)]
    (problem,) = [event for event in seen if isinstance(event, events.Problem)]
    assert (problem.path, problem.errno, problem.side) == (os.fsencode(tmp_path / "nothing"), errno.ENOENT, "here")
    assert [event.name for event in seen if isinstance(event, events.Deleted)] == [b"old"]
    assert isinstance(seen[-1], events.End) and seen[-1].code == 23 and seen[-1].complete


@pytest.mark.parametrize(
    ("level", "kinds"),
    [
        ("progress", {"Start", "Scan", "Progress", "Summary", "End"}),
        ("items", {"Start", "Scan", "Progress", "Item", "Done", "Summary", "End"}),
        ("all", {"Start", "Scan", "Progress", "Item", "Done", "Message", "Summary", "End"}),
    ],
)
def test_levels_of_events(level: str, kinds: set[str], source: Path, tmp_path: Path) -> None:
    seen: list[object] = []
    tain.sync(source, tmp_path / "dst", verbose=1, events=level, on_event=seen.append).check()  # type: ignore[arg-type]
    assert {type(event).__name__ for event in seen} == kinds
    loop = tain.Transfer(source, tmp_path / "b", verbose=1, events=level)  # type: ignore[arg-type]
    assert {type(event).__name__ for event in loop} == kinds


def test_progress(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    for number in range(20):
        (tmp_path / f"src/{number}").write_bytes(bytes(100_000))
    seen: list[events.Progress] = []
    transfer = tain.Transfer(f"{tmp_path}/src/", tmp_path / "dst", bwlimit=2000, on_progress=seen.append)
    assert transfer.progress is None
    assert transfer.run().ok
    assert 2 <= len(seen) <= 20
    fractions = [progress.fraction for progress in seen if progress.fraction is not None]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    assert seen[-1].bytes_total == 2_000_000 and seen[-1].total_is in ("at-most", "exact") and seen[-1].entries == 21
    last = transfer.progress
    assert last is not None and last.fraction == 1 and last.phase == "end"


def test_progress_is_an_event(tmp_path: Path) -> None:
    (tmp_path / "src").write_bytes(bytes(1_000_000))
    seen = [*tain.Transfer(tmp_path / "src", tmp_path / "dst", bwlimit=1000, events="progress")]
    assert len([event for event in seen if isinstance(event, events.Progress)]) >= 2


def test_an_unknown_level(source: Path) -> None:
    with pytest.raises(tain.UsageError, match="events: one of"):
        tain.Transfer(source, "x", events="many")  # type: ignore[arg-type]


def test_a_listener_and_a_loop_get_what_each_wants(source: Path, tmp_path: Path) -> None:
    seen: list[object] = []
    transfer = tain.Transfer(source, tmp_path / "dst", verbose=1, events="items", on_event=seen.append)
    assert [*transfer] == seen


def test_it_runs_once(source: Path, tmp_path: Path) -> None:
    transfer = tain.Transfer(source, tmp_path / "dst")
    assert len([*transfer]) > 3
    for again in (lambda: [*transfer], transfer.run):
        with pytest.raises(tain.UsageError, match="runs once"):
            again()


def test_leaving_a_loop_cancels(many: Path, tmp_path: Path) -> None:
    before = threading.active_count()
    with tain.Transfer(f"{many}/", tmp_path / "dst", bwlimit=1000) as transfer:
        for event in transfer:
            if isinstance(event, events.Progress):
                break
    assert threading.active_count() == before
    assert len(os.listdir(tmp_path / "dst")) < 3000
    assert not [name for name in os.listdir(tmp_path / "dst") if name.startswith(".")]


def test_an_exception_in_a_loop_passes(many: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="enough"),
        tain.Transfer(f"{many}/", tmp_path / "dst", bwlimit=1000) as transfer,
    ):
        for _ in transfer:
            raise RuntimeError("enough")
    assert len(os.listdir(tmp_path / "dst")) < 3000 if (tmp_path / "dst").exists() else True


def test_an_exception_of_a_listener_reaches_the_loop(source: Path, tmp_path: Path) -> None:
    def fail(_items: object) -> None:
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        for _ in tain.Transfer(source, tmp_path / "dst", on_items=fail):
            pass


def test_async_iteration(source: Path, tmp_path: Path) -> None:
    async def main() -> list[object]:
        async with tain.Transfer(f"{source}/", tmp_path / "dst", verbose=1) as transfer:
            seen: list[object] = [event async for event in transfer]
        assert transfer.result is not None and transfer.result.ok
        return seen

    seen = asyncio.run(main())
    assert isinstance(seen[0], events.Start) and isinstance(seen[-1], events.End)


def test_leaving_an_async_loop_cancels(many: Path, tmp_path: Path) -> None:
    async def main() -> float:
        longest = last = time.monotonic()
        longest = 0.0
        ended = False

        async def tick() -> None:
            nonlocal longest, last
            while not ended:
                now = time.monotonic()
                longest, last = max(longest, now - last), now
                await asyncio.sleep(0.002)

        ticking = asyncio.create_task(tick())
        async with tain.Transfer(f"{many}/", tmp_path / "dst", bwlimit=1000) as transfer:
            async for event in transfer:
                if isinstance(event, events.Progress):
                    break
        ended = True
        await ticking
        return longest

    # The loop goes on while the transfer runs and while it stops.
    assert asyncio.run(main()) < 0.5
    assert len(os.listdir(tmp_path / "dst")) < 3000


def test_a_cancelled_task_cancels_its_transfer(many: Path, tmp_path: Path) -> None:
    async def main() -> None:
        task = asyncio.create_task(tain.sync_async(f"{many}/", tmp_path / "dst", bwlimit=1))
        await asyncio.sleep(0.05)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    before = threading.active_count()
    asyncio.run(main())
    assert threading.active_count() <= before + 1
    assert (
        not [name for name in os.listdir(tmp_path / "dst") if name.startswith(".")]
        if (tmp_path / "dst").exists()
        else True
    )


@pytest.mark.parametrize("delay", [0.0, 0.001, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05])
def test_cancelled_at_any_moment(delay: float, many: Path, tmp_path: Path) -> None:
    transfer = tain.Transfer(f"{many}/", tmp_path / "dst")
    timer = threading.Timer(delay, transfer.cancel)
    timer.start()
    code = transfer.run().code
    timer.join()
    assert code in (0, 20)
    assert not (tmp_path / "dst").exists() or not [n for n in os.listdir(tmp_path / "dst") if n.startswith(".")]


# ---------------------------------------------------------------------------------------------- results and errors


def test_twins_have_one_signature() -> None:
    """API-2."""
    assert inspect.signature(tain.sync) == inspect.signature(tain.sync_async)
    assert inspect.signature(tain.list).parameters == inspect.signature(tain.list_async).parameters


def test_a_result_with_problems(source: Path, tmp_path: Path) -> None:
    names = [tmp_path / "one", tmp_path / "two"]
    result = tain.sync([*names, source], tmp_path / "dst", items=True)
    assert [problem.where for problem in result.problems] == names
    assert {(cause.errno, cause.action, cause.side): count for cause, count in result.causes.items()} == {
        (errno.ENOENT, "reading", "here"): 2
    }
    assert (result.code, result.ok, result.complete, result.direction, result.peer) == (23, False, True, "local", None)
    assert result.check(allow={23}) is result and result.check(allow=errno.ENOENT) is result
    for refused in ({24}, errno.EACCES):
        with pytest.raises(tain.PartialTransfer) as caught:
            result.check(allow=refused)
    assert caught.value.result is result and caught.value.problems == result.problems
    assert str(caught.value).splitlines() == [
        result.problems[0].text,
        "some files/attrs were not transferred (see previous errors) (code 23)",
    ]
    assert len(repr(result)) <= 200
    assert pickle.loads(pickle.dumps(result)) == result
    assert b"src/dir/file" in [*result.changed]


def test_hints_are_in_the_result(source: Path) -> None:
    """C3."""
    result = tain.sync(source, "rsync://127.0.0.1:1/module/")
    assert result.code == 10 and result.direction == "push" and result.peer == "127.0.0.1"
    assert [hint.id for hint in result.hints] == ["D2"]
    assert "daemon" in result.hints[0].cause and result.hints[0].fix
    assert b"hint" not in result.errors
    assert tain.UsageError().hints == () and tain.UsageError().problems == ()


def test_capture(source: Path, tmp_path: Path) -> None:
    result = tain.sync(source, tmp_path / "dst", verbose=2, capture=10)
    assert len(result.output) == 10 and result.output_truncated
    assert tain.sync(source, tmp_path / "dst", verbose=2, capture=0).output == b""


@pytest.mark.parametrize(
    ("mode", "itemized", "change", "reasons"),
    [
        (0o100644, ">f+++++++++", "new", ("new",)),
        (0o100644, ">f.st......", "update", ("size", "time")),
        (0o040755, ".d...p.....", "attributes", ("permissions",)),
        (0o120777, "cLc........", "update", ("content",)),
        (0o100644, ".f         ", "none", ()),
    ],
)
def test_items_explain_themselves(mode: int, itemized: str, change: str, reasons: tuple[str, ...]) -> None:
    item = tain.Item(operation="recv", itemized=itemized, name=b"a", length=0, mtime=0, mode=mode)
    assert (item.change, item.reasons) == (change, reasons)


def test_a_logger(source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "mine"):
        tain.sync([source, "/nothing"], tmp_path / "dst", verbose=1, logger=logging.getLogger("mine"))
    levels = {record.getMessage(): record.levelname for record in caplog.records}
    assert levels["src/dir/file"] == "INFO"
    assert [record.levelname for record in caplog.records if "link_stat" in record.getMessage()] == ["ERROR"]
    assert isinstance(caplog.records[0].tain_event, events.Start)  # type: ignore[attr-defined]
    assert isinstance(caplog.records[-1].tain_event, events.End)  # type: ignore[attr-defined]


AUDIT = """
import os, sys
bad = []
def hook(event, arguments):
    if event in ("os.chdir", "signal.signal", "builtins.print", "os.putenv", "os.unsetenv", "sys.excepthook"):
        bad.append(event)
sys.addaudithook(hook)
import _signal, _locale, locale, builtins
for module, name in (
    (os, "umask"), (os, "chdir"), (os, "fchdir"), (locale, "setlocale"), (_locale, "setlocale"), (_signal, "signal"),
    (_signal, "set_wakeup_fd"), (builtins, "print"), (os, "setuid"), (os, "seteuid"),
):
    setattr(module, name, lambda *arguments, _name=name: bad.append(_name))
import tain
source, target, shell, peer = sys.argv[1:5]
before = os.getcwd(), dict(os.environ), sys.stdout, sys.stderr, os.readlink("/proc/self/fd/1")
for names in ({"LC_ALL": "C.UTF-8"}, {"LC_ALL": "ko_KR.EUC-KR"}, {"LANG": "de_DE.UTF-8"}):
    environ = {**os.environ, **names}
    tain.sync(source, target, verbose=2, human_readable=1, stats=True, items=True, environ=environ).check()
    tain.sync("nothing", target, cwd="/tmp", environ=environ)
    tain.sync(source, "far:" + target + "/shell", rsh=shell, rsync_path=peer, environ=environ, mkpath=True).check()
    tain.sync("far:" + target, target + "/back", rsh=shell, rsync_path=peer, environ=environ).check()
    tain.sync("rsync://127.0.0.1:1/m/", target, environ=environ)
    [*tain.list(source, recursive=True, environ=environ)]
for _ in tain.Transfer(source, target, environ={"LC_ALL": "C.UTF-8"}):
    pass
assert before == (os.getcwd(), dict(os.environ), sys.stdout, sys.stderr, os.readlink("/proc/self/fd/1"))
sys.exit(f"{bad}" if bad else 0)
"""


def test_the_process_stays_as_it_is(source: Path, tmp_path: Path) -> None:
    """API-10: no chdir, umask, signal, locale, print, identity, environment; nothing on the standard streams."""
    done = subprocess.run(
        [sys.executable, "-c", AUDIT, source, tmp_path / "dst", shell(tmp_path), PEER],
        env=dict(os.environ, PYTHONPATH=str(ROOT / "src")),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_locale_is_asked_and_not_set(source: Path, tmp_path: Path) -> None:
    """API-10: numbers have the separators of the locale of `environ`, whatever that of the process is."""
    need("localedef")
    locales = tmp_path / "locales"
    locales.mkdir()
    made = subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", locales / "de_DE.UTF-8"], capture_output=True)
    if made.returncode > 1:
        missing("the sources of locales")
    (source / "dir/file").write_bytes(bytes(1_234_567))
    code = (
        "import tain, sys\n"
        "for name in ('de_DE.UTF-8', 'C', 'de_DE.UTF-8', 'xx_YY'):\n"
        "    environ = {'LC_ALL': name}\n"
        "    result = tain.sync(sys.argv[1], 'dst', dry_run=True, stats=True, human_readable=1, environ=environ)\n"
        "    print(b'1.234.567' in result.output, b'1,234,567' in result.output)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, f"{source}/dir/"],
        env=dict(os.environ, PYTHONPATH=str(ROOT / "src"), LOCPATH=str(locales)),
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["True False", "False True"] * 2, done.stdout + done.stderr


def test_the_imports_of_a_transfer_are_few() -> None:
    place = str(ROOT / "src")
    code = f"import sys; sys.path.insert(0, {place!r}); import tain; tain.sync; tain.Options().words(); "
    code += "print(*sys.modules)"
    run = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    slow = {
        "asyncio",
        "ast",
        "dataclasses",
        "enum",
        "inspect",
        "logging",
        "pathlib",
        "re",
        "subprocess",
        "threading",
        "typing",
    }
    assert not slow & set(run.stdout.split())


def test_a_fork_leaves_the_transfer_to_its_parent(many: Path, tmp_path: Path) -> None:
    transfer: tain.Transfer
    code: list[int] = []

    def fork(_stream: int, _text: bytes) -> None:
        if code:
            return
        pid = os.fork()
        if pid == 0:
            transfer.cancel()
            os._exit(0)
        code.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    transfer = tain.Transfer(f"{many}/", tmp_path / "dst", verbose=1, on_output=fork)
    assert transfer.run().ok and code == [0]


# ---------------------------------------------------------------------------------------------- guards


def tree(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def test_guards(source: Path, tmp_path: Path) -> None:
    """API-9: each rule about the arguments refuses, and nothing is changed; allowed, the transfer passes."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "home/kept").mkdir(parents=True)
    home = {"HOME": str(tmp_path / "home")}
    cases: list[tuple[str, str | Path, str | Path, tain.Guard, dict[str, str]]] = [
        ("empty-source", f"{tmp_path}/empty/", tmp_path / "home", tain.Guard(), {}),
        ("root", f"{source}/", "/", tain.Guard(), {}),
        ("root", f"{source}/", tmp_path / "home", tain.Guard(), home),
        ("root", f"{source}/", "nowhere.invalid:/", tain.Guard(), {}),
        ("same", f"{source}/", source, tain.Guard(), {}),
        ("same", source, source.parent, tain.Guard(), {}),
        ("marker", f"{source}/", tmp_path / "home", tain.Guard(marker=".here"), {}),
    ]
    before = tree(tmp_path)
    for rule, start, target, guard, environ in cases:
        result = tain.sync(start, target, delete=True, guard=guard, environ=environ)
        assert result.code == 25, rule
        assert result.messages[0].startswith(f'tain: refused by guard "{rule}": '), result.messages
        assert tree(tmp_path) == before
        with pytest.raises(tain.DeleteLimit):
            result.check()
    (source / ".here").touch()
    tain.sync(f"{source}/", tmp_path / "home", delete=True, guard=tain.Guard(marker=".here")).check()
    assert tree(tmp_path / "home") == tree(source)
    tain.sync(f"{tmp_path}/empty/", tmp_path / "home", delete=True, guard=None).check()
    assert tree(tmp_path / "home") == set()


def test_guards_of_deletions(source: Path, tmp_path: Path) -> None:
    """API-9: rules that count deletions."""
    target = tmp_path / "dst"
    (target / "old").mkdir(parents=True)
    for number in range(200):
        (target / f"old/{number}").touch()
    for guard, rule in ((tain.Guard(), "half"), (tain.Guard(percent=None, max=200), "max")):
        result = tain.sync(f"{source}/", target, delete=True, guard=guard)
        assert result.code == 25, result
        assert f'refused by guard "{rule}": 201 ' in result.messages[0]
        assert len(list((target / "old").iterdir())) == 200
        assert (target / "dir/file").exists()
    tain.sync(f"{source}/", target, delete=True, guard=tain.Guard(percent=99, max=201)).check()
    assert tree(target) == tree(source)


def test_chosen_rules_that_cannot_be_judged_are_refused(source: Path, tmp_path: Path) -> None:
    """Before anything is started; the default rules are left out there."""
    for start, target, guard, text in (
        ("nowhere.invalid:x/", str(tmp_path / "d"), tain.Guard(marker="m"), "needs a source on this machine"),
    ):
        result = tain.sync(start, target, delete=True, guard=guard)
        assert result.code == 4 and text in result.messages[0], result


def test_no_guard_without_deletions(source: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    tain.sync(f"{tmp_path}/empty/", tmp_path / "dst").check()
    tain.sync(f"{source}/", source).check()


# ---------------------------------------------------------------------------------------------- presets, run, list


def test_presets(source: Path, tmp_path: Path) -> None:
    (source / "dir/file").chmod(0o600)
    tain.sync(f"{source}/", tmp_path / "pub", preset=tain.PUBLISH).check()
    assert (tmp_path / "pub/dir/file").stat().st_mode & 0o777 == 0o644
    tain.sync(f"{source}/", tmp_path / "one", preset=tain.MIRROR, exclude="link").check()
    assert tree(tmp_path / "one") == {"dir", "dir/file"}
    tain.sync(f"{source}/", tmp_path / "two", preset=tain.snapshot(tmp_path / "one")).check()
    assert (tmp_path / "one/dir/file").samefile(tmp_path / "two/dir/file") or (
        (source / "dir/file").stat().st_mode != (tmp_path / "one/dir/file").stat().st_mode
    )
    tain.sync(f"{source}/", tmp_path / "three", preset=tain.MOVE).check()
    assert tree(source) == {"dir"}
    with pytest.raises(tain.UsageError, match="not both"):
        tain.sync(source, "x", preset=tain.MIRROR, options=tain.Options())


def test_retry(source: Path) -> None:
    codes = [10, 12, 0, 0]
    asked: list[object] = []

    def transfer(*arguments: object, **_keywords: object) -> tain.Result:
        asked.append(arguments)
        return tain.Result(code=codes.pop(0))

    assert tain.retry(transfer, times=5, pause=0.001)("a", "b").ok
    assert asked == [("a", "b")] * 3
    codes[:] = [10, 10, 10]
    assert tain.retry(transfer, times=2, pause=0.001)().code == 10 and codes == [10]
    codes[:] = [23, 0]
    assert tain.retry(transfer, pause=0.001)().code == 23
    with pytest.raises(tain.UsageError):
        tain.retry(transfer, times=0)


def test_run_is_the_command_line(source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert tain.run(["-av", f"{source}/", tmp_path.as_posix() + "/dst"]).check().ok
    assert "dir/file" in capfd.readouterr().out
    result = tain.run(["-rv", "src/", "two"], cwd=tmp_path, capture=True)
    assert b"dir/file" in result.output and capfd.readouterr().out == ""
    assert not (tmp_path / "two/link").exists()
    for words in (["--version"], ["--daemon"], ["--server"], ["--no-such"]):
        with pytest.raises(tain.UsageError):
            tain.run(words)


@pytest.mark.parametrize("remote", [False, True])
def test_what_a_listing_knows(remote: bool, source: Path, tmp_path: Path) -> None:
    os.utime(source / "dir/file", ns=(5, 1_600_000_000_123_456_789))
    status = (source / "dir/file").stat()
    place = str(source / "dir/file")
    options: dict[str, str] = {}
    if remote:
        place = f"h:{place}"
        options = {"rsh": str(shell(tmp_path)), "rsync_path": PEER}
    (plain,) = tain.list(place, **options)  # type: ignore[arg-type]
    assert (plain.mtime, plain.mtime_ns) == (1_600_000_000, 1_600_000_000_123_456_789)
    assert (plain.uid, plain.gid) == (None, None)
    (full,) = tain.list(place, owner=True, group=True, **options)  # type: ignore[arg-type]
    assert (full.uid, full.gid) == (status.st_uid, status.st_gid)
    (old,) = tain.list(place, protocol=30, **options)  # type: ignore[arg-type]
    assert old.mtime_ns == 1_600_000_000_000_000_000


def test_listings(source: Path) -> None:
    flat = {entry.path: entry for entry in tain.list(f"{source}/")}
    assert set(flat) == {b".", b"dir", b"link"}
    assert flat[b"dir"].is_dir() and flat[b"link"].kind == "link" and flat[b"link"].target == b"dir/file"
    deep = {entry.path: entry for entry in tain.list(f"{source}/", recursive=True, exclude="link")}
    assert set(deep) == {b".", b"dir", b"dir/file"}
    assert (deep[b"dir/file"].name, deep[b"dir/file"].size) == ("file", 5)

    async def main() -> set[bytes]:
        return {entry.path async for entry in tain.list_async(f"{source}/", recursive=True, exclude="link")}

    assert asyncio.run(main()) == set(deep)
    with pytest.raises(tain.PartialTransfer):
        [*tain.list(source / "nothing")]

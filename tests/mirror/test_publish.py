"""MIR-32 to MIR-37: trees that are published as a whole, and snapshots."""

from __future__ import annotations

import os
import shutil
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tain.mirror import retention, trees
from tain.mirror.model import Publish
from tain.mirror.retention import Snapshot
from tests.mirror.site import Site, fill, names
from tests.mirror.test_runs import wait_for

SWAP = 'publish = { mode = "swap", keep_previous = 1, grace = 0 }\n'
SNAPSHOTS = 'publish = { mode = "snapshots", keep_last = 2, name = "%Y-%m-%dT%H%M%S" }\n'


def versions(site: Site) -> list[str]:
    return sorted(entry for entry in os.listdir(site.root / ".tain-dst/versions") if not entry.endswith(".json"))


def test_mir_32_readers_never_see_a_mixture(site: Site) -> None:
    """A reader opens an index and what it names, all the time while runs publish."""
    source = site.root / "src"

    def release(number: int) -> None:
        for path in source.glob("package-*"):
            path.unlink()
        (source / f"package-{number}").write_text(str(number))
        (source / "index").write_text(f"package-{number}")
        # Two files of one size and one second count as equal.
        os.utime(source / "index", (number, number))

    release(0)
    site.job(more=SWAP)
    site.run("run", "one")
    destination = site.root / "dst"
    assert destination.is_symlink() and names(destination) == names(source)
    stop, bad, reads = threading.Event(), [], [0]

    def read() -> None:
        while not stop.is_set():
            # One resolution of the link: that is what one request of a reader sees.
            fd = os.open(destination, os.O_RDONLY | os.O_DIRECTORY)
            try:
                index = os.open("index", os.O_RDONLY, dir_fd=fd)
                name = os.read(index, 100).decode()
                os.close(index)
                if name not in os.listdir(fd):
                    bad.append(name)
            finally:
                os.close(fd)
            reads[0] += 1

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in (1, 2, 3):
            release(number)
            site.run("run", "one")
    finally:
        stop.set()
        reader.join()
    assert not bad and reads[0] > 100
    # The version before stays for readers that have begun; older ones go.
    assert len(versions(site)) == 2
    assert (destination / "index").read_text() == "package-3"


def test_mir_33_older_versions_do_not_change(site: Site) -> None:
    """Unchanged files are shared; a file that gets another mode or content is a new one."""
    source, destination = site.root / "src", site.root / "dst"
    site.job(more=SWAP)
    site.run("run", "one")
    first = Path(os.path.realpath(destination))
    os.chmod(source / "d0/f0", 0o600)
    (source / "d0/f1").write_text("new contents")
    site.run("run", "one")
    second = Path(os.path.realpath(destination))
    assert first != second and sorted(versions(site)) == sorted((first.name, second.name))
    assert (first / "d0/f2").stat().st_ino == (second / "d0/f2").stat().st_ino
    assert (first / "d0/f0").stat().st_mode & 0o777 == 0o644 and (second / "d0/f0").stat().st_mode & 0o777 == 0o600
    assert (first / "d0/f1").read_text().startswith("1 ") and (second / "d0/f1").read_text() == "new contents"
    # Readers need no right in the work directory but to pass through it.
    assert (site.root / ".tain-dst").stat().st_mode & 0o777 == 0o711


def test_mir_34_a_directory_becomes_a_link_and_is_judged_first(site: Site) -> None:
    """Somebody else's tree is held like any other; what is held stays, and updates flow."""
    destination = site.root / "dst"
    fill(destination, 60, start=100)
    site.job(more=SWAP)
    text = site.run("run", "one", code=25)
    # 60 files and 6 directories; the source has 30 files in 3.
    assert "would be deleted; the limit is 10 %. Nothing was deleted" in text
    assert destination.is_symlink()
    assert names(destination) >= names(site.root / "src") and (destination / "d10/f100").exists()
    deletions = site.status()["hold"]["deletions"]
    assert deletions == 66 and len(site.run("log", "one", "--deletes").splitlines()) == 66
    site.run("release", "one", "--deletes", str(deletions))
    site.run("run", "one")
    assert names(destination) == names(site.root / "src")
    assert site.runs()[0]["deleted"] == 66
    assert site.status()["hold"] is None
    # The marker of the source disappears together with most of the tree: nothing is published without it.
    for path in (site.root / "src/d1").iterdir():
        path.unlink()
    site.job(more=SWAP + "guard = { delete_floor = 0 }\n")
    assert " 0 deleted; " in site.run("run", "one", "--no-delete")
    assert (destination / "d1/f11").exists()


def test_mir_35_an_interrupted_tree_is_continued(site: Site) -> None:
    """What an earlier run has left is linked, not copied again; a version that was named is published."""
    source, work = site.root / "src", site.root / ".tain-dst"
    site.job(more=SWAP)
    site.run("run", "one")
    (source / "big").write_bytes(os.urandom(1 << 20))
    part = work / "versions/20200101T000000Z-0000.part"
    part.mkdir()
    (part / "big").write_bytes((source / "big").read_bytes())
    info = (source / "big").stat()
    os.utime(part / "big", ns=(info.st_atime_ns, info.st_mtime_ns))
    inode = (part / "big").stat().st_ino
    site.run("run", "one")
    assert (site.root / "dst/big").stat().st_ino == inode
    assert not [name for name in versions(site) if name.endswith(".part")]
    # A run that vanished behind the rename, and before the link.
    newest = os.path.basename(os.path.realpath(site.root / "dst"))
    older = next(name for name in versions(site) if name != newest)
    trees.point(str(site.root / "dst"), f".tain-dst/versions/{older}")
    document = site.state / f"jobs/one/runs/{newest}/run.json"
    document.write_text(document.read_text().replace('"phase": "ended"', '"phase": "publishing"'))
    site.run("run", "one", "--upstream", "/nonexistent/", code=None)
    assert os.path.basename(os.path.realpath(site.root / "dst")) == newest


def test_mir_36_snapshots(site: Site) -> None:
    source, destination = site.root / "src", site.root / "dst"
    site.job(more=SNAPSHOTS)
    # What is not ours in the destination stays.
    (destination / "mine").mkdir(parents=True)
    for number in range(4):
        (source / "d0/f0").write_text(str(number))
        site.run("run", "one")
        time.sleep(1.1)
    (document,) = [site.json("snapshots", "one")]
    found = [snapshot["name"] for snapshot in document["snapshots"]]
    assert len(found) == 2 and {*found, "latest", "mine"} == set(os.listdir(destination))
    assert os.readlink(destination / "latest") == found[-1]
    assert [(destination / name / "d0/f0").read_text() for name in found] == ["2", "3"]
    shared = [(destination / name / "d1/f11").stat().st_ino for name in found]
    assert shared[0] == shared[1]
    assert found[-1] in site.run("snapshots", "one")
    # A failing job rotates nothing away, and an empty source adds nothing.
    for path in sorted(source.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    site.run("run", "one", code=77)
    fill(source, 5)
    site.run("run", "one", code=25)
    assert set(os.listdir(destination)) == {*found, "latest", "mine"}
    fill(source, 30)
    site.run("run", "one", "--dry-run")
    assert set(os.listdir(destination)) == {*found, "latest", "mine"}
    site.run("run", "one")
    assert len(site.json("snapshots", "one")["snapshots"]) == 2
    assert os.readlink(destination / "latest") != found[-1]


def moments(*days: float) -> list[Snapshot]:
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    return [Snapshot(f"s{day:g}", (begin + timedelta(days=day)).timestamp()) for day in days]


@pytest.mark.parametrize(
    ("found", "rules", "left"),
    [
        (moments(0, 1, 2, 3), {"keep_last": 2}, {"s2", "s3"}),
        # The newest of each day.
        (moments(0.1, 0.2, 1.1, 1.2, 2.5), {"keep_daily": 2}, {"s1.2", "s2.5"}),
        # What one rule keeps does not count for the next: 1 March 2026 is a Sunday.
        (moments(0, 1, 2, 8, 15, 16), {"keep_daily": 1, "keep_weekly": 2}, {"s16", "s8", "s2"}),
        (moments(0, 30, 31, 62), {"keep_monthly": 2}, {"s62", "s31"}),
        (moments(0, 400), {"keep_yearly": 5}, {"s0", "s400"}),
        (moments(0, 0.04, 0.05, 0.09), {"keep_hourly": 2}, {"s0.05", "s0.09"}),
        ([], {"keep_last": 1}, set()),
        ([*moments(0), Snapshot("bad", 2e9, good=False)], {"keep_last": 1}, {"s0", "bad"}),
    ],
)
def test_mir_37_retention(found: list[Snapshot], rules: dict[str, int], left: set[str]) -> None:
    assert set(retention.kept(found, Publish(**rules), "UTC")) == left  # type: ignore[arg-type]
    gone = retention.removed(found, Publish(**rules), "UTC")  # type: ignore[arg-type]
    assert {*gone} == {snapshot.name for snapshot in found} - left


@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.booleans()), max_size=40, unique_by=lambda item: item[0]),
    st.lists(st.integers(0, 5), min_size=6, max_size=6),
)
def test_mir_37_the_last_good_one_always_stays(times: list[tuple[int, bool]], numbers: list[int]) -> None:
    found = [Snapshot(str(at), float(at), good) for at, good in times]
    keys = ("keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly")
    gone = retention.removed(found, Publish(**dict(zip(keys, numbers, strict=True))), "UTC")  # type: ignore[arg-type]
    last = retention.last_good(found)
    assert last is None or last.name not in gone
    assert len(found) - len(gone) <= sum(numbers) + 1
    # A second time there is nothing to remove, whatever the rules.
    left = [snapshot for snapshot in found if snapshot.name not in gone]
    assert len(retention.removed(left, Publish(keep_last=numbers[0] + sum(numbers) + 1), "UTC")) == 0


def test_mir_37_old_versions() -> None:
    replaced = {"a": 100.0, "b": 200.0, "c": 300.0}
    assert retention.old_versions(replaced, 1, 0.0, 400.0) == ["a", "b"]
    assert retention.old_versions(replaced, 0, 150.0, 400.0) == ["a", "b"]
    assert retention.old_versions(replaced, 1, 250.0, 400.0) == ["a"]
    assert retention.old_versions(replaced, 5, 0.0, 400.0) == []


@pytest.mark.parametrize("mode", ["swap", "snapshots"])
@pytest.mark.parametrize("kind", ["file", "link"])
def test_mir_34_a_directory_that_becomes_something_else_is_a_deletion(mode: str, kind: str, site: Site) -> None:
    """What was in the directory is judged like any other deletion; the old tree stays until somebody releases them."""
    source = site.root / "src"
    (source / "x").mkdir()
    for number in range(60):
        (source / f"x/{number}").write_text("ten bytes\n")
    more = ", keep_last = 9, name = '%Y-%m-%dT%H%M%S'" if mode == "snapshots" else ""
    site.job(more=f"publish = {{ mode = '{mode}'{more} }}\nguard = {{ delete_floor = 0 }}\n")
    site.run("run", "one")
    place = site.root / ("dst" if mode == "swap" else "dst/latest")
    old = names(place)
    shutil.rmtree(source / "x")
    if kind == "file":
        (source / "x").write_text("a file\n")
    else:
        (source / "x").symlink_to("d0")
    (source / "more").write_text("new\n")
    # Names of snapshots have seconds.
    wait_for(lambda: not (site.root / "dst" / time.strftime("%Y-%m-%dT%H%M%S", time.gmtime())).exists(), 60)
    text = site.run("run", "one", code=25)
    assert "60 of " in text and "would be deleted; the limit is 10 %" in text
    assert names(place) == old
    site.run("release", "one", "--deletes", "60")
    wait_for(lambda: not (site.root / "dst" / time.strftime("%Y-%m-%dT%H%M%S", time.gmtime())).exists(), 60)
    assert "60 deleted" in site.run("run", "one")
    assert names(place) == names(source)

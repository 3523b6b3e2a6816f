"""MIR-24 to MIR-31: an upstream or a disk that is not what it was deletes nothing. Real runs, a real daemon."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tain.mirror.guards import Before, Start, judge_deletions, judge_space, judge_start
from tain.mirror.limits import suggest
from tain.mirror.model import Guard
from tain.mirror.words import Share
from tain.options.guard import DeletePlan
from tests import programs
from tests.mirror.site import Site, daemon, fill, names

LIMITS = Guard()


def plan(deletions: int, entries: int, source: int = 1001, size: int = 1000, errors: int = 0) -> DeletePlan:
    return DeletePlan(
        deletions=deletions, bytes=0, entries=entries, source_entries=source, source_bytes=size, errors=errors
    )


@pytest.mark.parametrize(
    ("found", "before", "ticket", "kind"),
    [
        (plan(0, 100), Before(), None, None),
        (plan(20, 100), Before(), None, None),  # up to the floor the share is not asked
        (plan(21, 100), Before(), None, "max_delete_percent"),
        (plan(21, 210), Before(), None, None),
        (plan(40001, 10**6), Before(), None, "max_delete"),
        (plan(5, 5), Before(), None, "everything"),
        (plan(5, 1000, source=1), Before(), None, "min_files"),
        (plan(5, 1000, source=801), Before(files=1001), None, "shrunk"),
        (plan(5, 1000, source=802), Before(files=1001), None, None),
        (plan(5, 1000, size=700), Before(bytes=1000), None, "shrunk"),
        (plan(50, 100), Before(), 50, None),
        (plan(51, 100), Before(), 50, "max_delete_percent"),
        (plan(50, 100, errors=1), Before(), 50, "errors"),
    ],
)
def test_mir_24_the_plan_of_deletions(found: DeletePlan, before: Before, ticket: int | None, kind: str | None) -> None:
    refusal = judge_deletions(LIMITS, found, before, ticket)
    assert (None if refusal is None else refusal.kind) == kind


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 10**6), st.integers(0, 50000))
def test_mir_24_never_more_than_a_ticket_or_the_limits(number: int, kept: int, source: int, ticket: int) -> None:
    found = plan(number, number + kept, source)
    if judge_deletions(LIMITS, found, Before(), None) is None:
        assert number <= 40000 and (number <= 20 or 10 * number <= number + kept)
    if judge_deletions(LIMITS, found, Before(), ticket) is None:
        assert number <= ticket or judge_deletions(LIMITS, found, Before(), None) is None


def test_mir_28_judged_before_the_first_transfer() -> None:
    guard = Guard(marker=".here", min_free=Share(amount=100), min_free_inodes=Share(amount=10))
    good = Start(frozenset({b"a"}), True, "fsid:1", "fsid:2", free=100, total=1000, free_inodes=10, total_inodes=100)
    before = Before(source_dev="fsid:1", dest_dev="fsid:2")
    assert judge_start(guard, good, before) is None
    for change, kind in (
        ({"marker_found": False}, "marker"),
        ({"root_entries": frozenset()}, "empty"),
        ({"source_dev": "fsid:9"}, "source_dev"),
        ({"dest_dev": "fsid:9"}, "dest_dev"),
        ({"free": 99}, "disk"),
        ({"free_inodes": 9}, "disk"),
    ):
        refusal = judge_start(guard, Start(**{**vars(good), **change}), before)
        assert refusal is not None and refusal.kind == kind
    assert judge_space(guard, Start(free=5, total=None)) is None
    # A file system without a number of inodes.
    assert judge_space(guard, Start(free_inodes=0, total_inodes=0)) is None


def test_mir_24_an_emptied_upstream_deletes_nothing(site: Site) -> None:
    with daemon(site.root / "src") as server:
        site.job(source=server.url("pub"))
        site.run("run", "one")
        before = names(site.root / "dst")
        assert before == names(site.root / "src")
        shutil.rmtree(site.root / "src")
        (site.root / "src").mkdir()
        assert "one: held: the source is empty" in site.run("run", "one", code=77)
    assert names(site.root / "dst") == before
    assert site.status()["state"] == "held"


def test_mir_24_an_empty_tree_is_no_success(site: Site) -> None:
    """Also with nothing to delete."""
    (site.root / "src/empty").mkdir()
    site.job(source=f"{site.root}/src/empty/", more="guard = { min_files = 3 }\n")
    (site.root / "src/empty/a").write_text("x")
    assert "one: held: the source has 1 entries, less than 3" in site.run("run", "one", code=77)


def test_mir_25_held_deletions_are_released_once(site: Site) -> None:
    """Updates go on while deletions are held; a release is good for its number, once."""
    site.job()
    site.run("run", "one")
    for path in sorted((site.root / "src").rglob("f*"))[:22]:
        path.unlink()
    (site.root / "src/new").write_text("new")
    text = site.run("run", "one", code=25)
    assert "one: held: 22 of 33 entries (66.7 %) would be deleted; the limit is 10 %." in text
    assert "Nothing was deleted; 1 file was updated." in text and "tain mirror release one --deletes 22" in text
    assert (site.root / "dst/new").exists() and len(names(site.root / "dst")) == 34
    assert len(site.run("log", "one", "--deletes").splitlines()) == 22
    status = site.status()
    assert (status["state"], status["hold"]["kind"], status["hold"]["deletions"]) == ("held", "deletions", 22)
    # Held still, and updates go on.
    (site.root / "src/newer").write_text("newer")
    site.run("run", "one", code=25)
    assert (site.root / "dst/newer").exists()
    # Not enough.
    assert "may delete up to 10 entries" in site.run("release", "one", "--deletes", "10")
    site.run("run", "one", code=25)
    assert "may delete up to 23 entries" in site.run("release", "one", "--deletes", "22")
    assert "22 deleted" in site.run("run", "one")
    assert names(site.root / "dst") == names(site.root / "src")
    assert site.status()["state"] == "fresh" and site.status()["hold"] is None
    # The ticket is used up.
    shutil.rmtree(site.root / "dst")
    (site.root / "dst").mkdir()
    fill(site.root / "dst", 400, start=1000)
    site.run("run", "one", code=25)
    assert len(names(site.root / "dst")) > 400


def test_mir_26_a_hold_ends_when_the_upstream_returns(site: Site) -> None:
    site.job()
    site.run("run", "one")
    os.rename(site.root / "src/d0", site.root / "away")
    os.rename(site.root / "src/d1", site.root / "away1")
    site.run("run", "one", code=25)
    os.rename(site.root / "away", site.root / "src/d0")
    os.rename(site.root / "away1", site.root / "src/d1")
    site.run("run", "one")
    assert site.status()["state"] == "fresh"


def test_mir_26_without_auto_release_a_person_ends_it(site: Site) -> None:
    site.job(more="guard = { auto_release = false }\n")
    site.run("run", "one")
    for path in sorted((site.root / "src").rglob("f*"))[:22]:
        path.unlink()
    site.run("run", "one", code=25)
    fill(site.root / "src", 30)
    (site.root / "src/d0/f3").unlink()
    assert "held until somebody releases them" in site.run("run", "one", code=25)
    site.run("release", "one", "--deletes", "1")
    site.run("run", "one")
    assert names(site.root / "dst") == names(site.root / "src")


def test_mir_27_the_marker_is_gone(site: Site) -> None:
    marker = site.root / "src/d0/.here"
    marker.write_text("")
    with daemon(site.root / "src") as server:
        for source in (f"{site.root}/src/", server.url("pub")):
            marker.write_text("")
            site.job(source=source, more='guard = { marker = "d0/.here" }\n')
            site.run("run", "one")
            marker.unlink()
            assert "one: held: the source has no d0/.here" in site.run("run", "one", code=77)


def test_mir_28_a_disk_that_is_not_mounted(site: Site) -> None:
    """Another file system than in the last good run, at either end; `release` accepts it."""
    programs.need_root()
    for place in ("src", "dst"):
        (site.root / place).mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "disk", site.root / place], check=True)
    try:
        fill(site.root / "src", 30)
        more = f'guard = {{ min_free = "1%", min_free_inodes = "1%" }}\nwork_dir = "{site.root}/dst/.work"\n'
        site.job(more=more + 'exclude = ["/.work"]\n')
        site.run("run", "one")
    finally:
        subprocess.run(["umount", site.root / "src"], check=True)
    try:
        text = site.run("run", "one", code=77)
        assert "another file system than in the last good run" in text and "tain mirror release one" in text
        site.run("release", "one")
        shutil.rmtree(site.root / "dst/.work")
    finally:
        subprocess.run(["umount", site.root / "dst"], check=True)
    site.run("run", "one")
    assert names(site.root / "dst") - {".work", ".work/lock", ".work/owner"} == names(site.root / "src")


def test_mir_29_two_jobs_on_one_directory(site: Site) -> None:
    """Also with another configuration and another state."""
    site.job()
    site.run("run", "one")
    other = Site(site.root)
    site.file.rename(site.root / "first.toml")
    other.job("two")
    text = other.run("run", "two", code=77)
    assert f"two: held: the destination belongs to job one of {site.state}" in text


def test_mir_30_somebodys_home_is_held(site: Site) -> None:
    """The first run of a job is judged like any other."""
    home = site.root / "dst"
    fill(home / "letters", 500)
    site.job()
    text = site.run("run", "one", code=25)
    assert "would be deleted; the limit is 10 %" in text
    assert len(names(home / "letters")) == 550


def test_mir_31_files_that_fail_stop_deletions(site: Site) -> None:
    """A file that cannot get its name, because a file system is mounted there: partial, and nothing is deleted."""
    programs.need_root()
    site.job()
    site.run("run", "one")
    (site.root / "src/d0/f0").unlink()
    (site.root / "src/blocked").write_text("x")
    (site.root / "dst/blocked").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "disk", site.root / "dst/blocked"], check=True)
    try:
        assert "nothing was deleted" in site.run("run", "one", code=23)
        assert (site.root / "dst/d0/f0").exists()
        assert (site.status()["last"]["result"], site.status()["failures"]) == ("partial", 0)
        site.run("run", "one", code=23)
        site.run("run", "one", code=23)
        assert site.status()["failures"] == 1, "three partial results are a bad one"
    finally:
        subprocess.run(["umount", site.root / "dst/blocked"], check=True)
    site.run("run", "one")
    assert names(site.root / "dst") == names(site.root / "src")


def test_mir_28_the_disk_is_nearly_full(site: Site) -> None:
    programs.need_root()
    (site.root / "dst").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "disk", site.root / "dst"], check=True)
    try:
        site.job(more=f'guard = {{ min_free = "2M" }}\nwork_dir = "{site.root}/dst/.work"\nexclude = ["/.work"]\n')
        text = site.run("run", "one", code=77)
        assert "one: held: the destination has 1.0" in text and " MB free; 2.1 MB must stay free" in text
    finally:
        subprocess.run(["umount", site.root / "dst"], check=True)


def _runs(*plans: tuple[int, int], result: str = "success") -> list[dict[str, object]]:
    return [{"result": result, "planned_deletes": number, "planned_of": of} for number, of in plans]


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        (_runs((0, 100)), (None, None)),
        (_runs(*[(0, 0)] * 5), (100, 1.0)),
        (_runs(*[(10, 100_000)] * 4, (1234, 100_000)), (3000, 3.0)),
        (_runs(*[(60, 100)] * 5), (200, 100.0)),
        # What was held is not what is usual.
        (_runs(*[(1, 1000)] * 5) + _runs((900, 1000), result="held"), (100, 1.0)),
    ],
)
def test_suggested_limits(runs: list[dict[str, object]], expected: tuple[int | None, float | None]) -> None:
    found = suggest("one", runs)
    assert (found.max_delete, found.max_delete_percent) == expected
    assert found.line(Guard()).startswith("one: ")


def test_suggested_limits_of_real_runs(site: Site) -> None:
    site.job()
    site.run("run", "one")
    assert site.run("status", "--suggest-limits").startswith("one: 1 runs in 90 days; limits are suggested from 5 on")
    assert site.json("status", "--suggest-limits")["jobs"][0]["max_delete"] is None

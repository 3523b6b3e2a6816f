"""MIR-17 to MIR-23: several upstreams, one of which dies, lags behind, or goes back in time."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tain
from tain.mirror.choose import Candidate, choose
from tain.mirror.model import Failover
from tain.mirror.stamps import read_stamp
from tests.mirror.site import DEBIAN, Site, daemon, fill, names
from tests.mirror.test_runs import is_copying, wait_for

HOUR = 3600.0
NOW = 1_796_000_000.0


def pick(*candidates: Candidate, ours: float | None = None, present: str | None = None, **rules: object) -> list[str]:
    return list(choose(candidates, Failover.model_validate(rules), ours=ours, present=present).urls)


def one(name: str, **fields: object) -> Candidate:
    return Candidate(url=name, host=name, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (pick(one("a"), one("b")), ["a", "b"]),
        (pick(one("a", reachable=False), one("b")), ["b"]),
        (pick(one("a", content=NOW - 3 * HOUR), one("b", content=NOW)), ["b", "a"]),
        (pick(one("a", content=NOW - 25 * HOUR), one("b", content=NOW)), ["b"]),
        (pick(one("a", content=NOW - 600), one("b", content=NOW)), ["a", "b"]),
        (pick(one("a", content=NOW - 2), one("b", content=NOW), ours=NOW - 1), ["b"]),
        (pick(one("a", content=NOW - 2), ours=NOW - 1), []),
        (pick(one("a", content=NOW - 2), ours=NOW - 1, allow_older=True), ["a"]),
        (pick(one("a", rate=10.0), one("b", rate=20.0)), ["b", "a"]),
        (pick(one("a", rate=10.0, weight=100), one("b", rate=15.0)), ["a", "b"]),
        (pick(one("a", rate=10.0), one("b", rate=12.0), present="a"), ["a", "b"]),
        (pick(one("a", rate=10.0), one("b", rate=14.0), present="a"), ["b", "a"]),
        (pick(one("a"), one("b", rate=9.0), mode="ordered"), ["a", "b"]),
        (pick(one("a", cooling=True), one("b")), ["b"]),
        (pick(one("a", cooling=True)), ["a"]),
    ],
)
def test_mir_19_choice(found: list[str], expected: list[str]) -> None:
    assert found == expected


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.one_of(st.none(), st.floats(0, 2e9)),
            st.booleans(),
            st.one_of(st.none(), st.floats(1, 1e9)),
        ),
        max_size=6,
    ),
    st.one_of(st.none(), st.floats(0, 2e9)),
)
def test_mir_19_never_unreachable_never_older(
    rows: list[tuple[bool, float | None, bool, float | None]], ours: float | None
) -> None:
    candidates = [
        one(str(number), reachable=reachable, content=content, cooling=cooling, rate=rate)
        for number, (reachable, content, cooling, rate) in enumerate(rows)
    ]
    choice = choose(candidates, Failover(), ours=ours)
    assert set(choice.reasons) == {candidate.url for candidate in candidates}
    for candidate in candidates:
        if candidate.url in choice.urls:
            assert candidate.reachable
            assert ours is None or candidate.content is None or candidate.content >= ours


@pytest.mark.parametrize(
    ("data", "form", "identity", "moment"),
    [
        (b"1796000000\n", "auto", "epoch:1796000000", NOW),
        (b"Sun, 29 Nov 2026 06:02:11 +0000\n", "auto", "date:1795932131", 1795932131.0),
        (b"Sun Nov 29 06:02:11 UTC 2026\nDate: x\n", "auto", "date:1795932131", 1795932131.0),
        (b"2026-11-29T06:02:11Z", "auto", "date:1795932131", 1795932131.0),
        (b"Sun Nov 29 06:02:11 UTC 2026\nArchive serial: 2026112902\n", "auto", "serial:2026112902", 1795932131.0),
        (b"Date: Sun, 29 Nov 2026 15:02:11 +0900\n", "date", "date:1795932131", 1795932131.0),
        (b"anything", "mtime", "mtime:5", 5.0),
    ],
)
def test_mir_22_stamps(data: bytes, form: str, identity: str, moment: float) -> None:
    stamp = read_stamp(data, 5.0, form)
    assert (stamp.identity, stamp.time) == (identity, moment)


@given(st.binary(max_size=200), st.sampled_from(["auto", "epoch", "date", "serial", "digest", "mtime"]))
def test_mir_22_no_stamp_file_breaks_it(data: bytes, form: str) -> None:
    assert read_stamp(data, 1.0, form).identity


def stamp(place: Path, hours_ago: float) -> None:
    moment = datetime.fromtimestamp(time.time() - hours_ago * HOUR, UTC)
    (place / "stamp").write_text(moment.strftime("%a, %d %b %Y %H:%M:%S +0000\n"))


def two(site: Site, a: tain.Daemon, b: tain.Daemon, more: str = "") -> None:
    """A job with two upstreams and a stamp file."""
    site.job(more=f'probe = {{ file = "stamp" }}\n{more}')
    site.write(
        site.file.read_text()
        .replace(f'"{site.root}/src/"', f'["{a.url("pub")}", "{b.url("pub")}"]')
        .replace("attempts = 1", "attempts = 3, wait = 0")
    )


def test_mir_19_the_fresher_upstream_is_taken_and_content_never_goes_back(site: Site) -> None:
    first, second = site.root / "src", site.root / "second"
    fill(second, 31)
    stamp(first, 3)
    stamp(second, 0.1)
    with daemon(first) as a, daemon(second) as b:
        two(site, a, b)
        text = site.run("run", "one")
        assert text.startswith("one: from 127.0.0.1 (2 of 2 usable)\n")
        assert names(site.root / "dst") == names(second)
        status = site.status()
        assert status["upstream"] == b.url("pub") and 300 <= status["content_age"] <= 500
        # Nothing new: not even a list.
        text = site.run("run", "one")
        assert text.endswith("one: unchanged: the stamp of 127.0.0.1 is that of the last run\n")
        assert [run["result"] for run in site.runs()] == ["unchanged", "success"]
        # The other one is older than what we have.
        (second / "gone").write_text("x")
        stamp(second, 2)
        assert "one: deferred: all upstreams are older than our content" in site.run("run", "one", code=75)
        assert "gone" not in names(site.root / "dst")
        stamp(first, 0)
        site.run("run", "one", "--no-delete")
        assert site.status()["upstream"] == a.url("pub")
        # A change of the configuration is something new.
        assert "unchanged" in site.run("run", "one")
        site.write(site.file.read_text() + 'exclude = ["nothing"]\n')
        assert "success" in site.run("run", "one")
        assert "success" in site.run("run", "one", "--force")


def test_mir_17_an_upstream_dies_in_the_middle(site: Site) -> None:
    """The run ends well from the other one, and what was received is used."""
    first, second = site.root / "src", site.root / "second"
    size = 16 << 20
    data = os.urandom(size)
    for place in (first, second):
        fill(place, 30)
        stamp(place, 0)
        (place / "big").write_bytes(data)
        os.utime(place / "big", (NOW, NOW))
    with daemon(first) as a, daemon(second) as b:
        two(site, a, b, more='failover = { mode = "ordered" }\n')
        site.write(site.file.read_text().replace("nice = 0", "nice = 0, bandwidth = '2M'"))
        started = site.start("run", "one")
        wait_for(lambda: is_copying(site, size // 4))
        # Its connections end at once.
        a.stop(0.1)
        assert started.wait(60) == 0
        (run,) = site.runs()
        assert run["attempts"] == 2 and run["upstream"] == b.url("pub")
        assert names(site.root / "dst") == names(second) and (site.root / "dst/big").read_bytes() == data
        assert run["received"] < 0.8 * size, "partial data was not used"
        # It cools down, so the next run begins with the other one.
        stamp(second, -0.01)
        assert "(1 of 2 usable)" in site.run("run", "one")


def test_mir_20_a_marker_that_one_upstream_lacks(site: Site) -> None:
    second = site.root / "second"
    fill(second, 30)
    (second / ".here").write_text("")
    with daemon(site.root / "src") as a, daemon(second) as b:
        two(site, a, b, more='guard = { marker = ".here" }\n')
        assert "(1 of 2 usable)" in site.run("run", "one")
        assert site.status()["upstream"] == b.url("pub")


def test_mir_21_indices_wait_for_a_quiet_upstream(site: Site) -> None:
    """Payload comes during an update, indices never; a forgotten marker does not count."""
    source = site.root / "src"
    (source / "Packages").write_text("x")
    marker = source / "Archive-Update-in-Progress-here"
    marker.write_text("")
    with daemon(source) as server:
        site.job(source=server.url("pub"), more=f"{DEBIAN}probe = {{ busy_wait = 0.2, busy_attempts = 2 }}\n")
        text = site.run("run", "one", code=75)
        assert text.count("is being updated (Archive-Update-in-Progress-here); next look in 0.2s") == 2
        assert "one: deferred: 127.0.0.1 is being updated" in text
        assert "d0/f0" in names(site.root / "dst") and "Packages" not in names(site.root / "dst")
        old = time.time() - 13 * HOUR
        os.utime(marker, (old, old))
        site.run("run", "one")
        assert names(site.root / "dst") == names(source)

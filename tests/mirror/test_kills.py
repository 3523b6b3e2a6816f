"""MIR-41, 42 and 44: runners and upstreams that are killed at random moments, in each way of publishing.

``TAIN_MIRROR_KILLS`` sets the number of kills of each test; the default is small.
"""

from __future__ import annotations

import functools
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tain.mirror.locks import holder_of
from tests import programs
from tests.mirror.site import DEBIAN, Site, names
from tests.mirror.test_runs import wait_for
from tests.ports import free_port

KILLS = int(os.environ.get("TAIN_MIRROR_KILLS", "5"))
PACKAGES = 60
#: Each way of publishing, as the end of a job.
MODES = {
    "in-place": DEBIAN,
    "swap": DEBIAN + 'publish = { mode = "swap", keep_previous = 1, grace = 0 }\n',
    "snapshots": 'publish = { mode = "snapshots", keep_last = 3, name = "%Y-%m-%dT%H%M%S" }\n',
}


def release(source: Path, number: int) -> None:
    """Another state of the source: some packages are new, some are gone, and the index names those that exist."""
    pool = source / "pool"
    pool.mkdir(parents=True, exist_ok=True)
    wanted = {f"p{index}-{number // 3 if index % 7 else number}" for index in range(PACKAGES)}
    for path in pool.iterdir():
        if path.name not in wanted:
            path.unlink()
    for name in wanted:
        if not (pool / name).exists():
            (pool / name).write_text(f"{name}\n" * 400)
    (source / "Packages").write_text("\n".join(sorted(wanted)))
    # Two files of one size and one second count as equal.
    os.utime(source / "Packages", (number, number))


def check_tree(tree: Path, *, whole: bool = False) -> None:
    """The index names files that exist, and each file is complete; *whole*: there is nothing else."""
    index = tree / "Packages"
    named = set(index.read_text().split()) if index.exists() else set()
    found = {path.name for path in (tree / "pool").iterdir() if not path.name.startswith(".")}
    assert named <= found, (tree, named - found)
    assert not whole or named == found, (tree, found - named)
    for name in found:
        assert (tree / "pool" / name).read_text() == f"{name}\n" * 400, name


def check(site: Site, mode: str) -> None:
    """What must be true at any moment, whatever was killed."""
    destination = site.root / "dst"
    if mode != "snapshots":
        check_tree(destination, whole=mode == "swap")
        return
    found = [entry for entry in destination.iterdir() if not entry.is_symlink()]
    for tree in found:
        check_tree(tree, whole=True)
    assert (destination / "latest").resolve() in found


def _has_begun(site: Site, started: subprocess.Popen[bytes]) -> bool:
    return holder_of(str(site.state / "jobs/one/lock")) is not None or started.poll() is not None


@pytest.mark.timeout(120 + 20 * KILLS)
@pytest.mark.parametrize("mode", MODES)
def test_mir_41_killed_at_random_moments(mode: str, site: Site) -> None:
    chance = random.Random(f"{mode}{KILLS}")
    source = site.root / "upstream"
    site.job(source=f"{source}/", more=MODES[mode] + "guard = { max_delete_percent = 100, delete_floor = 1000 }\n")
    release(source, 0)
    site.run("run", "one")
    usual = site.runs()[0]["seconds"]
    check(site, mode)
    hits = 0
    for number in range(1, KILLS + 1):
        release(source, number)
        started = site.start("run", "one")
        wait_for(functools.partial(_has_begun, site, started))
        # The runner has about this long to live.
        time.sleep(chance.random() * usual * 0.8)
        try:
            site.kill_runner()
        except (ProcessLookupError, ValueError):
            pass
        started.wait(30)
        check(site, mode)
        history = site.runs()
        assert not [run for run in history if run["result"] is None]
        lost = [run["id"] for run in history if run["result"] == "lost"]
        assert len(set(lost)) == len(lost)
        hits += len(lost) > hits
        if chance.random() < 0.3:
            site.run("run", "one")
            check(site, mode)
    assert hits or KILLS < 5, "none of the kills hit a run"
    site.run("run", "one")
    check(site, mode)
    last = site.root / ("dst/latest" if mode == "snapshots" else "dst")
    assert names(last.resolve()) == names(source)
    # Nothing is left of the unfinished trees.
    if mode != "in-place":
        parts = site.root / ".tain-dst" / ("versions" if mode == "swap" else "snapshots")
        assert not [name for name in os.listdir(parts) if name.endswith((".part", ".old"))]
    assert site.status()["hold"] is None


class Upstream:
    """A daemon in processes of its own, which can be killed and started again at one port."""

    def __init__(self, root: Path, source: Path) -> None:
        self.port = free_port()
        self.file = root / "upstream.conf"
        user = "uid = root\ngid = root\n" if os.geteuid() == 0 else ""
        self.file.write_text(f"use chroot = no\n{user}[pub]\npath = {source}\n")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"rsync://127.0.0.1:{self.port}/pub/"

    def start(self) -> None:
        assert programs.PROGRAM is not None
        words = ["--daemon", "--no-detach", f"--config={self.file}", "--address=127.0.0.1", f"--port={self.port}"]
        self.process = subprocess.Popen([programs.PROGRAM, *words], start_new_session=True)
        wait_for(self._listens, 60)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """Kill the daemon with all of its connections."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.mark.timeout(120 + 20 * KILLS)
@pytest.mark.parametrize("mode", ["in-place", "swap"])
def test_mir_41_an_upstream_that_is_killed_at_random_moments(mode: str, site: Site) -> None:
    """A run whose upstream dies is no success, its tree is as good as before, and the next one makes it whole."""
    chance = random.Random(f"upstream{mode}{KILLS}")
    source = site.root / "upstream"
    release(source, 0)
    upstream = Upstream(site.root, source)
    upstream.start()
    try:
        site.job(source=upstream.url, more=MODES[mode] + "guard = { max_delete_percent = 100, delete_floor = 1000 }\n")
        site.run("run", "one")
        usual = site.runs()[0]["seconds"]
        for number in range(1, max(KILLS // 2, 2) + 1):
            release(source, number)
            started = site.start("run", "one")
            wait_for(functools.partial(_has_begun, site, started))
            time.sleep(chance.random() * usual * 0.8)
            upstream.kill()
            started.communicate(timeout=60)
            check(site, mode)
            last = site.runs()[0]
            assert last["result"] in ("success", "failed", "partial"), last
            tree = site.root / "dst"
            assert last["result"] != "success" or names(tree.resolve()) == names(source)
            upstream.start()
        site.run("run", "one")
        check(site, mode)
        assert names((site.root / "dst").resolve()) == names(source)
        assert site.status()["hold"] is None
        assert not [run for run in site.runs() if run["result"] is None or run["result"] == "lost"]
    finally:
        upstream.kill()

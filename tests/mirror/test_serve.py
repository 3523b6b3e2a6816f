"""MIR-41 to MIR-50: the server starts runs, and survives what happens to it and to them."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tain.mirror import control, control_server
from tain.mirror.store import _SCHEMA, VERSION, Store
from tests.mirror.site import Site
from tests.mirror.test_runs import is_copying, is_running, slow, wait_for

#: Rounds of a kill loop.
KILLS = int(os.environ.get("MIRROR_KILLS", "3"))


@contextlib.contextmanager
def serving(
    site: Site, *words: str, code: int | None = 0, stop: int = signal.SIGTERM
) -> Iterator[subprocess.Popen[bytes]]:
    """A server without a page, until the end of the block; it must end with *code*."""
    server = site.start("serve", "--no-web", *words)
    try:
        wait_for(lambda: _serves(site, server.pid) or server.poll() is not None)
        yield server
    finally:
        if server.poll() is None:
            server.send_signal(stop)
        text = server.communicate(timeout=60)[0].decode()
        assert "Traceback" not in text, text
    assert code is None or server.returncode == code, text


def _serves(site: Site, pid: int) -> bool:
    """Whether the server listens; a killed one has left its files."""
    with contextlib.suppress(OSError, ValueError):
        return bool(json.loads((site.state / "server.json").read_text())["pid"] == pid)
    return False


@contextlib.contextmanager
def frozen(site: Site) -> Iterator[int]:
    """The runner stands still for as long as the block takes."""
    runner = site.runner()
    os.kill(runner, signal.SIGSTOP)
    try:
        yield runner
    finally:
        os.kill(runner, signal.SIGCONT)


def every(site: Site, interval: str) -> None:
    site.write(site.file.read_text().replace('every = "6h"', f'every = "{interval}"\njitter = 0'))


def test_serve_starts_what_is_due(site: Site) -> None:
    site.job()
    every(site, "2s")
    with serving(site) as server:
        wait_for(lambda: len(site.runs()) > 2)
        document = site.json("status")
        assert document["server"]["pid"] == server.pid
        assert f"server: running (pid {server.pid})" in site.run("status")
    assert {run["trigger"] for run in site.runs()} == {"schedule"}
    newest, *earlier = [run["result"] for run in site.runs()]
    # The end of the server cancels a run that has just begun.
    assert newest in ("success", "cancelled") and set(earlier) == {"success"}
    assert site.json("status")["server"]["pid"] is None


def test_serve_one_job_without_a_file(site: Site) -> None:
    with serving(site, f"{site.root}/src/", f"{site.root}/my tree", "--every", "6h"):
        wait_for(lambda: (site.root / "my tree/d0/f0").exists())
    site.file.unlink(missing_ok=True)
    words = [word for word in site.words("status", "--json") if word not in ("--config", str(site.file))]
    done = subprocess.run(words, env=site.environment(), capture_output=True, text=True, timeout=60, check=True)
    assert [job["name"] for job in json.loads(done.stdout)["jobs"]] == ["my-tree"]
    assert "a job needs SOURCE" in site.run("serve", "a", "b", code=64)


def test_start_while_it_runs_makes_one_further_run(site: Site) -> None:
    slow(site)
    with serving(site):
        wait_for(lambda: is_copying(site))
        with frozen(site):
            assert site.run("start", "one") == "one: runs; it runs again when that has ended\n"
            site.run("start", "one")
        wait_for(lambda: len([run for run in site.runs() if run["result"]]) == 2)
        time.sleep(3)
        assert [run["trigger"] for run in site.runs()] == ["hand", "schedule"]
    assert "no server works on" in site.run("start", "one", code=69)


def test_mir_43_two_servers(site: Site) -> None:
    site.job()
    with serving(site) as server:
        text = site.run("serve", "--no-web", code=73)
        assert f"already (process {server.pid})" in text


def test_mir_44_a_foreign_run_beside_the_server(site: Site) -> None:
    """The server shows the run of another command, does not start a second one, and leaves it alone when it ends."""
    slow(site)
    foreign = site.start("run", "one")
    wait_for(lambda: is_copying(site))
    with frozen(site), serving(site):
        assert site.status()["state"] == "running"
        time.sleep(1.5)
        assert len(site.runs()) == 1
    assert foreign.wait(60) == 0
    assert [run["result"] for run in site.runs()] == ["success"]


def test_mir_41_a_killed_server_and_its_run(site: Site) -> None:
    """The run goes on, the next server adopts it: it ends once, and no other run begins."""
    slow(site)
    with serving(site, code=-signal.SIGKILL, stop=signal.SIGKILL):
        wait_for(lambda: is_copying(site))
        os.kill(site.runner(), signal.SIGSTOP)
    with serving(site) as server:
        with frozen(site) as runner:
            wait_for(lambda: site.json("status")["server"]["pid"] == server.pid)
            assert site.runner() == runner and site.status()["state"] == "running"
        wait_for(lambda: not is_running(site))
        wait_for(lambda: site.status()["state"] == "fresh")
    assert [run["result"] for run in site.runs()] == ["success"]


def test_mir_42_an_adopted_run_is_cancelled_too(site: Site) -> None:
    slow(site, 8 << 20)
    with serving(site, code=-signal.SIGKILL, stop=signal.SIGKILL):
        wait_for(lambda: is_copying(site))
        os.kill(site.runner(), signal.SIGSTOP)
    with serving(site) as server:
        with frozen(site):
            wait_for(lambda: site.json("status")["server"]["pid"] == server.pid)
        server.send_signal(signal.SIGTERM)
        server.wait(60)
    assert not is_running(site)
    (run,) = site.runs()
    assert run["result"] == "cancelled" and run["exit_code"] == 20
    assert list((site.root / "dst/.~tmp~").iterdir())


def test_mir_45_kills_at_random_moments(site: Site) -> None:
    """Runner, server or both are killed: each run is lost once, and the next one reaches the source's state."""
    slow(site, 1 << 20)
    every(site, "3s")
    chance = random.Random(14)
    for number in range(KILLS):
        what = ("runner", "server", "both")[number % 3]
        hard = what != "runner"
        with serving(site, code=None, stop=signal.SIGKILL if hard else signal.SIGTERM):
            wait_for(lambda: is_running(site))
            time.sleep(chance.random())
            if what != "server":
                with contextlib.suppress(ProcessLookupError):
                    site.kill_runner()
                time.sleep(0.1 if hard else 1.0)
    with serving(site):
        wait_for(lambda: site.runs()[0]["result"] == "success")
    results = [run["result"] for run in site.json("history", "one", "-n", "100000")["runs"]]
    assert None not in results
    lost = sqlite3.connect(site.state / "state.db").execute("SELECT run FROM event WHERE kind = 'lost'").fetchall()
    assert len(lost) == len(set(lost)) == results.count("lost")
    assert (site.root / "dst/big").read_bytes() == (site.root / "src/big").read_bytes()


def test_a_runner_that_always_vanishes_is_slowed_down(site: Site) -> None:
    slow(site, 8 << 20)
    with serving(site):
        for number in range(3):
            wait_for(lambda number=number: len(site.runs()) > number and is_copying(site))
            site.kill_runner()
            wait_for(lambda number=number: [run["result"] for run in site.runs()].count("lost") == number + 1)
        time.sleep(4)
        assert len(site.runs()) == 3
    assert site.status()["state"] == "failing"


def test_stop_drain_and_reload(site: Site) -> None:
    slow(site)
    good = site.file.read_text()
    with serving(site) as server:
        wait_for(lambda: is_copying(site))
        os.kill(site.runner(), signal.SIGSTOP)
        site.write("[job.one]\nnothing = 1\n")
        assert "unknown key" in site.run("reload", code=78)
        site.write(good + '[job.two]\nsource = "/nothing/"\ndestination = "/nowhere"\nmanual = true\n')
        assert site.run("reload") == "reloaded: 2 jobs\n"
        with frozen(site):
            server.send_signal(signal.SIGUSR1)
            wait_for(lambda: site.json("status")["server"]["draining"])
        assert server.wait(60) == 0
    assert [run["result"] for run in site.runs()] == ["success"]


def test_mir_78_the_supervisor_is_notified(site: Site, tmp_path: Path) -> None:
    """READY, WATCHDOG and STOPPING reach a supervisor, which also sees a reload."""
    site.job()
    site.env = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "600000"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "n"))
        sock.settimeout(30)
        with serving(site) as server:
            assert sock.recv(4096).startswith(b"READY=1\nSTATUS=")
            assert sock.recv(4096) == b"WATCHDOG=1"
            server.send_signal(signal.SIGHUP)
            while sock.recv(4096) != b"RELOADING=1":
                pass
        while sock.recv(4096) != b"STOPPING=1":
            pass


def test_the_control_socket_and_its_users(site: Site) -> None:
    assert control_server.may_control(0, None) and control_server.may_control(os.geteuid(), None)
    assert not control_server.may_control(65533, None) and not control_server.may_control(65533, "root")
    assert not control_server.may_control(65533, "no-such-group")
    site.job()
    with serving(site):
        path = str(site.state / "control.sock")
        assert os.stat(path).st_mode & 0o777 == 0o660
        assert control.ask(path, {"op": "nothing"})["error"] == "unknown operation"
        assert "not a job" in control.ask(path, {"op": "start", "job": "../x"})["error"]
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(path)
            sock.sendall(b"[" * 70000 + b"\n")
            assert b"no question" in sock.recv(4096)
        assert control.ask(path, {"op": "status"})["config_ok"] is True
    with pytest.raises(control.NoServer):
        control.ask(path, {"op": "status"})


def test_a_state_of_version_1_is_brought_up_to_date(tmp_path: Path) -> None:
    path = str(tmp_path / "state.db")
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(
            f"{_SCHEMA}; INSERT INTO job (name, failures) VALUES ('one', 3); PRAGMA user_version = 1"
        )
    store = Store.open(path)
    store.ask("one", "push", "x", 1.0)
    assert store.job("one")["failures"] == 3 and list(store.requests()) == ["one"]
    store.close()
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
    with contextlib.closing(sqlite3.connect(f"{path}.version-1")) as database:
        assert database.execute("SELECT failures FROM job").fetchone() == (3,)


def test_the_upstreams_of_a_job(site: Site) -> None:
    site.job()
    site.run("run", "one")
    head, line = site.run("upstreams", "one").splitlines()
    assert head.split() == ["UPSTREAM", "STATE", "ANSWER", "CONTENT", "SPEED", "ASKED", "ERROR"]
    assert line.split()[:2] == [f"{site.root}/src/", "reachable"]
    (row,) = site.json("upstreams", "one")["upstreams"]
    assert row["reachable"] == 1 and row["error"] is None
    site.run("upstreams", "two", code=64)

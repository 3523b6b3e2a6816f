"""Module workers: who serves a connection, and what each death, change and signal does (CCH-3 to CCH-7)."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tain.daemon import door, worker
from tain.daemon.exchange import FIRST_NUMBER
from tests import programs

from .harness import HELLO, LIMIT, Daemon, held, named, wait_until

BASE = b"log file = DIR/log\nreverse lookup = no\n"
ONE = BASE + b"[m]\npath = DIR/mod\n"
#: Deaths in the test of random moments; by hand 1000.
KILLS = int(os.environ.get("WORKER_KILLS", "6"))


def processes(daemon: Daemon, name: bytes) -> list[int]:
    pid = daemon.process.pid
    found = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in found if named(child) == name]


def worker_of(daemon: Daemon) -> int:
    """The only worker."""
    (pid,) = processes(daemon, worker.NAME)
    return pid


def enter(daemon: Daemon, module: bytes = b"m") -> socket.socket:
    """A client that the module has admitted, and that says nothing more."""
    sock = daemon.connect()
    sock.sendall(HELLO + module + b"\n")
    seen = b""
    while not seen.endswith(b"@RSYNCD: OK\n"):
        chunk = sock.recv(4096)
        if not chunk or b"@ERROR" in seen:
            sock.close()
            raise ConnectionError(seen.decode())
        seen += chunk
    return sock


def enter_at_last(daemon: Daemon) -> socket.socket:
    """As `enter`, once there is a free slot."""
    found: list[socket.socket] = []

    def try_to_enter() -> bool:
        try:
            found.append(enter(daemon))
        except ConnectionError:
            return False
        return True

    wait_until(try_to_enter, "a free slot")
    return found[0]


def names(daemon: Daemon, module: str = "m") -> list[str]:
    code, out, err = daemon.client("-r", f"HOST/{module}/")
    assert (code, err) == (0, "")
    return sorted(line.split()[-1] for line in out.splitlines())


def test_connections_share_a_worker(tree: Path) -> None:
    with Daemon("tain", tree, ONE, workers=True) as daemon:
        with enter(daemon), enter(daemon), enter(daemon):
            assert daemon.children() == []
            pid = worker_of(daemon)
            if os.geteuid() == 0:
                assert os.stat(f"/proc/{pid}").st_uid != 0
                assert re.search(r"^Uid:(\t(?!0\b)\d+){4}$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        assert names(daemon) == [".", "one", "three", "two"]
        assert worker_of(daemon) == pid
        daemon.wait_for_connections()
        stamps = re.findall(r"\[(\d+)\] (.*)", daemon.log.read_text())
        numbers = [int(number) for number, text in stamps if not text.startswith("rsyncd version")]
        # Each line of a connection has its number, and no process can have it.
        assert set(numbers) == {FIRST_NUMBER + n for n in range(4)}
        last = [text for number, text in stamps if int(number) == max(numbers)]
        assert [re.split(" from| [0-9]", text)[0] for text in last] == [
            "connect", "rsync allowed access on module m", "rsync on m/", "building file list", "sent",
        ]  # fmt: skip


def test_a_worker_holds_nothing_of_the_listener(tree: Path) -> None:
    """CCH-14: no socket that listens, no way to the helper or to another worker."""
    conf = ONE.replace(b"reverse lookup = no", b"reverse lookup = yes") + b"[n]\npath = DIR/mod\nexclude = one\n"
    with Daemon("tain", tree, conf, workers=True) as daemon, enter(daemon), enter(daemon, b"n") as second:
        ends = {name: [] for name in (door.NAME, worker.NAME)}  # type: dict[bytes, list[set[str]]]
        for name, found in ends.items():
            for pid in processes(daemon, name):
                links = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
                found.append({link for link in links if link.startswith(("socket:", "pipe:"))})
                if name == worker.NAME:
                    # Its pair, its client, its client's log; and nothing that is a pipe.
                    assert len(links) < 14
        (of_door,), (first, other) = ends[door.NAME], ends[worker.NAME]
        inherited = {os.readlink(f"/proc/{daemon.process.pid}/fd/{fd}") for fd in (0, 1, 2)}
        assert not first & other - inherited
        assert not (first | other) & of_door - inherited
        assert len(first - inherited) == len(other - inherited) == 2
        second.close()


#: CCH-4: what a worker does not serve.
OTHERS = {
    "off": b"tain workers = no",
    "writable": b"read only = no",
    "write-only": b"write only = yes",
    "pre": b"pre-xfer exec = true",
    "post": b"post-xfer exec = true",
    "early": b"early exec = true",
    "converter": b"name converter = cat",
    "user-in-exclude": b"exclude = /%RSYNC_USER_NAME%x",
    "user-in-path": b"path = DIR/mod/%RSYNC_USER_NAME%",
    "user-in-log": b"log file = DIR/log%RSYNC_USER_NAME%",
    "root": b"uid = 0",
}


@pytest.mark.parametrize("line", OTHERS.values(), ids=OTHERS)
def test_a_process_serves_what_no_worker_can(tree: Path, line: bytes) -> None:
    with Daemon(
        "tain", tree, BASE + b"[m]\npath = DIR/mod\n" + line + b"\n[other]\npath = DIR/mod\n", workers=True
    ) as d:
        with enter(d):
            assert len(d.children()) == 1
            assert processes(d, worker.NAME) == []
        with enter(d, b"other"):
            worker_of(d)


@pytest.mark.parametrize("line", [b"daemon uid = 0", b"daemon gid = 0"])
def test_the_door_returns_a_connection_that_changes_its_process(tree: Path, line: bytes) -> None:
    programs.need_root()
    with Daemon("tain", tree, line + b"\n" + ONE, workers=True) as daemon, enter(daemon):
        assert len(daemon.children()) == 1


def test_early_input_and_the_access_of_the_user(tree: Path) -> None:
    (tree / "secrets").write_text("bob:x\nroy:x\n")
    (tree / "secrets").chmod(0o600)
    conf = ONE + b"read only = no\nauth users = bob:ro roy\nsecrets file = DIR/secrets\n[e]\npath = DIR/mod\n"
    with Daemon("tain", tree, conf, workers=True) as daemon:
        assert daemon.login(b"m", b"roy", b"x") == b"@RSYNCD: OK\n"
        assert processes(daemon, worker.NAME) == []
        assert daemon.login(b"m", b"bob", b"x") == b"@RSYNCD: OK\n"
        first = worker_of(daemon)
        daemon.wait_for_connections()
        assert daemon.talk(HELLO + b"#early_input=3\nabce\n").endswith(b"@RSYNCD: OK\n<open>")
        assert processes(daemon, worker.NAME) == [first]


def test_without_the_parameter_there_is_no_other_process(tree: Path) -> None:
    """CCH-22: a process for each connection, its id in the log, and no socket for `tain cache`."""
    conf = b"tain control socket = DIR/control\n" + ONE
    with Daemon("tain", tree, conf, workers=False) as daemon:
        with enter(daemon):
            (pid,) = daemon.children()
            assert named(pid) not in (door.NAME, worker.NAME)
            task = Path(f"/proc/{daemon.process.pid}/task")
            assert len(list(task.iterdir())) == 1
            assert (task / str(daemon.process.pid) / "children").read_text().split() == [str(pid)]
        daemon.wait_for_connections()
        assert f"[{pid}] rsync allowed access on module m" in daemon.log.read_text()
        assert not (tree / "control").exists()
        # The parameter counts without a restart.
        daemon.write(conf + b"tain workers = yes\n")

        def has_worker() -> bool:
            names(daemon)
            return bool(processes(daemon, worker.NAME))

        wait_until(has_worker, "a worker")


def test_a_changed_configuration_is_another_view(tree: Path) -> None:
    with Daemon("tain", tree, ONE, workers=True) as daemon:
        assert "two" in names(daemon)
        first = worker_of(daemon)
        daemon.write(ONE + b"exclude = two\n")
        assert "two" not in names(daemon)
        assert len(processes(daemon, worker.NAME)) == 2
        (tree / "rules").write_text("three\n")
        daemon.write(ONE + b"exclude from = DIR/rules\n")
        assert names(daemon) == [".", "one", "two"]
        (tree / "rules").write_text("one\n")
        assert names(daemon) == [".", "three", "two"]
        daemon.write(ONE)
        assert "two" in names(daemon)
        assert first in processes(daemon, worker.NAME)


def test_a_replaced_root_is_another_view(tree: Path) -> None:
    with Daemon("tain", tree, ONE, workers=True) as daemon:
        assert "two" in names(daemon)
        (tree / "mod").rename(tree / "old")
        (tree / "mod").mkdir()
        assert names(daemon) == ["."]


def test_values_outside_of_the_view_count_at_once(tree: Path) -> None:
    with Daemon("tain", tree, ONE, workers=True) as daemon:
        names(daemon)
        first = worker_of(daemon)
        daemon.write(ONE + b"refuse options = checksum\n")
        code, _, err = daemon.client("-rc", "HOST/m/")
        assert code and "The server is configured to refuse --checksum" in err
        assert worker_of(daemon) == first


def test_a_view_that_cannot_be_entered(tree: Path) -> None:
    """The client gets the text of a process of its own."""
    (tree / "link").symlink_to("mod")
    os.lchown(tree / "link", 1, 1)
    conf = BASE + b"use chroot = no\n[m]\npath = DIR/link\n[n]\npath = DIR/none\n"
    with Daemon("tain", tree, conf, workers=True) as daemon:
        for _ in range(3):
            assert daemon.talk(HELLO + b"m\n").endswith(b"@ERROR: chdir failed\n")
            assert daemon.talk(HELLO + b"n\n").endswith(b"@ERROR: chdir failed\n")
        wait_until(lambda: not processes(daemon, worker.NAME), "the worker to end")


def test_rotation_of_the_log(tree: Path) -> None:
    """CCH-5: a new file is used at once, and a file by module is its own."""
    conf = BASE + b"[m]\npath = DIR/mod\nlog file = DIR/other\ntransfer logging = yes\nlog format = %p %f\n"
    with Daemon("tain", tree, conf, workers=True) as daemon:
        for n in range(2):
            code, _, _ = daemon.client("-a", "HOST/m/one", str(tree / f"copy{n}"))
            assert code == 0
            daemon.wait_for_connections()
            text = (tree / "other").read_text()
            assert re.findall(r"\[(\d+)\] \1 one", text) == [str(FIRST_NUMBER + n)]
            assert "connect from" in daemon.log.read_text()
            (tree / "other").rename(tree / "rotated")
            daemon.log.rename(tree / "rotated-too")


FULL = b"@ERROR: max connections (1) reached -- try again later\n"


@pytest.mark.parametrize("victim", ["client", "worker", "listener"])
def test_a_slot_ends_with_its_holder(tree: Path, victim: str) -> None:
    """CCH-6: workers and rsync's daemon count the same slots, and the kernel frees them."""
    conf = ONE + b"max connections = 1\nlock file = DIR/lock\n"
    with Daemon("tain", tree, conf, workers=True) as daemon:
        (tree / "rsync").mkdir()
        with (
            Daemon(
                "rsync", tree / "rsync", conf.replace(b"DIR/mod", b"DIR/../mod").replace(b"DIR/lock", b"DIR/../lock")
            ) as other,
            enter(daemon) as first,
        ):
            assert daemon.talk(HELLO + b"m\n").endswith(FULL)
            assert other.talk(HELLO + b"m\n").endswith(FULL)
            pid = worker_of(daemon)
            if victim == "worker":
                os.kill(pid, signal.SIGKILL)
            elif victim == "listener":
                daemon.process.kill()
                daemon.process.wait()
            first.close()
            with enter_at_last(other):
                if victim != "listener":
                    wait_until(lambda: daemon.talk(HELLO + b"m\n").endswith(FULL), "rsync to hold the slot")


def test_a_worker_that_keeps_dying(tree: Path) -> None:
    """CCH-7: the next connection has another worker, and after three deaths a process of its own."""
    with Daemon("tain", tree, ONE, workers=True) as daemon:
        for _ in range(3):
            with enter(daemon) as sock:
                pid = worker_of(daemon)
                os.kill(pid, signal.SIGKILL)
                assert sock.recv(1) == b""
            wait_until(lambda pid=pid: pid not in processes(daemon, worker.NAME), "the worker to be reaped")  # type: ignore[misc]
        with enter(daemon):
            assert len(daemon.children()) == 1
        text = f"worker {pid} ended with signal 9, and with it 1 connections"
        assert any(text in line for line in daemon.log_lines())


def test_a_door_that_dies(tree: Path) -> None:
    with Daemon("tain", tree, ONE, workers=True) as daemon, enter(daemon) as served, daemon.connect() as greeted:
        assert greeted.recv(4) == b"@RSY"
        for deaths in range(2):
            (pid,) = processes(daemon, door.NAME)
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: pid not in processes(daemon, door.NAME), "the door to be reaped")  # type: ignore[misc]
            # The second death closes the door for a minute.
            with enter(daemon):
                assert len(processes(daemon, door.NAME)) == 1 - deaths
                assert len(daemon.children()) == deaths
        assert b"" in iter(lambda: greeted.recv(4096), None)
        served.sendall(b"--server\0--sender\0-r\0.\0m/\0\0")
        assert served.recv(1)


def slow_pull(daemon: Daemon, tree: Path) -> subprocess.Popen[bytes]:
    """A transfer that has begun and takes long."""
    (tree / "copy").mkdir()
    (tree / "mod/large").write_bytes(random.Random(1).randbytes(3_000_000))
    url = f"rsync://127.0.0.1:{daemon.port}/m/large"
    words = ["rsync", "-a", "--bwlimit=1000", url, str(tree / "copy")]
    client = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: any((tree / "copy").iterdir()), "data")
    return client


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_outlive_the_listener(tree: Path, number: signal.Signals) -> None:
    """Transfers go on to their end, and then the workers end."""
    with Daemon("tain", tree, ONE, workers=True) as daemon:
        client = slow_pull(daemon, tree)
        pids = processes(daemon, worker.NAME) + processes(daemon, door.NAME)
        daemon.process.send_signal(number)
        daemon.process.wait(LIMIT)
        assert client.poll() is None
        assert client.wait(LIMIT) == 0
        assert (tree / "copy/large").read_bytes() == (tree / "mod/large").read_bytes()
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "door and worker to end")


def test_a_signal_ends_the_connections_of_a_worker(tree: Path) -> None:
    with Daemon("tain", tree, ONE, workers=True) as daemon, enter(daemon) as waiting:
        client = slow_pull(daemon, tree)
        os.kill(worker_of(daemon), signal.SIGTERM)
        assert client.wait(LIMIT) == 20
        assert waiting.recv(1) == b""
        wait_until(lambda: not processes(daemon, worker.NAME), "the worker to end")
        assert names(daemon)


def test_a_worker_is_replaced_by_its_number_of_connections(tree: Path) -> None:
    with Daemon("tain", tree, ONE + b"tain worker connections = 3\n", workers=True) as daemon:
        seen = set()
        with enter(daemon):
            for _ in range(8):
                names(daemon)
                seen |= set(processes(daemon, worker.NAME))
            # The first one drains until its last client has gone.
            assert len(seen) >= 3
        daemon.wait_for_connections()
        wait_until(lambda: len(processes(daemon, worker.NAME)) <= 1, "old workers to end")


def test_an_idle_worker_ends(tree: Path) -> None:
    with Daemon("tain", tree, ONE + b"tain worker idle = 1\n", workers=True) as daemon:
        names(daemon)
        wait_until(lambda: not processes(daemon, worker.NAME), "the worker to end")
        assert names(daemon)
        assert not any("ended with" in line for line in daemon.log_lines())


def test_a_large_worker_is_replaced(tree: Path) -> None:
    with Daemon("tain", tree, ONE + b"tain worker memory = 1M\n", workers=True) as daemon:
        pids = set()
        for _ in range(130):
            enter(daemon).close()
            pids |= set(processes(daemon, worker.NAME))
        assert len(pids) >= 2


@pytest.mark.timeout(3600)
def test_many_clients_and_stalled_ones(tree: Path) -> None:
    """The small form: MANY=2000 clients beside STALLED=500 by hand."""
    many, stalled = int(os.environ.get("MANY", "60")), int(os.environ.get("STALLED", "25"))
    with Daemon("tain", tree, ONE, workers=True) as daemon:
        waiting = [enter(daemon) for _ in range(stalled // 2)]
        waiting += [daemon.connect() for _ in range(stalled - stalled // 2)]
        began = time.monotonic()
        words = ["rsync", "-r", f"rsync://127.0.0.1:{daemon.port}/m/"]
        todo, clients = many, list[subprocess.Popen[bytes]]()
        codes: list[int] = []
        while todo or clients:
            while todo and len(clients) < 8:
                clients.append(subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
                todo -= 1
            first = clients.pop(0)
            _, err = first.communicate(timeout=LIMIT)
            codes.append(first.returncode)
            assert not err
        print(f"{many} clients in {time.monotonic() - began:.1f} s")
        assert codes == [0] * many
        for sock in waiting:
            sock.close()
        # The clients' ends are closed by now, so only the daemon's count.
        wait_until(lambda: not held(daemon.port), "the stalled ones to be noticed")


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.mark.timeout(3600)
def test_deaths_at_random_moments(tree: Path) -> None:
    """No slot and no descriptor is lost, and the next client is served. WORKER_KILLS=1000 by hand."""
    rng = random.Random(20)
    conf = ONE + b"max connections = 4\nlock file = DIR/lock\n"
    with Daemon("tain", tree, conf, workers=True) as daemon:
        names(daemon)
        before = descriptors(daemon.process.pid)
        words = ["rsync", "-r", f"rsync://127.0.0.1:{daemon.port}/m/"]
        for _ in range(KILLS):
            clients = [subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(3)]
            time.sleep(rng.random() * 0.03)
            for pid in processes(daemon, rng.choice((door.NAME, worker.NAME))):
                os.kill(pid, signal.SIGKILL)
            for client in clients:
                client.wait(LIMIT)
            assert "one" in names(daemon)
        daemon.wait_for_connections()
        # The door may be closed for a minute, and the worker may be replaced by processes.
        wait_until(lambda: descriptors(daemon.process.pid) <= before, "descriptors to be closed")

"""The process that looks up names for a listener's connections (spec: daemon 5, security SEC-30)."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tain.daemon import names

from .harness import HELLO, Daemon, children, wait_until

CONF = b"log file = DIR/log\nuse chroot = no\n[m]\npath = DIR\n"


def double(text: str) -> str:
    return text * 2


def hang(_: str) -> None:
    time.sleep(600)


def die(_: str) -> None:
    os._exit(1)


@pytest.fixture
def helper(monkeypatch: pytest.MonkeyPatch) -> Iterator[names.Helper]:
    monkeypatch.setattr(names.Helper, "_FUNCTIONS", (double, hang, die))
    monkeypatch.setattr(names.Helper, "THREADS", 3)
    helper = names.Helper()
    helper.start()
    assert helper.pid
    yield helper
    helper.close()
    # All connections have closed their ends, so the helper ends, even with busy threads.
    assert os.waitpid(helper.pid, 0)[1] == 0


def test_answers(helper: names.Helper) -> None:
    assert [helper.ask(double, text, 60) for text in ("a", "b\xe4", "")] == ["aa", "b\xe4b\xe4", ""]


def test_time_limit(helper: names.Helper) -> None:
    began = time.monotonic()
    assert helper.ask(hang, "", 0.2) is None
    assert 0.2 <= time.monotonic() - began < 60
    # A slow look-up delays no other.
    assert helper.ask(double, "x", 60) == "xx"


def test_each_question_gets_its_own_answer(helper: names.Helper) -> None:
    found: dict[int, Any] = {}

    def ask(number: int) -> None:
        for _ in range(50):
            try:
                found[number] = helper.ask(double, str(number), 60)
            except OSError:
                continue
            assert found[number] == str(number) * 2

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found


def test_without_a_free_thread_the_connection_looks_up_the_name(helper: names.Helper) -> None:
    for _ in range(3):
        assert helper.ask(hang, "", 0.05) is None
    with pytest.raises(OSError):
        helper.ask(double, "x", 60)
    assert names.Resolver(60, helper)._ask(double, "x") == "xx"


def test_a_helper_that_dies_during_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names.Helper, "_FUNCTIONS", (double, die))
    helper = names.Helper()
    helper.start()
    with pytest.raises(OSError):
        helper.ask(die, "", 60)
    os.waitpid(helper.pid, 0)
    with pytest.raises(OSError):
        helper.ask(double, "", 60)
    assert names.Resolver(60, helper)._ask(double, "x") == "xx"
    helper.ended()
    with pytest.raises(OSError):
        helper.ask(double, "", 60)
    # The second start waits.
    helper.start()
    assert not helper.pid


@pytest.mark.parametrize(("function", "answer"), [(double, "xx"), (hang, None), (die, None)])
def test_without_a_helper(function: Callable[[str], Any], answer: str | None) -> None:
    assert names._bounded(function, "x", 0.5 if function is hang else 60) == answer


def _helper_of(daemon: Daemon) -> int:
    connections = children(daemon.process.pid)
    words = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text().split()
    return next((int(word) for word in words if int(word) not in connections), 0)


def _asked(daemon: Daemon) -> str:
    daemon.talk(HELLO + b"\n")
    return next(line for line in reversed(daemon.log_lines()) if line.startswith("connect from"))


def test_names_without_its_helper(tmp_path: Path) -> None:
    with Daemon("tain", tmp_path, CONF) as daemon:
        wait_until(lambda: _helper_of(daemon), "the helper")
        expected = _asked(daemon)
        assert expected != "connect from UNKNOWN (127.0.0.1)"
        pid = _helper_of(daemon)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the daemon to reap it")
        assert _asked(daemon) == expected
        wait_until(lambda: _asked(daemon) == expected and _helper_of(daemon), "another helper")
        last = _helper_of(daemon)
        # A helper that has ended is not counted as a connection.
        assert not any("was ended by signal" in line for line in daemon.log_lines())
    wait_until(lambda: not Path(f"/proc/{last}").exists(), "it to end with the daemon")


def test_no_helper_where_no_names_are_looked_up(tmp_path: Path) -> None:
    with Daemon("tain", tmp_path, b"reverse lookup = no\n" + CONF, workers=False) as daemon:
        assert _asked(daemon) == "connect from UNDETERMINED (127.0.0.1)"
        assert not _helper_of(daemon)


def test_a_killed_listener_leaves_no_helper(tmp_path: Path) -> None:
    daemon = Daemon("tain", tmp_path, CONF)
    wait_until(lambda: _helper_of(daemon), "the helper")
    pid = _helper_of(daemon)
    daemon.process.kill()
    daemon.process.wait()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "it to end with the daemon")
    with Daemon("tain", tmp_path, CONF) as daemon:
        assert _asked(daemon) != ""

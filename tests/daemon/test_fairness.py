"""CCH-10: no client of a worker keeps another one waiting; and what its sessions share is shared by nobody else."""

from __future__ import annotations

import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .harness import LIMIT, PROGRAMS, Daemon, environment, wait_until
from .test_workers import ONE, names, worker_of

_BIG = 48 << 20
_DIRECTORIES, _IN_EACH = 60, 100
_SMALL = 20


def test_a_stalled_client_and_a_long_list_delay_nobody(tree: Path, tmp_path: Path) -> None:
    module = tree / "mod"
    with (module / "big").open("wb") as file:
        file.write(b"begin")
        file.truncate(_BIG)
    for n in range(_DIRECTORIES):
        (module / f"many/{n}").mkdir(parents=True)
        for k in range(_IN_EACH):
            os.link(module / "one", module / f"many/{n}/{k}")
    copy = tmp_path / "copy"
    copy.mkdir()
    with Daemon("tain", tree, ONE, workers=True) as daemon:
        url = f"rsync://127.0.0.1:{daemon.port}/m"
        # A client that takes the beginning of a file and then nothing.
        words = [*PROGRAMS["rsync"], "-W", f"{url}/big", str(copy)]
        stalled = subprocess.Popen(words, stdin=subprocess.DEVNULL, env=environment())
        try:
            wait_until(lambda: list(copy.glob(".big.*")) or (copy / "big").exists(), "the beginning of the file")
            stalled.send_signal(signal.SIGSTOP)
            pid = worker_of(daemon)
            with ThreadPoolExecutor(_SMALL + 1) as pool:
                listing = pool.submit(daemon.client, "-r", "HOST/m/many/")
                small = [pool.submit(daemon.client, "-r", "HOST/m/one") for _ in range(_SMALL)]
                results = [one.result(timeout=LIMIT) for one in small]
                code, out, err = listing.result(timeout=LIMIT)
            assert [(code, err) for code, _, err in results] == [(0, "")] * _SMALL
            assert {out.split()[-1] for _, out, _ in results} == {"one"}
            assert (code, err) == (0, "")
            assert len(out.splitlines()) == 1 + _DIRECTORIES * (1 + _IN_EACH)
            assert worker_of(daemon) == pid
        finally:
            stalled.send_signal(signal.SIGCONT)
            code = stalled.wait(LIMIT)
        assert code == 0
        assert (copy / "big").read_bytes() == b"begin".ljust(_BIG, b"\0")


def test_equal_words_of_two_clients_are_two_requests(tree: Path) -> None:
    with Daemon("tain", tree, b"max verbosity = 0\n" + ONE, workers=True) as daemon:
        first = names(daemon)
        # What the first request was limited to, and its paths, are not those of the next one.
        for path in ("one", "two", "one"):
            code, out, err = daemon.client("-r", f"HOST/m/{path}")
            assert (code, err) == (0, "")
            assert out.split()[-1] == path
        assert names(daemon) == first

"""EV-9: what a run calls done is a whole file, even if the next moment kills the run."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests import programs
from tests.interop.ends import shell
from tests.parity.tree import filler
from tests.sampling import runs_all

#: Kills of each way: 1,000 in all with FAULT=all, 100 otherwise.
KILLS = 500 if runs_all("FAULT") else 50
FILES = 60


@pytest.mark.parametrize("how", ["local", "pull"])
def test_done_is_whole(how: str, place: Path, space: Path, tain: str, rsync: str) -> None:
    """EV-9: after SIGKILL at any moment, each `done` and each item of the log names a file that equals its source.

    A push is not among them: the protocol tells a sender too late.
    """
    (place / "src").mkdir()
    content = filler(b"new", 400_000)
    for number in range(FILES):
        (place / f"src/f{number}").write_bytes(content[number : 1000 + number * 6000])
    sources = {name: (place / "src" / name).read_bytes() for name in os.listdir(place / "src")}
    remote = ["-e", str(shell(space)), f"--rsync-path={rsync}"]
    ends = ["src/", "dst/"] if how == "local" else [*remote, f"h:{place}/src/", "dst/"]
    command = [tain, "-a", "--no-whole-file", "--json-file=events", "--log-file=log", "--log-file-format=%i %n", *ends]
    env = programs.environment(str(space))
    chance = random.Random(how)
    cut = done = logged = 0
    # The longest delay is found by the runs themselves: a run that ends by itself was killed too late.
    longest = 0.3
    for _ in range(KILLS):
        shutil.rmtree(place / "dst", ignore_errors=True)
        (place / "dst").mkdir()
        for name in ("events", "log"):
            (place / name).unlink(missing_ok=True)
        process = subprocess.Popen(
            command, cwd=place, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(longest * chance.random())
        process.kill()
        if process.wait(30) == 0:
            longest = max(longest * 0.9, 0.02)
        else:
            cut += 1
        lines = (place / "events").read_bytes().split(b"\n")[:-1] if (place / "events").exists() else []
        for event in map(json.loads, lines):
            if event["type"] == "done":
                done += 1
                assert (place / "dst" / event["path"]).read_bytes() == sources[event["path"]]
        log = (place / "log").read_text().splitlines() if (place / "log").exists() else []
        for line in log:
            _, _, item = line.partition("] ")
            if item[1:3] == "f+":
                logged += 1
                name = item.split(" ", 1)[1]
                assert (place / "dst" / name).read_bytes() == sources[name]
    assert cut and done and logged

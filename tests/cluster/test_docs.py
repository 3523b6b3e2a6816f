"""The example of docs/how-to/many-streams.md does what the page shows."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

from tests.programs import PROGRAM, environment

PAGE = (Path(__file__).parents[2] / "docs/how-to/many-streams.md").read_text()


def test_the_example_of_the_page(tmp_path: Path) -> None:
    (example,) = re.findall(r"<!-- run -->\n```sh\n(.*?)```", PAGE, re.DOTALL)
    for path in ("one", "two", "docs/three", "docs/four/five"):
        (tmp_path / "src" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "src" / path).write_text(path)
    (tmp_path / "dst").mkdir()
    os.utime(tmp_path / "dst", (1, 1))
    command, *expected = example.splitlines()
    words = shlex.split(command.removeprefix("$ "))
    run = subprocess.run(
        [PROGRAM or "", *words[1:]], cwd=tmp_path, env=environment(str(tmp_path)), capture_output=True, text=True
    )
    lines = [line for line in run.stdout.splitlines() if not line.startswith(("sent ", "total size"))]
    assert lines + run.stderr.splitlines() == expected


REFERENCE = (Path(__file__).parents[2] / "docs/reference/cluster.md").read_text()


def test_the_session_of_the_reference(tmp_path: Path) -> None:
    (session,) = re.findall(r"```sh\n(\$ tain cluster.*?)```", REFERENCE, re.DOTALL)
    for path in ("a/one", "a/two", "b/three", "b/four/five"):
        (tmp_path / "src" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "src" / path).write_text(path + "\n\n")
    shown = ""
    for command in re.findall(r"(?m)^\$ (.*)$", session):
        done = subprocess.run(
            [PROGRAM or "", *shlex.split(command)[1:]], cwd=tmp_path, env=environment(str(tmp_path)),
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        lines = [line for line in done.stdout.splitlines() if line and not line.startswith(("sent ", "total size"))]
        shown += "".join(f"{line}\n" for line in [f"$ {command}", *lines])
    shown = re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{8}", "ID", shown).replace(str(tmp_path / "plan"), "PLACE")
    assert shown == session

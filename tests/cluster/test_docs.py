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

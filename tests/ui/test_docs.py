"""The examples of docs/how-to/progress.md do what the page shows."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tempfile
from pathlib import Path

from tests.programs import PROGRAM, environment

PAGE = (Path(__file__).parents[2] / "docs/how-to/progress.md").read_text()
EXAMPLES = re.findall(r"<!-- run -->\n```sh\n(.*?)```", PAGE, re.DOTALL)


def test_the_examples_of_the_page() -> None:
    assert len(EXAMPLES) == 4 and PROGRAM
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        for directory in ("src/docs", "dst", "other/old", "empty"):
            (home / directory).mkdir(parents=True)
        (home / "src/docs/a").write_text("12345678")
        (home / "src/b").write_text("12345678")
        for path in ("dst/gone", "other/old/1", "other/old/2"):
            (home / path).write_text("old")
        os.utime(home / "dst", (1, 1))
        for example in EXAMPLES:
            shown = ""
            for line in example.splitlines():
                if not line.startswith("$ "):
                    continue
                words = shlex.split(line[2:])
                run = subprocess.run(
                    [PROGRAM, *words[1:]], cwd=home, env=environment(name), stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT, text=True,
                )  # fmt: skip
                shown += line + "\n" + run.stdout
            shown = re.sub(r"(at \w+\.py)\(\d+\)", r"\1(1)", shown)
            shown = re.sub(r"free .* on .*", "free FREE", shown).replace(name, "/tmp/work")
            assert shown == example

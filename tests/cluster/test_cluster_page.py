"""The commands of docs/how-to/cluster.md exist, and its example does what the page shows."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

from tain.cluster import doctor, secure, starters
from tain.cluster.subcommands import COMMANDS
from tain.cluster.words import FLAGS, VALUED
from tests.programs import PROGRAM, environment

PAGE = (Path(__file__).parents[2] / "docs/how-to/cluster.md").read_text()


def test_the_example_of_the_page(tmp_path: Path) -> None:
    (example,) = re.findall(r"<!-- run -->\n```sh\n(.*?)```", PAGE, re.DOTALL)
    command, *expected = example.splitlines()
    words = shlex.split(command.removeprefix("$ "))
    run = subprocess.run(
        [PROGRAM or "", *words[1:]], cwd=tmp_path, env=environment(str(tmp_path)), capture_output=True, text=True
    )
    assert (run.stdout.splitlines(), run.stderr, run.returncode) == (expected, "", 0)


def test_the_commands_and_options_of_the_page() -> None:
    commands = set(re.findall(r"tain cluster ([a-z]+)", PAGE)) - {"scheduler:"}
    assert commands <= set(COMMANDS)
    known = {*VALUED, *FLAGS, *secure.OPTIONS, "--delete", "--backup", "--inplace", "--password-file"}
    known |= set(re.findall(r"--[a-z-]+", starters.SCHEDULER_HELP + starters.WORKER_HELP + doctor.HELP))
    assert set(re.findall(r"--[a-z-]+[a-z]", PAGE)) <= known


def test_each_command_has_a_help(tmp_path: Path) -> None:
    for name in ("scheduler", "worker", "certs", "doctor"):
        command = [PROGRAM or "", "cluster", name, "--help"]
        run = subprocess.run(command, cwd=tmp_path, env=environment(str(tmp_path)), capture_output=True, text=True)
        assert (run.returncode, run.stderr) == (0, "")
        assert run.stdout.startswith(f"tain cluster {name} ")

"""The pages about mirror jobs do what they show, and name every key and every command."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tain.mirror.cli import group
from tain.mirror.commands.common import who
from tain.mirror.model import TABLES, TOP, Job
from tests import programs
from tests.mirror.site import Site

DOCS = programs.ROOT / "docs"
EXAMPLES = re.findall(r"<!-- run -->\n```sh\n(.*?)```", (DOCS / "how-to/mirror.md").read_text(), re.DOTALL)
REFERENCE = (DOCS / "reference/mirror.md").read_text()


def normal(text: str, root: Path) -> str:
    """*text* without what differs between two runs."""
    text = text.replace(str(root), "/srv").replace(f"by {who()}", "by USER")
    text = re.sub(r"\b[0-9.]+(s| ms)\b(?! ago)", "TIME", text)
    # Directories are read in the order of the file system.
    text = re.sub(r"first: .*? \(", "first: NAMES (", text)
    text = re.sub(r"until \d\d \w\w\w \d\d:\d\d", "until DATE", text)
    text = re.sub(
        r"(fresh  )(AGE|\S+ (?:s|min)|TIME)( +)(\S+)( +)(\d\d:\d\d(?: \(\+1\))?|CLOCK)( +)", r"\1AGE CLOCK CLOCK ", text
    )
    return re.sub(r" +", " ", re.sub(r"( )TIME( +)(CLOCK)", r"\1AGE \3", text))


def test_mir_85_the_how_to(site: Site) -> None:
    """Each command of the page, typed as it stands there."""
    assert len(EXAMPLES) == 3
    upstream = site.root / "upstream"
    for name, number in (("a", 30), ("b", 10)):
        (upstream / name).mkdir(parents=True)
        for index in range(number):
            (upstream / name / f"f{index}").write_text("ten bytes\n")
    assert programs.PROGRAM is not None
    environment = {
        **site.environment(), "TAIN_MIRROR_CONFIG": str(site.file), "STATE_DIRECTORY": str(site.state),
        "PATH": f"{Path(programs.PROGRAM).parent}:/usr/bin:/bin",
    }  # fmt: skip
    for example in EXAMPLES:
        commands = re.split(r"^\$ ", example, flags=re.MULTILINE)[1:]
        for command in commands:
            line, _, expected = command.partition("\n")
            done = subprocess.run(
                ["sh", "-c", line.replace("/srv", str(site.root))], env=environment, capture_output=True, text=True,
                check=False, timeout=60,
            )  # fmt: skip
            # A warning depends on the machine.
            errors = [text for text in done.stderr.splitlines() if "root file system" not in text]
            shown = done.stdout + "".join(f"{text}\n" for text in errors)
            assert normal(shown, site.root) == normal(expected, site.root), line


def test_every_key_is_in_the_reference() -> None:
    keys = [*Job.model_fields]
    for name, model in {**TABLES, **TOP}.items():
        keys += [f"{name}.{key}" for key in model.model_fields]
    missing = [key for key in keys if f"`{key}`" not in REFERENCE and key not in TABLES]
    assert not missing
    named = re.findall(r"`((?:{})\.[a-z_]+)`".format("|".join([*TABLES, *TOP])), REFERENCE)
    assert not [key for key in named if key not in keys]


def test_every_command_is_in_the_reference() -> None:
    for name, command in group().commands.items():
        assert f"| `{name}" in REFERENCE, name
        for option in command.params:
            if option.param_type_name == "option" and option.opts[0] not in (
                "--config",
                "--state",
                "--json",
                "--plain",
            ):
                assert any(word in REFERENCE for word in option.opts), (name, option.opts)

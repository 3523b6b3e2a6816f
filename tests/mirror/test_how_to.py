"""MIR-85: the pages for a home, a department, and those who come from other tools, typed as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests import programs
from tests.mirror.site import Site
from tests.mirror.test_docs import DOCS, normal

PAGES = ("home-backup", "department-mirror", "from-cron", "from-tunasync")
_BLOCK = re.compile(r"<!-- (run|file)(?:: (\S+))? -->\n```\w*\n(.*?)```", re.DOTALL)


def fill(site: Site) -> None:
    """What the pages find below ``/srv``."""
    for place, number in (("laptop/su", 30), ("upstream/tree", 30), ("upstream-a/debian/pool", 30)):
        directory = site.root / place
        directory.mkdir(parents=True)
        for index in range(number):
            (directory / f"f{index}").write_text("ten bytes\n")
    for part, number in (("p0", 40), ("p1", 10)):
        (site.root / "upstream-a/epel" / part).mkdir(parents=True)
        for index in range(number):
            (site.root / "upstream-a/epel" / part / f"{index}.rpm").write_text("ten bytes\n")
    (site.root / "upstream-a/epel/repodata").mkdir()
    (site.root / "upstream-a/epel/repodata/repomd.xml").write_text("<repomd/>\n")
    (site.root / "upstream-a/debian/Release").write_text("Suite: stable\n")
    subprocess.run(["cp", "-a", "upstream-a", "upstream-b"], cwd=site.root, check=True)
    (site.root / "mirror").mkdir()
    (site.root / "nas").mkdir()


def shown(site: Site, line: str) -> str:
    """What a command prints, without what depends on the machine."""
    assert programs.PROGRAM is not None
    environment = {
        **site.environment(), "TAIN_MIRROR_CONFIG": str(site.file), "STATE_DIRECTORY": str(site.state), "TZ": "UTC",
        "PATH": f"{Path(programs.PROGRAM).parent}:/usr/bin:/bin",
    }  # fmt: skip
    done = subprocess.run(
        ["sh", "-c", line.replace("/srv", str(site.root))], env=environment, capture_output=True, text=True,
        check=False, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    errors = [text for text in done.stderr.splitlines() if "root file system" not in text]
    return normal_more(done.stdout + "".join(f"{text}\n" for text in errors), site.root)


def normal_more(text: str, root: Path) -> str:
    text = re.sub(r"\d{4}-\d\d-\d\dT\d{4}Z(\+\d+)?", "SNAPSHOT", normal(text, root))
    text = re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{4}", "RUN", text)
    text = re.sub(r"\d\d \w\w\w \d{4} \d\d:\d\d, \S+ (s|min) old", "DATE, AGE old", text)
    text = re.sub(r"((?:fresh|HELD) )\S+(?: s| min)? \S+ \S+(?: \(\+1\))?", r"\1AGE CLOCK CLOCK", text)
    # How long a line of a table is depends on the paths.
    return "\n".join(line.rstrip() for line in text.split("\n"))


@pytest.mark.parametrize("page", PAGES)
def test_mir_85_how_to(page: str, site: Site) -> None:
    text = (DOCS / f"how-to/{page}.md").read_text()
    fill(site)
    done = 0
    for kind, name, body in _BLOCK.findall(text):
        if kind == "file":
            (site.root / (name or "mirror.toml")).write_text(body.replace("/srv", str(site.root)))
            continue
        for command in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            line, _, expected = command.partition("\n")
            if os.environ.get("SHOW"):
                print(f"$ {line}\n{shown(site, line)}", end="")
                continue
            assert shown(site, line) == normal_more(expected, site.root), line
            done += 1
    assert done >= 3 or os.environ.get("SHOW")

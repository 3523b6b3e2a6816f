"""``--chmod``: every rule against many modes, by rsync and by the core (spec: options 6.1)."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import programs

UMASK = 0o022
MODES = (0o000, 0o644, 0o755, 0o1750, 0o1777, 0o2755, 0o4710, 0o5007, 0o6070, 0o7777)
CLASSES = ("", "u", "g", "o", "a", "go")
VALUES = ("", "r", "rwx", "X", "s", "t", "st", "rs", "u", "g", "o")
RULES = [who + op + value for who, op, value in itertools.product(CLASSES, "+-=", VALUES)]
RULES += ["Du=s", "Fo=u", "D=t", "Fo+s", "Fa=u,o+t", "go=u,g-w", "D2755,F4644", "a=rX,u+w", "u=t,u+s", "ug=o,o="]
RULES += ["D755,F644", "ugo=rwX", "+w", "F+x", "a=r,u+w", "7777", "D+X", "g+s,o-x", "=rx", "F-x", "a+x,F-x,D700"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("chmod")
    (top / "s").mkdir()
    for mode in MODES:
        (top / "s" / f"d{mode:04o}").mkdir()
        (top / "s" / f"f{mode:04o}").write_bytes(b"")
        for kind in "df":
            (top / "s" / f"{kind}{mode:04o}").chmod(mode)
    return top


def results(program: str, top: Path, rule: str) -> dict[str, int]:
    shutil.rmtree(top / "d", ignore_errors=True)
    command = [program, "-a", f"--chmod={rule}", "s/", "d/"]
    done = subprocess.run(command, cwd=top, capture_output=True, text=True, umask=UMASK, check=False)
    assert done.returncode == 0, done.stderr
    return {name: (top / "d" / name).stat().st_mode & 0o7777 for name in sorted(os.listdir(top / "d"))}


@pytest.mark.parametrize("rules", [RULES[n::6] for n in range(6)], ids=lambda rules: f"{len(rules)}-from-{rules[0]}")
def test_every_rule(rules: list[str], source: Path, tain: str, rsync: str) -> None:
    """All in a few tests: what counts is that no rule is missed."""
    programs.need_root()
    differ = []
    for rule in rules:
        theirs, ours = results(rsync, source, rule), results(tain, source, rule)
        for name, wanted in theirs.items():
            if ours[name] != wanted:
                differ.append(f"{rule} on {name}: rsync {wanted:o}, tain {ours[name]:o}")
    assert not differ

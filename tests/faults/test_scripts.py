"""Each script below scripts/, run with tain, prints what is written beside it in expected/.

A script takes the program to try as its first argument and a free port as its second, works below a temporary
directory, and prints what happened. The head of a script names the kind of fault and who runs it. The expected text is
what rsync printed (`RECORD=1` writes it again, with rsync as the program). In it, a line that begins with `rsync| ` or
`tain | ` is for that program only, and a line that begins with `## ` says why the two differ there.

`PROGRAM=rsync` runs the scripts with rsync: the expected texts must hold for it too.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import programs
from tests.ports import free_port

HERE = Path(__file__).parent
SCRIPTS = sorted(path for path in (HERE / "scripts").iterdir() if path.suffix in (".sh", ".py"))
RECORD = os.environ.get("RECORD", "") not in ("", "0")

#: Where both programs may differ, and what depends on the machine.
ALIKE: list[tuple[str, str]] = [
    (r"(?m)^refusing to follow a symlink owned by an untrusted user.*\n", ""),
    (r" at [\w./-]+\(\d+\) \[", " at X ["),
    (r"\(file=[\w.-]+, line=\d+\)", "(file=X, line=N)"),
    (r"\[(\w+)=[0-9][\w.+-]*\]", r"[\1=V]"),
    (r"(\.[^\s/\"]+)\.[A-Za-z0-9]{6}(?=\"| |$)", r"\1.XXXXXX"),
    (r"(?m)^sent [0-9,]+ bytes  received .*\n|^total size is .*\n", ""),
    (r"\(\d+ bytes received so far\)", "(N bytes received so far)"),
    (r"(?m)^rsync error: received SIGUSR1 \(code 19\).*\n", ""),
    (r"(?m)^[^ ]*: line \d+: +\d+ (Killed|Terminated).*\n", ""),
]


def head(script: Path) -> dict[str, str]:
    """What the first comment lines of a script say: kind, user, needs."""
    return dict(re.findall(r"(?m)^# (kind|user|needs): (.*)$", script.read_text()))


def expected(script: Path, program: str) -> str:
    """The text that `program` ("rsync" or "tain ") has to print."""
    lines = []
    for line in (HERE / "expected" / f"{script.name}.txt").read_text().splitlines():
        if line.startswith("## ") or line == "##":
            continue
        if line.startswith(("rsync| ", "tain | ")):
            if line.startswith(program):
                lines.append(line[7:])
            continue
        lines.append(line)
    return "\n".join(lines) + "\n"


@pytest.fixture
def room(space: Path) -> Iterator[Path]:
    """A directory for the temporary files of a script, open to every user."""
    room = space / "scripts"
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir()
    room.chmod(0o1777)
    yield room
    shutil.rmtree(room, ignore_errors=True)


def printed(script: Path, program: str, room: Path) -> str:
    """What the script prints with this program, made independent of the machine."""
    port = free_port()
    home = str(room)
    env = programs.environment(home, TMPDIR=home, PEER=programs.PEER)
    interpreter = ["bash"] if script.suffix == ".sh" else ["python3"]
    user = head(script)["user"] == "ordinary"
    ran = programs.run(
        [*interpreter, str(script), program, str(port)], cwd=home, env=env, user=user, limit=110, together=True
    )
    text = ran.out.decode(errors="backslashreplace")
    assert ran.code != -999, f"did not end:\n{text}"
    text = re.sub(re.escape(home) + r"/tmp[.\w]+", "W", text)
    text = text.replace(program, "PROGRAM").replace(str(port), "PORT")
    text = re.sub(r"(?m)^tain( error| warning|):", r"rsync\1:", text)
    for pattern, instead in ALIKE:
        text = re.sub(pattern, instead, text)
    return text


@pytest.mark.parametrize("script", [pytest.param(path, id=path.stem.replace("_", "-")) for path in SCRIPTS])
def test_script(script: Path, room: Path, tain: str) -> None:
    programs.need_root()
    programs.need(*head(script).get("needs", "").split())
    if RECORD:
        (HERE / "expected" / f"{script.name}.txt").write_text(printed(script, programs.PEER, room))
        return
    ours = printed(script, tain, room)
    assert ours.splitlines() == expected(script, "rsync" if programs.SELF_CHECK else "tain ").splitlines()

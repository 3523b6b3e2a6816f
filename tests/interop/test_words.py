"""The words that a client hands to its remote shell, byte for byte beside rsync's (spec: protocol 1.3 to 1.8)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import programs
from tests.sampling import runs_all

FORMATS = [
    "!bang", '"q"', "it's", "a b", "%i %n", "%n!", "%%i", "%5n", "%'n", "%-10n %L", "%o", "%o %f", "%I", "%%o", "%",
    "%b", "%c", "%B %U", "%h %a %m %p", "%M", "%t", "%l", "", " ", "\\", "\\n", "$x", "`x`", "%i!%n", "a;b", "a*b",
    "a?b", "[a]", "~", "#", "&", "|", "<", "(", "\t",
]  # fmt: skip
#: Options in front of the format, and where it goes.
SETS = ["--out-format", "-v --out-format", "-i --out-format", "-ii --out-format", "--log-format", "-s --out-format",
        "--old-args --out-format", "-M--out-format", "-M--log-file-format", "--old-args -M--out-format"]  # fmt: skip
VALUES = ["!bang", '"q"', "it's", "a b", "$x", "\\", "*", "?", "a'b\"c", "~x", "-x", " ", "!", "a!b", "a\nb"]
OPTIONS = ["--suffix", "--partial-dir", "--backup-dir", "--temp-dir", "--compare-dest", "--link-dest", "--usermap",
           "--skip-compress", "-M--suffix", "-M--exclude"]  # fmt: skip


#: An option gets every third text, the next option those behind these; every one of them with INTEROP=all.
EVERY = 1 if runs_all("INTEROP") else 3


@pytest.fixture
def recorder(place: Path) -> Path:
    shell = place / "shell"
    shell.write_text('#!/bin/sh\nprintf "%s\\0" "$@" >words\nexit 3\n')
    shell.chmod(0o755)
    (place / "src").mkdir()
    return shell


def words(program: str, recorder: Path, arguments: list[str]) -> bytes:
    record = recorder.parent / "words"
    record.unlink(missing_ok=True)
    env = programs.environment(str(recorder.parent))
    programs.run([program, "-a", "-e", str(recorder), *arguments], cwd=recorder.parent, env=env)
    return record.read_bytes() if record.exists() else b"(nothing was started)"


def same(rsync: str, tain: str, recorder: Path, arguments: list[str]) -> None:
    assert words(tain, recorder, arguments) == words(rsync, recorder, arguments), arguments


@pytest.mark.parametrize("options", SETS)
def test_formats(rsync: str, tain: str, recorder: Path, options: str) -> None:
    *front, last = options.split()
    for text in FORMATS[SETS.index(options) % EVERY :: EVERY]:
        same(rsync, tain, recorder, [*front, f"{last}={text}", "src/", "h:d"])
        same(rsync, tain, recorder, [*front, f"{last}={text}", "h:s", "d"])


@pytest.mark.parametrize("option", OPTIONS)
def test_values(rsync: str, tain: str, recorder: Path, option: str) -> None:
    for text in VALUES[OPTIONS.index(option) % EVERY :: EVERY]:
        same(rsync, tain, recorder, ["-b", f"{option}={text}", "src/", "h:d"])
        same(rsync, tain, recorder, ["-b", f"{option}={text}", "h:s", "d"])


@pytest.mark.parametrize(
    "quoting", [[], ["-s"], ["--old-args"], ["--old-args", "--old-args"]], ids=["", "s", "o", "oo"]
)
def test_paths(rsync: str, tain: str, recorder: Path, quoting: list[str]) -> None:
    # rsync puts a backslash in front of a line end, which a shell drops, and the name with it; tain quotes it.
    plain = [value for value in VALUES if "\n" not in value]
    for text in [*plain, "a\\*b", "~", "~user/x", "./~", "a~"]:
        same(rsync, tain, recorder, [*quoting, "src/", f"h:{text}"])
        same(rsync, tain, recorder, [*quoting, f"h:{text}", f":{text}", "d"])

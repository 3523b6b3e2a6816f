"""Hints for mistyped options, and other hints of a client that were wrong once."""

from __future__ import annotations

import os

import pytest

from tain.cli.main import main
from tain.diagnosis import hints
from tain.session.environment import Environment

MEANT = {
    "--delet-after": "--delete-after",
    "--progres": "--progress",
    "--delte": "--delete",
    "--exlude=x": "--exclude",
    "--recursvie": "--recursive",
    "---delete": "--delete",
    "-\u2013delete": "--delete",
    "--info=progres2": "--info=progress",
    "--debug=flits": "--debug=flist",
    "\u2013av": "-av",
    "\u2013delete": "--delete",
    "\u2014delete": "--delete",
    "\u2014archive": "--archive",
    "\u2010r": "-r",
}


def run(words: list[str], tmp_path: object) -> tuple[int, str]:
    err = os.open(f"{tmp_path}/err", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    env = Environment(argv=[b"rsync"], environ={}, cwd=os.fsencode(f"{tmp_path}"), stdout=err, stderr=err)
    code = main([b"rsync", *map(os.fsencode, words)], env)
    os.lseek(err, 0, os.SEEK_SET)
    text = os.read(err, 1 << 16).decode()
    os.close(err)
    return code, text


@pytest.mark.parametrize("word", MEANT)
def test_the_suggested_option(word: str, tmp_path: object) -> None:
    code, text = run(["--hints", word, "src/", "dst/"], tmp_path)
    assert code in (1, 23)
    found = [line for line in text.splitlines() if line.startswith("hint[")]
    assert len(found) == 1
    assert found[0].startswith(f"hint[D47]: did you mean {MEANT[word]}?; check: ")
    assert found[0].endswith("; fix: write it so")
    assert text.splitlines()[-1] == found[0]


@pytest.mark.parametrize("options", [[], ["--hints", "--no-hints"], ["--hints", "-q"]])
def test_scripts_read_what_rsync_says(options: list[str], tmp_path: object) -> None:
    code, text = run([*options, "--delet-after", "src/", "dst/"], tmp_path)
    assert code == 1
    assert text.startswith("rsync: --delet-after: unknown option\nrsync error: syntax or usage error (code 1)")
    assert "hint[" not in text


@pytest.mark.parametrize("word", ["--xyzzy", "--no-such-thing-at-all", "-~", "--q"])
def test_nothing_near(word: str, tmp_path: object) -> None:
    assert "hint[" not in run(["--hints", word, "src/", "dst/"], tmp_path)[1]


def test_a_server_gives_no_hint(tmp_path: object) -> None:
    assert "hint[" not in run(["--server", "--hints", "--delet-after", ".", "dst/"], tmp_path)[1]


def test_a_missing_parent_is_explained() -> None:
    line = 'rsync: [Receiver] mkdir "/a/no/such/deep" failed: No such file or directory (2)'
    (hint,) = hints.find([line])
    assert hint.id == "D31" and hint.cause.startswith("the directory in which it should be made does not exist")
    assert "--mkpath" in hint.fix


def test_a_module_that_is_closed() -> None:
    (hint,) = hints.find(["@ERROR: daemon security issue -- contact admin"], host="h")
    assert hint.id == "D34" and "on h: tain --daemon --check-config" in hint.check

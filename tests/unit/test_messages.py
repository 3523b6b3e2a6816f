"""What error lines mean: `tain.diagnosis.messages` against the lines of docs/spec/output.md 14."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tain.diagnosis.messages import parse, problems
from tain.problems import Problem

SPEC = Path(__file__).parents[2] / "docs/spec/output.md"


@pytest.mark.parametrize(
    ("line", "direction", "expected"),
    [
        ('rsync: [sender] send_files failed to open "/s/a b": Permission denied (13)', "pull",
         (b"/s/a b", 13, "reading", "sender", "peer")),
        ('rsync: [sender] link_stat "/s/x" failed: No such file or directory (2)', "push",
         (b"/s/x", 2, "reading", "sender", "here")),
        ('file has vanished: "/s/x"', "pull", (b"/s/x", None, "vanished", "sender", "peer")),
        ('rsync: [receiver] rename "/d/.a.X" -> "a": Is a directory (21)', "local",
         (b"a", 21, "renaming", "receiver", "here")),
        ('rsync: [sender] opendir "/x" (in m) failed: Permission denied (13)', "pull",
         (b"/x", 13, "listing", "sender", "peer")),
        ('rsync: [receiver] write failed on "/d/\\#012x": No space left on device (28)', "push",
         (b"/d/\nx", 28, "writing", "receiver", "peer")),
        ("rsync: [generator] delete_file: rmdir(a) failed: Permission denied (13)", "local",
         (b"a", 13, "deleting", "generator", "here")),
        ("@ERROR: Unknown module 'x'", "push", (None, None, "opening the module", "daemon", "peer")),
        ("rsync: connection unexpectedly closed (0 bytes received so far) [sender]", "push",
         (None, None, "connection lost", "sender", "here")),
        ("rsync: [sender] something new failed: Input/output error (5)", "push",
         (None, 5, "other", "sender", "here")),
    ],
)  # fmt: skip
def test_lines(line: str, direction: str, expected: tuple[object, ...]) -> None:
    found = parse(line, direction=direction)
    assert found is not None
    assert (found.path, found.errno, found.action, found.role, found.side) == expected
    assert found.text == line


@pytest.mark.parametrize(
    "line",
    [
        "rsync error: some files/attrs were not transferred (see previous errors) (code 23) at x.py(1) [sender=3.5.0]",
        "*** Skipping any contents from this failed directory ***",
        "sending incremental file list",
        "",
    ],
)
def test_lines_without_a_failure(line: str) -> None:
    assert parse(line) is None


def test_every_line_of_the_specification_with_a_system_error_has_an_action() -> None:
    """The rows of the tables of scanning, data and attributes, where files fail."""
    section = SPEC.read_text().split("### 14.3")[1].split("### 14.6")[0]
    shapes = [
        shape for row in re.findall(r"^\| (`rsync: \[.*?) \|", section, re.M) for shape in re.findall("`(.*?)`", row)
    ]
    shapes = [shape for shape in shapes if shape.startswith("rsync: [")]
    assert len(shapes) > 20
    for shape in shapes:
        line = shape.replace("[R]", "[receiver]").replace("ERR (n)", "Permission denied (13)").replace("…", "x (13)")
        found = parse(line)
        assert found is not None and found.action != "other", line
        assert found.path is not None, line


@given(st.binary(min_size=1, max_size=40))
def test_names_survive(name: bytes) -> None:
    if b"\0" in name:
        return
    shown = "".join(f"\\#{byte:03o}" if byte < 32 else chr(byte) for byte in name if byte < 128)
    plain = bytes(byte for byte in name if byte < 128)
    if "\\#" in plain.decode():
        return
    found = parse(f'rsync: [sender] opendir "{shown}" failed: Permission denied (13)')
    assert found is not None and found.path == plain


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    found = parse(text)
    assert found is None or isinstance(found, Problem)


def test_several_lines() -> None:
    text = b'rsync: [sender] opendir "/\xff" failed: Permission denied (13)\nrsync error: x (code 23) at a(1) [b=c]\n'
    (found,) = problems(text)
    assert found.path == b"/\xff"
    assert found.where == PurePath(os.fsdecode(b"/\xff"))

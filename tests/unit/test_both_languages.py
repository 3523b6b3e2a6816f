"""What is written in Python and in Rust must say the same: exit texts, message tags, the closing line."""

from __future__ import annotations

import re
from pathlib import Path

from tain.errors import EXIT_TEXTS
from tain.report.output import closing_line
from tain.session import server

CORE = Path(__file__).resolve().parents[2] / "crates/core/src"


def test_exit_texts() -> None:
    """The core knows the codes with which it ends a connection; each has the text of the program's table."""
    source = (CORE / "error.rs").read_text()
    table = dict(re.findall(r'^        (\d+) => "(.*)",$', source, re.M))
    assert len(table) > 10
    assert {int(code): text for code, text in table.items()}.items() <= EXIT_TEXTS.items()


def test_message_tags() -> None:
    source = (CORE / "wire/frames.rs").read_text()
    numbers = {
        name.upper(): int(number) for name, number in re.findall(r'^    (\w+) = (\d+)(?: "\w+")?[,;]$', source, re.M)
    }
    tags = {name: value for name, value in vars(server).items() if name.startswith("TAG_")}
    assert tags
    for name, value in tags.items():
        assert numbers[name.removeprefix("TAG_").replace("_", "")] == value, name


def test_closing_line() -> None:
    """A server's closing line over the link has the form of the one that its client prints."""
    (form,) = re.findall(r'"(rsync error: .*)\\n"', (CORE / "roles/remote/ending.rs").read_text())
    words = {"code": "12", "role": "sender", "": EXIT_TEXTS[12]}
    line = re.sub(r"\{(\w*)\}", lambda name: words[name[1]], form)
    assert closing_line(12, "sender", "core.rs(1)").decode() == f"{line}\n"

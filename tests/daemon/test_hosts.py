"""Host lists in both daemons: each is a module (spec: daemon 5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from .harness import HELLO, Daemon

LISTS = [
    *(
        f"hosts allow = {words}"
        for words in (
            "127.0.0.1", "localhost", "LOCALHOST", "local*", "l?calhost", "[k-m]ocalhost", "[K-M]OCALHOST",
            "127.0.0.0/8", "127.0.0.0/255.0.0.0", "127.1", "127.0.0.1/33", "127.0.0.1/-1", "127.0.0.1/x",
            "127.0.0.1/", "10.0.0.0/0", "::1", "::/0", "::ffff:127.0.0.1", "::ffff:127.0.0.1/104", "127.0.0.*",
            "*", "127.", ".localhost", "ALL", "@nogroup", "nosuch.invalid", "10.0.0.1,127.0.0.1",
            "10.0.0.1 , 127.0.0.1", "", "0x7f.1", "2130706433", "0177.0.0.1", ";", "! 127.0.0.1",
            "126.0.0.0/7", "localhost localhost", "localhost\nforward lookup = no",
            "[[:lower:]]ocalhost", "[[:digit:]]ocalhost", "[!l]ocalhost", "[localhost", "loc\\alhost", "\\l*",
            "localhost\\", "l*\\", "loc*/t", "[[:digit:]]*", "127.0.0.\\1",
            "10.0.0.1\nhosts deny = 10.0.0.2", "10.0.0.1\nhosts deny = *", "127.0.0.1\nhosts deny = *",
        )
    ),
    *(
        f"hosts deny = {words}"
        for words in (
            "nosuch.invalid", "127.0.0.1/33", "127.", "@nogroup", "ALL", "*", "127.0.0.0/9",
            "127.0.0.1/255.255", "300.1.1.1", "127.0.0.1.5", "1.2.3.4/a.b", "x:y", "",
            "[[:lower:]]ocalhost", "loc\\alhost", "\\l*", "localhost\\", "127.0.0.\\1", "[localhost",
            "localhost\nforward lookup = no", "::1/129", "::1/ffff::",
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize("names", ["no", "yes"])
def test_dmn_23_host_lists(names: str, tmp_path: Path) -> None:
    # Only the lists with names are tried with names.
    lists = LISTS if names == "no" else [words for words in LISTS if "o" in words.partition("=")[2]]
    conf = f"log file = DIR/log\nuse chroot = no\nreverse lookup = {names}\npath = DIR\n"
    conf += "".join(f"[m{number}]\n{words}\n" for number, words in enumerate(lists))
    found: dict[str, list[object]] = {}
    for kind in ("rsync", "tain"):
        with Daemon(kind, tmp_path / kind, conf.encode()) as daemon:
            found[kind] = []
            for number, words in enumerate(lists):
                seen = len(daemon.log_lines())
                answer = daemon.talk(HELLO + b"m%d\n" % number)
                lines = [
                    line for line in daemon.log_lines()[seen:] if "safe_write" not in line and "(code 12)" not in line
                ]
                # Other tests cover the rest of an accepted request.
                found[kind].append((words, answer, lines[:3]))
    assert found["tain"] == found["rsync"]

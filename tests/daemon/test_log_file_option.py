"""`--log-file` of a daemon: which lines go there, and which to the file that the configuration names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .harness import Daemon

CONFIGURATIONS = {
    "none": b"[m]\npath = DIR/tree\n",
    "global": b"log file = DIR/configured\n[m]\npath = DIR/tree\n",
    "module": b"[m]\npath = DIR/tree\nlog file = DIR/configured\n",
    "unopenable": b"[m]\npath = DIR/tree\nlog file = DIR/missing/configured\n",
}


def lines(file: Path, daemon: Daemon) -> list[str]:
    """Without stamps, process numbers, ports and counts of bytes."""
    if not file.exists():
        return []
    text = re.sub(r"(?m)^\S+ \S+ \[\d+\] ", "", file.read_text())
    return re.sub(r"\d+ bytes", "N bytes", text.replace(str(daemon.port), "PORT")).splitlines()


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_which_lines_go_where(name: str, tmp_path: Path) -> None:
    found = []
    for kind in ("rsync", "tain"):
        base = tmp_path / kind
        (base / "tree").mkdir(parents=True)
        (base / "tree" / "file").write_bytes(b"data")
        given = base / "given"
        conf = b"use chroot = no\nreverse lookup = no\ntransfer logging = yes\nlog format = %o %f %l\n"
        with Daemon(kind, base, conf + CONFIGURATIONS[name], f"--log-file={given}") as daemon:
            for words in (["HOST/m/file", str(base / "copy")], ["HOST/m/none", str(base / "copy")], ["HOST/none/"]):
                daemon.client("-r", *words)
            daemon.wait_for_connections()
        found.append([lines(file, daemon) for file in (given, base / "configured")])
    assert found[1] == found[0]
    assert "send file 4" not in found[0][0]
    assert ("send file 4" in found[0][1]) == (name in ("global", "module"))

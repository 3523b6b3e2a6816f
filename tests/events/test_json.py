"""Lines of JSON about entries: they agree with the lines of ``-i``, carry every name, and promise only whole files."""

from __future__ import annotations

import base64
import json
import os
import random
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import programs
from tests.events import core_runs

if TYPE_CHECKING:
    from tain import _core


#: What makes the core emit all its lines of JSON.
JSON = ("json-item", "json-done", "json-delete")


class Lines:
    """Takes the batches of a run, and reads their lines of JSON."""

    def __init__(self) -> None:
        self.text = b""
        self.stdout = b""

    def __call__(self, transfer: _core.Run) -> None:
        for batch in transfer:
            for event in batch:
                if event[0] == "json":
                    self.text += event[1]
                elif event[0] == "stdout":
                    self.stdout += event[1]

    def read(self) -> list[dict[str, Any]]:
        assert self.text == b"" or self.text.endswith(b"\n")
        lines = self.text.decode().splitlines()
        assert len(lines) == self.text.count(b"\n")
        assert all(len(line) < 65536 for line in lines)
        return [json.loads(line) for line in lines]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.read() if line["type"] == kind]


def path_of(line: dict[str, Any]) -> bytes:
    if "path_b64" in line:
        path = base64.b64decode(line["path_b64"])
        assert path.decode(errors="replace").count("\ufffd") >= 1
        return path
    return str(line["path"]).encode()


def fill(tree: Path) -> None:
    """A source, and a destination that differs from it in many ways."""
    for name, text in {
        "src/new": "n", "src/sub/changed": "longer", "src/sub/same": "same", "src/mode": "m", "src/grows": "x" * 90_000,
        "dst/sub/changed": "short", "dst/sub/same": "same", "dst/mode": "m", "dst/old": "o", "dst/olddir/x": "o",
        "dst/grows": "x" * 80_000,
    }.items():  # fmt: skip
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (1_700_000_000, 1_700_000_000 if name.startswith("src") or "same" in name else 1))
    (tree / "src/link").symlink_to("new")
    (tree / "dst/link").symlink_to("elsewhere")
    os.utime(tree / "dst/mode", (1_700_000_000, 1_700_000_000))
    (tree / "src/mode").chmod(0o751)
    os.link(tree / "src/new", tree / "src/new2")
    os.mkfifo(tree / "src/pipe")
    for root in ("src", "dst"):
        for path in (tree / root, *(tree / root).rglob("*")):
            if path.is_dir() and not path.is_symlink():
                os.utime(path, (1_600_000_000, 1_600_000_000))


def words(tree: Path, way: str) -> list[str]:
    kind, _, peer = way.partition("-")
    program = programs.PEER if peer == "rsync" else str(programs.ROOT / ".venv/bin/tain")
    remote = [f"--rsh={core_runs.shell(tree)}", f"--rsync-path={program}"]
    return {
        "local": ["src/", "dst/"],
        "push": [*remote, "src/", f"host:{tree}/dst/"],
        "pull": [*remote, f"host:{tree}/src/", "dst/"],
    }[kind]


WAYS = ("local", "push-tain", "push-rsync", "pull-tain", "pull-rsync")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "options", ["-aHi --delete", "-aHi --no-W --inplace", "-anHi --delete", "-aHi --delay-updates"]
)
def test_the_lines_agree_with_rsync(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str, options: str) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for tree in (mine, theirs):
        tree.mkdir()
        fill(tree)
    argv = [programs.PEER, *options.split(), *words(theirs, way.replace("tain", "rsync"))]
    expected = subprocess.run(argv, cwd=theirs, check=True, capture_output=True, timeout=60).stdout.splitlines()
    lines = Lines()
    code, summary = core_runs.run(monkeypatch, mine, [*options.split(), *words(mine, way)], lines, events=JSON)
    assert code == 0
    assert sorted(lines.stdout.splitlines()) == sorted(expected)
    shown = []
    for item in lines.of("item"):
        target = item["target"]
        arrow = "" if target is None else f" -> {target}" if item["kind"] == "link" else f" => {target}"
        shown.append(f"{item['itemized']} {item['path']}{arrow}")
    shown += [f"*deleting   {item['path']}" for item in lines.of("delete")]
    assert sorted(shown) == sorted(line.decode() for line in expected)
    done = lines.of("done")
    if "n" in options.split()[0][1:3]:
        assert done == []
        return
    assert len(done) == summary.transferred
    assert sum(line["literal"] for line in done) == summary.literal
    assert sum(line["matched"] for line in done) == summary.matched
    assert {line["verified"] for line in done} == {way.startswith("pull")}
    for line in done:
        assert (mine / "dst" / line["path"]).read_bytes() == (mine / "src" / line["path"]).read_bytes()
        assert line["size"] == (mine / "src" / line["path"]).stat().st_size
    order = [(line["type"], line["path"]) for line in lines.read()]
    for line in done:
        assert order.index(("item", line["path"])) < order.index(("done", line["path"]))
    times = [line["t"] for line in lines.read()]
    assert all(0 <= time < 60 for time in times)


def test_kinds_changes_and_reasons(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fill(tmp_path)
    lines = Lines()
    run = ["-aH", "--delete", *words(tmp_path, "local")]
    assert core_runs.run(monkeypatch, tmp_path, run, lines, events=JSON)[0] == 0
    found = {line["path"]: line for line in lines.of("item")}
    seen = {path: (line["kind"], line["change"], line["reasons"]) for path, line in found.items()}
    assert seen == {
        "grows": ("file", "update", ["size", "time"]),
        "link": ("link", "update", ["target"]),
        "mode": ("file", "attributes", ["permissions"]),
        # The last name of a group is copied, and the others are linked to it.
        "new": ("file", "link", ["new"]),
        "new2": ("file", "new", ["new"]),
        "pipe": ("special", "new", ["new"]),
        "sub/changed": ("file", "update", ["size", "time"]),
    }
    assert found["link"]["target"] == "new"
    assert found["new"]["target"] == "new2"
    assert stat.S_IMODE(found["mode"]["mode"]) == 0o751
    assert found["mode"]["mtime"] == 1_700_000_000
    assert {line["kind"]: line["path"] for line in lines.of("delete")}["dir"] == "olddir/"
    assert {line["op"] for line in lines.of("item")} == {"local"}


@pytest.mark.parametrize("way", ["local", "push-tain", "pull-tain"])
def test_every_name_survives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str) -> None:
    chance = random.Random(3)
    names = {
        bytes(chance.choice([byte for byte in range(1, 256) if byte != 0x2F]) for _ in range(chance.randrange(1, 60)))
        for _ in range(1500)
    } - {b".", b".."}
    names |= {"a\u2028b".encode(), b"nl\nx", "\u0085".encode(), b"\xed\xa0\x80", b'"\\', b"\x7f", b"e" * 255}
    source = os.fsencode(tmp_path / "src")
    os.mkdir(source)
    for name in names:
        os.close(os.open(os.path.join(source, name), os.O_CREAT | os.O_WRONLY))
    lines = Lines()
    run = ["-ai", *words(tmp_path, way)]
    assert core_runs.run(monkeypatch, tmp_path, run, lines, events=JSON)[0] == 0
    assert {path_of(line) for line in lines.of("item") if line["kind"] == "file"} == names
    assert {path_of(line) for line in lines.of("done")} == names


def test_a_failed_file_is_not_done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A directory with contents is in the way, so the file cannot get its name."""
    fill(tmp_path)
    (tmp_path / "dst/new/in the way").mkdir(parents=True)
    lines = Lines()
    assert core_runs.run(monkeypatch, tmp_path, ["-a", *words(tmp_path, "local")], lines, events=JSON)[0] == 23
    assert "new" not in [line["path"] for line in lines.of("done")]


def test_without_a_subscription_there_are_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fill(tmp_path)
    lines = Lines()
    assert core_runs.run(monkeypatch, tmp_path, ["-a", *words(tmp_path, "local")], lines)[0] == 0
    assert lines.text == b""

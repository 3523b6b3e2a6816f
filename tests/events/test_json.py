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

    def confirmed(self, events: list[_core._Event]) -> None:
        """The lines of files that were confirmed after the end of a push."""
        for event in events:
            assert event[0] == "json"
            self.text += event[1]

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
    argv = [*options.split(), *words(mine, way)]
    code, summary = core_runs.run(monkeypatch, mine, argv, lines, events=JSON, on_events=lines.confirmed)
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
    assert {line["verified"] for line in done} == {way != "local"}
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
    assert core_runs.run(monkeypatch, tmp_path, run, lines, events=JSON, on_events=lines.confirmed)[0] == 0
    assert {path_of(line) for line in lines.of("item") if line["kind"] == "file"} == names
    assert {path_of(line) for line in lines.of("done")} == names


def test_a_failed_file_is_not_done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A directory with contents is in the way, so the file cannot get its name."""
    fill(tmp_path)
    (tmp_path / "dst/new/in the way").mkdir(parents=True)
    lines = Lines()
    assert core_runs.run(monkeypatch, tmp_path, ["-a", *words(tmp_path, "local")], lines, events=JSON)[0] == 23
    assert "new" not in [line["path"] for line in lines.of("done")]


class Pushes:
    """Pushes to a destination in which one directory is closed, by a shell whose root may not write there."""

    WEAK = 'setpriv --bounding-set=-dac_override --inh-caps=-dac_override "$@"'

    @staticmethod
    def run(
        monkeypatch: pytest.MonkeyPatch, tree: Path, peer: str, options: str, *, rest: str = ""
    ) -> tuple[int, Lines]:
        if os.geteuid():
            pytest.skip("a receiver without these rights opens its own directories")
        for name in ("a", "good/b", "good/.c.hidden", "closed/d"):
            (tree / "src" / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / "src" / name).write_text(name)
        (tree / "dst/closed").mkdir(parents=True)
        (tree / "dst/closed").chmod(0o555)
        lines = Lines()
        argv = ["-rlt", *options.split(), *words(tree, f"push-{peer}")]
        (tree / "shell").write_text(f"#!/bin/sh\nshift\n{Pushes.WEAK} {rest}\n")
        code, _ = core_runs.run(monkeypatch, tree, argv, lines, events=JSON, on_events=lines.confirmed)
        return code, lines


@pytest.mark.parametrize("peer", ["tain", "rsync"])
@pytest.mark.parametrize("options", ["", "--delay-updates", "--stderr=client", "--no-inc-recursive"])
def test_a_push_names_only_files_that_are_in_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, peer: str, options: str
) -> None:
    """EV-9: the other end reports on its standard error that one file has failed."""
    code, lines = Pushes.run(monkeypatch, tmp_path, peer, options)
    assert code == 23
    assert {item["path"] for item in lines.of("item")} >= {"a", "closed/d"}
    assert sorted(line["path"] for line in lines.of("done")) == ["a", "good/.c.hidden", "good/b"]


@pytest.mark.parametrize("peer", ["tain", "rsync"])
def test_a_push_without_a_report_of_failures_confirms_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, peer: str
) -> None:
    """EV-9: the status says that something failed, and nobody says what."""
    code, lines = Pushes.run(monkeypatch, tmp_path, peer, "", rest="2>/dev/null")
    assert code == 23
    assert lines.of("item") and not lines.of("done")


@pytest.mark.parametrize("peer", ["tain", "rsync"])
def test_a_failure_of_this_side_spoils_no_other_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, peer: str
) -> None:
    """EV-9: the run has code 23 because one source does not exist."""
    fill(tmp_path)
    lines = Lines()
    argv = ["-a", "nosuch", *words(tmp_path, f"push-{peer}")]
    assert core_runs.run(monkeypatch, tmp_path, argv, lines, events=JSON, on_events=lines.confirmed)[0] == 23
    assert {line["path"] for line in lines.of("done")} == {"grows", "new", "new2", "sub/changed"}


@pytest.mark.parametrize("peer", ["tain", "rsync"])
def test_the_protocol_confirms_files_whose_sources_are_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, peer: str
) -> None:
    """EV-9: such files are done before the end of the run."""
    code, lines = Pushes.run(
        monkeypatch, tmp_path, peer, "--remove-source-files", rest="2>/dev/null; exit 99"
    )  # fmt: skip
    assert code == 99
    assert sorted(line["path"] for line in lines.of("done")) == ["a", "good/.c.hidden", "good/b"]
    assert [path.name for path in (tmp_path / "src").rglob("*") if path.is_file()] == ["d"]


@pytest.mark.parametrize("way", WAYS)
def test_values_about_finished_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str) -> None:
    """The kind ``done`` has the same files as the lines, also those that a push confirms at its end."""
    fill(tmp_path)
    lines = Lines()
    found: list[_core.Done] = []

    def confirmed(events: list[_core._Event]) -> None:
        found.extend(event[1] for event in events if event[0] == "done")
        lines.confirmed([event for event in events if event[0] != "done"])

    def pump(transfer: _core.Run) -> None:
        for batch in transfer:
            confirmed([event for event in batch if event[0] in ("done", "json")])

    argv = ["-aH", *words(tmp_path, way)]
    kinds = ("done", "json-done")
    assert core_runs.run(monkeypatch, tmp_path, argv, pump, events=kinds, on_events=confirmed)[0] == 0
    assert found
    assert {done.name for done in found} == {path_of(line) for line in lines.of("done")}
    assert {done.verified for done in found} == {way != "local"}


def test_without_a_subscription_there_are_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fill(tmp_path)
    lines = Lines()
    assert core_runs.run(monkeypatch, tmp_path, ["-a", *words(tmp_path, "local")], lines)[0] == 0
    assert lines.text == b""

"""The command line and the API are one path (docs/adr/0015-one-run.md): what belongs to a run is decided in
`session.client`, and both hand it their surroundings only."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import tain as tain_module
from tests.programs import ROOT
from tests.unit.test_layers import GRAPH, MODULES

#: What the API may know of the rooms in which runs are made.
ALLOWED = {"tain.session.client", "tain.session.environment", "tain.report.output", "tain.report.meter"}


def names(module: str) -> set[str]:
    """All names that a module uses."""
    tree = ast.walk(ast.parse(MODULES[module].read_text()))
    return {
        name
        for node in tree
        # Its Client is another one.
        if getattr(getattr(node, "value", None), "id", None) != "httpx2"
        for name in (
            getattr(node, "id", None),
            getattr(node, "attr", None),
            getattr(node, "name", None),
        )
        if isinstance(name, str)
    }


def test_the_api_knows_the_client_only() -> None:
    for module, targets in GRAPH.items():
        if module.startswith("tain.api") and module != "tain.api.daemon":
            lower = {name for name in targets if name.split(".")[1:2] in (["session"], ["report"], ["diagnosis"])}
            assert lower <= ALLOWED, module


@pytest.mark.parametrize(
    ("name", "places"),
    [
        # The run itself: the command, the API.
        # Each run of a plan is such a run, too; Dask's clients have the same name.
        (
            "Client",
            {"session.client.start", "session.client", "api.transfer"}
            | {"cluster.calls", "cluster.commands", "cluster.work", "cluster.connecting", "cluster.engines.dask"},
        ),
        # An error that ends a run becomes its last lines and its code; the command has errors before its run too.
        ("failure_text", {"session.client.start", "session.client.remote", "cli.main", "session.server"}),
        ("closing_line", {"session.client.run", "session.server"}),
        ("Judge", {"session.client.start", "session.client.request", "cluster.work"}),
        ("Explain", {"session.client.start"}),
        ("Display", {"session.client.display", "session.client.request"}),
        ("in_errors", {"session.client.start", "cli.main", "session.client.jsonevents"}),
        ("Lines", {"session.client.request", "session.client.display", "session.client.jsonevents"}),
        ("Reporter", {"session.client.start", "session.client.request", "session.client.jsonevents"}),
    ],
)
def test_each_part_of_a_run_has_one_place(name: str, places: set[str]) -> None:
    """Another module that uses one of these would be a second path."""
    own = {
        "session.client.lines",
        "session.client.reporter",
        "session.client.guards",
        "session.client.explaining",
        "report.output",
    }
    own |= {"diagnosis.hints", "session.negotiation", "session.digests"}
    own |= {"session.agreement", "session.greeting"}
    users = {module.removeprefix("tain.") for module in MODULES if name in names(module)}
    assert users - own <= places | own


SHELL = '#!/bin/sh\nshift\nexec "$@"\n'
#: Command lines that `run` prints byte for byte as the command does. `src`, `dst`, `empty`, `rsh` and `log` exist.
LINES = [
    "-a src/ dst",
    "-av src/ dst",
    "-avv src/ dst --delete",
    "-ai src/ dst --delete",
    "-a --out-format=%o:%n:%l src/ dst",
    "-avn src/ dst --delete",
    "-aq src/ nothing dst",
    "-a --stats src/ dst",
    "-avhh --stats src/ dst",
    "src/ dst",
    "-r src/",
    "-a nothing src/ dst",
    "-av --8-bit-output src/ dst",
    "-av --stderr=all src/ dst",
    "-av --outbuf=B src/ nothing dst",
    "-a --summary src/ dst --delete",
    "-a --summary nothing src/ dst",
    "-a --explain src/ dst --delete",
    "-a --explain -v src/ dst",
    "-a --hints nothing src/ dst",
    "-a --guard --delete empty/ dst",
    "-a --guard-rules=max=0 --delete src/ dst",
    "-a --bar src/ dst",
    "-av --log-file=log src/ dst",
    "-a --info=name2,skip2,del,stats1 src/ dst",
    "-aii src/ dst",
    "-a --max-delete=0 --delete src/ dst",
    "-av -e ./rsh --rsync-path=PEER src/ h:WORK/dst",
    "-av -e ./rsh --rsync-path=PEER h:WORK/src/ dst",
    "-a --hints -e ./nosuch src/ h:dst",
    "-a --hints rsync://127.0.0.1:1/m/ dst",
    "-a --password-file=x src/ dst",
    "--only-write-batch=batch -a src/ dst",
    "-a --debug=FILTER2 --exclude=x src/ dst",
    "-a a:b c:d",
    "-n",
]


def normal(text: bytes) -> bytes:
    """Without durations, what depends on them (frames too), and what other programs use of the disk."""
    text = re.sub(rb"sent [\d,]+ bytes  received [\d,]+ bytes", b"BYTES", text)
    text = re.sub(rb"free [\d.]+ \w+ on|of [\d,]+$", b"FREE", text, flags=re.M)
    text = re.sub(rb"[\d,.]+[KMG]? bytes/sec", b"RATE", text)
    text = re.sub(rb"(File list \w+ time: )[\d.]+", rb"\1TIME", text)
    # The columns of rates and times have fixed widths.
    text = re.sub(rb" *[\d.]+[kKMG]?B/s| *\d+:\d\d(?::\d\d)?", b" T", text)
    return re.sub(rb"\[\d+\]", b"[PID]", text)


@pytest.mark.parametrize("line", LINES)
def test_run_prints_what_the_command_prints(
    line: str,
    tain: str,
    rsync: str,
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """UI and API are one: equal bytes on each stream, and the equal code."""
    work = tmp_path / "work"
    words = line.replace("PEER", rsync).replace("WORK", str(work)).split()
    seen = []
    for runs in ("command", "api"):
        shutil.rmtree(work, ignore_errors=True)
        (work / "src/dir").mkdir(parents=True)
        (work / "dst").mkdir()
        (work / "empty").mkdir()
        (work / "dst/old").write_text("old")
        (work / "src/dir/한글").write_text("text")
        (work / "src/file").write_text("text")
        for path in (work / "src/dir/한글", work / "src/file", work / "dst/old", work / "src/dir", work / "src"):
            os.utime(path, (10**9, 10**9))
        (work / "rsh").write_text(SHELL)
        (work / "rsh").chmod(0o755)
        if runs == "command":
            done = subprocess.run([tain, *words], cwd=work, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
            code, out, err = done.returncode, done.stdout, done.stderr
        else:
            monkeypatch.chdir(work)
            result = tain_module.run(words)
            code, (out, err) = result.code, capfdbinary.readouterr()
            assert result.output == result.errors == b""
        log = (work / "log").read_bytes() if (work / "log").exists() else b""
        log = re.sub(rb"^[\d/]+ [\d:]+ ", b"", log, flags=re.M)
        tree = {str(path.relative_to(work)) for path in work.rglob("*")}
        seen.append((code, normal(out), normal(err), normal(log), tree))
    assert seen[0] == seen[1]


def test_enough_command_lines() -> None:
    assert len(set(LINES)) >= 30
    assert (ROOT / "docs/adr/0015-one-run.md").exists()

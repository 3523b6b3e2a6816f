"""Trace files: how a mirror says how new it is, to people and to the mirrors behind it (MIR-18, MIR-24, MIR-32)."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest

from tain.mirror.model import Job
from tain.mirror.traces import Names, Traces, names_of
from tests.mirror.site import Site, daemon, names
from tests.mirror.test_check import JOB, found

TRACE = "profile = 'debian'\ntrace = { host = 'mirror.example.org', fields = { Maintainer = 'Me <me@example.org>' } }\n"
OURS = {"project", "project/trace", "project/trace/mirror.example.org", "project/trace/mirror.example.org-stage1",
        "project/trace/_hierarchy", "project/trace/_traces"}  # fmt: skip


def archive(site: Site) -> Path:
    source = site.root / "src"
    for name in ("dists/sid/main/binary-amd64/Packages", "dists/sid/main/binary-arm64/Packages", "pool/a.deb"):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return source


def master(source: Path, serial: int) -> None:
    (source / "project/trace").mkdir(parents=True, exist_ok=True)
    (source / "project/trace/master").write_text(
        f"Sun Nov 29 06:02:11 UTC 2026\nDate: Sun, 29 Nov 2026 06:02:11 +0000\nArchive serial: {serial}\n"
    )
    os.utime(source / "project/trace/master", (1.6e9, 1.6e9))
    (source / "project/trace/_hierarchy").write_text("above above ftp-master\n")


def test_the_trace_of_debian(site: Site) -> None:
    """MIR-18: the fields that users of an archive read; the upstream's own traces stay."""
    source = archive(site)
    master(source, 2026112901)
    with daemon(source) as server:
        site.job(source=server.url("pub"), more=TRACE)
        site.run("run", "one")
    place = site.root / "dst/project/trace"
    lines = (place / "mirror.example.org").read_text().splitlines()
    assert re.fullmatch(r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d UTC \d{4}", lines[0])
    fields = dict(line.split(": ", 1) for line in lines[1:])
    assert list(fields) == [
        "Date", "Date-Started", "Archive serial", "Creator", "Running on host", "Maintainer", "Architectures",
        "Revision", "Upstream-mirror", "Total bytes received in rsync", "Total time spent in stage1 rsync",
        "Total time spent in stage2 rsync", "Total time spent in rsync", "Average rate",
    ]  # fmt: skip
    assert fields["Archive serial"] == "2026112901" and fields["Creator"].startswith("tain mirror ")
    assert fields["Maintainer"] == "Me <me@example.org>" and fields["Architectures"] == "amd64 arm64"
    assert fields["Revision"] == "i18n" and fields["Upstream-mirror"] == "127.0.0.1"
    assert int(fields["Total bytes received in rsync"]) > 0
    assert (place / "mirror.example.org-stage1").read_text().startswith(lines[0][:3])
    assert (place / "_hierarchy").read_text() == (
        "above above ftp-master\nmirror.example.org mirror.example.org 127.0.0.1\n"
    )
    assert (place / "_traces").read_text().splitlines()[0] == "master"
    assert names(site.root / "dst") == names(source) | OURS


@pytest.mark.parametrize("mode", ["in-place", "swap"])
def test_mir_24_traces_are_no_deletions(mode: str, site: Site) -> None:
    """A tree without `project/` at its source: our files stay, run after run, and nothing of them is counted."""
    source = archive(site)
    site.job(more=f"{TRACE}publish = {{ mode = '{mode}' }}\nguard = {{ max_delete = 0 }}\n")
    for number in range(3):
        (source / f"pool/b{number}").write_text("x")
        text = site.run("run", "one")
        assert "0 deleted" in text and "delete " not in text, text
        ours = OURS - {name for name in OURS if mode == "swap" and name.endswith("-stage1")}
        assert names(site.root / "dst") == names(source) | ours
    assert (site.root / "dst/project/trace/_hierarchy").read_text().count("\n") == 1


def test_a_trace_that_the_upstream_has(site: Site) -> None:
    source = archive(site)
    master(source, 1)
    (source / "project/trace/mirror.example.org").write_text("theirs\n")
    site.job(more=TRACE)
    text = site.run("run", "one", code=78)
    assert "the upstream has project/trace/mirror.example.org too: set trace.host or trace.path" in text
    assert names(site.root / "dst") == set()


def test_the_marker_of_an_update(site: Site) -> None:
    """MIR-21: mirrors behind this one see that it is being updated; it goes when the run ends, also when that fails."""
    archive(site)
    seen = site.root / "seen"
    run = f"run = 'ls {site.root}/dst >> {seen}; exit 1'"
    hook = f"[[job.one.hook]]\non = 'after-stage'\nshell = true\n{run}\nrequired = true\n"
    site.job(more=TRACE.replace("fields", "busy_marker = true, fields") + hook)
    site.run("run", "one", code=1)
    assert "Archive-Update-in-Progress-mirror.example.org" in seen.read_text().split()
    assert not [name for name in names(site.root / "dst") if "Archive-Update" in name]


def test_a_trace_that_is_a_time(site: Site) -> None:
    """Written also when there was nothing new, for tools that measure the age of a mirror."""
    (site.root / "src/lastupdate").write_text("1700000000\n")
    site.job(more="profile = 'arch'\ntrace = { write = 'epoch', path = 'status/time' }\n")
    site.run("run", "one")
    trace = site.root / "dst/status/time"
    assert abs(int(trace.read_text()) - time.time()) < 600
    trace.write_text("0\n")
    assert "unchanged" in site.run("run", "one")
    assert abs(int(trace.read_text()) - time.time()) < 600


def test_our_own_form(site: Site) -> None:
    site.job(more="trace = { write = 'json', host = 'h', fields = { Site = 'x' } }\n")
    site.run("run", "one")
    document = json.loads((site.root / "dst/mirror-trace.json").read_text())
    assert (document["schema"], document["job"], document["host"]) == ("tain.mirror.trace/1", "one", "h")
    assert document["files"] == len(names(site.root / "src")) and document["fields"] == {"Site": "x"}
    # A name at the root is looked for in the list of the root.
    (site.root / "src/mirror-trace.json").write_text("theirs")
    site.run("forget", "one")
    assert "the upstream has mirror-trace.json too" in site.run("run", "one", code=78)


def test_a_link_in_the_tree_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "tree/project").symlink_to("../outside")
    job = Job.model_validate({"destination": "/d", "manual": True, "trace": {"write": "debian", "host": "h"}})
    traces = Traces(job, {"started": 1.0, "upstream": None})
    with pytest.raises(OSError, match="is a link"):
        traces.write(str(tmp_path / "tree"), 2.0)
    assert names(tmp_path / "outside") == set()


def test_rules_name_exactly_our_files() -> None:
    job = Job.model_validate({"destination": "/d", "manual": True, "trace": {"write": "json", "path": "a*/b[1]?"}})
    assert names_of(job).rules() == [r"H /a\*/b\[1]\?", r"P /a\*/b\[1]\?", r"P /a\*/"]
    assert Names().rules() == []


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("trace = { write = 'debian', fields = { A = \"x\\ny\" } }", '5: job.a.trace.fields.A: "x\\u{a}y" has a line '
         "break"),
        ("trace = { fields = { 'a b' = 'x' } }", '5: job.a.trace.fields."a b": is no name of a field: letters, digits '
         "and -"),
        ("trace = { host = '../x' }", '5: job.a.trace.host: "../x" is no name of a host'),
        ("trace = { path = '/x' }", '5: job.a.trace.path: "/x" is not a relative path without ..'),
        ("trace = { write = 'json' }\npublish = { mode = 'snapshots', keep_last = 1 }",
         '5: job.a.trace: cannot be used with publish.mode = "snapshots"'),
    ],
)  # fmt: skip
def test_mir_3_keys_of_traces(lines: str, expected: str, tmp_path: Path) -> None:
    assert expected in found(tmp_path, JOB + lines + "\n")

"""SCL-70..76: `Work` and `Report` as messages, hostile ones too; what runs on a worker."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tain.cluster import control
from tain.cluster.documents import DocumentError
from tain.cluster.files import PlanFiles
from tain.cluster.messages import Report, Work
from tain.cluster.region import Piece, Region
from tain.cluster.roots import identify
from tain.cluster.work import perform, run_work
from tain.release import VERSION

NAMES = st.binary(min_size=1, max_size=12).map(lambda name: name.replace(b"\0", b"_").replace(b"/", b"_") + b"x")


def work(space: Path, *words: str, **changes: Any) -> Work:
    """A work for ``src/`` in *space*, the whole of it unless *changes* say otherwise."""
    with PlanFiles(os.fsencode(space / "plan"), create=True):
        pass
    fields: dict[str, Any] = {
        "plan": "p1", "directory": os.fsencode(space / "plan"), "shard": 1, "attempt": 1, "kind": "whole",
        "argv": tuple(os.fsencode(word) for word in (*words, "src/", "dst/")), "cwd": os.fsencode(space),
        "version": VERSION,
    }  # fmt: skip
    return Work(**{**fields, **changes})


def tree(space: Path) -> Path:
    for name in ("a/x", "a/y", "a/z", "b"):
        (space / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (space / "src" / name).write_text(name)
    return space / "src"


@given(
    st.lists(st.tuples(NAMES, NAMES, st.one_of(st.none(), NAMES), st.lists(NAMES, max_size=2)), min_size=1, max_size=3),
    st.lists(NAMES, max_size=3),
)
def test_a_work_survives_its_message(pieces: list[Any], words: list[bytes]) -> None:
    """SCL-70: names of any bytes, and boundaries behind a name."""
    region = Region(
        pieces=tuple(
            Piece(directory=directory, start=start + b"\0", end=end, without=tuple(without))
            for directory, start, end, without in pieces
        )
    )
    sent = Work(
        plan="p-1", directory=b"/d\xff", shard=3, attempt=2, kind="shard", argv=tuple(words), cwd=b"/\xfe",
        region=region, spine=(b"", b"a/\xff"), said=("out/0.1",), lease=60.0, bwlimit=7, exclusive=True,
    )  # fmt: skip
    assert Work.parse(sent.to_bytes()) == sent


def _documents(space: Path) -> list[tuple[Any, dict[str, Any]]]:
    tree(space)
    sent = work(
        space, "-a", kind="shard", region=Region(pieces=(Piece(directory=b"a", start=b"x", end=b"y"),)), spine=(b"a",),
        roots=(identify(os.fsencode(space / "src")),),
    )  # fmt: skip
    return [(Work, json.loads(sent.to_bytes())), (Report, json.loads(perform(sent).to_bytes()))]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, member in inner for found in _paths(member, (*path, key)))]


def _changed(document: Any, path: tuple[Any, ...], new: Any) -> Any:
    document = json.loads(json.dumps(document))
    if not path:
        return new
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = new
    return document


def test_each_field_is_checked(tmp_path: Path) -> None:
    """SCL-71: another type anywhere, an unknown field, a missing one: refused, on both sides."""
    for kind, document in _documents(tmp_path):
        assert kind.parse(json.dumps(document).encode())
        for path in _paths(document):
            for wrong in (object, -1.5, [[1]], {"b64": 1}, {"x": 1}):
                new = {"b64": "*"} if wrong is object else wrong
                with pytest.raises(DocumentError):
                    kind.parse(json.dumps(_changed(document, path, new)).encode())
        for key in document:
            with pytest.raises(DocumentError):
                kind.parse(json.dumps({name: value for name, value in document.items() if name != key}).encode())
        with pytest.raises(DocumentError, match="unknown field 'extra'"):
            kind.parse(json.dumps({**document, "extra": 1}).encode())


KEYS = st.sampled_from(["schema", "plan", "kind", "b64"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner),
)


@settings(max_examples=300)
@given(st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_no_message_of_chance_is_accepted(data: bytes) -> None:
    """SCL-72."""
    for kind in (Work, Report):
        with pytest.raises(DocumentError):
            kind.parse(data)


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("directory",), "relative"),
        (("spine", 0), "../x"),
        (("argv", 0), "a\0b"),
        (("region", 0, "dir"), "/etc"),
        (("region", 0, "dir"), "a//b"),
        (("region", 0, "without"), ["a/b"]),
        (("said",), ["../../etc/passwd"]),
        (("said",), ["out/../x"]),
        (("kind",), "whole"),
        (("plan",), "../p"),
        (("schema",), "tain.work/2"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(path: tuple[Any, ...], wrong: Any, tmp_path: Path) -> None:
    """SCL-73."""
    (_, document), _ = _documents(tmp_path)
    with pytest.raises(DocumentError):
        Work.parse(json.dumps(_changed(document, path, wrong)).encode())


def test_links_in_the_directory_of_a_plan_are_not_followed(tmp_path: Path) -> None:
    """SCL-74: neither as a file nor as a sub-directory."""
    tree(tmp_path)
    sent = work(tmp_path, "-a")
    (tmp_path / "out").mkdir()
    (tmp_path / "plan/out/1.1").symlink_to(tmp_path / "victim")
    assert perform(sent).void
    (tmp_path / "plan/out/1.1").unlink()
    (tmp_path / "plan/out").rmdir()
    (tmp_path / "plan/out").symlink_to(tmp_path / "out")
    assert perform(sent).code == 11
    assert not (tmp_path / "victim").exists() and not list((tmp_path / "out").iterdir())
    assert not (tmp_path / "dst").exists()


def test_a_worker_with_another_root_does_nothing(tmp_path: Path) -> None:
    """SCL-61: the identity of a root, checked before the run."""
    src = tree(tmp_path)
    sent = work(tmp_path, "-a", roots=(identify(os.fsencode(src)),))
    src.rename(tmp_path / "old")
    tree(tmp_path)
    report = Report.parse(run_work(sent.to_bytes()))
    assert "is another directory" in report.void and report.code and not (tmp_path / "dst").exists()
    (tmp_path / "src").rename(tmp_path / "newer")
    assert "not mounted?" in perform(sent).void


def test_another_version_is_refused(tmp_path: Path) -> None:
    tree(tmp_path)
    report = perform(work(tmp_path, "-a", version="0.0.1"))
    assert (report.code, report.stats) == (4, {}) and "0.0.1" in report.void


def test_a_run_reports_files_figures_and_errors(tmp_path: Path) -> None:
    tree(tmp_path)
    report = perform(work(tmp_path, "-av"))
    assert (report.code, report.void, report.stats["files"]["reg"]) == (0, "", 4)
    (file,) = report.files
    with PlanFiles(os.fsencode(tmp_path / "plan")) as files:
        assert files.checksum(file.name) == (file.size, file.checksum)
        assert b"".join(files.read_lines(file.name)).startswith(b"sending incremental file list\n")
    assert (tmp_path / "dst/a/x").read_text() == "a/x"
    report = perform(work(tmp_path, "-a", shard=2, argv=(b"-a", b"none", b"dst/")))
    assert report.code == 23 and "none" in report.errors


def test_a_lease_that_is_not_renewed_ends_the_run(tmp_path: Path) -> None:
    """SCL-54: a worker that is cut off cancels itself."""
    tree(tmp_path)
    (tmp_path / "src/big").write_bytes(bytes(8 << 20))
    report = perform(work(tmp_path, "-a", lease=0.4, bwlimit=64))
    assert report.code == control.CANCELLED and not (tmp_path / "dst/big").exists()
    assert not list(control.keys())


def test_verbs_reach_running_work_only(tmp_path: Path) -> None:
    assert not control.send("tain-p1-1-1", "cancel")
    with control.Control(work(tmp_path, "-a")) as running:
        assert control.send("tain-p1-1-1", "bwlimit=100") and control.send("tain-p1-1-1", "lease=3.5")
        assert not control.send("tain-p1-1-1", "shed") and not control.send("tain-p1-1-1", "bwlimit=x")
        assert control.figures() == {"tain-p1-1-1": {}}
        assert control.send("tain-p1-1-1", "cancel") and running.cancelled == control.CANCELLED

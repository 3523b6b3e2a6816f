"""SCL-1..28: transfers in several streams against one, and what they refuse."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tain
from tests import programs
from tests.interop.ends import Daemon, shell
from tests.parity.tree import picture

PROGRAM = programs.PROGRAM or ""


def run(space: Path, *words: str, program: str = PROGRAM, code: int = 0) -> tuple[str, str]:
    found = subprocess.run(
        [program, *words], cwd=space, capture_output=True, timeout=60, env=programs.environment(str(space))
    )
    out, err = found.stdout.decode("utf-8", "backslashreplace"), found.stderr.decode("utf-8", "backslashreplace")
    assert found.returncode == code, (words, out, err)
    return out, err


def tree(space: Path, name: str = "src") -> Path:
    """Names of every sort in several levels, more in one directory than in the others."""
    top = space / name
    for number in range(90):
        folder = top / ("wide", "deep/a/b", "deep/a/c", "deep/- x[1]", ".")[number % 5]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{number}{('', '*', '~', chr(10), 'é')[number % 4]}").write_text(f"{number}\n" * number)
        os.utime(folder / f"f{number}{('', '*', '~', chr(10), 'é')[number % 4]}", (0, 1_000_000 + number))
    (top / "deep/link").symlink_to("a/b")
    os.mkfifo(top / "wide/fifo")
    age(top)
    return top


def age(top: Path) -> None:
    """Give everything but ordinary files an old time: rsync leaves one that differs by less than a second."""
    for path in [top, *top.rglob("*")]:
        if not path.is_file() or path.is_symlink():
            os.utime(path, (0, 2_000_000), follow_symlinks=False)


def look(top: Path) -> dict[str, str]:
    return picture(str(top), since=4e9)


@pytest.fixture(params=["local", "push", "pull", "daemon-push", "daemon-pull"])
def ends(request: pytest.FixtureRequest, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Words before, source and destination, for each way between them; the other end is rsync where there is one."""
    way = request.param
    if way == "local":
        yield [], "src/", "dst/"
    elif not way.startswith("daemon"):
        words = ["-e", str(shell(tmp_path)), f"--rsync-path={programs.PEER}"]
        far = "h:" + str(tmp_path)
        yield (words, "src/", f"{far}/dst/") if way == "push" else (words, f"{far}/src/", "dst/")
    else:
        config = f"use chroot = no\n[m]\npath = {tmp_path}\nread only = no\nuid = 0\ngid = 0\n"
        with Daemon(programs.PEER, tmp_path, programs.environment(str(tmp_path)), config) as daemon:
            url = f"rsync://127.0.0.1:{daemon.port}/m"
            yield ([], "src/", f"{url}/dst/") if way == "daemon-push" else ([], f"{url}/src/", "dst/")


def both(space: Path, *words: str, ends: tuple[list[str], str, str], code: int = 0) -> tuple[list[str], list[str]]:
    """The lines of one stream and of four, whose trees are equal; each begins with the same destination."""
    more, source, target = ends
    before = space / "before"
    if (space / "dst").exists():
        run(space, "-aH", "dst/", "before/")
    outputs, trees = [], []
    for jobs in ("1", "4"):
        shutil.rmtree(space / "dst", ignore_errors=True)
        if before.exists():
            run(space, "-aH", "before/", "dst/")
        out, err = run(space, f"--jobs={jobs}", "--jobs-limit=start-gap=0", *more, *words, source, target, code=code)
        assert ("streams, " in err) == (jobs == "4" and "-v" in words), err
        outputs.append(out.splitlines())
        trees.append(look(space / "dst") if (space / "dst").exists() else {})
    shutil.rmtree(before, ignore_errors=True)
    assert trees[0] == trees[1]
    return outputs[0], outputs[1]


def stable(lines: list[str]) -> list[str]:
    """Lines without figures of the connections."""
    left_out = ("sent ", "total size", "Total bytes", "File list", "Total file list")
    return [line for line in lines if not line.startswith(left_out)]


def test_scl_10_copy(tmp_path: Path, ends: tuple[list[str], str, str]) -> None:
    tree(tmp_path)
    one, four = both(tmp_path, "-ai", "-v", "--stats", ends=ends)
    assert sorted(stable(one)) == sorted(stable(four))
    if not ends[0] and ends[2] == "dst/" and ends[1] == "src/":
        # In a remote run, the lines of directories and of files come from two threads.
        assert stable(one) == stable(four)
    one, four = both(tmp_path, "-ai", "--stats", ends=ends)
    assert stable(one) == stable(four)


def test_scl_11_delete(tmp_path: Path, ends: tuple[list[str], str, str]) -> None:
    tree(tmp_path)
    run(tmp_path, "-a", "--exclude=f7*", "src/", "dst/")
    for extra in ("dst/x/y/z", "dst/deep/a/extra/1", "dst/wide/other"):
        (tmp_path / extra).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / extra).write_text(extra)
    # A file stands in the way of a directory, and a full directory in the way of a file.
    shutil.rmtree(tmp_path / "dst/deep/- x[1]")
    (tmp_path / "dst/deep/- x[1]").write_text("file")
    (tmp_path / "src/wide/new").write_text("new")
    (tmp_path / "dst/wide/new/in").mkdir(parents=True)
    age(tmp_path / "src")
    for when in ("--delete", "--delete-before", "--delete-after", "--delete-delay"):
        one, four = both(tmp_path, "-ai", when, "--stats", ends=ends)
        assert sorted(stable(one)) == sorted(stable(four)), when


def test_scl_12_dry_run(tmp_path: Path, ends: tuple[list[str], str, str]) -> None:
    tree(tmp_path)
    one, four = both(tmp_path, "-ain", ends=ends)
    assert one == four and not (tmp_path / "dst").exists()
    shutil.copytree(tmp_path / "src/deep", tmp_path / "dst/other", symlinks=True)
    one, four = both(tmp_path, "-ain", "--delete", ends=ends)
    assert one == four


def test_scl_13_an_error_anywhere_deletes_nothing(tmp_path: Path) -> None:
    programs.need_root()
    source = tree(tmp_path)
    # A name that cannot be read: a link to nowhere, followed.
    (source / "deep/a/b/dead").symlink_to("nowhere")
    (tmp_path / "dst").mkdir()
    (tmp_path / "dst/extra").write_text("stays")
    out, err = run(tmp_path, "-aiL", "--delete", "--jobs=4", "src/", "dst/", code=23)
    assert (tmp_path / "dst/extra").read_text() == "stays"
    assert out.count("IO error encountered -- skipping file deletion") == 1
    assert err.count("b/dead") == err.count("link/dead") == 1 and err.count("rsync error: ") == 1
    run(tmp_path, "-aiL", "--delete", "--ignore-errors", "--jobs=4", "src/", "dst/", code=23)
    assert not (tmp_path / "dst/extra").exists()


def test_scl_14_backups_have_every_old_version_once(tmp_path: Path) -> None:
    tree(tmp_path)
    run(tmp_path, "-a", "src/", "dst/")
    for path in (tmp_path / "src").rglob("f*"):
        if path.is_file():
            path.write_text("changed")
    one, four = both(tmp_path, "-ab", "-i", "--backup-dir=../old", ends=([], "src/", "dst/"))
    assert one == four
    shutil.rmtree(tmp_path / "old")
    both(tmp_path, "-ab", "-i", "--delete", "--suffix=.old", ends=([], "src/", "dst/"))
    # Late deletions must not meet backups: those are outside of the destination, or there is one stream.
    (tmp_path / "src/f9*").write_text("once more")
    for place, divided in (("../old", True), ("old", False)):
        _, err = run(tmp_path, "-abv", "--delete", "--jobs=4", f"--backup-dir={place}", "src/", "dst/")
        assert ("one stream: --backup-dir" in err) == (not divided)
        assert (tmp_path / "dst" / place / "f9*").exists()
        (tmp_path / "src/f9*").write_text("and once more")


def test_scl_17_groups_of_hard_links(tmp_path: Path, ends: tuple[list[str], str, str]) -> None:
    source = tree(tmp_path)
    for number, first in enumerate(("wide/f0", "deep/a/b/f1*", "f4")):
        for folder in ("wide", "deep/a/c", "deep/- x[1]", "."):
            os.link(source / first, source / folder / f"again{number}")
    age(source)
    if "h:" in ends[1] or "rsync:" in ends[1]:
        _, err = run(tmp_path, "-aH", "--jobs=4", *ends[0], *ends[1:])
        assert "one stream: --hard-links in a pull" in err
    else:
        one, four = both(tmp_path, "-aHi", "--stats", "-v", ends=ends)
        assert sorted(stable(one)) == sorted(stable(four))
        (tmp_path / "dst/more").write_text("x")
        one, four = both(tmp_path, "-aHi", "--delete", "--stats", ends=ends)
        assert sorted(stable(one)) == sorted(stable(four))
    groups = [
        {path.name for path in (tmp_path / top).rglob("*") if path.lstat().st_nlink > 1} for top in ("src", "dst")
    ]
    assert groups[0] == groups[1]
    assert (tmp_path / "dst/wide/f0").stat().st_ino == (tmp_path / "dst/deep/a/c/again0").stat().st_ino


def test_scl_15_several_sources(tmp_path: Path) -> None:
    tree(tmp_path)
    tree(tmp_path, "two")
    (tmp_path / "one file").write_text("x")
    words = ["src/deep", "one file", "two/", "src/wide"]
    for jobs in ("1", "5"):
        run(tmp_path, "-a", f"--jobs={jobs}", *words, f"dst{jobs}")
    assert look(tmp_path / "dst1") == look(tmp_path / "dst5")
    out, _ = run(tmp_path, "-ain", "--jobs=5", *words, "dst1")
    assert out == ""


def test_scl_16_as_an_ordinary_user_no_stream_closes_a_directory_to_another(space: Path) -> None:
    programs.need_root()
    work = space / "user"
    shutil.rmtree(work, ignore_errors=True)
    for number in range(40):
        folder = work / "src" / f"d{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}").write_text("x")
    (work / "src/d1").chmod(0o555)
    (work / "home").mkdir()
    for path in [work, *work.rglob("*")]:
        os.chown(path, programs.NOBODY.pw_uid, programs.NOBODY.pw_gid)
    for _ in range(5):
        shutil.rmtree(work / "dst", ignore_errors=True)
        found = programs.run(
            [PROGRAM, "-aiv", "--jobs=4", "src/", "dst/"],
            cwd=work, env=programs.environment(str(work / "home")), user=True,
        )  # fmt: skip
        assert found.code == 0 and b"streams, " in found.err, str(found)
        assert look(work / "src") == look(work / "dst")
    shutil.rmtree(work)


def test_scl_1_options_are_refused(tmp_path: Path) -> None:
    tree(tmp_path)
    for words in (
        ["--list-only", "src/"],
        ["src/"],
        ["--protocol=28", "src/", "dst/"],
        ["--write-batch=b", "src/", "dst/"],
    ):
        _, err = run(tmp_path, "-a", "--jobs=2", *words, code=1)
        assert "--jobs cannot be used with" in err
    for word in ("--jobs=0", "--jobs=65", "--jobs=x", "--jobs-order=x", "--jobs=2 --jobs-limit=x=1"):
        _, err = run(tmp_path, "-a", *word.split(), "src/", "dst/", code=1)
        assert "jobs" in err
    assert not (tmp_path / "dst").exists()


def test_scl_28_one_stream_says_why(tmp_path: Path) -> None:
    tree(tmp_path)
    _, err = run(tmp_path, "-am", "--jobs=2", "src/", "dst/")
    assert err == "tain: one stream: --prune-empty-dirs needs the whole list\n"
    _, err = run(tmp_path, "-am", "--jobs=2", "--jobs-strict", "src/", "dst/", code=1)
    assert "one stream: --prune-empty-dirs" in err
    (tmp_path / "small").mkdir()
    assert run(tmp_path, "-a", "--jobs=2", "small/", "dst2/") == ("", "")
    assert run(tmp_path, "-av", "--jobs=2", "small/", "dst2/")[1] == "tain: one stream: too little to divide\n"


def test_scl_35_a_daemon_that_allows_two_connections(tmp_path: Path) -> None:
    tree(tmp_path)
    config = (
        f"use chroot = no\nmax connections = 2\nlock file = {tmp_path}/lock\n[m]\npath = {tmp_path}\nuid = 0\ngid = 0\n"
    )
    with Daemon(programs.PEER, tmp_path, programs.environment(str(tmp_path)), config) as daemon:
        url = f"rsync://127.0.0.1:{daemon.port}/m/src/"
        run(tmp_path, "-a", "--jobs=4", "--jobs-limit=start-gap=0", url, "dst/")
    assert look(tmp_path / "src") == look(tmp_path / "dst")


@pytest.mark.parametrize("protocol", [28, 29, 30])
@pytest.mark.parametrize("way", ["push", "pull"])
def test_scl_28_older_peers(tmp_path: Path, protocol: int, way: str) -> None:
    tree(tmp_path)
    old = tmp_path / "old"
    old.write_text(f'#!/bin/sh\nexec {programs.PEER} --protocol={protocol} "$@"\n')
    old.chmod(0o755)
    words = ["-e", str(shell(tmp_path)), f"--rsync-path={old}", "--jobs-limit=start-gap=0"]
    ends = ("src/", f"h:{tmp_path}/dst/") if way == "push" else (f"h:{tmp_path}/src/", "dst/")
    outputs = []
    for jobs in ("1", "3"):
        out, _ = run(tmp_path, "-ai", "--exclude=*7*", f"--jobs={jobs}", *words, *ends)
        outputs.append(sorted(out.splitlines()))
        assert run(tmp_path, "-ai", "--exclude=*7*", *words, *ends)[0] == ""
        shutil.rmtree(tmp_path / "dst")
    assert outputs[0] == outputs[1]


def test_lines_that_cannot_be_kept_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tain.cluster.lines import Sheaf

    def full(_sheaf: Sheaf, _number: int, _records: bytes) -> None:
        raise OSError(28, "No space left on device")

    tree(tmp_path)
    monkeypatch.setattr(Sheaf, "add", full)
    result = tain.sync(f"{tmp_path}/src/", f"{tmp_path}/dst", jobs=3, itemize_changes=True, delete=True)
    assert result.code == 11 and "cannot be kept" in result.errors.decode()


def test_an_unreachable_peer_is_reported_once(tmp_path: Path) -> None:
    tree(tmp_path)
    _, one = run(tmp_path, "-a", "src/", "rsync://127.0.0.1:1/m/", code=10)
    _, two = run(tmp_path, "-a", "--jobs=3", "src/", "rsync://127.0.0.1:1/m/", code=10)
    assert one == two


def test_scl_4_the_api(tmp_path: Path) -> None:
    tree(tmp_path)
    seen: list[object] = []
    result = tain.sync(f"{tmp_path}/src/", f"{tmp_path}/dst", jobs=3, items=True, delete=True, on_event=seen.append)
    one = tain.sync(f"{tmp_path}/src/", f"{tmp_path}/one", items=True, delete=True)
    assert result.code == 0 and result.items is not None and one.items is not None
    assert sorted(item.name for item in result.items) == sorted(item.name for item in one.items)
    assert result.statistics is not None and one.statistics is not None
    assert result.statistics.files == one.statistics.files and result.statistics.created == one.statistics.created
    for number in range(400):
        (tmp_path / f"dst/extra{number}").write_text("x")
    # The guard judges the deletions of all streams at once.
    refused = tain.sync(f"{tmp_path}/src/", f"{tmp_path}/dst", jobs=3, delete=True)
    assert refused.code == 25 and (tmp_path / "dst/extra7").exists()


def test_scl_5_nothing_is_imported_without_the_option(tmp_path: Path) -> None:
    tree(tmp_path)
    program = (
        "import os, sys; from tain.cli.main import main;"
        "main([b'tain', b'-a', b'src/', b'dst/']); print([m for m in sys.modules if m.startswith('tain.cluster')])"
    )
    found = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, check=True, timeout=60)
    assert found.stdout == b"[]\n"


def test_a_cancel_ends_all_streams(tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    for number in range(8):
        with open(source / f"big{number}", "wb") as file:
            file.truncate(1 << 30)
    transfer = tain.Transfer(
        f"{source}/", f"{tmp_path}/dst", jobs=4, bwlimit="1M", on_progress=lambda _: transfer.cancel()
    )
    result = transfer.run()
    assert result.code == 20
    assert not list((tmp_path / "dst").glob(".big*"))

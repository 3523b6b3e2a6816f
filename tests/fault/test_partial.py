"""Partial files: what is kept of an interrupted transfer, and where (spec: transfer 6.1).

With --partial-dir the file at the live name does not change, even when the directory fails. What can't be kept or
delayed in it is reported and makes code 23 (rsync reports some of that, and ends with 0).
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import programs
from tests.fault.changing import WAYS, Caught, content, normal, words
from tests.interop.ends import Daemon
from tests.sampling import sample

DISCARDED = "Unable to create partial-dir for b -- discarding completed file."

KEEPING: dict[str, tuple[list[str], str]] = {
    "partial": (["--partial"], "dst/a"),
    "partial-whole": (["--partial", "-W"], "dst/a"),
    "partial-sparse": (["--partial", "--sparse"], "dst/a"),
    "partial-preallocate": (["--partial", "--preallocate"], "dst/a"),
    "partial-dir": (["--partial-dir=.pp"], "dst/.pp/a"),
    "partial-dir-absolute": (["--partial-dir={place}/pd"], "pd/a"),
    "partial-delay": (["--partial", "--delay-updates"], "dst/.~tmp~/a"),
    "delay": (["--delay-updates"], "dst/.~tmp~/a"),
    "temp-dir": (["--partial", "--temp-dir={place}/tmp"], "dst/a"),
    "inplace": (["--inplace"], "dst/a"),
}


OLD = {"new": False, "old": True}
SIGNALS = {"TERM": signal.SIGTERM, "INT": signal.SIGINT, "HUP": signal.SIGHUP}


@pytest.mark.parametrize(
    ("name", "number", "old"), sample("FAULT", KEEPING.keys(), SIGNALS, {"new": False, "old": True})
)
def test_interrupted_local(name: str, number: signal.Signals, old: bool, place: Path, space: Path, tain: str) -> None:
    """The first file of the run."""
    options, kept = KEEPING[name]
    (place / "tmp").mkdir()
    run = Caught(tain, "local", ["-rt", *(o.format(place=place) for o in options)], place, space)
    run.prepare()
    whole = (run.source / "a").read_bytes()
    if old:
        (run.target / "a").write_bytes(b"the good old file")
        os.utime(run.target / "a", (5 * 10**8, 5 * 10**8))
    if name == "temp-dir":
        run.watched = place / "tmp"
    with run.under_way(17) as process:
        process.send_signal(number)
        code, said = run.end(process)
    assert code == 20, said
    part = (place / kept).read_bytes()
    assert 0 < len(part) < len(whole) or name == "inplace"
    if name != "inplace":
        assert whole.startswith(part.rstrip(b"\0"))
    left = content(run.target) | content(place / "tmp")
    if kept != "dst/a":
        assert left.get("a") == (b"the good old file" if old else None)
    assert not any(".a." in path or path.startswith("a.") for path in left), left.keys()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("backup", [[], ["--backup"], ["--backup", "--backup-dir=../bak"]], ids=["none", "b", "b-dir"])
def test_interrupted_over_an_old_file(backup: list[str], way: str, place: Path, space: Path, tain: str) -> None:
    """--partial puts the fragment at the live name; with --backup the old file is kept before."""
    run = Caught(tain, way, ["-rt", "--partial", *backup], place, space)
    run.prepare()
    (run.target / "a").write_bytes(b"the good old file")
    with run.under_way() as process:
        process.send_signal(signal.SIGTERM)
        code, said = run.end(process)
    assert code in (20, 12, 19), said
    there = content(run.target) | content(place / "bak")
    saved = [path for path, data in there.items() if data == b"the good old file"]
    assert len(saved) == (1 if backup else 0), there.keys()


@pytest.mark.parametrize("when", ["1", "1+"])
@pytest.mark.parametrize("partial", [[], ["--partial"], ["--partial-dir=.pp"]], ids=["no", "partial", "partial-dir"])
def test_backup_of_a_file_that_is_requested_again(
    partial: list[str], when: str, place: Path, space: Path, tain: str
) -> None:
    """The old file is not lost on the way, whichever of the two tries replaces it."""
    programs.need("strace")
    source, target = place / "src", place / "dst"
    source.mkdir()
    target.mkdir()
    (source / "a").write_bytes(os.urandom(1_000_000))
    (target / "a").write_bytes(b"the good old file")
    reads = "read,pread64,copy_file_range"
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", str(source / "a"), "-e", f"trace={reads}"]
    strace += ["-e", f"inject={reads}:error=EIO:when={when}"]
    argv = [tain, "-rtb", "--no-whole-file", *partial, "src/", "dst/"]
    outcome = programs.run([*strace, *argv], cwd=place, env=programs.environment(str(space)))
    assert outcome.code == 23, outcome
    there = content(target)
    assert b"the good old file" in there.values()
    if when == "1":
        assert there["a"] == (source / "a").read_bytes() and there["a~"] == b"the good old file"


@pytest.mark.parametrize("way", ["push", "pull"])
def test_interrupted_with_a_missing_absolute_directory(way: str, place: Path, space: Path, tain: str) -> None:
    run = Caught(tain, way, ["-rt", f"--partial-dir={place}/pd"], place, space)
    run.prepare()
    (run.target / "a").write_bytes(b"the good old file")
    with run.under_way() as process:
        process.send_signal(signal.SIGTERM)
        run.end(process)
    assert (run.target / "a").read_bytes() == b"the good old file"
    assert (place / "pd" / "a").stat().st_size > 0
    assert (place / "pd").stat().st_mode & 0o7777 == 0o700


def directory(place: Path, kind: str) -> str:
    """A partial-dir that is not there yet."""
    path = place / "pd"
    if kind == "file":
        path.write_text("in the way")
    elif kind == "dangling":
        path.symlink_to("nowhere")
    elif kind == "link":
        (place / "real").mkdir()
        path.symlink_to("real")
    elif kind == "link-parent":
        (place / "real").mkdir()
        (place / "lnk").symlink_to(place / "real")
        path = place / "lnk" / "pd"
    return str(path)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["missing", "file", "dangling", "link", "link-parent"])
def test_absolute_directory_is_made(kind: str, way: str, place: Path, space: Path, tain: str, rsync: str) -> None:
    seen = []
    for program in (tain, rsync):
        work = place / Path(program).name
        work.mkdir()
        pd = directory(work, kind)
        (work / "src").mkdir()
        (work / "dst").mkdir()
        (work / "src" / "b").write_bytes(b"new")
        argv = words(program, way, ["-a", "--delay-updates", f"--partial-dir={pd}"], work / "src", work / "dst", space)
        outcome = programs.run(argv, cwd=work, env=programs.environment(str(space)))
        paths = [path for path in work.rglob("*") if not path.is_relative_to(work / "src")]
        modes = sorted((str(path.relative_to(work)), oct(path.lstat().st_mode)) for path in paths)
        seen.append((outcome.code, normal(outcome.err, work), modes, content(work / "dst")))
    assert seen[0] == seen[1]
    assert seen[0][0] == 0 and seen[0][3] == {"b": b"new"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", ["{place}/no/such/pd", "no/such"])
def test_directory_that_cannot_be_made(path: str, way: str, place: Path, space: Path, tain: str) -> None:
    source, target = place / "src", place / "dst"
    source.mkdir()
    target.mkdir()
    (source / "b").write_bytes(b"new")
    (target / "b").write_bytes(b"the old file")
    options = ["-rtI", "--remove-source-files", "--delay-updates", f"--partial-dir={path.format(place=place)}"]
    argv = words(tain, way, options, source, target, space)
    outcome = programs.run(argv, cwd=place, env=programs.environment(str(space)))
    assert outcome.code == 23, outcome
    assert DISCARDED in normal(outcome.err), outcome
    assert content(target) == {"b": b"the old file"}
    assert (source / "b").exists()


@pytest.mark.parametrize("way", WAYS)
def test_directory_of_another_user(way: str, place: Path, space: Path, tain: str) -> None:
    """A `.~tmp~` that a run of another user has left."""
    programs.need_root()
    source, target = place / "src", place / "dst"
    place.chmod(0o755)
    for path in (source, target):
        path.mkdir()
        os.chown(path, programs.NOBODY.pw_uid, programs.NOBODY.pw_gid)
    (source / "b").write_bytes(b"new")
    (target / "b").write_bytes(b"the old file")
    for path in (source / "b", target / "b"):
        os.chown(path, programs.NOBODY.pw_uid, programs.NOBODY.pw_gid)
    (target / ".~tmp~").mkdir(0o755)
    argv = words(tain, way, ["-rtI", "--delay-updates", "--remove-source-files"], source, target, space)
    outcome = programs.run(argv, cwd=place, env=programs.environment(str(space)), user=True)
    assert outcome.code == 23, outcome
    message = 'rsync: [receiver] rename "W/dst/.b.XXXXXX" -> ".~tmp~/b": Permission denied (13)'
    assert message in normal(outcome.err, place), outcome
    assert content(target) == {"b": b"the old file"}
    assert (source / "b").exists()


CONFIG = """
use chroot = no
uid = 0
gid = 0
read only = no
[m]
path = {work}/mod
[insecure]
path = {work}/mod
insecure links = yes
"""


@contextmanager
def module(program: str, work: Path, space: Path) -> Iterator[str]:
    env = programs.environment(str(space))
    with Daemon(program, space, env, CONFIG.format(work=work), name=f"partial-{Path(program).name}") as daemon:
        yield f"rsync://127.0.0.1:{daemon.port}"


MODULE_CASES: dict[str, tuple[list[str], str]] = {
    # options of the client, and what there is besides
    "made": (["--delay-updates", "--partial-dir=/open/pd"], ""),
    "made-through-link": (["--delay-updates", "--partial-dir=/in/pd"], ""),
    "made-through-absolute-link": (["--delay-updates", "--partial-dir=/absolute/pd"], ""),
    "basis-inside": (["--partial-dir=/in"], "mod/open/f"),
    "outside": (["--partial-dir=/out"], "secret/f"),
    "outside-delay": (["--delay-updates", "--partial-dir=/out"], "secret/f"),
    "outside-relative-link": (["--partial-dir=/rout"], "secret/f"),
    "outside-without-basis": (["--partial-dir=/out"], ""),
    "outside-below": (["--delay-updates", "--partial-dir=/out/pd"], "secret/pd/f"),
}


@pytest.mark.parametrize("name", MODULE_CASES)
def test_module(name: str, place: Path, space: Path, tain: str, rsync: str) -> None:
    """A client's absolute directory is one of the module's, links resolved."""
    programs.need_root()
    options, basis = MODULE_CASES[name]
    seen = []
    for program in (tain, rsync):
        work = place / Path(program).name
        for path in ("mod/open", "secret/pd", "src"):
            (work / path).mkdir(parents=True)
        (work / "src" / "f").write_bytes(b"NEW")
        (work / "mod" / "f").write_bytes(b"old-content")
        links = {"in": "open", "absolute": f"{work}/mod/open", "out": f"{work}/secret", "rout": "../secret"}
        for link, target in links.items():
            (work / "mod" / link).symlink_to(target)
        if basis:
            (work / basis).write_bytes(b"PARTIAL")
        with module(program, work, space) as url:
            argv = [rsync, "-a", *options, f"{work}/src/", f"{url}/m/"]
            outcome = programs.run(argv, cwd=work, env=programs.environment(str(space)))
        said = [line for line in normal(outcome.err, work) if "rsync error" not in line]
        seen.append((outcome.code, said, content(work / "mod"), content(work / "secret")))
    assert seen[0] == seen[1]
    if name.startswith("outside") and basis:
        assert seen[0][0] == 2
        assert seen[0][1] == ["rsync: refusing unconfined partial basis for f"]


def test_module_with_insecure_links(place: Path, space: Path, tain: str, rsync: str) -> None:
    work = place
    for path in ("mod", "secret", "src"):
        (work / path).mkdir()
    (work / "src" / "f").write_bytes(b"NEW")
    (work / "mod" / "f").write_bytes(b"old-content")
    (work / "mod" / "out").symlink_to(work / "secret")
    (work / "secret" / "f").write_bytes(b"PARTIAL")
    with module(tain, work, space) as url:
        argv = [rsync, "-a", "--partial-dir=/out", "src/", f"{url}/insecure/"]
        outcome = programs.run(argv, cwd=work, env=programs.environment(str(space)))
    assert outcome.code == 0, outcome
    assert (work / "mod" / "f").read_bytes() == b"NEW"
    assert not (work / "secret" / "f").exists()


IN_PLACE = {"--inplace": ["--inplace"], "--inplace -W": ["--inplace", "-W"], "--append": ["--append"]}
ENDS = {"TERM": signal.SIGTERM, "KILL": signal.SIGKILL}


@pytest.mark.parametrize(("number", "options", "way"), sample("FAULT", ENDS, IN_PLACE, WAYS))
def test_mode_of_an_interrupted_read_only_file(
    number: signal.Signals, options: list[str], way: str, place: Path, space: Path, tain: str
) -> None:
    """The file is writable through the descriptor alone (behaves so since it may be killed)."""
    programs.need_root()
    run = Caught(tain, way, ["-r", *options], place, space)
    place.chmod(0o777)
    run.prepare()
    (run.target / "a").write_bytes((run.source / "a").read_bytes()[:100_000])
    for path in (run.target, run.target / "a"):
        os.chown(path, programs.NOBODY.pw_uid, programs.NOBODY.pw_gid)
    (run.target / "a").chmod(0o444)
    before = (run.target / "a").stat().st_ctime_ns
    run.user = True
    with run.under_way(-1) as process:
        while process.poll() is None and (run.target / "a").stat().st_size <= 100_000:
            if (run.target / "a").stat().st_ctime_ns != before and "--append" not in options:
                break
        process.send_signal(number)
        process.wait()
    assert (run.target / "a").stat().st_mode & 0o7777 == 0o444
    shutil.rmtree(run.target)


#: What the destination has before: another file, the same file, or none.
BEFORE = {"changed": (b"older", 50), "same": (b"new", 100), "missing": None}


COPIES = ["-a", "-a --no-whole-file", "-ac", "-aI", "-ab"]


@pytest.mark.parametrize(("way", "options", "before"), sample("FAULT", WAYS, COPIES, BEFORE.keys(), times=3))
def test_partial_dir_of_the_files_themselves(
    way: str, options: str, before: str, place: Path, space: Path, tain: str
) -> None:
    """An absolute partial-dir that is the directory of the files: the file itself is no left-over partial one.

    rsync removes it where it is up to date.
    """
    (place / "src/ex").mkdir(parents=True)
    (place / "src/ex/x").write_bytes(b"new")
    os.utime(place / "src/ex/x", (100, 100))
    (place / "dst/ex").mkdir(parents=True)
    if (old := BEFORE[before]) is not None:
        data, mtime = old
        (place / "dst/ex/x").write_bytes(data)
        os.utime(place / "dst/ex/x", (mtime, mtime))
    given = [*options.split(), f"--partial-dir={place}/dst/ex"]
    argv = words(tain, way, given, place / "src", place / "dst", space)
    ran = programs.run(argv, cwd=place, env=programs.environment(str(place)))
    assert ran.code == 0, ran
    assert (place / "dst/ex/x").read_bytes() == b"new"

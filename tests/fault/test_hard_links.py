"""Hard links that can't be made: the name becomes a file of its own, and the rest of its group is linked to that.

spec: transfer 7, 8
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import programs
from tests.parity.harness import SHELL

NAMES = ("h0", "h1", "h2", "h3", "h4", "h5")
KINDS = ("file", "symlink", "fifo", "device")
WAYS = ("local", "push", "pull")


def group(where: Path, kind: str = "file") -> None:
    where.mkdir()
    first = where / NAMES[0]
    if kind == "file":
        first.write_bytes(b"Hallo" * 1000)
    elif kind == "symlink":
        first.symlink_to("target")
    elif kind == "fifo":
        os.mkfifo(first)
    else:
        os.mknod(first, 0o020644, os.makedev(1, 7))
    for name in NAMES[1:]:
        os.link(first, where / name, follow_symlinks=False)
    os.utime(first, (1e9, 1e9), follow_symlinks=False)


def ends(top: Path, way: str, tain: str) -> list[str]:
    shell = top / "sh"
    shell.write_text(SHELL)
    shell.chmod(0o755)
    remote = ["-e", str(shell), f"--rsync-path={tain}"]
    if way == "push":
        return [*remote, "src/", f"h:{top}/dst/"]
    if way == "pull":
        return [*remote, f"h:{top}/src/", "dst/"]
    return ["src/", "dst/"]


def inodes(where: Path) -> dict[str, int]:
    return {name: (where / name).lstat().st_ino for name in sorted(os.listdir(where))}


def same(source: Path, found: Path) -> None:
    for name in NAMES:
        mine, theirs = (found / name).lstat(), (source / name).lstat()
        assert (mine.st_mode, mine.st_size, mine.st_rdev) == (theirs.st_mode, theirs.st_size, theirs.st_rdev), name
        assert int(mine.st_mtime) == int(theirs.st_mtime), name
        if (source / name).is_file() and not (source / name).is_symlink():
            assert (found / name).read_bytes() == (source / name).read_bytes(), name


def injected(top: Path, tain: str, inject: str, *words: str) -> subprocess.CompletedProcess[str]:
    programs.need("strace")
    trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=linkat", "-e", f"inject=linkat:{inject}"]
    return subprocess.run(
        [*trace, tain, *words], cwd=top, capture_output=True, text=True, timeout=programs.LIMIT, check=False
    )


@pytest.mark.parametrize("error", ["EMLINK", "EXDEV", "EPERM", "EOPNOTSUPP"])
@pytest.mark.parametrize("way", WAYS)
def test_no_link_at_all(error: str, way: str, tmp_path: Path, tain: str) -> None:
    group(tmp_path / "src")
    done = injected(tmp_path, tain, f"error={error}", "-aH", *ends(tmp_path, way, tain))
    assert (done.returncode, done.stderr) == (0, "")
    same(tmp_path / "src", tmp_path / "dst")
    assert len(set(inodes(tmp_path / "dst").values())) == len(NAMES)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("state", ["new", "apart", "recursive"])
def test_one_link_fails(kind: str, way: str, state: str, tmp_path: Path, tain: str) -> None:
    """Two names are linked, the third is not: what comes after it is linked to that."""
    programs.need_root()
    group(tmp_path / "src", kind)
    more = []
    if state == "apart":
        (tmp_path / "dst").mkdir()
        for name in NAMES:
            subprocess.run(["cp", "-a", tmp_path / "src" / name, tmp_path / "dst" / name], check=True)
        os.utime(tmp_path / "dst" / NAMES[3], (1.1e9, 1.1e9), follow_symlinks=False)
    elif state == "recursive":
        more = ["--no-inc-recursive"]
    done = injected(tmp_path, tain, "error=EMLINK:when=2", "-aH", *more, *ends(tmp_path, way, tain))
    assert (done.returncode, done.stderr) == (0, "")
    same(tmp_path / "src", tmp_path / "dst")
    groups = list(inodes(tmp_path / "dst").values())
    assert sorted(groups.count(inode) for inode in set(groups)) == [2, 4]


def test_message_with_v(tmp_path: Path, tain: str) -> None:
    group(tmp_path / "src")
    done = injected(tmp_path, tain, "error=EMLINK:when=1", "-avH", "src/", "dst/")
    assert done.returncode == 0
    assert "failed: Too many links (31); it becomes a copy" in done.stdout


def test_other_errors_are_reported(tmp_path: Path, tain: str) -> None:
    group(tmp_path / "src")
    done = injected(tmp_path, tain, "error=ENOSPC:when=1", "-aH", "src/", "dst/")
    assert done.returncode == 23
    assert "No space left on device (28)" in done.stderr


@pytest.mark.parametrize("way", WAYS)
def test_alternate_at_its_limit(way: str, tmp_path: Path, tain: str) -> None:
    """Neither the alternate copy nor, later, the leader takes a further name."""
    group(tmp_path / "src")
    shutil.copytree(tmp_path / "src", tmp_path / "alt", copy_function=shutil.copy2)
    words = [f"--link-dest={tmp_path}/alt", *ends(tmp_path, way, tain)]
    done = injected(tmp_path, tain, "error=EMLINK", "-aH", *words)
    assert (done.returncode, done.stderr) == (0, "")
    same(tmp_path / "src", tmp_path / "dst")


@pytest.mark.parametrize("way", WAYS)
def test_part_on_another_file_system(way: str, tmp_path: Path, tain: str) -> None:
    programs.need_root()
    group(tmp_path / "src")
    (tmp_path / "src" / "sub").mkdir()
    for name in NAMES[3:]:
        os.rename(tmp_path / "src" / name, tmp_path / "src" / "sub" / name)
    (tmp_path / "dst" / "sub").mkdir(parents=True)
    script = 'mount -t tmpfs none dst/sub && "$@"; code=$?; ls -i dst dst/sub; cat dst/sub/* | wc -c; exit $code'
    command = ["unshare", "-m", "sh", "-c", script, "sh", tain, "-aH", *ends(tmp_path, way, tain)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=programs.LIMIT, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    found = {line[1]: line[0] for line in lines if len(line) == 2 and line[1] in NAMES}
    assert sorted(found) == list(NAMES)
    assert len({found[name] for name in NAMES[:3]}) == 1
    assert len({found[name] for name in NAMES[3:]}) == 1
    assert lines[-1] == ["15000"]


@pytest.mark.parametrize("options", ["-a", "-av", "-aH", "-a --inplace"])
def test_alternate_that_cannot_be_linked_spares_what_is_there(options: str, tmp_path: Path, tain: str) -> None:
    """The file is here already, and its copy in the alternate directory too: that it can't be linked costs neither."""
    group(tmp_path / "src")
    for place in ("alt", "dst"):
        shutil.copytree(tmp_path / "src", tmp_path / place, copy_function=shutil.copy2)
    words = [*options.split(), f"--link-dest={tmp_path}/alt", "src/", "dst/"]
    done = injected(tmp_path, tain, "error=EXDEV", *words)
    assert done.returncode == 0
    same(tmp_path / "src", tmp_path / "dst")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "options", ["--fuzzy", "-yy --compare-dest=../alt", "--copy-dest=../alt", "--link-dest=../alt"]
)
@pytest.mark.parametrize("append", ["--append", "--append-verify"])
def test_append_has_no_other_basis(way: str, options: str, append: str, tmp_path: Path, tain: str) -> None:
    """A similar file, or an alternate one, that is longer than the source is no reason to make nothing."""
    for place in ("src", "dst", "alt"):
        (tmp_path / place).mkdir()
    (tmp_path / "src" / "foo.log").write_bytes(os.urandom(9000))
    (tmp_path / "dst" / "foo.log.1").write_bytes(os.urandom(12000))
    (tmp_path / "alt" / "foo.log").write_bytes(os.urandom(11000))
    (tmp_path / "alt" / "foo.log.1").write_bytes(os.urandom(4000))
    words = [tain, "-a", append, *options.split(), "--delete-after", *ends(tmp_path, way, tain)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=programs.LIMIT, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(os.listdir(tmp_path / "dst")) == ["foo.log"]
    assert (tmp_path / "dst" / "foo.log").read_bytes() == (tmp_path / "src" / "foo.log").read_bytes()

"""`tain cache`: lists of a module with workers from memory, as clients of the daemon see them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from .harness import RSYNC, Daemon, wait_until
from .test_workers import ONE, worker_of


def listing(daemon: Daemon, *options: str) -> list[str]:
    """Names and sizes that a stock client prints, sorted."""
    run = subprocess.run(
        [RSYNC, "-r", "--list-only", *options, f"rsync://127.0.0.1:{daemon.port}/m/"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    return sorted(line.split(maxsplit=4)[4] for line in run.stdout.splitlines() if " ./" not in line)


def fill(tmp_path: Path) -> Path:
    top = tmp_path / "mod" / "pool"
    for number in range(5):
        (top / f"d{number}").mkdir(parents=True)
        for file in range(8):
            (top / f"d{number}" / f"file{file}").write_text("x" * file)
    return top


@pytest.mark.parametrize("chroot", ["yes", "no"])
def test_watched(chroot: str, tmp_path: Path) -> None:
    """With watches each list is right, whatever has changed a moment before."""
    top = fill(tmp_path)
    conf = ONE + b"tain cache = watch\nuse chroot = " + chroot.encode() + b"\n"
    with Daemon("tain", tmp_path, conf, workers=True) as daemon:
        first = listing(daemon)
        assert "pool/d0/file7" in first
        assert listing(daemon) == first
        for number in range(10):
            (top / "d1" / f"new{number}").write_text("new")
            assert f"pool/d1/new{number}" in listing(daemon)
        (top / "d2").rename(top / "d9")
        found = listing(daemon)
        assert "pool/d9/file0" in found
        assert not [name for name in found if name.startswith("pool/d2")]
        (top / "d9" / "file0").unlink()
        assert "pool/d9/file0" not in listing(daemon, "--exclude=d0")


def test_by_age(tmp_path: Path) -> None:
    """With an age a list may be as old as that; a changed parameter makes another worker."""
    top = fill(tmp_path)
    conf = ONE + b"tain cache = ttl\ntain cache max age = 3600\n"
    with Daemon("tain", tmp_path, conf, workers=True) as daemon:
        first = listing(daemon)
        (top / "d1" / "new").write_text("new")
        assert listing(daemon) == first
        old = worker_of(daemon)
        daemon.conf.write_bytes(daemon.conf.read_bytes().replace(b"max age = 3600", b"max age = 1"))
        assert "pool/d1/new" in listing(daemon)
        assert old
        (top / "d1" / "newer").write_text("newer")
        wait_until(lambda: "pool/d1/newer" in listing(daemon), "a list that is read again")


def test_filters_of_the_module(tmp_path: Path) -> None:
    """What the module hides is in no list, and a client's filter hides more."""
    fill(tmp_path)
    conf = ONE + b"tain cache = watch\nexclude = d3 file1\noutgoing chmod = F600\n"
    with Daemon("tain", tmp_path, conf, workers=True) as daemon:
        for _ in range(2):
            found = listing(daemon)
            assert not [name for name in found if "d3" in name or name.endswith("file1")]
            assert "pool/d4/file2" in found
            assert "pool/d4/file2" not in listing(daemon, "--exclude=file2")


def test_pull(tmp_path: Path) -> None:
    """Files of cached lists are pulled, and one that has changed since is sent as it is."""
    top = fill(tmp_path)
    with Daemon("tain", tmp_path, ONE + b"tain cache = ttl\ntain cache max age = 3600\n", workers=True) as daemon:
        listing(daemon)
        (top / "d1" / "file3").write_text("other and longer content")
        (top / "d1" / "file4").unlink()
        copy = tmp_path / "copy"
        run = subprocess.run(
            [RSYNC, "-a", f"rsync://127.0.0.1:{daemon.port}/m/", f"{copy}/"], capture_output=True, text=True, timeout=60
        )
        assert run.returncode == 24, run.stderr
        assert (copy / "pool/d1/file3").read_text() == "other and longer content"
        assert not (copy / "pool/d1/file4").exists()
        assert "vanished" in run.stderr
        assert len(list((copy / "pool").rglob("file*"))) == 39


def test_lint(tmp_path: Path) -> None:
    """A cache that cannot work is named."""
    from tain.daemon import config, lint

    for text, expected in (
        (b"tain cache = watch\nread only = no\n", "can have no worker: read only = no"),
        (b"tain cache = often\n", "unknown"),
    ):
        path = tmp_path / "rsyncd.conf"
        path.write_bytes(b"[m]\npath = /\n" + text)
        found = lint.check(config.load(os.fsencode(path)))
        assert [one.text for one in found if "tain cache" in one.text and expected in one.text]
        path.write_bytes(path.read_bytes().replace(b"often", b"Watch  told").replace(b"= no", b"= yes"))
        assert not [one.text for one in lint.check(config.load(os.fsencode(path))) if "cache" in one.text]

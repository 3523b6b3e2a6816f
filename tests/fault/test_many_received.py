"""Many small files that arrive over a connection and are written by several threads (spec: transfer 6, 14)."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import programs
from tests.fault.test_cut import CUT
from tests.interop.ends import Daemon, shell
from tests.parity.tree import wipe

SIZE = 8_000
COUNT = 1500
NEW = 1_500_000_000


def content(number: int) -> bytes:
    return number.to_bytes(4, "big") * (SIZE // 4)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fixed times and names: two programs send the same bytes."""
    source = tmp_path_factory.mktemp("many") / "src"
    for number in range(COUNT):
        directory = source / f"{number % 15:02}"
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{number:04}"
        path.write_bytes(content(number))
        os.utime(path, (NEW, NEW))
        path.chmod(0o644 if number % 3 else 0o600)
    for directory in (*source.iterdir(), source):
        os.utime(directory, (NEW, NEW))
    return source


@pytest.fixture
def small(space: Path) -> Iterator[Path]:
    with programs.small_disk(space / "small", 4) as mount:
        yield mount


def placed(destination: Path) -> set[str]:
    """The files that are there; each must be whole, and none a temporary one."""
    found = set()
    for where, _, names in os.walk(destination):
        for name in names:
            assert not name.startswith("."), f"left behind: {name}"
            assert (Path(where) / name).read_bytes() == content(int(name)), name
            found.add(name)
    return found


def command(way: str, program: str, peer: str, source: Path, target: Path, space: Path, *words: str) -> list[str]:
    """*program* receives: as the client of a pull, or as the server of a push."""
    client, server = (program, peer) if way == "pull" else (peer, program)
    ends = [f"h:{source}/", f"{target}/"] if way == "pull" else [f"{source}/", f"h:{target}/"]
    return [client, "-a", *words, "-e", str(shell(space)), f"--rsync-path={server}", *ends]


@pytest.mark.parametrize("way", ["push", "pull"])
def test_the_tree_and_the_figures(way: str, source: Path, space: Path, tain: str, rsync: str) -> None:
    """New files, then the same with other times, modes and contents: as rsync leaves and counts them."""
    env, target = programs.environment(str(space)), space / "dst"
    said = []
    for program in (tain, rsync):
        wipe(target)
        target.mkdir()
        lines = []
        words = ["--stats", "--no-h", "--delete", "--no-whole-file"]
        for change in (False, True):
            if change:
                for number in range(0, COUNT, 2):
                    path = target / f"{number % 15:02}" / f"{number:04}"
                    path.write_bytes(b"old" + content(number)[::-1])
                    os.utime(path, (NEW - number, NEW - number))
                (target / "extraneous").write_bytes(b"x")
            outcome = programs.run(
                command(way, program, rsync, source, target, space, *words), cwd=space, env=env, limit=120
            )
            assert outcome.code == 0 and not outcome.err, outcome
            counted = [
                line for line in outcome.out.decode().splitlines() if re.match("Number|Total file|Liter|Mat", line)
            ]
            lines += counted
            assert len(placed(target)) == COUNT
            check = programs.run([rsync, "-anic", "--delete", f"{source}/", f"{target}/"], cwd=space, env=env)
            assert (check.code, check.out) == (0, b""), check
        said.append(lines)
    assert said[0] == said[1]


@pytest.mark.parametrize("left", [400_000, 3_000_000, 11_000_000])
@pytest.mark.parametrize("way", ["push", "pull"])
def test_a_cut_connection(way: str, left: int, source: Path, space: Path, tain: str, rsync: str) -> None:
    """Every file whose data had arrived gets its name, as with rsync; no other file and no temporary one is left."""
    env, target = programs.environment(str(space)), space / "dst"
    cut = space / "cut.py"
    cut.write_text(CUT)
    found = []
    for program in (tain, rsync):
        wipe(target)
        target.mkdir()
        words = command(way, program, rsync, source, target, space, "--checksum-seed=1", "--protocol=31")
        words[words.index("-e") + 1] = f"{sys.executable} {cut} {way} {left} {space}/said"
        outcome = programs.run(words, cwd=space, env=env)
        # A client that sends may notice the end while it writes, or while it reads.
        assert outcome.code in ((12,) if way == "pull" else (10, 12)), outcome
        found.append(placed(target))
    assert found[0] == found[1]
    assert 20 < len(found[0]) < COUNT


@pytest.mark.parametrize("way", ["push", "pull"])
def test_a_full_disk(way: str, source: Path, small: Path, space: Path, tain: str, rsync: str) -> None:
    env = programs.environment(str(space))
    outcome = programs.run(command(way, tain, rsync, source, small, space), cwd=space, env=env)
    said = outcome.err.decode()
    assert outcome.code == 11, outcome
    assert said.count("No space left on device") == 1 and "write failed on" in said, outcome
    assert 50 < len(placed(small)) < COUNT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("way", ["push", "pull"])
def test_a_signal(number: signal.Signals, way: str, source: Path, space: Path, tain: str, rsync: str) -> None:
    env, target = programs.environment(str(space)), space / "dst"
    wipe(target)
    words = command(way, tain, rsync, source, target, space, "--bwlimit=4000")
    process = subprocess.Popen(words, cwd=space, env=env, stderr=subprocess.PIPE, start_new_session=True)
    end = time.monotonic() + 60
    while not (target / "01").exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.001)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 20, said
    # The server of a push ends a moment after its client.
    while time.monotonic() < end and any(name.startswith(".") for _, _, names in os.walk(target) for name in names):
        time.sleep(0.01)
    assert len(placed(target)) < COUNT
    again = programs.run(command(way, tain, rsync, source, target, space), cwd=space, env=env)
    assert again.code == 0, again
    assert len(placed(target)) == COUNT


@pytest.mark.parametrize("way", ["push", "pull"])
def test_directories_that_refuse(way: str, source: Path, space: Path, tain: str, rsync: str) -> None:
    """An error per file, the other files in place: the lines, code and files of rsync."""
    programs.need_root()
    env, target = programs.environment(str(space)), space / "dst"
    results = []
    for program in (tain, rsync):
        wipe(target)
        target.mkdir()
        for number in (3, 7):
            (target / f"{number:02}").mkdir()
            (target / f"{number:02}" / "kept").write_bytes(b"")
            subprocess.run(["chattr", "+i", target / f"{number:02}"], capture_output=True, check=False)
        # Every tenth file is a directory that is not empty.
        for number in range(0, COUNT, 10):
            place = target / f"{number % 15:02}" / f"{number:04}"
            if number % 15 not in (3, 7):
                place.mkdir(parents=True)
                (place / "in the way").write_bytes(b"")
        try:
            outcome = programs.run(
                command(way, program, rsync, source, target, space, "--no-t", "--no-p", "--no-o", "--no-g"),
                cwd=space,
                env=env,
            )
        finally:
            subprocess.run(["chattr", "-R", "-i", target], capture_output=True, check=False)
        lines = re.sub(r"\.(\d{4})\.\w{6}", r".\1.XXXXXX", outcome.err.decode())
        lines = re.sub(r" at \S+\(\d+\) ", " at PLACE ", lines)
        files = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
        results.append((outcome.code, sorted(lines.splitlines()), files))
    assert results[0] == results[1]
    assert results[0][0] == 23


def test_the_log_of_a_daemon(source: Path, space: Path, tain: str, rsync: str) -> None:
    """A file is logged when it is in place, once, in the order of the list."""
    env = programs.environment(str(space))
    logged = []
    for program in (tain, rsync):
        module = space / "module"
        wipe(module)
        module.mkdir()
        config = f"use chroot = no\n[m]\npath = {module}\nread only = no\nuid = 0\ngid = 0\n"
        log = space / f"{Path(program).name}.transfers"
        config += f"log file = {log}\ntransfer logging = yes\nlog format = %o %f %l\n"
        with Daemon(program, space, env, config) as daemon:
            url = f"rsync://127.0.0.1:{daemon.port}/m/"
            outcome = programs.run([rsync, "-a", f"{source}/", url], cwd=space, env=env)
            assert outcome.code == 0, outcome
            end = time.monotonic() + 60
            # The last line follows the answer to the client.
            while "sent " not in log.read_text() and time.monotonic() < end:
                time.sleep(0.01)
        lines = [line.split("] ", 1)[1] for line in log.read_text().splitlines() if "] recv " in line]
        logged.append(lines)
        assert len(placed(module)) == COUNT
    assert logged[0] == logged[1]
    assert len(logged[0]) == COUNT


def test_attributes(space: Path, tain: str, rsync: str) -> None:
    """Extended attributes and ACLs go with the files that workers write."""
    programs.need("setfacl", "setfattr")
    env, source, target = programs.environment(str(space)), space / "attributed", space / "dst"
    wipe(source)
    source.mkdir()
    for number in range(120):
        path = source / f"{number:04}"
        path.write_bytes(content(number))
        os.setxattr(path, "user.number", str(number // 7).encode())
        if number % 5 == 0:
            subprocess.run(["setfacl", "-m", f"u:{number + 1}:r", path], check=True)
    for way in ("push", "pull"):
        wipe(target)
        outcome = programs.run(command(way, tain, rsync, source, target, space, "-AX"), cwd=space, env=env)
        assert outcome.code == 0 and not outcome.err, outcome
        check = programs.run([rsync, "-anicAX", "--delete", f"{source}/", f"{target}/"], cwd=space, env=env)
        assert (check.code, check.out) == (0, b""), check
    shutil.rmtree(source)

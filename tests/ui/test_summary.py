"""UI-9: the block of ``--summary`` for every kind of end."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tain.report.endblock import Causes, end_block
from tests import programs
from tests.programs import PROGRAM, environment, need_root

SHELL = """#!/bin/sh
shift
exec sh -c "$*"
"""


class Run:
    """A directory with a source, a destination and a stand-in for a remote shell."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "s/a").mkdir(parents=True)
        (home / "d").mkdir()
        for number in range(10):
            (home / f"s/a/{number}").write_text("x" * 1000)
        os.utime(home / "d", (1, 1))
        (home / "rsh").write_text(SHELL)
        (home / "rsh").chmod(0o755)

    def __call__(self, *words: str, user: bool = False) -> tuple[int, str]:
        """Exit code and standard error, with times as ``0:00``."""
        assert PROGRAM
        end = programs.run([PROGRAM, *words], cwd=self.home, env=environment(str(self.home)), user=user)
        return end.code, re.sub(r"\b\d+:\d\d\b", "0:00", end.err.decode())

    def started(self, *words: str) -> subprocess.Popen[str]:
        """The program while it runs."""
        assert PROGRAM
        return subprocess.Popen(
            [PROGRAM, *words], cwd=self.home, env=environment(str(self.home)), stderr=subprocess.PIPE, text=True
        )

    def wait_for(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.01)

    def shell(self, *words: str) -> tuple[int, str]:
        return self(*words, "-e", str(self.home / "rsh"), f"--rsync-path={PROGRAM}")


@pytest.fixture
def run() -> Iterator[Run]:
    # Another user can reach it, unlike tmp_path.
    with tempfile.TemporaryDirectory(prefix="tain-summary-") as home:
        os.chmod(home, 0o755)
        yield Run(Path(home))


def test_a_first_run_and_a_second_one(run: Run) -> None:
    (run.home / "d/old").write_text("")
    os.utime(run.home / "d", (1, 1))
    assert run("-a", "--delete", "--summary", "s/", "d/") == (
        0, "done  10 files, 10.0 kB in 0:00\n      11 new  1 attributes only  1 deleted\n"
    )  # fmt: skip
    assert run("-a", "--delete", "--summary", "s/", "d/") == (
        0, "done  nothing to do: 12 entries, 10.0 kB, all as they should be (0:00)\n"
    )  # fmt: skip


def test_a_dry_run_would(run: Run) -> None:
    assert run("-an", "--summary", "s/", "d/")[1].startswith("would  10 files, 10.0 kB in 0:00\n")


def test_a_remote_run_names_what_travelled(run: Run) -> None:
    code, text = run.shell("-az", "--summary", "s/", f"h:{run.home}/d/")
    assert code == 0
    assert re.fullmatch(r"done  10 files, 10.0 kB in 0:00 \([\d.]+ k?B travelled, [\d.]+ times less\)\n.*\n", text), (
        text
    )


def test_without_the_option_there_is_none(run: Run) -> None:
    assert run("-a", "s/", "d/") == (0, "")


def test_unreadable_files_are_grouped(run: Run) -> None:
    need_root()
    for name in ("1", "2", "3"):
        (run.home / "s/a" / name).chmod(0)
    os.chown(run.home / "d", 65534, 65534)
    code, text = run("-rt", "--summary", "s/", "d/", user=True)
    assert code == 23
    block = text[text.index("INCOMPLETE") :]
    assert block == (
        "INCOMPLETE (code 23): 3 of 12 entries failed, all else is right\n"
        f"      permission denied (13)  3  reading, here  {run.home}/s/a/1  {run.home}/s/a/2\n"
        "      10 files, 10.0 kB in 0:00\n"
        "      11 new  1 attributes only\n"
    )


def test_a_directory_that_cannot_be_written(run: Run) -> None:
    """The name is that of the file, not of its temporary file."""
    need_root()
    code, text = run("-rt", "--summary", "s/a/", "d/", user=True)
    assert code == 23
    # The times of the directory may fail as well, if it was made in another second.
    assert re.search(r"^ +permission denied \(13\) +10  creating, here  ", text, re.MULTILINE), text
    assert f"  {run.home}/d/0  {run.home}/d/1\n" in text


def test_a_file_of_somebody_else(run: Run) -> None:
    """EPERM (1): only its owner may set the times of a file."""
    need_root()
    (run.home / "d/0").write_text("x" * 1000)
    os.utime(run.home / "d/0", (1, 1))
    (run.home / "d/0").chmod(0o666)
    code, text = run("-t", "--size-only", "--summary", "s/a/0", "d/", user=True)
    assert code == 23
    assert f"operation not permitted (1)  1  setting times, here  {run.home}/d/0\n" in text


def test_the_other_end_is_named(run: Run) -> None:
    need_root()
    (run.home / "s/a/1").chmod(0)
    (run.home / "s/a/2").chmod(0)
    os.chown(run.home / "d", 65534, 65534)
    words = ["-e", str(run.home / "rsh"), f"--rsync-path={PROGRAM}"]
    code, text = run("-rt", "--summary", *words, f"h:{run.home}/s/", "d/", user=True)
    assert code == 23
    assert f"permission denied (13)  2  reading, h  {run.home}/s/a/1  {run.home}/s/a/2\n" in text


def test_a_file_that_vanished(run: Run) -> None:
    """ENOENT (2), in the word of the message."""
    (run.home / "s/z").mkdir()
    (run.home / "s/z/last").write_text("x")
    with run.started("-a", "--bwlimit=8", "--summary", "s/", "d/") as process:
        run.wait_for(lambda: (run.home / "d/a/0").exists())
        (run.home / "s/z/last").unlink()
        _, text = process.communicate(timeout=60)
    assert process.returncode == 24
    assert "INCOMPLETE (code 24): 1 of 14 entries failed, all else is right\n" in text
    assert f"      vanished  1  here  {run.home}/s/z/last\n" in text


def test_a_peer_that_is_lost_in_mid_run(run: Run) -> None:
    (run.home / "rsh").write_text('#!/bin/sh\nshift\necho $$ >PID\nexec sh -c "exec $*"\n')
    words = ["-e", str(run.home / "rsh"), f"--rsync-path={PROGRAM}", "s/", f"h:{run.home}/d/"]
    with run.started("-a", "--bwlimit=2", "--summary", *words) as process:
        run.wait_for(lambda: (run.home / "d/a/0").exists())
        os.kill(int((run.home / "PID").read_text()), signal.SIGKILL)
        _, text = process.communicate(timeout=60)
    assert process.returncode == 12
    # A sender does not know how many of them arrived.
    assert re.search(r"^FAILED \(code 12\) after 0:\d\d: h ended the connection; \d+ files? (was|were) sent$", text,
                     re.MULTILINE), text  # fmt: skip


def test_a_remote_shell_that_is_lost_in_mid_run(run: Run) -> None:
    """The exit code is that of the shell, as with rsync; the reason is the connection."""
    script = '#!/bin/sh\nshift\nsh -c "echo \\$\\$ >FAR; exec $*" || exit 255\n'
    (run.home / "rsh").write_text(script)
    words = ["-e", str(run.home / "rsh"), f"--rsync-path={PROGRAM}"]
    with run.started("-a", "--bwlimit=2", "--summary", *words, "s/", f"h:{run.home}/d/") as process:
        run.wait_for(lambda: (run.home / "d/a/0").exists())
        os.kill(int((run.home / "FAR").read_text()), signal.SIGKILL)
        _, text = process.communicate(timeout=60)
    assert process.returncode == 255
    assert re.search(r"^FAILED \(code 255\) after 0:\d\d: h ended the connection; ", text, re.MULTILINE), text


def test_a_source_that_does_not_exist(run: Run) -> None:
    code, text = run("-a", "--summary", "nosuch", "s/", "d/")
    assert code == 23
    assert f"no such file or directory (2)  1  reading, here  {run.home}/nosuch\n" in text


def test_deletions_that_were_left_out(run: Run) -> None:
    need_root()
    (run.home / "d/old").write_text("")
    (run.home / "s/closed").mkdir(mode=0)
    os.chown(run.home / "d", 65534, 65534)
    code, text = run("-r", "--delete-after", "--summary", "s/", "d/", user=True)
    assert code == 23
    assert f"permission denied (13)  1  listing, here  {run.home}/s/closed\n" in text
    assert "      deletions were left out: the source could not be read completely\n" in text
    assert (run.home / "d/old").exists()


def test_a_full_disk(run: Run) -> None:
    need_root()
    disk = run.home / "small"
    disk.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    if mount.returncode:
        # A container may run tests as root without this right; any other failure is one of the test.
        assert re.search("permission denied|not permitted", mount.stderr, re.IGNORECASE), mount.stderr
        pytest.skip(f"this machine does not let root mount: {mount.stderr.strip()}")
    try:
        (run.home / "s/big").write_bytes(b"x" * 300_000)
        code, text = run("-a", "--summary", "s/", "small/")
    finally:
        subprocess.run(["umount", disk], check=True)
    assert code == 11
    assert "FAILED (code 11) after 0:00: no space left on device on" in text
    assert "no space left on device (28)" in text


def test_a_peer_that_is_lost(run: Run) -> None:
    (run.home / "rsh").write_text("#!/bin/sh\nexit 9\n")
    code, text = run.shell("-a", "--summary", "s/", f"h:{run.home}/d/")
    assert code == 12
    assert "FAILED (code 12) after 0:00: " in text


def test_an_interrupt(run: Run) -> None:
    (run.home / "s/z").mkdir()
    (run.home / "s/z/big").write_bytes(b"x" * 50_000_000)
    process = run.started("-a", "--bwlimit=1000", "--summary", "s/", "d/")
    run.wait_for(lambda: (run.home / "d/a/9").exists())
    process.send_signal(signal.SIGINT)
    _, text = process.communicate(timeout=20)
    assert process.returncode == 20
    assert re.search(r"^STOPPED \(code 20\) after 0:0\d: received SIGINT.*; \d+ files? (is|are) safely there$", text,
                     re.MULTILINE), text  # fmt: skip


def test_usage_errors_have_no_block(run: Run) -> None:
    code, text = run("--summary", "--nosuch")
    assert code == 1 and "FAILED" not in text


class _Problem:
    def __init__(self, path: bytes, number: int | None, side: str = "here") -> None:
        self.path, self.errno, self.action, self.side = path, number, "writing", side


def test_causes_are_limited_and_sorted() -> None:
    causes = Causes()
    for number in range(1, 12):
        for name in range(number):
            causes.add(_Problem(b"f%d" % name, number, "peer"))
    lines = causes.lines("backup1", "utf-8")
    assert len(lines) == 9
    assert lines[0].split("  ")[-2:] == ["f0", "f1"] and "writing, backup1" in lines[0]
    assert lines[-1] == "      and 3 more causes"


def test_names_cannot_write_on_the_terminal() -> None:
    causes = Causes()
    causes.add(_Problem(b"a\x1b[31m\n\xff", errno.EACCES))
    assert causes.lines("", "utf-8") == ["      permission denied (13)  1  writing, here  a?[31m??"]
    assert end_block(None, 10, 41.5, Causes()).startswith("FAILED (code 10) after 0:41: error in socket IO")

"""Every numbered statement has a row or a test with its number in the name; and those that no row can show."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests import programs
from tests.parity.checklist import IDS
from tests.parity.harness import SHELL
from tests.parity.rows import ROWS

TESTS = Path(__file__).resolve().parents[1]


def test_every_statement_is_tested() -> None:
    named = {match[0] for row in ROWS if (match := re.match(r"[A-Z]{3}-\d+(?![\d.])", row.id))}
    for path in TESTS.rglob("test_*.py"):
        for kind, number in re.findall(r"(?m)^def test_([a-z]{3})_(\d+)_", path.read_text()):
            named.add(f"{kind.upper()}-{number}")
    assert [i for i in IDS if i not in named] == []


def test_opt_27_the_time_is_up(place: Path, tain: str) -> None:
    """`--stop-at` counts in minutes, so the moment is put into the options themselves."""
    (place / "src").mkdir()
    (place / "src/a").write_bytes(bytes(1 << 20))
    script = (
        "import os, sys, time\n"
        "from tain.options.parse import parse\n"
        "from tain.options.resolve import resolve\n"
        "from tain.session import client\n"
        "from tain.session.environment import Environment\n"
        "words = [b'-a', b'--bwlimit=10', b'src/', b'dst/']\n"
        "options = resolve(parse(words), environ={})\n"
        "options.stop_at = int(time.time()) + 4\n"
        "sys.exit(client.run(options, Environment(argv=[b'rsync', *words])))\n"
    )
    python = Path(tain).parent / "python"
    began = time.monotonic()
    done = subprocess.run([str(python), "-c", script], cwd=place, capture_output=True, timeout=60, check=False)
    assert done.returncode == 30, done
    assert b"stopping at requested limit" in done.stderr
    assert time.monotonic() - began < 40
    assert sorted(os.listdir(place / "dst")) == []


@pytest.mark.parametrize("how", ["client", "environment", "server", "daemon"])
def test_opt_31_no_unlimited_memory(how: str, place: Path, tain: str) -> None:
    """rsync takes 0 for "no limit", which a peer could ask for."""
    (place / "src").mkdir()
    env = programs.environment(str(place))
    config = place / "rsyncd.conf"
    config.write_text(f"use chroot = no\n[m]\npath = {place}/src\n")
    words = {
        "client": ["-r", "--max-alloc=0", "src/", "dst/"],
        "environment": ["-r", "src/", "dst/"],
        "server": ["-r", "-e", f"{place}/sh", f"--rsync-path={tain}", "-M--max-alloc=0", "src/", "h:dst/"],
        "daemon": ["-r", "-M--max-alloc=0", "h::m/", "dst/"],
    }[how]
    (place / "sh").write_text(SHELL)
    (place / "sh").chmod(0o755)
    if how == "environment":
        env["RSYNC_MAX_ALLOC"] = "0"
    if how == "daemon":
        env["RSYNC_CONNECT_PROG"] = f"{tain} --daemon --config={config}"
    done = programs.run([tain, *words], cwd=place, env=env)
    assert b"max-alloc must be greater than zero" in done.err, done
    # How the refusal of a peer reaches the client depends on the way to it.
    assert done.code in ((1,) if how in ("client", "environment") else (1, 4, 12)), done


def test_opt_41_a_list_out_of_order(place: Path, tain: str, rsync: str) -> None:
    (place / "src").mkdir()
    (place / "src/a").write_text("data")
    (place / "sh").write_text(SHELL)
    (place / "sh").chmod(0o755)
    env = programs.environment(str(place), RSYNC_CHECKSUM_LIST="md5 xxh64")
    for number, (source, target) in enumerate([("src/", "h:{}/push/"), ("h:{}/src/", "pull/")]):
        words = ["-a", "-e", f"{place}/sh", f"--rsync-path=env -u RSYNC_CHECKSUM_LIST {rsync}", "--debug=nstr"]
        done = programs.run([tain, *words, source.format(place), target.format(place)], cwd=place, env=env)
        assert done.code == 0, done
        assert b"md5" in done.out, done
        assert (place / ("push", "pull")[number] / "a").read_text() == "data"

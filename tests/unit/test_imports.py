"""What a server loads before it works: each module costs time that every connection waits for."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import tain

#: Modules that are slow to load, and that nothing on the way to a transfer needs.
SLOW = {
    "argparse", "asyncio", "collections", "contextlib", "dataclasses", "datetime", "enum", "functools", "getpass",
    "hashlib", "inspect", "json", "locale", "logging", "pathlib", "re", "shutil", "signal", "socket", "ssl", "string",
    "subprocess", "tempfile", "threading", "typing",
}  # fmt: skip

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
import tain.cli.main
from tain.session.environment import Environment
from tain.options.parse import parse
from tain.options.resolve import resolve
env = Environment(argv=[b"rsync"], environ={})
tain.cli.main._install_signals(env)
resolve(parse([b"--server", b"-vlogDtpre.iLsfxCIvu", b".", b"x"]), environ={}, program="rsync")
import tain.session.server, tain.session.plan
print(*sorted(set(sys.modules) - before))
"""


def test_a_server_loads_little() -> None:
    root = os.path.dirname(os.path.dirname(tain.__file__))
    run = subprocess.run([sys.executable, "-I", "-S", "-c", PROGRAM, root], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert not loaded & SLOW
    assert not [name for name in loaded if name.startswith(("tain.daemon", "tain.transport"))]


RUN = """
import sys
sys.path[:0] = sys.argv[1:3]
import tain.cli.main
code = tain.cli.main.main([b"tain", *map(str.encode, sys.argv[3:])])
print(code, *sorted(sys.modules))
"""


@pytest.mark.parametrize("words", [["-a"], ["-a", "--no-bar"], ["-a", "--bar"], ["-a", "--summary"]])
def test_only_a_run_that_draws_loads_what_draws(words: list[str], tmp_path: Path) -> None:
    root = os.path.dirname(os.path.dirname(tain.__file__))
    (tmp_path / "s").mkdir()
    packages = sysconfig.get_paths()["purelib"]
    ends = [str(tmp_path / "s"), str(tmp_path / "d")]
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", RUN, root, packages, *words, *ends],
        capture_output=True,
        text=True,
        check=True,
    )
    code, *loaded = run.stdout.split()
    assert code == "0"
    # This run is over before a first frame.
    assert not [name for name in loaded if name == "rich" or name.startswith("rich.") or name == "tain.report.bar"]
    if words in (["-a"], ["-a", "--no-bar"]):
        ours = {"display", "explaining", "endblock", "meter", "plain", "watch", "quantities", "explain", "messages"}
        ours |= {"jsonl", "jsonevents", "reporter", "gauge", "lines", "events", "results"}
        assert not [name for name in loaded if name.startswith("tain.") and name.rpartition(".")[2] in ours]


#: The packages of several machines; the standard library is enough for several streams of one.
CLUSTER = {"distributed", "dask", "dask_jobqueue", "tornado", "cloudpickle", "msgpack", "cryptography"}


@pytest.mark.parametrize("words", [["-a"], ["-a", "--jobs=2"]])
def test_only_a_cluster_run_loads_what_a_cluster_needs(words: list[str], tmp_path: Path) -> None:
    root = os.path.dirname(os.path.dirname(tain.__file__))
    for name in ("s/a/1", "s/b/2", "s/c/3"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    packages = sysconfig.get_paths()["purelib"]
    ends = [str(tmp_path / "s") + "/", str(tmp_path / "d")]
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", RUN, root, packages, *words, *ends],
        capture_output=True,
        text=True,
        check=True,
    )
    code, *loaded = run.stdout.split()
    assert code == "0"
    assert not [name for name in loaded if name.partition(".")[0] in CLUSTER or "engines.dask" in name]
    if words == ["-a"]:
        assert not [name for name in loaded if name.startswith("tain.cluster")]

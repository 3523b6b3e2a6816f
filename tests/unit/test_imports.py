"""What a server loads before it works: each module costs time that every connection waits for."""

from __future__ import annotations

import os
import subprocess
import sys

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

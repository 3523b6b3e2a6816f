"""What the start of a server may load."""

from __future__ import annotations

import subprocess
import sys

#: Modules that cost milliseconds each, or that a server has no use for.
BANNED = {
    "argparse", "asyncio", "dataclasses", "enum", "fnmatch", "inspect", "json", "locale", "logging", "re", "shlex",
    "socket", "subprocess", "typing",
}  # fmt: skip

CODE = """
import sys
before = set(sys.modules)
from tain.options.parse import parse
from tain.options.resolve import resolve
resolve(parse([b"--server", b"--sender", b"-vlogDtpre.iLsfxCIvu", b"--info=NAME2", b"-B700", b"--partial", b".", b"x"]))
from tain.session import arguments
print(*sorted(set(sys.modules) - before))
"""


def test_only_cheap_modules() -> None:
    # -S: what the interpreter's site hooks load is not ours to answer for.
    path = [entry for entry in sys.path if entry]
    code = f"import sys\nsys.path[:0] = {path!r}\n{CODE}"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(done.stdout.split())
    assert loaded & BANNED == set()
    assert {name for name in loaded if not name.startswith("tain")} <= {"__future__", "time"}

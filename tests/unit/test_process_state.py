"""What the threads of a process share is changed in few places, so that sessions can run side by side (CCH-8)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import tain

PACKAGE = Path(tain.__file__).parent
IDS = {"os." + name for name in ("setuid", "setgid", "seteuid", "setegid", "setreuid", "setregid", "setgroups")}
IDS |= {"os.setresuid", "os.setresgid", "os.initgroups"}
SHARED = IDS | {
    "signal.signal",
    "signal.set_wakeup_fd",
    "signal.alarm",
    "os.umask",
    "os.chdir",
    "os.fchdir",
    "os.chroot",
    "os.putenv",
    "os.unsetenv",
    "os.fork",
    "os.nice",
    "locale.setlocale",
    "resource.setrlimit",
}
#: Where such calls belong, and why.
PLACES = {
    "daemon/main.py": ({"os.fork"}, "goes into the background"),
    "daemon/listener.py": ({"os.fork", "signal.signal", "signal.set_wakeup_fd"}, "forks the connections"),
    "daemon/door.py": ({"signal.signal"}, "is a process of its own"),
    "daemon/worker.py": ({"signal.signal"}, "is a process of its own"),
    "daemon/threads.py": ({"resource.setrlimit"}, "prepares these two"),
    "daemon/hooks.py": ({"os.fork", "signal.signal"}, "runs commands"),
    "daemon/names.py": ({"os.fork", "signal.signal", "signal.set_wakeup_fd"}, "looks up names in other processes"),
    "daemon/process.py": (
        {"os.fork", "os.chdir", "os.chroot", "os.setuid", "os.setgid", "os.setgroups", "signal.signal"},
        "is what a connection does to its process",
    ),
    "session/copy_as.py": ({"os.setuid", "os.setgid", "os.setgroups"}, "--copy-as, in a process of its own"),
}


def calls(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and node.module in ("os", "signal", "locale", "resource"):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_shared_state_is_changed_in_few_places() -> None:
    found = {}
    for room in ("session", "daemon"):
        for file in sorted((PACKAGE / room).rglob("*.py")):
            if used := SHARED.intersection(calls(file)):
                found[str(file.relative_to(PACKAGE))] = used
    assert found == {place: names for place, (names, _) in PLACES.items()}


def test_the_check_sees_calls(tmp_path: Path) -> None:
    """The negative control."""
    file = tmp_path / "x.py"
    file.write_text("import os\nfrom signal import signal\n\ndef f():\n    os.umask(0)\n    return os.setuid\n")
    assert SHARED.intersection(calls(file)) == {"os.umask", "os.setuid", "signal.signal"}

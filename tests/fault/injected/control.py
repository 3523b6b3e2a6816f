"""Builds the preloaded library, and controls which calls fail (preload.c)."""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

SOURCE = Path(__file__).with_name("preload.c")
HEAD = struct.Struct("=32s512s512s256sIIIIQIII")
LOG = 1 << 20
SIZE = (HEAD.size + LOG + 7) // 8 * 8
#: Instead of an errno: half is read or written; somebody else changes the source (the order is that of preload.c).
SHORT, ACTION = 10000, 20000
CHANGES = ("truncate", "append", "replace", "chmod", "unlink", "rename-dir")


def compile_library(into: Path) -> Path:
    target = into / "preload.so"
    # The compiler writes below TMPDIR, which may be read-only by now.
    environment = os.environ | {"TMPDIR": str(into)}
    subprocess.run(["cc", "-O1", "-w", "-shared", "-fPIC", "-o", target, SOURCE, "-ldl"], check=True, env=environment)
    return target


class Control:
    """The file that the processes under test share with the test."""

    def __init__(self, directory: Path) -> None:
        self.library = compile_library(directory)
        self.path = directory / "control"
        with self.path.open("wb") as file:
            file.truncate(SIZE)
        # The ordinary user maps it as well.
        self.path.chmod(0o666)
        with self.path.open("r+b") as file:
            self.map = mmap.mmap(file.fileno(), SIZE)

    def environment(self) -> Mapping[str, str]:
        return {"LD_PRELOAD": str(self.library), "INJECT_CONTROL": str(self.path)}

    def arm(
        self,
        tree: Path,
        *,
        kind: str = "",
        below: Path | None = None,
        name: str = "",
        error: int = 0,
        first: int = 0,
        last: int = 0,
        every: bool = False,
        argument: int = 0,
    ) -> None:
        """`every`: log every call on the tree."""
        words = (kind, str(tree), str(below or tree), name)
        head = HEAD.pack(*map(str.encode, words), error, first, last, every, argument, 0, 0, 0)
        self.map[: len(head)] = head

    def disarm(self) -> None:
        self.map[: HEAD.size] = bytes(HEAD.size)

    def log(self) -> list[tuple[str, str, str]]:
        """What happened: `call` or `hit`, the kind, the path."""
        used = HEAD.unpack(self.map[: HEAD.size])[-1]
        lines = self.map[HEAD.size : HEAD.size + min(used, LOG)].split(b"\n")[:-1]
        found = []
        for line in lines:
            mark, kind, path = os.fsdecode(line).split(" ", 2)
            found.append((mark, kind, path))
        return found

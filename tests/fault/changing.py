"""A transfer that a test interrupts in the middle of a file, locally or over a link (spec: transfer 6, 13)."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests import programs
from tests.interop.ends import shell

LIMIT = 60.0
WAYS = ("local", "push", "pull")


def eventually(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.01)
    return holds()


def words(program: str, way: str, options: Sequence[str], source: Path, target: Path, space: Path) -> list[str]:
    """The command line of a copy of what is in *source* to *target*, with the same program at both ends."""
    remote = ["-e", str(shell(space)), f"--rsync-path={program}"]
    if way == "local":
        return [program, *options, f"{source}/", f"{target}/"]
    if way == "push":
        return [program, *options, *remote, f"{source}/", f"h:{target}/"]
    return [program, *options, *remote, f"h:{source}/", f"{target}/"]


def content(directory: Path) -> dict[str, bytes]:
    """Every file below a directory, by its relative name."""
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def normal(text: bytes, *places: Path) -> list[str]:
    """Lines without what differs between two runs: scratch directories, random suffixes, places in the source."""
    said = text.decode(errors="replace")
    for place in places:
        said = said.replace(str(place), "W")
    said = re.sub(r"\.[A-Za-z0-9]{6}\"", '.XXXXXX"', said)
    said = re.sub(r" at \S+\(\d+\) \[\w+=", " at X [X=", said)
    return sorted(said.splitlines())


@dataclass
class Caught:
    """One transfer under a limit, with files `a` (large) and `b` (small)."""

    program: str
    way: str
    options: Sequence[str]
    work: Path
    space: Path
    env: dict[str, str] = field(default_factory=dict)
    size: int = 1_500_000
    limit: int = 800
    watched: Path | None = None
    """Where the temporary file is, if not in the target."""
    user: bool = False
    """Run as an ordinary user."""

    @property
    def source(self) -> Path:
        return self.work / "src"

    @property
    def target(self) -> Path:
        return self.work / "dst"

    def prepare(self) -> None:
        for directory in (self.work, self.source, self.target):
            directory.mkdir(exist_ok=True)
        (self.source / "a").write_bytes(os.urandom(self.size))
        (self.source / "b").write_bytes(b"later\n")
        os.utime(self.source / "a", (10**9, 10**9))

    def written(self) -> int:
        """The length of what is being written of `a`."""
        sizes = [0]
        in_place = any(option.startswith(("--inplace", "--append")) for option in self.options)
        place = self.watched or self.target
        for path in place.rglob("a") if in_place else [*place.rglob(".a.*"), *place.rglob("a.*")]:
            try:
                sizes.append(path.stat().st_size)
            except FileNotFoundError:
                continue
        return max(sizes)

    @contextmanager
    def under_way(self, more_than: int = 0) -> Iterator[subprocess.Popen[bytes]]:
        """Run it, and come back when some of `a` has been written."""
        options = [*self.options, f"--bwlimit={self.limit}"]
        argv = words(self.program, self.way, options, self.source, self.target, self.space)
        process = subprocess.Popen(
            argv,
            cwd=self.work,
            env=self.env or programs.environment(str(self.space)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            user=programs.NOBODY.pw_uid if self.user else None,
            group=programs.NOBODY.pw_gid if self.user else None,
        )
        try:
            assert eventually(lambda: self.written() > more_than or process.poll() is not None)
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()

    def end(self, process: subprocess.Popen[bytes]) -> tuple[int, list[str]]:
        out, err = process.communicate(timeout=LIMIT)
        assert b"panicked" not in err and b"Traceback" not in err, err
        return process.returncode, normal(out + err, self.work)

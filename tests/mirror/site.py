"""A site of mirror jobs in a directory of its own: a configuration, a state, and the command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tain
from tests import programs

LIMIT = 60.0
#: The stages of an archive, for trees that are compared with their source as a whole.
DEBIAN = 'profile = "debian"\ntrace = { write = "none", busy_marker = false }\n'


@dataclass
class Site:
    """What a test has of one site."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        return self.root / "mirror.toml"

    @property
    def state(self) -> Path:
        return self.root / "state"

    def write(self, text: str) -> None:
        self.file.write_text(text)

    def job(self, name: str = "one", *, source: str | None = None, more: str = "") -> None:
        """One job from ``src`` to ``dst``, with few retries; *more* are further lines."""
        place = source if source is not None else f"{self.root}/src/"
        self.write(
            f'[job.{name}]\nsource = "{place}"\ndestination = "{self.root}/dst"\nevery = "6h"\n'
            f"retry = {{ attempts = 1 }}\nresources = {{ ionice = 'none', nice = 0 }}\n{more}"
        )

    def words(self, *words: str) -> list[str]:
        assert programs.PROGRAM is not None
        # Behind "--" they would be words of another command.
        end = words.index("--") if "--" in words else len(words)
        own = ("--config", str(self.file), "--state", str(self.state))
        return [programs.PROGRAM, "mirror", *words[:end], *own, *words[end:]]

    def environment(self) -> dict[str, str]:
        return {**programs.environment(str(self.root)), "TERM": "dumb", **self.env}

    def run(self, *words: str, code: int | None = 0) -> str:
        """Run a command, which must end with *code*; what it prints, errors behind the rest."""
        done = subprocess.run(
            self.words(*words), env=self.environment(), capture_output=True, timeout=LIMIT, cwd=self.root, check=False
        )
        text = (done.stdout + done.stderr).decode("utf-8", "surrogateescape")
        assert "Traceback" not in text, text
        assert code is None or done.returncode == code, f"{words}: {done.returncode}\n{text}"
        return text

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.words(*words), env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.root
        )

    def json(self, *words: str, code: int | None = 0) -> Any:
        """The document that a command prints."""
        return json.loads(self.run(*words, "--json", code=code).splitlines()[-1])

    def status(self, name: str = "one") -> dict[str, Any]:
        document: dict[str, Any] = next(job for job in self.json("status")["jobs"] if job["name"] == name)
        return document

    def runs(self, name: str = "one") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.json("history", name)["runs"]
        return found

    def runner(self, name: str = "one") -> int:
        """The process that holds the lock of a job."""
        return int(json.loads((self.state / f"jobs/{name}/lock").read_text())["pid"])

    def kill_runner(self, name: str = "one") -> None:
        os.kill(self.runner(name), signal.SIGKILL)


def fill(place: Path, number: int, *, size: int = 10, start: int = 0) -> None:
    """*number* files in directories of ten."""
    for index in range(start, start + number):
        path = place / f"d{index // 10}" / f"f{index}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{index} ".ljust(size, "x"))


def names(place: Path) -> set[str]:
    """Every entry below *place*."""
    return {str(path.relative_to(place)) for path in place.rglob("*")}


def daemon(path: Path, **more: Any) -> tain.Daemon:
    """An upstream whose module ``pub`` is *path*."""
    user = {"uid": "root", "gid": "root"} if os.geteuid() == 0 else {}
    return tain.Daemon({"pub": {"path": str(path), "use chroot": False, **user, **more}})

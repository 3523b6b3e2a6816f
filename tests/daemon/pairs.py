"""The real daemon and ours with the same configuration and the same requests of the same client."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .harness import Daemon

KINDS = ("rsync", "tain")

# The answer to a client that has hung up depends on which process was faster.
_RACES = ("safe_write failed", "connection unexpectedly closed", "Broken pipe", "Connection reset by peer")

DATE = 1_500_000_000


@dataclass
class Outcome:
    """The outcome of one request, without times, ports and process ids."""

    code: int
    out: str
    err: str
    log: list[str] = field(default_factory=list)
    tree: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        parts = {"out": self.out.splitlines(), "err": self.err.splitlines(), "log": self.log, "tree": self.tree}
        return [f"code: {self.code}", *(f"{name}: {line}" for name, lines in parts.items() for line in lines)]


def fill(place: Path) -> None:
    """``tree`` to serve, ``send`` to push, ``up`` to push to, ``secrets``: every kind of entry that needs no rights."""
    tree = place / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "a").write_text("hello\n")
    (tree / "sub" / "b").write_text("b" * 5000)
    (tree / "empty").touch()
    (tree / "link").symlink_to("a")
    (tree / "abs").symlink_to("/etc/passwd")
    (tree / "up").symlink_to("../../../etc/passwd")
    (tree / "hard").hardlink_to(tree / "a")
    (tree / "secret").write_text("s")
    (tree / "priv").write_text("p")
    (tree / "priv").chmod(0o600)
    (tree / "z.gz").write_text("zz" * 1000)
    send = place / "send"
    (send / "sd").mkdir(parents=True)
    (send / "n1").write_text("n1")
    (send / "n2").write_text("x" * 3000)
    (send / "n3").hardlink_to(send / "n1")
    (send / "ln").symlink_to("/etc/passwd")
    (send / "sd" / "secret").write_text("q")
    (place / "up").mkdir()
    (place / "secrets").write_text("bob:secret\nalf:a:b\n")
    (place / "secrets").chmod(0o600)
    date(place)
    (place / "up").chmod(0o777)


def date(place: Path) -> None:
    """Give everything the same time: the directories of two daemons are made one after the other."""
    for directory, dirs, files in os.walk(place, topdown=False):
        for name in [*dirs, *files]:
            os.utime(os.path.join(directory, name), (DATE, DATE), follow_symlinks=False)


def difference(theirs: Outcome, ours: Outcome) -> str:
    lines = difflib.unified_diff(theirs.lines(), ours.lines(), "rsync", "tain", lineterm="", n=1)
    return "\n".join(line.encode("utf-8", "backslashreplace").decode() for line in lines)


class Pair:
    """Both daemons. ``make`` fills a daemon's directory before it starts."""

    def __init__(self, directory: Path, conf: bytes, *extra: str, make: Callable[[Path], None] = fill) -> None:
        self.daemons: dict[str, Daemon] = {}
        for kind in KINDS:
            # Names of the same length, so that counts of bytes are equal.
            place = directory / kind.ljust(5, "_")
            place.mkdir()
            place.chmod(0o755)
            make(place)
            date(place)
            self.daemons[kind] = Daemon(kind, place, conf, *(word.replace("DIR", str(place)) for word in extra))

    def same(
        self,
        words: str | list[str],
        *,
        client: str = "rsync",
        reset: str = "",
        prepare: Callable[[Path], None] | None = None,
        **env: str,
    ) -> Outcome:
        """Assert that both daemons have the same outcome, and return it."""
        found = self.both(words, client=client, reset=reset, prepare=prepare, **env)
        if found["tain"] != found["rsync"]:
            pytest.fail(difference(found["rsync"], found["tain"]), pytrace=False)
        return found["tain"]

    def refused(self, words: str | list[str], *, reset: str = "", **env: str) -> Outcome:
        """A pull that is refused: the same texts, but our daemon lets the client read them to the end and rsync's
        resets the connection (DMN-54)."""
        found = self.both(words, client="rsync", reset=reset, prepare=None, **env)
        theirs, ours = found["rsync"], found["tain"]
        said = [line for line in theirs.err.splitlines() if "error in socket IO" not in line]
        assert [line for line in ours.err.splitlines() if "(code 4)" not in line] == said
        assert ours.code == 4
        assert (ours.out, ours.log, ours.tree) == (theirs.out, theirs.log, theirs.tree)
        return ours

    def stop(self) -> None:
        for daemon in self.daemons.values():
            daemon.stop()

    def __enter__(self) -> Pair:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def both(
        self,
        words: str | list[str],
        *,
        client: str = "rsync",
        reset: str = "",
        prepare: Callable[[Path], None] | None = None,
        **env: str,
    ) -> dict[str, Outcome]:
        return {
            kind: ask(daemon, words, client=client, reset=reset, prepare=prepare, **env)
            for kind, daemon in self.daemons.items()
        }


def ask(
    daemon: Daemon,
    words: str | list[str],
    *,
    client: str = "rsync",
    reset: str = "",
    prepare: Callable[[Path], None] | None = None,
    **env: str,
) -> Outcome:
    """One run of a client. ``HOST`` in its words is the daemon's URL, ``DIR`` the daemon's directory. *reset* names a
    directory there that is emptied and filled by *prepare*, and whose tree is part of the outcome."""
    split = words.split() if isinstance(words, str) else words
    if reset:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(daemon.dir / reset)
        (daemon.dir / reset).mkdir(mode=0o777)
        (daemon.dir / reset).chmod(0o777)
        if prepare is not None:
            prepare(daemon.dir / reset)
        os.utime(daemon.dir / reset, (DATE, DATE))
    seen = len(daemon.log_lines())
    filled = [word.replace("DIR", str(daemon.dir)).replace("PORT", str(daemon.port)) for word in split]
    code, out, err = daemon.client(*filled, program=client, **env)
    lines = [counted(line) for line in daemon.log_lines()[seen:]]
    tree = list(listing(daemon.dir / reset)) if reset else []
    return Outcome(code, plain(out, daemon), plain(err, daemon), ordered([x for x in lines if not _races(x)]), tree)


def ordered(lines: list[str]) -> list[str]:
    """Sort the lines about items: generator, receiver and sender write them at the same time."""
    start = next((at for at, line in enumerate(lines) if line.endswith(" file list")), len(lines))
    return [*lines[: start + 1], *sorted(lines[start + 1 :])]


def counted(text: str) -> str:
    """Remove what depends on the order of a directory and on the sizes of frames."""
    text = re.sub(r"(sent|received|speedup is|(?:bytes sent|bytes received|File list size):) [\d,.]+", r"\1 N", text)
    return re.sub(r"(File list \w+ time:) [\d.]+", r"\1 N", text)


def _races(line: str) -> bool:
    return any(text in line for text in _RACES)


def plain(text: str, daemon: Daemon) -> str:
    text = text.replace(str(daemon.dir), "DIR").replace(str(daemon.port), "PORT")
    text = re.sub(r" at \S+\(\d+\) ", " at FILE ", text)
    text = counted(re.sub(r"\d[\d,.]* bytes/sec", "N bytes/sec", text))
    lines = [line for line in text.splitlines(keepends=True) if not _races(line)]
    # The daemon's line about its destination may overtake the client's line about its list.
    lines.sort(key=lambda line: not line.startswith("created directory "))
    return "".join(lines)


def listing(root: Path) -> Iterator[str]:
    """One line per entry below ``root``: name, kind, mode, owner, size or target, time."""
    for directory, dirs, files in os.walk(root):
        dirs.sort()
        for name in sorted([*dirs, *files]):
            path = os.path.join(directory, name)
            status = os.lstat(path)
            what = str(status.st_size) if stat.S_ISREG(status.st_mode) else ""
            if stat.S_ISLNK(status.st_mode):
                what = "-> " + os.readlink(path)
            when = int(status.st_mtime)
            shown = str(when) if abs(when - DATE) < 100_000_000 else "now"
            yield (
                f"{os.path.relpath(path, root)} {stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid} "
                f"{what.replace(str(root.parent), 'DIR')} {shown}"
            )

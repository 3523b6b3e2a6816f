"""The trees of the injected cases, and one run over them."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import programs
from tests.fault.injected.control import Control
from tests.parity.harness import SHELL, Inetd
from tests.parity.tree import EPOCH, Device, Dir, Entry, Fifo, File, Hard, Link, build, filler, picture, wipe

Picture = dict[str, str]

BIG = 1_400_000


def changed(content: bytes) -> bytes:
    """The same with some places overwritten, so that a delta has something to do."""
    data = bytearray(content)
    for at in range(0, len(data), len(data) // 5 or 1):
        data[at : at + 100] = b"X" * min(100, len(data) - at)
    return bytes(data)


def entries(root: bool) -> list[Entry]:
    """What a transfer meets: new, changed, equal and superfluous entries of each type."""
    attribute = {"user.colour": b"blue"}
    big, text = filler(b"big", BIG), filler(b"text", 9000)

    def file(path: str, content: bytes, **more: Any) -> File:
        return File(path, content=content, **more)

    made: list[Entry] = [
        Dir("src", mode=0o755),
        Dir("dst", mode=0o700, time=-9),
        Dir("alt"),
        Dir("tmp"),
        Dir("bak"),
        file("src/a_new", text[:3000], xattrs=attribute, mode=0o640),
        file("src/big", big),
        file("dst/big", changed(big), time=-5),
        file("src/grow", text),
        file("dst/grow", text[:5000], time=-5),
        file("src/same", b"the same\n"),
        file("dst/same", b"the same\n"),
        file("src/touch", b"of another time\n", mode=0o600, xattrs=attribute),
        file("dst/touch", b"of another time\n", time=-50, mode=0o644, xattrs={"user.old": b"1"}),
        file("src/empty", b""),
        File("src/holes", pieces=((0, b"begin"), (200_000, b"middle")), size=300_000),
        Dir("src/d", mode=0o750, xattrs=attribute, acl="u:5:r"),
        Dir("dst/d", mode=0o755, time=-9),
        file("src/d/f1", text[10:2010], acl="u:4:rw"),
        file("src/d/f2", text[20:4020]),
        file("dst/d/f2", text[:2500], time=-7),
        Dir("src/d/sub"),
        file("src/d/sub/deep", b"deep\n"),
        Dir("src/newdir", mode=0o711),
        file("src/newdir/x", b"x" * 70_000),
        Dir("src/newdir/y"),
        file("src/newdir/y/z", b"z\n"),
        Link("src/lnk", target="a_new"),
        Link("src/newdir/far", target="../nowhere"),
        Link("src/lnk2", target="same"),
        Link("dst/lnk2", target="old-target"),
        file("src/h1", text[30:1500]),
        Hard("src/d/h2", target="src/h1"),
        Hard("src/newdir/h3", target="src/h1"),
        file("src/k1", b"k" * 900),
        Hard("src/k2", target="src/k1"),
        file("dst/k1", b"k" * 900),
        file("dst/k2", b"K" * 900, time=-3),
        Fifo("src/p"),
        file("src/pack-1.2.tar", changed(text)),
        file("dst/pack-1.1.tar", text, time=-8),
        file("src/was_dir", b"now a file\n"),
        Dir("dst/was_dir"),
        Dir("src/was_file"),
        file("src/was_file/in", b"in\n"),
        file("dst/was_file", b"once a file\n", time=-4),
        file("src/left.skip", b"skipped\n"),
        file("dst/left.skip", b"skipped once\n", time=-2),
        file("dst/more.skip", b"skipped too\n", time=-2),
        file("dst/gone", b"gone\n", time=-6),
        Dir("dst/gonedir"),
        file("dst/gonedir/x", b"x\n", time=-6),
        Dir("dst/gonedir/sub"),
        file("dst/gonedir/sub/y", b"y\n", time=-6),
        file("dst/d/old", b"old\n", time=-6),
        Dir("alt/d"),
        file("alt/d/f1", text[10:2010], acl="u:4:rw"),
        file("alt/d/f2", text[20:4020], time=-1),
        file("alt/a_new", text[:3000], xattrs=attribute, mode=0o640),
        file("alt/newdir/x", b"x" * 70_000),
        Link("alt/lnk", target="a_new"),
    ]
    if root:
        made += [Device("src/n", kind="c", major=1, minor=3, owner=(5, 6))]
        for entry in made:
            if entry.path in ("src/a_new", "src/d", "src/lnk", "alt/a_new", "src/touch"):
                entry.owner = (5, 6)
            if entry.path in ("src/d/f2", "src/newdir"):
                entry.owner = (0, 6)
    return made


@dataclass
class Run:
    """What a run did: how it ended, its output, the resulting trees, and which calls were hit."""

    outcome: programs.Outcome
    log: str
    """What a daemon wrote."""
    trees: dict[str, Picture]
    """A picture of each top-level directory."""
    calls: list[tuple[str, str, str]]
    since: float

    @property
    def hits(self) -> list[tuple[str, str]]:
        return [(kind, path) for mark, kind, path in self.calls if mark == "hit"]


class World:
    """One working directory, in which each case begins with the same trees."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.work = base / "w"
        self.home = base / "home"
        self.home.mkdir()
        self.control = Control(base)
        self.shell = base / "sh"
        self.shell.write_text(SHELL)
        self.shell.chmod(0o755)
        self.bin: dict[str, Path] = {}
        self.templates: dict[bool, Path] = {}

    def program(self, path: str) -> Path:
        """The program by the name `rsync`, whichever it is."""
        if path not in self.bin:
            directory = self.base / f"bin{len(self.bin)}"
            directory.mkdir()
            self.bin[path] = directory / "rsync"
            self.bin[path].symlink_to(path)
        return self.bin[path]

    def template(self, user: bool) -> Path:
        if user not in self.templates:
            path = self.base / f"template{int(user)}"
            build(str(path), entries(not user), (programs.NOBODY.pw_uid, programs.NOBODY.pw_gid) if user else None)
            os.utime(path, (EPOCH, EPOCH))
            self.templates[user] = path
        return self.templates[user]

    def begin(self, user: bool) -> None:
        wipe(self.work)
        subprocess.run(["cp", "-a", "--sparse=always", self.template(user), self.work], check=True)

    def look(self, since: float) -> dict[str, Picture]:
        tops = sorted(name for name in os.listdir(self.work) if (self.work / name).is_dir())
        return {name: picture(str(self.work / name), since=since) for name in tops}

    def run(
        self,
        options: list[str],
        sources: list[str],
        via: str,
        *,
        program: str,
        far: str = "",
        user: bool = False,
        limit: float = 30,
    ) -> Run:
        """Run over the trees as they are; what is armed in the control is at work."""
        near, other = self.program(program), self.program(far or program)
        env = programs.environment(str(self.home)) | dict(self.control.environment())
        daemon: Inetd | None = None
        log = self.base / "rsyncd.log"
        log.unlink(missing_ok=True)
        top = str(self.work)
        words = list(options)
        if via in ("push", "pull"):
            words += ["-e", str(self.shell), f"--rsync-path={other}"]
            top = f"h:{self.work}"
        elif via.startswith("daemon"):
            config = self.base / "rsyncd.conf"
            who = programs.NOBODY.pw_uid if user else 0
            group = programs.NOBODY.pw_gid if user else 0
            config.write_text(
                f"use chroot = no\nlog file = {log}\nread only = no\n"
                f"[m]\npath = {self.work}\nuid = {who}\ngid = {group}\n"
            )
            daemon = Inetd(str(other), config, env, self.base)
            top = f"rsync://127.0.0.1:{daemon.port}/m"
        if via in ("pull", "daemon-pull"):
            words += [f"{top}/{name}" for name in sources] + ["dst/"]
        else:
            words += [*sources, f"{top}/dst/" if via != "local" else "dst/"]
        since = time.time()
        try:
            outcome = programs.run([str(near), *words], cwd=self.work, env=env, user=user, limit=limit)
        finally:
            if daemon:
                daemon.close()
        calls = self.control.log()
        self.control.disarm()
        text = log.read_text(errors="replace") if log.exists() else ""
        return Run(outcome, text, self.look(since), calls, since)


def describe(number: int) -> str:
    return f"{os.strerror(number)} ({number})"


ERRNOS = {name: getattr(errno, name) for name in (
    "EIO", "ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS", "EMLINK", "EXDEV", "ELOOP", "EINTR", "ENOENT"
)}  # fmt: skip

"""Random trees on the disk: everything that a list can hold."""

from __future__ import annotations

import os
import random
import stat
from pathlib import Path

MODES = [0o644, 0o600, 0o755, 0o4755, 0o1777, 0o000]
OWNERS = [(0, 0), (1, 1), (5, 6), (65534, 65534), (12345, 23456)]
PLAIN = [b"a", b"b", b"core", b"x.o", b"main.c", b"README", b"pkg-1.0.tar", b"pkg-1.1.tar", b"z"]


def any_name(rng: random.Random) -> bytes:
    kind = rng.randrange(12)
    if kind < 7:
        return rng.choice(PLAIN) + (b"%d" % rng.randrange(30) if rng.random() < 0.5 else b"")
    if kind == 7:
        return bytes([rng.choice(b"LMN")]) * rng.choice([254, 255]) if rng.random() < 0.3 else b"long" * 20
    size = rng.randrange(1, 5)
    name = bytes(rng.choice([byte for byte in range(1, 256) if byte != ord("/")]) for _ in range(size))
    return name if name not in (b".", b"..") else b"..."


class Maker:
    """Makes a tree of some hundred entries below *top*, the same for each seed."""

    def __init__(self, top: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.top = os.fsencode(top)
        self.is_root = os.geteuid() == 0
        self.dirs: list[bytes] = [self.top]
        self.files: list[bytes] = []

    def fresh(self) -> bytes | None:
        path = self.rng.choice(self.dirs) + b"/" + any_name(self.rng)
        return None if os.path.lexists(path) or len(path) - len(self.top) > 3000 else path

    def make(self, size: int) -> None:
        os.mkdir(self.top)
        deep = self.rng.random() < 0.5
        for _ in range(size // 5):
            path = self.fresh()
            if path is not None:
                os.mkdir(path)
                self.dirs.append(path)
                if deep and self.rng.random() < 0.5:
                    self.dirs = [*self.dirs[-3:], self.top]
        self.dirs = [os.path.join(at) for at, _, _ in os.walk(self.top)]
        for _ in range(size):
            path = self.fresh()
            if path is not None:
                self.entry(path)
        # From the inside out: what is made in a directory changes its time.
        for at, dirs, names in os.walk(self.top, topdown=False):
            for name in names + dirs:
                self.dress(at + b"/" + name)

    def entry(self, path: bytes) -> None:
        rng, chance = self.rng, self.rng.random()
        if chance < 0.62:
            with open(path, "wb") as file:
                file.truncate(rng.choice([0, 0, 1, 700, 3000]))
            self.files.append(path)
        elif chance < 0.74:
            os.symlink(rng.choice([b"a", b"/etc/passwd", b"../b", b"x" * 300, b"/rsyncd-munged/../up"]), path)
        elif chance < 0.86 and self.files:
            os.link(rng.choice(self.files), path)
        elif chance < 0.93:
            os.mkfifo(path)
        elif self.is_root:
            kind = rng.choice([stat.S_IFCHR, stat.S_IFBLK])
            os.mknod(path, kind | 0o600, os.makedev(rng.choice([1, 1, 240, 259]), rng.choice([3, 5, 300])))

    def dress(self, path: bytes) -> None:
        rng = self.rng
        if self.is_root and rng.random() < 0.6:
            os.lchown(path, *rng.choice(OWNERS))
        if not os.path.islink(path):
            # Only root can read what has no permissions, and a program without it would report that.
            modes = MODES if self.is_root else MODES[:3]
            os.chmod(path, 0o755 if os.path.isdir(path) and not self.is_root else rng.choice(modes))
        seconds = rng.choice([-1, -86400 * 400, 0, 1, 1_700_000_000, 1_700_000_000, 1_700_000_001, 1 << 32])
        nanoseconds = rng.choice([0, 0, 5, 999_999_999])
        os.utime(path, ns=(0, seconds * 10**9 + nanoseconds), follow_symlinks=False)

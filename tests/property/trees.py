"""Random trees: a source, a destination that was once a copy of it, and older copies beside them."""

from __future__ import annotations

import copy
import os
import random
from dataclasses import dataclass, field

from tests.parity.tree import Device, Dir, Entry, Fifo, File, Hard, Link, filler

PLAIN = [b"a", b"b", b"c", b"foo", b"bar.c", b"x.o", b"core", b"main.c~", b"README", b"Makefile.bak", b"data.gz", b"z"]
ODD = [
    b"a b",
    b"n\nl",
    b"back\\slash",
    b"\xff\xfe",
    b"-dash",
    b".hidden",
    b"...",
    b"star*",
    b"[br]",
    b"q?",
    b"caf\xc3\xa9",
    b"t\tab",
    b"#hash",
    b";semi",
    b"~tilde",
    b"a..b",
    b" lead",
    b"trail ",
    b"\\#012",
    b"it's",
    b"$HOME",
    b"L" * 200,
]
DIRS = [b"d", b"e", b"sub", b"lib", b"CVS", b"deep", b"d 2", b"d*", b".dir", b"x.d"]
TIMES = [-1000, -100, -1, 0, 0, 0, 1, 2, 100]
NANOSECONDS = [0, 0, 0, 5, 500_000_000, 999_999_999]
FILE_MODES = [0o644] * 8 + [0o600, 0o755, 0o700, 0o444, 0o666, 0o640, 0o4755, 0o2755, 0o1644, 0o111, 0o777]
DIR_MODES = [0o755] * 8 + [0o700, 0o750, 0o777, 0o1777, 0o2775, 0o555]
OWNERS = [None] * 8 + [(1, 1), (5, 6), (0, 65534), (65534, 0), (12345, 23456)]
RULES_FILES = [b".rsync-filter", b".cvsignore", b".ex"]


def join(directory: bytes, name: bytes) -> bytes:
    return directory + b"/" + name if directory else name


@dataclass
class Maker:
    """Makes one tree of entries with paths relative to its top."""

    rng: random.Random
    user: bool
    kinds: bool = True
    """With links and special files."""
    entries: dict[bytes, Entry] = field(default_factory=dict)
    linkable: set[bytes] = field(default_factory=set)
    """Directories that symlinks may lead to. No such link stands in or below one, so that following them ends."""

    def dress(self, entry: Entry) -> Entry:
        rng = self.rng
        entry.time = rng.choice(TIMES)
        entry.nsec = rng.choice(NANOSECONDS)
        if isinstance(entry, Dir):
            entry.mode = rng.choice(DIR_MODES)
            if self.user and rng.random() < 0.04:
                entry.mode = rng.choice([0, 0o311, 0o444])
        elif not isinstance(entry, Link):
            entry.mode = rng.choice(FILE_MODES)
            if self.user and rng.random() < 0.06:
                entry.mode = 0
        if not self.user:
            entry.owner = rng.choice(OWNERS)
        if isinstance(entry, File | Dir) and rng.random() < 0.1:
            entry.xattrs = {"user.a": rng.choice([b"v", b"", b"other", b"long" * 20])}
            if rng.random() < 0.3:
                entry.xattrs = {**entry.xattrs, "user.b": b"x" * 40}
            if not self.user and rng.random() < 0.2:
                entry.xattrs = {**entry.xattrs, "trusted.t": b"t"}
        if isinstance(entry, File | Dir) and rng.random() < 0.03:
            entry.acl = rng.choice(["u:5:rw", "g:6:r,u:7:-", "u:1:rwx,m:r"])
            if isinstance(entry, Dir) and rng.random() < 0.5:
                entry.default_acl = "u:5:rx"
        return entry

    def content(self, name: bytes) -> bytes:
        rng = self.rng
        kind = rng.randrange(12)
        if kind == 0:
            return b""
        if kind < 7:
            return rng.choice([b"one", b"two", b"text of %s\n" % name[:20], b"x" * 700, b"\n\0\r\n"])
        if kind < 10:
            return filler(name + b"%d" % rng.randrange(3), rng.choice([1000, 5000, 20_000]))
        if kind == 10:
            return filler(name, rng.choice([40_000, 100_001]))
        return filler(name, 3000) + bytes(rng.choice([3000, 50_000])) + filler(name, 100) + bytes(rng.choice([0, 9000]))

    def rules(self) -> bytes:
        heads = [b"- ", b"+ ", b"", b"P ", b"H ", b"R ", b"S "]
        lines = [self.rng.choice(heads) + pattern(self.rng, []) for _ in range(self.rng.randrange(1, 4))]
        return b"\n".join(lines) + b"\n"

    def make(self, size: int) -> dict[bytes, Entry]:
        rng = self.rng
        dirs = [b""]
        for _ in range(size // 3):
            path = join(rng.choice(dirs), rng.choice(DIRS))
            if path not in self.entries and path.count(b"/") < 4:
                self.entries[path] = self.dress(Dir(path))
                dirs.append(path)
        for path in dirs[1:]:
            if rng.random() < 0.3:
                self.linkable.add(path)
        files: list[bytes] = []
        for _ in range(size):
            directory = rng.choice(dirs)
            name = rng.choice(ODD if rng.random() < 0.2 else PLAIN)
            path = join(directory, name)
            if path in self.entries:
                continue
            chance = rng.random()
            if not self.kinds or chance < 0.68:
                self.entries[path] = self.dress(File(path, content=self.content(name)))
                files.append(path)
            elif chance < 0.80:
                self.entries[path] = self.dress(Link(path, target=self.target(directory, files)))
            elif chance < 0.88 and files:
                leader = rng.choice(files)
                self.entries[path] = Hard(path, target=leader)
            elif chance < 0.93:
                self.entries[path] = self.dress(Fifo(path))
            elif not self.user:
                # Nothing is behind these numbers, or nothing comes out: a copy of their content must end.
                kind, major, minor = rng.choice([("c", 1, 3), ("c", 240, 7), ("b", 240, 9), ("b", 259, 300)])
                self.entries[path] = self.dress(Device(path, kind=kind, major=major, minor=minor))
        for name in RULES_FILES:
            if rng.random() < 0.15:
                path = join(rng.choice(dirs), name)
                self.entries[path] = self.dress(File(path, content=self.rules()))
                self.entries[path].mode = 0o644
        return self.entries

    def target(self, directory: bytes, files: list[bytes]) -> bytes:
        rng = self.rng
        up = b"../" * (directory.count(b"/") + 1 if directory else 0)
        kind = rng.randrange(9)
        if kind < 2 and files:
            return up + rng.choice(files)
        if kind < 4 and self.linkable and not self.below_linkable(directory):
            return up + rng.choice(sorted(self.linkable))
        if kind == 4:
            return rng.choice([b"nosuch", b"/nosuch/x", b"../nosuch", up + b"../nosuch", b"a b"])
        if kind == 5:
            return up + b"../out/f"
        if kind == 6 and not self.below_linkable(directory):
            return up + b"../out/od"
        if kind == 7:
            return rng.choice([b"/etc/hostname", b"/dev/null", b"/rsyncd-munged/a", b"a"])
        return rng.choice(PLAIN)

    def below_linkable(self, directory: bytes) -> bool:
        parts = directory.split(b"/")
        return any(b"/".join(parts[: n + 1]) in self.linkable for n in range(len(parts)))


def pattern(rng: random.Random, paths: list[bytes]) -> bytes:
    """One pattern of a filter rule."""
    kind = rng.randrange(14)
    safe = [p for p in paths if b"\n" not in p and not p.startswith((b" ", b"#", b";"))]
    if kind < 3 and safe:
        name = rng.choice(safe)
        return rng.choice([b"/" + name, name.rsplit(b"/")[-1], name, name + b"/", b"/" + name + b"/***"])
    simple = [b"*.o", b"*.c", b"a", b"*/", b"/d/", b"d/", b"sub", b"*", b"[a-c]*", b"fo?", b"**/a", b"d/**", b"e/***"]
    return rng.choice([*simple, b"/a", b"/*", b"CVS/", b"*~", b".*", b"[!a]", b"**", b"[[:upper:]]*", b"x.?", b"/*/a"])


def mutate(rng: random.Random, source: dict[bytes, Entry], user: bool, keep: float) -> dict[bytes, Entry]:
    """A tree that was a copy of `source` before either was changed."""
    found: dict[bytes, Entry] = {}
    dropped: set[bytes] = set()
    maker = Maker(rng, user)
    for path, original in source.items():
        parents = [path[:n] for n in range(len(path)) if path[n : n + 1] == b"/"]
        if any(p in dropped for p in parents):
            continue
        chance = rng.random()
        if chance > keep:
            dropped.add(path)
            continue
        entry = copy.copy(original)
        chance = rng.random()
        if isinstance(entry, Hard):
            if entry.target not in found or not isinstance(found[entry.target], File):
                entry = maker.dress(File(path, content=maker.content(path)))
            elif chance < 0.3:
                leader = found[entry.target]
                assert isinstance(leader, File)
                entry = copy.copy(leader)
                entry.path = path
        elif chance < 0.45:
            pass
        elif chance < 0.6:
            if isinstance(entry, File) and entry.content is not None:
                entry.content = edit(rng, entry.content)
                if rng.random() < 0.7:
                    entry.time = rng.choice(TIMES)
            elif isinstance(entry, Link):
                entry.target = rng.choice([b"a", b"other", b"../out/f"])
        elif chance < 0.72:
            entry.time = rng.choice(TIMES)
            entry.nsec = rng.choice(NANOSECONDS)
        elif chance < 0.86:
            plain = maker.dress(copy.copy(entry))
            plain.time, plain.nsec = entry.time, entry.nsec
            entry = plain
        elif chance < 0.93:
            dropped.add(path)
            entry = other_type(rng, maker, path, entry)
            found[path] = entry
            if isinstance(entry, Dir) and rng.random() < 0.5:
                inner = join(path, rng.choice(PLAIN))
                found[inner] = maker.dress(File(inner, content=b"in the way"))
            continue
        found[path] = entry
    real = [p for p, e in found.items() if isinstance(e, Dir)]
    for _ in range(rng.randrange(0, 6)):
        path = join(rng.choice([b"", *real]), rng.choice([b"extra", b"extra2", b"x.o", b"a b", b"old~", b"zz"]))
        if path in found or path in source:
            continue
        chance = rng.random()
        if chance < 0.6:
            found[path] = maker.dress(File(path, content=maker.content(path)))
        elif chance < 0.8:
            found[path] = maker.dress(Dir(path))
            found[path].mode = 0o755
            inner = join(path, rng.choice(PLAIN))
            found[inner] = maker.dress(File(inner, content=b"extra"))
        else:
            found[path] = maker.dress(Link(path, target=b"a"))
    return found


def edit(rng: random.Random, content: bytes) -> bytes:
    if not content:
        return b"not empty"
    kind = rng.randrange(7)
    at = rng.randrange(len(content))
    if kind == 0:
        return content[:at] + b"inserted" + content[at:]
    if kind == 1:
        return content[:at] + content[at + 50 :]
    if kind == 2:
        return content[:at]
    if kind == 3:
        return content + b"more"
    if kind == 4:
        return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
    if kind == 5:
        return content[at:] + content[:at]
    return b""


def other_type(rng: random.Random, maker: Maker, path: bytes, entry: Entry) -> Entry:
    options: list[Entry] = [File(path, content=b"was something else"), Dir(path), Fifo(path)]
    options.append(Link(path, target=rng.choice([b"a", b"nosuch", b"../out/od", b"../../out/od"])))
    fitting = [o for o in options if type(o) is not type(entry)]
    made = maker.dress(rng.choice(fitting))
    if isinstance(made, Dir):
        made.mode = 0o755
    return made


def placed(tree: dict[bytes, Entry], top: bytes) -> list[Entry]:
    """The entries with paths below `top`."""
    moved = []
    for path, entry in tree.items():
        other = copy.copy(entry)
        other.path = top + b"/" + path
        if isinstance(other, Hard):
            other.target = top + b"/" + os.fsencode(other.target)
        moved.append(other)
    return moved

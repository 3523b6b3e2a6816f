"""A small language for trees, a builder, and a picture of a tree that can be compared.

A tree is a list of words and of entry objects. A string is split at blanks; each word is one entry:

    d/                 directory                  a            file whose content is derived from its name
    a=TEXT             file with this content     a*5000       file of 5000 bytes, the same in every tree
    l->T               symlink to T               h=>a         hard link to the earlier entry a
    p|                 fifo                       s!           socket
    n#c1.3             character device 1:3 (b: block device)

followed by any of  ;m=0640 (mode)  ;t=100 (mtime, seconds after EPOCH)  ;n=5 (nanoseconds)  ;o=1.2 (owner.group)
Parents are made as needed. Names with blanks or odd bytes are written as objects: File(b"a b", b"text", mode=0o600).
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import socket
import stat
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

EPOCH = 1_700_000_000
"""Every entry is that old unless it says otherwise; long before any test runs."""


@dataclass
class Entry:
    path: str | bytes
    mode: int | None = None
    time: int = 0
    nsec: int = 0
    owner: tuple[int, int] | None = None
    xattrs: Mapping[str, bytes] = field(default_factory=dict)
    acl: str = ""
    default_acl: str = ""


@dataclass
class File(Entry):
    content: bytes | None = None
    size: int | None = None
    pieces: tuple[tuple[int, bytes], ...] = ()
    """(offset, data): everything else up to `size` is a hole."""


@dataclass
class Dir(Entry):
    pass


@dataclass
class Link(Entry):
    target: str | bytes = ""


@dataclass
class Hard(Entry):
    target: str | bytes = ""


@dataclass
class Fifo(Entry):
    pass


@dataclass
class Socket(Entry):
    pass


@dataclass
class Device(Entry):
    kind: str = "c"
    major: int = 1
    minor: int = 3


Tree = Sequence["str | Entry"]

WORD = re.compile(r"(?P<what>.*?)(?P<attrs>(?:;[mtno]=[-0-9.]+)*)\Z", re.S)


def filler(name: bytes, size: int) -> bytes:
    """Bytes that look random and depend on the name alone."""
    return random.Random(name).randbytes(size)


def parse(tree: Tree) -> list[Entry]:
    entries: list[Entry] = []
    for item in [tree] if isinstance(tree, str) else tree:
        if isinstance(item, Entry):
            entries.append(item)
        else:
            entries.extend(parse_word(word) for word in item.split())
    return entries


def parse_word(word: str) -> Entry:
    match = WORD.match(word)
    assert match
    what, attrs = match["what"], match["attrs"]
    entry: Entry
    if "=>" in what:
        path, target = what.split("=>", 1)
        entry = Hard(path, target=target)
    elif "->" in what:
        path, target = what.split("->", 1)
        entry = Link(path, target=target)
    elif "=" in what:
        path, text = what.split("=", 1)
        entry = File(path, content=text.encode())
    elif "*" in what:
        path, size = what.rsplit("*", 1)
        entry = File(path, content=filler(path.rsplit("/", 1)[-1].encode(), int(size)))
    elif "#" in what:
        path, numbers = what.rsplit("#", 1)
        major, minor = numbers[1:].split(".")
        entry = Device(path, kind=numbers[0], major=int(major), minor=int(minor))
    elif what.endswith("/"):
        entry = Dir(what[:-1])
    elif what.endswith("|"):
        entry = Fifo(what[:-1])
    elif what.endswith("!"):
        entry = Socket(what[:-1])
    else:
        entry = File(what, content=f"content of {what.rsplit('/', 1)[-1]}\n".encode())
    for attr in attrs.split(";")[1:]:
        key, value = attr.split("=")
        if key == "m":
            entry.mode = int(value, 8)
        elif key == "t":
            entry.time = int(value)
        elif key == "n":
            entry.nsec = int(value)
        elif key == "o":
            user, group = value.split(".")
            entry.owner = int(user), int(group)
    return entry


def build(base: str | bytes, tree: Tree, owner: tuple[int, int] | None = None) -> None:
    """Make the tree below `base`. With `owner` everything (and `base`) belongs to that user unless an entry says so."""
    top = os.fsencode(base)
    os.makedirs(top, exist_ok=True)
    entries = parse(tree)
    given = {os.fsencode(e.path).rstrip(b"/") for e in entries}
    times: list[tuple[bytes, int, int]] = []
    for entry in entries:
        relative = os.fsencode(entry.path).rstrip(b"/")
        path = os.path.join(top, relative)
        parent = os.path.dirname(relative)
        while parent and not os.path.lexists(os.path.join(top, parent)):
            given.add(parent)
            times.append((os.path.join(top, parent), EPOCH, 0))
            parent = os.path.dirname(parent)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        make(path, entry, top)
        if not isinstance(entry, Hard):
            times.append((path, EPOCH + entry.time, entry.nsec))
            who = entry.owner or owner
            if who:
                os.lchown(path, *who)
            if not isinstance(entry, Link):
                os.chmod(path, default_mode(entry) if entry.mode is None else entry.mode)
            for name, value in entry.xattrs.items():
                os.setxattr(path, name, value, follow_symlinks=False)
            if entry.acl:
                subprocess.run(["setfacl", "-m", entry.acl, path], check=True)
            if entry.default_acl:
                subprocess.run(["setfacl", "-d", "-m", entry.default_acl, path], check=True)
    if owner:
        for path, _, _ in times:
            if os.path.relpath(path, top) not in {os.fsencode(e.path).rstrip(b"/") for e in entries}:
                os.lchown(path, *owner)
        os.lchown(top, *owner)
    # Longest path first, so that a directory gets its time after everything in it.
    for path, seconds, nanoseconds in sorted(times, key=lambda t: t[0].count(b"/"), reverse=True):
        at = seconds * 10**9 + nanoseconds
        os.utime(path, ns=(at, at), follow_symlinks=False)


def default_mode(entry: Entry) -> int:
    return 0o755 if isinstance(entry, Dir) else 0o644


def make(path: bytes, entry: Entry, top: bytes) -> None:
    if isinstance(entry, Dir):
        os.makedirs(path, exist_ok=True)
    elif isinstance(entry, File):
        if isinstance(entry.content, str):
            entry.content = entry.content.encode()
        if entry.content is None and entry.size is None:
            entry.content = b"content of %s\n" % os.path.basename(path)
        with open(path, "wb") as file:
            if entry.content is not None:
                file.write(entry.content)
            for offset, data in entry.pieces:
                file.seek(offset)
                file.write(data)
            if entry.size is not None:
                file.truncate(entry.size)
    elif isinstance(entry, Link):
        os.symlink(os.fsencode(entry.target), path)
    elif isinstance(entry, Hard):
        os.link(os.path.join(top, os.fsencode(entry.target)), path, follow_symlinks=False)
    elif isinstance(entry, Fifo):
        os.mkfifo(path)
    elif isinstance(entry, Socket):
        # The path of a socket is limited to some hundred bytes, so it is bound from its own directory.
        here = os.open(".", os.O_PATH)
        try:
            os.chdir(os.path.dirname(path))
            with socket.socket(socket.AF_UNIX) as sock:
                sock.bind(os.path.basename(path))
        finally:
            os.fchdir(here)
            os.close(here)
    elif isinstance(entry, Device):
        kind = stat.S_IFCHR if entry.kind == "c" else stat.S_IFBLK
        os.mknod(path, kind | 0o644, os.makedev(entry.major, entry.minor))


def wipe(path: str | bytes | Path) -> None:
    """Remove a tree, also one with closed directories."""
    shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        subprocess.run(["chmod", "-R", "u+rwX", os.fsencode(path)], check=False, capture_output=True)
        shutil.rmtree(path)


def inodes(base: str | bytes) -> dict[bytes, int]:
    """The inode number of every path, for asking later which were kept."""
    top = os.fsencode(base)
    found: dict[bytes, int] = {}
    for where, dirs, files in os.walk(top):
        for name in dirs + files:
            path = os.path.join(where, name)
            found[os.path.relpath(path, top)] = os.lstat(path).st_ino
    return found


def picture(
    base: str | bytes,
    *,
    since: float,
    holes: bool = False,
    atimes: bool = False,
    before: Mapping[bytes, int] | None = None,
    nsec: bool = True,
) -> dict[str, str]:
    """One line for each path: everything that a copy may get right or wrong.

    A time later than `since` (the start of the run, in seconds) is shown as `now`. With `before`, paths that kept
    their inode are marked.
    """
    top = os.fsencode(base)
    lines: dict[str, str] = {}
    groups: dict[tuple[int, int], bytes] = {}

    def visit(path: bytes, name: bytes) -> None:
        info = os.lstat(path)
        words = [stat.filemode(info.st_mode), f"{info.st_uid}:{info.st_gid}"]
        words.append("mtime=" + moment(info.st_mtime_ns, since, nsec))
        if atimes and stat.S_ISREG(info.st_mode):
            words.append("atime=" + moment(info.st_atime_ns, since, False))
        if stat.S_ISREG(info.st_mode):
            words.append(f"size={info.st_size}")
            words.append("sha=" + content_sum(path))
            if holes:
                words.append(f"blocks={info.st_blocks}")
        elif stat.S_ISLNK(info.st_mode):
            words.append(f"-> {os.readlink(path)!r}")
        elif stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode):
            words.append(f"rdev={os.major(info.st_rdev)}.{os.minor(info.st_rdev)}")
        if info.st_nlink > 1 and not stat.S_ISDIR(info.st_mode):
            leader = groups.setdefault((info.st_dev, info.st_ino), name)
            words.append(f"nlink={info.st_nlink} with={leader!r}")
        try:
            attrs = sorted(os.listxattr(path, follow_symlinks=False))
            words += [f"{attr}={os.getxattr(path, attr, follow_symlinks=False)!r}" for attr in attrs]
        except OSError as error:
            words.append(f"xattrs: {error.strerror}")
        if before is not None:
            words.append("inode kept" if before.get(name) == info.st_ino else "inode new")
        lines[repr(name)[1:]] = " ".join(words)
        if stat.S_ISDIR(info.st_mode):
            for child in sorted(os.listdir(path)):
                visit(os.path.join(path, child), os.path.join(name, child) if name != b"." else child)

    visit(top, b".")
    return lines


def moment(nanoseconds: int, since: float, nsec: bool) -> str:
    seconds, rest = divmod(nanoseconds, 10**9)
    # Allow for the granularity of the kernel's clock for files.
    if seconds >= int(since) - 1:
        return "now"
    return f"{seconds - EPOCH}.{rest:09d}" if nsec else str(seconds - EPOCH)


HUGE = 64 << 20


def content_sum(path: bytes) -> str:
    """A sum of the content; of a huge sparse file only the data that is there."""
    handle = os.open(path, os.O_RDONLY | (os.O_NOATIME if os.geteuid() == 0 else 0))
    with open(handle, "rb", buffering=0) as file:
        size = os.fstat(handle).st_size
        if size <= HUGE:
            return hashlib.file_digest(file, "blake2b").hexdigest()[:12]
        digest = hashlib.blake2b()
        end = 0
        while end < size:
            try:
                start = os.lseek(handle, end, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(handle, start, os.SEEK_HOLE)
            os.lseek(handle, start, os.SEEK_SET)
            digest.update(b"%d " % start)
            digest.update(file.read(min(end - start, HUGE)))
        return digest.hexdigest()[:12]

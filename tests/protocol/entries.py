"""File lists (spec: protocol 5), in plain Python. Entries keep the flags and the prefix they came with, so that a list
is written again byte for byte, and so that a test can write what no honest sender would."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field, replace

from tests.protocol.ints import (
    Broken,
    Source,
    byte,
    int32,
    longint,
    put_byte,
    put_int32,
    put_longint,
    put_varint,
    put_varlong,
    put_x30int,
    put_x30long,
    varint,
    varlong,
    x30int,
    x30long,
)

TOP_DIR, SAME_MODE, EXTENDED, SAME_UID, SAME_GID = 1, 2, 4, 8, 0x10
SAME_NAME, LONG_NAME, SAME_TIME, SAME_MAJOR, HLINKED = 0x20, 0x40, 0x80, 0x100, 0x200
SAME_DEV = USER_NAME = 0x400
MINOR_8 = GROUP_NAME = 0x800
HLINK_FIRST, MOD_NSEC, SAME_ATIME = 0x1000, 0x2000, 0x4000


@dataclass
class Terms:
    """What both ends agreed on about the lists."""

    p: int = 32
    varint_flags: bool = True
    inc: bool = False
    id0: bool = True
    uid: bool = False
    gid: bool = False
    links: bool = True
    devices: bool = False
    specials: bool = False
    hard: bool = False
    atimes: bool = False
    sum_len: int = 0
    acls: bool = False
    xattrs: bool = False
    numeric: bool = False


@dataclass
class Entry:
    name: bytes = b""
    mode: int = 0o100644
    length: int = 0
    mtime: int = 0
    nsec: int = 0
    atime: int = 0
    uid: int = 0
    gid: int = 0
    user: bytes | None = None
    group: bytes | None = None
    rdev: tuple[int, int] = (0, 0)
    link: bytes = b""
    first: int | None = None
    """The index of the group's first member; an entry's own index if it is the first."""
    inode: tuple[int, int] | None = None
    sum: bytes = b""
    acl: bytes | int | None = None
    default_acl: bytes | int | None = None
    xattrs: list[tuple[bytes, int, bytes]] | int | None = None
    flags: int | None = None
    """As read, or as to be written whatever they say; None: as an honest sender sets them."""
    prefix: int | None = None
    content: bytes = b""

    @property
    def is_dir(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)


@dataclass
class Prev:
    """What the next entry may refer to; it lives as long as the connection."""

    name: bytes = b""
    mtime: int = 0
    mode: int = 0
    uid: int = 0
    gid: int = 0
    atime: int = 0
    rdev: tuple[int, int] = (0, 0)
    dev: int = 0
    started: bool = False
    users: set[int] = field(default_factory=set)
    groups: set[int] = field(default_factory=set)


def special(mode: int) -> bool:
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def device(mode: int) -> bool:
    return stat.S_ISBLK(mode) or stat.S_ISCHR(mode)


class Codec:
    """Reads and writes the lists of one connection; one for each direction."""

    def __init__(self, terms: Terms) -> None:
        self.t, self.prev = terms, Prev()

    # -- reading

    def read_list(self, src: Source, start: int) -> tuple[list[Entry], int]:
        """The entries in order of arrival, and the io_error of the end marker."""
        found: list[Entry] = []
        while True:
            flags = self.read_flags(src)
            if isinstance(flags, tuple):
                return found, flags[0]
            found.append(self.read_entry(src, flags, start, found))

    def read_flags(self, src: Source) -> int | tuple[int]:
        if self.t.varint_flags:
            return varint(src) or (varint(src),)
        flags = byte(src)
        if flags == 0:
            return (0,)
        if self.t.p >= 28 and flags & EXTENDED:
            flags |= byte(src) << 8
            if flags == 0x1004 and self.t.p >= 30:
                return (varint(src),)
        return flags

    def read_entry(self, src: Source, flags: int, start: int, before: list[Entry]) -> Entry:
        t, prev, p = self.t, self.prev, self.t.p
        e = Entry(flags=flags)
        e.prefix = byte(src) if flags & SAME_NAME else 0
        size = x30int(src, p) if flags & LONG_NAME else byte(src)
        if e.prefix > len(prev.name) or not 0 <= size <= 4095:
            raise Broken("name")
        e.name = prev.name[: e.prefix] + src.read(size)
        hlinked = p >= 28 and bool(flags & HLINKED)
        short = None
        if p >= 30 and hlinked:
            e.first = start + len(before) if flags & HLINK_FIRST else varint(src)
            if not flags & HLINK_FIRST and e.first >= start:
                short = before[e.first - start]
        if short is None:
            self.read_fields(src, e, flags)
        else:
            for name in ("length", "mtime", "nsec", "mode", "atime", "uid", "gid", "rdev", "link", "sum"):
                setattr(e, name, getattr(short, name))
        prev.name, prev.mode, prev.mtime, prev.uid, prev.gid = e.name, e.mode, e.mtime, e.uid, e.gid
        prev.atime = e.atime if not e.is_dir else prev.atime
        if t.acls and not stat.S_ISLNK(e.mode):
            e.acl = read_acl(src)
        if t.acls and e.is_dir:
            e.default_acl = read_acl(src)
        if t.xattrs:
            e.xattrs = read_xattrs(src)
        return e

    def read_fields(self, src: Source, e: Entry, flags: int) -> None:
        t, prev, p = self.t, self.prev, self.t.p
        e.length = x30long(src, p)
        if flags & SAME_TIME:
            e.mtime = prev.mtime
        else:
            e.mtime = varlong(src, 4) if p >= 30 else int32(src) & 0xFFFFFFFF
        e.nsec = varint(src) if p >= 31 and flags & MOD_NSEC else 0
        e.mode = prev.mode if flags & SAME_MODE else int32(src)
        if t.atimes and not e.is_dir:
            e.atime = prev.atime if flags & SAME_ATIME else varlong(src, 4)
        e.uid, e.gid = prev.uid, prev.gid
        if t.uid and not flags & SAME_UID:
            e.uid = x30int(src, p)
            if p >= 30 and flags & USER_NAME:
                e.user = src.read(byte(src))
        if t.gid and not flags & SAME_GID:
            e.gid = x30int(src, p)
            if p >= 30 and flags & GROUP_NAME:
                e.group = src.read(byte(src))
        if (device(e.mode) and t.devices) or (special(e.mode) and t.specials and p < 31):
            self.read_rdev(src, e, flags)
        elif p < 28:
            prev.rdev = (0, 0)
        if t.links and stat.S_ISLNK(e.mode):
            e.link = src.read(x30int(src, p))
        if t.hard and p < 30 and (flags & HLINKED if p >= 28 else e.is_file):
            number = longint if p >= 26 else lambda s: int32(s) & 0xFFFFFFFF
            if p < 28 or not flags & SAME_DEV:
                prev.dev = number(src)
            e.inode = (prev.dev, number(src))
        if t.sum_len and (e.is_file or p < 28):
            e.sum = src.read(t.sum_len)

    def read_rdev(self, src: Source, e: Entry, flags: int) -> None:
        prev, p = self.prev, self.t.p
        if p < 28:
            if not flags & EXTENDED:
                v = int32(src) & 0xFFFFFFFF
                prev.rdev = (v >> 8 & 0xFFF, v & 0xFF | v >> 20 << 8)
        else:
            major = prev.rdev[0]
            if not flags & SAME_MAJOR:
                major = x30int(src, p)
            minor = byte(src) if p < 30 and flags & MINOR_8 else x30int(src, p)
            prev.rdev = (major, minor)
        e.rdev = prev.rdev

    def read_ids(self, src: Source) -> dict[int, bytes]:
        """spec: protocol 5.15"""
        names = {}
        while ident := x30int(src, self.t.p):
            names[ident] = src.read(byte(src))
        if self.t.id0 and self.t.p >= 30:
            names[0] = src.read(byte(src))
        return names

    # -- writing

    def put_list(self, entries: list[Entry], start: int, io_error: int = 0) -> bytes:
        out = b""
        for n, e in enumerate(entries):
            out += self.put_entry(e, start, start + n, entries)
        return out + self.end(io_error)

    def end(self, io_error: int = 0) -> bytes:
        if self.t.varint_flags:
            return b"\0" + put_varint(io_error)
        return b"\x04\x10" + put_varint(io_error) if io_error and self.t.p >= 31 else b"\0"

    def plan(self, e: Entry, ndx: int) -> tuple[int, int]:
        """Flags and prefix as an honest sender sets them."""
        t, prev, p = self.t, self.prev, self.t.p
        flags = e.flags & TOP_DIR if e.flags is not None else 0
        if p >= 30 and e.is_dir and e.flags is not None:
            flags |= e.flags & 0x100
        flags |= SAME_MODE if e.mode == prev.mode else 0
        if (device(e.mode) and t.devices) or (special(e.mode) and t.specials and p < 31):
            if p < 28:
                flags |= EXTENDED if special(e.mode) or e.rdev == prev.rdev else 0
            else:
                flags |= SAME_MAJOR if special(e.mode) or e.rdev[0] == prev.rdev[0] else 0
                if p < 30 and (special(e.mode) or e.rdev[1] <= 0xFF):
                    flags |= MINOR_8
        if not t.uid or (prev.started and e.uid == prev.uid):
            flags |= SAME_UID
        elif t.inc and e.user is not None:
            flags |= USER_NAME
        if not t.gid or (prev.started and e.gid == prev.gid):
            flags |= SAME_GID
        elif t.inc and e.group is not None:
            flags |= GROUP_NAME
        flags |= SAME_TIME if e.mtime == prev.mtime else 0
        if t.atimes and not e.is_dir and e.atime == prev.atime and p >= 28:
            flags |= SAME_ATIME
        if p >= 30 and e.first is not None:
            flags |= HLINKED | (HLINK_FIRST if e.first == ndx else 0)
        elif p >= 28 and e.inode is not None:
            flags |= HLINKED | (SAME_DEV if e.inode[0] == prev.dev else 0)
        flags |= MOD_NSEC if p >= 31 and e.nsec else 0
        prefix = 0
        while prefix < min(255, len(e.name), len(prev.name)) and e.name[prefix] == prev.name[prefix]:
            prefix += 1
        flags |= SAME_NAME if prefix else 0
        flags |= LONG_NAME if len(e.name) - prefix > 255 else 0
        if t.varint_flags:
            flags = flags or EXTENDED
        elif p >= 28:
            if not flags and not e.is_dir:
                flags |= TOP_DIR
            if flags & 0xFF00 or not flags:
                flags |= EXTENDED
        elif not flags & 0xFF:
            flags |= LONG_NAME if e.is_dir else TOP_DIR
        return flags, prefix

    def put_entry(self, e: Entry, start: int, ndx: int, entries: list[Entry]) -> bytes:
        t, prev, p = self.t, self.prev, self.t.p
        flags, prefix = self.plan(e, ndx)
        if e.prefix is not None and e.flags is not None:
            flags, prefix = e.flags, e.prefix
        out = put_varint(flags) if t.varint_flags else bytes([flags & 0xFF])
        if not t.varint_flags and p >= 28 and flags & EXTENDED:
            out += bytes([flags >> 8 & 0xFF])
        if flags & SAME_NAME:
            out += bytes([prefix])
        tail = e.name[prefix:]
        out += put_x30int(len(tail), p) if flags & LONG_NAME else bytes([len(tail)])
        out += tail
        short = False
        if p >= 30 and flags & HLINKED and not flags & HLINK_FIRST:
            assert e.first is not None
            out += put_varint(e.first)
            short = e.first >= start
        if not short:
            out += self.put_fields(e, flags)
        prev.name, prev.mode, prev.mtime, prev.uid, prev.gid = e.name, e.mode, e.mtime, e.uid, e.gid
        prev.atime = e.atime if not e.is_dir else prev.atime
        prev.started = True
        if e.acl is not None:
            out += put_acl(e.acl)
        if e.default_acl is not None:
            out += put_acl(e.default_acl)
        if e.xattrs is not None:
            out += put_xattrs(e.xattrs)
        return out

    def put_fields(self, e: Entry, flags: int) -> bytes:
        t, prev, p = self.t, self.prev, self.t.p
        out = put_x30long(e.length, p)
        if not flags & SAME_TIME:
            out += put_varlong(e.mtime, 4) if p >= 30 else put_int32(e.mtime)
        if p >= 31 and flags & MOD_NSEC:
            out += put_varint(e.nsec)
        if not flags & SAME_MODE:
            out += put_int32(e.mode)
        if t.atimes and not e.is_dir and not flags & SAME_ATIME:
            out += put_varlong(e.atime, 4)
        if t.uid and not flags & SAME_UID:
            out += put_x30int(e.uid, p)
            if p >= 30 and flags & USER_NAME:
                out += put_name(e.user or b"")
        if t.gid and not flags & SAME_GID:
            out += put_x30int(e.gid, p)
            if p >= 30 and flags & GROUP_NAME:
                out += put_name(e.group or b"")
        if (device(e.mode) and t.devices) or (special(e.mode) and t.specials and p < 31):
            out += self.put_rdev(e, flags)
        elif p < 28:
            prev.rdev = (0, 0)
        if t.links and stat.S_ISLNK(e.mode):
            out += put_x30int(len(e.link), p) + e.link
        if e.inode is not None:
            number = put_longint if p >= 26 else put_int32
            if p < 28 or not flags & SAME_DEV:
                out += number(e.inode[0])
            out += number(e.inode[1])
            prev.dev = e.inode[0]
        if t.sum_len and (e.is_file or p < 28):
            out += e.sum or bytes(t.sum_len)
        return out

    def put_rdev(self, e: Entry, flags: int) -> bytes:
        p, (major, minor) = self.t.p, e.rdev
        out = b""
        if p < 28:
            if not flags & EXTENDED:
                out = put_int32(minor & 0xFF | major << 8 | minor >> 8 << 20)
        else:
            if not flags & SAME_MAJOR:
                out = put_x30int(major, p)
            out += bytes([minor & 0xFF]) if p < 30 and flags & MINOR_8 else put_x30int(minor, p)
        self.prev.rdev = e.rdev
        return out

    def put_ids(self, names: dict[int, bytes]) -> bytes:
        out = b"".join(put_x30int(n, self.t.p) + put_name(name) for n, name in names.items() if n)
        out += put_x30int(0, self.t.p)
        return out + (put_name(names.get(0, b"")) if self.t.id0 and self.t.p >= 30 else b"")


def put_name(name: bytes) -> bytes:
    return bytes([len(name)]) + name


def read_acl(src: Source) -> bytes | int:
    """The literal's bytes after its leading 0, or the number of an earlier one (spec: protocol 5.11)."""
    if k := varint(src):
        return k
    flags = byte(src)
    out = put_byte(flags)
    for bit in (1, 2, 4, 8):
        if flags & bit:
            out += put_varint(varint(src))
    if flags & 16:
        count = varint(src)
        out += put_varint(count)
        for _ in range(count):
            out += put_varint(varint(src))
            access = varint(src)
            out += put_varint(access)
            if access & 1:
                out += put_name(src.read(byte(src)))
    return out


def put_acl(acl: bytes | int) -> bytes:
    return put_varint(acl) if isinstance(acl, int) else b"\0" + acl


def read_xattrs(src: Source) -> list[tuple[bytes, int, bytes]] | int:
    """(name with its NUL, length of the value, value or its MD5) (spec: protocol 5.12)"""
    if k := varint(src):
        return k
    found = []
    for _ in range(varint(src)):
        name_len, size = varint(src), varint(src)
        name = src.read(name_len)
        found.append((name, size, src.read(size if size <= 32 else 16)))
    return found


def put_xattrs(xattrs: list[tuple[bytes, int, bytes]] | int) -> bytes:
    if isinstance(xattrs, int):
        return put_varint(xattrs)
    out = b"\0" + put_varint(len(xattrs))
    return out + b"".join(put_varint(len(n)) + put_varint(size) + n + v for n, size, v in xattrs)


# ---- order (spec: protocol 5.9)


def sort_key(e: Entry, p: int) -> object:
    if p < 29:
        return e.name
    parts = e.name.split(b"/")
    if e.is_dir and parts[-1] == b".":
        return [*((1, x + b"/") for x in parts[:-1]), (0, b"")]
    # An item sorts in front of a path; where names end, the shorter one comes first.
    ends = [(1, parts[-1] + b"/")] if e.is_dir else [(0, parts[-1])]
    return [*((1, x + b"/") for x in parts[:-1]), *ends]


def ordered(entries: list[Entry], p: int) -> list[Entry]:
    return sorted(entries, key=lambda e: sort_key(e, p))  # type: ignore[arg-type, return-value]


def honest(e: Entry) -> Entry:
    """The same entry without what it was written with."""
    return replace(e, prefix=None)

"""Index files that name other files with size and checksum, and whether a tree has them all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

#: An index is not larger.
LARGEST = 10 << 20
_PACKED = (".gz", ".xz", ".bz2", ".lz4", ".zst", ".lzma")
_LINE = re.compile(r" ([0-9a-f]{64}) +(\d+) (\S.*)")
_XML = "{http://linux.duke.edu/metadata/repo}"
_KINDS = {"sha256": "sha256", "sha512": "sha512", "sha384": "sha384", "sha224": "sha224", "sha": "sha1", "sha1": "sha1"}


@dataclass(frozen=True)
class Entry:
    """A file that an index names; *path* is below the root of the tree."""

    path: str
    size: int | None
    kind: str
    digest: str


@dataclass(frozen=True)
class Fault:
    """A file that is not what its index says: ``missing``, ``size`` or ``checksum``."""

    path: str
    what: str


class UnreadableIndex(Exception):
    """An index cannot be read."""


def debian_entries(data: bytes, directory: str) -> list[Entry]:
    """The files that a ``Release`` or ``InRelease`` names by SHA-256. *directory*: its own, below the root."""
    found, within = [], False
    for line in data.decode("utf-8", "surrogateescape").splitlines():
        if not line.startswith(" "):
            within = line.startswith("SHA256:")
            continue
        match = _LINE.fullmatch(line.rstrip()) if within else None
        if match is not None and _is_inside(match[3]):
            found.append(Entry(os.path.join(directory, match[3]), int(match[2]), "sha256", match[1]))
    return found


def rpm_entries(data: bytes, directory: str) -> list[Entry]:
    """The files that a ``repomd.xml`` names. *directory*: that of ``repodata``, below the root. Errors:
    `UnreadableIndex`."""
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        # Entities can make a small file a huge one.
        raise UnreadableIndex("declares entities")
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise UnreadableIndex(f"is no XML: {error}") from None
    found = []
    for item in root.iter(f"{_XML}data"):
        place, checksum, size = item.find(f"{_XML}location"), item.find(f"{_XML}checksum"), item.find(f"{_XML}size")
        if place is None or checksum is None:
            continue
        path, kind = place.get("href", ""), _KINDS.get(checksum.get("type", ""))
        if kind is None or not _is_inside(path):
            continue
        text = "" if size is None else size.text or ""
        length = int(text) if text.isdecimal() else None
        found.append(Entry(os.path.join(directory, path), length, kind, (checksum.text or "").strip()))
    return found


def _is_inside(path: str) -> bool:
    return bool(path) and not path.startswith("/") and ".." not in path.split("/")


def read_index(root: str, path: str) -> bytes | None:
    """The content of an index; None: it is missing or too large."""
    with contextlib.suppress(OSError), open(os.path.join(root, path), "rb") as file:
        data = file.read(LARGEST + 1)
        return data if len(data) <= LARGEST else None
    return None


def groups(entries: list[Entry]) -> Iterator[list[Entry]]:
    """The entries of one content: an archive offers ``Packages`` and ``Packages.xz``, and a mirror has one of them."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        stem, ending = os.path.splitext(entry.path)
        found.setdefault(stem if ending in _PACKED else entry.path, []).append(entry)
    yield from found.values()


def check_group(root: str, group: list[Entry]) -> list[Fault]:
    """What is wrong with the files of one content. A content whose directory is not mirrored is not looked for."""
    faults, present = [], False
    for entry in group:
        state = _state(root, entry)
        present = present or state is not None
        if state:
            faults.append(Fault(entry.path, state))
    if not present and os.path.isdir(os.path.join(root, os.path.dirname(group[0].path))):
        return [Fault(entry.path, "missing") for entry in group]
    return faults


def _state(root: str, entry: Entry) -> str | None:
    """``""`` if a file is what its index says, what differs, or None if there is no such file."""
    try:
        # A FIFO of an upstream must not stop the run.
        fd = os.open(os.path.join(root, entry.path), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    with open(fd, "rb") as file:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            return None
        if entry.size is not None and info.st_size != entry.size:
            return "size"
        return "" if hashlib.file_digest(file, entry.kind).hexdigest() == entry.digest else "checksum"

"""Which directories the ends of a cluster run are: a mount that is missing, or another one, must not look empty."""

from __future__ import annotations

import os

from tain.cluster import documents
from tain.escape import printable
from tain.records import Record
from tain.session.mounts import mount_of, mounted_at
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Root(Record):
    """The identity of a directory."""

    path: bytes
    """Absolute."""
    inode: int
    device: int
    """Compared only on the machine whose `boot` this is: the number of a mounted file system differs by machine."""
    kind: str
    """The type of the file system, for example ``ext4``; empty: not known."""
    boot: str
    """The boot of the machine that looked."""

    def to_json(self) -> dict[str, object]:
        """The document that `root` reads."""
        return {
            "path": documents.name_to_json(self.path), "ino": self.inode, "dev": self.device, "fs": self.kind,
            "boot": self.boot,
        }  # fmt: skip


def root(value: object) -> Root:
    """The root of a document. Errors: `DocumentError`."""
    found = documents.read(
        value,
        {
            "path": documents.name, "ino": documents.integer, "dev": documents.integer, "fs": documents.text,
            "boot": documents.text,
        },
    )  # fmt: skip
    return Root(path=found["path"], inode=found["ino"], device=found["dev"], kind=found["fs"], boot=found["boot"])


def boot_id() -> str:
    """A text that is another one after each boot and on each machine; empty if the system has none."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as lines:
            return lines.read().strip()
    except OSError:
        return ""


def identify(path: bytes) -> Root:
    """The identity of the directory or file *path*. Errors: `OSError`."""
    status = os.stat(path)
    kind = mounted_at(mount_of(path)).kind.decode("ascii", "replace")
    return Root(path=path, inode=status.st_ino, device=status.st_dev, kind=kind, boot=boot_id())


def difference(expected: Root) -> str:
    """What is different about the directory that has this path here; empty: it is the same one."""
    place = printable(expected.path)
    try:
        found = identify(expected.path)
    except OSError as error:
        return f"{place} cannot be used: {system_text(error)}; not mounted?"
    same_device = found.boot != expected.boot or found.device == expected.device
    if found.inode == expected.inode and found.kind == expected.kind and same_device:
        return ""
    known = f"inode {expected.inode} of {expected.kind}"
    if (found.inode, found.kind) == (expected.inode, expected.kind):
        return f"{place} is another file system: device {found.device}, expected {expected.device}; mounted anew?"
    return f"{place} is another directory: inode {found.inode} of {found.kind}, expected {known}; not mounted?"


def first_difference(roots: Iterable[Root]) -> str:
    """The first difference among *roots*; empty: all are as expected."""
    return next((text for root in roots if (text := difference(root))), "")

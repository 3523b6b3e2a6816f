"""What a transfer would do, before it does anything: `Plan`."""

from __future__ import annotations

from tain.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Amount(Record):
    """Entries with one kind of change."""

    count: int = 0
    """Files, directories, links, devices and others."""
    bytes: int = 0
    """Size of the regular files among them. A further name of a file adds nothing."""


class Plan(Record):
    """What a transfer would do. Nothing has been changed; *confirm* of `Transfer` decides whether it begins."""

    new: Amount
    """Entries that the destination does not have."""
    update: Amount
    """Entries whose data, target or type changes."""
    attributes: Amount
    """Entries of which only attributes change: times, modes, owners."""
    delete: Amount
    """Entries that are deleted, also inside of deleted directories. Of a push the sizes are not known."""
    keep: Amount
    """Entries that stay as they are."""
    need_bytes: int
    """Room for new data at the moment when most of it is needed: all new files, the growth of changed files, and a
    temporary copy of the largest one unless they are updated in place. Deletions make it smaller only if they come
    first (``delete="before"``). Holes and shared blocks of the sources count as data."""
    need_inodes: int
    """Inodes at that moment."""
    free_bytes: int | None = None
    """Room on the file system of the destination. None where nobody knows it: on another machine."""
    free_inodes: int | None = None
    """None where nobody knows it, or where the file system has no fixed number."""
    directories: Mapping[bytes, Amount]
    """The deletions by the directory that holds the names, relative to the destination and ``.`` for itself. At most
    256: of very many, the deepest count with the directory above them."""

    @property
    def fits(self) -> bool | None:
        """Whether the destination has the room. None: nobody knows it."""
        if self.free_bytes is None:
            return None
        return self.need_bytes <= self.free_bytes and (self.free_inodes is None or self.need_inodes <= self.free_inodes)

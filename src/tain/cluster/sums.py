"""Figures of a whole transfer: those of its streams together."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tain import _core

#: Figures of a summary that are added up.
_ADDED = (
    "updated", "attributes", "unchanged", "transferred", "total_size", "transferred_size", "literal", "matched",
    "flist_size", "flist_build_ms", "flist_xfer_ms", "sent", "received", "matches", "hash_hits", "false_alarms",
    "deletions_skipped",
)  # fmt: skip
#: Those of a stream that reports nothing but deletions.
_OF_DELETIONS = ("flist_size", "flist_build_ms", "flist_xfer_ms", "sent", "received", "deletions_skipped")
_COUNTS = ("files", "created", "deleted")
#: Live figures that are added up.
_LIVE = (
    "entries", "listed_bytes", "decided", "undecided_bytes", "asked_bytes", "done_bytes", "room_bytes", "wire_bytes",
    "files", "created", "updated", "attributes", "deleted", "errors",
)  # fmt: skip


class Total:
    """The summary of the whole, with the names of `tain._core.Summary`."""

    def __init__(self, role: str) -> None:
        self.code = 0
        self.error = ""
        self.reported = False
        self.role = role
        self.io_error = False
        self.had_entries = False
        self.seconds = 0.0
        self.files: dict[str, int] = {}
        self.created: dict[str, int] = {}
        self.deleted: dict[str, int] = {}
        for name in _ADDED:
            setattr(self, name, 0)
        for name in _COUNTS:
            setattr(self, name, dict.fromkeys(("reg", "dir", "link", "dev", "special"), 0))

    def add(self, summary: _core.Summary, *, only_deletions: bool) -> None:
        """Add the figures of a stream."""
        for name in _OF_DELETIONS if only_deletions else _ADDED:
            setattr(self, name, getattr(self, name) + getattr(summary, name))
        for name in ("deleted",) if only_deletions else _COUNTS:
            own: dict[str, int] = getattr(self, name)
            more: Mapping[str, int] = getattr(summary, name)
            for kind, number in more.items():
                own[kind] = own.get(kind, 0) + number
        self.io_error |= summary.io_error
        self.had_entries |= summary.had_entries


class Live:
    """The live figures of the whole, with the names of `tain._core.Figures`."""

    def __init__(self, streams: Sequence[_core.Figures], *, complete: bool) -> None:
        """*complete*: no further streams will begin."""
        for name in _LIVE:
            setattr(self, name, sum(getattr(figures, name) for figures in streams))
        self.complete = complete and all(figures.complete for figures in streams)
        # A stream that works on a file says more than one that waits.
        last = max(streams, key=lambda figures: (bool(figures.size), bool(figures.name)), default=None)
        self.name = b"" if last is None else last.name
        self.size = 0 if last is None else last.size
        self.offset = 0 if last is None else last.offset
        self.directory = b"" if last is None else last.directory
        self.phase = "scan" if last is None else last.phase


def exit_code(codes: Iterable[int]) -> int:
    """The code of the whole from those of its streams in list order: that of the first one that broke off, else the
    gravest of 23, 24 and 25."""
    partial = (23, 24, 25)
    found = [code for code in codes if code]
    broken = [code for code in found if code not in partial]
    if broken:
        return broken[0]
    return next((code for code in partial if code in found), 0)

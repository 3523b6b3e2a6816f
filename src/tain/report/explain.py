"""The plan of ``--explain``: what a run would do, from the items of a dry run."""

from __future__ import annotations

from stat import S_ISDIR

from tain.report.quantities import count, counted, shown_name, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Protocol

    from tain._core import Summary

    class Item(Protocol):
        """One change, as `tain._core.Item` reports it."""

        @property
        def operation(self) -> str: ...
        @property
        def itemized(self) -> str: ...
        @property
        def name(self) -> bytes: ...
        @property
        def length(self) -> int: ...
        @property
        def mode(self) -> int: ...


#: A directory is named when it holds at least this part of a row; at most so many are named.
_PART, _GROUPS = 0.05, 6
#: The largest new files that ``-v`` names.
_LARGEST = 3
#: Words for the letters of an item, by position (spec: output 7).
_REASONS = {
    2: "content", 3: "size", 4: "time", 5: "permissions", 6: "owner", 7: "group", 8: "access time", 9: "ACL",
    10: "extended attributes",
}  # fmt: skip
_INDENT = " " * 10


class _Directory:
    """What one directory holds of a row, without the directories in it."""

    __slots__ = ("bytes", "count", "reasons")

    def __init__(self) -> None:
        self.count = self.bytes = 0
        self.reasons: set[str] = set()

    def add(self, other: _Directory) -> None:
        self.count += other.count
        self.bytes += other.bytes
        self.reasons |= other.reasons


class Row:
    """The changes of one kind, by directory."""

    def __init__(self, *, fold: bool = False) -> None:
        """*fold*: a directory of the row stands for all that is in it."""
        self._fold = fold
        self.files = self.bytes = self.directories = 0
        self._by_directory: dict[bytes, _Directory] = {}
        #: Directories that are themselves of this row.
        self.whole: set[bytes] = set()

    def add(self, name: bytes, length: int, *, directory: bool, reasons: Iterable[str] = ()) -> None:
        """Count the entry *name*."""
        if directory:
            self.directories += 1
            self.whole.add(name.rstrip(b"/") + b"/")
            return
        self.files += 1
        self.bytes += length
        place = name[: name.rfind(b"/") + 1]
        group = self._by_directory.get(place)
        if group is None:
            group = self._by_directory[place] = _Directory()
        group.count += 1
        group.bytes += length
        group.reasons.update(reasons)

    def topmost(self, name: bytes) -> bytes:
        """The highest directory of the path *name* that is itself of this row, else *name*."""
        end = name.find(b"/")
        while end >= 0:
            if name[: end + 1] in self.whole:
                return name[: end + 1]
            end = name.find(b"/", end + 1)
        return name

    def groups(self) -> tuple[list[tuple[bytes, _Directory]], int]:
        """The deepest directories with a noteworthy part of the row, largest first, and the number of all others."""
        least = self.files * _PART
        rest: dict[bytes, _Directory] = {}
        members: dict[bytes, int] = {}
        for inner, group in self._by_directory.items():
            name = self.topmost(inner) if self._fold else inner
            rest.setdefault(name, _Directory()).add(group)
            members[name] = members.get(name, 0) + 1
        found: list[tuple[bytes, _Directory]] = []
        left = 0
        # Deepest first: what is too small for a line of its own counts in the directory above.
        depths: dict[int, list[bytes]] = {}
        for name in rest:
            depths.setdefault(name.count(b"/"), []).append(name)
        for depth in range(max(depths, default=0), -1, -1):
            for name in depths.get(depth, ()):
                group = rest[name]
                if group.count >= least:
                    found.append((name, group))
                elif not name:
                    left += members[name]
                else:
                    above = name[: name[:-1].rfind(b"/") + 1]
                    if above not in rest:
                        rest[above] = _Directory()
                        members[above] = 0
                        depths.setdefault(depth - 1, []).append(above)
                    rest[above].add(group)
                    members[above] += members[name]
        found.sort(key=lambda pair: (-pair[1].count, pair[0]))
        left += len(found[_GROUPS:])
        return found[:_GROUPS], left


class Explanation:
    """Collects the items of a dry run, and puts the plan into words."""

    def __init__(self) -> None:
        self.new, self.update, self.delete = Row(), Row(), Row(fold=True)
        self._largest: list[tuple[int, bytes]] = []

    def add(self, item: Item) -> None:
        """Count one change."""
        letters = item.itemized
        directory = letters[1:2] == "d"
        if item.operation == "del":
            # A deletion has no letters for its kind.
            self.delete.add(item.name, item.length, directory=S_ISDIR(item.mode))
        elif letters[2:3] == "+":
            self.new.add(item.name, item.length if letters[1:2] == "f" else 0, directory=directory)
            if letters[1:2] == "f":
                self._largest = sorted([*self._largest, (item.length, item.name)], reverse=True)[:_LARGEST]
        elif not directory:
            reasons = [word for place, word in _REASONS.items() if letters[place : place + 1] not in ("", ".", " ")]
            travels = letters[:1] in ("<", ">")
            self.update.add(item.name, item.length if travels else 0, directory=False, reasons=reasons)

    def text(
        self,
        summary: Summary,
        *,
        sources: Sequence[bytes],
        destination: bytes,
        command: str,
        notes: Sequence[tuple[str, str]] = (),
        room: str = "",
        verbose: bool = False,
        encoding: str = "utf-8",
        binary: bool = False,
    ) -> str:
        """The plan. *command* is the one that does it; *room* says what space it needs; *notes* are ids and
        sentences about what may surprise; *verbose* shows the ids, and adds the largest new files."""
        shown = [shown_name(source, encoding) for source in sources]
        what = f"the contents of {shown[0]}" if len(shown) == 1 and shown[0].endswith("/") else ", ".join(shown)
        lines = [f"plan      make {shown_name(destination, encoding)} like {what}   (nothing is changed by this)", ""]
        keep, keep_bytes = self._kept(summary)
        rows = [("new", self.new.files, self.new.bytes), ("update", self.update.files, self.update.bytes),
                ("delete", self.delete.files, self.delete.bytes), ("keep", keep, keep_bytes)]  # fmt: skip
        width = max(len(counted(number, "file", "files")) for _, number, _ in rows)
        for name, number, total in rows:
            row = {"new": self.new, "update": self.update, "delete": self.delete}.get(name)
            if not number and not (row is not None and row.directories):
                continue
            about = "" if row is None else details(row, name, encoding)
            files = f"{counted(number, 'file', 'files'):>{width}}"
            lines.append(row_line(name, files, total, about, binary=binary))
        if len(lines) == 2:
            lines.append("nothing to do: there is no entry")
        if verbose:
            for length, name_of in self._largest:
                lines.append(f"{_INDENT}{size(length, binary=binary):>8}  {shown_name(name_of, encoding)}")
        lines.append("")
        if room:
            lines.append(f"space     {room}")
        lines += [f"{'note ' + name if verbose else 'note':<10}{sentence}" for name, sentence in notes]
        lines.append(f"do it     {command}")
        return "\n".join(lines) + "\n"

    def _kept(self, summary: Summary) -> tuple[int, int]:
        """Files that stay as they are, and their bytes; directories are no files."""
        total = sum(number for kind, number in summary.files.items() if kind != "dir")
        files = max(total - self.new.files - self.update.files, 0)
        return files, max(summary.total_size - self.new.bytes - self.update.bytes, 0)


def deletions_row(names: Iterable[bytes], total: int, *, encoding: str = "utf-8", binary: bool = False) -> str:
    """The row of the deletions of *names*, those of directories with a slash; *total* bytes, 0: not known."""
    row = Row(fold=True)
    for name in names:
        row.add(name, 0, directory=name.endswith(b"/"))
    row.bytes = total
    files = counted(row.files, "file", "files")
    return row_line("delete", files, total, details(row, "delete", encoding), binary=binary)


def row_line(name: str, files: str, total: int, about: str, *, binary: bool) -> str:
    """One row of the plan."""
    # Nobody knows the size of what a peer would delete.
    bytes_text = size(total, binary=binary) if name != "delete" or total else ""
    return f"{name:<10}{files}  {bytes_text:>8}   {about}".rstrip()


def details(row: Row, name: str, encoding: str) -> str:
    """The directories of the row *name*."""
    groups, more = row.groups()
    parts = []
    for place, group in groups:
        text = f"{shown_name(place, encoding) or './'} {count(group.count)}"
        if name == "update" and group.reasons:
            text += ": " + ", ".join(word for word in _REASONS.values() if word in group.reasons)
        if name == "delete" and place in row.whole:
            text += ", all of it"
        parts.append(text)
    if more:
        parts.append("+ " + counted(more, "more directory", "more directories"))
    if row.directories and name != "update":
        parts.append(counted(row.directories, "directory", "directories"))
    return "   ".join(parts)

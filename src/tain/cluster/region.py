"""The algebra of regions: which names of a transfer a stream handles, and the filter rules that say so.

A region is a union of pieces. A piece is a range of the names in one directory, in byte order, with everything below
these names. The regions of a plan are disjoint, and with the spine (`spine`) they cover every name, also names that
appear later. Names are bytes below the root of the transfer, as an anchored rule sees them; the root is empty.
"""

from __future__ import annotations

from tain.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    #: The names that may take part, by directory: ranges from a name up to another one, None for no end. Whatever is
    #: below a directory that is not mentioned takes part if the directory does.
    Allowed = Mapping[bytes, Sequence[tuple[bytes, bytes | None]]]

#: Both sides obey the rules: a plain rule would not protect names of other streams from --delete-excluded.
_EXCLUDE = b"-sr "
#: Wildcards, each in the form in which it stands for itself. ``\\*`` would put two asterisks beside each other.
_LITERAL = {0x2A: b"[*]", 0x3F: b"[?]", 0x5B: b"[[]", 0x5C: b"\\\\"}
_WILDCARDS = frozenset(b"*?[")
_LAST = 0xFF


class Piece(Record):
    """The names n of `directory` with `start` <= n, and n < `end` unless that is None, and all that is below them."""

    directory: bytes = b""
    start: bytes = b""
    end: bytes | None = None
    without: tuple[bytes, ...] = ()
    """Names of sub-directories in the range that belong to other regions, with all that is below them."""

    def has(self, name: bytes) -> bool:
        """Whether the piece has this name of its directory."""
        return self.start <= name and (self.end is None or name < self.end) and name not in self.without

    @property
    def is_empty(self) -> bool:
        """No name can be in the range."""
        return self.end is not None and self.end <= (self.start or b"\x01")


class Region(Record):
    """The names of one stream."""

    pieces: tuple[Piece, ...] = (Piece(),)

    def contains(self, path: bytes) -> bool:
        """Whether *path* is in the region."""
        for piece in self.pieces:
            rest = _below(piece.directory, path)
            if rest is not None and piece.has(rest.partition(b"/")[0]):
                return True
        return False

    def allowed(self) -> dict[bytes, list[tuple[bytes, bytes | None]]]:
        """The names that a stream of the region lists: those of the region, and the directories above them."""
        found: dict[bytes, list[tuple[bytes, bytes | None]]] = {}
        for piece in self.pieces:
            found.setdefault(piece.directory, []).extend(_ranges(piece))
        return _with_parents(found)


def cut(region: Region, path: bytes) -> tuple[Region, Region]:
    """The part of *region* before *path* and the part from *path* on, in the order in which a directory stands before
    its contents, and names of one directory are in byte order. Either part may have no pieces."""
    lower: list[Piece] = []
    upper: list[Piece] = []
    for piece in region.pieces:
        _cut_piece(piece, path, lower, upper)
    return Region(pieces=tuple(lower)), Region(pieces=tuple(upper))


def cut_all(region: Region, paths: Sequence[bytes]) -> list[Region]:
    """*region* in parts that begin at each of *paths*, which are in order; parts without pieces are left out."""
    parts = []
    for path in paths:
        part, region = cut(region, path)
        parts.append(part)
    return [part for part in (*parts, region) if part.pieces]


def give(region: Region, directories: Iterable[bytes]) -> tuple[Region, Region]:
    """What *region* keeps when it gives away the contents of *directories*, and what it gives away. A directory that
    is not in the region, or that is below another one of them, is not given."""
    given: list[bytes] = []
    for directory in sorted(directories, key=lambda path: path.split(b"/")):
        inside = any(directory == other or _below(other, directory) is not None for other in given)
        if not inside and region.contains(directory):
            given.append(directory)
    kept = list(region.pieces)
    for directory in given:
        kept += _holes(kept, directory)
    return Region(pieces=tuple(kept)), Region(pieces=tuple(Piece(directory=directory) for directory in given))


def spine(regions: Iterable[Region]) -> list[bytes]:
    """The directories in which regions have names, and those above them, sorted; the root is empty. No region has
    them: they are made before all others, and get their attributes after them."""
    found = {b""}
    for region in regions:
        for piece in region.pieces:
            directory = piece.directory
            while directory:
                found.add(directory)
                directory = _split(directory)[0]
    return sorted(found)


def spine_allowed(directories: Iterable[bytes]) -> dict[bytes, list[tuple[bytes, bytes | None]]]:
    """The names of a stream that handles these directories and nothing in them."""
    return _with_parents({directory: [] for directory in directories})


def is_hidden(allowed: Allowed, path: bytes) -> bool:
    """Whether *path* takes no part, because of its own name or of one above it."""
    directory = b""
    for name in path.split(b"/"):
        ranges = allowed.get(directory)
        if ranges is not None and not any(start <= name and (end is None or name < end) for start, end in ranges):
            return True
        directory = _join(directory, name)
    return False


def rules(allowed: Allowed, prefix: bytes = b"") -> list[bytes]:
    """Filter rules that hide what `is_hidden` says, to be put in front of the user's; *prefix* begins each anchor."""
    texts = []
    for directory in sorted(allowed):
        place = prefix + b"/" + (directory + b"/" if directory else b"")
        for start, end in _gaps(allowed[directory]):
            texts += [_EXCLUDE + _pattern(place, *name) for name in _names_between(start, end)]
    return texts


# ---- pieces


def _below(directory: bytes, path: bytes) -> bytes | None:
    """The part of *path* below *directory*; None if it is elsewhere, or the directory itself."""
    if not directory:
        return path or None
    if path.startswith(directory) and path[len(directory) : len(directory) + 1] == b"/":
        return path[len(directory) + 1 :]
    return None


def _split(path: bytes) -> tuple[bytes, bytes]:
    parent, _, name = path.rpartition(b"/")
    return parent, name


def _join(directory: bytes, name: bytes) -> bytes:
    return directory + b"/" + name if directory else name


def _after(name: bytes) -> bytes:
    """The smallest name after *name*. (A name has no NUL, so nothing is between them.)"""
    return name + b"\0"


def _add(pieces: list[Piece], directory: bytes, start: bytes, end: bytes | None, without: Iterable[bytes] = ()) -> None:
    left_out = tuple(name for name in without if start <= name and (end is None or name < end))
    piece = Piece(directory=directory, start=start, end=end, without=left_out)
    if not piece.is_empty:
        pieces.append(piece)


def _cut_piece(piece: Piece, path: bytes, lower: list[Piece], upper: list[Piece]) -> None:
    rest = _below(piece.directory, path)
    if rest is None:
        before = piece.directory != path and piece.directory.split(b"/") < path.split(b"/")
        # A directory stands before its contents, so all of a piece below *path* comes after it.
        (lower if before and _below(path, piece.directory) is None else upper).append(piece)
        return
    name, _, deeper = rest.partition(b"/")
    if piece.end is not None and piece.end <= name:
        lower.append(piece)
    elif name < piece.start:
        upper.append(piece)
    else:
        _add(lower, piece.directory, piece.start, name, piece.without)
        within = bool(deeper) and name not in piece.without
        _add(upper, piece.directory, _after(name) if within else name, piece.end, piece.without)
        if within:
            _cut_piece(Piece(directory=_join(piece.directory, name)), path, lower, upper)


def _holes(kept: list[Piece], directory: bytes) -> list[Piece]:
    """Take *directory*, which is below a name of one of the pieces *kept*, out of that piece. Returns the pieces that
    have the rest of what is below that name."""
    for number, piece in enumerate(kept):
        rest = _below(piece.directory, directory)
        if rest is None:
            continue
        name, _, deeper = rest.partition(b"/")
        if not piece.has(name):
            continue
        kept[number] = piece.replace(without=tuple(sorted((*piece.without, name))))
        if not deeper:
            return []
        inner = [Piece(directory=_join(piece.directory, name))]
        return inner + _holes(inner, directory)
    return []


# ---- rules


def _ranges(piece: Piece) -> list[tuple[bytes, bytes | None]]:
    found: list[tuple[bytes, bytes | None]] = []
    start = piece.start
    for name in sorted(piece.without):
        if start < name:
            found.append((start, name))
        start = max(start, _after(name))
    if piece.end is None or start < piece.end:
        found.append((start, piece.end))
    return found


def _with_parents(
    found: dict[bytes, list[tuple[bytes, bytes | None]]],
) -> dict[bytes, list[tuple[bytes, bytes | None]]]:
    """*found* with each directory as the only name of interest in the one above it."""
    for directory in list(found):
        while directory:
            directory, name = _split(directory)
            ranges = found.setdefault(directory, [])
            if (name, _after(name)) not in ranges:
                ranges.append((name, _after(name)))
    return found


def _gaps(ranges: Iterable[tuple[bytes, bytes | None]]) -> list[tuple[bytes, bytes | None]]:
    """The ranges of all other names."""
    found: list[tuple[bytes, bytes | None]] = []
    start = b""
    for begin, end in sorted(ranges, key=lambda found: found[0]):
        if start < begin:
            found.append((start, begin))
        if end is None:
            return found
        start = max(start, end)
    return [*found, (start, None)]


def _names_between(start: bytes, end: bytes | None) -> list[tuple[bytes, tuple[int, int] | None, bool]]:
    """Names with *start* <= name < *end* in the form of patterns: a prefix, a class of bytes for what follows, and
    whether anything may follow that. NUL is in no name, so a boundary that ends with it stands for "after"."""
    found: list[tuple[bytes, tuple[int, int] | None, bool]] = []

    def from_to(prefix: bytes, low: int, high: int) -> None:
        if low <= high:
            found.append((prefix, None if (low, high) == (1, _LAST) and not prefix else (low, high), True))

    common = 0
    if end is not None:
        while common < min(len(start), len(end)) and start[common] == end[common]:
            common += 1
    if end is not None and common == len(end):
        return found
    if end is not None and common == len(start):
        _names_below(start, end, common, found)
        return found
    # Names that begin with more of *start* than *end* does, then the bytes between both, then names before *end*.
    if start[-1:] != b"\0":
        found.append((start, None, True))
    for at in range(len(start) - 1, common, -1):
        from_to(start[:at], start[at] + 1, _LAST)
    if common < len(start):
        from_to(start[:common], start[common] + 1, _LAST if end is None else end[common] - 1)
    if end is not None:
        _names_below(end[: common + 1], end, common + 1, found)
    return found


def _names_below(start: bytes, end: bytes, known: int, found: list[tuple[bytes, tuple[int, int] | None, bool]]) -> None:
    """Add the names from *start* on, which is the first *known* bytes of *end*, that are before *end*."""
    for at in range(known, len(end)):
        if end[:at]:
            found.append((end[:at], None, False))
        if end[at] > 1:
            found.append((end[:at], (1, end[at] - 1), True))


def _pattern(place: bytes, prefix: bytes, follows: tuple[int, int] | None, more: bool) -> bytes:
    """A pattern for names in the directory *place*."""
    if follows is None and not more and not _WILDCARDS.intersection(place + prefix):
        # Without a wildcard, a backslash stands for itself.
        return place + prefix
    text = _escaped(place) + _escaped(prefix)
    if follows is not None:
        low, high = follows
        text += _escaped(bytes((low,))) if low == high else b"[" + _in_class(low) + b"-" + _in_class(high) + b"]"
    return text + b"*" if more else text


def _escaped(text: bytes) -> bytes:
    return b"".join(_LITERAL.get(byte, bytes((byte,))) for byte in text)


def _in_class(byte: int) -> bytes:
    return b"\\" + bytes((byte,)) if byte in b"]!^-[\\" else bytes((byte,))

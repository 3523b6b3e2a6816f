"""What is in the first levels of the sources, as far as a first cut needs it."""

from __future__ import annotations

import os
import stat
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: A survey ends after so many names, or seconds.
NAMES = 20_000
SECONDS = 2.0
#: Levels of a listing that a peer is asked for.
LEVELS = 2


class Survey:
    """Names below the root of the transfer, by directory."""

    def __init__(self) -> None:
        #: The names of each directory that was looked at, with their weights.
        self.names: dict[bytes, dict[bytes, int]] = {}
        #: Directories in which no cut is made: another stream could close them.
        self.closed: set[bytes] = set()
        self.count = 0

    def add(self, directory: bytes, name: bytes, weight: int) -> None:
        """A name in a directory; *weight* is 1 for an entry of ordinary size, 0 for a directory."""
        names = self.names.setdefault(directory, {})
        names[name] = names.get(name, 0) + weight
        self.count += 1


def transfer_name(source: bytes) -> bytes | None:
    """The name that a source argument has below the root of the transfer: empty for its contents, None for one that
    cannot be known from its text."""
    name = source.rpartition(b"/")[2]
    if name == b"..":
        return None
    return b"" if name == b"." else name


def of_sources(
    sources: Iterable[tuple[bytes, bytes]], *, is_closed: Callable[[bytes, os.stat_result], bool] | None
) -> Survey:
    """The survey of directories on this machine: pairs of the name in the transfer and the path. *is_closed* says of a
    directory's path and status whether streams must not share it; None: all may be shared.

    What cannot be read is not looked at: the transfer reports it.
    """
    survey = Survey()
    queue: list[tuple[bytes, bytes]] = []
    for name, path in sources:
        if name:
            is_dir = os.path.isdir(path) and not os.path.islink(path)
            survey.add(b"", name, 0 if is_dir else 1)
            if is_dir:
                queue.append((name, path))
        else:
            queue.append((b"", path))
    end = time.monotonic() + SECONDS
    for directory, path in queue:
        if survey.count >= NAMES or time.monotonic() >= end:
            break
        try:
            if is_closed is not None and is_closed(directory, os.stat(path)):
                survey.closed.add(directory)
                continue
            with os.scandir(path) as entries:
                survey.names.setdefault(directory, {})
                for entry in entries:
                    below = directory + b"/" + entry.name if directory else entry.name
                    is_dir = entry.is_dir(follow_symlinks=False)
                    survey.add(directory, entry.name, 0 if is_dir else 1)
                    if is_dir:
                        queue.append((below, os.path.join(path, entry.name)))
                    if survey.count >= NAMES:
                        # The rest of the directory is as large as one entry: a cut in it could be uneven.
                        break
        except OSError:
            survey.names.pop(directory, None)
    return survey


def of_listing(entries: Iterable[tuple[bytes, int, int]], *, as_root: bool) -> Survey:
    """The survey of a listing: path, mode and size of each entry. *as_root*: modes hinder nobody."""
    survey = Survey()
    for path, mode, size in entries:
        name = path.rstrip(b"/")
        if name in (b"", b"."):
            continue
        parent, _, last = name.rpartition(b"/")
        # A megabyte takes about as long as ten small files.
        survey.add(parent, last, 0 if stat.S_ISDIR(mode) else 1 + size // 100_000 if stat.S_ISREG(mode) else 1)
        if stat.S_ISDIR(mode) and not as_root and mode & stat.S_IRWXU != stat.S_IRWXU:
            survey.closed.add(name)
    return survey

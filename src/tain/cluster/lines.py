"""Output of several streams as that of one: each line once, and lines about entries in the order of the list."""

from __future__ import annotations

# The module `threading` costs more than the lock.
import _thread
import os
import tempfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Different lines that are remembered: they are errors and notes, of which a run has few.
_REMEMBERED = 100_000
#: Bytes of merged lines that are emitted together.
_PIECE = 1 << 16


class Said:
    """Which lines were printed. What is shared (arguments, directories, options) each stream meets anew, and the first
    one has reported it."""

    def __init__(self) -> None:
        self._printed: dict[bytes, int] = {}
        #: What was printed before the streams of regions began.
        self._shared: dict[bytes, int] = {}
        self._by_stream: dict[tuple[object, bytes], int] = {}
        #: The begin of a line whose end has not come, by stream.
        self._open: dict[object, bytes] = {}
        self._lock = _thread.allocate_lock()

    def begin_regions(self) -> None:
        """From here on, streams of regions print."""
        self._shared = dict(self._printed)

    def new(self, stream: object, text: bytes, *, of_region: bool = False) -> bytes:
        """The lines of *text*, which *stream* prints, that are new: of a region, those that were not printed as often
        before the regions began; else those that were never printed as often."""
        fresh = []
        with self._lock:
            text, mark, rest = (self._open.pop(stream, b"") + text).rpartition(b"\n")
            if rest:
                self._open[stream] = rest
            for line in (text + mark).splitlines(keepends=True):
                number = self._by_stream.get((stream, line), 0) + 1
                if len(self._by_stream) < _REMEMBERED:
                    self._by_stream[stream, line] = number
                if number > (self._shared if of_region else self._printed).get(line, 0):
                    if line in self._printed or len(self._printed) < _REMEMBERED:
                        self._printed[line] = self._printed.get(line, 0) + 1
                    fresh.append(line)
        return b"".join(fresh)


class Sheaf:
    """Lines about entries that wait on disk until all streams have ended."""

    def __init__(self, directory: bytes) -> None:
        self._directory = directory
        self._files: dict[int, int] = {}

    def add(self, number: int, records: bytes) -> None:
        """Keep *records* (see `tain._core.merge_lines`) of the stream with this *number*. Errors: `OSError`."""
        fd = self._files.get(number)
        if fd is None:
            fd = self._files[number] = self._new_file()
        view = memoryview(records)
        while view:
            view = view[os.write(fd, view) :]

    def add_plain(self, number: int, text: bytes) -> None:
        """Keep lines that are about no entry: they stand before the next line of the stream."""
        self.add(number, (0).to_bytes(4, "little") + len(text).to_bytes(4, "little") + text)

    def merged(self) -> Iterator[bytes]:
        """All lines that were kept, as pieces of whole lines; nothing is kept any more. Errors: `OSError`."""
        files, self._files = [self._files[number] for number in sorted(self._files)], {}
        try:
            for fd in files:
                os.lseek(fd, 0, os.SEEK_SET)
            yield from merge(files, self._directory)
        finally:
            for fd in files:
                os.close(fd)

    def close(self) -> None:
        """Drop what is kept."""
        for fd in self._files.values():
            os.close(fd)
        self._files = {}

    def _new_file(self) -> int:
        return _new_file(self._directory)


def merge(files: Sequence[int], directory: bytes | None = None) -> Iterator[bytes]:
    """The lines of open *files* in the order of the list, as pieces of whole lines. They are merged in a file without a
    name in *directory*; None: the usual one. Errors: `OSError`."""
    from tain import _core

    if not files:
        return
    output = _new_file(os.fsencode(tempfile.gettempdir()) if directory is None else directory)
    try:
        _core.merge_lines(files, output)
        os.lseek(output, 0, os.SEEK_SET)
        rest = b""
        while piece := os.read(output, _PIECE):
            lines, mark, rest = (rest + piece).rpartition(b"\n")
            yield lines + mark
        if rest:
            yield rest
    finally:
        os.close(output)


def _new_file(directory: bytes) -> int:
    fd, path = tempfile.mkstemp(dir=directory)
    os.unlink(path)
    return fd

"""The streams of a transfer as one running transfer: what prints, judges and shows a run needs to know no other."""

from __future__ import annotations

import queue
import threading

from tain.cluster.lines import Said, Sheaf
from tain.cluster.sums import Live, Total
from tain.report.output import STDERR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from tain import _core
    from tain.cluster.part import Part

#: Batches of events that may wait before streams are held up.
_WAITING = 64
#: Lines of a log that each stream writes at its beginning.
_BEGINNINGS = (b"building file list", b"receiving file list")
#: The longest delay of a signal handler, in seconds.
_PATIENCE = 0.05


class Joined:
    """Has the methods of `tain._core.Run` that a client uses. One thread takes the events; `work` runs in another."""

    def __init__(self, role: str, sheaf: Sheaf | None) -> None:
        """*sheaf* keeps the lines about entries until all streams have ended; None: they are shown as they come."""
        self.total = Total(role)
        #: Exit code of a cancel or a stop; 0 without one.
        self.cancelled = 0
        #: No further streams will begin, so figures of the whole are known once all lists are.
        self.all_begun = False
        self._sheaf = sheaf
        self._said = Said()
        self._queue: queue.Queue[list[_core._Event] | BaseException | Callable[[], None] | None]
        self._queue = queue.Queue(_WAITING)
        self._lock = threading.Lock()
        self._parts: list[Part] = []
        self._numbers: dict[Part, int] = {}
        self._limit: int | None = None
        self._ended = False
        #: The stream that deletes, and whose list is judged.
        self.deleting: Part | None = None

    # ---- streams, in their threads

    def enlist(self, part: Part, number: int, *, only_deletions: bool = False) -> None:
        """*part* is about to begin. *number*: its place among the streams with lines about entries; of one with
        *only_deletions*, nothing but these are shown."""
        self._numbers[part] = -1 if only_deletions else number

    def began(self, part: Part) -> None:
        """The transfer of *part* runs."""
        with self._lock:
            self._parts.append(part)
            code, limit = self.cancelled, self._limit
        if part.transfer is not None:
            if limit is not None:
                part.transfer.set_bwlimit(limit)
            if code:
                part.transfer.cancel(code)

    def say(self, part: Part, stream: int, text: bytes) -> None:
        """Lines of the Python side of a stream."""
        text = self._said.new(part, text, of_region=self._numbers.get(part, 0) > 0)
        if text:
            self._put([("stderr" if stream == STDERR else "stdout", text)])

    def take(self, part: Part, batch: list[_core._Event]) -> None:
        """Events of a stream."""
        number = self._numbers[part]
        shown: list[_core._Event] = []
        for event in batch:
            if event[0] == "stderr":
                if text := self._said.new(part, event[1], of_region=number > 0):
                    shown.append(("stderr", text))
            elif event[0] == "stdout":
                if text := self._said.new(part, event[1], of_region=number > 0):
                    if self._sheaf is not None and number > 0:
                        self._sheaf.add_plain(number, text)
                    else:
                        shown.append(("stdout", text))
            elif event[0] == "entry" and self._sheaf is not None and number >= 0:
                self._sheaf.add(number, event[1])
            elif event[0] != "log" or number == 0 or event[1] not in _BEGINNINGS:
                shown.append(event)
        if shown:
            self._put(shown)

    def begin_regions(self) -> None:
        """From here on, streams of regions report."""
        self._said.begin_regions()

    def show_lines(self) -> None:
        """Show the lines about entries that were kept."""
        if self._sheaf is not None:
            for piece in self._sheaf.merged():
                self.show(piece)

    def show(self, lines: bytes) -> None:
        """Lines for standard output that stand in their order."""
        self._put([("entry", lines)])

    def error(self, text: bytes, *, of_region: bool = False) -> None:
        """Lines for standard error; of a run that is not one of a region, those that were not printed before."""
        if text := self._said.new(object(), text, of_region=of_region):
            self._put([("stderr", text)])

    def note(self, line: bytes) -> None:
        """A line for standard output, once."""
        if text := self._said.new(None, line):
            self._put([("stdout", text)])

    def call(self, function: Callable[[], None]) -> None:
        """Call *function* in the thread that takes the events."""
        self._queue.put(function)

    def work(self, function: Callable[[], None]) -> None:
        """Run *function*, which runs the streams, in a thread of its own; what it raises, the taker of events gets."""

        def run() -> None:
            try:
                function()
            except BaseException as error:
                self._queue.put(error)
            finally:
                self._queue.put(None)

        threading.Thread(target=run, name="streams", daemon=True).start()

    def _put(self, events: list[_core._Event]) -> None:
        self._queue.put(events)

    # ---- a running transfer, for the client

    @property
    def summary(self) -> _core.Summary:
        """Complete when the iteration has ended."""
        total: Any = self.total
        return total  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[list[_core._Event]]:
        return self

    def __next__(self) -> list[_core._Event]:
        while (batch := self.next_batch(1.0)) is not None:
            if batch:
                return batch
        raise StopIteration

    def next_batch(self, timeout: float) -> list[_core._Event] | None:
        """The next events; empty after *timeout* seconds, None at the end. Raises what the streams have raised."""
        import time

        end = time.monotonic() + timeout
        while not self._ended:
            try:
                found = self._queue.get(timeout=_PATIENCE)
            except queue.Empty:
                if time.monotonic() >= end:
                    return []
                continue
            if found is None:
                self._ended = True
            elif isinstance(found, BaseException):
                raise found
            elif callable(found):
                found()
            else:
                return found
        return None

    def figures(self) -> _core.Figures:
        """The live figures of all streams."""
        live: Any = Live([t.figures() for t in self._transfers()], complete=self.all_begun)
        if self.deleting is not None and self.deleting.transfer is not None:
            # What it lists was listed before.
            own = self.deleting.transfer.figures()
            live.entries, live.listed_bytes = own.entries, own.listed_bytes
        return live  # type: ignore[no-any-return]

    def answer(self, go_on: bool) -> None:
        """Answer the stream that asks, which is the last one that began."""
        if transfers := self._transfers():
            transfers[-1].answer(go_on)

    def stop(self, code: int) -> None:
        """End all streams with *code*."""
        with self._lock:
            self.cancelled = self.cancelled or code
        for transfer in self._transfers():
            transfer.stop(code)

    def cancel(self, code: int = 20) -> None:
        """Stop all streams within 100 ms."""
        self.cancelled = self.cancelled or code
        for transfer in self._transfers():
            transfer.cancel(code)

    def set_bwlimit(self, bytes_per_second: int) -> None:
        """Divide the limit among the streams."""
        transfers = self._transfers()
        self._limit = bytes_per_second and max(bytes_per_second // max(len(transfers), 1), 1)
        for transfer in transfers:
            transfer.set_bwlimit(self._limit)

    def next_confirmed(self, _succeeded: bool, _words: bytes | None = None) -> list[_core._Event]:
        """Each stream confirms its own files."""
        return []

    def _transfers(self) -> list[_core.Run]:
        # A signal handler may call this while its own thread holds the lock, so the list is only copied.
        return [part.transfer for part in list(self._parts) if part.transfer is not None]

"""A transfer in a thread, whose events another thread, or an event loop, iterates over."""

from __future__ import annotations

import queue
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tain.events import Event

#: Events that may wait for the program; then the transfer waits.
_WAITING = 256
#: Seconds between two looks of a waiting transfer for the end of its reader.
_LOOK = 0.05


class _Stopped(Exception):
    """The program has left the loop."""


class Worker:
    """Runs one transfer in a thread of its own.

    *run* runs the transfer and gives its events to the function that it receives; *cancel* stops it from any thread.
    """

    def __init__(self, run: Callable[[Callable[[Event], None]], object], cancel: Callable[[], None]) -> None:
        self._work = run
        self._cancel = cancel
        self._queue: queue.Queue[Event | None] = queue.Queue(_WAITING)
        self._left = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="tain transfer", daemon=True)

    def _run(self) -> None:
        try:
            self._work(self._put)
        except _Stopped:
            pass
        except BaseException as error:
            self._error = error
        finally:
            try:
                self._put(None)
            except _Stopped:
                pass

    def _put(self, event: Event | None) -> None:
        while not self._left:
            try:
                self._queue.put(event, timeout=_LOOK)
            except queue.Full:
                continue
            return
        raise _Stopped

    def stop(self) -> None:
        """Cancel the transfer if it runs, and wait for its end."""
        self._left = True
        self._cancel()
        if self._thread.ident is not None:
            self._thread.join()

    def _finish(self) -> None:
        self._thread.join()
        if self._error is not None:
            raise self._error

    def events(self) -> Iterator[Event]:
        """The events; the exception of a callback at the end."""
        self._thread.start()
        try:
            while (event := self._queue.get()) is not None:
                yield event
            self._finish()
        finally:
            self.stop()

    async def events_async(self) -> AsyncIterator[Event]:
        """The events; the exception of a callback at the end."""
        import asyncio

        self._thread.start()
        try:
            while True:
                try:
                    event = self._queue.get_nowait()
                except queue.Empty:
                    event = await asyncio.to_thread(self._queue.get)
                if event is None:
                    break
                yield event
            self._finish()
        finally:
            if self._thread.is_alive():
                self._left = True
                self._cancel()
                # The thread of a cancelled wait still reads from the queue.
                self._end_readers()
                await asyncio.shield(asyncio.to_thread(self._thread.join))

    def _end_readers(self) -> None:
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            return

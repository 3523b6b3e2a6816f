"""Where the output of a transfer goes: memory, listeners, events, a logger."""

from __future__ import annotations

from tain.errors import Interrupted
from tain.report.output import STDERR, STDOUT, Output
from tain.session.environment import Environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from logging import Logger

    from tain import _core
    from tain.events import Event, Progress
    from tain.problems import Problem
    from tain.results import Item, Result
    from tain.session.environment import Cancellable

#: Levels of `events`.
_PROGRESS, _ITEMS, _ALL = 1, 2, 3


class Delivery:
    """Makes the events that somebody wants, in their order."""

    def __init__(self, level: int, listener: Callable[[Event], object] | None, logger: Logger | None) -> None:
        self.level = level
        self._listener = listener
        self._logger = logger

    def listen(self, level: int, listener: Callable[[Event], object]) -> None:
        """Deliver to *listener* too, events of *level* and below."""
        before, limit = self._listener, self.level
        if before is None:
            self._listener, self.level = listener, level
            return
        from tain.events import Deleted, Item, Message

        def both(event: Event) -> None:
            need = _ALL if isinstance(event, Message) else _ITEMS if isinstance(event, (Item, Deleted)) else _PROGRESS
            if need <= limit:
                before(event)
            if need <= level:
                listener(event)

        self._listener, self.level = both, max(level, limit)

    def _emit(self, event: Event) -> None:
        if self._listener is not None:
            self._listener(event)

    def start(self, sources: Sequence[bytes], destination: bytes | None, dry_run: bool) -> None:
        if self.level or self._logger is not None:
            from tain.events import Start

            event = Start(sources=sources, destination=destination, dry_run=dry_run)
            if self.level:
                self._emit(event)
            self._log(20, "transfer from %s to %s", sources, destination, event=event)

    def progress(self, progress: Progress) -> None:
        if self.level:
            self._emit(progress)

    def items(self, items: Sequence[Item]) -> None:
        if self.level < _ITEMS:
            return
        from tain.events import Deleted

        for item in items:
            self._emit(Deleted(name=item.name, mode=item.mode) if item.change == "delete" else item)

    def line(self, stream: int, text: str, problem: Problem | None) -> None:
        """One line of output, and what it reports."""
        if problem is not None and self.level:
            self._emit(problem)
        if self._logger is None and (self.level < _ALL or problem is not None):
            return
        from tain.events import Message

        message = Message(level="info" if stream == STDOUT else "warning", text=text)
        if problem is None and self.level >= _ALL:
            self._emit(message)
        if text:
            level = 40 if problem is not None else 20 if stream == STDOUT else 30
            self._log(level, "%s", text, event=problem or message)

    @property
    def wants_lines(self) -> bool:
        """Somebody wants the lines of standard output."""
        return self.level >= _ALL or self._logger is not None

    def end(self, result: Result, text: str) -> None:
        if not self.level and self._logger is None:
            return
        from tain.events import End, Summary

        if result.statistics is not None and self.level:
            self._emit(Summary(statistics=result.statistics))
        event = End(code=result.code, text=text, complete=result.complete, seconds=result.seconds)
        if self.level:
            self._emit(event)
        self._log(20, "transfer ended with code %d%s", result.code, f" ({text})" if text else "", event=event)

    def _log(self, level: int, text: str, *values: object, event: Event) -> None:
        if self._logger is not None:
            self._logger.log(level, text, *values, extra={"tain_event": event})


class Collected(Output):
    """Output that is kept in memory, passed to a listener, and written to the descriptors *out_fd* and *err_fd*."""

    def __init__(
        self, listener: Callable[[int, bytes], None] | None, capture: int, *, out_fd: int = -1, err_fd: int = -1
    ) -> None:
        super().__init__(out_fd, err_fd)
        self.texts = {STDOUT: bytearray(), STDERR: bytearray()}
        self.truncated = False
        self.errors_seen = bytearray()
        self._listener = listener
        self._capture = capture
        self._shell: list[bytes] = []

    def events(self, batch: list[_core._Event], on_events: Callable[[list[_core._Event]], None] | None = None) -> None:
        self._write_shell()
        super().events(batch, on_events)

    def flush(self) -> None:
        super().flush()
        self._write_shell()

    def shell(self, data: bytes) -> None:
        """What a remote shell has written to its standard error. It is written by the thread that runs the transfer,
        because a listener is called there."""
        self._shell.append(data)

    def _write_shell(self) -> None:
        while self._shell:
            data = self._shell.pop(0)
            self._keep(data)
            if self.on_lines is not None:
                self.on_lines(STDERR, data)
            self._write(STDERR, data)

    def _write(self, stream: int, data: bytes) -> None:
        if stream == STDOUT and self.all_to_stderr:
            stream = STDERR
        kept = self.texts[stream]
        kept += data
        if len(kept) > self._capture:
            del kept[: len(kept) - self._capture]
            self.truncated = True
        super()._write(stream, data)
        if self._listener is not None:
            self._listener(stream, data)


class Surroundings(Environment):
    """An environment that remembers a cancel until there is a transfer to cancel."""

    __slots__ = ("_cancelled", "_transfer")

    @property
    def transfer(self) -> Cancellable | None:
        return self._transfer

    @transfer.setter
    def transfer(self, value: Cancellable | None) -> None:
        self._transfer = value
        if not hasattr(self, "_cancelled"):
            self._cancelled = False
        if value is not None and self._cancelled:
            value.cancel()

    def begin(self) -> None:
        if self._cancelled:
            # A small transfer could be complete before the core sees the cancel.
            raise Interrupted("the transfer was cancelled before it began")

    def cancel(self) -> None:
        self._cancelled = True
        transfer = self._transfer
        if transfer is not None:
            transfer.cancel()

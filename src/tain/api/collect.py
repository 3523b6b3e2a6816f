"""Where the output of a transfer goes: memory, listeners, events, a logger."""

from __future__ import annotations

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
    from tain.session.client import Client
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
    """Output that is kept in memory, and passed to those who want it."""

    def __init__(self, listener: Callable[[int, bytes], None] | None, delivery: Delivery, capture: int) -> None:
        super().__init__(-1, -1)
        self.texts = {STDOUT: bytearray(), STDERR: bytearray()}
        self.truncated = False
        self.problems: list[Problem] = []
        self.client: Client | None = None
        self._listener = listener
        self._delivery = delivery
        self._capture = capture
        self._shell: list[bytes] = []
        #: The beginnings of lines whose ends have not come yet.
        self._rest = {STDOUT: b"", STDERR: b""}

    @property
    def direction(self) -> str:
        """``local``, ``push`` or ``pull``, once it is known."""
        client = self.client
        if client is None or client.job.host is None:
            return "local"
        return "push" if client.job.am_sender else "pull"

    def events(self, batch: list[_core._Event], on_events: Callable[[list[_core._Event]], None] | None = None) -> None:
        self.take_shell()
        super().events(batch, on_events)

    def shell(self, data: bytes) -> None:
        """What a remote shell has written to its standard error; any thread may call this."""
        self._shell.append(data)

    def take_shell(self) -> None:
        """Write what the remote shell has written, in the thread that runs the transfer."""
        while self._shell:
            self._write(STDERR, self._shell.pop(0))

    def _write(self, stream: int, data: bytes) -> None:
        kept = self.texts[stream]
        kept += data
        if len(kept) > self._capture:
            del kept[: len(kept) - self._capture]
            self.truncated = True
        if stream == STDERR or self._delivery.wants_lines:
            self._lines(stream, data)
        if self._listener is not None:
            self._listener(stream, data)

    def _lines(self, stream: int, data: bytes) -> None:
        from tain.diagnosis.messages import parse

        *lines, self._rest[stream] = (self._rest[stream] + data).split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "surrogateescape").rstrip("\r")
            problem = parse(text, direction=self.direction) if stream == STDERR else None
            if problem is not None:
                self.problems.append(problem)
            self._delivery.line(stream, text, problem)


class Surroundings(Environment):
    """An environment that remembers a cancel and a bandwidth limit until there is a transfer."""

    __slots__ = ("_bwlimit", "_cancelled", "_transfer")

    @property
    def transfer(self) -> Cancellable | None:
        return self._transfer

    @transfer.setter
    def transfer(self, value: Cancellable | None) -> None:
        self._transfer = value
        if not hasattr(self, "_cancelled"):
            self._cancelled = False
            self._bwlimit: int | None = None
        if value is not None and self._bwlimit is not None:
            value.set_bwlimit(self._bwlimit)
        if value is not None and self._cancelled:
            value.cancel()

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    def cancel(self) -> None:
        self._cancelled = True
        transfer = self._transfer
        if transfer is not None:
            transfer.cancel()

    def set_bwlimit(self, bytes_per_second: int) -> None:
        """Limit the transfer, or the one that begins later."""
        self._bwlimit = bytes_per_second
        transfer = self._transfer
        if transfer is not None:
            transfer.set_bwlimit(bytes_per_second)

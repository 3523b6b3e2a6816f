"""Where the output of a transfer goes: memory, listeners, events, a logger."""

from __future__ import annotations

from tain.errors import Interrupted
from tain.events import KINDS, End, Message, Problem, Progress, Start
from tain.report.output import STDERR, STDOUT, Output
from tain.session.environment import Environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger

    from tain.events import Event
    from tain.session.environment import Cancellable

#: The lowest level of `events` at which each event is delivered: 1 ``progress``, 2 ``items``, 3 ``all``.
LEVELS = {
    **dict.fromkeys(KINDS.values(), 1),
    **dict.fromkeys(("item", "done", "delete"), 2),
    **dict.fromkeys(("message", "skip"), 3),
}
#: What a logger receives.
_LOGGED = frozenset(("start", "message", "error", "end"))


class Delivery:
    """Gives the events of a run to those who want them (see `Listener` in `session.client.reporter`)."""

    #: ``events="all"`` has a message for every line.
    wants_repeats = True
    looks_ahead = False

    def __init__(
        self,
        level: int,
        listener: Callable[[Event], object] | None,
        logger: Logger | None,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> None:
        self.level = level
        self._listeners = [] if listener is None else [(level, listener)]
        self._logger = logger
        self._on_progress = on_progress

    def listen(self, level: int, listener: Callable[[Event], object]) -> None:
        """Deliver to *listener* too, events of *level* and below."""
        self._listeners.append((level, listener))
        self.level = max(level, self.level)

    @property
    def kinds(self) -> frozenset[str]:
        """The events that somebody wants."""
        found = {kind for kind, level in LEVELS.items() if level <= self.level}
        if self._logger is not None:
            found |= _LOGGED
        if self._on_progress is not None:
            found.add("progress")
        return frozenset(found)

    @property
    def core_kinds(self) -> frozenset[str]:
        """What the core must emit for them."""
        if self.level < LEVELS["item"]:
            return frozenset()
        return frozenset(("item", "done", "skip") if self.level >= LEVELS["skip"] else ("item", "done"))

    def attach(self, out: Output) -> None:
        """The output is that of the transfer."""

    def take_lines(self, lines: bytes) -> None:
        """Lines of JSON are for others."""

    def take(self, event: Event) -> None:
        """Deliver one event."""
        if self._on_progress is not None and isinstance(event, Progress):
            self._on_progress(event)
        need = LEVELS[KINDS[type(event)]]
        for level, listener in self._listeners:
            if need <= level:
                listener(event)
        if self._logger is not None:
            self._log(self._logger, event)

    def _log(self, logger: Logger, event: Event) -> None:
        extra = {"tain_event": event}
        if isinstance(event, Start):
            logger.info("transfer from %s to %s", event.sources, event.destination, extra=extra)
        elif isinstance(event, Problem):
            logger.error("%s", event.text, extra=extra)
        elif isinstance(event, Message) and event.text:
            logger.log(20 if event.level == "info" else 30, "%s", event.text, extra=extra)
        elif isinstance(event, End):
            text = f" ({event.text})" if event.text else ""
            logger.info("transfer ended with code %d%s", event.code, text, extra=extra)


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

    def shell(self, data: bytes) -> None:
        """What a remote shell has written to its standard error. It is written by the thread that runs the transfer,
        because a listener is called there."""
        self._shell.append(data)

    def take_shell(self) -> None:
        """Write what a remote shell has written, in the thread that runs the transfer."""
        while self._shell:
            data = self._shell.pop(0)
            self._keep(data)
            if self.on_lines is not None:
                self.on_lines(STDERR, data)
            self._write(STDERR, data)

    def _write(self, stream: int, data: bytes) -> None:
        if stream == STDOUT and self.all_to_stderr:
            stream = STDERR
        kept = self.texts[STDERR if stream == STDERR else STDOUT]
        kept += data
        if len(kept) > self._capture:
            del kept[: len(kept) - self._capture]
            self.truncated = True
        super()._write(stream, data)
        if self._listener is not None:
            self._listener(STDERR if stream == STDERR else STDOUT, data)


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

    def begin(self) -> None:
        if self._cancelled:
            # A small transfer could be complete before the core sees the cancel.
            raise Interrupted("the transfer was cancelled before it began")

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

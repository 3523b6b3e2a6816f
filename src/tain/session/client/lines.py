"""What the lines of a run report: each line is read once, for everybody who wants to know."""

from __future__ import annotations

from tain.report.output import STDERR, STDOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tain.problems import Problem

    #: Receives the stream, a line without its end (bytes that are no text are surrogates), and what it reports.
    Listener = Callable[[int, str, Problem | None], object]

#: A line of standard output about errors.
_NO_DELETIONS = b"IO error encountered -- skipping file deletion"


class Lines:
    """Reads the lines of one run in their order. *direction* is that of the transfer, as it is known at the time."""

    def __init__(self, direction: Callable[[], str]) -> None:
        self._direction = direction
        self.listeners: list[Listener] = []
        #: Somebody wants the lines of standard output too; they are not read otherwise.
        self.wants_stdout = False
        #: What is written now is the reason why the run ends.
        self.failing = False
        #: The run has said that it makes no deletions.
        self.deletions_left_out = False
        #: The beginnings of lines whose ends have not come yet; a remote shell may write them so.
        self._rest = {STDOUT: b"", STDERR: b""}

    def read(self, stream: int, data: bytes) -> None:
        """Read what was written to *stream*."""
        if stream == STDOUT:
            self.deletions_left_out |= _NO_DELETIONS in data
            if not self.wants_stdout:
                return
        *lines, self._rest[stream] = (self._rest[stream] + data).split(b"\n")
        for line in lines:
            self._emit(stream, line)

    def finish(self) -> None:
        """Read lines without an end: the run is over."""
        for stream, line in self._rest.items():
            if line:
                self._emit(stream, line)
                self._rest[stream] = b""

    def _emit(self, stream: int, line: bytes) -> None:
        from tain.diagnosis.messages import parse

        text = line.decode("utf-8", "surrogateescape").rstrip("\r")
        problem = parse(text, direction=self._direction(), fatal=self.failing) if stream == STDERR else None
        for listener in self.listeners:
            listener(stream, text, problem)

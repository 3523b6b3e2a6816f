"""Where output goes: standard output, standard error, the log (spec: output 1 and 2)."""

from __future__ import annotations

import os

from tain.errors import PeerExit, TainError, exit_text
from tain.escape import for_screen
from tain.release import RSYNC_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from tain._core import Record, Summary
    from tain.report.logfile import LogFile

    class Running(Protocol):
        """A running transfer: batches of (stream, bytes), then a summary."""

        @property
        def summary(self) -> Summary: ...
        def __iter__(self) -> Iterator[list[tuple[int, bytes]]]: ...
        def cancel(self, code: int = 20) -> None: ...
        def take_records(self) -> list[Record]: ...


#: Codes of runs that went to their end: the figures of such a run are worth printing.
WHOLE_RUN = frozenset((0, 23, 24, 25))
#: Streams of the events of the core.
STDOUT, STDERR, LOG = 1, 2, 3
#: Block-buffered output is held until there is this much of it.
_BLOCK = 1 << 16
#: So much of what was said first, and of what was said last, is kept for explanations.
_SEEN = 1 << 14


class Output:
    """The three places a line can go to. Whole lines only; bytes that are not fit for a screen are escaped.

    A stream that cannot be written to any more (a closed pipe, a full disk) is dropped silently and the run goes on,
    as rsync does.
    """

    def __init__(
        self,
        out_fd: int = 1,
        err_fd: int = 2,
        *,
        log: LogFile | None = None,
        quiet: bool = False,
        all_to_stderr: bool = False,
        outbuf: str | None = None,
        eight_bit: bool = False,
    ) -> None:
        """*quiet* drops `info` lines; *outbuf* is ``n``, ``l`` or ``b`` (None: lines are written at once); *eight_bit*
        leaves high bytes alone."""
        self._fds = {STDOUT: err_fd if all_to_stderr else out_fd, STDERR: err_fd}
        self.log = log
        self._quiet = quiet
        self._eight_bit = eight_bit
        #: Which high bytes are text. As in rsync none is until the run has found out about the locale, and none ever is
        #: for a server.
        self.charset = "ascii"
        #: What was written to standard error, for `diagnosis` (None: not collected).
        self.errors_seen: bytearray | None = None
        self._held = bytearray()
        # Batches of the core are whole lines already, so unbuffered and line-buffered are the same thing here.
        self._block = outbuf == "b"

    def info(self, text: bytes) -> None:
        """Lines for standard output."""
        if not self._quiet:
            self._put(STDOUT, self._fit(text))

    def error(self, text: bytes) -> None:
        """Lines for standard error, and for the log."""
        if text:
            self._put(STDERR, self._fit(text))
            if self.log is not None:
                self.log.text(text)

    def _fit(self, text: bytes) -> bytes:
        return for_screen(text, self.charset, eight_bit=self._eight_bit)

    def events(self, batch: list[tuple[int, bytes]]) -> None:
        """Write a batch, joining what goes to the same stream into one write. The core has escaped its lines."""
        stream = 0
        parts: list[bytes] = []
        lines: list[bytes] = []
        for target, data in batch:
            if target == LOG:
                lines.append(data)
                continue
            if target != stream and parts:
                self._put(stream, b"".join(parts))
                parts.clear()
            stream = target
            parts.append(data)
        if parts:
            self._put(stream, b"".join(parts))
        if lines and self.log is not None:
            self.log.write(*lines)

    def flush(self) -> None:
        """Write what block buffering holds back."""
        if self._held:
            data = bytes(self._held)
            self._held.clear()
            self._write(STDOUT, data)

    def _put(self, stream: int, data: bytes) -> None:
        if stream == STDOUT and self._block:
            self._held += data
            if len(self._held) >= _BLOCK:
                self.flush()
            return
        if stream == STDERR:
            self.flush()
            if self.errors_seen is not None:
                self.errors_seen += data
                # Its beginning and its end tell enough.
                del self.errors_seen[_SEEN:-_SEEN]
        self._write(stream, data)

    def _write(self, stream: int, data: bytes) -> None:
        fd = self._fds.get(stream, -1)
        if fd < 0:
            return
        view = memoryview(data)
        try:
            while view:
                try:
                    view = view[os.write(fd, view) :]
                except BlockingIOError:
                    # The terminal or pipe is shared with a program that made it non-blocking.
                    _wait_writable(fd)
        except OSError:
            self._fds[stream] = -1


def _wait_writable(fd: int) -> None:
    import select

    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    poll.poll()


def pump(transfer: Running, out: Output, on_items: Callable[[list[Record]], None] | None = None) -> Summary:
    """Write everything a transfer says until it is over; returns its summary. *on_items* gets the items meanwhile."""
    try:
        for batch in transfer:
            out.events(batch)
            if on_items is not None and (items := transfer.take_records()):
                on_items(items)
    except BaseException:
        # Whoever interrupts must not leave threads behind that go on writing files.
        transfer.cancel()
        for _ in transfer:
            pass
        raise
    return transfer.summary


def closing_line(code: int, role: str, place: str = "main.py(1)") -> bytes:
    """``rsync error: TEXT (code N) at FILE(LINE) [ROLE=VERSION]``, with its end (spec: output 2).

    Scripts match on the code and on the bracket; *place* is where this program noticed.
    """
    kind = "warning" if code == 24 else "error"
    return f"rsync {kind}: {exit_text(code)} (code {code}) at {place} [{role}={RSYNC_VERSION}]\n".encode()


def place_of(error: BaseException) -> str:
    """``file.py(line)`` of the innermost frame that raised *error*."""
    trace = error.__traceback__
    if trace is None:
        return "main.py(1)"
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}({trace.tb_lineno})"


def error_text(error: BaseException) -> bytes:
    """The text of an error as complete lines; empty when there is none."""
    text = str(error)
    return text.encode("utf-8", "surrogateescape") + b"\n" if text else b""


def role_of(text: str, role: str) -> str:
    """Who failed: the half that *text* names, else *role*. In a local copy one process plays all of them."""
    for half in ("receiver", "generator"):
        if text.startswith(f"rsync: [{half}] "):
            return half
    return role


def failure_text(error: TainError, role: str) -> bytes:
    """All that is printed for an error: its text, if any, and the closing line unless the peer has said it."""
    if isinstance(error, PeerExit) or not error.code:
        return error_text(error)
    return error_text(error) + closing_line(error.code, role_of(str(error), role), place_of(error))

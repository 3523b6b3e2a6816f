"""Output to standard output, standard error and the log (spec: output 1 and 2)."""

from __future__ import annotations

import os

from tain.errors import PeerExit, TainError, exit_text
from tain.escape import for_screen
from tain.release import RSYNC_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from tain._core import Run, Summary
    from tain._core import _Event as Event
    from tain.report.logfile import LogFile

    class Running(Protocol):
        """A running transfer: batches of events, then a summary."""

        @property
        def summary(self) -> Summary: ...
        def __iter__(self) -> Iterator[list[Event]]: ...
        def next_batch(self, timeout: float) -> list[Event] | None: ...
        def cancel(self, code: int = 20) -> None: ...


#: Codes of complete runs, whose figures are printed.
WHOLE_RUN = frozenset((0, 23, 24, 25))
STDOUT, STDERR = 1, 2
#: Standard output, as it gets events in place of lines.
_EVENTS = 3
#: Seconds between two calls of `Output.tick`.
TICK = 0.25
#: Block-buffered output is written in pieces of this many bytes.
_BLOCK = 1 << 16
#: The first and the last bytes of standard error that are kept for hints.
SEEN = 1 << 14


class Output:
    """The three destinations of a line. Texts are whole lines; bytes that a screen cannot show are escaped.

    A stream that fails (a closed pipe, a full disk) is dropped silently and the run continues, as in rsync.
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
        """*out_fd* and *err_fd* are descriptors, -1 for none; the other arguments are those of `configure`."""
        self._fds = {STDOUT: out_fd, STDERR: err_fd, _EVENTS: out_fd}
        #: Events take the place of the lines for standard output.
        self._replaced = False
        #: The present lines repeat what events say.
        self.repeating = False
        self._shell: list[bytes] = []
        self.log = log
        #: The character set, which says what high bytes are text. As in rsync, it is ``ascii`` until the run looks at
        #: the locale, and always on a server.
        self.charset = "ascii"
        #: Called in the thread that writes, at least every `TICK` seconds while a transfer runs.
        self.tick: Callable[[], None] | None = None
        #: What was written to standard error, for `diagnosis` (None: not collected).
        self.errors_seen: bytearray | None = None
        #: Receives the number of a stream and the whole lines that are written to it.
        self.on_lines: Callable[[int, bytes], None] | None = None
        self._shell_held: list[bytes] | None = None
        self._held = bytearray()
        self.configure(quiet=quiet, all_to_stderr=all_to_stderr, outbuf=outbuf, eight_bit=eight_bit)

    def configure(self, *, quiet: bool, all_to_stderr: bool, outbuf: str | None, eight_bit: bool) -> None:
        """Before the first line: *quiet* drops `info` lines; *all_to_stderr* sends every line to standard error;
        *outbuf* is ``n``, ``l`` or ``b`` (None: lines are written at once); *eight_bit* leaves high bytes unescaped."""
        self._quiet = quiet
        self._eight_bit = eight_bit
        self.all_to_stderr = all_to_stderr
        if all_to_stderr:
            self._fds[STDOUT] = self._fds[STDERR]
        # The core sends whole lines, so unbuffered and line-buffered are the same here.
        self._block = outbuf == "b"

    def info(self, text: bytes) -> None:
        """Lines for standard output."""
        if not self._quiet:
            self._put(STDOUT, self._escaped(text))

    def error(self, text: bytes) -> None:
        """Lines for standard error, and for the log."""
        if text:
            self._put(STDERR, self._escaped(text))
            if self.log is not None:
                self.log.text(text)

    def plain(self, text: bytes) -> None:
        """Lines of our own for standard output, which have been escaped. ``-q`` does not drop them."""
        self._put(STDOUT, text)

    def note(self, text: bytes) -> None:
        """Lines of our own for standard error, which are no errors: they are not logged, and have been escaped."""
        self.flush()
        self._write(STDERR, text)

    def shell(self, data: bytes) -> None:
        """What a remote shell has written to its standard error: passed on unchanged. Any thread may call this."""
        self._keep(data)
        if self.on_lines is not None:
            self._shell.append(data)
        held = self._shell_held
        if held is None:
            self._write(STDERR, data)
        else:
            held.append(data)

    def take_shell(self) -> None:
        """Give what a remote shell has written to `on_lines`, in the thread that runs the transfer."""
        while self._shell and self.on_lines is not None:
            self.on_lines(STDERR, self._shell.pop(0))

    def figures(self, text: bytes) -> None:
        """Lines for standard output that repeat what events say."""
        self.repeating = True
        self.info(text)
        self.repeating = False

    def replace_stdout(self) -> None:
        """Standard output gets the lines of `write_events` in place of all others. Lines that ``--stderr=all`` sends to
        standard error go on there."""
        self._replaced = True

    def write_events(self, lines: bytes) -> None:
        """Write events to standard output."""
        self._write(_EVENTS, lines)

    def hold_shell(self) -> None:
        """Keep what a remote shell writes until `write_shell`: a block on the screen must not be disturbed."""
        self._shell_held = []

    @property
    def holds_shell(self) -> bool:
        """Whether there is something for `write_shell`."""
        return bool(self._shell_held)

    def write_shell(self) -> None:
        """Write what is kept."""
        while self._shell_held:
            self._write(STDERR, self._shell_held.pop(0))

    def release_shell(self) -> None:
        """Write what is kept, and whatever comes from now on at once."""
        held, self._shell_held = self._shell_held, None
        for data in held or ():
            self._write(STDERR, data)

    def _keep(self, data: bytes) -> None:
        """Keep the beginning and the end of standard error."""
        if self.errors_seen is not None:
            self.errors_seen += data
            del self.errors_seen[SEEN:-SEEN]

    def _escaped(self, text: bytes) -> bytes:
        return for_screen(text, self.charset, eight_bit=self._eight_bit)

    def events(self, batch: list[Event], on_events: Callable[[list[Event]], None] | None = None) -> None:
        """Write the texts of a batch, consecutive texts of one stream in one write. The core has escaped them.

        *on_events* receives the structured events, consecutive ones in one call, in their place between the texts.
        """
        self.take_shell()
        kind = ""
        parts: list[bytes] = []
        lines: list[bytes] = []
        others: list[Event] = []

        def emit() -> None:
            if parts:
                self.repeating = kind == "entry"
                self._put(STDERR if kind == "stderr" else STDOUT, b"".join(parts))
                self.repeating = False
                parts.clear()
            if others and on_events is not None:
                on_events(others.copy())
            others.clear()

        for event in batch:
            if event[0] == "log":
                lines.append(event[1])
                continue
            if event[0] != kind:
                emit()
                kind = event[0]
            if event[0] == "stdout" or event[0] == "entry" or event[0] == "stderr":
                parts.append(event[1])
            else:
                others.append(event)
        emit()
        if lines and self.log is not None:
            self.log.write(*lines)

    def flush(self) -> None:
        """Write the buffered output."""
        self.take_shell()
        if self._held:
            data = bytes(self._held)
            self._held.clear()
            self._write(STDOUT, data)

    def _put(self, stream: int, data: bytes) -> None:
        if stream == STDERR:
            self.flush()
            self._keep(data)
        if self.on_lines is not None:
            self.on_lines(stream, data)
        if stream == STDOUT and self._replaced and not self.all_to_stderr:
            return
        if stream == STDOUT and self._block:
            self._held += data
            if len(self._held) >= _BLOCK:
                self.flush()
            return
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
                    # Another program shares the terminal or pipe and made it non-blocking.
                    _wait_writable(fd)
        except OSError:
            self._fds[stream] = -1


def _wait_writable(fd: int) -> None:
    import select

    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    poll.poll()


def pump(transfer: Running, out: Output, on_events: Callable[[list[Event]], None] | None = None) -> Summary:
    """Write the output of a transfer until its end; returns its summary; *on_events* as in `Output.events`."""
    try:
        for batch in transfer if out.tick is None else _ticking(transfer, out.tick):
            out.events(batch, on_events)
    except BaseException:
        # After an interrupt, no thread may continue to write files.
        transfer.cancel()
        for _ in transfer:
            pass
        raise
    return transfer.summary


def run_here(transfer: Run, out: Output) -> Summary:
    """Run a transfer that has not begun in this thread, and write its output; returns its summary."""
    transfer.run_here(out.events)
    return transfer.summary


def _ticking(transfer: Running, tick: Callable[[], None]) -> Iterator[list[Event]]:
    """The batches of a transfer, with a *tick* in between when one is due."""
    import time

    due = time.monotonic() + TICK
    while (batch := transfer.next_batch(TICK)) is not None:
        if batch:
            yield batch
        if (now := time.monotonic()) >= due:
            due = now + TICK
            tick()


def closing_line(code: int, role: str, place: str = "main.py(1)") -> bytes:
    """``rsync error: TEXT (code N) at FILE(LINE) [ROLE=VERSION]``, with its end (spec: output 2).

    Scripts match the code and the brackets; *place* is where this program found the error.
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
    """The text of an error as complete lines; empty for an error without a text."""
    text = str(error)
    return text.encode("utf-8", "surrogateescape") + b"\n" if text else b""


def role_of(text: str, role: str) -> str:
    """The role that failed: the one that *text* names, else *role*. In a local copy one process has all roles."""
    for half in ("receiver", "generator"):
        if text.startswith(f"rsync: [{half}] "):
            return half
    return role


def failure_text(error: TainError, role: str) -> bytes:
    """The lines for an error: its text, and the closing line unless the peer has printed one."""
    if isinstance(error, PeerExit) or not error.code:
        return error_text(error)
    return error_text(error) + closing_line(error.code, role_of(str(error), role), place_of(error))

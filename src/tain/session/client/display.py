"""What a run shows beyond rsync's own lines: the bar (``--bar``) and the end block (``--summary``)."""

from __future__ import annotations

import os
import time

from tain.options.levels import USER
from tain.report.meter import LOOK_AHEAD
from tain.report.output import pump
from tain.session.environment import charset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tain import _core
    from tain.options.hostspec import Locations
    from tain.options.resolved import ResolvedOptions
    from tain.problems import Problem
    from tain.report.output import Output
    from tain.report.watch import Screen
    from tain.session.client.lines import Lines
    from tain.session.environment import Environment

#: Seconds before the first frame: a shorter run draws nothing.
_FIRST_FRAME = 0.5


def wants_bar(options: ResolvedOptions, env: Environment) -> bool:
    """Whether to show progress. Without an option, ``TAIN_BAR=auto`` asks for it on a terminal, unless an option asks
    for other output."""
    if options.bar is not None:
        return options.bar
    if env.get(b"TAIN_BAR") != b"auto" or not os.isatty(env.stderr):
        return False
    other_output = (
        options.quiet or options.verbose or options.dry_run or options.itemize_level or options.progress
        or options.out_format is not None or options.list_only or options.json or USER in options.info_priority.values()
    )  # fmt: skip
    return not other_output


def display(options: ResolvedOptions, env: Environment, out: Output, lines: Callable[[], Lines]) -> Display | None:
    """The display that the options and the environment ask for, if they do; *lines* gives it the lines of the run."""
    bar = wants_bar(options, env)
    return Display(options, env, out, lines(), bar=bar) if bar or options.summary else None


class Display:
    """Watches one run."""

    def __init__(self, options: ResolvedOptions, env: Environment, out: Output, lines: Lines, *, bar: bool) -> None:
        from tain.report.endblock import Causes

        self._options, self._env, self._bar = options, env, bar
        self._out = out
        #: Entries that a sender lists ahead; 0: the usual number. Only a complete list has a total.
        self.look_ahead = LOOK_AHEAD if bar else 0
        #: The peer, once there is one.
        self._host = ""
        self._push = False
        #: Files whose data is complete.
        self._finished = 0
        self._start = time.monotonic()
        self._causes = Causes()
        #: ``-hh``: units of 1024.
        self._binary = options.human_readable > 2
        self._reader = lines
        lines.listeners.append(self._read)
        self._encoding = "utf-8" if charset(env.environ) == "utf-8" else "ascii"

    def pump(
        self, transfer: _core.Run, job: Locations, on_events: Callable[[list[_core._Event]], None] | None
    ) -> _core.Summary:
        """Write the output of *transfer* until its end, with progress if it is wanted."""
        if job.host is not None:
            self._host = os.fsdecode(job.host)
            self._push = job.am_sender
        # Connecting and typing a password is no part of the work.
        self._start = time.monotonic()
        try:
            return self._watched(transfer, on_events)
        finally:
            self._finished = transfer.figures().files

    def _watched(self, transfer: _core.Run, on_events: Callable[[list[_core._Event]], None] | None) -> _core.Summary:
        out = self._out
        if not self._bar:
            return pump(transfer, out, on_events)
        from tain.report.meter import Meter
        from tain.report.watch import watch

        terminal = os.isatty(self._env.stderr) and self._env.get(b"TERM", b"dumb") != b"dumb"
        meter = Meter(checksum=self._options.checksum, remote=bool(self._host))
        if terminal:
            out.hold_shell()
            try:
                return watch(
                    transfer, out, meter, lambda: self._screen(out), first=_FIRST_FRAME,
                    on_events=on_events,
                )  # fmt: skip
            finally:
                out.release_shell()
        from tain.report.plain import FIRST

        seconds = self._seconds()
        return watch(
            transfer, out, meter, lambda: self._lines(out), first=min(FIRST, seconds),
            on_events=on_events,
        )  # fmt: skip

    def end(self, summary: _core.Summary | None, code: int) -> None:
        """Print the end block of a run with this exit code; *summary* is None if there was no transfer."""
        from tain.report.endblock import end_block

        text = end_block(
            summary,
            code,
            time.monotonic() - self._start,
            self._causes,
            host=self._host,
            finished=self._finished,
            push=self._push,
            deletions_left_out=self._reader.deletions_left_out,
            dry_run=self._options.dry_run,
            encoding=self._encoding,
            binary=self._binary,
        )
        self._out.note(text.encode(self._encoding, "replace"))

    def _screen(self, out: Output) -> Screen:
        try:
            from tain.report.bar import Bar, rewraps
        except ImportError:
            # A system package may leave rich out.
            return self._lines(out)
        return Bar(
            self._env.stderr,
            ascii_only=self._encoding != "utf-8" or self._env.get(b"TAIN_BAR") == b"ascii",
            host=self._host,
            timeout=self._options.timeout,
            binary=self._binary,
            encoding=self._encoding,
            rewraps=rewraps(self._env.environ),
        )

    def _lines(self, out: Output) -> Screen:
        from tain.report.plain import PlainLines

        return PlainLines(out.note, seconds=self._seconds(), binary=self._binary)

    def _seconds(self) -> float:
        from tain.report.plain import SECONDS

        try:
            return max(float(self._env.get(b"TAIN_BAR_SECONDS")), 0.1)
        except ValueError:
            return SECONDS

    def _read(self, _stream: int, _text: str, problem: Problem | None) -> None:
        """Count the failures in what the run prints."""
        if problem is not None:
            self._causes.add(problem)

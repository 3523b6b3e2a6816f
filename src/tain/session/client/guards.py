"""A guard at work: refuse a run that would delete what nobody means to delete.

A rule is judged before the first deletion. Where this end deletes, the core asks before it begins. Where the other end
does, a dry run counts the deletions first (`rehearsal`).
"""

from __future__ import annotations

import os

from tain.errors import DeleteLimit, FileError, UnsupportedError
from tain.options.guard import DEFAULT_GUARD, DeletePlan
from tain.report.quantities import count, shown_name
from tain.session.environment import charset
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO, Protocol

    from tain import _core
    from tain.options.guard import Guard
    from tain.options.hostspec import Locations
    from tain.options.resolved import ResolvedOptions
    from tain.report.output import Output
    from tain.session.client.reporter import Reporter
    from tain.session.environment import Environment

    class Forecast(Protocol):
        """What a dry run found."""

        @property
        def code(self) -> int: ...
        @property
        def protocol(self) -> int: ...
        @property
        def deletions(self) -> list[bytes]: ...
        @property
        def listed(self) -> int: ...
        @property
        def listed_bytes(self) -> int: ...
        @property
        def entries(self) -> int: ...


#: Below this number, even many percent are few.
_FEW = 100
#: Older peers do not report what is new, and what they delete.
_LEAST_PROTOCOL = 29
#: The exit code of a run in which something failed.
_PARTIAL = 23
#: Bytes of names that are read at once.
_PIECE = 1 << 16


class Judge:
    """The guard of one run."""

    def __init__(
        self,
        guard: Guard,
        options: ResolvedOptions,
        env: Environment,
        out: Output,
        job: Locations,
        *,
        asked: bool,
        twin: bool,
        reporter: Reporter | None = None,
    ) -> None:
        """*asked*: by options of a command line, which can allow what is refused. *twin*: a local copy between two
        processes, of which the other one deletes."""
        self._guard, self._options, self._env, self._out, self._job = guard, options, env, out, job
        self._asked, self._reporter = asked, reporter
        self._push = job.host is not None and job.am_sender
        self._deletes = options.delete != "never"
        counting = guard.empty_source or guard.percent is not None or guard.max is not None or guard.judge is not None
        judged = counting and self._deletes and not options.dry_run
        #: Whether the run has to ask before its first deletion.
        self.counts = judged and not self._push and not twin
        # The default guard of a program costs no second connection.
        chosen = guard.max is not None or guard.judge is not None
        chosen = chosen or (guard.percent is not None and (twin or guard is not DEFAULT_GUARD))
        #: Whether a dry run has to count the deletions before the run begins.
        self.rehearses = judged and (twin or (self._push and chosen))
        #: Where the names of the deletions are written.
        self._names: IO[bytes] | None = None

    def check(self) -> None:
        """Judge the arguments, before anything is started. Errors: `DeleteLimit`, `UnsupportedError`."""
        guard, options, job = self._guard, self._options, self._job
        self._refuse_unknowable()
        deletes = self._deletes or options.delete_missing_args
        if guard.root and deletes and self._is_root():
            why = f"{shown_name(job.destination or b'')!r} is a whole machine or home directory"
            raise self._refused("root", why)
        if guard.same and job.host is None and (deletes or options.remove_source_files):
            for source in job.sources:
                if self._is_same(source):
                    raise self._refused("same", f"{shown_name(source)} is the destination itself")
        if job.host is None or job.am_sender:
            for source in job.sources:
                self._check_source(source)

    def names_handle(self) -> int:
        """A descriptor for the names of the deletions that are judged. Errors: `FileError`."""
        if self._names is None:
            if self._guard.names is not None:
                self._names = self._create(os.path.join(self._env.cwd, os.fsencode(self._guard.names)))
            else:
                import tempfile

                self._names = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the run
        return self._names.fileno()

    def answer(self, transfer: _core.Run, events: list[_core._Event]) -> None:
        """Judge the deletions of the run when it asks."""
        for event in events:
            if event[0] == "deletions":
                planned = event[1]
                figures = transfer.figures()
                empty = figures.complete and figures.entries <= len(self._job.sources)
                plan = DeletePlan(
                    deletions=planned.number,
                    bytes=planned.bytes,
                    entries=planned.entries,
                    source_entries=figures.entries,
                    source_bytes=figures.listed_bytes,
                    errors=figures.errors,
                )
                reason = self._judge(plan, empty=empty)
                if reason is not None:
                    refusal = self._refused(
                        *reason, self._row(self._read_names(), planned.bytes), planned.number, planned.entries
                    )
                    self._out.error(str(refusal).encode("utf-8", "replace") + b"\n")
                transfer.answer(reason is None)

    def announce(self) -> None:
        """Say that a dry run comes first, with ``-v``: it takes time."""
        if self._options.verbose and not self._options.quiet:
            where = "the other end" if self._push else "the other process"
            self._out.note(f"tain: the guard counts the deletions of {where} with a dry run first\n".encode())

    def check_forecast(self, forecast: Forecast) -> None:
        """Judge the deletions of a dry run. Errors: `DeleteLimit`, `FileError`, `UnsupportedError`."""
        if forecast.protocol < _LEAST_PROTOCOL:
            raise UnsupportedError(
                f"rsync: a guard that counts needs protocol {_LEAST_PROTOCOL} at least, not {forecast.protocol}"
            )
        deletions, empty = forecast.deletions, forecast.listed <= len(self._job.sources)
        if self._guard.names is not None:
            self._write_names(deletions)
        plan = DeletePlan(
            deletions=len(deletions),
            bytes=0,
            entries=forecast.entries,
            source_entries=forecast.listed,
            source_bytes=forecast.listed_bytes,
            errors=int(forecast.code == _PARTIAL),
        )
        reason = self._judge(plan, empty=empty)
        if reason is not None:
            raise self._refused(*reason, self._row(deletions, 0), len(deletions), forecast.entries)

    def _refuse_unknowable(self) -> None:
        """Refuse rules that somebody chose and that cannot be judged in this run."""
        if self._guard.marker is not None and self._job.host is not None and not self._push:
            raise UnsupportedError("rsync: the guard 'marker' needs a source on this machine")

    def _judge(self, plan: DeletePlan, *, empty: bool) -> tuple[str, str] | None:
        """The rule that refuses the deletions of *plan*, and why. *empty*: the list has no entry."""
        guard, number, entries = self._guard, plan.deletions, plan.entries
        place = shown_name(self._job.destination or b"")
        if number and guard.empty_source and empty:
            return "empty-source", f"the source is empty, and {count(number)} entries would be deleted"
        percent = guard.percent
        if percent is not None and number > _FEW and number * 100 > percent * entries:
            share = f"{number * 100 / max(entries, 1):.1f}%"
            name = "half" if percent == 50 else "percent"
            return name, f"{count(number)} of {count(entries)} entries of {place} would be deleted ({share})"
        if guard.max is not None and number > guard.max:
            return "max", f"{count(number)} entries of {place} would be deleted"
        reason = None if guard.judge is None else guard.judge(plan)
        return None if reason is None else ("judge", reason)

    def _create(self, path: bytes) -> IO[bytes]:
        try:
            # For its owner only: names of files can be secrets.
            return open(path, "wb+", buffering=0, opener=lambda name, flags: os.open(name, flags, 0o600))
        except OSError as error:
            raise _names_failed(path, error) from error

    def _write_names(self, names: Iterable[bytes]) -> None:
        """Write the names that a dry run found, as the core writes them."""
        try:
            with open(self.names_handle(), "wb", closefd=False) as file:
                file.writelines(name + b"\0" for name in names)
        except OSError as error:
            raise _names_failed(os.fsencode(self._guard.names or b""), error) from error

    def _read_names(self) -> Iterator[bytes]:
        """The names that the core has written."""
        if self._names is None:
            return
        rest, place = b"", 0
        while piece := os.pread(self._names.fileno(), _PIECE, place):
            place += len(piece)
            *names, rest = (rest + piece).split(b"\0")
            yield from names

    def _row(self, names: Iterable[bytes], size: int) -> str:
        """The row of the plan about these deletions of *size* bytes, 0: not known."""
        from tain.report.explain import deletions_row

        encoding = "utf-8" if charset(self._env.environ) == "utf-8" else "ascii"
        return deletions_row(names, size, encoding=encoding, binary=self._options.human_readable > 2)

    def _refused(
        self, name: str, why: str, row: str = "", number: int | None = None, of: int | None = None
    ) -> DeleteLimit:
        if self._reporter is not None:
            self._reporter.held(name, why, count=number, of=of)
        advice = f"\nallow it: --allow={name}" if self._asked else ""
        return DeleteLimit(f'tain: refused by guard "{name}": {why}' + (row and f"\n{row}") + advice)

    def _is_root(self) -> bool:
        destination = self._job.destination or b""
        if self._push:
            # An empty path is the home directory at the other end.
            return not self._job.daemon and destination.rstrip(b"/") in (b"", b"~")
        path = os.path.realpath(os.path.join(self._env.cwd, destination))
        home = self._env.get(b"HOME")
        return not destination or path == b"/" or (bool(home) and path == os.path.realpath(home))

    def _is_same(self, source: bytes) -> bool:
        try:
            return os.path.samefile(os.path.join(self._env.cwd, source), self._place(source))
        except OSError:
            return False

    def _place(self, source: bytes) -> bytes:
        """Where a local copy puts a source directory."""
        target = os.path.join(self._env.cwd, self._job.destination or b".")
        # Without a slash at its end, the source itself goes into the destination.
        return target if source.endswith((b"/", b"/.")) else os.path.join(target, os.path.basename(source))

    def _check_source(self, source: bytes) -> None:
        guard, path = self._guard, os.path.join(self._env.cwd, source)
        if guard.marker is not None and not os.path.isfile(path):
            marker = os.fsencode(guard.marker)
            if not os.path.lexists(os.path.join(path, marker)):
                raise self._refused("marker", f"{shown_name(source)} has no {shown_name(marker)}")
        if not (guard.empty_source and self._deletes and self._options.recurse):
            return
        # Where nothing can be deleted, an empty source is as good as any.
        if _is_empty(path) and (self._push or _is_empty(self._place(source)) is False):
            raise self._refused("empty-source", f"{shown_name(source)} is empty")


def _names_failed(path: bytes, error: OSError) -> FileError:
    return FileError(f"tain: the names of deletions: {shown_name(path)}: {system_text(error)}")


def _is_empty(path: bytes) -> bool | None:
    """Whether a directory has no entry; None: it cannot be read, or is none."""
    try:
        with os.scandir(path) as entries:
            return next(entries, None) is None
    except OSError:
        # The transfer reports it, and deletes nothing after an error.
        return None

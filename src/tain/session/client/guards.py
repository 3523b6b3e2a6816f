"""A guard at work: refuse a run that would delete what nobody means to delete.

A rule is judged before the first deletion. Where a rule needs what only the receiver knows, it works where this end
receives: the deletions of a push are the peer's.
"""

from __future__ import annotations

import os

from tain.errors import DeleteLimit, FileError, UnsupportedError
from tain.report.quantities import count, shown_name
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain import _core
    from tain.options.guard import DeletePlan, Guard
    from tain.options.hostspec import Locations
    from tain.options.resolved import ResolvedOptions
    from tain.report.output import Output
    from tain.session.environment import Environment

#: Below this number, even many percent are few.
_FEW = 100


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
    ) -> None:
        """*asked*: by options of a command line, which can allow what is refused. *twin*: a local copy between two
        processes, where nobody is asked about deletions."""
        self._guard, self._options, self._env, self._out, self._job = guard, options, env, out, job
        self._asked, self._twin = asked, twin
        self._push = job.host is not None and job.am_sender
        self._deletes = options.delete != "never"
        counting = guard.empty_source or guard.percent is not None or guard.max is not None or guard.judge is not None
        self._wants_count = counting and self._deletes and not options.dry_run and not self._push
        #: Whether the run has to ask before its first deletion.
        self.counts = self._wants_count and not twin

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

    def answer(self, transfer: _core.Run, events: list[_core._Event]) -> None:
        """Judge the deletions of the run when it asks."""
        for event in events:
            if event[0] == "deletions":
                reason = self._judge(transfer, event[1])
                if reason is not None:
                    self._out.error(str(self._refused(*reason)).encode("utf-8", "replace") + b"\n")
                transfer.answer(reason is None)

    def open_names(self) -> int | None:
        """A descriptor for the names of the deletions, if the guard wants them. Errors: `FileError`."""
        if self._guard.names is None or not self.counts:
            return None
        path = os.path.join(self._env.cwd, os.fsencode(self._guard.names))
        try:
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise FileError(f"tain: the names of deletions: {shown_name(path)}: {system_text(error)}") from error

    def _refuse_unknowable(self) -> None:
        """Refuse rules that somebody chose and that cannot be judged in this run."""
        guard = self._guard
        if guard.marker is not None and self._job.host is not None and not self._push:
            raise UnsupportedError("rsync: the guard 'marker' needs a source on this machine")
        if self._push and self._deletes:
            chosen = {"max": guard.max, "percent": guard.percent if self._options.guard_rules is not None else None}
            for name, value in chosen.items():
                if value is not None:
                    raise UnsupportedError(f"rsync: the guard {name!r} cannot be used where the other end deletes")
        if self._twin and self._wants_count and (self._asked or guard.max is not None):
            raise UnsupportedError(
                "rsync: --guard cannot judge the deletions of a run that writes a batch or converts names"
            )

    def _judge(self, transfer: _core.Run, planned: _core.Deletions) -> tuple[str, str] | None:
        """The rule that refuses, and why."""
        guard, number, entries = self._guard, planned.number, planned.entries
        place = shown_name(self._job.destination or b"")
        figures = transfer.figures()
        if number and guard.empty_source and figures.complete and figures.entries <= len(self._job.sources):
            return "empty-source", f"the source is empty, and {count(number)} entries would be deleted"
        percent = guard.percent
        if percent is not None and number > _FEW and number * 100 > percent * entries:
            share = f"{number * 100 / max(entries, 1):.1f}%"
            name = "half" if percent == 50 else "percent"
            return name, f"{count(number)} of {count(entries)} entries of {place} would be deleted ({share})"
        if guard.max is not None and number > guard.max:
            return "max", f"{count(number)} entries of {place} would be deleted"
        reason = None if guard.judge is None else guard.judge(_delete_plan(planned, figures))
        return None if reason is None else ("judge", reason)

    def _refused(self, name: str, why: str) -> DeleteLimit:
        advice = f"\nallow it: --allow={name}" if self._asked else ""
        return DeleteLimit(f'tain: refused by guard "{name}": {why}{advice}')

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


def _delete_plan(planned: _core.Deletions, figures: _core.Figures) -> DeletePlan:
    from tain.options.guard import DeletePlan

    return DeletePlan(
        deletions=planned.number,
        bytes=planned.bytes,
        entries=planned.entries,
        source_entries=figures.entries,
        source_bytes=figures.listed_bytes,
        errors=figures.errors,
    )


def _is_empty(path: bytes) -> bool | None:
    """Whether a directory has no entry; None: it cannot be read, or is none."""
    try:
        with os.scandir(path) as entries:
            return next(entries, None) is None
    except OSError:
        # The transfer reports it, and deletes nothing after an error.
        return None

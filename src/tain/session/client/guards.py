"""``--guard``: refuse a run that would delete what nobody means to delete.

A rule is judged before the first deletion. Where a rule needs what only the receiver knows, it works where this end
receives: the deletions of a push are the peer's.
"""

from __future__ import annotations

import os

from tain.errors import TainError, UnsupportedError, UsageError
from tain.report.quantities import count, shown_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain import _core
    from tain.options.hostspec import Locations
    from tain.options.resolved import ResolvedOptions
    from tain.report.output import Output
    from tain.session.environment import Environment

#: Below this number, even many percent are few.
_FEW = 100
#: The rules that need the deletions of the run.
_COUNTING = ("empty-source", "percent", "max")
_VALUED = ("percent", "max", "marker")


class Refused(TainError):
    """A guard refused the run."""

    code = 25


def read_rules(options: ResolvedOptions) -> dict[str, bytes] | None:
    """The rules in force, with their values; None without a guard. Errors: `UsageError`."""
    if not options.guard and options.guard_rules is None:
        return None
    rules: dict[str, bytes] = {"empty-source": b"", "root": b"", "same": b"", "percent": b"50"}
    if options.guard_rules is not None:
        rules = {}
        for word in options.guard_rules.split(b","):
            name, _, value = (b"percent=50" if word == b"half" else word).partition(b"=")
            rules[_known(name, value, valued=True)] = value
    for word in (options.allow or b"").split(b","):
        if word:
            rules.pop(_known(b"percent" if word == b"half" else word, b"", valued=False), None)
    return rules


def _known(name: bytes, value: bytes, *, valued: bool) -> str:
    text = name.decode("utf-8", "replace")
    number = value.isdigit() and len(value) < 10
    if text not in ("empty-source", "root", "same", *_VALUED):
        raise UsageError(f"rsync: there is no guard {text!r}")
    if valued and ((text in _VALUED) != bool(value) or (text in ("percent", "max") and not number)):
        raise UsageError(f"rsync: the guard {text!r} has a wrong value or none")
    return text


class Guard:
    """The rules of one run."""

    def __init__(self, rules: dict[str, bytes], options: ResolvedOptions, env: Environment, out: Output) -> None:
        self._rules, self._options, self._env, self._out = rules, options, env, out
        self._roots = 1

    @property
    def counts(self) -> bool:
        """Whether a rule needs the deletions of the run."""
        return self._deletes and not self._options.dry_run and any(name in self._rules for name in _COUNTING)

    @property
    def _deletes(self) -> bool:
        return self._options.delete != "never"

    def check(self, job: Locations) -> None:
        """Judge the arguments, before anything is started. Errors: `Refused`, `UnsupportedError`."""
        self._roots = len(job.sources)
        pull = job.host is not None and not job.am_sender
        if job.am_sender and job.host is not None and self._options.guard_rules is not None:
            for name in _COUNTING:
                if name in self._rules:
                    raise UnsupportedError(f"rsync: the guard {name!r} cannot be used where the other end deletes")
        if pull and "marker" in self._rules:
            raise UnsupportedError("rsync: the guard 'marker' needs a source on this machine")
        if "root" in self._rules and self._deletes and self._is_root(job):
            raise self._refused("root", f"{shown_name(job.destination or b'')!r} is a whole machine or home directory")
        if "same" in self._rules and job.host is None and (self._deletes or self._options.remove_source_files):
            for source in job.sources:
                if self._same(source, job.destination or b"."):
                    raise self._refused("same", f"{shown_name(source)} is the destination itself")
        if "marker" in self._rules:
            marker = self._rules["marker"]
            for source in job.sources:
                if not os.path.lexists(os.path.join(self._env.cwd, source, marker)):
                    raise self._refused("marker", f"{shown_name(source)} has no {shown_name(marker)}")

    def answer(self, transfer: _core.Run, events: list[_core._Event]) -> None:
        """Judge the deletions of the run when it asks."""
        for event in events:
            if event[0] == "deletions":
                reason = self._judge(transfer, event[1])
                if reason is not None:
                    self._out.error(str(self._refused(*reason)).encode("utf-8", "replace") + b"\n")
                transfer.answer(reason is None)

    def _judge(self, transfer: _core.Run, planned: _core.Deletions) -> tuple[str, str] | None:
        """The rule that refuses, and why."""
        number, entries = planned.number, planned.entries
        figures = transfer.figures()
        if number and "empty-source" in self._rules and figures.complete and figures.entries <= self._roots:
            return "empty-source", f"the source is empty, and {count(number)} entries would be deleted"
        percent = self._rules.get("percent")
        if percent is not None and number > _FEW and number * 100 > int(percent) * entries:
            share = f"{number * 100 / max(entries, 1):.1f}%"
            name = "half" if percent == b"50" else "percent"
            return name, f"{count(number)} of {count(entries)} entries would be deleted ({share})"
        limit = self._rules.get("max")
        if limit is not None and number > int(limit):
            return "max", f"{count(number)} entries would be deleted"
        return None

    def _refused(self, name: str, why: str) -> Refused:
        return Refused(f'tain: refused by guard "{name}": {why}\nallow it: --allow={name}')

    def _is_root(self, job: Locations) -> bool:
        destination = job.destination or b""
        if job.host is not None:
            # An empty path is the home directory at the other end.
            return job.am_sender and not job.daemon and destination.rstrip(b"/") in (b"", b"~")
        path = os.path.realpath(os.path.join(self._env.cwd, destination))
        home = self._env.get(b"HOME")
        return not destination or path == b"/" or (bool(home) and path == os.path.realpath(home))

    def _same(self, source: bytes, destination: bytes) -> bool:
        cwd = self._env.cwd
        if not source.endswith(b"/"):
            destination = os.path.join(destination, os.path.basename(source))
        try:
            return os.path.samefile(os.path.join(cwd, source), os.path.join(cwd, destination))
        except OSError:
            return False

"""From a run that asks for several streams to its streams, or to the reason why it stays one."""

from __future__ import annotations

import os
import stat
import tempfile

from tain.cluster import exact, survey, weights
from tain.cluster.joined import Joined
from tain.cluster.limits import Limits
from tain.cluster.lines import Sheaf
from tain.cluster.region import Region, cut_all
from tain.cluster.streams import Streams
from tain.errors import TainError, UsageError
from tain.session.client.rehearsal import ask_once
from tain.session.client.run import Run
from tain.session.environment import charset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from tain import _core
    from tain.cluster.part import Part
    from tain.cluster.survey import Survey
    from tain.session.client.request import Request


#: Reasons that are told with ``-v`` only: a run that is small, and one that reports itself why it fails.
_SMALL, _UNLISTED = "too little to divide", "the sources cannot be listed"


class _OneStreamError(Exception):
    """The run stays one stream; the text says why."""


class DividedRun(Run):
    """A run whose streams are runs of their own."""

    def __init__(
        self, request: Request, parts: Sequence[Region], limits: Limits, start: Callable[[Request], int]
    ) -> None:
        super().__init__(request)
        self._parts, self._limits, self._start = parts, limits, start

    def run(self) -> int:
        options, out = self.options, self.out
        out.charset = charset(self.env.environ)
        ordered = is_ordered(self.request)
        sheaf = Sheaf(os.fsencode(tempfile.gettempdir())) if ordered else None
        joined = Joined("sender" if self.job.am_sender else "Receiver", sheaf)
        work = Streams(self.request, joined, self._parts, self._start, self._limits, keyed=ordered)
        try:
            joined.work(work.run)
            # Both have what the end of a run asks of them.
            agreed: Any = _Agreed(work)
            transfer: Any = joined
            code = self.finish(agreed, transfer)
            self.request.protocol = work.protocol
        finally:
            if sheaf is not None:
                sheaf.close()
        if options.verbose and not options.quiet:
            lost = f", {work.lost} retried" if work.lost else ""
            out.note(f"tain: {self._limits.streams} streams, {len(self._parts)} parts{lost}\n".encode())
        if work.lost:
            out.note(f"tain: figures of {work.lost} lost attempts are counted twice or missing\n".encode())
        return code


class _Agreed:
    """What both ends have agreed on: known when the first stream is connected."""

    def __init__(self, work: Streams) -> None:
        self._work = work

    @property
    def protocol(self) -> int:
        return self._work.protocol


def divided(request: Request, run: Run, start: Callable[[Request], int]) -> Run:
    """The run of *request* in as many streams as its options ask for; *run*, as it is, if it stays one stream.

    *start* runs a request as its arguments mean. Errors: `UsageError` for what cannot be done in several streams.
    """
    options, job = request.options, request.job
    if options.jobs < 2:
        return run
    exact.refuse(options)
    if job.destination is None:
        raise UsageError("rsync: --jobs cannot be used with --list-only: leave one of them out")
    limits = Limits(options.jobs, remote=job.host is not None, daemon=job.daemon, words=options.jobs_limit)
    parts, reason = cut(request, start, limits.streams)
    if reason is None:
        return DividedRun(request, parts, limits, start)
    if options.jobs_strict:
        raise UsageError(f"rsync: --jobs: one stream: {reason}")
    if not options.quiet and (options.verbose or reason not in (_SMALL, _UNLISTED)):
        request.out.note(f"tain: one stream: {reason}\n".encode())
    return run


def cut(request: Request, start: Callable[[Request], int], streams: int) -> tuple[list[Region], str | None]:
    """The regions of *request* for so many streams; none, and the reason, if it stays one stream."""
    if (reason := exact.single(request)) is not None:
        return [], reason
    if request.job.daemon and request.options.password_file is None:
        ask_once(request)
    if streams < 2:
        return [], "one connection is allowed"
    try:
        parts = cut_all(Region(), weights.cuts(_survey(request, start), streams))
    except _OneStreamError as one:
        return [], str(one)
    return (parts, None) if len(parts) > 1 else ([], _SMALL)


def is_ordered(request: Request) -> bool:
    """Whether lines about entries wait until they can be shown in the order of the list."""
    options = request.options
    if not exact.shows_entries(options) or options.json or options.quiet:
        return False
    if options.jobs_order is not None:
        return options.jobs_order == "list"
    return request.env.stdout < 0 or not os.isatty(request.env.stdout)


def _survey(request: Request, start: Callable[[Request], int]) -> Survey:
    """What is in the sources. Errors: `_OneStreamError`."""
    job = request.job
    if job.host is not None and not job.am_sender:
        return _survey_of_peer(request, start)
    found, directories = [], 0
    for source in job.sources:
        name = survey.transfer_name(source)
        path = os.path.join(request.env.cwd, source)
        if name is None:
            raise _OneStreamError("a source is a parent directory")
        found.append((name, path))
        directories += os.path.isdir(path) and (not name or not os.path.islink(path))
    if not directories:
        raise _OneStreamError("the sources are single files")
    as_root = exact.as_root(request)
    target = None if job.host is not None else os.path.join(request.env.cwd, job.destination or b".")

    def is_closed(directory: bytes, status: os.stat_result) -> bool:
        modes = [status.st_mode]
        if target is not None:
            try:
                modes.append(os.stat(os.path.join(target, directory)).st_mode)
            except OSError:
                # It will be made with the mode of the source.
                modes.append(status.st_mode)
        return any(mode & stat.S_IRWXU != stat.S_IRWXU for mode in modes)

    return survey.of_sources(found, is_closed=None if as_root else is_closed)


def _survey_of_peer(request: Request, start: Callable[[Request], int]) -> Survey:
    """The survey of sources at another machine, by a list of their first levels. Errors: `_OneStreamError`."""
    from tain.cluster.part import Part

    names = [survey.transfer_name(source) for source in request.job.sources]
    entries: list[tuple[bytes, int, int]] = []

    class Listing:
        """Takes the list; what goes wrong is reported by the transfer itself."""

        def began(self, part: Part) -> None:
            request.env.transfer = part.transfer

        def take(self, _part: Part, batch: list[_core._Event]) -> None:
            entries.extend((event[1].name, event[1].mode, event[1].length) for event in batch if event[0] == "item")

        def say(self, _part: Part, _stream: int, _text: bytes) -> None:
            return

    options = request.options.copy()
    options.delete, options.list_only, options.out_format, options.verbose = "never", 2, None, 0
    options.stats = False
    deep = [b"-sr " + (b"/*" if name else b"") + b"/*" * survey.LEVELS + b"/*" for name in names]
    part = Part(Listing(), request, options, list(dict.fromkeys(deep)), events=["item", "entry"], fields={})
    part.request.job.destination = None
    try:
        start(part.request)
    except TainError as error:
        raise _OneStreamError(_UNLISTED) from error
    finally:
        request.env.transfer = None
    found = survey.of_listing(entries, as_root=exact.as_root(request))
    if not found.names:
        raise _OneStreamError(_UNLISTED)
    return found

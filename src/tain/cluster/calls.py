"""`sync` and `make_plan`: a transfer by a plan, for programs."""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import Executor

from tain.cluster.engines.futures import Futures
from tain.cluster.engines.local import Local
from tain.cluster.planned import Planned
from tain.errors import Interrupted, UsageError
from tain.keywords import Options
from tain.options.handlers import Finished
from tain.options.parse import parse
from tain.options.resolve import resolve
from tain.report.output import STDERR, STDOUT, Output
from tain.results import Result, statistics_of
from tain.session.client import Client
from tain.session.environment import Environment, decimal_point

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Unpack

    from tain.cluster.ceilings import Limits
    from tain.cluster.coordinator import Figures
    from tain.cluster.engines import Engine
    from tain.cluster.plan import Plan
    from tain.keyword_fields import OptionFields, Paths, StrOrBytesPath
    from tain.session.client.request import Request

#: Bytes of each stream that a result keeps.
_CAPTURE = 1 << 20
#: Shards for each processor, if nothing else is asked for.
_SHARDS_PER_STREAM = 4


class ClusterResult(Result):
    """How a transfer by a plan ended."""

    shards: int = 0
    """Runs of the plan, those around the shards included."""
    retried: int = 0
    """Runs that were begun again."""
    lost_workers: int = 0
    """Workers that were lost."""
    refused_workers: tuple[str, ...] = ()
    """Workers that got no more work, for example because their directories are others."""
    finished: bool = False
    """Nothing is left; otherwise the same call with the same *plan_dir* goes on."""


def sync(
    source: Paths,
    destination: StrOrBytesPath,
    *,
    engine: Engine | Executor | None = None,
    plan_dir: StrOrBytesPath | None = None,
    limits: Limits | None = None,
    shards: int | None = None,
    retries: int = 3,
    guard: bool = True,
    on_progress: Callable[[Figures], object] | None = None,
    options: Options | None = None,
    cwd: StrOrBytesPath | None = None,
    **keywords: Unpack[OptionFields],
) -> ClusterResult:
    """Make *destination* like *source* by a plan, or go on with the plan in *plan_dir*.

    *engine*: threads of this process, one for each processor, unless another one is given; an executor of
    `concurrent.futures` will do. *plan_dir* must be reached by all workers, and be outside of source and destination;
    without it the plan is temporary. *shards*: regions of a new plan. *retries*: most attempts of a run. *guard*:
    refuse deletions that look like a mistake, as `tain.Guard` does. *on_progress* gets the figures twice a second, in
    another thread.

    Errors: `UsageError` for options that conflict, and for a plan of another run. Failures are in the result.
    """
    words = _words(source, destination, options or Options(**keywords), guard=guard)
    if options is not None and keywords:
        raise UsageError("give either options or keywords, not both")
    streams = os.cpu_count() or 1

    def made(_request: Request) -> Engine:
        if engine is None:
            return Local(streams)
        return Futures(engine, streams) if isinstance(engine, Executor) else engine

    if plan_dir is not None:
        planned = _planned(words, plan_dir, made, shards, limits=limits, retries=retries)
        return _run(words, planned, cwd, on_progress)
    with tempfile.TemporaryDirectory(prefix="tain-plan-") as place:
        planned = _planned(words, place, made, shards, limits=limits, retries=retries)
        return _run(words, planned, cwd, on_progress)


def make_plan(
    source: Paths,
    destination: StrOrBytesPath,
    *,
    plan_dir: StrOrBytesPath,
    shards: int | None = None,
    guard: bool = True,
    options: Options | None = None,
    cwd: StrOrBytesPath | None = None,
    **keywords: Unpack[OptionFields],
) -> Plan:
    """Write a plan into *plan_dir*, and run nothing; the arguments are those of `sync`.

    Errors: a `tain.TainError`, also for what the command line would report.
    """
    words = _words(source, destination, options or Options(**keywords), guard=guard)
    planned = _planned(words, plan_dir, lambda _request: Local(1), shards, only_plan=True)
    result = _run(words, planned, cwd, None)
    result.check()
    if planned.plan is None:
        raise UsageError("no plan was made")
    return planned.plan


def _words(source: Paths, destination: StrOrBytesPath, options: Options, *, guard: bool) -> list[bytes]:
    single = isinstance(source, (str, bytes, os.PathLike))
    sources: Sequence[StrOrBytesPath] = [source] if single else source  # type: ignore[list-item, assignment]
    return [
        *([b"--guard"] if guard else []),
        *options.words(),
        b"--",
        *(os.fsencode(path) for path in (*sources, destination)),
    ]


def _planned(
    words: list[bytes],
    place: StrOrBytesPath,
    engine: Callable[[Request], Engine],
    shards: int | None,
    *,
    limits: Limits | None = None,
    retries: int = 3,
    only_plan: bool = False,
) -> Planned:
    return Planned(
        os.fsencode(place),
        engine,
        words=words,
        streams=shards or _SHARDS_PER_STREAM * (os.cpu_count() or 1),
        limits=limits,
        retries=retries,
        only_plan=only_plan,
    )


def _run(
    words: list[bytes],
    planned: Planned,
    cwd: StrOrBytesPath | None,
    on_progress: Callable[[Figures], object] | None,
) -> ClusterResult:
    began = time.monotonic()
    directory = None if cwd is None else os.path.abspath(os.fsencode(cwd))
    env = Environment(argv=[b"tain", *words], cwd=directory, stdin=-1, stdout=-1, stderr=-1)
    try:
        raw = parse(words)
        options = resolve(raw, environ=env.environ, program="tain", point=decimal_point(env.environ))
    except Finished as finished:
        raise UsageError("this option prints a text and runs no transfer") from finished
    planned.on_progress = on_progress
    out = _Collected()
    client = Client(options, env, out=out)
    client.divide = planned.divide
    try:
        code = client.run()
    except BaseException:
        if planned.coordinator is not None:
            planned.coordinator.cancel(Interrupted.code)
        raise
    outcome = planned.outcome
    return ClusterResult(
        code=code,
        statistics=None if client.summary is None else statistics_of(client.summary),
        output=bytes(out.texts[STDOUT]),
        errors=bytes(out.texts[STDERR]),
        output_truncated=out.truncated,
        seconds=time.monotonic() - began,
        direction=client.direction,
        hints=client.hints,
        shards=0 if outcome is None else outcome.shards,
        retried=0 if outcome is None else outcome.retried,
        lost_workers=0 if outcome is None else outcome.lost_workers,
        refused_workers=() if outcome is None else outcome.refused_workers,
        finished=outcome is not None and outcome.is_finished,
    )


class _Collected(Output):
    """Output that is kept in memory."""

    def __init__(self) -> None:
        super().__init__(-1, -1)
        self.texts = {STDOUT: bytearray(), STDERR: bytearray()}
        self.truncated = False
        self.errors_seen = bytearray()

    def _write(self, stream: int, data: bytes) -> None:
        kept = self.texts[STDERR if stream == STDERR or self.all_to_stderr else STDOUT]
        kept += data
        if len(kept) > _CAPTURE:
            del kept[: len(kept) - _CAPTURE]
            self.truncated = True

"""``tain cluster sync``, ``plan``, ``resume`` and ``verify``."""

from __future__ import annotations

import os
import signal
import sys

from tain.cluster.files import PlanFiles
from tain.cluster.journal import Journal
from tain.cluster.plan import Plan
from tain.cluster.planned import Planned
from tain.cluster.words import Given, encoded, reported
from tain.errors import TainError, UsageError, for_code
from tain.options.parse import parse
from tain.options.resolve import Finished, resolve
from tain.session.client import Client
from tain.session.environment import Environment, decimal_point

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from tain.cluster.engines import Engine
    from tain.session.client.request import Request

#: Shards for each stream: some are larger than they looked.
_SHARDS_PER_STREAM = 4
#: Options that name another engine than threads of this process, and the module and function that make it. The
#: function takes the words and the request.
ENGINES: dict[str, tuple[str, str]] = {
    "--scheduler": ("tain.cluster.connecting", "from_scheduler"),
    "--scheduler-file": ("tain.cluster.connecting", "from_scheduler"),
    "--slurm": ("tain.cluster.connecting", "from_batch_system"),
    "--pbs": ("tain.cluster.connecting", "from_batch_system"),
}
#: The part of the files that ``verify`` compares by default: all.
_ALL = "100%"


def sync(words: list[str]) -> int:
    """Plan, run and report; with a plan that is there, go on."""
    return reported(lambda: _pairs_or_one(words, only_plan=False))


def plan(words: list[str]) -> int:
    """Write a plan and stop."""
    return reported(lambda: _pairs_or_one(words, only_plan=True))


def resume(words: list[str]) -> int:
    """Go on with a plan."""

    def command() -> int:
        given = Given(words, strict=True)
        place = given.one_directory()
        with _files(place) as files:
            found = Plan.read(files)
            with Journal(files) as journal:
                ended = journal.state.ended if journal.state.is_finished else None
        if ended is not None:
            print(f"tain: {place}: the plan is finished with code {ended}", file=sys.stderr)
            return ended
        return run_plan(given, place, list(found.argv), cwd=found.cwd, resumes=True)

    return reported(command)


def verify(words: list[str]) -> int:
    """Run the command of a plan as a dry run that compares contents; any difference is exit code 23."""

    def command() -> int:
        given = Given(words, valued=("--sample",), flags=(), strict=True)
        place = given.one_directory()
        share = given.values.get("--sample", _ALL)
        number = share.removesuffix("%")
        if not number.replace(".", "", 1).isdecimal() or not 0 < float(number) <= 100:
            raise UsageError(f"tain cluster: --sample={share}: a share from above 0% to 100% is expected")
        with _files(place) as files:
            found = Plan.read(files)
        from tain.cluster.verify import compare

        return compare(found, float(number) / 100)

    return reported(command)


def _pairs_or_one(words: list[str], *, only_plan: bool) -> int:
    given = Given(words)
    place = given.values.get("--plan-dir")
    if place is None:
        raise UsageError("tain cluster: --plan-dir=DIR is needed: a directory that all workers reach")
    if "--pairs" not in given.values:
        return run_plan(given, place, encoded(given.rest), cwd=os.fsencode(os.getcwd()), only_plan=only_plan)
    from tain.cluster.pairs import read_pairs

    codes = []
    for label, source, target in read_pairs(given.values["--pairs"]):
        inner = os.path.join(place, "pairs", label)
        own = encoded([*given.rest, "--", source, target])
        codes.append(run_plan(given, inner, own, cwd=os.fsencode(os.getcwd()), only_plan=only_plan))
    from tain.cluster.sums import exit_code

    return exit_code(codes)


def run_plan(
    given: Given, place: str, words: list[bytes], *, cwd: bytes, resumes: bool = False, only_plan: bool = False
) -> int:
    """Run the command *words* by the plan in *place*; returns the exit code. Errors: `TainError`."""
    streams = given.number("--local", os.cpu_count() or 1, 4096)
    env = Environment(argv=[b"tain", *words], cwd=cwd)
    env.own_process = True
    try:
        options = resolve(
            parse(words, None, posix=False), environ=env.environ, program="tain",
            point=decimal_point(env.environ), knows_parameter=lambda _name: False,
        )  # fmt: skip
    except Finished as finished:
        raise UsageError("tain cluster: this option prints a text and runs no transfer") from finished
    if options.server or options.daemon or options.jobs:
        raise UsageError("tain cluster: --server, --daemon and --jobs are for other commands")
    planned = Planned(
        os.fsencode(place), engine_maker(given, streams), words=words, resumes=resumes, only_plan=only_plan,
        streams=given.number("--shards", streams * _SHARDS_PER_STREAM), limits=given.read_limits(),
        retries=given.number("--retries", 3, 100), shows_lines=False,
    )  # fmt: skip
    _cancel_on_signals(planned, env)
    client = Client(options, env)
    client.divide = planned.divide
    return client.run()


def engine_maker(given: Given, streams: int) -> Callable[[Request], Engine]:
    """What makes the engine that the words ask for."""
    for option, (module, function) in ENGINES.items():
        if option in given.values:
            import importlib

            found: Callable[[Given], Callable[[Request], Engine]] = getattr(importlib.import_module(module), function)
            return found(given)

    def local(_request: Request) -> Engine:
        from tain.cluster.engines.local import Local

        return Local(streams)

    return local


def _cancel_on_signals(planned: Planned, env: Environment) -> None:
    def handle(_number: int, _frame: FrameType | None) -> None:
        if planned.coordinator is None or planned.coordinator.is_cancelled:
            raise for_code(20)
        planned.coordinator.cancel()
        if env.transfer is not None:
            env.transfer.cancel(20)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handle)


def _files(place: str) -> PlanFiles:
    try:
        return PlanFiles(os.fsencode(os.path.abspath(place)))
    except OSError as error:
        raise UsageError(f"tain: {place}: {error.strerror or error}") from error


def main(words: Sequence[str]) -> int:
    """Run ``tain cluster`` with these words; returns the exit code."""
    from tain.cluster.subcommands import COMMANDS, function

    if not words or words[0] in ("-h", "--help", "help"):
        print("tain cluster COMMAND ...\n")
        for name, (_, _, text) in COMMANDS.items():
            print(f"  {name:8} {text}")
        return 0 if words else 1
    if words[0] not in COMMANDS:
        print(f"tain cluster: {words[0]} is no command: one of {', '.join(COMMANDS)} is expected", file=sys.stderr)
        return 1
    try:
        return function(words[0])(list(words[1:]))
    except KeyboardInterrupt:
        return 20
    except TainError as error:
        print(error, file=sys.stderr)
        return error.code


def entry() -> None:
    """The console script ``tain-cluster``. Ends the process."""
    sys.exit(main(sys.argv[1:]))

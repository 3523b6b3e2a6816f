"""`Transfer`, and `sync` and `sync_async`, which are one transfer in one call."""

from __future__ import annotations

import os

from tain.api.calls import Calls
from tain.api.collect import Collected, Delivery, Surroundings
from tain.errors import Interrupted, UsageError
from tain.keywords import Options
from tain.options.guard import DEFAULT_GUARD
from tain.report.output import STDERR, STDOUT
from tain.results import Result, item_of, statistics_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
    from logging import Logger
    from types import TracebackType
    from typing import Any, Literal, ParamSpec, Self, TypeVar, Unpack

    from tain import _core
    from tain.api.entry import Entry
    from tain.api.iterate import Worker
    from tain.events import Event, Progress
    from tain.keyword_fields import OptionFields, Paths, Size, StrOrBytesPath
    from tain.options.guard import Guard
    from tain.options.resolved import ResolvedOptions
    from tain.plans import Plan
    from tain.results import Item
    from tain.session.client import Client
    from tain.transports import Transport

    _P = ParamSpec("_P")
    _R = TypeVar("_R")

#: Bytes of each stream that a result keeps by default.
_CAPTURE = 1 << 20
#: What `events` may be, each with the kinds before it.
_LEVELS = {"none": 0, "progress": 1, "items": 2, "all": 3}


class Transfer:
    """One transfer. It runs once, and can be cancelled.

    *source* and *destination* have the forms of the command line: paths, ``host:path``, ``host::module/path`` or
    ``rsync://host/module/path``; several sources are a sequence. Without *destination* the source is listed.

    Unlike the command: ``archive=True`` is the default; guards are on (`Guard`); nothing is printed; hints are in
    `Result.hints`. Errors: `UsageError` for options that conflict. Failures of files, hosts and connections are in the
    `Result`.
    """

    result: Result | None
    """The result, once the transfer has ended; None before."""
    _env: Surroundings
    _calls: Calls
    _options: ResolvedOptions
    _output: Collected
    _delivery: Delivery
    _guard: Guard | None
    _confirm: Callable[[Plan], bool] | None
    _watch_room: bool
    _items: list[Item] | None
    _on_items: Callable[[Sequence[Item]], None] | None
    _running: Client | None
    _chosen: str
    _started: bool
    _worker: Worker | None
    _select: Callable[[list[_core._Candidate]], list[bool]] | None
    _changes_to: bytes | None

    def __init__(
        self,
        source: Paths,
        destination: StrOrBytesPath | None = None,
        *,
        options: Options | None = None,
        preset: Options | None = None,
        items: bool = False,
        on_output: Callable[[int, bytes], object] | None = None,
        on_items: Callable[[Sequence[Item]], object] | None = None,
        on_event: Callable[[Event], object] | None = None,
        on_progress: Callable[[Progress], object] | None = None,
        events: Literal["none", "progress", "items", "all"] = "none",
        transport: Transport | None = None,
        password: str | bytes | Callable[[str], str] | None = None,
        guard: Guard | None = DEFAULT_GUARD,
        preflight: bool | Literal["watch"] = "watch",
        confirm: Callable[[Plan], bool] | None = None,
        capture: int = _CAPTURE,
        logger: Logger | None = None,
        select: Callable[[Entry], bool] | None = None,
        changes_to: StrOrBytesPath | None = None,
        environ: Mapping[str, str] | None = None,
        cwd: StrOrBytesPath | None = None,
        **keywords: Unpack[OptionFields],
    ) -> None:
        """*options*: all options as one value, or *preset*: a value that the keywords change.

        *items*: collect an `Item` for each change (about 5 microseconds each). *on_output* receives 1 or 2 (the stream)
        and complete lines as they come, *on_items* the changes. *on_event* receives the values of `tain.events`, of
        which *events* chooses: ``progress`` no value per file, ``items`` one per changed file, ``all`` one per line of
        output too. *on_progress* receives a `tain.events.Progress` four times a second, and costs nothing per file. All
        are called in the thread of `run`; an exception in one of them stops the transfer, and `run` raises it. A
        coroutine function is awaited in the event loop of `run_async` or ``async for``, and the transfer waits for it.

        *confirm* receives the `Plan` of the whole transfer before anything is changed: False ends it with code 25.
        *preflight* True: the transfer begins only if the destination has room for all of it, and ends with code 11
        otherwise. ``"watch"``: it ends with code 11 as soon as the files that are known to come do not fit. Both work
        where this process receives. *confirm* and True need the whole list first (about 100 bytes per entry), and read
        the files twice with `checksum`; for a push *confirm* costs a dry run.

        *transport* connects to the other end of ``host:path`` in place of a remote shell. *password* is for a daemon,
        or a function that receives the name of the user; it is not in the environment of any process. *capture*: how
        many of the last bytes of output, and of errors, the result keeps. *logger* receives the messages. *environ* and
        *cwd* replace those of the process.

        *select* receives the `Entry` of each name of the sources that no rule excludes, in the thread of `run`, and
        says whether it takes part; without a directory, nothing below takes part. It costs some 3 microseconds for each
        name. The sources must be on this side: for a pull there is ``exclude=``.

        *changes_to* names a file that receives the directories in which the transfer changes an entry, and those that
        it changes themselves: each once, with a NUL, relative to the destination, ``.`` for the destination itself. It
        takes 16 bytes of memory for each.
        """
        if events not in _LEVELS:
            raise UsageError(f"events: one of {', '.join(_LEVELS)} is expected, not {events!r}")
        if preflight not in (True, False, "watch"):
            raise UsageError(f"preflight: True, False or 'watch' is expected, not {preflight!r}")
        if options is not None and (keywords or preset is not None):
            raise UsageError("give either options or keywords, not both; a preset takes keywords")
        if options is None:
            options = Options(**keywords) if preset is None else preset.replace(**keywords)
        places = paths_of(source)
        if destination is not None:
            places.append(os.fsencode(destination))
        if b"" in places:
            raise UsageError("an empty path names nothing: write '.' for the current directory")
        # There is no screen: nothing is drawn, nobody is asked for a password.
        self._set_up([*options.words(), b"--", *places], environ, cwd, stdout=-1, stderr=-1)
        self._options.bar = False
        self._env.password = password_function(password)
        if transport is not None:
            from tain.transports import Starter

            self._env.transport = Starter(transport)
        self._guard = guard
        self._options.preflight = self._options.preflight or preflight is True
        self._watch_room = preflight == "watch"
        self._confirm = confirm
        self._items = [] if items else None
        calls = self._calls
        self._on_items = calls.wrap(on_items)
        self._chosen = events
        level = 0 if on_event is None else _LEVELS["all" if events == "none" else events]
        self._delivery = Delivery(level, calls.wrap(on_event), logger, calls.wrap(on_progress))
        self._output = Collected(calls.wrap(on_output), capture)
        self._select = None if select is None else self._selection(select)
        self._changes_to = None if changes_to is None else os.path.join(self._env.cwd, os.fsencode(changes_to))

    @classmethod
    def _of_words(
        cls,
        words: list[bytes],
        *,
        environ: Mapping[str, str] | None,
        cwd: StrOrBytesPath | None,
        capture: bool,
    ) -> Transfer:
        """The transfer of the *words* of a command line; see `tain.run`. Errors: `UsageError`."""
        transfer = cls.__new__(cls)
        stdout, stderr = (-1, -1) if capture else (1, 2)
        transfer._set_up(words, environ, cwd, stdout=stdout, stderr=stderr)
        transfer._delivery = Delivery(0, None, None)
        transfer._output = Collected(None, _CAPTURE if capture else 0, out_fd=stdout, err_fd=stderr)
        return transfer

    def _set_up(
        self,
        words: list[bytes],
        environ: Mapping[str, str] | None,
        cwd: StrOrBytesPath | None,
        *,
        stdout: int,
        stderr: int,
    ) -> None:
        """Understand the words, and set everything that a transfer has by default."""
        from tain.options.handlers import Finished
        from tain.options.parse import parse
        from tain.options.resolve import resolve
        from tain.session.environment import decimal_point

        variables = os.environb if environ is None else {os.fsencode(k): os.fsencode(v) for k, v in environ.items()}
        self._env = Surroundings(
            argv=[b"tain", *words],
            environ=variables,
            cwd=None if cwd is None else os.path.abspath(os.fsencode(cwd)),
            stdout=stdout,
            stderr=stderr,
        )
        raw = parse(words)
        if raw.server or raw.daemon is not None:
            raise UsageError("servers and daemons are started by the command")
        try:
            self._options = resolve(raw, environ=variables, program="tain", point=decimal_point(variables))
        except Finished as finished:
            raise UsageError("this option prints a text and runs no transfer") from finished
        self._calls = Calls()
        self._guard = None
        self._confirm = None
        self._watch_room = False
        self._items = None
        self._on_items = None
        self._running = None
        self._select = None
        self._changes_to = None
        self._chosen = "none"
        self._started = False
        self._worker = None
        self.result = None

    # ---- running

    def run(self) -> Result:
        """Run to the end. A `KeyboardInterrupt` stops the transfer first.

        Errors: `UsageError` the second time; whatever a callback raises.
        """
        if self._started:
            raise UsageError("a transfer runs once")
        self._started = True
        return self._run()

    async def run_async(self) -> Result:
        """`run` in a thread. Cancelling the task cancels the transfer and waits for its end."""
        import asyncio

        self._calls.loop = asyncio.get_running_loop()
        running = asyncio.ensure_future(asyncio.to_thread(self.run))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self.cancel()
            await asyncio.wait([running])
            raise

    def cancel(self) -> None:
        """Stop within 100 ms, or 100 ms after a later start; the exit code is then 20. Any thread may call this."""
        if self._env.pid == os.getpid():
            # In a fork of the program, the transfer belongs to the parent.
            self._env.cancel()

    def set_bwlimit(self, value: Size | None) -> None:
        """Change the bandwidth limit, also while the transfer runs; None: no limit. Any thread may call this.

        *value* is that of the option `bwlimit`: KiB per second, or a text with a unit. A pull is limited by reading
        more slowly, so a limit that it was started with, which the sender has, is not raised by this. Small files of a
        local copy that workers have in hand are not limited. Errors: `UsageError`.
        """
        from tain.options.sizes import parse_size
        from tain.session.environment import decimal_point

        size = 0
        if value is not None:
            word = value if isinstance(value, bytes) else str(value).encode()
            size = parse_size(word, "bwlimit", default=b"K", low=512, zero=True, point=decimal_point(self._env.environ))
        self._env.set_bwlimit(size)

    @property
    def progress(self) -> Progress | None:
        """How far the transfer is now; None before it has begun. Any thread may ask."""
        gauge = None if self._running is None else self._running.gauge
        if gauge is None:
            return None
        return gauge.read(self._env.transfer, ended=self.result is not None and self.result.complete)

    # ---- iterating

    def __iter__(self) -> Iterator[Event]:
        """Run, and give the events as they happen; `events` is ``all`` unless it was given.

        The transfer waits while the program is slow. Leaving the loop early cancels it. Then `result` is set.
        Errors: `UsageError` the second time, or after `run`.
        """
        return self._work().events()

    def __aiter__(self) -> AsyncIterator[Event]:
        """`__iter__` for asyncio: the loop continues meanwhile."""
        import asyncio

        self._calls.loop = asyncio.get_running_loop()
        return self._work().events_async()

    def _work(self) -> Worker:
        from tain.api.iterate import Worker

        if self._started:
            raise UsageError("a transfer runs once")
        self._started = True
        level = _LEVELS["all" if self._chosen == "none" else self._chosen]

        def run(put: Callable[[Event], None]) -> None:
            self._delivery.listen(level, put)
            self._run()

        self._worker = Worker(run, self.cancel)
        return self._worker

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel what still runs, and wait for it."""
        if self.result is None:
            self.cancel()
        if self._worker is not None:
            self._worker.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel what still runs, and wait for it."""
        import asyncio

        if self.result is None:
            self.cancel()
        if self._worker is not None:
            await asyncio.to_thread(self._worker.stop)

    # ---- internals

    def _selection(self, select: Callable[[Entry], bool]) -> Callable[[list[_core._Candidate]], list[bool]]:
        """Errors: `UsageError`: the sources are elsewhere."""
        from tain.api.entry import chooser
        from tain.options.hostspec import parse_host

        options = self._options
        if options.read_batch is not None or (options.args and parse_host(options.args[0]) is not None):
            raise UsageError("select chooses among sources on this side; exclude= takes rules for the other side")
        return chooser(select)

    def _run(self) -> Result:
        import time

        out = self._output
        began = time.monotonic()
        lists = len(self._options.args) < 2 and self._options.read_batch is None
        client = self._client()
        self._running = client

        def finish(code: int) -> Result:
            return Result(
                code=code,
                statistics=None if client.summary is None else statistics_of(client.summary),
                output=bytes(out.texts[STDOUT]),
                errors=bytes(out.texts[STDERR]),
                output_truncated=out.truncated,
                items=None if self._items is None else tuple(self._items),
                problems=client.problems,
                hints=client.hints,
                seconds=time.monotonic() - began,
                direction="list" if lists else client.direction,
                peer=None if client.job.host is None else os.fsdecode(client.job.host),
            )

        try:
            code = client.run()
        except BaseException:
            # A callback, or Ctrl-C. The core has stopped, or was not started.
            self.cancel()
            self.result = finish(Interrupted.code)
            raise
        self.result = finish(code)
        return self.result

    def _client(self) -> Client:
        """The run, which is that of the command line."""
        from tain.session.client import Client

        wants = self._items is not None or self._on_items is not None
        client = Client(
            self._options,
            self._env,
            out=self._output,
            events=("item",) if wants else (),
            on_events=self._take,
            guard=self._guard,
            listeners=(self._delivery,),
        )
        if self._options.jobs > 1 or self._options.jobs_dir is not None:
            from tain.cluster.jobs import divided

            client.divide = divided
        client.hold(self._confirm, watch_room=self._watch_room)
        if self._select is not None:
            client.select(self._select)
        if self._changes_to is not None:
            client.write_changes(self._changes_to)
        return client

    def _take(self, events: list[_core._Event]) -> None:
        if self._items is None and self._on_items is None:
            return
        items = [item_of(event[1]) for event in events if event[0] == "item"]
        if self._items is not None:
            self._items += items
        if self._on_items is not None:
            self._on_items(items)


def paths_of(source: Paths) -> list[bytes]:
    """The paths of a source, which is one path or a sequence of paths."""
    if isinstance(source, (str, bytes, os.PathLike)):
        return [os.fsencode(source)]
    return [os.fsencode(path) for path in source]


def password_function(password: str | bytes | Callable[[str], str] | None) -> Callable[[bytes], bytes] | None:
    """The function that the session asks for the password of a user."""
    if password is None:
        return None
    if isinstance(password, (str, bytes)):
        known = os.fsencode(password)
        return lambda _user: known
    ask = password
    return lambda user: os.fsencode(ask(os.fsdecode(user)))


def _takes_arguments_of(transfer: Callable[_P, object]) -> Callable[[Callable[..., _R]], Callable[_P, _R]]:
    """Give a function the parameters of *transfer*, for type checkers and for ``inspect.signature``."""

    def decorate(function: Callable[..., _R]) -> Callable[_P, _R]:
        vars(function)["__wrapped__"] = transfer
        return function

    return decorate


@_takes_arguments_of(Transfer)
def sync(*arguments: Any, **keywords: Any) -> Result:
    """Make *destination* like *source*: `Transfer` and its `Transfer.run` in one call.

    Keywords are those of `Transfer` and of `Options`; ``archive=True`` is the default.
    """
    return Transfer(*arguments, **keywords).run()


@_takes_arguments_of(Transfer)
async def sync_async(*arguments: Any, **keywords: Any) -> Result:
    """`sync` for asyncio: the event loop continues meanwhile."""
    return await Transfer(*arguments, **keywords).run_async()

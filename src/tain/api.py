"""Transfers and the delta algorithm for Python programs, on the same session objects as the command line."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, ParamSpec, TypeVar, Unpack

from tain.errors import Interrupted, TainError, UsageError, exit_text, for_code
from tain.keywords import OptionFields, Options, Paths, StrOrBytesPath
from tain.report.output import STDERR, STDOUT, Output
from tain.session.environment import Environment

if TYPE_CHECKING:
    from tain import _core
    from tain.session.environment import Cancellable

#: Data, an open file, or the name of a file. Bytes are always data, never a name.
Source = bytes | bytearray | memoryview | BinaryIO | str | os.PathLike[str] | os.PathLike[bytes]


@dataclass(frozen=True, slots=True)
class Item:
    """One change to one file, or one entry of a listing."""

    #: ``send``, ``recv``, ``del.``, or ``list`` for an entry that is only listed.
    operation: str
    #: The 11 characters of ``--itemize-changes``: what changed. Empty for an entry that is only listed.
    itemized: str
    #: Relative to the transfer; directories end with a slash only in rsync's own output, not here.
    name: bytes
    #: Bytes.
    length: int
    #: Seconds since 1970.
    mtime: int
    mode: int
    #: Where a symbolic link points, or the name that a hard link shares its data with.
    target: bytes | None


@dataclass(frozen=True, slots=True)
class Statistics:
    """The figures of ``--stats``. Sizes are bytes; counts of files are by ``reg dir link dev special``."""

    files: Mapping[str, int]
    created: Mapping[str, int]
    deleted: Mapping[str, int]
    #: Regular files whose data was transferred.
    transferred: int
    total_size: int
    transferred_size: int
    #: Bytes of file data that were sent, and bytes that the destination had already.
    literal: int
    matched: int
    flist_size: int
    sent: int
    received: int
    seconds: float

    @property
    def speedup(self) -> float:
        """The size of the files divided by the traffic; 0.0 without traffic."""
        moved = self.sent + self.received
        return self.total_size / moved if moved else 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """How a transfer ended."""

    #: rsync's exit code; 0 is a complete transfer.
    code: int
    #: None when the run ended before any transfer began.
    statistics: Statistics | None
    #: The output of the same command line: standard output and standard error.
    output: bytes
    errors: bytes
    #: Every change, when `items` was asked for, else None.
    items: Sequence[Item] | None

    @property
    def ok(self) -> bool:
        return self.code == 0

    @property
    def messages(self) -> list[str]:
        """The lines of `errors`; ``os.fsencode`` restores bytes that are no text."""
        return self.errors.decode("utf-8", "surrogateescape").splitlines()

    def check(self) -> Result:
        """This result if the transfer was complete. Errors: the `TainError` for the exit code, with `messages`."""
        if self.code:
            raise for_code(self.code, "\n".join(self.messages) or exit_text(self.code))
        return self


class Transfer:
    """One transfer. It runs once, and can be cancelled.

    *source* and *destination* have the forms of the command line: paths, ``host:path``, ``host::module/path`` or
    ``rsync://host/module/path``; several sources are a sequence. Without *destination* the source is listed.
    Errors: `UsageError` for options that conflict. Failures of files, hosts and connections are in the `Result`.
    """

    def __init__(
        self,
        source: Paths,
        destination: StrOrBytesPath | None = None,
        *,
        options: Options | None = None,
        items: bool = False,
        on_output: Callable[[int, bytes], None] | None = None,
        on_items: Callable[[Sequence[Item]], None] | None = None,
        environ: Mapping[str, str] | None = None,
        cwd: StrOrBytesPath | None = None,
        **keywords: Unpack[OptionFields],
    ) -> None:
        """*items*: collect an `Item` for each change. *on_output* receives 1 or 2 (the stream) and complete lines as
        they come, *on_items* the changes; both are called in the thread that runs the transfer. *environ* and *cwd*
        replace those of the process."""
        from tain.options.handlers import Finished
        from tain.options.parse import parse
        from tain.options.resolve import resolve
        from tain.session.environment import decimal_point

        if options is None:
            options = Options(**keywords)
        elif keywords:
            raise UsageError("give either options or keywords, not both")
        places = _paths(source)
        if destination is not None:
            places.append(os.fsencode(destination))
        variables = os.environb if environ is None else {os.fsencode(k): os.fsencode(v) for k, v in environ.items()}
        words = [*options.words(), b"--", *places]
        self._env = _Surroundings(
            argv=[b"tain", *words],
            environ=variables,
            cwd=None if cwd is None else os.path.abspath(os.fsencode(cwd)),
        )
        raw = parse(words)
        if raw.server or raw.daemon is not None:
            raise UsageError("servers and daemons are started by the command")
        if b"" in places:
            raise UsageError("an empty path names nothing: write '.' for the current directory")
        try:
            self._options = resolve(raw, environ=variables, program="tain", point=decimal_point(variables))
        except Finished as finished:
            raise UsageError("this option prints a text and runs no transfer") from finished
        self._output = _Collected(on_output)
        self._items: list[Item] | None = [] if items else None
        self._on_items = on_items
        self._started = False

    def run(self) -> Result:
        """Run to the end. A `KeyboardInterrupt` stops the transfer first. Errors: `UsageError` the second time."""
        from tain.report import output
        from tain.session.client import Client

        if self._started:
            raise UsageError("a transfer runs once")
        self._started = True
        out = self._output
        wanted = {"item"} if self._items is not None or self._on_items is not None else ()
        client: Client | None = None
        try:
            if self._env.cancelled:
                # A small transfer could be complete before the core sees the cancel.
                raise Interrupted("the transfer was cancelled before it began")
            client = Client(self._options, self._env, out=out, events=wanted, on_events=self._take)
            code = client.run()
        except TainError as error:
            out.error(output.failure_text(error, client.role if client is not None else "client"))
            code = error.code
        except BaseException:
            self.cancel()
            raise
        finally:
            if out.log is not None:
                out.log.close()
        figures = client.summary if client is not None else None
        return Result(
            code=code,
            statistics=None if figures is None else _statistics(figures),
            output=bytes(out.texts[STDOUT]),
            errors=bytes(out.texts[STDERR]),
            items=None if self._items is None else tuple(self._items),
        )

    async def run_async(self) -> Result:
        """`run` in a thread. Cancelling the task cancels the transfer and waits for its end."""
        import asyncio

        running = asyncio.ensure_future(asyncio.to_thread(self.run))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self.cancel()
            await asyncio.wait([running])
            raise

    def cancel(self) -> None:
        """Stop within 100 ms, or 100 ms after a later start; the exit code is then 20. Any thread may call this."""
        self._env.cancel()

    def _take(self, events: list[_core._Event]) -> None:
        items = [_item(event[1]) for event in events if event[0] == "item"]
        if self._items is not None:
            self._items += items
        if self._on_items is not None:
            self._on_items(items)


def _item(item: _core.Item) -> Item:
    return Item(
        operation=item.operation,
        itemized=item.itemized,
        name=item.name,
        length=item.length,
        mtime=item.mtime,
        mode=item.mode,
        target=item.target,
    )


_P = ParamSpec("_P")
_R = TypeVar("_R")


def _takes_arguments_of(transfer: Callable[_P, object]) -> Callable[[Callable[..., _R]], Callable[_P, _R]]:
    """Give a function the parameters of *transfer*, for type checkers and for ``inspect.signature``."""

    def decorate(function: Callable[..., _R]) -> Callable[_P, _R]:
        result = inspect.signature(function).return_annotation
        vars(function)["__signature__"] = inspect.signature(transfer).replace(return_annotation=result)
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


# ---------------------------------------------------------------------------------------------- the delta algorithm


def checksum(source: Source, kind: str = "xxh128") -> bytes:
    """The digest of data or of a file. *kind*: ``xxh128 xxh3 xxh64 md5 md4 sha1``.

    Errors: `UsageError`, `FileError`.
    """
    from tain import _core

    with _Input(source) as data:
        return _core.checksum(data, kind)


def signature(source: Source, *, block_size: int = 0, checksum: str = "xxh128") -> bytes:
    """Block sums of an old file, for `delta`. *block_size* is in bytes; 0: the size that rsync would choose.

    Errors: `UsageError`, `FileError`.
    """
    from tain import _core

    with _Input(source) as data:
        return _core.signature(data, block_size=block_size, checksum=checksum)


def delta(source: Source, signature: bytes) -> bytes:
    """The change that `patch` applies to the file of *signature* to get *source*.

    Errors: `ProtocolError`, `FileError`.
    """
    from tain import _core

    with _Input(source) as data:
        made = _core.delta(data, signature)
    assert made is not None
    return made


def patch(basis: Source, delta: Source) -> bytes:
    """The new file from the old one and a `delta`. Errors: `StreamError` when *basis* is not the file of the signature
    or the delta is damaged; `ProtocolError`, `FileError`."""
    from tain import _core

    with _Input(basis) as old, _Input(delta) as change:
        made = _core.patch(old, change)
    assert made is not None
    return made


def patch_file(basis: Source, delta: Source, target: StrOrBytesPath) -> None:
    """`patch` into a file of any size. *target*, which may be the basis, is replaced only after a complete patch.

    Errors: those of `patch`, and `OSError`.
    """
    import tempfile

    from tain import _core

    name = os.fsencode(target)
    fd, temporary = tempfile.mkstemp(prefix=b"." + os.path.basename(name) + b".", dir=os.path.dirname(name) or b".")
    try:
        try:
            with _Input(basis) as old, _Input(delta) as change:
                _core.patch(old, change, fd)
        finally:
            os.close(fd)
        try:
            mode = os.stat(name).st_mode & 0o7777
        except FileNotFoundError:
            from tain.system import umask

            mode = 0o666 & ~umask()
        os.chmod(temporary, mode)
        os.replace(temporary, name)
    except BaseException:
        os.unlink(temporary)
        raise


# ---------------------------------------------------------------------------------------------- internals


class _Collected(Output):
    """Output that is kept in memory, and passed to a listener if there is one."""

    def __init__(self, listener: Callable[[int, bytes], None] | None) -> None:
        super().__init__(-1, -1)
        self.texts = {STDOUT: bytearray(), STDERR: bytearray()}
        self._listener = listener

    def _write(self, stream: int, data: bytes) -> None:
        self.texts[stream] += data
        if self._listener is not None:
            self._listener(stream, data)


class _Surroundings(Environment):
    """An environment that remembers a cancel until there is a transfer to cancel."""

    __slots__ = ("_cancelled", "_transfer")

    @property
    def transfer(self) -> Cancellable | None:
        return self._transfer

    @transfer.setter
    def transfer(self, value: Cancellable | None) -> None:
        self._transfer = value
        if not hasattr(self, "_cancelled"):
            self._cancelled = False
        if value is not None and self._cancelled:
            value.cancel()

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    def cancel(self) -> None:
        self._cancelled = True
        transfer = self._transfer
        if transfer is not None:
            transfer.cancel()


class _Input:
    """A `Source` in the form for the core: bytes or a descriptor."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._fd = -1

    def __enter__(self) -> bytes | bytearray | int:
        source = self._source
        if isinstance(source, (bytes, bytearray)):
            return source
        if isinstance(source, memoryview):
            return bytes(source)
        if isinstance(source, (str, os.PathLike)):
            try:
                self._fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                from tain.errors import FileError

                raise FileError(f"{os.fsdecode(source)}: {error.strerror}") from error
            return self._fd
        return source.fileno()

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _paths(source: Paths) -> list[bytes]:
    if isinstance(source, (str, bytes, os.PathLike)):
        return [os.fsencode(source)]
    return [os.fsencode(path) for path in source]


def _statistics(summary: _core.Summary) -> Statistics:
    return Statistics(
        files=summary.files,
        created=summary.created,
        deleted=summary.deleted,
        transferred=summary.transferred,
        total_size=summary.total_size,
        transferred_size=summary.transferred_size,
        literal=summary.literal,
        matched=summary.matched,
        flist_size=summary.flist_size,
        sent=summary.sent,
        received=summary.received,
        seconds=summary.seconds,
    )

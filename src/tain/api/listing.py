"""`list`: the entries of a source, and `modules`: those of a daemon."""

from __future__ import annotations

import re

from tain.api.entry import Entry
from tain.api.transfer import Transfer
from tain.keywords import Options
from tain.records import Record
from tain.results import Item

TYPE_CHECKING = False
if TYPE_CHECKING:
    import builtins
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from typing import Unpack

    from tain.keyword_fields import OptionFields, Paths, StrOrBytesPath
    from tain.transports import Transport

#: A line of a daemon's list: a name of at least 15 characters with its blanks, a tab, a comment.
_MODULE = re.compile(rb"(?=.{15})([^\t]+?) *\t(.*)")
#: What a listing shows of an entry needs these.
_LIST = Options(archive=False, list_only=True, links=True, perms=True, times=True)


class Module(Record):
    """A module that a daemon lists."""

    name: str
    """As in ``rsync://host/NAME/``."""
    comment: str = ""
    """What the daemon's configuration says of it."""
    motd: str = ""
    """The message of the day of the daemon, the same for all of its modules."""


def _transfer(
    source: Paths,
    select: Callable[[Entry], bool] | None,
    transport: Transport | None,
    password: str | bytes | Callable[[str], str] | None,
    environ: Mapping[str, str] | None,
    cwd: StrOrBytesPath | None,
    options: Options,
) -> Transfer:
    return Transfer(
        source,
        options=options,
        events="items",
        select=select,
        transport=transport,
        password=password,
        environ=environ,
        cwd=cwd,
    )


def _entry(item: Item) -> Entry:
    return Entry(
        path=item.name,
        size=item.length,
        mtime=item.mtime,
        mode=item.mode,
        target=item.target,
        mtime_ns=item.mtime_ns,
        uid=item.uid,
        gid=item.gid,
    )


def list(
    source: Paths,
    *,
    select: Callable[[Entry], bool] | None = None,
    transport: Transport | None = None,
    password: str | bytes | Callable[[str], str] | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: StrOrBytesPath | None = None,
    **keywords: Unpack[OptionFields],
) -> Iterator[Entry]:
    """The entries of *source*, a path or a place on another machine, as they arrive.

    ``recursive=True``: with everything below. A directory is listed itself, and its entries if its path ends with a
    slash.
    *select* chooses among the entries of a source on this side, as in `Transfer`.
    The other keywords are those of `Transfer` and of `Options` (``exclude=``). Leaving the loop early ends the listing.
    Errors: `UsageError`; at the end the `TainError` of a listing that is not complete.
    """
    transfer = _transfer(source, select, transport, password, environ, cwd, _LIST.replace(**keywords))
    return _entries(transfer)


def _entries(transfer: Transfer) -> Iterator[Entry]:
    with transfer:
        for event in transfer:
            if isinstance(event, Item):
                yield _entry(event)
        assert transfer.result is not None
        transfer.result.check()


def list_async(
    source: Paths,
    *,
    select: Callable[[Entry], bool] | None = None,
    transport: Transport | None = None,
    password: str | bytes | Callable[[str], str] | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: StrOrBytesPath | None = None,
    **keywords: Unpack[OptionFields],
) -> AsyncIterator[Entry]:
    """`list` for asyncio: ``async for entry in list_async(source)``."""
    transfer = _transfer(source, select, transport, password, environ, cwd, _LIST.replace(**keywords))
    return _entries_async(transfer)


async def _entries_async(transfer: Transfer) -> AsyncIterator[Entry]:
    async with transfer:
        async for event in transfer:
            if isinstance(event, Item):
                yield _entry(event)
        assert transfer.result is not None
        transfer.result.check()


def modules(
    url: str | bytes,
    *,
    transport: Transport | None = None,
    environ: Mapping[str, str] | None = None,
    **keywords: Unpack[OptionFields],
) -> builtins.list[Module]:
    """The modules that a daemon lists: *url* is ``rsync://host:port/`` or ``host::``.

    Errors: `UsageError`; the `TainError` of a failed connection.
    """
    result = Transfer(url, options=Options(archive=False).replace(**keywords), transport=transport, environ=environ)
    lines = result.run().check().output.split(b"\n")[:-1]
    first = len(lines)
    while first and _MODULE.fullmatch(lines[first - 1]) is not None:
        first -= 1
    motd = b"\n".join(lines[:first]).decode("utf-8", "surrogateescape").strip("\n")
    found = []
    for line in lines[first:]:
        name, _, comment = line.decode("utf-8", "surrogateescape").partition("\t")
        found.append(Module(name=name.rstrip(" "), comment=comment, motd=motd))
    return found

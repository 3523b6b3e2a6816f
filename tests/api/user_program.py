"""A program of a user, for type checkers (API-3) and run by `test_types`: a mirror with a log, and a report of it."""

from __future__ import annotations

import asyncio
import errno
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import tain
from tain import events, transports

NIGHTLY = tain.MIRROR.replace(exclude=["*.tmp"], numeric_ids=True, bwlimit="100m")


class Counter:
    """Counts what a transfer reports."""

    def __init__(self) -> None:
        self.new = 0
        self.lines: list[str] = []
        self.fraction = 0.0

    def take(self, event: tain.events.Event) -> None:
        match event:
            case events.Item(change="new", where=where):
                self.new += 1
                self.lines.append(f"new {where.name}")
            case events.Deleted(name=name):
                self.lines.append(f"gone {name!r}")
            case events.Problem(errno=number, action=action, side=side):
                self.lines.append(f"{action} failed with {number} ({side})")
            case _:
                pass

    def progress(self, now: events.Progress) -> None:
        if now.fraction is not None and now.left is not None:
            self.fraction = max(self.fraction, now.fraction)


def largest(source: Path) -> Iterator[tuple[int, bytes]]:
    for entry in tain.list(f"{source}/", recursive=True):
        if not entry.is_dir():
            yield entry.size, entry.path


async def copies(source: Path, places: list[Path]) -> list[int]:
    results = await asyncio.gather(*(tain.sync_async(source, place, preset=tain.BACKUP) for place in places))
    async with tain.Transfer(source, places[0] / "again", events="items") as transfer:
        seen = [event async for event in transfer]
    assert isinstance(seen[0], events.Start)
    return [result.code for result in results]


def main(source: Path, target: Path) -> int:
    counter = Counter()
    result = tain.sync(
        f"{source}/", target, preset=NIGHTLY, events="items", on_event=counter.take, on_progress=counter.progress,
        guard=tain.Guard(percent=80), logger=logging.getLogger("nightly"),
    )  # fmt: skip
    try:
        result.check(allow={24}).check(allow=errno.EACCES)
    except tain.PartialTransfer as error:
        print(error, *(hint.fix for hint in error.hints), file=sys.stderr)
        return error.code
    if result.statistics is not None:
        print(result.statistics.transferred, "files", counter.new, "new", f"{result.statistics.speedup:.1f}")
    print(max(largest(source)), asyncio.run(copies(source, [target / "one", target / "two"])))
    again: tain.Result = tain.retry(tain.sync, times=2)(source, "far:copy/", transport=transports.command(["env"]))
    with tain.Daemon({"pub": {"path": target, "use chroot": False}}) as daemon:
        names: list[str] = [module.name for module in tain.modules(daemon.url())]
    print(again.ok, names, tain.Options.from_argv(["-a"]).words())
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))

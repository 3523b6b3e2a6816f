"""A run that is held until somebody has decided about all that it would do (``--preflight``, `confirm` of the API)."""

from __future__ import annotations

import os

from tain.errors import DeleteLimit, PeerExit
from tain.plans import Amount, Plan
from tain.report.output import STDERR, WHOLE_RUN, Output
from tain.session import room

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Protocol

    from tain import _core
    from tain.options.resolved import ResolvedOptions

    class Rehearsal(Protocol):
        """A second client, for a dry run."""

        @property
        def summary(self) -> _core.Summary | None: ...
        def run(self) -> int: ...


#: The text of a run that somebody decides against.
REFUSED = "tain: the plan was refused, and nothing was changed"


class Held:
    """Decides about one run when its whole plan is known."""

    def __init__(
        self,
        path: bytes,
        *,
        preflight: bool,
        confirm: Callable[[Plan], bool] | None,
        on_plan: Callable[[Plan], object] | None,
    ) -> None:
        """*path*: the destination, which has to have room if *preflight*. *on_plan* receives the plan before *confirm*
        decides."""
        self._path, self._preflight = path, preflight
        self._confirm, self._on_plan = confirm, on_plan
        #: The run was ended by the decision.
        self.refused = False

    def answer(self, transfer: _core.Run, events: list[_core._Event]) -> None:
        """Decide when the run asks."""
        for event in events:
            if event[0] == "planned":
                self._decide(transfer, event[1])

    def _decide(self, transfer: _core.Run, planned: _core.Planned) -> None:
        plan = _plan(planned, self._path)
        if self._on_plan is not None:
            self._on_plan(plan)
        if self._preflight and (short := room.shortage(self._path, planned)):
            self._refuse(transfer, room.CODE, short)
        elif self._confirm is not None and not self._confirm(plan):
            self._refuse(transfer, DeleteLimit.code, REFUSED)
        else:
            transfer.answer(True)

    def _refuse(self, transfer: _core.Run, code: int, text: str) -> None:
        self.refused = True
        transfer.refuse(code, text)


def _plan(planned: _core.Planned, path: bytes) -> Plan:
    free, inodes = room.free_room(path)

    def amount(pair: tuple[int, int]) -> Amount:
        return Amount(count=pair[0], bytes=pair[1])

    return Plan(
        new=amount(planned.new),
        update=amount(planned.update),
        attributes=amount(planned.attributes),
        delete=amount(planned.delete),
        keep=amount(planned.keep),
        need_bytes=planned.need_bytes,
        need_inodes=planned.need_inodes,
        free_bytes=free,
        free_inodes=inodes,
        directories={name: amount(pair) for name, pair in planned.directories.items()},
    )


class _Errors(Output):
    """Keeps what a dry run says of errors, in case it fails."""

    def __init__(self) -> None:
        super().__init__(-1, -1)
        self.text = bytearray()
        # So that the client passes on what a remote shell says.
        self.errors_seen = bytearray()

    def _write(self, stream: int, data: bytes) -> None:
        if stream == STDERR:
            self.text += data


def rehearsed(options: ResolvedOptions, rehearse: Callable[..., Rehearsal]) -> Plan:
    """The plan of a run whose decisions the other end makes: what it reports of a dry run.

    *rehearse* makes a client from options, and from an output, event kinds and a listener as keywords. Errors:
    `PeerExit` with what the dry run printed, if it fails.
    """
    count, out = _Count(), _Errors()
    options = options.copy()
    options.dry_run = True
    # Otherwise the other end says nothing of attributes.
    options.itemize_level = options.itemize_level or 1
    options.log_file = None
    options.hints = options.preflight = options.bar = options.summary = False
    client = rehearse(options, out=out, events=("item",), on_events=count.add)
    code = client.run()
    if code not in WHOLE_RUN or client.summary is None:
        raise PeerExit(out.text.decode("utf-8", "surrogateescape").rstrip("\n"), code)
    return count.plan(client.summary)


class _Count:
    """Counts the items of a dry run."""

    def __init__(self) -> None:
        self._amounts = {name: [0, 0] for name in ("new", "update", "attributes", "delete")}
        self._largest = self._inodes = 0
        self._directories: dict[bytes, int] = {}

    def add(self, events: Collection[_core._Event]) -> None:
        for event in events:
            if event[0] == "item":
                self._item(event[1])

    def _item(self, item: _core.Item) -> None:
        letters = item.itemized
        if item.operation == "del":
            self._count("delete", 0)
            directory = os.path.dirname(item.name.rstrip(b"/")) or b"."
            self._directories[directory] = self._directories.get(directory, 0) + 1
        elif letters[2:3] == "+":
            self._count("new", item.length if letters[:1] == "<" else 0)
            self._inodes += letters[:1] != "h"
        elif letters[:1] == "<" or letters[:1] in ("c", "h"):
            length = item.length if letters[:1] == "<" else 0
            self._count("update", length)
            self._largest = max(self._largest, length)
        else:
            self._count("attributes", item.length if letters[1:2] == "f" else 0)

    def _count(self, name: str, length: int) -> None:
        amount = self._amounts[name]
        amount[0] += 1
        amount[1] += length

    def plan(self, summary: _core.Summary) -> Plan:
        amounts = {name: Amount(count=number, bytes=length) for name, (number, length) in self._amounts.items()}
        changed = [amount for name, amount in amounts.items() if name != "delete"]
        return Plan(
            new=amounts["new"],
            update=amounts["update"],
            attributes=amounts["attributes"],
            delete=amounts["delete"],
            keep=Amount(
                count=max(sum(summary.files.values()) - sum(amount.count for amount in changed), 0),
                bytes=max(summary.total_size - sum(amount.bytes for amount in changed), 0),
            ),
            need_bytes=amounts["new"].bytes + self._largest,
            need_inodes=self._inodes + bool(self._largest),
            directories={name: Amount(count=number) for name, number in self._directories.items()},
        )

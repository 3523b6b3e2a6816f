"""A run that is held until somebody has decided about all that it would do (``--preflight``, `confirm` of the API)."""

from __future__ import annotations

import os

from tain.errors import DeleteLimit
from tain.plans import Amount, Plan
from tain.session import room

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tain import _core

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
    found = room.free_room(path)

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
        free_bytes=found.bytes,
        free_inodes=found.inodes,
        directories={name: amount(pair) for name, pair in planned.directories.items()},
    )


class Count:
    """Counts the items of a dry run, for the plan of a run whose decisions another process makes."""

    def __init__(self) -> None:
        self._amounts = {name: [0, 0] for name in ("new", "update", "attributes", "delete")}
        self._largest = self._inodes = 0
        self._directories: dict[bytes, int] = {}

    def add(self, events: Collection[_core._Event]) -> None:
        """Count the items among *events*."""
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
        elif letters[2:].strip():
            self._count("attributes", item.length if letters[1:2] == "f" else 0)

    def _count(self, name: str, length: int) -> None:
        amount = self._amounts[name]
        amount[0] += 1
        amount[1] += length

    def plan(self, summary: _core.Summary) -> Plan:
        """The plan of a run whose dry run has these figures."""
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

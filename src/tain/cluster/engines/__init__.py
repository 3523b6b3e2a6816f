"""Engines: what runs the work of a plan. `local` has threads of this process, `futures` any executor."""

from __future__ import annotations

from typing import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from concurrent.futures import Future

    from tain.cluster.messages import Report, Work


class Engine(Protocol):
    """Runs work. The coordinator calls the methods from one thread; futures may end in any thread."""

    lost: Callable[[Work], None]
    """Set by the coordinator. The engine calls it, from any thread, when it knows that a worker has died with this
    work: the attempt has ended. A future that fails says no more than that the connection is lost."""

    lease: float
    """Seconds of the leases that workers get, and that the coordinator renews by the verb ``lease=``; 0: none,
    because an attempt ends with the process of the coordinator, or no verb reaches it."""

    def submit(self, work: Work, avoid: Collection[str] = ()) -> Future[Report]:
        """Run *work*, if possible on none of the workers in *avoid*. The future raises `DocumentError` for a report
        that is none, and any exception for an attempt that was lost."""
        ...

    def slots(self) -> Mapping[str, int]:
        """How much more each worker can take now, by its name; the names grow and shrink."""
        ...

    def send(self, work: Work, verb: str) -> bool:
        """Send a verb of `tain.cluster.control.send` to a run; whether it was sent."""
        ...

    def close(self) -> None:
        """End. What still runs is cancelled."""
        ...

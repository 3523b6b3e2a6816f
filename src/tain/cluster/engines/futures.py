"""An engine on any executor of `concurrent.futures`: processes, or a cluster that offers one."""

from __future__ import annotations

from concurrent.futures import Future

from tain.cluster.documents import DocumentError
from tain.cluster.messages import Report
from tain.cluster.work import run_work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from concurrent.futures import Executor

    from tain.cluster.messages import Work


class Futures:
    """Runs work on *executor*, at most *slots* at once. Verbs are not sent: an executor has no way to a worker."""

    #: An attempt cannot be reached to renew it.
    lease = 0.0

    def __init__(self, executor: Executor, slots: int, *, name: str = "executor") -> None:
        self.lost: Callable[[Work], None] = _ignore
        self._executor, self._most, self._name = executor, slots, name
        self._running: set[Future[bytes]] = set()

    def submit(self, work: Work, avoid: Collection[str] = ()) -> Future[Report]:
        """Run *work*; an executor chooses the worker itself."""
        inner = self._executor.submit(run_work, work.to_bytes())
        self._running.add(inner)
        return reports_of(inner, lambda: self._running.discard(inner))

    def slots(self) -> Mapping[str, int]:
        """The free places of the executor."""
        return {self._name: max(self._most - len(self._running), 0)}

    def send(self, work: Work, verb: str) -> bool:
        """No verb is sent."""
        return False

    def close(self) -> None:
        """Nothing new begins. The executor belongs to the caller."""
        for future in list(self._running):
            future.cancel()


def reports_of(inner: Future[bytes], ended: Callable[[], object]) -> Future[Report]:
    """The report of a future of bytes; *ended* is called first when it is there."""
    outer: Future[Report] = Future()
    # An attempt that was handed out cannot be taken back by its future.
    outer.set_running_or_notify_cancel()

    def done(found: Future[bytes]) -> None:
        ended()
        if found.cancelled():
            outer.set_exception(RuntimeError("the attempt was cancelled before it began"))
        elif (error := found.exception()) is not None:
            outer.set_exception(error)
        else:
            try:
                outer.set_result(Report.parse(found.result()))
            except DocumentError as wrong:
                outer.set_exception(wrong)

    inner.add_done_callback(done)
    return outer


def _ignore(_work: Work) -> None:
    return

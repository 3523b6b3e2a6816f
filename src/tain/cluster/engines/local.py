"""The default engine: threads of this process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tain.cluster import control
from tain.cluster.engines.futures import Futures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from concurrent.futures import Future

    from tain.cluster.messages import Report, Work


class Local(Futures):
    """Runs work in *streams* threads of this process."""

    def __init__(self, streams: int) -> None:
        self._threads = ThreadPoolExecutor(streams, thread_name_prefix="stream")
        self._works: dict[str, Work] = {}
        super().__init__(self._threads, streams, name="local")

    def submit(self, work: Work, avoid: Collection[str] = ()) -> Future[Report]:
        """Run *work* in a thread of its own."""
        self._works[work.key] = work
        future = super().submit(work, avoid)
        future.add_done_callback(lambda _found: self._works.pop(work.key, None))
        return future

    def send(self, work: Work, verb: str) -> bool:
        """Send a verb to a run of this process."""
        return control.send(work.key, verb)

    def close(self) -> None:
        """End the threads; what they run is cancelled."""
        super().close()
        for work in list(self._works.values()):
            self.send(work, "cancel")
        self._threads.shutdown(wait=True, cancel_futures=True)

"""From the live figures of the core to `tain.events.Progress`."""

from __future__ import annotations

# The module `threading` costs more than the lock.
import _thread
import time

from tain.events import Progress
from tain.report.meter import Meter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.session.environment import Cancellable


class Gauge:
    """The progress of one transfer; any thread may read it."""

    def __init__(self, *, checksum: bool, remote: bool = False) -> None:
        """*checksum*: deciding means reading (``-c``). *remote*: there is a peer that can be silent."""
        self._meter = Meter(checksum=checksum, remote=remote)
        self._lock = _thread.allocate_lock()
        self._last: Progress | None = None

    def read(self, transfer: Cancellable | None, *, ended: bool) -> Progress | None:
        """The values of now; the last ones when no transfer runs. *ended*: the run went to its end."""
        with self._lock:
            if transfer is not None:
                self._last = self._now(transfer, ended=ended)
            elif ended and self._last is not None and self._last.fraction != 1.0:
                self._last = self._last.replace(phase="end", fraction=1.0, left=0.0)
            return self._last

    def _now(self, transfer: Cancellable, *, ended: bool) -> Progress:
        figures = transfer.figures()
        shown = self._meter.at(figures, time.monotonic(), ended=ended)
        return Progress(
            phase=shown.state,
            fraction=shown.fraction,
            bytes_done=shown.done,
            bytes_total=shown.total,
            total_is="unknown" if shown.fraction is None else "at-most" if shown.at_most else "exact",
            rate=shown.rate,
            left=shown.left,
            entries=shown.entries,
            decided=shown.checked,
            files=shown.files,
            deleted=shown.deleted,
            wire=figures.wire_bytes,
            path=shown.name,
        )

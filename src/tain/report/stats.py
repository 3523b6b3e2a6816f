"""Numbers, ``--stats`` and the summary (spec: output 5)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from tain._core import Summary

#: Order and names of the categories in a count line.
_CATEGORIES = ("reg", "dir", "link", "dev", "special")


class Numbers:
    """How figures are written: human-readable level and digit separator (spec: output 5.3)."""

    __slots__ = ("_level", "_separator")

    def __init__(self, level: int = 1, thousands: int = ord(",")) -> None:
        """*level*: 0 plain, 1 separators, 2 base 1000, 3 base 1024. *thousands* is ``,`` or ``.`` as a number."""
        self._level = level
        self._separator = chr(thousands)

    def _localised(self, text: str) -> str:
        """Python writes ``1,234.50``; where the separator is a point, the decimal point is a comma."""
        if self._separator == ",":
            return text
        return text.translate({ord(","): ".", ord("."): ","})

    def count(self, value: int) -> str:
        """Files and the like: never with a unit."""
        return str(value) if self._level == 0 else self._localised(f"{value:,}")

    def size(self, value: int) -> str:
        """Bytes, with a unit at the higher levels."""
        return self._scaled(float(value)) or self.count(value)

    def rate(self, value: float) -> str:
        """Two decimals, with a unit at the higher levels."""
        return self._scaled(value) or self.decimal(value)

    def decimal(self, value: float) -> str:
        """Two decimals, grouped, never with a unit."""
        return self._localised(f"{value:.2f}" if self._level == 0 else f"{value:,.2f}")

    def seconds(self, milliseconds: int) -> str:
        """Seconds with three decimals."""
        return self._localised(f"{milliseconds // 1000}.{milliseconds % 1000:03d}")

    def _scaled(self, value: float) -> str | None:
        base = 1024.0 if self._level > 2 else 1000.0
        if self._level < 2 or value < base:
            return None
        units = "KMGTP"
        steps = 1
        value /= base
        while value >= base and steps < len(units):
            value /= base
            steps += 1
        return self._localised(f"{value:.2f}") + units[steps - 1]


#: For a file list that it sends, 3.5.0 counts only the full buffers that it has written, so nothing of a small list.
#: For a list from a batch it counts nothing.
_LIST_BUFFER = 65535


def _counts(numbers: Numbers, counts: Mapping[str, int]) -> str:
    total = sum(counts.get(name, 0) for name in _CATEGORIES)
    text = numbers.count(total)
    if not total:
        return text
    parts = (f"{name}: {numbers.count(counts[name])}" for name in _CATEGORIES if counts.get(name))
    return f"{text} ({', '.join(parts)})"


def statistics(summary: Summary, numbers: Numbers, *, protocol: int, from_batch: bool = False) -> bytes:
    """The block of ``--stats`` with the blank line before it (spec: output 5.2)."""
    flist_size = 0 if from_batch else summary.flist_size
    if summary.role == "sender":
        flist_size -= flist_size % _LIST_BUFFER
    lines = ["", f"Number of files: {_counts(numbers, summary.files)}"]
    if protocol >= 29:
        lines.append(f"Number of created files: {_counts(numbers, summary.created)}")
    if protocol >= 31:
        lines.append(f"Number of deleted files: {_counts(numbers, summary.deleted)}")
    lines += [
        f"Number of regular files transferred: {numbers.count(summary.transferred)}",
        f"Total file size: {numbers.size(summary.total_size)} bytes",
        f"Total transferred file size: {numbers.size(summary.transferred_size)} bytes",
        f"Literal data: {numbers.size(summary.literal)} bytes",
        f"Matched data: {numbers.size(summary.matched)} bytes",
        f"File list size: {numbers.size(flist_size)}",
    ]
    if summary.flist_build_ms:
        lines.append(f"File list generation time: {numbers.seconds(summary.flist_build_ms)} seconds")
        lines.append(f"File list transfer time: {numbers.seconds(summary.flist_xfer_ms)} seconds")
    lines.append(f"Total bytes sent: {numbers.size(summary.sent)}")
    lines.append(f"Total bytes received: {numbers.size(summary.received)}")
    return ("\n".join(lines) + "\n").encode()


def summary_lines(summary: Summary, numbers: Numbers, *, suffix: str = "") -> bytes:
    """The two closing lines with the blank one before them (spec: output 5.1).

    *suffix* is `` (DRY RUN)`` or `` (BATCH ONLY)``. The time for the rate is whole seconds plus a half, so that it is
    never zero.
    """
    moved = summary.sent + summary.received
    rate = moved / (0.5 + int(summary.seconds))
    speedup = summary.total_size / moved if moved else 0.0
    return (
        f"\nsent {numbers.size(summary.sent)} bytes  received {numbers.size(summary.received)} bytes  "
        f"{numbers.rate(rate)} bytes/sec\n"
        f"total size is {numbers.size(summary.total_size)}  speedup is {numbers.decimal(speedup)}{suffix}\n"
    ).encode()


def log_line(summary: Summary) -> bytes:
    """The closing line of a log that has no summary, without its end (spec: output 13)."""
    return b"sent %d bytes  received %d bytes  total size %d" % (summary.sent, summary.received, summary.total_size)

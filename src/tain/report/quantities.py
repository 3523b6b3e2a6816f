"""Sizes, rates, times and counts as a person reads them, for the lines that rsync does not have.

`report.stats` has rsync's own forms. Nothing here depends on the locale: a unit and a decimal point are understood
everywhere.
"""

from __future__ import annotations

_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def size(value: float, *, binary: bool = False) -> str:
    """*value* bytes in three digits and a unit of 1000 (``12.4 GB``), or of 1024 with *binary* (``11.5 GiB``)."""
    number, unit = scaled(value, binary=binary)
    return f"{number} {unit}"


def scaled(value: float, *, binary: bool = False) -> tuple[str, str]:
    """The number and the unit of `size`."""
    units = _BINARY if binary else _DECIMAL
    base = 1024.0 if binary else 1000.0
    step = 0
    value = max(float(value), 0.0)
    # 999.5 would be shown as 1000: it belongs to the next unit.
    while value >= (999.5 if step else base) and step < len(units) - 1:
        value /= base
        step += 1
    if not step or value >= 99.95:
        return f"{value:.0f}", units[step]
    return (f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"), units[step]


def part_of(done: float, total: float, mark: str = "", *, binary: bool = False) -> str:
    """``4.71 of 12.4 GB``: the unit stands once when both have the same. *mark* stands before the total."""
    (some, some_unit), (all_, unit) = scaled(done, binary=binary), scaled(total, binary=binary)
    first = some if some_unit == unit else f"{some} {some_unit}"
    return f"{first} of {mark}{all_} {unit}"


def count(value: int) -> str:
    """*value* with a comma between thousands."""
    return f"{value:,}"


def counted(value: int, one: str, many: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{value:,} {one if value == 1 else many}"


def duration(seconds: float) -> str:
    """``0:07``, ``4:02``, ``1:20:31``, ``2 d 3 h``."""
    whole = max(int(seconds), 0)
    if whole >= _DAY:
        return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"
    minutes, rest = divmod(whole, _MINUTE)
    if whole >= _HOUR:
        return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
    return f"{minutes}:{rest:02d}"


def percent(fraction: float) -> str:
    """One decimal, rounded down, so that 100.0% is shown for a whole only."""
    return f"{int(fraction * 1000) / 10:.1f}%"


def shown_name(name: bytes, encoding: str = "utf-8") -> str:
    """*name* for a screen: a control character or a byte that is not text in *encoding* becomes ``?``."""
    text = name.decode(encoding, "replace").replace("\ufffd", "?")
    return "".join(letter if letter.isprintable() else "?" for letter in text)

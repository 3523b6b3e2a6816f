"""The SIZE syntax (spec: options 1.5)."""

from __future__ import annotations

from tain.digits import bounded
from tain.errors import UsageError
from tain.escape import printable

_POWERS = {b"B": 0, b"K": 1, b"M": 2, b"G": 3, b"T": 4, b"P": 5}
_MAX = (1 << 63) - 1
#: Larger than any size.
_BEYOND = 1 << 64
#: Digits of a fraction that count.
_FRACTION = 19


def human(value: int) -> str:
    """A limit in an error text: from 1024 on with a unit and two decimals."""
    if value < 1024:
        return str(value)
    amount = value / 1024
    unit = 0
    while amount >= 1024 and unit < 4:
        amount /= 1024
        unit += 1
    return f"{amount:.2f}{'KMGTP'[unit]}"


def _digits(text: bytes, start: int) -> int:
    end = start
    while end < len(text) and text[end] in b"0123456789":
        end += 1
    return end


def _scan(text: bytes, default: bytes, point: bytes) -> int | None:
    """The value, or None when the text is no size. Negative values come back negative."""
    whole_end = _digits(text, 0)
    end = whole_end
    fraction = b""
    if text[end : end + 1] and text[end : end + 1] in (b".", point):
        end = _digits(text, end + 1)
        fraction = text[whole_end + 1 : end]
    letter = text[end : end + 1].upper()
    if letter in _POWERS:
        end += 1
    elif letter in (b"", b"+", b"-"):
        if not end and letter:  # nothing in front of the adjustment
            return None
        letter = default
    else:
        return None
    base = 1024
    tail = text[end : end + 2].upper()
    if tail == b"IB":
        end += 2
    elif tail[:1] == b"B":
        base = 1000
        end += 1
    # Further digits cannot change the result.
    fraction = fraction[:_FRACTION]
    numerator = bounded(text[:whole_end], _BEYOND) * 10 ** len(fraction) + bounded(fraction, _BEYOND)
    value = int(numerator * base ** _POWERS[letter] // 10 ** len(fraction))
    adjust = text[end:]
    if adjust == b"+1":
        value += 1
    elif adjust == b"-1":
        value -= 1
    elif adjust:
        return None
    return value


def parse_size(
    text: bytes,
    option: str,
    *,
    default: bytes = b"B",
    low: int = 0,
    high: int = _MAX,
    zero: bool = False,
    point: bytes = b".",
) -> int:
    """The byte count that *text* means, from *low* to *high*; with *zero*, 0 is allowed too.

    *default* is the unit of a number without one, *point* the decimal separator of the locale. Errors: `UsageError`
    with rsync's text.
    """
    reason = None
    value: int | None
    if text[:1] == b"-" and text[1:2].isdigit():
        value = -1  # Reported as too large: rsync compares it as an unsigned number.
    else:
        value = _scan(text, default, point)
    if value is None:
        reason = "is invalid"
    elif value < 0 or value > high:
        reason = "is too large" + (f" (max: {human(high)})" if high != _MAX else "")
    elif value < low and not (zero and value == 0):
        reason = f"is too small (min: {human(low)}{' or 0 for unlimited' if zero else ''})"
    if reason is not None or value is None:
        raise UsageError(f"rsync: --{option}={printable(text)} {reason}")
    return value

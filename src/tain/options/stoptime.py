"""``--stop-after`` and ``--stop-at`` (spec: options 6.5)."""

from __future__ import annotations

import time

from tain.digits import LONG_MAX, bounded
from tain.errors import UsageError
from tain.escape import printable

#: Longest month lengths; a full date may overflow into the next month, a month and day may not.
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def stop_after(value: bytes, now: float) -> int:
    """The Unix time that is *value* minutes after *now*. Errors: `UsageError`."""
    body = value.lstrip(b" \t\n\v\f\r")
    digits = body[1:] if body[:1] in (b"+", b"-") else body
    # As C's atol: the rest after the digits is ignored.
    end = 0
    while end < len(digits) and digits[end] in b"0123456789":
        end += 1
    minutes = bounded(digits[:end])
    if minutes <= 0 or body[:1] == b"-" or int(now) + minutes * 60 > LONG_MAX:
        raise UsageError(f"rsync: invalid --stop-after value: {printable(value)}")
    return int(now) + min(minutes, 1 << 40) * 60


def _numbers(text: str) -> list[int] | None:
    parts = text.split("-")
    if len(parts) > 3 or not all(part.isascii() and part.isdigit() and len(part) <= 9 for part in parts):
        return None
    return [int(part) for part in parts]


def _parse(text: str) -> tuple[list[int], int | None, int] | None:
    """(date numbers, hour, minute), or None. An hour of None with a minute is ``:MM``."""
    date, mark, clock = text.upper().partition("T")
    if not mark:
        date, clock = ("", text) if ":" in text else (text, "")
    numbers: list[int] = []
    if date:
        found = _numbers(date)
        if found is None:
            return None
        numbers = found
    hour: int | None = 0
    minute = 0
    if clock:
        left, colon, right = clock.partition(":")
        if not colon or not (right.isascii() and right.isdigit() and len(right) <= 2):
            return None
        if left:
            if not (left.isascii() and left.isdigit() and len(left) <= 2):
                return None
            hour = int(left)
        elif numbers or mark:
            return None
        else:
            hour = None
        minute = int(right)
    if not date and not clock:
        return None
    if (hour is not None and hour > 23) or minute > 59:
        return None
    return numbers, hour, minute


def stop_at(value: bytes, now: float) -> int:
    """The Unix time of ``--stop-at``: with parts left out, the next one that fits. Errors: `UsageError`."""
    bad = UsageError(f"rsync: invalid --stop-at format: {printable(value)}")
    parsed = _parse(printable(value).replace("/", "-"))
    if parsed is None:
        raise bad
    numbers, hour, minute = parsed
    today = time.localtime(now)
    year, month, day = today.tm_year, today.tm_mon, today.tm_mday
    if hour is None:
        hour = today.tm_hour
        step = "hour"
    else:
        step = ("day", "month", "year", "")[len(numbers)]
    if len(numbers) >= 3:
        year = numbers[0]
        if year < 100:  # two digits: the next such year
            year += today.tm_year // 100 * 100
            if year < today.tm_year:
                year += 100
    if len(numbers) >= 2:
        month = numbers[-2]
    if numbers:
        day = numbers[-1]
    if not 1 <= month <= 12 or not 1 <= day <= (31 if len(numbers) != 2 else _DAYS[month - 1]) or year > 9999:
        raise bad
    for _ in range(60):  # Enough steps to find a 31st, or a 29th of February.
        if year < 1971:
            break
        fields = (year, month, day, hour, minute, 0, 0, 0, -1)
        try:
            when = int(time.mktime(fields))
        except OverflowError:
            raise bad from None
        if when > now and (step in ("hour", "day", "") or time.localtime(when).tm_mday == day):
            return when
        if step == "hour":
            hour += 1
        elif step == "day":
            day += 1
        elif step == "month":
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        elif step == "year":
            year += 1
        else:
            break
    raise UsageError(f"rsync: --stop-at time is not in the future: {printable(value)}")

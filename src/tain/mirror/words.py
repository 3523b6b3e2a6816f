"""Values of the configuration as text: durations, sizes, rates, shares, times of the week; and back to text.

Each reader raises `ValueError` with a sentence for the user.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from tain.errors import UsageError
from tain.options.sizes import parse_size
from tain.report import quantities

MINUTE, HOUR, DAY, WEEK = 60, 3600, 86400, 604800
_UNITS = {"s": 1, "m": MINUTE, "h": HOUR, "d": DAY, "w": WEEK}
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(?:([A-Za-z]{3})(?:-([A-Za-z]{3}))?\s+)?(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")
_FROM = re.compile(r"(?:([A-Za-z]{3})(?:-([A-Za-z]{3}))?\s+)?(\d{1,2}):(\d{2})")
_WEEK_MINUTES = 7 * 24 * 60


def duration(value: object) -> float:
    """Seconds of a number, or of ``90s 15m 6h 1d 2w 1h30m``."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not 0 <= value < float("inf"):
            raise ValueError(f"{value} is not a duration")
        return float(value)
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not a duration, such as 90s, 15m, 6h, 1d or 1h30m")
    text = value.strip().replace(" ", "")
    if text.isdigit() and len(text) < 12:
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text or len(text) > 40:
        raise ValueError(f"{shown(value)} is not a duration, such as 90s, 15m, 6h, 1d or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def duration_or_never(value: object) -> float | None:
    """As `duration`; None for ``never``."""
    return None if value == "never" else duration(value)


def duration_text(seconds: float) -> str:
    """The shortest form that `duration` reads: ``6h``, ``1h30m``, ``45s``."""
    rest = round(seconds)
    text = ""
    for unit, length in (("w", WEEK), ("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", 1)):
        number, rest = divmod(rest, length)
        if number:
            text += f"{number}{unit}"
    return text or "0s"


def took(seconds: float) -> str:
    """The length of a run: ``0.4s``, ``21s``, ``3m48s``, ``2h05m``."""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < MINUTE:
        return f"{whole}s"
    minutes, rest = divmod(whole, MINUTE)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m"


def age(seconds: float) -> str:
    """An age in one unit: ``33 min``, ``9 h``, ``2 d``."""
    seconds = max(seconds, 0.0)
    if seconds < 100:
        return f"{int(seconds)} s"
    if seconds < 100 * MINUTE:
        return f"{int(seconds // MINUTE)} min"
    if seconds < 2 * DAY:
        return f"{int(seconds // HOUR)} h"
    return f"{int(seconds // DAY)} d"


def size(value: object) -> int:
    """Bytes of a number, or of rsync's SIZE syntax (``512M``, ``1.5G``, ``20GB``)."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str):
        try:
            return parse_size(value.encode(), option="size", default=b"B", low=0)
        except UsageError:
            pass
    raise ValueError(f"{shown(value)} is not a size, such as 512M, 1.5G or 20GB")


def rate(value: object) -> int | None:
    """Bytes per second; None for ``none``, no limit."""
    if value == "none":
        return None
    try:
        return size(value)
    except ValueError:
        raise ValueError(f'{shown(value)} is not a rate, such as 20M (bytes per second) or "none"') from None


@dataclass(frozen=True)
class Share:
    """A part of something: of its size, or of a number of bytes or inodes."""

    percent: float | None = None
    amount: int | None = None

    def of(self, total: float) -> float:
        """The part in the unit of *total*; with both fields, the smaller one."""
        parts = [] if self.amount is None else [float(self.amount)]
        if self.percent is not None:
            parts.append(total * self.percent / 100)
        return min(parts, default=0.0)


def share(value: object) -> Share:
    """A size, or ``"5%"``."""
    if isinstance(value, Share):
        return value
    if isinstance(value, str) and value.endswith("%"):
        try:
            number = float(value[:-1])
        except ValueError:
            number = -1.0
        if 0 <= number <= 100:
            return Share(percent=number)
        raise ValueError(f"{shown(value)} is not between 0% and 100%")
    try:
        return Share(amount=size(value))
    except ValueError:
        raise ValueError(f"{shown(value)} is not a share, such as 20G or 5%") from None


@dataclass(frozen=True)
class Times:
    """A part of the week; minutes count from Monday 0:00. A span may run round the end of the week."""

    spans: tuple[tuple[int, int], ...]

    def contain(self, moment: datetime) -> bool:
        """Whether *moment*, in local time, lies in one of the spans."""
        minute = (moment.weekday() * 24 + moment.hour) * 60 + moment.minute
        return any(
            start <= minute < end if start <= end else minute >= start or minute < end for start, end in self.spans
        )


def times(value: object) -> Times:
    """``"22:00-06:00"`` or ``"Mon-Fri 08:00-18:00"``; several are separated by commas."""
    if isinstance(value, Times):
        return value
    wrong = f'{shown(value)} is not a time, such as "22:00-06:00" or "Mon-Fri 08:00-18:00"'
    if not isinstance(value, str):
        raise ValueError(wrong)
    spans = []
    for part in value.split(","):
        found = _SPAN.fullmatch(part.strip())
        if found is None:
            raise ValueError(wrong)
        first, last = found[1], found[2]
        days = _days(first, last)
        if days is None:
            raise ValueError(wrong)
        start, stop = (int(found[n]) * 60 + int(found[n + 1]) for n in (3, 5))
        if int(found[3]) > 24 or int(found[5]) > 24 or int(found[4]) > 59 or int(found[6]) > 59:
            raise ValueError(wrong)
        length = (stop - start) % 1440 or 1440
        for day in days:
            at = day * 1440 + start
            spans.append((at % _WEEK_MINUTES, (at + length) % _WEEK_MINUTES))
    return Times(tuple(spans))


@dataclass(frozen=True)
class Timetable:
    """Rates of a week: each holds from its minute (since Monday 0:00) to the next one, round the week."""

    entries: tuple[tuple[int, int | None], ...]

    def at(self, moment: datetime) -> int | None:
        """Bytes per second at *moment*, in local time; None: no limit."""
        minute = (moment.weekday() * 24 + moment.hour) * 60 + moment.minute
        before = [entry for entry in self.entries if entry[0] <= minute]
        return max(before or self.entries, key=lambda entry: entry[0])[1]


def timetable(value: object) -> Timetable | None:
    """A rate, or a list of ``{from = "Mon-Fri 08:00", rate = "10M"}``. None: no limit at any time."""
    if isinstance(value, Timetable) or value is None:
        return value
    if not isinstance(value, list):
        only = rate(value)
        return None if only is None else Timetable(((0, only),))
    entries: dict[int, int | None] = {}
    for item in value:
        if not isinstance(item, dict) or set(item) != {"from", "rate"}:
            raise ValueError('each entry needs "from" and "rate", and nothing else')
        found = _FROM.fullmatch(item["from"].strip()) if isinstance(item["from"], str) else None
        days = None if found is None else _days(found[1], found[2])
        if found is None or days is None or int(found[3]) > 23 or int(found[4]) > 59:
            raise ValueError(f'{shown(item["from"])} is not a moment, such as "08:00" or "Mon-Fri 08:00"')
        for day in days:
            entries[(day * 24 + int(found[3])) * 60 + int(found[4])] = rate(item["rate"])
    if not entries:
        raise ValueError("an empty list is no timetable")
    return Timetable(tuple(sorted(entries.items())))


def _days(first: str | None, last: str | None) -> list[int] | None:
    """The days from *first* to *last*, 0 for Monday; all of them without a name. None: an unknown name."""
    try:
        begin = _DAYS.index(first.lower()) if first else 0
        end = _DAYS.index(last.lower()) if last else begin if first else 6
    except ValueError:
        return None
    return [(begin + number) % 7 for number in range((end - begin) % 7 + 1)]


def shown(value: object) -> str:
    """*value* as it stands in a message: text in quotes, anything else as TOML would write it."""
    if isinstance(value, str):
        return '"' + visible(value if len(value) <= 200 else value[:197] + "...") + '"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    return visible(str(value))


#: Characters that change the direction of text, and those that separate lines.
_HIDDEN = frozenset("\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def visible(text: str) -> str:
    """*text* for a terminal or a page: bytes that are no text as ``\\xNN``, control and direction marks as ``\\u{..}``.

    Everything that came from outside goes through here: names, messages of peers, error texts.
    """
    if text.isprintable() and not _HIDDEN.intersection(text):
        return text
    out = []
    for letter in text:
        if "\udc80" <= letter <= "\udcff":
            out.append(f"\\x{ord(letter) - 0xDC00:02x}")
        elif letter in _HIDDEN or not (letter.isprintable() or letter == " "):
            out.append(f"\\u{{{ord(letter):x}}}")
        else:
            out.append(letter)
    return "".join(out)


def bytes_text(value: float) -> str:
    """``3.10 GB`` without zeros that say nothing: ``3.1 GB``."""
    number, unit = quantities.scaled(value)
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return f"{number} {unit}"


def visible_lines(data: bytes) -> str:
    """Output of a run for a terminal: its lines stay lines, everything else that is not text is shown."""
    return "\n".join(visible(line) for line in data.decode("utf-8", "surrogateescape").rstrip("\n").split("\n"))

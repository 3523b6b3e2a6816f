"""Reading the stamp file of an upstream: how new its content is. Pure."""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: A stamp file is not larger.
LARGEST = 1 << 20
#: Lines in which a date is looked for.
_LINES = 5
_EPOCH = re.compile(r"\d{9,11}(\.\d+)?")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?(\.\d+)?( ?(Z|UTC|[+-]\d{2}:?\d{2}))?")
_SERIAL = re.compile(r"^Archive serial: *(\d+)", re.MULTILINE)
#: `date` without options: "Sun Nov 29 06:02:11 UTC 2026".
_UNIX = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) +(\d{1,2}) (\d{2}:\d{2}:\d{2}) (?:UTC|GMT) (\d{4})")


@dataclass(frozen=True)
class Stamp:
    """What a stamp file says. `identity` differs when the file does; `time` is that of the content, if it has one."""

    identity: str
    time: float | None = None


def read_stamp(data: bytes, mtime: float, form: str = "auto") -> Stamp:
    """The stamp in *data*. *form*: ``auto epoch date serial digest mtime``. What cannot be read has no time."""
    digest = hashlib.sha256(data).hexdigest()[:16]
    text = data[:4096].decode("utf-8", "replace")
    serial = _SERIAL.search(text)
    if form == "mtime":
        return Stamp(f"mtime:{mtime:.0f}", mtime)
    if form == "digest":
        return Stamp(f"digest:{digest}")
    if form in ("auto", "epoch"):
        found = _EPOCH.fullmatch(text.strip())
        if found is not None:
            return Stamp(f"epoch:{found[0]}", float(found[0]))
    moment = _date(text) if form in ("auto", "date", "serial") else None
    if serial is not None and form in ("auto", "serial"):
        return Stamp(f"serial:{serial[1]}", moment)
    if moment is not None:
        return Stamp(f"date:{moment:.0f}", moment)
    # The file changes with the content, so its own time is as good as it gets.
    return Stamp(f"digest:{digest}", mtime if form == "auto" else None)


def _date(text: str) -> float | None:
    for line in text.splitlines()[:_LINES]:
        value = line.strip()
        for candidate in (value, value.partition(":")[2].strip()):
            moment = _one_date(candidate)
            if moment is not None:
                return moment
    return None


def _one_date(text: str) -> float | None:
    if not text or len(text) > 80:
        return None
    found = _UNIX.search(text)
    if found is not None:
        with contextlib.suppress(ValueError):
            moment = datetime.strptime(f"{found[2]} {found[1]} {found[4]} {found[3]}", "%d %b %Y %H:%M:%S")
            return moment.replace(tzinfo=UTC).timestamp()
    found = _ISO.search(text)
    if found is not None:
        with contextlib.suppress(ValueError):
            moment = datetime.fromisoformat(found[0].replace(" UTC", "Z").replace(" +", "+").replace(" -", "-"))
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    with contextlib.suppress(ValueError, TypeError, IndexError, OverflowError):
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None

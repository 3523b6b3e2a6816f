"""The types of the configuration's values, and the readers behind them: a `ValueError` is a sentence for the user."""

from __future__ import annotations

import base64
import binascii
import itertools
import os
import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from annotated_types import GroupedMetadata
from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainValidator, WithJsonSchema

from tain.mirror import words

STAGE_NAME = re.compile(r"[a-z0-9-]{1,32}")
#: The moments at which a hook can run.
POINTS = (
    "before-run", "before-stage", "after-stage", "before-delete", "before-publish", "success", "partial", "failed",
    "held", "deferred", "recovered", "stale", "finally",
)  # fmt: skip


@dataclass(frozen=True)
class Between(GroupedMetadata):
    """A number from *low* to *high*; with *whole*, one without a fraction."""

    low: int
    high: int | None = None
    whole: bool = True

    def check(self, value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            raise ValueError(f"{words.shown(value)} is not a {'whole ' if self.whole else ''}number")
        if self.high is not None and not self.low <= value <= self.high:
            raise ValueError(f"{value} is not between {self.low} and {self.high}")
        if value < self.low:
            raise ValueError(f"{value} is less than {self.low}")
        return value

    def __iter__(self) -> Iterator[object]:
        yield BeforeValidator(self.check)
        schema: dict[str, Any] = {"type": "integer" if self.whole else "number", "minimum": self.low}
        if self.high is not None:
            schema["maximum"] = self.high
        yield WithJsonSchema(schema)


TEXT: dict[str, Any] = {"type": "string"}
_NUMBER_OR_TEXT: dict[str, Any] = {"anyOf": [{"type": "number", "minimum": 0}, TEXT]}
TEXTS: dict[str, Any] = {"anyOf": [TEXT, {"type": "array", "items": TEXT}]}


def texts(value: object) -> list[str]:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise ValueError(f"{words.shown(value)} is not a text or a list of texts")
    return found


def decoded(value: str) -> str:
    """A path that is no UTF-8, from Base64; its other bytes as surrogates, as the system's functions have them."""
    try:
        return os.fsdecode(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError):
        raise ValueError(f"{words.shown(value)} is no Base64") from None


def _encoded(value: object) -> list[str]:
    found = texts(value)
    for text in found:
        decoded(text)
    return found


def _path(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{words.shown(value)} is not a text")
    return value


def _cron(value: object) -> list[str]:
    lines = texts(value)
    for line in lines:
        try:
            CronSim(expand(line), ANY_TIME)
        except CronSimError as error:
            raise ValueError(f"{words.shown(line)}: {str(error).lower()}") from None
    if not lines:
        raise ValueError("an empty list is no schedule")
    return lines


def _zone(value: object) -> str:
    try:
        zoneinfo.ZoneInfo(value if isinstance(value, str) else "")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{words.shown(value)} is not a known time zone") from None
    assert isinstance(value, str)
    return value


def _relative(value: str) -> str:
    if not value or value.startswith("/") or ".." in value.split("/"):
        raise ValueError(f"{words.shown(value)} is not a relative path without ..")
    return value


def _jitter(value: object) -> float | words.Share:
    if isinstance(value, words.Share) or (isinstance(value, str) and value.endswith("%")):
        return words.share(value)
    return words.duration(value)


def _umask(value: object) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-7]{1,4}", value):
        return int(value, 8)
    raise ValueError(f'{words.shown(value)} is not an octal number as text, such as "022"')


def _ionice(value: object) -> str:
    if isinstance(value, str) and re.fullmatch(r"idle|none|best-effort(:[0-7])?", value):
        return value
    raise ValueError(f"{words.shown(value)} is not idle, none or best-effort:0 to best-effort:7")


def _pattern(value: object) -> str:
    try:
        re.compile(value if isinstance(value, str) else "(")
    except re.error as error:
        raise ValueError(f"{words.shown(value)} is not a regular expression: {error}") from None
    assert isinstance(value, str)
    return value


def _at_most(value: object) -> int | None:
    if value == "none":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f'{words.shown(value)} is not a whole number or "none"')
    return value


def stage_name(value: str) -> str:
    if STAGE_NAME.fullmatch(value):
        return value
    raise ValueError(f"{words.shown(value)} is no name of a stage: small letters, digits and -")


def _host_name(value: str) -> str:
    # It becomes a part of the names of files.
    if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252})", value):
        return value
    raise ValueError(f"{words.shown(value)} is no name of a host")


def _one_line(value: str) -> str:
    if any(sign in value for sign in "\r\n\0"):
        raise ValueError(f"{words.shown(value)} has a line break")
    return value


def points(value: object) -> list[str]:
    found = texts(value)
    for point in found:
        if point not in POINTS:
            raise ValueError(f"{words.shown(point)} is none of {', '.join(POINTS)}")
    if not found:
        raise ValueError("an empty list is no moment")
    return found


def snapshot_name(value: str) -> str:
    if not value or "/" in value or value.startswith("."):
        raise ValueError(f"{words.shown(value)} is no name of a directory")
    # Names must tell snapshots apart, and sort as they were made.
    moments = [datetime(2026, 9, 8, 7, 6), datetime(2026, 9, 8, 22, 6), datetime(2026, 10, 7, 3), datetime(2027, 1, 1)]
    names = [moment.strftime(value) for moment in moments]
    if any(later <= earlier for earlier, later in itertools.pairwise(names)):
        raise ValueError(f"{words.shown(value)} does not grow with time")
    try:
        datetime.strptime(names[0], value)
    except ValueError:
        raise ValueError(f"{words.shown(value)} cannot be read back as a time") from None
    return value


def link_name(value: object) -> str | None:
    if value == "none":
        return None
    if not isinstance(value, str) or not value or "/" in value or value in (".", ".."):
        raise ValueError(f'{words.shown(value)} is no name of a link, and not "none"')
    return value


def listen(value: object) -> list[str]:
    found = texts(value)
    for text in found:
        host, _, port = text.rpartition(":")
        if text == "systemd" or (text.startswith("unix:/") and len(text) > len("unix:/")):
            continue
        if not host or not (port.isascii() and port.isdigit() and int(port) < 65536):
            raise ValueError(f"{words.shown(text)} is not HOST:PORT, unix:/path or systemd")
    return found


def base_path(value: str) -> str:
    if not re.fullmatch(r"/(?:[A-Za-z0-9._~-]+/)*(?:[A-Za-z0-9._~-]+)?", value) or ".." in value.split("/"):
        raise ValueError(f"{words.shown(value)} is not a path such as /mirrors/")
    return value.rstrip("/") + "/"


#: A moment from which a schedule is tried.
ANY_TIME = datetime(2026, 1, 1)
_ALIASES = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}  # fmt: skip


def expand(line: str) -> str:
    """A cron line with ``@daily`` and the like as five fields."""
    return _ALIASES.get(line.strip(), line)


Duration = Annotated[float, PlainValidator(words.duration), WithJsonSchema(_NUMBER_OR_TEXT)]
Size = Annotated[int, PlainValidator(words.size), WithJsonSchema(_NUMBER_OR_TEXT)]
Rate = Annotated[int | None, PlainValidator(words.rate), WithJsonSchema(_NUMBER_OR_TEXT)]
Never = Annotated[float | None, PlainValidator(words.duration_or_never), WithJsonSchema(_NUMBER_OR_TEXT)]
Share = Annotated[words.Share, PlainValidator(words.share), WithJsonSchema(_NUMBER_OR_TEXT)]
Times = Annotated[words.Times, PlainValidator(words.times), WithJsonSchema(TEXT)]
Texts = Annotated[list[str], PlainValidator(texts), WithJsonSchema(TEXTS)]
#: A text that may have bytes that are no UTF-8, which pydantic's own would refuse.
FilePath = Annotated[str, PlainValidator(_path), WithJsonSchema(TEXT)]
#: Paths in Base64.
Encoded = Annotated[list[str], PlainValidator(_encoded), WithJsonSchema(TEXTS)]
Cron = Annotated[list[str], PlainValidator(_cron), WithJsonSchema(TEXTS)]
Bandwidth = Annotated[
    words.Timetable | None,
    PlainValidator(words.timetable),
    WithJsonSchema({"anyOf": [*_NUMBER_OR_TEXT["anyOf"], {"type": "array", "items": {"type": "object"}}]}),
]
Jitter = Annotated[float | words.Share, PlainValidator(_jitter), WithJsonSchema(_NUMBER_OR_TEXT)]
Umask = Annotated[int, PlainValidator(_umask), WithJsonSchema(TEXT)]
HostName = Annotated[str, AfterValidator(_host_name)]
OneLine = Annotated[str, AfterValidator(_one_line)]
Pattern = Annotated[str, PlainValidator(_pattern), WithJsonSchema(TEXT)]
IoNice = Annotated[str, PlainValidator(_ionice), WithJsonSchema(TEXT)]
Cap = Annotated[
    int | None,
    PlainValidator(_at_most),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"const": "none"}]}),
]
Zone = Annotated[str, BeforeValidator(_zone)]
Relative = Annotated[str, AfterValidator(_relative)]


Kind = Literal[
    "failed", "held", "stale", "mismatch", "disk", "config", "recovered", "success", "partial", "deferred"
]  # fmt: skip


class Table(BaseModel):
    """Base of the tables: an unknown key is an error, and values do not change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

"""From values to what stands on a page. Everything that came from outside passes `shown`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tain.mirror import words
from tain.mirror.web.strings import translate

#: Sequences by which a program colours a terminal. On a page they are noise.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_LOGIN = re.compile(r"(://)[^/@\s]*@")


def shown(text: object) -> str:
    """*text* for a page: without escape sequences, with everything visible that is not text."""
    return words.visible(_ANSI.sub("", str(text)))


def without_login(url: str) -> str:
    """An address without the user and the password."""
    return _LOGIN.sub(r"\1", url)


def seconds_of(stamp: str | None) -> float | None:
    """The time of a stamp such as ``2026-11-29T06:35:02Z``."""
    return None if stamp is None else datetime.fromisoformat(stamp).timestamp()


class Words:
    """Texts of one page, in its language and time zone."""

    def __init__(self, language: str, zone: str | None, now: float) -> None:
        self.language, self.now = language, now
        self._zone = None if zone is None else ZoneInfo(zone)

    def t(self, text: str, **fields: object) -> str:
        return translate(self.language, text, **fields)

    def local(self, moment: float) -> datetime:
        return datetime.fromtimestamp(moment, UTC).astimezone(self._zone)

    def zone(self) -> str:
        """The name of the time zone."""
        return self.local(self.now).tzname() or "UTC"

    def exact(self, moment: float | None) -> str:
        """``29 Nov 2026, 06:17``."""
        if moment is None:
            return "-"
        then = self.local(moment)
        return then.strftime("%Y-%m-%d %H:%M") if self.language == "ko" else then.strftime("%-d %b %Y, %H:%M")

    def iso(self, moment: float) -> str:
        """For the attribute ``datetime``."""
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def length(self, seconds: float) -> str:
        """A length in its largest unit: ``33 min``."""
        number, unit = words.age(seconds).split(" ")
        return self.t("{n} " + unit, n=number)

    def ago(self, moment: float | None) -> str:
        """``33 min ago``, ``in 2 h``."""
        if moment is None:
            return self.t("never")
        distance = self.now - moment
        if abs(distance) < 5:
            return self.t("now")
        return self.t("{age} ago" if distance > 0 else "in {age}", age=self.length(abs(distance)))

    def bytes(self, value: float | None) -> str:
        return "-" if value is None else words.bytes_text(value)

    def took(self, seconds: float | None) -> str:
        return "-" if seconds is None else words.took(seconds)

    def number(self, value: float | None) -> str:
        return "-" if value is None else f"{value:,}"

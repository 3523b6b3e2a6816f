"""Jobs for the schedulers of the system: lines of cron, units and timers of systemd. Pure."""

from __future__ import annotations

import hashlib
import re

from tain.mirror.fields import expand
from tain.mirror.model import Job
from tain.mirror.words import DAY, HOUR, MINUTE, WEEK, Share, duration_text

_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_JITTER_LIMIT = 15 * MINUTE

SERVICE = """\
[Unit]
Description=Mirror jobs
Documentation=https://pypi.org/project/tain/
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
ExecStart={program} mirror serve --config {config}
ExecReload=/bin/kill -HUP $MAINPID
KillMode=mixed
TimeoutStopSec=90
Restart=on-failure
User={user}
StateDirectory=tain-mirror
RuntimeDirectory=tain-mirror
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths={places}
PrivateTmp=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6

[Install]
WantedBy=multi-user.target
"""
ONE = """\
[Unit]
Description=Mirror job %i
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart={program} mirror run -q --config {config} %i
User={user}
StateDirectory=tain-mirror
Nice=10
"""
TIMER = """\
[Unit]
Description=When mirror job {name} runs

[Timer]
{calendar}
Persistent={persistent}
RandomizedDelaySec={delay}

[Install]
WantedBy=timers.target
"""


def cron_lines(name: str, job: Job) -> list[str]:
    """The times of a job as lines of five fields. Errors: `ValueError` for an interval that cron cannot express."""
    if job.cron:
        return [expand(line) for line in job.cron]
    if job.every is None:
        return []
    # Jobs of one interval do not start at one minute, and each starts at the same one on every export.
    chance = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big")
    minute, hour, every = chance % 60, chance // 60 % 24, int(job.every)
    if every == WEEK:
        return [f"{minute} {hour} * * {chance // 1440 % 7}"]
    if every == DAY:
        return [f"{minute} {hour} * * *"]
    if every % HOUR == 0 and 24 % (every // HOUR) == 0:
        step = every // HOUR
        return [f"{minute} * * * *" if step == 1 else f"{minute} {hour % step}-23/{step} * * *"]
    if every % MINUTE == 0 and every < HOUR and 60 % (every // MINUTE) == 0:
        return [f"*/{every // MINUTE} * * * *"]
    raise ValueError(f"cron has no line for every {duration_text(every)}; let it run tain mirror run --due")


def crontab_line(name: str, job: Job, *, program: str, user: str | None) -> list[str]:
    """The lines of a crontab for a job. *user*: for a file of ``/etc/cron.d``. Errors: `ValueError`."""
    who = "" if user is None else f"{user}  "
    return [f"{line}  {who}{program} mirror run -q {name}" for line in cron_lines(name, job)]


def timer(name: str, job: Job) -> str:
    """The timer of ``tain-mirror@NAME.service``. Errors: `ValueError`."""
    lines = [text for line in cron_lines(name, job) for text in calendars(line, job.timezone)]
    jitter = job.jitter
    delay = min(jitter.of(job.every or DAY), _JITTER_LIMIT) if isinstance(jitter, Share) else jitter
    return TIMER.format(
        name=name, calendar="\n".join(f"OnCalendar={line}" for line in lines), delay=f"{int(delay)}",
        persistent="yes" if job.on_missed == "once" else "no",
    )  # fmt: skip


def calendars(line: str, timezone: str | None = None) -> list[str]:
    """A line of cron as expressions of systemd: one, or two if it names days of the month and of the week, of which
    cron takes either."""
    minute, hour, day, month, weekday = line.split()
    clock = f"{_field(hour, 0)}:{_field(minute, 0)}:00" + (f" {timezone}" if timezone else "")
    months = _field(_numbers(month, _MONTHS), 1)
    if day == "L":
        raise ValueError("systemd has no last day of a month in this form")
    dates = f"*-{months}-{_field(day, 1)}"
    found = []
    if weekday.startswith("*") or not day.startswith("*"):
        found.append(f"{dates} {clock}")
    if not weekday.startswith("*"):
        found.append(f"{_weekdays(weekday)} *-{months}-* {clock}")
    return found


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def _numbers(text: str, names: tuple[str, ...]) -> str:
    """Names as numbers, from 1."""
    return re.sub(r"[A-Za-z]{3}", lambda found: str(names.index(found[0].lower()) + 1), text)


def _field(text: str, low: int) -> str:
    """A field of cron as one of systemd."""
    parts = []
    for part in text.split(","):
        span, slash, step = part.partition("/")
        span = (str(low) if slash else "*") if span == "*" else span.replace("-", "..")
        parts.append(f"{span}/{step}" if slash else span)
    return ",".join(parts)


def _weekdays(text: str) -> str:
    """The days of the week by their names."""
    chosen: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        begin = _weekday(first)
        end = _weekday(last) if dash else begin
        end = 7 if dash and end == 0 else end
        chosen.update(number % 7 for number in range(begin, end + 1, int(step or 1)))
    return ",".join(_DAYS[number] for number in sorted(chosen))


def _weekday(text: str) -> int:
    return int(text) % 7 if text.isdigit() else [day.lower() for day in _DAYS].index(text[:3].lower())

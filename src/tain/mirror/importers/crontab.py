"""Lines of a crontab whose command is rsync, or a script with exactly one call of it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection
from typing import Any

from cronsim import CronSim, CronSimError

from tain.mirror.fields import ANY_TIME, expand
from tain.mirror.importers.rsyncline import read_line, split_prefix
from tain.mirror.importers.words import Imported, Unusable, job_name

_SETTING = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")
_REDIRECTION = re.compile(r"\s*(?:\d?>>?|&>>?|<)\s*(?:&\d|\S+)")
#: What a shell would do with a line, and this does not.
_SHELL = re.compile(r"\$\(|`|\$\{?\w|\|\||&&|[|;&]")
_LARGEST_SCRIPT = 1 << 20


def read_crontab(text: str, *, with_users: bool, taken: Collection[str] = ()) -> Imported:
    """The jobs of a crontab. *with_users*: its lines name a user, as those of ``/etc/crontab`` do; *taken*: names that
    are not free."""
    found = Imported()
    zone: str | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        setting = _SETTING.fullmatch(line)
        if setting is not None:
            if setting[1] in ("CRON_TZ", "TZ"):
                zone = setting[2].strip("\"'")
            elif setting[1] == "MAILTO":
                found.notes.append(f"line {number}: MAILTO: see [notify]")
            continue
        try:
            times, user, command = _split(line, with_users=with_users)
            losses: list[str] = []
            job = _job(command, losses, found.notes)
        except Unusable as error:
            found.losses.append(f"line {number}: {error}")
            continue
        job["cron"] = times
        if zone is not None:
            job["timezone"] = zone
        if user not in (None, "root"):
            found.notes.append(f"line {number}: ran as {user}; a job runs as the user who runs tain mirror")
        found.losses += [f"line {number}: {loss}" for loss in losses]
        found.jobs[job_name(job["destination"], {*taken, *found.jobs})] = job
    return found


def _split(line: str, *, with_users: bool) -> tuple[str, str | None, str]:
    """Times, user and command of a line. Errors: `Unusable`."""
    count = (1 if line.lstrip().startswith("@") else 5) + with_users
    words = line.split(None, count)
    if len(words) <= count:
        raise Unusable("has no command")
    times = " ".join(words[: count - with_users])
    try:
        CronSim(expand(times), ANY_TIME)
    except CronSimError as error:
        raise Unusable(f"{times}: {str(error).lower()}") from None
    # A percent sign ends the command; the rest is its input.
    command = re.split(r"(?<!\\)%", words[-1])[0].replace("\\%", "%")
    return times, words[count - 1] if with_users else None, command


def _job(command: str, losses: list[str], notes: list[str]) -> dict[str, Any]:
    """The job of a command. Errors: `Unusable`."""
    try:
        words = shlex.split(_REDIRECTION.sub("", command))
    except ValueError as error:
        raise Unusable(f"{command}: {error}") from None
    script = _script_of(words)
    if script is not None:
        command = _call_in(script)
        notes.append(f"{script}: only its call of rsync is carried over")
        words = shlex.split(_REDIRECTION.sub("", command))
    if _SHELL.search(_REDIRECTION.sub("", _unquoted(command))):
        raise Unusable(f"{command}: it needs a shell")
    job: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for program, arguments in split_prefix(words):
        if program in ("rsync", "tain"):
            job = read_line(arguments, losses, notes)
        elif program == "nice":
            level = next((word.lstrip("-n") for word in reversed(arguments) if word.lstrip("-n").isdigit()), "10")
            extra.setdefault("resources", {})["nice"] = int(level)
        elif program == "ionice":
            joined = "".join(arguments)
            extra.setdefault("resources", {})["ionice"] = "idle" if "c3" in joined else "best-effort:7"
        elif program == "env":
            losses.append(f"{arguments[0].partition('=')[0]}: a job has no variables; see [[upstream]]")
        else:
            notes.append(f"{program}: left out; a job has a lock and limits of its own")
    for key, value in extra.items():
        job[key] = {**value, **job.get(key, {})}
    return job


def _unquoted(command: str) -> str:
    """The command without what stands in quotes that a shell does not look into."""
    return re.sub(r"'[^']*'|\"[^\"$`]*\"", "x", command)


def _script_of(words: list[str]) -> str | None:
    """The script that a command runs, if it is nothing but one."""
    rest = words[1:] if words and os.path.basename(words[0]) in ("sh", "bash", "dash") else words
    if len(rest) == 1 and rest[0].startswith("/") and os.path.basename(rest[0]) not in ("rsync", "tain"):
        return rest[0]
    return None


def _call_in(path: str) -> str:
    """The one call of rsync in a script. Errors: `Unusable`."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_LARGEST_SCRIPT)
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"{path}: {error.strerror if isinstance(error, OSError) else 'is no text'}") from None
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
    calls = [line for line in lines if re.match(r"(?:\S*/)?(?:rsync|tain)\s", line)]
    mentions = [line for line in lines if re.search(r"\brsync\s+-", line) and not line.startswith("#")]
    if len(calls) != 1 or len(mentions) > 1:
        raise Unusable(f"{path}: it has {len(mentions)} calls of rsync, not one at the beginning of a line")
    return calls[0]

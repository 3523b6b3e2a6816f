"""The state as other status pages want it: tunasync's, Yuki's and mirrorz' documents. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tain.mirror.states import EXIT_HELD_DELETIONS

if TYPE_CHECKING:
    from tain.mirror.model import Site

#: The time of tunasync that means never: the first second of year 1 in UTC.
_NEVER = -62135596800
_PRE = frozenset(("queued", "starting", "probing"))
_GOOD = frozenset(("success", "unchanged", "partial"))


def _seconds(stamp: str | None) -> int | None:
    return None if stamp is None else int(datetime.fromisoformat(stamp).timestamp())


def _time(moment: int | None, zone: str | None) -> str:
    if moment is None:
        return "0001-01-01 00:00:00 +0000"
    local = datetime.fromtimestamp(moment, UTC).astimezone(None if zone is None else ZoneInfo(zone))
    return local.strftime("%Y-%m-%d %H:%M:%S %z")


def size_text(value: int | None) -> str:
    """A size as rsync's human-readable output has it: ``1.91T``."""
    if value is None:
        return "unknown"
    number = float(value)
    for unit in ("", "K", "M", "G", "T"):
        if number < 1000:
            return f"{number:.2f}{unit}" if unit else str(value)
        number /= 1000
    return f"{number:.2f}P"


def _tunasync_status(job: Mapping[str, Any]) -> str:
    if job["state"] == "disabled":
        return "disabled"
    if job["run"] is not None:
        return "pre-syncing" if job["run"]["phase"] in _PRE else "syncing"
    if job["state"] == "queued":
        return "pre-syncing"
    last, hold = job["last"], job["hold"]
    if job["paused"] is not None or (hold is not None and hold["kind"] != "deletions"):
        return "paused"
    if last is None:
        return "none"
    held_deletions = last["result"] == "held" and last["exit_code"] == EXIT_HELD_DELETIONS
    return "success" if last["result"] in _GOOD or held_deletions else "failed"


def tunasync(document: Mapping[str, Any], zone: str | None) -> list[dict[str, Any]]:
    """The list that tunasync's manager serves at ``/jobs``. *document*: the status; *zone*: of the times."""
    found = []
    for job in document["jobs"]:
        last, run = job["last"], job["run"]
        ended = None if last is None else _seconds(last["ended"])
        started = _seconds(run["started"]) if run is not None else None if last is None else _seconds(last["started"])
        times = {
            "last_update": _seconds(job["last_good"]),
            "last_started": started,
            "last_ended": ended,
            "next_schedule": _seconds(job["next"]),
        }
        entry: dict[str, Any] = {"name": job["name"], "is_master": True, "status": _tunasync_status(job)}
        for key, moment in times.items():
            entry[key] = _time(moment, zone)
            entry[f"{key}_ts"] = _NEVER if moment is None else moment
        entry["upstream"] = job["upstream"] or ""
        entry["size"] = size_text(job["size"]["bytes"])
        found.append(entry)
    return found


def yuki(document: Mapping[str, Any], _zone: str | None) -> list[dict[str, Any]]:
    """The list that Yuki serves at ``/api/v1/metas``."""
    found = []
    for job in document["jobs"]:
        last = job["last"]
        good = _seconds(job["last_good"])
        ended = None if last is None else _seconds(last["ended"])
        found.append(
            {
                "name": job["name"],
                "upstream": job["upstream"] or "",
                "syncing": job["run"] is not None,
                "size": -1 if job["size"]["bytes"] is None else job["size"]["bytes"],
                "exitCode": -1 if last is None or last["exit_code"] is None else last["exit_code"],
                "lastSuccess": good or 0,
                "updatedAt": ended or 0,
                "prevRun": ended or 0,
                "nextRun": _seconds(job["next"]) or 0,
            }
        )
    return found


def _mirrorz_status(job: Mapping[str, Any]) -> str:
    status = _tunasync_status(job)
    last = None if job["last"] is None else _seconds(job["last"]["ended"])
    good = _seconds(job["last_good"])
    if status == "success":
        text = f"S{good or last or ''}"
    elif status in ("syncing", "pre-syncing"):
        begun = None if job["run"] is None else _seconds(job["run"]["started"])
        text = f"{'Y' if status == 'syncing' else 'D'}{begun or ''}"
    elif status == "failed":
        text = f"F{last or ''}"
    elif status in ("paused", "disabled"):
        text = f"P{last or ''}"
    else:
        return "U"
    following = _seconds(job["next"])
    if following is not None:
        text += f"X{following}"
    if status != "success" and good is not None:
        text += f"O{good}"
    return text


def mirrorz(document: Mapping[str, Any], site: Site) -> dict[str, Any]:
    """The document of mirrorz 1.4."""
    url, name = site.url.rstrip("/"), site.name or os.uname().nodename
    return {
        "version": 1.4,
        "site": {
            "url": url, "abbr": site.abbr or name, "name": name,
            "homepage": site.homepage or url, "issue": site.issue, "email": site.admin, "disk": site.disk,
            "note": site.note,
        },
        "info": [],
        "mirrors": [
            {
                "cname": job["name"], "desc": job["description"], "url": job["url"] or f"/{job['name']}/",
                "status": _mirrorz_status(job), "help": job["help"], "upstream": job["upstream"] or "",
                "size": size_text(job["size"]["bytes"]),
            }
            for job in document["jobs"]
        ],
    }  # fmt: skip

"""What a run says: its lines while it runs, and its last ones. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tain.mirror.guards import ADVICE, share
from tain.mirror.stages import host_of, is_local
from tain.mirror.words import bytes_text, took, visible
from tain.report import quantities

#: Names of deletions that a message shows.
_FIRST = 3
_BIG_NAMES = 1 << 16


def event_line(event: Mapping[str, Any], name: str) -> str | None:
    """The line of an event of a run, if it has one."""
    kind = event["ev"]
    if kind == "choice":
        usable = f" ({event['usable']} of {event['of']} usable)" if event["of"] > 1 else ""
        return f"{name}: from {visible(event['upstream'])}{usable}"
    if kind == "stage":
        head = f"{event['stage']:<8} {files_text(event['files'])}, {bytes_text(event['size'])}"
        return f"{head}  done in {took(event['seconds'])}"
    if kind == "plan":
        number, entries = event["deletions"], event["entries"]
        outcome = "within limits" if event["refused"] is None else "held"
        return f"delete   {number:,} of {entries:,} ({share(number, entries)}): {outcome}"
    if kind == "message":
        return f"{name}: {visible(event['text'])}"
    return None


def files_text(number: int) -> str:
    """``1 file``, ``2 files``."""
    return quantities.counted(number, "file", "files")


def progress_text(event: Mapping[str, Any], stage: str) -> str:
    """The progress of a stage in one line."""
    done, total = event["bytes"]
    parts = [f"{stage:<8} {event['files']:,} files, {bytes_text(done)}"]
    if event["fraction"] is not None:
        parts = [f"{stage:<8} {int(event['fraction'] * 100)} % of {bytes_text(total)}"]
    if event["rate"]:
        parts.append(f"{bytes_text(event['rate'])}/s")
    if event["left"] is not None:
        parts.append(f"{took(event['left'])} left")
    return ", ".join(parts)


def end_lines(document: Mapping[str, Any], *, first: list[str], dry_run: bool = False) -> list[str]:
    """The last lines of a run. *first*: names of deletions that were held."""
    name, result, why = document["job"], document["result"], visible(document["why"] or "")
    if result == "success":
        return [f"{name}: {_success(document, dry_run=dry_run)}"]
    if result == "held":
        return _held(document, why, first)
    seconds = took(document["seconds"] or 0)
    if result == "partial":
        return [f"{name}: partial after {seconds}: {why}; nothing was deleted"]
    if result == "failed":
        tries = document["attempts"] or 0
        lines = [f"{name}: failed after {seconds}{f' and {tries} attempts' if tries > 1 else ''}: {why}"]
        if document["hint"]:
            lines.append(f"  hint {document['hint']}: {visible(document['hint_text'])}")
        return lines
    if result == "cancelled":
        return [f"{name}: cancelled after {seconds}: {why} (partial data kept)"]
    return [f"{name}: {result}: {why}"]


def _success(document: Mapping[str, Any], *, dry_run: bool) -> str:
    figures = {key: document[key] or 0 for key in ("new", "changed", "deleted", "received", "literal")}
    changes = f"{figures['new']:,} new, {figures['changed']:,} changed, {figures['deleted']:,} deleted"
    if dry_run:
        return f"dry run: {changes}"
    seconds = document["seconds"] or 0.0
    if document.get("kind") == "command":
        size = f": {bytes_text(document['bytes'])}" if document["bytes"] is not None else ""
        return f"success in {took(seconds)}{size}"
    upstream = document["upstream"] or ""
    if is_local(upstream):
        return (
            f"success in {took(seconds)} from {visible(upstream)}: {changes}; copied {bytes_text(figures['literal'])}"
        )
    rate = bytes_text(figures["received"] / max(seconds, 0.1))
    speedup = f", speed-up {document['speedup']:.0f}" if document["speedup"] else ""
    received = f"received {bytes_text(figures['received'])} at {rate}/s{speedup}"
    return f"success in {took(seconds)} from {visible(host_of(upstream))}: {changes}; {received}"


def _held(document: Mapping[str, Any], why: str, first: list[str]) -> list[str]:
    name, kind = document["job"], document.get("hold")
    # Without a plan, no deletion was held: the run itself was.
    number = document["planned_deletes"]
    if document["exit_code"] != 25:
        lines = [f"{name}: held: {why}"]
    else:
        updated = (document["new"] or 0) + (document["changed"] or 0)
        were = "was" if updated == 1 else "were"
        lines = [f"{name}: held: {why}. Nothing was deleted; {files_text(updated)} {were} updated."]
        if first:
            more = ", ..." if (number or 0) > len(first) else ""
            lines.append(f"  first: {', '.join(first)}{more} (tain mirror log {name} --deletes)")
        if number:
            lines.append("  " + ADVICE["deletions"].format(job=name, n=number))
        return lines
    advice = ADVICE.get(kind or "")
    if advice is not None:
        lines.append("  " + advice.format(job=name, n=number))
    return lines


def first_names(path: str, most: int = _FIRST) -> list[str]:
    """The first names of a file of names that each end with a NUL, for a screen."""
    try:
        with open(path, "rb") as file:
            data = file.read(_BIG_NAMES)
    except OSError:
        return []
    return [visible(os.fsdecode(name)) for name in data.split(b"\0")[:-1][:most]]

"""Which messages are sent, and when again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tain.mirror.model import Notify

#: Kinds after which a good run is worth a message.
_BAD = frozenset(("failed", "held", "stale", "mismatch", "disk", "partial"))


def kind_of(document: Mapping[str, Any], *, stale: bool) -> str | None:
    """The kind of message that a run asks for. *stale*: the content of its job is too old."""
    result = document["result"]
    if result in ("success", "unchanged"):
        return "success" if result == "success" else None
    if document.get("mismatch"):
        return "mismatch"
    if result in ("failed", "lost"):
        return "failed"
    if result == "held":
        return "disk" if document.get("hold") == "disk" else "held"
    if stale:
        return "stale"
    return result if result in ("partial", "deferred") else None


def decide(
    rules: Notify, document: Mapping[str, Any], row: Mapping[str, Any], now: float, *, stale: bool
) -> tuple[str | None, dict[str, Any]]:
    """The kind of message to send, if any, and the columns of the job that change. *row* is that of the job after the
    run."""
    kind = kind_of(document, stale=stale)
    reported, at = row.get("reported_kind"), row.get("reported_at") or 0.0
    if document["result"] in ("success", "unchanged"):
        if reported in _BAD:
            cleared = {"reported_kind": None, "reported_at": None}
            return ("recovered" if "recovered" in rules.on else None), cleared
        return (kind if kind in rules.on else None), {}
    if kind is None or kind not in rules.on:
        return None, {}
    if kind == "failed" and int(row.get("failures") or 0) < rules.after:
        return None, {}
    if kind == reported and now - at < rules.repeat:
        return None, {}
    return kind, {"reported_kind": kind, "reported_at": now}

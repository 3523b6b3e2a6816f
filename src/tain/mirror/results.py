"""What the end of a run changes in the state of its job. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tain.mirror.states import EXIT_HELD_DELETIONS, PARTIAL_LIMIT, RESULTS

#: Columns of a job that hold what was held.
_NO_HOLD = dict.fromkeys(("hold", "hold_why", "hold_run", "hold_at", "hold_deletes"))


def apply_result(before: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a job that change. *before* is its row, *document* the `run.json` of the run."""
    refusal, now = document.get("hold"), document["ended"]
    result = document["result"]
    values: dict[str, Any] = {"last_run": document["id"]}
    if document["upstream"] is not None:
        values["upstream"] = document["upstream"]
    if result == "unchanged":
        return {**values, "last_check": now, "failures": 0, "partials": 0}
    if RESULTS[result] and document["files"] is None and document.get("kind") != "command":
        # A single stage has not seen the whole tree.
        return values
    if RESULTS[result]:
        values.update(
            _NO_HOLD, failures=0, partials=0, last_good=now, last_check=now, files=document["files"],
            bytes=before.get("bytes") if document["bytes"] is None else document["bytes"],
            source_dev=document.get("source_dev"), dest_dev=document.get("dest_dev"),
        )  # fmt: skip
        values.update(_content(document))
        return values
    if result == "held":
        # Held deletions: everything else was mirrored, so the content is new.
        deletions = document["exit_code"] == EXIT_HELD_DELETIONS
        values.update(
            hold="deletions" if deletions else refusal,
            hold_why=document["why"],
            hold_run=document["id"],
            hold_at=before.get("hold_at") if before.get("hold") else now,
            hold_deletes=document["planned_deletes"],
        )
        if deletions:
            values.update(_content(document), last_check=now, failures=0)
        return values
    if result == "partial":
        partials = int(before.get("partials") or 0) + 1
        values["partials"] = partials
        if partials >= PARTIAL_LIMIT:
            values["failures"] = int(before.get("failures") or 0) + 1
    elif RESULTS[result] is False:
        values["failures"] = int(before.get("failures") or 0) + 1
    return values


def _content(document: Mapping[str, Any]) -> dict[str, Any]:
    """How new the content is. Without a stamp of the upstream, it is as new as the list that was mirrored."""
    moment = document.get("content_time")
    return {
        "content_time": document["started"] if moment is None else moment,
        "content_stamp": document.get("content_stamp"),
    }

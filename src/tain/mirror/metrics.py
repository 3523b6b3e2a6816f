"""The state as figures for Prometheus. No name that came from a transfer is a label."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from prometheus_client.core import CollectorRegistry, CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from tain.mirror import queries
from tain.mirror.states import STATES
from tain.mirror.store import Store
from tain.release import VERSION

_PREFIX = "tain_mirror_"
#: Times of a job: figure, key of the document, help.
_TIMES = (
    ("content_timestamp_seconds", "content_time", "Time of the content"),
    ("last_success_timestamp_seconds", "last_good", "End of the last good run"),
    ("next_run_timestamp_seconds", "next", "Start of the next run"),
)


class _State(Collector):
    def __init__(self, document: Mapping[str, Any], store: Store, disks: Sequence[Mapping[str, Any]]) -> None:
        self._document, self._store, self._disks = document, store, disks

    def collect(self) -> Iterable[Metric]:
        jobs = self._document["jobs"]
        yield from _states(jobs)
        yield from _times(jobs)
        yield from _figures(jobs)
        yield from self._counters()
        yield from self._upstreams(jobs)
        for key in ("running", "queued"):
            family = GaugeMetricFamily(_PREFIX + key, f"Jobs that are {key}")
            family.add_metric([], sum(job["state"] == key for job in jobs))
            yield family
        family = GaugeMetricFamily(_PREFIX + "filesystem_free_bytes", "Free bytes of a destination", labels=["mount"])
        for disk in self._disks:
            family.add_metric([disk["mount"]], disk["free"])
        yield family
        family = GaugeMetricFamily(_PREFIX + "build_info", "The version of this server", labels=["version"])
        family.add_metric([VERSION], 1)
        yield family

    def _counters(self) -> Iterator[Metric]:
        runs = CounterMetricFamily(_PREFIX + "runs", "Runs that have ended", labels=["job", "result"])
        sums: dict[str, list[int]] = {}
        known = {job["name"] for job in self._document["jobs"]}
        for row in queries.totals(self._store):
            if row["job"] not in known:
                continue
            runs.add_metric([row["job"], row["result"]], row["count"])
            found = sums.setdefault(row["job"], [0, 0])
            found[0] += row["received"]
            found[1] += row["deleted"]
        yield runs
        for number, (key, text) in enumerate((("received_bytes", "Received bytes"), ("deleted_entries", "Deletions"))):
            family = CounterMetricFamily(_PREFIX + key, text, labels=["job"])
            for name, values in sums.items():
                family.add_metric([name], values[number])
            yield family

    def _upstreams(self, jobs: Sequence[Mapping[str, Any]]) -> Iterator[Metric]:
        up = GaugeMetricFamily(_PREFIX + "upstream_up", "The upstream answered", labels=["job", "upstream"])
        lag = GaugeMetricFamily(_PREFIX + "upstream_lag_seconds", "Behind the freshest", labels=["job", "upstream"])
        for job in jobs:
            rows = self._store.upstreams(job["name"])
            freshest = max((row["content_time"] for row in rows.values() if row["content_time"]), default=None)
            for url, row in rows.items():
                labels = [job["name"], url]
                if row["reachable"] is not None:
                    up.add_metric(labels, row["reachable"])
                if row["content_time"] and freshest is not None:
                    lag.add_metric(labels, freshest - row["content_time"])
        yield up
        yield lag


def _states(jobs: Sequence[Mapping[str, Any]]) -> Iterator[Metric]:
    family = GaugeMetricFamily(_PREFIX + "state", "The state of a job", labels=["job", "state"])
    for job in jobs:
        for state in STATES:
            family.add_metric([job["name"], state], job["state"] == state)
    yield family


def _times(jobs: Sequence[Mapping[str, Any]]) -> Iterator[Metric]:
    for name, key, text in _TIMES:
        family = GaugeMetricFamily(_PREFIX + name, text, labels=["job"])
        for job in jobs:
            if job[key] is not None:
                family.add_metric([job["name"]], datetime.fromisoformat(job[key]).timestamp())
        yield family
    family = GaugeMetricFamily(_PREFIX + "last_run_timestamp_seconds", "End of the last run", labels=["job"])
    for job in jobs:
        if job["last"] is not None and job["last"]["ended"] is not None:
            family.add_metric([job["name"]], datetime.fromisoformat(job["last"]["ended"]).timestamp())
    yield family


def _figures(jobs: Sequence[Mapping[str, Any]]) -> Iterator[Metric]:
    def last(job: Mapping[str, Any], key: str) -> Any:
        return None if job["last"] is None else job["last"][key]

    figures: tuple[tuple[str, str, Callable[[Mapping[str, Any]], Any]], ...] = (
        ("last_run_duration_seconds", "Length of the last run", lambda job: last(job, "seconds")),
        ("last_exit_code", "Exit code of the last run", lambda job: last(job, "exit_code")),
        ("consecutive_failures", "Bad results in a row", lambda job: job["failures"]),
        ("files", "Entries of the tree", lambda job: job["size"]["files"]),
        ("bytes", "Bytes of the tree", lambda job: job["size"]["bytes"]),
        ("held_deletions", "Deletions that wait for a person", lambda job: (job["hold"] or {}).get("deletions") or 0),
    )
    for name, text, value in figures:
        family = GaugeMetricFamily(_PREFIX + name, text, labels=["job"])
        for job in jobs:
            figure = value(job)
            if figure is not None:
                family.add_metric([job["name"]], figure)
        yield family


def text(document: Mapping[str, Any], store: Store, disks: Sequence[Mapping[str, Any]]) -> str:
    """The text that Prometheus reads. *document*: the status. Errors: `sqlite3.Error`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_State(document, store, disks))
    return generate_latest(registry).decode()


def write_textfile(path: str, content: str) -> None:
    """Write the text for node_exporter, which sees the old file or the new one. Errors: `OSError`."""
    temporary = f"{path}.{os.getpid()}"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise

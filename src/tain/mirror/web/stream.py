"""Changes as they happen, for browsers and programs. Each sees what it may see."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tain.mirror.web.auth import Visitor
from tain.mirror.web.text import Words, seconds_of

if TYPE_CHECKING:
    from tain.mirror.web.pages import Pages

#: Seconds between two looks while somebody listens.
STEP = 0.5
MOST, MOST_OF_ADDRESS = 200, 8
_KEPT = 500
#: Events that wait for a slow reader before its stream ends.
_WAITING = 100


@dataclass(eq=False)
class Subscriber:
    """One stream."""

    address: str
    visitor: Visitor
    words: Words
    job: str | None
    queue: asyncio.Queue[tuple[int, str, str] | None] = field(default_factory=lambda: asyncio.Queue(_WAITING + 1))


class Hub:
    """Notices what changes while somebody listens."""

    def __init__(self, pages: Pages) -> None:
        self._pages, self._view = pages, pages.view
        self._subscribers: set[Subscriber] = set()
        self._kept: deque[tuple[int, str, str]] = deque(maxlen=_KEPT)
        # Numbers of another server are older.
        self._number = int(self._view.now()) * 1000
        self._known: dict[str, tuple[object, object]] = {}
        self._last_event = 0
        self._task: asyncio.Task[None] | None = None

    def subscribe(self, subscriber: Subscriber, last: int | None) -> bool:
        """Whether there is room for another stream. *last*: the number of the last event that it has seen."""
        same = sum(other.address == subscriber.address for other in self._subscribers)
        if len(self._subscribers) >= MOST or same >= MOST_OF_ADDRESS:
            return False
        if last is not None:
            missed = {(kind, name): (number, kind, name) for number, kind, name in self._kept if number > last}
            for item in sorted(missed.values())[-_WAITING:]:
                subscriber.queue.put_nowait(item)
        self._subscribers.add(subscriber)
        if self._task is None or self._task.done():
            self._known = self._state()
            self._last_event = self._newest_event()
            self._task = asyncio.ensure_future(self._follow())
        return True

    def close(self) -> None:
        """End all streams."""
        for subscriber in self._subscribers:
            self._end(subscriber)
        if self._task is not None:
            self._task.cancel()

    @staticmethod
    def _end(subscriber: Subscriber) -> None:
        while subscriber.queue.full():
            subscriber.queue.get_nowait()
        subscriber.queue.put_nowait(None)

    # ---- noticing

    async def _follow(self) -> None:
        while self._subscribers:
            await asyncio.sleep(STEP)
            with contextlib.suppress(sqlite3.Error):
                self._look()

    def _state(self) -> dict[str, tuple[object, object]]:
        found: dict[str, tuple[object, object]] = {}
        for job in self._view.snapshot().document["jobs"]:
            run = job["run"]
            last = None if job["last"] is None else job["last"]["id"]
            lasting = (
                job["state"],
                last,
                job["next"],
                None if run is None else (run["id"], run["phase"], run["stage"]),
            )
            found[job["name"]] = (
                (*lasting, str(job["hold"]), job["waiting"]),
                None if run is None else str(run["progress"]),
            )
        return found

    def _newest_event(self) -> int:
        newest = self._view.service.store.events(limit=1)
        return newest[0]["id"] if newest else 0

    def _look(self) -> None:
        now = self._state()
        for name, (lasting, progress) in now.items():
            before = self._known.get(name)
            if before is None or before[0] != lasting:
                self._publish("state", name)
            elif before[1] != progress:
                self._publish("progress", name)
        self._known = now
        newest = self._newest_event()
        if newest != self._last_event:
            self._last_event = newest
            self._publish("event", "")

    def _publish(self, kind: str, name: str) -> None:
        self._number += 1
        item = (self._number, kind, name)
        self._kept.append(item)
        for subscriber in list(self._subscribers):
            if subscriber.job not in (None, name) and kind != "event":
                continue
            if subscriber.queue.qsize() >= _WAITING:
                self._subscribers.discard(subscriber)
                self._end(subscriber)
            else:
                subscriber.queue.put_nowait(item)

    # ---- telling

    async def events(self, subscriber: Subscriber) -> AsyncIterator[dict[str, Any]]:
        """What the stream sends."""
        try:
            while (item := await subscriber.queue.get()) is not None:
                number, kind, name = item
                data = self.data(subscriber, kind, name)
                if data is not None:
                    yield {"id": str(number), "event": kind, "data": json.dumps(data)}
        finally:
            self._subscribers.discard(subscriber)

    def data(self, subscriber: Subscriber, kind: str, name: str) -> dict[str, Any] | None:
        """An event as its reader may see it; None: not at all."""
        visitor, words = subscriber.visitor, subscriber.words
        words.now = self._view.now()
        if kind == "event":
            if not visitor.views:
                return None
            return {"events": self._view.service.store.events(limit=1)}
        job = next((job for job in self._view.document(visitor)["jobs"] if job["name"] == name), None)
        if job is None:
            return None
        card = self._pages.card(job, words, visitor)
        return {
            "name": name,
            "state": job["state"],
            "share": card["share"],
            "run": job["run"],
            "text": {
                "state": card["state_text"],
                "sentence": card["sentence"],
                "note": card["note"],
                "age": card["age_text"],
                "good": words.ago(card["good_at"]),
                "next": words.ago(seconds_of(job["next"])) if job["next"] else "-",
                "statement": self._pages.statement(words, visitor),
            },
        }

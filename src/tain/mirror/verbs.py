"""What a person may ask of a job: start, stop, hold, release. The command line, the control socket and the page use the
same functions, and each leaves a line in the audit log."""

from __future__ import annotations

import os
from datetime import datetime

from tain.mirror import states, words
from tain.mirror.locks import Holder, holder_of
from tain.mirror.runs import Layout, update_control, write_json
from tain.mirror.store import Store

#: A release is good for so long, and for so many more deletions than were planned.
TICKET_LIFE = 24 * words.HOUR
_TICKET_EXTRA = 0.05


class Refused(Exception):
    """The state of a job does not allow this. `code` is the exit code of the command."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def start(store: Store, name: str, who: str, now: float, *, at_once: bool = False, trigger: str = "hand") -> None:
    """Ask the server for a run. While the job runs, this makes one further run. *at_once*: the limit of the site does
    not count. Errors: `sqlite3.Error`."""
    store.ask(name, trigger, who, now, at_once=at_once)
    store.event("start", "asked for a run", job=name, who=who)


def stop(layout: Layout, store: Store, name: str, who: str) -> Holder:
    """Ask the run of a job to end, whoever started it. Errors: `Refused`, `OSError`, `sqlite3.Error`."""
    holder = holder_of(layout.lock(name))
    if holder is None or not holder.run:
        raise Refused(f"{name}: does not run", states.EXIT_UNAVAILABLE)
    update_control(layout.run(name, holder.run), stop=True, by=who)
    store.event("stop", "asked the run to end", job=name, run=holder.run, who=who)
    return holder


def hold(layout: Layout, store: Store, name: str, who: str, why: str, now: float, until: float | None) -> str:
    """Pause a job: it does not start by its schedule. Errors: `OSError`, `sqlite3.Error`."""
    store.update_job(name, paused_by=who, paused_at=now, paused_until=until, paused_why=why)
    save_hold(layout, name, store)
    store.event("hold", why, job=name, who=who)
    running = "yes" if holder_of(layout.lock(name)) is not None else "no"
    text = "" if until is None else f" until {datetime.fromtimestamp(until).strftime('%H:%M')}"
    return f"{name}: paused{text} by {who} (running: {running})"


def release(layout: Layout, store: Store, name: str, who: str, now: float, deletes: int | None) -> str:
    """Resume a paused job, or let held deletions happen. Errors: `Refused`, `OSError`, `sqlite3.Error`."""
    row = store.job(name)
    kind = row["hold"]
    if row["paused_at"] is not None and deletes is None:
        store.update_job(name, paused_by=None, paused_at=None, paused_until=None, paused_why=None)
        store.event("release", "resumed", job=name, who=who)
        text = f"{name}: resumed"
    elif kind in ("source_dev", "dest_dev"):
        store.update_job(name, hold=None, hold_why=None, hold_run=None, hold_at=None, source_dev=None, dest_dev=None)
        store.event("release", f"{kind} accepted", job=name, who=who)
        text = f"{name}: the next run accepts the file system that it finds"
    elif kind == "deletions" or deletes is not None:
        planned = row["hold_deletes"]
        wanted = planned if deletes is None else deletes
        if wanted is None:
            raise Refused(f"{name}: say how many deletions are right: --deletes N", states.EXIT_USAGE)
        most = wanted + int(wanted * _TICKET_EXTRA)
        store.add_ticket(name, row["hold_run"], most, who, now, now + TICKET_LIFE)
        store.event("release", f"up to {most} deletions", job=name, who=who)
        end = datetime.fromtimestamp(now + TICKET_LIFE).strftime("%d %b %H:%M")
        text = (
            f"{name}: the next run may delete up to {most:,} entries (until {end}); tain mirror run {name} to begin now"
        )
    elif kind is not None:
        raise Refused(f"{name}: held because {row['hold_why']}; it ends by itself when that is over", states.EXIT_HELD)
    else:
        raise Refused(f"{name}: nothing is held", states.EXIT_DATA)
    save_hold(layout, name, store)
    return text


def save_hold(layout: Layout, name: str, store: Store) -> None:
    """Pauses and holds also stand in a file, for the day on which the database is lost. Errors: `OSError`."""
    row = store.job(name)
    values = {key: row[key] for key in row if key.startswith(("hold", "paused_")) and row[key] is not None}
    os.makedirs(layout.job(name), mode=0o750, exist_ok=True)
    write_json(os.path.join(layout.job(name), "hold.json"), values)

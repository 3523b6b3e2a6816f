"""``hold``, ``release``, ``stop`` and ``forget``: what a person decides."""

from __future__ import annotations

import os
import re
import shutil
from datetime import datetime, timedelta

import click

from tain.mirror import states, words
from tain.mirror.commands.common import App, Fail, complete_names, global_options, pass_app, who
from tain.mirror.loading import Config
from tain.mirror.locks import holder_of
from tain.mirror.runs import Layout, read_json, write_json
from tain.mirror.store import Store

#: A release is good for so long, and for so many more deletions than were planned.
_TICKET_LIFE = 24 * words.HOUR
_TICKET_EXTRA = 0.05
#: How long `stop` waits for the end of a run.
_STOP_PATIENCE = 60.0
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def _job(app: App, name: str) -> tuple[Config, Layout, Store]:
    config = app.config()
    if name not in config.jobs:
        raise click.UsageError(f"there is no job {name}")
    layout, store = app.open(config)
    return config, layout, store


def _until(text: str, now: float) -> float:
    """A time of day, the next one; or a duration from now."""
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        try:
            return now + words.duration(text)
        except ValueError:
            raise click.UsageError(
                f"{words.shown(text)} is no time such as 18:00, and no duration such as 2h"
            ) from None
    today = datetime.fromtimestamp(now)
    then = today.replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
    return (then if then > today else then + timedelta(days=1)).timestamp()


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option("--why", metavar="TEXT", default="", help="The reason, shown by status.")
@click.option("--until", metavar="TIME", help="A time of day, or a duration.")
@global_options
@pass_app
def hold(app: App, name: str, why: str, until: str | None) -> None:
    """Pause a job: it does not start by its schedule."""
    _config, layout, store = _job(app, name)
    try:
        now = app.clock.now()
        end = None if until is None else _until(until, now)
        values = {"paused_by": who(), "paused_at": now, "paused_until": end, "paused_why": why}
        store.update_job(name, **values)
        _write_hold(layout, name, store)
        store.event("hold", why, job=name, who=who())
        running = "yes" if holder_of(layout.lock(name)) is not None else "no"
    finally:
        store.close()
    text = "" if end is None else f" until {datetime.fromtimestamp(end).strftime('%H:%M')}"
    app.say(f"{name}: paused{text} by {who()} (running: {running})")


def _write_hold(layout: Layout, name: str, store: Store) -> None:
    """Pauses and holds also stand in a file, for the day on which the database is lost."""
    row = store.job(name)
    values = {key: row[key] for key in row if key.startswith(("hold", "paused_")) and row[key] is not None}
    os.makedirs(layout.job(name), mode=0o750, exist_ok=True)
    write_json(os.path.join(layout.job(name), "hold.json"), values)


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option("--deletes", type=click.IntRange(0), metavar="N", help="So many deletions are right.")
@global_options
@pass_app
def release(app: App, name: str, deletes: int | None) -> None:
    """Resume a paused job, or let held deletions happen."""
    _config, layout, store = _job(app, name)
    try:
        now = app.clock.now()
        row = store.job(name)
        kind = row["hold"]
        if row["paused_at"] is not None and deletes is None:
            store.update_job(name, paused_by=None, paused_at=None, paused_until=None, paused_why=None)
            store.event("release", "resumed", job=name, who=who())
            text = f"{name}: resumed"
        elif kind in ("source_dev", "dest_dev"):
            store.update_job(
                name, hold=None, hold_why=None, hold_run=None, hold_at=None, source_dev=None, dest_dev=None
            )
            store.event("release", f"{kind} accepted", job=name, who=who())
            text = f"{name}: the next run accepts the file system that it finds"
        elif kind == "deletions" or deletes is not None:
            planned = row["hold_deletes"]
            wanted = planned if deletes is None else deletes
            if wanted is None:
                raise click.UsageError("say how many deletions are right: --deletes N")
            most = wanted + int(wanted * _TICKET_EXTRA)
            store.add_ticket(name, row["hold_run"], most, who(), now, now + _TICKET_LIFE)
            store.event("release", f"up to {most} deletions", job=name, who=who())
            end = datetime.fromtimestamp(now + _TICKET_LIFE).strftime("%d %b %H:%M")
            text = (
                f"{name}: the next run may delete up to {most:,} entries (until {end}); "
                f"tain mirror run {name} to begin now"
            )
        elif kind is not None:
            raise Fail(f"{name}: held because {row['hold_why']}; it ends by itself when that is over", states.EXIT_HELD)
        else:
            raise Fail(f"{name}: nothing is held", states.EXIT_DATA)
        _write_hold(layout, name, store)
    finally:
        store.close()
    app.say(text)


@click.command()
@click.argument("name", shell_complete=complete_names)
@global_options
@pass_app
def stop(app: App, name: str) -> None:
    """Cancel a run, whoever started it; partial data is kept."""
    _config, layout, store = _job(app, name)
    store.close()
    began = app.clock.monotonic()
    holder = holder_of(layout.lock(name))
    if holder is None or not holder.run:
        raise Fail(f"{name}: does not run", states.EXIT_UNAVAILABLE)
    directory = layout.run(name, holder.run)
    write_json(os.path.join(directory, "control.json"), {"stop": True, "by": who()})
    while holder_of(layout.lock(name)) == holder:
        if app.clock.monotonic() - began > _STOP_PATIENCE:
            raise Fail(f"{name}: run {holder.run} does not end (process {holder.pid})", states.EXIT_INTERNAL)
        app.clock.sleep(0.05)
    document = read_json(os.path.join(directory, "run.json")) or {}
    seconds = app.clock.monotonic() - began
    if document.get("result") != "cancelled":
        app.say(f"{name}: run {holder.run} ended by itself: {document.get('result')}")
        return
    app.say(f"{name}: stopping run {holder.run} ... stopped after {seconds:.1f} s (partial data kept)")


@click.command()
@click.argument("name")
@global_options
@pass_app
def forget(app: App, name: str) -> None:
    """Remove the history of a job, also of one that is no longer configured."""
    config = app.config()
    layout, store = app.open(config)
    try:
        if name not in store.jobs() and name not in layout.jobs():
            raise click.UsageError(f"there is no job {name}")
        if holder_of(layout.lock(name)) is not None:
            raise Fail(f"{name}: runs now", states.EXIT_DEFERRED)
        store.forget(name)
        shutil.rmtree(layout.job(name), ignore_errors=True)
    finally:
        store.close()
    app.say(f"{name}: forgotten")

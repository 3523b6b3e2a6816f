"""``hold``, ``release``, ``stop`` and ``forget``: what a person decides."""

from __future__ import annotations

import os
import re
import shutil
from datetime import datetime, timedelta

import click

from tain.mirror import states, verbs, words
from tain.mirror.commands.common import App, Fail, complete_names, global_options, pass_app, who
from tain.mirror.loading import Config
from tain.mirror.locks import holder_of
from tain.mirror.runs import Layout, read_json
from tain.mirror.store import Store

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
        text = verbs.hold(layout, store, name, who(), why, now, None if until is None else _until(until, now))
    finally:
        store.close()
    app.say(text)


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option("--deletes", type=click.IntRange(0), metavar="N", help="So many deletions are right.")
@global_options
@pass_app
def release(app: App, name: str, deletes: int | None) -> None:
    """Resume a paused job, or let held deletions happen."""
    _config, layout, store = _job(app, name)
    try:
        text = verbs.release(layout, store, name, who(), app.clock.now(), deletes)
    except verbs.Refused as error:
        raise Fail(str(error), error.code) from None
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
    began = app.clock.monotonic()
    try:
        holder = verbs.stop(layout, store, name, who())
    except verbs.Refused as error:
        raise Fail(str(error), error.code) from None
    finally:
        store.close()
    directory = layout.run(name, holder.run)
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

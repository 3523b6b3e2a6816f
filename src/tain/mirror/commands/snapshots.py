"""``snapshots``: the dated trees of a job."""

from __future__ import annotations

from datetime import datetime

import click

from tain.mirror import retention
from tain.mirror.commands.common import App, Fail, complete_names, global_options, pass_app, select
from tain.mirror.documents import stamp
from tain.mirror.place import work_directory
from tain.mirror.states import EXIT_DATA
from tain.mirror.versions import snapshots_of
from tain.mirror.words import age, visible


@click.command()
@click.argument("name", shell_complete=complete_names)
@global_options
@pass_app
def snapshots(app: App, name: str) -> None:
    """List the snapshots of a job; each is a plain tree."""
    config = app.config()
    (chosen,) = select(config, [name])[:1]
    job = config.jobs[chosen].job
    if job.publish.mode != "snapshots":
        raise Fail(f"{chosen}: keeps no snapshots (publish.mode is {job.publish.mode})", EXIT_DATA)
    found = snapshots_of(job.destination, job.publish.name, work_directory(job))
    why = retention.kept(found, job.publish, job.timezone or config.site.timezone)
    if app.json:
        listed = [
            {"name": one.name, "at": stamp(one.at), "good": one.good, "kept_by": why.get(one.name)} for one in found
        ]
        app.print_json({"schema": "tain.mirror.snapshots/1", "job": chosen, "snapshots": listed})
        return
    now = app.clock.now()
    for one in found:
        moment = datetime.fromtimestamp(one.at).strftime("%d %b %Y %H:%M")
        note = "" if one.good else ", partial"
        rule = why.get(one.name, "goes after the next good run")
        click.echo(f"{visible(one.name)}  {moment}, {age(now - one.at)} old{note}; {rule}")

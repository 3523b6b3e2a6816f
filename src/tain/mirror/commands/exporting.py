"""``export``: jobs for cron and for systemd, and the schema of the configuration."""

from __future__ import annotations

import json
import os
import shutil
import sys

import click

from tain.mirror import exporters
from tain.mirror.commands.common import App, Ended, Fail, complete_names, global_options, listed, pass_app, select, who
from tain.mirror.effective import json_schema
from tain.mirror.states import EXIT_DATA, EXIT_STATE


@click.group()
def export() -> None:
    """Print jobs for cron, write units for systemd, print the schema of the configuration."""


def _program() -> str:
    return shutil.which("tain") or os.path.abspath(sys.argv[0])


@export.command()
@click.argument("names", nargs=-1, shell_complete=complete_names)
@click.option("--all", "everything", is_flag=True, help="All jobs.")
@click.option("--user", metavar="USER", help="Name a user in each line, as in /etc/cron.d.")
@global_options
@pass_app
def cron(app: App, names: tuple[str, ...], everything: bool, user: str | None) -> None:
    """Print the lines of a crontab."""
    if bool(names) == everything:
        raise click.UsageError("give names of jobs, or --all")
    config = app.config()
    code = 0
    for name in select(config, names) if names else listed(config):
        try:
            for line in exporters.crontab_line(name, config.jobs[name].job, program=_program(), user=user):
                click.echo(line)
        except ValueError as error:
            click.echo(f"{name}: {error}", err=True)
            code = EXIT_DATA
    raise Ended(code)


@export.command()
@click.argument("directory", type=click.Path(file_okay=False))
@click.option("--timers", is_flag=True, help="A timer for each job, instead of a server.")
@click.option("--user", metavar="USER", help="The user of the service; the calling one without.")
@global_options
@pass_app
def systemd(app: App, directory: str, timers: bool, user: str | None) -> None:
    """Write units into DIRECTORY, such as /etc/systemd/system."""
    config = app.config()
    fields = {"program": _program(), "config": os.path.abspath(config.file), "user": user or who()}
    files = {}
    code = 0
    if timers:
        files["tain-mirror@.service"] = exporters.ONE.format(**fields)
        for name, loaded in config.jobs.items():
            if loaded.job.manual or not loaded.job.enabled:
                continue
            try:
                files[f"tain-mirror@{name}.timer"] = exporters.timer(name, loaded.job)
            except ValueError as error:
                click.echo(f"{name}: {error}", err=True)
                code = EXIT_DATA
    else:
        # The work directories stand beside the destinations.
        places = sorted({os.path.dirname(os.path.normpath(item.job.destination)) for item in config.jobs.values()})
        files["tain-mirror.service"] = exporters.SERVICE.format(**fields, places=" ".join(places))
    for file, text in files.items():
        path = os.path.join(directory, file)
        try:
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(text)
        except OSError as error:
            raise Fail(f"{path} cannot be written: {error.strerror}", EXIT_STATE) from error
        app.say(f"wrote {path}")
    raise Ended(code)


@export.command("json-schema")
@global_options
def schema() -> None:
    """Print the JSON Schema of the configuration."""
    click.echo(json.dumps(json_schema(), indent=1))

"""``import``: jobs from a crontab, a command line, or the configuration of another tool."""

from __future__ import annotations

import os
import sys
from typing import Any

import click
import tomlkit

from tain.mirror import loading
from tain.mirror.commands.common import App, Ended, Fail, global_options, pass_app
from tain.mirror.commands.configure import add_jobs
from tain.mirror.importers.words import Imported, Unusable, job_name
from tain.mirror.states import EXIT_DATA, EXIT_STATE
from tain.mirror.words import visible


@click.group("import")
def imports() -> None:
    """Make jobs from a crontab, a command line, or the configuration of another tool."""


_WRITE = click.option("--write", is_flag=True, help="Add the jobs to the configuration.")


@imports.command()
@click.argument("file", type=click.Path(dir_okay=False), required=False)
@click.option("--users/--no-users", default=None, help="Its lines name a user, as those of /etc/crontab do.")
@_WRITE
@global_options
@pass_app
def crontab(app: App, file: str | None, users: bool | None, write: bool) -> None:
    """Read a crontab; without FILE, standard input (crontab -l | ...)."""
    from tain.mirror.importers.crontab import read_crontab

    text = _read(file)
    path = os.path.abspath(file or "")
    named = users if users is not None else path == "/etc/crontab" or path.startswith("/etc/cron.d/")
    _end(app, read_crontab(text, with_users=named, taken=_taken(app, write)), write)


@imports.command()
@click.argument("file", type=click.Path(dir_okay=False))
@_WRITE
@global_options
@pass_app
def tunasync(app: App, file: str, write: bool) -> None:
    """Read the configuration of a worker of tunasync."""
    from tain.mirror.importers.tunasync import read_worker

    try:
        found = read_worker(file, os.path.dirname(os.path.abspath(app.file())), _taken(app, write))
    except Unusable as error:
        raise Fail(str(error), EXIT_DATA) from None
    _end(app, found, write)


@imports.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False))
@_WRITE
@global_options
@pass_app
def ftpsync(app: App, files: tuple[str, ...], write: bool) -> None:
    """Read configurations of ftpsync (ftpsync.conf), and the downstreams of runmirrors.mirror for all of them."""
    from tain.mirror.importers.ftpsync import read_ftpsync, read_runmirrors

    whole, taken = Imported(), _taken(app, write)
    downstreams = []
    try:
        for file in files:
            if os.path.basename(file).startswith("runmirrors"):
                downstreams += read_runmirrors(file, whole.losses)
                continue
            found = read_ftpsync(file, os.path.dirname(os.path.abspath(app.file())), [*taken, *whole.jobs])
            whole.jobs.update(found.jobs)
            whole.secrets.update(found.secrets)
            whole.notes += found.notes
            whole.losses += found.losses
    except Unusable as error:
        raise Fail(str(error), EXIT_DATA) from None
    for job in whole.jobs.values() if downstreams else ():
        job["downstream"] = downstreams
    _end(app, whole, write)


@imports.command()
@click.argument("name")
@click.option("--every", metavar="DURATION", help="Run at this interval, such as 6h.")
@click.option("--cron", metavar="LINE", help='Run at these times, such as "30 2 * * *".')
@click.option("--manual", is_flag=True, help="Run only by hand.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@_WRITE
@global_options
@pass_app
def rsync(
    app: App, name: str, every: str | None, cron: str | None, manual: bool, words: tuple[str, ...], write: bool
) -> None:
    """Make job NAME from a command line: import rsync NAME --every 1d -- rsync -a host::module/ /srv/tree/"""
    from tain.mirror.importers.rsyncline import read_line, split_prefix

    if sum((every is not None, cron is not None, manual)) != 1:
        raise click.UsageError("give one of --every, --cron and --manual")
    found = Imported()
    try:
        (*_, (_, arguments)) = split_prefix(words)
        job = read_line(arguments, found.losses, found.notes)
    except Unusable as error:
        raise Fail(str(error), EXIT_DATA) from None
    job.update({key: value for key, value in (("every", every), ("cron", cron), ("manual", manual)) if value})
    found.jobs[job_name(name, ())] = job
    _end(app, found, write)


def _read(file: str | None) -> str:
    try:
        if file is None:
            return sys.stdin.read()
        with open(file, encoding="utf-8") as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise Fail(f"{file}: {reason}", EXIT_DATA) from None


def _taken(app: App, write: bool) -> list[str]:
    """The names of the jobs that a configuration has."""
    return list(loading.load_config(app.file()).jobs) if write else []


def _end(app: App, found: Imported, write: bool) -> None:
    """Print or write the jobs, and what a person should know. Errors: `Ended`, with the exit code."""
    if write:
        _write_secrets(found)
        path = app.file()
        add_jobs(path, found.jobs)
        for name in found.jobs:
            app.say(f'added job "{name}" to {path}')
    elif app.json:
        document = {"jobs": found.jobs, "notes": found.notes, "losses": found.losses}
        app.print_json({"schema": "tain.mirror.import/1", **document})
    else:
        click.echo(toml_of(found.jobs), nl=False)
    if not app.json:
        for kind, texts in (("note", found.notes), ("not carried over", found.losses)):
            for text in texts:
                click.echo(f"{kind}: {visible(text)}", err=True)
    raise Ended(EXIT_DATA if found.losses else 0)


def _write_secrets(found: Imported) -> None:
    for path, text in found.secrets.items():
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with open(fd, "w", encoding="utf-8") as file:
                file.write(text + "\n")
        except OSError as error:
            raise Fail(f"{path} cannot be written: {error.strerror}", EXIT_STATE) from error


def toml_of(jobs: dict[str, dict[str, Any]]) -> str:
    """The jobs as a configuration has them."""
    return tomlkit.dumps({"job": jobs}) if jobs else ""

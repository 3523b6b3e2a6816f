"""``serve``, ``start`` and ``reload``: the server, and what is asked of it."""

from __future__ import annotations

import os
import re
from dataclasses import replace

import click
import tomlkit
from pydantic import ValidationError

from tain.mirror import control, states, words
from tain.mirror.commands.common import (
    ONE_JOB_FILE,
    App,
    Ended,
    Fail,
    complete_names,
    global_options,
    pass_app,
    select,
    who,
)
from tain.mirror.model import JOB_NAME, Server
from tain.mirror.runs import Layout


@click.command()
@click.argument("source", required=False)
@click.argument("destination", required=False)
@click.option("--every", metavar="DURATION", help="The interval of the one job, such as 6h.")
@click.option("--profile", metavar="P", help="What kind of tree it is.")
@click.option("--listen", multiple=True, metavar="ADDRESS", help="Instead of server.listen: HOST:PORT, or unix:/path.")
@click.option("--drain", is_flag=True, help="Start nothing; end with the last run that goes on.")
@click.option("--no-web", is_flag=True, help="Show no page.")
@global_options
@pass_app
def serve(
    app: App,
    source: str | None,
    destination: str | None,
    every: str | None,
    profile: str | None,
    listen: tuple[str, ...],
    drain: bool,
    no_web: bool,
) -> None:
    """Run the jobs by their schedules, and show them in a browser.

    With SOURCE and DESTINATION, it serves one job and needs no configuration.
    """
    if source is not None:
        if destination is None or every is None:
            raise click.UsageError("a job needs SOURCE, DESTINATION and --every")
        app.config_file = _one_job(app, source, destination, every, profile)
    elif every is not None or profile is not None:
        raise click.UsageError("--every and --profile need SOURCE and DESTINATION")
    # A run from cron starts without any of it.
    import asyncio

    from tain.mirror.service import ServerRuns, Service

    config = app.config()
    if listen:
        try:
            server = Server.model_validate({**config.server.model_dump(), "listen": list(listen)})
        except ValidationError as error:
            raise click.UsageError(str(error.errors()[0]["ctx"]["error"])) from None
        config = replace(config, server=server)
    layout = app.layout(config)
    try:
        service = Service(config, layout, app.clock, drain=drain)
        if not no_web:
            from tain.mirror.web.app import Web

            service.fronts.append(Web(service))
    except ImportError as error:
        raise Fail(
            f"the page needs: pip install 'tain[mirror]' ({error.name} is missing)", states.EXIT_UNAVAILABLE
        ) from None
    except ServerRuns as error:
        raise Fail(str(error), states.EXIT_STATE) from None
    except OSError as error:
        raise Fail(f"{error.filename or layout.state}: {error.strerror}", states.EXIT_STATE) from error

    def ready(addresses: list[str]) -> None:
        jobs = f"{len(config.jobs)} {'job' if len(config.jobs) == 1 else 'jobs'}"
        places = ", ".join(addresses) or "no page"
        app.say(f"serving {jobs}: {places}")
        if source is not None:
            app.say(f"the job stands in {config.file}")

    try:
        raise Ended(asyncio.run(service.run(ready)))
    except KeyError as error:
        raise Fail(f"server.control_group: {error.args[0]}", states.EXIT_CONFIG) from None
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise Fail(f"{place}{error.strerror or error}", states.EXIT_STATE) from error


def _one_job(app: App, source: str, destination: str, every: str, profile: str | None) -> str:
    """Write the configuration of one job into the state directory; returns its name. Errors: `click.UsageError`."""
    try:
        words.duration(every)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    place = os.path.abspath(destination)
    name = re.sub(r"[^A-Za-z0-9._+-]+", "-", os.path.basename(place.rstrip("/"))).lstrip("._+-")[:64]
    if not JOB_NAME.fullmatch(name):
        name = "mirror"
    if "://" not in source and ":" not in source.split("/")[0]:
        source = os.path.abspath(source) + ("/" if source.endswith("/") else "")
    state = app.default_state()
    path = os.path.join(state, ONE_JOB_FILE)
    values = {"source": source, "destination": place, "every": every}
    document = {"job": {name: {**values, **({} if profile is None else {"profile": profile})}}}
    os.makedirs(state, mode=0o750, exist_ok=True)
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write("# Written by: tain mirror serve SOURCE DESTINATION\n" + tomlkit.dumps(document))
    os.chmod(temporary, 0o640)
    os.replace(temporary, path)
    return path


def _ask(app: App, question: control.Answer) -> tuple[Layout, control.Answer]:
    """Ask the server. Errors: `Fail`."""
    config = app.config()
    layout = app.layout(config)
    path = control.socket_path(layout, config.server.control_socket)
    try:
        answer = control.ask(path, {**question, "who": who()})
    except control.NoServer:
        raise Fail(f"no server works on {layout.state} (tain mirror serve)", states.EXIT_UNAVAILABLE) from None
    except OSError as error:
        raise Fail(f"{path}: {error.strerror or error}", states.EXIT_UNAVAILABLE) from error
    return layout, answer


@click.command()
@click.argument("names", nargs=-1, required=True, shell_complete=complete_names)
@click.option("--now", is_flag=True, help="The limit of runs of the site does not count.")
@global_options
@pass_app
def start(app: App, names: tuple[str, ...], now: bool) -> None:
    """Ask the server for runs of jobs."""
    for name in select(app.config(), names):
        _layout, answer = _ask(app, {"op": "start", "job": name, "now": now})
        if "error" in answer:
            raise Fail(str(answer["error"]), int(answer.get("code", states.EXIT_INTERNAL)))
        app.say(f"{name}: " + ("runs; it runs again when that has ended" if answer["again"] else "starts"))


@click.command()
@global_options
@pass_app
def reload(app: App) -> None:
    """Let the server read its configuration again."""
    _layout, answer = _ask(app, {"op": "reload"})
    if "error" in answer:
        for error in answer.get("errors", []):
            key = f"{error['key']}: " if error["key"] else ""
            click.echo(f"{error['file']}:{error['line']}: {key}{error['text']}", err=True)
        raise Fail(str(answer["error"]), int(answer["code"]))
    app.say(f"reloaded: {answer['jobs']} jobs")

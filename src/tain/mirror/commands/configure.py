"""``init``, ``add`` and ``check``: the configuration."""

from __future__ import annotations

import os
from typing import Any

import click
import tomlkit
from tomlkit.items import Table

from tain.mirror import facts, loading, states
from tain.mirror.checks import network_file_system
from tain.mirror.commands.common import App, Ended, Fail, global_options, pass_app, print_findings
from tain.mirror.effective import effective_lines
from tain.mirror.facts import existing
from tain.mirror.findings import ConfigError, Finding
from tain.mirror.loading import Config
from tain.mirror.merging import Origin
from tain.mirror.model import JOB_NAME
from tain.mirror.positions import lines_of
from tain.mirror.stages import host_of
from tain.mirror.words import visible

_FIRST_FILE = """\
# The jobs of tain mirror. Each key: tain mirror check --effective NAME shows what is in force, and where it comes from.

[site]
# name = "Example Mirrors"
# timezone = "Europe/Berlin"

[defaults]
# resources = { nice = 10, ionice = "idle" }
"""
#: Names at the root of a tree, each with the profile that it suggests.
_SIGNS = (
    (frozenset((b"dists", b"pool")), "debian"),
    (frozenset((b"repodata",)), "rpm"),
    (frozenset((b"lastupdate", b"lastsync")), "arch"),
    (frozenset((b"last-updated",)), "alpine"),
    (frozenset((b"authors", b"modules")), "cpan"),
    (frozenset((b"macros", b"systems")), "ctan"),
)


@click.command()
@click.option("--system", is_flag=True, help="Write the configuration of the whole machine.")
@global_options
@pass_app
def init(app: App, system: bool) -> None:
    """Write a first configuration."""
    named = app.config_file or os.environ.get("TAIN_MIRROR_CONFIG")
    path = named or (loading.SYSTEM_FILE if system or os.geteuid() == 0 else loading.user_file())
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with open(path, "x", encoding="utf-8") as file:
            file.write(_FIRST_FILE)
    except FileExistsError:
        raise Fail(f"{path} exists already", states.EXIT_STATE) from None
    except OSError as error:
        raise Fail(f"{path} cannot be written: {error.strerror}", states.EXIT_STATE) from error
    app.say(f"wrote {path} (no jobs yet)")
    app.say("next:  tain mirror add samba rsync://rsync.samba.org/samba/ /srv/mirror/samba --every 6h")
    app.say("       tain mirror run samba")
    app.say("       tain mirror serve            # then http://127.0.0.1:8730/")


@click.command()
@click.argument("name")
@click.argument("source")
@click.argument("destination")
@click.option("--every", metavar="DURATION", help="Run at this interval, such as 6h.")
@click.option("--cron", metavar="LINE", help='Run at these times, such as "30 2 * * *".')
@click.option("--manual", is_flag=True, help="Run only by hand.")
@click.option("--profile", metavar="P", help="What kind of tree it is.")
@click.option("--no-probe", is_flag=True, help="Do not contact the upstream.")
@global_options
@pass_app
def add(
    app: App,
    name: str,
    source: str,
    destination: str,
    every: str | None,
    cron: str | None,
    manual: bool,
    profile: str | None,
    no_probe: bool,
) -> None:
    """Add a job to the configuration."""
    if JOB_NAME.fullmatch(name) is None:
        raise click.UsageError(f"{visible(name)!r} is no name of a job")
    if sum((every is not None, cron is not None, manual)) != 1:
        raise click.UsageError("give one of --every, --cron and --manual")
    path = app.file()
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        raise Fail(f"there is no {path}: run tain mirror init first", states.EXIT_CONFIG) from None
    except OSError as error:
        raise Fail(f"{path} cannot be read: {error.strerror}", states.EXIT_CONFIG) from error
    # What is wrong already is reported as it is.
    if name in loading.load_config(path).jobs:
        raise Fail(f"there is a job {name} already", states.EXIT_DATA)
    values: dict[str, Any] = {"profile": profile, "source": source, "destination": destination}
    values.update({"every": every, "cron": cron, "manual": manual or None})
    changed, line = _with_job(text, name, {key: value for key, value in values.items() if value is not None})
    _try(path, changed)
    if not no_probe:
        guessed = _probe(app, path, changed, name)
        if guessed is not None and profile is None:
            changed, line = _with_job(
                text, name, {"profile": guessed, **{k: v for k, v in values.items() if v is not None}}
            )
            _try(path, changed)
            profile = guessed
    _replace(path, changed)
    app.say(f'added job "{name}" (profile {profile or "plain"}) to {path}:{line}; first run: tain mirror run {name}')
    for finding in loading.load_config(path).findings:
        if finding.key.startswith(f"job.{name}."):
            click.echo(str(finding), err=True)


def add_jobs(path: str, jobs: dict[str, dict[str, Any]]) -> None:
    """Add jobs to a configuration; all of them, or none. Errors: `ConfigError`, `Fail`."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise Fail(f"{path} cannot be read: {error.strerror}", states.EXIT_CONFIG) from error
    for name, values in jobs.items():
        text, _ = _with_job(text, name, values)
    _try(path, text)
    _replace(path, text)


def _with_job(text: str, name: str, values: dict[str, Any]) -> tuple[str, int]:
    """The text with one more job at its end, comments kept; and the line of the job."""
    document = tomlkit.parse(text)
    job = tomlkit.table()
    for key, value in values.items():
        job.add(key, value)
    jobs = document.get("job")
    if isinstance(jobs, Table) and text.strip():
        jobs.append(name, job)
    else:
        outer = tomlkit.table(is_super_table=True)
        outer.append(name, job)
        document.append("job", outer)
    changed = tomlkit.dumps(document)
    return changed, lines_of(changed).get(("job", name), 1)


def _try(path: str, text: str) -> None:
    """Read the changed text as the file would be read. Errors: `ConfigError`."""
    trial = f"{path}.{os.getpid()}.new"
    try:
        _write(trial, text)
        config = loading.read_config(trial)
    finally:
        if os.path.exists(trial):
            os.unlink(trial)
    if config.errors:
        raise ConfigError([finding.at(path, trial) for finding in config.findings])


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Fail(f"{path} cannot be written: {error.strerror}", states.EXIT_STATE) from error


def _replace(path: str, text: str) -> None:
    """Write the configuration so that a reader sees the old one or the new one; its mode stays."""
    temporary = f"{path}.{os.getpid()}.tmp"
    _write(temporary, text)
    os.chmod(temporary, os.stat(path).st_mode & 0o7777)
    os.replace(temporary, os.path.realpath(path))


def _probe(app: App, path: str, text: str, name: str) -> str | None:
    """Contact the upstreams of a new job; returns the profile that the first root suggests."""
    trial = f"{path}.{os.getpid()}.new"
    try:
        _write(trial, text)
        config = loading.load_config(trial)
    finally:
        os.unlink(trial)
    guessed = None
    for upstream in config.jobs[name].job.upstreams:
        found = facts.probe(config.jobs[name].job, upstream)
        app.say(probe_line(host_of(upstream.url), found))
        if found.reachable and guessed is None:
            guessed = next((profile for signs, profile in _SIGNS if signs <= found.names), None)
    return guessed


def probe_line(host: str, found: facts.Probe) -> str:
    """What an upstream answered, in one line."""
    if not found.reachable:
        return f"{visible(host)}: not reachable: {found.error}"
    return f"{visible(host)}: reachable in {found.seconds * 1000:.0f} ms, {len(found.names):,} entries at the root"


@click.command()
@click.option("--probe", is_flag=True, help="Contact each upstream.")
@click.option("--effective", metavar="NAME", help="Print each key of a job with its value and its origin.")
@global_options
@pass_app
def check(app: App, probe: bool, effective: str | None) -> None:
    """Check the configuration: all errors at once."""
    config = loading.read_config(app.file())
    errors = len(config.errors)
    warnings = len(config.findings) - errors
    kind = network_file_system(existing(app.layout(config).state))
    if kind is not None:
        place = Origin(app.layout(config).state)
        text = f"the state is on a file system of another machine ({kind}): it is slower there"
        config.findings.append(Finding(place, "", text, warning=True))
        warnings += 1
    if config.findings:
        print_findings(ConfigError(config.findings), app)
    if effective is not None:
        loaded = config.jobs.get(effective)
        if loaded is None:
            raise Fail(f"there is no job {effective} without errors", states.EXIT_CONFIG)
        lines = effective_lines(loaded)
        if app.json:
            app.print_json(
                {"schema": "tain.mirror.effective/1", "job": effective, "keys": [line.document() for line in lines]}
            )
        for line in lines:
            app.say(str(line))
    unreachable = _check_upstreams(app, config) if probe else 0
    if app.json and not config.findings and effective is None:
        app.print_json({"schema": "tain.mirror.error/1", "code": 0, "errors": []})
    elif not app.json and effective is None:
        app.say(
            f"{_count(errors, 'error')}, {_count(warnings, 'warning')}"
            + ("" if errors else f", {_count(len(config.jobs), 'job')}")
        )
    if errors:
        raise Ended(states.EXIT_CONFIG)
    if unreachable:
        raise Ended(states.EXIT_UNAVAILABLE)


def _check_upstreams(app: App, config: Config) -> int:
    """One line for each upstream; returns how many could not be reached."""
    failed = 0
    for name, loaded in config.jobs.items():
        # What a command reaches is known to the command only.
        for upstream in loaded.job.upstreams if loaded.job.kind == "rsync" else ():
            found = facts.probe(loaded.job, upstream)
            failed += not found.reachable
            app.say(f"{name}: {probe_line(host_of(upstream.url), found)}")
    return failed


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"

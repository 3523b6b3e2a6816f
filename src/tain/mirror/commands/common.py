"""What all sub-commands share: the options of every command, the configuration, the state, output."""

from __future__ import annotations

import fnmatch
import getpass
import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click
import platformdirs

from tain.mirror import control, loading, states
from tain.mirror.clock import SYSTEM, Clock
from tain.mirror.findings import ConfigError
from tain.mirror.loading import Config
from tain.mirror.reconcile import reconcile
from tain.mirror.runs import Layout
from tain.mirror.schedules import schedule_of
from tain.mirror.store import Store

_F = TypeVar("_F", bound=Callable[..., Any])

#: The configuration that ``serve SOURCE DEST`` writes into the state directory.
ONE_JOB_FILE = "serve.toml"


class Fail(Exception):
    """An error of a command: one line, and an exit code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class Ended(Exception):
    """A command is over, with an exit code and nothing more to say."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class App:
    """The options that every command takes, and what they lead to."""

    config_file: str | None = None
    state_dir: str | None = None
    json: bool = False
    plain: bool = False
    quiet: bool = False
    verbose: int = 0
    clock: Clock = field(default=SYSTEM)

    def file(self) -> str:
        """The configuration; that of ``serve SOURCE DEST`` if there is no other one."""
        found = loading.find_file(self.config_file, os.environ)
        named = self.config_file or os.environ.get("TAIN_MIRROR_CONFIG")
        if not named and not os.path.exists(found):
            own = os.path.join(self.default_state(), ONE_JOB_FILE)
            return own if os.path.exists(own) else found
        return found

    def config(self) -> Config:
        """The configuration. Errors: `ConfigError`."""
        return loading.load_config(self.file())

    def layout(self, config: Config) -> Layout:
        """Where the state lies: the option, the configuration, systemd, then the usual place."""
        return Layout(os.path.abspath(self.state_dir or config.server.state_dir or self.default_state()))

    def default_state(self) -> str:
        """Where the state lies if the configuration does not say it."""
        chosen = self.state_dir or os.environ.get("STATE_DIRECTORY", "").split(":")[0]
        if chosen:
            return os.path.abspath(chosen)
        return "/var/lib/tain-mirror" if os.geteuid() == 0 else platformdirs.user_state_dir("tain-mirror")

    def server(self, config: Config, layout: Layout) -> dict[str, Any] | None:
        """What a running server says of itself; None: there is none, or it does not talk to this user."""
        try:
            answer = control.ask(control.socket_path(layout, config.server.control_socket), {"op": "status"}, 5.0)
        except (control.NoServer, OSError):
            return None
        return None if "error" in answer else answer

    def open(self, config: Config) -> tuple[Layout, Store]:
        """The state, brought up to date. Errors: `StateError`."""
        layout = self.layout(config)
        store = Store.open(layout.database)
        schedules = {name: schedule_of(item.job, config.site.timezone) for name, item in config.jobs.items()}
        reconcile(layout, store, self.clock.now(), schedules)
        return layout, store

    def print_json(self, document: object) -> None:
        click.echo(json.dumps(document, ensure_ascii=True))

    def say(self, text: str) -> None:
        """A line for a person, on standard output."""
        if not self.quiet and not self.json:
            click.echo(text)


pass_app = click.make_pass_decorator(App, ensure=True)


def global_options(function: _F) -> _F:
    """The options that stand before or behind the name of a command."""

    def remember(context: click.Context, option: click.Parameter, value: Any) -> Any:
        app = context.ensure_object(App)
        if value:
            setattr(app, str(option.name), value)
        return value

    for names, keywords in (
        (("--config", "config_file"), {"metavar": "FILE", "help": "Read this configuration."}),
        (("--state", "state_dir"), {"metavar": "DIR", "help": "Keep the state there."}),
        (("--json",), {"is_flag": True, "help": "Print JSON."}),
        (("--plain",), {"is_flag": True, "help": "No colours, nothing that moves."}),
        (("-q", "--quiet"), {"is_flag": True, "help": "Print only what is wrong."}),
        (("-v", "--verbose"), {"count": True, "help": "Print more."}),
    ):
        option = click.option(*names, expose_value=False, callback=remember, **keywords)
        function = option(function)
    return function


def complete_names(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """The names of jobs for shell completion; none if the configuration cannot be read."""
    app = context.ensure_object(App)
    return [name for name in loading.read_config(app.file()).jobs if name.startswith(begun)]


def select(config: Config, patterns: Iterable[str]) -> list[str]:
    """The jobs that names and globs mean, in the order of the configuration. Errors: `click.UsageError`."""
    wanted: set[str] = set()
    for pattern in patterns:
        found = {name for name in config.jobs if fnmatch.fnmatchcase(name, pattern)}
        if not found:
            raise click.UsageError(f"there is no job {pattern}")
        wanted |= found
    return [name for name in config.jobs if name in wanted]


def listed(config: Config) -> list[str]:
    """All jobs in the order in which they are shown."""
    return sorted(config.jobs, key=lambda name: (config.jobs[name].job.order, name))


def who() -> str:
    """The user who runs the command, also behind sudo."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def print_findings(error: ConfigError, app: App) -> None:
    """Everything that is wrong with the configuration."""
    if app.json:
        findings = [finding.document() for finding in error.findings]
        app.print_json({"schema": "tain.mirror.error/1", "code": states.EXIT_CONFIG, "errors": findings})
        return
    for finding in error.findings:
        click.echo(str(finding), err=True)


def is_terminal(app: App) -> bool:
    """Whether standard output may be drawn on."""
    return not app.plain and not app.json and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"

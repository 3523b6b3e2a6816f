"""``token``: who may see and do more on the page than a visitor."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from typing import Any

import click
import tomlkit

from tain.mirror import states
from tain.mirror.commands.common import App, Fail, global_options, pass_app

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_ROLE = re.compile(r"viewer|operator|push:[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
#: Random bytes of a token.
_BYTES = 32


@click.group()
@global_options
def token() -> None:
    """Tokens for the page and the programs that use it."""


def _file(app: App) -> str:
    config = app.config()
    if config.server.tokens_file is None:
        raise Fail("no file of tokens is configured: set server.tokens_file", states.EXIT_CONFIG)
    return config.server.tokens_file


def _read(path: str) -> tomlkit.TOMLDocument:
    try:
        with open(path, encoding="utf-8") as file:
            return tomlkit.parse(file.read())
    except FileNotFoundError:
        return tomlkit.document()
    except (OSError, ValueError) as error:
        raise Fail(f"{path} cannot be read: {error}", states.EXIT_STATE) from error


def _write(path: str, document: tomlkit.TOMLDocument) -> None:
    temporary = f"{path}.{os.getpid()}"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "w", encoding="utf-8") as file:
            file.write(tomlkit.dumps(document))
        os.replace(temporary, path)
    except OSError as error:
        raise Fail(f"{path} cannot be written: {error.strerror}", states.EXIT_STATE) from error


def _tokens(document: tomlkit.TOMLDocument) -> Any:
    if "token" not in document:
        document["token"] = tomlkit.table(is_super_table=True)
    return document["token"]


@token.command()
@click.argument("name")
@click.option("--role", required=True, metavar="ROLE", help="viewer, operator, or push:NAME of a job.")
@global_options
@pass_app
def add(app: App, name: str, role: str) -> None:
    """Make a token, and print it: it is stored nowhere."""
    if _NAME.fullmatch(name) is None:
        raise click.UsageError("a name is up to 64 letters, digits and . _ @ + -")
    if _ROLE.fullmatch(role) is None:
        raise click.UsageError("a role is viewer, operator or push:NAME of a job")
    path = _file(app)
    document = _read(path)
    table = _tokens(document)
    if name in table:
        raise Fail(f"{name} has a token already: tain mirror token remove {name}", states.EXIT_DATA)
    value = secrets.token_urlsafe(_BYTES)
    entry = tomlkit.table()
    entry["role"] = role
    entry["sha256"] = hashlib.sha256(value.encode()).hexdigest()
    table[name] = entry
    _write(path, document)
    if app.json:
        app.print_json({"schema": "tain.mirror.token/1", "name": name, "role": role, "token": value})
    else:
        click.echo(value)


@token.command("list")
@global_options
@pass_app
def list_(app: App) -> None:
    """Print the names and roles."""
    found = [(str(name), str(item["role"])) for name, item in _tokens(_read(_file(app))).items()]
    if app.json:
        names = [{"name": name, "role": role} for name, role in found]
        app.print_json({"schema": "tain.mirror.tokens/1", "tokens": names})
        return
    for name, role in found:
        click.echo(f"{name}  {role}")


@token.command()
@click.argument("name")
@global_options
@pass_app
def remove(app: App, name: str) -> None:
    """Make a token useless; sessions that began with it end."""
    path = _file(app)
    document = _read(path)
    table = _tokens(document)
    if name not in table:
        raise Fail(f"there is no token of {name}", states.EXIT_UNAVAILABLE)
    del table[name]
    _write(path, document)
    app.say(f"{name}: removed")

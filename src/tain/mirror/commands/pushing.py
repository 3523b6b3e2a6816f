"""``push``: the forced command of a key, with which an upstream says that it has something new."""

from __future__ import annotations

import os

import click

from tain.mirror import launch, pushes, states
from tain.mirror.commands.common import App, Fail, complete_names, global_options, pass_app, select, who
from tain.mirror.launch import Request
from tain.mirror.locks import holder_of


@click.command()
@click.argument("names", nargs=-1, required=True, shell_complete=complete_names)
@global_options
@pass_app
def push(app: App, names: tuple[str, ...]) -> None:
    """Ask for a run: one of the NAMES, the first one unless $SSH_ORIGINAL_COMMAND says another."""
    text = os.environ.get("SSH_ORIGINAL_COMMAND", "sync:all")
    try:
        command = pushes.read_command(text)
    except ValueError as error:
        raise Fail(str(error), states.EXIT_USAGE) from None
    config = app.config()
    # In the order in which they were given.
    allowed = [name for pattern in names for name in select(config, [pattern])]
    name = allowed[0] if command.job is None else command.job
    if name not in allowed:
        raise Fail(f"this key may not push {name}", states.EXIT_HELD)
    connection = os.environ.get("SSH_CONNECTION", "").split()
    by = f"push from {connection[0]}" if connection else who()
    layout, store = app.open(config)
    try:
        done = pushes.push(layout, store, config.jobs[name], by, app.clock.now(), payload=command.payload)
        if done.ignored:
            app.say(f"{name}: nothing to do: {done.ignored}")
            return
        if done.again:
            app.say(f"{name}: runs now, and will make another pass")
            return
        if pushes.is_served(layout):
            app.say(f"{name}: queued")
            return
        request = pushes.request_of(config.jobs[name], store.requests().get(name), Request("push", by))
        started = launch.start(config, config.jobs[name], layout, store, request, app.clock)
        # Its own process reads the request when it holds the lock; nobody waits for its end.
        while started.process.poll() is None and holder_of(layout.lock(name)) is None:
            app.clock.sleep(0.02)
        app.say(f"{name}: started run {started.run}")
    finally:
        store.close()

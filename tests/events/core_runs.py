"""Runs of the core in the process of a test, over the same sessions that the command line has."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tain.options.parse import parse
from tain.options.resolve import resolve
from tain.report import output
from tain.session.client.start import Client
from tain.session.environment import Environment

if TYPE_CHECKING:
    from tain import _core
    from tain._core import _Event as Event

Pump = Callable[["_core.Run"], None]


def shell(directory: Path) -> Path:
    """A remote shell that runs its command on this machine."""
    script = directory / "shell"
    script.write_text('#!/bin/sh\nshift\nexec "$@"\n')
    script.chmod(0o755)
    return script


def run(
    monkeypatch: pytest.MonkeyPatch,
    directory: Path,
    words: list[str],
    pump: Pump,
    *,
    events: Collection[str] = (),
    on_events: Callable[[list[Event]], None] | None = None,
) -> tuple[int, _core.Summary]:
    """Run a client in *directory*; *pump* takes the batches of its transfer. Returns the exit code and the summary."""

    def take(
        transfer: _core.Run, out: output.Output, on_events: Callable[[list[Event]], None] | None = None
    ) -> _core.Summary:
        pump(transfer)
        return transfer.summary

    monkeypatch.setattr(output, "pump", take)
    null = os.open(os.devnull, os.O_RDWR)
    try:
        argv = [b"tain", *(os.fsencode(word) for word in words)]
        env = Environment(argv=argv, cwd=os.fsencode(directory), stdin=null, stdout=null, stderr=null)
        client = Client(resolve(parse(argv[1:])), env, events=events, on_events=on_events)
        code = client.run()
        assert client.summary is not None
        return code, client.summary
    finally:
        os.close(null)

"""From a client's arguments to a running transfer (spec: daemon 4, steps 20 to 24)."""

from __future__ import annotations

import os

from tain.daemon import arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.daemon.connection import Connection
    from tain.daemon.facts import ModuleFacts
    from tain.daemon.sections import Section


def run(connection: Connection, section: Section, facts: ModuleFacts, asked: arguments.Arguments) -> int:
    """The exit code of the transfer."""
    sender = b"--sender" in asked.options
    user = os.fsdecode(connection.user) + "@" if connection.user else ""
    verb = "on" if sender else "to"
    connection.log.write(f"rsync {verb} {os.fsdecode(asked.request)} from {user}{connection.who}")
    problem = connection.run_pre_transfer(asked)
    if problem:
        for line in problem.split("\n"):
            connection.log.error(line)
    connection.talk.drain()
    connection.log.closing(4, "transfer.py(0)", "sender" if sender else "Receiver")
    return 4


def paths(asked: arguments.Arguments, facts: ModuleFacts, *, expand: bool) -> list[bytes]:
    """The paths beneath the module, cleaned, and with wildcards expanded for a sender."""
    found: list[bytes] = []
    for path in asked.paths:
        cleaned = arguments.clean(path)
        found += arguments.expand(cleaned, facts.root_fd) if expand else [cleaned]
    return found

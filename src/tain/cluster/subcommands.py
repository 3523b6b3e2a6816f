"""The sub-commands of ``tain cluster``, each with the function that runs it."""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: By name: module, function, and the line of ``--help``. A function takes the words behind the name, and returns the
#: exit code. The module is imported when the command is used.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "sync": ("tain.cluster.commands", "sync", "[options] SRC... DST  plan, run and report"),
    "plan": ("tain.cluster.commands", "plan", "[options] SRC... DST  write a plan and stop"),
    "resume": ("tain.cluster.commands", "resume", "DIR  go on with a plan"),
    "cancel": ("tain.cluster.status", "cancel", "DIR  ask the coordinator to stop"),
    "status": ("tain.cluster.status", "status", "DIR [--json]  how far a plan is"),
    "log": ("tain.cluster.status", "log", "DIR [--order]  the lines about files"),
    "verify": ("tain.cluster.commands", "verify", "DIR [--sample N%]  compare contents in a dry run"),
    "scheduler": ("tain.cluster.starters", "scheduler", "[options]  start a scheduler for several machines"),
    "worker": ("tain.cluster.starters", "worker", "SCHEDULER [options]  start a worker on this machine"),
    "certs": ("tain.cluster.certs", "main", "DIR HOST...  make certificates for hosts"),
    "doctor": ("tain.cluster.doctor", "main", "--scheduler=ADDRESS [DIRECTORY...]  look for what would go wrong"),
    "work": ("tain.cluster.batch", "work", "DIR  take shards of a plan until none is left"),
}


def function(name: str) -> Callable[[list[str]], int]:
    """The function of a sub-command. Errors: `KeyError`."""
    module, attribute, _ = COMMANDS[name]
    found: Callable[[list[str]], int] = getattr(importlib.import_module(module), attribute)
    return found

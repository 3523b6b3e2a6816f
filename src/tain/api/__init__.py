"""Transfers, listings, daemons and the delta algorithm for Python programs, on the session objects of the command line.

The names are loaded when they are used: `tain.sync` does not pay for `tain.Daemon`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.api.command import run
    from tain.api.daemon import Daemon
    from tain.api.deltas import checksum, delta, patch, patch_file, signature
    from tain.api.entry import Entry
    from tain.api.listing import Module, list, list_async, modules
    from tain.api.presets import BACKUP, MIRROR, MOVE, PUBLISH, retry, snapshot
    from tain.api.transfer import Transfer, sync, sync_async
    from tain.keywords import Options
    from tain.options.guard import Guard
    from tain.plans import Amount, Plan
    from tain.results import Item, Result, Statistics

__all__ = [
    "BACKUP", "MIRROR", "MOVE", "PUBLISH", "Amount", "Daemon", "Entry", "Guard", "Item", "Module", "Options", "Plan",
    "Result", "Statistics", "Transfer", "checksum", "delta", "list", "list_async", "modules", "patch", "patch_file",
    "retry", "run", "signature", "snapshot", "sync", "sync_async",
]  # fmt: skip

_FILES = {
    "run": "api.command",
    "Daemon": "api.daemon",
    "Entry": "api.entry",
    **dict.fromkeys(("checksum", "delta", "patch", "patch_file", "signature"), "api.deltas"),
    **dict.fromkeys(("Module", "list", "list_async", "modules"), "api.listing"),
    **dict.fromkeys(("BACKUP", "MIRROR", "MOVE", "PUBLISH", "retry", "snapshot"), "api.presets"),
    **dict.fromkeys(("Transfer", "sync", "sync_async"), "api.transfer"),
    "Options": "keywords",
    "Guard": "options.guard",
    **dict.fromkeys(("Amount", "Plan"), "plans"),
    **dict.fromkeys(("Item", "Result", "Statistics"), "results"),
}


def __getattr__(name: str) -> object:
    if name not in _FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"tain.{_FILES[name]}"), name)
    globals()[name] = value
    return value

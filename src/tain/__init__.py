"""tain: a drop-in rsync, with a Python API. Everything public is here; nothing below is, but `tain.events` and
`tain.transports`."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain import events as events
    from tain import transports as transports
    from tain.api import (
        BACKUP,
        MIRROR,
        MOVE,
        PUBLISH,
        Amount,
        Daemon,
        Entry,
        Guard,
        Item,
        Module,
        Options,
        Plan,
        Result,
        Statistics,
        Transfer,
        checksum,
        delta,
        list,
        list_async,
        modules,
        patch,
        patch_file,
        retry,
        run,
        signature,
        snapshot,
        sync,
        sync_async,
    )
    from tain.errors import (
        ConnectTimeout,
        DeleteLimit,
        DiagnosticsError,
        FileError,
        Interrupted,
        IpcError,
        MemoryLimitError,
        PartialTransfer,
        PeerExit,
        ProtocolError,
        RemoteShellError,
        SelectionError,
        SocketError,
        StartupError,
        StreamError,
        TainError,
        TransferTimeout,
        UnsupportedError,
        UsageError,
        VanishedFiles,
    )
    from tain.problems import Cause, Hint, Problem

    __version__: str

__all__ = [
    "BACKUP", "MIRROR", "MOVE", "PUBLISH", "Amount", "Cause", "ConnectTimeout", "Daemon", "DeleteLimit",
    "DiagnosticsError", "Entry", "FileError", "Guard", "Hint", "Interrupted", "IpcError", "Item", "MemoryLimitError",
    "Module", "Options", "PartialTransfer", "PeerExit", "Plan", "Problem", "ProtocolError", "RemoteShellError",
    "Result", "SelectionError", "SocketError", "StartupError", "Statistics", "StreamError", "TainError", "Transfer",
    "TransferTimeout", "UnsupportedError", "UsageError", "VanishedFiles", "checksum", "delta", "events", "list",
    "list_async", "modules", "patch", "patch_file", "retry", "run", "signature", "snapshot", "sync", "sync_async",
    "transports",
]  # fmt: skip

_ERRORS = frozenset(name for name in __all__ if name.endswith(("Error", "Timeout"))) | {
    "DeleteLimit", "Interrupted", "PartialTransfer", "PeerExit", "VanishedFiles",
}  # fmt: skip


def __getattr__(name: str) -> object:
    # Every start of the command imports this package; only programs that use the API pay for it.
    value: object
    if name == "__version__":
        from tain.release import VERSION as value
    elif name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    else:
        from importlib import import_module

        if name in ("events", "transports"):
            return import_module(f"tain.{name}")
        room = "errors" if name in _ERRORS else "problems" if name in ("Cause", "Hint", "Problem") else "api"
        value = getattr(import_module(f"tain.{room}"), name)
    globals()[name] = value
    return value


def __dir__() -> "list[str]":  # type: ignore[valid-type]
    return sorted({*globals(), *__all__})

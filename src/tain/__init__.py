"""tain: a drop-in rsync, with a Python API. Everything public is here; nothing below is."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.api import (
        Item,
        Result,
        Statistics,
        Transfer,
        checksum,
        delta,
        patch,
        patch_file,
        signature,
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
    from tain.keywords import Options

__all__ = [
    "ConnectTimeout", "DeleteLimit", "DiagnosticsError", "FileError", "Interrupted", "IpcError", "Item",
    "MemoryLimitError", "Options", "PartialTransfer", "PeerExit", "ProtocolError", "RemoteShellError", "Result",
    "SelectionError", "SocketError", "StartupError", "Statistics", "StreamError", "TainError", "Transfer",
    "TransferTimeout", "UnsupportedError", "UsageError", "VanishedFiles", "checksum", "delta", "patch", "patch_file",
    "signature", "sync", "sync_async",
]  # fmt: skip

_API = frozenset(
    {"Item", "Result", "Statistics", "Transfer", "checksum", "delta", "patch", "patch_file", "signature", "sync",
     "sync_async"}
)  # fmt: skip


def __getattr__(name: str) -> object:
    # Every start of the command imports this package; only programs that use the API pay for it.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    room = "api" if name in _API else "keywords" if name == "Options" else "errors"
    value: object = getattr(import_module(f"tain.{room}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

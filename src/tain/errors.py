"""The exceptions of this package. Each class has rsync's exit code for its kind of failure (spec: output 2).

``str(error)`` is the complete text for the user, without a final newline. An empty text means that the cause has been
reported already, and only the closing ``rsync error:`` line is missing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from tain.problems import Hint, Problem

    class Outcome(Protocol):
        """What an exception says of the transfer that it stands for; `tain.Result` is one."""

        @property
        def code(self) -> int: ...
        @property
        def output(self) -> bytes: ...
        @property
        def errors(self) -> bytes: ...
        @property
        def problems(self) -> tuple[Problem, ...]: ...
        @property
        def hints(self) -> tuple[Hint, ...]: ...


#: The text of the closing line for each exit code (spec: output 2).
EXIT_TEXTS: dict[int, str] = {
    1: "syntax or usage error",
    2: "protocol incompatibility",
    3: "errors selecting input/output files, dirs",
    4: "requested action not supported",
    5: "error starting client-server protocol",
    10: "error in socket IO",
    11: "error in file IO",
    12: "error in rsync protocol data stream",
    13: "errors with program diagnostics",
    14: "error in IPC code",
    15: "sibling process crashed",
    16: "sibling process terminated abnormally",
    19: "received SIGUSR1",
    20: "received SIGINT, SIGTERM, or SIGHUP",
    21: "waitpid() failed",
    22: "error allocating core memory buffers",
    23: "some files/attrs were not transferred (see previous errors)",
    24: "some files vanished before they could be transferred",
    25: "the --max-delete limit stopped deletions",
    30: "timeout in data send/receive",
    35: "timeout waiting for daemon connection",
    124: "remote shell failed",
    125: "remote shell killed",
    126: "remote command could not be run",
    127: "remote command not found",
}


def exit_text(code: int) -> str:
    """The text of the closing line for *code*."""
    return EXIT_TEXTS.get(code, "unexplained error")


class TainError(Exception):
    """Base of all exceptions that this package raises."""

    #: Exit code of rsync for this failure.
    code: int = 1
    #: The result that `Result.check` has refused; None for an error that is no end of a transfer.
    result: Outcome | None = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The failures of the transfer."""
        return () if self.result is None else self.result.problems

    @property
    def hints(self) -> tuple[Hint, ...]:
        """Likely causes of the failure."""
        return () if self.result is None else self.result.hints


class UsageError(TainError):
    """The command line, or an option value, is wrong."""

    code = 1


class ProtocolError(TainError):
    """The two ends have no protocol in common, or one of them violated it."""

    code = 2


class SelectionError(TainError):
    """Sources or destination cannot be used."""

    code = 3


class UnsupportedError(TainError):
    """The action is not supported, or was refused."""

    code = 4


class StartupError(TainError):
    """The daemon conversation failed before the transfer."""

    code = 5


class SocketError(TainError):
    """Network input or output failed."""

    code = 10


class FileError(TainError):
    """File input or output failed."""

    code = 11


class StreamError(TainError):
    """The protocol stream ended early or is malformed."""

    code = 12


class DiagnosticsError(TainError):
    """A log or message format cannot be used."""

    code = 13


class IpcError(TainError):
    """Starting another process, or talking to it, failed."""

    code = 14


class Interrupted(TainError):
    """A signal or a cancel ended the run."""

    code = 20


class MemoryLimitError(TainError):
    """An allocation would exceed ``--max-alloc``."""

    code = 22


class PartialTransfer(TainError):
    """Some files or attributes were not transferred."""

    code = 23


class VanishedFiles(TainError):
    """Some files vanished before they could be transferred."""

    code = 24


class DeleteLimit(TainError):
    """``--max-delete`` or a guard stopped deletions, or a plan was refused."""

    code = 25


class TransferTimeout(TainError):
    """No progress within ``--timeout``, or the run passed its stop time."""

    code = 30


class ConnectTimeout(TainError):
    """The daemon did not answer within ``--contimeout``."""

    code = 35


class RemoteShellError(TainError):
    """The remote shell failed; the code (124 to 127) is the instance's own."""

    code: int = 124

    def __init__(self, text: str = "", code: int = 124) -> None:
        super().__init__(text)
        self.code = code


class PeerExit(TainError):
    """The peer, or a child, ended with this code and has reported the reason itself."""

    code: int = 12

    def __init__(self, text: str = "", code: int = 12) -> None:
        super().__init__(text)
        self.code = code


def _classes() -> dict[int, type[TainError]]:
    found: dict[int, type[TainError]] = {}
    for cls in TainError.__subclasses__():
        # Other rooms have subclasses of their own, with codes that a class here stands for.
        if cls.__module__ == __name__ and cls is not PeerExit:
            found[cls.code] = cls
    return found


def for_code(code: int, text: str = "") -> TainError:
    """The exception that stands for exit code *code*."""
    if 124 <= code <= 127:
        return RemoteShellError(text, code)
    cls = _classes().get(code)
    return cls(text) if cls is not None else PeerExit(text, code)

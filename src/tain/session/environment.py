"""The process around a session as a value: streams, environment variables, directory, name.

Client, server and daemon get it as an argument, so that several sessions can run in one process.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol

    from tain._core import Figures
    from tain.transport.shell import Child

    class Cancellable(Protocol):
        """What a signal stops: a running transfer of the core."""

        def figures(self) -> Figures: ...
        def answer(self, go_on: bool) -> None: ...
        def cancel(self, code: int = 20) -> None: ...
        def set_bwlimit(self, bytes_per_second: int) -> None: ...

    class Transport(Protocol):
        """A connection to a server that is no remote shell of ours."""

        def start(
            self, command: Sequence[bytes], environ: Mapping[bytes, bytes], on_stderr: Callable[[bytes], None] | None
        ) -> Child: ...


class Environment:
    """The surroundings of one session.

    `stdin`, `stdout` and `stderr` are descriptors. `environ` maps bytes to bytes and may be changed by its owner only.
    """

    __slots__ = (
        "argv", "cwd", "environ", "own_process", "password", "pid", "program", "shell_stderr", "stderr", "stdin",
        "stdout", "transfer", "transport", "umask",
    )  # fmt: skip

    def __init__(
        self,
        *,
        argv: list[bytes] | None = None,
        environ: Mapping[bytes, bytes] | None = None,
        cwd: bytes | None = None,
        stdin: int = 0,
        stdout: int = 1,
        stderr: int = 2,
        umask: int | None = None,
    ) -> None:
        #: The whole command line as typed, program name first (the batch script repeats it).
        self.argv: list[bytes] = list(argv) if argv is not None else [os.fsencode(word) for word in sys.argv]
        #: Base name of argument zero.
        self.program: bytes = os.path.basename(self.argv[0]) if self.argv else b"rsync"
        self.environ: Mapping[bytes, bytes] = os.environb if environ is None else environ
        self.cwd: bytes = _working_directory() if cwd is None else cwd
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.pid: int = os.getpid()
        #: The umask for new files; None: that of the process, when the plan is made.
        self.umask = umask
        #: The process runs only this session, which may therefore change its user.
        self.own_process = False
        #: The running transfer, for signal handlers to cancel.
        self.transfer: Cancellable | None = None
        #: Gives the password of a user for a daemon, instead of a variable or a prompt.
        self.password: Callable[[bytes], bytes] | None = None
        #: Receives what a remote shell writes to its standard error, in another thread. None: the shell has ours.
        self.shell_stderr: Callable[[bytes], None] | None = None
        #: Connects to the other end in place of a remote shell.
        self.transport: Transport | None = None

    def begin(self) -> None:
        """Called before a run does anything. Errors: `Interrupted` for a run that was cancelled already."""

    def get(self, name: bytes, default: bytes = b"") -> bytes:
        """An environment variable, or *default*."""
        return self.environ.get(name, default)

    def read_stdin(self) -> bytes:
        """All of standard input. Errors: `OSError`."""
        out = bytearray()
        while chunk := os.read(self.stdin, 1 << 16):
            out += chunk
        return bytes(out)


def _working_directory() -> bytes:
    try:
        return os.getcwdb()
    except OSError:
        # The directory is gone: absolute paths still work, and each relative one fails.
        return b"/"


def _locale_name(environ: Mapping[bytes, bytes], category: bytes) -> bytes:
    return environ.get(b"LC_ALL") or environ.get(category) or environ.get(b"LANG") or b"C"


def _ask_locale(name: bytes, category: int, item: int) -> bytes | None:
    """A text of the locale *name*, or None if it is not installed.

    `locale.setlocale` would change the locale of the whole process for a moment, in which other sessions run.
    """
    import ctypes

    library = ctypes.CDLL(None)
    try:
        make, ask, free = library.newlocale, library.nl_langinfo_l, library.freelocale
    except AttributeError:
        return None
    make.restype, make.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p]
    ask.restype, ask.argtypes = ctypes.c_char_p, [ctypes.c_int, ctypes.c_void_p]
    free.restype, free.argtypes = None, [ctypes.c_void_p]
    # The mask of a category has the bit of its number.
    handle = make(1 << category, name, None)
    if not handle:
        return None
    try:
        text: bytes | None = ask(item, handle)
        return text
    finally:
        free(handle)


def thousands(environ: Mapping[bytes, bytes]) -> int:
    """The digit separator: ``.`` where the locale's decimal point is a comma, else ``,`` (spec: output 5.3)."""
    name = _locale_name(environ, b"LC_NUMERIC")
    if name in (b"C", b"POSIX") or name.startswith((b"C.", b"en_")):
        return ord(",")
    import _locale

    return ord(".") if _ask_locale(name, _locale.LC_NUMERIC, _locale.RADIXCHAR) == b"," else ord(",")


def decimal_point(environ: Mapping[bytes, bytes]) -> bytes:
    """The decimal separator of sizes on the command line: a comma where the locale has one, else a point."""
    return b"," if thousands(environ) == ord(".") else b"."


def charset(environ: Mapping[bytes, bytes]) -> str:
    """The character set for names on screen: ``utf-8``, ``ascii`` (the C locale) or ``other`` (spec: output 11)."""
    name = _locale_name(environ, b"LC_CTYPE")
    codeset = name.partition(b".")[2].partition(b"@")[0].lower().replace(b"-", b"")
    if codeset == b"utf8":
        return "utf-8"
    if name in (b"C", b"POSIX"):
        return "ascii"
    import _locale

    text = _ask_locale(name, _locale.LC_CTYPE, _locale.CODESET)
    if text is None:
        # The C library stays in the C locale when the requested one is not installed.
        return "ascii"
    found = text.decode("ascii", "replace").lower().replace("-", "")
    if found == "utf8":
        return "utf-8"
    return "ascii" if found.startswith("ansi_x3.4") or found == "usascii" else "other"

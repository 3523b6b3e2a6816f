"""The commands that an operator attaches to a connection (spec: daemon 10, security SEC-34)."""

from __future__ import annotations

import os
import select
import signal
import time

from tain.daemon.refusal import RefusalError
from tain.session import operator_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tain.daemon.sections import Section, Variables

_OUTPUT_LIMIT = 5119
_ENVIRONMENT_LIMIT = 128 << 10
_STRICT_LIMIT = 300
#: Bytes that a shell may interpret, whatever quotes surround the value.
_ACTIVE = frozenset(b"'\"`$\\;&|<>()*?[]#!~{}")


def disabled() -> bool:
    return b"RSYNC_NO_XFER_EXEC" in os.environb


def command(section: Section, name: str) -> bytes:
    """The command of a parameter with its variables expanded; empty without a command.

    Errors: `RefusalError` (code 4, no text for the client) when the shell could interpret a value (spec: daemon 10.4).
    """
    return fill(section.raw(name), section.variables)


def fill(template: bytes, variables: Variables) -> bytes:
    out, at = bytearray(), 0
    while at < len(template):
        byte = template[at]
        end = template.find(b"%", at + 1) if byte == 0x25 else -1
        name = template[at + 1 : end] if end > at else b""
        value = variables.get(name) if name[:1].isupper() else None
        if value is None:
            out.append(byte)
            at += 1
            continue
        if name.startswith(b"RSYNC_"):
            if any(c <= 32 or c == 127 or c in _ACTIVE for c in value):
                text = f"refusing to run shell hook: %{os.fsdecode(name)}% holds a shell metacharacter"
                raise RefusalError("", text, 4)
            # The value cannot end a quotation. rsync quotes it too, whatever surrounds it.
            value = b"'" + value + b"'"
        out += value
        at = end + 1
    return bytes(out)


def _run(words: Sequence[bytes], environment: Mapping[bytes, bytes]) -> None:
    """Execute the command in this child. Never returns."""
    try:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.execve(words[0], list(words), dict(environment))
    except OSError:
        pass
    os._exit(127)


def _words(line: bytes, plain: bool) -> list[bytes]:
    if plain:
        return line.split()
    return [os.environb.get(b"RSYNC_SHELL") or b"/bin/sh", b"-c", line]


def environment(extra: Mapping[bytes, bytes], *, strict: bool = False) -> dict[bytes, bytes]:
    """The daemon's environment with the variables of the connection.

    *strict* forbids control bytes in values and limits their total size (spec: security SEC-34). Errors:
    `RefusalError`.
    """
    total = 0
    for name, value in extra.items():
        if strict and any(byte < 32 or byte == 127 for byte in value):
            raise RefusalError("", f"refusing to run hook: {os.fsdecode(name)} holds a control byte", 4)
        total += len(name) + len(value) + 2
    if strict and total > _ENVIRONMENT_LIMIT:
        raise RefusalError("", "refusing to run hook: its environment would be too large", 4)
    return {**os.environb, **extra}


def _reap(pid: int, limit: float) -> int:
    """Wait for a child and return its wait status; after *limit* seconds (0 = none) its process group is killed."""
    deadline = time.monotonic() + limit if limit > 0 else None
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return os.waitpid(pid, 0)[1]
    try:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not select.select([handle], [], [], left)[0]:
            _kill(pid)
        return os.waitpid(pid, 0)[1]
    finally:
        os.close(handle)


def _kill(pid: int) -> None:
    for target in (os.killpg, os.kill):
        try:
            target(pid, signal.SIGKILL)
            return
        except OSError:
            continue


class Hook:
    """A command in a child process that waits for its environment (spec: daemon 10).

    The child is forked early, to keep the daemon's identity and root.
    """

    def __init__(self, section: Section, name: str) -> None:
        self.line = command(section, name)
        self.plain = section.flag("tain hook argv")
        #: Seconds, 0 = none, as in rsync.
        self.limit = float(section.number("tain hook timeout") or (_STRICT_LIMIT if section.variables.strict else 0))
        self.pid = 0
        self.go = -1
        self.out = -1

    def prepare(self, *, capture: bool, stdin: bytes | None = None, input_fd: int = -1) -> None:
        """Fork the waiting child. It reads *stdin*, or from *input_fd*, which is closed here. Errors: `OSError`."""
        words = _words(self.line, self.plain)
        go_read, self.go = os.pipe()
        out_read = out_write = -1
        if capture:
            out_read, out_write = os.pipe()
        # Early input has its own pipe, whose buffer always holds 5120 bytes.
        data_read = input_fd
        if stdin:
            data_read, data_write = os.pipe()
            os.write(data_write, stdin)
            os.close(data_write)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setpgid(0, 0)
                os.close(self.go)
                block = operator_file.read_all(go_read, _ENVIRONMENT_LIMIT * 4)
                if not block:
                    os._exit(0)
                if data_read < 0:
                    data_read = os.open(b"/dev/null", os.O_RDONLY)
                os.dup2(data_read, 0)
                if capture:
                    os.dup2(out_write, 1)
                pairs = (entry.partition(b"=") for entry in block[:-1].split(b"\0"))
                _run(words, {name: value for name, _, value in pairs})
            finally:
                os._exit(127)
        os.close(go_read)
        if data_read >= 0:
            os.close(data_read)
        if capture:
            os.close(out_write)
            self.out = out_read

    def begin(self, variables: Mapping[bytes, bytes]) -> None:
        """Send the environment: the command runs now."""
        block = b"".join(name + b"=" + value + b"\0" for name, value in variables.items())
        view = memoryview(block)
        try:
            while view:
                view = view[os.write(self.go, view) :]
        finally:
            os.close(self.go)
            self.go = -1

    def release(self, variables: Mapping[bytes, bytes]) -> tuple[int, bytes]:
        """Run the command and wait for it: its wait status and its output, which is cut."""
        self.begin(variables)
        output = self._collect() if self.out >= 0 else b""
        status = _reap(self.pid, self.limit)
        # rsync waits for the command in a process between, which can only report a signal as exit code 1.
        return (1 << 8 if os.WIFSIGNALED(status) else status), output

    def _collect(self) -> bytes:
        deadline = time.monotonic() + self.limit if self.limit > 0 else None
        out = bytearray()
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and (left <= 0 or not select.select([self.out], [], [], left)[0]):
                _kill(self.pid)
                break
            chunk = os.read(self.out, 65536)
            if not chunk:
                break
            out += chunk[: max(0, _OUTPUT_LIMIT - len(out))]
        os.close(self.out)
        self.out = -1
        return bytes(out).replace(b"\r\n", b"\n")

    def abandon(self) -> None:
        """End the waiting child without running the command."""
        if self.pid and self.go >= 0:
            os.close(self.go)
            self.go = -1
            os.waitpid(self.pid, 0)


class Converter(Hook):
    """The program that maps names and ids: questions on its stdin, answers on its stdout (spec: daemon 11)."""

    def __init__(self, section: Section) -> None:
        super().__init__(section, "name converter")
        self.questions = -1

    def start(self) -> None:
        """Fork the waiting child. Errors: `OSError`."""
        read_fd, self.questions = os.pipe()
        self.prepare(capture=True, input_fd=read_fd)

    @property
    def answers(self) -> int:
        return self.out


def run_now(section: Section, name: str, variables: Mapping[bytes, bytes], stdin: bytes | None = None) -> int:
    """Run a command, wait for it and return its wait status. Errors: `OSError` when it cannot be started."""
    hook = Hook(section, name)
    hook.prepare(capture=False, stdin=stdin)
    return hook.release(environment(variables, strict=section.variables.strict))[0]

"""A configuration file that has been read: modules, values and diagnostics (spec: daemon 2)."""

from __future__ import annotations

import os

from tain.daemon.parameters import PARAMETERS, PATH, Value, key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_OVERFLOW = 2048
ERROR, WARNING, NOTE = "error", "warning", "note"


class Diagnostic:
    """One message about the file: `text` is rsync's or our own, without the place."""

    __slots__ = ("file", "level", "line", "text")

    def __init__(self, level: str, text: str, file: bytes = b"", line: int = 0) -> None:
        self.level = level
        self.text = text
        self.file = file
        self.line = line

    def __str__(self) -> str:
        if not self.file:
            return self.text
        return f"{self.text} ({os.fsdecode(self.file)}:{self.line})"


class Fault:
    """A reason to refuse the module that contains it (spec: security SEC-42)."""

    __slots__ = ("diagnostic", "name", "only_strict")

    def __init__(self, diagnostic: Diagnostic, name: bytes, *, only_strict: bool) -> None:
        self.diagnostic = diagnostic
        self.name = name
        self.only_strict = only_strict


class UnsafeExpansionError(Exception):
    """A variable that the peer chose would select another file (spec: security SEC-41)."""


class ExpansionOverflowError(Exception):
    """An expanded value is longer than its limit. rsync ends with 22."""


class Variables:
    """The values of ``%NAME%``: the daemon's environment and the variables of the connection."""

    __slots__ = ("connection", "environment", "strict")

    # The operator sets these, or they cannot contain a slash.
    _TRUSTED = frozenset({b"RSYNC_MODULE_PATH", b"RSYNC_PID"})

    def __init__(self, environment: Mapping[bytes, bytes] | None = None) -> None:
        self.environment: Mapping[bytes, bytes] = os.environb if environment is None else environment
        self.connection: dict[bytes, bytes] = {}
        #: Refuse a path with the name of a user who did not log in. Else the name is empty, as in rsync.
        self.strict = False

    def get(self, name: bytes) -> bytes | None:
        value = self.connection.get(name)
        return self.environment.get(name) if value is None else value

    def expand(self, text: bytes, *, one_component: bool = False) -> bytes:
        """Replace ``%NAME%`` (spec: daemon 2.1). *one_component*: a peer's value must be one component of a path."""
        if b"%" not in text:
            return text
        out, at = bytearray(), 0
        while True:
            start = text.find(b"%", at)
            end = text.find(b"%", start + 1) if start >= 0 else -1
            if end < 0:
                return bytes(out + text[at:])
            name = text[start + 1 : end]
            value = self.get(name) if name[:1].isupper() else None
            if value is None:
                out += text[at:end]
                at = end
                continue
            if one_component and not self._fits(name, value):
                raise UnsafeExpansionError(f"%{os.fsdecode(name)}% is not a safe path component")
            out += text[at:start] + value
            at = end + 1
            if len(out) > len(text) + _OVERFLOW:
                raise ExpansionOverflowError(f"Overflowed buf in expand_vars() trying to expand: {os.fsdecode(text)}")

    def _fits(self, name: bytes, value: bytes) -> bool:
        """Whether a value may be part of a path: a peer must not choose the directory."""
        if name not in self.connection or name in self._TRUSTED:
            return True
        return is_component(value) or (not value and name == b"RSYNC_USER_NAME" and not self.strict)


def is_component(value: bytes) -> bool:
    return value not in (b"", b".", b"..") and b"/" not in value and all(byte >= 32 and byte != 127 for byte in value)


_ONE_COMPONENT = frozenset(
    {"path", "secrets file", "log file", "temp dir", "include from", "exclude from", "lock file", "motd file",
     "uid", "gid", "pid file"}
)  # fmt: skip


_PATHS = frozenset(row.name for row in PARAMETERS.values() if row.kind == PATH)


class Section:
    """The values of one module, or of the global section. A text is expanded at each call of `text`."""

    __slots__ = ("fallback", "faults", "line", "lines", "name", "values", "variables")

    def __init__(self, name: bytes, values: dict[str, Value], variables: Variables) -> None:
        self.name = name
        self.values = values
        # The defaults of texts are those at the end of the file, not those at the module's header.
        self.fallback: dict[str, Value] = values
        self.variables = variables
        # The line of each value that this section sets.
        self.lines: dict[str, int] = {}
        self.line = 0
        self.faults: list[Fault] = []

    def with_variables(self, variables: Variables) -> Section:
        """The same values, expanded with other variables."""
        found = Section(self.name, self.values, variables)
        found.fallback, found.lines, found.line, found.faults = self.fallback, self.lines, self.line, self.faults
        return found

    def raw(self, name: str) -> bytes:
        value = self.values[name]
        if value is None:
            value = self.fallback[name]
        return value if isinstance(value, bytes) else b""

    def text(self, name: str) -> bytes:
        """A string or path value with its variables expanded; empty when unset.

        Errors: `UnsafeExpansionError`, `ExpansionOverflowError`.
        """
        value = self.variables.expand(self.raw(name), one_component=name in _ONE_COMPONENT)
        return strip_slashes(value) if name in _PATHS else value

    def number(self, name: str) -> int:
        value = self.values[name]
        return value if isinstance(value, int) else 0

    def flag(self, name: str) -> bool:
        return self.values[name] is True

    def tri(self, name: str) -> bool | None:
        value = self.values[name]
        return value if isinstance(value, bool) else None


class Config:
    """A loaded file."""

    __slots__ = ("diagnostics", "failed", "file", "globals", "modules", "sources", "strict", "variables")

    def __init__(self, file: bytes, variables: Variables) -> None:
        self.file = file
        self.variables = variables
        self.globals = Section(b"", defaults(), variables)
        self.modules: list[Section] = []
        self.diagnostics: list[Diagnostic] = []
        self.failed = False
        self.strict = False
        #: Each file and directory that was read, and its status at that time.
        self.sources: list[tuple[bytes, os.stat_result]] = []

    def for_connection(self) -> Config:
        """The same configuration for another connection of this process: with variables of its own."""
        variables = Variables(self.variables.environment)
        variables.strict = self.variables.strict
        found = Config(self.file, variables)
        found.globals = self.globals.with_variables(variables)
        found.modules = [section.with_variables(variables) for section in self.modules]
        found.diagnostics, found.failed, found.strict = self.diagnostics, self.failed, self.strict
        found.sources = self.sources
        return found

    def module(self, name: bytes) -> Section | None:
        """The module of exactly this name."""
        for section in self.modules:
            if section.name == name:
                return section
        return None

    def refusal(self, section: Section) -> Diagnostic | None:
        """The reason why this module must not be served, if any."""
        allowed = {key(name) for name in self.globals.raw("tain allow unknown").split(b",")}
        for fault in section.faults:
            if (fault.only_strict and not self.strict) or key(fault.name) in allowed:
                continue
            return fault.diagnostic
        return None


_DEFAULTS: dict[str, Value] = {row.name: row.default for row in PARAMETERS.values()}


def defaults() -> dict[str, Value]:
    return _DEFAULTS.copy()


def strip_slashes(path: bytes) -> bytes:
    return path.rstrip(b"/") or path[:1]

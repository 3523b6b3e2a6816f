"""The configuration file: grammar and directives (spec: daemon 2).

Everything is bytes. Loading never raises for the contents of a file: it returns a :class:`Config`. Nothing may be
served if its `failed` is true; its `diagnostics` are the lines for the log.
"""

from __future__ import annotations

import os
import stat
import time

from tain.daemon.parameters import (
    ACCESS_CONTROL,
    BOOLEAN,
    BOOLEAN3,
    FACILITIES,
    FACILITY,
    INTEGER,
    OFF,
    PARAMETERS,
    PATH,
    PROTECTIVE,
    RESERVED_NAMES,
    Parameter,
    Value,
    key,
    nearest,
)
from tain.daemon.sections import (
    ERROR,
    NOTE,
    WARNING,
    Config,
    Diagnostic,
    Fault,
    Section,
    Variables,
    strip_slashes,
)
from tain.session import operator_file
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Never

_MAX_DEPTH = 16
_MAX_FILE = 16 << 20
_BLANK = b" \t\v\f\r"
FAILED = "params.c:pm_process() - Failed.  Error returned from params.c:parse()."


class BadParameterError(Exception):
    """A ``--dparam`` that cannot be used; the text is rsync's."""


def load(
    file: bytes,
    *,
    globals_only: bool = False,
    overrides: Iterable[bytes] = (),
    environment: Mapping[bytes, bytes] | None = None,
) -> Config:
    """Read *file*. *globals_only* stops at the first header, as the start of a daemon does.

    *overrides* are the words of ``--dparam``. Errors: `BadParameterError` for one of them.
    """
    reader = _Reader(Config(file, Variables(environment)), globals_only, [_override(word) for word in overrides])
    config = reader.config
    try:
        reader.read_file(file, 0)
        reader.apply_overrides()
    except _StopError:
        pass
    except _FailedError:
        config.failed = True
        config.diagnostics.append(Diagnostic(ERROR, FAILED))
    config.globals.values = config.globals.fallback = reader.defaults
    for section in config.modules:
        section.fallback = reader.defaults
        section.name = config.variables.expand(section.name)
    config.strict = config.variables.strict = config.globals.flag("tain strict")
    return config


def shows_changes(config: Config) -> bool:
    """Whether a later change of the files would show in their status.

    A file that was changed again within a tick of the kernel's clock (10 ms at most) may have the times of its first
    change; 2 seconds are also more than the unit of any file system's times.
    """
    now = time.time()
    return not config.failed and all(status.st_ctime < now - 2 for _, status in config.sources)


def is_current(config: Config) -> bool:
    """Whether all files and directories that were read are as they were, and may still be opened."""
    return all(_same(status, path) for path, status in config.sources)


def _same(before: os.stat_result, path: bytes) -> bool:
    try:
        if stat.S_ISDIR(before.st_mode):
            now = os.stat(path)
        else:
            fd = operator_file.open_walk(path, os.O_PATH)
            try:
                now = os.fstat(fd)
            finally:
                os.close(fd)
    except OSError:
        return False
    return _facts(now) == _facts(before)


def _facts(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _override(word: bytes) -> tuple[bytes, bytes]:
    name, equals, value = word.partition(b"=")
    if not equals:
        raise BadParameterError(f"--dparam value is missing an '=': {os.fsdecode(word)}")
    name = b" ".join(name.split())
    if key(name) not in PARAMETERS:
        raise BadParameterError(f'Unknown parameter "{os.fsdecode(name)}"')
    # Only values in a file lose blanks at their end.
    return name, value.lstrip()


class _StopError(Exception):
    """The first header ends a reading of the globals only."""


class _FailedError(Exception):
    """The file cannot be used."""


class _Reader:
    """The state of one load: the open section and the current defaults."""

    def __init__(self, config: Config, globals_only: bool, overrides: list[tuple[bytes, bytes]]) -> None:
        self.config = config
        self.globals_only = globals_only
        self.overrides = overrides
        self.overridden = False
        self.defaults = config.globals.values
        # Faults of the global section are inherited by the modules that follow.
        self.default_faults: list[Fault] = []
        self.section: Section | None = None
        # A file may have thousands of modules, so they are found by key.
        self.by_key: dict[bytes, Section] = {}
        self.open_files: list[tuple[int, int]] = []
        self.file = b""
        self.line = 0

    # ---- files and directives (spec: daemon 2.2)

    def read_file(self, file: bytes, depth: int) -> None:
        if depth > _MAX_DEPTH:
            self.fail("config files are nested too deeply")
        try:
            fd = operator_file.open_walk(file)
            try:
                status = os.fstat(fd)
                data = operator_file.read_all(fd, _MAX_FILE)
            finally:
                os.close(fd)
        except OSError as error:
            name = os.fsdecode(file)
            if isinstance(error, operator_file.UntrustedLink):
                self.report(ERROR, operator_file.UNTRUSTED_LINK)
            self.fail(f'rsync: [Receiver] unable to open config file "{name}": {system_text(error)}')
        self.config.sources.append((file, status))
        identity = (status.st_dev, status.st_ino)
        if identity in self.open_files:
            self.fail(f'config file "{os.fsdecode(file)}" includes itself')
        if depth == 0 and status.st_mode & stat.S_IWOTH:
            self.report(WARNING, f'config file "{os.fsdecode(file)}" can be written by everybody')
        outer_file, outer_line = self.file, self.line
        self.open_files.append(identity)
        self.file, self.line = file, 0
        self.parse(data, depth)
        self.open_files.pop()
        self.file, self.line = outer_file, outer_line

    def directive(self, name: bytes, target: bytes, depth: int) -> None:
        written, name = name, name.lower()
        if name not in (b"&include", b"&merge"):
            self.fail(f"Unknown directive: {os.fsdecode(written)}.")
        include = name == b"&include"
        try:
            status = os.stat(target)
        except OSError as error:
            shown = os.fsdecode(target)
            self.fail(f'rsync: [Receiver] unable to stat config file "{shown}": {system_text(error)}')
        if stat.S_ISDIR(status.st_mode):
            self.config.sources.append((target, status))
            suffix = b".conf" if include else b".inc"
            try:
                names = sorted(entry for entry in os.listdir(target) if entry.endswith(suffix))
            except OSError as error:
                shown = os.fsdecode(target)
                self.fail(f'rsync: [Receiver] unable to open config dir "{shown}": {system_text(error)}')
            files = [target.rstrip(b"/") + b"/" + entry for entry in names]
            files = [file for file in files if not os.path.isdir(file)]
        elif stat.S_ISREG(status.st_mode):
            files = [target]
        else:
            self.report(NOTE, f'config file "{os.fsdecode(target)}" is neither a file nor a directory')
            raise _FailedError
        for file in files:
            if not include:
                self.read_file(file, depth + 1)
                continue
            kept = dict(self.defaults), list(self.default_faults), self.overridden
            self.section = None
            self.read_file(file, depth + 1)
            self.defaults, self.default_faults, self.overridden = kept
        if include:
            self.section = None

    # ---- lines (spec: daemon 2, rules 1 to 6)

    def parse(self, data: bytes, depth: int) -> None:
        if b"\0" in data:
            self.line = data.count(b"\n", 0, data.index(b"\0")) + 1
            self.fail("NUL byte in config file")
        at, end = 0, len(data)
        line, counted = 1, 0
        while at < end:
            byte = data[at : at + 1]
            if byte.isspace() or byte == b"\\":
                at += 1
                continue
            line += data.count(b"\n", counted, at)
            counted = at
            self.line = line
            if byte in (b"#", b";"):
                newline = data.find(b"\n", at)
                at = end if newline < 0 else newline + 1
            elif byte == b"[":
                at = self.parse_header(data, at + 1)
            else:
                at = self.parse_parameter(data, at, depth)

    def parse_header(self, data: bytes, at: int) -> int:
        if self.globals_only:
            # Even `[global]` is read only for a connection.
            self.apply_overrides()
            raise _StopError
        words, at, stop = _take(data, at, b"]")
        name = b" ".join(words.split())
        if stop == b"":
            self.fail(f"params.c:Section() - Unexpected EOF in the config file: {os.fsdecode(name)}")
        if stop == b"\n":
            self.fail(f"params.c:Section() - Badly formed line in config file: {os.fsdecode(name)}")
        if not name:
            self.fail("params.c:Section() - Empty section name in config file.")
        if b"/" in name:
            self.fail(f"Warning: invalid section name in configuration file: {os.fsdecode(name)}")
        self.open_section(name)
        newline = data.find(b"\n", at)
        return len(data) if newline < 0 else newline + 1

    def parse_parameter(self, data: bytes, at: int, depth: int) -> int:
        is_directive = data[at : at + 1] == b"&"
        words, after, stop = _take(data, at, b"=")
        if is_directive:
            # A directive needs no equals sign before its argument.
            text, after_line = _take_value(data, at)
            name, _, target = text.partition(b" ")
            name, equals, rest = name.partition(b"=")
            if b"\t" in name:
                name, _, more = name.partition(b"\t")
                target = more + b" " + target
            target = (rest + b" " + target if equals else target).strip()
            if not equals and target.startswith(b"="):
                target = target[1:].strip()
            if not target:
                self.report(WARNING, f"params.c:Parameter() - Ignoring badly formed line in config file: {_show(text)}")
                return after_line
            line = self.line
            self.directive(name, target, depth)
            self.line = line
            return after_line
        name = b" ".join(words.split())
        if stop == b"":
            self.report(WARNING, f"params.c:Parameter() - Unexpected end-of-file at: {_show(name)}")
            return after
        if stop == b"\n":
            self.report(WARNING, f"params.c:Parameter() - Ignoring badly formed line in config file: {_show(name)}")
            return after
        if not name:
            self.fail("params.c:Parameter() - Invalid parameter name in config file.")
        value, after = _take_value(data, after)
        self.set(name, value)
        return after

    # ---- sections and values (spec: daemon 2, rules 7 to 13)

    def open_section(self, name: bytes) -> None:
        if key(name) == b"global":
            self.section = None
            return
        self.apply_overrides()
        known = self.by_key.get(key(name))
        if known is not None:
            self.section = known
            return
        self.section = Section(name, dict(self.defaults), self.config.variables)
        self.section.line = self.line
        self.section.faults = list(self.default_faults)
        self.config.modules.append(self.section)
        self.by_key[key(name)] = self.section

    def apply_overrides(self) -> None:
        if self.overridden:
            return
        self.overridden = True
        section, self.section = self.section, None
        for name, value in self.overrides:
            self.set(name, value)
        self.section = section

    def set(self, name: bytes, value: bytes) -> None:
        row = PARAMETERS.get(key(name))
        if row is None:
            self.unknown(name, value)
            return
        if row.of_daemon and self.section is not None:
            self.report(WARNING, f"Global parameter {_show(name)} found in module section!")
            return
        parsed = self.convert(row, value)
        if parsed is _KEEP:
            return
        if self.section is None:
            self.defaults[row.name] = parsed
            self.config.globals.lines[row.name] = self.line
            if row.name == "path":
                self.report(NOTE, "path in the global section becomes the path of every module that has none")
        else:
            if row.name == "path" and "path" in self.section.lines:
                self.report(NOTE, f"second path in module {_show(self.section.name)}: is a [name] line missing?")
            self.section.values[row.name] = parsed
            if row.name == "name":
                if self.by_key.get(key(self.section.name)) is self.section:
                    del self.by_key[key(self.section.name)]
                self.section.name = value
                self.by_key.setdefault(key(value), self.section)
            self.section.lines[row.name] = self.line

    def convert(self, row: Parameter, value: bytes) -> Value:
        """The value of a parameter, or `_KEEP` when it is unreadable."""
        name = row.name.encode()
        if row.kind in (BOOLEAN, BOOLEAN3):
            word = self.config.variables.expand(value).lower()
            if word in (b"yes", b"true", b"1"):
                return True
            if word in (b"no", b"false", b"0"):
                return False
            if row.kind == BOOLEAN3 and word in (b"unset", b"-1"):
                return None
            self.fault(
                WARNING,
                f'Badly formed boolean in configuration file: "{_show(value)}".',
                row.name.encode(),
                only_strict=True,
            )
            return _KEEP
        if row.kind == INTEGER:
            number, whole = _atoi(self.config.variables.expand(value))
            if not whole:
                self.fault(NOTE, f'"{_show(value)}" is not a number, {number} is used', name, only_strict=True)
            return number
        if row.kind == FACILITY:
            word = self.config.variables.expand(value).lower()
            number, whole = _atoi(word)
            found = FACILITIES.get(word, number if whole and number > 0 else None)
            if found is None:
                self.fault(NOTE, f'unknown syslog facility "{_show(value)}"', name, only_strict=True)
                return _KEEP
            return found
        if row.kind == PATH:
            value = strip_slashes(value)
        return value

    def unknown(self, name: bytes, value: bytes) -> None:
        shown = _show(name)
        if not name.startswith(b"-"):
            self.report(WARNING, f'Unknown Parameter encountered: "{shown}"')
        self.report(WARNING, f'IGNORING unknown parameter "{shown}"')
        likely = nearest(name)
        reserved = RESERVED_NAMES.get(key(name))
        if reserved is not None:
            if reserved.state == PROTECTIVE and value.strip().lower() not in OFF:
                text = f'"{reserved.name}" is not supported yet: nothing is served without the protection it asks for'
                self.fault(ERROR, text, name, only_strict=False)
            else:
                self.fault(WARNING, f'"{reserved.name}" is not supported yet and has no effect', name, only_strict=True)
        elif key(name).startswith(b"tain") and b" " in name:
            self.fault(ERROR, f'unknown parameter "{shown}"', name, only_strict=False)
        elif likely in ACCESS_CONTROL:
            self.fault(ERROR, f'unknown parameter "{shown}": did you mean "{likely}"?', name, only_strict=False)
        else:
            hint = f': did you mean "{likely}"?' if likely else ""
            if key(name) == b"motd":
                hint = ': did you mean "motd file"?'
            self.fault(NOTE if hint else "", f'unknown parameter "{shown}"{hint}', name, only_strict=True)

    # ---- diagnostics

    def report(self, level: str, text: str) -> Diagnostic:
        diagnostic = Diagnostic(level, text, self.file, self.line)
        if level:
            self.config.diagnostics.append(diagnostic)
        return diagnostic

    def fault(self, level: str, text: str, name: bytes, *, only_strict: bool) -> None:
        """Report a reason to refuse the present module; *only_strict*: only in a strict configuration."""
        fault = Fault(self.report(level, text), name, only_strict=only_strict)
        (self.default_faults if self.section is None else self.section.faults).append(fault)

    def fail(self, text: str) -> Never:
        self.report(ERROR, text)
        raise _FailedError


# Returned for an unreadable value: the old one is kept. Compared by identity, so no value of a file can equal it.
_KEEP = bytes(bytearray(b"\0keep"))


def _show(text: bytes) -> str:
    return os.fsdecode(text)


def _atoi(text: bytes) -> tuple[int, bool]:
    """The leading decimal number, and whether it is the whole text."""
    text = text.strip()
    sign = text[:1] if text[:1] in (b"-", b"+") else b""
    digits = text[len(sign) :]
    length = 0
    while length < len(digits) and digits[length : length + 1].isdigit():
        length += 1
    if not length:
        return 0, False
    number = min(int(digits[: min(length, 18)]), 0x7FFFFFFF)
    return (-number if sign == b"-" else number), length == len(digits)


def _take(data: bytes, at: int, stop: bytes) -> tuple[bytes, int, bytes]:
    """The text up to *stop* or the end of the (continued) line, the position behind it, and the byte that ended it."""
    text = bytearray()
    while at < len(data):
        byte = data[at : at + 1]
        at += 1
        if byte == stop:
            return bytes(text), at, stop
        if byte == b"\n":
            if not _continued(text):
                return bytes(text), at, b"\n"
            text += b" "
            continue
        text += byte
    return bytes(text), at, b""


def _take_value(data: bytes, at: int) -> tuple[bytes, int]:
    """The rest of the (continued) line without surrounding blanks and CRs, and the position behind it."""
    while data[at : at + 1] and data[at : at + 1] in _BLANK:
        at += 1
    text = bytearray()
    while at < len(data):
        newline = data.find(b"\n", at)
        end = len(data) if newline < 0 else newline
        text += data[at:end].replace(b"\r", b"")
        at = end + 1
        if newline < 0 or not _continued(text):
            break
    return bytes(text).rstrip(_BLANK), at


def _continued(text: bytearray) -> bool:
    """Whether the line continues; if so, the backslash and the blanks behind it are removed from *text*."""
    trimmed = text.rstrip(_BLANK)
    if not trimmed.endswith(b"\\"):
        return False
    del text[len(trimmed) - 1 :]
    return True

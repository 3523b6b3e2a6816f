"""``--json`` and ``--json-file``: the events of a run as lines of JSON (`report.jsonl` has the types and fields)."""

from __future__ import annotations

import errno
import os
import time

from tain.errors import UsageError, exit_text
from tain.escape import printable
from tain.events import KINDS, Connected, Message, Progress
from tain.options.resolved import ResolvedOptions
from tain.release import VERSION
from tain.report.jsonl import SCHEMA, Stream, choose, encode, put_name, put_names
from tain.report.output import STDERR, Output
from tain.session.client.reporter import Reporter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from tain.events import End, Event, HintEvent, Planned, Start, Summary
    from tain.problems import Problem
    from tain.session.environment import Environment

#: The types that the core writes.
_FROM_CORE = {"item": "json-item", "done": "json-done", "delete": "json-delete", "skip": "json-skip"}
#: `Progress.phase` in the words of the contract. Waiting is no phase of its own.
_PHASES = {"check": "copy", "tidy": "delete"}
#: Seconds between two lines of progress.
_SECONDS = 1.0
#: Passwords in words: ``--password-...=``, also inside ``-M``; variables of a remote shell; sshpass; URLs.
_SECRETS = (
    (rb"(--password-[\w-]*=).*", rb"\1***"),
    (rb"(?i)(\b\w*(?:passw(?:or)?d|sshpass|secret|token)\w*=)('[^']*'|\"[^\"]*\"|[^\s'\"]+)", rb"\1***"),
    (rb"(\bsshpass\s+-p\s*)\S+", rb"\1***"),
    (rb"(?i)\A(rsyncs?://[^/@:]*):[^/]*@", rb"\1:***@"),
)
#: A word without any of these has no password.
_SIGNS = (b"passw", b"sshpass", b"secret", b"token", b"://")


def without_secrets(words: Iterable[bytes]) -> Iterator[bytes]:
    """The words of a command line with ``***`` in place of passwords."""
    hidden = False
    for word in words:
        if hidden:
            hidden = False
            yield b"***"
            continue
        hidden = word.startswith(b"--password-") and b"=" not in word
        yield _without_secret(word)


def _without_secret(word: bytes) -> bytes:
    lowered = word.lower()
    if not any(sign in lowered for sign in _SIGNS):
        return word
    # Few command lines need this module.
    import re

    for pattern, shown in _SECRETS:
        word = re.sub(pattern, shown, word, flags=re.DOTALL)
    return word


def time_text(seconds: float) -> str:
    """A clock time by RFC 3339, with the offset of the local zone."""
    zone = time.strftime("%z", time.localtime(seconds))
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(seconds)) + f"{zone[:3]}:{zone[3:5]}"


def open_file(name: bytes, env: Environment) -> int:
    """A descriptor for ``--json-file=NAME``, where ``fd:N`` is an open descriptor. Errors: `UsageError`."""
    try:
        if name.startswith(b"fd:"):
            if not name[3:].isdigit():
                raise UsageError(f"rsync: --json-file={printable(name)}: fd: needs a number")
            # The copy is closed in children, so that a reader sees the end of the stream.
            number = int(name[3:10])
            fd = os.dup(number)
            if env.own_process and number > 2:
                os.set_inheritable(number, False)
            os.write(fd, b"")
            return fd
        return os.open(os.path.join(env.cwd, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    except OSError as error:
        reason = f"{os.strerror(error.errno or 0)} ({error.errno})"
        raise UsageError(f'rsync: failed to open --json-file "{printable(name)}": {reason}') from error


class JsonEvents:
    """Writes the events of one run."""

    #: The core marks the texts about what it writes as events.
    wants_repeats = False

    def __init__(self, options: ResolvedOptions, env: Environment) -> None:
        self._options, self._env = options, env
        #: What is wrong with the options; the run begins with it.
        self.error: UsageError | None = None
        words = None if options.json_events is None else os.fsdecode(options.json_events)
        try:
            self.kinds = choose(words)
        except UsageError as error:
            self.error, self.kinds = error, choose(None)
        self.core_kinds = frozenset({"entry", *(_FROM_CORE[kind] for kind in self.kinds if kind in _FROM_CORE)})
        seconds = options.json_seconds
        named = words is not None and "progress" in words.replace("+", "").split(",")
        # An early total needs memory at the sending side.
        self.looks_ahead = "progress" in self.kinds and (
            named or seconds is not None or bool(options.info.get("PROGRESS"))
        )
        self._seconds = _SECONDS if seconds is None else seconds
        self._began = time.monotonic()
        self._stream = Stream()
        if options.json_file is not None:
            try:
                self._stream.sinks.append(Output(open_file(options.json_file, env)).write_events)
            except UsageError as error:
                self.error = error
        self._progress: dict[str, Any] = {}
        self._progressed: float | None = None
        self._fields: dict[str, Callable[[Any], dict[str, Any]]] = {
            "start": self._start, "connected": self._plain, "scan": self._plain, "plan": self._plan,
            "message": self._message, "error": self._error, "hint": self._hint, "held": self._plain,
            "summary": self._summary, "end": self._end,
        }  # fmt: skip

    def attach(self, out: Output) -> None:
        """Write to standard output, if that is wanted."""
        if self._options.json:
            out.replace_stdout()
            self._stream.sinks.append(out.write_events)

    def take_lines(self, lines: bytes) -> None:
        """Ready lines of the core."""
        self._stream.write(lines)

    def take(self, event: Event) -> None:
        """Any other event."""
        kind = KINDS[type(event)]
        if isinstance(event, Progress):
            self._take_progress(event)
        elif isinstance(event, Message) and not _is_line(event):
            return
        elif kind in self._fields:
            self._write(kind, self._fields[kind](event))

    def _write(self, kind: str, fields: Mapping[str, object]) -> None:
        self._stream.write(encode(kind, time.monotonic() - self._began, fields))

    # ---- the fields of each type, in the order of the contract

    def _plain(self, event: Event) -> dict[str, Any]:
        """An event whose fields are those of the line."""
        fields = dict(event.__dict__)
        if isinstance(event, Connected):
            # Neither is known: no peer tells its name, and nothing is encrypted.
            fields |= {"peer": None, "tls": None}
        return fields

    def _start(self, event: Start) -> dict[str, Any]:
        fields: dict[str, Any] = {"schema": SCHEMA, "version": VERSION}
        put_names(fields, "argv", without_secrets(self._env.argv))
        put_names(fields, "sources", without_secrets(event.sources))
        place = event.destination
        put_name(fields, "destination", None if place is None else next(without_secrets([place])))
        return fields | {
            "direction": event.direction,
            "host": event.host,
            "dry_run": event.dry_run,
            "pid": self._env.pid,
            "time": time_text(time.time()),
        }

    def _plan(self, event: Planned) -> dict[str, Any]:
        plan = event.plan
        fields: dict[str, Any] = {}
        for name in ("new", "update", "attributes", "delete", "keep"):
            amount = getattr(plan, name)
            fields[name] = {"count": amount.count, "bytes": amount.bytes}
        for name in ("need_bytes", "free_bytes", "need_inodes", "free_inodes"):
            fields[name] = getattr(plan, name)
        return fields

    def _message(self, event: Message) -> dict[str, Any]:
        fields: dict[str, Any] = {"level": event.level}
        put_name(fields, "text", _bytes(event.text))
        return fields | {"role": event.role, "side": event.side}

    def _error(self, event: Problem) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        put_name(fields, "text", _bytes(event.text))
        fields |= {"errno": event.errno, "name": _errno_name(event.errno), "action": event.action}
        put_name(fields, "path", event.path)
        return fields | {"role": event.role, "side": event.side, "fatal": event.fatal}

    def _hint(self, event: HintEvent) -> dict[str, Any]:
        hint = event.hint
        texts = {name: getattr(hint, name) for name in ("id", "title", "cause", "check", "fix")}
        return texts | {"lang": "en"}

    def _take_progress(self, event: Progress) -> None:
        now = time.monotonic()
        last = event.phase in ("connect", "end")
        if not last and self._progressed is not None and now - self._progressed < self._seconds:
            return
        phase = event.phase
        if phase == "wait":
            phase = "scan" if event.fraction is None else "copy"
        fields: dict[str, Any] = {"phase": _PHASES.get(phase, phase)}
        for name in ("entries", "decided", "bytes_done", "bytes_total", "total_is", "wire"):
            fields[name] = getattr(event, name)
        if fields == self._progress:
            return
        self._progress, self._progressed = fields, now
        shown: dict[str, Any] = {**fields, "rate": _rounded(event.rate, 1), "left": _rounded(event.left, 1)}
        put_name(shown, "path", event.path or None)
        self._write("progress", shown)

    def _summary(self, event: Summary) -> dict[str, Any]:
        figures = event.statistics
        fields: dict[str, Any] = {
            "files": dict(figures.files), "created": dict(figures.created), "removed": dict(figures.deleted)
        }  # fmt: skip
        for name in figures._names:
            if name not in ("files", "created", "deleted"):
                fields[name] = getattr(figures, name)
        fields |= {"speedup": _rounded(figures.speedup, 2), "seconds": _rounded(figures.seconds, 3)}
        causes = []
        for cause, count, paths in event.causes:
            row: dict[str, Any] = {"errno": cause.errno, "action": cause.action, "side": cause.side, "count": count}
            put_names(row, "paths", paths)
            causes.append(row)
        return fields | {
            "new": sum(figures.created.values()),
            "deleted": sum(figures.deleted.values()),
            "failed": event.problems,
            "causes": causes,
        }

    def _end(self, event: End) -> dict[str, Any]:
        return {
            "code": event.code,
            "text": event.text,
            "complete": event.code == 0,
            "stopped_by": event.stopped_by,
            "deletions_skipped": event.deletions_skipped,
            "seconds": _rounded(event.seconds, 3),
            "time": time_text(time.time()),
        }


def _is_line(message: Message) -> bool:
    """Whether a message says something. Progress of rsync's own begins with CR, and has events of its own."""
    return bool(message.text) and "\r" not in message.text


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _errno_name(number: int | None) -> str | None:
    return None if number is None else errno.errorcode.get(number)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def report_usage(words: list[bytes], text: bytes, code: int, env: Environment) -> None:
    """The events of a command line that is not understood: there are no options that could say where they go."""
    options = ResolvedOptions()
    options.json = b"--json" in words
    for i, word in enumerate(words):
        if word.startswith(b"--json-file="):
            options.json_file = word[12:]
        elif word == b"--json-file" and i + 1 < len(words):
            options.json_file = words[i + 1]
    if not options.json and options.json_file is None:
        return
    from tain.diagnosis import hints
    from tain.session.client.lines import Lines

    lines = Lines(lambda: "local")
    out = Output(env.stdout, env.stderr)
    reporter = Reporter(options, env, [JsonEvents(options, env)])
    reporter.start(out, lines)
    lines.failing = True
    lines.read(STDERR, text)
    found = hints.in_errors(text, host=None, port=0)
    reporter.end(code, exit_text(code), None, tuple(found))

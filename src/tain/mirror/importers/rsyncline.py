"""A command line of rsync as a job, read by the parser of the program itself."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from tain.api import Options
from tain.mirror.importers.words import Unusable
from tain.mirror.stages import is_local
from tain.options.parse import parse

#: What `-a` stands for.
_ARCHIVE = ("recursive", "links", "perms", "times", "group", "owner", "devices", "specials")
#: What each job has unless it says otherwise.
_BASE = ("recursive", "links", "perms", "times", "hard_links", "safe_links")
#: Output, which each run of a job has of its own.
_DROPPED = frozenset((
    "verbose", "quiet", "progress", "P", "stats", "human_readable", "itemize_changes", "info", "debug", "log_file",
    "log_file_format", "out_format", "motd", "partial", "partial_dir", "outbuf", "msgs2stderr", "stderr", "bar",
    "summary", "explain", "hints", "guard", "guard_rules", "allow",
))  # fmt: skip
_DELETES = frozenset(("delete", "delete_before", "delete_during", "delete_delay", "delete_after", "del"))
_UPSTREAM = {"password_file": "password_file", "rsh": "rsh", "address": "bind"}
_DURATIONS = {"timeout": "timeout", "contimeout": "connect_timeout"}
_UNUSABLE = {
    "dry_run": "a dry run changes nothing", "list_only": "it only lists", "link_dest": "see publish.mode",
    "copy_dest": "see publish.mode", "compare_dest": "see publish.mode", "files_from": "jobs mirror whole trees",
    "remove_source_files": "a job does not change its source", "delete_excluded": "excluded files stay",
    "write_batch": "jobs write no batches", "read_batch": "jobs read no batches",
}  # fmt: skip


def read_line(words: Sequence[str], losses: list[str], notes: list[str]) -> dict[str, Any]:
    """The job of the words behind ``rsync``. What has no place in a job is added to *losses*, what changes to *notes*.
    Errors: `Unusable`."""
    raw = parse([os.fsencode(word) for word in words])
    if raw.error is not None:
        raise Unusable(str(raw.error).removeprefix("rsync: "))
    if raw.server or raw.daemon is not None:
        raise Unusable("it starts a server or a daemon")
    places = [os.fsdecode(place) for place in raw.args]
    if len(places) != 2:
        raise Unusable("a job has one source and one destination" if len(places) > 1 else "it has no destination")
    source, destination = places
    if not is_local(destination):
        raise Unusable(f"{destination} is remote; a job writes on its own machine")
    if not destination.startswith("/") or (is_local(source) and not source.startswith("/")):
        raise Unusable("paths must be absolute")
    if any(letter in source for letter in "*?["):
        raise Unusable(f"{source} has wildcards")
    job: dict[str, Any] = {"source": source, "destination": destination.rstrip("/") or "/"}
    _Line(job, losses, notes).read(raw.items)
    return job


class _Line:
    def __init__(self, job: dict[str, Any], losses: list[str], notes: list[str]) -> None:
        self.job, self.losses, self.notes = job, losses, notes
        self.transfer: dict[str, Any] = {}
        self.upstream: dict[str, Any] = {}
        self.rules: list[tuple[str, str]] = []
        self.deletes = False

    def read(self, items: Sequence[Any]) -> None:
        for row, _word, spelling, argument in items:
            text = os.fsdecode(argument) if isinstance(argument, bytes) else argument
            self._one(row.key.replace("-", "_"), spelling, row.kind, text)
        self._finish()

    def _one(self, key: str, spelling: str, kind: str, text: Any) -> None:
        """One option: *key* is its first long name, *text* its argument."""
        off = spelling.startswith("no-")
        name = key.removeprefix("no_") if off else key
        if name in _DELETES:
            self.deletes = not off
        elif name in _UNUSABLE and not off:
            self.losses.append(f"--{name.replace('_', '-')}: {_UNUSABLE[name]}")
        elif name in ("include", "exclude", "filter"):
            self.rules.append((name, str(text)))
        elif name == "exclude_from":
            self.job.setdefault("exclude_from", []).append(text)
        elif name == "max_delete":
            self.job.setdefault("guard", {})["max_delete"] = max(int(text), 0)
        elif name == "bwlimit":
            if text not in ("0", 0) and not off:
                plain = str(text).isdigit()
                self.job.setdefault("resources", {})["bandwidth"] = f"{text}K" if plain else str(text)
        elif name in _DURATIONS:
            if not off and int(text):
                self.job[_DURATIONS[name]] = int(text)
        elif name in _UPSTREAM and not off:
            self.upstream[_UPSTREAM[name]] = text
        elif name in ("ipv4", "ipv6"):
            self.upstream["family"] = int(name[-1])
        elif name == "delay_updates":
            self.job["stage"] = [{"name": "mirror", "delay_updates": True}]
        elif name not in _DROPPED:
            self._field(name, kind, text, on=not off)

    def _field(self, name: str, kind: str, text: Any, *, on: bool) -> None:
        """An option that stays one."""
        known = {"D": ("devices", "specials"), "archive": _ARCHIVE}.get(name)
        if known is not None:
            self.transfer.update(dict.fromkeys(known, on))
        elif name not in Options._names:
            self.losses.append(f"--{name.replace('_', '-')}: no option of a job")
        elif kind:
            self.transfer[name] = int(text) if str(Options._types[name]).startswith("int") else text
        else:
            self.transfer[name] = on

    def _finish(self) -> None:
        job = self.job
        transfer = {name: self.transfer.pop(name, False) for name in _BASE}
        # What each job has is left out.
        job_transfer = {name: value for name, value in transfer.items() if not value}
        job_transfer.update(self.transfer)
        if not transfer["recursive"] and not self.transfer.get("dirs"):
            self.losses.append("without -r or -a only single files are copied")
        for name in ("owner", "group", "devices", "specials"):
            if job_transfer.get(name) is False:
                del job_transfer[name]
        if job_transfer:
            job["transfer"] = job_transfer
        if not self.deletes:
            job["delete"] = False
        if all(kind == "exclude" for kind, _ in self.rules):
            if self.rules:
                job["exclude"] = [pattern for _, pattern in self.rules]
        else:
            signs = {"include": "+ ", "exclude": "- ", "filter": ""}
            job["filters"] = [signs[kind] + pattern for kind, pattern in self.rules]
        if self.upstream:
            job["upstream"] = [{"url": job.pop("source"), **self.upstream}]
        if not str(job.get("source", "/")).endswith("/"):
            self.notes.append("the source has no trailing slash: its last directory is made in the destination")


def split_prefix(words: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """The programs in front of rsync, each with its words: ``nice``, ``ionice``, ``flock``, ``timeout``; then rsync.
    Errors: `Unusable`."""
    rest = list(words)
    while rest:
        program = os.path.basename(rest[0])
        if program in ("rsync", "tain"):
            yield program, rest[1:]
            return
        if program == "env" or ("=" in rest[0] and rest[0].partition("=")[0].isidentifier()):
            if program != "env":
                yield "env", [rest[0]]
            rest = rest[1:]
            continue
        taken = _PREFIXES.get(program)
        if taken is None:
            break
        count = 1
        while count < len(rest) and rest[count].startswith("-"):
            # An option of one letter has its value in the next word.
            count += 2 if len(rest[count]) == 2 and rest[count][1] in taken[0] else 1
        count += taken[1]
        yield program, rest[1:count]
        rest = rest[count:]
    raise Unusable(f"{rest[0] if rest else 'nothing'}: this is no call of rsync")


#: Programs that run another one: options that take a value, and how many words follow them.
_PREFIXES = {
    "nice": ("n", 0),
    "ionice": ("cnp", 0),
    "flock": ("wE", 1),
    "timeout": ("ks", 1),
    "exec": ("", 0),
    "nohup": ("", 0),
}

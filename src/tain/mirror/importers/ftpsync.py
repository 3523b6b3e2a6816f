"""The configuration of ftpsync, the script that Debian's mirrors run. It is a file of a shell: read, never executed."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tain.mirror.importers.rsyncline import read_line
from tain.mirror.importers.words import Imported, Unusable, job_name

_SETTING = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_FIELDS = {
    "INFO_MAINTAINER": "Maintainer", "INFO_SPONSOR": "Sponsor", "INFO_COUNTRY": "Country", "INFO_LOCATION": "Location",
    "INFO_THROUGHPUT": "Throughput",
}  # fmt: skip
#: Hooks in the order of a run, and the moments of a job that are nearest.
_HOOKS = {
    "HOOK1": "before-run", "HOOK2": "after-stage", "HOOK3": "before-publish", "HOOK4": "success", "HOOK5": "finally",
}  # fmt: skip
#: What a job has or does in its own way.
_NEEDLESS = frozenset((
    "LOGDIR", "LOGROTATE", "LOG", "LOCKTIMEOUT", "RSYNC", "PATH", "ERRORSONLY", "FULLLOGS", "MIRRORNAME", "TO", "HUB",
    "MAILTO", "RSYNC_HOST", "RSYNC_PATH", "RSYNC_USER", "RSYNC_PASSWORD", "RSYNC_TRANSPORT", "RSYNC_PROXY", "RSYNC_BW",
    "RSYNC_EXTRA", "ARCH_INCLUDE", "ARCH_EXCLUDE", "EXCLUDE", "UIPSLEEP", "UIPRETRIES", "TRACEHOST", "RSYNC_SSH_KEY",
    *_FIELDS, *_HOOKS,
))  # fmt: skip
#: Files of a source package, which have no architecture in their names.
_SOURCES = (
    "source/", "*.dsc", "*.diff.gz", "*.debian.tar.*", "*.orig.tar.*", "*.orig-*.tar.*", "*_*.tar.gz", "*_*.tar.xz",
)  # fmt: skip


def read_ftpsync(path: str, secrets: str, taken: Collection[str] = ()) -> Imported:
    """The job of an ``ftpsync.conf``, or the downstreams of a ``runmirrors.mirror``. *secrets*: the directory for files
    of passwords; *taken*: names that are not free. Errors: `Unusable`."""
    found = Imported()
    values = read_settings(path, found.losses)
    place = values.get("TO", "")
    if not place.startswith("/"):
        raise Unusable(f"{path}: TO is no absolute path")
    # ftpsync-security.conf is the archive called security.
    stem = os.path.basename(path).removesuffix(".conf")
    name = job_name(stem.removeprefix("ftpsync-") if stem.startswith("ftpsync-") else place, taken)
    losses: list[str] = []
    job: dict[str, Any] = {"profile": "debian", "destination": os.path.normpath(place), "every": "6h"}
    found.notes.append(f"{name}: runs every 6 hours; pushes come by `tain mirror push` as the command of the ssh key")
    job["upstream"] = [_upstream(name, values, losses, found, secrets)]
    rules = list(_architectures(values))
    if rules:
        job["filters"] = rules
    excludes = _excludes(values, losses)
    if excludes:
        job["exclude"] = excludes
    if values.get("RSYNC_EXTRA"):
        words = ["-rlptH", "--safe-links", "--delete", *shlex.split(values["RSYNC_EXTRA"])]
        extra = read_line([*words, "/source/", "/destination"], losses, found.notes)
        for key in ("source", "destination", "stage"):
            extra.pop(key, None)
        for key in ("filters", "exclude"):
            if key in extra:
                extra[key] = [*job.get(key, ()), *extra[key]]
        job.update(extra)
    if values.get("RSYNC_BW", "0").isdigit() and int(values.get("RSYNC_BW", "0")):
        job["resources"] = {"bandwidth": f"{values['RSYNC_BW']}K"}
    probe = {}
    if values.get("UIPSLEEP", "").isdigit():
        probe["busy_wait"] = int(values["UIPSLEEP"])
    if values.get("UIPRETRIES", "").isdigit():
        probe["busy_attempts"] = min(int(values["UIPRETRIES"]), 100)
    if probe:
        job["probe"] = probe
    trace: dict[str, Any] = {}
    host = values.get("TRACEHOST") or values.get("MIRRORNAME")
    if host:
        trace["host"] = host
    fields = {field: values[key] for key, field in _FIELDS.items() if values.get(key)}
    if fields:
        trace["fields"] = fields
    if trace:
        job["trace"] = trace
    hooks = [
        {"on": point, "run": values[key], "shell": True, "required": False}
        for key, point in _HOOKS.items()
        if values.get(key)
    ]
    if hooks:
        job["hook"] = hooks
        found.notes.append(f"{name}: hooks run at the nearest moment of a job: see hook.on")
    if values.get("MAILTO"):
        found.notes.append(f"{name}: MAILTO: see [notify]")
    if values.get("HUB") == "true":
        found.notes.append(f"{name}: HUB: import runmirrors.mirror too, for the downstreams")
    losses += [f"{key} is not carried over" for key in values if key not in _NEEDLESS]
    found.losses += [f"{name}: {loss}" for loss in losses]
    found.jobs[name] = job
    return found


def read_settings(path: str, losses: list[str]) -> dict[str, str]:
    """The variables that a file sets. What only a shell could know is named in *losses*. Errors: `Unusable`."""
    values: dict[str, str] = {}
    used: set[str] = set()
    depth = 0
    for number, line in enumerate(_lines(path), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        word = text.split()[0]
        # What stands in a condition may or may not count.
        opened = word in ("if", "for", "while", "case", "until") or re.fullmatch(r"\w+\s*\(\)\s*\{?", text) is not None
        if opened or depth:
            losses.append(f"line {number}: {text[:60]}: only a shell knows what that is")
            depth += opened
            depth -= text.split(";")[-1].strip() in ("fi", "done", "esac", "}")
            continue
        setting = _SETTING.fullmatch(text)
        try:
            if setting is None:
                raise Unusable("only a shell knows what that is")
            values[setting[1]] = _value(setting[2], values)
            used.update(found[1] or found[2] for found in _VARIABLE.finditer(setting[2]))
        except Unusable as error:
            if setting is None or setting[1] != "MIRRORNAME" or "hostname" not in setting[2]:
                # The name of the machine is what a job has anyway.
                losses.append(f"line {number}: {text[:60]}: {error}")
    for key in used - _NEEDLESS:
        # It only helped to write others.
        values.pop(key, None)
    return values


def _value(text: str, known: Mapping[str, str]) -> str:
    """The value of a setting. Errors: `Unusable`, if a shell would run something for it."""
    if "$(" in text or "`" in text:
        raise Unusable("is the output of a command, and nothing is run")
    literal = text.startswith("'")
    try:
        words = shlex.split(text, comments=True)
    except ValueError as error:
        raise Unusable(str(error).lower()) from None
    if len(words) > 1:
        raise Unusable("is a command")
    value = words[0] if words else ""
    if literal:
        return value
    for variable in _VARIABLE.finditer(value):
        if (variable[1] or variable[2]) not in known:
            raise Unusable(f"{variable[0]} is not set in this file")
    value = _VARIABLE.sub(lambda found: known[found[1] or found[2]], value)
    if "$" in value:
        raise Unusable("only a shell knows what that is")
    return value


def read_runmirrors(path: str, losses: list[str]) -> list[dict[str, Any]]:
    """The downstreams in a ``runmirrors.mirror``: lines of a kind, a name, a host and an account. Errors:
    `Unusable`."""
    found = []
    for number, line in enumerate(_lines(path), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0] not in ("all", "staged", "mhop") or len(words) < 4:
            losses.append(f"line {number}: {line.strip()[:60]}: is no downstream")
            continue
        kind, name, host, user = words[:4]
        own = {"name": name, "trigger": f"ssh://{user}@{host}", "on": "payload" if kind == "staged" else "success"}
        key = next((word for word in words[4:] if word.startswith("/")), None)
        found.append({**own, "key": key} if key is not None else own)
    return found


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().replace("\\\n", " ").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise Unusable(f"{path}: {reason}") from None


def _upstream(name: str, values: Mapping[str, str], losses: list[str], found: Imported, secrets: str) -> dict[str, Any]:
    host, path = values.get("RSYNC_HOST", ""), values.get("RSYNC_PATH", "debian").strip("/")
    if not host:
        raise Unusable("RSYNC_HOST is not set")
    user = f"{values['RSYNC_USER']}@" if values.get("RSYNC_USER") else ""
    transport = values.get("RSYNC_TRANSPORT", "plain")
    if transport == "ssh":
        own: dict[str, Any] = {"url": f"{user}{host}:{values.get('RSYNC_PATH', 'debian').rstrip('/')}/"}
        if values.get("RSYNC_SSH_KEY"):
            own["rsh"] = f"ssh -i {shlex.quote(values['RSYNC_SSH_KEY'])}"
        return own
    if transport != "plain":
        losses.append(f"RSYNC_TRANSPORT={transport}: the upstream is asked without it")
    own = {"url": f"rsync://{user}{host}/{path}/"}
    if values.get("RSYNC_PASSWORD"):
        own["password_file"] = os.path.join(secrets, f"{name}.password")
        found.secrets[own["password_file"]] = values["RSYNC_PASSWORD"]
        found.notes.append(f"{name}: its password goes to {own['password_file']}")
    if values.get("RSYNC_PROXY"):
        own["proxy"] = values["RSYNC_PROXY"]
    return own


def _architectures(values: Mapping[str, str]) -> Iterator[str]:
    """The filter rules of the architectures that a mirror has, or leaves out."""
    for kind in values.get("ARCH_EXCLUDE", "").split():
        yield from (f"- {pattern}" for pattern in (_SOURCES if kind == "source" else _patterns(kind)))
    wanted = values.get("ARCH_INCLUDE", "").split()
    if not wanted:
        return
    for kind in dict.fromkeys(["all", *wanted]):
        if kind != "source":
            yield from (f"+ {pattern}" for pattern in _patterns(kind))
    yield from (f"- {pattern}" for pattern in _patterns("*"))
    if "source" not in wanted:
        yield from (f"- {pattern}" for pattern in _SOURCES)


def _patterns(kind: str) -> tuple[str, ...]:
    """What belongs to an architecture."""
    return (
        f"binary-{kind}/", f"installer-{kind}/", f"Contents-{kind}.*", f"Contents-udeb-{kind}.*", f"*_{kind}.deb",
        f"*_{kind}.udeb", f"*_{kind}.changes",
    )  # fmt: skip


def _excludes(values: Mapping[str, str], losses: list[str]) -> list[str]:
    found, words = [], shlex.split(values.get("EXCLUDE", ""))
    while words:
        word = words.pop(0)
        if word.startswith("--exclude="):
            found.append(word.partition("=")[2])
        elif word == "--exclude" and words:
            found.append(words.pop(0))
        else:
            losses.append(f"EXCLUDE: {word} is not carried over")
    return found
